//! `/users`.

use cleargate::audit::EventKind;
use http::StatusCode;
use serde_json::{Value, json};

use super::{Ground, PASSWORD, good, refused};
use crate::support::gateway::record;

async fn names(ground: &Ground, path: &str) -> Vec<String> {
    let page = good(ground.root().get(path).await, StatusCode::OK);
    page["items"].as_array().unwrap().iter().map(|user| user["userName"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_user_is_created_with_everything_that_was_asked() {
    let ground = Ground::new().await;
    let group = cleargate::directory::GroupDraft {
        name: "Ops".parse().unwrap(),
        external_id: None,
        attributes: Default::default(),
        members: Default::default(),
    };
    ground.test.gateway.directory().create_group(&ground.test.task(), &group).await.unwrap();
    good(ground.root().post("/api/v1/departments", json!({"name": "Analysis"})).await, StatusCode::CREATED);
    let body = json!({
        "email": "ada@example.com", "name": "Ada Lovelace", "department": "Analysis", "access_groups": ["ops"],
        "role": "editor", "password": PASSWORD, "must_change_password": true,
    });
    let reply = ground.root().post("/api/v1/users", body).await;
    assert_eq!(reply.headers["etag"], "\"1\"");
    let location = reply.headers["location"].to_str().unwrap().to_owned();
    let user = good(reply, StatusCode::CREATED);
    assert_eq!(user["userName"], "ada@example.com");
    let shown = good(ground.root().get(&location).await, StatusCode::OK);
    assert_eq!(
        (&shown["displayName"], &shown["email"], &shown["department"], &shown["status"]),
        (&json!("Ada Lovelace"), &json!("ada@example.com"), &json!("analysis"), &json!("active"))
    );
    assert_eq!((&shown["groups"], &shown["roles"]), (&json!(["Ops"]), &json!(["editor"])));
    assert_eq!((&shown["has_password"], &shown["must_change_password"]), (&json!(true), &json!(true)));
    assert!(!shown.to_string().contains(PASSWORD) && !shown.to_string().contains("argon2"));
    let by_name = good(ground.root().get("/api/v1/users/ADA@example.com").await, StatusCode::OK);
    assert_eq!(by_name["id"], user["id"]);
}

#[tokio::test]
async fn what_cannot_be_given_leaves_no_user_behind() {
    let ground = Ground::new().await;
    for (body, field) in [
        (json!({"userName": "ada", "role": "emperor"}), "role"),
        (json!({"userName": "ada", "access_groups": ["nowhere"]}), "access_groups"),
        (json!({"userName": "ada", "password": "short"}), "password"),
        (json!({"userName": "adalovelace", "password": "adalovelace-adalovelace"}), "password"),
    ] {
        let reply = ground.root().post("/api/v1/users", body).await;
        refused(&reply, 422, Some(field));
        assert!(!reply.text.contains("adalovelace-"), "a password is not repeated");
    }
    assert!(names(&ground, "/api/v1/users").await.is_empty());
}

#[tokio::test]
async fn a_name_is_taken_in_every_spelling() {
    let ground = Ground::new().await;
    good(ground.root().post("/api/v1/users", json!({"userName": "Ada"})).await, StatusCode::CREATED);
    for name in ["ada", "ADA", " Ada ", "\u{ff21}da"] {
        refused(&ground.root().post("/api/v1/users", json!({"userName": name})).await, 409, Some("userName"));
    }
}

#[tokio::test]
async fn a_list_comes_in_pages_and_by_filter() {
    let ground = Ground::new().await;
    for name in ["ada", "grace", "edsger", "barbara", "alan"] {
        ground.user(name, &[]).await;
        ground.test.advance(std::time::Duration::from_millis(1));
    }
    good(
        ground.root().patch("/api/v1/users/grace", json!({"active": false, "email": "g@navy.example"})).await,
        StatusCode::OK,
    );
    let mut found = Vec::new();
    let mut path = "/api/v1/users?limit=2".to_owned();
    loop {
        let page = good(ground.root().get(&path).await, StatusCode::OK);
        found.extend(page["items"].as_array().unwrap().iter().map(|user| user["userName"].clone()));
        match page["next"].as_str() {
            Some(next) => path = format!("/api/v1/users?limit=2&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(found, ["ada", "grace", "edsger", "barbara", "alan"].map(Value::from));
    for (filter, expected) in [
        ("active%20eq%20false", vec!["grace"]),
        ("userName%20sw%20%22a%22", vec!["ada", "alan"]),
        ("emails.value%20ew%20%22navy.example%22", vec!["grace"]),
        ("status%20eq%20%22active%22%20and%20not%20(userName%20co%20%22r%22)", vec!["ada", "alan"]),
    ] {
        assert_eq!(names(&ground, &format!("/api/v1/users?filter={filter}")).await, expected, "{filter}");
    }
}

#[tokio::test]
async fn a_change_needs_the_revision_that_was_seen_when_one_is_named() {
    let ground = Ground::new().await;
    ground.user("ada", &[]).await;
    let change = |tag: &str, name: &str| {
        let (client, body) = (ground.root().with_header("if-match", tag), json!({"displayName": name}));
        async move { client.patch("/api/v1/users/ada", body).await }
    };
    let reply = change("\"1\"", "Ada").await;
    assert_eq!(reply.headers["etag"], "\"2\"");
    refused(&change("\"1\"", "Eve").await, 412, None);
    refused(&change("1", "Eve").await, 400, None);
    refused(&change("\"1\", \"2\"", "Eve").await, 400, None);
    assert_eq!(good(change("*", "Augusta").await, StatusCode::OK)["displayName"], "Augusta");
}

#[tokio::test]
async fn what_a_source_owns_is_the_sources_but_anybody_can_be_locked_out() {
    let ground = Ground::new().await;
    let permit = ground.test.sync_permit("corp");
    let mut entry = record("ada");
    entry.external_id = Some("1".to_owned());
    ground.test.gateway.directory().create_user(&permit, &entry).await.unwrap();
    refused(&ground.root().patch("/api/v1/users/ada", json!({"displayName": "Eve"})).await, 409, None);
    let user = good(ground.root().patch("/api/v1/users/ada", json!({"active": false})).await, StatusCode::OK);
    assert_eq!((user["status"].as_str(), user["source"].as_str()), (Some("inactive"), Some("corp")));
}

#[tokio::test]
async fn a_password_set_by_an_administrator_ends_the_sessions() {
    let ground = Ground::new().await;
    let (_, browser) = ground.browser("ada", &[]).await;
    let other = "copper lanterns hum at dusk";
    let commits = || ground.test.gateway.ledger().store().engine().health().transactions;
    let before = commits();
    good(ground.root().patch("/api/v1/users/ada", json!({"password": other})).await, StatusCode::OK);
    assert_eq!(commits() - before, 1, "no moment at which the new password is set and an old session goes on");
    refused(&browser.get("/api/v1/me").await, 401, None);
    assert!(ground.test.visitor().sign_in("ada", other).await.status.is_redirection());
    let logs = good(ground.root().get("/api/v1/audit-logs?limit=500").await, StatusCode::OK);
    assert!(!logs.to_string().contains(other));
    assert!(logs.to_string().contains(EventKind::PasswordSet.name()));
}

#[tokio::test]
async fn a_search_by_index_finds_the_same_as_a_walk_page_by_page() {
    let ground = Ground::with("[[scim]]\nid = \"okta\"").await;
    let root = ground.root();
    let boss = ground.user("boss", &[]).await;
    let directory = ground.test.gateway.directory();
    let okta = ground.test.connection("okta").await;
    let mut wanted = Vec::new();
    for number in 0..40 {
        ground.test.advance(std::time::Duration::from_millis(1));
        let name = format!("user{number:02}");
        if number % 10 == 3 {
            let mut entry = record(&name);
            entry.external_id = Some(format!("id-{number}"));
            directory.create_user(&okta, &entry).await.unwrap();
            continue;
        }
        let mut body = json!({"userName": name, "email": "Team@example.com", "supervisor": "boss"});
        if number % 2 == 1 {
            body["email"] = format!("{name}@example.com").into();
            body["supervisor"] = Value::Null;
        } else {
            wanted.push(name.clone());
        }
        good(root.post("/api/v1/users", body).await, StatusCode::CREATED);
    }
    let members = json!({"name": "Even Ones", "users": wanted});
    let group = good(root.post("/api/v1/groups", members).await, StatusCode::CREATED);
    let nested = json!({"name": "Nested"});
    good(root.post("/api/v1/groups", nested).await, StatusCode::CREATED);
    good(root.post("/api/v1/groups/even_ones/members", json!({"groups": ["nested"]})).await, StatusCode::OK);
    let pages = |filter: String| {
        let root = root.clone();
        async move {
            let (mut found, mut cursor) = (Vec::new(), String::new());
            loop {
                let path =
                    format!("/api/v1/users?limit=7&filter={}{cursor}", filter.replace(' ', "%20").replace('"', "%22"));
                let page = good(root.get(&path).await, StatusCode::OK);
                let items = page["items"].as_array().unwrap();
                found.extend(items.iter().map(|user| user["userName"].as_str().unwrap().to_owned()));
                match page["next"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => return found,
                }
            }
        }
    };
    let id = group["id"].as_str().unwrap();
    for filter in [
        "email eq \"TEAM@example.com\"".to_owned(),
        "emails.value eq \"team@example.com\" and active eq true".to_owned(),
        format!("supervisor eq \"{}\"", boss.id),
        format!("groups.value eq \"{id}\""),
        "groups.display eq \"even ones\"".to_owned(),
        // Without an equality there is no index.
        format!("groups.value sw \"{id}\""),
        "email sw \"team@\"".to_owned(),
    ] {
        assert_eq!(pages(filter.clone()).await, wanted, "{filter}");
    }
    for (filter, expected) in [
        ("userName eq \"USER04\"".to_owned(), vec!["user04"]),
        (format!("id eq \"{}\"", boss.id), vec!["boss"]),
        ("externalId eq \"id-13\" and source eq \"okta\"".to_owned(), vec!["user13"]),
        ("externalId eq \"id-13\"".to_owned(), vec!["user13"]),
        ("userName eq \"user04\" and active eq false".to_owned(), vec![]),
        ("groups.display eq \"no such group\"".to_owned(), vec![]),
        (
            format!("groups.value eq \"{id}\" and userName sw \"user1\""),
            vec!["user10", "user12", "user14", "user16", "user18"],
        ),
        (
            "not (groups.display eq \"even ones\") and userName sw \"user0\"".to_owned(),
            vec!["user01", "user03", "user05", "user07", "user09"],
        ),
    ] {
        assert_eq!(pages(filter.clone()).await, expected, "{filter}");
    }
}

#[tokio::test]
async fn a_password_given_with_a_new_account_must_be_changed_unless_it_is_said_otherwise() {
    let ground = Ground::new().await;
    let body = |name: &str| json!({"userName": name, "name": "Ada Lovelace", "role": "editor", "password": PASSWORD});
    good(ground.root().post("/api/v1/users", body("ada")).await, StatusCode::CREATED);
    assert_eq!(ground.test.visitor().sign_in("ada", PASSWORD).await.location(), "/login/change-password");
    let mut kept = body("grace");
    kept["must_change_password"] = json!(false);
    good(ground.root().post("/api/v1/users", kept).await, StatusCode::CREATED);
    assert_eq!(ground.test.visitor().sign_in("grace", PASSWORD).await.location(), "/");
}

#[tokio::test]
async fn an_administrator_demands_another_password_and_nothing_else_works_before() {
    let ground = Ground::new().await;
    let (_, ada) = ground.browser("ada", &[]).await;
    let (_, grace) = ground.browser("grace", &[]).await;
    ground.test.user("nopass", None).await;
    let demand = json!({"must_change_password": true});
    refused(&grace.patch("/api/v1/users/ada", demand.clone()).await, 403, None);
    refused(&ground.root().patch("/api/v1/users/nopass", demand.clone()).await, 409, Some("must_change_password"));
    good(ground.root().patch("/api/v1/users/ada", demand).await, StatusCode::OK);
    assert_eq!(good(ground.root().get("/api/v1/users/ada").await, StatusCode::OK)["must_change_password"], true);
    assert_eq!(ada.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED, "the sessions have ended");
    assert_eq!(ground.test.visitor().sign_in("ada", PASSWORD).await.location(), "/login/change-password");
    good(ground.root().patch("/api/v1/users/ada", json!({"must_change_password": false})).await, StatusCode::OK);
    assert_eq!(ground.test.visitor().sign_in("ada", PASSWORD).await.location(), "/");
}

#[tokio::test]
async fn no_link_to_choose_a_password_is_made_for_who_must_use_single_sign_on() {
    let ground = Ground::new().await;
    let root = ground.root();
    ground.user("ada", &[]).await;
    good(root.post("/api/v1/users/ada:reset-password", json!({})).await, StatusCode::CREATED);
    good(root.post("/api/v1/users/ada:demand", json!({"requires_sso": true})).await, StatusCode::OK);
    let reply = root.post("/api/v1/users/ada:reset-password", json!({})).await;
    refused(&reply, 409, None);
    assert!(reply.text.contains("single sign-on"), "{}", reply.text);
}
