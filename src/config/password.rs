//! `[password]`: what a password must be and how it is hashed.

use std::path::PathBuf;
use std::time::Duration;

/// A named set of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordPreset {
    /// `asvs5-l2`: OWASP ASVS 5.0 level 2.
    Asvs5L2,
    /// `clearvantage`: 12 characters of four classes.
    Clearvantage,
    /// `nist-63b-4`, the default: NIST SP 800-63B-4.
    Nist63b4,
    /// `pci`: PCI DSS 4.0.
    Pci,
}

/// Characters of which a password must have at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CharacterClass {
    /// `digit`.
    Digit,
    /// `letter`, of either case.
    Letter,
    /// `lower`.
    Lower,
    /// `special`: neither letter nor digit.
    Special,
    /// `upper`.
    Upper,
}

/// Cost of Argon2id (RFC 9106).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hashing {
    /// Memory in bytes, at least and by default 19 MiB, at most 1 GiB.
    pub memory_bytes: u64,
    /// Passes, 1 to 16; default 2.
    pub passes: u32,
    /// Lanes, 1 to 16; default 1.
    pub lanes: u32,
}

/// `[password]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Password {
    /// Where the rules come from that are not given.
    pub preset: PasswordPreset,
    /// Least length in code points, 8 to `max_length`.
    pub min_length: u32,
    /// Greatest length in code points, 64 to 1024; default 128.
    pub max_length: u32,
    /// Classes that must each appear.
    pub requires: Vec<CharacterClass>,
    /// Whether common passwords and words of the context are refused.
    pub refuse_common: bool,
    /// One refused password a line, in addition.
    pub blocklist: Option<PathBuf>,
    /// After which time a password must be changed; `None` is never.
    pub expires: Option<Duration>,
    /// Cost of a check.
    pub hashing: Hashing,
}
