//! Who asks, and what they may learn.

use std::collections::BTreeMap;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;
use http::StatusCode;
use http::request::Parts;

use super::{Authzen, Error};
use crate::access::{self, Bounds, Question};
use crate::http::{Access, Admit, Rate, circumstance};
use crate::limit::{Limits, Subject};
use crate::login::Callers;
use crate::model::{Actor, Circumstance, Permission, Scope, User, UserId};

/// Lets callers pass that are somebody. Metadata is for everybody.
#[derive(Clone)]
pub struct Gate {
    callers: Callers,
    limits: Limits,
}

impl Gate {
    /// The gate of a surface.
    pub fn new(authzen: &Authzen) -> Self {
        let services = &authzen.0;
        let callers = Callers::new(services.browser.clone(), services.limits.clone(), services.tokens.clone());
        Self { callers, limits: services.limits.clone() }
    }

    async fn pass(&self, access: Access, rate: Rate, parts: &mut Parts) -> Result<(), Error> {
        if access != Access::Public {
            return Ok(self.callers.pass(access, rate, parts).await?);
        }
        // Whatever credentials are sent along are not looked at.
        if let Some(address) = circumstance(parts).address {
            self.limits.check(rate, Subject::Address(address)).map_err(Error::TooMany)?;
        }
        Ok(())
    }
}

impl Admit for Gate {
    fn admit<'a>(&'a self, access: Access, rate: Rate, parts: &'a mut Parts) -> BoxFuture<'a, Result<(), Response>> {
        Box::pin(async move { self.pass(access, rate, parts).await.map_err(IntoResponse::into_response) })
    }

    fn refuse(&self, status: StatusCode, detail: &str) -> Response {
        crate::http::problem(status, detail)
    }
}

/// Who asks, and from where.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) actor: Actor,
    pub(super) circumstance: Circumstance,
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let actor = parts.extensions.get().cloned().ok_or(Error::Unauthorized)?;
        Ok(Self { actor, circumstance: circumstance(parts) })
    }
}

impl Caller {
    /// The user whose session asks. What acts for a user by token asks as itself: its limit need not reach as far.
    fn user(&self) -> Option<UserId> {
        match &self.actor {
            Actor::User { id, .. } => Some(*id),
            _ => None,
        }
    }
}

/// What a caller may learn, found out once for each scope of a request. Of one request at most one refusal is recorded.
pub(super) struct Rights<'a> {
    authzen: &'a Authzen,
    caller: &'a Caller,
    known: BTreeMap<(&'static str, Option<Scope>), Option<String>>,
    is_recorded: bool,
    /// What companies let the caller see; applications see everything.
    bounds: Option<Bounds>,
}

impl<'a> Rights<'a> {
    pub(super) fn new(authzen: &'a Authzen, caller: &'a Caller) -> Self {
        Self { authzen, caller, known: BTreeMap::new(), is_recorded: false, bounds: None }
    }

    /// What companies let the caller see.
    pub(super) async fn bounds(&mut self) -> Result<&Bounds, Error> {
        let services = &self.authzen.0;
        Ok(match self.bounds.take() {
            Some(bounds) => self.bounds.insert(bounds),
            None => {
                let tree = services.access.scopes().tree();
                self.bounds.insert(services.directory.bounds_of(&self.caller.actor, tree).await?.0)
            }
        })
    }

    /// A user, where the caller sees one: whoever belongs to companies that it has not is as if unknown.
    pub(super) async fn seen(&mut self, user: Option<User>) -> Result<Option<User>, Error> {
        let Some(user) = user else { return Ok(None) };
        let is_seen = self.is_own(user.id) || self.bounds().await?.sees(user.companies());
        Ok(is_seen.then_some(user))
    }

    /// Checks that the caller may read decisions about `user` in `scope`; about themselves people may.
    pub(super) async fn about(&mut self, user: Option<UserId>, scope: Option<&Scope>) -> Result<(), Error> {
        if user.is_some() && user == self.caller.user() {
            return Ok(());
        }
        self.check("decisions:read", scope).await
    }

    /// Whether the caller may read decisions about everybody everywhere: what stands elsewhere is nobody else's to learn
    /// from a decision in one scope.
    pub(super) async fn reads_everywhere(&self) -> Result<bool, Error> {
        let permission: Permission =
            "decisions:read".parse().map_err(|_| Error::Internal("a permission that is none"))?;
        let acting = self.authzen.0.access.acting(&self.caller.actor).await?;
        Ok(acting.may(&Question::new(&permission)))
    }

    /// Whether the caller is this user.
    pub(super) fn is_own(&self, user: UserId) -> bool {
        self.caller.user() == Some(user)
    }

    /// Whether what is asked about a user is about to be done: an application asks for it, or the user. Others who ask by
    /// their session, and administrators on the machine, look at somebody.
    pub(super) fn is_use(&self, user: UserId) -> bool {
        matches!(self.caller.actor, Actor::Token { .. }) || self.is_own(user)
    }

    /// Checks that the caller may do this in the scope, or in the whole organisation.
    pub(super) async fn check(&mut self, permission: &'static str, scope: Option<&Scope>) -> Result<(), Error> {
        let key = (permission, scope.cloned());
        let refusal = match self.known.get(&key) {
            Some(refusal) => refusal.clone(),
            None => {
                let refusal = self.ask(permission, scope).await?;
                self.known.insert(key, refusal.clone());
                refusal
            }
        };
        refusal.map_or(Ok(()), |detail| Err(Error::Forbidden(detail)))
    }

    /// Why not, if not.
    async fn ask(&mut self, permission: &'static str, scope: Option<&Scope>) -> Result<Option<String>, Error> {
        let access = &self.authzen.0.access;
        let permission: Permission = permission.parse().map_err(|_| Error::Internal("a permission that is none"))?;
        let question = Question::new(&permission).within(scope);
        let explanation = if self.is_recorded {
            access.decide(&self.caller.actor, &question).await?
        } else {
            match access.permit_for(&self.caller.actor, &question, self.caller.circumstance.clone()).await {
                Ok(_) => return Ok(None),
                Err(access::Error::Denied(explanation)) => *explanation,
                Err(error) => return Err(error.into()),
            }
        };
        if explanation.allowed {
            return Ok(None);
        }
        self.is_recorded = true;
        let place = scope.map(|scope| format!(" in {scope}")).unwrap_or_default();
        Ok(Some(format!("{permission}{place} is not permitted: {}", explanation.reason)))
    }
}
