//! Audit entries in chains, one per municipality and stream, written in the same transaction as what they record.
//!
//! entry_hash = HMAC-SHA-256(chain key, previous_hash ‖ "\n" ‖ canonical JSON of [municipality, stream, sequence, at, actor, action, target,
//! detail]). The chain key follows from the installation's root key, which is never in the database: who reaches the database alone can
//! destroy a chain and cannot write one. [`walk`] recomputes them, [`heads`] keeps their ends outside.

pub mod findings;
pub mod heads;
pub mod walk;

pub use walk::verify;

use crate::clock::to_micros;
use crate::db::Tx;
use crate::error::Result;
use crate::id::MunicipalityId;
use crate::seal::{Fields, RecordKeys, canonical};
use crate::{bulk, one, run};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

/// What happened, to what, by whom. `detail` is an object and holds no personal data.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    pub stream: &'static str,
    pub actor: &'a str,
    pub action: &'a str,
    pub target: &'a str,
    pub detail: Value,
}

/// What can be done about a record that does not hold.
pub const REMEDY: &str = "keep this database for whoever looks into it, put back a copy made before, and compare";

/// The part of a detail that says how the entry leaves rows.
const LEFT: &str = "left";

/// The fact of a detail that says how many rows of its stream's table the entry stands for.
pub const ROWS: &str = "rows";

/// How a row stands, sealed: what an entry tells of it and `verify` compares.
pub fn state(tx: &Tx, fields: &Fields) -> Result<String> {
    Ok(hex::encode(tx.record_keys()?.row(fields)))
}

/// The same detail, which also says how the entry leaves rows: `("consent/0192…", state)`.
pub fn leaving(mut detail: Value, rows: impl IntoIterator<Item = (String, String)>) -> Value {
    if let Some(facts) = detail.as_object_mut() {
        facts.insert(LEFT.into(), rows.into_iter().map(|(row, state)| (row, Value::String(state))).collect::<serde_json::Map<_, _>>().into());
    }
    detail
}

/// What a detail tells a reader.
pub fn told(detail: &Value) -> impl Iterator<Item = (&String, &Value)> {
    detail.as_object().into_iter().flatten().filter(|(name, value)| !value.is_null() && *name != LEFT)
}

/// Takes the chain for this transaction: other writers of the same chain wait until it ends. Answers its last sequence and hash.
pub async fn hold(tx: &mut Tx, municipality: MunicipalityId, stream: &str) -> Result<(i64, String)> {
    // The no-op upsert locks the head row on PostgreSQL and creates it on first use.
    one!(
        tx,
        "INSERT INTO audit_head (municipality_id, stream, sequence, entry_hash) VALUES ($1, $2, 0, '')
              ON CONFLICT (municipality_id, stream) DO UPDATE SET sequence = audit_head.sequence RETURNING sequence, entry_hash",
        municipality,
        stream
    )
}

/// Appends one entry to the municipality's chain of that stream. Two writers of one chain wait for each other.
pub async fn record(tx: &mut Tx, municipality: MunicipalityId, at: DateTime<Utc>, entry: Entry<'_>) -> Result<()> {
    let head = hold(tx, municipality, entry.stream).await?;
    append(tx, municipality, head, vec![(at, entry)]).await
}

/// Appends entries of one stream after `head`, which [`hold`] gave in this transaction.
pub async fn append(tx: &mut Tx, municipality: MunicipalityId, head: (i64, String), entries: Vec<(DateTime<Utc>, Entry<'_>)>) -> Result<()> {
    let Some(stream) = entries.first().map(|(_, entry)| entry.stream) else { return Ok(()) };
    let (mut sequence, mut last) = head;
    let keys = tx.record_keys()?;
    let mut rows = Vec::with_capacity(entries.len());
    for (at, entry) in entries {
        sequence += 1;
        let at = to_micros(at);
        let hash = entry_hash(&keys, &last, municipality, stream, sequence, at, entry.actor, entry.action, entry.target, &entry.detail);
        let previous = std::mem::replace(&mut last, hash.clone());
        rows.push((sequence, at, entry, previous, hash));
    }
    bulk!(
        tx,
        "INSERT INTO audit_entry (municipality_id, stream, sequence, at, actor, action, target, detail, previous_hash, entry_hash)",
        rows,
        |row| [municipality, stream, row.0, row.1, row.2.actor, row.2.action, row.2.target, &row.2.detail, &row.3, &row.4],
        ""
    )?;
    run!(
        tx,
        "UPDATE audit_head SET sequence = $3, entry_hash = $4 WHERE municipality_id = $1 AND stream = $2",
        municipality,
        stream,
        sequence,
        &last
    )?;
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "one argument per hashed field")]
fn entry_hash(
    keys: &RecordKeys,
    previous: &str,
    municipality: MunicipalityId,
    stream: &str,
    sequence: i64,
    at: DateTime<Utc>,
    actor: &str,
    action: &str,
    target: &str,
    detail: &Value,
) -> String {
    let entry = json!([municipality, stream, sequence, at.to_rfc3339_opts(SecondsFormat::Micros, true), actor, action, target, detail]);
    keys.chain(&format!("{previous}\n{}", canonical(&entry)))
}
