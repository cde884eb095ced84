//! Every chain recomputed, from its first entry to its head; which chains must be there; and how entries left rows.

use super::findings::Findings;
use super::heads::{self, Expected, Head};
use super::{LEFT, REMEDY, ROWS, entry_hash};
use crate::all;
use crate::clock::show_time;
use crate::db::Tx;
use crate::error::Result;
use crate::id::MunicipalityId;
use chrono::{DateTime, Utc};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

macro_rules! streams { ($($stream:literal <- $table:literal),+ $(,)?) => {
    /// Every stream, with the tables whose rows no act makes without an entry in it.
    pub const STREAMS: &[(&str, &str)] = &[$(($stream, $table)),+];

    // Where such rows stand.
    const IMPLIED: &str = concat!(
        $("SELECT m.municipality_id, CAST('", $stream, "' AS TEXT) AS stream, CAST('", $table, "' AS TEXT) AS rows_of FROM municipality m
            WHERE EXISTS (SELECT 1 FROM ", $table, " r WHERE r.municipality_id = m.municipality_id) UNION ALL ",)+
        "SELECT CAST(0 AS SMALLINT), 'account', 'account' FROM (SELECT 1 AS one) x WHERE EXISTS (SELECT 1 FROM account WHERE municipality_id IS NULL)
         UNION ALL SELECT CAST(0 AS SMALLINT), 'account', 'installation' FROM (SELECT 1 AS one) x
                    WHERE EXISTS (SELECT 1 FROM installation WHERE sealed_at IS NOT NULL)
         UNION ALL SELECT CAST(0 AS SMALLINT), 'territory', 'municipality' FROM (SELECT 1 AS one) x
                    WHERE EXISTS (SELECT 1 FROM municipality WHERE geometry IS NOT NULL)
         UNION ALL SELECT CAST(0 AS SMALLINT), 'territory', 'holiday' FROM (SELECT 1 AS one) x WHERE EXISTS (SELECT 1 FROM holiday WHERE municipality_id = 0)
         UNION ALL SELECT CAST(0 AS SMALLINT), 'trial', 'trial' FROM (SELECT 1 AS one) x WHERE EXISTS (SELECT 1 FROM trial)"
    );
} }

streams! {
    "account" <- "account", "territory" <- "household", "territory" <- "route", "territory" <- "segment", "territory" <- "neighbourhood",
    "territory" <- "point", "territory" <- "street", "territory" <- "calendar_day", "territory" <- "holiday", "territory" <- "holiday_rule",
    "territory" <- "household_code_given", "registry" <- "person",
    "registry" <- "contact", "registry" <- "consent", "observation" <- "observation", "observation" <- "round_event",
    "campaign" <- "message", "publication" <- "publication",
}

/// How the last entry that names a row left it.
#[derive(Debug, Clone)]
pub struct Left {
    state: String,
    at: DateTime<Utc>,
    chain: (MunicipalityId, String),
    /// `audit 1202/registry, entry 12 (consent.withdrawn, 30/11/2026 08:00)`
    entry: String,
}

/// A row as it stands: how a line names it, and its state.
pub struct Standing {
    pub place: String,
    pub state: String,
}

/// What a walk over all chains found.
#[derive(Debug, Default)]
pub struct Walked {
    /// One line for each chain that was altered, cut, reordered or removed.
    pub broken: Vec<String>,
    pub heads: Vec<Head>,
    pub entries: i64,
    /// By row: `consent/0192…`.
    left: BTreeMap<String, Left>,
    /// How many rows the entries of a chain stand for, where they say so.
    rows: BTreeMap<(MunicipalityId, String), i64>,
}

impl Walked {
    /// One line for each row of a kind that is not as its last entry left it, that no entry made, or that is gone. `rows` are all there are.
    pub fn differing(&self, kind: &'static str, rows: &BTreeMap<String, Standing>) -> Vec<String> {
        let mut found = Findings::default();
        for (row, standing) in rows {
            let place = &standing.place;
            match self.left.get(row) {
                Some(left) if left.state == standing.state => {}
                Some(left) => found.add(kind, || format!("{place}: it is not as {} left it, so another hand changed it; {REMEDY}", left.entry)),
                None => found.add(kind, || format!("{place}: no audit entry made it, so another hand did; {REMEDY}")),
            }
        }
        let from = format!("{kind}/");
        let of_kind = self.left.range(from.clone()..).take_while(|(row, _)| row.starts_with(&from));
        for (row, left) in of_kind.filter(|(row, _)| !rows.contains_key(*row)) {
            found.add(kind, || format!("{row}: {} left it here, and it is gone; {REMEDY}", left.entry));
        }
        found.lines()
    }

    fn take(&mut self, row: &Stored) {
        self.entries += 1;
        if let Some(n) = row.detail.get(ROWS).and_then(Value::as_i64) {
            *self.rows.entry((row.municipality_id, row.stream.clone())).or_default() += n;
        }
        let Some(left) = row.detail.get(LEFT).and_then(Value::as_object) else { return };
        let entry = || format!("audit {}/{}, entry {} ({}, {})", row.municipality_id, row.stream, row.sequence, row.action, show_time(row.at));
        for (name, state) in left {
            let Some(state) = state.as_str() else { continue };
            // Within a chain the later entry, between chains the later moment.
            let chain = (row.municipality_id, row.stream.clone());
            if self.left.get(name).is_none_or(|known| known.chain == chain || known.at <= row.at) {
                self.left.insert(name.clone(), Left { state: state.to_owned(), at: row.at, chain, entry: entry() });
            }
        }
    }
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

/// Walks every chain that has a head or an entry or is expected; `expected` are heads kept outside.
pub async fn walk(tx: &mut Tx, expected: &[Expected]) -> Result<Walked> {
    let mut walked = Walked { heads: heads::of_database(tx).await?, ..Walked::default() };
    let stored: Vec<(MunicipalityId, String, i64)> =
        all!(tx, "SELECT municipality_id, stream, MAX(sequence) FROM audit_entry GROUP BY municipality_id, stream")?;
    let mut outside: BTreeMap<(MunicipalityId, &str), BTreeMap<i64, Vec<&Expected>>> = BTreeMap::new();
    for one in expected {
        outside.entry((one.head.municipality_id, &one.head.stream)).or_default().entry(one.head.sequence).or_default().push(one);
    }
    let mut chains: BTreeSet<(MunicipalityId, String)> = stored.iter().map(|(place, stream, _)| (*place, stream.clone())).collect();
    chains.extend(walked.heads.iter().map(|head| (head.municipality_id, head.stream.clone())));
    chains.extend(outside.keys().map(|(place, stream)| (*place, (*stream).to_owned())));
    for (municipality, stream) in &chains {
        let head = walked.heads.iter().find(|head| head.municipality_id == *municipality && head.stream == *stream).cloned();
        let last = stored.iter().find(|(place, name, _)| place == municipality && name == stream).map_or(0, |(_, _, last)| *last);
        let kept = outside.get(&(*municipality, stream.as_str()));
        let problem = chain(tx, &mut walked, *municipality, stream, head.as_ref(), last, kept).await?;
        walked.broken.extend(problem.map(|problem| format!("audit {municipality}/{stream}: {problem}; {REMEDY}")));
    }
    Ok(walked)
}

/// What is wrong with one chain, if anything is. `last`: the greatest number an entry has.
async fn chain(
    tx: &mut Tx,
    walked: &mut Walked,
    municipality: MunicipalityId,
    stream: &str,
    head: Option<&Head>,
    last: i64,
    kept: Option<&BTreeMap<i64, Vec<&Expected>>>,
) -> Result<Option<String>> {
    let keys = tx.record_keys()?;
    let mut previous = String::new();
    let mut expected = 1;
    while expected <= last {
        let rows: Vec<Stored> = all!(
            tx,
            "SELECT municipality_id, stream, sequence, at, actor, action, target, detail, previous_hash, entry_hash
               FROM audit_entry WHERE municipality_id = $1 AND stream = $2 AND sequence >= $3 ORDER BY sequence LIMIT 500",
            municipality,
            stream,
            expected
        )?;
        for row in rows {
            if row.sequence != expected {
                return Ok(Some(format!("entry {expected} is missing")));
            }
            let hash = entry_hash(&keys, &previous, municipality, stream, row.sequence, row.at, &row.actor, &row.action, &row.target, &row.detail);
            if row.previous_hash != previous || row.entry_hash != hash {
                return Ok(Some(format!("entry {expected} was changed, or was not written with this installation's key")));
            }
            let other = kept.and_then(|kept| kept.get(&expected)).and_then(|kept| kept.iter().find(|kept| kept.head.entry_hash != hash));
            if let Some(other) = other {
                return Ok(Some(format!("entry {expected} is not the one that {} names: the chain was written anew", other.by)));
            }
            walked.take(&row);
            previous = row.entry_hash;
            expected += 1;
        }
    }
    match head {
        Some(head) if head.sequence > last => return Ok(Some(format!("entry {} is missing", last + 1))),
        Some(head) if head.sequence < last => return Ok(Some(format!("the head stands at entry {} and the chain goes to {last}", head.sequence))),
        Some(head) if head.entry_hash != previous => return Ok(Some(format!("the head does not match entry {last}"))),
        None if last > 0 => return Ok(Some(format!("it has {last} entries and no head"))),
        _ => {}
    }
    let cut = kept.and_then(|kept| kept.range(last + 1..).next_back()).and_then(|(sequence, kept)| Some((sequence, kept.first()?)));
    Ok(cut.map(|(sequence, kept)| format!("it ends at entry {last}, and {} names entry {sequence}: its tail was cut", kept.by)))
}

/// One line for each chain that must be there, by what the tables hold, and is not.
pub async fn missing(tx: &mut Tx) -> Result<Vec<String>> {
    let there: BTreeSet<(MunicipalityId, String)> =
        heads::of_database(tx).await?.into_iter().map(|head| (head.municipality_id, head.stream)).collect();
    let implied: Vec<(MunicipalityId, String, String)> = all!(tx, IMPLIED)?;
    let mut tables: BTreeMap<(MunicipalityId, String), Vec<String>> = BTreeMap::new();
    for (municipality, stream, table) in implied {
        tables.entry((municipality, stream)).or_default().push(table);
    }
    let gone = tables.into_iter().filter(|(chain, _)| !there.contains(chain));
    Ok(gone
        .map(|((municipality, stream), tables)| {
            format!("audit {municipality}/{stream}: the chain is gone, and there are rows of {} that it records; {REMEDY}", tables.join(", "))
        })
        .collect())
}

/// One line for each table that holds more or fewer rows than its chain tells of: a row that was taken away has no seal to miss.
pub async fn numbers(tx: &mut Tx, walked: &Walked) -> Result<Vec<String>> {
    // Every row of these tables is told of by an entry of the stream, in its count `rows`; also where a table was emptied.
    let stored: Vec<(MunicipalityId, String, String, i64)> = all!(
        tx,
        "SELECT m.municipality_id, 'observation', 'observation', (SELECT COUNT(*) FROM observation o WHERE o.municipality_id = m.municipality_id)
           FROM municipality m
         UNION ALL SELECT m.municipality_id, 'campaign', 'message', (SELECT COUNT(*) FROM message o WHERE o.municipality_id = m.municipality_id)
           FROM municipality m
         ORDER BY 1, 2"
    )?;
    let differing = stored.into_iter().filter_map(|(municipality, stream, table, n)| {
        let told = walked.rows.get(&(municipality, stream.clone())).copied().unwrap_or_default();
        // A chain that is gone as a whole is told as such.
        let there = walked.heads.iter().any(|head| head.municipality_id == municipality && head.stream == stream);
        (there && n != told)
            .then(|| format!("{table} {municipality}: {n} rows stand here, and audit {municipality}/{stream} tells of {told}; {REMEDY}"))
    });
    Ok(differing.collect())
}

/// Walks every chain; answers one line for each that does not hold.
pub async fn verify(tx: &mut Tx) -> Result<Vec<String>> {
    Ok(walk(tx, &[]).await?.broken)
}
