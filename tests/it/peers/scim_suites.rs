//! Two conformance suites from PyPI against the program itself: scim2-tester (through scim2-cli) and scim-sanity.

use std::process::{Command, Output};

use serde_json::Value;

use crate::support::daemon::Daemon;
use crate::support::peer::python;

/// A daemon with a provisioning connection, its SCIM address and a token.
async fn daemon(schemas: &str) -> (Daemon, String, String) {
    // A suite deletes more than a client does: the brake would stop it.
    let connection = "[[scim]]
id = \"suite\"
brake.at_least = 10000
";
    let daemon = Daemon::serving(&format!("{connection}{schemas}")).await;
    let token = daemon.scim_token("suite").await;
    let url = format!("{}/scim/v2", daemon.url());
    (daemon, url, token)
}

async fn run(name: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(python(name));
    command.args(arguments).envs(variables.iter().copied());
    command.env("NO_COLOR", "1").env("PYTHONWARNINGS", "ignore").env_remove("HTTP_PROXY").env_remove("http_proxy");
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// What scim2-tester says, when everything passes; how many checks that were.
async fn tested(schemas: &str) -> usize {
    let (daemon, url, token) = daemon(schemas).await;
    let headers = format!("Authorization: Bearer {token}");
    let output = run("scim2", &["--url", &url, "test"], &[("SCIM_CLI_HEADERS", &headers)]).await;
    let text = String::from_utf8_lossy(&output.stdout);
    // Any status but success, a skipped check included, makes the program fail.
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}\n{}", daemon.log());
    text.lines().filter(|line| line.starts_with("SUCCESS")).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scim2_tester_passes_every_check() {
    let passed = tested("").await;
    assert!(passed >= 135, "only {passed} checks ran");
}

/// The resource type of the fixture, without what the suite's own client cannot make (times, decimals), cannot compare
/// (bytes, extensions of users) or expects to see in any case (`returned` other than `default`).
fn comparable() -> String {
    const LEFT_OUT: [&str; 9] = [
        "decimalAttr",
        "dateTimeAttr",
        "binaryAttr",
        "alwaysReturnedAttr",
        "requestedAttr",
        "neverReturnedAttr",
        "sub4",
        "sub5",
        "sub6",
    ];
    let is_kept = |line: &&str| !LEFT_OUT.iter().any(|name| line.contains(&format!("name = \"{name}\"")));
    let text = include_str!("../../fixtures/test-resources.toml");
    let parts = text.split("\n[[schema]]").filter(|part| !part.contains("extends = \"User\""));
    parts.collect::<Vec<_>>().join("\n[[schema]]").lines().filter(is_kept).collect::<Vec<_>>().join("\n")
}

/// It reads the schemas and tries each attribute of each, so that its number of checks grows with them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scim2_tester_passes_every_check_of_configured_types() {
    let passed = tested(&comparable()).await;
    assert!(passed >= 200, "only {passed} checks ran");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scim_sanity_passes_strictly() {
    let (daemon, url, token) = daemon("").await;
    let arguments = ["probe", &url, "--token", &token, "--strict", "--json-output", "--i-accept-side-effects"];
    let output = run("scim-sanity", &arguments, &[]).await;
    let text = String::from_utf8_lossy(&output.stdout);
    let report: Value = serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{error}: {text}\n{}\n{}", String::from_utf8_lossy(&output.stderr), daemon.log());
    });
    assert!(output.status.success(), "{report:#}");
    let summary = &report["summary"];
    let count = |name: &str| summary[name].as_u64().unwrap();
    assert_eq!((count("failed"), count("errors"), count("warnings")), (0, 0, 0), "{report:#}");
    // What it leaves out are resource types of a draft that this server does not have.
    assert_eq!((count("passed"), count("skipped")), (28, 3), "{report:#}");
}
