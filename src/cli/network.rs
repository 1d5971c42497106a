//! `cleargate network`.

use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Value, json};

use super::client::Client;
use super::output::Output;
use super::{Exit, Failure};

const PLACE: &str = "/api/v1/network-rules";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Put a list of networks in the place of the one for everybody, a role or a user
    #[command(after_help = "Examples:\n  cleargate network set --organization 192.0.2.0/24 2001:db8::/32\n  \
                            cleargate network set --role administrator 198.51.100.0/28\n  \
                            cleargate network set --user ada@example.com --none\n\n\
                            Whoever has several lists must be in a network of each.")]
    Set(Set),
    /// List from where people and tokens may sign in and act
    Show,
}

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("whom").required(true).args(["organization", "role", "user"]))]
#[command(group = ArgGroup::new("what").required(true).args(["networks", "none"]))]
pub(super) struct Set {
    /// For everybody
    #[arg(long)]
    organization: bool,
    /// For whoever holds this role
    #[arg(long)]
    role: Option<String>,
    /// For this user, by name or id
    #[arg(long)]
    user: Option<String>,
    /// Addresses or ADDRESS/PREFIX
    #[arg(value_name = "NETWORK")]
    networks: Vec<String>,
    /// Any network: no list
    #[arg(long)]
    none: bool,
    /// Save also what shuts you out yourself
    #[arg(long = "override")]
    is_forced: bool,
}

pub(super) async fn run(command: Command, client: Client, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Set(set) => {
            let mut body = change(client.get(PLACE).await?, &set, &client).await?;
            if let Some(members) = body.as_object_mut() {
                members.insert("override".to_owned(), set.is_forced.into());
            }
            let answer = client.put(PLACE, &body).await?;
            output.result(&answer, "the networks are saved and in force")
        }
        Command::Show => {
            let answer = client.get(PLACE).await?;
            let rules = answer.get("rules").and_then(Value::as_array).cloned().unwrap_or_default();
            let columns = [
                ("FOR", "for"),
                ("USER", "user.userName"),
                ("NETWORKS", "networks"),
                ("CHANGED", "changed"),
                ("BY", "by"),
            ];
            output.list(&rules, &columns)
        }
    }
}

/// The rules as they are, with one list in the place of what it was.
async fn change(mut rules: Value, set: &Set, client: &Client) -> Result<Value, Failure> {
    let list = json!(if set.none { &[] } else { set.networks.as_slice() });
    let Some(members) = rules.as_object_mut() else {
        return Err(Failure::new(Exit::Failure, "the daemon's answer has no rules"));
    };
    members.remove("rules");
    let (part, name) = match (&set.role, &set.user) {
        (Some(role), _) => ("roles", role.clone()),
        (None, Some(user)) => {
            let user = client.get(&super::client::path("users", user, "")).await?;
            ("users", user.get("id").and_then(Value::as_str).unwrap_or_default().to_owned())
        }
        (None, None) => {
            members.insert("organization".to_owned(), list);
            return Ok(rules);
        }
    };
    if let Some(lists) = members.get_mut(part).and_then(Value::as_object_mut) {
        lists.insert(name, list);
    }
    Ok(rules)
}
