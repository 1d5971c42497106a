//! `cleargate scim test` against a daemon over TLS, as a client reaches it.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::daemon::Daemon;

/// Runs the test of the connection `okta`: the exit code, what it printed, and the messages.
async fn trial(daemon: &Daemon, arguments: &[&str]) -> (i32, Value, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cleargate"));
    command.args(["scim", "test", "okta", "--json", "--scim-ca"]).arg(daemon.path("tls.pem")).args(arguments);
    command.arg("--config").arg(daemon.config()).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let printed = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code().unwrap(), printed, String::from_utf8(output.stderr).unwrap())
}

async fn daemon() -> Daemon {
    let mut daemon = Daemon::with_tls();
    daemon.configure("[[scim]]\nid = \"okta\"\n");
    daemon.start().await;
    daemon
}

/// Nothing is left behind: no user, no group, no token, and the connection may write.
async fn is_clean(daemon: &Daemon) {
    for list in ["users", "groups", "tokens"] {
        let answer = daemon.admin().get(&format!("/api/v1/{list}")).send().await.json();
        assert_eq!(answer["items"], serde_json::json!([]), "{list}");
    }
    let source = daemon.admin().get("/api/v1/sources/okta").send().await.json();
    assert_eq!(source["paused_since"], Value::Null, "{source}");
}

#[tokio::test]
async fn the_live_endpoint_passes_and_is_left_as_it_was() {
    let daemon = daemon().await;
    for removed in [4, 8] {
        let (code, printed, messages) = trial(&daemon, &[]).await;
        assert_eq!(code, 0, "{messages}");
        assert_eq!((&printed["passed"], &printed["failed"]), (&true.into(), &Value::Null));
        let steps = printed["steps"].as_array().unwrap();
        let of = |client: &str| steps.iter().filter(|step| step["client"] == client).count();
        assert!(of("Okta") > 15 && of("Entra ID") > 15, "{printed}");
        assert!(steps.iter().all(|step| step["passed"] == true && step["request_id"].is_string()), "{printed}");
        is_clean(&daemon).await;
        let source = daemon.admin().get("/api/v1/sources/okta").send().await.json();
        assert_eq!(source["users"]["removed"], removed, "{source}");
    }
    // A third run would be what pauses the connection.
    let (code, _, messages) = trial(&daemon, &[]).await;
    assert!(code == 1 && messages.contains("cleargate scim release okta"), "{messages}");
    is_clean(&daemon).await;
    let log = daemon.admin().get("/api/v1/sources/okta/requests?status=5xx").send().await.json();
    assert_eq!(log["items"], serde_json::json!([]));
}

#[tokio::test]
async fn the_first_thing_that_fails_is_named_with_what_to_do() {
    let daemon = daemon().await;
    let wrong = format!("{}/scim/v1", daemon.url());
    let (code, printed, messages) = trial(&daemon, &["--scim-url", &wrong]).await;
    assert_eq!(code, 1, "{messages}");
    assert_eq!(
        (&printed["passed"], &printed["failed"]["step"]),
        (&false.into(), &"Okta: looks for a user who is not there".into())
    );
    assert!(messages.contains("/scim/v2") && messages.contains("GET /Users?filter="), "{messages}");
    is_clean(&daemon).await;
    let (code, _, messages) = trial(&daemon, &["--scim-url", "https://127.0.0.1:1/scim/v2"]).await;
    assert!(code == 1 && messages.contains("was not answered"), "{messages}");
    is_clean(&daemon).await;
}
