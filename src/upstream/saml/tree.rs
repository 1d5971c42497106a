//! The strict tree of a message and the rules of its structure.
//!
//! What may stand where is a closed table of the Web Browser SSO profile (saml-profiles-2.0-os section 4.1): an element
//! that is not in it, in a place that is not its own or once too often refuses the message. Identifiers are unique,
//! namespaces absolute, and text that names somebody or something is free of characters that deceive.

use std::collections::BTreeSet;

use roxmltree::{Document, Node};

use super::{encrypted, refused};
use crate::upstream::Error;

/// Namespace of requests and responses.
pub(crate) const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
/// Namespace of assertions.
pub(crate) const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
/// Namespace of metadata.
pub(crate) const METADATA: &str = "urn:oasis:names:tc:SAML:2.0:metadata";
/// Namespace of signatures.
pub(crate) const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
/// Namespace and identifier of exclusive canonicalization.
pub(crate) const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";

/// Namespace of encrypted data.
pub(crate) const XENC: &str = "http://www.w3.org/2001/04/xmlenc#";
/// Namespace of what XML Encryption 1.1 added.
pub(crate) const XENC11: &str = "http://www.w3.org/2009/xmlenc11#";

const MAX_ID_BYTES: usize = 256;
/// The messages that are read, which have identifiers.
const MESSAGES: [&str; 3] = ["Response", "LogoutRequest", "LogoutResponse"];

/// Parses text that passed the gate.
///
/// # Errors
/// `Refused` with rule `xml` when it is not well-formed.
pub(crate) fn parse(text: &str) -> Result<Document<'_>, Error> {
    Document::parse(text).map_err(|error| refused("xml", error.to_string()))
}

/// A child that an element may have, and how often.
type Child = (&'static str, &'static str, usize);

pub(super) const MANY: usize = usize::MAX;

/// A table of structure: what an element of this namespace and name may contain, `None` when it has no place.
pub(super) type Structure = fn(&str, &str) -> Option<Content>;

/// What an element may contain.
pub(super) enum Content {
    /// Nothing but white space.
    Empty,
    /// What another table says, which starts with the element itself.
    As(Structure),
    /// These elements, and white space between them.
    Elements(&'static [Child]),
    /// Text that names somebody or something.
    Name,
    /// What nobody reads: anything outside the namespaces of the profile.
    Opaque,
    /// Text.
    Text,
    /// What is left out of everything that is read.
    Unread,
    /// Text that people and mapping rules read.
    Value,
}

/// The table of responses.
pub(super) fn response_content(namespace: &str, name: &str) -> Option<Content> {
    use Content::{As, Elements, Empty, Name, Opaque, Text, Value};
    Some(match (namespace, name) {
        (PROTOCOL, "Response") => Elements(&[
            (ASSERTION, "Issuer", 1),
            (DSIG, "Signature", 1),
            (PROTOCOL, "Status", 1),
            (ASSERTION, "Assertion", 1),
            (ASSERTION, "EncryptedAssertion", 1),
        ]),
        (ASSERTION, "EncryptedAssertion") => As(encrypted::content),
        (PROTOCOL, "Status") => {
            Elements(&[(PROTOCOL, "StatusCode", 1), (PROTOCOL, "StatusMessage", 1), (PROTOCOL, "StatusDetail", 1)])
        }
        (PROTOCOL, "StatusCode") => Elements(&[(PROTOCOL, "StatusCode", 1)]),
        (PROTOCOL, "StatusMessage") => Text,
        (PROTOCOL, "StatusDetail") => Opaque,
        (ASSERTION, "Assertion") => Elements(&[
            (ASSERTION, "Issuer", 1),
            (DSIG, "Signature", 1),
            (ASSERTION, "Subject", 1),
            (ASSERTION, "Conditions", 1),
            (ASSERTION, "AuthnStatement", 1),
            (ASSERTION, "AttributeStatement", MANY),
        ]),
        (ASSERTION, "Subject") => Elements(&[(ASSERTION, "NameID", 1), (ASSERTION, "SubjectConfirmation", MANY)]),
        (ASSERTION, "SubjectConfirmation") => Elements(&[(ASSERTION, "SubjectConfirmationData", 1)]),
        (ASSERTION, "Conditions") => {
            Elements(&[(ASSERTION, "AudienceRestriction", MANY), (ASSERTION, "OneTimeUse", 1)])
        }
        (ASSERTION, "AudienceRestriction") => Elements(&[(ASSERTION, "Audience", MANY)]),
        (ASSERTION, "AuthnStatement") => Elements(&[(ASSERTION, "SubjectLocality", 1), (ASSERTION, "AuthnContext", 1)]),
        (ASSERTION, "AuthnContext") => Elements(&[
            (ASSERTION, "AuthnContextClassRef", 1),
            (ASSERTION, "AuthnContextDeclRef", 1),
            (ASSERTION, "AuthenticatingAuthority", MANY),
        ]),
        (ASSERTION, "AttributeStatement") => Elements(&[(ASSERTION, "Attribute", MANY)]),
        (ASSERTION, "Attribute") => Elements(&[(ASSERTION, "AttributeValue", MANY)]),
        (ASSERTION, "Issuer" | "NameID" | "Audience") => Name,
        (ASSERTION, "AttributeValue") => Value,
        (ASSERTION, "AuthnContextClassRef" | "AuthnContextDeclRef" | "AuthenticatingAuthority") => Text,
        (ASSERTION, "SubjectConfirmationData" | "OneTimeUse" | "SubjectLocality") => Empty,
        (DSIG, _) | (EXCLUSIVE, _) => return signature_content(namespace, name),
        _ => return None,
    })
}

/// The part of the table for signatures (XML-Signature section 4). What a certificate holder says is never used, so
/// that `X509Data` is all that may be said about the key.
pub(super) fn signature_content(namespace: &str, name: &str) -> Option<Content> {
    use Content::{Elements, Empty, Text};
    Some(match (namespace, name) {
        (DSIG, "Signature") => Elements(&[(DSIG, "SignedInfo", 1), (DSIG, "SignatureValue", 1), (DSIG, "KeyInfo", 1)]),
        (DSIG, "SignedInfo") => {
            Elements(&[(DSIG, "CanonicalizationMethod", 1), (DSIG, "SignatureMethod", 1), (DSIG, "Reference", 1)])
        }
        (DSIG, "Reference") => {
            Elements(&[(DSIG, "Transforms", 1), (DSIG, "DigestMethod", 1), (DSIG, "DigestValue", 1)])
        }
        (DSIG, "Transforms") => Elements(&[(DSIG, "Transform", 2)]),
        (DSIG, "CanonicalizationMethod" | "Transform") => Elements(&[(EXCLUSIVE, "InclusiveNamespaces", 1)]),
        (DSIG, "KeyInfo") => Elements(&[(DSIG, "X509Data", MANY)]),
        (DSIG, "X509Data") => Elements(&[
            (DSIG, "X509Certificate", MANY),
            (DSIG, "X509IssuerSerial", MANY),
            (DSIG, "X509SKI", MANY),
            (DSIG, "X509SubjectName", MANY),
        ]),
        (DSIG, "X509IssuerSerial") => Elements(&[(DSIG, "X509IssuerName", 1), (DSIG, "X509SerialNumber", 1)]),
        (DSIG, "SignatureValue" | "DigestValue" | "X509Certificate" | "X509SKI" | "X509SubjectName") => Text,
        (DSIG, "X509IssuerName" | "X509SerialNumber") => Text,
        (DSIG, "SignatureMethod" | "DigestMethod") | (EXCLUSIVE, "InclusiveNamespaces") => Empty,
        _ => return None,
    })
}

/// Checks the signature of a whole metadata document, which is a child of its root, against the table. What it says about
/// its key is left out like the rest of it, so that it may be anything.
///
/// # Errors
/// `Refused` with rule `signature` when there is none, `shape` when there are several; as [`check_response`].
pub(super) fn check_document_signature(document: &Document<'_>) -> Result<(), Error> {
    let root = document.root_element();
    let mut signatures = children(root, DSIG, "Signature");
    let signature = signatures.next().ok_or_else(|| refused("signature", "the document is not signed"))?;
    if signatures.next().is_some() {
        return Err(shape(root, "has more than one signature"));
    }
    let structure: Structure = |namespace, name| match (namespace, name) {
        (DSIG, "KeyInfo") => Some(Content::Unread),
        _ => signature_content(namespace, name),
    };
    check_element(signature, structure, &mut BTreeSet::new())
}

/// Checks a whole response against the table. It holds one assertion at most, encrypted or not.
///
/// # Errors
/// `Refused` with rule `shape`, `id`, `namespace` or `characters`.
pub(super) fn check_response(document: &Document<'_>) -> Result<(), Error> {
    let root = document.root_element();
    check(document, "Response", response_content)?;
    let assertions =
        root.children().filter(|node| matches!(node.tag_name().name(), "Assertion" | "EncryptedAssertion"));
    if assertions.count() > 1 { Err(shape(root, "holds more than one assertion")) } else { Ok(()) }
}

/// Checks a whole message, whose root has this name, against a table.
///
/// # Errors
/// As [`check_response`].
pub(super) fn check(document: &Document<'_>, name: &str, structure: Structure) -> Result<(), Error> {
    let root = document.root_element();
    if !is(root, PROTOCOL, name) {
        return Err(refused("shape", format!("`{}` is no `{name}`", printable(root.tag_name().name()))));
    }
    check_element(root, structure, &mut BTreeSet::new())
}

fn check_element<'d>(node: Node<'d, '_>, structure: Structure, ids: &mut BTreeSet<&'d str>) -> Result<(), Error> {
    let name = node.tag_name();
    let content = structure(name.namespace().unwrap_or_default(), name.name());
    let content = content.ok_or_else(|| shape(node, "has no place here"))?;
    if let Content::As(other) = content {
        return check_element(node, other, ids);
    }
    check_attributes(node, ids)?;
    match content {
        Content::As(_) | Content::Empty => check_counts(node, &[]),
        Content::Elements(allowed) => {
            check_counts(node, allowed)?;
            node.children().filter(Node::is_element).try_for_each(|child| check_element(child, structure, ids))
        }
        Content::Name => check_name(text(node)?, name.name()),
        Content::Opaque => check_opaque(node, ids),
        Content::Text => text(node).map(drop),
        Content::Unread => Ok(()),
        Content::Value => text(node).and_then(check_value),
    }
}

/// Every child is allowed, as often as it is there.
fn check_counts(node: Node<'_, '_>, allowed: &[Child]) -> Result<(), Error> {
    let mut counts = [0usize; 8];
    for child in node.children() {
        if child.is_text() {
            if !child.text().unwrap_or_default().bytes().all(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r')) {
                return Err(shape(node, "has text between its elements"));
            }
            continue;
        }
        let place = allowed.iter().position(|(namespace, name, _)| is(child, namespace, name));
        let place = place.ok_or_else(|| shape(child, "does not stand in its place"))?;
        if let (Some(count), Some((_, _, most))) = (counts.get_mut(place), allowed.get(place)) {
            *count += 1;
            if *count > *most {
                return Err(shape(child, "is there too often"));
            }
        }
    }
    Ok(())
}

/// `ID` on messages and assertions and `Id` on parts of signatures and of what is encrypted are the only identifiers, and each is unique.
fn check_attributes<'d>(node: Node<'d, '_>, ids: &mut BTreeSet<&'d str>) -> Result<(), Error> {
    // The namespaces in scope are many; those that are new here stand in the tag. Most tags have no attribute at all.
    let tag = start_tag(node).as_bytes();
    if memchr::memchr(b'=', tag).is_some() && memchr::memmem::find(tag, b"xmlns").is_some() {
        node.namespaces().try_for_each(|namespace| check_namespace(namespace.uri()))?;
    }
    for attribute in node.attributes().filter(|attribute| attribute.name().eq_ignore_ascii_case("id")) {
        let of_part = matches!(node.tag_name().namespace(), Some(DSIG | XENC));
        let of_message = is(node, ASSERTION, "Assertion") || MESSAGES.iter().any(|name| is(node, PROTOCOL, name));
        let expected = (of_message && attribute.name() == "ID") || (of_part && attribute.name() == "Id");
        if attribute.namespace().is_some() || !expected {
            return Err(refused("id", format!("`{}` on `{}`", attribute.name(), node.tag_name().name())));
        }
        let value = attribute.value();
        if value.len() > MAX_ID_BYTES || !is_id(value) {
            return Err(refused("id", "an id is too long, or is no name of ASCII characters (xs:ID)"));
        }
        if !ids.insert(value) {
            return Err(refused("id", "two elements have one id"));
        }
    }
    Ok(())
}

/// A namespace is an absolute URI (RFC 3986 sections 2, 3.1 and 3.2): relative and empty ones canonicalize differently, and other
/// parsers refuse what no URI is. One with a host has a plain one, without a user, and digits for its port.
fn check_namespace(uri: &str) -> Result<(), Error> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let (scheme, rest) = uri.split_once(':').unwrap_or_default();
    let is_visible = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#@!$&'()*+,;=%".contains(&byte);
    let is_escaped = |rest: &str| rest.as_bytes().get(..2).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
    let is_uri = uri.bytes().all(is_visible)
        && uri.split('%').skip(1).all(is_escaped)
        && uri.bytes().filter(|byte| *byte == b'#').count() <= 1
        && rest.strip_prefix("//").map_or(!rest.is_empty(), has_plain_host);
    if is_uri && scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(fits) {
        Ok(())
    } else {
        Err(refused("namespace", "a namespace is not an absolute URI"))
    }
}

/// Whether what follows `//` in a URI begins with a host of letters, digits, `.`, `-`, `_` and `~`, and maybe a port.
fn has_plain_host(rest: &str) -> bool {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, port) = authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let is_port = |port: &str| (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit());
    !host.is_empty() && host.bytes().all(is_host) && port.is_none_or(is_port)
}

/// What SAML asks of ids (saml-core section 1.3.4: xs:ID), of ASCII characters; but for the first one, which is a digit at some
/// providers.
fn is_id(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

/// The tag of an element as written; of one without children all of it.
fn start_tag<'d>(node: Node<'d, '_>) -> &'d str {
    let end = node.first_child().map_or(node.range().end, |child| child.range().start);
    node.document().input_text().get(node.range().start..end).unwrap_or_default()
}

fn check_opaque<'d>(node: Node<'d, '_>, ids: &mut BTreeSet<&'d str>) -> Result<(), Error> {
    for inner in node.descendants().skip(1).filter(Node::is_element) {
        check_attributes(inner, ids)?;
        let namespace = inner.tag_name().namespace();
        if matches!(namespace, Some(PROTOCOL | ASSERTION | DSIG | XENC))
            || matches!(inner.tag_name().name(), "Assertion" | "Response")
        {
            return Err(shape(inner, "does not stand in its place"));
        }
    }
    Ok(())
}

/// Text that is compared or becomes an identity: not empty, no white space around it, nothing invisible.
pub(super) fn check_name(text: &str, what: &str) -> Result<(), Error> {
    let invisible = |c: char| matches!(c, '\u{200c}' | '\u{200d}' | '\u{2028}' | '\u{2029}') || deceives(c);
    if text.is_empty() || text.trim() != text || text.chars().any(invisible) {
        let problem = "is empty, or has white space around it or characters that do not show";
        return Err(refused("characters", format!("`{what}` {problem}")));
    }
    Ok(())
}

/// Text of an attribute: it may hold the two joiners that Persian and Indic scripts need, nothing else that does not
/// show.
fn check_value(text: &str) -> Result<(), Error> {
    if text.chars().any(deceives) {
        return Err(refused("characters", "an attribute contains characters that do not show"));
    }
    Ok(())
}

/// Control characters, marks of direction and what takes no width.
fn deceives(c: char) -> bool {
    match c {
        ' '..='~' => false,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{feff}' => true,
        '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}' => true,
        _ => c.is_control(),
    }
}

/// Whether an element has this name.
pub(crate) fn is(node: Node<'_, '_>, namespace: &str, name: &str) -> bool {
    node.is_element() && node.tag_name().name() == name && node.tag_name().namespace() == Some(namespace)
}

/// The first child with this name.
pub(crate) fn child<'d, 'i>(node: Node<'d, 'i>, namespace: &str, name: &str) -> Option<Node<'d, 'i>> {
    children(node, namespace, name).next()
}

/// The children with this name, in order.
pub(crate) fn children<'d, 'i, 'n>(
    node: Node<'d, 'i>,
    namespace: &'n str,
    name: &'n str,
) -> impl Iterator<Item = Node<'d, 'i>> + use<'d, 'i, 'n> {
    node.children().filter(move |child| is(*child, namespace, name))
}

/// The only child with this name.
///
/// # Errors
/// `Refused` with rule `shape` when there is none.
pub(crate) fn required<'d, 'i>(node: Node<'d, 'i>, namespace: &str, name: &str) -> Result<Node<'d, 'i>, Error> {
    child(node, namespace, name).ok_or_else(|| shape(node, &format!("has no `{name}`")))
}

/// An attribute without namespace.
///
/// # Errors
/// `Refused` with rule `shape` when it is missing.
pub(crate) fn attribute<'d>(node: Node<'d, '_>, name: &str) -> Result<&'d str, Error> {
    optional_attribute(node, name).ok_or_else(|| shape(node, &format!("has no `{name}`")))
}

/// An attribute without namespace, if it is there.
pub(crate) fn optional_attribute<'d>(node: Node<'d, '_>, name: &str) -> Option<&'d str> {
    node.attributes().find(|a| a.namespace().is_none() && a.name() == name).map(|a| a.value())
}

/// The text of an element that holds nothing else; empty when it holds nothing.
///
/// # Errors
/// `Refused` with rule `shape` when it holds anything but one piece of text.
pub(crate) fn text<'d>(node: Node<'d, '_>) -> Result<&'d str, Error> {
    let mut inner = node.children();
    match (inner.next(), inner.next()) {
        (None, _) => Ok(""),
        (Some(only), None) if only.is_text() => Ok(only.text().unwrap_or_default()),
        _ => Err(shape(node, "holds more than text")),
    }
}

/// Text from a message for a log line: visible ASCII, at most 100 characters.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).take(100).collect()
}

fn shape(node: Node<'_, '_>, what: &str) -> Error {
    refused("shape", format!("`{}` {what}", printable(node.tag_name().name())))
}
