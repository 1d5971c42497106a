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
}

impl FactorKind {
    /// The word in lists, events and addresses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Recovery => "recovery-code",
        }
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
