//! What is counted behind the scenes, so that no request pays for it: seats that are taken, sessions that there are. More
//! seats than there may be are told by an event when it begins, and by figures for as long as it lasts: what sources bring
//! is the truth about people and is not held up, whatever a licence says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Error, Foundation};
use crate::access::{self, Access, SeatReport};
use crate::audit::{EventKind, Ledger, Outcome};
use crate::clock::{Clock, Timestamp};
use crate::http::Metrics;
use crate::session::Sessions;

/// The name of all seats together among those of types; no role is called so.
const ALL: &str = "*";
/// What goes over its limit again is told again once it was within it for so long.
const QUIET: Duration = Duration::from_secs(60 * 60);

/// Looks at the seats now and then.
#[derive(Clone)]
pub struct SeatWatch {
    access: Access,
    ledger: Ledger,
    clock: Clock,
    metrics: Metrics,
    /// Of which it was told that there are too many, and when there were the last time.
    told: Arc<Mutex<BTreeMap<String, Timestamp>>>,
}

/// A type with more seats than there may be.
struct Excess {
    name: String,
    used: u64,
    limit: u64,
}

impl SeatWatch {
    pub(super) fn new(access: &Access, ledger: &Ledger, foundation: &Foundation) -> Self {
        let Foundation { clock, metrics, .. } = foundation.clone();
        Self { access: access.clone(), ledger: ledger.clone(), clock, metrics, told: Arc::default() }
    }

    /// Counts whoever is due, sets the figures, and records what has begun to be more than it may.
    ///
    /// # Errors
    /// `Store`.
    pub async fn look(&self) -> Result<(), Error> {
        let Some(report) = self.access.seats().await.map_err(Error::Access)? else { return Ok(()) };
        self.measure(&report);
        let now = self.clock.now();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Whose count goes to and fro around its limit is told of once.
        told.retain(|_, last| now.since(*last) < QUIET);
        for Excess { name, used, limit } in excess(&report) {
            if told.insert(name.clone(), now).is_some() {
                continue;
            }
            tracing::warn!(seats.r#type = name, used, limit, "more seats are taken than there may be");
            let permit = self.access.task_permit("seats", None);
            let event = permit.event(now, EventKind::SeatsExceeded).outcome(Outcome::Failed);
            self.ledger.record(event.detail("type", name).detail("used", used).detail("limit", limit)).await?;
        }
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = told;
        Ok(())
    }

    fn measure(&self, report: &SeatReport) {
        self.metrics.seats(ALL, report.used, report.limit);
        for access::SeatCount { role, seats, limit, .. } in &report.types {
            self.metrics.seats(role.as_str(), *seats, *limit);
        }
    }
}

fn excess(report: &SeatReport) -> Vec<Excess> {
    let all = (ALL.to_owned(), report.used, report.limit);
    let types = report.types.iter().map(|count| (count.role.to_string(), count.seats, count.limit));
    let over = |(name, used, limit): (String, u64, Option<u64>)| {
        let limit = limit.filter(|limit| used > *limit)?;
        Some(Excess { name, used, limit })
    };
    std::iter::once(all).chain(types).filter_map(over).collect()
}

/// Counts the sessions and sets the figure.
pub(super) async fn count_sessions(sessions: &Sessions, metrics: &Metrics) {
    match sessions.count().await {
        Ok(count) => metrics.sessions_active(count),
        Err(error) => tracing::warn!("the sessions were not counted: {error}"),
    }
}
