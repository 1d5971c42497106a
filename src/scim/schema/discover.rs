//! Schemas as `/Schemas` shows them (RFC 7643 section 7).

use serde_json::{Map, Value, json};

use super::{Attribute, Schema, Type};

/// The schema as a resource, without `meta`. Every characteristic is written out; none is null.
pub fn describe(schema: &Schema) -> Map<String, Value> {
    Map::from_iter([
        ("schemas".to_owned(), json!(["urn:ietf:params:scim:schemas:core:2.0:Schema"])),
        ("id".to_owned(), json!(schema.id)),
        ("name".to_owned(), json!(schema.name)),
        ("description".to_owned(), json!(schema.description)),
        ("attributes".to_owned(), schema.attributes().iter().map(attribute).collect()),
    ])
}

fn attribute(attribute: &Attribute) -> Value {
    let mut map = Map::new();
    let mut set = |name: &str, value: Value| {
        map.insert(name.to_owned(), value);
    };
    set("name", json!(attribute.name));
    set("type", json!(attribute.kind.name()));
    if !attribute.subs.is_empty() {
        set("subAttributes", attribute.subs.iter().map(self::attribute).collect());
    }
    set("multiValued", json!(attribute.multi_valued));
    set("description", json!(attribute.description));
    set("required", json!(attribute.required));
    if !attribute.canonical.is_empty() {
        set("canonicalValues", json!(attribute.canonical));
    }
    set("caseExact", json!(attribute.case_exact));
    set("mutability", json!(attribute.mutability.name()));
    set("returned", json!(attribute.returned.name()));
    set("uniqueness", json!(attribute.uniqueness.name()));
    if attribute.kind == Type::Reference {
        set("referenceTypes", json!(attribute.references));
    }
    Value::Object(map)
}
