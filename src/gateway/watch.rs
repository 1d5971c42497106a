//! Looks after providers in the background: reads their documents again when that is due, and tells in time which
//! certificates end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::Foundation;
use crate::audit::{Event, EventKind, Ledger, Outcome};
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::error::Chain;
use crate::http::Metrics;
use crate::login::Login;
use crate::model::{Actor, SourceId};
use crate::upstream::{CertificateUse, Health};

/// How often it is looked whether something is due.
const EVERY: Duration = Duration::from_secs(5 * 60);
/// How often a certificate is told of.
const AGAIN: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What looks after the connectors of a gateway.
#[derive(Clone)]
struct Watch {
    login: Login,
    ledger: Ledger,
    clock: Clock,
    metrics: Metrics,
    /// When each certificate was told of last.
    told: Arc<Mutex<BTreeMap<(SourceId, String), Timestamp>>>,
}

/// Looks now and then from now on, as long as the tasks run, where there is anything to look after.
pub(super) fn start(login: &Login, ledger: &Ledger, foundation: &Foundation) {
    if login.redirects().is_empty() {
        return;
    }
    let Foundation { clock, metrics, tasks, .. } = foundation;
    let (login, ledger, clock, metrics) = (login.clone(), ledger.clone(), clock.clone(), metrics.clone());
    let watch = Watch { login, ledger, clock, metrics, told: Arc::default() };
    let first = watch.clone();
    tasks.spawn("providers", async move { first.look().await });
    tasks.every("providers", EVERY, move || {
        let watch = watch.clone();
        async move { watch.look().await }
    });
}

impl Watch {
    /// Does what is due and tells of what ends.
    async fn look(&self) {
        let mut earliest: Option<Timestamp> = None;
        for (id, redirect) in self.login.redirects() {
            redirect.upkeep().await;
            let Some(health) = redirect.health() else { continue };
            let theirs = health.certificates.iter().filter(|certificate| certificate.usage == "provider signing");
            earliest = earliest.into_iter().chain(theirs.map(|certificate| certificate.expires)).min();
            self.tell(&id, &health).await;
        }
        if let Some(earliest) = earliest {
            self.metrics.certificate_expires("saml_signing", earliest);
        }
    }

    async fn tell(&self, id: &SourceId, health: &Health) {
        let now = self.clock.now();
        for certificate in health.ending(now) {
            let key = (id.clone(), certificate.fingerprint.clone());
            let last = self.told.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
            if last.is_some_and(|last| now < last.plus(AGAIN)) {
                continue;
            }
            tracing::warn!(connector.id = %id, "{}", ending(certificate));
            let actor = Actor::System { task: "providers".to_owned() };
            let event = Event::new(now, EventKind::CertificateEnding, &actor)
                .outcome(Outcome::Failed)
                .on("connector", id, "")
                .detail("use", certificate.usage)
                .detail("fingerprint", &certificate.fingerprint)
                .detail("ends", certificate.expires);
            match self.ledger.record(event).await {
                Ok(_) => drop(self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(key, now)),
                Err(error) => tracing::warn!("that a certificate ends was not recorded: {}", Chain(&error)),
            }
        }
    }
}

/// A certificate that ends, as a sentence.
fn ending(certificate: &CertificateUse) -> String {
    let CertificateUse { usage, fingerprint, expires } = certificate;
    format!("the certificate {} ({usage}) ends at {expires}", fingerprint.get(..16).unwrap_or(fingerprint))
}

/// What cannot be used of keys and metadata files, each with its place; nothing is connected to.
pub(super) fn problems(config: &Config) -> Vec<(String, String)> {
    let wrong = |saml| super::sources::saml_files(saml).err();
    config.saml.iter().filter_map(wrong).filter_map(|error| error.place()).collect()
}

/// Certificates in files that end within 30 days of `now`, each with its place.
pub(super) fn ending_in_files(config: &Config, now: Timestamp) -> Vec<(String, String)> {
    let mut told = Vec::new();
    for saml in &config.saml {
        let Ok(health) = super::sources::saml_files(saml) else { continue };
        told.extend(health.ending(now).map(|certificate| (format!("saml.{}", saml.id), ending(certificate))));
    }
    told
}
