//! What a provider says of itself: of somebody else, leading elsewhere, broken, or without end.

use serde_json::json;

use super::super::stage::raw;
use super::endpoints::broken;
use super::*;

pub(super) fn keys() -> Cases {
    let case = |name: &str, rule, spoil| by_newcomer(format!("keys: {name}"), rule, spoil);
    let mut cases: Cases = broken()
        .into_iter()
        .map(|(name, answer)| case(name, "unavailable", Spoil::answer(Endpoint::Keys, move |_| answer())))
        .collect();
    for (name, body) in [
        ("nothing", ""),
        ("half an object", "{"),
        ("no keys", "{}"),
        ("an empty set", r#"{"keys":[]}"#),
        ("a set that is an object", r#"{"keys":{}}"#),
        ("a set twice", r#"{"keys":[],"keys":[]}"#),
        ("shared keys only", r#"{"keys":[{"kty":"oct","k":"AAAA","kid":"first"}]}"#),
        ("keys that are none", r#"{"keys":["key",null,7,{"kty":"RSA"}]}"#),
    ] {
        cases.push(case(name, "unavailable", Spoil::answer(Endpoint::Keys, move |_| raw(200, body))));
    }
    let set = |change: fn(&mut Vec<Value>)| {
        Spoil::document(Endpoint::Keys, move |document| change(document["keys"].as_array_mut().unwrap()))
    };
    cases.extend([
        case("a thousand", "unavailable", set(|keys| *keys = vec![keys[0].clone(); 1000])),
        case("their private half", "unavailable", set(|keys| keys[0]["d"] = json!("AQAB"))),
        case("another provider's under the same id", "signature", set(|keys| keys[0] = STRANGE_KEY.public_jwk())),
        case("two of one id, neither right", "signature", set(|keys| *keys = vec![STRANGE_KEY.public_jwk(); 2])),
        case("another id", "key", set(|keys| keys[0]["kid"] = json!("another"))),
        case("another use", "unavailable", set(|keys| keys[0]["use"] = json!("enc"))),
        case("another algorithm", "key", set(|keys| keys[0]["alg"] = json!("PS512"))),
        case("an algorithm for secrets", "unavailable", set(|keys| keys[0]["alg"] = json!("HS256"))),
        case("another issuer", "key", set(|keys| keys[0]["issuer"] = json!("https://evil.example"))),
        case("an exponent of one", "signature", set(|keys| keys[0]["e"] = json!("AQ"))),
        case("an even modulus", "signature", set(|keys| keys[0]["n"] = json!("_".repeat(341) + "g"))),
    ]);
    cases
}

pub(super) fn discovery() -> Cases {
    let case = |name: &str, rule, spoil| by_newcomer(format!("description: {name}"), rule, spoil);
    let mut cases: Cases = broken()
        .into_iter()
        .map(|(name, answer)| case(name, "unavailable", Spoil::answer(Endpoint::Discovery, move |_| answer())))
        .collect();
    for (name, body) in [
        ("nothing", ""),
        ("a list", "[]"),
        ("half an object", "{"),
        ("a member twice", r#"{"issuer":"a","issuer":"b"}"#),
    ] {
        cases.push(case(name, "unavailable", Spoil::answer(Endpoint::Discovery, move |_| raw(200, body))));
    }
    let member = |name: &'static str, value: Value| {
        Spoil::document(Endpoint::Discovery, move |document| document[name] = value.clone())
    };
    for issuer in [json!("https://evil.example"), json!(""), json!(["x"]), Value::Null] {
        cases.push(case(&format!("issuer {issuer}"), "issuer", member("issuer", issuer)));
    }
    for (name, end) in [("a slash", "/"), ("a template", "/{tenantid}")] {
        let change = move |document: &mut Value| {
            document["issuer"] = json!(format!("{}{end}", document["issuer"].as_str().unwrap()));
        };
        cases.push(case(&format!("issuer with {name}"), "issuer", Spoil::document(Endpoint::Discovery, change)));
    }
    for name in ["authorization_endpoint", "token_endpoint", "jwks_uri"] {
        for value in
            [Value::Null, json!(7), json!("/relative"), json!("javascript:alert(1)"), json!("file:///etc/passwd")]
        {
            cases.push(case(&format!("{name} {value}"), "discovery", member(name, value)));
        }
    }
    for name in ["token_endpoint", "jwks_uri"] {
        for value in ["https://evil.example/x", "http://169.254.169.254/latest/meta-data", "https://10.0.0.1/"] {
            cases.push(case(&format!("{name} at {value}"), "host", member(name, json!(value))));
        }
    }
    let elsewhere = member("userinfo_endpoint", json!("https://evil.example/x"));
    cases.push(case("a UserInfo endpoint elsewhere", "host", super::endpoints::thin(elsewhere)));
    let keys_only = member("token_endpoint_auth_methods_supported", json!(["private_key_jwt"]));
    cases.push(case("no way for us to say who we are", "client_auth", keys_only));
    cases
}
