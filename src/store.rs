//! The store: an ordered key-value engine behind one trait, and the typed keys, tables and records above it.
//!
//! Reading goes through [`Store`], which everybody may hold. Writing goes through [`Writer`], of which there is one and
//! which the ledger owns: a change that is not recorded has no way in. The store knows no domain type.
//!
//! Records are minicbor maps behind one format byte; keys are order-preserving bytes, organisation first.

pub mod engine;
mod key;
mod place;
mod table;

use std::path::PathBuf;
use std::sync::Arc;

use crate::clock::Clock;

pub use engine::{
    Batch, Check, Checked, Committed, Copied, Direction, Engine, Expect, Head, Health, Leaf, LogRow, Marks, Range, Row,
    Seal, Seen, Stored, Unfit, Write, check_copy, journal,
};
pub use key::{Key, KeyWriter, written_text};
pub use place::place;
pub use table::{Table, decode, encode};

/// Why the store did not do as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Another writer was faster; the operation may be tried again from its first read.
    #[error("the record was changed by somebody else at the same time")]
    Conflict,
    /// A record or a row of the log cannot be read.
    #[error("the record in table `{table}` is damaged: {reason}")]
    Corrupt {
        /// Which table.
        table: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A batch, a key or a value is over its limit.
    #[error("{what} is over the store's limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The limit, in bytes or entries.
        limit: usize,
    },
    /// The engine cannot answer, or refuses writes after a failed commit.
    #[error("the store is not available: {reason}")]
    Unavailable {
        /// What failed.
        reason: String,
    },
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("the store `{}` is open in another process; only one may use it", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// A file of something else, or one that was cut off while it was made.
    #[error("`{}` is not a store", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A newer release wrote it.
    #[error("the store `{}` has format {format}; this release reads up to {readable}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: u32,
        /// The newest format that this release reads.
        readable: u32,
    },
    /// The operating system or the file refuses.
    #[error("the store `{}` cannot be opened", path.display())]
    Storage {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Where a store is and what it may use.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file; it and its folder are created when they do not exist.
    pub path: PathBuf,
    /// Memory for pages read and written, in bytes; the process may take twice as much.
    pub cache_bytes: usize,
}

/// An error that may be a lost race. Every module whose operations are retried implements it.
pub trait Retryable {
    /// Whether running the operation again from its first read may succeed.
    fn is_lost_race(&self) -> bool;
}

impl Retryable for Error {
    fn is_lost_race(&self) -> bool {
        matches!(self, Self::Conflict)
    }
}

/// The reading half of an open store. Cloning shares the engine.
#[derive(Clone)]
pub struct Store(Arc<dyn Engine>);

/// The writing half. Not cloneable: `audit::Ledger` takes it over.
pub struct Writer(Arc<dyn Engine>);

/// Opens the store in a file, or creates it.
///
/// # Errors
/// See [`OpenError`]. A file whose log and head disagree opens, but refuses writes: see [`Health`].
pub fn open(settings: &Settings, clock: Clock, seal: Arc<dyn Seal>) -> Result<(Store, Writer), OpenError> {
    Ok(split(Arc::new(engine::Embedded::open(settings, clock, seal)?)))
}

/// Opens an empty store in memory, gone when the last handle is dropped: for tests and for trying things out.
pub fn open_memory(clock: Clock, seal: Arc<dyn Seal>) -> (Store, Writer) {
    split(Arc::new(engine::Memory::new(clock, seal)))
}

/// Splits an engine into its reading and its writing half.
pub fn split(engine: Arc<dyn Engine>) -> (Store, Writer) {
    (Store(Arc::clone(&engine)), Writer(engine))
}

impl Writer {
    /// Commits a batch: all of it or nothing, durable when this returns.
    ///
    /// # Errors
    /// `Conflict` when a check fails, `TooLarge`, `Unavailable`.
    pub async fn commit(&self, batch: Batch) -> Result<Committed, Error> {
        self.0.commit(batch).await
    }
}

impl Store {
    /// The value under `key` in `table`, `None` when there is none or it has expired.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub async fn find<K: Key + ?Sized, V>(
        &self,
        table: &Table<K, V>,
        organisation: crate::model::OrganisationId,
        key: &K,
    ) -> Result<Option<V>, Error>
    where
        V: for<'b> minicbor::Decode<'b, ()>,
    {
        match self.0.get(&table.key(organisation, key)).await? {
            Some(stored) => decode(table.name(), &stored.value).map(Some),
            None => Ok(None),
        }
    }

    /// The values under several keys of one table, in the order asked.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub async fn find_many<K: Key, V>(
        &self,
        table: &Table<K, V>,
        organisation: crate::model::OrganisationId,
        keys: &[K],
    ) -> Result<Vec<Option<V>>, Error>
    where
        V: for<'b> minicbor::Decode<'b, ()>,
    {
        let keys: Vec<Vec<u8>> = keys.iter().map(|key| table.key(organisation, key)).collect();
        let found = self.0.multi_get(&keys).await?;
        found.into_iter().map(|stored| stored.map(|s| decode(table.name(), &s.value)).transpose()).collect()
    }

    /// Rows of a key range, raw; [`Table::prefix`] and [`Table::suffix`] help to read the keys.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn range(&self, range: Range) -> Result<Vec<Row>, Error> {
        self.0.range(range).await
    }

    /// The engine below, for the ledger, backup and health.
    pub fn engine(&self) -> &Arc<dyn Engine> {
        &self.0
    }
}

/// The value of a kept counter, zero when it was never written.
///
/// # Errors
/// `Corrupt`, `Unavailable`.
pub async fn counter(store: &Store, key: &[u8]) -> Result<i64, Error> {
    match store.engine().get(key).await? {
        Some(stored) => engine::counter_value(&stored.value),
        None => Ok(0),
    }
}
