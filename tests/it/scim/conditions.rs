//! Versions and conditional requests (RFC 7644 section 3.14).

use http::Method;
use serde_json::json;

use super::{GROUP, NOBODY, PATCH, USER, client};

#[tokio::test]
async fn a_read_of_a_known_version_costs_no_body() {
    let client = client().await;
    let path = format!("/Users/{}", client.user("ada").await);
    for (version, status) in [("W/\"1\"", 304), ("*", 304), ("W/\"9\", W/\"1\"", 304), ("W/\"2\"", 200), ("junk", 200)]
    {
        let answer = client.send(Method::GET, &path, &[("if-none-match", version)], "").await.expect(status);
        assert_eq!(answer.header("etag"), "W/\"1\"", "{version}");
        assert_eq!(answer.body.is_null(), status == 304, "{version}");
    }
    client.send(Method::GET, &path, &[("if-match", "W/\"2\"")], "").await.expect_error(412, None);
}

#[tokio::test]
async fn a_write_against_another_version_is_refused() {
    let client = client().await;
    let user = format!("/Users/{}", client.user("ada").await);
    let group = format!("/Groups/{}", client.group("ops", &[]).await);
    let patch = json!({"schemas": [PATCH], "Operations": [{"op": "add", "path": "externalId", "value": "x"}]});
    for (path, put) in [
        (&user, json!({"schemas": [USER], "userName": "ada", "title": "x"})),
        (&group, json!({"schemas": [GROUP], "displayName": "ops", "externalId": "y"})),
    ] {
        for (method, body) in
            [(Method::PUT, put.to_string()), (Method::PATCH, patch.to_string()), (Method::DELETE, String::new())]
        {
            for header in [("if-match", "W/\"7\""), ("if-match", ""), ("if-none-match", "*")] {
                let answer = client.send(method.clone(), path, &[header], body.clone()).await;
                answer.expect_error(412, None);
            }
        }
        assert_eq!(client.get(path).await.header("etag"), "W/\"1\"");
        let answer = client.send(Method::PATCH, path, &[("if-match", "W/\"1\"")], patch.to_string()).await.expect(200);
        assert_eq!(answer.header("etag"), "W/\"2\"");
        client.send(Method::PUT, path, &[("if-match", "W/\"1\"")], put.to_string()).await.expect_error(412, None);
        client.send(Method::PUT, path, &[("if-match", "*")], put.to_string()).await.expect(200);
        client.send(Method::DELETE, path, &[("if-match", "W/\"3\", W/\"4\"")], "").await.expect(204);
    }
    let missing = format!("/Users/{NOBODY}");
    client.send(Method::DELETE, &missing, &[("if-match", "*")], "").await.expect_error(404, None);
}

#[tokio::test]
async fn a_change_of_members_is_a_new_version() {
    let client = client().await;
    let ada = client.user("ada").await;
    let path = format!("/Groups/{}", client.group("ops", &[]).await);
    let add = json!([{"op": "add", "path": "members", "value": [{"value": ada}]}]);
    assert_eq!(client.patch(&path, add.clone()).await.expect(200).header("etag"), "W/\"2\"");
    // The same again is no change.
    assert_eq!(client.patch(&path, add).await.expect(200).header("etag"), "W/\"2\"");
}
