//! The tables of the file and the form of their rows.

use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};

use super::journal::{Entries, Entry};
use super::{corrupt, failed};
use crate::clock::Timestamp;
use crate::store::Error;
use crate::store::engine::apply::{Kept, State};
use crate::store::engine::{Head, Leaf, LogRow};

pub(super) const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");
pub(super) const EXPIRIES: TableDefinition<'_, &[u8], ()> = TableDefinition::new("expiries");
pub(super) const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");
pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
pub(super) const META_FORMAT: &str = "format";
pub(super) const META_HEAD: &str = "head";
pub(super) const META_VERSION: &str = "version";
/// What marks the content of a copy; gone with the first commit.
pub(super) const META_SEAL: &str = "seal";
/// The name of the journal beside the file, while it has one.
pub(super) const META_JOURNAL: &str = "journal";

/// The tables of an open write transaction.
pub(super) struct Tables<'t> {
    pub rows: Table<'t, &'static [u8], &'static [u8]>,
    pub expiries: Table<'t, &'static [u8], ()>,
    pub log: Table<'t, u64, &'static [u8]>,
    pub meta: Table<'t, &'static str, &'static [u8]>,
    /// What was done to rows and log.
    pub entries: Entries,
}

impl<'t> Tables<'t> {
    pub fn open(transaction: &'t WriteTransaction) -> Result<Self, Error> {
        Ok(Self {
            rows: transaction.open_table(ROWS).map_err(failed)?,
            expiries: transaction.open_table(EXPIRIES).map_err(failed)?,
            log: transaction.open_table(LOG).map_err(failed)?,
            meta: transaction.open_table(META).map_err(failed)?,
            entries: Entries::default(),
        })
    }

    pub fn set_meta(&mut self, name: &str, value: &[u8]) -> Result<(), Error> {
        self.meta.insert(name, value).map(drop).map_err(failed)
    }

    pub fn put_row(&mut self, key: &[u8], row: &[u8], expires: Option<Timestamp>) -> Result<(), Error> {
        let before = self.rows.insert(key, row).map_err(failed)?;
        let before = before.map(|value| expiry_of(value.value())).transpose()?.flatten();
        if let Some(before) = before.filter(|before| Some(*before) != expires) {
            self.expiries.remove(expiry_key(before, key).as_slice()).map_err(failed)?;
        }
        if let Some(expires) = expires {
            self.expiries.insert(expiry_key(expires, key).as_slice(), ()).map_err(failed)?;
        }
        Ok(())
    }

    /// Does again what a record of the journal tells.
    pub fn redo(&mut self, entry: &Entry<'_>) -> Result<(), Error> {
        match entry {
            Entry::Put { key, row } => self.put_row(key, row, expiry_of(row)?),
            Entry::Delete { key } => self.delete(key),
            Entry::Append { sequence, value } => self.log.insert(*sequence, *value).map(drop).map_err(failed),
        }
    }
}

impl State for Tables<'_> {
    fn read(&self, key: &[u8]) -> Result<Option<Kept>, Error> {
        self.rows.get(key).map_err(failed)?.map(|value| parse_row(value.value())).transpose()
    }

    fn put(&mut self, key: &[u8], row: Kept) -> Result<(), Error> {
        let bytes = render_row(&row);
        self.put_row(key, &bytes, row.expires)?;
        self.entries.add(&Entry::Put { key, row: &bytes });
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), Error> {
        let before = self.rows.remove(key).map_err(failed)?;
        let before = before.map(|value| expiry_of(value.value())).transpose()?.flatten();
        if let Some(expires) = before {
            self.expiries.remove(expiry_key(expires, key).as_slice()).map_err(failed)?;
        }
        self.entries.add(&Entry::Delete { key });
        Ok(())
    }

    fn append(&mut self, row: LogRow) -> Result<(), Error> {
        let mut value = Vec::with_capacity(48 + row.body.len());
        value.extend_from_slice(&row.leaf.hash);
        value.extend_from_slice(&row.leaf.tag);
        value.extend_from_slice(&row.body);
        self.log.insert(row.sequence, value.as_slice()).map(drop).map_err(failed)?;
        self.entries.add(&Entry::Append { sequence: row.sequence, value: &value });
        Ok(())
    }
}

/// A row's bytes: version, moment of expiry (the largest for none), payload.
pub(super) fn render_row(row: &Kept) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(16 + row.value.len());
    bytes.extend_from_slice(&row.version.to_be_bytes());
    bytes.extend_from_slice(&row.expires.map_or(i64::MAX, Timestamp::as_millis).to_be_bytes());
    bytes.extend_from_slice(&row.value);
    bytes
}

pub(super) fn parse_row(bytes: &[u8]) -> Result<Kept, Error> {
    let parts =
        bytes.split_first_chunk::<8>().and_then(|(version, rest)| Some((version, rest.split_first_chunk::<8>()?)));
    let (version, (expires, value)) = parts.ok_or_else(|| corrupt("rows", "a row is cut short"))?;
    let expires = i64::from_be_bytes(*expires);
    Ok(Kept {
        version: u64::from_be_bytes(*version),
        expires: (expires != i64::MAX).then_some(Timestamp::from_millis(expires)),
        value: value.to_vec(),
    })
}

/// Whether readers see a row at a moment, without copying it.
pub(super) fn is_seen(bytes: &[u8], now: Timestamp) -> Result<bool, Error> {
    Ok(expiry_of(bytes)?.is_none_or(|expires| expires > now))
}

/// When a row expires, without copying it.
fn expiry_of(bytes: &[u8]) -> Result<Option<Timestamp>, Error> {
    let expires =
        bytes.get(8..).and_then(|rest| rest.first_chunk::<8>()).ok_or_else(|| corrupt("rows", "a row is cut short"))?;
    let expires = i64::from_be_bytes(*expires);
    Ok((expires != i64::MAX).then_some(Timestamp::from_millis(expires)))
}

pub(super) fn parse_log(sequence: u64, bytes: &[u8]) -> Result<LogRow, Error> {
    let parts = bytes.split_first_chunk::<32>().and_then(|(hash, rest)| Some((hash, rest.split_first_chunk::<16>()?)));
    let (hash, (tag, body)) = parts.unwrap_or((&[0; 32], (&[0; 16], bytes)));
    // An entry too short for its marks has none that fit: verification names it, reading goes on.
    Ok(LogRow { sequence, body: body.to_vec(), leaf: Leaf { hash: *hash, tag: *tag } })
}

/// Sorts by moment.
pub(super) fn expiry_key(expires: Timestamp, key: &[u8]) -> Vec<u8> {
    let sortable = expires.as_millis().cast_unsigned() ^ (1 << 63);
    let mut bytes = sortable.to_be_bytes().to_vec();
    bytes.extend_from_slice(key);
    bytes
}

pub(super) fn meta_of(
    meta: &impl ReadableTable<&'static str, &'static [u8]>,
    name: &str,
) -> Result<Option<Vec<u8>>, Error> {
    Ok(meta.get(name).map_err(failed)?.map(|value| value.value().to_vec()))
}

pub(super) fn version_of(meta: &impl ReadableTable<&'static str, &'static [u8]>) -> Result<u64, Error> {
    let Some(bytes) = meta_of(meta, META_VERSION)? else { return Ok(0) };
    let bytes = bytes.as_slice().try_into().map_err(|_| corrupt("meta", "the version has not eight bytes"))?;
    Ok(u64::from_be_bytes(bytes))
}

pub(super) fn head_of(meta: &impl ReadableTable<&'static str, &'static [u8]>) -> Result<Head, Error> {
    Ok(meta_of(meta, META_HEAD)?.unwrap_or_default())
}

/// Refuses to append to a log that does not end where its head says.
pub(super) fn check_log(log: &impl ReadableTable<u64, &'static [u8]>, size: u64) -> Result<(), Error> {
    let end = log.last().map_err(failed)?.map_or(0, |(sequence, _)| sequence.value().saturating_add(1));
    if end != size {
        return Err(corrupt("log", &format!("its head stands for {size} entries, but it ends at {end}")));
    }
    Ok(())
}
