//! Fills signature templates: a document contains `ds:Signature` elements without values, and each gets its digest and
//! its signature. A template may say anything; what it means for a verifier is not this module's concern.

use aws_lc_rs::digest;
use base64::{Engine, prelude::BASE64_STANDARD};
use roxmltree::{Document, Node};

use super::{Error, IdpKey, KeyKind, quoted};
use crate::upstream::saml::canonical::{self, Options, qualified_name};
use crate::upstream::saml::tree::{DSIG, EXCLUSIVE, child, is};

/// A template for a signature that refers to the element with this id, in the shape of the SAML standard.
pub fn template(id: &str, kind: KeyKind) -> String {
    let (method, digest) = match kind {
        KeyKind::EcdsaP256 => ("xmldsig-more#ecdsa-sha256", "xmlenc#sha256"),
        KeyKind::EcdsaP384 => ("xmldsig-more#ecdsa-sha384", "xmldsig-more#sha384"),
        KeyKind::Rsa2048 => ("xmldsig-more#rsa-sha256", "xmlenc#sha256"),
    };
    format!(
        "<ds:Signature xmlns:ds=\"{DSIG}\"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm=\"{EXCLUSIVE}\"/>\
         <ds:SignatureMethod Algorithm=\"http://www.w3.org/2001/04/{method}\"/><ds:Reference URI=\"#{}\">\
         <ds:Transforms><ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/>\
         <ds:Transform Algorithm=\"{EXCLUSIVE}\"/></ds:Transforms>\
         <ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/{digest}\"/><ds:DigestValue/></ds:Reference>\
         </ds:SignedInfo><ds:SignatureValue/></ds:Signature>",
        quoted(id)
    )
}

/// Fills every template of a document, the inner ones first. A digest is that of the element around the signature.
///
/// # Errors
/// `Unsignable` when the document is not well-formed or a template lacks a part; `Key` when the key does not sign.
pub fn fill(document: &str, key: &IdpKey) -> Result<String, Error> {
    let mut text = document.to_owned();
    while let Some(next) = fill_innermost(&text, key)? {
        text = next;
    }
    Ok(text)
}

/// Fills the template that starts last, which has no other within; `None` when there is none left.
///
/// # Errors
/// As [`fill`].
pub fn fill_innermost(text: &str, key: &IdpKey) -> Result<Option<String>, Error> {
    let document = parse(text)?;
    let Some(place) = last_template(&document) else { return Ok(None) };
    let signature = place.parent().ok_or_else(|| unsignable("a signature value without signature"))?;
    let parent = signature.parent().ok_or_else(|| unsignable("a signature without an element around it"))?;
    let info = part(signature, "SignedInfo")?;
    let reference = part(info, "Reference")?;
    let options = child(reference, DSIG, "Transforms").map(options).unwrap_or_default();
    let content = canonical::render(parent, Some(signature), &options);
    let hash = hash_of(part(reference, "DigestMethod")?);
    let value = BASE64_STANDARD.encode(digest::digest(hash, content.as_bytes()));
    let with_digest = put(text, part(reference, "DigestValue")?, &value);

    let document = parse(&with_digest)?;
    let place = last_template(&document).ok_or_else(|| unsignable("the template is gone"))?;
    let signature = place.parent().ok_or_else(|| unsignable("a signature value without signature"))?;
    let info = part(signature, "SignedInfo")?;
    let message = canonical::render(info, None, &options_of(info));
    let value = key.sign(hash_of(part(info, "SignatureMethod")?), message.as_bytes())?;
    Ok(Some(put(&with_digest, place, &BASE64_STANDARD.encode(value))))
}

fn parse(text: &str) -> Result<Document<'_>, Error> {
    Document::parse(text).map_err(|error| unsignable(&error.to_string()))
}

fn last_template<'d, 'i>(document: &'d Document<'i>) -> Option<Node<'d, 'i>> {
    document.descendants().rfind(|node| is(*node, DSIG, "SignatureValue") && !node.has_children())
}

fn options_of<'d>(info: Node<'d, '_>) -> Options<'d> {
    child(info, DSIG, "CanonicalizationMethod").map(options).unwrap_or_default()
}

/// The prefix list that stands anywhere in a node.
fn options<'d>(node: Node<'d, '_>) -> Options<'d> {
    let list = node.descendants().find(|inner| is(*inner, EXCLUSIVE, "InclusiveNamespaces"));
    list.and_then(|list| list.attribute("PrefixList")).map(Options::with_prefix_list).unwrap_or_default()
}

/// The hash that an algorithm identifier ends in; SHA-256 where it says nothing.
fn hash_of(method: Node<'_, '_>) -> &'static digest::Algorithm {
    match method.attribute("Algorithm").unwrap_or_default() {
        uri if uri.ends_with("sha384") => &digest::SHA384,
        uri if uri.ends_with("sha512") => &digest::SHA512,
        uri if uri.ends_with("#sha1") => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        _ => &digest::SHA256,
    }
}

/// The document with an empty element filled.
fn put(text: &str, node: Node<'_, '_>, value: &str) -> String {
    let name = qualified_name(node);
    let before = text.get(..node.range().start).unwrap_or_default();
    let after = text.get(node.range().end..).unwrap_or_default();
    format!("{before}<{name}>{value}</{name}>{after}")
}

fn part<'d, 'i>(node: Node<'d, 'i>, name: &str) -> Result<Node<'d, 'i>, Error> {
    child(node, DSIG, name).ok_or_else(|| unsignable(&format!("a signature template without `{name}`")))
}

fn unsignable(reason: &str) -> Error {
    Error::Unsignable { reason: reason.to_owned() }
}
