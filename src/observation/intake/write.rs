//! What was decided about a batch, written: rows with the one that stands for each home and day, their weeks, and what waits.

use super::{Intake, Waiting};
use crate::clock::Week;
use crate::db::Tx;
use crate::error::Result;
use crate::id::HouseholdId;
use crate::observation::{Mark, marks, standing, store, tally};
use crate::{bulk, run};
use chrono::{Duration, NaiveDate};
use std::collections::{BTreeMap, BTreeSet};

impl Intake {
    /// Answers how many rows of `observation` were added.
    pub async fn write(&mut self, tx: &mut Tx) -> Result<usize> {
        let municipality = self.municipality;
        let cells: BTreeSet<(Week, HouseholdId)> = self.rows.iter().map(|row| (row.iso_week, row.household_id)).collect();
        if !cells.is_empty() {
            let cells: Vec<_> = cells.into_iter().collect();
            let existing = match self.existing.take() {
                Some(existing) => existing,
                None => marks(tx, municipality, &cells).await?,
            };
            self.count(tx, existing).await?;
        }
        for op in &self.applied {
            run!(tx, "DELETE FROM waiting_correction WHERE municipality_id = $1 AND op_id = $2", municipality, *op)?;
        }
        let waiting: Vec<&Waiting> = self.now_waiting.values().collect();
        bulk!(
            tx,
            "INSERT INTO waiting_correction (municipality_id, op_id, corrects, device_id, operator_code, received_at, skew_ms, body, content_hash)",
            waiting,
            |row| [
                municipality,
                row.op_id,
                row.corrects,
                row.device_id,
                &row.operator_code,
                row.received_at,
                row.skew_ms,
                &row.body,
                &row.content_hash
            ],
            ""
        )?;
        bulk!(
            tx,
            "INSERT INTO round_event (municipality_id, op_id, kind, round_id, device_id, observed_at, received_at, body, content_hash)",
            self.events,
            |row| [municipality, row.op_id, &row.kind, row.round_id, row.device_id, row.at, row.received_at, &row.body, &row.content_hash],
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
            |row| [municipality, row.op_id, &row.content_hash, row.status, row.code, row.device_id, row.received_at, &row.body],
            ""
        )?;
        for (device, at) in &self.heard_at {
            if self.seen_at.get(device).is_none_or(|seen| *at - *seen > Duration::minutes(5)) {
                run!(tx, "UPDATE device SET seen_at = $3 WHERE municipality_id = $1 AND device_id = $2", municipality, *device, *at)?;
            }
        }
        Ok(self.rows.len())
    }

    /// Marks the row that stands for each touched home and day, inserts the new rows, and writes their weeks: every row of each is here.
    async fn count(&mut self, tx: &mut Tx, existing: Vec<Mark>) -> Result<()> {
        let municipality = self.municipality;
        let stored = existing.len();
        let mut all = existing;
        all.extend(self.rows.iter().map(|row| row.mark(self.rounds.get(&row.round_id).map(|round| round.stream))));
        let mut days: BTreeMap<(HouseholdId, NaiveDate), Vec<usize>> = BTreeMap::new();
        for (at, row) in all.iter().enumerate().skip(stored) {
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
        let mut sums: BTreeMap<tally::Key, tally::Sums> = BTreeMap::new();
        for row in &all {
            let Some(key) = row.cell() else { continue };
            sums.entry(key).or_default().iter_mut().zip(row.adds()).for_each(|(sum, more)| *sum += more);
        }
        tally::replace(tx, municipality, &sums.into_iter().collect::<Vec<_>>()).await
    }
}
