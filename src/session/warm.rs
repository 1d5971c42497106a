//! Sessions kept ready between requests, and the generation of the organisation.
//!
//! A kept session is good only while the mark of its row stands where it stood before the row was read: see
//! `store::Marks`. That its row expires is no matter, since its limits are looked at at each check. What is kept is bounded
//! by weight; however many sessions there are, the others are read when they are asked for.

use std::sync::{Arc, PoisonError, RwLock};

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::{EVERYBODY, Error, GENERATIONS, SESSIONS, Session, Sessions};
use crate::store::{Marks, Seen, decode};

use super::record::Record;

/// Most bytes, about, that kept sessions have together: some fifty thousand usual ones.
const MAX_BYTES: u64 = 32 * 1024 * 1024;
/// Bytes of a kept session without its texts, bookkeeping included.
const BYTES_OF_ONE: usize = 512;
/// Bytes of a text without its characters.
const BYTES_OF_TEXT: usize = 24;
/// How many sessions are expected; only where the bookkeeping starts.
const EXPECTED: usize = 4_096;

/// A session and what it rests on.
#[derive(Debug)]
struct Kept {
    session: Arc<Session>,
    seen: Seen,
}

#[derive(Clone)]
struct Weight;

impl Weighter<[u8; 32], Arc<Kept>> for Weight {
    fn weight(&self, _: &[u8; 32], kept: &Arc<Kept>) -> u64 {
        let session = &kept.session;
        let texts = session.groups.iter().chain(&session.user_agent).chain(&session.upstream_session);
        let bytes = texts.fold(BYTES_OF_ONE, |sum, text| sum.saturating_add(text.len() + BYTES_OF_TEXT));
        let at_upstream = session.at_upstream.as_ref().map_or(0, |at| at.subject.len() + at.sign_out.len());
        u64::try_from(bytes.saturating_add(at_upstream)).unwrap_or(u64::MAX)
    }
}

/// What is kept ready. Cloning shares it.
#[derive(Clone)]
pub(super) struct Warm {
    sessions: Arc<Cache<[u8; 32], Arc<Kept>, Weight>>,
    generation: Arc<RwLock<Option<(u64, Seen)>>>,
}

impl Warm {
    pub fn new() -> Self {
        let sessions = Arc::new(Cache::with_weighter(EXPECTED, MAX_BYTES, Weight));
        Self { sessions, generation: Arc::default() }
    }

    fn generation(&self, marks: &Marks) -> Option<u64> {
        let kept = self.generation.read().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref().filter(|(_, seen)| seen.is_current(marks)).map(|(generation, _)| *generation)
    }
}

impl Sessions {
    /// The present generation of the organisation.
    pub(super) async fn generation(&self) -> Result<u64, Error> {
        let store = self.ledger.store();
        let marks = store.engine().marks();
        if let Some(generation) = self.warm.generation(marks) {
            return Ok(generation);
        }
        let mut seen = Seen::default();
        seen.take(marks, &GENERATIONS.key(self.organisation, &EVERYBODY));
        let generation = store.find(&GENERATIONS, self.organisation, &EVERYBODY).await?.unwrap_or(0);
        *self.warm.generation.write().unwrap_or_else(PoisonError::into_inner) = Some((generation, seen));
        Ok(generation)
    }

    /// The session under a keyed hash, whether it is over or not.
    pub(super) async fn ready(&self, hash: &[u8; 32]) -> Result<Option<Arc<Session>>, Error> {
        let engine = self.ledger.store().engine();
        let kept = self.warm.sessions.get(hash).filter(|kept| kept.seen.is_current(engine.marks()));
        if let Some(kept) = kept {
            return Ok(Some(Arc::clone(&kept.session)));
        }
        let key = SESSIONS.key(self.organisation, hash);
        let mut seen = Seen::default();
        seen.take(engine.marks(), &key);
        let Some(stored) = engine.get(&key).await? else {
            self.warm.sessions.remove(hash);
            return Ok(None);
        };
        let session = Arc::new(decode::<Record>(SESSIONS.name(), &stored.value)?.session(&self.limits));
        self.warm.sessions.insert(*hash, Arc::new(Kept { session: Arc::clone(&session), seen }));
        Ok(Some(session))
    }
}
