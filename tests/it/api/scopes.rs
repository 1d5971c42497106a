//! `/departments` and its like.

use cleargate::access::NewGrant;
use cleargate::model::Subject;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Client, Ground, good, refused};

#[tokio::test]
async fn a_department_is_made_shown_changed_and_deleted() {
    let ground = Ground::new().await;
    let root = ground.root();
    let body = json!({"name": "Operations Team", "slug": "operations", "description": "runs it"});
    let made = good(root.post("/api/v1/departments", body.clone()).await, StatusCode::CREATED);
    assert_eq!((&made["id"], &made["slug"]), (&json!("department:operations"), &json!("operations")));
    refused(&root.post("/api/v1/departments", body).await, 409, Some("slug"));
    let made = good(root.post("/api/v1/departments", json!({"name": "IT Systems Team"})).await, StatusCode::CREATED);
    assert_eq!(made["slug"], "it_systems_team");
    let moved = json!({"parent": "operations", "name": "IT"});
    let reply = root.patch("/api/v1/departments/it_systems_team", moved).await;
    assert_eq!(reply.headers["etag"], "\"2\"");
    assert_eq!(good(reply, StatusCode::OK)["parent"], "department:operations");
    let top = good(root.patch("/api/v1/departments/it_systems_team", json!({"parent": null})).await, StatusCode::OK);
    assert_eq!((&top["parent"], &top["name"]), (&Value::Null, &json!("IT")));
    let mut stale = ground.root();
    stale.headers.insert("if-match", "\"1\"".parse().unwrap());
    refused(&stale.patch("/api/v1/departments/it_systems_team", json!({"name": "x"})).await, 412, None);
    good(root.delete("/api/v1/departments/it_systems_team").await, StatusCode::OK);
    refused(&root.get("/api/v1/departments/it_systems_team").await, 404, None);
    let listed = good(root.get("/api/v1/departments").await, StatusCode::OK);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn every_kind_has_its_list_and_pages() {
    let ground = Ground::new().await;
    let root = ground.root();
    for (path, kind) in
        [("companies", "company"), ("departments", "department"), ("projects", "project"), ("scorecards", "scorecard")]
    {
        for name in ["b", "a", "c"] {
            good(root.post(&format!("/api/v1/{path}"), json!({"name": name})).await, StatusCode::CREATED);
        }
        let first = good(root.get(&format!("/api/v1/{path}?limit=2")).await, StatusCode::OK);
        let slugs =
            |page: &Value| page["items"].as_array().unwrap().iter().map(|i| i["slug"].clone()).collect::<Vec<_>>();
        assert_eq!((slugs(&first), &first["next"]), (vec![json!("a"), json!("b")], &json!("b")));
        let rest = good(root.get(&format!("/api/v1/{path}?limit=2&cursor=b")).await, StatusCode::OK);
        assert_eq!((slugs(&rest), &rest["next"]), (vec![json!("c")], &Value::Null));
        let all = good(root.get(&format!("/api/v1/scopes?kind={kind}")).await, StatusCode::OK);
        assert_eq!(all["items"].as_array().unwrap().len(), 3);
        assert_eq!(good(root.get(&format!("/api/v1/scopes/{kind}:a")).await, StatusCode::OK)["name"], "a");
    }
}

#[tokio::test]
async fn what_makes_no_scope_is_told_by_its_field() {
    let ground = Ground::new().await;
    ground.test.place(&["department:finance", "department:payroll < department:finance"]).await;
    let root = ground.root();
    for (body, field) in [
        (json!({}), "name"),
        (json!({"name": "***"}), "name"),
        (json!({"name": "x", "slug": "Not A Slug"}), "slug"),
        (json!({"name": "x", "parent": "financ"}), "parent"),
        (json!({"name": "x", "parent": "company:acme"}), "parent"),
        (json!({"name": "x", "color": "red"}), "color"),
    ] {
        refused(&root.post("/api/v1/departments", body).await, 422, Some(field));
    }
    let near = root.post("/api/v1/departments", json!({"name": "x", "parent": "financ"})).await;
    assert!(near.text.contains("did you mean `department:finance`?"), "{}", near.text);
    let circle = root.patch("/api/v1/departments/finance", json!({"parent": "payroll"})).await;
    refused(&circle, 422, Some("parent"));
    refused(&root.delete("/api/v1/departments/finance").await, 409, None);
    refused(&root.get("/api/v1/departments/NOT%20ONE").await, 404, None);
    refused(&root.get("/api/v1/scopes?kind=departmant").await, 422, Some("kind"));
    let unknown = json!({"user": "root", "role": "editor", "scope": "department:finanze"});
    ground.user("root", &[]).await;
    let reply = root.post("/api/v1/grants", unknown).await;
    refused(&reply, 422, Some("scope"));
    assert!(reply.text.contains("did you mean `department:finance`?"), "{}", reply.text);
}

/// A browser of somebody with a role in a scope only.
async fn scoped(ground: &Ground, name: &str, role: &str, scope: &str) -> Client {
    let user = ground.user(name, &[]).await;
    let access = ground.test.gateway.access();
    let grant = NewGrant::new(Subject::User(user.id), role.parse().unwrap()).within(scope.parse().unwrap());
    access.grants().create(&ground.test.task(), &access.roles(), grant).await.unwrap();
    ground.sign_in(name).await
}

#[tokio::test]
async fn who_administers_one_scorecard_sees_and_changes_that_one() {
    let ground = Ground::new().await;
    ground.test.place(&["scorecard:a", "scorecard:b"]).await;
    let boss = scoped(&ground, "boss", "administrator", "scorecard:a").await;
    let listed = good(boss.get("/api/v1/scorecards").await, StatusCode::OK);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
    good(boss.get("/api/v1/scorecards/a").await, StatusCode::OK);
    good(boss.patch("/api/v1/scorecards/a", json!({"name": "A"})).await, StatusCode::OK);
    refused(&boss.get("/api/v1/scorecards/b").await, 403, None);
    refused(&boss.get("/api/v1/scorecards/unmade").await, 403, None);
    refused(&boss.patch("/api/v1/scorecards/b", json!({"name": "B"})).await, 403, None);
    // Neither into what it does not administer nor out of where it is.
    refused(&boss.patch("/api/v1/scorecards/a", json!({"parent": "b"})).await, 403, None);
    refused(&boss.post("/api/v1/scorecards", json!({"name": "new"})).await, 403, None);
    refused(
        &boss.send(Method::DELETE, "/api/v1/scorecards/b", "application/json", axum::body::Body::empty()).await,
        403,
        None,
    );
}
