//! Counting again, from the rows and the facts of each day: what is due, what a collection counts for, which row stands, and both tallies.
//! Says what was other than it should be, one line a cell.

use super::{CHAIN, Mark, Stream, mark_columns, restate, round, standing, tally};
use crate::account::audit;
use crate::clock::Week;
use crate::db::Tx;
use crate::error::Result;
use crate::id::{HouseholdId, MunicipalityId, NeighbourhoodId, OpId, RoundId, SegmentId};
use crate::{all, one, run};
use chrono::{DateTime, Days, NaiveDate, Utc};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Makes everything that is counted in a municipality again; answers what it changed. What is right already is not written.
pub async fn recount(tx: &mut Tx, municipality: MunicipalityId, actor: &str, now: DateTime<Utc>) -> Result<Vec<String>> {
    audit::hold(tx, municipality, CHAIN).await?;
    let mut lines = Vec::new();
    let Some((first, last)) = days(tx, municipality).await? else { return Ok(lines) };
    let due = due_differences(tx, municipality).await?;
    if !due.is_empty() {
        round::make(tx, municipality, first, last).await?;
        lines.extend(due);
    }
    let mut judged: BTreeMap<Week, BTreeSet<HouseholdId>> = BTreeMap::new();
    let rounds: Vec<(RoundId, Stream)> = all!(tx, "SELECT round_id, stream FROM round WHERE municipality_id = $1", municipality)?;
    let mut touched = restate::place_again(tx, municipality, first).await?;
    touched.extend(restate::judge_again(tx, municipality, &rounds.into_iter().collect()).await?);
    for (week, home) in touched {
        judged.entry(week).or_default().insert(home);
    }
    for (week, homes) in judged {
        lines.push(format!(
            "observation {municipality}/{week}: rows of {} homes counted for another place or outcome than their day gives",
            homes.len()
        ));
    }
    let mut cells = tally::Cells::default();
    let mut week = Week::of(first);
    while week <= Week::of(last) {
        let flags = stand_again(tx, municipality, week, &mut cells).await?;
        if flags > 0 {
            lines.push(format!("observation {municipality}/{week}: {flags} rows counted, or did not, against the rule of which row stands"));
        }
        week = week.plus(1);
    }
    let tallies = tally::differences(tx, municipality, cells).await?;
    if !tallies.is_empty() {
        tally::rebuild(tx, municipality).await?;
        lines.extend(tallies);
    }
    let detail = json!({ "changed": lines.len(), "first": first, "last": last });
    audit::record(tx, municipality, now, audit::Entry { stream: CHAIN, actor, action: "recounted", target: "tallies", detail }).await?;
    Ok(lines)
}

/// The municipalities in which anything was ever planned or counted.
pub async fn places(tx: &mut Tx) -> Result<Vec<MunicipalityId>> {
    let places: Vec<(MunicipalityId,)> = all!(
        tx,
        "SELECT m.municipality_id FROM municipality m
          WHERE EXISTS (SELECT 1 FROM round d WHERE d.municipality_id = m.municipality_id)
             OR EXISTS (SELECT 1 FROM observation o WHERE o.municipality_id = m.municipality_id)
             OR EXISTS (SELECT 1 FROM home_week h WHERE h.municipality_id = m.municipality_id)
             OR EXISTS (SELECT 1 FROM segment_week s WHERE s.municipality_id = m.municipality_id) ORDER BY m.municipality_id"
    )?;
    Ok(places.into_iter().map(|(municipality,)| municipality).collect())
}

async fn days(tx: &mut Tx, municipality: MunicipalityId) -> Result<Option<(NaiveDate, NaiveDate)>> {
    let (first, last): (Option<NaiveDate>, Option<NaiveDate>) =
        one!(tx, "SELECT MIN(service_day), MAX(service_day) FROM round WHERE municipality_id = $1", municipality)?;
    Ok(first.zip(last))
}

/// One line for each round, and each segment of one, that is not as the facts of its day plan it. A round that is missing is not: it is made
/// by itself.
pub async fn due_differences(tx: &mut Tx, municipality: MunicipalityId) -> Result<Vec<String>> {
    let Some((first, last)) = days(tx, municipality).await? else { return Ok(Vec::new()) };
    type Cell = (Option<i64>, Option<i64>);
    type Stored = (RoundId, Week, SegmentId, NeighbourhoodId, i32);
    let plan = round::plan(tx, municipality, first, last).await?;
    let mut lines = round::unplanned(tx, municipality, &plan).await?;
    let rounds: Vec<(RoundId, NaiveDate)> = all!(tx, "SELECT round_id, service_day FROM round WHERE municipality_id = $1", municipality)?;
    let rounds: BTreeMap<RoundId, NaiveDate> = rounds.into_iter().collect();
    let stored: Vec<Stored> =
        all!(tx, "SELECT round_id, iso_week, segment_id, neighbourhood_id, stops FROM round_segment WHERE municipality_id = $1", municipality)?;
    let mut cells: BTreeMap<(RoundId, Week, SegmentId, NeighbourhoodId), Cell> = BTreeMap::new();
    for (round, week, segment, neighbourhood, stops) in stored {
        cells.entry((round, week, segment, neighbourhood)).or_default().0 = Some(stops.into());
    }
    for (round, due) in plan {
        for due in due.into_iter().filter(|_| rounds.contains_key(&round.round_id)) {
            let week = Week::of(round.service_day);
            cells.entry((round.round_id, week, due.segment_id, due.neighbourhood_id)).or_default().1 = Some(due.homes);
        }
    }
    let codes: Vec<(SegmentId, String)> = all!(tx, "SELECT segment_id, code FROM segment WHERE municipality_id = $1", municipality)?;
    let codes: BTreeMap<SegmentId, String> = codes.into_iter().collect();
    let say = |homes: Option<i64>| homes.map_or_else(|| "nothing".to_owned(), |n| format!("{n} homes"));
    lines.extend(cells.into_iter().filter(|(_, (stored, due))| stored != due).map(|((round, _, segment, _), (stored, due))| {
        let day = rounds.get(&round).map(NaiveDate::to_string).unwrap_or_default();
        let code = codes.get(&segment).cloned().unwrap_or_else(|| segment.to_string());
        format!("round_segment {municipality}/{day}/{code}: due says {}, the facts of its day give {}", say(stored), say(due))
    }));
    lines.sort();
    Ok(lines)
}

/// Marks the row that stands for each home and day of a week, and counts it; answers how many marks were wrong.
async fn stand_again(tx: &mut Tx, municipality: MunicipalityId, week: Week, cells: &mut tally::Cells) -> Result<usize> {
    let rows: Vec<Mark> = all!(
        tx,
        concat!(
            "SELECT ",
            mark_columns!(),
            " FROM round d CROSS JOIN observation o
              WHERE d.municipality_id = $1 AND d.service_day >= $2 AND d.service_day <= $3
                AND o.municipality_id = d.municipality_id AND o.round_id = d.round_id"
        ),
        municipality,
        week.monday(),
        week.monday() + Days::new(6)
    )?;
    let mut by_day: BTreeMap<(HouseholdId, NaiveDate), Vec<Mark>> = BTreeMap::new();
    for row in rows {
        by_day.entry((row.household_id, row.service_day)).or_default().push(row);
    }
    let mut wrong: Vec<(OpId, bool)> = Vec::new();
    for rows in by_day.values_mut() {
        let stands = standing(rows);
        for row in rows {
            let counts = stands == Some(row.op_id);
            if row.counted != counts {
                wrong.push((row.op_id, counts));
                row.counted = counts;
            }
            cells.add(row);
        }
    }
    for (op, counts) in &wrong {
        run!(tx, "UPDATE observation SET counted = $3 WHERE municipality_id = $1 AND op_id = $2", municipality, *op, *counts)?;
    }
    Ok(wrong.len())
}
