//! Responses that lost their signature, were changed behind it, or bring markup that parsers read differently.

use super::*;

const MORE: &str = "</saml:AttributeStatement><saml:AttributeStatement><saml:Attribute Name=\"groups\">\
                    <saml:AttributeValue>admins</saml:AttributeValue></saml:Attribute></saml:AttributeStatement>";

impl Cast<'_> {
    pub(super) fn stripped(&self) -> Cases {
        let mut cases = Vec::new();
        for signs in SIGNED {
            let signed = self.signed(signs);
            let mut bare = signed.clone();
            while bare.contains("<ds:Signature ") {
                bare = swap(&bare, signature_of(&bare), "");
            }
            cases.push(case(format!("{signs:?}, no signature"), "signature", bare));
            for element in ["SignatureValue", "SignedInfo", "Reference", "DigestValue", "Transforms", "SignatureMethod"]
            {
                let (start, end) = (format!("<ds:{element}"), format!("</ds:{element}>"));
                let end = if element == "SignatureMethod" { "/>".to_owned() } else { end };
                let without = signed.replacen(part(&signed, &start, &end), "", 1);
                cases.push(case(format!("{signs:?}, without {element}"), "shape", without));
            }
            let value = part(&signed, "<ds:SignatureValue>", "</ds:SignatureValue>");
            let empty = signed.replacen(value, "<ds:SignatureValue></ds:SignatureValue>", 1);
            cases.push(case(format!("{signs:?}, empty value"), "signature", empty));
        }
        cases
    }

    pub(super) fn altered(&self) -> Cases {
        let email = &self.person.email;
        let mut cases = Vec::new();
        for signs in SIGNED {
            let signed = self.signed(signs);
            for (what, from, to) in [
                ("name", format!(">{email}</saml:NameID>"), ">root@example.org</saml:NameID>".to_owned()),
                (
                    "name in another case",
                    format!(">{email}</saml:NameID>"),
                    format!(">{}</saml:NameID>", email.to_uppercase()),
                ),
                ("format of the name", "emailAddress\">".to_owned(), "persistent\">".to_owned()),
                ("group", ">staff<".to_owned(), ">admins<".to_owned()),
                ("name of an attribute", "Name=\"groups\"".to_owned(), "Name=\"email\"".to_owned()),
                ("session", "SessionIndex=\"_".to_owned(), "SessionIndex=\"_0".to_owned()),
                ("white space", "<saml:Subject>".to_owned(), "<saml:Subject>\n".to_owned()),
                ("an attribute more", "<saml:Subject>".to_owned(), "<saml:Subject x=\"1\">".to_owned()),
                (
                    "a namespace more that is used",
                    "<saml:Subject>".to_owned(),
                    "<saml:Subject xmlns:x=\"urn:x\" x:y=\"1\">".to_owned(),
                ),
                ("an attribute statement more", "</saml:AttributeStatement>".to_owned(), MORE.to_owned()),
            ] {
                cases.push(case(format!("{signs:?}, {what}"), "digest", swap(&signed, &from, &to)));
            }
        }
        cases
    }

    pub(super) fn markup(&self) -> Cases {
        let email = &self.person.email;
        // What is wrong with a piece, in text and between elements.
        let places = [
            ("name", format!("{email}</saml:NameID>")),
            ("group", "staff</saml:AttributeValue>".to_owned()),
            ("issuer", "</saml:Issuer>".to_owned()),
            ("audience", "</saml:Audience>".to_owned()),
            ("end", "</samlp:Response>".to_owned()),
        ];
        let pieces = [
            ("comment", "<!-- -->", ["xml"; 2]),
            ("section", "<![CDATA[x]]>", ["xml"; 2]),
            ("instruction", "<?x y?>", ["xml"; 2]),
            ("entity", "&x;", ["xml"; 2]),
            ("element", "<x xmlns=\"urn:x\"/>", ["shape"; 2]),
            ("control", "\u{7}", ["xml"; 2]),
            ("direction", "\u{202e}", ["characters", "shape"]),
        ];
        let mut cases = Vec::new();
        for (place, before) in &places {
            for (what, piece, rules) in pieces {
                let rule = rules[usize::from(*place == "end")];
                // Canonicalization drops comments, so that the signature would hold: what matters is who reads it how.
                let text = self.signed(Signs::Assertion).replace(before, &format!("{piece}{before}"));
                cases.push(case(format!("{what} in {place}"), rule, text));
                if matches!(what, "element" | "direction") && *place != "end" {
                    let text = self.after(|draft| draft.replace(before, &format!("{piece}{before}")));
                    cases.push(case(format!("{what} in {place}, signed"), rule, text));
                }
            }
        }
        cases.extend(self.documents());
        cases
    }

    fn documents(&self) -> Cases {
        let signed = self.signed(Signs::Assertion);
        let first = signed.find('>').expect("a tag");
        let declared = |declaration: &str| format!("<?xml {declaration}?>{signed}");
        let cases = [
            ("document type", "xml", format!("<!DOCTYPE x>{signed}")),
            ("external entity", "xml", format!("<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>{signed}")),
            (
                "ids by a document type",
                "xml",
                format!("<!DOCTYPE x [<!ATTLIST saml:Assertion x ID #IMPLIED>]>{signed}"),
            ),
            ("stylesheet", "xml", format!("<?xml-stylesheet href=\"http://evil.example/x\"?>{signed}")),
            ("utf-16 declared", "encoding", declared("version=\"1.0\" encoding=\"UTF-16\"")),
            ("version 1.1", "encoding", declared("version=\"1.1\"")),
            ("declared late", "xml", format!(" {}", declared("version=\"1.0\""))),
            ("trailing text", "xml", format!("{signed}x")),
            ("trailing comment", "xml", format!("{signed}<!-- -->")),
            ("second root", "xml", format!("{signed}<x/>")),
            ("nul", "encoding", swap(&signed, "staff", "sta\0ff")),
            ("cut", "xml", signed[..signed.len() - 5].to_owned()),
            ("doubled attribute", "xml", format!("{} Version=\"2.0\"{}", &signed[..first], &signed[first..])),
            ("unbound prefix", "xml", swap(&signed, "<saml:Subject>", "<saml:Subject x:y=\"\">")),
            ("attribute without its prefix", "xml", swap(&signed, " Recipient=", " :Recipient=")),
            ("end without its prefix", "xml", swap(&signed, "</saml:Subject>", "</:Subject>")),
            ("text between elements", "shape", self.after(|draft| swap(draft, "<saml:Subject>", "root<saml:Subject>"))),
            ("nothing", "xml", String::new()),
            ("json", "xml", "{}".to_owned()),
        ];
        cases.into_iter().map(|(name, rule, text)| case(name, rule, text)).collect()
    }
}
