//! `cleargate mail`.

use clap::Subcommand;
use serde_json::{Value, json};

use super::client::Client;
use super::output::Output;
use super::{Exit, Failure};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Send a test mail now, and tell each step on its way
    #[command(after_help = "Example:\n  cleargate mail test you@example.com")]
    Test {
        /// To whom
        address: String,
    },
}

pub(super) async fn run(command: Command, client: Client, output: &Output) -> Result<(), Failure> {
    let Command::Test { address } = command;
    let answer = client.post("/api/v1/mail:test", &json!({"address": address})).await?;
    let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut lines = Vec::new();
    for step in answer.get("steps").and_then(Value::as_array).into_iter().flatten() {
        lines.push(format!("{}: ok", step.as_str().unwrap_or_default()));
    }
    if answer.get("sent").and_then(Value::as_bool) == Some(true) {
        lines.push(format!("the server has taken a mail to {address}"));
        return output.result(&answer, &lines.join("\n"));
    }
    lines.push(format!("{}: failed", text("failed")));
    output.result(&answer, &lines.join("\n"))?;
    Err(Failure::new(Exit::Dependency, format!("{}: {}", text("failed"), text("reason"))))
}
