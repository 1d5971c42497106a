//! Changes: what is read holds at the commit, lost races are run again, a change sees its own writes.

use std::cell::Cell;
use std::sync::Arc;

use cleargate::audit::{Event, EventKind, Housekeeping, Ledger};
use cleargate::clock::ManualClock;
use cleargate::model::{Actor, OrganisationId};
use cleargate::store::{self, Error, Table, counter};

use super::{START, sealer};

const NUMBERS: Table<str, u64> = Table::new(0xf0, "test numbers");
const OWNERS: Table<str, String> = Table::new(0xf1, "test owners");
const TOTALS: Table<str, i64> = Table::new(0xf2, "test totals");
const ORGANISATION: OrganisationId = OrganisationId::DEFAULT;

fn ledgers() -> [Ledger; 2] {
    let memory = store::open_memory(ManualClock::new(START).clock(), sealer());
    let folder = tempfile::tempdir().unwrap();
    let embedded = super::open(&folder.path().join("store.redb"), ManualClock::new(START).clock());
    // The open file outlives its name.
    drop(folder);
    [memory, embedded].map(|(store, writer)| Ledger::new(store, writer))
}

fn event() -> Event {
    Event::new(START, EventKind::UserChanged, &Actor::System { task: "test".into() })
}

#[tokio::test]
async fn increments_that_race_are_all_counted() {
    for ledger in ledgers() {
        let increment = || async {
            let result: Result<(), Error> = ledger
                .retry(|mut change| async move {
                    let before = change.find(&NUMBERS, ORGANISATION, "n").await?.unwrap_or(0);
                    // Gives the others their turn between reading and writing, so that races happen.
                    tokio::task::yield_now().await;
                    change.put(&NUMBERS, ORGANISATION, "n", &(before + 1))?;
                    change.add(&TOTALS, ORGANISATION, "total", 1);
                    change.commit(event()).await.map(drop)
                })
                .await;
            result.unwrap();
        };
        futures_util::future::join_all((0..8).map(|_| increment())).await;
        assert_eq!(ledger.store().find(&NUMBERS, ORGANISATION, "n").await.unwrap(), Some(8));
        assert_eq!(counter(ledger.store(), &TOTALS.key(ORGANISATION, "total")).await.unwrap(), 8);
        assert_eq!(ledger.store().engine().log(0, 100).await.unwrap().len(), 8, "a lost race leaves no event");
    }
}

#[tokio::test]
async fn of_two_that_find_a_name_free_one_gets_it_and_the_other_sees_who() {
    for ledger in ledgers() {
        let claim = |who: &'static str| {
            ledger.retry(move |mut change| async move {
                if let Some(owner) = change.find(&OWNERS, ORGANISATION, "name").await? {
                    return Ok::<String, Error>(owner);
                }
                tokio::task::yield_now().await;
                change.put(&OWNERS, ORGANISATION, "name", &who.to_owned())?;
                change.commit(event()).await?;
                Ok(who.to_owned())
            })
        };
        let (ada, bob) = tokio::join!(claim("ada"), claim("bob"));
        let owner = ledger.store().find(&OWNERS, ORGANISATION, "name").await.unwrap().unwrap();
        assert_eq!((ada.unwrap(), bob.unwrap()), (owner.clone(), owner));
    }
}

#[tokio::test]
async fn a_race_that_is_lost_every_time_ends() {
    let [ledger, _] = ledgers();
    let attempts = Cell::new(0);
    let result: Result<(), Error> = ledger
        .retry(|_| async {
            attempts.set(attempts.get() + 1);
            Err(Error::Conflict)
        })
        .await;
    assert_eq!((result, attempts.get()), (Err(Error::Conflict), 16));
    let refused: Result<(), Error> = ledger
        .retry(|_| async {
            attempts.set(attempts.get() + 1);
            Err(Error::Unavailable { reason: "disk".into() })
        })
        .await;
    assert!(refused.is_err());
    assert_eq!(attempts.get(), 17, "only lost races are run again");
}

#[tokio::test]
async fn a_change_reads_what_it_has_written() {
    for ledger in ledgers() {
        let mut change = ledger.change();
        assert!(change.is_empty());
        change.put(&NUMBERS, ORGANISATION, "n", &7).unwrap();
        assert_eq!(change.find(&NUMBERS, ORGANISATION, "n").await.unwrap(), Some(7));
        change.put(&NUMBERS, ORGANISATION, "n", &8).unwrap();
        assert_eq!(change.find(&NUMBERS, ORGANISATION, "n").await.unwrap(), Some(8));
        change.delete(&NUMBERS, ORGANISATION, "n");
        assert_eq!(change.find(&NUMBERS, ORGANISATION, "n").await.unwrap(), None);
        assert!(!change.is_empty());
        assert_eq!(ledger.store().find(&NUMBERS, ORGANISATION, "n").await.unwrap(), None, "others see nothing of it");
    }
}

#[tokio::test]
async fn two_reads_of_one_key_that_differ_cannot_be_committed() {
    for ledger in ledgers() {
        let mut change = ledger.change();
        assert_eq!(change.find(&NUMBERS, ORGANISATION, "n").await.unwrap(), None);
        let mut other = ledger.change();
        other.put(&NUMBERS, ORGANISATION, "n", &1).unwrap();
        other.commit(event()).await.unwrap();
        assert_eq!(change.find(&NUMBERS, ORGANISATION, "n").await.unwrap(), Some(1));
        change.put(&NUMBERS, ORGANISATION, "m", &1).unwrap();
        assert_eq!(change.commit(event()).await, Err(Error::Conflict));
        assert_eq!(ledger.store().find(&NUMBERS, ORGANISATION, "m").await.unwrap(), None);
    }
}

#[tokio::test]
async fn events_of_one_change_stand_in_their_order_and_a_quiet_one_has_none() {
    let [ledger, _] = ledgers();
    let mut change = ledger.change();
    change.put(&NUMBERS, ORGANISATION, "n", &1).unwrap();
    change.also(event().detail("order", "first"));
    change.commit(event().detail("order", "second")).await.unwrap();
    let mut quiet = ledger.change();
    quiet.put(&NUMBERS, ORGANISATION, "n", &2).unwrap();
    assert_eq!(quiet.commit_quietly(Housekeeping::LastSeen).await.unwrap().first_event, None);
    ledger.record(event().detail("order", "third")).await.unwrap();
    let page = ledger.tail(9).await.unwrap();
    let order: Vec<&str> = page.entries.iter().map(|entry| entry.event.details[0].1.as_str()).collect();
    assert_eq!(order, ["third", "second", "first"]);
}

#[tokio::test]
async fn a_record_of_another_form_is_reported_and_not_guessed() {
    let [ledger, _] = ledgers();
    let mut change = ledger.change();
    change.put(&NUMBERS, ORGANISATION, "n", &1).unwrap();
    change.commit(event()).await.unwrap();
    let same_tag: Table<str, String> = Table::new(0xf0, "test numbers");
    let wrong = ledger.store().find(&same_tag, ORGANISATION, "n").await;
    assert!(matches!(wrong, Err(Error::Corrupt { table: "test numbers", .. })), "{wrong:?}");
    assert!(matches!(store::decode::<u64>("t", &[]), Err(Error::Corrupt { .. })));
    assert!(matches!(store::decode::<u64>("t", &[2, 1]), Err(Error::Corrupt { .. })), "a format of a newer release");
    assert_eq!(store::decode::<u64>("t", &[1, 1]), Ok(1));
    let shared = Arc::clone(ledger.store().engine());
    assert!(counter(ledger.store(), &NUMBERS.key(ORGANISATION, "n")).await.is_err(), "{:?}", shared.health());
}
