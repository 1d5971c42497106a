//! `/Me` (RFC 7644 section 3.11): the person for whom a personal token acts sees what the directory says about them.
//!
//! It refuses every write: a person's attributes belong to their source, or to an administrator. A connection stands for
//! nobody, so that it finds nothing here; a personal token finds nothing anywhere else.

use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use http::Method;
use http::request::Parts;

use super::etag::Conditions;
use super::read::Record;
use super::render::Renderer;
use super::resource::Kind;
use super::{Error, Scim, query};
use crate::access;
use crate::error::Chain;
use crate::model::{Actor, User, UserId};

/// A request of whoever presented a token that opens this address.
pub(super) struct Visit {
    actor: Actor,
    conditions: Conditions,
    method: Method,
    query: Option<String>,
}

impl FromRequestParts<Arc<Scim>> for Visit {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Scim>) -> Result<Self, Error> {
        Ok(Self {
            actor: parts.extensions.get::<Actor>().cloned().ok_or(Error::Unauthorized)?,
            conditions: Conditions::read(&parts.headers),
            method: parts.method.clone(),
            query: parts.uri.query().map(str::to_owned),
        })
    }
}

/// Any method of `/Me`.
pub(super) async fn me(State(scim): State<Arc<Scim>>, visit: Visit) -> Response {
    scim.me(&visit).await.into_response()
}

impl Scim {
    async fn me(&self, visit: &Visit) -> Result<Response, Error> {
        let Actor::Token { user: Some(id), maker, .. } = &visit.actor else { return Err(Error::Nobody) };
        // A token ends with whoever made it.
        if let Some(maker) = maker {
            self.person(*maker).await?;
        }
        let user = self.person(*id).await?;
        if !visit.method.is_safe() {
            return Err(Error::OwnReadOnly);
        }
        visit.conditions.check_read(user.revision)?;
        let shape = self.catalogue.shape(Kind::User);
        let projection = query::projection_of_url(&shape, visit.query.as_deref());
        // The person sees the `externalId` of the source that owns the account.
        let source = user.owner.clone();
        let renderer = Renderer { place: self.place(), shape, source: source.as_ref(), projection: &projection };
        self.shown(renderer, &Record::User(user), &visit.conditions).await
    }

    /// The person, who may be signed in: a token of somebody else is void.
    async fn person(&self, id: UserId) -> Result<User, Error> {
        match self.access.may_sign_in(id).await {
            Ok(true) => {}
            Ok(false) | Err(access::Error::NotFound { .. }) => return Err(Error::Unauthorized),
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "the user of a personal token could not be looked up");
                return Err(Error::Unavailable);
            }
        }
        self.directory.find_user(id).await?.ok_or(Error::Unauthorized)
    }
}
