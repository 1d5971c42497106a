use serde_json::json;

use super::*;
use crate::scim::schema::PERSON;

/// The part of a resource that is shown, attribute by attribute.
pub fn apply(projection: &Projection<'_>, shape: &Shape<'_>, resource: Map<String, Value>) -> Map<String, Value> {
    let part = |extension: Option<&Schema>, attribute: &Attribute, value: Value| {
        let part = projection.part_of(extension, attribute, value.clone());
        // What is told before the value is looked at agrees with what becomes of it.
        match projection.shown(extension, attribute) {
            Shown::Not => assert_eq!(part, None, "{}", attribute.name),
            Shown::Part => {}
            Shown::Whole => assert_eq!(part, Some(value), "{}", attribute.name),
        }
        part
    };
    let mut shown = Map::new();
    for (key, value) in resource {
        if let Some(schema) = shape.extension(&key) {
            let inner = value.as_object().unwrap().clone().into_iter();
            let inner: Map<String, Value> = inner
                .filter_map(|(name, value)| {
                    let attribute = schema.attribute(&name)?;
                    Some((name, part(Some(schema), attribute, value)?))
                })
                .collect();
            if !inner.is_empty() {
                shown.insert(key, Value::Object(inner));
            }
        } else if let Some(value) = shape.own(&key).and_then(|attribute| part(None, attribute, value)) {
            shown.insert(key, value);
        }
    }
    shown
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

fn check(attributes: Option<&[&str]>, excluded: Option<&[&str]>, expected: Value) {
    let (attributes, excluded) = (attributes.map(names), excluded.map(names));
    let projection = Projection::new(&PERSON, attributes.as_deref(), excluded.as_deref());
    let Value::Object(resource) = json!({
        "schemas": ["s"], "id": "1", "externalId": "e", "userName": "ada", "password": "hidden", "stray": 1,
        "name": {"givenName": "A", "familyName": "L"},
        "emails": [{"value": "a", "type": "work"}, {"value": "b"}],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "R", "manager": {"value": "7"}},
        "meta": {"version": "v", "location": "l"}
    }) else {
        unreachable!()
    };
    let mut expected = expected;
    expected["schemas"] = json!(["s"]);
    expected["id"] = json!("1");
    assert_eq!(Value::Object(apply(&projection, &PERSON, resource)), expected, "{attributes:?} {excluded:?}");
}

#[test]
fn an_answer_shows_what_was_asked_for() {
    let extension = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    check(
        None,
        None,
        json!({"externalId": "e", "userName": "ada", "name": {"givenName": "A", "familyName": "L"},
            "emails": [{"value": "a", "type": "work"}, {"value": "b"}],
            extension: {"department": "R", "manager": {"value": "7"}}, "meta": {"version": "v", "location": "l"}}),
    );
    check(Some(&["USERNAME"]), None, json!({"userName": "ada"}));
    check(Some(&[]), None, json!({}));
    check(Some(&["nothing", "bad name", "password"]), None, json!({}));
    check(
        Some(&["name.givenName", "meta.version"]),
        None,
        json!({"name": {"givenName": "A"}, "meta": {"version": "v"}}),
    );
    check(Some(&["emails.type"]), None, json!({"emails": [{"type": "work"}]}));
    check(
        Some(&["emails[type eq \"work\"]"]),
        None,
        json!({"emails": [{"value": "a", "type": "work"}, {"value": "b"}]}),
    );
    check(Some(&[extension]), None, json!({extension: {"department": "R", "manager": {"value": "7"}}}));
    check(Some(&["department"]), None, json!({extension: {"department": "R"}}));
    check(
        Some(&["urn:ietf:params:scim:schemas:core:2.0:User:userName", "name"]),
        Some(&["name.familyName"]),
        json!({"userName": "ada", "name": {"givenName": "A"}}),
    );
    check(
        None,
        Some(&["emails", "id", "name.givenName", "meta", "externalId", extension]),
        json!({"userName": "ada", "name": {"familyName": "L"}}),
    );
}

#[test]
fn what_is_not_shown_need_not_be_read() {
    let shows = |attributes: Option<&[&str]>, excluded: Option<&[&str]>| {
        let (attributes, excluded) = (attributes.map(names), excluded.map(names));
        Projection::new(&PERSON, attributes.as_deref(), excluded.as_deref()).shows("groups")
    };
    assert!(shows(None, None) && shows(Some(&["groups.value"]), None) && shows(None, Some(&["groups.display"])));
    assert!(!shows(Some(&["userName"]), None) && !shows(None, Some(&["groups"])));
}
