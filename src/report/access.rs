//! The report `access`: who has what, where, since when, why and until when; and what one user may see of that.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::names::{Names, user_of};
use super::people::holds;
use super::sheet::{shown, time};
use super::{Error, Reports, Sheet, word};
use crate::access::RoleBook;
use crate::access::policy::Held;
use crate::audit::Filter;
use crate::clock::Timestamp;
use crate::directory::Member;
use crate::model::{GroupId, Membership, Mode, Origin, Status, User, UserId};

const ACCESS: &[&str] = &[
    "user_id",
    "user",
    "display_name",
    "status",
    "source",
    "role",
    "role_name",
    "scope",
    "mode",
    "through",
    "since",
    "granted",
    "member_since",
    "origin",
    "rule",
    "by",
    "reason",
    "starts",
    "ends",
    "state",
    "grant",
];

/// Users read at a time: few, since each may hold many grants.
const AT_A_TIME: usize = 50;
/// Most users that one page looks at for some who hold anything.
const MAX_LOOKED_AT: usize = 500;
/// Entries of the ledger that one page of somebody's history reads.
const MAX_HISTORY_READ: u64 = 1_000;

impl Reports {
    /// One row for each user and grant, through groups included. A page ends with the user at whom it has `limit` rows, so
    /// that it may hold some more; and it may hold fewer although there are more.
    ///
    /// # Errors
    /// When something cannot be read.
    pub async fn access(&self, after: Option<UserId>, limit: usize) -> Result<Sheet, Error> {
        let mut names = Names::default();
        let (mut rows, mut after, mut looked_at) = (Vec::new(), after, 0);
        loop {
            let users: Vec<User> = self.directory.list_users(after, AT_A_TIME).await?;
            let is_last = users.len() < AT_A_TIME;
            for (index, user) in users.iter().enumerate() {
                after = Some(user.id);
                looked_at += 1;
                if (self.seen)(user) {
                    rows.extend(self.access_of(user, &mut names).await?);
                }
                let is_end = is_last && index + 1 == users.len();
                if (rows.len() >= limit || looked_at >= MAX_LOOKED_AT) && !is_end {
                    return Ok(Sheet { columns: ACCESS, rows, next: after.map(|id| id.to_string()) });
                }
            }
            if is_last {
                return Ok(Sheet { columns: ACCESS, rows, next: None });
            }
        }
    }

    /// The rows of one user.
    ///
    /// # Errors
    /// When something cannot be read.
    pub async fn access_of_one(&self, user: &User) -> Result<Sheet, Error> {
        let rows = self.access_of(user, &mut Names::default()).await?;
        Ok(Sheet { columns: ACCESS, rows, next: None })
    }

    pub(super) async fn access_of(&self, user: &User, names: &mut Names) -> Result<Vec<Vec<Value>>, Error> {
        let held = self.held(user.id).await?;
        if held.is_empty() {
            return Ok(Vec::new());
        }
        let mut direct: BTreeMap<GroupId, Membership> = BTreeMap::new();
        if held.iter().any(|held| !held.groups.is_empty()) {
            direct.extend(self.directory.groups_of(Member::User(user.id)).await?);
        }
        names.learn_groups(&self.directory, held.iter().flat_map(|held| held.groups.iter().copied())).await?;
        let makers = held.iter().filter_map(|held| user_of(held.grant.maker.as_deref()?));
        names.learn_people(&self.directory, makers).await?;
        let (roles, now) = (self.access.roles(), self.clock.now());
        Ok(held.iter().map(|held| row(user, held, &direct, names, &roles, now)).collect())
    }

    /// What was given to a user and taken from them, newest first, and the position in the ledger to go on from. A page
    /// may hold fewer than asked, or nothing, although there are more.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn history(
        &self,
        user: UserId,
        before: Option<u64>,
        limit: usize,
    ) -> Result<(Vec<Value>, Option<u64>), Error> {
        let target = Some(format!("user:{user}"));
        let filter = Filter { action: Some("grant.*".to_owned()), target, ..Filter::default() };
        let page = self.ledger.list_within(&filter, before, limit, MAX_HISTORY_READ).await?;
        let mut names = Names::default();
        let actors = page.entries.iter().filter_map(|entry| user_of(&entry.event.actor));
        names.learn_people(&self.directory, actors).await?;
        let show = |entry: &crate::audit::Entry| {
            let detail = |name: &str| {
                let found = entry.event.details.iter().find(|(known, _)| known == name);
                found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
            };
            json!({
                "at": entry.event.at.to_string(),
                "action": entry.event.kind.name(),
                "role": detail("role"),
                "scope": detail("scope").filter(|scope| *scope != "organisation"),
                "by": names.actor(&entry.event.actor),
                "reason": detail("reason"),
                "rule": detail("rule"),
                "ends": detail("ends"),
                "grant": detail("grant"),
            })
        };
        Ok((page.entries.iter().map(show).collect(), page.next))
    }
}

fn row(
    user: &User,
    held: &Held,
    direct: &BTreeMap<GroupId, Membership>,
    names: &Names,
    roles: &RoleBook,
    now: Timestamp,
) -> Vec<Value> {
    let grant = &held.grant;
    let through: Vec<String> = held.groups.iter().map(|group| names.group(*group)).collect();
    let member_since = held.groups.first().and_then(|group| direct.get(group)).map(|membership| membership.since);
    // Somebody has it from the later of the two on; not known when it was made, not known at all.
    let since = grant.made.map(|made| member_since.map_or(made, |joined| joined.max(made)));
    let (origin, rule, reason) = origin(&grant.origin);
    let entry = roles.find(&grant.role);
    let state = match (user.status, entry) {
        (_, None) => "the role is not defined".to_owned(),
        (Status::Active, Some(_)) if holds(held, now) => "holds".to_owned(),
        (Status::Active, Some(_)) if grant.ends.is_some_and(|ends| ends <= now) => "has ended".to_owned(),
        (Status::Active, Some(_)) => "has not started".to_owned(),
        (status, Some(_)) => format!("the account is {}", word(status)),
    };
    vec![
        user.id.to_string().into(),
        user.user_name.as_str().into(),
        user.display_name().into(),
        word(user.status).into(),
        shown(user.owner.as_ref()),
        grant.role.to_string().into(),
        entry.map_or(Value::Null, |entry| entry.role.name.as_str().into()),
        shown(grant.scope.as_ref()),
        mode(grant.mode).into(),
        through.into(),
        time(since),
        time(grant.made),
        time(member_since),
        origin.into(),
        rule.into(),
        grant.maker.as_deref().map(|maker| names.actor(maker)).into(),
        reason.into(),
        time(grant.starts),
        time(grant.ends),
        state.into(),
        grant.id.to_string().into(),
    ]
}

pub(super) const fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Add => "add",
        Mode::Override => "override",
    }
}

/// What made a grant, by which rule, for which reason.
pub(super) fn origin(origin: &Origin) -> (&'static str, Option<String>, Option<&str>) {
    match origin {
        Origin::ByHand(reason) => ("by hand", None, Some(reason.as_str()).filter(|reason| !reason.is_empty())),
        Origin::Rule(source, position) => ("rule", Some(format!("{source} at {position}")), None),
    }
}
