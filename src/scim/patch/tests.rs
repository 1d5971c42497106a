use serde_json::json;

use super::*;
use crate::scim::schema::{PERSON, TEAM};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

fn request(operations: Value) -> Map<String, Value> {
    let Value::Object(body) = json!({"schemas": [PATCH_SCHEMA], "Operations": operations}) else { unreachable!() };
    body
}

fn patched(before: &Value, operations: &Value) -> Result<Value, Error> {
    let steps = parse(&PERSON, &request(operations.clone()))?;
    apply(&PERSON, before.as_object().unwrap(), &steps).map(Value::Object)
}

fn check(before: Value, operations: Value, expected: Value) {
    match patched(&before, &operations) {
        Ok(after) => assert_eq!(after, expected, "{operations}"),
        Err(error) => panic!("{operations}: {error}"),
    }
}

fn ada() -> Value {
    json!({"userName": "ada", "active": true, "name": {"givenName": "Ada", "familyName": "L"},
        "emails": [{"value": "a@w", "type": "work", "primary": true}, {"value": "a@h", "type": "home"}]})
}

fn with(changes: Value) -> Value {
    let mut person = ada();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            person.as_object_mut().unwrap().remove(name);
        } else {
            person[name] = value.clone();
        }
    }
    person
}

/// RFC 7644 section 3.5.2.1.
#[test]
fn add_sets_merges_and_appends() {
    let work = json!({"value": "a@w", "type": "work", "primary": true});
    let home = json!({"value": "a@h", "type": "home"});
    for (operation, expected) in [
        (json!({"path": "title", "value": "Dr"}), json!({"title": "Dr"})),
        (json!({"value": {"title": "Dr", "nickName": "A"}}), json!({"title": "Dr", "nickName": "A"})),
        (
            json!({"path": "name", "value": {"middleName": "K"}}),
            json!({"name": {"givenName": "Ada", "familyName": "L", "middleName": "K"}}),
        ),
        (
            json!({"path": "name.givenName", "value": "Augusta"}),
            json!({"name": {"givenName": "Augusta", "familyName": "L"}}),
        ),
        (
            json!({"path": "emails", "value": [{"value": "b@w", "type": "work"}]}),
            json!({"emails": [work, home, {"value": "b@w", "type": "work"}]}),
        ),
        (json!({"path": "emails", "value": {"value": "b@w"}}), json!({"emails": [work, home, {"value": "b@w"}]})),
        // What says nothing takes nothing away.
        (json!({"path": "name", "value": {"unknown": "x"}}), json!({})),
        (json!({"path": "name.givenName", "value": null}), json!({})),
        // The same value again changes nothing.
        (json!({"path": "emails", "value": [home]}), json!({})),
        // A new primary value takes the mark from the old one.
        (
            json!({"path": "emails", "value": [{"value": "b@w", "primary": true}]}),
            json!({"emails": [{"value": "a@w", "type": "work", "primary": false}, home, {"value": "b@w", "primary": true}]}),
        ),
        (
            json!({"path": "emails[type eq \"home\"]", "value": {"display": "H"}}),
            json!({"emails": [work, {"value": "a@h", "type": "home", "display": "H"}]}),
        ),
        (
            json!({"path": "emails[type eq \"other\"].value", "value": "a@o"}),
            json!({"emails": [work, home, {"type": "other", "value": "a@o"}]}),
        ),
        (json!({"path": format!("{ENTERPRISE}:department"), "value": "R"}), json!({ENTERPRISE: {"department": "R"}})),
        (
            json!({"path": ENTERPRISE, "value": {"department": "R", "manager": {"value": "7"}}}),
            json!({ENTERPRISE: {"department": "R", "manager": {"value": "7"}}}),
        ),
        (json!({"path": "title", "value": null}), json!({})),
        (json!({"path": "name", "value": {}}), json!({})),
        (json!({"path": "schemas", "value": [ENTERPRISE]}), json!({})),
    ] {
        let mut operation = operation;
        operation["op"] = json!("add");
        check(ada(), json!([operation]), with(expected));
    }
}

/// RFC 7644 section 3.5.2.2.
#[test]
fn remove_takes_values_away() {
    let work = json!({"value": "a@w", "type": "work", "primary": true});
    for (path, expected) in [
        ("name", json!({"name": null})),
        ("name.givenName", json!({"name": {"familyName": "L"}})),
        ("nickName", json!({})),
        ("active", json!({"active": null})),
        ("emails", json!({"emails": null})),
        ("emails[type eq \"home\"]", json!({"emails": [work]})),
        ("EMAILS[TYPE eq \"HOME\"]", json!({"emails": [work]})),
        ("emails[type eq \"absent\"]", json!({})),
        ("emails[value sw \"a\"]", json!({"emails": null})),
        ("emails[type eq \"home\"].type", json!({"emails": [work, {"value": "a@h"}]})),
        ("emails.type", json!({"emails": [{"value": "a@w", "primary": true}, {"value": "a@h"}]})),
        (ENTERPRISE, json!({})),
    ] {
        check(ada(), json!([{"op": "remove", "path": path}]), with(expected));
    }
    let placed = with(json!({ENTERPRISE: {"department": "R", "division": "D"}}));
    check(placed.clone(), json!([{"op": "remove", "path": ENTERPRISE}]), ada());
    check(
        placed,
        json!([{"op": "remove", "path": format!("{ENTERPRISE}:division")}]),
        with(json!({ENTERPRISE: {"department": "R"}})),
    );
}

/// RFC 7644 section 3.5.2.3.
#[test]
fn replace_sets_what_it_names() {
    let work = json!({"value": "a@w", "type": "work", "primary": true});
    let home = json!({"value": "a@h", "type": "home"});
    for (operation, expected) in [
        (json!({"path": "active", "value": false}), json!({"active": false})),
        (json!({"value": {"active": false}}), json!({"active": false})),
        (json!({"path": "name", "value": {"givenName": "B"}}), json!({"name": {"givenName": "B", "familyName": "L"}})),
        (json!({"path": "emails", "value": [{"value": "z@z"}]}), json!({"emails": [{"value": "z@z"}]})),
        (json!({"path": "emails", "value": []}), json!({"emails": null})),
        (json!({"path": "name", "value": null}), json!({"name": null})),
        (
            json!({"path": "emails[type eq \"home\"].value", "value": "n@h"}),
            json!({"emails": [work, {"value": "n@h", "type": "home"}]}),
        ),
        (
            json!({"path": "emails[type eq \"work\"]", "value": {"value": "n@w"}}),
            json!({"emails": [{"type": "work", "value": "n@w"}, home]}),
        ),
        (
            json!({"path": "emails[type eq \"home\"].primary", "value": true}),
            json!({"emails": [{"value": "a@w", "type": "work", "primary": false},
                {"value": "a@h", "type": "home", "primary": true}]}),
        ),
        (
            json!({"path": "emails.display", "value": "x"}),
            json!({"emails": [{"value": "a@w", "type": "work", "primary": true, "display": "x"},
                {"value": "a@h", "type": "home", "display": "x"}]}),
        ),
    ] {
        let mut operation = operation;
        operation["op"] = json!("replace");
        check(ada(), json!([operation]), with(expected));
    }
}

#[test]
fn operations_take_effect_in_order() {
    check(
        json!({"userName": "ada"}),
        json!([
            {"op": "add", "path": "emails", "value": [{"value": "1", "type": "work"}]},
            {"op": "replace", "path": "emails[type eq \"work\"].value", "value": "2"},
            {"op": "add", "path": "title", "value": "x"},
            {"op": "remove", "path": "title"}
        ]),
        json!({"userName": "ada", "emails": [{"value": "2", "type": "work"}]}),
    );
}

/// Entra ID's older dialect and its newer one.
#[test]
fn what_entra_sends_is_understood() {
    let manager = |value: Value| with(json!({ENTERPRISE: {"manager": value}}));
    for (operation, expected) in [
        (json!({"op": "Replace", "path": "active", "value": "False"}), with(json!({"active": false}))),
        (json!({"op": "Add", "path": "active", "value": "True"}), ada()),
        (
            json!({"op": "Replace", "path": "addresses[type eq \"work\"].locality", "value": "Bern"}),
            with(json!({"addresses": [{"type": "work", "locality": "Bern"}]})),
        ),
        (
            json!({"op": "Add", "path": "phoneNumbers[type eq \"mobile\"].value", "value": "+41 (0) 1"}),
            with(json!({"phoneNumbers": [{"type": "mobile", "value": "+41 (0) 1"}]})),
        ),
        (
            json!({"op": "Add", "path": "roles[primary eq \"True\"].value", "value": "{\"id\":\"1\"}"}),
            with(json!({"roles": [{"primary": true, "value": "{\"id\":\"1\"}"}]})),
        ),
        (json!({"op": "Add", "path": format!("{ENTERPRISE}:manager"), "value": "26"}), manager(json!({"value": "26"}))),
        (
            json!({"op": "Add", "path": format!("{ENTERPRISE}:manager"), "value": [{"$ref": "../Users/26", "value": "26"}]}),
            manager(json!({"$ref": "../Users/26", "value": "26"})),
        ),
        (json!({"op": "Add", "path": "manager", "value": {"value": "26"}}), manager(json!({"value": "26"}))),
        (json!({"op": "Replace", "path": format!("{ENTERPRISE}:manager"), "value": ""}), ada()),
        (
            json!({"op": "Remove", "path": "emails", "value": [{"value": "a@h", "$ref": null}]}),
            with(json!({"emails": [{"value": "a@w", "type": "work", "primary": true}]})),
        ),
        (
            json!({"op": "replace", "value": {
                "name.givenName": "B", "displayName": "B L", "emails[type eq \"other\"].value": "b@o",
                format!("{ENTERPRISE}:department"): "R", format!("{ENTERPRISE}:manager.value"): "9",
                "urn:example:unknown:attribute": 1, "unknown": 2, "id": "x", "not a path": 3
            }}),
            with(json!({"name": {"givenName": "B", "familyName": "L"}, "displayName": "B L",
                "emails": [{"value": "a@w", "type": "work", "primary": true}, {"value": "a@h", "type": "home"},
                    {"type": "other", "value": "b@o"}],
                ENTERPRISE: {"department": "R", "manager": {"value": "9"}}})),
        ),
    ] {
        check(ada(), json!([operation]), expected);
    }
}

#[test]
fn a_reference_goes_with_the_value_that_it_was_for() {
    let before = with(json!({ENTERPRISE: {"manager": {"value": "1", "$ref": "../1"}}}));
    let after = with(json!({ENTERPRISE: {"manager": {"value": "2"}}}));
    check(before.clone(), json!([{"op": "replace", "path": "manager.value", "value": "2"}]), after.clone());
    check(before.clone(), json!([{"op": "replace", "path": "manager", "value": "2"}]), after);
    check(before.clone(), json!([{"op": "replace", "path": "manager", "value": {"value": "1"}}]), before);
}

#[test]
fn wrong_operations_are_refused_by_kind() {
    let path = |path: &str| json!([{"op": "replace", "path": path, "value": "x"}]);
    for (operations, scim_type) in [
        (json!([]), "invalidSyntax"),
        (json!({"op": "add"}), "invalidSyntax"),
        (json!(["add"]), "invalidSyntax"),
        (json!([{"path": "title", "value": "x"}]), "invalidSyntax"),
        (json!([{"op": "move", "path": "title", "value": "x"}]), "invalidSyntax"),
        (json!([{"op": 1, "path": "title", "value": "x"}]), "invalidSyntax"),
        (json!([{"op": "add", "path": 1, "value": "x"}]), "invalidPath"),
        (json!([{"op": "add", "path": "title"}]), "invalidValue"),
        (json!([{"op": "add", "value": "x"}]), "invalidValue"),
        (json!([{"op": "add"}]), "invalidValue"),
        (json!([{"op": "remove"}]), "noTarget"),
        (json!([{"op": "remove", "path": ""}]), "noTarget"),
        (json!([{"op": "remove", "path": "userName"}]), "mutability"),
        (json!([{"op": "replace", "path": "userName", "value": null}]), "invalidValue"),
        (json!([{"op": "replace", "path": "active", "value": "maybe"}]), "invalidValue"),
        (json!([{"op": "replace", "path": "emails[type eq \"work\"].primary", "value": "yes"}]), "invalidValue"),
        (json!([{"op": "replace", "path": ENTERPRISE, "value": "x"}]), "invalidValue"),
        (
            json!([{"op": "add", "path": "emails[type eq \"work\" or value pr]", "value": {"primary": true}}]),
            "invalidValue",
        ),
        (json!([{"op": "add", "path": "emails[type sw \"zz\"].value", "value": "x"}]), "noTarget"),
        (path("emails[type eq \"absent\"].value"), "noTarget"),
        (path("id"), "mutability"),
        (path("meta.created"), "mutability"),
        (path("groups"), "mutability"),
        (path("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.displayName"), "mutability"),
        (path("nothing"), "invalidPath"),
        (path("name.nothing"), "invalidPath"),
        (path("urn:other:User:title"), "invalidPath"),
        (path("emails[type eq \"work\""), "invalidPath"),
        (path("emails[(((("), "invalidPath"),
        (path("title[value eq 1]"), "invalidFilter"),
        (path("emails[nothing eq 1]"), "invalidFilter"),
        (path("emails[emails.type eq 1]"), "invalidFilter"),
    ] {
        let error = patched(&ada(), &operations).expect_err(&operations.to_string());
        assert_eq!(error.answer().scim_type, Some(scim_type), "{operations}: {error}");
    }
    let bodies =
        [json!({}), json!({"Operations": [{"op": "remove", "path": "title"}]}), json!({"schemas": [PATCH_SCHEMA]})];
    for body in bodies {
        assert!(matches!(parse(&PERSON, body.as_object().unwrap()), Err(Error::InvalidSyntax(_))), "{body}");
    }
}

fn team(operations: Value) -> Result<(usize, Vec<MemberStep>), Error> {
    let (others, members) = members(parse(&TEAM, &request(operations))?)?;
    Ok((others.len(), members))
}

#[test]
fn what_clients_do_to_members() {
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    let shown = |id: &str, display: Option<&str>| {
        vec![NamedMember { id: id.to_owned(), display: display.map(str::to_owned), is_bare: false }]
    };
    let bare = |id: &str| vec![NamedMember { id: id.to_owned(), display: None, is_bare: true }];
    let some = |ids: &[&str]| ids.iter().flat_map(|id| shown(id, None)).collect::<Vec<_>>();
    for (operations, expected) in [
        // Okta: remove by path and add with display, in one request.
        (
            json!([{"op": "remove", "path": "members[value eq \"1\"]"},
            {"op": "add", "path": "members", "value": [{"value": "2", "display": "b@x"}]}]),
            (0, vec![MemberStep::Remove(ids(&["1"])), MemberStep::Add(shown("2", Some("b@x")))]),
        ),
        // Okta: push an empty group; rename without naming members.
        (json!([{"op": "replace", "path": "members", "value": []}]), (0, vec![MemberStep::Replace(vec![])])),
        (
            json!([{"op": "replace", "value": {"members": [], "id": "g", "displayName": "n"}}]),
            (1, vec![MemberStep::Replace(vec![])]),
        ),
        (json!([{"op": "replace", "value": {"id": "g", "displayName": "n"}}]), (1, vec![])),
        // Entra ID: remove with values is those members, not all.
        (
            json!([{"op": "Remove", "path": "members", "value": [{"$ref": null, "value": "1"}, {"value": "2"}]}]),
            (0, vec![MemberStep::Remove(ids(&["1", "2"]))]),
        ),
        (json!([{"op": "Remove", "path": "members", "value": []}]), (0, vec![MemberStep::Remove(vec![])])),
        (json!([{"op": "remove", "path": "members"}]), (0, vec![MemberStep::Clear])),
        (json!([{"op": "remove", "path": "members", "value": null}]), (0, vec![MemberStep::Clear])),
        (json!([{"op": "add", "path": "members", "value": "1"}]), (0, vec![MemberStep::Add(bare("1"))])),
        (
            json!([{"op": "add", "path": "members", "value": {"$ref": "https://x/Users/1"}}]),
            (0, vec![MemberStep::Add(some(&["1"]))]),
        ),
        (
            json!([{"op": "remove", "path": "members[value eq \"1\" or value eq \"2\"]"}]),
            (0, vec![MemberStep::Remove(ids(&["1", "2"]))]),
        ),
        (
            json!([{"op": "remove", "path": "members[type eq \"Group\"]"}]),
            (0, vec![MemberStep::RemoveWhere("type eq \"Group\"".parse().unwrap())]),
        ),
        (
            json!([{"op": "Add", "path": "members[value eq \"1\"]", "value": {"value": "1"}}]),
            (0, vec![MemberStep::Add(some(&["1"]))]),
        ),
    ] {
        assert_eq!(team(operations.clone()).unwrap_or_else(|e| panic!("{operations}: {e}")), expected, "{operations}");
    }
    for (operations, scim_type) in [
        (json!([{"op": "add", "path": "members", "value": [{"display": "b"}]}]), "invalidValue"),
        (json!([{"op": "add", "path": "members", "value": [7]}]), "invalidValue"),
        (json!([{"op": "replace", "path": "members[value eq \"1\"].value", "value": "2"}]), "mutability"),
        (json!([{"op": "add", "path": "members[type eq \"User\"]", "value": {}}]), "noTarget"),
        (json!([{"op": "remove", "path": "displayName"}]), "mutability"),
    ] {
        let error = team(operations.clone()).expect_err(&operations.to_string());
        assert_eq!(error.answer().scim_type, Some(scim_type), "{operations}: {error}");
    }
}

#[test]
fn a_request_changes_no_more_attributes_than_it_may() {
    let eleven = json!({"op": "add", "value": {"title": "a", "nickName": "b", "locale": "c", "timezone": "d",
        "displayName": "e", "userType": "f", "preferredLanguage": "de", "active": true, "userName": "ada",
        "name.givenName": "g", "name.familyName": "h"}});
    let (most, times) = (MAX_STEPS / 11, |times: usize| request(json!(vec![eleven.clone(); times])));
    assert_eq!(parse(&PERSON, &times(most)).unwrap().len(), most * 11);
    assert!(matches!(parse(&PERSON, &times(most + 1)), Err(Error::InvalidSyntax(_))));
}
