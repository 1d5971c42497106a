//! The token and UserInfo endpoints: broken, endless, leading elsewhere, or speaking of somebody else.

use axum::body::Body;
use futures_util::FutureExt;
use http_body_util::BodyExt;
use serde_json::json;

use super::super::stage::{endless, raw, rewrite};
use super::*;

/// An answer by what is wrong with it.
type Broken = (&'static str, fn() -> Response);

/// Answers that no endpoint may give: a status, what the header says, and the body.
pub(super) fn broken() -> [Broken; 12] {
    fn with(name: &'static str, value: String) -> Response {
        let mut answer = raw(200, "{}");
        answer.headers_mut().insert(name, value.parse().unwrap());
        answer
    }
    [
        ("an error of its own", || raw(500, "{}")),
        ("a gateway's error", || raw(502, "<html>")),
        ("no content", || raw(204, "")),
        ("another success", || raw(201, "{}")),
        ("a redirect", || {
            let mut answer = raw(302, "");
            answer.headers_mut().insert("location", "/token".parse().unwrap());
            answer
        }),
        ("a redirect that keeps the method", || {
            let mut answer = raw(307, "");
            answer.headers_mut().insert("location", "https://evil.example/".parse().unwrap());
            answer
        }),
        ("a page", || with("content-type", "text/html".to_owned())),
        ("a token's type", || with("content-type", "application/jwt".to_owned())),
        ("something compressed", || with("content-encoding", "gzip".to_owned())),
        ("a header without end", || with("x-padding", "x".repeat(200 * 1024))),
        ("more than a megabyte", || raw(200, format!("{{\"padding\":\"{}\"}}", "x".repeat(1 << 20)))),
        ("no end", || raw(200, endless())),
    ]
}

fn tokens_with(change: impl Fn(&mut Map<String, Value>) + Send + Sync + 'static) -> Spoil {
    Spoil::document(Endpoint::Token, move |document| change(document.as_object_mut().unwrap()))
}

/// Something before the first member of the answer.
fn tokens_after(start: &'static str) -> Spoil {
    Spoil::answer(Endpoint::Token, move |answer| {
        let body = answer.into_body().collect().now_or_never().unwrap().unwrap().to_bytes();
        raw(200, String::from_utf8(body.to_vec()).unwrap().replacen('{', start, 1))
    })
}

pub(super) fn tokens() -> Cases {
    let case = |name: &str, rule, spoil| by_provider(format!("token endpoint: {name}"), rule, spoil);
    let mut cases: Cases = broken()
        .into_iter()
        .map(|(name, answer)| case(name, "unavailable", Spoil::answer(Endpoint::Token, move |_| answer())))
        .collect();
    for (name, status, body, rule) in [
        ("nothing", 200, "", "shape"),
        ("null", 200, "null", "shape"),
        ("a list", 200, "[]", "shape"),
        ("half an object", 200, "{\"id_token\":", "shape"),
        ("a form", 200, "id_token=x&access_token=y", "shape"),
        ("an error as success", 200, "{\"error\":\"invalid_grant\"}", "shape"),
        ("an error", 400, "{\"error\":\"invalid_grant\"}", "declined"),
        ("an error of ours", 401, "{\"error\":\"invalid_client\",\"error_description\":\"\\u0007who?\"}", "declined"),
        ("an error that is no JSON", 400, "nonsense", "shape"),
        ("an error of nothing", 400, "", "unavailable"),
    ] {
        cases.push(case(name, rule, Spoil::answer(Endpoint::Token, move |_| raw(status, body))));
    }
    let bytes = |_| raw(200, Body::from(&b"{\"access_token\":\"\xff\"}"[..]));
    cases.push(case("bytes that are no text", "shape", Spoil::answer(Endpoint::Token, bytes)));
    let deep = |_| raw(200, format!("{{\"a\":{}", "[".repeat(100_000)));
    cases.push(case("depth", "shape", Spoil::answer(Endpoint::Token, deep)));
    for (name, start) in [
        ("two ID tokens", r#"{"id_token":"e30.e30.","#),
        ("two access tokens", r#"{"access_token":"x","#),
        ("two types", r#"{"token_type":"mac","#),
        ("a number without end", r#"{"x":1e999,"#),
        ("an object before", "{}{"),
    ] {
        cases.push(case(name, "shape", tokens_after(start)));
    }
    for (name, value) in [("null", Value::Null), ("a number", json!(7)), ("empty", json!("")), ("a list", json!(["x"]))]
    {
        for member in ["id_token", "access_token"] {
            let value = value.clone();
            let spoil = tokens_with(move |answer| drop(answer.insert(member.into(), value.clone())));
            cases.push(case(&format!("{member} that is {name}"), "shape", spoil));
        }
    }
    for member in ["id_token", "access_token"] {
        cases.push(case(&format!("no {member}"), "shape", tokens_with(move |answer| drop(answer.remove(member)))));
    }
    for kind in [json!("mac"), json!("DPoP"), json!(""), Value::Null, json!(["Bearer"])] {
        let name = format!("type {kind}");
        let spoil = tokens_with(move |answer| drop(answer.insert("token_type".into(), kind.clone())));
        cases.push(case(&name, "token_type", spoil));
    }
    cases.push(case("no type", "token_type", tokens_with(|answer| drop(answer.remove("token_type")))));
    let split = tokens_with(|answer| drop(answer.insert("access_token".into(), json!("x\r\nHost: evil.example"))));
    let split = split.and_claims(|claims| {
        claims.remove("groups");
        claims.remove("at_hash");
    });
    cases.push(case("an access token that ends a header", "shape", split));
    cases
}

/// Claims without groups, so that the UserInfo endpoint is asked.
pub(super) fn thin(spoil: Spoil) -> Spoil {
    spoil.and_claims(|claims| drop(claims.remove("groups")))
}

pub(super) fn user_info() -> Cases {
    let case = |name: &str, rule, spoil| by_provider(format!("UserInfo: {name}"), rule, thin(spoil));
    let mut cases: Cases = broken()
        .into_iter()
        .map(|(name, answer)| case(name, "unavailable", Spoil::answer(Endpoint::UserInfo, move |_| answer())))
        .collect();
    cases.push(case("an error", "unavailable", Spoil::answer(Endpoint::UserInfo, |_| raw(401, "{\"error\":\"x\"}"))));
    for (name, sub) in [("somebody else", json!("idp-eve")), ("nobody", json!("")), ("a list", json!(["idp-ada"]))] {
        let change = move |document: &mut Value| document["sub"] = sub.clone();
        cases.push(case(&format!("of {name}"), "userinfo", Spoil::document(Endpoint::UserInfo, change)));
    }
    let silent = |document: &mut Value| drop(document.as_object_mut().unwrap().remove("sub"));
    cases.push(case("of whoever", "userinfo", Spoil::document(Endpoint::UserInfo, silent)));
    for (name, body) in [
        ("nothing", ""),
        ("a list", "[]"),
        ("a claim twice", r#"{"sub":"idp-ada","groups":["staff"],"groups":["admins"]}"#),
        ("the person twice", r#"{"sub":"idp-eve","sub":"idp-ada"}"#),
    ] {
        cases.push(case(name, "userinfo", Spoil::answer(Endpoint::UserInfo, move |_| raw(200, body))));
    }
    let groups = |answer| rewrite(answer, &|document: &mut Value| document["groups"] = json!([{ "name": "admins" }]));
    cases.push(case("groups that are no texts", "groups", Spoil::answer(Endpoint::UserInfo, groups)));
    cases
}
