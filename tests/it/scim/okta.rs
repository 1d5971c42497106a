//! What Okta sends, in its order.

use serde_json::{Value, json};

use super::{Client, GROUP, Ground, LIST, PATCH, USER, client, encoded};

async fn find(client: &Client, name: &str) -> Value {
    let filter = encoded(&format!("userName eq \"{name}\""));
    client.get(&format!("/Users?filter={filter}&startIndex=1&count=100")).await.expect(200).body
}

/// The flow of Okta's own conformance file: look, create, look again, change, deactivate; integers are integers, names
/// have no case, a second create is a conflict, an unknown id is not found, and the wrong token is told so.
#[tokio::test]
async fn the_life_of_a_user() {
    let client = client().await;
    let first = client.get("/Users?count=1&startIndex=1").await.expect(200);
    assert_eq!(first.body["schemas"], json!([LIST]));
    assert!(["totalResults", "startIndex", "itemsPerPage"].iter().all(|key| first.body[key].is_u64()));
    client.get("/Users/010101001010101011001010101011").await.expect_error(404, None);

    let nobody = find(&client, "runscope@okta.example").await;
    assert_eq!((&nobody["totalResults"], &nobody["startIndex"]), (&json!(0), &json!(1)));
    assert_eq!(nobody["Resources"], json!([]));

    let create = json!({
        "schemas": [USER], "userName": "Runscope@Okta.example", "externalId": "00ujl29u0le5T6Aj10h7", "active": true,
        "name": {"givenName": "Runscope", "familyName": "Test"}, "locale": "en-US", "displayName": "Runscope Test",
        "emails": [{"primary": true, "value": "runscope@okta.example", "type": "work"}], "groups": [],
        "password": "1mz050nq",
    });
    let created = client.post("/Users", &create).await.expect(201);
    assert_eq!(created.body["active"], json!(true));
    assert_eq!(created.body["name"], create["name"]);
    assert_eq!(created.body["userName"], create["userName"]);
    assert_eq!(created.body["emails"], create["emails"]);
    assert!(created.body.get("password").is_none());
    let path = format!("/Users/{}", created.id());

    let listed = client.get("/Users?count=1").await.expect(200).body["Resources"][0].clone();
    for key in ["id", "userName", "active", "name", "emails"] {
        assert_eq!(listed[key], created.body[key], "{key}");
    }
    assert_eq!(find(&client, "runscope@okta.EXAMPLE").await["Resources"][0]["id"], json!(created.id()));
    client.post("/Users", &create).await.expect_error(409, Some("uniqueness"));

    // A change of the profile is the whole resource back, what the server added included.
    let mut whole = client.get(&path).await.expect(200).body;
    whole["name"]["givenName"] = json!("Changed");
    let changed = client.put(&path, &whole).await.expect(200);
    assert_eq!(changed.body["name"]["givenName"], json!("Changed"));
    assert_eq!(changed.body["externalId"], create["externalId"]);

    // Deactivation without a path; the user stays readable and findable.
    let off = json!([{"op": "replace", "value": {"active": false}}]);
    assert_eq!(client.patch(&path, off).await.expect(200).body["active"], json!(false));
    assert_eq!(client.get(&path).await.expect(200).body["active"], json!(false));
    assert_eq!(find(&client, "runscope@okta.example").await["totalResults"], json!(1));
    let on = json!([{"op": "replace", "value": {"active": true, "password": "8fh2k1"}}]);
    assert_eq!(client.patch(&path, on).await.expect(200).body["active"], json!(true));
    // The wizard's applications deactivate by PUT.
    whole["active"] = json!(false);
    assert_eq!(client.put(&path, &whole).await.expect(200).body["active"], json!(false));

    let wrong = Client { token: Some("00wrong".to_owned()), ..client.clone() };
    let refused = wrong.get("/Users").await.expect_error(401, None);
    assert_eq!(refused.body["status"], "401");
}

#[tokio::test]
async fn group_push() {
    let client = client().await;
    let (ada, bob) = (client.user("ada@okta.example").await, client.user("bob@okta.example").await);
    assert!(client.names("/Groups?filter=displayName%20eq%20%22Eng%22&startIndex=1&count=100").await.is_empty());
    let created = client.post("/Groups", &json!({"schemas": [GROUP], "displayName": "Eng", "members": []})).await;
    let group = created.expect(201).id();
    let path = format!("/Groups/{group}");
    let both = json!([
        {"op": "remove", "path": format!("members[value eq \"{bob}\"]")},
        {"op": "add", "path": "members", "value": [{"value": ada, "display": "ada@okta.example"}]},
    ]);
    client.patch(&path, both).await.expect(200);
    assert_eq!(client.members(&group).await, [ada.as_str()]);
    // A rename says nothing about members and must not lose them.
    let rename = json!([{"op": "replace", "value": {"id": group, "displayName": "Engineering"}}]);
    assert_eq!(client.patch(&path, rename).await.expect(200).body["displayName"], "Engineering");
    assert_eq!(client.members(&group).await, [ada.as_str()]);
    let push = json!([{"op": "replace", "path": "members", "value": [{"value": bob, "display": "b"}]}]);
    client.patch(&path, push).await.expect(200);
    assert_eq!(client.members(&group).await, [bob.as_str()]);
    let push_empty = json!([{"op": "replace", "value": {"members": [], "id": group, "displayName": "Engineering"}}]);
    client.patch(&path, push_empty).await.expect(200);
    assert!(client.members(&group).await.is_empty());
    let put =
        json!({"schemas": [GROUP], "id": group, "displayName": "Eng", "members": [{"value": ada}, {"value": bob}]});
    client.put(&path, &put).await.expect(200);
    assert_eq!(client.members(&group).await.len(), 2);
    client.delete(&path).await.expect(204);
}

#[tokio::test]
async fn one_who_comes_back_gets_a_new_account_without_conflict() {
    let ground = Ground::new();
    let client = ground.client("okta").await;
    let body = json!({"schemas": [USER], "userName": "ada@okta.example", "externalId": "00u1", "active": true});
    let first = client.post("/Users", &body).await.expect(201).id();
    client.delete(&format!("/Users/{first}")).await.expect(204);
    ground.wait();
    let second = client.post("/Users", &body).await.expect(201).id();
    assert_ne!(first, second);
    let patch = json!({"schemas": [PATCH], "operations": [{"OP": "Replace", "Path": "active", "VALUE": "true"}]});
    client.send(http::Method::PATCH, &format!("/Users/{second}"), &[], patch.to_string()).await.expect(200);
}

/// Imports walk in pages of a hundred; who comes or changes meanwhile moves nobody to another page.
#[tokio::test]
async fn an_import_in_pages_of_a_hundred_sees_everybody_once() {
    let client = client().await;
    for number in 0..205 {
        client.user(&format!("person{number:03}")).await;
    }
    let mut seen = Vec::new();
    for start in [1, 101, 201] {
        let page = client.get(&format!("/Users?startIndex={start}&count=100")).await.expect(200);
        assert_eq!(page.body["startIndex"], json!(start));
        seen.extend(page.names());
        let id = page.body["Resources"][0]["id"].as_str().unwrap().to_owned();
        client
            .patch(&format!("/Users/{id}"), json!([{"op": "add", "path": "title", "value": "seen"}]))
            .await
            .expect(200);
        client.user(&format!("late{start}")).await;
    }
    let expected: Vec<String> = (0..205).map(|number| format!("person{number:03}")).collect();
    assert_eq!(seen[..205], expected);
}

/// Applications that the wizard makes know no PATCH: profile, deactivation and whole groups are PUT, with what the server
/// added sent back.
#[tokio::test]
async fn an_application_that_only_puts_keeps_users_and_whole_groups() {
    let client = client().await;
    let create = json!({"schemas": [USER], "userName": "ada@okta.example", "externalId": "00u1", "active": true,
        "name": {"givenName": "Ada"}, "password": "x"});
    let mut user = client.post("/Users", &create).await.expect(201).body;
    let path = format!("/Users/{}", user["id"].as_str().unwrap());
    for (active, given) in [(true, "Augusta"), (false, "Augusta"), (true, "Ada")] {
        user["active"] = json!(active);
        user["name"]["givenName"] = json!(given);
        let answer = client.put(&path, &user).await.expect(200);
        assert_eq!((&answer.body["active"], &answer.body["name"]["givenName"]), (&json!(active), &json!(given)));
        assert_eq!(answer.body["externalId"], "00u1");
        user = answer.body;
    }
    let bob = client.user("bob@okta.example").await;
    let create = json!({"schemas": [GROUP], "displayName": "Eng", "members": []});
    let mut group = client.post("/Groups", &create).await.expect(201).body;
    let path = format!("/Groups/{}", group["id"].as_str().unwrap());
    for members in [
        json!([{"value": bob, "display": "bob@okta.example"}]),
        json!([{"value": bob}, {"value": user["id"], "display": "ada@okta.example"}]),
        json!([]),
    ] {
        group["members"] = members.clone();
        group = client.put(&path, &group).await.expect(200).body;
        let shown = group["members"].as_array().map_or(0, Vec::len);
        assert_eq!(shown, members.as_array().unwrap().len(), "{group}");
    }
}

/// Applications of the catalogue switch people on and off by PATCH, with or without a path.
#[tokio::test]
async fn an_application_of_the_catalogue_switches_by_patch() {
    let client = client().await;
    let path = format!("/Users/{}", client.user("ada@okta.example").await);
    for (operation, active) in [
        (json!({"op": "replace", "value": {"active": false}}), false),
        (json!({"op": "replace", "path": "active", "value": true}), true),
        (json!({"op": "replace", "value": {"active": "false"}}), false),
        (json!({"op": "replace", "value": {"password": "t3mp", "active": true}}), true),
    ] {
        let answer = client.patch(&path, json!([operation])).await.expect(200);
        assert_eq!(answer.body["active"], json!(active), "{operation}");
        assert!(!answer.body.to_string().contains("t3mp"));
    }
}

/// Somebody who left and is pushed again: found, and switched on; under a new name, created beside the old account. An
/// `externalId` that is known already is never a conflict.
#[tokio::test]
async fn one_who_was_deactivated_is_pushed_again_without_conflict() {
    let client = client().await;
    let body = json!({"schemas": [USER], "userName": "ada@okta.example", "externalId": "00u1", "active": true});
    let id = client.post("/Users", &body).await.expect(201).id();
    let path = format!("/Users/{id}");
    client.patch(&path, json!([{"op": "replace", "value": {"active": false}}])).await.expect(200);
    let found = find(&client, "ada@okta.example").await;
    assert_eq!((&found["Resources"][0]["id"], &found["Resources"][0]["active"]), (&json!(id), &json!(false)));
    let on = client.patch(&path, json!([{"op": "replace", "value": {"active": true}}])).await.expect(200);
    assert_eq!(on.body["externalId"], "00u1");
    client.patch(&path, json!([{"op": "replace", "value": {"active": false}}])).await.expect(200);
    let renamed = json!({"schemas": [USER], "userName": "ada.king@okta.example", "externalId": "00u1", "active": true});
    assert_ne!(client.post("/Users", &renamed).await.expect(201).id(), id);
    client.post("/Users", &body).await.expect_error(409, Some("uniqueness"));
}

/// A change of a group that says nothing of members leaves them; one that names none empties it.
#[tokio::test]
async fn a_group_is_emptied_only_by_a_change_that_says_so() {
    let client = client().await;
    let ada = client.user("ada@okta.example").await;
    let group = client.group("Eng", &[&ada]).await;
    let path = format!("/Groups/{group}");
    for (operation, left) in [
        (json!({"op": "replace", "value": {"id": group, "displayName": "Eng 1"}}), 1),
        (json!({"op": "replace", "path": "displayName", "value": "Eng 2"}), 1),
        (json!({"op": "add", "value": {"externalId": "g1"}}), 1),
        (json!({"op": "replace", "value": {"members": null, "displayName": "Eng 3"}}), 0),
        (json!({"op": "add", "path": "members", "value": [{"value": ada, "display": "ada@okta.example"}]}), 1),
        (json!({"op": "replace", "value": {"members": [], "id": group, "displayName": "Eng 3"}}), 0),
        (json!({"op": "add", "value": {"members": [{"value": ada}]}}), 1),
        (json!({"op": "replace", "path": "members", "value": []}), 0),
    ] {
        client.patch(&path, json!([operation])).await.expect(200);
        assert_eq!(client.members(&group).await.len(), left, "{operation}");
    }
}

/// What Okta reads to offer roles and entitlements of the app: resource types that are declared, as docs/okta.md has them.
#[tokio::test]
async fn roles_and_entitlements_are_resource_types_that_are_declared() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/okta.md")).unwrap();
    let section = page.split("### Roles and entitlements that Okta assigns").nth(1).unwrap();
    let lines = section.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let lines: String =
        lines.lines().filter(|line| !line.starts_with("public_url")).map(|l| format!("{l}\n")).collect();
    let client = Ground::with_schemas(&lines).client("okta").await;
    let types = client.get("/ResourceTypes").await.expect(200);
    let endpoint = |name: &str| {
        let types = types.body["Resources"].as_array().unwrap();
        types.iter().find(|kind| kind["name"] == name).unwrap()["endpoint"].clone()
    };
    for (name, schema) in
        [("Role", "urn:okta:scim:schemas:core:1.0:Role"), ("Entitlement", "urn:okta:scim:schemas:core:1.0:Entitlement")]
    {
        let path = format!("/{name}s");
        assert_eq!(endpoint(name), path.as_str());
        for number in 1..=3 {
            let body = json!({"schemas": [schema], "displayName": format!("{name} {number}"), "type": "app"});
            let made = client.post(&path, &body).await.expect(201);
            assert_eq!(made.body["schemas"], json!([schema]));
        }
        let page = client.get(&format!("{path}?startIndex=2&count=1")).await.expect(200);
        assert_eq!((page.body["totalResults"].as_u64(), page.body["itemsPerPage"].as_u64()), (Some(3), Some(1)));
        assert_eq!(page.names(), [format!("{name} 2")]);
        let filter = encoded(&format!("displayName eq \"{name} 3\""));
        assert_eq!(client.names(&format!("{path}?filter={filter}")).await, [format!("{name} 3")]);
    }
}
