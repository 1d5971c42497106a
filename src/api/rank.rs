//! Nobody gives away, takes over or takes away more than they have.

mod connection;

use super::admit::Caller;
use super::{Api, Error};
use crate::access::{Acting, NewGrant, Question, Reach, Reached, can_take_away};
use crate::clock::Timestamp;
use crate::directory::Member;
use crate::model::{Actor, Grant, Group, Mode, Permission, RoleId, Scope, Subject, UserId};

impl Api {
    /// Checks that the caller reaches as far as a user whom it is about to act for, to disable or enable, to rename, or
    /// to take over by a new password. What counts is what the user's grants could come to: a disabled administrator is
    /// an administrator. People may do these things to themselves, where they sit at a browser.
    pub(super) async fn check_rank(&self, caller: &Caller, user: UserId) -> Result<(), Error> {
        if is_at_browser(caller, user) {
            return Ok(());
        }
        self.check_sight_of(caller, user).await?;
        self.check_reach_of(caller, user).await
    }

    /// The same where what the account sees does not matter: for what it is to see. Who took an account's companies away
    /// would work unseen by it.
    pub(super) async fn check_reach_of(&self, caller: &Caller, user: UserId) -> Result<(), Error> {
        if is_at_browser(caller, user) {
            return Ok(());
        }
        let reach = self.services.access.reach(user).await?;
        self.check_reach(caller, &self.acting(caller).await?, &reach, None).await
    }

    /// Checks that the caller has every right that a role gives.
    pub(super) async fn check_reach_of_role(&self, caller: &Caller, role: &RoleId) -> Result<(), Error> {
        let reach = Reach::of_role(role, None, &self.services.access.roles());
        self.check_reach(caller, &self.acting(caller).await?, &reach, None).await
    }

    /// Checks that the caller has every right that a limit lets through.
    pub(super) async fn check_limit(&self, caller: &Caller, limit: &[Permission]) -> Result<(), Error> {
        let acting = self.acting(caller).await?;
        let everything = acting.roles().catalogue().iter();
        for permission in everything.filter(|permission| limit.iter().any(|rule| rule.covers(permission))) {
            self.check_right(caller, &acting, Reached { permission, scope: None, if_owner: false }).await?;
        }
        Ok(())
    }

    /// Checks that the caller may give a role that takes rights away from whoever holds it: only somebody with at least
    /// the same rights may take them.
    pub(super) async fn check_taking(
        &self,
        caller: &Caller,
        subject: Subject,
        role: &RoleId,
        scope: Option<&Scope>,
        mode: Mode,
    ) -> Result<(), Error> {
        if !can_take_away(role, scope, mode, &self.services.access.roles()) {
            return Ok(());
        }
        if is_own(&caller.actor, subject) {
            let detail = "this would limit what you may do yourself; somebody else has to do it".to_owned();
            return Err(Error::Conflict { field: None, detail });
        }
        self.check_reach_of_holder(caller, &[self.acting(caller).await?], subject, scope).await
    }

    /// Checks that the caller, as each of these, has every right that a user has in a scope, or all there are for a group.
    async fn check_reach_of_holder(
        &self,
        caller: &Caller,
        callers: &[Acting],
        subject: Subject,
        scope: Option<&Scope>,
    ) -> Result<(), Error> {
        for acting in callers {
            match subject {
                Subject::User(user) => {
                    let reach = self.services.access.reach(user).await?;
                    self.check_reach(caller, acting, &reach, scope).await?;
                }
                Subject::Group(_) => self.check_everything(caller, acting).await?,
            }
        }
        Ok(())
    }

    /// Checks that the caller may end a grant: it has what the grant gives, and where the grant takes rights away, what
    /// its holder would get back, for as long as the grant would have kept it. Nobody lifts their own limits.
    pub(super) async fn check_ending(&self, caller: &Caller, grant: &Grant) -> Result<(), Error> {
        let roles = self.services.access.roles();
        let scope = grant.scope.as_ref();
        let takes_away = can_take_away(&grant.role, scope, grant.mode, &roles);
        if takes_away && is_own(&caller.actor, grant.subject) {
            let detail = "this grant limits what you may do; somebody else has to end it".to_owned();
            return Err(Error::Forbidden { detail });
        }
        let acting = self.acting(caller).await?;
        self.check_reach(caller, &acting, &Reach::of_role(&grant.role, scope, &roles), None).await?;
        if !takes_away {
            return Ok(());
        }
        self.check_reach_of_holder(caller, &self.acting_until(caller, grant.ends).await?, grant.subject, scope).await
    }

    /// Checks that the caller may put a scope elsewhere: it has what the grants of the new place give within it, and where
    /// a grant of the old or the new place takes rights away, everything; each for good.
    pub(super) async fn check_move(&self, caller: &Caller, scope: &Scope, to: Option<&Scope>) -> Result<(), Error> {
        let access = &self.services.access;
        let (tree, roles) = (access.scopes().tree(), access.roles());
        let callers = self.acting_until(caller, None).await?;
        let before: Vec<&Scope> = tree.above(scope).collect();
        let after: Vec<&Scope> = to.into_iter().chain(to.into_iter().flat_map(|to| tree.above(to))).collect();
        let differs = before.iter().chain(&after).filter(|place| before.contains(place) != after.contains(place));
        for place in differs {
            for grant in access.grants().kinds_in_scope(place).await? {
                for acting in &callers {
                    self.check_reach(caller, acting, &Reach::of_role(&grant.role, Some(scope), &roles), None).await?;
                    if can_take_away(&grant.role, Some(place), grant.mode, &roles) {
                        self.check_everything(caller, acting).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Checks that the caller may take a scope away: where a grant above it takes rights away, which would not hold for what
    /// is made of that name elsewhere, it has everything.
    pub(super) async fn check_unplacing(&self, caller: &Caller, scope: &Scope) -> Result<(), Error> {
        let access = &self.services.access;
        let (tree, roles) = (access.scopes().tree(), access.roles());
        for place in tree.above(scope) {
            let kinds = access.grants().kinds_in_scope(place).await?;
            if kinds.iter().any(|grant| can_take_away(&grant.role, Some(place), grant.mode, &roles)) {
                for acting in self.acting_until(caller, None).await? {
                    self.check_everything(caller, &acting).await?;
                }
                return Ok(());
            }
        }
        Ok(())
    }

    /// Everything that is held by being in a group: its own grants and those of the groups in which it is.
    pub(super) async fn grants_through(&self, group: &Group) -> Result<Vec<Grant>, Error> {
        let mut groups = self.services.directory.groups_above(group.id).await?;
        groups.push(group.clone());
        let mut grants = Vec::new();
        for group in groups {
            grants.extend(self.services.access.grants().list(Subject::Group(group.id)).await?);
        }
        Ok(grants)
    }

    /// Membership gives what the group holds, and takes what it denies.
    pub(super) async fn check_group(&self, caller: &Caller, group: &Group) -> Result<(), Error> {
        for grant in self.grants_through(group).await? {
            self.check_giving(caller, &grant).await?;
        }
        Ok(())
    }

    /// Checks that the caller may put a member into a group.
    pub(super) async fn check_entering(&self, caller: &Caller, group: &Group, member: Member) -> Result<(), Error> {
        for grant in self.grants_through(group).await? {
            self.check_giving(caller, &grant).await?;
            let (role, scope) = (&grant.role, grant.scope.as_ref());
            self.check_taking(caller, member.into(), role, scope, grant.mode).await?;
        }
        Ok(())
    }

    /// Checks that the caller may take a member out of a group, as it would end what the member holds by it.
    pub(super) async fn check_leaving(&self, caller: &Caller, group: &Group, member: Member) -> Result<(), Error> {
        for grant in self.grants_through(group).await? {
            let grant = Grant { subject: member.into(), ..grant };
            self.check_ending(caller, &grant).await?;
            self.check_own_rights(caller, grant.subject, &grant.role)?;
        }
        Ok(())
    }

    async fn check_giving(&self, caller: &Caller, grant: &Grant) -> Result<(), Error> {
        let mut given = NewGrant::new(grant.subject, grant.role.clone());
        given.scope.clone_from(&grant.scope);
        given.ends = grant.ends;
        self.services.access.permit_grant(&caller.actor, &given, caller.circumstance.clone()).await?;
        Ok(())
    }

    /// The caller, made ready for many questions.
    pub(super) async fn acting(&self, caller: &Caller) -> Result<Acting, Error> {
        Ok(self.services.access.acting(&caller.actor).await?)
    }

    /// The caller as it is, and as it will be until a moment, or ever: nobody gives for longer than they have.
    async fn acting_until(&self, caller: &Caller, ends: Option<Timestamp>) -> Result<Vec<Acting>, Error> {
        let acting = self.acting(caller).await?;
        let later = acting.later(ends);
        Ok(std::iter::once(acting).chain(later).collect())
    }

    async fn check_reach(
        &self,
        caller: &Caller,
        acting: &Acting,
        reach: &Reach,
        scope: Option<&Scope>,
    ) -> Result<(), Error> {
        if reach.has_undefined {
            // What the role gave or took is not known: only who has everything cannot gain by it.
            self.check_everything(caller, acting).await?;
        }
        for right in reach.within(scope, acting.scopes()) {
            self.check_right(caller, acting, right).await?;
        }
        Ok(())
    }

    /// Checks that the caller has every right everywhere.
    pub(super) async fn check_everything(&self, caller: &Caller, acting: &Acting) -> Result<(), Error> {
        for permission in acting.roles().catalogue().iter() {
            self.check_right(caller, acting, Reached { permission, scope: None, if_owner: false }).await?;
        }
        Ok(())
    }

    async fn check_right(&self, caller: &Caller, acting: &Acting, right: Reached) -> Result<(), Error> {
        let Reached { permission, scope, if_owner } = right;
        let question = Question::new(&permission).within(scope.as_ref()).owned(if_owner);
        let Some(place) = acting.lacks(&question) else { return Ok(()) };
        let question = question.within(place);
        // Asked for once more, so that the refusal is recorded.
        let access = &self.services.access;
        let asked = access.check_rank_of(&caller.actor, acting, &question, caller.circumstance.clone()).await;
        match asked {
            Ok(()) | Err(crate::access::Error::Denied(_)) => {
                let place = place.map(|scope| format!(" in {scope}")).unwrap_or_default();
                let has_it_now = self.acting(caller).await?.may(&question);
                let why = if has_it_now { " for longer than you have it" } else { ", which you do not have" };
                Err(Error::Forbidden { detail: format!("this takes {permission}{place}{why}") })
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether the caller sits at a browser as this user.
pub(super) fn is_at_browser(caller: &Caller, user: UserId) -> bool {
    caller.signed_in.as_ref().is_some_and(|signed_in| signed_in.user.id == user)
}

/// Whether the actor is, or acts for, whom a grant is given to.
fn is_own(actor: &Actor, subject: Subject) -> bool {
    let user = match actor {
        Actor::User { id, .. } => Some(*id),
        Actor::Token { user, maker, .. } => user.or(*maker),
        _ => None,
    };
    matches!((user, subject), (Some(user), Subject::User(holder)) if user == holder)
}
