//! Builds the management surface and the decision API.

use std::sync::Arc;

use super::Gateway;
use crate::api::{Api, Control, Kept, Requests, Services};
use crate::authzen::{self, Authzen};
use crate::clock::Timestamp;
use crate::model::SourceId;
use crate::scim::Journal;
use crate::transfer::Transfer;

impl Requests for Journal {
    fn page(
        &self,
        connection: &SourceId,
        keep: &dyn Fn(u16, Timestamp) -> bool,
        before: Option<u64>,
        limit: usize,
    ) -> Option<Kept> {
        Self::page(self, connection, keep, before, limit)
    }
}

impl Gateway {
    /// The management surface; a reload is the one that the gateway was started with.
    pub fn api(&self) -> Api {
        self.api_controlled_by(Arc::new(self.foundation.reload.clone()))
    }

    /// The same with another way to reload.
    pub fn api_controlled_by(&self, control: Arc<dyn Control>) -> Api {
        Api::new(Services {
            access: self.access.clone(),
            browser: self.login.browser().clone(),
            clock: self.foundation.clock.clone(),
            connections: self.config.scim.iter().map(|scim| scim.id.clone()).collect(),
            contact: self.config.contact.clone(),
            control,
            credentials: self.credentials.clone(),
            cursors: self.places.clone(),
            directory: self.directory.clone(),
            factors: self.factors.clone(),
            ledger: self.ledger.clone(),
            limits: self.limits.clone(),
            lockout: self.lockout.clone(),
            login: self.login.clone(),
            plan: self.config.plan,
            outbox: self.outbox.clone(),
            others: authzen::described(),
            other_shapes: authzen::shapes(),
            public_url: self.config.public_url.as_str().trim_end_matches('/').to_owned(),
            requests: Arc::new(self.journal.clone()),
            sealer: Arc::clone(&self.sealer),
            sessions: self.sessions.clone(),
            syncs: self.syncs.clone(),
            tasks: self.foundation.tasks.clone(),
            token_lasts: self.config.tokens.lasts,
            tokens: self.tokens.clone(),
            transfer: Transfer::new(
                self.ledger.clone(),
                self.foundation.clock.clone(),
                self.access.clone(),
                self.directory.clone(),
                self.factors.clone(),
            ),
        })
    }

    /// The decision API.
    pub fn authzen(&self) -> Authzen {
        Authzen::new(authzen::Services {
            access: self.access.clone(),
            browser: self.login.browser().clone(),
            directory: self.directory.clone(),
            limits: self.limits.clone(),
            pages: self.pages.clone(),
            public_url: self.config.public_url.as_str().trim_end_matches('/').to_owned(),
            tokens: self.tokens.clone(),
        })
    }
}
