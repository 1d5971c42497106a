//! The engine contract: an ordered map of bytes with conditional batches and an append-only log beside it.
//!
//! Shaped for engines on this machine and across a network alike: every call is asynchronous, a commit is one call
//! that carries what it expects, and `multi_get` exists so that a request has a small number of round trips.

mod apply;
mod embedded;
mod marks;
mod memory;
mod queue;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::Error;
use crate::clock::Timestamp;

pub use embedded::{Checked, Embedded, Unfit, check_copy, journal};
pub use marks::{MARKED_BYTES, Marks, Seen};
pub use memory::Memory;

/// Longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 4 * 1024;
/// Largest value, in bytes.
pub const MAX_VALUE_BYTES: usize = 1024 * 1024;
/// Most checks plus writes plus events of one batch.
pub const MAX_BATCH_ENTRIES: usize = 200_000;
/// Most bytes of keys, values and events of one batch.
pub const MAX_BATCH_BYTES: usize = 64 * 1024 * 1024;
/// Most rows that one range or one piece of the log returns; whoever needs more asks again from where it ended.
pub const MAX_RANGE_ROWS: usize = 50_000;

/// A value as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The commit that wrote it; unique over time for one key.
    pub version: u64,
    /// The bytes.
    pub value: Vec<u8>,
}

/// A key and its value.
pub type Row = (Vec<u8>, Stored);

/// Which way a range is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the smallest key.
    Ascending,
    /// From the largest key.
    Descending,
}

/// Keys from `start` (included) to `end` (excluded; empty means no end), at most `limit` rows, which is at most
/// [`MAX_RANGE_ROWS`].
#[derive(Clone, Debug)]
pub struct Range {
    /// First key that belongs.
    pub start: Vec<u8>,
    /// First key that does not.
    pub end: Vec<u8>,
    /// Rows to pass over first; they are not copied, and cost a tenth of those returned.
    pub skip: usize,
    /// Most rows to return.
    pub limit: usize,
    /// Which end comes first.
    pub direction: Direction,
}

impl Range {
    /// Everything whose key starts with `prefix`, ascending.
    pub fn prefix(prefix: Vec<u8>, limit: usize) -> Self {
        let mut end = prefix.clone();
        while let Some(last) = end.pop() {
            if last < 0xff {
                end.push(last + 1);
                break;
            }
        }
        Self { start: prefix, end, skip: 0, limit, direction: Direction::Ascending }
    }

    /// The same range from just after `key`.
    #[must_use]
    pub fn after(mut self, key: &[u8]) -> Self {
        self.start = key.to_vec();
        self.start.push(0);
        self
    }

    /// The same range up to just before `key`, for paging backwards.
    #[must_use]
    pub fn before(mut self, key: &[u8]) -> Self {
        self.end = key.to_vec();
        self
    }

    /// The same range without its first `rows`.
    #[must_use]
    pub fn skipping(mut self, rows: usize) -> Self {
        self.skip = rows;
        self
    }

    /// The same range from its largest key down.
    #[must_use]
    pub fn descending(mut self) -> Self {
        self.direction = Direction::Descending;
        self
    }
}

/// What a key must look like for a batch to be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// No value, or an expired one.
    Absent,
    /// The value that this version wrote.
    Version(u64),
}

/// One condition of a batch.
#[derive(Clone, Debug)]
pub struct Check {
    /// The key.
    pub key: Vec<u8>,
    /// What it must look like.
    pub expect: Expect,
}

/// One effect of a batch.
#[derive(Clone, Debug)]
pub enum Write {
    /// Adds to a counter (eight bytes, big endian, absent is zero).
    Add {
        /// The counter's key.
        key: Vec<u8>,
        /// What to add.
        delta: i64,
    },
    /// Removes a key; a missing one is no error.
    Delete {
        /// The key.
        key: Vec<u8>,
    },
    /// Sets a key.
    Put {
        /// The key.
        key: Vec<u8>,
        /// The value.
        value: Vec<u8>,
        /// From when on it counts as absent.
        expires: Option<Timestamp>,
    },
}

impl Write {
    /// The key that is written.
    pub fn key(&self) -> &[u8] {
        match self {
            Self::Add { key, .. } | Self::Delete { key } | Self::Put { key, .. } => key,
        }
    }
}

/// Checks, writes and log entries that succeed or fail together.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// What must hold at commit.
    pub checks: Vec<Check>,
    /// What is written.
    pub writes: Vec<Write>,
    /// What is appended to the log, in order: event bodies without sequence or hash, which the writer gives.
    pub events: Vec<Vec<u8>>,
}

/// What a commit did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The version that the batch's values carry.
    pub version: u64,
    /// The sequence of its first event, when it had any.
    pub first_event: Option<u64>,
}

/// One entry of the log as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRow {
    /// Position, from 0, without gaps.
    pub sequence: u64,
    /// The event as it was appended.
    pub body: Vec<u8>,
    /// What [`Seal::leaf`] made of sequence and body.
    pub leaf: Leaf,
}

/// What marks one entry of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The hash of position and body, from which the head grows.
    pub hash: [u8; 32],
    /// A keyed hash over it: who edits the file without the key cannot make one.
    pub tag: [u8; 16],
}

/// The log's head as stored: opaque to the engine, made by [`Seal`].
pub type Head = Vec<u8>;

/// Gives log entries their hashes. The ledger implements it, the engine's writer calls it inside the commit, so that
/// the log is no point of conflict between writers.
pub trait Seal: Send + Sync {
    /// The head of a log without entries, with which a store is made. A store without any head was tampered with.
    fn empty(&self) -> Head;
    /// What marks an entry at a position.
    fn leaf(&self, sequence: u64, body: &[u8]) -> Leaf;
    /// The head after appending `leaves` to the log whose head was `head`.
    ///
    /// # Errors
    /// `Corrupt` when the old head cannot be read or does not verify: the writer must refuse the commit.
    fn advance(&self, head: &[u8], leaves: &[Leaf]) -> Result<Head, Error>;
    /// The number of entries that a head stands for.
    ///
    /// # Errors
    /// `Corrupt` as above.
    fn size(&self, head: &[u8]) -> Result<u64, Error>;
    /// What marks a copy of a whole store by the hash of its content: a keyed hash, so that who edits a copy without the
    /// key is found out.
    fn copy(&self, content: &[u8; 32]) -> [u8; 32];
    /// Key and value of the row that a store gets when it is opened and lacks what was committed last: the journal beside it
    /// is gone, or was cut off.
    ///
    /// # Errors
    /// `Corrupt` when it cannot be encoded.
    fn loss(&self) -> Result<(Vec<u8>, Vec<u8>), Error>;
}

/// A copy of a whole store.
#[derive(Debug)]
pub struct Copied {
    /// Its file, read from its beginning; it has no name any more and is gone once it is closed.
    pub file: std::fs::File,
    /// Its size, in bytes.
    pub size: u64,
    /// The log's head of the moment that was copied.
    pub head: Head,
}

/// How the engine is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Whether commits are accepted.
    pub writable: bool,
    /// Size on disk, zero for engines in memory.
    pub size_bytes: u64,
    /// Durable transactions since the engine was opened; with group commit fewer than batches.
    pub transactions: u64,
    /// The last commit's version.
    pub version: u64,
    /// Why it is not writable.
    pub reason: Option<String>,
}

/// An ordered key-value engine. `store::conformance` is its suite.
pub trait Engine: Send + Sync {
    /// The value under `key`; an expired one is absent.
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Stored>, Error>>;
    /// The values under `keys`, from one state of the store, in the order asked.
    fn multi_get<'a>(&'a self, keys: &'a [Vec<u8>]) -> BoxFuture<'a, Result<Vec<Option<Stored>>, Error>>;
    /// The rows of a range, expired ones left out.
    fn range(&self, range: Range) -> BoxFuture<'_, Result<Vec<Row>, Error>>;
    /// Applies a batch if every check holds; durable when it returns. Concurrent batches may share one transaction;
    /// each is checked against the state its predecessors left, and one that fails fails alone. A caller that goes
    /// away while it waits does not take the batch back.
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Committed, Error>>;
    /// At most `limit` log rows from sequence `from` on.
    fn log(&self, from: u64, limit: usize) -> BoxFuture<'_, Result<Vec<LogRow>, Error>>;
    /// The log's head; empty bytes when there is none, which is damage.
    fn head(&self) -> BoxFuture<'_, Result<Head, Error>>;
    /// Tells the version of the newest commit; a receiver sees every later one, perhaps several as one.
    fn changes(&self) -> watch::Receiver<u64>;
    /// Makes a copy of one state, with these rows (key, value) put into it, while writers go on: one copy at a time, made
    /// beside the store, where there must be room for it.
    fn copy(&self, beside: Vec<(Vec<u8>, Vec<u8>)>) -> BoxFuture<'_, Result<Copied, Error>>;
    /// Deletes at most `limit` rows that have expired and tells how many. Readers do not see a difference, so it is no
    /// commit: neither the version nor the log moves.
    fn sweep(&self, limit: usize) -> BoxFuture<'_, Result<u64, Error>>;
    /// Opens the files again after a failed commit has made the engine refuse writes; does nothing when it is well. Fails
    /// where only another start of the program can tell what is on the disk.
    fn reopen(&self) -> BoxFuture<'_, Result<(), Error>>;
    /// Counters that a commit raises for every key it writes, after readers see the new rows and before it is answered.
    /// All of them rise when what is stored may have changed in another way.
    fn marks(&self) -> &Marks;
    /// How the engine is.
    fn health(&self) -> Health;
}

/// Reads a counter's bytes.
pub(super) fn counter_value(bytes: &[u8]) -> Result<i64, Error> {
    let bytes = bytes
        .try_into()
        .map_err(|_| Error::Corrupt { table: "counter", reason: "a counter has eight bytes".to_owned() })?;
    Ok(i64::from_be_bytes(bytes))
}

/// A shared engine.
pub type SharedEngine = Arc<dyn Engine>;
