//! What the database knows of a batch: its rounds, its homes, and which of its operations it has met.

use super::{Home, Intake, Met, RoundRow, Sender, Waiting};
use crate::among;
use crate::clock::{Week, local_day};
use crate::db::Tx;
use crate::error::Result;
use crate::id::{DeviceId, HouseholdId, NeighbourhoodId, OpId, OperatorId, RoundId, RouteId, SegmentId};
use crate::observation::operation::Status;
use crate::observation::operation::{self, Action, Operation, Received, Refusal};
use crate::observation::{Mark, Observation, columns, mark_columns, round};
use crate::territory::dated::in_force;
use crate::territory::household;
use chrono::NaiveDate;
use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};
use std::collections::{BTreeMap, BTreeSet};

/// A home asked for, what it is on the day, and a row it has in the week; without one, once and without a mark.
struct Found {
    n: i64,
    home: HouseholdId,
    place: Option<(SegmentId, NeighbourhoodId)>,
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
    NeighbourhoodId: Decode<'r, R::Database> + Type<R::Database>,
    OpId: Decode<'r, R::Database> + Type<R::Database>,
    Mark: FromRow<'r, R>,
{
    fn from_row(row: &'r R) -> sqlx::Result<Found> {
        let mark = row.try_get::<Option<OpId>, _>("op_id")?.map(|_| Mark::from_row(row)).transpose()?;
        let place = row.try_get::<Option<SegmentId>, _>("own_segment")?.zip(row.try_get("own_neighbourhood")?);
        Ok(Found { n: row.try_get("n")?, home: row.try_get("home")?, place, unusual: row.try_get("unusual")?, mark })
    }
}

/// What a home is on the day asked for: its version `v`, the version `s` of its segment, the version `r` of its route.
macro_rules! on_the_day {
    ($asked:literal) => {
        concat!(
            " LEFT JOIN household_version v ON v.municipality_id = h.municipality_id AND v.household_id = h.household_id AND ",
            in_force!("v", $asked),
            " LEFT JOIN segment_version s ON s.municipality_id = v.municipality_id AND s.segment_id = v.segment_id AND ",
            in_force!("s", $asked),
            " LEFT JOIN route_version r ON r.municipality_id = s.municipality_id AND r.route_id = s.route_id AND ",
            in_force!("r", $asked)
        )
    };
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
        let asked: Vec<RoundId> = rounds.iter().map(|(round, _)| *round).collect();
        self.look_up_rounds(tx, rounds.clone()).await?;
        if asked.iter().any(|round| !self.rounds.contains_key(round)) {
            // The phone planned a day whose rounds nobody has written yet.
            let today = ops.iter().map(|(sender, _)| local_day(sender.received_at)).max();
            if let Some(today) = today
                && round::keep_up(tx, self.municipality, today).await? > 0
            {
                self.look_up_rounds(tx, rounds.clone()).await?;
            }
            let unknown: Vec<RoundId> = asked.into_iter().filter(|round| !self.rounds.contains_key(round)).collect();
            if let Some(today) = today.filter(|_| !unknown.is_empty())
                && round::revive(tx, self.municipality, &unknown, today).await? > 0
            {
                self.look_up_rounds(tx, rounds).await?;
            }
        }
        self.look_up_drivers(tx, ops).await?;
        if self.look_up_plain(tx, ops).await? {
            return Ok(());
        }
        self.look_up_whole(tx, ops).await
    }

    /// Who else drove a round than the operator it belongs to now: asked where a phone of another one names it.
    async fn look_up_drivers(&mut self, tx: &mut Tx, ops: &[(&Sender, &Received)]) -> Result<()> {
        let operators: BTreeSet<&String> = ops.iter().filter_map(|(sender, _)| sender.operator.as_ref()).collect();
        let other = |round: &&RoundRow| operators.iter().any(|own| **own != round.operator_code);
        let asked: Vec<(RoundId, RouteId, NaiveDate)> =
            self.rounds.values().filter(other).map(|round| (round.round_id, round.route_id, round.service_day)).collect();
        for (round, route, day) in asked {
            if !self.drivers.contains_key(&round) {
                self.drivers.insert(round, round::driven_by(tx, self.municipality, route, day).await?);
            }
        }
        Ok(())
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
            ") SELECT d.round_id, d.route_id, d.operator_id, a.code AS operator_code, d.service_day, d.stream, d.window_start, d.window_end, asked.device_id,
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
        let mut asked: Vec<(i64, OpId, &str, OperatorId, NaiveDate)> = Vec::with_capacity(ops.len());
        for (n, (_, op)) in ops.iter().enumerate() {
            let Ok(Operation { action: Action::Stop { round, household, .. }, .. }) = &op.read else { return Ok(false) };
            let Some(round) = self.rounds.get(round) else { return Ok(false) };
            asked.push((n as i64, op.op_id, household, round.operator_id, round.service_day));
        }
        if asked.iter().map(|row| row.1).collect::<BTreeSet<_>>().len() < asked.len() {
            return Ok(false);
        }
        let found: Vec<Found> = among!(
            tx,
            "WITH asked (n, municipality_id, op_id, code, operator_id, day, monday, sunday) AS (",
            asked,
            |row| [row.0, municipality, row.1, row.2, row.3, row.4, Week::of(row.4).monday(), Week::of(row.4).sunday()],
            concat!(
                ") SELECT a.n, h.household_id AS home,
                     CASE WHEN v.service_status = 'served' THEN s.segment_id END AS own_segment,
                     CASE WHEN v.service_status = 'served' THEN s.neighbourhood_id END AS own_neighbourhood,
                     EXISTS (SELECT 1 FROM observation x WHERE x.municipality_id = a.municipality_id AND x.op_id = a.op_id)
                       OR EXISTS (SELECT 1 FROM round_event x WHERE x.municipality_id = a.municipality_id AND x.op_id = a.op_id)
                       OR EXISTS (SELECT 1 FROM unsettled_operation x WHERE x.municipality_id = a.municipality_id AND x.op_id = a.op_id)
                       OR EXISTS (SELECT 1 FROM waiting_correction x WHERE x.municipality_id = a.municipality_id AND x.op_id = a.op_id)
                       OR EXISTS (SELECT 1 FROM waiting_correction x WHERE x.municipality_id = a.municipality_id AND x.corrects = a.op_id)
                       OR COALESCE(COALESCE(r.operator_id, v.operator_id) <> a.operator_id, TRUE) AS unusual, ",
                mark_columns!(),
                "  FROM asked a CROSS JOIN household h ",
                on_the_day!("a.day"),
                "  LEFT JOIN observation o ON o.municipality_id = h.municipality_id AND o.household_id = h.household_id
                    AND o.service_day BETWEEN a.monday AND a.sunday
                  LEFT JOIN round d ON d.municipality_id = o.municipality_id AND d.round_id = o.round_id
                  WHERE h.municipality_id = a.municipality_id AND h.code = a.code"
            )
        )?;
        // A home unknown is not among them.
        let known: BTreeSet<i64> = found.iter().map(|row| row.n).collect();
        if found.iter().any(|row| row.unusual) || known.len() != asked.len() {
            return Ok(false);
        }
        let mut rows: BTreeMap<OpId, Mark> = BTreeMap::new();
        for row in found {
            let Some((_, _, code, operator, day)) = asked.get(row.n as usize) else { return Ok(false) };
            let home = self.homes.entry((*code).to_owned()).or_insert_with(|| Home::new(row.home));
            home.days.insert(*day, row.place);
            home.operators.insert(*operator);
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
        // A home by its code, on the day of a round; a correction asks only which home it is.
        let mut codes: BTreeSet<(&str, Option<NaiveDate>)> = BTreeSet::new();
        let mut corrected: BTreeMap<OpId, DeviceId> = BTreeMap::new();
        for (sender, operation) in new() {
            match &operation.action {
                Action::Stop { household, round, .. } => {
                    codes.insert((household, self.rounds.get(round).map(|round| round.service_day)));
                }
                Action::Correction { of, household, .. } => {
                    corrected.insert(*of, sender.device);
                    codes.extend(household.as_deref().map(|code| (code, None)));
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
            self.look_up_drivers(tx, ops).await?;
            self.originals = originals.into_iter().map(|row| (row.op_id, row)).collect();
        }
        self.look_up_homes(tx, codes).await?;
        self.look_up_spelled(tx, ops).await?;
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

    /// Homes that were named in another spelling of their code than the register's («sp 4821 k»): known under both.
    async fn look_up_spelled(&mut self, tx: &mut Tx, ops: &[(&Sender, &Received)]) -> Result<()> {
        let mut asked: BTreeSet<(String, String, Option<NaiveDate>)> = BTreeSet::new();
        for operation in ops.iter().filter_map(|(_, op)| op.read.as_ref().ok()) {
            let (code, day) = match &operation.action {
                Action::Stop { household, round, .. } => (household, self.rounds.get(round).map(|round| round.service_day)),
                Action::Correction { household: Some(household), .. } => (household, None),
                _ => continue,
            };
            if !self.homes.contains_key(code) {
                asked.extend(household::spellings(code).into_iter().filter(|other| other != code).map(|other| (code.clone(), other, day)));
            }
        }
        let spelled: BTreeSet<(&str, Option<NaiveDate>)> = asked.iter().map(|(_, other, day)| (other.as_str(), *day)).collect();
        self.look_up_homes(tx, spelled).await?;
        for (code, other, _) in &asked {
            if let Some(home) = self.homes.get(other).filter(|_| !self.homes.contains_key(code)).cloned() {
                self.homes.insert(code.clone(), home);
            }
        }
        Ok(())
    }

    /// Homes by any code of theirs, each as it is on the day of a round; a correction asks only which home it is.
    async fn look_up_homes(&mut self, tx: &mut Tx, codes: BTreeSet<(&str, Option<NaiveDate>)>) -> Result<()> {
        let municipality = self.municipality;
        if codes.is_empty() {
            return Ok(());
        }
        let asked: Vec<(&str, Option<NaiveDate>)> = codes.into_iter().collect();
        // A home may have another code since the phone's list was made, or have had another when it was: it is looked up by its first.
        let later: Vec<(String, String)> = among!(
            tx,
            "WITH asked (municipality_id, code) AS (",
            asked,
            |row| [municipality, row.0.to_string()],
            ") SELECT DISTINCT l.code, h.code FROM asked CROSS JOIN later_code l
                 JOIN household h ON h.municipality_id = l.municipality_id AND h.household_id = l.thing_id
                WHERE l.municipality_id = asked.municipality_id AND l.kind = 'household' AND l.code = asked.code"
        )?;
        let first = |code: &str| later.iter().find(|(own, _)| own == code).map(|(_, first)| first.clone());
        let codes: BTreeSet<(String, Option<NaiveDate>)> =
            asked.iter().map(|(code, day)| (first(code).unwrap_or_else(|| (*code).to_owned()), *day)).collect();
        let codes: Vec<(String, Option<NaiveDate>)> = codes.into_iter().collect();
        type Row = (String, HouseholdId, Option<NaiveDate>, Option<SegmentId>, Option<NeighbourhoodId>);
        let homes: Vec<Row> = among!(
            tx,
            "WITH asked (municipality_id, code, day) AS (",
            codes,
            |row| [municipality, row.0.clone(), row.1],
            concat!(
                ") SELECT h.code, h.household_id, asked.day, CASE WHEN v.service_status = 'served' THEN s.segment_id END, CASE WHEN v.service_status = 'served' THEN s.neighbourhood_id END
                   FROM asked CROSS JOIN household h",
                on_the_day!("asked.day"),
                " WHERE h.municipality_id = asked.municipality_id AND h.code = asked.code"
            )
        )?;
        for (code, household_id, day, segment, neighbourhood) in homes {
            let home = self.homes.entry(code).or_insert_with(|| Home::new(household_id));
            if let Some(day) = day {
                home.days.insert(day, segment.zip(neighbourhood));
            }
        }
        let served: Vec<(String, Option<OperatorId>)> = among!(
            tx,
            "WITH asked (municipality_id, code, day) AS (",
            codes,
            |row| [municipality, row.0.clone(), row.1],
            ") SELECT DISTINCT h.code, COALESCE(r.operator_id, v.operator_id) FROM asked CROSS JOIN household h
                 JOIN household_version v ON v.municipality_id = h.municipality_id AND v.household_id = h.household_id
                 LEFT JOIN segment_version s ON s.municipality_id = v.municipality_id AND s.segment_id = v.segment_id
                 LEFT JOIN route_version r ON r.municipality_id = s.municipality_id AND r.route_id = s.route_id
                WHERE h.municipality_id = asked.municipality_id AND h.code = asked.code"
        )?;
        for (code, operator) in served {
            if let Some(home) = self.homes.get_mut(&code) {
                home.operators.extend(operator);
            }
        }
        for (code, first) in later {
            if let Some(home) = self.homes.get(&first).cloned() {
                self.homes.insert(code, home);
            }
        }
        Ok(())
    }
}
