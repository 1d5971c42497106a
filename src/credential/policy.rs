//! What a password must be like: presets named after the texts they follow, each unmet part named.

mod guessable;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::MAX_PASSWORD_BYTES;
use crate::model::fold;
use crate::secret::Secret;
use guessable::is_common;

/// Shortest word of the context that a password must not contain.
const MIN_CONTEXT_CHARS: usize = 4;

/// A part of the policy that a password does not meet. Prints as the rest of a sentence: "must contain a digit".
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case", tag = "rule")]
pub enum Unmet {
    /// One of the most common passwords, a repetition or a sequence.
    Common,
    /// Contains the user's name or address, or the name of this product.
    Context,
    /// No digit.
    Digit,
    /// No letter.
    Letter,
    /// No lower-case letter.
    Lower,
    /// No character that is neither letter, digit nor blank.
    Special,
    /// Too long.
    TooLong {
        /// Most characters.
        max_chars: usize,
    },
    /// Too short.
    TooShort {
        /// Fewest characters.
        min_chars: usize,
    },
    /// The one that the user has already.
    Unchanged,
    /// No upper-case letter.
    Upper,
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Common => f.write_str("must not be one that everybody tries"),
            Self::Context => f.write_str("must not contain a name or address of the user or the name of this service"),
            Self::Digit => f.write_str("must contain a digit"),
            Self::Letter => f.write_str("must contain a letter"),
            Self::Lower => f.write_str("must contain a lower-case letter"),
            Self::Special => f.write_str("must contain a character that is neither letter nor digit"),
            Self::TooLong { max_chars } => write!(f, "must have at most {max_chars} characters"),
            Self::TooShort { min_chars } => write!(f, "must have at least {min_chars} characters"),
            Self::Unchanged => f.write_str("must be another one than before"),
            Self::Upper => f.write_str("must contain an upper-case letter"),
        }
    }
}

/// There is no password preset of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no password preset `{0}`; there are asvs5-l2, clearvantage, nist-63b-4, pci")]
pub struct UnknownPreset(pub String);

/// The rules for new passwords.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordPolicy {
    min_chars: usize,
    min_chars_with_factor: usize,
    max_chars: usize,
    parts: Vec<Unmet>,
    expires_after: Option<Duration>,
    expires_with_factor: bool,
    allows_common: bool,
    blocked: Arc<BTreeSet<String>>,
}

/// Rules of one's own.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Fewest characters.
    pub min_chars: usize,
    /// Fewest characters where the user has a second factor; not more than without.
    pub min_chars_with_factor: usize,
    /// Most characters.
    pub max_chars: usize,
    /// Kinds of character that must occur: digit, letter, lower, special, upper.
    pub parts: Vec<Unmet>,
    /// How long a password may be used.
    pub expires_after: Option<Duration>,
    /// Whether that holds where the user has a second factor, too.
    pub expires_with_factor: bool,
    /// Whether passwords that everybody tries, and those with names of the user, are allowed.
    pub allows_common: bool,
    /// Further passwords that are refused, in any case of their letters.
    pub blocked: Vec<String>,
}

impl PasswordPolicy {
    /// A policy of these rules.
    pub fn new(rules: Rules) -> Self {
        Self {
            min_chars: rules.min_chars,
            min_chars_with_factor: rules.min_chars_with_factor.min(rules.min_chars),
            max_chars: rules.max_chars,
            parts: rules.parts,
            expires_after: rules.expires_after,
            expires_with_factor: rules.expires_with_factor,
            allows_common: rules.allows_common,
            blocked: Arc::new(rules.blocked.iter().map(|word| fold(word).as_str().to_owned()).collect()),
        }
    }

    fn preset_of(min_chars: usize, max_chars: usize, parts: Vec<Unmet>, expires_after: Option<Duration>) -> Self {
        Self::new(Rules {
            min_chars,
            min_chars_with_factor: min_chars,
            max_chars,
            parts,
            expires_after,
            expires_with_factor: true,
            allows_common: false,
            blocked: Vec::new(),
        })
    }

    /// NIST SP 800-63B-4 section 3.1.1: 15 characters for a password alone, 8 with a second factor, no composition, a
    /// blocklist, no expiry.
    pub fn nist_63b_4() -> Self {
        Self { min_chars_with_factor: 8, ..Self::preset_of(15, 256, Vec::new(), None) }
    }

    /// OWASP ASVS 5 level 2, section 6.2: 8 characters, no composition, a blocklist, no expiry.
    pub fn asvs5_l2() -> Self {
        Self::preset_of(8, 256, Vec::new(), None)
    }

    /// The manual's: 12 characters with upper and lower case, a digit and a special character.
    pub fn clearvantage() -> Self {
        let parts = vec![Unmet::Upper, Unmet::Lower, Unmet::Digit, Unmet::Special];
        Self::preset_of(12, 128, parts, None)
    }

    /// PCI DSS 4 section 8.3.6 and 8.3.9: 12 characters, letters and digits, 90 days where it is the only factor.
    pub fn pci() -> Self {
        let expires_after = Some(Duration::from_secs(90 * 24 * 60 * 60));
        let pci = Self::preset_of(12, 256, vec![Unmet::Letter, Unmet::Digit], expires_after);
        Self { expires_with_factor: false, ..pci }
    }

    /// A policy by name.
    ///
    /// # Errors
    /// When there is none.
    pub fn preset(name: &str) -> Result<Self, UnknownPreset> {
        match name {
            "asvs5-l2" => Ok(Self::asvs5_l2()),
            "clearvantage" => Ok(Self::clearvantage()),
            "nist-63b-4" => Ok(Self::nist_63b_4()),
            "pci" => Ok(Self::pci()),
            _ => Err(UnknownPreset(name.to_owned())),
        }
    }

    /// Most characters.
    pub fn max_chars(&self) -> usize {
        self.max_chars
    }

    /// What every password must have, of whoever has a second factor or none.
    pub fn requirements(&self, has_factor: bool) -> Vec<Unmet> {
        let min_chars = if has_factor { self.min_chars_with_factor } else { self.min_chars };
        let mut all = vec![Unmet::TooShort { min_chars }];
        all.extend(self.parts.iter().cloned());
        if !self.allows_common {
            all.extend([Unmet::Common, Unmet::Context]);
        }
        all
    }

    /// How long a password may be used.
    pub fn expires_after(&self) -> Option<Duration> {
        self.expires_after
    }

    /// Whether a second factor keeps a password from growing too old.
    pub(super) fn expires_with_factor(&self) -> bool {
        self.expires_with_factor
    }

    /// Whether a password is long enough only because its user has a second factor.
    pub(super) fn needs_factor(&self, password: &Secret) -> bool {
        password.expose().chars().count() < self.min_chars
    }

    /// Every part that a password does not meet, in the order of this preset's text; empty when it may be used.
    /// Characters are Unicode code points. `has_factor` says whether the user has a second factor, `context` are words of the user that it must not contain.
    pub fn check(&self, password: &Secret, context: &[&str], has_factor: bool) -> Vec<Unmet> {
        let min_chars = if has_factor { self.min_chars_with_factor } else { self.min_chars };
        let text = password.expose();
        if text.len() > MAX_PASSWORD_BYTES {
            return vec![Unmet::TooLong { max_chars: self.max_chars }];
        }
        let mut unmet = Vec::new();
        let chars = text.chars().count();
        if chars < min_chars {
            unmet.push(Unmet::TooShort { min_chars });
        }
        if chars > self.max_chars {
            unmet.push(Unmet::TooLong { max_chars: self.max_chars });
        }
        unmet.extend(self.parts.iter().filter(|part| !occurs(part, text)).cloned());
        let folded = fold(text);
        let folded = folded.as_str();
        if self.blocked.contains(folded) || (!self.allows_common && is_common(folded)) {
            unmet.push(Unmet::Common);
        }
        if !self.allows_common && has_context(folded, context) {
            unmet.push(Unmet::Context);
        }
        unmet
    }
}

/// Whether a kind of character occurs; other rules are not about characters.
fn occurs(part: &Unmet, text: &str) -> bool {
    match part {
        Unmet::Digit => text.contains(|c: char| c.is_ascii_digit()),
        Unmet::Letter => text.contains(char::is_alphabetic),
        Unmet::Lower => text.contains(char::is_lowercase),
        Unmet::Special => text.contains(|c: char| !c.is_alphanumeric() && !c.is_whitespace() && !c.is_control()),
        Unmet::Upper => text.contains(char::is_uppercase),
        Unmet::Common | Unmet::Context | Unmet::TooLong { .. } | Unmet::TooShort { .. } | Unmet::Unchanged => true,
    }
}

fn has_context(folded: &str, context: &[&str]) -> bool {
    let words = context.iter().flat_map(|word| {
        // Of an address the part before the @ is enough.
        [Some(*word), word.split_once('@').map(|(local, _)| local)].into_iter().flatten()
    });
    words
        .chain(["cleargate"])
        .map(fold)
        .any(|word| word.as_str().chars().count() >= MIN_CONTEXT_CHARS && folded.contains(word.as_str()))
}

#[cfg(test)]
mod tests;
