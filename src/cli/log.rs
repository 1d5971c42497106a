//! Where log lines go: standard error, as text or as JSON. `$CLEARGATE_LOG` replaces `log.filter`.

use std::io::IsTerminal;
use std::sync::Arc;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use super::{Exit, Failure, environment};
use crate::config::{Log, LogFormat};

/// Puts other directives in force; the format stays until the next start.
pub(super) type ReplaceFilter = Arc<dyn Fn(&Log) + Send + Sync>;

/// Starts logging for the process.
pub(super) fn start(log: &Log) -> Result<ReplaceFilter, Failure> {
    let (filter, handle) = reload::Layer::new(filter(log)?);
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let layer: Box<dyn Layer<_> + Send + Sync> = match log.format {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        // The journal has its own clock.
        LogFormat::Text if !std::io::stderr().is_terminal() && environment::read("JOURNAL_STREAM").is_some() => {
            lines.without_time().boxed()
        }
        LogFormat::Text => lines.boxed(),
    };
    let registry = Registry::default().with(filter).with(layer);
    registry.try_init().map_err(|error| Failure::caused(Exit::Failure, error, "cannot start logging"))?;
    Ok(Arc::new(move |log| {
        let replaced = self::filter(log).map_err(|failure| failure.to_string());
        let replaced = replaced.and_then(|filter| handle.reload(filter).map_err(|error| error.to_string()));
        if let Err(error) = replaced {
            tracing::warn!(%error, "the log filter was not replaced");
        }
    }))
}

fn filter(log: &Log) -> Result<EnvFilter, Failure> {
    let directives = environment::read("CLEARGATE_LOG").unwrap_or_else(|| log.filter.clone());
    let refused = |error| Failure::caused(Exit::Configuration, error, "the log filter cannot be used");
    EnvFilter::builder().parse(directives).map_err(refused)
}
