//! Typed tables: a tag byte, a key type and a record type.

use std::marker::PhantomData;

use super::{Error, Key, KeyWriter};
use crate::model::OrganisationId;

/// The one format of records that this release writes. A reader refuses any other.
const FORMAT: u8 = 1;

/// A set of records of one type. Tags are given in `docs`-free constants beside the types that use them and are never
/// reused; `tests/it/store` checks that no two tables share one.
pub struct Table<K: ?Sized, V> {
    tag: u8,
    name: &'static str,
    types: PhantomData<fn(&K) -> V>,
}

impl<K: Key + ?Sized, V> Table<K, V> {
    /// The table with this tag; `name` is for messages.
    pub const fn new(tag: u8, name: &'static str) -> Self {
        Self { tag, name, types: PhantomData }
    }

    /// The name for messages.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The full key of a record: organisation, tag, key.
    pub fn key(&self, organisation: OrganisationId, key: &K) -> Vec<u8> {
        let mut out = self.start(organisation);
        key.write(&mut out);
        out.into_bytes()
    }

    /// The prefix of every record whose key starts with `part`; pass `&()` for the whole table.
    pub fn prefix<P: Key + ?Sized>(&self, organisation: OrganisationId, part: &P) -> Vec<u8> {
        let mut out = self.start(organisation);
        part.write(&mut out);
        out.into_bytes()
    }

    /// The last 16 bytes of a row's key, where the key ends with an id.
    ///
    /// # Errors
    /// `Corrupt` when the key is shorter.
    pub fn suffix(&self, key: &[u8]) -> Result<[u8; 16], Error> {
        key.last_chunk::<16>()
            .copied()
            .ok_or_else(|| Error::Corrupt { table: self.name, reason: "a key without an id at its end".to_owned() })
    }

    fn start(&self, organisation: OrganisationId) -> KeyWriter {
        let mut out = KeyWriter::default();
        out.fixed(organisation.as_bytes());
        out.fixed(&[self.tag]);
        out
    }
}

/// The bytes of a record.
///
/// # Errors
/// `Corrupt` when the value cannot be encoded, which no record type of ours does.
pub fn encode<V: minicbor::Encode<()>>(table: &'static str, value: &V) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![FORMAT];
    minicbor::encode(value, &mut bytes).map_err(|error| Error::Corrupt { table, reason: error.to_string() })?;
    Ok(bytes)
}

/// The record in these bytes.
///
/// # Errors
/// `Corrupt` when the format byte is unknown or the bytes are no such record.
pub fn decode<V: for<'b> minicbor::Decode<'b, ()>>(table: &'static str, bytes: &[u8]) -> Result<V, Error> {
    let corrupt = |reason: String| Error::Corrupt { table, reason };
    match bytes.split_first() {
        Some((&FORMAT, record)) => minicbor::decode(record).map_err(|error| corrupt(error.to_string())),
        Some((format, _)) => Err(corrupt(format!("format {format} is of a newer release"))),
        None => Err(corrupt("an empty record".to_owned())),
    }
}
