//! Reports: who is here, who has what and why, who has gone quiet, which tokens and sources need a look, and how far
//! the organisation keeps to good practice.
//!
//! A report is a [`Sheet`]: named columns, rows, and where the next page begins. It reads what records hold and writes
//! nothing; a request costs a page of rows, however many people there are. Whoever asks for one has been permitted before.
//!
//! It refuses to guess: what records do not tell is empty, and [`Reports::provenance`] says which of its answers come from
//! the ledger and which only from the owner of the record.

mod access;
mod names;
mod people;
mod posture;
mod provenance;
mod sheet;
mod sources;
mod tokens;
mod unused;

use std::sync::Arc;
use std::time::Duration;

pub use posture::{Finding, Posture, Severity};
pub use sheet::{Sheet, csv_line};
pub use sources::{Feed, FeedKind};
pub use unused::Recorded;

use crate::access::Access;
use crate::audit::Ledger;
use crate::clock::{Clock, Timestamp};
use crate::credential::{self, Credentials};
use crate::directory::{self, Directory};
use crate::lockout::{self, Lockout};
use crate::model::{Group, Scope, Status, User};
use crate::session::{self, Sessions};
use crate::store;
use crate::tokens::Tokens;

/// Days that reports look back or ahead when nobody says.
pub const DEFAULT_DAYS: u32 = 90;
/// Most days that may be asked for.
pub const MAX_DAYS: u32 = 3_650;
/// Most users of which one page of a report that leaves some out reads the records.
const MAX_READ: usize = 5_000;
/// Users read at a time.
const CHUNK: usize = 500;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Access did not answer.
    #[error(transparent)]
    Access(#[from] crate::access::Error),
    /// Passwords cannot be read.
    #[error(transparent)]
    Credential(#[from] credential::Error),
    /// The directory did not answer.
    #[error(transparent)]
    Directory(#[from] directory::Error),
    /// Failed attempts cannot be read.
    #[error(transparent)]
    Lockout(#[from] lockout::Error),
    /// Sessions cannot be read.
    #[error(transparent)]
    Session(#[from] session::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Tokens cannot be read.
    #[error(transparent)]
    Token(#[from] crate::tokens::Error),
}

/// What reports read. Cloning shares everything.
#[derive(Clone)]
pub struct Reports {
    /// Grants, roles and decisions.
    pub access: Access,
    /// Time.
    pub clock: Clock,
    /// Passwords.
    pub credentials: Credentials,
    /// People and groups.
    pub directory: Directory,
    /// The ledger.
    pub ledger: Ledger,
    /// Failed attempts.
    pub lockout: Lockout,
    /// Sessions and last sign-ins.
    pub sessions: Sessions,
    /// Whom whoever asks sees; reports hold nobody else.
    pub seen: Seen,
    /// Which groups and scopes whoever asks sees, where that is not all: reports tell of no other.
    pub seen_places: Option<SeenPlaces>,
    /// Tokens.
    pub tokens: Tokens,
}

/// Of which groups and scopes a report may tell.
#[derive(Clone)]
pub struct SeenPlaces {
    /// Groups.
    pub group: Arc<dyn Fn(&Group) -> bool + Send + Sync>,
    /// Scopes.
    pub scope: Arc<dyn Fn(&Scope) -> bool + Send + Sync>,
}

/// Whom a report may tell of.
pub type Seen = Arc<dyn Fn(&User) -> bool + Send + Sync>;

/// So many days before a moment.
fn days_before(now: Timestamp, days: u32) -> Timestamp {
    now.minus(of_days(days))
}

fn of_days(days: u32) -> Duration {
    Duration::from_secs(u64::from(days) * 24 * 3_600)
}

const fn word(status: Status) -> &'static str {
    match status {
        Status::Active => "active",
        Status::Inactive => "inactive",
        Status::Invited => "invited",
        Status::Tombstone => "deleted",
    }
}
