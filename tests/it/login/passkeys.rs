//! Passkeys: made, shown instead of a password and after one, and refused whatever is wrong with them.

mod ended;
mod hostile;
mod strangers;

use std::collections::BTreeMap;
use std::time::Duration;

use aws_lc_rs::rsa::KeySize;
use axum::body::Body;
use cleargate::access::{Bound, NewGrant};
use cleargate::audit::{Event, EventKind};
use cleargate::model::{Level, Subject};
use cleargate::session::Method;
use cleargate::store;
use http::{HeaderValue, Method as HttpMethod, StatusCode, header};
use serde_json::{Value, json};

use crate::support::authenticator::{App, enrol, recovery_codes};
use crate::support::gateway::{Reply, TestGateway, Visitor};
use crate::support::security_key::{SecurityKey, VERIFIED};

const ADA: &str = "ada@example.org";
const GRACE: &str = "grace@example.org";
const GOOD: &str = "violet anchor under seven bridges";
/// Where the gateway is: a name, since browsers make no passkeys for addresses.
const ADDRESS: &str = "http://localhost:8080";
const STEP: Duration = Duration::from_secs(30);

async fn gateway(lines: &str) -> TestGateway {
    let gateway = TestGateway::at(ADDRESS, lines, &[]).await;
    gateway.user(ADA, Some(GOOD)).await;
    gateway
}

/// A browser that says where its pages come from, as browsers do.
fn visitor(gateway: &TestGateway) -> Visitor {
    let mut browser = gateway.visitor();
    browser.headers.insert(header::ORIGIN, HeaderValue::from_static(ADDRESS));
    browser
}

async fn signed_in(gateway: &TestGateway, name: &str) -> Visitor {
    let mut browser = visitor(gateway);
    assert_eq!(browser.sign_in(name, GOOD).await.location(), "/");
    browser
}

/// Asks as the script does.
async fn ask(browser: &mut Visitor, path: &str, question: &Value) -> Reply {
    let body = Body::from(question.to_string());
    browser.send(HttpMethod::POST, path, Some("application/json"), body).await
}

async fn asked(browser: &mut Visitor, path: &str, question: &Value) -> Value {
    let reply = ask(browser, path, question).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    reply.json()["publicKey"].clone()
}

/// What the sign-in page asks a browser for, and the value of its form.
async fn asked_to_sign_in(browser: &mut Visitor) -> (Value, String) {
    let csrf = browser.get("/login?return_to=/").await.field("csrf");
    (asked(browser, "/login/passkey/options", &json!({ "for": "sign-in", "csrf": csrf })).await, csrf)
}

async fn send(browser: &mut Visitor, csrf: &str, credential: &str) -> Reply {
    browser.post("/login/passkey", &[("csrf", csrf), ("credential", credential), ("return_to", "/")]).await
}

async fn sign_in_by(browser: &mut Visitor, key: &SecurityKey) -> Reply {
    let (options, csrf) = asked_to_sign_in(browser).await;
    let credential = key.get(&options);
    send(browser, &csrf, &credential).await
}

/// What the account's own page asks a browser for to make a passkey, and the value of its form.
async fn asked_to_add(browser: &mut Visitor) -> (Value, String) {
    let csrf = browser.get("/account/factors").await.field("csrf");
    let question = json!({ "for": "add", "csrf": csrf, "password": GOOD });
    (asked(browser, "/account/passkeys/options", &question).await, csrf)
}

async fn add(browser: &mut Visitor, key: &SecurityKey, name: &str) -> Reply {
    let (options, csrf) = asked_to_add(browser).await;
    let credential = key.create(&options);
    browser.post("/account/passkeys/add", &[("csrf", &csrf), ("name", name), ("credential", &credential)]).await
}

/// Somebody with a passkey, and no open browser.
async fn with_passkey(lines: &str) -> (TestGateway, SecurityKey) {
    let gateway = gateway(lines).await;
    let (mut browser, key) = (signed_in(&gateway, ADA).await, SecurityKey::es256(ADDRESS));
    assert_eq!(add(&mut browser, &key, "blue key").await.status, StatusCode::OK);
    (gateway, key)
}

/// A browser that has shown the password and is asked for the factor, with what it is asked for.
async fn asked_for_factor(gateway: &TestGateway, name: &str) -> (Visitor, Value, String) {
    let mut browser = visitor(gateway);
    assert_eq!(browser.sign_in(name, GOOD).await.location(), "/login/factor");
    let csrf = browser.get("/login/factor").await.field("csrf");
    let options = asked(&mut browser, "/login/passkey/options", &json!({ "for": "factor", "csrf": csrf })).await;
    (browser, options, csrf)
}

async fn show(browser: &mut Visitor, csrf: &str, credential: &str) -> Reply {
    browser.post("/login/factor", &[("credential", credential), ("csrf", csrf)]).await
}

async fn events(gateway: &TestGateway, kind: EventKind) -> Vec<Event> {
    let rows = gateway.gateway.ledger().store().engine().log(0, 10_000).await.unwrap();
    let events = rows.iter().map(|row| store::decode::<Event>("log", &row.body).unwrap());
    events.filter(|event| event.kind == kind).collect()
}

fn says(event: &Event, name: &str, value: &str) -> bool {
    event.details.contains(&(name.to_owned(), value.to_owned()))
}

#[tokio::test]
async fn a_passkey_of_each_kind_signs_in_without_a_password_and_counts_as_two() {
    let gateway = gateway("[factors]\nrequired = true").await;
    let kinds = [
        SecurityKey::es256(ADDRESS),
        SecurityKey::ed25519(ADDRESS),
        SecurityKey::rs256(ADDRESS, KeySize::Rsa2048),
        SecurityKey::rs256(ADDRESS, KeySize::Rsa4096),
        SecurityKey::synced(ADDRESS),
    ];
    for (number, key) in kinds.iter().enumerate() {
        let name = format!("person{number}@example.org");
        let user = gateway.user(&name, Some(GOOD)).await;
        let mut browser = visitor(&gateway);
        assert_eq!(browser.sign_in(&name, GOOD).await.location(), "/login/enrol");
        let csrf = browser.get("/login/enrol").await.field("csrf");
        let options = asked(&mut browser, "/login/passkey/options", &json!({ "for": "enrol", "csrf": csrf })).await;
        let credential = key.create(&options);
        let done = browser.post("/login/enrol", &[("csrf", &csrf), ("credential", &credential)]).await;
        assert_eq!(done.status, StatusCode::OK, "{}", done.text);
        assert_eq!(recovery_codes(&done).len(), 10);
        assert_eq!(browser.get("/").await.status, StatusCode::OK, "the sign-in is done");
        for _ in 0..2 {
            gateway.advance(STEP);
            let mut other = visitor(&gateway);
            assert_eq!(sign_in_by(&mut other, key).await.location(), "/", "{name}");
            assert_eq!(other.get("/").await.status, StatusCode::OK);
        }
        let sessions = gateway.gateway.sessions().list(user.id).await.unwrap();
        let last = sessions.last().unwrap();
        assert_eq!((last.method, last.presence.level), (Method::Passkey, Level::Two));
        assert_eq!(last.presence.factor_at, Some(gateway.clock.clock().now()));
        gateway.advance(STEP);
    }
    let opened = events(&gateway, EventKind::SessionCreated).await;
    let last = opened.last().unwrap();
    for (name, value) in [("connector", "passkey"), ("method", "passkey"), ("factor", "passkey")] {
        assert!(says(last, name, value), "{last:?}");
    }
    assert_eq!(events(&gateway, EventKind::FactorEnrolled).await.len(), kinds.len());
}

#[tokio::test]
async fn what_the_sign_in_page_asks_for_tells_nothing_of_anybody() {
    let (gateway, _) = with_passkey("").await;
    let mut browser = visitor(&gateway);
    let page = browser.get("/login?return_to=/").await;
    assert!(page.text.contains("Sign in with a passkey") && page.text.contains("username webauthn"));
    let csrf = page.field("csrf");
    for name in [ADA, "nobody@example.org", ""] {
        let question = json!({ "for": "sign-in", "csrf": csrf, "username": name });
        let mut options = asked(&mut browser, "/login/passkey/options", &question).await;
        let challenge = options["challenge"].take();
        assert!(challenge.as_str().unwrap().len() >= 43, "{challenge}");
        assert_eq!(
            options,
            json!({
                "rpId": "localhost", "challenge": null, "timeout": 300_000, "allowCredentials": [],
                "userVerification": "required",
            })
        );
    }
    let script = browser.get("/login/passkey.js").await;
    assert_eq!(script.headers[header::CONTENT_TYPE], "text/javascript; charset=utf-8");
}

#[tokio::test]
async fn a_passkey_is_a_second_factor_too_and_needs_not_verify_then() {
    let (gateway, mut key) = with_passkey("").await;
    let (mut browser, options, csrf) = asked_for_factor(&gateway, ADA).await;
    assert_eq!(options["userVerification"], "preferred");
    assert_eq!(options["allowCredentials"][0]["transports"], json!(["usb"]), "{options}");
    assert_eq!(browser.get("/").await.location(), "/login", "there is no session yet");
    key.flags &= !VERIFIED;
    assert_eq!(show(&mut browser, &csrf, &key.get(&options)).await.location(), "/");
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
    let opened = events(&gateway, EventKind::SessionCreated).await;
    assert!(says(opened.last().unwrap(), "factor", "passkey") && says(opened.last().unwrap(), "method", "password"));
    assert_eq!(
        sign_in_by(&mut visitor(&gateway), &key).await.status,
        StatusCode::UNAUTHORIZED,
        "alone it must verify who holds it"
    );
}

#[tokio::test]
async fn a_passkey_signs_in_while_the_password_is_locked_and_not_past_anything_else() {
    let (gateway, key) = with_passkey("[lockout]\npreset = \"clearvantage\"").await;
    for _ in 0..4 {
        assert_eq!(visitor(&gateway).sign_in(ADA, "wrong").await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(visitor(&gateway).sign_in(ADA, GOOD).await.status, StatusCode::UNAUTHORIZED, "it is locked");
    assert_eq!(sign_in_by(&mut visitor(&gateway), &key).await.location(), "/");
    let directory = gateway.gateway.directory();
    let ada = directory.find_user_by_name(ADA).await.unwrap().unwrap();
    directory.set_active(&gateway.task(), ada.id, false).await.unwrap();
    assert_eq!(sign_in_by(&mut visitor(&gateway), &key).await.status, StatusCode::UNAUTHORIZED);
    let failed = events(&gateway, EventKind::SignInFailed).await;
    assert!(says(failed.last().unwrap(), "rule", "inactive"), "{failed:?}");
    directory.set_active(&gateway.task(), ada.id, true).await.unwrap();
    assert_eq!(sign_in_by(&mut visitor(&gateway), &key).await.location(), "/");
    let access = gateway.gateway.access();
    for bound in [Bound::User(ada.id), Bound::Organisation] {
        let elsewhere = BTreeMap::from([(bound.clone(), vec!["203.0.113.0/24".parse().unwrap()])]);
        access.set_network_rules(&gateway.task(), None, &elsewhere).await.unwrap();
        assert_eq!(sign_in_by(&mut visitor(&gateway), &key).await.status, StatusCode::UNAUTHORIZED);
        access.set_network_rules(&gateway.task(), None, &BTreeMap::from([(bound, Vec::new())])).await.unwrap();
        assert_eq!(sign_in_by(&mut visitor(&gateway), &key).await.location(), "/");
    }
    let grant = NewGrant::new(Subject::User(ada.id), "no_access".parse().unwrap());
    access.grants().create(&gateway.task(), &access.roles(), grant).await.unwrap();
    assert_eq!(sign_in_by(&mut visitor(&gateway), &key).await.status, StatusCode::UNAUTHORIZED);
    let failed = events(&gateway, EventKind::SignInFailed).await;
    let rules = failed.iter().rev().take(3).map(|event| says(event, "rule", "network"));
    assert_eq!(rules.collect::<Vec<_>>(), [false, true, true], "{failed:?}");
    assert!(says(failed.last().unwrap(), "rule", "no-access"));
}

#[tokio::test]
async fn wrong_passkeys_lock_the_factors_and_no_password() {
    let (gateway, key) = with_passkey("[lockout]\npreset = \"clearvantage\"").await;
    let ada = gateway.gateway.directory().find_user_by_name(ADA).await.unwrap().unwrap();
    for _ in 0..3 {
        let (mut browser, options, csrf) = asked_for_factor(&gateway, ADA).await;
        let wrong = key.get_with(&options, |said| said.party = "example.org".to_owned());
        assert_eq!(show(&mut browser, &csrf, &wrong).await.status, StatusCode::UNAUTHORIZED);
    }
    let locks = gateway.gateway.lockout().list(None, 10).await.unwrap();
    assert!(matches!(&locks[..], [(id, locks)] if *id == ada.id && locks.password.is_none() && locks.factor.is_some()));
    let (mut browser, options, csrf) = asked_for_factor(&gateway, ADA).await;
    let locked = show(&mut browser, &csrf, &key.get(&options)).await;
    assert_eq!(locked.status, StatusCode::UNAUTHORIZED, "a right one is not looked at");
    gateway.gateway.lockout().clear(&gateway.task(), ada.id, &ada.user_name).await.unwrap();
    let options = asked(&mut browser, "/login/passkey/options", &json!({ "for": "factor", "csrf": csrf })).await;
    assert_eq!(show(&mut browser, &csrf, &key.get(&options)).await.location(), "/");
}

#[tokio::test]
async fn a_session_is_stepped_up_by_a_passkey() {
    let (gateway, key) = with_passkey("").await;
    let mut browser = visitor(&gateway);
    assert_eq!(sign_in_by(&mut browser, &key).await.location(), "/");
    gateway.advance(Duration::from_secs(20 * 60));
    let before = browser.cookies["cleargate"].clone();
    let csrf = browser.get("/login/step-up?return_to=/account/factors").await.field("csrf");
    let options = asked(&mut browser, "/login/passkey/options", &json!({ "for": "step-up", "csrf": csrf })).await;
    let fields =
        [("credential", key.get(&options)), ("csrf", csrf.clone()), ("return_to", "/account/factors".to_owned())];
    let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(browser.post("/login/step-up", &fields).await.location(), "/account/factors");
    assert_ne!(browser.cookies["cleargate"], before, "the session has a new secret");
    let used = events(&gateway, EventKind::FactorUsed).await;
    assert!(says(used.last().unwrap(), "factor", "passkey"));
    let page = browser.get("/account/factors").await;
    assert!(page.text.contains("Remove blue key"), "{}", page.text);
}

#[tokio::test]
async fn people_name_and_remove_their_passkeys_after_a_factor_of_a_short_time_ago_only() {
    let (gateway, key) = with_passkey("").await;
    let mut browser = visitor(&gateway);
    assert_eq!(sign_in_by(&mut browser, &key).await.location(), "/");
    let page = browser.get("/account/factors").await;
    let (id, csrf) = (page.field("id"), page.field("csrf"));
    let change = |what: &'static str, name: &'static str, csrf: &str| {
        [("csrf", csrf.to_owned()), ("id", id.clone()), ("do", what.to_owned()), ("name", name.to_owned())]
    };
    let post = async |browser: &mut Visitor, fields: [(&str, String); 4]| {
        let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
        browser.post("/account/passkeys/change", &fields).await
    };
    assert_eq!(post(&mut browser, change("rename", "<b>red</b>", &csrf)).await.location(), "/account/factors");
    let page = browser.get("/account/factors").await;
    assert!(page.text.contains("&lt;b&gt;red&lt;/b&gt;") && !page.text.contains("<b>red"), "{}", page.text);
    assert_eq!(events(&gateway, EventKind::PasskeyRenamed).await.len(), 1);
    gateway.advance(Duration::from_secs(10 * 60 + 1));
    for what in ["rename", "remove"] {
        assert_eq!(post(&mut browser, change(what, "late", &csrf)).await.status, StatusCode::UNAUTHORIZED, "{what}");
    }
    let question = json!({ "for": "add", "csrf": csrf, "password": GOOD });
    let refused = ask(&mut browser, "/account/passkeys/options", &question).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "a password does not stand for the factor: {}", refused.text);
    let page = browser.get("/account/factors").await;
    assert!(page.text.contains("/login/step-up?return_to=") && !page.text.contains("Remove"), "{}", page.text);
    let mut fresh = visitor(&gateway);
    assert_eq!(sign_in_by(&mut fresh, &key).await.location(), "/");
    let csrf = fresh.get("/account/factors").await.field("csrf");
    assert_eq!(post(&mut fresh, change("remove", "", &csrf)).await.location(), "/account/factors");
    assert_eq!(browser.get("/").await.location(), "/login", "every other session is over");
    assert!(fresh.get("/account/factors").await.text.contains("You have none."));
    assert_eq!(sign_in_by(&mut visitor(&gateway), &key).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(visitor(&gateway).sign_in(ADA, GOOD).await.location(), "/", "nothing but the password is left");
    let ada = gateway.gateway.directory().find_user_by_name(ADA).await.unwrap().unwrap();
    assert_eq!(gateway.gateway.factors().enrolled(ada.id).await.unwrap().recovery_codes, 0);
}

#[tokio::test]
async fn an_app_and_passkeys_stand_beside_each_other_and_share_the_recovery_codes() {
    let gateway = gateway("").await;
    let mut browser = signed_in(&gateway, ADA).await;
    let (app, codes) = enrol(&gateway, &mut browser, GOOD).await;
    let key = SecurityKey::ed25519(ADDRESS);
    let added = add(&mut browser, &key, "").await;
    assert_eq!(added.location(), "/account/factors", "the codes that there are stay: {}", added.text);
    gateway.advance(STEP);
    let (mut one, options, csrf) = asked_for_factor(&gateway, ADA).await;
    assert_eq!(show(&mut one, &csrf, &key.get(&options)).await.location(), "/");
    let (mut two, _, csrf) = asked_for_factor(&gateway, ADA).await;
    let code = app.code(&gateway);
    assert_eq!(two.post("/login/factor", &[("code", &code), ("csrf", &csrf)]).await.location(), "/");
    let (mut three, _, csrf) = asked_for_factor(&gateway, ADA).await;
    assert_eq!(three.post("/login/factor", &[("code", &codes[0]), ("csrf", &csrf)]).await.location(), "/");
    gateway.advance(STEP);
    let csrf = three.get("/account/factors").await.field("csrf");
    let code = app.code(&gateway);
    let removed = three.post("/account/factors/change", &[("csrf", &csrf), ("do", "remove"), ("code", &code)]).await;
    assert_eq!(removed.location(), "/account/factors", "{}", removed.text);
    let (mut four, _, csrf) = asked_for_factor(&gateway, ADA).await;
    assert_eq!(four.post("/login/factor", &[("code", &codes[1]), ("csrf", &csrf)]).await.location(), "/", "still good");
    let page = four.get("/account/factors").await;
    let fresh = four.post("/account/factors/change", &[("csrf", &page.field("csrf")), ("do", "recovery-codes")]).await;
    assert_eq!(recovery_codes(&fresh).len(), 10);
    let page = four.get("/account/factors").await;
    let page = four.post("/account/factors/add", &[("csrf", &page.field("csrf"))]).await;
    let second = App::scan(&page);
    assert_ne!(second.0, app.0, "a new app is set up by who has shown a factor just now");
}

#[tokio::test]
async fn an_account_has_twenty_passkeys_at_most_and_each_once() {
    let gateway = gateway("[limits]\nsign_in = \"10000/1m\"\nsign_in_account = \"10000/1m\"").await;
    let mut browser = signed_in(&gateway, ADA).await;
    let first = SecurityKey::es256(ADDRESS);
    assert_eq!(add(&mut browser, &first, "").await.status, StatusCode::OK);
    let again = add(&mut browser, &first, "").await;
    assert_eq!(again.status, StatusCode::UNAUTHORIZED, "{}", again.text);
    for number in 1..20 {
        let reply = add(&mut browser, &SecurityKey::ed25519(ADDRESS), &number.to_string()).await;
        assert_eq!(reply.location(), "/account/factors", "{number}: {}", reply.text);
    }
    let (options, _) = asked_to_add(&mut browser).await;
    assert_eq!(options["excludeCredentials"].as_array().unwrap().len(), 20);
    let many = add(&mut browser, &SecurityKey::ed25519(ADDRESS), "one too many").await;
    assert_eq!(many.status, StatusCode::UNAUTHORIZED);
    gateway.user(GRACE, Some(GOOD)).await;
    let mut other = signed_in(&gateway, GRACE).await;
    let taken = add(&mut other, &first, "").await;
    assert_eq!(taken.status, StatusCode::UNAUTHORIZED, "the credential is another person's");
    let failed = events(&gateway, EventKind::FactorFailed).await;
    assert!(says(failed.last().unwrap(), "rule", "credential"), "{failed:?}");
    assert_eq!(sign_in_by(&mut visitor(&gateway), &first).await.location(), "/", "it stayed Ada's");
}

#[tokio::test]
async fn passkeys_go_with_their_account_and_the_credential_is_free_again() {
    let (gateway, key) = with_passkey("").await;
    let directory = gateway.gateway.directory();
    let ada = directory.find_user_by_name(ADA).await.unwrap().unwrap();
    directory.delete_user(&gateway.task(), ada.id, None).await.unwrap();
    assert_eq!(sign_in_by(&mut visitor(&gateway), &key).await.status, StatusCode::UNAUTHORIZED);
    assert!(gateway.gateway.factors().passkeys(ada.id).await.unwrap().is_empty());
    gateway.user(GRACE, Some(GOOD)).await;
    let mut other = signed_in(&gateway, GRACE).await;
    assert_eq!(add(&mut other, &key, "").await.status, StatusCode::OK);
}

#[tokio::test]
async fn adding_the_first_passkey_asks_for_the_password_and_a_wrong_one_counts() {
    let gateway = gateway("[lockout]\npreset = \"clearvantage\"").await;
    let mut browser = signed_in(&gateway, ADA).await;
    let csrf = browser.get("/account/factors").await.field("csrf");
    for password in ["", "wrong", "wrong"] {
        let question = json!({ "for": "add", "csrf": csrf, "password": password });
        let reply = ask(&mut browser, "/account/passkeys/options", &question).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{}", reply.text);
        assert!(reply.json()["publicKey"].is_null() && reply.json()["problem"].is_string());
    }
    let question = json!({ "for": "add", "csrf": csrf, "password": GOOD });
    let locked = ask(&mut browser, "/account/passkeys/options", &question).await;
    assert_eq!(locked.status, StatusCode::FORBIDDEN, "the account is locked");
    // A challenge of the step-up or of the sign-in makes no passkey.
    let options = asked(&mut browser, "/login/passkey/options", &json!({ "for": "step-up", "csrf": csrf })).await;
    let user = json!({ "id": crate::support::security_key::encode(&[1; 16]) });
    let forged = json!({ "rp": { "id": "localhost" }, "challenge": options["challenge"], "user": user });
    let credential = SecurityKey::es256(ADDRESS).create(&forged);
    let reply = browser.post("/account/passkeys/add", &[("csrf", &csrf), ("credential", &credential)]).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    let failed = events(&gateway, EventKind::FactorFailed).await;
    assert!(says(failed.last().unwrap(), "rule", "challenge"), "{failed:?}");
}

#[tokio::test]
async fn only_our_own_script_in_a_page_of_this_browser_is_told_what_to_ask_for() {
    let (gateway, _) = with_passkey("").await;
    let mut browser = signed_in_by_password(&gateway).await;
    let csrf = browser.get("/login/factor").await.field("csrf");
    let question = json!({ "for": "factor", "csrf": csrf });
    let path = "/login/passkey/options";
    for (what, origin, site) in [
        ("another site", Some("https://evil.example"), None),
        ("another port", Some("http://localhost:8081"), None),
        ("no origin", Some("null"), None),
        ("nothing said", None, None),
        ("another page of the site", Some(ADDRESS), Some("same-site")),
        ("a page of another site", None, Some("cross-site")),
    ] {
        let mut foreign = browser.clone();
        foreign.headers.clear();
        origin.map(|origin| foreign.headers.insert(header::ORIGIN, HeaderValue::from_static(origin)));
        site.map(|site| foreign.headers.insert("sec-fetch-site", HeaderValue::from_static(site)));
        assert_eq!(ask(&mut foreign, path, &question).await.status, StatusCode::FORBIDDEN, "{what}");
    }
    let body = || Body::from(question.to_string());
    for kind in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
        let reply = browser.send(HttpMethod::POST, path, kind, body()).await;
        assert_eq!(reply.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind:?}");
    }
    for question in [
        json!({ "for": "factor" }),
        json!({ "for": "factor", "csrf": "x" }),
        json!({ "for": "enrol", "csrf": csrf }),
        json!({ "for": "step-up", "csrf": csrf }),
        json!({ "for": "sign-in", "csrf": csrf }),
        json!({ "for": "everything", "csrf": csrf }),
        json!({ "csrf": csrf }),
    ] {
        let reply = ask(&mut browser, path, &question).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{question}: {}", reply.text);
    }
    let mut stranger = visitor(&gateway);
    assert_eq!(ask(&mut stranger, path, &question).await.status, StatusCode::FORBIDDEN);
    assert_eq!(ask(&mut browser, path, &json!([1])).await.status, StatusCode::BAD_REQUEST);
    let twice = Body::from(format!("{{\"csrf\":\"x\",\"csrf\":\"{csrf}\",\"for\":\"factor\"}}"));
    let reply = browser.send(HttpMethod::POST, path, Some("application/json"), twice).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    assert_eq!(ask(&mut browser, path, &question).await.status, StatusCode::OK);
}

async fn signed_in_by_password(gateway: &TestGateway) -> Visitor {
    let mut browser = visitor(gateway);
    assert_eq!(browser.sign_in(ADA, GOOD).await.location(), "/login/factor");
    browser
}

#[tokio::test]
async fn at_an_ip_address_there_are_no_passkeys() {
    let gateway = TestGateway::with("[factors]\nrequired = true").await;
    gateway.user(ADA, Some(GOOD)).await;
    let mut browser = gateway.visitor();
    browser.headers.insert(header::ORIGIN, HeaderValue::from_static("http://127.0.0.1:8080"));
    let page = browser.get("/login?return_to=/").await;
    assert!(!page.text.contains("passkey") && page.text.contains("autocomplete=\"username\""), "{}", page.text);
    let question = json!({ "for": "sign-in", "csrf": page.field("csrf") });
    assert_eq!(ask(&mut browser, "/login/passkey/options", &question).await.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.sign_in(ADA, GOOD).await.location(), "/login/enrol");
    assert!(!browser.get("/login/enrol").await.text.contains("passkey"));
}
