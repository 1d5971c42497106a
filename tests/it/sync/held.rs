//! What one entry, one group or one administrator cannot do: hold up what ends access.

use std::collections::BTreeSet;

use cleargate::access::NewGrant;
use cleargate::audit::EventKind;
use cleargate::directory::{GroupDraft, Member, MemberChange};
use cleargate::model::{Attributes, GroupId, Status, Subject};
use cleargate::sandbox::directory::Record;
use cleargate::sync::Error;

use super::bench::{Bench, tree};
use super::sandbox::{BASE, company, group, start};
use crate::ldap::directory::{PEOPLE, Sandbox, records};

fn is(record: &Record, index: usize) -> bool {
    record.dn().as_str() == format!("uid=p{index:04},{PEOPLE}")
}

/// The company without its third person, and with nobody but the second in the group that gives a role.
fn later(spoil: impl Fn(Record) -> Record) -> Vec<Record> {
    let left = company().into_iter().filter(|record| !is(record, 2));
    let inner = format!("cn=inner,{BASE}");
    let member = format!("uid=p0001,{PEOPLE}");
    left.map(|record| match record.dn().as_str() == inner {
        true => record.with("member", &[&member]),
        false if is(&record, 1) => spoil(record),
        false => record,
    })
    .collect()
}

async fn group_id(bench: &Bench, name: &str) -> Option<GroupId> {
    let groups = bench.directory.list_groups(None, 100).await.unwrap();
    groups.into_iter().find(|group| group.name.as_str() == name).map(|group| group.id)
}

#[tokio::test]
async fn one_value_that_is_too_long_keeps_nobody_else_in() {
    let address = format!("{}@x", "a".repeat(5_000));
    let grows = format!("{}@x", "\u{fdfa}".repeat(1_000));
    for (attribute, value) in [("mail", address), ("mail", grows), ("displayName", "x".repeat(2 << 20))] {
        let (sandbox, bench) = start().await;
        bench.sync.run().await.unwrap();
        let mut all = later(|record| record.with(attribute, &[&value]));
        all.push(group("odd", &[]).with("cn", &[&"\u{fdfa}".repeat(170)]));
        sandbox.directory.set_records(all);
        let outcome = bench.sync.run().await.unwrap();
        assert_eq!(bench.status("p0002").await, Status::Inactive, "who is gone is gone");
        assert!(bench.roles("p0000").await.is_empty(), "who left the group has left it");
        let skipped: Vec<&str> = outcome.skipped.iter().map(|skipped| skipped.dn.as_str()).collect();
        assert!(skipped.len() == 2 && skipped[0].starts_with("uid=p0001,"), "{skipped:?}");
        assert!(outcome.skipped[0].reason.contains(attribute), "{:?}", outcome.skipped);
        assert!(skipped[1].starts_with("cn=odd,"), "{skipped:?}");
        assert_eq!((bench.status("p0001").await, bench.groups("p0001").await.len()), (Status::Active, 2));
    }
}

#[tokio::test]
async fn groups_that_are_hidden_do_not_go_and_who_left_meanwhile_does() {
    let sandbox = Sandbox::start(0).await;
    sandbox.directory.set_records(company());
    let bench = Bench::new(tree(sandbox.settings.clone(), BASE), &[]);
    bench.sync.run().await.unwrap();
    sandbox.directory.set_records(records(20).into_iter().filter(|record| !is(record, 7)).collect());
    let error = bench.sync.run().await.unwrap_err();
    let Error::Refused { reasons, deactivated } = &error else { panic!("{error}") };
    assert!(reasons[0].contains("no groups at all"), "{reasons:?}");
    assert_eq!((*deactivated, bench.status("p0007").await), (1, Status::Inactive));
    assert_eq!(bench.groups("p0000").await, ["inner", "outer"]);
    let refused = bench.ground.events_of(EventKind::SyncRefused).await;
    assert!(refused[0].details.contains(&("deactivated".to_owned(), "1".to_owned())), "{:?}", refused[0]);
}

#[tokio::test]
async fn a_group_does_not_take_along_what_was_given_to_it_here() {
    let sandbox = Sandbox::start(0).await;
    sandbox.directory.set_records(company());
    let bench = Bench::new(tree(sandbox.settings.clone(), BASE), &[]);
    bench.sync.run().await.unwrap();
    let (inner, outer) = (group_id(&bench, "inner").await.unwrap(), group_id(&bench, "outer").await.unwrap());
    let by_hand = bench.by_hand();
    let given = NewGrant::new(Subject::Group(outer), "no_access".parse().unwrap());
    let given = bench.access.grants().create(&by_hand, &bench.access.roles(), given).await.unwrap();
    let without = |gone: &str| {
        let gone = format!("cn={gone},{BASE}");
        company().into_iter().filter(|record| record.dn().as_str() != gone).collect::<Vec<_>>()
    };
    sandbox.directory.set_records(without("outer"));
    let error = bench.sync.run().await.unwrap_err().to_string();
    assert!(error.contains("1 groups would go that were given something here") && error.contains("`outer`"), "{error}");
    assert_eq!(bench.groups("p0000").await, ["inner", "outer"]);
    bench.access.grants().delete(&by_hand, given.id).await.unwrap();
    assert_eq!(bench.sync.run().await.unwrap().counts.groups_deleted, 1, "nothing is lost any more");

    sandbox.directory.set_records(company());
    bench.sync.run().await.unwrap();
    let mut members = MemberChange::default();
    members.add(Member::Group(inner));
    let (name, attributes) = ("kept here".parse().unwrap(), Attributes::default());
    let ours = GroupDraft { name, external_id: None, attributes, members };
    let ours = bench.directory.create_group(&by_hand, &ours).await.unwrap();
    let outer = format!("cn=outer,{BASE}");
    let emptied = without("inner").into_iter().map(|record| match record.dn().as_str() == outer {
        true => record.with("member", &[]),
        false => record,
    });
    sandbox.directory.set_records(emptied.collect());
    let error = bench.sync.run().await.unwrap_err().to_string();
    assert!(error.contains("`inner`"), "its place in a group of ours: {error}");
    bench.directory.delete_group(&by_hand, ours.id, None).await.unwrap();
    bench.sync.run().await.unwrap();
    let left: BTreeSet<String> = bench.groups("p0000").await.into_iter().collect();
    assert_eq!(left, BTreeSet::new());
}

#[tokio::test]
async fn a_role_that_would_end_for_everybody_keeps_no_leaver_in() {
    let (sandbox, bench) = start().await;
    bench.sync.run().await.unwrap();
    let inner = format!("cn=inner,{BASE}");
    let left =
        company().into_iter().filter(|record| !is(record, 5)).map(|record| match record.dn().as_str() == inner {
            true => record.with("member", &[]),
            false => record,
        });
    sandbox.directory.set_records(left.collect());
    let error = bench.sync.run().await.unwrap_err();
    assert!(matches!(error, Error::Refused { deactivated: 1, .. }), "{error}");
    assert!(error.to_string().contains("before any change but the end of 1 people"), "{error}");
    assert_eq!(bench.status("p0005").await, Status::Inactive);
    assert_eq!(bench.roles("p0000").await, ["data_analyst"], "the rest waits");
    let error = bench.sync.run().await.unwrap_err();
    assert!(matches!(error, Error::Refused { deactivated: 0, .. }), "once: {error}");
}

#[tokio::test]
async fn somebody_disabled_by_an_administrator_and_deleted_does_not_come_back_enabled() {
    let (_sandbox, bench) = start().await;
    bench.sync.run().await.unwrap();
    let old = bench.user("p0003").await.id;
    bench.directory.set_active(&bench.by_hand(), old, false).await.unwrap();
    bench.directory.delete_user(&bench.by_hand(), old, None).await.unwrap();
    assert_eq!(bench.sync.run().await.unwrap().counts.created, 1);
    let new = bench.user("p0003").await;
    assert_eq!((new.status, new.disabled_by_hand), (Status::Inactive, Some(true)));
    assert_ne!(new.id, old);
    assert_eq!(bench.sync.run().await.unwrap().counts.changes(), 0);
    bench.directory.set_active(&bench.by_hand(), new.id, true).await.unwrap();
    bench.sync.run().await.unwrap();
    assert_eq!(bench.status("p0003").await, Status::Active);
    // Deleted while enabled is only deleted: the directory still shows them.
    bench.directory.delete_user(&bench.by_hand(), new.id, None).await.unwrap();
    bench.sync.run().await.unwrap();
    assert_eq!(bench.status("p0003").await, Status::Active);
}
