//! A SAML connector whose identity provider's metadata is read from an address, or from a file that may change.
//!
//! The document is read again as often as it asks for, an hour where it does not, at half the time that it is valid for at
//! the latest, and once in between when an answer is
//! signed by a key that is not in it, so that a change of keys fails no sign-in. A document that cannot be used leaves the
//! last good one in force; that one is kept in the store, for a provider that is down when the gateway starts. Only the
//! same entity is followed, whatever the address serves.
//!
//! A file is looked at as often, and is read when it is another one than the last time; it keeps nothing in the store.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as State, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use minicbor::{Decode, Encode};
use tokio::io::AsyncReadExt as _;
use tokio::sync::Mutex;
use url::Url;

use super::{
    Addresses, AttributeNames, IdpMetadata, METADATA_TYPE, Options, Reading, SamlConnector, Settings, Signers,
};
use crate::audit::{Change, Event, EventKind, Housekeeping, Ledger, Outcome};
use crate::clock::{Clock, Timestamp};
use crate::error::Chain;
use crate::http::outbound::{self, Outbound, Provenance, Response};
use crate::model::{Actor, OrganisationId, SourceId};
use crate::secret::{IdSource, sha256};
use crate::session::AtUpstream;
use crate::store::{self, Table};
use crate::upstream::trial::{check_clock, judged};
use crate::upstream::{
    Answer, AssertedIdentity, Checks, Delivery, Departure, Error, Health, LogoutMessage, LogoutRequest,
    RedirectConnector, Start, Trial,
};

/// How long after an attempt that was made for somebody who waits the next one is made.
const COOL_DOWN: Duration = Duration::from_secs(10);
/// How often an unknown key leads to an attempt at once, and how long it takes until one more may: whoever forges an
/// answer must not keep a new key from being found, nor have us ask for each.
const KEY_BURST: u32 = 3;
const KEY_COOL_DOWN: Duration = Duration::from_secs(60);
/// How often a document is read that does not say how long it may be kept.
const EVERY: Duration = Duration::from_secs(60 * 60);
/// The bounds of what a document may say.
const SHORTEST: Duration = Duration::from_secs(5 * 60);
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// Largest document that is kept in the store; of an aggregate only the provider's own part is.
const MAX_KEPT_BYTES: usize = 512 * 1024;

/// The last good documents by connector and address.
const KEPT: Table<(SourceId, [u8; 32]), Kept> = Table::new(0x59, "provider metadata");
/// Every tag of this module with its table's name.
pub const TABLES: [(u8, &str); 1] = [(0x59, KEPT.name())];

/// A document that was good.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
struct Kept {
    #[n(0)]
    document: String,
    #[n(1)]
    valid_until: Option<Timestamp>,
    #[n(2)]
    read: Timestamp,
}

/// Where metadata is read.
#[derive(Clone, Debug)]
pub enum MetadataPlace {
    /// At an address, by this way out.
    Address(Url, Outbound),
    /// In a file.
    File(PathBuf),
}

impl MetadataPlace {
    /// As it is told.
    fn name(&self) -> String {
        match self {
            Self::Address(address, _) => address.to_string(),
            Self::File(path) => path.display().to_string(),
        }
    }

    const fn is_file(&self) -> bool {
        matches!(self, Self::File(_))
    }
}

/// What tells that a file is another one, or may be read by now: its inode, when that changed last, in seconds and
/// nanoseconds, and its size.
type Stamp = (u64, i64, i64, u64);

/// What a connector is built from once there is metadata.
#[derive(Clone, Debug)]
pub struct FetchedSettings {
    /// Its id, part of its addresses.
    pub id: SourceId,
    /// The gateway's own address, without path.
    pub public_url: String,
    /// Where the metadata is.
    pub place: MetadataPlace,
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
    ledger: Ledger,
    clock: Clock,
    ids: IdSource,
    inner: OnceLock<SamlConnector>,
    /// When the address or the file was asked last; whoever asks holds it.
    asked: Mutex<Option<Timestamp>>,
    /// When it will have been long enough that nothing counts of the attempts because of unknown keys: each puts it off by
    /// one cool-down. Whoever asks for that holds it.
    asked_for_key: Mutex<Timestamp>,
    /// Whether somebody began to look for a new key and may have been cut off.
    owed: AtomicBool,
    state: State<Known>,
}

/// What is known about the document in force.
#[derive(Clone, Debug, Default)]
struct Known {
    read: Option<Timestamp>,
    problem: Option<String>,
    /// Of the file that was read last, good or not.
    stamp: Option<Stamp>,
}

impl FetchedSaml {
    /// A connector; nothing is asked yet. What was good is kept in the ledger's store.
    pub fn new(settings: FetchedSettings, ledger: Ledger, clock: Clock, ids: IdSource) -> Self {
        let (inner, asked, asked_for_key) = (OnceLock::new(), Mutex::new(None), Mutex::new(Timestamp::default()));
        let (owed, state) = (AtomicBool::new(false), State::default());
        Self(Arc::new(Shared { settings, ledger, clock, ids, inner, asked, asked_for_key, owed, state }))
    }

    /// Puts in force what `read` gives, of a file at the start.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn begin_with<E>(&self, read: impl FnOnce() -> Result<IdpMetadata, E>) -> Result<(), E> {
        // Taken before it is read: what is written meanwhile is read the next time.
        let stamp = self.0.stamp();
        let connector = self.0.build(read()?);
        self.0.inner.get_or_init(|| connector);
        self.0.know(Known { read: Some(self.0.clock.now()), stamp, ..Known::default() });
        Ok(())
    }

    /// Reads the metadata again, and tells whether anything in it is new.
    ///
    /// # Errors
    /// `Unavailable` with the reason; what was in force stays in force.
    pub async fn refresh(&self) -> Result<bool, Error> {
        // Held until the end: who signs in meanwhile waits for what comes.
        let mut asked = self.0.asked.lock().await;
        *asked = Some(self.0.clock.now());
        let outcome = self.0.refresh().await;
        self.0.owed.store(false, Ordering::Relaxed);
        outcome
    }

    async fn reread_file(&self) -> Result<bool, Error> {
        if self.0.settings.place.is_file() && self.0.can_be_new() { self.refresh().await } else { Ok(false) }
    }

    /// Reads the metadata again when it is time to.
    async fn refresh_when_due(&self) {
        let known = self.0.known();
        if self.0.settings.place.is_file() {
            // A file that is gone has no stamp; as one that cannot be used it is in the ledger once.
            if known.stamp.is_none() || self.0.stamp() != known.stamp {
                self.refresh_and_warn().await;
            }
            return;
        }
        let idp = self.0.inner.get().map(SamlConnector::idp);
        let cached = idp.as_ref().and_then(|idp| idp.cache_duration());
        let every = cached.map_or(EVERY, |cached| cached.clamp(SHORTEST, LONGEST));
        let is_due = self.0.owed.load(Ordering::Relaxed)
            || known.problem.is_some()
            || known.read.is_none_or(|read| {
                // Long before it ends, whatever else it asks for.
                let lasts = idp.as_ref().and_then(|idp| idp.valid_until()).map(|end| end.since(read) / 2);
                let every = lasts.map_or(every, |lasts| every.min(lasts.max(SHORTEST)));
                self.0.clock.now() >= read.plus(every)
            });
        if is_due {
            self.refresh_and_warn().await;
        }
    }

    async fn refresh_and_warn(&self) {
        if let Err(error) = self.refresh().await {
            tracing::warn!("metadata was not read again, the last is in force: {error}");
        }
    }

    async fn connector(&self) -> Result<&SamlConnector, Error> {
        let shared = &*self.0;
        if let Some(connector) = shared.inner.get() {
            return Ok(connector);
        }
        let mut asked = shared.asked.lock().await;
        let now = shared.clock.now();
        if shared.inner.get().is_none() && asked.is_some_and(|at| now < at.plus(COOL_DOWN)) {
            // It was asked at the start, say, and is not asked by each who comes.
            shared.take_kept().await?;
        } else if shared.inner.get().is_none() {
            // Marked before asking: a caller that gives up leaves the cool-down behind.
            *asked = Some(now);
            if let Err(error) = shared.refresh().await
                && !shared.take_kept().await?
            {
                return Err(error);
            }
        }
        shared.inner.get().ok_or_else(|| unavailable(&"its metadata could not be read a moment ago"))
    }

    /// Whether there are new keys, after an answer was signed by one that we do not know.
    async fn has_new_keys(&self, error: Option<&Error>) -> bool {
        // Where the cipher can be altered, a wrong signature within looks like what does not open.
        let is_hidden = self.0.settings.options.allow_cbc;
        match error {
            Some(Error::Refused { rule: "signature", .. }) => {}
            Some(Error::Refused { rule: "encrypted", .. }) if is_hidden => {}
            _ => return false,
        }
        let before = self.fingerprints();
        if !self.0.can_be_new() {
            return false;
        }
        let mut asked = self.0.asked_for_key.lock().await;
        let now = self.0.clock.now();
        if self.fingerprints() == before {
            let next = now.max(*asked).plus(KEY_COOL_DOWN);
            if next > now.plus(KEY_COOL_DOWN * KEY_BURST) {
                return false;
            }
            *asked = next;
            // Whoever sent the answer may not wait for the end of this; then upkeep makes up for it.
            self.0.owed.store(true, Ordering::Relaxed);
            if let Err(error) = self.refresh().await {
                tracing::warn!("an answer is signed by an unknown key, and metadata cannot be read again: {error}");
            }
        }
        self.fingerprints() != before
    }

    fn fingerprints(&self) -> Vec<String> {
        let idp = self.0.inner.get().map(SamlConnector::idp);
        idp.iter().flat_map(|idp| idp.certificates()).map(|certificate| certificate.fingerprint.clone()).collect()
    }
}

fn unavailable(reason: &dyn std::fmt::Display) -> Error {
    Error::Unavailable { reason: format!("SAML metadata: {reason}") }
}

impl Shared {
    fn known(&self) -> Known {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn know(&self, known: Known) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = known;
    }

    fn key(&self) -> (SourceId, [u8; 32]) {
        let mut from = self.settings.place.name();
        // What was good without a signature, or by another one, is not good by this one.
        for signer in self.settings.reading.signers.iter().flat_map(Signers::fingerprints) {
            from.push('\n');
            from.push_str(signer);
        }
        (self.settings.id.clone(), sha256(from.as_bytes()))
    }

    fn event(&self, kind: EventKind) -> Event {
        let actor = Actor::System { task: "metadata".to_owned() };
        let event = Event::new(self.clock.now(), kind, &actor).on("connector", &self.settings.id, "");
        event.detail(if self.settings.place.is_file() { "file" } else { "address" }, self.settings.place.name())
    }

    async fn refresh(&self) -> Result<bool, Error> {
        // Taken before it is read: what is written meanwhile is read the next time.
        let stamp = self.stamp();
        match self.read_again().await {
            Ok(is_new) => {
                self.know(Known { read: Some(self.clock.now()), problem: None, stamp });
                Ok(is_new)
            }
            Err((error, is_refused)) => {
                let (before, reason) = (self.known(), error.to_string());
                // An address that does not answer is no news of the ledger's; a document that is refused is, once.
                if is_refused && before.problem.as_ref() != Some(&reason) {
                    let event = self.event(EventKind::MetadataRefused).outcome(Outcome::Failed);
                    if let Err(error) = self.ledger.record(event.detail("reason", &reason)).await {
                        tracing::warn!("that metadata was refused was not recorded: {}", Chain(&error));
                    }
                }
                // What could not be read, or recorded, may be good as it stands.
                self.know(Known { problem: Some(reason), stamp: stamp.filter(|_| is_refused), ..before });
                Err(error)
            }
        }
    }

    /// What tells whether the file has changed; none where it is not there, and of an address.
    fn stamp(&self) -> Option<Stamp> {
        let MetadataPlace::File(path) = &self.settings.place else { return None };
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.ino(), metadata.ctime(), metadata.ctime_nsec(), metadata.len()))
    }

    /// Whether reading again could give anything else: a file that is what was read last does not.
    fn can_be_new(&self) -> bool {
        let read = self.known().stamp;
        read.is_none() || read != self.stamp()
    }

    /// Asks for the document.
    async fn ask(&self, address: &Url, outbound: &Outbound) -> Result<Response, outbound::Error> {
        let accept = format!("{METADATA_TYPE}, application/xml;q=0.9, text/xml;q=0.8");
        outbound.get(address, &Provenance::Administrator, &accept).await
    }

    /// The document; an error tells whether it was there and refused.
    async fn read(&self) -> Result<Bytes, (Error, bool)> {
        let (address, outbound) = match &self.settings.place {
            MetadataPlace::Address(address, outbound) => (address, outbound),
            MetadataPlace::File(path) => {
                let unread = |error| (unavailable(&format!("{} cannot be read: {error}", path.display())), true);
                return self.read_file(path).await.map(Bytes::from).map_err(unread);
            }
        };
        let response = self.ask(address, outbound).await.map_err(|error| (unavailable(&error), false))?;
        if !response.status.is_success() {
            return Err((unavailable(&format!("{address} answered {}", response.status)), false));
        }
        Ok(response.body)
    }

    /// A file, up to one byte more than it may have, which is refused then.
    async fn read_file(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        let most = u64::try_from(self.settings.reading.max_bytes).unwrap_or(u64::MAX).saturating_add(1);
        let mut document = Vec::new();
        tokio::fs::File::open(path).await?.take(most).read_to_end(&mut document).await?;
        Ok(document)
    }

    /// Looks at the document as it is at its place now, whatever is in force.
    async fn examine(&self) -> Checks {
        const AFTER: [&str; 7] = ["entity", "certificates", "validity", "address", "signing", "decryption", "request"];
        let mut checks = Checks::default();
        let document = match &self.settings.place {
            MetadataPlace::Address(address, outbound) => {
                let response = match self.ask(address, outbound).await {
                    Ok(response) if response.status.is_success() => response,
                    Ok(response) => {
                        checks.fail("reachable", format!("{address} answered {}", response.status));
                        checks.leave_open(&AFTER);
                        return checks;
                    }
                    Err(error) => {
                        checks.fail("reachable", format!("{address}: {}", Chain(&error)));
                        checks.leave_open(&AFTER);
                        return checks;
                    }
                };
                checks.pass("reachable", format!("metadata, {} bytes, at {address}", response.body.len()));
                match address.scheme() {
                    "https" => checks.pass("tls", "the certificate is trusted"),
                    _ => checks.doubt("tls", "plain HTTP, which is for loopback only"),
                }
                check_clock(&mut checks, &response.headers, self.clock.now(), self.settings.clock_skew);
                response.body
            }
            MetadataPlace::File(_) => match self.read().await {
                Ok(document) => document,
                Err((error, _)) => {
                    checks.fail("metadata", error.to_string());
                    checks.leave_open(&AFTER);
                    return checks;
                }
            },
        };
        match IdpMetadata::parse_as(&document, &self.settings.reading) {
            Ok(idp) => {
                if !self.settings.place.is_file() {
                    checks.pass("metadata", "complete");
                }
                checks.extend(self.build(idp).examine_metadata());
            }
            Err(error) => {
                checks.fail("metadata", error.reason);
                checks.leave_open(&AFTER);
            }
        }
        checks
    }

    fn build(&self, idp: IdpMetadata) -> SamlConnector {
        let FetchedSettings { id, public_url, clock_skew, attributes, domains, options, .. } = self.settings.clone();
        let settings = Settings { id, public_url, idp, clock_skew, attributes, domains, options };
        SamlConnector::new(settings, self.clock.clone(), self.ids.clone())
    }

    /// Reads and takes the document; an error tells whether it was there and refused.
    async fn read_again(&self) -> Result<bool, (Error, bool)> {
        let document = self.read().await?;
        let idp = IdpMetadata::parse_as(&document, &self.settings.reading);
        let idp = idp.map_err(|error| (unavailable(&error), true))?;
        if let Some(end) = idp.valid_until().filter(|end| *end <= self.clock.now()) {
            return Err((unavailable(&format!("the document ended at {end}")), true));
        }
        let kept = self.kept().await.map_err(|error| (unavailable(&Chain(&error)), false))?;
        let kept_idp = kept.as_ref().and_then(Kept::parse);
        let before = self.inner.get().map(SamlConnector::idp);
        let known = before.as_deref().or(kept_idp.as_ref());
        if let Some(known) = known.filter(|known| known.entity_id() != idp.entity_id())
            && self.settings.reading.entity.as_deref() != Some(idp.entity_id())
        {
            let (new, old) = (idp.entity_id(), known.entity_id());
            let reason = format!("it describes `{new}`, not `{old}`; if that is meant, write `metadata.entity_id`");
            return Err((unavailable(&reason), true));
        }
        let is_new = known.is_none_or(|known| known.document() != idp.document());
        let changed = known.filter(|_| is_new).map(|known| self.tell_change(known, &idp));
        if self.settings.place.is_file() {
            if let Some(changed) = changed {
                self.ledger.record(changed).await.map_err(|error| (unavailable(&Chain(&error)), false))?;
            }
        } else if is_new || kept.is_none() {
            self.keep(&idp, changed).await.map_err(|error| (unavailable(&Chain(&error)), false))?;
        }
        self.put_in_force(idp).map_err(|error| (error, true))?;
        Ok(is_new)
    }

    fn put_in_force(&self, idp: IdpMetadata) -> Result<(), Error> {
        if let Some(connector) = self.inner.get() {
            return connector.replace_metadata(idp).map_err(|error| unavailable(&error));
        }
        let connector = self.build(idp);
        // Somebody else may have been faster; theirs is as good.
        self.inner.get_or_init(|| connector);
        Ok(())
    }

    fn tell_change(&self, before: &IdpMetadata, after: &IdpMetadata) -> Event {
        let prints = |idp: &IdpMetadata| -> Vec<String> {
            idp.certificates().iter().map(|certificate| certificate.fingerprint.clone()).collect()
        };
        let (old, new) = (prints(before), prints(after));
        let differ = |one: &[String], other: &[String]| {
            one.iter().filter(|print| !other.contains(print)).cloned().collect::<Vec<_>>().join(", ")
        };
        self.event(EventKind::MetadataChanged)
            .detail("entity", after.entity_id())
            .detail("keys_added", differ(&new, &old))
            .detail("keys_removed", differ(&old, &new))
    }

    async fn kept(&self) -> Result<Option<Kept>, store::Error> {
        self.ledger.store().find(&KEPT, OrganisationId::DEFAULT, &self.key()).await
    }

    /// Keeps a good document, with the event that tells of its difference to the last.
    async fn keep(&self, idp: &IdpMetadata, changed: Option<Event>) -> Result<(), store::Error> {
        let kept = Kept { document: idp.document().to_owned(), valid_until: idp.valid_until(), read: self.clock.now() };
        let write = |mut change: Change| {
            let (kept, changed) = (&kept, changed.clone());
            async move {
                if kept.document.len() <= MAX_KEPT_BYTES {
                    change.put(&KEPT, OrganisationId::DEFAULT, &self.key(), kept)?;
                } else {
                    change.delete(&KEPT, OrganisationId::DEFAULT, &self.key());
                }
                match changed {
                    Some(event) => change.commit(event).await,
                    None => change.commit_quietly(Housekeeping::SourceState).await,
                }
            }
        };
        match self.ledger.retry(write).await {
            Ok(_) => Ok(()),
            // A store that takes no writes is no reason to sign nobody in.
            Err(error) if !self.ledger.store().engine().health().writable => {
                tracing::warn!("metadata was not kept: {}", Chain(&error));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Puts the document in force that was good the last time, if there is one.
    async fn take_kept(&self) -> Result<bool, Error> {
        let kept = self.kept().await.map_err(|error| unavailable(&Chain(&error)))?;
        let Some((idp, read)) = kept.and_then(|kept| Some((kept.parse()?, kept.read))) else { return Ok(false) };
        self.put_in_force(idp)?;
        self.know(Known { read: Some(read), ..self.known() });
        Ok(true)
    }
}

impl Kept {
    fn parse(&self) -> Option<IdpMetadata> {
        let idp = IdpMetadata::parse(self.document.as_bytes()).ok()?;
        Some(idp.ending_by(self.valid_until))
    }
}

impl RedirectConnector for FetchedSaml {
    fn id(&self) -> &SourceId {
        &self.0.settings.id
    }

    fn start(&self) -> BoxFuture<'_, Result<Start, Error>> {
        Box::pin(async move { self.connector().await?.start().await })
    }

    fn start_for<'a>(&'a self, login_hint: &'a str) -> BoxFuture<'a, Result<Start, Error>> {
        Box::pin(async move { self.connector().await?.start_for(login_hint).await })
    }

    fn finish<'a>(&'a self, pending: &'a [u8], answer: &'a Answer) -> BoxFuture<'a, Result<AssertedIdentity, Error>> {
        Box::pin(async move {
            let connector = self.connector().await?;
            let result = connector.finish(pending, answer).await;
            let again = self.has_new_keys(result.as_ref().err()).await;
            if again { connector.finish(pending, answer).await } else { result }
        })
    }

    fn takes_unsolicited(&self) -> bool {
        self.0.settings.options.unsolicited
    }

    fn finish_unsolicited<'a>(&'a self, answer: &'a Answer) -> BoxFuture<'a, Result<AssertedIdentity, Error>> {
        Box::pin(async move {
            let connector = self.connector().await?;
            let result = connector.finish_unsolicited(answer).await;
            let again = self.has_new_keys(result.as_ref().err()).await;
            if again { connector.finish_unsolicited(answer).await } else { result }
        })
    }

    fn judge(&self, outcome: Result<(), &Error>) -> Checks {
        judged(&super::examine::STAGES, outcome)
    }

    fn examine(&self) -> BoxFuture<'_, Checks> {
        Box::pin(self.0.examine())
    }

    fn try_captured<'a>(&'a self, document: &'a str) -> BoxFuture<'a, Option<Trial>> {
        Box::pin(async move {
            match self.connector().await {
                Ok(connector) => connector.try_captured(document).await,
                Err(error) => Some(Trial { checks: self.judge(Err(&error)), identity: None }),
            }
        })
    }

    fn has_logout(&self) -> bool {
        !self.0.settings.options.keys.signing.is_empty()
    }

    fn start_logout<'a>(&'a self, at: &'a AtUpstream) -> BoxFuture<'a, Result<Option<Start>, Error>> {
        Box::pin(async move { self.connector().await?.start_logout(at).await })
    }

    fn read_logout<'a>(&'a self, delivery: Delivery<'a>) -> BoxFuture<'a, Result<LogoutMessage, Error>> {
        Box::pin(async move {
            let connector = self.connector().await?;
            let result = connector.read_logout(delivery).await;
            let again = self.has_new_keys(result.as_ref().err()).await;
            if again { connector.read_logout(delivery).await } else { result }
        })
    }

    fn answer_logout<'a>(&'a self, request: &'a LogoutRequest) -> BoxFuture<'a, Result<Departure, Error>> {
        Box::pin(async move { self.connector().await?.answer_logout(request).await })
    }

    fn health(&self) -> Option<Health> {
        let Known { read, problem, .. } = self.0.known();
        let inner = self.0.inner.get().and_then(RedirectConnector::health);
        let own = || Health { certificates: self.0.settings.options.keys.uses(), ..Health::default() };
        Some(Health { read, problem, ..inner.unwrap_or_else(own) })
    }

    fn upkeep(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.refresh_when_due())
    }

    fn reread(&self) -> BoxFuture<'_, Result<bool, Error>> {
        Box::pin(self.reread_file())
    }

    fn metadata(&self) -> Option<(&'static str, String)> {
        let settings = &self.0.settings;
        Some(Addresses::of(&settings.public_url, &settings.id).publish(&settings.options))
    }
}
