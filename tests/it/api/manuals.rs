//! What the manuals promise of single things, from outside.

use std::collections::BTreeSet;

use axum::body::Body;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Client, Ground, good, refused};

const VANTAGE: &str = "policy.pack = \"clearvantage\"";

fn texts(list: &Value, name: &str) -> BTreeSet<String> {
    list.as_array().unwrap().iter().map(|item| item[name].as_str().unwrap().to_owned()).collect()
}

/// Every permission that there is.
async fn catalogue(client: &Client) -> Vec<String> {
    let listed = good(client.get("/api/v1/roles/permissions").await, StatusCode::OK);
    let of = |entry: &Value| {
        let resource = entry["resource"].as_str().unwrap().to_owned();
        let actions: Vec<String> = entry["actions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|action| format!("{resource}:{}", action.as_str().unwrap()))
            .collect();
        actions
    };
    listed["items"].as_array().unwrap().iter().flat_map(of).collect()
}

/// Gives a role.
async fn give(ground: &Ground, body: Value) -> String {
    good(ground.root().post("/api/v1/grants", body).await, StatusCode::CREATED)["id"].as_str().unwrap().to_owned()
}

async fn explained(ground: &Ground, user: &str, permission: &str, scope: Option<&str>) -> Value {
    let place = scope.map(|scope| format!("&scope={scope}")).unwrap_or_default();
    let path = format!("/api/v1/explain?user={user}&permission={permission}{place}");
    good(ground.root().get(&path).await, StatusCode::OK)
}

#[tokio::test]
async fn a_users_permissions_are_told_level_by_level_with_the_grant_that_gives_each() {
    let ground = Ground::with("policy.pack = \"clearpoint-systems\"\nlimits.api = \"1000000/1s\"").await;
    ground.test.place(&["department:finance", "department:payroll < department:finance", "department:it"]).await;
    ground.user("ada", &[]).await;
    ground.user("grace", &[]).await;
    let root = ground.root();
    let made = json!({"name": "Auditors", "users": ["ada"]});
    good(root.post("/api/v1/groups", made).await, StatusCode::CREATED);
    let viewer = give(&ground, json!({"user": "ada", "role": "viewer", "reason": "new here"})).await;
    let auditors = json!({"group": "Auditors", "role": "compliance_officer", "scope": "department:it", "mode": "add"});
    let auditor = give(&ground, auditors).await;
    let analyst = json!({"department": "finance", "role": "data_analyst", "scope": "department_only"});
    good(root.post("/api/v1/users/ada/departments", analyst).await, StatusCode::CREATED);
    let payroll = json!({"user": "ada", "role": "viewer", "scope": "department:payroll", "mode": "override"});
    let lower = give(&ground, payroll).await;
    let gone = json!({"user": "ada", "role": "system_administrator", "ends": "2026-11-22T09:00:00Z"});
    give(&ground, gone).await;
    ground.test.advance(std::time::Duration::from_secs(3_600));

    let told = good(root.get("/api/v1/users/ada/permissions").await, StatusCode::OK);
    assert_eq!(told["user"]["userName"], "ada");
    let levels = told["levels"].as_array().unwrap();
    let places: Vec<Option<&str>> = levels.iter().map(|level| level["scope"].as_str()).collect();
    assert_eq!(places, [None, Some("department:finance"), Some("department:it"), Some("department:payroll")]);
    let names = |at: usize| texts(&levels[at]["permissions"], "permission");
    assert!(!names(0).contains("data:export") && names(1).contains("data:export") && !names(3).contains("data:export"));
    assert!(
        names(2).contains("audit:read") && !names(1).contains("audit:read"),
        "what one has in one is not had in another"
    );
    assert!(!names(0).contains("users:delete"), "what has ended is not told");

    // Each is told with its reason, and it is the reason of the decision; what is not told is refused.
    let everything = catalogue(&root).await;
    assert!(everything.len() > 40, "{everything:?}");
    for level in levels {
        let scope = level["scope"].as_str();
        let rights = level["permissions"].as_array().unwrap();
        for permission in &everything {
            let why = explained(&ground, "ada", permission, scope).await;
            let right = rights.iter().find(|right| right["permission"] == permission.as_str());
            assert_eq!(why["allowed"].as_bool(), Some(right.is_some()), "{permission} in {scope:?}");
            let Some(right) = right else { continue };
            let held = level["roles"].as_array().unwrap().iter().find(|held| held["grant"] == right["grant"]);
            let held = held.unwrap_or_else(|| panic!("{right} has no grant: {level}"));
            assert_eq!(held["role"], right["role"]);
            let steps = why["steps"].as_array().unwrap();
            let gives = |step: &Value| step["outcome"] == "allows" && step["grant"] == right["grant"];
            assert!(steps.iter().any(gives), "{right}: {why}");
        }
    }
    let grants = |at: usize| texts(&levels[at]["roles"], "grant");
    assert_eq!(grants(0), BTreeSet::from([viewer.clone()]));
    assert_eq!(grants(2), BTreeSet::from([viewer, auditor]));
    assert_eq!(grants(3), BTreeSet::from([lower]), "what is overridden gives nothing there");
    let held = levels[2]["roles"].as_array().unwrap().iter().find(|held| held["role"] == "compliance_officer").unwrap();
    assert_eq!((&held["origin"], held["groups"].as_array().unwrap().len()), (&json!("by hand"), 1), "{held}");
    let first = &levels[0]["roles"][0];
    assert!(first["origin"].as_str().unwrap().contains("by hand") && first["maker"] == "local:0", "{first}");

    // People see their own; others' take the right to read people.
    let ada = ground.sign_in("ada").await;
    assert_eq!(good(ada.get("/api/v1/users/ada/permissions").await, StatusCode::OK), told);
    refused(&ada.get("/api/v1/users/grace/permissions").await, 403, None);
    let none = good(root.get("/api/v1/users/grace/permissions").await, StatusCode::OK);
    assert_eq!(none["levels"][0]["permissions"], json!([]));
    refused(&root.get("/api/v1/users/nobody/permissions").await, 404, None);
}

#[tokio::test]
async fn what_is_owned_stays_its_owners_who_may_have_no_access_at_all() {
    let ground = Ground::new().await;
    for (name, role) in [("ada", "updater"), ("bob", "no_access"), ("eve", "updater"), ("boss", "editor")] {
        ground.user(name, &[role]).await;
    }
    let client = ground.service(&["decisions:read"]).await;
    let asker = Client { router: cleargate::authzen::router(ground.test.gateway.authzen()), ..client };
    let ask = async |kind: &str, action: &str, who: &str, owner: &str| {
        let question = json!({"subject": {"type": "user", "id": who}, "action": {"name": action},
            "resource": {"type": kind, "id": "measure-7", "properties": {"owner": owner}}});
        good(asker.post("/access/v1/evaluation", question).await, StatusCode::OK)
    };
    let may = async |who: &str, owner: &str| {
        let told = ask("update-fields", "update", who, owner).await;
        // Each kind of element is a type of its own.
        for kind in ["objectives", "measures", "initiatives", "action-items"] {
            assert_eq!(ask(kind, "update", who, owner).await["decision"], told["decision"], "{kind}: {who} of {owner}");
        }
        told
    };
    for kind in ["objectives", "measures", "initiatives", "action-items"] {
        for (action, who, allowed) in [
            ("read", "ada", true),
            ("read", "bob", false),
            ("create", "ada", false),
            ("delete", "ada", false),
            ("create", "boss", true),
            ("delete", "boss", true),
        ] {
            assert_eq!(ask(kind, action, who, who).await["decision"], allowed, "{action} {kind} by {who}");
        }
    }
    for (who, owner, allowed) in [
        ("ada", "ada", true),
        ("ada", "ADA", true),
        ("eve", "ada", false),
        ("ada", "eve", false),
        ("bob", "bob", false),
        ("ada", "bob", false),
        ("boss", "ada", true),
        ("boss", "bob", true),
        ("ada", "somebody who is not here", false),
    ] {
        assert_eq!(may(who, owner).await["decision"], allowed, "{who} of {owner}");
    }
    assert_eq!(may("eve", "ada").await["context"]["reasons"]["decided_by"], "not-owner");
    assert_eq!(may("bob", "bob").await["context"]["reasons"]["decided_by"], "denied-by");
    // Who loses access stays the owner: what is theirs falls to nobody, and is theirs again when they come back.
    let none = give(&ground, json!({"user": "ada", "role": "no_access"})).await;
    for who in ["ada", "eve"] {
        assert_eq!(may(who, "ada").await["decision"], false, "{who}");
    }
    good(ground.root().delete(&format!("/api/v1/grants/{none}")).await, StatusCode::OK);
    assert_eq!(may("ada", "ada").await["decision"], true);
}

#[tokio::test]
async fn a_scorecards_administrator_is_an_editor_and_keeps_its_settings_there_and_nowhere_else() {
    let ground = Ground::with("limits.api = \"1000000/1s\"").await;
    ground.test.place(&["scorecard:sales", "scorecard:emea < scorecard:sales", "scorecard:people"]).await;
    ground.user("head", &[]).await;
    ground.user("editor", &["editor"]).await;
    let root = ground.root();
    let everywhere = json!({"user": "head", "role": "scorecard_administrator"});
    refused(&root.post("/api/v1/grants", everywhere).await, 422, Some("scope"));
    give(&ground, json!({"user": "head", "role": "scorecard_administrator", "scope": "scorecard:sales"})).await;
    let rights = async |path: &str| {
        let told = good(root.get(path).await, StatusCode::OK);
        told["permissions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|text| text.as_str().unwrap().to_owned())
            .collect::<BTreeSet<_>>()
    };
    let here = rights("/api/v1/scorecards/sales/users/head").await;
    let editors = rights("/api/v1/scorecards/sales/users/editor").await;
    assert!(editors.len() > 20 && editors.is_subset(&here), "{:?}", editors.difference(&here));
    let more: Vec<&str> = here.difference(&editors).map(String::as_str).collect();
    let manual = [
        "grants:create",
        "grants:delete",
        "grants:read",
        "library-measures:contribute",
        "reminders:update",
        "report-recipients:create",
        "reporting-workflows:update",
        "schedules:create",
        "schedules:delete",
        "schedules:read",
        "schedules:update",
        "scorecards:read",
        "scorecards:update",
        "summary-reports:create",
    ];
    assert_eq!(more, manual);
    assert_eq!(rights("/api/v1/scorecards/emea/users/head").await, here, "what lies below is a part of it");
    assert!(rights("/api/v1/scorecards/people/users/head").await.is_empty());
    let told = good(root.get("/api/v1/users/head/permissions").await, StatusCode::OK);
    assert_eq!(told["levels"][0]["permissions"], json!([]), "nothing in the whole account");
}

#[tokio::test]
async fn a_user_id_is_never_changed_and_never_given_to_somebody_else_by_any_route() {
    let ground = Ground::with(&format!("{VANTAGE}\n[policy.options]\nemployees = \"optional\"")).await;
    let root = ground.root();
    let made = json!({"userName": "a@x.org", "role": "staff", "email": "a@x.org"});
    good(root.post("/api/v1/users", made).await, StatusCode::CREATED);
    let boss = ground.service(&["*:*"]).await;
    for client in [&root, &boss] {
        let reply = client.patch("/api/v1/users/a@x.org", json!({"userName": "ada2"})).await;
        refused(&reply, 422, Some("userName"));
        assert!(reply.text.contains("deactivate the account and make a new one"), "{}", reply.text);
        refused(
            &client.patch("/api/v1/users/a@x.org?dry_run=true", json!({"userName": "ada2"})).await,
            422,
            Some("userName"),
        );
    }
    // Deactivated, it is taken; deleted, it was somebody's. The way that the hint names goes.
    let everywhere = async |why: &str| {
        let row = json!([{"first_name": "Eve", "last_name": "X", "email": "A@x.org"}]);
        let told = root.post("/api/v1/users:bulk", json!({"role": "staff", "rows": row})).await;
        assert!(!told.status.is_success() && told.text.contains(why), "{}", told.text);
        for (path, body) in [
            ("/api/v1/users", json!({"userName": "A@x.org", "role": "staff"})),
            ("/api/v1/users?dry_run=true", json!({"userName": "A@x.org", "role": "staff"})),
            ("/api/v1/invitations", json!({"userName": "a@x.org", "email": "e@x.org", "role": "staff"})),
        ] {
            let reply = root.post(path, body).await;
            refused(&reply, 409, Some("userName"));
            assert!(reply.text.contains(why), "{}", reply.text);
        }
    };
    good(root.patch("/api/v1/users/a@x.org", json!({"active": false})).await, StatusCode::OK);
    everywhere("").await;
    let document = root.get("/api/v1/export").await.text;
    good(root.delete("/api/v1/users/a@x.org?confirm=a@x.org&force=true").await, StatusCode::OK);
    everywhere("is not given again").await;
    good(root.post("/api/v1/users", json!({"userName": "ada2", "role": "staff"})).await, StatusCode::CREATED);
    // What was exported puts nobody else back under that name; nor is an id given twice.
    let import =
        async |text: String| root.send(Method::POST, "/api/v1/import", "application/x-ndjson", Body::from(text)).await;
    let id = document
        .lines()
        .find(|line| line.contains("\"userName\":\"a@x.org\""))
        .and_then(|line| line.split("\"id\":\"").nth(1)?.split('"').next().map(str::to_owned));
    let other = document.replace(&id.unwrap(), "0193a5b2-6f1c-7b3e-8d5a-2c4e6f8a0b1d");
    let reply = import(other).await;
    refused(&reply, 422, Some("document"));
    assert!(reply.text.contains("is not given again"), "{}", reply.text);
    refused(&import(document).await, 422, Some("document"));
}

#[tokio::test]
async fn a_financial_administrator_has_what_the_manual_lists_and_refunds_where_they_are_restricted() {
    let plain = [
        "dues-batches:delete",
        "financial-reports:read",
        "gl-mapping:read",
        "gl-mapping:update",
        "payment-batches:approve",
        "payment-batches:read-all",
        "payment-batches:read-approved",
        "payment-batches:read-posted",
        "payment-batches:unapprove",
        "payments:process",
    ];
    for (accounting, restricted) in [("off", "off"), ("on", "off"), ("off", "on"), ("on", "on")] {
        let options = format!(
            "employees = \"optional\"\naccounting = \"{accounting}\"\nREFUND_RESTRICT_TO_ADMIN = \"{restricted}\""
        );
        let ground = Ground::with(&format!("{VANTAGE}\n[policy.options]\n{options}")).await;
        for (name, flags) in [
            ("clerk", vec![]),
            ("money", vec!["financial_administrator"]),
            ("barred", vec!["financial_administrator", "no_payment_access"]),
        ] {
            let made = json!({"userName": name, "role": "staff"});
            good(ground.root().post("/api/v1/users", made).await, StatusCode::CREATED);
            for role in flags {
                give(&ground, json!({"user": name, "role": role})).await;
            }
        }
        let rights = async |user: &str| {
            let told = good(ground.root().get(&format!("/api/v1/users/{user}/permissions")).await, StatusCode::OK);
            texts(&told["levels"][0]["permissions"], "permission")
        };
        let (clerk, money, barred) = (rights("clerk").await, rights("money").await, rights("barred").await);
        let mut expected: BTreeSet<String> = plain.iter().map(|text| (*text).to_owned()).collect();
        if accounting == "on" {
            expected.extend(["accounting:read", "accounting:update"].map(str::to_owned));
        }
        if restricted == "on" {
            expected.insert("cc-refunds:create".to_owned());
        }
        let more: BTreeSet<String> = money.difference(&clerk).cloned().collect();
        assert_eq!(more, expected, "accounting {accounting}, refunds restricted {restricted}");
        assert!(clerk.is_subset(&money), "the flag takes nothing");
        // A deny stands above it: reports and the mapping stay, money does not move.
        for gone in ["payments:process", "payment-batches:approve", "dues-batches:delete", "cc-refunds:create"] {
            assert!(!barred.contains(gone), "{gone}");
        }
        assert!(barred.contains("financial-reports:read") && barred.contains("gl-mapping:update"));
    }
}
