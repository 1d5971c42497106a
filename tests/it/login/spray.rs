//! Password spraying, through the whole gateway: who does it is shut out, told and let in again.

use std::net::IpAddr;
use std::time::Duration;

use cleargate::audit::{Event, EventKind};
use cleargate::store;
use http::StatusCode;

use crate::support::gateway::{TestGateway, Visitor};

const ADA: &str = "ada@example.org";
const GOOD: &str = "violet anchor under seven bridges";

fn at(gateway: &TestGateway, address: &str) -> Visitor {
    let mut browser = gateway.visitor();
    browser.address = address.parse::<IpAddr>().unwrap();
    browser
}

/// One wrong password on the names from this one on, until the network is shut out.
async fn spray(gateway: &TestGateway, address: &str) -> usize {
    for tried in 0..50 {
        let reply = at(gateway, address).sign_in(&format!("user{tried}@example.org"), "Spring2026!").await;
        if reply.status == StatusCode::TOO_MANY_REQUESTS {
            return tried;
        }
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    }
    panic!("never shut out");
}

async fn blocks(gateway: &TestGateway) -> Vec<Event> {
    let rows = gateway.gateway.ledger().store().engine().log(0, 10_000).await.unwrap();
    let events = rows.iter().map(|row| store::decode::<Event>("log", &row.body).unwrap());
    events.filter(|event| event.kind == EventKind::SprayBlocked).collect()
}

#[tokio::test]
async fn who_sprays_is_shut_out_and_nobody_else() {
    let gateway = TestGateway::new().await;
    gateway.user(ADA, Some(GOOD)).await;
    let mut known = at(&gateway, "203.0.113.9");
    assert_eq!(known.sign_in(ADA, GOOD).await.location(), "/");
    known.cookies.remove("cleargate");
    assert_eq!(spray(&gateway, "203.0.113.9").await, 6);
    let reply = at(&gateway, "203.0.113.9").sign_in(ADA, GOOD).await;
    assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS, "the right password too, where the browser is not known");
    assert_eq!(reply.headers["retry-after"], "900");
    assert_eq!(known.sign_in(ADA, GOOD).await.location(), "/", "a known browser is let through");
    assert_eq!(at(&gateway, "203.0.113.10").sign_in(ADA, GOOD).await.location(), "/", "the neighbors are not");
    let told = blocks(&gateway).await;
    assert_eq!((told.len(), told[0].target.as_str()), (1, "network:203.0.113.9/32"));
    assert!(!format!("{told:?}").contains("Spring2026!"));
    gateway.advance(Duration::from_secs(900));
    assert_eq!(at(&gateway, "203.0.113.9").sign_in(ADA, GOOD).await.location(), "/");
}

#[tokio::test]
async fn what_is_shut_out_is_answered_before_anything_is_counted() {
    let gateway = TestGateway::with("[lockout]\npreset = \"clearvantage\"").await;
    gateway.user(ADA, Some(GOOD)).await;
    spray(&gateway, "203.0.113.9").await;
    for _ in 0..5 {
        assert_eq!(at(&gateway, "203.0.113.9").sign_in(ADA, "x").await.status, StatusCode::TOO_MANY_REQUESTS);
    }
    assert_eq!(at(&gateway, "198.51.100.1").sign_in(ADA, GOOD).await.location(), "/", "ada is not locked by it");
}

#[tokio::test]
async fn what_everybody_together_may_is_asked_last() {
    let gateway = TestGateway::with("[limits]\nsign_in = \"2/1m\"\nsign_in_global = \"4/1m\"").await;
    gateway.user(ADA, Some(GOOD)).await;
    let mut seen = Vec::new();
    for (address, times) in [("192.0.2.1", 5), ("198.51.100.1", 1), ("203.0.113.1", 2)] {
        for _ in 0..times {
            seen.push(at(&gateway, address).sign_in(ADA, GOOD).await.status == StatusCode::SEE_OTHER);
        }
    }
    // Of the first address two pass; the three that it is refused take nothing of what all may.
    assert_eq!(seen, [true, true, false, false, false, true, true, false]);
}

#[tokio::test]
async fn a_restart_lets_no_sprayer_back_in_and_a_release_holds_across_it() {
    use cleargate::config::{self, Credentials};
    use cleargate::gateway::{Foundation, Gateway};
    let test = TestGateway::new().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cleargate.toml");
    let store = folder.path().join("store.redb");
    let text = format!(
        "public_url = \"http://127.0.0.1:8080\"\npassword.hashing.memory = \"19MiB\"\nstore.path = {store:?}\n"
    );
    std::fs::write(&path, text).unwrap();
    let open = async || {
        let foundation = Foundation { clock: test.clock.clock(), ..Foundation::system() };
        Gateway::open(config::load(&path, &Credentials::None).unwrap(), foundation).await.unwrap()
    };
    let sprayer = |gateway: &Gateway| {
        let mut browser = test.visitor().at(gateway.public_router());
        browser.address = "203.0.113.9".parse().unwrap();
        browser
    };
    {
        let gateway = open().await;
        for tried in 0..6 {
            sprayer(&gateway).sign_in(&format!("user{tried}@example.org"), "Spring2026!").await;
        }
        let blocked = sprayer(&gateway).sign_in(ADA, "x").await;
        assert_eq!(blocked.status, StatusCode::TOO_MANY_REQUESTS);
    }
    test.advance(Duration::from_secs(60));
    {
        let gateway = open().await;
        let reply = sprayer(&gateway).sign_in(ADA, "x").await;
        assert_eq!(
            (reply.status, &reply.headers["retry-after"]),
            (StatusCode::TOO_MANY_REQUESTS, &"840".parse().unwrap())
        );
        let network = "203.0.113.9/32".parse().unwrap();
        let task = gateway.access().task_permit("test", None);
        assert!(gateway.login().release_block(&task, network).await.unwrap());
    }
    let gateway = open().await;
    assert_eq!(sprayer(&gateway).sign_in(ADA, "x").await.status, StatusCode::UNAUTHORIZED);
}
