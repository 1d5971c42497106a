//! Several operations in one request (RFC 7644 section 3.7).

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use cleargate::limit::{Allowance, LimitSettings};
use futures_util::StreamExt;
use http::Method;
use serde_json::{Value, json};

use super::{Answer, BASE, Client, ENTERPRISE, GROUP, Ground, NOBODY, PATCH, USER, client};

const REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
const RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";

impl Client {
    async fn bulk(&self, operations: &Value) -> Vec<Value> {
        self.bulk_until(None, operations).await
    }

    /// The results; nothing further is done after `errors`.
    async fn bulk_until(&self, errors: Option<u32>, operations: &Value) -> Vec<Value> {
        let body = json!({"schemas": [REQUEST], "failOnErrors": errors, "Operations": operations});
        let answer: Answer = self.post("/Bulk", &body).await.expect(200);
        assert_eq!(answer.body["schemas"], json!([RESPONSE]));
        answer.body["Operations"].as_array().unwrap().clone()
    }
}

fn post_user(bulk_id: &str, name: &str) -> Value {
    json!({"method": "POST", "path": "/Users", "bulkId": bulk_id, "data": {"schemas": [USER], "userName": name}})
}

fn post_group(bulk_id: &str, name: &str, members: &[&str]) -> Value {
    let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
    let data = json!({"schemas": [GROUP], "displayName": name, "members": members});
    json!({"method": "POST", "path": "/Groups", "bulkId": bulk_id, "data": data})
}

fn statuses(results: &[Value]) -> Vec<&str> {
    results.iter().map(|result| result["status"].as_str().unwrap()).collect()
}

fn id(result: &Value) -> String {
    let location = result["location"].as_str().unwrap_or_else(|| panic!("{result}"));
    location.rsplit('/').next().unwrap().to_owned()
}

/// All of the memory that there is for bodies, which is as much as the requests take that are done at once.
#[tokio::test]
async fn bodies_of_bulk_requests_take_no_more_memory_than_there_is_for_them() {
    let ground = Ground::new();
    let okta = ground.client("okta").await;
    let entra = Client { token: Some(ground.token("entra").await), ..okta.clone() };
    let hr = Client { token: Some(ground.token("hr").await), ..okta.clone() };
    let (come, mut all_came) = tokio::sync::mpsc::unbounded_channel();
    // As much as a body may be, without its end.
    let large = |client: &Client| {
        let come = come.clone();
        let chunks = (0..8).map(|_| Ok::<_, Infallible>(Bytes::from(vec![b' '; 1 << 20])));
        let end = futures_util::stream::once(async move {
            come.send(()).unwrap();
            std::future::pending().await
        });
        let body = Body::from_stream(futures_util::stream::iter(chunks).chain(end));
        let client = client.clone();
        tokio::spawn(async move { client.send(Method::POST, "/Bulk", &[], body).await })
    };
    let requests: Vec<_> = [&okta, &entra].into_iter().cycle().take(8).map(large).collect();
    for _ in 0..8 {
        all_came.recv().await.unwrap();
    }
    let body = json!({"schemas": [REQUEST], "Operations": [post_user("new", "new")]});
    let refused = hr.post("/Bulk", &body).await.expect_error(503, None);
    assert_eq!(refused.header("retry-after"), "5");
    hr.user("not-in-bulk").await;
    for request in requests {
        request.abort();
        assert!(request.await.unwrap_err().is_cancelled());
    }
    hr.post("/Bulk", &body).await.expect(200);
}

#[tokio::test]
async fn a_connection_whose_bodies_do_not_come_keeps_no_other_waiting() {
    let ground = Ground::new();
    let okta = ground.client("okta").await;
    let entra = Client { token: Some(ground.token("entra").await), ..okta.clone() };
    let hr = Client { token: Some(ground.token("hr").await), ..okta.clone() };
    // Of two connections, which together have every turn that there is.
    let silent = [&okta, &entra].into_iter().cycle().take(20).map(|client| {
        let body = Body::from_stream(futures_util::stream::pending::<Result<&str, Infallible>>());
        client.send(Method::POST, "/Bulk", &[], body)
    });
    let results = async { hr.bulk(&json!([post_user("new", "new")])).await };
    let results = tokio::select! {
        biased;
        _ = futures_util::future::join_all(silent) => panic!("there was no body"),
        results = tokio::time::timeout(Duration::from_secs(20), results) => results.expect("it waits for the others"),
    };
    assert_eq!(statuses(&results), ["201"]);
}

/// Section 3.7.3.
#[tokio::test]
async fn each_operation_has_its_own_result() {
    let client = client().await;
    let (ada, bob, eve) = (client.user("ada").await, client.user("bob").await, client.user("eve").await);
    let results = client
        .bulk(&json!([
            post_user("new", "new"),
            {"method": "PUT", "path": format!("/Users/{ada}"), "version": "W/\"1\"",
                "data": {"schemas": [USER], "userName": "ada2"}},
            {"method": "PATCH", "path": format!("/Users/{bob}"), "version": "W/\"1\"", "bulkId": "mine",
                "data": {"schemas": [PATCH], "Operations": [{"op": "add", "path": "title", "value": "Dr"}]}},
            {"method": "DELETE", "path": format!("/Users/{eve}"), "version": "W/\"1\""},
            {"method": "delete", "path": format!("{BASE}/Users/{NOBODY}")},
        ]))
        .await;
    let new = id(&results[0]);
    let users = format!("{BASE}/Users");
    assert_eq!(
        results[..4],
        [
            json!({"method": "POST", "bulkId": "new", "location": format!("{users}/{new}"), "version": "W/\"1\"", "status": "201"}),
            json!({"method": "PUT", "location": format!("{users}/{ada}"), "version": "W/\"2\"", "status": "200"}),
            json!({"method": "PATCH", "bulkId": "mine", "location": format!("{users}/{bob}"), "version": "W/\"2\"", "status": "200"}),
            json!({"method": "DELETE", "location": format!("{users}/{eve}"), "status": "204"}),
        ]
    );
    assert_eq!((&results[4]["status"], &results[4]["location"]), (&json!("404"), &json!(format!("{users}/{NOBODY}"))));
    assert_eq!(results[4]["response"]["status"], "404");
    assert_eq!(client.names("/Users").await, ["ada2", "bob", "new"]);
    assert_eq!(client.get(&format!("/Users/{bob}")).await.body["title"], "Dr");
}

#[tokio::test]
async fn errors_are_those_of_single_requests_and_stop_nothing() {
    let client = client().await;
    let ada = client.user("ada").await;
    let path = format!("/Users/{ada}");
    let results = client
        .bulk(&json!([
            post_user("1", "bob"),
            post_user("2", "BOB"),
            {"method": "PATCH", "path": path, "version": "W/\"7\"",
                "data": [{"op": "add", "path": "title", "value": "x"}]},
            {"method": "PATCH", "path": path, "data": [{"op": "add", "path": "nothing", "value": "x"}]},
            {"method": "GET", "path": path},
            {"method": "POST", "path": path, "bulkId": "3", "data": {}},
            {"method": "DELETE", "path": "/Users"},
            {"method": "POST", "path": "/Users/.search", "bulkId": "4", "data": {}},
            {"method": "POST", "path": "/.search", "bulkId": "5", "data": {}},
            {"method": "POST", "path": "/Bulk", "bulkId": "6", "data": {"schemas": [REQUEST], "Operations": []}},
            {"method": "POST", "path": "/Me", "bulkId": "7", "data": {}},
            {"method": "DELETE", "path": "/Schemas/x"},
            {"method": "DELETE", "path": format!("{path}/more")},
            {"method": "POST", "bulkId": "8", "data": {}},
            {"method": "POST", "path": "/Users", "bulkId": "9"},
            {"method": "PATCH", "path": path, "data": "x"},
            post_user("10", "eve"),
        ]))
        .await;
    let expected = [
        "201", "409", "412", "400", "400", "405", "405", "405", "404", "404", "404", "404", "404", "400", "400", "400",
        "201",
    ];
    assert_eq!(statuses(&results), expected);
    for result in results.iter().filter(|result| result["status"].as_str().unwrap() >= "400") {
        assert_eq!(result["response"]["status"], result["status"], "{result}");
        assert!(result["response"]["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{result}");
        assert!(result["method"] != "POST" || result["location"].is_null(), "{result}");
    }
    assert_eq!(results[1]["response"]["scimType"], "uniqueness");
    assert_eq!(results[3]["response"]["scimType"], "invalidPath");
    assert_eq!(client.get(&path).await.header("etag"), "W/\"1\"");
    assert_eq!(client.names("/Users").await.len(), 3);
}

#[tokio::test]
async fn fail_on_errors_ends_the_request_and_shows_what_was_done() {
    let client = client().await;
    let operations = json!([
        post_user("1", "ada"),
        post_user("2", "ada"),
        post_user("3", "bob"),
        post_user("4", "bob"),
        post_user("5", "eve"),
        post_group("6", "late", &["bulkId:7"]),
        post_user("7", "last"),
    ]);
    assert_eq!(statuses(&client.bulk_until(Some(2), &operations).await), ["201", "409", "201", "409"]);
    // Of one moment they come in any order.
    let mut names = client.names("/Users").await;
    names.sort_unstable();
    assert_eq!(names, ["ada", "bob"]);
    assert!(client.names("/Groups").await.is_empty());
    assert_eq!(statuses(&client.bulk_until(Some(1), &operations).await), ["409"]);
    assert_eq!(client.bulk_until(Some(1000), &operations).await.len(), 7);
}

/// Section 3.7.2.
#[tokio::test]
async fn references_stand_for_what_other_operations_create() {
    let client = client().await;
    let add = |value: &str| json!([{"op": "add", "path": "members", "value": [{"value": value}]}]);
    let remove = json!([{"op": "remove", "path": "members[value eq \"bulkId:eve\"]"}]);
    let results = client
        .bulk(&json!([
            // To what stands behind: as a value, in a path, as the end of an address.
            post_group("team", "team", &["bulkId:ada", "bulkId:eve"]),
            {"method": "PATCH", "path": "/Groups/bulkId:team", "data": add("bulkId:bob")},
            post_user("ada", "ada"),
            post_user("bob", "bob"),
            post_user("eve", "eve"),
            {"method": "POST", "path": "/Users", "bulkId": "joe", "data": {"schemas": [USER, ENTERPRISE],
                "userName": "joe", ENTERPRISE: {"manager": {"value": "bulkId:boss", "$ref": "../Users/bulkId:boss"}}}},
            post_user("boss", "boss"),
            // To what stands before.
            {"method": "PATCH", "path": "/Groups/bulkId:team", "data": remove},
            {"method": "PUT", "path": "/Users/bulkId:bob",
                "data": {"schemas": [USER], "userName": "bob", ENTERPRISE: {"manager": "bulkId:ada"}}},
        ]))
        .await;
    assert_eq!(statuses(&results), ["201", "200", "201", "201", "201", "201", "201", "200", "200"]);
    let [team, ada, bob, joe, boss] = [0, 2, 3, 5, 6].map(|index: usize| id(&results[index]));
    let mut expected = vec![ada.clone(), bob.clone()];
    expected.sort();
    assert_eq!(client.members(&team).await, expected);
    let manager = |user: Answer| user.body[ENTERPRISE]["manager"].clone();
    let of_joe = manager(client.get(&format!("/Users/{joe}")).await);
    assert_eq!((&of_joe["value"], &of_joe["$ref"]), (&json!(boss), &json!(format!("../Users/{boss}"))));
    assert_eq!(manager(client.get(&format!("/Users/{bob}")).await)["value"], json!(ada));
    assert_eq!(results[1]["location"], json!(format!("{BASE}/Groups/{team}")));
    assert_eq!(results[5]["version"], "W/\"1\"", "what waits for another one is written once");
}

/// Section 3.7.1.
#[tokio::test]
async fn circles_are_closed() {
    let client = client().await;
    let with_manager = |name: &str, manager: &str| {
        json!({"method": "POST", "path": "/Users", "bulkId": name, "data": {"schemas": [USER, ENTERPRISE],
            "userName": name, ENTERPRISE: {"department": "R", "manager": {"value": manager}}}})
    };
    let results = client
        .bulk(&json!([
            post_group("outside", "outside", &["bulkId:a"]),
            post_group("a", "a", &["bulkId:b"]),
            post_group("b", "b", &["bulkId:c", "bulkId:ada"]),
            post_group("c", "c", &["bulkId:a"]),
            with_manager("ada", "bulkId:bob"),
            with_manager("bob", "bulkId:ada"),
            with_manager("self", "bulkId:self"),
        ]))
        .await;
    assert_eq!(statuses(&results), ["201"; 7]);
    let ids: Vec<String> = results.iter().map(id).collect();
    let members = |index: usize| client.members(&ids[index]);
    assert_eq!(members(0).await, [ids[1].clone()]);
    assert_eq!(members(1).await, [ids[2].clone()]);
    let mut of_b = vec![ids[3].clone(), ids[4].clone()];
    of_b.sort();
    assert_eq!(members(2).await, of_b);
    assert_eq!(members(3).await, [ids[1].clone()]);
    for (user, manager) in [(4, 5), (5, 4), (6, 6)] {
        let answer = client.get(&format!("/Users/{}?excludedAttributes=groups", ids[user])).await;
        let enterprise = json!({"department": "R", "manager": {"value": ids[manager]}});
        assert_eq!(answer.body[ENTERPRISE], enterprise);
        assert_eq!(answer.header("etag"), results[user]["version"], "the version is the one after everything");
    }
}

#[tokio::test]
async fn what_refers_to_a_failure_fails_and_does_nothing() {
    let client = client().await;
    client.user("taken").await;
    let results = client
        .bulk(&json!([
            post_group("1", "before", &["bulkId:bad"]),
            post_user("bad", "taken"),
            post_group("2", "after", &["bulkId:bad"]),
            {"method": "DELETE", "path": "/Users/bulkId:bad"},
            post_group("3", "third", &["bulkId:1"]),
            post_group("4", "unknown", &["bulkId:nobody"]),
            {"method": "PATCH", "path": "/Users/bulkId:nobody", "data": []},
            post_user("5", "fine"),
        ]))
        .await;
    assert_eq!(statuses(&results), ["409", "409", "409", "409", "409", "400", "400", "201"]);
    assert!(results[0]["response"]["detail"].as_str().unwrap().contains("bulkId:bad"), "{}", results[0]);
    assert!(client.names("/Groups").await.is_empty());
    // Of a circle, what could be created is there, and its result says what it lacks.
    let results = client
        .bulk(&json!([
            post_group("a", "a", &["bulkId:b"]),
            {"method": "POST", "path": "/Groups", "bulkId": "b",
                "data": {"schemas": [GROUP], "members": [{"value": "bulkId:a"}]}},
        ]))
        .await;
    assert_eq!(statuses(&results), ["409", "400"]);
    let a = id(&results[0]);
    assert!(client.members(&a).await.is_empty());
}

#[tokio::test]
async fn a_malformed_request_is_refused_as_a_whole() {
    let client = client().await;
    let request = |operations: Value| json!({"schemas": [REQUEST], "Operations": operations});
    for (body, scim_type) in [
        (json!({"Operations": []}), "invalidSyntax"),
        (json!({"schemas": [PATCH], "Operations": []}), "invalidSyntax"),
        (json!({"schemas": [REQUEST]}), "invalidSyntax"),
        (request(json!({})), "invalidSyntax"),
        (request(json!([[]])), "invalidSyntax"),
        (request(json!([{"method": 1}])), "invalidSyntax"),
        (request(json!([post_user("1", "a"), {"method": "POST", "path": 1}])), "invalidSyntax"),
        (request(json!([post_user("1", "a"), post_user("1", "b")])), "invalidValue"),
        (json!({"schemas": [REQUEST], "failOnErrors": 0, "Operations": []}), "invalidValue"),
        (json!({"schemas": [REQUEST], "failOnErrors": "1", "Operations": []}), "invalidValue"),
    ] {
        let answer = client.post("/Bulk", &body).await;
        assert_eq!(answer.status, 400, "{body}");
        answer.expect_error(400, Some(scim_type));
    }
    for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE] {
        let answer = client.send(method, "/Bulk", &[], "{}").await.expect_error(405, None);
        assert_eq!(answer.header("allow"), "POST");
    }
    assert!(client.names("/Users").await.is_empty());
    assert!(client.bulk(&json!([])).await.is_empty());
    let body = request(json!([post_user("1", "lower")]));
    client.post("/bulk", &body).await.expect(200);
    client.post("/Bulk/", &body).await.expect(200);
}

/// Section 3.7.4.
#[tokio::test]
async fn both_limits_are_named_where_one_is_exceeded() {
    let client = client().await;
    let config = client.get("/ServiceProviderConfig").await.body["bulk"].clone();
    assert_eq!(config, json!({"supported": true, "maxOperations": 1000, "maxPayloadSize": 8_388_608}));
    let many: Vec<Value> = (0..1001).map(|number| post_user(&number.to_string(), &format!("u{number}"))).collect();
    let request = |operations: &[Value]| json!({"schemas": [REQUEST], "Operations": operations}).to_string();
    let sized = |size: usize| {
        let body = request(&[]);
        format!("{}{}", " ".repeat(size - body.len()), body)
    };
    for body in [request(&many), sized(8_388_609)] {
        let answer = client.send(Method::POST, "/Bulk", &[], body).await.expect_error(413, None);
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.contains("8388608 (maxPayloadSize)") && detail.contains("1000 operations (maxOperations)"));
    }
    client.send(Method::POST, "/Users", &[], sized(1_048_577)).await.expect_error(413, None);
    client.send(Method::POST, "/Bulk", &[], sized(8_388_608)).await.expect(200);
    assert!(client.names("/Users").await.is_empty());
    let stranger = Client { token: None, ..client };
    stranger.send(Method::POST, "/Bulk", &[], sized(8_388_609)).await.expect_error(401, None);
}

#[tokio::test]
async fn a_request_refers_to_others_a_bounded_number_of_times() {
    let client = client().await;
    let names: Vec<String> = (0..600).map(|number| format!("u{number}")).collect();
    let members: Vec<String> = names.iter().map(|name| format!("bulkId:{name}")).collect();
    let members: Vec<&str> = members.iter().map(String::as_str).collect();
    let mut operations: Vec<Value> = names.iter().map(|name| post_user(name, name)).collect();
    operations.extend((0..17).map(|number| post_group(&format!("g{number}"), &format!("G{number}"), &members)));
    let body = json!({"schemas": [REQUEST], "Operations": operations});
    let refused = client.post("/Bulk", &body).await.expect(400);
    assert_eq!(refused.body["scimType"], "invalidValue", "{}", refused.body);
    assert!(refused.body["detail"].as_str().unwrap().contains("10200 times, at most 10000"), "{}", refused.body);
    assert_eq!(client.get("/Users").await.expect(200).body["totalResults"], 0, "nothing was done");
}

#[tokio::test]
async fn a_thousand_users_are_created_in_shared_commits() {
    let ground = Ground::new();
    let client = ground.client("okta").await;
    let many: Vec<Value> = (0..1000).map(|number| post_user(&number.to_string(), &format!("u{number}"))).collect();
    let before = ground.events().await.len();
    assert_eq!(statuses(&client.bulk(&json!(many)).await), ["201"; 1000]);
    assert_eq!(client.get("/Users?count=0").await.body["totalResults"], 1000);
    let events = ground.events().await;
    assert_eq!(events.len() - before, 1000, "each with its event");
    assert!(
        events[before..].iter().all(|event| event.kind.name() == "user.create" && event.actor == "connection:okta")
    );
}

/// What is done at the same time has the outcome of one after the other.
#[tokio::test]
async fn the_first_of_two_equal_names_wins() {
    let client = client().await;
    for round in 0..20 {
        let names = [format!("a{round}"), format!("b{round}"), format!("A{round}"), format!("c{round}")];
        let operations: Vec<Value> = names.iter().map(|name| post_user(name, name)).collect();
        assert_eq!(statuses(&client.bulk(&json!(operations)).await), ["201", "201", "409", "201"]);
    }
}

#[tokio::test]
async fn another_sources_resources_stay_untouched() {
    let ground = Ground::new();
    let (okta, entra) = (ground.client("okta").await, ground.client("entra").await);
    let (ada, team) = (okta.user("ada").await, okta.group("team", &[]).await);
    let results = entra
        .bulk(&json!([
            {"method": "DELETE", "path": format!("/Users/{ada}")},
            {"method": "PATCH", "path": format!("/Groups/{team}"),
                "data": [{"op": "add", "path": "members", "value": [{"value": ada}]}]},
        ]))
        .await;
    assert_eq!(statuses(&results), ["409", "409"]);
    assert!(results[0]["response"]["detail"].as_str().unwrap().contains("okta"), "{}", results[0]);
    assert!(okta.members(&team).await.is_empty());
}

/// References cost what the request's length says, whatever they are.
#[tokio::test]
async fn a_chain_of_references_is_followed_to_its_end() {
    let client = client().await;
    let link =
        |number: usize| post_group(&number.to_string(), &format!("g{number}"), &[&format!("bulkId:{}", number + 1)]);
    let mut chain: Vec<Value> = (0..200).map(link).collect();
    chain.push(post_group("200", "g200", &[]));
    let began = std::time::Instant::now();
    assert_eq!(statuses(&client.bulk(&json!(chain)).await), ["201"; 201]);
    assert!(began.elapsed() < Duration::from_secs(20));
    let ring: Vec<Value> = (0..200)
        .map(|number| {
            post_group(&number.to_string(), &format!("r{number}"), &[&format!("bulkId:{}", (number + 1) % 200)])
        })
        .collect();
    let results = client.bulk(&json!(ring)).await;
    assert_eq!(statuses(&results), ["201"; 200]);
    assert_eq!(client.members(&id(&results[199])).await, [id(&results[0])]);
}

#[tokio::test]
async fn each_operation_counts_against_the_rate_and_nothing_is_done_of_what_does_not_fit() {
    let scim = Allowance::new(1, Duration::from_secs(1), 10);
    let ground = Ground::with_limits(&LimitSettings { scim, ..LimitSettings::default() });
    let okta = ground.client("okta").await;
    let request = |names: std::ops::Range<u32>| {
        let operations: Vec<Value> = names.map(|n| post_user(&format!("b{n}"), &format!("user-{n}"))).collect();
        json!({"schemas": [REQUEST], "Operations": operations})
    };
    okta.post("/Bulk", &request(0..6)).await.expect(200);
    // Four are left: the request itself, and three more do not carry five operations.
    let refused = okta.post("/Bulk", &request(6..11)).await.expect_error(429, None);
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(okta.get("/Users?count=0").await.expect(200).body["totalResults"], 6);
    ground.clock.advance(Duration::from_secs(10));
    okta.post("/Bulk", &request(6..16)).await.expect(200);
    okta.get("/Users").await.expect_error(429, None);
    // As many as are published fit.
    ground.clock.advance(Duration::from_secs(10));
    let most = okta.get("/ServiceProviderConfig").await.expect(200).body["bulk"]["maxOperations"].clone();
    assert_eq!(most, 10);
    ground.clock.advance(Duration::from_secs(10));
    okta.post("/Bulk", &request(30..40)).await.expect(200);
    // What never fits is told so, instead of being asked to come back for ever.
    ground.clock.advance(Duration::from_secs(10));
    let refused = okta.post("/Bulk", &request(20..31)).await.expect_error(413, None);
    assert!(refused.body["detail"].as_str().unwrap().contains("10 operations"), "{}", refused.body);
    ground.clock.advance(Duration::from_secs(10));
    assert_eq!(okta.get("/Users?count=0").await.expect(200).body["totalResults"], 26);
}
