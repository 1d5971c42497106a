//! Tokens that the right key signed, with claims that are not for us, not for now, or not of one meaning.

use serde_json::json;

use super::*;

pub(super) fn cases() -> Cases {
    let mut cases = values();
    cases.extend(missing());
    cases.extend(texts());
    let slash = |claims: &mut Map<String, Value>| {
        let issuer = format!("{}/", claims["iss"].as_str().unwrap());
        claims.insert("iss".into(), json!(issuer));
    };
    cases.push(by_provider("claim: iss with a slash".into(), "issuer", Spoil::claims(slash)));
    let listed = |claims: &mut Map<String, Value>| {
        let issuer = json!([claims["iss"].clone()]);
        claims.insert("iss".into(), issuer);
    };
    cases.push(by_provider("claim: iss in a list".into(), "issuer", Spoil::claims(listed)));
    let elsewhere = |claims: &mut Map<String, Value>| {
        claims.remove("groups");
        claims.insert("hasgroups".into(), json!(true));
    };
    let silent = |document: &mut Value| drop(document.as_object_mut().unwrap().remove("groups"));
    let spoil = Spoil::document(Endpoint::UserInfo, silent).and_claims(elsewhere);
    cases.push(by_provider("claim: groups that are elsewhere".into(), "groups", spoil));
    let unseen = |claims: &mut Map<String, Value>| {
        claims.insert("email_verified".into(), json!(false));
        claims.insert("preferred_username".into(), json!("ada\u{202e}"));
    };
    cases.push(by_provider("claim: a name that cannot be seen".into(), "user_name", Spoil::claims(unseen)));
    cases
}

/// One claim with another value.
fn values() -> Cases {
    let table: [(&'static str, &'static str, Vec<Value>); 16] = [
        ("iss", "issuer", vec![json!("https://evil.example"), json!(7), Value::Null]),
        (
            "aud",
            "audience",
            vec![
                json!("somebody-else"),
                json!([]),
                json!([CLIENT_ID, "somebody-else"]),
                json!([CLIENT_ID, 1]),
                json!({ "0": CLIENT_ID }),
                json!("CLEARGATE"),
                json!("cleargate "),
            ],
        ),
        ("azp", "authorized_party", vec![json!("somebody-else"), json!([CLIENT_ID]), Value::Null]),
        (
            "exp",
            "expiry",
            vec![
                json!(NOW - 60),
                json!("2999-01-01T00:00:00Z"),
                json!(-1),
                json!(1e300),
                json!(i64::MAX),
                json!(true),
                Value::Null,
            ],
        ),
        ("iat", "issue_time", vec![json!(0), json!(4_102_444_800_i64), json!("now"), json!([NOW])]),
        ("nbf", "not_before", vec![json!(4_102_444_800_i64), json!("soon")]),
        ("nonce", "nonce", vec![json!("of another sign-in"), json!(""), json!(7), Value::Null]),
        (
            "sub",
            "subject",
            vec![json!(""), json!("x".repeat(256)), json!("a\u{0}b"), json!(7), json!(["idp-ada"]), Value::Null],
        ),
        ("at_hash", "at_hash", vec![json!("77QmUPtjPfzWtF2AnpK9RQ"), json!(""), Value::Null]),
        ("c_hash", "c_hash", vec![json!("LDktKdoQak3Pk0cnXxCltA"), json!(1)]),
        ("sid", "session", vec![json!(7), json!(["a"])]),
        (
            "auth_time",
            "shape",
            vec![json!("yesterday"), json!(-5), Value::Null, json!([NOW]), json!(NOW.to_string()), json!(1e300)],
        ),
        (
            "auth_time",
            "authentication",
            vec![json!(0), json!(NOW - 3600 - 61), json!(NOW + 10_000), json!(NOW + 1_000_000)],
        ),
        (
            "acr",
            "context",
            vec![json!("0"), json!(""), json!("PHR"), json!("phr "), json!(format!("phr {CONTEXT}")), Value::Null],
        ),
        ("acr", "shape", vec![json!(["phr"]), json!({ "phr": true }), json!(2), json!(true)]),
        ("groups", "groups", vec![json!(["staff", { "name": "admins" }]), json!({ "staff": true }), json!(7)]),
    ];
    let each = |(name, rule, values): (&'static str, &'static str, Vec<Value>)| {
        values.into_iter().map(move |value| {
            let mut told = value.to_string();
            told.truncate(40);
            by_provider(format!("claim: {name} is {told}"), rule, Spoil::claim(name, value))
        })
    };
    let mut cases: Cases = table.into_iter().flat_map(each).collect();
    // An issuer is an address.
    cases.push(by_provider("claim: iss is empty".into(), "shape", Spoil::claim("iss", json!(""))));
    cases
}

fn missing() -> Cases {
    let table = [
        ("iss", "issuer"),
        ("aud", "audience"),
        ("exp", "expiry"),
        ("iat", "issue_time"),
        ("nonce", "nonce"),
        ("sub", "subject"),
        ("auth_time", "authentication"),
        ("acr", "context"),
    ];
    table.map(|(name, rule)| by_provider(format!("claim: no {name}"), rule, Spoil::without(name))).into()
}

/// Texts that two readers would read differently, or not at all.
fn texts() -> Cases {
    let twice = [
        ("sub", r#"{"sub":"root","#),
        ("sub in escapes", r#"{"\u0073ub":"root","#),
        ("aud", r#"{"aud":"somebody-else","#),
        ("groups", r#"{"groups":["admins"],"#),
        ("a member inside", r#"{"address":{"x":1,"x":2},"#),
        ("a number without end, before all", r#"{"x":1e400,"#),
    ];
    let mut cases: Cases = twice
        .into_iter()
        .map(|(name, start)| {
            let spoil = Spoil::payload(move |text| text.replacen('{', start, 1));
            by_provider(format!("claims: twice {name}"), "shape", spoil)
        })
        .collect();
    for (name, text) in [
        ("nothing", String::new()),
        ("a list", "[]".to_owned()),
        ("null", "null".to_owned()),
        ("half an object", "{\"sub\":\"x\"".to_owned()),
        ("two objects", "{}{}".to_owned()),
        ("a byte order mark", "\u{feff}{}".to_owned()),
        ("depth", format!("{{\"a\":{}{}}}", "[".repeat(5000), "]".repeat(5000))),
        ("a token", "e30.e30.e30".to_owned()),
    ] {
        cases.push(by_provider(format!("claims: {name}"), "shape", Spoil::payload(move |_| text.clone())));
    }
    cases
}
