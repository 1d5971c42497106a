//! The login flow: a state machine with one end.
//!
//! `choose` shows the ways in; a redirect connector or the password form proves who somebody is; every way ends in
//! `Login::finish`, which alone opens sessions. Between the steps the flow is remembered in a ticket on this side,
//! bound to the browser by a cookie of its own, so that no step can be skipped, replayed or moved to another browser.
//!
//! All failures look the same from outside. The reason is in the ledger, under the reference that the page shows.

mod account;
mod account_factors;
mod account_passkeys;
mod attempts;
mod authenticate;
mod blocks;
mod browser;
mod callers;
mod discover;
mod enrol;
mod factor;
mod finish;
mod frontchannel;
mod invitation;
mod language;
mod link;
mod logout;
mod needs;
mod own_devices;
mod own_sessions;
mod pages;
mod passkey;
mod password;
mod pending;
mod reading;
mod reset;
mod return_to;
mod routes;
mod signals;
mod step;
mod steps;
mod ticket;
mod trial;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::access::Access;
use crate::audit::{Event, EventKind, Ledger, Outcome};
use crate::clock::Clock;
use crate::config::MailRoute;
use crate::credential::passkey::Party;
use crate::credential::{Credentials, Factors};
use crate::directory::Directory;
use crate::http::Metrics;
use crate::limit::{Limits, Retry};
use crate::lockout::{BindBudget, Lockout};
use crate::model::{Actor, Circumstance, FoldedName, SourceId, User, is_unseen};
use crate::notify::{Notice, Outbox};
use crate::secret::{IdSource, MacKey, SealKey};
use crate::session::{Method, Sessions};
use crate::store::{self, Retryable};
use crate::tasks::Tasks;
use crate::tokens::Tokens;
use crate::upstream::signals::Transmitter;
use crate::upstream::{self, PasswordConnector, RedirectConnector};
use crate::{credential, directory, lockout, session};

pub use attempts::{Ended, MAX_ATTEMPTS, MAX_STRAYS, SignInAttempt};
pub use browser::{Browser, SignedIn};
pub use callers::{Callers, Turned};
pub use finish::Opened;
pub use invitation::{Invitation, InvitationId, InvitationLink, InvitationState, Invited, Promised};
pub use link::ResetLink;
pub use return_to::ReturnTo;
pub use routes::{routes, table};
pub use signals::Barring;
pub use signals::Heard;
pub use trial::TestLink;

/// How long an invitation may be accepted when nobody says.
const INVITATIONS_LAST: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Refusals that are recorded at the same time though whoever is refused may be gone.
const MAX_REFUSALS: usize = 512;
/// Most answers of providers that are read where nobody waits for it.
const MAX_READINGS: usize = 512;
/// That a sign-in cannot begin is recorded at most this often.
const RECORD_EVERY: Duration = Duration::from_secs(1);
/// The built-in connector for passwords kept here.
pub const PASSWORD: &str = "password";
/// The built-in connector for passkeys without a password.
pub const PASSKEY: &str = "passkey";
/// What the ledger calls the connector where a second factor was wrong.
const FACTOR: &str = "factor";
/// The built-in connector for one-time links made on the machine itself.
pub const LINK: &str = "link";

/// Every table tag of this module with its table's name.
pub fn tables() -> Vec<(u8, &'static str)> {
    let parts = [
        &blocks::TABLES[..],
        &finish::TABLES,
        &invitation::TABLES,
        &link::TABLES,
        &logout::TABLES,
        &pending::TABLES,
        &reset::TABLES,
        &signals::TABLES,
        &ticket::TABLES,
        &trial::TABLES,
    ];
    parts.concat()
}

/// Why a sign-in did not work. `Display` is for the log and the ledger, never for the page.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// More than this address or account is allowed.
    #[error(transparent)]
    TooMany(Retry),
    /// Too much to do at the moment, for anybody.
    #[error("too much to do; try again in {retry_after_s} s")]
    Busy {
        /// When to try again, in seconds.
        retry_after_s: u64,
    },
    /// The proof does not hold, or the person may not sign in.
    #[error("{rule}: {reason}")]
    Refused {
        /// A stable word for queries.
        rule: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Something that is asked is not available.
    #[error("{0}")]
    Unavailable(String),
}

impl Retryable for Error {
    fn is_lost_race(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_lost_race())
    }
}

impl Error {
    /// What the reading of a provider's answer ends with: from outside an answer that cannot be had is one that is wrong.
    fn of_answer(error: upstream::Error) -> Self {
        match error {
            upstream::Error::Unavailable { reason } => Self::Refused { rule: "unavailable", reason: cut(&reason) },
            other => other.into(),
        }
    }

    fn refused(rule: &'static str, reason: impl Into<String>) -> Self {
        Self::Refused { rule, reason: reason.into() }
    }
}

impl From<directory::Error> for Error {
    fn from(error: directory::Error) -> Self {
        match error {
            directory::Error::Store(error) => Self::Store(error),
            directory::Error::OtherRealm { .. } => Self::refused("realm", error.to_string()),
            directory::Error::Retired => Self::refused("deleted", error.to_string()),
            other => Self::refused("account", other.to_string()),
        }
    }
}

impl From<credential::passkey::Error> for Error {
    fn from(error: credential::passkey::Error) -> Self {
        match error {
            credential::passkey::Error::Refused { rule, reason } => Self::refused(rule, reason),
            credential::passkey::Error::Store(error) => Self::Store(error),
        }
    }
}

impl From<session::Error> for Error {
    fn from(error: session::Error) -> Self {
        match error {
            session::Error::Store(error) => Self::Store(error),
            session::Error::NotFound => Self::refused("session", error.to_string()),
        }
    }
}

impl From<lockout::Error> for Error {
    fn from(error: lockout::Error) -> Self {
        match error {
            lockout::Error::Busy => Self::Busy { retry_after_s: 1 },
            lockout::Error::Locked { .. } => Self::refused("locked", error.to_string()),
            lockout::Error::Store(error) => Self::Store(error),
        }
    }
}

impl From<credential::Error> for Error {
    fn from(error: credential::Error) -> Self {
        match error {
            credential::Error::Busy { retry_after } => Self::Busy { retry_after_s: retry_after.as_secs().max(1) },
            credential::Error::Store(error) => Self::Store(error),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

impl From<ticket::Error> for Error {
    fn from(error: ticket::Error) -> Self {
        match error {
            ticket::Error::Store(error) => Self::Store(error),
            other => Self::refused("ticket", other.to_string()),
        }
    }
}

/// Longest reason of a refusal that somebody outside had a hand in, in characters: it goes to the ledger and to the log.
const MAX_REASON_CHARS: usize = 300;

/// A reason fit for the ledger: what strangers send does not fill it, and nothing in it hides or moves what is beside it.
fn cut(reason: &str) -> String {
    let mut told: String = reason.chars().take(MAX_REASON_CHARS).map(|c| if is_unseen(c) { ' ' } else { c }).collect();
    if reason.chars().nth(MAX_REASON_CHARS).is_some() {
        told.push('…');
    }
    told
}

impl From<upstream::Error> for Error {
    fn from(error: upstream::Error) -> Self {
        match error {
            upstream::Error::Declined { reason } => Self::Refused { rule: "declined", reason: cut(&reason) },
            upstream::Error::Refused { rule, reason } => Self::Refused { rule, reason: cut(&reason) },
            upstream::Error::Unavailable { reason } | upstream::Error::Unanswered { reason } => {
                Self::Unavailable(reason)
            }
            upstream::Error::Busy => Self::Busy { retry_after_s: 1 },
        }
    }
}

/// A redirect connector with what the flow needs to know of it.
#[derive(Clone)]
pub struct Connector {
    /// The connector.
    pub redirect: Arc<dyn RedirectConnector>,
    /// What its button says.
    pub label: String,
    /// Its protocol.
    pub method: Method,
    /// The e-mail domains that it declares as its own: nobody else makes accounts in them.
    pub declares: Vec<String>,
    /// Those of them for which it is trusted to sign in to accounts that exist already.
    pub domains: Vec<String>,
    /// The names whose owners the sign-in page sends there; with any, the page does not list it.
    pub routes: Vec<MailRoute>,
    /// Whether it asks for second factors itself, so that none is asked for here.
    pub trusts_factors: bool,
    /// Who tells signals about its people, where somebody does.
    pub signals: Option<Arc<Transmitter>>,
}

/// What the login flow is built from.
#[derive(Clone)]
pub struct Services {
    /// Decisions and permits.
    pub access: Access,
    /// Time.
    pub clock: Clock,
    /// Passwords.
    pub credentials: Credentials,
    /// People.
    pub directory: Directory,
    /// Second factors.
    pub factors: Factors,
    /// Randomness.
    pub ids: IdSource,
    /// The ledger.
    pub ledger: Ledger,
    /// Rates.
    pub limits: Limits,
    /// Failed attempts.
    pub lockout: Lockout,
    /// Counters.
    pub metrics: Metrics,
    /// Mails.
    pub outbox: Outbox,
    /// Signed-in browsers.
    pub sessions: Sessions,
    /// What goes on without whoever asked for it.
    pub tasks: Tasks,
    /// Tokens, of whom some invite.
    pub tokens: Tokens,
}

/// The login flow. Cloning shares everything, and costs one count: each request does it several times.
#[derive(Clone)]
pub struct Login(Arc<Flow>);

impl Deref for Login {
    type Target = Flow;

    fn deref(&self) -> &Flow {
        &self.0
    }
}

/// What the login flow is made of.
#[derive(Clone)]
pub struct Flow {
    services: Services,
    connectors: Arc<BTreeMap<SourceId, Connector>>,
    binds: Arc<BTreeMap<SourceId, Arc<dyn PasswordConnector>>>,
    bind_budgets: Arc<BTreeMap<SourceId, BindBudget>>,
    tickets: ticket::Tickets,
    /// When it was recorded last that a sign-in by a connector cannot begin, in milliseconds.
    begun_badly: Arc<BTreeMap<SourceId, AtomicI64>>,
    trials: trial::Trials,
    browser: Browser,
    link_key: MacKey,
    csrf_key: MacKey,
    pending_key: MacKey,
    ask_key: SealKey,
    askers: Arc<reset::Askers>,
    attempts: attempts::Attempts,
    /// Places of what follows refusals, which goes on where nobody waits for it.
    refusals: Arc<Semaphore>,
    /// Places of answers that take a while to read, likewise.
    readings: Arc<Semaphore>,
    routes: Arc<discover::Routes>,
    invitation_key: MacKey,
    invitations_last: Duration,
    contact: Option<Arc<str>>,
    /// Our name in authenticator apps: the host of our address.
    issuer: Arc<str>,
    /// Whom passkeys are made for, where the address allows any.
    party: Option<Arc<Party>>,
    requires_factor: bool,
    requires_sso: bool,
    /// Who may sign in all the same when single sign-on does not work.
    break_glass: Arc<BTreeSet<FoldedName>>,
}

impl Login {
    /// A flow over these ways in. `binds` are directories that check the passwords of their own people.
    pub fn new(
        services: Services,
        connectors: BTreeMap<SourceId, Connector>,
        binds: BTreeMap<SourceId, Arc<dyn PasswordConnector>>,
        key: &MacKey,
        public_url: &url::Url,
    ) -> Self {
        let tickets = ticket::Tickets::new(services.ledger.clone(), services.clock.clone(), key);
        let trials = trial::Trials::new(services.ledger.clone(), services.clock.clone(), key);
        let browser = Browser::new(
            services.access.clone(),
            services.sessions.clone(),
            services.directory.clone(),
            connectors.keys().chain(binds.keys()).cloned().collect(),
            public_url,
        );
        let begun_badly = connectors.keys().map(|id| (id.clone(), AtomicI64::new(i64::MIN))).collect();
        let routes = Arc::new(discover::Routes::of(&connectors));
        let kept = attempts::Attempts::of(connectors.keys());
        Self(Arc::new(Flow {
            services,
            connectors: Arc::new(connectors),
            binds: Arc::new(binds),
            bind_budgets: Arc::default(),
            tickets,
            begun_badly: Arc::new(begun_badly),
            trials,
            browser,
            link_key: key.derive("one-time link"),
            csrf_key: key.derive("anti-forgery"),
            pending_key: key.derive("sign-in under way"),
            ask_key: key.seal_key("passwords that were asked for"),
            askers: Arc::default(),
            attempts: kept,
            refusals: Arc::new(Semaphore::new(MAX_REFUSALS)),
            readings: Arc::new(Semaphore::new(MAX_READINGS)),
            routes,
            invitation_key: key.derive("invitations"),
            invitations_last: INVITATIONS_LAST,
            contact: None,
            issuer: public_url.host_str().unwrap_or("cleargate").into(),
            party: Party::of(public_url).map(Arc::new),
            requires_factor: false,
            requires_sso: false,
            break_glass: Arc::default(),
        }))
    }

    /// The same with this change, which is made before anybody shares it.
    fn changed(mut self, change: impl FnOnce(&mut Flow)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// The same, whose pages tell whom to ask.
    #[must_use]
    pub fn with_contact(self, contact: Option<&str>) -> Self {
        self.changed(|flow| flow.contact = contact.map(Arc::from))
    }

    /// The same flow, which carries no more wrong passwords to each directory than this.
    #[must_use]
    pub fn sparing(self, budgets: BTreeMap<SourceId, BindBudget>) -> Self {
        self.changed(|flow| flow.bind_budgets = Arc::new(budgets))
    }

    /// The same flow, which demands a second factor of everybody, or not.
    #[must_use]
    pub fn requiring_factor(self, requires_factor: bool) -> Self {
        self.changed(|flow| flow.requires_factor = requires_factor)
    }

    /// The same flow, which takes nothing but single sign-on of anybody, or not; of those who `break_glass` it takes all.
    #[must_use]
    pub fn requiring_sso(self, requires_sso: bool, break_glass: BTreeSet<FoldedName>) -> Self {
        self.changed(|flow| {
            flow.requires_sso = requires_sso;
            flow.break_glass = Arc::new(break_glass);
        })
    }

    /// The ways in that lead elsewhere, by id.
    pub fn redirects(&self) -> Vec<(SourceId, Arc<dyn RedirectConnector>)> {
        self.connectors.iter().map(|(id, connector)| (id.clone(), Arc::clone(&connector.redirect))).collect()
    }

    /// The same, whose invitations last so long.
    #[must_use]
    pub fn inviting_for(self, invitations_last: Duration) -> Self {
        self.changed(|flow| flow.invitations_last = invitations_last)
    }

    /// Whether people sign in by a provider of this id.
    pub fn has_connector(&self, id: &SourceId) -> bool {
        self.connectors.contains_key(id)
    }

    /// Who is behind a browser, for the surfaces that serve browsers.
    pub fn browser(&self) -> &Browser {
        &self.browser
    }

    /// What a sign-in ends with that cannot begin: one answer, whatever is wrong with what the provider says of itself. The
    /// cause is recorded; strangers can ask for it, so not every time.
    async fn cannot_begin(&self, error: upstream::Error, connector: &SourceId, circumstance: &Circumstance) -> Error {
        let (rule, reason) = match Error::of_answer(error) {
            Error::Refused { rule, reason } => (rule, reason),
            other => return other,
        };
        let now = self.services.clock.now();
        let is_due = self.begun_badly.get(connector).is_none_or(|recorded| {
            let last = recorded.load(Ordering::Relaxed);
            now.minus(RECORD_EVERY).as_millis() >= last
                && recorded.compare_exchange(last, now.as_millis(), Ordering::Relaxed, Ordering::Relaxed).is_ok()
        });
        if is_due {
            let event = Event::new(now, EventKind::ProviderRefused, &Actor::Anonymous)
                .outcome(Outcome::Denied)
                .within(circumstance)
                .detail("connector", connector.as_str())
                .detail("rule", rule)
                .detail("reason", &reason);
            if let Err(error) = self.services.ledger.record(event).await {
                return Error::Store(error);
            }
        }
        Error::Unavailable(format!("{rule}: {reason}"))
    }

    /// Records a failure. A ledger that cannot take it is an error of its own, which the caller must not swallow.
    async fn record_failure(
        &self,
        error: &Error,
        connector: &str,
        target: Option<&User>,
        circumstance: &Circumstance,
    ) -> Result<(), store::Error> {
        let Error::Refused { rule, reason } = error else { return Ok(()) };
        let kind = match connector {
            _ if *rule == credential::passkey::COPIED => EventKind::PasskeyCopied,
            PASSKEY | PASSWORD => EventKind::SignInFailed,
            FACTOR => EventKind::FactorFailed,
            _ => EventKind::AssertionRefused,
        };
        let mut event = Event::new(self.services.clock.now(), kind, &Actor::Anonymous)
            .outcome(Outcome::Denied)
            .within(circumstance)
            .detail("connector", connector)
            .detail("rule", rule)
            .detail("reason", reason);
        let Some(user) = target else { return self.services.ledger.record(event).await.map(|_| ()) };
        event = event.on("user", user.id, &user.user_name);
        if kind != EventKind::PasskeyCopied {
            return self.services.ledger.record(event).await.map(|_| ());
        }
        let (services, event) = (&self.services, &event);
        services
            .ledger
            .retry(|mut change| async move {
                services.outbox.tell_in(&mut change, user, Notice::PasskeyCopied, circumstance).await?;
                change.commit(event.clone()).await.map(|_| ())
            })
            .await
    }
}
