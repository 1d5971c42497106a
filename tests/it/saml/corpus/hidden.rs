//! Encrypted by strangers, and documents that are there to exhaust somebody.

use super::*;

impl Cast<'_> {
    pub(super) fn encrypted(&self) -> Cases {
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
        let by_attacker_around = self
            .attacker
            .clone()
            .signing(Signs::Response)
            .encrypting(to_us.clone())
            .finish(&self.attacker.clone().signing(Signs::Response).draft(self.request, self.person))
            .expect("encrypted");
        let place = part(&enveloped, "<saml:EncryptedAssertion", "</saml:EncryptedAssertion>");
        let injected = to_us
            .seal(b"<saml:Assertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"_x\"/>")
            .expect("sealed");
        let cbc = Encryption { cipher: Cipher::Cbc256, ..to_us.clone() };
        let longer = Encryption { transport: Transport::OaepSha256, ..to_us.clone() };
        let mut cases: Cases = [
            ("unsigned", "signature", seal(&to_us, &unsigned)),
            ("unsigned, the longer hash", "signature", seal(&longer, &unsigned)),
            ("signed by another", "signature", seal(&to_us, &by_attacker)),
            (
                "to another",
                "encrypted",
                self.at(Signs::Assertion)
                    .encrypting(Encryption::to(self.stranger.certificate()))
                    .finish(&self.draft(Signs::Assertion))
                    .expect("encrypted"),
            ),
            (
                "by CBC",
                "encrypted",
                self.at(Signs::Assertion).encrypting(cbc).finish(&self.draft(Signs::Assertion)).expect("encrypted"),
            ),
            ("put into a signed response", "digest", swap(&enveloped, place, &injected)),
            ("put beside", "shape", swap(&enveloped, place, &format!("{place}{injected}"))),
            (
                "twice",
                "shape",
                good.replacen("<saml:EncryptedAssertion", &format!("{injected}<saml:EncryptedAssertion"), 1),
            ),
            ("triple DES", "encrypted", swap(&good, "xmlenc11#aes256-gcm", "xmlenc#tripledes-cbc")),
            ("key by PKCS 1", "encrypted", swap(&good, "#rsa-oaep-mgf1p", "#rsa-1_5")),
            (
                "a reference",
                "shape",
                good.replacen(
                    part(&good, "<xenc:CipherValue>", "</xenc:CipherValue>"),
                    "<xenc:CipherReference URI=\"http://evil.example\"/>",
                    1,
                ),
            ),
            ("cut", "encrypted", good.replacen("</xenc:CipherValue>", "AAAA</xenc:CipherValue>", 2)),
            ("the response signed by another", "signature", by_attacker_around),
            ("another cipher's key", "encrypted", swap(&good, "aes256-gcm", "aes128-gcm")),
            ("AES in counter mode", "encrypted", swap(&good, "xmlenc11#aes256-gcm", "xmlenc11#aes256-ctr")),
            ("no key", "encrypted", swap(&good, part(&good, "<xenc:EncryptedKey", "</xenc:EncryptedKey>"), "")),
            (
                "a key elsewhere",
                "encrypted",
                swap(
                    &good,
                    part(&good, "<xenc:EncryptedKey", "</xenc:EncryptedKey>"),
                    "<ds:RetrievalMethod URI=\"http://evil.example/key\"/>",
                ),
            ),
            ("a mask of another hash", "encrypted", swap(&good, "xmldsig#sha1\"", "xmldsig-more#md5\"")),
            (
                "a label",
                "encrypted",
                good.replacen(
                    "</xenc:EncryptionMethod><xenc:CipherData>",
                    "<xenc:OAEPparams>eA==</xenc:OAEPparams></xenc:EncryptionMethod><xenc:CipherData>",
                    1,
                ),
            ),
        ]
        .into_iter()
        .map(|(name, rule, text)| case(name, rule, text))
        .collect();
        cases.extend(self.opened());
        cases
    }

    /// What is found when it is opened: anybody may encrypt anything to us.
    fn opened(&self) -> Cases {
        let to_us = Encryption::to(self.own.certificate());
        let signed = self.signed(Signs::Assertion);
        let real = assertion_of(&signed);
        let named = |element: &str| swap(element, &format!(">{}<", self.person.email), ">root@example.org<");
        let open = real.replacen("</saml:Assertion>", "", 1);
        let plain: [(&str, &'static str, String); 16] = [
            ("nothing", "shape", String::new()),
            ("words", "shape", "root".to_owned()),
            ("two", "shape", real.repeat(2)),
            ("a forged one before", "shape", format!("{}{real}", named(&real.replacen(signature_of(real), "", 1)))),
            ("a forged one", "digest", named(real)),
            ("one without an end", "xml", open),
            ("its own end", "xml", format!("</saml:EncryptedAssertion>{real}")),
            ("the end of all", "xml", format!("{real}</samlp:Response><samlp:Response>")),
            ("a document type", "xml", format!("<!DOCTYPE x>{real}")),
            ("a comment", "xml", swap(real, "</saml:NameID>", "<!-- --></saml:NameID>")),
            ("an instruction", "xml", format!("<?x y?>{real}")),
            ("nul", "encoding", format!("{real}\0")),
            ("a tower", "size", format!("{}{}", "<x>".repeat(60), "</x>".repeat(60))),
            ("a flood", "size", swap(real, "<saml:Subject>", &format!("<saml:Subject>{}", "<x/>".repeat(20_001)))),
            ("itself", "shape", to_us.seal(real.as_bytes()).expect("sealed")),
            ("a response", "shape", "<samlp:Response/>".to_owned()),
        ];
        let made = |(name, rule, plain): (&str, &'static str, String)| {
            let sealed = to_us.seal(plain.as_bytes()).expect("sealed");
            case(format!("opened: {name}"), rule, swap(&signed, real, &sealed))
        };
        plain.into_iter().map(made).collect()
    }

    pub(super) fn bombs(&self) -> Cases {
        let signed = self.signed(Signs::Assertion);
        let flood = |one: &dyn Fn(usize) -> String, count: usize| (0..count).map(one).collect::<String>();
        let tag = |inner: String| swap(&signed, "<saml:Subject>", &inner);
        let attributes = flood(&|n| format!(" a{n}=\"\""), 65);
        let namespaces = flood(&|n| format!(" xmlns:n{n}=\"urn:{n}\""), 64);
        let entities = "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]>";
        let flat = format!("<x{}/>", flood(&|n| format!(" a{n}=\"\""), 60));
        let declaring = format!("<x{}/>", flood(&|n| format!(" xmlns:n{n}=\"urn:n\""), 20));
        vec![
            case("entities", "xml", format!("{entities}{}", swap(&signed, "staff", "&b;"))),
            case("size", "size", swap(&signed, "staff", &"x".repeat(300 * 1024))),
            case("depth", "size", tag(format!("{}<saml:Subject>", "<saml:Subject>".repeat(60)))),
            case("attributes", "size", tag(format!("<saml:Subject{attributes}>"))),
            case("namespaces", "size", tag(format!("<saml:Subject{namespaces}>"))),
            case("tags", "size", tag(format!("<saml:Subject>{}", "<x/>".repeat(20_001)))),
            case(
                "references",
                "shape",
                swap(&signed, "<ds:Reference ", &format!("{}<ds:Reference ", "<ds:Reference/>".repeat(5_000))),
            ),
            case("prefixes", "size", self.after(|draft| prefixes(draft, 10_000))),
            case("text", "digest", swap(&signed, "staff", &"&amp;".repeat(50_000))),
            case("attributes in all", "size", tag(format!("<saml:Subject>{}", flat.repeat(200)))),
            case("declarations in all", "size", tag(format!("<saml:Subject>{}", declaring.repeat(1_000)))),
            case("statuses", "size", swap(&signed, "<samlp:StatusCode ", &"<samlp:StatusCode Value=\"x\">".repeat(60))),
            case("a tower of statuses that holds", "size", self.after(|draft| tower(draft, 47))),
            case("white space in what is signed", "size", self.after(|draft| blank(draft, 8 * 1024))),
            case("a prefix list beyond the limit", "transform", self.after(|draft| prefixes(draft, 300))),
            case("values of a group", "size", tag(format!("<saml:Subject>{}", "<saml:Subject/>".repeat(20_000)))),
        ]
    }
}

fn tower(draft: &str, levels: usize) -> String {
    let one = part(draft, "<samlp:StatusCode", "/>");
    let open = one.replace("/>", ">").repeat(levels);
    swap(draft, one, &format!("{open}{}", "</samlp:StatusCode>".repeat(levels)))
}

fn blank(draft: &str, blanks: usize) -> String {
    swap(draft, "</ds:SignedInfo>", &format!("{}</ds:SignedInfo>", " ".repeat(blanks)))
}

fn prefixes(draft: &str, length: usize) -> String {
    let list = "a ".repeat(length / 2);
    let list = format!("<c:InclusiveNamespaces xmlns:c=\"{EXCLUSIVE}\" PrefixList=\"{list}\"/>");
    swap(
        draft,
        &format!("{EXCLUSIVE}\"/></ds:Transforms>"),
        &format!("{EXCLUSIVE}\">{list}</ds:Transform></ds:Transforms>"),
    )
}
