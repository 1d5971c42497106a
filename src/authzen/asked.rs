//! A request as the standard writes it (sections 5 to 8), read into what the decision asks for.

use std::net::IpAddr;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value};

use super::Error;
use crate::clock::Timestamp;
use crate::http::parse_json;
use crate::model::{Scope, User, UserId, fold};

/// Longest type, name or id that is looked up; what is longer is nobody's.
const MAX_TEXT_BYTES: usize = 1024;
/// What is before the number of an employee who is named as an owner.
const EMPLOYEE: &str = "employee:";

/// The members of the body's object.
pub(super) struct Body(pub(super) Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Error;

    /// Only `application/json`, with or without parameters, is taken; everything else is 400 (section 10.1).
    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let mut kinds = request.headers().get_all(CONTENT_TYPE).iter();
        let kind = match (kinds.next(), kinds.next()) {
            (Some(kind), None) => kind.to_str().unwrap_or(""),
            _ => "",
        };
        let is_json = kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
        if !is_json {
            return Err(Error::Malformed("the Content-Type must be application/json".to_owned()));
        }
        let bytes = Bytes::from_request(request, state).await;
        let bytes = bytes.map_err(|_| Error::Malformed("the body cannot be read".to_owned()))?;
        match parse_json(&bytes) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            Ok(_) => Err(Error::Malformed("the body must be a JSON object".to_owned())),
            Err(error) => Err(Error::Malformed(format!("the body is not acceptable JSON: {error}"))),
        }
    }
}

/// Whether an entity is asked about, or asked for. Of one that is asked for, the id is not looked at (section 8.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    About,
    For,
}

/// Who would do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) kind: String,
    /// Empty for one that is asked for.
    pub(super) id: String,
}

/// To what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resource {
    pub(super) kind: String,
    pub(super) scope: Option<Scope>,
    owner: Option<String>,
}

/// Under which circumstances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Context {
    pub(super) at: Option<Timestamp>,
    /// From where, for the network rules; without it they are not asked.
    pub(super) ip: Option<IpAddr>,
}

impl Subject {
    pub(super) fn read(value: Option<&Value>, part: Part) -> Result<Self, Error> {
        let members = object("subject", value)?;
        properties("subject", members)?;
        let id = match part {
            Part::About => text("subject.id", members.get("id"))?,
            Part::For => String::new(),
        };
        Ok(Self { kind: text("subject.type", members.get("type"))?, id })
    }
}

impl Resource {
    pub(super) fn read(value: Option<&Value>, part: Part) -> Result<Self, Error> {
        let members = object("resource", value)?;
        let kind = text("resource.type", members.get("type"))?;
        let id = match part {
            Part::About => text("resource.id", members.get("id"))?,
            Part::For => String::new(),
        };
        let properties = properties("resource", members)?;
        let property = |name: &str| properties.and_then(|properties| properties.get(name));
        let scope = match property("scope") {
            None => id.parse().ok(),
            Some(value) => Some(parsed("resource.properties.scope", value)?),
        };
        let owner = match property("owner") {
            None => None,
            value => Some(text("resource.properties.owner", value)?),
        };
        Ok(Self { kind, scope, owner })
    }

    /// Whether an owner is named.
    pub(super) fn has_owner(&self) -> bool {
        self.owner.is_some()
    }

    /// The number of the employee who is named as the owner, by `employee:` and the number; no login name is meant by that.
    pub(super) fn owning_employee(&self) -> Option<&str> {
        self.owner.as_deref()?.strip_prefix(EMPLOYEE)
    }

    /// Whether the owner that is named, by id or login name, is this user.
    pub(super) fn is_owned_by(&self, user: &User) -> bool {
        self.owner.as_ref().is_some_and(|owner| match owner.parse::<UserId>() {
            Ok(id) => id == user.id,
            Err(_) => fold(owner) == user.user_name.folded(),
        })
    }
}

/// `action.name`.
pub(super) fn action(value: Option<&Value>) -> Result<String, Error> {
    let members = object("action", value)?;
    properties("action", members)?;
    text("action.name", members.get("name"))
}

impl Context {
    pub(super) fn read(value: Option<&Value>) -> Result<Self, Error> {
        let Some(value) = value else { return Ok(Self::default()) };
        let members = object("context", Some(value))?;
        let at = members.get("time").map(|value| parsed("context.time", value)).transpose()?;
        let ip = members.get("ip").map(|value| parsed("context.ip", value)).transpose()?;
        Ok(Self { at, ip })
    }
}

/// The object at `path`, which must be there. Null is none: a member without a value is left out.
pub(super) fn object<'a>(path: &str, value: Option<&'a Value>) -> Result<&'a Map<String, Value>, Error> {
    match value {
        None => Err(Error::malformed(path, "is required")),
        Some(Value::Object(members)) => Ok(members),
        Some(_) => Err(Error::malformed(path, "must be an object")),
    }
}

fn properties<'a>(path: &str, members: &'a Map<String, Value>) -> Result<Option<&'a Map<String, Value>>, Error> {
    match members.get("properties") {
        None => Ok(None),
        value => object(&format!("{path}.properties"), value).map(Some),
    }
}

fn text(path: &str, value: Option<&Value>) -> Result<String, Error> {
    match value {
        None => Err(Error::malformed(path, "is required")),
        Some(Value::String(text)) if text.len() <= MAX_TEXT_BYTES => Ok(text.clone()),
        Some(Value::String(_)) => Err(Error::malformed(path, format!("has more than {MAX_TEXT_BYTES} bytes"))),
        Some(_) => Err(Error::malformed(path, "must be text")),
    }
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(path: &str, value: &Value) -> Result<T, Error> {
    let text = text(path, Some(value))?;
    text.parse().map_err(|error| Error::malformed(path, format!("cannot be used: {error}")))
}

#[cfg(test)]
mod tests;
