//! The ledger: what happened, in an order and with hashes that show tampering, and the only way to write.
//!
//! A [`Change`] collects reads and writes; [`Change::commit`] takes the [`Event`] that tells of it, and both reach the
//! store in one batch. Not recorded means not done. What needs no record (a pending login, a last-seen time) says why
//! by [`Housekeeping`].

mod catalogue;
mod change;
mod event;
mod life;
mod master;
mod seal;
mod search;
mod tree;
mod upkeep;
mod verify;

pub use catalogue::{Kind, Recording, catalogue};
pub use change::{Change, Follow, Housekeeping, Ledger};
pub use event::{Event, EventKind, Outcome};
pub use life::{Here, Life, Past};
pub use master::{KeyError, open_master_key};
pub use seal::Sealer;
pub use search::{Entry, Filter, MAX_PAGE, Page};
pub use verify::{Checkpoint, NotACheckpoint, Problem, Report, verify};
