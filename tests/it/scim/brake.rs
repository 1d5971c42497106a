//! A connection that removes too much is stopped, whichever way it removes.

use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};

use super::schema_types::create;
use super::{Client, GROUP, Ground, PATCH, USER};

const NOBODY: &str = "/Users/01234567-89ab-7cde-8f01-23456789abcd";

fn active(value: bool) -> Value {
    json!([{"op": "replace", "path": "active", "value": value}])
}

/// Users of these names; their paths.
async fn users(client: &Client, count: usize) -> Vec<String> {
    let mut paths = Vec::new();
    for number in 0..count {
        paths.push(format!("/Users/{}", client.user(&format!("user-{number}")).await));
    }
    paths
}

async fn count(ground: &Ground, kind: &str) -> usize {
    ground.events().await.iter().filter(|event| event.kind.name() == kind).count()
}

async fn release(ground: &Ground, connection: &str) {
    let permit = ground.access.task_permit("test", None);
    assert!(ground.directory.release(&permit, &connection.parse().unwrap()).await.unwrap());
}

#[tokio::test]
async fn the_eleventh_removal_within_an_hour_pauses_the_connection_and_changes_nothing() {
    let ground = Ground::new();
    let (okta, entra) = (ground.client("okta").await, ground.client("entra").await);
    let paths = users(&okta, 14).await;
    let group = format!("/Groups/{}", okta.group("ops", &[]).await);
    for path in &paths[..4] {
        okta.patch(path, active(false)).await.expect(200);
    }
    for (number, path) in paths[4..7].iter().enumerate() {
        let body = json!({"schemas": [USER], "userName": format!("user-{}", number + 4), "active": false});
        okta.put(path, &body).await.expect(200);
    }
    for path in &paths[7..10] {
        okta.delete(path).await.expect(204);
    }
    assert_eq!(count(&ground, "connection.pause").await, 0);
    let writes = [
        (Method::PATCH, paths[10].clone(), json!({"schemas": [PATCH], "Operations": active(false)})),
        (Method::DELETE, paths[10].clone(), Value::Null),
        (Method::PUT, paths[10].clone(), json!({"schemas": [USER], "userName": "other"})),
        (Method::PATCH, paths[11].clone(), json!({"schemas": [PATCH], "Operations": active(true)})),
        (Method::POST, "/Users".to_owned(), json!({"schemas": [USER], "userName": "new"})),
        (Method::POST, "/Groups".to_owned(), json!({"schemas": [GROUP], "displayName": "new"})),
        (
            Method::PATCH,
            group.clone(),
            json!({"schemas": [PATCH], "Operations": [{"op": "replace", "path": "displayName", "value": "x"}]}),
        ),
        (Method::PUT, group.clone(), json!({"schemas": [GROUP], "displayName": "x"})),
        (Method::DELETE, group.clone(), Value::Null),
    ];
    for (method, path, body) in &writes {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = okta.send(method.clone(), path, &[], body).await.expect_error(429, None);
        assert_eq!(answer.header("retry-after"), "300", "{method} {path}");
        assert!(answer.body["detail"].as_str().unwrap().contains("cleargate scim release okta"), "{}", answer.body);
    }
    assert_eq!(count(&ground, "connection.pause").await, 1, "once, not for every refusal");
    assert_eq!(okta.get(&paths[10]).await.expect(200).header("etag"), "W/\"1\"");
    assert_eq!(okta.get(&group).await.expect(200).header("etag"), "W/\"1\"");
    okta.get("/Users?filter=userName+eq+%22new%22").await.expect(200);
    okta.get(NOBODY).await.expect(404);
    entra.user("of-entra").await;
    let event = ground.events().await.into_iter().find(|event| event.kind.name() == "connection.pause").unwrap();
    assert_eq!(event.target, "source:okta");
    for detail in [("what", "users"), ("removed", "10"), ("limit", "10")] {
        assert!(event.details.contains(&(detail.0.to_owned(), detail.1.to_owned())), "{event:?}");
    }

    release(&ground, "okta").await;
    assert_eq!(count(&ground, "connection.release").await, 1);
    for path in &paths[10..] {
        okta.delete(path).await.expect(204);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_removals_at_once_exactly_the_limit_is_applied() {
    let folder = tempfile::tempdir().unwrap();
    let ground = Ground::in_file(&folder.path().join("store"));
    let okta = ground.client("okta").await;
    let paths = users(&okta, 32).await;
    let requests = paths.iter().enumerate().map(|(number, path)| {
        let (okta, path) = (okta.clone(), path.clone());
        tokio::task::spawn(async move {
            match number % 2 {
                0 => okta.delete(&path).await.status,
                _ => okta.patch(&path, active(false)).await.status,
            }
        })
    });
    let statuses: Vec<u16> = join_all(requests).await.into_iter().map(Result::unwrap).collect();
    let done = statuses.iter().filter(|status| matches!(status, 200 | 204)).count();
    assert_eq!((done, statuses.iter().filter(|status| **status == 429).count()), (10, 22), "{statuses:?}");
    let removed = count(&ground, "user.delete").await + count(&ground, "user.deactivate").await;
    assert_eq!((removed, count(&ground, "connection.pause").await), (10, 1));
}

#[tokio::test]
async fn the_pause_and_the_count_outlive_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let paths = {
        let ground = Ground::in_file(&path);
        let okta = ground.client("okta").await;
        let paths = users(&okta, 12).await;
        for path in &paths[..9] {
            okta.delete(path).await.expect(204);
        }
        paths
    };
    {
        let ground = Ground::in_file(&path);
        let okta = ground.client("okta").await;
        okta.delete(&paths[9]).await.expect(204);
        okta.delete(&paths[10]).await.expect_error(429, None);
    }
    let ground = Ground::in_file(&path);
    ground.clock.advance(Duration::from_secs(7200));
    let okta = ground.client("okta").await;
    okta.patch(&paths[10], active(true)).await.expect_error(429, None);
    release(&ground, "okta").await;
    okta.delete(&paths[10]).await.expect(204);
}

#[tokio::test]
async fn an_hour_later_removals_count_no_more_but_enabling_again_takes_nothing_back() {
    let ground = Ground::new();
    let okta = ground.client("okta").await;
    let paths = users(&okta, 3).await;
    for _ in 0..5 {
        okta.patch(&paths[0], active(false)).await.expect(200);
        okta.patch(&paths[0], active(true)).await.expect(200);
    }
    let load = ground.directory.brake(&"okta".parse().unwrap()).await.unwrap().users;
    assert_eq!((load.removed, load.owned, load.limit), (5, 3, 10));
    ground.clock.advance(Duration::from_secs(61 * 60));
    for _ in 0..10 {
        okta.patch(&paths[0], active(false)).await.expect(200);
        // What is inactive already is not removed again.
        okta.patch(&paths[0], active(false)).await.expect(200);
        okta.patch(&paths[0], active(true)).await.expect(200);
    }
    okta.patch(&paths[0], active(false)).await.expect_error(429, None);
    // A pause does not end by itself.
    ground.clock.advance(Duration::from_secs(86_400));
    okta.patch(&paths[1], active(false)).await.expect_error(429, None);
}

#[tokio::test]
async fn the_limit_is_the_share_of_what_the_connection_owns_when_that_is_more() {
    let ground = Ground::new().with_connections(
        "[[scim]]\nid = \"okta\"\nbrake = { removals = \"20%\", at_least = 2 }\n[[scim]]\nid = \"hr\"",
    );
    let (okta, hr) = (ground.client("okta").await, ground.client("hr").await);
    for number in 0..30 {
        hr.user(&format!("of-hr-{number}")).await;
    }
    let paths = users(&okta, 20).await;
    for path in &paths[..4] {
        okta.delete(path).await.expect(204);
    }
    okta.delete(&paths[4]).await.expect_error(429, None);
}

#[tokio::test]
async fn groups_have_the_same_brake_and_their_own_count() {
    let ground = Ground::new().with_connections("[[scim]]\nid = \"okta\"\nbrake = { removals = \"0%\", at_least = 2 }");
    let okta = ground.client("okta").await;
    let mut groups = Vec::new();
    for name in ["a", "b", "c"] {
        groups.push(format!("/Groups/{}", okta.group(name, &[]).await));
    }
    let paths = users(&okta, 3).await;
    okta.delete(&paths[0]).await.expect(204);
    okta.delete(&groups[0]).await.expect(204);
    okta.delete(&groups[1]).await.expect(204);
    okta.delete(&paths[1]).await.expect(204);
    okta.delete(&groups[2]).await.expect_error(429, None);
    let brake = ground.directory.brake(&"okta".parse().unwrap()).await.unwrap();
    assert_eq!(brake.paused.map(|pause| pause.what), Some("groups".to_owned()));
    assert_eq!((brake.groups.removed, brake.groups.owned, brake.users.removed), (2, 1, 2));
    okta.get(&groups[2]).await.expect(200);
}

#[tokio::test]
async fn a_request_that_fails_anyway_is_not_counted() {
    let ground = Ground::new();
    let okta = ground.client("okta").await;
    let paths = users(&okta, 11).await;
    for _ in 0..20 {
        okta.delete(NOBODY).await.expect(404);
        let stale = [("if-match", "W/\"7\"")];
        okta.send(Method::DELETE, &paths[0], &stale, "").await.expect_error(412, None);
        let both = json!([active(false)[0], {"op": "replace", "path": "userName", "value": "user-1"}]);
        okta.patch(&paths[0], both).await.expect_error(409, Some("uniqueness"));
    }
    for path in &paths[..10] {
        okta.delete(path).await.expect(204);
    }
}

#[tokio::test]
async fn deleted_resources_of_configured_types_count_among_themselves() {
    let schemas = include_str!("../../fixtures/test-resources.toml");
    let ground = Ground::with_schemas(schemas).with_connections("[[scim]]\nid = \"okta\"");
    let (okta, entra) = (ground.client("okta").await, ground.client("entra").await);
    let make = async |name: &str| format!("/TestResources/{}", create(&okta, name, json!({})).await.id());
    let mut paths = Vec::new();
    for number in 0..12 {
        paths.push(make(&format!("resource-{number}")).await);
    }
    let user = format!("/Users/{}", okta.user("ada").await);
    for path in &paths[..10] {
        okta.delete(path).await.expect(204);
    }
    // Users and groups have counts of their own.
    okta.patch(&user, active(false)).await.expect(200);
    let source = "okta".parse().unwrap();
    let brake = ground.directory.brake(&source).await.unwrap();
    assert_eq!((brake.resources.owned, brake.resources.removed, brake.resources.limit), (2, 10, 10));
    assert_eq!((brake.users.removed, brake.paused), (1, None));
    okta.delete(&paths[10]).await.expect_error(429, None);
    okta.get(&paths[10]).await.expect(200);
    okta.patch(&user, active(true)).await.expect_error(429, None);
    entra.user("grace").await;
    let paused = ground.directory.brake(&source).await.unwrap().paused.unwrap();
    assert_eq!((paused.what.as_str(), paused.removed), ("resources", 10));
    release(&ground, "okta").await;
    okta.delete(&paths[10]).await.expect(204);
}

/// The fastest way to remove everybody.
#[tokio::test]
async fn a_bulk_request_is_stopped_in_its_middle_and_the_metrics_say_so() {
    let ground = Ground::new();
    let metrics = cleargate::http::Metrics::new();
    let okta = Client { router: ground.counting_router(&metrics), ..ground.client("okta").await };
    let paths = users(&okta, 15).await;
    let operations: Vec<Value> = paths.iter().map(|path| json!({"method": "DELETE", "path": path})).collect();
    let schema = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
    let answer = okta.post("/Bulk", &json!({"schemas": [schema], "Operations": operations})).await.expect(200);
    let results = answer.body["Operations"].as_array().unwrap().clone();
    let statuses: Vec<&str> = results.iter().map(|result| result["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, [vec!["204"; 10], vec!["429"; 5]].concat());
    assert!(results[10..].iter().all(|result| result["response"]["status"] == "429"), "{results:?}");
    assert_eq!((count(&ground, "user.delete").await, count(&ground, "connection.pause").await), (10, 1));
    assert!(metrics.render().contains("cleargate_scim_paused{client=\"okta\"} 1"), "{}", metrics.render());
    okta.get(&paths[14]).await.expect(200);
}
