//! Browsers that an account knows: a stranger who guesses locks out strangers only.

use std::time::Duration;

use http::StatusCode;

use crate::support::authenticator::enrol;
use crate::support::gateway::{TestGateway, Visitor};
use crate::support::mail::MailServer;

const ADA: &str = "ada@example.org";
const BOB: &str = "bob@example.org";
const GOOD: &str = "violet anchor under seven bridges";
const COOKIE: &str = "cleargate-device";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn with_two(lines: &str) -> TestGateway {
    let gateway = TestGateway::with(lines).await;
    gateway.user(ADA, Some(GOOD)).await;
    gateway.user(BOB, Some(GOOD)).await;
    gateway
}

/// A browser that has signed in as this user once, and out again.
async fn known(gateway: &TestGateway, name: &str) -> Visitor {
    let mut browser = gateway.visitor();
    assert_eq!(browser.sign_in(name, GOOD).await.location(), "/");
    browser.cookies.remove("cleargate");
    browser
}

/// Ten wrong passwords, each of which is refused.
async fn guess(browser: &mut Visitor, name: &str) {
    for _ in 0..10 {
        assert_eq!(browser.sign_in(name, "wrong").await.status, StatusCode::UNAUTHORIZED);
    }
}

async fn gets_in(browser: &Visitor, name: &str) -> bool {
    browser.clone().sign_in(name, GOOD).await.location() == "/"
}

#[tokio::test]
async fn a_stranger_locks_out_strangers_and_not_a_browser_that_is_known() {
    let gateway = with_two("").await;
    let ada = known(&gateway, ADA).await;
    let mut stranger = gateway.visitor();
    guess(&mut stranger, ADA).await;
    assert!(!gets_in(&stranger, ADA).await && !gets_in(&gateway.visitor(), ADA).await);
    assert!(gets_in(&ada, ADA).await);
    assert!(!gets_in(&stranger, ADA).await, "who signed in from a known browser forgets nothing of the strangers");
}

#[tokio::test]
async fn a_known_browser_has_a_count_of_its_own_that_locks_and_an_administrator_ends_it() {
    let gateway = with_two("").await;
    let mut ada = known(&gateway, ADA).await;
    guess(&mut ada, ADA).await;
    assert!(!gets_in(&ada, ADA).await);
    let other = gateway.visitor();
    assert!(gets_in(&other, ADA).await, "what failed there does not lock elsewhere");
    let user = gateway.gateway.directory().find_user_by_name(ADA).await.unwrap().unwrap();
    let lockout = gateway.gateway.lockout();
    let listed = lockout.list(None, 10).await.unwrap();
    assert!(listed[0].1.device.unwrap().locked_until.is_some() && listed[0].1.password.is_none());
    assert!(lockout.clear(&gateway.task(), user.id, &user.user_name).await.unwrap());
    assert!(gets_in(&ada, ADA).await);
}

#[tokio::test]
async fn a_right_password_from_a_known_browser_forgets_what_failed_there() {
    let gateway = with_two("[limits]\nsign_in_account = \"9999/1m\"").await;
    let mut ada = known(&gateway, ADA).await;
    for _ in 0..3 {
        for _ in 0..9 {
            ada.sign_in(ADA, "wrong").await;
        }
        assert!(gets_in(&ada, ADA).await);
    }
}

#[tokio::test]
async fn cookies_that_are_altered_invented_or_of_another_account_are_strangers() {
    let gateway = with_two("").await;
    let (ada, bob) = (known(&gateway, ADA).await, known(&gateway, BOB).await);
    guess(&mut gateway.visitor(), ADA).await;
    let good = ada.cookies[COOKIE].clone();
    let (id, hash) = good.split_once('.').unwrap();
    let (other_id, other_hash) = bob.cookies[COOKIE].split_once('.').unwrap();
    for cookie in [
        bob.cookies[COOKIE].clone(),
        format!("{id}.{other_hash}"),
        format!("{other_id}.{hash}"),
        format!("{id}."),
        id.to_owned(),
        format!("{}.{hash}", "A".repeat(22)),
        "A".repeat(66),
        format!("{good}; {COOKIE}={good}"),
    ] {
        let mut browser = gateway.visitor();
        browser.cookies.insert(COOKIE.to_owned(), cookie.clone());
        assert!(!gets_in(&browser, ADA).await, "{cookie}");
    }
    assert!(gets_in(&ada, ADA).await);
}

#[tokio::test]
async fn a_browser_is_known_only_once_the_sign_in_came_to_its_end() {
    let gateway = with_two("").await;
    let mut browser = gateway.visitor();
    browser.sign_in(ADA, "wrong").await;
    assert!(!browser.cookies.contains_key(COOKIE));
    assert_eq!(browser.sign_in(ADA, GOOD).await.location(), "/");
    let (app, _) = enrol(&gateway, &mut browser, GOOD).await;
    gateway.advance(Duration::from_secs(30));
    let mut second = gateway.visitor();
    assert_eq!(second.sign_in(ADA, GOOD).await.location(), "/login/factor");
    assert!(!second.cookies.contains_key(COOKIE), "the password alone makes no browser known");
    let csrf = second.get("/login/factor").await.field("csrf");
    second.post("/login/factor", &[("code", &app.code(&gateway)), ("csrf", &csrf)]).await;
    assert!(second.cookies.contains_key(COOKIE));
}

#[tokio::test]
async fn the_manuals_preset_knows_no_browsers() {
    let gateway = with_two("[lockout]\npreset = \"clearvantage\"").await;
    let ada = known(&gateway, ADA).await;
    assert!(!ada.cookies.contains_key(COOKIE));
    for _ in 0..3 {
        gateway.visitor().sign_in(ADA, "wrong").await;
    }
    assert!(!gets_in(&ada, ADA).await);
    // Neither does one that was known before the preset was chosen.
    let before = with_two("").await;
    let mut ada = gateway.visitor();
    ada.cookies.insert(COOKIE.to_owned(), known(&before, ADA).await.cookies[COOKIE].clone());
    assert!(!gets_in(&ada, ADA).await);
}

#[tokio::test]
async fn a_browser_stays_itself_for_several_accounts_and_is_forgotten_after_ninety_days() {
    let gateway = with_two("").await;
    let mut shared = known(&gateway, ADA).await;
    let first = shared.cookies[COOKIE].clone();
    shared.sign_in(BOB, GOOD).await;
    shared.cookies.remove("cleargate");
    assert_eq!(shared.cookies[COOKIE], first);
    gateway.advance(89 * DAY);
    assert!(gets_in(&shared, BOB).await, "which lets bob's account know it for longer");
    gateway.advance(2 * DAY);
    for name in [ADA, BOB] {
        guess(&mut gateway.visitor(), name).await;
    }
    assert!(!gets_in(&shared, ADA).await && gets_in(&shared, BOB).await);
}

#[tokio::test]
async fn an_account_knows_the_twenty_browsers_that_were_used_last() {
    let gateway = with_two("[limits]\nsign_in = \"9999/1m\"\nsign_in_account = \"9999/1m\"").await;
    let first = known(&gateway, ADA).await;
    let second = known(&gateway, ADA).await;
    for _ in 0..18 {
        known(&gateway, ADA).await;
    }
    assert!(gets_in(&first, ADA).await, "used again: the second is the oldest now");
    known(&gateway, ADA).await;
    let user = gateway.gateway.directory().find_user_by_name(ADA).await.unwrap().unwrap();
    assert_eq!(gateway.gateway.lockout().devices(user.id).await.unwrap().len(), 20);
    guess(&mut gateway.visitor(), ADA).await;
    assert!(gets_in(&first, ADA).await && !gets_in(&second, ADA).await);
}

#[tokio::test]
async fn people_see_their_browsers_and_forget_one() {
    let gateway = with_two("").await;
    let other = known(&gateway, ADA).await;
    let mut here = gateway.visitor();
    here.headers.insert("user-agent", "<b>Firefox</b>".parse().unwrap());
    here.sign_in(ADA, GOOD).await;
    let bob = known(&gateway, BOB).await;
    let page = here.get("/account/devices").await;
    assert_eq!(page.text.matches("This browser").count(), 1, "{}", page.text);
    assert!(page.text.contains("&lt;b&gt;Firefox") && page.text.matches("name=\"id\"").count() == 2, "{}", page.text);
    let csrf = page.field("csrf");
    let id = |browser: &Visitor| browser.cookies[COOKIE].split_once('.').unwrap().0.to_owned();
    let forget = async |browser: &mut Visitor, id: &str, csrf: &str| {
        browser.post("/account/devices/forget", &[("csrf", csrf), ("id", id)]).await.status
    };
    assert_eq!(forget(&mut here, &id(&other), "x").await, StatusCode::FORBIDDEN);
    for id in [id(&bob), "nonsense".to_owned(), id(&other)] {
        assert_eq!(forget(&mut here, &id, &csrf).await, StatusCode::SEE_OTHER);
    }
    for name in [ADA, BOB] {
        guess(&mut gateway.visitor(), name).await;
    }
    assert!(!gets_in(&other, ADA).await && gets_in(&bob, BOB).await && gets_in(&here, ADA).await);
}

#[tokio::test]
async fn a_password_that_is_set_anew_ends_the_locks_of_strangers_and_of_known_browsers() {
    let gateway = with_two("").await;
    let mut ada = known(&gateway, ADA).await;
    guess(&mut ada, ADA).await;
    guess(&mut gateway.visitor(), ADA).await;
    assert!(!gets_in(&ada, ADA).await && !gets_in(&gateway.visitor(), ADA).await);
    let user = gateway.gateway.directory().find_user_by_name(ADA).await.unwrap().unwrap();
    let mut change = gateway.gateway.ledger().change();
    gateway.gateway.lockout().forget_attempts_in(&mut change, user.id);
    let event = gateway.task().event(gateway.clock.clock().now(), cleargate::audit::EventKind::PasswordSet);
    change.commit(event).await.unwrap();
    assert!(gets_in(&ada, ADA).await && gets_in(&gateway.visitor(), ADA).await);
}

#[tokio::test]
async fn a_sign_in_from_a_browser_that_is_new_is_told_by_mail_and_the_first_one_is_not() {
    let server = MailServer::plain().await;
    let gateway = with_two(&server.lines()).await;
    let sent = async || {
        gateway.gateway.outbox().round(None).await.unwrap();
        server.mails().len()
    };
    let first = known(&gateway, ADA).await;
    assert_eq!(sent().await, 0, "nothing is to be compared with");
    assert!(gets_in(&first, ADA).await);
    assert_eq!(sent().await, 0, "it is known");
    assert!(gets_in(&gateway.visitor(), ADA).await);
    assert_eq!(sent().await, 1);
    let mail = &server.mails()[0];
    assert_eq!((mail.to[0].as_str(), mail.header("Subject").as_str()), (ADA, "A sign-in from a new browser"));
    assert!(!gets_in(&gateway.visitor(), "nobody@example.org").await);
    gateway.visitor().sign_in(ADA, "wrong").await;
    assert_eq!(sent().await, 1, "who does not get in is no news");
}
