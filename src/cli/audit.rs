//! `cleargate audit`.

mod offline;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::Client;
use super::output::Output;
use super::{Exit, Failure, Options};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List every kind of event, and whether it is recorded
    #[command(after_help = "Examples:\n  cleargate audit events\n  cleargate audit events --json")]
    Events,
    /// Show the newest events, oldest of them first
    #[command(
        after_help = "Examples:\n  cleargate audit tail --limit 50\n  cleargate audit tail --last 7d --action 'user.*' --json"
    )]
    Tail(Tail),
    /// Check that no event was altered, dropped or moved
    #[command(after_help = "Examples:\n  cleargate audit verify\n  \
                            cleargate audit verify --since \"$(cat checkpoint)\"\n  \
                            cleargate audit verify --store /var/lib/cleargate/cleargate.redb --key /var/lib/cleargate/cleargate.key\n\n\
                            Keep the checkpoint that it prints elsewhere: with --since, a ledger that was cut and written anew shows.\n\
                            With --store the daemon must not be running.")]
    Verify(Verify),
}

#[derive(Args, Debug)]
pub(super) struct Tail {
    /// How many
    #[arg(long, short = 'n', default_value_t = 20, value_name = "COUNT")]
    limit: usize,
    /// Not older than this, such as 24h
    #[arg(long, value_name = "TIME")]
    last: Option<String>,
    /// What happened, such as user.create or user.*
    #[arg(long)]
    action: Option<String>,
    /// Who did it, such as user:ID or local:0
    #[arg(long)]
    user: Option<String>,
    /// To what, such as group:ID
    #[arg(long)]
    resource: Option<String>,
}

#[derive(Args, Debug)]
pub(super) struct Verify {
    /// The checkpoint of an earlier run; the ledger must go on from it
    #[arg(long, value_name = "CHECKPOINT")]
    since: Option<String>,
    /// Read this store instead of asking the daemon
    #[arg(long, value_name = "FILE", requires = "key")]
    store: Option<PathBuf>,
    /// The store's key
    #[arg(long, value_name = "FILE", requires = "store")]
    key: Option<PathBuf>,
}

pub(super) async fn run(command: Command, options: &Options, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Events => kinds(&Client::open(options)?, output).await,
        Command::Tail(tail) => show(&tail, &Client::open(options)?, output).await,
        Command::Verify(Verify { since, store: Some(store), key: Some(key) }) => {
            tell(&offline::verify(store, &key, since.as_deref()).await?, output)
        }
        Command::Verify(verify) => {
            let client = Client::open(options)?;
            tell(&client.post("/api/v1/audit-logs/verify", &json!({"since": verify.since})).await?, output)
        }
    }
}

async fn kinds(client: &Client, output: &Output) -> Result<(), Failure> {
    let kinds = client.list("/api/v1/events", &[], usize::MAX).await?;
    output.list(&kinds, &[("EVENT", "name"), ("CLASS", "class"), ("RECORDED", "recorded"), ("NOTE", "note")])
}

async fn show(tail: &Tail, client: &Client, output: &Output) -> Result<(), Failure> {
    let named = [("last", &tail.last), ("action", &tail.action), ("user", &tail.user), ("resource", &tail.resource)];
    let query: Vec<(&str, &str)> =
        named.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))).collect();
    let mut events = client.list("/api/v1/audit-logs", &query, tail.limit).await?;
    events.reverse();
    let columns = [
        ("TIME", "timestamp"),
        ("ACTION", "action"),
        ("OUTCOME", "outcome"),
        ("BY", "user"),
        ("ON", "resource_name"),
        ("FROM", "ip_address"),
    ];
    output.list(&events, &columns)
}

/// Prints a report; a ledger that is not intact is a failure.
fn tell(report: &Value, output: &Output) -> Result<(), Failure> {
    output.object(report)?;
    match report.get("intact") {
        Some(Value::Bool(true)) => Ok(()),
        _ => {
            let problem = report.get("problem").and_then(Value::as_str).unwrap_or("it could not be verified");
            Err(Failure::new(Exit::Failure, format!("the ledger is not intact: {problem}")))
        }
    }
}
