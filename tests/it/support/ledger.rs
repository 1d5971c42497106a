//! A ledger on the memory engine with a clock that stands, and what it recorded.

use std::sync::Arc;

use cleargate::audit::{Event, EventKind, Ledger, Sealer};
use cleargate::clock::{ManualClock, Timestamp};
use cleargate::secret::{IdSource, MacKey};
use cleargate::store;

/// When the clock starts: 2027-01-15T08:00:00Z.
pub const START: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// What a domain service stands on.
pub struct Ground {
    pub clock: ManualClock,
    pub ids: IdSource,
    pub key: MacKey,
    pub ledger: Ledger,
}

impl Ground {
    pub fn new() -> Self {
        let clock = ManualClock::new(START);
        let key = MacKey::new(&[7; 32]);
        let (store, writer) = store::open_memory(clock.clock(), Arc::new(Sealer::new(&key)));
        Self { ledger: Ledger::new(store, writer), ids: IdSource::seeded(1), clock, key }
    }

    /// Every event recorded so far.
    pub async fn events(&self) -> Vec<Event> {
        let rows = self.ledger.store().engine().log(0, 10_000).await.unwrap();
        rows.iter().map(|row| store::decode("log", &row.body).unwrap()).collect()
    }

    /// The events of one kind.
    pub async fn events_of(&self, kind: EventKind) -> Vec<Event> {
        self.events().await.into_iter().filter(|event| event.kind == kind).collect()
    }
}
