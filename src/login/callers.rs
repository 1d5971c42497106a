//! Who calls a surface of administrators and applications: the admin socket's peer, a management token, or the user of a
//! session. Every surface that takes such callers asks here, so that none of them is laxer than another.

use http::header::AUTHORIZATION;
use http::request::Parts;

use super::Browser;
use crate::http::{Access, PeerUid, Rate, circumstance};
use crate::limit::{Limits, Retry, Subject};
use crate::model::Actor;
use crate::store;
use crate::tokens::{Refusals, Refused, Tokens};

/// Finds out who calls, and counts the call. Cloning shares everything.
#[derive(Clone)]
pub struct Callers {
    browser: Browser,
    limits: Limits,
    refusals: Refusals,
    tokens: Tokens,
}

/// Why somebody does not pass.
#[derive(Debug, thiserror::Error)]
pub enum Turned {
    /// A page of another site sent this, or nothing says that it did not.
    #[error("a session changes something only from the gateway's own pages")]
    Foreign,
    /// Who is behind the session cannot be told.
    #[error(transparent)]
    SignIn(#[from] super::Error),
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Too many calls.
    #[error("too many requests")]
    TooMany(Retry),
    /// No credentials, or none that are good.
    #[error("a session or a management token is needed")]
    Unauthorized,
}

impl From<Retry> for Turned {
    fn from(retry: Retry) -> Self {
        Self::TooMany(retry)
    }
}

/// For whom a call counts.
enum Counted {
    Account(String),
    Token(String),
}

impl Callers {
    /// The callers of one surface.
    pub fn new(browser: Browser, limits: Limits, tokens: Tokens) -> Self {
        Self { browser, limits, refusals: Refusals::new(tokens.clone()), tokens }
    }

    /// Puts the `Actor`, and with a session the boxed [`super::SignedIn`], into the request's extensions, and counts the
    /// call against its rate class: by account or token, by address for whoever is nobody. A public route lets nobody
    /// pass, too.
    ///
    /// # Errors
    /// Why not.
    pub async fn pass(&self, access: Access, rate: Rate, parts: &mut Parts) -> Result<(), Turned> {
        match self.identify(access, rate, parts).await? {
            Some(Counted::Account(id)) => self.limits.check(rate, Subject::Account(&id))?,
            Some(Counted::Token(id)) => self.limits.check(rate, Subject::Token(&id))?,
            // The machine's own administrators are not held up; nobody was counted already.
            None => {}
        }
        Ok(())
    }

    async fn identify(&self, access: Access, rate: Rate, parts: &mut Parts) -> Result<Option<Counted>, Turned> {
        if let Some(PeerUid(uid)) = parts.extensions.get().copied() {
            parts.extensions.insert(Actor::Local { uid });
            return Ok(None);
        }
        if parts.headers.contains_key(AUTHORIZATION) {
            return self.token(rate, parts).await.map(Some);
        }
        let Some(signed_in) = self.browser.signed_in(parts).await? else {
            return match (access, self.nobody(rate, parts)) {
                (Access::Public, Turned::Unauthorized) => Ok(None),
                (_, turned) => Err(turned),
            };
        };
        if !parts.method.is_safe() && !self.browser.is_same_origin(&parts.headers) {
            return Err(Turned::Foreign);
        }
        let counted = Counted::Account(signed_in.user.id.to_string());
        parts.extensions.insert(signed_in.actor());
        parts.extensions.insert(Box::new(signed_in));
        Ok(Some(counted))
    }

    /// The answer to somebody who is nobody. It counts for the address, before anything is written about it.
    fn nobody(&self, rate: Rate, parts: &Parts) -> Turned {
        let counted = circumstance(parts).address.map(|address| self.limits.check(rate, Subject::Address(address)));
        match counted {
            Some(Err(retry)) => retry.into(),
            Some(Ok(())) | None => Turned::Unauthorized,
        }
    }

    async fn token(&self, rate: Rate, parts: &mut Parts) -> Result<Counted, Turned> {
        let Some(presented) = bearer(parts) else { return Err(self.nobody(rate, parts)) };
        let refused = match self.tokens.authenticate(presented).await {
            Ok(actor) => {
                // A provisioning token is nothing here.
                let Actor::Token { id, .. } = &actor else { return Err(self.nobody(rate, parts)) };
                if !self.browser.admits(&actor, parts).await? {
                    return Err(self.nobody(rate, parts));
                }
                let counted = Counted::Token(id.to_string());
                parts.extensions.insert(actor);
                return Ok(counted);
            }
            Err(Refused::Store(error)) => return Err(Turned::Store(error)),
            Err(refused) => refused,
        };
        let answer = self.nobody(rate, parts);
        if matches!(answer, Turned::Unauthorized) {
            self.refusals.record(&refused, &circumstance(parts)).await;
        }
        Err(answer)
    }
}

/// The token of the one `Authorization` header (RFC 6750 section 2.1).
fn bearer(parts: &Parts) -> Option<&str> {
    let mut values = parts.headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}
