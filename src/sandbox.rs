//! The small directory and identity providers that `cleargate demo` plays against, the stage that it sets up, and the
//! play itself. Never part of `serve`.

pub mod browser;
pub mod client;
pub mod directory;
pub mod openid;
pub mod play;
pub mod saml;
pub mod stage;

use std::fmt::Display;

use crate::error::Chain;

/// Something in the demonstration is not as it must be; the text says what.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failed(String);

impl Failed {
    /// A failure that this text describes.
    pub fn new(text: impl Display) -> Self {
        Self(text.to_string())
    }

    /// What was being done when an error came up.
    pub fn while_doing(what: impl Display, error: &(dyn std::error::Error + 'static)) -> Self {
        Self(format!("{what}: {}", Chain(error)))
    }
}
