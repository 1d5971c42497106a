//! Word by mail to people whose rights somebody else changes: of each change once, and never a storm.

use std::time::Duration;

use cleargate::model::{Circumstance, Subject};
use cleargate::notify::Notice;
use http::StatusCode;
use serde_json::{Value, json};

use super::{Client, Ground, good, refused};
use crate::support::mail::MailServer;

const HOUR: Duration = Duration::from_secs(3_600);

/// Sends what waits, and tells what came since the last look: to whom, about what, and the first sentence.
async fn delivered(ground: &Ground, server: &MailServer, seen: &mut usize) -> Vec<(String, String, String)> {
    ground.test.gateway.outbox().round(None).await.unwrap();
    let mails: Vec<_> = server.mails().into_iter().skip(*seen).collect();
    *seen += mails.len();
    let first = |text: String| text.lines().next().unwrap_or_default().trim().to_owned();
    mails.iter().map(|mail| (mail.to.concat(), mail.header("Subject"), first(mail.text()))).collect()
}

async fn give(client: &Client, body: Value) -> String {
    good(client.post("/api/v1/grants", body).await, StatusCode::CREATED)["id"].as_str().unwrap().to_owned()
}

async fn take(client: &Client, grant: &str) {
    good(client.delete(&format!("/api/v1/grants/{grant}")).await, StatusCode::OK);
}

#[tokio::test]
async fn whose_rights_somebody_else_changes_is_told_of_each_change_once_by_mail() {
    let server = MailServer::plain().await;
    let ground = Ground::with(&server.lines()).await;
    ground.test.place(&["department:finance", "scorecard:sales"]).await;
    ground.user("ada@example.org", &[]).await;
    let (_, boss) = ground.browser("boss@example.org", &["administrator"]).await;
    let mut seen = 0;
    delivered(&ground, &server, &mut seen).await;
    let told = |sentence: &str| {
        (String::from("ada@example.org"), String::from("Your access was changed"), sentence.to_owned())
    };
    let (given, ended) = (told("A role was given to you."), told("A role that you held was ended."));

    // By every address at which a role is given, and when it is ended.
    let body = json!({"user": "ada@example.org", "role": "editor", "reason": "see https://evil.example"});
    let grant = give(&boss, body.clone()).await;
    assert_eq!(delivered(&ground, &server, &mut seen).await, std::slice::from_ref(&given));
    let mail = server.mails().pop().unwrap();
    for part in [mail.text(), mail.html()] {
        assert!(part.contains("http://127.0.0.1:8080/api/v1/me/history"), "where it is told: {part}");
        for other in ["evil", "editor", "boss", "198.51.100.9"] {
            assert!(!part.contains(other), "{other} is nothing for a mail: {part}");
        }
    }
    take(&boss, &grant).await;
    assert_eq!(delivered(&ground, &server, &mut seen).await, std::slice::from_ref(&ended));
    let department = json!({"department": "finance", "role": "editor", "scope": "department_only"});
    let path = "/api/v1/users/ada@example.org/departments";
    let there = good(boss.post(path, department).await, StatusCode::CREATED)["id"].as_str().unwrap().to_owned();
    let scorecard = json!({"user": "ada@example.org", "role": "browser"});
    good(boss.post("/api/v1/scorecards/sales/users", scorecard).await, StatusCode::CREATED);
    assert_eq!(delivered(&ground, &server, &mut seen).await, [given.clone(), given.clone()]);
    ground.test.advance(HOUR);

    // Not what is only tried, refused or one's own, what reaches many at once, or who cannot sign in.
    let boss = ground.sign_in("boss@example.org").await;
    delivered(&ground, &server, &mut seen).await;
    good(boss.post("/api/v1/grants?dry_run=true", body.clone()).await, StatusCode::OK);
    good(boss.delete(&format!("/api/v1/grants/{there}?dry_run=true")).await, StatusCode::OK);
    refused(
        &boss.post("/api/v1/grants", json!({"user": "ada@example.org", "role": "edotir"})).await,
        422,
        Some("role"),
    );
    let own = give(&boss, json!({"user": "boss@example.org", "role": "browser"})).await;
    take(&boss, &own).await;
    good(boss.post("/api/v1/groups", json!({"name": "All", "users": ["ada@example.org"]})).await, StatusCode::CREATED);
    give(&boss, json!({"group": "All", "role": "browser"})).await;
    good(
        boss.post("/api/v1/users", json!({"userName": "new@example.org", "role": "browser"})).await,
        StatusCode::CREATED,
    );
    let document = boss.get("/api/v1/export").await.text;
    let kind = "application/x-ndjson";
    let import = ground.root().send(http::Method::POST, "/api/v1/import", kind, document.into()).await;
    assert_eq!(import.status, StatusCode::OK, "{}", import.text);
    good(boss.patch("/api/v1/users/ada@example.org", json!({"active": false})).await, StatusCode::OK);
    take(&boss, &there).await;
    good(boss.patch("/api/v1/users/ada@example.org", json!({"active": true})).await, StatusCode::OK);
    assert_eq!(delivered(&ground, &server, &mut seen).await, []);
    // What ended by itself was told of when it was given; an administrator of the machine is somebody else, too.
    let short = json!({"user": "ada@example.org", "role": "updater", "ends": "2026-11-22T09:30:00Z"});
    let short = give(&ground.root(), short).await;
    assert_eq!(delivered(&ground, &server, &mut seen).await, std::slice::from_ref(&given));
    ground.test.advance(HOUR);
    take(&ground.root(), &short).await;
    assert_eq!(delivered(&ground, &server, &mut seen).await, []);
    // A request that is approved is told as that and as nothing else.
    let ada = ground.sign_in("ada@example.org").await;
    let asked = good(ada.post("/api/v1/me/access-requests", json!({"role": "updater"})).await, StatusCode::CREATED);
    delivered(&ground, &server, &mut seen).await;
    let path = format!("/api/v1/access-requests/{}/approve", asked["id"].as_str().unwrap());
    good(ground.root().post(&path, json!({})).await, StatusCode::OK);
    let told: Vec<String> = delivered(&ground, &server, &mut seen).await.into_iter().map(|mail| mail.1).collect();
    assert_eq!(told, ["You were given a role"]);
}

#[tokio::test]
async fn however_much_is_changed_few_are_told_and_nobody_where_that_is_turned_off() {
    let server = MailServer::plain().await;
    let ground = Ground::with(&format!("limits.api = \"1000000/1s\"\n{}per_minute = 10000\n", server.lines())).await;
    let root = ground.root();
    let ada = ground.test.user("ada@example.org", None).await;
    let mut seen = 0;
    let flap = async |user: &str| {
        let grant = give(&root, json!({"user": user, "role": "browser"})).await;
        take(&root, &grant).await;
    };
    for _ in 0..4 {
        flap("ada@example.org").await;
    }
    assert_eq!(delivered(&ground, &server, &mut seen).await.len(), 5, "of one account");
    // What is told of other things is not held back by it.
    let (gateway, from) = (&ground.test.gateway, Circumstance::default());
    for _ in 0..10 {
        let mut change = gateway.ledger().change();
        gateway.outbox().tell_in(&mut change, &ada, Notice::NewDevice, &from).await.unwrap();
        change.commit_quietly(cleargate::audit::Housekeeping::Login).await.unwrap();
    }
    assert_eq!(delivered(&ground, &server, &mut seen).await.len(), 10);
    for number in 0..120 {
        let name = format!("p{number}@example.org");
        ground.test.user(&name, None).await;
        flap(&name).await;
    }
    let mut told = 0;
    for _ in 0..10 {
        told += delivered(&ground, &server, &mut seen).await.len();
    }
    assert_eq!(told, 195, "two hundred of all accounts");
    ground.test.advance(HOUR);
    flap("ada@example.org").await;
    assert_eq!(delivered(&ground, &server, &mut seen).await.len(), 2, "an hour later");

    let ground = Ground::with(&format!("{}tell_access = false\n", server.lines())).await;
    ground.user("ada@example.org", &[]).await;
    let grant = give(&ground.root(), json!({"user": "ada@example.org", "role": "browser"})).await;
    take(&ground.root(), &grant).await;
    assert_eq!(delivered(&ground, &server, &mut seen).await, []);
}

#[tokio::test]
async fn what_sources_and_rules_give_and_take_is_told_by_nobody() {
    let server = MailServer::plain().await;
    let lines = "[[scim]]\nid = \"okta\"\n[[mapping]]\nfrom = \"okta\"\nwhen = 'title eq \"Editor\"'\n\
                 grant = { role = \"editor\" }\n";
    let ground = Ground::with(&format!("{lines}{}", server.lines())).await;
    let okta = ground.test.connection("okta").await;
    let mut ada = crate::support::gateway::record("ada@example.org");
    ada.attributes.0.insert("title".to_owned(), "Editor".into());
    let directory = ground.test.gateway.directory();
    let ada = directory.create_user(&okta, &ada).await.unwrap();
    let held = async || ground.test.gateway.access().grants().list(Subject::User(ada.id)).await.unwrap().len();
    assert_eq!(held().await, 1);
    let edit = |_: &_, record: &mut cleargate::directory::SourceRecord| {
        record.attributes.0.insert("title".to_owned(), "Clerk".into());
        Ok::<_, cleargate::directory::Error>(())
    };
    directory.change_user(&okta, ada.id, None, edit).await.unwrap();
    assert_eq!(held().await, 0);
    assert_eq!(delivered(&ground, &server, &mut 0).await, []);
}
