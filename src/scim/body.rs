//! What clients send, made canonical: names in the spelling of the schema, values of the schema's types, read-only and
//! unknown attributes left out (RFC 7643 section 2.2, RFC 7644 section 3.3).
//!
//! The canonical resource is a JSON object without `schemas`, `id`, `meta` and other read-only attributes; an
//! extension's attributes are below its URN. What is unassigned is absent (RFC 7643 section 2.5). Where clients are
//! known to differ from the RFC and mean the same, they are understood: booleans as text, a single value where a list
//! belongs, a plain value where an object with `value` belongs.

mod change;
pub(super) mod size;

use std::borrow::Cow;
use std::collections::HashSet;

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

use super::Error;
use super::schema::{Attribute, Mutability, Schema, Shape, Type};
use crate::clock::Timestamp;

pub use change::{Manner, check_element, check_required, is_same, settle};

/// A resource in canonical form.
pub type Resource = Map<String, Value>;

/// Most values of one list in a resource, members of a group apart.
pub const MAX_VALUES: usize = 500;

/// Makes a new resource canonical and checks that what is required is there.
///
/// # Errors
/// `InvalidSyntax` when `schemas` is missing or an attribute stands twice, `InvalidValue` for the rest.
pub fn resource(shape: &Shape<'_>, body: &Map<String, Value>) -> Result<Resource, Error> {
    let out = canonical(shape, body)?;
    check_required(shape, None, &out)?;
    size::check(None, &out)?;
    Ok(out)
}

/// Makes a whole resource canonical. What it becomes where there is one already, [`settle`] says.
///
/// # Errors
/// As [`resource`].
pub fn canonical(shape: &Shape<'_>, body: &Map<String, Value>) -> Result<Resource, Error> {
    check_schemas(body)?;
    let mut out = Resource::new();
    for (key, value) in body {
        if let Some(schema) = shape.extension(key) {
            if let Some(extension) = extension(schema, value)? {
                insert_once(&mut out, &schema.id, Value::Object(extension))?;
            }
            continue;
        }
        let Some(attribute) = shape.own(key).filter(|attribute| !attribute.is_read_only()) else { continue };
        if let Some(value) = value_of(attribute, value)? {
            insert_once(&mut out, &attribute.name, value)?;
        }
    }
    Ok(out)
}

fn check_schemas(body: &Map<String, Value>) -> Result<(), Error> {
    let schemas = body.iter().find(|(key, _)| key.eq_ignore_ascii_case("schemas")).map(|(_, value)| value);
    let is_list =
        |value: &Value| value.as_array().is_some_and(|list| !list.is_empty() && list.iter().all(|urn| urn.is_string()));
    // Clients list schemas of their own; those say nothing to us.
    if schemas.is_some_and(is_list) {
        return Ok(());
    }
    Err(Error::InvalidSyntax("`schemas` must list the URNs of the schemas in use".to_owned()))
}

fn extension(schema: &Schema, value: &Value) -> Result<Option<Map<String, Value>>, Error> {
    let inner = match value {
        Value::Null => return Ok(None),
        Value::Object(inner) => inner,
        _ => return Err(Error::InvalidValue(format!("`{}` must be an object", schema.id))),
    };
    let mut out = Map::new();
    for (key, value) in inner {
        let Some(attribute) = schema.attribute(key).filter(|attribute| !attribute.is_read_only()) else { continue };
        if let Some(value) = value_of(attribute, value)? {
            insert_once(&mut out, &attribute.name, value)?;
        }
    }
    Ok((!out.is_empty()).then_some(out))
}

fn insert_once(map: &mut Map<String, Value>, name: &str, value: Value) -> Result<(), Error> {
    match map.insert(name.to_owned(), value) {
        None => Ok(()),
        Some(_) => Err(Error::InvalidSyntax(format!("`{name}` stands twice, in different spellings"))),
    }
}

/// The canonical value of an attribute, `None` when that leaves it unassigned.
///
/// # Errors
/// `InvalidValue` for another type, two primary values or too many values.
pub fn value_of(attribute: &Attribute, value: &Value) -> Result<Option<Value>, Error> {
    if !attribute.multi_valued {
        return single(attribute, value);
    }
    let values = match value {
        Value::Array(values) => values.as_slice(),
        other => std::slice::from_ref(other),
    };
    let mut list = Vec::with_capacity(values.len());
    for value in values {
        list.extend(single(attribute, value)?);
    }
    finish_list(attribute, list)
}

/// One value, of a list or alone.
///
/// # Errors
/// As [`value_of`].
pub fn single(attribute: &Attribute, value: &Value) -> Result<Option<Value>, Error> {
    within(None, attribute, value)
}

/// The canonical value of a sub-attribute.
///
/// # Errors
/// As [`value_of`].
pub fn part(parent: &Attribute, sub: &Attribute, value: &Value) -> Result<Option<Value>, Error> {
    if sub.multi_valued { value_of(sub, value) } else { within(Some(parent), sub, value) }
}

fn within(parent: Option<&Attribute>, attribute: &Attribute, value: &Value) -> Result<Option<Value>, Error> {
    let wrong = |expected: &str| Err(Error::InvalidValue(format!("`{}` must be {expected}", attribute.name)));
    match (attribute.kind, value) {
        (_, Value::Null) => Ok(None),
        (Type::Boolean, Value::Bool(_)) => Ok(Some(value.clone())),
        (Type::Boolean, Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(Some(Value::Bool(true))),
        (Type::Boolean, Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(Some(Value::Bool(false))),
        (Type::Boolean, _) => wrong("true or false"),
        (Type::Complex, Value::Object(map)) => complex(attribute, map),
        (Type::Complex, Value::Array(values)) => match values.as_slice() {
            // A list of one where no list belongs, as Entra ID sends a manager.
            [] => Ok(None),
            [only @ (Value::Object(_) | Value::String(_))] if !attribute.multi_valued => single(attribute, only),
            _ => wrong("an object"),
        },
        (Type::Complex, plain @ Value::String(_)) if attribute.sub("value").is_some() => {
            complex(attribute, &Map::from_iter([("value".to_owned(), plain.clone())]))
        }
        (Type::Complex, _) => wrong("an object"),
        (Type::Decimal, Value::Number(_)) => Ok(Some(value.clone())),
        (Type::Decimal, _) => wrong("a number"),
        (Type::Integer, Value::Number(number)) if number.is_i64() => Ok(Some(value.clone())),
        (Type::Integer, _) => wrong("a whole number"),
        (Type::Binary, Value::String(text)) if !is_base64(text) => wrong("base64 (RFC 4648)"),
        (Type::DateTime, Value::String(text)) if text.parse::<Timestamp>().is_err() => {
            wrong("a time with its zone, such as 2026-11-22T08:00:00Z")
        }
        (Type::Binary | Type::DateTime | Type::Reference | Type::String, Value::String(value)) => {
            size::text(parent, attribute, value)
        }
        (Type::Binary | Type::DateTime | Type::Reference | Type::String, _) => wrong("a string"),
    }
}

fn complex(attribute: &Attribute, map: &Map<String, Value>) -> Result<Option<Value>, Error> {
    let mut out = Map::new();
    for (key, value) in map {
        let Some(sub) = attribute.sub(key).filter(|sub| sub.mutability != Mutability::ReadOnly) else { continue };
        if let Some(value) = part(attribute, sub, value)? {
            insert_once(&mut out, &sub.name, value)?;
        }
    }
    // An empty reference to somebody is how clients take one away.
    let is_blank = out.get("value").is_some_and(|value| value.as_str() == Some("")) && !attribute.multi_valued;
    Ok((!out.is_empty() && !is_blank).then_some(Value::Object(out)))
}

/// Whether the text is base64 of either alphabet, padded or not (RFC 7643 section 2.3.6); lines may be broken.
fn is_base64(text: &str) -> bool {
    const INDIFFERENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const ENGINES: [GeneralPurpose; 2] =
        [GeneralPurpose::new(&STANDARD, INDIFFERENT), GeneralPurpose::new(&URL_SAFE, INDIFFERENT)];
    let text: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    ENGINES.iter().any(|engine| engine.decode(&text).is_ok())
}

/// Finishes a list: without repetitions, with at most one primary value; `None` when it is empty.
///
/// # Errors
/// `InvalidValue`.
pub fn finish_list(attribute: &Attribute, list: Vec<Value>) -> Result<Option<Value>, Error> {
    let is_first = firsts(&list);
    let out: Vec<Value> =
        list.into_iter().zip(is_first).filter_map(|(value, is_first)| is_first.then_some(value)).collect();
    if out.iter().filter(|value| is_primary(value)).count() > 1 {
        return Err(Error::InvalidValue(format!("`{}` must have at most one primary value", attribute.name)));
    }
    if out.len() > MAX_VALUES {
        return Err(Error::InvalidValue(format!("`{}` must have at most {MAX_VALUES} values", attribute.name)));
    }
    Ok((!out.is_empty()).then_some(Value::Array(out)))
}

/// Of each value whether none before it is the same.
fn firsts(list: &[Value]) -> Vec<bool> {
    let mut seen = HashSet::new();
    list.iter().map(|value| identity(value).is_none_or(|identity| seen.insert(identity))).collect()
}

/// Whether a value of a list is marked as the preferred one.
pub fn is_primary(value: &Value) -> bool {
    value.get("primary") == Some(&Value::Bool(true))
}

/// What makes two values of a list the same: type and value (RFC 7643 section 2.4).
pub fn identity(value: &Value) -> Option<(Cow<'_, str>, Cow<'_, str>)> {
    let text = |name: &str| match value.get(name) {
        None | Some(Value::Null) => Cow::Borrowed(""),
        Some(Value::String(text)) => Cow::Borrowed(text.as_str()),
        Some(other) => Cow::Owned(other.to_string()),
    };
    value.get("value").map(|_| (text("type"), text("value")))
}

#[cfg(test)]
mod tests;
