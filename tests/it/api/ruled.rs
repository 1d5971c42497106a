//! Groups by rule over the management surface: seen beforehand, set, and no way up for who may change attributes.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Ground, good, refused};

const ENGINEERS: &str = r#"title eq "Engineer" or displayName sw "Eng""#;

async fn names(ground: &Ground, group: &str) -> Vec<String> {
    let page = good(ground.root().get(&format!("/api/v1/groups/{group}/members")).await, StatusCode::OK);
    let mut names: Vec<String> =
        page["items"].as_array().unwrap().iter().map(|item| item["userName"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

async fn people(ground: &Ground) {
    for (name, shown) in [("ada", "Eng Ada"), ("bob", "Bob"), ("eve", "Eng Eve")] {
        let body = json!({"userName": name, "displayName": shown});
        let body = if shown == "Bob" { json!({"userName": name}) } else { body };
        good(ground.root().post("/api/v1/users", body).await, StatusCode::CREATED);
    }
}

#[tokio::test]
async fn a_rule_is_tried_set_changed_and_taken_away() {
    let ground = Ground::new().await;
    let root = ground.root();
    people(&ground).await;
    let body = json!({"name": "Engineers", "rule": ENGINEERS, "dry_run": true});
    let told = good(root.post("/api/v1/groups", body.clone()).await, StatusCode::OK);
    assert_eq!((&told["members"], &told["joining"], &told["leaving"]), (&json!(2), &json!(2), &json!(0)), "{told}");
    assert_eq!(told["shown"].as_array().unwrap().len(), 2);
    refused(&root.get("/api/v1/groups/engineers").await, 404, None);
    let made =
        good(root.post("/api/v1/groups", json!({"name": "Engineers", "rule": ENGINEERS})).await, StatusCode::CREATED);
    assert_eq!((&made["members"], &made["rule"], &made["filling"]), (&json!(2), &json!(ENGINEERS), &json!(false)));
    assert_eq!(names(&ground, "engineers").await, ["ada", "eve"]);
    // Whoever changes moves at once.
    good(root.patch("/api/v1/users/bob", json!({"displayName": "Eng Bob"})).await, StatusCode::OK);
    good(root.patch("/api/v1/users/ada", json!({"displayName": "Ada"})).await, StatusCode::OK);
    assert_eq!(names(&ground, "engineers").await, ["bob", "eve"]);
    let dry = json!({"rule": "userName eq \"ada\"", "dry_run": true});
    let told = good(root.patch("/api/v1/groups/engineers", dry).await, StatusCode::OK);
    assert_eq!((&told["members"], &told["joining"], &told["leaving"]), (&json!(1), &json!(1), &json!(2)));
    assert_eq!(names(&ground, "engineers").await, ["bob", "eve"], "a plan changes nothing");
    good(root.patch("/api/v1/groups/engineers", json!({"rule": "userName eq \"ada\""})).await, StatusCode::OK);
    assert_eq!(names(&ground, "engineers").await, ["ada"]);
    // By hand nobody goes in or out, or is made within.
    for reply in [
        root.post("/api/v1/groups/engineers/members", json!({"users": ["bob"]})).await,
        root.delete("/api/v1/groups/engineers/members?user=ada").await,
        root.post("/api/v1/users", json!({"userName": "new", "access_groups": ["engineers"]})).await,
    ] {
        refused(&reply, 409, None);
        assert!(reply.text.contains("userName eq"), "{}", reply.text);
    }
    let free = good(root.patch("/api/v1/groups/engineers", json!({"rule": null})).await, StatusCode::OK);
    assert_eq!((&free["rule"], &free["members"]), (&Value::Null, &json!(1)));
    good(root.delete("/api/v1/groups/engineers/members?user=ada").await, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sends_the_rule_that_is_there_does_not_put_it_back_when_it_is_changed_meanwhile() {
    let ground = Ground::new().await;
    let root = ground.root();
    people(&ground).await;
    let (old, new) = (json!({"rule": "title eq \"x\""}), json!({"rule": "title eq \"y\""}));
    let made = json!({"name": "Admins", "rule": "title eq \"x\""});
    good(root.post("/api/v1/groups", made).await, StatusCode::CREATED);
    good(root.post("/api/v1/grants", json!({"group": "Admins", "role": "administrator"})).await, StatusCode::CREATED);
    let editor = ground.service(&["groups:read", "groups:update", "users:read"]).await;
    for round in 0..300 {
        good(root.patch("/api/v1/groups/admins", old.clone()).await, StatusCode::OK);
        let (editor, chief, same, other) = (editor.clone(), root.clone(), old.clone(), new.clone());
        let ask = tokio::spawn(async move { editor.patch("/api/v1/groups/admins", same).await });
        let change = tokio::spawn(async move { chief.patch("/api/v1/groups/admins", other).await });
        let (told, changed) = tokio::join!(ask, change);
        good(changed.unwrap(), StatusCode::OK);
        let now = good(root.get("/api/v1/groups/admins").await, StatusCode::OK);
        assert_eq!(now["rule"], "title eq \"y\"", "round {round}: {told:?}");
    }
}

#[tokio::test]
async fn a_rule_that_cannot_be_is_refused_with_its_place() {
    let ground = Ground::new().await;
    let root = ground.root();
    for (rule, told) in [
        ("title eq", "position 9"),
        ("title eq \"x\" and groups eq \"Admins\"", "`groups` at position 18"),
        ("active eq true", "`active` at position 1"),
        ("roles[value eq \"admin\"]", "`roles` at position 1"),
    ] {
        let reply = root.post("/api/v1/groups", json!({"name": "G", "rule": rule})).await;
        refused(&reply, 422, Some("rule"));
        assert!(reply.text.contains(told), "{}", reply.text);
    }
    let both = json!({"name": "G", "rule": "title pr", "users": ["ada"]});
    ground.user("ada", &[]).await;
    refused(&root.post("/api/v1/groups", both).await, 422, Some("rule"));
    good(root.post("/api/v1/groups", json!({"name": "Hand", "users": ["ada"]})).await, StatusCode::CREATED);
    refused(&root.patch("/api/v1/groups/hand", json!({"rule": "title pr"})).await, 422, Some("rule"));
    refused(&root.patch("/api/v1/groups/hand", json!({"dry_run": true})).await, 422, Some("dry_run"));
}

#[tokio::test]
async fn attributes_and_rules_are_no_way_up() {
    let ground = Ground::with("[[scim]]\nid = \"okta\"").await;
    let root = ground.root();
    people(&ground).await;
    good(
        root.post("/api/v1/groups", json!({"name": "Bosses", "rule": "displayName eq \"Boss\""})).await,
        StatusCode::CREATED,
    );
    good(root.post("/api/v1/grants", json!({"group": "Bosses", "role": "administrator"})).await, StatusCode::CREATED);
    let clerk = ground.service(&["users:read", "users:update", "users:create", "groups:*"]).await;
    // Not by an attribute, nor by an account made with it, one or many, nor by another rule.
    for reply in [
        clerk.patch("/api/v1/users/eve", json!({"displayName": "Boss"})).await,
        clerk.post("/api/v1/users", json!({"userName": "mallory", "displayName": "Boss"})).await,
        clerk.patch("/api/v1/groups/bosses", json!({"rule": "userName eq \"eve\""})).await,
        clerk.patch("/api/v1/groups/bosses", json!({"rule": "userName eq \"eve\"", "dry_run": true})).await,
        clerk.patch("/api/v1/groups/bosses", json!({"rule": null})).await,
        // Nor by a group of one's own within it, whose rule one may write.
        clerk.patch("/api/v1/groups/bosses", json!({"name": "Bosses2"})).await,
    ] {
        refused(&reply, 403, None);
    }
    assert!(names(&ground, "bosses").await.is_empty());
    // What gives nothing is free to give, and who is an administrator may.
    good(clerk.patch("/api/v1/users/eve", json!({"displayName": "Eve"})).await, StatusCode::OK);
    good(root.patch("/api/v1/users/eve", json!({"displayName": "Boss"})).await, StatusCode::OK);
    assert_eq!(names(&ground, "bosses").await, ["eve"]);
    refused(&clerk.patch("/api/v1/users/eve", json!({"displayName": "Eve"})).await, 403, None);
    // Nor by a connection of one's own, which writes attributes.
    let opener = ground.service(&["tokens:create", "users:*", "groups:*"]).await;
    refused(&opener.post("/api/v1/tokens", json!({"connection": "okta"})).await, 403, None);
    // A rule asks for anybody's attributes: only who may read them tries one.
    let blind = ground.service(&["groups:*"]).await;
    let probe = json!({"name": "Probe", "rule": "userName eq \"eve\"", "dry_run": true});
    refused(&blind.post("/api/v1/groups", probe).await, 403, None);
    // A group of one's own that is put into a mighty one is not one's own to fill any more.
    good(clerk.post("/api/v1/groups", json!({"name": "Mine", "rule": "title pr"})).await, StatusCode::CREATED);
    good(root.post("/api/v1/groups", json!({"name": "Mighty", "groups": ["Mine"]})).await, StatusCode::CREATED);
    good(root.post("/api/v1/grants", json!({"group": "Mighty", "role": "administrator"})).await, StatusCode::CREATED);
    refused(&clerk.patch("/api/v1/groups/mine", json!({"rule": "userName eq \"ada\""})).await, 403, None);
}

#[tokio::test]
async fn the_last_administrator_is_not_lost_by_a_rule() {
    let ground = Ground::new().await;
    let root = ground.root();
    people(&ground).await;
    good(
        root.post("/api/v1/groups", json!({"name": "Bosses", "rule": "userName eq \"ada\""})).await,
        StatusCode::CREATED,
    );
    good(root.post("/api/v1/grants", json!({"group": "Bosses", "role": "administrator"})).await, StatusCode::CREATED);
    let nobody = json!({"rule": "userName eq \"nobody\""});
    refused(&root.patch("/api/v1/groups/bosses", nobody.clone()).await, 409, None);
    good(root.patch("/api/v1/groups/bosses", json!({"rule": "userName eq \"eve\""})).await, StatusCode::OK);
    assert_eq!(names(&ground, "bosses").await, ["eve"]);
}

#[tokio::test]
async fn rules_are_carried_and_members_follow_what_was_carried() {
    let ground = Ground::new().await;
    people(&ground).await;
    let body = json!({"name": "Engineers", "rule": ENGINEERS});
    good(ground.root().post("/api/v1/groups", body).await, StatusCode::CREATED);
    let document = ground.root().get("/api/v1/export").await.text;
    assert!(document.contains("\"rule\":"), "{document}");
    let import = |ground: &Ground, document: String| {
        let client = ground.root();
        async move {
            let body = axum::body::Body::from(document);
            client.send(Method::POST, "/api/v1/import", "application/x-ndjson", body).await
        }
    };
    let elsewhere = Ground::new().await;
    elsewhere.test.advance(std::time::Duration::from_secs(86_400));
    good(import(&elsewhere, document.clone()).await, StatusCode::OK);
    assert_eq!(elsewhere.root().get("/api/v1/export").await.text, document);
    good(elsewhere.root().patch("/api/v1/users/bob", json!({"displayName": "Eng Bob"})).await, StatusCode::OK);
    assert_eq!(names(&elsewhere, "engineers").await, ["ada", "bob", "eve"]);
    // A document whose members are not what its rule says: the rule has it.
    let lines: Vec<&str> = document.lines().filter(|line| !line.contains("\"kind\":\"member\"")).collect();
    let kept =
        format!("{}\n{{\"kind\":\"end\",\"records\":{}}}\n", lines[..lines.len() - 1].join("\n"), lines.len() - 2);
    let third = Ground::new().await;
    good(import(&third, kept.clone()).await, StatusCode::OK);
    assert_eq!(names(&third, "engineers").await, ["ada", "eve"]);
    let circle = kept.replace("displayName sw", "groups eq");
    refused(&import(&Ground::new().await, circle).await, 422, Some("document"));
}
