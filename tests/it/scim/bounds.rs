//! What one request may cost, counted in steps, sizes and commits.

use cleargate::audit::Event;
use http::Method;
use serde_json::{Value, json};

use super::{Client, GROUP, Ground, USER, client};

const MEMBERS: usize = 5_002;

/// So many users, made in bulk; their ids.
pub(super) async fn crowd(client: &Client, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for numbers in (0..count).collect::<Vec<_>>().chunks(1_000) {
        let operation = |number: &usize| {
            let data = json!({"schemas": [USER], "userName": format!("user-{number}")});
            json!({"method": "POST", "path": "/Users", "bulkId": format!("u{number}"), "data": data})
        };
        let operations: Vec<Value> = numbers.iter().map(operation).collect();
        let schema = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
        let answer = client.post("/Bulk", &json!({"schemas": [schema], "Operations": operations})).await.expect(200);
        for result in answer.body["Operations"].as_array().unwrap() {
            let location = result["location"].as_str().unwrap();
            ids.push(location.rsplit('/').next().unwrap().to_owned());
        }
    }
    ids
}

/// How many left with each event of these kinds, in their order.
fn leaves(events: &[Event]) -> Vec<(String, String)> {
    let removed = |event: &Event| {
        let count = event.details.iter().find(|(name, _)| name == "removed_count")?;
        Some((event.kind.name().to_owned(), count.1.clone()))
    };
    events.iter().filter_map(removed).collect()
}

#[tokio::test]
async fn a_large_group_is_emptied_and_deleted_in_commits_of_bounded_size() {
    let brake = "[[scim]]\nid = \"okta\"\nbrake = { removals = \"0%\", at_least = 1 }";
    let ground = Ground::new().with_connections(brake);
    let okta = ground.client("okta").await;
    let ids = crowd(&okta, MEMBERS).await;
    let members: Vec<&str> = ids.iter().map(String::as_str).collect();
    let (small, emptied, deleted) =
        (okta.group("small", &[]).await, okta.group("emptied", &members).await, okta.group("deleted", &members).await);
    let count = async |group: &str| ground.directory.count_members(group.parse().unwrap()).await.unwrap();
    let put = json!({"schemas": [GROUP], "displayName": "emptied", "members": []});
    let old = [("if-match", "W/\"7\"")];
    let path = format!("/Groups/{emptied}");
    okta.send(Method::PUT, &path, &old, put.to_string()).await.expect_error(412, None);
    assert_eq!(count(&emptied).await, 5_002);
    let current = [("if-match", "W/\"1\"")];
    okta.send(Method::PUT, &path, &current, put.to_string()).await.expect(200);
    assert_eq!(count(&emptied).await, 0);
    let pair = |kind: &str, count: &str| (kind.to_owned(), count.to_owned());
    let update = "membership.update";
    assert_eq!(leaves(&ground.events().await), [pair(update, "5000"), pair(update, "2")]);

    okta.delete(&format!("/Groups/{small}")).await.expect(204);
    let path = format!("/Groups/{deleted}");
    okta.delete(&path).await.expect_error(429, None);
    assert_eq!(count(&deleted).await, 5_002, "the brake is before the first commit");
    let permit = ground.access.task_permit("test", None);
    assert!(ground.directory.release(&permit, &"okta".parse().unwrap()).await.unwrap());
    okta.delete(&path).await.expect(204);
    let all = leaves(&ground.events().await);
    assert_eq!(all[2..], [pair(update, "5000"), pair("group.delete", "2")]);
    let brake = ground.directory.brake(&"okta".parse().unwrap()).await.unwrap();
    assert_eq!((brake.groups.removed, brake.groups.owned), (1, 1), "one removal, however many commits");
    let one = okta.get(&format!("/Users/{}", ids[0])).await.expect(200);
    assert!(one.body.get("groups").is_none(), "{}", one.body);
}

#[tokio::test]
async fn no_step_of_a_patch_makes_more_than_a_resource_may_have() {
    let client = client().await;
    let path = format!("/Users/{}", client.user("ada").await);
    let many: Vec<Value> = (0..500).map(|number| json!({"type": number.to_string()})).collect();
    let fill = json!({"op": "add", "path": "photos", "value": many});
    let grow = |bytes: usize| json!({"op": "replace", "path": "photos.value", "value": "x".repeat(bytes)});
    let clear = json!({"op": "remove", "path": "photos"});
    // In the end nothing would be left of it; on the way every further step would copy 32 MiB.
    let answer = client.patch(&path, json!([fill, grow(65_000), clear])).await.expect_error(400, Some("invalidValue"));
    assert!(answer.body["detail"].as_str().unwrap().contains("`photos`"), "{}", answer.body);
    client.patch(&path, json!([fill, grow(100), clear])).await.expect(200);
}

#[tokio::test]
async fn a_patch_goes_through_lists_a_bounded_number_of_times() {
    let client = client().await;
    let path = format!("/Users/{}", client.user("ada").await);
    let twice = json!({"op": "replace", "value": {"photos.display": "a", "Photos.display": "b"}});
    let answer = client.patch(&path, json!(vec![twice.clone(); 501])).await.expect_error(400, Some("invalidSyntax"));
    assert!(answer.body["detail"].as_str().unwrap().contains("at most 1000 times"), "{}", answer.body);
    client.patch(&path, json!(vec![twice; 500])).await.expect(200);
    let values: Vec<String> = (0..500).map(|number| format!("p{number}")).collect();
    let add = json!({"op": "add", "path": "roles", "value": values});
    let answer = client.patch(&path, json!(vec![add.clone(); 3])).await.expect_error(400, Some("invalidValue"));
    assert!(answer.body["detail"].as_str().unwrap().contains("compared"), "{}", answer.body);
    client.patch(&path, json!(vec![add; 2])).await.expect(200);
}

#[tokio::test]
async fn what_others_put_somebody_into_takes_no_place_from_their_own_source() {
    let ground = Ground::new();
    let (okta, hr) = (ground.client("okta").await, ground.client("hr").await);
    let ada = okta.user("ada").await;
    for numbers in (0..1_024).collect::<Vec<_>>().chunks(512) {
        let operation = |number: &usize| {
            let data = json!({"schemas": [GROUP], "displayName": format!("g{number}"), "members": [{"value": ada}]});
            json!({"method": "POST", "path": "/Groups", "bulkId": format!("g{number}"), "data": data})
        };
        let operations: Vec<Value> = numbers.iter().map(operation).collect();
        let schema = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
        let answer = hr.post("/Bulk", &json!({"schemas": [schema], "Operations": operations})).await.expect(200);
        let made = answer.body["Operations"].as_array().unwrap();
        assert!(made.iter().all(|made| made["status"] == "201"), "{}", made[0]);
    }
    let one_more = json!({"schemas": [GROUP], "displayName": "one more", "members": [{"value": ada}]});
    hr.post("/Groups", &one_more).await.expect_error(400, Some("invalidValue"));
    okta.post("/Groups", &one_more).await.expect(201);
    assert_eq!(okta.get(&format!("/Users/{ada}")).await.expect(200).body["groups"].as_array().unwrap().len(), 1_025);
}

/// Groups with these members, made in bulk.
async fn groups_of(client: &Client, count: usize, members: &[String]) {
    let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
    for numbers in (0..count).collect::<Vec<_>>().chunks(500) {
        let operation = |number: &usize| {
            let data = json!({"schemas": [GROUP], "displayName": format!("g{number}"), "members": members});
            json!({"method": "POST", "path": "/Groups", "bulkId": format!("g{number}"), "data": data})
        };
        let operations: Vec<Value> = numbers.iter().map(operation).collect();
        let schema = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
        let answer = client.post("/Bulk", &json!({"schemas": [schema], "Operations": operations})).await.expect(200);
        let made = answer.body["Operations"].as_array().unwrap();
        assert!(made.iter().all(|made| made["status"] == "201"), "{}", made[0]);
    }
}

/// 100 users in 1,001 groups each.
#[tokio::test]
async fn one_answer_shows_100_000_groups_of_users_and_no_more() {
    let client = client().await;
    let ids = crowd(&client, 100).await;
    groups_of(&client, 1_001, &ids).await;
    let refused = client.get("/Users").await.expect_error(400, Some("tooMany"));
    assert!(refused.body["detail"].as_str().unwrap().contains("excludedAttributes"), "{}", refused.body);
    let search = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"]});
    client.post("/Users/.search", &search).await.expect_error(400, Some("tooMany"));
    for (query, shown) in [("excludedAttributes=groups", 100), ("attributes=userName", 100), ("count=3", 3)] {
        assert_eq!(client.get(&format!("/Users?{query}")).await.expect(200).names().len(), shown, "{query}");
    }
}

/// What value filters look at is counted over the steps of a request; members that are named by their id are not looked for.
#[tokio::test]
async fn value_filters_of_one_request_look_at_500_000_members_and_no_more() {
    let client = client().await;
    let ids = crowd(&client, MEMBERS).await;
    let members: Vec<&str> = ids.iter().map(String::as_str).collect();
    let group = client.group("large", &members).await;
    let path = format!("/Groups/{group}");
    let step = json!({"op": "remove", "path": "members[type eq \"Nobody\"]"});
    // A hundred times 5,002 are more.
    let steps = vec![step; 100];
    client.patch(&path, json!(steps)).await.expect_error(400, Some("invalidFilter"));
    client.patch(&path, json!(steps[..5])).await.expect(204);
    let by_id = |id: &String| json!({"op": "remove", "path": format!("members[value eq \"{id}\"]")});
    let steps: Vec<Value> = ids.iter().take(1_000).map(by_id).collect();
    client.patch(&path, json!(steps)).await.expect(204);
    let count = "/Groups?filter=displayName+eq+%22large%22&attributes=members";
    let shown = client.get(count).await.expect(200).body["Resources"][0]["members"].as_array().unwrap().len();
    assert_eq!(shown, MEMBERS - 1_000, "the refused request took nobody out");
}
