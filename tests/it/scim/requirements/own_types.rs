//! What RFC 7643 requires of attributes that users and groups do not have, on a resource type of the configuration that
//! has one of every kind.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::schema_types::{EXTENSION, TEST, client, create, resource};
use super::super::score::Score;
use super::super::{Client, encoded};
use super::texts;

async fn read(client: &Client, id: &str) -> Value {
    client.get(&format!("/TestResources/{id}")).await.expect(200).body
}

#[tokio::test]
async fn rfc_7643_section_2_3_values_of_every_type_come_back() {
    let client = client().await;
    let mut score = Score::default();
    let binary = STANDARD.encode("an attribute of bytes");
    let attributes = json!({
        "integerAttr": 42, "decimalAttr": 4.25, "booleanAttr": true, "dateTimeAttr": "2025-06-15T10:30:00Z",
        "binaryAttr": binary, "referenceAttr": "https://req.example/resource/1",
        "complexAttr": {"sub1": "text", "sub2": 99, "sub3": true}, "multiStrings": ["alpha", "beta", "gamma"],
    });
    let created = create(&client, "types", attributes.clone()).await;
    for shown in [created.body.clone(), read(&client, &created.id()).await] {
        for (name, value) in attributes.as_object().unwrap() {
            score.equal(&format!("{name} comes back"), &shown[name], value);
        }
        score.check(
            "an integer has no fraction",
            shown["integerAttr"].is_i64() || shown["integerAttr"].is_u64(),
            &shown,
        );
        score.check("a boolean is true or false", shown["booleanAttr"].is_boolean(), &shown);
        let parts = shown["complexAttr"].as_object().unwrap();
        score.check("a complex value has no complex parts", parts.values().all(|part| !part.is_object()), parts);
    }
    for (name, value) in [
        ("integerAttr", json!(4.5)),
        ("integerAttr", json!("many")),
        ("booleanAttr", json!(7)),
        ("dateTimeAttr", json!("yesterday")),
        ("dateTimeAttr", json!("2025-06-15")),
        ("binaryAttr", json!("***")),
        ("complexAttr", json!("plain")),
    ] {
        let mut wrong = json!({});
        wrong[name] = value;
        let answer = client.post("/TestResources", &resource("wrong", wrong.clone())).await;
        score.equal(
            &format!("{wrong} is refused"),
            (answer.status, answer.body["scimType"].as_str()),
            (400, Some("invalidValue")),
        );
    }
    score.finish(2 * 11 + 7);
}

#[tokio::test]
async fn rfc_7643_section_7_mutability_of_every_kind_is_kept() {
    let client = client().await;
    let mut score = Score::default();
    let attributes = json!({"immutableAttr": "first", "writeOnlyAttr": "secret-value", "readOnlyAttr": "mine"});
    let created = create(&client, "mutability", attributes).await;
    let path = format!("/TestResources/{}", created.id());
    score.equal("immutable is set at creation", &created.body["immutableAttr"], &json!("first"));
    let put = client.put(&path, &resource("mutability", json!({"immutableAttr": "second"}))).await;
    score.equal("immutable is not replaced", (put.status, put.body["scimType"].as_str()), (400, Some("mutability")));
    let patch = client.patch(&path, json!([{"op": "replace", "path": "immutableAttr", "value": "third"}])).await;
    score.equal("immutable is not patched", patch.status, 400);
    let shown = read(&client, &created.id()).await;
    score.equal("immutable stays", &shown["immutableAttr"], &json!("first"));
    for body in [&created.body, &shown] {
        score.check("writeOnly is in no answer", !body.to_string().contains("secret-value"), body);
        score.check("readOnly is the server's", body["readOnlyAttr"] != "mine", body);
    }
    score.finish(8);
}

#[tokio::test]
async fn rfc_7643_section_7_returned_of_every_kind_is_kept() {
    let client = client().await;
    let mut score = Score::default();
    let attributes = json!({"alwaysReturnedAttr": "here", "requestedAttr": "asked", "neverReturnedAttr": "hidden"});
    let id = create(&client, "returned", attributes).await.id();
    for (query, always, asked) in [
        ("", true, false),
        ("?excludedAttributes=alwaysReturnedAttr", true, false),
        ("?attributes=identifier", true, false),
        ("?attributes=requestedAttr", true, true),
        ("?attributes=neverReturnedAttr", true, false),
    ] {
        let shown = client.get(&format!("/TestResources/{id}{query}")).await.expect(200).body;
        score.equal("always is always there", shown.get("alwaysReturnedAttr").is_some(), always);
        score.equal("request is there when it is asked for", shown.get("requestedAttr").is_some(), asked);
        score.check("never is never there", !shown.to_string().contains("hidden"), query);
    }
    score.finish(15);
}

#[tokio::test]
async fn rfc_7643_section_7_case_counts_where_the_schema_says() {
    let client = client().await;
    let mut score = Score::default();
    create(&client, "case", json!({"caseExactString": "CaSe", "caseInsensitiveString": "MiXeD"})).await;
    for (filter, found) in [
        ("caseExactString eq \"case\"", 0),
        ("caseExactString eq \"CaSe\"", 1),
        ("caseInsensitiveString eq \"mixed\"", 1),
        ("caseInsensitiveString eq \"MIXED\"", 1),
    ] {
        let answer = client.get(&format!("/TestResources?filter={}", encoded(filter))).await;
        score.equal(filter, (answer.status, &answer.body["totalResults"]), (200, &json!(found)));
    }
    score.finish(4);
}

#[tokio::test]
async fn rfc_7643_sections_3_3_and_6_a_required_extension_is_there_below_its_urn() {
    let client = client().await;
    let mut score = Score::default();
    let extension = json!({EXTENSION: {"extString": "text", "extRequired": "needed"}});
    let created = create(&client, "extension", extension.clone()).await;
    for shown in [created.body.clone(), read(&client, &created.id()).await] {
        score.equal("an extension comes back", &shown[EXTENSION], &extension[EXTENSION]);
        score.equal("both schemas are told", texts(&shown["schemas"]), vec![TEST, EXTENSION]);
    }
    for without in [json!({EXTENSION: null}), json!({EXTENSION: {}}), json!({EXTENSION: {"extString": "text"}})] {
        let answer = client.post("/TestResources", &resource("without", without)).await;
        score.equal(
            "what is required is asked for",
            (answer.status, answer.body["scimType"].as_str()),
            (400, Some("invalidValue")),
        );
    }
    let bare = json!({"schemas": [TEST], "identifier": "bare"});
    score.equal("a required extension is asked for", client.post("/TestResources", &bare).await.status, 400);
    score.finish(8);
}

#[tokio::test]
async fn rfc_7643_section_2_4_lists_of_own_types_have_one_primary_too() {
    let client = client().await;
    let mut score = Score::default();
    let two = json!({"multiComplex": [{"value": "one", "primary": true}, {"value": "two", "primary": true}]});
    let answer = client.post("/TestResources", &resource("two", two)).await;
    score.equal("two primary values are refused", answer.status, 400);
    let one = json!({"multiComplex": [{"value": "one", "primary": true}, {"value": "two"}]});
    let created = create(&client, "one", one.clone()).await;
    score.equal("one is taken", &created.body["multiComplex"], &one["multiComplex"]);
    let add = json!([{"op": "add", "path": "multiComplex", "value": [{"value": "three", "primary": true}]}]);
    let path = format!("/TestResources/{}", created.id());
    let shown = client.patch(&path, add).await.expect(200).body;
    let primary = shown["multiComplex"].as_array().unwrap().iter().filter(|value| value["primary"] == true).count();
    score.equal("a new one replaces it", primary, 1);
    score.finish(3);
}
