//! Asking transmitters for their signals in the background.

use std::time::Duration;

use super::{Heard, Login};
use crate::error::Chain;
use crate::http::Rate;
use crate::limit::Subject;
use crate::login::Error;
use crate::model::{Circumstance, SourceId};
use crate::tasks::Tasks;
use crate::upstream::signals::Transmitter;

/// Most requests in a row, however much there is.
const MAX_ROUNDS: usize = 20;
/// Longest pause after failures.
const LONGEST: Duration = Duration::from_secs(5 * 60);

impl Login {
    /// Asks every transmitter that is to be asked as often as its section says, as long as the tasks run. After failures
    /// it is asked less often; pauses differ by a fifth, so that many gateways do not ask at one moment.
    pub fn hear(&self, tasks: &Tasks) {
        for (id, connector) in self.connectors.iter() {
            let Some(every) = connector.signals.as_ref().and_then(|transmitter| transmitter.polled_every()) else {
                continue;
            };
            let (login, id, mut stopping) = (self.clone(), id.clone(), tasks.stopping());
            tasks.spawn(format!("signals:{id}"), async move {
                let mut failures = 0u32;
                loop {
                    failures = match login.hear_from(&id).await {
                        Ok(_) => 0,
                        Err(error) => {
                            tracing::warn!(connector.id = id.as_str(), "signals were not heard: {}", Chain(&error));
                            failures.saturating_add(1)
                        }
                    };
                    let [chance] = login.services.ids.bytes::<1>();
                    tokio::select! {
                        () = stopping.wait() => return,
                        () = tokio::time::sleep(pause(every, failures, chance)) => {}
                    }
                }
            });
        }
    }

    /// Asks a transmitter until it has no more to tell, at most twenty times, and carries out what it tells. Gives the
    /// number of tokens that came.
    ///
    /// # Errors
    /// `Unavailable` and `Store`: what was not carried out comes again.
    pub async fn hear_from(&self, connector: &SourceId) -> Result<usize, Error> {
        let Some(transmitter) = self.transmitter(connector) else { return Ok(0) };
        let mut count = 0;
        for _ in 0..MAX_ROUNDS {
            let polled = transmitter.poll().await?;
            count += polled.sets.len();
            let (mut put_off, mut taken) = (None, 0);
            for (id, token) in &polled.sets {
                match self.hear_one(connector, &transmitter, id, token).await {
                    Ok(is_taken) => taken += usize::from(is_taken),
                    Err(error @ Error::Store(_)) => return Err(error),
                    // What cannot be looked at now keeps nothing behind it waiting.
                    Err(error) => put_off = put_off.or(Some(error)),
                }
            }
            if let Some(error) = put_off {
                return Err(error);
            }
            self.services.metrics.signals_polled(connector.as_str(), self.services.clock.now());
            // Nobody who sends nothing that can be taken keeps us asking.
            let is_useless = taken == 0 && !polled.sets.is_empty();
            if is_useless || (!polled.is_more && !transmitter.owes()) {
                break;
            }
        }
        Ok(count)
    }

    /// Carries one token out, and tells whether it was one that could be taken.
    async fn hear_one(
        &self,
        connector: &SourceId,
        transmitter: &Transmitter,
        id: &str,
        token: &str,
    ) -> Result<bool, Error> {
        let outcome = async {
            let signal = transmitter.read(token).await?;
            if signal.claim.id != format!("signal {id}") {
                return Err(Error::refused("token_id", "`jti` is not the id that the token came under"));
            }
            self.carry_out(connector, &signal, &Circumstance::default()).await
        };
        match outcome.await {
            Ok(heard) => {
                self.services.metrics.signal(connector.as_str(), Heard::name(heard));
                transmitter.settle(id, None);
                Ok(true)
            }
            Err(error @ Error::Refused { .. }) => {
                tracing::warn!(connector.id = connector.as_str(), "a signal was not carried out: {error}");
                // As often as what is pushed from one address: whoever answers at the transmitter's address needs no key for this.
                let sender = Subject::Transmitter(connector.as_str());
                if self.services.limits.check(Rate::SignIn, sender).is_ok() {
                    self.record_signal_refused(&error, connector, &Circumstance::default()).await?;
                }
                self.services.metrics.signal(connector.as_str(), "refused");
                if let Error::Refused { rule, reason } = &error {
                    transmitter.settle(id, Some((rule, reason)));
                }
                Ok(false)
            }
            Err(error) => {
                self.services.metrics.signal(connector.as_str(), "put off");
                Err(error)
            }
        }
    }
}

/// How long to wait for the next time: longer after each failure, and a fifth more or less by `chance`.
fn pause(every: Duration, failures: u32, chance: u8) -> Duration {
    let longest = LONGEST.max(every);
    let doubled = every.saturating_mul(1u32.checked_shl(failures).unwrap_or(u32::MAX)).min(longest);
    // From four to six fifths.
    doubled / 5 * 4 + doubled / 5 * 2 * u32::from(chance) / 255
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_with_failures_up_to_a_bound_and_differ_by_chance() {
        let every = Duration::from_secs(10);
        assert_eq!((pause(every, 0, 0), pause(every, 0, 255)), (Duration::from_secs(8), Duration::from_secs(12)));
        assert_eq!(pause(every, 2, 0), Duration::from_secs(32));
        for failures in [6, 31, 32, u32::MAX] {
            assert_eq!(pause(every, failures, 255), LONGEST / 5 * 6, "{failures}");
        }
        let rare = Duration::from_secs(3600);
        assert_eq!(pause(rare, 9, 0), rare / 5 * 4, "never more often than it is set");
    }
}
