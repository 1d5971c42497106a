//! `/sources`: a directory pulled because somebody asked.

use cleargate::sandbox::directory::{Directory, Encryption, Fault};
use cleargate::tasks::Tasks;
use http::StatusCode;
use serde_json::json;

use super::{Ground, good, refused};
use crate::ldap::directory::{SERVICE, records};
use crate::support::gateway::record;

/// A gateway beside a directory of so many people.
async fn ground(people: usize) -> (Ground, Directory, Tasks, tempfile::TempDir) {
    let (directory, tasks) = (Directory::new(records(people)), Tasks::new());
    let address = directory.start(&tasks, Encryption::None).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "s3cret\n").unwrap();
    let lines = format!(
        "[[ldap]]\nid = \"corp\"\nservers = [\"ldap://{address}\"]\nbase = \"dc=example,dc=org\"\n\
         bind = {{ dn = \"{SERVICE}\", password = {{ file = {secret:?} }} }}\n"
    );
    (Ground::with(&lines).await, directory, tasks, folder)
}

const SYNC: &str = "/api/v1/sources/corp/sync";

#[tokio::test]
async fn a_plan_tells_a_run_does_and_a_second_run_has_nothing_to_do() {
    let (ground, _directory, tasks, _folder) = ground(5).await;
    let root = ground.root();
    assert_eq!(good(root.get(SYNC).await, StatusCode::OK)["outcome"], "none");
    let plan = good(root.post(SYNC, json!({"dry_run": true})).await, StatusCode::OK);
    assert_eq!((plan["outcome"].as_str(), plan["created"].as_u64()), (Some("planned"), Some(5)), "{plan}");
    assert_eq!(good(root.get("/api/v1/users").await, StatusCode::OK)["items"], json!([]));
    let run = good(root.post(SYNC, json!({})).await, StatusCode::OK);
    assert_eq!((run["outcome"].as_str(), run["created"].as_u64()), (Some("applied"), Some(5)), "{run}");
    assert_eq!(good(root.get(SYNC).await, StatusCode::OK), run);
    let users = good(root.get("/api/v1/users").await, StatusCode::OK);
    assert_eq!((users["items"].as_array().unwrap().len(), &users["items"][0]["source"]), (5, &json!("corp")));
    let again = good(root.post(SYNC, json!({})).await, StatusCode::OK);
    assert_eq!((again["outcome"].as_str(), again["unchanged"].as_u64()), (Some("unchanged"), Some(5)), "{again}");
    let sources = good(root.get("/api/v1/sources").await, StatusCode::OK);
    assert_eq!(sources["items"], json!([{"id": "corp", "kind": "ldap"}]));
    tasks.stop();
}

#[tokio::test]
async fn an_empty_directory_is_refused_and_a_broken_one_fails_and_nobody_is_lost() {
    let (ground, directory, tasks, _folder) = ground(40).await;
    let root = ground.root();
    assert_eq!(good(root.post(SYNC, json!({})).await, StatusCode::OK)["outcome"], "applied");
    directory.set_fault(Some(Fault::Empty));
    let run = good(root.post(SYNC, json!({})).await, StatusCode::OK);
    assert_eq!(run["outcome"], "refused", "{run}");
    assert!(run["reason"].as_str().is_some_and(|reason| !reason.is_empty()));
    directory.set_fault(Some(Fault::HugeLength));
    let run = good(root.post(SYNC, json!({})).await, StatusCode::OK);
    assert_eq!(run["outcome"], "failed", "{run}");
    let filter = "/api/v1/users?limit=100&filter=active%20eq%20true";
    assert_eq!(good(root.get(filter).await, StatusCode::OK)["items"].as_array().unwrap().len(), 40);
    tasks.stop();
}

#[tokio::test]
async fn who_may_look_may_plan_and_not_run() {
    let (ground, _directory, tasks, _folder) = ground(1).await;
    let reader = ground.service(&["sync:read"]).await;
    good(reader.post(SYNC, json!({"dry_run": true})).await, StatusCode::OK);
    refused(&reader.post(SYNC, json!({})).await, 403, None);
    refused(&reader.post(SYNC, json!({"dry_run": "yes"})).await, 422, Some("dry_run"));
    assert_eq!(good(ground.root().get("/api/v1/users").await, StatusCode::OK)["items"], json!([]));
    tasks.stop();
}

#[tokio::test]
async fn a_connection_that_removed_too_much_is_shown_and_released() {
    let ground = Ground::with("[[scim]]\nid = \"okta\"\nbrake = { removals = \"0%\", at_least = 1 }").await;
    let root = ground.root();
    let okta = ground.test.connection("okta").await;
    let directory = ground.test.gateway.directory();
    for name in ["ada", "grace"] {
        directory.create_user(&okta, &record(name)).await.unwrap();
    }
    let users = directory.list_users::<cleargate::model::Attributes>(None, 10).await.unwrap();
    directory.delete_user(&okta, users[0].id, None).await.unwrap();
    let shown = good(root.get("/api/v1/sources/okta").await, StatusCode::OK);
    assert_eq!(shown["users"], json!({"owned": 1, "removed": 1, "limit": 1}));
    assert_eq!((&shown["kind"], &shown["paused_since"]), (&json!("scim"), &json!(null)));
    assert!(directory.set_active(&okta, users[1].id, false).await.is_err());
    let list = good(root.get("/api/v1/sources").await, StatusCode::OK);
    assert_eq!((&list["items"][0]["id"], &list["items"][0]["paused_for"]), (&json!("okta"), &json!("users")));
    assert!(list["items"][0]["paused_since"].is_string());

    let reader = ground.service(&["sources:read"]).await;
    refused(&reader.post("/api/v1/sources/okta/release", json!({})).await, 403, None);
    refused(&root.post("/api/v1/sources/okta/release", json!({"all": true})).await, 422, Some("all"));
    refused(&root.post("/api/v1/sources/entra/release", json!({})).await, 404, None);
    refused(&root.get("/api/v1/sources/entra").await, 404, None);
    let answer = good(root.post("/api/v1/sources/okta/release", json!({})).await, StatusCode::OK);
    assert_eq!((&answer["released"], &answer["paused_since"]), (&json!(true), &json!(null)));
    assert_eq!(answer["users"], json!({"owned": 1, "removed": 0, "limit": 1}));
    directory.set_active(&okta, users[1].id, false).await.unwrap();
    let again = good(root.post("/api/v1/sources/okta/release", json!({})).await, StatusCode::OK);
    assert_eq!(again["released"], true, "a count is forgotten too");
    let none = good(root.post("/api/v1/sources/okta/release", json!({})).await, StatusCode::OK);
    assert_eq!(none["released"], false);
}
