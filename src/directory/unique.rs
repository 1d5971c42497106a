//! Values that a configured schema wants unique (`uniqueness`, RFC 7643 section 7): rows that are written in the commit
//! of the record that has them, whoever writes it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::tables::UNIQUE_VALUES;
use super::{Directory, Error};
use crate::audit::Change;
use crate::model::schema::{Attribute, Extension, Schema, Schemas, Uniqueness};
use crate::model::{Attributes, Id, ObjectId, fold};

/// Longest value of a unique attribute, in bytes.
pub const MAX_UNIQUE_BYTES: usize = 512;

/// Which attributes are unique, by the name of the resource type.
#[derive(Clone, Default)]
pub(super) struct Uniques(Arc<HashMap<String, Vec<Unique>>>);

/// One unique attribute.
struct Unique {
    /// The URN of the extension that has it; `None` for the type's own schema.
    extension: Option<String>,
    attribute: String,
    sub: Option<String>,
    case_exact: bool,
}

impl Unique {
    /// Its name in rows and errors.
    fn label(&self) -> String {
        let name = match &self.sub {
            Some(sub) => format!("{}.{sub}", self.attribute),
            None => self.attribute.clone(),
        };
        self.extension.as_ref().map_or(name.clone(), |urn| format!("{urn}:{name}"))
    }

    /// The values that `attributes` have of it, in the form in which they are unique.
    fn values(&self, attributes: &Map<String, Value>) -> Vec<String> {
        let container = match &self.extension {
            None => Some(attributes),
            Some(urn) => attributes.get(urn).and_then(Value::as_object),
        };
        let Some(value) = container.and_then(|container| container.get(&self.attribute)) else { return Vec::new() };
        let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        let part = |value: &'_ Value| match &self.sub {
            Some(sub) => value.get(sub).and_then(|value| self.text(value)),
            None => self.text(value),
        };
        values.iter().filter_map(part).collect()
    }

    fn text(&self, value: &Value) -> Option<String> {
        match value {
            Value::String(text) if text.is_empty() => None,
            Value::String(text) if self.case_exact => Some(text.clone()),
            Value::String(text) => Some(fold(text).as_str().to_owned()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(_) | Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

impl Uniques {
    /// The unique attributes of configured schemas; those of RFC 7643 have indexes of their own.
    pub(super) fn of(schemas: &Schemas) -> Self {
        let mut of = HashMap::new();
        of.insert("User".to_owned(), of_extensions(&schemas.user));
        of.insert("Group".to_owned(), of_extensions(&schemas.group));
        for resource_type in &schemas.types {
            let mut uniques = of_schema(None, &resource_type.core);
            uniques.extend(of_extensions(&resource_type.extensions));
            of.insert(resource_type.name.to_string(), uniques);
        }
        of.retain(|_, uniques| !uniques.is_empty());
        Self(Arc::new(of))
    }

    /// The unique values that a record has: attribute and value.
    fn values(&self, resource_type: &str, attributes: &Attributes) -> BTreeSet<(String, String)> {
        let uniques = self.0.get(resource_type).map_or(&[][..], Vec::as_slice);
        let pairs = uniques
            .iter()
            .flat_map(|unique| unique.values(&attributes.0).into_iter().map(move |value| (unique.label(), value)));
        pairs.collect()
    }
}

fn of_extensions(extensions: &[Extension]) -> Vec<Unique> {
    extensions.iter().flat_map(|extension| of_schema(Some(&extension.schema.id), &extension.schema)).collect()
}

fn of_schema(extension: Option<&str>, schema: &Schema) -> Vec<Unique> {
    let unique = |attribute: &Attribute, sub: Option<&Attribute>| Unique {
        extension: extension.map(str::to_owned),
        attribute: attribute.name.to_string(),
        sub: sub.map(|sub| sub.name.to_string()),
        case_exact: sub.unwrap_or(attribute).case_exact,
    };
    let mut found = Vec::new();
    for attribute in schema.attributes() {
        if attribute.uniqueness != Uniqueness::None {
            found.push(unique(attribute, None));
        }
        let subs = attribute.subs.iter().filter(|sub| sub.uniqueness != Uniqueness::None);
        found.extend(subs.map(|sub| unique(attribute, Some(sub))));
    }
    found
}

impl Directory {
    /// Claims the unique values of a record as it will be and gives up those that it no longer has. A value that was
    /// there before its attribute became unique is claimed by the next write of its record.
    pub(super) async fn stage_unique<K>(
        &self,
        change: &mut Change,
        resource_type: &str,
        id: Id<K>,
        before: Option<&Attributes>,
        after: Option<&Attributes>,
    ) -> Result<(), Error> {
        if !self.uniques.0.contains_key(resource_type) {
            return Ok(());
        }
        let id = ObjectId::from_bytes(*id.as_bytes());
        let values = |attributes: Option<&Attributes>| {
            attributes.map(|attributes| self.uniques.values(resource_type, attributes)).unwrap_or_default()
        };
        let (old, new) = (values(before), values(after));
        for (label, value) in old.difference(&new) {
            let key = (resource_type.to_owned(), label.clone(), value.clone());
            if change.find(&UNIQUE_VALUES, self.organisation, &key).await? == Some(id) {
                change.delete(&UNIQUE_VALUES, self.organisation, &key);
            }
        }
        for (label, value) in new {
            if value.len() > MAX_UNIQUE_BYTES {
                let reason = format!("must have at most {MAX_UNIQUE_BYTES} bytes, because it is unique");
                return Err(Error::Invalid { field: label, reason });
            }
            let key = (resource_type.to_owned(), label, value);
            match change.find(&UNIQUE_VALUES, self.organisation, &key).await? {
                None => change.put(&UNIQUE_VALUES, self.organisation, &key, &id)?,
                Some(holder) if holder == id => {}
                Some(_) => return Err(Error::Conflict { field: key.1.into(), value: key.2 }),
            }
        }
        Ok(())
    }
}
