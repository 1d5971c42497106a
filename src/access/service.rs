//! Access as a service: reads what the policy needs, lets it decide, records refusals, hands out permits.

use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, PoisonError, RwLock};

use super::custom::Shelf;
use super::explain::{self, Explanation, Level};
use super::grants::{Grants, NewGrant};
use super::policy::{self, Question, Standing};
use super::{Error, Memberships, Pack, Permit, Reach, RoleBook, Scopes};
use crate::audit::{EventKind, Ledger, Outcome};
use crate::clock::{Clock, Timestamp};
use crate::model::{Actor, Circumstance, OrganisationId, Permission, Scope, SourceId, UserId};
use crate::secret::IdSource;

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
    memberships: Arc<dyn Memberships>,
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
        let scopes = Scopes::new(ledger.clone(), clock.clone(), organisation, &[]);
        let grants = Grants::new(ledger.clone(), clock.clone(), ids, organisation);
        // Unreadable, or not Linux: the superuser alone.
        let daemon_uid = std::fs::metadata("/proc/self").map_or(0, |metadata| metadata.uid());
        let shelf = Arc::new(RwLock::new(Shelf::new(Pack::of_roles(roles.clone()))));
        let roles = Arc::new(RwLock::new(Arc::new(roles)));
        Self { ledger, clock, organisation, grants, roles, shelf, scopes, memberships, daemon_uid }
    }

    /// The same with a whole pack in force: its roles, and its rules for names, defaults and options.
    #[must_use]
    pub fn with_pack(self, pack: Pack) -> Self {
        self.replace_pack(pack);
        self
    }

    /// The same with these kinds of scope beside those that every organisation has.
    #[must_use]
    pub fn with_scope_kinds(self, kinds: &[String]) -> Self {
        let organisation = self.grants.organisation();
        let scopes = Scopes::new(self.ledger.clone(), self.clock.clone(), organisation, kinds);
        Self { scopes, ..self }
    }

    /// Reads what decisions need in memory, and brings a store of a release before up to date. Once, before the first
    /// decision; a store that takes no writes is read as it is.
    ///
    /// # Errors
    /// `Store`.
    pub async fn start(&self) -> Result<(), Error> {
        self.scopes.load().await?;
        self.load_roles().await?;
        if self.ledger.store().engine().health().writable {
            let filled = self.grants.fill_indexes().await?;
            if filled > 0 {
                tracing::info!(grants = filled, "put the grants of a release before into the indexes");
            }
        }
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
        let explanation = self.decide(actor, question).await?;
        if explanation.allowed {
            return Ok(Permit::new(actor.clone(), circumstance, None));
        }
        self.refuse(actor, circumstance, explanation).await
    }

    /// Checks that `actor` may give this grant: it needs `grants:create` where the grant holds, and, unless it is an
    /// administrator of the machine, every right that the role gives there. Nobody gives more than they have.
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
        let roles = self.roles();
        if roles.find(&grant.role).is_none() {
            return Err(Error::Invalid {
                field: "role",
                reason: format!("`{}` does not exist{}", grant.role, roles.hint(&grant.role)),
            });
        }
        let standings = self.standings_of(actor).await?;
        for permission in roles.catalogue().iter().filter(|permission| roles.gives(&grant.role, permission)) {
            let question = Question::new(&permission).within(scope);
            let explanation = match self.decide_by(&standings, &question, &roles) {
                Some(explanation) => explanation,
                None => self.decide(actor, &question).await?,
            };
            if !explanation.allowed {
                return self.refuse(actor, circumstance, explanation).await;
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
        let standing = self.standing(user).await?;
        let permission = parse("account:sign-in")?;
        let roles = self.roles();
        let decision = policy::decide(&Question::new(&permission), &standing, &roles, self.clock.now());
        Ok(match decision.verdict {
            policy::Verdict::Allowed(_) => true,
            policy::Verdict::Denied(denial) => {
                matches!(denial, policy::Denial::NothingAllows | policy::Denial::UnknownPermission)
            }
        })
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
        let standing = self.standing(user).await?;
        let roles = self.roles();
        Ok(Explanation::new(&policy::decide(question, &standing, &roles, at), question, &roles, at))
    }

    /// Why an actor may or may not, now. [`Access::permit`] asks this.
    ///
    /// # Errors
    /// `Store`.
    pub async fn decide(&self, actor: &Actor, question: &Question<'_>) -> Result<Explanation, Error> {
        let plain = |allowed, by, reason| Explanation::plain(allowed, question, self.clock.now(), by, reason);
        let roles = self.roles();
        let is_known = roles.catalogue().contains(question.permission);
        Ok(match actor {
            Actor::Anonymous => plain(false, "refused", "nobody is signed in"),
            Actor::Connection { .. } => plain(false, "refused", "a provisioning connection only provisions"),
            Actor::Local { .. } | Actor::System { .. } | Actor::Token { user: None, maker: None, .. } if !is_known => {
                plain(false, "unknown-permission", "there is no such permission")
            }
            Actor::Local { uid } if *uid == 0 || *uid == self.daemon_uid => {
                plain(true, "local", "an administrator of the machine")
            }
            Actor::Local { .. } => plain(false, "local", "neither the superuser nor the user of the daemon"),
            Actor::System { .. } => plain(true, "local", "a task of the daemon"),
            Actor::Token { user: None, maker: None, limit, .. } => {
                if limit.iter().any(|rule| rule.covers(question.permission)) {
                    plain(true, "token", "the token is for this")
                } else {
                    plain(false, "beyond-limit", "the token is not for this")
                }
            }
            Actor::Token { .. } | Actor::User { .. } => match self.standings_of(actor).await {
                Ok(standings) => self
                    .decide_by(&standings, question, &roles)
                    .unwrap_or_else(|| plain(false, "refused", "there is no such user")),
                Err(Error::NotFound { .. }) => plain(false, "refused", "there is no such user"),
                Err(error) => return Err(error),
            },
        })
    }

    /// The decision for all of these standings: the first that refuses, else the last. `None` without any.
    pub(super) fn decide_by(
        &self,
        standings: &[Standing],
        question: &Question<'_>,
        roles: &RoleBook,
    ) -> Option<Explanation> {
        let now = self.clock.now();
        let mut last = None;
        for standing in standings {
            let explanation = Explanation::new(&policy::decide(question, standing, roles, now), question, roles, now);
            let is_allowed = explanation.allowed;
            last = Some(explanation);
            if !is_allowed {
                break;
            }
        }
        last
    }

    /// How far a user's grants reach at most.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn reach(&self, user: UserId) -> Result<Reach, Error> {
        Ok(Reach::of(&self.standing(user).await?, &self.roles(), self.clock.now()))
    }

    /// What a user may do now, for the organisation first and then for each scope that a grant names.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn effective(&self, user: UserId) -> Result<Vec<Level>, Error> {
        let standing = self.standing(user).await?;
        Ok(explain::effective(&standing, &self.roles(), self.clock.now()))
    }

    /// The same of an actor that is or acts for a user: with a token, what its limit lets through and its maker may too.
    ///
    /// # Errors
    /// `NotFound`, also for an actor that is nobody's; `Store`.
    pub async fn effective_of(&self, actor: &Actor) -> Result<Vec<Level>, Error> {
        let mut standings = self.standings_of(actor).await?;
        let standing = standings.pop().ok_or(Error::NotFound { what: "user" })?;
        let (roles, now) = (self.roles(), self.clock.now());
        let mut levels = explain::effective(&standing, &roles, now);
        for Level { scope, permissions, .. } in &mut levels {
            permissions.retain(|right| {
                let question = Question::new(&right.permission).within(scope.as_ref()).owned(right.if_owner);
                standings.iter().all(|bound| policy::decide(&question, bound, &roles, now).is_allowed())
            });
        }
        Ok(levels)
    }

    /// What a user brings to the decision.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn standing(&self, user: UserId) -> Result<Standing, Error> {
        let member = self.memberships.standing(user).await?.ok_or(Error::NotFound { what: "user" })?;
        let held = self.grants.held(user, &member.groups).await?;
        Ok(Standing { status: member.status, held, limit: None })
    }

    /// The standings that bound an actor: its user's, or that of whom a token acts for and that of who made it, with
    /// the token's limit. None for others.
    pub(super) async fn standings_of(&self, actor: &Actor) -> Result<Vec<Standing>, Error> {
        let (users, limit) = match actor {
            Actor::User { id, .. } => ([Some(*id), None], None),
            Actor::Token { user, maker, limit, .. } => ([*maker, *user], Some(limit.clone())),
            _ => return Ok(Vec::new()),
        };
        let mut standings = Vec::new();
        for user in users.into_iter().flatten() {
            standings.push(Standing { limit: limit.clone(), ..self.standing(user).await? });
        }
        Ok(standings)
    }

    pub(super) async fn refuse(
        &self,
        actor: &Actor,
        from: Circumstance,
        explanation: Explanation,
    ) -> Result<Permit, Error> {
        let permit = Permit::new(actor.clone(), from, None);
        let scope = explanation.scope.as_ref().map_or_else(|| "organisation".to_owned(), Scope::to_string);
        let event = permit
            .event(explanation.at, EventKind::PermissionRefused)
            .outcome(Outcome::Denied)
            .on("permission", &explanation.permission, &explanation.permission)
            .detail("scope", scope)
            .detail("reason", &explanation.reason);
        self.ledger.record(event).await?;
        Err(Error::Denied(Box::new(explanation)))
    }
}

fn parse(permission: &'static str) -> Result<Permission, Error> {
    permission.parse().map_err(|_| Error::Invalid { field: "permission", reason: "is none".to_owned() })
}
