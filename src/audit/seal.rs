//! The log's head: the tree's size and peaks under a keyed hash, and the marks of single entries.

use super::tree::{self, Tree};
use crate::secret::MacKey;
use crate::store::{Error, Head, Leaf, Seal};

/// The one form of heads that this release writes.
const FORMAT: u8 = 1;

/// Seals the ledger with a key that is not in the store: who edits the store's file without it is found out.
#[derive(Clone, Debug)]
pub struct Sealer {
    head: MacKey,
    entry: MacKey,
    copy: MacKey,
}

impl Sealer {
    /// A sealer with keys derived from the installation's master key.
    pub fn new(master: &MacKey) -> Self {
        let copy = master.derive("copy of the store");
        Self { head: master.derive("ledger head"), entry: master.derive("ledger entry"), copy }
    }

    /// The tree that a head stands for. No bytes are no head: who empties the log cannot make one for it.
    pub(super) fn open(&self, head: &[u8]) -> Result<Tree, Error> {
        if head.is_empty() {
            return Err(corrupt("the ledger's head is gone, which every store has from its beginning"));
        }
        let (body, tag) = head.split_last_chunk::<32>().ok_or_else(|| corrupt("the ledger's head is cut short"))?;
        if !self.head.verify(body, tag) {
            return Err(corrupt("the ledger's head was not written with this installation's key"));
        }
        parse(body).ok_or_else(|| corrupt("the ledger's head has a form that this release does not know"))
    }

    fn close(&self, tree: &Tree) -> Head {
        let mut head = vec![FORMAT];
        head.extend_from_slice(&tree.size().to_be_bytes());
        for peak in tree.peaks() {
            head.extend_from_slice(peak);
        }
        let tag = self.head.tag(&head);
        head.extend_from_slice(&tag);
        head
    }
}

fn parse(body: &[u8]) -> Option<Tree> {
    let (format, rest) = body.split_first()?;
    let (size, peaks) = rest.split_first_chunk::<8>()?;
    let (peaks, remainder) = peaks.as_chunks::<32>();
    if *format != FORMAT || !remainder.is_empty() {
        return None;
    }
    Tree::new(u64::from_be_bytes(*size), peaks.to_vec())
}

fn corrupt(reason: &str) -> Error {
    Error::Corrupt { table: "log", reason: reason.to_owned() }
}

impl Seal for Sealer {
    fn empty(&self) -> Head {
        self.close(&Tree::default())
    }

    fn leaf(&self, sequence: u64, body: &[u8]) -> Leaf {
        let hash = tree::leaf(sequence, body);
        let mut tag = [0; 16];
        for (to, from) in tag.iter_mut().zip(self.entry.tag(&hash)) {
            *to = from;
        }
        Leaf { hash, tag }
    }

    fn advance(&self, head: &[u8], leaves: &[Leaf]) -> Result<Head, Error> {
        let mut tree = self.open(head)?;
        for leaf in leaves {
            tree.push(leaf.hash);
        }
        Ok(self.close(&tree))
    }

    fn size(&self, head: &[u8]) -> Result<u64, Error> {
        self.open(head).map(|tree| tree.size())
    }

    fn copy(&self, content: &[u8; 32]) -> [u8; 32] {
        self.copy.tag(content)
    }

    fn loss(&self) -> Result<(Vec<u8>, Vec<u8>), Error> {
        super::life::loss()
    }
}
