//! Passwords from a file, a pipe or a terminal, never from the command line.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use zeroize::Zeroizing;

use super::{Exit, Failure};
use crate::secret::Secret;

/// Longest password or token that is read, in bytes.
const MAX_BYTES: u64 = 8192;

/// Reads a secret from a file, `-` for standard input; one line break at its end is not part of it.
pub(super) fn read_file(path: &Path) -> Result<Secret, Failure> {
    let failed = |error: io::Error| Failure::caused(Exit::Failure, error, format!("cannot read {}", path.display()));
    let mut text = Zeroizing::new(String::new());
    if path == Path::new("-") {
        io::stdin().lock().take(MAX_BYTES).read_to_string(&mut text).map_err(failed)?;
    } else {
        std::fs::File::open(path).map_err(failed)?.take(MAX_BYTES).read_to_string(&mut text).map_err(failed)?;
    }
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() {
        return Err(Failure::new(Exit::Usage, format!("{} is empty", path.display())));
    }
    Ok(Secret::new(line.to_owned()))
}

/// The password of a file, else of a terminal that is asked twice, else the first line of standard input.
pub(super) fn read(file: Option<PathBuf>) -> Result<Secret, Failure> {
    if let Some(path) = file {
        return read_file(&path);
    }
    if !io::stdin().is_terminal() {
        return read_line();
    }
    let echo = Echo::off();
    let first = ask("New password: ")?;
    let second = ask("Again: ")?;
    drop(echo);
    if !first.matches(second.expose()) {
        return Err(Failure::new(Exit::Usage, "the two passwords differ"));
    }
    Ok(first)
}

fn ask(prompt: &str) -> Result<Secret, Failure> {
    let mut terminal = io::stderr().lock();
    terminal.write_all(prompt.as_bytes())?;
    terminal.flush()?;
    let secret = read_line();
    terminal.write_all(b"\n")?;
    secret
}

fn read_line() -> Result<Secret, Failure> {
    let mut line = Zeroizing::new(String::new());
    io::stdin().lock().take(MAX_BYTES).read_line(&mut line)?;
    let text = line.trim_end_matches(['\n', '\r']);
    if text.is_empty() {
        return Err(Failure::new(Exit::Usage, "no password was given"));
    }
    Ok(Secret::new(text.to_owned()))
}

/// Keeps the terminal from showing what is typed, until dropped.
struct Echo;

impl Echo {
    fn off() -> Self {
        set_echo("-echo");
        Self
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        set_echo("echo");
    }
}

fn set_echo(mode: &str) {
    let changed = Command::new("stty").arg(mode).stdin(Stdio::inherit()).status();
    if !changed.is_ok_and(|status| status.success()) && mode == "-echo" {
        // The password is shown then, which its owner sees; refusing would be no help.
        if writeln!(io::stderr().lock(), "the terminal cannot be told to hide the password").is_err() {}
    }
}
