//! What the ledger does beside requests: removes what has expired, and tries to write again after a failure.

use std::time::Duration;

use super::Ledger;
use crate::store::Error;
use crate::tasks::{Task, Tasks};

/// How often.
const EVERY: Duration = Duration::from_secs(30);
/// Rows removed at a time, so that writers need not wait long.
const ROWS: usize = 1_000;

impl Ledger {
    /// Starts the upkeep.
    pub fn keep(&self, tasks: &Tasks) -> Task {
        let ledger = self.clone();
        tasks.every("store upkeep", EVERY, move || {
            let ledger = ledger.clone();
            async move {
                if let Err(error) = ledger.tidy().await {
                    tracing::warn!(error = %error, "the store's upkeep did not end");
                }
            }
        })
    }

    /// Removes every expired row and tells how many; an engine that refuses writes is opened again first.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn tidy(&self) -> Result<u64, Error> {
        let engine = self.store().engine();
        if !engine.health().writable {
            engine.reopen().await?;
        }
        let mut removed = 0;
        loop {
            match engine.sweep(ROWS).await? {
                0 => return Ok(removed),
                count => removed += count,
            }
        }
    }
}
