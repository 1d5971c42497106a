//! `cleargate access-requests`.

use clap::Subcommand;
use serde_json::json;

use super::Failure;
use super::client::{Client, path};
use super::output::Output;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Give what somebody asks for
    #[command(after_help = "Example:\n  cleargate access-requests approve 0193a5b2-6f1c-7b3e-8d5a-2c4e6f8a0b1d")]
    Approve {
        /// The request's id
        id: String,
    },
    /// List what people ask for
    #[command(
        after_help = "Examples:\n  cleargate access-requests list\n  cleargate access-requests list --status refused"
    )]
    List {
        /// Only these: open, expired, approved, refused, withdrawn or all
        #[arg(long, default_value = "open", value_parser = ["open", "expired", "approved", "refused", "withdrawn", "all"])]
        status: String,
    },
    /// Say no
    #[command(
        after_help = "Example:\n  cleargate access-requests refuse 0193a5b2-6f1c-7b3e-8d5a-2c4e6f8a0b1d --reason \"ask finance\""
    )]
    Refuse {
        /// The request's id
        id: String,
        /// Why, for the one who asked and for the ledger
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

pub(super) async fn run(command: Command, client: Client, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Approve { id } => {
            let answer = client.post(&path("access-requests", &id, "/approve"), &json!({})).await?;
            output.result(&answer, "the role is given")
        }
        Command::List { status } => {
            let query: Vec<(&str, &str)> = Some(status.as_str())
                .filter(|status| *status != "all")
                .map(|status| ("status", status))
                .into_iter()
                .collect();
            let requests = client.list("/api/v1/access-requests", &query, 100_000).await?;
            let columns = [
                ("USER", "user.userName"),
                ("ROLE", "role"),
                ("SCOPE", "scope"),
                ("REASON", "reason"),
                ("UNTIL", "until"),
                ("STATUS", "status"),
                ("CREATED", "created"),
                ("ID", "id"),
            ];
            output.list(&requests, &columns)
        }
        Command::Refuse { id, reason } => {
            let body = json!({"reason": reason});
            let answer = client.post(&path("access-requests", &id, "/refuse"), &body).await?;
            output.result(&answer, "the request is refused")
        }
    }
}
