//! How sure it is that somebody is who they say.

use minicbor::{Decode, Encode};

use crate::clock::Timestamp;

/// How many independent things a person showed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Level {
    /// One: a password, a link, a provider's word.
    #[default]
    #[n(0)]
    One,
    /// Two: a second factor besides, here or at a provider that is trusted with it.
    #[n(1)]
    Two,
}

impl Level {
    /// The word in lists and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::Two => "two",
        }
    }
}

/// A kind of second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum FactorKind {
    /// A code of an authenticator app.
    #[n(0)]
    Code,
    /// One of the codes for who has lost everything else.
    #[n(1)]
    Recovery,
    /// A passkey or a security key.
    #[n(2)]
    Passkey,
}

impl FactorKind {
    /// The word in lists, events and addresses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Passkey => "passkey",
            Self::Recovery => "recovery-code",
        }
    }
}

/// What a role asks of how its holders sign in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct FactorRule {
    /// Every holder must have one.
    #[n(0)]
    pub required: bool,
    /// What the role allows holds only in a session in which one was shown within this time, in seconds.
    #[n(1)]
    pub within_s: Option<u64>,
    /// Every holder must sign in by single sign-on; absent where none must.
    #[n(2)]
    pub sso: Option<bool>,
}

impl FactorRule {
    /// Whether every holder must sign in by single sign-on.
    pub fn requires_sso(&self) -> bool {
        self.sso == Some(true)
    }

    /// What both ask: the stricter of each.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let within_s = match (self.within_s, other.within_s) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        };
        let sso = (self.requires_sso() || other.requires_sso()).then_some(true);
        Self { required: self.required || other.required, within_s, sso }
    }

    /// The time as configuration files write it: `10m`; `None` when none is asked for.
    pub fn within(&self) -> Option<String> {
        let seconds = self.within_s?;
        let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
        let unit = units.into_iter().find(|(size, _)| seconds > 0 && seconds % size == 0);
        Some(unit.map_or_else(|| format!("{seconds}s"), |(size, name)| format!("{}{name}", seconds / size)))
    }
}

/// What a session knows of who is behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    /// How many things were shown.
    pub level: Level,
    /// When a second factor was shown last.
    pub factor_at: Option<Timestamp>,
}

impl Presence {
    /// A second factor was shown at this moment.
    pub const fn two(at: Timestamp) -> Self {
        Self { level: Level::Two, factor_at: Some(at) }
    }
}
