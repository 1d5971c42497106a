//! SAML: what is accepted and what is refused, each refusal with its rule. Documents come from the sandbox provider and
//! are altered before or after it signs, so that a forgery is as good as its forger could make it.

use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use cleargate::clock::{ManualClock, Timestamp};
use cleargate::sandbox::saml::{Idp, IdpKey, KeyKind, Person, Request, Signs, sign};
use cleargate::secret::IdSource;
use cleargate::upstream::saml::{
    AttributeNames, Binding, DEFAULT_CLOCK_SKEW, IdpMetadata, Options, SamlConnector, Settings,
};
use cleargate::upstream::{Answer, AssertedIdentity, Error, RedirectConnector};
use futures_util::FutureExt;

mod accepted;
mod content;
pub(crate) mod corpus;
mod encrypted;
mod fetched;
mod forged;
mod identity;
mod logout;
mod markup;
mod metadata;
mod metadata_signed;
mod requests;
mod sandbox;
mod wrapped;
mod xmlsec;

const START: Timestamp = Timestamp::from_seconds(1_795_334_950);
const BASE: &str = "https://idp.example.org";
const CONSUMER: &str = "https://sso.example.org/saml/corp/acs";
const ENTITY: &str = "https://sso.example.org/saml/corp/metadata";
const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";

/// Making an RSA key takes long, so the tests share one of each kind. None of them depends on which.
static RSA: LazyLock<Idp> = LazyLock::new(|| idp(KeyKind::Rsa2048));
/// Says the same as [`RSA`] and has another key.
static ATTACKER: LazyLock<Idp> = LazyLock::new(|| idp(KeyKind::Rsa2048));

fn idp(kind: KeyKind) -> Idp {
    let key = IdpKey::generate(kind, "sandbox").expect("a key");
    Idp::new(BASE, vec![ada()], key, ManualClock::new(START).clock(), IdSource::system())
}

fn ada() -> Person {
    let groups = vec!["staff".to_owned(), "engineering".to_owned()];
    Person { name: "Ada Lovelace".to_owned(), email: "ada@example.org".to_owned(), groups }
}

fn settings(metadata: &str) -> Settings {
    Settings {
        id: "corp".parse().expect("an id"),
        public_url: "https://sso.example.org".to_owned(),
        idp: IdpMetadata::parse(metadata.as_bytes()).expect("metadata"),
        clock_skew: DEFAULT_CLOCK_SKEW,
        attributes: AttributeNames::default(),
        domains: Vec::new(),
        options: Options::default(),
    }
}

/// What the work of our own private keys runs in, beside whatever else a test runs in.
static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().expect("a runtime")
});

struct Waiting(Thread);

impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// What comes of a future, waited for on this thread.
fn waited<T>(future: impl Future<Output = T>) -> T {
    let _within = RUNTIME.enter();
    let waker = Waker::from(Arc::new(Waiting(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(outcome) => return outcome,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// A connector that has sent somebody to the provider and waits for the answer.
struct Stage {
    idp: Idp,
    connector: Arc<SamlConnector>,
    clock: ManualClock,
    pending: Vec<u8>,
    request: Request,
}

impl Stage {
    fn new(idp: Idp) -> Self {
        Self::with(idp.clone(), settings(&idp.metadata()))
    }

    fn with(idp: Idp, settings: Settings) -> Self {
        let clock = ManualClock::new(START);
        let connector = Arc::new(SamlConnector::new(settings, clock.clock(), IdSource::system()));
        Self::begin(idp, connector, clock)
    }

    fn begin(idp: Idp, connector: Arc<SamlConnector>, clock: ManualClock) -> Self {
        let start = connector.start().now_or_never().expect("at once").expect("a start");
        let location = url::Url::parse(&start.location).expect("an address");
        let (_, parameter) = location.query_pairs().find(|(name, _)| name == "SAMLRequest").expect("a request");
        let request = Request::parse(&parameter).expect("a request");
        Self { idp, connector, clock, pending: start.pending, request }
    }

    /// The response to the request, unsigned.
    fn draft(&self) -> String {
        self.idp.draft(&self.request, &ada())
    }

    fn sign(&self, draft: &str) -> String {
        sign::fill(draft, self.idp.key()).expect("a signed document")
    }

    fn signed(&self) -> String {
        self.sign(&self.draft())
    }

    fn post(&self, field: String) -> Result<AssertedIdentity, Error> {
        let answer = Answer { fields: vec![("SAMLResponse".to_owned(), field)] };
        waited(self.connector.finish(&self.pending, &answer))
    }

    fn finish(&self, response: &str) -> Result<AssertedIdentity, Error> {
        self.post(BASE64_STANDARD.encode(response))
    }

    /// The rule that refuses this response.
    fn rule(&self, response: &str) -> &'static str {
        rule(self.finish(response))
    }
}

fn rule(result: Result<AssertedIdentity, Error>) -> &'static str {
    match result {
        Ok(identity) => panic!("accepted as {}", identity.subject()),
        Err(Error::Refused { rule, .. }) => rule,
        Err(Error::Declined { .. }) => "declined",
        Err(error) => panic!("{error}"),
    }
}

/// The rule that refuses a response whose assertion is signed after it was altered.
fn signed_after(alter: impl Fn(&str) -> String) -> &'static str {
    let stage = Stage::new(RSA.clone());
    stage.rule(&stage.sign(&alter(&stage.draft())))
}

/// The rule that refuses a response that is altered after it was signed as `signs` says.
fn altered_after(signs: Signs, alter: impl Fn(&str) -> String) -> &'static str {
    let stage = Stage::new(RSA.clone().signing(signs));
    stage.rule(&alter(&stage.signed()))
}

/// Replaces what must be there, everywhere.
fn swap(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "no {from} in {text}");
    text.replace(from, to)
}

/// From the first `start` to the first `end` after it, both included.
fn part<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let from = text.find(start).unwrap_or_else(|| panic!("no {start}"));
    let length = text[from..].find(end).unwrap_or_else(|| panic!("no {end}"));
    &text[from..from + length + end.len()]
}

fn assertion_of(response: &str) -> &str {
    part(response, "<saml:Assertion ", "</saml:Assertion>")
}

fn signature_of(element: &str) -> &str {
    part(element, "<ds:Signature ", "</ds:Signature>")
}

fn minutes(n: u64) -> Duration {
    Duration::from_secs(60 * n)
}
