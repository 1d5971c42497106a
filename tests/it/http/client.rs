//! The test client itself: a sign-in across servers is only as honest as the browser that walks it.

use axum::Router;
use axum::extract::{Form, Json, RawQuery};
use axum::response::{IntoResponse, Redirect};
use axum::routing::{delete, get, patch, post, put};
use http::HeaderMap;
use http::header::SET_COOKIE;
use serde_json::{Value, json};

use super::Server;

async fn cookies(headers: HeaderMap) -> String {
    headers.get("cookie").map_or(String::new(), |value| value.to_str().unwrap().to_owned())
}

fn routes() -> Router {
    Router::new()
        .route("/cookies", get(cookies))
        .route("/set", get(|| async { ([(SET_COOKIE, "a=1; Path=/; HttpOnly")], "set") }))
        .route("/clear", get(|| async { ([(SET_COOKIE, "a=; Path=/; Max-Age=0")], "cleared") }))
        .route("/to", get(|RawQuery(query): RawQuery| async move { Redirect::to(&query.unwrap()).into_response() }))
        .route("/form", post(|Form(fields): Form<Vec<(String, String)>>| async move { Json(json!(fields)) }))
        .route("/json", post(|Json(value): Json<Value>| async move { Json(value) }))
        .route("/json", put(|| async { "put" }))
        .route("/json", patch(|| async { "patched" }))
        .route("/json", delete(|| async { "deleted" }))
        .route(
            "/bearer",
            get(|headers: HeaderMap| async move { headers["authorization"].to_str().unwrap().to_owned() }),
        )
}

#[tokio::test]
async fn cookies_belong_to_the_host_that_set_them() {
    let (one, two) = (Server::start(routes(), |_| {}), Server::start(routes(), |_| {}));
    let browser = one.client();
    let there = |path: &str| format!("{}{path}", two.bound.url);
    browser.get("/set").send().await;
    assert_eq!(browser.cookie(&browser.host(), "a").as_deref(), Some("1"));
    assert_eq!(browser.get("/cookies").send().await.text(), "a=1");
    assert_eq!(browser.get(&there("/cookies")).send().await.text(), "");
    browser.set_cookie(&two.address().to_string(), "b", "2");
    assert_eq!(browser.get(&there("/cookies")).send().await.text(), "b=2");
    browser.get("/clear").send().await;
    assert_eq!(browser.get("/cookies").send().await.text(), "");
    browser.forget_cookies();
    assert_eq!(browser.get(&there("/cookies")).send().await.text(), "");
}

#[tokio::test]
async fn redirects_are_followed_across_servers_when_asked() {
    let (one, two) = (Server::start(routes(), |_| {}), Server::start(routes(), |_| {}));
    let browser = one.client();
    let there = format!("{}/to?/cookies", two.bound.url);
    let answer = browser.get(&format!("/to?{there}")).send().await;
    assert_eq!((answer.status, answer.location()), (303, Some(there.as_str())), "not by itself");
    let end = browser.walk(&format!("/to?{there}")).await;
    assert_eq!((end.status, end.url.to_string()), (200, format!("{}/cookies", two.bound.url)));
}

#[tokio::test]
async fn forms_json_tokens_and_names_arrive() {
    let server = Server::start(routes(), |_| {});
    let client = server.client();
    let form = client.post("/form").form(&[("name", "Ada L."), ("sign", "&=+é")]).send().await;
    assert_eq!(form.json(), json!([["name", "Ada L."], ["sign", "&=+é"]]));
    assert_eq!(client.post("/json").json(&json!({"a": [1]})).send().await.json(), json!({"a": [1]}));
    for (ask, text) in
        [(client.put("/json"), "put"), (client.patch("/json"), "patched"), (client.delete("/json"), "deleted")]
    {
        assert_eq!(ask.send().await.text(), text);
    }
    assert_eq!(client.get("/bearer").bearer("t1").send().await.text(), "Bearer t1");
    assert_eq!(client.clone().with_bearer("t2").get("/bearer").send().await.text(), "Bearer t2");
    let named = client.resolving("sso.example.com", server.address());
    let url = format!("http://sso.example.com:{}/cookies", server.address().port());
    assert_eq!(named.get(&url).send().await.status, 200);
}
