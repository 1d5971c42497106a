//! Signature wrapping: the signed element is kept and another is put where it is read. The eight known variants, and
//! what else moves a signature.

use super::*;

/// The same element for another person and under another id.
fn evil(element: &str) -> String {
    swap(&element.replacen(id_of(element), "_evil", 1), "ada@", "root@")
}

fn id_of(element: &str) -> &str {
    let start = element.find(" ID=\"").expect("an id") + 5;
    &element[start..start + element[start..].find('"').expect("an end")]
}

fn without_signature(element: &str) -> String {
    element.replacen(signature_of(element), "", 1)
}

fn assertions(alter: impl Fn(&str) -> String) -> &'static str {
    altered_after(Signs::Assertion, |response| swap(response, assertion_of(response), &alter(assertion_of(response))))
}

#[test]
fn xsw1_a_signed_response_within_the_signature_of_a_forged_one_is_refused() {
    let rule = altered_after(Signs::Response, |response| {
        let inner = without_signature(response);
        let signature = swap(signature_of(response), "</ds:Signature>", &format!("{inner}</ds:Signature>"));
        evil(&inner).replacen("<samlp:Status>", &format!("{signature}<samlp:Status>"), 1)
    });
    assert_eq!(rule, "shape");
}

#[test]
fn xsw2_a_signed_response_beside_the_signature_of_a_forged_one_is_refused() {
    let rule = altered_after(Signs::Response, |response| {
        let inner = without_signature(response);
        let both = format!("{}{inner}<samlp:Status>", signature_of(response));
        evil(&inner).replacen("<samlp:Status>", &both, 1)
    });
    assert_eq!(rule, "shape");
}

#[test]
fn xsw3_a_forged_assertion_before_the_signed_one_is_refused() {
    assert_eq!(assertions(|signed| format!("{}{signed}", evil(&without_signature(signed)))), "shape");
    assert_eq!(assertions(|signed| format!("{signed}{}", evil(&without_signature(signed)))), "shape");
}

#[test]
fn xsw4_a_forged_assertion_around_the_signed_one_is_refused() {
    let rule = assertions(|signed| {
        let forged = evil(&without_signature(signed));
        swap(&forged, "</saml:Assertion>", &format!("{signed}</saml:Assertion>"))
    });
    assert_eq!(rule, "shape");
}

#[test]
fn xsw5_a_forged_assertion_with_the_signature_of_the_one_behind_it_is_refused() {
    assert_eq!(assertions(|signed| format!("{}{}", evil(signed), without_signature(signed))), "shape");
}

#[test]
fn xsw6_the_signed_assertion_within_the_signature_of_a_forged_one_is_refused() {
    let rule = assertions(|signed| {
        let inner = format!("{}</ds:Signature>", without_signature(signed));
        swap(&evil(signed), "</ds:Signature>", &inner)
    });
    assert_eq!(rule, "shape");
}

#[test]
fn xsw7_a_forged_assertion_in_extensions_is_refused() {
    let rule = assertions(|signed| {
        format!("<samlp:Extensions>{}</samlp:Extensions>{signed}", evil(&without_signature(signed)))
    });
    assert_eq!(rule, "shape");
}

#[test]
fn xsw8_the_signed_assertion_in_an_object_of_the_signature_is_refused() {
    let rule = assertions(|signed| {
        let object = format!("<ds:Object>{}</ds:Object></ds:Signature>", without_signature(signed));
        swap(&evil(signed), "</ds:Signature>", &object)
    });
    assert_eq!(rule, "shape");
}

#[test]
fn a_signature_over_another_element_than_its_own_is_refused() {
    // The forged assertion stands alone; the signature still refers to what is gone.
    assert_eq!(assertions(evil), "reference");
    // The response's signature, moved into the assertion.
    let moved = altered_after(Signs::Response, |response| {
        let signature = signature_of(response);
        swap(&without_signature(response), "<saml:Subject>", &format!("{signature}<saml:Subject>"))
    });
    assert_eq!(moved, "reference");
}

#[test]
fn a_signature_anywhere_but_in_the_response_or_assertion_is_refused() {
    for place in ["<saml:SubjectConfirmation ", "<saml:AudienceRestriction>", "<saml:Attribute ", "<samlp:StatusCode "]
    {
        let rule = altered_after(Signs::Assertion, |response| {
            response.replacen(signature_of(response), "", 1).replacen(
                place,
                &format!("{}{place}", signature_of(response)),
                1,
            )
        });
        assert_eq!(rule, "shape", "{place}");
    }
}

#[test]
fn a_forged_assertion_in_the_details_of_the_status_is_refused() {
    for wrap in [("", ""), ("<x xmlns=\"urn:x\">", "</x>")] {
        let rule = altered_after(Signs::Assertion, |response| {
            let forged = evil(&without_signature(assertion_of(response)));
            let detail =
                format!("<samlp:StatusDetail>{}{forged}{}</samlp:StatusDetail></samlp:Status>", wrap.0, wrap.1);
            swap(response, "</samlp:Status>", &detail)
        });
        assert!(matches!(rule, "shape" | "id"), "{rule}");
    }
}

#[test]
fn two_elements_with_one_id_are_refused() {
    let rule = signed_after(|draft| draft.replace(id_of(assertion_of(draft)), id_of(draft)));
    assert_eq!(rule, "id");
}

#[test]
fn ids_in_other_spellings_are_refused() {
    for (attribute, wanted) in [("x:ID", "id"), ("xml:id", "id"), ("id", "id"), ("Id", "id")] {
        let rule = altered_after(Signs::Assertion, |response| {
            swap(response, "<saml:Subject>", &format!("<saml:Subject xmlns:x=\"urn:x\" {attribute}=\"_1\">"))
        });
        assert_eq!(rule, wanted, "{attribute}");
    }
    let prefixed = |response: &str| response.replacen(" ID=\"", " xmlns:x=\"urn:x\" x:ID=\"", 1);
    assert_eq!(altered_after(Signs::Assertion, prefixed), "id");
}
