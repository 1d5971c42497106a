//! What every change of who may do what is held against before it is made by people: nobody takes from themselves what
//! they administer by, somebody is left who administers the organisation and somebody who sees all companies, and the tests of the policy that hold go on
//! holding. What was weighed is written with the permit that this gives, and domain services take no other for it.
//!
//! Sources are not bound by it, else provisioning could be stopped for ever; the administrators of the machine remain.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::expect::moments;
use super::policy::{Prepared, Question, decide};
use super::{Access, Error, Overlay, Permit, RoleBook, ScopeTree, Standing, Subjects, can_take_away};
use crate::model::{Actor, Grant, GrantId, GroupId, Permission, RoleId, Status, Subject, UserId};

/// What an administrator of the organisation may do.
const TO_ADMINISTER: &str = "grants:create";
/// What somebody needs to administer; whoever takes one of these from themselves cannot give it back.
pub const ADMINISTRATION: [&str; 4] = ["users:update", "grants:create", "grants:delete", "roles:update"];
/// Most people that are looked at for another administrator.
const MAX_LOOKED_AT: usize = 100_000;
/// Grants and members read at a time.
const CHUNK: usize = 500;

/// How well an organisation is administered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Administered {
    ByNobody,
    /// By somebody whose right ends by itself.
    ForNow,
    Lastingly,
}

impl Overlay {
    /// Whether it could take something from somebody.
    fn takes(&self, roles: &RoleBook) -> bool {
        let (nobody, none) = (Subject::User(Self::nobody()), Self::no_group());
        let is_denied = |grant: &Grant| can_take_away(&grant.role, grant.scope.as_ref(), grant.mode, roles);
        let is_shut = |status: &Option<Status>| *status != Some(Status::Active);
        self.roles.is_some()
            || !self.ended.is_empty()
            || !self.left.is_empty()
            || !self.gone.is_empty()
            || self.sight.values().any(|sees| !sees)
            || self.status.iter().any(|(_, status)| is_shut(status))
            || self.given.iter().any(|grant| grant.subject != nobody && is_denied(grant))
            || self.joined.iter().any(|(who, group)| *who != nobody && *group != none)
    }
}

impl Access {
    /// Weighs a change of who may do what before it is made, and gives the permit to make it. An administrator of the
    /// machine who insists (`is_forced`) may leave nobody who administers, and nobody who sees all companies.
    ///
    /// # Errors
    /// `Conflict` naming the test of the policy, or telling what would be lost; `SeatLimit`; `Store`.
    pub async fn weigh(&self, permit: Permit, overlay: &Overlay, is_forced: bool) -> Result<Permit, Error> {
        let seats = self.claim_seats(overlay).await?;
        let takes = overlay.takes(&self.roles());
        if !takes && self.tests().is_empty() {
            return Ok(permit.weighed(None, seats));
        }
        let turn = Arc::clone(&self.test_turns).lock_owned().await;
        if let Some(subjects) = self.subjects.as_ref().filter(|_| takes) {
            let insists = is_forced && matches!(permit.actor(), Actor::Local { .. });
            if !insists {
                self.check_sighted(overlay, &**subjects).await?;
            }
            self.check_own(permit.actor(), overlay, &**subjects).await?;
            if !insists {
                self.check_administered(overlay, &**subjects).await?;
            }
        }
        self.check_tests(permit.actor(), permit.circumstance(), overlay).await?;
        Ok(permit.weighed(Some(turn), seats))
    }

    /// Whether somebody who may sign in administers the organisation.
    ///
    /// # Errors
    /// `Store`.
    pub async fn has_administrator(&self) -> Result<bool, Error> {
        let Some(subjects) = &self.subjects else { return Ok(false) };
        Ok(self.administered(&Overlay::default(), &**subjects).await? != Administered::ByNobody)
    }

    /// The same, were these the roles in force.
    pub(super) async fn is_administered(&self, roles: &Arc<RoleBook>) -> Result<bool, Error> {
        // Without a directory nobody is looked at, and nothing is refused.
        let Some(subjects) = &self.subjects else { return Ok(true) };
        let overlay = Overlay { roles: Some(Arc::clone(roles)), ..Overlay::default() };
        Ok(self.administered(&overlay, &**subjects).await? != Administered::ByNobody)
    }

    /// Refuses to take from the actor what it administers by.
    async fn check_own(&self, actor: &Actor, overlay: &Overlay, subjects: &dyn Subjects) -> Result<(), Error> {
        let own = match actor {
            Actor::User { id, .. } => Some(*id),
            Actor::Token { user, maker, .. } => user.or(*maker),
            _ => None,
        };
        let Some(own) = own else { return Ok(()) };
        let before = self.prepared_over(own, &Overlay::default(), subjects).await?;
        let after = self.prepared_over(own, overlay, subjects).await?;
        let now = self.now();
        let moments = after.as_ref().map_or_else(|| vec![now], |after| moments(after.standing(), overlay, now));
        for text in ADMINISTRATION {
            let permission = permission(text)?;
            let may = |prepared: &Option<Prepared>, moment| {
                let question = Question::new(&permission);
                prepared.as_ref().is_some_and(|prepared| decide(&question, prepared, moment).is_allowed())
            };
            if moments.iter().any(|moment| may(&before, *moment) && !may(&after, *moment)) {
                let detail = format!("this would take your own right to {permission}; somebody else has to do it");
                return Err(Error::Conflict { field: None, detail });
            }
        }
        Ok(())
    }

    /// Refuses a change after which the organisation would be administered less well than it is: by nobody, or only by
    /// people whose right ends by itself.
    async fn check_administered(&self, overlay: &Overlay, subjects: &dyn Subjects) -> Result<(), Error> {
        let refused = |who: &str| {
            let detail = format!(
                "nobody would be left who may give roles in the whole organization{who}; make somebody else an \
                 administrator first"
            );
            Err(Error::Conflict { field: None, detail })
        };
        let after = self.administered(overlay, subjects).await?;
        if after == Administered::Lastingly || self.administered(&Overlay::default(), subjects).await? <= after {
            return Ok(());
        }
        refused(if after == Administered::ForNow { " without an end" } else { "" })
    }

    /// How well the organisation would be administered. Looks no further than the first who may for good.
    async fn administered(&self, overlay: &Overlay, subjects: &dyn Subjects) -> Result<Administered, Error> {
        let permission = permission(TO_ADMINISTER)?;
        let roles = overlay.roles.clone().unwrap_or_else(|| self.roles());
        let mut look = Look {
            access: self,
            overlay,
            subjects,
            permission: &permission,
            best: Administered::ByNobody,
            users: BTreeSet::new(),
            groups: BTreeSet::new(),
        };
        for role in roles.giving(&permission) {
            look.at_role(role).await?;
            if look.best == Administered::Lastingly {
                break;
            }
        }
        Ok(look.best)
    }

    pub(super) async fn prepared_over(
        &self,
        user: UserId,
        overlay: &Overlay,
        subjects: &dyn Subjects,
    ) -> Result<Option<Prepared>, Error> {
        let Some(member) = subjects.member(user, overlay).await? else { return Ok(None) };
        let standing = self.standing_over(user, member.status, &member.groups, overlay).await?;
        let (roles, scopes) = self.books_over(overlay);
        Ok(Some(Prepared::new(standing, roles, scopes)))
    }

    pub(super) fn books_over(&self, overlay: &Overlay) -> (Arc<RoleBook>, Arc<ScopeTree>) {
        let roles = overlay.roles.clone().unwrap_or_else(|| self.roles());
        (roles, overlay.scopes.clone().unwrap_or_else(|| self.scopes().tree()))
    }
}

/// The search for somebody who administers.
struct Look<'a> {
    access: &'a Access,
    overlay: &'a Overlay,
    subjects: &'a dyn Subjects,
    permission: &'a Permission,
    best: Administered,
    users: BTreeSet<UserId>,
    groups: BTreeSet<GroupId>,
}

impl Look<'_> {
    fn is_over(&self) -> bool {
        self.best == Administered::Lastingly
    }

    async fn at_role(&mut self, role: &RoleId) -> Result<(), Error> {
        let given = self.overlay.given.iter().filter(|grant| grant.role == *role && grant.scope.is_none());
        for subject in given.map(|grant| grant.subject).collect::<Vec<_>>() {
            self.at(subject).await?;
        }
        let mut after: Option<(Subject, GrantId)> = None;
        while !self.is_over() {
            let page = self.access.grants().of_role_after(role, after, CHUNK).await?;
            after = page.last().map(|grant| (grant.subject, grant.id));
            for grant in &page {
                if grant.scope.is_none() && !self.overlay.ended.contains(&grant.id) {
                    self.at(grant.subject).await?;
                }
            }
            if after.is_none() {
                break;
            }
        }
        Ok(())
    }

    async fn at(&mut self, subject: Subject) -> Result<(), Error> {
        match subject {
            _ if self.is_over() => Ok(()),
            Subject::User(user) => self.at_user(user).await,
            Subject::Group(group) => self.at_group(group).await,
        }
    }

    async fn at_group(&mut self, group: GroupId) -> Result<(), Error> {
        let Some(census) = self.access.census() else { return Ok(()) };
        let mut queue = VecDeque::from([group]);
        while let Some(group) = queue.pop_front() {
            if self.overlay.gone.contains(&group) || !self.groups.insert(group) {
                continue;
            }
            let joined: Vec<Subject> =
                self.overlay.joined.iter().filter(|(_, into)| *into == group).map(|(who, _)| *who).collect();
            for who in joined {
                match who {
                    Subject::Group(nested) => queue.push_back(nested),
                    Subject::User(user) => self.at_user(user).await?,
                }
            }
            let mut after = None;
            while !self.is_over() {
                let page = census.users_in(group, after, CHUNK).await?;
                after = page.last().copied();
                for user in &page {
                    if !self.is_over() {
                        self.at_user(*user).await?;
                    }
                }
                if page.len() < CHUNK {
                    break;
                }
            }
            queue.extend(census.nested(group).await?);
        }
        Ok(())
    }

    async fn at_user(&mut self, user: UserId) -> Result<(), Error> {
        if !self.users.insert(user) {
            return Ok(());
        }
        if self.users.len() > MAX_LOOKED_AT {
            let detail = format!(
                "of the first {MAX_LOOKED_AT} people who hold a role to give roles nobody would be able to for good; \
                 make somebody else an administrator first"
            );
            return Err(Error::Conflict { field: None, detail });
        }
        if !self.subjects.administers(user).await? {
            return Ok(());
        }
        let Some(prepared) = self.access.prepared_over(user, self.overlay, self.subjects).await? else { return Ok(()) };
        let (question, now) = (Question::new(self.permission), self.access.now());
        if prepared.standing().status != Status::Active || !decide(&question, &prepared, now).is_allowed() {
            return Ok(());
        }
        let (roles, scopes) = (Arc::clone(prepared.roles()), Arc::clone(prepared.scopes()));
        let stays = |grant: &Grant| {
            grant.ends.is_none() || can_take_away(&grant.role, grant.scope.as_ref(), grant.mode, &roles)
        };
        let mut standing: Standing = prepared.standing().clone();
        standing.held.retain(|held| stays(&held.grant));
        let mut later = standing.clone();
        for held in &mut later.held {
            // What is to be taken later is not had for good.
            if can_take_away(&held.grant.role, held.grant.scope.as_ref(), held.grant.mode, &roles) {
                held.grant.starts = None;
            }
        }
        let may = |standing| {
            let prepared = Prepared::new(standing, Arc::clone(&roles), Arc::clone(&scopes));
            decide(&question, &prepared, now).is_allowed()
        };
        let found = if may(standing) && may(later) { Administered::Lastingly } else { Administered::ForNow };
        self.best = self.best.max(found);
        Ok(())
    }
}

pub(super) fn permission(text: &str) -> Result<Permission, Error> {
    text.parse().map_err(|_| Error::Invalid { field: "permission", reason: "is none".to_owned() })
}
