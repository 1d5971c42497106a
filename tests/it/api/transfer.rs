//! `/export` and `/import`.

use axum::body::Body;
use cleargate::directory::{GroupDraft, Member, MemberChange, SourceRecord};
use cleargate::model::Attributes;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Client, Ground, good, refused};
use crate::support::gateway::{Reply, record};

const MEDIA_TYPE: &str = "application/x-ndjson";

async fn import(client: &Client, path: &str, document: &str) -> Reply {
    client.send(Method::POST, path, MEDIA_TYPE, Body::from(document.to_owned())).await
}

async fn export(ground: &Ground) -> String {
    let reply = ground.root().get("/api/v1/export").await;
    assert_eq!((reply.status, reply.headers["content-type"].to_str().unwrap()), (StatusCode::OK, MEDIA_TYPE));
    reply.text
}

/// An organisation with something of every kind.
async fn organisation() -> Ground {
    let ground = Ground::new().await;
    ground.test.place(&["department:finance", "scorecard:north"]).await;
    let root = ground.root();
    for (slug, parent) in [("audit", "department:finance"), ("tax", "department:audit")] {
        let body = json!({"name": slug, "parent": parent});
        good(root.post("/api/v1/departments", body).await, StatusCode::CREATED);
    }
    let role = json!({"name": "Integration Specialist", "permissions": ["integrations:read"], "includes": ["browser"]});
    good(root.post("/api/v1/roles", role).await, StatusCode::CREATED);
    let ada = ground.user("ada", &["editor"]).await;
    ground.user("grace", &[]).await;
    let (okta, directory) = (ground.test.connection("okta").await, ground.test.gateway.directory());
    let attributes = json!({"title": "Dr", "emails": [{"value": "l@example.com", "primary": true}]});
    let linus = SourceRecord {
        external_id: Some("00u1".to_owned()),
        attributes: Attributes(attributes.as_object().unwrap().clone()),
        ..record("linus")
    };
    directory.create_user(&okta, &linus).await.unwrap();
    let mut members = MemberChange::default();
    members.add_shown(Member::User(ada.id), Some("Ada".to_owned()));
    let name = "Analysts".parse().unwrap();
    let draft = GroupDraft { name, external_id: Some("00g1".to_owned()), attributes: Attributes::default(), members };
    directory.create_group(&okta, &draft).await.unwrap();
    for body in [
        json!({"user": "grace", "role": "integration_specialist", "scope": "department:audit", "mode": "override", "reason": "leave \"x\""}),
        json!({"group": "Analysts", "role": "browser", "ends": "2030-01-01T00:00:00Z"}),
    ] {
        good(root.post("/api/v1/grants", body).await, StatusCode::CREATED);
    }
    good(root.patch("/api/v1/users/grace", json!({"active": false})).await, StatusCode::OK);
    // Of every kind of account and group one.
    good(root.post("/api/v1/companies", json!({"name": "North"})).await, StatusCode::CREATED);
    for (first, companies) in [("Lim", json!(["north"])), ("Without", json!([]))] {
        let body = json!({"first_name": first, "last_name": "Account", "companies": companies});
        good(root.post("/api/v1/people", body).await, StatusCode::CREATED);
    }
    for body in [
        json!({"userName": "limited", "role": "browser", "companies": ["north"], "employee": "1"}),
        json!({"userName": "mia", "role": "browser", "realm": "member"}),
        json!({"userName": "BILLING", "role": "browser", "is_group": true, "companies": ["north"]}),
    ] {
        good(root.post("/api/v1/users", body).await, StatusCode::CREATED);
    }
    let ruled = json!({"name": "Doctors", "rule": "title eq \"Dr\""});
    good(root.post("/api/v1/groups", ruled).await, StatusCode::CREATED);
    let demand = json!({"requires_factor": true});
    good(root.post("/api/v1/users/mia:demand", demand).await, StatusCode::OK);
    let linus = good(root.get("/api/v1/users/linus").await, StatusCode::OK)["id"].as_str().unwrap().to_owned();
    let rules = json!({"roles": {"integration_specialist": ["10.0.0.0/8"]}, "users": {linus: ["192.0.2.0/24", "::1"]}});
    let body = Body::from(rules.to_string());
    good(root.send(Method::PUT, "/api/v1/network-rules", "application/json", body).await, StatusCode::OK);
    ground
}

#[tokio::test]
async fn what_is_exported_and_imported_elsewhere_is_exported_the_same() {
    let document = export(&organisation().await).await;
    for kind in ["scope", "role", "group", "user", "person", "member", "grant", "demand", "network", "end"] {
        assert!(document.contains(&format!("{{\"kind\":\"{kind}\"")), "{kind} in {document}");
    }
    let elsewhere = Ground::new().await;
    let planned = good(import(&elsewhere.root(), "/api/v1/import?dry_run=true", &document).await, StatusCode::OK);
    assert_eq!(planned["records"]["user"], json!({"created": 5, "changed": 0, "same": 0}));
    assert_eq!(export(&elsewhere).await.lines().count(), 2, "a plan writes nothing");
    let done = good(import(&elsewhere.root(), "/api/v1/import", &document).await, StatusCode::OK);
    assert_eq!(done["records"], planned["records"]);
    assert_eq!(export(&elsewhere).await, document);
    for (kind, created) in [("person", 2), ("demand", 1), ("network", 2)] {
        assert_eq!(done["records"][kind], json!({"created": created, "changed": 0, "same": 0}), "{kind}");
    }
    // What was carried decides as it did.
    let limited = good(elsewhere.root().get("/api/v1/people/1").await, StatusCode::OK);
    assert_eq!((&limited["user"]["userName"], &limited["companies"]), (&json!("limited"), &json!(["north"])));
    let mia = good(elsewhere.root().get("/api/v1/users/mia").await, StatusCode::OK);
    assert_eq!((&mia["requires_factor"], &mia["requires_sso"]), (&json!(true), &json!(false)));
    let rules = good(elsewhere.root().get("/api/v1/network-rules").await, StatusCode::OK);
    assert_eq!(rules["roles"], json!({"integration_specialist": ["10.0.0.0/8"]}));
    let next = json!({"first_name": "Next", "last_name": "One"});
    let next = good(elsewhere.root().post("/api/v1/people", next).await, StatusCode::CREATED);
    assert_eq!(next["employee_number"], "3", "no number is given twice");
    let explain = "/api/v1/explain?user=ada&permission=elements:create";
    assert_eq!(good(elsewhere.root().get(explain).await, StatusCode::OK)["allowed"], true);
    let grace = good(elsewhere.root().get("/api/v1/users/grace").await, StatusCode::OK);
    assert_eq!((grace["active"].as_bool(), grace["has_password"].as_bool()), (Some(false), Some(false)));
    let tree = elsewhere.test.gateway.access().scopes().tree();
    assert_eq!(tree.level(&"department:tax".parse().unwrap()), 3);
    // Counts and indexes are there too.
    let groups = good(elsewhere.root().get("/api/v1/groups").await, StatusCode::OK);
    let named = |name: &str| groups["items"].as_array().unwrap().iter().find(|group| group["name"] == name).unwrap();
    assert_eq!((&named("Analysts")["members"], &named("Doctors")["members"]), (&json!(1), &json!(1)));
    let records = good(elsewhere.root().get("/api/v1/users?is_group=true").await, StatusCode::OK);
    assert_eq!(records["items"][0]["userName"], "BILLING");
    let again = good(import(&elsewhere.root(), "/api/v1/import", &document).await, StatusCode::OK);
    assert_eq!(again["records"]["grant"], json!({"created": 0, "changed": 0, "same": 6}));
    let events = good(elsewhere.root().get("/api/v1/audit-logs?action=import.*").await, StatusCode::OK);
    assert_eq!(events["logs"].as_array().unwrap().len(), 3, "one each for scopes, roles and the rest: {events}");
}

#[tokio::test]
async fn an_import_makes_what_is_there_what_the_document_says_and_leaves_the_rest() {
    let ground = organisation().await;
    let document = export(&ground).await;
    let root = ground.root();
    good(root.patch("/api/v1/users/ada", json!({"name": "Somebody Else"})).await, StatusCode::OK);
    ground.user("new", &[]).await;
    let done = good(import(&root, "/api/v1/import", &document).await, StatusCode::OK);
    assert_eq!(done["records"]["user"], json!({"created": 0, "changed": 1, "same": 4}));
    good(root.get("/api/v1/users/new").await, StatusCode::OK);
    let now = export(&ground).await;
    assert!(document.lines().filter(|line| !line.contains("\"end\"")).all(|line| now.contains(line)));
}

#[tokio::test]
async fn a_document_that_does_not_fit_changes_nothing() {
    let ground = organisation().await;
    let document = export(&ground).await;
    let elsewhere = Ground::new().await;
    // The name is somebody else's there.
    elsewhere.user("first", &[]).await;
    elsewhere.user("ADA", &[]).await;
    let before = export(&elsewhere).await;
    let spoilt = |from: &str, to: &str| document.replacen(from, to, 1);
    let cut: Vec<&str> = document.lines().collect();
    for (document, told) in [
        (document.clone(), "userName"),
        (spoilt("\"ada\"", "\"adam\"").replace("\"role\":\"editor\"", "\"role\":\"emperor\""), "emperor"),
        (spoilt("\"parent\":\"department:finance\"", "\"parent\":\"department:nowhere\""), "department:nowhere"),
        (spoilt("\"parent\":\"department:finance\"", "\"parent\":\"department:tax\""), "circle"),
        (spoilt("\"kind\":\"member\"", "\"kind\":\"membre\""), "membre"),
        (cut[..cut.len() - 1].join("\n"), "cut off"),
        (String::new(), "beginning"),
        ("\u{0}".repeat(100), "line 1"),
    ] {
        let reply = import(&elsewhere.root(), "/api/v1/import", &document).await;
        refused(&reply, 422, Some("document"));
        assert!(reply.text.contains(told), "{told}: {}", reply.text);
        assert_eq!(export(&elsewhere).await, before, "{told}");
    }
}

#[tokio::test]
async fn who_imports_may_do_everything() {
    let ground = organisation().await;
    let document = export(&ground).await;
    let (_, editor) = ground.browser("mallory", &["editor"]).await;
    refused(&editor.get("/api/v1/export").await, 403, None);
    refused(&import(&editor, "/api/v1/import?dry_run=true", &document).await, 403, None);
    let most = ground.service(&["store:*", "users:*", "grants:*", "groups:*"]).await;
    refused(&import(&most, "/api/v1/import", &document).await, 403, None);
    good(import(&ground.service(&["*:*"]).await, "/api/v1/import", &document).await, StatusCode::OK);
}

#[tokio::test]
async fn the_samples_of_each_pack_are_imported_once_and_give_what_the_manuals_say() {
    for pack in ["clearpoint-strategy", "clearpoint-systems", "clearvantage"] {
        let ground = Ground::with(&format!("policy.pack = \"{pack}\"\npassword.preset = \"nist-63b-4\"")).await;
        let samples = cleargate::access::samples(pack).unwrap();
        let done = good(import(&ground.root(), "/api/v1/import", samples).await, StatusCode::OK);
        assert_eq!(
            done["records"]["scope"]["created"],
            samples.matches("\"kind\":\"scope\"").count(),
            "{pack}: {done}"
        );
        let again = good(import(&ground.root(), "/api/v1/import", samples).await, StatusCode::OK);
        assert_eq!(again["records"]["group"]["created"], 0, "{pack}: {again}");
        assert_eq!(again["records"]["group"]["changed"], 0, "{pack}: {again}");
    }
    let ground = Ground::with("policy.pack = \"clearpoint-systems\"").await;
    let samples = cleargate::access::samples("clearpoint-systems").unwrap();
    good(import(&ground.root(), "/api/v1/import", samples).await, StatusCode::OK);
    let departments = good(ground.root().get("/api/v1/departments").await, StatusCode::OK);
    let names: Vec<&str> =
        departments["items"].as_array().unwrap().iter().map(|d| d["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Finance Team", "IT Systems Team", "Operations Team"]);
    let slugs: Vec<&str> =
        departments["items"].as_array().unwrap().iter().map(|d| d["slug"].as_str().unwrap()).collect();
    assert_eq!(slugs, ["finance", "it", "operations"]);
    // Access groups are others, by slugs of their own, and each has the role of its name.
    let groups = good(ground.root().get("/api/v1/groups").await, StatusCode::OK);
    let mut names: Vec<&str> =
        groups["items"].as_array().unwrap().iter().map(|g| g["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["Compliance Officers", "Data Analysts", "System Administrators"]);
    for (slug, name, role) in [
        ("compliance_officers", "Compliance Officers", "compliance_officer"),
        ("data_analysts", "Data Analysts", "data_analyst"),
        ("system_administrators", "System Administrators", "system_administrator"),
    ] {
        let group = good(ground.root().get(&format!("/api/v1/groups/{slug}")).await, StatusCode::OK);
        assert_eq!((&group["name"], &group["slug"]), (&json!(name), &json!(slug)));
        let held = good(ground.root().get(&format!("/api/v1/grants?group={slug}")).await, StatusCode::OK);
        let roles: Vec<&Value> = held["items"].as_array().unwrap().iter().map(|grant| &grant["role"]).collect();
        assert_eq!(roles, [role], "{slug}");
        refused(&ground.root().get(&format!("/api/v1/departments/{slug}")).await, 404, None);
    }
    refused(&ground.root().get("/api/v1/groups/finance").await, 404, None);
    // The two roles that the manual shows being made.
    let specialist = good(ground.root().get("/api/v1/roles/integration_specialist").await, StatusCode::OK);
    assert_eq!(
        (&specialist["name"], &specialist["description"], &specialist["permissions"]),
        (
            &json!("Integration Specialist"),
            &json!("Can manage integrations and workflows but not users"),
            &json!([
                "integrations:read",
                "integrations:create",
                "integrations:update",
                "workflows:read",
                "workflows:create",
                "reports:read",
            ])
        )
    );
    let builder = good(ground.root().get("/api/v1/roles/report_builder").await, StatusCode::OK);
    assert_eq!(builder["name"], "Report Builder");
    ground.user("ada", &[]).await;
    let body = json!({"users": ["ada"]});
    good(ground.root().post("/api/v1/groups/data_analysts/members", body).await, StatusCode::OK);
    let explain = "/api/v1/explain?user=ada&permission=data:export";
    assert_eq!(good(ground.root().get(explain).await, StatusCode::OK)["allowed"], true);
}

#[tokio::test]
async fn who_administers_for_a_time_imports_nothing_and_what_is_imported_is_told_as_given_by_who_did() {
    let ground = Ground::new().await;
    ground.user("chief", &["administrator"]).await;
    let (_, ada) = ground.browser("ada", &[]).await;
    let ends = ground.test.clock.clock().now().plus(std::time::Duration::from_secs(3_600)).to_string();
    let grant = json!({"user": "ada", "role": "administrator", "ends": ends});
    good(ground.root().post("/api/v1/grants", grant).await, StatusCode::CREATED);
    let group = json!({"name": "Team", "users": ["chief"]});
    good(ground.root().post("/api/v1/groups", group).await, StatusCode::CREATED);
    let document = export(&ground).await;
    for path in ["/api/v1/import", "/api/v1/import?dry_run=true"] {
        refused(&import(&ada, path, &document).await, 403, None);
    }
    let elsewhere = Ground::new().await;
    good(import(&elsewhere.root(), "/api/v1/import", &document).await, StatusCode::OK);
    for (action, count) in [("grant.create", 2), ("membership.update", 1)] {
        let logs = elsewhere.root().get(&format!("/api/v1/audit-logs?action={action}")).await.json();
        let logs = logs["logs"].as_array().unwrap().clone();
        let is_told = |log: &serde_json::Value| log["user"] == "local:0" && log["details"]["by"] == "import";
        assert!(logs.len() == count && logs.iter().all(is_told), "{logs:?}");
    }
}

#[tokio::test]
async fn a_document_with_people_demands_or_networks_that_cannot_be_changes_nothing() {
    let document = export(&organisation().await).await;
    let elsewhere = Ground::new().await;
    let empty = export(&elsewhere).await;
    let spoilt = |from: &str, to: &str| {
        assert!(document.contains(from), "{from} in {document}");
        document.replacen(from, to, 1)
    };
    let absent = "01890a5d-ac96-774b-bcce-b302099a8057";
    // Whose account it is, as the document says of one of the two.
    let begins = "\"lastName\":\"Account\",\"user\":\"";
    let (_, rest) = document.split_once(begins).unwrap();
    let owner = format!("{begins}{}\"", &rest[..36]);
    let (_, rule) = document.split_once("\"for\":\"user:").unwrap();
    let rule = format!("\"for\":\"user:{}\"", &rule[..36]);
    let twice = document.replace("\"lastName\":\"Account\",\"companies\"", &format!("{owner},\"companies\""));
    for (document, told) in [
        (spoilt("\"employeeNumber\":\"1\"", "\"employeeNumber\":\"\""), "employee_number"),
        (spoilt("\"employeeNumber\":\"1\"", "\"employeeNumber\":\"2\""), "employee_number"),
        (spoilt(&owner, &format!("{begins}{absent}\"")), absent),
        (twice, "`user` is taken"),
        (spoilt("\"firstName\":\"Lim\"", "\"firstName\":\"\\u0007\""), "first_name"),
        (spoilt("\"factor\":true,\"sso\":false", "\"factor\":false,\"sso\":false"), "demands nothing"),
        (spoilt("\"kind\":\"demand\",", "\"kind\":\"demand\",\"password\":\"x\","), "unknown field"),
        (spoilt("\"for\":\"role:integration_specialist\"", "\"for\":\"role:nobody\""), "role:nobody"),
        (spoilt("\"for\":\"role:integration_specialist\"", &format!("\"for\":\"user:{absent}\"")), absent),
        (spoilt("\"for\":\"role:integration_specialist\"", "\"for\":\"everybody\""), "everybody"),
        (spoilt("[\"10.0.0.0/8\"]", "[]"), "no network"),
        (spoilt("\"10.0.0.0/8\"", "\"10.0.0.1/8\""), "10.0.0.1/8"),
        (spoilt("\"for\":\"role:integration_specialist\"", &rule), "twice"),
    ] {
        for path in ["/api/v1/import", "/api/v1/import?dry_run=true"] {
            let reply = import(&elsewhere.root(), path, &document).await;
            refused(&reply, 422, Some("document"));
            assert!(reply.text.contains(told), "{told}: {}", reply.text);
        }
        assert_eq!(export(&elsewhere).await, empty, "{told}");
    }
}

#[tokio::test]
async fn a_document_lifts_no_demand_and_shuts_out_nobody_who_imports_it_unawares() {
    let ground = organisation().await;
    let document = export(&ground).await;
    let root = ground.root();
    // More may be demanded by a document, and less may not: who writes one could lift their own by it.
    let more = document.replace("\"factor\":true,\"sso\":false", "\"factor\":true,\"sso\":true");
    let done = good(import(&root, "/api/v1/import", &more).await, StatusCode::OK);
    assert_eq!(done["records"]["demand"], json!({"created": 0, "changed": 1, "same": 0}));
    let reply = import(&root, "/api/v1/import", &document).await;
    refused(&reply, 422, Some("document"));
    assert!(reply.text.contains("does not lift"), "{}", reply.text);
    let mia = good(root.get("/api/v1/users/mia").await, StatusCode::OK);
    assert_eq!((&mia["requires_factor"], &mia["requires_sso"]), (&json!(true), &json!(true)));
    // Rules that do not hold where who imports comes from.
    let shutting = more.replace("\"for\":\"role:integration_specialist\"", "\"for\":\"organization\"");
    let service = ground.service(&["*:*"]).await;
    for path in ["/api/v1/import", "/api/v1/import?dry_run=true"] {
        refused(&import(&service, path, &shutting).await, 409, Some("organization"));
    }
    let done = good(import(&root, "/api/v1/import", &shutting).await, StatusCode::OK);
    assert_eq!(done["records"]["network"], json!({"created": 1, "changed": 0, "same": 1}));
    refused(&service.get("/api/v1/users").await, 401, None);
    let rules = good(root.get("/api/v1/network-rules").await, StatusCode::OK);
    assert_eq!(rules["roles"], json!({"integration_specialist": ["10.0.0.0/8"]}), "what is not named stays");
    let logs = good(root.get("/api/v1/audit-logs?action=network.update").await, StatusCode::OK);
    assert_eq!(logs["logs"][0]["details"]["by"], "import", "{logs}");
}
