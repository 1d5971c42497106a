//! `cleargate session` and `cleargate lock`.

use clap::{ArgGroup, Subcommand};
use serde_json::{Value, json};

use super::Failure;
use super::client::{Client, path};
use super::confirm::confirm;
use super::output::Output;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// End a session, all of a user, or everybody's, at once
    #[command(
        after_help = "Examples:\n  cleargate session end 0193a5b2-6f1c-7b3e-8d5a-2c4e6f8a0b1d\n  \
                      cleargate session end --user ada@example.com\n  \
                      cleargate session end --all --yes",
        group = ArgGroup::new("which").required(true).args(["id", "user", "all"])
    )]
    End {
        /// The session's id
        id: Option<String>,
        /// All sessions of this user, by name or id
        #[arg(long)]
        user: Option<String>,
        /// Everybody's, your own among them; also what to do after a backup was restored
        #[arg(long)]
        all: bool,
        /// Go on without asking
        #[arg(long)]
        yes: bool,
    },
    /// List sessions
    #[command(after_help = "Example:\n  cleargate session list --user ada@example.com")]
    List {
        /// Only this user's, by name or id
        #[arg(long)]
        user: Option<String>,
    },
}

pub(super) async fn run(command: Command, client: Client, output: &Output) -> Result<(), Failure> {
    match command {
        Command::End { id: Some(id), .. } => {
            let answer = client.delete(&path("sessions", &id, "")).await?;
            output.result(&answer, "the session has ended")
        }
        Command::End { user: Some(user), yes, .. } => {
            confirm(&format!("signs {user} out everywhere"), yes)?;
            let answer = client.post(&path("users", &user, ":logout"), &json!({})).await?;
            let ended = answer.get("ended").and_then(Value::as_u64).unwrap_or_default();
            output.result(&answer, &format!("{user} is signed out; sessions ended: {ended}"))
        }
        Command::End { yes, .. } => {
            confirm("signs everybody out", yes)?;
            let answer = client.post("/api/v1/sessions:end-all", &json!({})).await?;
            output.result(&answer, "everybody is signed out")
        }
        Command::List { user } => {
            let query: Vec<(&str, &str)> = user.as_deref().map(|user| ("user", user)).into_iter().collect();
            let sessions = client.list("/api/v1/sessions", &query, 100_000).await?;
            let columns = [
                ("USER", "user.userName"),
                ("BY", "method"),
                ("CONNECTOR", "connector"),
                ("FROM", "address"),
                ("SINCE", "created"),
                ("LAST SEEN", "last_seen"),
                ("ID", "id"),
            ];
            output.list(&sessions, &columns)
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum LockCommand {
    /// Unlock an account and forget its wrong passwords
    #[command(after_help = "Example:\n  cleargate lock clear ada@example.com")]
    Clear {
        /// User name or id
        user: String,
    },
    /// List accounts with wrong passwords
    List,
    /// List networks that are shut out of sign-in by password
    Networks,
    /// Let a network sign in again
    #[command(after_help = "Example:\n  cleargate lock release 198.51.100.0/24")]
    Release {
        /// The network, as it is listed
        network: String,
    },
}

pub(super) async fn run_lock(command: LockCommand, client: Client, output: &Output) -> Result<(), Failure> {
    match command {
        LockCommand::Clear { user } => {
            let answer = client.delete(&path("locks", &user, "")).await?;
            output.result(&answer, &format!("{user} is not locked"))
        }
        LockCommand::Networks => {
            let blocks = client.list("/api/v1/blocks", &[], 100_000).await?;
            output.list(&blocks, &[("NETWORK", "network"), ("UNTIL", "until"), ("WHY", "why")])
        }
        LockCommand::Release { network } => {
            let query = form_urlencoded::Serializer::new(String::new()).append_pair("network", &network).finish();
            let answer = client.delete(&format!("/api/v1/blocks?{query}")).await?;
            output.result(&answer, &format!("{network} is not shut out"))
        }
        LockCommand::List => {
            let locks = client.list("/api/v1/locks", &[], 100_000).await?;
            let columns = [
                ("USER", "user.userName"),
                ("FAILURES", "failures"),
                ("LOCKED UNTIL", "locked_until"),
                ("FACTOR LOCKED UNTIL", "factor_locked_until"),
                ("LAST", "last"),
                ("ID", "user.id"),
            ];
            output.list(&locks, &columns)
        }
    }
}
