//! Second factors: asked for after the first proof, used once, counted on their own, set up on the way in.

use std::time::Duration;

use cleargate::audit::{Event, EventKind};
use cleargate::clock::Timestamp;
use cleargate::model::{Level, Status};
use cleargate::secret::Secret;
use cleargate::store::{self, Range};
use http::{HeaderValue, StatusCode};

use super::provider::Stage;
use crate::support::authenticator::{App, enrol, recovery_codes};
use crate::support::bench::holds;
use crate::support::gateway::{Reply, TestGateway, Visitor};

const ADA: &str = "ada@example.org";
const GOOD: &str = "violet anchor under seven bridges";
const STEP: Duration = Duration::from_secs(30);

/// Somebody with a password and an app, and no open browser.
async fn with_app(lines: &str) -> (TestGateway, App, Vec<String>) {
    let gateway = TestGateway::with(lines).await;
    gateway.user(ADA, Some(GOOD)).await;
    let mut browser = gateway.visitor();
    assert_eq!(browser.sign_in(ADA, GOOD).await.location(), "/");
    let (app, codes) = enrol(&gateway, &mut browser, GOOD).await;
    gateway.advance(STEP);
    (gateway, app, codes)
}

/// A browser that has shown the password and is asked for the factor.
async fn asked(gateway: &TestGateway) -> (Visitor, String) {
    let mut browser = gateway.visitor();
    let reply = browser.sign_in(ADA, GOOD).await;
    assert_eq!((reply.status, reply.location()), (StatusCode::SEE_OTHER, "/login/factor"), "{}", reply.text);
    let csrf = browser.get("/login/factor").await.field("csrf");
    (browser, csrf)
}

async fn show(browser: &mut Visitor, csrf: &str, code: &str) -> Reply {
    browser.post("/login/factor", &[("code", code), ("csrf", csrf)]).await
}

async fn events(gateway: &TestGateway, kind: EventKind) -> Vec<Event> {
    let rows = gateway.gateway.ledger().store().engine().log(0, 10_000).await.unwrap();
    let events = rows.iter().map(|row| store::decode::<Event>("log", &row.body).unwrap());
    events.filter(|event| event.kind == kind).collect()
}

/// Every byte that is stored, keys, values and events alike.
async fn everything(gateway: &TestGateway) -> Vec<u8> {
    let engine = gateway.gateway.ledger().store().engine();
    let rows = engine.range(Range::prefix(Vec::new(), 10_000)).await.unwrap();
    let mut bytes: Vec<u8> = rows.into_iter().flat_map(|(key, stored)| [key, stored.value].concat()).collect();
    bytes.extend(engine.log(0, 10_000).await.unwrap().into_iter().flat_map(|row| row.body));
    bytes
}

#[tokio::test]
async fn who_has_a_factor_is_asked_for_it_after_the_password_and_has_no_session_before() {
    let (gateway, app, _) = with_app("").await;
    let (mut browser, csrf) = asked(&gateway).await;
    assert_eq!(browser.get("/").await.location(), "/login", "the password alone opens nothing");
    assert_eq!(browser.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
    let reply = show(&mut browser, &csrf, &app.code(&gateway)).await;
    assert_eq!((reply.status, reply.location()), (StatusCode::SEE_OTHER, "/"), "{}", reply.text);
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
    let user = gateway.gateway.directory().find_user_by_name(ADA).await.unwrap().unwrap();
    let sessions = gateway.gateway.sessions().list(user.id).await.unwrap();
    let last = sessions.last().unwrap();
    assert_eq!(last.presence.level, Level::Two);
    assert_eq!(last.presence.factor_at, Some(gateway.clock.clock().now()));
    let opened = events(&gateway, EventKind::SessionCreated).await;
    assert!(opened.last().unwrap().details.contains(&("factor".to_owned(), "code".to_owned())));
}

#[tokio::test]
async fn a_code_is_taken_once_and_none_older_after_it() {
    let (gateway, app, _) = with_app("").await;
    let code = app.code(&gateway);
    let older = app.code_at(gateway.clock.clock().now().minus(STEP));
    let (mut first, csrf) = asked(&gateway).await;
    assert_eq!(show(&mut first, &csrf, &code).await.location(), "/");
    let (mut second, csrf) = asked(&gateway).await;
    for used in [&code, &older] {
        assert_eq!(show(&mut second, &csrf, used).await.status, StatusCode::UNAUTHORIZED, "{used}");
    }
    gateway.advance(STEP);
    assert_eq!(show(&mut second, &csrf, &app.code(&gateway)).await.location(), "/");
}

#[tokio::test]
async fn a_code_works_one_step_early_and_late_and_not_two() {
    let (gateway, app, _) = with_app("").await;
    gateway.advance(10 * STEP);
    let at = |steps: i64| Timestamp::from_seconds(gateway.clock.clock().now().as_seconds() + steps * 30);
    for (steps, is_good) in [(-2, false), (2, false), (-1, true), (0, true), (1, true)] {
        let (mut browser, csrf) = asked(&gateway).await;
        let reply = show(&mut browser, &csrf, &app.code_at(at(steps))).await;
        assert_eq!(reply.location() == "/", is_good, "{steps}");
    }
}

#[tokio::test]
async fn of_two_browsers_with_one_code_one_gets_in() {
    let (gateway, app, _) = with_app("").await;
    for _ in 0..4 {
        gateway.advance(STEP);
        let code = app.code(&gateway);
        let ((mut one, one_csrf), (mut two, two_csrf)) = (asked(&gateway).await, asked(&gateway).await);
        let (one, two) = tokio::join!(show(&mut one, &one_csrf, &code), show(&mut two, &two_csrf, &code));
        let mut seen = [one.status.as_u16(), two.status.as_u16()];
        seen.sort_unstable();
        assert_eq!(seen, [303, 401], "{} {}", one.text, two.text);
    }
}

#[tokio::test]
async fn the_code_of_another_account_is_worth_nothing() {
    let (gateway, app, codes) = with_app("").await;
    gateway.user("grace@example.org", Some(GOOD)).await;
    let mut browser = gateway.visitor();
    browser.sign_in("grace@example.org", GOOD).await;
    let (own, _) = enrol(&gateway, &mut browser, GOOD).await;
    gateway.advance(STEP);
    let mut browser = gateway.visitor();
    assert_eq!(browser.sign_in("grace@example.org", GOOD).await.location(), "/login/factor");
    let csrf = browser.get("/login/factor").await.field("csrf");
    for code in [app.code(&gateway), codes[0].clone()] {
        assert_eq!(show(&mut browser, &csrf, &code).await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(show(&mut browser, &csrf, &own.code(&gateway)).await.location(), "/");
    let (mut ada, csrf) = asked(&gateway).await;
    assert_eq!(show(&mut ada, &csrf, &codes[0]).await.location(), "/", "nobody else used it up");
}

#[tokio::test]
async fn no_other_page_leads_past_the_factor() {
    let (gateway, app, _) = with_app("").await;
    let (browser, csrf) = asked(&gateway).await;
    let new = "nine lanterns along a quiet harbour";
    let code = app.code(&gateway);
    for (path, fields) in [
        ("/login/change-password", vec![("new", new), ("again", new), ("csrf", csrf.as_str())]),
        ("/login/enrol", vec![("code", code.as_str()), ("offer", "x"), ("csrf", csrf.as_str())]),
        ("/login/step-up", vec![("code", code.as_str()), ("csrf", csrf.as_str())]),
        ("/account/factors/add", vec![("password", GOOD), ("csrf", csrf.as_str())]),
        ("/login/factor", vec![("code", ""), ("csrf", csrf.as_str())]),
    ] {
        let mut tried = browser.clone();
        let reply = tried.post(path, &fields).await;
        assert_ne!(reply.location(), "/", "{path}");
        assert!(!tried.cookies.contains_key("cleargate"), "{path}: {}", reply.text);
        assert_eq!(tried.get("/").await.location(), "/login", "{path}");
    }
    let mut stranger = gateway.visitor();
    assert_eq!(show(&mut stranger, &csrf, &code).await.status, StatusCode::FORBIDDEN, "another browser");
    let mut foreign = browser.clone();
    foreign.headers.insert("origin", HeaderValue::from_static("https://evil.example"));
    assert_eq!(show(&mut foreign, &csrf, &code).await.status, StatusCode::FORBIDDEN, "another site");
    let mut browser = browser;
    assert_eq!(show(&mut browser, &csrf, &code).await.location(), "/", "none of it used the code up");
}

#[tokio::test]
async fn a_temporary_password_is_changed_after_the_factor_was_shown() {
    let (gateway, app, _) = with_app("").await;
    let ada = gateway.gateway.directory().find_user_by_name(ADA).await.unwrap().unwrap();
    let given = Secret::new("seven otters in a wooden boat".to_owned());
    gateway.gateway.credentials().set(&gateway.task(), &ada, &given, true).await.unwrap();
    let mut browser = gateway.visitor();
    assert_eq!(browser.sign_in(ADA, given.expose()).await.location(), "/login/factor");
    assert_eq!(browser.get("/login/change-password").await.location(), "/login/factor");
    let csrf = browser.get("/login/factor").await.field("csrf");
    assert_eq!(show(&mut browser, &csrf, &app.code(&gateway)).await.location(), "/login/change-password");
    let csrf = browser.get("/login/change-password").await.field("csrf");
    let fields = [("new", GOOD), ("again", GOOD), ("csrf", csrf.as_str())];
    assert_eq!(browser.post("/login/change-password", &fields).await.location(), "/");
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_recovery_code_works_once_in_place_of_the_app_and_is_told() {
    let (gateway, _, codes) = with_app("").await;
    assert_eq!(codes.len(), 10);
    let (mut browser, csrf) = asked(&gateway).await;
    let typed = codes[3].to_lowercase().replace('-', " ");
    assert_eq!(show(&mut browser, &csrf, &typed).await.location(), "/");
    let (mut again, csrf) = asked(&gateway).await;
    assert_eq!(show(&mut again, &csrf, &codes[3]).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(show(&mut again, &csrf, &codes[4]).await.location(), "/");
    let used = events(&gateway, EventKind::FactorUsed).await;
    assert_eq!(used.len(), 2);
    assert!(used[1].details.contains(&("left".to_owned(), "8".to_owned())), "{:?}", used[1]);
}

#[tokio::test]
async fn five_wrong_codes_end_the_sign_in() {
    let (gateway, app, _) = with_app("").await;
    let (mut browser, csrf) = asked(&gateway).await;
    let wrong = app.wrong(&gateway);
    for _ in 0..4 {
        assert_eq!(show(&mut browser, &csrf, &wrong).await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(show(&mut browser, &csrf, &wrong).await.status, StatusCode::FORBIDDEN);
    assert_eq!(show(&mut browser, &csrf, &app.code(&gateway)).await.status, StatusCode::FORBIDDEN, "it is over");
    assert_eq!(browser.get("/login/factor").await.location(), "/login");
    let (mut fresh, csrf) = asked(&gateway).await;
    assert_eq!(show(&mut fresh, &csrf, &app.code(&gateway)).await.location(), "/");
    assert_eq!(events(&gateway, EventKind::FactorFailed).await.len(), 5);
}

#[tokio::test]
async fn a_locked_factor_locks_no_password_and_a_locked_password_no_factor() {
    let (gateway, app, codes) = with_app("[lockout]\npreset = \"clearvantage\"").await;
    let ada = gateway.gateway.directory().find_user_by_name(ADA).await.unwrap().unwrap();
    let (mut waiting, waiting_csrf) = asked(&gateway).await;
    let (mut browser, csrf) = asked(&gateway).await;
    for _ in 0..3 {
        let wrong = app.wrong(&gateway);
        assert_eq!(show(&mut browser, &csrf, &wrong).await.status, StatusCode::UNAUTHORIZED);
    }
    // The right password neither fails nor forgives.
    let (mut other, other_csrf) = asked(&gateway).await;
    let locked = show(&mut other, &other_csrf, &app.code(&gateway)).await;
    assert_eq!(locked.status, StatusCode::UNAUTHORIZED, "another sign-in has no further tries");
    assert_eq!(show(&mut other, &other_csrf, &codes[0]).await.status, StatusCode::UNAUTHORIZED);
    let locks = gateway.gateway.lockout().list(None, 10).await.unwrap();
    assert!(matches!(&locks[..], [(id, locks)] if *id == ada.id && locks.password.is_none() && locks.factor.is_some()));
    gateway.gateway.lockout().clear(&gateway.task(), ada.id, &ada.user_name).await.unwrap();
    gateway.advance(STEP);
    assert_eq!(show(&mut other, &other_csrf, &app.code(&gateway)).await.location(), "/");
    for _ in 0..3 {
        assert_eq!(gateway.visitor().sign_in(ADA, "wrong").await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(gateway.visitor().sign_in(ADA, GOOD).await.status, StatusCode::UNAUTHORIZED, "the password is locked");
    gateway.advance(STEP);
    assert_eq!(show(&mut waiting, &waiting_csrf, &app.code(&gateway)).await.location(), "/", "the factor is not");
}

#[tokio::test]
async fn who_must_have_a_factor_and_has_none_sets_it_up_on_the_way_in() {
    let gateway = TestGateway::with("[factors]\nrequired = true").await;
    gateway.user(ADA, Some(GOOD)).await;
    let mut browser = gateway.visitor();
    assert_eq!(browser.sign_in(ADA, GOOD).await.location(), "/login/enrol");
    assert_eq!(browser.get("/").await.location(), "/login", "there is no session yet");
    let page = browser.get("/login/enrol").await;
    assert!(page.text.contains("<svg") && page.text.contains("M4,4h1v1h-1z"), "{}", page.text);
    let app = App::scan(&page);
    let send = |code: &str, offer: &str| {
        [("code", code.to_owned()), ("offer", offer.to_owned()), ("csrf", page.field("csrf"))]
    };
    let post = async |browser: &mut Visitor, fields: [(&str, String); 3]| {
        browser.post("/login/enrol", &fields.each_ref().map(|(name, value)| (*name, value.as_str()))).await
    };
    let offer = page.field("offer");
    let unconfirmed = post(&mut browser, send(&app.wrong(&gateway), &offer)).await;
    assert_eq!(unconfirmed.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(App::scan(&unconfirmed).0, app.0, "the seed that was scanned stays the one that is offered");
    let mut second = gateway.visitor();
    second.sign_in(ADA, GOOD).await;
    let other = second.get("/login/enrol").await;
    assert_ne!(App::scan(&other).0, app.0, "each sign-in is offered a seed of its own");
    let (code, other_csrf) = (app.code(&gateway), other.field("csrf"));
    let fields = [("code", code.as_str()), ("offer", offer.as_str()), ("csrf", other_csrf.as_str())];
    let moved = second.post("/login/enrol", &fields).await;
    assert_eq!(moved.status, StatusCode::FORBIDDEN, "an offer of another sign-in");
    let done = post(&mut browser, send(&app.code(&gateway), &offer)).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.text);
    let codes = recovery_codes(&done);
    assert_eq!(codes.len(), 10);
    assert_eq!(browser.get("/").await.status, StatusCode::OK, "the sign-in is done");
    // The code that confirmed is used up, and the one who enrols later finds an enrolled account.
    let late = second.get("/login/factor").await;
    let code = app.code(&gateway);
    assert_eq!(show(&mut second, &late.field("csrf"), &code).await.status, StatusCode::UNAUTHORIZED);
    gateway.advance(STEP);
    assert_eq!(show(&mut second, &late.field("csrf"), &app.code(&gateway)).await.location(), "/");
    let (mut third, csrf) = asked(&gateway).await;
    assert_eq!(show(&mut third, &csrf, &codes[9]).await.location(), "/");
    assert_eq!(events(&gateway, EventKind::FactorEnrolled).await.len(), 1);
}

#[tokio::test]
async fn five_wrong_codes_end_the_setting_up_too() {
    let gateway = TestGateway::with("[factors]\nrequired = true").await;
    gateway.user(ADA, Some(GOOD)).await;
    let mut browser = gateway.visitor();
    browser.sign_in(ADA, GOOD).await;
    let page = browser.get("/login/enrol").await;
    let app = App::scan(&page);
    let (offer, csrf) = (page.field("offer"), page.field("csrf"));
    for round in 1..=5 {
        let wrong = app.wrong(&gateway);
        let fields = [("code", wrong.as_str()), ("offer", &offer), ("csrf", &csrf)];
        let status = browser.post("/login/enrol", &fields).await.status;
        assert_eq!(status, if round < 5 { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::FORBIDDEN });
    }
    let code = app.code(&gateway);
    let fields = [("code", code.as_str()), ("offer", &offer), ("csrf", &csrf)];
    assert_eq!(browser.post("/login/enrol", &fields).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_providers_word_is_followed_by_the_factor_unless_the_provider_is_trusted_with_it() {
    const CONNECTORS: &str = "[factors]\nrequired = true\n[[saml]]\nid = \"entra\"\nmetadata = { file = \"entra.xml\" }\n\
                              [[saml]]\nid = \"okta\"\nmetadata = { file = \"okta.xml\" }\nfactors = \"trusted\"";
    let stage = Stage::with(CONNECTORS, &["entra", "okta"]).await;
    let mut browser = stage.gateway.visitor();
    let reply = stage.sign_in_by("entra", &mut browser, "ada", &[]).await;
    assert_eq!(reply.location(), "/login/enrol");
    let mut trusted = stage.gateway.visitor();
    assert_eq!(stage.sign_in_by("okta", &mut trusted, "grace", &[]).await.location(), "/");
    let grace = stage.find("grace").await.unwrap();
    let sessions = stage.gateway.gateway.sessions().list(grace.id).await.unwrap();
    assert_eq!(sessions[0].presence.level, Level::Two);
}

#[tokio::test]
async fn neither_store_nor_ledger_holds_a_seed_or_a_code() {
    let (gateway, app, codes) = with_app("").await;
    let (mut browser, csrf) = asked(&gateway).await;
    let code = app.code(&gateway);
    show(&mut browser, &csrf, &code).await;
    let (mut other, csrf) = asked(&gateway).await;
    show(&mut other, &csrf, &codes[1]).await;
    show(&mut other, &csrf, "999999").await;
    let bytes = everything(&gateway).await;
    assert!(holds(&bytes, ADA), "the search finds what is there");
    assert!(!bytes.windows(app.0.len()).any(|window| window == app.0), "the seed");
    for text in codes.iter().chain([&code]) {
        for spelling in [text.clone(), text.replace('-', "")] {
            assert!(!holds(&bytes, &spelling), "{spelling}");
        }
    }
}

#[tokio::test]
async fn people_set_up_renew_and_remove_their_own_factor_with_a_proof_of_this_moment() {
    let gateway = TestGateway::new().await;
    gateway.user(ADA, Some(GOOD)).await;
    let (mut here, mut there) = (gateway.visitor(), gateway.visitor());
    here.sign_in(ADA, GOOD).await;
    there.sign_in(ADA, GOOD).await;
    let csrf = here.get("/account/factors").await.field("csrf");
    let wrong = here.post("/account/factors/add", &[("csrf", &csrf), ("password", "wrong")]).await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert!(!wrong.text.contains("<svg"));
    let mut stolen = here.clone();
    let (app, codes) = enrol(&gateway, &mut here, GOOD).await;
    assert_eq!(here.get("/").await.status, StatusCode::OK, "this browser stays, under a new secret");
    assert_eq!(stolen.get("/").await.location(), "/login");
    assert_eq!(there.get("/").await.location(), "/login");
    gateway.advance(STEP);
    let csrf = here.get("/account/factors").await.field("csrf");
    let twice = here.post("/account/factors/add", &[("csrf", &csrf), ("password", GOOD)]).await;
    assert_eq!(twice.status, StatusCode::UNAUTHORIZED, "one app at a time");
    let wrong = app.wrong(&gateway);
    let fields = [("csrf", csrf.as_str()), ("code", wrong.as_str()), ("do", "remove")];
    assert_eq!(here.post("/account/factors/change", &fields).await.status, StatusCode::UNAUTHORIZED);
    let code = app.code(&gateway);
    let fields = [("csrf", csrf.as_str()), ("code", code.as_str()), ("do", "recovery-codes")];
    let renewed = recovery_codes(&here.post("/account/factors/change", &fields).await);
    assert!(renewed.len() == 10 && renewed.iter().all(|code| !codes.contains(code)));
    let csrf = here.get("/account/factors").await.field("csrf");
    let fields = [("csrf", csrf.as_str()), ("code", codes[0].as_str()), ("do", "remove")];
    assert_eq!(here.post("/account/factors/change", &fields).await.status, StatusCode::UNAUTHORIZED, "an old code");
    let fields = [("csrf", csrf.as_str()), ("code", renewed[0].as_str()), ("do", "remove")];
    assert_eq!(here.post("/account/factors/change", &fields).await.location(), "/account/factors");
    assert!(here.get("/account/factors").await.text.contains("You have none"));
    assert_eq!(gateway.visitor().sign_in(ADA, GOOD).await.location(), "/", "the password is enough again");
    for kind in [EventKind::FactorEnrolled, EventKind::RecoveryCodesCreated, EventKind::FactorRemoved] {
        assert_eq!(events(&gateway, kind).await.len(), 1, "{kind:?}");
    }
}

#[tokio::test]
async fn who_has_no_password_sets_up_a_factor_right_after_the_sign_in_only() {
    let gateway = TestGateway::new().await;
    let ada = gateway.user(ADA, None).await;
    let mut browser = gateway.visitor();
    let link = gateway.gateway.login().one_time_link(&gateway.task(), &ada).await.unwrap();
    let page = browser.get(link.expose()).await;
    browser.post("/login/link", &[("token", &page.field("token")), ("csrf", &page.field("csrf"))]).await;
    let csrf = browser.get("/account/factors").await.field("csrf");
    let mut late = browser.clone();
    assert!(browser.post("/account/factors/add", &[("csrf", &csrf)]).await.text.contains("<svg"));
    gateway.advance(Duration::from_secs(601));
    assert_eq!(late.post("/account/factors/add", &[("csrf", &csrf)]).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn showing_the_factor_again_gives_the_session_a_new_secret() {
    let (gateway, app, _) = with_app("").await;
    let (mut browser, csrf) = asked(&gateway).await;
    show(&mut browser, &csrf, &app.code(&gateway)).await;
    gateway.advance(Duration::from_secs(20 * 60));
    let mut old = browser.clone();
    let page = browser.get("/login/step-up?return_to=%2Faccount%2Fpassword").await;
    let (csrf, return_to) = (page.field("csrf"), page.field("return_to"));
    assert_eq!(return_to, "/account/password");
    let wrong = app.wrong(&gateway);
    let fields = [("csrf", csrf.as_str()), ("code", wrong.as_str()), ("return_to", return_to.as_str())];
    assert_eq!(browser.post("/login/step-up", &fields).await.status, StatusCode::UNAUTHORIZED);
    let code = app.code(&gateway);
    let fields = [("csrf", csrf.as_str()), ("code", code.as_str()), ("return_to", return_to.as_str())];
    assert_eq!(browser.post("/login/step-up", &fields).await.location(), "/account/password");
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
    assert_eq!(old.get("/").await.location(), "/login", "the old secret is nobody's");
    let fields = [("csrf", csrf.as_str()), ("code", code.as_str()), ("return_to", "https://evil.example/")];
    assert_eq!(
        browser.post("/login/step-up", &fields).await.status,
        StatusCode::FORBIDDEN,
        "a form of another session"
    );
}

#[tokio::test]
async fn a_deleted_account_leaves_no_factor() {
    let (gateway, _, _) = with_app("").await;
    let directory = gateway.gateway.directory();
    let ada = directory.find_user_by_name(ADA).await.unwrap().unwrap();
    directory.delete_user(&gateway.task(), ada.id, None).await.unwrap();
    assert!(!gateway.gateway.factors().enrolled(ada.id).await.unwrap().is_any());
    assert_eq!(gateway.gateway.factors().enrolled(ada.id).await.unwrap().recovery_codes, 0);
    let again = gateway.user(ADA, Some(GOOD)).await;
    assert_eq!((again.status, gateway.visitor().sign_in(ADA, GOOD).await.location()), (Status::Active, "/"));
}

#[tokio::test]
async fn who_removes_a_factor_that_is_demanded_is_signed_out() {
    let (gateway, app, _) = with_app("").await;
    let ada = gateway.gateway.directory().find_user_by_name(ADA).await.unwrap().unwrap();
    gateway.gateway.factors().demand(&gateway.task(), &ada, Some(true), None).await.unwrap();
    let (mut browser, csrf) = asked(&gateway).await;
    assert_eq!(show(&mut browser, &csrf, &app.code(&gateway)).await.location(), "/");
    gateway.advance(STEP);
    let csrf = browser.get("/account/factors").await.field("csrf");
    let code = app.code(&gateway);
    let fields = [("csrf", csrf.as_str()), ("code", code.as_str()), ("do", "remove")];
    let reply = browser.post("/account/factors/change", &fields).await;
    assert_eq!(reply.location(), "/login?return_to=%2Faccount%2Ffactors", "{}", reply.text);
    assert_eq!(browser.get("/").await.location(), "/login");
    let reply = browser.sign_in(ADA, GOOD).await;
    assert_ne!(reply.location(), "/", "another one is set up before anything else");
    assert_eq!(events(&gateway, EventKind::FactorRemoved).await.len(), 1);
}
