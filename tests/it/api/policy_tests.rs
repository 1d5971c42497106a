//! Tests of the policy: what they say, and what they keep from being changed.

use cleargate::config::{self, Credentials};
use cleargate::directory::{GroupDraft, MemberChange};
use cleargate::gateway;
use cleargate::model::Attributes;
use http::StatusCode;
use serde_json::{Value, json};

use super::{Ground, good, refused};
use crate::support::daemon::Daemon;
use crate::support::gateway::Reply;

/// Tests about a user, a group, a role.
const TESTS: &str = r#"policy.pack = "clearpoint-systems"

[[test]]
name = "ada reads reports"
as = "ada"
accept = ["reports:read", "reports:read@department:finance"]
deny = ["users:read", "audit:read"]

[[test]]
as = "role:data_analyst"
accept = ["data:export"]
deny = ["users:read"]
"#;

fn problems(lines: &str) -> Vec<(String, String)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cleargate.toml");
    std::fs::write(&path, format!("public_url = \"http://localhost:8080\"\n{lines}\n")).unwrap();
    match config::load(&path, &Credentials::None) {
        Ok(config) => gateway::check(&config),
        Err(problems) => problems.iter().map(|p| (p.position.line.to_string(), p.message.clone())).collect(),
    }
}

async fn run(ground: &Ground) -> Vec<(String, bool)> {
    let answer = good(ground.root().post("/api/v1/policy/tests", json!({})).await, StatusCode::OK);
    let item = |item: &Value| (item["name"].as_str().unwrap().to_owned(), item["held"].as_bool().unwrap());
    answer["items"].as_array().unwrap().iter().map(item).collect()
}

async fn give(ground: &Ground, body: Value) -> Value {
    good(ground.root().post("/api/v1/grants", body).await, StatusCode::CREATED)
}

#[test]
fn what_a_test_names_and_the_pack_does_not_have_is_a_problem_of_the_configuration() {
    let test = |rest: &str| problems(&format!("[[test]]\nas = \"role:editor\"\n{rest}"));
    assert_eq!(test("accept = [\"pages:read\"]\ndeny = [\"users:read\"]"), []);
    let found = test("accept = [\"pages:raed\"]");
    assert_eq!(found[0].0, "cleargate.toml:2");
    assert!(found[0].1.contains("`pages:raed`") && found[0].1.contains("did you mean `pages:read`?"), "{found:?}");
    let found = problems("[[test]]\nas = \"role:editr\"\naccept = [\"pages:read\"]");
    assert!(found[0].1.contains("`editr`") && found[0].1.contains("did you mean `editor`?"), "{found:?}");
    for (rest, told) in [
        ("", "`test[0].accept` is missing"),
        ("accept = [\"pages\"]", "must be RESOURCE:ACTION"),
        ("accept = [\"pages:read@finance\"]", "must have a scope after @"),
        ("accept = [\"pages:*\"]", "asks for `pages:*`, but a test names single permissions"),
        ("acept = []", "unknown key `test[0].acept`"),
    ] {
        let found = test(rest);
        assert!(found.iter().any(|(_, problem)| problem.contains(told)), "{rest}: {found:?}");
    }
    let twice = "[[test]]\nname = \"a\"\nas = \"x\"\naccept = []\n[[test]]\nname = \"a\"\nas = \"x\"\naccept = []";
    assert!(problems(twice)[0].1.contains("as that of the test at cleargate.toml:2"), "{:?}", problems(twice));
}

#[test]
fn tests_of_roles_are_run_with_the_check_of_the_configuration() {
    let found = problems("[[test]]\nname = \"editors\"\nas = \"role:editor\"\naccept = [\"users:read\"]");
    let told = "the policy test `editors` fails: users:read is not allowed and must be";
    assert_eq!(found, [("cleargate.toml:2".to_owned(), told.to_owned())]);
    // A role for scopes only is asked where it can be held.
    let scoped = "[[test]]\nas = \"role:scorecard_administrator\"\naccept = [\"scorecards:update@scorecard:a\"]\n\
                  deny = [\"scorecards:update\", \"users:read@scorecard:a\"]";
    assert_eq!(problems(scoped), []);
    // Who is whom is not known without the store.
    assert_eq!(problems("[[test]]\nas = \"nobody\"\naccept = [\"users:read\"]"), []);
}

#[tokio::test]
async fn a_change_that_breaks_a_test_is_refused_with_its_name() {
    let ground = Ground::with(TESTS).await;
    let root = ground.root();
    assert_eq!(run(&ground).await, [("ada reads reports".to_owned(), false), ("cleargate.toml:11".to_owned(), true)]);
    ground.test.user("ada", None).await;
    let broken = |reply: &Reply| {
        refused(reply, 409, None);
        assert!(reply.text.contains("would break the policy test `ada reads reports`"), "{}", reply.text);
    };
    // What fails keeps nothing from being changed: now it holds.
    let viewer = give(&ground, json!({"user": "ada", "role": "viewer"})).await;
    assert!(run(&ground).await.iter().all(|(_, held)| *held));
    // More than ada may have, by whatever way.
    let officer = json!({"user": "ada", "role": "compliance_officer"});
    broken(&root.post("/api/v1/grants", officer).await);
    broken(&root.delete(&format!("/api/v1/grants/{}", viewer["id"].as_str().unwrap())).await);
    // By a role that ada holds.
    good(root.post("/api/v1/roles", json!({"name": "Own", "permissions": ["data:read"]})).await, StatusCode::CREATED);
    give(&ground, json!({"user": "ada", "role": "own"})).await;
    let more = json!({"permissions": ["data:read", "users:read"]});
    broken(&root.patch("/api/v1/roles/own", more.clone()).await);
    broken(&root.patch("/api/v1/roles/own?dry_run=true", more).await);
    good(root.patch("/api/v1/roles/own", json!({"permissions": ["data:export"]})).await, StatusCode::OK);
    // By the account itself.
    broken(&root.patch("/api/v1/users/ada", json!({"active": false})).await);
    assert!(run(&ground).await.iter().all(|(_, held)| *held));
    let events = good(root.get("/api/v1/audit-logs?action=policy.refuse").await, StatusCode::OK);
    assert_eq!(events["logs"].as_array().unwrap().len(), 6, "one of the start");
    // Nobody else is held up.
    ground.test.user("grace", None).await;
    give(&ground, json!({"user": "grace", "role": "compliance_officer"})).await;
}

#[tokio::test]
async fn every_address_that_gives_a_role_keeps_the_tests() {
    let ground = Ground::with(TESTS).await;
    ground.user("ada", &["data_analyst"]).await;
    ground.test.place(&["department:finance"]).await;
    assert!(run(&ground).await.iter().all(|(_, held)| *held));
    // An override takes from her there what she must be allowed.
    good(ground.root().post("/api/v1/roles", json!({"name": "Idle", "permissions": []})).await, StatusCode::CREATED);
    let (department, role) = ("finance", "idle");
    for (path, body) in [
        ("/api/v1/grants", json!({"user": "ada", "role": role, "scope": "department:finance", "mode": "override"})),
        ("/api/v1/departments/finance/users", json!({"user": "ada", "role": role})),
        ("/api/v1/users/ada/departments", json!({"department": department, "role": role, "scope": "department_only"})),
    ] {
        let reply = ground.root().post(path, body).await;
        refused(&reply, 409, None);
        assert!(reply.text.contains("ada reads reports"), "{path}: {}", reply.text);
    }
}

#[tokio::test]
async fn a_test_asks_for_somebody_who_is_in_one_group() {
    let lines = "policy.pack = \"clearpoint-systems\"\n[[test]]\nname = \"auditors\"\nas = \"group:Auditors\"\n\
                 accept = [\"audit:read\"]\ndeny = [\"users:read\"]";
    let ground = Ground::with(lines).await;
    assert_eq!(run(&ground).await, [("auditors".to_owned(), false)]);
    let directory = ground.test.gateway.directory();
    let draft = GroupDraft {
        name: "Auditors".parse().unwrap(),
        external_id: None,
        attributes: Attributes::default(),
        members: MemberChange::default(),
    };
    directory.create_group(&ground.test.task(), &draft).await.unwrap();
    give(&ground, json!({"group": "Auditors", "role": "compliance_officer"})).await;
    assert_eq!(run(&ground).await, [("auditors".to_owned(), true)]);
    let root = ground.root();
    let body = json!({"group": "Auditors", "role": "system_administrator"});
    refused(&root.post("/api/v1/grants", body).await, 409, None);
    // By a group above it, and by its end.
    good(root.post("/api/v1/groups", json!({"name": "Admins"})).await, StatusCode::CREATED);
    give(&ground, json!({"group": "Admins", "role": "system_administrator"})).await;
    let reply = root.post("/api/v1/groups/Admins/members", json!({"groups": ["Auditors"]})).await;
    refused(&reply, 409, None);
    assert!(reply.text.contains("would break the policy test `auditors`"), "{}", reply.text);
    let reply = root.delete("/api/v1/groups/Auditors?force=true").await;
    refused(&reply, 409, None);
    assert!(reply.text.contains("there is no group `Auditors`"), "{}", reply.text);
}

#[tokio::test]
async fn the_tests_are_listed_and_run_by_who_may_read_decisions() {
    let ground = Ground::with(TESTS).await;
    let (_, nobody) = ground.browser("ada", &[]).await;
    refused(&nobody.get("/api/v1/policy/tests").await, 403, None);
    refused(&nobody.post("/api/v1/policy/tests", json!({})).await, 403, None);
    let service = ground.service(&["decisions:read"]).await;
    let listed = good(service.get("/api/v1/policy/tests").await, StatusCode::OK);
    assert_eq!(listed["items"][0]["accept"], json!(["reports:read", "reports:read@department:finance"]));
    let answer = good(service.post("/api/v1/policy/tests", json!({})).await, StatusCode::OK);
    assert_eq!((answer["run"].as_u64(), answer["failed"].as_u64()), (Some(2), Some(1)));
    let why = answer["items"][0]["failures"].to_string();
    assert!(why.contains("reports:read is not allowed and must be"), "{why}");
}

#[tokio::test]
async fn the_daemon_comes_up_with_a_failing_test_and_says_so() {
    let daemon = Daemon::serving(TESTS).await;
    assert!(daemon.log().contains("policy test `ada reads reports` fails"), "{}", daemon.log());
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_cleargate"));
    command.args(["policy", "test", "--config"]).arg(daemon.config());
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("FAILED") && text.contains("there is no user `ada`"), "{text}");
    daemon.run(&["user", "create", "ada", "--role", "viewer"]).await;
    let answer = daemon.admin().post("/api/v1/policy/tests").json(&json!({})).send().await;
    assert_eq!(answer.json()["failed"], 0);
}

#[tokio::test]
async fn a_changed_pack_is_put_in_force_by_a_reload_or_the_old_one_stays() {
    let pack = |options: &str, test: &str| {
        format!("policy = {{ pack = \"clearpoint-strategy\", options = {{ {options} }} }}\n{test}")
    };
    let test = "[[test]]\nname = \"updaters own\"\nas = \"role:updater\"\ndeny = [\"update-fields:update\"]\n";
    let daemon = Daemon::serving(&pack("", test)).await;
    daemon.run(&["user", "create", "ada", "--role", "updater"]).await;
    let may = async || daemon.run(&["explain", "ada", "update-fields:update"]).await["allowed"].as_bool().unwrap();
    let reload = async || daemon.admin().post("/api/v1/reload").json(&json!({})).send().await;
    assert!(!may().await);
    // Everything that is in the way is told at once, and nothing is changed.
    for (lines, told) in [
        (pack("updater_scope = \"permitted\"", test), "the policy test `updaters own` fails"),
        (pack("updater_scope = \"al\"", ""), "option `updater_scope` is `al`"),
    ] {
        daemon.configure(&lines);
        let answer = reload().await;
        assert_eq!(answer.status, 422, "{}", answer.text());
        assert!(answer.text().contains(told), "{told}: {}", answer.text());
        assert!(!may().await, "{lines}");
    }
    daemon.configure(&pack("updater_scope = \"permitted\"", ""));
    let answer = reload().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(may().await);
    let tests = daemon.admin().post("/api/v1/policy/tests").json(&json!({})).send().await;
    assert_eq!(tests.json()["run"], 0, "the test is gone with its configuration");
    // A role that is held and gone denies everything, and that is told.
    daemon.configure("policy.pack = \"clearpoint-systems\"");
    let answer = reload().await;
    assert!(answer.text().contains("the role `updater` is not defined any more"), "{}", answer.text());
    assert_eq!(daemon.run(&["explain", "ada", "reports:read"]).await["decided_by"], "undefined-role");
}
