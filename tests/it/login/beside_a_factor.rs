//! What a second factor makes easier for passwords, and what happens when it is gone.

use std::time::Duration;

use http::StatusCode;

use crate::support::authenticator::{App, enrol};
use crate::support::gateway::{Reply, TestGateway, Visitor};

const ADA: &str = "ada@example.org";
const GOOD: &str = "violet anchor under 7 bridges";
const SHORT: &str = "heron-9-kettle";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Somebody with a password and an app, who is signed in.
async fn with_app(lines: &str) -> (TestGateway, Visitor, App) {
    let gateway = TestGateway::with(lines).await;
    gateway.user(ADA, Some(GOOD)).await;
    let mut browser = gateway.visitor();
    assert_eq!(browser.sign_in(ADA, GOOD).await.location(), "/");
    let (app, _) = enrol(&gateway, &mut browser, GOOD).await;
    gateway.advance(Duration::from_secs(30));
    (gateway, browser, app)
}

async fn change(browser: &mut Visitor, new: &str) -> Reply {
    let page = browser.get("/account/password").await;
    let csrf = page.field("csrf");
    browser.post("/account/password", &[("old", GOOD), ("new", new), ("again", new), ("csrf", &csrf)]).await
}

#[tokio::test]
async fn a_short_password_is_enough_beside_a_factor_and_no_longer_when_the_factor_is_gone() {
    let (gateway, mut browser, app) = with_app("").await;
    gateway.user("grace@example.org", Some(GOOD)).await;
    let mut grace = gateway.visitor();
    grace.sign_in("grace@example.org", GOOD).await;
    assert_eq!(change(&mut grace, SHORT).await.status, StatusCode::UNPROCESSABLE_ENTITY, "without a factor");
    let page = browser.get("/account/password").await;
    assert!(page.text.contains("at least 8 characters"), "{}", page.text);
    let reply = change(&mut browser, SHORT).await;
    assert!(reply.status.as_u16() < 400, "{}", reply.text);

    let mut fresh = gateway.visitor();
    assert_eq!(fresh.sign_in(ADA, SHORT).await.location(), "/login/factor");
    let csrf = fresh.get("/login/factor").await.field("csrf");
    let reply = fresh.post("/login/factor", &[("code", &app.code(&gateway)), ("csrf", &csrf)]).await;
    assert_eq!(reply.location(), "/", "{}", reply.text);

    let ada = gateway.gateway.directory().find_user_by_name(ADA).await.unwrap().unwrap();
    let mut removal = gateway.gateway.ledger().change();
    assert!(gateway.gateway.factors().remove_in(&mut removal, ada.id).await.unwrap());
    let event = gateway.task().event(gateway.clock.clock().now(), cleargate::audit::EventKind::FactorRemoved);
    removal.commit(event).await.unwrap();
    assert_eq!(gateway.visitor().sign_in(ADA, SHORT).await.location(), "/login/change-password");
}

#[tokio::test]
async fn with_pci_a_password_grows_too_old_only_where_it_is_the_only_factor() {
    let (gateway, _, _) = with_app("password.preset = \"pci\"").await;
    gateway.user("grace@example.org", Some(GOOD)).await;
    gateway.advance(91 * DAY);
    assert_eq!(gateway.visitor().sign_in("grace@example.org", GOOD).await.location(), "/login/change-password");
    let mut browser = gateway.visitor();
    assert_eq!(browser.sign_in(ADA, GOOD).await.location(), "/login/factor");
    assert!(browser.get("/login/change-password").await.location() == "/login/factor");
}
