//! Finding entries again: newest first, by who, what, on what, when and with which outcome, page by page.

use std::sync::Arc;
use std::time::Duration;

use cleargate::audit::{Entry, Event, EventKind, Filter, Ledger, Outcome, Sealer};
use cleargate::clock::{ManualClock, Timestamp};
use cleargate::model::{Actor, Presence, SessionId, UserId};
use cleargate::secret::MacKey;
use cleargate::store::{self, Batch};

use super::START;

fn ledger() -> Ledger {
    let sealer = Arc::new(Sealer::new(&MacKey::new(&[7; 32])));
    let (store, writer) = store::open_memory(ManualClock::new(START).clock(), sealer);
    Ledger::new(store, writer)
}

fn at(seconds: u64) -> Timestamp {
    START.plus(Duration::from_secs(seconds))
}

fn user(number: u8) -> Actor {
    Actor::User {
        id: UserId::from_bytes([number; 16]),
        session: SessionId::from_bytes([9; 16]),
        presence: Presence::default(),
    }
}

async fn filled() -> Ledger {
    let ledger = ledger();
    let system = Actor::System { task: "sync:corp".into() };
    let events = [
        Event::new(at(0), EventKind::UserCreated, &system).on("user", "1", "ada"),
        Event::new(at(10), EventKind::UserChanged, &user(1)).on("user", "1", "ada"),
        Event::new(at(20), EventKind::GroupCreated, &user(1)).on("group", "7", "ops"),
        Event::new(at(30), EventKind::SignInFailed, &Actor::Anonymous).outcome(Outcome::Failed),
        Event::new(at(40), EventKind::UserDeleted, &user(2)).on("user", "10", "bob").outcome(Outcome::Denied),
    ];
    for event in events {
        ledger.record(event).await.unwrap();
    }
    ledger
}

async fn positions(ledger: &Ledger, filter: Filter) -> Vec<u64> {
    let page = ledger.list(&filter, None, 100).await.unwrap();
    assert_eq!((page.next, page.damaged.len()), (None, 0));
    page.entries.into_iter().map(|entry| entry.position).collect()
}

#[tokio::test]
async fn a_filter_takes_what_fits_all_of_its_parts_newest_first() {
    let ledger = filled().await;
    let some = |text: &str| Some(text.to_owned());
    let none = Filter::default;
    for (filter, expected) in [
        (none(), vec![4, 3, 2, 1, 0]),
        (Filter { action: some("user.*"), ..none() }, vec![4, 1, 0]),
        (Filter { action: some("user.update"), ..none() }, vec![1]),
        (Filter { action: some("user."), ..none() }, vec![]),
        (Filter { action: some("*"), ..none() }, vec![4, 3, 2, 1, 0]),
        (Filter { actor: Some(user(1).to_string()), ..none() }, vec![2, 1]),
        (Filter { actor: some("system:*"), ..none() }, vec![0]),
        (Filter { target: some("user:1"), ..none() }, vec![1, 0]),
        (Filter { target: some("user:*"), ..none() }, vec![4, 1, 0]),
        (Filter { outcome: Some(Outcome::Denied), ..none() }, vec![4]),
        (Filter { since: Some(at(20)), ..none() }, vec![4, 3, 2]),
        (Filter { until: Some(at(20)), ..none() }, vec![1, 0]),
        (Filter { since: Some(at(10)), until: Some(at(11)), ..none() }, vec![1]),
        (Filter { action: some("user.*"), actor: Some(user(2).to_string()), ..none() }, vec![4]),
    ] {
        assert_eq!(positions(&ledger, filter.clone()).await, expected, "{filter:?}");
    }
}

#[tokio::test]
async fn pages_join_without_gap_or_overlap_while_events_arrive() {
    let ledger = ledger();
    for number in 0..1_234u64 {
        let kind = if number % 3 == 0 { EventKind::UserCreated } else { EventKind::GroupCreated };
        ledger.record(Event::new(at(number), kind, &user(1))).await.unwrap();
    }
    let filter = Filter { action: Some("user.create".to_owned()), ..Filter::default() };
    let (mut before, mut seen) = (None, Vec::new());
    loop {
        let page = ledger.list(&filter, before, 100).await.unwrap();
        assert!(page.entries.len() <= 100);
        seen.extend(page.entries.iter().map(|entry| entry.position));
        // Newer events do not move the pages that follow.
        ledger.record(Event::new(at(5_000), EventKind::UserCreated, &user(1))).await.unwrap();
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    let expected: Vec<u64> = (0..1_234).rev().filter(|number| number % 3 == 0).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn the_tail_is_the_newest_and_an_empty_ledger_has_none() {
    assert!(ledger().tail(10).await.unwrap().entries.is_empty());
    let ledger = filled().await;
    let page = ledger.tail(2).await.unwrap();
    assert_eq!(page.entries.iter().map(|entry| entry.position).collect::<Vec<_>>(), [4, 3]);
    assert_eq!(page.next, Some(3));
    assert_eq!(ledger.tail(0).await.unwrap().entries.len(), 1, "a page has at least one place");
    for count in [1, 2, 3, 4, 5, 8, 9] {
        let ledger = super::search::ledger();
        for number in 0..count {
            ledger.record(Event::new(at(number), EventKind::UserCreated, &user(1))).await.unwrap();
        }
        assert_eq!(ledger.tail(1).await.unwrap().entries[0].position, count - 1);
    }
}

#[tokio::test]
async fn a_damaged_entry_is_told_and_hides_no_other() {
    let (store, writer) =
        store::open_memory(ManualClock::new(START).clock(), Arc::new(Sealer::new(&MacKey::new(&[7; 32]))));
    writer.commit(Batch { events: vec![b"no event".to_vec()], ..Batch::default() }).await.unwrap();
    let ledger = Ledger::new(store, writer);
    ledger.record(Event::new(at(0), EventKind::UserCreated, &user(1))).await.unwrap();
    let page = ledger.tail(10).await.unwrap();
    assert_eq!((page.entries.len(), page.damaged), (1, vec![0]));
}

#[tokio::test]
async fn an_entry_reads_as_json() {
    let ledger = ledger();
    let event = Event::new(at(0), EventKind::UserChanged, &user(1))
        .on("user", UserId::from_bytes([2; 16]), "ada \"l\"\n")
        .from_address(Some("192.0.2.7".parse().unwrap()))
        .detail("reason", "a \"test\"");
    ledger.record(event).await.unwrap();
    let page = ledger.tail(1).await.unwrap();
    let expected = serde_json::json!({
        "id": 0,
        "timestamp": "2027-01-15T08:00:00.000Z",
        "user": "user:01010101-0101-0101-0101-010101010101",
        "action": "user.update",
        "resource": "user:02020202-0202-0202-0202-020202020202",
        "organization": "00000000-0000-0000-0000-000000000001",
        "resource_name": "ada \"l\"\n",
        "ip_address": "192.0.2.7",
        "outcome": "success",
        "request_id": null,
        "details": { "reason": "a \"test\"" },
    });
    assert_eq!(page.entries[0].to_json(), expected);
}

#[tokio::test]
async fn entries_of_releases_before_are_of_the_one_organisation_that_they_knew() {
    let event = Event::new(at(0), EventKind::UserChanged, &user(1));
    let old = minicbor::to_vec(Event { organisation: None, ..event.clone() }).unwrap();
    let new = minicbor::to_vec(&event).unwrap();
    assert!(old.len() + 16 < new.len(), "what is not told is not written");
    let read: Event = minicbor::decode(&old).unwrap();
    assert_eq!(Event { organisation: event.organisation, ..read }, event);
    let (old, new) = (Entry { position: 0, event: minicbor::decode(&old).unwrap() }, Entry { position: 0, event });
    assert_eq!(old.to_json(), new.to_json());
}
