//! What other clients than Okta and Entra ID do, and what every client must be able to rely on: OneLogin, JumpCloud,
//! Google Workspace, other identity servers that provision.

use http::Method;
use serde_json::{Value, json};

use super::{Client, ENTERPRISE, GROUP, Ground, NOBODY, PATCH, USER, client, encoded};

/// OneLogin's bodies come from a template of the administrator's, often an old one.
#[tokio::test]
async fn a_template_with_the_schema_of_scim_1_1_is_understood() {
    let client = client().await;
    let body = json!({
        "schemas": ["urn:scim:schemas:core:1.0"], "userName": "ada@one.example",
        "name": {"givenName": "Ada", "familyName": "L", "formatted": "Ada L"}, "prefferedLanguage": "en",
        ENTERPRISE: {"department": "", "manager": {"value": "", "displayName": " "}},
    });
    let created = client.post("/Users", &body).await.expect(201);
    assert_eq!(created.body["schemas"][0], USER);
    assert_eq!(created.body["name"], body["name"]);
    assert!(created.body[ENTERPRISE].get("manager").is_none(), "{}", created.body);
    let group = client.group("from a rule", &[]).await;
    let path = format!("/Groups/{group}");
    let add = json!([{"op": "add", "path": "members", "value": [{"value": created.id()}]}]);
    client.patch(&path, add).await.expect(200);
    let remove = json!([{"op": "remove", "path": format!("members[value eq \"{}\"]", created.id())}]);
    client.patch(&path, remove).await.expect(200);
    assert!(client.members(&group).await.is_empty());
}

/// JumpCloud tries a connection by making and deleting somebody, and removes members as Entra ID does.
#[tokio::test]
async fn a_trial_user_and_group_come_and_go() {
    let client = client().await;
    for _ in 0..2 {
        let user = client.user("trial.user@jump.example").await;
        let group = client.group("trial group", &[]).await;
        let member = |op: &str| json!([{"op": op, "path": "members", "value": [{"value": user}]}]);
        client.patch(&format!("/Groups/{group}"), member("add")).await.expect(200);
        client.patch(&format!("/Groups/{group}"), member("remove")).await.expect(200);
        assert!(client.members(&group).await.is_empty());
        let put = json!({"schemas": [USER], "userName": "trial.user@jump.example", "active": false});
        assert_eq!(client.put(&format!("/Users/{user}"), &put).await.expect(200).body["active"], false);
        client.delete(&format!("/Groups/{group}")).await.expect(204);
        client.delete(&format!("/Users/{user}")).await.expect(204);
    }
}

/// Google Workspace asks for one user to see whether the token is good.
#[tokio::test]
async fn a_page_of_one_tries_the_token() {
    let client = client().await;
    let empty = client.get("/Users?count=1").await.expect(200);
    assert_eq!((&empty.body["totalResults"], &empty.body["Resources"]), (&json!(0), &json!([])));
    let stranger = Client { token: Some("cgs_other".to_owned()), ..client };
    stranger.get("/Users?count=1").await.expect_error(401, None);
}

/// A client that cannot read one field of the configuration believes that nothing is offered.
#[tokio::test]
async fn the_configuration_says_everything_also_of_what_is_not_offered() {
    let client = client().await;
    let config = client.get("/ServiceProviderConfig").await.expect(200).body;
    for (feature, fields) in [
        ("patch", &["supported"][..]),
        ("bulk", &["supported", "maxOperations", "maxPayloadSize"]),
        ("filter", &["supported", "maxResults"]),
        ("changePassword", &["supported"]),
        ("sort", &["supported"]),
        ("etag", &["supported"]),
    ] {
        for field in fields {
            assert!(!config[feature][field].is_null(), "{feature}.{field}");
        }
    }
    assert!(!config.to_string().contains("null"), "{config}");
}

/// A change of one member answers without the others, and a probe for one reads no other.
#[tokio::test]
async fn a_large_group_is_changed_and_probed_without_listing_it() {
    let client = client().await;
    let mut ids = Vec::new();
    for number in 0..120 {
        ids.push(client.user(&format!("member{number}")).await);
    }
    let all: Vec<&str> = ids.iter().map(String::as_str).collect();
    let group = client.group("everybody", &all).await;
    let path = format!("/Groups/{group}");
    let remove = json!([{"op": "remove", "path": "members", "value": [{"value": all[0]}]}]);
    let answer = client.patch(&path, remove).await.expect(204);
    assert_eq!(answer.header("etag"), "W/\"2\"");
    for (member, found) in [(all[0], 0), (all[1], 1), (NOBODY, 0)] {
        let filter = encoded(&format!("id eq \"{group}\" and members eq \"{member}\""));
        let probe = client.get(&format!("/Groups?attributes=id&filter={filter}")).await.expect(200);
        assert_eq!(probe.body["totalResults"], json!(found), "{member}");
    }
    let shown = client.get(&format!("{path}?excludedAttributes=members")).await.expect(200);
    assert!(shown.body.get("members").is_none());
}

/// A filter that nests ends a parser's stack where the parser does not look after itself; and strangers get none at all.
#[tokio::test]
async fn nested_parentheses_are_refused_and_strangers_before_them() {
    let client = client().await;
    let path = |depth: usize| format!("/Users?filter={}id%20pr{}", "(".repeat(depth), ")".repeat(depth));
    client.get(&path(32)).await.expect(200);
    client.get(&path(33)).await.expect_error(400, Some("invalidFilter"));
    client.get(&path(900)).await.expect_error(400, Some("invalidFilter"));
    let stranger = Client { token: None, ..client };
    stranger.get(&path(900)).await.expect_error(401, None);
}

/// A search for what nobody keeps is an error: an empty answer would look like "nobody", and the client would create.
#[tokio::test]
async fn what_cannot_be_searched_is_refused_not_answered_with_nobody() {
    let client = client().await;
    client.user("ada").await;
    for filter in [
        "favouriteColour eq \"red\"",
        "userName like \"a%\"",
        "userName eq \"ada\" and shoe gt 4",
        "addresses eq \"x\"",
    ] {
        client.get(&format!("/Users?filter={}", encoded(filter))).await.expect_error(400, Some("invalidFilter"));
    }
}

/// Somebody who is pushed is never answered as inactive, so that no client pushes again; and what a client does not say
/// does not make anybody active.
#[tokio::test]
async fn a_pushed_user_is_what_the_client_said() {
    let client = client().await;
    for (name, active, expected) in [
        ("on", json!(true), true),
        ("off", json!(false), false),
        ("silent", Value::Null, true),
        ("text", json!("False"), false),
    ] {
        let body = json!({"schemas": [USER], "userName": name, "active": active});
        assert_eq!(client.post("/Users", &body).await.expect(201).body["active"], json!(expected), "{name}");
    }
}

/// A service that provisions from two places is told who keeps an account; it cannot take one by its address.
#[tokio::test]
async fn an_account_is_not_taken_over_by_its_mail_address() {
    let ground = Ground::new();
    let (okta, other) = (ground.client("okta").await, ground.client("other").await);
    let mail = json!([{"value": "ada@shared.example", "type": "work", "primary": true}]);
    let body = json!({"schemas": [USER], "userName": "ada", "emails": mail});
    let id = okta.post("/Users", &body).await.expect(201).id();
    let second = json!({"schemas": [USER], "userName": "ada.l", "emails": mail, "active": false});
    let created = other.post("/Users", &second).await.expect(201);
    assert_ne!(created.id(), id);
    let mine = okta.get(&format!("/Users/{id}")).await.expect(200);
    assert_eq!((&mine.body["userName"], &mine.body["active"]), (&json!("ada"), &json!(true)));
}

/// Names of members in any case, as in all of JSON that clients send.
#[tokio::test]
async fn names_in_bodies_have_no_case() {
    let client = client().await;
    let body = json!({"SCHEMAS": [USER], "USERNAME": "ada", "Emails": [{"VALUE": "a@x", "Primary": true}],
        ENTERPRISE.to_uppercase(): {"Department": "d"}});
    let created = client.post("/Users", &body).await.expect(201);
    assert_eq!(created.body["emails"], json!([{"value": "a@x", "primary": true}]));
    assert_eq!(created.body[ENTERPRISE]["department"], "d");
    let patch = json!({"SCHEMAS": [PATCH], "OPERATIONS": [{"OP": "REPLACE", "PATH": "Title", "VALUE": "t"}]});
    let path = format!("/Users/{}", created.id());
    let changed = client.send(Method::PATCH, &path, &[], patch.to_string()).await.expect(200);
    assert_eq!(changed.body["title"], "t");
    let group = json!({"Schemas": [GROUP], "DisplayName": "g", "Members": [{"Value": created.id()}]});
    assert_eq!(client.post("/Groups", &group).await.expect(201).body["members"][0]["value"], json!(created.id()));
}
