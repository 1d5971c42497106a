//! Search filters (RFC 4515) as a tree. What people type at sign-in is a value in it, never a part of its text; only an
//! administrator's own filter is taken over as written.

use std::fmt;

use super::{Error, client};

/// A filter. Attribute names are written in the program, values may be anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// All of them.
    And(Vec<Filter>),
    /// The attribute has this value, by the server's rule of comparison.
    Equal(&'static str, String),
    /// None of it.
    Not(Box<Filter>),
    /// One of them.
    Or(Vec<Filter>),
    /// The attribute has a value.
    Present(&'static str),
    /// As an administrator wrote it.
    Written(Written),
}

/// A filter that an administrator wrote, checked to be one whole filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written(String);

impl Filter {
    /// Entries of one of these object classes.
    pub fn any_class(classes: &[&'static str]) -> Self {
        Self::Or(classes.iter().map(|class| Self::Equal("objectClass", (*class).to_owned())).collect())
    }

    /// A filter as an administrator writes it in the configuration. Never to be called with what others say.
    ///
    /// # Errors
    /// `Invalid` when it is not exactly one filter.
    pub fn written(text: &str) -> Result<Self, Error> {
        if client::is_filter(text) {
            return Ok(Self::Written(Written(text.to_owned())));
        }
        Err(Error::Invalid { field: "filter", reason: format!("is no filter such as (objectClass=person): {text}") })
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(parts) => list(f, '&', parts),
            Self::Equal(attribute, value) => {
                write!(f, "({attribute}=")?;
                escape(f, value)?;
                f.write_str(")")
            }
            Self::Not(part) => write!(f, "(!{part})"),
            Self::Or(parts) => list(f, '|', parts),
            Self::Present(attribute) => write!(f, "({attribute}=*)"),
            Self::Written(written) => f.write_str(&written.0),
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, sign: char, parts: &[Filter]) -> fmt::Result {
    write!(f, "({sign}")?;
    parts.iter().try_for_each(|part| write!(f, "{part}"))?;
    f.write_str(")")
}

/// RFC 4515 section 3, more than it asks for: every byte that is not a letter, a digit or plainly harmless.
fn escape(f: &mut fmt::Formatter<'_>, value: &str) -> fmt::Result {
    value.bytes().try_for_each(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b' ' | b'-' | b'_' | b'.' | b'@' => write!(f, "{}", char::from(byte)),
        _ => write!(f, "\\{byte:02x}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_print_in_string_form() {
        let filter = Filter::And(vec![
            Filter::any_class(&["person", "inetOrgPerson"]),
            Filter::Equal("uid", "ada.l-1@x_y".into()),
            Filter::Not(Box::new(Filter::Present("nsAccountLock"))),
        ]);
        assert_eq!(
            filter.to_string(),
            "(&(|(objectClass=person)(objectClass=inetOrgPerson))(uid=ada.l-1@x_y)(!(nsAccountLock=*)))"
        );
    }

    #[test]
    fn a_written_filter_is_one_whole_filter() {
        for text in ["(uid=*)", "(&(objectClass=person)(!(ou=x)))"] {
            assert_eq!(Filter::written(text).unwrap().to_string(), text);
        }
        for text in ["", "uid=*", "(uid=*", "(a=b)(c=d)", "(a=b))", "(&)x"] {
            assert!(Filter::written(text).is_err(), "{text}");
        }
    }

    #[test]
    fn no_value_can_end_its_assertion() {
        for (value, printed) in [
            ("*", r"(uid=\2a)"),
            ("a)(uid=*", r"(uid=a\29\28uid\3d\2a)"),
            ("a\\2a", r"(uid=a\5c2a)"),
            ("a\0b", r"(uid=a\00b)"),
            ("ü", r"(uid=\c3\bc)"),
        ] {
            assert_eq!(Filter::Equal("uid", value.into()).to_string(), printed);
        }
    }
}
