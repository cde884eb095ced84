//! The ends of all chains, kept outside the database: a tail that is cut together with its head is missed only there.
//!
//! `DATA_DIR/heads.jsonl` gains a line a day from the server and one at each `vecino verify` that finds nothing. A line is sealed together
//! with the seal of the line before it. Whoever keeps copies elsewhere gives them back with `vecino verify --expect`.

use crate::all;
use crate::clock::{local_day, show_time};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::MunicipalityId;
use crate::seal::RecordKeys;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The last entry of one chain.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Head {
    pub municipality_id: MunicipalityId,
    pub stream: String,
    pub sequence: i64,
    pub entry_hash: String,
}

/// `1202/observation 5123 9af3…`
impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} {} {}", self.municipality_id, self.stream, self.sequence, self.entry_hash)
    }
}

impl Head {
    /// Nothing when the line is no head: the words around heads are let pass.
    fn parse(line: &str) -> Option<Head> {
        let mut parts = line.split_whitespace();
        let (place, sequence, hash) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?);
        let (code, stream) = place.split_once('/')?;
        let digits = hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit());
        let whole = digits && parts.next().is_none() && !stream.is_empty();
        whole.then_some(())?;
        Some(Head { municipality_id: MunicipalityId(code.parse().ok()?), stream: stream.to_owned(), sequence, entry_hash: hash.to_ascii_lowercase() })
    }
}

/// A head that the database must still hold, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    pub head: Head,
    pub by: String,
}

/// The ends of all chains, as the database tells them.
pub async fn of_database(tx: &mut Tx) -> Result<Vec<Head>> {
    let mut heads: Vec<Head> = all!(tx, "SELECT municipality_id, stream, sequence, entry_hash FROM audit_head WHERE sequence > 0")?;
    heads.sort_by(|a, b| (a.municipality_id, &a.stream).cmp(&(b.municipality_id, &b.stream)));
    Ok(heads)
}

/// Heads as `vecino verify` printed them, in text or with `--json`: in a file, or given as they are.
pub fn given(given: &str) -> Result<Vec<Expected>> {
    let itself = given.trim_start().starts_with('{') || given.lines().any(|line| Head::parse(line).is_some());
    let (text, place) = match std::fs::read_to_string(given) {
        Ok(text) => (text, given),
        Err(_) if itself => (given.to_owned(), "--expect"),
        Err(e) => {
            return Err(Error::refused("heads-file", format!("{given}: cannot be read ({e}); name a file of heads that `vecino verify` printed")));
        }
    };
    let lines: Vec<String> = match serde_json::from_str::<Value>(&text) {
        Ok(document) => {
            let list = document.get("heads").and_then(Value::as_array).cloned().unwrap_or_default();
            let line = |head: &Value| {
                let word = |name: &str| head.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
                format!("{}/{} {} {}", word("municipality"), word("stream"), head.get("sequence").unwrap_or(&Value::Null), word("hash"))
            };
            list.iter().map(line).collect()
        }
        Err(_) => text.lines().map(str::to_owned).collect(),
    };
    let mut heads = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        match Head::parse(line) {
            Some(head) => heads.push(Expected { head, by: place.to_owned() }),
            // A head that somebody shortened must not pass for words.
            None if line.split_whitespace().next().is_some_and(|word| word.contains('/') && word.starts_with(|c: char| c.is_ascii_digit())) => {
                return Err(Error::refused(
                    "heads-line",
                    format!("{place}, line {}: «{line}» is not a head; give it as `vecino verify` prints it: 1202/observation 5123 HASH", number + 1),
                ));
            }
            None => {}
        }
    }
    match heads.is_empty() {
        true => Err(Error::refused("heads-none", format!("{place}: holds no head; give what `vecino verify` printed, as text or --json"))),
        false => Ok(heads),
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    at: String,
    heads: Vec<String>,
    mac: String,
}

fn seal(keys: &RecordKeys, previous: &str, at: &str, heads: &[String]) -> String {
    keys.heads(&format!("{previous}\n{at}\n{}", heads.join("\n")))
}

/// The file of heads in the data folder.
pub struct Outside {
    place: PathBuf,
}

/// What the file says: heads to be found in the database, lines that do not hold, and where the next line goes.
#[derive(Debug, Default)]
pub struct Kept {
    pub expected: Vec<Expected>,
    pub broken: Vec<String>,
    last_at: Option<DateTime<Utc>>,
    last: Vec<String>,
    last_mac: String,
    /// Bytes up to the end of the last whole line.
    whole: u64,
}

impl Outside {
    pub fn of(data_dir: &Path) -> Outside {
        Outside { place: data_dir.join("heads.jsonl") }
    }

    pub fn place(&self) -> &Path {
        &self.place
    }

    pub fn read(&self, keys: &RecordKeys) -> Result<Kept> {
        match std::fs::read_to_string(&self.place) {
            Ok(text) => Ok(self.parse(&text, keys)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Kept::default()),
            Err(e) => Err(self.problem("cannot be read", &e)),
        }
    }

    fn parse(&self, text: &str, keys: &RecordKeys) -> Kept {
        // A line without its end was being written when the machine stopped: it was never whole.
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        let mut kept = Kept { whole: whole as u64, ..Kept::default() };
        for (number, line) in text[..whole].lines().enumerate() {
            let place = format!("{}, line {}", self.place.display(), number + 1);
            let read: Option<Line> = serde_json::from_str(line).ok();
            let held = read.filter(|line| seal(keys, &kept.last_mac, &line.at, &line.heads) == line.mac);
            let heads = held.as_ref().and_then(|line| line.heads.iter().map(|head| Head::parse(head)).collect::<Option<Vec<_>>>());
            let (Some(line), Some(heads)) = (held, heads) else {
                kept.broken.push(format!("{place}: this line or the one before it was changed or removed; put the file back from a copy"));
                // What follows is sealed with what stood here: nothing more can be said of it.
                break;
            };
            let at = DateTime::parse_from_rfc3339(&line.at).map(|at| at.with_timezone(&Utc)).unwrap_or_default();
            kept.expected.extend(heads.into_iter().map(|head| Expected { head, by: format!("{place} of {}", show_time(at)) }));
            (kept.last_at, kept.last, kept.last_mac) = (Some(at), line.heads, line.mac);
        }
        kept
    }

    /// Adds the heads, where they are news or `daily` and the day has none yet; answers whether a line was written.
    pub fn keep(&self, keys: &RecordKeys, now: DateTime<Utc>, heads: &[Head], daily: bool) -> Result<bool> {
        let failed = |e: std::io::Error| self.problem("cannot be written", &e);
        let mut options = File::options();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&self.place).map_err(failed)?;
        // The server and a command may come at once; the second sees the first's line.
        file.lock().map_err(failed)?;
        let mut text = String::new();
        file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_string(&mut text)).map_err(failed)?;
        let kept = self.parse(&text, keys);
        let lines: Vec<String> = heads.iter().map(Head::to_string).collect();
        let today = kept.last_at.is_some_and(|at| local_day(at) >= local_day(now));
        if !kept.broken.is_empty() || lines.is_empty() || kept.last == lines || (daily && today) {
            return Ok(false);
        }
        let at = now.to_rfc3339_opts(SecondsFormat::Micros, true);
        let mac = seal(keys, &kept.last_mac, &at, &lines);
        let line = serde_json::to_string(&Line { at, heads: lines, mac }).map_err(|e| Error::internal(format!("heads: {e}")))?;
        if kept.whole < text.len() as u64 {
            file.set_len(kept.whole).map_err(failed)?;
        }
        file.write_all(format!("{line}\n").as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        Ok(true)
    }

    fn problem(&self, what: &str, e: &std::io::Error) -> Error {
        Error::refused("heads-outside", format!("{}: {what} ({e}); check the folder, its owner and free space", self.place.display()))
    }
}
