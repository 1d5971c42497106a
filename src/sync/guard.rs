//! The brake: what a plan takes away, and whether that is more than a directory loses in its ordinary life. Empty and
//! halved directories are mostly broken permissions, wrong filters or servers in repair.

use std::collections::BTreeMap;

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

/// Members that a mapped role may lose in one run in any case.
const ROLE_AT_LEAST: u64 = 5;
/// The share of its members that a mapped role may lose in one run.
const ROLE_SHARE: Percent = Percent::whole(20);

/// How much one run may take away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The share of known people, and of known groups, that one run may remove.
    pub removals: Percent,
    /// Removals up to this number are always allowed.
    pub at_least: u64,
}

/// Five per cent, and ten in any case.
impl Default for Limits {
    fn default() -> Self {
        Self { removals: Percent::whole(5), at_least: 10 }
    }
}

/// What a plan does to those who were there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// Active people before.
    pub people: u64,
    /// Of them, those who become inactive.
    pub people_removed: u64,
    /// People in the snapshot, usable or not.
    pub people_found: u64,
    /// Groups before.
    pub groups: u64,
    /// Of them, those that are deleted.
    pub groups_removed: u64,
    /// By role and place: how many people have it by rules before, and how many of them lose it.
    pub roles: BTreeMap<String, (u64, u64)>,
}

impl Effect {
    /// What `plan` does.
    pub fn of(source: &SourceId, rules: &Rules, existing: &Existing, snapshot: &Snapshot, plan: &Plan) -> Self {
        let removed = plan.people.iter().filter(|step| step.kind == EventKind::UserDeactivated).count();
        Self {
            people: count(existing.active(source).count()),
            people_removed: count(removed),
            people_found: count(snapshot.people.len()),
            groups: count(existing.groups.len()),
            groups_removed: count(plan.deleted_groups.len()),
            roles: if rules.any_for(source) { roles(source, rules, existing, snapshot, plan) } else { BTreeMap::new() },
        }
    }

    /// Every limit that is broken, in words; none when the plan may be applied.
    pub fn check(&self, limits: &Limits) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.people_found == 0 {
            reasons.push("the source shows no people at all".to_owned());
        }
        let mut over = |what: &str, removed: u64, total: u64| {
            let allowed = limits.at_least.max(limits.removals.of(total));
            if removed > allowed {
                reasons.push(format!("{removed} of {total} {what} would go, {allowed} are allowed"));
            } else if removed > limits.at_least && removed.saturating_mul(2) > total {
                reasons.push(format!("more than half of {what} would go: {removed} of {total}"));
            }
        };
        over("people", self.people_removed, self.people);
        over("groups", self.groups_removed, self.groups);
        for (role, (members, lost)) in &self.roles {
            let allowed = ROLE_AT_LEAST.max(ROLE_SHARE.of(*members));
            if *lost > allowed {
                reasons.push(format!("{lost} of {members} people would lose the role {role}, {allowed} may"));
            }
        }
        reasons
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Who has which role by rules before, and how many lose it.
fn roles(
    source: &SourceId,
    rules: &Rules,
    existing: &Existing,
    snapshot: &Snapshot,
    plan: &Plan,
) -> BTreeMap<String, (u64, u64)> {
    let before = Side::before(existing);
    let after = Side::after(existing, snapshot);
    let changed: BTreeMap<&str, _> = plan.people.iter().map(|step| (step.external_id.as_str(), step)).collect();
    let mut roles: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for (id, user) in existing.active(source) {
        let had = before.roles(source, rules, id, &user.attributes, &user.user_name);
        if had.is_empty() {
            continue;
        }
        let has = match changed.get(id.as_str()) {
            Some(step) if step.kind == EventKind::UserDeactivated => Vec::new(),
            Some(step) => after.roles(source, rules, id, &step.record.attributes, &step.record.user_name),
            None => after.roles(source, rules, id, &user.attributes, &user.user_name),
        };
        for role in had {
            let lost = u64::from(!has.contains(&role));
            let entry = roles.entry(role).or_default();
            *entry = (entry.0 + 1, entry.1 + lost);
        }
    }
    roles
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
                },
                // It stays as it is, members included; counting its members by the snapshot is near enough.
                (Err(_), Some(known)) => known,
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
