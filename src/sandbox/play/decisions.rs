//! The decision that is enforced, asked for and explained: one that allows, one that does not.

use serde_json::Value;

use crate::access::NewGrant;
use crate::model::Subject;
use crate::sandbox::Failed;
use crate::sandbox::client::{encoded, text};
use crate::sandbox::stage::{Stage, cast};

/// What an analyst of one department may do there, and not elsewhere.
const ASKED: &str = "data:export";

/// Broken: somebody gave ida the role in the whole organisation.
pub(super) async fn play(stage: &Stage, is_broken: bool) -> Result<Vec<String>, Failed> {
    if is_broken {
        overreach(stage).await?;
    }
    let mut proofs = Vec::new();
    for (scope, is_allowed) in [(Some("department:finance"), true), (None, false)] {
        let place = scope.map(|scope| format!("&scope={}", encoded(scope))).unwrap_or_default();
        let path = format!("/explain?user={}&permission={}{place}", cast::IDA, encoded(ASKED));
        let told = stage.automation()?.get(&path).await?.expect(200)?;
        let place = scope.unwrap_or("the whole organisation");
        if told.get("allowed") != Some(&Value::Bool(is_allowed)) {
            let must = if is_allowed { "must" } else { "must not" };
            return Err(Failed::new(format!("{} {must} have {ASKED} in {place}: {told}", cast::IDA)));
        }
        let word = if is_allowed { "" } else { "denied, " };
        proofs.push(format!("{} {ASKED} in {place}: {word}{}", cast::IDA, text(&told, "reason")?));
    }
    Ok(proofs)
}

async fn overreach(stage: &Stage) -> Result<(), Failed> {
    let failed = |error: &(dyn std::error::Error + 'static)| Failed::while_doing("giving a role", error);
    let gateway = stage.gateway();
    let found = gateway.directory().find_user_by_name(cast::IDA).await.map_err(|error| failed(&error))?;
    let ida = found.ok_or_else(|| Failed::new("ida is not there"))?;
    let role = "data_analyst".parse().map_err(|error| Failed::while_doing("naming a role", &error))?;
    let grant = NewGrant::new(Subject::User(ida.id), role);
    let permit = gateway.access().task_permit("demo", None);
    gateway
        .access()
        .grants()
        .create(&permit, &gateway.access().roles(), grant)
        .await
        .map_err(|error| failed(&error))?;
    Ok(())
}
