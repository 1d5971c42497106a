//! The ledger: changes carry their events.

use std::sync::Arc;

use cleargate::audit::{Event, EventKind, Ledger, Sealer};
use cleargate::clock::{ManualClock, Timestamp};
use cleargate::model::{Actor, OrganisationId};
use cleargate::secret::MacKey;
use cleargate::store::{self, Table};

const NAMES: Table<str, String> = Table::new(250, "test names");
const ORGANISATION: OrganisationId = OrganisationId::DEFAULT;

fn ledger() -> (ManualClock, Ledger) {
    let clock = ManualClock::new(Timestamp::from_seconds(1_800_000_000));
    let (store, writer) = store::open_memory(clock.clock(), Arc::new(Sealer::new(&MacKey::new(&[7; 32]))));
    (clock, Ledger::new(store, writer))
}

fn event() -> Event {
    Event::new(Timestamp::from_seconds(1_800_000_000), EventKind::UserCreated, &Actor::System { task: "test".into() })
}

#[tokio::test]
async fn a_change_and_its_event_arrive_together_or_not_at_all() {
    let (_, ledger) = ledger();
    let mut winner = ledger.change();
    let mut loser = ledger.change();
    for (change, name) in [(&mut winner, "first"), (&mut loser, "second")] {
        assert_eq!(change.find(&NAMES, ORGANISATION, "key").await.unwrap(), None);
        change.put(&NAMES, ORGANISATION, "key", &name.to_owned()).unwrap();
    }
    assert_eq!(winner.commit(event()).await.unwrap().first_event, Some(0));
    assert_eq!(loser.commit(event()).await, Err(store::Error::Conflict));
    assert_eq!(ledger.store().find(&NAMES, ORGANISATION, "key").await.unwrap().as_deref(), Some("first"));
    assert_eq!(ledger.store().engine().log(0, 10).await.unwrap().len(), 1);
}
