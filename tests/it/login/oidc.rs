//! OpenID Connect through the whole gateway: logout tokens, and logout at the provider. What is refused looks the same from
//! outside, ends nothing, and nothing that was good before stops to be.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_lc_rs::hmac;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use cleargate::audit::{Event, EventKind};
use cleargate::clock::ManualClock;
use cleargate::http::outbound::{Outbound, OutboundSettings, Provenance};
use cleargate::sandbox::openid::{Endpoint, KnownClient, Person, Provider, SigningKey, router};
use cleargate::secret::{IdSource, Secret};
use cleargate::store;
use http::StatusCode;
use http::header::LOCATION;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use url::Url;

use crate::oidc::stage::{CLIENT_ID, CLIENT_SECRET, KEY, STRANGE_KEY, Spoil, accept};
use crate::support::gateway::{Reply, START, TestGateway, Visitor};

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
pub(super) const ADA: &str = "ada@example.org";
pub(super) const GRACE: &str = "grace@example.org";

/// A gateway and a provider whose sessions are called `session-1`, `session-2`, … in the order of sign-ins.
pub(super) struct Stage {
    pub gateway: TestGateway,
    pub base: String,
    /// What sessions are called before their number.
    called: &'static str,
    provider: Provider,
    sessions: Arc<AtomicU32>,
    network: Outbound,
    _server: JoinSet<()>,
}

impl Stage {
    /// With these lines in the provider's section.
    pub async fn new(lines: &str) -> Self {
        Self::calling(lines, "session-").await
    }

    /// The same, whose sessions are called so, and a number.
    pub async fn calling(lines: &str, called: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let client = KnownClient {
            id: CLIENT_ID.into(),
            secret: Some(Secret::new(CLIENT_SECRET.into())),
            redirect_uris: vec!["http://127.0.0.1:8080/oidc/idp/callback".into()],
        };
        let person = |sub: &str, email: &str| Person {
            sub: sub.into(),
            name: "Somebody".into(),
            email: email.into(),
            groups: Vec::new(),
        };
        let (sessions, clock) = (Arc::new(AtomicU32::new(0)), ManualClock::new(START));
        let (counter, end) = (Arc::clone(&sessions), format!("{base}/end?theirs=1"));
        let spoil = Spoil::document(Endpoint::Discovery, move |document| {
            document["end_session_endpoint"] = json!(end);
        })
        .and_claims(move |claims| {
            let number = counter.fetch_add(1, Ordering::SeqCst) + 1;
            claims.insert("sid".into(), json!(format!("{called}{number}")));
        });
        let people = vec![person("sub-ada", ADA), person("sub-grace", GRACE)];
        let ids = IdSource::seeded(7);
        let provider = Provider::new(&base, Arc::clone(&KEY), client, people, clock.clock(), ids).tampered(spoil);
        let mut server = JoinSet::new();
        server.spawn(accept(listener, router(provider.clone())));
        let section = format!(
            "[[oidc]]\nid = \"idp\"\nissuer = \"{base}\"\nclient_id = \"{CLIENT_ID}\"\n\
             client_secret = {{ file = \"client.secret\" }}\n{lines}\n"
        );
        let gateway = TestGateway::with_files(&section, &[("client.secret", CLIENT_SECRET)]).await;
        let network = Outbound::new(OutboundSettings::default()).unwrap();
        Self { gateway, base, called, provider, sessions, network, _server: server }
    }

    /// Walks to the provider and gives the address that leads back.
    async fn answer(&self, browser: &mut Visitor, email: &str) -> String {
        let start = browser.get("/login/idp?return_to=/").await;
        self.answer_to(&start, email).await
    }

    /// The address that leads back from the provider, to which this reply leads.
    pub async fn answer_to(&self, start: &Reply, email: &str) -> String {
        assert_eq!(start.status, StatusCode::SEE_OTHER, "{}", start.text);
        let mut url: Url = start.location().parse().unwrap();
        url.query_pairs_mut().append_pair("login_hint", email);
        let response = self.network.get(&url, &Provenance::Administrator, "text/html").await.unwrap();
        let back: Url = response.headers[LOCATION].to_str().unwrap().parse().unwrap();
        format!("{}?{}", back.path(), back.query().unwrap())
    }

    /// Somebody signed in, and the name of their session at the provider.
    pub async fn signed_in(&self, email: &str) -> (Visitor, String) {
        let mut browser = self.gateway.visitor();
        let back = self.answer(&mut browser, email).await;
        let reply = browser.get(&back).await;
        assert_eq!((reply.status, reply.location()), (StatusCode::SEE_OTHER, "/"), "{}", reply.text);
        (browser, format!("{}{}", self.called, self.sessions.load(Ordering::SeqCst)))
    }

    /// The claims of a good logout token.
    fn claims(&self, id: &str, about: &Value) -> Map<String, Value> {
        let Value::Object(mut claims) = about.clone() else { panic!("{about} is no object") };
        let rest = json!({
            "iss": self.base, "aud": CLIENT_ID, "iat": START.as_seconds(), "exp": START.as_seconds() + 120,
            "jti": id, "events": { EVENT: {} },
        });
        claims.extend(rest.as_object().unwrap().clone());
        claims
    }

    async fn send(&self, token: &str) -> Reply {
        // The provider itself, no browser.
        self.gateway.visitor().post("/oidc/idp/backchannel-logout", &[("logout_token", token)]).await
    }

    async fn log_out(&self, id: &str, about: &Value) -> StatusCode {
        self.send(&signed(&KEY, &header(), &self.claims(id, about))).await.status
    }

    pub async fn events(&self, kind: EventKind) -> Vec<Event> {
        let rows = self.gateway.gateway.ledger().store().engine().log(0, 10_000).await.unwrap();
        let events = rows.iter().map(|row| store::decode::<Event>("log", &row.body).unwrap());
        events.filter(|event| event.kind == kind).collect()
    }

    /// The rule of the newest refusal.
    async fn rule(&self, kind: EventKind) -> String {
        let events = self.events(kind).await;
        let details = &events.last().expect("an event").details;
        details.iter().find(|(name, _)| name == "rule").expect("a rule").1.clone()
    }
}

fn header() -> Map<String, Value> {
    let mut header = KEY.header();
    header.insert("typ".into(), json!("logout+jwt"));
    header
}

fn signed(key: &SigningKey, header: &Map<String, Value>, claims: &Map<String, Value>) -> String {
    key.sign(&Value::Object(header.clone()).to_string(), &Value::Object(claims.clone()).to_string()).unwrap()
}

pub(super) async fn is_in(browser: &mut Visitor) -> bool {
    browser.get("/api/v1/me").await.status == StatusCode::OK
}

#[tokio::test]
async fn who_is_signed_out_at_the_provider_is_signed_out_here_at_once() {
    let stage = Stage::new("").await;
    let (mut one, first) = stage.signed_in(ADA).await;
    let (mut two, _) = stage.signed_in(ADA).await;
    let (mut other, foreign) = stage.signed_in(GRACE).await;
    // Somebody else's session is not ended by naming it.
    assert_eq!(stage.log_out("0", &json!({"sub": "sub-ada", "sid": foreign})).await, StatusCode::OK);
    assert!(is_in(&mut one).await && is_in(&mut two).await && is_in(&mut other).await);
    let reply = stage.send(&signed(&KEY, &header(), &stage.claims("1", &json!({ "sid": first })))).await;
    assert_eq!((reply.status, reply.text.as_str()), (StatusCode::OK, ""));
    assert_eq!(reply.headers["cache-control"], "no-store");
    assert!(!is_in(&mut one).await, "at once");
    assert!(is_in(&mut two).await && is_in(&mut other).await);
    let ended = stage.events(EventKind::SessionEnded).await;
    assert!(ended.iter().any(|event| event.details.iter().any(|(_, value)| value.contains("at the provider `idp`"))));
    // Without a session all of the person's end.
    let (mut three, third) = stage.signed_in(ADA).await;
    assert_eq!(stage.log_out("2", &json!({"sub": "sub-ada"})).await, StatusCode::OK);
    assert!(!is_in(&mut two).await && !is_in(&mut three).await && is_in(&mut other).await);
    assert_eq!(stage.log_out("3", &json!({"sub": "sub-grace", "sid": foreign})).await, StatusCode::OK);
    assert!(!is_in(&mut other).await);
    // A session that is over, or was never here, is signed out as well.
    assert_eq!(stage.log_out("4", &json!({ "sid": third })).await, StatusCode::OK);
    assert_eq!(stage.log_out("5", &json!({"sid": "never"})).await, StatusCode::OK);
    assert_eq!(stage.events(EventKind::LogoutReceived).await.len(), 6);
}

#[tokio::test]
async fn what_was_vouched_for_before_a_logout_opens_nothing_after_it() {
    let stage = Stage::new("").await;
    let mut late = stage.gateway.visitor();
    for (id, about, is_over) in [
        ("1", json!({"sid": "session-1"}), true),
        ("2", json!({"sid": "session-2", "sub": "sub-ada"}), true),
        ("3", json!({"sid": "another", "sub": "sub-ada"}), false),
        ("4", json!({"sid": "another"}), false),
        ("5", json!({"sub": "sub-grace"}), false),
        ("6", json!({"sub": "sub-ada"}), true),
    ] {
        // The token is given out when the code is exchanged, with the name that the session has all along.
        let back = stage.answer(&mut late, ADA).await;
        assert_eq!(stage.log_out(id, &about).await, StatusCode::OK);
        let reply = late.get(&back).await;
        assert_eq!(reply.status, if is_over { StatusCode::FORBIDDEN } else { StatusCode::SEE_OTHER }, "{about}");
        assert_eq!(is_in(&mut late).await, !is_over, "{about}");
        if is_over {
            assert_eq!(stage.rule(EventKind::AssertionRefused).await, "logged-out");
        }
        late.cookies.clear();
    }
}

type Change = fn(&mut Map<String, Value>, &mut Map<String, Value>);

/// What is wrong with a logout token, and the rule that says so.
const WRONG: &[(&str, Change)] = &[
    ("algorithm", |h, _| set(h, "alg", json!("none"))),
    ("algorithm", |h, _| set(h, "alg", json!("HS256"))),
    ("algorithm", |h, _| drop(h.remove("alg"))),
    ("audience", |_, c| drop(c.remove("aud"))),
    ("audience", |_, c| set(c, "aud", json!("other"))),
    ("audience", |_, c| set(c, "aud", json!([]))),
    ("audience", |_, c| set(c, "aud", json!([CLIENT_ID, "other"]))),
    ("audience", |_, c| set(c, "aud", json!([CLIENT_ID, 1]))),
    ("audience", |_, c| set(c, "aud", json!({ CLIENT_ID: 1 }))),
    ("authorized_party", |_, c| set(c, "azp", json!("other"))),
    ("authorized_party", |_, c| set(c, "azp", json!(null))),
    ("events", |_, c| drop(c.remove("events"))),
    ("events", |_, c| set(c, "events", json!([EVENT]))),
    ("events", |_, c| set(c, "events", json!(EVENT))),
    ("events", |_, c| set(c, "events", json!({ EVENT: true }))),
    ("events", |_, c| set(c, "events", json!({ EVENT: null }))),
    ("events", |_, c| set(c, "events", json!({"https://schemas.openid.net/event/backchannel-logout": {}}))),
    ("expiry", |_, c| drop(c.remove("exp"))),
    ("expiry", |_, c| set(c, "exp", json!("never"))),
    ("expiry", |_, c| set(c, "exp", json!(START.as_seconds() - 60))),
    ("header", |h, _| set(h, "crit", json!(["b64"]))),
    ("header", |h, _| set(h, "kid", json!(7))),
    ("header", |h, _| set(h, "typ", json!("at+jwt"))),
    ("header", |h, _| set(h, "typ", json!("secevent+jwt"))),
    ("header", |h, _| set(h, "typ", json!(null))),
    ("issue_time", |_, c| drop(c.remove("iat"))),
    ("issue_time", |_, c| set(c, "iat", json!(START.as_seconds() + 61))),
    ("issue_time", |_, c| set(c, "iat", json!(START.as_seconds() - 361))),
    ("issue_time", |_, c| set(c, "iat", json!("now"))),
    ("issuer", |_, c| drop(c.remove("iss"))),
    ("issuer", |_, c| set(c, "iss", json!("https://evil.example"))),
    ("issuer", |_, c| set(c, "iss", json!([c["iss"]]))),
    ("key", |h, _| set(h, "kid", json!("second"))),
    ("key", |h, _| set(h, "alg", json!("ES256"))),
    ("nonce", |_, c| set(c, "nonce", json!("x"))),
    ("nonce", |_, c| set(c, "nonce", json!(null))),
    ("not_before", |_, c| set(c, "nbf", json!(START.as_seconds() + 61))),
    ("not_before", |_, c| set(c, "nbf", json!("later"))),
    ("session", |_, c| set(c, "sid", json!(7))),
    ("session", |_, c| set(c, "sid", json!(""))),
    ("session", |_, c| set(c, "sid", json!("x".repeat(256)))),
    ("subject", |_, c| set(c, "sub", json!(["sub-ada"]))),
    ("subject", |_, c| set(c, "sub", json!("sub-ada\u{0}"))),
    ("subject", |_, c| drop((c.remove("sub"), c.remove("sid")))),
    ("token_id", |_, c| drop(c.remove("jti"))),
    ("token_id", |_, c| set(c, "jti", json!(1))),
    ("token_id", |_, c| set(c, "jti", json!(""))),
];

fn set(object: &mut Map<String, Value>, name: &str, value: Value) {
    object.insert(name.to_owned(), value);
}

#[tokio::test]
async fn a_forged_altered_or_replayed_logout_token_ends_nothing_and_looks_like_every_other_failure() {
    let stage = Stage::new("").await;
    let (mut ada, session) = stage.signed_in(ADA).await;
    let about = json!({"sub": "sub-ada", "sid": session});
    let good = signed(&KEY, &header(), &stage.claims("good", &about));
    let mut cases = Vec::new();
    for (rule, change) in WRONG {
        let (mut header, mut claims) = (header(), stage.claims("bad", &about));
        change(&mut header, &mut claims);
        cases.push((*rule, signed(&KEY, &header, &claims)));
    }
    let claims = stage.claims("bad", &about);
    cases.push(("signature", signed(&STRANGE_KEY, &header(), &claims)));
    let parts: Vec<&str> = good.split('.').collect();
    let other = BASE64.encode(Value::Object(claims.clone()).to_string());
    cases.push(("signature", format!("{}.{other}.{}", parts[0], parts[2])));
    cases.push(("signature", format!("{}.{}.", parts[0], parts[1])));
    // Signed by what both know, or by our own key as a shared secret.
    let unsigned = format!("{}.{other}", BASE64.encode(json!({"alg": "HS256", "kid": "first"}).to_string()));
    let shared = hmac::Key::new(hmac::HMAC_SHA256, CLIENT_SECRET.as_bytes());
    cases.push(("algorithm", format!("{unsigned}.{}", BASE64.encode(hmac::sign(&shared, unsigned.as_bytes())))));
    cases.push(("algorithm", format!("{}.{other}.", BASE64.encode(json!({"alg": "none"}).to_string()))));
    let twice = Value::Object(claims.clone()).to_string().replacen('{', "{\"sub\":\"sub-grace\",", 1);
    cases.push(("shape", KEY.sign(&Value::Object(header()).to_string(), &twice).unwrap()));
    for text in ["", "junk", "a.b", "a.b.c", &format!("{good}.{}", parts[2]), &format!("{good}=")] {
        cases.push(("shape", text.to_owned()));
    }
    let mut replies = Vec::new();
    for (rule, token) in &cases {
        let mut address = stage.gateway.visitor();
        address.address = format!("198.51.{}.7", replies.len()).parse().unwrap();
        let reply = address.post("/oidc/idp/backchannel-logout", &[("logout_token", token)]).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{rule}: {token}");
        assert_eq!(stage.rule(EventKind::LogoutRefused).await, *rule, "{token}");
        assert!(is_in(&mut ada).await, "{rule}: {token}");
        replies.push((reply.text, format!("{:?}", reply.headers)));
    }
    let fields = [("logout_token", good.as_str()), ("logout_token", good.as_str())];
    let reply = stage.gateway.visitor().post("/oidc/idp/backchannel-logout", &fields).await;
    replies.push((reply.text, format!("{:?}", reply.headers)));
    let reply = stage.gateway.visitor().post("/oidc/idp/backchannel-logout", &[]).await;
    replies.push((reply.text, format!("{:?}", reply.headers)));
    let large = [("logout_token", good.as_str()), ("more", &"a".repeat(64 * 1024))];
    let reply = stage.gateway.visitor().post("/oidc/idp/backchannel-logout", &large).await;
    assert_eq!((reply.status, stage.rule(EventKind::LogoutRefused).await.as_str()), (StatusCode::BAD_REQUEST, "size"));
    replies.push((reply.text, format!("{:?}", reply.headers)));
    assert!(is_in(&mut ada).await);
    assert_eq!(stage.send(&good).await.status, StatusCode::OK);
    assert!(!is_in(&mut ada).await);
    let reply = stage.send(&good).await;
    assert_eq!(stage.rule(EventKind::LogoutRefused).await, "replay");
    replies.push((reply.text, format!("{:?}", reply.headers)));
    assert!(replies[0].1.contains("no-store"));
    assert!(replies.iter().all(|reply| *reply == replies[0]), "{replies:#?}");
}

#[tokio::test]
async fn an_id_token_is_no_logout_token_and_the_other_way_round() {
    let stage = Stage::new("").await;
    let (mut ada, session) = stage.signed_in(ADA).await;
    let mut id_token = stage.claims("1", &json!({"sub": "sub-ada", "sid": session, "nonce": "x"}));
    id_token.remove("events");
    let token = signed(&KEY, &KEY.header(), &id_token);
    assert_eq!(stage.send(&token).await.status, StatusCode::BAD_REQUEST);
    assert!(is_in(&mut ada).await);
    // A provider that does not tell the type of its tokens is understood.
    let untyped = signed(&KEY, &KEY.header(), &stage.claims("2", &json!({ "sid": session })));
    assert_eq!(stage.send(&untyped).await.status, StatusCode::OK);
    assert!(!is_in(&mut ada).await);
}

#[tokio::test]
async fn failures_of_others_leave_a_providers_logouts_alone() {
    let stage = Stage::new("").await;
    let (mut ada, session) = stage.signed_in(ADA).await;
    for _ in 0..600 {
        assert_eq!(stage.send("junk").await.status, StatusCode::BAD_REQUEST);
    }
    let recorded = stage.events(EventKind::LogoutRefused).await.len();
    assert!((1..600).contains(&recorded), "the ledger does not grow as fast as somebody sends: {recorded}");
    assert_eq!(stage.log_out("1", &json!({ "sid": session })).await, StatusCode::OK);
    assert!(!is_in(&mut ada).await);
}

#[tokio::test]
async fn addresses_for_logout_are_of_one_protocol_each() {
    let stage = Stage::new("").await;
    let mut browser = stage.gateway.visitor();
    for path in ["/oidc/nobody/backchannel-logout", "/oidc/password/backchannel-logout", "/saml/idp/slo"] {
        assert_eq!(browser.post(path, &[("logout_token", "x")]).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(browser.get("/oidc/nobody/logged-out?state=x").await.status, StatusCode::NOT_FOUND);
    assert_eq!(browser.get("/oidc/idp/logged-out?state=x").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn whoever_signs_out_here_is_taken_on_to_the_provider_and_comes_back() {
    let stage = Stage::new("logout = true").await;
    let (mut browser, session) = stage.signed_in(ADA).await;
    let home = browser.get("/").await;
    let secret = browser.cookies["cleargate"].clone();
    let reply = browser.post("/logout", &[("csrf", &home.field("csrf"))]).await;
    assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", reply.text);
    assert!(!browser.cookies.contains_key("cleargate"));
    let mut thief = stage.gateway.visitor();
    thief.cookies.insert("cleargate".to_owned(), secret);
    assert!(!is_in(&mut thief).await, "it ended here before anybody was asked");
    let there: Url = reply.location().parse().unwrap();
    assert!(reply.location().starts_with(&format!("{}/end?theirs=1&", stage.base)), "{there}");
    let field = |name: &str| there.query_pairs().find(|(n, _)| n == name).unwrap().1.into_owned();
    assert_eq!(field("client_id"), CLIENT_ID);
    assert_eq!(field("post_logout_redirect_uri"), "http://127.0.0.1:8080/oidc/idp/logged-out");
    let hint = field("id_token_hint");
    let claims: Value = serde_json::from_slice(&BASE64.decode(hint.split('.').nth(1).unwrap()).unwrap()).unwrap();
    assert_eq!((&claims["sub"], &claims["sid"]), (&json!("sub-ada"), &json!(session)));
    let state = field("state");
    let back = format!("/oidc/idp/logged-out?state={state}");
    assert_eq!(thief.get(&back).await.status, StatusCode::FORBIDDEN, "another browser");
    assert_eq!(browser.get("/oidc/idp/logged-out").await.status, StatusCode::FORBIDDEN);
    // The handle of a logout is none for a sign-in.
    assert_eq!(browser.get(&format!("/oidc/idp/callback?code=x&state={state}")).await.status, StatusCode::FORBIDDEN);
    let over = browser.get(&back).await;
    assert_eq!(over.status, StatusCode::OK, "{}", over.text);
    assert!(over.text.contains("Signed out") && !over.text.contains("You may still be signed in"), "{}", over.text);
    assert_eq!(browser.get(&back).await.status, StatusCode::FORBIDDEN, "once");
}

#[tokio::test]
async fn unless_it_is_configured_nobody_is_taken_to_the_provider() {
    let stage = Stage::new("").await;
    let (mut browser, _) = stage.signed_in(ADA).await;
    let csrf = browser.get("/").await.field("csrf");
    let page = browser.post("/logout", &[("csrf", &csrf)]).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("Signed out"), "{}", page.text);
    assert!(!is_in(&mut browser).await);
}

/// A key that took another's place under its name signs people out from its first logout token on.
#[tokio::test]
async fn a_logout_token_by_a_key_that_changed_under_its_name_is_taken() {
    let stage = Stage::new("").await;
    let (mut ada, _) = stage.signed_in(ADA).await;
    stage.provider.replace(Arc::clone(&STRANGE_KEY));
    let about = json!({"sub": "sub-ada"});
    let by = |key: &SigningKey, id: &str| signed(key, &header(), &stage.claims(id, &about));
    assert_eq!(stage.send(&by(&STRANGE_KEY, "1")).await.status, StatusCode::OK);
    assert_eq!(ada.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(stage.send(&by(&KEY, "2")).await.status, StatusCode::BAD_REQUEST, "the old one is none any more");
    // The keys were read a moment ago and are not read again for whoever sends what no key made.
    stage.provider.replace(Arc::clone(&KEY));
    assert_eq!(stage.send(&by(&KEY, "3")).await.status, StatusCode::BAD_REQUEST);
}
