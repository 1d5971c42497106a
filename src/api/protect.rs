//! What nobody does by accident: lock oneself out, leave the organisation without an administrator, or break a test of
//! the policy.

use super::admit::Caller;
use super::{Api, Error};
use crate::access::{ADMINISTRATION, Overlay, Permit};
use crate::model::{Actor, Grant, Group, RoleId, Subject, User, UserId};

/// For whom an actor acts; nobody for the machine's own administrators.
fn own_id(actor: &Actor) -> Option<UserId> {
    match actor {
        Actor::User { id, .. } => Some(*id),
        Actor::Token { user, maker, .. } => user.or(*maker),
        _ => None,
    }
}

/// Whether the caller is this user, at a browser or by a token that acts for them or that they made.
pub(super) fn is_oneself(caller: &Caller, user: UserId) -> bool {
    match &caller.actor {
        Actor::User { id, .. } => *id == user,
        Actor::Token { user: of, maker, .. } => [of, maker].into_iter().flatten().any(|id| *id == user),
        _ => false,
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
}
