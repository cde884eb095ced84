//! `POST /api/v1/sync`: up to 500 operations of any age, one transaction, an answer for each only after the commit.
//!
//! Who sends is told by the token, never by the body. An operation is named by its `op`: the same content again is a duplicate,
//! other content a conflict; conflicts and refusals are final and kept as received until a person settles them.
//! Batches of one municipality follow one another (they extend one audit chain), so no phone sees half of another's batch.

use super::operation::{self, Action, Operation, Position, Refusal};
use super::{Kind, Mark, Observation, Outcome, Stream, columns, marks, standing, store, tally};
use crate::account::access::Routes;
use crate::account::{Actor, audit};
use crate::app::App;
use crate::clock::{Week, local, to_micros};
use crate::db::{Db, Tx};
use crate::error::{Error, Kind as Fault, Result};
use crate::id::{DeviceId, HouseholdId, MunicipalityId, OpId, OperatorId, RoundId, SegmentId};
use crate::{among, bulk, run};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Datelike, Duration, NaiveDate, Timelike, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};

const MAX_OPS: usize = 500;
const MAX_BYTES: usize = 4 * 1024 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Stored,
    Duplicate,
    Conflict,
    Rejected,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Receipt {
    pub op: Value,
    pub status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    pub received_at: DateTime<Utc>,
    pub skew_ms: i64,
    pub results: Vec<Receipt>,
}

/// A batch as sent; `device` in it is read by nobody.
struct Batch {
    sent_at: DateTime<Utc>,
    ops: Vec<Value>,
}

impl Batch {
    fn parse(body: &[u8]) -> Result<Batch> {
        if body.len() > MAX_BYTES {
            return Err(too_large(format!("the batch has {} bytes and {MAX_BYTES} are allowed: send fewer operations at a time", body.len())));
        }
        let value: Value =
            serde_json::from_slice(body).map_err(|e| Error::refused("sync-json", format!("the body is not JSON: {e}; nothing was stored")))?;
        let Value::Object(mut batch) = value else {
            return Err(Error::refused("sync-shape", "the body must be an object with sent_at and ops; nothing was stored"));
        };
        let sent_at = batch.get("sent_at").and_then(Value::as_str).and_then(|text| DateTime::parse_from_rfc3339(text).ok()).ok_or_else(|| {
            Error::refused("sync-sent-at", "sent_at must be the phone's time with its offset, such as 2026-11-23T18:02:11-06:00; nothing was stored")
        })?;
        let Some(Value::Array(ops)) = batch.remove("ops") else {
            return Err(Error::refused("sync-shape", "ops must be a list of operations; nothing was stored"));
        };
        if ops.len() > MAX_OPS {
            return Err(too_large(format!("the batch has {} operations and {MAX_OPS} are allowed: send it in parts", ops.len())));
        }
        Ok(Batch { sent_at: sent_at.with_timezone(&Utc), ops })
    }
}

fn too_large(line: String) -> Error {
    Error::new(Fault::TooLarge, "sync-too-large", line)
}

/// What the server knows of an identity it has met.
#[derive(Debug, Clone, Copy)]
enum Met {
    Stored,
    Unsettled(Status, &'static str),
}

#[derive(sqlx::FromRow)]
struct RoundRow {
    round_id: RoundId,
    operator_id: OperatorId,
    operator_code: String,
    service_day: NaiveDate,
    stream: Stream,
    seen_at: Option<DateTime<Utc>>,
}

struct Home {
    household_id: HouseholdId,
    operator_id: Option<OperatorId>,
    places: Vec<(NaiveDate, Option<NaiveDate>, SegmentId)>,
}

impl Home {
    /// The segment valid on the Monday of the week, else the earliest valid within it. Places of one home do not overlap.
    fn segment(&self, week: Week) -> Option<SegmentId> {
        let within = self.places.iter().filter(|(from, to, _)| *from <= week.sunday() && to.is_none_or(|to| to >= week.monday()));
        within.min_by_key(|(from, _, _)| *from).map(|(_, _, segment)| *segment)
    }
}

#[derive(Clone, sqlx::FromRow)]
struct Waiting {
    op_id: OpId,
    corrects: OpId,
    device_id: DeviceId,
    operator_code: Option<String>,
    received_at: DateTime<Utc>,
    skew_ms: i64,
    body: Value,
    content_hash: String,
}

struct Event {
    op_id: OpId,
    kind: String,
    round_id: Option<RoundId>,
    at: DateTime<Utc>,
    corrected_at: DateTime<Utc>,
    body: Value,
    content_hash: String,
}

struct Unsettled {
    op_id: OpId,
    content_hash: String,
    status: &'static str,
    code: &'static str,
    body: Value,
}

/// One batch on its way: what was looked up, and what will be written.
struct Intake<'a> {
    municipality: MunicipalityId,
    operator: Option<&'a str>,
    device: DeviceId,
    received_at: DateTime<Utc>,
    skew_ms: i64,
    met: HashMap<OpId, Vec<(String, Met)>>,
    rounds: HashMap<RoundId, RoundRow>,
    homes: HashMap<String, Home>,
    /// Stored rows that this batch corrects.
    originals: HashMap<OpId, Observation>,
    waiting: HashMap<OpId, Vec<Waiting>>,
    rows: Vec<Observation>,
    row_of: HashMap<OpId, usize>,
    events: Vec<Event>,
    unsettled: Vec<Unsettled>,
    now_waiting: BTreeMap<OpId, Waiting>,
    applied: Vec<OpId>,
    /// When this phone was last heard, as far as a look-up told.
    seen_at: Option<DateTime<Utc>>,
    /// The homes that have rows in their week already; `None`: not asked, any may.
    seen_homes: Option<BTreeSet<(Week, HouseholdId)>>,
}

/// Stores one batch. `actor` must be a device; everything is kept or nothing.
pub async fn receive(db: &Db, now: DateTime<Utc>, actor: &Actor, body: &[u8]) -> Result<Answer> {
    let municipality = actor.home()?;
    let device = actor.device.ok_or_else(|| {
        Error::forbidden("device-needed", "this token is not a phone's: enrol the phone, or make one with vecino token create --device NAME")
    })?;
    let batch = Batch::parse(body)?;
    let received_at = to_micros(now);
    let skew_ms = (batch.sent_at - received_at).num_milliseconds();
    let identities: Vec<(OpId, String)> = batch.ops.iter().map(operation::identify).collect();
    let mut read: Vec<std::result::Result<Operation, Refusal>> = batch.ops.iter().map(operation::read).collect();
    let mut tx = db.write().await?;
    if !db.is_sqlite() {
        audit::hold(&mut tx, municipality, super::CHAIN).await?;
    }
    let mut intake = Intake {
        municipality,
        operator: actor.operator.as_deref(),
        device,
        received_at,
        skew_ms,
        met: HashMap::new(),
        rounds: HashMap::new(),
        homes: HashMap::new(),
        originals: HashMap::new(),
        waiting: HashMap::new(),
        rows: Vec::with_capacity(batch.ops.len()),
        row_of: HashMap::new(),
        events: Vec::new(),
        unsettled: Vec::new(),
        now_waiting: BTreeMap::new(),
        applied: Vec::new(),
        seen_at: None,
        seen_homes: None,
    };
    intake.look_up(&mut tx, &identities, &read).await?;
    let mut results = Vec::with_capacity(batch.ops.len());
    for ((op, (op_id, hash)), operation) in batch.ops.iter().zip(&identities).zip(read.drain(..)) {
        let (status, refusal) = intake.take(op, *op_id, hash, operation);
        let message = refusal.map(|refusal| refusal.message(op));
        results.push(Receipt { op: op.get("op").cloned().unwrap_or(Value::Null), status, code: refusal.map(|r| r.code), message });
    }
    intake.write(&mut tx).await?;
    if intake.seen_at.is_none_or(|seen| received_at - seen > Duration::minutes(5)) {
        run!(tx, "UPDATE device SET seen_at = $3 WHERE municipality_id = $1 AND device_id = $2", municipality, device, received_at)?;
    }
    let count = |status: Status| results.iter().filter(|receipt| receipt.status == status).count();
    let detail = json!({"stored": count(Status::Stored), "duplicate": count(Status::Duplicate), "conflict": count(Status::Conflict), "rejected": count(Status::Rejected)});
    let target = device.to_string();
    audit::record(
        &mut tx,
        municipality,
        received_at,
        audit::Entry { stream: super::CHAIN, actor: &actor.name, action: "sync", target: &target, detail },
    )
    .await?;
    tx.commit().await?;
    Ok(Answer { received_at, skew_ms, results })
}

impl Intake<'_> {
    async fn look_up(&mut self, tx: &mut Tx, identities: &[(OpId, String)], read: &[std::result::Result<Operation, Refusal>]) -> Result<()> {
        let mut rounds: BTreeSet<RoundId> = BTreeSet::new();
        for operation in read.iter().flatten() {
            match &operation.action {
                Action::Stop { round, .. } => rounds.extend([*round]),
                Action::Correction { .. } => {}
                Action::Event { round, .. } => rounds.extend(*round),
            }
        }
        self.look_up_rounds(tx, rounds).await?;
        if self.look_up_plain(tx, identities, read).await? {
            return Ok(());
        }
        self.look_up_whole(tx, identities, read).await
    }

    async fn look_up_rounds(&mut self, tx: &mut Tx, rounds: BTreeSet<RoundId>) -> Result<()> {
        let (municipality, device) = (self.municipality, self.device);
        let rounds: Vec<RoundId> = rounds.into_iter().filter(|round| !self.rounds.contains_key(round)).collect();
        let rounds: Vec<RoundRow> = among!(
            tx,
            "WITH asked (municipality_id, round_id, device_id) AS (",
            rounds,
            |round| [municipality, *round, device],
            ") SELECT d.round_id, d.operator_id, a.code AS operator_code, d.service_day, d.stream,
                (SELECT p.seen_at FROM device p WHERE p.municipality_id = asked.municipality_id AND p.device_id = asked.device_id) AS seen_at
               FROM asked CROSS JOIN round d
               JOIN operator a ON a.municipality_id = d.municipality_id AND a.operator_id = d.operator_id
              WHERE d.municipality_id = asked.municipality_id AND d.round_id = asked.round_id"
        )?;
        self.seen_at = self.seen_at.or(rounds.first().and_then(|row| row.seen_at));
        self.rounds.extend(rounds.into_iter().map(|row| (row.round_id, row)));
        Ok(())
    }

    /// The batch of every day, in one statement: only stops, none met before, none awaited, every home known and this crew's.
    /// False when anything else is in it; nothing has been decided then.
    async fn look_up_plain(&mut self, tx: &mut Tx, identities: &[(OpId, String)], read: &[std::result::Result<Operation, Refusal>]) -> Result<bool> {
        let municipality = self.municipality;
        let mut asked: Vec<(i64, OpId, &str, &RoundRow, Week)> = Vec::with_capacity(read.len());
        for (n, (read, (op_id, _))) in read.iter().zip(identities).enumerate() {
            let Ok(Operation { action: Action::Stop { round, household, .. }, .. }) = read else { return Ok(false) };
            let Some(round) = self.rounds.get(round) else { return Ok(false) };
            asked.push((n as i64, *op_id, household, round, Week::of(round.service_day)));
        }
        if asked.iter().map(|row| row.1).collect::<BTreeSet<_>>().len() < asked.len() {
            return Ok(false);
        }
        type Found = (i64, HouseholdId, Option<SegmentId>, i64);
        let found: Vec<Found> = among!(
            tx,
            "WITH asked (n, municipality_id, op_id, code, operator_id, service_day, monday, sunday) AS (",
            asked,
            |row| [row.0, municipality, row.1, row.2.to_owned(), row.3.operator_id, row.3.service_day, row.4.monday(), row.4.sunday()],
            ") SELECT a.n, h.household_id, p.segment_id, CAST(
                 CASE WHEN EXISTS (SELECT 1 FROM observation x WHERE x.municipality_id = a.municipality_id AND x.op_id = a.op_id)
                        OR EXISTS (SELECT 1 FROM round_event x WHERE x.municipality_id = a.municipality_id AND x.op_id = a.op_id)
                        OR EXISTS (SELECT 1 FROM unsettled_operation x WHERE x.municipality_id = a.municipality_id AND x.op_id = a.op_id)
                        OR EXISTS (SELECT 1 FROM waiting_correction x WHERE x.municipality_id = a.municipality_id AND x.op_id = a.op_id)
                        OR EXISTS (SELECT 1 FROM waiting_correction x WHERE x.municipality_id = a.municipality_id AND x.corrects = a.op_id)
                      THEN 2
                      WHEN h.operator_id <> a.operator_id THEN 2
                      WHEN EXISTS (SELECT 1 FROM observation x WHERE x.municipality_id = a.municipality_id AND x.household_id = h.household_id
                                    AND x.service_day BETWEEN a.monday AND a.sunday) THEN 1
                      ELSE 0 END AS BIGINT)
               FROM asked a CROSS JOIN household h
               LEFT JOIN household_place p ON p.municipality_id = h.municipality_id AND p.household_id = h.household_id
                AND p.valid_from <= a.sunday AND (p.valid_to IS NULL OR p.valid_to >= a.monday)
              WHERE h.municipality_id = a.municipality_id AND h.code = a.code"
        )?;
        // A home that moved within the week answers twice, an unknown one not at all.
        let once: BTreeSet<i64> = found.iter().map(|(n, _, _, _)| *n).collect();
        if found.len() != asked.len() || once.len() != asked.len() || found.iter().any(|(_, _, _, state)| *state == 2) {
            return Ok(false);
        }
        let mut seen = BTreeSet::new();
        for (n, household_id, segment, state) in found {
            let Some((_, _, code, _, week)) = asked.get(n as usize) else { return Ok(false) };
            let home = self.homes.entry((*code).to_owned()).or_insert_with(|| Home { household_id, operator_id: None, places: Vec::new() });
            home.places.extend(segment.map(|segment| (week.monday(), Some(week.sunday()), segment)));
            if state == 1 {
                seen.insert((*week, household_id));
            }
        }
        self.seen_homes = Some(seen);
        Ok(true)
    }

    async fn look_up_whole(&mut self, tx: &mut Tx, identities: &[(OpId, String)], read: &[std::result::Result<Operation, Refusal>]) -> Result<()> {
        let municipality = self.municipality;
        type Found = (OpId, String, Option<String>, Option<String>);
        let found: Vec<Found> = among!(
            tx,
            "WITH asked (municipality_id, op_id) AS (",
            identities,
            |identity| [municipality, identity.0],
            ") SELECT o.op_id, o.content_hash, NULL, NULL FROM asked CROSS JOIN observation o
                WHERE o.municipality_id = asked.municipality_id AND o.op_id = asked.op_id
              UNION ALL SELECT e.op_id, e.content_hash, NULL, NULL FROM asked CROSS JOIN round_event e
                WHERE e.municipality_id = asked.municipality_id AND e.op_id = asked.op_id
              UNION ALL SELECT u.op_id, u.content_hash, u.status, u.code FROM asked CROSS JOIN unsettled_operation u
                WHERE u.municipality_id = asked.municipality_id AND u.op_id = asked.op_id
              UNION ALL SELECT w.op_id, w.content_hash, NULL, NULL FROM asked CROSS JOIN waiting_correction w
                WHERE w.municipality_id = asked.municipality_id AND w.op_id = asked.op_id
              UNION ALL SELECT w.corrects, w.content_hash, 'awaited', NULL FROM asked CROSS JOIN waiting_correction w
                WHERE w.municipality_id = asked.municipality_id AND w.corrects = asked.op_id"
        )?;
        let mut awaited = BTreeSet::new();
        for (op, hash, status, code) in found {
            let met = match (status.as_deref(), code.and_then(|code| Refusal::find(&code))) {
                (Some("awaited"), _) => {
                    awaited.insert(op);
                    continue;
                }
                (Some("conflict"), refusal) => Met::Unsettled(Status::Conflict, refusal.unwrap_or(operation::OTHER_CONTENT).code),
                (Some(_), refusal) => Met::Unsettled(Status::Rejected, refusal.unwrap_or(operation::KIND).code),
                (None, _) => Met::Stored,
            };
            self.met.entry(op).or_default().push((hash, met));
        }
        let new = || identities.iter().zip(read).filter(|((op, _), _)| !self.met.contains_key(op)).filter_map(|(_, read)| read.as_ref().ok());
        let mut codes: BTreeSet<&str> = BTreeSet::new();
        let mut corrected: BTreeSet<OpId> = BTreeSet::new();
        for operation in new() {
            match &operation.action {
                Action::Stop { household, .. } => {
                    codes.insert(household);
                }
                Action::Correction { of, household, .. } => {
                    corrected.insert(*of);
                    codes.extend(household.as_deref());
                }
                Action::Event { .. } => {}
            }
        }
        if !corrected.is_empty() {
            let corrected: Vec<OpId> = corrected.into_iter().collect();
            let originals: Vec<Observation> = among!(
                tx,
                "WITH asked (municipality_id, op_id) AS (",
                corrected,
                |op| [municipality, *op],
                concat!(
                    ") SELECT ",
                    columns!("o."),
                    " FROM asked CROSS JOIN observation o WHERE o.municipality_id = asked.municipality_id AND o.op_id = asked.op_id"
                )
            )?;
            self.look_up_rounds(tx, originals.iter().map(|row| row.round_id).collect()).await?;
            self.originals = originals.into_iter().map(|row| (row.op_id, row)).collect();
        }
        if !codes.is_empty() {
            let codes: Vec<&str> = codes.into_iter().collect();
            type Row = (String, HouseholdId, Option<OperatorId>, Option<SegmentId>, Option<NaiveDate>, Option<NaiveDate>);
            let homes: Vec<Row> = among!(
                tx,
                "WITH asked (municipality_id, code) AS (",
                codes,
                |code| [municipality, code.to_string()],
                ") SELECT h.code, h.household_id, h.operator_id, p.segment_id, p.valid_from, p.valid_to FROM asked
                     CROSS JOIN household h
                     LEFT JOIN household_place p ON p.municipality_id = h.municipality_id AND p.household_id = h.household_id
                    WHERE h.municipality_id = asked.municipality_id AND h.code = asked.code"
            )?;
            for (code, household_id, operator_id, segment, from, to) in homes {
                let home = self.homes.entry(code).or_insert_with(|| Home { household_id, operator_id, places: Vec::new() });
                if let (Some(segment), Some(from)) = (segment, from) {
                    home.places.push((from, to, segment));
                }
            }
        }
        // A correction may wait for a correction that waits itself.
        while !awaited.is_empty() {
            let asked: Vec<OpId> = std::mem::take(&mut awaited).into_iter().collect();
            let waiting: Vec<Waiting> = among!(
                tx,
                "WITH asked (municipality_id, op_id) AS (",
                asked,
                |op| [municipality, *op],
                ") SELECT w.op_id, w.corrects, w.device_id, w.operator_code, w.received_at, w.skew_ms, w.body, w.content_hash FROM asked
                     CROSS JOIN waiting_correction w WHERE w.municipality_id = asked.municipality_id AND w.corrects = asked.op_id"
            )?;
            for correction in waiting {
                if !self.waiting.contains_key(&correction.op_id) {
                    awaited.insert(correction.op_id);
                }
                self.waiting.entry(correction.corrects).or_default().push(correction);
            }
        }
        Ok(())
    }

    /// Decides about one operation and remembers what to write.
    fn take(&mut self, op: &Value, op_id: OpId, hash: &str, read: std::result::Result<Operation, Refusal>) -> (Status, Option<Refusal>) {
        if let Some(met) = self.met.get(&op_id) {
            return match met.iter().find(|(known, _)| known == hash) {
                Some((_, Met::Stored)) => (Status::Duplicate, None),
                Some((_, Met::Unsettled(status, code))) => (*status, Refusal::find(code)),
                None => (Status::Conflict, Some(self.keep(op, op_id, hash, Status::Conflict, operation::OTHER_CONTENT))),
            };
        }
        let stored = read.and_then(|operation| self.store(op, op_id, hash, operation));
        match stored {
            Ok(()) => {
                self.met.entry(op_id).or_default().push((hash.to_owned(), Met::Stored));
                (Status::Stored, None)
            }
            Err(refusal) => (Status::Rejected, Some(self.keep(op, op_id, hash, Status::Rejected, refusal))),
        }
    }

    fn keep(&mut self, op: &Value, op_id: OpId, hash: &str, status: Status, refusal: Refusal) -> Refusal {
        self.met.entry(op_id).or_default().push((hash.to_owned(), Met::Unsettled(status, refusal.code)));
        let status = if status == Status::Conflict { "conflict" } else { "rejected" };
        self.unsettled.push(Unsettled { op_id, content_hash: hash.to_owned(), status, code: refusal.code, body: operation::storable(op) });
        refusal
    }

    fn store(&mut self, op: &Value, op_id: OpId, hash: &str, operation: Operation) -> std::result::Result<(), Refusal> {
        match operation.action.clone() {
            Action::Stop { kind, round, household, outcome } => {
                let round = self.own_round(round)?;
                let home = self
                    .homes
                    .get(&household)
                    .filter(|home| self.operator.is_none() || home.operator_id.is_none_or(|operator| operator == round.operator_id));
                let home = home.ok_or(operation::HOUSEHOLD)?;
                let time = timing(operation.observed_at, self.skew_ms, self.received_at, round.service_day)?;
                let week = Week::of(round.service_day);
                let complied = if kind == Kind::StopMissed { None } else { outcome.complied(round.stream) };
                let (round_id, service_day) = (round.round_id, round.service_day);
                let (household_id, segment_id) = (home.household_id, home.segment(week));
                self.add(Observation {
                    municipality_id: self.municipality,
                    op_id,
                    kind,
                    round_id,
                    household_id,
                    segment_id,
                    service_day,
                    iso_week: week,
                    device_id: self.device,
                    observed_at: operation.observed_at,
                    corrected_at: time.corrected_at,
                    received_at: self.received_at,
                    corrects: None,
                    because: operation.because,
                    outcome,
                    complied,
                    counted: false,
                    suspect: time.suspect.map(str::to_owned),
                    lon: operation.position.map(|at| at.lon),
                    lat: operation.position.map(|at| at.lat),
                    accuracy_m: operation.position.and_then(|at| at.accuracy_m),
                    content_hash: hash.to_owned(),
                    extra: operation.extra,
                });
            }
            Action::Correction { of, .. } => {
                let waiting = Waiting {
                    op_id,
                    corrects: of,
                    device_id: self.device,
                    operator_code: self.operator.map(str::to_owned),
                    received_at: self.received_at,
                    skew_ms: self.skew_ms,
                    body: Value::Null,
                    content_hash: hash.to_owned(),
                };
                let original = self.row_of.get(&of).map(|at| &self.rows[*at]).or_else(|| self.originals.get(&of));
                // Another company's operation is as unknown as one that has not come.
                match original.filter(|original| self.may_correct(&waiting, original)).cloned() {
                    Some(original) => {
                        let row = self.corrected(&waiting, operation, &original)?;
                        self.add(row);
                    }
                    None => {
                        let waiting = Waiting { body: op.clone(), ..waiting };
                        self.waiting.entry(of).or_default().push(waiting.clone());
                        self.now_waiting.insert(op_id, waiting);
                    }
                }
            }
            Action::Event { kind, round } => {
                let day = round.map(|round| self.own_round(round)).transpose()?.map(|round| round.service_day);
                let corrected_at = match day {
                    Some(day) => timing(operation.observed_at, self.skew_ms, self.received_at, day)?.corrected_at,
                    None => unskewed(operation.observed_at, self.skew_ms, self.received_at),
                };
                self.events.push(Event {
                    op_id,
                    kind,
                    round_id: round,
                    at: operation.observed_at,
                    corrected_at,
                    body: op.clone(),
                    content_hash: hash.to_owned(),
                });
            }
        }
        Ok(())
    }

    fn own_round(&self, round: RoundId) -> std::result::Result<&RoundRow, Refusal> {
        let found = self.rounds.get(&round).filter(|row| self.operator.is_none_or(|own| own == row.operator_code)).ok_or(operation::ROUND)?;
        if found.service_day > local(self.received_at).date_naive() {
            return Err(operation::ROUND_FUTURE);
        }
        Ok(found)
    }

    fn may_correct(&self, correction: &Waiting, original: &Observation) -> bool {
        let round = self.rounds.get(&original.round_id);
        correction.operator_code.as_deref().is_none_or(|own| round.is_some_and(|round| round.operator_code == own))
    }

    /// The row of a correction: the named row's home and day, with what the correction names put in its place.
    fn corrected(&self, by: &Waiting, operation: Operation, original: &Observation) -> std::result::Result<Observation, Refusal> {
        let Action::Correction { round, household, outcome, .. } = operation.action else { return Err(operation::CORRECTS) };
        let another = |code: &str| self.homes.get(code).is_none_or(|home| home.household_id != original.household_id);
        if round.is_some_and(|round| round != original.round_id) || household.as_deref().is_some_and(another) {
            return Err(operation::CORRECTS_OTHER);
        }
        let stream = self.rounds.get(&original.round_id).map_or(Stream::Mixed, |round| round.stream);
        let outcome: Outcome = original.outcome.corrected(&outcome);
        let complied = outcome.complied(stream);
        // A correction may be made days later at the desk: only an absurd clock is worth a mark.
        let suspect = (by.skew_ms.abs() > Duration::days(1).num_milliseconds()).then(|| "clock".to_owned());
        let Position { lon, lat, accuracy_m } = operation.position.unwrap_or_default();
        let placed = operation.position.is_some();
        Ok(Observation {
            op_id: by.op_id,
            kind: Kind::Correction,
            device_id: by.device_id,
            observed_at: operation.observed_at,
            corrected_at: unskewed(operation.observed_at, by.skew_ms, by.received_at),
            received_at: by.received_at,
            corrects: Some(original.op_id),
            because: operation.because,
            outcome,
            complied,
            counted: false,
            suspect: suspect.or_else(|| original.suspect.clone()),
            lon: placed.then_some(lon),
            lat: placed.then_some(lat),
            accuracy_m,
            content_hash: by.content_hash.clone(),
            extra: operation.extra,
            ..original.clone()
        })
    }

    /// Adds a row, and the corrections that waited for it.
    fn add(&mut self, row: Observation) {
        let mut arrived = vec![row];
        while let Some(row) = arrived.pop() {
            for waiting in self.waiting.remove(&row.op_id).unwrap_or_default() {
                let corrected = operation::read(&waiting.body).and_then(|operation| {
                    if !self.may_correct(&waiting, &row) {
                        return Err(operation::CORRECTS);
                    }
                    self.corrected(&waiting, operation, &row)
                });
                // What cannot be applied was acknowledged all the same and stays where it waits.
                if let Ok(corrected) = corrected {
                    if self.now_waiting.remove(&waiting.op_id).is_none() {
                        self.applied.push(waiting.op_id);
                    }
                    arrived.push(corrected);
                }
            }
            self.row_of.insert(row.op_id, self.rows.len());
            self.rows.push(row);
        }
    }

    async fn write(&mut self, tx: &mut Tx) -> Result<()> {
        let (municipality, device, received_at) = (self.municipality, self.device, self.received_at);
        let cells: BTreeSet<(Week, HouseholdId)> = self.rows.iter().map(|row| (row.iso_week, row.household_id)).collect();
        if !cells.is_empty() {
            let cells: Vec<_> = cells.into_iter().collect();
            let asked: Vec<_> = cells.iter().filter(|cell| self.seen_homes.as_ref().is_none_or(|seen| seen.contains(cell))).copied().collect();
            let existing = marks(tx, municipality, &asked).await?;
            self.count(tx, existing, &cells).await?;
        }
        for op in &self.applied {
            run!(tx, "DELETE FROM waiting_correction WHERE municipality_id = $1 AND op_id = $2", municipality, *op)?;
        }
        let waiting: Vec<&Waiting> = self.now_waiting.values().collect();
        bulk!(
            tx,
            "INSERT INTO waiting_correction (municipality_id, op_id, corrects, device_id, operator_code, received_at, skew_ms, body, content_hash)",
            waiting,
            |row| [municipality, row.op_id, row.corrects, device, &row.operator_code, received_at, row.skew_ms, &row.body, &row.content_hash],
            ""
        )?;
        bulk!(
            tx,
            "INSERT INTO round_event (municipality_id, op_id, kind, round_id, device_id, observed_at, received_at, body, content_hash)",
            self.events,
            |row| [municipality, row.op_id, &row.kind, row.round_id, device, row.at, received_at, &row.body, &row.content_hash],
            ""
        )?;
        for event in self.events.iter().filter(|event| event.kind == "round_start" || event.kind == "round_end") {
            // The earliest start and the latest end, in whatever order they come.
            let sql = if event.kind == "round_start" {
                "UPDATE round SET started_at = $3 WHERE municipality_id = $1 AND round_id = $2 AND (started_at IS NULL OR started_at > $3)"
            } else {
                "UPDATE round SET ended_at = $3 WHERE municipality_id = $1 AND round_id = $2 AND (ended_at IS NULL OR ended_at < $3)"
            };
            run!(tx, sql, municipality, event.round_id, event.corrected_at)?;
        }
        bulk!(
            tx,
            "INSERT INTO unsettled_operation (municipality_id, op_id, content_hash, status, code, device_id, received_at, body)",
            self.unsettled,
            |row| [municipality, row.op_id, &row.content_hash, row.status, row.code, device, received_at, &row.body],
            ""
        )?;
        Ok(())
    }

    /// Marks the row that stands for each touched home and day, inserts the new rows, and writes their weeks: every row of each is here.
    async fn count(&mut self, tx: &mut Tx, existing: Vec<Mark>, cells: &[(Week, HouseholdId)]) -> Result<()> {
        let municipality = self.municipality;
        let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
        for row in &existing {
            first_segment(&mut before, row);
            first_segment(&mut after, row);
        }
        let stored = existing.len();
        let mut all = existing;
        all.extend(self.rows.iter().map(Observation::mark));
        let mut days: BTreeMap<(HouseholdId, NaiveDate), Vec<usize>> = BTreeMap::new();
        for (at, row) in all.iter().enumerate().skip(stored) {
            first_segment(&mut after, row);
            days.entry((row.household_id, row.service_day)).or_default().push(at);
        }
        for (at, row) in all.iter().enumerate().take(stored) {
            if let Some(day) = days.get_mut(&(row.household_id, row.service_day)) {
                day.push(at);
            }
        }
        for day in days.values() {
            let rows: Vec<Mark> = day.iter().map(|at| all[*at]).collect();
            let stands = standing(&rows);
            for at in day {
                let row = &mut all[*at];
                let counts = stands == Some(row.op_id);
                if *at >= stored {
                    self.rows[*at - stored].counted = counts;
                } else if counts != row.counted {
                    run!(tx, "UPDATE observation SET counted = $3 WHERE municipality_id = $1 AND op_id = $2", municipality, row.op_id, counts)?;
                }
                row.counted = counts;
            }
        }
        store(tx, &self.rows).await?;
        let mut sums: BTreeMap<(Week, HouseholdId), [i32; 4]> = BTreeMap::new();
        for row in &all {
            let cell = sums.entry((Week::of(row.service_day), row.household_id)).or_default();
            cell.iter_mut().zip(row.adds()).for_each(|(sum, more)| *sum += more);
        }
        let segment = |of: &FirstSegments, cell: &(Week, HouseholdId)| of.get(cell).map(|(_, segment)| *segment);
        let homes = cells.iter().map(|cell| tally::HomeCell {
            week: cell.0,
            home: cell.1,
            segment: segment(&after, cell),
            sums: sums.get(cell).copied().unwrap_or_default(),
        });
        let homes: Vec<tally::HomeCell> = homes.collect();
        // A week that changes its segment leaves the old one to be counted again.
        let moved = cells.iter().filter_map(|cell| Some((segment(&before, cell).filter(|old| segment(&after, cell) != Some(*old))?, cell.0)));
        tally::replace(tx, municipality, &homes, moved.collect()).await
    }
}

type FirstSegments = BTreeMap<(Week, HouseholdId), ((NaiveDate, OpId), SegmentId)>;

/// The first row of a week that knows a segment gives it to the week.
fn first_segment(of: &mut FirstSegments, row: &Mark) {
    let Some(segment) = row.segment_id else { return };
    let candidate = ((row.service_day, row.op_id), segment);
    of.entry((Week::of(row.service_day), row.household_id)).and_modify(|known| *known = candidate.min(*known)).or_insert(candidate);
}

struct Timing {
    corrected_at: DateTime<Utc>,
    suspect: Option<&'static str>,
}

/// The phone's claim with its skew taken off, if a calendar can hold it.
fn plausible(observed_at: DateTime<Utc>, skew_ms: i64) -> Option<DateTime<Utc>> {
    observed_at.checked_sub_signed(Duration::milliseconds(skew_ms)).filter(|at| (1970..=2200).contains(&at.year()))
}

fn unskewed(observed_at: DateTime<Utc>, skew_ms: i64, received_at: DateTime<Utc>) -> DateTime<Utc> {
    plausible(observed_at, skew_ms).unwrap_or(received_at)
}

/// When a stop was made. The day is the round's; a clock that cannot be right (1970, years ahead, another day) is marked, and the
/// stop is kept. Only a time ahead by days, from a clock that was otherwise right, is refused: nobody has seen it yet.
fn timing(observed_at: DateTime<Utc>, skew_ms: i64, received_at: DateTime<Utc>, day: NaiveDate) -> std::result::Result<Timing, Refusal> {
    let corrected_at = unskewed(observed_at, skew_ms, received_at);
    let ahead = observed_at.signed_duration_since(received_at) - Duration::milliseconds(skew_ms);
    if ahead > Duration::days(1) && ahead < Duration::days(365) {
        return Err(operation::FUTURE);
    }
    // A round that ends after midnight is still that day's.
    let same_day = plausible(observed_at, skew_ms)
        .map(local)
        .is_some_and(|wall| wall.date_naive() == day || (wall.hour() < 4 && wall.date_naive().pred_opt() == Some(day)));
    let clock = skew_ms.abs() > Duration::days(1).num_milliseconds() || ahead > Duration::minutes(10);
    let suspect = match (clock, same_day) {
        (true, _) => Some("clock"),
        (false, false) => Some("day"),
        (false, true) => None,
    };
    Ok(Timing { corrected_at, suspect })
}

pub fn routes(routes: Routes) -> Routes {
    routes.post("/api/v1/sync", sync)
}

async fn sync(State(app): State<App>, actor: Actor, body: Body) -> Result<Response> {
    let body = axum::body::to_bytes(body, MAX_BYTES)
        .await
        .map_err(|e| too_large(format!("the body ends early or is larger than {MAX_BYTES} bytes: {e}")))?;
    let answer = receive(&app.db, app.clock.now(), &actor, &body).await?;
    Ok(Json(answer).into_response())
}
