//! Every route that changes something: by each that can make somebody's rights other than a test of the policy wants them,
//! it is tried and refused with the test's name, and nothing of it is written. What cannot is listed by name.

use std::collections::BTreeSet;

use axum::body::Body;
use cleargate::api;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Client, Ground, good, refused};

const TESTS: &str = r#"
[[test]]
name = "ada reads no people"
as = "ada"
deny = ["users:read", "users:read@department:payroll",
    "users:read@company:free", "users:read@company:new",
    "users:read@department:free", "users:read@department:new",
    "users:read@project:free", "users:read@project:new",
    "users:read@scorecard:free", "users:read@scorecard:new"]

[[test]]
name = "ada keeps her places"
as = "ada"
accept = ["revision-history:read@company:kept",
    "revision-history:read@department:kept",
    "revision-history:read@project:kept",
    "revision-history:read@scorecard:kept"]

[[test]]
name = "eve reads pages"
as = "eve"
accept = ["pages:read", "pages:read@department:payroll"]

[[test]]
name = "no mallory reads people"
as = "mallory"
deny = ["users:read"]

[[test]]
name = "no m reads people"
as = "m@example.com"
deny = ["users:read"]

[[test]]
name = "pagers"
as = "group:Pagers"
accept = ["pages:read", "pages:read@company:acme", "pages:read@project:moon", "pages:read@scorecard:sales"]
"#;

/// What makes nobody's rights other than they are: nothing of it is a grant, a role that is held, a membership, the place of a
/// scope, or the name or state of an account.
const HARMLESS: [&str; 31] = [
    "DELETE /api/v1/blocks",
    "DELETE /api/v1/invitations/{id}",
    "DELETE /api/v1/locks/{user}",
    "DELETE /api/v1/me/access-requests/{id}",
    "DELETE /api/v1/people/{id}",
    // One that is held or included is not deleted.
    "DELETE /api/v1/roles/{id}",
    "DELETE /api/v1/sessions/{id}",
    "DELETE /api/v1/tokens/{id}",
    "DELETE /api/v1/users/{user}/devices",
    "DELETE /api/v1/users/{user}/factors",
    "PATCH /api/v1/people/{id}",
    "POST /api/v1/access-requests/{id}/refuse",
    "POST /api/v1/audit-logs/verify",
    "POST /api/v1/backup",
    "POST /api/v1/connectors/{id}",
    "POST /api/v1/invitations/{id}",
    "POST /api/v1/mail:test",
    "POST /api/v1/me/access-requests",
    "POST /api/v1/people",
    "POST /api/v1/policy/tests",
    "POST /api/v1/policy:diff",
    // What the configuration says is held up when it is read.
    "POST /api/v1/reload",
    "POST /api/v1/roles",
    "POST /api/v1/roles/{id}",
    "POST /api/v1/seats:recount",
    "POST /api/v1/sessions:end-all",
    "POST /api/v1/sources/{id}/release",
    // What a source brings is not held up.
    "POST /api/v1/sources/{id}/sync",
    "POST /api/v1/tokens",
    "POST /api/v1/tokens/{id}",
    "PUT /api/v1/network-rules",
];

async fn made(client: &Client, path: &str, body: Value) -> String {
    let made = client.post(path, body.clone()).await;
    assert!(made.status.is_success(), "{path} {body}: {}", made.text);
    made.json()["id"].as_str().unwrap_or_default().to_owned()
}

/// An organisation in which the tests hold: what is refused, by route.
struct Stage {
    ground: Ground,
    tries: Vec<Try>,
}

async fn stage() -> Stage {
    let ground = Ground::with(&format!("limits.api = \"1000000/1s\"\n{TESTS}")).await;
    let root = ground.root();
    ground.test.place(&["department:finance", "department:payroll", "scorecard:sales"]).await;
    for slug in ["company:acme", "project:moon"] {
        ground.test.place(&[slug]).await;
    }
    for (name, permissions) in [("Reader", "users:read"), ("Pager", "pages:read"), ("Own", "elements:create")] {
        made(&root, "/api/v1/roles", json!({"name": name, "permissions": [permissions]})).await;
    }
    let (_, ada) = ground.browser("ada", &["own"]).await;
    for name in ["eve", "boss"] {
        made(&root, "/api/v1/users", json!({"userName": name})).await;
    }
    made(&root, "/api/v1/grants", json!({"user": "boss", "role": "administrator"})).await;
    for body in [
        json!({"name": "Readers"}),
        json!({"name": "Pagers", "users": ["eve"]}),
        json!({"name": "Adas", "users": ["ada"]}),
        json!({"name": "Ruled", "rule": "displayName eq \"Boss\""}),
        json!({"name": "Mine"}),
    ] {
        made(&root, "/api/v1/groups", body).await;
    }
    made(&root, "/api/v1/grants", json!({"group": "Readers", "role": "reader"})).await;
    let pages = made(&root, "/api/v1/grants", json!({"group": "Pagers", "role": "pager"})).await;
    made(&root, "/api/v1/grants", json!({"group": "Ruled", "role": "reader"})).await;
    made(&root, "/api/v1/grants", json!({"user": "ada", "role": "reader", "scope": "department:finance"})).await;
    made(&root, "/api/v1/roles", json!({"name": "Historian", "permissions": ["revision-history:read"]})).await;
    for (_, kind) in KINDS {
        let [top, free, above] = ["top", "free", "above"].map(|slug| format!("{kind}:{slug}"));
        ground.test.place(&[&top, &free, &above, &format!("{kind}:kept < {above}")]).await;
        for (role, scope) in [("reader", top), ("historian", above)] {
            made(&root, "/api/v1/grants", json!({"user": "ada", "role": role, "scope": scope})).await;
        }
    }
    let asked = made(&ada, "/api/v1/me/access-requests", json!({"role": "reader"})).await;
    let mut tries = by_grants(&pages);
    tries.extend(by_accounts(&asked));
    tries.extend(by_places());
    Stage { ground, tries }
}

/// A route, an address of it, a body, and the test that stands in the way.
type Try = (String, String, Value, &'static str);

const ADA: &str = "ada reads no people";
const PLACES: &str = "ada keeps her places";
const EVE: &str = "eve reads pages";
const MALLORY: &str = "no mallory reads people";
const PAGERS: &str = "pagers";

/// What is said of each kind of scope: its collection and its name.
const KINDS: [(&str, &str); 4] =
    [("companies", "company"), ("departments", "department"), ("projects", "project"), ("scorecards", "scorecard")];

/// By scopes that are put below another one, made there, and taken away.
fn by_places() -> Vec<Try> {
    let mut tries: Vec<Try> = Vec::new();
    for (many, kind) in KINDS {
        tries.extend([
            (format!("POST /api/v1/{many}"), format!("/api/v1/{many}"), json!({"name": "New", "parent": "top"}), ADA),
            (format!("PATCH /api/v1/{many}/{{slug}}"), format!("/api/v1/{many}/free"), json!({"parent": "top"}), ADA),
            (format!("DELETE /api/v1/{many}/{{slug}}"), format!("/api/v1/{many}/kept"), json!({}), PLACES),
        ]);
        let (parent, any) = (format!("{kind}:top"), "/api/v1/scopes".to_owned());
        let new = json!({"kind": kind, "name": "New", "parent": parent});
        let one = |slug: &str| format!("{any}/{kind}:{slug}");
        tries.extend([
            (format!("PATCH {any}/{{scope}}"), one("free"), json!({"parent": parent}), ADA),
            (format!("DELETE {any}/{{scope}}"), one("kept"), json!({}), PLACES),
            (format!("POST {any}"), any.clone(), new, ADA),
        ]);
    }
    tries
}

/// By what is given and taken, and by groups.
fn by_grants(pages: &str) -> Vec<Try> {
    let give = || json!({"user": "ada", "role": "reader"});
    let mut tries = vec![
        ("POST /api/v1/grants".to_owned(), "/api/v1/grants".to_owned(), give(), ADA),
        (
            "POST /api/v1/grants".to_owned(),
            "/api/v1/grants".to_owned(),
            json!({"group": "Adas", "role": "reader"}),
            ADA,
        ),
        // When it begins, and not now.
        (
            "POST /api/v1/grants".to_owned(),
            "/api/v1/grants".to_owned(),
            json!({"user": "ada", "role": "reader", "starts": "2027-01-01T00:00:00Z"}),
            ADA,
        ),
        ("DELETE /api/v1/grants/{id}".to_owned(), format!("/api/v1/grants/{pages}"), json!({}), ""),
        (
            "POST /api/v1/users/{user}/departments".to_owned(),
            "/api/v1/users/ada/departments".to_owned(),
            json!({"department": "payroll", "role": "reader", "scope": "department_only"}),
            ADA,
        ),
        (
            "POST /api/v1/departments/{slug}/users".to_owned(),
            "/api/v1/departments/payroll/users".to_owned(),
            give(),
            ADA,
        ),
        ("POST /api/v1/groups".to_owned(), "/api/v1/groups".to_owned(), json!({"name": "Pagers"}), PAGERS),
        (
            "POST /api/v1/groups/{id}/members".to_owned(),
            "/api/v1/groups/readers/members".to_owned(),
            json!({"users": ["ada"]}),
            ADA,
        ),
        (
            "POST /api/v1/groups/{id}/members".to_owned(),
            "/api/v1/groups/readers/members".to_owned(),
            json!({"groups": ["Adas"]}),
            ADA,
        ),
        (
            "DELETE /api/v1/groups/{id}/members".to_owned(),
            "/api/v1/groups/pagers/members?user=eve".to_owned(),
            json!({}),
            EVE,
        ),
        ("DELETE /api/v1/groups/{id}".to_owned(), "/api/v1/groups/pagers?force=true".to_owned(), json!({}), ""),
        ("PATCH /api/v1/groups/{id}".to_owned(), "/api/v1/groups/pagers".to_owned(), json!({"name": "Others"}), PAGERS),
        (
            "PATCH /api/v1/groups/{id}".to_owned(),
            "/api/v1/groups/ruled".to_owned(),
            json!({"rule": "userName eq \"ada\""}),
            ADA,
        ),
    ];
    for (route, path) in [
        ("POST /api/v1/companies/{slug}/users".to_owned(), "/api/v1/companies/acme/users"),
        ("POST /api/v1/projects/{slug}/users".to_owned(), "/api/v1/projects/moon/users"),
        ("POST /api/v1/scorecards/{slug}/users".to_owned(), "/api/v1/scorecards/sales/users"),
    ] {
        // A role that takes away is taken everywhere.
        tries.push((route, path.to_owned(), json!({"group": "Pagers", "role": "no_access"}), ""));
    }
    tries
}

/// By accounts, roles, scopes and requests.
fn by_accounts(asked: &str) -> Vec<Try> {
    let row = json!([{"first_name": "M", "last_name": "X", "email": "m@example.com"}]);
    vec![
        ("PATCH /api/v1/users/{user}".to_owned(), "/api/v1/users/ada".to_owned(), json!({"displayName": "Boss"}), ADA),
        ("PATCH /api/v1/users/{user}".to_owned(), "/api/v1/users/eve".to_owned(), json!({"active": false}), EVE),
        ("PATCH /api/v1/users/{user}".to_owned(), "/api/v1/users/eve".to_owned(), json!({"userName": "eve2"}), EVE),
        (
            "PATCH /api/v1/users/{user}".to_owned(),
            "/api/v1/users/boss".to_owned(),
            json!({"userName": "mallory"}),
            MALLORY,
        ),
        (
            "DELETE /api/v1/users/{user}".to_owned(),
            "/api/v1/users/eve?confirm=eve&force=true".to_owned(),
            json!({}),
            EVE,
        ),
        ("POST /api/v1/users/{user}".to_owned(), "/api/v1/users/eve:offboard".to_owned(), json!({}), EVE),
        (
            "POST /api/v1/users".to_owned(),
            "/api/v1/users".to_owned(),
            json!({"userName": "mallory", "role": "reader"}),
            MALLORY,
        ),
        (
            "POST /api/v1/users".to_owned(),
            "/api/v1/users".to_owned(),
            json!({"userName": "mallory", "displayName": "Boss"}),
            MALLORY,
        ),
        (
            "POST /api/v1/users:bulk".to_owned(),
            "/api/v1/users:bulk".to_owned(),
            json!({"role": "reader", "rows": row}),
            "no m reads people",
        ),
        (
            "POST /api/v1/invitations".to_owned(),
            "/api/v1/invitations".to_owned(),
            json!({"userName": "mallory", "email": "m@example.com", "role": "reader"}),
            MALLORY,
        ),
        (
            "PATCH /api/v1/roles/{id}".to_owned(),
            "/api/v1/roles/own".to_owned(),
            json!({"permissions": ["users:read"]}),
            ADA,
        ),
        ("PATCH /api/v1/roles/{id}".to_owned(), "/api/v1/roles/own".to_owned(), json!({"includes": ["reader"]}), ADA),
        (
            "PATCH /api/v1/roles/{id}".to_owned(),
            "/api/v1/roles/pager".to_owned(),
            json!({"denies": ["pages:read"]}),
            EVE,
        ),
        (
            "PATCH /api/v1/departments/{slug}".to_owned(),
            "/api/v1/departments/payroll".to_owned(),
            json!({"parent": "finance"}),
            ADA,
        ),
        (
            "PATCH /api/v1/scopes/{scope}".to_owned(),
            "/api/v1/scopes/department:payroll".to_owned(),
            json!({"parent": "department:finance"}),
            ADA,
        ),
        (
            "POST /api/v1/access-requests/{id}/approve".to_owned(),
            format!("/api/v1/access-requests/{asked}/approve"),
            json!({}),
            ADA,
        ),
    ]
}

#[tokio::test]
async fn every_route_that_changes_rights_is_held_up_by_the_tests_and_writes_nothing() {
    let Stage { ground, tries } = stage().await;
    let root = ground.root();
    let told = good(root.post("/api/v1/policy/tests", json!({})).await, StatusCode::OK);
    assert_eq!(told["failed"], 2, "two are not there yet: {told}");
    let document = root.get("/api/v1/export").await.text;
    let mut walked = BTreeSet::from(["POST /api/v1/import".to_owned()]);
    for (route, path, body, test) in &tries {
        let method: Method = route.split(' ').next().unwrap().parse().unwrap();
        let kind = "application/json";
        let reply = root.send(method, path, kind, Body::from(body.to_string())).await;
        assert_eq!(reply.status, StatusCode::CONFLICT, "{route} {path} {body}: {}", reply.text);
        assert!(reply.text.contains("would break the policy test `"), "{route} {path} {body}: {}", reply.text);
        assert!(reply.text.contains(test), "{route} {path} {body}: {}", reply.text);
        assert_eq!(root.get("/api/v1/export").await.text, document, "{route} {path} {body}");
        walked.insert(route.clone());
    }
    let other = document.replace("[\"elements:create\"]", "[\"users:read\"]");
    assert_ne!(other, document);
    for query in ["", "?dry_run=true", "?force=true"] {
        let path = format!("/api/v1/import{query}");
        let reply = root.send(Method::POST, &path, "application/x-ndjson", Body::from(other.clone())).await;
        refused(&reply, 409, None);
        assert!(reply.text.contains("would break the policy test `ada reads no people`"), "{}", reply.text);
    }
    assert_eq!(root.get("/api/v1/export").await.text, document);
    let told = good(root.post("/api/v1/policy/tests", json!({})).await, StatusCode::OK);
    assert_eq!(told["failed"], 2, "{told}");
    let harmless: BTreeSet<&str> = HARMLESS.into_iter().collect();
    for route in api::table().iter().filter(|route| route.method != Method::GET) {
        let name = format!("{} {}", route.method, route.path);
        let known = (walked.contains(&name), harmless.contains(name.as_str()));
        assert!(known.0 != known.1, "{name} is tried: {}, is harmless: {}", known.0, known.1);
    }
}
