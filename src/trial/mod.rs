//! A trial's life: protocol, freeze, draw, looks. The baseline is an argument of the draw, never read by it.
//!
//! A frozen protocol is kept byte for byte. What counts is the newest amendment's text, or the frozen one when there is none.

pub mod assign;
pub mod blinding;
pub(crate) mod check;
pub mod contrast;
pub mod command;
pub mod freeze;
pub mod homes;
pub mod looks;
pub mod page;

pub mod protocol;
pub mod randomise;
pub mod status;
pub mod text;
pub mod verify;

pub use assign::assign;
pub use freeze::{amend, freeze};
pub use page::routes;

use crate::db::Tx;
use crate::error::{Error, Kind, Result};
use crate::id::{MunicipalityId, SegmentId};
use crate::territory::change::Drawn;
use crate::{all, opt};
use chrono::{DateTime, NaiveDate, Utc};
use protocol::Protocol;
use randomise::LeftOver;
use std::collections::BTreeSet;

/// A protocol that is frozen in this database.
#[derive(Debug, Clone)]
pub struct Trial {
    pub id: String,
    pub title: String,
    /// What counts today, read.
    pub protocol: Protocol,
    /// What counts today, byte for byte.
    pub text: String,
    /// SHA-256 of `text`.
    pub sha256: String,
    /// SHA-256 of the text as it was frozen first; the same as `sha256` while there is no amendment.
    pub frozen_sha256: String,
    /// The text as it was frozen first.
    frozen_text: String,
    pub seed: u64,
    pub frozen_at: Option<DateTime<Utc>>,
    pub assigned_at: Option<DateTime<Utc>>,
    /// By which rule the arms are, or will be, drawn.
    pub left_over: LeftOver,
    pub amendments: Vec<Amendment>,
}

/// A change after the freeze: numbered, dated, with its reason.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Amendment {
    pub number: i32,
    pub dated_at: DateTime<Utc>,
    pub reason: String,
    #[sqlx(rename = "protocol")]
    pub text: String,
    #[sqlx(rename = "protocol_sha256")]
    pub sha256: String,
}

/// A segment that was assessed before the draw: in an arm, or left out for a reason of [`assign`].
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct TrialSegment {
    pub municipality_id: MunicipalityId,
    pub segment_id: SegmentId,
    pub code: String,
    /// Served homes on the last day of the baseline.
    pub homes: i32,
    /// Observed collections of the baseline weeks, and those that complied.
    pub baseline_observed: i32,
    pub baseline_complied: i32,
    /// `1202/2`: municipality and baseline tercile.
    pub stratum: Option<String>,
    /// Segments of like baseline within the stratum that were dealt together, from 1; the rule may have none.
    pub block: Option<i32>,
    pub arm: Option<String>,
    pub left_out: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Row {
    trial_id: String,
    protocol: String,
    protocol_sha256: String,
    seed: i64,
    frozen_at: Option<DateTime<Utc>>,
    assigned_at: Option<DateTime<Utc>>,
    draw_rule: i16,
}

/// The trial of that name; refuses a name that was never frozen here.
pub async fn find(tx: &mut Tx, trial_id: &str) -> Result<Trial> {
    find_if_any(tx, trial_id).await?.ok_or_else(|| {
        Error::not_found("trial-unknown", format!("trial «{trial_id}» is not in this database; freeze its protocol with `vecino trial freeze FILE`"))
            .with("trial", trial_id)
    })
}

pub(crate) async fn find_if_any(tx: &mut Tx, trial_id: &str) -> Result<Option<Trial>> {
    let row: Option<Row> =
        opt!(tx, "SELECT trial_id, protocol, protocol_sha256, seed, frozen_at, assigned_at, draw_rule FROM trial WHERE trial_id = $1", trial_id)?;
    match row {
        Some(row) => read(tx, row).await.map(Some),
        None => Ok(None),
    }
}

/// Every trial of this database whose protocol can be read, by name.
pub async fn all(tx: &mut Tx) -> Result<Vec<Trial>> {
    let rows: Vec<Row> =
        all!(tx, "SELECT trial_id, protocol, protocol_sha256, seed, frozen_at, assigned_at, draw_rule FROM trial ORDER BY trial_id")?;
    let mut trials = Vec::with_capacity(rows.len());
    for row in rows {
        let id = row.trial_id.clone();
        match read(tx, row).await {
            Ok(trial) => trials.push(trial),
            // One text that cannot be read stops no other trial; `find` and `verify` say what is wrong with it.
            Err(error) if error.kind == Kind::Refused => {
                tracing::error!(trial = id, code = error.code, line = %error, "a stored protocol cannot be read")
            }
            Err(error) => return Err(error),
        }
    }
    Ok(trials)
}

async fn read(tx: &mut Tx, row: Row) -> Result<Trial> {
    let amendments: Vec<Amendment> = all!(
        tx,
        "SELECT number, dated_at, reason, protocol, protocol_sha256 FROM trial_amendment WHERE trial_id = $1 ORDER BY number",
        &row.trial_id
    )?;
    let (text, sha256) = match amendments.last() {
        Some(amendment) => (amendment.text.clone(), amendment.sha256.clone()),
        None => (row.protocol.clone(), row.protocol_sha256.clone()),
    };
    let protocol = parsed(&row.trial_id, &text, &sha256)?;
    Ok(Trial {
        title: protocol.title.clone(),
        id: row.trial_id,
        protocol,
        text,
        sha256,
        frozen_sha256: row.protocol_sha256,
        frozen_text: row.protocol,
        // TOML integers are at most i64::MAX, so nothing is lost.
        seed: row.seed.unsigned_abs(),
        frozen_at: row.frozen_at,
        assigned_at: row.assigned_at,
        left_over: assign::left_over(row.draw_rule),
        amendments,
    })
}

/// Reads a stored text. It is the promise: when it no longer gives the stored hash, somebody edited the database.
fn parsed(trial_id: &str, text: &str, sha256: &str) -> Result<Protocol> {
    if Protocol::sha256(text) != sha256 {
        return Err(Error::refused(
            "trial-altered",
            format!("trial {trial_id}: the stored protocol does not give its own hash {sha256}; it was edited in the database: restore a backup"),
        ));
    }
    Protocol::parse(text, trial_id)
}

impl Trial {
    /// The protocol that has this hash, frozen or amended.
    pub fn of_hash(&self, sha256: &str) -> Result<Option<Protocol>> {
        let amended = self.amendments.iter().map(|amendment| (&amendment.text, &amendment.sha256));
        let found = std::iter::once((&self.frozen_text, &self.frozen_sha256)).chain(amended).find(|(_, own)| *own == sha256);
        found.map(|(text, own)| parsed(&self.id, text, own)).transpose()
    }

    /// What counted at a moment: the newest amendment until then, or what was frozen first.
    pub fn in_force(&self, at: DateTime<Utc>) -> Result<Protocol> {
        match self.amendments.iter().rfind(|amendment| amendment.dated_at <= at) {
            Some(amendment) => parsed(&self.id, &amendment.text, &amendment.sha256),
            None => parsed(&self.id, &self.frozen_text, &self.frozen_sha256),
        }
    }
}

/// The frozen trials that run in a municipality, by name, each as it is in force.
pub async fn of(tx: &mut Tx, municipality: MunicipalityId) -> Result<Vec<Trial>> {
    let own = |trial: &Trial| trial.frozen_at.is_some() && trial.protocol.municipalities.contains(&municipality);
    Ok(all(tx).await?.into_iter().filter(own).collect())
}

/// The frozen trials that drew any of these segments, with those they drew.
pub async fn drawn(tx: &mut Tx, municipality: MunicipalityId, among: &BTreeSet<SegmentId>, day: NaiveDate) -> Result<Vec<Drawn>> {
    let mut found = Vec::new();
    if among.is_empty() {
        return Ok(found);
    }
    for trial in all(tx).await? {
        let own = segments(tx, &trial.id).await?.into_iter().filter(|row| row.municipality_id == municipality && row.arm.is_some());
        let codes: Vec<String> = own.filter(|row| among.contains(&row.segment_id)).map(|row| row.code).collect();
        if !codes.is_empty() {
            let running = trial.protocol.week(trial.protocol.calendar.weeks).sunday() >= day;
            found.push(Drawn { trial: trial.id, segments: codes, running });
        }
    }
    Ok(found)
}

/// Every assessed segment, by municipality and code; empty before the draw.
pub async fn segments(tx: &mut Tx, trial_id: &str) -> Result<Vec<TrialSegment>> {
    let mut segments: Vec<TrialSegment> = all!(
        tx,
        "SELECT t.municipality_id, t.segment_id, s.code, t.homes, t.baseline_observed, t.baseline_complied, t.stratum, t.block, t.arm, t.left_out
           FROM trial_segment t
           JOIN segment s ON s.municipality_id = t.municipality_id AND s.segment_id = t.segment_id
          WHERE t.trial_id = $1",
        trial_id
    )?;
    // Sorted here, by bytes: PostgreSQL's order of text depends on its locale.
    segments.sort_by(|a, b| (a.municipality_id, &a.code).cmp(&(b.municipality_id, &b.code)));
    Ok(segments)
}

/// The arm of each drawn segment of a municipality.
pub async fn arms(tx: &mut Tx, trial_id: &str, municipality: MunicipalityId) -> Result<Vec<(SegmentId, String)>> {
    all!(
        tx,
        "SELECT segment_id, arm FROM trial_segment WHERE municipality_id = $1 AND trial_id = $2 AND arm IS NOT NULL ORDER BY segment_id",
        municipality,
        trial_id
    )
}
