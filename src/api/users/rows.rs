//! Columns pasted from a spreadsheet: first name, last name, e-mail address and, where there is one, the employee whose
//! account it is; a person a line. Pure.

use super::bulk::MAX_ROWS;
use crate::model::Person;

/// Columns that every row has, and most that one may have.
const COLUMNS: usize = 3;
const MAX_COLUMNS: usize = 4;
/// Most fields of a record that are looked at one by one; of those behind, the first that is not empty.
const MAX_FIELDS: usize = 32;
/// What the third column of a heading is called.
const HEADINGS: [&str; 4] = ["email", "e-mail", "e-mail address", "mail"];

/// A person of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Which row of the text it is, from 1; a heading and empty rows count.
    pub number: usize,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// E-mail address, which is the login name.
    pub email: String,
    /// Employee whose account it is, by number or id.
    pub employee: Option<String>,
}

impl Row {
    /// Says of an employee what the row leaves open.
    pub(super) fn complete(&mut self, person: &Person) {
        let fill = |field: &mut String, known: &str| {
            if field.is_empty() {
                known.clone_into(field);
            }
        };
        fill(&mut self.first_name, &person.first_name);
        fill(&mut self.last_name, &person.last_name);
        fill(&mut self.email, person.email.as_deref().unwrap_or_default());
    }
}

/// The rows of a text, each a person or what is wrong with it. Columns are separated by tabs where the first line has
/// one, else by commas; lines end as they do anywhere; what is quoted may hold all of these (RFC 4180 section 2). A
/// heading and empty rows are passed over.
pub fn parse(text: &str) -> Vec<Result<Row, (usize, String)>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let separator = if text.lines().next().is_some_and(|line| line.contains('\t')) { '\t' } else { ',' };
    let mut rows = Vec::new();
    for (number, record) in records(text, separator) {
        let fields: Vec<String> = match record {
            Ok(fields) => fields.iter().map(|field| field.trim().to_owned()).collect(),
            Err(reason) => {
                rows.push(Err((number, reason.to_owned())));
                continue;
            }
        };
        if fields.iter().all(String::is_empty) {
            continue;
        }
        // Spreadsheets copy empty columns on the right.
        let used = fields.iter().rposition(|field| !field.is_empty()).map_or(0, |last| last.saturating_add(1));
        let is_whole = fields.len() >= COLUMNS && used <= MAX_COLUMNS;
        let blank = std::iter::repeat(String::new());
        let fields: Vec<String> = fields.into_iter().chain(blank).take(MAX_COLUMNS).collect();
        match <[String; MAX_COLUMNS]>::try_from(fields) {
            Ok([_, _, email, _]) if number == 1 && HEADINGS.contains(&email.to_lowercase().as_str()) => {}
            Ok([first_name, last_name, email, employee]) if is_whole => {
                let employee = Some(employee).filter(|employee| !employee.is_empty());
                rows.push(Ok(Row { number, first_name, last_name, email, employee }));
            }
            Ok(_) | Err(_) => {
                let reason = format!(
                    "must have {COLUMNS} columns: first name, last name, e-mail; one more may name the employee"
                );
                rows.push(Err((number, reason)));
            }
        }
    }
    rows
}

/// A record of a text by its number, or what is wrong with it.
type Record = (usize, Result<Vec<String>, &'static str>);

/// The records of a text, as many as anybody may send and one more; those without anything in them are counted only.
fn records(text: &str, separator: char) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    let mut number = 0;
    let (mut fields, mut field, mut quoted) = (Vec::new(), String::new(), false);
    let (mut was_quoted, mut is_bad) = (false, false);
    let mut rest = text.chars().peekable();
    let mut end = |records: &mut Vec<Record>, fields: &mut Vec<String>, field: &mut String, is_bad: &mut bool| {
        add(fields, std::mem::take(field));
        number += 1;
        let reason = "has text behind a closing quotation mark";
        if std::mem::take(is_bad) {
            fields.clear();
            records.push((number, Err(reason)));
        } else if fields.iter().all(|field| field.trim().is_empty()) {
            fields.clear();
        } else {
            records.push((number, Ok(std::mem::take(fields))));
        }
        number
    };
    let mut last = 0;
    while let Some(c) = rest.next() {
        if records.len() > MAX_ROWS + 1 {
            return records;
        }
        match c {
            '"' if quoted && rest.peek() == Some(&'"') => {
                rest.next();
                field.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if field.is_empty() && !was_quoted => {
                quoted = true;
                was_quoted = true;
            }
            c if quoted => field.push(c),
            c if c == separator => {
                add(&mut fields, std::mem::take(&mut field));
                was_quoted = false;
            }
            '\r' | '\n' => {
                if c == '\r' && rest.peek() == Some(&'\n') {
                    rest.next();
                }
                last = end(&mut records, &mut fields, &mut field, &mut is_bad);
                was_quoted = false;
            }
            c => {
                is_bad |= was_quoted && !c.is_whitespace();
                field.push(c);
            }
        }
    }
    if quoted {
        records.push((last + 1, Err("opens a quotation mark that is not closed")));
    } else if !field.is_empty() || !fields.is_empty() {
        end(&mut records, &mut fields, &mut field, &mut is_bad);
    }
    records
}

/// Adds a field; of columns without end only so many are kept as tell that there are too many.
fn add(fields: &mut Vec<String>, field: String) {
    if fields.len() < MAX_FIELDS || (fields.len() == MAX_FIELDS && !field.trim().is_empty()) {
        fields.push(field);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        let told = |row: Result<Row, (usize, String)>| match row {
            Ok(Row { number, first_name, last_name, email, employee }) => {
                let employee = employee.map(|employee| format!("|{employee}")).unwrap_or_default();
                format!("{number} {first_name}|{last_name}|{email}{employee}")
            }
            Err((number, reason)) => format!("{number}! {reason}"),
        };
        parse(text).into_iter().map(told).collect()
    }

    #[test]
    fn tabs_commas_quotes_and_every_line_end_are_read() {
        let expected = ["1 Ada|Lovelace|ada@x.example", "2 Alan|Turing|alan@x.example"];
        for text in [
            "Ada\tLovelace\tada@x.example\r\nAlan\tTuring\talan@x.example\r\n",
            "Ada,Lovelace,ada@x.example\nAlan,Turing,alan@x.example",
            "\u{feff}\"Ada\",\"Lovelace\",\"ada@x.example\"\rAlan,Turing , alan@x.example,,\r",
        ] {
            assert_eq!(told(text), expected, "{text:?}");
        }
        assert_eq!(
            told("\"Ada \"\"the\"\" A.\",\"Love, lace\r\nKing\",a@x"),
            ["1 Ada \"the\" A.|Love, lace\r\nKing|a@x"]
        );
        assert_eq!(told("O'Brien \"X\",B,c@x"), ["1 O'Brien \"X\"|B|c@x"], "a quote inside a field is one");
    }

    #[test]
    fn headings_and_empty_rows_are_counted_and_passed_over() {
        assert_eq!(told("First,Last,E-Mail\n\n,,\nAda,L,ada@x"), ["4 Ada|L|ada@x"]);
        assert!(told("").is_empty() && told("\r\n\r\n").is_empty());
        assert_eq!(records(&"\n".repeat(1_000_000), ',').len(), 0, "nothing is kept of what is empty");
        assert_eq!(records(&"a,b,c\n".repeat(50_000), ',').len(), MAX_ROWS + 2);
        assert_eq!(records(&format!("a{}", ",".repeat(100_000)), ',')[0].1.as_ref().unwrap().len(), MAX_FIELDS);
        assert!(told(&format!("a,b,c{}d", ",".repeat(100)))[0].contains("3 columns"));
    }

    #[test]
    fn a_fourth_column_names_the_employee_and_a_fifth_is_too_many() {
        assert_eq!(told("First,Last,Mail,Employee\nAda,L,ada@x, 7 \n,,,8"), ["2 Ada|L|ada@x|7", "3 |||8"]);
        assert!(told("Ada,L,ada@x,7,8")[0].starts_with("1! must have 3 columns"));
    }

    #[test]
    fn bad_rows_are_told_by_their_number_and_spoil_no_other() {
        let rows = told("Ada,ada@x\nB,C,b@x,d,e\n\"E\"x,F,e@x\nG,H,g@x\n\"I,J,i@x\n");
        let columns = "must have 3 columns: first name, last name, e-mail; one more may name the employee";
        assert_eq!(rows[..2], [format!("1! {columns}"), format!("2! {columns}")]);
        assert!(rows[2].starts_with("3! has text behind") && rows[4].starts_with("5! opens"), "{rows:?}");
        assert_eq!(rows[3], "4 G|H|g@x");
    }
}
