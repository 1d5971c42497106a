//! Groups and their members.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{BASE, GROUP, Ground, NOBODY, client};

/// RFC 7643 section 4.2.
#[tokio::test]
async fn a_group_has_users_and_groups_as_members() {
    let client = client().await;
    let (ada, bob) = (client.user("ada").await, client.user("bob").await);
    let inner = client.group("inner", &[]).await;
    let body = json!({"schemas": [GROUP], "displayName": "ops", "externalId": "g1",
        "members": [{"value": ada, "display": "Ada"}, {"value": inner, "type": "Group"}, {"value": bob}, {"value": ada}]});
    let answer = client.post("/Groups", &body).await.expect(201);
    assert_eq!(answer.header("location"), format!("{BASE}/Groups/{}", answer.id()));
    assert_eq!(answer.body["displayName"], "ops");
    assert_eq!(answer.body["externalId"], "g1");
    let mut members = answer.body["members"].as_array().unwrap().clone();
    members.sort_by_key(|member| member["value"].to_string());
    let member = |kind: &str, id: &str| json!({"value": id, "$ref": format!("{BASE}/{kind}s/{id}"), "type": kind});
    let mut expected = vec![member("User", &ada), member("User", &bob), member("Group", &inner)];
    // Named twice, of which one says how to show her.
    expected[0]["display"] = json!("Ada");
    expected.sort_by_key(|member| member["value"].to_string());
    assert_eq!(members, expected);
}

#[tokio::test]
async fn members_come_and_go_by_patch() {
    let client = client().await;
    let (ada, bob, eve) = (client.user("ada").await, client.user("bob").await, client.user("eve").await);
    let group = client.group("ops", &[&ada]).await;
    let path = format!("/Groups/{group}");
    let add = json!([{"op": "add", "path": "members", "value": [{"value": bob}, {"value": eve}, {"value": ada}]}]);
    let answer = client.patch(&path, add).await.expect(200);
    assert_eq!(answer.body["members"].as_array().unwrap().len(), 3);
    let remove = json!([{"op": "remove", "path": format!("members[value eq \"{bob}\"]")}]);
    client.patch(&path, remove.clone()).await.expect(200);
    // A member that is gone already is no error: the client's wish is fulfilled.
    client.patch(&path, remove).await.expect(200);
    let mut expected = vec![ada.clone(), eve.clone()];
    expected.sort();
    assert_eq!(client.members(&group).await, expected);
    let replace = json!([{"op": "replace", "path": "members", "value": [{"value": bob}]}]);
    client.patch(&path, replace).await.expect(200);
    assert_eq!(client.members(&group).await, [bob.as_str()]);
    let both = json!([{"op": "remove", "path": "members"}, {"op": "add", "path": "members", "value": [{"value": eve}]},
        {"op": "replace", "path": "displayName", "value": "ops2"}]);
    let answer = client.patch(&path, both).await.expect(200);
    assert_eq!(answer.body["displayName"], "ops2");
    assert_eq!(client.members(&group).await, [eve]);
    client.patch(&path, json!([{"op": "remove", "path": "members"}])).await.expect(200);
    let empty = client.get(&path).await.expect(200);
    assert!(empty.body.get("members").is_none());
}

#[tokio::test]
async fn members_can_be_removed_by_a_condition() {
    let client = client().await;
    let (ada, inner) = (client.user("ada").await, client.group("inner", &[]).await);
    let group = client.group("ops", &[&ada, &inner]).await;
    let remove = json!([{"op": "remove", "path": "members[type eq \"group\"]"}]);
    client.patch(&format!("/Groups/{group}"), remove).await.expect(200);
    assert_eq!(client.members(&group).await, [ada]);
}

#[tokio::test]
async fn members_that_do_not_exist_are_passed_over() {
    let client = client().await;
    let ada = client.user("ada").await;
    let group = client.group("ops", &[NOBODY, "no id", &ada]).await;
    assert_eq!(client.members(&group).await, [ada.as_str()]);
    let add = json!([{"op": "add", "path": "members", "value": [{"value": "fake"}, {"value": NOBODY}]}]);
    client.patch(&format!("/Groups/{group}"), add).await.expect(200);
    assert_eq!(client.members(&group).await, [ada]);
}

/// Microsoft's reference client writes ids alone, and would have no body for it; who asks to see something sees it.
#[tokio::test]
async fn members_may_be_named_by_bare_ids() {
    let client = client().await;
    let (ada, bob) = (client.user("ada").await, client.user("bob").await);
    let group = client.group("ops", &[]).await;
    let path = format!("/Groups/{group}");
    let add = |value: Value| json!([{"op": "add", "path": "members", "value": value}]);
    let answer = client.patch(&path, add(json!(ada))).await.expect(204);
    assert_eq!((answer.body.is_null(), answer.header("etag")), (true, "W/\"2\""));
    client.patch(&path, add(json!("nobody at all"))).await.expect(204);
    let shown = client.patch(&format!("{path}?attributes=displayName"), add(json!([bob]))).await.expect(200);
    assert_eq!(shown.body["displayName"], "ops");
    assert_eq!(client.members(&group).await.len(), 2);
}

/// RFC 7643 section 2.4: `display` is what the client shows the member as.
#[tokio::test]
async fn a_member_is_shown_as_the_client_says() {
    let client = client().await;
    let (ada, bob) = (client.user("ada").await, client.user("bob").await);
    let body = json!({"schemas": [GROUP], "displayName": "ops", "members": [{"value": ada, "display": "Ada L."}]});
    let group = client.post("/Groups", &body).await.expect(201);
    assert_eq!(group.body["members"][0]["display"], "Ada L.");
    let path = format!("/Groups/{}", group.id());
    let display = async |id: &str| {
        let group = client.get(&path).await.expect(200).body;
        let members = group["members"].as_array().unwrap().clone();
        members.iter().find(|member| member["value"] == id).unwrap().get("display").cloned()
    };
    let add = |value: Value| json!([{"op": "add", "path": "members", "value": value}]);
    client.patch(&path, add(json!([{"value": bob, "displayName": "Bob"}]))).await.expect(200);
    assert_eq!(display(&bob).await, Some(json!("Bob")));
    // Another text is a change of the group; none says nothing.
    let renamed = client.patch(&path, add(json!([{"value": ada, "display": "Countess"}]))).await.expect(200);
    assert_eq!(renamed.header("etag"), "W/\"3\"");
    client.patch(&path, add(json!([{"value": ada}]))).await.expect(200);
    assert_eq!(display(&ada).await, Some(json!("Countess")));
    client.patch(&path, add(json!([{"value": ada, "display": "x".repeat(513)}]))).await.expect(200);
    let put = json!({"schemas": [GROUP], "displayName": "ops", "members": [{"value": ada}, {"value": bob}]});
    client.put(&path, &put).await.expect(200);
    assert_eq!(display(&ada).await, Some(json!("Countess")));
    let filter = super::encoded("members.display eq \"bob\"");
    assert_eq!(client.names(&format!("/Groups?filter={filter}")).await, ["ops"]);
    let remove = json!([{"op": "remove", "path": "members[display eq \"bob\"]"}]);
    client.patch(&path, remove).await.expect(200);
    assert_eq!(client.members(&group.id()).await, [ada.as_str()]);
    // Who comes back comes without the old text.
    client.patch(&path, add(json!([{"value": bob}]))).await.expect(200);
    assert_eq!(display(&bob).await, None);
}

/// RFC 7644 section 3.5.2 names what a member is shown as by a path of its own.
#[tokio::test]
async fn a_member_is_renamed_by_a_path() {
    let client = client().await;
    let (ada, bob) = (client.user("ada").await, client.user("bob").await);
    let group = client.group("ops", &[&ada]).await;
    let path = format!("/Groups/{group}");
    let step = |op: &str, id: &str, part: &str, value: Value| json!([{"op": op, "path": format!("members[value eq \"{id}\"].{part}"), "value": value}]);
    for (op, part, name) in
        [("replace", "display", "Ada"), ("add", "displayName", "Countess"), ("Replace", "display", "A")]
    {
        let shown = client.patch(&path, step(op, &ada, part, json!(name))).await.expect(200);
        assert_eq!(
            shown.body["members"],
            json!([{"value": ada, "$ref": format!("{BASE}/Users/{ada}"), "type": "User",
            "display": name}])
        );
    }
    client.patch(&path, step("replace", &bob, "display", json!("Bob"))).await.expect_error(400, Some("noTarget"));
    for value in [json!(""), json!(7), json!({"value": bob})] {
        client.patch(&path, step("replace", &ada, "display", value)).await.expect_error(400, Some("invalidValue"));
    }
    let all = json!([{"op": "replace", "path": "members.display", "value": "x"}]);
    client.patch(&path, all).await.expect_error(400, Some("noTarget"));
    // Taking the name away takes nobody out of the group.
    for part in ["display", "displayName", "value"] {
        let remove = json!([{"op": "remove", "path": format!("members[value eq \"{ada}\"].{part}")}]);
        client.patch(&path, remove).await.expect_error(400, Some("mutability"));
    }
    assert_eq!(client.members(&group).await, [ada.as_str()]);
}

#[tokio::test]
async fn put_sets_the_members_that_it_names() {
    let client = client().await;
    let (ada, bob) = (client.user("ada").await, client.user("bob").await);
    let group = client.group("ops", &[&ada]).await;
    let path = format!("/Groups/{group}");
    let put = |members: Value| json!({"schemas": [GROUP], "displayName": "ops", "members": members});
    client.put(&path, &put(json!([{"value": bob}]))).await.expect(200);
    assert_eq!(client.members(&group).await, [bob.as_str()]);
    // A body that says nothing about members leaves them alone.
    client.put(&path, &json!({"schemas": [GROUP], "displayName": "renamed"})).await.expect(200);
    assert_eq!(client.members(&group).await, [bob]);
    client.put(&path, &put(json!([]))).await.expect(200);
    assert!(client.members(&group).await.is_empty());
}

#[tokio::test]
async fn a_change_of_a_large_group_is_answered_without_the_group() {
    let client = client().await;
    let mut ids = Vec::new();
    for number in 0..101 {
        ids.push(client.user(&format!("user{number}")).await);
    }
    let all: Vec<&str> = ids.iter().map(String::as_str).collect();
    let group = client.group("all", &all[..100]).await;
    let path = format!("/Groups/{group}");
    let rename = |name: &str| json!([{"op": "replace", "path": "displayName", "value": name}]);
    client.patch(&path, rename("a")).await.expect(200);
    let add = json!([{"op": "add", "path": "members", "value": [{"value": all[100]}]}]);
    assert!(client.patch(&path, add).await.expect(204).body.is_null());
    // Asked for without members, it is shown all the same.
    let small = client.patch(&format!("{path}?excludedAttributes=members"), rename("b")).await.expect(200);
    assert!(small.body.get("members").is_none());
    assert_eq!(client.members(&group).await.len(), 101);
}

#[tokio::test]
async fn a_group_name_is_given_once() {
    let ground = Ground::new();
    let (okta, entra) = (ground.client("okta").await, ground.client("entra").await);
    let ops = okta.group("ops", &[]).await;
    let body = json!({"schemas": [GROUP], "displayName": "OPS"});
    okta.post("/Groups", &body).await.expect_error(409, Some("uniqueness"));
    // Clients look before they make one: what they find is one group, and why they cannot make another is said.
    assert_eq!(entra.names("/Groups?filter=displayName%20eq%20%22Ops%22").await, ["ops"]);
    let refused = entra.post("/Groups", &body).await.expect_error(409, Some("uniqueness"));
    assert!(refused.body["detail"].as_str().unwrap().contains("a group of okta"), "{}", refused.body);
    let other = format!("/Groups/{}", entra.group("other", &[]).await);
    let rename = json!([{"op": "Replace", "path": "displayName", "value": "Ops"}]);
    entra.patch(&other, rename.clone()).await.expect_error(409, Some("uniqueness"));
    let own = json!([{"op": "replace", "path": "displayName", "value": "Other 2"}]);
    entra.patch(&other, own).await.expect(200);
    okta.delete(&format!("/Groups/{ops}")).await.expect(204);
    entra.patch(&other, rename).await.expect(200);
}

#[tokio::test]
async fn a_group_needs_a_name() {
    let client = client().await;
    let path = format!("/Groups/{}", client.group("ops", &[]).await);
    for name in [json!(null), json!(""), json!("  "), json!(5), json!(["a"]), json!("a\u{202e}b")] {
        let body = json!({"schemas": [GROUP], "displayName": name});
        client.post("/Groups", &body).await.expect_error(400, Some("invalidValue"));
        client.put(&path, &body).await.expect_error(400, Some("invalidValue"));
        let patch = json!([{"op": "replace", "path": "displayName", "value": name}]);
        client.patch(&path, patch).await.expect_error(400, Some("invalidValue"));
    }
    let remove = json!([{"op": "remove", "path": "displayName"}]);
    client.patch(&path, remove).await.expect_error(400, Some("mutability"));
}

#[tokio::test]
async fn a_deleted_group_is_gone_and_its_members_are_not() {
    let client = client().await;
    let ada = client.user("ada").await;
    let group = client.group("ops", &[&ada]).await;
    client.delete(&format!("/Groups/{group}")).await.expect(204);
    client.get(&format!("/Groups/{group}")).await.expect_error(404, None);
    let user = client.get(&format!("/Users/{ada}")).await.expect(200);
    assert!(user.body.get("groups").is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_one_group_at_the_same_time_all_take_effect() {
    let folder = tempfile::tempdir().unwrap();
    let client = Ground::in_file(&folder.path().join("store.redb")).client("okta").await;
    let group = client.group("ops", &[]).await;
    let mut users = Vec::new();
    for number in 0..40 {
        users.push(client.user(&format!("user{number}")).await);
    }
    let path = format!("/Groups/{group}");
    let changes = users
        .iter()
        .map(|user| client.patch(&path, json!([{"op": "add", "path": "members", "value": [{"value": user}]}])));
    for answer in join_all(changes).await {
        answer.expect(200);
    }
    users.sort();
    assert_eq!(client.members(&group).await, users);
}

/// RFC 7644 section 3.5.2.3: the value that the path selects is replaced by the one that is given.
#[tokio::test]
async fn a_selected_member_is_replaced_by_another() {
    let client = client().await;
    let (ada, bob, eve) = (client.user("ada").await, client.user("bob").await, client.user("eve").await);
    let group = client.group("ops", &[&ada]).await;
    let path = format!("/Groups/{group}");
    let step = |op: &str, of: &str, value: Value| json!([{"op": op, "path": format!("members[value eq \"{of}\"]"), "value": value}]);
    client.patch(&path, step("replace", &ada, json!({"value": bob}))).await.expect(200);
    assert_eq!(client.members(&group).await, [bob.as_str()]);
    // None is selected: an error in the standard, in the older dialect of Entra ID the one that is given comes.
    client.patch(&path, step("replace", &ada, json!({"value": eve}))).await.expect_error(400, Some("noTarget"));
    client.patch(&path, step("add", &ada, json!({"value": eve}))).await.expect_error(400, Some("noTarget"));
    assert_eq!(client.members(&group).await, [bob.as_str()], "who was named by the path did not come");
    client.patch(&path, step("Replace", &ada, json!({"value": eve}))).await.expect(200);
    let mut both = vec![bob.clone(), eve.clone()];
    both.sort();
    assert_eq!(client.members(&group).await, both);
    client.patch(&path, step("replace", &eve, Value::Null)).await.expect(200);
    assert_eq!(client.members(&group).await, [bob.as_str()]);
    // The steps before count.
    let swapped = json!([{"op": "add", "path": "members", "value": [{"value": ada}]},
        {"op": "replace", "path": format!("members[value eq \"{ada}\"]"), "value": {"value": eve}}]);
    client.patch(&path, swapped).await.expect(200);
    assert_eq!(client.members(&group).await, both);
}

#[tokio::test]
async fn a_version_changes_with_a_member_that_is_deleted() {
    let client = client().await;
    let (ada, inner) = (client.user("ada").await, client.group("inner", &[]).await);
    let path = format!("/Groups/{}", client.group("ops", &[&ada, &inner]).await);
    let version = async || client.get(&path).await.expect(200).header("etag").to_owned();
    assert_eq!(version().await, "W/\"1\"");
    client.delete(&format!("/Users/{ada}")).await.expect(204);
    assert_eq!(version().await, "W/\"2\"");
    client.delete(&format!("/Groups/{inner}")).await.expect(204);
    assert_eq!(version().await, "W/\"3\"");
    let changed = client.get(&path).await.body["meta"].clone();
    assert_ne!(changed["lastModified"], changed["created"]);
}

/// The ids of somewhere else, as after a restore or with the token of another tenant.
#[tokio::test]
async fn a_group_is_not_emptied_by_members_of_whom_none_exists() {
    let client = client().await;
    let mut ids = Vec::new();
    for number in 0..11 {
        ids.push(client.user(&format!("user{number}")).await);
    }
    let all: Vec<&str> = ids.iter().map(String::as_str).collect();
    let (large, small) = (client.group("large", &all).await, client.group("small", &all[..10]).await);
    let put = |name: &str, members: Value| json!({"schemas": [GROUP], "displayName": name, "members": members});
    let strangers = json!([{"value": NOBODY}]);
    let path = format!("/Groups/{large}");
    client.put(&path, &put("large", strangers.clone())).await.expect_error(400, Some("invalidValue"));
    let replace = json!([{"op": "replace", "path": "members", "value": strangers}]);
    client.patch(&path, replace).await.expect_error(400, Some("invalidValue"));
    assert_eq!(client.members(&large).await.len(), 11);
    client.put(&path, &put("large", json!([]))).await.expect(200);
    client.put(&format!("/Groups/{small}"), &put("small", strangers)).await.expect(200);
    assert!(client.members(&large).await.is_empty() && client.members(&small).await.is_empty());
}
