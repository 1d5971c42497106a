//! Responses with a good signature that say the wrong thing: not for us, not from them, not now, not what was asked.

use super::*;

const AUDIENCE: &str = "<saml:AudienceRestriction>";

fn at(seconds: i64) -> String {
    Timestamp::from_millis(START.as_millis() + seconds * 1000).to_string()
}

/// The rule that refuses an assertion in which an attribute got another value.
fn with_attribute(element: &str, name: &str, value: Option<&str>) -> &'static str {
    signed_after(|draft| {
        let tag = part(draft, element, ">");
        let old = part(tag, &format!(" {name}=\""), "\"");
        let rest = &tag[tag.find(old).expect("it") + old.len()..];
        let old = format!("{old}{}", &rest[..=rest.find('"').expect("an end")]);
        let new = value.map(|value| format!(" {name}=\"{value}\"")).unwrap_or_default();
        swap(draft, tag, &tag.replacen(&old, &new, 1))
    })
}

#[test]
fn an_assertion_for_another_audience_is_refused() {
    assert_eq!(signed_after(|d| swap(d, ENTITY, "https://other.example.org/metadata")), "audience");
    assert_eq!(signed_after(|d| swap(d, ENTITY, &format!("{ENTITY}/more"))), "audience");
}

#[test]
fn an_assertion_without_audience_is_refused() {
    let none = |d: &str| swap(d, part(d, AUDIENCE, "</saml:AudienceRestriction>"), "");
    assert_eq!(signed_after(none), "audience");
    let empty = |d: &str| swap(d, part(d, AUDIENCE, "</saml:AudienceRestriction>"), "<saml:AudienceRestriction/>");
    assert_eq!(signed_after(empty), "audience");
}

#[test]
fn every_audience_restriction_must_name_us() {
    let more = "<saml:AudienceRestriction><saml:Audience>urn:other</saml:Audience></saml:AudienceRestriction>";
    assert_eq!(signed_after(|d| swap(d, AUDIENCE, &format!("{more}{AUDIENCE}"))), "audience");
    let stage = Stage::new(RSA.clone());
    let also = swap(&stage.draft(), AUDIENCE, &format!("{AUDIENCE}<saml:Audience>urn:other</saml:Audience>"));
    assert!(stage.finish(&stage.sign(&also)).is_ok(), "one restriction may name several");
}

#[test]
fn an_assertion_for_another_recipient_is_refused() {
    let longer = format!("{CONSUMER}/evil");
    for wrong in ["https://other.example.org/acs", longer.as_str(), "HTTPS://SSO.example.org/saml/corp/acs", ""] {
        assert_eq!(with_attribute("<saml:SubjectConfirmationData", "Recipient", Some(wrong)), "recipient", "{wrong}");
    }
    assert_eq!(with_attribute("<saml:SubjectConfirmationData", "Recipient", None), "recipient");
}

#[test]
fn a_response_for_another_destination_is_refused() {
    let wrong = Some("https://other.example.org/acs");
    assert_eq!(with_attribute("<samlp:Response", "Destination", wrong), "destination");
    assert_eq!(with_attribute("<samlp:Response", "Destination", Some("")), "destination");
}

#[test]
fn a_signed_response_without_destination_is_refused() {
    let stage = Stage::new(RSA.clone().signing(Signs::Response));
    let draft = swap(&stage.draft(), &format!(" Destination=\"{CONSUMER}\""), "");
    assert_eq!(stage.rule(&stage.sign(&draft)), "destination");
}

#[test]
fn another_issuer_of_the_response_or_of_the_assertion_is_refused() {
    let issuer = format!("<saml:Issuer>{BASE}/metadata</saml:Issuer>");
    let other = "<saml:Issuer>https://other.example.org</saml:Issuer>";
    assert_eq!(signed_after(|d| d.replacen(&issuer, other, 1)), "issuer");
    assert_eq!(signed_after(|d| swap(d, assertion_of(d), &assertion_of(d).replace(&issuer, other))), "issuer");
    assert_eq!(signed_after(|d| swap(d, assertion_of(d), &assertion_of(d).replace(&issuer, ""))), "shape");
    let format = "<saml:Issuer Format=\"urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified\">";
    assert_eq!(signed_after(|d| swap(d, "<saml:Issuer>", format)), "issuer");
}

#[test]
fn an_answer_to_another_request_is_refused() {
    let (first, second) = (Stage::new(RSA.clone()), Stage::new(RSA.clone()));
    assert_eq!(second.rule(&first.signed()), "in-response-to");
    for element in ["<samlp:Response", "<saml:SubjectConfirmationData"] {
        assert_eq!(with_attribute(element, "InResponseTo", Some("_other")), "in-response-to", "{element}");
    }
}

#[test]
fn an_answer_to_no_request_is_refused() {
    for element in ["<samlp:Response", "<saml:SubjectConfirmationData"] {
        assert_eq!(with_attribute(element, "InResponseTo", None), "in-response-to", "{element}");
    }
    let stage = Stage::new(RSA.clone());
    let answer = Answer { fields: vec![("SAMLResponse".to_owned(), BASE64_STANDARD.encode(stage.signed()))] };
    for pending in [&b""[..], b"\xa0", b"junk"] {
        let result = stage.connector.finish(pending, &answer).now_or_never().expect("at once");
        assert_eq!(rule(result), "in-response-to");
    }
}

#[test]
fn a_refusal_of_the_provider_is_told_apart() {
    let stage = Stage::new(RSA.clone());
    let draft = stage.draft();
    let status = "<samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Responder\"><samlp:StatusCode \
                  Value=\"urn:oasis:names:tc:SAML:2.0:status:AuthnFailed\"/></samlp:StatusCode>\
                  <samlp:StatusMessage>account\u{7} closed</samlp:StatusMessage></samlp:Status>";
    let old = part(&draft, "<samlp:StatusCode", "</samlp:Status>");
    let declined = swap(&draft, old, status).replace('\u{7}', "\t");
    let without = swap(&declined, assertion_of(&declined), "");
    for response in [stage.sign(&declined), without] {
        match stage.finish(&response) {
            Err(Error::Declined { reason }) => assert_eq!(reason, "Responder: AuthnFailed: account? closed"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn success_must_be_the_outer_status() {
    let nested = format!(
        "<samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Requester\"><samlp:StatusCode Value=\"{SUCCESS}\"/>\
         </samlp:StatusCode>"
    );
    let one = format!("<samlp:StatusCode Value=\"{SUCCESS}\"/>");
    assert_eq!(signed_after(|d| swap(d, &one, &nested)), "declined");
    assert_eq!(signed_after(|d| swap(d, &one, &format!("{one}{one}"))), "shape");
    assert_eq!(signed_after(|d| swap(d, &one, "")), "shape");
    assert_eq!(signed_after(|d| swap(d, part(d, "<samlp:Status>", "</samlp:Status>"), "")), "shape");
}

/// Where nobody asked, nothing but its age tells a message of now from one that somebody kept.
#[test]
fn what_nobody_asked_for_is_taken_for_five_minutes_whatever_end_it_names() {
    for (age, is_taken) in [(minutes(6), true), (minutes(6) + Duration::from_millis(1), false)] {
        let options = Options { unsolicited: true, ..Options::default() };
        let stage = Stage::with(RSA.clone(), Settings { options, ..settings(&RSA.metadata()) });
        let (draft, id) = (stage.draft(), stage.request.id.clone());
        let asked = [format!(" InResponseTo=\"{id}\""), format!("InResponseTo=\"{id}\" ")];
        let unasked = draft.replace(&asked[0], "").replace(&asked[1], "");
        let end = part(&unasked, "NotOnOrAfter=\"", "Z\"").to_owned();
        let response = stage.sign(&swap(&unasked, &end, "NotOnOrAfter=\"2040-01-01T00:00:00Z\""));
        let answer = Answer { fields: vec![("SAMLResponse".to_owned(), BASE64_STANDARD.encode(response))] };
        stage.clock.advance(age);
        match waited(stage.connector.finish_unsolicited(&answer)) {
            Ok(_) => assert!(is_taken, "{age:?}"),
            refused => assert_eq!((rule(refused), is_taken), ("time", false), "{age:?}"),
        }
    }
}

#[test]
fn names_around_a_name_are_bounded() {
    for name in ["NameQualifier", "SPNameQualifier"] {
        let qualified = |bytes: usize| {
            let stage = Stage::new(RSA.clone());
            let tag = format!("<saml:NameID {name}=\"{}\"", "q".repeat(bytes));
            stage.finish(&stage.sign(&swap(&stage.draft(), "<saml:NameID", &tag)))
        };
        assert!(qualified(512).is_ok(), "{name}");
        assert_eq!(rule(qualified(513)), "size", "{name}");
    }
}

#[test]
fn an_ended_confirmation_is_refused() {
    let ended = at(-60);
    assert_eq!(with_attribute("<saml:SubjectConfirmationData", "NotOnOrAfter", Some(&ended)), "time");
    assert_eq!(with_attribute("<saml:SubjectConfirmationData", "NotOnOrAfter", None), "confirmation");
}

#[test]
fn conditions_outside_of_now_are_refused() {
    assert_eq!(with_attribute("<saml:Conditions", "NotOnOrAfter", Some(&at(-60))), "time");
    assert_eq!(with_attribute("<saml:Conditions", "NotBefore", Some(&at(61))), "time");
    let data = |d: &str| {
        swap(d, "<saml:SubjectConfirmationData", &format!("<saml:SubjectConfirmationData NotBefore=\"{}\"", at(61)))
    };
    assert_eq!(signed_after(data), "time");
}

#[test]
fn an_ended_session_at_the_provider_is_refused() {
    let ended = format!("<saml:AuthnStatement SessionNotOnOrAfter=\"{}\"", at(-60));
    assert_eq!(signed_after(|d| swap(d, "<saml:AuthnStatement", &ended)), "time");
}

#[test]
fn an_answer_from_the_future_or_from_before_the_request_is_refused() {
    for element in ["<samlp:Response", "<saml:Assertion "] {
        assert_eq!(with_attribute(element, "IssueInstant", Some(&at(61))), "time", "{element}");
        assert_eq!(with_attribute(element, "IssueInstant", Some(&at(-61))), "time", "{element}");
        assert_eq!(with_attribute(element, "IssueInstant", None), "shape", "{element}");
    }
    assert_eq!(with_attribute("<saml:AuthnStatement", "AuthnInstant", Some(&at(61))), "time");
}

#[test]
fn a_time_that_is_not_in_utc_is_refused() {
    for wrong in ["2026-11-22T08:09:10", "2026-11-22T10:09:10+02:00", "tomorrow", ""] {
        assert_eq!(with_attribute("<saml:Conditions", "NotOnOrAfter", Some(wrong)), "time", "{wrong}");
    }
}

#[test]
fn only_a_bearer_confirmation_is_taken_and_only_one() {
    for method in ["holder-of-key", "sender-vouches", "Bearer"] {
        assert_eq!(signed_after(|d| swap(d, "cm:bearer", &format!("cm:{method}"))), "confirmation", "{method}");
    }
    let twice = |d: &str| {
        let one = part(d, "<saml:SubjectConfirmation ", "</saml:SubjectConfirmation>");
        swap(d, one, &format!("{one}{one}"))
    };
    assert_eq!(signed_after(twice), "confirmation");
    let none = |d: &str| swap(d, part(d, "<saml:SubjectConfirmation ", "</saml:SubjectConfirmation>"), "");
    assert_eq!(signed_after(none), "confirmation");
    let silent = |d: &str| swap(d, part(d, "<saml:SubjectConfirmationData", "/>"), "");
    assert_eq!(signed_after(silent), "confirmation");
}

#[test]
fn an_assertion_without_conditions_is_refused() {
    assert_eq!(signed_after(|d| swap(d, part(d, "<saml:Conditions", "</saml:Conditions>"), "")), "shape");
}

#[test]
fn a_condition_that_we_do_not_know_is_refused() {
    for condition in
        ["<saml:Condition xsi:type=\"x\"/>", "<saml:ProxyRestriction Count=\"1\"/>", "<c xmlns=\"urn:c\"/>"]
    {
        assert_eq!(signed_after(|d| swap(d, AUDIENCE, &format!("{condition}{AUDIENCE}"))), "shape", "{condition}");
    }
}

#[test]
fn an_assertion_without_sign_in_or_with_two_is_refused() {
    let one = |d: &str| part(d, "<saml:AuthnStatement", "</saml:AuthnStatement>").to_owned();
    assert_eq!(signed_after(|d| swap(d, &one(d), "")), "authentication");
    assert_eq!(signed_after(|d| swap(d, &one(d), &one(d).repeat(2))), "shape");
}

#[test]
fn another_version_is_refused() {
    for element in ["<samlp:Response", "<saml:Assertion "] {
        for version in [Some("1.1"), Some("2.00"), None] {
            assert_eq!(with_attribute(element, "Version", version), "version", "{element} {version:?}");
        }
    }
}

#[test]
fn a_subject_without_exactly_one_name_is_refused() {
    let one = |d: &str| part(d, "<saml:NameID", "</saml:NameID>").to_owned();
    assert_eq!(signed_after(|d| swap(d, &one(d), "")), "shape");
    assert_eq!(signed_after(|d| swap(d, &one(d), &one(d).repeat(2))), "shape");
    assert_eq!(signed_after(|d| swap(d, part(d, "<saml:Subject>", "</saml:Subject>"), "")), "shape");
    let second =
        |d: &str| swap(d, "<saml:SubjectConfirmationData", &format!("{}<saml:SubjectConfirmationData", one(d)));
    assert_eq!(signed_after(second), "shape");
}

#[test]
fn an_encrypted_assertion_is_refused_with_its_reason() {
    let encrypted = |d: &str| swap(d, assertion_of(d), "<saml:EncryptedAssertion/>");
    let stage = Stage::new(RSA.clone());
    match stage.finish(&encrypted(&stage.draft())) {
        Err(Error::Refused { rule: "encrypted", reason }) => assert!(reason.contains("encryption off"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn statements_outside_of_the_profile_are_refused() {
    for statement in ["<saml:Advice/>", "<saml:AuthzDecisionStatement/>", "<saml:Statement/>"] {
        assert_eq!(
            signed_after(|d| swap(d, "<saml:AuthnStatement", &format!("{statement}<saml:AuthnStatement"))),
            "shape"
        );
    }
    assert_eq!(signed_after(|d| swap(d, "<samlp:Status>", "<samlp:Extensions/><samlp:Status>")), "shape");
}
