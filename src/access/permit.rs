//! The proof that a check has passed. Only this module's parent builds one, after the check.

use std::sync::Arc;

use tokio::sync::OwnedMutexGuard;

use super::SeatClaim;
use crate::audit::{Event, EventKind};
use crate::clock::Timestamp;
use crate::model::{Actor, Circumstance, SourceId};

/// Proof that `actor` may do what it is about to do. Domain services take it; it also knows how to begin the event.
#[derive(Clone, Debug)]
pub struct Permit {
    actor: Actor,
    circumstance: Circumstance,
    source: Option<SourceId>,
    weighed: Option<Arc<(Turn, Option<SeatClaim>)>>,
}

/// What keeps two changes that are each good by themselves from breaking something together; kept until the commit.
pub(super) type Turn = Option<OwnedMutexGuard<()>>;

/// A change of who may do what was about to be written that nobody had weighed: a defect of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a change of who may do what was not weighed before it was made")]
pub struct Unweighed;

impl Permit {
    pub(super) fn new(actor: Actor, circumstance: Circumstance, source: Option<SourceId>) -> Self {
        Self { actor, circumstance, source, weighed: None }
    }

    /// The same for a change that was weighed. The turn is kept as long as the permit, and each copy of it.
    pub(super) fn weighed(self, turn: Turn, seats: Option<SeatClaim>) -> Self {
        Self { weighed: Some(Arc::new((turn, seats))), ..self }
    }

    /// The same for another part of the change that was weighed with `other`.
    #[must_use]
    pub fn weighed_as(self, other: &Self) -> Self {
        Self { weighed: other.weighed.clone(), ..self }
    }

    /// Whoever changes who may do what asks this before the commit: what people do was weighed by
    /// [`Access::weigh`](super::Access::weigh). Sources, sign-ins and the daemon's own tasks are not held up by it.
    ///
    /// # Errors
    /// `Unweighed`.
    pub fn demand_weighed(&self) -> Result<(), Unweighed> {
        let is_of_people = matches!(self.actor, Actor::Local { .. } | Actor::Token { .. } | Actor::User { .. });
        if is_of_people && self.source.is_none() && self.weighed.is_none() { Err(Unweighed) } else { Ok(()) }
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
