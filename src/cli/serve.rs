//! `cleargate serve`: reads the configuration, then hands over to the gateway.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Exit, Failure, environment, log};
use crate::access;
use crate::api::Control;
use crate::audit::EventKind;
use crate::config::{self, Config, Credentials, Problem};
use crate::error::Chain;
use crate::gateway::{Error, Foundation, Gateway, Listening, Reload};
use crate::http::operations::Readiness;

/// How long requests and tasks get to end; a little more than the listeners' own drain.
const DRAIN: Duration = Duration::from_secs(25);

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

/// The same for a command that needs none of the service's secrets: what only the service can read is taken as it is. Tells
/// whether anything was.
pub(super) fn load_beside(path: &Path) -> Result<(Config, bool), Failure> {
    config::load(path, &credentials()).map(|config| (config, false)).or_else(|problems| {
        let unchecked = config::load(path, &Credentials::Unchecked);
        unchecked.map(|config| (config, true)).map_err(|_| refuse(&problems, path))
    })
}

/// What systemd prepared for this process.
pub(super) fn credentials() -> Credentials {
    environment::read("CREDENTIALS_DIRECTORY").map_or(Credentials::None, |folder| Credentials::Folder(folder.into()))
}

fn refuse(problems: &[Problem], path: &Path) -> Failure {
    let output = super::Output::new(false);
    problems.iter().for_each(|problem| output.message(&problem.to_string()));
    Failure::new(Exit::Configuration, super::check_config::summary(problems, 0, &path.display().to_string()))
}

/// Serves by this configuration; `path` is where a reload reads it again.
async fn serve(config: Config, path: PathBuf, replace_filter: log::ReplaceFilter) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let mut foundation = Foundation::system();
    let read = move || config::load(&path, &credentials());
    foundation.reload =
        Reload::new(read, move |log| replace_filter(log), foundation.clock.clone(), foundation.metrics.clone());
    let tasks = foundation.tasks.clone();
    let reload = foundation.reload.clone();
    let gateway = Gateway::open(config, foundation).await.map_err(start_failure)?;
    let listening = gateway.listen().map_err(start_failure)?;
    record(&gateway, EventKind::GatewayStarted).await?;
    tell(&[NotifyState::Ready, NotifyState::Status(&status(&gateway, &listening).await)]);
    watchdog(&gateway);
    tracing::info!("serving at {}", listening.public.url);
    while signals.next().await == Told::Reload {
        reload_once(&gateway, &reload).await;
    }
    tell(&[NotifyState::Stopping, NotifyState::Status("finishing what is in flight")]);
    let cut = tasks.join(DRAIN).await;
    if !cut.is_empty() {
        tracing::warn!("cut while stopping: {}", cut.join(", "));
    }
    if let Err(error) = gateway.keep_uses().await {
        tracing::warn!("which rights were used in the last minute was not written: {}", Chain(&error));
    }
    record(&gateway, EventKind::GatewayStopped).await
}

/// Records a start or a stop. A store that takes no writes, on a full disk, keeps neither from happening: nobody signs in then,
/// but whoever is signed in goes on, what is there is read, and `/readyz` says what is wrong.
async fn record(gateway: &Gateway, kind: EventKind) -> Result<(), Failure> {
    let Err(error) = gateway.record(kind).await else { return Ok(()) };
    match gateway.ready().check().await {
        Ok(()) => Err(start_failure(error)),
        Err(reason) => {
            tracing::warn!("`{}` was not recorded, the daemon is read-only: {reason}", kind.name());
            Ok(())
        }
    }
}

async fn status(gateway: &Gateway, listening: &Listening) -> String {
    let serving = match gateway.ready().check().await {
        Ok(()) => "serving".to_owned(),
        Err(reason) => format!("read-only ({reason}), serving"),
    };
    format!("{serving} at {}, operations at {}", listening.public.url, listening.operations.url)
}

async fn reload_once(gateway: &Gateway, reload: &Reload) {
    let now = NotifyState::monotonic_usec_now();
    match now {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!("systemd is not told of the reload: {error}"),
    }
    match reload.reload().await {
        Ok(notes) => {
            notes.iter().for_each(|note| tracing::info!("reloaded: {note}"));
            if let Err(error) = gateway.record(EventKind::ConfigurationReloaded).await {
                tracing::error!("the reload was not recorded: {}", Chain(&error));
            }
        }
        Err(problems) => problems.iter().for_each(|problem| tracing::error!("not reloaded: {problem}")),
    }
    tell(&[NotifyState::Ready]);
}

/// Tells systemd; without systemd nobody listens.
fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("systemd is not told: {error}");
    }
}

/// Tells systemd's watchdog that the daemon lives, each time after the store was read. A store that takes no writes is no
/// reason to be killed: a start does not make a disk less full, and would end what still works.
fn watchdog(gateway: &Gateway) {
    let Some(period) = sd_notify::watchdog_enabled() else { return };
    let gateway = gateway.clone();
    gateway.tasks().clone().every("watchdog", period / 2, move || {
        let gateway = gateway.clone();
        async move {
            match gateway.answers().await {
                Ok(()) => tell(&[NotifyState::Watchdog]),
                Err(error) => tracing::error!("the watchdog is not fed: {}", Chain(&error)),
            }
        }
    });
}

fn start_failure(error: Error) -> Failure {
    let exit = match &error {
        // Another try may find the store well.
        Error::Access(access::Error::Store(_)) => Exit::Failure,
        Error::Access(_) | Error::Configuration { .. } | Error::Key(_) => Exit::Configuration,
        Error::Hasher(_) | Error::Ledger(_) | Error::Listener { .. } | Error::Open(_) | Error::Store(_) => {
            Exit::Failure
        }
    };
    Failure::new(exit, Chain(&error).to_string())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Reload,
    Stop,
}

struct Signals {
    hang_up: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Failure> {
        let listen =
            |kind| signal(kind).map_err(|error| Failure::caused(Exit::Failure, error, "signals cannot be received"));
        Ok(Self {
            hang_up: listen(SignalKind::hangup())?,
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.hang_up.recv() => Told::Reload,
            _ = self.interrupt.recv() => Told::Stop,
            _ = self.terminate.recv() => Told::Stop,
        }
    }
}
