//! Reading one table: each key is asked for once, by its form; what nobody asked for is unknown.

mod pick;
mod read;

use std::cell::RefCell;

use super::document::{Entry, File, Node, Span, Table, Value};
use super::problem::{Problem, Severity};
use super::secrets::Credentials;
use crate::model::near;
pub(super) use crate::model::near::{list, nearest};
pub(super) use pick::check_url;
pub(super) use read::Size;

/// A key that the configuration knows, for the sample and the manual.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its place: `lockout.attempts`, `ldap[].servers`.
    pub key: String,
    /// What holds when it is not written, as TOML; `None` when nothing does.
    pub default: Option<String>,
}

/// What is shared by all sections of one run.
pub(super) struct Reader<'f> {
    pub(super) file: &'f File,
    pub(super) credentials: &'f Credentials,
    problems: RefCell<Vec<(Span, Problem)>>,
    known: RefCell<Vec<Known>>,
}

impl<'f> Reader<'f> {
    pub(super) fn new(file: &'f File, credentials: &'f Credentials) -> Self {
        let problems = RefCell::new(file.problems.clone());
        Self { file, credentials, problems, known: RefCell::default() }
    }

    /// The table of everything.
    pub(super) fn root(&self) -> Section<'_> {
        Section::new(self, String::new(), Some(&self.file.root), Span::default())
    }

    pub(super) fn report(&self, at: Span, problem: Problem) {
        self.problems.borrow_mut().push((at, problem));
    }

    /// Reports `message` about what stands at `at`, with advice.
    pub(super) fn error(&self, at: Span, key: &str, message: String, help: Option<String>) {
        let problem = self.file.problem(Severity::Error, at, key, message);
        self.report(at, Problem { help, ..problem });
    }

    /// Everything that was reported, in the order of the files.
    pub(super) fn into_parts(self) -> (Vec<Problem>, Vec<Known>) {
        let mut problems = self.problems.into_inner();
        // Where the text itself is broken, what its pieces would mean is noise.
        let broken = |at: &Span| {
            self.file
                .problems
                .iter()
                .any(|(broken, _)| broken.end > 0 && (broken.file, broken.start) == (at.file, at.start))
        };
        let mut number = 0;
        problems.retain(|(at, _)| {
            number += 1;
            number <= self.file.problems.len() || !broken(at)
        });
        problems.sort_by_key(|(at, _)| *at);
        (problems.into_iter().map(|(_, problem)| problem).collect(), self.known.into_inner())
    }
}

/// One table, perhaps absent. When it goes out of scope, keys that nobody asked for are reported.
pub(super) struct Section<'r> {
    pub(super) reader: &'r Reader<'r>,
    path: String,
    table: Option<&'r Table>,
    at: Span,
    asked: RefCell<Vec<&'static str>>,
}

impl<'r> Section<'r> {
    fn new(reader: &'r Reader<'_>, path: String, table: Option<&'r Table>, at: Span) -> Self {
        Self { reader, path, table, at, asked: RefCell::default() }
    }

    /// Whether it is written.
    pub(super) fn is_present(&self) -> bool {
        self.table.is_some()
    }

    /// Whether `name` is written in it.
    pub(super) fn has(&self, name: &str) -> bool {
        self.table.is_some_and(|table| table.find(name).is_some())
    }

    /// The text under `name`, without a word about anything else.
    pub(super) fn peek(&self, name: &str) -> Option<&'r str> {
        match &self.table?.find(name)?.node.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether `name` is written as a list without anything in it.
    pub(super) fn is_empty_list(&self, name: &str) -> bool {
        let entry = self.table.and_then(|table| table.find(name));
        entry.is_some_and(|entry| matches!(&entry.node.value, Value::List(nodes) if nodes.is_empty()))
    }

    /// `cleargate.toml:31`: where it begins.
    pub(super) fn place(&self) -> String {
        self.reader.file.place(self.at)
    }

    /// Where the value of `name` is, else where the section begins.
    pub(super) fn spot(&self, name: &str) -> Span {
        self.table.and_then(|table| table.find(name)).map_or(self.at, |entry| entry.node.at)
    }

    /// The full key of `name`.
    pub(super) fn key(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Reports what is wrong with the value of `name`.
    pub(super) fn error(&self, name: &str, reason: &str, help: Option<String>) {
        let key = self.key(name);
        self.reader.error(self.spot(name), &key, format!("`{key}` {reason}"), help);
    }

    /// Reports what deserves a look.
    pub(super) fn warn(&self, name: &str, reason: &str) {
        let (key, at) = (self.key(name), self.spot(name));
        self.reader.report(at, self.reader.file.problem(Severity::Warning, at, &key, format!("`{key}` {reason}")));
    }

    /// Reports that a required key is not there.
    pub(super) fn missing(&self, name: &str, expected: &str) {
        let key = self.key(name);
        self.reader.error(self.at, &key, format!("`{key}` is missing; it {expected}"), None);
    }

    /// Marks `name` as known and finds what is written under it.
    pub(super) fn ask(&self, name: &'static str, default: Option<String>) -> Option<&'r Entry> {
        self.asked.borrow_mut().push(name);
        let key = self.key(name).split('.').map(without_number).collect::<Vec<_>>().join(".");
        let mut known = self.reader.known.borrow_mut();
        if !known.iter().any(|known| known.key == key) {
            known.push(Known { key, default });
        }
        self.table?.find(name)
    }

    /// The table under `name`, absent when it is not written.
    pub(super) fn table(&self, name: &'static str) -> Section<'r> {
        let entry = self.ask(name, None);
        let table = entry.and_then(|entry| match &entry.node.value {
            Value::Table(table) => Some(table),
            other => {
                let help = match other {
                    Value::List(_) => "write it once, with single brackets".to_owned(),
                    _ => format!("write `{name} = {{ … }}`"),
                };
                // What stands here instead of the table may be the secret that belongs into it.
                let key = self.key(name);
                let message = format!("`{key}` must be a table, not {}", other.kind());
                let problem = self.reader.file.problem(Severity::Error, entry.node.at, &key, message);
                let mark = if matches!(other, Value::List(_)) { problem.mark } else { problem.mark.hiding_all() };
                self.reader.report(entry.node.at, Problem { mark, help: Some(help), ..problem });
                None
            }
        });
        Section::new(self.reader, self.key(name), table, entry.map_or(self.at, |entry| entry.node.at))
    }

    /// The tables of the list under `name`.
    pub(super) fn tables(&self, name: &'static str) -> Vec<Section<'r>> {
        let nodes: &[Node] = match self.ask(name, None).map(|entry| &entry.node.value) {
            None => &[],
            Some(Value::List(nodes)) => nodes,
            Some(other) => {
                let help = format!("write `[[{}]]` above each, with double brackets", self.key(name));
                self.error(name, &format!("must be a list of tables, not {}", other.kind()), Some(help));
                &[]
            }
        };
        let mut sections = Vec::new();
        for (number, node) in nodes.iter().enumerate() {
            let key = format!("{}[{number}]", self.key(name));
            match &node.value {
                Value::Table(table) => sections.push(Section::new(self.reader, key, Some(table), node.at)),
                other => {
                    let message = format!("`{key}` must be a table, not {}", other.kind());
                    self.reader.error(node.at, &key, message, None);
                }
            }
        }
        sections
    }
}

/// `ldap[]` from `ldap[3]`.
fn without_number(part: &str) -> String {
    part.split_once('[').map_or_else(|| part.to_owned(), |(name, _)| format!("{name}[]"))
}

impl Drop for Section<'_> {
    fn drop(&mut self) {
        let asked = self.asked.borrow();
        for entry in self.table.map_or(&[][..], |table| &table.0) {
            if asked.contains(&entry.name.as_str()) {
                continue;
            }
            let key = self.key(&entry.name);
            let help = match near::nearest(&entry.name, asked.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here: {}", near::list(asked.iter().copied())),
            };
            let problem = self.reader.file.problem(Severity::Error, entry.at, &key, format!("unknown key `{key}`"));
            // The value may be a secret under a name that only its writer knows.
            let is_table = matches!(entry.node.value, Value::Table(_) | Value::List(_));
            let is_header = self.reader.file.position(entry.node.at).line != problem.position.line;
            let mark = if is_table || is_header { problem.mark } else { problem.mark.hiding_rest() };
            self.reader.report(entry.at, Problem { mark, help: Some(help), ..problem });
        }
    }
}
