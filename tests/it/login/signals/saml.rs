//! Signals about people of a SAML provider, who are named as in its assertions.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cleargate::login::Barring;
use cleargate::sandbox::saml::{Idp, IdpKey, KeyKind, Person, Request};
use cleargate::secret::IdSource;
use http::StatusCode;
use http::header::AUTHORIZATION;
use serde_json::{Value, json};

use super::stage::{CAEP, PUSH_TOKEN, RISC, Stage, is_in, signed};
use crate::oidc::stage::KEY;
use crate::support::gateway::{Reply, START, TestGateway, Visitor};

const BASE: &str = "http://127.0.0.1:7000";
const ADA: &str = "ada@example.org";
const GRACE: &str = "grace@example.org";

/// Signs somebody in at the SAML provider, and gives the name of the session there.
async fn sign_in(gateway: &TestGateway, idp: &Idp, browser: &mut Visitor, email: &str) -> (Reply, String) {
    let start = gateway_start(browser).await;
    let url = url::Url::parse(start.location()).unwrap();
    let field = |name: &str| url.query_pairs().find(|(n, _)| n == name).unwrap().1.into_owned();
    let request = Request::parse(&field("SAMLRequest")).unwrap();
    let person = Person { name: "Somebody".to_owned(), email: email.to_owned(), groups: Vec::new() };
    let response = idp.respond(&request, &person).unwrap();
    let index = response.split("SessionIndex=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let encoded = BASE64_STANDARD.encode(response);
    let fields = [("SAMLResponse", encoded.as_str()), ("RelayState", &field("RelayState"))];
    let reply = browser.post("/saml/corp/acs", &fields).await;
    assert_eq!(gateway.clock.clock().now(), START);
    (reply, index)
}

async fn gateway_start(browser: &mut Visitor) -> Reply {
    let start = browser.get("/login/corp?return_to=/").await;
    assert_eq!(start.status, StatusCode::SEE_OTHER, "{}", start.text);
    start
}

#[tokio::test]
async fn people_of_a_saml_provider_are_named_as_in_its_assertions() {
    // Only its transmitter's keys are of use here.
    let told = Stage::pushed().await;
    let key = IdpKey::generate(KeyKind::EcdsaP256, "idp.example").unwrap();
    let idp = Idp::new(BASE, Vec::new(), key, cleargate::clock::ManualClock::new(START).clock(), IdSource::seeded(5));
    let metadata = idp.metadata();
    let lines = format!(
        "[[saml]]\nid = \"corp\"\nmetadata = {{ file = \"corp.xml\" }}\n[saml.signals]\nissuer = \"{}\"\n\
         subject_issuers = [\"{}\"]\npush_token = {{ file = \"push.secret\" }}\n",
        told.base,
        idp.entity_id(),
    );
    let files = [("corp.xml", metadata.as_str()), ("push.secret", PUSH_TOKEN)];
    let gateway = TestGateway::with_files(&lines, &files).await;
    let mut number = 0;
    let mut tell = async |event: &str, subject: Value| {
        number += 1;
        let mut claims = told.claims(&number.to_string(), event, &subject);
        claims.insert("aud".into(), json!("http://127.0.0.1:8080/signals/corp"));
        let mut sender = gateway.visitor();
        sender.headers.insert(AUTHORIZATION, format!("Bearer {PUSH_TOKEN}").parse().unwrap());
        let body = axum::body::Body::from(signed(&KEY, &super::stage::header(), &claims));
        let kind = Some("application/secevent+jwt");
        sender.send(http::Method::POST, "/signals/corp", kind, body).await.status
    };
    let of = |issuer: &str, sub: &str| json!({"format": "iss_sub", "iss": issuer, "sub": sub});
    let (revoked, disabled) = (format!("{CAEP}/session-revoked"), format!("{RISC}/account-disabled"));
    let (mut one, mut two, mut other) = (gateway.visitor(), gateway.visitor(), gateway.visitor());
    let (reply, first) = sign_in(&gateway, &idp, &mut one, ADA).await;
    assert_eq!(reply.location(), "/");
    assert_eq!(sign_in(&gateway, &idp, &mut two, ADA).await.0.location(), "/");
    assert_eq!(sign_in(&gateway, &idp, &mut other, GRACE).await.0.location(), "/");
    // Another provider's name for people is none of this one's.
    assert_eq!(tell(&revoked, of("https://else.example", ADA)).await, StatusCode::BAD_REQUEST);
    let session = json!({"format": "opaque", "id": first});
    let named = json!({"format": "complex", "user": of(&idp.entity_id(), ADA), "session": session});
    assert_eq!(tell(&revoked, named).await, StatusCode::ACCEPTED);
    assert!(!is_in(&mut one).await && is_in(&mut two).await && is_in(&mut other).await);
    assert_eq!(tell(&disabled, of(&told.base, ADA)).await, StatusCode::ACCEPTED);
    assert!(!is_in(&mut two).await && is_in(&mut other).await);
    assert_eq!(sign_in(&gateway, &idp, &mut one, ADA).await.0.status, StatusCode::FORBIDDEN);
    assert_eq!(sign_in(&gateway, &idp, &mut one, GRACE).await.0.location(), "/");
    let user = gateway.gateway.directory().find_user_by_name(ADA).await.unwrap().unwrap();
    let (permit, corp, ada) = (gateway.task(), "corp".parse().unwrap(), Barring::Account(Box::new(user)));
    assert!(gateway.gateway.login().lift(&permit, &corp, &ada).await.is_ok_and(|lifted| lifted));
}
