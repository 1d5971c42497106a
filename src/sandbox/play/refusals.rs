//! What must be refused: an altered answer, a replayed one, guessed passwords, somebody who was deactivated. From outside
//! each looks the same; the ledger knows the reason.

use base64::{Engine, prelude::BASE64_STANDARD};

use super::reason;
use crate::sandbox::Failed;
use crate::sandbox::stage::{Stage, cast, settings};

/// Broken: the administrator allows more wrong passwords than the play tries; see the settings.
pub(super) async fn play(stage: &Stage) -> Result<Vec<String>, Failed> {
    let mut proofs = Vec::new();
    for (what, outcome) in [
        ("a SAML answer with another name in it", altered(stage).await),
        ("a SAML answer that was used before", replayed(stage).await),
        ("the deactivated account at the SAML provider", deactivated(stage).await),
        ("the right password after three wrong ones", locked(stage).await),
    ] {
        let reference = outcome.map_err(|error| Failed::new(format!("{what}: {error}")))?;
        let (rule, reason) = reason(stage, &reference).await?;
        proofs.push(format!("{what}: refused, in the ledger as `{rule}` ({reason})"));
    }
    Ok(proofs)
}

/// Puts another person's address into a signed answer.
async fn altered(stage: &Stage) -> Result<String, Failed> {
    let mut browser = stage.browser();
    let mut answer = browser.ask_saml(&stage.url, settings::WORKFORCE, cast::IRIS).await?;
    let document = BASE64_STANDARD.decode(&answer.response);
    let document = document.map_err(|error| Failed::while_doing("reading the answer", &error))?;
    let forged = String::from_utf8_lossy(&document).replace(cast::IRIS, cast::MAYA);
    answer.response = BASE64_STANDARD.encode(forged);
    browser.bring_saml(&stage.url, settings::WORKFORCE, &answer).await?.refusal()
}

/// Brings a good answer twice, from the same browser.
async fn replayed(stage: &Stage) -> Result<String, Failed> {
    let mut browser = stage.browser();
    let answer = browser.ask_saml(&stage.url, settings::WORKFORCE, cast::IRIS).await?;
    browser.bring_saml(&stage.url, settings::WORKFORCE, &answer).await?.expect(303)?;
    browser.bring_saml(&stage.url, settings::WORKFORCE, &answer).await?.refusal()
}

async fn deactivated(stage: &Stage) -> Result<String, Failed> {
    let mut browser = stage.browser();
    let answer = browser.ask_saml(&stage.url, settings::WORKFORCE, cast::NOOR).await?;
    browser.bring_saml(&stage.url, settings::WORKFORCE, &answer).await?.refusal()
}

async fn locked(stage: &Stage) -> Result<String, Failed> {
    for guess in ["letmein", "summer2026", "correct horse"] {
        stage.browser().sign_in_by_password(&stage.url, cast::LEE, guess).await?.refusal()?;
    }
    stage.browser().sign_in_by_password(&stage.url, cast::LEE, stage.password.expose()).await?.refusal()
}
