//! Roles and the grants that give them.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Decoder, Encode, Encoder};

use super::name::{decode_text, encode_text};
use super::{FactorRule, GroupId, Id, NameError, Permission, Scope, SourceId, UserId};
use crate::clock::Timestamp;

/// A role's slug: `data_analyst`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleId(String);

impl RoleId {
    /// The slug.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RoleId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if text.is_empty() || text.len() > 64 || !text.chars().all(fits) {
            return Err(NameError::NotASlug);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for RoleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RoleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<C> Encode<C> for RoleId {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        encode_text(&self.0, e)
    }
}

impl<'b, C> Decode<'b, C> for RoleId {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        decode_text(d)
    }
}

/// A named set of permissions.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Role {
    /// Slug.
    #[n(0)]
    pub id: RoleId,
    /// The name to show, by its pack's rule.
    #[n(1)]
    pub name: String,
    /// What it is for.
    #[n(2)]
    pub description: String,
    /// What it allows.
    #[n(3)]
    pub permissions: Vec<Permission>,
    /// What it takes away, whatever else allows it.
    #[n(4)]
    pub denies: Vec<Permission>,
    /// Roles whose permissions, denies and includes it has too.
    #[n(5)]
    pub includes: Vec<RoleId>,
    /// Permissions that hold only where the actor owns the object.
    #[n(6)]
    pub if_owner: Vec<Permission>,
    /// What it asks of its holders' second factors; `None` for nothing.
    #[n(7)]
    pub factor: Option<FactorRule>,
}

/// Who holds a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Subject {
    /// Every member of a group, nested ones included.
    #[n(0)]
    Group(#[n(0)] GroupId),
    /// One user.
    #[n(1)]
    User(#[n(0)] UserId),
}

/// How a grant relates to wider ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Mode {
    /// Joins what wider levels give.
    #[n(0)]
    Add,
    /// Replaces what wider levels give, within its scope.
    #[n(1)]
    Override,
}

/// Why a grant exists. A rule's grant disappears with its cause; one made by hand survives every sync.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Origin {
    /// Given by an administrator.
    #[n(0)]
    ByHand(#[n(0)] String),
    /// Given by a mapping rule of this source, at this position of the configuration (`cleargate.toml:31`).
    #[n(1)]
    Rule(#[n(0)] SourceId, #[n(1)] String),
}

/// Marks [`GrantId`].
#[derive(Debug)]
pub enum GrantKind {}
/// Id of a grant.
pub type GrantId = Id<GrantKind>;

/// A role given to somebody, somewhere, for a while.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Grant {
    /// Internal id.
    #[n(0)]
    pub id: GrantId,
    /// Who holds it.
    #[n(1)]
    pub subject: Subject,
    /// What is given.
    #[n(2)]
    pub role: RoleId,
    /// Where it holds; `None` is organisation-wide.
    #[n(3)]
    pub scope: Option<Scope>,
    /// How it relates to wider grants.
    #[n(4)]
    pub mode: Mode,
    /// Why it exists.
    #[n(5)]
    pub origin: Origin,
    /// Not before.
    #[n(6)]
    pub starts: Option<Timestamp>,
    /// Not at or after.
    #[n(7)]
    pub ends: Option<Timestamp>,
    /// When it was made; absent in grants of releases before.
    #[n(8)]
    pub made: Option<Timestamp>,
    /// Who made it, as [`Actor`](super::Actor) prints; absent likewise.
    #[n(9)]
    pub maker: Option<String>,
}

impl Grant {
    /// Whether it has begun and not ended.
    pub fn holds_at(&self, at: Timestamp) -> bool {
        self.starts.is_none_or(|starts| starts <= at) && self.ends.is_none_or(|ends| at < ends)
    }
}
