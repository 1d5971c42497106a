//! `[oidc.signals]` and `[saml.signals]`: what a provider tells of its people after they have signed in (OpenID Shared
//! Signals Framework 1.0).

use std::time::Duration;

use url::Url;

use super::section::{Section, check_url};
use crate::secret::Secret;

/// Most audiences, and most issuers of subjects.
const MAX_NAMES: usize = 10;
/// Shortest secret that a transmitter shows, in characters.
const MIN_TOKEN_CHARACTERS: usize = 32;

/// A transmitter of signals about the people of a connector.
#[derive(Clone, Debug)]
pub struct Signals {
    /// Who signs, exactly as written; a URL over TLS, or plain HTTP to loopback, without query.
    pub issuer: String,
    /// What signals are addressed to, of which one must be named; none: the address that they are pushed to.
    pub audience: Vec<String>,
    /// Where its keys are; by default its configuration document tells.
    pub jwks: Option<Url>,
    /// Whose names for people it may use besides its own.
    pub subject_issuers: Vec<String>,
    /// What it shows when it pushes; without one nothing is taken that is pushed.
    pub push_token: Option<Secret>,
    /// Where it is asked.
    pub poll: Option<SignalPoll>,
    /// How late a signal may come, default 1 day, 5 minutes to 30 days.
    pub max_age: Duration,
}

/// Where a transmitter is asked for its signals.
#[derive(Clone, Debug)]
pub struct SignalPoll {
    /// The address.
    pub address: Url,
    /// What we show there.
    pub token: Option<Secret>,
    /// How often, default 15 s, 1 s to 1 h.
    pub every: Duration,
}

impl Signals {
    /// `issuer` is the connector's own, where it has one in the configuration.
    pub(super) fn resolve(section: &Section<'_>, issuer: Option<&str>) -> Option<Self> {
        let written = section.optional::<String>("issuer");
        if let Some(Err(reason)) = written.as_deref().map(|text| check_url(text, "https", "http")) {
            section.error("issuer", &reason, None);
        }
        if written.as_deref().is_some_and(|text| text.contains('?')) {
            section.error("issuer", "must not have a query", None);
        }
        let audience = names(section, "audience");
        let jwks = section.url("jwks_uri", "https", "http");
        let subject_issuers = names(section, "subject_issuers");
        let push_token = section.secret("push_token");
        // Empty: a check outside the service, where it cannot be read.
        let is_short = |token: &Secret| (1..MIN_TOKEN_CHARACTERS).contains(&token.expose().chars().count());
        if push_token.as_ref().is_some_and(is_short) {
            let help = "let `openssl rand -base64 32` make one".to_owned();
            section.error("push_token", &format!("must have at least {MIN_TOKEN_CHARACTERS} characters"), Some(help));
        }
        let poll = SignalPoll::resolve(&section.table("poll"));
        let (minute, day) = (Duration::from_secs(60), Duration::from_secs(24 * 60 * 60));
        let max_age = section.between("max_age", day, 5 * minute, 30 * day);
        if !section.is_present() {
            return None;
        }
        if !section.has("push_token") && !section.has("poll") {
            section.missing("push_token", "or `poll` must say how signals come");
        }
        let Some(issuer) = written.or_else(|| issuer.map(str::to_owned)) else {
            section.missing("issuer", "must be the issuer of the transmitter");
            return None;
        };
        Some(Self { issuer, audience, jwks, subject_issuers, push_token, poll, max_age })
    }
}

impl SignalPoll {
    fn resolve(section: &Section<'_>) -> Option<Self> {
        let address = section.url("url", "https", "http");
        let token = section.secret("token");
        let every =
            section.between("every", Duration::from_secs(15), Duration::from_secs(1), Duration::from_secs(3600));
        if section.is_present() && !section.has("url") {
            section.missing("url", "must be the address that the transmitter gave out for polling");
        }
        Some(Self { address: address?, token, every })
    }
}

fn names(section: &Section<'_>, name: &'static str) -> Vec<String> {
    let names = section.list(name, Vec::<String>::new());
    if names.len() > MAX_NAMES {
        section.error(name, &format!("may have at most {MAX_NAMES} entries"), None);
    }
    names
}
