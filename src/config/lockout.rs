//! `[lockout]`: what wrong passwords lead to.

use std::time::Duration;

use super::section::Section;

/// A named set of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockoutPreset {
    /// `balanced`, the default: ten attempts, one minute, longer with each further lock up to an hour; trying while
    /// locked does not prolong.
    Balanced,
    /// `clearvantage`: three attempts, thirty minutes, every attempt starts the time again.
    Clearvantage,
    /// `pci`: ten attempts, thirty minutes, which nothing prolongs.
    Pci,
}

/// `[lockout]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lockout {
    /// Where the numbers come from that are not given.
    pub preset: LockoutPreset,
    /// How many wrong passwords in a row lock the account, 1 to 100.
    pub attempts: u32,
    /// `for`: how long a lock lasts, 1 s to 30 d.
    pub lasts: Duration,
    /// Whether an attempt while locked starts the time again.
    pub extend_on_attempt: bool,
    /// Whether attempts from browsers that an account knows are counted apart from strangers'; default yes, no for
    /// `clearvantage`.
    pub knows_devices: bool,
}

impl LockoutPreset {
    /// Attempts, time, whether an attempt prolongs.
    const fn numbers(self) -> (u32, Duration, bool) {
        match self {
            // Short for whoever forgot, long for whoever guesses. No lock is longer for being tried.
            Self::Balanced => (10, Duration::from_secs(60), false),
            // The ClearVantage manual, word by word.
            Self::Clearvantage => (3, Duration::from_secs(1800), true),
            // PCI DSS 4.0 section 8.3.4.
            Self::Pci => (10, Duration::from_secs(1800), false),
        }
    }
}

impl LockoutPreset {
    /// Every preset by its name.
    pub const ALL: [(&'static str, Self); 3] =
        [("balanced", Self::Balanced), ("clearvantage", Self::Clearvantage), ("pci", Self::Pci)];

    /// The preset of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, preset)| *preset)
    }
}

impl Lockout {
    /// `preset` is the policy pack's, for where none is named.
    pub(super) fn resolve(section: &Section<'_>, preset: LockoutPreset) -> Self {
        const DAY: Duration = Duration::from_secs(86_400);
        let preset = section.choice("preset", preset, &LockoutPreset::ALL);
        let (attempts, lasts, extends) = preset.numbers();
        // NIST SP 800-63B-4 section 3.2.2: no more than a hundred consecutive failures.
        let lockout = Self {
            preset,
            attempts: section.between("attempts", attempts, 1, 100),
            lasts: section.between("for", lasts, Duration::from_secs(1), 30 * DAY),
            extend_on_attempt: section.or("extend_on_attempt", extends),
            knows_devices: section.choice(
                "known_devices",
                preset != LockoutPreset::Clearvantage,
                &[("apart", true), ("same", false)],
            ),
        };
        let is_exact =
            (lockout.attempts, lockout.lasts, lockout.extend_on_attempt) == preset.numbers() && !lockout.knows_devices;
        if preset == LockoutPreset::Clearvantage && !is_exact {
            section.warn("preset", "is not the manual's any more: a number beside it differs");
        }
        if preset == LockoutPreset::Pci && (lockout.attempts > 10 || lockout.lasts < preset.numbers().1) {
            section.warn("preset", "is not what PCI DSS asks for any more: a number beside it is laxer");
        }
        if lockout.extend_on_attempt && preset != LockoutPreset::Clearvantage {
            section.warn("extend_on_attempt", "lets anybody keep a person locked out by trying again and again");
        }
        lockout
    }
}
