//! What a provider is asked to make sure of beyond who somebody is (OpenID Connect Core sections 3.1.2.1 and 3.1.3.7): that
//! they signed in anew or not long ago, and how.
//!
//! A demand goes through the browser, which may leave it out. So what is demanded is looked for in the ID token, and a token
//! that does not say it is refused.

use std::time::Duration;

use openidconnect::core::{CoreAuthDisplay, CoreAuthPrompt, CoreResponseType};
use openidconnect::{AuthenticationContextClass, AuthorizationRequest};
use serde_json::{Map, Value};

use super::verify::VerifiedClaims;
use super::{clean, refused};
use crate::clock::Timestamp;
use crate::upstream::{Checks, Error};

/// What the provider is asked to show people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// What it tells about them, to be agreed to.
    Consent,
    /// Its form for signing in. Only asked for: what shows that it was shown is [`Demands::is_anew`].
    Login,
    /// Their accounts there.
    SelectAccount,
}

/// What is demanded of a provider; nothing by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demands {
    /// That people sign in there anew each time.
    pub is_anew: bool,
    /// How long ago they may have signed in there.
    pub max_age: Option<Duration>,
    /// The ways to authenticate of which one was taken (`acr`); none: any.
    pub contexts: Vec<String>,
    /// What it is asked to show them; it is not found out whether it did.
    pub prompt: Option<Prompt>,
}

/// A request on its way to the provider.
type Request<'a> = AuthorizationRequest<'a, CoreAuthDisplay, CoreAuthPrompt, CoreResponseType>;

impl Demands {
    /// How long ago people may have signed in there, by which moment; `None`: any time ago.
    fn oldest(&self) -> Option<Duration> {
        if self.is_anew { Some(Duration::ZERO) } else { self.max_age }
    }

    /// The request with what is demanded.
    pub(super) fn asked<'a>(&self, mut request: Request<'a>) -> Request<'a> {
        if let Some(oldest) = self.oldest() {
            request = request.set_max_age(oldest);
        }
        if self.is_anew || self.prompt == Some(Prompt::Login) {
            request = request.add_prompt(CoreAuthPrompt::Login);
        }
        match self.prompt {
            Some(Prompt::Consent) => request = request.add_prompt(CoreAuthPrompt::Consent),
            Some(Prompt::SelectAccount) => request = request.add_prompt(CoreAuthPrompt::SelectAccount),
            Some(Prompt::Login) | None => {}
        }
        for context in &self.contexts {
            request = request.add_auth_context_value(AuthenticationContextClass::new(context.clone()));
        }
        request
    }

    /// The token says what was demanded (Core section 3.1.3.7, points 12 and 13), and of no sign-in that is still to come.
    ///
    /// What the provider knew when it was asked is what counts, not how long somebody then took to agree: so ages are
    /// counted back from the beginning of this sign-in.
    ///
    /// # Errors
    /// `Refused` by `authentication` or `context`.
    pub(super) fn check(
        &self,
        claims: &VerifiedClaims,
        started_at: Timestamp,
        now: Timestamp,
        skew: Duration,
    ) -> Result<(), Error> {
        let authenticated = claims.moment("auth_time");
        if let Some(at) = authenticated.filter(|at| *at > now.plus(skew)) {
            let reason = format!("the sign-in at the provider was at {at}, which is in the future");
            return Err(refused("authentication", reason));
        }
        if let Some(oldest) = self.oldest() {
            let reason = "the ID token does not say when the person signed in at the provider (`auth_time`)";
            let at = authenticated.ok_or_else(|| refused("authentication", reason))?;
            if at < started_at.minus(oldest).minus(skew) {
                return Err(refused(
                    "authentication",
                    format!("the sign-in at the provider was at {at}: too long ago"),
                ));
            }
        }
        if self.contexts.is_empty() {
            return Ok(());
        }
        match claims.text("acr") {
            Some(context) if self.contexts.iter().any(|demanded| demanded == context) => Ok(()),
            Some(other) => Err(refused("context", format!("authenticated by `{}`, not as demanded", clean(other)))),
            None => Err(refused("context", "the ID token does not say how the person was authenticated (`acr`)")),
        }
    }

    /// Whether the provider's description lets one hope that it does what is demanded.
    pub(super) fn examine(&self, checks: &mut Checks, document: &Map<String, Value>) {
        const WHAT: &str = "authentication";
        let offers = |list: &str, wanted: &str| {
            let offered = document.get(list)?.as_array()?;
            Some(offered.iter().any(|one| one.as_str() == Some(wanted)))
        };
        if self.oldest().is_some() {
            // Of claims and contexts the lists need not be complete (Discovery section 3).
            match offers("claims_supported", "auth_time") {
                Some(true) => checks.pass(WHAT, "the provider says when people signed in (`auth_time`)"),
                Some(false) | None => checks.doubt(
                    WHAT,
                    "the provider's description does not list `auth_time`; without it in the ID token every sign-in is refused",
                ),
            }
        }
        for context in &self.contexts {
            match offers("acr_values_supported", context) {
                Some(true) => checks.pass(WHAT, format!("the provider knows `{context}`")),
                Some(false) | None => {
                    checks.doubt(WHAT, format!("the provider's description does not list `{context}`"));
                }
            }
        }
    }
}
