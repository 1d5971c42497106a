//! `cleargate serve`: reads the configuration, then hands over to the gateway.

use std::path::{Path, PathBuf};

use super::{Exit, Failure, environment, log};
use crate::config::{self, Config, Credentials, Problem};

/// Runs the daemon until it is told to stop.
pub(super) async fn run(path: PathBuf) -> Result<(), Failure> {
    let config = load(&path)?;
    let replace_filter = log::start(&config.log)?;
    for warning in &config.warnings {
        tracing::warn!("{}: {}", warning.position, warning.message);
    }
    serve(config, path, replace_filter).await
}

/// Reads the configuration; its problems go to standard error.
pub(super) fn load(path: &Path) -> Result<Config, Failure> {
    config::load(path, &credentials()).map_err(|problems| refuse(&problems, path))
}

/// What systemd prepared for this process.
pub(super) fn credentials() -> Credentials {
    environment::read("CREDENTIALS_DIRECTORY").map_or(Credentials::None, |folder| Credentials::Folder(folder.into()))
}

fn refuse(problems: &[Problem], path: &Path) -> Failure {
    let output = super::Output::new(false);
    problems.iter().for_each(|problem| output.message(&problem.to_string()));
    Failure::new(Exit::Configuration, super::check_config::summary(problems, &path.display().to_string()))
}

/// Serves by this configuration; `path` is where a reload reads it again.
pub async fn serve(_config: Config, _path: PathBuf, _replace_filter: log::ReplaceFilter) -> Result<(), Failure> {
    Err(Failure::new(Exit::Failure, "this build has no gateway"))
}
