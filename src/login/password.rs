//! Sign-in by password: counted before it is verified, the same from outside whatever is wrong.

use std::sync::OnceLock;

use futures_util::FutureExt;

use super::finish::{Finished, Proof, Visit};
use super::return_to::ReturnTo;
use super::{Error, Login, PASSWORD};
use crate::audit::{Event, EventKind, Outcome};
use crate::credential::{Lane, Verdict, Verified};
use crate::error::Chain;
use crate::http::Rate;
use crate::limit::Subject as Limited;
use crate::lockout::{self, Subject};
use crate::model::{Actor, FoldedName, SourceId, Status, User, fold};
use crate::secret::Secret;
use crate::session::Method;
use crate::upstream::{self, AssertedIdentity, PasswordConnector};

/// The rules under which a password is refused that may have been a guess.
const GUESSES: [&str; 5] = ["declined", "directory-spared", "locked", "no-password", "wrong-password"];

/// What a password proved.
enum Checked {
    Ours(Verified),
    Theirs(Box<AssertedIdentity>),
}

impl Login {
    /// Signs somebody in by name and password.
    ///
    /// # Errors
    /// `Refused` with the reason for the ledger, where it stands already; `Busy`; `Store`.
    pub(super) async fn sign_in_by_password(
        &self,
        user_name: &str,
        password: &Secret,
        visit: &Visit,
        return_to: &ReturnTo,
    ) -> Result<Finished, Error> {
        let folded = fold(user_name);
        let user = self.services.directory.find_user_by_name(user_name).await?;
        let is_known = self.is_known(user.as_ref(), visit).await?;
        // A browser that the account knows has an allowance that strangers do not use up; no folded name has a capital.
        let allowance = match (&user, visit.device) {
            (Some(user), Some(device)) if is_known => format!("Known:{}:{device}", user.id),
            _ => folded.as_str().to_owned(),
        };
        self.services.limits.check(Rate::SignIn, Limited::Account(&allowance)).map_err(Error::TooMany)?;
        if !is_known {
            self.services.limits.check_everybody().map_err(Error::TooMany)?;
        }
        if let (Some(address), false) = (visit.circumstance.address, is_known) {
            self.services.limits.spray().check(address).map_err(Error::TooMany)?;
        }
        let outcome = self.try_password(user.as_ref(), user_name, password, visit, return_to).await;
        self.tell_sprays(&outcome, &folded, password, visit).await?;
        if let Err(error) = &outcome {
            self.record_failure(error, PASSWORD, user.as_ref(), &visit.circumstance).await?;
        }
        outcome
    }

    /// Whether a user is tried from a browser that the account knows.
    async fn is_known(&self, user: Option<&User>, visit: &Visit) -> Result<bool, Error> {
        match (user, visit.device) {
            (Some(user), Some(device)) => Ok(self.services.lockout.is_known(user.id, device).await?),
            _ => Ok(false),
        }
    }

    /// Lets the detector of sprays know how a try ended, and records the networks that are shut out for it.
    async fn tell_sprays(
        &self,
        outcome: &Result<Finished, Error>,
        name: &FoldedName,
        password: &Secret,
        visit: &Visit,
    ) -> Result<(), Error> {
        let Some(address) = visit.circumstance.address else { return Ok(()) };
        let spray = self.services.limits.spray();
        match outcome {
            Ok(_) => spray.right(address, name),
            Err(Error::Refused { rule, .. }) if GUESSES.contains(rule) => {
                for blocked in spray.wrong(address, name, password) {
                    let block = blocked.block;
                    self.services.metrics.spray_blocked();
                    tracing::warn!(until = %block.until, "{} is shut out of sign-in by password", block.network);
                    let event = Event::new(self.services.clock.now(), EventKind::SprayBlocked, &Actor::Anonymous)
                        .outcome(Outcome::Denied)
                        .within(&visit.circumstance)
                        .on("network", block.network, block.network)
                        .detail("until", block.until)
                        .detail("why", block.why.name());
                    self.keep_block(&blocked, &event).await?;
                }
            }
            Err(_) => {}
        }
        Ok(())
    }

    async fn try_password(
        &self,
        user: Option<&User>,
        user_name: &str,
        password: &Secret,
        visit: &Visit,
        return_to: &ReturnTo,
    ) -> Result<Finished, Error> {
        let folded = fold(user_name);
        let subject = match user {
            Some(user) => visit.attempt_on(user),
            None => Subject::Nobody(&folded),
        };
        let proof = match self.guarded(subject, &visit.circumstance, self.check(user, password, visit)).await? {
            Checked::Ours(verified) => Proof::Password(verified),
            Checked::Theirs(identity) => Proof::Upstream(identity, Method::LdapBind),
        };
        self.finish(proof, visit, return_to).await
    }

    async fn check(&self, user: Option<&User>, password: &Secret, visit: &Visit) -> Result<Checked, Error> {
        let bind = user.and_then(|user| user.owner.as_ref()).and_then(|owner| self.binds.get(owner).zip(Some(owner)));
        if let (Some((bind, owner)), Some(user)) = (bind, user) {
            let identity = self.carry(&**bind, owner, user, password, visit).await?;
            if user.external_id(identity.connector()) != Some(identity.subject()) {
                return Err(Error::refused("link", "the directory found another person under this name"));
            }
            return Ok(Checked::Theirs(Box::new(identity)));
        }
        let verdict = self.services.credentials.verify(user.map(|user| user.id), password, Lane::Interactive).await;
        match verdict {
            Ok(Verdict::Verified(_)) if user.is_none_or(|user| user.status != Status::Active) => {
                Err(Error::refused("inactive", "the account is not active"))
            }
            Ok(Verdict::Verified(verified)) => Ok(Checked::Ours(verified)),
            Ok(Verdict::NoPassword) => Err(Error::refused("no-password", "the account has no password")),
            Ok(Verdict::Wrong) => Err(Error::refused("wrong-password", "wrong password or unknown name")),
            Err(error) => Err(error.into()),
        }
    }

    /// Carries a password to the directory of its owner, unless as many wrong ones were that one more could lock the account
    /// there.
    async fn carry(
        &self,
        connector: &dyn PasswordConnector,
        owner: &SourceId,
        user: &User,
        password: &Secret,
        visit: &Visit,
    ) -> Result<AssertedIdentity, Error> {
        let lockout = &self.services.lockout;
        let budget = self.bind_budgets.get(owner).copied().unwrap_or_default();
        let is_known = self.is_known(Some(user), visit).await?;
        // Counted when the directory has shown the person, so that one that shows nothing costs nothing.
        let reserved = OnceLock::new();
        let reserve = async {
            let told = lockout.reserve_bind(user.id, budget, is_known).await;
            let stop = if told.is_ok() { Ok(()) } else { Err(upstream::Error::Busy) };
            reserved.get_or_init(|| told);
            stop
        };
        let outcome = connector.authenticate(user.user_name.as_str(), password, reserve.boxed()).await;
        let attempt = match reserved.into_inner() {
            Some(Ok(attempt)) => attempt,
            Some(Err(lockout::Error::Locked { until })) => {
                let reason = format!("as many wrong passwords were carried to `{owner}` as may be, until {until}");
                return Err(Error::refused("directory-spared", reason));
            }
            Some(Err(error)) => return Err(error.into()),
            None => return Ok(outcome?),
        };
        let told = match &outcome {
            Ok(_) => lockout.bind_succeeded(attempt).await,
            Err(upstream::Error::Busy | upstream::Error::Unavailable { .. }) => lockout.bind_released(attempt).await,
            // It stays counted as it was: what nobody has seen end may be wrong, and counted over there.
            Err(
                upstream::Error::Declined { .. } | upstream::Error::Refused { .. } | upstream::Error::Unanswered { .. },
            ) => Ok(()),
        };
        if let Err(kept) = told {
            tracing::warn!(error = %Chain(&kept), "a bind that was not wrong stays counted as if it were");
        }
        Ok(outcome?)
    }
}
