//! `/network-rules`: who may sign in and act from where. The test's browsers come from 198.51.100.9 here, and sign in from
//! 198.51.100.7.

use http::StatusCode;
use serde_json::{Value, json};

use cleargate::model::{Permission, TokenKind};

use super::{Client, Ground, good, refused};

const RULES: &str = "/api/v1/network-rules";
const HERE: &str = "198.51.100.0/24";
const ELSEWHERE: &str = "192.0.2.0/24";

impl Client {
    async fn put(&self, body: Value) -> crate::support::gateway::Reply {
        let body = axum::body::Body::from(body.to_string());
        self.send(http::Method::PUT, RULES, "application/json", body).await
    }
}

async fn is_in(client: &Client) -> bool {
    let reply = client.get("/api/v1/me").await;
    assert!(matches!(reply.status.as_u16(), 200 | 401), "{}", reply.text);
    reply.status == StatusCode::OK
}

#[tokio::test]
async fn a_list_of_the_organization_shuts_out_sessions_tokens_and_sign_ins_and_lets_them_back_in() {
    let ground = Ground::new().await;
    let (ada, browser) = ground.browser("ada", &["administrator"]).await;
    let service = ground.service(&["users:read"]).await;
    let limit: Vec<Permission> = vec!["users:read".parse().unwrap()];
    let tokens = ground.test.gateway.tokens();
    let kind = TokenKind::Management(limit, Some(ada.id), None);
    let (secret, _) = tokens.create(&ground.test.task(), "hers", kind, None).await.unwrap();
    let hers = ground.bearer(secret.expose());
    assert!(is_in(&browser).await && is_in(&hers).await);
    good(ground.root().put(json!({"organization": [ELSEWHERE]})).await, StatusCode::OK);
    assert!(!is_in(&browser).await && !is_in(&hers).await);
    refused(&service.get("/api/v1/users").await, 401, None);
    let reply = ground.test.visitor().sign_in("ada", super::PASSWORD).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    let wrong = ground.test.visitor().sign_in("ada", "wrong").await;
    assert_eq!(reply.text.matches("did not work").count(), wrong.text.matches("did not work").count());
    // The machine itself always gets in, and mends it: the session was refused, not ended.
    good(ground.root().put(json!({"organization": [ELSEWHERE, HERE]})).await, StatusCode::OK);
    assert!(is_in(&browser).await && is_in(&hers).await);
    good(service.get("/api/v1/users").await, StatusCode::OK);
    let logs = good(ground.root().get("/api/v1/audit-logs?last=1h&action=network.*").await, StatusCode::OK);
    let actions: Vec<&str> =
        logs["logs"].as_array().unwrap().iter().map(|log| log["action"].as_str().unwrap()).collect();
    assert_eq!(actions.iter().filter(|action| **action == "network.update").count(), 2, "{logs}");
    assert_eq!(actions.iter().filter(|action| **action == "network.refuse").count(), 1, "at most one in a second");
    let first = logs["logs"].as_array().unwrap().last().unwrap();
    assert_eq!(first["details"]["organization"], ELSEWHERE, "{logs}");
    assert_eq!(first["details"]["organization before"], "none", "{logs}");
}

#[tokio::test]
async fn every_list_that_exists_for_somebody_must_hold_the_address() {
    let ground = Ground::new().await;
    let (ada, browser) = ground.browser("ada", &["browser"]).await;
    let (_, grace) = ground.browser("grace", &[]).await;
    for (rules, ada_is_in, grace_is_in) in [
        (json!({"roles": {"browser": [ELSEWHERE]}}), false, true),
        (json!({"roles": {"browser": [HERE]}}), true, true),
        (json!({"users": {"ada": [ELSEWHERE]}}), false, true),
        (json!({"users": {ada.id.to_string(): [HERE]}, "roles": {"browser": [ELSEWHERE]}}), false, true),
        (json!({"organization": [ELSEWHERE], "users": {"ada": [HERE]}, "roles": {"browser": [HERE]}}), false, false),
        (json!({"organization": [HERE], "users": {"ada": ["198.51.100.9"]}}), true, true),
        (json!({"organization": ["::/0"]}), false, false),
        (json!({"organization": ["0.0.0.0/0"]}), true, true),
        (json!({"organization": []}), true, true),
        (json!({}), true, true),
    ] {
        good(ground.root().put(rules.clone()).await, StatusCode::OK);
        assert_eq!((is_in(&browser).await, is_in(&grace).await), (ada_is_in, grace_is_in), "{rules}");
    }
    good(ground.root().put(json!({"roles": {"browser": [ELSEWHERE]}})).await, StatusCode::OK);
    ground.grant(&ground.test.gateway.directory().find_user_by_name("grace").await.unwrap().unwrap(), "browser").await;
    assert!(!is_in(&grace).await, "the role's list binds from the moment on that the role is held");
}

#[tokio::test]
async fn nobody_saves_a_list_that_shuts_themselves_out_without_saying_so() {
    let ground = Ground::new().await;
    let (_, admin) = ground.browser("root", &["administrator"]).await;
    for (rules, field) in [
        (json!({"organization": [ELSEWHERE]}), "organization"),
        (json!({"roles": {"administrator": [ELSEWHERE]}}), "roles"),
        (json!({"users": {"root": [ELSEWHERE]}}), "users"),
    ] {
        refused(&admin.put(rules).await, 409, Some(field));
        assert!(is_in(&admin).await);
    }
    good(admin.put(json!({"roles": {"browser": [ELSEWHERE]}})).await, StatusCode::OK);
    good(admin.put(json!({"organization": [ELSEWHERE], "override": true})).await, StatusCode::OK);
    assert!(!is_in(&admin).await);
}

#[tokio::test]
async fn what_is_no_network_is_answered_with_the_nearest_that_is() {
    let ground = Ground::new().await;
    let reply = ground.root().put(json!({"organization": ["10.0.0.0/8", "10.0.0.1/8"]})).await;
    refused(&reply, 422, Some("organization[1]"));
    assert!(reply.text.contains("did you mean `10.0.0.0/8`?"), "{}", reply.text);
    refused(&ground.root().put(json!({"roles": {"browsr": [HERE]}})).await, 422, Some("roles.browsr"));
    refused(&ground.root().put(json!({"users": {"nobody": [HERE]}})).await, 422, Some("users.nobody"));
    refused(&ground.root().put(json!({"organization": HERE})).await, 422, Some("organization"));
    refused(&ground.root().put(json!({"organisation": [HERE]})).await, 422, Some("organisation"));
    let many: Vec<String> = (0..=200).map(|number| format!("10.0.{number}.0/24")).collect();
    refused(&ground.root().put(json!({"organization": many})).await, 422, Some("organization"));
    let rules = good(ground.root().get(RULES).await, StatusCode::OK);
    assert_eq!(rules["rules"], json!([]));
}

#[tokio::test]
async fn the_rules_are_told_with_who_changed_them_and_a_late_writer_is_refused() {
    let ground = Ground::new().await;
    ground.user("ada", &[]).await;
    let one = json!({"organization": [HERE], "users": {"ada": ["2001:db8::/32", HERE]}});
    let saved = good(ground.root().put(one).await, StatusCode::OK);
    assert_eq!(saved, good(ground.root().get(RULES).await, StatusCode::OK));
    assert_eq!(saved["organization"], json!([HERE]));
    assert_eq!(saved["rules"][1]["user"]["userName"], "ada");
    assert_eq!((&saved["rules"][0]["for"], &saved["rules"][0]["by"]), (&json!("organization"), &json!("local:0")));
    let revision = saved["revision"].as_u64().unwrap();
    let stale = json!({"organization": [ELSEWHERE], "revision": revision - 1});
    refused(&ground.root().put(stale).await, 412, None);
    // The answer itself can be sent back.
    let mut back = saved.clone();
    back.as_object_mut().unwrap().remove("rules");
    assert_eq!(good(ground.root().put(back).await, StatusCode::OK), saved, "nothing has changed");
    let reader = ground.service(&["network:read"]).await;
    good(reader.get(RULES).await, StatusCode::OK);
    refused(&reader.put(json!({})).await, 403, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sends_the_lists_that_are_there_does_not_put_them_back_when_they_are_changed_meanwhile() {
    let ground = Ground::new().await;
    ground.user("chief", &["administrator"]).await;
    let (old, new) = (json!({"users": {"chief": [HERE]}}), json!({"users": {"chief": [ELSEWHERE]}}));
    let keeper = ground.service(&["network:read", "network:update", "users:read"]).await;
    for round in 0..300 {
        good(ground.root().put(old.clone()).await, StatusCode::OK);
        let (chief, other) = (ground.root(), new.clone());
        // Several, so that one of them stands between its look and its commit.
        let asks: Vec<_> = (0..8)
            .map(|_| {
                let (keeper, same) = (keeper.clone(), old.clone());
                tokio::spawn(async move { keeper.put(same).await })
            })
            .collect();
        let changed = tokio::spawn(async move { chief.put(other).await });
        good(changed.await.unwrap(), StatusCode::OK);
        let mut told = Vec::new();
        for ask in asks {
            told.push(ask.await.unwrap().status.as_u16());
        }
        let now = good(ground.root().get(RULES).await, StatusCode::OK);
        let networks: Vec<&Value> = now["users"].as_object().unwrap().values().collect();
        assert_eq!(networks, [&json!([ELSEWHERE])], "round {round}: {told:?}");
    }
}

#[tokio::test]
async fn an_explanation_tells_what_the_network_rules_say_of_an_address() {
    let ground = Ground::new().await;
    ground.user("ada", &["administrator"]).await;
    good(ground.root().put(json!({"roles": {"administrator": [ELSEWHERE]}})).await, StatusCode::OK);
    let ask = |ip: &str| format!("/api/v1/explain?user=ada&permission=users:read{ip}");
    for (ip, allowed, by) in
        [("", true, "allowed"), ("&ip=192.0.2.9", true, "allowed"), ("&ip=198.51.100.9", false, "network")]
    {
        let told = good(ground.root().get(&ask(ip)).await, StatusCode::OK);
        assert_eq!((&told["allowed"], &told["decided_by"]), (&json!(allowed), &json!(by)), "{told}");
    }
    let told = good(ground.root().get(&ask("&ip=198.51.100.9")).await, StatusCode::OK);
    assert_eq!(told["reason"], "198.51.100.9 is in none of the networks of the role administrator");
}

#[tokio::test]
async fn a_token_is_bound_where_its_maker_is() {
    let ground = Ground::new().await;
    let (_, admin) = ground.browser("root", &["administrator"]).await;
    let made = good(admin.post("/api/v1/tokens", json!({"name": "ci", "scope": "read"})).await, StatusCode::CREATED);
    let ci = ground.bearer(made["token"].as_str().unwrap());
    good(ci.get("/api/v1/users").await, StatusCode::OK);
    good(ground.root().put(json!({"users": {"root": [ELSEWHERE]}})).await, StatusCode::OK);
    refused(&ci.get("/api/v1/users").await, 401, None);
}
