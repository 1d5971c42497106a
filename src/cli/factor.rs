//! `cleargate factor`.

use clap::Subcommand;
use serde_json::json;

use super::Failure;
use super::client::{Client, path};
use super::confirm::confirm;
use super::output::Output;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Tell which second factors an account has, and whether it must have one
    #[command(after_help = "Example:\n  cleargate factor list ada@example.com")]
    List {
        /// User name or id
        user: String,
    },
    /// Remove an account's second factors and end its sessions, for who has lost app, passkeys and recovery codes
    #[command(after_help = "Example:\n  cleargate factor remove ada@example.com --yes")]
    Remove {
        /// User name or id
        user: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Demand a second factor of an account from its next sign-in on
    #[command(
        after_help = "Examples:\n  cleargate factor require ada@example.com\n  cleargate factor require ada@example.com --no"
    )]
    Require {
        /// User name or id
        user: String,
        /// No longer; what roles and the configuration demand stays
        #[arg(long)]
        no: bool,
    },
}

pub(super) async fn run(command: Command, client: Client, output: &Output) -> Result<(), Failure> {
    match command {
        Command::List { user } => output.object(&client.get(&path("users", &user, "/factors")).await?),
        Command::Remove { user, yes } => {
            confirm(&format!("removes the second factors of {user} and ends all sessions"), yes)?;
            let answer = client.delete(&path("users", &user, "/factors")).await?;
            output.result(&answer, &format!("{user} has no second factor"))
        }
        Command::Require { user, no } => {
            let answer = client.patch(&path("users", &user, ""), &json!({"requires_factor": !no})).await?;
            let word = if no { "not demanded" } else { "demanded" };
            output.result(&answer, &format!("a second factor is {word} of {user}"))
        }
    }
}
