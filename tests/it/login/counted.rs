//! What the operations listener counts of signing in.

use serde_json::json;

use crate::support::daemon::Daemon;
use crate::support::http::Client;

const GOOD: &str = "violet anchor under seven bridges";

async fn sign_in(daemon: &Daemon, name: &str, password: &str) -> u16 {
    let client: Client = daemon.client();
    let page = client.get("/login").send().await;
    let marker = "name=\"csrf\" value=\"";
    let csrf = page.text().split_once(marker).unwrap().1.split('"').next().unwrap().to_owned();
    let fields = [("username", name), ("password", password), ("csrf", csrf.as_str())];
    client.post("/login/password").form(&fields).send().await.status
}

#[tokio::test]
async fn locks_sessions_waits_refusals_and_blocks_are_counted_and_no_name_is_in_it() {
    let daemon = Daemon::serving("[lockout]\npreset = \"clearvantage\"\n[limits]\nsign_in_account = \"5/1m\"\n").await;
    let user = json!({"userName": "ada", "name": "Ada Lovelace", "role": "editor", "password": GOOD,
        "must_change_password": false});
    assert_eq!(daemon.admin().post("/api/v1/users").json(&user).send().await.status, 201);
    assert_eq!(sign_in(&daemon, "ada", GOOD).await, 303);
    for name in ["ada", "nobody-of-us"] {
        for number in 0..3 {
            assert_eq!(sign_in(&daemon, name, &format!("wrong {number}")).await, 401);
        }
    }
    assert_eq!(sign_in(&daemon, "ada", GOOD).await, 401);
    assert_eq!(sign_in(&daemon, "ada", GOOD).await, 429);
    for number in 0..4 {
        sign_in(&daemon, &format!("stranger-{number}"), "Spring2026!").await;
    }
    let answer = daemon.operations().get("/metrics").send().await;
    let text = answer.text();
    for line in [
        "cleargate_lockouts_total{kind=\"password\"} 1",
        "cleargate_lockouts_total{kind=\"nobody\"} 1",
        "cleargate_sessions_opened_total{path=\"password\"} 1",
        "cleargate_ratelimited_total{limiter=\"sign_in_account\"} 1",
        "cleargate_spray_blocks_total 0",
        "cleargate_password_hash_queue_seconds_count 12",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    for name in ["ada", "nobody-of-us", "stranger", "127.0.0.1"] {
        assert!(!text.contains(name), "{name}");
    }
    // Two more make six names with one password.
    for number in 4..6 {
        sign_in(&daemon, &format!("stranger-{number}"), "Spring2026!").await;
    }
    assert_eq!(sign_in(&daemon, "grace", GOOD).await, 429);
    let answer = daemon.operations().get("/metrics").send().await;
    assert!(answer.text().contains("cleargate_spray_blocks_total 1"), "{}", answer.text());
    assert!(answer.text().contains("cleargate_ratelimited_total{limiter=\"spray\"} 1"), "{}", answer.text());
    for password in [GOOD, "wrong 2", "Spring2026!"] {
        assert!(!daemon.log().contains(password), "{password} is in the log");
    }
}
