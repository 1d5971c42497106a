//! Who may speak, and how often.

use std::time::Duration;

use cleargate::clock::Timestamp;
use cleargate::limit::{Allowance, LimitSettings};
use cleargate::model::TokenKind;
use http::Method;
use serde_json::json;

use super::{Client, Ground, USER};

#[tokio::test]
async fn without_a_valid_token_nothing_is_said() {
    let ground = Ground::new();
    let good = ground.client("okta").await;
    let id = good.user("ada").await;
    let permit = ground.access.task_permit("test", None);
    let (management, _) =
        ground.tokens.create(&permit, "ci", TokenKind::Management(Vec::new(), None, None), None).await.unwrap();
    let soon = Timestamp::from_seconds(1_800_000_060);
    let kind = TokenKind::Scim("okta".parse().unwrap());
    let (expiring, token) = ground.tokens.create(&permit, "short", kind, Some(soon)).await.unwrap();
    ground.clock.advance(Duration::from_secs(61));
    let real = good.token.clone().unwrap();
    for header in [
        None,
        Some(String::new()),
        Some("Bearer".to_owned()),
        Some("Bearer ".to_owned()),
        Some(format!("Basic {real}")),
        Some(real.clone()),
        Some(format!("Bearer {real}x")),
        Some(format!("Bearer {}", real.to_uppercase())),
        Some(format!("Bearer {} {real}", real)),
        Some(format!("Bearer {}", management.expose())),
        Some(format!("Bearer {}", expiring.expose())),
        Some("Bearer \u{1}".replace('\u{1}', "\u{e9}")),
    ] {
        let client = Client { token: None, ..good.clone() };
        let headers: Vec<(&str, &str)> = header.iter().map(|value| ("authorization", value.as_str())).collect();
        for (method, path, body) in [
            (Method::GET, format!("/Users/{id}"), ""),
            (Method::GET, "/Users?filter=((((".to_owned(), ""),
            (Method::POST, "/Users".to_owned(), "{not json"),
            (Method::GET, "/ServiceProviderConfig".to_owned(), ""),
            (Method::GET, "/nothing/at/all".to_owned(), ""),
        ] {
            let answer = client.send(method, &path, &headers, body).await.expect_error(401, None);
            assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"SCIM\"");
        }
    }
    let two = [("authorization", "Bearer x")];
    good.send(Method::GET, "/Users", &two, "").await.expect_error(401, None);
    good.get("/Users").await.expect(200);
    // Scheme names have no case (RFC 9110 section 11.1).
    let client = Client { token: None, ..good.clone() };
    client.send(Method::GET, "/Users", &[("authorization", &format!("bearer {real}"))], "").await.expect(200);
    ground.tokens.revoke(&permit, token.id).await.unwrap();
}

#[tokio::test]
async fn refused_tokens_are_recorded_but_do_not_fill_the_ledger() {
    let ground = Ground::new();
    let client = Client { token: Some("wrong".to_owned()), ..ground.client("okta").await };
    let recorded = async || ground.events().await.iter().filter(|e| e.kind.name() == "token.refuse").count();
    for _ in 0..20 {
        client.get("/Users").await.expect(401);
    }
    assert_eq!(recorded().await, 1);
    ground.wait();
    client.get("/Users").await.expect(401);
    assert_eq!(recorded().await, 2);
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_back() {
    let scim = Allowance::new(1, Duration::from_secs(1), 3);
    let ground = Ground::with_limits(&LimitSettings { scim, ..LimitSettings::default() });
    let (okta, entra) = (ground.client("okta").await, ground.client("entra").await);
    for _ in 0..3 {
        okta.get("/Users").await.expect(200);
    }
    let body = json!({"schemas": [USER], "userName": "ada"});
    let answer = okta.post("/Users", &body).await.expect_error(429, None);
    // Okta understands whole seconds only.
    assert_eq!(answer.header("retry-after"), "1");
    entra.get("/Users").await.expect(200);
    ground.clock.advance(Duration::from_secs(1));
    assert!(okta.names("/Users").await.is_empty());
}

#[tokio::test]
async fn a_connection_has_one_allowance_for_all_its_tokens_and_may_have_its_own() {
    let second = Duration::from_secs(1);
    let connections = [("okta".to_owned(), Allowance::new(1, second, 2))].into();
    let scim = Allowance::new(1, second, 5);
    let ground = Ground::with_limits(&LimitSettings { scim, connections, ..LimitSettings::default() });
    let (first, second) = (ground.client("okta").await, ground.client("okta").await);
    first.get("/Users").await.expect(200);
    second.get("/Users").await.expect(200);
    first.get("/Users").await.expect_error(429, None);
    second.get("/Users").await.expect_error(429, None);
    let entra = ground.client("entra").await;
    for _ in 0..5 {
        entra.get("/Users").await.expect(200);
    }
    entra.get("/Users").await.expect_error(429, None);
}

#[tokio::test]
async fn a_connection_that_is_not_configured_any_more_is_refused() {
    let mut ground = Ground::new();
    let permit = ground.access.task_permit("test", None);
    let kind = TokenKind::Client("okta-old".parse().unwrap());
    let (secret, client) = ground.tokens.create(&permit, "client", kind, None).await.unwrap();
    let access = ground.tokens.issue(&client.id.to_string(), &secret).await.unwrap().token;
    let tokens = [ground.token("okta-old").await, access.expose().to_owned()];
    ground.tokens = ground.tokens.clone().serving(["okta".parse().unwrap()]);
    let okta = ground.client("okta").await;
    okta.get("/Users").await.expect(200);
    for token in tokens {
        ground.wait();
        let old = Client { router: ground.router("https://id.example/"), token: Some(token), ..okta.clone() };
        old.get("/Users").await.expect_error(401, None);
        old.post("/Users", &json!({"schemas": [USER], "userName": "ada"})).await.expect_error(401, None);
        let event = ground.events().await.into_iter().rev().find(|event| event.kind.name() == "token.refuse").unwrap();
        assert!(event.target.starts_with("token:"), "{event:?}");
        assert!(event.details.iter().any(|(_, text)| text.contains("okta-old")), "{event:?}");
    }
    assert!(ground.tokens.issue(&client.id.to_string(), &secret).await.is_err());
}

/// Whoever has no token learns nothing: not from a part of one, nor from one of somebody else's making.
#[tokio::test]
async fn every_wrong_token_is_answered_alike_for_those_who_exist_and_those_who_do_not() {
    let ground = Ground::new();
    let okta = ground.client("okta").await;
    let ada = okta.user("ada").await;
    let good = okta.token.clone().unwrap();
    // Another installation has another key; its second token is no copy of the first of ours.
    let elsewhere = Ground::new_with_key(8);
    elsewhere.token("okta").await;
    let other = elsewhere.token("okta").await;
    assert!(other != good && other.len() == good.len());
    let entra = "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJhdWQiOiI4YWRmOGU2ZS02N2IyLTRjZjItYTI1OS1lM2RjNTQ3NmM2MjEiLCJp\
                 c3MiOiJodHRwczovL3N0cy53aW5kb3dzLm5ldC8wMTIzLyJ9.c2lnbmF0dXJl";
    let mut wrong: Vec<String> = vec![String::new(), entra.to_owned(), other, "x".repeat(4096)];
    wrong.extend([1, 4, good.len() / 2, good.len() - 1].map(|length| good[..length].to_owned()));
    wrong.push(good[..good.len() - 1].to_owned() + if good.ends_with('A') { "B" } else { "A" });
    let mut answers = Vec::new();
    for token in wrong {
        for path in [format!("/Users/{ada}"), format!("/Users/{}", super::NOBODY), "/Nothing".to_owned()] {
            ground.wait();
            let client = Client { token: Some(token.clone()), ..okta.clone() };
            let answer = client.get(&path).await.expect_error(401, None);
            answers.push((answer.body.to_string(), answer.headers));
        }
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
}
