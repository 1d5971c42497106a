//! What nobody does by accident: lock oneself out, or leave the organisation without an administrator. Sources are not
//! bound by it, else provisioning could be stopped by it for ever; the administrators of the machine always remain.

use std::collections::{BTreeSet, VecDeque};

use tokio::sync::MutexGuard;

use super::admit::Caller;
use super::{Api, Error};
use crate::access::{Prepared, Question, policy};
use crate::directory::Member;
use crate::model::{Actor, Grant, GrantId, Group, GroupId, Permission, RoleId, Status, Subject, User, UserId};

/// Most grants of one role, and most people, that are looked at for another administrator.
const MAX_LOOKED_AT: usize = 10_000;
/// Members read at a time.
const CHUNK: usize = 500;
/// What an administrator of the organisation may do.
const TO_ADMINISTER: &str = "grants:create";
/// What somebody needs to administer; whoever takes one of these from themselves cannot give it back.
const ADMINISTRATION: [&str; 4] = ["users:update", "grants:create", "grants:delete", "roles:update"];

/// What is about to go.
#[derive(Clone, Copy, Debug)]
pub(super) enum Loss {
    /// A grant.
    Grant(GrantId),
    /// A group with everything it holds.
    Group(GroupId),
    /// A place in a group.
    Member(GroupId, Member),
    /// A user, disabled or deleted.
    User(UserId),
}

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

    /// Refuses a loss after which no active user could give roles in the whole organisation, where one can now. The
    /// guard is to be held until the loss is written, so that two do not each rely on the other.
    ///
    /// An administrator of the machine who insists is let through.
    pub(super) async fn check_last(
        &self,
        caller: &Caller,
        loss: Loss,
        is_forced: bool,
    ) -> Result<Option<MutexGuard<'_, ()>>, Error> {
        if is_forced && matches!(caller.actor, Actor::Local { .. }) {
            return Ok(None);
        }
        let guard = self.losses.lock().await;
        if self.is_administered(Some(loss)).await? || !self.is_administered(None).await? {
            return Ok(Some(guard));
        }
        let detail = "nobody would be left who may give roles in the whole organization; make somebody else an \
                      administrator first"
            .to_owned();
        Err(Error::Conflict { field: None, detail })
    }

    /// Whether an active user may give roles in the whole organisation, without what is lost. Looks at who holds the
    /// roles that give it, no further than the first who does.
    async fn is_administered(&self, loss: Option<Loss>) -> Result<bool, Error> {
        let permission: Permission = TO_ADMINISTER.parse().map_err(|_| Error::Internal("a permission that is none"))?;
        let access = &self.services.access;
        let roles = access.roles();
        let giving: Vec<RoleId> = roles.giving(&permission).cloned().collect();
        let mut seen = BTreeSet::new();
        for role in giving {
            for grant in access.grants().of_role(&role, MAX_LOOKED_AT).await? {
                if grant.scope.is_some() || matches!(loss, Some(Loss::Grant(lost)) if lost == grant.id) {
                    continue;
                }
                let found = match grant.subject {
                    Subject::User(user) => self.administers(user, &permission, loss, &mut seen).await?,
                    Subject::Group(group) => self.has_administrator(group, &permission, loss, &mut seen).await?,
                };
                if found {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Whether somebody in a group administers.
    async fn has_administrator(
        &self,
        group: GroupId,
        permission: &Permission,
        loss: Option<Loss>,
        seen: &mut BTreeSet<UserId>,
    ) -> Result<bool, Error> {
        let mut groups = VecDeque::from([group]);
        let mut known = BTreeSet::from([group]);
        while let Some(group) = groups.pop_front() {
            let mut after = None;
            loop {
                let page = self.services.directory.members(group, after, CHUNK).await?;
                after = page.last().copied();
                let is_last = page.len() < CHUNK;
                for member in page {
                    match member {
                        Member::Group(nested) => {
                            if known.insert(nested) {
                                groups.push_back(nested);
                            }
                        }
                        Member::User(user) if self.administers(user, permission, loss, seen).await? => return Ok(true),
                        Member::User(_) => {}
                    }
                }
                if is_last || seen.len() >= MAX_LOOKED_AT {
                    break;
                }
            }
        }
        Ok(false)
    }

    async fn administers(
        &self,
        user: UserId,
        permission: &Permission,
        loss: Option<Loss>,
        seen: &mut BTreeSet<UserId>,
    ) -> Result<bool, Error> {
        if matches!(loss, Some(Loss::User(lost)) if lost == user) || !seen.insert(user) {
            return Ok(false);
        }
        let access = &self.services.access;
        let mut standing = match access.standing(user).await {
            Ok(standing) if standing.status == Status::Active => standing,
            Ok(_) | Err(crate::access::Error::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        standing.held.retain(|held| !loss.is_some_and(|loss| goes(loss, user, held)));
        let now = self.services.clock.now();
        let prepared = Prepared::new(standing, access.roles(), access.scopes().tree());
        Ok(policy::decide(&Question::new(permission), &prepared, now).is_allowed())
    }

    /// The same for a member who leaves a group.
    pub(super) async fn check_last_member(
        &self,
        caller: &Caller,
        group: &Group,
        member: Member,
        is_forced: bool,
    ) -> Result<Option<MutexGuard<'_, ()>>, Error> {
        self.check_last(caller, Loss::Member(group.id, member), is_forced).await
    }
}

/// Whether a grant that a user holds goes with a loss.
fn goes(loss: Loss, user: UserId, held: &policy::Held) -> bool {
    match loss {
        Loss::Grant(id) => held.grant.id == id,
        Loss::Group(group) => held.groups.contains(&group),
        Loss::Member(group, Member::User(id)) => id == user && held.groups.first() == Some(&group),
        Loss::Member(group, Member::Group(nested)) => held.groups.windows(2).any(|way| *way == [nested, group]),
        Loss::User(id) => id == user,
    }
}
