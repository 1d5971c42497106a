//! What a connector's transmitter tells of people who have signed in: their sessions end at once, and who is disabled there
//! does not sign in by that connector until it says otherwise.
//!
//! A transmitter has a say in what its connector vouched for, and in nothing else: it ends sessions that were opened by the
//! connector's word, and takes that word back. Accounts keep their status, which is their source's or an administrator's,
//! and their other ways in. What was vouched for before and what arrives later opens nothing any more: first that is written
//! down, then the sessions are ended, in the commit that uses the signal up, so that one that was not carried out whole
//! comes again.

mod poll;
mod push;

use std::sync::Arc;
use std::time::Duration;

use minicbor::{Decode, Encode};

use super::logout::REMEMBERED;
use super::{Error, Login};
use crate::access::Permit;
use crate::audit::{Change, Event, EventKind, Housekeeping, Outcome};
use crate::clock::Timestamp;
use crate::directory::Taking;
use crate::model::{Actor, Circumstance, OrganisationId, SourceId, User, UserId, fold};
use crate::secret::sha256;
use crate::session::{AtUpstream, Session, Vouched};
use crate::store::Table;
use crate::upstream::AssertedIdentity;
use crate::upstream::signals::{Effect, Signal, SignalSubject, Taken, Transmitter};

pub(super) use push::table;

/// What transmitters told of people and sessions: connector, hash of a name there.
const STANDINGS: Table<(SourceId, [u8; 32]), Standing> = Table::new(0x5c, "what transmitters told");
/// Every tag of this module with its table's name.
pub(super) const TABLES: [(u8, &str); 1] = [(0x5c, STANDINGS.name())];

/// How much longer than sign-ins take something is remembered: clocks differ.
const CLOCKS: Duration = Duration::from_secs(300);
/// How late a signal can come at most.
const LATEST: Duration = Duration::from_secs(31 * 24 * 60 * 60);
/// How long somebody stays barred who has no account here: names can be told without end.
const STRANGERS: Duration = Duration::from_secs(400 * 24 * 60 * 60);
/// Most accounts of one e-mail address that a signal reaches.
const MAX_ACCOUNTS: usize = 1_000;

/// How somebody stands with a connector.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct Standing {
    /// What was vouched for until then opens nothing.
    #[n(0)]
    cut: Option<Timestamp>,
    /// Why they may not sign in by the connector, where they may not.
    #[n(1)]
    barred: Option<Barred>,
    /// When that was decided there: what was decided before does not count any more.
    #[n(2)]
    decided: Option<Timestamp>,
    /// Until when this is remembered, where nobody is barred.
    #[n(3)]
    until: Option<Timestamp>,
}

/// Why somebody may not sign in by a connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
enum Barred {
    /// The account there is disabled for now.
    #[n(0)]
    Disabled,
    /// There is no account there any more, and its id is not given out again.
    #[n(1)]
    Purged,
}

impl Barred {
    const fn name(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Purged => "purged",
        }
    }
}

/// Somebody, or a session, under one of the names that a connector has for them.
enum Name<'a> {
    Email(&'a str),
    /// A session of somebody, or whosever it is.
    Session(Option<&'a str>, &'a str),
    Subject(&'a str),
}

impl Name<'_> {
    fn key(&self, connector: &SourceId) -> (SourceId, [u8; 32]) {
        // No name has the length that stands for nobody's.
        let length = |text: &str| u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes();
        let bytes = match self {
            Self::Subject(subject) => [b"s", subject.as_bytes()].concat(),
            Self::Email(email) => [b"e", fold(email).as_str().as_bytes()].concat(),
            Self::Session(Some(subject), name) => {
                [&b"n"[..], &length(subject), subject.as_bytes(), name.as_bytes()].concat()
            }
            Self::Session(None, name) => [&b"n"[..], &u64::MAX.to_be_bytes(), name.as_bytes()].concat(),
        };
        (connector.clone(), sha256(&bytes))
    }
}

/// For whom a connector vouches, and by which of its sessions.
#[derive(Clone, Copy)]
pub(super) struct Word<'a> {
    pub(super) connector: &'a SourceId,
    pub(super) subject: &'a str,
    pub(super) session: Option<&'a str>,
    /// The address that it gave for them.
    pub(super) email: Option<&'a str>,
    pub(super) at: Option<&'a AtUpstream>,
}

/// Whom an administrator lets in again.
#[derive(Clone, Debug)]
pub enum Barring {
    /// An account that the connector has vouched for, under all its names.
    Account(Box<User>),
    /// Whoever has this address at the provider, with or without an account here.
    Email(String),
    /// Whoever has this name at the provider.
    Subject(String),
}

/// What became of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It was carried out.
    Done,
    /// It was carried out before.
    Again,
}

/// Whom a signal is about, among our own.
#[derive(Default)]
struct Found {
    /// Every name that the connector has for them.
    names: Vec<String>,
    users: Vec<User>,
    /// Whether somebody has an address that is named, also without having come by the connector.
    is_addressed: bool,
}

impl Found {
    /// Whether a session is meant, whosever it is.
    fn is_anybody(&self, subject: &SignalSubject) -> bool {
        self.names.is_empty() && subject.emails.is_empty() && subject.session.is_some()
    }
}

impl Login {
    /// The transmitter of a connector, where there is one.
    fn transmitter(&self, connector: &SourceId) -> Option<Arc<Transmitter>> {
        self.connectors.get(connector)?.signals.clone()
    }

    /// Refuses somebody of whom the connector's transmitter took its word back: `identity` is whom it vouches for, before
    /// it is known whether there is an account.
    pub(super) async fn check_signalled(&self, change: &mut Change, identity: &AssertedIdentity) -> Result<(), Error> {
        let word = Word {
            connector: identity.connector(),
            subject: identity.subject(),
            session: identity.upstream_session(),
            email: identity.email(),
            at: identity.at_upstream(),
        };
        self.check_word(change, &word).await
    }

    /// The same at each step of a sign-in that follows.
    pub(super) async fn check_word(&self, change: &mut Change, word: &Word<'_>) -> Result<(), Error> {
        let Word { connector, subject, session, email, at } = *word;
        if let Some(email) = email {
            self.check_standing(change, connector, &Name::Email(email), at, false).await?;
        }
        let called = at.map(|at| at.subject.as_str()).filter(|called| *called != subject);
        for name in [Some(subject), called].into_iter().flatten() {
            self.check_standing(change, connector, &Name::Subject(name), at, false).await?;
            if let Some(session) = session {
                let of_theirs = Name::Session(Some(name), session);
                self.check_standing(change, connector, &of_theirs, at, true).await?;
            }
        }
        match session {
            Some(session) => self.check_standing(change, connector, &Name::Session(None, session), at, true).await,
            None => Ok(()),
        }
    }

    async fn check_standing(
        &self,
        change: &mut Change,
        connector: &SourceId,
        name: &Name<'_>,
        at: Option<&AtUpstream>,
        is_session: bool,
    ) -> Result<(), Error> {
        // Without a transmitter nobody could take back what one told.
        if self.transmitter(connector).is_none() {
            return Ok(());
        }
        let key = name.key(connector);
        let Some(standing) = change.find(&STANDINGS, OrganisationId::DEFAULT, &key).await? else { return Ok(()) };
        if let Some(barred) = standing.barred {
            let reason = format!("the provider has told that the account is {}", barred.name());
            return Err(Error::refused("disabled-there", reason));
        }
        let now = self.services.clock.now();
        let is_any_time = is_session && !self.gives_names_again(connector);
        let is_over = |cut: Timestamp| {
            now < cut.plus(REMEMBERED + CLOCKS) && (is_any_time || at.is_none_or(|at| at.issued <= cut))
        };
        if standing.cut.is_some_and(is_over) {
            return Err(Error::refused("signalled", "the provider has ended what it vouched for meanwhile"));
        }
        Ok(())
    }

    /// Carries a signal out.
    async fn carry_out(
        &self,
        connector: &SourceId,
        signal: &Signal,
        circumstance: &Circumstance,
    ) -> Result<Heard, Error> {
        let ledger = &self.services.ledger;
        if let Some(subject) = &signal.subject
            && self.is_new(connector, signal).await?
        {
            ledger.retry(|change| self.take_back(change, connector, signal, subject, circumstance)).await?;
        }
        ledger.retry(|change| self.use_up(change, connector, signal, circumstance)).await
    }

    /// Lets somebody sign in by a connector again of whom its transmitter told that the account there is disabled or purged,
    /// whatever it told until now. Tells whether there was anything to lift.
    ///
    /// # Errors
    /// `Store`.
    pub async fn lift(&self, permit: &Permit, connector: &SourceId, whom: &Barring) -> Result<bool, Error> {
        let now = self.services.clock.now();
        let names: Vec<Name<'_>> = match whom {
            Barring::Account(user) => {
                let name = user.external_id(connector).map(Name::Subject);
                name.into_iter().chain(user.email().map(Name::Email)).collect()
            }
            Barring::Email(email) => vec![Name::Email(email)],
            Barring::Subject(name) => vec![Name::Subject(name)],
        };
        let keys: Vec<(SourceId, [u8; 32])> = names.iter().map(|name| name.key(connector)).collect();
        let keys = &keys;
        self.services
            .ledger
            .retry(|mut change| async move {
                for key in keys {
                    let standing = change.find(&STANDINGS, OrganisationId::DEFAULT, key).await?;
                    let Some(standing) = standing.filter(|standing| standing.barred.is_some()) else { continue };
                    let until = Some(now.plus(LATEST));
                    let standing = Standing { barred: None, decided: Some(now), until, ..standing };
                    change.put_until(&STANDINGS, OrganisationId::DEFAULT, key, &standing, until)?;
                }
                if change.is_empty() {
                    return Ok(false);
                }
                let event = permit.event(now, EventKind::AccountReleased).detail("connector", connector);
                let event = match whom {
                    Barring::Account(user) => event.on("user", user.id, &user.user_name),
                    Barring::Email(email) => event.detail("email", email),
                    Barring::Subject(name) => event.detail("name", name),
                };
                change.commit(event).await?;
                Ok(true)
            })
            .await
    }

    async fn is_new(&self, connector: &SourceId, signal: &Signal) -> Result<bool, Error> {
        let mut change = self.services.ledger.change();
        match self.check_unclaimed(&mut change, connector, &signal.claim.id).await {
            Ok(()) => Ok(true),
            Err(Error::Refused { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Shuts out what the connector vouched for before, and whom it does not vouch for any more.
    async fn take_back(
        &self,
        mut change: Change,
        connector: &SourceId,
        signal: &Signal,
        subject: &SignalSubject,
        circumstance: &Circumstance,
    ) -> Result<(), Error> {
        let found = self.whom(&mut change, connector, subject).await?;
        let mut names: Vec<Name<'_>> = Vec::new();
        match &subject.session {
            Some(session) if found.is_anybody(subject) => names.push(Name::Session(None, session)),
            Some(session) => names.extend(found.names.iter().map(|name| Name::Session(Some(name), session))),
            None => {
                names.extend(found.names.iter().map(|name| Name::Subject(name)));
                names.extend(subject.emails.iter().map(|email| Name::Email(email)));
            }
        }
        if signal.effect == Effect::Enable {
            // Who was disabled by address may be enabled by name.
            names.extend(found.users.iter().filter_map(User::email).map(Name::Email));
        }
        let (mut is_turned, mut barred) = (false, None);
        let lasts = signal.settled.max(signal.at.plus(REMEMBERED + CLOCKS));
        for name in names {
            let key = name.key(connector);
            let before = change.find(&STANDINGS, OrganisationId::DEFAULT, &key).await?.unwrap_or_default();
            let mut after = after(&before, signal, subject, &name);
            is_turned |= before.barred != after.barred;
            barred = barred.or(after.barred);
            if before != after {
                // A late signal does not shorten what a newer one is remembered for.
                after.until = before.until.max(Some(lasts));
                let is_nobody = found.users.is_empty() && !found.is_addressed;
                let until = match (after.barred, is_nobody) {
                    (None, _) => after.until,
                    (Some(_), true) => after.until.max(Some(self.services.clock.now().plus(STRANGERS))),
                    (Some(_), false) => None,
                };
                change.put_until(&STANDINGS, OrganisationId::DEFAULT, &key, &after, until)?;
            }
        }
        if is_turned {
            let kind = if barred.is_some() { EventKind::AccountBarred } else { EventKind::AccountReleased };
            let mut event = self.signal_event(kind, connector, signal, circumstance);
            if let Some(user) = found.users.first() {
                event = event.on("user", user.id, &user.user_name);
            }
            change.commit(event).await?;
        } else if !change.is_empty() {
            change.commit_quietly(Housekeeping::Login).await?;
        }
        Ok(())
    }

    /// Ends what is to end, and uses the signal up.
    async fn use_up(
        &self,
        mut change: Change,
        connector: &SourceId,
        signal: &Signal,
        circumstance: &Circumstance,
    ) -> Result<Heard, Error> {
        match self.claim_once(&mut change, connector, &signal.claim.id, signal.claim.until).await {
            Ok(()) => {}
            Err(Error::Refused { .. }) => return Ok(Heard::Again),
            Err(error) => return Err(error),
        }
        let mut event = self.signal_event(EventKind::SignalReceived, connector, signal, circumstance);
        if let Some(subject) = &signal.subject {
            let found = self.whom(&mut change, connector, subject).await?;
            if let Some(user) = found.users.first() {
                event = event.on("user", user.id, &user.user_name);
            }
            let ended = self.end_signalled(&mut change, connector, signal, subject, &found, circumstance).await?;
            event = event.detail("sessions_ended", ended.len());
            let (taken, left) = self.take_roles(&mut change, connector, signal, &found, &ended).await?;
            for (what, count) in [("roles_taken", taken), ("groups_left", left)].into_iter().filter(|(_, c)| *c > 0) {
                event = event.detail(what, count);
            }
        }
        change.commit(event).await?;
        Ok(Heard::Done)
    }

    async fn end_signalled(
        &self,
        change: &mut Change,
        connector: &SourceId,
        signal: &Signal,
        subject: &SignalSubject,
        found: &Found,
        circumstance: &Circumstance,
    ) -> Result<Vec<Session>, Error> {
        let until = match signal.effect {
            // By now nothing is opened, whenever it was vouched for; unless a later word has let them in again.
            Effect::Disable | Effect::Purge if !subject.is_narrow => {
                let is_barred = self.is_barred(change, connector, found).await?;
                Some(signal.at).filter(|_| !is_barred)
            }
            Effect::EndSessions => Some(signal.at),
            _ => return Ok(Vec::new()),
        };
        let users: Vec<UserId> = found.users.iter().map(|user| user.id).collect();
        // Addresses of nobody end nobody's session.
        if found.names.is_empty() && !found.is_anybody(subject) {
            return Ok(Vec::new());
        }
        let names: Vec<String> = subject.session.iter().cloned().collect();
        let until = until.filter(|_| names.is_empty() || self.gives_names_again(connector));
        let whose = Vouched { subjects: &found.names, users: &users, names: &names, until };
        let ended = self.services.sessions.end_at_upstream(change, connector, &whose).await?;
        for session in &ended {
            let reason = format!("`{}`, told by the provider `{connector}`", signal.event);
            let event = Event::new(self.services.clock.now(), EventKind::SessionEnded, &actor()).within(circumstance);
            let event = event.on("session", session.id, "").detail("user", session.user);
            change.also(event.detail("reason", reason));
        }
        Ok(ended)
    }

    /// Takes what the connector's rules gave to whom it does not vouch for any more, and tells how many grants those were,
    /// and how many places in groups. The next sign-in gives what is said then.
    async fn take_roles(
        &self,
        change: &mut Change,
        connector: &SourceId,
        signal: &Signal,
        found: &Found,
        ended: &[Session],
    ) -> Result<(usize, usize), Error> {
        let Some(reach) = signal.takes_roles() else { return Ok((0, 0)) };
        let permit = self.services.access.task_permit("signals", Some(connector.clone()));
        let (mut taken, mut left) = (0, 0);
        for user in &found.users {
            // What the connector has vouched for since then holds.
            let sessions = self.services.sessions.list(user.id).await?;
            let is_over = |session: &Session| ended.iter().any(|ended| ended.id == session.id);
            let is_back = sessions.iter().any(|session| session.connector == *connector && !is_over(session));
            let taking = match (reach, is_back) {
                (Taken::ForNow, true) => continue,
                (Taken::ForNow, false) => Taking::Unsaid,
                // Whoever is here now comes by the name of somebody who had it before.
                (Taken::ForGood, true) => Taking::Kept { until: signal.at },
                (Taken::ForGood, false) => Taking::Everything,
            };
            let directory = &self.services.directory;
            taken += directory.stage_word_taken(change, &permit, user.id, connector, taking).await?;
            left += directory.stage_joins_taken(change, &permit, user.id, connector, taking).await?;
        }
        Ok((taken, left))
    }

    /// Whether somebody of these may not sign in by the connector.
    async fn is_barred(&self, change: &mut Change, connector: &SourceId, found: &Found) -> Result<bool, Error> {
        for name in &found.names {
            let key = Name::Subject(name).key(connector);
            let standing = change.find(&STANDINGS, OrganisationId::DEFAULT, &key).await?;
            if standing.is_some_and(|standing| standing.barred.is_some()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whom a subject means: by the connector's names for them, and by address those alone whom the connector knows.
    async fn whom(&self, change: &mut Change, connector: &SourceId, subject: &SignalSubject) -> Result<Found, Error> {
        let directory = &self.services.directory;
        let mut found = Found { names: subject.names.clone(), ..Found::default() };
        for name in &subject.names {
            found.users.extend(directory.user_of_subject_in(change, connector, name).await?);
        }
        for email in &subject.emails {
            let users: Vec<User> = directory.find_users_by_email(email, MAX_ACCOUNTS).await?;
            if users.len() >= MAX_ACCOUNTS {
                let reason = format!("more than {MAX_ACCOUNTS} accounts have the address that a signal names");
                return Err(Error::Unavailable(reason));
            }
            found.is_addressed |= !users.is_empty();
            for user in users {
                if let Some(name) = user.external_id(connector) {
                    found.names.push(name.to_owned());
                    found.users.push(user);
                }
            }
        }
        found.names.sort();
        found.names.dedup();
        found.users.sort_by_key(|user| user.id);
        found.users.dedup_by_key(|user| user.id);
        Ok(found)
    }

    fn signal_event(
        &self,
        kind: EventKind,
        connector: &SourceId,
        signal: &Signal,
        circumstance: &Circumstance,
    ) -> Event {
        let event = Event::new(self.services.clock.now(), kind, &actor()).within(circumstance);
        let mut event = event.detail("connector", connector).detail("event", &signal.event);
        event = event.detail("happened", signal.at);
        if let Effect::Stream(status) = &signal.effect {
            event = event.detail("status", status);
        }
        signal.details.iter().fold(event, |event, (name, text)| event.detail(name, text))
    }

    async fn record_signal_refused(
        &self,
        error: &Error,
        connector: &SourceId,
        circumstance: &Circumstance,
    ) -> Result<(), Error> {
        let Error::Refused { rule, reason } = error else { return Ok(()) };
        let event = Event::new(self.services.clock.now(), EventKind::SignalRefused, &actor())
            .outcome(Outcome::Denied)
            .within(circumstance)
            .detail("connector", connector)
            .detail("rule", rule)
            .detail("reason", reason);
        self.services.ledger.record(event).await?;
        Ok(())
    }
}

/// Who acts: a transmitter is no account of ours; the event says whose it is.
fn actor() -> Actor {
    Actor::System { task: "signals".to_owned() }
}

/// How somebody stands after a signal about them.
fn after(before: &Standing, signal: &Signal, subject: &SignalSubject, name: &Name<'_>) -> Standing {
    let mut after = before.clone();
    let is_later = before.decided.is_none_or(|decided| decided <= signal.at);
    // Of two decisions of one moment nobody knows which was first; the one that shuts out holds.
    let is_after = before.decided.is_none_or(|decided| decided < signal.at);
    // What is about less than the account says nothing of the account.
    match signal.effect {
        Effect::EndSessions => after.cut = before.cut.max(Some(signal.at)),
        Effect::Disable | Effect::Purge if !subject.is_narrow && is_later => {
            // Addresses are given out again, names are not: who comes by one next may be enabled.
            let is_for_good = signal.effect == Effect::Purge && !matches!(name, Name::Email(_));
            let barred = if is_for_good { Barred::Purged } else { Barred::Disabled };
            // What is gone is not disabled any more.
            after.barred = Some(if before.barred == Some(Barred::Purged) { Barred::Purged } else { barred });
            after.decided = Some(signal.at);
            after.cut = before.cut.max(Some(signal.at));
        }
        Effect::Enable if !subject.is_narrow && (is_after || before.barred.is_none() && is_later) => {
            after.barred = before.barred.filter(|barred| *barred == Barred::Purged);
            after.decided = Some(signal.at);
        }
        _ => {}
    }
    after
}

#[cfg(test)]
mod tests;
