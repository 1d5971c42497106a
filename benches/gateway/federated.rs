//! Signing in by SAML and by OpenID Connect. What the provider does by itself is left out: its answers are made between the
//! starts and the ends.

use std::sync::Arc;
use std::time::Instant;

use base64::{Engine, prelude::BASE64_STANDARD};
use cleargate::clock::Clock;
use cleargate::http::outbound::{Outbound, OutboundSettings, Provenance};
use cleargate::sandbox::openid::{self, KnownClient, Provider, SigningKey, router};
use cleargate::sandbox::saml::{Idp, IdpKey, KeyKind, Person, Request};
use cleargate::secret::IdSource;
use futures_util::future::join_all;
use http::Method;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use url::Url;

use super::client::{Call, Connection};
use super::measure::{self, Measure, Watch};
use super::signing_in::{FORM, form};
use super::support::daemon::Daemon;
use super::{Extent, MANY};

/// People who sign in, in turn: so many that nobody has more than a few sessions, and hardly ever two sign-ins at a time.
const PEOPLE: usize = 1_000;
/// The largest message that is read.
const LARGEST: usize = 256 * 1024;
/// Sign-ins that wait at the same time for an answer that exhausts.
const BESIEGING: usize = 320;
const CLIENT: &str = "bench";

/// Both providers, with RSA keys, as most have.
pub struct Providers {
    saml: Idp,
    openid: String,
}

impl Providers {
    /// Starts the OpenID provider; the other one needs no address.
    pub async fn start(gateway: &str) -> Self {
        let groups = || vec!["staff".to_owned(), "engineering".to_owned()];
        let person = |number: usize| Person {
            name: format!("Ada {number}"),
            email: format!("saml-{number}@example.org"),
            groups: groups(),
        };
        let key = IdpKey::generate(KeyKind::Rsa2048, "benchmark").unwrap();
        let people = (0..PEOPLE).map(person).collect();
        let saml = Idp::new("http://127.0.0.1:9", people, key, Clock::system(), IdSource::system());

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let openid = format!("http://{}", listener.local_addr().unwrap());
        let person = |number: usize| openid::Person {
            sub: format!("openid-{number}"),
            name: format!("Bob {number}"),
            email: format!("openid-{number}@example.org"),
            groups: groups(),
        };
        let client = KnownClient {
            id: CLIENT.to_owned(),
            secret: None,
            redirect_uris: vec![format!("{gateway}/oidc/op/callback")],
        };
        let key = Arc::new(SigningKey::rs256("first").unwrap());
        let people = (0..PEOPLE).map(person).collect();
        let provider = Provider::new(&openid, key, client, people, Clock::system(), IdSource::system());
        let service = TowerToHyperService::new(router(provider));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let connection =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone());
                tokio::spawn(async move { drop(connection.await) });
            }
        });
        Self { saml, openid }
    }

    /// The lines of the configuration that name them.
    pub fn lines(&self, daemon: &Daemon) -> String {
        let metadata = daemon.secret("idp.xml", &self.saml.metadata());
        format!(
            "[[saml]]\nid = \"corp\"\nmetadata.file = \"{}\"\n[[oidc]]\nid = \"op\"\nissuer = \"{}\"\nclient_id = \"{CLIENT}\"\n",
            metadata.display(),
            self.openid
        )
    }

    /// The answer to a SAML request that a browser was sent away with.
    fn assert(&self, number: usize, location: &str) -> Call {
        let location = Url::parse(location).unwrap();
        let parameter = |name: &str| location.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
        let request = Request::parse(&parameter("SAMLRequest")).unwrap();
        let response = self.saml.respond(&request, &self.saml.people()[number % PEOPLE]).unwrap();
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("SAMLResponse", &BASE64_STANDARD.encode(response))
            .append_pair("RelayState", &parameter("RelayState"))
            .finish();
        Call { method: Method::POST, path: "/saml/corp/acs".to_owned(), body, expected: &[303] }
    }

    /// An answer with a good signature of another text, filled up to the largest size.
    fn exhaust(&self, location: &str) -> Call {
        let location = Url::parse(location).unwrap();
        let parameter = |name: &str| location.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
        let request = Request::parse(&parameter("SAMLRequest")).unwrap();
        let response = self.saml.respond(&request, &self.saml.people()[0]).unwrap();
        let end = "</saml:AttributeStatement>";
        let fill = "<saml:Attribute/>".repeat((LARGEST - response.len() - 1_000) / "<saml:Attribute/>".len());
        let response = response.replacen(end, &format!("{fill}{end}"), 1);
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("SAMLResponse", &BASE64_STANDARD.encode(response))
            .append_pair("RelayState", &parameter("RelayState"))
            .finish();
        Call { method: Method::POST, path: "/saml/corp/acs".to_owned(), body, expected: &[400, 403] }
    }

    /// The way back from the OpenID provider's page.
    async fn authorize(&self, number: usize, location: &str) -> Call {
        let mut there = Url::parse(location).unwrap();
        there.query_pairs_mut().append_pair("login_hint", &format!("openid-{}@example.org", number % PEOPLE));
        let path = format!("{}?{}", there.path(), there.query().unwrap());
        let call = Call { method: Method::GET, path, body: String::new(), expected: &[302, 303] };
        let back = Url::parse(&Connection::new(&self.openid, &[]).location(&call).await).unwrap();
        let path = format!("{}?{}", back.path(), back.query().unwrap());
        Call { method: Method::GET, path, body: String::new(), expected: &[303] }
    }
}

/// What asking the provider costs by itself: a connection, a request and an answer of the size of its tokens, by the client
/// that the gateway has, on a thread of its own.
async fn round_trips(providers: &Providers, count: usize) -> Measure {
    let url = Url::parse(&format!("{}/.well-known/openid-configuration", providers.openid)).unwrap();
    let ask = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let outbound = Outbound::new(OutboundSettings::default()).unwrap();
        let (began, before) = (Instant::now(), measure::thread_seconds());
        runtime.block_on(async {
            for _ in 0..count {
                let answer = outbound.get(&url, &Provenance::Administrator, "application/json").await.unwrap();
                assert_eq!(answer.status, 200);
            }
        });
        Measure::of(count as u64, began.elapsed(), measure::thread_seconds() - before, 0.0)
    };
    tokio::task::spawn_blocking(ask).await.unwrap()
}

/// Every operation by name, a measure for each round.
pub async fn measure(daemon: &Daemon, providers: &Providers, extent: &Extent) -> Vec<(&'static str, Vec<Measure>)> {
    let mut rows: [(&str, Vec<Measure>); 6] = [
        ("Sign-in by SAML: the start", Vec::new()),
        ("Sign-in by SAML: the answer, RSA 2048", Vec::new()),
        ("the same, 32 connections", Vec::new()),
        ("Sign-in by OpenID Connect: the callback, RSA 2048", Vec::new()),
        ("the same, 32 connections", Vec::new()),
        ("of it asking the provider, by itself", Vec::new()),
    ];
    let (cookie, _) = form(daemon).await;
    let connect = |count: usize| -> Vec<Connection> {
        (0..count).map(|_| Connection::new(&daemon.url(), &[("cookie", &cookie), FORM])).collect()
    };
    let (mut one, mut many) = (connect(1), connect(MANY));
    // The first sign-in of each makes an account.
    by_saml(daemon, providers, &mut many, PEOPLE).await;
    by_openid(daemon, providers, &mut many, PEOPLE).await;
    for _ in 0..extent.rounds {
        let (starts, ends) = by_saml(daemon, providers, &mut one, extent.sign_ins).await;
        rows[0].1.push(starts);
        rows[1].1.push(ends);
        rows[2].1.push(by_saml(daemon, providers, &mut many, extent.sign_ins * 4).await.1);
        rows[3].1.push(by_openid(daemon, providers, &mut one, extent.sign_ins).await);
        rows[4].1.push(by_openid(daemon, providers, &mut many, extent.sign_ins * 4).await);
        rows[5].1.push(round_trips(providers, extent.sign_ins * 4).await);
    }
    rows.into()
}

/// What so many of the worst answers leave behind in the daemon's memory: of the largest size, each to a sign-in that waits for
/// one, and with a signature that has to be looked into.
pub async fn besieged(daemon: &Daemon, providers: &Providers, count: usize) -> String {
    let (cookie, _) = form(daemon).await;
    let connect = |_| Connection::new(&daemon.url(), &[("cookie", &cookie), FORM]);
    let mut connections: Vec<Connection> = (0..MANY).map(connect).collect();
    let before = measure::resident_mib(daemon.id());
    for _ in 0..count.div_ceil(BESIEGING) {
        let calls: Vec<Call> = (0..BESIEGING).map(|_| begin("corp")).collect();
        let sent = send(&mut connections, &calls).await;
        let answers: Vec<Call> = sent.iter().map(|to| providers.exhaust(to)).collect();
        let share = answers.len().div_ceil(connections.len());
        join_all(connections.iter_mut().zip(answers.chunks(share)).map(|(connection, calls)| async move {
            for call in calls {
                connection.send(call).await;
            }
        }))
        .await;
    }
    let grown = measure::resident_mib(daemon.id()).saturating_sub(before);
    format!(
        "{count} of the worst SAML answers by {MANY} connections left {grown} MiB more resident in the daemon (32)."
    )
}

/// Sends all calls, divided among the connections; where each answer leads, in the order of the calls.
async fn send(connections: &mut [Connection], calls: &[Call]) -> Vec<String> {
    let share = calls.len().div_ceil(connections.len());
    let parts = connections.iter_mut().zip(calls.chunks(share)).map(|(connection, calls)| async move {
        let mut locations = Vec::with_capacity(calls.len());
        for call in calls {
            locations.push(connection.location(call).await);
        }
        locations
    });
    join_all(parts).await.concat()
}

fn begin(connector: &str) -> Call {
    Call { method: Method::GET, path: format!("/login/{connector}"), body: String::new(), expected: &[303] }
}

async fn by_saml(
    daemon: &Daemon,
    providers: &Providers,
    connections: &mut [Connection],
    count: usize,
) -> (Measure, Measure) {
    let calls: Vec<Call> = (0..count).map(|_| begin("corp")).collect();
    let watch = Watch::start(daemon.id());
    let sent = send(connections, &calls).await;
    let starts = watch.stop(count as u64);
    let answers: Vec<Call> = sent.iter().enumerate().map(|(number, to)| providers.assert(number, to)).collect();
    let watch = Watch::start(daemon.id());
    send(connections, &answers).await;
    (starts, watch.stop(count as u64))
}

async fn by_openid(daemon: &Daemon, providers: &Providers, connections: &mut [Connection], count: usize) -> Measure {
    let calls: Vec<Call> = (0..count).map(|_| begin("op")).collect();
    let sent = send(connections, &calls).await;
    let mut back = Vec::with_capacity(count);
    for (number, to) in sent.iter().enumerate() {
        back.push(providers.authorize(number, to).await);
    }
    let watch = Watch::start(daemon.id());
    send(connections, &back).await;
    watch.stop(count as u64)
}
