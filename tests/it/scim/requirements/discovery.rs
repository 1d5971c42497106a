//! RFC 7643 sections 5 to 7 and RFC 7644 section 4: what the server says of itself, and that it is so.

use std::collections::BTreeSet;

use http::Method;
use serde_json::{Value, json};

use super::super::score::Score;
use super::super::{Client, LIST, USER, client, encoded};
use super::{texts, user_with};

async fn resources(client: &Client, path: &str) -> Vec<Value> {
    client.get(path).await.expect(200).body["Resources"].as_array().cloned().unwrap_or_default()
}

#[tokio::test]
async fn rfc_7643_section_5_the_configuration_is_whole() {
    let client = client().await;
    let mut score = Score::default();
    let config = client.get("/ServiceProviderConfig").await;
    score.equal("the configuration is answered", config.status, 200);
    let urn = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig";
    score.equal("the configuration has its schema", texts(&config.body["schemas"]), vec![urn]);
    for feature in ["patch", "bulk", "filter", "changePassword", "sort", "etag"] {
        score.check("a feature is offered or not", config.body[feature]["supported"].is_boolean(), feature);
    }
    for (feature, number) in [("bulk", "maxOperations"), ("bulk", "maxPayloadSize"), ("filter", "maxResults")] {
        score.check("a limit is a number", config.body[feature][number].is_u64(), (feature, number));
    }
    let schemes = config.body["authenticationSchemes"].as_array().cloned().unwrap_or_default();
    score.check("there is a way to authenticate", !schemes.is_empty(), &schemes);
    for part in ["type", "name", "description"] {
        score.check("a way to authenticate is described", schemes.iter().all(|scheme| scheme[part].is_string()), part);
    }
    score.finish(15);
}

#[tokio::test]
async fn rfc_7643_section_6_resource_types_name_schemas_that_there_are() {
    let client = client().await;
    let mut score = Score::default();
    let schemas = resources(&client, "/Schemas").await;
    let known: BTreeSet<&str> = schemas.iter().filter_map(|schema| schema["id"].as_str()).collect();
    let types = resources(&client, "/ResourceTypes").await;
    score.check("there are resource types", types.len() >= 2, types.len());
    for kind in &types {
        let is_text =
            ["name", "endpoint", "schema"].iter().all(|part| kind[part].as_str().is_some_and(|t| !t.is_empty()));
        score.check("a type has name, endpoint and schema", is_text, kind);
        score.check("its schema is one of the schemas", known.contains(kind["schema"].as_str().unwrap_or("-")), kind);
        let extensions = kind["schemaExtensions"].as_array().cloned().unwrap_or_default();
        let are_known = extensions.iter().all(|e| known.contains(e["schema"].as_str().unwrap_or("-")));
        score.check("its extensions are of the schemas", are_known, kind);
        score.check("an extension is required or not", extensions.iter().all(|e| e["required"].is_boolean()), kind);
        let endpoint = kind["endpoint"].as_str().unwrap_or_default();
        score.equal("its endpoint is there", client.get(endpoint).await.status, 200);
    }
    score.finish(1 + 5 * types.len());
}

/// Every characteristic of an attribute and of its parts is written out, in the words of section 7.
fn describe(score: &mut Score, schema: &str, attribute: &Value) {
    let name = format!("{schema} {}", attribute["name"]);
    let one_of = |key: &str, words: &[&str]| attribute[key].as_str().is_some_and(|word| words.contains(&word));
    let types = ["string", "boolean", "decimal", "integer", "dateTime", "reference", "binary", "complex"];
    score.check("an attribute has one of the types", one_of("type", &types), &name);
    let mutability = ["readOnly", "readWrite", "immutable", "writeOnly"];
    score.check("an attribute has a mutability", one_of("mutability", &mutability), &name);
    score.check(
        "an attribute says when it is returned",
        one_of("returned", &["always", "never", "default", "request"]),
        &name,
    );
    score.check("an attribute says whether it is unique", one_of("uniqueness", &["none", "server", "global"]), &name);
    let flags = ["multiValued", "required", "caseExact"];
    score.check("an attribute has its flags", flags.iter().all(|flag| attribute[flag].is_boolean()), &name);
    score.check("nothing of an attribute is null", !attribute.to_string().contains("null"), &name);
    let is_complex = attribute["type"] == "complex";
    let parts = attribute["subAttributes"].as_array().cloned().unwrap_or_default();
    score.equal("a complex attribute has parts, and no other has", is_complex, !parts.is_empty());
    let is_reference = attribute["type"] == "reference";
    score.equal("a reference says to what", is_reference, attribute["referenceTypes"].is_array());
    if attribute["mutability"] == "writeOnly" {
        score.equal("what is only written is never returned", &attribute["returned"], &json!("never"));
    }
    for part in &parts {
        score.check("a part has no parts", part["type"] != "complex", &name);
        describe(score, &name, part);
    }
}

#[tokio::test]
async fn rfc_7643_section_7_schemas_write_out_every_characteristic() {
    let client = client().await;
    let mut score = Score::default();
    let schemas = resources(&client, "/Schemas").await;
    let mut checks = 0;
    for schema in &schemas {
        let id = schema["id"].as_str().unwrap_or_default();
        score.check("a schema has its URN", id.starts_with("urn:"), schema);
        score.is_there("a schema has a name", &schema["name"]);
        let attributes = schema["attributes"].as_array().cloned().unwrap_or_default();
        score.check("a schema has attributes", !attributes.is_empty(), id);
        checks += 3;
        for attribute in &attributes {
            let parts = attribute["subAttributes"].as_array().map_or(0, Vec::len);
            checks += 8 + 9 * parts + usize::from(attribute["mutability"] == "writeOnly");
            describe(&mut score, id, attribute);
        }
    }
    assert!(checks > 500, "only {checks} checks: the schemas are too small");
    score.finish(checks);
}

/// What section 7 says of characteristics is how attributes behave.
#[tokio::test]
async fn rfc_7643_section_7_characteristics_are_kept() {
    let client = client().await;
    let mut score = Score::default();
    let user = user_with(&client, "MiXeD", json!({"externalId": "CaSe", "displayName": "ShOwN"})).await.expect(201);
    score.equal("case is preserved", &user.body["displayName"], &json!("ShOwN"));
    for (filter, found) in [
        ("externalId eq \"CaSe\"", 1),
        ("externalId eq \"case\"", 0),
        ("userName eq \"mixed\"", 1),
        ("displayName eq \"SHOWN\"", 1),
        ("externalId sw \"ca\"", 0),
        ("displayName sw \"sho\"", 1),
    ] {
        let names = client.names(&format!("/Users?filter={}", encoded(filter))).await;
        score.equal(filter, names.len(), found);
    }
    let path = format!("/Users/{}", user.id());
    let put = json!({"schemas": [USER], "userName": "MiXeD", "meta": {"resourceType": "Wrong"}, "id": "x"});
    let after = client.put(&path, &put).await;
    score.equal("readOnly in a PUT is passed over", after.status, 200);
    score.equal("readOnly does not change", &after.body["meta"]["resourceType"], &json!("User"));
    for path in ["/Users", "/Users?attributes=password", "/Users?attributes=userName,password"] {
        let text = client.get(path).await.expect(200).body.to_string();
        score.check("writeOnly is in no answer", !text.contains("password"), path);
    }
    score.finish(12);
}

#[tokio::test]
async fn rfc_7644_section_4_discovery_is_a_list_that_is_only_read() {
    let client = client().await;
    let mut score = Score::default();
    for path in ["/Schemas", "/ResourceTypes"] {
        let list = client.get(path).await;
        score.equal("a list is answered", list.status, 200);
        score.equal("a list is a list response", texts(&list.body["schemas"]), vec![LIST]);
        let ids: Vec<&str> =
            list.body["Resources"].as_array().unwrap().iter().filter_map(|r| r["id"].as_str()).collect();
        score.check("no message is among the schemas", ids.iter().all(|id| !id.contains(":api:messages:")), &ids);
        for id in ids {
            let one = client.get(&format!("{path}/{id}")).await;
            score.equal("one is answered alone", one.status, 200);
        }
        let filtered = client.get(&format!("{path}?filter={}", encoded("id pr"))).await;
        score.equal("a filter is refused", filtered.status, 403);
    }
    let odd = "/ServiceProviderConfig?filter=nonsense&sortBy=id&sortOrder=x&startIndex=999&count=none";
    score.equal("what a list would be asked is passed over", client.get(odd).await.status, 200);
    for path in ["/ServiceProviderConfig", "/Schemas", "/ResourceTypes"] {
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            score.equal("discovery is not written", client.send(method, path, &[], "{}").await.status, 405);
        }
    }
    score.finish(2 * 4 + 5 + 1 + 12);
}
