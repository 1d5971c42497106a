//! Hostile responses, made by a program: stripped, wrapped, altered, misdirected, signed by others or by other methods,
//! encrypted by strangers, and documents that are there to exhaust somebody. Each answers a real request, and each says what
//! the ledger has to tell of it.

use cleargate::sandbox::saml::Encryption;
use cleargate::sandbox::saml::encrypt::{Cipher, Transport};

use super::*;

mod altered;
mod hidden;
mod said;
mod signed;
mod wrapped;

/// One hostile response.
#[derive(Clone)]
pub(crate) struct Case {
    pub name: String,
    /// The true cause.
    pub rule: &'static str,
    pub text: String,
}

/// Cases of one family.
pub(crate) type Cases = Vec<Case>;

fn case(name: impl Into<String>, rule: &'static str, text: String) -> Case {
    Case { name: name.into(), rule, text }
}

/// Who takes part.
pub(crate) struct Cast<'a> {
    pub idp: &'a Idp,
    /// The same provider's name with a key of somebody else.
    pub attacker: &'a Idp,
    /// What the service opens.
    pub own: &'a IdpKey,
    /// A key to encrypt to that is nobody's here.
    pub stranger: &'a IdpKey,
    /// The request that is answered.
    pub request: &'a Request,
    pub person: &'a Person,
}

const SIGNED: [Signs; 3] = [Signs::Assertion, Signs::Response, Signs::Both];
const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";

/// A family: its name, how many cases it has at least, and who makes them.
type Family<'a> = (&'static str, usize, fn(&Cast<'a>) -> Cases);

impl<'a> Cast<'a> {
    pub(crate) const FAMILIES: [Family<'a>; 14] = [
        ("stripped", 24, Self::stripped),
        ("altered", 30, Self::altered),
        ("markup", 60, Self::markup),
        ("wrapped", 16, Self::wrapped),
        ("root", 15, Self::roots),
        ("id", 17, Self::ids),
        ("void", 23, Self::void),
        ("by another", 9, Self::by_others),
        ("key in the message", 13, Self::keys),
        ("method", 38, Self::methods),
        ("confused", 15, Self::confused),
        ("misdirected", 43, Self::misdirected),
        ("encrypted", 35, Self::encrypted),
        ("bomb", 16, Self::bombs),
    ];

    /// The cases of a family with their full names.
    pub(crate) fn family(&self, number: usize) -> Cases {
        let (family, least, make) = Self::FAMILIES[number];
        let mut cases = make(self);
        assert!(cases.len() >= least, "{family}: {} of {least}", cases.len());
        cases.iter_mut().for_each(|case| case.name = format!("{family}: {}", case.name));
        cases
    }

    fn at(&self, signs: Signs) -> Idp {
        self.idp.clone().signing(signs)
    }

    fn draft(&self, signs: Signs) -> String {
        self.at(signs).draft(self.request, self.person)
    }

    fn signed(&self, signs: Signs) -> String {
        self.at(signs).finish(&self.draft(signs)).expect("signed")
    }

    /// What the right key signed after the draft was altered.
    fn after(&self, alter: impl Fn(&str) -> String) -> String {
        self.sign(&alter(&self.draft(Signs::Assertion)))
    }

    fn sign(&self, draft: &str) -> String {
        sign::fill(draft, self.idp.key()).expect("signed")
    }
}

fn id_of(element: &str) -> &str {
    let start = element.find(" ID=\"").expect("an id") + 5;
    &element[start..start + element[start..].find('"').expect("an end")]
}

/// The connector refuses all of them, for a reason of its own; a second verifier, where there is one, never has to.
#[test]
fn every_hostile_response_is_refused() {
    let own = IdpKey::generate(KeyKind::Rsa2048, "sso.example.org").expect("a key");
    let key = cleargate::upstream::saml::OwnKey::from_der(own.certificate(), own.private_key()).expect("a key");
    let keys = cleargate::upstream::saml::OwnKeys { decryption: vec![key], ..Default::default() };
    let options = Options { keys: Arc::new(keys), ..Options::default() };
    let stage = Stage::with(RSA.clone(), Settings { options, ..settings(&RSA.metadata()) });
    let person = ada();
    let stranger = IdpKey::generate(KeyKind::Rsa2048, "stranger").expect("a key");
    let cast = Cast {
        idp: &RSA,
        attacker: &ATTACKER,
        own: &own,
        stranger: &stranger,
        request: &stage.request,
        person: &person,
    };
    let cases: Cases = (0..Cast::FAMILIES.len()).flat_map(|number| cast.family(number)).collect();
    let names: std::collections::BTreeSet<&String> = cases.iter().map(|case| &case.name).collect();
    assert!(names.len() >= 150 && names.len() == cases.len(), "{} cases, {} names", cases.len(), names.len());
    let mut otherwise = Vec::new();
    for Case { name, rule, text } in &cases {
        let result = stage.finish(text);
        let told = match &result {
            Err(Error::Refused { rule, .. }) => rule,
            Err(Error::Declined { .. }) => "declined",
            other => panic!("{name}: {other:?}"),
        };
        // A second verifier, where there is one, never has to tell.
        if told != *rule {
            otherwise.push(format!("{name}: {told}, not {rule}: {result:?}"));
        }
    }
    assert!(otherwise.is_empty(), "{} of {}: {otherwise:#?}", otherwise.len(), cases.len());
    assert!(stage.finish(&stage.signed()).is_ok(), "and a good one is taken");
}

/// One byte changed, left out or doubled: it is refused, or it says exactly what it said.
#[test]
fn a_response_with_one_byte_changed_is_refused_or_says_the_same() {
    for signs in SIGNED {
        let stage = Stage::new(RSA.clone().signing(signs));
        let response = stage.signed();
        let good = stage.finish(&response).expect("accepted");
        let inner = response.find("<saml:Assertion").unwrap()..response.rfind("</saml:Assertion>").unwrap();
        let signed = if signs == Signs::Assertion { inner } else { 0..response.len() };
        let mut seed = 7u64;
        for _ in 0..600 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (at, kind) = ((seed >> 33) as usize % response.len(), (seed >> 20) % 4);
            let mut bytes = response.clone().into_bytes();
            match kind {
                0 => bytes[at] ^= 1 << ((seed >> 10) % 7),
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, b"<>\"'& =/"[(seed >> 12) as usize % 8]),
                _ => bytes.insert(at, bytes[at]),
            }
            let answer = Answer { fields: vec![("SAMLResponse".to_owned(), BASE64_STANDARD.encode(&bytes))] };
            let result = waited(stage.connector.finish(&stage.pending, &answer));
            match result {
                Ok(identity) => assert_eq!(identity, good, "{signs:?} {at} {kind}"),
                // What nobody signed and nobody reads, the second verifier may be stricter about.
                Err(Error::Refused { rule, reason }) => assert!(
                    rule != "second-opinion" || !signed.contains(&at),
                    "{signs:?} {at} {kind}: {reason} {}",
                    String::from_utf8_lossy(&bytes)
                ),
                Err(Error::Declined { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}
