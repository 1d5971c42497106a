//! A list of checks that is played to its end, so that a failure names every one that does not hold, and none is lost
//! from the list unseen.

use serde_json::Value;

/// How a list of checks stands.
#[derive(Default)]
pub struct Score {
    played: usize,
    failed: Vec<String>,
}

impl Score {
    /// One check. `seen` is what it was about, shown when it does not hold.
    pub fn check(&mut self, rule: &str, holds: bool, seen: impl std::fmt::Debug) {
        self.played += 1;
        if !holds {
            self.failed.push(format!("{rule}: {seen:?}"));
        }
    }

    /// The value is there, and not blank.
    pub fn is_there(&mut self, rule: &str, value: &Value) {
        let is_blank = value.is_null() || *value == "" || *value == Value::Array(Vec::new());
        self.check(rule, !is_blank, value);
    }

    /// The values are the same.
    pub fn equal<T: PartialEq<U> + std::fmt::Debug, U: std::fmt::Debug>(&mut self, rule: &str, seen: T, expected: U) {
        self.check(rule, seen == expected, (&seen, &expected));
    }

    /// Fails when a check did not hold, or when another number of them was played.
    #[track_caller]
    pub fn finish(self, checks: usize) {
        assert!(self.failed.is_empty(), "{} of {}:\n{}", self.failed.len(), self.played, self.failed.join("\n"));
        assert_eq!(self.played, checks, "checks that were played");
    }
}
