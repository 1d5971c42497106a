//! The directory is pulled at the start; then the company changes, a plan says what that means, and a run applies it.

use http::Method;
use serde_json::{Value, json};

use super::same;
use crate::sandbox::Failed;
use crate::sandbox::client::{Client, encoded};
use crate::sandbox::directory::Fault;
use crate::sandbox::stage::{Stage, cast, settings};

/// Broken: the directory finds nobody any more and calls it a success.
pub(super) async fn play(stage: &Stage, is_broken: bool) -> Result<Vec<String>, Failed> {
    let client = stage.automation()?;
    // The gateway pulls by itself when it starts; runs of one source follow each other.
    run(&client, false).await?;
    let filter = encoded("active eq true and userName pr");
    let pulled = from_directory(&client, &filter).await?;
    same("the number of people pulled", &pulled.into(), &cast::staff().into())?;
    stage.change_company()?;
    if is_broken {
        stage.directory().set_fault(Some(Fault::Empty));
    }
    let expected = [("created", 3), ("deactivated", 1), ("groups_created", 1)];
    let plan = run(&client, true).await?;
    if plan.get("outcome") != Some(&"planned".into()) {
        return Err(Failed::new(format!("the sync was not planned: {plan}")));
    }
    let applied = run(&client, false).await?;
    if applied.get("outcome") != Some(&"applied".into()) {
        return Err(Failed::new(format!("the sync was not applied: {applied}")));
    }
    for (name, count) in expected {
        same(&format!("`{name}` of the plan"), plan.get(name).unwrap_or(&Value::Null), &count.into())?;
        same(&format!("`{name}` of the run"), applied.get(name).unwrap_or(&Value::Null), &count.into())?;
    }
    for (name, role) in [(cast::UMA, "data_analyst"), ("lea", "compliance_officer")] {
        let levels = client.get(&format!("/users/{name}/permissions")).await?.expect(200)?;
        if !holds(&levels, role) {
            return Err(Failed::new(format!("{name} must be {role} by the directory's groups: {levels}")));
        }
    }
    let gone = client.get(&format!("/users/{}", cast::VIC)).await?.expect(200)?;
    same("whether who left is active", gone.get("active").unwrap_or(&Value::Null), &false.into())?;
    let memberships = applied.get("memberships_added").and_then(Value::as_u64).unwrap_or(0);
    Ok(vec![
        format!("{pulled} people and their groups came at the start"),
        "the company changed; the plan: 3 people and 1 group to create, 1 person to deactivate".to_owned(),
        format!("applied as planned, with {memberships} memberships"),
        format!("{} is in treasury in payables in finance: data_analyst in department:finance", cast::UMA),
    ])
}

async fn run(client: &Client, is_plan: bool) -> Result<Value, Failed> {
    let path = format!("/sources/{}/sync", settings::CORP);
    client.send(Method::POST, &path, Some(&json!({"dry_run": is_plan}))).await?.expect(200)
}

async fn from_directory(client: &Client, filter: &str) -> Result<usize, Failed> {
    let users = client.get(&format!("/users?filter={filter}&limit=100")).await?.expect(200)?;
    let items = users.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
    Ok(items.iter().filter(|user| user.get("source") == Some(&settings::CORP.into())).count())
}

/// Whether a role is held at any level.
fn holds(levels: &Value, role: &str) -> bool {
    let levels = levels.get("levels").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let roles = levels.iter().filter_map(|level| level.get("roles").and_then(Value::as_array)).flatten();
    roles.into_iter().any(|held| held.get("role") == Some(&role.into()))
}
