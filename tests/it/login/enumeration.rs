//! Names cannot be told by trying: a name of nobody costs the same work, is written about as much, and is locked alike.

use cleargate::model::OrganisationId;
use cleargate::store::{Range, Table};
use http::StatusCode;

use crate::support::gateway::TestGateway;

const ADA: &str = "ada@example.org";
const GOOD: &str = "violet anchor under seven bridges";

/// Twelve spellings of one name.
const SPELLINGS: [&str; 12] = [
    "ada@example.org",
    "ADA@EXAMPLE.ORG",
    "Ada@Example.Org",
    "aDa@eXaMpLe.OrG",
    " ada@example.org",
    "ada@example.org\t",
    "\u{a0}ada@example.org\u{3000}",
    "\u{ff41}\u{ff44}\u{ff41}@example.org",
    "ada\u{ff20}example.org",
    "ada@example\u{ff0e}org",
    "\u{24d0}\u{24d3}\u{24d0}@example.org",
    "\u{1d41a}\u{1d41d}\u{1d41a}@example.org",
];

fn commits(gateway: &TestGateway) -> u64 {
    gateway.gateway.ledger().store().engine().health().transactions
}

async fn rows(gateway: &TestGateway, tag: u8, name: &'static str) -> usize {
    let table: Table<u64, ()> = Table::new(tag, name);
    let range = Range::prefix(table.prefix(OrganisationId::DEFAULT, &()), 100);
    gateway.gateway.ledger().store().range(range).await.unwrap().len()
}

#[tokio::test]
async fn a_refused_sign_in_is_as_many_commits_whatever_was_wrong() {
    let gateway = TestGateway::new().await;
    gateway.user(ADA, Some(GOOD)).await;
    gateway.user("nopass@example.org", None).await;
    let off = gateway.user("off@example.org", Some(GOOD)).await;
    gateway.gateway.directory().set_active(&gateway.task(), off.id, false).await.unwrap();
    let sso = gateway.user("sso@example.org", Some(GOOD)).await;
    gateway.gateway.factors().demand(&gateway.task(), &sso, None, Some(true)).await.unwrap();
    let mut seen = Vec::new();
    for (name, password) in [
        (ADA, "wrong"),
        ("nobody@example.org", "wrong"),
        ("nopass@example.org", GOOD),
        ("off@example.org", GOOD),
        ("sso@example.org", GOOD),
    ] {
        let mut browser = gateway.visitor();
        browser.get("/login").await;
        let before = commits(&gateway);
        assert_eq!(browser.sign_in(name, password).await.status, StatusCode::UNAUTHORIZED);
        seen.push((name, commits(&gateway) - before));
    }
    assert!(seen.iter().all(|(_, commits)| *commits == seen[0].1), "{seen:?}");
}

#[tokio::test]
async fn twelve_spellings_of_a_name_are_one_account_in_every_count() {
    let lines = "[lockout]\nattempts = 12\n[limits]\nsign_in = \"999/1m\"\nsign_in_account = \"999/1m\"";
    let gateway = TestGateway::with(lines).await;
    let ada = gateway.user(ADA, Some(GOOD)).await;
    for spelling in SPELLINGS {
        assert_eq!(gateway.visitor().sign_in(spelling, "wrong").await.status, StatusCode::UNAUTHORIZED, "{spelling}");
    }
    let state = gateway.gateway.lockout().find(ada.id).await.unwrap().unwrap();
    assert!(state.failures == 12 && state.locked_until.is_some(), "{state:?}");
    assert_eq!(rows(&gateway, 0x31, "attempts on unknown names").await, 0, "no spelling was taken for nobody");
    for spelling in SPELLINGS {
        assert_eq!(gateway.visitor().sign_in(spelling, GOOD).await.status, StatusCode::UNAUTHORIZED, "{spelling}");
    }
    // A name of nobody has one count as well.
    let empty = TestGateway::with(lines).await;
    for spelling in SPELLINGS {
        empty.visitor().sign_in(spelling, "wrong").await;
    }
    assert_eq!(rows(&empty, 0x31, "attempts on unknown names").await, 1);
}

#[tokio::test]
async fn twelve_spellings_share_the_limit_of_an_account() {
    let gateway = TestGateway::with("[limits]\nsign_in_account = \"11/1m\"\n[lockout]\nattempts = 100").await;
    gateway.user(ADA, Some(GOOD)).await;
    let mut last = StatusCode::OK;
    for spelling in SPELLINGS {
        last = gateway.visitor().sign_in(spelling, "wrong").await.status;
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn the_own_pages_and_the_sign_in_share_one_count() {
    let gateway = TestGateway::with("[lockout]\npreset = \"clearvantage\"").await;
    gateway.user(ADA, Some(GOOD)).await;
    let mut browser = gateway.visitor();
    browser.sign_in(ADA, GOOD).await;
    let csrf = browser.get("/account/password").await.field("csrf");
    let new = "nine lanterns along a quiet harbour";
    browser.post("/account/password", &[("old", "wrong"), ("new", new), ("again", new), ("csrf", &csrf)]).await;
    let csrf = browser.get("/account/factors").await.field("csrf");
    browser.post("/account/factors/add", &[("password", "wrong"), ("csrf", &csrf)]).await;
    gateway.visitor().sign_in(ADA, "wrong").await;
    assert_eq!(gateway.visitor().sign_in(ADA, GOOD).await.status, StatusCode::UNAUTHORIZED);
}
