//! Discovery and keys: of somebody else, leading elsewhere, broken, gone and back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cleargate::http::outbound::{Outbound, OutboundSettings};
use cleargate::sandbox::openid::{Endpoint, SigningKey};
use cleargate::secret::IdSource;
use cleargate::upstream::oidc::{OidcConnector, OidcSettings};
use cleargate::upstream::{Error, RedirectConnector};
use serde_json::{Value, json};

use super::stage::{CLIENT_ID, Scenery, Spoil, Stage, raw, rewrite, rule, silent, unavailable};

/// A spoil of the description.
fn description(name: &'static str, value: Value) -> Spoil {
    Spoil::document(Endpoint::Discovery, move |document| document[name] = value.clone())
}

/// Answers of `endpoint` are replaced by `broken` while the switch is on.
fn switchable(endpoint: Endpoint, status: u16, broken: &'static str) -> (Spoil, Arc<AtomicBool>) {
    let switch = Arc::new(AtomicBool::new(false));
    let shared = Arc::clone(&switch);
    let spoil =
        Spoil::answer(endpoint, move |answer| if shared.load(Ordering::SeqCst) { raw(status, broken) } else { answer });
    (spoil, switch)
}

#[tokio::test]
async fn a_description_of_another_issuer_is_refused() {
    for issuer in [json!("https://other.example"), json!(""), Value::Null] {
        let stage = Stage::spoiled(description("issuer", issuer)).await;
        assert_eq!(rule(stage.sign_in().await), "issuer");
    }
}

#[tokio::test]
async fn a_description_that_is_incomplete_is_refused() {
    for name in ["authorization_endpoint", "token_endpoint", "jwks_uri"] {
        let stage = Stage::spoiled(description(name, Value::Null)).await;
        assert_eq!(rule(stage.sign_in().await), "discovery", "{name}");
    }
}

#[tokio::test]
async fn endpoints_on_another_host_are_refused() {
    for (name, address) in [
        ("jwks_uri", "http://169.254.169.254/latest/meta-data"),
        ("jwks_uri", "https://evil.example/jwks"),
        ("token_endpoint", "https://evil.example/token"),
        ("userinfo_endpoint", "https://10.0.0.1/"),
    ] {
        let spoil = description(name, json!(address)).and_claims(|claims| drop(claims.remove("groups")));
        assert_eq!(rule(Stage::spoiled(spoil).await.sign_in().await), "host", "{address}");
    }
}

#[tokio::test]
async fn endpoints_on_another_host_are_used_when_the_administrator_allows_it() {
    for (allow, is_fine) in [(vec![], false), (vec!["LOCALHOST".to_owned()], true)] {
        let elsewhere = |document: &mut Value| {
            let keys = document["jwks_uri"].as_str().unwrap().replace("127.0.0.1", "localhost");
            document["jwks_uri"] = json!(keys);
        };
        let spoil = Spoil::document(Endpoint::Discovery, elsewhere);
        let outbound = OutboundSettings { allow, ..OutboundSettings::default() };
        let outcome = Stage::open(Scenery { spoil, outbound, ..Scenery::default() }).await.sign_in().await;
        if is_fine {
            assert!(outcome.is_ok(), "{outcome:?}");
        } else {
            assert_eq!(rule(outcome), "host");
        }
    }
}

#[tokio::test]
async fn a_description_that_cannot_be_had_is_unavailable() {
    let answers: [fn() -> axum::response::Response; 5] = [
        || raw(404, "{}"),
        || raw(500, ""),
        || raw(200, "{"),
        || raw(200, r#"{"issuer":"a","issuer":"b"}"#),
        || raw(302, ""),
    ];
    for answer in answers {
        let stage = Stage::spoiled(Spoil::answer(Endpoint::Discovery, move |_| answer())).await;
        unavailable(stage.sign_in().await);
    }
    let stage = Stage::impatient(Spoil::answer(Endpoint::Discovery, |_| raw(200, silent()))).await;
    unavailable(stage.sign_in().await);
}

#[tokio::test]
async fn a_provider_that_comes_back_is_found_again() {
    let (spoil, broken) = switchable(Endpoint::Discovery, 503, "");
    let (spoil, asked) = spoil.counting(Endpoint::Discovery);
    broken.store(true, Ordering::SeqCst);
    let stage = Stage::spoiled(spoil).await;
    for _ in 0..5 {
        unavailable(stage.sign_in().await);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1, "a provider that is down is not asked by every sign-in");
    broken.store(false, Ordering::SeqCst);
    stage.clock.advance(Duration::from_secs(5));
    assert!(stage.sign_in().await.is_ok());
}

#[tokio::test]
async fn the_description_is_read_once_an_hour() {
    let (spoil, asked) = Spoil::default().counting(Endpoint::Discovery);
    let stage = Stage::spoiled(spoil).await;
    for _ in 0..3 {
        assert!(stage.sign_in().await.is_ok());
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    stage.clock.advance(Duration::from_secs(3600));
    assert!(stage.sign_in().await.is_ok());
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn keys_that_break_do_not_lock_people_out() {
    for broken in ["", "{", r#"{"keys":[]}"#, r#"{"keys":{}}"#, r#"{"keys":[{"kty":"RSA"}]}"#, r#"{"keys":[1,null]}"#] {
        let (spoil, switch) = switchable(Endpoint::Keys, 200, broken);
        let stage = Stage::spoiled(spoil).await;
        assert!(stage.sign_in().await.is_ok());
        switch.store(true, Ordering::SeqCst);
        stage.clock.advance(Duration::from_secs(3601));
        assert!(stage.sign_in().await.is_ok(), "the last good keys are used instead of {broken:?}");
        stage.clock.advance(Duration::from_secs(24 * 3600));
        unavailable(stage.sign_in().await);
        switch.store(false, Ordering::SeqCst);
        stage.clock.advance(Duration::from_secs(5));
        assert!(stage.sign_in().await.is_ok(), "good keys are found again after {broken:?}");
    }
}

#[tokio::test]
async fn keys_that_were_never_good_are_unavailable() {
    let (spoil, switch) = switchable(Endpoint::Keys, 500, "");
    switch.store(true, Ordering::SeqCst);
    unavailable(Stage::spoiled(spoil).await.sign_in().await);
}

#[tokio::test]
async fn keys_that_we_do_not_know_are_skipped() {
    let strange = |document: &mut Value| {
        let keys = document["keys"].as_array_mut().unwrap();
        keys.insert(0, json!({ "kty": "EC", "crv": "P-999", "kid": "first", "x": "AA", "y": "AA" }));
        keys.insert(0, json!({ "kty": "oct", "k": "AAAA", "kid": "first" }));
        keys.insert(0, json!({ "kty": "EC", "crv": "P-256", "kid": "first", "x": "AA", "y": "AA" }));
        keys.insert(0, json!({ "kty": "RSA", "kid": "first", "use": "enc", "n": "AA", "e": "AQAB" }));
        keys.insert(0, json!({ "kty": 7, "n": {} }));
        keys.insert(0, json!("key"));
    };
    assert!(Stage::spoiled(Spoil::document(Endpoint::Keys, strange)).await.sign_in().await.is_ok());
}

#[tokio::test]
async fn a_rotated_key_is_fetched_once_when_a_token_names_it() {
    let (spoil, asked) = Spoil::default().counting(Endpoint::Keys);
    let stage = Stage::spoiled(spoil).await;
    assert!(stage.sign_in().await.is_ok());
    stage.clock.advance(Duration::from_secs(600));
    stage.provider.rotate(Arc::new(SigningKey::es256("second").unwrap()));
    for _ in 0..3 {
        assert!(stage.sign_in().await.is_ok());
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

/// A provider that changes its key without telling, and without a new name or under none at all.
#[tokio::test]
async fn a_new_key_under_an_old_name_fails_no_sign_in() {
    for name in [Some("first"), None] {
        let newest = move |document: &mut Value| {
            let keys = document["keys"].as_array_mut().unwrap();
            keys.drain(..keys.len() - 1);
            if name.is_none() {
                keys[0].as_object_mut().unwrap().remove("kid");
            }
        };
        let change = move |endpoint, answer| if endpoint == Endpoint::Keys { rewrite(answer, &newest) } else { answer };
        let spoil = Spoil::header(move |header| {
            if name.is_none() {
                header.remove("kid");
            }
        });
        let (spoil, asked) = spoil.and_answer(change).counting(Endpoint::Keys);
        let stage = Stage::spoiled(spoil).await;
        assert!(stage.sign_in().await.is_ok());
        stage.provider.rotate(Arc::new(SigningKey::rs256("first").unwrap()));
        for _ in 0..3 {
            assert!(stage.sign_in().await.is_ok(), "{name:?}");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 2, "{name:?}");
        // The next change so soon after this one has to wait for half a minute.
        stage.provider.rotate(Arc::new(SigningKey::rs256("first").unwrap()));
        assert_eq!(rule(stage.sign_in().await), "signature");
        stage.clock.advance(Duration::from_secs(30));
        assert!(stage.sign_in().await.is_ok(), "{name:?}");
    }
}

/// A description that leads elsewhere does not take the place of the good one.
#[tokio::test]
async fn a_description_that_leads_elsewhere_stops_nobody() {
    for name in ["token_endpoint", "jwks_uri", "issuer"] {
        let switch = Arc::new(AtomicBool::new(false));
        let shared = Arc::clone(&switch);
        let spoil = Spoil::document(Endpoint::Discovery, move |document| {
            if shared.load(Ordering::SeqCst) {
                document[name] = json!("https://evil.example/x");
            }
        });
        let stage = Stage::spoiled(spoil).await;
        assert!(stage.sign_in().await.is_ok());
        switch.store(true, Ordering::SeqCst);
        stage.clock.advance(Duration::from_secs(3601));
        assert!(stage.sign_in().await.is_ok(), "{name}");
    }
}

fn connector(issuer: &str) -> Result<OidcConnector, String> {
    let public_url = "https://sso.example/".parse().unwrap();
    let settings = OidcSettings::new("idp".parse().unwrap(), issuer, CLIENT_ID, public_url);
    assert_eq!(settings.redirect_uri(), "https://sso.example/oidc/idp/callback");
    let outbound = Outbound::new(OutboundSettings::default()).unwrap();
    let clock = cleargate::clock::Clock::system();
    OidcConnector::new(settings, outbound, clock, IdSource::seeded(1)).map_err(|e| e.to_string())
}

#[test]
fn an_issuer_outside_tls_is_no_setting() {
    for issuer in ["https://idp.example", "https://idp.example:8443/a/b", "http://127.0.0.1:1/x", "http://localhost"] {
        assert!(connector(issuer).is_ok(), "{issuer}");
    }
    for issuer in [
        "http://idp.example",
        "http://127.0.0.1.evil.example",
        "http://10.0.0.1",
        "ftp://idp.example",
        "idp.example",
        "",
        "https://idp.example/?tenant=1",
        "https://idp.example/#x",
        "https://user:password@idp.example/",
    ] {
        assert!(connector(issuer).is_err(), "{issuer}");
    }
}

#[test]
fn a_template_for_many_tenants_is_no_setting() {
    let error = connector("https://login.example/{tenantid}/v2.0").unwrap_err();
    assert!(error.contains("many tenants"), "{error}");
}

#[tokio::test]
async fn a_provider_that_is_down_does_not_stop_a_connector_from_being_made() {
    let connector = connector("http://127.0.0.1:1").unwrap();
    let outcome = connector.start().await;
    assert!(matches!(outcome, Err(Error::Unavailable { .. })), "{outcome:?}");
    assert!(connector.probe().await.is_err());
}
