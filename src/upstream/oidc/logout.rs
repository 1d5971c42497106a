//! Logout at the provider (RP-Initiated Logout 1.0) and from there (Back-Channel Logout 1.0).
//!
//! Who signs people out of our sessions is verified like who signs them in: a logout token passes the same reader and the
//! same keys as an ID token, must say that it is one, and is taken once.

use std::time::Duration;

use minicbor::{Decode, Encode};
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::discovery::Provider;
use super::issuers::Issuer;
use super::verify::{self, Unverified, moment, text};
use super::{OidcConnector, clean, refused, signed};
use crate::clock::Timestamp;
use crate::session::AtUpstream;
use crate::upstream::{Answer, Delivery, Error, LogoutAnswer, LogoutMessage, LogoutRequest, OneTime, Start};

/// How old a logout token may be.
const MAX_AGE: Duration = Duration::from_secs(5 * 60);
/// Longest ID token that is kept to be shown at logout, in bytes: it travels in an address.
const MAX_HINT_BYTES: usize = 4096;
/// Longest `jti`, `sid` and `sub`, in characters.
const MAX_NAME_CHARACTERS: usize = 255;
/// The member of `events` that makes a token one for logout (section 2.4).
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// What is shown to the provider when somebody signs out.
#[derive(Default, Encode, Decode)]
#[cbor(map)]
struct Known {
    #[n(0)]
    id_token: Option<String>,
}

/// What a session keeps of its ID token: nothing where nobody is taken to the provider.
pub(super) fn known(id_token: &str, is_wanted: bool) -> Vec<u8> {
    let is_short = id_token.len() <= MAX_HINT_BYTES;
    let known = Known { id_token: (is_wanted && is_short).then(|| id_token.to_owned()) };
    minicbor::to_vec(&known).unwrap_or_default()
}

impl OidcConnector {
    /// The way to the provider; `None` where it has none or is not to be asked.
    pub(super) async fn begin_logout(&self, at: &AtUpstream) -> Result<Option<Start>, Error> {
        if !self.settings.logout {
            return Ok(None);
        }
        let Some(mut address) = self.provider().await?.end_session_endpoint.clone() else { return Ok(None) };
        let known: Known = minicbor::decode(&at.sign_out).unwrap_or_default();
        let state = self.ids.token();
        let mut query = address.query_pairs_mut();
        if let Some(id_token) = &known.id_token {
            query.append_pair("id_token_hint", id_token);
        }
        query
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("post_logout_redirect_uri", &self.settings.logged_out_uri())
            .append_pair("state", state.expose());
        drop(query);
        let handle = state.expose().to_owned();
        let pending = handle.clone().into_bytes();
        Ok(Some(Start { location: address.into(), fields: Vec::new(), handle, pending }))
    }

    /// Reads what came about logout: a browser that is back, or a logout token.
    pub(super) async fn accept_logout(&self, delivery: Delivery<'_>) -> Result<LogoutMessage, Error> {
        match delivery {
            Delivery::BackChannel(token) => self.read_token(token).await.map(LogoutMessage::Request),
            Delivery::Form(_) => Err(refused("shape", "providers do not post about logout in browsers")),
            Delivery::Query(query) => {
                let fields = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
                let state = Answer { fields }.single("state")?.to_owned();
                Ok(LogoutMessage::Answer(LogoutAnswer { request: state.clone(), handle: state, is_complete: true }))
            }
        }
    }

    async fn read_token(&self, raw: &str) -> Result<LogoutRequest, Error> {
        let token = verify::take_apart(raw, &["logout+jwt", "application/logout+jwt", "JWT", "application/jwt"])?;
        let provider = self.provider().await?;
        let issuer = provider.issuers.of(&token.claims)?;
        // Who has no good token makes us ask for no keys.
        let request = self.check_token(&token.claims, &issuer)?;
        self.check_signature(&token, &provider, &issuer).await?;
        Ok(request)
    }

    /// The rules of section 2.6, signature aside.
    fn check_token(&self, claims: &Map<String, Value>, by: &Issuer) -> Result<LogoutRequest, Error> {
        match claims.get("events").and_then(|events| events.get(EVENT)) {
            Some(Value::Object(_)) => {}
            _ => return Err(refused("events", "it is no logout token")),
        }
        if claims.contains_key("nonce") {
            return Err(refused("nonce", "a logout token has no `nonce`"));
        }
        if text(claims, "iss") != Some(by.url.as_str()) {
            let issuer = text(claims, "iss").unwrap_or_default();
            return Err(refused("issuer", format!("the logout token is of `{}`", clean(issuer))));
        }
        self.check_audience(claims)?;
        let (issued, ends) = self.check_moments(claims)?;
        let id = name(claims, "jti", "token_id")?.ok_or_else(|| refused("token_id", "there is no `jti`"))?;
        let (subject, session) = (name(claims, "sub", "subject")?, name(claims, "sid", "session")?);
        if subject.is_none() && session.is_none() {
            return Err(refused("subject", "it names neither a person nor a session"));
        }
        let until = ends.min(issued.plus(MAX_AGE)).plus(2 * self.settings.skew);
        Ok(LogoutRequest {
            subject: subject.map(|subject| by.subject(subject)),
            sessions: session.into_iter().collect(),
            issued,
            // Not the name of anything that signs in.
            claim: OneTime { id: format!("logout {id}"), until },
            relay_state: None,
        })
    }

    /// As for ID tokens: us, and others only where it was made for us.
    fn check_audience(&self, claims: &Map<String, Value>) -> Result<(), Error> {
        let us = self.settings.client_id.as_str();
        let party = claims.get("azp");
        if party.is_some_and(|party| party.as_str() != Some(us)) {
            return Err(refused("authorized_party", "the logout token was made for somebody else"));
        }
        let is_fine = match claims.get("aud") {
            Some(Value::String(one)) => one == us,
            Some(Value::Array(all)) => {
                let is_us = |audience: &Value| audience.as_str() == Some(us);
                all.iter().any(is_us)
                    && all.iter().all(|audience| is_us(audience) || (party.is_some() && audience.is_string()))
            }
            _ => false,
        };
        if is_fine { Ok(()) } else { Err(refused("audience", "the logout token is not for us")) }
    }

    /// When it was issued and when it ends.
    fn check_moments(&self, claims: &Map<String, Value>) -> Result<(Timestamp, Timestamp), Error> {
        let (now, skew) = (self.clock.now(), self.settings.skew);
        let at = |name| claims.get(name).and_then(moment);
        let issued = at("iat").ok_or_else(|| refused("issue_time", "`iat` is no time"))?;
        if issued > now.plus(skew) || issued < now.minus(MAX_AGE + skew) {
            return Err(refused("issue_time", format!("the logout token is of {issued}, long ago or in the future")));
        }
        let ends = at("exp").ok_or_else(|| refused("expiry", "`exp` is no time"))?;
        if now >= ends.plus(skew) {
            return Err(refused("expiry", format!("the logout token ended at {ends}")));
        }
        match claims.get("nbf").map(moment) {
            None => Ok((issued, ends)),
            Some(Some(begins)) if begins <= now.plus(skew) => Ok((issued, ends)),
            Some(_) => Err(refused("not_before", "the logout token is not valid yet")),
        }
    }

    async fn check_signature(&self, token: &Unverified, provider: &Provider, by: &Issuer) -> Result<(), Error> {
        self.by_keys(provider, token, &by.url, |keys| signed::check(token, keys, &by.url)).await
    }
}

/// A claim that is a name of 1 to 255 characters, or is not there.
fn name(claims: &Map<String, Value>, claim: &str, rule: &'static str) -> Result<Option<String>, Error> {
    match claims.get(claim) {
        None => Ok(None),
        Some(Value::String(name))
            if (1..=MAX_NAME_CHARACTERS).contains(&name.chars().count()) && !name.chars().any(char::is_control) =>
        {
            Ok(Some(name.clone()))
        }
        Some(_) => Err(refused(rule, format!("`{claim}` is no text of 1 to {MAX_NAME_CHARACTERS} characters"))),
    }
}
