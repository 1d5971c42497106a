//! The proof that a check has passed. Only this module's parent builds one, after the check.

use crate::audit::{Event, EventKind};
use crate::clock::Timestamp;
use crate::model::{Actor, Circumstance, SourceId};

/// Proof that `actor` may do what it is about to do. Domain services take it; it also knows how to begin the event.
#[derive(Clone, Debug)]
pub struct Permit {
    actor: Actor,
    circumstance: Circumstance,
    source: Option<SourceId>,
}

impl Permit {
    pub(super) fn new(actor: Actor, circumstance: Circumstance, source: Option<SourceId>) -> Self {
        Self { actor, circumstance, source }
    }

    /// Who acts.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// From where.
    pub fn circumstance(&self) -> &Circumstance {
        &self.circumstance
    }

    /// The source on whose behalf it acts: a SCIM connection, a directory sync, a connector at sign-in. `None` for
    /// administrators.
    pub fn source(&self) -> Option<&SourceId> {
        self.source.as_ref()
    }

    /// The event of what is done with this permit.
    pub fn event(&self, at: Timestamp, kind: EventKind) -> Event {
        let mut event = Event::new(at, kind, &self.actor).from_address(self.circumstance.address);
        event.request_id = self.circumstance.request_id.clone();
        event
    }
}
