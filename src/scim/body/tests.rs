use serde_json::json;

use super::size::{MAX_BINARY_BYTES, MAX_TEXT_BYTES};
use super::*;
use crate::scim::schema::{PERSON, TEAM};

fn read(shape: &Shape<'_>, mut body: Value) -> Result<Value, Error> {
    let map = body.as_object_mut().unwrap();
    map.entry("schemas").or_insert(json!([shape.core.id]));
    resource(shape, map).map(Value::Object)
}

#[test]
fn a_resource_becomes_canonical() {
    for (given, expected) in [
        (json!({"USERNAME": "ada", "Active": "False"}), json!({"userName": "ada", "active": false})),
        (
            json!({"userName": "ada", "id": "x", "meta": {"version": 3}, "groups": [{"value": "g"}], "unknown": [1]}),
            json!({"userName": "ada"}),
        ),
        (
            json!({"userName": "ada", "title": null, "emails": [], "name": {}, "nickName": "", "photos": [null, {}]}),
            json!({"userName": "ada", "nickName": ""}),
        ),
        (
            json!({"userName": "ada", "emails": "a@x", "roles": [{"value": "{\"id\":1}", "primary": "True", "x": 1}]}),
            json!({"userName": "ada", "emails": [{"value": "a@x"}],
                "roles": [{"value": "{\"id\":1}", "primary": true}]}),
        ),
        (
            json!({"userName": "ada", "emails": [{"value": "a@x", "type": "work", "primary": true},
                {"value": "a@x", "type": "work"}, {"value": "a@x", "type": "home"}]}),
            json!({"userName": "ada", "emails": [{"value": "a@x", "type": "work", "primary": true},
                {"value": "a@x", "type": "home"}]}),
        ),
        (
            json!({"userName": "ada", "URN:ietf:params:scim:schemas:extension:enterprise:2.0:User":
                {"department": "R", "manager": [{"value": "7", "$ref": null, "displayName": "B"}], "x": {}}}),
            json!({"userName": "ada", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":
                {"department": "R", "manager": {"value": "7"}}}),
        ),
        (
            json!({"userName": "ada", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"manager": ""},
                "urn:example:other": {"a": 1}}),
            json!({"userName": "ada"}),
        ),
        (
            json!({"userName": "ada", "externalId": "e", "password": "x"}),
            json!({"userName": "ada", "externalId": "e", "password": "x"}),
        ),
    ] {
        assert_eq!(read(&PERSON, given.clone()).unwrap(), expected, "{given}");
    }
}

#[test]
fn schemas_of_others_are_ignored() {
    let given = json!({"schemas": [TEAM.core.id, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
        "displayName": "ops"});
    assert_eq!(read(&TEAM, given).unwrap(), json!({"displayName": "ops"}));
}

#[test]
fn wrong_resources_are_refused_by_name() {
    let many: Vec<Value> = (0..=MAX_VALUES).map(|n| json!({"value": n.to_string()})).collect();
    for (given, hint) in [
        (json!({}), "`userName` is required"),
        (json!({"userName": null}), "`userName` is required"),
        (json!({"userName": ""}), "`userName` is required"),
        (json!({"userName": 5}), "`userName` must be a string"),
        (json!({"userName": ["a"]}), "`userName` must be a string"),
        (json!({"userName": "a", "USERNAME": "b"}), "`userName` stands twice"),
        (json!({"userName": "a", "active": "yes"}), "`active` must be true or false"),
        (json!({"userName": "a", "active": 1}), "`active` must be true or false"),
        (json!({"userName": "a", "name": "Ada"}), "`name` must be an object"),
        (json!({"userName": "a", "name": [{"givenName": "A"}, {"givenName": "B"}]}), "`name` must be an object"),
        (json!({"userName": "a", "name": {"givenName": {}}}), "`givenName` must be a string"),
        (json!({"userName": "a", "emails": [7]}), "`emails` must be an object"),
        (json!({"userName": "a", "emails": [[{"value": "x"}]]}), "`emails` must be an object"),
        (json!({"userName": "a", "emails": [{"value": "x", "VALUE": "y"}]}), "`value` stands twice"),
        (
            json!({"userName": "a", "emails": [{"value": "x", "primary": true}, {"value": "y", "primary": "true"}]}),
            "at most one primary",
        ),
        (json!({"userName": "a", "roles": many}), "at most 500"),
        (json!({"userName": "a", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": "x"}), "an object"),
        (json!({"userName": "a", "schemas": []}), "`schemas`"),
        (json!({"userName": "a", "schemas": "x"}), "`schemas`"),
        (json!({"userName": "a", "schemas": [1]}), "`schemas`"),
    ] {
        let error = read(&PERSON, given.clone()).unwrap_err().to_string();
        assert!(error.contains(hint), "{given}: {error}");
    }
    assert!(matches!(
        resource(&PERSON, &Map::from_iter([("userName".into(), json!("a"))])),
        Err(Error::InvalidSyntax(_))
    ));
}

#[test]
fn texts_and_whole_resources_have_limits_that_name_the_attribute() {
    let text = |bytes: usize| Value::String("x".repeat(bytes));
    for (body, expected) in [
        (json!({"userName": "ada", "title": text(MAX_TEXT_BYTES)}), None),
        (json!({"userName": "ada", "title": text(MAX_TEXT_BYTES + 1)}), Some("`title` must have at most 4096 bytes")),
        (json!({"userName": "ada", "emails": [{"value": text(MAX_TEXT_BYTES + 1)}]}), Some("`emails.value`")),
        (json!({"userName": "ada", "photos": [{"value": text(MAX_BINARY_BYTES)}]}), None),
        (json!({"userName": "ada", "photos": [{"display": text(MAX_TEXT_BYTES + 1)}]}), Some("`photos.display`")),
        (
            json!({"userName": "ada", "photos": text(MAX_BINARY_BYTES + 1)}),
            Some("`photos.value` must have at most 65536"),
        ),
        (json!({"userName": "ada", "x509Certificates": [{"value": text(MAX_BINARY_BYTES)}]}), None),
        (
            json!({"userName": "ada", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":
                {"department": text(MAX_TEXT_BYTES + 1)}}),
            Some("`department`"),
        ),
    ] {
        match (read(&PERSON, body), expected) {
            (Ok(_), None) => {}
            (Err(Error::InvalidValue(reason)), Some(expected)) => assert!(reason.contains(expected), "{reason}"),
            (result, expected) => panic!("{result:?}, not {expected:?}"),
        }
    }
    let roles: Vec<Value> = (0..40).map(|n| json!({"value": format!("{n}{}", "x".repeat(4000))})).collect();
    let refused = read(&PERSON, json!({"userName": "ada", "title": "Dr", "roles": roles}));
    let Err(Error::InvalidValue(reason)) = refused else { panic!("{refused:?}") };
    assert!(reason.contains("at most 131072 bytes") && reason.contains("`roles`"), "{reason}");
    assert!(read(&PERSON, json!({"userName": "ada", "roles": roles[..30]})).is_ok());
}
