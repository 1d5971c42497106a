//! A resource type out of the configuration: everything that works for users and groups, through the same addresses.

use serde_json::{Value, json};

use super::{Answer, Client, Ground, LIST, SEARCH, encoded};

pub const TEST: &str = "urn:ietf:params:scim:schemas:test:2.0:TestResource";
pub const EXTENSION: &str = "urn:ietf:params:scim:schemas:extension:test:2.0:TestResource";
const PATH: &str = "/TestResources";

pub async fn client() -> Client {
    // Tests delete more than clients do.
    let connection = "[[scim]]\nid = \"okta\"\nbrake.at_least = 10000";
    let ground = Ground::with_schemas(include_str!("../../fixtures/test-resources.toml"));
    ground.with_connections(connection).client("okta").await
}

/// A resource of this identifier with these attributes.
pub fn resource(identifier: &str, attributes: Value) -> Value {
    let mut body =
        json!({"schemas": [TEST, EXTENSION], "identifier": identifier, EXTENSION: {"extRequired": "default"}});
    body.as_object_mut().unwrap().extend(attributes.as_object().unwrap().clone());
    body
}

pub async fn create(client: &Client, identifier: &str, attributes: Value) -> Answer {
    client.post(PATH, &resource(identifier, attributes)).await.expect(201)
}

async fn identifiers(client: &Client, query: &str) -> Vec<String> {
    let answer = client.get(&format!("{PATH}?{query}")).await.expect(200);
    let resources = answer.body["Resources"].as_array().unwrap();
    resources.iter().map(|resource| resource["identifier"].as_str().unwrap().to_owned()).collect()
}

async fn matching(client: &Client, filter: &str) -> Vec<String> {
    identifiers(client, &format!("filter={}", encoded(filter))).await
}

#[tokio::test]
async fn discovery_shows_the_type_and_its_schemas_as_they_are_enforced() {
    let client = client().await;
    let found = client.get("/ResourceTypes/testresource").await.expect(200).body;
    assert_eq!(found["endpoint"], "/TestResources");
    assert_eq!(found["schema"], TEST);
    assert_eq!(found["schemaExtensions"], json!([{"schema": EXTENSION, "required": true}]));
    let types = client.get("/ResourceTypes").await.expect(200).body;
    assert_eq!(types["totalResults"], 3);
    let user = client.get("/ResourceTypes/User").await.expect(200).body;
    assert_eq!(user["schemaExtensions"].as_array().unwrap().len(), 2);
    let schemas = client.get("/Schemas").await.expect(200).body;
    assert_eq!(schemas["totalResults"], 7);
    let schema = client.get(&format!("/Schemas/{TEST}")).await.expect(200).body;
    let of = |name: &str| {
        let list = schema["attributes"].as_array().unwrap();
        list.iter().find(|attribute| attribute["name"] == name).unwrap().clone()
    };
    assert_eq!(of("integerAttr")["type"], "integer");
    assert_eq!(of("requestedAttr")["returned"], "request");
    assert_eq!(of("uniqueInteger")["uniqueness"], "global");
    assert_eq!(of("caseInsensitiveString")["canonicalValues"], json!(["one", "two"]));
    assert_eq!(of("referenceAttr")["referenceTypes"], json!(["external"]));
    assert_eq!(of("multiComplex")["subAttributes"][0]["required"], true);
}

#[tokio::test]
async fn values_of_every_type_come_back_as_they_were_sent() {
    let client = client().await;
    let sent = json!({"integerAttr": 42, "decimalAttr": 1.5, "booleanAttr": true,
        "dateTimeAttr": "2025-06-15T10:30:00Z", "binaryAttr": "aGVsbG8=", "referenceAttr": "https://example.com/1",
        "complexAttr": {"sub1": "hello", "sub2": 99, "sub3": false},
        "multiStrings": ["alpha", "beta"], "multiIntegers": [3, 1, 3],
        "multiComplex": [{"value": "a", "type": "x", "primary": true}, {"value": "b"}]});
    let created = create(&client, "one", sent.clone()).await;
    assert_eq!(created.header("location"), format!("https://id.example/scim/v2/TestResources/{}", created.id()));
    let read = client.get(&format!("{PATH}/{}", created.id())).await.expect(200);
    for body in [&created.body, &read.body] {
        for (name, value) in sent.as_object().unwrap() {
            assert_eq!(&body[name], value, "{name}");
        }
        assert_eq!(body["schemas"], json!([TEST, EXTENSION]));
        assert_eq!(body[EXTENSION], json!({"extRequired": "default"}));
        assert_eq!(body["meta"]["resourceType"], "TestResource");
    }
    assert_eq!(read.header("etag"), "W/\"1\"");
}

#[tokio::test]
async fn values_of_another_type_are_refused() {
    let client = client().await;
    for (name, value) in [
        ("integerAttr", json!(1.5)),
        ("integerAttr", json!("1")),
        ("integerAttr", json!(9_223_372_036_854_775_808_u64)),
        ("decimalAttr", json!("1.5")),
        ("booleanAttr", json!("yes")),
        ("dateTimeAttr", json!("yesterday")),
        ("dateTimeAttr", json!("2025-06-15")),
        ("binaryAttr", json!("not base64!")),
        ("binaryAttr", json!("a")),
        ("referenceAttr", json!(1)),
        ("caseExactString", json!(true)),
        ("caseExactString", json!(["a"])),
        ("complexAttr", json!("text")),
        ("complexAttr", json!({"sub2": "x"})),
        ("multiIntegers", json!([1, "two"])),
        ("multiComplex", json!([{"type": "x"}])),
        ("multiComplex", json!([{"value": "a", "primary": true}, {"value": "b", "primary": true}])),
    ] {
        let answer = client.post(PATH, &resource("x", json!({name: value}))).await;
        answer.expect_error(400, Some("invalidValue"));
        let id = create(&client, "y", json!({})).await.id();
        let operations = json!([{"op": "add", "path": name, "value": value}]);
        client.patch(&format!("{PATH}/{id}"), operations).await.expect_error(400, Some("invalidValue"));
        client.delete(&format!("{PATH}/{id}")).await.expect(204);
    }
    for text in ["aGVsbG8", "_-8", "_-8=", "+/8=", "aGVs\nbG8="] {
        let created = create(&client, text, json!({"binaryAttr": text})).await;
        assert_eq!(created.body["binaryAttr"], text);
    }
}

#[tokio::test]
async fn what_is_required_must_be_there_and_must_stay() {
    let client = client().await;
    client.post(PATH, &json!({"schemas": [TEST], "identifier": "x"})).await.expect_error(400, Some("invalidValue"));
    let empty = json!({"schemas": [TEST], "identifier": "x", EXTENSION: {}});
    client.post(PATH, &empty).await.expect_error(400, Some("invalidValue"));
    let half = json!({"schemas": [TEST], "identifier": "x", EXTENSION: {"extString": "a"}});
    let refused = client.post(PATH, &half).await.expect_error(400, Some("invalidValue"));
    assert!(refused.body["detail"].as_str().unwrap().contains(&format!("{EXTENSION}:extRequired")));
    client
        .post(PATH, &json!({"schemas": [TEST], EXTENSION: {"extRequired": "a"}}))
        .await
        .expect_error(400, Some("invalidValue"));

    let path = format!("{PATH}/{}", create(&client, "x", json!({"multiComplex": [{"value": "a"}]})).await.id());
    client.put(&path, &json!({"schemas": [TEST], "identifier": "x"})).await.expect_error(400, Some("invalidValue"));
    for (operation, scim_type) in [
        (json!({"op": "remove", "path": "identifier"}), "mutability"),
        (json!({"op": "replace", "path": "identifier", "value": ""}), "invalidValue"),
        (json!({"op": "remove", "path": EXTENSION}), "invalidValue"),
        (json!({"op": "remove", "path": format!("{EXTENSION}:extRequired")}), "mutability"),
        (json!({"op": "remove", "path": "multiComplex[value eq \"a\"].value"}), "mutability"),
        (json!({"op": "add", "path": "multiComplex", "value": [{"type": "x"}]}), "invalidValue"),
    ] {
        client.patch(&path, json!([operation])).await.expect_error(400, Some(scim_type));
    }
    assert_eq!(client.get(&path).await.header("etag"), "W/\"1\"");
}

#[tokio::test]
async fn what_is_immutable_is_set_once() {
    let client = client().await;
    let first = json!({"immutableAttr": "set", "immutableList": ["a", "b"], "complexAttr": {"sub1": "x", "sub4": "set"},
        "multiComplex": [{"value": "a", "maker": "acme"}]});
    let path = format!("{PATH}/{}", create(&client, "x", first).await.id());
    for change in [
        json!({"immutableAttr": "other"}),
        json!({"immutableList": ["a"]}),
        json!({"immutableList": ["a", "b", "c"]}),
        json!({"complexAttr": {"sub4": "other"}}),
    ] {
        client.put(&path, &resource("x", change.clone())).await.expect_error(400, Some("mutability"));
        client.patch(&path, json!([{"op": "replace", "value": change}])).await.expect_error(400, Some("mutability"));
    }
    for operation in [
        json!({"op": "remove", "path": "immutableAttr"}),
        json!({"op": "remove", "path": "complexAttr"}),
        json!({"op": "remove", "path": "complexAttr.sub4"}),
        json!({"op": "add", "path": "immutableList", "value": ["c"]}),
        json!({"op": "replace", "path": "multiComplex[value eq \"a\"]", "value": {"value": "a", "maker": "other"}}),
        json!({"op": "replace", "path": "multiComplex[value eq \"a\"].maker", "value": "other"}),
    ] {
        let refused = client.patch(&path, json!([operation])).await;
        refused.expect_error(400, Some("mutability"));
    }
    // The same values pass, in another order and case too; what is not named stays.
    let same =
        json!({"immutableAttr": "SET", "immutableList": ["b", "a"], "complexAttr": {"sub1": "y", "sub4": "set"}});
    let put = client.put(&path, &resource("x", same)).await.expect(200).body;
    assert_eq!(put["immutableAttr"], "set");
    assert_eq!(put["complexAttr"], json!({"sub1": "y", "sub4": "set"}));
    let put = client.put(&path, &resource("x", json!({}))).await.expect(200).body;
    assert_eq!(put["immutableAttr"], "set");
    assert_eq!(put["complexAttr"], json!({"sub4": "set"}));
    // What has no value yet may get one later.
    let operations = json!([{"op": "add", "path": format!("{EXTENSION}:extImmutable"), "value": "late"}]);
    let late = client.patch(&path, operations).await.expect(200).body;
    assert_eq!(late[EXTENSION]["extImmutable"], "late");
    let operations = json!([{"op": "replace", "path": format!("{EXTENSION}:extImmutable"), "value": "later"}]);
    client.patch(&path, operations).await.expect_error(400, Some("mutability"));
    let operations = json!([{"op": "remove", "path": "multiComplex[value eq \"a\"]"}]);
    client.patch(&path, operations).await.expect(200);
}

#[tokio::test]
async fn clients_write_what_they_may_and_see_what_they_may() {
    let client = client().await;
    let given = json!({"writeOnlyAttr": "secret", "readOnlyAttr": "mine", "alwaysReturnedAttr": "here",
        "requestedAttr": "asked", "neverReturnedAttr": "hidden",
        "complexAttr": {"sub1": "shown", "sub5": "asked", "sub6": "hidden"}});
    let created = create(&client, "x", given).await;
    let path = format!("{PATH}/{}", created.id());
    let shown = |body: &Value| {
        let names = ["writeOnlyAttr", "readOnlyAttr", "neverReturnedAttr", "requestedAttr", "alwaysReturnedAttr"];
        names.map(|name| body.get(name).is_some())
    };
    assert_eq!(shown(&created.body), [false, false, false, false, true]);
    assert_eq!(created.body["complexAttr"], json!({"sub1": "shown"}));
    let excluded =
        client.get(&format!("{path}?excludedAttributes=alwaysReturnedAttr,identifier")).await.expect(200).body;
    assert_eq!(excluded["alwaysReturnedAttr"], "here");
    assert!(excluded.get("identifier").is_none());
    let names = "writeOnlyAttr,neverReturnedAttr,requestedAttr,complexAttr.sub5,complexAttr.sub6";
    let asked = client.get(&format!("{path}?attributes={names}")).await.expect(200).body;
    assert_eq!(shown(&asked), [false, false, false, true, true]);
    assert_eq!(asked["complexAttr"], json!({"sub5": "asked"}));
    assert!(asked.get("identifier").is_none());
    client
        .patch(&path, json!([{"op": "add", "path": "readOnlyAttr", "value": "x"}]))
        .await
        .expect_error(400, Some("mutability"));
    for name in ["writeOnlyAttr", "neverReturnedAttr", "complexAttr.sub6"] {
        let filter = encoded(&format!("{name} eq \"hidden\""));
        client.get(&format!("{PATH}?filter={filter}")).await.expect_error(400, Some("invalidFilter"));
        client.get(&format!("{PATH}?sortBy={name}")).await.expect_error(400, Some("invalidPath"));
    }
}

#[tokio::test]
async fn a_put_keeps_what_its_client_cannot_see() {
    let ground = Ground::with_schemas(include_str!("../../fixtures/test-resources.toml"));
    let client = ground.client("okta").await;
    let path = format!("{PATH}/{}", create(&client, "x", json!({"writeOnlyAttr": "secret"})).await.id());
    client.put(&path, &resource("x", json!({"integerAttr": 1}))).await.expect(200);
    let id = path.rsplit('/').next().unwrap().parse().unwrap();
    let stored = ground.directory.find_object("TestResource", id).await.unwrap().unwrap();
    assert_eq!(stored.attributes.0["writeOnlyAttr"], "secret");
    client.put(&path, &resource("x", json!({"writeOnlyAttr": "other"}))).await.expect(200);
    let stored = ground.directory.find_object("TestResource", id).await.unwrap().unwrap();
    assert_eq!(stored.attributes.0["writeOnlyAttr"], "other");
    assert!(stored.attributes.0.get("integerAttr").is_none());
}

#[tokio::test]
async fn unique_values_are_unique_until_their_resource_gives_them_up() {
    let client = client().await;
    let given = json!({"uniqueInteger": 7, "multiComplex": [{"value": "a", "serial": "S1"}]});
    let path = format!("{PATH}/{}", create(&client, "Exact", given).await.id());
    let other = format!("{PATH}/{}", create(&client, "exact", json!({})).await.id());
    for taken in [json!({"uniqueInteger": 7}), json!({"multiComplex": [{"value": "b", "serial": "s1"}]})] {
        client.post(PATH, &resource("new", taken.clone())).await.expect_error(409, Some("uniqueness"));
        client.put(&other, &resource("exact", taken.clone())).await.expect_error(409, Some("uniqueness"));
        client.patch(&other, json!([{"op": "add", "value": taken}])).await.expect_error(409, Some("uniqueness"));
    }
    client.post(PATH, &resource("Exact", json!({}))).await.expect_error(409, Some("uniqueness"));
    // One's own values are no conflict, and what is given up is free.
    client.patch(&path, json!([{"op": "replace", "path": "uniqueInteger", "value": 7}])).await.expect(200);
    client.patch(&path, json!([{"op": "replace", "path": "uniqueInteger", "value": 8}])).await.expect(200);
    client.patch(&other, json!([{"op": "add", "path": "uniqueInteger", "value": 7}])).await.expect(200);
    client.delete(&path).await.expect(204);
    create(&client, "Exact", json!({"uniqueInteger": 8})).await;
    let long = client.post(PATH, &resource(&"x".repeat(513), json!({}))).await;
    long.expect_error(400, Some("invalidValue"));
}

#[tokio::test]
async fn of_two_that_take_one_unique_value_at_once_one_gets_it() {
    let client = client().await;
    let tries = (0..8).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { client.post(PATH, &resource("same", json!({}))).await.status })
    });
    let mut statuses = Vec::new();
    for one in tries.collect::<Vec<_>>() {
        statuses.push(one.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409]);
}

#[tokio::test]
async fn filters_compare_values_by_their_types() {
    let client = client().await;
    create(
        &client,
        "a",
        json!({"integerAttr": 9, "decimalAttr": 0.5, "caseExactString": "CaSe", "booleanAttr": true,
        "caseInsensitiveString": "MiXeD", "dateTimeAttr": "2025-06-15T12:30:00+02:00", "multiStrings": ["Red", "blue"],
        "multiIntegers": [1, 20], "complexAttr": {"sub2": 5}}),
    )
    .await;
    create(
        &client,
        "b",
        json!({"integerAttr": 10, "decimalAttr": 2, "caseExactString": "case",
        "dateTimeAttr": "2025-06-15T10:31:00Z", "multiStrings": ["green"], EXTENSION: {"extRequired": "other"}}),
    )
    .await;
    for (filter, expected) in [
        ("integerAttr gt 9", "b"),
        ("integerAttr lt 10", "a"),
        ("integerAttr eq 9.0", "a"),
        ("decimalAttr ge 0.5 and decimalAttr lt 2", "a"),
        ("caseExactString eq \"case\"", "b"),
        ("caseExactString sw \"Ca\"", "a"),
        ("caseInsensitiveString eq \"mixed\"", "a"),
        ("booleanAttr eq true", "a"),
        ("dateTimeAttr eq \"2025-06-15T10:30:00Z\"", "a"),
        ("dateTimeAttr gt \"2025-06-15T12:30:30+02:00\"", "b"),
        ("multiStrings eq \"red\"", "a"),
        ("multiStrings[value eq \"GREEN\"]", "b"),
        ("multiIntegers eq 20", "a"),
        ("complexAttr.sub2 le 5", "a"),
        ("complexAttr pr", "a"),
        ("not (complexAttr pr)", "b"),
        ("meta.resourceType eq \"TestResource\" and identifier eq \"a\"", "a"),
        (&format!("{TEST}:integerAttr eq 10"), "b"),
        (&format!("{EXTENSION}:extRequired eq \"OTHER\""), "b"),
    ] {
        assert_eq!(matching(&client, filter).await, [expected], "{filter}");
    }
    for filter in
        ["integerAttr eq \"x\"", "unknownAttr pr", "complexAttr eq 1", "userName eq \"a\"", "booleanAttr gt true"]
    {
        let path = format!("{PATH}?filter={}", encoded(filter));
        client.get(&path).await.expect_error(400, Some("invalidFilter"));
    }
}

#[tokio::test]
async fn lists_are_sorted_paged_and_searched_like_users() {
    let client = client().await;
    for (identifier, number) in [("a", 10), ("b", 9), ("c", -1), ("d", 100)] {
        create(&client, identifier, json!({"integerAttr": number, "externalId": format!("x-{identifier}")})).await;
    }
    create(&client, "e", json!({})).await;
    client.user("ada").await;
    assert_eq!(identifiers(&client, "sortBy=integerAttr").await, ["c", "b", "a", "d", "e"]);
    assert_eq!(identifiers(&client, "sortBy=integerAttr&sortOrder=descending").await, ["e", "d", "a", "b", "c"]);
    assert_eq!(identifiers(&client, "startIndex=2&count=2").await, ["b", "c"]);
    assert_eq!(matching(&client, "externalId eq \"x-c\"").await, ["c"]);
    let all = client.get(PATH).await.expect(200).body;
    assert_eq!((&all["totalResults"], &all["itemsPerPage"]), (&json!(5), &json!(5)));
    let search = json!({"schemas": [SEARCH], "filter": "integerAttr gt 9", "attributes": ["integerAttr"]});
    let found = client.post(&format!("{PATH}/.search"), &search).await.expect(200).body;
    assert_eq!(found["schemas"], json!([LIST]));
    assert_eq!(found["Resources"].as_array().unwrap().len(), 2);
    assert!(found["Resources"][0].get("identifier").is_none());
    // A search over everything finds resources of every type.
    let search = json!({"schemas": [SEARCH], "filter": "userName eq \"ada\" or identifier eq \"d\""});
    let found = client.post("/.search", &search).await.expect(200).body;
    let types: Vec<&str> =
        found["Resources"].as_array().unwrap().iter().map(|r| r["meta"]["resourceType"].as_str().unwrap()).collect();
    assert_eq!(types, ["User", "TestResource"]);
    let mut seen = Vec::new();
    let mut page = client.get(&format!("{PATH}?cursor&count=2")).await.expect(200).body;
    loop {
        seen.extend(page["Resources"].as_array().unwrap().iter().map(|r| r["identifier"].as_str().unwrap().to_owned()));
        let Some(next) = page["nextCursor"].as_str() else { break };
        page = client.get(&format!("{PATH}?cursor={next}&count=2")).await.expect(200).body;
    }
    assert_eq!(seen, ["a", "b", "c", "d", "e"]);
}

#[tokio::test]
async fn patch_works_on_lists_of_plain_values_and_as_case_exact_says() {
    let client = client().await;
    let given =
        json!({"multiStrings": ["Red", "blue"], "multiIntegers": [1, 2], "complexAttr": {"sub1": "a", "sub2": 1}});
    let path = format!("{PATH}/{}", create(&client, "x", given).await.id());
    for (operation, name, expected) in [
        (
            json!({"op": "add", "path": "multiStrings", "value": ["green", "RED"]}),
            "multiStrings",
            json!(["RED", "blue", "green"]),
        ),
        (json!({"op": "remove", "path": "multiStrings[value eq \"BLUE\"]"}), "multiStrings", json!(["RED", "green"])),
        (json!({"op": "remove", "path": "multiStrings", "value": ["Green"]}), "multiStrings", json!(["RED"])),
        (json!({"op": "add", "path": "multiIntegers", "value": 3}), "multiIntegers", json!([1, 2, 3])),
        (json!({"op": "remove", "path": "multiIntegers[value lt 3]"}), "multiIntegers", json!([3])),
        (
            json!({"op": "replace", "path": "complexAttr.sub2", "value": 7}),
            "complexAttr",
            json!({"sub1": "a", "sub2": 7}),
        ),
        (json!({"op": "replace", "value": {"complexAttr.sub1": "b"}}), "complexAttr", json!({"sub1": "b", "sub2": 7})),
        (json!({"op": "replace", "path": format!("{TEST}:integerAttr"), "value": 4}), "integerAttr", json!(4)),
        (
            json!({"op": "Replace", "path": format!("{EXTENSION}:extString"), "value": "e"}),
            EXTENSION,
            json!({"extRequired": "default", "extString": "e"}),
        ),
        (
            json!({"op": "replace", "path": EXTENSION, "value": {"extString": "f"}}),
            EXTENSION,
            json!({"extRequired": "default", "extString": "f"}),
        ),
    ] {
        let patched = client.patch(&path, json!([operation])).await.expect(200);
        assert_eq!(patched.body[name], expected, "{operation}");
    }
}

#[tokio::test]
async fn versions_and_deletion_are_those_of_every_resource() {
    let client = client().await;
    let path = format!("{PATH}/{}", create(&client, "x", json!({})).await.id());
    let body = resource("y", json!({})).to_string();
    let put = async |version: &str| client.send(http::Method::PUT, &path, &[("if-match", version)], body.clone()).await;
    put("W/\"9\"").await.expect_error(412, None);
    let answer = put("W/\"1\"").await.expect(200);
    assert_eq!((answer.header("etag"), &answer.body["meta"]["version"]), ("W/\"2\"", &json!("W/\"2\"")));
    let fresh = client.send(http::Method::GET, &path, &[("if-none-match", "W/\"2\"")], "").await;
    assert_eq!(fresh.status, 304);
    // Writing what is there changes nothing.
    assert_eq!(put("W/\"2\"").await.expect(200).header("etag"), "W/\"2\"");
    client.delete(&path).await.expect(204);
    client.get(&path).await.expect_error(404, None);
    client.delete(&path).await.expect_error(404, None);
    client.get(&format!("{PATH}/nonsense")).await.expect_error(404, None);
    assert_eq!(client.get(PATH).await.expect(200).body["totalResults"], 0);
    let refused = client.send(http::Method::PUT, PATH, &[], "{}").await.expect_error(405, None);
    assert_eq!(refused.header("allow"), "GET, POST");
}

#[tokio::test]
async fn a_resource_belongs_to_the_connection_that_made_it_and_the_ledger_tells() {
    let ground = Ground::with_schemas(include_str!("../../fixtures/test-resources.toml"));
    let (okta, entra) = (ground.client("okta").await, ground.client("entra").await);
    let path = format!("{PATH}/{}", create(&okta, "x", json!({"externalId": "mine"})).await.id());
    assert!(entra.get(&path).await.expect(200).body.get("externalId").is_none());
    let refused = entra.patch(&path, json!([{"op": "add", "path": "integerAttr", "value": 1}])).await.expect(409);
    assert!(refused.body["detail"].as_str().unwrap().contains("okta"));
    entra.put(&path, &resource("x", json!({}))).await.expect(409);
    entra.delete(&path).await.expect(409);
    okta.patch(&path, json!([{"op": "add", "path": "integerAttr", "value": 1}])).await.expect(200);
    okta.delete(&path).await.expect(204);
    let events = ground.events().await;
    let told: Vec<&str> = events.iter().filter(|e| e.target.starts_with("resource:")).map(|e| e.kind.name()).collect();
    assert_eq!(told, ["resource.create", "resource.update", "resource.delete"]);
    let texts = format!("{events:?}");
    assert!(texts.contains("TestResource") && !texts.contains("integerAttr"));
}

#[tokio::test]
async fn without_configuration_there_is_no_such_type() {
    let client = super::client().await;
    client.get(PATH).await.expect_error(404, None);
    client.post(PATH, &resource("x", json!({}))).await.expect_error(404, None);
    client.get("/ResourceTypes/TestResource").await.expect_error(404, None);
    client.get(&format!("/Schemas/{TEST}")).await.expect_error(404, None);
}

/// RFC 7644 section 3.9 on answers to writes, for each value of `returned` (RFC 7643 section 7).
#[tokio::test]
async fn answers_to_writes_show_what_the_parameters_ask_for() {
    let client = client().await;
    let full = |name: &str| {
        let given = json!({"integerAttr": 7, "alwaysReturnedAttr": "always", "requestedAttr": "asked",
            "neverReturnedAttr": "hidden", "complexAttr": {"sub1": "one", "sub5": "five"}});
        resource(name, given)
    };
    let names = ["integerAttr", "alwaysReturnedAttr", "requestedAttr", "neverReturnedAttr", "complexAttr"];
    // What is asked for, and which of the names are answered.
    let cases: [(&str, &[&str]); 6] = [
        ("", &["integerAttr", "alwaysReturnedAttr", "complexAttr"]),
        ("attributes=requestedAttr,neverReturnedAttr", &["alwaysReturnedAttr", "requestedAttr"]),
        ("attributes=integerAttr", &["integerAttr", "alwaysReturnedAttr"]),
        ("attributes=identifier", &["alwaysReturnedAttr"]),
        ("excludedAttributes=integerAttr,alwaysReturnedAttr", &["alwaysReturnedAttr", "complexAttr"]),
        ("attributes=complexAttr.sub5", &["alwaysReturnedAttr", "complexAttr"]),
    ];
    for (number, (query, expected)) in cases.into_iter().enumerate() {
        let name = format!("n{number}");
        let created = client.post(&format!("{PATH}?{query}"), &full(&name)).await.expect(201);
        let path = format!("{PATH}/{}", created.id());
        let put = client.put(&format!("{path}?{query}"), &full(&name)).await.expect(200);
        let change = json!([{"op": "replace", "path": "requestedAttr", "value": "changed"}]);
        let patched = client.patch(&format!("{path}?{query}"), change).await.expect(200);
        for (what, answer) in [("POST", created), ("PUT", put), ("PATCH", patched)] {
            let shown: Vec<&str> = names.into_iter().filter(|name| answer.body.get(*name).is_some()).collect();
            assert_eq!(shown, expected, "{what} {query}: {}", answer.body);
            let sub = answer.body.pointer("/complexAttr/sub5");
            assert_eq!(sub.is_some(), query.ends_with("sub5"), "{what} {query}: {}", answer.body);
        }
    }
}
