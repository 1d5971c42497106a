//! `cleargate token`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Failure;
use super::client::{Client, path};
use super::output::Output;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a token; its text is printed this once
    #[command(after_help = "Examples:\n  cleargate token create --connection okta --json\n  \
                            cleargate token create --connection okta --client\n  \
                            cleargate token create --name ci --scope admin --expires 90d\n  \
                            cleargate token create --name reports --scope users:read,groups:read --user ada@example.com")]
    Create(Create),
    /// List tokens, without their texts
    List {
        /// Those of one provisioning connection only
        #[arg(long, value_name = "ID")]
        connection: Option<String>,
    },
    /// Refuse a token from now on
    #[command(after_help = "Example:\n  cleargate token revoke 0193a5b2-6f1c-7b3e-8d5a-2c4e6f8a0b1d")]
    Revoke {
        /// The token's id
        id: String,
    },
}

#[derive(Args, Debug)]
pub(super) struct Create {
    /// The provisioning connection, a `[[scim]]` of the configuration, that it speaks for
    #[arg(long, value_name = "ID", required_unless_present = "scope", conflicts_with_all = ["scope", "user"])]
    connection: Option<String>,
    /// Make a client id and a secret instead, to be exchanged for access tokens of an hour at /oauth2/token
    #[arg(long, requires = "connection")]
    client: bool,
    /// What administrators call it [default: the connection's id]
    #[arg(long, required_unless_present = "connection")]
    name: Option<String>,
    /// What it may do at most: `admin` for everything, or permissions separated by commas
    #[arg(long)]
    scope: Option<String>,
    /// Whom it acts for, by name or id; it then never exceeds that user's rights
    #[arg(long)]
    user: Option<String>,
    /// For how long, such as 90d, or until when, RFC 3339 [default: for ever]
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
}

pub(super) async fn run(command: Command, client: Client, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Create(create) => {
            let body = json!({
                "connection": create.connection,
                "name": create.name,
                "scope": create.scope,
                "user": create.user,
                "expires": create.expires,
                "kind": create.client.then_some("client"),
            });
            let answer = client.post("/api/v1/tokens", &body).await?;
            let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let (what, shown) = match create.client {
                true => (
                    "secret",
                    format!("client_id      {}\nclient_secret  {}", text("client_id"), text("client_secret")),
                ),
                false => ("token", text("token")),
            };
            if !output.is_json() {
                output.message(&format!("This is the only time that the {what} is shown:"));
            }
            output.result(&answer, &shown)
        }
        Command::List { connection } => {
            let query: Vec<(&str, &str)> = connection.iter().map(|id| ("connection", id.as_str())).collect();
            let tokens = client.list("/api/v1/tokens", &query, 100_000).await?;
            let columns = [
                ("NAME", "name"),
                ("KIND", "kind"),
                ("CONNECTION", "connection"),
                ("SCOPE", "scope"),
                ("EXPIRES", "expires_at"),
                ("LAST USED", "last_used"),
                ("ID", "id"),
            ];
            output.list(&tokens, &columns)
        }
        Command::Revoke { id } => {
            let answer = client.delete(&path("tokens", &id, "")).await?;
            output.result(&answer, "the token is revoked")
        }
    }
}
