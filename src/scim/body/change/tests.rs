use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::model::schema::{Extension, Schema, Schemas};
use crate::scim::resource::Kind;
use crate::scim::schema::Catalogue;

fn once(name: &'static str) -> Attribute {
    Attribute { mutability: Mutability::Immutable, ..Attribute::new(name, Type::String, "") }
}

/// Users with a badge.
fn catalogue() -> Catalogue {
    let place = Attribute {
        subs: vec![once("room"), Attribute::new("desk", Type::String, "")],
        ..Attribute::new("place", Type::Complex, "")
    };
    let keys = Attribute {
        multi_valued: true,
        subs: vec![Attribute { required: true, ..Attribute::new("value", Type::String, "") }, once("cut")],
        ..Attribute::new("keys", Type::Complex, "")
    };
    let attributes = vec![
        Attribute { required: true, ..Attribute::new("number", Type::String, "") },
        Attribute { case_exact: true, ..once("serial") },
        Attribute { multi_valued: true, ..once("colors") },
        Attribute { mutability: Mutability::WriteOnly, ..Attribute::new("pin", Type::String, "") },
        Attribute { mutability: Mutability::ReadOnly, ..Attribute::new("printed", Type::Boolean, "") },
        place,
        keys,
    ];
    let schema = Arc::new(Schema::new("urn:x:Badge", "Badge", "", attributes));
    Catalogue::with(&Schemas { user: vec![Extension { schema, required: false }], ..Schemas::default() })
}

fn person(badge: Value) -> Resource {
    let mut person = Resource::from_iter([("userName".to_owned(), json!("ada"))]);
    if !badge.is_null() {
        person.insert("urn:x:Badge".to_owned(), badge);
    }
    person
}

fn settled(before: Value, after: Value, manner: Manner) -> Result<Value, Error> {
    let catalogue = catalogue();
    let settled = settle(&catalogue.shape(Kind::User), &person(before), person(after), manner)?;
    Ok(settled.get("urn:x:Badge").cloned().unwrap_or_default())
}

#[test]
fn what_a_client_may_not_change_or_cannot_see_stays_without_being_named() {
    let before =
        json!({"number": "1", "serial": "S", "pin": "9", "printed": true, "place": {"room": "7", "desk": "a"}});
    let kept = json!({"number": "2", "serial": "S", "pin": "9", "printed": true, "place": {"room": "7"}});
    assert_eq!(settled(before.clone(), json!({"number": "2"}), Manner::Put).unwrap(), kept);
    let named = json!({"number": "1", "serial": "S", "pin": "8", "place": {"room": "7", "desk": "b"}});
    let all = json!({"number": "1", "serial": "S", "pin": "8", "printed": true, "place": {"room": "7", "desk": "b"}});
    assert_eq!(settled(before.clone(), named, Manner::Put).unwrap(), all);
    // A patch that names nothing else takes away what is gone, if it may.
    let gone = json!({"number": "1", "serial": "S", "printed": true, "place": {"room": "7"}});
    assert_eq!(settled(before.clone(), gone.clone(), Manner::Patch).unwrap(), gone);
    for lost in ["serial", "place"] {
        let mut after = before.clone();
        after.as_object_mut().unwrap().remove(lost);
        assert!(matches!(settled(before.clone(), after, Manner::Patch), Err(Error::Mutability(_))), "{lost}");
    }
}

#[test]
fn the_same_value_is_the_same_as_the_schema_says() {
    for (before, after, is_same) in [
        (json!({"colors": ["red", "blue"]}), json!({"colors": ["BLUE", "Red"]}), true),
        (json!({"colors": ["red", "blue"]}), json!({"colors": ["red"]}), false),
        (json!({"colors": ["red"]}), json!({"colors": ["red", "red"]}), false),
        (json!({"serial": "S"}), json!({"serial": "s"}), false),
        (json!({"place": {"room": "a"}}), json!({"place": {"room": "A", "desk": "1"}}), true),
        (json!({"serial": ""}), json!({"serial": "S"}), true),
        (json!({}), json!({"serial": "S"}), true),
    ] {
        let with = |mut badge: Value| {
            badge["number"] = json!("1");
            badge
        };
        for manner in [Manner::Patch, Manner::Put] {
            let result = settled(with(before.clone()), with(after.clone()), manner);
            assert_eq!(result.is_ok(), is_same, "{before} {after}");
        }
    }
}

#[test]
fn what_is_required_may_not_go_and_what_was_missing_may_stay_away() {
    for (before, after, lacking) in [
        (json!(null), json!(null), None),
        (json!(null), json!({"serial": "S"}), Some("urn:x:Badge:number")),
        (json!({"serial": "S"}), json!({"serial": "S"}), None),
        (json!({"number": "1"}), json!({"number": ""}), None),
        (json!({"number": "1"}), json!({"number": "", "pin": "1"}), Some("urn:x:Badge:number")),
        (json!({"number": "1"}), json!({"number": "1", "keys": [{"value": "a"}, {"cut": "b"}]}), Some("keys.value")),
        (json!({"number": "1", "keys": [{"cut": "b"}]}), json!({"number": "1", "keys": [{"cut": "c"}]}), None),
    ] {
        match (settled(before.clone(), after.clone(), Manner::Patch), lacking) {
            (Ok(_), None) => {}
            (Err(Error::InvalidValue(text)), Some(lacking)) => assert!(text.contains(lacking), "{text}"),
            (result, _) => panic!("{before} {after}: {result:?}"),
        }
    }
}

#[test]
fn an_element_keeps_what_it_got_once() {
    let catalogue = catalogue();
    let keys = catalogue.shape(Kind::User).extension("urn:x:badge").unwrap().attribute("keys").unwrap();
    let check = |new: Value| check_element(keys, &json!({"value": "a", "cut": "b"}), &new).is_ok();
    assert!(check(json!({"value": "z", "cut": "B"})));
    assert!(!check(json!({"value": "a", "cut": "c"})));
    assert!(!check(json!({"value": "a"})));
    assert!(check_element(keys, &json!({"value": "a"}), &json!({"value": "a", "cut": "c"})).is_ok());
}
