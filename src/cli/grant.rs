//! `cleargate grant`.

use clap::{Args, Subcommand};
use serde_json::json;

use super::Failure;
use super::client::{Client, path};
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
    #[command(after_help = "Example:\n  cleargate grant delete 0193a5b2-6f1c-7b3e-8d5a-2c4e6f8a0b1d")]
    Delete {
        /// The grant's id
        id: String,
    },
    /// List the roles given to a user or a group
    #[command(after_help = "Example:\n  cleargate grant list --user ada@example.com")]
    List(Holder),
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
            output.object(&client.post("/api/v1/grants", &body).await?)
        }
        Command::Delete { id } => {
            let answer = client.delete(&path("grants", &id, "")).await?;
            output.result(&answer, "the grant is deleted")
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
