//! What the browser brings back: errors, mix-ups (RFC 9207), fields that appear twice.

use cleargate::sandbox::openid::Endpoint;
use cleargate::upstream::oidc::OidcSettings;
use cleargate::upstream::{Answer, Error, RedirectConnector};
use serde_json::{Value, json};

use super::stage::{Scenery, Spoil, Stage, rule};

fn set(answer: &mut Answer, name: &str, value: &str) {
    answer.fields.retain(|(n, _)| n != name);
    answer.fields.push((name.into(), value.into()));
}

fn remove(answer: &mut Answer, name: &str) {
    answer.fields.retain(|(n, _)| n != name);
}

#[tokio::test]
async fn an_answer_of_another_issuer_is_refused() {
    let stage = Stage::honest().await;
    let outcome = stage.sign_in_with(|answer| set(answer, "iss", "https://evil.example")).await;
    assert_eq!(rule(outcome), "response_issuer");
}

#[tokio::test]
async fn an_answer_that_does_not_name_its_issuer_is_refused_when_the_provider_always_does() {
    let stage = Stage::honest().await;
    assert_eq!(rule(stage.sign_in_with(|answer| remove(answer, "iss")).await), "response_issuer");
}

#[tokio::test]
async fn an_issuer_need_not_be_named_when_the_provider_does_not_promise_it() {
    let silent = |document: &mut serde_json::Value| {
        document.as_object_mut().unwrap().remove("authorization_response_iss_parameter_supported");
    };
    let stage = Stage::spoiled(Spoil::document(Endpoint::Discovery, silent)).await;
    assert!(stage.sign_in_with(|answer| remove(answer, "iss")).await.is_ok());
    let wrong = stage.sign_in_with(|answer| set(answer, "iss", "https://evil.example")).await;
    assert_eq!(rule(wrong), "response_issuer");
}

#[tokio::test]
async fn a_field_that_appears_twice_is_refused() {
    for name in ["code", "iss", "error"] {
        let stage = Stage::honest().await;
        let twice = |answer: &mut Answer| {
            let value = answer.fields.iter().find(|(n, _)| n == name).map_or("x".into(), |(_, value)| value.clone());
            remove(answer, name);
            answer.fields.push((name.into(), value.clone()));
            answer.fields.push((name.into(), value));
        };
        assert_eq!(rule(stage.sign_in_with(twice).await), "shape", "{name}");
    }
}

#[tokio::test]
async fn an_answer_without_a_code_is_refused() {
    let stage = Stage::honest().await;
    assert_eq!(rule(stage.sign_in_with(|answer| remove(answer, "code")).await), "shape");
    assert_eq!(rule(stage.sign_in_with(|answer| set(answer, "code", "")).await), "shape");
    assert_eq!(rule(stage.sign_in_with(|answer| set(answer, "code", &"x".repeat(5000))).await), "shape");
}

#[tokio::test]
async fn an_answer_that_is_success_and_error_is_refused() {
    let stage = Stage::honest().await;
    assert_eq!(rule(stage.sign_in_with(|answer| set(answer, "error", "access_denied")).await), "shape");
}

#[tokio::test]
async fn an_error_is_a_refusal_of_the_provider_in_clean_words() {
    let stage = Stage::honest().await;
    let outcome = stage
        .sign_in_with(|answer| {
            remove(answer, "code");
            set(answer, "error", "access_denied");
            set(answer, "error_description", &format!("no\r\n\u{1b}[31mthanks\u{202e}{}", "!".repeat(1000)));
        })
        .await;
    let Err(Error::Declined { reason }) = outcome else { panic!("{outcome:?}") };
    assert!(reason.starts_with("access_denied no[31mthanks!"), "{reason}");
    assert!(reason.chars().count() <= 300 && !reason.chars().any(char::is_control));
}

#[tokio::test]
async fn a_made_up_code_is_declined() {
    let stage = Stage::honest().await;
    let outcome = stage.sign_in_with(|answer| set(answer, "code", "made-up")).await;
    assert!(matches!(&outcome, Err(Error::Declined { reason }) if reason.contains("invalid_grant")), "{outcome:?}");
}

#[tokio::test]
async fn a_code_is_good_once() {
    let stage = Stage::honest().await;
    let start = stage.connector.start().await.unwrap();
    let answer = stage.visit(&start).await;
    assert!(stage.connector.finish(&start.pending, &answer).await.is_ok());
    let again = stage.connector.finish(&start.pending, &answer).await;
    assert!(matches!(again, Err(Error::Declined { .. })), "{again:?}");
}

#[tokio::test]
async fn a_code_of_another_browser_is_declined() {
    // The attacker's code, brought to the victim's sign-in: the PKCE verifier does not fit.
    let stage = Stage::honest().await;
    let (victim, attacker) = (stage.connector.start().await.unwrap(), stage.connector.start().await.unwrap());
    let answer = stage.visit(&attacker).await;
    let outcome = stage.connector.finish(&victim.pending, &answer).await;
    assert!(matches!(outcome, Err(Error::Declined { .. })), "{outcome:?}");
}

#[tokio::test]
async fn a_beginning_that_cannot_be_read_is_refused() {
    let stage = Stage::honest().await;
    let start = stage.connector.start().await.unwrap();
    let answer = stage.visit(&start).await;
    for pending in [&b""[..], b"\xff\xff", &start.pending[..start.pending.len() - 1]] {
        assert_eq!(rule(stage.connector.finish(pending, &answer).await), "pending");
    }
}

#[tokio::test]
async fn only_scopes_that_are_offered_or_configured_are_asked_for() {
    let scope = async |offered: Option<Value>, configured: Option<Vec<String>>| {
        let spoil = Spoil::document(Endpoint::Discovery, move |document| match &offered {
            Some(offered) => document["scopes_supported"] = offered.clone(),
            None => drop(document.as_object_mut().unwrap().remove("scopes_supported")),
        });
        let settings = move |settings: &mut OidcSettings| settings.scopes.clone_from(&configured);
        let stage = Stage::open(Scenery { spoil, settings: Box::new(settings), ..Scenery::default() }).await;
        let url: url::Url = stage.connector.start().await.unwrap().location.parse().unwrap();
        url.query_pairs().find(|(name, _)| name == "scope").unwrap().1.into_owned()
    };
    let listed = |scopes: &[&str]| Some(scopes.iter().map(|scope| (*scope).to_owned()).collect());
    assert_eq!(scope(None, None).await, "openid profile email");
    assert_eq!(scope(Some(json!(["openid", "email"])), None).await, "openid profile email");
    assert_eq!(scope(Some(json!(["openid", "groups"])), None).await, "openid profile email groups");
    assert_eq!(scope(Some(json!(["openid", "groups"])), listed(&["openid", "email"])).await, "openid email");
    assert_eq!(scope(None, listed(&["openid", "roles"])).await, "openid roles");
}

#[tokio::test]
async fn two_beginnings_share_no_secret() {
    let stage = Stage::honest().await;
    let (one, two) = (stage.connector.start().await.unwrap(), stage.connector.start().await.unwrap());
    assert_ne!(one.handle, two.handle);
    assert_eq!(one.handle.len(), 43);
    for name in ["state", "nonce", "code_challenge"] {
        let value = |location: &str| {
            let url: url::Url = location.parse().unwrap();
            url.query_pairs().find(|(n, _)| n == name).unwrap().1.into_owned()
        };
        assert_ne!(value(&one.location), value(&two.location), "{name}");
    }
}

#[tokio::test]
async fn the_request_asks_for_a_code_with_pkce_and_nothing_secret() {
    let stage = Stage::honest().await;
    let start = stage.connector.start().await.unwrap();
    let url: url::Url = start.location.parse().unwrap();
    let fields: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let field = |name: &str| {
        let found: Vec<_> = fields.iter().filter(|(n, _)| n == name).collect();
        assert_eq!(found.len(), 1, "{name} in {url}");
        found[0].1.clone()
    };
    assert_eq!(field("response_type"), "code");
    assert_eq!(field("client_id"), "cleargate");
    assert_eq!(field("redirect_uri"), "https://sso.example/oidc/idp/callback");
    assert_eq!(field("scope"), "openid profile email groups");
    assert_eq!(field("code_challenge_method"), "S256");
    assert_eq!(field("state"), start.handle);
    let pending = String::from_utf8_lossy(&start.pending).into_owned();
    assert!(pending.contains(&field("nonce")) && !pending.contains(&field("code_challenge")));
    assert!(fields.iter().all(|(_, value)| !value.contains("secret")), "{}", json!(fields));
}
