//! `cleargate saml` and `cleargate oidc`: the providers that people sign in by.

mod trial;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

pub(super) use self::trial::{OidcTest, SamlTest, Trial};
use super::client::{Client, path};
use super::output::{Output, plain};
use super::{Failure, Options};

/// What there is to do with the providers of one protocol; `T` is how one is tried.
#[derive(Debug, Subcommand)]
pub(super) enum ProviderCommand<T: Args> {
    /// Let somebody in again of whom the provider told that the account there is disabled or purged
    #[command(after_help = "Undoes what signals told until now; later ones count again.\n\n\
                            Examples:\n  cleargate saml admit entra --user ada@example.com\n  \
                            cleargate oidc admit okta --email new.hire@example.com")]
    Admit(Admit),
    /// Show the last attempts to sign in by a provider, newest first, with the true reason of those that failed
    #[command(
        after_help = "The last 100 since the daemon started, of which at most 20 are answers to nothing that was begun here.\n\
                            `reference` is what the person could read on the page.\n\n\
                            Examples:\n  cleargate saml attempts entra --failed\n  cleargate oidc attempts google --json"
    )]
    Attempts(Attempts),
    /// Try a provider as the configuration has it, in force or not, and sign nobody in
    Test(T),
}

/// Who is let in again.
#[derive(Args, Debug)]
#[group(id = "whom", required = true, multiple = false, args = ["user", "name", "email"])]
pub(super) struct Admit {
    /// The connector's id
    connector: String,
    /// An account here, by user name or id
    #[arg(long)]
    user: Option<String>,
    /// What the provider calls the person: `sub`, `NameID`
    #[arg(long)]
    name: Option<String>,
    /// The person's address at the provider, with or without an account here
    #[arg(long)]
    email: Option<String>,
}

/// Which attempts.
#[derive(Args, Debug)]
pub(super) struct Attempts {
    /// The connector's id
    connector: String,
    /// Only what was refused or failed
    #[arg(long)]
    failed: bool,
    /// Most attempts to show
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 50)]
    count: usize,
}

pub(super) async fn run<T: Trial>(
    command: ProviderCommand<T>,
    options: &Options,
    output: &Output,
) -> Result<(), Failure> {
    match command {
        ProviderCommand::Admit(arguments) => admit(&arguments, &Client::open(options)?, output).await,
        ProviderCommand::Attempts(arguments) => attempts(&arguments, &Client::open(options)?, output).await,
        ProviderCommand::Test(arguments) => arguments.run(options, output).await,
    }
}

async fn admit(arguments: &Admit, client: &Client, output: &Output) -> Result<(), Failure> {
    let whom = [("user", &arguments.user), ("name", &arguments.name), ("email", &arguments.email)];
    let body: Map<String, Value> =
        whom.iter().filter_map(|(key, text)| Some(((*key).to_owned(), json!(text.as_ref()?)))).collect();
    let answer = client.post(&path("connectors", &arguments.connector, ":admit"), &Value::Object(body)).await?;
    if output.is_json() {
        return output.line(&answer.to_string());
    }
    let is_admitted = answer.get("admitted").and_then(Value::as_bool).unwrap_or(false);
    let told = if is_admitted { "may sign in by this provider again" } else { "was not kept out by this provider" };
    let who = whom.iter().find_map(|(_, text)| text.as_deref()).unwrap_or_default();
    output.line(&format!("{} {told}", plain(&Value::from(who))))
}

async fn attempts(arguments: &Attempts, client: &Client, output: &Output) -> Result<(), Failure> {
    let query: &[(&str, &str)] = if arguments.failed { &[("outcome", "failed")] } else { &[] };
    let attempts = client.list(&path("connectors", &arguments.connector, "/attempts"), query, arguments.count).await?;
    attempts.iter().try_for_each(|attempt| show(attempt, output))
}

fn show(attempt: &Value, output: &Output) -> Result<(), Failure> {
    if output.is_json() {
        return output.line(&attempt.to_string());
    }
    let at = |pointer: &str| plain(attempt.pointer(pointer).unwrap_or(&Value::Null));
    let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    // The account's own name where it has one; else what the provider calls the person.
    let who = Some(at("/user/userName")).filter(|name| !name.is_empty()).unwrap_or_else(|| at("/asserted_name"));
    output.line(&format!(
        "{}  {:<7}  {:>8} µs  {}  from {}  (reference {})",
        at("/at"),
        at("/outcome"),
        at("/duration_us"),
        or_dash(who),
        or_dash(at("/ip_address")),
        or_dash(at("/reference")),
    ))?;
    match at("/rule").is_empty() {
        true => Ok(()),
        false => output.line(&format!("    {}: {}", at("/rule"), at("/reason"))),
    }
}
