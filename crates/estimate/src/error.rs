//! Why a spec has no answer.

use std::fmt;

/// What this crate's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// One line: the thing, the place, the remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Stable, for programs: `estimate`, `estimate-data`, `estimate-expression` or `estimate-rows`.
    pub code: &'static str,
    /// For people.
    pub line: String,
}

impl Error {
    pub fn refused(code: &'static str, line: impl Into<String>) -> Error {
        Error { code, line: line.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

impl std::error::Error for Error {}
