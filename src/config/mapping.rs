//! `[[mapping]]`: from what a source says to what a person may do.

use super::section::Section;
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

impl Mapping {
    pub(super) fn resolve(section: &Section<'_>) -> Option<Self> {
        let from = section.required::<SourceId>("from");
        let when = section.required::<String>("when");
        let grant = MappedGrant::resolve(&section.table("grant"));
        if !section.has("grant") {
            section.missing("grant", "must be `{ role = \"…\", scope = \"…\" }`");
        }
        Some(Self { from: from?, when: when?, grant: grant?, position: section.place() })
    }
}

impl MappedGrant {
    fn resolve(section: &Section<'_>) -> Option<Self> {
        let role: Option<RoleId> = section.optional("role");
        let scope: Option<Scope> = section.optional("scope");
        if section.is_present() && !section.has("role") {
            section.missing("role", "must be the id of a role, such as \"data_analyst\"");
        }
        // A scope that is written and wrong must not turn into an organisation-wide grant; its problem stops the load.
        Some(Self { role: role?, scope })
    }
}
