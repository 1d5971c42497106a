//! From TOML text to a table with places. Goes on after a syntax error, so that one run finds them all.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::super::problem::{Problem, Severity};
use super::{Entry, File, Node, Span, Table, Value};

/// The table of the file with this number, and its syntax errors.
pub(super) fn parse(file: &File, number: usize) -> (Table, Vec<(Span, Problem)>) {
    let Some(source) = file.sources.get(number) else {
        return (Table::default(), Vec::new());
    };
    let (root, errors) = DeTable::parse_recoverable(&source.text);
    let mut problems = Vec::new();
    for error in errors {
        let range = error.span().unwrap_or(source.text.len()..source.text.len());
        let at = Span { file: number, start: range.start, end: range.end };
        let message = format!("syntax error: {}", error.message());
        problems.push((at, file.problem(Severity::Error, at, "", message).without_multiline(&source.text, at.start)));
    }
    let mut walk = Walk { file, number, problems };
    let table = walk.table(root.get_ref());
    (table, walk.problems)
}

struct Walk<'f> {
    file: &'f File,
    number: usize,
    problems: Vec<(Span, Problem)>,
}

impl Walk<'_> {
    fn span(&self, range: std::ops::Range<usize>) -> Span {
        Span { file: self.number, start: range.start, end: range.end }
    }

    fn table(&mut self, table: &DeTable<'_>) -> Table {
        let mut entries = Vec::new();
        for (key, value) in table {
            let node = self.node(value);
            entries.push(Entry { name: key.get_ref().to_string(), at: self.span(key.span()), node });
        }
        Table(entries)
    }

    fn node(&mut self, value: &Spanned<DeValue<'_>>) -> Node {
        let at = self.span(value.span());
        let value = match value.get_ref() {
            DeValue::Array(values) => Value::List(values.iter().map(|value| self.node(value)).collect()),
            DeValue::Boolean(flag) => Value::Flag(*flag),
            DeValue::Datetime(_) => Value::Date,
            DeValue::Float(_) => Value::Float,
            DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
                Ok(integer) => Value::Integer(integer),
                Err(_) => {
                    let message = "an integer has at most 64 bits".to_owned();
                    self.problems.push((at, self.file.problem(Severity::Error, at, "", message)));
                    Value::Broken
                }
            },
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Table(table) => Value::Table(self.table(table)),
        };
        Node { at, value }
    }
}
