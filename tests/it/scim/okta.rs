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
