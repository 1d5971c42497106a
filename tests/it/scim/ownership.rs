//! A connection changes what it brought, and nothing else.

use serde_json::json;

use super::{GROUP, Ground, USER};

#[tokio::test]
async fn what_another_connection_owns_is_seen_but_not_changed() {
    let ground = Ground::new();
    let (okta, entra) = (ground.client("okta").await, ground.client("entra").await);
    let body = json!({"schemas": [USER], "userName": "ada", "externalId": "00u1", "title": "Dr"});
    let user = format!("/Users/{}", okta.post("/Users", &body).await.expect(201).id());
    let group = format!("/Groups/{}", okta.group("ops", &[]).await);
    let seen = entra.get(&user).await.expect(200);
    assert_eq!(seen.body["title"], "Dr");
    assert!(seen.body.get("externalId").is_none(), "an external id is between the connection and us");
    assert!(entra.names("/Users?filter=externalId+eq+%2200u1%22").await.is_empty());
    let patch = json!([{"op": "replace", "path": "externalId", "value": "x"}]);
    for answer in [
        entra.patch(&user, json!([{"op": "replace", "path": "active", "value": false}])).await,
        entra.put(&user, &json!({"schemas": [USER], "userName": "ada"})).await,
        entra.delete(&user).await,
        entra.patch(&group, patch).await,
        entra.put(&group, &json!({"schemas": [GROUP], "displayName": "ops"})).await,
        entra.delete(&group).await,
    ] {
        let answer = answer.expect_error(409, None);
        assert!(answer.body["detail"].as_str().unwrap().contains("okta"), "{}", answer.body);
    }
    assert_eq!(okta.get(&user).await.expect(200).header("etag"), "W/\"1\"");
    assert_eq!(okta.get(&group).await.expect(200).header("etag"), "W/\"1\"");
}

#[tokio::test]
async fn an_account_kept_by_hand_is_not_adopted() {
    let ground = Ground::new();
    let okta = ground.client("okta").await;
    let permit = ground.access.task_permit("test", None);
    let record = cleargate::directory::SourceRecord {
        external_id: None,
        user_name: "root".parse().unwrap(),
        active: Some(true),
        attributes: Default::default(),
    };
    let root = ground.directory.create_user(&permit, &record).await.unwrap();
    okta.post("/Users", &json!({"schemas": [USER], "userName": "root"})).await.expect_error(409, Some("uniqueness"));
    let off = json!([{"op": "replace", "path": "active", "value": false}]);
    okta.patch(&format!("/Users/{}", root.id), off).await.expect_error(409, None);
    okta.delete(&format!("/Users/{}", root.id)).await.expect_error(409, None);
    assert_eq!(ground.directory.load_user(root.id).await.unwrap().revision, 1);
}

#[tokio::test]
async fn an_account_that_an_administrator_disabled_is_enabled_by_an_administrator_only() {
    let ground = Ground::new();
    let okta = ground.client("okta").await;
    let body = json!({"schemas": [USER], "userName": "ada", "active": true});
    let id = okta.post("/Users", &body).await.expect(201).id().to_owned();
    let path = format!("/Users/{id}");
    let permit = ground.access.task_permit("test", None);
    let ada = id.parse().unwrap();
    ground.directory.set_active(&permit, ada, false).await.unwrap();
    let on = json!([{"op": "replace", "value": {"active": true}}]);
    for answer in [okta.patch(&path, on.clone()).await, okta.put(&path, &body).await] {
        let answer = answer.expect_error(409, None);
        assert!(answer.body["detail"].as_str().unwrap().contains("administrator"), "{}", answer.body);
    }
    let title = json!([{"op": "replace", "path": "title", "value": "Dr"}]);
    assert_eq!(okta.patch(&path, title).await.expect(200).body["active"], false, "the rest may change");
    let quiet = json!({"schemas": [USER], "userName": "ada"});
    assert_eq!(okta.put(&path, &quiet).await.expect(200).body["active"], false);
    ground.directory.set_active(&permit, ada, true).await.unwrap();
    let off = json!([{"op": "replace", "path": "active", "value": false}]);
    assert_eq!(okta.patch(&path, off).await.expect(200).body["active"], false);
    assert_eq!(okta.patch(&path, on).await.expect(200).body["active"], true, "what it disabled itself it enables");
}
