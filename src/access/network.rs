//! Network rules: from where people and tokens may sign in and act.
//!
//! There may be a list of networks for the organisation, for a role and for a user. All that exist for somebody must hold
//! the address: a list narrows what another one says, and never widens it. A role's list binds whoever holds the role now,
//! wherever it holds. What has no address comes over a socket of the machine itself and always passes; provisioning
//! connections, which are nobody, are not bound. The rules are kept in memory, with an epoch as the scopes are.

mod restore;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use minicbor::{Decode, Encode};

use super::policy::Question;
use super::scopes::EPOCHS;
use super::{Access, Error, Explanation, Permit, Prepared};
use crate::audit::{Change, Event, EventKind, Outcome};
use crate::clock::Timestamp;
use crate::model::{Actor, Circumstance, Network, OrganisationId, RoleId, UserId};
use crate::store::{self, Range, Table, decode};

/// Network rules by whom they bind.
const NETWORKS: Table<str, Record> = Table::new(0x29, "network rules");
/// The row that every change of the rules raises.
const EPOCH: &str = "networks";
/// Most rules of an organisation.
pub const MAX_NETWORK_RULES: usize = 1_000;
/// Most networks of one rule.
pub const MAX_NETWORKS: usize = 200;
/// Refusals are recorded at most this often.
const RECORD_EVERY: Duration = Duration::from_secs(1);

/// The key of the row that every change of the rules raises.
pub(super) fn epoch_key(organisation: OrganisationId) -> Vec<u8> {
    EPOCHS.key(organisation, EPOCH)
}

/// Whom a rule binds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bound {
    /// Everybody.
    Organisation,
    /// Whoever holds this role.
    Role(RoleId),
    /// This user.
    User(UserId),
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Organisation => f.write_str("organization"),
            Self::Role(role) => write!(f, "role:{role}"),
            Self::User(user) => write!(f, "user:{user}"),
        }
    }
}

impl FromStr for Bound {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.split_once(':') {
            None if text == "organization" => Ok(Self::Organisation),
            Some(("role", role)) => role.parse().map(Self::Role).map_err(|_| ()),
            Some(("user", user)) => user.parse().map(Self::User).map_err(|_| ()),
            _ => Err(()),
        }
    }
}

/// The networks that a rule admits, and who said so when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkRule {
    /// One of them must hold the address; never empty.
    pub networks: Vec<Network>,
    /// When it was changed last.
    pub changed: Timestamp,
    /// By whom, as an [`Actor`] prints.
    pub by: String,
}

/// Every rule of an organisation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkRules {
    rules: BTreeMap<Bound, NetworkRule>,
    epoch: u64,
}

impl NetworkRules {
    /// Rules that nobody has saved: what would be, if these lists were.
    pub fn imagined(lists: &BTreeMap<Bound, Vec<Network>>, at: Timestamp) -> Self {
        let rule = |networks: &Vec<Network>| NetworkRule { networks: networks.clone(), changed: at, by: String::new() };
        let rules = lists.iter().filter(|(_, networks)| !networks.is_empty());
        Self { rules: rules.map(|(bound, networks)| (bound.clone(), rule(networks))).collect(), epoch: 0 }
    }

    /// The rules by whom they bind.
    pub fn iter(&self) -> impl Iterator<Item = (&Bound, &NetworkRule)> {
        self.rules.iter()
    }

    /// Counts their changes.
    pub fn revision(&self) -> u64 {
        self.epoch
    }

    fn has_roles(&self) -> bool {
        self.rules.keys().any(|bound| matches!(bound, Bound::Role(_)))
    }

    /// The first rule that does not hold the address: the organisation's, then those of roles, then the user's.
    fn outside(&self, user: Option<UserId>, roles: &[RoleId], address: IpAddr) -> Option<Bound> {
        let of_roles = roles.iter().map(|role| Bound::Role(role.clone()));
        let mut bounds = std::iter::once(Bound::Organisation).chain(of_roles).chain(user.map(Bound::User));
        let shuts = |rule: &NetworkRule| !rule.networks.iter().any(|network| network.contains(address));
        bounds.find(|bound| self.rules.get(bound).is_some_and(shuts))
    }
}

/// A rule as stored.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
struct Record {
    #[n(0)]
    bound: String,
    #[n(1)]
    networks: Vec<String>,
    #[n(2)]
    changed: Timestamp,
    #[n(3)]
    by: String,
}

impl Record {
    fn of(bound: &Bound, rule: &NetworkRule) -> Self {
        Self {
            bound: bound.to_string(),
            networks: rule.networks.iter().map(ToString::to_string).collect(),
            changed: rule.changed,
            by: rule.by.clone(),
        }
    }

    fn read(self) -> Result<(Bound, NetworkRule), store::Error> {
        let corrupt = |text: &str| store::Error::Corrupt { table: NETWORKS.name(), reason: format!("`{text}`") };
        let bound = self.bound.parse().map_err(|()| corrupt(&self.bound))?;
        let network = |text: &String| text.parse().map_err(|_| corrupt(text));
        let networks = self.networks.iter().map(network).collect::<Result<_, _>>()?;
        Ok((bound, NetworkRule { networks, changed: self.changed, by: self.by }))
    }
}

/// The rules in force, and when a refusal was recorded last. Cloning shares them.
#[derive(Clone)]
pub(super) struct InForce {
    rules: Arc<RwLock<Arc<NetworkRules>>>,
    recorded: Arc<AtomicI64>,
}

impl Default for InForce {
    fn default() -> Self {
        Self { rules: Arc::default(), recorded: Arc::new(AtomicI64::new(i64::MIN)) }
    }
}

impl InForce {
    fn get(&self) -> Arc<NetworkRules> {
        Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts rules in force, unless newer ones are.
    fn install(&self, rules: NetworkRules) {
        let mut inforce = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        if rules.epoch > inforce.epoch {
            *inforce = Arc::new(rules);
        }
    }
}

/// The roles that somebody holds at a moment, in whatever place.
fn roles_held(prepared: &Prepared, at: Timestamp) -> Vec<RoleId> {
    let holds = |starts: Option<Timestamp>, ends: Option<Timestamp>| {
        starts.is_none_or(|starts| starts <= at) && ends.is_none_or(|ends| at < ends)
    };
    let held = prepared.standing().held.iter().filter(|held| holds(held.grant.starts, held.grant.ends));
    let mut roles: Vec<RoleId> = held.map(|held| held.grant.role.clone()).collect();
    roles.sort();
    roles.dedup();
    roles
}

impl Access {
    /// Reads the rules, when newer ones are stored than are in memory.
    pub(super) async fn catch_up_networks(&self) -> Result<(), Error> {
        let store = self.ledger.store();
        let mut epoch = store.find(&EPOCHS, self.organisation, EPOCH).await?.unwrap_or(0);
        if self.networks.get().epoch >= epoch {
            return Ok(());
        }
        loop {
            let range = Range::prefix(NETWORKS.prefix(self.organisation, &()), MAX_NETWORK_RULES);
            let mut rules = BTreeMap::new();
            for (_, stored) in store.range(range).await? {
                let (bound, rule) = decode::<Record>(NETWORKS.name(), &stored.value)?.read()?;
                rules.insert(bound, rule);
            }
            // What was read beside a change is one state only when the epoch stands where it stood.
            let after = store.find(&EPOCHS, self.organisation, EPOCH).await?.unwrap_or(0);
            if after == epoch {
                self.networks.install(NetworkRules { rules, epoch });
                return Ok(());
            }
            epoch = after;
        }
    }

    /// The rules in force.
    ///
    /// # Errors
    /// `Store`.
    pub async fn network_rules(&self) -> Result<Arc<NetworkRules>, Error> {
        self.renew().await?;
        Ok(self.networks.get())
    }

    /// The rule that shuts a user out who comes from an address, at a moment or now; `None` when all admit.
    ///
    /// # Errors
    /// `NotFound` where the user's roles are asked for and there is no such user; `Store`.
    pub async fn shut_out(
        &self,
        user: UserId,
        address: Option<IpAddr>,
        at: Option<Timestamp>,
    ) -> Result<Option<Bound>, Error> {
        let Some(address) = address else { return Ok(None) };
        let rules = self.network_rules().await?;
        self.shut_out_by(&rules, Some(user), address, at).await
    }

    async fn shut_out_by(
        &self,
        rules: &NetworkRules,
        user: Option<UserId>,
        address: IpAddr,
        at: Option<Timestamp>,
    ) -> Result<Option<Bound>, Error> {
        if rules.rules.is_empty() {
            return Ok(None);
        }
        let roles = match user.filter(|_| rules.has_roles()) {
            Some(user) => roles_held(&*self.prepared(user).await?, at.unwrap_or_else(|| self.clock.now())),
            None => Vec::new(),
        };
        Ok(rules.outside(user, &roles, address))
    }

    /// The rule of these rules that shuts an actor out who comes from an address: for a token, of whom it acts for and of
    /// who made it.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn actor_shut_out_by(
        &self,
        rules: &NetworkRules,
        actor: &Actor,
        address: Option<IpAddr>,
    ) -> Result<Option<Bound>, Error> {
        let Some(address) = address else { return Ok(None) };
        let people = match actor {
            Actor::User { id, .. } => [Some(*id), None],
            Actor::Token { user, maker, .. } => [*user, *maker],
            Actor::Anonymous | Actor::Connection { .. } | Actor::Local { .. } | Actor::System { .. } => {
                return Ok(None);
            }
        };
        if people.iter().all(Option::is_none) {
            return self.shut_out_by(rules, None, address, None).await;
        }
        for user in people.into_iter().flatten() {
            if let Some(bound) = self.shut_out_by(rules, Some(user), address, None).await? {
                return Ok(Some(bound));
            }
        }
        Ok(None)
    }

    /// Whether an actor may act from where it is. A refusal is recorded, at most one in a second.
    ///
    /// # Errors
    /// `Store`: the caller must treat it as a no.
    pub async fn admits(&self, actor: &Actor, from: &Circumstance) -> Result<bool, Error> {
        if from.address.is_none() {
            return Ok(true);
        }
        let rules = self.network_rules().await?;
        match self.actor_shut_out_by(&rules, actor, from.address).await {
            Ok(None) => Ok(true),
            Ok(Some(bound)) => {
                self.record_shut_out(actor, from, &bound).await?;
                Ok(false)
            }
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn record_shut_out(&self, actor: &Actor, from: &Circumstance, bound: &Bound) -> Result<(), Error> {
        let (now, recorded) = (self.clock.now(), &self.networks.recorded);
        let last = recorded.load(Ordering::Relaxed);
        let is_due = now.minus(RECORD_EVERY).as_millis() >= last;
        if is_due && recorded.compare_exchange(last, now.as_millis(), Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            let event = Event::new(now, EventKind::NetworkRefused, actor).outcome(Outcome::Denied).within(from);
            self.ledger.record(event.on("network", bound, bound)).await?;
        }
        Ok(())
    }

    /// Why a user who comes from an address may or may not: as [`Access::explain`], with the rules for networks after the
    /// status and before everything else.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn explain_from(
        &self,
        user: UserId,
        question: &Question<'_>,
        at: Option<Timestamp>,
        address: Option<IpAddr>,
    ) -> Result<Explanation, Error> {
        let explanation = self.explain(user, question, at).await?;
        if explanation.decided_by == "not-active" {
            return Ok(explanation);
        }
        let (Some(bound), Some(address)) = (self.shut_out(user, address, at).await?, address) else {
            return Ok(explanation);
        };
        let reason = format!("{address} is in none of the networks of {}", told(&bound));
        Ok(Explanation::plain(false, question, explanation.at, "network", &reason))
    }

    /// Makes the rules these lists, all in one commit; an empty list is no rule. `revision` is the one that the caller has
    /// seen, where it matters.
    ///
    /// # Errors
    /// `Invalid` naming a list that is too long or whose role does not exist; `Revision`; `Store`.
    pub async fn set_network_rules(
        &self,
        permit: &Permit,
        revision: Option<u64>,
        lists: &BTreeMap<Bound, Vec<Network>>,
    ) -> Result<Arc<NetworkRules>, Error> {
        check_sizes(lists)?;
        let next = self
            .ledger
            .retry(|mut change| async move {
                let before = self.start_networks(&mut change).await?;
                if revision.is_some_and(|seen| seen != before.epoch) {
                    return Err(Error::Revision { current: before.epoch });
                }
                let now = self.clock.now();
                let next = self.stage_networks(&mut change, &before, lists, permit, now)?;
                if next.rules == before.rules {
                    return Ok(None);
                }
                change.put(&EPOCHS, self.organisation, EPOCH, &next.epoch)?;
                let event = permit.event(now, EventKind::NetworkRulesChanged).on("network", "rules", "");
                change.commit(changes(event, &before, &next)).await?;
                Ok::<_, Error>(Some(next))
            })
            .await?;
        if let Some(next) = next {
            self.networks.install(next);
        }
        Ok(self.networks.get())
    }

    /// The rules that a change starts from; its commit fails when anybody else changes one before.
    async fn start_networks(&self, change: &mut Change) -> Result<Arc<NetworkRules>, Error> {
        let epoch = change.find(&EPOCHS, self.organisation, EPOCH).await?.unwrap_or(0);
        self.catch_up_networks().await?;
        let rules = self.networks.get();
        if rules.epoch == epoch { Ok(rules) } else { Err(store::Error::Conflict.into()) }
    }

    /// Writes the rules that are different, and tells what there is then.
    fn stage_networks(
        &self,
        change: &mut Change,
        before: &NetworkRules,
        lists: &BTreeMap<Bound, Vec<Network>>,
        permit: &Permit,
        now: Timestamp,
    ) -> Result<NetworkRules, Error> {
        let mut rules = BTreeMap::new();
        for (bound, networks) in lists.iter().filter(|(_, networks)| !networks.is_empty()) {
            let rule = match before.rules.get(bound).filter(|rule| rule.networks == *networks) {
                Some(same) => same.clone(),
                None => NetworkRule { networks: networks.clone(), changed: now, by: permit.actor().to_string() },
            };
            if before.rules.get(bound) != Some(&rule) {
                let record = Record::of(bound, &rule);
                change.put(&NETWORKS, self.organisation, &record.bound, &record)?;
            }
            rules.insert(bound.clone(), rule);
        }
        for bound in before.rules.keys().filter(|bound| !rules.contains_key(bound)) {
            change.delete(&NETWORKS, self.organisation, bound.to_string().as_str());
        }
        Ok(NetworkRules { rules, epoch: before.epoch.saturating_add(1) })
    }
}

fn told(bound: &Bound) -> String {
    match bound {
        Bound::Organisation => "the organization".to_owned(),
        Bound::Role(role) => format!("the role {role}"),
        Bound::User(_) => "the user".to_owned(),
    }
}

fn check_sizes(lists: &BTreeMap<Bound, Vec<Network>>) -> Result<(), Error> {
    if lists.len() > MAX_NETWORK_RULES {
        return Err(Error::Invalid {
            field: "users",
            reason: format!("are too many: at most {MAX_NETWORK_RULES} rules"),
        });
    }
    let long = lists.iter().find(|(_, networks)| networks.len() > MAX_NETWORKS);
    let Some((bound, _)) = long else { return Ok(()) };
    let field = match bound {
        Bound::Organisation => "organization",
        Bound::Role(_) => "roles",
        Bound::User(_) => "users",
    };
    Err(Error::Invalid { field, reason: format!("has a list of more than {MAX_NETWORKS} networks: {bound}") })
}

/// What is different, rule by rule.
fn changes(mut event: Event, before: &NetworkRules, after: &NetworkRules) -> Event {
    let list = |rules: &NetworkRules, bound: &Bound| match rules.rules.get(bound) {
        Some(rule) => rule.networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        None => "none".to_owned(),
    };
    let mut bounds: Vec<&Bound> = before.rules.keys().chain(after.rules.keys()).collect();
    bounds.sort();
    bounds.dedup();
    for bound in bounds {
        let (was, is) = (list(before, bound), list(after, bound));
        if was != is {
            event = event.detail(&bound.to_string(), is).detail(&format!("{bound} before"), was);
        }
    }
    event
}
