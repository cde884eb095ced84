//! One error for the whole house: what a person may read, a stable problem code, and private context for the log.
//!
//! Only `web` knows status codes; only `main` knows exit codes. A page shows the interface string `error-CODE` in the
//! reader's language when there is one; the command line and the API show `lines`, one problem each.

use std::fmt;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as far as whoever must react is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The input or the state refuses it; nothing was changed.
    Refused,
    NotFound,
    /// Nobody is signed in, or the token is wrong, revoked or expired.
    Unauthenticated,
    Forbidden,
    /// The same identity with other content, or a state that no longer allows it.
    Conflict,
    TooLarge,
    TooMany,
    /// Storage is full, read-only or away; nothing was acknowledged.
    Unavailable,
    Internal,
}

#[derive(Debug)]
pub struct Error {
    pub kind: Kind,
    /// Stable, kebab-case; clients switch on it and pages translate it.
    pub code: &'static str,
    /// One problem a line: the thing, the place, the remedy.
    pub lines: Vec<String>,
    /// Values for the translated text.
    pub arguments: Vec<(&'static str, String)>,
    /// For the log only.
    pub context: Option<String>,
}

impl Error {
    pub fn new(kind: Kind, code: &'static str, line: impl Into<String>) -> Self {
        Error { kind, code, lines: vec![line.into()], arguments: Vec::new(), context: None }
    }

    /// Use when the input or the state says no and the person can mend it.
    pub fn refused(code: &'static str, line: impl Into<String>) -> Self {
        Self::new(Kind::Refused, code, line)
    }

    /// Use for many problems found in one input; `lines` must not be empty.
    pub fn refused_lines(code: &'static str, lines: Vec<String>) -> Self {
        Error { kind: Kind::Refused, code, lines, arguments: Vec::new(), context: None }
    }

    pub fn not_found(code: &'static str, line: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, code, line)
    }

    pub fn forbidden(code: &'static str, line: impl Into<String>) -> Self {
        Self::new(Kind::Forbidden, code, line)
    }

    pub fn conflict(code: &'static str, line: impl Into<String>) -> Self {
        Self::new(Kind::Conflict, code, line)
    }

    /// Use when the fault is ours; the person sees a neutral sentence, the log sees `context`.
    pub fn internal(context: impl Into<String>) -> Self {
        Error {
            kind: Kind::Internal,
            code: "internal",
            lines: vec!["something went wrong here; it has been logged, try again".into()],
            arguments: Vec::new(),
            context: Some(context.into()),
        }
    }

    /// A value for the translated text, and for machines that read the problem document.
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.arguments.push((name, value.to_string()));
        self
    }

    /// Private detail for the log.
    pub fn because(mut self, context: impl fmt::Display) -> Self {
        self.context = Some(context.to_string());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines.join("\n"))
    }
}

impl std::error::Error for Error {}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        if let sqlx::Error::Database(refusal) = &error {
            // SQLite: 13 full, 8 and its extensions read-only, 10 and its extensions input/output. PostgreSQL: 53100 disk full, 25006 read-only.
            let code = refusal.code().map(|c| c.into_owned()).unwrap_or_default();
            let primary = code.parse::<i64>().map(|n| n & 0xff).ok();
            let full = code == "53100" || (code.len() < 5 && primary == Some(13));
            let read_only = code == "25006" || (code.len() < 5 && primary == Some(8));
            let io = code.len() < 5 && primary == Some(10);
            if full || io {
                return Error::new(
                    Kind::Unavailable,
                    "storage-full",
                    "the disk under the database is full or fails; nothing was stored: free space and try again",
                )
                .because(error);
            }
            if read_only {
                return Error::new(
                    Kind::Unavailable,
                    "storage-read-only",
                    "the database cannot be written (read-only file or folder); nothing was stored: give this user write access",
                )
                .because(error);
            }
        }
        Error::internal(format!("database: {error}"))
    }
}
