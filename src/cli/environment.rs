//! The only place that reads the environment: paths and the log filter, never a secret.

/// The variable's text, when it is set and not empty.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub(super) fn read(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}
