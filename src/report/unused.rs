//! Rights that are held and not used, and a ledger that nobody reads: of those who administer by name, of everybody else by role.
//!
//! Only what is held for the whole time counts, by a grant and by memberships that are at least as old, of an account that is.
//! Of a role whose holders are too many to look at, what nobody at all has used is known all the same. Before uses were
//! recorded for as long, nothing is told.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::posture::{Finding, Severity};
use super::{Error, Reports, days_before, of_days};
use crate::access::{ADMINISTRATION, Catalogue, RoleBook};
use crate::clock::Timestamp;
use crate::directory::Member;
use crate::model::{Grant, GroupId, Permission, RoleId, Status, Subject, User, UserId};

/// Most holders of one role that are looked at; memberships that are too young count too.
const MAX_HOLDERS: usize = 2_000;
/// Most holders of all roles together.
const MAX_HELD: usize = 50_000;
/// Most people who administer that are looked at.
const MAX_ADMINISTERING: usize = 500;
/// What it takes to read the ledger.
const TO_READ_THE_LEDGER: [&str; 2] = ["audit:read", "audit:export"];
/// Most rights that are named of one role or person.
const MAX_NAMED: usize = 12;

/// How far back it is known what was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Days that were asked about.
    pub days: u32,
    /// Since when every use was recorded.
    pub since: Option<Timestamp>,
    /// When as many days will be known; in the past where they are.
    pub known_from: Option<Timestamp>,
    /// Whether they are.
    pub is_enough: bool,
}

impl Recorded {
    fn new(since: Option<Timestamp>, days: u32, now: Timestamp) -> Self {
        let known_from = since.map(|since| since.plus(of_days(days)));
        Self { days, since, known_from, is_enough: known_from.is_some_and(|known| known <= now) }
    }

    /// `days`, `recorded_since`, `known_from` and `enough`.
    pub(super) fn to_json(self) -> Value {
        json!({
            "days": self.days,
            "recorded_since": self.since.map(|since| since.to_string()),
            "known_from": self.known_from.map(|known| known.to_string()),
            "enough": self.is_enough,
        })
    }
}

/// A role, and the grants of it that hold now.
pub(super) struct Held {
    pub(super) role: RoleId,
    pub(super) grants: Vec<Grant>,
    /// Whether there are more of them.
    pub(super) is_cut: bool,
}

/// Who holds a role for the whole time.
struct Holders {
    people: BTreeSet<UserId>,
    /// Whether there are more than were looked at.
    is_more: bool,
}

/// An active account that is old enough, and the rights that it used in the time.
struct Holder {
    name: String,
    used: Rights,
}

/// The rights of a catalogue, by a number each: of many people little is kept.
struct Numbers(BTreeMap<Permission, usize>);

impl Numbers {
    fn new(catalogue: &Catalogue) -> Self {
        Self(catalogue.iter().enumerate().map(|(number, right)| (right, number)).collect())
    }

    fn of<'r>(&self, rights: impl Iterator<Item = &'r Permission>) -> Rights {
        let mut found = Rights::default();
        rights.filter_map(|right| self.0.get(right)).for_each(|number| found.insert(*number));
        found
    }

    fn has(&self, rights: &Rights, right: &Permission) -> bool {
        self.0.get(right).is_some_and(|number| rights.contains(*number))
    }
}

/// Some of the rights of a catalogue, a bit for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Rights(Vec<u64>);

impl Rights {
    fn place(number: usize) -> (usize, u64) {
        (number / 64, 1 << (number % 64))
    }

    fn insert(&mut self, number: usize) {
        let (word, bit) = Self::place(number);
        if self.0.len() <= word {
            self.0.resize(word.saturating_add(1), 0);
        }
        if let Some(word) = self.0.get_mut(word) {
            *word |= bit;
        }
    }

    fn contains(&self, number: usize) -> bool {
        let (word, bit) = Self::place(number);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    fn extend(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word |= other);
    }

    /// Whether there is one that is in both.
    fn meets(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).any(|(word, other)| word & other != 0)
    }
}

/// What was found of one role.
struct OfRole {
    role: RoleId,
    holders: usize,
    /// How many of them used any of it; `None` where they are too many.
    using: Option<usize>,
    /// What nobody used.
    unused: Vec<Permission>,
}

impl Reports {
    /// What the holders of these roles, by these grants, did not use for so many days; and whether everything was looked at.
    pub(super) async fn of_uses(
        &self,
        roles: &RoleBook,
        held: &[Held],
        days: u32,
    ) -> Result<(Vec<Finding>, Recorded, bool), Error> {
        let now = self.clock.now();
        let recorded = Recorded::new(self.access.uses().recorded_since().await?, days, now);
        if !recorded.is_enough {
            return Ok((Vec::new(), recorded, true));
        }
        let since = days_before(now, days);
        let numbers = Numbers::new(roles.catalogue());
        let anybody = self.access.uses().of_anybody(roles.catalogue()).await?;
        let anybody = numbers.of(anybody.since(since));
        let mut known: BTreeMap<UserId, Option<Holder>> = BTreeMap::new();
        let mut administering: BTreeMap<UserId, BTreeSet<Permission>> = BTreeMap::new();
        let (mut found, mut is_complete) = (Vec::new(), true);
        for Held { role, grants, is_cut } in held {
            let rights: Vec<Permission> = roles.rights(role).into_iter().flatten().map(|(right, _)| right).collect();
            let limit = MAX_HOLDERS.min(MAX_HELD.saturating_sub(known.len()));
            if rights.is_empty() || grants.is_empty() {
                continue;
            }
            let mut holders = self.holders(grants, since, limit).await?;
            holders.is_more |= is_cut;
            self.learn(&holders.people, since, &numbers, &mut known).await?;
            let people: Vec<(&UserId, &Holder)> =
                holders.people.iter().filter_map(|id| Some((id, known.get(id)?.as_ref()?))).collect();
            let to_administer: Vec<&Permission> = rights.iter().filter(|right| administers(right)).collect();
            if !to_administer.is_empty() {
                is_complete &= !holders.is_more;
                for (user, _) in &people {
                    administering.entry(**user).or_default().extend(to_administer.iter().map(|right| (*right).clone()));
                }
            }
            let (of_role, mut used) = (numbers.of(rights.iter()), Rights::default());
            people.iter().for_each(|(_, holder)| used.extend(&holder.used));
            let using = people.iter().filter(|(_, holder)| holder.used.meets(&of_role)).count();
            let used = if holders.is_more { &anybody } else { &used };
            let unused: Vec<Permission> = rights.iter().filter(|right| !numbers.has(used, right)).cloned().collect();
            let using = (!holders.is_more).then_some(using);
            let role = OfRole { role: role.clone(), holders: people.len(), using, unused };
            if role.is_told() {
                found.push(role);
            }
            tokio::task::yield_now().await;
        }
        let mut findings = vec![of_roles(found, days), self.of_the_ledger(since, days).await?];
        findings.push(self.of_administering(&administering, &known, &numbers, days).await?);
        is_complete &= administering.len() <= MAX_ADMINISTERING;
        findings.retain(|finding| finding.count > 0);
        Ok((findings, recorded, is_complete))
    }

    /// Who holds something by these grants since then, at most so many.
    async fn holders(&self, grants: &[Grant], since: Timestamp, limit: usize) -> Result<Holders, Error> {
        let is_old = |grant: &&Grant| [grant.made, grant.starts].into_iter().flatten().all(|at| at <= since);
        let (mut people, mut seen, mut open) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
        for grant in grants.iter().filter(is_old) {
            match grant.subject {
                Subject::User(user) => {
                    people.insert(user);
                }
                Subject::Group(group) => open.push(group),
            }
        }
        let mut looked_at = people.len();
        while let Some(group) = open.pop() {
            if !seen.insert(group) {
                continue;
            }
            if looked_at > limit {
                break;
            }
            looked_at = self.members_since(group, since, limit, looked_at, &mut people, &mut open).await?;
        }
        Ok(Holders { is_more: looked_at > limit, people })
    }

    /// Adds who is in a group since then, and the groups that are; how many rows were looked at by now.
    async fn members_since(
        &self,
        group: GroupId,
        since: Timestamp,
        limit: usize,
        mut looked_at: usize,
        people: &mut BTreeSet<UserId>,
        open: &mut Vec<GroupId>,
    ) -> Result<usize, Error> {
        let mut after = None;
        loop {
            let page = self.directory.member_page(group, after, super::CHUNK).await?;
            after = page.last().map(|(member, _)| *member);
            looked_at = looked_at.saturating_add(page.len());
            for (member, membership) in &page {
                match member {
                    _ if membership.since > since => {}
                    Member::Group(nested) => open.push(*nested),
                    Member::User(user) => {
                        people.insert(*user);
                    }
                }
            }
            if page.len() < super::CHUNK || looked_at > limit {
                return Ok(looked_at);
            }
        }
    }

    /// Reads who of these people is active and old enough, and what each used in the time.
    async fn learn(
        &self,
        people: &BTreeSet<UserId>,
        since: Timestamp,
        numbers: &Numbers,
        known: &mut BTreeMap<UserId, Option<Holder>>,
    ) -> Result<(), Error> {
        let new: Vec<UserId> = people.iter().filter(|user| !known.contains_key(user)).copied().collect();
        for ids in new.chunks(super::CHUNK) {
            let users: Vec<User> = self.directory.users_by_id(ids).await?;
            let last = self.access.uses().of_people(ids).await?;
            for (id, last) in ids.iter().zip(last) {
                let user = users.iter().find(|user| user.id == *id);
                let user = user.filter(|user| user.status == Status::Active && user.created <= since);
                let used = numbers.of(last.since(since));
                known.insert(*id, user.map(|user| Holder { name: user.user_name.as_str().to_owned(), used }));
            }
        }
        Ok(())
    }

    /// Whether nobody read the ledger, and nothing that carries it elsewhere.
    async fn of_the_ledger(&self, since: Timestamp, days: u32) -> Result<Finding, Error> {
        let mut last: Option<Timestamp> = None;
        for text in TO_READ_THE_LEDGER {
            if let Ok(permission) = text.parse::<Permission>() {
                last = last.max(self.access.uses().last(&permission).await?);
            }
        }
        // Of the first day it is not known at which hour.
        let items = match last {
            Some(last) if last.plus(of_days(1)) > since => Vec::new(),
            Some(last) => vec![format!("last read on the day of {last}")],
            None => vec!["not read as long as that is known".to_owned()],
        };
        Ok(Finding::new(
            "unread-ledger",
            Severity::Warning,
            items,
            &format!("ledger was read by nobody for {days} days"),
            "look through it: `cleargate audit tail --last 30d`, or let a program fetch it",
        ))
    }

    /// Who may administer and did not, by name; those first who used nothing of it.
    async fn of_administering(
        &self,
        administering: &BTreeMap<UserId, BTreeSet<Permission>>,
        known: &BTreeMap<UserId, Option<Holder>>,
        numbers: &Numbers,
        days: u32,
    ) -> Result<Finding, Error> {
        let mut told = Vec::new();
        for (user, rights) in administering.iter().take(MAX_ADMINISTERING) {
            let Some(Some(holder)) = known.get(user) else { continue };
            let unused: Vec<&Permission> = rights.iter().filter(|right| !numbers.has(&holder.used, right)).collect();
            if unused.is_empty() {
                continue;
            }
            // What a role gives, another one may deny.
            let levels = self.access.effective(*user).await?;
            let may = |asked: &Permission| {
                levels.iter().flat_map(|level| &level.permissions).any(|right| right.permission == *asked)
            };
            let unused: Vec<&Permission> = unused.into_iter().filter(|right| may(right)).collect();
            if !unused.is_empty() {
                let is_idle = unused.len() == rights.len();
                told.push((!is_idle, holder.name.clone(), named(unused.into_iter())));
            }
        }
        told.sort();
        let items = told.into_iter().map(|(_, name, rights)| format!("{name}: {rights}")).collect();
        let summary = format!("people who may administer did not use these rights for {days} days");
        Ok(Finding::new(
            "unused-administration",
            Severity::Warning,
            items,
            &summary,
            "give them a narrower role, or take it: `cleargate report access` says by which grant they hold it",
        ))
    }
}

impl OfRole {
    fn is_told(&self) -> bool {
        match self.using {
            Some(using) => self.holders > 0 && (using < self.holders || !self.unused.is_empty()),
            None => !self.unused.is_empty(),
        }
    }

    fn tell(&self) -> String {
        let holders = match (self.using, self.holders) {
            (None, _) => "more holders than are looked at".to_owned(),
            (Some(using), 1) => format!("1 holder, {using} of whom used any of it"),
            (Some(using), holders) => format!("{holders} holders, {using} of whom used any of it"),
        };
        match self.unused.is_empty() {
            true => format!("{}: {holders}", self.role),
            false => format!("{}: {holders}; nobody used {}", self.role, named(self.unused.iter())),
        }
    }
}

fn of_roles(mut found: Vec<OfRole>, days: u32) -> Finding {
    // Those first of which least is used.
    found.sort_by_key(|found| (found.using != Some(0), std::cmp::Reverse(found.unused.len())));
    let items = found.iter().map(OfRole::tell).collect();
    let summary = format!("roles give rights that their holders did not use for {days} days");
    Finding::new(
        "unused-rights",
        Severity::Note,
        items,
        &summary,
        "see whether an application decides by itself, by roles or claims, which is not seen here; else give a narrower role",
    )
}

fn administers(right: &Permission) -> bool {
    ADMINISTRATION.iter().any(|text| *text == right.to_string())
}

/// The first of some rights, and how many more there are.
fn named<'r>(rights: impl ExactSizeIterator<Item = &'r Permission>) -> String {
    let more = rights.len().saturating_sub(MAX_NAMED);
    let named: Vec<String> = rights.take(MAX_NAMED).map(ToString::to_string).collect();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", named.join(", "))
}

#[cfg(test)]
mod tests;
