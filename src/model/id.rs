//! Typed 128-bit ids in the form of a UUID version 7 (RFC 9562 section 5.7): they sort by creation, which makes the
//! order of a table a stable order for paging. They are names, not secrets.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use minicbor::{Decode, Decoder, Encode, Encoder};

use crate::clock::Timestamp;
use crate::secret::IdSource;

/// An id of one kind of thing. Text form: 36 lower-case characters with hyphens.
pub struct Id<K> {
    bytes: [u8; 16],
    kind: PhantomData<fn() -> K>,
}

/// Marks [`OrganisationId`].
#[derive(Debug)]
pub enum OrganisationKind {}
/// Marks [`SessionId`].
#[derive(Debug)]
pub enum SessionKind {}
/// Marks [`TokenId`].
#[derive(Debug)]
pub enum TokenKind {}
/// Marks [`PasskeyId`].
#[derive(Debug)]
pub enum PasskeyKind {}
/// Marks [`TicketId`].
#[derive(Debug)]
pub enum TicketKind {}

/// Id of an organisation; every record's key starts with it.
pub type OrganisationId = Id<OrganisationKind>;
/// Public id of a session, for lists; not the secret in the cookie.
pub type SessionId = Id<SessionKind>;
/// Id of a passkey among those of its owner; not its credential id.
pub type PasskeyId = Id<PasskeyKind>;
/// Public id of a token, for lists; not the secret.
pub type TokenId = Id<TokenKind>;
/// Id of a pending login.
pub type TicketId = Id<TicketKind>;

impl OrganisationId {
    /// The organisation that every installation has.
    pub const DEFAULT: Self = Self { bytes: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], kind: PhantomData };
}

impl<K> Id<K> {
    /// A new id: 48 bits of `now`, 74 random bits.
    pub fn new(now: Timestamp, ids: &IdSource) -> Self {
        let mut bytes = ids.bytes::<16>();
        let millis = now.as_millis().to_be_bytes();
        bytes[..6].copy_from_slice(&millis[2..]);
        bytes[6] = (bytes[6] & 0x0f) | 0x70;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Self::from_bytes(bytes)
    }

    /// The id with these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self { bytes, kind: PhantomData }
    }

    /// The bytes, in key order.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.bytes
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.bytes.cmp(&other.bytes)
    }
}
impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes.hash(state);
    }
}

impl<K> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // By hand, because every answer has several.
        let mut text = [b'-'; 36];
        let mut places = text.iter_mut();
        for (index, byte) in self.bytes.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                places.next();
            }
            for (place, digit) in places.by_ref().take(2).zip([byte >> 4, byte & 0x0f]) {
                *place = if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
            }
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl<K> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is no id.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id of the form 01234567-89ab-7cde-8f01-23456789abcd")]
pub struct NotAnId;

/// Exactly the form that `Display` prints; upper case is refused so that an id has one spelling.
impl<K> FromStr for Id<K> {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        if text.len() != 36 {
            return Err(NotAnId);
        }
        let mut bytes = [0u8; 16];
        let mut digits = 0usize;
        for (position, character) in text.bytes().enumerate() {
            if matches!(position, 8 | 13 | 18 | 23) {
                if character != b'-' {
                    return Err(NotAnId);
                }
                continue;
            }
            let digit = match character {
                b'0'..=b'9' => character - b'0',
                b'a'..=b'f' => character - b'a' + 10,
                _ => return Err(NotAnId),
            };
            let byte = bytes.get_mut(digits / 2).ok_or(NotAnId)?;
            *byte = (*byte << 4) | digit;
            digits += 1;
        }
        Ok(Self::from_bytes(bytes))
    }
}

impl<K, C> Encode<C> for Id<K> {
    fn encode<W: minicbor::encode::Write>(
        &self,
        encoder: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        encoder.bytes(&self.bytes)?.ok()
    }
}

impl<'b, K, C> Decode<'b, C> for Id<K> {
    fn decode(decoder: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let bytes = decoder.bytes()?;
        bytes.try_into().map(Self::from_bytes).map_err(|_| minicbor::decode::Error::message("an id has 16 bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_prints_reads_back_and_sorts_by_time() {
        let ids = IdSource::seeded(1);
        let early: SessionId = Id::new(Timestamp::from_seconds(1), &ids);
        let late: SessionId = Id::new(Timestamp::from_seconds(2), &ids);
        assert!(early < late);
        assert_eq!(early.to_string().parse(), Ok(early));
        assert_eq!(&late.to_string()[14..15], "7");
        for wrong in
            ["", "x", &early.to_string().to_uppercase(), &format!("{early}0"), &early.to_string().replace('-', "_")]
        {
            assert_eq!(wrong.parse::<SessionId>(), Err(NotAnId), "{wrong}");
        }
    }
}
