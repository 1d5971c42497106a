//! Somebody who is active and may sign in always sees all companies, once there are companies: whatever people change of
//! companies, accounts, memberships, roles and grants, now or for later, is refused where nobody would be left.

use std::sync::{Arc, PoisonError};

use super::policy::{Denial, Prepared, Question, Verdict, decide};
use super::weigh::permission;
use super::{Access, COMPANY, Error, Overlay, Subjects, can_take_away};
use crate::model::{Status, UserId};

impl Access {
    /// Refuses a change after which nobody would be left who sees all companies, where somebody does.
    pub(super) async fn check_sighted(&self, overlay: &Overlay, subjects: &dyn Subjects) -> Result<(), Error> {
        let has_companies = self.scopes().tree().list(COMPANY, None, 1).next().is_some();
        if !has_companies && !subjects.has_limited().await? {
            return Ok(());
        }
        if self.is_sighted(overlay, subjects).await? || !self.is_sighted(&Overlay::default(), subjects).await? {
            return Ok(());
        }
        let detail =
            "nobody who may sign in would be left who sees all companies; let somebody else see all of them first"
                .to_owned();
        Err(Error::Conflict { field: None, detail })
    }

    /// Whether somebody would see all companies. Whoever was found last is asked first.
    async fn is_sighted(&self, overlay: &Overlay, subjects: &dyn Subjects) -> Result<bool, Error> {
        let witness = *self.witness.lock().unwrap_or_else(PoisonError::into_inner);
        let told = overlay.sight.iter().filter(|(_, sees)| **sees).map(|(user, _)| *user);
        for user in witness.into_iter().chain(told) {
            if self.would_see(user, overlay, subjects).await? {
                return Ok(true);
            }
        }
        let mut after = None;
        loop {
            let (page, last) = subjects.seeing_all(after).await?;
            for user in page.into_iter().filter(|user| Some(*user) != witness) {
                if self.would_see(user, overlay, subjects).await? {
                    *self.witness.lock().unwrap_or_else(PoisonError::into_inner) = Some(user);
                    return Ok(true);
                }
            }
            if last.is_none() {
                return Ok(false);
            }
            after = last;
        }
    }

    /// Whether somebody would see all companies and be let in, now and when whatever is to be taken later is taken.
    async fn would_see(&self, user: UserId, overlay: &Overlay, subjects: &dyn Subjects) -> Result<bool, Error> {
        let sees = match overlay.sight.get(&user) {
            Some(sees) => *sees,
            None => subjects.sees_all(user).await?,
        };
        if !sees || !subjects.administers(user).await? {
            return Ok(false);
        }
        let Some(prepared) = self.prepared_over(user, overlay, subjects).await? else { return Ok(false) };
        if prepared.standing().status != Status::Active {
            return Ok(false);
        }
        let mut later = prepared.standing().clone();
        for held in &mut later.held {
            let grant = &mut held.grant;
            if can_take_away(&grant.role, grant.scope.as_ref(), grant.mode, prepared.roles()) {
                grant.starts = None;
            }
        }
        let later = Prepared::new(later, Arc::clone(prepared.roles()), Arc::clone(prepared.scopes()));
        let sign_in = permission("account:sign-in")?;
        let may = |prepared: &Prepared| match decide(&Question::new(&sign_in), prepared, self.now()).verdict {
            Verdict::Allowed(_) => true,
            // Signing in takes no role that gives it: only one that denies it shuts somebody out.
            Verdict::Denied(denial) => matches!(denial, Denial::NothingAllows | Denial::UnknownPermission),
        };
        Ok(may(&prepared) && may(&later))
    }
}
