//! Who calls: decided once, before a handler runs.

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;
use http::request::Parts;

use super::{Api, Error};
use crate::directory::Directory;
use crate::http::{Access, Admit, Rate, circumstance};
use crate::login::{Callers, SignedIn};
use crate::model::{Actor, Circumstance, Realm};

/// Lets callers pass that are somebody.
#[derive(Clone)]
pub struct Gate(Callers, Directory);

impl Gate {
    /// The gate of a surface.
    pub fn new(api: &Api) -> Self {
        let services = &api.services;
        let callers = Callers::new(services.browser.clone(), services.limits.clone(), services.tokens.clone());
        Self(callers, services.directory.clone())
    }

    /// Refuses members what administers, whatever they hold: that is for staff. It costs one read for each request by a
    /// person's token.
    async fn check_realm(&self, parts: &Parts) -> Result<(), Error> {
        let realm = match (parts.extensions.get::<Box<SignedIn>>(), parts.extensions.get()) {
            (Some(signed_in), _) => signed_in.user.realm(),
            (None, Some(Actor::Token { user: Some(user), .. })) => {
                self.1.find_ready_user(*user).await?.map(|user| user.realm()).ok_or(Error::Unauthorized)?
            }
            _ => Realm::Staff,
        };
        if realm == Realm::Staff {
            return Ok(());
        }
        let detail = "this is for staff, and the account is one of a member".to_owned();
        Err(Error::Forbidden { detail })
    }
}

impl Admit for Gate {
    fn admit<'a>(&'a self, access: Access, rate: Rate, parts: &'a mut Parts) -> BoxFuture<'a, Result<(), Response>> {
        Box::pin(async move {
            let passed = self.0.pass(access, rate, parts).await;
            passed.map_err(|turned| Error::from(turned).into_response())?;
            match access {
                Access::Management => self.check_realm(parts).await.map_err(IntoResponse::into_response),
                _ => Ok(()),
            }
        })
    }
}

/// Who calls, and from where.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) actor: Actor,
    pub(super) circumstance: Circumstance,
    /// The browser's user and session, when a browser calls.
    pub(super) signed_in: Option<Box<SignedIn>>,
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let actor = parts.extensions.get().cloned().ok_or(Error::Unauthorized)?;
        Ok(Self { actor, circumstance: circumstance(parts), signed_in: parts.extensions.get().cloned() })
    }
}
