//! What strangers, thieves and leavers try with passkeys that are not theirs any more, or never were.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::json;

use super::*;
use crate::support::mail::MailServer;

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

#[tokio::test]
async fn an_account_that_only_a_provider_keeps_is_not_opened_by_a_passkey_alone_and_opened_once_somebody_else_keeps_it()
{
    let test = gateway("").await;
    let services = &test.gateway;
    // As a provider's word makes an account.
    let provider =
        services.access().sign_in_permit("entra".parse().unwrap(), cleargate::model::Circumstance::default());
    let record = cleargate::directory::SourceRecord {
        external_id: Some("subject-7".to_owned()),
        ..crate::support::gateway::record("mia@example.org")
    };
    let mia = services.directory().create_user(&provider, &record).await.unwrap();
    assert!(!mia.is_by_hand() && mia.owner.is_none());
    let link = services.login().one_time_link(&test.task(), &mia).await.unwrap();
    let mut browser = visitor(&test);
    let page = browser.get(link.expose()).await;
    let (token, csrf) = (page.field("token"), page.field("csrf"));
    assert_eq!(browser.post("/login/link", &[("token", &token), ("csrf", &csrf)]).await.status, StatusCode::SEE_OTHER);
    let key = SecurityKey::es256(ADDRESS);
    assert_eq!(add(&mut browser, &key, "blue key").await.status, StatusCode::OK);
    assert_eq!(sign_in_by(&mut visitor(&test), &key).await.status, StatusCode::UNAUTHORIZED);
    assert!(events(&test, EventKind::SignInFailed).await.iter().any(|event| says(event, "rule", "passkey-alone")));
    let password = cleargate::secret::Secret::new(GOOD.to_owned());
    services.credentials().set(&test.task(), &mia, &password, false).await.unwrap();
    assert_eq!(sign_in_by(&mut visitor(&test), &key).await.location(), "/", "an administrator keeps it too");
}

#[tokio::test]
async fn a_passkey_that_answers_as_a_copy_is_told_to_its_owner_once_a_day() {
    let server = MailServer::plain().await;
    let (gateway, key) = with_passkey(&server.lines()).await;
    let about_copies = async || {
        gateway.gateway.outbox().round(None).await.unwrap();
        server.mails().iter().filter(|mail| mail.header("Subject").contains("may have been copied")).count()
    };
    assert_eq!(sign_in_by(&mut visitor(&gateway), &key).await.location(), "/");
    assert_eq!(about_copies().await, 0);
    let copy = async || {
        let mut browser = visitor(&gateway);
        let (options, csrf) = asked_to_sign_in(&mut browser).await;
        let credential = key.get_with(&options, |said| said.count = 0);
        assert_eq!(send(&mut browser, &csrf, &credential).await.status, StatusCode::UNAUTHORIZED);
    };
    for _ in 0..3 {
        copy().await;
    }
    assert_eq!(about_copies().await, 1);
    assert_eq!(events(&gateway, EventKind::PasskeyCopied).await.len(), 3, "the ledger has each");
    gateway.advance(Duration::from_secs(24 * 60 * 60));
    copy().await;
    assert_eq!(about_copies().await, 2);
}
