//! The binding to HTTP: types, methods, the request's id.

use http::Method;
use serde_json::json;

use super::{Asker, EVALUATION, Ground, question, refused};
use crate::support::daemon::Daemon;

const JSON: Option<&str> = Some("application/json");

#[tokio::test]
async fn only_json_objects_are_taken() {
    let ground = Ground::new().await;
    ground.user("ada", &["reader"]).await;
    let asker = ground.application(&["decisions:read"]).await;
    let body = question("ada", "read", json!({"type": "record", "id": "1"})).to_string();
    for kind in ["application/json", "application/json; charset=utf-8", "Application/JSON"] {
        let reply = asker.send(Method::POST, EVALUATION, Some(kind), body.clone()).await;
        assert_eq!(reply.status, 200, "{kind}");
    }
    for kind in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("application/jsonp")] {
        refused(&asker.send(Method::POST, EVALUATION, kind, body.clone()).await, 400);
    }
    let doubled = body.replacen("\"type\"", "\"type\":\"robot\",\"type\"", 1);
    for body in [String::new(), "{".to_owned(), "[]".to_owned(), format!("[{body}]"), "null".to_owned(), doubled] {
        refused(&asker.send(Method::POST, EVALUATION, JSON, body).await, 400);
    }
    let mut bytes = body.into_bytes();
    bytes[12] = 0xff;
    refused(&asker.send(Method::POST, EVALUATION, JSON, bytes).await, 400);
    let deep = format!("{{\"context\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    refused(&asker.send(Method::POST, EVALUATION, JSON, deep).await, 400);
}

#[tokio::test]
async fn other_methods_and_addresses_are_refused_in_the_same_form() {
    let ground = Ground::new().await;
    let asker = ground.application(&["decisions:read"]).await;
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH] {
        let reply = asker.send(method, EVALUATION, JSON, "{}").await;
        refused(&reply, 405);
        assert_eq!(reply.headers["allow"], "POST");
    }
    let reply = asker.send(Method::POST, "/.well-known/authzen-configuration", JSON, "{}").await;
    refused(&reply, 405);
    for path in ["/access/v1/other", "/access/v1/evaluation/", "/access/v2/evaluation"] {
        refused(&asker.send(Method::POST, path, JSON, "{}").await, 404);
    }
}

#[tokio::test]
async fn the_clients_request_id_comes_back_whatever_the_answer() {
    let ground = Ground::new().await;
    let id = "bfe9eb29-ab87-4ca3-be83-a1d5d8305716 \"odd\" {x}";
    let asker = ground.application(&["decisions:read"]).await.with_header("x-request-id", id);
    let asked = question("ada", "read", json!({"type": "record", "id": "1"})).to_string();
    let nobody = Asker(ground.test.visitor()).with_header("x-request-id", id);
    for (asker, method, path, body, status) in [
        (&asker, Method::POST, EVALUATION, asked.clone(), 200),
        (&asker, Method::POST, EVALUATION, "{}".to_owned(), 400),
        (&nobody, Method::POST, EVALUATION, asked.clone(), 401),
        (&asker, Method::POST, "/access/v1/other", asked.clone(), 404),
        (&asker, Method::GET, EVALUATION, String::new(), 405),
        (&asker, Method::POST, EVALUATION, "x".repeat(2_000_000), 413),
        (&nobody, Method::GET, "/.well-known/authzen-configuration", String::new(), 200),
    ] {
        let reply = asker.send(method, path, JSON, body).await;
        assert_eq!(reply.status.as_u16(), status, "{}", reply.text);
        assert_eq!(reply.headers["x-request-id"], id);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_a_connection_the_request_id_is_the_clients_and_the_example_of_the_manual_works() {
    let daemon = Daemon::serving("").await;
    let ada = daemon.run(&["user", "create", "ada"]).await;
    assert_eq!(ada["userName"], "ada");
    daemon.run(&["grant", "create", "--user", "ada", "--role", "editor"]).await;
    let token = daemon.run(&["token", "create", "--name", "wiki", "--scope", "decisions:read,users:read"]).await;
    let client = daemon.client().with_bearer(token["token"].as_str().unwrap());
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/decision-api.md")).unwrap();
    let mut count = 0;
    for block in page.split("```sh\n").skip(1) {
        let command = block.split("\n```").next().unwrap();
        let (Some((_, path)), Some((_, body))) = (command.split_once("$CLEARGATE"), command.split_once("-d '")) else {
            continue;
        };
        let path = path.split(['"', ' ']).next().unwrap();
        let body: serde_json::Value = serde_json::from_str(body.rsplit_once('\'').unwrap().0).unwrap();
        let answer = client.post(path).header("x-request-id", "wiki 7").json(&body).send().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("x-request-id"), Some("wiki 7"));
        let told = page.split(&format!("{command}\n```\n\n```json\n")).nth(1).unwrap().split("\n```").next().unwrap();
        let told: serde_json::Value = serde_json::from_str(told).unwrap();
        let mut answer = answer.json();
        // The manual leaves out what differs each time.
        if let Some(context) = answer.get_mut("context") {
            let reasons = context["reasons"].as_object_mut().unwrap();
            reasons.retain(|name, _| told["context"]["reasons"].get(name).is_some());
        }
        for (at, entry) in
            answer.get_mut("evaluations").and_then(|all| all.as_array_mut()).into_iter().flatten().enumerate()
        {
            let told = &told["evaluations"][at]["context"]["reasons"];
            entry["context"]["reasons"].as_object_mut().unwrap().retain(|name, _| told.get(name).is_some());
        }
        assert_eq!(answer, told);
        count += 1;
    }
    assert_eq!(count, 4, "examples of the manual");
    let own = daemon.client().get("/login").header("x-request-id", "mine").send().await;
    assert_ne!(own.header("x-request-id"), Some("mine"), "elsewhere the id is the gateway's");
}
