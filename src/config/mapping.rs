//! `[[mapping]]`: from what a source says to what a person may do.

use crate::model::{RoleId, Scope, SourceId};

/// What a mapping gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedGrant {
    /// The role.
    pub role: RoleId,
    /// Where it holds; organisation-wide without.
    pub scope: Option<Scope>,
}

/// `[[mapping]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapping {
    /// The source or connector whose records it looks at.
    pub from: SourceId,
    /// The expression over the record, RFC 7644 section 3.4.2.2; 1 byte to 2 KiB.
    pub when: String,
    /// What it gives.
    pub grant: MappedGrant,
    /// Where it is written, `cleargate.toml:31`, for the origin of its grants.
    pub position: String,
}
