//! Refused tokens in the ledger: at most about one a second for each surface, so that guessing does not fill it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::{Refused, Tokens};
use crate::model::Circumstance;

/// Refused tokens are recorded at most this often.
const RECORD_EVERY: Duration = Duration::from_secs(1);

/// Records refusals for one surface. Cloning shares the moment of the last one.
#[derive(Clone)]
pub struct Refusals {
    tokens: Tokens,
    recorded: Arc<AtomicI64>,
}

impl Refusals {
    /// Nothing was recorded yet.
    pub fn new(tokens: Tokens) -> Self {
        Self { tokens, recorded: Arc::new(AtomicI64::new(i64::MIN)) }
    }

    /// Records a refusal, unless one was recorded within the last second or the store was at fault. Of several at once
    /// one is recorded; that it cannot be is logged, and does not change the answer.
    pub async fn record(&self, refused: &Refused, circumstance: &Circumstance) {
        let now = self.tokens.clock.now();
        let last = self.recorded.load(Ordering::Relaxed);
        let is_due = now.minus(RECORD_EVERY).as_millis() >= last;
        if !is_due
            || self.recorded.compare_exchange(last, now.as_millis(), Ordering::Relaxed, Ordering::Relaxed).is_err()
        {
            return;
        }
        if let Some(event) = self.tokens.refusal(refused, circumstance)
            && let Err(error) = self.tokens.ledger.record(event).await
        {
            tracing::warn!(error = %error, "a refused token was not recorded");
        }
    }
}
