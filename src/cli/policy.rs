//! `cleargate policy`.

mod diff;

use clap::Subcommand;
use serde_json::{Value, json};

use super::client::Client;
use super::output::Output;
use super::{Exit, Failure, Options};
use crate::access;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show who would gain and lose what by another pack or other options
    Diff(diff::Diff),
    /// Put a pack in force in place of the configured file, after showing what that changes
    Import(diff::Import),
    /// Write departments, groups and roles to try a pack with, for `cleargate import`
    #[command(after_help = "Example:\n  cleargate policy samples clearpoint-systems > samples.jsonl\n  \
                            cleargate import samples.jsonl --dry-run")]
    Samples {
        /// A pack that comes with the program
        #[arg(value_parser = ["clearpoint-strategy", "clearpoint-systems", "clearvantage"])]
        pack: String,
    },
    /// Run the tests of the policy
    #[command(after_help = "Example:\n  cleargate policy test\n\nThe exit code is 1 when a test fails.")]
    Test,
}

pub(super) async fn run(command: Command, options: &Options, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Diff(arguments) => diff::diff(arguments, options, output).await,
        Command::Import(arguments) => diff::import(arguments, options, output).await,
        Command::Samples { pack } => {
            let document = access::samples(&pack);
            let missing = || Failure::new(Exit::Usage, format!("no samples of `{pack}` come with the program"));
            output.raw(document.ok_or_else(missing)?.as_bytes())
        }
        Command::Test => test(&Client::open(options)?, output).await,
    }
}

async fn test(client: &Client, output: &Output) -> Result<(), Failure> {
    let answer = client.post("/api/v1/policy/tests", &json!({})).await?;
    let mut items = answer.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
    for item in &mut items {
        let held = item.get("held").and_then(Value::as_bool) == Some(true);
        if let Some(members) = item.as_object_mut().filter(|_| !output.is_json()) {
            members.insert("result".to_owned(), (if held { "ok" } else { "FAILED" }).into());
        }
    }
    let columns = [("RESULT", "result"), ("TEST", "name"), ("AS", "as"), ("PLACE", "position"), ("WHY", "failures")];
    output.list(&items, &columns)?;
    match answer.get("failed").and_then(Value::as_u64) {
        Some(0) => Ok(()),
        Some(1) => Err(Failure::new(Exit::Failure, "1 policy test fails")),
        failed => Err(Failure::new(Exit::Failure, format!("{} policy tests fail", failed.unwrap_or(0)))),
    }
}
