//! Access as a service: reads what the policy needs, lets it decide, records refusals, hands out permits.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::acting::{Acting, Ground};
use super::custom::Shelf;
use super::explain::{self, Explanation, HeldRole, Level};
use super::grants::{Grants, NewGrant};
use super::policy::{self, Prepared, Question, Standing};
use super::refused::Refused;
use super::scopes::epoch_keys;
use super::seats::Counting;
use super::uses::Uses;
use super::warm::Warm;
use super::{Census, Error, Memberships, Pack, Permit, Reach, RoleBook, Scopes, Subjects};
use crate::audit::{EventKind, Ledger, Outcome};
use crate::clock::{Clock, Timestamp};
use crate::config::PolicyTest;
use crate::model::{Actor, Circumstance, OrganisationId, Permission, Presence, Scope, SourceId, Status, UserId};
use crate::secret::IdSource;
use crate::store::Seen;

/// Who may do what in one organisation. Cloning shares everything.
#[derive(Clone)]
pub struct Access {
    pub(super) ledger: Ledger,
    pub(super) clock: Clock,
    pub(super) organisation: OrganisationId,
    pub(super) grants: Grants,
    roles: Arc<RwLock<Arc<RoleBook>>>,
    pub(super) shelf: Arc<RwLock<Shelf>>,
    scopes: Scopes,
    warm: Warm,
    pub(super) networks: super::network::InForce,
    pub(super) tests: Arc<RwLock<Arc<Vec<PolicyTest>>>>,
    pub(super) test_turns: Arc<tokio::sync::Mutex<()>>,
    pub(super) subjects: Option<Arc<dyn Subjects>>,
    /// Somebody who saw all companies when one was looked for last.
    pub(super) witness: Arc<Mutex<Option<UserId>>>,
    /// The marks under which roles and scopes in memory were last seen to be the stored ones.
    epochs: Arc<RwLock<Option<Seen>>>,
    /// Whether the indexes have every grant.
    is_filled: Arc<AtomicBool>,
    pub(super) memberships: Arc<dyn Memberships>,
    pub(super) uses: Uses,
    census: Option<Arc<dyn Census>>,
    pub(super) counting: Option<Counting>,
    refused: Arc<Refused>,
    daemon_uid: u32,
}

impl Access {
    /// Access by these roles. Over the admin socket, the superuser and the user that the daemon runs as are
    /// administrators.
    pub fn new(
        ledger: Ledger,
        clock: Clock,
        ids: IdSource,
        organisation: OrganisationId,
        roles: RoleBook,
        memberships: Arc<dyn Memberships>,
    ) -> Self {
        let scopes = Scopes::new(ledger.clone(), clock.clone(), organisation, &[], &BTreeMap::new());
        let uses = Uses::new(ledger.clone(), clock.clone(), organisation);
        let grants = Grants::new(ledger.clone(), clock.clone(), ids, organisation);
        // Unreadable, or not Linux: the superuser alone.
        let daemon_uid = std::fs::metadata("/proc/self").map_or(0, |metadata| metadata.uid());
        let shelf = Arc::new(RwLock::new(Shelf::new(Pack::of_roles(roles.clone()))));
        let roles = Arc::new(RwLock::new(Arc::new(roles)));
        Self {
            ledger,
            clock,
            organisation,
            grants,
            roles,
            shelf,
            scopes,
            warm: Warm::new(),
            networks: super::network::InForce::default(),
            tests: Arc::default(),
            test_turns: Arc::default(),
            subjects: None,
            witness: Arc::default(),
            epochs: Arc::default(),
            is_filled: Arc::default(),
            memberships,
            uses,
            census: None,
            counting: None,
            refused: Arc::default(),
            daemon_uid,
        }
    }

    /// The same with a whole pack in force: its roles, and its rules for names, defaults and options.
    #[must_use]
    pub fn with_pack(self, pack: Pack) -> Self {
        self.replace_pack(pack);
        self
    }

    /// The same with these kinds of scope beside those that every organisation has; `below` says which lie below scopes of
    /// another kind.
    #[must_use]
    pub fn with_scope_kinds(self, kinds: &[String], below: &BTreeMap<String, String>) -> Self {
        let organisation = self.grants.organisation();
        let scopes = Scopes::new(self.ledger.clone(), self.clock.clone(), organisation, kinds, below);
        Self { scopes, ..self }
    }

    /// The same with a record of uses that others share, who end what it keeps of an account.
    #[must_use]
    pub fn with_uses(self, uses: Uses) -> Self {
        Self { uses, ..self }
    }

    /// The same with a directory that tells who is in it, for [`Access::who_can`].
    #[must_use]
    pub fn with_census(self, census: Arc<dyn Census>) -> Self {
        Self { census: Some(census), ..self }
    }

    pub(super) fn census(&self) -> Option<Arc<dyn Census>> {
        self.census.clone()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Reads what decisions need in memory, and brings a store of a release before up to date. Once, before the first
    /// decision; a store that takes no writes is read as it is.
    ///
    /// # Errors
    /// `Store`.
    pub async fn start(&self) -> Result<(), Error> {
        self.scopes.load().await?;
        self.load_roles().await?;
        self.catch_up_networks().await?;
        if self.ledger.store().engine().health().writable {
            self.uses.begin().await?;
        }
        self.fill().await
    }

    /// Brings the indexes of a store of a release before up to date, once it takes writes.
    async fn fill(&self) -> Result<(), Error> {
        if self.is_filled.load(Ordering::Acquire) || !self.ledger.store().engine().health().writable {
            return Ok(());
        }
        let filled = self.grants.fill_indexes().await?;
        if filled > 0 {
            tracing::info!(grants = filled, "put the grants of a release before into the indexes");
        }
        self.is_filled.store(true, Ordering::Release);
        Ok(())
    }

    /// The scopes and their tree.
    pub fn scopes(&self) -> &Scopes {
        &self.scopes
    }

    /// The stored grants.
    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    /// The roles in force.
    pub fn roles(&self) -> Arc<RoleBook> {
        Arc::clone(&self.roles.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts other roles in force, for every decision from now on.
    pub fn replace_roles(&self, roles: RoleBook) {
        *self.roles.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(roles);
    }

    /// Checks that `actor` may do `permission`; organisation-wide without a scope.
    ///
    /// # Errors
    /// `Anonymous`; `Denied` with the reasons, and an event; `Store`.
    pub async fn permit(
        &self,
        actor: &Actor,
        permission: &Permission,
        scope: Option<&Scope>,
        circumstance: Circumstance,
    ) -> Result<Permit, Error> {
        self.permit_for(actor, &Question::new(permission).within(scope), circumstance).await
    }

    /// The same for a question that tells whether the actor owns the object.
    ///
    /// # Errors
    /// As `permit`.
    pub async fn permit_for(
        &self,
        actor: &Actor,
        question: &Question<'_>,
        circumstance: Circumstance,
    ) -> Result<Permit, Error> {
        if matches!(actor, Actor::Anonymous) {
            return Err(Error::Anonymous);
        }
        let acting = self.acting(actor).await?;
        if acting.may(question) {
            self.note_use_at(actor, question.permission, acting.now());
            return Ok(Permit::new(actor.clone(), circumstance, None));
        }
        self.refuse(actor, circumstance, acting.explain(question)).await
    }

    /// Checks that `actor` has a right of which what it is about to do makes no use: nobody gets at more than they have.
    ///
    /// # Errors
    /// As `permit`.
    pub async fn check_rank(
        &self,
        actor: &Actor,
        question: &Question<'_>,
        circumstance: Circumstance,
    ) -> Result<(), Error> {
        self.check_rank_of(actor, &self.acting(actor).await?, question, circumstance).await
    }

    /// The same of an actor that was made ready before, perhaps as it will be ([`Acting::later`]).
    ///
    /// # Errors
    /// As `permit`.
    pub async fn check_rank_of(
        &self,
        actor: &Actor,
        acting: &Acting,
        question: &Question<'_>,
        circumstance: Circumstance,
    ) -> Result<(), Error> {
        if acting.may(question) {
            return Ok(());
        }
        self.refuse(actor, circumstance, acting.explain(question)).await.map(|_| ())
    }

    /// Checks that `actor` may give this grant: it needs `grants:create` where the grant holds, and, unless it is an
    /// administrator of the machine, every right that the role gives there and below, also where the actor itself has
    /// less, and each for as long as the grant lasts. Nobody gives more than they have, or for longer.
    ///
    /// # Errors
    /// As `permit`; `Invalid` when there is no such role.
    pub async fn permit_grant(
        &self,
        actor: &Actor,
        grant: &NewGrant,
        circumstance: Circumstance,
    ) -> Result<Permit, Error> {
        let create: Permission = parse("grants:create")?;
        let scope = grant.scope.as_ref();
        let permit = self.permit(actor, &create, scope, circumstance.clone()).await?;
        let acting = self.acting(actor).await?;
        let Some(rights) = acting.roles().rights(&grant.role) else {
            let reason = format!("`{}` does not exist{}", grant.role, acting.roles().hint(&grant.role));
            return Err(Error::Invalid { field: "role", reason });
        };
        let later = acting.later(grant.ends);
        for (permission, _) in rights {
            // Now, and for as long as the grant is to last.
            for acting in std::iter::once(&acting).chain(&later) {
                if let Some(place) = acting.lacks(&Question::new(&permission).within(scope)) {
                    let explanation = acting.explain(&Question::new(&permission).within(place));
                    return self.refuse(actor, circumstance, explanation).await;
                }
            }
        }
        Ok(permit)
    }

    /// The permit of a provisioning connection to write what its source owns.
    ///
    /// # Errors
    /// `Denied`, with an event, for every other kind of actor; `Store`.
    pub async fn provision(&self, actor: &Actor, circumstance: Circumstance) -> Result<Permit, Error> {
        match actor {
            Actor::Connection { source, .. } => Ok(Permit::new(actor.clone(), circumstance, Some(source.clone()))),
            Actor::Anonymous => Err(Error::Anonymous),
            _ => {
                let permission = parse("users:create")?;
                let reason = "only a provisioning connection provisions";
                let question = Question::new(&permission);
                let explanation = Explanation::plain(false, &question, self.clock.now(), "refused", reason);
                self.refuse(actor, circumstance, explanation).await
            }
        }
    }

    /// The permit of one of the daemon's own tasks (`sync:corp`), on behalf of a source if it has one.
    pub fn task_permit(&self, name: &str, source: Option<SourceId>) -> Permit {
        Permit::new(Actor::System { task: name.to_owned() }, Circumstance::default(), source)
    }

    /// The permit of a sign-in that a connector vouched for, to write what the connector owns. Nobody is signed in yet.
    pub fn sign_in_permit(&self, connector: SourceId, circumstance: Circumstance) -> Permit {
        Permit::new(Actor::Anonymous, circumstance, Some(connector))
    }

    /// Whether a user may have a session at all: the account is active and no role denies `account:sign-in`. It needs no
    /// role that allows it.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn may_sign_in(&self, user: UserId) -> Result<bool, Error> {
        let prepared = self.prepared(user).await?;
        let permission = parse("account:sign-in")?;
        let decision = policy::decide(&Question::new(&permission), &prepared, self.clock.now());
        Ok(match decision.verdict {
            policy::Verdict::Allowed(_) => true,
            policy::Verdict::Denied(denial) => {
                matches!(denial, policy::Denial::NothingAllows | policy::Denial::UnknownPermission)
            }
        })
    }

    /// Whether a role denies a user to sign in, as "No Access" does, whatever the account's status is.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn is_kept_out(&self, user: UserId) -> Result<bool, Error> {
        let mut prepared = self.prepared(user).await?;
        if prepared.standing().status != Status::Active {
            // Roles are weighed of who is active only.
            let standing = Standing { status: Status::Active, ..prepared.standing().clone() };
            prepared = Arc::new(Prepared::new(standing, self.roles(), self.scopes.tree()));
        }
        let permission = parse("account:sign-in")?;
        let decision = policy::decide(&Question::new(&permission), &prepared, self.clock.now());
        Ok(decision.weighed().any(|(_, weight)| matches!(weight, policy::Weight::Denies(_))))
    }

    /// Whether a role that a user holds now demands a second factor of its holders.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn requires_factor(&self, user: UserId) -> Result<bool, Error> {
        Ok(self.prepared(user).await?.requires_factor(self.clock.now()))
    }

    /// Whether a role that a user holds now demands single sign-on of its holders.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn requires_sso(&self, user: UserId) -> Result<bool, Error> {
        Ok(self.prepared(user).await?.requires_sso(self.clock.now()))
    }

    /// Why a user may or may not, `at` a moment or now. The answer is the decision that is enforced.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn explain(
        &self,
        user: UserId,
        question: &Question<'_>,
        at: Option<Timestamp>,
    ) -> Result<Explanation, Error> {
        let at = at.unwrap_or_else(|| self.clock.now());
        let prepared = self.prepared(user).await?;
        Ok(Explanation::new(&policy::decide(question, &prepared, at), question, prepared.roles(), at))
    }

    /// Why an actor may or may not, now. [`Access::permit`] asks this.
    ///
    /// # Errors
    /// `Store`.
    pub async fn decide(&self, actor: &Actor, question: &Question<'_>) -> Result<Explanation, Error> {
        Ok(self.acting(actor).await?.explain(question))
    }

    /// Brings roles and scopes in memory up to date where somebody wrote them and was not there any more to do it: a
    /// caller may go away between the commit and what follows it.
    pub(super) async fn renew(&self) -> Result<(), Error> {
        self.fill().await?;
        let store = self.ledger.store();
        let is_current = |seen: &Option<Seen>| seen.as_ref().is_some_and(|s| s.is_current(store.engine().marks()));
        if is_current(&self.epochs.read().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(());
        }
        let mut seen = Seen::default();
        for epoch in epoch_keys(self.organisation) {
            seen.take(store.engine().marks(), &epoch);
        }
        self.scopes.catch_up().await?;
        self.catch_up_roles().await?;
        self.catch_up_networks().await?;
        *self.epochs.write().unwrap_or_else(PoisonError::into_inner) = Some(seen);
        Ok(())
    }

    /// An actor made ready for many questions at this moment.
    ///
    /// # Errors
    /// `Store`.
    pub async fn acting(&self, actor: &Actor) -> Result<Acting, Error> {
        self.renew().await?;
        let limit = if let Actor::Token { limit, .. } = actor { Some(limit.clone()) } else { None };
        let shown = match actor {
            Actor::User { presence, .. } => Some(*presence),
            Actor::Token { .. } => Some(Presence::default()),
            Actor::Anonymous | Actor::Connection { .. } | Actor::Local { .. } | Actor::System { .. } => None,
        };
        let ground = match actor {
            Actor::Anonymous => Ground::Nothing("refused", "nobody is signed in"),
            Actor::Connection { .. } => Ground::Nothing("refused", "a provisioning connection only provisions"),
            Actor::Local { uid } if *uid == 0 || *uid == self.daemon_uid => {
                Ground::Everything("an administrator of the machine")
            }
            Actor::Local { .. } => Ground::Nothing("local", "neither the superuser nor the user of the daemon"),
            Actor::System { .. } => Ground::Everything("a task of the daemon"),
            Actor::Token { user: None, maker: None, .. } => Ground::Token,
            Actor::Token { user, maker, .. } => self.people([*maker, *user]).await?,
            Actor::User { id, .. } => self.people([Some(*id), None]).await?,
        };
        Ok(Acting { ground, limit, shown, roles: self.roles(), scopes: self.scopes.tree(), now: self.clock.now() })
    }

    /// The standings that bound an actor.
    async fn people(&self, users: [Option<UserId>; 2]) -> Result<Ground, Error> {
        let mut people = Vec::new();
        for user in users.into_iter().flatten() {
            match self.prepared(user).await {
                Ok(prepared) => people.push(prepared),
                Err(Error::NotFound { .. }) => return Ok(Ground::Nothing("refused", "there is no such user")),
                Err(error) => return Err(error),
            }
        }
        Ok(Ground::People(people))
    }

    /// How far a user's grants reach at most.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn reach(&self, user: UserId) -> Result<Reach, Error> {
        let prepared = self.prepared(user).await?;
        Ok(Reach::of(prepared.standing(), prepared.roles(), self.clock.now()))
    }

    /// What a user may do now, for the organisation first and then for each scope that a grant names.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn effective(&self, user: UserId) -> Result<Vec<Level>, Error> {
        Ok(explain::effective(&*self.prepared(user).await?, self.clock.now()))
    }

    /// What a user may do now in one place, the whole organisation without a scope.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn effective_in(&self, user: UserId, scope: Option<&Scope>) -> Result<Level, Error> {
        Ok(explain::level(scope, &*self.prepared(user).await?, self.clock.now()))
    }

    /// The badge of the level of access of somebody with these levels: that of the role in the whole organisation that gives
    /// most, one of their own before those of groups. `None` for who has no role there.
    pub fn badge(&self, levels: &[Level]) -> Option<String> {
        let book = self.roles();
        let held = levels.iter().filter(|level| level.scope.is_none()).flat_map(|level| &level.roles);
        let weigh = |held: &&HeldRole| {
            let rights = book.rights(&held.role).map_or(0, Iterator::count);
            (held.groups.is_empty(), rights)
        };
        let most = held.max_by_key(weigh)?;
        book.find(&most.role).map(|entry| entry.badge().to_owned())
    }

    /// The same of an actor that is or acts for a user: with a token, what its limit lets through and its maker may too.
    ///
    /// # Errors
    /// `NotFound`, also for an actor that is nobody's; `Store`.
    pub async fn effective_of(&self, actor: &Actor) -> Result<Vec<Level>, Error> {
        self.acting(actor).await?.effective().ok_or(Error::NotFound { what: "user" })
    }

    /// What a user brings to the decision.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn standing(&self, user: UserId) -> Result<Standing, Error> {
        Ok(self.prepared(user).await?.standing().clone())
    }

    /// The same, ready for many questions. What is kept from before is given only while nothing that it was made of was
    /// written since.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn prepared(&self, user: UserId) -> Result<Arc<Prepared>, Error> {
        self.renew().await?;
        let (roles, scopes) = (self.roles(), self.scopes.tree());
        if let Some(prepared) = self.warm.find(self.ledger.store(), user, &roles, &scopes) {
            return Ok(prepared);
        }
        let mut seen = Seen::default();
        let member = self.memberships.standing_seen(user, &mut seen).await?;
        let member = member.ok_or(Error::NotFound { what: "user" })?;
        let held = self.grants.held(user, &member.groups, &mut seen).await?;
        let standing = Standing { status: member.status, held, limit: None };
        Ok(self.warm.keep(user, Prepared::new(standing, roles, scopes), seen))
    }

    pub(super) async fn refuse(
        &self,
        actor: &Actor,
        from: Circumstance,
        explanation: Explanation,
    ) -> Result<Permit, Error> {
        let Some(unrecorded) = self.refused.count(actor, self.clock.now()) else {
            return Err(Error::Denied(Box::new(explanation)));
        };
        let permit = Permit::new(actor.clone(), from, None);
        let scope = explanation.scope.as_ref().map_or_else(|| "organisation".to_owned(), Scope::to_string);
        let event = permit
            .event(explanation.at, EventKind::PermissionRefused)
            .outcome(Outcome::Denied)
            .on("permission", &explanation.permission, &explanation.permission)
            .detail("scope", scope)
            .detail("reason", &explanation.reason);
        let event = if unrecorded > 0 { event.detail("unrecorded_before", unrecorded) } else { event };
        self.ledger.record(event).await?;
        Err(Error::Denied(Box::new(explanation)))
    }
}

fn parse(permission: &'static str) -> Result<Permission, Error> {
    permission.parse().map_err(|_| Error::Invalid { field: "permission", reason: "is none".to_owned() })
}
