//! The difference between a snapshot and what the directory holds, as steps. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::audit::{Event, EventKind};
use crate::clock::Timestamp;
use crate::config::TakesOver;
use crate::directory::{self, Authority, Member, SourceRecord, UserPlan};
use crate::model::{Attributes, GroupId, GroupName, SourceId, Status, User, UserId};

use super::{Existing, FoundGroup, KnownGroup, MemberRef, Snapshot};

/// Every step of a run, in the order in which they are taken.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// People, those who lose something first.
    pub people: Vec<PersonStep>,
    /// Groups to create, change, or whose members differ.
    pub groups: Vec<GroupStep>,
    /// Groups to delete, with their names.
    pub deleted_groups: Vec<(GroupId, GroupName)>,
    /// Who and what stays as it is because it cannot be used.
    pub skipped: Vec<Skipped>,
    /// How much of each.
    pub counts: Counts,
}

/// One person.
#[derive(Clone, Debug, PartialEq)]
pub struct PersonStep {
    /// The source's id.
    pub external_id: String,
    /// The account; `None` creates one.
    pub user: Option<UserId>,
    /// What the account shall be.
    pub record: SourceRecord,
    /// What that means.
    pub kind: EventKind,
}

/// One group.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupStep {
    /// The source's id.
    pub external_id: String,
    /// The group; `None` creates one.
    pub group: Option<GroupId>,
    /// Its name.
    pub name: GroupName,
    /// Everything else about it.
    pub attributes: Attributes,
    /// Whether name or attributes differ.
    pub is_changed: bool,
    /// Who joins.
    pub added: Vec<MemberRef>,
    /// Who leaves.
    pub removed: Vec<Member>,
}

/// Somebody or something that was left as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Name of the entry.
    pub dn: String,
    /// Why.
    pub reason: String,
}

/// How much of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Accounts created.
    pub created: usize,
    /// Accounts changed otherwise than in status.
    pub updated: usize,
    /// Accounts made inactive.
    pub deactivated: usize,
    /// Accounts made active again.
    pub reactivated: usize,
    /// Accounts that are as the source says.
    pub unchanged: usize,
    /// Groups created.
    pub groups_created: usize,
    /// Groups with another name or place.
    pub groups_updated: usize,
    /// Groups deleted.
    pub groups_deleted: usize,
    /// Direct memberships added.
    pub memberships_added: usize,
    /// Direct memberships removed, those of deleted groups not counted.
    pub memberships_removed: usize,
}

impl Counts {
    /// How many things are changed.
    pub fn changes(&self) -> usize {
        self.named().into_iter().filter(|(name, _)| *name != "unchanged").map(|(_, count)| count).sum()
    }

    /// Every count by its name.
    pub fn named(&self) -> [(&'static str, usize); 10] {
        [
            ("created", self.created),
            ("updated", self.updated),
            ("deactivated", self.deactivated),
            ("reactivated", self.reactivated),
            ("unchanged", self.unchanged),
            ("groups_created", self.groups_created),
            ("groups_updated", self.groups_updated),
            ("groups_deleted", self.groups_deleted),
            ("memberships_added", self.memberships_added),
            ("memberships_removed", self.memberships_removed),
        ]
    }

    /// The event with every count that is not zero.
    pub(super) fn describe(&self, event: Event) -> Event {
        let counted = self.named().into_iter().filter(|(_, count)| *count > 0);
        counted.fold(event, |event, (name, count)| event.detail(name, count))
    }

    /// Counts one person's step in, or out again.
    pub(super) fn count(&mut self, kind: EventKind) {
        match kind {
            EventKind::UserActivated => self.reactivated += 1,
            EventKind::UserCreated => self.created += 1,
            EventKind::UserDeactivated => self.deactivated += 1,
            _ => self.updated += 1,
        }
    }
}

/// `3 created, 1 deactivated`.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = self.named().into_iter().filter(|(_, count)| *count > 0);
        let texts: Vec<String> = counted.map(|(name, count)| format!("{count} {}", name.replace('_', " "))).collect();
        if texts.is_empty() { f.write_str("nothing") } else { f.write_str(&texts.join(", ")) }
    }
}

/// Plans what makes `existing` what `snapshot` says, in the name of `source`.
pub fn plan(source: &SourceId, snapshot: &Snapshot, existing: &Existing) -> Plan {
    let mut plan = Plan::default();
    let authority =
        Authority::Provisioning { source: source.clone(), exclusive: true, takes_over: TakesOver::default() };
    for (id, person) in &snapshot.people {
        let known = existing.people.get(id);
        let step = match (&person.record, known) {
            (Ok(record), known) => person_step(id, record, known, &authority),
            // Whatever else is wrong with the entry, who is disabled must not keep what others would lose.
            (Err(_), Some(user)) if person.is_disabled && is_active_of(user, source) => Ok(Some(gone((id, user)))),
            (Err(reason), _) => Err(reason.clone()),
        };
        match step {
            Ok(Some(step)) => plan.people.push(step),
            Ok(None) => plan.counts.unchanged += 1,
            Err(reason) => plan.skipped.push(Skipped { dn: person.dn.to_string(), reason }),
        }
    }
    plan.people.extend(existing.active(source).filter(|(id, _)| !snapshot.people.contains_key(*id)).map(gone));
    // Who loses access comes first: if a run breaks off, nobody has kept what another run would have taken.
    plan.people.sort_by_key(|step| match step.kind {
        EventKind::UserDeactivated => 0,
        EventKind::UserCreated => 2,
        _ => 1,
    });
    for step in &plan.people {
        plan.counts.count(step.kind);
    }
    plan_groups(snapshot, existing, &mut plan);
    plan
}

fn is_active_of(user: &User, source: &SourceId) -> bool {
    user.owner.as_ref() == Some(source) && user.status == Status::Active
}

fn person_step(
    id: &str,
    record: &SourceRecord,
    known: Option<&User>,
    authority: &Authority,
) -> Result<Option<PersonStep>, String> {
    // Id and moment of an account that is created are given when it is; here they are of no account.
    let planned = directory::plan(known, record, authority, UserId::from_bytes([0; 16]), Timestamp::default());
    let kind = match planned.map_err(|error| error.to_string())? {
        UserPlan::Nothing => return Ok(None),
        UserPlan::Create(_) => EventKind::UserCreated,
        UserPlan::Change { kind, .. } => kind,
    };
    let user = known.map(|user| user.id);
    Ok(Some(PersonStep { external_id: id.to_owned(), user, record: record.clone(), kind }))
}

/// The step for somebody who is no longer there, or is disabled and cannot be read otherwise: everything stays, the
/// account becomes inactive.
fn gone((id, user): (&String, &User)) -> PersonStep {
    debug_assert!(user.status == Status::Active);
    PersonStep {
        external_id: id.clone(),
        user: Some(user.id),
        record: SourceRecord {
            external_id: Some(id.clone()),
            user_name: user.user_name.clone(),
            active: Some(false),
            attributes: user.attributes.clone(),
        },
        kind: EventKind::UserDeactivated,
    }
}

fn plan_groups(snapshot: &Snapshot, existing: &Existing, plan: &mut Plan) {
    // A person who cannot be created cannot be a member either; one whose account stays as it is stays a member.
    let created = plan.people.iter().filter(|step| step.user.is_none()).map(|step| step.external_id.as_str());
    let people: BTreeSet<&str> = existing.people.keys().map(String::as_str).chain(created).collect();
    let ids = MemberIds { people: existing.people_by_id(), groups: existing.groups_by_id() };
    for (id, found) in &snapshot.groups {
        let known = existing.groups.get(id);
        if let Err(reason) = &found.name {
            plan.skipped.push(Skipped { dn: found.dn.to_string(), reason: reason.clone() });
        }
        // A group that is known keeps its name where the new one cannot be used; who leaves it leaves it all the same.
        let name = found.name.as_ref().ok().or_else(|| known.map(|known| &known.group.name));
        let Some(name) = name else { continue };
        let step = group_step(id, name, found, known, &people, &ids);
        if step.is_changed || !step.added.is_empty() || !step.removed.is_empty() {
            plan.counts.groups_created += usize::from(known.is_none());
            plan.counts.groups_updated += usize::from(known.is_some() && step.is_changed);
            plan.counts.memberships_added += step.added.len();
            plan.counts.memberships_removed += step.removed.len();
            plan.groups.push(step);
        }
    }
    for (id, known) in &existing.groups {
        if !snapshot.groups.contains_key(id) {
            plan.counts.groups_deleted += 1;
            plan.deleted_groups.push((known.group.id, known.group.name.clone()));
        }
    }
}

/// The source's ids of what the directory holds.
struct MemberIds<'a> {
    people: BTreeMap<UserId, &'a str>,
    groups: BTreeMap<GroupId, &'a str>,
}

impl MemberIds<'_> {
    fn find(&self, member: Member) -> Option<MemberRef> {
        match member {
            Member::Group(id) => self.groups.get(&id).map(|id| MemberRef::Group((*id).to_owned())),
            Member::User(id) => self.people.get(&id).map(|id| MemberRef::Person((*id).to_owned())),
        }
    }
}

fn group_step(
    id: &str,
    name: &GroupName,
    found: &FoundGroup,
    known: Option<&KnownGroup>,
    people: &BTreeSet<&str>,
    ids: &MemberIds<'_>,
) -> GroupStep {
    let attributes = attributes_of(found);
    let is_changed = known.is_none_or(|known| known.group.name != *name || known.group.attributes != attributes);
    let can_join = |member: &&MemberRef| match member {
        MemberRef::Group(other) => other != id,
        MemberRef::Person(person) => people.contains(person.as_str()),
    };
    let wanted: BTreeSet<&MemberRef> = found.members.iter().filter(can_join).collect();
    let mut present = BTreeSet::new();
    let mut removed = Vec::new();
    for member in known.iter().flat_map(|known| &known.members) {
        match ids.find(*member) {
            Some(reference) if wanted.contains(&reference) => {
                present.insert(reference);
            }
            // Also members that are not the source's: they cannot have come into its group rightly.
            _ => removed.push(*member),
        }
    }
    let added = wanted.into_iter().filter(|member| !present.contains(*member)).cloned().collect();
    let (external_id, group) = (id.to_owned(), known.map(|known| known.group.id));
    GroupStep { external_id, group, name: name.clone(), attributes, is_changed, added, removed }
}

/// What is kept of a group besides its name: where it is, in the one spelling of a DN, so that rules can name it by it.
pub(super) fn attributes_of(found: &FoundGroup) -> Attributes {
    let mut attributes = Attributes::default();
    attributes.0.insert("dn".to_owned(), found.dn.folded().into());
    attributes
}

#[cfg(test)]
pub(super) mod tests;
