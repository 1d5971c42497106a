//! `cleargate scim`.

mod log;
mod trial;

use clap::Subcommand;
use serde_json::{Value, json};

use super::Failure;
use super::client::{Client, path};
use super::output::Output;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the provisioning connections, with what they own and removed within the last hour
    List,
    /// Show the last requests of a connection, newest first, with what it sent and was told where something failed
    #[command(after_help = "Examples:\n  cleargate scim log okta --failed\n  cleargate scim log okta --follow --json")]
    Log(log::Arguments),
    /// Let a paused connection write again, and forget what it removed within the last hour
    #[command(after_help = "Example:\n  cleargate scim release okta")]
    Release {
        /// The connection's id
        connection: String,
    },
    /// Play what Okta and Entra ID send against the live endpoint, and name the first thing that fails
    #[command(
        after_help = "Makes users and groups of names that nobody has, and removes them and its token in the end.\n\n\
                            Examples:\n  cleargate scim test okta\n  \
                            cleargate scim test okta --scim-url https://sso.example.com/scim/v2 --scim-ca ca.pem --json"
    )]
    Test(trial::Arguments),
}

pub(super) async fn run(command: Command, client: Client, output: &Output) -> Result<(), Failure> {
    match command {
        Command::List => {
            let mut sources = client.list("/api/v1/sources", &[], usize::MAX).await?;
            sources.retain(|source| source.get("kind").and_then(Value::as_str) == Some("scim"));
            let columns = [
                ("CONNECTION", "id"),
                ("PAUSED SINCE", "paused_since"),
                ("USERS", "users.owned"),
                ("REMOVED", "users.removed"),
                ("OF", "users.limit"),
                ("GROUPS", "groups.owned"),
                ("REMOVED", "groups.removed"),
                ("OF", "groups.limit"),
                ("RESOURCES", "resources.owned"),
                ("REMOVED", "resources.removed"),
                ("OF", "resources.limit"),
            ];
            output.list(&sources, &columns)
        }
        Command::Log(arguments) => log::run(&arguments, &client, output).await,
        Command::Test(arguments) => trial::run(&arguments, &client, output).await,
        Command::Release { connection } => {
            let answer = client.post(&path("sources", &connection, "/release"), &json!({})).await?;
            let text = match answer.get("released").and_then(Value::as_bool) {
                Some(true) => format!("the connection {connection} writes again; what it removed is forgotten"),
                _ => format!("the connection {connection} was not paused and had removed nothing"),
            };
            output.result(&answer, &text)
        }
    }
}
