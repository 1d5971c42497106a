//! `/tokens`.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;

use cleargate::model::TokenKind;
use cleargate::secret::Secret;

use super::{Ground, good, refused};

#[tokio::test]
async fn a_tokens_text_is_told_once_and_works_until_it_is_revoked() {
    let ground = Ground::with("[[scim]]\nid = \"okta\"").await;
    let body = json!({"name": "ci", "scope": "admin"});
    let made = good(ground.root().post("/api/v1/tokens", body).await, StatusCode::CREATED);
    let token = made["token"].as_str().unwrap();
    assert!(token.starts_with("cgp_"));
    good(ground.bearer(token).get("/api/v1/users").await, StatusCode::OK);
    let connection =
        good(ground.root().post("/api/v1/tokens", json!({"connection": "okta"})).await, StatusCode::CREATED);
    assert_eq!((connection["name"].as_str(), connection["connection"].as_str()), (Some("okta"), Some("okta")));
    let listed = good(ground.root().get("/api/v1/tokens").await, StatusCode::OK);
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    assert!(!listed.to_string().contains(token));
    good(ground.root().delete(&format!("/api/v1/tokens/{}", made["id"].as_str().unwrap())).await, StatusCode::OK);
    refused(&ground.bearer(token).get("/api/v1/users").await, 401, None);
}

#[tokio::test]
async fn what_a_token_asks_for_is_checked() {
    let ground = Ground::with("[[scim]]\nid = \"okta\"").await;
    for (body, field) in [
        (json!({"scope": "admin"}), "name"),
        (json!({"name": "", "scope": "admin"}), "name"),
        (json!({"name": "x"}), "scope"),
        (json!({"name": "x", "scope": []}), "scope"),
        (json!({"name": "x", "scope": "everything"}), "scope"),
        (json!({"name": "x", "scope": "unicorns:read"}), "scope"),
        (json!({"name": "x", "scope": 7}), "scope"),
        (json!({"name": "x", "scope": "read", "user": "nobody"}), "user"),
        (json!({"name": "x", "scope": "read", "expires_at": "2024-12-31T23:59:59Z"}), "expires_at"),
        (json!({"name": "x", "scope": "read", "expires_at": "soon"}), "expires_at"),
        (json!({"name": "x", "scope": "read", "expires": "soon"}), "expires"),
        (json!({"name": "x", "scope": "read", "expires": "1d", "expires_at": "2030-01-01T00:00:00Z"}), "expires"),
        (json!({"connection": "entra"}), "connection"),
        (json!({"connection": "okta", "scope": "admin"}), "connection"),
    ] {
        refused(&ground.root().post("/api/v1/tokens", body).await, 422, Some(field));
    }
    assert_eq!(ground.root().get("/api/v1/tokens").await.json()["items"], json!([]));
}

#[tokio::test]
async fn an_expired_token_is_refused_and_recorded() {
    let ground = Ground::new().await;
    let body = json!({"name": "short", "scope": "read", "expires": "1h"});
    let made = good(ground.root().post("/api/v1/tokens", body).await, StatusCode::CREATED);
    let client = ground.bearer(made["token"].as_str().unwrap());
    good(client.get("/api/v1/users").await, StatusCode::OK);
    ground.test.advance(Duration::from_secs(3601));
    refused(&client.get("/api/v1/users").await, 401, None);
    let logs = ground.root().get("/api/v1/audit-logs?action=token.refuse").await.json();
    assert_eq!(logs["logs"].as_array().unwrap().len(), 1, "{logs}");
}

#[tokio::test]
async fn the_words_for_usual_scopes_mean_what_they_say() {
    let ground = Ground::new().await;
    let configure = json!({"name": "builder", "scope": "configure"});
    let made = good(ground.root().post("/api/v1/tokens", configure).await, StatusCode::CREATED);
    let builder = ground.bearer(made["token"].as_str().unwrap());
    refused(&builder.get("/api/v1/users").await, 403, None);
    let read =
        good(ground.root().post("/api/v1/tokens", json!({"name": "r", "scope": "read"})).await, StatusCode::CREATED);
    let reader = ground.bearer(read["token"].as_str().unwrap());
    good(reader.get("/api/v1/users").await, StatusCode::OK);
    refused(&reader.post("/api/v1/reload", json!({})).await, 403, None);
}

#[tokio::test]
async fn a_client_of_a_connection_has_an_id_and_a_secret_instead_of_a_token() {
    let ground = Ground::with("[[scim]]\nid = \"okta\"\n[[scim]]\nid = \"entra\"").await;
    let root = ground.root();
    let body = json!({"connection": "okta", "kind": "client", "name": "okta prod"});
    let made = good(root.post("/api/v1/tokens", body).await, StatusCode::CREATED);
    ground.test.advance(Duration::from_millis(1));
    assert_eq!((&made["client_id"], &made["kind"]), (&made["id"], &json!("client")));
    let secret = made["client_secret"].as_str().unwrap();
    assert!(secret.starts_with("cgc_") && made.get("token").is_none());
    for body in [json!({"connection": "okta"}), json!({"connection": "entra"}), json!({"name": "ci", "scope": "read"})]
    {
        good(root.post("/api/v1/tokens", body).await, StatusCode::CREATED);
        ground.test.advance(Duration::from_millis(1));
    }
    let kinds = async |query: &str| {
        let listed = good(root.get(&format!("/api/v1/tokens{query}")).await, StatusCode::OK);
        assert!(!listed.to_string().contains(secret));
        let items = listed["items"].as_array().unwrap();
        items.iter().map(|token| token["kind"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(kinds("").await, ["client", "scim", "scim", "management"]);
    assert_eq!(kinds("?connection=okta").await, ["client", "scim"]);
    assert!(kinds("?connection=nobody").await.is_empty());
    for body in [
        json!({"name": "x", "scope": "read", "kind": "client"}),
        json!({"connection": "okta", "kind": "management"}),
        json!({"connection": "okta", "kind": "other"}),
    ] {
        refused(&root.post("/api/v1/tokens", body).await, 422, Some("kind"));
    }
}

#[tokio::test]
async fn refused_management_tokens_do_not_fill_the_ledger() {
    let ground = Ground::new().await;
    let recorded = async || {
        let logs = ground.root().get("/api/v1/audit-logs?action=token.refuse").await.json();
        logs["logs"].as_array().unwrap().len()
    };
    for _ in 0..20 {
        refused(&ground.bearer("cgp_made_up").get("/api/v1/users").await, 401, None);
    }
    assert_eq!(recorded().await, 1);
    ground.test.advance(Duration::from_secs(1));
    refused(&ground.bearer("cgp_made_up").get("/api/v1/users").await, 401, None);
    assert_eq!(recorded().await, 2);
}

#[tokio::test]
async fn a_token_of_a_connection_that_takes_over_accounts_is_for_who_may_everything() {
    let lines = "[[scim]]\nid = \"hr\"\n[[scim]]\nid = \"okta\"\ntakes_over = [\"by-hand\"]";
    let ground = Ground::with(lines).await;
    let some = ground.service(&["tokens:*", "users:*", "groups:*"]).await;
    good(some.post("/api/v1/tokens", json!({"connection": "hr"})).await, StatusCode::CREATED);
    refused(&some.post("/api/v1/tokens", json!({"connection": "okta"})).await, 403, None);
    let all = ground.service(&["*:*"]).await;
    good(all.post("/api/v1/tokens", json!({"connection": "okta"})).await, StatusCode::CREATED);
}

#[tokio::test]
async fn a_token_lasts_a_year_unless_never_is_said() {
    let ground = Ground::new().await;
    let made = async |body: serde_json::Value| {
        let reply = ground.root().post("/api/v1/tokens", body).await;
        good(reply, StatusCode::CREATED)["expires_at"].clone()
    };
    assert_eq!(made(json!({"name": "x", "scope": "read"})).await, "2027-11-22T08:00:00.000Z");
    assert_eq!(made(json!({"name": "x", "scope": "read", "expires": "never"})).await, json!(null));
    // Provisioning clients cannot renew what they were given: theirs last until somebody ends them.
    let ground = Ground::with("[[scim]]\nid = \"okta\"").await;
    let reply = ground.root().post("/api/v1/tokens", json!({"connection": "okta"})).await;
    assert_eq!(good(reply, StatusCode::CREATED)["expires_at"], json!(null));
    let ground = Ground::with("tokens.lasts = \"never\"").await;
    let reply = ground.root().post("/api/v1/tokens", json!({"name": "x", "scope": "read"})).await;
    assert_eq!(good(reply, StatusCode::CREATED)["expires_at"], json!(null));
}

#[tokio::test]
async fn a_rotated_token_and_its_successor_work_side_by_side_until_the_overlap_ends() {
    let ground = Ground::new().await;
    let body = json!({"name": "ci", "scope": "read", "expires": "90d"});
    let old = good(ground.root().post("/api/v1/tokens", body).await, StatusCode::CREATED);
    let path = format!("/api/v1/tokens/{}:rotate", old["id"].as_str().unwrap());
    ground.test.advance(Duration::from_secs(10 * 86_400));
    refused(&ground.root().post(&path, json!({"overlap": "31d"})).await, 422, Some("overlap"));
    refused(&ground.root().post(&path, json!({"overlap": "soon"})).await, 422, Some("overlap"));
    let new = good(ground.root().post(&path, json!({"overlap": "2h"})).await, StatusCode::CREATED);
    assert_eq!((&new["name"], &new["scope"], &new["kind"]), (&old["name"], &old["scope"], &old["kind"]));
    assert_eq!(new["expires_at"], "2027-03-02T08:00:00.000Z", "it lasts as long as the old one was made for");
    assert_eq!((&new["replaces"]["id"], &new["replaces"]["replaced_by"]), (&old["id"], &new["id"]));
    let (was, is) = (ground.bearer(old["token"].as_str().unwrap()), ground.bearer(new["token"].as_str().unwrap()));
    ground.test.advance(Duration::from_secs(2 * 3_600 - 1));
    good(was.get("/api/v1/users").await, StatusCode::OK);
    good(is.get("/api/v1/users").await, StatusCode::OK);
    ground.test.advance(Duration::from_secs(1));
    refused(&was.get("/api/v1/users").await, 401, None);
    good(is.get("/api/v1/users").await, StatusCode::OK);
    refused(&ground.root().post(&path, json!({})).await, 409, None);
    let again = format!("/api/v1/tokens/{}:rotate", new["id"].as_str().unwrap());
    let third =
        good(ground.root().post(&again, json!({"overlap": "0", "expires": "never"})).await, StatusCode::CREATED);
    refused(&is.get("/api/v1/users").await, 401, None);
    assert_eq!(third["expires_at"], json!(null));
    let logs = good(ground.root().get("/api/v1/audit-logs?last=20d&action=token.rotate").await, StatusCode::OK);
    assert_eq!(logs["logs"].as_array().unwrap().len(), 2, "{logs}");
}

#[tokio::test]
async fn a_clients_secret_is_rotated_and_its_access_tokens_go_on_until_the_overlap_ends() {
    let ground = Ground::with("[[scim]]\nid = \"okta\"").await;
    let body = json!({"connection": "okta", "kind": "client"});
    let old = good(ground.root().post("/api/v1/tokens", body).await, StatusCode::CREATED);
    let tokens = ground.test.gateway.tokens();
    let secret = Secret::new(old["client_secret"].as_str().unwrap().to_owned());
    let issued = tokens.issue(old["client_id"].as_str().unwrap(), &secret).await.unwrap();
    let path = format!("/api/v1/tokens/{}:rotate", old["id"].as_str().unwrap());
    let new = good(ground.root().post(&path, json!({"overlap": "10m"})).await, StatusCode::CREATED);
    assert!(new["client_secret"].is_string() && new["client_id"] != old["client_id"], "{new}");
    assert!(tokens.authenticate(issued.token.expose()).await.is_ok());
    ground.test.advance(Duration::from_secs(600));
    assert!(tokens.authenticate(issued.token.expose()).await.is_err());
    assert!(tokens.issue(old["client_id"].as_str().unwrap(), &secret).await.is_err());
}

#[tokio::test]
async fn nobody_learns_the_text_of_a_token_that_they_could_not_make() {
    let ground = Ground::new().await;
    let body = json!({"name": "all", "scope": "admin"});
    let all = good(ground.root().post("/api/v1/tokens", body).await, StatusCode::CREATED);
    let path = format!("/api/v1/tokens/{}:rotate", all["id"].as_str().unwrap());
    let weak = ground.service(&["tokens:create", "tokens:delete", "tokens:read"]).await;
    refused(&weak.post(&path, json!({})).await, 403, None);
    refused(&ground.service(&["tokens:create"]).await.post(&path, json!({})).await, 403, None);
    good(ground.bearer(all["token"].as_str().unwrap()).get("/api/v1/users").await, StatusCode::OK);
    refused(&ground.root().post("/api/v1/tokens/nothing:rotate", json!({})).await, 404, None);
    refused(&ground.root().post("/api/v1/tokens/nothing", json!({})).await, 404, None);
}

#[tokio::test]
async fn a_token_makes_none_that_lasts_longer_than_itself() {
    let ground = Ground::with("[[scim]]\nid = \"okta\"").await;
    let body = json!({"name": "short", "scope": "admin", "expires": "1h"});
    let short = good(ground.root().post("/api/v1/tokens", body).await, StatusCode::CREATED);
    let (end, client) = (&short["expires_at"], ground.bearer(short["token"].as_str().unwrap()));
    let path = format!("/api/v1/tokens/{}:rotate", short["id"].as_str().unwrap());
    for expires in ["never", "2h"] {
        let body = json!({"name": "child", "scope": "admin", "expires": expires});
        refused(&client.post("/api/v1/tokens", body).await, 422, Some("expires"));
        refused(&client.post(&path, json!({"expires": expires})).await, 422, Some("expires"));
    }
    // The client of a connection would be cut off on a day that nobody named.
    refused(&client.post("/api/v1/tokens", json!({"connection": "okta"})).await, 422, Some("expires"));
    good(client.post("/api/v1/tokens", json!({"connection": "okta", "expires": "30m"})).await, StatusCode::CREATED);
    let body = json!({"name": "child", "scope": "admin"});
    let child = good(client.post("/api/v1/tokens", body).await, StatusCode::CREATED);
    assert_eq!(&child["expires_at"], end);
    ground.test.advance(Duration::from_secs(60));
    let next = good(client.post(&path, json!({})).await, StatusCode::CREATED);
    assert_eq!(&next["expires_at"], end);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_for_while_an_account_passes_on_leaves_no_token() {
    let ground = Ground::new().await;
    let ada = ground.user("ada", &["administrator"]).await;
    let (tokens, ledger) = (ground.test.gateway.tokens().clone(), ground.test.gateway.ledger().clone());
    for round in 0..300 {
        let permit = ground.test.task();
        let kind = TokenKind::Management(vec!["*:*".parse().unwrap()], Some(ada.id), None);
        let (secret, hers) = tokens.create(&permit, "hers", kind, None).await.unwrap();
        let client = ground.bearer(secret.expose());
        let ask = tokio::spawn(async move {
            match round % 2 {
                0 => client.post("/api/v1/tokens", json!({"name": "late", "scope": "read"})).await,
                _ => client.post(&format!("/api/v1/tokens/{}:rotate", hers.id), json!({})).await,
            }
        });
        let (tokens, ledger, id) = (tokens.clone(), ledger.clone(), ada.id);
        let pass_on = tokio::spawn(async move {
            let (tokens, permit) = (&tokens, &permit);
            let passed = ledger.retry(|mut change| async move {
                tokens.revoke_of_in(&mut change, permit, id).await?;
                change.commit_told().await.map(|_| ())
            });
            passed.await.unwrap();
            tokens.list(None, 1_000).await.unwrap()
        });
        let (reply, left) = tokio::join!(ask, pass_on);
        let reply = reply.unwrap();
        assert!(matches!(reply.status.as_u16(), 201 | 401 | 404), "{reply:?}");
        assert_eq!(left.unwrap(), [], "right behind it, round {round}");
        assert_eq!(ground.test.gateway.tokens().list(None, 1_000).await.unwrap(), [], "round {round}: {reply:?}");
    }
}

#[tokio::test]
async fn each_usual_scope_lets_through_exactly_what_it_says() {
    let ground = Ground::with("policy.pack = \"clearpoint-systems\"").await;
    ground.user("ada", &["system_administrator"]).await;
    let root = ground.root();
    let known = good(root.get("/api/v1/roles/permissions").await, StatusCode::OK);
    let mut all: Vec<String> = Vec::new();
    for item in known["items"].as_array().unwrap() {
        let resource = item["resource"].as_str().unwrap();
        all.extend(
            item["actions"].as_array().unwrap().iter().map(|action| format!("{resource}:{}", action.as_str().unwrap())),
        );
    }
    let allowed = async |scope: &str| {
        let body = json!({"name": scope, "scope": scope, "user": "ada"});
        let made = good(root.post("/api/v1/tokens", body).await, StatusCode::CREATED);
        let me = good(ground.bearer(made["token"].as_str().unwrap()).get("/api/v1/me").await, StatusCode::OK);
        let permissions = me["permissions"].as_array().unwrap().clone();
        permissions.iter().map(|permission| permission.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(allowed("admin").await, all, "everything, users too");
    let read: Vec<String> = all.iter().filter(|permission| permission.ends_with(":read")).cloned().collect();
    assert_eq!(allowed("read").await, read);
    let configured = ["integrations", "workflows"];
    let configure: Vec<String> =
        configured.iter().flat_map(|of| ["create", "read", "update"].map(|action| format!("{of}:{action}"))).collect();
    assert_eq!(allowed("configure").await, configure, "and nothing of users");
}

#[tokio::test]
async fn the_tokens_of_the_manual_are_made_or_refused_as_it_says() {
    let ground = Ground::with("policy.pack = \"clearpoint-systems\"").await;
    let root = ground.root();
    let monitoring = json!({"name": "Monitoring System", "scope": "read", "expires_at": "2024-12-31T23:59:59Z"});
    refused(&root.post("/api/v1/tokens", monitoring).await, 422, Some("expires_at"));
    let scope = ["integrations:read", "integrations:create", "workflows:read"];
    let builder = json!({"name": "Integration Builder", "scope": scope});
    let made = good(root.post("/api/v1/tokens", builder).await, StatusCode::CREATED);
    assert_eq!(made["scope"], json!(scope_sorted(&scope)));
    let builder = ground.bearer(made["token"].as_str().unwrap());
    for path in ["/api/v1/users", "/api/v1/roles", "/api/v1/audit-logs"] {
        refused(&builder.get(path).await, 403, None);
    }
    // The end that is given is the end, whatever its offset; a word is a scope like a list of one.
    for (scope, expires_at) in [
        (json!("read"), "2027-12-31T23:59:59Z"),
        (json!(["read"]), "2027-12-31T23:59:59.000+00:00"),
        (json!("integrations:read"), "2028-01-01T01:59:59+02:00"),
        (json!(["integrations:read"]), "2027-12-31T23:59:59Z"),
    ] {
        let body = json!({"name": "Monitoring System", "scope": scope, "expires_at": expires_at});
        let made = good(root.post("/api/v1/tokens", body).await, StatusCode::CREATED);
        assert_eq!(made["expires_at"], "2027-12-31T23:59:59.000Z", "{expires_at}");
        let single = if scope.to_string().contains("integrations") { "integrations:read" } else { "*:read" };
        assert_eq!(made["scope"], json!([single]), "{scope}");
    }
}

#[tokio::test]
async fn fine_scopes_let_through_what_they_name_of_what_their_user_may_and_the_last_use_is_shown() {
    let ground = Ground::with("policy.pack = \"clearpoint-systems\"").await;
    ground.user("ada", &["operations_manager"]).await;
    let root = ground.root();
    let scope = ["audit:read", "integrations:create", "integrations:read", "workflows:read"];
    let body = json!({"name": "Integration Builder", "scope": scope, "user": "ada"});
    let made = good(root.post("/api/v1/tokens", body).await, StatusCode::CREATED);
    let id = made["id"].as_str().unwrap();
    let used = async || {
        let listed = good(root.get("/api/v1/tokens").await, StatusCode::OK);
        listed["items"].as_array().unwrap().iter().find(|token| token["id"] == id).unwrap()["last_used"].clone()
    };
    assert_eq!(used().await, json!(null));
    ground.test.advance(Duration::from_secs(60));
    let builder = ground.bearer(made["token"].as_str().unwrap());
    let me = good(builder.get("/api/v1/me").await, StatusCode::OK);
    assert_eq!(
        me["permissions"],
        json!(["integrations:create", "integrations:read", "workflows:read"]),
        "no more than ada"
    );
    assert_eq!(used().await, "2026-11-22T08:01:00.000Z");
}

fn scope_sorted(scope: &[&str]) -> Vec<String> {
    let mut sorted: Vec<String> = scope.iter().map(|&permission| permission.to_owned()).collect();
    sorted.sort();
    sorted
}

#[tokio::test]
async fn keys_are_made_by_administrators_only() {
    let ground = Ground::new().await;
    ground.test.place(&["scorecard:a"]).await;
    let (_, editor) = ground.browser("editor", &["editor"]).await;
    let (_, scoped) = ground.browser("scoped", &["by_scorecard"]).await;
    let grant = json!({"user": "scoped", "role": "scorecard_administrator", "scope": "scorecard:a"});
    good(ground.root().post("/api/v1/grants", grant).await, StatusCode::CREATED);
    let (_, administrator) = ground.browser("administrator", &["administrator"]).await;
    let (_, browser) = ground.browser("browser", &["browser"]).await;
    let (_, updater) = ground.browser("updater", &["updater"]).await;
    let key = json!({"name": "mine", "scope": ["elements:create"]});
    for client in [&editor, &scoped, &browser, &updater] {
        refused(&client.post("/api/v1/tokens", key.clone()).await, 403, None);
    }
    good(administrator.post("/api/v1/tokens", key).await, StatusCode::CREATED);
}
