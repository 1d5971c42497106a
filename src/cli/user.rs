//! `cleargate user`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::{Client, path};
use super::output::Output;
use super::{Failure, password};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Let an account sign in again
    Activate {
        /// User name or id
        user: String,
    },
    /// Make an account
    #[command(
        after_help = "Examples:\n  cleargate user create ada@example.com --name 'Ada Lovelace' --role data_analyst\n  \
                            cleargate user create ada --email ada@example.com --password-file ./password --must-change-password"
    )]
    Create(Create),
    /// Disable an account everywhere, at once
    #[command(after_help = "Example:\n  cleargate user deactivate ada@example.com")]
    Deactivate {
        /// User name or id
        user: String,
    },
    /// List accounts
    #[command(
        after_help = "Examples:\n  cleargate user list --filter 'active eq false'\n  cleargate user list --json | jq -r .userName"
    )]
    List {
        /// Only those that meet this expression, in the language of SCIM filters
        #[arg(long, value_name = "EXPRESSION")]
        filter: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 10_000, value_name = "COUNT")]
        limit: usize,
    },
    /// Set an account's password and end its sessions
    #[command(after_help = "Examples:\n  cleargate user set-password ada@example.com\n  \
                            pass show ada | cleargate user set-password ada@example.com --must-change-password\n\n\
                            Without --password-file a terminal is asked twice; otherwise the first line of standard input is taken.")]
    SetPassword {
        /// User name or id
        user: String,
        /// File with the password, `-` for standard input
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        /// Whether it must be changed at the next sign-in
        #[arg(long)]
        must_change_password: bool,
    },
    /// Show an account with its roles and groups
    Show {
        /// User name or id
        user: String,
    },
}

#[derive(Args, Debug)]
pub(super) struct Create {
    /// User name, by which the person signs in
    user_name: String,
    /// The person's name
    #[arg(long)]
    name: Option<String>,
    /// E-mail address
    #[arg(long)]
    email: Option<String>,
    /// Role for the whole organisation
    #[arg(long)]
    role: Option<String>,
    /// Group to be in, by name; may be given several times
    #[arg(long = "group", value_name = "NAME")]
    groups: Vec<String>,
    /// File with the password, `-` for standard input; without, the account has none
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Whether the password must be changed at the first sign-in
    #[arg(long, requires = "password_file")]
    must_change_password: bool,
}

pub(super) async fn run(command: Command, client: Client, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Activate { user } => set_active(&client, &user, true, output).await,
        Command::Create(create) => output.object(&client.post("/api/v1/users", &body(create)?).await?),
        Command::Deactivate { user } => set_active(&client, &user, false, output).await,
        Command::List { filter, limit } => {
            let query: Vec<(&str, &str)> = filter.as_deref().map(|filter| ("filter", filter)).into_iter().collect();
            let users = client.list("/api/v1/users", &query, limit).await?;
            let columns = [
                ("USER", "userName"),
                ("NAME", "displayName"),
                ("STATUS", "status"),
                ("SOURCE", "source"),
                ("ID", "id"),
            ];
            output.list(&users, &columns)
        }
        Command::SetPassword { user, password_file, must_change_password } => {
            let password = password::read(password_file)?;
            let body = json!({"password": password.expose(), "must_change_password": must_change_password});
            let answer = client.patch(&path("users", &user, ""), &body).await?;
            output.result(&answer, "the password is set")
        }
        Command::Show { user } => output.object(&client.get(&path("users", &user, "")).await?),
    }
}

fn body(create: Create) -> Result<Value, Failure> {
    let password = create.password_file.as_deref().map(password::read_file).transpose()?;
    let mut body = json!({
        "userName": create.user_name,
        "name": create.name,
        "email": create.email,
        "role": create.role,
        "access_groups": create.groups,
    });
    if let (Some(password), Some(members)) = (password, body.as_object_mut()) {
        members.insert("password".to_owned(), password.expose().into());
        members.insert("must_change_password".to_owned(), create.must_change_password.into());
    }
    Ok(body)
}

async fn set_active(client: &Client, user: &str, active: bool, output: &Output) -> Result<(), Failure> {
    let answer = client.patch(&path("users", user, ""), &json!({"active": active})).await?;
    output.result(&answer, &format!("{user} is {}", if active { "active" } else { "inactive" }))
}
