//! Changing a password: because it must be, and because its owner wants to.

use std::time::Duration;

use cleargate::audit::{Event, EventKind};
use cleargate::secret::Secret;
use cleargate::store;
use http::{HeaderValue, StatusCode};

use crate::support::gateway::TestGateway;

const GIVEN: &str = "violet anchor under seven bridges";
const CHOSEN: &str = "nine lanterns along a quiet harbour";

async fn gateway() -> TestGateway {
    TestGateway::with("[lockout]\npreset = \"clearvantage\"").await
}

/// Somebody whose password was given by an administrator.
async fn given(gateway: &TestGateway) {
    let ada = gateway.user("ada@example.org", None).await;
    let password = Secret::new(GIVEN.to_owned());
    gateway.gateway.credentials().set(&gateway.task(), &ada, &password, true).await.unwrap();
}

#[tokio::test]
async fn a_password_that_must_be_changed_is_changed_on_the_way_in() {
    let gateway = gateway().await;
    given(&gateway).await;
    let mut browser = gateway.visitor();
    let reply = browser.sign_in("ada@example.org", GIVEN).await;
    assert_eq!((reply.status, reply.location()), (StatusCode::SEE_OTHER, "/login/change-password"));
    assert_eq!(browser.get("/").await.location(), "/login", "there is no session yet");
    assert_eq!(browser.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
    assert!(browser.get("/account/password").await.location().starts_with("/login?"));
    let page = browser.get("/login/change-password").await;
    assert!(page.status == StatusCode::OK && page.text.contains("at least 15 characters"), "{}", page.text);
    let csrf = page.field("csrf");
    for (new, again, told) in [
        (CHOSEN, "another one altogether, my friend", "not the same"),
        ("short", "short", "at least 15 characters"),
        (GIVEN, GIVEN, "another one than before"),
    ] {
        let fields = [("new", new), ("again", again), ("csrf", csrf.as_str())];
        let reply = browser.post("/login/change-password", &fields).await;
        assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY, "{new}");
        assert!(reply.text.contains(told), "{new}: {}", reply.text);
    }
    let fields = [("new", CHOSEN), ("again", CHOSEN), ("csrf", csrf.as_str())];
    let mut again = browser.clone();
    assert_eq!(browser.post("/login/change-password", &fields).await.location(), "/");
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
    // What was used once is used up, and the old password is nobody's.
    assert_eq!(again.post("/login/change-password", &fields).await.status, StatusCode::FORBIDDEN);
    assert_eq!(gateway.visitor().sign_in("ada@example.org", GIVEN).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(gateway.visitor().sign_in("ada@example.org", CHOSEN).await.location(), "/");
    let rows = gateway.gateway.ledger().store().engine().log(0, 10_000).await.unwrap();
    let events = rows.iter().map(|row| store::decode::<Event>("log", &row.body).unwrap());
    let changed: Vec<Event> = events.filter(|event| event.kind == EventKind::PasswordChanged).collect();
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0].actor, changed[0].target, "by the person, who has no session yet");
}

#[tokio::test]
async fn three_right_passwords_that_must_be_changed_lock_nobody() {
    let gateway = gateway().await;
    given(&gateway).await;
    for _ in 0..5 {
        let reply = gateway.visitor().sign_in("ada@example.org", GIVEN).await;
        assert_eq!(reply.location(), "/login/change-password");
    }
}

#[tokio::test]
async fn a_step_belongs_to_the_browser_that_proved_itself_and_lasts_ten_minutes() {
    let gateway = gateway().await;
    given(&gateway).await;
    let mut browser = gateway.visitor();
    // A cookie that was there before the proof is worth nothing after it.
    browser.cookies.insert("cleargate-step".to_owned(), "p".repeat(43));
    browser.sign_in("ada@example.org", GIVEN).await;
    assert_ne!(browser.cookies.get("cleargate-step").unwrap(), &"p".repeat(43));
    let csrf = browser.get("/login/change-password").await.field("csrf");
    let fields = [("new", CHOSEN), ("again", CHOSEN), ("csrf", csrf.as_str())];
    assert_eq!(gateway.visitor().post("/login/change-password", &fields).await.status, StatusCode::FORBIDDEN);
    let mut foreign = browser.clone();
    foreign.headers.insert("origin", HeaderValue::from_static("https://evil.example"));
    assert_eq!(foreign.post("/login/change-password", &fields).await.status, StatusCode::FORBIDDEN);
    gateway.advance(Duration::from_secs(10 * 60));
    assert_eq!(browser.post("/login/change-password", &fields).await.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.get("/login/change-password").await.location(), "/login");
    assert_eq!(gateway.visitor().sign_in("ada@example.org", GIVEN).await.location(), "/login/change-password");
}

#[tokio::test]
async fn a_step_ends_when_the_password_was_set_anew_or_its_owner_became_inactive() {
    let gateway = gateway().await;
    given(&gateway).await;
    let ada = gateway.gateway.directory().find_user_by_name("ada@example.org").await.unwrap().unwrap();
    let mut first = gateway.visitor();
    first.sign_in("ada@example.org", GIVEN).await;
    let csrf = first.get("/login/change-password").await.field("csrf");
    let password = Secret::new("seven otters in a wooden boat".to_owned());
    gateway.gateway.credentials().set(&gateway.task(), &ada, &password, true).await.unwrap();
    let fields = [("new", CHOSEN), ("again", CHOSEN), ("csrf", csrf.as_str())];
    assert_eq!(first.post("/login/change-password", &fields).await.status, StatusCode::FORBIDDEN);
    let mut second = gateway.visitor();
    second.sign_in("ada@example.org", password.expose()).await;
    let csrf = second.get("/login/change-password").await.field("csrf");
    gateway.gateway.directory().set_active(&gateway.task(), ada.id, false).await.unwrap();
    let fields = [("new", CHOSEN), ("again", CHOSEN), ("csrf", csrf.as_str())];
    assert_eq!(second.post("/login/change-password", &fields).await.status, StatusCode::FORBIDDEN);
    gateway.gateway.directory().set_active(&gateway.task(), ada.id, true).await.unwrap();
    assert_eq!(gateway.visitor().sign_in("ada@example.org", CHOSEN).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn people_change_their_own_password_with_the_old_one() {
    let gateway = gateway().await;
    gateway.user("ada@example.org", Some(GIVEN)).await;
    let (mut here, mut there) = (gateway.visitor(), gateway.visitor());
    here.sign_in("ada@example.org", GIVEN).await;
    there.sign_in("ada@example.org", GIVEN).await;
    let mut stolen = here.clone();
    let csrf = here.get("/account/password").await.field("csrf");
    let send = |old, new| [("old", old), ("new", new), ("again", new), ("csrf", csrf.as_str())];
    let short = here.post("/account/password", &send(GIVEN, "short")).await;
    assert_eq!(short.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(short.text.contains("at least 15 characters"), "{}", short.text);
    let wrong = here.post("/account/password", &send("wrong", CHOSEN)).await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    let done = here.post("/account/password", &send(GIVEN, CHOSEN)).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.text);
    assert_eq!(here.get("/").await.status, StatusCode::OK, "this browser stays signed in, under a new secret");
    assert_eq!(stolen.get("/").await.location(), "/login");
    assert_eq!(there.get("/").await.location(), "/login");
    assert_eq!(gateway.visitor().sign_in("ada@example.org", GIVEN).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(gateway.visitor().sign_in("ada@example.org", CHOSEN).await.location(), "/");
}

#[tokio::test]
async fn the_old_password_is_counted_like_a_sign_in() {
    let gateway = gateway().await;
    gateway.user("ada@example.org", Some(GIVEN)).await;
    let mut browser = gateway.visitor();
    browser.sign_in("ada@example.org", GIVEN).await;
    let csrf = browser.get("/account/password").await.field("csrf");
    let send = |old| [("old", old), ("new", CHOSEN), ("again", CHOSEN), ("csrf", csrf.as_str())];
    for _ in 0..3 {
        assert_eq!(browser.post("/account/password", &send("wrong")).await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(browser.post("/account/password", &send(GIVEN)).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(gateway.visitor().sign_in("ada@example.org", GIVEN).await.status, StatusCode::UNAUTHORIZED);
    gateway.advance(Duration::from_secs(31 * 60));
    assert_eq!(browser.post("/account/password", &send(GIVEN)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn who_has_no_password_here_changes_none() {
    let gateway = gateway().await;
    let ada = gateway.user("ada@example.org", None).await;
    let mut browser = gateway.visitor();
    assert_eq!(browser.get("/account/password").await.location(), "/login?return_to=%2Faccount%2Fpassword");
    let link = gateway.gateway.login().one_time_link(&gateway.task(), &ada).await.unwrap();
    let page = browser.get(link.expose()).await;
    browser.post("/login/link", &[("token", &page.field("token")), ("csrf", &page.field("csrf"))]).await;
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
    assert_eq!(browser.get("/account/password").await.status, StatusCode::NOT_FOUND);
}
