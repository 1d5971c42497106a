//! Which step a sign-in still needs, pure: there is one order of steps, and a session only at its end.
//!
//! A factor comes before a new password: who found a password alone must not choose the next one of somebody who has a
//! second factor. A factor that is required and not there yet comes last, from who has proved all else.

/// A step between the proof of who somebody is and their session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A new password in place of one that was given away or is too old.
    ChangePassword,
}

/// What an account must show, as it stands at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    /// The password that was shown must be changed.
    pub(super) must_change: bool,
}

/// The next step, `None` when nothing is left to show.
pub(super) fn next(needs: Needs) -> Option<Step> {
    needs.must_change.then_some(Step::ChangePassword)
}

impl Step {
    /// The address of its page.
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::ChangePassword => "/login/change-password",
        }
    }
}
