//! The signed element somewhere, a forged one where it is read; ids and roots that readers take for others.

use super::*;

/// The name that a namespace must not have: what is not an absolute URI canonicalizes to something else, or to nothing.
const VOID: [&str; 12] = [
    "1",
    "relative",
    "../x",
    "?q",
    "#f",
    "//evil.example/x",
    ":x",
    "1:x",
    "urn:a b",
    "urn:\u{e9}",
    "urn:a#b#c",
    "urn:%zz",
];
/// SHA-256 of nothing, which is what a canonicalizer hashes that gives up.
const NOTHING: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

impl Cast<'_> {
    /// The eight that have names, and eight more places.
    pub(super) fn wrapped(&self) -> Cases {
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
        ]);
        // Two assertions, or one where there is no place for it; but where one stands alone with a signature for another.
        let rule = |name: &str| if name.starts_with("xsw15") { "reference" } else { "shape" };
        cases.into_iter().map(|(name, text)| case(name, rule(name), text)).collect()
    }

    pub(super) fn roots(&self) -> Cases {
        let signed = self.signed(Signs::Assertion);
        let real = assertion_of(&signed);
        let alone = real.replacen(
            "<saml:Assertion ",
            "<saml:Assertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ",
            1,
        );
        let within = |start: &str, end: &str| format!("{start}{signed}{end}");
        let soap = "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>";
        let mut cases = vec![
            case("an envelope", "shape", within(soap, "</s:Body></s:Envelope>")),
            case("the assertion alone", "shape", alone.clone()),
            case("the assertion in an envelope", "shape", format!("{soap}{alone}</s:Body></s:Envelope>")),
            case("another namespace", "shape", swap(&signed, "SAML:2.0:protocol\"", "SAML:2.0:protocols\"")),
            case("the namespace of SAML 1.1", "shape", swap(&signed, "SAML:2.0:protocol\"", "SAML:1.0:protocol\"")),
            case("the namespace of assertions", "shape", signed.replace("samlp:Response", "saml:Response")),
            case("no namespace", "shape", signed.replace("samlp:Response", "Response")),
            case("another case", "shape", signed.replace("samlp:Response", "samlp:response")),
            case(
                "a response in a response",
                "shape",
                swap(&signed, real, &swap(&signed, " ID=\"", " ID=\"_in\" x=\"")),
            ),
        ];
        for other in
            ["ArtifactResponse", "LogoutResponse", "LogoutRequest", "AuthnRequest", "ManageNameIDResponse", "Assertion"]
        {
            cases.push(case(other, "shape", signed.replace("samlp:Response", &format!("samlp:{other}"))));
        }
        cases
    }

    pub(super) fn ids(&self) -> Cases {
        let draft = self.draft(Signs::Assertion);
        let (outer, inner) = (id_of(&draft), id_of(assertion_of(&draft)));
        let tag = format!("<saml:Assertion {}", part(assertion_of(&draft), "xmlns:", " ID=\""));
        let mut cases: Cases = [
            ("one for both", inner.to_owned(), outer.to_owned()),
            ("the signature's", "<ds:Signature ".to_owned(), format!("<ds:Signature Id=\"{inner}\" ")),
            ("the signed info's", "<ds:SignedInfo>".to_owned(), format!("<ds:SignedInfo Id=\"{inner}\">")),
            ("the reference's", "<ds:Reference ".to_owned(), format!("<ds:Reference Id=\"{outer}\" ")),
            (
                "a stranger's",
                "</samlp:Status>".to_owned(),
                format!("<samlp:StatusDetail><x xmlns=\"urn:x\" ID=\"{inner}\"/></samlp:StatusDetail></samlp:Status>"),
            ),
            ("the subject's", "<saml:Subject>".to_owned(), format!("<saml:Subject ID=\"{inner}\">")),
            ("`Id`", tag.clone(), tag.replace(" ID=\"", &format!(" Id=\"{outer}\" ID=\""))),
            ("`id`", tag.clone(), tag.replace(" ID=\"", " id=\"_x\" ID=\"")),
            ("`xml:id`", tag.clone(), tag.replace(" ID=\"", " xml:id=\"_x\" ID=\"")),
            ("`saml:ID`", tag.clone(), tag.replace(" ID=\"", " saml:ID=\"_x\" ID=\"")),
            ("empty", inner.to_owned(), String::new()),
            ("of two words", inner.to_owned(), "a b".to_owned()),
            ("of other letters", inner.to_owned(), "_\u{430}".to_owned()),
            ("with a sign", inner.to_owned(), "_x')".to_owned()),
            ("endless", inner.to_owned(), format!("_{}", "x".repeat(256))),
        ]
        .into_iter()
        .map(|(name, from, to)| case(name, "id", self.sign(&swap(&draft, &from, &to))))
        .collect();
        let signed = self.sign(&draft);
        cases.push(case("none", "shape", swap(&signed, &format!(" ID=\"{inner}\""), "")));
        cases.push(case("of its own beside", "xml", swap(&signed, &tag, &format!("{tag}_x\" ID=\""))));
        cases
    }

    /// What canonicalizes to nothing, or otherwise than it is read.
    pub(super) fn void(&self) -> Cases {
        let declared = |place: &str, uri: &str| {
            let end = if place.ends_with('>') { ">" } else { " " };
            format!("{} xmlns:v=\"{uri}\"{end}", place.trim_end_matches([' ', '>']))
        };
        let mut cases: Cases = VOID
            .iter()
            .map(|uri| {
                let text = self.after(|draft| swap(draft, "<saml:Assertion ", &declared("<saml:Assertion ", uri)));
                case(format!("`{uri}` on the assertion"), "namespace", text)
            })
            .collect();
        for place in [
            "<samlp:Response ",
            "<ds:Signature ",
            "<ds:SignedInfo>",
            "<ds:Transforms>",
            "<saml:Subject>",
            "<saml:NameID ",
        ] {
            let text = self.after(|draft| swap(draft, place, &declared(place, "1")));
            cases.push(case(format!("`1` on {place}"), "namespace", text));
        }
        let signed = self.signed(Signs::Assertion);
        let digest = part(&signed, "<ds:DigestValue>", "</ds:DigestValue>");
        let nothing = swap(&signed, digest, &format!("<ds:DigestValue>{NOTHING}</ds:DigestValue>"));
        let relative = swap(&nothing, "<saml:Assertion ", &declared("<saml:Assertion ", "1"));
        cases.push(case("the hash of nothing", "signature", nothing));
        cases.push(case("the hash of nothing with a namespace for it", "namespace", relative));
        let undeclared = swap(&signed, "<saml:Subject>", "<saml:Subject xmlns=\"\">");
        cases.push(case("the default undeclared", "namespace", undeclared));
        let undeclared = swap(&signed, "<saml:Subject>", "<saml:Subject xmlns:v=\"\">");
        cases.push(case("a prefix undeclared", "namespace", undeclared));
        // Then it is of no namespace, and has no place.
        let undeclared = swap(&signed, "<saml:Subject>", "<saml:Subject xmlns:saml=\"\">");
        cases.push(case("its own prefix undeclared", "shape", undeclared));
        cases
    }
}
