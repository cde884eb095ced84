//! Audit entries in hash chains, one per municipality and stream, written in the same transaction as what they record.
//!
//! entry_hash = SHA-256(previous_hash ‖ "\n" ‖ canonical JSON of [municipality, stream, sequence, at, actor, action, target, detail]).

use crate::clock::to_micros;
use crate::db::Tx;
use crate::error::Result;
use crate::id::{MunicipalityId, sha256_hex};
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
    let mut rows = Vec::with_capacity(entries.len());
    for (at, entry) in entries {
        sequence += 1;
        let at = to_micros(at);
        let hash = entry_hash(&last, municipality, stream, sequence, at, entry.actor, entry.action, entry.target, &entry.detail);
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
    // serde_json keeps object keys sorted, so the same object has the same text on both engines.
    let canonical = json!([municipality, stream, sequence, at.to_rfc3339_opts(SecondsFormat::Micros, true), actor, action, target, detail]);
    sha256_hex(format!("{previous}\n{canonical}").as_bytes())
}

#[derive(sqlx::FromRow)]
struct Stored {
    municipality_id: MunicipalityId,
    stream: String,
    sequence: i64,
    at: DateTime<Utc>,
    actor: String,
    action: String,
    target: String,
    detail: Value,
    previous_hash: String,
    entry_hash: String,
}

/// Walks every chain; answers one line for each entry that was altered, removed, reordered or cut off.
pub async fn verify(tx: &mut Tx) -> Result<Vec<String>> {
    let mut broken = Vec::new();
    let heads: Vec<(MunicipalityId, String, i64, String)> =
        crate::all!(tx, "SELECT municipality_id, stream, sequence, entry_hash FROM audit_head ORDER BY municipality_id, stream")?;
    for (municipality, stream, last, head_hash) in heads {
        let mut previous = String::new();
        let mut expected = 1;
        'chain: while expected <= last {
            let rows: Vec<Stored> = crate::all!(
                tx,
                "SELECT municipality_id, stream, sequence, at, actor, action, target, detail, previous_hash, entry_hash
                FROM audit_entry WHERE municipality_id = $1 AND stream = $2 AND sequence >= $3 ORDER BY sequence LIMIT 500",
                municipality,
                &stream,
                expected
            )?;
            if rows.is_empty() {
                broken.push(format!("audit {municipality}/{stream}: entry {expected} is missing; restore a backup and compare"));
                break;
            }
            for row in rows {
                if row.sequence != expected {
                    broken.push(format!("audit {municipality}/{stream}: entry {expected} is missing; restore a backup and compare"));
                    break 'chain;
                }
                let hash =
                    entry_hash(&previous, row.municipality_id, &row.stream, row.sequence, row.at, &row.actor, &row.action, &row.target, &row.detail);
                if row.previous_hash != previous || row.entry_hash != hash {
                    broken.push(format!("audit {municipality}/{stream}: entry {expected} was changed; restore a backup and compare"));
                    break 'chain;
                }
                previous = row.entry_hash;
                expected += 1;
            }
        }
        if expected > last && previous != head_hash {
            broken.push(format!("audit {municipality}/{stream}: the head does not match entry {last}; restore a backup and compare"));
        }
    }
    Ok(broken)
}
