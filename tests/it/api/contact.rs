//! Who is refused is told whom to ask; what is not recorded is told, too.

use http::StatusCode;
use serde_json::{Value, json};

use super::{Ground, good, refused};

const CONTACT: &str = "Grace & the <access> desk, access@example.com";

fn lines() -> String {
    format!("contact = \"{CONTACT}\"")
}

#[tokio::test]
async fn who_is_signed_in_and_refused_is_told_whom_to_ask() {
    let ground = Ground::with(&lines()).await;
    let (_, ada) = ground.browser("ada", &[]).await;
    let reply = ada.get("/api/v1/users").await;
    refused(&reply, 403, None);
    assert_eq!(reply.json()["contact"], CONTACT);
    assert!(reply.json()["detail"].as_str().unwrap().ends_with(&format!("Ask {CONTACT}")), "{}", reply.text);
    assert_eq!(good(ada.get("/api/v1/me").await, StatusCode::OK)["contact"], CONTACT);
    // Nobody asks on behalf of a program, and nothing is to be asked for where nobody could help.
    for reply in [
        ground.service(&["groups:read"]).await.get("/api/v1/users").await,
        ada.get("/api/v1/nothing").await,
        ground.nobody().get("/api/v1/users").await,
        ada.clone().with_header("sec-fetch-site", "cross-site").post("/api/v1/users", json!({})).await,
    ] {
        assert!(!reply.text.contains("access@example.com"), "{}", reply.text);
    }
    let ground = Ground::new().await;
    let (_, ada) = ground.browser("ada", &[]).await;
    assert_eq!(ada.get("/api/v1/users").await.json().get("contact"), None);
    assert_eq!(good(ada.get("/api/v1/me").await, StatusCode::OK)["contact"], Value::Null);
}

#[tokio::test]
async fn the_page_of_a_failed_sign_in_tells_whom_to_ask_and_says_the_same_to_everybody() {
    let ground = Ground::with(&lines()).await;
    ground.user("ada", &[]).await;
    let shown = "Whom to ask: Grace &amp; the &lt;access&gt; desk, access@example.com";
    let mut pages = Vec::new();
    for name in ["ada", "nobody"] {
        let reply = ground.test.visitor().sign_in(name, "a wrong password indeed").await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
        assert!(reply.text.contains(shown), "{}", reply.text);
        pages.push(reply.text.matches("<p").count());
    }
    assert_eq!(pages[0], pages[1]);
    assert!(!ground.test.visitor().get("/login").await.text.contains("Whom to ask"), "nothing went wrong yet");
}

#[tokio::test]
async fn the_catalogue_says_of_every_kind_of_event_whether_it_is_recorded() {
    let ground = Ground::new().await;
    let service = ground.service(&["audit:read"]).await;
    let page = good(service.get("/api/v1/events").await, StatusCode::OK);
    let items = page["items"].as_array().unwrap();
    let of = |name: &str| items.iter().find(|item| item["name"] == name).unwrap_or_else(|| panic!("no {name}"));
    assert_eq!((&of("user.create")["recorded"], &of("user.create")["class"]), (&json!("always"), &json!("accounts")));
    assert_eq!(of("token.refuse")["recorded"], "sampled");
    assert_eq!(of("session.use")["recorded"], "off");
    assert!(
        items.iter().all(|item| item["recorded"] == "always" || item["note"].is_string()),
        "what lacks has a reason"
    );
    // What was done is in the catalogue, and what is off is not in the ledger.
    let (_, browser) = ground.browser("ada", &["administrator"]).await;
    good(browser.get("/api/v1/users").await, StatusCode::OK);
    good(ground.root().patch("/api/v1/users/ada", json!({"displayName": "Ada"})).await, StatusCode::OK);
    let ledger = good(ground.root().get("/api/v1/audit-logs?limit=500").await, StatusCode::OK);
    for entry in ledger["logs"].as_array().unwrap() {
        assert_ne!(of(entry["action"].as_str().unwrap())["recorded"], "off", "{entry}");
    }
    super::refused(&ground.service(&["users:read"]).await.get("/api/v1/events").await, 403, None);
}
