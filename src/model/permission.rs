//! A permission: `resource:action`, `*` on either side.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Decoder, Encode, Encoder};

use super::name::{decode_text, encode_text};

/// What may be done to what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Permission {
    resource: String,
    action: String,
}

/// The text is no permission.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be RESOURCE:ACTION, such as reports:read; * stands for any")]
pub struct PermissionError;

impl Permission {
    /// What it is about, or `*`.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// What may be done, or `*`.
    pub fn action(&self) -> &str {
        &self.action
    }

    /// Whether having this permission means having `other`.
    pub fn covers(&self, other: &Self) -> bool {
        let covers = |mine: &str, theirs: &str| mine == "*" || mine == theirs;
        covers(&self.resource, &other.resource) && covers(&self.action, &other.action)
    }

    /// Whether both sides are named.
    pub fn is_concrete(&self) -> bool {
        self.resource != "*" && self.action != "*"
    }
}

fn is_part(text: &str) -> bool {
    text == "*"
        || (!text.is_empty()
            && text.len() <= 64
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_'))
}

impl FromStr for Permission {
    type Err = PermissionError;

    fn from_str(text: &str) -> Result<Self, PermissionError> {
        match text.split_once(':') {
            Some((resource, action)) if is_part(resource) && is_part(action) => {
                Ok(Self { resource: resource.to_owned(), action: action.to_owned() })
            }
            _ => Err(PermissionError),
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.resource, self.action)
    }
}

impl<C> Encode<C> for Permission {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        encode_text(&self.to_string(), e)
    }
}

impl<'b, C> Decode<'b, C> for Permission {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        decode_text(d)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_covers_and_nothing_else_does() {
        for (mine, other, covered) in [
            ("*:*", "users:read", true),
            ("users:*", "users:read", true),
            ("*:read", "users:read", true),
            ("users:read", "users:read", true),
            ("users:read", "users:*", false),
            ("users:read", "users:update", false),
            ("user:read", "users:read", false),
        ] {
            let (mine, other): (Permission, Permission) = (mine.parse().unwrap(), other.parse().unwrap());
            assert_eq!(mine.covers(&other), covered, "{mine} {other}");
        }
        for wrong in ["", "users", "users:", ":read", "users:read:all", "Users:read", "us*:read"] {
            assert_eq!(wrong.parse::<Permission>(), Err(PermissionError), "{wrong}");
        }
    }
}
