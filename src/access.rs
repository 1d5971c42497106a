//! Who may do what: one decision for enforcement, explanation, claims and the decision API.
//!
//! [`policy`] decides, from values to a value. [`RoleBook`] holds the roles of the policy [`Pack`]. [`Grants`] keeps who
//! was given which role where and why. [`Access`] asks the store, lets the policy decide and hands out [`Permit`]s, the
//! proof without which no domain service writes; a refusal is recorded.
//!
//! It refuses what it does not know: an unknown permission, a grant of a role that is not defined, an actor that is not
//! active, a store that does not answer.

mod acting;
mod bounds;
mod candidates;
mod custom;
mod diff;
mod escalation;
mod expect;
mod explain;
mod grants;
mod holders;
mod network;
mod pack;
mod permit;
pub mod policy;
mod rank;
mod refused;
mod requests;
mod roles;
mod scopes;
mod seats;
mod service;
mod sighted;
mod uses;
mod warm;
mod weigh;
mod who_can;

use futures_util::future::BoxFuture;

pub use acting::Acting;
pub use bounds::{Bounds, COMPANY};
pub use custom::{CustomRole, MAX_CUSTOM_ROLES, Run, StoredRole, StoredRoles};
pub use diff::{Compared, Difference, Differing, Fate, Place, PolicyDiff, RoleChange, roles as compare_roles};
pub use expect::{Found, Overlay, Seeing, Subjects, TestResult, run_role_tests, unknown_in};
pub use explain::{Brought, Explanation, HeldRole, Level, Names, Right, Step, Through};
pub use grants::{Grants, MAX_GRANTS, NewGrant, RuleChanges, RuleGrant};
pub use holders::Holders;
pub use network::{Bound, MAX_NETWORK_RULES, MAX_NETWORKS, NetworkRule, NetworkRules};
pub use pack::{Chosen, LoginRule, Matrix, MatrixCell, MatrixRow, Options, Pack, RoleNameRule, samples};
pub use permit::{Permit, Unweighed};
pub use policy::{Prepared, Question, Standing};
pub use rank::{Reach, Reached, can_take_away};
pub use requests::{
    AccessRequest, AccessRequestId, AccessRequestState, MAX_OPEN_REQUESTS, MAX_REQUESTS_A_DAY, Wish, forget_requests_in,
};
pub use roles::{Catalogue, RoleBook, RoleEntry, RoleKind, Written};
pub use scopes::{MAX_DEPTH, MAX_SCOPES, NewScope, ScopeEdit, ScopeRecord, ScopeTree, Scopes};
pub use seats::{SeatClaim, SeatCount, SeatLimits, SeatReport};
pub use service::Access;
pub use uses::{LastUses, Uses, interrupt_uses_in};
pub use weigh::ADMINISTRATION;
pub use who_can::{Able, Census, Told};

use crate::model::{GroupId, Status, UserId};
use crate::store;

/// Why access did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody has signed in.
    #[error("nobody is signed in")]
    Anonymous,
    /// The actor may not do this; the explanation says why and what would be needed.
    #[error("not permitted: {0}")]
    Denied(Box<Explanation>),
    /// It cannot be done as things stand.
    #[error("{detail}")]
    Conflict {
        /// Which field is in the way, when one is.
        field: Option<&'static str>,
        /// What is in the way and what to do.
        detail: String,
    },
    /// A field of what was given cannot be used.
    #[error("{field} {reason}")]
    Invalid {
        /// Which field.
        field: &'static str,
        /// What is wrong with it, as the rest of a sentence that starts with the field.
        reason: String,
    },
    /// There is no such thing.
    #[error("there is no such {what}")]
    NotFound {
        /// `user`, `grant`, `scope`.
        what: &'static str,
    },
    /// A policy pack cannot be used; each problem names its line.
    #[error("the policy pack `{pack}` cannot be used: {}", problems.join("; "))]
    Pack {
        /// Its name or path.
        pack: String,
        /// Everything that is wrong with it.
        problems: Vec<String>,
    },
    /// Somebody changed it since the caller has seen it.
    #[error("revision {current} is current")]
    Revision {
        /// The current revision.
        current: u64,
    },
    /// There is no seat left for it.
    #[error("{detail}")]
    SeatLimit {
        /// How many there are, and how many it takes.
        detail: String,
    },
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A defect of the program.
    #[error(transparent)]
    Unweighed(#[from] Unweighed),
}

impl store::Retryable for Error {
    fn is_lost_race(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_lost_race())
    }
}

/// What became of a record that is put back as it was exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restored {
    /// It was not there.
    Created,
    /// It was there and looked differently.
    Changed,
    /// It was there as it is.
    Same,
}

/// A group that a user is in, and how: the first id is the group of which the user is a direct member, each next one
/// has the one before as its member, the last is the group itself. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupPath(pub Vec<GroupId>);

/// What the decision needs to know of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Where the account stands.
    pub status: Status,
    /// Every group the user is in, nested ones included, each once by a shortest path.
    pub groups: Vec<GroupPath>,
}

/// Who is in which group. The directory implements it.
pub trait Memberships: Send + Sync {
    /// Status and groups of a user, `None` when there is no such user.
    fn standing(&self, user: UserId) -> BoxFuture<'_, Result<Option<Member>, store::Error>>;

    /// The same, with the mark of every row that the answer is made of, taken before the row is read. Whoever cannot tell
    /// them spoils what is seen, so that the answer is not kept.
    fn standing_seen<'a>(
        &'a self,
        user: UserId,
        seen: &'a mut store::Seen,
    ) -> BoxFuture<'a, Result<Option<Member>, store::Error>> {
        seen.spoil();
        self.standing(user)
    }
}
