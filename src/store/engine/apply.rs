//! What a batch does to a state, the same for every engine: limits, checks, counters, versions, expiry and the log.

use std::collections::BTreeMap;

use super::{
    Batch, Check, Committed, Expect, Head, Leaf, LogRow, MAX_BATCH_BYTES, MAX_BATCH_ENTRIES, MAX_KEY_BYTES,
    MAX_RANGE_ROWS, MAX_VALUE_BYTES, Seal, Stored, Write, counter_value,
};
use crate::clock::Timestamp;
use crate::store::Error;

/// A row as an engine keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub version: u64,
    pub expires: Option<Timestamp>,
    pub value: Vec<u8>,
}

impl Kept {
    /// What readers see of it at a moment.
    pub fn seen(self, now: Timestamp) -> Option<Stored> {
        match self.expires {
            Some(expires) if expires <= now => None,
            _ => Some(Stored { version: self.version, value: self.value }),
        }
    }
}

/// The state that a batch is applied to: an engine's open write transaction. Its errors are failures of the storage and
/// end the transaction.
pub(super) trait State {
    fn read(&self, key: &[u8]) -> Result<Option<Kept>, Error>;
    fn put(&mut self, key: &[u8], row: Kept) -> Result<(), Error>;
    fn delete(&mut self, key: &[u8]) -> Result<(), Error>;
    fn append(&mut self, row: LogRow) -> Result<(), Error>;
}

/// Refuses what is over a limit, before it waits in a queue.
pub(super) fn check_size(batch: &Batch) -> Result<(), Error> {
    let limit = |what, actual: usize, limit| if actual > limit { Err(Error::TooLarge { what, limit }) } else { Ok(()) };
    limit("a batch's entries", batch.checks.len() + batch.writes.len() + batch.events.len(), MAX_BATCH_ENTRIES)?;
    let mut bytes = 0usize;
    for check in &batch.checks {
        limit("a key", check.key.len(), MAX_KEY_BYTES)?;
        bytes = bytes.saturating_add(check.key.len());
    }
    for write in &batch.writes {
        let (key, value) = match write {
            Write::Add { key, .. } | Write::Delete { key } => (key, 0),
            Write::Put { key, value, .. } => (key, value.len()),
        };
        limit("a key", key.len(), MAX_KEY_BYTES)?;
        limit("a value", value, MAX_VALUE_BYTES)?;
        bytes = bytes.saturating_add(key.len()).saturating_add(value);
    }
    for event in &batch.events {
        limit("an event", event.len(), MAX_VALUE_BYTES)?;
        bytes = bytes.saturating_add(event.len());
    }
    limit("a batch's bytes", bytes, MAX_BATCH_BYTES)
}

/// Refuses a range that asks for too many rows: whoever expects all of them must not get some.
pub(super) fn check_limit(rows: usize) -> Result<(), Error> {
    if rows > MAX_RANGE_ROWS {
        return Err(Error::TooLarge { what: "the number of rows asked for", limit: MAX_RANGE_ROWS });
    }
    Ok(())
}

/// Batches that are applied one after the other in one transaction.
pub(super) struct Group<'a> {
    seal: &'a dyn Seal,
    now: Timestamp,
    /// The version of the last batch applied.
    pub version: u64,
    /// The log's head after it.
    pub head: Head,
    size: u64,
}

/// How a batch ended when the storage did not fail.
pub(super) type Applied = Result<Committed, Error>;

impl<'a> Group<'a> {
    /// Starts from what the store holds.
    ///
    /// # Errors
    /// `Corrupt` when the head cannot be believed.
    pub fn start(seal: &'a dyn Seal, now: Timestamp, version: u64, head: Head) -> Result<Self, Error> {
        let size = seal.size(&head)?;
        Ok(Self { seal, now, version, head, size })
    }

    /// The number of entries in the log.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Applies a batch, or leaves the state as it is. The outer error is the storage's.
    pub fn apply(&mut self, state: &mut impl State, batch: &Batch) -> Result<Applied, Error> {
        for check in &batch.checks {
            if !self.holds(state, check)? {
                return Ok(Err(Error::Conflict));
            }
        }
        let version = self.version + 1;
        let effects = match self.effects(state, batch, version)? {
            Ok(effects) => effects,
            Err(error) => return Ok(Err(error)),
        };
        let rows: Vec<LogRow> = (self.size..)
            .zip(&batch.events)
            .map(|(sequence, body)| LogRow { sequence, body: body.clone(), leaf: self.seal.leaf(sequence, body) })
            .collect();
        let first_event = rows.first().map(|row| row.sequence);
        if !rows.is_empty() {
            let leaves: Vec<Leaf> = rows.iter().map(|row| row.leaf).collect();
            match self.seal.advance(&self.head, &leaves) {
                Ok(head) => self.head = head,
                Err(error) => return Ok(Err(error)),
            }
        }
        for (key, row) in effects {
            match row {
                Some(row) => state.put(key, row)?,
                None => state.delete(key)?,
            }
        }
        for row in rows {
            self.size += 1;
            state.append(row)?;
        }
        self.version = version;
        Ok(Ok(Committed { version, first_event }))
    }

    fn holds(&self, state: &impl State, check: &Check) -> Result<bool, Error> {
        let seen = state.read(&check.key)?.and_then(|row| row.seen(self.now));
        Ok(match check.expect {
            Expect::Absent => seen.is_none(),
            Expect::Version(version) => seen.is_some_and(|stored| stored.version == version),
        })
    }

    /// What every key ends up as; of several writes to one key the last one counts, additions join.
    fn effects<'b>(&self, state: &impl State, batch: &'b Batch, version: u64) -> Result<Planned<'b>, Error> {
        let mut effects = Effects::new();
        for write in &batch.writes {
            match write {
                Write::Delete { key } => {
                    effects.insert(key, None);
                }
                Write::Put { key, value, expires } => {
                    effects.insert(key, Some(Kept { version, expires: *expires, value: value.clone() }));
                }
                Write::Add { key, delta } => {
                    let before = match effects.get(key.as_slice()) {
                        Some(planned) => planned.as_ref().map(|row| row.value.clone()),
                        None => state.read(key)?.and_then(|row| row.seen(self.now)).map(|stored| stored.value),
                    };
                    let before = match before.as_deref().map_or(Ok(0), counter_value) {
                        Ok(before) => before,
                        Err(error) => return Ok(Err(error)),
                    };
                    let value = before.saturating_add(*delta).to_be_bytes().to_vec();
                    effects.insert(key, Some(Kept { version, expires: None, value }));
                }
            }
        }
        Ok(Ok(effects))
    }
}

/// What every written key ends up as, in key order.
type Effects<'b> = BTreeMap<&'b [u8], Option<Kept>>;
/// The effects, or why the batch fails alone.
type Planned<'b> = Result<Effects<'b>, Error>;
