//! The reports `users`, `inactive` and `employees`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::names::Names;
use super::sheet::{shown, time};
use super::{CHUNK, Error, MAX_READ, Reports, Sheet, days_before, word};
use crate::access::policy::Held;
use crate::access::{RoleBook, RoleKind};
use crate::clock::Timestamp;
use crate::model::{GroupId, Person, PersonId, Scope, Status, User, UserId};

const USERS: &[&str] = &[
    "id",
    "user",
    "display_name",
    "email",
    "status",
    "source",
    "roles",
    "roles_by_group",
    "seats",
    "last_sign_in",
    "failed_attempts",
    "locked_until",
    "has_password",
    "created",
];

const INACTIVE: &[&str] = &["id", "user", "display_name", "status", "source", "last_sign_in", "created", "why"];

const EMPLOYEES: &[&str] =
    &["id", "employee_number", "first_name", "last_name", "email", "companies", "user", "status", "created"];

impl Reports {
    /// Every employee whom `sees` lets through, with the account where there is one. A page may hold fewer than asked
    /// although there are more.
    ///
    /// # Errors
    /// When something cannot be read.
    pub async fn employees(
        &self,
        after: Option<PersonId>,
        limit: usize,
        sees: impl Fn(&Person) -> bool,
    ) -> Result<Sheet, Error> {
        let (mut rows, mut after, mut read) = (Vec::new(), after, 0);
        loop {
            let people = self.directory.list_people(after, CHUNK).await?;
            let is_last = people.len() < CHUNK;
            read += people.len();
            let ids: Vec<UserId> = people.iter().filter_map(|person| person.user).collect();
            let users: Vec<User> = self.directory.users_by_id(&ids).await?;
            for person in &people {
                after = Some(person.id);
                if sees(person) {
                    let user = users.iter().find(|user| Some(user.id) == person.user);
                    rows.push(self.employee_row(person, user.filter(|user| (self.seen)(user))));
                }
                if rows.len() == limit {
                    return Ok(Sheet { columns: EMPLOYEES, rows, next: after.map(|id| id.to_string()) });
                }
            }
            if is_last || read >= MAX_READ {
                let next = after.filter(|_| !is_last).map(|id| id.to_string());
                return Ok(Sheet { columns: EMPLOYEES, rows, next });
            }
        }
    }

    fn employee_row(&self, person: &Person, user: Option<&User>) -> Vec<Value> {
        let is_seen = |company: &&Scope| self.seen_places.as_ref().is_none_or(|places| (places.scope)(company));
        let companies: Vec<&str> = person.companies.iter().filter(is_seen).map(Scope::slug).collect();
        vec![
            person.id.to_string().into(),
            person.number.as_str().into(),
            person.first_name.as_str().into(),
            person.last_name.as_str().into(),
            person.email.as_deref().into(),
            companies.into(),
            user.map(|user| user.user_name.as_str()).into(),
            user.map(|user| word(user.status)).into(),
            person.created.to_string().into(),
        ]
    }

    /// Every user with status, source, the roles that are held now, seats, last sign-in, lock and password.
    ///
    /// # Errors
    /// When something cannot be read.
    pub async fn users(&self, after: Option<UserId>, limit: usize) -> Result<Sheet, Error> {
        let users: Vec<User> = self.directory.list_users(after, limit).await?;
        let ids: Vec<UserId> = users.iter().map(|user| user.id).collect();
        let sign_ins = self.sessions.last_sign_ins(&ids).await?;
        let next = users.last().filter(|_| users.len() == limit).map(|user| user.id.to_string());
        let mut names = Names::default();
        let mut rows = Vec::with_capacity(users.len());
        for (user, sign_in) in users.iter().zip(sign_ins).filter(|(user, _)| (self.seen)(user)) {
            rows.push(self.user_row(user, sign_in, &mut names).await?);
        }
        Ok(Sheet { columns: USERS, rows, next })
    }

    async fn user_row(&self, user: &User, sign_in: Option<Timestamp>, names: &mut Names) -> Result<Vec<Value>, Error> {
        let (roles, now) = (self.access.roles(), self.clock.now());
        let held = self.held(user.id).await?;
        let held: Vec<&Held> = held.iter().filter(|held| holds(held, now)).collect();
        names.learn_groups(&self.directory, held.iter().filter_map(|held| held.groups.last().copied())).await?;
        let (direct, by_group): (Vec<&Held>, Vec<&Held>) = held.iter().partition(|held| held.groups.is_empty());
        let direct: Vec<String> = direct.into_iter().map(placed).collect();
        let through = |held: &Held| {
            let group = held.groups.last().map(|group| format!(" by {}", names.group(*group))).unwrap_or_default();
            placed(held) + &group
        };
        let by_group: Vec<String> = by_group.into_iter().map(through).collect();
        let seats = if user.status == Status::Active { seats(&held, &roles) } else { 0 };
        let lock = self.lockout.find(user.id).await?;
        let password = self.credentials.find(user.id).await?;
        Ok(vec![
            user.id.to_string().into(),
            user.user_name.as_str().into(),
            user.display_name().into(),
            user.email().into(),
            word(user.status).into(),
            shown(user.owner.as_ref()),
            direct.into(),
            by_group.into(),
            seats.into(),
            time(sign_in),
            lock.map_or(0, |lock| lock.failures).into(),
            time(lock.and_then(|lock| lock.locked_until)),
            password.is_some().into(),
            user.created.to_string().into(),
        ])
    }

    /// Who was deactivated, and who is known to have signed in neither within so many days nor before, with an account that
    /// is older than that. A page may hold fewer than asked although there are more.
    ///
    /// # Errors
    /// When something cannot be read.
    pub async fn inactive(&self, after: Option<UserId>, limit: usize, days: u32) -> Result<Sheet, Error> {
        let before = days_before(self.clock.now(), days);
        let (mut rows, mut after, mut read) = (Vec::new(), after, 0);
        loop {
            let users: Vec<User> = self.directory.list_users(after, CHUNK).await?;
            let is_last = users.len() < CHUNK;
            read += users.len();
            let ids: Vec<UserId> = users.iter().map(|user| user.id).collect();
            for (user, sign_in) in users.iter().zip(self.sessions.last_sign_ins(&ids).await?) {
                after = Some(user.id);
                if !(self.seen)(user) {
                    continue;
                }
                if let Some(why) = why_inactive(user, sign_in, before, days) {
                    rows.push(inactive_row(user, sign_in, why));
                }
                if rows.len() == limit {
                    return Ok(Sheet { columns: INACTIVE, rows, next: after.map(|id| id.to_string()) });
                }
            }
            if is_last || read >= MAX_READ {
                let next = after.filter(|_| !is_last).map(|id| id.to_string());
                return Ok(Sheet { columns: INACTIVE, rows, next });
            }
        }
    }

    /// What a user holds, directly and through groups, whatever its time. Nothing for who was deleted meanwhile.
    pub(super) async fn held(&self, user: UserId) -> Result<Vec<Held>, Error> {
        match self.access.standing(user).await {
            Ok(standing) => self.only_seen(standing.held.clone()).await,
            Err(crate::access::Error::NotFound { .. }) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Reports {
    /// Without what was given in scopes or by groups that whoever asks does not see.
    async fn only_seen(&self, mut held: Vec<Held>) -> Result<Vec<Held>, Error> {
        let Some(places) = &self.seen_places else { return Ok(held) };
        held.retain(|held| held.grant.scope.as_ref().is_none_or(|scope| (places.scope)(scope)));
        let seen = self.seen_groups(held.iter().flat_map(|held| held.groups.iter().copied())).await?;
        held.retain(|held| held.groups.iter().all(|group| seen.contains(group)));
        Ok(held)
    }

    /// Those of the groups that whoever asks sees.
    pub(super) async fn seen_groups(&self, groups: impl Iterator<Item = GroupId>) -> Result<BTreeSet<GroupId>, Error> {
        let all: BTreeSet<GroupId> = groups.collect();
        let Some(places) = &self.seen_places else { return Ok(all) };
        let groups = self.directory.groups_by_id(&all.into_iter().collect::<Vec<_>>()).await?;
        Ok(groups.iter().filter(|group| (places.group)(group)).map(|group| group.id).collect())
    }
}

fn why_inactive(user: &User, sign_in: Option<Timestamp>, before: Timestamp, days: u32) -> Option<String> {
    match (user.status, sign_in) {
        (Status::Active | Status::Invited, None) if user.created < before => Some("no sign-in is known".to_owned()),
        (Status::Active | Status::Invited, Some(at)) if at < before => Some(format!("no sign-in for {days} days")),
        (Status::Active | Status::Invited, _) => None,
        (Status::Inactive | Status::Tombstone, _) => Some("deactivated".to_owned()),
    }
}

fn inactive_row(user: &User, sign_in: Option<Timestamp>, why: String) -> Vec<Value> {
    vec![
        user.id.to_string().into(),
        user.user_name.as_str().into(),
        user.display_name().into(),
        word(user.status).into(),
        shown(user.owner.as_ref()),
        time(sign_in),
        user.created.to_string().into(),
        why.into(),
    ]
}

/// Whether a grant holds now, as far as its time goes.
pub(super) fn holds(held: &Held, now: Timestamp) -> bool {
    held.grant.starts.is_none_or(|starts| starts <= now) && held.grant.ends.is_none_or(|ends| now < ends)
}

/// `editor`, `editor in department:finance`.
fn placed(held: &Held) -> String {
    let place = held.grant.scope.as_ref().map(|scope: &Scope| format!(" in {scope}")).unwrap_or_default();
    format!("{}{place}", held.grant.role)
}

/// The dearest of somebody's roles counts, once.
fn seats(held: &[&Held], roles: &RoleBook) -> u32 {
    let seat = |held: &&Held| roles.find(&held.grant.role).filter(|entry| entry.kind != RoleKind::Flag).map(|e| e.seat);
    held.iter().filter_map(seat).max().unwrap_or(0)
}
