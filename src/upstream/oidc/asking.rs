//! How a provider is asked while somebody waits: all of a sign-in under one deadline, and an endpoint that keeps silent not
//! by everybody who comes.
//!
//! Only silence counts, which nobody brings about by a wrong code: an endpoint that answers, whatever it says, or cannot be
//! connected to at once, costs nobody their time.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::discovery::not_sent;
use super::unavailable;
use crate::clock::{Clock, Timestamp};
use crate::http::outbound::{self, Outbound, Provenance, Response};
use crate::upstream::Error;

/// How long everything may take together that a sign-in asks of a provider.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);
/// How often in a row an endpoint keeps silent until it is spared.
const MAX_SILENCES: u32 = 3;
/// How long it is spared; after that one sign-in asks it, and the others when that one was answered.
const COOL_DOWN: Duration = Duration::from_secs(30);
/// An endpoint to which less time was left than this has not kept silent: those before it were slow.
const FAIR: Duration = Duration::from_secs(3);

/// What a sign-in asks besides the provider's description and keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Groups,
    Token,
    UserInfo,
}

impl Endpoint {
    /// Its name in messages.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Groups => "address for groups",
            Self::Token => "token endpoint",
            Self::UserInfo => "UserInfo endpoint",
        }
    }
}

/// Which endpoints of a provider keep silent.
pub(super) struct Breakers {
    groups: Breaker,
    token: Breaker,
    user_info: Breaker,
}

impl Breakers {
    pub(super) fn new(clock: &Clock) -> Self {
        let breaker = || Breaker { clock: clock.clone(), state: Mutex::default() };
        Self { groups: breaker(), token: breaker(), user_info: breaker() }
    }

    const fn of(&self, endpoint: Endpoint) -> &Breaker {
        match endpoint {
            Endpoint::Groups => &self.groups,
            Endpoint::Token => &self.token,
            Endpoint::UserInfo => &self.user_info,
        }
    }
}

struct Breaker {
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// In a row.
    silences: u32,
    /// Until when it is spared.
    until: Option<Timestamp>,
    /// Whether somebody asks it for all.
    is_probed: bool,
}

impl Breaker {
    /// The right to ask; none while the endpoint is spared.
    fn enter(&self) -> Option<Turn<'_>> {
        let now = self.clock.now();
        let mut state = self.state();
        let is_probe = match state.until {
            None => false,
            // By a clock that was ahead and is set right it would be spared for long.
            Some(until) if (now < until && until <= now.plus(COOL_DOWN)) || state.is_probed => return None,
            Some(_) => true,
        };
        state.is_probed |= is_probe;
        drop(state);
        Some(Turn { breaker: self, is_probe })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to ask once. Whoever gives up drops it, which tells nothing about the endpoint.
struct Turn<'a> {
    breaker: &'a Breaker,
    is_probe: bool,
}

impl Turn<'_> {
    fn answered(self) {
        let mut state = self.breaker.state();
        (state.silences, state.until) = (0, None);
    }

    fn silent(self) {
        let now = self.breaker.clock.now();
        let mut state = self.breaker.state();
        state.silences = state.silences.saturating_add(1);
        if state.silences >= MAX_SILENCES {
            state.until = Some(now.plus(COOL_DOWN));
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.is_probe {
            self.breaker.state().is_probed = false;
        }
    }
}

/// The asking of one sign-in.
pub(super) struct Asking<'a> {
    outbound: &'a Outbound,
    breakers: &'a Breakers,
    patience: Duration,
    until: Instant,
}

impl<'a> Asking<'a> {
    /// Begins now.
    pub(super) fn new(outbound: &'a Outbound, breakers: &'a Breakers, patience: Duration) -> Self {
        Self { outbound, breakers, patience, until: Instant::now() + patience }
    }

    /// Sends one request to an endpoint.
    ///
    /// # Errors
    /// `Refused` with rule `host` where the address may not be asked, `Unavailable` without an answer in time.
    pub(super) async fn send(
        &self,
        endpoint: Endpoint,
        method: Method,
        (url, provenance): (&Url, &Provenance),
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response, Error> {
        let what = endpoint.name();
        let Some(turn) = self.breakers.of(endpoint).enter() else {
            return Err(unavailable(format!(
                "the {what} did not answer {MAX_SILENCES} times in a row, and is asked again after a while"
            )));
        };
        let began = Instant::now();
        match timeout_at(self.until, self.outbound.send(method, url, provenance, headers, body)).await {
            Ok(Ok(response)) => {
                turn.answered();
                Ok(response)
            }
            Ok(Err(error)) => {
                match &error {
                    outbound::Error::Deadline { .. } => turn.silent(),
                    // Nothing was sent.
                    outbound::Error::Forbidden { .. } => drop(turn),
                    _ => turn.answered(),
                }
                Err(not_sent(error, what))
            }
            Err(_) => {
                if began.elapsed() >= FAIR {
                    turn.silent();
                }
                Err(self.late(what))
            }
        }
    }

    /// What comes of other work for the sign-in, if it comes in time; `what` is what is waited for.
    ///
    /// # Errors
    /// Those of the work; `Unavailable` without an end in time.
    pub(super) async fn within<T>(&self, what: &str, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        timeout_at(self.until, work).await.unwrap_or_else(|_| Err(self.late(what)))
    }

    fn late(&self, what: &str) -> Error {
        let limit = self.patience.as_millis();
        unavailable(format!("the {what}: all that a sign-in asks of the provider took more than {limit} ms"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    fn breaker() -> (ManualClock, Breaker) {
        let clock = ManualClock::new(Timestamp::from_seconds(1_000_000));
        let breaker = Breaker { clock: clock.clock(), state: Mutex::default() };
        (clock, breaker)
    }

    #[test]
    fn who_keeps_silent_three_times_in_a_row_is_spared_and_asked_by_one() {
        let (clock, breaker) = breaker();
        for _ in 0..2 {
            breaker.enter().unwrap().silent();
        }
        breaker.enter().unwrap().answered();
        for _ in 0..3 {
            breaker.enter().unwrap().silent();
        }
        assert!(breaker.enter().is_none());
        clock.advance(COOL_DOWN);
        let probe = breaker.enter().unwrap();
        assert!(breaker.enter().is_none(), "one asks for all");
        probe.silent();
        assert!(breaker.enter().is_none(), "spared again");
        clock.advance(COOL_DOWN);
        breaker.enter().unwrap().answered();
        let (one, other) = (breaker.enter(), breaker.enter());
        assert!(one.is_some() && other.is_some());
    }

    #[test]
    fn a_probe_that_is_given_up_leaves_its_place_to_another() {
        let (clock, breaker) = breaker();
        for _ in 0..3 {
            breaker.enter().unwrap().silent();
        }
        clock.advance(COOL_DOWN);
        drop(breaker.enter().unwrap());
        assert!(breaker.enter().is_some());
    }

    #[test]
    fn a_clock_that_was_ahead_spares_nobody_for_long() {
        let (clock, breaker) = breaker();
        breaker.state().until = Some(clock.clock().now().plus(COOL_DOWN));
        assert!(breaker.enter().is_none());
        breaker.state().until = Some(clock.clock().now().plus(Duration::from_secs(86_400)));
        assert!(breaker.enter().is_some());
    }
}
