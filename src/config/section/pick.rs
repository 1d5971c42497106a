//! Values with rules beyond their form: one of some words, addresses, files, secrets.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use url::Url;
use zeroize::Zeroizing;

use super::super::document::{Span, Value};
use super::super::problem::Severity;
use super::super::secrets::Credentials;
use super::Section;
use crate::model::near;
use crate::secret::Secret;

/// Largest secret, in bytes.
const MAX_SECRET_BYTES: usize = 64 << 10;

/// A word of the file and what it stands for.
pub(in crate::config) type Choice<T> = (&'static str, T);

impl Section<'_> {
    /// One of some words.
    pub(in crate::config) fn choice<T: Copy + PartialEq>(
        &self,
        name: &'static str,
        default: T,
        choices: &[Choice<T>],
    ) -> T {
        let shown = choices.iter().find(|(_, value)| *value == default).map(|(word, _)| format!("\"{word}\""));
        let Some(entry) = self.ask(name, shown) else {
            return default;
        };
        match &entry.node.value {
            Value::Text(text) => self.word(name, text, choices).unwrap_or(default),
            other => {
                let words = near::list(choices.iter().map(|(word, _)| *word));
                self.error(name, &format!("must be one of {words}, not {}", other.kind()), None);
                default
            }
        }
    }

    /// What `text` under `name` stands for; an unknown word is reported with the nearest one.
    pub(in crate::config) fn word<T: Copy>(&self, name: &str, text: &str, choices: &[Choice<T>]) -> Option<T> {
        let found = choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let words = near::list(choices.iter().map(|(word, _)| *word));
            let near = near::nearest(text, choices.iter().map(|(word, _)| *word));
            let help = near.map(|near| format!("did you mean `{near}`?"));
            self.error(name, &format!("must be one of {words}"), help);
        }
        found
    }

    /// The words of the table under `name`, whose keys are somebody else's to know: key, value, and where it is written.
    /// `true` and `false` stand for `on` and `off`.
    pub(in crate::config) fn words(&self, name: &'static str) -> Vec<(String, String, String)> {
        let entry = self.ask(name, None);
        let table = match entry.map(|entry| &entry.node.value) {
            None | Some(Value::Broken) => return Vec::new(),
            Some(Value::Table(table)) => table,
            Some(other) => {
                self.error(name, &format!("must be a table, not {}", other.kind()), None);
                return Vec::new();
            }
        };
        let mut words = Vec::new();
        for entry in &table.0 {
            let value = match &entry.node.value {
                Value::Text(text) => text.clone(),
                Value::Flag(flag) => (if *flag { "on" } else { "off" }).to_owned(),
                other => {
                    let key = format!("{}.{}", self.key(name), entry.name);
                    let message = format!("`{key}` must be a word or true or false, not {}", other.kind());
                    self.reader.error(entry.node.at, &key, message, None);
                    continue;
                }
            };
            words.push((entry.name.clone(), value, self.reader.file.place(entry.at)));
        }
        words
    }

    /// An address without user and fragment, over TLS, or plain to loopback.
    pub(in crate::config) fn url(&self, name: &'static str, secure: &str, plain: &str) -> Option<Url> {
        let text: String = self.optional(name)?;
        check_url(&text, secure, plain).map_err(|reason| self.error(name, &reason, None)).ok()
    }

    /// A path; relative ones start at the folder of the configuration.
    pub(in crate::config) fn path_or(&self, name: &'static str, default: &str) -> PathBuf {
        let path = self.or(name, PathBuf::from(default));
        self.reader.file.folder.join(path)
    }

    /// A file that must be there.
    pub(in crate::config) fn file(&self, name: &'static str) -> Option<PathBuf> {
        let path: PathBuf = self.optional(name)?;
        let path = self.reader.file.folder.join(path);
        self.check_file(name, &path);
        Some(path)
    }

    fn check_file(&self, name: &str, path: &Path) {
        let unchecked = *self.reader.credentials == Credentials::Unchecked;
        match std::fs::File::open(path).and_then(|file| file.metadata()) {
            Ok(found) if found.is_dir() => self.error(name, "names a folder, not a file", None),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied && unchecked => {
                self.warn(name, "cannot be read by you; whether the service can is not known");
            }
            Err(error) => self.error(name, &format!("cannot be read: {error}"), None),
        }
    }

    /// The file that `{ file = "…" }` or `{ credential = "…" }` under `name` means.
    pub(in crate::config) fn secret_file(&self, name: &'static str) -> Option<PathBuf> {
        let path = self.secret_place(name)?;
        if !path.as_os_str().is_empty() {
            self.check_file(name, &path);
        }
        Some(path)
    }

    /// The secret that `{ file = "…" }` or `{ credential = "…" }` under `name` means; one line break at its end is not
    /// part of it.
    pub(in crate::config) fn secret(&self, name: &'static str) -> Option<Secret> {
        let path = self.secret_place(name)?;
        if path.as_os_str().is_empty() {
            return Some(Secret::new(String::new()));
        }
        match read_secret(&path) {
            Ok((secret, mode)) => {
                if mode & 0o007 != 0 {
                    self.warn(name, &format!("is in {}, which every user of the machine may use", path.display()));
                }
                Some(secret)
            }
            Err(Refusal::Denied) if *self.reader.credentials == Credentials::Unchecked => {
                self.warn(name, "cannot be read by you; whether the service can is not known");
                Some(Secret::new(String::new()))
            }
            Err(refusal) => {
                self.error(name, &format!("{refusal}: {}", path.display()), None);
                None
            }
        }
    }

    /// The path of a secret; empty when credentials are not checked.
    fn secret_place(&self, name: &'static str) -> Option<PathBuf> {
        let entry = self.ask(name, None)?;
        if !matches!(entry.node.value, Value::Table(_)) {
            self.refuse_inline(name, entry.node.at);
            return None;
        }
        let reference = self.table(name);
        let file: Option<PathBuf> = reference.optional("file");
        let credential: Option<String> = reference.optional("credential");
        match (file, credential) {
            (Some(path), None) => Some(self.reader.file.folder.join(path)),
            (None, Some(credential)) => reference.credential(&credential),
            (None, None) if reference.has("file") || reference.has("credential") => None,
            _ => {
                self.error(name, "must have either `file` or `credential`", None);
                None
            }
        }
    }

    fn credential(&self, name: &str) -> Option<PathBuf> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if name.starts_with('.') || !name.chars().all(fits) {
            self.error("credential", "must be a name in letters, digits, ., _ and -", None);
            return None;
        }
        match self.reader.credentials {
            Credentials::Folder(folder) => Some(folder.join(name)),
            Credentials::Unchecked => Some(PathBuf::new()),
            Credentials::None => {
                let help = format!("add `LoadCredential={name}:/etc/cleargate/{name}` to the unit, or use `file`");
                self.error("credential", "cannot be read: the program was started without credentials", Some(help));
                None
            }
        }
    }

    fn refuse_inline(&self, name: &str, at: Span) {
        let key = self.key(name);
        let message = format!("`{key}` is a secret and cannot be written here");
        let problem = self.reader.file.problem(Severity::Error, at, &key, message);
        let help = format!(
            "put it into a file of its own and write `{name} = {{ file = \"/etc/cleargate/{name}\" }}`, \
             or `{name} = {{ credential = \"{name}\" }}` with LoadCredential= in the unit"
        );
        let problem = super::Problem { mark: problem.mark.hiding_all(), help: Some(help), ..problem };
        self.reader.report(at, problem);
    }
}

/// Why a secret cannot be had.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("cannot be read, permission denied")]
    Denied,
    #[error("is empty")]
    Empty,
    #[error("is larger than 64 KiB")]
    Large,
    #[error("is not UTF-8 text")]
    NotText,
    #[error("cannot be read, {0}")]
    Unreadable(std::io::ErrorKind),
}

fn read_secret(path: &Path) -> Result<(Secret, u32), Refusal> {
    let refuse = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::PermissionDenied => Refusal::Denied,
        kind => Refusal::Unreadable(kind),
    };
    let file = std::fs::File::open(path).map_err(refuse)?;
    let mode = file.metadata().map_err(refuse)?.permissions().mode();
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_SECRET_BYTES.saturating_add(1)));
    let limit = u64::try_from(MAX_SECRET_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut bytes).map_err(refuse)?;
    if bytes.len() > MAX_SECRET_BYTES {
        return Err(Refusal::Large);
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| Refusal::NotText)?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() { Err(Refusal::Empty) } else { Ok((Secret::new(text.to_owned()), mode)) }
}

/// Reads an absolute URL whose scheme is `secure`, or `plain` when it leads to loopback.
pub(in crate::config) fn check_url(text: &str, secure: &str, plain: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|_| format!("must be an address such as \"{secure}://sso.example.com\""))?;
    if url.host_str().is_none_or(str::is_empty) || (url.scheme() != secure && url.scheme() != plain) {
        return Err(format!("must be an address such as \"{secure}://sso.example.com\""));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not have a user or password in the address".to_owned());
    }
    if url.fragment().is_some() {
        return Err("must not have a fragment".to_owned());
    }
    if url.scheme() == plain && !is_loopback(&url) {
        return Err(format!("must start with {secure}://; plain {plain}:// is for loopback only"));
    }
    Ok(url)
}

/// Whether the address can only lead to this machine.
pub(in crate::config) fn is_loopback(url: &Url) -> bool {
    // Schemes that `url` does not know keep their host as text.
    let host = url.host_str().unwrap_or("").trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
