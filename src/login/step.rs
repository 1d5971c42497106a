//! Which step a sign-in still needs, pure: there is one order of steps, and a session only at its end.
//!
//! A factor comes before a new password: who found a password alone must not choose the next one of somebody who has a
//! second factor. A factor that is required and not there yet comes last, from who has proved all else.

/// A step between the proof of who somebody is and their session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A new password in place of one that was given away or is too old.
    ChangePassword,
    /// A second factor is set up: one is required, and there is none yet.
    Enrol,
    /// A second factor that is there is shown.
    Factor,
}

/// What an account must show, as it stands at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    /// The password that was shown must be changed.
    pub(super) must_change: bool,
    /// There is a second factor, and it was not shown yet.
    pub(super) has_factor: bool,
    /// A second factor is required, and there is none.
    pub(super) must_enrol: bool,
}

/// The next step, `None` when nothing is left to show.
pub(super) fn next(needs: Needs) -> Option<Step> {
    let steps =
        [(needs.has_factor, Step::Factor), (needs.must_change, Step::ChangePassword), (needs.must_enrol, Step::Enrol)];
    steps.into_iter().find_map(|(is_due, step)| is_due.then_some(step))
}

impl Step {
    /// The address of its page.
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::ChangePassword => "/login/change-password",
            Self::Enrol => "/login/enrol",
            Self::Factor => "/login/factor",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_session_only_when_nothing_is_needed_and_the_factor_comes_before_the_password() {
        for bits in 0..8 {
            let (must_change, has_factor, must_enrol) = (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0);
            let due = next(Needs { must_change, has_factor, must_enrol });
            assert_eq!(due.is_none(), bits == 0);
            assert_eq!(due == Some(Step::Factor), has_factor);
            assert_eq!(due == Some(Step::ChangePassword), must_change && !has_factor);
        }
    }
}
