//! `cleargate saml` and `cleargate oidc`: the providers that people sign in by.

mod trial;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::client::{Client, path};
use super::output::{Output, plain};
use super::{Failure, Options};

#[derive(Debug, Subcommand)]
pub(super) enum SamlCommand {
    /// Show the last attempts to sign in by a SAML provider, newest first, with the true reason of those that failed
    #[command(
        after_help = "The last 100 since the daemon started, of which at most 20 are answers to nothing that was begun here.\n\
                            `reference` is what the person could read on the page.\n\n\
                            Examples:\n  cleargate saml attempts entra --failed\n  cleargate saml attempts entra --json"
    )]
    Attempts(Attempts),
    /// Try a provider as the configuration has it, in force or not, and sign nobody in
    #[command(after_help = "Nothing is written. Ends with 1 when a check fails.\n\n\
                            Examples:\n  cleargate saml test entra\n  cleargate saml test entra --config ./new.toml --json\n  \
                            cleargate saml test --metadata https://idp.example.com/metadata\n  \
                            cleargate saml test entra --response response.b64\n  cleargate saml test entra --sign-in")]
    Test(trial::SamlTest),
}

#[derive(Debug, Subcommand)]
pub(super) enum OidcCommand {
    /// Show the last attempts to sign in by an OpenID provider, newest first, with the true reason of those that failed
    #[command(
        after_help = "The last 100 since the daemon started, of which at most 20 are answers to nothing that was begun here.\n\
                            `reference` is what the person could read on the page.\n\n\
                            Examples:\n  cleargate oidc attempts google --failed\n  cleargate oidc attempts google --json"
    )]
    Attempts(Attempts),
    /// Try a provider as the configuration has it, in force or not, and sign nobody in
    #[command(after_help = "Nothing is written. Ends with 1 when a check fails.\n\n\
                            Examples:\n  cleargate oidc test google\n  cleargate oidc test google --config ./new.toml --json\n  \
                            cleargate oidc test google --sign-in")]
    Test(trial::OidcTest),
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

pub(super) async fn run_saml(command: SamlCommand, options: &Options, output: &Output) -> Result<(), Failure> {
    match command {
        SamlCommand::Attempts(arguments) => attempts(&arguments, &Client::open(options)?, output).await,
        SamlCommand::Test(arguments) => trial::saml(&arguments, options, output).await,
    }
}

pub(super) async fn run_oidc(command: OidcCommand, options: &Options, output: &Output) -> Result<(), Failure> {
    match command {
        OidcCommand::Attempts(arguments) => attempts(&arguments, &Client::open(options)?, output).await,
        OidcCommand::Test(arguments) => trial::oidc(&arguments, options, output).await,
    }
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
