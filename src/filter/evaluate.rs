//! Evaluation over JSON objects, with or without a schema.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::Map;
use unicode_normalization::UnicodeNormalization;

use super::{AttributePath, Filter, Operator};
use crate::clock::Timestamp;
use crate::model::Value;

/// The type of an attribute as far as comparison cares (RFC 7643 section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Not known: two RFC 3339 times compare as times, two numbers as numbers, everything else as text.
    Any,
    /// A time; text that is none compares as nothing.
    DateTime,
    /// Text, also where it looks like a time or a number.
    Text,
}

/// What a schema says of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Its type.
    pub kind: Kind,
    /// Whether upper and lower case differ (`caseExact`).
    pub case_exact: bool,
}

/// A schema, asked for each comparison.
pub trait Facts {
    /// What is known of `urn:name.sub`. A name without URN may be of any schema; names come in any case.
    fn fact(&self, urn: Option<&str>, name: &str, sub: Option<&str>) -> Fact;
}

/// No schema: values compare as what they look like, text without regard to case.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSchema;

impl Facts for NoSchema {
    fn fact(&self, _: Option<&str>, _: &str, _: Option<&str>) -> Fact {
        Fact { kind: Kind::Any, case_exact: false }
    }
}

pub(super) fn matches(filter: &Filter, object: &Map<String, Value>, facts: &dyn Facts) -> bool {
    Scope { object, parent: None, facts }.matches(filter)
}

/// An object that names are looked up in: the resource, or an element of one of its attributes.
#[derive(Clone, Copy)]
struct Scope<'a> {
    object: &'a Map<String, Value>,
    parent: Option<&'a AttributePath>,
    facts: &'a dyn Facts,
}

impl<'a> Scope<'a> {
    fn matches(self, filter: &Filter) -> bool {
        match filter {
            Filter::And(parts) => parts.iter().all(|part| self.matches(part)),
            Filter::Or(parts) => parts.iter().any(|part| self.matches(part)),
            Filter::Not(inner) => !self.matches(inner),
            Filter::Present(path) => self.values(path).into_iter().any(is_present),
            Filter::Compare { path, operator, value } => self.compares(path, *operator, value),
            Filter::Element { path, filter } => self
                .elements(path)
                .into_iter()
                .any(|element| Scope { object: &element, parent: Some(path), facts: self.facts }.matches(filter)),
        }
    }

    fn compares(self, path: &AttributePath, operator: Operator, wanted: &Value) -> bool {
        let values: Vec<&Value> = self.values(path).into_iter().filter(|value| is_present(value)).collect();
        if wanted.is_null() {
            return match operator {
                Operator::Equal => values.is_empty(),
                Operator::NotEqual => !values.is_empty(),
                _ => false,
            };
        }
        if values.is_empty() {
            return operator == Operator::NotEqual;
        }
        let fact = self.fact(path);
        values.into_iter().any(|value| compare(value, operator, wanted, fact))
    }

    fn fact(self, path: &AttributePath) -> Fact {
        match self.parent {
            Some(parent) => self.facts.fact(parent.urn.as_deref(), &parent.name, Some(&path.name)),
            None => self.facts.fact(path.urn.as_deref(), &path.name, path.sub.as_deref()),
        }
    }

    /// The values of a path: of a list its elements, of a complex value its `value` (RFC 7643 section 2.4).
    fn values(self, path: &AttributePath) -> Vec<&'a Value> {
        let Some(value) = find_attribute(self.object, path) else { return Vec::new() };
        let elements = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        match &path.sub {
            None => elements.iter().map(|e| entry(e, "value").unwrap_or(e)).collect(),
            Some(sub) => elements
                .iter()
                .filter_map(|element| match element {
                    Value::Object(_) => entry(element, sub),
                    plain => sub.eq_ignore_ascii_case("value").then_some(plain),
                })
                .collect(),
        }
    }

    /// The elements of a path as objects; a plain value is one with only `value`.
    fn elements(self, path: &AttributePath) -> Vec<Cow<'a, Map<String, Value>>> {
        let Some(value) = find_attribute(self.object, path) else { return Vec::new() };
        let elements = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        elements
            .iter()
            .map(|element| match element {
                Value::Object(object) => Cow::Borrowed(object),
                plain => Cow::Owned(Map::from_iter([("value".to_owned(), plain.clone())])),
            })
            .collect()
    }
}

/// The whole value of `path`'s attribute in `object`, before its sub-attribute; names without regard to case.
///
/// With a URN the attribute is looked for below that key, and for a core schema at the top. Without one it is looked
/// for at the top, then below every extension.
pub fn find_attribute<'a>(object: &'a Map<String, Value>, path: &AttributePath) -> Option<&'a Value> {
    match &path.urn {
        Some(urn) => match get(object, urn) {
            Some(extension) => entry(extension, &path.name),
            None if is_own(object, urn) => get(object, &path.name),
            None => None,
        },
        None => get(object, &path.name).or_else(|| {
            let extensions = object.iter().filter(|(key, _)| key.contains(':'));
            extensions.filter_map(|(_, extension)| entry(extension, &path.name)).next()
        }),
    }
}

/// Whether the attributes of the schema `urn` are at the top of `object`: the object says which schemas it uses, or it
/// is one of RFC 7643's.
fn is_own(object: &Map<String, Value>, urn: &str) -> bool {
    const CORE: &str = "urn:ietf:params:scim:schemas:core:";
    if let Some(Value::Array(schemas)) = object.get("schemas") {
        return schemas.iter().any(|schema| schema.as_str().is_some_and(|schema| schema.eq_ignore_ascii_case(urn)));
    }
    urn.get(..CORE.len()).is_some_and(|start| start.eq_ignore_ascii_case(CORE))
}

fn get<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.get(name).or_else(|| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

fn entry<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value.as_object().and_then(|object| get(object, name))
}

/// Whether a value counts as assigned: not null, not empty, and for a list or object with one such part
/// (RFC 7643 section 2.5).
pub fn is_present(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(_) | Value::Number(_) => true,
        Value::String(text) => !text.is_empty(),
        Value::Array(values) => values.iter().any(is_present),
        Value::Object(object) => object.values().any(is_present),
    }
}

fn compare(value: &Value, operator: Operator, wanted: &Value, fact: Fact) -> bool {
    match (value, wanted) {
        (Value::Bool(flag), _) => equality(operator, as_flag(wanted) == Some(*flag)),
        (_, Value::Bool(flag)) => equality(operator, as_flag(value) == Some(*flag)),
        (Value::Number(_), _) | (_, Value::Number(_)) => match (as_number(value), as_number(wanted)) {
            (Some(value), Some(wanted)) => ordered(operator, value.partial_cmp(&wanted)),
            _ => operator == Operator::NotEqual,
        },
        (Value::String(value), Value::String(wanted)) => compare_texts(value, operator, wanted, fact),
        _ => operator == Operator::NotEqual,
    }
}

fn compare_texts(value: &str, operator: Operator, wanted: &str, fact: Fact) -> bool {
    let is_partial = matches!(operator, Operator::Contains | Operator::EndsWith | Operator::StartsWith);
    if !is_partial && fact.kind != Kind::Text {
        match (as_time(value), as_time(wanted)) {
            (Some(value), Some(wanted)) => return ordered(operator, Some(value.cmp(&wanted))),
            _ if fact.kind == Kind::DateTime => return operator == Operator::NotEqual,
            _ => {}
        }
    }
    let (value, wanted) = if fact.case_exact {
        (Cow::Borrowed(value), Cow::Borrowed(wanted))
    } else {
        (without_case(value), without_case(wanted))
    };
    match operator {
        Operator::Contains => value.contains(&*wanted),
        Operator::EndsWith => value.ends_with(&*wanted),
        Operator::StartsWith => value.starts_with(&*wanted),
        _ => ordered(operator, Some(value.cmp(&wanted))),
    }
}

fn ordered(operator: Operator, order: Option<Ordering>) -> bool {
    match operator {
        Operator::Equal => order == Some(Ordering::Equal),
        Operator::NotEqual => order != Some(Ordering::Equal),
        Operator::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
        Operator::GreaterThan => order.is_some_and(Ordering::is_gt),
        Operator::LessOrEqual => order.is_some_and(Ordering::is_le),
        Operator::LessThan => order.is_some_and(Ordering::is_lt),
        Operator::Contains | Operator::EndsWith | Operator::StartsWith => false,
    }
}

fn equality(operator: Operator, are_equal: bool) -> bool {
    match operator {
        Operator::Equal => are_equal,
        Operator::NotEqual => !are_equal,
        _ => false,
    }
}

/// A boolean, also as the text `"True"` that some clients send.
fn as_flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// A number, also as text: a directory's attributes are all text.
fn as_number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn as_time(text: &str) -> Option<Timestamp> {
    // The cheap look spares the parser on every name.
    text.starts_with(|c: char| c.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Whether texts are equal where case does not count, as `eq` compares them.
pub fn is_same_text(a: &str, b: &str) -> bool {
    without_case(a) == without_case(b)
}

fn without_case(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            Cow::Owned(text.to_ascii_lowercase())
        } else {
            Cow::Borrowed(text)
        }
    } else {
        Cow::Owned(text.nfkc().flat_map(char::to_lowercase).nfkc().collect())
    }
}
