//! The vocabulary: ids, names, people, groups, scopes, roles, grants and actors. No input, no output, no policy.
//!
//! Stored records are minicbor maps whose field numbers are never reused, so that one release reads what its
//! neighbours wrote. Attribute names are those of RFC 7643, whatever the source.

mod actor;
mod assurance;
mod group;
mod id;
mod keeping;
mod language;
mod name;
pub mod near;
mod network;
mod object;
mod permission;
mod person;
mod role;
pub mod schema;
mod scope;
mod unseen;
mod user;
mod value;

pub use actor::{Actor, Circumstance, TokenKind};
pub use assurance::{FactorKind, FactorRule, Level, Presence};
pub use group::{Group, GroupRef, MAX_DISPLAY_BYTES, Membership};
pub use id::{Id, NotAnId, OrganisationId, PasskeyId, SessionId, TicketId, TokenId};
pub use keeping::{KEEPINGS, Keeping};
pub use language::{Language, Words, say};
pub use name::{FoldedName, GroupName, NameError, SourceId, UserName, fold};
pub use network::{Network, NotANetwork};
pub use object::Object;
pub use permission::{Permission, PermissionError};
pub use person::{Person, PersonId};
pub use role::{Grant, GrantId, Mode, Origin, Role, RoleId, Subject};
pub use scope::{Scope, ScopeError};
pub use unseen::is_unseen;
pub use user::{Companies, Link, REALMS, Realm, Status, User};
pub use value::{Attributes, Kept, KeptValue, Value};

/// Id of a user, internal and never reused.
pub type UserId = Id<User>;
/// Id of a group.
pub type GroupId = Id<Group>;
/// Id of a resource of a configured type.
pub type ObjectId = Id<Object>;
