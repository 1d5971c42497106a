//! How many wrong passwords are carried to a directory: fewer than it takes to lock the account there.
//!
//! A directory counts by itself, and locks for everything that its people do. So tries are counted here for each account,
//! whatever browser they came from and however our own counters stand, before they are carried on. What nobody has seen
//! end counts as wrong.

use std::time::Duration;

use minicbor::{Decode, Encode};

use super::{Error, Lockout};
use crate::audit::{Change, Housekeeping};
use crate::clock::Timestamp;
use crate::model::UserId;
use crate::store::{self, Table};

/// Wrong passwords that were carried to an account's directory.
const BINDS: Table<UserId, Carried> = Table::new(0x34, "binds carried on");

/// What a directory is spared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BindBudget {
    /// Most wrong passwords of one account that are carried on in the time below, at least 1. Of those the last is kept for
    /// devices that the account knows, where any are known.
    pub attempts: u32,
    /// How long one counts.
    pub window: Duration,
}

impl Default for BindBudget {
    fn default() -> Self {
        Self { attempts: 4, window: Duration::from_secs(30 * 60) }
    }
}

#[derive(Clone, Debug, Default, Encode, Decode)]
#[cbor(map)]
struct Carried {
    /// When each one was carried on, the oldest first.
    #[n(0)]
    at: Vec<Timestamp>,
}

/// A try that may be carried on. It counts as wrong until something else is told.
#[derive(Debug)]
#[must_use = "a bind that is not told counts as wrong"]
pub struct Bind {
    user: UserId,
    at: Timestamp,
    window: Duration,
}

impl Lockout {
    /// Counts a try that is to be carried to a directory, durably, before it is.
    ///
    /// # Errors
    /// `Locked` until the oldest that counts counts no longer; `Busy`, `Store`: nothing may be carried on.
    pub async fn reserve_bind(&self, user: UserId, budget: BindBudget, is_known: bool) -> Result<Bind, Error> {
        let _turn = self.turn_of(user).await;
        let spared = u32::from(self.policy.knows_devices && !is_known);
        let most = usize::try_from(budget.attempts.saturating_sub(spared).max(1)).unwrap_or(usize::MAX);
        self.ledger
            .retry(|mut change| async move {
                let now = self.clock.now();
                let mut carried = self.carried(&mut change, user).await?;
                // As directories count: what is wrong adds up until a whole window has passed without another one.
                let over = carried.at.last().map(|last| last.plus(budget.window));
                if over.is_some_and(|over| now >= over) {
                    carried.at.clear();
                }
                if carried.at.len() >= most {
                    return Err(Error::Locked { until: over.unwrap_or(now) });
                }
                carried.at.push(now);
                change.put_until(&BINDS, self.organisation, &user, &carried, Some(now.plus(budget.window)))?;
                change.commit_quietly(Housekeeping::Login).await?;
                Ok(Bind { user, at: now, window: budget.window })
            })
            .await
    }

    /// Tells that the directory took the password: nothing counts any more.
    ///
    /// # Errors
    /// `Busy`, `Store`.
    pub async fn bind_succeeded(&self, bind: Bind) -> Result<(), Error> {
        self.settle_bind(&bind, |carried| carried.at.clear()).await
    }

    /// Tells that the directory did not answer: this one counts no longer.
    ///
    /// # Errors
    /// `Busy`, `Store`.
    pub async fn bind_released(&self, bind: Bind) -> Result<(), Error> {
        let at = bind.at;
        let release = |carried: &mut Carried| {
            if let Some(place) = carried.at.iter().rposition(|other| *other == at) {
                carried.at.remove(place);
            }
        };
        self.settle_bind(&bind, release).await
    }

    async fn settle_bind(&self, bind: &Bind, end: impl Fn(&mut Carried)) -> Result<(), Error> {
        let end = &end;
        let _turn = self.turn_of(bind.user).await;
        self.ledger
            .retry(|mut change| async move {
                let mut carried = self.carried(&mut change, bind.user).await?;
                end(&mut carried);
                match carried.at.last() {
                    None => change.delete(&BINDS, self.organisation, &bind.user),
                    Some(last) => {
                        let until = Some(last.plus(bind.window));
                        change.put_until(&BINDS, self.organisation, &bind.user, &carried, until)?;
                    }
                }
                change.commit_quietly(Housekeeping::Login).await?;
                Ok(())
            })
            .await
    }

    async fn carried(&self, change: &mut Change, user: UserId) -> Result<Carried, store::Error> {
        Ok(change.find(&BINDS, self.organisation, &user).await?.unwrap_or_default())
    }

    /// Forgets what was carried on inside a change of the caller's.
    pub(super) fn forget_binds_in(&self, change: &mut Change, user: UserId) {
        change.delete(&BINDS, self.organisation, &user);
    }

    /// Whether anything that was carried on is remembered.
    pub(super) async fn has_binds(&self, change: &mut Change, user: UserId) -> Result<bool, store::Error> {
        Ok(!self.carried(change, user).await?.at.is_empty())
    }
}
