//! What we ask: signed and unsigned, by both bindings, with what the administrator demands.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use cleargate::upstream::Start;
use cleargate::upstream::saml::{OwnKey, OwnKeys};

use super::*;

static OURS: LazyLock<IdpKey> = LazyLock::new(|| IdpKey::generate(KeyKind::Rsa2048, "sso.example.org").expect("a key"));

const POST_SERVICE: &str = "<md:SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" \
                            Location=\"https://idp.example.org/post\"/></md:IDPSSODescriptor>";

fn own(key: &IdpKey) -> OwnKey {
    OwnKey::from_der(key.certificate(), key.private_key()).expect("a key of ours")
}

fn signing(keys: Vec<OwnKey>) -> Options {
    Options { keys: Arc::new(OwnKeys { signing: keys, ..OwnKeys::default() }), ..Options::default() }
}

fn both_bindings() -> String {
    swap(&RSA.metadata(), "</md:IDPSSODescriptor>", POST_SERVICE)
}

fn connector(metadata: &str, options: Options) -> SamlConnector {
    let settings = Settings { options, ..settings(metadata) };
    SamlConnector::new(settings, ManualClock::new(START).clock(), IdSource::system())
}

fn start(metadata: &str, options: Options) -> Result<Start, Error> {
    connector(metadata, options).start().now_or_never().expect("at once")
}

fn parameters(location: &str) -> Vec<(String, String)> {
    let url = url::Url::parse(location).expect("an address");
    url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

fn verifies(key: &IdpKey, message: &[u8], signature: &str) -> bool {
    use x509_parser::prelude::FromDer;
    let (_, certificate) =
        x509_parser::certificate::X509Certificate::from_der(key.certificate()).expect("a certificate");
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &certificate.public_key().subject_public_key.data);
    public.verify(message, &BASE64_STANDARD.decode(signature).expect("base64")).is_ok()
}

#[test]
fn a_signed_request_by_redirect_covers_everything_that_is_ours() {
    let metadata = swap(&RSA.metadata(), "https://idp.example.org/sso", "https://idp.example.org/sso?idpid=C0");
    let start = start(&metadata, signing(vec![own(&OURS)])).expect("a start");
    assert!(start.fields.is_empty());
    let names: Vec<String> = parameters(&start.location).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["idpid", "SAMLRequest", "RelayState", "SigAlg", "Signature"]);
    let query = start.location.split_once("&SAMLRequest=").expect("it").1;
    let (signed, _) = query.split_once("&Signature=").expect("a signature");
    let signed = format!("SAMLRequest={signed}");
    let signature = parameters(&start.location).pop().expect("it").1;
    assert!(verifies(&OURS, signed.as_bytes(), &signature));
    assert!(!verifies(&OURS, signed.replace("RelayState", "Relaystate").as_bytes(), &signature));
    assert!(Request::parse(&parameters(&start.location)[1].1).is_ok());
}

/// The name for the provider's form is beside what is signed and can be nothing else of the request.
#[test]
fn a_name_goes_on_in_a_parameter_behind_the_signature() {
    let start_for = |metadata: &str, options: Options, hint: &str| {
        connector(metadata, options).start_for(hint).now_or_never().expect("at once").expect("a start")
    };
    let telling = |name: Option<&str>| Options { login_hint: name.map(str::to_owned), ..signing(vec![own(&OURS)]) };
    let asking = swap(&RSA.metadata(), "https://idp.example.org/sso", "https://idp.example.org/sso?idpid=C0");
    for hint in ["ada@example.org", "a&RelayState=x&Signature=y#@é.example", "a+b%26c@example.org"] {
        let start = start_for(&asking, telling(Some("login_hint")), hint);
        let all = parameters(&start.location);
        let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["idpid", "SAMLRequest", "RelayState", "SigAlg", "Signature", "login_hint"]);
        assert_eq!((all[5].1.as_str(), &all[2].1), (hint, &start.handle));
        let query = start.location.split_once("&SAMLRequest=").expect("it").1;
        let signed = format!("SAMLRequest={}", query.split_once("&Signature=").expect("a signature").0);
        assert!(verifies(&OURS, signed.as_bytes(), &all[4].1));
        assert!(!start.location.contains(['#', ' ', '\'']) && start.location.is_ascii());
    }
    assert!(
        start_for(&RSA.metadata(), telling(Some("user")), "ada@example.org")
            .location
            .ends_with("&user=ada%40example.org")
    );
    let untold = start_for(&RSA.metadata(), telling(None), "ada@example.org").location;
    assert!(!untold.contains("ada"), "{untold}");
    let own_one = swap(&RSA.metadata(), "https://idp.example.org/sso", "https://idp.example.org/sso?login_hint=x");
    let kept = parameters(&start_for(&own_one, telling(Some("login_hint")), "ada@example.org").location);
    let hints: Vec<_> = kept.iter().filter(|(name, _)| name == "login_hint").map(|(_, hint)| hint.as_str()).collect();
    assert_eq!(hints, ["x"], "what the provider's address asks for itself stays");
    let post = Options { requests: Some(Binding::Post), ..telling(Some("login_hint")) };
    let form = start_for(&both_bindings(), post, "ada@example.org");
    let document = BASE64_STANDARD.decode(&form.fields[0].1).expect("base64");
    assert_eq!((form.location.as_str(), form.fields.len()), ("https://idp.example.org/post", 2));
    assert!(!String::from_utf8_lossy(&document).contains("ada@"), "no message names anybody");
}

#[test]
fn a_signed_request_by_post_is_a_form_that_another_implementation_verifies() {
    for kind in [KeyKind::Rsa2048, KeyKind::EcdsaP256, KeyKind::EcdsaP384] {
        let key = IdpKey::generate(kind, "sso.example.org").expect("a key");
        let options =
            Options { requests: Some(Binding::Post), contexts: vec!["urn:a&b".to_owned()], ..signing(vec![own(&key)]) };
        let start = start(&both_bindings(), options).expect("a start");
        assert_eq!(start.location, "https://idp.example.org/post");
        let [("SAMLRequest", request), ("RelayState", state)] = &start.fields[..] else { panic!("{:?}", start.fields) };
        assert_eq!(*state, start.handle);
        assert!(Request::parse_form(request).is_ok());
        let document = String::from_utf8(BASE64_STANDARD.decode(request).expect("base64")).expect("UTF-8");
        let bench = xmlsec::Bench::new(&key);
        assert!(bench.verifies(&document), "{kind:?}: {document}");
        assert!(!bench.verifies(&swap(&document, "sso.example.org/saml/corp/acs", "evil.example.org/saml/corp/acs")));
    }
}

#[test]
fn without_a_key_requests_are_unsigned_and_a_provider_that_demands_signatures_is_told_of() {
    let post = Options { requests: Some(Binding::Post), ..Options::default() };
    let begun = start(&both_bindings(), post).expect("a start");
    let document = BASE64_STANDARD.decode(&begun.fields[0].1).expect("base64");
    assert!(!String::from_utf8_lossy(&document).contains("Signature"));
    let wants = swap(&RSA.metadata(), "WantAuthnRequestsSigned=\"false\"", "WantAuthnRequestsSigned=\"true\"");
    let refused = start(&wants, Options::default());
    assert!(matches!(refused, Err(Error::Unavailable { reason }) if reason.contains("`signing`")));
    assert!(start(&wants, signing(vec![own(&OURS)])).is_ok());
}

#[test]
fn the_binding_is_the_one_that_the_provider_takes_or_that_was_chosen() {
    let only_post = swap(&swap(&RSA.metadata(), "HTTP-Redirect", "HTTP-POST"), "/sso", "/post");
    let start_of = |metadata: &str, requests| {
        start(metadata, Options { requests, ..Options::default() }).map(|start| start.fields.len())
    };
    assert_eq!(start_of(&both_bindings(), None).expect("a start"), 0);
    assert_eq!(start_of(&both_bindings(), Some(Binding::Post)).expect("a start"), 2);
    assert_eq!(start_of(&only_post, None).expect("a start"), 2);
    assert!(start_of(&only_post, Some(Binding::Redirect)).is_err());
    assert!(start_of(&RSA.metadata(), Some(Binding::Post)).is_err());
}

#[test]
fn our_metadata_publishes_every_key_that_signs() {
    let next = IdpKey::generate(KeyKind::EcdsaP256, "next").expect("a key");
    let signed = connector(&RSA.metadata(), signing(vec![own(&OURS), own(&next)]));
    let (_, document) = signed.metadata().expect("a document");
    for key in [&*OURS, &next] {
        assert!(document.contains(&BASE64_STANDARD.encode(key.certificate())));
    }
    assert!(document.contains("AuthnRequestsSigned=\"true\"") && document.matches("use=\"signing\"").count() == 2);
    let (_, plain) = connector(&RSA.metadata(), Options::default()).metadata().expect("a document");
    assert!(plain.contains("AuthnRequestsSigned=\"false\"") && !plain.contains("KeyDescriptor"));
}

#[test]
fn keys_that_do_not_fit_are_refused_with_the_reason() {
    let other = IdpKey::generate(KeyKind::EcdsaP256, "other").expect("a key");
    let error = |certificate: &[u8], key: &[u8]| OwnKey::from_der(certificate, key).expect_err("refused").to_string();
    assert!(error(OURS.certificate(), other.private_key()).contains("does not belong"));
    assert!(error(b"x", OURS.private_key()).contains("no X.509"));
    assert!(error(OURS.certificate(), b"x").contains("neither RSA"));
    let made = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
    let certificate = rcgen::CertificateParams::default().self_signed(&made).expect("a certificate");
    assert!(error(certificate.der(), made.serialized_der()).contains("neither RSA"));
    assert!(OwnKey::from_pem(b"x", b"y").expect_err("refused").to_string().contains("not in PEM"));
    assert!(!format!("{:?}", own(&OURS)).contains("key"));
}

fn demanding(options: Options) -> Stage {
    Stage::with(RSA.clone(), Settings { options, ..settings(&RSA.metadata()) })
}

#[test]
fn who_must_sign_in_anew_did_so_after_we_asked() {
    let stage = demanding(Options { force_authn: true, ..Options::default() });
    let draft = stage.draft();
    assert!(stage.finish(&stage.sign(&draft)).is_ok());
    let instant = part(&draft, "AuthnInstant=\"", "Z\"").to_owned();
    let before = |seconds: u64| format!("AuthnInstant=\"{}\"", START.minus(Duration::from_secs(seconds)));
    assert!(stage.finish(&stage.sign(&swap(&draft, &instant, &before(60)))).is_ok(), "clocks differ");
    assert_eq!(stage.rule(&stage.sign(&swap(&draft, &instant, &before(61)))), "authentication");
    let start = stage.connector.start().now_or_never().expect("at once").expect("a start");
    let packed = parameters(&start.location).remove(0).1;
    assert!(inflated(&packed).contains("ForceAuthn=\"true\""));
    // Without the demand an older sign-in there is as good.
    let stage = Stage::new(RSA.clone());
    let draft = stage.draft();
    let instant = part(&draft, "AuthnInstant=\"", "Z\"").to_owned();
    assert!(stage.finish(&stage.sign(&swap(&draft, &instant, &before(3600)))).is_ok());
}

#[test]
fn a_way_to_authenticate_that_was_not_asked_for_is_refused() {
    const UNSPECIFIED: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified";
    const STRONG: &str = "https://refeds.org/profile/mfa";
    let asks = |contexts: &[&str]| {
        let contexts = contexts.iter().map(|context| (*context).to_owned()).collect();
        demanding(Options { contexts, ..Options::default() })
    };
    let stage = asks(&[STRONG]);
    assert_eq!(stage.rule(&stage.signed()), "context");
    assert!(stage.finish(&stage.sign(&swap(&stage.draft(), UNSPECIFIED, STRONG))).is_ok());
    let draft = stage.draft();
    let context = part(&draft, "<saml:AuthnContext>", "</saml:AuthnContext>");
    assert_eq!(stage.rule(&stage.sign(&swap(&draft, context, "<saml:AuthnContext/>"))), "context");
    assert!(asks(&[STRONG, UNSPECIFIED]).finish(&asks(&[]).signed()).is_err(), "of another request");
    let stage = asks(&[STRONG, UNSPECIFIED]);
    assert!(stage.finish(&stage.signed()).is_ok());
    let start = stage.connector.start().now_or_never().expect("at once").expect("a start");
    let request = inflated(&parameters(&start.location).remove(0).1);
    assert!(
        request.contains("Comparison=\"exact\"") && request.contains(&format!("<saml:AuthnContextClassRef>{STRONG}<"))
    );
}

fn inflated(packed: &str) -> String {
    use std::io::Read;
    let bytes = BASE64_STANDARD.decode(packed).expect("base64");
    let mut text = String::new();
    flate2::read::DeflateDecoder::new(bytes.as_slice()).read_to_string(&mut text).expect("deflated");
    text
}

/// A stage whose provider begins by itself: its answer names no request.
fn unasked(stage: &Stage) -> String {
    let draft = stage.draft();
    stage.sign(
        &swap(&draft, &format!(" InResponseTo=\"{}\"", stage.request.id), "")
            .replace(&format!("InResponseTo=\"{}\" ", stage.request.id), ""),
    )
}

#[test]
fn a_sign_in_that_the_provider_begins_is_taken_by_choice_only() {
    let take = |stage: &Stage, response: &str| {
        let answer = Answer { fields: vec![("SAMLResponse".to_owned(), BASE64_STANDARD.encode(response))] };
        waited(stage.connector.finish_unsolicited(&answer))
    };
    let choice = || demanding(Options { unsolicited: true, force_authn: true, ..Options::default() });
    let stage = choice();
    let response = unasked(&stage);
    assert!(!response.contains("InResponseTo"));
    let identity = take(&stage, &response).expect("accepted");
    assert!(identity.claim().is_some(), "it is used once like every other");
    assert!(stage.connector.takes_unsolicited());
    assert_eq!(rule(take(&stage, &stage.signed())), "in-response-to", "an answer to a request is none without it");
    assert_eq!(stage.rule(&response), "in-response-to", "nor the other way round");
    let audience = stage.sign(&swap(&stage.draft(), &format!("<saml:Audience>{ENTITY}"), "<saml:Audience>urn:x"));
    assert_eq!(rule(take(&stage, &audience)), "in-response-to");
    stage.clock.advance(minutes(5) + Duration::from_secs(61));
    assert_eq!(rule(take(&stage, &response)), "time", "old answers are not taken, whatever they say of their end");
    let plain = Stage::new(RSA.clone());
    assert_eq!(rule(take(&plain, &unasked(&plain))), "in-response-to");
    assert!(!plain.connector.takes_unsolicited());
}

#[test]
fn a_sign_in_that_the_provider_begins_is_as_fresh_as_one_of_ours_must_be() {
    let stage = demanding(Options { unsolicited: true, force_authn: true, ..Options::default() });
    let take = |response: &str| {
        let answer = Answer { fields: vec![("SAMLResponse".to_owned(), BASE64_STANDARD.encode(response))] };
        waited(stage.connector.finish_unsolicited(&answer))
    };
    let draft = stage.draft();
    let instant = part(&draft, "AuthnInstant=\"", "Z\"").to_owned();
    let hours_ago = format!("AuthnInstant=\"{}\"", START.minus(Duration::from_secs(3600)));
    let asked = format!(" InResponseTo=\"{}\"", stage.request.id);
    let old =
        stage.sign(&swap(&draft, &instant, &hours_ago).replace(&asked, "").replace(&format!("{} ", &asked[1..]), ""));
    assert_eq!(rule(take(&old)), "authentication");
}
