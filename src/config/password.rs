//! `[password]`: what a password must be and how it is hashed.

use std::path::PathBuf;
use std::time::Duration;

use super::form::{parse_duration, render_duration};
use super::section::{Section, Size};

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
    /// Memory in bytes, 19 MiB to 1 GiB, by default 19 MiB. Times the passes it is at least 38 MiB.
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
    /// Least length for who has a second factor, 8 to `min_length`.
    pub min_length_with_factor: u32,
    /// Greatest length in code points, 64 to 1024; default 256, or the preset's 128.
    pub max_length: u32,
    /// Classes that must each appear.
    pub requires: Vec<CharacterClass>,
    /// Whether common passwords and words of the context are refused.
    pub refuse_common: bool,
    /// One refused password a line, in addition.
    pub blocklist: Option<PathBuf>,
    /// After which time a password must be changed; `None` is never.
    pub expires: Option<Duration>,
    /// Whether it must be changed by who has a second factor, too.
    pub expires_with_factor: bool,
    /// Cost of a check.
    pub hashing: Hashing,
}

/// What a preset says.
struct Rules {
    min_length: u32,
    max_length: u32,
    requires: &'static [CharacterClass],
    expires: Option<Duration>,
}

impl PasswordPreset {
    const fn rules(self) -> Rules {
        use CharacterClass::{Digit, Letter, Lower, Special, Upper};
        match self {
            Self::Asvs5L2 => Rules { min_length: 8, max_length: 256, requires: &[], expires: None },
            Self::Clearvantage => {
                Rules { min_length: 12, max_length: 128, requires: &[Upper, Lower, Digit, Special], expires: None }
            }
            Self::Nist63b4 => Rules { min_length: 15, max_length: 256, requires: &[], expires: None },
            Self::Pci => {
                let expires = Some(Duration::from_secs(90 * 86_400));
                Rules { min_length: 12, max_length: 256, requires: &[Letter, Digit], expires }
            }
        }
    }
}

impl PasswordPreset {
    /// Every preset by its name.
    pub const ALL: [(&'static str, Self); 4] = [
        ("asvs5-l2", Self::Asvs5L2),
        ("clearvantage", Self::Clearvantage),
        ("nist-63b-4", Self::Nist63b4),
        ("pci", Self::Pci),
    ];

    /// The preset of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, preset)| *preset)
    }
}

impl Password {
    /// `preset` is the policy pack's, for where none is named.
    pub(super) fn resolve(section: &Section<'_>, preset: PasswordPreset) -> Self {
        let preset = section.choice("preset", preset, &PasswordPreset::ALL);
        let rules = preset.rules();
        let max_length = section.between("max_length", rules.max_length, 64, 1024);
        let min_length = section.between("min_length", rules.min_length, 8, max_length);
        let with_factor = if preset == PasswordPreset::Nist63b4 { 8 } else { min_length };
        let password = Self {
            preset,
            min_length,
            min_length_with_factor: section.between("min_length_with_factor", with_factor, 8, min_length),
            max_length,
            requires: classes(section, rules.requires),
            refuse_common: section.or("refuse_common", true),
            blocklist: section.file("blocklist"),
            expires: expires(section, rules.expires),
            // PCI DSS 4.0 section 8.3.9 is about passwords that are the only factor.
            expires_with_factor: preset != PasswordPreset::Pci,
            hashing: Hashing::resolve(&section.table("hashing")),
        };
        password.warn(section);
        password
    }

    fn warn(&self, section: &Section<'_>) {
        let rules = self.preset.rules();
        if self.min_length < rules.min_length {
            section.warn("min_length", &format!("is below the {} of the preset", rules.min_length));
        }
        if self.requires != rules.requires {
            section.warn("requires", "differs from the preset, whose standard it then does not meet");
        }
        if !self.refuse_common {
            section.warn("refuse_common", "leaves the most guessed passwords open");
        }
    }
}

fn classes(section: &Section<'_>, default: &[CharacterClass]) -> Vec<CharacterClass> {
    let words = [
        ("digit", CharacterClass::Digit),
        ("letter", CharacterClass::Letter),
        ("lower", CharacterClass::Lower),
        ("special", CharacterClass::Special),
        ("upper", CharacterClass::Upper),
    ];
    let word =
        |class: &CharacterClass| words.iter().find(|(_, value)| value == class).map(|(word, _)| (*word).to_owned());
    let asked: Vec<String> = section.list("requires", default.iter().filter_map(word).collect());
    asked.iter().filter_map(|asked| section.word("requires", asked, &words)).collect()
}

fn expires(section: &Section<'_>, default: Option<Duration>) -> Option<Duration> {
    let never = "never".to_owned();
    let text = section.or("expires", default.map_or(never, render_duration));
    match (text.as_str(), parse_duration(&text)) {
        ("never", _) => None,
        (_, Some(time)) if time >= Duration::from_secs(86_400) => Some(time),
        _ => {
            section.error("expires", "must be \"never\" or a duration of at least \"1d\", such as \"90d\"", None);
            default
        }
    }
}

/// Least memory times passes, in MiB.
const FLOOR_MIB: u64 = 38;

impl Hashing {
    fn resolve(section: &Section<'_>) -> Self {
        const MIB: u64 = 1 << 20;
        let memory = section.between("memory", Size(19 * MIB), Size(19 * MIB), Size(1024 * MIB));
        let passes = section.between("passes", 2, 1, 16);
        // OWASP's floor for Argon2id, 19 MiB twice; one pass needs as much work by memory.
        if memory.0.saturating_mul(u64::from(passes)) < FLOOR_MIB * MIB {
            let reason = format!("times `passes` must be {FLOOR_MIB} MiB or more: one pass needs \"{FLOOR_MIB}MiB\"");
            section.error("memory", &reason, None);
        }
        Self { memory_bytes: memory.0, passes, lanes: section.between("lanes", 1, 1, 16) }
    }
}
