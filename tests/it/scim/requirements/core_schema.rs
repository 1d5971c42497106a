//! RFC 7643 sections 2 to 4: resources, their common attributes, users and groups.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cleargate::clock::Timestamp;
use serde_json::{Value, json};

use super::super::score::Score;
use super::super::{BASE, ENTERPRISE, GROUP, Ground, USER, client};
use super::{texts, user_with};

/// `ATTRNAME` of section 2.1, the keys of extensions apart.
fn is_attribute_name(name: &str) -> bool {
    let name = name.strip_prefix('$').unwrap_or(name);
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

/// Everything that a client may write to a user, as far as types go.
fn full_user() -> Value {
    json!({
        "schemas": [ENTERPRISE, USER], "userName": "Full@req.example", "externalId": "X-1", "displayName": "Full",
        "name": {"formatted": "F", "familyName": "A", "givenName": "B", "middleName": "C", "honorificPrefix": "D",
            "honorificSuffix": "E"},
        "nickName": "n", "profileUrl": "https://req.example/full", "title": "t", "userType": "u",
        "preferredLanguage": "cy-GB", "locale": "cy-GB", "timezone": "Europe/London", "active": true,
        "emails": [{"value": "full@req.example", "display": "d", "type": "work", "primary": true}],
        "phoneNumbers": [{"value": "tel:+44-20-7946-0001", "type": "mobile"}],
        "ims": [{"value": "full", "type": "xmpp"}], "photos": [{"value": "https://req.example/f.png", "type": "photo"}],
        "addresses": [{"formatted": "f", "streetAddress": "s", "locality": "l", "region": "r", "postalCode": "p",
            "country": "GB", "type": "home", "primary": true}],
        "entitlements": [{"value": "e"}], "roles": [{"value": "r", "primary": true}],
        "x509Certificates": [{"value": STANDARD.encode([0x30, 0x82, 0x01, 0x00])}],
        ENTERPRISE: {"employeeNumber": "1", "costCenter": "2", "organization": "3", "division": "4", "department": "5",
            "manager": {"value": "6", "$ref": "../Users/6"}},
    })
}

#[tokio::test]
async fn rfc_7643_section_2_1_resources_are_objects_with_schemas_and_well_formed_names() {
    let client = client().await;
    let mut score = Score::default();
    let group = json!({"schemas": [GROUP], "displayName": "g", "externalId": "x"});
    for (path, body) in [("/Users", full_user()), ("/Groups", group)] {
        let answer = client.post(path, &body).await.expect(201);
        score.check("a resource is an object", answer.body.is_object(), &answer.body);
        score.is_there("a resource says its schemas", &answer.body["schemas"]);
        let odd: Vec<&String> = answer
            .body
            .as_object()
            .unwrap()
            .keys()
            .filter(|key| !key.contains(':') && !is_attribute_name(key))
            .collect();
        score.check("names are attribute names", odd.is_empty(), odd);
    }
    score.finish(6);
}

#[tokio::test]
async fn rfc_7643_section_2_3_values_keep_the_form_of_their_type() {
    let client = client().await;
    let mut score = Score::default();
    let body = full_user();
    let answer = client.post("/Users", &body).await.expect(201);
    for time in ["created", "lastModified"] {
        let text = answer.body["meta"][time].as_str().unwrap_or_default();
        score.check("a time has a date and a time", text.contains('T'), text);
        score.check("a time has a zone and parses", text.ends_with('Z') && text.parse::<Timestamp>().is_ok(), text);
    }
    let certificate = answer.body["x509Certificates"][0]["value"].as_str().unwrap_or_default();
    score.check("binary is base64", STANDARD.decode(certificate).is_ok_and(|der| der.len() == 4), certificate);
    score.equal("a reference comes back", &answer.body["profileUrl"], &body["profileUrl"]);
    score.equal("a boolean is a boolean", &answer.body["active"], &json!(true));
    for (name, value) in body.as_object().unwrap() {
        if name != "schemas" {
            score.equal("a value comes back as it was", &answer.body[name], value);
        }
    }
    for value in answer.body.as_object().unwrap().values() {
        let parts = value.as_object().into_iter().flatten().filter(|(_, part)| part.is_object());
        let nested = parts.filter(|(name, _)| *name != "manager").count();
        score.check("a complex value has no complex parts", nested == 0, value);
    }
    let other = json!({"displayName": "backwards", "userName": "order@req.example", "schemas": [USER]});
    score.equal("attributes come in any order", client.post("/Users", &other).await.status, 201);
    score.finish(53);
}

#[tokio::test]
async fn rfc_7643_section_2_3_7_a_reference_leads_to_its_target() {
    let client = client().await;
    let mut score = Score::default();
    let id = client.user("target").await;
    let group = client.get(&format!("/Groups/{}", client.group("g", &[&id]).await)).await.expect(200).body;
    let reference = group["members"][0]["$ref"].as_str().unwrap_or_default();
    score.check(
        "a reference names endpoint and id",
        reference.contains("/Users/") && reference.ends_with(&id),
        reference,
    );
    score.check("a reference can be asked for by HTTP", reference.starts_with("https://"), reference);
    let path = reference.strip_prefix(BASE).unwrap_or_default();
    let target = client.get(path).await;
    score.equal("a reference is answered", target.status, 200);
    score.equal("a reference gives its target", target.body["id"].as_str(), Some(id.as_str()));
    score.finish(4);
}

#[tokio::test]
async fn rfc_7643_section_2_4_lists_have_one_primary_and_no_repetitions() {
    let client = client().await;
    let mut score = Score::default();
    let two = json!({"emails": [{"value": "a@x", "type": "work", "primary": true},
        {"value": "b@x", "type": "home", "primary": true}]});
    let answer = user_with(&client, "two", two).await;
    score.equal("two primary values are refused", answer.status, 400);
    score.equal("two primary values are a wrong value", answer.body["scimType"].as_str(), Some("invalidValue"));
    let twice = json!({"emails": [{"value": "a@x", "type": "work"}, {"value": "a@x", "type": "work"},
        {"value": "a@x", "type": "home"}]});
    let answer = user_with(&client, "twice", twice).await;
    score.equal("a repeated value is taken", answer.status, 201);
    let expected = json!([{"value": "a@x", "type": "work"}, {"value": "a@x", "type": "home"}]);
    score.equal("the same type and value come back once", &answer.body["emails"], &expected);
    let capitals = user_with(&client, "capitals", json!({"emails": [{"value": "A@X.EXAMPLE"}]})).await;
    score.is_there("a value in capitals is not lost", &capitals.body["emails"][0]["value"]);
    score.finish(5);
}

#[tokio::test]
async fn rfc_7643_section_2_5_null_empty_and_absent_are_the_same() {
    let client = client().await;
    let mut score = Score::default();
    for (name, extra) in [
        ("absent", json!({})),
        ("null", json!({"displayName": null, "emails": null, "name": null})),
        ("empty", json!({"emails": [], "name": {}})),
    ] {
        let answer = user_with(&client, name, extra).await;
        score.equal("what is unassigned is taken", answer.status, 201);
        for attribute in ["displayName", "emails", "name"] {
            score.check("what is unassigned is not shown", answer.body.get(attribute).is_none(), &answer.body);
        }
    }
    let filter = super::super::encoded("not (emails pr) and displayName eq null");
    score.equal("all three are found alike", client.names(&format!("/Users?filter={filter}")).await.len(), 3);
    score.finish(13);
}

#[tokio::test]
async fn rfc_7643_section_3_schemas_say_what_a_resource_uses() {
    let client = client().await;
    let mut score = Score::default();
    let extended = json!({"schemas": [USER, ENTERPRISE], ENTERPRISE: {"department": "d"}});
    for (name, extra, expected) in [
        ("plain", json!({}), vec![USER]),
        ("extended", extended, vec![USER, ENTERPRISE]),
        ("unused", json!({"schemas": [ENTERPRISE, USER]}), vec![USER]),
        ("twice", json!({"schemas": [USER, USER]}), vec![USER]),
        ("foreign", json!({"schemas": [USER, "urn:example:params:foreign"]}), vec![USER]),
    ] {
        let answer = user_with(&client, name, extra).await;
        let schemas = texts(&answer.body["schemas"]);
        score.check("there is a schema", !schemas.is_empty(), name);
        score.check("the base schema is there", schemas.contains(&USER), name);
        score.equal("no schema is there twice", schemas.iter().collect::<BTreeSet<_>>().len(), schemas.len());
        score.equal("the schemas are those in use", schemas, expected);
    }
    let none = client.post("/Users", &json!({"schemas": [], "userName": "none"})).await;
    score.equal("an empty list of schemas is refused", none.status, 400);
    score.finish(21);
}

#[tokio::test]
async fn rfc_7643_section_3_1_common_attributes_are_the_servers() {
    let ground = Ground::new();
    let client = ground.client("req").await;
    let mut score = Score::default();
    let meta = json!({"resourceType": "Wrong", "created": "1999-01-01T00:00:00Z", "version": "W/\"99\""});
    let first = user_with(&client, "first", json!({"id": "mine", "meta": meta})).await.expect(201);
    let second = user_with(&client, "second", json!({})).await.expect(201);
    let id = first.id();
    score.check("the server gives the id", !id.is_empty() && id != "mine", &id);
    score.check("ids are unique", id != second.id(), &id);
    score.check("no id has the reserved word", !id.to_lowercase().contains("bulkid"), &id);
    score.check("the server makes up no externalId", first.body.get("externalId").is_none(), &first.body);
    score.equal("meta says the resource type", &first.body["meta"]["resourceType"], &json!("User"));
    score.check("a client's meta is nothing", !first.body.to_string().contains("1999"), &first.body);
    score.is_there("meta says when it was created", &first.body["meta"]["created"]);
    score.equal("what is new was not changed", &first.body["meta"]["created"], &first.body["meta"]["lastModified"]);
    let read = client.get(&format!("/Users/{id}")).await.expect(200);
    score.equal("the id stays", read.id(), id.clone());
    score.equal("meta says the address", &read.body["meta"]["location"], &json!(format!("{BASE}/Users/{id}")));
    for answer in [&first, &read] {
        let header = answer.header("content-location").to_owned();
        let is_same = header.is_empty() || json!(header) == answer.body["meta"]["location"];
        score.check("Content-Location, where it is sent, is the address", is_same, &header);
        let version = answer.body["meta"]["version"].as_str().unwrap_or_default();
        score.check("a weak version is marked", version.starts_with("W/\""), version);
        score.equal("the ETag is the version", answer.header("etag"), version);
    }
    ground.wait();
    let put = json!({"schemas": [USER], "userName": "first", "title": "t", "id": "other", "meta": meta});
    let changed = client.put(&format!("/Users/{id}"), &put).await.expect(200);
    score.equal("a PUT does not change the id", changed.id(), id);
    score.equal(
        "a PUT does not change when it was created",
        &changed.body["meta"]["created"],
        &read.body["meta"]["created"],
    );
    score.check(
        "a change is told",
        changed.body["meta"]["lastModified"] != read.body["meta"]["lastModified"],
        &changed.body,
    );
    score.finish(19);
}

#[tokio::test]
async fn rfc_7643_section_3_3_an_extension_is_below_its_urn() {
    let client = client().await;
    let mut score = Score::default();
    let body =
        json!({"schemas": [USER, ENTERPRISE], ENTERPRISE: {"department": "d", "unknown": 1}, "department": "core"});
    let answer = user_with(&client, "extended", body).await;
    score.equal("an extension is its container", &answer.body[ENTERPRISE], &json!({"department": "d"}));
    score.check("an extension is not in the core", answer.body.get("department").is_none(), &answer.body);
    score.check("an extension is in the schemas", texts(&answer.body["schemas"]).contains(&ENTERPRISE), &answer.body);
    score.finish(3);
}

#[tokio::test]
async fn rfc_7643_section_4_1_users_have_a_name_and_never_show_a_password() {
    let client = client().await;
    let mut score = Score::default();
    for name in [json!(null), json!(""), json!("   ")] {
        let answer = client.post("/Users", &json!({"schemas": [USER], "userName": name})).await;
        score.equal("a user without a name is refused", answer.status, 400);
        score.equal("a missing name is a wrong value", answer.body["scimType"].as_str(), Some("invalidValue"));
    }
    let secret = "correct horse battery staple";
    let answer = user_with(&client, "Keeper", json!({"password": secret})).await;
    score.equal("a name comes back in its case", &answer.body["userName"], &json!("Keeper"));
    let path = format!("/Users/{}", answer.body["id"].as_str().unwrap_or_default());
    let put = json!({"schemas": [USER], "userName": "Keeper", "password": secret});
    let patch = json!([{"op": "replace", "path": "password", "value": secret}]);
    for (way, answer) in [
        ("POST", answer),
        ("GET", client.get(&path).await),
        ("GET asking for it", client.get(&format!("{path}?attributes=password")).await),
        ("list", client.get("/Users").await),
        ("PUT", client.put(&path, &put).await),
        ("PATCH", client.patch(&path, patch).await),
    ] {
        let text = answer.body.to_string();
        score.check("a password is in no answer", !text.contains(secret) && !text.contains("\"password\""), way);
    }
    score.finish(13);
}

#[tokio::test]
async fn rfc_7643_section_4_1_2_lists_of_users_keep_their_forms() {
    let client = client().await;
    let mut score = Score::default();
    let address = json!({"type": "work", "country": "NO"});
    let der = STANDARD.encode((0..=255).collect::<Vec<u8>>());
    let extra = json!({"emails": [{"value": "valid@req.example"}], "addresses": [address], "x509Certificates": [{"value": der}]});
    let answer = user_with(&client, "forms", extra).await.expect(201);
    let email = answer.body["emails"][0]["value"].as_str().unwrap_or_default();
    score.equal("an address has one at sign", email.matches('@').count(), 1);
    score.equal("a country is two capitals, as it was sent", &answer.body["addresses"][0]["country"], &json!("NO"));
    score.equal("a certificate is base64", &answer.body["x509Certificates"][0]["value"], &json!(der));
    let id = answer.id();
    let group = client.get(&format!("/Groups/{}", client.group("g", &[&id]).await)).await.body;
    score.equal("a member's value is the user's id", &group["members"][0]["value"], &json!(id));
    let other = client.group("h", &[]).await;
    let add = json!([{"op": "add", "path": "members", "value": [{"value": id, "type": "User"}]}]);
    client.patch(&format!("/Groups/{other}"), add).await.expect(200);
    score.equal("membership changes by the group", client.members(&other).await, vec![id.clone()]);
    let user = client.get(&format!("/Users/{id}")).await.body;
    let groups: BTreeSet<&str> =
        user["groups"].as_array().unwrap().iter().filter_map(|g| g["value"].as_str()).collect();
    score.equal("a user's groups are ids of groups", groups.len(), 2);
    let put = json!({"schemas": [USER], "userName": "forms", "groups": []});
    client.put(&format!("/Users/{id}"), &put).await.expect(200);
    score.equal("membership does not change by the user", client.members(&other).await, vec![id]);
    score.finish(7);
}
