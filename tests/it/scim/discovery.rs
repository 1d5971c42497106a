//! What the surface says about itself.

use http::Method;
use serde_json::{Value, json};
use tower::ServiceExt;

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
    for (number, kind) in ["oauthbearertoken", "oauth2"].into_iter().enumerate() {
        assert_eq!(answer.body["authenticationSchemes"][number]["type"], kind);
    }
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
    // Only memberships of one's own are shown.
    assert_eq!(kinds("groups"), json!(["direct"]));
    assert!(kinds("roles").is_null() && kinds("entitlements").is_null() && kinds("x509Certificates").is_null());
}

#[tokio::test]
async fn schemas_state_what_groups_do() {
    let client = client().await;
    let attributes = client.get(&format!("/Schemas/{GROUP}")).await.body["attributes"].as_array().unwrap().clone();
    assert_eq!(attributes[0]["name"], "displayName");
    assert_eq!(attributes[0]["uniqueness"], "server");
    let subs = attributes[1]["subAttributes"].as_array().unwrap().clone();
    let mutability = |name: &str| subs.iter().find(|sub| sub["name"] == name).unwrap()["mutability"].clone();
    assert_eq!((mutability("value"), mutability("display")), (json!("immutable"), json!("readWrite")));
}

/// RFC 7643 section 7: canonical values are suggestions; types of a client's own come back as they were sent.
#[tokio::test]
async fn a_type_that_is_not_suggested_is_kept() {
    let client = client().await;
    let body = json!({"schemas": [USER], "userName": "ada", "emails": [{"value": "ada@x.org", "type": "Werk"}]});
    let answer = client.post("/Users", &body).await.expect(201);
    assert_eq!(answer.body["emails"][0]["type"], "Werk");
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
    let nobody = Client { token: None, ..client.clone() };
    for path in
        ["/", "", "//", "/Nothing", "/Nothing/1", "/Users/1/2", "/Users/1/2/3", "/ServiceProviderConfig/1", "///Users"]
    {
        client.get(path).await.expect_error(404, None);
        nobody.get(path).await.expect_error(401, None);
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

/// Base addresses are pasted with a slash at their end, and clients put another one behind what they ask for.
#[tokio::test]
async fn a_slash_too_many_changes_nothing() {
    let client = client().await;
    let id = client.user("ada").await;
    let filter = super::encoded("userName eq \"ada\"");
    for path in [format!("//Users?filter={filter}"), "//Users/".to_owned(), "/Users/".to_owned()] {
        assert_eq!(client.names(&path).await, ["ada"], "{path}");
    }
    let body = json!({"schemas": [USER], "userName": "ada", "title": "x"});
    for (number, path) in
        [format!("/Users/{id}/"), format!("//Users/{id}"), format!("//Users/{id}/")].iter().enumerate()
    {
        assert_eq!(client.get(path).await.expect(200).id(), id);
        client.put(path, &body).await.expect(200);
        let title = json!([{"op": "replace", "path": "title", "value": number.to_string()}]);
        client.patch(path, title).await.expect(200);
    }
    let bulk = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": []});
    client.post("//Bulk", &bulk).await.expect(200);
    // Nobody, as at `/Me`.
    client.get("//Me").await.expect_error(404, None);
    client.delete(&format!("//Users/{id}/")).await.expect(204);
    assert!(client.names("//Users").await.is_empty());
}

/// RFC 7644 section 3.13.
#[tokio::test]
async fn another_version_of_the_protocol_is_told_from_nothing() {
    let ground = super::Ground::new();
    let client = ground.client("okta").await;
    let get = async |path: &str, token: Option<&str>| {
        let mut request = http::Request::builder().uri(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let answer = client.router.clone().oneshot(request.body(axum::body::Body::empty()).unwrap()).await.unwrap();
        let (parts, body) = answer.into_parts();
        let bytes = http_body_util::BodyExt::collect(body).await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&bytes).unwrap();
        (parts.status.as_u16(), body["scimType"].as_str().map(str::to_owned))
    };
    let token = client.token.as_deref();
    for path in ["/scim/v1/Users", "/scim/v1", "/scim/v20/Users/1", "/scim/V3/"] {
        assert_eq!(get(path, token).await, (400, Some("invalidVers".to_owned())), "{path}");
        assert_eq!(get(path, None).await.0, 401, "{path}");
    }
    for path in ["/scim", "/scim/", "/scim/Users", "/scim/views"] {
        assert_eq!(get(path, token).await, (404, None), "{path}");
        assert_eq!(get(path, None).await.0, 401, "{path}");
    }
}

/// In a filter whose blanks are `%20`, a plus is one.
#[tokio::test]
async fn a_login_name_with_a_plus_is_found() {
    let client = client().await;
    client.user("ada+test@x.org").await;
    for filter in ["userName%20eq%20%22ada+test@x.org%22", "userName+eq+%22ada%2Btest%40x.org%22"] {
        assert_eq!(client.names(&format!("/Users?filter={filter}")).await, ["ada+test@x.org"], "{filter}");
    }
}
