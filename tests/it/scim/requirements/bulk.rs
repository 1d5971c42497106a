//! RFC 7644 section 3.7: several operations in one request.

use serde_json::{Value, json};

use super::super::score::Score;
use super::super::{Client, GROUP, USER, client};

const BULK: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";

fn create_user(bulk_id: &str, name: &str) -> Value {
    json!({"method": "POST", "path": "/Users", "bulkId": bulk_id, "data": {"schemas": [USER], "userName": name}})
}

async fn bulk(client: &Client, operations: Vec<Value>, extra: Value) -> super::super::Answer {
    let mut body = json!({"schemas": [BULK], "Operations": operations});
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    client.post("/Bulk", &body).await
}

fn operations(body: &Value) -> Vec<Value> {
    body["Operations"].as_array().cloned().unwrap_or_default()
}

#[tokio::test]
async fn rfc_7644_sections_3_7_and_3_7_3_every_operation_has_its_result() {
    let client = client().await;
    let mut score = Score::default();
    let answer = bulk(&client, vec![create_user("one", "bulk-one"), create_user("two", "bulk-two")], json!({})).await;
    score.equal("a bulk request is answered", answer.status, 200);
    let urn = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";
    score.equal("the answer is a bulk response", &answer.body["schemas"], &json!([urn]));
    let results = operations(&answer.body);
    score.equal("every operation has a result", results.len(), 2);
    for (result, bulk_id) in results.iter().zip(["one", "two"]) {
        score.equal("a result has the id of its operation", &result["bulkId"], &json!(bulk_id));
        score.equal("a result has its method", &result["method"], &json!("POST"));
        score.equal("a result has its status as text", &result["status"], &json!("201"));
        score.check(
            "a result has its address",
            result["location"].as_str().is_some_and(|l| l.contains("/Users/")),
            result,
        );
    }
    score.finish(11);
}

#[tokio::test]
async fn rfc_7644_section_3_7_a_failure_does_not_stop_the_others_before_the_limit_of_failures() {
    let client = client().await;
    let mut score = Score::default();
    let three = || vec![create_user("a", "bulk-dup"), create_user("b", "bulk-dup"), create_user("c", "bulk-other")];
    let answer = bulk(&client, three(), json!({"failOnErrors": 10})).await;
    let statuses = |body: &Value| -> Vec<Value> { operations(body).iter().map(|r| r["status"].clone()).collect() };
    score.equal("a partial failure is answered", answer.status, 200);
    score.equal("all are done", statuses(&answer.body), vec![json!("201"), json!("409"), json!("201")]);
    let failed = operations(&answer.body).get(1).cloned().unwrap_or_default();
    score.equal("a failure is explained", &failed["response"]["scimType"], &json!("uniqueness"));
    let answer = bulk(&client, three(), json!({"failOnErrors": 1})).await;
    score.equal("the first failure of one ends it", statuses(&answer.body), vec![json!("409")]);
    score.finish(4);
}

#[tokio::test]
async fn rfc_7644_section_3_7_1_circular_references_are_resolved() {
    let client = client().await;
    let mut score = Score::default();
    let group = |bulk_id: &str, other: &str| {
        json!({"method": "POST", "path": "/Groups", "bulkId": bulk_id, "data": {"schemas": [GROUP],
            "displayName": format!("circle {bulk_id}"), "members": [{"value": format!("bulkId:{other}"), "type": "Group"}]}})
    };
    let answer = bulk(&client, vec![group("left", "right"), group("right", "left")], json!({})).await;
    score.equal("a circle is answered", answer.status, 200);
    let ids: Vec<String> = operations(&answer.body)
        .iter()
        .map(|result| result["location"].as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default().to_owned())
        .collect();
    score.equal("both are created", ids.len(), 2);
    for (group, member) in [(0, 1), (1, 0)] {
        score.equal("each has the other as member", client.members(&ids[group]).await, vec![ids[member].clone()]);
    }
    score.finish(4);
}

#[tokio::test]
async fn rfc_7644_section_3_7_4_limits_are_told_and_kept() {
    let client = client().await;
    let mut score = Score::default();
    let config = client.get("/ServiceProviderConfig").await.expect(200).body["bulk"].clone();
    let most = config["maxOperations"].as_u64().unwrap_or_default();
    score.check("the number of operations is told", most > 0, &config);
    score.check("the size is told", config["maxPayloadSize"].as_u64().is_some_and(|size| size > 0), &config);
    let many = (0..=most).map(|number| create_user(&format!("n{number}"), &format!("many{number}"))).collect();
    let answer = bulk(&client, many, json!({})).await;
    score.equal("more are refused", answer.status, 413);
    score.equal("and none is done", client.names("/Users").await.len(), 0);
    score.finish(4);
}
