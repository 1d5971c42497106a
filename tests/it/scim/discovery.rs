//! What the surface says about itself.

use http::Method;
use serde_json::{Value, json};

use super::{BASE, Client, ENTERPRISE, GROUP, USER, client};

/// RFC 7643 section 5. Clients have failed on each field that was missing.
#[tokio::test]
async fn the_configuration_names_every_feature() {
    let client = client().await;
    let answer = client.get("/ServiceProviderConfig?filter=x&count=no").await.expect(200);
    for (feature, supported) in
        [("patch", true), ("bulk", true), ("filter", true), ("changePassword", false), ("sort", true), ("etag", true)]
    {
        assert_eq!(answer.body[feature]["supported"], json!(supported), "{feature}");
    }
    assert_eq!(answer.body["filter"]["maxResults"], json!(1000));
    assert_eq!(answer.body["authenticationSchemes"][0]["type"], "oauthbearertoken");
    assert_eq!(answer.body["meta"]["location"], json!(format!("{BASE}/ServiceProviderConfig")));
    assert_eq!(client.get("/serviceConfiguration").await.expect(200).body, answer.body);
}

/// RFC 7643 sections 6 and 7.
#[tokio::test]
async fn types_and_schemas_are_listed_and_stand_alone() {
    let client = client().await;
    for (list, ids) in [("/Schemas", vec![USER, ENTERPRISE, GROUP]), ("/ResourceTypes", vec!["User", "Group"])] {
        let answer = client.get(list).await.expect(200);
        assert_eq!(answer.body["totalResults"], json!(ids.len()));
        let resources = answer.body["Resources"].as_array().unwrap();
        assert_eq!(resources.iter().map(|r| r["id"].as_str().unwrap()).collect::<Vec<_>>(), ids);
        for resource in resources {
            let path = format!("{list}/{}", resource["id"].as_str().unwrap());
            assert_eq!(&client.get(&path).await.expect(200).body, resource);
            assert_eq!(resource["meta"]["location"], json!(format!("{BASE}{path}")));
        }
        client.get(&format!("{list}/unknown")).await.expect_error(404, None);
        client.get(&format!("{list}?filter=id+pr")).await.expect_error(403, None);
    }
    let user = client.get("/ResourceTypes/User").await.body;
    assert_eq!(user["endpoint"], "/Users");
    assert_eq!(user["schemaExtensions"], json!([{"schema": ENTERPRISE, "required": false}]));
}

/// RFC 7643 section 8.7.1, where clients look at it.
#[tokio::test]
async fn schemas_state_the_characteristics_of_the_rfc() {
    let client = client().await;
    let attributes = client.get(&format!("/Schemas/{USER}")).await.body["attributes"].as_array().unwrap().clone();
    let find = |name: &str| attributes.iter().find(|a| a["name"] == name).unwrap().clone();
    let user_name = find("userName");
    assert_eq!(user_name["required"], json!(true));
    assert_eq!(user_name["uniqueness"], "server");
    assert_eq!(user_name["caseExact"], json!(false));
    let password = find("password");
    assert_eq!((&password["mutability"], &password["returned"]), (&json!("writeOnly"), &json!("never")));
    assert_eq!(find("groups")["mutability"], "readOnly");
    let kinds = |name: &str| -> Value {
        let subs = find(name)["subAttributes"].as_array().unwrap().clone();
        subs.iter().find(|sub| sub["name"] == "type").unwrap()["canonicalValues"].clone()
    };
    assert_eq!(kinds("emails"), json!(["work", "home", "other"]));
    assert_eq!(kinds("phoneNumbers"), json!(["work", "home", "mobile", "fax", "pager", "other"]));
    assert!(kinds("roles").is_null() && kinds("entitlements").is_null() && kinds("x509Certificates").is_null());
}

/// RFC 7644 section 4: discovery is read, nothing else.
#[tokio::test]
async fn discovery_takes_get_only() {
    let client = client().await;
    for path in ["/ServiceProviderConfig", "/Schemas", "/ResourceTypes", "/ResourceTypes/User"] {
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let answer = client.send(method, path, &[], "{}").await.expect_error(405, None);
            assert_eq!(answer.header("allow"), "GET");
        }
    }
}

#[tokio::test]
async fn what_is_not_there_says_so() {
    let client = client().await;
    for path in ["/", "", "/Nothing", "/Nothing/1", "/Users/1/2", "/Users/1/2/3", "/ServiceProviderConfig/1"] {
        client.get(path).await.expect_error(404, None);
    }
    client.send(Method::OPTIONS, "/Users", &[], "").await.expect_error(405, None);
    client.send(Method::PATCH, "/Users", &[], "{}").await.expect_error(405, None);
    client.send(Method::POST, "/Users/1", &[], "{}").await.expect_error(405, None);
}

/// RFC 9110 section 9.3.2.
#[tokio::test]
async fn head_is_get_without_the_body() {
    let client = client().await;
    let path = format!("/Users/{}", client.user("ada").await);
    for path in [&path, "/Users", "/Schemas"] {
        let answer = client.send(Method::HEAD, path, &[], "").await.expect(200);
        assert!(answer.body.is_null(), "{path}");
    }
    assert_eq!(client.send(Method::HEAD, &path, &[], "").await.header("etag"), "W/\"1\"");
}

#[tokio::test]
async fn requests_are_counted_by_connection_resource_and_operation() {
    let ground = super::Ground::new();
    let metrics = cleargate::http::Metrics::new();
    let client = Client { router: ground.counting_router(&metrics), ..ground.client("okta").await };
    let path = format!("/Users/{}", client.user("ada").await);
    client.get(&path).await.expect(200);
    client.get("/Users/none").await.expect(404);
    client.post("/.search", &json!({"schemas": [super::SEARCH]})).await.expect(200);
    let text = metrics.render();
    for (resource, op, code) in
        [("User", "create", 201), ("User", "read", 200), ("User", "read", 404), ("other", "search", 200)]
    {
        let labels = format!("{{client=\"okta\",resource=\"{resource}\",op=\"{op}\",code=\"{code}\"}} 1");
        assert!(text.contains(&labels), "{labels} is not in {text}");
    }
}

#[tokio::test]
async fn endpoints_are_found_in_any_case() {
    let client = client().await;
    let id = client.user("ada").await;
    for path in ["/users", "/USERS", "/schemas", "/resourcetypes", "/serviceproviderconfig", "/groups", "/Users/"] {
        client.get(path).await.expect(200);
    }
    client.get(&format!("/users/{id}")).await.expect(200);
}

/// Some clients take a reference for a path and put it behind the base address.
#[tokio::test]
async fn an_address_of_ours_behind_the_base_address_is_that_address() {
    let client = client().await;
    let id = client.user("ada").await;
    let group = client.group("ops", &[&id]).await;
    let reference = client.get(&format!("/Groups/{group}")).await.body["members"][0]["$ref"].clone();
    let path = format!("/{}", reference.as_str().unwrap());
    assert_eq!(client.get(&path).await.expect(200).id(), id);
    for path in
        ["/https://elsewhere.example/scim/v2/Users/1", "/https://id.example/scim/v2/Users", "/https://id.example/"]
    {
        client.get(path).await.expect_error(404, None);
    }
    let nobody = Client { token: None, ..client.clone() };
    nobody.get(&path).await.expect_error(401, None);
    client.delete(&path).await.expect(204);
    client.get(&format!("/Users/{id}")).await.expect_error(404, None);
}
