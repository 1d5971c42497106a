//! SAML by itself, in this process: the gate, a whole verification, and the worst that 256 KiB can be made to cost. A
//! build with `second-opinion` measures samael's verifier (xmlsec, libxml2) over the same message in the same run.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::{Engine, prelude::BASE64_STANDARD};
use cleargate::clock::ManualClock;
use cleargate::sandbox::saml::{Encryption, Idp, IdpKey, KeyKind, Person, Request, sign};
use cleargate::secret::IdSource;
use cleargate::upstream::saml::{
    AttributeNames, DEFAULT_CLOCK_SKEW, IdpMetadata, Options, OwnKey, OwnKeys, Reading, SamlConnector, Settings,
    Signers,
};
use cleargate::upstream::{Answer, Error, RedirectConnector};
use futures_util::FutureExt;

use super::measure::{Measure, resident_mib};

/// Bytes of a usual response.
const USUAL: usize = 6 * 1024;
/// The largest that is looked at.
const LARGEST: usize = 256 * 1024;

struct Bench {
    idp: Idp,
    own: IdpKey,
    connector: SamlConnector,
    pending: Vec<u8>,
    request: Request,
    runtime: tokio::runtime::Runtime,
}

impl Bench {
    fn new() -> Self {
        let key = |name| IdpKey::generate(KeyKind::Rsa2048, name).expect("a key");
        let (clock, own) = (ManualClock::new(cleargate::clock::Timestamp::from_seconds(1_795_334_950)), key("own"));
        let idp = Idp::new("https://idp.example.org", Vec::new(), key("idp"), clock.clock(), IdSource::system());
        let decryption = vec![OwnKey::from_der(own.certificate(), own.private_key()).expect("a key")];
        let keys = Arc::new(OwnKeys { decryption, ..OwnKeys::default() });
        let settings = Settings {
            id: "corp".parse().expect("an id"),
            public_url: "https://sso.example.org".to_owned(),
            idp: IdpMetadata::parse(idp.metadata().as_bytes()).expect("metadata"),
            clock_skew: DEFAULT_CLOCK_SKEW,
            attributes: AttributeNames::default(),
            domains: Vec::new(),
            options: Options { keys, ..Options::default() },
        };
        let connector = SamlConnector::new(settings, clock.clock(), IdSource::system());
        let start = connector.start().now_or_never().expect("at once").expect("a start");
        let location = url::Url::parse(&start.location).expect("an address");
        let (_, parameter) = location.query_pairs().find(|(name, _)| name == "SAMLRequest").expect("a request");
        let request = Request::parse(&parameter).expect("a request");
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        Self { idp, own, connector, pending: start.pending, request, runtime }
    }

    /// A draft of about so many bytes once it is signed.
    fn draft(&self, bytes: usize) -> String {
        let groups = |count: usize| (0..count).map(|number| format!("department-{number:06}-staff")).collect();
        let person =
            |count| Person { name: "Ada".to_owned(), email: "ada@example.org".to_owned(), groups: groups(count) };
        let (none, ten) = (self.idp.draft(&self.request, &person(0)), self.idp.draft(&self.request, &person(10)));
        let each = (ten.len() - none.len()) / 10;
        self.idp.draft(&self.request, &person(bytes.saturating_sub(none.len() + 500) / each))
    }

    /// The rule by which an answer is refused.
    fn refusal(&self, response: &str) -> &'static str {
        let answer = Answer { fields: vec![("SAMLResponse".to_owned(), BASE64_STANDARD.encode(response))] };
        match self.runtime.block_on(self.connector.finish(&self.pending, &answer)) {
            Err(Error::Refused { rule, .. }) => rule,
            other => panic!("{other:?}"),
        }
    }

    /// Microseconds of one answer, the median of many; `accepted` says how it must end.
    fn measure(&self, response: &str, accepted: bool, each: Duration) -> Measure {
        let answer = Answer { fields: vec![("SAMLResponse".to_owned(), BASE64_STANDARD.encode(response))] };
        // What is encrypted is opened on other threads; all else is done at the first poll.
        let _within = self.runtime.enter();
        let once = || {
            let began = Instant::now();
            let mut finish = self.connector.finish(&self.pending, &answer);
            let result = (&mut finish).now_or_never();
            let result = result.unwrap_or_else(|| self.runtime.block_on(finish));
            assert_eq!(result.is_ok(), accepted, "{result:?}");
            began.elapsed()
        };
        median(each, once)
    }
}

/// The median of what `once` takes, over and over for so long.
fn median(each: Duration, once: impl Fn() -> Duration) -> Measure {
    let (began, mut times) = (Instant::now(), Vec::new());
    while began.elapsed() < each || times.len() < 20 {
        times.push(once());
    }
    times.sort();
    let median = times[times.len() / 2].as_secs_f64();
    Measure { per_second: 1.0 / median, cpu_us: median * 1e6, commit_us: 0.0 }
}

/// What every verifier has to do once for each message: about 20 µs on a processor of 2023.
fn yardstick(each: Duration) -> Measure {
    use aws_lc_rs::signature::{KeyPair, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair};
    let key = RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).expect("a key");
    let mut signature = vec![0; key.public_modulus_len()];
    let message = [7; 512];
    key.sign(&RSA_PKCS1_SHA256, &aws_lc_rs::rand::SystemRandom::new(), &message, &mut signature).expect("a signature");
    let public = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref()).expect("a key");
    median(each, || {
        let began = Instant::now();
        public.verify_sig(&message, &signature).expect("it is right");
        began.elapsed()
    })
}

/// The second verifier alone.
#[cfg(feature = "second-opinion")]
mod second {
    use samael::crypto::ReduceMode;
    use samael::metadata::EntityDescriptor;
    use samael::service_provider::ServiceProvider;

    use super::{Duration, Instant, Measure, median};

    pub fn measure(metadata: &str, message: &str, each: Duration) -> Measure {
        let mut provider = ServiceProvider {
            entity_id: Some("https://sso.example.org/saml/corp/metadata".to_owned()),
            acs_url: Some("https://sso.example.org/saml/corp/acs".to_owned()),
            idp_metadata: metadata.parse::<EntityDescriptor>().expect("metadata"),
            allow_idp_initiated: true,
            ..ServiceProvider::default()
        };
        // The messages of the benchmark are of one moment.
        provider.max_issue_delay = provider.max_issue_delay * 10_000_000;
        provider.max_clock_skew = provider.max_clock_skew * 10_000_000;
        median(each, || {
            let began = Instant::now();
            provider.parse_xml_response_with_mode(message, None, ReduceMode::PreDigest).expect("it is right");
            began.elapsed()
        })
    }
}

/// Documents of the largest size that are there to exhaust somebody: most of them as expensive as the gate lets pass, which
/// `passes` tells.
fn worst(draft: &str, passes: impl Fn(&str) -> bool) -> Vec<String> {
    // Each piece as often as it says or as there is room for, one after the other.
    let fill = |pieces: &[(&str, usize)], before: &str| {
        let (room, mut text) = (LARGEST - draft.len() - 1_000, String::new());
        for (piece, most) in pieces {
            text.push_str(&piece.repeat(((room - text.len()) / piece.len()).min(*most)));
        }
        draft.replacen(before, &format!("{text}{before}"), 1)
    };
    let named = |count: usize, name: &str| (0..count).map(|n| format!(" {name}{n}=\"\"")).collect::<String>();
    let namespaces: String = (0..18).map(|n| format!(" xmlns:n{n}=\"urn:{n}\"")).collect();
    let prefixed: String = (0..58).map(|n| format!(" n{}:a{n}=\"\"", n % 18)).collect();
    let in_scope =
        |text: String| text.replacen("<saml:AttributeStatement>", &format!("<saml:AttributeStatement{namespaces}>"), 1);
    let (end, short, value) = ("</saml:AttributeStatement>", "<saml:Attribute/>", "Ada</saml:AttributeValue>");
    let all = usize::MAX;
    // As many as pass of what is costly, then as many as pass of what is short, then white space.
    let most = |costly: &str, within: &dyn Fn(String) -> String| {
        let document = |count, shorts| within(fill(&[(costly, count), (short, shorts), (" ", all)], end));
        let count = largest(LARGEST / costly.len(), |count| passes(&document(count, 0)));
        document(count, largest(LARGEST / short.len(), |shorts| passes(&document(count, shorts))))
    };
    vec![
        most(short, &|text| text),
        most(short, &in_scope),
        most(&format!("<saml:Attribute{}/>", named(62, "a")), &|text| text),
        most(&format!("<saml:Attribute{prefixed}/>"), &in_scope),
        most("<saml:Attribute xmlns:q=\"urn:q\"/>", &in_scope),
        fill(&[("&amp;", all)], value),
        fill(&[("a", all)], value),
        fill(&[("&quot;", all)], "\"><saml:AttributeValue"),
        fill(&[("<", all)], end),
        fill(&[("<saml:Subject>", all)], end),
        fill(&[(short, all)], end),
        fill(&[("<saml:Attribute x=\"y\" x=\"y\"/>", all)], end),
    ]
}

/// The largest number up to `most` that passes, where what passes does so with smaller ones too.
fn largest(most: usize, passes: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, most);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if passes(middle) { low = middle } else { high = middle - 1 }
    }
    low
}

/// A signed message with as much white space as there is room for, in each part that is hashed before the signature is verified.
fn spread(signed: &str) -> Vec<String> {
    let room = " ".repeat(LARGEST - signed.len() - 1_000);
    let ends = ["</ds:DigestValue>", "</ds:SignedInfo>", "</ds:Transforms>"];
    ends.map(|end| signed.replacen(end, &format!("{room}{end}"), 1)).into()
}

/// One provider out of a federation's document of 10 MiB, as often as there is time for; with a signer, out of one that they
/// signed, whose signature is looked at.
fn aggregate(metadata: &str, signer: Option<&IdpKey>, each: Duration) -> Measure {
    let entity = &metadata[metadata.find("<md:EntityDescriptor").expect("it")..];
    let (before, after) = entity.split_once("entityID=\"").expect("a name");
    let others = (0..10 * 1024 * 1024 / (entity.len() + 8)).map(|n| format!("{before}entityID=\"urn:{n}:{after}"));
    let namespace = "urn:oasis:names:tc:SAML:2.0:metadata";
    let template = signer.map(|key| sign::template("_all", key.kind())).unwrap_or_default();
    let document = format!(
        "<md:EntitiesDescriptor xmlns:md=\"{namespace}\" ID=\"_all\">{template}{}{entity}</md:EntitiesDescriptor>",
        others.collect::<String>()
    );
    let document = signer.map_or(document.clone(), |key| sign::fill(&document, key).expect("signed"));
    let signers = signer.map(|key| {
        let certificate = BASE64_STANDARD.encode(key.certificate());
        let pem = format!("-----BEGIN CERTIFICATE-----\n{certificate}\n-----END CERTIFICATE-----\n");
        Signers::from_pem(pem.as_bytes()).expect("a signer")
    });
    let name = after.split('"').next().expect("its end").to_owned();
    let reading = Reading { entity: Some(name), max_bytes: 16 * 1024 * 1024, signers };
    median(each, || {
        let began = Instant::now();
        IdpMetadata::parse_as(document.as_bytes(), &reading).expect("it is there");
        began.elapsed()
    })
}

/// Name and figure of each, and what so many of the worst messages do to the memory of this process.
pub fn measure(each: Duration, refusals: usize) -> (Vec<(String, Measure)>, String) {
    // A thread of its own, which no runtime has yet.
    std::thread::scope(|scope| scope.spawn(|| measured(each, refusals)).join().expect("an end"))
}

fn measured(each: Duration, refusals: usize) -> (Vec<(String, Measure)>, String) {
    let bench = Bench::new();
    let draft = bench.draft(USUAL);
    let signed = bench.idp.finish(&draft).expect("signed");
    let from = signed.find("<ds:Signature ").expect("it");
    let to = signed.find("</ds:Signature>").expect("it") + "</ds:Signature>".len();
    let unsigned = [&signed[..from], &signed[to..]].concat();
    let encrypting = bench.idp.clone().encrypting(Encryption::to(bench.own.certificate()));
    let encrypted = encrypting.finish(&draft).expect("encrypted");
    let mut rows = vec![
        ("RSA 2048: one verification, the yardstick of this machine".to_owned(), yardstick(each)),
        (format!("SAML: gate, parser and table, {} bytes", unsigned.len()), bench.measure(&unsigned, false, each)),
        (format!("SAML: full verification, {} bytes", signed.len()), bench.measure(&signed, true, each)),
        (format!("SAML: encrypted, {} bytes", encrypted.len()), bench.measure(&encrypted, true, each)),
    ];
    #[cfg(feature = "second-opinion")]
    {
        // What is refused by its last check, so that ours has done all its work and the second verifier is not asked.
        let ended = draft.replacen(
            "<saml:AuthnStatement ",
            "<saml:AuthnStatement SessionNotOnOrAfter=\"2000-01-01T00:00:00Z\" ",
            1,
        );
        let ended = bench.idp.finish(&ended).expect("signed");
        let (ours, theirs) =
            (bench.measure(&ended, false, each), second::measure(&bench.idp.metadata(), &signed, each));
        rows.truncate(2);
        rows.push((format!("SAML: verification up to the last check, {} bytes", ended.len()), ours));
        rows.push((format!("SAML: samael and xmlsec, {:.1} times as long", theirs.cpu_us / ours.cpu_us), theirs));
    }
    let federated = |signer| aggregate(&bench.idp.metadata(), signer, each);
    rows.push(("SAML: one of a federation's 10 MiB (1,000,000 µs)".to_owned(), federated(None)));
    rows.push(("SAML: the same, its signature verified (1,000,000 µs)".to_owned(), federated(Some(bench.idp.key()))));
    // What carries a signature is read on until that proves to be of something else.
    let passes = |document: &str| bench.refusal(document) != "size";
    let hostile =
        [worst(&unsigned, passes), worst(&signed, passes), spread(&signed)].concat().into_iter().map(|document| {
            assert!(document.len() <= LARGEST);
            (bench.measure(&document, false, each / 4), document)
        });
    let worst = hostile.max_by(|(one, _), (other, _)| one.cpu_us.total_cmp(&other.cpu_us));
    let (worst, document) = worst.expect("there are some");
    rows.push(("SAML: the worst refusal of 256 KiB".to_owned(), worst));
    let key = encrypted.find("<xenc:CipherValue>").expect("it") + "<xenc:CipherValue>".len();
    let (head, rest) = encrypted.split_at(key);
    let forged = format!("{head}{}{}", if rest.starts_with('B') { 'C' } else { 'B' }, &rest[1..]);
    rows.push(("SAML: refusal of what is encrypted for nobody".to_owned(), bench.measure(&forged, false, each / 4)));
    let before = resident_mib(std::process::id());
    for _ in 0..refusals.div_ceil(20) {
        bench.measure(&document, false, Duration::ZERO);
    }
    let grown = resident_mib(std::process::id()).saturating_sub(before);
    (rows, format!("{refusals} of the worst messages left {grown} MiB more resident (32)."))
}
