//! The ledger: what happened is found again, and whoever edits it is found out.

mod key;
mod search;
mod tampering;

use cleargate::audit::{Event, EventKind};
use cleargate::clock::Timestamp;
use cleargate::model::Actor;

/// When the tests' events begin.
const START: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn event(kind: EventKind) -> Event {
    Event::new(START, kind, &Actor::System { task: "test".into() })
}

#[tokio::test]
async fn upkeep_removes_what_has_expired() {
    use cleargate::model::OrganisationId;
    use cleargate::store::Table;

    let bench = crate::support::bench::Bench::new();
    let table: Table<u64, u64> = Table::new(0xf0, "test numbers");
    let mut change = bench.ledger.change();
    for number in 0..2_500 {
        let expires = (number != 7).then_some(START.plus(std::time::Duration::from_secs(5)));
        change.put_until(&table, OrganisationId::DEFAULT, &number, &number, expires).unwrap();
    }
    change.commit(event(EventKind::UserCreated)).await.unwrap();
    assert_eq!(bench.ledger.tidy().await, Ok(0));
    bench.clock.advance(std::time::Duration::from_secs(5));
    assert_eq!(bench.ledger.tidy().await, Ok(2_499));
    assert_eq!(bench.rows().await, 1);
}
