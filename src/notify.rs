//! Mail to people: links that they asked for, invitations, and word of what was changed of their accounts.
//!
//! A mail is posted in the change that it tells of, so that there is neither one of something that did not happen nor
//! something of which nobody is told, and waits in the store, sealed, until the mail server has taken it. One that is not
//! taken is tried again after growing waits, and given up when it is of no use any more: its link has ended, or three days
//! have passed. What a program that was cut off had sent and not yet crossed off is sent once more under the same name.
//!
//! Without `[mail]` nothing is posted; whoever needs a mail is told so, or gets the link to hand on.

mod alert;
mod letter;
mod line;
mod rounds;
mod smtp;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::audit::{Change, Ledger};
use crate::clock::{Clock, Timestamp};
use crate::config::Mail;
use crate::http::Metrics;
use crate::model::{Circumstance, Id, Language, OrganisationId, User, UserId};
use crate::secret::{IdSource, MacKey, SealKey};
use crate::store::{self, Table};
use rounds::Pace;
use smtp::Post;

pub use alert::MAX_ALERTED;
pub use letter::{Happened, Letter, Notice};
pub use rounds::{Round, Trial};
pub use smtp::{Step, Unusable};

/// Marks [`MessageId`].
#[derive(Debug)]
pub enum MessageKind {}
/// Id of a mail.
pub type MessageId = Id<MessageKind>;

/// Mails that wait, by when they are due.
const OUTBOX: Table<(Timestamp, MessageId), Waiting> = Table::new(0x80, "mails that wait");
/// How many mails wait.
const COUNT: Table<(), i64> = Table::new(0x81, "count of mails that wait");

/// What was told to each account of late.
const TOLD: Table<UserId, Told> = Table::new(0x5e, "notices of accounts");

/// Most mails that wait; what is posted beyond is not.
const MAX_WAITING: i64 = 10_000;
/// Of these, so many places are kept for links, which people wait for, and for word of a takeover.
const KEPT: i64 = 1_000;
/// Most notices to one account within an hour, and as many about access requests; what would be told beyond is in the ledger
/// only.
const MAX_NOTICES: usize = 10;
/// Most notices to one account within an hour that somebody changed its access; they are counted apart, so that whoever may
/// change it keeps back no word of anything else.
const MAX_OF_ACCESS: usize = 5;
/// Most of these to all accounts together within an hour: a program that gives a role to everybody writes to few of them.
const MAX_OF_ACCESS_IN_ALL: usize = 200;
/// How long a notice counts for that.
const HOUR: Duration = Duration::from_secs(60 * 60);
/// How often an account is told of a thing that strangers can bring about again and again.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a mail that only tells is tried.
const LASTS: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// What in a configuration cannot be used.
///
/// # Errors
/// The key, and what is wrong.
pub fn check(mail: &Mail) -> Result<(), Unusable> {
    Post::new(mail, "localhost").map(|_| ())
}

/// Every tag of this module with its table's name.
pub fn tables() -> Vec<(u8, &'static str)> {
    vec![(0x5e, TOLD.name()), alert::TABLE, (0x80, OUTBOX.name()), (0x81, COUNT.name())]
}

/// The notices of one account.
#[derive(Clone, Debug, Default, Encode, Decode)]
#[cbor(map)]
struct Told {
    /// When each was posted, within the last hour.
    #[n(0)]
    at: Vec<Timestamp>,
    /// When it was told last of a passkey that may be copied.
    #[n(1)]
    copied: Option<Timestamp>,
    /// When each was posted that tells of access requests, within the last hour.
    #[n(2)]
    requests: Option<Vec<Timestamp>>,
    /// When each was posted that tells of changed access, within the last hour.
    #[n(3)]
    access: Option<Vec<Timestamp>>,
}

impl Told {
    /// What was posted within the last hour and counts with this notice: what anybody may bring about takes no place of what
    /// tells of the account itself.
    fn counted_with(&mut self, notice: Notice, now: Timestamp) -> &mut Vec<Timestamp> {
        let counted = if notice.is_of_request() {
            self.requests.get_or_insert_default()
        } else if notice.is_of_changed_access() {
            self.access.get_or_insert_default()
        } else {
            &mut self.at
        };
        counted.retain(|at| now.since(*at) < HOUR);
        counted
    }
}

/// A mail that waits.
#[derive(Clone, Encode, Decode)]
#[cbor(map)]
struct Waiting {
    /// The mail, sealed for its id.
    #[n(0)]
    sealed: ByteVec,
    /// How often it was tried.
    #[n(1)]
    tries: u32,
    /// When it is given up.
    #[n(2)]
    until: Timestamp,
    /// What it is about, in a word.
    #[n(3)]
    about: String,
    /// Whom it is for.
    #[n(4)]
    user: UserId,
    /// The name of the account then.
    #[n(5)]
    user_name: String,
}

/// A mail's content.
#[derive(Clone, Encode, Decode)]
#[cbor(map)]
struct Content {
    #[n(0)]
    to: String,
    #[n(1)]
    subject: String,
    #[n(2)]
    text: String,
    #[n(3)]
    html: String,
}

/// Whom a mail is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    address: String,
    language: Language,
    user: UserId,
    user_name: String,
}

impl Recipient {
    /// The owner of an account, at its address: the primary one, else a login name that is an address. `None` where there
    /// is none to which mail can go.
    pub fn of(user: &User) -> Option<Self> {
        Self::at(user.email().unwrap_or(user.user_name.as_str()), user)
    }

    /// The owner of an account at another address, `None` where no mail can go there.
    pub fn at(address: &str, user: &User) -> Option<Self> {
        let address = smtp::parse_address(address)?.to_string();
        let preferred = user.attributes.0.get("preferredLanguage").and_then(|value| value.as_str());
        let language = preferred.and_then(Language::preferred).unwrap_or_default();
        Some(Self { address, language, user: user.id, user_name: user.user_name.to_string() })
    }

    /// The address.
    pub fn address(&self) -> &str {
        &self.address
    }
}

/// What the outbox is built from.
#[derive(Clone)]
pub struct Services {
    /// Time.
    pub clock: Clock,
    /// Randomness.
    pub ids: IdSource,
    /// The ledger.
    pub ledger: Ledger,
    /// Counters.
    pub metrics: Metrics,
}

/// The mails of one organisation. Cloning shares them.
#[derive(Clone)]
pub struct Outbox(Arc<Inner>);

struct Inner {
    services: Services,
    organisation: OrganisationId,
    seal: SealKey,
    /// The origin of links.
    origin: String,
    host: String,
    contact: Option<String>,
    post: Option<Post>,
    pace: Mutex<Pace>,
    /// Whether people are told of changed access, and when somebody was, within the last hour.
    tells_access: bool,
    told_of_access: Mutex<VecDeque<Timestamp>>,
}

impl Outbox {
    /// Mails of `public_url` by the way of `mail`; without one nothing is ever posted.
    ///
    /// # Errors
    /// What in `[mail]` cannot be used.
    pub fn new(
        services: Services,
        organisation: OrganisationId,
        master: &MacKey,
        mail: Option<&Mail>,
        public_url: &url::Url,
        contact: Option<&str>,
    ) -> Result<Self, Unusable> {
        let host = public_url.host_str().unwrap_or("localhost").to_owned();
        let post = mail.map(|mail| Post::new(mail, &host)).transpose()?;
        let pace = Mutex::new(Pace::new(mail.map_or(0, |mail| mail.per_minute)));
        // What waited when a backup was made has gone out since: after a restore it is not sent again.
        let seal = services.ledger.life().key(master).seal_key("mails");
        Ok(Self(Arc::new(Inner {
            services,
            organisation,
            seal,
            origin: public_url.as_str().trim_end_matches('/').to_owned(),
            host,
            contact: contact.map(str::to_owned),
            post,
            pace,
            tells_access: mail.is_some_and(|mail| mail.tell_access),
            told_of_access: Mutex::default(),
        })))
    }

    /// Whether mail can be sent at all.
    pub fn is_open(&self) -> bool {
        self.0.post.is_some()
    }

    /// Whether people are told that somebody changed what they may do.
    pub fn tells_of_access(&self) -> bool {
        self.is_open() && self.0.tells_access
    }

    /// Posts a mail as part of a change; it is sent after the commit. `false` where nothing was posted: there is no way
    /// out for mail, or more wait than may.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub async fn post_in(&self, change: &mut Change, to: &Recipient, letter: &Letter) -> Result<bool, store::Error> {
        let inner = &*self.0;
        if inner.post.is_none() {
            return Ok(false);
        }
        let (organisation, now) = (inner.organisation, inner.services.clock.now());
        let key = COUNT.key(organisation, &());
        let most = if letter.is_link() || letter.is_of_takeover() { MAX_WAITING } else { MAX_WAITING - KEPT };
        if store::counter(inner.services.ledger.store(), &key).await? >= most {
            tracing::warn!(about = letter.name(), "a mail was not posted: {most} wait");
            inner.services.metrics.mail("full");
            return Ok(false);
        }
        let written = letter.write(&inner.frame(&to.user_name, to.language));
        let content =
            Content { to: to.address.clone(), subject: written.subject, text: written.text, html: written.html };
        let id = MessageId::new(now, &inner.services.ids);
        let plain = zeroize::Zeroizing::new(store::encode(OUTBOX.name(), &content)?);
        let sealed = inner.seal.seal(&inner.services.ids, id.as_bytes(), &plain);
        let too_large = || store::Error::Unavailable { reason: "a mail is too large".to_owned() };
        let waiting = Waiting {
            sealed: sealed.ok_or_else(too_large)?.into(),
            tries: 0,
            until: letter.until().unwrap_or_else(|| now.plus(LASTS)),
            about: letter.name().to_owned(),
            user: to.user,
            user_name: to.user_name.clone(),
        };
        // Rows are in the order in which they are due: a link goes before whatever only tells, see `rounds`.
        let due = if letter.is_link() { now.minus(LASTS) } else { now };
        change.put(&OUTBOX, organisation, &(due, id), &waiting)?;
        change.add(&COUNT, organisation, &(), 1);
        Ok(true)
    }

    /// Tells the owner of an account what was changed of it, as part of the change; nobody where there is no address or no
    /// mail, or where the account was told ten times within the hour. What tells of a takeover is always told: each of it took
    /// a proof, an administrator or a link. That somebody changed its access an account is told five times within the hour,
    /// and all of them together two hundred times, unless `mail.tell_access` says that nobody is.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub async fn tell_in(
        &self,
        change: &mut Change,
        user: &User,
        notice: Notice,
        circumstance: &Circumstance,
    ) -> Result<(), store::Error> {
        let is_of_access = notice.is_of_changed_access();
        let is_told = if is_of_access { self.tells_of_access() } else { self.is_open() };
        let Some(to) = Recipient::of(user).filter(|_| is_told) else { return Ok(()) };
        let (organisation, now) = (self.0.organisation, self.0.services.clock.now());
        let mut told = match change.find(&TOLD, organisation, &user.id).await {
            Ok(told) => told.unwrap_or_default(),
            // It only counts, and must not keep anybody from a new password or browser.
            Err(error @ store::Error::Corrupt { .. }) => {
                tracing::error!(user.id = %user.id, "what an account was told of late is counted anew: {error}");
                Told::default()
            }
            Err(error) => return Err(error),
        };
        let most = if is_of_access { MAX_OF_ACCESS } else { MAX_NOTICES };
        let is_full = told.counted_with(notice, now).len() >= most;
        let is_again = notice == Notice::PasskeyCopied && told.copied.is_some_and(|at| now.since(at) < DAY);
        let is_enough = is_full || (is_of_access && !self.0.admits_word_of_access(now));
        if is_again || (!notice.is_of_takeover() && is_enough) {
            tracing::warn!(user.id = %user.id, about = notice.name(), "an account was told enough for now");
            self.0.services.metrics.mail("held back");
            return Ok(());
        }
        if !notice.is_of_takeover() {
            told.counted_with(notice, now).push(now);
        }
        if notice == Notice::PasskeyCopied {
            told.copied = Some(now);
        }
        let until = if told.copied.is_some() { now.plus(DAY) } else { now.plus(HOUR) };
        change.put_until(&TOLD, organisation, &user.id, &told, Some(until))?;
        let happened = Happened { at: now, from: circumstance.address };
        self.post_in(change, &to, &Letter::Notice(notice, happened)).await.map(|_| ())
    }
}

impl Inner {
    fn frame<'a>(&'a self, account: &'a str, language: Language) -> letter::Frame<'a> {
        let contact = self.contact.as_deref();
        letter::Frame { origin: &self.origin, host: &self.host, contact, account, language }
    }

    /// Counts one more word of changed access, unless there were so many within the hour. By a clock that was ahead none is
    /// held back for longer.
    fn admits_word_of_access(&self, now: Timestamp) -> bool {
        let mut told = self.told_of_access.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|at| *at <= now && now.since(*at) < HOUR);
        let admits = told.len() < MAX_OF_ACCESS_IN_ALL;
        if admits {
            told.push_back(now);
        }
        admits
    }
}
