//! Wires every service once and collects routes and tasks. It sees everything and decides nothing.

mod alerts;
mod belongings;
mod counted;
mod life;
mod listeners;
mod management;
mod policies;
mod policy;
mod reload;
mod sources;
mod trial;
mod watch;

use std::sync::Arc;

use self::belongings::Belongings;
use crate::access::{self, Access};
use crate::api;
use crate::audit::{self, Ledger, Sealer};
use crate::authzen;
use crate::clock::{Clock, Timestamp};
use crate::config::{Config, Gives, MasterKey};
use crate::credential::{Credentials, Factors};
use crate::directory::{self, Directory, JoinRule, Rule, Rules};
use crate::error::Chain;
use crate::http::Metrics;
use crate::limit::Limits;
use crate::lockout::Lockout;
use crate::login::{self, Login};
use crate::model::{OrganisationId, RoleId, Scope, SourceId};
use crate::notify::Outbox;
use crate::scim;
use crate::scim::Journal;
use crate::secret::{IdSource, MacKey};
use crate::session::Sessions;
use crate::store;
use crate::sync::{self, Sync};
use crate::tasks::Tasks;
use crate::tokens::{self, Tokens};

pub use counted::SeatWatch;
pub use listeners::{Listening, Ready};
pub use reload::Reload;
pub use trial::{Tried, examine, examine_metadata, try_captured};

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What the policy pack says cannot be used.
    #[error("the policy pack cannot be used")]
    Access(#[source] access::Error),
    /// A certificate, an address or a connector's settings cannot be used.
    #[error("`{key}` {reason}")]
    Configuration {
        /// The key of the configuration.
        key: String,
        /// What is wrong.
        reason: String,
    },
    /// The threads that hash passwords do not start.
    #[error("passwords cannot be hashed")]
    Hasher(#[source] crate::credential::Error),
    /// The installation's key.
    #[error("the installation's key cannot be used")]
    Key(#[source] audit::KeyError),
    /// A listener does not start.
    #[error("the listener `{name}` does not start")]
    Listener {
        /// Which.
        name: &'static str,
        /// Why.
        #[source]
        source: crate::http::Error,
    },
    /// The store does not open.
    #[error("the store does not open")]
    Open(#[source] store::OpenError),
    /// The ledger was tampered with, or is damaged.
    #[error("the ledger does not verify: {0}")]
    Ledger(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Error {
    /// The key of the configuration and what is wrong with it, where it is about one.
    fn place(self) -> Option<(String, String)> {
        match self {
            Self::Configuration { key, reason } => Some((key, reason)),
            _ => None,
        }
    }

    fn configuration(key: impl Into<String>, reason: impl std::fmt::Display) -> Self {
        Self::Configuration { key: key.into(), reason: reason.to_string() }
    }
}

/// What is the same for every service.
#[derive(Clone, Debug)]
pub struct Foundation {
    /// Time.
    pub clock: Clock,
    /// Randomness.
    pub ids: IdSource,
    /// Counters for the operations listener.
    pub metrics: Metrics,
    /// Reading the configuration again.
    pub reload: Reload,
    /// Background work.
    pub tasks: Tasks,
}

impl Foundation {
    /// The machine's clock and randomness; nothing to reload from.
    pub fn system() -> Self {
        Self {
            clock: Clock::system(),
            ids: IdSource::system(),
            metrics: Metrics::new(),
            reload: Reload::unavailable(),
            tasks: Tasks::new(),
        }
    }
}

/// Every service of a running gateway. Cloning shares them.
#[derive(Clone)]
pub struct Gateway {
    config: Arc<Config>,
    foundation: Foundation,
    sealer: Arc<Sealer>,
    ledger: Ledger,
    access: Access,
    credentials: Credentials,
    cursors: scim::Cursors,
    directory: Directory,
    factors: Factors,
    journal: Journal,
    limits: Limits,
    lockout: Lockout,
    login: Login,
    outbox: Outbox,
    pages: authzen::Pages,
    places: api::Cursors,
    sessions: Sessions,
    tokens: Tokens,
    syncs: sources::Syncs,
}

impl Gateway {
    /// Opens the store of the configuration and builds every service over it.
    ///
    /// # Errors
    /// What keeps the gateway from starting, each with what to do.
    pub async fn open(config: Config, foundation: Foundation) -> Result<Self, Error> {
        life::check_there(&config.store.path)?;
        let master =
            audit::open_master_key(&config.store.key, &config.store.path, &foundation.ids).map_err(Error::Key)?;
        let sealer = Arc::new(Sealer::new(&master));
        let cache_bytes = usize::try_from(config.store.cache_bytes).unwrap_or(usize::MAX);
        let settings = store::Settings { path: config.store.path.clone(), cache_bytes };
        let seal: Arc<dyn store::Seal> = Arc::<Sealer>::clone(&sealer);
        let (store, writer) = store::open(&settings, foundation.clock.clone(), seal).map_err(Error::Open)?;
        // A head that does not verify means an edited file: nothing is served from it.
        let head = store.engine().head().await?;
        store::Seal::size(&*sealer, &head).map_err(|error| Error::Ledger(error.to_string()))?;
        let ledger = Ledger::new(store, writer);
        life::take_up(&config, &foundation, &ledger, &master, Some(&config.store.path)).await?;
        Self::build(config, foundation, &master, sealer, ledger).await
    }

    /// The same over a store in memory that is gone with the process: for tests and for trying things out.
    ///
    /// # Errors
    /// As [`Gateway::open`].
    pub async fn open_in_memory(config: Config, foundation: Foundation) -> Result<Self, Error> {
        let master = match &config.store.key {
            MasterKey::Given(key) => MacKey::new(key),
            MasterKey::Beside(_) => MacKey::new(&foundation.ids.bytes()),
        };
        let sealer = Arc::new(Sealer::new(&master));
        let seal: Arc<dyn store::Seal> = Arc::<Sealer>::clone(&sealer);
        let (store, writer) = store::open_memory(foundation.clock.clone(), seal);
        Self::build(config, foundation, &master, sealer, Ledger::new(store, writer)).await
    }

    async fn build(
        config: Config,
        foundation: Foundation,
        master: &MacKey,
        sealer: Arc<Sealer>,
        ledger: Ledger,
    ) -> Result<Self, Error> {
        let Foundation { clock, ids, .. } = foundation.clone();
        let organisation = OrganisationId::DEFAULT;
        let pack = policies::pack(&config.policy).map_err(Error::Access)?;
        policies::check_plan(&config)?;
        let belongings = Belongings::new(&config, &foundation, &ledger, master)?;
        let Belongings { credentials, factors, lockout, outbox, sessions, tokens, uses, .. } = belongings.clone();
        tokens.fill_people().await.map_err(|error| match error {
            tokens::Error::Store(error) => Error::Store(error),
            other => Error::configuration("store.path", other),
        })?;
        let directory = Directory::new(ledger.clone(), clock.clone(), ids.clone(), rules(&config))
            .with_belongings(Arc::new(belongings))
            .with_schemas(&config.schemas)
            .with_tasks(foundation.tasks.clone())
            .with_connections(policies::connections(&config.scim))
            .with_realms(policies::realms(&config));
        count_owned(&directory, &ledger, &config).await?;
        open_facets(&directory, &ledger, &foundation.tasks).await?;
        let (roles, memberships) = (pack.roles().clone(), Arc::new(directory.clone()));
        let access = Access::new(ledger.clone(), clock.clone(), ids.clone(), organisation, roles, memberships);
        directory.name_rule().replace(pack.login_rule());
        let access = access
            .with_census(Arc::new(directory.clone()))
            .with_scope_kinds(pack.scope_kinds(), pack.scope_below())
            .with_uses(uses)
            .with_pack(pack);
        let access = start(access, &config, &directory).await?;
        fill_groups(&directory, &access).await?;
        tell_failing_tests(&access, &ledger, foundation.clock.now()).await?;
        let cursors = scim::Cursors::new(master, clock.clone());
        let places = api::Cursors::new(master, ids.clone());
        let pages = authzen::Pages::new(master, clock.clone());
        let limits = Limits::new(&policies::limits(&config.limits, &config.scim), &clock, &ids);
        let services = login::Services {
            access: access.clone(),
            clock,
            credentials: credentials.clone(),
            directory: directory.clone(),
            factors: factors.clone(),
            ids,
            ledger: ledger.clone(),
            limits: limits.clone(),
            lockout: lockout.clone(),
            metrics: foundation.metrics.clone(),
            outbox: outbox.clone(),
            sessions: sessions.clone(),
            tasks: foundation.tasks.clone(),
            tokens: tokens.clone(),
        };
        let kept = config.scim.iter().filter(|scim| scim.log).map(|scim| &scim.id);
        let journal = Journal::new(kept, foundation.clock.clone());
        let connectors = sources::connectors(&config, &foundation, &ledger)?;
        let (syncs, binds) = sources::directories(&config, &foundation, &directory, &access, &ledger).await?;
        // What the flow gives out is good for minutes, once: none of it outlives the life of the store.
        let key = ledger.life().key(master);
        let login = Login::new(services, connectors, binds, &key, &config.public_url)
            .with_contact(config.contact.as_deref())
            .sparing(policies::bind_budgets(&config))
            .requiring_factor(config.factors.required)
            .requiring_sso(config.sign_in.require_sso, config.sign_in.break_glass.iter().cloned().collect())
            .inviting_for(config.invitations.lasts);
        restore_blocks(&login).await?;
        let pruned = prune_grants(&access, directory.rules()).await?;
        if pruned > 0 {
            tracing::info!(grants = pruned, "took {pruned} roles that no mapping rule gives any more");
        }
        prune_joins(&access, &directory).await?;
        Ok(Self {
            config: Arc::new(config),
            foundation,
            sealer,
            ledger,
            access,
            credentials,
            cursors,
            directory,
            factors,
            journal,
            limits,
            lockout,
            login,
            outbox,
            pages,
            places,
            sessions,
            tokens,
            syncs,
        })
    }

    /// Lets a reload know what is in force from the start.
    pub fn reload_in_force(&self, certificates: Option<&crate::http::Certificates>) {
        let policy = policy::PolicyInForce::new(self.access.clone(), self.directory.clone());
        self.foundation.reload.started(&self.config, certificates, policy, self.login.redirects());
    }

    /// People, groups and membership.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Decisions and permits.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// The ledger.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Passwords.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Failed attempts.
    pub fn lockout(&self) -> &Lockout {
        &self.lockout
    }

    /// Second factors.
    pub fn factors(&self) -> &Factors {
        &self.factors
    }

    /// Tokens.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Sessions.
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// Mails that wait.
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// The login flow.
    pub fn login(&self) -> &Login {
        &self.login
    }

    /// The sync of a directory that is pulled.
    pub fn sync(&self, id: &SourceId) -> Option<&Sync> {
        self.syncs.get(id)
    }

    /// Figures.
    pub fn metrics(&self) -> &crate::http::Metrics {
        &self.foundation.metrics
    }

    /// Background work.
    pub fn tasks(&self) -> &Tasks {
        &self.foundation.tasks
    }

    /// Records something about the gateway itself.
    ///
    /// # Errors
    /// `Store`.
    pub async fn record(&self, kind: audit::EventKind) -> Result<(), Error> {
        let permit = self.access.task_permit("gateway", None);
        let event = permit.event(self.foundation.clock.now(), kind).detail("version", env!("CARGO_PKG_VERSION"));
        let pack = self.access.pack();
        let event = event.detail("policy pack", pack.name()).detail("policy digest", pack.digest());
        let event = match api::Control::digest(&self.foundation.reload) {
            Some(digest) => event.detail("configuration digest", digest),
            None => event,
        };
        self.ledger.record(event).await?;
        Ok(())
    }

    /// Writes which rights were used and is not written yet.
    ///
    /// # Errors
    /// `Store`.
    pub async fn keep_uses(&self) -> Result<(), Error> {
        self.access.keep_uses().await.map_err(Error::Access)?;
        Ok(())
    }

    /// Reads the whole ledger and says whether it is as it was written.
    ///
    /// # Errors
    /// `Store`.
    pub async fn verify(&self) -> Result<audit::Report, Error> {
        Ok(audit::verify(self.ledger.store(), &self.sealer, None).await?)
    }
}

/// The policy pack that a configuration names.
///
/// # Errors
/// Every problem of the pack.
pub fn open_pack(config: &Config) -> Result<access::Pack, access::Error> {
    policies::pack(&config.policy)
}

/// What may be wrong with a configuration and only the store can tell: mapping rules whose role the pack does not have, and
/// an administrator may have made. Each is a place and the rest of a sentence about it.
pub fn doubts(config: &Config, now: Timestamp) -> Vec<(String, String)> {
    let ending = watch::ending_in_files(config, now);
    let Ok(pack) = policies::pack(&config.policy) else { return ending };
    let unknown = policies::unknown_roles(config, pack.roles()).into_iter();
    let last = "; the daemon starts only when it is a role of your own";
    unknown.map(|(place, reason)| (place, format!("{reason}{last}"))).chain(ending).collect()
}

/// What else is wrong with a configuration that reads well: a policy pack that cannot be used, roles that it does not
/// have. Each is a place of the configuration (`cleargate.toml:31`, or a key) and the rest of a sentence about it.
pub fn check(config: &Config) -> Vec<(String, String)> {
    let mut problems = match policies::pack(&config.policy) {
        Ok(pack) => policies::wrong_tests(config, &pack),
        Err(error) => policies::pack_problems(&config.policy, &error),
    };
    problems.extend(policies::beyond_plan(config));
    problems.extend(watch::problems(config));
    if let Err(error) = sources::check_mail(config) {
        problems.push((format!("mail.{}", error.key), error.reason));
    }
    for ldap in config.ldap.iter().filter(|ldap| ldap.bind.is_none()) {
        let reason = "is missing: directories are read with a service account".to_owned();
        problems.push((format!("ldap.{}.bind", ldap.id), reason));
    }
    problems
}

/// Reads what decisions need; a mapping rule must give a role of the pack or one that an administrator made.
async fn start(access: Access, config: &Config, directory: &Directory) -> Result<Access, Error> {
    let access = policies::counting(access, config, directory);
    access.start().await.map_err(Error::Access)?;
    match policies::unknown_roles(config, &access.roles()).into_iter().next() {
        Some((position, reason)) => Err(Error::configuration(format!("mapping at {position}"), reason)),
        None => Ok(access.with_tests(config.tests.clone(), Arc::new(directory.clone()))),
    }
}

/// Says which tests of the policy fail: the daemon comes up all the same, so that it can be mended.
async fn tell_failing_tests(access: &Access, ledger: &Ledger, now: Timestamp) -> Result<(), Error> {
    let results = access.run_tests(&access::Overlay::default()).await.map_err(Error::Access)?;
    for test in results.iter().filter(|result| !result.held) {
        let why = test.failures.join("; ");
        tracing::error!("the policy test `{}` fails: {why}", test.name);
        let permit = access.task_permit("gateway", None);
        let event = permit.event(now, audit::EventKind::PolicyRefused).outcome(audit::Outcome::Failed);
        let event = event.on("test", &test.position, &test.name).detail("reason", why);
        if let Err(error) = ledger.record(event).await {
            tracing::warn!("that a policy test fails was not recorded: {}", Chain(&error));
        }
    }
    Ok(())
}

/// Counts once what each source owns: a release before did not.
async fn count_owned(directory: &Directory, ledger: &Ledger, config: &Config) -> Result<(), Error> {
    let types: Vec<String> = config.schemas.types.iter().map(|known| known.name.to_string()).collect();
    match directory.count_owned_once(&types).await {
        Ok(()) => Ok(()),
        // A store that takes no writes is served as it is; the next start counts.
        Err(error @ directory::Error::Store(_)) if !ledger.store().engine().health().writable => {
            tracing::warn!("what each source owns was not counted: {}", Chain(&error));
            Ok(())
        }
        Err(directory::Error::Store(error)) => Err(Error::Store(error)),
        Err(other) => Err(Error::configuration("store.path", other)),
    }
}

/// Lists people by index, once every user has its rows: those whom a release before has made get them now.
async fn open_facets(directory: &Directory, ledger: &Ledger, tasks: &Tasks) -> Result<(), Error> {
    let has_gaps = match directory.open_facets().await {
        Ok(has_gaps) => has_gaps,
        // A store that takes no writes is served as it is.
        Err(error) if !ledger.store().engine().health().writable => {
            tracing::warn!("the indexes of people were not opened: {}", Chain(&error));
            return Ok(());
        }
        Err(directory::Error::Store(error)) => return Err(Error::Store(error)),
        Err(other) => return Err(Error::configuration("store.path", other)),
    };
    if has_gaps {
        let (directory, stopping) = (directory.clone(), tasks.stopping());
        tasks.spawn("index-people", async move {
            if let Err(error) = directory.fill_facets(&stopping).await {
                tracing::error!("the indexes of people are not complete, the next start goes on: {}", Chain(&error));
            }
        });
    }
    Ok(())
}

/// Shuts out again who was shut out for spraying passwords when the program ended.
async fn restore_blocks(login: &Login) -> Result<(), Error> {
    match login.restore_blocks().await {
        Ok(0) => Ok(()),
        Ok(blocks) => {
            tracing::info!(blocks, "networks stay shut out of sign-in by password");
            Ok(())
        }
        Err(login::Error::Store(error)) => Err(Error::Store(error)),
        Err(other) => Err(Error::configuration("store.path", other)),
    }
}

/// Goes on with groups whose members do not follow their rules yet.
async fn fill_groups(directory: &Directory, access: &Access) -> Result<(), Error> {
    match directory.has_unfilled().await {
        Ok(true) => directory.start_filling(access.task_permit("group-rules", None)),
        Ok(false) => {}
        Err(directory::Error::Store(error)) => return Err(Error::Store(error)),
        Err(other) => return Err(Error::configuration("store.path", other)),
    }
    Ok(())
}

/// Takes what rules gave that are gone from the configuration. Whoever is left alone by rules that have changed only in
/// their condition is looked at when something about the person changes.
async fn prune_grants(access: &Access, rules: &Rules) -> Result<usize, Error> {
    let permit = access.task_permit("gateway", None);
    let is_in_force = |source: &SourceId, role: &RoleId, scope: Option<&Scope>| {
        rules.given_by(source).any(|(given, place)| given == role && place == scope)
    };
    let pruned = access.grants().prune(&permit, is_in_force).await;
    pruned.map_err(Error::Access)
}

/// Takes those out of groups whom no rule puts there any more, and tells of rules that can put nobody anywhere.
async fn prune_joins(access: &Access, directory: &Directory) -> Result<(), Error> {
    let failed = |error| match error {
        directory::Error::Store(error) => Error::Store(error),
        other => Error::configuration("store.path", other),
    };
    let left = directory.prune_joins(&access.task_permit("gateway", None)).await.map_err(failed)?;
    if left > 0 {
        tracing::info!(
            memberships = left,
            "took people {left} times out of groups that no mapping rule names any more"
        );
    }
    for rule in directory.idle_joins().await.map_err(failed)? {
        let (position, group) = (&rule.position, &rule.group);
        tracing::warn!("{position} joins `{group}`, and no group that is kept by hand without a rule is called that");
    }
    Ok(())
}

fn rules(config: &Config) -> Rules {
    let (mut rules, mut joins) = (Vec::new(), Vec::new());
    for mapping in &config.mappings {
        let is_directory = config.ldap.iter().any(|ldap| ldap.id == mapping.from);
        // A DN has many spellings; groups of directories are kept under one.
        let when = if is_directory { sync::fold_names(mapping.when.clone()) } else { mapping.when.clone() };
        let (source, keeping, position) = (mapping.from.clone(), mapping.keeping, mapping.position.clone());
        match &mapping.gives {
            Gives::Group(group) => joins.push(JoinRule { source, when, group: group.clone(), keeping, position }),
            Gives::Role(grant) => {
                let (role, scope) = (grant.role.clone(), grant.scope.clone());
                rules.push(Rule { source, when, role, scope, keeping, position });
            }
        }
    }
    Rules::new(rules).with_joins(joins)
}
