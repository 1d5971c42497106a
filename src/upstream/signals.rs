//! Signals: what a provider tells of its people after they have signed in, as security event tokens (RFC 8417) in the
//! profile of the OpenID Shared Signals Framework 1.0, with the events of CAEP 1.0 and RISC 1.0.
//!
//! A [`Transmitter`] belongs to one connector. It verifies a token and says what it asks for; whoever carries that out is
//! `login`. It refuses what is not typed as an event, signed by the transmitter's published keys, from its issuer, to us,
//! recent, and about one event; and subjects that are named by anything but the connector's own names or by addresses of the
//! domains that the administrator gave it. It holds no state but what is still to be answered where it is polled.

mod poll;
mod subject;

use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Map, Value};
use url::Url;

use super::oidc::{SignedToken, Signers, clean, moment, refused};
use super::{Error, OneTime};
use crate::clock::{Clock, Timestamp};
use crate::http::outbound::Outbound;
use crate::model::SourceId;
use crate::secret::Secret;

pub use poll::Polled;
pub use subject::SignalSubject;

/// Most bytes of a token.
pub const MAX_TOKEN_BYTES: usize = 64 * 1024;
/// Longest `jti`, and longest name of a person or a session, in characters.
const MAX_NAME_CHARACTERS: usize = 255;
/// Longest text of an event that is told again, in characters.
const MAX_DETAIL_CHARACTERS: usize = 100;
/// What the header must say that the token is (RFC 8417 section 2.3).
const TYPES: [&str; 2] = ["secevent+jwt", "application/secevent+jwt"];

const CAEP: &str = "https://schemas.openid.net/secevent/caep/event-type/";
const RISC: &str = "https://schemas.openid.net/secevent/risc/event-type/";
const SSF: &str = "https://schemas.openid.net/secevent/ssf/event-type/";

/// A transmitter as the administrator describes it.
#[derive(Clone, Debug)]
pub struct TransmitterSettings {
    /// The connector of whose people it tells.
    pub id: SourceId,
    /// Who signs, exactly as written; an https address, or http on loopback.
    pub issuer: String,
    /// What tokens are addressed to, of which one must be named; at least one.
    pub audience: Vec<String>,
    /// Where its keys are; else its configuration document tells.
    pub jwks: Option<Url>,
    /// Whose names for people it may use.
    pub subject_issuers: Vec<String>,
    /// Domains in whose addresses it may name people.
    pub domains: Vec<String>,
    /// What it shows when it pushes; without one nothing is taken that is pushed.
    pub push_token: Option<Secret>,
    /// Where it is asked, and what we show there.
    pub poll: Option<(Url, Option<Secret>)>,
    /// How often it is asked.
    pub every: Duration,
    /// How old a token may be.
    pub max_age: Duration,
    /// How far its clock may be off.
    pub skew: Duration,
}

/// Who tells signals about the people of a connector.
pub struct Transmitter {
    settings: TransmitterSettings,
    signers: Signers,
    outbound: Outbound,
    clock: Clock,
    answers: Mutex<poll::Answers>,
}

/// What is asked for by an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The sessions that it names, or all of the person's, are over.
    EndSessions,
    /// The person may not sign in by the connector for now.
    Disable,
    /// The person has no account there any more.
    Purge,
    /// The person may sign in again.
    Enable,
    /// The transmitter tells that it can reach us.
    Verify,
    /// The stream of signals goes on or does not: `enabled`, `paused`, `disabled`.
    Stream(String),
    /// Nothing: it is of a kind that changes nothing here.
    Nothing,
}

/// A signal that was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Its id, which has an effect once.
    pub claim: OneTime,
    /// What happened: the last part of the event's address where we know it, else the whole.
    pub event: String,
    /// What is to be done.
    pub effect: Effect,
    /// About whom; none where nothing is to be done.
    pub subject: Option<SignalSubject>,
    /// When it happened, by the transmitter's clock; never after the token was issued.
    pub at: Timestamp,
    /// Until when an older token could come.
    pub settled: Timestamp,
    /// What else it says, in short words, for the ledger.
    pub details: Vec<(&'static str, String)>,
}

/// The events that are known, by profile, with what they ask for.
const EVENTS: &[(&str, &str, Effect)] = &[
    (CAEP, "session-revoked", Effect::EndSessions),
    (CAEP, "credential-change", Effect::EndSessions),
    (CAEP, "token-claims-change", Effect::EndSessions),
    (RISC, "account-credential-change-required", Effect::EndSessions),
    (RISC, "credential-compromise", Effect::EndSessions),
    (RISC, "identifier-changed", Effect::EndSessions),
    (RISC, "identifier-recycled", Effect::EndSessions),
    (RISC, "sessions-revoked", Effect::EndSessions),
    (RISC, "account-disabled", Effect::Disable),
    (RISC, "account-purged", Effect::Purge),
    (RISC, "account-enabled", Effect::Enable),
    (SSF, "verification", Effect::Verify),
];

/// What a signal takes of the roles that the connector's rules gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// What the next sign-in can give again.
    ForNow,
    /// Everything: whoever comes next by the name is somebody else.
    ForGood,
}

impl Signal {
    /// What it takes of the roles that the connector's rules gave, where it says that what was said of the person does not
    /// hold any more. What is about less than the account takes none.
    pub fn takes_roles(&self) -> Option<Taken> {
        self.subject.as_ref().filter(|subject| !subject.is_narrow)?;
        match (&self.effect, self.event.as_str()) {
            (Effect::Purge, _) | (Effect::EndSessions, "identifier-recycled") => Some(Taken::ForGood),
            (Effect::Disable, _) | (Effect::EndSessions, "token-claims-change") => Some(Taken::ForNow),
            _ => None,
        }
    }
}

/// The members of events that are told again.
const TOLD: [&str; 6] =
    ["change_type", "credential_type", "current_level", "current_status", "initiating_entity", "reason"];

impl Transmitter {
    /// A transmitter; nothing is asked yet.
    ///
    /// # Errors
    /// When the issuer is no address.
    pub fn new(settings: TransmitterSettings, outbound: Outbound, clock: Clock) -> Result<Self, url::ParseError> {
        let address: Url = settings.issuer.parse()?;
        let signers = Signers::new(&settings.issuer, address, settings.jwks.clone(), outbound.clone(), &clock);
        Ok(Self { settings, signers, outbound, clock, answers: Mutex::default() })
    }

    /// Whether it may push.
    pub fn pushes(&self) -> bool {
        self.settings.push_token.is_some()
    }

    /// How often it is to be asked; `None` where it is not.
    pub fn polled_every(&self) -> Option<Duration> {
        self.settings.poll.is_some().then_some(self.settings.every)
    }

    /// Whether whoever shows this is the one that may push. Takes time by lengths only.
    pub fn is_shown(&self, bearer: &str) -> bool {
        self.settings.push_token.as_ref().is_some_and(|token| !token.expose().is_empty() && token.matches(bearer))
    }

    /// Verifies a token and tells what it asks for.
    ///
    /// # Errors
    /// `Refused` by the rule that it breaks, of which [`code`] gives the transmitter's word; `Unavailable` when the keys
    /// cannot be had: the same token may be good later.
    pub async fn read(&self, raw: &str) -> Result<Signal, Error> {
        if raw.len() > MAX_TOKEN_BYTES {
            return Err(refused("shape", "the token is too long"));
        }
        let token = SignedToken::read(raw, &TYPES)?;
        // Who has no good token makes us ask for no keys.
        let signal = self.check(&token)?;
        self.signers.verify(&token).await?;
        Ok(signal)
    }

    /// The rules of Shared Signals Framework 1.0 section 4 and RFC 8417 section 2.2, signature aside.
    fn check(&self, token: &SignedToken) -> Result<Signal, Error> {
        let claims = token.claims();
        if token.text("iss") != Some(self.settings.issuer.as_str()) {
            return Err(refused(
                "issuer",
                format!("the token is of `{}`", clean(token.text("iss").unwrap_or_default())),
            ));
        }
        self.check_audience(claims)?;
        // What has one of these is a token of another kind.
        for (claim, rule) in [("exp", "expiry"), ("nonce", "nonce"), ("sub", "subject"), ("azp", "authorized_party")] {
            if claims.contains_key(claim) {
                return Err(refused(rule, format!("a security event has no `{claim}`")));
            }
        }
        let issued = self.check_moments(claims)?;
        let id = short(claims.get("jti")).ok_or_else(|| refused("token_id", "`jti` is no short text"))?;
        let (name, body) = only_event(claims)?;
        let (event, effect) = known(name, body)?;
        let subject = match effect {
            Effect::Verify | Effect::Stream(_) | Effect::Nothing => None,
            _ => Some(subject::read(claims.get("sub_id"), body, &self.settings)?),
        };
        // Nobody is disabled for a device or a session; ending is the safe side.
        let is_narrow = subject.as_ref().is_some_and(|subject| subject.is_narrow);
        let effect = match effect {
            Effect::Disable | Effect::Purge if is_narrow => Effect::EndSessions,
            other => other,
        };
        let told = |name: &'static str| {
            let text = body.get(name)?.as_str()?;
            Some((name, clean(text).chars().take(MAX_DETAIL_CHARACTERS).collect::<String>()))
        };
        let happened = body.get("event_timestamp").or(claims.get("toe")).and_then(moment);
        let at = happened.map_or(issued, |happened| happened.min(issued));
        let late = self.settings.max_age + 2 * self.settings.skew;
        Ok(Signal {
            // Not the name of anything that signs in or out.
            claim: OneTime { id: format!("signal {id}"), until: issued.plus(late) },
            event,
            effect,
            subject,
            at,
            settled: issued.plus(late),
            details: TOLD.into_iter().filter_map(told).collect(),
        })
    }

    fn check_audience(&self, claims: &Map<String, Value>) -> Result<(), Error> {
        let is_us = |value: &Value| {
            value.as_str().is_some_and(|audience| self.settings.audience.iter().any(|own| own == audience))
        };
        let is_fine = match claims.get("aud") {
            Some(one @ Value::String(_)) => is_us(one),
            Some(Value::Array(all)) => all.iter().all(Value::is_string) && all.iter().any(is_us),
            _ => false,
        };
        if is_fine { Ok(()) } else { Err(refused("audience", "the token is not for us")) }
    }

    /// When it was issued.
    fn check_moments(&self, claims: &Map<String, Value>) -> Result<Timestamp, Error> {
        let (now, skew) = (self.clock.now(), self.settings.skew);
        let issued = claims.get("iat").and_then(moment).ok_or_else(|| refused("issue_time", "`iat` is no time"))?;
        if issued > now.plus(skew) || issued < now.minus(self.settings.max_age + skew) {
            return Err(refused("issue_time", format!("the token is of {issued}, long ago or in the future")));
        }
        match claims.get("nbf").map(moment) {
            None => Ok(issued),
            Some(Some(begins)) if begins <= now.plus(skew) => Ok(issued),
            Some(_) => Err(refused("not_before", "the token is not valid yet")),
        }
    }
}

impl fmt::Debug for Transmitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transmitter").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// The one event of a token (Shared Signals Framework 1.0 section 4.1.5).
fn only_event(claims: &Map<String, Value>) -> Result<(&str, &Map<String, Value>), Error> {
    let events = claims.get("events").and_then(Value::as_object);
    let events = events.ok_or_else(|| refused("events", "the token tells no event"))?;
    let mut all = events.iter();
    match (all.next(), all.next()) {
        (Some((name, Value::Object(body))), None) => Ok((name, body)),
        _ => Err(refused("events", "the token tells not exactly one event")),
    }
}

/// The short name of an event and what it asks for.
fn known(name: &str, body: &Map<String, Value>) -> Result<(String, Effect), Error> {
    if let Some((_, event, effect)) =
        EVENTS.iter().find(|(profile, event, _)| name.strip_prefix(profile) == Some(*event))
    {
        return Ok(((*event).to_owned(), effect.clone()));
    }
    if name.strip_prefix(SSF) == Some("stream-updated") {
        let status =
            body.get("status").and_then(Value::as_str).filter(|s| ["enabled", "paused", "disabled"].contains(s));
        let status = status.ok_or_else(|| refused("events", "the stream's status is none of the standard's"))?;
        return Ok(("stream-updated".to_owned(), Effect::Stream(status.to_owned())));
    }
    Ok((clean(name).chars().take(2 * MAX_DETAIL_CHARACTERS).collect(), Effect::Nothing))
}

/// A text of 1 to 255 characters without control characters.
fn short(value: Option<&Value>) -> Option<String> {
    let text = value?.as_str()?;
    let is_fine = (1..=MAX_NAME_CHARACTERS).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    is_fine.then(|| text.to_owned())
}

/// The word of RFC 8935 section 2.4 for a rule that was broken.
pub fn code(rule: &str) -> &'static str {
    match rule {
        "algorithm" | "key" => "invalid_key",
        "audience" => "invalid_audience",
        "issuer" => "invalid_issuer",
        "bearer" | "signature" => "authentication_failed",
        _ => "invalid_request",
    }
}
