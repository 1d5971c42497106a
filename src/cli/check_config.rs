//! `cleargate check-config`: every problem at once, without touching anything.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::output::Output;
use super::{Exit, Failure, Options, environment};
use crate::clock::Clock;
use crate::config::{self, Credentials, Problem, Severity};
use crate::gateway;

/// Which file.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  cleargate check-config\n  cleargate check-config ./cleargate.toml --json\n\n\
                        The files of conf.d beside it are read too. Nothing is connected to. Systemd credentials are \
                        checked only\nwhen $CREDENTIALS_DIRECTORY is set.")]
pub(super) struct Arguments {
    /// The file to check instead of the installed one
    #[arg(value_name = "FILE", conflicts_with = "config")]
    file: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, options: &Options, output: &Output) -> Result<(), Failure> {
    let path = arguments.file.clone().unwrap_or_else(|| options.config_path());
    let folder = environment::read("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let credentials = folder.map_or(Credentials::Unchecked, Credentials::Folder);
    let loaded = config::load(&path, &credentials);
    let (problems, more, is_usable) = match &loaded {
        Ok(config) => {
            let more = gateway::check(config);
            let is_usable = more.is_empty();
            (config.warnings.clone(), more, is_usable)
        }
        Err(problems) => (problems.clone(), Vec::new(), false),
    };
    for problem in &problems {
        if output.is_json() { output.line(&object(problem).to_string())? } else { output.message(&problem.to_string()) }
    }
    if let Ok(config) = &loaded {
        for (place, reason) in gateway::doubts(config, Clock::system().now()) {
            let text = format!("{place}: warning: {reason}");
            let object = json!({"severity": "warning", "file": place, "message": reason});
            if output.is_json() { output.line(&object.to_string())? } else { output.message(&text) }
        }
    }
    for (place, reason) in &more {
        let text = format!("{place}: error: {reason}");
        let object = json!({"severity": "error", "file": place, "message": reason});
        if output.is_json() { output.line(&object.to_string())? } else { output.message(&text) }
    }
    if is_usable {
        if !output.is_json() {
            output.line(&format!("{} is good", path.display()))?;
        }
        return Ok(());
    }
    Err(Failure::new(Exit::Configuration, summary(&problems, more.len(), &path.display().to_string())))
}

/// `3 problems in /etc/cleargate/cleargate.toml`.
pub(super) fn summary(problems: &[Problem], more: usize, path: &str) -> String {
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    match errors.saturating_add(more) {
        1 => format!("1 problem in the configuration {path}"),
        count => format!("{count} problems in the configuration {path}"),
    }
}

fn object(problem: &Problem) -> serde_json::Value {
    let severity = match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    json!({
        "severity": severity,
        "file": problem.position.file,
        "line": problem.position.line,
        "column": problem.position.column,
        "key": problem.key,
        "message": problem.message,
        "help": problem.help,
    })
}
