use super::*;
use crate::ldap::schema::{ACTIVE_DIRECTORY, OPENLDAP};

/// A UUID that is easy to tell.
pub fn uuid(number: u32) -> String {
    format!("{number:08x}-0000-1000-8000-000000000000")
}

fn entry(dn: &str, attributes: &[(&str, &[&str])]) -> Entry {
    let attributes = attributes
        .iter()
        .map(|(name, values)| ((*name).to_owned(), values.iter().map(|value| value.as_bytes().to_vec()).collect()));
    Entry::new(dn, attributes.collect()).unwrap()
}

fn person(number: u32, uid: &str) -> Entry {
    entry(&format!("uid={uid},ou=p,dc=x"), &[("entryUUID", &[&uuid(number)]), ("uid", &[uid]), ("cn", &["Name"])])
}

fn group(number: u32, cn: &str, members: &[&str]) -> Entry {
    entry(&format!("cn={cn},ou=g,dc=x"), &[("entryUUID", &[&uuid(number)]), ("cn", &[cn]), ("member", members)])
}

fn build(people: &[Entry], groups: &[Entry]) -> Result<Snapshot, Error> {
    Snapshot::build(&OPENLDAP, people, groups, Timestamp::default())
}

#[test]
fn members_are_found_by_name_in_any_spelling() {
    let groups = [
        group(10, "inner", &["UID=Ada, OU=P, DC=X", "uid=gone,ou=p,dc=x", "no name"]),
        group(11, "outer", &["cn=inner,ou=g,dc=x", "uid=bob,ou=p,dc=x"]),
    ];
    let snapshot = build(&[person(1, "ada"), person(2, "bob")], &groups).unwrap();
    let members = |number: u32| snapshot.groups[&uuid(number)].members.iter().cloned().collect::<Vec<_>>();
    assert_eq!(members(10), [MemberRef::Person(uuid(1))]);
    assert_eq!(members(11), [MemberRef::Group(uuid(10)), MemberRef::Person(uuid(2))]);
    assert_eq!(snapshot.unresolved_members, 2);
}

#[test]
fn a_unique_member_may_carry_a_bit_string() {
    let unique = entry(
        "cn=u,ou=g,dc=x",
        &[("entryUUID", &[&uuid(10)]), ("cn", &["u"]), ("uniqueMember", &["uid=ada,ou=p,dc=x#'0101'B"])],
    );
    let snapshot = build(&[person(1, "ada")], &[unique]).unwrap();
    assert_eq!(snapshot.groups[&uuid(10)].members.len(), 1);
}

#[test]
fn entries_without_or_with_equal_ids_make_everything_untrusted() {
    let without = entry("uid=ada,dc=x", &[("uid", &["ada"])]);
    let error = build(&[without], &[]).unwrap_err();
    assert!(matches!(&error, Error::Untrusted { reason } if reason.contains("entryUUID")), "{error}");
    assert!(matches!(build(&[person(1, "ada"), person(1, "bob")], &[]), Err(Error::Untrusted { .. })));
    assert!(matches!(build(&[person(1, "ada")], &[group(1, "g", &[])]), Err(Error::Untrusted { .. })));
}

#[test]
fn a_person_whose_entry_cannot_be_used_is_there_all_the_same() {
    let nameless = entry("cn=a,dc=x", &[("entryUUID", &[&uuid(1)])]);
    let double = entry("cn=b,dc=x", &[("entryUUID", &[&uuid(2)]), ("uid", &["b", "bee"])]);
    let hidden = entry("cn=c,dc=x", &[("entryUUID", &[&uuid(3)]), ("uid", &["c\u{200b}"])]);
    let twins = [person(4, "Twin"), person(5, "twin")];
    let people: Vec<Entry> = [nameless, double, hidden].into_iter().chain(twins).chain([person(6, "fine")]).collect();
    let snapshot = build(&people, &[]).unwrap();
    assert_eq!(snapshot.people.len(), 6);
    for number in 1..=5 {
        assert!(snapshot.people[&uuid(number)].record.is_err(), "{number}");
    }
    assert!(snapshot.people[&uuid(6)].record.is_ok());
}

#[test]
fn groups_of_one_name_are_named_with_their_place() {
    let other = entry("cn=Admins,ou=elsewhere,dc=x", &[("entryUUID", &[&uuid(11)]), ("cn", &["ADMINS"])]);
    let snapshot = build(&[], &[group(10, "Admins", &[]), other, group(12, "Staff", &[])]).unwrap();
    let name = |number: u32| snapshot.groups[&uuid(number)].name.as_ref().unwrap().to_string();
    assert_eq!(name(10), "Admins (cn=Admins,ou=g,dc=x)");
    assert_eq!(name(11), "ADMINS (cn=Admins,ou=elsewhere,dc=x)");
    assert_eq!(name(12), "Staff");
}

#[test]
fn of_several_names_a_group_has_the_one_in_its_dn() {
    let group = entry("cn=Finance,dc=x", &[("entryUUID", &[&uuid(1)]), ("cn", &["Accounts", "finance"])]);
    let snapshot = build(&[], &[group]).unwrap();
    assert_eq!(snapshot.groups[&uuid(1)].name.as_ref().unwrap().as_str(), "finance");
}

#[test]
fn a_disabled_account_is_not_active() {
    let locked = entry(
        "uid=a,dc=x",
        &[("entryUUID", &[&uuid(1)]), ("uid", &["a"]), ("pwdAccountLockedTime", &["000001010000Z"])],
    );
    let snapshot = build(&[locked, person(2, "b")], &[]).unwrap();
    let active = |number: u32| snapshot.people[&uuid(number)].record.as_ref().unwrap().active;
    assert_eq!((active(1), active(2)), (Some(false), Some(true)));
}

#[test]
fn a_disabled_account_is_known_to_be_so_whatever_else_is_wrong_with_its_entry() {
    let locked = |number: u32, uid: &[&str]| {
        let id = uuid(number);
        let lock: &[&str] = &["000001010000Z"];
        entry(&format!("cn=n{number},dc=x"), &[("entryUUID", &[&id]), ("uid", uid), ("pwdAccountLockedTime", lock)])
    };
    let people = [locked(1, &[]), locked(2, &["b", "bee"]), locked(3, &["twin"]), person(4, "twin")];
    let snapshot = build(&people, &[]).unwrap();
    for (number, expected) in [(1, true), (2, true), (3, true), (4, false)] {
        let person = &snapshot.people[&uuid(number)];
        assert_eq!((person.record.is_err(), person.is_disabled), (true, expected), "{number}");
    }
}

#[test]
fn who_may_not_read_whether_accounts_are_enabled_enables_nobody() {
    let entry = |number: u8, control: &[&str]| {
        let mut attributes = vec![
            ("objectGUID".to_owned(), vec![vec![number; 16]]),
            ("sAMAccountName".to_owned(), vec![format!("p{number}").into_bytes()]),
        ];
        let values: Vec<Vec<u8>> = control.iter().map(|value| value.as_bytes().to_vec()).collect();
        attributes.extend((!values.is_empty()).then(|| ("userAccountControl".to_owned(), values)));
        Entry::new(&format!("cn=p{number},dc=x"), attributes).unwrap()
    };
    let people = [entry(1, &[]), entry(2, &["what"]), entry(3, &["512"]), entry(4, &["514"])];
    let snapshot = Snapshot::build(&ACTIVE_DIRECTORY, &people, &[], Timestamp::default()).unwrap();
    let active: Vec<Option<bool>> =
        snapshot.people.values().map(|person| person.record.as_ref().ok().and_then(|record| record.active)).collect();
    assert_eq!(active, [None, None, Some(true), Some(false)]);
    assert!(snapshot.people.values().next().unwrap().record.as_ref().unwrap_err().contains("userAccountControl"));
}

#[test]
fn a_group_is_not_named_like_the_id_or_place_of_another() {
    let named = |number: u32, cn: &str| {
        let id = uuid(number);
        entry(&format!("ou=n{number},dc=x"), &[("entryUUID", &[&id]), ("cn", &[cn])])
    };
    let bad = [
        uuid(99),
        "DE7D2E01-5E1811F0-8A3BB9F3-1B1D6A55".to_owned(),
        "CN=Domain Admins, DC=x".to_owned(),
        "cn=top".to_owned(),
    ];
    let groups: Vec<Entry> = (1..).zip(&bad).map(|(number, name)| named(number, name)).collect();
    let snapshot = build(&[], &groups).unwrap();
    for group in snapshot.groups.values() {
        assert!(group.name.as_ref().unwrap_err().contains("looks like the id or DN"), "{:?}", group.name);
    }
    let fine = build(&[], &[named(1, "Sales (EMEA), 2026"), named(2, "deadbeef-cafe"), named(3, "a = b, c")]).unwrap();
    assert_eq!(fine.groups.values().filter(|group| group.name.is_ok()).count(), 2, "a pair with `=` reads as a DN");
}

#[test]
fn a_member_whose_name_two_entries_have_is_neither() {
    let twin = |number: u32, dn: &str, uid: &str| {
        let id = uuid(number);
        entry(dn, &[("entryUUID", &[&id]), ("uid", &[uid])])
    };
    let people = [twin(1, "uid=Ada,ou=p,dc=x", "ada"), twin(2, "UID=ada, ou=P,dc=x", "eve"), person(3, "bob")];
    let groups = [group(10, "g", &["uid=ada,ou=p,dc=x", "uid=bob,ou=p,dc=x"]), group(11, "h", &["cn=g,ou=g,dc=x"])];
    let snapshot = build(&people, &groups).unwrap();
    assert_eq!(snapshot.groups[&uuid(10)].members, BTreeSet::from([MemberRef::Person(uuid(3))]));
    assert_eq!(snapshot.unresolved_members, 1);
    let same = [group(10, "g", &["uid=bob,ou=p,dc=x"]), group(11, "G", &["cn=g,ou=g,dc=x"])];
    let snapshot = build(&people, &same).unwrap();
    assert_eq!(snapshot.groups[&uuid(10)].members.len(), 1, "each has its own members");
    assert!(snapshot.groups[&uuid(11)].members.is_empty());
}
