//! What a response and its assertion must say to be an answer to our request (saml-profiles-2.0-os section 4.1.4): who
//! issued them, to whom, for which request, and when.
//!
//! [`read`] takes a [`VerifiedAssertion`], so that nothing here can look at anything but the bytes that were hashed.

use std::time::Duration;

use roxmltree::Node;

use super::signature::{Signed, VerifiedAssertion};
use super::tree::{
    self, ASSERTION, PROTOCOL, attribute, child, children, optional_attribute, printable, required, text,
};
use super::{refused, time};
use crate::clock::Timestamp;
use crate::upstream::Error;

pub(super) const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";
/// Longest name of a session or of a name space, in bytes.
const MAX_NAME_BYTES: usize = 512;
const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";

/// What an answer is compared with.
pub(super) struct Expected<'a> {
    /// The provider's entity id.
    pub(super) issuer: &'a str,
    /// Our entity id.
    pub(super) audience: &'a str,
    /// Our assertion consumer service.
    pub(super) recipient: &'a str,
    /// The id of our request; `None` where the provider may begin by itself.
    pub(super) request: Option<&'a str>,
    /// When we made it; without one, how old an answer may be.
    pub(super) requested: Timestamp,
    /// Whether the person had to sign in there anew.
    pub(super) is_forced: bool,
    /// The ways to authenticate of which we asked for one; none: any.
    pub(super) contexts: &'a [String],
    pub(super) now: Timestamp,
    pub(super) skew: Duration,
}

/// What a verified assertion says.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) id: String,
    pub(super) name_id: String,
    /// The name identifier's format; empty when it is not stated.
    pub(super) name_id_format: String,
    /// In whose name space the identifier is, and as whose member we are named, where it says so.
    pub(super) qualifiers: (Option<String>, Option<String>),
    /// When its confirmation ends, without skew.
    pub(super) until: Timestamp,
    pub(super) session_index: Option<String>,
    /// When it was issued.
    pub(super) issued: Timestamp,
    pub(super) attributes: Vec<Attribute>,
}

/// An attribute as it was sent.
#[derive(Debug)]
pub(super) struct Attribute {
    pub(super) name: String,
    pub(super) friendly_name: Option<String>,
    pub(super) values: Vec<String>,
}

/// Whether the provider says that it authenticated somebody. Looked at before the signature, because refusals are
/// rarely signed; believing a forged one lets nobody in.
///
/// # Errors
/// `Declined` with what it says instead.
pub(super) fn check_status(response: Node<'_, '_>) -> Result<(), Error> {
    check_version(response)?;
    let status = required(response, PROTOCOL, "Status")?;
    let code = required(status, PROTOCOL, "StatusCode")?;
    let value = attribute(code, "Value")?;
    if value == SUCCESS {
        return Ok(());
    }
    let inner = child(code, PROTOCOL, "StatusCode").and_then(|code| optional_attribute(code, "Value"));
    let words = [Some(value), inner].into_iter().flatten().map(|uri| uri.rsplit(':').next().unwrap_or_default());
    let message = child(status, PROTOCOL, "StatusMessage").map(text).transpose()?;
    let reason: Vec<String> = words.chain(message).map(printable).collect();
    Err(Error::Declined { reason: reason.join(": ") })
}

/// Checks the response around a verified assertion and reads the assertion. `message` is the response as received; it
/// is used only as far as its signature covers the assertion alone.
///
/// # Errors
/// `Refused` with rule `version`, `issuer`, `destination`, `in-response-to`, `time`, `confirmation`, `recipient`,
/// `audience`, `conditions`, `authentication`, `context` or `shape`.
pub(super) fn read(
    message: Node<'_, '_>,
    verified: &VerifiedAssertion,
    expected: &Expected<'_>,
) -> Result<Statement, Error> {
    let hashed = tree::parse(verified.text())?;
    let root = hashed.root_element();
    match verified.signed() {
        Signed::Response => {
            check_response(root, Signed::Response, expected)?;
            read_assertion(required(root, ASSERTION, "Assertion")?, expected)
        }
        Signed::Assertion => {
            check_response(message, Signed::Assertion, expected)?;
            read_assertion(root, expected)
        }
    }
}

fn check_response(response: Node<'_, '_>, signed: Signed, expected: &Expected<'_>) -> Result<(), Error> {
    if !tree::is(response, PROTOCOL, "Response") {
        return Err(refused("shape", "what was signed is no response"));
    }
    check_version(response)?;
    match child(response, ASSERTION, "Issuer") {
        Some(issuer) => check_issuer(issuer, expected.issuer)?,
        // saml-profiles-2.0-os section 4.1.4.2.
        None if signed == Signed::Response => return Err(refused("issuer", "a signed response names no issuer")),
        None => {}
    }
    match optional_attribute(response, "Destination") {
        Some(destination) if destination != expected.recipient => {
            return Err(refused("destination", format!("it is meant for `{}`", printable(destination))));
        }
        None if signed == Signed::Response => {
            return Err(refused("destination", "a signed response does not say where it is meant for"));
        }
        _ => {}
    }
    check_request(optional_attribute(response, "InResponseTo"), expected)?;
    check_issued(response, expected).map(drop)
}

fn read_assertion(assertion: Node<'_, '_>, expected: &Expected<'_>) -> Result<Statement, Error> {
    if !tree::is(assertion, ASSERTION, "Assertion") {
        return Err(refused("shape", "what was signed is no assertion"));
    }
    check_version(assertion)?;
    check_issuer(required(assertion, ASSERTION, "Issuer")?, expected.issuer)?;
    let issued = check_issued(assertion, expected)?;
    let subject = required(assertion, ASSERTION, "Subject")?;
    let name_id = required(subject, ASSERTION, "NameID")?;
    let qualifier = |name: &str| match optional_attribute(name_id, name) {
        Some(value) if value.len() > MAX_NAME_BYTES => Err(refused("size", format!("`{name}` is too long"))),
        value => Ok(value.map(str::to_owned)),
    };
    let until = check_confirmation(subject, expected)?;
    check_conditions(required(assertion, ASSERTION, "Conditions")?, expected)?;
    let session_index = check_authentication(assertion, expected)?;
    Ok(Statement {
        id: attribute(assertion, "ID")?.to_owned(),
        name_id: text(name_id)?.to_owned(),
        name_id_format: optional_attribute(name_id, "Format").unwrap_or_default().to_owned(),
        qualifiers: (qualifier("NameQualifier")?, qualifier("SPNameQualifier")?),
        until,
        session_index: session_index.map(str::to_owned),
        issued,
        attributes: read_attributes(assertion)?,
    })
}

pub(super) fn check_version(node: Node<'_, '_>) -> Result<(), Error> {
    if optional_attribute(node, "Version") == Some("2.0") {
        Ok(())
    } else {
        Err(refused("version", format!("`{}` is not of version 2.0", node.tag_name().name())))
    }
}

pub(super) fn check_issuer(issuer: Node<'_, '_>, expected: &str) -> Result<(), Error> {
    let format = optional_attribute(issuer, "Format");
    if !matches!(format, None | Some("urn:oasis:names:tc:SAML:2.0:nameid-format:entity")) {
        return Err(refused("issuer", "the issuer is not named by an entity id"));
    }
    let name = text(issuer)?;
    if name == expected {
        Ok(())
    } else {
        Err(refused("issuer", format!("issued by `{}`, not by `{}`", printable(name), printable(expected))))
    }
}

fn check_request(in_response_to: Option<&str>, expected: &Expected<'_>) -> Result<(), Error> {
    match (in_response_to, expected.request) {
        (Some(id), Some(request)) if id == request => Ok(()),
        (None, None) => Ok(()),
        (Some(_), _) => Err(refused("in-response-to", "it answers another request")),
        (None, Some(_)) => Err(refused("in-response-to", "it does not say which request it answers")),
    }
}

/// The answer is made after the request and not in the future.
fn check_issued(node: Node<'_, '_>, expected: &Expected<'_>) -> Result<Timestamp, Error> {
    let issued = time::parse(attribute(node, "IssueInstant")?)?;
    if issued > expected.now.plus(expected.skew) {
        return Err(refused("time", format!("issued at {issued}, which is in the future")));
    }
    if issued < expected.requested.minus(expected.skew) {
        return Err(refused("time", format!("issued at {issued}, before it was asked for, or long ago")));
    }
    Ok(issued)
}

/// Exactly one bearer confirmation, and it holds. Gives its end.
fn check_confirmation(subject: Node<'_, '_>, expected: &Expected<'_>) -> Result<Timestamp, Error> {
    let mut bearers = children(subject, ASSERTION, "SubjectConfirmation")
        .filter(|confirmation| optional_attribute(*confirmation, "Method") == Some(BEARER));
    let (Some(bearer), None) = (bearers.next(), bearers.next()) else {
        return Err(refused("confirmation", "there is not exactly one bearer confirmation"));
    };
    let data = child(bearer, ASSERTION, "SubjectConfirmationData")
        .ok_or_else(|| refused("confirmation", "the bearer confirmation says nothing"))?;
    match optional_attribute(data, "Recipient") {
        Some(recipient) if recipient == expected.recipient => {}
        Some(recipient) => return Err(refused("recipient", format!("it is meant for `{}`", printable(recipient)))),
        None => return Err(refused("recipient", "it does not say whom it is meant for")),
    }
    check_request(optional_attribute(data, "InResponseTo"), expected)?;
    let until = optional_attribute(data, "NotOnOrAfter")
        .ok_or_else(|| refused("confirmation", "the bearer confirmation does not end"))?;
    let until = time::parse(until)?;
    check_window(optional_attribute(data, "NotBefore"), Some(until), expected)?;
    Ok(until)
}

fn check_window(start: Option<&str>, end: Option<Timestamp>, expected: &Expected<'_>) -> Result<(), Error> {
    if let Some(start) = start.map(time::parse).transpose()?
        && expected.now.plus(expected.skew) < start
    {
        return Err(refused("time", format!("it is not valid before {start}")));
    }
    if let Some(end) = end
        && expected.now >= end.plus(expected.skew)
    {
        return Err(refused("time", format!("it ended at {end}")));
    }
    Ok(())
}

/// Every audience restriction names us, and there is one.
fn check_conditions(conditions: Node<'_, '_>, expected: &Expected<'_>) -> Result<(), Error> {
    let end = optional_attribute(conditions, "NotOnOrAfter").map(time::parse).transpose()?;
    check_window(optional_attribute(conditions, "NotBefore"), end, expected)?;
    let mut restrictions = children(conditions, ASSERTION, "AudienceRestriction").peekable();
    if restrictions.peek().is_none() {
        return Err(refused("audience", "it is not restricted to an audience"));
    }
    for restriction in restrictions {
        let mut named = false;
        for audience in children(restriction, ASSERTION, "Audience") {
            named |= text(audience)? == expected.audience;
        }
        if !named {
            return Err(refused("audience", format!("it is not meant for `{}`", expected.audience)));
        }
    }
    Ok(())
}

/// The one statement of authentication; gives the provider's session.
fn check_authentication<'d>(assertion: Node<'d, '_>, expected: &Expected<'_>) -> Result<Option<&'d str>, Error> {
    let statement = child(assertion, ASSERTION, "AuthnStatement")
        .ok_or_else(|| refused("authentication", "it does not say that somebody signed in"))?;
    let instant = time::parse(attribute(statement, "AuthnInstant")?)?;
    if instant > expected.now.plus(expected.skew) {
        return Err(refused("time", "the sign-in at the provider is in the future"));
    }
    if expected.is_forced && instant < expected.requested.minus(expected.skew) {
        return Err(refused("authentication", format!("the sign-in at the provider was at {instant}, not anew")));
    }
    check_context(statement, expected)?;
    let end = optional_attribute(statement, "SessionNotOnOrAfter").map(time::parse).transpose()?;
    check_window(None, end, expected)?;
    match optional_attribute(statement, "SessionIndex") {
        Some(index) if index.is_empty() || index.len() > MAX_NAME_BYTES => {
            Err(refused("size", format!("the name of the session is empty or has more than {MAX_NAME_BYTES} bytes")))
        }
        index => Ok(index),
    }
}

/// Where ways to authenticate were asked for, it was one of them.
fn check_context(statement: Node<'_, '_>, expected: &Expected<'_>) -> Result<(), Error> {
    if expected.contexts.is_empty() {
        return Ok(());
    }
    let context = child(statement, ASSERTION, "AuthnContext");
    let class = context.and_then(|context| child(context, ASSERTION, "AuthnContextClassRef")).map(text).transpose()?;
    match class {
        Some(class) if expected.contexts.iter().any(|asked| asked == class.trim()) => Ok(()),
        Some(class) => Err(refused("context", format!("authenticated by `{}`, not as asked for", printable(class)))),
        None => Err(refused("context", "it does not say how the person was authenticated")),
    }
}

fn read_attributes(assertion: Node<'_, '_>) -> Result<Vec<Attribute>, Error> {
    let statements = children(assertion, ASSERTION, "AttributeStatement");
    let attributes = statements.flat_map(|statement| children(statement, ASSERTION, "Attribute"));
    attributes
        .map(|node| {
            let values = children(node, ASSERTION, "AttributeValue");
            Ok(Attribute {
                name: attribute(node, "Name")?.to_owned(),
                friendly_name: optional_attribute(node, "FriendlyName").map(str::to_owned),
                values: values.map(|value| text(value).map(str::to_owned)).collect::<Result<_, Error>>()?,
            })
        })
        .collect()
}
