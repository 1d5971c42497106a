//! Reading the configuration again while the daemon runs.
//!
//! Certificates, the log filter, the policy pack with its options, the tests of the policy and files with the metadata of
//! SAML providers change at once, without a connection lost. What else has changed is named and takes effect at the next start. A configuration with problems, and
//! a pack that would break a test which holds, change nothing.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use futures_util::future::BoxFuture;

use super::policy::PolicyInForce;
use crate::api::Control;
use crate::clock::Clock;
use crate::config::{Config, Log, Problem};
use crate::http::{Certificates, Metrics};
use crate::model::SourceId;
use crate::secret::sha256;
use crate::upstream::RedirectConnector;

type Read = dyn Fn() -> Result<Config, Vec<Problem>> + Send + Sync;
type Filter = dyn Fn(&Log) + Send + Sync;
type Providers = Vec<(SourceId, Arc<dyn RedirectConnector>)>;

/// Reads the configuration again. Cloning shares it.
#[derive(Clone)]
pub struct Reload(Arc<Shared>);

struct Shared {
    read: Option<Box<Read>>,
    filter: Box<Filter>,
    clock: Clock,
    metrics: Metrics,
    certificates: OnceLock<Certificates>,
    policy: OnceLock<PolicyInForce>,
    /// Whose files are read again.
    providers: OnceLock<Providers>,
    sections: Mutex<Vec<(&'static str, String)>>,
    /// That of the configuration that was read last.
    digest: Mutex<Option<String>>,
    /// One after the other: what was read first is in force first.
    turn: tokio::sync::Mutex<()>,
}

impl fmt::Debug for Reload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reload")
    }
}

impl Reload {
    /// Reading by `read`; a new log filter is put in force by `filter`.
    pub fn new(
        read: impl Fn() -> Result<Config, Vec<Problem>> + Send + Sync + 'static,
        filter: impl Fn(&Log) + Send + Sync + 'static,
        clock: Clock,
        metrics: Metrics,
    ) -> Self {
        Self::of(Some(Box::new(read)), Box::new(filter), clock, metrics)
    }

    /// For a gateway whose configuration is in no file.
    pub fn unavailable() -> Self {
        Self::of(None, Box::new(|_| ()), Clock::system(), Metrics::new())
    }

    fn of(read: Option<Box<Read>>, filter: Box<Filter>, clock: Clock, metrics: Metrics) -> Self {
        let (certificates, policy, providers) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        let (sections, digest, turn) = (Mutex::default(), Mutex::default(), tokio::sync::Mutex::default());
        Self(Arc::new(Shared { read, filter, clock, metrics, certificates, policy, providers, sections, digest, turn }))
    }

    /// What is in force from the start.
    pub(super) fn started(
        &self,
        config: &Config,
        certificates: Option<&Certificates>,
        policy: PolicyInForce,
        providers: Providers,
    ) {
        self.0.policy.get_or_init(|| policy);
        self.0.providers.get_or_init(|| providers);
        self.note(config);
        *self.0.sections.lock().unwrap_or_else(PoisonError::into_inner) = sections(config);
        if let Some(certificates) = certificates {
            self.0.certificates.get_or_init(|| certificates.clone());
        }
    }

    fn note(&self, config: &Config) {
        *self.0.digest.lock().unwrap_or_else(PoisonError::into_inner) = Some(digest(config));
    }

    async fn run(&self) -> Result<Vec<String>, Vec<String>> {
        let shared = &*self.0;
        let _turn = shared.turn.lock().await;
        let read = shared.read.as_ref().ok_or_else(|| vec!["this gateway's configuration is in no file".to_owned()])?;
        let config = read().map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        let policy = match shared.policy.get() {
            Some(policy) => Some((policy, policy.check(&config).await?)),
            None => None,
        };
        if let Some(certificates) = shared.certificates.get() {
            let failed = |error: crate::http::Error| vec![format!("listen.tls: {error}")];
            certificates.reload(shared.clock.now()).map_err(failed)?;
        }
        (shared.filter)(&config.log);
        let mut notes: Vec<String> = config.warnings.iter().map(ToString::to_string).collect();
        if let Some((policy, pack)) = policy {
            notes.extend(policy.apply(pack, &config).await);
        }
        notes.extend(self.reread_providers().await);
        let running = shared.sections.lock().unwrap_or_else(PoisonError::into_inner);
        let changed: Vec<&str> = sections(&config)
            .iter()
            .zip(running.iter())
            .filter(|(new, old)| new.1 != old.1)
            .map(|(new, _)| new.0)
            .collect();
        drop(running);
        self.note(&config);
        if !changed.is_empty() {
            notes.push(format!("takes effect at the next start: {}", changed.join(", ")));
        }
        // What a start refuses is told by now, and not at night.
        let refused = super::check(&config);
        notes.extend(refused.iter().map(|(key, reason)| format!("the next start is refused: `{key}` {reason}")));
        Ok(notes)
    }

    /// Reads the files of providers again that have changed, and tells which.
    async fn reread_providers(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for (id, provider) in self.0.providers.get().into_iter().flatten() {
            match provider.reread().await {
                Ok(true) => notes.push(format!("the metadata of `{id}` was read again")),
                Ok(false) => {}
                Err(error) => notes.push(format!("the metadata of `{id}` stays as it was: {error}")),
            }
        }
        notes
    }
}

/// The sections that need a start, as text to compare; secrets do not print, so a changed secret is not seen here.
fn sections(config: &Config) -> Vec<(&'static str, String)> {
    // Each by name, so that a new one cannot be left out.
    let Config {
        public_url,
        contact,
        plan,
        seats,
        listen,
        store,
        scim,
        schemas,
        ldap,
        saml,
        oidc,
        mappings,
        lockout,
        password,
        factors,
        sign_in,
        session,
        invitations,
        tokens,
        limits,
        audit,
        mail,
        notify,
        outbound,
        // What a reload puts in force.
        policy: _,
        tests: _,
        log: _,
        warnings: _,
    } = config;
    vec![
        ("public_url", format!("{public_url:?}")),
        ("contact", format!("{contact:?}")),
        ("listen", format!("{listen:?}")),
        ("store", format!("{store:?}")),
        ("plan", format!("{plan:?}")),
        ("seats", format!("{seats:?}")),
        ("scim", format!("{scim:?}")),
        ("schema, resource_type", format!("{schemas:?}")),
        ("ldap", format!("{ldap:?}")),
        ("saml", format!("{saml:?}")),
        ("oidc", format!("{oidc:?}")),
        ("mapping", format!("{mappings:?}")),
        ("lockout", format!("{lockout:?}")),
        ("password", format!("{password:?}")),
        ("factors", format!("{factors:?}")),
        ("sign_in", format!("{sign_in:?}")),
        ("session", format!("{session:?}")),
        ("tokens", format!("{tokens:?}")),
        ("limits", format!("{limits:?}")),
        ("audit", format!("{audit:?}")),
        ("invitations", format!("{invitations:?}")),
        ("mail", format!("{mail:?}")),
        ("notify", format!("{notify:?}")),
        ("outbound", format!("{outbound:?}")),
    ]
}

/// SHA-256 of everything that a configuration says, in hexadecimal: another one is another configuration. Secrets do not
/// print, so another secret is the same.
fn digest(config: &Config) -> String {
    let mut text = sections(config);
    text.push(("policy", format!("{:?}", config.policy)));
    text.push(("test", format!("{:?}", config.tests)));
    text.push(("log", format!("{:?}", config.log)));
    let hash = sha256(format!("{text:?}").as_bytes());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Control for Reload {
    fn digest(&self) -> Option<String> {
        self.0.digest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn reload(&self) -> BoxFuture<'_, Result<Vec<String>, Vec<String>>> {
        Box::pin(async move {
            let outcome = self.run().await;
            self.0.metrics.config_reloaded(outcome.is_ok(), self.0.clock.now());
            outcome
        })
    }
}
