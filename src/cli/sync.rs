//! `cleargate sync`.

use std::time::Duration;

use clap::Subcommand;
use serde_json::{Value, json};

use super::client::{Client, path};
use super::output::{Output, plain};
use super::{Exit, Failure};

/// How often a run that takes longer than a request is asked about.
const ASK_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Pull a directory now and apply what has changed
    #[command(after_help = "Example:\n  cleargate sync run corp --json")]
    Run {
        /// The source's id
        source: String,
    },
    /// Tell what a pull would change, and change nothing
    #[command(after_help = "Example:\n  cleargate sync plan corp")]
    Plan {
        /// The source's id
        source: String,
    },
}

pub(super) async fn run(command: Command, client: Client, output: &Output) -> Result<(), Failure> {
    let (source, dry_run) = match command {
        Command::Run { source } => (source, false),
        Command::Plan { source } => (source, true),
    };
    let path = path("sources", &source, "/sync");
    let mut answer = client.post(&path, &json!({"dry_run": dry_run})).await?;
    while answer.get("outcome").and_then(Value::as_str) == Some("running") {
        tokio::time::sleep(ASK_EVERY).await;
        answer = client.get(&path).await?;
    }
    output.object(&answer)?;
    match answer.get("outcome").and_then(Value::as_str) {
        Some("refused") => Err(Failure::new(Exit::Conflict, format!("the sync was refused: {}", reason(&answer)))),
        Some("failed") => Err(Failure::new(Exit::Dependency, format!("the sync failed: {}", reason(&answer)))),
        _ => Ok(()),
    }
}

fn reason(answer: &Value) -> String {
    plain(answer.get("reason").unwrap_or(&Value::Null))
}
