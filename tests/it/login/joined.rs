//! Groups of ours into which a connector's mapping rules put people: for as long as the provider says so, and no longer;
//! what people put there is theirs.

use cleargate::access::NewGrant;
use cleargate::audit::{Event, EventKind};
use cleargate::directory::{Error, GroupDraft, Member, MemberChange, SourceRecord};
use cleargate::model::{Attributes, Group, GroupId, Subject, User, UserId};
use http::StatusCode;
use serde_json::json;

use super::provider::{Stage, roles};
use super::signals::stage::{detail, events};
use crate::support::gateway::{TestGateway, record};

const ADA: &str = "ada@example.org";

fn lines(mode: &str) -> String {
    format!(
        r#"
policy.pack = "clearpoint-systems"
[[scim]]
id = "okta"
[[saml]]
id = "entra"
metadata = {{ file = "entra.xml" }}
domains = ["example.org"]
[[mapping]]
from = "entra"
when = 'groups eq "analysts"'
join = "finance analysts"
{mode}
[[mapping]]
from = "okta"
when = 'groups eq "Officers"'
grant = {{ role = "compliance_officer" }}
"#
    )
}

fn draft(name: &str, members: &[Member]) -> GroupDraft {
    let mut change = MemberChange::default();
    members.iter().for_each(|member| change.add(*member));
    GroupDraft { name: name.parse().unwrap(), external_id: None, attributes: Attributes::default(), members: change }
}

/// A group that people keep and that gives a role.
async fn group(gateway: &TestGateway) -> Group {
    let group =
        gateway.gateway.directory().create_group(&gateway.task(), &draft("Finance Analysts", &[])).await.unwrap();
    let access = gateway.gateway.access();
    let grant = NewGrant::new(Subject::Group(group.id), "viewer".parse().unwrap());
    access.grants().create(&gateway.task(), &access.roles(), grant).await.unwrap();
    group
}

async fn is_in(gateway: &TestGateway, group: GroupId, user: UserId) -> bool {
    let directory = gateway.gateway.directory();
    let row = directory.find_membership(group, Member::User(user)).await.unwrap();
    let members = directory.all_members(group).await.unwrap();
    assert_eq!(members.contains(&Member::User(user)), row.is_some());
    assert_eq!(directory.group_ids_of(Member::User(user)).await.unwrap().contains(&group), row.is_some());
    assert_eq!(directory.count_members(group).await.unwrap(), members.len() as u64);
    row.is_some()
}

/// Signs Ada in by the provider, which puts her in these groups.
async fn sign_in(stage: &Stage, groups: &[&str]) -> (User, serde_json::Value) {
    let mut browser = stage.gateway.visitor();
    let reply = stage.sign_in_by("entra", &mut browser, ADA, groups).await;
    assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", reply.text);
    (stage.find(ADA).await.unwrap(), roles(&mut browser).await)
}

/// A second provider beside the first, whose one rule puts who is in a group there into one of ours.
async fn two_providers(theirs: &str, ours: &str) -> Stage {
    let more = format!(
        r#"
[[saml]]
id = "okta-saml"
metadata = {{ file = "okta-saml.xml" }}
domains = ["example.org"]
[[mapping]]
from = "okta-saml"
when = 'groups eq "{theirs}"'
join = "{ours}"
"#
    );
    Stage::with(&format!("{}{more}", lines("")), &["entra", "okta-saml"]).await
}

async fn moves(gateway: &TestGateway) -> Vec<Event> {
    events(&gateway.gateway, EventKind::MembershipChanged).await
}

#[tokio::test]
async fn a_rule_puts_into_a_group_what_its_mode_says() {
    let said: [&[&str]; 4] = [&["analysts"], &[], &["analysts"], &["staff"]];
    for (mode, expected) in [
        ("", [true, false, true, false]),
        ("mode = \"full\"", [true, false, true, false]),
        ("mode = \"additive\"", [true, true, true, true]),
        ("mode = \"first\"", [true, true, true, true]),
    ] {
        let stage = Stage::with(&lines(mode), &["entra"]).await;
        let group = group(&stage.gateway).await;
        for (groups, expected) in said.into_iter().zip(expected) {
            let (ada, has) = sign_in(&stage, groups).await;
            assert_eq!(is_in(&stage.gateway, group.id, ada.id).await, expected, "{mode} {groups:?}");
            assert_eq!(has, if expected { json!(["viewer"]) } else { json!([]) }, "{mode} {groups:?}");
        }
        let moved = moves(&stage.gateway).await;
        assert_eq!(moved.len(), if expected[1] { 1 } else { 4 }, "{mode}: each move is in the ledger once");
        assert!(detail(&moved[0], "added").is_some_and(|added| added.starts_with("user:")));
        assert_eq!(detail(&moved[0], "connector").as_deref(), Some("entra"));
        assert!(detail(&moved[0], "rule").is_some_and(|rule| rule.starts_with("cleargate.toml:")));
    }
    let stage = Stage::with(&lines("mode = \"first\""), &["entra"]).await;
    let group = group(&stage.gateway).await;
    sign_in(&stage, &[]).await;
    let (ada, _) = sign_in(&stage, &["analysts"]).await;
    assert!(!is_in(&stage.gateway, group.id, ada.id).await, "only the first sign-in counts");
}

#[tokio::test]
async fn whom_people_put_into_the_group_stays_there() {
    let stage = Stage::with(&lines(""), &["entra"]).await;
    let (gateway, directory) = (&stage.gateway, stage.gateway.gateway.directory());
    let group = group(gateway).await;
    let (ada, _) = sign_in(&stage, &["analysts"]).await;
    let add = |_: &Group, draft: &mut GroupDraft| {
        draft.members.add(Member::User(ada.id));
        Ok::<(), Error>(())
    };
    directory.change_group(&gateway.task(), group.id, None, add).await.unwrap();
    let row = directory.find_membership(group.id, Member::User(ada.id)).await.unwrap().unwrap();
    assert_eq!(row.source, None, "it is theirs from then on");
    let (_, has) = sign_in(&stage, &[]).await;
    assert_eq!(has, json!(["viewer"]), "who was put there by hand beside the rule stays");
    // Who was there before the rule stays too.
    sign_in(&stage, &["analysts"]).await;
    assert_eq!(sign_in(&stage, &[]).await.1, json!(["viewer"]));
    assert!(is_in(gateway, group.id, ada.id).await);
}

#[tokio::test]
async fn only_a_group_that_people_keep_by_naming_members_is_joined() {
    let stage = Stage::with(&lines(""), &["entra"]).await;
    let (gateway, directory) = (&stage.gateway, stage.gateway.gateway.directory());
    assert_eq!(sign_in(&stage, &["analysts"]).await.1, json!([]), "a group that there is not keeps nobody out");
    let okta = gateway.connection("okta").await;
    let theirs = directory.create_group(&okta, &draft("Finance Analysts", &[])).await.unwrap();
    let (ada, _) = sign_in(&stage, &["analysts"]).await;
    assert!(!is_in(gateway, theirs.id, ada.id).await, "a source's groups are the source's");
    directory.delete_group(&okta, theirs.id, None).await.unwrap();
    let rule = "title eq \"Clerk\"".parse().unwrap();
    let ruled =
        directory.create_group_by(&gateway.task(), &draft("Finance Analysts", &[]), &[], Some(&rule)).await.unwrap();
    sign_in(&stage, &["analysts"]).await;
    assert!(!is_in(gateway, ruled.id, ada.id).await, "who is in it follows from its own rule");
    directory.delete_group(&gateway.task(), ruled.id, None).await.unwrap();
    let group = group(gateway).await;
    sign_in(&stage, &["analysts"]).await;
    assert!(is_in(gateway, group.id, ada.id).await);
    let rename = |_: &Group, draft: &mut GroupDraft| {
        draft.name = "Others".parse().unwrap();
        Ok::<(), Error>(())
    };
    directory.change_group(&gateway.task(), group.id, None, rename).await.unwrap();
    sign_in(&stage, &["analysts"]).await;
    assert!(!is_in(gateway, group.id, ada.id).await, "no rule names it any more");
}

#[tokio::test]
async fn a_group_that_a_rule_joins_gives_what_rules_of_other_sources_say_of_it() {
    let stage = Stage::with(&lines(""), &["entra"]).await;
    let (gateway, directory) = (&stage.gateway, stage.gateway.gateway.directory());
    let okta = gateway.connection("okta").await;
    let ada = directory.create_user(&okta, &record(ADA)).await.unwrap();
    let group = group(gateway).await;
    directory.create_group(&okta, &draft("Officers", &[Member::Group(group.id)])).await.unwrap();
    let (linked, has) = sign_in(&stage, &["analysts"]).await;
    assert_eq!((linked.id, has), (ada.id, json!(["compliance_officer", "viewer"])));
    assert_eq!(sign_in(&stage, &[]).await.1, json!([]));
}

#[tokio::test]
async fn a_rule_that_is_gone_from_the_file_takes_everybody_out_at_the_start() {
    let lines = format!("store.path = \"cleargate.redb\"\n{}", lines("mode = \"additive\""));
    let mut stage = Stage::with(&lines, &["entra"]).await;
    stage.gateway = stage.gateway.reopened(|_| {}).await;
    let group = group(&stage.gateway).await;
    let (ada, _) = sign_in(&stage, &["analysts"]).await;
    stage.gateway = stage.gateway.reopened(|_| {}).await;
    assert!(is_in(&stage.gateway, group.id, ada.id).await, "a start alone takes nobody out");
    let without = |store: &std::path::Path| {
        let path = store.with_file_name("cleargate.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("finance analysts", "others")).unwrap();
    };
    stage.gateway = stage.gateway.reopened(without).await;
    assert!(!is_in(&stage.gateway, group.id, ada.id).await);
    let moved = moves(&stage.gateway).await;
    assert!(detail(moved.last().unwrap(), "removed").is_some(), "{moved:?}");
}

/// Where a rule stands in the file is how it is told from others, and changes with every line above it.
#[tokio::test]
async fn a_rule_that_moved_within_the_file_is_still_the_rule() {
    for (mode, stays) in [("mode = \"full\"", false), ("mode = \"additive\"", true), ("mode = \"first\"", true)] {
        let lines = format!("store.path = \"cleargate.redb\"\n{}", lines(mode));
        let mut stage = Stage::with(&lines, &["entra"]).await;
        stage.gateway = stage.gateway.reopened(|_| {}).await;
        let group = group(&stage.gateway).await;
        let (ada, _) = sign_in(&stage, &["analysts"]).await;
        let moved = |store: &std::path::Path| {
            let path = store.with_file_name("cleargate.toml");
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(&path, format!("# One\n# Two\n{text}")).unwrap();
        };
        stage.gateway = stage.gateway.reopened(moved).await;
        assert!(is_in(&stage.gateway, group.id, ada.id).await, "{mode}: a start alone takes nobody out");
        sign_in(&stage, &[]).await;
        assert_eq!(is_in(&stage.gateway, group.id, ada.id).await, stays, "{mode}");
    }
}

#[tokio::test]
async fn who_is_in_a_group_by_two_providers_leaves_it_with_the_second() {
    let stage = two_providers("analysts", "Finance Analysts").await;
    let group = group(&stage.gateway).await;
    let come = async |connector: &str, groups: &[&str]| {
        let mut browser = stage.gateway.visitor();
        let reply = stage.sign_in_by(connector, &mut browser, ADA, groups).await;
        assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", reply.text);
        is_in(&stage.gateway, group.id, stage.find(ADA).await.unwrap().id).await
    };
    for (first, second) in [("entra", "okta-saml"), ("okta-saml", "entra")] {
        assert!(come(first, &["analysts"]).await);
        assert!(come(second, &["analysts"]).await);
        assert!(come(first, &[]).await, "{second} still says so");
        assert!(come(second, &["analysts"]).await);
        assert!(!come(second, &[]).await);
    }
}

#[tokio::test]
async fn what_a_provider_says_counts_by_its_own_rules_only() {
    let stage = two_providers("auditors", "Auditors").await;
    let group = group(&stage.gateway).await;
    let reply = stage.sign_in_by("okta-saml", &mut stage.gateway.visitor(), ADA, &["analysts"]).await;
    assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", reply.text);
    let ada = stage.find(ADA).await.unwrap().id;
    assert!(!is_in(&stage.gateway, group.id, ada).await);
    sign_in(&stage, &["analysts"]).await;
    assert!(is_in(&stage.gateway, group.id, ada).await);
}

#[tokio::test]
async fn who_is_deleted_leaves_and_who_is_unlinked_leaves() {
    let stage = Stage::with(&lines("mode = \"additive\""), &["entra"]).await;
    let (gateway, directory) = (&stage.gateway, stage.gateway.gateway.directory());
    let group = group(gateway).await;
    let (ada, _) = sign_in(&stage, &["analysts"]).await;
    // A connection that takes the account over cuts the links of sign-ins.
    let okta = gateway.connection("okta").await;
    let name = |_: &User, record: &mut SourceRecord| {
        record.external_id = Some("1".to_owned());
        Ok::<(), Error>(())
    };
    directory.change_user(&okta, ada.id, None, name).await.unwrap();
    assert!(!is_in(gateway, group.id, ada.id).await, "the link is cut");
    let (ada, _) = sign_in(&stage, &["analysts"]).await;
    assert!(is_in(gateway, group.id, ada.id).await);
    directory.delete_user(&okta, ada.id, None).await.unwrap();
    assert!(!is_in(gateway, group.id, ada.id).await);
}

#[test]
fn a_join_is_for_rules_about_sign_ins_and_stands_alone() {
    let mapping = |from: &str, more: &str| {
        let text = format!(
            "public_url = \"https://sso.example.com\"\n[[scim]]\nid = \"okta\"\n[[oidc]]\nid = \"idp\"\nissuer = \
             \"https://idp.example\"\nclient_id = \"x\"\n[[mapping]]\nfrom = \"{from}\"\nwhen = 'groups eq \"a\"'\n{more}\n"
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cleargate.toml");
        std::fs::write(&path, text).unwrap();
        match cleargate::config::load(&path, &cleargate::config::Credentials::None) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.iter().map(|problem| problem.message.clone()).collect(),
        }
    };
    assert_eq!(mapping("idp", "join = \"Finance\""), Vec::<String>::new());
    let told = mapping("okta", "join = \"Finance\"");
    assert!(told.len() == 1 && told[0].contains("mapping[0].join"), "{told:?}");
    let told = mapping("idp", "join = \"Finance\"\ngrant = { role = \"viewer\" }");
    assert!(told.len() == 1 && told[0].contains("mapping[0].join"), "{told:?}");
    let told = mapping("idp", "join = \" \"");
    assert!(told.len() == 1 && told[0].contains("mapping[0].join"), "{told:?}");
}
