//! Users: create, read, replace, PATCH, delete.

use cleargate::directory::SourceRecord;
use cleargate::model::{Actor, Attributes, Circumstance, TokenId};
use serde_json::json;

use super::{BASE, ENTERPRISE, Ground, NOBODY, USER, client};

/// RFC 7644 section 3.3.
#[tokio::test]
async fn a_created_user_is_answered_with_its_address_and_version() {
    let ground = Ground::new();
    let client = ground.client("okta").await;
    let body = json!({
        "schemas": [USER, ENTERPRISE], "userName": "Ada@example.org", "externalId": "00u1", "id": "mine", "active": true,
        "name": {"givenName": "Ada", "familyName": "Lovelace"},
        "emails": [{"value": "ada@example.org", "type": "work", "primary": true}],
        "phoneNumbers": [{"value": "+44 (0)20-7946 0001 ext. 5", "type": "work"}],
        ENTERPRISE: {"department": "Engines", "manager": {"value": "26", "displayName": "ignored"}},
        "unknown": true, "meta": {"version": "mine"},
    });
    let answer = client.post("/Users", &body).await.expect(201);
    let id = answer.id();
    let location = format!("{BASE}/Users/{id}");
    assert_eq!(answer.header("location"), location);
    assert_eq!(answer.header("etag"), "W/\"1\"");
    let expected = json!({
        "schemas": [USER, ENTERPRISE], "id": id, "externalId": "00u1", "userName": "Ada@example.org", "active": true,
        "name": {"givenName": "Ada", "familyName": "Lovelace"},
        "emails": [{"value": "ada@example.org", "type": "work", "primary": true}],
        "phoneNumbers": [{"value": "+44 (0)20-7946 0001 ext. 5", "type": "work"}],
        ENTERPRISE: {"department": "Engines", "manager": {"value": "26"}},
        "meta": {"resourceType": "User", "created": "2027-01-15T08:00:00.000Z",
            "lastModified": "2027-01-15T08:00:00.000Z", "location": location, "version": "W/\"1\""},
    });
    assert_eq!(answer.body, expected);
    assert_eq!(client.get(&format!("/Users/{id}")).await.expect(200).body, expected);
    let events = ground.events().await;
    let created = events.iter().find(|event| event.kind.name() == "user.create").unwrap();
    assert_eq!((created.actor.as_str(), created.target_name.as_str()), ("connection:okta", "Ada@example.org"));
}

#[tokio::test]
async fn a_password_is_taken_and_never_shown() {
    let client = client().await;
    // No policy looks at it: clients send one that nobody knows.
    let body = json!({"schemas": [USER], "userName": "ada", "password": "1"});
    let answer = client.post("/Users", &body).await.expect(201);
    assert!(answer.body.get("password").is_none());
    let shown = client.get(&format!("/Users/{}?attributes=password,userName", answer.id())).await.expect(200);
    assert!(shown.body.get("password").is_none());
    let patch = json!([{"op": "replace", "path": "password", "value": "2"}]);
    assert!(client.patch(&format!("/Users/{}", answer.id()), patch).await.expect(200).body.get("password").is_none());
}

/// RFC 7644 section 3.3.1, RFC 7643 section 4.1.1.
#[tokio::test]
async fn a_name_is_given_once_in_whatever_spelling() {
    let client = client().await;
    let id = client.user("ada@example.org").await;
    for name in ["ada@example.org", "ADA@EXAMPLE.ORG", "ａda@example.org"] {
        let answer = client.post("/Users", &json!({"schemas": [USER], "userName": name})).await;
        answer.expect_error(409, Some("uniqueness"));
    }
    let other = client.user("bob").await;
    let rename = json!([{"op": "replace", "path": "userName", "value": "Ada@Example.org"}]);
    client.patch(&format!("/Users/{other}"), rename.clone()).await.expect_error(409, Some("uniqueness"));
    // One's own name in another spelling is a change like any other.
    let renamed = client.patch(&format!("/Users/{id}"), rename).await.expect(200);
    assert_eq!(renamed.body["userName"], "Ada@Example.org");
}

#[tokio::test]
async fn an_external_id_may_come_twice() {
    let client = client().await;
    for name in ["ada", "bob"] {
        client.post("/Users", &json!({"schemas": [USER], "userName": name, "externalId": "x"})).await.expect(201);
    }
    assert_eq!(client.names("/Users?filter=externalId%20eq%20%22x%22").await, ["ada", "bob"]);
}

/// RFC 7644 section 3.5.1.
#[tokio::test]
async fn put_replaces_what_clients_may_write() {
    let ground = Ground::new();
    let client = ground.client("okta").await;
    let body = json!({"schemas": [USER], "userName": "ada", "externalId": "e", "title": "Dr", "active": false,
        "emails": [{"value": "a@x"}]});
    let before = client.post("/Users", &body).await.expect(201);
    let path = format!("/Users/{}", before.id());
    ground.wait();
    let mut body =
        json!({"schemas": [USER], "userName": "ada", "nickName": "A", "id": NOBODY, "meta": {}, "groups": []});
    let after = client.put(&path, &body).await.expect(200);
    assert_eq!(after.id(), before.id());
    assert_eq!(after.body["nickName"], "A");
    for gone in ["title", "emails", "externalId"] {
        assert!(after.body.get(gone).is_none(), "{gone}");
    }
    // Nobody is enabled by silence.
    assert_eq!(after.body["active"], false);
    assert_eq!(after.body["meta"]["created"], before.body["meta"]["created"]);
    assert!(after.body["meta"]["lastModified"].as_str().unwrap().starts_with("2027-01-15T08:00:01."));
    assert_eq!(after.header("etag"), "W/\"2\"");
    body["active"] = json!(true);
    assert_eq!(client.put(&path, &body).await.expect(200).body["active"], true);
    // The same again is no change.
    assert_eq!(client.put(&path, &body).await.expect(200).header("etag"), "W/\"3\"");
    client.put(&path, &json!({"schemas": [USER]})).await.expect_error(400, Some("invalidValue"));
    client.put(&format!("/Users/{NOBODY}"), &body).await.expect_error(404, None);
}

/// RFC 7644 section 3.5.2: all operations or none.
#[tokio::test]
async fn a_patch_that_fails_half_way_changes_nothing() {
    let client = client().await;
    let id = client.user("ada").await;
    let path = format!("/Users/{id}");
    let operations = json!([
        {"op": "replace", "path": "title", "value": "Dr"},
        {"op": "replace", "path": "emails[type eq \"work\"].value", "value": "a@x"},
    ]);
    client.patch(&path, operations).await.expect_error(400, Some("noTarget"));
    let answer = client.get(&path).await.expect(200);
    assert!(answer.body.get("title").is_none());
    assert_eq!(answer.header("etag"), "W/\"1\"");
}

#[tokio::test]
async fn a_patch_is_answered_with_the_user_as_it_is_then() {
    let client = client().await;
    let id = client.user("ada").await;
    let answer = client
        .patch(
            &format!("/Users/{id}?attributes=title"),
            json!([{"op": "add", "path": "title", "value": "Dr"}, {"op": "add", "path": "nickName", "value": "A"}]),
        )
        .await
        .expect(200);
    assert_eq!(answer.body, json!({"schemas": [USER], "id": id, "title": "Dr"}));
    assert_eq!(answer.header("etag"), "W/\"2\"");
    client
        .patch(&format!("/Users/{NOBODY}"), json!([{"op": "add", "path": "title", "value": "x"}]))
        .await
        .expect_error(404, None);
}

#[tokio::test]
async fn taking_active_away_disables_the_account() {
    let client = client().await;
    let path = format!("/Users/{}", client.user("ada").await);
    let answer = client.patch(&path, json!([{"op": "remove", "path": "active"}])).await.expect(200);
    assert!(answer.body.get("active").is_none(), "{}", answer.body);
    assert!(client.get(&path).await.body.get("active").is_none());
    assert!(client.names("/Users?filter=active%20eq%20true").await.is_empty());
    let other = client.patch(&path, json!([{"op": "add", "path": "title", "value": "x"}])).await.expect(200);
    assert!(other.body.get("active").is_none());
    let back = client.patch(&path, json!([{"op": "add", "path": "active", "value": true}])).await.expect(200);
    assert_eq!(back.body["active"], true);
}

/// RFC 7644 section 3.6.
#[tokio::test]
async fn a_deleted_user_is_gone_and_the_name_is_free() {
    let client = client().await;
    let id = client.user("ada").await;
    let group = client.group("ops", &[&id]).await;
    let path = format!("/Users/{id}");
    let answer = client.delete(&path).await.expect(204);
    assert!(answer.body.is_null());
    for _ in 0..2 {
        client.delete(&path).await.expect_error(404, None);
    }
    client.get(&path).await.expect_error(404, None);
    client.patch(&path, json!([{"op": "replace", "path": "active", "value": true}])).await.expect_error(404, None);
    assert!(client.members(&group).await.is_empty());
    assert!(client.names("/Users").await.is_empty());
    assert_ne!(client.user("ada").await, id);
}

/// RFC 7643 section 4.1.2: `groups` is read-only and direct.
#[tokio::test]
async fn a_user_shows_the_groups_that_it_is_directly_in() {
    let client = client().await;
    let id = client.user("ada").await;
    let inner = client.group("inner", &[&id]).await;
    client.group("outer", &[&inner]).await;
    let answer = client.get(&format!("/Users/{id}")).await.expect(200);
    assert_eq!(
        answer.body["groups"],
        json!([{"value": inner, "$ref": format!("{BASE}/Groups/{inner}"), "display": "inner", "type": "direct"}])
    );
    let change = json!([{"op": "add", "path": "groups", "value": [{"value": inner}]}]);
    client.patch(&format!("/Users/{id}"), change).await.expect_error(400, Some("mutability"));
}

/// RFC 7644 section 3.9, on writes too.
#[tokio::test]
async fn every_answer_shows_what_was_asked_for() {
    let client = client().await;
    let body = json!({"schemas": [USER], "userName": "ada", "name": {"givenName": "A", "familyName": "L"}});
    let answer = client.post("/Users?attributes=name.givenName", &body).await.expect(201);
    let id = answer.id();
    assert_eq!(answer.body, json!({"schemas": [USER], "id": id, "name": {"givenName": "A"}}));
    let path = format!("/Users/{id}?excludedAttributes=meta,name,id,active");
    let expected = json!({"schemas": [USER], "id": id, "userName": "ada"});
    assert_eq!(client.get(&path).await.expect(200).body, expected);
    assert_eq!(client.put(&path, &body).await.expect(200).body, expected);
}

#[tokio::test]
async fn a_name_with_blanks_around_it_is_none_and_one_that_has_them_already_goes_on() {
    let ground = Ground::new();
    let client = ground.client("okta").await;
    let path = format!("/Users/{}", client.user("ada").await);
    let named = |name: &str| json!({"schemas": [USER], "userName": name});
    for name in [" eve", "eve ", "\u{a0}eve"] {
        client.post("/Users", &named(name)).await.expect_error(400, Some("invalidValue"));
        client.put(&path, &named(name)).await.expect_error(400, Some("invalidValue"));
        let rename = json!([{"op": "replace", "path": "userName", "value": name}]);
        client.patch(&path, rename).await.expect_error(400, Some("invalidValue"));
    }
    // As a release before let it be.
    let permit = ground.access.provision(&connection("okta"), Circumstance::default()).await.unwrap();
    let record = SourceRecord {
        external_id: None,
        user_name: " old ".parse().unwrap(),
        active: Some(true),
        attributes: Attributes::default(),
    };
    let old = ground.directory.create_user(&permit, &record).await.unwrap();
    let path = format!("/Users/{}", old.id);
    client.patch(&path, json!([{"op": "replace", "path": "active", "value": false}])).await.expect(200);
    client.put(&path, &named(" old ")).await.expect(200);
    client.put(&path, &named("old")).await.expect(200);
}

fn connection(source: &str) -> Actor {
    Actor::Connection { source: source.parse().unwrap(), token: TokenId::from_bytes([1; 16]) }
}
