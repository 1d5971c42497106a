//! The Merkle tree of RFC 9162 section 2.1, kept as its peaks: the roots of the perfect subtrees that a log of this
//! size falls into. Appending costs one hash on average; nothing else of the tree is stored.

use crate::secret::sha256;

/// A hash of the tree.
pub(super) type Hash = [u8; 32];

/// The hash of an entry (RFC 9162 section 2.1.1, `0x00` in front): `position` is part of it, so that equal events differ
/// and no two can change places.
pub(super) fn leaf(position: u64, body: &[u8]) -> Hash {
    let mut message = Vec::with_capacity(9 + body.len());
    message.push(0);
    message.extend_from_slice(&position.to_be_bytes());
    message.extend_from_slice(body);
    sha256(&message)
}

/// The hash of two subtrees (`0x01` in front).
fn node(left: &Hash, right: &Hash) -> Hash {
    let mut message = [1; 65];
    let (_, both) = message.split_at_mut(1);
    for (to, from) in both.iter_mut().zip(left.iter().chain(right)) {
        *to = *from;
    }
    sha256(&message)
}

/// A log's tree: size and peaks, the largest subtree first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tree {
    size: u64,
    peaks: Vec<Hash>,
}

impl Tree {
    /// The tree of a size with these peaks; `None` when their number does not fit the size.
    pub fn new(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        (u32::try_from(peaks.len()).ok()? == size.count_ones()).then_some(Self { size, peaks })
    }

    /// The number of entries.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The peaks, the largest subtree first.
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Appends an entry's hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut top = leaf;
        // Two subtrees of one size become one, as a carry runs through the ones at the end of a binary number.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                top = node(&left, &top);
            }
        }
        self.peaks.push(top);
        self.size += 1;
    }

    /// The tree's root (RFC 9162 section 2.1.1); of an empty log the hash of nothing.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        match peaks.next() {
            None => sha256(b""),
            Some(last) => peaks.fold(*last, |right, left| node(left, &right)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition of RFC 9162 section 2.1.1, word by word.
    fn by_definition(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => sha256(b""),
            [one] => *one,
            many => {
                let split = many.len().next_power_of_two() / 2;
                node(&by_definition(&many[..split]), &by_definition(&many[split..]))
            }
        }
    }

    #[test]
    fn the_root_from_peaks_is_the_root_by_definition() {
        let leaves: Vec<Hash> = (0..70).map(|position| leaf(position, b"event")).collect();
        let mut tree = Tree::default();
        for (count, leaf) in leaves.iter().enumerate() {
            assert_eq!(tree.root(), by_definition(&leaves[..count]), "{count} entries");
            tree.push(*leaf);
            assert_eq!(Tree::new(tree.size(), tree.peaks().to_vec()).as_ref(), Some(&tree));
        }
        assert_eq!(Tree::new(5, tree.peaks().to_vec()), None);
    }

    #[test]
    fn hashes_are_those_of_known_vectors() {
        // SHA-256 of nothing, and of 00 0000000000000000 (an empty body at position 0).
        let hex = |hash: Hash| hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex(Tree::default().root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(hex(leaf(0, b"")), hex(sha256(&[0; 9])));
        assert_ne!(leaf(0, b"a"), leaf(1, b"a"));
    }
}
