//! Order-preserving keys: the bytes of two keys compare as their parts do.

use crate::clock::Timestamp;
use crate::model::{FoldedName, Id, RoleId, Scope, SourceId};

/// Collects the parts of a key.
#[derive(Default)]
pub struct KeyWriter(Vec<u8>);

impl KeyWriter {
    /// The bytes written so far.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// A part of fixed length.
    pub fn fixed(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// A part of any length: zero bytes are escaped and a terminator follows, so that no part is a prefix of another.
    pub fn text(&mut self, text: &str) {
        self.beginning(text);
        self.0.extend_from_slice(&[0, 1]);
    }

    /// What every part of any length begins with whose text begins with `text`; nothing can follow it.
    pub fn beginning(&mut self, text: &str) {
        for byte in text.bytes() {
            self.0.push(byte);
            if byte == 0 {
                self.0.push(0xff);
            }
        }
    }
}

/// The text at the beginning of a key's rest, as [`KeyWriter::text`] has written it: its bytes up to the terminator.
pub fn written_text(rest: &[u8]) -> Vec<u8> {
    let (mut out, mut bytes) = (Vec::with_capacity(rest.len()), rest.iter().copied());
    while let Some(byte) = bytes.next() {
        // A zero byte of the text is followed by 0xff, the terminator's by 1.
        if byte == 0 && bytes.next() != Some(0xff) {
            break;
        }
        out.push(byte);
    }
    out
}

/// Something that can be a key, or a part of one.
pub trait Key {
    /// Appends the key's bytes.
    fn write(&self, out: &mut KeyWriter);
}

impl<K> Key for Id<K> {
    fn write(&self, out: &mut KeyWriter) {
        out.fixed(self.as_bytes());
    }
}
impl Key for str {
    fn write(&self, out: &mut KeyWriter) {
        out.text(self);
    }
}
impl Key for String {
    fn write(&self, out: &mut KeyWriter) {
        out.text(self);
    }
}
impl Key for FoldedName {
    fn write(&self, out: &mut KeyWriter) {
        out.text(self.as_str());
    }
}
impl Key for SourceId {
    fn write(&self, out: &mut KeyWriter) {
        out.text(self.as_str());
    }
}
impl Key for RoleId {
    fn write(&self, out: &mut KeyWriter) {
        out.text(self.as_str());
    }
}
impl Key for Scope {
    fn write(&self, out: &mut KeyWriter) {
        out.text(&self.to_string());
    }
}
impl Key for u64 {
    fn write(&self, out: &mut KeyWriter) {
        out.fixed(&self.to_be_bytes());
    }
}
/// A keyed hash.
impl Key for [u8; 32] {
    fn write(&self, out: &mut KeyWriter) {
        out.fixed(self);
    }
}
impl Key for Timestamp {
    fn write(&self, out: &mut KeyWriter) {
        let sortable = self.as_millis().cast_unsigned() ^ (1 << 63);
        out.fixed(&sortable.to_be_bytes());
    }
}
/// The only record of its table.
impl Key for () {
    fn write(&self, _: &mut KeyWriter) {}
}
impl<A: Key, B: Key> Key for (A, B) {
    fn write(&self, out: &mut KeyWriter) {
        self.0.write(out);
        self.1.write(out);
    }
}
impl<A: Key, B: Key, C: Key> Key for (A, B, C) {
    fn write(&self, out: &mut KeyWriter) {
        self.0.write(out);
        self.1.write(out);
        self.2.write(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(key: &impl Key) -> Vec<u8> {
        let mut out = KeyWriter::default();
        key.write(&mut out);
        out.into_bytes()
    }

    #[test]
    fn keys_sort_as_their_parts_do() {
        let texts = ["", "\0", "\0a", "a", "a\0", "a\0b", "aa", "ab", "b"];
        for pair in texts.windows(2) {
            let (low, high) = (pair[0].to_owned(), pair[1].to_owned());
            assert!(bytes(&low) < bytes(&high), "{pair:?}");
            assert!(bytes(&(low, 9u64)) < bytes(&(high, 0u64)), "{pair:?}");
        }
        for text in texts {
            let key = bytes(&(text.to_owned(), 9u64));
            assert_eq!(written_text(&key), text.as_bytes(), "{text:?}");
        }
        let times = [i64::MIN, -1, 0, 1, i64::MAX].map(Timestamp::from_millis);
        for pair in times.windows(2) {
            assert!(bytes(&pair[0]) < bytes(&pair[1]), "{pair:?}");
        }
    }
}
