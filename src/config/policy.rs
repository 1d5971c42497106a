//! `[policy]`: which roles and permissions there are.

use std::path::PathBuf;

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
