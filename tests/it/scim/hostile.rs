//! Input that is wrong on purpose: a clear error, and nothing changes.

use http::Method;
use serde_json::{Value, json};

use super::{Client, GROUP, PATCH, USER, client};

async fn post(client: &Client, body: impl Into<axum::body::Body>) -> super::Answer {
    client.send(Method::POST, "/Users", &[], body).await
}

#[tokio::test]
async fn broken_json_is_refused_with_its_place() {
    let client = client().await;
    for (body, hint) in [
        ("", "line 1"),
        ("{", "line 1"),
        ("[]", "object"),
        ("\"x\"", "object"),
        ("null", "object"),
        ("{\"schemas\":\n[\"x\"],,}", "line 2"),
        ("{\"userName\":\"a\",\"userName\":\"b\"}", "`userName` stands twice"),
        ("{\"userName\":\"a\"} trailing", "trailing"),
        ("{'userName':'a'}", "line 1"),
        ("<xml/>", "line 1"),
    ] {
        let answer = post(&client, body).await.expect_error(400, Some("invalidSyntax"));
        assert!(answer.body["detail"].as_str().unwrap().contains(hint), "{body}: {}", answer.body);
    }
    post(&client, &b"{\"userName\":\"\xff\xfe\"}"[..]).await.expect_error(400, Some("invalidSyntax"));
    assert!(client.names("/Users").await.is_empty());
}

#[tokio::test]
async fn nesting_and_size_have_limits() {
    let client = client().await;
    let nested = format!("{{\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let answer = post(&client, nested).await.expect_error(400, Some("invalidSyntax"));
    assert!(answer.body["detail"].as_str().unwrap().contains("nested"));
    let large = json!({"schemas": [USER], "userName": "ada", "title": "x".repeat(1024 * 1024)});
    post(&client, large.to_string()).await.expect_error(413, None);
    let filter = format!("/Users?filter={}", "(".repeat(2000));
    client.get(&filter).await.expect_error(400, Some("invalidFilter"));
    client.get(&format!("/Users?filter={}", "a".repeat(4000))).await.expect_error(400, Some("invalidFilter"));
    let path = format!("/Users/{}", client.user("ada").await);
    let deep = format!("emails[{}", "(".repeat(2000));
    let patch = json!([{"op": "remove", "path": deep}]);
    client.patch(&path, patch).await.expect_error(400, Some("invalidPath"));
    let deepest = format!("emails[{}type pr{}]", "(".repeat(31), ")".repeat(31));
    client.patch(&path, json!([{"op": "remove", "path": deepest}])).await.expect(200);
}

#[tokio::test]
async fn a_patch_of_more_than_a_thousand_operations_changes_nothing() {
    let client = client().await;
    let path = format!("/Users/{}", client.user("ada").await);
    let operations = |count: usize| -> Value {
        (0..count).map(|number| json!({"op": "replace", "path": "title", "value": number.to_string()})).collect()
    };
    let answer = client.patch(&path, operations(1_001)).await.expect_error(400, Some("invalidSyntax"));
    assert!(answer.body["detail"].as_str().unwrap().contains("at most 1000 operations"), "{}", answer.body);
    assert!(client.get(&path).await.body.get("title").is_none());
    assert_eq!(client.patch(&path, operations(1_000)).await.expect(200).body["title"], "999");
}

/// Who has not authenticated learns nothing about limits, and nothing is read of what they send.
#[tokio::test]
async fn limits_are_for_those_who_may_ask() {
    let client = client().await;
    let path = format!("/Users/{}", client.user("ada").await);
    let stranger = Client { token: None, ..client };
    let nested = format!("{}{}", "[".repeat(64), "]".repeat(64));
    for body in [nested, "x".repeat(2 << 20), "{".to_owned()] {
        stranger.send(Method::PATCH, &path, &[], body).await.expect_error(401, None);
    }
    stranger.get(&format!("/Users?filter={}", "(".repeat(100))).await.expect_error(401, None);
}

#[tokio::test]
async fn other_media_types_are_refused() {
    let client = client().await;
    let body = json!({"schemas": [USER], "userName": "ada"}).to_string();
    for media_type in ["text/plain", "application/x-www-form-urlencoded", "application/xml", "application/jsonp", ""] {
        let answer = client.send(Method::POST, "/Users", &[("content-type", media_type)], body.clone()).await;
        answer.expect_error(415, None);
    }
    let coded = [("content-encoding", "gzip")];
    client.send(Method::POST, "/Users", &coded, body).await.expect_error(415, None);
    let types = ["application/json", "application/scim+json; charset=utf-8", "APPLICATION/JSON;charset=UTF-8"];
    for (number, media_type) in types.into_iter().enumerate() {
        let body = json!({"schemas": [USER], "userName": format!("user{number}")}).to_string();
        client.send(Method::POST, "/Users", &[("content-type", media_type)], body).await.expect(201);
    }
}

#[tokio::test]
async fn wrong_types_are_refused_by_name() {
    let client = client().await;
    for (attribute, value) in [
        ("userName", json!({"value": "a"})),
        ("userName", json!(true)),
        ("active", json!("yes")),
        ("active", json!([true])),
        ("emails", json!(["a", 5])),
        ("emails", json!([{"value": ["a"]}])),
        ("emails", json!([{"value": "a", "primary": "often"}])),
        ("name", json!("Ada")),
        ("title", json!({})),
        ("externalId", json!(5)),
        ("externalId", json!("x".repeat(513))),
        ("userName", json!("x".repeat(513))),
        ("userName", json!("a\u{0}b")),
        ("userName", json!("\u{200b}")),
    ] {
        let mut body = json!({"schemas": [USER], "userName": "ada"});
        body[attribute] = value.clone();
        let answer = client.post("/Users", &body).await;
        assert_eq!(answer.status, 400, "{attribute} {value}");
        answer.expect_error(400, Some("invalidValue"));
    }
    for members in [json!(5), json!([5]), json!([{}]), json!([[]]), json!([{"value": 5}]), json!({"value": ""})] {
        let body = json!({"schemas": [GROUP], "displayName": "ops", "members": members});
        client.post("/Groups", &body).await.expect_error(400, Some("invalidValue"));
    }
    let twice = json!({"schemas": [GROUP], "displayName": "ops", "members": [], "MEMBERS": []});
    client.post("/Groups", &twice).await.expect_error(400, Some("invalidSyntax"));
    assert!(client.names("/Users").await.is_empty() && client.names("/Groups").await.is_empty());
}

#[tokio::test]
async fn null_means_unassigned_everywhere() {
    let client = client().await;
    let body = json!({"schemas": [USER], "userName": "ada", "title": null, "emails": null, "name": {"givenName": null},
        "active": null, "externalId": null, "password": null});
    let answer = client.post("/Users", &body).await.expect(201);
    for name in ["title", "emails", "name", "externalId"] {
        assert!(answer.body.get(name).is_none(), "{name}");
    }
    assert_eq!(answer.body["active"], true);
    assert!(!answer.body.to_string().contains("null"));
    client.post("/Groups", &json!({"schemas": [GROUP], "displayName": "g", "members": null})).await.expect(201);
}

#[tokio::test]
async fn values_come_back_byte_for_byte() {
    let client = client().await;
    let value = "  Zoë \u{1F469}\u{200D}\u{1F680} \"q\\u\" <script>&amp; \u{0}\u{7f}\u{2028}  ";
    let body = json!({"schemas": [USER], "userName": "zoë", "title": value, "roles": [{"value": value}]});
    let id = client.post("/Users", &body).await.expect(201).id();
    let answer = client.get(&format!("/Users/{id}")).await.expect(200);
    assert_eq!(answer.body["title"], json!(value));
    assert_eq!(answer.body["roles"][0]["value"], json!(value));
}

#[tokio::test]
async fn ids_that_are_none_are_not_found() {
    let client = client().await;
    for id in ["1", "%00", "..%2f..%2fetc", "%ff", "0123456789ab7cde8f0123456789abcd", &"9".repeat(5000)] {
        for kind in ["Users", "Groups"] {
            let path = format!("/{kind}/{id}");
            client.get(&path).await.expect_error(404, None);
            let patch = json!({"schemas": [PATCH], "Operations": [{"op": "add", "path": "externalId", "value": "x"}]});
            client.send(Method::PATCH, &path, &[], patch.to_string()).await.expect_error(404, None);
        }
    }
}

#[tokio::test]
async fn a_patch_does_not_grow_a_resource_beyond_its_limits() {
    let client = client().await;
    let path = format!("/Users/{}", client.user("ada").await);
    let set = |path: &str, bytes: usize| json!([{"op": "add", "path": path, "value": "x".repeat(bytes)}]);
    for (attribute, bytes) in
        [("title", 5000), ("emails[type eq \"work\"].value", 5000), ("photos[type eq \"photo\"].value", 70_000)]
    {
        let answer = client.patch(&path, set(attribute, bytes)).await.expect_error(400, Some("invalidValue"));
        assert!(answer.body["detail"].as_str().unwrap().contains("bytes"), "{}", answer.body);
    }
    client.patch(&path, set("photos[type eq \"photo\"].value", 60_000)).await.expect(200);
    client.patch(&path, set("photos[type eq \"thumbnail\"].value", 60_000)).await.expect(200);
    let answer = client.patch(&path, set("x509Certificates", 20_000)).await.expect_error(400, Some("invalidValue"));
    assert!(answer.body["detail"].as_str().unwrap().contains("`photos`"), "{}", answer.body);
}

#[tokio::test]
async fn a_patch_searches_lists_a_bounded_number_of_times() {
    let client = client().await;
    let path = format!("/Users/{}", client.user("ada").await);
    let searches = |count: usize| -> Value {
        (0..count).map(|_| json!({"op": "add", "path": "emails[type eq \"work\"].value", "value": "a@x"})).collect()
    };
    let answer = client.patch(&path, searches(101)).await.expect_error(400, Some("invalidSyntax"));
    assert!(answer.body["detail"].as_str().unwrap().contains("at most 100 times"), "{}", answer.body);
    client.patch(&path, searches(100)).await.expect(200);
    let mut ids = Vec::new();
    for number in 0..120 {
        ids.push(client.user(&format!("user{number}")).await);
    }
    let all: Vec<&str> = ids.iter().map(String::as_str).collect();
    let group = format!("/Groups/{}", client.group("all", &all).await);
    let named: Value =
        all.iter().map(|id| json!({"op": "remove", "path": format!("members[value eq \"{id}\"]")})).collect();
    assert_eq!(client.patch(&group, named).await.status, 200, "each names whom it removes");
    assert!(client.get(&group).await.body.get("members").is_none());
}
