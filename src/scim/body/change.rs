//! From one state of a resource to the next: what is required stays, what is immutable is set once (RFC 7643 section
//! 7, RFC 7644 sections 3.5.1 and 3.5.2).

use serde_json::{Map, Value};

use super::Resource;
use crate::filter::is_present;
use crate::scim::Error;
use crate::scim::schema::{Attribute, Mutability, Schema, Shape, Type};

/// How a request says what is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// It names what changes: what is gone was taken away.
    Patch,
    /// It names everything: what a client may not change or cannot see stays without being named.
    Put,
}

/// What a resource becomes that was `before` and is asked to be `after`.
///
/// # Errors
/// `Mutability` when an immutable value would change, `InvalidValue` when something required would go. What was missing
/// before may go on missing: an attribute that became required later must not keep anybody from being deactivated.
pub fn settle(shape: &Shape<'_>, before: &Resource, mut after: Resource, manner: Manner) -> Result<Resource, Error> {
    settle_part(shape.core.attributes(), before, &mut after, manner)?;
    for extension in shape.extensions {
        let schema = &*extension.schema;
        if !schema.attributes().iter().any(is_special) {
            continue;
        }
        let old = before.get(&*schema.id).and_then(Value::as_object);
        let mut new = match after.remove(&*schema.id) {
            Some(Value::Object(new)) => new,
            _ => Map::new(),
        };
        settle_part(schema.attributes(), old.unwrap_or(&Map::new()), &mut new, manner)?;
        if !new.is_empty() {
            after.insert(schema.id.to_string(), Value::Object(new));
        }
    }
    check_required(shape, Some(before), &after)?;
    super::size::check(Some(before), &after)?;
    Ok(after)
}

/// Whether a change of the attribute, or of a part of it, is anything but free.
fn is_special(attribute: &Attribute) -> bool {
    attribute.mutability != Mutability::ReadWrite || attribute.subs.iter().any(is_special)
}

fn settle_part(
    attributes: &[Attribute],
    before: &Map<String, Value>,
    after: &mut Map<String, Value>,
    manner: Manner,
) -> Result<(), Error> {
    for attribute in attributes.iter().filter(|attribute| is_special(attribute)) {
        let name = &*attribute.name;
        let Some(old) = before.get(name).filter(|old| is_present(old)) else { continue };
        let new = after.get(name);
        match (attribute.mutability, new) {
            (Mutability::ReadOnly, _) | (Mutability::WriteOnly, None) if manner == Manner::Put => {
                after.insert(name.to_owned(), old.clone());
            }
            (Mutability::Immutable, None) if manner == Manner::Put => {
                after.insert(name.to_owned(), old.clone());
            }
            (Mutability::Immutable, new) => {
                if !new.is_some_and(|new| is_same(attribute, old, new)) {
                    return Err(Error::Mutability(format!("`{name}` is set already and cannot be changed")));
                }
                after.insert(name.to_owned(), old.clone());
            }
            _ if attribute.kind == Type::Complex && !attribute.multi_valued => {
                let mut inner = match after.remove(name) {
                    Some(Value::Object(inner)) => inner,
                    _ => Map::new(),
                };
                settle_part(&attribute.subs, old.as_object().unwrap_or(&Map::new()), &mut inner, manner)?;
                if !inner.is_empty() {
                    after.insert(name.to_owned(), Value::Object(inner));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether an element of a list keeps the parts that are set once.
///
/// # Errors
/// `Mutability`.
pub fn check_element(attribute: &Attribute, old: &Value, new: &Value) -> Result<(), Error> {
    for sub in attribute.subs.iter().filter(|sub| sub.mutability == Mutability::Immutable) {
        let (old, new) = (old.get(&*sub.name).filter(|old| is_present(old)), new.get(&*sub.name));
        if old.is_some_and(|old| !new.is_some_and(|new| is_same(sub, old, new))) {
            let name = format!("{}.{}", attribute.name, sub.name);
            return Err(Error::Mutability(format!("`{name}` is set already and cannot be changed")));
        }
    }
    Ok(())
}

/// Whether two values of an attribute are the same, lists in whatever order (`caseExact`, RFC 7643 section 7).
pub fn is_same(attribute: &Attribute, a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().all(|a| b.iter().any(|b| is_same(attribute, a, b)))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(name, a)| {
                    let sub = attribute.sub(name);
                    b.get(name).is_some_and(|b| sub.map_or(a == b, |sub| is_same(sub, a, b)))
                })
        }
        (Value::String(a), Value::String(b)) if !attribute.case_exact => {
            a == b || a.chars().flat_map(char::to_lowercase).eq(b.chars().flat_map(char::to_lowercase))
        }
        (a, b) => a == b,
    }
}

/// Checks that everything required is there, also within extensions and complex values that are there.
///
/// # Errors
/// `InvalidValue`; not for what `before` lacks too.
pub fn check_required(shape: &Shape<'_>, before: Option<&Resource>, after: &Resource) -> Result<(), Error> {
    let lacking = lacking(shape, after);
    if lacking.is_empty() {
        return Ok(());
    }
    let known = before.map(|before| self::lacking(shape, before)).unwrap_or_default();
    match lacking.into_iter().find(|name| !known.contains(name)) {
        Some(name) => Err(Error::InvalidValue(format!("`{name}` is required"))),
        None => Ok(()),
    }
}

fn lacking(shape: &Shape<'_>, resource: &Resource) -> Vec<String> {
    let mut names = lacking_of(shape.core, resource);
    for extension in shape.extensions {
        let schema = &*extension.schema;
        match resource.get(&*schema.id).and_then(Value::as_object).filter(|inner| inner.values().any(is_present)) {
            Some(inner) => {
                names.extend(lacking_of(schema, inner).into_iter().map(|name| format!("{}:{name}", schema.id)));
            }
            None if extension.required => names.push(schema.id.to_string()),
            None => {}
        }
    }
    names
}

fn lacking_of(schema: &Schema, values: &Map<String, Value>) -> Vec<String> {
    let mut names = Vec::new();
    for attribute in schema.attributes() {
        let value = values.get(&*attribute.name).filter(|value| is_present(value));
        if value.is_none() && attribute.required {
            names.push(attribute.name.to_string());
        }
        let Some(value) = value.filter(|_| attribute.subs.iter().any(|sub| sub.required)) else { continue };
        let elements = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        for sub in attribute.subs.iter().filter(|sub| sub.required) {
            if elements.iter().any(|element| !element.get(&*sub.name).is_some_and(is_present)) {
                names.push(format!("{}.{}", attribute.name, sub.name));
            }
        }
    }
    names
}

#[cfg(test)]
mod tests;
