//! Signals of a provider through the whole gateway: sessions end at the very next request, who is disabled there does not
//! come in by that provider, what is forged or not for us ends nothing, and nothing that is told is lost or done twice.

mod hostile;
mod polled;
mod roles;
mod saml;
pub(super) mod stage;

use std::time::Duration;

use cleargate::audit::EventKind;
use cleargate::login::Barring;
use cleargate::model::Status;
use http::StatusCode;
use http::header::AUTHORIZATION;
use serde_json::json;

use self::stage::{ADA, AUDIENCE, CAEP, GRACE, PUSHED, RISC, SSF, Stage, detail, header, idp, is_in, push, signed};
use crate::oidc::stage::KEY;
use crate::support::authenticator::App;

const GOOD: &str = "violet anchor under seven bridges";

#[tokio::test]
async fn a_revoked_session_is_refused_at_the_very_next_request() {
    let stage = Stage::pushed().await;
    let (mut one, first) = stage.signed_in(ADA).await;
    let (mut two, _) = stage.signed_in(ADA).await;
    let (mut other, foreign) = stage.signed_in(GRACE).await;
    let revoked = format!("{CAEP}/session-revoked");
    let session = |name: &str| json!({"format": "opaque", "id": name});
    // Somebody else's session is not ended by naming it beside a person.
    let subject = json!({"format": "complex", "user": stage.person("sub-ada"), "session": session(&foreign)});
    stage.tell("0", &revoked, &subject).await;
    assert!(is_in(&mut one).await && is_in(&mut two).await && is_in(&mut other).await);
    let subject = json!({"format": "complex", "user": stage.person("sub-ada"), "session": session(&first)});
    stage.tell("1", &revoked, &subject).await;
    assert!(!is_in(&mut one).await, "at once");
    assert!(is_in(&mut two).await && is_in(&mut other).await);
    let ended = stage.events(EventKind::SessionEnded).await;
    let reason = detail(ended.last().unwrap(), "reason").unwrap();
    assert_eq!(reason, "`session-revoked`, told by the provider `idp`");
    // Without a session all of the person's end.
    let (mut three, _) = stage.signed_in(ADA).await;
    stage.tell("2", &revoked, &stage.person("sub-ada")).await;
    assert!(!is_in(&mut two).await && !is_in(&mut three).await && is_in(&mut other).await);
    // A session alone, whosever it is.
    stage.tell("3", &revoked, &json!({"format": "complex", "session": session(&foreign)})).await;
    assert!(!is_in(&mut other).await);
    // Nobody, and a session that never was, are told of without harm.
    stage.tell("4", &revoked, &stage.person("nobody")).await;
    let received = stage.events(EventKind::SignalReceived).await;
    let ended: Vec<_> = received.iter().map(|event| detail(event, "sessions_ended").unwrap()).collect();
    assert_eq!(ended, ["0", "1", "2", "1", "0"]);
    assert!(received[2].target.starts_with("user:") && received[4].target.is_empty());
}

#[tokio::test]
async fn each_event_that_ends_sessions_does_and_others_are_recorded_and_do_nothing() {
    let stage = Stage::pushed().await;
    let mut number = 0;
    for (profile, event, ends) in [
        (CAEP, "session-revoked", true),
        (CAEP, "credential-change", true),
        (CAEP, "token-claims-change", true),
        (CAEP, "assurance-level-change", false),
        (CAEP, "device-compliance-change", false),
        (CAEP, "session-established", false),
        (RISC, "account-credential-change-required", true),
        (RISC, "credential-compromise", true),
        (RISC, "identifier-changed", true),
        (RISC, "identifier-recycled", true),
        (RISC, "sessions-revoked", true),
        (RISC, "account-enabled", false),
        (RISC, "opt-in", false),
        (SSF, "session-revoked", false),
        ("https://else.example", "session-revoked", false),
        ("http://schemas.openid.net/event", "backchannel-logout", false),
    ] {
        let (mut ada, _) = stage.signed_in(ADA).await;
        number += 1;
        stage.tell(&number.to_string(), &format!("{profile}/{event}"), &stage.person("sub-ada")).await;
        assert_eq!(is_in(&mut ada).await, !ends, "{event}");
        let told = stage.events(EventKind::SignalReceived).await;
        assert!(detail(told.last().unwrap(), "event").unwrap().ends_with(event), "{event}");
        stage.advance(Duration::from_secs(2));
    }
    // What is not known is no reason to refuse, whoever it is about.
    stage.tell("x", "urn:something", &json!({"format": "did", "url": "did:x:y"})).await;
    stage.tell("y", &format!("{SSF}/verification"), &json!({"format": "opaque", "id": "stream"})).await;
    let mut claims = stage.claims("z", &format!("{SSF}/stream-updated"), &json!({"format": "opaque", "id": "stream"}));
    claims["events"][format!("{SSF}/stream-updated")] = json!({"status": "paused", "reason": "too\u{202e} slow"});
    assert_eq!(stage.push(&signed(&KEY, &header(), &claims)).await.status, StatusCode::ACCEPTED);
    let told = stage.events(EventKind::SignalReceived).await;
    let last = told.last().unwrap();
    assert_eq!(detail(last, "status").as_deref(), Some("paused"));
    assert_eq!(detail(last, "reason").as_deref(), Some("too slow"), "without what nobody sees");
}

#[tokio::test]
async fn what_was_vouched_for_before_a_signal_opens_nothing_after_it() {
    let stage = Stage::pushed().await;
    let mut late = stage.gateway.visitor();
    let revoked = format!("{CAEP}/session-revoked");
    let session = |name: &str| json!({"format": "opaque", "id": name});
    let of = |sub: &str, name: &str| json!({"format": "complex", "user": stage.person(sub), "session": session(name)});
    for (id, subject, is_over) in [
        ("1", json!({"format": "complex", "session": session("session-1")}), true),
        ("2", of("sub-ada", "session-2"), true),
        ("3", of("sub-grace", "session-3"), false),
        ("4", of("sub-ada", "another"), false),
        ("5", stage.person("sub-grace"), false),
        ("6", stage.person("sub-ada"), true),
    ] {
        let back = stage.answer(&mut late, ADA).await;
        stage.tell(id, &revoked, &subject).await;
        let reply = late.get(&back).await;
        assert_eq!(reply.status, if is_over { StatusCode::FORBIDDEN } else { StatusCode::SEE_OTHER }, "{subject}");
        assert_eq!(is_in(&mut late).await, !is_over, "{subject}");
        if is_over {
            assert_eq!(stage.rule(EventKind::AssertionRefused).await, "signalled");
        }
        late.cookies.clear();
    }
    // Whoever signs in after it is in.
    stage.advance(Duration::from_secs(1));
    let (mut ada, _) = stage.signed_in(ADA).await;
    assert!(is_in(&mut ada).await);
}

#[tokio::test]
async fn a_sign_in_that_waits_for_a_second_factor_does_not_outlast_a_signal() {
    let stage = Stage::new(&format!("{PUSHED}[factors]\nrequired = true\n")).await;
    let subject = stage.person("sub-ada");
    let session = |name: &str| json!({"format": "complex", "session": {"format": "opaque", "id": name}});
    for (number, (event, about, is_in_after)) in [
        (String::new(), subject.clone(), true),
        (format!("{CAEP}/session-revoked"), session("session-2"), false),
        (format!("{CAEP}/session-revoked"), subject.clone(), false),
        (format!("{RISC}/account-disabled"), subject.clone(), false),
    ]
    .into_iter()
    .enumerate()
    {
        // Nobody has a second factor yet but Ada, after the first round.
        let email = if number == 0 { GRACE } else { ADA };
        let mut browser = stage.gateway.visitor();
        let reply = stage.try_sign_in(&mut browser, email).await;
        assert_eq!(reply.location(), "/login/enrol", "{event}");
        let page = browser.get("/login/enrol").await;
        let app = App::scan(&page);
        if !event.is_empty() {
            stage.tell(&number.to_string(), &event, &about).await;
        }
        let fields = [("code", app.code(&stage.gateway)), ("offer", page.field("offer")), ("csrf", page.field("csrf"))];
        let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
        browser.post("/login/enrol", &fields).await;
        assert_eq!(is_in(&mut browser).await, is_in_after, "{event}");
        stage.advance(Duration::from_secs(1));
    }
}

#[tokio::test]
async fn a_signal_that_comes_late_ends_what_was_open_when_it_happened_and_nothing_newer() {
    let stage = Stage::new(&format!("{PUSHED}max_age = \"10m\"\n")).await;
    let revoked = format!("{CAEP}/session-revoked");
    let (mut old, _) = stage.signed_in(ADA).await;
    stage.advance(Duration::from_secs(60));
    let told = stage.token("1", &revoked, &stage.person("sub-ada"));
    let mut claims = stage.claims("2", &revoked, &stage.person("sub-ada"));
    let expired = signed(&KEY, &header(), &claims);
    stage.advance(Duration::from_secs(60));
    let (mut new, _) = stage.signed_in(ADA).await;
    stage.advance(Duration::from_secs(400));
    assert_eq!(stage.push(&told).await.status, StatusCode::ACCEPTED);
    assert!(!is_in(&mut old).await && is_in(&mut new).await);
    stage.advance(Duration::from_secs(600));
    let reply = stage.push(&expired).await;
    assert_eq!(
        (reply.status, stage.rule(EventKind::SignalRefused).await.as_str()),
        (StatusCode::BAD_REQUEST, "issue_time")
    );
    // When it happened is what counts, where that is said; but not a time that is still to come.
    let (mut ada, _) = stage.signed_in(ADA).await;
    for (id, happened, ends) in [("3", stage.now() - 60, false), ("4", stage.now() * 1000, true)] {
        claims.insert("jti".into(), json!(id));
        claims.insert("iat".into(), json!(stage.now()));
        claims["events"][&revoked]["event_timestamp"] = json!(happened);
        assert_eq!(stage.push(&signed(&KEY, &header(), &claims)).await.status, StatusCode::ACCEPTED);
        assert_eq!(is_in(&mut ada).await, !ends);
    }
}

#[tokio::test]
async fn who_is_disabled_there_does_not_come_in_by_that_provider_until_it_says_otherwise() {
    let stage = Stage::new(&format!("domains = [\"example.org\"]\n{PUSHED}")).await;
    let user = stage.gateway.user(ADA, Some(GOOD)).await;
    let (mut ada, _) = stage.signed_in(ADA).await;
    let mut by_password = stage.gateway.visitor();
    assert_eq!(by_password.sign_in(ADA, GOOD).await.location(), "/");
    let (mut grace, _) = stage.signed_in(GRACE).await;
    stage.tell("1", &format!("{RISC}/account-disabled"), &stage.person("sub-ada")).await;
    assert!(!is_in(&mut ada).await && is_in(&mut grace).await);
    // It has a say in its own word only: what the administrator keeps stays, and so does what a password opened.
    assert!(is_in(&mut by_password).await);
    let kept = stage.gateway.gateway.directory().find_user_by_name(ADA).await.unwrap().unwrap();
    assert_eq!((kept.id, kept.status), (user.id, Status::Active));
    assert_eq!(stage.gateway.visitor().sign_in(ADA, GOOD).await.location(), "/");
    for wait in [0, 3600, 90 * 24 * 3600] {
        stage.advance(Duration::from_secs(wait));
        let reply = stage.try_sign_in(&mut stage.gateway.visitor(), ADA).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "after {wait} s");
        assert_eq!(stage.rule(EventKind::AssertionRefused).await, "disabled-there");
    }
    assert_eq!(stage.try_sign_in(&mut stage.gateway.visitor(), GRACE).await.location(), "/");
    stage.tell("2", &format!("{RISC}/account-enabled"), &stage.person("sub-ada")).await;
    assert_eq!(stage.try_sign_in(&mut stage.gateway.visitor(), ADA).await.location(), "/");
    for (kind, id) in [(EventKind::AccountBarred, "account-disabled"), (EventKind::AccountReleased, "account-enabled")]
    {
        let events = stage.events(kind).await;
        assert_eq!((events.len(), detail(&events[0], "event").as_deref()), (1, Some(id)));
        assert_eq!(events[0].target, format!("user:{}", user.id));
    }
    stage.tell("3", &format!("{RISC}/account-purged"), &stage.person("sub-ada")).await;
    stage.advance(Duration::from_secs(1));
    stage.tell("4", &format!("{RISC}/account-enabled"), &stage.person("sub-ada")).await;
    let reply = stage.try_sign_in(&mut stage.gateway.visitor(), ADA).await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN, "what is gone is not enabled");
    // An administrator has the last word; the same signals, and older ones, change nothing any more.
    let login = stage.gateway.gateway.login();
    let (permit, ada) = (stage.gateway.task(), Barring::Account(Box::new(kept_of(&stage).await)));
    assert_eq!(login.lift(&permit, &idp(), &ada).await.ok(), Some(true));
    assert_eq!(login.lift(&permit, &idp(), &ada).await.ok(), Some(false));
    stage.tell("3", &format!("{RISC}/account-purged"), &stage.person("sub-ada")).await;
    let mut older = stage.claims("5", &format!("{RISC}/account-disabled"), &stage.person("sub-ada"));
    older.insert("iat".into(), json!(stage.now() - 60));
    assert_eq!(stage.push(&signed(&KEY, &header(), &older)).await.status, StatusCode::ACCEPTED);
    assert_eq!(stage.try_sign_in(&mut stage.gateway.visitor(), ADA).await.location(), "/");
    assert_eq!(stage.events(EventKind::AccountReleased).await.len(), 2);
}

#[tokio::test]
async fn whoever_is_barred_without_an_account_is_let_in_again_by_name_or_address() {
    let stage = Stage::new(&format!("domains = [\"example.org\"]\n{PUSHED}")).await;
    let by_email = json!({"format": "email", "email": "Ada@example.org"});
    stage.tell("1", &format!("{RISC}/account-purged"), &by_email).await;
    stage.tell("2", &format!("{RISC}/account-purged"), &stage.person("sub-grace")).await;
    for who in [ADA, GRACE] {
        assert_eq!(stage.try_sign_in(&mut stage.gateway.visitor(), who).await.status, StatusCode::FORBIDDEN, "{who}");
    }
    let (login, permit) = (stage.gateway.gateway.login(), stage.gateway.task());
    for (whom, is_lifted) in [
        (Barring::Email("ADA@example.org".to_owned()), true),
        (Barring::Email(ADA.to_owned()), false),
        (Barring::Subject("sub-grace".to_owned()), true),
    ] {
        assert_eq!(login.lift(&permit, &idp(), &whom).await.ok(), Some(is_lifted), "{whom:?}");
    }
    // What was vouched for until the signal stays void.
    stage.advance(Duration::from_secs(1));
    for who in [ADA, GRACE] {
        assert_eq!(stage.try_sign_in(&mut stage.gateway.visitor(), who).await.location(), "/", "{who}");
    }
    assert_eq!(stage.events(EventKind::AccountReleased).await.len(), 2);
}

async fn kept_of(stage: &Stage) -> cleargate::model::User {
    stage.gateway.gateway.directory().find_user_by_name(ADA).await.unwrap().unwrap()
}

#[tokio::test]
async fn who_has_never_been_here_can_be_disabled_and_what_is_about_a_device_disables_nobody() {
    let stage = Stage::new(&format!("domains = [\"example.org\"]\n{PUSHED}")).await;
    let disabled = format!("{RISC}/account-disabled");
    stage.tell("1", &disabled, &stage.person("sub-ada")).await;
    assert_eq!(stage.try_sign_in(&mut stage.gateway.visitor(), ADA).await.status, StatusCode::FORBIDDEN);
    stage.tell("2", &disabled, &json!({"format": "email", "email": "Grace@Example.org"})).await;
    assert_eq!(stage.try_sign_in(&mut stage.gateway.visitor(), GRACE).await.status, StatusCode::FORBIDDEN);
    stage.advance(Duration::from_secs(1));
    stage.tell("3", &format!("{RISC}/account-enabled"), &json!({"format": "email", "email": GRACE})).await;
    stage.tell("4", &format!("{RISC}/account-enabled"), &stage.person("sub-ada")).await;
    let (mut grace, session) = stage.signed_in(GRACE).await;
    let (mut ada, _) = stage.signed_in(ADA).await;
    let device = json!({"format": "opaque", "id": "laptop"});
    let narrow = json!({"format": "complex", "user": stage.person("sub-ada"), "device": device});
    stage.tell("5", &disabled, &narrow).await;
    assert!(!is_in(&mut ada).await && is_in(&mut grace).await);
    let narrow = json!({"format": "complex", "session": {"format": "opaque", "id": session}});
    stage.tell("6", &disabled, &narrow).await;
    assert!(!is_in(&mut grace).await);
    stage.advance(Duration::from_secs(1));
    let (mut ada, _) = stage.signed_in(ADA).await;
    let (mut grace, _) = stage.signed_in(GRACE).await;
    // Ending is the safe side: of whatever device, the person's sessions are over.
    let narrow = json!({"format": "complex", "user": stage.person("sub-ada"), "device": device});
    stage.tell("7", &format!("{CAEP}/session-revoked"), &narrow).await;
    assert!(!is_in(&mut ada).await && is_in(&mut grace).await);
}

#[tokio::test]
async fn an_address_names_those_alone_whom_the_connector_knows() {
    let stage = Stage::new(&format!("domains = [\"example.org\"]\n{PUSHED}")).await;
    let (mut ada, _) = stage.signed_in(ADA).await;
    // Somebody whom this connector never vouched for has the same address in their profile.
    let permit = stage.gateway.task();
    let mut record = crate::support::gateway::record("root");
    record.attributes.0.insert("emails".to_owned(), json!([{"value": "boss@example.org", "primary": true}]));
    stage.gateway.gateway.directory().create_user(&permit, &record).await.unwrap();
    let root = stage.gateway.gateway.directory().find_user_by_name("root").await.unwrap().unwrap();
    let secret = cleargate::secret::Secret::new(GOOD.to_owned());
    stage.gateway.gateway.credentials().set(&permit, &root, &secret, false).await.unwrap();
    let mut root = stage.gateway.visitor();
    assert_eq!(root.sign_in("root", GOOD).await.location(), "/");
    for (id, email) in [("1", "boss@example.org"), ("2", "nobody@example.org")] {
        for (n, event) in ["account-disabled", "credential-compromise"].into_iter().enumerate() {
            let subject = json!({"format": "email", "email": email});
            stage.tell(&format!("{id}{n}"), &format!("{RISC}/{event}"), &subject).await;
        }
        let subject = json!({"format": "complex", "user": {"format": "email", "email": email},
            "session": {"format": "opaque", "id": "session-1"}});
        stage.tell(&format!("{id}9"), &format!("{CAEP}/session-revoked"), &subject).await;
    }
    assert!(is_in(&mut root).await && is_in(&mut ada).await);
    let aliases = json!({"format": "aliases", "identifiers": [
        {"format": "phone_number", "phone_number": "+12065550100"}, {"format": "email", "email": "ADA@example.org"}]});
    stage.tell("3", &format!("{CAEP}/credential-change"), &aliases).await;
    assert!(is_in(&mut root).await && !is_in(&mut ada).await);
}

#[tokio::test]
async fn a_signal_has_one_effect_however_often_and_at_whatever_moment_it_comes() {
    let stage = Stage::pushed().await;
    let (mut ada, _) = stage.signed_in(ADA).await;
    let token = stage.token("1", &format!("{CAEP}/session-revoked"), &stage.person("sub-ada"));
    let all = futures_util::future::join_all((0..16).map(|_| stage.push(&token))).await;
    assert!(all.iter().all(|reply| reply.status == StatusCode::ACCEPTED && reply.text.is_empty()));
    assert!(!is_in(&mut ada).await);
    assert_eq!(stage.events(EventKind::SignalReceived).await.len(), 1);
    stage.advance(Duration::from_secs(1));
    let (mut ada, _) = stage.signed_in(ADA).await;
    stage.advance(Duration::from_secs(600));
    assert_eq!(stage.push(&token).await.status, StatusCode::ACCEPTED);
    assert!(is_in(&mut ada).await, "who has signed in since is not signed out by it again");
    assert_eq!(stage.events(EventKind::SignalReceived).await.len(), 1);
}

#[tokio::test]
async fn no_sign_in_slips_through_at_the_moment_of_a_signal() {
    for round in 0..8 {
        let stage = Stage::pushed().await;
        let (mut first, _) = stage.signed_in(ADA).await;
        let mut browsers = Vec::new();
        for _ in 0..6 {
            let mut browser = stage.gateway.visitor();
            let back = stage.answer(&mut browser, ADA).await;
            browsers.push((browser, back));
        }
        let sign_ins = browsers.iter_mut().map(|(browser, back)| async move { drop(browser.get(back).await) });
        let (subject, revoked) = (stage.person("sub-ada"), format!("{CAEP}/session-revoked"));
        let (_, ()) = tokio::join!(futures_util::future::join_all(sign_ins), stage.tell("1", &revoked, &subject));
        assert!(!is_in(&mut first).await);
        for (browser, _) in &mut browsers {
            assert!(!is_in(browser).await, "round {round}: all was vouched for before or at that moment");
        }
    }
}

#[tokio::test]
async fn keys_are_followed_and_a_transmitter_that_cannot_be_asked_is_told_to_come_again() {
    let stage = Stage::new(&format!("{PUSHED}jwks_uri = \"BASE/nothing\"\n")).await;
    let (mut ada, _) = stage.signed_in(ADA).await;
    let token = stage.token("1", &format!("{CAEP}/session-revoked"), &stage.person("sub-ada"));
    let reply = stage.push(&token).await;
    assert_eq!((reply.status, reply.headers["retry-after"].to_str().unwrap()), (StatusCode::SERVICE_UNAVAILABLE, "30"));
    assert!(is_in(&mut ada).await);
    assert!(stage.events(EventKind::SignalRefused).await.is_empty(), "that is no fault of the token's");

    let stage = Stage::pushed().await;
    let (mut ada, _) = stage.signed_in(ADA).await;
    stage.tell("1", &format!("{CAEP}/session-revoked"), &stage.person("nobody")).await;
    let second = std::sync::Arc::new(cleargate::sandbox::openid::SigningKey::es256("second").unwrap());
    let mut by_second = second.header();
    by_second.insert("typ".into(), json!("secevent+jwt"));
    let claims = stage.claims("2", &format!("{CAEP}/session-revoked"), &stage.person("sub-ada"));
    let token = signed(&second, &by_second, &claims);
    let mut older = claims.clone();
    older.insert("iat".into(), json!(stage.now() - 11 * 60));
    assert_eq!(stage.push(&signed(&second, &by_second, &older)).await.json()["err"], "invalid_key");
    stage.provider.rotate(std::sync::Arc::clone(&second));
    // Unknown keys make us ask at most once in half a minute; a token that was signed a moment ago is to come again.
    assert_eq!(stage.push(&token).await.status, StatusCode::SERVICE_UNAVAILABLE);
    stage.advance(Duration::from_secs(31));
    assert_eq!(stage.push(&token).await.status, StatusCode::ACCEPTED);
    assert!(!is_in(&mut ada).await);
}

#[tokio::test]
async fn whoever_does_not_show_the_secret_learns_nothing_else() {
    let stage = Stage::pushed().await;
    let (mut ada, _) = stage.signed_in(ADA).await;
    let token = stage.token("1", &format!("{CAEP}/session-revoked"), &stage.person("sub-ada"));
    let mut replies = Vec::new();
    for bearer in ["", "Bearer", "Bearer ", "Bearer x", "Basic MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYh"] {
        let mut sender = stage.gateway.visitor();
        sender.headers.insert(AUTHORIZATION, bearer.parse().unwrap());
        replies.push(push(&mut sender, &token).await);
        replies.push(push(&mut sender, "junk").await);
    }
    replies.push(push(&mut stage.gateway.visitor(), &token).await);
    let mut twice = stage.sender();
    twice.headers.append(AUTHORIZATION, "Bearer x".parse().unwrap());
    replies.push(push(&mut twice, &token).await);
    for reply in &replies {
        assert_eq!((reply.status, &reply.text), (StatusCode::BAD_REQUEST, &replies[0].text));
        assert_eq!(reply.json()["err"], "authentication_failed");
        assert_eq!(reply.headers["content-type"], "application/json");
        assert_eq!(reply.headers["content-language"], "en");
    }
    assert!(is_in(&mut ada).await);
    // However much strangers send, the transmitter is heard, and the ledger does not grow as fast.
    for _ in 0..500 {
        push(&mut stage.gateway.visitor(), "junk").await;
    }
    let recorded = stage.events(EventKind::SignalRefused).await.len();
    assert!((1..512).contains(&recorded), "{recorded}");
    let mut sender = stage.sender();
    sender.address = "203.0.113.9".parse().unwrap();
    assert_eq!(push(&mut sender, &token).await.status, StatusCode::ACCEPTED);
    assert!(!is_in(&mut ada).await);
    for path in ["/signals/nobody", "/signals/password", "/signals/%20"] {
        let reply = sender.send(http::Method::POST, path, None, axum::body::Body::empty()).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{path}");
    }
    let polled = Stage::polled().await;
    assert_eq!(push(&mut polled.sender(), &token).await.status, StatusCode::NOT_FOUND, "nothing is pushed there");
    assert!(AUDIENCE.ends_with("/signals/idp"));
}

#[tokio::test]
async fn who_is_disabled_at_the_provider_accepts_no_invitation_by_its_word() {
    let stage = Stage::new(&format!("domains = [\"example.org\"]\n{PUSHED}")).await;
    let gateway = &stage.gateway;
    let kind = cleargate::model::TokenKind::Management(vec!["*:*".parse().unwrap()], None, None);
    let secret = gateway.gateway.tokens().create(&gateway.task(), "x", kind, None).await.unwrap().0;
    let mut root = gateway.visitor().at(cleargate::api::router(gateway.gateway.api()));
    root.headers.insert("authorization", format!("Bearer {}", secret.expose()).parse().unwrap());
    let role = root.get("/api/v1/roles").await.json()["items"][0]["id"].clone();
    for address in [ADA, GRACE] {
        let body = axum::body::Body::from(json!({"email": address, "role": role}).to_string());
        let reply = root.send(http::Method::POST, "/api/v1/invitations", Some("application/json"), body).await;
        assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.text);
    }
    stage.tell("a", &format!("{RISC}/account-disabled"), &json!({"format": "email", "email": ADA})).await;
    stage.tell("b", &format!("{RISC}/account-disabled"), &stage.person("sub-grace")).await;
    let directory = gateway.gateway.directory();
    for address in [ADA, GRACE] {
        let reply = stage.try_sign_in(&mut gateway.visitor(), address).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{address}: {}", reply.text);
        let user = directory.find_user_by_name(address).await.unwrap().unwrap();
        assert_eq!(user.status, Status::Invited, "{address}");
    }
    assert_eq!(stage.events(EventKind::InvitationAccepted).await, []);
    let open = root.get("/api/v1/invitations?status=open").await.json();
    assert_eq!(open["items"].as_array().unwrap().len(), 2, "{open}");
    // Once it is enabled again, the same invitation is accepted: by the person, whom the provider calls so.
    stage.advance(Duration::from_secs(1));
    stage.tell("c", &format!("{RISC}/account-enabled"), &json!({"format": "email", "email": ADA})).await;
    stage.advance(Duration::from_secs(1));
    stage.signed_in(ADA).await;
    let accepted = stage.events(EventKind::InvitationAccepted).await;
    let ada = directory.find_user_by_name(ADA).await.unwrap().unwrap();
    assert_eq!((accepted.len(), &accepted[0].actor), (1, &format!("user:{}", ada.id)));
    assert_eq!(detail(&accepted[0], "subject").as_deref(), Some("sub-ada"));
    assert_eq!(detail(&accepted[0], "connector").as_deref(), Some("idp"));
}

/// Names of people who have no account here can be told without end; they are not kept without end.
#[tokio::test]
async fn who_has_no_account_here_is_not_barred_for_good() {
    let stage = Stage::new(&format!("domains = [\"example.org\"]\n{PUSHED}")).await;
    let disabled = format!("{RISC}/account-disabled");
    stage.signed_in(GRACE).await;
    stage.tell("1", &disabled, &stage.person("sub-ada")).await;
    stage.tell("2", &disabled, &json!({"format": "email", "email": GRACE})).await;
    for (after, ada) in [(399, StatusCode::FORBIDDEN), (2, StatusCode::SEE_OTHER)] {
        stage.advance(Duration::from_secs(after * 24 * 60 * 60));
        assert_eq!(stage.try_sign_in(&mut stage.gateway.visitor(), ADA).await.status, ada, "{after}");
        let grace = stage.try_sign_in(&mut stage.gateway.visitor(), GRACE).await;
        assert_eq!(grace.status, StatusCode::FORBIDDEN, "she has one");
    }
}

/// An address that the account here does not have is asked for again at the last step, as at the first.
#[tokio::test]
async fn a_sign_in_that_waits_does_not_outlast_a_signal_by_the_address_that_the_provider_gave() {
    let stage = Stage::new(&format!("domains = [\"example.org\"]\n{PUSHED}[factors]\nrequired = true\n")).await;
    let mut browser = stage.gateway.visitor();
    assert_eq!(stage.try_sign_in(&mut browser, ADA).await.location(), "/login/enrol");
    let page = browser.get("/login/enrol").await;
    let app = App::scan(&page);
    let (ada, permit) = (kept_of(&stage).await, stage.gateway.connection("idp").await);
    let edit = |_: &cleargate::model::User, record: &mut cleargate::directory::SourceRecord| {
        record.attributes.0.insert("emails".to_owned(), json!([{"value": "lovelace@example.org", "primary": true}]));
        Ok(())
    };
    let directory = stage.gateway.gateway.directory();
    directory.change_user::<cleargate::directory::Error>(&permit, ada.id, None, edit).await.unwrap();
    stage.tell("1", &format!("{RISC}/account-disabled"), &json!({"format": "email", "email": ADA})).await;
    let fields = [("code", app.code(&stage.gateway)), ("offer", page.field("offer")), ("csrf", page.field("csrf"))];
    let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
    browser.post("/login/enrol", &fields).await;
    assert!(!is_in(&mut browser).await);
}

/// Who has not the secret fills the ledger from no matter how many addresses with no more than from one.
#[tokio::test]
async fn strangers_without_the_secret_fill_no_ledger() {
    let stage = Stage::pushed().await;
    for number in 0..60u8 {
        let mut sender = stage.gateway.visitor();
        sender.address = format!("198.51.{number}.7").parse().unwrap();
        assert_eq!(push(&mut sender, "junk").await.status, StatusCode::BAD_REQUEST);
    }
    assert!(stage.events(EventKind::SignalRefused).await.len() <= 30);
    // What the transmitter itself sends is counted by itself.
    let before = stage.events(EventKind::SignalRefused).await.len();
    stage.push("junk").await;
    assert_eq!(stage.events(EventKind::SignalRefused).await.len(), before + 1);
    assert_eq!(stage.rule(EventKind::SignalRefused).await, "shape");
}
