//! Which attribute becomes which part of the identity.

use super::*;

fn attribute(name: &str, values: &[&str]) -> String {
    let values: String = values.iter().map(|v| format!("<saml:AttributeValue>{v}</saml:AttributeValue>")).collect();
    format!("<saml:Attribute {name}>{values}</saml:Attribute>")
}

/// The answer to an assertion with this name identifier format and these attributes.
fn read(change: impl Fn(&mut Settings), format: &str, attributes: &str) -> Result<AssertedIdentity, Error> {
    let mut settings = settings(&RSA.metadata());
    change(&mut settings);
    let stage = Stage::with(RSA.clone(), settings);
    let draft = swap(&stage.draft(), "1.1:nameid-format:emailAddress", format);
    let own = part(&draft, "<saml:AttributeStatement>", "</saml:AttributeStatement>").to_owned();
    let statement = format!("<saml:AttributeStatement>{attributes}</saml:AttributeStatement>");
    stage.finish(&stage.sign(&swap(&draft, &own, &statement)))
}

const EMAIL: &str = "1.1:nameid-format:emailAddress";
const PERSISTENT: &str = "2.0:nameid-format:persistent";
const TRANSIENT: &str = "2.0:nameid-format:transient";

#[test]
fn attributes_by_object_identifier_or_friendly_name_are_found() {
    let oid = "Name=\"urn:oid:0.9.2342.19200300.100.1.3\" FriendlyName=\"mail\"";
    let attributes = [
        attribute(oid, &["ada@corp.example"]),
        attribute("Name=\"urn:x:1\" FriendlyName=\"groups\"", &["a", "b"]),
        attribute("Name=\"urn:oid:0.9.2342.19200300.100.1.1\"", &["ada"]),
    ];
    let identity = read(|_| {}, PERSISTENT, &attributes.concat()).expect("accepted");
    assert_eq!(identity.email(), Some("ada@corp.example"));
    assert_eq!(identity.groups(), ["a", "b"]);
    assert_eq!((identity.subject(), identity.user_name()), ("ada@example.org", "ada"));
}

#[test]
fn a_configured_user_name_must_be_sent() {
    let configure = |settings: &mut Settings| settings.attributes.user_name = vec!["login".to_owned()];
    let identity = read(configure, EMAIL, &attribute("Name=\"login\"", &["ada"])).expect("accepted");
    assert_eq!((identity.subject(), identity.user_name()), ("ada@example.org", "ada"));
    for missing in
        [attribute("Name=\"Login\"", &["ada"]), attribute("Name=\"login\"", &[""]), attribute("Name=\"login\"", &[])]
    {
        assert_eq!(rule(read(configure, EMAIL, &missing)), "attributes");
    }
}

#[test]
fn an_address_is_verified_only_in_a_configured_domain() {
    let domains = |settings: &mut Settings| settings.domains = vec!["Example.org".to_owned()];
    let verified = |change: &dyn Fn(&mut Settings), email: &str| {
        read(change, EMAIL, &attribute("Name=\"email\"", &[email])).expect("accepted").email_is_verified()
    };
    assert!(!verified(&|_| {}, "ada@example.org"));
    assert!(verified(&domains, "ada@example.org"));
    assert!(verified(&domains, "ada@EXAMPLE.ORG"));
    assert!(!verified(&domains, "ada@sub.example.org"));
    assert!(!verified(&domains, "ada@example.org.evil.example"));
    assert!(!verified(&domains, "example.org@evil.example"));
}

#[test]
fn what_is_no_address_is_no_email() {
    for email in ["ada", "ada@", "@example.org", "a@b@example.org"] {
        let identity = read(|_| {}, EMAIL, &attribute("Name=\"email\"", &[email])).expect("accepted");
        assert_eq!(identity.email(), None, "{email}");
    }
}

#[test]
fn a_transient_name_needs_an_attribute_that_is_stable() {
    assert_eq!(rule(read(|_| {}, TRANSIENT, &attribute("Name=\"groups\"", &["a"]))), "subject");
    let stable = attribute("Name=\"urn:oasis:names:tc:SAML:attribute:subject-id\"", &["ada@campus.example"]);
    let identity = read(|_| {}, TRANSIENT, &stable).expect("accepted");
    assert_eq!((identity.subject(), identity.user_name()), ("ada@campus.example", "ada@campus.example"));
}

#[test]
fn a_link_instead_of_the_groups_is_refused() {
    let link = attribute("Name=\"http://schemas.microsoft.com/claims/groups.link\"", &["https://graph.example/x"]);
    assert_eq!(rule(read(|_| {}, EMAIL, &link)), "groups");
}

#[test]
fn attributes_of_one_name_are_joined_and_statements_too() {
    let more =
        format!("{0}</saml:AttributeStatement><saml:AttributeStatement>{0}", attribute("Name=\"x\"", &["1", "", "2"]));
    let identity = read(|_| {}, EMAIL, &more).expect("accepted");
    assert_eq!(identity.attributes()["x"], ["1", "", "2", "1", "", "2"]);
}

#[test]
fn an_assertion_without_attributes_is_enough() {
    let stage = Stage::new(RSA.clone());
    let draft = stage.draft();
    let own = part(&draft, "<saml:AttributeStatement>", "</saml:AttributeStatement>");
    let identity = stage.finish(&stage.sign(&swap(&draft, own, ""))).expect("accepted");
    assert_eq!((identity.user_name(), identity.email()), ("ada@example.org", Some("ada@example.org")));
    assert_eq!((identity.display_name(), identity.groups().len()), (None, 0));
}
