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
