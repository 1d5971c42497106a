//! Claims that break a rule of OpenID Connect Core section 3.1.3.7, in tokens that are signed correctly.

use std::time::Duration;

use cleargate::sandbox::openid::Endpoint;
use cleargate::upstream::RedirectConnector;
use serde_json::{Value, json};

use super::stage::{CLIENT_ID, NOW, Spoil, Stage, is_refused};

#[tokio::test]
async fn a_wrong_nonce_is_refused() {
    is_refused(Spoil::claim("nonce", json!("of another sign-in")), "nonce").await;
}

#[tokio::test]
async fn a_missing_nonce_is_refused() {
    is_refused(Spoil::without("nonce"), "nonce").await;
}

#[tokio::test]
async fn a_nonce_that_is_no_text_is_refused() {
    is_refused(Spoil::claim("nonce", Value::Null), "nonce").await;
}

#[tokio::test]
async fn a_wrong_issuer_is_refused() {
    is_refused(Spoil::claim("iss", json!("https://other.example")), "issuer").await;
}

#[tokio::test]
async fn an_issuer_that_differs_by_a_slash_is_refused() {
    let slash = |claims: &mut serde_json::Map<String, Value>| {
        let issuer = format!("{}/", claims["iss"].as_str().unwrap());
        claims.insert("iss".into(), json!(issuer));
    };
    is_refused(Spoil::claims(slash), "issuer").await;
}

#[tokio::test]
async fn a_missing_issuer_is_refused() {
    is_refused(Spoil::without("iss"), "issuer").await;
}

#[tokio::test]
async fn a_wrong_audience_is_refused() {
    is_refused(Spoil::claim("aud", json!("somebody-else")), "audience").await;
}

#[tokio::test]
async fn a_missing_audience_is_refused() {
    is_refused(Spoil::without("aud"), "audience").await;
}

#[tokio::test]
async fn an_empty_audience_is_refused() {
    is_refused(Spoil::claim("aud", json!([])), "audience").await;
}

#[tokio::test]
async fn an_audience_that_is_no_text_is_refused() {
    is_refused(Spoil::claim("aud", json!([CLIENT_ID, 1])), "audience").await;
    is_refused(Spoil::claim("aud", json!({ "0": CLIENT_ID })), "audience").await;
}

#[tokio::test]
async fn another_audience_besides_us_is_refused() {
    is_refused(Spoil::claim("aud", json!([CLIENT_ID, "somebody-else"])), "audience").await;
}

#[tokio::test]
async fn another_audience_is_accepted_when_the_token_was_made_for_us() {
    let spoil = Spoil::claims(|claims| {
        claims.insert("aud".into(), json!(["somebody-else", CLIENT_ID]));
        claims.insert("azp".into(), json!(CLIENT_ID));
    });
    assert!(Stage::spoiled(spoil).await.sign_in().await.is_ok());
}

#[tokio::test]
async fn a_token_made_for_another_party_is_refused() {
    is_refused(Spoil::claim("azp", json!("somebody-else")), "authorized_party").await;
    is_refused(Spoil::claim("azp", json!([CLIENT_ID])), "authorized_party").await;
}

#[tokio::test]
async fn an_expired_token_is_refused_after_the_skew() {
    is_refused(Spoil::claim("exp", json!(NOW - 60)), "expiry").await;
    let spoil = Spoil::claim("exp", json!(NOW - 59));
    assert!(Stage::spoiled(spoil).await.sign_in().await.is_ok());
}

#[tokio::test]
async fn a_missing_expiry_is_refused() {
    is_refused(Spoil::without("exp"), "expiry").await;
}

#[tokio::test]
async fn an_expiry_that_is_no_number_of_this_era_is_refused() {
    for value in [json!("2999-01-01T00:00:00Z"), json!(-1), json!(1e300), json!(i64::MAX), json!(true), Value::Null] {
        is_refused(Spoil::claim("exp", value), "expiry").await;
    }
}

#[tokio::test]
async fn a_token_from_the_future_is_refused_beyond_the_skew() {
    is_refused(Spoil::claim("iat", json!(NOW + 61)), "issue_time").await;
    let spoil = Spoil::claim("iat", json!(NOW + 60));
    assert!(Stage::spoiled(spoil).await.sign_in().await.is_ok());
}

#[tokio::test]
async fn a_token_older_than_the_sign_in_is_refused() {
    is_refused(Spoil::claim("iat", json!(NOW - 61)), "issue_time").await;
}

#[tokio::test]
async fn a_missing_issue_time_is_refused() {
    is_refused(Spoil::without("iat"), "issue_time").await;
}

#[tokio::test]
async fn a_token_that_is_not_valid_yet_is_refused() {
    is_refused(Spoil::claim("nbf", json!(NOW + 61)), "not_before").await;
    is_refused(Spoil::claim("nbf", json!("soon")), "not_before").await;
}

#[tokio::test]
async fn an_empty_subject_is_refused() {
    is_refused(Spoil::claim("sub", json!("")), "subject").await;
}

#[tokio::test]
async fn a_subject_of_more_than_255_characters_is_refused() {
    is_refused(Spoil::claim("sub", json!("x".repeat(256))), "subject").await;
}

#[tokio::test]
async fn a_subject_that_is_missing_or_no_text_is_refused() {
    is_refused(Spoil::without("sub"), "subject").await;
    is_refused(Spoil::claim("sub", json!(7)), "subject").await;
    is_refused(Spoil::claim("sub", json!("a\u{0}b")), "subject").await;
}

#[tokio::test]
async fn a_hash_of_another_access_token_is_refused() {
    is_refused(Spoil::claim("at_hash", json!("77QmUPtjPfzWtF2AnpK9RQ")), "at_hash").await;
    is_refused(Spoil::claim("at_hash", json!("")), "at_hash").await;
}

#[tokio::test]
async fn a_hash_of_another_code_is_refused() {
    is_refused(Spoil::claim("c_hash", json!("LDktKdoQak3Pk0cnXxCltA")), "c_hash").await;
}

#[tokio::test]
async fn a_claim_that_appears_twice_is_refused() {
    let spoil = Spoil::payload(|text| text.replacen('{', r#"{"sub":"7","#, 1));
    is_refused(spoil, "shape").await;
    let spoil = Spoil::payload(|text| text.replacen('{', r#"{"\u0073ub":"7","#, 1));
    is_refused(spoil, "shape").await;
    let spoil = Spoil::payload(|text| text.replacen('{', r#"{"groups":["admins"],"#, 1));
    is_refused(spoil, "shape").await;
    let spoil = Spoil::payload(|text| text.replacen('{', r#"{"address":{"x":1,"x":2},"#, 1));
    is_refused(spoil, "shape").await;
}

#[tokio::test]
async fn claims_that_are_no_object_are_refused() {
    for payload in ["", "[]", "null", "{", "\u{feff}{}"] {
        is_refused(Spoil::payload(move |_| payload.into()), "shape").await;
    }
}

#[tokio::test]
async fn groups_that_are_no_texts_are_refused() {
    is_refused(Spoil::claim("groups", json!(["ops", { "name": "admins" }])), "groups").await;
    is_refused(Spoil::claim("groups", json!({ "ops": true })), "groups").await;
}

#[tokio::test]
async fn groups_that_have_to_be_fetched_elsewhere_are_refused() {
    let spoil =
        Spoil::document(Endpoint::UserInfo, |document| drop(document.as_object_mut().unwrap().remove("groups")));
    let spoil = spoil.and_claims(|claims| {
        claims.remove("groups");
        claims.insert("_claim_names".into(), json!({ "groups": "src1" }));
        claims.insert("_claim_sources".into(), json!({ "src1": { "endpoint": "https://graph.example" } }));
    });
    is_refused(spoil, "groups").await;
}

#[tokio::test]
async fn groups_that_the_user_info_keeps_elsewhere_are_refused_too() {
    for in_token in [json!({}), json!({ "address": "src2" }), json!("none")] {
        let spoil = Spoil::document(Endpoint::UserInfo, |document| {
            let claims = document.as_object_mut().unwrap();
            claims.remove("groups");
            claims.insert("_claim_names".into(), json!({ "groups": "src1" }));
        });
        let spoil = spoil.and_claims(move |claims| {
            claims.remove("groups");
            if in_token != json!({}) {
                claims.insert("_claim_names".into(), in_token.clone());
            }
        });
        is_refused(spoil, "groups").await;
    }
}

#[tokio::test]
async fn a_login_name_that_cannot_be_seen_is_refused() {
    let spoil = Spoil::claims(|claims| {
        claims.insert("email_verified".into(), json!(false));
        claims.insert("preferred_username".into(), json!("ada\u{202e}"));
    });
    is_refused(spoil, "user_name").await;
}

#[tokio::test]
async fn a_slow_person_is_no_reason_to_refuse() {
    let stage = Stage::honest().await;
    let start = stage.connector.start().await.unwrap();
    stage.clock.advance(Duration::from_secs(1200));
    let answer = stage.visit(&start).await;
    assert!(stage.connector.finish(&start.pending, &answer).await.is_ok());
}
