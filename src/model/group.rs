//! A group and a row of its membership. Members are rows of their own, never a list in the group.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Encode};

use super::{Attributes, GroupId, GroupName, NameError, OrganisationId, Scope, SourceId};
use crate::clock::Timestamp;

/// An access group or a directory's group.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Group {
    /// Internal id.
    #[n(0)]
    pub id: GroupId,
    /// The organisation it belongs to.
    #[n(1)]
    pub organisation: OrganisationId,
    /// `displayName`.
    #[n(2)]
    pub name: GroupName,
    /// The source that owns it; `None` for groups kept by hand.
    #[n(3)]
    pub owner: Option<SourceId>,
    /// The owner's stable id for it.
    #[n(4)]
    pub external_id: Option<String>,
    /// Everything else, by name.
    #[n(5)]
    pub attributes: Attributes,
    /// When it was created.
    #[n(6)]
    pub created: Timestamp,
    /// When it was last changed, membership included.
    #[n(7)]
    pub changed: Timestamp,
    /// Counts changes, from 1; the ETag.
    #[n(8)]
    pub revision: u64,
    /// The companies that it belongs to, each once. `None` is none.
    #[n(9)]
    pub companies: Option<Vec<Scope>>,
    /// Who is in it, as a condition on people in the filter grammar of RFC 7644; `None` where members are named.
    #[n(10)]
    pub rule: Option<String>,
}

impl Group {
    /// The companies that it belongs to.
    pub fn companies(&self) -> &[Scope] {
        self.companies.as_deref().unwrap_or_default()
    }
}

/// Why a member is in a group: the value of a membership row.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Membership {
    /// The source that brought it; `None` when made by hand.
    #[n(0)]
    pub source: Option<SourceId>,
    /// Since when.
    #[n(1)]
    pub since: Timestamp,
    /// What the source shows it as, at most [`MAX_DISPLAY_BYTES`]; only in the rows of the group.
    #[n(2)]
    pub display: Option<String>,
}

/// Longest text that a member is shown as; a longer one is not kept.
pub const MAX_DISPLAY_BYTES: usize = 512;

/// A group that is kept by hand, as a rule names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupRef {
    /// By its id, whatever its name is.
    Id(GroupId),
    /// By the name that it has.
    Name(GroupName),
}

impl GroupRef {
    /// Whether a rule that names this means the group.
    pub fn means(&self, group: &Group) -> bool {
        match self {
            Self::Id(id) => *id == group.id,
            Self::Name(name) => name.folded() == group.name.folded(),
        }
    }
}

impl fmt::Display for GroupRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

impl FromStr for GroupRef {
    type Err = NameError;

    /// What has the form of an id is one.
    fn from_str(text: &str) -> Result<Self, NameError> {
        match text.parse() {
            Ok(id) => Ok(Self::Id(id)),
            Err(_) => text.parse().map(Self::Name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_names_a_group_by_what_looks_like_an_id_or_by_name() {
        let id = GroupId::from_bytes([7; 16]);
        assert_eq!(id.to_string().parse(), Ok(GroupRef::Id(id)));
        assert_eq!("Finance Analysts".parse(), Ok(GroupRef::Name("Finance Analysts".parse().unwrap())));
        assert!("".parse::<GroupRef>().is_err());
    }
}
