//! The one end of every sign-in: replay, account and rules in one commit; then status, roles, session and event in another.

use serde_json::{Map, Value};

use super::{Connector, Error, LINK, Login, PASSWORD};
use crate::access::Permit;
use crate::audit::{Change, EventKind, Housekeeping};
use crate::clock::Timestamp;
use crate::credential::Verified;
use crate::directory::{SourceRecord, parse_user_name};
use crate::model::{Attributes, Circumstance, OrganisationId, SourceId, Status, User, UserId, fold};
use crate::secret::Secret;
use crate::session::{Details, Method, Session};
use crate::store::Table;
use crate::upstream::AssertedIdentity;

/// Assertion ids that were accepted, until they would have ended by themselves.
const CLAIMS: Table<(SourceId, String), Timestamp> = Table::new(0x51, "claimed assertions");
/// Every tag of this module with its table's name.
pub(super) const TABLES: [(u8, &str); 1] = [(0x51, CLAIMS.name())];

/// What has proved who somebody is.
pub(super) enum Proof {
    /// A one-time link, redeemed in the change that is passed on.
    Link(UserId),
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
    /// Ends a sign-in: of all that can be wrong nothing is, and the session is open.
    ///
    /// What a connector says of the person is committed first, whatever follows: a role that the provider takes away is
    /// gone also where it denied signing in. Whether they may sign in is asked after that, of everybody.
    pub(super) async fn finish(&self, proof: &Proof, visit: &Visit) -> Result<Opened, Error> {
        if let Proof::Upstream(identity, method) = proof {
            let admit = |change| self.admit(change, identity, *method, visit);
            self.services.ledger.retry(admit).await?;
        }
        self.services.ledger.retry(|change| self.open(change, proof, visit)).await
    }

    /// Uses the assertion up and makes the account of its person what the provider says.
    async fn admit(
        &self,
        mut change: Change,
        identity: &AssertedIdentity,
        method: Method,
        visit: &Visit,
    ) -> Result<(), Error> {
        let permit = self.services.access.sign_in_permit(identity.connector().clone(), visit.circumstance.clone());
        self.claim(&mut change, identity).await?;
        let account = self.account_of(&mut change, identity).await?;
        if let Account::Linked(user) | Account::Named(user) = &account {
            check_status(user)?;
        }
        // What a directory says of its people comes whole, by sync. A bind proves who somebody is, no more.
        if !(matches!(account, Account::Linked(_)) && method == Method::LdapBind) {
            self.provision(&mut change, &permit, identity, &account).await?;
        }
        if !change.is_empty() {
            change.commit_quietly(Housekeeping::Login).await?;
        }
        Ok(())
    }

    /// Opens the session, in a change that may have more to commit.
    pub(super) async fn open(&self, mut change: Change, proof: &Proof, visit: &Visit) -> Result<Opened, Error> {
        let services = &self.services;
        let (connector, method) = match proof {
            Proof::Link(_) => (built_in(LINK)?, Method::Link),
            Proof::Password(_) => (built_in(PASSWORD)?, Method::Password),
            Proof::Upstream(identity, method) => (identity.connector().clone(), *method),
        };
        let permit = services.access.sign_in_permit(connector.clone(), visit.circumstance.clone());
        let user = self.proved(&mut change, proof).await?;
        check_status(&user)?;
        if !services.access.may_sign_in(user.id).await.map_err(|error| Error::Unavailable(error.to_string()))? {
            return Err(Error::refused("no-access", "a role denies signing in"));
        }
        let identity = match proof {
            Proof::Upstream(identity, _) => Some(identity.as_ref()),
            Proof::Link(_) | Proof::Password(_) => None,
        };
        let details = Details {
            connector: connector.clone(),
            method,
            address: visit.circumstance.address,
            user_agent: visit.user_agent.clone(),
            upstream_session: identity.and_then(AssertedIdentity::upstream_session).map(str::to_owned),
            groups: identity.map(|identity| identity.groups().to_vec()).unwrap_or_default(),
        };
        let (secret, session) = services.sessions.open(&mut change, user.id, details).await?;
        let event = permit
            .event(services.clock.now(), EventKind::SessionCreated)
            .on("user", user.id, &user.user_name)
            .detail("session", session.id)
            .detail("connector", &connector)
            .detail("method", method.name());
        change.commit(event).await?;
        Ok(Opened { secret, session, user })
    }

    /// The user of a proof, if it still holds: between it and this change a password may have been set anew, a link
    /// taken away.
    async fn proved(&self, change: &mut Change, proof: &Proof) -> Result<User, Error> {
        let directory = &self.services.directory;
        match proof {
            Proof::Link(id) => Ok(directory.user_in(change, *id).await?),
            Proof::Password(verified) => {
                if !self.services.credentials.is_current(change, verified).await? {
                    return Err(Error::refused("stale-password", "another password was set meanwhile"));
                }
                Ok(directory.user_in(change, verified.user()).await?)
            }
            Proof::Upstream(identity, _) => directory
                .user_of_subject_in(change, identity.connector(), identity.subject())
                .await?
                .ok_or_else(|| Error::refused("link", "the account is no longer the provider's to sign in to")),
        }
    }

    /// Makes the account and its rule grants what the provider says.
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
        let facts = facts_of(identity);
        Ok(directory.stage_sign_in_rules(change, permit, &staged.user, identity.connector(), &facts).await?)
    }

    /// Accepts an assertion's id once.
    async fn claim(&self, change: &mut Change, identity: &AssertedIdentity) -> Result<(), Error> {
        let Some(claim) = identity.claim() else { return Ok(()) };
        let key = (identity.connector().clone(), claim.id.clone());
        if change.find(&CLAIMS, OrganisationId::DEFAULT, &key).await?.is_some() {
            return Err(Error::refused("replay", "the assertion was used before"));
        }
        let until = claim.until;
        change.put_until(&CLAIMS, OrganisationId::DEFAULT, &key, &until, Some(until))?;
        Ok(())
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
    fn may_link(&self, identity: &AssertedIdentity, user: &User) -> bool {
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

fn built_in(name: &str) -> Result<SourceId, Error> {
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
    if let Some(email) = identity.email() {
        let list = serde_json::json!([{ "value": email, "primary": true }]);
        attributes.0.insert("emails".to_owned(), list);
    }
    let user_name = match existing {
        Some(user) => user.user_name.clone(),
        None => parse_user_name(identity.user_name())?,
    };
    Ok(SourceRecord { external_id: Some(identity.subject().to_owned()), user_name, active: None, attributes })
}

/// Names of facts that have one meaning for all connectors; what a provider sends under them is read by the connector.
const COMMON_FACTS: [&str; 4] = ["displayName", "email", "groups", "userName"];

/// What a connector's rules see. An address is a fact only where it is verified: anybody can write one into a profile.
fn facts_of(identity: &AssertedIdentity) -> Map<String, Value> {
    let is_common = |name: &str| COMMON_FACTS.iter().any(|common| common.eq_ignore_ascii_case(name));
    let sent = identity.attributes().iter().filter(|(name, _)| !is_common(name));
    let mut facts: Map<String, Value> = sent.map(|(name, values)| (name.clone(), values.clone().into())).collect();
    facts.insert("userName".to_owned(), identity.user_name().into());
    facts.insert("groups".to_owned(), identity.groups().into());
    if let Some(email) = identity.email().filter(|_| identity.email_is_verified()) {
        facts.insert("email".to_owned(), email.into());
    }
    if let Some(name) = identity.display_name() {
        facts.insert("displayName".to_owned(), name.into());
    }
    facts
}
