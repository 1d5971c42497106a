//! Hostile requests for logout through the whole gateway: they end nothing, all look alike, the ledger has the true cause, and the
//! real one works after each.

use super::*;

const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";

/// A hostile request: its name, the cause, and its text.
type Case = (String, &'static str, String);

fn swap(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "no {from} in {text}");
    text.replace(from, to)
}

/// From the first `start` to the first `end` after it, both included.
fn part<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let from = text.find(start).unwrap_or_else(|| panic!("no {start} in {text}"));
    &text[from..from + text[from..].find(end).unwrap() + end.len()]
}

/// A logout of Ada's session, on whatever it is signed.
struct Logout<'a> {
    stage: &'a Stage,
    index: &'a str,
    attacker: &'a IdpKey,
    /// A signed response of the provider.
    response: &'a str,
}

impl Logout<'_> {
    fn draft(&self) -> String {
        let signed = self.signed();
        let value = part(&signed, "<ds:SignatureValue>", "</ds:SignatureValue>").to_owned();
        signed.replace(&value, "<ds:SignatureValue/>")
    }

    fn signed(&self) -> String {
        self.stage.logout("_hostile", ADA, &[self.index], START)
    }

    /// What the right key signed after it was altered.
    fn after(&self, from: &str, to: &str) -> String {
        sign::fill(&swap(&self.draft(), from, to), self.stage.idp.key()).unwrap()
    }

    fn stripped(&self) -> Vec<Case> {
        let signed = self.signed();
        let without = |start: &str, end: &str| swap(&signed, part(&signed, start, end), "");
        let mut cases = vec![
            ("no signature".to_owned(), "signature", without("<ds:Signature ", "</ds:Signature>")),
            (
                "an empty value".to_owned(),
                "signature",
                swap(
                    &signed,
                    part(&signed, "<ds:SignatureValue>", "</ds:SignatureValue>"),
                    "<ds:SignatureValue></ds:SignatureValue>",
                ),
            ),
        ];
        for element in ["SignatureValue", "SignedInfo", "Reference", "DigestValue", "Transforms"] {
            let text = without(&format!("<ds:{element}"), &format!("</ds:{element}>"));
            cases.push((format!("without {element}"), "shape", text));
        }
        cases
    }

    fn altered(&self) -> Vec<Case> {
        let (signed, name) = (self.signed(), format!("{ADA}</saml:NameID>"));
        let more = "<samlp:SessionIndex>_other</samlp:SessionIndex></samlp:LogoutRequest>";
        [
            ("altered: name", "digest", swap(&signed, &name, "root@example.org</saml:NameID>")),
            ("altered: session", "digest", swap(&signed, self.index, "_other")),
            ("altered: a session more", "digest", swap(&signed, "</samlp:LogoutRequest>", more)),
            ("altered: white space", "digest", swap(&signed, "<saml:NameID>", "\n<saml:NameID>")),
            (
                "altered: time",
                "digest",
                swap(&signed, " Destination", " NotOnOrAfter=\"2199-01-01T00:00:00Z\" Destination"),
            ),
            ("altered: id", "reference", swap(&signed, " ID=\"_hostile\"", " ID=\"_again\"")),
            ("markup: comment", "xml", swap(&signed, &name, &format!("<!-- -->{name}"))),
            ("markup: section", "xml", swap(&signed, &name, &format!("<![CDATA[x]]>{name}"))),
            ("markup: instruction", "xml", swap(&signed, &name, &format!("<?x y?>{name}"))),
            ("markup: entity", "xml", swap(&signed, &name, &format!("&x;{name}"))),
            ("markup: element", "shape", self.after(&name, &format!("<x xmlns=\"urn:x\"/>{name}"))),
            ("markup: direction", "characters", self.after(&name, &format!("\u{202e}{name}"))),
            ("markup: document type", "xml", format!("<!DOCTYPE x>{signed}")),
            ("markup: encoding", "encoding", format!("<?xml version=\"1.0\" encoding=\"UTF-16\"?>{signed}")),
            ("markup: nul", "encoding", swap(&signed, ADA, "ada\0@example.org")),
            ("markup: second root", "xml", format!("{signed}<x/>")),
            ("markup: cut", "xml", signed[..signed.len() - 3].to_owned()),
            ("void: a relative namespace", "namespace", self.after("<saml:NameID>", "<saml:NameID xmlns:v=\"1\">")),
            (
                "void: on the message",
                "namespace",
                self.after("<samlp:LogoutRequest ", "<samlp:LogoutRequest xmlns:v=\"1\" "),
            ),
            ("id: the signature's", "id", self.after("<ds:Signature ", "<ds:Signature Id=\"_hostile\" ")),
            ("id: of the name", "id", self.after("<saml:NameID>", "<saml:NameID ID=\"_x\">")),
            ("id: `xml:id`", "id", self.after("<saml:NameID>", "<saml:NameID xml:id=\"_x\">")),
        ]
        .map(|(name, rule, text)| (name.to_owned(), rule, text))
        .into()
    }

    /// What was signed somewhere, and another one where it is read.
    fn wrapped(&self) -> Vec<Case> {
        let signed = self.signed();
        let signature = part(&signed, "<ds:Signature ", "</ds:Signature>");
        let bare = swap(&signed, signature, "");
        let evil = swap(&swap(&bare, "_hostile", "_evil"), ADA, "grace@example.org");
        let put = |inner: &str| swap(&evil, "</saml:Issuer>", &format!("</saml:Issuer>{inner}"));
        let end = "</ds:Signature>";
        let assertion = part(self.response, "<saml:Assertion ", "</saml:Assertion>");
        let theirs = part(assertion, "<ds:Signature ", end);
        [
            ("the signature alone", "reference", put(signature)),
            ("within the signature", "shape", put(&swap(signature, end, &format!("{bare}{end}")))),
            ("in an object", "shape", put(&swap(signature, end, &format!("<ds:Object>{bare}</ds:Object>{end}")))),
            ("beside the signature", "shape", put(&format!("{signature}{bare}"))),
            ("in extensions", "shape", put(&format!("<samlp:Extensions>{signed}</samlp:Extensions>"))),
            ("at the end", "shape", swap(&evil, "</samlp:LogoutRequest>", &format!("{signed}</samlp:LogoutRequest>"))),
            ("in the name", "shape", swap(&evil, "<saml:NameID>", &format!("<saml:NameID>{signed}"))),
            ("the signature of an assertion", "reference", put(theirs)),
            ("a signed assertion", "shape", put(assertion)),
            ("a signed response", "shape", self.response.to_owned()),
            ("an answer", "shape", swap(&signed, "samlp:LogoutRequest", "samlp:LogoutResponse")),
            (
                "an envelope",
                "shape",
                format!("<s:Envelope xmlns:s=\"urn:soap\"><s:Body>{signed}</s:Body></s:Envelope>"),
            ),
            ("two signatures", "shape", swap(&signed, signature, &signature.repeat(2))),
        ]
        .map(|(name, rule, text)| (format!("wrapped: {name}"), rule, text))
        .into()
    }

    fn by_others(&self) -> Vec<Case> {
        let draft = self.draft();
        let key_info = |inner: &str| format!("<ds:SignatureValue/><ds:KeyInfo>{inner}</ds:KeyInfo>");
        let certificate = BASE64_STANDARD.encode(self.attacker.certificate());
        let brought = format!("<ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data>");
        let brought = swap(&draft, "<ds:SignatureValue/>", &key_info(&brought));
        let method = part(&draft, "<ds:SignatureMethod", "/>");
        let by = |uri: &str| format!("<ds:SignatureMethod Algorithm=\"{uri}\"/>");
        let exclusive = format!("<ds:Transform Algorithm=\"{EXCLUSIVE}\"/>");
        let canonical = format!("<ds:CanonicalizationMethod Algorithm=\"{EXCLUSIVE}\"/>");
        let xslt = "http://www.w3.org/TR/1999/REC-xslt-19991116";
        let reference = "<ds:Reference URI=\"#_hostile\">";
        [
            ("another key", "signature", sign::fill(&draft, self.attacker).unwrap()),
            ("another key that comes along", "signature", sign::fill(&brought, self.attacker).unwrap()),
            ("a key value", "shape", self.after("<ds:SignatureValue/>", &key_info("<ds:KeyValue/>"))),
            (
                "a key elsewhere",
                "shape",
                self.after("<ds:SignatureValue/>", &key_info("<ds:RetrievalMethod URI=\"http://evil.example/\"/>")),
            ),
            ("a secret", "algorithm", self.after(method, &by("http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"))),
            ("SHA-1", "algorithm", self.after(method, &by("http://www.w3.org/2000/09/xmldsig#rsa-sha1"))),
            ("no method", "algorithm", self.after(method, &by("none"))),
            (
                "the method of another kind",
                "signature",
                self.after(method, &by("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256")),
            ),
            ("a digest", "algorithm", self.after("xmlenc#sha256\"/><ds:DigestValue", "xmlenc#md5\"/><ds:DigestValue")),
            ("a stylesheet", "transform", self.after(&exclusive, &swap(&exclusive, EXCLUSIVE, xslt))),
            ("another canonicalization", "transform", self.after(&canonical, &swap(&canonical, EXCLUSIVE, xslt))),
            ("the whole document", "reference", self.after(reference, "<ds:Reference URI=\"\">")),
            ("an address", "reference", self.after(reference, "<ds:Reference URI=\"http://evil.example/x\">")),
            ("two references", "shape", self.after("</ds:Reference>", "</ds:Reference><ds:Reference URI=\"\"/>")),
        ]
        .map(|(name, rule, text)| (format!("signed by: {name}"), rule, text))
        .into()
    }

    fn said(&self) -> Vec<Case> {
        let name = format!("<saml:NameID>{ADA}</saml:NameID>");
        let session = format!("<samlp:SessionIndex>{}</samlp:SessionIndex>", self.index);
        let now = format!("IssueInstant=\"{START}\"");
        [
            ("issuer", "issuer", self.after("/metadata</saml:Issuer>", "/metadatas</saml:Issuer>")),
            ("no issuer", "shape", self.after(&format!("<saml:Issuer>{BASE}/metadata</saml:Issuer>"), "")),
            ("destination", "destination", self.after("/saml/corp/slo", "/saml/corp/acs")),
            ("no destination", "shape", self.after(" Destination=", " Destinations=")),
            ("long ago", "time", self.after(&now, "IssueInstant=\"2001-01-01T00:00:00Z\"")),
            ("the future", "time", self.after(&now, "IssueInstant=\"2199-01-01T00:00:00Z\"")),
            ("no time", "shape", self.after(&now, "")),
            ("a time without a zone", "time", self.after(&now, "IssueInstant=\"2026-11-22T08:00:00\"")),
            ("its end", "time", self.after(&now, &format!("{now} NotOnOrAfter=\"2001-01-01T00:00:00Z\""))),
            ("version", "version", self.after("Version=\"2.0\"", "Version=\"1.1\"")),
            ("no name", "shape", self.after(&name, "")),
            ("two names", "shape", self.after(&name, &name.repeat(2))),
            ("an encrypted name", "shape", self.after(&name, "<saml:EncryptedID/>")),
            ("an empty name", "characters", self.after(&name, "<saml:NameID></saml:NameID>")),
            ("a session without a name", "size", self.after(&session, "<samlp:SessionIndex></samlp:SessionIndex>")),
            ("too many sessions", "size", self.after(&session, &session.repeat(65))),
        ]
        .map(|(name, rule, text)| (format!("said: {name}"), rule, text))
        .into()
    }

    fn bombs(&self) -> Vec<Case> {
        let signed = self.signed();
        let attributes: String = (0..65).map(|n| format!(" a{n}=\"\"")).collect();
        let namespaces: String = (0..25).map(|n| format!(" xmlns:n{n}=\"urn:n\"")).collect();
        let tag = |to: &str| swap(&signed, "<saml:NameID>", to);
        [
            ("size", "size", tag(&format!("<saml:NameID>{}", "x".repeat(300 * 1024)))),
            ("depth", "size", tag(&"<saml:NameID>".repeat(60))),
            ("attributes", "size", tag(&format!("<saml:NameID{attributes}>"))),
            ("namespaces", "size", tag(&format!("<saml:NameID{namespaces}>"))),
            ("tags", "size", tag(&format!("<saml:NameID>{}", "<x/>".repeat(20_001)))),
            ("entities", "xml", format!("<!DOCTYPE x [<!ENTITY a \"aaaa\">]>{}", tag("<saml:NameID>&a;&a;"))),
            (
                "what is signed",
                "size",
                self.after("</ds:SignedInfo>", &format!("{}</ds:SignedInfo>", " ".repeat(8 * 1024))),
            ),
        ]
        .map(|(name, rule, text)| (format!("bomb: {name}"), rule, text))
        .into()
    }

    fn all(&self) -> Vec<Case> {
        [self.stripped(), self.altered(), self.wrapped(), self.by_others(), self.said(), self.bombs()].concat()
    }
}

#[tokio::test]
async fn every_hostile_logout_ends_nothing_and_looks_alike_and_the_real_one_works_after_it() {
    let stage = Stage::new(&format!("{OWN}[limits]\nsign_in = \"100000/1m\"")).await;
    let attacker = IdpKey::generate(KeyKind::EcdsaP256, "attacker").unwrap();
    let response = stage.answer(&mut stage.gateway.visitor(), &stage.idp, ADA).await[0].clone();
    let (mut grace, _) = stage.signed_in("grace@example.org").await;
    let count = Logout { stage: &stage, index: "_1", attacker: &attacker, response: &response }.all().len();
    assert!(count >= 75, "{count}");
    let (mut seen, mut otherwise) = (None, Vec::new());
    for number in 0..count {
        let (mut ada, index) = stage.signed_in(ADA).await;
        let logout = Logout { stage: &stage, index: &index, attacker: &attacker, response: &response };
        let (name, rule, text) = logout.all().swap_remove(number);
        let reply = stage.send_logout(&text).await;
        let page = (reply.status, reply.text, format!("{:?}", reply.headers));
        assert_eq!(page.0, StatusCode::FORBIDDEN, "{name}");
        assert_eq!(*seen.get_or_insert_with(|| page.clone()), page, "{name}");
        assert!(is_in(&mut ada).await && is_in(&mut grace).await, "{name}");
        assert_eq!(stage.events(EventKind::LogoutRefused).await.len(), number + 1, "{name}");
        let told = stage.rule(EventKind::LogoutRefused).await;
        if told != rule {
            otherwise.push(format!("{name}: {told}, not {rule}"));
        }
        let real = stage.logout(&format!("_real{number}"), ADA, &[&index], START);
        assert_eq!(stage.send_logout(&real).await.status, StatusCode::OK, "after {name}");
        assert!(!is_in(&mut ada).await && is_in(&mut grace).await, "after {name}");
    }
    assert!(otherwise.is_empty(), "{otherwise:#?}");
}
