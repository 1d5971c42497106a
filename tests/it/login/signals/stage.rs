//! A gateway, an OpenID provider, and the transmitter that tells of its people, on one loopback socket.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};
use cleargate::audit::{Event, EventKind};
use cleargate::clock::ManualClock;
use cleargate::gateway::Gateway;
use cleargate::http::outbound::{Outbound, OutboundSettings, Provenance};
use cleargate::model::SourceId;
use cleargate::sandbox::openid::{KnownClient, Person, Provider, SigningKey, router};
use cleargate::secret::{IdSource, Secret};
use cleargate::store;
use http::header::{AUTHORIZATION, LOCATION};
use http::{HeaderValue, Method, StatusCode};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use url::Url;

use crate::oidc::stage::{CLIENT_ID, CLIENT_SECRET, KEY, Spoil, accept, raw};
use crate::support::gateway::{Reply, START, TestGateway, Visitor};

pub const ADA: &str = "ada@example.org";
pub const GRACE: &str = "grace@example.org";
pub const PUSH_TOKEN: &str = "0123456789abcdef0123456789abcdef!";
pub const POLL_TOKEN: &str = "what we show to them";
pub const CAEP: &str = "https://schemas.openid.net/secevent/caep/event-type";
pub const RISC: &str = "https://schemas.openid.net/secevent/risc/event-type";
pub const SSF: &str = "https://schemas.openid.net/secevent/ssf/event-type";
/// What tokens are addressed to.
pub const AUDIENCE: &str = "http://127.0.0.1:8080/signals/idp";

/// What the transmitter has and what it was asked.
#[derive(Default)]
pub struct Queue {
    pub sets: BTreeMap<String, String>,
    pub asked: Vec<Value>,
    /// What it answers instead.
    pub broken: Option<fn() -> Response>,
    /// Whether it forgets what it is told.
    pub is_deaf: bool,
    /// Members of a question that it takes only where they are empty.
    pub refuses: Vec<&'static str>,
}

/// The transmitter's side of polling (RFC 8936).
#[derive(Clone, Default)]
pub struct Transmitter {
    pub queue: Arc<Mutex<Queue>>,
    /// Told when a token was acknowledged.
    pub acknowledged: Arc<Notify>,
}

async fn answer(State(transmitter): State<Transmitter>, headers: HeaderMap, body: Bytes) -> Response {
    if headers.get(AUTHORIZATION).is_none_or(|value| value != format!("Bearer {POLL_TOKEN}").as_str()) {
        return raw(401, "{}");
    }
    let mut queue = transmitter.queue.lock().unwrap();
    let question: Value = serde_json::from_slice(&body).unwrap();
    queue.asked.push(question.clone());
    if let Some(broken) = queue.broken {
        return broken();
    }
    let says_something = |member: &&str| {
        question[*member].as_object().is_some_and(|told| !told.is_empty())
            || question[*member].as_array().is_some_and(|told| !told.is_empty())
    };
    if queue.refuses.iter().any(says_something) {
        return raw(400, "{}");
    }
    if !queue.is_deaf {
        let acks: Vec<String> = serde_json::from_value(question["ack"].clone()).unwrap();
        let errors: BTreeMap<String, Value> = serde_json::from_value(question["setErrs"].clone()).unwrap();
        queue.sets.retain(|id, _| !acks.contains(id) && !errors.contains_key(id));
        if !acks.is_empty() {
            transmitter.acknowledged.notify_one();
        }
    }
    let most = usize::try_from(question["maxEvents"].as_u64().unwrap()).unwrap();
    let sets: BTreeMap<&String, &String> = queue.sets.iter().take(most).collect();
    raw(200, json!({"sets": sets, "moreAvailable": queue.sets.len() > most}).to_string())
}

pub struct Stage {
    pub gateway: TestGateway,
    pub base: String,
    pub provider: Provider,
    pub transmitter: Transmitter,
    /// The provider's.
    pub clock: ManualClock,
    sessions: Arc<AtomicU32>,
    network: Outbound,
    server: JoinSet<()>,
}

/// The section of a provider whose signals are pushed.
pub fn section(base: &str, lines: &str) -> String {
    format!(
        "[[oidc]]\nid = \"idp\"\nissuer = \"{base}\"\nclient_id = \"{CLIENT_ID}\"\n\
         client_secret = {{ file = \"client.secret\" }}\n{lines}\n"
    )
}

pub const PUSHED: &str = "[oidc.signals]\npush_token = { file = \"push.secret\" }\n";
pub const POLLED: &str =
    "[oidc.signals.poll]\nurl = \"BASE/poll\"\ntoken = { file = \"poll.secret\" }\nevery = \"1s\"\n";
pub const FILES: [(&str, &str); 3] =
    [("client.secret", CLIENT_SECRET), ("push.secret", PUSH_TOKEN), ("poll.secret", POLL_TOKEN)];

impl Stage {
    pub async fn pushed() -> Self {
        Self::new(PUSHED).await
    }

    pub async fn polled() -> Self {
        Self::new(POLLED).await
    }

    /// With these lines in the provider's section, where `BASE` stands for its address.
    pub async fn new(lines: &str) -> Self {
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
        let counter = Arc::clone(&sessions);
        let spoil = Spoil::claims(move |claims| {
            let number = counter.fetch_add(1, Ordering::SeqCst) + 1;
            claims.insert("sid".into(), json!(format!("session-{number}")));
        });
        let people = vec![person("sub-ada", ADA), person("sub-grace", GRACE)];
        let ids = IdSource::seeded(7);
        let provider = Provider::new(&base, Arc::clone(&KEY), client, people, clock.clock(), ids).tampered(spoil);
        let transmitter = Transmitter::default();
        let described = json!({"issuer": base, "jwks_uri": format!("{base}/jwks")}).to_string();
        let described = move || std::future::ready(raw(200, described.clone()));
        let told = Router::new()
            .route("/.well-known/ssf-configuration", get(described))
            .route("/poll", post(answer))
            .with_state(transmitter.clone());
        let mut server = JoinSet::new();
        server.spawn(accept(listener, router(provider.clone()).merge(told)));
        let gateway = TestGateway::with_files(&section(&base, &lines.replace("BASE", &base)), &FILES).await;
        let network = Outbound::new(OutboundSettings::default()).unwrap();
        Self { gateway, base, provider, transmitter, clock, sessions, network, server }
    }

    /// Both clocks go on.
    pub fn advance(&self, by: Duration) {
        self.gateway.advance(by);
        self.clock.advance(by);
    }

    /// From now on nobody answers at the provider's address.
    pub async fn fall_silent(&mut self) {
        self.server.shutdown().await;
    }

    /// Now, in seconds.
    pub fn now(&self) -> i64 {
        self.clock.clock().now().as_seconds()
    }

    /// Walks to the provider and gives the address that leads back.
    pub async fn answer(&self, browser: &mut Visitor, email: &str) -> String {
        let start = browser.get("/login/idp?return_to=/").await;
        assert_eq!(start.status, StatusCode::SEE_OTHER, "{}", start.text);
        let mut url: Url = start.location().parse().unwrap();
        url.query_pairs_mut().append_pair("login_hint", email);
        let response = self.network.get(&url, &Provenance::Administrator, "text/html").await.unwrap();
        let back: Url = response.headers[LOCATION].to_str().unwrap().parse().unwrap();
        format!("{}?{}", back.path(), back.query().unwrap())
    }

    /// Tries to sign in.
    pub async fn try_sign_in(&self, browser: &mut Visitor, email: &str) -> Reply {
        let back = self.answer(browser, email).await;
        browser.get(&back).await
    }

    /// Somebody signed in, and the name of their session at the provider.
    pub async fn signed_in(&self, email: &str) -> (Visitor, String) {
        let mut browser = self.gateway.visitor();
        let reply = self.try_sign_in(&mut browser, email).await;
        assert_eq!((reply.status, reply.location()), (StatusCode::SEE_OTHER, "/"), "{}", reply.text);
        (browser, format!("session-{}", self.sessions.load(Ordering::SeqCst)))
    }

    /// The claims of a good token of one event.
    pub fn claims(&self, id: &str, event: &str, subject: &Value) -> Map<String, Value> {
        let claims = json!({
            "iss": self.base, "aud": AUDIENCE, "iat": self.now(), "jti": id, "txn": "8675309",
            "sub_id": subject, "events": { event: {} },
        });
        claims.as_object().unwrap().clone()
    }

    /// Ada, or whoever has this `sub`.
    pub fn person(&self, sub: &str) -> Value {
        json!({"format": "iss_sub", "iss": self.base, "sub": sub})
    }

    pub fn token(&self, id: &str, event: &str, subject: &Value) -> String {
        signed(&KEY, &header(), &self.claims(id, event, subject))
    }

    /// The transmitter, which is no browser.
    pub fn sender(&self) -> Visitor {
        let mut sender = self.gateway.visitor();
        sender.headers.insert(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {PUSH_TOKEN}")).unwrap());
        sender
    }

    pub async fn push(&self, token: &str) -> Reply {
        push(&mut self.sender(), token).await
    }

    /// Pushes a good token.
    pub async fn tell(&self, id: &str, event: &str, subject: &Value) {
        let reply = self.push(&self.token(id, event, subject)).await;
        assert_eq!((reply.status, reply.text.as_str()), (StatusCode::ACCEPTED, ""), "{event}");
    }

    /// Puts a token into what is polled.
    pub fn queue(&self, id: &str, token: String) {
        self.transmitter.queue.lock().unwrap().sets.insert(id.to_owned(), token);
    }

    /// What is still queued.
    pub fn queued(&self) -> Vec<String> {
        self.transmitter.queue.lock().unwrap().sets.keys().cloned().collect()
    }

    /// Polls once.
    pub async fn hear(&self) -> Result<usize, String> {
        self.gateway.gateway.login().hear_from(&idp()).await.map_err(|error| error.to_string())
    }

    pub async fn events(&self, kind: EventKind) -> Vec<Event> {
        events(&self.gateway.gateway, kind).await
    }

    /// The rule of the newest refusal.
    pub async fn rule(&self, kind: EventKind) -> String {
        detail(self.events(kind).await.last().expect("an event"), "rule").expect("a rule")
    }
}

pub fn idp() -> SourceId {
    "idp".parse().unwrap()
}

pub async fn events(gateway: &Gateway, kind: EventKind) -> Vec<Event> {
    let rows = gateway.ledger().store().engine().log(0, 10_000).await.unwrap();
    let events = rows.iter().map(|row| store::decode::<Event>("log", &row.body).unwrap());
    events.filter(|event| event.kind == kind).collect()
}

pub fn detail(event: &Event, name: &str) -> Option<String> {
    event.details.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
}

pub fn header() -> Map<String, Value> {
    let mut header = KEY.header();
    header.insert("typ".into(), json!("secevent+jwt"));
    header
}

pub fn signed(key: &SigningKey, header: &Map<String, Value>, claims: &Map<String, Value>) -> String {
    key.sign(&Value::Object(header.clone()).to_string(), &Value::Object(claims.clone()).to_string()).unwrap()
}

pub async fn push(sender: &mut Visitor, token: &str) -> Reply {
    let body = Body::from(token.to_owned());
    sender.send(Method::POST, "/signals/idp", Some("application/secevent+jwt"), body).await
}

pub async fn is_in(browser: &mut Visitor) -> bool {
    browser.get("/api/v1/me").await.status == StatusCode::OK
}
