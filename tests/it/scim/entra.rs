//! What Entra ID sends, in both of its dialects.

use http::Method;
use serde_json::{Value, json};

use super::{ENTERPRISE, GROUP, NOBODY, USER, client, encoded};

#[tokio::test]
async fn the_connection_test_finds_nobody() {
    let client = client().await;
    let filter = encoded(&format!("userName eq \"{NOBODY}\""));
    let answer = client.get(&format!("/Users?filter={filter}")).await.expect(200);
    assert_eq!((&answer.body["totalResults"], &answer.body["Resources"]), (&json!(0), &json!([])));
}

/// The default mapping's attributes, each as the service writes it.
#[tokio::test]
async fn the_default_mapping_is_kept() {
    let client = client().await;
    let manager = client.user("boss@corp.example").await;
    let create = json!({
        "schemas": [USER, ENTERPRISE], "externalId": "ada", "userName": "ada@corp.example", "active": true,
        "displayName": "Ada Lovelace", "title": "Analyst", "preferredLanguage": "en-GB",
        "emails": [{"primary": true, "type": "work", "value": "ada@corp.example"}],
        "name": {"formatted": "Ada Lovelace", "familyName": "Lovelace", "givenName": "Ada"},
        "addresses": [{"primary": false, "type": "work", "formatted": "Room 1", "streetAddress": "St James Sq 1",
            "locality": "London", "region": "LND", "postalCode": "SW1Y", "country": "GB"}],
        "phoneNumbers": [{"type": "work", "value": "425-555-0100"}, {"type": "mobile", "value": "425-555-0101"},
            {"type": "fax", "value": "425-555-0102"}],
        ENTERPRISE: {"employeeNumber": "7", "department": "Engines", "manager": manager},
        "roles": [],
    });
    let answer = client.post("/Users", &create).await.expect(201);
    for key in ["displayName", "title", "preferredLanguage", "emails", "name", "addresses", "phoneNumbers"] {
        assert_eq!(answer.body[key], create[key], "{key}");
    }
    assert_eq!(answer.body[ENTERPRISE]["manager"], json!({"value": manager}));
    let id = answer.id();
    for filter in [
        format!("id eq \"{id}\" and manager eq \"{manager}\""),
        format!("id eq \"{id}\" and {ENTERPRISE}:manager eq \"{manager}\""),
        "emails[type eq \"work\"].value eq \"ADA@corp.example\"".to_owned(),
        "externalId eq \"ada\"".to_owned(),
    ] {
        let path = format!("/Users?filter={}&attributes=id", encoded(&filter));
        let found = client.get(&path).await.expect(200);
        assert_eq!(found.body["Resources"][0]["id"], json!(id), "{filter}");
    }
}

#[tokio::test]
async fn the_older_dialect_is_understood() {
    let client = client().await;
    let path = format!("/Users/{}", client.user("ada@corp.example").await);
    let check = async |operations: Value, attribute: &str, expected: Value| {
        let answer = client.patch(&path, operations.clone()).await.expect(200);
        assert_eq!(answer.body.get(attribute).cloned().unwrap_or_default(), expected, "{operations}");
    };
    check(json!([{"op": "Replace", "path": "active", "value": "False"}]), "active", json!(false)).await;
    check(json!([{"op": "Add", "path": "active", "value": "True"}]), "active", json!(true)).await;
    check(
        json!([{"op": "Add", "path": "emails[type eq \"work\"].value", "value": "ada@corp.example"}]),
        "emails",
        json!([{"type": "work", "value": "ada@corp.example"}]),
    )
    .await;
    check(
        json!([{"op": "Replace", "path": "emails[type eq \"work\"].value", "value": "a@corp.example"}]),
        "emails",
        json!([{"type": "work", "value": "a@corp.example"}]),
    )
    .await;
    check(
        json!([{"op": "Replace", "path": "addresses[type eq \"work\"].locality", "value": "London"},
            {"op": "Replace", "path": "addresses[type eq \"work\"].country", "value": "GB"}]),
        "addresses",
        json!([{"type": "work", "locality": "London", "country": "GB"}]),
    )
    .await;
    check(
        json!([{"op": "Add", "path": "roles[primary eq \"True\"].value", "value": "{\"id\":\"18d1\",\"value\":\"A\"}"}]),
        "roles",
        json!([{"primary": true, "value": "{\"id\":\"18d1\",\"value\":\"A\"}"}]),
    )
    .await;
    let manager = format!("{ENTERPRISE}:manager");
    check(json!([{"op": "Add", "path": manager, "value": "26"}]), ENTERPRISE, json!({"manager": {"value": "26"}}))
        .await;
    check(
        json!([{"op": "Replace", "path": manager, "value": [{"$ref": "http://x/scim/Users/27", "value": "27"}]}]),
        ENTERPRISE,
        json!({"manager": {"$ref": "http://x/scim/Users/27", "value": "27"}}),
    )
    .await;
    check(json!([{"op": "Remove", "path": manager}]), ENTERPRISE, Value::Null).await;
    check(json!([{"op": "Remove", "path": "emails[type eq \"work\"].value"}]), "emails", json!([{"type": "work"}]))
        .await;
}

/// With the flag `aadOptscim062020`: one operation without path whose keys are paths.
#[tokio::test]
async fn the_newer_dialect_is_understood() {
    let client = client().await;
    let path = format!("/Users/{}", client.user("ada@corp.example").await);
    let operations = json!([
        {"op": "replace", "path": "emails[type eq \"other\"]", "value": {"value": "x"}},
    ]);
    client.patch(&path, operations).await.expect_error(400, Some("noTarget"));
    let operations = json!([{"op": "replace", "value": {
        "displayName": "Ada", "name.givenName": "Ada", "name.familyName": "Lovelace", "active": false,
        "emails[type eq \"work\"].value": "ada@corp.example",
        format!("{ENTERPRISE}:department"): "Engines",
        "urn:ietf:params:scim:schemas:extension:CustomExtension:2.0:User:tag": "passed over",
    }}]);
    let answer = client.patch(&path, operations).await.expect(200);
    assert_eq!(answer.body["name"], json!({"givenName": "Ada", "familyName": "Lovelace"}));
    assert_eq!(answer.body["emails"], json!([{"type": "work", "value": "ada@corp.example"}]));
    assert_eq!(answer.body[ENTERPRISE], json!({"department": "Engines"}));
    assert_eq!((&answer.body["displayName"], &answer.body["active"]), (&json!("Ada"), &json!(false)));
}

#[tokio::test]
async fn groups_and_their_members() {
    let client = client().await;
    let (ada, bob) = (client.user("ada").await, client.user("bob").await);
    let create = json!({
        "schemas": [GROUP, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
        "externalId": "8aa1a0c0", "displayName": "Engines", "meta": {"resourceType": "Group"},
    });
    let created = client.post("/Groups", &create).await.expect(201);
    assert_eq!(created.body["schemas"], json!([GROUP]));
    let group = created.id();
    let path = format!("/Groups/{group}");
    let add = json!([{"op": "Add", "path": "members", "value": [{"$ref": null, "value": ada}, {"value": bob}]}]);
    client.patch(&path, add).await.expect(200);
    let probe = |user: &str| {
        format!(
            "/Groups?excludedAttributes=members&filter={}",
            encoded(&format!("id eq \"{group}\" and members eq \"{user}\""))
        )
    };
    assert_eq!(client.names(&probe(&ada)).await, ["Engines"]);
    let found = client.get("/Groups?excludedAttributes=members&filter=displayName+eq+%22Engines%22").await.expect(200);
    assert!(found.body["Resources"][0].get("members").is_none());
    // The most reported of all misunderstandings: this takes one member out, not all.
    let remove = json!([{"op": "Remove", "path": "members", "value": [{"$ref": null, "value": ada}]}]);
    client.patch(&path, remove).await.expect(200);
    assert_eq!(client.members(&group).await, [bob]);
    assert!(client.names(&probe(&ada)).await.is_empty());
    let rename = json!([{"op": "Replace", "path": "displayName", "value": "Motors"}]);
    assert_eq!(client.patch(&path, rename).await.expect(200).body["displayName"], "Motors");
}

#[tokio::test]
async fn a_projection_by_value_path_and_lower_case_endpoints_work() {
    let client = client().await;
    let body = json!({"schemas": [USER], "userName": "ada", "emails": [{"type": "work", "value": "a@x"}]});
    let id = client.send(Method::POST, "/users", &[], body.to_string()).await.expect(201).id();
    let path = format!("/users/{id}?attributes={}", encoded("userName,emails[type eq \"work\"]"));
    let answer = client.get(&path).await.expect(200);
    assert_eq!(answer.body["emails"], body["emails"]);
    assert!(answer.body.get("meta").is_none());
}

/// Elements that are not there yet are made by the paths that name them, by `Add` and by `Replace` alike.
#[tokio::test]
async fn a_path_into_an_absent_element_makes_the_element() {
    let client = client().await;
    for (number, op) in ["Add", "Replace", "add"].into_iter().enumerate() {
        let path = format!("/Users/{}", client.user(&format!("ada{number}")).await);
        let operations = json!([
            {"op": op, "path": "emails[type eq \"work\"].value", "value": "ada@corp.example"},
            {"op": op, "path": "phoneNumbers[type eq \"mobile\"].value", "value": "+1 (425) 555-0101"},
            {"op": op, "path": "phoneNumbers[type eq \"fax\"].value", "value": "425 555 0102"},
            {"op": op, "path": "addresses[type eq \"work\"].locality", "value": "London"},
            {"op": op, "path": "addresses[type eq \"work\"].country", "value": "GB"},
            {"op": op, "path": "name.givenName", "value": "Ada"},
            {"op": op, "path": format!("{ENTERPRISE}:department"), "value": "Engines"},
        ]);
        let user = client.patch(&path, operations.clone()).await.expect(200).body;
        assert_eq!(user["emails"], json!([{"type": "work", "value": "ada@corp.example"}]));
        // Numbers are what was sent: a number in another form would be pushed again for ever.
        let numbers =
            json!([{"type": "mobile", "value": "+1 (425) 555-0101"}, {"type": "fax", "value": "425 555 0102"}]);
        assert_eq!(user["phoneNumbers"], numbers);
        assert_eq!(user["addresses"], json!([{"type": "work", "locality": "London", "country": "GB"}]));
        assert_eq!(
            (&user["name"], &user[ENTERPRISE]),
            (&json!({"givenName": "Ada"}), &json!({"department": "Engines"}))
        );
        // The same again finds them.
        assert_eq!(client.patch(&path, operations).await.expect(200).body, user);
    }
    let filter = encoded("emails[type eq \"work\"].value eq \"ada@corp.example\"");
    assert_eq!(client.names(&format!("/Users?filter={filter}")).await.len(), 3);
}

/// A manager comes as plain text, as an object and as a list of one, and is looked for as any of them.
#[tokio::test]
async fn a_manager_comes_in_three_shapes() {
    let client = client().await;
    let boss = client.user("boss").await;
    let path = format!("/Users/{}", client.user("ada").await);
    let id = path.rsplit('/').next().unwrap();
    let manager = format!("{ENTERPRISE}:manager");
    for value in [
        json!(boss),
        json!({"value": boss}),
        json!([{"value": boss, "$ref": format!("../Users/{boss}")}]),
        json!({"$ref": format!("../Users/{boss}"), "value": boss, "displayName": "made up"}),
    ] {
        let user = client.patch(&path, json!([{"op": "Add", "path": manager, "value": value}])).await.expect(200).body;
        assert_eq!(user[ENTERPRISE]["manager"]["value"], json!(boss), "{value}");
        assert_ne!(user[ENTERPRISE]["manager"]["displayName"], "made up");
        for probe in [format!("id eq \"{id}\" and manager eq \"{boss}\""), format!("{manager}.value eq \"{boss}\"")] {
            assert_eq!(client.names(&format!("/Users?filter={}&attributes=userName", encoded(&probe))).await, ["ada"]);
        }
    }
    for gone in [json!({"op": "Remove", "path": manager}), json!({"op": "Replace", "path": manager, "value": ""})] {
        client.patch(&path, json!([{"op": "Add", "path": manager, "value": boss}])).await.expect(200);
        let user = client.patch(&path, json!([gone])).await.expect(200).body;
        assert!(user.get(ENTERPRISE).is_none(), "{user}");
    }
}

/// Roles of applications are JSON as text inside of JSON; every byte of it is the service's.
#[tokio::test]
async fn roles_are_kept_byte_for_byte() {
    let client = client().await;
    let role = "{\"id\":\"18d14569\",  \"value\":\"A\\u00e4\",\"displayName\":\"Admin, \\\"all\\\"\"}";
    let body = json!({"schemas": [USER], "userName": "ada", "roles": [{"primary": "True", "type": "WindowsAzureActiveDirectoryRole", "value": role}]});
    let created = client.post("/Users", &body).await.expect(201);
    assert_eq!(created.body["roles"][0]["value"], json!(role));
    let path = format!("/Users/{}", created.id());
    let other = role.replace("18d14569", "99aa");
    let replace = json!([{"op": "Replace", "path": "roles[primary eq \"True\"].value", "value": other}]);
    let user = client.patch(&path, replace).await.expect(200).body;
    assert_eq!((&user["roles"][0]["value"], user["roles"].as_array().unwrap().len()), (&json!(other), 1));
    for probe in ["roles[primary eq \"True\"]", "roles[primary eq true]"] {
        assert_eq!(client.names(&format!("/Users?filter={}", encoded(probe))).await, ["ada"], "{probe}");
    }
}

/// Somebody who is deleted softly stays readable and findable until the service deletes for good; back before that, the
/// account is the same.
#[tokio::test]
async fn a_soft_deletion_keeps_the_account_until_the_real_one() {
    let client = client().await;
    let id = client.user("ada@corp.example").await;
    let path = format!("/Users/{id}");
    let find = format!("/Users?filter={}", encoded("userName eq \"ada@corp.example\""));
    let switch = |active: &str| json!([{"op": "Replace", "path": "active", "value": active}]);
    assert_eq!(client.patch(&path, switch("False")).await.expect(200).body["active"], false);
    assert_eq!(client.get(&find).await.expect(200).body["Resources"][0]["active"], false);
    assert_eq!(client.get(&path).await.expect(200).body["active"], false);
    assert_eq!(client.patch(&path, switch("True")).await.expect(200).id(), id);
    client.patch(&path, switch("False")).await.expect(200);
    client.delete(&path).await.expect(204);
    assert!(client.names(&find).await.is_empty());
    assert_ne!(client.user("ada@corp.example").await, id);
}

/// A cycle sends changes of members one after the other, several members and several operations in one.
#[tokio::test]
async fn a_burst_of_member_changes_leaves_what_the_last_one_says() {
    let client = client().await;
    let group = client.group("Everybody", &[]).await;
    let path = format!("/Groups/{group}");
    let mut ids = Vec::new();
    for number in 0..30 {
        ids.push(client.user(&format!("person{number}")).await);
    }
    for (number, chunk) in ids.chunks(3).enumerate() {
        let values: Vec<Value> = chunk.iter().map(|id| json!({"$ref": null, "value": id})).collect();
        let mut operations = vec![json!({"op": "Add", "path": "members", "value": values})];
        if number % 2 == 1 {
            operations.push(json!({"op": "Remove", "path": "members", "value": [values[0]]}));
        }
        client.patch(&path, json!(operations)).await.expect(200);
    }
    let mut expected: Vec<String> =
        ids.chunks(3).enumerate().flat_map(|(number, chunk)| chunk[number % 2..].to_vec()).collect();
    expected.sort();
    assert_eq!(client.members(&group).await, expected);
    assert_eq!(client.get(&path).await.header("etag"), "W/\"11\"");
}

/// A conflict says that it is one of uniqueness, with the status in the body; without it the service retries for ever.
#[tokio::test]
async fn a_conflict_says_uniqueness_and_its_status() {
    let client = client().await;
    client.user("ada@corp.example").await;
    client.group("Engines", &[]).await;
    let user = json!({"schemas": [USER], "userName": "ADA@corp.example"});
    let group = json!({"schemas": [GROUP], "displayName": "engines"});
    for (path, body) in [("/Users", user), ("/Groups", group)] {
        let refused = client.post(path, &body).await.expect_error(409, Some("uniqueness"));
        assert_eq!(refused.body["status"], "409");
    }
}

/// What the server answers has nothing that was not sent: no `display` at addresses, no null anywhere.
#[tokio::test]
async fn answers_add_nothing_to_what_was_sent() {
    let client = client().await;
    let emails = json!([{"type": "work", "value": "ada@corp.example", "primary": true}]);
    let body = json!({"schemas": [USER], "userName": "ada", "emails": emails, "title": null, "phoneNumbers": []});
    let created = client.post("/Users", &body).await.expect(201);
    assert_eq!(created.body["emails"], emails);
    let names: Vec<&str> = created.body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["schemas", "id", "userName", "active", "emails", "meta"]);
    for path in ["/Schemas", "/ResourceTypes", "/ServiceProviderConfig", "/Users"] {
        assert!(!client.get(path).await.expect(200).body.to_string().contains("null"), "{path}");
    }
}

/// The service sends every attribute of its mapping by a path of its own.
#[tokio::test]
async fn an_attribute_that_is_not_known_keeps_nobody_enabled() {
    let client = client().await;
    let path = format!("/Users/{}", client.user("ada@corp.example").await);
    let tag = "urn:ietf:params:scim:schemas:extension:CustomExtension:2.0:User:tag";
    let operations = |replace: &str, add: &str| {
        json!([{"op": replace, "path": "active", "value": "False"}, {"op": add, "path": tag, "value": "x"},
            {"op": add, "path": "name.nothing", "value": "x"}])
    };
    client.patch(&path, operations("replace", "add")).await.expect_error(400, Some("invalidPath"));
    let answer = client.patch(&path, operations("Replace", "Add")).await.expect(200);
    assert_eq!(answer.body["active"], false);
    assert!(!answer.body.to_string().contains("CustomExtension"), "{}", answer.body);
    // What is known and cannot be written, or does not parse, is refused as before.
    for (wrong, scim_type) in [("groups", "mutability"), ("emails[", "invalidPath")] {
        let operation = json!([{"op": "Add", "path": wrong, "value": "x"}]);
        client.patch(&path, operation).await.expect_error(400, Some(scim_type));
    }
}

/// Entra's default mapping by the path of each attribute, as it sends changes: with `Add` where it had no value, `Replace` where
/// it had one, and as a key of one operation where the flag `aadOptscim062020` is set.
#[tokio::test]
async fn each_attribute_of_the_default_mapping_is_written_by_its_path() {
    let paths = [
        "displayName",
        "title",
        "preferredLanguage",
        "name.givenName",
        "name.familyName",
        "name.formatted",
        "externalId",
        "emails[type eq \"work\"].value",
        "addresses[type eq \"work\"].formatted",
        "addresses[type eq \"work\"].streetAddress",
        "addresses[type eq \"work\"].locality",
        "addresses[type eq \"work\"].region",
        "addresses[type eq \"work\"].postalCode",
        "addresses[type eq \"work\"].country",
        "phoneNumbers[type eq \"work\"].value",
        "phoneNumbers[type eq \"mobile\"].value",
        "phoneNumbers[type eq \"fax\"].value",
        "userName",
    ];
    let extended = ["employeeNumber", "department", "organization", "division"];
    let paths: Vec<String> = paths.into_iter().map(str::to_owned).collect();
    let paths: Vec<String> =
        paths.into_iter().chain(extended.iter().map(|name| format!("{ENTERPRISE}:{name}"))).collect();
    assert_eq!(paths.len(), 22);
    let client = client().await;
    for is_flagged in [false, true] {
        let id = client.user(&format!("ada-{is_flagged}@corp.example")).await;
        let address = format!("/Users/{id}");
        for (op, round) in [("Add", 1), ("Replace", 2)] {
            for (number, path) in paths.iter().enumerate() {
                let value = format!("{is_flagged}-{round}-{number}");
                let operations = match is_flagged {
                    false => json!([{"op": op, "path": path, "value": value}]),
                    true => json!([{"op": op.to_lowercase(), "value": {path.as_str(): value}}]),
                };
                client.patch(&address, operations).await.expect(200);
                // The value is found by the very path that wrote it.
                let filter = encoded(&format!("id eq \"{id}\" and {path} eq \"{value}\""));
                let found = client.get(&format!("/Users?filter={filter}")).await.expect(200);
                assert_eq!(found.body["totalResults"], 1, "{op} {path}");
            }
        }
        let user = client.get(&address).await.expect(200).body;
        for list in ["emails", "addresses"] {
            assert_eq!(user[list].as_array().unwrap().len(), 1, "one of its kind: {}", user[list]);
        }
        assert_eq!(user["phoneNumbers"].as_array().unwrap().len(), 3);
    }
}
