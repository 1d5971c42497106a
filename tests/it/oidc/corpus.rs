//! Hostile sign-ins, made by a program: answers that were never given, moved, doubled or replayed; tokens that are forged, of
//! another method, or say what they must not; endpoints that lie, lead elsewhere or never end.
//!
//! All of them go through the whole gateway. Outside there is one answer at each of the two addresses where a sign-in can end, the
//! beginning and the return; the ledger has the rule; nobody is signed in; and a good sign-in works right after.

mod answers;
mod claims;
mod documents;
mod endpoints;
mod signed;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use axum::response::Response;
use cleargate::audit::{Event, EventKind};
use cleargate::http::outbound::{Outbound, OutboundSettings, Provenance};
use cleargate::sandbox::openid::{Endpoint, KnownClient, Person, Provider, SigningKey, Tamper, router};
use cleargate::secret::{IdSource, Secret};
use cleargate::store;
use futures_util::future::BoxFuture;
use http::StatusCode;
use http::header::{LOCATION, SET_COOKIE};
use serde_json::{Map, Value};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use url::Url;

use super::stage::{CLIENT_ID, CLIENT_SECRET, KEY, STRANGE_KEY, Spoil, accept};
use crate::support::gateway::{Reply, START, TestGateway, Visitor};

const ADA: &str = "ada@example.org";
/// The second of the two ways to authenticate that are taken; the provider answers by the first.
const CONTEXT: &str = "http://schemas.openid.net/pape/policies/2007/06/multi-factor";
const NOW: i64 = START.as_seconds();

/// One hostile sign-in.
struct Case {
    name: String,
    /// What the ledger has to say.
    rule: &'static str,
    hand: Hand,
}

/// Whose hand is in it.
enum Hand {
    /// The browser's: what it brings back is changed.
    Browser(Box<dyn Fn(&mut Visit)>),
    /// The provider's: what it sends is changed, after others have signed in by it.
    Provider(Arc<Spoil>),
    /// The provider's, whose documents nobody has read yet.
    Newcomer(Arc<Spoil>),
    /// Another one; gives the answer to what was wrong in the end.
    Walk(for<'a> fn(&'a Stage) -> BoxFuture<'a, Reply>),
}

type Cases = Vec<Case>;

/// How many cases there are at least of each family, which a name begins with.
const LEAST: [(&str, usize); 8] = [
    ("answer", 35),
    ("claim", 70),
    ("description", 35),
    ("keys", 25),
    ("token endpoint", 40),
    ("token", 80),
    ("UserInfo", 18),
    ("walk", 9),
];

fn by_browser(name: &str, rule: &'static str, change: impl Fn(&mut Visit) + 'static) -> Case {
    Case { name: format!("answer: {name}"), rule, hand: Hand::Browser(Box::new(change)) }
}

fn by_provider(name: String, rule: &'static str, spoil: Spoil) -> Case {
    Case { name, rule, hand: Hand::Provider(Arc::new(spoil)) }
}

fn by_newcomer(name: String, rule: &'static str, spoil: Spoil) -> Case {
    Case { name, rule, hand: Hand::Newcomer(Arc::new(spoil)) }
}

fn walk(name: &str, rule: &'static str, walk: for<'a> fn(&'a Stage) -> BoxFuture<'a, Reply>) -> Case {
    Case { name: format!("walk: {name}"), rule, hand: Hand::Walk(walk) }
}

fn all() -> Cases {
    let kinds =
        [answers::cases, answers::walks, claims::cases, documents::keys, documents::discovery, endpoints::tokens];
    let rest = [endpoints::user_info, signed::algorithms, signed::headers, signed::signatures, signed::shapes];
    kinds.into_iter().chain(rest).flat_map(|kind| kind()).collect()
}

/// What a browser brings back.
struct Visit {
    browser: Visitor,
    path: String,
    fields: Vec<(String, String)>,
    /// What another browser was about to bring back, from a sign-in of its own.
    others: Vec<(String, String)>,
    /// The issuer of the provider that is configured beside this one.
    neighbour: String,
}

impl Visit {
    fn set(&mut self, name: &str, value: &str) {
        self.remove(name);
        self.fields.push((name.to_owned(), value.to_owned()));
    }

    fn remove(&mut self, name: &str) {
        self.fields.retain(|(known, _)| known != name);
    }

    /// The same field once more.
    fn double(&mut self, name: &str) {
        let field = self.fields.iter().find(|(known, _)| known == name);
        let value = field.map_or_else(|| "x".to_owned(), |(_, value)| value.clone());
        self.fields.push((name.to_owned(), value.clone()));
        if self.fields.iter().filter(|(known, _)| known == name).count() == 1 {
            self.fields.push((name.to_owned(), value));
        }
    }

    /// The value of the other browser.
    fn take(&mut self, name: &str) {
        let value = self.others.iter().find(|(known, _)| known == name).unwrap().1.clone();
        self.set(name, &value);
    }

    async fn send(mut self) -> (Reply, Visitor) {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.fields).finish();
        (self.browser.get(&format!("{}?{query}", self.path)).await, self.browser)
    }
}

/// A provider's hand in what it sends, which a test takes away and puts back.
#[derive(Clone, Default)]
struct Switch(Arc<Mutex<Arc<Spoil>>>);

impl Switch {
    fn set(&self, spoil: Arc<Spoil>) {
        *self.0.lock().unwrap() = spoil;
    }

    fn spoil(&self) -> Arc<Spoil> {
        Arc::clone(&self.0.lock().unwrap())
    }
}

impl Tamper for Switch {
    fn header(&self, header: &mut Map<String, Value>) {
        self.spoil().header(header);
    }
    fn claims(&self, claims: &mut Map<String, Value>) {
        self.spoil().claims(claims);
    }
    fn payload(&self, payload: String) -> String {
        self.spoil().payload(payload)
    }
    fn token(&self, token: String) -> String {
        self.spoil().token(token)
    }
    fn answer(&self, endpoint: Endpoint, answer: Response) -> Response {
        self.spoil().answer(endpoint, answer)
    }
}

/// A gateway with two providers: the one that is spoiled, and an honest neighbour whose key has the same id.
struct Stage {
    gateway: TestGateway,
    neighbour: String,
    switch: Switch,
    network: Outbound,
    _servers: JoinSet<()>,
}

impl Stage {
    async fn new() -> Self {
        let listeners =
            [TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap()];
        let bases = listeners.each_ref().map(|listener| format!("http://{}", listener.local_addr().unwrap()));
        let mut sections = String::from("[limits]\nsign_in = \"100000/1m\"\n");
        for (id, base) in ["idp", "other"].iter().zip(&bases) {
            sections.push_str(&format!(
                "[[oidc]]\nid = \"{id}\"\nissuer = \"{base}\"\nclient_id = \"{CLIENT_ID}\"\n\
                 client_secret = {{ file = \"client.secret\" }}\nmax_age = \"1h\"\nauthn_contexts = [\"phr\", \"{CONTEXT}\"]\n"
            ));
        }
        let gateway = TestGateway::with_files(&sections, &[("client.secret", CLIENT_SECRET)]).await;
        let (switch, mut servers) = (Switch::default(), JoinSet::new());
        let keys = [Arc::clone(&KEY), Arc::clone(&STRANGE_KEY)];
        let neighbour = bases[1].clone();
        for (((id, base), listener), key) in ["idp", "other"].iter().zip(&bases).zip(listeners).zip(keys) {
            let client = KnownClient {
                id: CLIENT_ID.into(),
                secret: Some(Secret::new(CLIENT_SECRET.into())),
                redirect_uris: vec![format!("http://127.0.0.1:8080/oidc/{id}/callback")],
            };
            let person = Person {
                sub: format!("{id}-ada"),
                name: "Ada Lovelace".into(),
                email: ADA.into(),
                groups: vec!["staff".into()],
            };
            let clock = gateway.clock.clock();
            let mut provider = Provider::new(base, key, client, vec![person], clock, IdSource::seeded(7));
            if *id == "idp" {
                provider = provider.tampered(switch.clone());
            }
            servers.spawn(accept(listener, router(provider)));
        }
        let network = Outbound::new(OutboundSettings::default()).unwrap();
        Self { gateway, neighbour, switch, network, _servers: servers }
    }

    /// Goes to the provider, and gives what the browser is about to bring back, or what the gateway said instead.
    async fn walk_out(&self, mut browser: Visitor) -> Result<Visit, Reply> {
        let start = browser.get("/login/idp?return_to=/").await;
        if start.status != StatusCode::SEE_OTHER {
            return Err(start);
        }
        let mut url: Url = start.location().parse().unwrap();
        url.query_pairs_mut().append_pair("login_hint", ADA);
        let response = self.network.get(&url, &Provenance::Administrator, "text/html").await.unwrap();
        let back: Url = response.headers[LOCATION].to_str().unwrap().parse().unwrap();
        Ok(Visit {
            browser,
            path: back.path().to_owned(),
            fields: back.query_pairs().into_owned().collect(),
            others: Vec::new(),
            neighbour: self.neighbour.clone(),
        })
    }

    /// What a new browser is about to bring back.
    async fn visit(&self) -> Visit {
        self.walk_out(self.gateway.visitor()).await.unwrap_or_else(|reply| panic!("{}", reply.text))
    }

    /// A new browser's sign-in, as far as it comes.
    async fn sign_in(&self) -> (Reply, Visitor) {
        match self.walk_out(self.gateway.visitor()).await {
            Ok(visit) => visit.send().await,
            Err(reply) => (reply, self.gateway.visitor()),
        }
    }

    /// A good sign-in, which has to work.
    async fn sign_in_well(&self, after: &str) -> Visitor {
        let (reply, mut browser) = self.sign_in().await;
        let place = (reply.status, reply.location());
        assert_eq!(
            place,
            (StatusCode::SEE_OTHER, "/"),
            "after {after}: {} {:?}",
            reply.text,
            self.refusals().await.last()
        );
        assert!(is_in(&mut browser).await, "after {after}");
        browser
    }

    /// The refusals that the ledger has.
    async fn refusals(&self) -> Vec<Event> {
        let rows = self.gateway.gateway.ledger().store().engine().log(0, 10_000).await.unwrap();
        let events = rows.iter().map(|row| store::decode::<Event>("log", &row.body).unwrap());
        events.filter(|event| matches!(event.kind, EventKind::AssertionRefused | EventKind::ProviderRefused)).collect()
    }

    async fn play(&self, hand: &Hand) -> (Reply, Option<Visitor>) {
        match hand {
            Hand::Browser(change) => {
                let mut visit = self.visit().await;
                visit.others = self.visit().await.fields;
                change(&mut visit);
                let (reply, browser) = visit.send().await;
                (reply, Some(browser))
            }
            Hand::Provider(spoil) | Hand::Newcomer(spoil) => {
                self.switch.set(Arc::clone(spoil));
                let (reply, browser) = self.sign_in().await;
                (reply, Some(browser))
            }
            Hand::Walk(walk) => (walk(self).await, None),
        }
    }
}

async fn is_in(browser: &mut Visitor) -> bool {
    browser.get("/api/v1/me").await.status == StatusCode::OK
}

fn detail<'a>(event: &'a Event, name: &str) -> &'a str {
    event.details.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}

#[tokio::test]
async fn every_hostile_sign_in_ends_alike_and_a_good_one_works_after_it() {
    let cases = all();
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    assert!(names.len() >= 150 && names.len() == cases.len(), "{} cases, {} names", cases.len(), names.len());
    for (family, least) in LEAST {
        let count = names.iter().filter(|name| name.split(": ").next() == Some(family)).count();
        assert!(count >= least, "{family}: {count} of {least}");
    }
    let shared = Stage::new().await;
    shared.sign_in_well("nothing").await;
    let (mut pages, mut otherwise) = (BTreeMap::new(), Vec::new());
    for case in &cases {
        let name = &case.name;
        let own = if matches!(case.hand, Hand::Newcomer(_)) { Some(Stage::new().await) } else { None };
        let stage = own.as_ref().unwrap_or(&shared);
        let before = stage.refusals().await.len();
        let (reply, browser) = stage.play(&case.hand).await;
        assert!(
            !reply.status.is_success() && !reply.status.is_redirection(),
            "{name}: {} {}",
            reply.status,
            reply.text
        );
        assert!(!reply.headers.contains_key(SET_COOKIE), "{name}: {:?}", reply.headers);
        if let Some(mut browser) = browser {
            assert!(!is_in(&mut browser).await, "{name}");
        }
        let refusals = stage.refusals().await;
        assert!(refusals.len() > before, "{name}: the ledger has nothing");
        let newest = refusals.last().unwrap();
        if detail(newest, "rule") != case.rule {
            otherwise.push(format!("{name}: {newest:?}"));
        }
        assert!(
            !detail(newest, "reason").is_empty() && !detail(newest, "reason").contains(CLIENT_SECRET),
            "{newest:?}"
        );
        // Where a sign-in begins, and where it comes back.
        let page = (reply.status, reply.text, format!("{:?}", reply.headers));
        let expected = pages.entry(newest.kind.name()).or_insert_with(|| page.clone());
        if *expected != page {
            otherwise.push(format!("{name}: {page:?}"));
        }
        stage.switch.set(Arc::default());
        if own.is_some() {
            // The gateway asks a provider again after this time.
            stage.gateway.advance(std::time::Duration::from_secs(31));
        }
        let (reply, mut browser) = stage.sign_in().await;
        if reply.location() != "/" || !is_in(&mut browser).await {
            otherwise.push(format!("after {name}: {} {:?}", reply.status, stage.refusals().await.last()));
        }
    }
    assert!(otherwise.is_empty(), "{} of {}: {otherwise:#?}", otherwise.len(), cases.len());
    let pages: BTreeMap<&str, StatusCode> = pages.into_iter().map(|(kind, (status, ..))| (kind, status)).collect();
    let expected = [("assertion.refuse", StatusCode::FORBIDDEN), ("provider.refuse", StatusCode::SERVICE_UNAVAILABLE)];
    assert_eq!(pages, BTreeMap::from(expected));
}

/// What the corpus puts in place of good things is refused for what is wrong with it, not for how it was put there.
#[tokio::test]
async fn the_tools_of_the_corpus_spoil_nothing_by_themselves() {
    for spoil in
        [signed::by_curve(|signature| signature), signed::resigned(|header| header), endpoints::thin(Spoil::default())]
    {
        let stage = Stage::new().await;
        stage.switch.set(Arc::new(spoil));
        stage.sign_in_well("a tool").await;
    }
}

/// Where no connector is that speaks this protocol there is nothing, whatever else has that name.
#[tokio::test]
async fn answers_go_to_connectors_of_their_protocol_only() {
    let stage = Stage::new().await;
    let visit = stage.visit().await;
    let fields: Vec<(&str, &str)> = visit.fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish();
    let mut browser = visit.browser.clone();
    for name in ["nobody", "password", "passkey", "link", "factor", "saml", "IDP"] {
        let reply = browser.get(&format!("/oidc/{name}/callback?{query}")).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{name}");
        assert_eq!(browser.post(&format!("/saml/{name}/acs"), &fields).await.status, StatusCode::NOT_FOUND, "{name}");
    }
    assert_eq!(browser.post("/saml/idp/acs", &fields).await.status, StatusCode::NOT_FOUND);
    assert_eq!(browser.post("/oidc/idp/callback", &fields).await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(stage.refusals().await.is_empty());
    assert_eq!(visit.send().await.0.status, StatusCode::SEE_OTHER, "nothing was used up");
}

/// Who asks for sign-ins at a provider that is broken does not fill the ledger.
#[tokio::test]
async fn a_broken_provider_is_recorded_once_a_second() {
    let stage = Stage::new().await;
    stage.switch.set(Arc::new(Spoil::answer(Endpoint::Discovery, |_| super::stage::raw(500, ""))));
    for _ in 0..20 {
        assert_eq!(stage.sign_in().await.0.status, StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(stage.refusals().await.len(), 1);
    stage.gateway.advance(std::time::Duration::from_secs(1));
    stage.sign_in().await;
    assert_eq!(stage.refusals().await.len(), 2);
}
