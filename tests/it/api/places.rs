//! Roles in a department, as the manual uses them, by the addresses that it names.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use super::{Client, Ground, good, refused};

const SYSTEMS: &str = "policy.pack = \"clearpoint-systems\"";

async fn may(ground: &Ground, user: &str, permission: &str, department: Option<&str>) -> bool {
    let place = department.map(|slug| format!("&scope=department:{slug}")).unwrap_or_default();
    let path = format!("/api/v1/explain?user={user}&permission={permission}{place}");
    good(ground.root().get(&path).await, StatusCode::OK)["allowed"].as_bool().unwrap()
}

async fn assign(ground: &Ground, user: &str, body: Value) -> Value {
    good(ground.root().post(&format!("/api/v1/users/{user}/departments"), body).await, StatusCode::CREATED)
}

fn only(department: &str, role: &str) -> Value {
    json!({"department": department, "role": role, "scope": "department_only"})
}

#[tokio::test]
async fn a_contractor_a_colleague_of_two_departments_and_an_elevation_have_what_the_manual_says_and_no_more() {
    let ground = Ground::with(SYSTEMS).await;
    ground.test.place(&["department:finance", "department:operations", "department:it"]).await;
    // A contractor: one department and nothing else, whatever the permission.
    ground.user("contractor", &[]).await;
    let made = assign(&ground, "contractor", only("finance", "data_analyst")).await;
    assert_eq!((&made["department"], &made["role"]), (&json!("finance"), &json!("data_analyst")));
    for (department, allowed) in
        [(Some("finance"), true), (Some("operations"), false), (Some("it"), false), (None, false)]
    {
        for permission in ["reports:read", "data:export", "integrations:read"] {
            assert_eq!(
                may(&ground, "contractor", permission, department).await,
                allowed,
                "{permission} {department:?}"
            );
        }
        assert!(!may(&ground, "contractor", "workflows:create", department).await);
    }
    // Work across departments: in each what was given there.
    ground.user("colleague", &["viewer"]).await;
    assign(&ground, "colleague", only("operations", "operations_manager")).await;
    assign(&ground, "colleague", only("finance", "compliance_officer")).await;
    for (permission, operations, finance, elsewhere) in [
        ("workflows:create", true, false, false),
        ("audit:read", false, true, false),
        ("reports:read", true, true, true),
        ("users:read", false, false, false),
    ] {
        for (department, allowed) in
            [(Some("operations"), operations), (Some("finance"), finance), (Some("it"), elsewhere), (None, elsewhere)]
        {
            assert_eq!(may(&ground, "colleague", permission, department).await, allowed, "{permission} {department:?}");
        }
    }
    // Raised for ten minutes, at the next request of an open session, and lowered again without anybody's doing.
    let (_, deputy) = ground.browser("deputy", &["viewer"]).await;
    let people = "/api/v1/users?scope=department:finance";
    refused(&deputy.get(people).await, 403, None);
    let mut raised = only("finance", "system_administrator");
    raised["expires_at"] = json!("2026-11-22T08:10:00Z");
    let made = assign(&ground, "deputy", raised).await;
    assert_eq!(made["expires_at"], "2026-11-22T08:10:00.000Z");
    good(deputy.get(people).await, StatusCode::OK);
    refused(&deputy.get("/api/v1/users?scope=department:it").await, 403, None);
    refused(&deputy.get("/api/v1/users").await, 403, None);
    ground.test.advance(Duration::from_secs(599));
    good(deputy.get(people).await, StatusCode::OK);
    ground.test.advance(Duration::from_secs(1));
    refused(&deputy.get(people).await, 403, None);
    assert!(may(&ground, "deputy", "reports:read", Some("finance")).await, "what was there before is there again");
}

async fn shown(client: &Client, user: &str) -> (Value, Value) {
    let told = good(client.get(&format!("/api/v1/departments/finance/users/{user}")).await, StatusCode::OK);
    assert_eq!((&told["user"]["userName"], &told["scope"]), (&json!(user), &json!("department:finance")));
    (told["role"].clone(), told["source"].clone())
}

#[tokio::test]
async fn a_users_role_in_a_department_is_told_with_where_it_comes_from() {
    let lines = format!(
        "{SYSTEMS}\n[[scim]]\nid = \"okta\"\n[[mapping]]\nfrom = \"okta\"\nwhen = 'title eq \"Analyst\"'\n\
         grant = {{ role = \"data_analyst\", scope = \"department:finance\" }}"
    );
    let ground = Ground::with(&lines).await;
    ground.test.place(&["department:finance"]).await;
    let root = ground.root();
    for name in ["nobody", "wide", "grouped", "both"] {
        ground.user(name, &[]).await;
    }
    assert_eq!(shown(&root, "nobody").await, (Value::Null, Value::Null));
    let grant = json!({"user": "wide", "role": "viewer", "reason": "everybody reads"});
    good(root.post("/api/v1/grants", grant).await, StatusCode::CREATED);
    assert_eq!(shown(&root, "wide").await, (json!("viewer"), json!("by hand: everybody reads")));
    good(root.post("/api/v1/groups", json!({"name": "Auditors", "users": ["grouped"]})).await, StatusCode::CREATED);
    let grant = json!({"group": "Auditors", "role": "compliance_officer", "scope": "department:finance"});
    good(root.post("/api/v1/grants", grant).await, StatusCode::CREATED);
    let told = good(root.get("/api/v1/departments/finance/users/grouped").await, StatusCode::OK);
    assert_eq!(
        (&told["role"], told["roles"][0]["groups"].as_array().unwrap().len()),
        (&json!("compliance_officer"), 1)
    );
    let okta = ground.test.connection("okta").await;
    let mut record = crate::support::gateway::record("brought");
    record.attributes.0.insert("title".to_owned(), "Analyst".into());
    ground.test.gateway.directory().create_user(&okta, &record).await.unwrap();
    let (role, source) = shown(&root, "brought").await;
    assert_eq!(role, "data_analyst");
    assert!(source.as_str().unwrap().starts_with("rule of okta at cleargate.toml:"), "{source}");
    // Of what is given in the whole organization and here, what is given here.
    ground.grant(&ground.test.gateway.directory().find_user_by_name("both").await.unwrap().unwrap(), "viewer").await;
    let mut here = only("finance", "operations_manager");
    here["reason"] = json!("quarter end");
    assign(&ground, "both", here).await;
    assert_eq!(shown(&root, "both").await, (json!("operations_manager"), json!("by hand: quarter end")));
    // Who is not there, what is not there, and who may not read people.
    refused(&root.get("/api/v1/departments/finance/users/ghost").await, 404, None);
    refused(&root.get("/api/v1/departments/nowhere/users/both").await, 404, None);
    refused(&ground.sign_in("both").await.get("/api/v1/departments/finance/users/wide").await, 403, None);
}
