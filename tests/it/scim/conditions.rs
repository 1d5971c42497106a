//! Versions and conditional requests (RFC 7644 section 3.14).

use http::Method;
use serde_json::json;

use super::{GROUP, Ground, NOBODY, PATCH, USER, client};

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

#[tokio::test]
async fn what_a_user_shows_of_groups_is_part_of_the_version() {
    let client = client().await;
    let ada = client.user("ada").await;
    let path = format!("/Users/{ada}");
    let mut known = client.get(&path).await.expect(200).header("etag").to_owned();
    assert_eq!(known, "W/\"1\"");
    let ops = client.group("ops", &[]).await;
    let group = format!("/Groups/{ops}");
    let members = |op: &str| json!([{"op": op, "path": "members", "value": [{"value": ada}]}]);
    let rename = json!([{"op": "replace", "path": "displayName", "value": "operators"}]);
    for (change, groups) in [
        (Some(members("add")), Some("ops")),
        (Some(rename), Some("operators")),
        (Some(members("remove")), None),
        (Some(members("add")), Some("operators")),
        (None, None),
    ] {
        match change {
            Some(change) => client.patch(&group, change).await.expect(200),
            None => client.delete(&group).await.expect(204),
        };
        let fresh = client.send(Method::GET, &path, &[("if-none-match", &known)], "").await.expect(200);
        assert_eq!(fresh.body["groups"][0]["display"].as_str(), groups);
        assert_eq!(fresh.body["meta"]["version"], fresh.header("etag"), "one version in both places");
        let again = client.send(Method::GET, &path, &[("if-none-match", fresh.header("etag"))], "").await.expect(304);
        assert_eq!(again.header("etag"), fresh.header("etag"));
        // Without groups it is the record alone, and a list says the same as the resource.
        let bare = client.get(&format!("{path}?excludedAttributes=groups")).await.expect(200);
        assert_eq!(bare.header("etag"), "W/\"1\"");
        let listed = client.get("/Users").await.expect(200);
        assert_eq!(listed.body["Resources"][0]["meta"]["version"], fresh.header("etag"));
        // Whoever looks for what was shown finds it.
        let is_shown = format!("meta.version eq {}", json!(fresh.header("etag")));
        for filter in [is_shown.clone(), format!("userName eq \"ada\" and {is_shown}")] {
            let filter = super::encoded(&filter);
            assert_eq!(client.names(&format!("/Users?filter={filter}")).await, ["ada"], "{filter}");
        }
        known = fresh.header("etag").to_owned();
    }
    client.patch(&path, json!([{"op": "replace", "path": "title", "value": "x"}])).await.expect(200);
    client.send(Method::GET, &path, &[("if-none-match", &known)], "").await.expect(200);
}

#[tokio::test]
async fn a_write_goes_by_the_version_of_the_user_whatever_the_groups() {
    let client = client().await;
    let ada = client.user("ada").await;
    let path = format!("/Users/{ada}");
    client.group("ops", &[&ada]).await;
    let version = client.get(&path).await.header("etag").to_owned();
    client.group("more", &[&ada]).await;
    let patch = json!({"schemas": [PATCH], "Operations": [{"op": "add", "path": "title", "value": "x"}]}).to_string();
    client.send(Method::PATCH, &path, &[("if-match", &version)], patch.clone()).await.expect(200);
    client.send(Method::PATCH, &path, &[("if-match", &version)], patch).await.expect_error(412, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_takes_any_version_is_not_refused_for_another_write() {
    let folder = tempfile::tempdir().unwrap();
    let client = Ground::in_file(&folder.path().join("store.redb")).client("okta").await;
    let (ada, ops) = (client.user("ada").await, client.group("ops", &[]).await);
    for path in [format!("/Users/{ada}"), format!("/Groups/{ops}")] {
        let writes = (0..8).map(|number| {
            let (client, path) = (client.clone(), path.clone());
            let value = json!({"op": "replace", "path": "externalId", "value": format!("x{number}")});
            let body = json!({"schemas": [PATCH], "Operations": [value]}).to_string();
            tokio::spawn(async move { client.send(Method::PATCH, &path, &[("if-match", "*")], body).await.status })
        });
        for write in futures_util::future::join_all(writes).await {
            assert_eq!(write.unwrap(), 200, "{path}");
        }
        assert_eq!(client.get(&path).await.header("etag"), "W/\"9\"");
    }
}

/// What a step finds in the group is looked at behind the conditions, and of the version that they let pass.
#[tokio::test]
async fn a_write_of_members_is_refused_for_its_version_before_its_steps() {
    let client = client().await;
    let ada = client.user("ada").await;
    let path = format!("/Groups/{}", client.group("ops", &[]).await);
    let step = json!({"op": "replace", "path": format!("members[value eq \"{ada}\"].display"), "value": "Ada"});
    let patch = json!({"schemas": [PATCH], "Operations": [step]}).to_string();
    let send = async |version: &str| client.send(Method::PATCH, &path, &[("if-match", version)], patch.clone()).await;
    send("W/\"7\"").await.expect_error(412, None);
    send("W/\"1\"").await.expect_error(400, Some("noTarget"));
    let add = json!([{"op": "add", "path": "members", "value": [{"value": ada}]}]);
    client.patch(&path, add).await.expect(200);
    for version in ["W/\"2\"", "*"] {
        assert_eq!(send(version).await.expect(200).body["members"][0]["display"], "Ada", "{version}");
    }
}
