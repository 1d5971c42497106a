//! The command line: `serve`, `demo`, `check-config`, and administration of a running daemon.
//!
//! Administration commands talk HTTP to the daemon, over its unix socket or by `--url` with a token; they decide
//! nothing. Standard output has results only, messages go to standard error; with `--json` a result is one object, a
//! list one object a line. No token or password is ever an argument or an environment variable.

mod access_requests;
mod audit;
mod backup;
mod check_config;
mod client;
mod confirm;
mod connector;
mod demo;
mod doctor;
mod environment;
mod explain;
mod factor;
mod failure;
mod grant;
mod group;
mod init;
mod invitation;
mod log;
mod mail;
mod network;
mod output;
mod password;
mod person;
mod policy;
mod report;
mod restore;
mod role;
mod scim;
mod scope;
mod serve;
mod session;
mod status;
mod sync;
mod token;
mod transfer;
mod user;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use client::Client;
pub use failure::{Exit, Failure};
use output::Output;

/// Exit codes, told at the end of the help.
const EXIT_CODES: &str = "Exit codes: 0 ok, 1 failure, 2 usage, 3 daemon unreachable, 4 not permitted, 5 not found, \
                          6 conflict, 69 dependency unavailable, 78 configuration";

/// Identity gateway: people and groups in by SCIM and LDAP, sign-in by SAML, OpenID Connect and password, decisions, and
/// a ledger that shows tampering.
#[derive(Debug, Parser)]
#[command(name = "cleargate", version, after_help = EXIT_CODES, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Command,
}

/// Options that every command takes.
#[derive(Args, Clone, Debug)]
struct Options {
    /// Configuration file [default: /etc/cleargate/cleargate.toml, or $CLEARGATE_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print results as JSON: one object, or one object a line for lists
    #[arg(long, global = true)]
    json: bool,
    /// Administration socket of the daemon [default: listen.admin of the configuration]
    #[arg(long, global = true, value_name = "PATH", conflicts_with = "url")]
    socket: Option<PathBuf>,
    /// Address of a daemon elsewhere, instead of the socket; needs --token-file
    #[arg(long, global = true, value_name = "URL", requires = "token_file")]
    url: Option<String>,
    /// File with the management token for --url
    #[arg(long, global = true, value_name = "FILE", requires = "url")]
    token_file: Option<PathBuf>,
    /// File with the authorities to trust for --url, PEM
    #[arg(long, global = true, value_name = "FILE", requires = "url")]
    ca: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What people ask for: list, approve, refuse
    #[command(subcommand)]
    AccessRequests(access_requests::Command),
    /// Read and verify the ledger
    #[command(subcommand)]
    Audit(audit::Command),
    /// Copy the store of the running daemon into a file
    Backup(backup::Arguments),
    /// Tell every problem of the configuration
    CheckConfig(check_config::Arguments),
    /// Play the main job on a gateway of its own, then serve it
    Demo(demo::Arguments),
    /// Look for what is against good practice; ends with 1 when something is severe
    Doctor(doctor::Arguments),
    /// Tell why a user may or may not do something
    Explain(explain::Arguments),
    /// Write scopes, roles, people, groups and grants as a document
    Export(transfer::Export),
    /// Second factors of accounts
    #[command(subcommand)]
    Factor(factor::Command),
    /// Roles given to users and groups
    #[command(subcommand)]
    Grant(grant::Command),
    /// Groups and their members
    #[command(subcommand)]
    Group(group::Command),
    /// Make scopes, roles, people, groups and grants what a document says
    Import(transfer::Import),
    /// Set up a fresh machine: configuration, key, and a link for the first administrator
    Init(init::Arguments),
    /// Accounts that wait for their owners
    #[command(subcommand)]
    Invitation(invitation::Command),
    /// Accounts that are locked after wrong passwords
    #[command(subcommand)]
    Lock(session::LockCommand),
    /// Mail to people
    #[command(subcommand)]
    Mail(mail::Command),
    /// From where people and tokens may sign in and act
    #[command(subcommand)]
    Network(network::Command),
    /// OpenID providers that people sign in by
    #[command(subcommand)]
    Oidc(connector::ProviderCommand<connector::OidcTest>),
    /// People apart from accounts
    #[command(subcommand)]
    Person(person::Command),
    /// The tests of the policy, and what another policy pack would change
    #[command(subcommand)]
    Policy(policy::Command),
    /// Let the daemon read its configuration again
    Reload,
    /// Put a backup into the place of the store, while no daemon runs
    Restore(restore::Arguments),
    /// Roles: the policy pack's, and your own
    #[command(subcommand)]
    Role(role::Command),
    /// Who is here, who has what and why, what nobody uses: as CSV or JSON
    Report(report::Arguments),
    /// SAML providers that people sign in by
    #[command(subcommand)]
    Saml(connector::ProviderCommand<connector::SamlTest>),
    /// Provisioning connections
    #[command(subcommand)]
    Scim(scim::Command),
    /// Departments, companies, scorecards and projects
    #[command(subcommand)]
    Scope(scope::Command),
    /// Run the daemon
    Serve,
    /// Signed-in browsers
    #[command(subcommand)]
    Session(session::Command),
    /// Tell how the daemon is
    Status,
    /// Pull a directory now, or tell what that would change
    #[command(subcommand)]
    Sync(sync::Command),
    /// Tokens for provisioning and automation
    #[command(subcommand)]
    Token(token::Command),
    /// People's accounts
    #[command(subcommand)]
    User(user::Command),
    /// List who may do something
    WhoCan(explain::WhoCan),
}

/// Runs the program with the process's arguments.
pub fn main() -> ExitCode {
    run(std::env::args_os())
}

fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        // Help and version go to standard output with 0, mistakes to standard error with 2.
        Err(error) => {
            let printed = error.print();
            let code =
                if printed.is_err() { Exit::Failure.code() } else { u8::try_from(error.exit_code()).unwrap_or(2) };
            return ExitCode::from(code);
        }
    };
    let output = Output::new(cli.options.json);
    match dispatch(cli, &output) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever closes the pipe has read enough.
        Err(failure) if failure.is_closed_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.exit().code())
        }
    }
}

fn dispatch(cli: Cli, output: &Output) -> Result<(), Failure> {
    let Cli { options, command } = cli;
    match command {
        Command::CheckConfig(arguments) => check_config::run(&arguments, &options, output),
        Command::Demo(arguments) => wide(demo::demo(arguments.options(output.is_json()))),
        Command::Serve => wide(serve::run(options.config_path())),
        Command::AccessRequests(command) => narrow(access_requests::run(command, Client::open(&options)?, output)),
        Command::Audit(command) => narrow(audit::run(command, &options, output)),
        Command::Backup(arguments) => narrow(backup::run(arguments, Client::open(&options)?, output)),
        Command::Restore(arguments) => narrow(restore::run(arguments, &options, output)),
        Command::Doctor(arguments) => narrow(doctor::run(arguments, Client::open(&options)?, output)),
        Command::Explain(arguments) => narrow(explain::run(arguments, Client::open(&options)?, output)),
        Command::Export(arguments) => narrow(transfer::export(arguments, Client::open(&options)?, output)),
        Command::Factor(command) => narrow(factor::run(command, Client::open(&options)?, output)),
        Command::Grant(command) => narrow(grant::run(command, Client::open(&options)?, output)),
        Command::Group(command) => narrow(group::run(command, Client::open(&options)?, output)),
        Command::Import(arguments) => narrow(transfer::import(arguments, Client::open(&options)?, output)),
        Command::Init(arguments) => wide(init::run(arguments, &options, output)),
        Command::Invitation(command) => narrow(invitation::run(command, Client::open(&options)?, output)),
        Command::Lock(command) => narrow(session::run_lock(command, Client::open(&options)?, output)),
        Command::Mail(command) => narrow(mail::run(command, Client::open(&options)?, output)),
        Command::Network(command) => narrow(network::run(command, Client::open(&options)?, output)),
        Command::Oidc(command) => narrow(connector::run(command, &options, output)),
        Command::Person(command) => narrow(person::run(command, Client::open(&options)?, output)),
        Command::Policy(command) => narrow(policy::run(command, &options, output)),
        Command::Reload => narrow(status::reload(Client::open(&options)?, output)),
        Command::Role(command) => narrow(role::run(command, Client::open(&options)?, output)),
        Command::Report(arguments) => narrow(report::run(arguments, Client::open(&options)?, output)),
        Command::Saml(command) => narrow(connector::run(command, &options, output)),
        Command::Scim(command) => narrow(scim::run(command, Client::open(&options)?, output)),
        Command::Scope(command) => narrow(scope::run(command, Client::open(&options)?, output)),
        Command::Session(command) => narrow(session::run(command, Client::open(&options)?, output)),
        Command::Status => narrow(status::status(Client::open(&options)?, output)),
        Command::Sync(command) => narrow(sync::run(command, Client::open(&options)?, output)),
        Command::Token(command) => narrow(token::run(command, Client::open(&options)?, output)),
        Command::User(command) => narrow(user::run(command, Client::open(&options)?, output)),
        Command::WhoCan(arguments) => narrow(explain::who_can(arguments, Client::open(&options)?, output)),
    }
}

impl Options {
    /// Which configuration file is meant.
    fn config_path(&self) -> PathBuf {
        let environment = || environment::read("CLEARGATE_CONFIG").map(PathBuf::from);
        self.config.clone().or_else(environment).unwrap_or_else(crate::config::default_path)
    }
}

/// Runs what serves, on all cores.
fn wide(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::from)?.block_on(work)
}

/// Runs one request after the other.
fn narrow(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::from)?.block_on(work)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_tree_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
