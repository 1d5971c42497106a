//! Who calls: decided once, before a handler runs.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::request::Parts;

use super::{Api, Error, Services};
use crate::http::{Access, Admit, PeerUid, Rate, circumstance};
use crate::limit::Subject;
use crate::login::SignedIn;
use crate::model::{Actor, Circumstance};
use crate::tokens::{Refusals, Refused};

/// Lets callers pass that are somebody.
#[derive(Clone)]
pub struct Gate {
    services: Arc<Services>,
    refusals: Refusals,
}

impl Gate {
    /// The gate of a surface.
    pub fn new(api: &Api) -> Self {
        Self { services: Arc::clone(&api.services), refusals: Refusals::new(api.services.tokens.clone()) }
    }

    async fn pass(&self, access: Access, rate: Rate, parts: &mut Parts) -> Result<(), Error> {
        match self.identify(access, rate, parts).await? {
            Some(Counted::Account(id)) => self.services.limits.check(rate, Subject::Account(&id))?,
            Some(Counted::Token(id)) => self.services.limits.check(rate, Subject::Token(&id))?,
            // The machine's own administrators are not held up.
            None => {}
        }
        Ok(())
    }

    /// Puts the actor into the request's extensions and tells for whom the request counts.
    async fn identify(&self, access: Access, rate: Rate, parts: &mut Parts) -> Result<Option<Counted>, Error> {
        if let Some(PeerUid(uid)) = parts.extensions.get().copied() {
            parts.extensions.insert(Actor::Local { uid });
            return Ok(None);
        }
        if parts.headers.contains_key(AUTHORIZATION) {
            return self.token(rate, parts).await.map(Some);
        }
        let Some(signed_in) = self.services.browser.signed_in(parts).await? else {
            return match access {
                Access::Public => Ok(None),
                _ => Err(self.nobody(rate, parts)),
            };
        };
        if !parts.method.is_safe() && !self.services.browser.is_same_origin(&parts.headers) {
            return Err(Error::Foreign);
        }
        let counted = Counted::Account(signed_in.user.id.to_string());
        parts.extensions.insert(signed_in.actor());
        parts.extensions.insert(Box::new(signed_in));
        Ok(Some(counted))
    }

    /// The answer to somebody who is nobody. It counts for the address, before anything is written about it.
    fn nobody(&self, rate: Rate, parts: &Parts) -> Error {
        let counted =
            circumstance(parts).address.map(|address| self.services.limits.check(rate, Subject::Address(address)));
        match counted {
            Some(Err(retry)) => retry.into(),
            Some(Ok(())) | None => Error::Unauthorized,
        }
    }

    async fn token(&self, rate: Rate, parts: &mut Parts) -> Result<Counted, Error> {
        let Some(presented) = bearer(parts) else { return Err(self.nobody(rate, parts)) };
        let refused = match self.services.tokens.authenticate(presented).await {
            Ok(actor) => {
                // A provisioning token is nothing here.
                let Actor::Token { id, .. } = &actor else { return Err(self.nobody(rate, parts)) };
                let counted = Counted::Token(id.to_string());
                parts.extensions.insert(actor);
                return Ok(counted);
            }
            Err(Refused::Store(error)) => return Err(Error::Store(error)),
            Err(refused) => refused,
        };
        let answer = self.nobody(rate, parts);
        if matches!(answer, Error::Unauthorized) {
            self.refusals.record(&refused, &circumstance(parts)).await;
        }
        Err(answer)
    }
}

/// For whom a request counts.
enum Counted {
    Account(String),
    Token(String),
}

/// The token of the one `Authorization` header (RFC 6750 section 2.1).
fn bearer(parts: &Parts) -> Option<&str> {
    let mut values = parts.headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

impl Admit for Gate {
    fn admit<'a>(&'a self, access: Access, rate: Rate, parts: &'a mut Parts) -> BoxFuture<'a, Result<(), Response>> {
        Box::pin(async move { self.pass(access, rate, parts).await.map_err(IntoResponse::into_response) })
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
