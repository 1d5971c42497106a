//! Logout in a frame: whoever knows the provider's name for a session ends that one, whoever guesses ends nothing and writes
//! nothing, and the page is shown in nobody's frames but the issuer's.

use cleargate::audit::EventKind;
use form_urlencoded::byte_serialize;
use http::StatusCode;
use http::header::CONTENT_SECURITY_POLICY;

use super::oidc::{ADA, GRACE, Stage, is_in};
use crate::support::gateway::Reply;

const LINES: &str = "frontchannel_logout = true";
/// What comes before the number in names of sessions that nobody guesses.
const LONG: &str = "0193a5b2-6f1c-7b3e-8d5a-";

fn path(issuer: &str, session: &str) -> String {
    let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    format!("/oidc/idp/frontchannel-logout?iss={}&sid={}", encode(issuer), encode(session))
}

/// As a frame asks: of another browser than any that is signed in, since cookies do not go with it.
async fn frame(stage: &Stage, path: &str) -> Reply {
    stage.gateway.visitor().get(path).await
}

#[tokio::test]
async fn the_session_that_is_named_ends_and_no_other() {
    let stage = Stage::calling(LINES, LONG).await;
    let (mut one, first) = stage.signed_in(ADA).await;
    let (mut two, _) = stage.signed_in(ADA).await;
    let (mut other, _) = stage.signed_in(GRACE).await;
    let reply = frame(&stage, &path(&stage.base, &first)).await;
    assert_eq!((reply.status, reply.text.as_str()), (StatusCode::OK, ""));
    assert!(!is_in(&mut one).await && is_in(&mut two).await && is_in(&mut other).await);
    let policy = reply.headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.ends_with(&format!("frame-ancestors {}", stage.base)));
    assert_eq!(reply.headers["cache-control"], "no-store");
    assert!(!reply.headers.contains_key("set-cookie"));
    assert_eq!(stage.events(EventKind::LogoutReceived).await.len(), 1);
    // Once more it is nobody's, and the person can sign in anew.
    frame(&stage, &path(&stage.base, &first)).await;
    assert_eq!(stage.events(EventKind::LogoutReceived).await.len(), 1);
    let (mut ada, _) = stage.signed_in(ADA).await;
    assert!(is_in(&mut ada).await);
}

#[tokio::test]
async fn whoever_guesses_ends_nothing_writes_nothing_and_learns_nothing() {
    let stage = Stage::calling(LINES, LONG).await;
    let (mut ada, session) = stage.signed_in(ADA).await;
    let good = frame(&stage, &path(&stage.base, &format!("{LONG}99"))).await;
    let before = stage.gateway.gateway.ledger().store().engine().log(0, 10_000).await.unwrap().len();
    let base = &stage.base;
    for wrong in [
        path("https://evil.example", &session),
        path(&format!("{base}/"), &session),
        path(base, ""),
        path(base, &session.to_uppercase()),
        path(base, &format!("{session} ")),
        path(base, &"x".repeat(5000)),
        path(base, "\u{0}"),
        format!("{}&sid=other", path(base, &session)),
        format!("{}&iss=other", path(base, &session)),
        format!("/oidc/idp/frontchannel-logout?sid={session}"),
        format!("/oidc/idp/frontchannel-logout?iss={base}"),
        "/oidc/idp/frontchannel-logout".to_owned(),
    ] {
        let reply = frame(&stage, &wrong).await;
        assert_eq!((reply.status, &reply.text), (good.status, &good.text), "{wrong}");
        assert_eq!(format!("{:?}", reply.headers), format!("{:?}", good.headers), "{wrong}");
        assert!(is_in(&mut ada).await, "{wrong}");
    }
    assert_eq!(stage.gateway.gateway.ledger().store().engine().log(0, 10_000).await.unwrap().len(), before);
}

#[tokio::test]
async fn names_that_could_be_guessed_end_nothing() {
    let stage = Stage::calling(LINES, "session-").await;
    let (mut ada, session) = stage.signed_in(ADA).await;
    assert_eq!(frame(&stage, &path(&stage.base, &session)).await.status, StatusCode::OK);
    assert!(is_in(&mut ada).await);
}

#[tokio::test]
async fn unless_it_is_chosen_there_is_no_such_address() {
    let stage = Stage::calling("", LONG).await;
    let (mut ada, session) = stage.signed_in(ADA).await;
    for path in [path(&stage.base, &session), path(&stage.base, &session).replace("/idp/", "/nobody/")] {
        assert_eq!(frame(&stage, &path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert!(is_in(&mut ada).await);
}
