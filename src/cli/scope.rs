//! `cleargate scope`.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::client::{Client, path, tried};
use super::confirm::confirm;
use super::output::Output;
use super::{Exit, Failure};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a department, company, scorecard or project
    #[command(after_help = "Examples:\n  cleargate scope create department:finance --name 'Finance Team'\n  \
                            cleargate scope create department:payroll --name Payroll --parent finance")]
    Create(Create),
    /// Delete a scope that nothing lies below and nothing is granted in
    #[command(after_help = "Example:\n  cleargate scope delete department:payroll --yes")]
    Delete {
        /// KIND:SLUG
        scope: String,
        /// Tell what would happen, and do nothing
        #[arg(long)]
        dry_run: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// List the scopes of a kind
    #[command(after_help = "Example:\n  cleargate scope list department")]
    List {
        /// department, company, scorecard, project, or a kind of the policy pack
        kind: String,
    },
    /// Put a scope below another one of its kind; what is granted there holds in it too
    #[command(after_help = "Examples:\n  cleargate scope move department:payroll --below finance\n  \
                            cleargate scope move department:payroll --top")]
    Move(Move),
    /// Give a scope another name; KIND:SLUG stays
    #[command(after_help = "Example:\n  cleargate scope rename department:finance 'Finance and Controlling'")]
    Rename {
        /// KIND:SLUG
        scope: String,
        /// The name to show
        name: String,
        /// Tell what would happen, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Args, Debug)]
pub(super) struct Create {
    /// KIND:SLUG
    scope: String,
    /// The name to show
    #[arg(long)]
    name: String,
    /// The scope above it, by its slug
    #[arg(long, value_name = "SLUG")]
    parent: Option<String>,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Tell what would happen, and do nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Args, Debug)]
pub(super) struct Move {
    /// KIND:SLUG
    scope: String,
    #[command(flatten)]
    place: Place,
    /// Tell what would happen, and do nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(super) struct Place {
    /// The scope above it, by its slug
    #[arg(long, value_name = "SLUG")]
    below: Option<String>,
    /// Directly below the organization
    #[arg(long)]
    top: bool,
}

pub(super) async fn run(command: Command, client: Client, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Create(create) => {
            let Some((kind, slug)) = create.scope.split_once(':') else {
                return Err(Failure::new(Exit::Usage, "the scope must be KIND:SLUG, such as department:finance"));
            };
            let body = json!({
                "kind": kind,
                "slug": slug,
                "name": create.name,
                "parent": create.parent,
                "description": create.description,
            });
            output.object(&client.post(&tried("/api/v1/scopes", create.dry_run), &body).await?)
        }
        Command::Delete { scope, dry_run, yes } => {
            if !dry_run {
                confirm(&format!("deletes the scope {scope}"), yes)?;
            }
            let answer = client.delete(&tried(&path("scopes", &scope, ""), dry_run)).await?;
            output.result(&answer, if dry_run { "the scope can be deleted" } else { "the scope is deleted" })
        }
        Command::List { kind } => {
            let scopes = client.list("/api/v1/scopes", &[("kind", &kind)], 100_000).await?;
            let columns = [("SCOPE", "id"), ("NAME", "name"), ("BELOW", "parent"), ("DESCRIPTION", "description")];
            output.list(&scopes, &columns)
        }
        Command::Move(Move { scope, place, dry_run }) => {
            let parent = place.below.map_or(Value::Null, Value::String);
            change(&client, output, &tried(&path("scopes", &scope, ""), dry_run), "parent", parent).await
        }
        Command::Rename { scope, name, dry_run } => {
            change(&client, output, &tried(&path("scopes", &scope, ""), dry_run), "name", name.into()).await
        }
    }
}

async fn change(client: &Client, output: &Output, address: &str, field: &str, value: Value) -> Result<(), Failure> {
    let body: Map<String, Value> = [(field.to_owned(), value)].into_iter().collect();
    output.object(&client.patch(address, &Value::Object(body)).await?)
}
