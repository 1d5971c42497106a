//! The provider's metadata and ours.

use super::*;

fn parse(text: &str) -> Result<IdpMetadata, String> {
    IdpMetadata::parse(text.as_bytes()).map_err(|error| error.to_string())
}

/// What is wrong with the sandbox's metadata after a change.
fn problem(from: &str, to: &str) -> String {
    parse(&swap(&RSA.metadata(), from, to)).expect_err("refused")
}

fn key() -> String {
    part(&RSA.metadata(), "<md:KeyDescriptor", "</md:KeyDescriptor>").to_owned()
}

#[test]
fn metadata_is_read() {
    let metadata = parse(&RSA.metadata()).expect("metadata");
    assert_eq!(metadata.entity_id(), "https://idp.example.org/metadata");
    assert_eq!(metadata.sign_in_address(Binding::Redirect).map(url::Url::as_str), Some("https://idp.example.org/sso"));
    assert_eq!((metadata.key_count(), metadata.wants_signed_requests(), metadata.valid_until()), (1, false, None));
    let wants = swap(&RSA.metadata(), "WantAuthnRequestsSigned=\"false\"", "WantAuthnRequestsSigned=\"true\"");
    assert!(parse(&wants).expect("metadata").wants_signed_requests());
}

#[test]
fn metadata_without_a_signing_key_is_refused() {
    assert!(problem(&key(), "").contains("no signing key"));
    assert!(problem("use=\"signing\"", "use=\"encryption\"").contains("no signing key"));
    let certificate = BASE64_STANDARD.encode(RSA.key().certificate());
    assert!(problem(&certificate, "").contains("no X.509 certificate"));
    assert!(problem(&certificate, "AAAA").contains("no X.509 certificate"));
    assert!(problem(&certificate, "!").contains("not base64"));
    assert!(problem("ds:X509Certificate>", "ds:X509CRL>").contains("no signing key"));
}

#[test]
fn a_key_of_an_unusable_kind_is_refused_with_its_kind() {
    let made = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
    let certificate = rcgen::CertificateParams::default().self_signed(&made).expect("a certificate");
    let old = BASE64_STANDARD.encode(RSA.key().certificate());
    let reason = problem(&old, &BASE64_STANDARD.encode(certificate.der()));
    assert!(reason.contains("no usable signing key"), "{reason}");
}

#[test]
fn a_key_without_use_signs() {
    assert_eq!(parse(&swap(&RSA.metadata(), " use=\"signing\"", "")).expect("metadata").key_count(), 1);
}

#[test]
fn a_wrapped_provider_is_found_and_several_are_refused() {
    let one = RSA.metadata();
    let entity = &one[one.find("<md:EntityDescriptor").expect("it")..];
    let wrap = |inner: &str| {
        format!(
            "<md:EntitiesDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\">{inner}</md:EntitiesDescriptor>"
        )
    };
    let service = "<md:EntityDescriptor entityID=\"urn:sp\"><md:SPSSODescriptor/></md:EntityDescriptor>";
    assert!(parse(&wrap(&format!("<!-- ours -->{service}{entity}"))).is_ok());
    assert!(parse(&wrap(&wrap(entity))).is_ok());
    assert!(parse(&wrap(&entity.repeat(2))).expect_err("refused").contains("more than one"));
    assert!(parse(&wrap(service)).expect_err("refused").contains("no SAML 2.0 identity provider"));
    assert!(parse(service).is_err());
}

#[test]
fn metadata_without_an_address_to_sign_in_is_refused() {
    assert!(problem("HTTP-Redirect", "HTTP-Artifact").contains("HTTP-Redirect"));
    for wrong in ["javascript:alert(1)", "/sso", "file:///x", "https://idp.example.org/#x"] {
        assert!(!problem("https://idp.example.org/sso", wrong).is_empty(), "{wrong}");
    }
}

#[test]
fn hostile_metadata_is_refused() {
    assert!(problem("<md:EntityDescriptor", "<!DOCTYPE x [<!ENTITY a \"b\">]><md:EntityDescriptor").contains("xml"));
    assert!(problem("</md:EntityDescriptor>", "").contains("xml"));
    assert!(problem("/metadata\"", "/metadata \"").contains("entityID"));
    assert!(problem("entityID=\"", "entityID=\"\u{202e}").contains("entityID"));
    assert!(problem("SAML:2.0:protocol", "SAML:1.1:protocol").contains("no SAML 2.0 identity provider"));
    assert!(parse(&" ".repeat(1024 * 1024 + 1)).expect_err("refused").contains("size"));
    let other_key = || part(&idp(KeyKind::EcdsaP256).metadata(), "<md:KeyD", "</md:KeyDescriptor>").to_owned();
    let keys: String = (0..9).map(|_| other_key()).collect();
    assert!(problem(&key(), &keys).contains("more than 8"));
}

#[test]
fn metadata_that_has_ended_is_not_used() {
    let end = START.plus(minutes(10));
    let metadata = swap(&RSA.metadata(), "entityID=", &format!("validUntil=\"{end}\" entityID="));
    let stage = Stage::with(RSA.clone(), settings(&metadata));
    let response = stage.signed();
    assert_eq!(stage.connector.idp().valid_until(), Some(end));
    stage.clock.advance(minutes(10));
    assert!(matches!(stage.finish(&response), Err(Error::Unavailable { .. })));
    let start = stage.connector.start().now_or_never().expect("at once");
    assert!(matches!(start, Err(Error::Unavailable { reason }) if reason.contains("ended")));
}

#[test]
fn our_metadata_says_who_we_are_and_where_to_answer() {
    let stage = Stage::new(RSA.clone());
    let (media_type, document) = stage.connector.metadata().expect("a document");
    assert_eq!(media_type, "application/samlmetadata+xml");
    let tree = roxmltree::Document::parse(&document).expect("XML");
    assert_eq!(tree.root_element().attribute("entityID"), Some(ENTITY));
    let find = |name: &str| tree.descendants().find(|node| node.tag_name().name() == name).expect("it");
    assert_eq!(find("SPSSODescriptor").attribute("WantAssertionsSigned"), Some("true"));
    assert_eq!(find("AssertionConsumerService").attribute("Location"), Some(CONSUMER));
    assert!(
        find("AssertionConsumerService").attribute("Binding").is_some_and(|binding| binding.ends_with("HTTP-POST"))
    );
}

#[test]
fn a_request_says_who_asks_and_carries_no_address_in_its_handle() {
    let stage = Stage::new(RSA.clone());
    let start = stage.connector.start().now_or_never().expect("at once").expect("a start");
    let location = url::Url::parse(&start.location).expect("an address");
    assert!(start.location.starts_with("https://idp.example.org/sso?SAMLRequest="));
    let (_, relay_state) = location.query_pairs().find(|(name, _)| name == "RelayState").expect("a handle");
    assert_eq!(relay_state, start.handle);
    assert!(start.handle.len() == 43 && start.handle.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
    let (_, parameter) = location.query_pairs().find(|(name, _)| name == "SAMLRequest").expect("a request");
    let request = Request::parse(&parameter).expect("a request");
    assert_eq!((request.issuer.as_str(), request.consumer.as_str()), (ENTITY, CONSUMER));
    assert!(request.id.len() == 33 && request.id.starts_with('_'));
    assert_ne!(request.id, stage.request.id);
}

#[test]
fn an_address_with_a_query_keeps_it() {
    let metadata = swap(&RSA.metadata(), "https://idp.example.org/sso", "https://idp.example.org/sso?idpid=C0&amp;x=1");
    let stage = Stage::with(RSA.clone(), settings(&metadata));
    let start = stage.connector.start().now_or_never().expect("at once").expect("a start");
    assert!(start.location.starts_with("https://idp.example.org/sso?idpid=C0&x=1&SAMLRequest="));
}
