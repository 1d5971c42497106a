//! The token and UserInfo endpoints: broken, slow, endless, or speaking of somebody else.

use std::sync::atomic::Ordering;
use std::time::Duration;

use cleargate::sandbox::openid::Endpoint;
use cleargate::upstream::Error;
use cleargate::upstream::oidc::OidcSettings;
use serde_json::{Value, json};

use super::stage::{Scenery, Spoil, Stage, endless, is_refused, raw, rewrite, rule, silent, unavailable};

/// A spoil of the token endpoint's JSON.
fn tokens(change: impl Fn(&mut serde_json::Map<String, Value>) + Send + Sync + 'static) -> Spoil {
    Spoil::document(Endpoint::Token, move |document| change(document.as_object_mut().unwrap()))
}

/// Claims without groups, so that the UserInfo endpoint is asked.
fn thin(spoil: Spoil) -> Spoil {
    spoil.and_claims(|claims| drop(claims.remove("groups")))
}

#[tokio::test]
async fn a_token_endpoint_that_fails_is_unavailable() {
    for status in [500, 502, 503, 201, 204] {
        let stage = Stage::spoiled(Spoil::answer(Endpoint::Token, move |_| raw(status, "{}"))).await;
        let reason = unavailable(stage.sign_in().await);
        assert!(reason.contains(&status.to_string()), "{reason}");
    }
}

#[tokio::test]
async fn a_redirect_of_the_token_endpoint_is_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let away = move |_| {
            let mut answer = raw(status, "");
            answer.headers_mut().insert("location", "/token".parse().unwrap());
            answer
        };
        let (spoil, asked) = Spoil::answer(Endpoint::Token, away).counting(Endpoint::Token);
        let stage = Stage::spoiled(spoil).await;
        unavailable(stage.sign_in().await);
        assert_eq!(asked.load(Ordering::SeqCst), 1, "code and secret were sent on");
    }
}

#[tokio::test]
async fn an_oversized_token_answer_is_unavailable() {
    let large = |answer| rewrite(answer, &|document: &mut Value| document["padding"] = json!("x".repeat(1 << 20)));
    let stage = Stage::spoiled(Spoil::answer(Endpoint::Token, large)).await;
    let reason = unavailable(stage.sign_in().await);
    assert!(reason.contains("more than 1048576 bytes"), "{reason}");
}

#[tokio::test]
async fn an_endless_token_answer_ends_at_the_limit() {
    let spoil = Spoil::answer(Endpoint::Token, |_| raw(200, endless()));
    let stage = Stage::spoiled(spoil).await;
    let reason = unavailable(stage.sign_in().await);
    assert!(reason.contains("more than 1048576 bytes"), "{reason}");
}

#[tokio::test]
async fn a_token_endpoint_that_does_not_finish_ends_at_the_deadline() {
    let stage = Stage::impatient(Spoil::answer(Endpoint::Token, |_| raw(200, silent()))).await;
    let reason = unavailable(stage.sign_in().await);
    assert!(reason.contains("did not answer within 500 ms"), "{reason}");
}

#[tokio::test]
async fn a_token_endpoint_that_keeps_silent_is_spared_for_a_while() {
    let (spoil, asked) = Spoil::answer(Endpoint::Token, |_| raw(200, silent())).counting(Endpoint::Token);
    let stage = Stage::impatient(spoil).await;
    for count in 1..=3 {
        let reason = unavailable(stage.sign_in().await);
        assert!(reason.contains("did not answer within 500 ms"), "{reason}");
        assert_eq!(asked.load(Ordering::SeqCst), count);
    }
    let reason = unavailable(stage.sign_in().await);
    assert!(reason.contains("asked again after a while"), "{reason}");
    assert_eq!(asked.load(Ordering::SeqCst), 3, "nobody waits for it any more");
    stage.clock.advance(Duration::from_secs(30));
    let many = futures_util::future::join_all((0..5).map(|_| stage.sign_in())).await;
    assert!(many.into_iter().all(|outcome| matches!(outcome, Err(Error::Unavailable { .. }))));
    assert_eq!(asked.load(Ordering::SeqCst), 4, "one asks for all");
}

#[tokio::test]
async fn a_token_endpoint_that_answers_is_asked_however_often_it_refuses() {
    let error = json!({ "error": "invalid_grant" }).to_string();
    let (spoil, asked) = Spoil::answer(Endpoint::Token, move |_| raw(400, error.clone())).counting(Endpoint::Token);
    let stage = Stage::spoiled(spoil).await;
    for _ in 0..10 {
        assert!(matches!(stage.sign_in().await, Err(Error::Declined { .. })));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 10);
}

#[tokio::test]
async fn everything_that_a_sign_in_asks_ends_at_one_deadline() {
    for at in [Endpoint::Token, Endpoint::Keys, Endpoint::UserInfo] {
        let spoil = thin(Spoil::answer(at, |_| raw(200, silent())));
        let settings = |settings: &mut OidcSettings| settings.patience = Duration::from_millis(400);
        let stage = Stage::open(Scenery { spoil, settings: Box::new(settings), ..Scenery::default() }).await;
        let reason = unavailable(stage.sign_in().await);
        assert!(reason.contains("took more than 400 ms"), "{at:?}: {reason}");
    }
}

#[tokio::test]
async fn a_compressed_answer_is_unavailable() {
    let packed = |answer| {
        let mut answer = rewrite(answer, &|_: &mut Value| ());
        answer.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
        answer
    };
    let reason = unavailable(Stage::spoiled(Spoil::answer(Endpoint::Token, packed)).await.sign_in().await);
    assert!(reason.contains("compressed"), "{reason}");
}

#[tokio::test]
async fn a_page_instead_of_tokens_is_unavailable() {
    let page = |answer| {
        let mut answer = rewrite(answer, &|_: &mut Value| ());
        answer.headers_mut().insert("content-type", "text/html".parse().unwrap());
        answer
    };
    unavailable(Stage::spoiled(Spoil::answer(Endpoint::Token, page)).await.sign_in().await);
}

#[tokio::test]
async fn an_error_of_the_token_endpoint_is_a_refusal_of_the_provider() {
    let error = json!({ "error": "invalid_client", "error_description": "who\u{7}?" }).to_string();
    let stage = Stage::spoiled(Spoil::answer(Endpoint::Token, move |_| raw(401, error.clone()))).await;
    let outcome = stage.sign_in().await;
    assert!(matches!(&outcome, Err(Error::Declined { reason }) if reason == "invalid_client: who?"), "{outcome:?}");
}

#[tokio::test]
async fn an_error_that_says_nothing_is_not_taken_for_success() {
    for body in ["", "{}", "not json", "[]"] {
        let stage = Stage::spoiled(Spoil::answer(Endpoint::Token, move |_| raw(400, body))).await;
        assert!(stage.sign_in().await.is_err(), "{body}");
    }
}

#[tokio::test]
async fn a_token_that_is_no_bearer_token_is_refused() {
    for kind in [json!("mac"), json!("DPoP"), json!(""), Value::Null, json!(["Bearer"])] {
        is_refused(tokens(move |answer| drop(answer.insert("token_type".into(), kind.clone()))), "token_type").await;
    }
    is_refused(tokens(|answer| drop(answer.remove("token_type"))), "token_type").await;
}

#[tokio::test]
async fn an_answer_without_an_id_token_is_refused() {
    is_refused(tokens(|answer| drop(answer.remove("id_token"))), "shape").await;
    is_refused(tokens(|answer| drop(answer.insert("id_token".into(), Value::Null))), "shape").await;
}

#[tokio::test]
async fn an_answer_without_an_access_token_is_refused() {
    is_refused(tokens(|answer| drop(answer.remove("access_token"))), "shape").await;
    is_refused(tokens(|answer| drop(answer.insert("access_token".into(), json!("")))), "shape").await;
}

#[tokio::test]
async fn an_answer_with_two_id_tokens_is_refused() {
    use futures_util::FutureExt;
    use http_body_util::BodyExt;
    let twice = |answer: axum::response::Response| {
        let body = answer.into_body().collect().now_or_never().unwrap().unwrap().to_bytes();
        let text = String::from_utf8(body.to_vec()).unwrap();
        raw(200, text.replacen('{', r#"{"id_token":"e30.e30.","#, 1))
    };
    is_refused(Spoil::answer(Endpoint::Token, twice), "shape").await;
}

#[tokio::test]
async fn a_token_answer_that_is_no_json_is_refused() {
    for body in ["", "null", "{", "id_token=x&access_token=y"] {
        is_refused(Spoil::answer(Endpoint::Token, move |_| raw(200, body)), "shape").await;
    }
}

#[tokio::test]
async fn user_info_about_somebody_else_is_refused() {
    for sub in [json!("7"), json!(""), Value::Null] {
        let other = move |document: &mut Value| document["sub"] = sub.clone();
        is_refused(thin(Spoil::document(Endpoint::UserInfo, other)), "userinfo").await;
    }
}

#[tokio::test]
async fn user_info_that_says_a_claim_twice_is_refused() {
    let twice = |_| raw(200, r#"{"sub":"248289761001","groups":["ops"],"groups":["admins"]}"#);
    is_refused(thin(Spoil::answer(Endpoint::UserInfo, twice)), "userinfo").await;
}

#[tokio::test]
async fn groups_that_cannot_be_had_are_not_groups_that_are_not_there() {
    for spoil in [
        Spoil::answer(Endpoint::UserInfo, |_| raw(500, "{}")),
        Spoil::answer(Endpoint::UserInfo, |_| raw(401, r#"{"error":"invalid_token"}"#)),
        Spoil::answer(Endpoint::UserInfo, |_| raw(200, "{")),
        Spoil::answer(Endpoint::UserInfo, |_| raw(302, "")),
    ] {
        let outcome = Stage::spoiled(thin(spoil)).await.sign_in().await;
        assert!(outcome.is_err(), "{outcome:?}");
    }
    unavailable(
        Stage::impatient(thin(Spoil::answer(Endpoint::UserInfo, |_| raw(200, silent())))).await.sign_in().await,
    );
}

#[tokio::test]
async fn user_info_does_not_override_what_was_signed() {
    let liar = |document: &mut Value| {
        document["name"] = json!("Somebody else");
        document["email"] = json!("root@example.com");
        document["iss"] = json!("https://evil.example");
        document["sid"] = json!("evil");
    };
    let identity = Stage::spoiled(thin(Spoil::document(Endpoint::UserInfo, liar))).await.sign_in().await.unwrap();
    assert_eq!(identity.email(), Some("ada@example.com"));
    assert_eq!(identity.display_name(), Some("Ada Lovelace"));
    assert_eq!(identity.upstream_session(), Some("sandbox-248289761001"));
}

#[tokio::test]
async fn a_verified_mark_of_user_info_does_not_stick_to_another_address() {
    let spoil = Spoil::document(Endpoint::UserInfo, |document| document["email"] = json!("real@example.com"));
    let spoil = spoil.and_claims(|claims| {
        claims.remove("groups");
        claims.remove("email_verified");
        claims.insert("email".into(), json!("victim@example.com"));
    });
    let identity = Stage::spoiled(spoil).await.sign_in().await.unwrap();
    assert_eq!((identity.email(), identity.email_is_verified()), (Some("victim@example.com"), false));
    assert_ne!(identity.user_name(), "victim@example.com");
}

#[tokio::test]
async fn a_provider_that_takes_no_way_of_ours_to_authenticate_is_refused() {
    let only_keys = |document: &mut Value| {
        document["token_endpoint_auth_methods_supported"] = json!(["private_key_jwt"]);
    };
    let stage = Stage::spoiled(Spoil::document(Endpoint::Discovery, only_keys)).await;
    assert_eq!(rule(stage.sign_in().await), "client_auth");
}
