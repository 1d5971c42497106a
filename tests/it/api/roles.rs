//! `/roles`: who sees, makes, changes and deletes them, and what becomes of those who hold them.

use cleargate::access::{NewGrant, Options, Pack};
use cleargate::model::Subject;
use http::StatusCode;
use serde_json::{Value, json};

use super::{Client, Ground, good, refused};
use crate::support::daemon::Daemon;

const SYSTEMS: &str = "policy.pack = \"clearpoint-systems\"";
const VANTAGE: &str = "policy.pack = \"clearvantage\"\npassword.preset = \"nist-63b-4\"";

/// The role of the manual, word by word.
const SPECIALIST: &str = r#"{
    "name": "Integration Specialist",
    "description": "Can manage integrations and workflows but not users",
    "permissions": ["integrations:read", "integrations:create", "integrations:update",
                    "workflows:read", "workflows:create", "reports:read"]
}"#;

async fn may(ground: &Ground, user: &str, permission: &str) -> bool {
    let path = format!("/api/v1/explain?user={user}&permission={permission}");
    good(ground.root().get(&path).await, StatusCode::OK)["allowed"].as_bool().unwrap()
}

async fn give(ground: &Ground, user: &str, role: &str, scope: Option<&str>) -> Value {
    let body = json!({"user": user, "role": role, "scope": scope});
    good(ground.root().post("/api/v1/grants", body).await, StatusCode::CREATED)
}

async fn make(client: &Client, body: Value) -> Value {
    good(client.post("/api/v1/roles", body).await, StatusCode::CREATED)
}

async fn finance(ground: &Ground) -> &'static str {
    let body = json!({"slug": "finance", "name": "Finance Team"});
    good(ground.root().post("/api/v1/departments", body).await, StatusCode::CREATED);
    "department:finance"
}

/// A browser of somebody who may manage roles and has these permissions beside.
async fn manager(ground: &Ground, name: &str, permissions: &[&str]) -> Client {
    let mut all = vec!["roles:create", "roles:read", "roles:update", "roles:delete"];
    all.extend(permissions);
    make(&ground.root(), json!({"name": format!("Of {name}"), "permissions": all})).await;
    let (_, browser) = ground.browser(name, &[&format!("of_{name}")]).await;
    browser
}

#[tokio::test]
async fn the_integration_specialist_of_the_manual_is_made_verbatim_and_may_what_it_says() {
    let ground = Ground::with(SYSTEMS).await;
    let reply = ground.root().post("/api/v1/roles", serde_json::from_str(SPECIALIST).unwrap()).await;
    assert_eq!(
        (&reply.headers["location"], &reply.headers["etag"]),
        (&"/api/v1/roles/integration_specialist".parse().unwrap(), &"\"1\"".parse().unwrap(),)
    );
    let role = good(reply, StatusCode::CREATED);
    assert_eq!((role["id"].as_str(), role["kind"].as_str()), (Some("integration_specialist"), Some("custom")));
    let said: Value = serde_json::from_str(SPECIALIST).unwrap();
    for member in ["name", "description", "permissions"] {
        assert_eq!(role[member], said[member], "{member}");
    }
    ground.user("ada", &["integration_specialist"]).await;
    for (permission, allowed) in [
        ("integrations:read", true),
        ("integrations:create", true),
        ("workflows:read", true),
        ("integrations:delete", false),
        ("users:read", false),
        ("users:create", false),
        ("subscription:read", false),
        ("integrations:update", true),
        ("workflows:create", true),
        ("reports:read", true),
        ("users:update", false),
        ("billing:read", false),
        ("settings:update", false),
    ] {
        assert_eq!(may(&ground, "ada", permission).await, allowed, "{permission}");
    }
    make(&ground.root(), json!({"name": "Report Builder", "permissions": ["reports:*"]})).await;
    let shown = good(ground.root().get("/api/v1/roles/report_builder").await, StatusCode::OK);
    assert_eq!((shown["name"].as_str(), shown["revision"].as_u64()), (Some("Report Builder"), Some(1)));
}

#[tokio::test]
async fn what_is_not_known_is_refused_with_the_value_and_the_nearest_known() {
    let ground = Ground::with(SYSTEMS).await;
    let long = "x".repeat(501);
    for (body, field, told) in [
        (json!({"permissions": []}), "name", "is required"),
        (json!({"name": "X"}), "permissions", "is required"),
        (
            json!({"name": "X", "permissions": ["integrations:reed"]}),
            "permissions",
            "has `integrations:reed`, which is not in the catalogue; did you mean `integrations:read`?",
        ),
        (json!({"name": "X", "permissions": ["everything"]}), "permissions", "has `everything`, which must be"),
        (json!({"name": "X", "permissions": "a:b"}), "permissions", "must be a list of texts"),
        (json!({"name": "X", "denies": ["boats:sail"]}), "denies", "which is not in the catalogue"),
        (json!({"name": "X", "if_owner": ["boats:sail"]}), "if_owner", "which is not in the catalogue"),
        (
            json!({"name": "X", "includes": ["viewr"]}),
            "includes",
            "has `viewr`, which does not exist; did you mean `viewer`?",
        ),
        (json!({"name": "…", "permissions": []}), "name", "must contain a letter"),
        (json!({"name": "x".repeat(65), "permissions": []}), "name", "at most 64 characters"),
        (json!({"name": "X", "permissions": [], "description": long}), "description", "at most 500"),
        (json!({"name": "X", "permissions": [], "ui_profile": {"a": 1}}), "ui_profile", "an object of texts"),
        (json!({"name": "X", "permissions": [], "ui_profile": {"a": "x".repeat(2001)}}), "ui_profile", "at most"),
        (json!({"name": "X", "permissions": vec!["reports:read"; 501]}), "permissions", "at most 500 entries"),
        (json!({"name": "X", "permissions": [], "colour": "red"}), "colour", "is not known here"),
    ] {
        let reply = ground.root().post("/api/v1/roles", body.clone()).await;
        refused(&reply, 422, Some(field));
        assert!(reply.json()["detail"].as_str().unwrap().contains(told), "{body}: {}", reply.text);
    }
    for taken in ["Viewer", "viewer", "VIEWER!"] {
        let body = json!({"name": taken, "permissions": []});
        refused(&ground.root().post("/api/v1/roles", body).await, 409, Some("name"));
    }
    let vantage = Ground::with(VANTAGE).await;
    let body = json!({"name": "Report Builder", "permissions": []});
    refused(&vantage.root().post("/api/v1/roles", body).await, 422, Some("name"));
}

#[tokio::test]
async fn roles_are_listed_with_what_they_are_and_hidden_ones_are_not() {
    let ground = Ground::with(VANTAGE).await;
    let own = json!({"name": "Own", "permissions": ["layouts:read"], "ui_profile": {"columns": "name"}});
    make(&ground.root(), own).await;
    let list = good(ground.root().get("/api/v1/roles").await, StatusCode::OK);
    let find = |id: &str| list["items"].as_array().unwrap().iter().find(|role| role["id"] == id).cloned();
    let flag = find("no_payment_access").unwrap();
    assert_eq!((flag["kind"].as_str(), flag["heading"].as_str()), (Some("flag"), Some("Financial")));
    assert!(!flag["denies"].as_array().unwrap().is_empty() && flag["seat"] == 0);
    let own = find("own").unwrap();
    assert_eq!((own["kind"].as_str(), &own["ui_profile"]), (Some("custom"), &json!({"columns": "name"})));
    assert!(find("iolta_access").is_none(), "its feature is off");
    ground.test.user("ada", None).await;
    let hidden = json!({"user": "ada", "role": "iolta_access"});
    refused(&ground.root().post("/api/v1/grants", hidden).await, 422, Some("role"));
    refused(&ground.root().get("/api/v1/roles/iolta_access").await, 404, None);
    let custom = good(ground.root().get("/api/v1/roles?kind=custom").await, StatusCode::OK);
    assert_eq!(custom["items"].as_array().unwrap().len(), 1);
    refused(&ground.root().get("/api/v1/roles?kind=own").await, 422, Some("kind"));
    refused(&ground.root().get("/api/v1/roles/nobody").await, 404, None);
    refused(&ground.root().get("/api/v1/roles/No%20Such").await, 404, None);
    let strategy = Ground::new().await;
    let shown = good(strategy.root().get("/api/v1/roles/scorecard_administrator").await, StatusCode::OK);
    assert_eq!((shown["badge"].as_str(), shown["scoped_only"].as_bool()), (Some("Scorecard Admin"), Some(true)));
}

#[tokio::test]
async fn the_matrix_is_that_of_the_pack_cell_by_cell() {
    let ground = Ground::with(SYSTEMS).await;
    let matrix = good(ground.root().get("/api/v1/roles/matrix").await, StatusCode::OK);
    assert_eq!(matrix["columns"].as_array().unwrap().len(), 5);
    let row = |label: &str| {
        let rows = matrix["rows"].as_array().unwrap();
        rows.iter().find(|row| row["label"] == label).unwrap()["cells"].clone()
    };
    let columns: Vec<&str> =
        matrix["columns"].as_array().unwrap().iter().map(|column| column["name"].as_str().unwrap()).collect();
    let names = ["System Administrator", "Operations Manager", "Data Analyst", "Compliance Officer", "Viewer"];
    assert_eq!(columns, names);
    assert_eq!(matrix["rows"].as_array().unwrap().len(), 7);
    for (label, cells) in [
        ("View integrations", ["yes", "yes", "yes", "no", "no"]),
        ("Configure workflows", ["yes", "yes", "no", "no", "no"]),
        ("Manage users", ["yes", "no", "no", "no", "no"]),
        ("View reports", ["yes", "yes", "yes", "yes", "yes"]),
        ("Export data", ["yes", "no", "yes", "no", "no"]),
        ("View audit logs", ["yes", "no", "no", "yes", "no"]),
        ("Manage billing", ["yes", "no", "no", "no", "no"]),
    ] {
        assert_eq!(row(label), json!(cells), "{label}");
    }
    let strategy = good(Ground::new().await.root().get("/api/v1/roles/matrix").await, StatusCode::OK);
    assert_eq!(strategy["rows"].as_array().unwrap().len(), 31);
    let allowed: u64 = strategy["allowed"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(allowed, 85);
}

#[tokio::test]
async fn a_changed_role_holds_at_the_next_request_of_an_open_session() {
    let ground = Ground::with(SYSTEMS).await;
    make(&ground.root(), json!({"name": "Clerk", "permissions": ["users:read"]})).await;
    let (_, clerk) = ground.browser("ada", &["clerk"]).await;
    good(clerk.get("/api/v1/users").await, StatusCode::OK);
    refused(&clerk.get("/api/v1/groups").await, 403, None);
    let path = "/api/v1/roles/clerk";
    let body = json!({"permissions": ["groups:read"]});
    let reply = ground.root().with_header("if-match", "\"1\"").patch(path, body.clone()).await;
    assert_eq!(reply.headers["etag"], "\"2\"");
    good(reply, StatusCode::OK);
    refused(&clerk.get("/api/v1/users").await, 403, None);
    good(clerk.get("/api/v1/groups").await, StatusCode::OK);
    // Whoever has seen an older one is told so.
    refused(&ground.root().with_header("if-match", "\"1\"").patch(path, body.clone()).await, 412, None);
    // What changes nothing is no change.
    let same = ground.root().patch(path, body).await;
    assert_eq!(same.headers["etag"], "\"2\"");
    let event = good(ground.root().get("/api/v1/audit-logs?action=role.update").await, StatusCode::OK);
    assert_eq!(event["logs"].as_array().unwrap().len(), 1);
    let told = event["logs"][0].to_string();
    assert!(told.contains("users:read") && told.contains("groups:read"), "{told}");
}

#[tokio::test]
async fn a_role_that_is_held_or_included_is_not_deleted() {
    let ground = Ground::with(SYSTEMS).await;
    let finance = finance(&ground).await;
    make(&ground.root(), json!({"name": "Inner", "permissions": ["reports:read"]})).await;
    make(&ground.root(), json!({"name": "Outer", "permissions": [], "includes": ["inner", "viewer"]})).await;
    ground.test.user("ada", None).await;
    let grant = give(&ground, "ada", "outer", Some(finance)).await;
    let reply = ground.root().delete("/api/v1/roles/inner").await;
    refused(&reply, 409, None);
    assert!(reply.text.contains("included by `outer`"), "{}", reply.text);
    let reply = ground.root().delete("/api/v1/roles/outer").await;
    refused(&reply, 409, None);
    assert!(reply.text.contains("1 grant gives `outer`"), "{}", reply.text);
    let holders = good(ground.root().get("/api/v1/roles/outer/holders").await, StatusCode::OK);
    let holder = &holders["items"][0];
    assert_eq!((holder["name"].as_str(), holder["scope"].as_str()), (Some("ada"), Some(finance)));
    good(ground.root().delete(&format!("/api/v1/grants/{}", grant["id"].as_str().unwrap())).await, StatusCode::OK);
    good(ground.root().delete("/api/v1/roles/outer?dry_run=true").await, StatusCode::OK);
    good(ground.root().delete("/api/v1/roles/outer").await, StatusCode::OK);
    refused(&ground.root().delete("/api/v1/roles/outer").await, 404, None);
    good(ground.root().delete("/api/v1/roles/inner").await, StatusCode::OK);
    let body = json!({"user": "ada", "role": "inner"});
    refused(&ground.root().post("/api/v1/grants", body).await, 422, Some("role"));
}

#[tokio::test]
async fn a_grant_of_a_role_that_is_deleted_at_the_same_time_is_not_left_behind() {
    let ground = Ground::with(SYSTEMS).await;
    let ada = ground.test.user("ada", None).await;
    make(&ground.root(), json!({"name": "Brief", "permissions": ["reports:read"]})).await;
    // Whoever began before the deletion goes by the roles of then.
    let access = ground.test.gateway.access();
    let before = access.roles();
    good(ground.root().delete("/api/v1/roles/brief").await, StatusCode::OK);
    let grant = NewGrant::new(Subject::User(ada.id), "brief".parse().unwrap());
    let given = access.grants().create(&ground.test.task(), &before, grant).await;
    assert_eq!(given.unwrap_err().to_string(), "role `brief` does not exist");
}

#[tokio::test]
async fn the_roles_of_the_pack_are_copied_and_never_changed() {
    let ground = Ground::with(SYSTEMS).await;
    for path in ["/api/v1/roles/viewer", "/api/v1/roles/system_administrator"] {
        refused(&ground.root().patch(path, json!({"permissions": ["*:*"]})).await, 409, None);
        refused(&ground.root().delete(path).await, 409, None);
    }
    let body = json!({"name": "Senior Analyst", "description": "Analyses more"});
    let copy = good(ground.root().post("/api/v1/roles/data_analyst:duplicate", body).await, StatusCode::CREATED);
    let original = good(ground.root().get("/api/v1/roles/data_analyst").await, StatusCode::OK);
    for member in ["permissions", "denies", "includes", "if_owner", "ui_profile", "scoped_only"] {
        assert_eq!(copy[member], original[member], "{member}");
    }
    assert_eq!((copy["id"].as_str(), copy["description"].as_str()), (Some("senior_analyst"), Some("Analyses more")));
    // All that a role can say is in a copy.
    let full = make(
        &ground.root(),
        json!({"name": "Full", "description": "All of it", "permissions": ["data:read"], "denies": ["data:export"],
            "includes": ["viewer"], "if_owner": ["reports:update"], "ui_profile": {"columns": "name,due"},
            "scoped_only": true, "requires_factor": true, "requires_sso": true, "factor_within": "10m"}),
    )
    .await;
    let twin =
        ground.root().post("/api/v1/roles/full:duplicate", json!({"name": "Twin", "description": "Another"})).await;
    let twin = good(twin, StatusCode::CREATED);
    assert_eq!((&twin["id"], &twin["description"]), (&json!("twin"), &json!("Another")));
    for (member, value) in full.as_object().unwrap() {
        let is_its_own =
            ["id", "name", "description", "created", "changed", "badge", "revision"].contains(&member.as_str());
        assert!(is_its_own || twin[member] == *value, "{member}: {twin}");
    }
    assert_eq!(twin["ui_profile"], json!({"columns": "name,due"}));
    let again = ground.root().post("/api/v1/roles/data_analyst:duplicate", json!({"name": "senior analyst"})).await;
    refused(&again, 409, Some("name"));
    refused(&ground.root().post("/api/v1/roles/data_analyst:duplicate", json!({})).await, 422, Some("name"));
    refused(&ground.root().post("/api/v1/roles/nobody:duplicate", json!({"name": "X"})).await, 404, None);
    refused(&ground.root().post("/api/v1/roles/data_analyst", json!({"name": "X"})).await, 404, None);
    // The copy is adapted, and the original stays as it was.
    let adapted = json!({"permissions": ["data:read"], "description": "Reads"});
    good(ground.root().patch("/api/v1/roles/senior_analyst", adapted).await, StatusCode::OK);
    ground.user("ada", &["senior_analyst"]).await;
    assert!(may(&ground, "ada", "data:read").await && !may(&ground, "ada", "data:export").await);
    assert_eq!(good(ground.root().get("/api/v1/roles/data_analyst").await, StatusCode::OK), original);
}

#[tokio::test]
async fn a_copy_has_everything_of_its_original_but_name_and_description() {
    const KEPT: [&str; 9] = [
        "denies",
        "factor_within",
        "if_owner",
        "includes",
        "permissions",
        "requires_factor",
        "requires_sso",
        "scoped_only",
        "ui_profile",
    ];
    let ground = Ground::new().await;
    let everything = json!({
        "name": "Everything", "description": "All that a role can say", "permissions": ["pages:read", "users:*"],
        "denies": ["users:delete"], "includes": ["browser"], "if_owner": ["update-fields:update"],
        "ui_profile": {"columns": "name,owner", "buttons": "save"}, "scoped_only": true, "requires_factor": true,
        "requires_sso": true, "factor_within": "10m",
    });
    let made = make(&ground.root(), everything.clone()).await;
    for member in KEPT {
        assert_eq!(made[member], everything[member], "{member}");
    }
    for (of, name) in [("everything", "Copy One"), ("updater", "Copy Two"), ("scorecard_administrator", "Copy Three")] {
        let original = good(ground.root().get(&format!("/api/v1/roles/{of}")).await, StatusCode::OK);
        let body = json!({"name": name, "description": "a copy"});
        good(ground.root().post(&format!("/api/v1/roles/{of}:duplicate"), body).await, StatusCode::CREATED);
        let id = name.to_lowercase().replace(' ', "_");
        let copy = good(ground.root().get(&format!("/api/v1/roles/{id}")).await, StatusCode::OK);
        for member in KEPT {
            assert_eq!(copy[member], original[member], "{member} of {of}");
        }
        // A role of one's own: its badge is its name, it takes a seat, and goes with every user type.
        assert_eq!(
            (&copy["name"], &copy["badge"], &copy["description"]),
            (&json!(name), &json!(name), &json!("a copy"))
        );
        assert_eq!((&copy["kind"], &copy["seat"], &copy["only_beside"]), (&json!("custom"), &json!(1), &json!([])));
        assert_eq!(good(ground.root().get(&format!("/api/v1/roles/{of}")).await, StatusCode::OK), original);
    }
    let vantage = Ground::with(VANTAGE).await;
    let original = good(vantage.root().get("/api/v1/roles/read_only_access").await, StatusCode::OK);
    assert!(original["denies"].as_array().unwrap().len() > 50, "{original}");
    let body = json!({"name": "Onlooker"});
    let copy = good(vantage.root().post("/api/v1/roles/read_only_access:duplicate", body).await, StatusCode::CREATED);
    assert_eq!((&copy["denies"], &copy["description"]), (&original["denies"], &original["description"]));
}

#[tokio::test]
async fn a_name_of_a_role_has_no_blank_where_the_pack_says_so_however_it_is_given_and_a_role_has_a_description() {
    let ground = Ground::with(VANTAGE).await;
    let root = ground.root();
    let body = json!({"name": "Front-Desk", "description": "Who sits in front", "permissions": ["individuals:read"]});
    assert_eq!(make(&root, body).await["description"], "Who sits in front");
    for name in ["Front Desk", "Front\tDesk", "Front\u{a0}Desk", "Front\u{2003}Desk", " Front", "Desk "] {
        let body = json!({"name": name, "permissions": ["individuals:read"]});
        refused(&root.post("/api/v1/roles", body).await, 422, Some("name"));
        refused(&root.post("/api/v1/roles/staff:duplicate", json!({"name": name})).await, 422, Some("name"));
        refused(&root.patch("/api/v1/roles/front-desk", json!({"name": name})).await, 404, None);
        refused(&root.patch("/api/v1/roles/front_desk", json!({"name": name})).await, 422, Some("name"));
    }
    good(root.patch("/api/v1/roles/front_desk", json!({"description": "Reception"})).await, StatusCode::OK);
    let shown = good(root.get("/api/v1/roles/front_desk").await, StatusCode::OK);
    assert_eq!((&shown["name"], &shown["description"]), (&json!("Front-Desk"), &json!("Reception")));
    let listed = good(root.get("/api/v1/roles").await, StatusCode::OK);
    for role in listed["items"].as_array().unwrap() {
        assert!(role["description"].as_str().is_some_and(|text| !text.is_empty()), "{role}");
    }
    // Elsewhere names have blanks, and the id has none.
    let systems = Ground::with(SYSTEMS).await;
    assert_eq!(make(&systems.root(), json!({"name": "Front Desk", "permissions": []})).await["id"], "front_desk");
}

#[tokio::test]
async fn circles_are_refused_with_the_circle_shown() {
    let ground = Ground::with(SYSTEMS).await;
    make(&ground.root(), json!({"name": "A", "permissions": []})).await;
    make(&ground.root(), json!({"name": "B", "permissions": [], "includes": ["a"]})).await;
    make(&ground.root(), json!({"name": "C", "permissions": [], "includes": ["b"]})).await;
    for (include, circle) in [("c", "a → c → b → a"), ("b", "a → b → a"), ("a", "a → a")] {
        let reply = ground.root().patch("/api/v1/roles/a", json!({"includes": [include]})).await;
        refused(&reply, 422, Some("includes"));
        assert!(reply.text.contains(circle), "{}", reply.text);
    }
    // Two at the same time do not make one together.
    make(&ground.root(), json!({"name": "D", "permissions": []})).await;
    make(&ground.root(), json!({"name": "E", "permissions": []})).await;
    let root = ground.root();
    let (one, other) = tokio::join!(
        root.patch("/api/v1/roles/d", json!({"includes": ["e"]})),
        root.patch("/api/v1/roles/e", json!({"includes": ["d"]})),
    );
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 422]);
}

#[tokio::test]
async fn nobody_makes_a_role_that_gives_what_they_do_not_have() {
    let ground = Ground::with(SYSTEMS).await;
    let ada = manager(&ground, "ada", &["reports:read"]).await;
    make(&ada, json!({"name": "Small", "permissions": ["reports:read"]})).await;
    for body in [
        json!({"name": "Big", "permissions": ["*:*"]}),
        json!({"name": "Big", "permissions": ["reports:*"]}),
        json!({"name": "Big", "permissions": [], "if_owner": ["users:delete"]}),
        json!({"name": "Big", "permissions": [], "includes": ["system_administrator"]}),
        json!({"name": "Big", "permissions": [], "includes": ["viewer"]}),
    ] {
        refused(&ada.post("/api/v1/roles", body.clone()).await, 403, None);
        refused(&ada.post("/api/v1/roles?dry_run=true", body).await, 403, None);
    }
    refused(&ada.post("/api/v1/roles/viewer:duplicate", json!({"name": "Big"})).await, 403, None);
    refused(&ground.root().get("/api/v1/roles/big").await, 404, None);
}

#[tokio::test]
async fn nobody_edits_a_role_beyond_what_they_have_where_it_is_held() {
    let ground = Ground::with(SYSTEMS).await;
    let finance = finance(&ground).await;
    let ada = manager(&ground, "ada", &["reports:read", "reports:create"]).await;
    make(&ground.root(), json!({"name": "Held", "permissions": ["users:read"], "denies": ["billing:read"]})).await;
    make(&ground.root(), json!({"name": "Around", "permissions": ["lineage:read"], "includes": ["held"]})).await;
    let change = async |body: Value| ada.patch("/api/v1/roles/held", body).await;
    // What it has already is not asked for again.
    good(change(json!({"permissions": ["users:read", "reports:read"]})).await, StatusCode::OK);
    // Neither more than one has, nor less, nor the return of what was denied.
    for body in [
        json!({"permissions": ["users:read", "reports:read", "data:export"]}),
        json!({"permissions": ["reports:read"]}),
        json!({"denies": []}),
        json!({"denies": ["billing:read", "data:read"]}),
        json!({"if_owner": ["data:read"]}),
        json!({"includes": ["compliance_officer"]}),
    ] {
        refused(&change(body).await, 403, None);
    }
    good(change(json!({"permissions": ["users:read"]})).await, StatusCode::OK);
    // Where it is held in a scope only, through another role too, the right there is needed and is enough.
    ground.test.user("bob", None).await;
    give(&ground, "bob", "around", Some(finance)).await;
    make(&ground.root(), json!({"name": "Nothing", "permissions": ["roles:update", "roles:read"]})).await;
    let (_, eve) = ground.browser("eve", &["nothing"]).await;
    let more = json!({"permissions": ["users:read", "data:read"]});
    refused(&eve.patch("/api/v1/roles/held", more.clone()).await, 403, None);
    make(&ground.root(), json!({"name": "Data", "permissions": ["data:read"]})).await;
    give(&ground, "eve", "data", Some(finance)).await;
    refused(&eve.patch("/api/v1/roles/held", more.clone()).await, 403, None);
    give(&ground, "bob", "held", Some(finance)).await;
    good(eve.patch("/api/v1/roles/held", more).await, StatusCode::OK);
    assert!(!may(&ground, "bob", "data:read").await);
    let there = format!("/api/v1/explain?user=bob&permission=data:read&scope={finance}");
    assert_eq!(good(ground.root().get(&there).await, StatusCode::OK)["allowed"], true);
}

#[tokio::test]
async fn nobody_takes_a_right_from_themselves_by_a_role() {
    let ground = Ground::with(SYSTEMS).await;
    let ada = manager(&ground, "ada", &["reports:read"]).await;
    let less = json!({"permissions": ["roles:read", "roles:update", "roles:create", "roles:delete"]});
    let reply = ada.patch("/api/v1/roles/of_ada", less.clone()).await;
    refused(&reply, 409, None);
    assert!(reply.text.contains("would take reports:read from yourself"), "{}", reply.text);
    refused(&ada.patch("/api/v1/roles/of_ada", json!({"denies": ["roles:read"]})).await, 409, None);
    // Somebody else may, and the machine's administrator always.
    good(ground.root().patch("/api/v1/roles/of_ada", less).await, StatusCode::OK);
    assert!(!may(&ground, "ada", "reports:read").await);
}

#[tokio::test]
async fn a_role_under_an_id_that_is_held_and_not_defined_takes_whoever_has_everything() {
    let ground = Ground::with(SYSTEMS).await;
    let ada = manager(&ground, "ada", &["reports:read"]).await;
    let bob = ground.test.user("bob", None).await;
    ground.grant(&bob, "system_administrator").await;
    // Left by another pack: it denies its holder everything, and a role under its id would undo that.
    let other = "title = \"Other\"\n[[role]]\nname = \"Phantom\"\ndescription = \"\"\n";
    let other = Pack::parse("other", other, &Options::new()).unwrap();
    let grant = NewGrant::new(Subject::User(bob.id), "phantom".parse().unwrap());
    let grants = ground.test.gateway.access().grants().clone();
    grants.create(&ground.test.task(), other.roles(), grant).await.unwrap();
    assert!(!may(&ground, "bob", "users:read").await);
    let body = json!({"name": "Phantom", "permissions": []});
    refused(&ada.post("/api/v1/roles", body.clone()).await, 403, None);
    make(&ground.root(), body).await;
    assert!(may(&ground, "bob", "users:read").await);
}

#[tokio::test]
async fn a_role_administrator_manages_roles_without_being_system_administrator() {
    let ground = Ground::with(VANTAGE).await;
    ground.test.user("ada", None).await;
    let permit = ground.test.task();
    let ada = ground.test.gateway.directory().find_user_by_name("ada").await.unwrap().unwrap();
    let password = cleargate::secret::Secret::new(super::PASSWORD.to_owned());
    ground.test.gateway.credentials().set(&permit, &ada, &password, false).await.unwrap();
    ground.grant(&ada, "staff").await;
    ground.grant(&ada, "role_administrator").await;
    let ada = ground.sign_in("ada").await;
    let own = make(&ada, json!({"name": "Front-Desk", "permissions": ["individuals:read", "layouts:update"]})).await;
    assert_eq!(own["id"], "front_desk");
    good(ada.patch("/api/v1/roles/front_desk", json!({"permissions": ["individuals:read"]})).await, StatusCode::OK);
    let copy = json!({"name": "Back-Desk"});
    good(ada.post("/api/v1/roles/front_desk:duplicate", copy).await, StatusCode::CREATED);
    good(ada.patch("/api/v1/roles/back_desk", json!({"ui_profile": {"columns": "name"}})).await, StatusCode::OK);
    refused(&ada.post("/api/v1/roles", json!({"name": "Root", "permissions": ["*:*"]})).await, 403, None);
    refused(&ada.post("/api/v1/roles/system_administrator:duplicate", json!({"name": "Root"})).await, 403, None);
    refused(&ada.get("/api/v1/users").await, 403, None);
    refused(&ada.delete("/api/v1/roles/front_desk").await, 403, None);
}

#[tokio::test]
async fn a_dry_run_checks_everything_and_writes_nothing() {
    let ground = Ground::with(SYSTEMS).await;
    let path = "/api/v1/roles?dry_run=true";
    let body = json!({"name": "Tried", "permissions": ["reports:read"]});
    let tried = good(ground.root().post(path, body.clone()).await, StatusCode::OK);
    assert_eq!(tried["id"], "tried");
    refused(&ground.root().get("/api/v1/roles/tried").await, 404, None);
    refused(
        &ground.root().post(path, json!({"name": "Tried", "permissions": ["x:y"]})).await,
        422,
        Some("permissions"),
    );
    make(&ground.root(), body).await;
    let change = json!({"permissions": ["reports:create"]});
    good(ground.root().patch("/api/v1/roles/tried?dry_run=true", change).await, StatusCode::OK);
    let shown = good(ground.root().get("/api/v1/roles/tried").await, StatusCode::OK);
    assert_eq!((shown["permissions"].clone(), shown["revision"].as_u64()), (json!(["reports:read"]), Some(1)));
    refused(&ground.root().post("/api/v1/roles?dry_run=maybe", json!({})).await, 422, Some("dry_run"));
}

#[tokio::test]
async fn roles_come_back_with_the_next_start() {
    let mut daemon = Daemon::serving(SYSTEMS).await;
    let file = daemon.path("specialist.json");
    std::fs::write(&file, SPECIALIST).unwrap();
    let made = daemon.run(&["role", "create", "--file", file.to_str().unwrap()]).await;
    assert_eq!(made["id"], "integration_specialist");
    daemon.run(&["user", "create", "ada", "--role", "integration_specialist"]).await;
    daemon.kill().await;
    daemon.start().await;
    let asked = daemon.run(&["explain", "ada", "workflows:create"]).await;
    assert_eq!(asked["allowed"], true, "{asked}");
    let copy = ["role", "duplicate", "integration_specialist", "--name", "Copy", "--dry-run"];
    assert_eq!(daemon.run(&copy).await["id"], "copy");
    daemon.run(&["role", "update", "integration_specialist", "--permission", "reports:read"]).await;
    assert_eq!(daemon.run(&["explain", "ada", "workflows:create"]).await["allowed"], false);
    let matrix = daemon.run(&["role", "matrix"]).await;
    assert_eq!(matrix["columns"].as_array().unwrap().len(), 5);
    let exported = &matrix["rows"][4];
    assert_eq!(
        (&exported["label"], &exported["cells"]),
        (&json!("Export data"), &json!(["yes", "no", "yes", "no", "no"]))
    );
    assert_eq!(daemon.run(&["role", "show", "integration_specialist", "--holders"]).await["name"], "ada");
    assert_eq!(daemon.run(&["role", "list", "--kind", "custom"]).await["id"], "integration_specialist");
    daemon.run(&["role", "create", "--name", "Empty"]).await;
    daemon.run(&["role", "delete", "empty", "--yes"]).await;
}

#[tokio::test]
async fn the_permissions_there_are_can_be_looked_up_and_each_makes_a_role() {
    let ground = Ground::new().await;
    let root = ground.root();
    let known = good(root.get("/api/v1/roles/permissions").await, StatusCode::OK);
    let mut all = Vec::new();
    for item in known["items"].as_array().unwrap() {
        for action in item["actions"].as_array().unwrap() {
            all.push(format!("{}:{}", item["resource"].as_str().unwrap(), action.as_str().unwrap()));
        }
    }
    assert!(all.len() > 50 && all.contains(&"users:read".to_owned()), "{all:?}");
    good(root.post("/api/v1/roles", json!({"name": "Everything", "permissions": all})).await, StatusCode::CREATED);
    let (_, browser) = ground.browser("browser", &["browser"]).await;
    refused(&browser.get("/api/v1/roles/permissions").await, 403, None);
}

#[tokio::test]
async fn what_roles_say_of_an_applications_pages_reaches_it() {
    let ground = Ground::new().await;
    let root = ground.root();
    for (name, profile) in
        [("One", json!({"columns": "name,owner"})), ("Two", json!({"columns": "owner,due", "menu": "short"}))]
    {
        let role = json!({"name": name, "permissions": ["elements:create"], "ui_profile": profile});
        good(root.post("/api/v1/roles", role).await, StatusCode::CREATED);
    }
    let (_, ada) = ground.browser("ada", &["one"]).await;
    assert_eq!(good(ada.get("/api/v1/me").await, StatusCode::OK)["ui_profile"], json!({"columns": "name,owner"}));
    good(root.post("/api/v1/grants", json!({"user": "ada", "role": "two"})).await, StatusCode::CREATED);
    let both = good(ada.get("/api/v1/me").await, StatusCode::OK);
    assert_eq!(both["ui_profile"], json!({"columns": "name,owner,due", "menu": "short"}));
}
