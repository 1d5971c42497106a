//! Sending what is due, a round at a time.

use std::sync::PoisonError;
use std::time::Duration;

use lettre::Message;
use tokio::time::timeout;

use super::letter::{Letter, Written};
use super::smtp::{Connection, Failure, Post, Step, parse_address};
use super::{COUNT, Content, Inner, LASTS, MessageId, OUTBOX, Outbox, Waiting};
use crate::audit::{Event, EventKind, Housekeeping, Outcome};
use crate::clock::Timestamp;
use crate::error::Chain;
use crate::model::{Actor, Language};
use crate::store::{self, Range, decode};
use crate::tasks::{Stopping, Task, Tasks};

/// How often it is looked for mails that are due.
const EVERY: Duration = Duration::from_secs(2);
/// Most mails of a round.
const MAX_ROUND: usize = 50;
/// Of a round that links fill, every how manieth mail is one that only tells.
const TELLS_EVERY: usize = 4;
/// How long a mail waits after its first failure; each further wait is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(30);
/// The longest wait of one mail.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);
/// The longest time for which a server that cannot be reached is left alone.
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);

/// What became of the mails of a round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// The server took them.
    pub sent: usize,
    /// They will be tried again.
    pub put_off: usize,
    /// They were given up.
    pub given_up: usize,
}

/// How fast mails may go, and whether the server is left alone for a while.
#[derive(Debug)]
pub(super) struct Pace {
    per_minute: u32,
    began: Timestamp,
    used: u32,
    failures: u32,
    not_before: Timestamp,
}

impl Pace {
    pub(super) const fn new(per_minute: u32) -> Self {
        let start = Timestamp::from_millis(i64::MIN);
        Self { per_minute, began: start, used: 0, failures: 0, not_before: start }
    }

    /// Whether one more may go now; counts it.
    fn admits(&mut self, now: Timestamp) -> bool {
        // By a clock that was ahead and was set right, both may be longer from now than they ever are.
        self.not_before = self.not_before.min(now.plus(LONGEST_PAUSE));
        if now < self.not_before {
            return false;
        }
        if now.since(self.began) >= Duration::from_secs(60) || self.began > now {
            (self.began, self.used) = (now, 0);
        }
        self.used = self.used.saturating_add(1);
        self.used <= self.per_minute
    }

    fn reached(&mut self) {
        self.failures = 0;
    }

    fn unreachable(&mut self, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        self.not_before = now.plus(wait(self.failures).min(LONGEST_PAUSE));
    }
}

/// The wait after so many failures.
fn wait(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    FIRST_WAIT.saturating_mul(1 << doublings).min(LONGEST_WAIT)
}

/// How far a test of the way came: every step that was taken, then the one that failed with what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// What worked.
    pub taken: Vec<Step>,
    /// What did not, and why.
    pub failed: Option<(Step, String)>,
}

impl Outbox {
    /// Sends what is due every two seconds until told to stop; nothing without `[mail]`.
    pub fn run(&self, tasks: &Tasks) -> Option<Task> {
        self.0.post.as_ref()?;
        let (outbox, stopping) = (self.clone(), tasks.stopping());
        Some(tasks.every("mail", EVERY, move || {
            let (outbox, stopping) = (outbox.clone(), stopping.clone());
            async move {
                if let Err(error) = outbox.round(Some(&stopping)).await {
                    tracing::warn!("mails cannot be sent: {}", Chain(&error));
                }
            }
        }))
    }

    /// Sends what is due now.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`: of the store; what the mail server refuses is no error.
    pub async fn round(&self, stopping: Option<&Stopping>) -> Result<Round, store::Error> {
        let mut round = Round::default();
        let Some(post) = &self.0.post else { return Ok(round) };
        let inner = &*self.0;
        let store = inner.services.ledger.store();
        let rows = inner.due().await?;
        let waiting = store::counter(store, &COUNT.key(inner.organisation, &())).await?;
        inner.services.metrics.mails_waiting(waiting);
        let mut connection = None;
        for (key, stored) in rows {
            let Some((due, id)) = key_of(&key) else { continue };
            let waiting: Waiting = match decode(OUTBOX.name(), &stored.value) {
                Ok(waiting) => waiting,
                // One that cannot be read keeps no other from going.
                Err(error) => {
                    inner.drop_unreadable((due, id), &error).await?;
                    round.given_up += 1;
                    continue;
                }
            };
            let now = inner.services.clock.now();
            // Nothing waits for longer, but by a clock that was ahead.
            if (due > now && due <= now.plus(LONGEST_WAIT)) || stopping.is_some_and(Stopping::is_set) {
                break;
            }
            if waiting.until <= now {
                inner.give_up((due, id), &waiting, "it is of no use any more").await?;
                round.given_up += 1;
                continue;
            }
            if !inner.pace().admits(now) {
                break;
            }
            let Some((due, waiting)) = inner.claim((due, id), now).await? else { continue };
            let Some((content, message)) = inner.message(post, id, &waiting, now) else {
                inner.give_up((due, id), &waiting, "it cannot be read").await?;
                round.given_up += 1;
                continue;
            };
            match inner.send(post, &mut connection, &message).await {
                Ok(()) => {
                    inner.pace().reached();
                    inner.cross_off((due, id), &waiting, &content.to).await?;
                    round.sent += 1;
                }
                Err(failure) if failure.is_final => {
                    inner.give_up((due, id), &waiting, &failure.reason).await?;
                    round.given_up += 1;
                }
                Err(failure) => {
                    inner.services.metrics.mail("put off");
                    tracing::warn!(about = waiting.about, "a mail was not taken and is tried again: {failure}");
                    round.put_off += 1;
                    if failure.step != Step::Deliver {
                        inner.pace().unreachable(inner.services.clock.now());
                        break;
                    }
                }
            }
        }
        if let Some(connection) = connection {
            connection.close(post.timeout).await;
        }
        Ok(round)
    }

    /// Sends a test to an address at once, and tells how far it came. `None` without `[mail]`; an address that is none is
    /// told as a failure to deliver.
    pub async fn try_out(&self, address: &str, language: Language) -> Option<Trial> {
        let inner = &*self.0;
        let post = inner.post.as_ref()?;
        let mut taken = Vec::new();
        let Some(to) = parse_address(address) else {
            let reason = "this is no address to which mail can go".to_owned();
            return Some(Trial { taken, failed: Some((Step::Deliver, reason)) });
        };
        let now = inner.services.clock.now();
        if !inner.pace().admits(now) {
            let reason = "as many mails as may go in a minute went already, or the server is left alone for a while";
            return Some(Trial { taken, failed: Some((Step::Connect, reason.to_owned())) });
        }
        let written = Letter::Test.write(&inner.frame(address, language));
        let id = MessageId::new(now, &inner.services.ids);
        let attempt = async {
            let message = post.compose(&to, &written, id, now).ok_or_else(|| Failure {
                step: Step::Deliver,
                reason: "the mail cannot be written".to_owned(),
                is_final: true,
            })?;
            let mut connection = post.connect(&mut taken).await?;
            connection.deliver(&message).await?;
            Ok::<_, Failure>(connection)
        };
        let outcome = timeout(post.timeout, attempt).await;
        let failed = match outcome {
            Ok(Ok(connection)) => {
                taken.push(Step::Deliver);
                connection.close(post.timeout).await;
                None
            }
            Ok(Err(failure)) => Some((failure.step, failure.reason)),
            Err(_) => {
                let step = next_after(&taken, post);
                Some((step, format!("the server did not answer within {:?}", post.timeout)))
            }
        };
        inner.services.metrics.mail(if failed.is_none() { "sent" } else { "put off" });
        Some(Trial { taken, failed })
    }
}

/// The step that was under way when a deadline came.
fn next_after(taken: &[Step], post: &Post) -> Step {
    let steps = [Step::Connect, Step::Encrypt, Step::SignIn];
    let is_due = |step: &Step| !taken.contains(step) && post.takes(*step);
    steps.into_iter().find(is_due).unwrap_or(Step::Deliver)
}

impl Inner {
    fn pace(&self) -> std::sync::MutexGuard<'_, super::Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The mails of a round in their order. Links go first, and however many there are, every fourth mail is one that tells.
    async fn due(&self) -> Result<Vec<store::Row>, store::Error> {
        let store = self.services.ledger.store();
        let range = Range::prefix(OUTBOX.prefix(self.organisation, &()), MAX_ROUND);
        let mut rows = store.range(range.clone()).await?;
        if rows.len() < MAX_ROUND {
            return Ok(rows);
        }
        // A link that was not tried yet is due three days before it was posted, and nothing else is.
        let now = self.services.clock.now();
        let links_end = OUTBOX.key(self.organisation, &(now.minus(LASTS), MessageId::from_bytes([0xff; 16])));
        let behind = Range { limit: MAX_ROUND / TELLS_EVERY, ..range.after(&links_end) };
        let is_ahead = |(key, _): &store::Row| rows.iter().all(|(other, _)| other != key);
        let tells = store.range(behind).await?.into_iter();
        let tells: Vec<store::Row> =
            tells.filter(|row| key_of(&row.0).is_some_and(|(due, _)| due <= now)).filter(is_ahead).collect();
        rows.truncate(MAX_ROUND - tells.len());
        for (number, row) in tells.into_iter().enumerate() {
            rows.insert((number * TELLS_EVERY).saturating_add(TELLS_EVERY - 1).min(rows.len()), row);
        }
        Ok(rows)
    }

    /// Counts a try before it is made, and puts the mail off until after it: a program that is cut off tries it again then.
    /// `None` when it is no longer there.
    async fn claim(
        &self,
        key: (Timestamp, MessageId),
        now: Timestamp,
    ) -> Result<Option<(Timestamp, Waiting)>, store::Error> {
        self.services
            .ledger
            .retry(|mut change| async move {
                let Some(mut waiting) = change.find(&OUTBOX, self.organisation, &key).await? else { return Ok(None) };
                waiting.tries = waiting.tries.saturating_add(1);
                let due = now.plus(wait(waiting.tries));
                change.delete(&OUTBOX, self.organisation, &key);
                change.put(&OUTBOX, self.organisation, &(due, key.1), &waiting)?;
                change.commit_quietly(Housekeeping::Mail).await?;
                Ok(Some((due, waiting)))
            })
            .await
    }

    /// Takes a row out that is none of ours any more.
    async fn drop_unreadable(&self, key: (Timestamp, MessageId), error: &store::Error) -> Result<(), store::Error> {
        self.services.metrics.mail("given up");
        tracing::error!(message.id = %key.1, "a mail that waits cannot be read and is dropped: {}", Chain(error));
        let mut change = self.services.ledger.change();
        change.delete(&OUTBOX, self.organisation, &key);
        change.add(&COUNT, self.organisation, &(), -1);
        change.commit_quietly(Housekeeping::Mail).await.map(|_| ())
    }

    fn message(&self, post: &Post, id: MessageId, waiting: &Waiting, now: Timestamp) -> Option<(Content, Message)> {
        let plain = self.seal.open(id.as_bytes(), &waiting.sealed)?;
        let content: Content = decode(OUTBOX.name(), &plain).ok()?;
        let Content { to, subject, text, html } = content.clone();
        let message = post.compose(&parse_address(&to)?, &Written { subject, text, html }, id, now)?;
        Some((content, message))
    }

    async fn send(&self, post: &Post, connection: &mut Option<Connection>, message: &Message) -> Result<(), Failure> {
        let mut taken = Vec::new();
        let attempt = async {
            let mut open = match connection.take() {
                Some(open) => open,
                None => post.connect(&mut taken).await?,
            };
            open.deliver(message).await?;
            Ok(open)
        };
        match timeout(post.timeout, attempt).await {
            Ok(Ok(open)) => {
                *connection = Some(open);
                Ok(())
            }
            Ok(Err(failure)) => Err(failure),
            // Whoever hangs is left alone, like whoever cannot be reached.
            Err(_) => Err(Failure {
                step: Step::Connect,
                reason: format!("no answer within {:?}", post.timeout),
                is_final: false,
            }),
        }
    }

    async fn cross_off(&self, key: (Timestamp, MessageId), waiting: &Waiting, to: &str) -> Result<(), store::Error> {
        self.services.metrics.mail("sent");
        let event = self.event(EventKind::MailSent, key.1, waiting).detail("to", to);
        self.remove(key, event).await
    }

    async fn give_up(&self, key: (Timestamp, MessageId), waiting: &Waiting, why: &str) -> Result<(), store::Error> {
        self.services.metrics.mail("given up");
        let event = self.event(EventKind::MailFailed, key.1, waiting).outcome(Outcome::Failed).detail("reason", why);
        self.remove(key, event).await
    }

    fn event(&self, kind: EventKind, id: MessageId, waiting: &Waiting) -> Event {
        Event::new(self.services.clock.now(), kind, &Actor::System { task: "mail".to_owned() })
            .on("user", waiting.user, &waiting.user_name)
            .detail("message", id)
            .detail("about", &waiting.about)
            .detail("tries", waiting.tries)
    }

    async fn remove(&self, key: (Timestamp, MessageId), event: Event) -> Result<(), store::Error> {
        self.services
            .ledger
            .retry(|mut change| {
                let event = event.clone();
                async move {
                    if change.find(&OUTBOX, self.organisation, &key).await?.is_some() {
                        change.delete(&OUTBOX, self.organisation, &key);
                        change.add(&COUNT, self.organisation, &(), -1);
                        change.commit(event).await?;
                    }
                    Ok(())
                }
            })
            .await
    }
}

/// When a row is due, and its id: the end of its key.
fn key_of(key: &[u8]) -> Option<(Timestamp, MessageId)> {
    let id = key.last_chunk::<16>()?;
    let before = key.get(..key.len().checked_sub(16)?)?;
    let sortable = u64::from_be_bytes(*before.last_chunk::<8>()?) ^ (1 << 63);
    Some((Timestamp::from_millis(sortable.cast_signed()), MessageId::from_bytes(*id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end_to_grow() {
        let waits: Vec<u64> = (1..=9).map(|failures| wait(failures).as_secs()).collect();
        assert_eq!(waits, [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
        assert_eq!(wait(u32::MAX), LONGEST_WAIT);
    }

    #[test]
    fn so_many_mails_go_in_a_minute_and_none_while_the_server_is_left_alone() {
        let start = Timestamp::from_seconds(1_000_000);
        let mut pace = Pace::new(2);
        let admitted = |pace: &mut Pace, seconds: u64| pace.admits(start.plus(Duration::from_secs(seconds)));
        assert!(admitted(&mut pace, 0) && admitted(&mut pace, 1) && !admitted(&mut pace, 59));
        assert!(admitted(&mut pace, 60));
        pace.unreachable(start.plus(Duration::from_secs(60)));
        assert!(!admitted(&mut pace, 89) && admitted(&mut pace, 90));
        for _ in 0..20 {
            pace.unreachable(start);
        }
        assert_eq!(pace.not_before, start.plus(LONGEST_PAUSE));
        // The clock was eight hours ahead until now.
        let mut pace = Pace::new(1);
        assert!(admitted(&mut pace, 28_800) && !admitted(&mut pace, 28_801));
        assert!(admitted(&mut pace, 0), "another minute begins");
        pace.unreachable(start.plus(Duration::from_secs(28_800)));
        assert!(!admitted(&mut pace, 60) && admitted(&mut pace, 60 + LONGEST_PAUSE.as_secs()));
    }

    #[test]
    fn the_end_of_a_key_tells_what_it_was_made_of() {
        let ids = crate::secret::IdSource::seeded(1);
        for millis in [0, 1, -1, 1_795_334_400_000] {
            let key = (Timestamp::from_millis(millis), MessageId::new(Timestamp::from_millis(1), &ids));
            assert_eq!(key_of(&OUTBOX.key(crate::model::OrganisationId::DEFAULT, &key)), Some(key));
        }
    }
}
