//! Smaller sections: `[audit]`, `[[notify]]`, `[outbound]`, `[log]`.

use std::time::Duration;

use url::Url;

use super::form::HostPort;
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
