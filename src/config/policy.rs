//! `[policy]`: which roles and permissions there are.

use std::path::PathBuf;

use serde::Deserialize;

use super::lockout::LockoutPreset;
use super::password::PasswordPreset;
use super::section::Section;

/// Where roles and permissions come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pack {
    /// `clearpoint-strategy`, the default.
    ClearpointStrategy,
    /// `clearpoint-systems`.
    ClearpointSystems,
    /// `clearvantage`.
    Clearvantage,
    /// A pack of one's own: the path of its file.
    File(PathBuf),
}

/// A variant of the pack that was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackOption {
    /// The option, as written.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Where it is written: `cleargate.toml:31`.
    pub position: String,
}

/// `[policy]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The pack in force.
    pub pack: Pack,
    /// `[policy.options]`. Which there are, the pack says: they are checked when it is opened.
    pub options: Vec<PackOption>,
}

/// The part of a pack's file that other sections take defaults from.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Presets {
    password: Option<String>,
    lockout: Option<String>,
}

/// A pack's file, read for its presets only; whoever opens the pack tells what is wrong with it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Head {
    presets: Presets,
}

impl Pack {
    /// What `[password]` and `[lockout]` take their defaults from where they name no preset of their own.
    pub(super) fn presets(&self) -> (PasswordPreset, LockoutPreset) {
        let (password, lockout) = (PasswordPreset::Nist63b4, LockoutPreset::Balanced);
        match self {
            Self::ClearpointStrategy | Self::ClearpointSystems => (password, lockout),
            Self::Clearvantage => (PasswordPreset::Clearvantage, LockoutPreset::Clearvantage),
            Self::File(path) => {
                let text = std::fs::read_to_string(path).unwrap_or_default();
                let Head { presets } = toml::from_str(&text).unwrap_or_default();
                let named = presets.password.as_deref().and_then(PasswordPreset::named);
                let locks = presets.lockout.as_deref().and_then(LockoutPreset::named);
                (named.unwrap_or(password), locks.unwrap_or(lockout))
            }
        }
    }
}

impl Policy {
    pub(super) fn resolve(section: &Section<'_>) -> Self {
        const PACKS: [&str; 3] = ["clearpoint-strategy", "clearpoint-systems", "clearvantage"];
        // The pack with the plainest roles; the other two are chosen by whoever has read their manual.
        let name = section.or("pack", "clearpoint-strategy".to_owned());
        let pack = match name.as_str() {
            "clearpoint-strategy" => Pack::ClearpointStrategy,
            "clearpoint-systems" => Pack::ClearpointSystems,
            "clearvantage" => Pack::Clearvantage,
            path if path.contains('/') => {
                section.file("pack");
                Pack::File(section.reader.file.folder.join(path))
            }
            word => {
                section.word::<()>("pack", word, &PACKS.map(|pack| (pack, ())));
                Pack::ClearpointStrategy
            }
        };
        let option = |(name, value, position)| PackOption { name, value, position };
        Self { pack, options: section.words("options").into_iter().map(option).collect() }
    }
}
