//! `[limits]` and `[session]`: how fast and how long.

use std::time::Duration;

use super::form::Quota;

/// `[limits]`: requests per time, by rate class. What exceeds them is answered 429.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Management calls, by token or address; default 6000 a minute.
    pub api: Quota,
    /// Pages and metadata, by address; default 1200 a minute.
    pub page: Quota,
    /// Provisioning, by token; default 60000 a minute.
    pub scim: Quota,
    /// Sign-in attempts, by address; default 300 a minute.
    pub sign_in: Quota,
    /// Sign-in attempts, by account; default 30 a minute.
    pub sign_in_account: Quota,
}

/// `[session]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// A session ends when it was not used for so long; 1 min to 30 d, default 1 h.
    pub idle: Duration,
    /// A session ends so long after sign-in; not less than `idle`, at most 90 d, default 12 h.
    pub absolute: Duration,
}
