//! Verification: every entry against its mark, all of them against the head.
//!
//! What it finds without help: an entry that was altered, dropped, added or moved, a log that was cut off or wiped, a head
//! that was edited, removed or put back to an older state. What it cannot know by itself is that the whole file was replaced by an
//! older copy of it; a [`Checkpoint`] kept elsewhere shows that.

use std::fmt;
use std::str::FromStr;

use super::Sealer;
use super::tree::{Hash, Tree};
use crate::store::{Error, Seal, Store};

/// Entries read at a time.
const CHUNK: usize = 1_000;

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How many entries were read and found good, from the first on.
    pub entries: u64,
    /// The root of the tree over these entries.
    root: Hash,
    /// What is wrong first; `None` when all is well.
    pub problem: Option<Problem>,
}

impl Report {
    /// Whether all is well.
    pub fn is_intact(&self) -> bool {
        self.problem.is_none()
    }

    /// The root of the tree over the good entries, 64 hexadecimal digits.
    pub fn root(&self) -> String {
        hex(&self.root)
    }

    /// The report for programs: `intact`, `entries`, `root`, `checkpoint`, and instead of that `problem` when there is one:
    /// what is not intact is nothing to compare with later.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "intact": self.is_intact(),
            "entries": self.entries,
            "root": self.root(),
            "checkpoint": self.is_intact().then(|| self.checkpoint().to_string()),
            "problem": self.problem.as_ref().map(Problem::to_string),
        })
    }

    /// Size and root, to be kept outside the machine and given to later verifications.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint { size: self.entries, root: self.root }
    }
}

/// What is wrong with a ledger.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The entry does not have the mark that this installation gave it: it was edited, replaced or moved.
    #[error("entry {position} is not what was written there")]
    Altered {
        /// The first such entry.
        position: u64,
    },
    /// The ledger is intact, but not a continuation of the one that the checkpoint was taken of.
    #[error("the first {position} entries are not those of the checkpoint: the ledger was replaced or put back")]
    Diverged {
        /// The checkpoint's size.
        position: u64,
    },
    /// Entries are there, but the head cannot be believed: it was edited, or written with another key.
    #[error("{reason}; {position} entries are good by themselves, whether more followed cannot be told")]
    Head {
        /// The number of entries found good.
        position: u64,
        /// What is wrong with the head.
        reason: String,
    },
    /// An entry is not there, although later ones are or the head counts it.
    #[error("entry {position} is missing")]
    Missing {
        /// The first such entry.
        position: u64,
    },
    /// Neither entries nor a head are there, which a store has from its beginning.
    #[error("the ledger was wiped: the store has neither entries nor the head that it was made with")]
    Wiped,
    /// Entries are there that the head does not count: it was put back to an older state, or they were added.
    #[error("entry {position} is not counted by the head")]
    Uncounted {
        /// The first such entry.
        position: u64,
    },
}

impl Problem {
    /// The first position that is wrong.
    pub fn position(&self) -> u64 {
        match self {
            Self::Altered { position }
            | Self::Diverged { position }
            | Self::Head { position, .. }
            | Self::Missing { position }
            | Self::Uncounted { position } => *position,
            Self::Wiped => 0,
        }
    }
}

/// A ledger's size and root at some moment; text form `SIZE:ROOT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    size: u64,
    root: Hash,
}

/// The text is no checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a checkpoint of the form SIZE:ROOT with 64 hexadecimal digits")]
pub struct NotACheckpoint;

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.size, hex(&self.root))
    }
}

impl FromStr for Checkpoint {
    type Err = NotACheckpoint;

    fn from_str(text: &str) -> Result<Self, NotACheckpoint> {
        let (size, digits) = text.split_once(':').ok_or(NotACheckpoint)?;
        let mut root = [0; 32];
        if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(NotACheckpoint);
        }
        for (to, pair) in root.iter_mut().zip(digits.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| NotACheckpoint)?;
            *to = u8::from_str_radix(pair, 16).map_err(|_| NotACheckpoint)?;
        }
        Ok(Self { size: size.parse().map_err(|_| NotACheckpoint)?, root })
    }
}

/// Verifies the whole ledger, a bounded piece at a time, while it may grow. `since` is a checkpoint of it that was kept
/// elsewhere.
///
/// # Errors
/// The store's, when it cannot be read. A ledger that was tampered with is a [`Report`] with a problem.
pub async fn verify(store: &Store, sealer: &Sealer, since: Option<Checkpoint>) -> Result<Report, Error> {
    let head = store.engine().head().await?;
    let (expected, unreadable) = match sealer.open(&head) {
        Ok(tree) => (tree, None),
        Err(Error::Corrupt { reason, .. }) => (Tree::default(), Some(reason)),
        Err(error) => return Err(error),
    };
    let limit = if unreadable.is_some() { u64::MAX } else { expected.size() };
    let mut run = Run { tree: Tree::default(), since, diverged: None };
    run.compare();
    let mut problem = run.read(store, sealer, limit).await?;
    if problem.is_none() {
        problem = match unreadable {
            Some(_) if head.is_empty() && run.tree.size() == 0 => Some(Problem::Wiped),
            Some(reason) => Some(Problem::Head { position: run.tree.size(), reason }),
            None => ending(store, sealer, &run.tree, &expected).await?,
        };
    }
    let beyond = since.filter(|since| since.size > run.tree.size()).map(|since| since.size);
    let problem = problem.or(run.diverged.or(beyond).map(|position| Problem::Diverged { position }));
    Ok(Report { entries: run.tree.size(), root: run.tree.root(), problem })
}

struct Run {
    tree: Tree,
    since: Option<Checkpoint>,
    diverged: Option<u64>,
}

impl Run {
    async fn read(&mut self, store: &Store, sealer: &Sealer, limit: u64) -> Result<Option<Problem>, Error> {
        while self.tree.size() < limit {
            let from = self.tree.size();
            let count = usize::try_from(limit - from).unwrap_or(CHUNK).min(CHUNK);
            let rows = store.engine().log(from, count).await?;
            if rows.is_empty() {
                // Without a head nothing says that there should be more.
                return Ok((limit != u64::MAX).then_some(Problem::Missing { position: from }));
            }
            for row in rows {
                let position = self.tree.size();
                if row.sequence != position {
                    return Ok(Some(Problem::Missing { position }));
                }
                if sealer.leaf(position, &row.body) != row.leaf {
                    return Ok(Some(Problem::Altered { position }));
                }
                self.tree.push(row.leaf.hash);
                self.compare();
            }
            tokio::task::yield_now().await;
        }
        Ok(None)
    }

    fn compare(&mut self) {
        if let Some(since) = self.since
            && since.size == self.tree.size()
            && since.root != self.tree.root()
        {
            self.diverged = Some(since.size);
        }
    }
}

/// What is wrong at the end of entries that are all good.
async fn ending(store: &Store, sealer: &Sealer, tree: &Tree, expected: &Tree) -> Result<Option<Problem>, Error> {
    let position = tree.size();
    if tree != expected {
        let reason = "the head does not fit the entries".to_owned();
        return Ok(Some(Problem::Head { position, reason }));
    }
    let Some(next) = store.engine().log(position, 1).await?.into_iter().next() else { return Ok(None) };
    // An event that was recorded since the head was read is counted by the head of now.
    match sealer.size(&store.engine().head().await?) {
        Ok(size) if size > next.sequence => Ok(None),
        _ => Ok(Some(Problem::Uncounted { position: next.sequence })),
    }
}

fn hex(hash: &Hash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
