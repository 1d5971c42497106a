//! A provider on a loopback socket, a connector that uses it, and a hand in what the provider sends.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use cleargate::clock::{ManualClock, Timestamp};
use cleargate::http::outbound::{Outbound, OutboundSettings, Provenance};
use cleargate::sandbox::openid::{Endpoint, KnownClient, Person, Provider, SigningKey, Tamper, router};
use cleargate::secret::{IdSource, Secret};
use cleargate::upstream::oidc::{OidcConnector, OidcSettings};
use cleargate::upstream::{Answer, AssertedIdentity, Error, RedirectConnector, Start};
use futures_util::FutureExt;
use http::header::{CONTENT_LENGTH, LOCATION};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde_json::{Map, Value};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use url::Url;

pub const CLIENT_ID: &str = "cleargate";
pub const CLIENT_SECRET: &str = "a client secret, with spaces: and a colon";
/// What the provider's clock and ours say when a test begins.
pub const NOW: i64 = 1_795_334_950;

/// The provider's first key. Making RSA keys is slow, so all tests share it.
pub static KEY: LazyLock<Arc<SigningKey>> = LazyLock::new(|| Arc::new(SigningKey::rs256("first").unwrap()));
/// A key that the provider does not know.
pub static STRANGE_KEY: LazyLock<Arc<SigningKey>> = LazyLock::new(|| Arc::new(SigningKey::rs256("first").unwrap()));

type Change<T> = Box<dyn Fn(T) + Send + Sync>;
type ChangeMap = Box<dyn Fn(&mut Map<String, Value>) + Send + Sync>;
type ChangeText = Box<dyn Fn(String) -> String + Send + Sync>;
type ChangeAnswer = Box<dyn Fn(Endpoint, Response) -> Response + Send + Sync>;

/// What a test spoils; nothing by default.
#[derive(Default)]
pub struct Spoil {
    header: Option<ChangeMap>,
    claims: Option<ChangeMap>,
    payload: Option<ChangeText>,
    token: Option<ChangeText>,
    answer: Option<ChangeAnswer>,
    watch: Option<Change<Endpoint>>,
}

impl Spoil {
    pub fn header(change: impl Fn(&mut Map<String, Value>) + Send + Sync + 'static) -> Self {
        Self { header: Some(Box::new(change)), ..Self::default() }
    }

    pub fn claims(change: impl Fn(&mut Map<String, Value>) + Send + Sync + 'static) -> Self {
        Self { claims: Some(Box::new(change)), ..Self::default() }
    }

    /// Sets one claim.
    pub fn claim(name: &'static str, value: Value) -> Self {
        Self::claims(move |claims| drop(claims.insert(name.into(), value.clone())))
    }

    /// Leaves one claim out.
    pub fn without(name: &'static str) -> Self {
        Self::claims(move |claims| drop(claims.remove(name)))
    }

    pub fn payload(change: impl Fn(String) -> String + Send + Sync + 'static) -> Self {
        Self { payload: Some(Box::new(change)), ..Self::default() }
    }

    pub fn token(change: impl Fn(String) -> String + Send + Sync + 'static) -> Self {
        Self { token: Some(Box::new(change)), ..Self::default() }
    }

    /// Replaces the whole answer of one endpoint.
    pub fn answer(at: Endpoint, change: impl Fn(Response) -> Response + Send + Sync + 'static) -> Self {
        let change = move |endpoint, answer| if endpoint == at { change(answer) } else { answer };
        Self { answer: Some(Box::new(change)), ..Self::default() }
    }

    /// Changes the JSON document that one endpoint answers with.
    pub fn document(at: Endpoint, change: impl Fn(&mut Value) + Send + Sync + 'static) -> Self {
        Self::answer(at, move |answer| rewrite(answer, &change))
    }

    /// Changes the provider's description and its keys.
    pub fn documents(change: impl Fn(Endpoint, &mut Value) + Send + Sync + 'static) -> Self {
        let change = move |endpoint, answer| match endpoint {
            Endpoint::Discovery | Endpoint::Keys => rewrite(answer, &|document: &mut Value| change(endpoint, document)),
            _ => answer,
        };
        Self { answer: Some(Box::new(change)), ..Self::default() }
    }

    /// Counts the requests to an endpoint, besides.
    pub fn counting(mut self, at: Endpoint) -> (Self, Arc<AtomicU32>) {
        let count = Arc::new(AtomicU32::new(0));
        let shared = Arc::clone(&count);
        self.watch = Some(Box::new(move |endpoint| {
            if endpoint == at {
                shared.fetch_add(1, Ordering::SeqCst);
            }
        }));
        (self, count)
    }

    /// Also changes the finished token.
    pub fn and_token(mut self, change: impl Fn(String) -> String + Send + Sync + 'static) -> Self {
        self.token = Some(Box::new(change));
        self
    }

    /// Also changes answers.
    pub fn and_answer(mut self, change: impl Fn(Endpoint, Response) -> Response + Send + Sync + 'static) -> Self {
        self.answer = Some(Box::new(change));
        self
    }

    /// Also changes claims.
    pub fn and_claims(mut self, change: impl Fn(&mut Map<String, Value>) + Send + Sync + 'static) -> Self {
        self.claims = Some(Box::new(change));
        self
    }
}

/// The answer with its JSON changed.
pub fn rewrite(answer: Response, change: &(impl Fn(&mut Value) + ?Sized)) -> Response {
    let (mut head, body) = answer.into_parts();
    let body = body.collect().now_or_never().unwrap().unwrap().to_bytes();
    let mut document = serde_json::from_slice(&body).unwrap();
    change(&mut document);
    head.headers.remove(CONTENT_LENGTH);
    Response::from_parts(head, Body::from(document.to_string()))
}

/// An answer with this status and body, said to be JSON.
pub fn raw(status: u16, body: impl Into<Body>) -> Response {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = http::StatusCode::from_u16(status).unwrap();
    answer.headers_mut().insert("content-type", "application/json".parse().unwrap());
    answer
}

/// A body that never ends.
pub fn endless() -> Body {
    let chunk = || Ok::<_, Infallible>(Bytes::from_static(&[b' '; 16 * 1024]));
    Body::from_stream(futures_util::stream::repeat_with(chunk))
}

/// A body that never begins.
pub fn silent() -> Body {
    Body::from_stream(futures_util::stream::pending::<Result<Bytes, Infallible>>())
}

impl Tamper for Spoil {
    fn header(&self, header: &mut Map<String, Value>) {
        self.header.iter().for_each(|change| change(header));
    }
    fn claims(&self, claims: &mut Map<String, Value>) {
        self.claims.iter().for_each(|change| change(claims));
    }
    fn payload(&self, payload: String) -> String {
        self.payload.iter().fold(payload, |payload, change| change(payload))
    }
    fn token(&self, token: String) -> String {
        self.token.iter().fold(token, |token, change| change(token))
    }
    fn answer(&self, endpoint: Endpoint, answer: Response) -> Response {
        self.watch.iter().for_each(|watch| watch(endpoint));
        self.answer.iter().fold(answer, |answer, change| change(endpoint, answer))
    }
}

pub async fn accept(listener: TcpListener, app: Router) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let service = TowerToHyperService::new(app.clone());
        connections.spawn(async move {
            // A client that hangs up is part of these tests.
            drop(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

/// A provider and a connector.
pub struct Stage {
    pub connector: OidcConnector,
    pub provider: Provider,
    pub clock: ManualClock,
    pub browser: Outbound,
    _server: JoinSet<()>,
}

/// How a stage differs from the usual one.
pub struct Scenery {
    pub spoil: Spoil,
    pub settings: Box<dyn Fn(&mut OidcSettings) + Send>,
    pub outbound: OutboundSettings,
    pub secret: Option<Secret>,
    pub key: Arc<SigningKey>,
}

impl Default for Scenery {
    fn default() -> Self {
        Self {
            spoil: Spoil::default(),
            settings: Box::new(|_| ()),
            outbound: OutboundSettings::default(),
            secret: Some(Secret::new(CLIENT_SECRET.into())),
            key: Arc::clone(&KEY),
        }
    }
}

impl Stage {
    pub async fn honest() -> Self {
        Self::spoiled(Spoil::default()).await
    }

    pub async fn spoiled(spoil: Spoil) -> Self {
        Self::open(Scenery { spoil, ..Scenery::default() }).await
    }

    /// A provider whose answers are awaited for 500 ms only.
    pub async fn impatient(spoil: Spoil) -> Self {
        let outbound = OutboundSettings { deadline: Duration::from_millis(500), ..OutboundSettings::default() };
        Self::open(Scenery { spoil, outbound, ..Scenery::default() }).await
    }

    pub async fn open(scenery: Scenery) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let clock = ManualClock::new(Timestamp::from_seconds(NOW));
        let public_url: Url = "https://sso.example".parse().unwrap();
        let mut settings = OidcSettings::new("idp".parse().unwrap(), &base, CLIENT_ID, public_url);
        settings.client_secret = scenery.secret.clone();
        (scenery.settings)(&mut settings);

        let client = KnownClient {
            id: CLIENT_ID.into(),
            secret: scenery.secret,
            redirect_uris: vec!["https://sso.example/oidc/idp/callback".into()],
        };
        let people = vec![
            person("248289761001", "Ada Lovelace", "ada@example.com", &["analysts", "ops"]),
            person("7", "Bob <b>\"&", "bob@example.com", &[]),
        ];
        let ids = IdSource::seeded(7);
        let provider = Provider::new(&base, scenery.key, client, people, clock.clock(), ids).tampered(scenery.spoil);
        let mut server = JoinSet::new();
        // The same under the path that stands for many tenants.
        let app = router(provider.clone()).nest("/organizations/v2.0", router(provider.clone()));
        server.spawn(accept(listener, app));

        let outbound = Outbound::new(scenery.outbound).unwrap();
        let browser = outbound.clone();
        let connector = OidcConnector::new(settings, outbound, clock.clock(), IdSource::seeded(1)).unwrap();
        Self { connector, provider, clock, browser, _server: server }
    }

    /// Goes where the browser is sent, as Ada, and brings back what the provider puts into the redirect.
    pub async fn visit(&self, start: &Start) -> Answer {
        let mut url: Url = start.location.parse().unwrap();
        url.query_pairs_mut().append_pair("login_hint", "ada@example.com");
        let response = self.browser.get(&url, &Provenance::Administrator, "text/html").await.unwrap();
        assert_eq!(response.status, 303, "{:?}", response.body);
        let back: Url = response.headers[LOCATION].to_str().unwrap().parse().unwrap();
        assert!(back.as_str().starts_with("https://sso.example/oidc/idp/callback?"), "{back}");
        Answer { fields: back.query_pairs().into_owned().collect() }
    }

    /// A whole sign-in.
    pub async fn sign_in(&self) -> Result<AssertedIdentity, Error> {
        let start = self.connector.start().await?;
        let answer = self.visit(&start).await;
        assert_eq!(answer.single("state").unwrap(), start.handle);
        self.connector.finish(&start.pending, &answer).await
    }

    /// A sign-in whose answer is changed on its way.
    pub async fn sign_in_with(&self, change: impl FnOnce(&mut Answer)) -> Result<AssertedIdentity, Error> {
        let start = self.connector.start().await?;
        let mut answer = self.visit(&start).await;
        change(&mut answer);
        self.connector.finish(&start.pending, &answer).await
    }
}

fn person(sub: &str, name: &str, email: &str, groups: &[&str]) -> Person {
    let groups = groups.iter().map(|group| (*group).to_owned()).collect();
    Person { sub: sub.into(), name: name.into(), email: email.into(), groups }
}

/// The rule by which a sign-in was refused.
#[track_caller]
pub fn rule(outcome: Result<AssertedIdentity, Error>) -> &'static str {
    match outcome {
        Err(Error::Refused { rule, reason }) => {
            assert!(!reason.is_empty() && !reason.contains(CLIENT_SECRET), "{reason}");
            rule
        }
        other => panic!("not refused by a rule: {other:?}"),
    }
}

/// What was not available.
#[track_caller]
pub fn unavailable(outcome: Result<AssertedIdentity, Error>) -> String {
    match outcome {
        Err(Error::Unavailable { reason }) => reason,
        other => panic!("not unavailable: {other:?}"),
    }
}

/// Asserts that a spoiled provider's sign-in is refused by `expected`.
pub async fn is_refused(spoil: Spoil, expected: &str) {
    assert_eq!(rule(Stage::spoiled(spoil).await.sign_in().await), expected);
}
