//! Signed responses with edits that the input describes: what our verifier accepts says what was signed, and samael on
//! xmlsec accepts it too, unless an edit is where nothing is signed.
#![no_main]

use std::ops::Range;
use std::sync::LazyLock;

use base64::{Engine, prelude::BASE64_STANDARD};
use cleargate::clock::{ManualClock, Timestamp};
use cleargate::sandbox::saml::{Idp, IdpKey, KeyKind, Person, Request, Signs};
use cleargate::secret::IdSource;
use cleargate::upstream::saml::{AttributeNames, DEFAULT_CLOCK_SKEW, IdpMetadata, Options, SamlConnector, Settings};
use cleargate::upstream::{Answer, AssertedIdentity, Error, RedirectConnector};
use futures_util::FutureExt;

/// Edits of one input, of four bytes each: a place in two, what is done, and with what.
const MOST: usize = 8;
const PIECES: [&[u8]; 8] =
    [b" ", b"\n", b"&#x20;", b" xmlns:a=\"urn:a\"", b"<!---->", b"<saml:NameID>", b"</saml:NameID>", b"'"];

struct Stage {
    connector: SamlConnector,
    pending: Vec<u8>,
    responses: Vec<Signed>,
}

struct Signed {
    text: String,
    /// What the signature covers.
    covered: Range<usize>,
    identity: AssertedIdentity,
}

static STAGE: LazyLock<Stage> = LazyLock::new(|| {
    let clock = ManualClock::new(Timestamp::from_seconds(1_795_334_950));
    let groups = vec!["staff".to_owned(), "R&D".to_owned()];
    let person = Person { name: "Ada".to_owned(), email: "ada@example.org".to_owned(), groups };
    let key = IdpKey::generate(KeyKind::EcdsaP256, "idp").expect("a key");
    let people = vec![person.clone()];
    let idp = Idp::new("https://idp.example.org", people, key, clock.clock(), IdSource::system());
    let settings = Settings {
        id: "corp".parse().expect("an id"),
        public_url: "https://sso.example.org".to_owned(),
        idp: IdpMetadata::parse(idp.metadata().as_bytes()).expect("metadata"),
        clock_skew: DEFAULT_CLOCK_SKEW,
        attributes: AttributeNames::default(),
        domains: Vec::new(),
        options: Options::default(),
    };
    let connector = SamlConnector::new(settings, clock.clock(), IdSource::system());
    let start = connector.start().now_or_never().expect("at once").expect("a start");
    let location = url::Url::parse(&start.location).expect("an address");
    let (_, parameter) = location.query_pairs().find(|(name, _)| name == "SAMLRequest").expect("a request");
    let request = Request::parse(&parameter).expect("a request");
    let mut stage = Stage { connector, pending: start.pending, responses: Vec::new() };
    for signs in [Signs::Assertion, Signs::Response, Signs::Both] {
        let text = idp.clone().signing(signs).respond(&request, &person).expect("signed");
        let inner = text.find("<saml:Assertion").expect("it")..text.rfind("</saml:Assertion>").expect("it");
        let covered = if signs == Signs::Assertion { inner } else { 0..text.len() };
        let identity = stage.finish(text.as_bytes()).expect("what was signed is taken");
        stage.responses.push(Signed { text, covered, identity });
    }
    stage
});

/// The second verifier works on threads of its own.
static RUNTIME: LazyLock<tokio::runtime::Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime"));

impl Stage {
    fn finish(&self, message: &[u8]) -> Result<AssertedIdentity, Error> {
        let answer = Answer { fields: vec![("SAMLResponse".to_owned(), BASE64_STANDARD.encode(message))] };
        RUNTIME.block_on(self.connector.finish(&self.pending, &answer))
    }
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((first, edits)) = input.split_first() else { return };
    let stage = &*STAGE;
    let signed = &stage.responses[usize::from(*first) % stage.responses.len()];
    let mut message = signed.text.clone().into_bytes();
    let place = |edit: &[u8]| (usize::from(edit[0]) << 8 | usize::from(edit[1])) % signed.text.len();
    let mut edits: Vec<&[u8]> = edits.chunks_exact(4).take(MOST).collect();
    // The last place first, so that places are those of what was signed.
    edits.sort_by_key(|edit| std::cmp::Reverse(place(edit)));
    let is_covered = edits.iter().all(|edit| signed.covered.contains(&place(edit)));
    for edit in edits {
        let at = place(edit).min(message.len() - 1);
        let with = usize::from(edit[3]);
        match edit[2] % 5 {
            0 => message[at] = edit[3],
            1 => drop(message.remove(at)),
            2 => message.insert(at, edit[3]),
            3 => drop(message.splice(at..at, PIECES[with % PIECES.len()].iter().copied())),
            _ => {
                let piece = message[at..message.len().min(at + with)].to_vec();
                drop(message.splice(at..at, piece));
            }
        }
    }
    match stage.finish(&message) {
        Ok(identity) => assert_eq!(identity, signed.identity, "{}", String::from_utf8_lossy(&message)),
        Err(Error::Refused { rule: "second-opinion", reason }) => {
            let message = String::from_utf8_lossy(&message);
            assert!(!reason.contains("reads another"), "{reason}: {message}");
            // What nobody signed and nobody reads, the second verifier may be stricter about.
            assert!(!is_covered, "{reason}: {message}");
        }
        Err(_) => {}
    }
});
