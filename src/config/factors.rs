//! `[factors]`: who must have a second factor.

use super::section::Section;

/// `[factors]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Factors {
    /// Whether everybody must have one; default no. Who has none sets it up at the next sign-in.
    pub required: bool,
}

impl Factors {
    pub(super) fn resolve(section: &Section<'_>) -> Self {
        Self { required: section.or("required", false) }
    }
}

/// `factors` of a connector: whether a second factor that it asks for itself is enough.
pub(super) fn trusts(section: &Section<'_>) -> bool {
    section.choice("factors", false, &[("ours", false), ("trusted", true)])
}
