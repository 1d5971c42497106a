//! Who may ask about whom.

use cleargate::directory::{self, SourceRecord};
use cleargate::model::{Companies, User};
use cleargate::secret::Secret;
use http::StatusCode;
use serde_json::{Value, json};

use super::{Asker, EVALUATION, Ground, person, question, refused};

const PASSWORD: &str = "violet anchors drift at noon";

fn record() -> Value {
    json!({"type": "record", "id": "1"})
}

async fn browser(ground: &Ground, user_name: &str, roles: &[&str]) -> Asker {
    let user = ground.user(user_name, roles).await;
    let password = Secret::new(PASSWORD.to_owned());
    ground.test.gateway.credentials().set(&ground.test.task(), &user, &password, false).await.unwrap();
    let mut visitor = ground.test.visitor();
    assert!(visitor.sign_in(user_name, PASSWORD).await.status.is_redirection());
    Asker(visitor).with_header("sec-fetch-site", "same-origin")
}

#[tokio::test]
async fn nobody_is_refused_and_told_how_to_be_somebody() {
    let ground = Ground::new().await;
    let nobody = Asker(ground.test.visitor());
    for path in [EVALUATION, "/access/v1/evaluations", "/access/v1/search/subject", "/access/v1/search/action"] {
        for asker in [nobody.clone(), ground.bearer("cgp_made_up"), nobody.clone().with_header("authorization", "key")]
        {
            let reply = asker.post(path, &question("ada", "read", record())).await;
            refused(&reply, 401);
            assert_eq!(reply.headers["www-authenticate"], "Bearer realm=\"cleargate\"");
        }
    }
}

#[tokio::test]
async fn a_token_without_the_right_to_read_decisions_learns_nothing() {
    let ground = Ground::new().await;
    ground.user("ada", &["reader"]).await;
    let asker = ground.application(&["users:read"]).await;
    let known = asker.post(EVALUATION, &question("ada", "read", record())).await;
    let unknown = asker.post(EVALUATION, &question("eve", "read", record())).await;
    assert_eq!(refused(&known, 403), refused(&unknown, 403));
    for search in ["subject", "resource", "action"] {
        let reply = asker.post(&format!("/access/v1/search/{search}"), &question("ada", "read", record())).await;
        refused(&reply, 403);
    }
}

#[tokio::test]
async fn people_ask_about_themselves_and_about_nobody_else() {
    let ground = Ground::new().await;
    ground.user("bob", &["writer"]).await;
    let ada = browser(&ground, "ada", &["reader"]).await;
    assert!(ada.decides(question("ada", "read", record())).await);
    assert!(!ada.decides(question("ADA", "write", record())).await);
    assert_eq!(ada.finds("action", json!({"subject": person("ada"), "resource": record()})).await, ["read"]);
    assert_eq!(ada.finds("resource", question("ada", "read", json!({"type": "record"}))).await, ["*"]);
    for name in ["bob", "eve"] {
        refused(&ada.post(EVALUATION, &question(name, "read", record())).await, 403);
        refused(&ada.post("/access/v1/search/resource", &question(name, "read", record())).await, 403);
        let what = json!({"subject": person(name), "resource": record()});
        refused(&ada.post("/access/v1/search/action", &what).await, 403);
    }
    refused(&ada.post("/access/v1/search/subject", &question("ada", "read", record())).await, 403);
    // Another site's page asks nothing in their name.
    refused(
        &ada.with_header("sec-fetch-site", "cross-site").post(EVALUATION, &question("ada", "read", record())).await,
        403,
    );
}

#[tokio::test]
async fn searching_for_people_takes_the_right_to_read_people() {
    let ground = Ground::new().await;
    ground.user("ada", &["reader"]).await;
    let who = json!({"subject": {"type": "user"}, "action": {"name": "read"}, "resource": record()});
    let asker = ground.application(&["decisions:read"]).await;
    let detail = refused(&asker.post("/access/v1/search/subject", &who).await, 403);
    assert!(detail.contains("users:read"), "{detail}");
    let asker = ground.application(&["decisions:read", "users:read"]).await;
    assert_eq!(asker.finds("subject", who).await, ["ada"]);
}

#[tokio::test]
async fn who_reads_decisions_in_a_scope_asks_there_only() {
    const PACK: &str = "title = \"x\"\nscope_kinds = [\"department\"]\n[catalogue]\nrecord = [\"read\"]\n\
        [[role]]\nname = \"Auditor\"\ndescription = \"x\"\npermissions = [\"decisions:read\", \"record:read\"]\n";
    let mut ground = Ground::new().await;
    let files = [("pack.toml", PACK)];
    ground.test = crate::support::gateway::TestGateway::with_files("policy.pack = \"./pack.toml\"", &files).await;
    ground.user("bob", &[]).await;
    let ada = browser(&ground, "ada", &["auditor@department:finance"]).await;
    let at =
        |scope: Value| question("bob", "read", json!({"type": "record", "id": "1", "properties": {"scope": scope}}));
    assert!(!ada.decides(at(json!("department:finance"))).await);
    let by_id = question("bob", "read", json!({"type": "record", "id": "department:finance"}));
    assert!(!ada.decides(by_id).await);
    refused(&ada.post(EVALUATION, &at(json!("department:it"))).await, 403);
    refused(&ada.post(EVALUATION, &question("bob", "read", record())).await, 403);
}

#[tokio::test]
async fn a_change_shows_at_the_next_question_and_the_inactive_may_nothing() {
    let ground = Ground::new().await;
    let ada = ground.user("ada", &[]).await;
    let asker = ground.application(&["decisions:read"]).await;
    let asked = || question("ada", "read", record());
    assert!(!asker.decides(asked()).await);
    ground.grant(&ada, "reader").await;
    assert!(asker.decides(asked()).await);
    assert!(asker.decides(question(&ada.id.to_string(), "read", record())).await, "by id as well as by name");
    ground.test.gateway.directory().set_active(&ground.test.task(), ada.id, false).await.unwrap();
    let answer = asker.ask(EVALUATION, asked()).await;
    assert_eq!(
        (&answer["decision"], &answer["context"]["reasons"]["decided_by"]),
        (&json!(false), &json!("not-active"))
    );
}

#[tokio::test]
async fn questions_count_against_the_rate_of_the_management_api() {
    let ground = Ground::with("limits.api = \"3/1m\"").await;
    let asker = ground.application(&["decisions:read"]).await;
    for _ in 0..3 {
        assert!(!asker.decides(question("ada", "read", record())).await);
    }
    let reply = asker.post(EVALUATION, &question("ada", "read", record())).await;
    assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(reply.headers.contains_key("retry-after"));
    refused(&reply, 429);
}

/// A right to read decisions in one department, given by a role of one's own.
async fn auditor(ground: &Ground) -> Asker {
    let asker = browser(ground, "auditor", &[]).await;
    let access = ground.test.gateway.access();
    let draft = serde_json::from_value(json!({"name": "Auditor", "permissions": ["decisions:read"]})).unwrap();
    access.create_role(&ground.test.task(), &draft, cleargate::access::Run::Commit).await.unwrap();
    let user = ground.test.gateway.directory().find_user_by_name("auditor").await.unwrap().unwrap();
    ground.grant(&user, "auditor+department:finance").await;
    asker
}

#[tokio::test]
async fn who_reads_decisions_in_one_place_learns_nothing_of_others() {
    let ground = Ground::new().await;
    ground.user("ada", &["reader+department:finance", "writer+department:secret"]).await;
    let within = |scope: &str| json!({"type": "record", "id": "1", "properties": {"scope": scope}});
    let auditor = auditor(&ground).await;
    let reply = auditor.post(EVALUATION, &question("ada", "read", within("department:finance"))).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    assert!(reply.text.contains("department:finance") && !reply.text.contains("department:secret"), "{}", reply.text);
    refused(&auditor.post(EVALUATION, &question("ada", "read", within("department:secret"))).await, 403);
    // Who may read them everywhere is told everything.
    let everywhere = ground.application(&["decisions:read"]).await;
    let reply = everywhere.post(EVALUATION, &question("ada", "read", within("department:finance"))).await;
    assert!(reply.text.contains("department:secret"), "{}", reply.text);
}

#[tokio::test]
async fn asking_about_oneself_shows_no_scope_but_ones_own() {
    let ground = Ground::new().await;
    ground.test.place(&["department:hidden"]).await;
    let ada = browser(&ground, "ada", &["reader", "writer+department:finance"]).await;
    let found = ada.finds("resource", question("ada", "read", json!({"type": "record"}))).await;
    assert_eq!(found, ["*", "department:finance"]);
    let everywhere = ground.application(&["decisions:read"]).await;
    let found = everywhere.finds("resource", question("ada", "read", json!({"type": "record"}))).await;
    assert_eq!(found, ["*", "department:finance", "department:hidden"]);
}

async fn limit(ground: &Ground, user: &User, companies: &[&str]) {
    let named = companies.iter().map(|company| company.parse().unwrap()).collect();
    let companies = Companies { named, sees_all: false };
    let edit = |_: &User, _: &mut SourceRecord| Ok::<_, directory::Error>(());
    let (directory, permit) = (ground.test.gateway.directory(), ground.test.task());
    directory.change_account(&permit, user.id, None, Some(&companies), edit).await.unwrap();
}

#[tokio::test]
async fn people_find_nobody_whom_companies_hide_from_them() {
    let ground = Ground::new().await;
    ground.test.place(&["company:north", "company:south"]).await;
    for (name, company) in [("near", "company:north"), ("far", "company:south")] {
        limit(&ground, &ground.user(name, &["reader"]).await, &[company]).await;
    }
    let nora = browser(&ground, "nora", &["reviewer", "reader"]).await;
    let account = ground.test.gateway.directory().find_user_by_name("nora").await.unwrap().unwrap();
    let who = json!({"subject": {"type": "user"}, "action": {"name": "read"}, "resource": record()});
    assert_eq!(nora.finds("subject", who.clone()).await, ["near", "far", "nora"]);
    limit(&ground, &account, &["company:north"]).await;
    assert_eq!(nora.finds("subject", who.clone()).await, ["near", "nora"]);
    // The long way, too.
    let mut at = who.clone();
    at["context"] = json!({"time": "2027-01-01T00:00:00Z"});
    assert_eq!(nora.finds("subject", at).await, ["near", "nora"]);
    assert!(nora.decides(question("near", "read", record())).await);
    for name in ["far", "nobody"] {
        let answer = nora.ask(EVALUATION, question(name, "read", record())).await;
        assert_eq!(
            (&answer["decision"], &answer["context"]["reasons"]["decided_by"]),
            (&json!(false), &json!("unknown-subject"))
        );
        assert!(nora.finds("action", json!({"subject": person(name), "resource": record()})).await.is_empty());
    }
    let places = nora.finds("resource", question("near", "read", json!({"type": "record"}))).await;
    assert_eq!(places, ["*", "company:north"], "nor is there a company that one has not");
    // Applications are told of everybody.
    let asker = ground.application(&["decisions:read", "users:read"]).await;
    assert_eq!(asker.finds("subject", who).await, ["near", "far", "nora"]);
}
