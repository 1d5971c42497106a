//! Schemas and resource types: what is taken, and every way to get them wrong.

use cleargate::model::schema::{Mutability, Returned, Type, Uniqueness};

use super::{messages, read_with};

const BADGE: &str = r#"[[schema]]
id = "urn:example:Badge"
extends = "User"
[[schema.attribute]]
name = "number"
"#;

/// The problems with their advice, without the places.
#[track_caller]
fn advice(text: &str) -> Vec<(String, String)> {
    let problems = read_with(text).err().unwrap_or_default();
    problems.into_iter().map(|problem| (problem.message, problem.help.unwrap_or_default())).collect()
}

#[test]
fn a_schema_is_read_with_every_characteristic_and_its_defaults() {
    let schemas = read_with(
        r#"[[schema]]
id = "urn:example:Badge"
name = "Badge"
description = "What opens doors"
extends = "User"
required = true
[[schema.attribute]]
name = "number"
required = true
case_exact = true
mutability = "immutable"
returned = "request"
uniqueness = "server"
[[schema.attribute]]
name = "doors"
type = "complex"
multi_valued = true
[[schema.attribute.sub_attribute]]
name = "value"
type = "integer"
[[schema.attribute.sub_attribute]]
name = "$ref"
type = "reference"
[[schema.attribute]]
name = "pin"
mutability = "writeOnly"
"#,
    )
    .unwrap()
    .schemas;
    let [badge] = schemas.user.as_slice() else { panic!("{schemas:?}") };
    assert!(badge.required && schemas.group.is_empty() && schemas.types.is_empty());
    let number = badge.schema.attribute("NUMBER").unwrap();
    assert_eq!((number.kind, number.required, number.case_exact), (Type::String, true, true));
    assert_eq!((number.mutability, number.returned), (Mutability::Immutable, Returned::Request));
    assert_eq!(number.uniqueness, Uniqueness::Server);
    let doors = badge.schema.attribute("doors").unwrap();
    assert!(doors.multi_valued && !doors.required && !doors.case_exact);
    assert_eq!(doors.sub("value").unwrap().kind, Type::Integer);
    assert_eq!(doors.sub("$ref").unwrap().references, ["external"]);
    assert_eq!(badge.schema.attribute("pin").unwrap().returned, Returned::Never);
}

#[test]
fn a_resource_type_names_its_schemas() {
    let schemas = read_with(
        r#"[[schema]]
id = "urn:example:Device"
description = "What people carry"
[[schema.attribute]]
name = "model"
[[schema]]
id = "urn:example:Warranty"
[[schema.attribute]]
name = "until"
type = "dateTime"
[[resource_type]]
name = "Device"
endpoint = "/Devices"
schema = "urn:example:device"
extensions = [{ schema = "urn:example:Warranty", required = true }]
"#,
    )
    .unwrap()
    .schemas;
    let [device] = schemas.types.as_slice() else { panic!("{schemas:?}") };
    assert_eq!((&*device.name, &*device.endpoint, &*device.description), ("Device", "Devices", "What people carry"));
    assert_eq!(&*device.core.id, "urn:example:Device");
    assert!(device.extensions[0].required && device.extensions[0].schema.is("urn:example:Warranty"));
}

#[test]
fn names_and_urns_must_be_some_and_mean_one_thing() {
    for (id, expected) in [
        ("Badge", "must be a URN"),
        ("urn:example", "must be a URN"),
        ("urn:example:a b", "must be a URN"),
        ("urn:example::Badge", "must be a URN"),
        ("urn:ietf:params:scim:schemas:core:2.0:user", "which RFC 7643 defines"),
        (
            "urn:ietf:params:scim:schemas:core:2.0:User:more",
            "differs from `urn:ietf:params:scim:schemas:core:2.0:User`",
        ),
    ] {
        let found = messages(&BADGE.replace("urn:example:Badge", id));
        assert!(matches!(found.as_slice(), [one] if one.starts_with("3:6 ") && one.contains(expected)), "{found:?}");
    }
    for (name, expected) in [
        ("2nd", "is no name of an attribute"),
        ("a b", "is no name of an attribute"),
        ("$ref", "is no name of an attribute"),
        ("Meta", "is `meta`, which every resource has"),
        ("externalid", "is `externalId`, which every resource has"),
    ] {
        let found = messages(&BADGE.replace("\"number\"", &format!("\"{name}\"")));
        assert!(matches!(found.as_slice(), [one] if one.starts_with("6:8 ") && one.contains(expected)), "{found:?}");
    }
    let twice = messages(&format!("{BADGE}[[schema.attribute]]\nname = \"Number\"\n"));
    assert_eq!(
        twice,
        ["8:8 `schema[0].attribute[1].name` is `number` at cleargate.toml:5 too; names differ in more than case"]
    );
    let again = messages(&format!("{BADGE}{}", BADGE.replace("urn:example:Badge", "urn:EXAMPLE:badge")));
    assert_eq!(again, ["8:6 `schema[1].id` is taken at cleargate.toml:2"]);
}

#[test]
fn characteristics_that_do_not_go_together_are_refused_with_advice() {
    for (lines, expected) in [
        ("type = \"complex\"", "is complex without parts"),
        ("type = \"complex\"\nsub_attribute = [{ name = \"a\", type = \"complex\" }]", "complex within a complex"),
        ("sub_attribute = [{ name = \"a\" }]", "belongs to complex attributes; this one is a string"),
        ("type = \"complex\"\nuniqueness = \"server\"\nsub_attribute = [{ name = \"a\" }]", "not for complex"),
        ("type = \"boolean\"\nuniqueness = \"global\"", "is not for boolean attributes"),
        ("type = \"integer\"\ncanonical_values = [\"1\"]", "is not for integer attributes"),
        ("reference_types = [\"User\"]", "is for references"),
        ("mutability = \"writeOnly\"\nreturned = \"always\"", "must be `never`"),
        ("mutability = \"readOnly\"\nrequired = true", "asks clients for what they may not write"),
    ] {
        let found = advice(&format!("{BADGE}{lines}\n"));
        let fits = |(message, help): &(String, String)| message.contains(expected) && !help.is_empty();
        assert!(matches!(found.as_slice(), [one] if fits(one)), "{lines}: {found:?}");
    }
    let found = advice(&format!("{BADGE}type = \"text\"\nmutability = \"readwrite\"\n"));
    assert_eq!(found.len(), 2);
    assert_eq!(found[1].1, "did you mean `readWrite`?");
}

#[test]
fn resource_types_that_clash_or_name_nothing_are_refused_with_advice() {
    let schema = BADGE.replace("extends = \"User\"\n", "");
    let of = |lines: &str| advice(&format!("{schema}[[resource_type]]\n{lines}\n"));
    let named = "schema = \"urn:example:Badge\"";
    for (lines, expected) in [
        (format!("name = \"User\"\nendpoint = \"/Badges\"\n{named}"), "is `User`, which means something already"),
        (format!("name = \"Badge\"\nendpoint = \"/users\"\n{named}"), "is `Users`, which means something already"),
        (format!("name = \"Badge\"\nendpoint = \"/a/b\"\n{named}"), "must be a word"),
        (format!("name = \"Badge\"\nendpoint = \"/.search\"\n{named}"), "must be a word"),
        (
            format!(
                "name = \"Badge\"\nendpoint = \"/B\"\n{named}\nextensions = [{{ schema = \"urn:example:badge\" }}]"
            ),
            "is named already",
        ),
        (
            format!(
                "name = \"A\"\nendpoint = \"/A\"\n{named}\n[[resource_type]]\nname = \"a\"\nendpoint = \"/B\"\n{named}"
            ),
            "is taken at cleargate.toml:6",
        ),
    ] {
        let found = of(&lines);
        assert!(found.iter().any(|(message, _)| message.contains(expected)), "{lines}: {found:?}");
        assert_eq!(found.len(), 1, "{found:?}");
    }
    let found = of("name = \"Badge\"\nendpoint = \"/Badges\"\nschema = \"urn:example:Bagde\"");
    assert!(found.iter().any(|(_, help)| help == "did you mean `urn:example:Badge`?"), "{found:?}");
    assert!(found.iter().any(|(message, _)| message.contains("is used by nothing")), "{found:?}");
    let found = advice(&format!("{BADGE}[[resource_type]]\nname = \"Badge\"\nendpoint = \"/Badges\"\n{named}\n"));
    assert!(found[0].1.contains("take `extends` away at cleargate.toml:2"), "{found:?}");
}

#[test]
fn what_is_missing_and_what_is_too_much_is_told() {
    let found = messages("[[schema]]\nextends = \"Users\"\n[[resource_type]]\n");
    for expected in
        ["`schema[0].id` is missing", "must be one of `Group` and `User`", "`schema[0].attribute` is missing"]
    {
        assert!(found.iter().any(|message| message.contains(expected)), "{expected}: {found:?}");
    }
    for key in ["name", "endpoint", "schema"] {
        let expected = format!("`resource_type[0].{key}` is missing");
        assert!(found.iter().any(|message| message.contains(&expected)), "{key}: {found:?}");
    }
    let many: String = (0..101).map(|number| format!("[[schema.attribute]]\nname = \"a{number}\"\n")).collect();
    let found = messages(&format!("{BADGE}{many}"));
    assert!(matches!(found.as_slice(), [one] if one.contains("at most 100 times")), "{found:?}");
    let many: String = (0..33).map(|number| BADGE.replace("Badge", &format!("B{number}"))).collect();
    let found = messages(&many);
    assert!(matches!(found.as_slice(), [one] if one.contains("at most 32 times")), "{found:?}");
}
