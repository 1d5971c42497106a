//! Users kept ready between requests, for whoever asks at each of them whether an account is active.
//!
//! One is good only while the mark of its row stands where it stood before the row was read: see `store::Marks`. What is
//! kept is bounded by weight.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::tables::USERS;
use super::{Directory, Error};
use crate::model::{User, UserId};
use crate::store::{Seen, decode};

/// Most bytes, about, that kept users have together: some ten thousand usual ones.
const MAX_BYTES: u64 = 32 * 1024 * 1024;
/// How much larger a record is when it is read than as it is stored.
const TIMES: usize = 4;
/// Bytes of a kept user without what its record says, bookkeeping included.
const BYTES_OF_ONE: usize = 512;
/// How many users are expected; only where the bookkeeping starts.
const EXPECTED: usize = 4_096;

/// A user and what it rests on.
struct Kept {
    user: Arc<User>,
    bytes: usize,
    seen: Seen,
}

#[derive(Clone)]
struct Weight;

impl Weighter<UserId, Arc<Kept>> for Weight {
    fn weight(&self, _: &UserId, kept: &Arc<Kept>) -> u64 {
        u64::try_from(kept.bytes.saturating_mul(TIMES).saturating_add(BYTES_OF_ONE)).unwrap_or(u64::MAX)
    }
}

/// The kept users of one organisation. Cloning shares them.
#[derive(Clone)]
pub(super) struct Warm(Arc<Cache<UserId, Arc<Kept>, Weight>>);

impl Default for Warm {
    fn default() -> Self {
        Self(Arc::new(Cache::with_weighter(EXPECTED, MAX_BYTES, Weight)))
    }
}

impl Directory {
    /// The user with this id, as [`Directory::find_user`] tells it, without a read while nothing was written to it since.
    ///
    /// # Errors
    /// `Store`.
    pub async fn find_ready_user(&self, id: UserId) -> Result<Option<Arc<User>>, Error> {
        let engine = self.store().engine();
        if let Some(kept) = self.warm.0.get(&id).filter(|kept| kept.seen.is_current(engine.marks())) {
            return Ok(Some(Arc::clone(&kept.user)));
        }
        let key = USERS.key(self.organisation, &id);
        let mut seen = Seen::default();
        seen.take(engine.marks(), &key);
        let Some(stored) = engine.get(&key).await? else {
            self.warm.0.remove(&id);
            return Ok(None);
        };
        let user: Arc<User> = Arc::new(decode(USERS.name(), &stored.value)?);
        let kept = Kept { user: Arc::clone(&user), bytes: stored.value.len(), seen };
        self.warm.0.insert(id, Arc::new(kept));
        Ok(Some(user))
    }
}
