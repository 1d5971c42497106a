//! `cleargate demo`: the main job on a gateway of its own, with nothing installed.

mod folder;
mod served;

use std::time::Duration;

use clap::Args;
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::output::Output;
use super::{Exit, Failure, log};
use crate::config::{Log, LogFormat};
use crate::gateway::Foundation;
use crate::sandbox::play::{self, Broken, Outcome, Played, Step};
use crate::sandbox::stage::Stage;
use folder::Folder;

/// How the demo is played.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  cleargate demo --once\n\nEverything is in a temporary folder and on loopback.")]
pub(super) struct Arguments {
    /// End after the play, with its outcome as the exit code
    #[arg(long)]
    once: bool,
    /// Break a step on purpose, to see that the demo fails then
    #[arg(long = "break", value_name = "STEP", hide = true)]
    broken: Option<Step>,
}

/// How the demo is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DemoOptions {
    /// Whether it ends after the play.
    pub once: bool,
    /// Whether it prints one line of JSON when it serves, and its progress to standard error.
    pub json: bool,
    /// The step that is broken on purpose.
    pub broken: Option<Step>,
}

impl Arguments {
    pub(super) fn options(&self, json: bool) -> DemoOptions {
        DemoOptions { once: self.once, json, broken: self.broken }
    }
}

/// Plays the demo, then serves it until told to stop, unless it is to be played once.
///
/// # Errors
/// `Exit::Failure` when a step does not end as it must; it names the step and the reason.
pub async fn demo(options: DemoOptions) -> Result<(), Failure> {
    let output = Output::new(options.json);
    let mut stop = Stop::listen()?;
    // What goes wrong on purpose would fill the screen with warnings.
    log::start(&Log { filter: "error".to_owned(), format: LogFormat::Text })?;
    let foundation = Foundation::system();
    let folder = Folder::create(&foundation.ids)?;
    let tasks = foundation.tasks.clone();
    let ended = tokio::select! {
        ended = perform(options, &output, &folder, foundation) => ended,
        () = stop.told() => Err(Failure::new(Exit::Failure, "the demo was stopped before its end")),
    };
    let outcome = match ended {
        Ok(stage) if options.once => {
            stage.close().await;
            Ok(())
        }
        Ok(stage) => {
            stop.told().await;
            output.message("stopping: requests in flight get their time");
            stage.close().await;
            Ok(())
        }
        Err(failure) => {
            tasks.join(Duration::from_secs(5)).await;
            Err(failure)
        }
    };
    folder.remove()?;
    outcome
}

/// Sets the stage, plays, and tells how to go on.
async fn perform(
    options: DemoOptions,
    output: &Output,
    folder: &Folder,
    foundation: Foundation,
) -> Result<Stage, Failure> {
    let began = play::now();
    let show = |line: &str| if options.json { output.message(line) } else { drop(output.line(line)) };
    show("cleargate demo: a gateway, a directory and two identity providers, all on this machine");
    let opened = Stage::open(folder.path(), foundation, options.broken).await;
    let (stage, played) = match opened {
        Err(reason) => return Err(failed(options, output, &Broken { step: Step::Start, reason })),
        Ok(stage) => {
            let opening = began.elapsed();
            let mut tell = |played: &Played| {
                let took = if played.step == Step::Start { began.elapsed().max(opening) } else { played.took };
                progress(played, took).iter().for_each(|line| show(line));
            };
            let played = play::play(&stage, options.broken, &mut tell).await;
            (stage, played)
        }
    };
    let outcome = played.map_err(|broken| failed(options, output, &broken))?;
    let took = began.elapsed();
    show(&format!("all {} steps passed in {}", Step::ALL.len(), seconds(took)));
    if options.once {
        if options.json {
            output.line(&summary(&outcome, took).to_string())?;
        }
    } else {
        served::tell(&stage, output).await?;
    }
    Ok(stage)
}

/// The lines of a step: what it is with its time, then what it proved.
fn progress(played: &Played, took: Duration) -> Vec<String> {
    let head = format!("[{}/{}] {} ({})", played.step.number(), Step::ALL.len(), played.step.title(), seconds(took));
    std::iter::once(head).chain(played.proofs.iter().map(|proof| format!("      {proof}"))).collect()
}

fn seconds(took: Duration) -> String {
    format!("{:.2} s", took.as_secs_f64())
}

fn summary(outcome: &Outcome, took: Duration) -> serde_json::Value {
    json!({
        "outcome": "passed",
        "steps": Step::ALL.map(Step::name),
        "seconds": took.as_secs_f64(),
        "events": outcome.events,
        "root": outcome.root,
    })
}

/// The failure for the exit; with `--once --json` also the one line of the outcome.
fn failed(options: DemoOptions, output: &Output, broken: &Broken) -> Failure {
    if options.once && options.json {
        let line = json!({"outcome": "failed", "step": broken.step.name(), "reason": broken.reason.to_string()});
        if let Err(failure) = output.line(&line.to_string()) {
            return failure;
        }
    }
    Failure::new(Exit::Failure, broken)
}

/// Waits for the signals that end the demo.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    fn listen() -> Result<Self, Failure> {
        let listen =
            |kind| signal(kind).map_err(|error| Failure::caused(Exit::Failure, error, "signals cannot be received"));
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    async fn told(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
