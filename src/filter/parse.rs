//! One pass over the text, by recursive descent with a counted depth.

use std::str::FromStr;

use super::{AttributePath, Error, Filter, MAX_BYTES, MAX_DEPTH, Operator, Path};
use crate::model::Value;

const A_CONDITION: &str = "an attribute, \"not\" or \"(\"";
const AN_ATTRIBUTE: &str = "an attribute such as userName or name.familyName";
const AN_OPERATOR: &str = "one of co, eq, ew, ge, gt, le, lt, ne, pr, sw";
const A_VALUE: &str = "a string in double quotes, a number, true, false or null";
/// Longest piece of the text that an error repeats, in characters.
const MAX_FOUND: usize = 24;

impl FromStr for Filter {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        filter(text, Quotes::Needed)
    }
}

pub(super) fn filter(text: &str, quotes: Quotes) -> Result<Filter, Error> {
    let mut parser = Parser::new(text, quotes)?;
    let filter = parser.either(Place::Root)?;
    parser.end("\"and\", \"or\" or the end")?;
    Ok(filter)
}

pub(super) fn attribute(text: &str) -> Result<AttributePath, Error> {
    let mut parser = Parser::new(text, Quotes::Needed)?;
    let path = parser.attribute(AN_ATTRIBUTE)?;
    parser.end("the end")?;
    Ok(path)
}

pub(super) fn path(text: &str, quotes: Quotes) -> Result<Path, Error> {
    let mut parser = Parser::new(text, quotes)?;
    let mut attribute = parser.attribute(AN_ATTRIBUTE)?;
    let mut sub = attribute.sub.take();
    let mut filter = None;
    if sub.is_none() && parser.take('[') {
        filter = Some(parser.brackets()?);
        sub = parser.after_brackets()?;
    }
    parser.end("the end")?;
    Ok(Path { attribute, filter, sub })
}

/// Whether text that is compared with stands in quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quotes {
    /// As RFC 7644 figure 1 has it.
    Needed,
    /// One word may go without.
    Spared,
}

/// Where a condition stands: brackets do not nest (RFC 7644 figure 1).
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Brackets,
    Root,
}

struct Parser<'t> {
    text: &'t str,
    /// Byte offset of the next character.
    at: usize,
    depth: usize,
    quotes: Quotes,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str, quotes: Quotes) -> Result<Self, Error> {
        if text.len() > MAX_BYTES {
            return Err(Error::TooLong);
        }
        Ok(Self { text, at: 0, depth: 0, quotes })
    }

    /// `term or term or …`, where a term is a conjunction.
    fn either(&mut self, place: Place) -> Result<Filter, Error> {
        let first = self.both(place)?;
        let mut parts = vec![first];
        while self.take_word("or") {
            parts.push(self.both(place)?);
        }
        self.joined(Filter::any(parts))
    }

    fn both(&mut self, place: Place) -> Result<Filter, Error> {
        let first = self.term(place)?;
        let mut parts = vec![first];
        while self.take_word("and") {
            parts.push(self.term(place)?);
        }
        self.joined(Filter::all(parts))
    }

    fn joined(&self, filter: Option<Filter>) -> Result<Filter, Error> {
        filter.ok_or_else(|| self.expected(A_CONDITION))
    }

    fn term(&mut self, place: Place) -> Result<Filter, Error> {
        self.skip_blanks();
        if self.take('(') {
            return self.parentheses(place);
        }
        let start = self.at;
        if self.take_word("not") {
            self.skip_blanks();
            if self.take('(') {
                return Ok(Filter::Not(Box::new(self.parentheses(place)?)));
            }
            self.at = start;
        }
        let path = self.attribute(A_CONDITION)?;
        if path.sub.is_none() && self.rest().starts_with('[') {
            if place == Place::Brackets {
                return Err(self.expected("no brackets within brackets"));
            }
            self.take('[');
            return self.element(path);
        }
        self.comparison(path)
    }

    /// What follows `(`, up to and with `)`.
    fn parentheses(&mut self, place: Place) -> Result<Filter, Error> {
        self.deeper()?;
        let filter = self.either(place)?;
        self.skip_blanks();
        if !self.take(')') {
            return Err(self.expected("\"and\", \"or\" or \")\""));
        }
        self.depth -= 1;
        Ok(filter)
    }

    /// What follows `[`, up to and with `]`.
    fn brackets(&mut self) -> Result<Filter, Error> {
        self.deeper()?;
        let filter = self.either(Place::Brackets)?;
        self.skip_blanks();
        if !self.take(']') {
            return Err(self.expected("\"and\", \"or\" or \"]\""));
        }
        self.depth -= 1;
        Ok(filter)
    }

    /// `.sub` straight after `]`.
    fn after_brackets(&mut self) -> Result<Option<String>, Error> {
        if !self.take('.') {
            return Ok(None);
        }
        let start = self.at;
        let name = self.word();
        if !is_name(name) {
            return Err(self.expected_from(start, "a sub-attribute"));
        }
        Ok(Some(name.to_owned()))
    }

    fn element(&mut self, path: AttributePath) -> Result<Filter, Error> {
        let filter = self.brackets()?;
        let filter = match self.after_brackets()? {
            None => filter,
            Some(sub) => {
                let comparison = self.comparison(AttributePath::new(&sub))?;
                self.joined(Filter::all([filter, comparison]))?
            }
        };
        Ok(Filter::Element { path, filter: Box::new(filter) })
    }

    fn comparison(&mut self, path: AttributePath) -> Result<Filter, Error> {
        self.skip_blanks();
        let start = self.at;
        let word = self.word();
        if word.eq_ignore_ascii_case("pr") {
            return Ok(Filter::Present(path));
        }
        let operator = Operator::ALL
            .into_iter()
            .find(|operator| word.eq_ignore_ascii_case(operator.name()))
            .ok_or_else(|| self.expected_from(start, AN_OPERATOR))?;
        let value = self.literal()?;
        Ok(Filter::Compare { path, operator, value })
    }

    fn literal(&mut self) -> Result<Value, Error> {
        self.skip_blanks();
        let start = self.at;
        if self.rest().starts_with('"') {
            return self.string(start);
        }
        let word = self.word();
        let value = if word.eq_ignore_ascii_case("true") {
            Some(Value::Bool(true))
        } else if word.eq_ignore_ascii_case("false") {
            Some(Value::Bool(false))
        } else if word.eq_ignore_ascii_case("null") {
            Some(Value::Null)
        } else {
            let number = serde_json::from_str::<serde_json::Number>(word).ok().map(Value::Number);
            number.or_else(|| self.is_bare_text(word).then(|| Value::String(word.to_owned())))
        };
        value.ok_or_else(|| self.expected_from(start, A_VALUE))
    }

    /// Whether a word can be meant as text: no word of the language, nothing that looks like a broken quotation.
    fn is_bare_text(&self, word: &str) -> bool {
        let is_reserved = ["and", "not", "or"].iter().any(|reserved| word.eq_ignore_ascii_case(reserved));
        let is_odd = |c: char| c.is_control() || matches!(c, '\\' | '{' | '}' | '\'' | '`' | ',' | '<' | '>');
        self.quotes == Quotes::Spared && !word.is_empty() && !is_reserved && !word.contains(is_odd)
    }

    /// A JSON string; the next character is its first quote.
    fn string(&mut self, start: usize) -> Result<Value, Error> {
        let mut escaped = false;
        let mut end = None;
        for (offset, character) in self.rest().char_indices().skip(1) {
            match character {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => {
                    end = Some(offset + 1);
                    break;
                }
                _ => {}
            }
        }
        let Some(quoted) = end.and_then(|end| self.rest().get(..end)) else {
            return Err(self.expected_from(self.text.len(), "a closing double quote"));
        };
        match serde_json::from_str::<String>(quoted) {
            Ok(text) => {
                self.at += quoted.len();
                Ok(Value::String(text))
            }
            Err(_) => Err(self.expected_from(start, "a string as JSON writes it")),
        }
    }

    fn attribute(&mut self, expected: &'static str) -> Result<AttributePath, Error> {
        self.skip_blanks();
        let start = self.at;
        let word = self.word();
        let (urn, rest) = match word.rsplit_once(':') {
            Some((urn, rest)) => (Some(urn), rest),
            None => (None, word),
        };
        let (name, sub) = match rest.split_once('.') {
            Some((name, sub)) => (name, Some(sub)),
            None => (rest, None),
        };
        let is_urn = |urn: &str| !urn.is_empty() && urn.bytes().all(|b| b.is_ascii_graphic());
        if !is_name(name) || !sub.is_none_or(is_name) || !urn.is_none_or(is_urn) {
            return Err(self.expected_from(start, expected));
        }
        Ok(AttributePath { urn: urn.map(str::to_owned), name: name.to_owned(), sub: sub.map(str::to_owned) })
    }

    fn end(&mut self, expected: &'static str) -> Result<(), Error> {
        self.skip_blanks();
        if self.rest().is_empty() { Ok(()) } else { Err(self.expected(expected)) }
    }

    fn deeper(&mut self) -> Result<(), Error> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Error::TooDeep { position: self.position(self.at) });
        }
        Ok(())
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_blanks(&mut self) {
        self.at = self.text.len() - self.rest().trim_ascii_start().len();
    }

    fn take(&mut self, character: char) -> bool {
        let found = self.rest().starts_with(character);
        if found {
            self.at += character.len_utf8();
        }
        found
    }

    /// Takes `wanted` when it is the next word.
    fn take_word(&mut self, wanted: &str) -> bool {
        self.skip_blanks();
        let start = self.at;
        let found = self.word().eq_ignore_ascii_case(wanted);
        if !found {
            self.at = start;
        }
        found
    }

    /// Everything up to a blank, bracket, parenthesis or quote; may be empty.
    fn word(&mut self) -> &'t str {
        let rest = self.rest();
        let ends = |c: char| c.is_ascii_whitespace() || matches!(c, '(' | ')' | '[' | ']' | '"');
        let word = rest.split(ends).next().unwrap_or_default();
        self.at += word.len();
        word
    }

    fn expected(&self, expected: &'static str) -> Error {
        self.expected_from(self.at, expected)
    }

    fn expected_from(&self, at: usize, expected: &'static str) -> Error {
        let rest = self.text.get(at..).unwrap_or_default();
        let mut found: String = rest.chars().take(MAX_FOUND).collect();
        if found.is_empty() {
            found.push_str("the end");
        } else if found.len() < rest.len() {
            found.push('…');
        }
        Error::Syntax { position: self.position(at), expected, found }
    }

    fn position(&self, at: usize) -> usize {
        self.text.get(..at).unwrap_or_default().chars().count() + 1
    }
}

/// `ATTRNAME` of RFC 7644 figure 1, and `$ref`.
fn is_name(text: &str) -> bool {
    let rest = text.strip_prefix('$').unwrap_or(text);
    rest.starts_with(|c: char| c.is_ascii_alphabetic())
        && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}
