//! Sign-in by password: counted before it is verified, the same from outside whatever is wrong.

use super::finish::{Finished, Proof, Visit};
use super::return_to::ReturnTo;
use super::{Error, Login, PASSWORD};
use crate::credential::{Lane, Verdict, Verified};
use crate::http::Rate;
use crate::limit::Subject as Limited;
use crate::lockout::Subject;
use crate::model::{Status, User, fold};
use crate::secret::Secret;
use crate::session::Method;

/// What a password proved.
enum Checked {
    Ours(Verified),
    Theirs(Box<crate::upstream::AssertedIdentity>),
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
        self.services.limits.check(Rate::SignIn, Limited::Account(folded.as_str())).map_err(Error::TooMany)?;
        let user = self.services.directory.find_user_by_name(user_name).await?;
        let outcome = self.try_password(user.as_ref(), user_name, password, visit, return_to).await;
        if let Err(error) = &outcome {
            self.record_failure(error, PASSWORD, user.as_ref(), &visit.circumstance).await?;
        }
        outcome
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
            Some(user) => Subject::User(user.id, &user.user_name),
            None => Subject::Nobody(&folded),
        };
        let proof = match self.guarded(subject, &visit.circumstance, self.check(user, password)).await? {
            Checked::Ours(verified) => Proof::Password(verified),
            Checked::Theirs(identity) => Proof::Upstream(identity, Method::LdapBind),
        };
        self.finish(proof, visit, return_to).await
    }

    async fn check(&self, user: Option<&User>, password: &Secret) -> Result<Checked, Error> {
        let bind = user.and_then(|user| user.owner.as_ref()).and_then(|owner| self.binds.get(owner));
        if let (Some(bind), Some(user)) = (bind, user) {
            let identity = bind.authenticate(user.user_name.as_str(), password).await?;
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
}
