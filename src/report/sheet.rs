//! A page of a report, as JSON and as CSV (RFC 4180) that no spreadsheet takes for a program.

use serde_json::{Map, Value, json};

use crate::clock::Timestamp;

/// A page of a report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sheet {
    /// The names of the columns, in order.
    pub columns: &'static [&'static str],
    /// The rows: a text, a number, a truth value, null or a list of texts for each column.
    pub rows: Vec<Vec<Value>>,
    /// What the next page begins after; `None` at the end.
    pub next: Option<String>,
}

impl Sheet {
    /// `columns`, `items` and `next`.
    pub fn to_json(&self) -> Value {
        let item = |row: &Vec<Value>| -> Value {
            let members = self.columns.iter().zip(row).map(|(name, value)| ((*name).to_owned(), value.clone()));
            Value::Object(members.collect::<Map<String, Value>>())
        };
        json!({"columns": self.columns, "items": self.rows.iter().map(item).collect::<Vec<_>>(), "next": self.next})
    }

    /// A heading and one line for each row.
    pub fn to_csv(&self) -> String {
        let mut text = csv_line(self.columns.iter().map(|name| Value::from(*name)).collect::<Vec<_>>().iter());
        for row in &self.rows {
            text.push_str(&csv_line(row.iter()));
        }
        text
    }
}

/// One line of CSV with its end. Null is empty, lists are joined by `; `.
pub fn csv_line<'v>(cells: impl Iterator<Item = &'v Value>) -> String {
    let mut line = cells.map(cell).collect::<Vec<_>>().join(",");
    line.push_str("\r\n");
    line
}

fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => return String::new(),
        Value::Bool(_) | Value::Number(_) => return value.to_string(),
        Value::String(text) => harmless(text),
        Value::Array(values) => {
            let texts = values.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            harmless(&texts.collect::<Vec<_>>().join("; "))
        }
        Value::Object(_) => harmless(&value.to_string()),
    };
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// A text in which nothing begins a formula: not the cell, and not what a program makes a cell of that separates at other
/// characters than we do. Characters that steer terminals become blanks.
fn harmless(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut is_beginning = true;
    for c in text.chars() {
        let steers = c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let starts_formula = matches!(c, '=' | '+' | '-' | '@' | '\u{ff1d}' | '\u{ff0b}' | '\u{ff0d}' | '\u{ff20}');
        if is_beginning && starts_formula {
            safe.push('\'');
        }
        safe.push(if steers { ' ' } else { c });
        let separates = steers || matches!(c, ',' | ';' | '|');
        is_beginning = separates || (is_beginning && (c.is_whitespace() || matches!(c, '"' | '\'')));
    }
    safe
}

/// A moment as a cell.
pub(super) fn time(moment: Option<Timestamp>) -> Value {
    moment.map_or(Value::Null, |moment| moment.to_string().into())
}

/// Something that prints, as a cell.
pub(super) fn shown(value: Option<&impl ToString>) -> Value {
    value.map_or(Value::Null, |value| value.to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_spreadsheet_would_run_begins_a_cell() {
        for (text, safe) in [
            ("=1+1", "\"'=1+1\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\t=1", "\" '=1\""),
            ("  =1", "\"  '=1\""),
            ("\"=1", "\"\"\"'=1\""),
            ("a;=1", "\"a;'=1\""),
            ("a\r\n=1", "\"a  '=1\""),
            ("\u{ff1d}1", "\"'\u{ff1d}1\""),
            ("ada@example.com", "\"ada@example.com\""),
            ("Ada \"Countess\" Lovelace", "\"Ada \"\"Countess\"\" Lovelace\""),
            ("a=b-c", "\"a=b-c\""),
            ("\u{1b}[2J", "\" [2J\""),
        ] {
            assert_eq!(cell(&Value::from(text)), safe, "{text:?}");
        }
        assert_eq!(cell(&json!(["editor", "=cmd"])), "\"editor; '=cmd\"");
    }

    #[test]
    fn a_sheet_is_the_same_in_both_forms() {
        let sheet = Sheet {
            columns: &["name", "active", "roles", "last"],
            rows: vec![vec!["ada".into(), true.into(), json!(["a", "b"]), Value::Null]],
            next: Some("7".to_owned()),
        };
        assert_eq!(sheet.to_csv(), "\"name\",\"active\",\"roles\",\"last\"\r\n\"ada\",true,\"a; b\",\r\n");
        let item = json!({"name": "ada", "active": true, "roles": ["a", "b"], "last": null});
        assert_eq!(sheet.to_json(), json!({"columns": sheet.columns, "items": [item], "next": "7"}));
    }
}
