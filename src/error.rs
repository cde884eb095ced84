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

impl From<vecino_estimate::error::Error> for Error {
    fn from(error: vecino_estimate::error::Error) -> Self {
        Error::refused(error.code, error.line)
    }
}

/// Seconds after which somebody who met a busy database may ask again, and one that is away.
const SOON: u8 = 2;
const LATER: u8 = 10;

/// What keeps the database from answering, as far as an engine's code tells.
enum Away {
    Full,
    ReadOnly,
    /// Another writer holds it, or two got in each other's way: the same again goes through.
    Busy,
    /// Stopped, starting, or not taking connections.
    Gone,
    /// Its pages are not what was written.
    Damaged,
}

impl Away {
    /// SQLite's primary codes: 5 busy, 6 locked, 8 read-only, 10 input/output, 11 malformed, 13 full, 14 cannot open, 26 no database. PostgreSQL's classes: 08
    /// connection, 53 resources, 57P0x shutdown and start, 40001 and 40P01 conflicts, 55P03 lock not available, 57014 cancelled, XX001 and XX002 corrupted.
    fn of(code: &str) -> Option<Away> {
        if code.len() == 5 {
            return match code {
                "53100" => Some(Away::Full),
                "25006" => Some(Away::ReadOnly),
                "40001" | "40P01" | "55P03" | "57014" | "53300" => Some(Away::Busy),
                "XX001" | "XX002" => Some(Away::Damaged),
                "57P01" | "57P02" | "57P03" | "57P05" => Some(Away::Gone),
                _ if code.starts_with("08") || code.starts_with("53") => Some(Away::Gone),
                _ => None,
            };
        }
        match code.parse::<i64>().ok()? & 0xff {
            10 | 13 => Some(Away::Full),
            8 => Some(Away::ReadOnly),
            5 | 6 => Some(Away::Busy),
            14 => Some(Away::Gone),
            11 | 26 => Some(Away::Damaged),
            _ => None,
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let away = match &error {
            sqlx::Error::Database(refusal) => refusal.code().and_then(|code| Away::of(&code)),
            // Every connection is in use, or none can be made: the pool tells them apart only in its log.
            sqlx::Error::PoolTimedOut => Some(Away::Busy),
            // What this program writes it can read.
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Some(Away::Damaged),
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => Some(Away::Gone),
            _ => None,
        };
        let unavailable = |code, line: &str, seconds: u8| Error::new(Kind::Unavailable, code, line).with("retry_after", seconds);
        match away {
            Some(Away::Full) => {
                unavailable("storage-full", "the disk under the database is full or fails; nothing was stored: free space and try again", LATER)
            }
            Some(Away::ReadOnly) => unavailable(
                "storage-read-only",
                "the database cannot be written (read-only file or folder); nothing was stored: give this user write access",
                LATER,
            ),
            Some(Away::Busy) => {
                unavailable("database-busy", "the database is busy with other work; nothing was stored: try the same again in a moment", SOON)
            }
            Some(Away::Gone) => {
                unavailable("database-away", "the database does not answer; nothing was stored: try the same again when it runs", LATER)
            }
            Some(Away::Damaged) => unavailable(
                "storage-damaged",
                "the database is damaged; nothing was stored: stop the server, run `vecino verify`, and put back a copy made before",
                LATER,
            ),
            None => return Error::internal(format!("database: {error}")),
        }
        .because(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_is_busy_or_away_is_told_from_a_fault_of_ours() {
        for (error, code) in [
            (sqlx::Error::PoolTimedOut, "database-busy"),
            (sqlx::Error::PoolClosed, "database-away"),
            (sqlx::Error::Io(std::io::ErrorKind::ConnectionRefused.into()), "database-away"),
            (sqlx::Error::Io(std::io::ErrorKind::UnexpectedEof.into()), "database-away"),
        ] {
            let told = Error::from(error);
            assert_eq!((told.kind, told.code), (Kind::Unavailable, code));
            assert!(told.arguments.iter().any(|(name, _)| *name == "retry_after"));
        }
        assert_eq!(Error::from(sqlx::Error::RowNotFound).kind, Kind::Internal);
        for (code, busy) in
            [("5", true), ("517", true), ("262", true), ("40P01", true), ("53300", true), ("57P01", false), ("57P03", false), ("08006", false)]
        {
            assert_eq!(matches!(Away::of(code), Some(Away::Busy)), busy, "{code}");
            assert!(Away::of(code).is_some(), "{code}");
        }
        for ours in ["1", "19", "2067", "23505", "42P01", "22P02"] {
            assert!(Away::of(ours).is_none(), "{ours}");
        }
    }
}
