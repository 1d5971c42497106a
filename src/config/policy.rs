//! `[policy]`: which roles and permissions there are.

use std::path::PathBuf;

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

/// `[policy]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The pack in force.
    pub pack: Pack,
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
        Self { pack }
    }
}
