//! Columns pasted from a spreadsheet: first name, last name, e-mail address, a person a line. Pure.

/// Columns of a row.
const COLUMNS: usize = 3;
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
}

/// The rows of a text, each a person or what is wrong with it. Columns are separated by tabs where the first line has
/// one, else by commas; lines end as they do anywhere; what is quoted may hold all of these (RFC 4180 section 2). A
/// heading and empty rows are passed over.
pub fn parse(text: &str) -> Vec<Result<Row, (usize, String)>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let separator = if text.lines().next().is_some_and(|line| line.contains('\t')) { '\t' } else { ',' };
    let mut rows = Vec::new();
    for (number, record) in (1..).zip(records(text, separator)) {
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
        match <[String; COLUMNS]>::try_from(fields.into_iter().take(used.max(COLUMNS)).collect::<Vec<_>>()) {
            Ok([_, _, email]) if number == 1 && HEADINGS.contains(&email.to_lowercase().as_str()) => {}
            Ok([first_name, last_name, email]) => rows.push(Ok(Row { number, first_name, last_name, email })),
            Err(_) => {
                let reason = format!("must have {COLUMNS} columns: first name, last name, e-mail");
                rows.push(Err((number, reason)));
            }
        }
    }
    rows
}

fn records(text: &str, separator: char) -> Vec<Result<Vec<String>, &'static str>> {
    let mut records = Vec::new();
    let (mut fields, mut field, mut quoted) = (Vec::new(), String::new(), false);
    let (mut was_quoted, mut is_bad) = (false, false);
    let mut rest = text.chars().peekable();
    let mut end = |fields: &mut Vec<String>, field: &mut String, is_bad: &mut bool| {
        fields.push(std::mem::take(field));
        let record = std::mem::take(fields);
        let reason = "has text behind a closing quotation mark";
        records.push(if std::mem::take(is_bad) { Err(reason) } else { Ok(record) });
    };
    while let Some(c) = rest.next() {
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
                fields.push(std::mem::take(&mut field));
                was_quoted = false;
            }
            '\r' | '\n' => {
                if c == '\r' && rest.peek() == Some(&'\n') {
                    rest.next();
                }
                end(&mut fields, &mut field, &mut is_bad);
                was_quoted = false;
            }
            c => {
                is_bad |= was_quoted && !c.is_whitespace();
                field.push(c);
            }
        }
    }
    if quoted {
        records.push(Err("opens a quotation mark that is not closed"));
    } else if !field.is_empty() || !fields.is_empty() {
        end(&mut fields, &mut field, &mut is_bad);
    }
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        let told = |row: Result<Row, (usize, String)>| match row {
            Ok(Row { number, first_name, last_name, email }) => format!("{number} {first_name}|{last_name}|{email}"),
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
    }

    #[test]
    fn bad_rows_are_told_by_their_number_and_spoil_no_other() {
        let rows = told("Ada,ada@x\nB,C,b@x,d\n\"E\"x,F,e@x\nG,H,g@x\n\"I,J,i@x\n");
        let columns = "must have 3 columns: first name, last name, e-mail";
        assert_eq!(rows[..2], [format!("1! {columns}"), format!("2! {columns}")]);
        assert!(rows[2].starts_with("3! has text behind") && rows[4].starts_with("5! opens"), "{rows:?}");
        assert_eq!(rows[3], "4 G|H|g@x");
    }
}
