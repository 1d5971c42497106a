//! Links on which somebody chooses a password.

use std::time::Duration;

use cleargate::secret::Secret;
use http::StatusCode;

use crate::support::gateway::{Reply, TestGateway, Visitor};

const OLD: &str = "violet anchor under seven bridges";
const NEW: &str = "nine lanterns along a quiet harbour";

async fn gateway() -> TestGateway {
    let gateway = TestGateway::with("[lockout]\npreset = \"clearvantage\"").await;
    gateway.user("ada@example.org", Some(OLD)).await;
    gateway
}

async fn link(gateway: &TestGateway) -> String {
    let ada = gateway.gateway.directory().find_user_by_name("ada@example.org").await.unwrap().unwrap();
    gateway.gateway.login().reset_link(&gateway.task(), &ada).await.unwrap().0.expose().to_owned()
}

async fn follow(browser: &mut Visitor, link: &str) -> Reply {
    let page = browser.get(link).await;
    let fields = [("token", page.field("token")), ("csrf", page.field("csrf"))];
    browser.post("/login/link", &fields.each_ref().map(|(name, value)| (*name, value.as_str()))).await
}

async fn choose(browser: &mut Visitor, password: &str) -> Reply {
    let csrf = browser.get("/login/change-password").await.field("csrf");
    let fields = [("new", password), ("again", password), ("csrf", csrf.as_str())];
    browser.post("/login/change-password", &fields).await
}

#[tokio::test]
async fn a_link_lets_its_owner_choose_a_password_once_and_ends_locks_and_sessions() {
    let gateway = gateway().await;
    let mut open = gateway.visitor();
    open.sign_in("ada@example.org", OLD).await;
    for _ in 0..3 {
        gateway.visitor().sign_in("ada@example.org", "wrong").await;
    }
    let link = link(&gateway).await;
    let mut browser = gateway.visitor();
    assert_eq!(follow(&mut browser, &link).await.location(), "/login/change-password");
    assert_eq!(browser.get("/").await.location(), "/login", "the link alone opens no session");
    assert_eq!(choose(&mut browser, "short").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(choose(&mut browser, NEW).await.location(), "/");
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
    assert_eq!(open.get("/").await.location(), "/login");
    assert_eq!(gateway.visitor().sign_in("ada@example.org", NEW).await.location(), "/");
    assert_eq!(follow(&mut gateway.visitor(), &link).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_link_is_void_after_an_hour_and_after_another_password_was_set() {
    let gateway = gateway().await;
    let late = link(&gateway).await;
    gateway.advance(Duration::from_secs(60 * 60));
    assert_eq!(follow(&mut gateway.visitor(), &late).await.status, StatusCode::FORBIDDEN);
    let early = link(&gateway).await;
    gateway.advance(Duration::from_secs(1));
    let ada = gateway.gateway.directory().find_user_by_name("ada@example.org").await.unwrap().unwrap();
    let password = Secret::new("seven otters in a wooden boat".to_owned());
    gateway.gateway.credentials().set(&gateway.task(), &ada, &password, false).await.unwrap();
    assert_eq!(follow(&mut gateway.visitor(), &early).await.status, StatusCode::FORBIDDEN);
}
