//! The engine in memory: an ordered map behind a lock. Nothing survives it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, RwLock, RwLockReadGuard};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use tokio::sync::watch;

use super::apply::{self, Group, Kept, State};
use super::{Batch, Committed, Copied, Direction, Engine, Head, Health, LogRow, Marks, Range, Row, Seal, Stored};
use crate::clock::{Clock, Timestamp};
use crate::store::Error;

/// An engine whose rows live in this process only.
pub struct Memory {
    clock: Clock,
    seal: Arc<dyn Seal>,
    rows: RwLock<Rows>,
    changes: watch::Sender<u64>,
    marks: Marks,
}

#[derive(Default)]
struct Rows {
    map: BTreeMap<Vec<u8>, Kept>,
    expiries: BTreeSet<(Timestamp, Vec<u8>)>,
    log: Vec<LogRow>,
    head: Head,
    version: u64,
    transactions: u64,
}

impl Memory {
    /// An empty engine.
    pub fn new(clock: Clock, seal: Arc<dyn Seal>) -> Self {
        let rows = Rows { head: seal.empty(), ..Rows::default() };
        Self { clock, seal, rows: RwLock::new(rows), changes: watch::Sender::new(0), marks: Marks::default() }
    }

    fn read(&self) -> Result<RwLockReadGuard<'_, Rows>, Error> {
        self.rows.read().map_err(|_| poisoned())
    }

    fn apply(&self, batch: &Batch) -> Result<Committed, Error> {
        apply::check_size(batch)?;
        let mut rows = self.rows.write().map_err(|_| poisoned())?;
        let mut group = Group::start(&*self.seal, self.clock.now(), rows.version, rows.head.clone())?;
        let committed = group.apply(&mut *rows, batch)??;
        let (version, head) = (group.version, group.head);
        rows.version = version;
        rows.head = head;
        rows.transactions += 1;
        // Told while the lock is held, so that versions are told in their order.
        self.changes.send_replace(version);
        // Readers see the rows from here on.
        drop(rows);
        for write in &batch.writes {
            self.marks.raise(write.key());
        }
        Ok(committed)
    }

    fn scan(&self, range: &Range) -> Result<Vec<Row>, Error> {
        apply::check_limit(range.limit)?;
        if !range.end.is_empty() && range.start >= range.end {
            return Ok(Vec::new());
        }
        let now = self.clock.now();
        let rows = self.read()?;
        let end = if range.end.is_empty() { Bound::Unbounded } else { Bound::Excluded(range.end.as_slice()) };
        let found = rows.map.range::<[u8], _>((Bound::Included(range.start.as_slice()), end));
        let seen = |(key, row): (&Vec<u8>, &Kept)| row.clone().seen(now).map(|stored| (key.clone(), stored));
        Ok(match range.direction {
            Direction::Ascending => found.filter_map(seen).skip(range.skip).take(range.limit).collect(),
            Direction::Descending => found.rev().filter_map(seen).skip(range.skip).take(range.limit).collect(),
        })
    }

    fn delete_expired(&self, limit: usize) -> Result<u64, Error> {
        let now = self.clock.now();
        let mut rows = self.rows.write().map_err(|_| poisoned())?;
        let mut deleted = 0;
        for _ in 0..limit {
            match rows.expiries.first() {
                Some((expires, _)) if *expires <= now => {}
                _ => break,
            }
            if let Some((_, key)) = rows.expiries.pop_first() {
                rows.map.remove(&key);
                deleted += 1;
            }
        }
        Ok(deleted)
    }
}

impl State for Rows {
    fn read(&self, key: &[u8]) -> Result<Option<Kept>, Error> {
        Ok(self.map.get(key).cloned())
    }

    fn put(&mut self, key: &[u8], row: Kept) -> Result<(), Error> {
        let expires = row.expires;
        if let Some(Kept { expires: Some(before), .. }) = self.map.insert(key.to_vec(), row) {
            self.expiries.remove(&(before, key.to_vec()));
        }
        if let Some(expires) = expires {
            self.expiries.insert((expires, key.to_vec()));
        }
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), Error> {
        if let Some(Kept { expires: Some(before), .. }) = self.map.remove(key) {
            self.expiries.remove(&(before, key.to_vec()));
        }
        Ok(())
    }

    fn append(&mut self, row: LogRow) -> Result<(), Error> {
        self.log.push(row);
        Ok(())
    }
}

impl Engine for Memory {
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Stored>, Error>> {
        let found = self.read().map(|rows| rows.map.get(key).cloned().and_then(|row| row.seen(self.clock.now())));
        ready(found).boxed()
    }

    fn multi_get<'a>(&'a self, keys: &'a [Vec<u8>]) -> BoxFuture<'a, Result<Vec<Option<Stored>>, Error>> {
        let now = self.clock.now();
        let one = |rows: &Rows, key: &Vec<u8>| rows.map.get(key).cloned().and_then(|row| row.seen(now));
        ready(self.read().map(|rows| keys.iter().map(|key| one(&rows, key)).collect())).boxed()
    }

    fn range(&self, range: Range) -> BoxFuture<'_, Result<Vec<Row>, Error>> {
        ready(self.scan(&range)).boxed()
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Committed, Error>> {
        async move { self.apply(&batch) }.boxed()
    }

    fn log(&self, from: u64, limit: usize) -> BoxFuture<'_, Result<Vec<LogRow>, Error>> {
        let skip = usize::try_from(from).unwrap_or(usize::MAX);
        let rows = apply::check_limit(limit).and_then(|()| self.read());
        ready(rows.map(|rows| rows.log.iter().skip(skip).take(limit).cloned().collect())).boxed()
    }

    fn head(&self) -> BoxFuture<'_, Result<Head, Error>> {
        ready(self.read().map(|rows| rows.head.clone())).boxed()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn copy(&self, _: Vec<(Vec<u8>, Vec<u8>)>) -> BoxFuture<'_, Result<Copied, Error>> {
        ready(Err(Error::Unavailable { reason: "a store in memory has no file to copy".to_owned() })).boxed()
    }

    fn sweep(&self, limit: usize) -> BoxFuture<'_, Result<u64, Error>> {
        async move { self.delete_expired(limit) }.boxed()
    }

    fn reopen(&self) -> BoxFuture<'_, Result<(), Error>> {
        ready(Ok(())).boxed()
    }

    fn marks(&self) -> &Marks {
        &self.marks
    }

    fn health(&self) -> Health {
        match self.read() {
            Ok(rows) => Health {
                writable: true,
                size_bytes: 0,
                transactions: rows.transactions,
                version: rows.version,
                reason: None,
            },
            Err(error) => {
                Health { writable: false, size_bytes: 0, transactions: 0, version: 0, reason: Some(error.to_string()) }
            }
        }
    }
}

fn poisoned() -> Error {
    Error::Unavailable { reason: "a thread stopped while it held the store".to_owned() }
}
