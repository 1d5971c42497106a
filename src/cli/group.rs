//! `cleargate group`.

use clap::Subcommand;

use super::Failure;
use super::client::Client;
use super::output::Output;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List groups
    #[command(after_help = "Example:\n  cleargate group list --json")]
    List {
        /// At most so many
        #[arg(long, default_value_t = 10_000, value_name = "COUNT")]
        limit: usize,
    },
}

pub(super) async fn run(command: Command, client: Client, output: &Output) -> Result<(), Failure> {
    let Command::List { limit } = command;
    let groups = client.list("/api/v1/groups", &[], limit).await?;
    output.list(&groups, &[("NAME", "name"), ("MEMBERS", "members"), ("SOURCE", "source"), ("ID", "id")])
}
