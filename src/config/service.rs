//! Smaller sections: `[audit]`, `[[notify]]`, `[outbound]`, `[log]`.

use std::time::Duration;

use url::Url;

use super::form::{HostPort, parse_duration};
use super::section::Section;
use crate::model::SourceId;

/// `[audit]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audit {
    /// How long events are kept; `None` is for ever, the default.
    pub retention: Option<Duration>,
}

/// `[[notify]]`: a channel for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notify {
    /// The id, unique among channels.
    pub id: SourceId,
    /// Where messages are posted.
    pub url: Url,
}

/// `[outbound]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outbound {
    /// Hosts, with or without port, that an address from somebody else's document may name besides its own host.
    pub allow: Vec<HostPort>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// `json`: one object a line.
    Json,
    /// `text`, the default.
    Text,
}

/// `[log]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Directives as `tracing` has them: `info,cleargate::sync=debug`; default `info`.
    pub filter: String,
    /// How lines look.
    pub format: LogFormat,
}

impl Audit {
    pub(super) fn resolve(section: &Section<'_>) -> Self {
        let text = section.or("retention", "forever".to_owned());
        let retention = match (text.as_str(), parse_duration(&text)) {
            ("forever", _) => None,
            (_, Some(time)) if time >= Duration::from_secs(86_400) => Some(time),
            _ => {
                section.error(
                    "retention",
                    "must be \"forever\" or a duration of at least \"1d\", such as \"400d\"",
                    None,
                );
                None
            }
        };
        if retention.is_some() {
            section.warn("retention", "has no effect in this release: every event is kept");
        }
        Self { retention }
    }
}

impl Notify {
    pub(super) fn resolve(section: &Section<'_>) -> Option<Self> {
        let id = section.required::<SourceId>("id");
        let url = section.url("url", "https", "http");
        if !section.has("url") {
            section.missing("url", "must be where messages are posted");
        }
        section.warn("id", "has no effect in this release: no messages are sent");
        Some(Self { id: id?, url: url? })
    }
}

impl Outbound {
    pub(super) fn resolve(section: &Section<'_>) -> Self {
        Self { allow: section.list("allow", Vec::new()) }
    }
}

impl Log {
    pub(super) fn resolve(section: &Section<'_>) -> Self {
        let filter = section.or("filter", "info".to_owned());
        if let Err(error) = tracing_subscriber::EnvFilter::builder().parse(&filter) {
            section.error(
                "filter",
                &format!("must be log directives such as \"info,cleargate::sync=debug\": {error}"),
                None,
            );
        }
        let formats = [("json", LogFormat::Json), ("text", LogFormat::Text)];
        Self { filter, format: section.choice("format", LogFormat::Text, &formats) }
    }
}
