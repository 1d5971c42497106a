//! `cleargate role`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::client::{Client, path, tried};
use super::confirm::confirm;
use super::output::Output;
use super::{Exit, Failure};

/// Largest file of a role, in bytes.
const MAX_FILE_BYTES: u64 = 256 << 10;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a role of your own
    #[command(
        after_help = "Examples:\n  cleargate role create --name 'Report Builder' --permission reports:read --permission reports:create\n  \
                            cleargate role create --file integration-specialist.json\n  \
                            cleargate role create --name 'Senior Analyst' --include data_analyst --permission audit:read --dry-run"
    )]
    Create(Create),
    /// Delete a role of your own that nobody holds
    #[command(after_help = "Example:\n  cleargate role delete report_builder --yes")]
    Delete {
        /// The role's id
        role: String,
        /// Tell what would happen, and do nothing
        #[arg(long)]
        dry_run: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Copy a role, the pack's too, under another name
    #[command(after_help = "Example:\n  cleargate role duplicate data_analyst --name 'Senior Analyst'")]
    Duplicate {
        /// The role's id
        role: String,
        /// The name of the copy
        #[arg(long)]
        name: String,
        /// What the copy is for [default: as the role]
        #[arg(long)]
        description: Option<String>,
        /// Tell what would happen, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// List roles
    #[command(after_help = "Examples:\n  cleargate role list\n  cleargate role list --kind custom --json")]
    List {
        /// Only roles of this kind
        #[arg(long, value_parser = ["custom", "flag", "role"])]
        kind: Option<String>,
    },
    /// Print what each role of the pack may do
    Matrix,
    /// List the permissions that roles and tokens can be made of
    #[command(after_help = "Example:\n  cleargate role permissions")]
    Permissions,
    /// Show a role, and who holds it
    #[command(
        after_help = "Examples:\n  cleargate role show data_analyst\n  cleargate role show data_analyst --holders"
    )]
    Show {
        /// The role's id
        role: String,
        /// List the grants that give it instead
        #[arg(long)]
        holders: bool,
    },
    /// Change a role of your own; lists that are given replace
    #[command(
        after_help = "Example:\n  cleargate role update report_builder --permission reports:read --permission data:read"
    )]
    Update(Update),
}

#[derive(Args, Debug)]
pub(super) struct Parts {
    /// What it is for
    #[arg(long)]
    description: Option<String>,
    /// What it allows; may be given several times
    #[arg(long = "permission", value_name = "PERMISSION")]
    permissions: Vec<String>,
    /// What it takes away, whatever else allows it; may be given several times
    #[arg(long = "deny", value_name = "PERMISSION")]
    denies: Vec<String>,
    /// A role that it has in it; may be given several times
    #[arg(long = "include", value_name = "ROLE")]
    includes: Vec<String>,
    /// What it allows to the owner of the object only; may be given several times
    #[arg(long = "if-owner", value_name = "PERMISSION")]
    if_owner: Vec<String>,
    /// Tell what would happen, and do nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Args, Debug)]
pub(super) struct Create {
    /// Its name; the id follows from it
    #[arg(long, required_unless_present = "file")]
    name: Option<String>,
    /// File with the role as JSON: name, description, permissions, and what else a role has
    #[arg(long, value_name = "FILE", conflicts_with_all = ["name", "description", "permissions", "denies", "includes", "if_owner"])]
    file: Option<PathBuf>,
    #[command(flatten)]
    parts: Parts,
}

#[derive(Args, Debug)]
pub(super) struct Update {
    /// The role's id
    role: String,
    /// Another name; the id stays
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    parts: Parts,
}

pub(super) async fn run(command: Command, client: Client, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Create(create) => {
            let address = tried("/api/v1/roles", create.parts.dry_run);
            let body = match &create.file {
                Some(file) => read(file)?,
                None => {
                    let mut body = members(create.name, create.parts);
                    if let Some(members) = body.as_object_mut() {
                        members.entry("permissions").or_insert_with(|| json!([]));
                    }
                    body
                }
            };
            output.object(&client.post(&address, &body).await?)
        }
        Command::Delete { role, dry_run, yes } => {
            if !dry_run {
                confirm(&format!("deletes the role {role}"), yes)?;
            }
            let answer = client.delete(&tried(&path("roles", &role, ""), dry_run)).await?;
            output.result(&answer, if dry_run { "the role can be deleted" } else { "the role is deleted" })
        }
        Command::Duplicate { role, name, description, dry_run } => {
            let address = tried(&path("roles", &role, ":duplicate"), dry_run);
            output.object(&client.post(&address, &json!({"name": name, "description": description})).await?)
        }
        Command::List { kind } => {
            let query: Vec<(&str, &str)> = kind.as_deref().map(|kind| ("kind", kind)).into_iter().collect();
            let roles = client.list("/api/v1/roles", &query, 100_000).await?;
            let columns = [
                ("ROLE", "id"),
                ("NAME", "name"),
                ("KIND", "kind"),
                ("HEADING", "heading"),
                ("INCLUDES", "includes"),
                ("DESCRIPTION", "description"),
            ];
            output.list(&roles, &columns)
        }
        Command::Matrix => matrix(&client.get("/api/v1/roles/matrix").await?, output),
        Command::Permissions => {
            let known = client.list("/api/v1/roles/permissions", &[], 100_000).await?;
            output.list(&known, &[("RESOURCE", "resource"), ("ACTIONS", "actions")])
        }
        Command::Show { role, holders: false } => output.object(&client.get(&path("roles", &role, "")).await?),
        Command::Show { role, holders: true } => {
            let answer = client.get(&path("roles", &role, "/holders")).await?;
            let grants = answer.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
            let columns = [
                ("NAME", "name"),
                ("USER", "user"),
                ("GROUP", "group"),
                ("SCOPE", "scope"),
                ("ENDS", "ends"),
                ("ID", "id"),
            ];
            output.list(&grants, &columns)?;
            if answer.get("more").and_then(Value::as_bool) == Some(true) {
                output.message("there are more");
            }
            Ok(())
        }
        Command::Update(update) => {
            let address = tried(&path("roles", &update.role, ""), update.parts.dry_run);
            output.object(&client.patch(&address, &members(update.name, update.parts)).await?)
        }
    }
}

/// The members of a body: what was given.
fn members(name: Option<String>, parts: Parts) -> Value {
    let mut body = Map::new();
    body.extend(name.map(|name| ("name".to_owned(), name.into())));
    body.extend(parts.description.map(|description| ("description".to_owned(), description.into())));
    for (name, list) in [
        ("permissions", parts.permissions),
        ("denies", parts.denies),
        ("includes", parts.includes),
        ("if_owner", parts.if_owner),
    ] {
        if !list.is_empty() {
            body.insert(name.to_owned(), list.into());
        }
    }
    Value::Object(body)
}

fn read(file: &std::path::Path) -> Result<Value, Failure> {
    let unreadable =
        |error: std::io::Error| Failure::caused(Exit::Usage, error, format!("{} cannot be read", file.display()));
    let size = std::fs::metadata(file).map_err(unreadable)?.len();
    if size > MAX_FILE_BYTES {
        return Err(Failure::new(Exit::Usage, format!("{} is too large for a role", file.display())));
    }
    let text = std::fs::read_to_string(file).map_err(unreadable)?;
    serde_json::from_str(&text)
        .map_err(|error| Failure::caused(Exit::Usage, error, format!("{} is no JSON", file.display())))
}

fn matrix(matrix: &Value, output: &Output) -> Result<(), Failure> {
    if output.is_json() {
        return output.line(&matrix.to_string());
    }
    let list = |value: &Value, name: &str| value.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
    let columns: Vec<String> = list(matrix, "columns").iter().map(|column| text(column, "name")).collect();
    let mut lines: Vec<Vec<String>> = vec![std::iter::once("ACTION".to_owned()).chain(columns).collect()];
    for row in list(matrix, "rows") {
        let cells = list(&row, "cells").into_iter().map(|cell| cell.as_str().unwrap_or("").to_owned());
        lines.push(std::iter::once(text(&row, "label")).chain(cells).collect());
    }
    let rows: Vec<Value> = lines.iter().map(|line| json!(line)).collect();
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..lines.first().map_or(0, Vec::len)).map(width).collect();
    for row in &rows {
        let cells = row.as_array().into_iter().flatten().zip(&widths);
        let cells: Vec<String> =
            cells.map(|(cell, width)| format!("{:width$}", super::output::plain(cell), width = *width)).collect();
        output.line(cells.join("  ").trim_end())?;
    }
    Ok(())
}
