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
