//! Who proves an identity: SAML, OpenID Connect, LDAP bind.
//!
//! A connector turns a protocol's answer into an [`AssertedIdentity`], and only a connector builds one. It opens no
//! session, writes no user and holds no state between start and end of a sign-in: what it must remember is in
//! [`Start::pending`], which the login flow keeps in its ticket.

pub mod bind;
pub mod oidc;

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;

use crate::clock::Timestamp;
use crate::model::SourceId;
use crate::secret::Secret;
use crate::session::AtUpstream;

mod health;
mod logout;
pub mod saml;
pub mod signals;
mod trial;

pub use health::{CertificateUse, Health, WARNING};
pub use logout::{Delivery, LogoutAnswer, LogoutMessage, LogoutRequest};
pub use trial::{Check, Checks, Rows, Trial, TriedIdentity, Verdict};

/// What an upstream vouched for. It is not cloned: of one that was only looked at there is no other to sign in with.
#[derive(Debug, PartialEq, Eq)]
pub struct AssertedIdentity {
    connector: SourceId,
    subject: String,
    user_name: String,
    email: Option<String>,
    email_is_verified: bool,
    display_name: Option<String>,
    groups: Vec<String>,
    attributes: BTreeMap<String, Vec<String>>,
    claim: Option<OneTime>,
    upstream_session: Option<String>,
    at_upstream: Option<AtUpstream>,
}

/// An id that is accepted once: a SAML assertion's `ID`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneTime {
    /// The id.
    pub id: String,
    /// When it would have ended by itself.
    pub until: Timestamp,
}

/// The parts of an [`AssertedIdentity`], filled by the connector that verified them.
#[derive(Clone, Debug)]
pub(crate) struct Assertion {
    pub(crate) subject: String,
    pub(crate) user_name: String,
    pub(crate) email: Option<String>,
    pub(crate) email_is_verified: bool,
    pub(crate) display_name: Option<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) attributes: BTreeMap<String, Vec<String>>,
    pub(crate) claim: Option<OneTime>,
    pub(crate) upstream_session: Option<String>,
    pub(crate) at_upstream: Option<AtUpstream>,
}

impl AssertedIdentity {
    fn new(connector: SourceId, a: Assertion) -> Self {
        Self {
            connector,
            subject: a.subject,
            user_name: a.user_name,
            email: a.email,
            email_is_verified: a.email_is_verified,
            display_name: a.display_name,
            groups: a.groups,
            attributes: a.attributes,
            claim: a.claim,
            upstream_session: a.upstream_session,
            at_upstream: a.at_upstream,
        }
    }

    /// Which connector vouches.
    pub fn connector(&self) -> &SourceId {
        &self.connector
    }
    /// The upstream's stable id for the person: `sub`, `NameID`, `entryUUID`. Links are by this, never by e-mail.
    pub fn subject(&self) -> &str {
        &self.subject
    }
    /// The login name by the connector's rule.
    pub fn user_name(&self) -> &str {
        &self.user_name
    }
    /// The e-mail address, if it was sent.
    pub fn email(&self) -> Option<&str> {
        self.email.as_deref()
    }
    /// Whether the upstream says that it verified the address.
    pub fn email_is_verified(&self) -> bool {
        self.email_is_verified
    }
    /// The name to show, if it was sent.
    pub fn display_name(&self) -> Option<&str> {
        self.display_name.as_deref()
    }
    /// The groups, as the upstream names them.
    pub fn groups(&self) -> &[String] {
        &self.groups
    }
    /// Every attribute or claim that was sent as text, by name.
    pub fn attributes(&self) -> &BTreeMap<String, Vec<String>> {
        &self.attributes
    }
    /// The id that `login::finish` claims in the commit that opens the session.
    pub fn claim(&self) -> Option<&OneTime> {
        self.claim.as_ref()
    }
    /// The upstream's session: `SessionIndex`, `sid`.
    pub fn upstream_session(&self) -> Option<&str> {
        self.upstream_session.as_deref()
    }
    /// By what the upstream knows the person when they sign out, where it tells of that.
    pub fn at_upstream(&self) -> Option<&AtUpstream> {
        self.at_upstream.as_ref()
    }
}

/// Why an identity was not accepted. The reason is for the log and the ledger; people see one text for all of them.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The upstream or the person said no.
    #[error("the identity provider refused: {reason}")]
    Declined {
        /// What it said, cleaned of control characters.
        reason: String,
    },
    /// The answer is forged, altered, replayed, misdirected, out of time or malformed.
    #[error("the answer was refused: {rule}: {reason}")]
    Refused {
        /// The rule that it breaks, a stable word for queries: `signature`, `audience`, `recipient`.
        rule: &'static str,
        /// What is wrong with it; never quotes secrets.
        reason: String,
    },
    /// The upstream cannot be reached or does not answer as it should.
    #[error("the identity provider is not available: {reason}")]
    Unavailable {
        /// What failed.
        reason: String,
    },
    /// The upstream was shown a secret and did not answer: it may have counted it.
    #[error("the identity provider did not answer: {reason}")]
    Unanswered {
        /// What failed.
        reason: String,
    },
    /// We have too much of this to do: nothing was looked at.
    #[error("too many answers are being opened; try again")]
    Busy,
}

/// Where a browser is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departure {
    /// The address.
    pub location: String,
    /// What is posted there as a form; none: the browser is redirected.
    pub fields: Vec<(&'static str, String)>,
}

/// The beginning of a sign-in at an upstream.
#[derive(Clone, Debug)]
pub struct Start {
    /// Where to send the browser.
    pub location: String,
    /// What is posted there as a form; none: the browser is redirected.
    pub fields: Vec<(&'static str, String)>,
    /// The random handle that comes back with the answer (`state`, `RelayState`); the ticket is found by it.
    pub handle: String,
    /// What the connector must remember, opaque to the flow: request id, nonce, PKCE verifier.
    pub pending: Vec<u8>,
}

/// What the browser brought back: query or form fields by name, in order, decoded; duplicates kept.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The fields.
    pub fields: Vec<(String, String)>,
}

impl Answer {
    /// The value of a field that appears exactly once.
    ///
    /// # Errors
    /// `Refused` when it is missing or appears twice.
    pub fn single(&self, name: &str) -> Result<&str, Error> {
        let mut found = self.fields.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str());
        match (found.next(), found.next()) {
            (Some(value), None) => Ok(value),
            (None, _) => Err(Error::Refused { rule: "shape", reason: format!("no `{name}`") }),
            (Some(_), Some(_)) => Err(Error::Refused { rule: "shape", reason: format!("more than one `{name}`") }),
        }
    }

    /// The value of a field that appears at most once.
    ///
    /// # Errors
    /// `Refused` when it appears twice.
    pub fn optional(&self, name: &str) -> Result<Option<&str>, Error> {
        if self.fields.iter().any(|(n, _)| n == name) { self.single(name).map(Some) } else { Ok(None) }
    }
}

/// A connector that sends the browser away and reads what it brings back.
pub trait RedirectConnector: Send + Sync {
    /// Its id in the configuration and in addresses.
    fn id(&self) -> &SourceId;
    /// Begins a sign-in.
    fn start(&self) -> BoxFuture<'_, Result<Start, Error>>;
    /// The same for who is likely to be of this name there, at most 320 bytes that show; a connector that has no place for that
    /// does not tell it.
    fn start_for<'a>(&'a self, _login_hint: &'a str) -> BoxFuture<'a, Result<Start, Error>> {
        self.start()
    }
    /// Reads the answer to a start whose `pending` was kept. The flow has checked the handle and that the ticket is
    /// used once.
    fn finish<'a>(&'a self, pending: &'a [u8], answer: &'a Answer) -> BoxFuture<'a, Result<AssertedIdentity, Error>>;
    /// Whether it takes sign-ins that the upstream begins.
    fn takes_unsolicited(&self) -> bool {
        false
    }
    /// Reads an answer that nobody asked for.
    fn finish_unsolicited<'a>(&'a self, _: &'a Answer) -> BoxFuture<'a, Result<AssertedIdentity, Error>> {
        let reason = "the upstream cannot begin a sign-in".to_owned();
        Box::pin(std::future::ready(Err(Error::Refused { rule: "in-response-to", reason })))
    }
    /// Reads the answer to a start as [`RedirectConnector::finish`] does, for looking only.
    fn try_answer<'a>(&'a self, pending: &'a [u8], answer: &'a Answer) -> BoxFuture<'a, Trial> {
        Box::pin(async move {
            let outcome = self.finish(pending, answer).await;
            Trial { checks: self.judge(outcome.as_ref().map(|_| ())), identity: outcome.ok().map(TriedIdentity::new) }
        })
    }
    /// How the stages of an answer stand that ended so.
    fn judge(&self, outcome: Result<(), &Error>) -> Checks {
        trial::judged(&[trial::Stage { what: "answer", rules: &[], after: &[] }], outcome)
    }
    /// Looks at what can be looked at without a person: documents, keys, addresses, algorithms, clocks. Nothing that was
    /// in force changes.
    fn examine(&self) -> BoxFuture<'_, Checks> {
        Box::pin(std::future::ready(Checks::default()))
    }
    /// Reads an answer that somebody captured, whenever it was made and whoever asked for it; `None` where the protocol's
    /// answers say nothing by themselves.
    fn try_captured<'a>(&'a self, _document: &'a str) -> BoxFuture<'a, Option<Trial>> {
        Box::pin(std::future::ready(None))
    }
    /// Whose pages may end sessions by a frame, which are named and not signed for; `None`: nobody's.
    fn front_channel(&self) -> Option<&str> {
        None
    }
    /// Whether the upstream may send people to an address of ours about logout.
    fn has_logout(&self) -> bool {
        false
    }
    /// Begins a logout at the upstream; `None` where it takes no requests for that.
    fn start_logout<'a>(&'a self, _: &'a AtUpstream) -> BoxFuture<'a, Result<Option<Start>, Error>> {
        Box::pin(std::future::ready(Ok(None)))
    }
    /// Reads what came to our address for logout.
    fn read_logout<'a>(&'a self, _: Delivery<'a>) -> BoxFuture<'a, Result<LogoutMessage, Error>> {
        let reason = "the upstream has no logout".to_owned();
        Box::pin(std::future::ready(Err(Error::Refused { rule: "shape", reason })))
    }
    /// Where the browser goes with the answer to a request for logout that was carried out.
    fn answer_logout<'a>(&'a self, _: &'a LogoutRequest) -> BoxFuture<'a, Result<Departure, Error>> {
        let reason = "the upstream has no logout".to_owned();
        Box::pin(std::future::ready(Err(Error::Unavailable { reason })))
    }
    /// How its provider stands, where there is something to watch.
    fn health(&self) -> Option<Health> {
        None
    }
    /// Work that is due from time to time: reading documents again.
    fn upkeep(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
    /// Reads again what is in a file of this machine, if that is another one than the last time, and tells whether anything
    /// in it is new.
    ///
    /// # Errors
    /// `Unavailable` where it cannot be used; what was in force stays in force.
    fn reread(&self) -> BoxFuture<'_, Result<bool, Error>> {
        Box::pin(std::future::ready(Ok(false)))
    }
    /// The metadata document to publish, where the protocol has one: media type and body.
    fn metadata(&self) -> Option<(&'static str, String)> {
        None
    }
}

/// A connector that checks a name and a password itself: a directory that its own people bind to.
pub trait PasswordConnector: Send + Sync {
    /// Its id in the configuration.
    fn id(&self) -> &SourceId;
    /// Checks the password of whom the directory knows under `user_name`. The flow has counted the attempt and compares
    /// the subject with the account. An empty password is refused without asking. `before` is awaited when the person was
    /// found and just before the password leaves the machine; what it refuses is not sent.
    fn authenticate<'a>(
        &'a self,
        user_name: &'a str,
        password: &'a Secret,
        before: BoxFuture<'a, Result<(), Error>>,
    ) -> BoxFuture<'a, Result<AssertedIdentity, Error>>;
}
