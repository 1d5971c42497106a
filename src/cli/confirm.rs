//! Nothing is deleted without a yes: `--yes`, or an answer at a terminal.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use super::{Exit, Failure};

/// Longest answer that is read, in bytes.
const MAX_BYTES: u64 = 64;

/// Goes on when `yes` was given or somebody at the terminal agrees to `effect`, the rest of a sentence after "This".
pub(super) fn confirm(effect: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::new(Exit::Usage, format!("this {effect}; say --yes")));
    }
    let mut terminal = io::stderr().lock();
    write!(terminal, "This {effect}. Go on? [y/N] ")?;
    terminal.flush()?;
    let mut line = String::new();
    io::stdin().lock().take(MAX_BYTES).read_line(&mut line)?;
    if matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    Err(Failure::new(Exit::Failure, "nothing was changed"))
}
