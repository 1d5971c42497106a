use super::*;
use crate::model::{Group, Link, OrganisationId};
use crate::sync::Person;

fn source() -> SourceId {
    "corp".parse().unwrap()
}

fn record(id: &str, active: bool) -> SourceRecord {
    SourceRecord {
        external_id: Some(id.to_owned()),
        user_name: format!("name-{id}").parse().unwrap(),
        active: Some(active),
        attributes: Attributes::default(),
    }
}

/// A snapshot of people by id, and of groups by id with members.
pub fn snapshot(people: &[&str], groups: &[(&str, &[MemberRef])]) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for id in people {
        let dn = format!("uid={id}").parse().unwrap();
        let person = Person { dn, record: Ok(record(id, true)), is_disabled: false };
        snapshot.people.insert((*id).to_owned(), person);
    }
    for (id, members) in groups {
        let group = FoundGroup {
            dn: format!("cn={id}").parse().unwrap(),
            name: Ok(format!("group {id}").parse().unwrap()),
            members: members.iter().cloned().collect(),
        };
        snapshot.groups.insert((*id).to_owned(), group);
    }
    snapshot
}

fn number(id: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (byte, letter) in bytes.iter_mut().zip(id.bytes()) {
        *byte = letter;
    }
    bytes
}

/// What the directory holds after a snapshot was applied.
pub fn applied(snapshot: &Snapshot) -> Existing {
    let mut existing = Existing::default();
    for (id, person) in &snapshot.people {
        let Ok(record) = &person.record else { continue };
        let user = User {
            id: UserId::from_bytes(number(id)),
            organisation: OrganisationId::DEFAULT,
            user_name: record.user_name.clone(),
            status: if record.active == Some(false) { Status::Inactive } else { Status::Active },
            owner: Some(source()),
            links: vec![Link { source: source(), external_id: id.clone() }],
            attributes: record.attributes.clone(),
            created: Timestamp::default(),
            changed: Timestamp::default(),
            revision: 1,
            by_hand: Some(false),
            disabled_by_hand: None,
            companies: None,
            realm: None,
        };
        existing.people.insert(id.clone(), user);
    }
    for (id, found) in &snapshot.groups {
        let group = Group {
            id: GroupId::from_bytes(number(id)),
            organisation: OrganisationId::DEFAULT,
            name: found.name.clone().unwrap(),
            owner: Some(source()),
            external_id: Some(id.clone()),
            attributes: attributes_of(found),
            created: Timestamp::default(),
            changed: Timestamp::default(),
            revision: 1,
            companies: None,
            rule: None,
        };
        let members = found.members.iter().map(|member| match member {
            MemberRef::Group(id) => Member::Group(GroupId::from_bytes(number(id))),
            MemberRef::Person(id) => Member::User(UserId::from_bytes(number(id))),
        });
        existing.groups.insert(id.clone(), KnownGroup { group, members: members.collect() });
    }
    existing
}

pub fn person(id: &str) -> MemberRef {
    MemberRef::Person(id.to_owned())
}

pub fn group(id: &str) -> MemberRef {
    MemberRef::Group(id.to_owned())
}

fn kinds(plan: &Plan) -> Vec<(&str, EventKind)> {
    plan.people.iter().map(|step| (step.external_id.as_str(), step.kind)).collect()
}

#[test]
fn what_was_applied_needs_nothing_more() {
    let snapshot = snapshot(&["a", "b"], &[("g", &[person("a"), group("h")]), ("h", &[person("b"), group("g")])]);
    let plan = plan(&source(), &snapshot, &applied(&snapshot));
    assert_eq!(plan.counts, Counts { unchanged: 2, ..Counts::default() });
    assert_eq!(plan.counts.changes(), 0);
    assert!(plan.people.is_empty() && plan.groups.is_empty() && plan.deleted_groups.is_empty());
}

#[test]
fn joiners_movers_and_leavers_become_steps_and_leavers_come_first() {
    let before = snapshot(&["a", "b", "c"], &[]);
    let mut after = snapshot(&["b", "c", "d"], &[]);
    after.people.get_mut("b").unwrap().record =
        Ok(SourceRecord { user_name: "renamed".parse().unwrap(), ..record("b", true) });
    let plan = plan(&source(), &after, &applied(&before));
    assert_eq!(
        kinds(&plan),
        [("a", EventKind::UserDeactivated), ("b", EventKind::UserChanged), ("d", EventKind::UserCreated)]
    );
    assert_eq!(plan.counts, Counts { created: 1, updated: 1, deactivated: 1, unchanged: 1, ..Counts::default() });
}

#[test]
fn somebody_who_is_back_or_enabled_again_becomes_active() {
    let mut before = snapshot(&["a"], &[]);
    before.people.get_mut("a").unwrap().record = Ok(record("a", false));
    let plan = plan(&source(), &snapshot(&["a"], &[]), &applied(&before));
    assert_eq!(kinds(&plan), [("a", EventKind::UserActivated)]);
}

#[test]
fn somebody_who_left_before_is_left_alone() {
    let mut before = snapshot(&["a"], &[]);
    before.people.get_mut("a").unwrap().record = Ok(record("a", false));
    let plan = plan(&source(), &snapshot(&[], &[]), &applied(&before));
    assert!(plan.people.is_empty());
}

#[test]
fn an_unusable_entry_changes_nothing_and_is_reported() {
    let before = snapshot(&["a"], &[("g", &[person("a")])]);
    let mut after = before.clone();
    after.people.get_mut("a").unwrap().record = Err("no `uid`".to_owned());
    after.groups.get_mut("g").unwrap().name = Err("no `cn`".to_owned());
    let plan = plan(&source(), &after, &applied(&before));
    assert_eq!(plan.counts.changes(), 0);
    assert_eq!(plan.skipped.len(), 2);
    assert_eq!(plan.skipped[0].reason, "no `uid`");
}

#[test]
fn a_person_who_cannot_be_created_joins_no_group() {
    let mut snapshot = snapshot(&["a", "b"], &[("g", &[person("a"), person("b")])]);
    snapshot.people.get_mut("a").unwrap().record = Err("no `uid`".to_owned());
    let plan = plan(&source(), &snapshot, &Existing::default());
    assert_eq!(plan.groups[0].added, [person("b")]);
}

#[test]
fn an_account_of_another_owner_is_not_taken() {
    let snapshot = snapshot(&["a"], &[]);
    let mut existing = applied(&snapshot);
    let user = existing.people.get_mut("a").unwrap();
    user.owner = Some("okta".parse().unwrap());
    user.user_name = "other".parse().unwrap();
    let plan = plan(&source(), &snapshot, &existing);
    assert!(plan.people.is_empty());
    assert!(plan.skipped[0].reason.contains("okta"), "{:?}", plan.skipped);
    existing.people.get_mut("a").unwrap().status = Status::Active;
    assert!(super::plan(&source(), &Snapshot::default(), &existing).people.is_empty(), "nor made inactive");
}

#[test]
fn groups_are_created_renamed_filled_emptied_and_deleted() {
    let before = snapshot(&["a", "b"], &[("g", &[person("a")]), ("old", &[])]);
    let mut after = snapshot(&["a", "b"], &[("g", &[person("b")]), ("new", &[group("g")])]);
    after.groups.get_mut("g").unwrap().name = Ok("renamed".parse().unwrap());
    let plan = plan(&source(), &after, &applied(&before));
    let expected = Counts {
        unchanged: 2,
        groups_created: 1,
        groups_updated: 1,
        groups_deleted: 1,
        memberships_added: 2,
        memberships_removed: 1,
        ..Counts::default()
    };
    assert_eq!(plan.counts, expected);
    let [renamed, created] = &plan.groups[..] else { panic!("two steps") };
    assert_eq!((renamed.name.as_str(), &renamed.added[..], renamed.removed.len()), ("renamed", &[person("b")][..], 1));
    assert_eq!((created.group, &created.added[..]), (None, &[group("g")][..]));
}

#[test]
fn a_group_is_no_member_of_itself_and_strangers_leave() {
    let snapshot = snapshot(&["a"], &[("g", &[person("a"), group("g")])]);
    let mut existing = applied(&snapshot);
    let members = &mut existing.groups.get_mut("g").unwrap().members;
    members.clear();
    let stranger = Member::User(UserId::from_bytes([9; 16]));
    members.extend([Member::User(UserId::from_bytes(number("a"))), stranger]);
    let plan = plan(&source(), &snapshot, &existing);
    assert_eq!((&plan.groups[0].added[..], &plan.groups[0].removed[..]), (&[][..], &[stranger][..]));
}

#[test]
fn who_is_disabled_loses_access_even_when_the_rest_of_the_entry_cannot_be_used() {
    let mut before = snapshot(&["a", "b", "c"], &[]);
    before.people.get_mut("c").unwrap().record = Ok(record("c", false));
    let mut after = snapshot(&["a", "b", "c", "new"], &[]);
    for (id, is_disabled) in [("a", true), ("b", false), ("c", true), ("new", true)] {
        let person = after.people.get_mut(id).unwrap();
        (person.record, person.is_disabled) = (Err("no `uid`".to_owned()), is_disabled);
    }
    let plan = plan(&source(), &after, &applied(&before));
    assert_eq!(kinds(&plan), [("a", EventKind::UserDeactivated)]);
    assert_eq!(plan.people[0].record.active, Some(false));
    assert_eq!((plan.counts.deactivated, plan.skipped.len()), (1, 3));
}

#[test]
fn a_known_group_whose_name_cannot_be_used_keeps_it_and_loses_who_leaves() {
    let before = snapshot(&["a", "b"], &[("g", &[person("a"), person("b")])]);
    let mut after = snapshot(&["a", "b"], &[("g", &[person("b")]), ("new", &[person("a")])]);
    for id in ["g", "new"] {
        after.groups.get_mut(id).unwrap().name = Err("no `cn`".to_owned());
    }
    let plan = plan(&source(), &after, &applied(&before));
    assert_eq!((plan.groups.len(), plan.skipped.len()), (1, 2));
    let step = &plan.groups[0];
    assert_eq!((step.name.as_str(), step.removed.len(), step.added.len()), ("group g", 1, 0));
}
