//! The last attempts to sign in by each provider, with the true reason of those that failed.
//!
//! In memory, bounded, gone with the process. Anybody can send answers to our addresses, so what is kept of them must cost
//! no write: a flood would fill the store and wear out its disk for nothing. What must last is in the ledger anyway, in the
//! commits that are made all the same (`session.create`, `assertion.refuse`); it has no index by connector, and reading it
//! backwards for one would be work without bound.
//!
//! A flood must not push out what is sought either. Anybody can begin a sign-in and answer it with nonsense, so what a provider
//! has vouched for gives way to nothing else, and answers that belong to no sign-in begun here have a few places only.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::finish::{Finished, Visit};
use super::{Error, Login, cut};
use crate::clock::Timestamp;
use crate::model::{SourceId, User, UserId};
use crate::upstream::AssertedIdentity;

/// Attempts that are kept of one connector.
pub const MAX_ATTEMPTS: usize = 100;
/// How many of them may be answers to nothing that was begun here.
pub const MAX_STRAYS: usize = 20;
/// How many answers to what was begun here, for which no provider vouched, are kept at least beside those for which one did.
const MIN_BEGUN: usize = 30;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// A session was opened.
    Success,
    /// Who it is was proved; a second factor or a new password was due next.
    Step,
    /// It was refused.
    Denied,
    /// Something that it needs did not work, the provider before all.
    Failure,
}

impl Ended {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Success, Self::Step, Self::Denied, Self::Failure];

    /// The word in queries and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Step => "step",
            Self::Denied => "denied",
            Self::Failure => "failure",
        }
    }

    /// Whether nobody got any further.
    pub const fn is_failed(self) -> bool {
        matches!(self, Self::Denied | Self::Failure)
    }
}

/// An attempt to sign in by a provider.
#[derive(Clone, Debug)]
pub struct SignInAttempt {
    /// Counts up for each connector while the process runs.
    pub number: u64,
    /// When it ended.
    pub at: Timestamp,
    /// How.
    pub ended: Ended,
    /// The rule that refused it, a stable word: `signature`, `link`.
    pub rule: Option<&'static str>,
    /// Why, printable and cut.
    pub reason: Option<String>,
    /// The account that it led to.
    pub user: Option<(UserId, String)>,
    /// The login name that the provider gave, once its word was verified; printable and cut.
    pub asserted: Option<String>,
    /// From where.
    pub address: Option<IpAddr>,
    /// What the person could read on the page.
    pub reference: String,
    /// How long our part took.
    pub took: Duration,
    standing: Standing,
}

/// What an answer had to show for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// A browser had begun it here.
    Begun,
    /// Nothing.
    Stray,
    /// The provider's word was verified, and not for the second time.
    Vouched,
}

/// What became known of an attempt on its way.
#[derive(Clone, Default)]
pub(super) struct Seen {
    /// Whether the browser had begun it here.
    pub(super) is_ours: bool,
    subject: Option<String>,
    asserted: Option<String>,
}

impl Seen {
    /// The provider's word was verified, and is this.
    pub(super) fn is_of(&mut self, identity: &AssertedIdentity) {
        self.is_ours = true;
        self.subject = Some(identity.subject().to_owned());
        self.asserted = Some(cut(identity.user_name()));
    }
}

/// The attempts at each connector. Cloning shares them.
#[derive(Clone, Default)]
pub(super) struct Attempts(Arc<BTreeMap<SourceId, Mutex<Ring>>>);

#[derive(Default)]
struct Ring {
    entries: VecDeque<SignInAttempt>,
    newest: u64,
}

impl Ring {
    fn push(&mut self, mut entry: SignInAttempt) {
        self.newest += 1;
        entry.number = self.newest;
        self.entries.push_back(entry);
        if self.count(Standing::Stray) > MAX_STRAYS {
            self.remove_oldest(Standing::Stray);
        }
        if self.entries.len() > MAX_ATTEMPTS {
            let gives_way = if self.count(Standing::Begun) > MIN_BEGUN { Standing::Begun } else { Standing::Vouched };
            self.remove_oldest(gives_way);
        }
    }

    fn count(&self, standing: Standing) -> usize {
        self.entries.iter().filter(|entry| entry.standing == standing).count()
    }

    fn remove_oldest(&mut self, standing: Standing) {
        let oldest = self.entries.iter().position(|entry| entry.standing == standing);
        oldest.and_then(|oldest| self.entries.remove(oldest));
    }
}

impl Attempts {
    pub(super) fn of<'a>(connectors: impl Iterator<Item = &'a SourceId>) -> Self {
        Self(Arc::new(connectors.map(|id| (id.clone(), Mutex::default())).collect()))
    }
}

impl Login {
    /// Attempts at a connector, newest first, before the one of number `before`, at most `limit` of those for which `keep`
    /// holds; and the number to go on from when there are more. `None` when there is no such connector.
    pub fn attempts(
        &self,
        connector: &SourceId,
        keep: &dyn Fn(&SignInAttempt) -> bool,
        before: Option<u64>,
        limit: usize,
    ) -> Option<(Vec<SignInAttempt>, Option<u64>)> {
        let ring = self.attempts.0.get(connector)?.lock().unwrap_or_else(PoisonError::into_inner);
        let older = ring.entries.iter().rev().filter(|entry| before.is_none_or(|before| entry.number < before));
        let mut wanted = older.filter(|entry| keep(entry));
        let entries: Vec<SignInAttempt> = wanted.by_ref().take(limit).cloned().collect();
        let next = wanted.next().and_then(|_| entries.last()).map(|last| last.number);
        Some((entries, next))
    }

    /// Keeps how an attempt ended. Of what no provider has vouched for nobody is looked up.
    pub(super) async fn keep_attempt(
        &self,
        connector: &SourceId,
        seen: Seen,
        outcome: Result<&Finished, &Error>,
        visit: &Visit,
        took: Duration,
    ) {
        let Some(ring) = self.attempts.0.get(connector) else { return };
        let account = |user: &User| (user.id, user.user_name.to_string());
        let user = match (outcome, &seen.subject) {
            (Ok(Finished::Opened(opened)), _) => Some(account(&opened.user)),
            (_, Some(subject)) => self.account_at(connector, subject).await.as_ref().map(account),
            _ => None,
        };
        let (ended, rule, reason) = match outcome {
            Ok(Finished::Opened(_)) => (Ended::Success, None, None),
            Ok(Finished::Next { .. }) => (Ended::Step, None, None),
            Err(Error::Refused { rule, reason }) => (Ended::Denied, Some(*rule), Some(cut(reason))),
            Err(Error::TooMany(_)) => (Ended::Denied, Some("limit"), None),
            Err(error @ Error::Busy { .. }) => (Ended::Failure, Some("busy"), Some(cut(&error.to_string()))),
            Err(error @ (Error::Store(_) | Error::Unavailable(_))) => {
                (Ended::Failure, Some("unavailable"), Some(cut(&error.to_string())))
            }
        };
        let standing = match (&seen.subject, rule) {
            (Some(_), Some("replay")) => Standing::Begun,
            (Some(_), _) => Standing::Vouched,
            (None, _) if seen.is_ours => Standing::Begun,
            (None, _) => Standing::Stray,
        };
        let entry = SignInAttempt {
            number: 0,
            at: self.services.clock.now(),
            ended,
            rule,
            reason,
            user,
            asserted: seen.asserted,
            address: visit.circumstance.address,
            reference: visit.circumstance.request_id.clone().unwrap_or_default(),
            took,
            standing,
        };
        ring.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    }

    /// The account that is linked to a subject of a connector; none where that cannot be read.
    async fn account_at(&self, connector: &SourceId, subject: &str) -> Option<User> {
        let mut change = self.services.ledger.change();
        self.services.directory.user_of_subject_in(&mut change, connector, subject).await.ok().flatten()
    }
}
