//! Versions and conditional requests (RFC 7644 section 3.14, RFC 9110 section 13). A version is weak: it counts
//! changes of the record. What an answer shows besides, a user's groups, is marked behind the count.

use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;

use http::{HeaderMap, HeaderName, header};

use super::Error;
use crate::model::Group;

/// The version of a picture of a record: its revision, and what is shown with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    revision: u64,
    mark: Option<u64>,
}

impl Version {
    /// The version of a record that is shown by itself.
    pub fn new(revision: u64) -> Self {
        Self { revision, mark: None }
    }

    /// The same of a user who is shown with these groups. Who is in none has the version of the record.
    pub fn with_groups(self, groups: &[Arc<Group>]) -> Self {
        if groups.is_empty() {
            return self;
        }
        let mut hasher = DefaultHasher::new();
        for group in groups {
            hasher.write(group.id.as_bytes());
            hasher.write(group.name.as_str().as_bytes());
            hasher.write_u8(0xff);
        }
        Self { mark: Some(hasher.finish()), ..self }
    }

    fn parse(text: &str) -> Option<Self> {
        let (revision, mark) = match text.split_once('-') {
            Some((revision, mark)) => (revision, Some(u64::from_str_radix(mark, 16).ok()?)),
            None => (text, None),
        };
        Some(Self { revision: revision.parse().ok()?, mark })
    }
}

/// `W/"7"`, or `W/"7-90af3bc105d2e846"` where something is shown besides.
impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.mark {
            None => write!(f, "W/\"{}\"", self.revision),
            Some(mark) => write!(f, "W/\"{}-{mark:016x}\"", self.revision),
        }
    }
}

/// The versions that a header names.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Versions {
    Any,
    /// Those that could be ours; others match nothing.
    These(Vec<Version>),
}

impl Versions {
    fn read(headers: &HeaderMap, name: HeaderName) -> Option<Self> {
        let mut values = headers.get_all(name).iter().peekable();
        values.peek()?;
        Some(Self::of_texts(values.map(|value| value.to_str().unwrap_or_default())))
    }

    fn of_texts<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let mut versions = Vec::new();
        for tag in texts.flat_map(|text| text.split(',')).map(str::trim) {
            if tag == "*" {
                return Self::Any;
            }
            let inner = tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"').and_then(|t| t.strip_suffix('"'));
            versions.extend(inner.and_then(Version::parse));
        }
        Self::These(versions)
    }

    /// Whether a version of the record itself is named, whatever it was shown with.
    fn names(&self, revision: u64) -> bool {
        match self {
            Self::Any => true,
            Self::These(versions) => versions.iter().any(|version| version.revision == revision),
        }
    }

    fn names_picture(&self, version: Version) -> bool {
        match self {
            Self::Any => true,
            Self::These(versions) => versions.contains(&version),
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

    /// Whether a read may be answered with the resource.
    ///
    /// # Errors
    /// `Precondition` when `If-Match` names other versions.
    pub fn check_read(&self, revision: u64) -> Result<(), Error> {
        match &self.matching {
            Some(versions) if !versions.names(revision) => Err(Error::Precondition),
            _ => Ok(()),
        }
    }

    /// Whether whoever reads has this picture already, so that the answer is 304.
    pub fn know(&self, version: Version) -> bool {
        self.none_matching.as_ref().is_some_and(|versions| versions.names_picture(version))
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
            (&["W/\"7-00000000000000ab\""], true),
            (&["W/\"8\""], false),
            (&["W/\"7-\""], false),
            (&["W/\"7-x\""], false),
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
        let (plain, shown) = (Version::new(7), Version { revision: 7, mark: Some(0xab) });
        for (value, knows_plain, knows_shown) in [
            ("W/\"7\"", true, false),
            ("W/\"6\"", false, false),
            ("W/\"7-00000000000000ab\"", false, true),
            ("W/\"7-00000000000000ac\"", false, false),
            ("*", true, true),
        ] {
            let conditions = conditions("if-none-match", &[value]);
            assert_eq!((conditions.know(plain), conditions.know(shown)), (knows_plain, knows_shown), "{value}");
        }
        assert_eq!(shown.to_string(), "W/\"7-00000000000000ab\"");
        assert!(matches!(conditions("if-none-match", &["*"]).check_write(7), Err(Error::Precondition)));
        assert!(conditions("if-none-match", &["W/\"6\""]).check_write(7).is_ok());
    }
}
