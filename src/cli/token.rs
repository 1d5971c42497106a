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
    /// Put a new token in the place of one; the old one stays good for a while
    #[command(after_help = "Examples:\n  cleargate token rotate 0193a5b2-6f1c-7b3e-8d5a-2c4e6f8a0b1d\n  \
                            cleargate token rotate 0193a5b2-6f1c-7b3e-8d5a-2c4e6f8a0b1d --overlap 7d --expires 90d")]
    Rotate {
        /// The token's id
        id: String,
        /// How long the old text stays good, at most 30d; 0 ends it at once [default: 24h]
        #[arg(long, value_name = "TIME")]
        overlap: Option<String>,
        /// When the new one expires, as for `create` [default: it lasts as long as the old one was made for]
        #[arg(long, value_name = "TIME")]
        expires: Option<String>,
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
    /// For how long, such as 90d, until when, RFC 3339, or `never` [default: tokens.lasts of the configuration]
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
            tell_once(&answer, create.client, output)
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
        Command::Rotate { id, overlap, expires } => {
            let body = json!({"overlap": overlap, "expires": expires});
            let answer = client.post(&path("tokens", &id, ":rotate"), &body).await?;
            let until = answer.get("replaces").and_then(|old| old.get("expires_at")).and_then(Value::as_str);
            output.message(&format!("The old one is good until {}.", until.unwrap_or("now")));
            tell_once(&answer, answer.get("client_secret").is_some(), output)
        }
    }
}

/// Prints the text that is told this once.
fn tell_once(answer: &Value, is_client: bool, output: &Output) -> Result<(), Failure> {
    let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (what, shown) = match is_client {
        true => ("secret", format!("client_id      {}\nclient_secret  {}", text("client_id"), text("client_secret"))),
        false => ("token", text("token")),
    };
    if !output.is_json() {
        output.message(&format!("This is the only time that the {what} is shown:"));
    }
    output.result(answer, &shown)
}
