//! The order of a list (RFC 7644 section 3.4.2.3): any attribute that is shown, by the order of its type.

use serde_json::{Map, Value};

use super::Error;
use super::schema::{Returned, Shape};
use crate::clock::Timestamp;
use crate::directory::cut_for_order;
use crate::filter::{AttributePath, Fact, Facts, Kind, find_attribute};
use crate::model::fold;

/// What the key of each type begins with.
const BOOLEAN: u8 = 1;
const NUMBER: u8 = 2;
const TIME: u8 = 3;
const TEXT: u8 = 4;

/// An order.
#[derive(Clone, Debug)]
pub struct Sort {
    /// By which attribute.
    pub by: AttributePath,
    /// From the last to the first.
    pub descending: bool,
}

/// A value as bytes that compare as values of its type do: booleans, numbers, times, texts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SortKey(Vec<u8>);

impl Sort {
    /// Checks that resources can be sorted by the attribute.
    ///
    /// # Errors
    /// `InvalidPath`.
    pub fn check(&self, shapes: &[Shape<'_>]) -> Result<(), Error> {
        let target = shapes.iter().find_map(|shape| shape.resolve(&self.by));
        let leaf = target.and_then(|target| target.leaf());
        let is_hidden = shapes.iter().any(|shape| shape.hides(&self.by));
        match leaf.filter(|leaf| leaf.returned != Returned::Never && !is_hidden) {
            Some(_) => Ok(()),
            None => Err(Error::InvalidPath(format!("`sortBy`: `{}` is no attribute to sort by", self.by))),
        }
    }

    /// By what a resource is sorted: the attribute's value; of a list the primary value, else the first. Of a complex
    /// value its `value`, else its `formatted`. `None` when it has none.
    pub fn key(&self, shape: &Shape<'_>, resource: &Map<String, Value>) -> Option<SortKey> {
        let value = match find_attribute(resource, &self.by)? {
            Value::Array(values) => {
                values.iter().find(|value| super::body::is_primary(value)).or_else(|| values.first())?
            }
            other => other,
        };
        let value = match (value, &self.by.sub) {
            (Value::Object(map), Some(sub)) => {
                map.iter().find(|(name, _)| name.eq_ignore_ascii_case(sub)).map(|(_, value)| value)?
            }
            (Value::Object(map), None) => map.get("value").or_else(|| map.get("formatted"))?,
            (plain, _) => plain,
        };
        SortKey::of(value, shape.fact(self.by.urn.as_deref(), &self.by.name, self.by.sub.as_deref()))
    }
}

impl SortKey {
    /// The key of a plain value; `None` of one that counts as not assigned.
    pub fn of(value: &Value, fact: Fact) -> Option<Self> {
        let tagged = |tag: u8, bytes: &[u8]| Some(Self::tagged(tag, bytes));
        match value {
            Value::Bool(flag) => tagged(BOOLEAN, &[u8::from(*flag)]),
            Value::Number(number) => tagged(NUMBER, &ordered(number.as_f64()?)),
            Value::String(text) if text.is_empty() => None,
            Value::String(text) => {
                if fact.kind == Kind::DateTime
                    && let Ok(time) = text.parse::<Timestamp>()
                {
                    return tagged(TIME, &(time.as_millis().cast_unsigned() ^ (1 << 63)).to_be_bytes());
                }
                let folded = (!fact.case_exact).then(|| fold(text));
                let text = folded.as_ref().map_or(text.as_str(), |folded| folded.as_str());
                tagged(TEXT, cut_for_order(text).as_bytes())
            }
            Value::Array(_) | Value::Null | Value::Object(_) => None,
        }
    }

    fn tagged(tag: u8, bytes: &[u8]) -> Self {
        let mut key = Vec::with_capacity(1 + bytes.len());
        key.push(tag);
        key.extend_from_slice(bytes);
        Self(key)
    }

    /// The key of a value as an index has it: a text as it is compared, or a time's eight bytes.
    pub fn of_index(is_time: bool, value: &[u8]) -> Self {
        Self::tagged(if is_time { TIME } else { TEXT }, value)
    }

    /// The value as an index has it.
    pub fn value(&self) -> &[u8] {
        self.0.get(1..).unwrap_or_default()
    }

    /// A key that was kept in a cursor.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes, of which the order is that of the keys.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The number's bits so that bytes compare as numbers do.
fn ordered(number: f64) -> [u8; 8] {
    // Both zeros are one.
    let bits = (number + 0.0).to_bits();
    if number < 0.0 { !bits } else { bits | (1 << 63) }.to_be_bytes()
}

#[cfg(test)]
mod tests;
