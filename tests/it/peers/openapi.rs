//! Two programs that read OpenAPI against the program itself: the document is valid, and no request that they make of it is
//! answered otherwise than it says.

use std::collections::BTreeSet;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::daemon::Daemon;
use crate::support::peer::python;

/// TRACE is no method of the gateway, which the listener says before there is a route. Who revokes tokens that a list has
/// shown is soon nobody.
const SETTINGS: &str = r#"
[phases.coverage]
unexpected-methods = ["get", "put", "post", "delete", "options", "patch", "query"]

[[operations]]
include-operation-id = "delete_tokens_id"
enabled = false
"#;

async fn run(name: &str, daemon: &Daemon, arguments: &[&str]) -> Output {
    let mut command = Command::new(python(name));
    command.args(arguments).current_dir(daemon.path(".")).env("NO_COLOR", "1").env("PYTHONWARNINGS", "ignore");
    for name in ["HTTP_PROXY", "http_proxy", "SCHEMATHESIS_HOOKS"] {
        command.env_remove(name);
    }
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// A daemon with something of everything, its document in a file, and a token that may do everything.
async fn daemon() -> (Daemon, String) {
    // A tester asks more in a minute than people do.
    let daemon =
        Daemon::serving("limits.api = \"1000000/1s\"\nlimits.page = \"1000000/1s\"\n[[scim]]\nid = \"okta\"").await;
    let admin = daemon.admin();
    for (path, body) in [
        ("/api/v1/departments", json!({"name": "Finance"})),
        ("/api/v1/users", json!({"userName": "ada", "email": "ada@example.com", "role": "editor"})),
        ("/api/v1/grants", json!({"user": "ada", "role": "administrator", "scope": "department:finance"})),
        ("/api/v1/groups", json!({"name": "Ops", "users": ["ada"]})),
        ("/api/v1/roles", json!({"name": "Own", "permissions": ["users:read"]})),
        ("/api/v1/companies", json!({"name": "Acme"})),
        ("/api/v1/projects", json!({"name": "Moon"})),
        ("/api/v1/scorecards", json!({"name": "Sales"})),
        ("/api/v1/people", json!({"first_name": "Grace", "last_name": "Hopper", "employee_number": "7"})),
    ] {
        let answer = admin.post(path).json(&body).send().await;
        assert_eq!(answer.status, 201, "{path}: {}", answer.text());
    }
    let document = admin.get("/api/v1/openapi.json").send().await;
    let mut document = document.json();
    name_things(&mut document);
    std::fs::write(daemon.path("openapi.json"), document.to_string()).unwrap();
    let token = daemon.run(&["token", "create", "--name", "tester", "--scope", "admin"]).await;
    (daemon, token["token"].as_str().unwrap().to_owned())
}

/// What a parameter of a path names: things that there are, with each verb behind them, and one that there is not. Whoever
/// guesses names gets behind no 404.
const THINGS: [(&str, &str, &[&str]); 15] = [
    ("/api/v1/users/{user}", "POST", &["ada:demand", "ada:logout", "ada:offboard", "ada:reset-password", "ada"]),
    ("/api/v1/users/{user}", "", &["ada", "nobody"]),
    ("/api/v1/groups/{id}", "", &["ops", "none"]),
    ("/api/v1/roles/{id}", "POST", &["editor:duplicate", "own:duplicate", "own"]),
    ("/api/v1/roles/{id}", "", &["own", "editor", "none"]),
    ("/api/v1/departments/{slug}", "", &["finance", "none"]),
    ("/api/v1/companies/{slug}", "", &["acme", "none"]),
    ("/api/v1/projects/{slug}", "", &["moon", "none"]),
    ("/api/v1/scorecards/{slug}", "", &["sales", "none"]),
    ("/api/v1/scopes/{scope}", "", &["department:finance", "scorecard:sales", "none"]),
    ("/api/v1/people/{id}", "", &["7", "none"]),
    (
        "/api/v1/reports/{name}",
        "",
        &["access", "employees", "inactive", "posture", "seats", "sources", "tokens", "users", "none"],
    ),
    ("/api/v1/sources/{id}", "", &["okta", "none"]),
    ("/api/v1/connectors/{id}", "POST", &["okta:test", "okta:admit", "okta"]),
    ("/api/v1/locks/{user}", "", &["ada", "nobody"]),
];

/// Puts them into a document, by the beginning of the path and the method.
fn name_things(document: &mut Value) {
    for (path, methods) in document["paths"].as_object_mut().unwrap() {
        for (method, operation) in methods.as_object_mut().unwrap() {
            let fits = |of: &str| of.is_empty() || (of.eq_ignore_ascii_case(method) && path.ends_with('}'));
            let Some((_, _, names)) = THINGS.iter().find(|(start, of, _)| path.starts_with(start) && fits(of)) else {
                continue;
            };
            let parameters = operation["parameters"].as_array_mut().unwrap();
            for parameter in parameters.iter_mut().filter(|parameter| parameter["in"] == "path") {
                // The second one of a path is a user.
                let is_user =
                    parameter["name"] == "user" && !path.contains("/users/{user}/") && path.contains("{slug}");
                parameter["schema"]["enum"] = if is_user { json!(["ada", "nobody"]) } else { json!(names) };
            }
        }
    }
}

/// How many of the described operations were answered well, by what the tester wrote down of each call.
fn answered_well(document: &Value, calls: &Value) -> BTreeSet<String> {
    let parts = |path: &str| path.split('/').map(str::to_owned).collect::<Vec<_>>();
    let described: Vec<(String, Vec<String>)> =
        document["paths"].as_object().unwrap().keys().map(|path| (path.clone(), parts(path))).collect();
    let mut well = BTreeSet::new();
    for call in calls["log"]["entries"].as_array().unwrap() {
        if !(200..300).contains(&call["response"]["status"].as_u64().unwrap_or(0)) {
            continue;
        }
        let url = call["request"]["url"].as_str().unwrap();
        let path = url.split_once("://").map_or(url, |(_, rest)| rest).split_once('/').map_or("", |(_, path)| path);
        let asked = parts(&format!("/{}", path.split('?').next().unwrap()));
        let is = |template: &[String]| {
            template.len() == asked.len()
                && template.iter().zip(&asked).all(|(of, part)| of.starts_with('{') || of == part)
        };
        // What is written out goes before what stands for anything.
        let found = described.iter().filter(|(_, template)| is(template)).min_by_key(|(path, _)| path.contains('{'));
        well.extend(found.map(|(path, _)| format!("{} {path}", call["request"]["method"].as_str().unwrap())));
    }
    well
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_is_valid() {
    let (daemon, _) = daemon().await;
    let output = run("openapi-spec-validator", &daemon, &["--validation-errors", "all", "openapi.json"]).await;
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("OK"), "{text}");
}

/// What the tester found: how many operations it tried, and which of them were answered well.
struct Tried {
    operations: usize,
    well: BTreeSet<String>,
}

/// Has the tester make up requests, with a token or as nobody.
async fn tried(daemon: &Daemon, token: Option<&str>, phases: &str, seconds: &str) -> Tried {
    std::fs::write(daemon.path("schemathesis.toml"), SETTINGS).unwrap();
    let (url, header) = (daemon.url(), token.map(|token| format!("Authorization: Bearer {token}")));
    let mut arguments = vec!["--no-color", "run", "openapi.json", "--url", &url];
    if let Some(header) = &header {
        arguments.extend(["--header", header]);
    }
    arguments.extend([
        "--checks",
        "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        "--phases",
        phases,
        "--max-examples",
        "5",
        "--seed",
        "1",
        "--max-time",
        seconds,
        "--generation-database",
        "none",
        "--suppress-health-check",
        "all",
        "--request-timeout",
        "20",
        "--continue-on-failure",
        "--report",
        "har",
        "--report-har-path",
        "calls.har",
    ]);
    let output = run("st", daemon, &arguments).await;
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}\n{}", daemon.log());
    let tested = text.lines().find(|line| line.contains("Tested:")).unwrap_or("");
    let operations: usize = tested.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0);
    // Who stops early has found nothing either.
    assert!(operations >= 50, "only {operations} operations were tested:\n{text}");
    let read = |name: &str| serde_json::from_slice(&std::fs::read(daemon.path(name)).unwrap()).unwrap();
    Tried { operations, well: answered_well(&read("openapi.json"), &read("calls.har")) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schemathesis_finds_no_failure_and_no_answer_that_is_not_described() {
    let (daemon, token) = daemon().await;
    let tried = tried(&daemon, Some(&token), "coverage,fuzzing", "75").await;
    assert!(tried.well.len() >= 60, "only {} operations were answered well: {:#?}", tried.well.len(), tried.well);
}

/// What a token that may read people and groups, and ask for decisions, is answered well, beside reading these.
const WEAK: [&str; 8] = [
    "POST /access/v1/evaluation",
    "POST /access/v1/evaluations",
    "POST /access/v1/search/action",
    "POST /access/v1/search/resource",
    "POST /access/v1/search/subject",
    "POST /api/v1/policy/tests",
    "GET /.well-known/authzen-configuration",
    "GET /api/v1/me",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schemathesis_with_few_rights_finds_no_failure_and_changes_nothing() {
    let (daemon, _) = daemon().await;
    let scope = "users:read,groups:read,decisions:read";
    let token = daemon.run(&["token", "create", "--name", "weak", "--scope", scope]).await;
    let before = daemon.admin().get("/api/v1/export").send().await;
    let tried = tried(&daemon, token["token"].as_str(), "coverage,fuzzing", "35").await;
    assert_eq!(daemon.admin().get("/api/v1/export").send().await.text(), before.text());
    let reads = |route: &str| {
        let about = ["/users", "/groups", "/explain", "/who-can", "/policy/tests", "/openapi.json"];
        let of_people =
            |path: &str| path.ends_with("/users/{user}") || about.iter().any(|start| path.starts_with(start));
        route.strip_prefix("GET /api/v1").is_some_and(of_people)
    };
    let more: Vec<&String> =
        tried.well.iter().filter(|route| !reads(route) && !WEAK.contains(&route.as_str())).collect();
    assert!(more.is_empty(), "it takes more than it may: {more:#?}");
    assert!(tried.well.len() >= 10, "{} of {}: {:#?}", tried.well.len(), tried.operations, tried.well);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schemathesis_as_nobody_finds_no_failure_and_learns_nothing() {
    let (daemon, _) = daemon().await;
    let tried = tried(&daemon, None, "coverage", "25").await;
    assert_eq!(tried.well, BTreeSet::from(["GET /.well-known/authzen-configuration".to_owned()]));
}
