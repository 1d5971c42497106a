//! Signatures that are missing, wrong, weak or not of the one accepted shape.

use super::*;

const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";

/// The rule that refuses a response that the right key signed over a template that was altered.
fn template(from: &str, to: &str) -> &'static str {
    signed_after(|draft| swap(draft, from, to))
}

#[test]
fn an_unsigned_response_is_refused() {
    assert_eq!(altered_after(Signs::Assertion, |r| r.replace(signature_of(r), "")), "signature");
    assert_eq!(altered_after(Signs::Response, |r| r.replace(signature_of(r), "")), "signature");
}

#[test]
fn a_signature_of_another_key_is_refused() {
    for signs in [Signs::Assertion, Signs::Response, Signs::Both] {
        let stage = Stage::new(RSA.clone().signing(signs));
        let forged = sign::fill(&stage.draft(), ATTACKER.key()).expect("signed");
        assert_eq!(stage.rule(&forged), "signature", "{signs:?}");
    }
}

#[test]
fn a_certificate_that_the_message_brings_is_not_trusted() {
    let stage = Stage::new(RSA.clone());
    let info = format!(
        "<ds:SignatureValue/><ds:KeyInfo><ds:X509Data><ds:X509Certificate>{}</ds:X509Certificate></ds:X509Data>\
         </ds:KeyInfo>",
        BASE64_STANDARD.encode(ATTACKER.key().certificate())
    );
    let draft = swap(&stage.draft(), "<ds:SignatureValue/>", &info);
    assert_eq!(stage.rule(&sign::fill(&draft, ATTACKER.key()).expect("signed")), "signature");
    let theirs = swap(&info, &BASE64_STANDARD.encode(ATTACKER.key().certificate()), "");
    let with_real = swap(
        &theirs,
        "<ds:X509Certificate>",
        &format!("<ds:X509Certificate>{}", BASE64_STANDARD.encode(RSA.key().certificate())),
    );
    let draft = swap(&stage.draft(), "<ds:SignatureValue/>", &with_real);
    assert_eq!(stage.rule(&sign::fill(&draft, ATTACKER.key()).expect("signed")), "signature");
}

#[test]
fn a_bare_key_in_the_message_is_refused() {
    for inner in [
        "<ds:KeyValue><ds:RSAKeyValue><ds:Modulus>AQAB</ds:Modulus><ds:Exponent>AQAB</ds:Exponent></ds:RSAKeyValue></ds:KeyValue>",
        "<ds:RetrievalMethod URI=\"http://attacker.example/key\"/>",
        "<ds:KeyName>admin</ds:KeyName>",
        "<x xmlns=\"urn:x\"/>",
    ] {
        let info = format!("<ds:SignatureValue/><ds:KeyInfo>{inner}</ds:KeyInfo>");
        assert_eq!(template("<ds:SignatureValue/>", &info), "shape", "{inner}");
    }
}

#[test]
fn an_altered_name_is_refused() {
    for signs in [Signs::Assertion, Signs::Response] {
        assert_eq!(
            altered_after(signs, |r| swap(r, ">ada@example.org</saml:NameID>", ">root@example.org</saml:NameID>")),
            "digest"
        );
    }
}

#[test]
fn an_altered_group_is_refused() {
    assert_eq!(altered_after(Signs::Assertion, |r| swap(r, ">staff<", ">admins<")), "digest");
}

#[test]
fn an_added_attribute_is_refused() {
    let added = "<saml:Attribute Name=\"groups\"><saml:AttributeValue>admins</saml:AttributeValue></saml:Attribute>\
                 </saml:AttributeStatement>";
    assert_eq!(altered_after(Signs::Assertion, |r| swap(r, "</saml:AttributeStatement>", added)), "digest");
}

#[test]
fn altered_white_space_is_refused() {
    assert_eq!(altered_after(Signs::Assertion, |r| swap(r, "<saml:Subject>", "<saml:Subject> ")), "digest");
}

#[test]
fn a_digest_made_to_fit_is_refused() {
    let stage = Stage::new(RSA.clone());
    let (draft, real) = (stage.draft(), stage.signed());
    let forged = sign::fill(&swap(&draft, "ada@", "root@"), ATTACKER.key()).expect("signed");
    let value = |text: &str| part(text, "<ds:SignatureValue>", "</ds:SignatureValue>").to_owned();
    assert_eq!(stage.rule(&swap(&forged, &value(&forged), &value(&real))), "signature");
}

#[test]
fn one_bad_signature_of_two_is_refused() {
    let stage = Stage::new(RSA.clone().signing(Signs::Both));
    let signed = stage.signed();
    let (outer, inner) = (signature_of(&signed), signature_of(assertion_of(&signed)));
    for broken in [outer, inner] {
        let value = part(broken, "<ds:SignatureValue>", "</ds:SignatureValue>");
        let other = swap(value, &value[19..23], if &value[19..23] == "AAAA" { "BBBB" } else { "AAAA" });
        assert_eq!(stage.rule(&swap(&signed, value, &other)), "signature");
    }
    // The assertion is the attacker's, the response around it is really signed.
    let draft = stage.draft();
    let forged = sign::fill(&swap(&draft, signature_of(&draft), ""), ATTACKER.key()).expect("signed");
    let with_outer = forged.replacen("<samlp:Status>", &format!("{}<samlp:Status>", signature_of(&draft)), 1);
    assert_eq!(stage.rule(&stage.sign(&with_outer)), "signature");
}

#[test]
fn sha_1_digests_are_refused() {
    assert_eq!(
        template("http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2000/09/xmldsig#sha1"),
        "algorithm"
    );
}

#[test]
fn other_signature_methods_are_refused() {
    let method = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
    for other in [
        "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
        "http://www.w3.org/2000/09/xmldsig#dsa-sha1",
        "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
        "http://www.w3.org/2001/04/xmldsig-more#rsa-md5",
        "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1",
        "http://www.w3.org/2001/04/xmldsig-more#RSA-SHA256",
        "none",
        "",
    ] {
        assert_eq!(template(method, other), "algorithm", "{other}");
    }
}

#[test]
fn the_method_of_another_kind_of_key_is_refused() {
    assert_eq!(template("rsa-sha256", "ecdsa-sha256"), "signature");
    let stage = Stage::new(idp(KeyKind::EcdsaP256));
    for method in ["rsa-sha256", "ecdsa-sha384"] {
        assert_eq!(stage.rule(&stage.sign(&swap(&stage.draft(), "ecdsa-sha256", method))), "signature", "{method}");
    }
}

#[test]
fn a_truncated_signature_is_refused() {
    let cut = |r: &str, keep: usize| {
        let value = part(r, "<ds:SignatureValue>", "</ds:SignatureValue>");
        swap(r, value, &format!("<ds:SignatureValue>{}</ds:SignatureValue>", &value[19..19 + keep]))
    };
    for keep in [0, 4, 340] {
        assert_eq!(altered_after(Signs::Assertion, |r| cut(r, keep)), "signature", "{keep}");
    }
    assert_eq!(
        altered_after(Signs::Assertion, |r| swap(r, "</ds:SignatureValue>", "!</ds:SignatureValue>")),
        "signature"
    );
    let method = "rsa-sha256\"><ds:HMACOutputLength>1</ds:HMACOutputLength></ds:SignatureMethod>";
    assert_eq!(template("rsa-sha256\"/>", method), "shape");
}

#[test]
fn an_ecdsa_signature_of_zeros_is_refused() {
    let stage = Stage::new(idp(KeyKind::EcdsaP256));
    let signed = stage.signed();
    let value = part(&signed, "<ds:SignatureValue>", "</ds:SignatureValue>");
    for bytes in [vec![0u8; 64], vec![255; 64], vec![0; 65]] {
        let zeros = format!("<ds:SignatureValue>{}</ds:SignatureValue>", BASE64_STANDARD.encode(bytes));
        assert_eq!(stage.rule(&swap(&signed, value, &zeros)), "signature");
    }
}

#[test]
fn transforms_that_compute_are_refused() {
    let exclusive = format!("<ds:Transform Algorithm=\"{EXCLUSIVE}\"/>");
    let xslt = "<ds:Transform Algorithm=\"http://www.w3.org/TR/1999/REC-xslt-19991116\"><xsl:stylesheet \
                xmlns:xsl=\"http://www.w3.org/1999/XSL/Transform\" version=\"1.0\"/></ds:Transform>";
    let xpath = "<ds:Transform Algorithm=\"http://www.w3.org/TR/1999/REC-xpath-19991116\"><ds:XPath>//*</ds:XPath>\
                 </ds:Transform>";
    let filter = "<ds:Transform Algorithm=\"http://www.w3.org/2002/06/xmldsig-filter2\"/>";
    for hostile in [xslt, xpath] {
        assert_eq!(template(&exclusive, hostile), "shape");
        assert_eq!(template(&exclusive, &format!("{hostile}{exclusive}")), "shape");
    }
    assert_eq!(template(&exclusive, filter), "transform");
    assert_eq!(template(&exclusive, &format!("{exclusive}{exclusive}")), "shape");
}

#[test]
fn transforms_that_are_missing_or_out_of_order_are_refused() {
    let (exclusive, enveloped) =
        (format!("<ds:Transform Algorithm=\"{EXCLUSIVE}\"/>"), format!("<ds:Transform Algorithm=\"{ENVELOPED}\"/>"));
    let both = format!("{enveloped}{exclusive}");
    assert_eq!(template(&both, &format!("{exclusive}{enveloped}")), "transform");
    assert_eq!(template(&both, &enveloped), "transform");
    assert_eq!(template(&both, &exclusive), "transform");
    assert_eq!(template(&format!("<ds:Transforms>{both}</ds:Transforms>"), ""), "shape");
}

#[test]
fn other_canonicalizations_are_refused() {
    for other in [
        "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
        "http://www.w3.org/2006/12/xml-c14n11",
        "http://www.w3.org/2001/10/xml-exc-c14n#WithComments",
    ] {
        let in_info = format!("<ds:CanonicalizationMethod Algorithm=\"{other}\"/>");
        assert_eq!(template(&format!("<ds:CanonicalizationMethod Algorithm=\"{EXCLUSIVE}\"/>"), &in_info), "transform");
        let in_transform = format!("<ds:Transform Algorithm=\"{other}\"/>");
        assert_eq!(template(&format!("<ds:Transform Algorithm=\"{EXCLUSIVE}\"/>"), &in_transform), "transform");
    }
}

#[test]
fn references_elsewhere_are_refused() {
    let reference = |d: &str| part(d, " URI=\"#", "\">").to_owned();
    for uri in ["http://attacker.example/x", "file:///etc/passwd", "", "#", "#other", "#xpointer(/)", "data:,x"] {
        let other = format!(" URI=\"{uri}\">");
        assert_eq!(signed_after(|d| swap(d, &reference(d), &other)), "reference", "{uri}");
    }
    assert_eq!(signed_after(|d| swap(d, &reference(d), ">")), "reference");
}

#[test]
fn a_second_reference_is_refused() {
    let twice = |d: &str| {
        let one = part(d, "<ds:Reference ", "</ds:Reference>");
        swap(d, one, &format!("{one}<ds:Reference URI=\"http://attacker.example/\"/>"))
    };
    assert_eq!(signed_after(twice), "shape");
}

#[test]
fn a_second_signature_in_one_element_is_refused() {
    assert_eq!(altered_after(Signs::Assertion, |r| swap(r, signature_of(r), &signature_of(r).repeat(2))), "shape");
}

#[test]
fn objects_and_manifests_in_a_signature_are_refused() {
    for object in ["<ds:Object/>", "<ds:Object><ds:Manifest/></ds:Object>", "<x xmlns=\"urn:x\"/>"] {
        assert_eq!(
            altered_after(Signs::Assertion, |r| swap(r, "</ds:Signature>", &format!("{object}</ds:Signature>"))),
            "shape"
        );
    }
}

#[test]
fn metadata_of_another_provider_does_not_verify() {
    let other = idp(KeyKind::Rsa2048);
    let stage = Stage::with(RSA.clone(), settings(&other.metadata()));
    assert_eq!(stage.rule(&stage.signed()), "signature");
}

#[test]
fn an_endless_prefix_list_is_refused() {
    let stage = Stage::new(RSA.clone());
    let with_list = |length: usize| {
        let list = format!(
            "<ds:CanonicalizationMethod Algorithm=\"{EXCLUSIVE}\"><e:InclusiveNamespaces xmlns:e=\"{EXCLUSIVE}\" \
             PrefixList=\"{}\"/></ds:CanonicalizationMethod>",
            "p ".repeat(length / 2)
        );
        let plain = format!("<ds:CanonicalizationMethod Algorithm=\"{EXCLUSIVE}\"/>");
        stage.sign(&swap(&stage.draft(), &plain, &list))
    };
    assert!(stage.finish(&with_list(256)).is_ok());
    assert_eq!(stage.rule(&with_list(258)), "transform");
}

/// What is signed is hashed for each key of the provider before anybody knows who sent it.
#[test]
fn a_signature_with_endless_white_space_in_it_is_refused() {
    let stage = Stage::new(RSA.clone());
    let with = |blanks: usize| {
        let end = format!("{}</ds:SignedInfo>", " ".repeat(blanks));
        stage.sign(&swap(&stage.draft(), "</ds:SignedInfo>", &end))
    };
    assert!(stage.finish(&with(6 * 1024)).is_ok());
    assert_eq!(stage.rule(&with(8 * 1024)), "size");
}

#[test]
fn no_single_changed_byte_signs_in_somebody_else() {
    let stage = Stage::new(RSA.clone());
    let signed = stage.signed().into_bytes();
    let real = stage.finish(std::str::from_utf8(&signed).expect("UTF-8")).expect("accepted");
    let mut accepted = 0;
    for position in (0..signed.len()).step_by(3) {
        for other in [b'x', b' '] {
            let mut changed = signed.clone();
            changed[position] = other;
            // What is outside of the signed assertion may change without changing who it is.
            if let Ok(identity) = stage.post(BASE64_STANDARD.encode(&changed)) {
                assert_eq!(identity, real, "{position}");
                accepted += 1;
            }
        }
    }
    assert!(accepted < signed.len() / 20, "{accepted} changes were not noticed");
}
