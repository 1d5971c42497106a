use cleargate::audit::EventKind;
use cleargate::directory::MAX_GROUPS_OF_MEMBER;
use cleargate::model::Status;
use cleargate::sandbox::directory::Record;
use cleargate::sync::{Counts, Limits};

use super::bench::{Bench, source, tree};
use crate::ldap::directory::{PEOPLE, Sandbox, records};

pub const BASE: &str = "dc=example,dc=org";

fn dn(index: usize) -> String {
    format!("uid=p{index:04},{PEOPLE}")
}

pub fn group(name: &str, members: &[&str]) -> Record {
    Record::group(BASE, name, members).unwrap()
}

/// Twenty people; inner holds the first two, outer holds inner.
pub fn company() -> Vec<Record> {
    let mut records = records(20);
    records.push(group("inner", &[&dn(0), &dn(1)]));
    records.push(group("outer", &[&format!("cn=inner,{BASE}")]));
    records
}

pub async fn start() -> (Sandbox, Bench) {
    let sandbox = Sandbox::start(0).await;
    sandbox.directory.set_records(company());
    let rules = [("groups eq \"CN=outer,DC=example,DC=org\"", "data_analyst"), ("title eq \"Chief\"", "admin")];
    let bench = Bench::new(tree(sandbox.settings.clone(), BASE), &rules);
    (sandbox, bench)
}

#[tokio::test]
async fn people_groups_and_mapped_roles_arrive() {
    let (_sandbox, bench) = start().await;
    let outcome = bench.sync.run().await.unwrap();
    assert_eq!(outcome.counts, Counts { created: 20, groups_created: 2, memberships_added: 3, ..Counts::default() });
    assert!(outcome.skipped.is_empty());
    let user = bench.user("P0000").await;
    assert_eq!((user.owner.clone(), user.status), (Some(source()), Status::Active));
    assert_eq!(user.attributes.0["emails"][0]["value"], "p0000@example.org");
    assert_eq!(user.display_name(), "Given Family");
    assert_eq!(bench.groups("p0000").await, ["inner", "outer"]);
    assert_eq!(bench.roles("p0000").await, ["data_analyst"], "by the DN of the outer group");
    assert!(bench.roles("p0002").await.is_empty());
    let events = bench.ground.events_of(EventKind::SyncApplied).await;
    assert_eq!(events.len(), 1);
    assert!(events[0].details.contains(&("created".to_owned(), "20".to_owned())), "{:?}", events[0]);
    assert_eq!(events[0].actor, "system:sync:corp");
}

#[tokio::test]
async fn a_run_without_differences_writes_nothing() {
    let (_sandbox, bench) = start().await;
    bench.sync.run().await.unwrap();
    let before = (bench.events().await, bench.user("p0000").await.revision);
    let outcome = bench.sync.run().await.unwrap();
    assert_eq!(outcome.counts, Counts { unchanged: 20, ..Counts::default() });
    assert_eq!((bench.events().await, bench.user("p0000").await.revision), before);
}

#[tokio::test]
async fn a_plan_tells_and_does_nothing() {
    let (_sandbox, bench) = start().await;
    let (plan, outcome) = bench.sync.plan().await.unwrap();
    assert_eq!((plan.people.len(), outcome.counts.created), (20, 20));
    assert_eq!(bench.directory.count_users().await.unwrap(), 0);
    assert_eq!(bench.events().await, 0);
}

#[tokio::test]
async fn leavers_become_inactive_and_come_back() {
    let (sandbox, bench) = start().await;
    bench.sync.run().await.unwrap();
    let id = bench.user("p0000").await.id;
    let without: Vec<Record> = company().into_iter().filter(|record| record.dn().as_str() != dn(0)).collect();
    sandbox.directory.set_records(without);
    let outcome = bench.sync.run().await.unwrap();
    assert_eq!((outcome.counts.deactivated, outcome.counts.memberships_removed), (1, 1));
    assert_eq!(bench.status("p0000").await, Status::Inactive);
    assert!(bench.roles("p0000").await.is_empty());
    sandbox.directory.set_records(company());
    let outcome = bench.sync.run().await.unwrap();
    assert_eq!((outcome.counts.reactivated, outcome.counts.memberships_added), (1, 1));
    let user = bench.user("p0000").await;
    assert_eq!((user.status, user.id), (Status::Active, id), "the same account");
    assert_eq!(bench.roles("p0000").await, ["data_analyst"]);
}

#[tokio::test]
async fn a_disabled_account_is_inactive_and_enabled_again_active() {
    let (sandbox, bench) = start().await;
    bench.sync.run().await.unwrap();
    let disable = |record: Record| match record.dn().as_str() == dn(3) {
        true => record.with("pwdAccountLockedTime", &["000001010000Z"]),
        false => record,
    };
    sandbox.directory.set_records(company().into_iter().map(disable).collect());
    assert_eq!(bench.sync.run().await.unwrap().counts.deactivated, 1);
    assert_eq!(bench.status("p0003").await, Status::Inactive);
    sandbox.directory.set_records(company());
    assert_eq!(bench.sync.run().await.unwrap().counts.reactivated, 1);
}

#[tokio::test]
async fn renamed_and_moved_people_keep_their_account() {
    let (sandbox, bench) = start().await;
    bench.sync.run().await.unwrap();
    let id = bench.user("p0005").await.id;
    let rename = |record: Record| match record.dn().as_str() == dn(5) {
        true => {
            record.with("uid", &["married"]).with("title", &["Chief"]).renamed("uid=married,dc=example,dc=org").unwrap()
        }
        false => record,
    };
    sandbox.directory.set_records(company().into_iter().map(rename).collect());
    let counts = bench.sync.run().await.unwrap().counts;
    assert_eq!((counts.updated, counts.created, counts.deactivated), (1, 0, 0));
    assert_eq!(bench.user("married").await.id, id);
    assert!(bench.directory.find_user_by_name("p0005").await.unwrap().is_none());
    assert_eq!(bench.roles("married").await, ["admin"], "a rule on an attribute that has changed");
}

#[tokio::test]
async fn a_login_name_may_pass_to_somebody_else() {
    let (sandbox, bench) = start().await;
    bench.sync.run().await.unwrap();
    let (first, second) = (bench.user("p0001").await.id, bench.user("p0002").await.id);
    let pass_on = |record: Record| match record.dn().as_str() {
        name if name == dn(1) => record.with("uid", &["p0002"]),
        name if name == dn(2) => record.with("uid", &["p0099"]),
        _ => record,
    };
    sandbox.directory.set_records(company().into_iter().map(pass_on).collect());
    let outcome = bench.sync.run().await.unwrap();
    assert_eq!((outcome.counts.updated, outcome.skipped), (2, Vec::new()));
    assert_eq!((bench.user("p0002").await.id, bench.user("p0099").await.id), (first, second));
}

#[tokio::test]
async fn groups_follow_and_deleted_ones_take_their_roles_along() {
    let (sandbox, bench) = start().await;
    bench.sync.run().await.unwrap();
    let mut records = records(20);
    records.push(group("inner", &[&dn(1), &dn(2)]));
    sandbox.directory.set_records(records);
    let refused = bench.sync.run().await.unwrap_err().to_string();
    assert!(refused.contains("nobody would have the role `data_analyst` any more"), "{refused}");
    assert_eq!(bench.roles("p0001").await, ["data_analyst"]);
    let all = Limits { removals: "100%".parse().unwrap(), ..Limits::default() };
    let bench = bench.with_limits(all);
    let counts = bench.sync.run().await.unwrap().counts;
    assert_eq!((counts.groups_deleted, counts.memberships_added, counts.memberships_removed), (1, 1, 1));
    assert_eq!(bench.groups("p0002").await, ["inner"]);
    assert!(bench.groups("p0000").await.is_empty());
    assert!(bench.roles("p0001").await.is_empty());
}

#[tokio::test]
async fn an_account_kept_by_hand_is_left_alone_and_reported() {
    let (_sandbox, bench) = start().await;
    let mut permit_free = cleargate::directory::SourceRecord {
        external_id: None,
        user_name: "P0004".parse().unwrap(),
        active: Some(true),
        attributes: cleargate::model::Attributes::default(),
    };
    permit_free.attributes.0.insert("displayName".to_owned(), "By hand".into());
    let by_hand = bench.directory.create_user(&bench.by_hand(), &permit_free).await.unwrap();
    let outcome = bench.sync.run().await.unwrap();
    assert_eq!((outcome.counts.created, outcome.skipped.len()), (19, 1));
    assert!(outcome.skipped[0].reason.contains("userName"), "{:?}", outcome.skipped);
    assert_eq!(bench.user("p0004").await, by_hand);
}

#[tokio::test]
async fn somebody_whom_an_administrator_disabled_stays_disabled_whatever_the_directory_says() {
    let (sandbox, bench) = start().await;
    bench.sync.run().await.unwrap();
    let id = bench.user("p0003").await.id;
    bench.directory.set_active(&bench.by_hand(), id, false).await.unwrap();
    assert_eq!(bench.sync.run().await.unwrap().counts.changes(), 0, "nothing is tried at every run");
    assert_eq!(bench.status("p0003").await, Status::Inactive);
    let renamed = company().into_iter().map(|record| match record.dn().as_str() == dn(3) {
        true => record.with("title", &["Chief"]),
        false => record,
    });
    sandbox.directory.set_records(renamed.collect());
    let outcome = bench.sync.run().await.unwrap();
    assert_eq!((outcome.counts.updated, outcome.counts.reactivated), (1, 0), "the rest follows");
    assert_eq!(bench.status("p0003").await, Status::Inactive);
    bench.directory.set_active(&bench.by_hand(), id, true).await.unwrap();
    bench.sync.run().await.unwrap();
    assert_eq!(bench.status("p0003").await, Status::Active);
}

#[tokio::test]
async fn somebody_disabled_whose_entry_cannot_be_used_loses_access() {
    let (sandbox, bench) = start().await;
    bench.sync.run().await.unwrap();
    let spoiled = company().into_iter().map(|record| match record.dn().as_str() == dn(0) {
        true => record.with("uid", &["two", "names"]).with("pwdAccountLockedTime", &["000001010000Z"]),
        false => record,
    });
    sandbox.directory.set_records(spoiled.collect());
    let outcome = bench.sync.run().await.unwrap();
    assert_eq!((outcome.counts.deactivated, outcome.counts.changes()), (1, 1));
    assert_eq!(bench.status("p0000").await, Status::Inactive);
}

#[tokio::test]
async fn what_one_group_cannot_take_is_skipped_and_the_others_follow() {
    let sandbox = Sandbox::start(0).await;
    // Without rules, whose cost for one person grows with the person's groups.
    let bench = Bench::new(tree(sandbox.settings.clone(), BASE), &[]);
    let many = |inner: &[&str]| {
        let mut records = records(20);
        records.push(group("inner", inner));
        records.extend((0..=MAX_GROUPS_OF_MEMBER).map(|index| group(&format!("many {index}"), &[&dn(7), &dn(8)])));
        records
    };
    sandbox.directory.set_records(many(&[&dn(0), &dn(1)]));
    let outcome = bench.sync.run().await.unwrap();
    assert_eq!(outcome.skipped.len(), 1, "{:?}", outcome.skipped);
    assert!(outcome.skipped[0].reason.contains("2 of its members"), "{:?}", outcome.skipped);
    let most = usize::try_from(MAX_GROUPS_OF_MEMBER).unwrap();
    assert_eq!(bench.groups("p0007").await.len(), most);
    sandbox.directory.set_records(many(&[&dn(1)]));
    let outcome = bench.sync.run().await.unwrap();
    assert_eq!((outcome.counts.memberships_removed, outcome.skipped.len()), (1, 1));
    assert!(bench.groups("p0000").await.is_empty(), "who leaves another group has left it");
    assert_eq!(bench.groups("p0008").await.len(), most);
}
