//! The one end of every sign-in: replay, account, status, rules, session and event, in one commit.

use serde_json::{Map, Value};

use super::{Error, LINK, Login, PASSWORD};
use crate::access::Permit;
use crate::audit::{Change, EventKind};
use crate::clock::Timestamp;
use crate::credential::Verified;
use crate::directory::{SourceRecord, parse_user_name};
use crate::model::{Attributes, Circumstance, OrganisationId, SourceId, Status, User, UserId};
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

impl Login {
    /// Ends a sign-in: of all that can be wrong nothing is, and the session is open; or nothing has happened but the
    /// recorded failure.
    pub(super) async fn finish(&self, proof: &Proof, visit: &Visit) -> Result<Opened, Error> {
        let services = &self.services;
        services.ledger.retry(|change| self.finish_in(change, proof, visit)).await
    }

    /// The same inside a change that has more to commit.
    pub(super) async fn finish_in(&self, mut change: Change, proof: &Proof, visit: &Visit) -> Result<Opened, Error> {
        let services = &self.services;
        let (connector, method) = match proof {
            Proof::Link(_) => (built_in(LINK)?, Method::Link),
            Proof::Password(_) => (built_in(PASSWORD)?, Method::Password),
            Proof::Upstream(identity, method) => (identity.connector().clone(), *method),
        };
        let permit = services.access.sign_in_permit(connector.clone(), visit.circumstance.clone());
        let (user, is_new) = match proof {
            Proof::Link(id) => (services.directory.user_in(&mut change, *id).await?, false),
            Proof::Password(verified) => (services.directory.user_in(&mut change, verified.user()).await?, false),
            Proof::Upstream(identity, _) => {
                self.claim(&mut change, identity).await?;
                let existing = self.account_of(&mut change, identity).await?;
                check_status(existing.as_ref())?;
                match existing {
                    // What a directory says of its people comes whole, by sync. A bind proves who somebody is, no more.
                    Some(user) if method == Method::LdapBind => (user, false),
                    existing => {
                        let is_new = existing.is_none();
                        let user = self.provision(&mut change, &permit, identity, existing.as_ref()).await?;
                        (user, is_new)
                    }
                }
            }
        };
        check_status(Some(&user))?;
        if !is_new && !self.may_sign_in(user.id).await? {
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
        // A new account's roles exist only now; the secret has not left this function.
        if is_new && !self.may_sign_in(user.id).await? {
            services.sessions.end(&permit, session.id).await?;
            return Err(Error::refused("no-access", "a role denies signing in"));
        }
        Ok(Opened { secret, session, user })
    }

    /// Makes the account and its rule grants what the provider says.
    async fn provision(
        &self,
        change: &mut Change,
        permit: &Permit,
        identity: &AssertedIdentity,
        existing: Option<&User>,
    ) -> Result<User, Error> {
        let directory = &self.services.directory;
        let record = record_of(identity, existing)?;
        let staged = directory.stage_user(change, permit, existing, &record).await?;
        if let Some(event) = staged.event {
            change.also(event);
        }
        let facts = facts_of(identity);
        directory.stage_sign_in_rules(change, permit, &staged.user, identity.connector(), &facts).await?;
        Ok(staged.user)
    }

    async fn may_sign_in(&self, user: UserId) -> Result<bool, Error> {
        self.services.access.may_sign_in(user).await.map_err(|error| Error::Unavailable(error.to_string()))
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
    async fn account_of(&self, change: &mut Change, identity: &AssertedIdentity) -> Result<Option<User>, Error> {
        let directory = &self.services.directory;
        if let Some(user) = directory.user_of_subject_in(change, identity.connector(), identity.subject()).await? {
            return Ok(Some(user));
        }
        let Some(user) = directory.user_of_name_in(change, identity.user_name()).await? else { return Ok(None) };
        if user.external_id(identity.connector()).is_some() {
            return Err(Error::refused("link", "the account of this name belongs to another person at the provider"));
        }
        if self.may_link(identity, &user) {
            return Ok(Some(user));
        }
        let reason = "an account of this name exists, and the connector is not trusted to sign in to it";
        Err(Error::refused("link", reason))
    }

    /// Linking to an account that exists needs a verified address in a domain that the administrator gave to the
    /// connector, and the account must be of that address.
    fn may_link(&self, identity: &AssertedIdentity, user: &User) -> bool {
        let Some(connector) = self.connectors.get(identity.connector()) else { return false };
        let Some(email) = identity.email().filter(|_| identity.email_is_verified()) else { return false };
        let is_trusted = email.rsplit_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && connector.domains.iter().any(|trusted| trusted.eq_ignore_ascii_case(domain))
        });
        let folded = crate::model::fold(email);
        let is_theirs = user.user_name.folded() == folded
            || user.email().is_some_and(|address| crate::model::fold(address) == folded);
        is_trusted && is_theirs
    }
}

fn built_in(name: &str) -> Result<SourceId, Error> {
    name.parse().map_err(|_| Error::Unavailable(format!("`{name}` is no connector")))
}

fn check_status(user: Option<&User>) -> Result<(), Error> {
    match user.map(|user| user.status) {
        None | Some(Status::Active) => Ok(()),
        Some(Status::Invited) => Err(Error::refused("invited", "the invitation was not accepted yet")),
        Some(Status::Inactive | Status::Tombstone) => Err(Error::refused("inactive", "the account is not active")),
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

/// What a connector's rules see.
fn facts_of(identity: &AssertedIdentity) -> Map<String, Value> {
    let mut facts: Map<String, Value> =
        identity.attributes().iter().map(|(name, values)| (name.clone(), values.clone().into())).collect();
    facts.insert("userName".to_owned(), identity.user_name().into());
    facts.insert("groups".to_owned(), identity.groups().into());
    if let Some(email) = identity.email() {
        facts.insert("email".to_owned(), email.into());
    }
    if let Some(name) = identity.display_name() {
        facts.insert("displayName".to_owned(), name.into());
    }
    facts
}
