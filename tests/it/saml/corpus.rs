//! Hostile responses, made by a program: stripped, wrapped, altered, misdirected, signed by others or by other methods,
//! encrypted by strangers, and documents that are there to exhaust somebody. Each answers a real request.

use cleargate::sandbox::saml::Encryption;
use cleargate::sandbox::saml::encrypt::{Cipher, Transport};

use super::*;

/// Cases with their names.
pub(crate) type Cases = Vec<(String, String)>;

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

impl Cast<'_> {
    /// Every case with its name, by kind.
    pub(crate) const KINDS: [fn(&Self) -> Cases; 9] = [
        Self::stripped,
        Self::altered,
        Self::markup,
        Self::wrapped,
        Self::by_others,
        Self::methods,
        Self::misdirected,
        Self::encrypted,
        Self::bombs,
    ];

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

    fn stripped(&self) -> Cases {
        let mut cases = Vec::new();
        for signs in SIGNED {
            let signed = self.signed(signs);
            let mut bare = signed.clone();
            while bare.contains("<ds:Signature ") {
                bare = swap(&bare, signature_of(&bare), "");
            }
            cases.push((format!("{signs:?}: no signature"), bare));
            for element in ["SignatureValue", "SignedInfo", "Reference", "DigestValue", "Transforms", "SignatureMethod"]
            {
                let (start, end) = (format!("<ds:{element}"), format!("</ds:{element}>"));
                let end = if element == "SignatureMethod" { "/>".to_owned() } else { end };
                let without = signed.replacen(part(&signed, &start, &end), "", 1);
                cases.push((format!("{signs:?}: without {element}"), without));
            }
            let value = part(&signed, "<ds:SignatureValue>", "</ds:SignatureValue>");
            cases.push((
                format!("{signs:?}: empty value"),
                signed.replacen(value, "<ds:SignatureValue></ds:SignatureValue>", 1),
            ));
        }
        cases
    }

    fn altered(&self) -> Cases {
        let email = &self.person.email;
        let mut cases = Vec::new();
        for signs in SIGNED {
            let signed = self.signed(signs);
            for (what, from, to) in [
                ("name", format!(">{email}</saml:NameID>"), ">root@example.org</saml:NameID>".to_owned()),
                ("name in another case", format!(">{email}</saml:NameID>"), format!(">{}</saml:NameID>", email.to_uppercase())),
                ("format of the name", "emailAddress\">".to_owned(), "persistent\">".to_owned()),
                ("group", ">staff<".to_owned(), ">admins<".to_owned()),
                ("name of an attribute", "Name=\"groups\"".to_owned(), "Name=\"email\"".to_owned()),
                ("session", "SessionIndex=\"_".to_owned(), "SessionIndex=\"_0".to_owned()),
                ("white space", "<saml:Subject>".to_owned(), "<saml:Subject>\n".to_owned()),
                ("an attribute more", "<saml:Subject>".to_owned(), "<saml:Subject x=\"1\">".to_owned()),
                ("a namespace more that is used", "<saml:Subject>".to_owned(), "<saml:Subject xmlns:x=\"urn:x\" x:y=\"1\">".to_owned()),
                ("an attribute statement more", "</saml:AttributeStatement>".to_owned(), "</saml:AttributeStatement><saml:AttributeStatement><saml:Attribute Name=\"groups\"><saml:AttributeValue>admins</saml:AttributeValue></saml:Attribute></saml:AttributeStatement>".to_owned()),
            ] {
                cases.push((format!("{signs:?}: altered {what}"), swap(&signed, &from, &to)));
            }
        }
        cases
    }

    fn markup(&self) -> Cases {
        let email = &self.person.email;
        let places = [
            ("name", format!("{email}</saml:NameID>")),
            ("group", "staff</saml:AttributeValue>".to_owned()),
            ("issuer", "</saml:Issuer>".to_owned()),
            ("audience", "</saml:Audience>".to_owned()),
            ("end", "</samlp:Response>".to_owned()),
        ];
        let pieces = [
            ("comment", "<!-- -->"),
            ("section", "<![CDATA[x]]>"),
            ("instruction", "<?x y?>"),
            ("entity", "&x;"),
            ("element", "<x xmlns=\"urn:x\"/>"),
            ("control", "\u{7}"),
            ("direction", "\u{202e}"),
        ];
        let mut cases = Vec::new();
        for (place, before) in &places {
            for (what, piece) in pieces {
                // Canonicalization drops comments, so that the signature would hold: what matters is who reads it how.
                let text = self.signed(Signs::Assertion).replace(before, &format!("{piece}{before}"));
                cases.push((format!("markup: {what} in {place}"), text));
                if matches!(what, "element" | "direction") && *place != "end" {
                    cases.push((
                        format!("markup: {what} in {place}, signed"),
                        self.after(|draft| draft.replace(before, &format!("{piece}{before}"))),
                    ));
                }
            }
        }
        let signed = self.signed(Signs::Assertion);
        let first = signed.find('>').expect("a tag");
        for (what, text) in [
            ("document type", format!("<!DOCTYPE x>{signed}")),
            ("external entity", format!("<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>{signed}")),
            ("stylesheet", format!("<?xml-stylesheet href=\"http://evil.example/x\"?>{signed}")),
            ("utf-16 declared", format!("<?xml version=\"1.0\" encoding=\"UTF-16\"?>{signed}")),
            ("version 1.1", format!("<?xml version=\"1.1\"?>{signed}")),
            ("trailing text", format!("{signed}x")),
            ("second root", format!("{signed}<x/>")),
            ("nul", swap(&signed, "staff", "sta\0ff")),
            ("cut", signed[..signed.len() - 5].to_owned()),
            ("doubled attribute", format!("{} Version=\"2.0\"{}", &signed[..first], &signed[first..])),
            ("relative namespace", swap(&signed, "<saml:Subject>", "<saml:Subject xmlns:x=\"x\">")),
            ("undeclared namespace", swap(&signed, "<saml:Subject>", "<saml:Subject xmlns=\"\">")),
            ("xml:id", swap(&signed, "<saml:Subject>", "<saml:Subject xml:id=\"_1\">")),
            ("nothing", String::new()),
            ("json", "{}".to_owned()),
        ] {
            cases.push((format!("markup: {what}"), text));
        }
        cases
    }

    /// The signed element somewhere, a forged one where it is read: the eight that have names, and eight more places.
    fn wrapped(&self) -> Cases {
        let evil = |element: &str| {
            let start = element.find(" ID=\"").expect("an id") + 5;
            let id = &element[start..start + element[start..].find('"').expect("an end")];
            swap(&element.replacen(id, "_evil", 1), &format!(">{}<", self.person.email), ">root@example.org<")
        };
        let bare = |element: &str| element.replacen(signature_of(element), "", 1);
        let response = self.signed(Signs::Response);
        let (outer, inside) = (signature_of(&response).to_owned(), bare(&response));
        let forged = evil(&inside);
        let mut cases = vec![
            (
                "xsw1",
                forged.replacen(
                    "<samlp:Status>",
                    &format!("{}<samlp:Status>", swap(&outer, "</ds:Signature>", &format!("{inside}</ds:Signature>"))),
                    1,
                ),
            ),
            ("xsw2", forged.replacen("<samlp:Status>", &format!("{outer}{inside}<samlp:Status>"), 1)),
        ];
        let signed = self.signed(Signs::Assertion);
        let real = assertion_of(&signed).to_owned();
        let false_one = evil(&bare(&real));
        let put = |text: &str| swap(&signed, &real, text);
        let object = |inner: &str| {
            swap(&evil(&real), "</ds:Signature>", &format!("<ds:Object>{inner}</ds:Object></ds:Signature>"))
        };
        let within = |tag: &str| swap(&false_one, tag, &format!("{real}{tag}"));
        cases.extend([
            ("xsw3", put(&format!("{false_one}{real}"))),
            ("xsw4", put(&swap(&false_one, "</saml:Assertion>", &format!("{real}</saml:Assertion>")))),
            ("xsw5", put(&format!("{}{}", evil(&real), bare(&real)))),
            ("xsw6", put(&swap(&evil(&real), "</ds:Signature>", &format!("{}</ds:Signature>", bare(&real))))),
            ("xsw7", put(&format!("<samlp:Extensions>{false_one}</samlp:Extensions>{real}"))),
            ("xsw8", put(&object(&bare(&real)))),
            ("xsw9: behind", put(&format!("{real}{false_one}"))),
            ("xsw10: in the subject", put(&within("</saml:Subject>"))),
            ("xsw11: in the conditions", put(&within("</saml:Conditions>"))),
            (
                "xsw12: in the advice",
                put(&swap(
                    &false_one,
                    "<saml:Conditions",
                    &format!("<saml:Advice>{real}</saml:Advice><saml:Conditions"),
                )),
            ),
            ("xsw13: in an attribute value", put(&swap(&false_one, ">staff<", &format!(">{real}<")))),
            (
                "xsw14: in the details of the status",
                swap(
                    &put(&real),
                    "</samlp:Status>",
                    &format!("<samlp:StatusDetail>{false_one}</samlp:StatusDetail></samlp:Status>"),
                ),
            ),
            ("xsw15: the signature of another", put(&evil(&real))),
            ("xsw16: one id for both", put(&format!("{}{real}", swap(&false_one, "_evil", id_of(&real))))),
            ("an envelope", format!("<s:Envelope xmlns:s=\"urn:soap\"><s:Body>{signed}</s:Body></s:Envelope>")),
            (
                "the assertion alone",
                real.replacen(
                    "<saml:Assertion ",
                    "<saml:Assertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ",
                    1,
                ),
            ),
            ("another root", signed.replace("samlp:Response", "samlp:ArtifactResponse")),
            ("a root of another namespace", swap(&signed, "SAML:2.0:protocol\"", "SAML:2.0:protocols\"")),
        ]);
        cases.into_iter().map(|(name, text)| (format!("wrapped: {name}"), text)).collect()
    }

    fn by_others(&self) -> Cases {
        let mut cases = Vec::new();
        for signs in SIGNED {
            let theirs = self.attacker.clone().signing(signs);
            let draft = theirs.draft(self.request, self.person);
            cases.push((format!("{signs:?}: another key"), sign::fill(&draft, theirs.key()).expect("signed")));
            for (whose, key) in [("their", theirs.key()), ("the real", self.idp.key())] {
                let info = format!(
                    "<ds:SignatureValue/><ds:KeyInfo><ds:X509Data><ds:X509Certificate>{}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>",
                    BASE64_STANDARD.encode(key.certificate())
                );
                let with = swap(&draft, "<ds:SignatureValue/>", &info);
                cases.push((
                    format!("{signs:?}: another key with {whose} certificate"),
                    sign::fill(&with, theirs.key()).expect("signed"),
                ));
            }
        }
        for inner in
            ["<ds:KeyValue/>", "<ds:KeyName>idp</ds:KeyName>", "<ds:RetrievalMethod URI=\"http://evil.example/key\"/>"]
        {
            let info = format!("<ds:SignatureValue/><ds:KeyInfo>{inner}</ds:KeyInfo>");
            cases.push((format!("key info {inner}"), self.after(|draft| swap(draft, "<ds:SignatureValue/>", &info))));
        }
        cases
    }

    /// The right key over a template that says something else.
    fn methods(&self) -> Cases {
        let draft = self.draft(Signs::Assertion);
        let method = part(&draft, "<ds:SignatureMethod", "/>").to_owned();
        let digest = part(&draft, "<ds:DigestMethod", "/>").to_owned();
        let reference = part(&draft, "<ds:Reference URI=\"#", "\">").to_owned();
        let exclusive = format!("<ds:Transform Algorithm=\"{EXCLUSIVE}\"/>");
        let canonical = format!("<ds:CanonicalizationMethod Algorithm=\"{EXCLUSIVE}\"/>");
        let enveloped =
            "<ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/>".to_owned();
        let mut swaps: Vec<(String, String, String)> = Vec::new();
        for other in [
            "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
            "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
            "http://www.w3.org/2001/04/xmldsig-more#rsa-md5",
            "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1",
            "http://www.w3.org/2000/09/xmldsig#dsa-sha1",
            "none",
            "",
        ] {
            swaps.push((
                format!("method {other}"),
                method.clone(),
                format!("<ds:SignatureMethod Algorithm=\"{other}\"/>"),
            ));
        }
        swaps.push((
            "method with a length".to_owned(),
            method.clone(),
            method.replace("/>", "><ds:HMACOutputLength>1</ds:HMACOutputLength></ds:SignatureMethod>"),
        ));
        for other in
            ["http://www.w3.org/2000/09/xmldsig#sha1", "http://www.w3.org/2001/04/xmldsig-more#md5", "urn:none"]
        {
            swaps.push((
                format!("digest {other}"),
                digest.clone(),
                format!("<ds:DigestMethod Algorithm=\"{other}\"/>"),
            ));
        }
        for other in [
            "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
            "http://www.w3.org/2006/12/xml-c14n11",
            "http://www.w3.org/2001/10/xml-exc-c14n#WithComments",
            "http://www.w3.org/TR/1999/REC-xslt-19991116",
            "http://www.w3.org/TR/1999/REC-xpath-19991116",
            "http://www.w3.org/2002/06/xmldsig-filter2",
            "http://www.w3.org/2000/09/xmldsig#base64",
        ] {
            swaps.push((
                format!("transform {other}"),
                exclusive.clone(),
                format!("<ds:Transform Algorithm=\"{other}\"/>"),
            ));
            swaps.push((
                format!("canonicalization {other}"),
                canonical.clone(),
                format!("<ds:CanonicalizationMethod Algorithm=\"{other}\"/>"),
            ));
        }
        for (what, to) in [
            ("twice", format!("{exclusive}{exclusive}")),
            ("none", String::new()),
            ("before", format!("{exclusive}{enveloped}")),
        ] {
            swaps.push((
                format!("transforms: {what}"),
                format!("{enveloped}{exclusive}"),
                if what == "none" { to } else { format!("{}{to}", if what == "before" { "" } else { &enveloped }) },
            ));
        }
        for other in ["", "#_other", "http://evil.example/x", "file:///etc/passwd", "#xpointer(/)", "cid:x"] {
            swaps.push((format!("reference {other:?}"), reference.clone(), format!("<ds:Reference URI=\"{other}\">")));
        }
        swaps.push((
            "two references".to_owned(),
            "</ds:Reference>".to_owned(),
            "</ds:Reference><ds:Reference URI=\"\"/>".to_owned(),
        ));
        swaps.push((
            "an object".to_owned(),
            "<ds:SignatureValue/>".to_owned(),
            "<ds:SignatureValue/><ds:Object/>".to_owned(),
        ));
        let made = |(name, from, to): (String, String, String)| {
            (format!("signed: {name}"), self.sign(&swap(&draft, &from, &to)))
        };
        swaps.into_iter().map(made).collect()
    }

    /// What the provider really signed, and is meant for somebody or something else.
    fn misdirected(&self) -> Cases {
        let draft = self.draft(Signs::Assertion);
        let (request, consumer) = (&self.request.id, &self.request.consumer);
        let conditions = part(&draft, "<saml:Conditions", "</saml:Conditions>").to_owned();
        let restriction = part(&draft, "<saml:AudienceRestriction>", "</saml:AudienceRestriction>").to_owned();
        let statement = part(&draft, "<saml:AuthnStatement", "</saml:AuthnStatement>").to_owned();
        let subject = part(&draft, "<saml:Subject>", "</saml:Subject>").to_owned();
        let confirmation = part(&draft, "<saml:SubjectConfirmation ", "</saml:SubjectConfirmation>").to_owned();
        let name = part(&draft, "<saml:NameID", "</saml:NameID>").to_owned();
        let end = part(&draft, "NotOnOrAfter=\"", "Z\"").to_owned();
        let instant = part(&draft, "IssueInstant=\"", "Z\"").to_owned();
        let past = "NotOnOrAfter=\"2001-01-01T00:00:00Z\"".to_owned();
        let swaps = [
            ("audience", format!("<saml:Audience>{}", self.request.issuer), "<saml:Audience>urn:other".to_owned()),
            ("no audience", restriction.clone(), String::new()),
            ("an empty restriction", restriction.clone(), "<saml:AudienceRestriction/>".to_owned()),
            (
                "a second restriction",
                restriction.clone(),
                format!(
                    "{restriction}<saml:AudienceRestriction><saml:Audience>urn:other</saml:Audience></saml:AudienceRestriction>"
                ),
            ),
            ("recipient", format!("Recipient=\"{consumer}\""), format!("Recipient=\"{consumer}x\"")),
            ("no recipient", format!(" Recipient=\"{consumer}\""), String::new()),
            (
                "destination",
                format!("Destination=\"{consumer}\""),
                "Destination=\"https://other.example/acs\"".to_owned(),
            ),
            ("request", format!("InResponseTo=\"{request}\""), "InResponseTo=\"_other\"".to_owned()),
            ("no request", format!(" InResponseTo=\"{request}\""), String::new()),
            (
                "no request in the confirmation",
                format!("InResponseTo=\"{request}\" NotOnOrAfter"),
                "NotOnOrAfter".to_owned(),
            ),
            ("ended", end.clone(), past),
            ("no end", format!("{end} Recipient"), "Recipient".to_owned()),
            ("not begun", "NotBefore=\"20".to_owned(), "NotBefore=\"21".to_owned()),
            ("issued in the future", instant.clone(), "IssueInstant=\"2199-01-01T00:00:00Z\"".to_owned()),
            ("issued long ago", instant.clone(), "IssueInstant=\"2001-01-01T00:00:00Z\"".to_owned()),
            ("a time without a zone", instant.clone(), instant.replace('Z', "")),
            ("no time", format!(" {instant}"), String::new()),
            ("issuer", "/metadata</saml:Issuer>".to_owned(), "/metadatas</saml:Issuer>".to_owned()),
            ("version", "Version=\"2.0\"".to_owned(), "Version=\"1.1\"".to_owned()),
            ("no conditions", conditions, String::new()),
            ("no authentication", statement.clone(), String::new()),
            ("two authentications", statement.clone(), statement.repeat(2)),
            (
                "a session that ended",
                "SessionIndex=".to_owned(),
                "SessionNotOnOrAfter=\"2001-01-01T00:00:00Z\" SessionIndex=".to_owned(),
            ),
            ("no subject", subject, String::new()),
            ("no name", name.clone(), String::new()),
            ("two names", name.clone(), name.repeat(2)),
            ("an empty name", format!("{}</saml:NameID>", self.person.email), "</saml:NameID>".to_owned()),
            ("no confirmation", confirmation.clone(), String::new()),
            ("two confirmations", confirmation.clone(), confirmation.repeat(2)),
            ("holder of key", "cm:bearer".to_owned(), "cm:holder-of-key".to_owned()),
            ("sender vouches", "cm:bearer".to_owned(), "cm:sender-vouches".to_owned()),
            (
                "a proxy restriction",
                "</saml:AudienceRestriction>".to_owned(),
                "</saml:AudienceRestriction><saml:ProxyRestriction Count=\"0\"/>".to_owned(),
            ),
            (
                "an unknown condition",
                "</saml:AudienceRestriction>".to_owned(),
                "</saml:AudienceRestriction><saml:Condition/>".to_owned(),
            ),
            (
                "an unknown statement",
                "</saml:AttributeStatement>".to_owned(),
                "</saml:AttributeStatement><saml:AuthzDecisionStatement/>".to_owned(),
            ),
            ("a status that is none", "status:Success".to_owned(), "status:Responder".to_owned()),
            ("no status", part(&draft, "<samlp:Status>", "</samlp:Status>").to_owned(), String::new()),
        ];
        let made = |(name, from, to): (&str, String, String)| {
            (format!("misdirected: {name}"), self.sign(&swap(&draft, &from, &to)))
        };
        swaps.into_iter().map(made).collect()
    }

    fn encrypted(&self) -> Cases {
        let to_us = Encryption::to(self.own.certificate());
        let forged = swap(
            &self.draft(Signs::Assertion),
            &format!(">{}</saml:NameID>", self.person.email),
            ">root@example.org</saml:NameID>",
        );
        let unsigned = swap(&forged, signature_of(&forged), "");
        let good = self
            .at(Signs::Assertion)
            .encrypting(to_us.clone())
            .finish(&self.draft(Signs::Assertion))
            .expect("encrypted");
        let enveloped =
            self.at(Signs::Response).encrypting(to_us.clone()).finish(&self.draft(Signs::Response)).expect("encrypted");
        let seal = |with: &Encryption, text: &str| with.apply(text).expect("encrypted");
        let by_attacker = sign::fill(&forged, self.attacker.key()).expect("signed");
        let place = part(&enveloped, "<saml:EncryptedAssertion", "</saml:EncryptedAssertion>");
        let injected = to_us
            .seal(b"<saml:Assertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"_x\"/>")
            .expect("sealed");
        let cbc = Encryption { cipher: Cipher::Cbc256, ..to_us.clone() };
        let longer = Encryption { transport: Transport::OaepSha256, ..to_us.clone() };
        let cases = [
            ("unsigned", seal(&to_us, &unsigned)),
            ("unsigned, the longer hash", seal(&longer, &unsigned)),
            ("signed by another", seal(&to_us, &by_attacker)),
            (
                "to another",
                self.at(Signs::Assertion)
                    .encrypting(Encryption::to(self.stranger.certificate()))
                    .finish(&self.draft(Signs::Assertion))
                    .expect("encrypted"),
            ),
            (
                "by CBC",
                self.at(Signs::Assertion).encrypting(cbc).finish(&self.draft(Signs::Assertion)).expect("encrypted"),
            ),
            ("put into a signed response", swap(&enveloped, place, &injected)),
            ("put beside", swap(&enveloped, place, &format!("{place}{injected}"))),
            ("twice", good.replacen("<saml:EncryptedAssertion", &format!("{injected}<saml:EncryptedAssertion"), 1)),
            ("triple DES", swap(&good, "xmlenc11#aes256-gcm", "xmlenc#tripledes-cbc")),
            ("key by PKCS 1", swap(&good, "#rsa-oaep-mgf1p", "#rsa-1_5")),
            (
                "a reference",
                good.replacen(
                    part(&good, "<xenc:CipherValue>", "</xenc:CipherValue>"),
                    "<xenc:CipherReference URI=\"http://evil.example\"/>",
                    1,
                ),
            ),
            ("cut", good.replacen("</xenc:CipherValue>", "AAAA</xenc:CipherValue>", 2)),
        ];
        cases.into_iter().map(|(name, text)| (format!("encrypted: {name}"), text)).collect()
    }

    fn bombs(&self) -> Cases {
        let signed = self.signed(Signs::Assertion);
        let flood = |one: &dyn Fn(usize) -> String, count: usize| (0..count).map(one).collect::<String>();
        let tag = |inner: String| swap(&signed, "<saml:Subject>", &inner);
        let attributes = flood(&|n| format!(" a{n}=\"\""), 65);
        let namespaces = flood(&|n| format!(" xmlns:n{n}=\"urn:{n}\""), 64);
        let entities = "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]>";
        vec![
            ("bomb: entities".to_owned(), format!("{entities}{}", swap(&signed, "staff", "&b;"))),
            ("bomb: size".to_owned(), swap(&signed, "staff", &"x".repeat(300 * 1024))),
            ("bomb: depth".to_owned(), tag(format!("{}<saml:Subject>", "<saml:Subject>".repeat(60)))),
            ("bomb: attributes".to_owned(), tag(format!("<saml:Subject{attributes}>"))),
            ("bomb: namespaces".to_owned(), tag(format!("<saml:Subject{namespaces}>"))),
            ("bomb: tags".to_owned(), tag(format!("<saml:Subject>{}", "<x/>".repeat(20_001)))),
            (
                "bomb: references".to_owned(),
                swap(&signed, "<ds:Reference ", &format!("{}<ds:Reference ", "<ds:Reference/>".repeat(5_000))),
            ),
            (
                "bomb: prefixes".to_owned(),
                self.after(|draft| {
                    let list = format!(
                        "<c:InclusiveNamespaces xmlns:c=\"{EXCLUSIVE}\" PrefixList=\"{}\"/>",
                        "a ".repeat(5_000)
                    );
                    swap(
                        draft,
                        &format!("{EXCLUSIVE}\"/></ds:Transforms>"),
                        &format!("{EXCLUSIVE}\">{list}</ds:Transform></ds:Transforms>"),
                    )
                }),
            ),
            ("bomb: text".to_owned(), swap(&signed, "staff", &"&amp;".repeat(50_000))),
        ]
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
    let cases: Cases = Cast::KINDS.iter().flat_map(|kind| kind(&cast)).collect();
    let names: std::collections::BTreeSet<&String> = cases.iter().map(|(name, _)| name).collect();
    assert!(names.len() >= 150 && names.len() == cases.len(), "{} cases, {} names", cases.len(), names.len());
    let mut rules = std::collections::BTreeMap::<&'static str, usize>::new();
    for (name, response) in &cases {
        let rule = match stage.finish(response) {
            Err(Error::Refused { rule, .. }) => rule,
            Err(Error::Declined { .. }) => "declined",
            other => panic!("{name}: {other:?}"),
        };
        assert_ne!(rule, "second-opinion", "{name}: ours has to see it");
        *rules.entry(rule).or_default() += 1;
    }
    assert!(rules.len() >= 15, "{rules:?}");
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
