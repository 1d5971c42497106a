use std::time::Duration;

use http::{HeaderValue, StatusCode};

use cleargate::model::{OrganisationId, UserId};
use cleargate::store::{Range, Table};

use crate::support::gateway::{TestGateway, record};
use crate::support::port;

const PASSWORD: &str = "violet anchor under seven bridges";
const MANUAL: &str = "[lockout]\npreset = \"clearvantage\"";

async fn gateway_with_ada() -> TestGateway {
    let gateway = TestGateway::with(MANUAL).await;
    gateway.user("ada@example.org", Some(PASSWORD)).await;
    gateway
}

#[tokio::test]
async fn a_right_password_opens_a_session_that_ends_at_sign_out() {
    let gateway = gateway_with_ada().await;
    let mut browser = gateway.visitor();
    let reply = browser.sign_in("ada@example.org", PASSWORD).await;
    assert_eq!((reply.status, reply.location()), (StatusCode::SEE_OTHER, "/"));
    let cookie = reply.headers.get("set-cookie").unwrap().to_str().unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && cookie.contains("Path=/"), "{cookie}");
    let home = browser.get("/").await;
    assert!(home.status == StatusCode::OK && home.text.contains("ada@example.org"), "{}", home.text);
    let stolen = browser.clone();
    assert_eq!(browser.post("/logout", &[("csrf", &home.field("csrf"))]).await.status, StatusCode::OK);
    assert_eq!(stolen.clone().get("/").await.location(), "/login");
}

#[tokio::test]
async fn every_spelling_of_the_name_is_one_account() {
    let gateway = gateway_with_ada().await;
    for spelling in ["ADA@example.org", " ada@EXAMPLE.org ", "ａｄａ@example.org"] {
        let reply = gateway.visitor().sign_in(spelling, PASSWORD).await;
        assert_eq!(reply.status, StatusCode::SEE_OTHER, "{spelling}");
    }
    for spelling in ["ADA@example.org", "ada@example.org", " ada@EXAMPLE.org"] {
        assert_eq!(gateway.visitor().sign_in(spelling, "wrong").await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(gateway.visitor().sign_in("ada@example.org", PASSWORD).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn three_wrong_passwords_lock_for_thirty_minutes_and_a_try_begins_them_anew() {
    let gateway = gateway_with_ada().await;
    for _ in 0..3 {
        assert_eq!(gateway.visitor().sign_in("ada@example.org", "wrong").await.status, StatusCode::UNAUTHORIZED);
    }
    gateway.advance(Duration::from_secs(29 * 60));
    assert_eq!(gateway.visitor().sign_in("ada@example.org", PASSWORD).await.status, StatusCode::UNAUTHORIZED);
    gateway.advance(Duration::from_secs(29 * 60));
    assert_eq!(gateway.visitor().sign_in("ada@example.org", PASSWORD).await.status, StatusCode::UNAUTHORIZED);
    gateway.advance(Duration::from_secs(30 * 60));
    assert_eq!(gateway.visitor().sign_in("ada@example.org", PASSWORD).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_directory_that_is_away_costs_nobody_an_attempt() {
    let lines = format!(
        "{MANUAL}\n[[ldap]]\nid = \"corp\"\nservers = [\"ldap://{}\"]\nbase = \"dc=example,dc=org\"\nlogin = true\n\
         bind = {{ dn = \"cn=service\", password = {{ file = \"secret\" }} }}\n",
        port::free()
    );
    let gateway = TestGateway::with_files(&lines, &[("secret", "s3cret\n")]).await;
    let corp = gateway.sync_permit("corp");
    gateway.gateway.directory().create_user(&corp, &record("ada@example.org")).await.unwrap();
    for _ in 0..4 {
        let reply = gateway.visitor().sign_in("ada@example.org", PASSWORD).await;
        assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{}", reply.text);
    }
    let attempts: Table<UserId, ()> = Table::new(0x30, "attempts");
    let range = Range::prefix(attempts.prefix(OrganisationId::DEFAULT, &()), 10);
    assert_eq!(gateway.gateway.ledger().store().range(range).await.unwrap(), []);
}

#[tokio::test]
async fn from_outside_every_failure_looks_the_same() {
    let gateway = gateway_with_ada().await;
    let off = gateway.user("off@example.org", Some(PASSWORD)).await;
    gateway.gateway.directory().set_active(&gateway.task(), off.id, false).await.unwrap();
    gateway.user("nopass@example.org", None).await;
    let mut pages = Vec::new();
    for (name, password) in [
        ("ada@example.org", "wrong"),
        ("nobody@example.org", "wrong"),
        ("off@example.org", PASSWORD),
        ("nopass@example.org", PASSWORD),
        ("ada@example.org", ""),
    ] {
        let mut browser = gateway.visitor();
        browser.cookies.insert("cleargate-login".to_owned(), "a".repeat(43));
        let reply = browser.sign_in(name, password).await;
        let names: Vec<String> = reply.headers.keys().map(ToString::to_string).collect();
        pages.push((reply.status, reply.text, names));
    }
    for page in &pages {
        assert_eq!(page, &pages[0]);
    }
    assert_eq!(pages[0].0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_session_of_somebody_made_inactive_is_nobodys() {
    let gateway = gateway_with_ada().await;
    let mut browser = gateway.visitor();
    browser.sign_in("ada@example.org", PASSWORD).await;
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
    let ada = gateway.gateway.directory().find_user_by_name("ada@example.org").await.unwrap().unwrap();
    gateway.gateway.directory().set_active(&gateway.task(), ada.id, false).await.unwrap();
    assert_eq!(browser.get("/").await.location(), "/login");
}

#[tokio::test]
async fn a_session_ends_when_it_is_idle_and_at_its_absolute_limit() {
    let gateway = gateway_with_ada().await;
    let mut idle = gateway.visitor();
    idle.sign_in("ada@example.org", PASSWORD).await;
    gateway.advance(Duration::from_secs(61 * 60));
    assert_eq!(idle.get("/").await.location(), "/login");
    let mut busy = gateway.visitor();
    busy.sign_in("ada@example.org", PASSWORD).await;
    for _ in 0..23 {
        gateway.advance(Duration::from_secs(30 * 60));
        assert_eq!(busy.get("/").await.status, StatusCode::OK);
    }
    gateway.advance(Duration::from_secs(31 * 60));
    assert_eq!(busy.get("/").await.location(), "/login");
}

#[tokio::test]
async fn a_form_from_elsewhere_is_refused() {
    let gateway = gateway_with_ada().await;
    let mut browser = gateway.visitor();
    let csrf = browser.get("/login").await.field("csrf");
    let fields = [("username", "ada@example.org"), ("password", PASSWORD), ("csrf", csrf.as_str())];
    // Another browser's anti-forgery value, none at all, and a page on another origin.
    let mut other = gateway.visitor();
    other.get("/login").await;
    assert_eq!(other.post("/login/password", &fields).await.status, StatusCode::FORBIDDEN);
    assert_eq!(gateway.visitor().post("/login/password", &fields).await.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.post("/login/password", &fields[..2]).await.status, StatusCode::BAD_REQUEST);
    let mut foreign = browser.clone();
    foreign.headers.insert("origin", HeaderValue::from_static("https://evil.example"));
    assert_eq!(foreign.post("/login/password", &fields).await.status, StatusCode::FORBIDDEN);
    // A page without a referrer has no origin to tell; where it comes from the browser tells otherwise.
    let mut nowhere = browser.clone();
    nowhere.headers.insert("origin", HeaderValue::from_static("null"));
    nowhere.headers.insert("sec-fetch-site", HeaderValue::from_static("cross-site"));
    assert_eq!(nowhere.post("/login/password", &fields).await.status, StatusCode::FORBIDDEN);
    nowhere.headers.insert("sec-fetch-site", HeaderValue::from_static("same-origin"));
    assert_eq!(nowhere.post("/login/password", &fields).await.status, StatusCode::SEE_OTHER);
    assert_eq!(browser.post("/login/password", &fields).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_broken_or_doubled_cookie_is_nobody() {
    let gateway = gateway_with_ada().await;
    let mut browser = gateway.visitor();
    browser.sign_in("ada@example.org", PASSWORD).await;
    let value = browser.cookies.get("cleargate").unwrap().clone();
    for wrong in [&value[..42], &format!("{value}a"), &"a".repeat(43), "", &format!("{value}; cleargate={value}")] {
        let mut other = gateway.visitor();
        other.cookies.insert("cleargate".to_owned(), wrong.to_owned());
        assert_eq!(other.get("/").await.location(), "/login", "{wrong}");
    }
}

#[tokio::test]
async fn a_sign_in_does_not_lead_elsewhere() {
    let gateway = gateway_with_ada().await;
    for evil in ["https://evil.example", "//evil.example", "/\\evil.example"] {
        let mut browser = gateway.visitor();
        let csrf = browser.get("/login").await.field("csrf");
        let fields =
            [("username", "ada@example.org"), ("password", PASSWORD), ("csrf", csrf.as_str()), ("return_to", evil)];
        assert_eq!(browser.post("/login/password", &fields).await.location(), "/");
    }
}

#[tokio::test]
async fn a_new_session_has_a_new_secret() {
    let gateway = gateway_with_ada().await;
    let mut browser = gateway.visitor();
    browser.cookies.insert("cleargate".to_owned(), "b".repeat(43));
    browser.sign_in("ada@example.org", PASSWORD).await;
    let first = browser.cookies.get("cleargate").unwrap().clone();
    assert_ne!(first, "b".repeat(43));
    browser.sign_in("ada@example.org", PASSWORD).await;
    assert_ne!(browser.cookies.get("cleargate").unwrap(), &first);
}
