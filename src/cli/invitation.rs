//! `cleargate invitation`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Failure;
use super::client::{Client, path};
use super::confirm::confirm;
use super::output::Output;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Invite somebody: an account waits until its owner accepts it
    #[command(after_help = "Examples:\n  cleargate invitation create ada@example.com --role editor\n  \
                      cleargate invitation create ada@example.com --role editor --scope department:finance --no-mail")]
    Create(Create),
    /// List invitations
    #[command(after_help = "Example:\n  cleargate invitation list --status open")]
    List {
        /// Only these: open, expired, accepted or revoked
        #[arg(long)]
        status: Option<String>,
    },
    /// Make another link in place of the one before, and mail it
    #[command(after_help = "Example:\n  cleargate invitation resend 0193a5b2-6f1c-7b3e-8d5a-2c4e6f8a0b1d")]
    Resend {
        /// The invitation's id
        id: String,
        /// Print the link instead of mailing it
        #[arg(long)]
        no_mail: bool,
    },
    /// Take an invitation back and delete the account that waits
    #[command(after_help = "Example:\n  cleargate invitation revoke 0193a5b2-6f1c-7b3e-8d5a-2c4e6f8a0b1d --yes")]
    Revoke {
        /// The invitation's id
        id: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Args, Debug)]
pub(super) struct Create {
    /// The address that is invited
    email: String,
    /// User name, when it is not the address
    #[arg(long)]
    user_name: Option<String>,
    /// Name to show
    #[arg(long)]
    name: Option<String>,
    /// Employee whose account it is, by number or id
    #[arg(long, value_name = "NUMBER")]
    employee: Option<String>,
    /// Role of the account
    #[arg(long)]
    role: Option<String>,
    /// Scope within which the role holds, such as department:finance; may be repeated
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// Group to join; may be repeated
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// Print the link instead of mailing it
    #[arg(long)]
    no_mail: bool,
}

pub(super) async fn run(command: Command, client: Client, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Create(create) => {
            let answer = client.post("/api/v1/invitations", &body(create)).await?;
            output.result(&answer, &shown(&answer))
        }
        Command::List { status } => {
            let query: Vec<(&str, &str)> = status.as_deref().map(|status| ("status", status)).into_iter().collect();
            let invitations = client.list("/api/v1/invitations", &query, 100_000).await?;
            let columns = [
                ("EMAIL", "email"),
                ("STATUS", "status"),
                ("BY", "invited_by"),
                ("CREATED", "created"),
                ("EXPIRES", "expires"),
                ("ID", "id"),
            ];
            output.list(&invitations, &columns)
        }
        Command::Resend { id, no_mail } => {
            let body = if no_mail { json!({"send": false}) } else { json!({}) };
            let answer = client.post(&path("invitations", &id, ":resend"), &body).await?;
            output.result(&answer, &shown(&answer))
        }
        Command::Revoke { id, yes } => {
            confirm("takes the invitation back and deletes the account that waits", yes)?;
            let answer = client.delete(&path("invitations", &id, "")).await?;
            output.result(&answer, "the invitation is taken back")
        }
    }
}

fn body(create: Create) -> Value {
    let mut body = json!({
        "email": create.email,
        "employee": create.employee,
        "userName": create.user_name,
        "name": create.name,
        "role": create.role,
        "access_groups": create.groups,
    });
    if let Some(members) = body.as_object_mut() {
        if !create.scopes.is_empty() {
            members.insert("scopes".to_owned(), create.scopes.into());
        }
        if create.no_mail {
            members.insert("send".to_owned(), false.into());
        }
    }
    body
}

/// The link, or where it went.
fn shown(answer: &Value) -> String {
    let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
    if answer.get("link").is_some_and(Value::is_string) {
        text("link").to_owned()
    } else {
        format!("an invitation is on its way to {}", text("email"))
    }
}
