//! About whom a signal is (RFC 9493, and the complex subjects of Shared Signals Framework 1.0 section 3.3).
//!
//! People are named as the connector named them at sign-in, or by an address of a domain that the administrator gave the
//! connector. Phone numbers, accounts, decentralized and assertion ids name nobody whom we could find and are refused, and so
//! is a subject with members that its format does not have.

use serde_json::{Map, Value};

use super::{TransmitterSettings, short};
use crate::upstream::Error;
use crate::upstream::oidc::{clean, refused};

/// Most ways to name one person.
const MAX_ALIASES: usize = 8;

/// About whom a signal is: somebody under each of these names, one of their sessions, or a session whosever it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignalSubject {
    /// What the connector calls the person: `sub`, `NameID`.
    pub names: Vec<String>,
    /// Addresses of the person.
    pub emails: Vec<String>,
    /// What the provider calls the session.
    pub session: Option<String>,
    /// Whether it is about less than the person's whole account: a session, a device, another application.
    pub is_narrow: bool,
}

/// Reads `sub_id`, which stands beside the event and never in it.
///
/// # Errors
/// `Refused` by `subject`.
pub(super) fn read(
    value: Option<&Value>,
    event: &Map<String, Value>,
    settings: &TransmitterSettings,
) -> Result<SignalSubject, Error> {
    if event.contains_key("subject") {
        return Err(wrong("the subject is in the event, as drafts had it, and not in `sub_id`"));
    }
    let Some(Value::Object(members)) = value else { return Err(wrong("there is no `sub_id`")) };
    let mut subject = SignalSubject::default();
    if format(members)? != "complex" {
        person(members, settings, &mut subject)?;
        return Ok(subject);
    }
    for (name, value) in members.iter().filter(|(name, _)| name.as_str() != "format") {
        let Value::Object(part) = value else { return Err(wrong("a part of `sub_id` is no object")) };
        match name.as_str() {
            "user" => person(part, settings, &mut subject)?,
            "session" => {
                subject.is_narrow = true;
                subject.session = session(part)?;
            }
            // A person's name there is good in one tenant only, which the name tells.
            "tenant" => drop(format(part)?),
            _ => {
                format(part)?;
                subject.is_narrow = true;
            }
        }
    }
    if subject.names.is_empty() && subject.emails.is_empty() && subject.session.is_none() {
        return Err(wrong("`sub_id` names neither a person nor a session"));
    }
    Ok(subject)
}

fn wrong(reason: &str) -> Error {
    refused("subject", reason)
}

fn format(members: &Map<String, Value>) -> Result<&str, Error> {
    members.get("format").and_then(Value::as_str).ok_or_else(|| wrong("a subject has no `format`"))
}

/// The one member of a format besides its name.
fn only<'a>(members: &'a Map<String, Value>, names: &[&str]) -> Result<Vec<&'a Value>, Error> {
    let found: Vec<&Value> = names.iter().filter_map(|name| members.get(*name)).collect();
    if found.len() == names.len() && members.len() == names.len() + 1 {
        Ok(found)
    } else {
        Err(wrong("a subject has not the members of its format"))
    }
}

fn name(value: &Value) -> Result<String, Error> {
    short(Some(value)).ok_or_else(|| wrong("a subject's name is no text of 1 to 255 characters"))
}

/// The name of a session; `None` for a form of which we know none: then all of the person's are meant, to be safe.
fn session(members: &Map<String, Value>) -> Result<Option<String>, Error> {
    match (format(members)?, only(members, &["id"])) {
        ("opaque", Ok(id)) => id.first().map(|id| name(id)).transpose(),
        ("opaque", Err(error)) => Err(error),
        _ => Ok(None),
    }
}

fn person(members: &Map<String, Value>, settings: &TransmitterSettings, into: &mut SignalSubject) -> Result<(), Error> {
    if format(members)? != "aliases" {
        return simple(members, settings, into);
    }
    let only = only(members, &["identifiers"])?;
    let Some(Value::Array(all)) = only.first() else { return Err(wrong("aliases are no list")) };
    if all.is_empty() || all.len() > MAX_ALIASES {
        return Err(wrong("a subject has no aliases, or too many"));
    }
    // One that we know is enough; the others are of systems that are none of ours.
    let mut outcome = Ok(());
    for alias in all {
        let Value::Object(alias) = alias else { return Err(wrong("an alias is no object")) };
        outcome = simple(alias, settings, into).and(outcome);
    }
    if into.names.is_empty() && into.emails.is_empty() { outcome } else { Ok(()) }
}

fn simple(members: &Map<String, Value>, settings: &TransmitterSettings, into: &mut SignalSubject) -> Result<(), Error> {
    match format(members)? {
        "iss_sub" => {
            let found = only(members, &["iss", "sub"])?;
            let [issuer, subject] = found.as_slice() else { return Err(wrong("`iss` or `sub` is missing")) };
            let issuer = issuer.as_str().unwrap_or_default();
            if !settings.subject_issuers.iter().any(|own| own == issuer) {
                return Err(wrong(&format!("the person is one of `{}`, not of this provider", clean(issuer))));
            }
            into.names.push(name(subject)?);
        }
        "opaque" => {
            for id in only(members, &["id"])? {
                into.names.push(name(id)?);
            }
        }
        "email" => {
            let found = only(members, &["email"])?;
            let [email] = found.as_slice() else { return Err(wrong("`email` is missing")) };
            let email = name(email)?;
            let domain = email.rsplit_once('@').filter(|(local, _)| !local.is_empty()).map(|(_, domain)| domain);
            let is_theirs = |domain: &str| settings.domains.iter().any(|own| own.eq_ignore_ascii_case(domain));
            if !domain.is_some_and(is_theirs) {
                return Err(wrong("the address is in none of the connector's `domains`"));
            }
            into.emails.push(email);
        }
        other => return Err(wrong(&format!("subjects of the format `{}` are not known here", clean(other)))),
    }
    Ok(())
}
