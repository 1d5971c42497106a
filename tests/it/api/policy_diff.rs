//! What another pack would give and take, told before it is in force; and how it is put in force.

use std::process::{Command, Stdio};

use cleargate::model::User;
use http::StatusCode;
use serde_json::{Value, json};

use super::{Ground, good, refused};
use crate::support::daemon::Daemon;

/// A pack whose administrators give roles, with a role for scopes and an option.
const BOATS: &str = r#"title = "Boats"
[[option]]
name = "night"
values = ["off", "on"]
default = "off"
description = "Whether sailing at night is allowed"
[catalogue]
boats = ["sail", "paint", "sail-at-night"]
[[role]]
name = "Captain"
description = "Everything"
permissions = ["*:*"]
[[role]]
name = "Sailor"
description = "Sails"
permissions = ["boats:sail"]
if_owner = ["boats:paint"]
[[role.when]]
option = "night"
is = "on"
permissions = ["boats:sail-at-night"]
[[role]]
name = "Guest"
description = "Looks"
"#;

const LINES: &str = "policy.pack = \"./boats.toml\"";

async fn ground(lines: &str) -> Ground {
    Ground::with_files(lines, &[("boats.toml", BOATS)]).await
}

async fn diff(ground: &Ground, body: Value) -> Value {
    good(ground.root().post("/api/v1/policy:diff", body).await, StatusCode::OK)
}

fn texts(list: &Value) -> Vec<String> {
    let text = |item: &Value| {
        let owner = if item["if_owner"] == true { " own" } else { "" };
        format!("{}{owner}", item["permission"].as_str().unwrap())
    };
    list.as_array().unwrap().iter().map(text).collect()
}

#[tokio::test]
async fn who_would_gain_and_lose_what_and_where_is_told_and_nothing_is_changed() {
    let ground = ground(LINES).await;
    let (ada, grace) = (ground.user("ada", &["sailor"]).await, ground.user("grace", &[]).await);
    ground.user("eve", &["guest"]).await;
    let gone = ground.user("gone", &["sailor"]).await;
    good(ground.root().patch("/api/v1/users/gone", json!({"active": false})).await, StatusCode::OK);
    good(
        ground.root().post("/api/v1/departments", json!({"name": "Harbor", "slug": "harbor"})).await,
        StatusCode::CREATED,
    );
    let group = good(
        ground.root().post("/api/v1/groups", json!({"name": "Crew", "users": ["grace"]})).await,
        StatusCode::CREATED,
    );
    let body = json!({"group": group["id"], "role": "sailor", "scope": "department:harbor"});
    good(ground.root().post("/api/v1/grants", body).await, StatusCode::CREATED);
    let next = BOATS
        .replace("permissions = [\"boats:sail\"]\nif_owner = [\"boats:paint\"]", "permissions = [\"boats:paint\"]");
    let told = diff(&ground, json!({"text": next})).await;
    let role = &told["roles"][0];
    assert_eq!((&role["id"], &role["change"], &role["grants"]), (&json!("sailor"), &json!("changed"), &json!(3)));
    assert_eq!((texts(&role["gained"]), texts(&role["lost"])), (vec!["boats:paint".into()], vec!["boats:sail".into()]));
    assert_eq!(told["roles"].as_array().unwrap().len(), 1);
    let users = told["users"].as_array().unwrap();
    assert_eq!(users.len(), 2, "neither the guest nor {}, who is inactive: {users:?}", gone.user_name);
    let place = |of: &User| users.iter().find(|u| u["user"]["id"] == of.id.to_string()).unwrap()["places"][0].clone();
    assert_eq!((&place(&ada)["scope"], texts(&place(&ada)["lost"])), (&Value::Null, vec!["boats:sail".to_owned()]));
    let harbor = (&json!("department:harbor"), vec!["boats:paint".to_owned()]);
    assert_eq!((&place(&grace)["scope"], texts(&place(&grace)["gained"])), harbor);
    assert_eq!(told["people"], json!({"concerned": 3, "gaining": 2, "losing": 2, "complete": true}));
    // In pages.
    let first = good(ground.root().post("/api/v1/policy:diff?limit=1", json!({"text": next})).await, StatusCode::OK);
    assert_eq!((first["users"].as_array().unwrap().len(), &first["people"]["losing"]), (1, &json!(2)));
    let path = format!("/api/v1/policy:diff?limit=1&cursor={}", first["next"].as_str().unwrap());
    let second = good(ground.root().post(&path, json!({"text": next})).await, StatusCode::OK);
    assert_eq!(second["users"].as_array().unwrap().len(), 1);
    assert_ne!(second["users"][0]["user"]["id"], first["users"][0]["user"]["id"]);
    // What was compared is not in force.
    let path = "/api/v1/explain?user=ada&permission=boats:sail";
    assert_eq!(good(ground.root().get(path).await, StatusCode::OK)["allowed"], true);
}

#[tokio::test]
async fn options_are_compared_like_packs_and_those_in_force_count() {
    let ground = ground("policy = { pack = \"./boats.toml\", options = { night = true } }").await;
    ground.user("ada", &["sailor"]).await;
    assert_eq!(diff(&ground, json!({"text": BOATS})).await["roles"], json!([]), "the option in force is kept");
    let told = diff(&ground, json!({"text": BOATS, "options": {"night": "off"}})).await;
    assert_eq!(texts(&told["users"][0]["places"][0]["lost"]), ["boats:sail-at-night"]);
    let post = async |body: Value| ground.root().post("/api/v1/policy:diff", body).await;
    refused(&post(json!({"text": BOATS, "options": {"nigth": "off"}})).await, 422, Some("text"));
    refused(&post(json!({"text": "title = 3"})).await, 422, Some("text"));
    refused(&post(json!({"pack": "clearvantag"})).await, 422, Some("pack"));
    refused(&post(json!({"pack": "/etc/passwd"})).await, 422, Some("pack"));
    refused(&post(json!({"pack": "clearvantage", "text": BOATS})).await, 422, Some("text"));
    refused(&post(json!({})).await, 422, Some("pack"));
}

#[tokio::test]
async fn administrators_come_first_and_that_nobody_would_be_left_is_said() {
    let ground = ground(LINES).await;
    ground.user("ada", &["captain"]).await;
    ground.user("grace", &["sailor"]).await;
    let next = BOATS.replace("permissions = [\"*:*\"]", "permissions = [\"boats:*\"]");
    let told = diff(&ground, json!({"text": next})).await["administrators"].clone();
    assert_eq!((&told["lost"][0]["userName"], &told["none_left"]), (&json!("ada"), &json!(true)));
    assert_eq!(told["gained"], json!([]));
    let next = next.replace("permissions = [\"boats:sail\"]", "permissions = [\"grants:create\"]");
    let told = diff(&ground, json!({"text": next})).await["administrators"].clone();
    assert_eq!((&told["gained"][0]["userName"], &told["none_left"]), (&json!("grace"), &json!(false)));
}

#[tokio::test]
async fn roles_that_go_tests_that_break_and_rules_without_their_role_are_told() {
    let lines = "policy.pack = \"./boats.toml\"\n[[scim]]\nid = \"okta\"\n[[mapping]]\nfrom = \"okta\"\nwhen = 'active eq true'\n\
                 grant = { role = \"guest\" }\n[[test]]\nname = \"sailors sail\"\nas = \"grace\"\naccept = [\"boats:sail\"]\n";
    let ground = ground(lines).await;
    ground.user("grace", &["sailor", "guest"]).await;
    let role = json!({"name": "Deckhand", "permissions": ["boats:paint"], "includes": ["guest"]});
    good(ground.root().post("/api/v1/roles", role).await, StatusCode::CREATED);
    let next = &BOATS[..BOATS.find("[[role]]\nname = \"Guest\"").unwrap()];
    let told = diff(&ground, json!({"text": next})).await;
    let fates: Vec<(&str, &str)> = told["roles"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["id"].as_str().unwrap(), r["change"].as_str().unwrap()))
        .collect();
    assert_eq!(
        fates,
        [("deckhand", "removed"), ("guest", "removed")],
        "a role of one's own goes with what it includes"
    );
    assert_eq!(told["mappings"][0]["role"], "guest");
    assert_eq!(told["tests"][0]["name"], "sailors sail", "whoever holds what is not defined is denied everything");
    assert_eq!(told["problems"], json!([{"role": "deckhand", "problem": "there is no role `guest`"}]));
    assert_eq!(texts(&told["users"][0]["places"][0]["lost"]), ["boats:paint own", "boats:sail"]);
}

#[tokio::test]
async fn who_holds_what_is_told_to_those_only_who_may_read_it() {
    let ground = ground(LINES).await;
    let body = || json!({"pack": "clearvantage"});
    for missing in ["decisions:read", "grants:read", "roles:read", "users:read"] {
        let rights = ["decisions:read", "grants:read", "roles:read", "users:read"];
        let rights: Vec<&str> = rights.into_iter().filter(|right| *right != missing).collect();
        refused(&ground.service(&rights).await.post("/api/v1/policy:diff", body()).await, 403, None);
    }
}

#[tokio::test]
async fn a_mapping_rule_gives_a_role_of_ones_own_which_stays_as_long_as_the_rule() {
    let mut daemon = Daemon::serving("[[scim]]\nid = \"okta\"\n").await;
    daemon.run(&["role", "create", "--name", "Report Builder", "--permission", "pages:read"]).await;
    let rule = |role: &str| {
        format!(
            "[[scim]]\nid = \"okta\"\n[[mapping]]\nfrom = \"okta\"\nwhen = 'title eq \"Analyst\"'\ngrant = {{ role = \"{role}\" }}\n"
        )
    };
    // One that nobody made keeps the daemon from starting.
    daemon.configure(&rule("report_bilder"));
    daemon.terminate().await;
    daemon.launch();
    assert_eq!(daemon.ended().await.code(), Some(78), "{}", daemon.log());
    assert!(daemon.log().contains("`report_bilder`"), "{}", daemon.log());
    daemon.configure(&rule("report_builder"));
    daemon.start().await;
    let token = daemon.scim_token("okta").await;
    let body =
        json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "ada", "title": "Analyst"});
    let answer = daemon.client().post("/scim/v2/Users").bearer(&token).json(&body).send().await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(daemon.run(&["explain", "ada", "pages:read"]).await["allowed"], true);
    let path = "/api/v1/roles/report_builder";
    let refused = daemon.admin().delete(path).send().await;
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert!(refused.text().contains("the mapping rule at conf.d/test.toml:3"), "{}", refused.text());
}

fn cli(daemon: &Daemon, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cleargate"));
    let output = command.args(arguments).arg("--config").arg(daemon.config()).stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pack_is_imported_after_its_diff_and_put_back_when_it_is_refused() {
    let mut daemon = Daemon::new();
    let test = "[[test]]\nname = \"captains paint\"\nas = \"role:captain\"\naccept = [\"boats:paint\"]\n";
    let path = daemon.path("boats.toml");
    std::fs::write(&path, BOATS).unwrap();
    daemon.configure(&format!("policy.pack = \"{}\"\n{test}", path.display()));
    daemon.start().await;
    daemon.run(&["user", "create", "ada", "--role", "sailor"]).await;
    let fresh = daemon.path("fresh.toml");
    let name = fresh.display().to_string();
    let write = |text: &str| std::fs::write(&fresh, text).unwrap();
    write(&BOATS.replace("permissions = [\"boats:sail\"]", "permissions = [\"boats:sail-at-night\"]"));
    let (code, out, err) = cli(&daemon, &["policy", "diff", &name]);
    assert_eq!(code, 0, "{err}");
    for line in ["role sailor changed, 1 grants", "  ada", "      + boats:sail-at-night", "      - boats:sail"] {
        assert!(out.lines().any(|found| found == line), "{line}: {out}");
    }
    let (code, out, err) = cli(&daemon, &["policy", "diff", &name, "--offline", "--json"]);
    let offline: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{code} {err}"));
    assert_eq!(offline["roles"][0]["id"], "sailor");
    assert!(offline.get("users").is_none(), "without the daemon nobody knows who holds it");
    // Nobody is asked here, so that it takes a word.
    let (code, _, err) = cli(&daemon, &["policy", "import", &name]);
    assert_eq!(code, 2, "{err}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), BOATS);
    let (code, _, err) = cli(&daemon, &["policy", "import", &name, "--yes"]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(&fresh).unwrap());
    let may = async |right: &str| daemon.run(&["explain", "ada", right]).await["allowed"].as_bool().unwrap();
    assert!(may("boats:sail-at-night").await && !may("boats:sail").await);
    // One that breaks a test is not written.
    let before = std::fs::read(&path).unwrap();
    write(&BOATS.replace("permissions = [\"*:*\"]", "permissions = [\"boats:sail\"]"));
    let (code, _, err) = cli(&daemon, &["policy", "import", &name, "--yes"]);
    assert_eq!((code, std::fs::read(&path).unwrap()), (6, before.clone()), "{err}");
    assert!(err.contains("captains paint"), "{err}");
    // One that the reload refuses is put back: an option of the configuration that it does not offer.
    daemon.configure(&format!("policy = {{ pack = \"{}\", options = {{ night = true }} }}\n{test}", path.display()));
    let start = BOATS.find("[[option]]").unwrap();
    let end = BOATS.find("[catalogue]").unwrap();
    let when = BOATS.find("[[role.when]]").unwrap();
    let guest = BOATS.find("[[role]]\nname = \"Guest\"").unwrap();
    write(&format!("{}{}{}", &BOATS[..start], &BOATS[end..when], &BOATS[guest..]));
    let (code, _, err) = cli(&daemon, &["policy", "import", &name, "--yes"]);
    assert_ne!(code, 0, "{err}");
    assert!(err.contains("there is no option `night`"), "{err}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert!(may("boats:sail-at-night").await);
}
