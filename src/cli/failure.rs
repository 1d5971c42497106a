//! How a command ends when it did not do as asked.

use std::fmt;
use std::io;

/// The exit code, by what the caller can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 78: the configuration is wrong.
    Configuration,
    /// 6: it exists already, or has changed in between.
    Conflict,
    /// 69: something that is needed does not answer.
    Dependency,
    /// 1: anything else.
    Failure,
    /// 5: there is no such thing.
    NotFound,
    /// 4: the caller may not do this.
    NotPermitted,
    /// 3: no daemon answers.
    Unreachable,
    /// 2: the command is not written right.
    Usage,
}

impl Exit {
    /// The number for the shell.
    pub const fn code(self) -> u8 {
        match self {
            Self::Configuration => 78,
            Self::Conflict => 6,
            Self::Dependency => 69,
            Self::Failure => 1,
            Self::NotFound => 5,
            Self::NotPermitted => 4,
            Self::Unreachable => 3,
            Self::Usage => 2,
        }
    }
}

/// Why a command did not do as asked. Printed, never matched.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    error: anyhow::Error,
}

impl Failure {
    /// A failure with this exit code and text.
    pub fn new(exit: Exit, text: impl fmt::Display) -> Self {
        Self { exit, error: anyhow::anyhow!("{text}") }
    }

    /// A failure caused by another error.
    pub fn caused(exit: Exit, error: impl Into<anyhow::Error>, doing: impl fmt::Display) -> Self {
        Self { exit, error: error.into().context(doing.to_string()) }
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// Whether standard output was closed by its reader.
    pub(super) fn is_closed_pipe(&self) -> bool {
        let kind = |cause: &(dyn std::error::Error + 'static)| cause.downcast_ref::<io::Error>().map(io::Error::kind);
        self.error.chain().any(|cause| kind(cause) == Some(io::ErrorKind::BrokenPipe))
    }
}

/// The text with its causes, in one line.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self { exit: Exit::Failure, error: error.into() }
    }
}
