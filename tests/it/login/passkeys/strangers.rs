//! What strangers, thieves and leavers try with passkeys that are not theirs any more, or never were.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::json;

use super::*;

#[tokio::test]
async fn answers_that_prove_nothing_lock_nobodys_factors() {
    let (gateway, key) = with_passkey("[lockout]\npreset = \"clearvantage\"").await;
    let id = BASE64_URL_SAFE_NO_PAD.encode(&key.id);
    let empty = json!({"type": "public-key", "id": id, "rawId": id, "response": {}}).to_string();
    for _ in 0..6 {
        let mut stranger = visitor(&gateway);
        let (_, csrf) = asked_to_sign_in(&mut stranger).await;
        assert_eq!(send(&mut stranger, &csrf, &empty).await.status, StatusCode::UNAUTHORIZED);
    }
    assert!(gateway.gateway.lockout().list(None, 10).await.unwrap().is_empty());
    let (mut browser, options, csrf) = asked_for_factor(&gateway, ADA).await;
    assert_eq!(show(&mut browser, &csrf, &key.get(&options)).await.location(), "/");
}

#[tokio::test]
async fn tries_at_the_password_page_leave_the_owners_passkey_its_own_allowance() {
    let (gateway, key) = with_passkey("limits.sign_in_account = \"3/10m\"").await;
    let (mut browser, options, csrf) = asked_for_factor(&gateway, ADA).await;
    let mut refused = StatusCode::OK;
    for _ in 0..6 {
        refused = visitor(&gateway).sign_in(ADA, "wrong").await.status;
    }
    assert_eq!(refused, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(show(&mut browser, &csrf, &key.get(&options)).await.location(), "/");
    assert_eq!(sign_in_by(&mut visitor(&gateway), &key).await.location(), "/");
}

#[tokio::test]
async fn a_key_that_verified_nobody_when_it_was_made_signs_in_alone_only_after_it_did_beside_a_password() {
    let gateway = gateway("").await;
    let (mut browser, mut key) = (signed_in(&gateway, ADA).await, SecurityKey::es256(ADDRESS));
    key.flags &= !VERIFIED;
    assert_eq!(add(&mut browser, &key, "without a PIN").await.status, StatusCode::OK);
    key.flags |= VERIFIED;
    let thief = sign_in_by(&mut visitor(&gateway), &key).await;
    assert_eq!(thief.status, StatusCode::UNAUTHORIZED, "whoever finds the key may set a PIN");
    let (mut owner, options, csrf) = asked_for_factor(&gateway, ADA).await;
    assert_eq!(show(&mut owner, &csrf, &key.get(&options)).await.location(), "/");
    assert_eq!(sign_in_by(&mut visitor(&gateway), &key).await.location(), "/");
}
