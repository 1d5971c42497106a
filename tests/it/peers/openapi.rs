//! Two programs that read OpenAPI against the program itself: the document is valid, and no request that they make of it is
//! answered otherwise than it says.

use std::process::{Command, Output};

use serde_json::json;

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
    ] {
        let answer = admin.post(path).json(&body).send().await;
        assert_eq!(answer.status, 201, "{path}: {}", answer.text());
    }
    let document = admin.get("/api/v1/openapi.json").send().await;
    std::fs::write(daemon.path("openapi.json"), &document.body).unwrap();
    let token = daemon.run(&["token", "create", "--name", "tester", "--scope", "admin"]).await;
    (daemon, token["token"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_is_valid() {
    let (daemon, _) = daemon().await;
    let output = run("openapi-spec-validator", &daemon, &["--validation-errors", "all", "openapi.json"]).await;
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("OK"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schemathesis_finds_no_failure_and_no_answer_that_is_not_described() {
    let (daemon, token) = daemon().await;
    std::fs::write(daemon.path("schemathesis.toml"), SETTINGS).unwrap();
    let (url, header) = (daemon.url(), format!("Authorization: Bearer {token}"));
    let arguments = [
        "--no-color",
        "run",
        "openapi.json",
        "--url",
        &url,
        "--header",
        &header,
        "--checks",
        "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        "--phases",
        "coverage,fuzzing",
        "--max-examples",
        "5",
        "--seed",
        "1",
        "--max-time",
        "75",
        "--generation-database",
        "none",
        "--suppress-health-check",
        "all",
        "--request-timeout",
        "20",
        "--continue-on-failure",
    ];
    let output = run("st", &daemon, &arguments).await;
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}\n{}", daemon.log());
    // Who stops early has found nothing either.
    let tested = text.lines().find(|line| line.contains("Tested:")).unwrap_or("");
    let count: usize = tested.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0);
    assert!(count >= 50, "only {count} operations were tested:\n{text}");
}
