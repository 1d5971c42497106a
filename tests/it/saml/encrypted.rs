//! Encrypted assertions: what opens, and that nothing which was encrypted is believed for it.

use cleargate::sandbox::saml::Encryption;
use cleargate::sandbox::saml::encrypt::{Cipher, KeyPlace, Transport};
use cleargate::upstream::saml::{Openers, OwnKey, OwnKeys};

use super::*;

/// Our own key; the tests share it because making one takes long.
static OURS: LazyLock<IdpKey> = LazyLock::new(|| IdpKey::generate(KeyKind::Rsa2048, "sso.example.org").expect("a key"));

fn own(key: &IdpKey) -> OwnKey {
    OwnKey::from_der(key.certificate(), key.private_key()).expect("a key of ours")
}

fn to_us() -> Encryption {
    Encryption::to(OURS.certificate())
}

fn opening(allow_cbc: bool, keys: Vec<OwnKey>) -> Options {
    Options { keys: Arc::new(OwnKeys { decryption: keys, ..OwnKeys::default() }), allow_cbc, ..Options::default() }
}

fn stage_with(idp: Idp, options: Options) -> Stage {
    let settings = Settings { options, ..settings(&idp.metadata()) };
    Stage::with(idp, settings)
}

fn stage(signs: Signs, encryption: Encryption) -> Stage {
    stage_with(RSA.clone().signing(signs).encrypting(encryption), opening(false, vec![own(&OURS)]))
}

impl Stage {
    fn encrypted(&self, draft: &str) -> String {
        self.idp.finish(draft).expect("a document")
    }

    /// The response with something else in the encrypted place; `plain` is what it holds.
    fn holding(&self, plain: &[u8]) -> String {
        let sealed = to_us().seal(plain).expect("sealed");
        let draft = self.draft();
        swap(&draft, assertion_of(&draft), &sealed)
    }
}

/// The assertion with its namespaces, as it stands alone.
fn alone(assertion: &str) -> String {
    assertion.replacen("<saml:Assertion ", "<saml:Assertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ", 1)
}

#[test]
fn what_is_encrypted_to_us_is_opened_whatever_was_signed() {
    for signs in [Signs::Assertion, Signs::Response, Signs::Both] {
        for cipher in [Cipher::Gcm128, Cipher::Gcm256] {
            for transport in [Transport::OaepSha1, Transport::OaepSha256] {
                for place in [KeyPlace::Within, KeyPlace::Beside] {
                    let stage = stage(signs, Encryption { cipher, transport, place, ..to_us() });
                    let response = stage.encrypted(&stage.draft());
                    assert!(!response.contains("ada@example.org"), "{response}");
                    let identity = stage.finish(&response).expect("accepted");
                    assert_eq!(identity.subject(), "ada@example.org", "{signs:?} {cipher:?} {transport:?} {place:?}");
                    assert_eq!(identity.groups(), ["staff", "engineering"]);
                }
            }
        }
    }
}

#[test]
fn every_key_of_ours_opens_so_that_they_can_be_changed() {
    let next = IdpKey::generate(KeyKind::Rsa2048, "next").expect("a key");
    for (to, keys) in [(&*OURS, vec![own(&next), own(&OURS)]), (&next, vec![own(&next), own(&OURS)])] {
        let idp = RSA.clone().encrypting(Encryption::to(to.certificate()));
        let stage = stage_with(idp, opening(false, keys));
        assert!(stage.finish(&stage.encrypted(&stage.draft())).is_ok());
    }
    let stage = stage_with(RSA.clone().encrypting(to_us()), opening(false, vec![own(&next)]));
    assert_eq!(stage.rule(&stage.encrypted(&stage.draft())), "encrypted");
}

#[test]
fn without_a_key_of_ours_it_is_refused_with_what_to_do() {
    let stage = stage_with(RSA.clone().encrypting(to_us()), Options::default());
    match stage.finish(&stage.encrypted(&stage.draft())) {
        Err(Error::Refused { rule: "encrypted", reason }) => assert!(reason.contains("`decryption`"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn cbc_is_taken_by_choice_only() {
    for cipher in [Cipher::Cbc128, Cipher::Cbc256] {
        for (allowed, signs) in [(false, Signs::Assertion), (true, Signs::Assertion), (true, Signs::Response)] {
            let idp = RSA.clone().signing(signs).encrypting(Encryption { cipher, ..to_us() });
            let stage = stage_with(idp, opening(allowed, vec![own(&OURS)]));
            let result = stage.finish(&stage.encrypted(&stage.draft()));
            assert_eq!(result.is_ok(), allowed, "{cipher:?} {result:?}");
        }
    }
}

/// Every altered byte of a cipher text is refused; with CBC by the signature within at the latest.
#[test]
fn what_was_altered_on_its_way_is_refused() {
    for cipher in [Cipher::Gcm256, Cipher::Gcm128, Cipher::Cbc256] {
        let idp = RSA.clone().encrypting(Encryption { cipher, ..to_us() });
        let stage = stage_with(idp, opening(true, vec![own(&OURS)]));
        let response = stage.encrypted(&stage.draft());
        for (number, place) in response.match_indices("<xenc:CipherValue>").map(|(at, _)| at + 18).enumerate() {
            let end = place + response[place..].find('<').expect("an end");
            let value = BASE64_STANDARD.decode(&response[place..end]).expect("base64");
            for at in [0, 12, 16, value.len() / 2, value.len() - 17, value.len() - 1] {
                let mut altered = value.clone();
                altered[at.min(value.len() - 1)] ^= 1;
                let text = [&response[..place], &BASE64_STANDARD.encode(&altered), &response[end..]].concat();
                let rule = stage.rule(&text);
                assert!(rule == "encrypted" || cipher == Cipher::Cbc256, "{cipher:?} {number} {at}: {rule}");
            }
            for short in [0, 1, 11, 12, 16, 28, 32] {
                let text = [&response[..place], &BASE64_STANDARD.encode(&value[..short]), &response[end..]].concat();
                assert!(!stage.rule(&text).is_empty(), "{cipher:?} {number} {short}");
            }
        }
    }
}

#[test]
fn an_assertion_that_anybody_could_have_encrypted_is_not_believed() {
    let stage = stage(Signs::Assertion, to_us());
    let forged = |draft: &str| swap(draft, "ada@example.org", "root@example.org");
    // Unsigned, and signed by somebody else.
    let draft = forged(&stage.draft());
    let unsigned = alone(&swap(assertion_of(&draft), signature_of(&draft), ""));
    assert_eq!(stage.rule(&stage.holding(unsigned.as_bytes())), "signature");
    let signed = sign::fill(&draft, ATTACKER.key()).expect("signed");
    assert_eq!(stage.rule(&stage.holding(alone(assertion_of(&signed)).as_bytes())), "signature");
    // The real one, altered.
    let real = alone(&forged(assertion_of(&stage.signed())));
    assert_eq!(stage.rule(&stage.holding(real.as_bytes())), "digest");
}

#[test]
fn a_wrong_signature_within_is_refused_though_the_one_around_holds() {
    let stage = stage(Signs::Both, to_us());
    let (draft, forged) = (stage.draft(), sign::fill(&stage.draft(), ATTACKER.key()).expect("signed"));
    let sealed = to_us().seal(alone(assertion_of(&forged)).as_bytes()).expect("sealed");
    let around =
        |sealed: &str| sign::fill(&swap(&draft, assertion_of(&draft), sealed), stage.idp.key()).expect("signed");
    assert_eq!(stage.rule(&around(&sealed)), "signature");
    let real = sign::fill(&draft, stage.idp.key()).expect("signed");
    let sealed = to_us().seal(alone(assertion_of(&real)).as_bytes()).expect("sealed");
    assert!(stage.finish(&around(&sealed)).is_ok());
}

#[test]
fn another_assertion_put_into_a_signed_response_is_refused() {
    for signs in [Signs::Response, Signs::Both] {
        let stage = stage(signs, to_us());
        let response = stage.encrypted(&stage.draft());
        let draft = swap(&stage.draft(), "ada@example.org", "root@example.org");
        let bare = draft.replace(signature_of(&draft), "").replace(signature_of(&stage.draft()), "");
        let bare = if bare.contains("<ds:Signature ") { swap(&bare, signature_of(&bare), "") } else { bare };
        let sealed = to_us().seal(alone(assertion_of(&bare)).as_bytes()).expect("sealed");
        let place = part(&response, "<saml:EncryptedAssertion", "</saml:EncryptedAssertion>");
        assert_eq!(stage.rule(&swap(&response, place, &sealed)), "digest", "{signs:?}");
        // With the signature of the response taken away as well.
        let bare = swap(&swap(&response, signature_of(&response), ""), place, &sealed);
        assert_eq!(stage.rule(&bare), "signature", "{signs:?}");
    }
}

#[test]
fn what_is_inside_passes_the_gate_and_the_table_again() {
    let stage = stage(Signs::Assertion, to_us());
    let good = alone(assertion_of(&stage.signed()));
    assert!(stage.finish(&stage.holding(good.as_bytes())).is_ok(), "the way to put something inside works");
    assert!(stage.finish(&stage.holding(format!("<?xml version=\"1.0\"?>{good}").as_bytes())).is_ok());
    let big = swap(&good, "Ada Lovelace", &"x".repeat(300 * 1024));
    let deep = format!("{}{}", "<x>".repeat(60), "</x>".repeat(60));
    let nested = to_us().seal(good.as_bytes()).expect("sealed");
    let cases: [(&str, &str, String); 14] = [
        ("nothing", "shape", String::new()),
        ("text", "shape", "root".to_owned()),
        ("two", "shape", format!("{good}{good}")),
        ("a second element", "shape", format!("{good}<x xmlns=\"urn:x\"/>")),
        ("its own end", "xml", format!("</saml:EncryptedAssertion>{good}")),
        ("the end of the response", "xml", format!("{good}</samp:Response>")),
        ("an open element", "xml", format!("{good}<saml:Assertion>")),
        ("a document type", "xml", format!("<!DOCTYPE x>{good}")),
        ("a comment", "xml", swap(&good, "ada@example.org<", "ada@example.org<!-- --><")),
        ("a processing instruction", "xml", format!("<?php x?>{good}")),
        ("too much", "size", big),
        ("too deep", "size", deep),
        ("encrypted again", "shape", nested),
        ("a response", "shape", "<samlp:Response/>".to_owned()),
    ];
    for (what, rule, plain) in &cases {
        assert_eq!(stage.rule(&stage.holding(plain.as_bytes())), *rule, "{what}");
    }
    assert_eq!(stage.rule(&stage.holding(b"\xff\xfe<\0a\0")), "encoding");
    assert_eq!(stage.rule(&stage.holding(b"<a>\xff</a>")), "encoding");
}

/// XML Encryption section 4.3.3: what is encrypted is read in the context of its place. Keycloak and authentik leave the
/// declarations there.
#[test]
fn what_is_encrypted_may_lean_on_the_namespaces_of_its_place() {
    // The response is signed, so that only what was hashed counts: there the place alone declares the prefix.
    let stage = stage_with(RSA.clone().signing(Signs::Response), opening(false, vec![own(&OURS)]));
    let draft = stage.draft();
    let leaning = assertion_of(&draft);
    assert!(!leaning.contains("xmlns:saml="), "{leaning}");
    for (plain, good) in [
        (leaning.to_owned(), true),
        (format!("<?xml version=\"1.0\"?>\n  {leaning}"), true),
        (alone(leaning), true),
        (alone(leaning).replace("xmlns:saml=\"", "xmlns:saml = '").replacen("assertion\"", "assertion'", 1), true),
        // A declaration of its own holds, whatever it says.
        (leaning.replacen("<saml:Assertion ", "<saml:Assertion xmlns:saml=\"urn:x\" ", 1), false),
        (leaning.replacen("<saml:Assertion ", "<saml:Assertion x:y=\"\" ", 1), false),
        (leaning.replacen("<saml:Assertion ", "<saml:Assertion x=\">\" ", 1), true),
        (leaning.replacen("<saml:Assertion ", "<saml:Assertion xmlns:saml ", 1), false),
        (leaning.replacen("<saml:Assertion ", "<saml:Assertion x= ", 1), false),
        ("<".to_owned(), false),
        ("<saml:Assertion".to_owned(), false),
        ("<saml:Assertion x='".to_owned(), false),
    ] {
        let holding = swap(&draft, leaning, &to_us().seal(plain.as_bytes()).expect("sealed"));
        let response = sign::fill(&holding, stage.idp.key()).expect("signed");
        match stage.finish(&response) {
            Ok(identity) => assert!(good && identity.subject() == "ada@example.org", "{plain}"),
            Err(error) => assert!(!good, "{error}: {plain}"),
        }
    }
}

/// Whoever may read the ledger and change what is encrypted learns nothing of what is inside.
#[test]
fn what_can_be_altered_without_the_key_fails_in_one_way() {
    let by = |cipher, plain: &str| {
        let stage = stage_with(RSA.clone(), opening(true, vec![own(&OURS)]));
        let sealed = Encryption { cipher, ..to_us() }.seal(plain.as_bytes()).expect("sealed");
        let draft = stage.draft();
        match stage.finish(&swap(&draft, assertion_of(&draft), &sealed)) {
            Err(Error::Refused { rule, reason }) => (rule, reason),
            other => panic!("{other:?}"),
        }
    };
    let good = alone(&assertion_of(&stage(Signs::Assertion, to_us()).signed()).replace("ada@", "root@"));
    let cases =
        ["", "root", "<a>\u{1}</a>", "<secret-name></other>", "<saml:Assertion/>", &good, &format!("{good}{good}")];
    let apart: std::collections::BTreeSet<_> = cases.iter().map(|plain| by(Cipher::Gcm256, plain).0).collect();
    assert!(apart.len() >= 4, "with a cipher that cannot be altered the causes are told: {apart:?}");
    let alike: std::collections::BTreeSet<_> = cases.iter().map(|plain| by(Cipher::Cbc256, plain)).collect();
    assert_eq!(alike.len(), 1, "{alike:?}");
    assert_eq!(alike.first().expect("one").0, "encrypted");
}

#[test]
fn a_clear_assertion_beside_an_encrypted_one_is_refused() {
    let stage = stage(Signs::Assertion, to_us());
    let (clear, sealed) = (stage.signed(), stage.encrypted(&stage.draft()));
    let place = part(&sealed, "<saml:EncryptedAssertion", "</saml:EncryptedAssertion>");
    for both in [format!("{place}{}", assertion_of(&clear)), format!("{}{place}", assertion_of(&clear))] {
        assert_eq!(stage.rule(&swap(&clear, assertion_of(&clear), &both)), "shape");
    }
    assert_eq!(stage.rule(&swap(&sealed, place, &place.repeat(2))), "shape");
}

#[test]
fn methods_that_are_weak_or_unknown_are_refused() {
    let stage = stage(Signs::Assertion, to_us());
    let response = stage.encrypted(&stage.draft());
    let xenc = "http://www.w3.org/2001/04/xmlenc#";
    for (from, to) in [
        ("http://www.w3.org/2009/xmlenc11#aes256-gcm", format!("{xenc}tripledes-cbc")),
        ("http://www.w3.org/2009/xmlenc11#aes256-gcm", format!("{xenc}aes256-cbc")),
        ("http://www.w3.org/2009/xmlenc11#aes256-gcm", "http://www.w3.org/2009/xmlenc11#aes192-gcm".to_owned()),
        ("http://www.w3.org/2009/xmlenc11#aes256-gcm", "http://www.w3.org/2009/xmlenc11#aes128-gcm".to_owned()),
        ("http://www.w3.org/2009/xmlenc11#aes256-gcm", String::new()),
        ("#rsa-oaep-mgf1p", "#rsa-1_5".to_owned()),
        ("#rsa-oaep-mgf1p", "#kw-aes256".to_owned()),
        ("xmldsig#sha1\"", "xmldsig-more#md5\"".to_owned()),
        // The hash of one kind with the mask of another.
        ("http://www.w3.org/2000/09/xmldsig#sha1\"", format!("{xenc}sha256\"")),
    ] {
        assert_eq!(stage.rule(&swap(&response, from, &to)), "encrypted", "{to}");
    }
    let end = "</xenc:EncryptionMethod><xenc:CipherData>";
    let label = format!("<xenc:OAEPparams>eA==</xenc:OAEPparams>{end}");
    assert_eq!(stage.rule(&swap(&response, end, &label)), "encrypted");
}

#[test]
fn nothing_is_followed_to_elsewhere() {
    let stage = stage(Signs::Assertion, to_us());
    let response = stage.encrypted(&stage.draft());
    let value = part(&response, "<xenc:CipherValue>", "</xenc:CipherValue>").to_owned();
    let reference = "<xenc:CipherReference URI=\"http://attacker.example/x\"/>";
    assert_eq!(stage.rule(&response.replacen(&value, reference, 1)), "shape");
    let key = part(&response, "<xenc:EncryptedKey", "</xenc:EncryptedKey>").to_owned();
    let elsewhere = "<ds:RetrievalMethod URI=\"http://attacker.example/key\"/>";
    assert_eq!(stage.rule(&swap(&response, &key, elsewhere)), "encrypted");
    for other in
        ["<xenc:AgreementMethod Algorithm=\"x\"/>", "<ds:KeyValue/>", "<ds:Signature/>", "<x xmlns=\"urn:x\"/>"]
    {
        assert_eq!(stage.rule(&swap(&response, &key, other)), "shape", "{other}");
    }
    assert_eq!(stage.rule(&swap(&response, &key, &key.repeat(3).replace("_key", "_k"))), "shape");
    // There is room for two in each of two places, and each of ours is tried with each of them.
    let keys = |numbers: std::ops::Range<usize>| -> String {
        numbers.map(|number| key.replace("\"_key\"", &format!("\"_k{number}\""))).collect()
    };
    let beside = |within: usize, beside: usize| {
        let more = format!("</xenc:EncryptedData>{}", keys(within..within + beside));
        stage.finish(&swap(&swap(&response, &key, &keys(0..within)), "</xenc:EncryptedData>", &more))
    };
    assert!(beside(1, 1).is_ok());
    assert_eq!(rule(beside(2, 1)), "encrypted");
}

#[test]
fn parts_of_an_assertion_that_are_encrypted_are_refused() {
    let sealed = to_us().seal(b"x").expect("sealed");
    let data = part(&sealed, "<xenc:EncryptedData", "</xenc:EncryptedData>");
    let namespaces = "<xenc:EncryptedData xmlns:xenc=\"http://www.w3.org/2001/04/xmlenc#\" \
                      xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"";
    let data = data.replacen("<xenc:EncryptedData", namespaces, 1);
    let id = format!("<saml:EncryptedID>{data}</saml:EncryptedID>");
    let rule = signed_after(|draft| {
        let name = part(draft, "<saml:NameID", "</saml:NameID>");
        swap(draft, name, &id)
    });
    assert_eq!(rule, "shape");
    let attribute = format!("<saml:EncryptedAttribute>{data}</saml:EncryptedAttribute></saml:AttributeStatement>");
    assert_eq!(signed_after(|draft| swap(draft, "</saml:AttributeStatement>", &attribute)), "shape");
}

#[test]
fn an_encrypted_assertion_answers_its_own_request_only_and_ends() {
    let stage = stage(Signs::Assertion, to_us());
    let response = stage.encrypted(&stage.draft());
    let other = Stage::begin(stage.idp.clone(), stage.connector.clone(), stage.clock.clone());
    assert_eq!(other.rule(&response), "in-response-to");
    stage.clock.advance(minutes(7));
    assert_eq!(stage.rule(&response), "time");
}

#[test]
fn the_issuer_of_a_signed_response_is_demanded() {
    let stage = stage(Signs::Response, to_us());
    let draft = stage.draft();
    let issuer = part(&draft, "<saml:Issuer>", "</saml:Issuer>").to_owned();
    assert_eq!(stage.rule(&stage.encrypted(&draft.replacen(&issuer, "", 1))), "issuer");
}

#[test]
fn our_metadata_publishes_the_first_key_to_encrypt_to() {
    let next = IdpKey::generate(KeyKind::Rsa2048, "next").expect("a key");
    for allow_cbc in [false, true] {
        let stage = stage_with(RSA.clone(), opening(allow_cbc, vec![own(&next), own(&OURS)]));
        let (_, document) = stage.connector.metadata().expect("a document");
        assert!(document.contains(&BASE64_STANDARD.encode(next.certificate())));
        assert!(!document.contains(&BASE64_STANDARD.encode(OURS.certificate())), "the last one only opens");
        assert!(document.contains("use=\"encryption\"") && document.contains("xmlenc11#aes256-gcm"));
        assert_eq!(document.contains("aes256-cbc"), allow_cbc);
    }
}

/// Private keys of ours work on other threads than those that answer everybody, few at a time.
#[test]
fn what_is_encrypted_waits_for_a_place_and_nothing_else_does() {
    let openers = Openers::new(1, 1);
    let options = || Options { openers: openers.clone(), ..opening(false, vec![own(&OURS)]) };
    let (sealed, plain) = (stage_with(RSA.clone().encrypting(to_us()), options()), stage_with(RSA.clone(), options()));
    let response = sealed.encrypted(&sealed.draft());
    let answer = Answer { fields: vec![("SAMLResponse".to_owned(), BASE64_STANDARD.encode(&response))] };
    let place = waited(openers.enter()).expect("a place");
    let _within = RUNTIME.enter();
    let mut waiting = sealed.connector.finish(&sealed.pending, &answer);
    assert!((&mut waiting).now_or_never().is_none());
    assert!(matches!(sealed.finish(&response), Err(Error::Busy)), "one works, and one waits");
    assert!(plain.finish(&plain.signed()).is_ok(), "this takes no key of ours");
    // What is refused without a key is refused as ever.
    let other = stage_with(RSA.clone().encrypting(Encryption { cipher: Cipher::Cbc256, ..to_us() }), options());
    assert_eq!(other.rule(&other.encrypted(&other.draft())), "encrypted");
    drop(place);
    assert!(waited(waiting).is_ok());
    assert!(sealed.finish(&response).is_ok());
}

/// Who is gone keeps nobody waiting.
#[test]
fn a_place_in_the_queue_is_given_back_by_who_leaves() {
    let openers = Openers::new(1, 1);
    let options = Options { openers: openers.clone(), ..opening(false, vec![own(&OURS)]) };
    let stage = stage_with(RSA.clone().encrypting(to_us()), options);
    let response = stage.encrypted(&stage.draft());
    let answer = Answer { fields: vec![("SAMLResponse".to_owned(), BASE64_STANDARD.encode(&response))] };
    let place = waited(openers.enter()).expect("a place");
    let _within = RUNTIME.enter();
    for _ in 0..5 {
        assert!(stage.connector.finish(&stage.pending, &answer).now_or_never().is_none());
    }
    drop(place);
    assert!(stage.finish(&response).is_ok());
}
