//! `cleargate demo`: the main job on a gateway of its own, with nothing installed.

use clap::Args;

use super::{Exit, Failure};

/// How the demo is played.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  cleargate demo --once\n\nEverything is in a temporary folder and on loopback.")]
pub(super) struct Arguments {
    /// End after the play, with its outcome as the exit code
    #[arg(long)]
    once: bool,
}

/// How the demo is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DemoOptions {
    /// Whether it ends after the play.
    pub once: bool,
    /// Whether it prints one line of JSON when it serves, instead of its progress.
    pub json: bool,
}

impl Arguments {
    pub(super) fn options(&self, json: bool) -> DemoOptions {
        DemoOptions { once: self.once, json }
    }
}

/// Plays the demo.
pub async fn demo(_options: DemoOptions) -> Result<(), Failure> {
    Err(Failure::new(Exit::Failure, "this build has no demo"))
}
