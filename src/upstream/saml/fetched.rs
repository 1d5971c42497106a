//! A SAML connector whose identity provider's metadata is read from an address.
//!
//! The provider may be down when the gateway starts: then the first sign-in that finds it up reads it. A newer document
//! that cannot be used leaves the last good one in force.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Mutex;
use url::Url;

use super::{Addresses, AttributeNames, IdpMetadata, METADATA_TYPE, Options, Reading, SamlConnector, Settings};
use crate::clock::{Clock, Timestamp};
use crate::http::outbound::{Outbound, Provenance};
use crate::model::SourceId;
use crate::secret::IdSource;
use crate::session::AtUpstream;
use crate::upstream::{
    Answer, AssertedIdentity, Delivery, Departure, Error, LogoutMessage, LogoutRequest, RedirectConnector, Start,
};

/// How long after a failed attempt the next one is made.
const COOL_DOWN: Duration = Duration::from_secs(10);

/// What a connector is built from once there is metadata.
#[derive(Clone, Debug)]
pub struct FetchedSettings {
    /// Its id, part of its addresses.
    pub id: SourceId,
    /// The gateway's own address, without path.
    pub public_url: String,
    /// Where the metadata is.
    pub address: Url,
    /// How much the provider's clock may differ from ours.
    pub clock_skew: Duration,
    /// Which attributes mean what.
    pub attributes: AttributeNames,
    /// Domains whose e-mail addresses this provider is trusted to have verified.
    pub domains: Vec<String>,
    /// What is chosen for this provider.
    pub options: Options,
    /// How the document is read.
    pub reading: Reading,
}

/// The connector. Cloning shares it.
#[derive(Clone)]
pub struct FetchedSaml(Arc<Shared>);

struct Shared {
    settings: FetchedSettings,
    outbound: Outbound,
    clock: Clock,
    ids: IdSource,
    inner: OnceLock<SamlConnector>,
    failed: Mutex<Option<Timestamp>>,
}

impl FetchedSaml {
    /// A connector; nothing is asked yet.
    pub fn new(settings: FetchedSettings, outbound: Outbound, clock: Clock, ids: IdSource) -> Self {
        let (inner, failed) = (OnceLock::new(), Mutex::new(None));
        Self(Arc::new(Shared { settings, outbound, clock, ids, inner, failed }))
    }

    /// Reads the metadata again.
    ///
    /// # Errors
    /// `Unavailable` with the reason; what was in force stays in force.
    pub async fn refresh(&self) -> Result<(), Error> {
        let shared = &*self.0;
        let accept = format!("{METADATA_TYPE}, application/xml;q=0.9, text/xml;q=0.8");
        let response = shared
            .outbound
            .get(&shared.settings.address, &Provenance::Administrator, &accept)
            .await
            .map_err(|error| unavailable(&error))?;
        if !response.status.is_success() {
            return Err(unavailable(&format!("{} answered {}", shared.settings.address, response.status)));
        }
        let idp =
            IdpMetadata::parse_as(&response.body, &shared.settings.reading).map_err(|error| unavailable(&error))?;
        if let Some(connector) = shared.inner.get() {
            return connector.replace_metadata(idp).map_err(|error| unavailable(&error));
        }
        let FetchedSettings { id, public_url, clock_skew, attributes, domains, options, .. } = shared.settings.clone();
        let settings = Settings { id, public_url, idp, clock_skew, attributes, domains, options };
        let connector = SamlConnector::new(settings, shared.clock.clone(), shared.ids.clone());
        // Somebody else may have been faster; theirs is as good.
        shared.inner.get_or_init(|| connector);
        Ok(())
    }

    async fn connector(&self) -> Result<&SamlConnector, Error> {
        let shared = &*self.0;
        if let Some(connector) = shared.inner.get() {
            return Ok(connector);
        }
        let mut failed = shared.failed.lock().await;
        let now = shared.clock.now();
        if shared.inner.get().is_none() && failed.is_none_or(|at| now >= at.plus(COOL_DOWN)) {
            // Marked before asking: a caller that gives up leaves the cool-down behind.
            *failed = Some(now);
            self.refresh().await?;
        }
        shared.inner.get().ok_or_else(|| unavailable(&"its metadata could not be read a moment ago"))
    }
}

fn unavailable(reason: &dyn std::fmt::Display) -> Error {
    Error::Unavailable { reason: format!("SAML metadata: {reason}") }
}

impl RedirectConnector for FetchedSaml {
    fn id(&self) -> &SourceId {
        &self.0.settings.id
    }

    fn start(&self) -> BoxFuture<'_, Result<Start, Error>> {
        Box::pin(async move { self.connector().await?.start().await })
    }

    fn finish<'a>(&'a self, pending: &'a [u8], answer: &'a Answer) -> BoxFuture<'a, Result<AssertedIdentity, Error>> {
        Box::pin(async move { self.connector().await?.finish(pending, answer).await })
    }

    fn takes_unsolicited(&self) -> bool {
        self.0.settings.options.unsolicited
    }

    fn finish_unsolicited<'a>(&'a self, answer: &'a Answer) -> BoxFuture<'a, Result<AssertedIdentity, Error>> {
        Box::pin(async move { self.connector().await?.finish_unsolicited(answer).await })
    }

    fn has_logout(&self) -> bool {
        !self.0.settings.options.keys.signing.is_empty()
    }

    fn start_logout<'a>(&'a self, at: &'a AtUpstream) -> BoxFuture<'a, Result<Option<Start>, Error>> {
        Box::pin(async move { self.connector().await?.start_logout(at).await })
    }

    fn read_logout<'a>(&'a self, delivery: Delivery<'a>) -> BoxFuture<'a, Result<LogoutMessage, Error>> {
        Box::pin(async move { self.connector().await?.read_logout(delivery).await })
    }

    fn answer_logout<'a>(&'a self, request: &'a LogoutRequest) -> BoxFuture<'a, Result<Departure, Error>> {
        Box::pin(async move { self.connector().await?.answer_logout(request).await })
    }

    fn metadata(&self) -> Option<(&'static str, String)> {
        let settings = &self.0.settings;
        Some(Addresses::of(&settings.public_url, &settings.id).publish(&settings.options))
    }
}
