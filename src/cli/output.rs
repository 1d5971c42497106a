//! Results on standard output, messages on standard error. What came from elsewhere cannot steer the terminal.

use std::io::{self, Write};

use serde_json::Value;

use super::Failure;
use crate::model::is_unseen;

/// A column of a table: its heading, and where its value is in an item, `name.formatted`.
pub(super) type Column = (&'static str, &'static str);

/// How results are printed.
pub(super) struct Output {
    is_json: bool,
}

impl Output {
    pub(super) fn new(is_json: bool) -> Self {
        Self { is_json }
    }

    pub(super) fn is_json(&self) -> bool {
        self.is_json
    }

    /// Prints a result: the object with `--json`, else `text`.
    pub(super) fn result(&self, object: &Value, text: &str) -> Result<(), Failure> {
        if self.is_json { self.line(&object.to_string()) } else { self.line(&clean(text, true)) }
    }

    /// Prints an object's members that are not empty, one a line.
    pub(super) fn object(&self, object: &Value) -> Result<(), Failure> {
        if self.is_json {
            return self.line(&object.to_string());
        }
        let members = object.as_object().into_iter().flatten();
        let members: Vec<(&String, String)> =
            members.map(|(name, value)| (name, plain(value))).filter(|(_, text)| !text.is_empty()).collect();
        let width = members.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        for (name, text) in members {
            self.line(&format!("{name:width$}  {text}"))?;
        }
        Ok(())
    }

    /// Prints items: one object a line with `--json`, else a table.
    pub(super) fn list(&self, items: &[Value], columns: &[Column]) -> Result<(), Failure> {
        if self.is_json {
            return items.iter().try_for_each(|item| self.line(&item.to_string()));
        }
        let row = |item: &Value| columns.iter().map(|(_, path)| plain(at(item, path))).collect::<Vec<_>>();
        let mut rows = vec![columns.iter().map(|(heading, _)| (*heading).to_owned()).collect::<Vec<_>>()];
        rows.extend(items.iter().map(row));
        let width = |column: usize| {
            rows.iter().filter_map(|row| row.get(column)).map(|text| text.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns.len()).map(width).collect();
        for row in &rows {
            let cells = row.iter().zip(&widths).map(|(text, width)| format!("{text:width$}"));
            self.line(cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }

    /// Prints one line of a result.
    pub(super) fn line(&self, text: &str) -> Result<(), Failure> {
        writeln!(io::stdout().lock(), "{text}").map_err(Failure::from)
    }

    /// Writes the bytes of a document as they are.
    pub(super) fn raw(&self, document: &[u8]) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        out.write_all(document).and_then(|()| out.flush()).map_err(Failure::from)
    }

    /// Prints a message that is no result.
    pub(super) fn message(&self, text: &str) {
        self.error_line(&clean(text, true));
    }

    /// Prints why the command failed; with `--json` an object with `error` and `exit_code`.
    pub(super) fn failure(&self, failure: &Failure) {
        let text = failure.to_string();
        if self.is_json {
            let object = serde_json::json!({"error": text, "exit_code": failure.exit().code()});
            self.error_line(&object.to_string());
        } else {
            self.error_line(&format!("cleargate: {}", clean(&text, true)));
        }
    }

    fn error_line(&self, text: &str) {
        // Nobody is left to tell that standard error cannot be written.
        if writeln!(io::stderr().lock(), "{text}").is_err() {}
    }
}

/// The member of `item` at a path of names.
fn at<'v>(item: &'v Value, path: &str) -> &'v Value {
    path.split('.').fold(item, |value, name| value.get(name).unwrap_or(&Value::Null))
}

/// A value in one line: text as it is, lists separated by commas, nothing for null.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => clean(text, false),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => clean(&other.to_string(), false),
    }
}

/// The text without what steers the terminal, and without what does not show there.
fn clean(text: &str, keeps_lines: bool) -> String {
    text.chars().map(|c| if is_unseen(c) && !(keeps_lines && c == '\n') { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_steer_the_terminal() {
        assert_eq!(plain(&Value::from("a\u{1b}[2Jb\nc\u{202e}d")), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d");
        assert_eq!(plain(&serde_json::json!(["a\tb", 3, null, true])), "a\u{fffd}b, 3, , true");
        assert_eq!(clean("one\ntwo\r", true), "one\ntwo\u{fffd}");
    }
}
