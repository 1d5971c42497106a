//! What is counted and when it locks: values in, values out.
//!
//! A count is made of attempts that failed, attempts that are still open, and right ones that overlapped with others.
//! The last kind is what keeps two hundred guesses at the same time from being forgotten because the owner of the account
//! signs in among them.

use std::time::Duration;

use minicbor::{Decode, Encode};

use super::LONGEST_ATTEMPT;
use crate::clock::Timestamp;

/// When to lock and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How many attempts are admitted before the first lock, at least 1.
    pub attempts: u32,
    /// How many are admitted after each lock has ended, at least 1.
    pub attempts_again: u32,
    /// How long the first lock holds.
    pub lock_for: Duration,
    /// Each further lock holds twice as long as the one before, at most this long.
    pub longest: Duration,
    /// An attempt during a lock starts it anew. Anybody can then keep a user out for as long as they like.
    pub extend_on_attempt: bool,
    /// After this long without an attempt everything is forgotten.
    pub forget_after: Duration,
    /// Attempts from devices that an account knows are counted apart, so that strangers lock out strangers only.
    pub knows_devices: bool,
}

/// There is no lockout preset of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no lockout preset `{0}`; there are balanced, clearvantage, pci")]
pub struct UnknownPreset(pub String);

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Policy {
    /// The default: ten attempts, then one each after 1, 2, 4, 8 … minutes, at most an hour. An attacker gets fewer than
    /// 40 guesses a day. Each lock ends after an hour at most; who tries again at that moment every time keeps strangers from
    /// this way in, and of its owner only the devices that the account does not know.
    pub const fn balanced() -> Self {
        Self {
            attempts: 10,
            attempts_again: 1,
            lock_for: MINUTE,
            longest: HOUR,
            extend_on_attempt: false,
            forget_after: DAY,
            knows_devices: true,
        }
    }

    /// Three attempts, then half an hour, and the half hour starts anew with each attempt during the lock.
    pub const fn clearvantage() -> Self {
        let half_hour = Duration::from_secs(30 * 60);
        Self {
            attempts: 3,
            attempts_again: 3,
            lock_for: half_hour,
            longest: half_hour,
            extend_on_attempt: true,
            forget_after: DAY,
            knows_devices: false,
        }
    }

    /// PCI DSS 4 sections 8.3.4 and 8.3.5: ten attempts, then half an hour, which no attempt prolongs.
    pub const fn pci() -> Self {
        let half_hour = Duration::from_secs(30 * 60);
        Self {
            attempts: 10,
            attempts_again: 10,
            lock_for: half_hour,
            longest: half_hour,
            extend_on_attempt: false,
            forget_after: DAY,
            knows_devices: true,
        }
    }

    /// A policy by name.
    ///
    /// # Errors
    /// When there is none.
    pub fn preset(name: &str) -> Result<Self, UnknownPreset> {
        match name {
            "balanced" => Ok(Self::balanced()),
            "clearvantage" => Ok(Self::clearvantage()),
            "pci" => Ok(Self::pci()),
            _ => Err(UnknownPreset(name.to_owned())),
        }
    }

    const fn allowance(&self, locks: u32) -> u32 {
        if locks == 0 { self.attempts } else { self.attempts_again }
    }

    fn lock_duration(&self, locks: u32) -> Duration {
        let factor = 1u32.checked_shl(locks).unwrap_or(u32::MAX);
        self.lock_for.saturating_mul(factor).min(self.longest)
    }
}

/// What is kept of an account's attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(super) struct State {
    /// Attempts known as wrong since the last success or lock.
    #[n(0)]
    failed: u32,
    /// Attempts of which nothing is told yet.
    #[n(1)]
    open: u32,
    /// Right attempts that overlapped with others.
    #[n(2)]
    spent: u32,
    /// A wrong one was among those that overlap now.
    #[n(3)]
    is_mixed: bool,
    /// Locks since the last success that have ended.
    #[n(4)]
    locks: u32,
    /// When the last attempt was counted, which is when a lock started.
    #[n(5)]
    last: Timestamp,
    /// The lock was recorded.
    #[n(6)]
    is_announced: bool,
    /// When counting began after the last forgetting, so that an attempt admitted before is not subtracted after it.
    #[n(7)]
    era: Timestamp,
}

/// What an attempt must bring back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    era: Timestamp,
}

/// Whether an attempt may go on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Admitted(State, Ticket),
    Refused { state: State, until: Timestamp, is_changed: bool, is_news: bool },
}

impl State {
    /// What counts against the allowance.
    pub(super) fn counted(&self) -> u32 {
        self.failed.saturating_add(self.open).saturating_add(self.spent)
    }

    pub(super) fn last(&self) -> Timestamp {
        self.last
    }

    pub(super) fn is_clear(&self) -> bool {
        self.counted() == 0 && self.locks == 0
    }

    /// Until when nothing is admitted, `None` when something is.
    pub(super) fn locked_until(&self, policy: &Policy, now: Timestamp) -> Option<Timestamp> {
        let until = self.last.plus(policy.lock_duration(self.locks));
        (self.counted() >= policy.allowance(self.locks) && now < until).then_some(until)
    }

    /// From when on nothing is known any more.
    pub(super) fn forgotten_at(&self, policy: &Policy) -> Timestamp {
        self.last.plus(policy.forget_after.max(policy.lock_duration(self.locks)))
    }

    /// Counts an attempt, or refuses it.
    pub(super) fn reserve(self, policy: &Policy, now: Timestamp) -> Admission {
        let mut state = self.settle(policy, now);
        if let Some(until) = state.locked_until(policy, now) {
            return state.refuse(policy, now, until);
        }
        if state.open == 0 {
            // Nothing overlaps any more: what was right then is no guess.
            state.spent = 0;
            state.is_mixed = false;
        }
        if state.counted() == 0 {
            state.era = now;
        }
        state.open = state.open.saturating_add(1);
        state.last = now;
        Admission::Admitted(state, Ticket { era: state.era })
    }

    /// Brings the state to `now`: what is old is forgotten, a lock that is over has ended, an attempt that never came
    /// back has failed.
    fn settle(mut self, policy: &Policy, now: Timestamp) -> Self {
        if now >= self.forgotten_at(policy) {
            return Self::default();
        }
        let is_full = self.counted() >= policy.allowance(self.locks);
        if is_full && self.locked_until(policy, now).is_none() {
            let locks = self.locks.saturating_add(1);
            return Self { locks, last: self.last, ..Self::default() };
        }
        if self.open > 0 && now >= self.last.plus(LONGEST_ATTEMPT) {
            self.failed = self.failed.saturating_add(self.open);
            self.open = 0;
        }
        self
    }

    fn refuse(mut self, policy: &Policy, now: Timestamp, until: Timestamp) -> Admission {
        let is_news = !self.is_announced && self.open == 0;
        self.is_announced |= is_news;
        // Steps of a second, so that a flood of refused attempts is no flood of writes.
        let extends = policy.extend_on_attempt && now >= self.last.plus(Duration::from_secs(1));
        if extends {
            self.last = now;
        }
        let until = if extends { now.plus(policy.lock_duration(self.locks)) } else { until };
        Admission::Refused { state: self, until, is_changed: extends || is_news, is_news }
    }

    /// Whether an attempt belongs to what is counted now. It does not after an administrator cleared the account.
    pub(super) fn knows(&self, ticket: &Ticket) -> bool {
        ticket.era == self.era && self.open > 0
    }

    /// The attempt, which is known, was right.
    pub(super) fn succeed(mut self) -> Self {
        self.open = self.open.saturating_sub(1);
        self.spent = self.spent.saturating_add(1);
        if self.open == 0 && !self.is_mixed {
            return Self::default();
        }
        self
    }

    /// The attempt, which is known, came to nothing before anything was verified: it was none.
    pub(super) fn release(mut self) -> Self {
        self.open = self.open.saturating_sub(1);
        self
    }

    /// The attempt, which is known, was wrong. Tells whether this is a lock that was not recorded yet.
    pub(super) fn fail(mut self, policy: &Policy, now: Timestamp) -> (Self, bool) {
        self.open = self.open.saturating_sub(1);
        self.failed = self.failed.saturating_add(1);
        self.is_mixed |= self.open > 0 || self.spent > 0;
        let is_news = !self.is_announced && self.locked_until(policy, now).is_some();
        self.is_announced |= is_news;
        (self, is_news)
    }
}

#[cfg(test)]
mod tests;
