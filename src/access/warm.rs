//! Standings kept ready between requests.
//!
//! Each is good only while the marks of all rows that it was made of stand where they stood, and while the same roles and
//! the same tree of scopes are in force; both are looked at before every use. See `store::Marks` for why that is enough.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::policy::Prepared;
use super::{RoleBook, ScopeTree};
use crate::model::UserId;
use crate::store::{Seen, Store};

/// Most grants, groups counted by how many rows they took, that kept standings have together: about 50 MiB.
const MAX_WEIGHT: u64 = 100_000;
/// How many standings are expected; only where the bookkeeping starts.
const EXPECTED: usize = 4_096;

/// A standing and what it rests on.
#[derive(Debug)]
struct Kept {
    prepared: Arc<Prepared>,
    seen: Seen,
}

#[derive(Clone)]
struct Weight;

impl Weighter<UserId, Arc<Kept>> for Weight {
    fn weight(&self, _: &UserId, kept: &Arc<Kept>) -> u64 {
        let rows = kept.prepared.standing().held.len().saturating_add(kept.seen.len() / 4);
        u64::try_from(rows).unwrap_or(u64::MAX).saturating_add(4)
    }
}

/// The kept standings. Cloning shares them.
#[derive(Clone)]
pub(super) struct Warm(Arc<Cache<UserId, Arc<Kept>, Weight>>);

impl Warm {
    pub fn new() -> Self {
        Self(Arc::new(Cache::with_weighter(EXPECTED, MAX_WEIGHT, Weight)))
    }

    /// What is kept of a user and still good. One that was made for other roles or scopes is made ready for these.
    pub fn find(
        &self,
        store: &Store,
        user: UserId,
        roles: &Arc<RoleBook>,
        scopes: &Arc<ScopeTree>,
    ) -> Option<Arc<Prepared>> {
        let kept = self.0.get(&user)?;
        if !kept.seen.is_current(store.engine().marks()) {
            return None;
        }
        let prepared = &kept.prepared;
        if Arc::ptr_eq(prepared.roles(), roles) && Arc::ptr_eq(prepared.scopes(), scopes) {
            return Some(Arc::clone(prepared));
        }
        let anew = Prepared::new(prepared.standing().clone(), Arc::clone(roles), Arc::clone(scopes));
        Some(self.keep(user, anew, kept.seen.clone()))
    }

    /// Keeps a standing, where it may be kept.
    pub fn keep(&self, user: UserId, prepared: Prepared, seen: Seen) -> Arc<Prepared> {
        let prepared = Arc::new(prepared);
        if seen.is_good() {
            self.0.insert(user, Arc::new(Kept { prepared: Arc::clone(&prepared), seen }));
        }
        prepared
    }
}
