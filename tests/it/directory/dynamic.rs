//! Groups whose members follow from a rule: the rows are what the rule says of everybody, whatever happened before.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cleargate::config::{self, Credentials};
use cleargate::directory::{Directory, Error, GroupRule, MAX_DYNAMIC_GROUPS, Member, MemberChange, SourceRecord};
use cleargate::filter::{Filter, NoSchema};
use cleargate::gateway::{Foundation, Gateway};
use cleargate::model::{Attributes, Group, GroupId, Subject, User, UserId};
use proptest::prelude::*;
use serde_json::json;

use super::draft;
use crate::support::gateway::{TestGateway, record};

const TITLES: [&str; 4] = ["Engineer", "Chief Engineer", "Clerk", ""];
const RULES: [&str; 5] = [
    r#"title eq "Engineer""#,
    r#"title co "engineer" and not (userType eq "Guest")"#,
    r#"userType eq "Guest" or userName sw "u1""#,
    r#"title pr"#,
    r#"not (title pr)"#,
];

fn rule(text: &str) -> GroupRule {
    text.parse().unwrap()
}

fn person(name: &str, title: &str, kind: &str) -> SourceRecord {
    let mut record = record(name);
    record.attributes = attributes(title, kind);
    record
}

fn attributes(title: &str, kind: &str) -> Attributes {
    Attributes(json!({"title": title, "userType": kind}).as_object().unwrap().clone())
}

async fn ruled(gateway: &TestGateway, name: &str, text: &str) -> Group {
    let directory = gateway.gateway.directory();
    let group = directory.create_group_by(&gateway.task(), &draft(name, &[]), &[], Some(&rule(text))).await.unwrap();
    directory.fill_groups(&gateway.task()).await.unwrap();
    group
}

async fn retitle(gateway: &TestGateway, id: UserId, title: &str, kind: &str) -> Result<User, Error> {
    let edit = |_: &User, record: &mut SourceRecord| {
        record.attributes = attributes(title, kind);
        Ok::<(), Error>(())
    };
    gateway.gateway.directory().change_user(&gateway.task(), id, None, edit).await
}

async fn users(directory: &Directory) -> Vec<User> {
    directory.list_users(None, 1_000).await.unwrap()
}

/// What the rule says, worked out anew over everybody, against the rows of both directions and the counts.
async fn check(directory: &Directory, group: GroupId, text: &str) {
    let filter: Filter = text.parse().unwrap();
    let mut wanted = BTreeSet::new();
    for user in users(directory).await {
        let mut seen = user.attributes.0.clone();
        seen.insert("userName".to_owned(), user.user_name.as_str().into());
        let is_in = filter.matches(&seen, &NoSchema);
        let groups = directory.group_ids_of(Member::User(user.id)).await.unwrap();
        assert_eq!(groups.contains(&group), is_in, "{text}: {seen:?}");
        if is_in {
            wanted.insert(Member::User(user.id));
        }
    }
    let members: BTreeSet<Member> = directory.all_members(group).await.unwrap().into_iter().collect();
    assert_eq!(members, wanted, "{text}");
    assert_eq!(directory.count_members(group).await.unwrap(), wanted.len() as u64);
}

#[derive(Clone, Debug)]
enum Step {
    Create(usize, bool),
    Change(usize, usize, bool),
    Delete(usize),
    Rule(usize, usize),
    NewGroup(usize),
    DropGroup(usize),
    Page(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..TITLES.len(), any::<bool>()).prop_map(|(title, guest)| Step::Create(title, guest)),
        4 => (0..40_usize, 0..TITLES.len(), any::<bool>()).prop_map(|(who, title, guest)| Step::Change(who, title, guest)),
        1 => (0..40_usize).prop_map(Step::Delete),
        2 => (0..4_usize, 0..RULES.len()).prop_map(|(group, rule)| Step::Rule(group, rule)),
        1 => (0..RULES.len()).prop_map(Step::NewGroup),
        1 => (0..4_usize).prop_map(Step::DropGroup),
        2 => (0..4_usize).prop_map(Step::Page),
    ]
}

async fn run(steps: Vec<Step>) {
    let gateway = TestGateway::new().await;
    let (directory, permit) = (gateway.gateway.directory(), gateway.task());
    let mut groups: BTreeMap<GroupId, usize> = BTreeMap::new();
    let pick = |groups: &BTreeMap<GroupId, usize>, n: usize| groups.keys().nth(n % groups.len().max(1)).copied();
    let mut made = 0;
    let kind = |guest: bool| if guest { "Guest" } else { "Employee" };
    for step in steps {
        let known: Vec<UserId> = users(directory).await.iter().map(|user| user.id).collect();
        let somebody = |n: usize| known.get(n % known.len().max(1)).copied();
        match step {
            Step::Create(title, guest) => {
                made += 1;
                let new = person(&format!("u{made}"), TITLES[title], kind(guest));
                directory.create_user(&permit, &new).await.unwrap();
            }
            Step::Change(who, title, guest) => {
                if let Some(id) = somebody(who) {
                    retitle(&gateway, id, TITLES[title], kind(guest)).await.unwrap();
                }
            }
            Step::Delete(who) => {
                if let Some(id) = somebody(who) {
                    directory.delete_user(&permit, id, None).await.unwrap();
                    assert!(directory.group_ids_of(Member::User(id)).await.unwrap().is_empty());
                }
            }
            Step::Rule(group, text) => {
                if let Some(id) = pick(&groups, group) {
                    directory.rule_group(&permit, id, None, Some(&rule(RULES[text]))).await.unwrap();
                    groups.insert(id, text);
                }
            }
            Step::NewGroup(text) => {
                made += 1;
                let new = draft(&format!("g{made}"), &[]);
                let group = directory.create_group_by(&permit, &new, &[], Some(&rule(RULES[text]))).await.unwrap();
                groups.insert(group.id, text);
            }
            Step::DropGroup(group) => {
                if let Some(id) = pick(&groups, group) {
                    directory.delete_group(&permit, id, None).await.unwrap();
                    groups.remove(&id);
                    assert!(directory.all_members(id).await.unwrap().is_empty());
                }
            }
            Step::Page(group) => {
                if let Some(id) = pick(&groups, group) {
                    directory.fill_page(&permit, id).await.unwrap();
                }
            }
        }
    }
    directory.fill_groups(&permit).await.unwrap();
    assert!(!directory.has_unfilled().await.unwrap());
    for (id, text) in groups {
        check(directory, id, RULES[text]).await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_rows_are_what_the_rules_say_after_any_changes(steps in proptest::collection::vec(step(), 1..50)) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(run(steps));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_that_changes_while_people_are_written_misses_nobody() {
    let gateway = std::sync::Arc::new(TestGateway::new().await);
    let mut ids = Vec::new();
    for n in 0..40 {
        let new = person(&format!("u{n}"), TITLES[n % 3], "Employee");
        ids.push(gateway.gateway.directory().create_user(&gateway.task(), &new).await.unwrap().id);
    }
    let group = ruled(&gateway, "Engineers", RULES[0]).await;
    let writers: Vec<_> = [0, 1]
        .into_iter()
        .map(|half| {
            let (gateway, ids) = (gateway.clone(), ids.clone());
            tokio::spawn(async move {
                for n in 0..120 {
                    let id = ids[(n * 2 + half) % ids.len()];
                    retitle(&gateway, id, TITLES[(n * 7 + half) % 4], "Employee").await.unwrap();
                }
            })
        })
        .collect();
    let mut last = 0;
    while writers.iter().any(|writer| !writer.is_finished()) {
        last = (last + 1) % RULES.len();
        let directory = gateway.gateway.directory();
        directory.rule_group(&gateway.task(), group.id, None, Some(&rule(RULES[last]))).await.unwrap();
        directory.fill_groups(&gateway.task()).await.unwrap();
    }
    for writer in writers {
        writer.await.unwrap();
    }
    gateway.gateway.directory().fill_groups(&gateway.task()).await.unwrap();
    check(gateway.gateway.directory(), group.id, RULES[last]).await;
}

#[tokio::test]
async fn a_fill_that_a_restart_cut_off_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cleargate.toml");
    let store = folder.path().join("store");
    let text = format!(
        "public_url = \"http://127.0.0.1:8080\"\npassword.hashing.memory = \"19MiB\"\nstore.path = \"{}\"\n",
        store.display()
    );
    std::fs::write(&path, text).unwrap();
    let open = || async {
        let config = config::load(&path, &Credentials::None).map_err(|_| "the configuration").unwrap();
        Gateway::open(config, Foundation::system()).await.unwrap()
    };
    let gateway = open().await;
    let (directory, permit) = (gateway.directory().clone(), gateway.access().task_permit("test", None));
    let people: Vec<_> = (0..600).map(|n| (None, person(&format!("u{n}"), TITLES[n % 2], "Employee"))).collect();
    for chunk in people.chunks(200) {
        directory.apply_users(&permit, chunk).await.unwrap();
    }
    let group = directory.create_group_by(&permit, &draft("Engineers", &[]), &[], Some(&rule(RULES[0]))).await.unwrap();
    // Who leaves, of whom there is nobody, and the first of those who come.
    for _ in 0..2 {
        assert!(directory.fill_page(&permit, group.id).await.unwrap());
    }
    let (begun, all) = (directory.count_members(group.id).await.unwrap(), 300);
    assert!(0 < begun && begun < all, "{begun} of {all}");
    drop(directory);
    gateway.tasks().join(Duration::from_secs(5)).await;
    drop(gateway);
    let gateway = open().await;
    assert!(gateway.directory().is_filled(group.id, Duration::from_secs(30)).await.unwrap());
    check(gateway.directory(), group.id, RULES[0]).await;
    gateway.tasks().join(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn the_members_are_nobodys_to_name_but_the_rules() {
    let gateway = TestGateway::with("[[scim]]\nid = \"okta\"").await;
    let directory = gateway.gateway.directory();
    let ada = directory.create_user(&gateway.task(), &person("ada", "Clerk", "")).await.unwrap();
    let group = ruled(&gateway, "Engineers", RULES[0]).await;
    for permit in [gateway.task(), gateway.connection("okta").await] {
        let mut members = MemberChange::default();
        members.add(Member::User(ada.id));
        let edit = |_: &Group, draft: &mut cleargate::directory::GroupDraft| {
            draft.members = members.clone();
            Ok::<(), Error>(())
        };
        let refused = directory.change_group(&permit, group.id, None, edit).await;
        assert!(matches!(refused, Err(Error::Ruled { .. } | Error::Owned { .. })), "{refused:?}");
    }
    // Renaming is nobody's business but that of whoever keeps it, and keeps the rule.
    let edit = |_: &Group, draft: &mut cleargate::directory::GroupDraft| {
        draft.name = "Builders".parse().unwrap();
        Ok::<(), Error>(())
    };
    let renamed = directory.change_group(&gateway.task(), group.id, None, edit).await.unwrap();
    assert_eq!(renamed.rule.as_deref(), Some(RULES[0]));
    retitle(&gateway, ada.id, "Engineer", "").await.unwrap();
    check(directory, group.id, RULES[0]).await;
    let row = directory.find_membership(group.id, Member::User(ada.id)).await.unwrap().unwrap();
    assert_eq!(row.source.unwrap().as_str(), "rule");
    // Without its rule it is kept by hand, with the members of then.
    directory.rule_group(&gateway.task(), group.id, None, None).await.unwrap();
    retitle(&gateway, ada.id, "Clerk", "").await.unwrap();
    assert_eq!(directory.count_members(group.id).await.unwrap(), 1);
    let refused = directory.rule_group(&gateway.task(), group.id, None, Some(&rule(RULES[0]))).await;
    assert!(matches!(&refused, Err(Error::Invalid { field, .. }) if field == "rule"), "{refused:?}");
}

#[tokio::test]
async fn mapping_rules_follow_whom_a_rule_brings_into_a_group_of_their_source() {
    const OFFICERS: &str = r#"
policy.pack = "clearpoint-systems"
[[scim]]
id = "okta"
[[mapping]]
from = "okta"
when = 'groups eq "Officers"'
grant = { role = "compliance_officer" }
"#;
    let gateway = TestGateway::with(OFFICERS).await;
    let (directory, okta) = (gateway.gateway.directory(), gateway.connection("okta").await);
    let roles = |id: UserId| {
        let access = gateway.gateway.access();
        async move {
            let held = access.grants().list(Subject::User(id)).await.unwrap();
            held.into_iter().map(|grant| grant.role.to_string()).collect::<Vec<_>>()
        }
    };
    let before = directory.create_user(&okta, &person("before", "Engineer", "")).await.unwrap();
    let group = ruled(&gateway, "Engineers", RULES[0]).await;
    let second = ruled(&gateway, "Titled", RULES[3]).await;
    let inside = [Member::Group(group.id), Member::Group(second.id)];
    directory.create_group(&okta, &draft("Officers", &inside[..1])).await.unwrap();
    assert_eq!(roles(before.id).await, ["compliance_officer"]);
    // In the commit that makes or changes somebody, where two rules move them at once.
    let after = directory.create_user(&okta, &person("after", "Engineer", "")).await.unwrap();
    assert_eq!(roles(after.id).await, ["compliance_officer"]);
    let edit = |_: &User, record: &mut SourceRecord| {
        record.attributes = attributes("", "");
        Ok::<(), Error>(())
    };
    directory.change_user(&okta, after.id, None, edit).await.unwrap();
    assert!(roles(after.id).await.is_empty());
    // And when the rule changes.
    directory.rule_group(&gateway.task(), group.id, None, Some(&rule(RULES[4]))).await.unwrap();
    directory.fill_groups(&gateway.task()).await.unwrap();
    assert_eq!(roles(after.id).await, ["compliance_officer"]);
    assert!(roles(before.id).await.is_empty());
}

#[tokio::test]
async fn there_are_only_so_many_rules() {
    let gateway = TestGateway::new().await;
    let directory = gateway.gateway.directory();
    for n in 0..=MAX_DYNAMIC_GROUPS {
        let new = draft(&format!("g{n}"), &[]);
        let made = directory.create_group_by(&gateway.task(), &new, &[], Some(&rule(RULES[0]))).await;
        match n {
            MAX_DYNAMIC_GROUPS => assert!(matches!(&made, Err(Error::Invalid { field, .. }) if field == "rule")),
            _ => assert!(made.is_ok(), "{made:?}"),
        }
    }
    // Somebody is in all of them at once.
    let ada = directory.create_user(&gateway.task(), &person("ada", "Engineer", "")).await.unwrap();
    assert_eq!(directory.group_ids_of(Member::User(ada.id)).await.unwrap().len(), MAX_DYNAMIC_GROUPS);
}
