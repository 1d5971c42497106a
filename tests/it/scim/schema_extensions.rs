//! Extensions of users and groups out of the configuration.

use serde_json::json;

use super::{Client, GROUP, Ground, USER, encoded};

const BADGE: &str = "urn:example:params:scim:schemas:extension:2.0:Badge";
const TEAM: &str = "urn:example:params:scim:schemas:extension:2.0:Team";

async fn client() -> Client {
    Ground::with_schemas(include_str!("../../fixtures/test-resources.toml")).client("okta").await
}

#[tokio::test]
async fn an_extension_is_shown_and_listed_where_it_has_values() {
    let client = client().await;
    let plain = client.post("/Users", &json!({"schemas": [USER, BADGE], "userName": "ada"})).await.expect(201);
    assert_eq!(plain.body["schemas"], json!([USER]));
    let badge = json!({"number": "A1", "issued": "2026-01-01T00:00:00Z", "pin": "1234", "doors": ["north"]});
    let body = json!({"schemas": [USER, BADGE], "userName": "bob", BADGE: badge});
    let created = client.post("/Users", &body).await.expect(201);
    assert_eq!(created.body["schemas"], json!([USER, BADGE]));
    let shown = json!({"number": "A1", "issued": "2026-01-01T00:00:00Z", "doors": ["north"]});
    assert_eq!(created.body[BADGE], shown);
    let path = format!("/Users/{}", created.id());
    let only = client.get(&format!("{path}?attributes={}", encoded(&format!("{BADGE}:doors")))).await.expect(200).body;
    assert_eq!(only[BADGE], json!({"doors": ["north"]}));
    for filter in
        [format!("{BADGE}:number eq \"A1\""), "number eq \"A1\"".to_owned(), format!("{BADGE}:doors co \"NOR\"")]
    {
        assert_eq!(client.names(&format!("/Users?filter={}", encoded(&filter))).await, ["bob"], "{filter}");
    }
    assert!(client.names(&format!("/Users?filter={}", encoded("number eq \"a1\""))).await.is_empty());
}

#[tokio::test]
async fn put_writes_an_extension_as_a_whole_and_patch_by_its_urn() {
    let client = client().await;
    let body = |badge: serde_json::Value| json!({"schemas": [USER], "userName": "ada", BADGE: badge});
    let given = json!({"number": "A1", "issued": "2026-01-01T00:00:00Z", "doors": ["north"]});
    let path = format!("/Users/{}", client.post("/Users", &body(given)).await.expect(201).id());
    let put = client.put(&path, &body(json!({"number": "A2"}))).await.expect(200).body;
    assert_eq!(put[BADGE], json!({"number": "A2", "issued": "2026-01-01T00:00:00Z"}));
    let later = json!({"number": "A2", "issued": "2026-02-02T00:00:00Z"});
    client.put(&path, &body(later)).await.expect_error(400, Some("mutability"));
    let operations = json!([{"op": "add", "path": format!("{BADGE}:doors"), "value": ["south"]}]);
    assert_eq!(client.patch(&path, operations).await.expect(200).body[BADGE]["doors"], json!(["south"]));
    let operations = json!([{"op": "replace", "value": {format!("{BADGE}:number"): "A3"}}]);
    assert_eq!(client.patch(&path, operations).await.expect(200).body[BADGE]["number"], "A3");
    let operations = json!([{"op": "replace", "value": {BADGE: {"number": "A4"}}}]);
    assert_eq!(client.patch(&path, operations).await.expect(200).body[BADGE]["number"], "A4");
    let operations = json!([{"op": "remove", "path": format!("{BADGE}:number")}]);
    client.patch(&path, operations).await.expect_error(400, Some("mutability"));
}

#[tokio::test]
async fn unique_values_of_extensions_hold_for_users_and_groups() {
    let client = client().await;
    let user = |name: &str, number: &str| json!({"schemas": [USER], "userName": name, BADGE: {"number": number}});
    let ada = client.post("/Users", &user("ada", "A1")).await.expect(201).id();
    let taken = client.post("/Users", &user("bob", "A1")).await.expect_error(409, Some("uniqueness"));
    assert!(taken.body["detail"].as_str().unwrap().contains(&format!("{BADGE}:number")));
    let bob = client.post("/Users", &user("bob", "a1")).await.expect(201).id();
    client.put(&format!("/Users/{bob}"), &user("bob", "A1")).await.expect_error(409, Some("uniqueness"));
    client.delete(&format!("/Users/{ada}")).await.expect(204);
    client.put(&format!("/Users/{bob}"), &user("bob", "A1")).await.expect(200);

    let team =
        |name: &str, center: &str| json!({"schemas": [GROUP], "displayName": name, TEAM: {"costCenter": center}});
    let ops = client.post("/Groups", &team("ops", "K1")).await.expect(201);
    assert_eq!(ops.body["schemas"], json!([GROUP, TEAM]));
    client.post("/Groups", &team("dev", "k1")).await.expect_error(409, Some("uniqueness"));
    client.delete(&format!("/Groups/{}", ops.id())).await.expect(204);
    client.post("/Groups", &team("dev", "k1")).await.expect(201);
}

/// An attribute that becomes required when people are there already keeps nobody from being deactivated.
#[tokio::test]
async fn what_was_missing_before_may_go_on_missing() {
    let mut ground = Ground::new();
    let id = ground.client("okta").await.user("ada").await;
    let lines = "[[schema]]\nid = \"urn:example:Badge\"\nextends = \"User\"\nrequired = true\n\
                 attribute = [{ name = \"number\", required = true }]\n";
    ground.know(lines);
    let client = ground.client("okta").await;
    let path = format!("/Users/{id}");
    let off = client.patch(&path, json!([{"op": "replace", "value": {"active": false}}])).await.expect(200);
    assert_eq!(off.body["active"], false);
    client.put(&path, &json!({"schemas": [USER], "userName": "ada", "active": true})).await.expect(200);
    let half = json!({"schemas": [USER], "userName": "ada", "urn:example:Badge": {"number": "1"}});
    client.put(&path, &half).await.expect(200);
    client.put(&path, &json!({"schemas": [USER], "userName": "ada"})).await.expect_error(400, Some("invalidValue"));
    client.post("/Users", &json!({"schemas": [USER], "userName": "bob"})).await.expect_error(400, Some("invalidValue"));
}

/// Values that no answer has are in no event either.
#[tokio::test]
async fn what_a_schema_keeps_from_everybody_is_in_no_event() {
    let ground = Ground::with_schemas(include_str!("../../fixtures/test-resources.toml"));
    let client = ground.client("okta").await;
    let body = json!({"schemas": [USER], "userName": "ada", BADGE: {"number": "A1", "pin": "pin-1234"}});
    let path = format!("/Users/{}", client.post("/Users", &body).await.expect(201).id());
    let badge = |number: &str, pin: &str| json!([{"op": "replace", "value": {BADGE: {"number": number, "pin": pin}}}]);
    client.patch(&path, badge("A2", "pin-4321")).await.expect(200);
    client.patch(&path, badge("A2", "pin-5678")).await.expect(200);
    let events = ground.events().await;
    let detail = |name: &str| {
        let mut found = events.iter().flat_map(|event| &event.details).filter(|(detail, _)| detail == name);
        found.next().map(|(_, value)| value.clone())
    };
    assert_eq!((detail("number before").as_deref(), detail("number after").as_deref()), (Some("A1"), Some("A2")));
    let told = format!("{events:?}");
    assert!(!told.contains("pin-") && !told.contains("pin before") && !told.contains("pin after"), "{told}");
}

/// Where two extensions have one name, a filter by the name alone would look at the one that no answer has.
#[tokio::test]
async fn a_name_that_is_also_of_something_hidden_is_in_no_filter() {
    let lines = "[[schema]]\nid = \"urn:example:a\"\nname = \"A\"\nextends = \"User\"\n[[schema.attribute]]\nname = \"code\"\n\
                 [[schema]]\nid = \"urn:example:b\"\nname = \"B\"\nextends = \"User\"\n[[schema.attribute]]\nname = \"code\"\n\
                 mutability = \"writeOnly\"\nreturned = \"never\"\n";
    let client = Ground::with_schemas(lines).client("okta").await;
    let body = json!({"schemas": [USER], "userName": "ada", "urn:example:b": {"code": "1234"}});
    client.post("/Users", &body).await.expect(201);
    let filter = |text: &str| format!("/Users?filter={}", encoded(text));
    client.get(&filter("code sw \"1\"")).await.expect_error(400, Some("invalidFilter"));
    client.get("/Users?sortBy=code").await.expect_error(400, Some("invalidPath"));
    assert!(client.names(&filter("urn:example:a:code sw \"1\"")).await.is_empty());
}
