//! A document of the provider, kept for a while: discovery and keys.
//!
//! One fetch at a time; a good document survives broken answers until it is too old to be trusted; a failure is
//! remembered for a moment, so that a provider that is down is not asked by every sign-in.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::clock::{Clock, Timestamp};
use crate::upstream::Error;

/// How long what counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    /// A document younger than this is not fetched again, unless it lacks what is sought.
    pub fresh: Duration,
    /// A document older than this is not used, even if there is no other.
    pub stale: Duration,
    /// Pause after a fetch for something that a document which is fresh does not have.
    pub cool_down: Duration,
    /// Pause after a fetch that failed.
    pub retry: Duration,
}

/// A cached document.
pub(super) struct Cached<T> {
    name: &'static str,
    policy: Policy,
    clock: Clock,
    state: Mutex<State<T>>,
    /// One permit: who holds it fetches.
    fetching: Semaphore,
}

struct State<T> {
    value: Option<(Arc<T>, Timestamp)>,
    /// The last fetch, if it failed or was for something that a fresh document did not have.
    last: Option<(Timestamp, Option<Failure>)>,
}

/// A failure that can be told again.
#[derive(Clone)]
struct Failure {
    rule: Option<&'static str>,
    reason: String,
}

impl Failure {
    fn of(error: &Error) -> Self {
        match error {
            Error::Refused { rule, reason } => Self { rule: Some(rule), reason: reason.clone() },
            Error::Declined { reason } | Error::Unavailable { reason } | Error::Unanswered { reason } => {
                Self { rule: None, reason: reason.clone() }
            }
            Error::Busy => Self { rule: None, reason: error.to_string() },
        }
    }

    fn error(&self) -> Error {
        let reason = self.reason.clone();
        match self.rule {
            Some(rule) => Error::Refused { rule, reason },
            None => Error::Unavailable { reason },
        }
    }
}

impl<T> Cached<T> {
    /// An empty cache of the document called `name` in logs.
    pub(super) fn new(name: &'static str, policy: Policy, clock: Clock) -> Self {
        let state = Mutex::new(State { value: None, last: None });
        Self { name, policy, clock, state, fetching: Semaphore::new(1) }
    }

    /// The document: a known one when it is fresh and `is_enough`, else a fetched one, unless a fetch was tried a
    /// moment ago. What comes back may still not be enough: then the provider does not have it.
    ///
    /// # Errors
    /// Those of `fetch`, when no usable document that is enough is known.
    pub(super) async fn find<F>(&self, is_enough: impl Fn(&T) -> bool, fetch: F) -> Result<Arc<T>, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        if let Some(known) = self.known(&is_enough) {
            return known;
        }
        let _permit = self.fetching.acquire().await;
        // Somebody else may have fetched while this one waited.
        if let Some(known) = self.known(&is_enough) {
            return known;
        }
        let outcome = fetch.await;
        self.keep(outcome, &is_enough)
    }

    /// What can be answered without a fetch.
    fn known(&self, is_enough: &impl Fn(&T) -> bool) -> Option<Result<Arc<T>, Error>> {
        let now = self.clock.now();
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let value = state.value.as_ref().filter(|(_, at)| now.since(*at) <= self.policy.stale);
        if let Some((value, at)) = value
            && now.since(*at) < self.policy.fresh
            && is_enough(value)
        {
            return Some(Ok(Arc::clone(value)));
        }
        match (&state.last, value) {
            // By a clock that was ahead and is set right: as if nothing had been asked yet.
            (Some((at, _)), _) if *at > now => None,
            (Some((at, Some(_))), _) if now.since(*at) >= self.policy.retry => None,
            (Some((_, Some(failure))), Some((value, _))) if !is_enough(value) => Some(Err(failure.error())),
            (Some((_, Some(failure))), None) => Some(Err(failure.error())),
            (Some((at, None)), _) if now.since(*at) >= self.policy.cool_down => None,
            (Some(_), Some((value, _))) => Some(Ok(Arc::clone(value))),
            (_, None) | (None, _) => None,
        }
    }

    fn keep(&self, outcome: Result<T, Error>, is_enough: &impl Fn(&T) -> bool) -> Result<Arc<T>, Error> {
        let now = self.clock.now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(value) => {
                let value = Arc::new(value);
                let was_fresh = state.value.as_ref().is_some_and(|(_, at)| now.since(*at) < self.policy.fresh);
                state.value = Some((Arc::clone(&value), now));
                state.last = was_fresh.then_some((now, None));
                Ok(value)
            }
            Err(error) => {
                state.last = Some((now, Some(Failure::of(&error))));
                let good = state.value.as_ref().filter(|(_, at)| now.since(*at) <= self.policy.stale);
                match good.filter(|(value, _)| is_enough(value)) {
                    Some((value, at)) => {
                        tracing::warn!(error = %error, "the provider's {} of {at} stays in use", self.name);
                        Ok(Arc::clone(value))
                    }
                    None => Err(error),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    const POLICY: Policy = Policy {
        fresh: Duration::from_secs(100),
        stale: Duration::from_secs(1000),
        cool_down: Duration::from_secs(30),
        retry: Duration::from_secs(5),
    };

    /// Asks for a value of at least `wanted`; the source offers `offered`. Gives the answer and whether it was asked.
    async fn ask(cached: &Cached<u32>, wanted: u32, offered: Result<u32, &str>) -> (Result<u32, String>, bool) {
        let mut is_asked = false;
        let fetch = async {
            is_asked = true;
            offered.map_err(|reason| Error::Unavailable { reason: reason.into() })
        };
        let found = cached.find(|value| *value >= wanted, fetch).await;
        (found.map(|value| *value).map_err(|e| e.to_string()), is_asked)
    }

    fn setup() -> (ManualClock, Cached<u32>) {
        let clock = ManualClock::new(Timestamp::from_seconds(1_000_000));
        let cached = Cached::new("number", POLICY, clock.clock());
        (clock, cached)
    }

    #[tokio::test]
    async fn a_fresh_document_is_not_fetched_again_and_an_old_one_is() {
        let (clock, cached) = setup();
        assert_eq!(ask(&cached, 1, Ok(1)).await, (Ok(1), true));
        assert_eq!(ask(&cached, 1, Ok(2)).await, (Ok(1), false));
        clock.advance(Duration::from_secs(101));
        assert_eq!(ask(&cached, 1, Ok(2)).await, (Ok(2), true));
    }

    #[tokio::test]
    async fn what_is_missing_is_sought_once_per_cool_down() {
        let (clock, cached) = setup();
        assert_eq!(ask(&cached, 1, Ok(1)).await, (Ok(1), true));
        assert_eq!(ask(&cached, 2, Ok(1)).await, (Ok(1), true), "once, however new the document is");
        assert_eq!(ask(&cached, 2, Ok(2)).await, (Ok(1), false));
        clock.advance(Duration::from_secs(30));
        assert_eq!(ask(&cached, 3, Ok(2)).await, (Ok(2), true));
        assert_eq!(ask(&cached, 3, Ok(3)).await, (Ok(2), false));
    }

    #[tokio::test]
    async fn a_failure_is_remembered_for_a_moment_only() {
        let (clock, cached) = setup();
        let failed = Err("the identity provider is not available: down".to_owned());
        assert_eq!(ask(&cached, 1, Err("down")).await, (failed.clone(), true));
        assert_eq!(ask(&cached, 1, Ok(1)).await, (failed, false));
        clock.advance(Duration::from_secs(5));
        assert_eq!(ask(&cached, 1, Ok(1)).await, (Ok(1), true));
    }

    #[tokio::test]
    async fn the_last_good_document_survives_failures_until_it_is_too_old() {
        let (clock, cached) = setup();
        assert_eq!(ask(&cached, 1, Ok(1)).await, (Ok(1), true));
        clock.advance(Duration::from_secs(200));
        assert_eq!(ask(&cached, 1, Err("broken")).await, (Ok(1), true));
        assert_eq!(ask(&cached, 1, Ok(9)).await, (Ok(1), false));
        assert!(ask(&cached, 2, Ok(9)).await.0.is_err(), "what it lacks is not known to be missing");
        clock.advance(Duration::from_secs(900));
        assert!(ask(&cached, 1, Err("broken")).await.0.is_err());
    }

    #[tokio::test]
    async fn many_that_wait_cause_one_fetch() {
        let (_clock, cached) = setup();
        let count = std::sync::atomic::AtomicU32::new(0);
        let one = || async {
            let fetch = async {
                count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                tokio::task::yield_now().await;
                Ok(7)
            };
            cached.find(|_| true, fetch).await.map(|value| *value).ok()
        };
        let found = futures_util::future::join_all((0..20).map(|_| one())).await;
        assert_eq!(found, vec![Some(7); 20]);
        assert_eq!(count.into_inner(), 1);
    }
}
