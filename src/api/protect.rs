//! What nobody does by accident: lock oneself out, or leave the organisation without an administrator.

use super::admit::Caller;
use super::{Api, Error};
use crate::model::{Actor, RoleId, Subject, User, UserId};

/// For whom an actor acts; nobody for the machine's own administrators.
pub(super) fn own_id(actor: &Actor) -> Option<UserId> {
    match actor {
        Actor::User { id, .. } => Some(*id),
        Actor::Token { user, maker, .. } => user.or(*maker),
        _ => None,
    }
}

/// What somebody needs to administer; whoever takes one of these from themselves cannot give it back.
const ADMINISTRATION: [&str; 4] = ["users:update", "grants:create", "grants:delete", "roles:update"];

impl Api {
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

    /// Refuses to end the caller's own account.
    pub(super) fn check_own_end(&self, caller: &Caller, user: &User, verb: &str) -> Result<(), Error> {
        if own_id(&caller.actor) != Some(user.id) {
            return Ok(());
        }
        let detail = format!("`{}` is your own account; somebody else has to {verb} it", user.user_name);
        Err(Error::Conflict { field: None, detail })
    }
}
