//! Markup that parsers read differently, or that is there to exhaust them. Where a signature can cover it, it does.

use super::*;

const NAME: &str = "ada@example.org</saml:NameID>";

fn unsigned(alter: impl Fn(&str) -> String) -> &'static str {
    altered_after(Signs::Assertion, alter)
}

fn bytes(message: &[u8]) -> &'static str {
    rule(Stage::new(RSA.clone()).post(BASE64_STANDARD.encode(message)))
}

#[test]
fn a_comment_that_cuts_the_name_is_refused() {
    // Exclusive canonicalization drops the comment, so that the signature would hold with and without it.
    assert_eq!(unsigned(|r| swap(r, NAME, "ada@example.org<!-- -->.evil.example</saml:NameID>")), "xml");
    assert_eq!(unsigned(|r| swap(r, NAME, "ada@<!---->example.org</saml:NameID>")), "xml");
}

#[test]
fn an_element_or_section_within_a_name_is_refused() {
    assert_eq!(signed_after(|d| swap(d, NAME, "ada@example.org<x xmlns=\"urn:x\"/></saml:NameID>")), "shape");
    assert_eq!(signed_after(|d| swap(d, "Ada Lovelace<", "Ada<b xmlns=\"urn:x\">Root</b><")), "shape");
    assert_eq!(unsigned(|r| swap(r, NAME, "<![CDATA[ada@example.org]]></saml:NameID>")), "xml");
    assert_eq!(unsigned(|r| swap(r, NAME, "ada@<?x?>example.org</saml:NameID>")), "xml");
}

#[test]
fn document_types_are_refused() {
    for dtd in [
        "<!DOCTYPE samlp:Response>",
        "<!DOCTYPE r SYSTEM \"http://attacker.example/x.dtd\">",
        "<!DOCTYPE r [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>",
        "<!DOCTYPE r [<!ATTLIST saml:Assertion ID ID #IMPLIED>]>",
    ] {
        assert_eq!(unsigned(|r| format!("{dtd}{r}")), "xml", "{dtd}");
        assert_eq!(unsigned(|r| format!("<?xml version=\"1.0\"?>\n{dtd}{r}")), "xml", "{dtd}");
    }
}

#[test]
fn an_entity_bomb_is_refused() {
    let bomb =
        "<!DOCTYPE r [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;\">]>";
    assert_eq!(unsigned(|r| format!("{bomb}{}", swap(r, NAME, "&c;</saml:NameID>"))), "xml");
    assert_eq!(unsigned(|r| swap(r, NAME, "&c;</saml:NameID>")), "xml");
}

#[test]
fn processing_instructions_are_refused() {
    assert_eq!(unsigned(|r| format!("<?xml-stylesheet href=\"http://attacker.example/x.xsl\"?>{r}")), "xml");
    assert_eq!(unsigned(|r| format!("{r}<?php x?>")), "xml");
    assert_eq!(unsigned(|r| swap(r, "<saml:Subject>", "<saml:Subject><?x?>")), "xml");
}

#[test]
fn other_encodings_are_refused() {
    let stage = Stage::new(RSA.clone());
    let response = stage.signed();
    let utf_16: Vec<u8> = response.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(bytes(&utf_16), "encoding");
    let mut latin: Vec<u8> = swap(&response, "Ada Lovelace", "Ad?").into_bytes();
    let at = latin.windows(3).position(|window| window == b"Ad?").expect("it");
    latin[at + 2] = 0xe4;
    assert_eq!(bytes(&latin), "encoding");
    for said in ["UTF-16", "ISO-8859-1", "UTF-7", "US-ASCII"] {
        let declared = format!("<?xml version=\"1.0\" encoding=\"{said}\"?>{response}");
        assert_eq!(stage.rule(&declared), "encoding", "{said}");
    }
    assert_eq!(bytes(swap(&response, "Ada Lovelace", "Ada\0").as_bytes()), "encoding");
}

#[test]
fn an_oversized_response_is_refused() {
    let response = |length: usize| move |d: &str| swap(d, "Ada Lovelace", &"x".repeat(length));
    assert_eq!(signed_after(response(300 * 1024)), "size");
    let stage = Stage::new(RSA.clone());
    assert!(stage.finish(&stage.sign(&response(200 * 1024)(&stage.draft()))).is_ok(), "large is not too large");
    assert_eq!(rule(stage.post("A".repeat(10_000_000))), "size");
}

#[test]
fn deep_nesting_is_refused() {
    let deep = |d: &str| swap(d, "<samlp:StatusCode ", &"<samlp:StatusCode Value=\"x\">".repeat(100_000 / 30));
    assert_eq!(unsigned(deep), "size");
    let closed = |levels: usize| {
        move |d: &str| {
            let one = part(d, "<samlp:StatusCode", "/>");
            let open = one.replace("/>", ">").repeat(levels);
            swap(d, one, &format!("{open}{}", "</samlp:StatusCode>".repeat(levels)))
        }
    };
    assert_eq!(signed_after(closed(47)), "size");
    let stage = Stage::new(RSA.clone());
    assert!(stage.finish(&stage.sign(&closed(46)(&stage.draft()))).is_ok());
}

#[test]
fn floods_of_tags_attributes_and_namespaces_are_refused() {
    let flood = |one: fn(usize) -> String, n: usize| (0..n).map(one).collect::<String>();
    let attributes = flood(|i| format!(" a{i}=\"\""), 65);
    assert_eq!(unsigned(|r| swap(r, "<saml:Subject>", &format!("<saml:Subject{attributes}>"))), "size");
    let namespaces = flood(|i| format!(" xmlns:n{i}=\"urn:{i}\""), 62);
    assert_eq!(unsigned(|r| swap(r, "<saml:Subject>", &format!("<saml:Subject{namespaces}>"))), "size");
    assert_eq!(unsigned(|r| swap(r, "<saml:Subject>", &format!("<saml:Subject>{}", "<x/>".repeat(20_000)))), "size");
    let references = "<ds:Reference URI=\"\"/>".repeat(5000);
    assert_eq!(unsigned(|r| swap(r, "<ds:Reference ", &format!("{references}<ds:Reference "))), "shape");
}

#[test]
fn malformed_documents_are_refused() {
    for (from, to) in [
        ("</samlp:Response>", ""),
        ("</samlp:Response>", "</samlp:Response>trailing"),
        ("</samlp:Response>", "</samlp:Response><second/>"),
        ("<saml:Subject>", "<saml:Subject x=\"1\" x=\"2\">"),
        ("<saml:Subject>", "<saml:Subject xmlns:p=\"urn:a\" xmlns:q=\"urn:a\" p:x=\"1\" q:x=\"2\">"),
        ("<saml:Subject>", "<saml:Subject x=1>"),
        ("<saml:Subject>", "<saml:Subject x=\"<\">"),
        ("</saml:Subject>", "</saml:subject>"),
        ("ada@example.org</saml:NameID>", "ada&unknown;</saml:NameID>"),
        ("ada@example.org</saml:NameID>", "ada&#0;</saml:NameID>"),
        ("ada@example.org</saml:NameID>", "ada\u{1}</saml:NameID>"),
        ("<saml:Subject>", "<unbound:Subject>"),
    ] {
        assert_eq!(unsigned(|r| swap(r, from, to)), "xml", "{to}");
    }
    for nothing in ["", " ", "junk", "<", "{}"] {
        assert_eq!(bytes(nothing.as_bytes()), "xml", "{nothing}");
    }
}

#[test]
fn another_root_is_refused() {
    let with_root = |r: &str, name: &str| swap(r, "samlp:Response", name);
    assert_eq!(unsigned(|r| with_root(r, "samlp:LogoutResponse")), "shape");
    assert_eq!(unsigned(|r| with_root(r, "saml:Response")), "shape");
    assert_eq!(unsigned(|r| swap(r, "SAML:2.0:protocol", "SAML:2.0:protocol2")), "shape");
    assert_eq!(unsigned(|r| format!("<s:Envelope xmlns:s=\"urn:soap\"><s:Body>{r}</s:Body></s:Envelope>")), "shape");
    let bare = |r: &str| {
        swap(
            assertion_of(r),
            "<saml:Assertion ",
            "<saml:Assertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ",
        )
    };
    assert_eq!(unsigned(bare), "shape");
}

#[test]
fn a_response_without_assertion_is_refused() {
    assert_eq!(unsigned(|r| swap(r, assertion_of(r), "")), "shape");
}

#[test]
fn text_between_elements_is_refused() {
    assert_eq!(signed_after(|d| swap(d, "<saml:Subject>", "root<saml:Subject>")), "shape");
    assert_eq!(signed_after(|d| swap(d, "<saml:Subject>", "&#160;<saml:Subject>")), "shape");
}

#[test]
fn relative_and_empty_namespaces_are_refused() {
    let hosts = ["x://", "x:///y", "x://h:/y", "x://h:8x/y", "x://u@h/y", "x://h:1:2", "http://www.w3.or:/2001", "x:"];
    for namespace in ["relative", "", "1:x", ":x", "../x"].into_iter().chain(hosts) {
        let declared = format!("<saml:Subject xmlns:x=\"{namespace}\">");
        // XML itself forbids to undeclare a prefix.
        let wanted = if namespace.is_empty() { ["xml", "namespace"] } else { ["namespace"; 2] };
        assert!(wanted.contains(&signed_after_any(&declared)), "{namespace}");
    }
    assert_eq!(unsigned(|r| swap(r, "<saml:Subject>", "<saml:Subject xmlns=\"\">")), "namespace");
    let stage = Stage::new(RSA.clone().signing(Signs::Assertion));
    for namespace in ["x:y", "urn:x:y", "http://h", "https://h.example:8443/x?y#z", "x:/y"] {
        let declared = format!("<saml:Subject xmlns:x=\"{namespace}\">");
        assert!(stage.finish(&swap(&stage.signed(), "<saml:Subject>", &declared)).is_ok(), "{namespace}");
    }
}

fn signed_after_any(subject: &str) -> &'static str {
    unsigned(|r| swap(r, "<saml:Subject>", subject))
}

#[test]
fn characters_that_deceive_are_refused_in_names() {
    for c in ["\u{202e}", "\u{200b}", "\u{feff}", "\u{2066}", "\u{200d}", "&#9;", "&#10;", "&#13;", "&#x85;"] {
        let name = format!("ada{c}@example.org</saml:NameID>");
        assert_eq!(signed_after(|d| swap(d, NAME, &name)), "characters", "{c}");
        assert_eq!(signed_after(|d| swap(d, &format!("{ENTITY}</"), &format!("{c}{ENTITY}</"))), "characters", "{c}");
    }
    for name in [" ada@example.org</saml:NameID>", "ada@example.org&#32;</saml:NameID>", "</saml:NameID>"] {
        assert_eq!(signed_after(|d| swap(d, NAME, name)), "characters", "{name}");
    }
}

#[test]
fn characters_that_deceive_are_refused_in_attributes() {
    for c in ["\u{202e}", "\u{200b}", "&#10;", "&#x85;"] {
        assert_eq!(signed_after(|d| swap(d, "Ada Lovelace", &format!("Ada{c}"))), "characters", "{c}");
    }
    // A joiner may stand in a name to show, not in what identifies or gives rights.
    assert_eq!(signed_after(|d| swap(d, ">staff<", ">st\u{200d}aff<")), "characters");
}

#[test]
fn a_field_that_is_missing_doubled_or_not_base64_is_refused() {
    let stage = Stage::new(RSA.clone());
    let field = ("SAMLResponse".to_owned(), BASE64_STANDARD.encode(stage.signed()));
    for fields in [vec![], vec![field.clone(), field.clone()], vec![("SAMLart".to_owned(), "x".to_owned())]] {
        let answer = Answer { fields };
        assert_eq!(rule(stage.connector.finish(&stage.pending, &answer).now_or_never().expect("at once")), "shape");
    }
    for junk in ["!", "PHg+", "A", "%3C", &format!("{}=", field.1)] {
        assert!(matches!(rule(stage.post(junk.to_owned())), "encoding" | "xml"), "{junk}");
    }
}

#[test]
fn an_overlong_id_is_refused() {
    assert_eq!(signed_after(|d| swap(d, "<saml:Assertion ", "<saml:Assertion Id=\"_x\" ")), "id");
    let stage = Stage::new(RSA.clone());
    let signed = stage.signed();
    let id = part(assertion_of(&signed), " ID=\"", " Version");
    for other in
        [format!(" ID=\"_{}\" Version", "x".repeat(256)), " ID=\"\" Version".into(), " ID=\"a b\" Version".into()]
    {
        assert_eq!(stage.rule(&swap(&signed, id, &other)), "id");
    }
}
