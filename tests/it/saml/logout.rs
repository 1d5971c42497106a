//! Single logout at the connector: what the provider may say, in either binding, and what we say.

use cleargate::session::AtUpstream;
use cleargate::upstream::saml::{OwnKey, OwnKeys};
use cleargate::upstream::{Delivery, LogoutMessage, LogoutRequest};

use super::*;

const ADDRESS: &str = "https://sso.example.org/saml/corp/slo";
const SERVICES: &str = "<md:SingleLogoutService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" \
                        Location=\"https://idp.example.org/slo?x=1\" ResponseLocation=\"https://idp.example.org/done\"/>\
                        <md:SingleSignOnService";

static OURS: LazyLock<IdpKey> =
    LazyLock::new(|| IdpKey::generate(KeyKind::EcdsaP256, "sso.example.org").expect("a key"));

fn options() -> Options {
    let key = OwnKey::from_der(OURS.certificate(), OURS.private_key()).expect("a key of ours");
    Options { keys: Arc::new(OwnKeys { signing: vec![key], ..OwnKeys::default() }), ..Options::default() }
}

fn stage_at(services: &str) -> Stage {
    let metadata = swap(&RSA.metadata(), "<md:SingleSignOnService", services);
    Stage::with(RSA.clone(), Settings { options: options(), ..settings(&metadata) })
}

fn stage() -> Stage {
    stage_at(SERVICES)
}

/// A request for logout without signature; `parts` follow the issuer.
fn request(parts: &str) -> String {
    format!(
        "<samlp:LogoutRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
         xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"_out\" Version=\"2.0\" IssueInstant=\"{START}\" \
         Destination=\"{ADDRESS}\"><saml:Issuer>{BASE}/metadata</saml:Issuer>{parts}</samlp:LogoutRequest>"
    )
}

fn good() -> String {
    request("<saml:NameID>ada@example.org</saml:NameID><samlp:SessionIndex>_1</samlp:SessionIndex>")
}

fn templated(document: &str) -> String {
    swap(document, "</saml:Issuer>", &format!("</saml:Issuer>{}", sign::template("_out", KeyKind::Rsa2048)))
}

fn read(stage: &Stage, delivery: Delivery<'_>) -> Result<LogoutMessage, Error> {
    stage.connector.read_logout(delivery).now_or_never().expect("at once")
}

fn by_form(stage: &Stage, field: &str, document: &str) -> Result<LogoutMessage, Error> {
    let fields =
        vec![(field.to_owned(), BASE64_STANDARD.encode(document)), ("RelayState".to_owned(), "back".to_owned())];
    read(stage, Delivery::Form(&Answer { fields }))
}

fn posted(stage: &Stage, document: &str) -> Result<LogoutMessage, Error> {
    by_form(stage, "SAMLRequest", document)
}

fn deflated(document: &str) -> String {
    use std::io::Write;
    let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    deflate.write_all(document.as_bytes()).expect("deflated");
    BASE64_STANDARD.encode(deflate.finish().expect("deflated"))
}

fn encoded(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// The query of the Redirect binding, signed by `key`.
fn query_by(key: &IdpKey, field: &str, document: &str, method: &str) -> String {
    let signed = encoded(&[(field, &deflated(document)), ("RelayState", "back"), ("SigAlg", method)]);
    let signature = key.sign(&aws_lc_rs::digest::SHA256, signed.as_bytes()).expect("signed");
    format!("{signed}&{}", encoded(&[("Signature", &BASE64_STANDARD.encode(signature))]))
}

const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";

fn query(document: &str) -> String {
    query_by(RSA.key(), "SAMLRequest", document, RSA_SHA256)
}

fn refusal(result: Result<LogoutMessage, Error>) -> &'static str {
    match result {
        Ok(message) => panic!("accepted: {message:?}"),
        Err(Error::Refused { rule, .. }) => rule,
        Err(other) => panic!("{other}"),
    }
}

fn asked(result: Result<LogoutMessage, Error>) -> LogoutRequest {
    match result {
        Ok(LogoutMessage::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_signed_request_is_read_by_either_binding() {
    let stage = stage();
    let signed = stage.sign(&templated(&good()));
    for result in [posted(&stage, &signed), read(&stage, Delivery::Query(&query(&good())))] {
        let request = asked(result);
        assert_eq!(
            (request.subject.as_deref().unwrap(), request.sessions.as_slice()),
            ("ada@example.org", &["_1".to_owned()][..])
        );
        assert_eq!((request.issued, request.claim.id.as_str()), (START, "_out"));
        assert_eq!(request.relay_state.as_deref(), Some("back"));
    }
    let all = asked(posted(&stage, &stage.sign(&templated(&request("<saml:NameID>x</saml:NameID>")))));
    assert!(all.sessions.is_empty());
}

#[test]
fn what_is_not_signed_as_it_should_be_is_refused() {
    let stage = stage();
    let signed = stage.sign(&templated(&good()));
    assert_eq!(refusal(posted(&stage, &good())), "signature");
    assert_eq!(refusal(posted(&stage, &sign::fill(&templated(&good()), ATTACKER.key()).expect("signed"))), "signature");
    assert_eq!(refusal(posted(&stage, &swap(&signed, ">ada@", ">root@"))), "digest");
    assert_eq!(refusal(posted(&stage, &swap(&signed, ">_1<", ">_2<"))), "digest");
    assert_eq!(
        refusal(read(&stage, Delivery::Query(&query_by(ATTACKER.key(), "SAMLRequest", &good(), RSA_SHA256)))),
        "signature"
    );
    for method in
        ["http://www.w3.org/2000/09/xmldsig#rsa-sha1", "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256", ""]
    {
        let query = query_by(RSA.key(), "SAMLRequest", &good(), method);
        assert_eq!(refusal(read(&stage, Delivery::Query(&query))), "algorithm", "{method}");
    }
    let good_query = query(&good());
    for (from, to) in [
        ("RelayState=back", "RelayState=elsewhere"),
        ("RelayState=back&", ""),
        ("SAMLRequest=", "SAMLRequest=x&SAMLRequest="),
        ("&Signature=", "&Signature=AAAA&Signature="),
        ("&Signature=", "&signature="),
        ("&SigAlg=", "&sigalg="),
    ] {
        assert!(
            matches!(refusal(read(&stage, Delivery::Query(&swap(&good_query, from, to)))), "signature" | "shape"),
            "{to}"
        );
    }
    // The letters are what is signed, not what they mean.
    assert_eq!(
        refusal(read(&stage, Delivery::Query(&swap(&good_query, "RelayState=back", "RelayState=%62ack")))),
        "signature"
    );
    // A signature within does not make up for one in the address, nor beside it.
    let within = encoded(&[("SAMLRequest", &deflated(&signed))]);
    assert_eq!(refusal(read(&stage, Delivery::Query(&within))), "signature");
    assert_eq!(refusal(read(&stage, Delivery::Query(&query(&signed)))), "shape");
    // An address does not sign a form.
    assert_eq!(refusal(posted(&stage, &good())), "signature");
}

#[test]
fn what_a_request_says_is_checked_by_either_binding() {
    let stage = stage();
    let instant = |at: Timestamp| format!("IssueInstant=\"{at}\"");
    let now = instant(START);
    let seconds = Duration::from_secs;
    let cases: [(&str, &str, String, &str); 13] = [
        ("version", "Version=\"2.0\"", "Version=\"1.1\"".to_owned(), "version"),
        ("issuer", "/metadata</saml:Issuer>", "/other</saml:Issuer>".to_owned(), "issuer"),
        ("destination", "/saml/corp/slo", "/saml/other/slo".to_owned(), "destination"),
        ("another of our addresses", "/saml/corp/slo", "/saml/corp/acs".to_owned(), "destination"),
        ("no destination", "Destination=", "Destinations=".to_owned(), "shape"),
        ("the future", &now, instant(START.plus(seconds(61))), "time"),
        ("long ago", &now, instant(START.minus(seconds(361))), "time"),
        ("no time", &now, String::new(), "shape"),
        ("its end", &now, format!("{now} NotOnOrAfter=\"{}\"", START.minus(seconds(60))), "time"),
        ("no id", "ID=\"_out\"", String::new(), "shape"),
        ("no name", "<saml:NameID>ada@example.org</saml:NameID>", String::new(), "shape"),
        ("an empty index", ">_1<", "><".to_owned(), "size"),
        ("a name that deceives", "ada@", "ada\u{202e}@".to_owned(), "characters"),
    ];
    for (what, from, to, rule) in &cases {
        let document = swap(&good(), from, to);
        assert_eq!(refusal(read(&stage, Delivery::Query(&query(&document)))), *rule, "{what}");
        if *what != "no id" {
            assert_eq!(refusal(posted(&stage, &stage.sign(&templated(&document)))), *rule, "{what}");
        }
    }
    let many = "<samlp:SessionIndex>x</samlp:SessionIndex>".repeat(65);
    let many = request(&format!("<saml:NameID>x</saml:NameID>{many}"));
    assert_eq!(refusal(read(&stage, Delivery::Query(&query(&many)))), "size");
}

#[test]
fn a_message_of_another_kind_or_shape_is_refused() {
    let stage = stage();
    let assertion = stage.signed();
    let name = "<saml:NameID>ada@example.org</saml:NameID>";
    for (what, document, rule) in [
        ("a response", assertion.clone(), "shape"),
        ("an assertion beside", swap(&good(), name, &format!("{name}{}", alone(assertion_of(&assertion)))), "shape"),
        ("two names", swap(&good(), name, &name.repeat(2)), "shape"),
        ("an encrypted name", swap(&good(), name, "<saml:EncryptedID/>"), "shape"),
        ("extensions", swap(&good(), name, &format!("<samlp:Extensions/>{name}")), "shape"),
        ("an element in the name", swap(&good(), "ada@", "ada<x xmlns=\"urn:x\"/>@"), "shape"),
        ("a comment", swap(&good(), "ada@", "ada<!-- -->@"), "xml"),
        ("a document type", format!("<!DOCTYPE x>{}", good()), "xml"),
        ("an answer where a request belongs", swap(&good(), "LogoutRequest", "LogoutResponse"), "shape"),
    ] {
        assert_eq!(refusal(read(&stage, Delivery::Query(&query(&document)))), rule, "{what}");
        assert_eq!(refusal(posted(&stage, &document)), rule, "{what}");
    }
    // A request within the signature of another one, and beside it.
    let signed = stage.sign(&templated(&good()));
    let evil = swap(&swap(&good(), "_out", "_evil"), "ada@", "root@");
    let wrapped = swap(&signed, "</ds:Signature>", &format!("<ds:Object>{}</ds:Object></ds:Signature>", good()));
    assert_eq!(refusal(posted(&stage, &wrapped)), "shape");
    let moved = swap(&evil, "</saml:Issuer>", &format!("</saml:Issuer>{}", signature_of(&signed)));
    assert_eq!(refusal(posted(&stage, &moved)), "reference");
    for fields in
        [vec![], vec![("SAMLRequest", "x"), ("SAMLResponse", "x")], vec![("SAMLRequest", "x"), ("SAMLRequest", "x")]]
    {
        let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        assert_eq!(refusal(read(&stage, Delivery::Form(&Answer { fields }))), "shape");
    }
    let bomb = "a".repeat(10_000_000);
    assert_eq!(refusal(read(&stage, Delivery::Query(&query(&bomb)))), "size");
    assert_eq!(refusal(read(&stage, Delivery::Query("SAMLRequest=!&SigAlg=x&Signature=x"))), "encoding");
}

fn alone(assertion: &str) -> String {
    assertion.replacen("<saml:Assertion ", "<saml:Assertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ", 1)
}

fn at(stage: &Stage) -> AtUpstream {
    let identity = stage.finish(&stage.signed()).expect("accepted");
    identity.at_upstream().expect("it").clone()
}

#[test]
fn our_request_names_the_session_and_is_signed() {
    let stage = stage();
    let at = at(&stage);
    assert_eq!(at.subject, "ada@example.org");
    let start =
        stage.connector.start_logout(&at).now_or_never().expect("at once").expect("a start").expect("a service");
    assert!(start.location.starts_with("https://idp.example.org/slo?x=1&SAMLRequest="), "{}", start.location);
    assert!(start.location.contains("&SigAlg=") && start.location.contains("&Signature="));
    let url = url::Url::parse(&start.location).expect("an address");
    let field = |name: &str| url.query_pairs().find(|(n, _)| n == name).expect("it").1.into_owned();
    assert_eq!(field("RelayState"), start.handle);
    let document = inflated(&field("SAMLRequest"));
    assert!(
        document.contains("nameid-format:emailAddress\">ada@example.org</saml:NameID><samlp:SessionIndex>_"),
        "{document}"
    );
    assert!(document.contains(std::str::from_utf8(&start.pending).expect("an id")));
    // Without an address of theirs, or a key of ours, there is nothing to send.
    let plain = Stage::new(RSA.clone());
    assert!(plain.connector.start_logout(&at).now_or_never().expect("at once").expect("fine").is_none());
    assert!(!plain.connector.has_logout() && stage.connector.has_logout());
    let (_, metadata) = stage.connector.metadata().expect("a document");
    assert!(metadata.contains(&format!("Location=\"{ADDRESS}\"")));
    assert!(!plain.connector.metadata().expect("a document").1.contains("SingleLogoutService"));
}

fn inflated(packed: &str) -> String {
    use std::io::Read;
    let bytes = BASE64_STANDARD.decode(packed).expect("base64");
    let mut text = String::new();
    flate2::read::DeflateDecoder::new(bytes.as_slice()).read_to_string(&mut text).expect("deflated");
    text
}

#[test]
fn our_answer_goes_to_the_address_for_answers_with_what_they_sent_along() {
    let stage = stage();
    let request = asked(read(&stage, Delivery::Query(&query(&good()))));
    let departure = stage.connector.answer_logout(&request).now_or_never().expect("at once").expect("an answer");
    assert!(departure.location.starts_with("https://idp.example.org/done?SAMLResponse="), "{}", departure.location);
    assert!(departure.location.contains("&RelayState=back&SigAlg="));
    let url = url::Url::parse(&departure.location).expect("an address");
    let document = inflated(&url.query_pairs().next().expect("it").1);
    assert!(document.contains("InResponseTo=\"_out\"") && document.contains("status:Success"), "{document}");
    // By POST where they have nothing else, signed within.
    let by_post = stage_at(&SERVICES.replace("HTTP-Redirect", "HTTP-POST"));
    let departure = by_post.connector.answer_logout(&request).now_or_never().expect("at once").expect("an answer");
    assert_eq!(departure.location, "https://idp.example.org/done");
    let document = BASE64_STANDARD.decode(&departure.fields[0].1).expect("base64");
    assert!(xmlsec::Bench::new(&OURS).verifies(std::str::from_utf8(&document).expect("UTF-8")));
}

#[test]
fn their_answer_is_read_with_what_it_says() {
    let stage = stage();
    let answer = |code: &str| {
        let status = format!("<samlp:Status>{code}</samlp:Status>");
        swap(
            &swap(&request(&status), "LogoutRequest", "LogoutResponse"),
            "ID=\"_out\"",
            "ID=\"_out\" InResponseTo=\"_asked\"",
        )
    };
    let success = "<samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"/>";
    let partial = "<samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"><samlp:StatusCode \
                   Value=\"urn:oasis:names:tc:SAML:2.0:status:PartialLogout\"/></samlp:StatusCode>";
    let failed = "<samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Responder\"/>";
    for (code, complete) in [(success, true), (partial, false), (failed, false)] {
        for result in [
            by_form(&stage, "SAMLResponse", &stage.sign(&templated(&answer(code)))),
            read(&stage, Delivery::Query(&query_by(RSA.key(), "SAMLResponse", &answer(code), RSA_SHA256))),
        ] {
            let Ok(LogoutMessage::Answer(answer)) = result else { panic!("{result:?}") };
            assert_eq!(
                (answer.request.as_str(), answer.handle.as_str(), answer.is_complete),
                ("_asked", "back", complete)
            );
        }
    }
    assert_eq!(refusal(by_form(&stage, "SAMLResponse", &answer(success))), "signature");
}
