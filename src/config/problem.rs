//! What is wrong with a configuration, and where.

use std::fmt;
use std::ops::Range;
use std::path::Path;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// It can, but somebody should look.
    Warning,
}

/// A place in a file; line and column count from 1, columns in characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The file as it was opened.
    pub file: String,
    /// The line; 0 when the problem is the file itself.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}:{}", self.file, self.column),
        }
    }
}

/// One problem. Prints as several lines: place and message, the line with carets under what is meant, help.
/// Never quotes a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// Where.
    pub position: Position,
    /// The key, `ldap[0].bind.password`; empty when no key is meant.
    pub key: String,
    /// What is wrong, one clause without full stop.
    pub message: String,
    /// What would be right, or what to do.
    pub help: Option<String>,
    pub(super) mark: Mark,
}

impl Problem {
    /// A file that cannot be used at all.
    pub(super) fn of_file(path: &Path, message: String) -> Self {
        let position = Position { file: path.display().to_string(), line: 0, column: 0 };
        let mark = Mark::default();
        Self { severity: Severity::Error, position, key: String::new(), message, help: None, mark }
    }

    /// The same without its line when that is inside a text of several lines, whose key cannot be seen there.
    #[must_use]
    pub(super) fn without_multiline(mut self, text: &str, start: usize) -> Self {
        let before = text.get(..start).unwrap_or(text);
        let line = before.rfind('\n').and_then(|end| before.get(..end)).unwrap_or("");
        if ["\"\"\"", "'''"].iter().any(|quote| line.matches(quote).count() % 2 == 1) {
            self.mark = Mark::default();
        }
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{}: {word}: {}", self.position, self.message)?;
        let number = self.position.line.to_string();
        let margin = " ".repeat(number.len());
        if !self.mark.line.is_empty() {
            write!(f, "\n {margin} |\n {number} | {}\n {margin} | {}", self.mark.line, self.mark.carets())?;
        }
        match &self.help {
            Some(help) => write!(f, "\n {margin} = {help}"),
            None => Ok(()),
        }
    }
}

/// The line to show, without what may be secret, and the part of it that is meant; in characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    line: String,
    start: usize,
    width: usize,
}

impl Mark {
    /// The line of `text` in which the bytes from `start` on stand; what goes on to `end` in later lines is not shown.
    pub(super) fn new(text: &str, start: usize, end: usize) -> Self {
        let before = text.get(..start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at.saturating_add(1));
        let line = text.get(line_start..).unwrap_or("").lines().next().unwrap_or("");
        let first = before.get(line_start..).unwrap_or("").chars().count();
        let meant = text.get(start..end).unwrap_or("").lines().next().unwrap_or("").chars().count();
        Self::masked(line, first..first.saturating_add(meant))
    }

    /// The same with nothing shown after the meant part: it may be the secret.
    pub(super) fn hiding_rest(mut self) -> Self {
        let end = self.start.saturating_add(self.width);
        if self.line.chars().count() > end {
            self.line = self.line.chars().take(end).chain(" …".chars()).collect();
        }
        self
    }

    /// The same with the meant part itself hidden, and all after it.
    pub(super) fn hiding_all(mut self) -> Self {
        self.line = self.line.chars().take(self.start).chain(['…']).collect();
        self.width = 1;
        self
    }

    fn masked(line: &str, meant: Range<usize>) -> Self {
        let hidden = secret_parts(line);
        let (mut shown, mut start, mut width) = (String::new(), None, 0);
        for (at, c) in line.chars().enumerate() {
            let cover = hidden.iter().find(|range| range.contains(&at));
            let length = shown.chars().count();
            if at >= meant.start {
                start.get_or_insert(if cover.is_some() && shown.ends_with('…') {
                    length.saturating_sub(1)
                } else {
                    length
                });
            }
            match cover {
                Some(range) if range.start == at => shown.push('…'),
                Some(_) => continue,
                None if c == '\t' => shown.push(' '),
                None if c.is_control() => shown.push('\u{fffd}'),
                None => shown.push(c),
            }
            if meant.contains(&at) {
                width = shown.chars().count().saturating_sub(start.unwrap_or(0));
            }
        }
        let start = start.unwrap_or_else(|| shown.chars().count());
        let line = shown.trim_end().to_owned();
        Self { line, start, width: width.max(1) }
    }

    fn carets(&self) -> String {
        format!("{}{}", " ".repeat(self.start), "^".repeat(self.width))
    }
}

/// Whether a value under such a key may be secret.
fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["passw", "pasw", "passphrase", "secret", "token", "pwd"].iter().any(|word| name.contains(word))
        || name == "key"
        || name.ends_with("_key")
}

/// The values, in characters, that follow `name =` where `name` sounds secret; references to secrets are tables and
/// stay.
fn secret_parts(line: &str) -> Vec<Range<usize>> {
    let chars: Vec<char> = line.chars().collect();
    let mut parts = Vec::new();
    let mut name = String::new();
    let mut at = 0;
    while let Some(c) = chars.get(at) {
        at = at.saturating_add(1);
        match c {
            '=' if is_secret_name(name.trim()) => {
                let value = skip_blank(&chars, at);
                if chars.get(value) != Some(&'{') {
                    let end = value_end(&chars, value);
                    parts.push(value..end);
                    at = end;
                }
                name.clear();
            }
            '=' | ',' | '{' => name.clear(),
            '"' | '\'' => {}
            c => name.push(*c),
        }
    }
    parts
}

fn skip_blank(chars: &[char], from: usize) -> usize {
    let blank = chars.iter().skip(from).take_while(|c| c.is_whitespace()).count();
    from.saturating_add(blank)
}

/// Where the value that starts at `start` ends: after its closing quote, else before `,` or `}`, else with the line.
/// A text whose quotes are not the common ones goes to the end of the line.
fn value_end(chars: &[char], start: usize) -> usize {
    let quote = chars.get(start).copied().filter(|c| *c == '"' || *c == '\'');
    let is_multiline = quote.is_some() && chars.get(start.saturating_add(1)) == quote.as_ref();
    if is_multiline {
        return chars.len();
    }
    let mut escaped = false;
    for (at, c) in chars.iter().enumerate().skip(start.saturating_add(1)) {
        match quote {
            Some('"') if escaped => escaped = false,
            Some('"') if *c == '\\' => escaped = true,
            Some(quote) if *c == quote => return at.saturating_add(1),
            None if matches!(c, ',' | '}') => return at,
            _ => {}
        }
    }
    chars.len()
}
