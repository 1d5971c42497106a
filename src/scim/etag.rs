//! Versions and conditional requests (RFC 7644 section 3.14, RFC 9110 section 13). A version is weak: it counts
//! changes of the record.

use http::{HeaderMap, HeaderName, header};

use super::Error;

/// The version of a record of this revision: `W/"7"`.
pub fn version(revision: u64) -> String {
    format!("W/\"{revision}\"")
}

/// The versions that a header names.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Versions {
    Any,
    /// Those that could be ours; others match nothing.
    These(Vec<u64>),
}

impl Versions {
    fn read(headers: &HeaderMap, name: HeaderName) -> Option<Self> {
        let mut values = headers.get_all(name).iter().peekable();
        values.peek()?;
        Some(Self::of_texts(values.map(|value| value.to_str().unwrap_or_default())))
    }

    fn of_texts<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let mut revisions = Vec::new();
        for tag in texts.flat_map(|text| text.split(',')).map(str::trim) {
            if tag == "*" {
                return Self::Any;
            }
            let inner = tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"').and_then(|t| t.strip_suffix('"'));
            revisions.extend(inner.and_then(|digits| digits.parse::<u64>().ok()));
        }
        Self::These(revisions)
    }

    fn names(&self, revision: u64) -> bool {
        match self {
            Self::Any => true,
            Self::These(revisions) => revisions.contains(&revision),
        }
    }
}

/// The conditions of one request.
#[derive(Clone, Debug)]
pub struct Conditions {
    matching: Option<Versions>,
    none_matching: Option<Versions>,
}

impl Conditions {
    /// Reads `If-Match` and `If-None-Match`. A version that is not of our form is one that nothing has.
    pub fn read(headers: &HeaderMap) -> Self {
        Self {
            matching: Versions::read(headers, header::IF_MATCH),
            none_matching: Versions::read(headers, header::IF_NONE_MATCH),
        }
    }

    /// `If-Match` as an operation of a bulk request says it, in its `version`.
    pub fn of_version(version: Option<&str>) -> Self {
        Self { matching: version.map(|text| Versions::of_texts(std::iter::once(text))), none_matching: None }
    }

    /// Whether a write depends on the current version, so that it has to be read first.
    pub fn are_empty(&self) -> bool {
        self.matching.is_none() && self.none_matching.is_none()
    }

    /// Whether a write may go ahead.
    ///
    /// # Errors
    /// `Precondition`.
    pub fn check_write(&self, revision: u64) -> Result<(), Error> {
        let is_expected = self.matching.as_ref().is_none_or(|versions| versions.names(revision));
        let is_excluded = self.none_matching.as_ref().is_some_and(|versions| versions.names(revision));
        if is_expected && !is_excluded { Ok(()) } else { Err(Error::Precondition) }
    }

    /// Whether a read is answered with the resource (`true`) or with 304.
    ///
    /// # Errors
    /// `Precondition` when `If-Match` names other versions.
    pub fn check_read(&self, revision: u64) -> Result<bool, Error> {
        if self.matching.as_ref().is_some_and(|versions| !versions.names(revision)) {
            return Err(Error::Precondition);
        }
        Ok(!self.none_matching.as_ref().is_some_and(|versions| versions.names(revision)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conditions(name: &'static str, values: &[&'static str]) -> Conditions {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, http::HeaderValue::from_static(value));
        }
        Conditions::read(&headers)
    }

    #[test]
    fn if_match_names_the_versions_that_may_be_changed() {
        for (values, may) in [
            (&["W/\"7\""][..], true),
            (&["\"7\""], true),
            (&["*"], true),
            (&["W/\"6\", W/\"7\""], true),
            (&["W/\"6\"", "W/\"7\""], true),
            (&[version(8).leak()], false),
            (&["7"], false),
            (&["W/7"], false),
            (&["W/\"x\""], false),
            (&[""], false),
            (&["W/\"7"], false),
        ] {
            assert_eq!(conditions("if-match", values).check_write(7).is_ok(), may, "{values:?}");
            assert_eq!(conditions("if-match", values).check_read(7).is_ok(), may, "{values:?}");
        }
        assert!(conditions("if-match", &[]).are_empty());
    }

    #[test]
    fn if_none_match_spares_an_answer_and_forbids_a_write() {
        assert!(matches!(conditions("if-none-match", &["W/\"7\""]).check_read(7), Ok(false)));
        assert!(matches!(conditions("if-none-match", &["W/\"6\""]).check_read(7), Ok(true)));
        assert!(matches!(conditions("if-none-match", &["*"]).check_write(7), Err(Error::Precondition)));
        assert!(conditions("if-none-match", &["W/\"6\""]).check_write(7).is_ok());
    }
}
