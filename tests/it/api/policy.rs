//! The policy pack in force: its options, its defaults, its rules for names, its presets.

use cleargate::access::{Options, Pack};
use cleargate::config::{self, Credentials, LockoutPreset, PasswordPreset};
use cleargate::gateway;
use http::StatusCode;
use serde_json::json;

use super::{Ground, good, refused};

const SYSTEMS: &str = "policy.pack = \"clearpoint-systems\"";
const VANTAGE: &str = "policy.pack = \"clearvantage\"";
/// The same where accounts need no employee.
const OPEN_VANTAGE: &str = "policy.pack = \"clearvantage\"\npolicy.options.employees = \"optional\"";

/// What is wrong with a configuration of these lines, and where.
fn problems(lines: &str) -> Vec<(String, String)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cleargate.toml");
    std::fs::write(&path, format!("public_url = \"http://127.0.0.1:8080\"\n{lines}\n")).unwrap();
    gateway::check(&config::load(&path, &Credentials::None).unwrap())
}

async fn may(ground: &Ground, user: &str, permission: &str) -> bool {
    let path = format!("/api/v1/explain?user={user}&permission={permission}");
    good(ground.root().get(&path).await, StatusCode::OK)["allowed"].as_bool().unwrap()
}

#[tokio::test]
async fn the_options_of_a_pack_are_chosen_in_the_configuration() {
    for (lines, role, permission, allowed) in [
        ("", "updater", "update-fields:update", false),
        ("policy.options.updater_scope = \"permitted\"", "updater", "update-fields:update", true),
        ("policy.options.editor_manages_scorecards = true", "editor", "scorecards:delete", true),
        ("policy.options.editor_manages_scorecards = \"off\"", "editor", "scorecards:delete", false),
    ] {
        let ground = Ground::with(lines).await;
        ground.user("ada", &[role]).await;
        assert_eq!(may(&ground, "ada", permission).await, allowed, "{lines}");
    }
    let refund = "cc-refunds:create";
    for (value, allowed) in [("off", false), ("on", true)] {
        let lines = format!("{VANTAGE}\n[policy.options]\nREFUND_RESTRICT_TO_ADMIN = \"{value}\"\niolta = \"{value}\"");
        // No password: the pack's preset wants four classes of characters.
        let ground = Ground::with(&lines).await;
        let ada = ground.test.user("ada", None).await;
        ground.grant(&ada, "staff").await;
        ground.grant(&ada, "financial_administrator").await;
        assert_eq!(may(&ground, "ada", refund).await, allowed, "{value}");
        let user = ground.test.user("grace", None).await;
        let body = json!({"user": user.id.to_string(), "role": "iolta_access"});
        let given = ground.root().post("/api/v1/grants", body).await;
        assert_eq!(
            given.status == StatusCode::CREATED,
            allowed,
            "what is not configured is not offered: {}",
            given.text
        );
    }
}

#[test]
fn an_unknown_option_or_value_is_told_with_its_line_and_the_nearest_known() {
    let found = problems("[policy.options]\nupdater_scop = \"owned\"\neditor_manages_scorecards = \"onn\"");
    let expected = [
        ("cleargate.toml:4", "option `editor_manages_scorecards` is `onn`, must be one of off, on; is `on` meant?"),
        ("cleargate.toml:3", "there is no option `updater_scop` in this pack; is `updater_scope` meant?"),
    ];
    assert_eq!(found, expected.map(|(place, reason)| (place.to_owned(), reason.to_owned())));
    assert_eq!(problems("[policy.options]\nUpdater_Scope = \"permitted\""), []);
    let twice = problems("[policy.options]\nUpdater_Scope = \"permitted\"\nupdater_scope = \"owned\"");
    assert!(twice[0].1.contains("is given twice"), "{twice:?}");
}

#[tokio::test]
async fn a_user_for_whom_no_role_is_named_gets_the_default_of_the_pack() {
    let ground = Ground::with(SYSTEMS).await;
    good(ground.root().post("/api/v1/users", json!({"userName": "ada"})).await, StatusCode::CREATED);
    let ada = good(ground.root().get("/api/v1/users/ada").await, StatusCode::OK);
    assert_eq!(ada["roles"], json!(["standard_user"]));
    assert!(may(&ground, "ada", "dashboards:read").await && !may(&ground, "ada", "users:read").await);
    let body = json!({"userName": "grace", "role": "viewer"});
    good(ground.root().post("/api/v1/users", body).await, StatusCode::CREATED);
    let grace = good(ground.root().get("/api/v1/users/grace").await, StatusCode::OK);
    assert_eq!(grace["roles"], json!(["viewer"]), "the default is for whom nothing is named");
    // The default is given like any other role: by whoever may give it.
    let clerk = ground.service(&["users:create", "users:read"]).await;
    refused(&clerk.post("/api/v1/users", json!({"userName": "eve"})).await, 403, None);
    refused(&ground.root().get("/api/v1/users/eve").await, 404, None);
}

#[tokio::test]
async fn where_the_pack_wants_a_role_nobody_is_made_without_one() {
    let ground = Ground::with(OPEN_VANTAGE).await;
    refused(&ground.root().post("/api/v1/users", json!({"userName": "ada"})).await, 422, Some("role"));
    let root = ground.root();
    let body = json!({"userName": "ada", "role": "staff"});
    let ada = good(root.post("/api/v1/users", body).await, StatusCode::CREATED);
    assert_eq!((&ada["groups"], &ada["companies"]), (&json!([]), &json!([])), "these need not be named");
    // Of groups and companies there may be several.
    for name in ["Chamber", "Foundation"] {
        good(root.post("/api/v1/companies", json!({"name": name})).await, StatusCode::CREATED);
        good(root.post("/api/v1/groups", json!({"name": format!("Of {name}")})).await, StatusCode::CREATED);
    }
    let body = json!({"userName": "grace", "role": "staff", "access_groups": ["of_chamber", "of_foundation"],
        "companies": ["chamber", "foundation"]});
    let grace = good(root.post("/api/v1/users", body).await, StatusCode::CREATED);
    assert_eq!(grace["groups"], json!(["Of Chamber", "Of Foundation"]));
    assert_eq!(grace["companies"], json!(["chamber", "foundation"]));
}

#[tokio::test]
async fn where_the_pack_wants_employees_an_account_is_made_for_one_only() {
    let ground = Ground::with(VANTAGE).await;
    let root = ground.root();
    for (first, email) in [("Ada", Some("ada@example.com")), ("Alan", None), ("Grace", None), ("Edith", None)] {
        let body = json!({"first_name": first, "last_name": "Nobody", "email": email});
        good(root.post("/api/v1/people", body).await, StatusCode::CREATED);
    }
    let reply = root.post("/api/v1/users", json!({"userName": "ada"})).await;
    refused(&reply, 422, Some("role"));
    assert_eq!(reply.json()["errors"][1], json!({"field": "employee", "detail": "is required"}));
    let body = |employee: &str| json!({"userName": "ada", "role": "staff", "employee": employee});
    refused(&root.post("/api/v1/users", json!({"userName": "ada", "role": "staff"})).await, 422, Some("employee"));
    refused(&root.post("/api/v1/users", body("99")).await, 422, Some("employee"));
    assert_eq!(good(root.post("/api/v1/users", body("1")).await, StatusCode::CREATED)["displayName"], "Ada Nobody");
    let invited = json!({"email": "new@x.example", "userName": "new", "role": "staff"});
    refused(&root.post("/api/v1/invitations", invited).await, 422, Some("employee"));
    // Members are no employees, and a record that is a group is nobody's account.
    for body in [
        json!({"userName": "mia", "role": "staff", "realm": "member"}),
        json!({"userName": "BILLING", "role": "staff", "is_group": true}),
    ] {
        good(root.post("/api/v1/users", body).await, StatusCode::CREATED);
    }
    // Each row of many names its own, who has no account and is in no other row; what it leaves open is the employee's.
    let rows =
        "Alan,Turing,a@x.co,2\nNo,Body,n@x.co\nOne,More,o@x.co,2\nTwo,More,t@x.co,1\nNot,There,h@x.co,9\n,,g@x.co,3\n";
    let reply = root.post("/api/v1/users:bulk", json!({"rows": rows, "role": "staff"})).await;
    refused(&reply, 422, Some("rows"));
    let told = |row: u64, detail: &str| json!({"row": row, "field": "employee", "detail": detail});
    let expected = [
        told(2, "is required"),
        told(3, "`2` is in row 1 already"),
        told(4, "`1` has an account already"),
        told(5, "`9` does not exist"),
    ];
    assert_eq!(reply.json()["errors"], json!(expected));
    let rows = json!([{"email": "g@x.co", "employee": "3"}, {"email": "e@x.co", "first_name": "E.", "employee": "4"}]);
    let made = root.post("/api/v1/users:bulk", json!({"rows": rows, "role": "staff"})).await;
    assert_eq!(good(made, StatusCode::CREATED)["created"], 2);
    for (number, name, shown) in [("3", "g@x.co", "Grace Nobody"), ("4", "e@x.co", "E. Nobody")] {
        let person = good(root.get(&format!("/api/v1/people/{number}")).await, StatusCode::OK);
        assert_eq!((&person["user"]["userName"], &person["user"]["displayName"]), (&json!(name), &json!(shown)));
    }
    let clerk = ground.service(&["users:create", "grants:create"]).await;
    refused(&clerk.post("/api/v1/users:bulk", json!({"rows": rows, "role": "staff"})).await, 403, None);
    // Sources name their people themselves.
    let record = crate::support::gateway::record("of-a-source");
    ground.test.gateway.directory().create_user(&ground.test.sync_permit("corp"), &record).await.unwrap();
}

#[tokio::test]
async fn login_names_given_by_hand_follow_the_rule_of_the_pack() {
    let ground = Ground::with(OPEN_VANTAGE).await;
    let make = async |name: &str| ground.root().post("/api/v1/users", json!({"userName": name, "role": "staff"})).await;
    for name in ["elevenchars", "a b"] {
        refused(&make(name).await, 422, Some("userName"));
    }
    let ada = good(make("tencharsss").await, StatusCode::CREATED);
    refused(&make("TENcharsss").await, 409, Some("userName"));
    // By whatever way a name is given by hand.
    let root = ground.root();
    refused(&root.post("/api/v1/users", json!({"role": "staff"})).await, 422, Some("userName"));
    let invited = json!({"userName": "elevenchars", "email": "e@x.org", "role": "staff"});
    refused(&root.post("/api/v1/invitations", invited).await, 422, Some("userName"));
    let address = json!({"email": "eleven@x.org", "role": "staff"});
    refused(&root.post("/api/v1/users", address).await, 422, Some("userName"));
    let rows = json!([{"first_name": "E", "last_name": "X", "email": "eleven@x.org"}]);
    let bulk = root.post("/api/v1/users:bulk", json!({"role": "staff", "rows": rows})).await;
    assert!(bulk.status == StatusCode::UNPROCESSABLE_ENTITY && bulk.text.contains("10"), "{}", bulk.text);
    assert_eq!(good(root.get("/api/v1/users").await, StatusCode::OK)["items"].as_array().unwrap().len(), 1);
    let path = "/api/v1/users/tencharsss";
    let reply = ground.root().patch(path, json!({"userName": "other"})).await;
    refused(&reply, 422, Some("userName"));
    assert!(reply.json()["detail"].as_str().unwrap().contains("deactivate the account and make a new one"));
    good(ground.root().patch(path, json!({"displayName": "Ada"})).await, StatusCode::OK);
    // Once somebody's, a name is nobody else's.
    let id = ada["id"].as_str().unwrap().parse().unwrap();
    ground.test.gateway.directory().delete_user(&ground.test.task(), id, None).await.unwrap();
    for name in ["tencharsss", "TENCHARSSS"] {
        refused(&make(name).await, 409, Some("userName"));
    }
    // Sources name their people as they like.
    let source = ground.test.sync_permit("corp");
    let record = crate::support::gateway::record("a name of more than ten characters");
    ground.test.gateway.directory().create_user(&source, &record).await.unwrap();
}

#[tokio::test]
async fn elsewhere_names_are_changed_and_given_again() {
    let ground = Ground::new().await;
    let ada = ground.user("ada", &[]).await;
    good(
        ground.root().patch("/api/v1/users/ada", json!({"userName": "a name of 25 characters"})).await,
        StatusCode::OK,
    );
    good(ground.root().post("/api/v1/users", json!({"userName": "ada"})).await, StatusCode::CREATED);
    ground.test.gateway.directory().delete_user(&ground.test.task(), ada.id, None).await.unwrap();
    let body = json!({"userName": "a name of 25 characters"});
    good(ground.root().post("/api/v1/users", body).await, StatusCode::CREATED);
}

#[tokio::test]
async fn the_presets_of_the_pack_hold_where_none_is_named() {
    let ground = Ground::with(OPEN_VANTAGE).await;
    let make = async |name: &str, password: &str| {
        ground.root().post("/api/v1/users", json!({"userName": name, "role": "staff", "password": password})).await
    };
    refused(&make("ada", "violet anchors drift at noon").await, 422, Some("password"));
    let short = make("ada", "violet").await;
    refused(&short, 422, Some("password"));
    for part in ["at least 12 characters", "an upper-case letter", "a digit", "neither letter nor digit"] {
        assert!(short.text.contains(part), "{part}: {}", short.text);
    }
    assert!(!short.text.contains("a lower-case letter"), "{}", short.text);
    good(make("ada", "Violet-anchors-7").await, StatusCode::CREATED);
    // Its owner chooses another one on the way in, by the same rule, and may change that.
    let mut browser = ground.test.visitor();
    assert_eq!(browser.sign_in("ada", "Violet-anchors-7").await.location(), "/login/change-password");
    let csrf = browser.get("/login/change-password").await.field("csrf");
    let poor = [("new", "copper lanterns hum"), ("again", "copper lanterns hum"), ("csrf", csrf.as_str())];
    let reply = browser.post("/login/change-password", &poor).await;
    assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(reply.text.contains("a digit") && reply.text.contains("an upper-case letter"), "{}", reply.text);
    let good_one = [("new", "Copper-lanterns-8"), ("again", "Copper-lanterns-8"), ("csrf", csrf.as_str())];
    assert_eq!(browser.post("/login/change-password", &good_one).await.location(), "/");
    let csrf = browser.get("/account/password").await.field("csrf");
    let another =
        [("old", "Copper-lanterns-8"), ("new", "Slow-harbour-99"), ("again", "Slow-harbour-99"), ("csrf", &csrf)];
    assert_eq!(browser.post("/account/password", &another).await.status, StatusCode::OK);
    assert_eq!(ground.test.visitor().sign_in("ada", "Slow-harbour-99").await.location(), "/");
    for _ in 0..3 {
        ground.test.visitor().sign_in("ada", "wrong").await;
    }
    let locked = good(ground.root().get("/api/v1/users/ada").await, StatusCode::OK);
    assert_eq!(locked["locked_until"], "2026-11-22T08:30:00.000Z", "three attempts, thirty minutes");
    let named = Ground::with(&format!("{OPEN_VANTAGE}\npassword.preset = \"nist-63b-4\"")).await;
    let body = json!({"userName": "ada", "role": "staff", "password": "violet anchors drift at noon"});
    good(named.root().post("/api/v1/users", body).await, StatusCode::CREATED);
}

#[test]
fn the_presets_are_those_that_the_packs_name_also_one_of_ones_own() {
    let load = |pack: &str| {
        let folder = tempfile::tempdir().unwrap();
        let own = "title = \"Own\"\n[presets]\npassword = \"pci\"\nlockout = \"clearvantage\"\n";
        std::fs::write(folder.path().join("own.toml"), own).unwrap();
        let path = folder.path().join("cleargate.toml");
        std::fs::write(&path, format!("public_url = \"http://127.0.0.1:8080\"\npolicy.pack = \"{pack}\"\n")).unwrap();
        let config = config::load(&path, &Credentials::None).unwrap();
        (config.password.preset, config.lockout.preset)
    };
    for name in Pack::built_in() {
        let pack = Pack::open(name, &Options::new()).unwrap();
        let named = (PasswordPreset::named(pack.password_preset()), LockoutPreset::named(pack.lockout_preset()));
        assert_eq!((Some(load(name).0), Some(load(name).1)), named, "{name}");
    }
    assert_eq!(load("./own.toml"), (PasswordPreset::Pci, LockoutPreset::Clearvantage));
}

#[tokio::test]
async fn a_pack_of_ones_own_is_served_like_the_others() {
    let pack = r#"title = "Boats"
default_role = "sailor"
[names]
login_max = 5
[[option]]
name = "night"
values = ["off", "on"]
default = "off"
description = "Whether sailing at night is allowed"
[catalogue]
boats = ["sail", "paint", "sail-at-night"]
[[role]]
name = "Sailor"
description = "Sails"
permissions = ["boats:sail"]
seat = 2
badge = "Crew"
ui_profile = { columns = "name,berth" }
[[role.when]]
option = "night"
is = "on"
permissions = ["boats:sail-at-night"]
"#;
    let lines = "policy = { pack = \"./boats.toml\", options = { night = true } }";
    let ground = Ground::with_files(lines, &[("boats.toml", pack)]).await;
    good(ground.root().post("/api/v1/users", json!({"userName": "ada"})).await, StatusCode::CREATED);
    assert!(may(&ground, "ada", "boats:sail").await && may(&ground, "ada", "boats:sail-at-night").await);
    assert!(!may(&ground, "ada", "boats:paint").await);
    refused(&ground.root().post("/api/v1/users", json!({"userName": "sixsix"})).await, 422, Some("userName"));
    let access = ground.test.gateway.access();
    let roles = access.roles();
    let sailor = roles.find(&"sailor".parse().unwrap()).unwrap();
    assert_eq!((sailor.seat, sailor.badge(), sailor.ui_profile["columns"].as_str()), (2, "Crew", "name,berth"));
    assert_eq!(access.pack().options()["night"], "on");
}

#[tokio::test]
async fn a_flag_beside_a_role_is_one_persons_and_takes_every_write_from_who_may_only_read() {
    let ground = Ground::with(&format!("{OPEN_VANTAGE}\npassword.preset = \"nist-63b-4\"")).await;
    let root = ground.root();
    for name in ["boss", "reader"] {
        ground.user(name, &["staff", "system_administrator"]).await;
    }
    ground.user("ada", &["staff"]).await;
    let (boss, reader) = (ground.sign_in("boss").await, ground.sign_in("reader").await);
    good(reader.post("/api/v1/groups", json!({"name": "Before"})).await, StatusCode::CREATED);
    let flag = json!({"user": "reader", "role": "read_only_access"});
    let flag = good(root.post("/api/v1/grants", flag).await, StatusCode::CREATED)["id"].as_str().unwrap().to_owned();
    let shown = good(root.get("/api/v1/users/reader").await, StatusCode::OK)["roles"].clone();
    for role in ["staff", "system_administrator", "read_only_access"] {
        assert!(shown.as_array().unwrap().contains(&json!(role)), "{shown}");
    }
    // The session that was open: all reads, no write.
    for path in ["users", "groups", "roles", "companies", "people", "grants?user=ada", "audit-logs", "reports/users"] {
        good(reader.get(&format!("/api/v1/{path}")).await, StatusCode::OK);
    }
    let writes = async |client: &super::Client| {
        [
            client.post("/api/v1/groups", json!({"name": "After"})).await,
            client.patch("/api/v1/users/ada", json!({"displayName": "Ada"})).await,
            client.post("/api/v1/grants", json!({"user": "ada", "role": "award_administrator"})).await,
            client.post("/api/v1/people", json!({"first_name": "E", "last_name": "X"})).await,
            client.delete("/api/v1/groups/before").await,
        ]
    };
    for reply in writes(&reader).await {
        refused(&reply, 403, None);
    }
    for (permission, allowed) in [
        ("individuals:read", true),
        ("individuals:update", false),
        ("action-items:read", true),
        ("action-items:create", true),
        ("action-items:update", false),
        ("action-items:delete", false),
        ("payments:process", false),
    ] {
        assert_eq!(may(&ground, "reader", permission).await, allowed, "{permission}");
        assert!(may(&ground, "boss", permission).await, "{permission}: the flag is one person's");
    }
    for reply in writes(&boss).await {
        assert!(reply.status.is_success(), "{}", reply.text);
    }
    good(root.delete(&format!("/api/v1/grants/{flag}")).await, StatusCode::OK);
    good(reader.post("/api/v1/groups", json!({"name": "Again"})).await, StatusCode::CREATED);
}
