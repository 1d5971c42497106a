//! The brake: what a plan takes away, and whether that is more than a directory loses in its ordinary life. Empty and
//! halved directories are mostly broken permissions, wrong filters or servers in repair.

use std::collections::{BTreeMap, BTreeSet};

use crate::audit::EventKind;
use crate::config::Percent;
use crate::directory::{Member, Rules, rule_record};
use crate::model::{Attributes, Group, GroupId, OrganisationId, SourceId, UserName};

use super::membership::Membership;
use super::plan::attributes_of;
use super::{Existing, MemberRef, Plan, Snapshot};

/// What an administrator does about a refusal.
pub const ADVICE: &str = "Look at the directory server first: permissions of the service account, base and filter. If \
     people and groups are really gone, raise `guard` of the source, run the sync once and put the limit back";

/// Members that a mapped role may lose, or gain, in one run in any case.
const ROLE_AT_LEAST: u64 = 5;
/// For one person who may go in any case, so many memberships of people who stay may.
const MEMBERSHIPS_EACH: u64 = 10;
/// Most groups that a refusal names.
const NAMED: usize = 5;
/// The share of its members that a mapped role may lose, or gain, in one run.
const ROLE_SHARE: Percent = Percent::whole(20);

/// How much one run may take away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The share of known people, of known groups, and of memberships that one run may remove; of inactive people, that
    /// it may make active again.
    pub removals: Percent,
    /// Up to this number that is always allowed.
    pub at_least: u64,
}

/// Five per cent, and ten in any case.
impl Default for Limits {
    fn default() -> Self {
        Self { removals: Percent::whole(5), at_least: 10 }
    }
}

impl Limits {
    /// The limit that is broken when `concerned` of `total` would go, in words.
    fn over(&self, what: &str, would: &str, concerned: u64, total: u64, at_least: u64) -> Option<String> {
        let allowed = at_least.max(self.removals.of(total));
        if concerned > allowed {
            return Some(format!("{concerned} of {total} {what} would {would}, {allowed} are allowed"));
        }
        let is_half = concerned > self.at_least && concerned.saturating_mul(2) > total;
        is_half.then(|| format!("more than half of {what} would {would}: {concerned} of {total}"))
    }

    /// Whether an administrator says that all of them may go.
    fn all_may_go(&self, total: u64) -> bool {
        self.removals.of(total) == total
    }
}

/// What a plan does to those who were there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// Active people before.
    pub people: u64,
    /// Of them, those who become inactive.
    pub people_removed: u64,
    /// Inactive people before, those apart whom an administrator disabled.
    pub people_inactive: u64,
    /// Of them, those who become active again.
    pub people_reactivated: u64,
    /// People in the snapshot, usable or not.
    pub people_found: u64,
    /// Groups before.
    pub groups: u64,
    /// Groups in the snapshot, usable or not.
    pub groups_found: u64,
    /// Of those that are deleted, the names of those with which something goes that the source did not bring.
    pub groups_held: BTreeSet<String>,
    /// Of them, those that are deleted.
    pub groups_removed: u64,
    /// Direct memberships before.
    pub memberships: u64,
    /// Of them, those that go although group and member stay.
    pub memberships_removed: u64,
    /// By role and place, what happens to those who have it by rules.
    pub roles: BTreeMap<String, RoleEffect>,
}

/// What a plan does to a mapped role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoleEffect {
    /// How many active people have it before.
    pub members: u64,
    /// Of them, those who lose it.
    pub lost: u64,
    /// Of those, who lose it because they become inactive.
    pub left: u64,
    /// How many people who are active before and after get it.
    pub gained: u64,
    /// How many have it afterwards, new people included.
    pub after: u64,
}

impl Effect {
    /// What `plan` does.
    /// `held` are groups with which something would go that the source did not bring.
    pub fn of(
        source: &SourceId,
        rules: &Rules,
        existing: &Existing,
        snapshot: &Snapshot,
        plan: &Plan,
        held: &BTreeSet<GroupId>,
    ) -> Self {
        let steps = |kind: EventKind| count(plan.people.iter().filter(|step| step.kind == kind).count());
        Self {
            people: count(existing.active(source).count()),
            people_removed: steps(EventKind::UserDeactivated),
            people_inactive: count(existing.inactive(source).count()),
            people_reactivated: steps(EventKind::UserActivated),
            people_found: count(snapshot.people.len()),
            groups: count(existing.groups.len()),
            groups_found: count(snapshot.groups.len()),
            groups_held: plan
                .deleted_groups
                .iter()
                .filter(|(id, _)| held.contains(id))
                .map(|(_, name)| name.to_string())
                .collect(),
            groups_removed: count(plan.deleted_groups.len()),
            memberships: existing.groups.values().map(|known| count(known.members.len())).sum(),
            memberships_removed: memberships_removed(plan),
            roles: if rules.any_for(source) { roles(source, rules, existing, snapshot, plan) } else { BTreeMap::new() },
        }
    }

    /// Every limit that is broken, in words; none when the plan may be applied.
    pub fn check(&self, limits: &Limits) -> Vec<String> {
        let mut reasons = self.check_people(limits);
        let groups = self.groups_removed;
        if self.groups > 0 && self.groups_found == 0 && !limits.all_may_go(self.groups) {
            reasons.push(format!("the source shows no groups at all, and {groups} would go"));
        } else {
            reasons.extend(limits.over("groups", "go", groups, self.groups, limits.at_least));
        }
        if !self.groups_held.is_empty() && !limits.all_may_go(self.groups) {
            let names: Vec<String> = self.groups_held.iter().take(NAMED).map(|name| format!("`{name}`")).collect();
            let (number, names) = (self.groups_held.len(), names.join(", "));
            reasons.push(format!(
                "{number} groups would go that were given something here, or put into a group of somebody else: {names}; \
                 take that from them if they are really gone"
            ));
        }
        let at_least = limits.at_least.saturating_mul(MEMBERSHIPS_EACH);
        reasons.extend(limits.over("memberships", "go", self.memberships_removed, self.memberships, at_least));
        for (role, effect) in &self.roles {
            reasons.extend(effect.check(role, limits));
        }
        reasons
    }

    /// Of those limits the ones that people break: where one is broken, the source may not show everybody.
    pub fn check_people(&self, limits: &Limits) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.people_found == 0 {
            reasons.push("the source shows no people at all".to_owned());
        }
        reasons.extend(limits.over("people", "go", self.people_removed, self.people, limits.at_least));
        let (back, inactive) = (self.people_reactivated, self.people_inactive);
        reasons.extend(limits.over("inactive people", "become active again", back, inactive, limits.at_least));
        reasons
    }
}

impl RoleEffect {
    /// The limit that is broken, in words.
    fn check(&self, role: &str, limits: &Limits) -> Option<String> {
        let Self { members, lost, left, gained, after } = *self;
        let allowed = ROLE_AT_LEAST.max(ROLE_SHARE.of(members)).max(limits.removals.of(members));
        if lost > allowed {
            return Some(format!("{lost} of {members} people would lose the role {role}, {allowed} may"));
        }
        if members > 0 && gained > allowed {
            return Some(format!("{gained} people would gain the role {role}, which {members} have; {allowed} may"));
        }
        // Who leaves takes roles along; that a group or a rule stops giving one to anybody is mostly a mistake.
        let is_emptied = members > 0 && after == 0 && lost > left;
        (is_emptied && !limits.all_may_go(members))
            .then(|| format!("nobody would have the role {role} any more, which {members} have"))
    }
}

/// How many memberships go of people and groups that stay, in groups that stay. Those of leavers and of deleted groups
/// are counted with them.
fn memberships_removed(plan: &Plan) -> u64 {
    let leavers = plan.people.iter().filter(|step| step.kind == EventKind::UserDeactivated);
    let gone: BTreeSet<Member> = leavers
        .filter_map(|step| step.user.map(Member::User))
        .chain(plan.deleted_groups.iter().map(|(id, _)| Member::Group(*id)))
        .collect();
    let removed = plan.groups.iter().flat_map(|step| &step.removed);
    count(removed.filter(|member| !gone.contains(member)).count())
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Who has which role by rules before and after.
fn roles(
    source: &SourceId,
    rules: &Rules,
    existing: &Existing,
    snapshot: &Snapshot,
    plan: &Plan,
) -> BTreeMap<String, RoleEffect> {
    let before = Side::before(existing);
    let after = Side::after(existing, snapshot);
    let changed: BTreeMap<&str, _> = plan.people.iter().map(|step| (step.external_id.as_str(), step)).collect();
    let mut roles: BTreeMap<String, RoleEffect> = BTreeMap::new();
    for (id, user) in existing.active(source) {
        let had = before.roles(source, rules, id, &user.attributes, &user.user_name);
        let (leaves, has) = match changed.get(id.as_str()) {
            Some(step) if step.kind == EventKind::UserDeactivated => (true, Vec::new()),
            Some(step) => (false, after.roles(source, rules, id, &step.record.attributes, &step.record.user_name)),
            None => (false, after.roles(source, rules, id, &user.attributes, &user.user_name)),
        };
        for role in &had {
            let lost = u64::from(!has.contains(role));
            let effect = roles.entry(role.clone()).or_default();
            effect.members += 1;
            effect.lost += lost;
            effect.left += if leaves { lost } else { 0 };
        }
        for role in has {
            let gained = u64::from(!had.contains(&role));
            let effect = roles.entry(role).or_default();
            effect.gained += gained;
            effect.after += 1;
        }
    }
    let arrivals = plan.people.iter().filter(|step| arrives(step.kind));
    for step in arrivals {
        for role in after.roles(source, rules, &step.external_id, &step.record.attributes, &step.record.user_name) {
            roles.entry(role).or_default().after += 1;
        }
    }
    roles
}

/// Whether a step makes somebody active who was not.
fn arrives(kind: EventKind) -> bool {
    matches!(kind, EventKind::UserActivated | EventKind::UserCreated)
}

/// Groups and memberships on one side of a plan.
struct Side<'a> {
    groups: BTreeMap<&'a str, Group>,
    membership: Membership<'a>,
}

impl<'a> Side<'a> {
    fn before(existing: &'a Existing) -> Self {
        let (people, groups) = (existing.people_by_id(), existing.groups_by_id());
        let mut membership = Membership::default();
        for (id, known) in &existing.groups {
            for member in &known.members {
                match member {
                    Member::Group(member) => {
                        if let Some(member) = groups.get(member) {
                            membership.add_group(member, id);
                        }
                    }
                    Member::User(member) => {
                        if let Some(member) = people.get(member) {
                            membership.add_person(member, id);
                        }
                    }
                }
            }
        }
        let groups = existing.groups.iter().map(|(id, known)| (id.as_str(), known.group.clone())).collect();
        Self { groups, membership }
    }

    fn after(existing: &'a Existing, snapshot: &'a Snapshot) -> Self {
        let mut side = Self { groups: BTreeMap::new(), membership: Membership::default() };
        for (id, found) in &snapshot.groups {
            let known = existing.groups.get(id).map(|known| known.group.clone());
            let group = match (&found.name, known) {
                (Ok(name), known) => Group {
                    id: known.as_ref().map_or(GroupId::from_bytes([0; 16]), |known| known.id),
                    organisation: OrganisationId::DEFAULT,
                    name: name.clone(),
                    owner: None,
                    external_id: Some(id.clone()),
                    attributes: attributes_of(found),
                    created: known.as_ref().map(|known| known.created).unwrap_or_default(),
                    changed: known.as_ref().map(|known| known.changed).unwrap_or_default(),
                    revision: 0,
                    companies: None,
                    rule: None,
                },
                // It keeps its name.
                (Err(_), Some(known)) => Group { attributes: attributes_of(found), ..known },
                (Err(_), None) => continue,
            };
            side.groups.insert(id, group);
            for member in &found.members {
                match member {
                    MemberRef::Group(member) => side.membership.add_group(member, id),
                    MemberRef::Person(member) => side.membership.add_person(member, id),
                }
            }
        }
        side
    }

    fn roles(
        &self,
        source: &SourceId,
        rules: &Rules,
        person: &str,
        attributes: &Attributes,
        name: &UserName,
    ) -> Vec<String> {
        let groups = self.membership.groups_of(person);
        let groups = groups.iter().filter_map(|id| self.groups.get(id));
        let record = rule_record(attributes, name, groups);
        let mut roles: Vec<String> = rules
            .wanted(source, &record)
            .into_iter()
            .map(|grant| match grant.scope {
                Some(scope) => format!("`{}` at {scope}", grant.role),
                None => format!("`{}`", grant.role),
            })
            .collect();
        roles.sort();
        roles.dedup();
        roles
    }
}

#[cfg(test)]
mod tests;
