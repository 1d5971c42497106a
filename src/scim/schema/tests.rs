use std::sync::LazyLock;

use super::*;

static STANDARD: LazyLock<Catalogue> = LazyLock::new(Catalogue::standard);
/// A user of the RFC.
pub static PERSON: LazyLock<Shape<'static>> = LazyLock::new(|| STANDARD.shape(Kind::User));
/// A group of the RFC.
pub static TEAM: LazyLock<Shape<'static>> = LazyLock::new(|| STANDARD.shape(Kind::Group));

#[test]
fn names_resolve_in_any_case_and_with_or_without_urn() {
    for (text, expected) in [
        ("username", Some("userName")),
        ("NAME.FAMILYNAME", Some("familyName")),
        ("externalId", Some("externalId")),
        ("meta.lastModified", Some("lastModified")),
        ("urn:ietf:params:scim:schemas:core:2.0:User:emails.value", Some("value")),
        ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:user:Department", Some("department")),
        ("manager.displayName", Some("displayName")),
        ("urn:ietf:params:scim:schemas:core:2.0:User:department", None),
        ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:userName", None),
        ("urn:other:User:userName", None),
        ("members", None),
        ("userName.value", None),
        ("name.nothing", None),
    ] {
        let target = PERSON.resolve(&text.parse().unwrap());
        assert_eq!(target.and_then(|t| t.leaf()).map(|a| a.name.as_ref()), expected, "{text}");
    }
    let urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let whole = PERSON.resolve(&urn.to_uppercase().parse().unwrap());
    assert!(matches!(whole, Some(Target::Extension(schema)) if schema.id == urn));
}

fn every(schema: &Schema) -> impl Iterator<Item = &Attribute> {
    schema.attributes().iter().flat_map(|attribute| std::iter::once(attribute).chain(&attribute.subs))
}

#[test]
fn the_tables_are_consistent() {
    for attribute in STANDARD.schemas().into_iter().chain([&STANDARD.common]).flat_map(every) {
        let name = &attribute.name;
        assert_eq!(attribute.kind == Type::Complex, !attribute.subs.is_empty(), "{name}");
        assert_eq!(attribute.kind == Type::Reference, !attribute.references.is_empty(), "{name}");
        assert!(attribute.description.ends_with('.'), "{name}");
        let mut names: Vec<_> = attribute.subs.iter().map(|sub| sub.name.to_lowercase()).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), attribute.subs.len(), "{name}");
        if attribute.is_read_only() {
            assert!(attribute.subs.iter().all(Attribute::is_read_only), "{name}");
        }
    }
}

#[test]
fn a_published_schema_says_every_characteristic_and_nothing_is_null() {
    for schema in STANDARD.schemas() {
        let described = describe(schema);
        let mut open: Vec<_> = described["attributes"].as_array().unwrap().iter().collect();
        while let Some(attribute) = open.pop() {
            for key in ["name", "type", "multiValued", "description", "required", "caseExact"] {
                assert!(!attribute[key].is_null(), "{key} of {attribute}");
            }
            for key in ["mutability", "returned", "uniqueness"] {
                assert!(attribute[key].is_string(), "{key} of {attribute}");
            }
            open.extend(attribute["subAttributes"].as_array().into_iter().flatten());
        }
        assert!(!serde_json::to_string(&described).unwrap().contains("null"));
    }
}
