//! Who may speak SCIM: a connection with its bearer token (RFC 6750), within its rate. All of it is decided before
//! anything else of a request is read.

use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;
use http::request::Parts;
use http::{StatusCode, header};

use super::Error;
use super::journal::Trace;
use crate::access;
use crate::error::Chain;
use crate::http::{Access, Admit, Rate, circumstance};
use crate::limit::{Limits, Subject};
use crate::model::{Actor, Circumstance};
use crate::tokens::{Refusals, Refused, Tokens};

/// Lets connections pass.
#[derive(Clone)]
pub struct Gate {
    access: Option<access::Access>,
    tokens: Tokens,
    limits: Limits,
    refusals: Refusals,
}

impl Gate {
    /// A gate in front of the SCIM routes.
    pub fn new(tokens: Tokens, limits: Limits) -> Self {
        Self { access: None, refusals: Refusals::new(tokens.clone()), tokens, limits }
    }

    /// The same where people's tokens are good only from where the network rules let them in.
    #[must_use]
    pub fn with_access(self, access: access::Access) -> Self {
        Self { access: Some(access), ..self }
    }

    async fn admits(&self, actor: &Actor, from: &Circumstance) -> Result<bool, Error> {
        let Some(access) = &self.access else { return Ok(true) };
        access.admits(actor, from).await.map_err(|error| {
            tracing::warn!(error = %Chain(&error), "from where a token may be used could not be told");
            Error::Unavailable
        })
    }

    async fn pass(&self, access: Access, rate: Rate, parts: &mut Parts) -> Result<(), Error> {
        let circumstance = circumstance(parts);
        let actor = match bearer(parts) {
            Some(presented) => match self.tokens.authenticate(presented).await {
                Ok(Actor::Connection { source, token }) => {
                    Ok((Actor::Connection { source: source.clone(), token }, source))
                }
                // A personal token opens the one address that is about its person.
                Ok(actor @ Actor::Token { id, user: Some(_), .. }) if access == Access::Session => {
                    self.limits.check(rate, Subject::Token(&id.to_string()))?;
                    if !self.admits(&actor, &circumstance).await? {
                        return Err(Error::Unauthorized);
                    }
                    parts.extensions.insert(actor);
                    return Ok(());
                }
                Ok(_) => Err(Refused::Unknown),
                Err(refused) => Err(refused),
            },
            None => Err(Refused::Malformed),
        };
        match actor {
            Ok((actor, source)) => {
                if let (Some(trace), Actor::Connection { token, .. }) = (parts.extensions.get::<Trace>(), &actor) {
                    trace.is_of(&source, *token);
                }
                self.limits.check(rate, Subject::Connection(source.as_str()))?;
                parts.extensions.insert(actor);
                Ok(())
            }
            Err(Refused::Store(error)) => {
                tracing::warn!(error = %Chain(&error), "a provisioning token could not be checked");
                Err(Error::Unavailable)
            }
            Err(refused) => {
                if let Some(address) = circumstance.address {
                    self.limits.check(rate, Subject::Address(address))?;
                }
                self.refusals.record(&refused, &circumstance).await;
                Err(Error::Unauthorized)
            }
        }
    }
}

impl Admit for Gate {
    fn admit<'a>(&'a self, access: Access, rate: Rate, parts: &'a mut Parts) -> BoxFuture<'a, Result<(), Response>> {
        Box::pin(async move { self.pass(access, rate, parts).await.map_err(IntoResponse::into_response) })
    }

    fn refuse(&self, status: StatusCode, _: &str) -> Response {
        match status {
            StatusCode::PAYLOAD_TOO_LARGE => Error::TooLarge.into_response(),
            _ => Error::MediaType.into_response(),
        }
    }
}

/// The token of the one `Authorization` header.
fn bearer(parts: &Parts) -> Option<&str> {
    let mut values = parts.headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}
