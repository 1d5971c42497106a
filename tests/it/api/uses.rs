//! Which rights are used: what counts, what does not, how long it is kept, and what the report of practice makes of it.

use std::time::Duration;

use cleargate::access::{NewGrant, Uses};
use cleargate::model::{Actor, Circumstance, Id, OrganisationId, Presence, Subject, TokenKind, User, UserId};
use http::StatusCode;
use serde_json::{Value, json};

use super::{Client, Ground, good, refused};
use crate::support::gateway::TestGateway;

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Whether somebody used a permission today.
async fn has_used(test: &TestGateway, user: UserId, permission: &str) -> bool {
    let uses = test.gateway.access().uses();
    let last = uses.of_people(&[user]).await.unwrap();
    last[0].has_since(&permission.parse().unwrap(), test.clock.clock().now())
}

/// Somebody signed in uses a permission.
async fn acts(test: &TestGateway, user: UserId, permission: &str) {
    let actor = Actor::User { id: user, session: Id::from_bytes([9; 16]), presence: Presence::default() };
    let (access, permission) = (test.gateway.access(), permission.parse().unwrap());
    access.permit(&actor, &permission, None, Circumstance::default()).await.unwrap();
}

/// What is found by a check, and in what words.
fn items(posture: &Value, check: &str) -> Vec<String> {
    let found = posture["findings"].as_array().unwrap().iter().find(|finding| finding["check"] == check);
    let items = found.map(|found| found["items"].as_array().unwrap().clone()).unwrap_or_default();
    items.iter().map(|item| item.as_str().unwrap().to_owned()).collect()
}

async fn posture(ground: &Ground, query: &str) -> Value {
    good(ground.root().get(&format!("/api/v1/reports/posture{query}")).await, StatusCode::OK)
}

#[tokio::test]
async fn a_right_that_is_held_and_not_used_is_named_until_it_is_used() {
    let ground = Ground::new().await;
    ground.user("ada", &["administrator"]).await;
    let bob = ground.user("bob", &["editor"]).await;
    let told = posture(&ground, "").await;
    assert_eq!((&told["uses"]["enough"], &told["uses"]["days"]), (&json!(false), &json!(90)), "{told:#}");
    assert_eq!(told["uses"]["known_from"], "2027-02-21T00:00:00.000Z");
    ground.test.advance(90 * DAY);
    assert_eq!(items(&posture(&ground, "").await, "unused-rights"), [] as [&str; 0], "it is not known for as long");
    ground.test.advance(DAY);
    let told = posture(&ground, "").await;
    assert_eq!(told["uses"]["enough"], true);
    let unused = "ada: grants:create, grants:delete, roles:update, users:update";
    assert_eq!(items(&told, "unused-administration"), [unused]);
    let of_roles = items(&told, "unused-rights");
    let editor = of_roles.iter().find(|item| item.starts_with("editor: ")).unwrap();
    assert!(editor.contains("1 holder, 0 of whom used any of it") && editor.contains("more"), "{editor}");

    // Use is seen at once, and after it was written.
    let boss = ground.sign_in("ada").await;
    good(boss.post("/api/v1/grants", json!({"user": "bob", "role": "browser"})).await, StatusCode::CREATED);
    acts(&ground.test, bob.id, "elements:create").await;
    for _ in 0..2 {
        let told = posture(&ground, "").await;
        assert_eq!(items(&told, "unused-administration"), ["ada: grants:delete, roles:update, users:update"]);
        let of_roles = items(&told, "unused-rights");
        let editor = of_roles.iter().find(|item| item.starts_with("editor: ")).unwrap();
        assert!(editor.contains("1 holder, 1 of whom") && !editor.contains("elements:create"), "{editor}");
        ground.test.gateway.keep_uses().await.unwrap();
    }
    good(boss.patch("/api/v1/users/bob", json!({"name": "Bob"})).await, StatusCode::OK);
    acts(&ground.test, boss_id(&boss).await, "grants:delete").await;
    acts(&ground.test, boss_id(&boss).await, "roles:update").await;
    assert_eq!(items(&posture(&ground, "").await, "unused-administration"), [] as [&str; 0]);
    // A use grows old.
    ground.test.advance(91 * DAY);
    assert_eq!(items(&posture(&ground, "").await, "unused-administration"), [unused]);
    assert_eq!(items(&posture(&ground, "?days=100").await, "unused-administration"), [] as [&str; 0]);
    refused(&ground.root().get("/api/v1/reports/posture?days=0").await, 422, Some("days"));
}

async fn boss_id(client: &Client) -> UserId {
    let me = good(client.get("/api/v1/me").await, StatusCode::OK);
    me["user"]["id"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn who_holds_a_role_for_a_short_time_only_is_not_told_of() {
    let ground = Ground::new().await;
    let root = ground.root();
    let old = ground.user("old", &[]).await;
    let young = ground.user("young", &[]).await;
    ground.user("left", &["administrator"]).await;
    good(root.post("/api/v1/groups", json!({"name": "Admins", "users": ["old"]})).await, StatusCode::CREATED);
    good(root.post("/api/v1/groups", json!({"name": "Outer", "groups": ["Admins"]})).await, StatusCode::CREATED);
    good(root.post("/api/v1/grants", json!({"group": "Outer", "role": "administrator"})).await, StatusCode::CREATED);
    ground.test.advance(5 * DAY);
    good(root.post("/api/v1/groups/Admins/members", json!({"users": ["young"]})).await, StatusCode::OK);
    let made = json!({"userName": "newcomer", "role": "administrator"});
    good(root.post("/api/v1/users", made).await, StatusCode::CREATED);
    good(root.patch("/api/v1/users/left", json!({"active": false})).await, StatusCode::OK);
    ground.test.advance(2 * DAY);
    let told = items(&posture(&ground, "?days=3").await, "unused-administration");
    assert!(told.len() == 1 && told[0].starts_with("old: "), "{told:?}");
    ground.test.advance(2 * DAY);
    let told = items(&posture(&ground, "?days=3").await, "unused-administration");
    assert_eq!(told.len(), 3, "{told:?}");
    // What a role gives and another one denies is not held.
    ground.grant(&old, "no_access").await;
    assert_eq!(items(&posture(&ground, "?days=3").await, "unused-administration").len(), 2);
    // Whoever used some of it stands behind those who used none.
    acts(&ground.test, young.id, "users:update").await;
    let told = items(&posture(&ground, "?days=3").await, "unused-administration");
    assert!(told[0].starts_with("newcomer: grants:create"), "{told:?}");
    assert_eq!(told[1], "young: grants:create, grants:delete, roles:update");
}

#[tokio::test]
async fn a_ledger_that_nobody_reads_is_told_of_until_somebody_does() {
    let ground = Ground::new().await;
    let root = ground.root();
    assert_eq!(root.get("/api/v1/audit-logs").await.status, StatusCode::OK);
    ground.test.gateway.keep_uses().await.unwrap();
    ground.test.advance(10 * DAY);
    assert_eq!(items(&posture(&ground, "?days=11").await, "unread-ledger"), [] as [&str; 0], "not known for as long");
    let told = items(&posture(&ground, "?days=3").await, "unread-ledger");
    assert_eq!(told, ["last read on the day of 2026-11-22T00:00:00.000Z"]);
    // A program that fetches it, an administrator of the machine, and a person.
    let program = ground.service(&["audit:read"]).await;
    ground.user("boss", &["administrator"]).await;
    for caller in 0..3 {
        assert_eq!(items(&posture(&ground, "?days=3").await, "unread-ledger").len(), 1, "{caller}");
        let client = match caller {
            0 => program.clone(),
            1 => root.clone(),
            _ => ground.sign_in("boss").await,
        };
        assert_eq!(client.get("/api/v1/audit-logs").await.status, StatusCode::OK);
        for _ in 0..2 {
            assert_eq!(items(&posture(&ground, "?days=3").await, "unread-ledger"), [] as [&str; 0], "{caller}");
            ground.test.gateway.keep_uses().await.unwrap();
        }
        ground.test.advance(5 * DAY);
    }
}

/// Somebody's token for the decision API.
async fn application(ground: &Ground) -> Client {
    let token = ground.service(&["decisions:read", "users:read"]).await;
    Client { router: ground.test.gateway.public_router(), ..token }
}

fn question(user: &User, time: Option<&str>) -> Value {
    let mut asked = json!({
        "subject": {"type": "user", "id": user.id.to_string()},
        "action": {"name": "create"},
        "resource": {"type": "elements", "id": "1"},
    });
    if let Some(time) = time {
        asked["context"] = json!({"time": time});
    }
    asked
}

#[tokio::test]
async fn questions_about_somebody_are_no_use_and_neither_is_what_is_denied() {
    let ground = Ground::new().await;
    let (ada, browser) = ground.browser("ada", &["editor"]).await;
    let (_, boss) = ground.browser("boss", &["administrator"]).await;
    let (wanted, application) = ("elements:create", application(&ground).await);
    for path in [
        "/api/v1/explain?user=ada&permission=elements:create",
        "/api/v1/who-can?permission=elements:create",
        "/api/v1/users/ada/permissions",
        "/api/v1/users/ada",
    ] {
        good(boss.get(path).await, StatusCode::OK);
    }
    assert_eq!(boss.get("/api/v1/export").await.status, StatusCode::OK);
    for path in ["/api/v1/me", "/api/v1/me/access", "/api/v1/explain?user=ada&permission=elements:create"] {
        good(browser.get(path).await, StatusCode::OK);
    }
    for search in ["subject", "action", "resource"] {
        let path = format!("/access/v1/search/{search}");
        good(application.post(&path, question(&ada, None)).await, StatusCode::OK);
    }
    let elsewhere = question(&ada, Some("2026-11-30T08:00:00Z"));
    assert_eq!(
        good(application.post("/access/v1/evaluation", elsewhere).await, StatusCode::OK)["decision"],
        true,
        "what will be is not now"
    );
    let by_boss = Client { router: ground.test.gateway.public_router(), ..boss.clone() };
    good(by_boss.post("/access/v1/evaluation", question(&ada, None)).await, StatusCode::OK);
    assert!(!has_used(&ground.test, ada.id, wanted).await);

    // What is denied.
    refused(&browser.get("/api/v1/users").await, 403, None);
    let mut denied = question(&ada, None);
    denied["resource"]["type"] = json!("users");
    assert_eq!(good(application.post("/access/v1/evaluation", denied).await, StatusCode::OK)["decision"], false);
    for permission in ["users:read", "users:create"] {
        assert!(!has_used(&ground.test, ada.id, permission).await, "{permission}");
    }

    // An application that is about to let her.
    let now = question(&ada, Some("2026-11-22T08:00:01Z"));
    good(application.post("/access/v1/evaluation", now).await, StatusCode::OK);
    assert!(has_used(&ground.test, ada.id, wanted).await);
    let mut many = question(&ada, None);
    many["evaluations"] = json!([{"action": {"name": "delete"}}]);
    good(application.post("/access/v1/evaluations", many).await, StatusCode::OK);
    assert!(has_used(&ground.test, ada.id, "elements:delete").await);
    let own = Client { router: ground.test.gateway.public_router(), ..browser };
    let mut own_question = question(&ada, None);
    own_question["resource"]["type"] = json!("strategy-maps");
    good(own.post("/access/v1/evaluation", own_question).await, StatusCode::OK);
    assert!(has_used(&ground.test, ada.id, "strategy-maps:create").await);

    // The one who looked used what it takes to look, and of an export nothing.
    let boss = boss_id(&boss).await;
    for (permission, is_used) in [("decisions:read", true), ("users:read", true), ("roles:update", false)] {
        assert_eq!(has_used(&ground.test, boss, permission).await, is_used, "{permission}");
    }
}

#[tokio::test]
async fn a_token_uses_the_rights_of_whom_it_acts_for_and_of_its_maker() {
    let ground = Ground::new().await;
    let ada = ground.user("ada", &["administrator"]).await;
    let boss = ground.user("boss", &["administrator"]).await;
    let kind = TokenKind::Management(vec!["*:*".parse().unwrap()], Some(ada.id), Some(boss.id));
    let tokens = ground.test.gateway.tokens();
    let (secret, _) = tokens.create(&ground.test.task(), "job", kind, None).await.unwrap();
    good(ground.bearer(secret.expose()).get("/api/v1/grants?user=ada").await, StatusCode::OK);
    for user in [ada.id, boss.id] {
        assert!(has_used(&ground.test, user, "grants:read").await);
        assert!(!has_used(&ground.test, user, "grants:create").await);
    }
}

#[tokio::test]
async fn uses_survive_a_restart_once_they_are_written_and_end_with_the_account() {
    let test = TestGateway::on_disk("", &[]).await;
    let (ada, eve) = (test.user("ada", None).await, test.user("eve", None).await);
    for user in [&ada, &eve] {
        let access = test.gateway.access();
        let grant = NewGrant::new(Subject::User(user.id), "editor".parse().unwrap());
        access.grants().create(&test.task(), &access.roles(), grant).await.unwrap();
        acts(&test, user.id, "elements:create").await;
    }
    let before = test.gateway.ledger().store().engine().log(0, 10_000).await.unwrap().len();
    assert_eq!(test.gateway.access().keep_uses().await.unwrap(), 2);
    assert_eq!(test.gateway.access().keep_uses().await.unwrap(), 0, "nothing is new");
    let after = test.gateway.ledger().store().engine().log(0, 10_000).await.unwrap().len();
    assert_eq!(before, after, "no event tells of a use");
    acts(&test, ada.id, "elements:delete").await;
    let test = test.reopened(|_| {}).await;
    assert!(has_used(&test, ada.id, "elements:create").await);
    assert!(!has_used(&test, ada.id, "elements:delete").await, "what was not written is not known");
    let since = test.gateway.access().uses().recorded_since().await.unwrap().unwrap();
    assert_eq!(since.to_string(), "2026-11-23T00:00:00.000Z", "a start later begins nothing anew");

    // A deletion takes what is written and what waits.
    acts(&test, eve.id, "elements:delete").await;
    test.gateway.directory().delete_user(&test.task(), eve.id, None).await.unwrap();
    test.gateway.keep_uses().await.unwrap();
    assert!(!has_used(&test, eve.id, "elements:create").await && !has_used(&test, eve.id, "elements:delete").await);
    // What was noted of an account that is gone by the time of writing.
    let fay = test.user("fay", None).await;
    test.gateway.access().note_use_by(fay.id, &"elements:create".parse().unwrap(), test.clock.clock().now());
    test.gateway.access().note_use_by(eve.id, &"elements:create".parse().unwrap(), test.clock.clock().now());
    test.gateway.keep_uses().await.unwrap();
    let test = test.reopened(|_| {}).await;
    assert!(has_used(&test, fay.id, "elements:create").await && !has_used(&test, eve.id, "elements:create").await);
}

#[tokio::test]
async fn a_deletion_that_is_only_tried_or_fails_loses_no_use() {
    let ground = Ground::new().await;
    let (ada, root) = (ground.user("ada", &["editor"]).await, ground.root());
    acts(&ground.test, ada.id, "elements:create").await;
    good(root.delete("/api/v1/users/ada?dry_run=true&confirm=ada").await, StatusCode::OK);
    assert!(has_used(&ground.test, ada.id, "elements:create").await, "before it is written");
    assert_eq!(ground.test.gateway.access().keep_uses().await.unwrap(), 1);
    acts(&ground.test, ada.id, "elements:delete").await;
    good(root.delete("/api/v1/users/ada?dry_run=true&confirm=ada").await, StatusCode::OK);
    // One that did not come to its commit.
    let mut change = ground.test.gateway.ledger().change();
    ground.test.gateway.access().uses().delete_in(&mut change, ada.id);
    drop(change);
    ground.test.gateway.keep_uses().await.unwrap();
    for permission in ["elements:create", "elements:delete"] {
        assert!(has_used(&ground.test, ada.id, permission).await, "{permission}");
    }
    // What somebody used who is gone by the time of writing was used by somebody.
    acts(&ground.test, ada.id, "strategy-maps:create").await;
    good(root.delete("/api/v1/users/ada?confirm=ada").await, StatusCode::OK);
    ground.test.gateway.keep_uses().await.unwrap();
    assert!(!has_used(&ground.test, ada.id, "elements:create").await);
    assert!(!has_used(&ground.test, ada.id, "strategy-maps:create").await);
    let last = ground.test.gateway.access().uses().last(&"strategy-maps:create".parse().unwrap()).await.unwrap();
    assert_eq!(last.unwrap().to_string(), "2026-11-22T00:00:00.000Z");
}

/// Ids whose uses share a part of the memory.
fn of_one_part(number: usize) -> UserId {
    Id::from_bytes((u128::try_from(number).unwrap() << 8).to_be_bytes())
}

#[tokio::test]
async fn where_uses_found_no_room_it_is_known_from_the_next_day_on_again() {
    let test = TestGateway::on_disk("", &[]).await;
    let access = test.gateway.access().clone();
    let since = async || access.uses().recorded_since().await.unwrap().unwrap().to_string();
    let (now, permission) = (test.clock.clock().now(), "elements:create".parse().unwrap());
    for number in 0..16_384 {
        access.note_use_by(of_one_part(number), &permission, now);
    }
    assert_eq!(since().await, "2026-11-23T00:00:00.000Z");
    test.advance(3 * DAY);
    let now = test.clock.clock().now();
    access.note_use_by(of_one_part(20_000), &permission, now);
    assert_eq!(since().await, "2026-11-26T00:00:00.000Z", "at once");
    access.note_use_by(of_one_part(0), &permission, now);
    test.gateway.keep_uses().await.unwrap();
    assert_eq!(since().await, "2026-11-26T00:00:00.000Z");
    // There is room again.
    access.note_use_by(of_one_part(20_001), &permission, now);
    test.advance(DAY);
    test.gateway.keep_uses().await.unwrap();
    assert_eq!(since().await, "2026-11-26T00:00:00.000Z", "nothing was missed since");
    drop(access);
    let test = test.reopened(|_| {}).await;
    let since = test.gateway.access().uses().recorded_since().await.unwrap().unwrap();
    assert_eq!(since.to_string(), "2026-11-26T00:00:00.000Z", "a start forgets nothing of it");
}

#[tokio::test]
async fn a_store_that_was_put_back_knows_no_use_before_its_start() {
    let test = TestGateway::on_disk("", &[]).await;
    test.advance(10 * DAY);
    let backup = test.back_up().await;
    test.advance(20 * DAY);
    let test = test.reopened(|store| std::fs::copy(&backup, store).map(|_| ()).unwrap()).await;
    let since = test.gateway.access().uses().recorded_since().await.unwrap().unwrap();
    assert_eq!(since.to_string(), "2026-12-23T00:00:00.000Z");
}

#[tokio::test]
async fn another_organisations_uses_are_its_own() {
    let ground = Ground::new().await;
    let ada = ground.user("ada", &["editor"]).await;
    acts(&ground.test, ada.id, "elements:create").await;
    ground.test.gateway.keep_uses().await.unwrap();
    let (ledger, clock) = (ground.test.gateway.ledger().clone(), ground.test.clock.clock());
    let other = Uses::new(ledger, clock, OrganisationId::from_bytes([0x77; 16]));
    assert_eq!(other.of_people(&[ada.id]).await.unwrap(), [cleargate::access::LastUses::default()]);
    assert_eq!(other.recorded_since().await.unwrap(), None);
    let catalogue = ground.test.gateway.access().roles().catalogue().clone();
    assert_eq!(other.of_anybody(&catalogue).await.unwrap(), cleargate::access::LastUses::default());
}
