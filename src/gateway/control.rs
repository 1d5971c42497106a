//! What administrators let the daemon do to itself, given by whoever started it.

use std::sync::{Arc, OnceLock};

use futures_util::future::BoxFuture;

use super::Gateway;
use crate::api::{Api, Control, Services};

/// The control, once it is there. Cloning shares it.
#[derive(Clone, Default)]
pub(super) struct Controls(Arc<OnceLock<Arc<dyn Control>>>);

impl Control for Controls {
    fn reload(&self) -> BoxFuture<'_, Result<Vec<String>, Vec<String>>> {
        match self.0.get() {
            Some(control) => control.reload(),
            None => {
                let problem = "this gateway was not started from a file that it could read again".to_owned();
                Box::pin(std::future::ready(Err(vec![problem])))
            }
        }
    }
}

impl Gateway {
    /// Lets administrators do to the daemon what `control` can; the first one given counts.
    pub fn control_by(&self, control: Arc<dyn Control>) {
        if self.controls.0.set(control).is_err() {
            tracing::debug!("the gateway has its control already");
        }
    }

    /// The management surface.
    pub fn api(&self) -> Api {
        Api::new(Services {
            access: self.access.clone(),
            browser: self.login.browser().clone(),
            clock: self.foundation.clock.clone(),
            connections: self.config.scim.iter().map(|scim| scim.id.clone()).collect(),
            control: Arc::new(self.controls.clone()),
            credentials: self.credentials.clone(),
            directory: self.directory.clone(),
            ledger: self.ledger.clone(),
            limits: self.limits.clone(),
            lockout: self.lockout.clone(),
            public_url: self.config.public_url.as_str().trim_end_matches('/').to_owned(),
            sealer: Arc::clone(&self.sealer),
            sessions: self.sessions.clone(),
            syncs: self.syncs.clone(),
            tasks: self.foundation.tasks.clone(),
            tokens: self.tokens.clone(),
        })
    }
}
