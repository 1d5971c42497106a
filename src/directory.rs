//! People, groups and membership.
//!
//! Whatever a source brings becomes a [`SourceRecord`]; `reconcile` (pure) plans the difference and one function
//! applies it. A source changes only what it owns. Membership is rows, never a list in a group. Resources of types that
//! the configuration defines are `objects`: attributes, an owner and nothing that follows from them. The directory knows
//! no protocol: attributes are kept by their RFC 7643 names and handed back as they came.

mod belongings;
mod brake;
mod companies;
mod connections;
mod dynamic;
mod edits;
mod explained;
mod facets;
mod groups;
mod index;
mod joins;
mod membership;
mod names;
mod objects;
mod ordered;
mod pages;
mod people;
mod realms;
mod reconcile;
mod restore;
mod retired;
mod rules;
mod search;
mod standing;
mod subjects;
mod tables;
mod telling;
mod unique;
mod users;
mod walk;
mod warm;

use std::borrow::Cow;
use std::sync::Arc;

use crate::access::Grants;
use crate::audit::Ledger;
use crate::clock::{Clock, Timestamp};
use crate::model::schema::Schemas;
use crate::model::{NameError, OrganisationId, SourceId};
use crate::secret::IdSource;
use crate::store::{self, Retryable, Store};
use crate::tasks::Tasks;

pub use belongings::Belongings;
pub use brake::{Brake, Kind, Load, Pause};
pub use connections::{Connection, Connections};
pub use dynamic::{GroupRule, MAX_DYNAMIC_GROUPS, Moves, Preview};
pub use groups::GroupDraft;
pub use joins::JoinRule;
pub use membership::{MAX_GROUPS_OF_MEMBER, Member, MemberChange};
pub use names::{NameRule, RECORD_MARK, is_record};
pub use objects::ObjectDraft;
pub use ordered::{Leg, MAX_ORDERED_BYTES, Stand, Stretch, UserOrder, cut_for_order};
pub use people::PersonDraft;
pub use realms::Realms;
pub use reconcile::{Authority, SourceRecord, UserPlan, plan};
pub(crate) use rules::Taking;
pub use rules::{Rule, Rules, is_like_an_id, rule_record};
pub use search::{Term, UserIndex, UserSort, Within};
pub use tables::ALL as TABLES;
use telling::Telling;
use unique::Uniques;
pub use users::{Staged, parse_user_name};
pub use walk::{Found, UserWalk};

/// Most rows that one page returns.
pub const MAX_PAGE: usize = 1000;
/// Deepest chain of nested groups that is followed.
pub const MAX_NESTING: usize = 32;

/// Why the directory did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else has that name.
    #[error("`{field}` is taken: {value}")]
    Conflict {
        /// Which attribute, by its name in its schema; an extension's with its URN.
        field: Cow<'static, str>,
        /// The value.
        value: String,
    },
    /// An administrator disabled the account, and somebody else wants to enable it.
    #[error("the account was disabled by an administrator, who alone enables it again: `cleargate user activate`")]
    Disabled,
    /// The index that would answer is being made, once, since this release was started.
    #[error("`{field}` cannot be used yet: its index is being made since the start of this release, as the log tells")]
    Filling {
        /// What needs the index.
        field: &'static str,
    },
    /// A value is not acceptable.
    #[error("`{field}` {reason}")]
    Invalid {
        /// Which attribute, by its RFC 7643 name.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such thing, or it was deleted.
    #[error("no {what} with id {id}")]
    NotFound {
        /// `user`, `group` or `resource`.
        what: &'static str,
        /// The id asked for.
        id: String,
    },
    /// The account is of another realm than the source, which does not reach it.
    #[error("the account is in the realm `{realm}`, which the source does not fill")]
    OtherRealm {
        /// The account's.
        realm: crate::model::Realm,
    },
    /// Another source owns it.
    #[error("owned by {}", .owner.as_ref().map_or("the organization itself", SourceId::as_str))]
    Owned {
        /// Who owns it; `None` when it is kept by hand.
        owner: Option<SourceId>,
    },
    /// The connection removed too much and is paused; its write changed nothing.
    #[error("the connection `{connection}` is paused since {since}")]
    Paused {
        /// The connection.
        connection: SourceId,
        /// Since when.
        since: Timestamp,
    },
    /// The account was deleted, and a sign-in may not create it again.
    #[error("the account was deleted; only its source or an administrator may create it again")]
    Retired,
    /// The caller's revision is not the current one.
    #[error("revision {current} is current")]
    Revision {
        /// The current revision.
        current: u64,
    },
    /// Who is in the group follows from a rule.
    #[error("who is in the group follows from its rule: {rule}")]
    Ruled {
        /// The rule.
        rule: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A defect of the program.
    #[error(transparent)]
    Unweighed(#[from] crate::access::Unweighed),
}

impl Retryable for Error {
    fn is_lost_race(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_lost_race())
    }
}

impl Error {
    fn invalid(field: &str, reason: &NameError) -> Self {
        Self::Invalid { field: field.to_owned(), reason: reason.to_string() }
    }
}

/// The directory of one organisation. Cloning shares the store.
#[derive(Clone)]
pub struct Directory {
    ledger: Ledger,
    clock: Clock,
    ids: IdSource,
    organisation: OrganisationId,
    rules: Rules,
    grants: Grants,
    connections: Connections,
    realms: Realms,
    names: NameRule,
    uniques: Uniques,
    telling: Telling,
    belongings: Arc<dyn Belongings>,
    pages: pages::Pages,
    facets: facets::Facets,
    warm: warm::Warm,
    dynamics: dynamic::Dynamics,
    tasks: Tasks,
}

impl Directory {
    /// The default organisation's directory; `rules` say which roles its sources give.
    pub fn new(ledger: Ledger, clock: Clock, ids: IdSource, rules: Rules) -> Self {
        let organisation = OrganisationId::DEFAULT;
        let grants = Grants::new(ledger.clone(), clock.clone(), ids.clone(), organisation);
        Self {
            ledger,
            clock,
            ids,
            organisation,
            rules,
            grants,
            connections: Connections::default(),
            realms: Realms::default(),
            names: NameRule::default(),
            uniques: Uniques::default(),
            telling: Telling::default(),
            belongings: Arc::new(belongings::Nothing),
            pages: pages::Pages::default(),
            facets: facets::Facets::default(),
            warm: warm::Warm::default(),
            dynamics: dynamic::Dynamics::default(),
            tasks: Tasks::new(),
        }
    }

    /// Whose directory it is.
    pub const fn organisation(&self) -> OrganisationId {
        self.organisation
    }

    /// The directory of another organisation in the same store. Neither sees what the other holds.
    #[must_use]
    pub fn of(self, organisation: OrganisationId) -> Self {
        let grants = Grants::new(self.ledger.clone(), self.clock.clone(), self.ids.clone(), organisation);
        let facets = facets::Facets::default();
        let (warm, dynamics) = (warm::Warm::default(), dynamic::Dynamics::default());
        Self { organisation, grants, pages: pages::Pages::default(), facets, warm, dynamics, ..self }
    }

    /// The same directory, whose work behind the scenes is among these tasks.
    #[must_use]
    pub fn with_tasks(self, tasks: Tasks) -> Self {
        Self { tasks, ..self }
    }

    /// The same directory, whose accounts take this along when they end.
    #[must_use]
    pub fn with_belongings(self, belongings: Arc<dyn Belongings>) -> Self {
        Self { belongings, ..self }
    }

    /// Keeps the values unique that these schemas want unique, and out of events those that they keep from everybody.
    #[must_use]
    pub fn with_schemas(self, schemas: &Schemas) -> Self {
        Self { uniques: Uniques::of(schemas), telling: Telling::of(schemas), ..self }
    }

    fn store(&self) -> &Store {
        self.ledger.store()
    }

    /// How the keys of accounts begin, and those of what somebody is a member of: for who counts what commits write.
    pub fn row_prefixes(&self) -> (Vec<u8>, Vec<u8>) {
        (tables::USERS.prefix(self.organisation, &()), tables::MEMBER_OF.prefix(self.organisation, &()))
    }

    /// The mapping rules in force.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }
}
