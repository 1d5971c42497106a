//! The one end of every sign-in: replay, account and rules in one commit; then status, roles, and either the next step or
//! session and event in another.

mod preview;

use std::time::Duration;

pub(super) use preview::{Preview, Standing};

use super::pending::{FactorShown, First, Pending};
use super::return_to::ReturnTo;
use super::signals::Word;
use super::step::{self, Step};
use super::ticket::Held;
use super::{Connector, Error, LINK, Login, PASSKEY, PASSWORD};
use crate::access::Permit;
use crate::audit::{Change, Event, EventKind, Housekeeping};
use crate::clock::Timestamp;
use crate::credential::{Enrolment, Prepared, Verified};
use crate::directory::{SourceRecord, parse_user_name};
use crate::lockout::{DeviceId, Subject};
use crate::model::{
    Actor, Attributes, Circumstance, FactorKind, OrganisationId, PasskeyId, SourceId, Status, User, UserId, fold,
};
use crate::notify::Notice;
use crate::secret::Secret;
use crate::session::{Details, Method, Session};
use crate::store::{Retryable, Table};
use crate::upstream::{AssertedIdentity, OneTime};

/// Assertion ids that were accepted, until they would have ended by themselves.
const CLAIMS: Table<(SourceId, String), Timestamp> = Table::new(0x51, "claimed assertions");
/// Every tag of this module with its table's name.
pub(super) const TABLES: [(u8, &str); 1] = [(0x51, CLAIMS.name())];

/// How far a provider's clock may be ahead of ours.
const MAX_SKEW: Duration = Duration::from_secs(5 * 60);

/// What has proved who somebody is.
pub(super) enum Proof {
    /// One of somebody's passkeys, which verified who holds it.
    Passkey(UserId, PasskeyId),
    /// A password kept here.
    Password(Verified),
    /// A connector's word, by this protocol.
    Upstream(Box<AssertedIdentity>, Method),
}

/// From where somebody signs in.
#[derive(Clone, Debug, Default)]
pub(super) struct Visit {
    pub(super) circumstance: Circumstance,
    pub(super) user_agent: Option<String>,
    /// The browser's id, where it has one of ours.
    pub(super) device: Option<DeviceId>,
}

impl Visit {
    /// What an attempt on somebody's password is counted on.
    pub(super) fn attempt_on<'a>(&self, user: &'a User) -> Subject<'a> {
        match self.device {
            Some(device) => Subject::From(user.id, &user.user_name, device),
            None => Subject::User(user.id, &user.user_name),
        }
    }
}

/// An opened session.
#[derive(Debug)]
pub struct Opened {
    /// The cookie's secret, told this once.
    pub secret: Secret,
    /// The session.
    pub session: Session,
    /// Who signed in.
    pub user: User,
    /// Where the sign-in leads to.
    pub return_to: ReturnTo,
    /// The value of the cookie by which the browser is known from now on.
    pub device: Option<Secret>,
}

/// How far a sign-in came.
pub(super) enum Finished {
    /// To its end.
    Opened(Box<Opened>),
    /// To a step that must be taken before; `secret` is told this once.
    Next {
        /// Finds the sign-in again.
        secret: Secret,
        /// What must be shown.
        step: Step,
    },
}

/// What a step showed.
pub(super) enum Evidence {
    /// A password that satisfies the policy and is not the present one.
    NewPassword(Prepared),
    /// A second factor, which is used up by now.
    Factor(FactorKind),
    /// A second factor that was set up just now.
    Enrolled(Box<Enrolment>),
}

impl Evidence {
    const fn step(&self) -> Step {
        match self {
            Self::NewPassword(_) => Step::ChangePassword,
            Self::Factor(_) => Step::Factor,
            Self::Enrolled(_) => Step::Enrol,
        }
    }
}

/// A connector's word, and the ticket that it answers where there is one that is not used up yet.
#[derive(Clone, Copy)]
struct Vouch<'a> {
    identity: &'a AssertedIdentity,
    method: Method,
    held: Option<&'a Held<'a>>,
}

/// How far a connector's word led by itself.
enum Admitted {
    /// It changed what is known of the person, and nothing more is done yet.
    Changed,
    /// It changed nothing, and the sign-in came so far in the same commit.
    Finished(Finished),
    /// It changed nothing, and the person may not sign in; nothing is committed.
    Refused(Error),
}

/// Whom an identity stands for.
enum Account {
    /// Somebody who has signed in by this connector before.
    Linked(User),
    /// Somebody of this name, to whose account the connector may link.
    Named(User),
    /// Nobody yet.
    New,
}

impl Login {
    /// Ends a sign-in: of all that can be wrong nothing is, and the session is open, unless a step must be taken before.
    ///
    /// What a connector says of the person is committed first, whatever follows: a role that the provider takes away is
    /// gone also where it denied signing in. Whether they may sign in is asked after that, of everybody. Where it says
    /// nothing new, which is usual, there is one commit for everything.
    pub(super) async fn finish(&self, proof: Proof, visit: &Visit, return_to: &ReturnTo) -> Result<Finished, Error> {
        self.finish_holding(proof, None, visit, return_to).await
    }

    /// The same for what answered a ticket, which is used up by the commit that accepts it. Where nothing is accepted it
    /// is still there.
    pub(super) async fn finish_holding(
        &self,
        proof: Proof,
        held: Option<&Held<'_>>,
        visit: &Visit,
        return_to: &ReturnTo,
    ) -> Result<Finished, Error> {
        let ledger = &self.services.ledger;
        let mut pending = self.pending(First::from(&proof), return_to.as_str());
        if let First::Passkey(..) = &pending.first {
            // Having it is one thing, and what it verified is another.
            pending.factor = Some(FactorShown { kind: FactorKind::Passkey, at: self.services.clock.now() });
        }
        let pending = &pending;
        if let Proof::Upstream(identity, method) = &proof {
            self.accept_vouched(identity, visit).await?;
            let word = Vouch { identity, method: *method, held };
            match ledger.retry(|change| self.admit(change, word, pending, visit)).await? {
                Admitted::Finished(finished) => return Ok(finished),
                Admitted::Refused(error) => return Err(error),
                Admitted::Changed => {}
            }
        }
        ledger.retry(|change| self.advance(change, pending.clone(), visit)).await
    }

    /// Goes on with a sign-in after a step: only with what the step that is due asks for.
    pub(super) async fn resume(&self, secret: &Secret, evidence: &Evidence, visit: &Visit) -> Result<Finished, Error> {
        self.services
            .ledger
            .retry(|mut change| async move {
                let mut pending = self.take_pending(&mut change, secret).await?;
                let user = self.proved(&mut change, &pending.first).await?;
                if step::next(self.needs(&mut change, &pending, &user).await?) != Some(evidence.step()) {
                    return Err(Error::refused("step", "what was sent is not what the sign-in waits for"));
                }
                match (evidence, &pending.first) {
                    (Evidence::NewPassword(prepared), First::Password(verified)) => {
                        let verified = self.replace_password(&mut change, verified, &user, prepared, visit).await?;
                        pending.first = First::Password(verified);
                    }
                    (Evidence::NewPassword(prepared), First::Link(_)) => {
                        let present = self.services.credentials.version_in(&mut change, user.id).await?;
                        if present != pending.replaces {
                            return Err(Error::refused("stale-password", "another password was set meanwhile"));
                        }
                        self.set_password(&mut change, &user, prepared, visit).await?;
                        pending.chooses_password = None;
                    }
                    (Evidence::NewPassword(_), First::Passkey(..) | First::Upstream { .. }) => {
                        return Err(Error::refused("step", "this sign-in was by no password"));
                    }
                    (Evidence::Factor(kind), _) => {
                        pending.factor = Some(FactorShown { kind: *kind, at: self.services.clock.now() });
                    }
                    (Evidence::Enrolled(enrolment), _) => {
                        self.enrol(&mut change, &user, enrolment, visit).await?;
                        let kind = enrolment.kind();
                        pending.factor = Some(FactorShown { kind, at: self.services.clock.now() });
                    }
                }
                self.advance(change, pending, visit).await
            })
            .await
    }

    /// The account whose sign-in waits under a secret, and for which step: for its page.
    pub(super) async fn waiting(&self, secret: &Secret) -> Result<(User, First, Step), Error> {
        let mut change = self.services.ledger.change();
        let pending = self.find_pending(&mut change, secret).await?;
        let user = self.proved(&mut change, &pending.first).await?;
        match step::next(self.needs(&mut change, &pending, &user).await?) {
            Some(step) => Ok((user, pending.first, step)),
            None => Err(Error::refused("step", "nothing is left to show")),
        }
    }

    /// Puts a new password in the place of the one that was verified; what was open by the old one ends.
    async fn replace_password(
        &self,
        change: &mut Change,
        verified: &Verified,
        user: &User,
        prepared: &Prepared,
        visit: &Visit,
    ) -> Result<Verified, Error> {
        let services = &self.services;
        let Some(now) = services.credentials.change_in(change, verified, prepared).await? else {
            return Err(Error::refused("stale-password", "another password was set meanwhile"));
        };
        let ended = services.sessions.end_all(change, user.id).await?;
        services.outbox.tell_in(change, user, Notice::PasswordChanged, &visit.circumstance).await?;
        let event = Event::new(services.clock.now(), EventKind::PasswordChanged, &Actor::Anonymous)
            .by(user.id)
            .within(&visit.circumstance)
            .on("user", user.id, &user.user_name)
            .detail("sessions_ended", ended);
        change.also(event);
        Ok(now)
    }

    /// Sets the password that somebody chose by a link; what was open ends, and what failed before is forgotten.
    async fn set_password(
        &self,
        change: &mut Change,
        user: &User,
        prepared: &Prepared,
        visit: &Visit,
    ) -> Result<(), Error> {
        let services = &self.services;
        let permit = services.access.sign_in_permit(built_in(LINK)?, visit.circumstance.clone());
        let set = services.credentials.set_in(change, &permit, user, prepared)?;
        let ended = services.sessions.end_all(change, user.id).await?;
        services.lockout.forget_attempts_in(change, user.id);
        services.outbox.tell_in(change, user, Notice::PasswordSet, &visit.circumstance).await?;
        change.also(set.by(user.id).detail("by", "a link").detail("sessions_ended", ended));
        Ok(())
    }

    /// Uses the assertion up and makes the account of its person what the provider says. Where that changes nothing, the
    /// sign-in goes on in the same change.
    async fn admit(
        &self,
        mut change: Change,
        word: Vouch<'_>,
        pending: &Pending,
        visit: &Visit,
    ) -> Result<Admitted, Error> {
        let Vouch { identity, method, held } = word;
        let permit = self.services.access.sign_in_permit(identity.connector().clone(), visit.circumstance.clone());
        let session = identity.upstream_session();
        self.check_logged_out(&mut change, identity.connector(), session, identity.at_upstream()).await?;
        self.check_signalled(&mut change, identity).await?;
        if let Some(claim) = identity.claim() {
            self.check_unclaimed(&mut change, identity.connector(), &claim.id).await?;
        }
        let account = self.account_of(&mut change, identity).await?;
        if let Account::Linked(user) | Account::Named(user) = &account {
            check_status(user)?;
        }
        // What a directory says of its people comes whole, by sync. A bind proves who somebody is, no more.
        if !(matches!(account, Account::Linked(_)) && method == Method::LdapBind) {
            self.provision(&mut change, &permit, identity, &account).await?;
        }
        let says_nothing_new = change.is_empty();
        if let Some(held) = held {
            self.tickets.redeem_in(&mut change, held).await?;
        }
        if let Some(claim) = identity.claim() {
            self.put_claim(&mut change, identity.connector(), &claim.id, claim.until)?;
        }
        if says_nothing_new {
            return match self.advance(change, pending.clone(), visit).await {
                Ok(finished) => Ok(Admitted::Finished(finished)),
                Err(error) if error.is_lost_race() => Err(error),
                Err(error) => Ok(Admitted::Refused(error)),
            };
        }
        change.commit_quietly(Housekeeping::Login).await?;
        Ok(Admitted::Changed)
    }

    /// Uses up the assertion of somebody who may not come in by it, whatever refuses them, so that it is good for nothing
    /// later either. Of one that was used before nothing changes.
    pub(super) async fn spend(&self, connector: &SourceId, claim: &OneTime) -> Result<(), Error> {
        self.services
            .ledger
            .retry(|mut change| async move {
                match self.claim_once(&mut change, connector, &claim.id, claim.until).await {
                    Ok(()) => {}
                    Err(Error::Refused { .. }) => return Ok(()),
                    Err(error) => return Err(error),
                }
                change.commit_quietly(Housekeeping::Login).await?;
                Ok(())
            })
            .await
    }

    /// Takes a sign-in as far as it goes, in a change that may have more to commit: to its next step, or to its end.
    pub(super) async fn advance(&self, mut change: Change, pending: Pending, visit: &Visit) -> Result<Finished, Error> {
        let user = self.proved(&mut change, &pending.first).await?;
        check_status(&user)?;
        self.check_admitted(user.id, visit).await?;
        self.check_sso(&mut change, &pending, &user).await?;
        let Some(step) = step::next(self.needs(&mut change, &pending, &user).await?) else {
            return Ok(Finished::Opened(Box::new(self.open(change, user, &pending, visit).await?)));
        };
        let secret = self.keep_pending(&mut change, &pending)?;
        change.commit_quietly(Housekeeping::Login).await?;
        Ok(Finished::Next { secret, step })
    }

    /// Whether roles and networks let somebody sign in from here.
    async fn check_admitted(&self, user: UserId, visit: &Visit) -> Result<(), Error> {
        let may_sign_in = self.services.access.may_sign_in(user).await;
        if !may_sign_in.map_err(|error| Error::Unavailable(error.to_string()))? {
            return Err(Error::refused("no-access", "a role denies signing in"));
        }
        let shut_out = self.services.access.shut_out(user, visit.circumstance.address, None).await;
        match shut_out.map_err(|error| Error::Unavailable(error.to_string()))? {
            Some(bound) => Err(Error::refused("network", format!("the address is in none of the networks of {bound}"))),
            None => Ok(()),
        }
    }

    /// Opens the session of somebody who has shown everything.
    async fn open(&self, mut change: Change, user: User, pending: &Pending, visit: &Visit) -> Result<Opened, Error> {
        let services = &self.services;
        let (connector, method) = match &pending.first {
            First::Link(_) => (built_in(LINK)?, Method::Link),
            First::Passkey(..) => (built_in(PASSKEY)?, Method::Passkey),
            First::Password(_) => (built_in(PASSWORD)?, Method::Password),
            First::Upstream { connector, method, .. } => (connector.clone(), *method),
        };
        let (upstream_session, groups, at_upstream) = match &pending.first {
            First::Upstream { session, groups, at, .. } => (session.clone(), groups.clone(), at.clone()),
            First::Link(_) | First::Passkey(..) | First::Password(_) => (None, Vec::new(), None),
        };
        let permit = services.access.sign_in_permit(connector.clone(), visit.circumstance.clone());
        let details = Details {
            connector: connector.clone(),
            method,
            address: visit.circumstance.address,
            user_agent: visit.user_agent.clone(),
            upstream_session,
            at_upstream,
            groups,
            presence: self.presence(pending),
        };
        let (secret, session) = services.sessions.open(&mut change, user.id, details).await?;
        let mut event = permit
            .event(services.clock.now(), EventKind::SessionCreated)
            .on("user", user.id, &user.user_name)
            .detail("session", session.id)
            .detail("connector", &connector)
            .detail("method", method.name());
        if let Some(shown) = pending.factor {
            event = event.detail("factor", shown.kind.name());
        }
        if self.breaks_glass(&user) {
            event = event.detail("break_glass", true);
        }
        let device = self.know_device(&mut change, &user, method, visit).await?;
        change.commit(event).await?;
        services.metrics.session_opened(method.name());
        let return_to = ReturnTo::parse(Some(&pending.return_to));
        Ok(Opened { secret, session, user, return_to, device })
    }

    /// Knows the browser from now on, where somebody came in who may come by a password. Who comes by a provider's word
    /// has none to be locked, and the word comes from another site, with which this cookie does not go.
    async fn know_device(
        &self,
        change: &mut Change,
        user: &User,
        method: Method,
        visit: &Visit,
    ) -> Result<Option<Secret>, Error> {
        if matches!(method, Method::OpenIdConnect | Method::Saml) {
            return Ok(None);
        }
        let (lockout, ids) = (&self.services.lockout, &self.services.ids);
        let name = visit.user_agent.as_deref();
        let known = lockout.know_in(change, (user.id, &user.user_name), visit.device, name, ids).await?;
        if known.is_some_and(|known| known.is_news) {
            self.services.outbox.tell_in(change, user, Notice::NewDevice, &visit.circumstance).await?;
        }
        Ok(known.map(|known| lockout.device_cookie(known.device)))
    }

    /// The user of a proof, if it still holds: between it and this change a password may have been set anew, a link
    /// taken away.
    async fn proved(&self, change: &mut Change, first: &First) -> Result<User, Error> {
        let directory = &self.services.directory;
        match first {
            First::Link(id) => Ok(directory.user_in(change, *id).await?),
            First::Passkey(user, id) => {
                if !self.services.factors.has_passkey_in(change, *user, *id).await? {
                    return Err(Error::refused("credential", "the passkey was removed meanwhile"));
                }
                Ok(directory.user_in(change, *user).await?)
            }
            First::Password(verified) => {
                if !self.services.credentials.is_current(change, verified).await? {
                    return Err(Error::refused("stale-password", "another password was set meanwhile"));
                }
                Ok(directory.user_in(change, verified.user()).await?)
            }
            First::Upstream { connector, subject, session, at, email, .. } => {
                self.check_logged_out(change, connector, session.as_deref(), at.as_ref()).await?;
                let word =
                    Word { connector, subject, session: session.as_deref(), email: email.as_deref(), at: at.as_ref() };
                self.check_word(change, &word).await?;
                directory
                    .user_of_subject_in(change, connector, subject)
                    .await?
                    .ok_or_else(|| Error::refused("link", "the account is no longer the provider's to sign in to"))
            }
        }
    }

    /// Makes the account, its rule grants and its places in groups what the provider says.
    async fn provision(
        &self,
        change: &mut Change,
        permit: &Permit,
        identity: &AssertedIdentity,
        account: &Account,
    ) -> Result<(), Error> {
        let directory = &self.services.directory;
        let staged = match account {
            Account::Linked(user) => {
                directory.stage_user(change, permit, Some(user), &record_of(identity, Some(user))?).await?
            }
            Account::Named(user) => {
                let record = record_of(identity, Some(user))?;
                let stays = |other: &SourceId| self.is_trusted(other, identity.email().unwrap_or_default());
                directory.stage_first_link(change, permit, user, &record, stays).await?
            }
            Account::New => {
                self.check_new_name(identity)?;
                directory.stage_user(change, permit, None, &record_of(identity, None)?).await?
            }
        };
        if let Some(event) = staged.event {
            change.also(event);
        }
        let facts = identity.facts();
        let is_first = !matches!(account, Account::Linked(_));
        let connector = identity.connector();
        directory.stage_sign_in_rules(change, permit, &staged.user, connector, &facts, is_first).await?;
        Ok(directory.stage_sign_in_joins(change, permit, &staged.user, connector, &facts, is_first).await?)
    }

    /// Refuses what nobody asked for and a provider vouched for before the store was put back: whether it was used by then
    /// is not known. What was asked for answers a ticket, of which none lives on.
    pub(super) fn check_life(&self, identity: &AssertedIdentity) -> Result<(), Error> {
        let Some(since) = self.services.ledger.life().since() else { return Ok(()) };
        // By the provider's clock, which may be ahead of ours by as much as a configuration allows.
        if identity.at_upstream().is_none_or(|at| at.issued <= since.plus(MAX_SKEW)) {
            return Err(Error::refused("restored", "it was issued before the store was put back, or shortly after"));
        }
        Ok(())
    }

    /// Takes what a connector or a passkey answered by, once.
    pub(super) async fn claim_once(
        &self,
        change: &mut Change,
        connector: &SourceId,
        id: &str,
        until: Timestamp,
    ) -> Result<(), Error> {
        self.check_unclaimed(change, connector, id).await?;
        self.put_claim(change, connector, id, until)
    }

    fn put_claim(&self, change: &mut Change, connector: &SourceId, id: &str, until: Timestamp) -> Result<(), Error> {
        let key = (connector.clone(), id.to_owned());
        Ok(change.put_until(&CLAIMS, OrganisationId::DEFAULT, &key, &until, Some(until))?)
    }

    /// Refuses what was used before.
    pub(super) async fn check_unclaimed(
        &self,
        change: &mut Change,
        connector: &SourceId,
        id: &str,
    ) -> Result<(), Error> {
        match change.find(&CLAIMS, OrganisationId::DEFAULT, &(connector.clone(), id.to_owned())).await? {
            Some(_) => Err(Error::refused("replay", "the answer was used before")),
            None => Ok(()),
        }
    }

    /// The account that an identity stands for: the one it is linked to, else the one of its name if the connector may
    /// link to accounts that exist, else none yet.
    async fn account_of(&self, change: &mut Change, identity: &AssertedIdentity) -> Result<Account, Error> {
        let directory = &self.services.directory;
        if let Some(user) = directory.user_of_subject_in(change, identity.connector(), identity.subject()).await? {
            return Ok(Account::Linked(user));
        }
        let Some(user) = directory.user_of_name_in(change, identity.user_name()).await? else {
            return Ok(Account::New);
        };
        if user.external_id(identity.connector()).is_some() {
            return Err(Error::refused("link", "the account of this name belongs to another person at the provider"));
        }
        if self.may_link(identity, &user) {
            return Ok(Account::Named(user));
        }
        let reason = "an account of this name exists, and the connector is not trusted to sign in to it";
        Err(Error::refused("link", reason))
    }

    /// Linking to an account that exists needs a verified address in a domain that the administrator gave to the
    /// connector, and the account must be of that address.
    pub(super) fn may_link(&self, identity: &AssertedIdentity, user: &User) -> bool {
        let Some(email) = identity.email().filter(|_| identity.email_is_verified()) else { return false };
        let folded = fold(email);
        let is_theirs =
            user.user_name.folded() == folded || user.email().is_some_and(|address| fold(address) == folded);
        is_theirs && self.is_trusted(identity.connector(), email)
    }

    /// Whether a connector may sign in to accounts that exist, with addresses of this one's domain.
    fn is_trusted(&self, connector: &SourceId, email: &str) -> bool {
        let Some(connector) = self.connectors.get(connector) else { return false };
        email.rsplit_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && connector.domains.iter().any(|trusted| trusted.eq_ignore_ascii_case(domain))
        })
    }

    /// A connector makes accounts in the domains that it declares, and without any in none that another declares: who
    /// has the account first would have what its owner gets later. A name that reads as an account's id could be taken
    /// for that account.
    fn check_new_name(&self, identity: &AssertedIdentity) -> Result<(), Error> {
        let name = fold(identity.user_name());
        if name.as_str().parse::<UserId>().is_ok() {
            return Err(Error::refused("user_name", "the name of a new account has the form of an account's id"));
        }
        let Some((_, domain)) = name.as_str().rsplit_once('@') else { return Ok(()) };
        let declares = |connector: &Connector| connector.declares.iter().any(|d| d.eq_ignore_ascii_case(domain));
        let own = self.connectors.get(identity.connector());
        if own.is_some_and(declares) {
            return Ok(());
        }
        if own.is_some_and(|own| !own.declares.is_empty()) {
            let reason = format!("the connector makes no account outside of its domains, and not in `{domain}`");
            return Err(Error::refused("domain", reason));
        }
        match self.connectors.iter().find(|(_, connector)| declares(connector)) {
            Some((other, _)) => {
                let reason = format!("accounts in `{domain}` are made by the connector `{other}`, which declares it");
                Err(Error::refused("domain", reason))
            }
            None => Ok(()),
        }
    }
}

impl From<&Proof> for First {
    fn from(proof: &Proof) -> Self {
        match proof {
            Proof::Passkey(user, id) => Self::Passkey(*user, *id),
            Proof::Password(verified) => Self::Password(*verified),
            Proof::Upstream(identity, method) => Self::Upstream {
                connector: identity.connector().clone(),
                method: *method,
                subject: identity.subject().to_owned(),
                session: identity.upstream_session().map(str::to_owned),
                groups: identity.groups().to_vec(),
                at: identity.at_upstream().cloned(),
                email: identity.email().map(str::to_owned),
            },
        }
    }
}

pub(super) fn built_in(name: &str) -> Result<SourceId, Error> {
    name.parse().map_err(|_| Error::Unavailable(format!("`{name}` is no connector")))
}

fn check_status(user: &User) -> Result<(), Error> {
    match user.status {
        Status::Active => Ok(()),
        Status::Invited => Err(Error::refused("invited", "the invitation was not accepted yet")),
        Status::Inactive | Status::Tombstone => Err(Error::refused("inactive", "the account is not active")),
    }
}

/// The identity as a source record. What the provider does not say stays as it is.
fn record_of(identity: &AssertedIdentity, existing: Option<&User>) -> Result<SourceRecord, Error> {
    let mut attributes = Attributes::default();
    if let Some(name) = identity.display_name() {
        attributes.0.insert("displayName".to_owned(), name.into());
    }
    // What administrators keep is not changed by what anybody may write into a profile: letters go to that address.
    let is_kept = existing.is_some_and(User::is_by_hand);
    if let Some(email) = identity.email().filter(|_| identity.email_is_verified() || !is_kept) {
        let list = serde_json::json!([{ "value": email, "primary": true }]);
        attributes.0.insert("emails".to_owned(), list);
    }
    let user_name = match existing {
        Some(user) => user.user_name.clone(),
        None => parse_user_name(identity.user_name())?,
    };
    Ok(SourceRecord { external_id: Some(identity.subject().to_owned()), user_name, active: None, attributes })
}
