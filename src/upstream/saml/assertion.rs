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

const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";
const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";

/// What an answer is compared with.
pub(super) struct Expected<'a> {
    /// The provider's entity id.
    pub(super) issuer: &'a str,
    /// Our entity id.
    pub(super) audience: &'a str,
    /// Our assertion consumer service.
    pub(super) recipient: &'a str,
    /// The id of our request.
    pub(super) request: &'a str,
    /// When we made it.
    pub(super) requested: Timestamp,
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
    /// When its confirmation ends, without skew.
    pub(super) until: Timestamp,
    pub(super) session_index: Option<String>,
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
/// `audience`, `conditions`, `authentication` or `shape`.
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
    if let Some(issuer) = child(response, ASSERTION, "Issuer") {
        check_issuer(issuer, expected)?;
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
    check_issued(response, expected)
}

fn read_assertion(assertion: Node<'_, '_>, expected: &Expected<'_>) -> Result<Statement, Error> {
    if !tree::is(assertion, ASSERTION, "Assertion") {
        return Err(refused("shape", "what was signed is no assertion"));
    }
    check_version(assertion)?;
    check_issuer(required(assertion, ASSERTION, "Issuer")?, expected)?;
    check_issued(assertion, expected)?;
    let subject = required(assertion, ASSERTION, "Subject")?;
    let name_id = required(subject, ASSERTION, "NameID")?;
    let until = check_confirmation(subject, expected)?;
    check_conditions(required(assertion, ASSERTION, "Conditions")?, expected)?;
    let session_index = check_authentication(assertion, expected)?;
    Ok(Statement {
        id: attribute(assertion, "ID")?.to_owned(),
        name_id: text(name_id)?.to_owned(),
        name_id_format: optional_attribute(name_id, "Format").unwrap_or_default().to_owned(),
        until,
        session_index: session_index.map(str::to_owned),
        attributes: read_attributes(assertion)?,
    })
}

fn check_version(node: Node<'_, '_>) -> Result<(), Error> {
    if optional_attribute(node, "Version") == Some("2.0") {
        Ok(())
    } else {
        Err(refused("version", format!("`{}` is not of version 2.0", node.tag_name().name())))
    }
}

fn check_issuer(issuer: Node<'_, '_>, expected: &Expected<'_>) -> Result<(), Error> {
    let format = optional_attribute(issuer, "Format");
    if !matches!(format, None | Some("urn:oasis:names:tc:SAML:2.0:nameid-format:entity")) {
        return Err(refused("issuer", "the issuer is not named by an entity id"));
    }
    let name = text(issuer)?;
    if name == expected.issuer {
        Ok(())
    } else {
        Err(refused("issuer", format!("issued by `{}`, not by `{}`", printable(name), printable(expected.issuer))))
    }
}

fn check_request(in_response_to: Option<&str>, expected: &Expected<'_>) -> Result<(), Error> {
    match in_response_to {
        Some(id) if id == expected.request => Ok(()),
        Some(_) => Err(refused("in-response-to", "it answers another request")),
        None => Err(refused("in-response-to", "it does not say which request it answers")),
    }
}

/// The answer is made after the request and not in the future.
fn check_issued(node: Node<'_, '_>, expected: &Expected<'_>) -> Result<(), Error> {
    let issued = time::parse(attribute(node, "IssueInstant")?)?;
    if issued > expected.now.plus(expected.skew) {
        return Err(refused("time", format!("issued at {issued}, which is in the future")));
    }
    if issued < expected.requested.minus(expected.skew) {
        return Err(refused("time", format!("issued at {issued}, before it was asked for")));
    }
    Ok(())
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
    let end = optional_attribute(statement, "SessionNotOnOrAfter").map(time::parse).transpose()?;
    check_window(None, end, expected)?;
    Ok(optional_attribute(statement, "SessionIndex"))
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
