//! What nobody does by accident: lock oneself out, leave the organisation without an administrator, or break a test of
//! the policy.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use tokio::sync::MutexGuard;

use super::admit::Caller;
use super::{Api, Error};
use crate::access::{ADMINISTRATION, Overlay, Permit};
use crate::directory::MAX_PAGE;
use crate::model::{Actor, Grant, Group, Kept, RoleId, Status, Subject, User, UserId};
use crate::transfer::Document;

/// For whom an actor acts; nobody for the machine's own administrators.
fn own_id(actor: &Actor) -> Option<UserId> {
    match actor {
        Actor::User { id, .. } => Some(*id),
        Actor::Token { user, maker, .. } => user.or(*maker),
        _ => None,
    }
}

impl Api {
    /// Refuses to end the caller's own account.
    pub(super) fn check_own_end(&self, caller: &Caller, user: &User, verb: &str) -> Result<(), Error> {
        if own_id(&caller.actor) != Some(user.id) {
            return Ok(());
        }
        let detail = format!("`{}` is your own account; somebody else has to {verb} it", user.user_name);
        Err(Error::Conflict { field: None, detail })
    }

    /// Refuses to take from the caller what it administers by.
    pub(super) fn check_own_rights(&self, caller: &Caller, holder: Subject, role: &RoleId) -> Result<(), Error> {
        let is_own = own_id(&caller.actor).is_some_and(|id| holder == Subject::User(id));
        let roles = self.services.access.roles();
        let gives = |text: &&&str| text.parse().is_ok_and(|permission| roles.gives(role, &permission));
        match ADMINISTRATION.iter().find(gives) {
            Some(permission) if is_own => {
                let detail = format!("this is your own right to {permission}; somebody else has to take it from you");
                Err(Error::Conflict { field: None, detail })
            }
            _ => Ok(()),
        }
    }

    /// Refuses to delete a group by which the caller administers.
    pub(super) async fn check_own_group(&self, caller: &Caller, group: &Group, grants: &[Grant]) -> Result<(), Error> {
        let Some(own) = own_id(&caller.actor) else { return Ok(()) };
        let paths = self.services.directory.group_paths(own).await?;
        if paths.iter().any(|path| path.last() == Some(&group.id)) {
            for grant in grants {
                self.check_own_rights(caller, Subject::User(own), &grant.role)?;
            }
        }
        Ok(())
    }

    /// Weighs a change of who may do what, and gives the permit to make it: see [`Access::weigh`](crate::access::Access).
    pub(super) async fn weigh(&self, permit: Permit, overlay: &Overlay, is_forced: bool) -> Result<Permit, Error> {
        Ok(self.services.access.weigh(permit, overlay, is_forced).await?)
    }

    /// Refuses a change by which these accounts would see all companies no longer, where nobody would be left who does and
    /// may sign in. The guard is to be held until the change is written, so that two do not each rely on the other; it
    /// is taken before the change is weighed.
    ///
    /// An administrator of the machine who insists is let through.
    pub(super) async fn check_last_sight(
        &self,
        caller: &Caller,
        losing: &BTreeSet<UserId>,
        is_forced: bool,
    ) -> Result<Option<MutexGuard<'_, ()>>, Error> {
        if is_forced && matches!(caller.actor, Actor::Local { .. }) {
            return Ok(None);
        }
        let guard = self.sights.lock().await;
        self.check_somebody_sees_all(losing).await?;
        Ok(Some(guard))
    }

    /// The same for a document that is to be imported.
    pub(super) async fn check_last_sight_of(
        &self,
        caller: &Caller,
        document: &Document,
        is_forced: bool,
    ) -> Result<Option<MutexGuard<'_, ()>>, Error> {
        let is_told = document.users().any(|user| user.status == Status::Active && user.sees_all());
        let losing = if is_told { BTreeSet::new() } else { document.users().map(|user| user.id).collect() };
        self.check_last_sight(caller, &losing, is_forced).await
    }

    /// Refuses the change where nobody else sees all companies and one of these accounts does. Without companies everybody
    /// sees everything.
    async fn check_somebody_sees_all(&self, losing: &BTreeSet<UserId>) -> Result<(), Error> {
        let (directory, scopes) = (&self.services.directory, self.services.access.scopes());
        let has_companies = scopes.tree().list("company", None, 1).next().is_some();
        if !has_companies && directory.count_limited().await? == 0 {
            return Ok(());
        }
        let mut is_one_of_them = false;
        for id in losing {
            is_one_of_them = is_one_of_them || self.sees_all_now(*id).await?;
        }
        if !is_one_of_them {
            return Ok(());
        }
        let witness = *self.witness.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(witness) = witness.filter(|witness| !losing.contains(witness))
            && self.sees_all_now(witness).await?
        {
            return Ok(());
        }
        let mut after = None;
        loop {
            let page: Vec<User<Kept>> = directory.list_users(after, MAX_PAGE).await?;
            after = page.last().map(|user| user.id);
            let likely =
                |user: &&User<Kept>| user.status == Status::Active && user.sees_all() && !losing.contains(&user.id);
            for user in page.iter().filter(likely) {
                if self.sees_all_now(user.id).await? {
                    *self.witness.lock().unwrap_or_else(PoisonError::into_inner) = Some(user.id);
                    return Ok(());
                }
            }
            if page.len() < MAX_PAGE {
                break;
            }
        }
        let detail =
            "nobody who may sign in would be left who sees all companies; let somebody else see all of them first"
                .to_owned();
        Err(Error::Conflict { field: None, detail })
    }

    /// Whether an account is active, may sign in and sees all companies.
    async fn sees_all_now(&self, id: UserId) -> Result<bool, Error> {
        let Some(user) = self.services.directory.find_kept_user(id).await? else { return Ok(false) };
        if user.status != Status::Active || !user.sees_all() {
            return Ok(false);
        }
        match self.services.access.may_sign_in(id).await {
            Ok(may) => Ok(may),
            Err(crate::access::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
