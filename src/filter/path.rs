//! Names of attributes, and the paths of PATCH.

use std::str::FromStr;

use super::{Error, Filter, parse};

/// The name of an attribute: `userName`, `name.familyName`, `urn:…:User:manager.value` (RFC 7644 section 3.10).
///
/// The spelling is kept; compare with [`AttributePath::is`]. Whether `urn:…:User` names an extension itself or its
/// attribute `User` is for the schema to say: it parses as the latter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributePath {
    /// The schema's URN, without the colon that follows it.
    pub urn: Option<String>,
    /// The attribute.
    pub name: String,
    /// Its sub-attribute.
    pub sub: Option<String>,
}

impl AttributePath {
    /// The attribute `name` of no particular schema.
    pub fn new(name: &str) -> Self {
        Self { urn: None, name: name.to_owned(), sub: None }
    }

    /// The sub-attribute `sub` of this attribute.
    #[must_use]
    pub fn with_sub(&self, sub: &str) -> Self {
        Self { urn: self.urn.clone(), name: self.name.clone(), sub: Some(sub.to_owned()) }
    }

    /// Whether this is `name`, or with a dot `name.sub`, without regard to case and whatever the schema.
    pub fn is(&self, dotted: &str) -> bool {
        match (dotted.split_once('.'), &self.sub) {
            (None, None) => self.name.eq_ignore_ascii_case(dotted),
            (Some((name, wanted)), Some(sub)) => {
                self.name.eq_ignore_ascii_case(name) && sub.eq_ignore_ascii_case(wanted)
            }
            _ => false,
        }
    }
}

impl FromStr for AttributePath {
    type Err = Error;

    /// Exactly an attribute path; surrounding blanks are ignored.
    fn from_str(text: &str) -> Result<Self, Error> {
        parse::attribute(text)
    }
}

/// What a PATCH operation is about (RFC 7644 figure 7): `members`, `name.familyName`,
/// `addresses[type eq "work"].locality`.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// The attribute; its `sub` is never set.
    pub attribute: AttributePath,
    /// Which of its elements.
    pub filter: Option<Filter>,
    /// Which sub-attribute.
    pub sub: Option<String>,
}

impl FromStr for Path {
    type Err = Error;

    /// Exactly a path; surrounding blanks are ignored.
    fn from_str(text: &str) -> Result<Self, Error> {
        parse::path(text, parse::Quotes::Needed)
    }
}

impl Path {
    /// A path as provisioning clients write it: as [`Filter::lenient`] reads a filter.
    ///
    /// # Errors
    /// As for [`Path::from_str`].
    pub fn lenient(text: &str) -> Result<Self, Error> {
        parse::path(text, parse::Quotes::Spared)
    }
}
