//! The life of a store: it ends where a copy is put into the store's place, because what happened after the copy was made is
//! not in it. A new life is begun before anything is served: nobody is signed in any more, and what is good once is good no
//! longer, since it may have been used.
//!
//! A store that is put back is known by one of three things: the mark that every backup carries, the mark of one whose journal
//! was gone when it was opened, so that it lacks what was committed last, and the run file beside the
//! store. Each run of the program leaves a new run file, whose place and content the store knows; a store that was copied
//! before knows an older one. Nothing of this tells a disk or a machine that is put back as a whole, run file and all, nor what was
//! copied from under a program that runs and written over its store before the next start.
//!
//! What becomes of what is in a store that was put back (`since` is the moment at which that was noticed):
//!
//! | table | what it is | in the new life |
//! |---|---|---|
//! | 0x60 to 0x63, 0x5a | sessions | over, by a new generation of the organisation (0x64) |
//! | 0x50, 0x53 | sign-ins begun and under way | void: their keys are of a life |
//! | 0x52, 0x5b | one-time links, links to choose a password, test sign-ins | void: their keys are of a life |
//! | 0x55 | invitations | their links are void, the invitations wait to be sent again |
//! | 0x54 | passwords that were asked for and not looked at | dropped: their seal is of a life |
//! | 0x72 | access tokens of provisioning clients | void: their keys are of a life |
//! | 0x80 | mails that wait | given up, with their event: they went out before |
//! | 0x3c | recovery codes | void, since some may have been used; the owner makes new ones |
//! | 0x39 | one-time codes | as they were; no code of a step up to `since` is taken |
//! | 0x3a | passkeys | as they were, with the counters of then; challenges that are not answered yet are void |
//! | 0x51 | assertions that were used | as they were; what nobody asked for counts only when it was issued after `since` |
//! | 0x58, 0x5c | logouts and signals of providers | as they were; a logout that was issued before `since` is refused, a signal is carried out again, which brings back what was lost |
//! | 0x30 to 0x34, 0x5f | failed attempts, locks, blocks | as they were: those that came after the copy was made are forgotten |
//! | 0x57 | known browsers | as they were: one that was forgotten since is known again, which gives its wrong passwords a count of their own and nothing else |
//! | 0x59 | metadata of providers | as it was, and read again when that is due, within a day |
//! | 0x56, 0x5e | askings and notices by account | as they were: they end within a day |
//! | 0x70, 0x71, 0x38 | tokens and passwords | as they were: those that were revoked or changed since are good again |
//! | all else | people, groups, roles, grants, sources | as they were |

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

use super::{Change, Ledger};
use crate::clock::Timestamp;
use crate::model::OrganisationId;
use crate::secret::{IdSource, MacKey};
use crate::store::{self, Copied, Table};

/// Every backup has this row, and no store that was taken up.
const COPY: Table<(), CopyMark> = Table::new(0x67, "mark of a backup");
/// A store has this row that lacks what was committed last, until it was taken up.
const LOSS: Table<(), bool> = Table::new(0x69, "mark of a loss");
/// Which life of the store this is, and where it lies.
const LIFE: Table<(), Lived> = Table::new(0x68, "life of the store");

#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
struct CopyMark {
    #[n(0)]
    made: Timestamp,
    /// The release that made it.
    #[n(1)]
    release: String,
}

#[derive(Clone, Debug, Default, Encode, Decode)]
#[cbor(map)]
struct Lived {
    /// What keys of this life are derived with; none in the first.
    #[n(0)]
    word: Option<ByteArray<16>>,
    #[n(1)]
    since: Option<Timestamp>,
    /// The place of the store's file.
    #[n(2)]
    file: Option<String>,
    /// The run file of this run, and before it that of the run before, in case that the program ended in between.
    #[n(3)]
    runs: Option<Vec<String>>,
}

/// A life of a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Life {
    word: Option<[u8; 16]>,
    since: Option<Timestamp>,
}

impl Life {
    /// A life that begins now.
    fn begin(now: Timestamp, ids: &IdSource) -> Self {
        Self { word: Some(ids.bytes()), since: Some(now) }
    }

    /// The key for what ends with this life.
    #[must_use]
    pub fn key(&self, master: &MacKey) -> MacKey {
        match self.word {
            Some(word) => MacKey::new(&master.derive("life of the store").tag(&word)),
            None => master.clone(),
        }
    }

    /// When it began; `None` of the first.
    pub fn since(&self) -> Option<Timestamp> {
        self.since
    }

    /// Whether what was made at a moment is of a life before.
    pub fn voids(&self, made: Timestamp) -> bool {
        self.since.is_some_and(|since| made <= since)
    }
}

/// Where a store lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Here {
    /// The place of its file.
    pub file: String,
    /// Content and place of the run file beside it; `None` when there is none.
    pub run: Option<String>,
}

/// What a store knows of itself when it is opened.
#[derive(Debug)]
pub struct Past {
    lived: Lived,
    copy: Option<CopyMark>,
    lacks_latest: bool,
    is_empty: bool,
    /// When its last event was, by the clock of then.
    last: Option<Timestamp>,
}

impl Past {
    /// Why the store is one that was put back, if it is. `here` is where it lies, `None` in memory.
    pub fn replaced(&self, here: Option<&Here>) -> Option<String> {
        if let Some(CopyMark { made, release }) = &self.copy {
            return Some(format!("a backup of {made}, made by release {release}, was put in its place"));
        }
        if self.lacks_latest {
            return Some("its journal is gone, with what was committed last".to_owned());
        }
        let here = here.filter(|_| !self.is_empty)?;
        match (&self.lived.file, &here.run) {
            // A release before, which knew of no runs.
            (None, None) => None,
            (None, Some(_)) => Some("it is older than the run file beside it".to_owned()),
            (Some(file), _) if *file != here.file => Some("it is another file than the one used last".to_owned()),
            (Some(_), None) => Some("the run file beside it is gone".to_owned()),
            (Some(_), Some(run)) if self.lived.runs.iter().flatten().any(|known| known == run) => None,
            (Some(_), Some(_)) => Some("it is not the state that the last run left".to_owned()),
        }
    }

    /// The life that it is in.
    pub fn life(&self) -> Life {
        Life { word: self.lived.word.map(Into::into), since: self.lived.since }
    }

    /// The latest moment of which the store tells: a clock that is behind it is wrong.
    pub fn latest(&self) -> Option<Timestamp> {
        self.copy.as_ref().map(|copy| copy.made).max(self.last)
    }

    /// Begins a new life as part of a change. It begins no earlier than what the store tells of, whatever the clock says: a
    /// machine that was just set up may not know the time yet.
    ///
    /// # Errors
    /// `Corrupt`.
    pub fn begin(&mut self, change: &mut Change, now: Timestamp, ids: &IdSource) -> Result<Life, store::Error> {
        let life = Life::begin(self.latest().map_or(now, |latest| latest.max(now)), ids);
        self.lived.word = life.word.map(Into::into);
        self.lived.since = life.since;
        // Where it lay before does not matter any more.
        (self.lived.file, self.lived.runs) = (None, None);
        change.delete(&COPY, OrganisationId::DEFAULT, &());
        change.delete(&LOSS, OrganisationId::DEFAULT, &());
        change.put(&LIFE, OrganisationId::DEFAULT, &(), &self.lived)?;
        Ok(life)
    }

    /// Takes down as part of a change where the store lies, the run file beside it and the one that will be there.
    ///
    /// # Errors
    /// `Corrupt`.
    pub fn settle(&mut self, change: &mut Change, here: &Here, next: Option<String>) -> Result<(), store::Error> {
        let runs: Vec<String> = here.run.iter().cloned().chain(next).collect();
        // Without any, nothing can be compared at the next start.
        self.lived.file = (!runs.is_empty()).then(|| here.file.clone());
        self.lived.runs = Some(runs);
        change.put(&LIFE, OrganisationId::DEFAULT, &(), &self.lived)
    }
}

/// The row of a store that lacks what was committed last.
pub(super) fn loss() -> Result<(Vec<u8>, Vec<u8>), store::Error> {
    Ok((LOSS.key(OrganisationId::DEFAULT, &()), store::encode(LOSS.name(), &true)?))
}

impl Ledger {
    /// What the store knows of itself.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub async fn past(&self) -> Result<Past, store::Error> {
        let store = self.store();
        let is_empty = store.engine().log(0, 1).await?.is_empty();
        let lived = store.find(&LIFE, OrganisationId::DEFAULT, &()).await?.unwrap_or_default();
        let copy = store.find(&COPY, OrganisationId::DEFAULT, &()).await?;
        let lacks_latest = store.find(&LOSS, OrganisationId::DEFAULT, &()).await?.is_some();
        let last = self.tail(1).await?.entries.first().map(|entry| entry.event.at);
        Ok(Past { lived, copy, lacks_latest, is_empty, last })
    }

    /// Makes a copy of the store with the mark of a backup.
    ///
    /// # Errors
    /// `Unavailable`: another one is being made, there is no room, or the store is in memory.
    pub async fn copy(&self, now: Timestamp) -> Result<Copied, store::Error> {
        let mark = CopyMark { made: now, release: env!("CARGO_PKG_VERSION").to_owned() };
        let row = (COPY.key(OrganisationId::DEFAULT, &()), store::encode(COPY.name(), &mark)?);
        self.store().engine().copy(vec![row]).await
    }

    /// When the copy was made that the store is and that was not taken up yet; `None` when it is none.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub async fn copied(&self) -> Result<Option<Timestamp>, store::Error> {
        let mark = self.store().find(&COPY, OrganisationId::DEFAULT, &()).await?;
        Ok(mark.map(|mark: CopyMark| mark.made))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past(file: Option<&str>, runs: &[&str]) -> Past {
        let runs = file.map(|_| runs.iter().map(|run| (*run).to_owned()).collect());
        let lived = Lived { file: file.map(str::to_owned), runs, ..Lived::default() };
        Past { lived, copy: None, lacks_latest: false, is_empty: false, last: None }
    }

    #[test]
    fn a_store_is_the_one_of_the_last_run_or_was_put_back() {
        let here = |run: Option<&str>| Here { file: "f".to_owned(), run: run.map(str::to_owned) };
        for (past, run, is_replaced) in [
            (past(None, &[]), None, false),
            (past(None, &[]), Some("r1"), true),
            (past(Some("f"), &["r1", "r2"]), Some("r2"), false),
            (past(Some("f"), &["r1", "r2"]), Some("r1"), false),
            (past(Some("f"), &["r1", "r2"]), Some("r3"), true),
            (past(Some("f"), &["r1", "r2"]), None, true),
            (past(Some("other"), &["r1", "r2"]), Some("r2"), true),
            (Past { is_empty: true, ..past(None, &[]) }, Some("r1"), false),
        ] {
            assert_eq!(past.replaced(Some(&here(run))).is_some(), is_replaced, "{past:?} {run:?}");
            assert_eq!(past.replaced(None), None, "in memory");
        }
        let copy = Some(CopyMark { made: Timestamp::from_seconds(1), release: "1".to_owned() });
        let backup = Past { copy, ..past(Some("f"), &["r1"]) };
        assert!(backup.replaced(Some(&here(Some("r1")))).is_some() && backup.replaced(None).is_some());
    }

    #[test]
    fn keys_of_two_lives_differ_and_the_first_life_has_those_of_releases_before() {
        let (master, ids) = (MacKey::new(&[7; 32]), IdSource::system());
        let now = Timestamp::from_seconds(1_000);
        let (one, two) = (Life::begin(now, &ids), Life::begin(now, &ids));
        assert_eq!(Life::default().key(&master).tag(b"x"), master.tag(b"x"));
        assert_ne!(one.key(&master).tag(b"x"), two.key(&master).tag(b"x"));
        assert_ne!(one.key(&master).tag(b"x"), master.tag(b"x"));
        assert!(one.voids(now) && !one.voids(Timestamp::from_seconds(1_001)) && !Life::default().voids(now));
    }
}
