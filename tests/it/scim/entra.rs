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
