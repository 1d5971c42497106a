use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::directory::MAX_ORDERED_BYTES;
use crate::scim::schema::PERSON;

const PLAIN: Fact = Fact { kind: Kind::Any, case_exact: false };
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

fn sort(by: &str) -> Sort {
    Sort { by: by.parse().unwrap(), descending: false }
}

/// Resources in ascending order of their keys; the first of each pair of neighbors is smaller.
fn check(by: &str, ascending: &[Value]) {
    sort(by).check(&[*PERSON]).unwrap();
    let keys: Vec<SortKey> = ascending
        .iter()
        .map(|resource| {
            let key = sort(by).key(&PERSON, resource.as_object().unwrap());
            key.unwrap_or_else(|| panic!("{by}: no key of {resource}"))
        })
        .collect();
    for (pair, resources) in keys.windows(2).zip(ascending.windows(2)) {
        assert!(pair[0] < pair[1], "{by}: {} before {}", resources[0], resources[1]);
    }
}

#[test]
fn each_type_has_its_order() {
    check("userName", &[json!({"userName": "ada"}), json!({"userName": "Bob"}), json!({"userName": "bobby"})]);
    check("userName", &[json!({"userName": "ABC"}), json!({"userName": "abd"}), json!({"userName": "Éva"})]);
    // Exact where the schema says so: capitals come first.
    check("externalId", &[json!({"externalId": "Zoe"}), json!({"externalId": "ada"})]);
    check("active", &[json!({"active": false}), json!({"active": true})]);
    let at = |time: &str| json!({"meta": {"created": time}});
    // Times, not their texts.
    check("meta.created", &[at("2026-01-01T01:30:00+01:00"), at("2026-01-01T00:45:00Z"), at("2026-01-01T00:50:00Z")]);
    check("name.familyName", &[json!({"name": {"familyName": "a"}}), json!({"name": {"FamilyName": "B"}})]);
    check("name", &[json!({"name": {"formatted": "Ada"}}), json!({"name": {"formatted": "bob"}})]);
    let department = |name: &str| json!({ENTERPRISE: {"department": name}});
    check("department", &[department("a"), department("B")]);
    check(&format!("{ENTERPRISE}:department"), &[department("a"), department("B")]);
    let manager = |name: &str| json!({ENTERPRISE: {"manager": {"value": name, "displayName": name}}});
    check(&format!("{ENTERPRISE}:manager.displayName"), &[manager("a"), manager("B")]);
    check("manager", &[manager("a"), manager("b")]);
}

#[test]
fn a_list_sorts_by_its_primary_value_else_by_its_first() {
    let emails = |list: Value| json!({"emails": list});
    check(
        "emails",
        &[
            emails(json!([{"value": "z"}, {"value": "a", "primary": true}])),
            emails(json!([{"value": "b"}, {"value": "A"}])),
            emails(json!([{"value": "a", "primary": false}, {"value": "c", "primary": true}])),
        ],
    );
    check("emails.type", &[emails(json!([{"type": "home"}])), emails(json!([{"type": "work"}]))]);
}

#[test]
fn what_is_not_assigned_has_no_key_and_what_is_never_shown_is_refused() {
    for (by, resource) in [
        ("title", json!({})),
        ("title", json!({"title": ""})),
        ("title", json!({"title": null})),
        ("emails", json!({"emails": []})),
        ("emails.type", json!({"emails": [{"value": "a"}]})),
        ("department", json!({})),
    ] {
        assert_eq!(sort(by).key(&PERSON, resource.as_object().unwrap()), None, "{by} of {resource}");
    }
    for by in ["password", "favourite", "userName.value", "emails.favourite", "urn:x:User:userName", ENTERPRISE] {
        assert!(matches!(sort(by).check(&[*PERSON]), Err(Error::InvalidPath(_))), "{by}");
    }
}

#[test]
fn long_texts_are_compared_as_far_as_a_cursor_carries_them() {
    let key = |text: String| SortKey::of(&json!(text), PLAIN).unwrap();
    let long = "x".repeat(MAX_ORDERED_BYTES);
    assert!(key(format!("{}a", &long[1..])) < key(format!("{}b", &long[1..])));
    assert_eq!(key(format!("{long}a")), key(format!("{long}b")));
}

proptest! {
    #[test]
    fn numbers_sort_as_numbers_do(a: f64, b: f64, c: i32, d: i32) {
        let key = |value: Value| SortKey::of(&value, PLAIN);
        for (x, y) in [(a, b), (f64::from(c), f64::from(d)), (f64::from(c), b), (0.0, -0.0)] {
            if let (Some(p), Some(q)) = (key(json!(x)), key(json!(y))) {
                prop_assert_eq!(p.cmp(&q), x.partial_cmp(&y).unwrap(), "{} and {}", x, y);
            }
        }
    }
}
