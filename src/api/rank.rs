//! Nobody gives away, or takes over, more than they have.

use super::admit::Caller;
use super::{Api, Error};
use crate::access::Question;
use crate::model::{Permission, Scope, UserId};

impl Api {
    /// Checks that the caller has every right of a user that it is about to act for, or to take over by a new password.
    pub(super) async fn check_rank(&self, caller: &Caller, user: UserId) -> Result<(), Error> {
        for level in self.services.access.effective(user).await? {
            for right in &level.permissions {
                self.check_right(caller, &right.permission, level.scope.as_ref(), right.if_owner).await?;
            }
        }
        Ok(())
    }

    /// Checks that the caller has every right that a limit lets through.
    pub(super) async fn check_limit(&self, caller: &Caller, limit: &[Permission]) -> Result<(), Error> {
        let roles = self.services.access.roles();
        for permission in roles.catalogue().iter().filter(|permission| limit.iter().any(|rule| rule.covers(permission)))
        {
            self.check_right(caller, &permission, None, false).await?;
        }
        Ok(())
    }

    async fn check_right(
        &self,
        caller: &Caller,
        permission: &Permission,
        scope: Option<&Scope>,
        is_owner: bool,
    ) -> Result<(), Error> {
        let question = Question::new(permission).within(scope).owned(is_owner);
        let decision = self.services.access.decide(&caller.actor, &question).await?;
        if decision.allowed {
            return Ok(());
        }
        let place = scope.map(|scope| format!(" in {scope}")).unwrap_or_default();
        Err(Error::Forbidden { detail: format!("this would give {permission}{place}, which you do not have") })
    }
}
