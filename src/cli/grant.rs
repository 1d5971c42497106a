//! `cleargate grant`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Failure;
use super::client::{Client, path, tried};
use super::confirm::confirm;
use super::output::Output;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Give a role to a user or a group
    #[command(
        after_help = "Examples:\n  cleargate grant create --user ada@example.com --role data_analyst --scope department:finance\n  \
                            cleargate grant create --group Auditors --role viewer --ends 2027-01-01T00:00:00Z"
    )]
    Create(Create),
    /// Take a role away that was given by hand
    #[command(after_help = "Example:\n  cleargate grant delete 0193a5b2-6f1c-7b3e-8d5a-2c4e6f8a0b1d --yes")]
    Delete {
        /// The grant's id
        id: String,
        /// Tell what would happen, and do nothing
        #[arg(long)]
        dry_run: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// List the roles given to a user or a group, or in a scope
    #[command(
        after_help = "Examples:\n  cleargate grant list --user ada@example.com\n  cleargate grant list --scope department:finance"
    )]
    List(Listed),
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(super) struct Holder {
    /// The user, by name or id
    #[arg(long)]
    user: Option<String>,
    /// The group, by name or id
    #[arg(long)]
    group: Option<String>,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(super) struct Listed {
    /// The user, by name or id
    #[arg(long)]
    user: Option<String>,
    /// The group, by name or id
    #[arg(long)]
    group: Option<String>,
    /// The scope, KIND:SLUG: what is given there, and not what holds there from above
    #[arg(long)]
    scope: Option<String>,
}

#[derive(Args, Debug)]
pub(super) struct Create {
    #[command(flatten)]
    holder: Holder,
    /// The role's id
    #[arg(long)]
    role: String,
    /// Where it holds, KIND:SLUG [default: the whole organisation]
    #[arg(long)]
    scope: Option<String>,
    /// Whether it replaces what wider grants give, or joins it
    #[arg(long, value_parser = ["add", "override"], default_value = "add")]
    mode: String,
    /// From when on, RFC 3339
    #[arg(long, value_name = "TIME")]
    starts: Option<String>,
    /// Until when, RFC 3339
    #[arg(long, value_name = "TIME")]
    ends: Option<String>,
    /// Why, for the ledger
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Tell what would happen, and do nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(command: Command, client: Client, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Create(create) => {
            let body = json!({
                "user": create.holder.user,
                "group": create.holder.group,
                "role": create.role,
                "scope": create.scope,
                "mode": create.mode,
                "starts": create.starts,
                "ends": create.ends,
                "reason": create.reason,
            });
            output.object(&client.post(&tried("/api/v1/grants", create.dry_run), &body).await?)
        }
        Command::Delete { id, dry_run: true, .. } => {
            let answer = client.delete(&tried(&path("grants", &id, ""), true)).await?;
            output.result(&answer, "the grant can be deleted")
        }
        Command::Delete { id, yes, .. } => {
            // What is tried first tells whose it is.
            let found = client.delete(&tried(&path("grants", &id, ""), true)).await?;
            let text = |name: &str| found.get(name).and_then(Value::as_str);
            let (role, place) = (text("role").unwrap_or_default(), text("scope").unwrap_or("the whole organization"));
            let holder = text("user").or(text("group")).unwrap_or_default();
            confirm(&format!("takes the role {role} in {place} from {holder}"), yes)?;
            let answer = client.delete(&path("grants", &id, "")).await?;
            output.result(&answer, "the grant is deleted")
        }
        Command::List(Listed { scope: Some(scope), .. }) => {
            let grants = client.list("/api/v1/grants", &[("scope", &scope)], 100_000).await?;
            let columns = [
                ("NAME", "name"),
                ("ROLE", "role"),
                ("MODE", "mode"),
                ("ORIGIN", "origin"),
                ("ENDS", "ends"),
                ("ID", "id"),
            ];
            output.list(&grants, &columns)
        }
        Command::List(holder) => {
            let named = [("user", holder.user.as_deref()), ("group", holder.group.as_deref())];
            let query: Vec<(&str, &str)> = named.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
            let grants = client.list("/api/v1/grants", &query, 100_000).await?;
            let columns = [
                ("ROLE", "role"),
                ("SCOPE", "scope"),
                ("MODE", "mode"),
                ("ORIGIN", "origin"),
                ("ENDS", "ends"),
                ("ID", "id"),
            ];
            output.list(&grants, &columns)
        }
    }
}
