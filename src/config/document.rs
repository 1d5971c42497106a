//! The configuration as written: all files, parsed, merged, with the place of every key and value.

mod merge;
mod parse;

use std::io::Read;
use std::path::{Path, PathBuf};

use super::problem::{Mark, Position, Problem, Severity};

/// Largest file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Where something stands: file by number, bytes from `start` to `end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    pub(super) file: usize,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) at: Span,
    pub(super) value: Value,
}

/// A value as TOML has them.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Reported already.
    Broken,
    Date,
    Flag(bool),
    Float,
    Integer(i64),
    List(Vec<Node>),
    Table(Table),
    Text(String),
}

impl Value {
    /// What it is, with article, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Broken => "broken",
            Self::Date => "a date",
            Self::Flag(_) => "a boolean",
            Self::Float => "a decimal number",
            Self::Integer(_) => "an integer",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Text(_) => "text",
        }
    }
}

/// Keys and values in the order of their names.
#[derive(Clone, Debug, Default)]
pub(super) struct Table(pub(super) Vec<Entry>);

/// A key and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) at: Span,
    pub(super) node: Node,
}

impl Table {
    pub(super) fn find(&self, name: &str) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.name == name)
    }
}

/// One file of the configuration.
#[derive(Clone, Debug)]
pub struct Source {
    /// The path as it was opened, for messages.
    pub name: String,
    /// The text.
    pub text: String,
}

impl Source {
    /// The name that stays the same wherever the configuration is installed: `cleargate.toml`, `conf.d/10-ldap.toml`.
    fn label(&self) -> String {
        let path = Path::new(&self.name);
        let file = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        match path.parent().and_then(Path::file_name) {
            Some(folder) if folder == "conf.d" => format!("conf.d/{file}"),
            _ => file.into_owned(),
        }
    }
}

/// The configuration as written. Values have no meaning yet.
#[derive(Clone, Debug)]
pub struct File {
    pub(super) folder: PathBuf,
    pub(super) sources: Vec<Source>,
    pub(super) root: Table,
    pub(super) problems: Vec<(Span, Problem)>,
}

impl File {
    /// Reads the file at `path` and `conf.d/*.toml` beside it, in name order.
    ///
    /// # Errors
    /// When `path` cannot be read: nothing can be said then. What is wrong inside the files is told by `resolve`.
    pub fn read(path: &Path) -> Result<Self, Vec<Problem>> {
        let folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
        let mut sources = vec![read_source(path).map_err(|problem| vec![*problem])?];
        let mut problems = Vec::new();
        for path in drop_ins(&folder.join("conf.d"), &mut problems) {
            match read_source(&path) {
                Ok(source) => sources.push(source),
                Err(problem) => problems.push(*problem),
            }
        }
        let mut file = Self::parse(folder, sources);
        file.problems.extend(problems.into_iter().map(|problem| (Span::default(), problem)));
        Ok(file)
    }

    /// Takes texts that are already read; relative paths in them are relative to `folder`.
    pub fn parse(folder: PathBuf, sources: Vec<Source>) -> Self {
        let mut file = Self { folder, sources: Vec::new(), root: Table::default(), problems: Vec::new() };
        for source in sources {
            file.sources.push(source);
            let number = file.sources.len().saturating_sub(1);
            let (table, problems) = parse::parse(&file, number);
            file.problems.extend(problems);
            let mut root = std::mem::take(&mut file.root);
            let problems = merge::merge(&mut root, table, &file, "");
            file.problems.extend(problems);
            file.root = root;
        }
        file
    }

    /// `cleargate.toml:31`.
    pub(super) fn place(&self, at: Span) -> String {
        let label = self.sources.get(at.file).map(Source::label).unwrap_or_default();
        format!("{label}:{}", self.position(at).line)
    }

    /// File, line and column of the beginning of `at`.
    pub(super) fn position(&self, at: Span) -> Position {
        let Some(source) = self.sources.get(at.file) else {
            return Position::default();
        };
        let before = source.text.get(..at.start).unwrap_or(&source.text);
        let line = before.rsplit('\n').next().unwrap_or("");
        Position {
            file: source.name.clone(),
            line: before.matches('\n').count().saturating_add(1),
            column: line.chars().count().saturating_add(1),
        }
    }

    /// The problem `message` about what stands at `at`.
    pub(super) fn problem(&self, severity: Severity, at: Span, key: &str, message: String) -> Problem {
        let mark = self.sources.get(at.file).map(|source| Mark::new(&source.text, at.start, at.end));
        Problem {
            severity,
            position: self.position(at),
            key: key.to_owned(),
            message,
            help: None,
            mark: mark.unwrap_or_default(),
        }
    }
}

fn drop_ins(folder: &Path, problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            problems.push(Problem::of_file(folder, format!("cannot be listed: {error}")));
            return Vec::new();
        }
    };
    let mut paths = Vec::new();
    for entry in entries {
        match entry {
            Ok(entry) => paths.push(entry.path()),
            Err(error) => problems.push(Problem::of_file(folder, format!("cannot be listed: {error}"))),
        }
    }
    let hidden = |path: &PathBuf| path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml") && !hidden(path));
    paths.sort();
    paths
}

fn read_source(path: &Path) -> Result<Source, Box<Problem>> {
    let refuse = |message: String| Box::new(Problem::of_file(path, message));
    let file = std::fs::File::open(path).map_err(|error| refuse(format!("cannot be read: {error}")))?;
    let mut bytes = Vec::new();
    let limit = MAX_FILE_BYTES.saturating_add(1);
    file.take(limit).read_to_end(&mut bytes).map_err(|error| refuse(format!("cannot be read: {error}")))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_FILE_BYTES {
        return Err(refuse("is larger than 1 MiB".to_owned()));
    }
    let text = String::from_utf8(bytes).map_err(|_| refuse("is not UTF-8 text".to_owned()))?;
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    Ok(Source { name: path.display().to_string(), text })
}
