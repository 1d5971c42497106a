//! Marks: counters by the beginning of a key, which tell whether something was written there since somebody looked.
//!
//! What is made of rows and kept in memory is good while the marks of those rows stand where they stood before the rows
//! were read. The order is what makes it safe:
//!
//! - the writer makes the new rows visible to readers, then raises their marks, then answers;
//! - the reader takes the marks, then reads the rows.
//!
//! A reader that took a mark before it was raised finds it raised at the next look, whatever it read; one that took it
//! afterwards reads rows that were visible before it was raised, so the new ones. Whoever was answered by the writer is
//! therefore never shown what was kept from before. Between the two steps of the writer something kept may still be
//! shown although the rows are new: the writer has not been answered then, and the answer is that of a moment before.
//!
//! Several beginnings may share a mark: then something kept is made anew for nothing, and never the other way round.
//! Marks do not see rows that expire: nothing that is kept may be made of such.

use std::sync::atomic::{AtomicU64, Ordering};

/// How many marks there are.
const MARKS: usize = 1 << 16;
/// How much of a key counts: organisation, tag, and a holder or id with one byte before it.
pub const MARKED_BYTES: usize = 16 + 1 + 17;

/// The marks of one store.
pub struct Marks(Box<[AtomicU64]>);

impl Default for Marks {
    fn default() -> Self {
        Self((0..MARKS).map(|_| AtomicU64::new(0)).collect())
    }
}

/// Where the mark of a key is: FNV-1a over its beginning, folded.
fn place(key: &[u8]) -> u16 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = key.iter().take(MARKED_BYTES).fold(0xcbf2_9ce4_8422_2325, step);
    let folded = hash ^ (hash >> 32);
    let [.., high, low] = (folded ^ (folded >> 16)).to_be_bytes();
    u16::from_be_bytes([high, low])
}

impl Marks {
    /// Raises the mark of a key that was written. Readers must see the new row already.
    pub(super) fn raise(&self, key: &[u8]) {
        if let Some(mark) = self.0.get(usize::from(place(key))) {
            mark.fetch_add(1, Ordering::Release);
        }
    }

    /// Raises all marks: what is stored may be anything.
    pub(super) fn raise_all(&self) {
        for mark in &self.0 {
            mark.fetch_add(1, Ordering::Release);
        }
    }

    fn read(&self, place: u16) -> u64 {
        self.0.get(usize::from(place)).map_or(0, |mark| mark.load(Ordering::Acquire))
    }
}

/// The marks of the rows that something was made of. Marks only rise, so their sum stands where it stood only while
/// each of them does.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    places: Vec<u16>,
    sum: u64,
    is_spoilt: bool,
}

impl Seen {
    /// Takes the mark of the rows whose keys begin with `start`, which has at least [`MARKED_BYTES`] bytes or is a whole
    /// key. To be called before they are read.
    pub fn take(&mut self, marks: &Marks, start: &[u8]) {
        let place = place(start);
        self.sum = self.sum.wrapping_add(marks.read(place));
        self.places.push(place);
    }

    /// Says that something was made of what has no mark: it is never good later.
    pub fn spoil(&mut self) {
        self.is_spoilt = true;
    }

    /// How many marks were taken.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether none was taken.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Whether what was made of these rows may be kept at all.
    pub fn is_good(&self) -> bool {
        !self.is_spoilt
    }

    /// Whether none of the rows was written since their marks were taken.
    pub fn is_current(&self, marks: &Marks) -> bool {
        !self.is_spoilt && self.sum == self.places.iter().fold(0, |sum, place| marks.read(*place).wrapping_add(sum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_at_a_beginning_is_seen_and_elsewhere_not() {
        let marks = Marks::default();
        let (one, other) = ([1u8; 40], [2u8; 40]);
        let mut seen = Seen::default();
        seen.take(&marks, &one[..MARKED_BYTES]);
        assert!(seen.is_current(&marks));
        marks.raise(&other);
        assert!(seen.is_current(&marks), "another key");
        marks.raise(&one);
        assert!(!seen.is_current(&marks), "a longer key with this beginning");
        let mut again = Seen::default();
        again.take(&marks, &one[..MARKED_BYTES]);
        assert!(again.is_current(&marks));
        marks.raise_all();
        assert!(!again.is_current(&marks));
        again.spoil();
        assert!(!again.is_good() && !again.is_current(&marks));
    }

    #[test]
    fn keys_spread_over_the_marks() {
        let key = |number: u32| [[7u8; 30].as_slice(), &number.to_be_bytes()].concat();
        let places: std::collections::BTreeSet<u16> = (0..20_000).map(|number| place(&key(number))).collect();
        assert!(places.len() > 16_000, "{}", places.len());
    }
}
