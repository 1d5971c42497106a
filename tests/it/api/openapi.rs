//! The OpenAPI document describes every route and nothing else.

use std::collections::BTreeSet;

use cleargate::http::openapi::Operation;
use cleargate::{api, authzen};
use http::StatusCode;
use serde_json::Value;

use super::{Ground, good};

fn described(operations: &[Operation]) -> Vec<String> {
    operations.iter().map(|operation| format!("{} {}", operation.method, operation.path)).collect()
}

#[test]
fn every_route_is_described_once_and_nothing_else_is() {
    for (told, known) in [
        (described(&api::described()), api::table().iter().map(|r| format!("{} {}", r.method, r.path)).collect()),
        (
            described(&authzen::described()),
            authzen::table().iter().map(|r| format!("{} {}", r.method, r.path)).collect::<BTreeSet<_>>(),
        ),
    ] {
        let once: BTreeSet<String> = told.iter().cloned().collect();
        assert_eq!(once.len(), told.len(), "something is described twice");
        let missing: Vec<_> = known.difference(&once).collect();
        let invented: Vec<_> = once.difference(&known).collect();
        assert!(missing.is_empty() && invented.is_empty(), "not described: {missing:#?}\nno route: {invented:#?}");
    }
}

/// Every `$ref` in a document.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[tokio::test]
async fn the_document_holds_together_and_is_told_to_every_caller() {
    let ground = Ground::new().await;
    let (_, browser) = ground.browser("ada", &[]).await;
    let document = good(browser.get("/api/v1/openapi.json").await, StatusCode::OK);
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["servers"][0]["url"], "http://127.0.0.1:8080");
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.len() > 20, "{found:?}");
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    let mut ids = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id} stands for two operations");
            assert!(!operation["summary"].as_str().unwrap().is_empty());
            let good = operation["responses"].as_object().unwrap().keys().filter(|status| status.starts_with('2'));
            assert!(good.count() >= 1, "{method} {path} has no good answer");
            let is_public = path.starts_with("/.well-known/");
            assert_eq!(operation.get("security").is_some(), is_public, "{path}");
        }
    }
}

#[tokio::test]
async fn what_no_handler_answers_has_the_surfaces_form_too() {
    let ground = Ground::new().await;
    let root = ground.root();
    super::refused(&root.get("/api/v1/nothing").await, 404, None);
    super::refused(&root.get("/api/v2/users").await, 404, None);
    super::refused(&root.get("/api/v1/users/%FF").await, 400, None);
    let reply = root.delete("/api/v1/me").await;
    super::refused(&reply, 405, None);
    assert_eq!(reply.headers["allow"], "GET,HEAD");
}
