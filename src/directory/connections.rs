//! What provisioning connections may do beyond their own: whose users and groups they take over, and their brake.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Directory;
use super::reconcile::Authority;
use crate::access::Permit;
use crate::audit::Event;
use crate::config::{Guard, TakesOver};
use crate::model::{Actor, SourceId};

/// The settings of one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Whose users and groups it may change and then owns.
    pub takes_over: TakesOver,
    /// How much it may remove within an hour.
    pub brake: Guard,
}

/// Every connection's settings; those that are not among them take over nothing. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub struct Connections(Arc<BTreeMap<SourceId, Connection>>);

impl Connections {
    pub(super) fn find(&self, source: &SourceId) -> Option<&Connection> {
        self.0.get(source)
    }
}

impl FromIterator<(SourceId, Connection)> for Connections {
    fn from_iter<I: IntoIterator<Item = (SourceId, Connection)>>(all: I) -> Self {
        Self(Arc::new(all.into_iter().collect()))
    }
}

impl Directory {
    /// Puts these settings of connections in force.
    #[must_use]
    pub fn with_connections(self, connections: Connections) -> Self {
        Self { connections, ..self }
    }

    /// Whether a connection may take over anything.
    pub fn takes_over(&self, connection: &SourceId) -> bool {
        self.connections.find(connection).is_some_and(|settings| settings.takes_over != TakesOver::default())
    }

    /// The authority that a permit carries, with what its connection may take over.
    pub(super) fn authority(&self, permit: &Permit) -> Authority {
        match (permit.actor(), permit.source()) {
            (Actor::Connection { .. }, Some(source)) => {
                let takes_over = self.connections.find(source).map(|connection| connection.takes_over.clone());
                let takes_over = takes_over.unwrap_or_default();
                Authority::Provisioning { source: source.clone(), exclusive: false, takes_over }
            }
            _ => Authority::of(permit),
        }
    }
}

/// The event with whom something was taken over from, if it was.
pub(super) fn taken_over(event: Event, before: Option<&SourceId>, after: Option<&SourceId>, by_hand: bool) -> Event {
    match (before, after) {
        (_, None) => event,
        (before, after) if before == after => event,
        (Some(before), _) => event.detail("taken_over_from", before),
        (None, _) => event.detail("taken_over_from", if by_hand { "by-hand" } else { "sign-in" }),
    }
}
