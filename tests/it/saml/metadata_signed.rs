//! Metadata whose signer the administrator names: nothing of a document is read that the signer did not hash.

use cleargate::upstream::saml::{Reading, Signers};

use super::*;

const ENTITY_ID: &str = "https://idp.example.org/metadata";
const ROOT: &str = "<md:EntityDescriptor ";

/// Who signs for a federation.
static FEDERATION: LazyLock<IdpKey> =
    LazyLock::new(|| IdpKey::generate(KeyKind::Rsa2048, "federation").expect("a key"));
static SECOND: LazyLock<IdpKey> = LazyLock::new(|| IdpKey::generate(KeyKind::EcdsaP256, "federation").expect("a key"));

fn pem(keys: &[&IdpKey]) -> String {
    let block = |key: &&IdpKey| {
        let text = BASE64_STANDARD.encode(key.certificate());
        format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    };
    keys.iter().map(block).collect()
}

fn signers(keys: &[&IdpKey]) -> Signers {
    Signers::from_pem(pem(keys).as_bytes()).expect("signers")
}

fn reading() -> Reading {
    Reading { signers: Some(signers(&[&FEDERATION])), ..Reading::default() }
}

fn read(text: &str) -> Result<IdpMetadata, String> {
    IdpMetadata::parse_as(text.as_bytes(), &reading()).map_err(|error| error.reason)
}

/// Why a document is refused.
fn refused(text: &str) -> String {
    read(text).expect_err("refused")
}

/// The provider's document with a place for a signature, as a signer would fill it.
fn draft(kind: KeyKind) -> String {
    let document = swap(&RSA.metadata(), ROOT, "<md:EntityDescriptor ID=\"_m\" ");
    swap(&document, "<md:IDPSSODescriptor", &format!("{}<md:IDPSSODescriptor", sign::template("_m", kind)))
}

fn signed_by(key: &IdpKey) -> String {
    sign::fill(&draft(key.kind()), key).expect("signed")
}

/// A part of a document with its tags.
fn whole<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let from = text.find(start).expect("its start");
    let to = from + text[from..].find(end).expect("its end") + end.len();
    &text[from..to]
}

fn signature(text: &str) -> &str {
    whole(text, "<ds:Signature ", "</ds:Signature>")
}

#[test]
fn what_one_of_the_signers_signed_is_read() {
    let idp = read(&signed_by(&FEDERATION)).expect("read");
    assert_eq!((idp.entity_id(), idp.key_count()), (ENTITY_ID, 1));
    let both = Reading { signers: Some(signers(&[&FEDERATION, &SECOND])), ..Reading::default() };
    for key in [&*FEDERATION, &*SECOND] {
        assert!(IdpMetadata::parse_as(signed_by(key).as_bytes(), &both).is_ok());
    }
    // Whatever it says about its key, which nobody asks.
    let said = "<ds:KeyInfo><ds:KeyName>x</ds:KeyName><ds:KeyValue/></ds:KeyInfo></ds:Signature>";
    assert!(read(&swap(&signed_by(&FEDERATION), "</ds:Signature>", said)).is_ok());
    // Comments are not hashed, and not read.
    let commented = swap(&signed_by(&FEDERATION), "<md:IDPSSODescriptor", "<!-- x --><md:IDPSSODescriptor");
    assert!(read(&commented).is_ok());
}

#[test]
fn what_nobody_signed_or_somebody_else_is_refused() {
    assert!(refused(&RSA.metadata()).contains("is not signed"));
    for key in [&*SECOND, RSA.key(), ATTACKER.key()] {
        assert!(refused(&signed_by(key)).contains("signed_by"), "the document vouches for no key of its own");
    }
    let real = signed_by(&FEDERATION);
    let key = BASE64_STANDARD.encode(RSA.key().certificate());
    let forged = swap(&real, &key, &BASE64_STANDARD.encode(ATTACKER.key().certificate()));
    assert!(refused(&forged).contains("digest"), "its keys are others");
    assert!(refused(&swap(&real, ENTITY_ID, "https://evil.example/metadata")).contains("digest"));
    assert!(refused(&swap(&real, "URI=\"#_m\"", "URI=\"\"")).contains("reference"));
    assert!(refused(&swap(&real, "ID=\"_m\"", "ID=\"_n\"")).contains("reference"));
    let twice = swap(&real, signature(&real), &signature(&real).repeat(2));
    assert!(refused(&twice).contains("more than one signature"));
    // What is in a signature beside what is read of it is in no hash.
    for more in ["<ds:Object/>", "<x xmlns=\"urn:x\"/>", "words"] {
        assert!(
            refused(&swap(&real, "</ds:Signature>", &format!("{more}</ds:Signature>"))).contains("shape"),
            "{more}"
        );
    }
    let sha1 = swap(&draft(KeyKind::Rsa2048), "2001/04/xmldsig-more#rsa-sha256", "2000/09/xmldsig#rsa-sha1");
    assert!(refused(&sign::fill(&sha1, &FEDERATION).expect("signed")).contains("algorithm"));
    let transform = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
    let selects = swap(&draft(KeyKind::Rsa2048), transform, "http://www.w3.org/TR/1999/REC-xpath-19991116");
    assert!(refused(&sign::fill(&selects, &FEDERATION).expect("signed")).contains("transform"));
}

#[test]
fn a_signature_of_a_part_vouches_for_nothing_around_it() {
    let real = signed_by(&FEDERATION);
    let entity = real[real.find(ROOT).expect("it")..].trim();
    let signature = signature(&real);
    let bare = swap(entity, signature, "");
    let mine = {
        let key = BASE64_STANDARD.encode(RSA.key().certificate());
        swap(&bare, &key, &BASE64_STANDARD.encode(ATTACKER.key().certificate()))
    };
    let list = |attributes: &str, inner: &str| {
        format!(
            "<md:EntitiesDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\"{attributes}>{inner}</md:EntitiesDescriptor>"
        )
    };
    let extensions = |inner: &str| format!("<md:Extensions>{inner}</md:Extensions><md:IDPSSODescriptor");
    let evil = swap(&mine, "ID=\"_m\"", "ID=\"_evil\"");
    for (case, document) in [
        ("the signed one beside another", list("", &format!("{entity}{evil}"))),
        ("another root around it", list("", entity)),
        ("a root that borrows its id", list(" ID=\"_m\"", entity)),
        ("the signature moved to a root around it", list(" ID=\"_m\"", &format!("{signature}{bare}"))),
        ("the signed one in extensions", swap(&evil, "<md:IDPSSODescriptor", &extensions(entity))),
        (
            "the signature in another document, the signed one in extensions",
            swap(&evil, "<md:IDPSSODescriptor", &format!("{signature}{}", extensions(&bare))),
        ),
        (
            "the signed one inside of the signature",
            swap(
                &mine,
                "<md:IDPSSODescriptor",
                &format!(
                    "{}<md:IDPSSODescriptor",
                    swap(signature, "</ds:Signature>", &format!("<ds:Object>{bare}</ds:Object></ds:Signature>"))
                ),
            ),
        ),
        (
            "the signed one in what is said about the key",
            swap(
                &mine,
                "<md:IDPSSODescriptor",
                &format!(
                    "{}<md:IDPSSODescriptor",
                    swap(signature, "</ds:Signature>", &format!("<ds:KeyInfo>{bare}</ds:KeyInfo></ds:Signature>"))
                ),
            ),
        ),
        ("a root of another kind", format!("<x ID=\"_m\">{signature}{bare}</x>")),
    ] {
        assert!(read(&document).is_err(), "{case}: {document}");
    }
}

#[test]
fn an_aggregate_is_read_by_the_signature_around_it() {
    let one = RSA.metadata();
    let entity = one[one.find(ROOT).expect("it")..].trim();
    let others: String =
        (0..3_000).map(|n| swap(entity, "entityID=\"https://idp", &format!("entityID=\"https://idp{n}"))).collect();
    let list = format!(
        "<md:EntitiesDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" ID=\"_all\" \
         validUntil=\"2040-01-01T00:00:00Z\">{}{others}{entity}</md:EntitiesDescriptor>",
        sign::template("_all", KeyKind::Rsa2048)
    );
    let signed = sign::fill(&list, &FEDERATION).expect("signed");
    let wanted = Reading { entity: Some(ENTITY_ID.to_owned()), max_bytes: 16 << 20, ..reading() };
    let idp = IdpMetadata::parse_as(signed.as_bytes(), &wanted).expect("read");
    assert_eq!((idp.entity_id(), idp.key_count()), (ENTITY_ID, 1));
    assert!(idp.valid_until().is_some(), "what the root says counts");
    let longer = swap(&signed, "2040-01-01", "2050-01-01");
    assert!(IdpMetadata::parse_as(longer.as_bytes(), &wanted).expect_err("refused").reason.contains("digest"));
    let more = swap(&signed, "</md:EntitiesDescriptor>", &format!("{entity}</md:EntitiesDescriptor>"));
    assert!(IdpMetadata::parse_as(more.as_bytes(), &wanted).expect_err("refused").reason.contains("digest"));
}

/// What a signature says about its key is in no hash, and so the one place in a signed document where anything can be hidden.
#[test]
fn a_provider_hidden_in_the_signature_is_not_found() {
    let one = RSA.metadata();
    let entity = one[one.find(ROOT).expect("it")..].trim();
    let other = swap(entity, "entityID=\"https://idp", "entityID=\"https://idp1");
    let list = format!(
        "<md:EntitiesDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" ID=\"_all\">{}{other}</md:EntitiesDescriptor>",
        sign::template("_all", KeyKind::Rsa2048)
    );
    let signed = sign::fill(&list, &FEDERATION).expect("signed");
    let mine = {
        let key = BASE64_STANDARD.encode(RSA.key().certificate());
        swap(entity, &key, &BASE64_STANDARD.encode(ATTACKER.key().certificate()))
    };
    let hidden = format!("<ds:KeyInfo>{mine}</ds:KeyInfo></ds:Signature>");
    let document = swap(&signed, "</ds:Signature>", &hidden);
    let wanted = |id: &str| Reading { entity: Some(id.to_owned()), ..reading() };
    let read = |id: &str| IdpMetadata::parse_as(document.as_bytes(), &wanted(id));
    assert!(read(ENTITY_ID).expect_err("refused").reason.contains("is no identity provider in it"));
    let other = read(&ENTITY_ID.replace("https://idp", "https://idp1")).expect("the signature holds");
    assert_eq!(other.key_count(), 1);
    assert!(IdpMetadata::parse_as(document.as_bytes(), &reading()).is_ok(), "there is one provider in it");
}

#[test]
fn signers_are_certificates_of_keys_that_are_accepted() {
    for wrong in ["", "junk", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        assert!(Signers::from_pem(wrong.as_bytes()).is_err(), "{wrong}");
    }
    assert!(Signers::from_pem(pem(&[&*FEDERATION; 9]).as_bytes()).expect_err("refused").reason.contains("more than 8"));
    let made = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
    let certificate = rcgen::CertificateParams::default().self_signed(&made).expect("a certificate");
    assert!(Signers::from_pem(certificate.pem().as_bytes()).is_err());
}
