//! The play: the main job of the gateway, done from outside over its own addresses, each step with what it proved.
//!
//! Whatever a step asserts, it learned from an answer of the gateway, never from its services. The one exception is what
//! breaks a step on purpose, which stands for a mistake or an attack and comes from inside.

mod decisions;
mod ledger;
mod provisioning;
mod refusals;
mod sign_in;
mod sync;

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Failed;
use super::client::text;
use super::stage::Stage;

/// One step, in the order of the play.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The gateway starts from its configuration.
    Start,
    /// A provisioning client pushes people and a group.
    Provision,
    /// A directory is pulled.
    Sync,
    /// People sign in by SAML.
    Saml,
    /// Somebody signs in by OpenID Connect.
    OpenId,
    /// People sign in by password.
    Password,
    /// What must be refused is refused.
    Refuse,
    /// Rights are decided and explained.
    Decide,
    /// The ledger is verified.
    Verify,
}

impl Step {
    /// Every step, in order.
    pub const ALL: [Self; 9] = [
        Self::Start,
        Self::Provision,
        Self::Sync,
        Self::Saml,
        Self::OpenId,
        Self::Password,
        Self::Refuse,
        Self::Decide,
        Self::Verify,
    ];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Provision => "scim",
            Self::Sync => "ldap",
            Self::Saml => "saml",
            Self::OpenId => "oidc",
            Self::Password => "password",
            Self::Refuse => "refusals",
            Self::Decide => "decisions",
            Self::Verify => "ledger",
        }
    }

    /// What happens in it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Start => "the gateway starts",
            Self::Provision => "a SCIM client provisions people and a group",
            Self::Sync => "a directory is pulled over LDAPS",
            Self::Saml => "people sign in by SAML",
            Self::OpenId => "somebody signs in by OpenID Connect",
            Self::Password => "people sign in by password",
            Self::Refuse => "what must be refused is refused",
            Self::Decide => "rights are decided and explained",
            Self::Verify => "the ledger is verified",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no such step; they are start, scim, ldap, saml, oidc, password, refusals, decisions, ledger")]
pub struct NoSuchStep;

impl FromStr for Step {
    type Err = NoSuchStep;

    fn from_str(text: &str) -> Result<Self, NoSuchStep> {
        Self::ALL.into_iter().find(|step| step.name() == text).ok_or(NoSuchStep)
    }
}

/// A step that was played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Played {
    /// Which.
    pub step: Step,
    /// What it proved, a sentence each.
    pub proofs: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

/// A step that did not end as it must.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("step {} ({step}) failed: {}: {reason}", .step.number(), .step.title())]
pub struct Broken {
    /// Which.
    pub step: Step,
    /// What was wrong.
    pub reason: Failed,
}

impl Step {
    /// Its place in the play, from 1.
    pub fn number(self) -> usize {
        Self::ALL.iter().take_while(|step| **step != self).count() + 1
    }
}

/// What is known when all steps are played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How many events the ledger holds.
    pub events: u64,
    /// The root over them, in hexadecimal digits.
    pub root: String,
}

/// Plays every step but the first, which setting the stage is. `told` hears of each that was played; `broken` is spoiled
/// right before its turn.
///
/// # Errors
/// The first step that fails.
pub async fn play(
    stage: &Stage,
    broken: Option<Step>,
    told: &mut (dyn FnMut(&Played) + Send),
) -> Result<Outcome, Broken> {
    let mut begun = ledger::Begun::default();
    for step in Step::ALL {
        let began = now();
        let proofs = match step {
            Step::Start => ledger::begin(stage, &mut begun).await,
            Step::Provision => provisioning::play(stage, broken == Some(step)).await,
            Step::Sync => sync::play(stage, broken == Some(step)).await,
            Step::Saml => sign_in::by_saml(stage).await,
            Step::OpenId => sign_in::by_openid(stage).await,
            Step::Password => sign_in::by_password(stage).await,
            Step::Refuse => refusals::play(stage).await,
            Step::Decide => decisions::play(stage, broken == Some(step)).await,
            Step::Verify => ledger::verify(stage, &mut begun, broken == Some(step)).await,
        };
        let proofs = proofs.map_err(|reason| Broken { step, reason })?;
        told(&Played { step, proofs, took: began.elapsed() });
    }
    Ok(Outcome { events: begun.events, root: begun.root })
}

/// For how long something takes, not for what time it is.
pub fn now() -> Instant {
    Instant::now()
}

/// Checks that what was found is what must be.
fn same(what: &str, found: &Value, expected: &Value) -> Result<(), Failed> {
    if found == expected {
        return Ok(());
    }
    Err(Failed::new(format!("{what} must be {expected}, but is {found}")))
}

/// Rule and reason of a refusal, as the ledger has them.
async fn reason(stage: &Stage, reference: &str) -> Result<(String, String), Failed> {
    let found = stage.automation()?.get("/audit-logs?outcome=denied&limit=50").await?.expect(200)?;
    let logs = found.get("logs").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let entry = logs.iter().find(|entry| entry.get("request_id") == Some(&reference.into()));
    let entry =
        entry.ok_or_else(|| Failed::new(format!("the ledger has no refusal with the reference {reference}")))?;
    let details = entry.get("details").unwrap_or(entry);
    Ok((text(details, "rule")?.to_owned(), text(details, "reason")?.to_owned()))
}
