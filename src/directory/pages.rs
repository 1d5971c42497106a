//! Where pages begin in a table that is read by position.
//!
//! The way to a position is walked from the front, row by row. What a page ended with is remembered, so that the next page,
//! or the same one again, begins there. A kept total carries the version of the last change of the number of rows: as long
//! as that stands still, positions do. Nothing hangs on what is remembered but time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Most places that are remembered for one table; each takes about 100 bytes.
const MAX_REMEMBERED: usize = 4_096;

/// The places of some tables. Cloning shares them.
#[derive(Clone, Default)]
pub(super) struct Pages(Arc<Mutex<BTreeMap<Vec<u8>, Places>>>);

#[derive(Default)]
struct Places {
    version: u64,
    /// The key of the last row before a position.
    before: BTreeMap<usize, Vec<u8>>,
}

impl Pages {
    /// The last place at or before `position` in the table of this prefix at this version: the key of the row before it.
    pub(super) fn nearest(&self, table: &[u8], version: u64, position: usize) -> Option<(usize, Vec<u8>)> {
        let tables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let places = tables.get(table).filter(|places| places.version == version)?;
        places.before.range(..=position).next_back().map(|(position, key)| (*position, key.clone()))
    }

    /// Remembers that the row before `position` has this key. Newer versions replace older ones.
    pub(super) fn remember(&self, table: &[u8], version: u64, position: usize, key: &[u8]) {
        let mut tables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let places = tables.entry(table.to_vec()).or_default();
        if places.version > version {
            return;
        }
        if places.version < version || places.before.len() >= MAX_REMEMBERED {
            *places = Places { version, before: BTreeMap::new() };
        }
        places.before.insert(position, key.to_vec());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_holds_as_long_as_the_number_of_rows_stands_still() {
        let pages = Pages::default();
        pages.remember(b"users", 7, 100, b"k100");
        pages.remember(b"users", 7, 200, b"k200");
        for (table, version, position, expected) in [
            ("users", 7, 99, None),
            ("users", 7, 100, Some(100)),
            ("users", 7, 199, Some(100)),
            ("users", 7, 5_000, Some(200)),
            ("users", 8, 5_000, None),
            ("users", 6, 5_000, None),
            ("groups", 7, 5_000, None),
        ] {
            let found = pages.nearest(table.as_bytes(), version, position);
            let wanted = expected.map(|at: usize| (at, format!("k{at}").into_bytes()));
            assert_eq!(found, wanted, "{table} {version} {position}");
        }
        pages.remember(b"users", 6, 300, b"old");
        assert_eq!(pages.nearest(b"users", 7, 300).map(|(at, _)| at), Some(200), "an older state teaches nothing");
        pages.remember(b"users", 8, 50, b"new");
        assert_eq!(pages.nearest(b"users", 8, 300), Some((50, b"new".to_vec())));
        assert_eq!(pages.nearest(b"users", 7, 300), None);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let pages = Pages::default();
        for position in 0..3 * MAX_REMEMBERED {
            pages.remember(b"users", 1, position, b"k");
            assert!(pages.0.lock().unwrap()[b"users".as_slice()].before.len() <= MAX_REMEMBERED);
        }
    }
}
