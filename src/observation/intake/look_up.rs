//! What the database knows of a batch: its rounds, its homes, and which of its operations it has met.

use super::{Home, Intake, Met, RoundRow, Sender, Waiting};
use crate::among;
use crate::clock::Week;
use crate::db::Tx;
use crate::error::Result;
use crate::id::{DeviceId, HouseholdId, OpId, OperatorId, RoundId, SegmentId};
use crate::observation::operation::{self, Action, Operation, Received, Refusal};
use crate::observation::receive::Status;
use crate::observation::{Mark, Observation, columns, mark_columns};
use chrono::NaiveDate;
use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};
use std::collections::{BTreeMap, BTreeSet};

/// A home asked for, and a row it has in the week; without one, once and without a mark.
struct Found {
    n: i64,
    home: HouseholdId,
    place: Option<SegmentId>,
    unusual: bool,
    mark: Option<Mark>,
}

impl<'r, R: Row> FromRow<'r, R> for Found
where
    &'static str: ColumnIndex<R>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    bool: Decode<'r, R::Database> + Type<R::Database>,
    HouseholdId: Decode<'r, R::Database> + Type<R::Database>,
    SegmentId: Decode<'r, R::Database> + Type<R::Database>,
    OpId: Decode<'r, R::Database> + Type<R::Database>,
    Mark: FromRow<'r, R>,
{
    fn from_row(row: &'r R) -> sqlx::Result<Found> {
        let mark = row.try_get::<Option<OpId>, _>("op_id")?.map(|_| Mark::from_row(row)).transpose()?;
        Ok(Found { n: row.try_get("n")?, home: row.try_get("home")?, place: row.try_get("place")?, unusual: row.try_get("unusual")?, mark })
    }
}

impl Intake {
    pub async fn look_up(&mut self, tx: &mut Tx, ops: &[(&Sender, &Received)]) -> Result<()> {
        let mut rounds: BTreeSet<(RoundId, DeviceId)> = BTreeSet::new();
        for (sender, operation) in ops.iter().filter_map(|(sender, op)| Some((sender, op.read.as_ref().ok()?))) {
            match &operation.action {
                Action::Stop { round, .. } => rounds.extend([(*round, sender.device)]),
                Action::Correction { .. } => {}
                Action::Event { round, .. } => rounds.extend(round.map(|round| (round, sender.device))),
            }
        }
        self.look_up_rounds(tx, rounds).await?;
        if self.look_up_plain(tx, ops).await? {
            return Ok(());
        }
        self.look_up_whole(tx, ops).await
    }

    /// The rounds, and when the phones that name them were last heard.
    async fn look_up_rounds(&mut self, tx: &mut Tx, rounds: BTreeSet<(RoundId, DeviceId)>) -> Result<()> {
        let municipality = self.municipality;
        let asked: Vec<(RoundId, DeviceId)> = rounds.into_iter().collect();
        let rounds: Vec<RoundRow> = among!(
            tx,
            "WITH asked (municipality_id, round_id, device_id) AS (",
            asked,
            |row| [municipality, row.0, row.1],
            ") SELECT d.round_id, d.operator_id, a.code AS operator_code, d.service_day, d.stream, asked.device_id,
                (SELECT p.seen_at FROM device p WHERE p.municipality_id = asked.municipality_id AND p.device_id = asked.device_id) AS seen_at
               FROM asked CROSS JOIN round d
               JOIN operator a ON a.municipality_id = d.municipality_id AND a.operator_id = d.operator_id
              WHERE d.municipality_id = asked.municipality_id AND d.round_id = asked.round_id"
        )?;
        self.seen_at.extend(rounds.iter().filter_map(|row| Some((row.device_id, row.seen_at?))));
        self.rounds.extend(rounds.into_iter().map(|row| (row.round_id, row)));
        Ok(())
    }

    /// The batches of every day, in one statement: only stops, none met before, none awaited, every home known and its crew's own.
    /// False when anything else is among them; nothing has been decided then.
    async fn look_up_plain(&mut self, tx: &mut Tx, ops: &[(&Sender, &Received)]) -> Result<bool> {
        let municipality = self.municipality;
        let mut asked: Vec<(i64, OpId, &str, OperatorId, Week)> = Vec::with_capacity(ops.len());
        for (n, (_, op)) in ops.iter().enumerate() {
            let Ok(Operation { action: Action::Stop { round, household, .. }, .. }) = &op.read else { return Ok(false) };
            let Some(round) = self.rounds.get(round) else { return Ok(false) };
            asked.push((n as i64, op.op_id, household, round.operator_id, Week::of(round.service_day)));
        }
        if asked.iter().map(|row| row.1).collect::<BTreeSet<_>>().len() < asked.len() {
            return Ok(false);
        }
        let found: Vec<Found> = among!(
            tx,
            "WITH asked (n, municipality_id, op_id, code, operator_id, monday, sunday) AS (",
            asked,
            |row| [row.0, municipality, row.1, row.2, row.3, row.4.monday(), row.4.sunday()],
            concat!(
                ") SELECT a.n, h.household_id AS home, p.segment_id AS place,
                     EXISTS (SELECT 1 FROM observation x WHERE x.municipality_id = a.municipality_id AND x.op_id = a.op_id)
                       OR EXISTS (SELECT 1 FROM round_event x WHERE x.municipality_id = a.municipality_id AND x.op_id = a.op_id)
                       OR EXISTS (SELECT 1 FROM unsettled_operation x WHERE x.municipality_id = a.municipality_id AND x.op_id = a.op_id)
                       OR EXISTS (SELECT 1 FROM waiting_correction x WHERE x.municipality_id = a.municipality_id AND x.op_id = a.op_id)
                       OR EXISTS (SELECT 1 FROM waiting_correction x WHERE x.municipality_id = a.municipality_id AND x.corrects = a.op_id)
                       OR COALESCE(h.operator_id <> a.operator_id, FALSE) AS unusual, ",
                mark_columns!(),
                "  FROM asked a CROSS JOIN household h
                   LEFT JOIN household_place p ON p.municipality_id = h.municipality_id AND p.household_id = h.household_id
                    AND p.valid_from <= a.sunday AND (p.valid_to IS NULL OR p.valid_to >= a.monday)
                   LEFT JOIN observation o ON o.municipality_id = h.municipality_id AND o.household_id = h.household_id
                    AND o.service_day BETWEEN a.monday AND a.sunday
                  WHERE h.municipality_id = a.municipality_id AND h.code = a.code"
            )
        )?;
        // A home unknown is not among them, one that moved within the week is there with two places.
        let mut places: BTreeMap<i64, Option<SegmentId>> = BTreeMap::new();
        let moved =
            |row: &Found, places: &mut BTreeMap<i64, Option<SegmentId>>| places.insert(row.n, row.place).is_some_and(|known| known != row.place);
        if found.iter().any(|row| row.unusual || moved(row, &mut places)) || places.len() != asked.len() {
            return Ok(false);
        }
        let mut rows: BTreeMap<OpId, Mark> = BTreeMap::new();
        for row in found {
            let Some((_, _, code, _, week)) = asked.get(row.n as usize) else { return Ok(false) };
            let home = self.homes.entry((*code).to_owned()).or_insert_with(|| Home { household_id: row.home, operator_id: None, places: Vec::new() });
            home.places.extend(row.place.map(|segment| (week.monday(), Some(week.sunday()), segment)));
            rows.extend(row.mark.map(|mark| (mark.op_id, mark)));
        }
        self.existing = Some(rows.into_values().collect());
        Ok(true)
    }

    async fn look_up_whole(&mut self, tx: &mut Tx, ops: &[(&Sender, &Received)]) -> Result<()> {
        let municipality = self.municipality;
        type Found = (OpId, String, Option<String>, Option<String>);
        let found: Vec<Found> = among!(
            tx,
            "WITH asked (municipality_id, op_id) AS (",
            ops,
            |op| [municipality, op.1.op_id],
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
        let new = || ops.iter().filter(|(_, op)| !self.met.contains_key(&op.op_id)).filter_map(|(sender, op)| Some((sender, op.read.as_ref().ok()?)));
        let mut codes: BTreeSet<&str> = BTreeSet::new();
        let mut corrected: BTreeMap<OpId, DeviceId> = BTreeMap::new();
        for (sender, operation) in new() {
            match &operation.action {
                Action::Stop { household, .. } => {
                    codes.insert(household);
                }
                Action::Correction { of, household, .. } => {
                    corrected.insert(*of, sender.device);
                    codes.extend(household.as_deref());
                }
                Action::Event { .. } => {}
            }
        }
        if !corrected.is_empty() {
            let asked: Vec<OpId> = corrected.keys().copied().collect();
            let originals: Vec<Observation> = among!(
                tx,
                "WITH asked (municipality_id, op_id) AS (",
                asked,
                |op| [municipality, *op],
                concat!(
                    ") SELECT ",
                    columns!("o."),
                    " FROM asked CROSS JOIN observation o WHERE o.municipality_id = asked.municipality_id AND o.op_id = asked.op_id"
                )
            )?;
            let rounds = originals.iter().filter_map(|row| Some((row.round_id, *corrected.get(&row.op_id)?)));
            self.look_up_rounds(tx, rounds.collect()).await?;
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
}
