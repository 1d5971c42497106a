//! Puts the surfaces behind their listeners.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::{Error, Gateway, SeatWatch, counted, watch};
use crate::error::Chain;
use crate::http::operations::{self, Readiness};
use crate::http::{self, Bind, Bound, Certificates, Hosts, ListenerSettings};
use crate::login;
use crate::scim::{self, Scim};
use crate::store::Store;
use crate::{api, authzen};

/// The admin socket's file: its user and group only.
const ADMIN_SOCKET_MODE: u32 = 0o660;
/// How often the size of the store is looked at.
const MEASURE_EVERY: Duration = Duration::from_secs(15);
/// How often it is looked whose seat is due.
const SEATS_EVERY: Duration = Duration::from_secs(5);
/// How often it is written which rights were used.
const USES_EVERY: Duration = Duration::from_secs(60);
/// How often the sessions are counted.
const SESSIONS_EVERY: Duration = Duration::from_secs(5 * 60);

/// A gateway whose listeners accept connections.
#[derive(Clone, Debug)]
pub struct Listening {
    /// The public listener.
    pub public: Bound,
    /// Health and metrics.
    pub operations: Bound,
    /// Administration on the machine itself.
    pub admin: Bound,
    /// The public listener's certificate, to read again at a reload.
    pub certificates: Option<Certificates>,
}

/// Ready while the store accepts writes.
pub struct Ready(Store);

impl Readiness for Ready {
    fn check(&self) -> BoxFuture<'_, Result<(), String>> {
        let health = self.0.engine().health();
        let outcome = if health.writable {
            Ok(())
        } else {
            Err(format!("the store refuses writes: {}", health.reason.unwrap_or_default()))
        };
        Box::pin(std::future::ready(outcome))
    }
}

impl Gateway {
    /// What browsers, providers, provisioning clients and applications reach.
    pub fn public_router(&self) -> axum::Router {
        let url = self.config.public_url.as_str();
        let scim = Scim::new(self.directory.clone(), self.access.clone(), self.cursors.clone(), url)
            .counted_by(self.foundation.metrics.clone())
            .limited_by(self.limits.clone())
            .serving(&self.config.scim)
            .kept_in(self.journal.clone())
            .keeping(scim::Keeper {
                credentials: self.credentials.clone(),
                sessions: self.sessions.clone(),
                ledger: self.ledger.clone(),
                clock: self.foundation.clock.clone(),
            })
            .knowing(&self.config.schemas);
        let gate = scim::Gate::new(self.tokens.clone(), self.limits.clone()).with_access(self.access.clone());
        let oauth = scim::oauth_routes(self.tokens.clone(), self.limits.clone());
        login::routes(self.login.clone())
            .merge(oauth)
            .merge(scim::routes(scim, Arc::new(gate)))
            .merge(api::router(self.api()))
            .merge(authzen::router(self.authzen()))
    }

    /// What administrators on the machine itself reach.
    pub fn admin_router(&self) -> axum::Router {
        api::router(self.api()).merge(authzen::router(self.authzen()))
    }

    /// Health, readiness, metrics.
    pub fn operations_router(&self) -> axum::Router {
        operations::router(self.foundation.metrics.clone(), Arc::new(self.ready()))
    }

    /// Whether the gateway can serve.
    pub fn ready(&self) -> Ready {
        Ready(self.ledger.store().clone())
    }

    /// Whether the gateway answers at all: its store can be read. One that takes no writes is no reason to start anew.
    ///
    /// # Errors
    /// `Store`.
    pub async fn answers(&self) -> Result<(), Error> {
        self.ledger.store().engine().head().await?;
        Ok(())
    }

    /// Starts the listeners and the background work.
    ///
    /// # Errors
    /// `Listener`, `Configuration` for a certificate that cannot be used.
    pub fn listen(&self) -> Result<Listening, Error> {
        let listen = &self.config.listen;
        let certificates = match &listen.tls {
            None => None,
            Some(tls) => {
                let now = self.foundation.clock.now();
                let opened = Certificates::open(&tls.certificate, &tls.key, now);
                Some(opened.map_err(|error| Error::configuration("listen.tls", error))?)
            }
        };
        if let Some(certificates) = &certificates {
            self.foundation.metrics.certificate_expires("tls", certificates.expires());
        }
        self.reload_in_force(certificates.as_ref());
        let mut public = self.settings("public", Bind::Tcp(listen.address));
        public.tls.clone_from(&certificates);
        public.trusted_proxies.clone_from(&listen.trusted_proxies);
        public.hosts = Hosts::only(self.config.public_url.host_str());
        let public = self.start(public, self.public_router())?;
        let operations = self.settings("operations", Bind::Tcp(listen.operations));
        let operations = self.start(operations, self.operations_router())?;
        let bind = Bind::Unix { path: listen.admin.clone(), mode: ADMIN_SOCKET_MODE };
        let admin = self.start(self.settings("admin", bind), self.admin_router())?;
        self.limits.run(&self.foundation.tasks);
        self.ledger.keep(&self.foundation.tasks);
        self.outbox.run(&self.foundation.tasks);
        self.login.run(&self.foundation.tasks);
        self.login.hear(&self.foundation.tasks);
        self.measure();
        self.pull();
        self.watch_providers();
        Ok(Listening { public, operations, admin, certificates })
    }

    /// Looks after the providers of sign-ins now and then, as long as the tasks run.
    pub fn watch_providers(&self) {
        watch::start(&self.login, &self.ledger, &self.foundation);
    }

    /// Keeps the figures of the store fresh for whoever asks the operations listener.
    fn measure(&self) {
        let (store, metrics) = (self.ledger.store().clone(), self.foundation.metrics.clone());
        let look = move || {
            metrics.store_size(store.engine().health().size_bytes);
            std::future::ready(())
        };
        drop(look());
        self.foundation.tasks.every("measure", MEASURE_EVERY, look);
        if self.config.seats.is_some() {
            self.count_seats();
        }
        self.count_sessions();
        self.write_uses();
        let gateway = self.clone();
        self.foundation.tasks.every("brakes", MEASURE_EVERY, move || {
            let gateway = gateway.clone();
            async move {
                if let Err(error) = gateway.look_at_brakes().await {
                    tracing::warn!("the brakes were not looked at: {}", Chain(&error));
                }
            }
        });
    }

    /// Counts the seats anew once, and keeps the counts fresh.
    fn count_seats(&self) {
        let access = self.access.clone();
        self.foundation.tasks.spawn("count-seats", async move {
            let permit = access.task_permit("seats", None);
            if let Err(error) = access.recount_seats(&permit).await {
                tracing::warn!("the seats were not counted: {}", Chain(&error));
            }
        });
        let watch = self.seat_watch();
        self.foundation.tasks.every("seats", SEATS_EVERY, move || {
            let watch = watch.clone();
            async move {
                if let Err(error) = watch.look().await {
                    tracing::warn!("the seats were not counted: {}", Chain(&error));
                }
            }
        });
    }

    /// What tells how many seats are taken.
    pub fn seat_watch(&self) -> SeatWatch {
        SeatWatch::new(&self.access, &self.ledger, &self.foundation)
    }

    /// Writes now and then which rights were used.
    fn write_uses(&self) {
        let gateway = self.clone();
        self.foundation.tasks.every("uses-of-rights", USES_EVERY, move || {
            let gateway = gateway.clone();
            async move {
                if let Err(error) = gateway.keep_uses().await {
                    tracing::warn!("which rights were used was not written, the next round does: {}", Chain(&error));
                }
            }
        });
    }

    /// Keeps the figure of the sessions.
    fn count_sessions(&self) {
        let (sessions, metrics) = (self.sessions.clone(), self.foundation.metrics.clone());
        let count = move || {
            let (sessions, metrics) = (sessions.clone(), metrics.clone());
            async move { counted::count_sessions(&sessions, &metrics).await }
        };
        self.foundation.tasks.spawn("first-count-of-sessions", count());
        self.foundation.tasks.every("count-sessions", SESSIONS_EVERY, count);
    }

    /// Pulls each directory now and then as often as its section says.
    fn pull(&self) {
        for section in &self.config.ldap {
            let Some(sync) = self.syncs.get(&section.id).cloned() else { continue };
            let (metrics, clock) = (self.foundation.metrics.clone(), self.foundation.clock.clone());
            let run = move || {
                let (sync, metrics, clock) = (sync.clone(), metrics.clone(), clock.clone());
                async move {
                    // A run that stops has told the log and the ledger why.
                    if let Ok(outcome) = sync.run().await {
                        metrics.ldap_sync_succeeded(sync.id().as_str(), clock.now());
                        for (what, count) in outcome.counts.named().into_iter().filter(|(what, _)| *what != "unchanged")
                        {
                            let count = u64::try_from(count).unwrap_or(u64::MAX);
                            metrics.ldap_sync_changed(sync.id().as_str(), what, count);
                        }
                    }
                }
            };
            self.foundation.tasks.spawn(format!("first-sync:{}", section.id), run());
            self.foundation.tasks.every(format!("sync:{}", section.id), section.every, run);
        }
    }

    fn settings(&self, name: &'static str, bind: Bind) -> ListenerSettings {
        let mut settings = ListenerSettings::new(name, bind);
        settings.ids = self.foundation.ids.clone();
        settings.metrics = self.foundation.metrics.clone();
        settings
    }

    fn start(&self, settings: ListenerSettings, router: axum::Router) -> Result<Bound, Error> {
        let name = settings.name;
        http::serve(settings, router, &self.foundation.tasks).map_err(|source| Error::Listener { name, source })
    }
}
