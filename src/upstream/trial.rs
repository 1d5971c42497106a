//! Trying a provider, or an answer of it, without signing anybody in: what is looked at, and how it stands.
//!
//! A trial gives a [`TriedIdentity`], which is no [`AssertedIdentity`]: sign-in takes only the latter, and there is no way
//! from the one to the other.

use serde_json::{Map, Value};

use super::{AssertedIdentity, Error};
use crate::clock::Timestamp;
use crate::model::is_unseen;

/// How something stands that was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Good.
    Passed,
    /// It works, and deserves a look.
    Doubtful,
    /// It keeps people from signing in, or the answer from being taken.
    Failed,
    /// It was not looked at, because something before it failed.
    Open,
}

impl Verdict {
    /// The word in answers: `ok`, `warning`, `failed`, `open`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passed => "ok",
            Self::Doubtful => "warning",
            Self::Failed => "failed",
            Self::Open => "open",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What, a stable word: `signature`, `clock`.
    pub what: &'static str,
    /// How it stands.
    pub verdict: Verdict,
    /// What was found, or what to do; may quote the provider.
    pub told: String,
}

/// What was looked at, in order.
#[derive(Clone, Debug, Default)]
pub struct Checks(Vec<Check>);

impl Checks {
    /// Adds one that is good.
    pub fn pass(&mut self, what: &'static str, told: impl Into<String>) {
        self.add(what, Verdict::Passed, told);
    }

    /// Adds one that deserves a look.
    pub fn doubt(&mut self, what: &'static str, told: impl Into<String>) {
        self.add(what, Verdict::Doubtful, told);
    }

    /// Adds one that failed.
    pub fn fail(&mut self, what: &'static str, told: impl Into<String>) {
        self.add(what, Verdict::Failed, told);
    }

    /// Adds those that were not come to.
    pub fn leave_open(&mut self, what: &[&'static str]) {
        what.iter().for_each(|what| self.add(what, Verdict::Open, ""));
    }

    /// Adds one by whether it is good.
    pub fn judge(&mut self, what: &'static str, outcome: Result<String, String>) -> bool {
        match outcome {
            Ok(told) => {
                self.pass(what, told);
                true
            }
            Err(told) => {
                self.fail(what, told);
                false
            }
        }
    }

    /// Adds the end of a certificate.
    pub fn certificate(&mut self, told: &str, expires: Timestamp, now: Timestamp) {
        if expires <= now {
            // It carries a key, no more: signatures by it are still taken.
            self.doubt("certificates", format!("{told} ended at {expires}"));
        } else {
            let days = expires.since(now).as_secs() / (24 * 60 * 60);
            let verdict = if expires <= now.plus(super::WARNING) { Verdict::Doubtful } else { Verdict::Passed };
            self.add("certificates", verdict, format!("{told} ends in {days} days"));
        }
    }

    fn add(&mut self, what: &'static str, verdict: Verdict, told: impl Into<String>) {
        self.0.push(Check { what, verdict, told: told.into() });
    }

    /// Adds all of another list.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether none failed.
    pub fn is_good(&self) -> bool {
        self.0.iter().all(|check| check.verdict != Verdict::Failed)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Check> {
        self.0.iter()
    }
}

/// A stage of reading an answer.
pub(super) struct Stage {
    /// Its word.
    pub(super) what: &'static str,
    /// The rules that refuse there. One of several stages belongs to the one that may come first.
    pub(super) rules: &'static [&'static str],
    /// The stages that were passed whenever one of these rules refuses.
    pub(super) after: &'static [&'static str],
}

/// How the stages of an answer stand, by the rule that refused it: good are those that were certainly passed by then.
pub(super) fn judged(stages: &[Stage], outcome: Result<(), &Error>) -> Checks {
    let mut checks = Checks::default();
    let Err(error) = outcome else {
        stages.iter().for_each(|stage| checks.pass(stage.what, ""));
        return checks;
    };
    let (rule, told) = match error {
        Error::Declined { reason } => ("declined", reason.clone()),
        Error::Refused { rule, reason } => (*rule, format!("{rule}: {reason}")),
        Error::Unavailable { reason } | Error::Unanswered { reason } => ("unavailable", reason.clone()),
        Error::Busy => ("unavailable", error.to_string()),
    };
    let Some(failed) = stages.iter().find(|stage| stage.rules.contains(&rule)).or(stages.first()) else {
        return checks;
    };
    for stage in stages {
        if stage.what == failed.what {
            checks.fail(stage.what, told.clone());
        } else if failed.after.contains(&stage.what) {
            checks.pass(stage.what, "");
        } else {
            checks.leave_open(&[stage.what]);
        }
    }
    checks
}

/// Who an answer that was tried speaks of.
#[derive(Debug)]
pub struct TriedIdentity(AssertedIdentity);

impl TriedIdentity {
    /// The identity for looking only.
    pub(super) fn new(identity: AssertedIdentity) -> Self {
        Self(identity)
    }

    /// What it says, to be looked up and shown.
    pub(crate) fn said(&self) -> &AssertedIdentity {
        &self.0
    }

    /// The login name by the connector's rule.
    pub fn user_name(&self) -> &str {
        self.0.user_name()
    }

    /// What mapping rules see.
    pub fn facts(&self) -> Map<String, Value> {
        self.0.facts()
    }

    /// What was received, by name: `subject`, `email`, …, and then each attribute or claim by its own. Values are shortened,
    /// unless they are wanted whole; the login name and groups, which mapping rules go by, are as they came.
    pub fn rows(&self, whole: bool) -> Rows {
        let said = &self.0;
        let text = |value: &str| if whole { printable(value, MAX_SHOWN) } else { shortened(value) };
        let mut known = vec![("subject", text(said.subject())), ("user_name", printable(said.user_name(), MAX_SHOWN))];
        known.extend(said.email().map(|email| ("email", text(email))));
        known.extend(said.email().map(|_| ("email_verified", said.email_is_verified().to_string())));
        known.extend(said.display_name().map(|name| ("display_name", text(name))));
        let groups: Vec<String> = said.groups().iter().map(|group| printable(group, MAX_SHOWN)).collect();
        known.push(("groups", some(&groups)));
        let attributes = said.attributes().iter().take(MAX_VALUES);
        let row = |(name, values): (&String, &Vec<String>)| {
            let values: Vec<String> = values.iter().map(|value| text(value)).collect();
            (printable(name, MAX_SHOWN), some(&values))
        };
        Rows { known, attributes: attributes.map(row).collect() }
    }
}

/// What was received, as it is shown.
#[derive(Clone, Debug)]
pub struct Rows {
    /// What every provider says, by our names.
    pub known: Vec<(&'static str, String)>,
    /// The rest, by the provider's.
    pub attributes: Vec<(String, String)>,
}

/// Longest value that is shown, in characters.
const MAX_SHOWN: usize = 200;
/// Most values and attributes that are shown.
const MAX_VALUES: usize = 100;

/// The first values of a list, and how many more there are.
fn some(values: &[String]) -> String {
    let shown = values.iter().take(MAX_VALUES).map(String::as_str).collect::<Vec<_>>().join(", ");
    match values.len().checked_sub(MAX_VALUES) {
        None | Some(0) => shown,
        Some(more) => format!("{shown}, … ({more} more)"),
    }
}

/// A text without what does not show or turns the direction of writing, cut.
fn printable(text: &str, most: usize) -> String {
    let mut shown: String = text.chars().take(most).map(|c| if is_unseen(c) { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(most).is_some() {
        shown.push('…');
    }
    shown
}

/// A value of which enough is left to know it again: two characters, the domain of an address, and its length.
fn shortened(value: &str) -> String {
    let length = value.chars().count();
    if length <= 4 {
        return "…".to_owned();
    }
    let head: String = value.chars().take(2).collect();
    let tail = match value.rsplit_once('@') {
        Some((local, domain)) if local.chars().count() > 2 => format!("…@{}", printable(domain, 60)),
        _ => format!("… ({length})"),
    };
    format!("{}{tail}", printable(&head, 2))
}

/// What came of trying an answer.
#[derive(Debug)]
pub struct Trial {
    /// How each check stands.
    pub checks: Checks,
    /// Who it speaks of, where that could be read.
    pub identity: Option<TriedIdentity>,
}

/// Names of facts that have one meaning for all connectors; what a provider sends under them is read by the connector.
const COMMON_FACTS: [&str; 4] = ["displayName", "email", "groups", "userName"];

impl AssertedIdentity {
    /// What a connector's rules see. An address is a fact only where it is verified: anybody can write one into a profile.
    pub fn facts(&self) -> Map<String, Value> {
        let is_common = |name: &str| COMMON_FACTS.iter().any(|common| common.eq_ignore_ascii_case(name));
        let sent = self.attributes.iter().filter(|(name, _)| !is_common(name));
        let mut facts: Map<String, Value> = sent.map(|(name, values)| (name.clone(), values.clone().into())).collect();
        facts.insert("userName".to_owned(), self.user_name.as_str().into());
        facts.insert("groups".to_owned(), self.groups.clone().into());
        if let Some(email) = self.email.as_deref().filter(|_| self.email_is_verified) {
            facts.insert("email".to_owned(), email.into());
        }
        if let Some(name) = &self.display_name {
            facts.insert("displayName".to_owned(), name.as_str().into());
        }
        facts
    }
}

/// How far the clock of who answered is off, by its `Date` (RFC 9110 section 6.6.1).
pub(super) fn check_clock(checks: &mut Checks, headers: &http::HeaderMap, now: Timestamp, skew: std::time::Duration) {
    let date = headers.get(http::header::DATE).and_then(|value| value.to_str().ok());
    let Some(theirs) = date.and_then(Timestamp::from_http_date) else {
        checks.doubt("clock", "the answer says no time, so clocks cannot be compared");
        return;
    };
    let (off, side) = match theirs >= now {
        true => (theirs.since(now), "ahead of"),
        false => (now.since(theirs), "behind"),
    };
    let told = format!("{} s {side} ours, and {} s are allowed", off.as_secs(), skew.as_secs());
    // `Date` has whole seconds, and the answer took its time.
    match off.as_secs() <= skew.as_secs().max(2) {
        true => checks.pass("clock", told),
        false => checks.fail("clock", told),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAGES: [Stage; 4] = [
        Stage { what: "form", rules: &["size", "shape"], after: &[] },
        Stage { what: "signature", rules: &["signature"], after: &["form"] },
        Stage { what: "time", rules: &["time"], after: &["form"] },
        Stage { what: "groups", rules: &["groups"], after: &["form", "signature", "time"] },
    ];

    fn verdicts(outcome: Result<(), &Error>) -> Vec<Verdict> {
        judged(&STAGES, outcome).iter().map(|check| check.verdict).collect()
    }

    #[test]
    fn nothing_is_called_good_that_was_not_certainly_passed() {
        use Verdict::{Failed, Open, Passed};
        let refused = |rule| Error::Refused { rule, reason: "because".to_owned() };
        assert_eq!(verdicts(Ok(())), [Passed; 4]);
        assert_eq!(verdicts(Err(&refused("signature"))), [Passed, Failed, Open, Open]);
        assert_eq!(verdicts(Err(&refused("time"))), [Passed, Open, Failed, Open], "it may come before the signature");
        assert_eq!(verdicts(Err(&refused("groups"))), [Passed, Passed, Passed, Failed]);
        assert_eq!(verdicts(Err(&refused("of nobody"))), [Failed, Open, Open, Open]);
        assert_eq!(verdicts(Err(&Error::Unavailable { reason: String::new() })), [Failed, Open, Open, Open]);
    }

    #[test]
    fn a_shortened_value_tells_its_head_and_its_domain_and_nothing_that_steers() {
        for (value, shown) in [
            ("ada.lovelace@example.org", "ad…@example.org"),
            ("Lovelace", "Lo… (8)"),
            ("yes", "…"),
            ("a@bcd", "a@… (5)"),
            ("\u{202e}\u{1b}[2Jx", "\u{fffd}\u{fffd}… (6)"),
        ] {
            assert_eq!(shortened(value), shown, "{value:?}");
        }
    }

    #[test]
    fn a_clock_that_is_off_by_more_than_is_allowed_fails() {
        let (now, minute) = (Timestamp::from_seconds(784_111_777), std::time::Duration::from_secs(60));
        for (date, verdict) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Verdict::Passed),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Verdict::Passed),
            ("Sun, 06 Nov 1994 08:50:39 GMT", Verdict::Failed),
            ("Sun, 06 Nov 1994 08:48:00 GMT", Verdict::Failed),
            ("yesterday", Verdict::Doubtful),
        ] {
            let mut headers = http::HeaderMap::new();
            headers.insert(http::header::DATE, date.parse().unwrap());
            let mut checks = Checks::default();
            check_clock(&mut checks, &headers, now, minute);
            assert_eq!(checks.iter().next().unwrap().verdict, verdict, "{date}");
        }
    }
}
