//! What becomes of the roles that a rule gave at a sign-in, at the next one.

/// What a later sign-in makes of what a rule gave at an earlier one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keeping {
    /// Each sign-in gives what it says and takes what it says no more.
    #[default]
    Full,
    /// Each sign-in gives what it says and takes nothing.
    Additive,
    /// The sign-in that makes or first links the account gives; later ones neither give nor take.
    First,
}

/// Every way by its word.
pub const KEEPINGS: [(&str, Keeping); 3] =
    [("full", Keeping::Full), ("additive", Keeping::Additive), ("first", Keeping::First)];
