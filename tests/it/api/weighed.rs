//! Every way to change who may do what is held against the tests of the policy and what protects administrators.

use axum::body::Body;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Client, Ground, good, refused};
use crate::support::gateway::Reply;

const TESTS: &str = r#"policy.pack = "clearpoint-systems"

[[test]]
name = "ada reads reports"
as = "ada"
accept = ["reports:read", "reports:read@department:finance"]
deny = ["users:read"]

[[test]]
name = "auditors"
as = "group:Auditors"
accept = ["audit:read"]
deny = ["users:read"]

[[test]]
name = "mallory"
as = "mallory"
deny = ["users:read"]
"#;

#[track_caller]
fn broken(reply: &Reply, test: &str) {
    refused(reply, 409, None);
    assert!(reply.text.contains(&format!("would break the policy test `{test}`")), "{}", reply.text);
}

async fn give(ground: &Ground, body: Value) -> Value {
    good(ground.root().post("/api/v1/grants", body).await, StatusCode::CREATED)
}

async fn import(client: &Client, document: &str) -> Reply {
    client.send(Method::POST, "/api/v1/import", "application/x-ndjson", Body::from(document.to_owned())).await
}

async fn export(ground: &Ground) -> String {
    ground.root().get("/api/v1/export").await.text
}

/// A document with some of its lines otherwise.
fn edited(document: &str, edit: impl Fn(&str) -> Option<String>) -> String {
    let lines = document.lines().filter(|line| !line.contains("\"kind\":\"end\"")).filter_map(edit);
    let lines: Vec<String> = lines.collect();
    format!("{}\n{{\"kind\":\"end\",\"records\":{}}}\n", lines.join("\n"), lines.len() - 1)
}

#[tokio::test]
async fn off_boarding_moves_of_scopes_and_names_are_held_up_by_the_tests() {
    let ground = Ground::with(TESTS).await;
    let root = ground.root();
    ground.test.place(&["department:head", "department:finance < department:head", "department:sales"]).await;
    ground.user("ada", &[]).await;
    ground.user("grace", &["system_administrator"]).await;
    give(&ground, json!({"user": "ada", "role": "viewer"})).await;
    broken(&root.post("/api/v1/users/ada:offboard", json!({})).await, "ada reads reports");
    broken(&root.post("/api/v1/users/ada:offboard", json!({"dry_run": true})).await, "ada reads reports");
    broken(&root.patch("/api/v1/users/ada", json!({"userName": "ada2"})).await, "ada reads reports");
    // Below sales nothing is left to her.
    good(root.post("/api/v1/roles", json!({"name": "Idle", "permissions": []})).await, StatusCode::CREATED);
    give(&ground, json!({"user": "ada", "role": "idle", "scope": "department:sales", "mode": "override"})).await;
    broken(&root.patch("/api/v1/departments/finance", json!({"parent": "sales"})).await, "ada reads reports");
    good(root.patch("/api/v1/departments/finance", json!({"parent": null})).await, StatusCode::OK);
    // A scope made again is a scope moved.
    good(root.delete("/api/v1/departments/finance").await, StatusCode::OK);
    let again = json!({"name": "Finance", "slug": "finance", "parent": "sales"});
    broken(&root.post("/api/v1/departments", again).await, "ada reads reports");
    // A name that a test speaks of does not go to another group, and no second group takes it.
    for name in ["Auditors", "Admins"] {
        good(root.post("/api/v1/groups", json!({"name": name})).await, StatusCode::CREATED);
    }
    give(&ground, json!({"group": "Auditors", "role": "compliance_officer"})).await;
    give(&ground, json!({"group": "Admins", "role": "system_administrator"})).await;
    broken(&root.patch("/api/v1/groups/Auditors", json!({"name": "Reviewers"})).await, "auditors");
    good(root.patch("/api/v1/groups/Admins", json!({"name": "Administrators"})).await, StatusCode::OK);
}

#[tokio::test]
async fn accounts_are_made_within_the_tests() {
    let ground = Ground::with(TESTS).await;
    let root = ground.root();
    let more = json!({"userName": "mallory", "role": "system_administrator"});
    broken(&root.post("/api/v1/users", more).await, "mallory");
    assert_eq!(root.get("/api/v1/users/mallory").await.status, StatusCode::NOT_FOUND);
    good(root.post("/api/v1/groups", json!({"name": "Admins"})).await, StatusCode::CREATED);
    give(&ground, json!({"group": "Admins", "role": "system_administrator"})).await;
    let by_group = json!({"userName": "mallory", "role": "viewer", "access_groups": ["Admins"]});
    broken(&root.post("/api/v1/users", by_group).await, "mallory");
    let rows = json!([
        {"first_name": "G", "last_name": "H", "email": "grace@x.example"},
        {"first_name": "A", "last_name": "B", "email": "mallory@x.example"},
    ]);
    let bulk = json!({"rows": rows, "role": "system_administrator"});
    good(root.post("/api/v1/users:bulk", bulk).await, StatusCode::CREATED);
    good(root.post("/api/v1/users", json!({"userName": "mallory", "role": "viewer"})).await, StatusCode::CREATED);
    // Who is not there yet is called as somebody whom a test speaks of.
    broken(&root.patch("/api/v1/users/mallory", json!({"userName": "nobody"})).await, "mallory");
}

#[tokio::test]
async fn accounts_of_a_list_are_made_within_the_tests() {
    let lines = TESTS.replace("as = \"mallory\"", "as = \"mallory@x.example\"");
    let ground = Ground::with(&lines).await;
    let rows = json!([
        {"first_name": "G", "last_name": "H", "email": "grace@x.example"},
        {"first_name": "A", "last_name": "B", "email": "mallory@x.example"},
    ]);
    let bulk = |role: &str| json!({"rows": rows.clone(), "role": role});
    broken(&ground.root().post("/api/v1/users:bulk", bulk("system_administrator")).await, "mallory");
    assert_eq!(ground.root().get("/api/v1/users/grace@x.example").await.status, StatusCode::NOT_FOUND);
    good(ground.root().post("/api/v1/users:bulk", bulk("viewer")).await, StatusCode::CREATED);
}

#[tokio::test]
async fn a_document_is_held_up_by_the_tests() {
    let ground = Ground::with(TESTS).await;
    let root = ground.root();
    ground.user("ada", &["viewer"]).await;
    ground.user("grace", &["system_administrator"]).await;
    good(root.post("/api/v1/groups", json!({"name": "Admins"})).await, StatusCode::CREATED);
    give(&ground, json!({"group": "Admins", "role": "system_administrator"})).await;
    let document = export(&ground).await;
    let of_ada = good(root.get("/api/v1/users/ada").await, StatusCode::OK)["id"].as_str().unwrap().to_owned();
    let admins = good(root.get("/api/v1/groups/Admins").await, StatusCode::OK)["id"].as_str().unwrap().to_owned();
    let other_role = edited(&document, |line| Some(line.replace("\"viewer\"", "\"system_administrator\"")));
    let inactive = edited(&document, |line| {
        let is_ada = line.contains("\"kind\":\"user\"") && line.contains(&of_ada);
        Some(if is_ada { line.replace("\"active\"", "\"inactive\"") } else { line.to_owned() })
    });
    let renamed = edited(&document, |line| Some(line.replace("\"userName\":\"ada\"", "\"userName\":\"adam\"")));
    let mut joined = edited(&document, |line| Some(line.to_owned()));
    let end = joined.rfind("{\"kind\":\"end\"").unwrap();
    let count = joined.lines().count() - 1;
    joined.truncate(end);
    let member = json!({"kind": "member", "of": admins, "member": {"user": of_ada}, "since": "2026-01-01T00:00:00Z"});
    joined.push_str(&format!("{member}\n{{\"kind\":\"end\",\"records\":{count}}}\n"));
    for (what, document) in [("role", other_role), ("status", inactive), ("name", renamed), ("member", joined)] {
        let reply = import(&root, &document).await;
        assert_eq!(reply.status, StatusCode::CONFLICT, "{what}: {}", reply.text);
        broken(&reply, "ada reads reports");
    }
    assert_eq!(export(&ground).await, document);
}

#[tokio::test]
async fn no_document_locks_administrators_out_or_brings_a_leaver_back() {
    let ground = Ground::new().await;
    let (_, boss) = ground.browser("boss", &["administrator"]).await;
    ground.user("leaver", &["editor"]).await;
    let document = export(&ground).await;
    let without = |name: &'static str| {
        edited(&document, move |line| {
            let is_named = line.contains("\"kind\":\"user\"") && line.contains(&format!("\"{name}\""));
            Some(if is_named {
                line.replace("\"status\":\"active\"", "\"status\":\"inactive\"")
            } else {
                line.to_owned()
            })
        })
    };
    let reply = import(&ground.root(), &without("boss")).await;
    refused(&reply, 409, None);
    assert!(reply.text.contains("nobody would be left"), "{}", reply.text);
    let demoted = edited(&document, |line| Some(line.replace("\"administrator\"", "\"editor\"")));
    refused(&import(&ground.root(), &demoted).await, 409, None);
    ground.user("other", &["administrator"]).await;
    // One's own right is somebody else's to take.
    let reply = import(&boss, &demoted).await;
    refused(&reply, 409, None);
    assert!(reply.text.contains("your own right"), "{}", reply.text);
    good(ground.root().post("/api/v1/users/leaver:offboard", json!({})).await, StatusCode::OK);
    let reply = import(&ground.root(), &document).await;
    refused(&reply, 422, Some("document"));
    assert!(reply.text.contains("`leaver` is inactive here"), "{}", reply.text);
    good(import(&ground.root(), &without("leaver")).await, StatusCode::OK);
}

#[tokio::test]
async fn a_document_gives_nothing_that_nobody_could_give_by_hand() {
    let ground = Ground::with("policy.pack = \"clearpoint-systems\"").await;
    let root = ground.root();
    ground.user("root", &["system_administrator"]).await;
    let body = json!({"name": "Local Head", "permissions": ["users:read"], "scoped_only": true});
    good(root.post("/api/v1/roles", body).await, StatusCode::CREATED);
    ground.test.place(&["department:finance"]).await;
    ground.user("ada", &[]).await;
    give(&ground, json!({"user": "ada", "role": "local_head", "scope": "department:finance"})).await;
    let document = export(&ground).await;
    let wide = edited(&document, |line| Some(line.replace("\"scope\":\"department:finance\",\"mode\"", "\"mode\"")));
    assert_ne!(wide, document);
    let reply = import(&root, &wide).await;
    refused(&reply, 422, Some("document"));
    assert!(reply.text.contains("within a scope only"), "{}", reply.text);
    // Groups within themselves.
    for name in ["A", "B"] {
        good(root.post("/api/v1/groups", json!({"name": name})).await, StatusCode::CREATED);
    }
    good(root.post("/api/v1/groups/A/members", json!({"groups": ["B"]})).await, StatusCode::OK);
    let document = export(&ground).await;
    let circle = edited(&document, |line| {
        let mut member: Value = serde_json::from_str(line).unwrap();
        if member["kind"] == "member" {
            let of = member["of"].clone();
            member["of"] = member["member"]["group"].clone();
            member["member"]["group"] = of;
        }
        Some(member.to_string())
    });
    let reply = import(&root, &circle).await;
    refused(&reply, 422, Some("document"));
    assert!(reply.text.contains("circle of groups"), "{}", reply.text);
    // More grants than anybody holds.
    let grant: Value = serde_json::from_str(document.lines().find(|line| line.contains("\"grant\"")).unwrap()).unwrap();
    let mut lines: Vec<String> = document.lines().map(str::to_owned).collect();
    lines.pop();
    for number in 0..1_001 {
        let mut grant = grant.clone();
        grant["id"] = format!("0192{number:04x}-0000-7000-8000-000000000001").into();
        lines.push(grant.to_string());
    }
    let count = lines.len() - 1;
    let reply = import(&root, &format!("{}\n{{\"kind\":\"end\",\"records\":{count}}}\n", lines.join("\n"))).await;
    refused(&reply, 422, Some("document"));
    assert!(reply.text.contains("at most 1000"), "{}", reply.text);
}

#[tokio::test]
async fn neither_many_grants_in_scopes_nor_one_that_ends_stands_for_an_administrator() {
    let ground = Ground::with("policy.pack = \"clearpoint-systems\"").await;
    let root = ground.root();
    let grant = give_administrator(&ground, "root").await;
    ground.user("temp", &[]).await;
    let body = json!({"user": "temp", "role": "system_administrator", "ends": "2035-01-01T00:00:00Z"});
    give(&ground, body).await;
    let reply = root.delete(&format!("/api/v1/grants/{grant}")).await;
    refused(&reply, 409, None);
    assert!(reply.text.contains("without an end"), "{}", reply.text);
    refused(&root.post("/api/v1/users/root:offboard", json!({})).await, 409, None);
    // Who is put into a group that denies is lost, too.
    good(root.post("/api/v1/roles", json!({"name": "Nothing", "denies": ["*:*"]})).await, StatusCode::CREATED);
    good(root.post("/api/v1/groups", json!({"name": "Shut"})).await, StatusCode::CREATED);
    give(&ground, json!({"group": "Shut", "role": "nothing"})).await;
    refused(&root.post("/api/v1/groups/Shut/members", json!({"users": ["root"]})).await, 409, None);
    refused(&root.post("/api/v1/grants", json!({"user": "root", "role": "nothing"})).await, 409, None);
    give_administrator(&ground, "second").await;
    good(root.post("/api/v1/groups/Shut/members", json!({"users": ["root"]})).await, StatusCode::OK);
}

async fn give_administrator(ground: &Ground, name: &str) -> String {
    ground.user(name, &[]).await;
    let grant = give(ground, json!({"user": name, "role": "system_administrator"})).await;
    grant["id"].as_str().unwrap().to_owned()
}
