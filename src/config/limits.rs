//! `[limits]`, `[session]` and `[tokens]`: how fast and how long.

use std::time::Duration;

use super::form::{Quota, parse_duration};
use super::section::Section;

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
    /// Sign-in attempts of everybody together; default 6000 a minute.
    pub sign_in_global: Quota,
    /// Of how many names an address may try wrong passwords within ten minutes, up to 200; default 20, 0 for any.
    pub spray_names: u32,
    /// On how many names an address may try one wrong password within ten minutes, up to 200; default 5, 0 for any.
    pub spray_same_password: u32,
}

/// `[session]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// A session ends when it was not used for so long; 1 min to 30 d, default 1 h.
    pub idle: Duration,
    /// A session ends so long after sign-in; not less than `idle`, at most 90 d, default 12 h.
    pub absolute: Duration,
}

/// `[invitations]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invitations {
    /// How long an invitation may be accepted, 1 h to 30 d; default 7 d.
    pub lasts: Duration,
}

impl Invitations {
    pub(super) fn resolve(section: &Section<'_>) -> Self {
        let hour = Duration::from_secs(3_600);
        Self { lasts: section.between("lasts", 7 * 24 * hour, hour, 30 * 24 * hour) }
    }
}

/// `[tokens]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// How long a token lasts when who makes it does not say; `None` is for ever, default 365 d.
    pub lasts: Option<Duration>,
}

impl Tokens {
    pub(super) fn resolve(section: &Section<'_>) -> Self {
        let text = section.or("lasts", "365d".to_owned());
        let lasts = match (text.as_str(), parse_duration(&text)) {
            ("never", _) => None,
            (_, Some(lasts)) if lasts >= Duration::from_secs(3_600) => Some(lasts),
            _ => {
                let reason =
                    "must be a duration of at least \"1h\", such as \"365d\", or \"never\" for tokens that do not end";
                section.error("lasts", reason, None);
                None
            }
        };
        Self { lasts }
    }
}

impl Limits {
    pub(super) fn resolve(section: &Section<'_>) -> Self {
        let quota = |name, per_minute| section.or(name, Quota::per_minute(per_minute));
        Self {
            api: quota("api", 6000),
            page: quota("page", 1200),
            // A first push of a hundred thousand people must end within the hour.
            scim: quota("scim", 60_000),
            // An office behind one address signs in at nine o'clock.
            sign_in: quota("sign_in", 300),
            sign_in_account: quota("sign_in_account", 30),
            // What one core hashes in a minute, and more than anybody signs in.
            sign_in_global: quota("sign_in_global", 6000),
            spray_names: section.between("spray_names", 20, 0, 200),
            spray_same_password: section.between("spray_same_password", 5, 0, 200),
        }
    }
}

impl Session {
    pub(super) fn resolve(section: &Section<'_>) -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        const DAY: Duration = Duration::from_secs(86_400);
        let idle = section.between("idle", 60 * MINUTE, MINUTE, 30 * DAY);
        let absolute = section.between("absolute", DAY / 2, MINUTE, 90 * DAY);
        if absolute < idle {
            let (name, reason) = match section.has("absolute") {
                true => ("absolute", "must not be shorter than `session.idle`"),
                false => ("idle", "must not be longer than `session.absolute`, by default \"12h\""),
            };
            section.error(name, reason, None);
        }
        Self { idle, absolute }
    }
}
