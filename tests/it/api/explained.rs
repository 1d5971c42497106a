//! What an explanation names: who gave, through which groups and by which source, where the rule is written.

use cleargate::access::NewGrant;
use cleargate::directory::{GroupDraft, Member, MemberChange};
use cleargate::model::{Attributes, GroupId, Subject};
use http::StatusCode;
use serde_json::{Value, json};

use super::{Ground, good};
use crate::support::gateway::record;

const SYSTEMS: &str = "policy.pack = \"clearpoint-systems\"\n[[scim]]\nid = \"okta\"";

async fn explain(ground: &Ground, user: &str, permission: &str) -> Value {
    let path = format!("/api/v1/explain?user={user}&permission={permission}");
    good(ground.root().get(&path).await, StatusCode::OK)
}

async fn group(ground: &Ground, permit: &cleargate::access::Permit, name: &str, member: Member) -> GroupId {
    let mut members = MemberChange::default();
    members.add(member);
    let draft =
        GroupDraft { name: name.parse().unwrap(), external_id: None, attributes: Attributes::default(), members };
    ground.test.gateway.directory().create_group(permit, &draft).await.unwrap().id
}

#[tokio::test]
async fn an_explanation_names_the_groups_on_the_way_and_the_source_that_brought_each_membership() {
    let ground = Ground::with(SYSTEMS).await;
    let okta = ground.test.connection("okta").await;
    let directory = ground.test.gateway.directory();
    let ada = directory.create_user(&okta, &record("ada")).await.unwrap();
    let inner = group(&ground, &okta, "Analysts", Member::User(ada.id)).await;
    let outer = group(&ground, &ground.test.task(), "Everybody in Finance", Member::Group(inner)).await;
    let access = ground.test.gateway.access();
    let grant = NewGrant::new(Subject::Group(outer), "data_analyst".parse().unwrap());
    access.grants().create(&ground.test.task(), &access.roles(), grant).await.unwrap();
    let told = explain(&ground, "ada", "data:export").await;
    assert_eq!((&told["allowed"], &told["level"]), (&json!(true), &json!("organisation")), "{told}");
    let through = told["steps"][0]["through"].as_array().unwrap();
    let shown: Vec<(&str, Option<&str>)> =
        through.iter().map(|way| (way["group"].as_str().unwrap(), way.get("source").and_then(Value::as_str))).collect();
    assert_eq!(shown, [("Analysts", Some("okta")), ("Everybody in Finance", None)]);
    let reason = told["reason"].as_str().unwrap();
    assert!(reason.contains("through group `Everybody in Finance` of which `Analysts` is a member"), "{reason}");
    assert!(!reason.contains(&inner.to_string()) && !reason.contains(&outer.to_string()), "{reason}");
    let token = ["decisions:read", "users:read", "grants:read", "groups:read"];
    let application = ground.service(&token).await;
    let router = cleargate::authzen::router(ground.test.gateway.authzen());
    let question = json!({"subject": {"type": "user", "id": "ada"}, "resource": {"type": "data", "id": "1"},
                          "action": {"name": "export"}});
    let asker = super::Client { router, ..application };
    let answer = good(asker.post("/access/v1/evaluation", question.clone()).await, StatusCode::OK);
    let reasons = &answer["context"]["reasons"];
    assert_eq!(reasons["steps"][0]["groups"], json!(["Analysts", "Everybody in Finance"]), "{answer}");
    assert!(!answer.to_string().contains(&inner.to_string()), "{answer}");
    let batch = json!({"evaluations": [question]});
    let answer = good(asker.post("/access/v1/evaluations", batch).await, StatusCode::OK);
    let reason = &answer["evaluations"][0]["context"]["reasons"]["reason"];
    assert!(reason.as_str().unwrap().contains("`Everybody in Finance`"), "{answer}");
}

#[tokio::test]
async fn an_explanation_names_who_gave_the_role_and_who_made_it() {
    let ground = Ground::with(SYSTEMS).await;
    let (_, boss) = ground.browser("boss", &["system_administrator"]).await;
    ground.user("ada", &[]).await;
    let role = json!({"name": "Exporter", "permissions": ["data:export"]});
    good(boss.post("/api/v1/roles", role).await, StatusCode::CREATED);
    good(boss.post("/api/v1/grants", json!({"user": "ada", "role": "exporter"})).await, StatusCode::CREATED);
    let told = explain(&ground, "ada", "data:export").await;
    let step = &told["steps"][0];
    assert_eq!(step["maker_name"], "boss", "{told}");
    assert!(step["rule_at"].as_str().unwrap().starts_with("made by user:"), "{told}");
    assert!(told["reason"].as_str().unwrap().contains("by hand, given by `boss` (grant"), "{told}");
}

#[tokio::test]
async fn a_refusal_says_what_would_have_to_be_otherwise() {
    let ground = Ground::with(SYSTEMS).await;
    let ada = ground.user("ada", &[]).await;
    let told = explain(&ground, "ada", "data:export").await;
    assert_eq!(told["remedy"], "one of the roles under `needed` would have to be given");
    let deny = json!({"name": "No Exports", "permissions": [], "denies": ["data:export"]});
    good(ground.root().post("/api/v1/roles", deny).await, StatusCode::CREATED);
    let grant = json!({"user": "ada", "role": "no_exports"});
    let grant = good(ground.root().post("/api/v1/grants", grant).await, StatusCode::CREATED);
    let told = explain(&ground, "ada", "data:export").await;
    let remedy = told["remedy"].as_str().unwrap();
    assert!(remedy.contains(grant["id"].as_str().unwrap()) && remedy.contains("no_exports"), "{told}");
    ground.test.gateway.directory().set_active(&ground.test.task(), ada.id, false).await.unwrap();
    assert_eq!(explain(&ground, "ada", "data:export").await["remedy"], "the account would have to be active");
}

#[tokio::test]
async fn a_groups_name_says_nothing_in_the_name_of_an_explanation() {
    let ground = Ground::with(SYSTEMS).await;
    ground.user("ada", &[]).await;
    let forged = "Staff`, by hand, given by `root` (grant 1)";
    let group = good(ground.root().post("/api/v1/groups", json!({"name": forged})).await, StatusCode::CREATED);
    let id = group["id"].as_str().unwrap().to_owned();
    let member = ground.root().post(&format!("/api/v1/groups/{id}/members"), json!({"users": ["ada"]})).await;
    assert!(member.status.is_success(), "{}", member.text);
    let grant = json!({"group": id, "role": "data_analyst"});
    good(ground.root().post("/api/v1/grants", grant).await, StatusCode::CREATED);
    let told = explain(&ground, "ada", "data:read").await;
    let reason = told["reason"].as_str().unwrap();
    assert!(reason.contains("`Staff', by hand, given by 'root' (grant 1)`"), "{reason}");
    assert_eq!(told["steps"][0]["through"][0]["group"], forged);
}
