//! Values by form: text to type, with what was expected when it is not that.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::super::document::{Node, Value};
use super::super::form::{
    Domain, HostPort, MailRoute, Percent, Quota, parse_duration, parse_size, render_duration, render_size,
};
use super::super::test::{Asked, TestSubject};
use super::Section;
use crate::model::{GroupRef, Network, RoleId, Scope, SourceId};

/// A type that a value of the file can have.
pub(in crate::config) trait Form: Sized {
    /// What is expected, after the key: "must be …".
    const EXPECTED: &'static str;

    /// Whether it is written as text.
    const IS_TEXT: bool = true;

    /// Reads it; the refusal replaces `EXPECTED` when it says more.
    fn read(value: &Value) -> Result<Self, Option<String>>;

    /// It as TOML.
    fn write(&self) -> String;
}

fn text<T>(value: &Value, parse: impl Fn(&str) -> Option<T>) -> Result<T, Option<String>> {
    match value {
        Value::Text(text) => parse(text).ok_or(None),
        _ => Err(None),
    }
}

fn quote(text: &str) -> String {
    format!("\"{}\"", text.escape_default())
}

impl Form for String {
    const EXPECTED: &'static str = "must be text that is not empty";

    fn read(value: &Value) -> Result<Self, Option<String>> {
        text(value, |text| (!text.trim().is_empty()).then(|| text.to_owned()))
    }

    fn write(&self) -> String {
        quote(self)
    }
}

impl Form for bool {
    const EXPECTED: &'static str = "must be true or false";
    const IS_TEXT: bool = false;

    fn read(value: &Value) -> Result<Self, Option<String>> {
        match value {
            Value::Flag(flag) => Ok(*flag),
            _ => Err(None),
        }
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

impl Form for u32 {
    const EXPECTED: &'static str = "must be a whole number";
    const IS_TEXT: bool = false;

    fn read(value: &Value) -> Result<Self, Option<String>> {
        match value {
            Value::Integer(integer) => Self::try_from(*integer).map_err(|_| None),
            _ => Err(None),
        }
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

impl Form for Duration {
    const EXPECTED: &'static str = "must be a duration with its unit, such as \"15m\", \"1h30m\" or \"30d\"";

    fn read(value: &Value) -> Result<Self, Option<String>> {
        text(value, parse_duration)
    }

    fn write(&self) -> String {
        quote(&render_duration(*self))
    }
}

/// A size in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::config) struct Size(pub(in crate::config) u64);

impl Form for Size {
    const EXPECTED: &'static str = "must be a size with its unit, such as \"64KiB\" or \"1GiB\"";

    fn read(value: &Value) -> Result<Self, Option<String>> {
        text(value, parse_size).map(Self)
    }

    fn write(&self) -> String {
        quote(&render_size(self.0))
    }
}

impl Form for PathBuf {
    const EXPECTED: &'static str = "must be a path";

    fn read(value: &Value) -> Result<Self, Option<String>> {
        text(value, |text| (!text.is_empty() && !text.contains('\0')).then(|| Self::from(text)))
    }

    fn write(&self) -> String {
        quote(&self.display().to_string())
    }
}

/// A type that parses from text and says itself what was expected.
trait Parsed: FromStr<Err: Display> + Display {
    const EXPECTED: &'static str;
}

impl<T: Parsed> Form for T {
    const EXPECTED: &'static str = T::EXPECTED;

    fn read(value: &Value) -> Result<Self, Option<String>> {
        match value {
            Value::Text(text) => text.parse().map_err(|error: T::Err| Some(error.to_string())),
            _ => Err(None),
        }
    }

    fn write(&self) -> String {
        quote(&self.to_string())
    }
}

impl Parsed for Domain {
    const EXPECTED: &'static str = "must be a DNS name such as \"example.com\"";
}

impl Parsed for GroupRef {
    const EXPECTED: &'static str = "must be the name or the id of a group";
}

impl Parsed for HostPort {
    const EXPECTED: &'static str = "must be HOST or HOST:PORT";
}

impl Parsed for MailRoute {
    const EXPECTED: &'static str = "must be a domain such as \"example.com\", or an address";
}

impl Parsed for Network {
    const EXPECTED: &'static str = "must be ADDRESS or ADDRESS/PREFIX, such as \"10.0.0.0/8\"";
}

impl Parsed for Percent {
    const EXPECTED: &'static str = "must be a percentage such as \"5%\"";
}

impl Parsed for Quota {
    const EXPECTED: &'static str = "must be COUNT/TIME, such as \"300/1m\"";
}

impl Parsed for RoleId {
    const EXPECTED: &'static str = "must be the id of a role, such as \"data_analyst\"";
}

impl Parsed for Scope {
    const EXPECTED: &'static str = "must be KIND:SLUG, such as \"department:finance\"";
}

impl Parsed for Asked {
    const EXPECTED: &'static str =
        "must be RESOURCE:ACTION, such as \"reports:read\" or \"reports:read@department:finance\"";
}

impl Parsed for TestSubject {
    const EXPECTED: &'static str = "must be a user's name, \"role:ID\" or \"group:NAME\"";
}

impl Parsed for SourceId {
    const EXPECTED: &'static str = "must be an id in a-z, 0-9, - and _, starting with a letter";
}

impl Form for SocketAddr {
    const EXPECTED: &'static str = "must be ADDRESS:PORT, such as \"0.0.0.0:443\" or \"[::1]:8080\"";

    fn read(value: &Value) -> Result<Self, Option<String>> {
        text(value, |text| text.parse().ok())
    }

    fn write(&self) -> String {
        quote(&self.to_string())
    }
}

impl Section<'_> {
    /// The value under `name`, when there is one of this form; what has another form is reported.
    pub(in crate::config) fn optional<T: Form>(&self, name: &'static str) -> Option<T> {
        let entry = self.ask(name, None)?;
        self.value(&self.key(name), &entry.node)
    }

    /// The value under `name`, else `default`.
    pub(in crate::config) fn or<T: Form>(&self, name: &'static str, default: T) -> T {
        let entry = self.ask(name, Some(default.write()));
        entry.and_then(|entry| self.value(&self.key(name), &entry.node)).unwrap_or(default)
    }

    /// The value under `name`, which must be there.
    pub(in crate::config) fn required<T: Form>(&self, name: &'static str) -> Option<T> {
        match self.ask(name, None) {
            Some(entry) => self.value(&self.key(name), &entry.node),
            None => {
                self.missing(name, T::EXPECTED);
                None
            }
        }
    }

    /// The value under `name` within bounds, else `default`.
    pub(in crate::config) fn between<T: Form + PartialOrd>(
        &self,
        name: &'static str,
        default: T,
        low: T,
        high: T,
    ) -> T {
        let shown = default.write();
        let value = match self.ask(name, Some(shown)) {
            Some(entry) => self.value(&self.key(name), &entry.node),
            None => None,
        };
        match value {
            Some(value) if value < low || value > high => {
                self.error(name, &format!("must be from {} to {}", low.write(), high.write()), None);
                default
            }
            Some(value) => value,
            None => default,
        }
    }

    /// The values of the list under `name`, else `default`; those of another form are reported and left out.
    pub(in crate::config) fn list<T: Form>(&self, name: &'static str, default: Vec<T>) -> Vec<T> {
        let shown = default.iter().map(Form::write).collect::<Vec<_>>().join(", ");
        let Some(entry) = self.ask(name, Some(format!("[{shown}]"))) else {
            return default;
        };
        let Value::List(nodes) = &entry.node.value else {
            let help = format!("write `{name} = [ … ]`");
            self.error(name, &format!("must be a list, not {}", entry.node.value.kind()), Some(help));
            return default;
        };
        let read = |(number, node): (usize, &Node)| self.value(&format!("{}[{number}]", self.key(name)), node);
        nodes.iter().enumerate().filter_map(read).collect()
    }

    fn value<T: Form>(&self, key: &str, node: &Node) -> Option<T> {
        let refusal = match T::read(&node.value) {
            Ok(value) => return Some(value),
            Err(refusal) => refusal,
        };
        let message = match (refusal, &node.value) {
            (Some(refusal), _) => format!("`{key}` {refusal}"),
            (_, Value::Broken) => return None,
            (None, Value::Text(_)) if T::IS_TEXT => format!("`{key}` {}", T::EXPECTED),
            (None, Value::Integer(_)) if !T::IS_TEXT && T::EXPECTED == u32::EXPECTED => {
                format!("`{key}` {} from 0 to {}", T::EXPECTED, u32::MAX)
            }
            (None, other) => format!("`{key}` {}, not {}", T::EXPECTED, other.kind()),
        };
        self.reader.error(node.at, key, message, None);
        None
    }
}
