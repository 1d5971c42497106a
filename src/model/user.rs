//! A user: a person's account.

use minicbor::{Decode, Encode};

use super::{Attributes, OrganisationId, Scope, SourceId, UserId, UserName};
use crate::clock::Timestamp;

/// Where an account stands. Being locked out is not a status; it is derived from failed attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Status {
    /// May sign in.
    #[n(0)]
    Active,
    /// Disabled everywhere.
    #[n(1)]
    Inactive,
    /// Invited, has not signed in yet.
    #[n(2)]
    Invited,
    /// Deleted; kept so that id and name are not given to another person.
    #[n(3)]
    Tombstone,
}

/// Under which id a source knows the user.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Link {
    /// The source or connector.
    #[n(0)]
    pub source: SourceId,
    /// Its stable id for the user: `externalId`, `entryUUID`, `sub`, persistent `NameID`; 1 to 512 bytes.
    #[n(1)]
    pub external_id: String,
}

/// Whose account it is: of those who run the organisation, or of those whom it serves. Said when the account is made, and
/// the same for as long as there is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Realm {
    /// Staff.
    #[n(0)]
    #[default]
    Staff,
    /// A member, a customer or a guest: signs in to applications, and administers nothing here.
    #[n(1)]
    Member,
}

/// Every realm by its word.
pub const REALMS: [(&str, Realm); 2] = [("staff", Realm::Staff), ("member", Realm::Member)];

impl Realm {
    /// Its word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Staff => "staff",
            Self::Member => "member",
        }
    }
}

impl std::fmt::Display for Realm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Realm {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = REALMS.into_iter().find(|(word, _)| *word == text).map(|(_, realm)| realm);
        found.ok_or("must be `staff` or `member`")
    }
}

/// The companies of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Companies {
    /// Those that it belongs to, each once: who sees one of them sees the account.
    #[n(0)]
    pub named: Vec<Scope>,
    /// Whether it sees what belongs to any company or to none; else what belongs to one of `named`.
    #[n(1)]
    pub sees_all: bool,
}

/// A person's account; `A` is how its attributes are held, [`Kept`](super::Kept) where they are only passed on.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct User<A = Attributes> {
    /// Internal id.
    #[n(0)]
    pub id: UserId,
    /// The organisation it belongs to.
    #[n(1)]
    pub organisation: OrganisationId,
    /// Login name.
    #[n(2)]
    pub user_name: UserName,
    /// Where the account stands.
    #[n(3)]
    pub status: Status,
    /// The authoritative source (SCIM or LDAP) that owns status and attributes; `None` for accounts kept by hand or
    /// created by a sign-in.
    #[n(4)]
    pub owner: Option<SourceId>,
    /// The ids under which sources and connectors know the user.
    #[n(5)]
    pub links: Vec<Link>,
    /// Everything else, by RFC 7643 name: `name`, `displayName`, `emails`, extensions by URN. Never a password.
    #[n(6)]
    pub attributes: A,
    /// When it was created.
    #[n(7)]
    pub created: Timestamp,
    /// When it was last changed.
    #[n(8)]
    pub changed: Timestamp,
    /// Counts changes, from 1; the ETag.
    #[n(9)]
    pub revision: u64,
    /// Whether an administrator made the account, or it was linked by a sign-in when nobody but an administrator can
    /// have made it. Records of before this was kept do not say.
    #[n(10)]
    pub by_hand: Option<bool>,
    /// Whether an administrator disabled the account; then only an administrator enables it. `None` is no.
    #[n(11)]
    pub disabled_by_hand: Option<bool>,
    /// Its companies. `None` belongs to none and sees all.
    #[n(12)]
    pub companies: Option<Companies>,
    /// Its realm. `None` is staff.
    #[n(13)]
    pub realm: Option<Realm>,
}

impl<A> User<A> {
    /// Its realm.
    pub fn realm(&self) -> Realm {
        self.realm.unwrap_or_default()
    }

    /// Whether administrators keep it: no source owns it, and it is not there because somebody signed in. Linking it to
    /// a connector at a sign-in later does not change that.
    pub fn is_by_hand(&self) -> bool {
        self.owner.is_none() && (self.links.is_empty() || self.by_hand == Some(true))
    }

    /// The companies that it belongs to.
    pub fn companies(&self) -> &[Scope] {
        self.companies.as_ref().map(|companies| companies.named.as_slice()).unwrap_or_default()
    }

    /// Whether it sees what belongs to any company or to none.
    pub fn sees_all(&self) -> bool {
        self.companies.as_ref().is_none_or(|companies| companies.sees_all)
    }

    /// The id under which `source` knows the user.
    pub fn external_id(&self, source: &SourceId) -> Option<&str> {
        self.links.iter().find(|link| link.source == *source).map(|link| link.external_id.as_str())
    }
}

impl User {
    /// The name to show: `displayName`, else `name.formatted`, else given and family name, else `userName`.
    pub fn display_name(&self) -> String {
        let text =
            |value: Option<&super::Value>| value.and_then(|v| v.as_str()).filter(|t| !t.is_empty()).map(str::to_owned);
        let name = self.attributes.0.get("name");
        let part = |key: &str| text(name.and_then(|n| n.get(key)));
        text(self.attributes.0.get("displayName"))
            .or_else(|| part("formatted"))
            .or_else(|| match (part("givenName"), part("familyName")) {
                (Some(given), Some(family)) => Some(format!("{given} {family}")),
                (given, family) => given.or(family),
            })
            .unwrap_or_else(|| self.user_name.as_str().to_owned())
    }

    /// The primary e-mail address, else the first.
    pub fn email(&self) -> Option<&str> {
        let emails = self.attributes.0.get("emails")?.as_array()?;
        let primary = emails.iter().find(|e| e.get("primary") == Some(&super::Value::Bool(true)));
        primary.or_else(|| emails.first())?.get("value")?.as_str()
    }
}
