//! Where a right holds: `department:finance`, `company:acme`; the absence of a scope means organisation-wide.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Decoder, Encode, Encoder};

use super::name::{decode_text, encode_text};

/// A named place, `kind:slug`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    kind: String,
    slug: String,
}

/// The text names no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be KIND:SLUG in lower-case letters, digits, - and _, such as department:finance")]
pub struct ScopeError;

impl Scope {
    /// `department`, `company`, `scorecard`, `project` or a kind of the policy pack.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The name within its kind.
    pub fn slug(&self) -> &str {
        &self.slug
    }
}

fn is_slug(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_')
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        match text.split_once(':') {
            Some((kind, slug)) if is_slug(kind) && is_slug(slug) => {
                Ok(Self { kind: kind.to_owned(), slug: slug.to_owned() })
            }
            _ => Err(ScopeError),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.slug)
    }
}

impl<C> Encode<C> for Scope {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        encode_text(&self.to_string(), e)
    }
}

impl<'b, C> Decode<'b, C> for Scope {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        decode_text(d)
    }
}
