//! How large texts and resources may be.

use serde_json::Value;

use super::Resource;
use crate::scim::Error;
use crate::scim::schema::{Attribute, Type};

/// Longest text, in bytes.
pub const MAX_TEXT_BYTES: usize = 4 * 1024;
/// Longest certificate, picture or other binary value, in bytes of its text.
pub const MAX_BINARY_BYTES: usize = 64 * 1024;
/// Largest canonical resource, in bytes of its JSON.
pub const MAX_RESOURCE_BYTES: usize = 128 * 1024;

/// A text that is not too long for what it is.
///
/// # Errors
/// `InvalidValue` naming the attribute.
pub(super) fn text(parent: Option<&Attribute>, attribute: &Attribute, text: &str) -> Result<Option<Value>, Error> {
    let is_picture = parent.is_some_and(|parent| parent.name == "photos") && attribute.name == "value";
    let most = if attribute.kind == Type::Binary || is_picture { MAX_BINARY_BYTES } else { MAX_TEXT_BYTES };
    if text.len() <= most {
        return Ok(Some(Value::String(text.to_owned())));
    }
    let name =
        parent.map_or_else(|| attribute.name.to_string(), |parent| format!("{}.{}", parent.name, attribute.name));
    Err(Error::InvalidValue(format!("`{name}` must have at most {most} bytes")))
}

/// Checks that a canonical resource is not too large. One that was larger before may shrink step by step.
///
/// # Errors
/// `InvalidValue` naming the attribute that takes most of the space.
pub(super) fn check(before: Option<&Resource>, after: &Resource) -> Result<(), Error> {
    let total = whole(after);
    if total <= MAX_RESOURCE_BYTES || before.is_some_and(|before| total <= whole(before)) {
        return Ok(());
    }
    let sizes = after.iter().map(|(name, value)| (of(value), name));
    let largest = sizes.max().map(|(_, name)| name.as_str()).unwrap_or_default();
    let reason =
        format!("the resource must have at most {MAX_RESOURCE_BYTES} bytes; most of its {total} has `{largest}`");
    Err(Error::InvalidValue(reason))
}

/// About how many bytes of JSON a resource takes.
fn whole(resource: &Resource) -> usize {
    let sizes = resource.iter().map(|(name, value)| name.len().saturating_add(of(value)).saturating_add(4));
    sizes.fold(2, usize::saturating_add)
}

/// Checks an attribute on its way through the steps of a PATCH, so that none of them has more to look at than a resource may
/// have. One that was larger before may shrink step by step.
///
/// # Errors
/// `InvalidValue` naming the attribute.
pub(in crate::scim) fn check_step(attribute: &Attribute, before: usize, after: usize) -> Result<(), Error> {
    if after <= MAX_RESOURCE_BYTES || after <= before {
        return Ok(());
    }
    let reason =
        format!("`{}` would have {after} bytes; a resource must have at most {MAX_RESOURCE_BYTES}", attribute.name);
    Err(Error::InvalidValue(reason))
}

/// About how many bytes of JSON a value takes.
pub(in crate::scim) fn of(value: &Value) -> usize {
    match value {
        Value::Array(values) => values.iter().fold(2, |sum, value| sum.saturating_add(of(value)).saturating_add(1)),
        Value::Object(map) => whole(map),
        Value::String(text) => text.len().saturating_add(2),
        Value::Bool(_) | Value::Null | Value::Number(_) => 8,
    }
}
