//! What a provider is seen by: its last attempts.

use cleargate::clock::{Clock, ManualClock};
use cleargate::directory::SourceRecord;
use cleargate::model::{Attributes, Circumstance, TokenKind};
use cleargate::sandbox::saml::{Idp, IdpKey, KeyKind};
use cleargate::secret::IdSource;
use http::StatusCode;
use serde_json::json;

use super::{Ground, good, refused};
use crate::support::daemon::Daemon;
use crate::support::gateway::{START, record};

const ATTEMPTS: &str = "/api/v1/connectors/entra/attempts";

async fn ground() -> Ground {
    let key = IdpKey::generate(KeyKind::EcdsaP256, "idp.example").unwrap();
    let idp = Idp::new("http://127.0.0.1:7000", Vec::new(), key, ManualClock::new(START).clock(), IdSource::seeded(5));
    let section = "[[saml]]\nid = \"entra\"\nmetadata = { file = \"entra.xml\" }\n";
    Ground::with_files(section, &[("entra.xml", &idp.metadata())]).await
}

#[tokio::test]
async fn attempts_are_shown_to_who_may_see_sources_and_the_ledger_and_to_nobody_else() {
    let ground = ground().await;
    let reader = ground.service(&["sources:read", "audit:read"]).await;
    assert_eq!(good(reader.get(ATTEMPTS).await, StatusCode::OK), json!({"items": [], "next": null}));
    let mut stranger = ground.test.visitor();
    for _ in 0..3 {
        stranger.post("/saml/entra/acs", &[("SAMLResponse", "AAAA")]).await;
    }
    let shown = good(reader.get(&format!("{ATTEMPTS}?outcome=failed&since=1h&limit=2")).await, StatusCode::OK);
    let first = &shown["items"][0];
    assert_eq!((&first["outcome"], &first["rule"], &first["number"]), (&json!("denied"), &json!("browser"), &json!(3)));
    assert_eq!((&first["reference"], &first["ip_address"]), (&json!("test-request"), &json!("198.51.100.7")));
    assert_eq!((&first["user"], &first["asserted_name"]), (&json!(null), &json!(null)));
    let next = shown["next"].as_str().unwrap();
    let rest = good(reader.get(&format!("{ATTEMPTS}?cursor={next}")).await, StatusCode::OK);
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next"]), (1, &json!(null)));
    assert_eq!(good(reader.get(&format!("{ATTEMPTS}?outcome=success")).await, StatusCode::OK)["items"], json!([]));

    refused(&reader.get(&format!("{ATTEMPTS}?outcome=perhaps")).await, 422, Some("outcome"));
    refused(&reader.get(&format!("{ATTEMPTS}?since=soon")).await, 422, Some("since"));
    refused(&reader.get("/api/v1/connectors/nobody/attempts").await, 404, None);
    for rest in [["users:read", "audit:read"], ["users:read", "sources:read"]] {
        refused(&ground.service(&rest).await.get(ATTEMPTS).await, 403, None);
    }
    refused(&ground.nobody().get(ATTEMPTS).await, 401, None);
}

#[tokio::test]
async fn who_may_change_sources_gets_a_link_for_a_test_and_nobody_else_does() {
    let ground = ground().await;
    let path = "/api/v1/connectors/entra:test";
    let editor = ground.service(&["sources:update"]).await;
    let made = good(editor.post(path, json!({})).await, StatusCode::CREATED);
    assert!(made["link"].as_str().unwrap().starts_with("http://127.0.0.1:8080/login/trial?token="), "{made}");
    assert_eq!((&made["connector"], &made["expires_at"]), (&json!("entra"), &json!("2026-11-22T08:10:00.000Z")));
    let again = good(editor.post(path, json!({})).await, StatusCode::CREATED);
    assert_ne!(made["link"], again["link"]);
    refused(&editor.post(path, json!({"to": "somebody"})).await, 422, Some("to"));
    refused(&editor.post("/api/v1/connectors/nobody:test", json!({})).await, 404, None);
    refused(&editor.post("/api/v1/connectors/entra", json!({})).await, 404, None);
    refused(&ground.service(&["sources:read"]).await.post(path, json!({})).await, 403, None);
    refused(&ground.nobody().post(path, json!({})).await, 401, None);
}

#[tokio::test]
async fn who_may_change_sources_lets_in_again_whom_a_provider_shut_out_but_not_themselves() {
    let ground = ground().await;
    let path = "/api/v1/connectors/entra:admit";
    ground.user("ada", &[]).await;
    ground.user("boss", &["administrator"]).await;
    let editor = ground.service(&["sources:update", "users:read"]).await;
    let nothing = json!({"connector": "entra", "admitted": false});
    for body in [json!({"user": "ada"}), json!({"name": "sub-ada"}), json!({"email": "ada@example.org"})] {
        assert_eq!(good(editor.post(path, body).await, StatusCode::OK), nothing);
    }
    for body in [json!({}), json!({"name": "sub-ada", "email": "ada@example.org"})] {
        refused(&editor.post(path, body).await, 422, Some("user"));
    }
    refused(&editor.post(path, json!({"user": "nobody"})).await, 404, None);
    refused(&editor.post(path, json!({"user": "boss"})).await, 403, None);
    refused(&editor.post("/api/v1/connectors/nobody:admit", json!({"name": "x"})).await, 404, None);
    refused(&ground.service(&["locks:delete", "users:read"]).await.post(path, json!({"user": "ada"})).await, 403, None);
}

#[tokio::test]
async fn whom_a_provider_shut_out_is_above_who_lets_them_in_by_whatever_name() {
    let ground = ground().await;
    let path = "/api/v1/connectors/entra:admit";
    let directory = ground.test.gateway.directory();
    let permit = ground.test.gateway.access().sign_in_permit("entra".parse().unwrap(), Circumstance::default());
    let account = |name: &str, address: &str| SourceRecord {
        external_id: Some(format!("sub-{name}")),
        attributes: Attributes(json!({"emails": [{"value": address}]}).as_object().unwrap().clone()),
        ..record(name)
    };
    let boss = directory.create_user(&permit, &account("boss", "boss@example.org")).await.unwrap();
    directory.create_user(&permit, &account("ada", "ada@example.org")).await.unwrap();
    ground.grant(&boss, "administrator").await;
    let editor = ground.service(&["sources:update", "users:read"]).await;
    for body in [json!({"name": "sub-boss"}), json!({"email": "Boss@example.org"})] {
        refused(&editor.post(path, body).await, 403, None);
    }
    for body in [json!({"name": "sub-ada"}), json!({"email": "ada@example.org"}), json!({"name": "sub-stranger"})] {
        good(editor.post(path, body).await, StatusCode::OK);
    }
    let kind = TokenKind::Management(vec!["*:*".parse().unwrap()], Some(boss.id), None);
    let (secret, _) = ground.test.gateway.tokens().create(&ground.test.task(), "x", kind, None).await.unwrap();
    for body in [json!({"name": "sub-boss"}), json!({"email": "boss@example.org"}), json!({"user": "boss"})] {
        refused(&ground.bearer(secret.expose()).post(path, body).await, 403, None);
    }
}

#[tokio::test]
async fn a_metadata_file_is_read_again_by_a_reload() {
    let idp = || {
        let key = IdpKey::generate(KeyKind::EcdsaP256, "idp").unwrap();
        Idp::new("https://idp.example", Vec::new(), key, Clock::system(), IdSource::system()).metadata()
    };
    let mut daemon = Daemon::new();
    let place = daemon.path("entra.xml");
    daemon.configure(&format!("[[saml]]\nid = \"entra\"\nmetadata = {{ file = \"{}\" }}", place.display()));
    std::fs::write(&place, idp()).unwrap();
    daemon.start().await;
    let warnings = async || {
        let answer = daemon.admin().post("/api/v1/reload").json(&json!({})).send().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["warnings"].to_string()
    };
    assert!(!warnings().await.contains("metadata"), "the file is the one that was read");
    std::fs::write(&place, idp()).unwrap();
    assert!(warnings().await.contains("the metadata of `entra` was read again"));
    assert!(!warnings().await.contains("metadata"), "once");
    std::fs::write(&place, "junk").unwrap();
    assert!(warnings().await.contains("the metadata of `entra` stays as it was"));
}
