//! Tallies: `home_week` and `segment_week`, caches of the counted rows, rewritten in the transaction that changes the rows.
//!
//! A cell of `home_week` exists when its home has any row in that week, counted or not; a cell of `segment_week` when any of its
//! homes has one. On PostgreSQL two writers of one cell could each count without the other: every writer of tallies first holds the
//! municipality's observation chain, and the next statement sees every earlier holder. SQLite has one writer and cannot race.

use crate::account::audit;
use crate::clock::Week;
use crate::db::Tx;
use crate::error::Result;
use crate::id::{HouseholdId, MunicipalityId, SegmentId};
use crate::{all, among, bulk, run};
use std::collections::{BTreeMap, BTreeSet};

// The sums over counted rows that were observed; "observed" is complied 0 or 1.
macro_rules! sums {
    () => {
        "COALESCE(SUM(CASE WHEN o.counted AND o.complied IS NOT NULL THEN 1 ELSE 0 END), 0),
         COALESCE(SUM(CASE WHEN o.counted AND o.complied IS NOT NULL AND o.set_out = 'yes' THEN 1 ELSE 0 END), 0),
         COALESCE(SUM(CASE WHEN o.counted AND o.complied = 1 THEN 1 ELSE 0 END), 0),
         COALESCE(SUM(CASE WHEN o.counted AND o.complied IS NOT NULL
                            AND (o.severity = 'gross' OR (o.severity IS NULL AND o.contamination IS NOT NULL)) THEN 1 ELSE 0 END), 0)"
    };
}

macro_rules! home_columns {
    () => {
        "INSERT INTO home_week (municipality_id, iso_week, household_id, segment_id, observed, set_out, complied, contaminated) "
    };
}

macro_rules! replace_home {
    () => {
        "ON CONFLICT (municipality_id, iso_week, household_id) DO UPDATE SET segment_id = excluded.segment_id,
           observed = excluded.observed, set_out = excluded.set_out, complied = excluded.complied, contaminated = excluded.contaminated"
    };
}

// What home_week must hold for one municipality. The first row of the week that knows a segment gives it.
macro_rules! expected_homes {
    () => {
        concat!(
            "SELECT o.municipality_id, o.iso_week, o.household_id, o.first_segment AS segment_id, ",
            sums!(),
            " FROM (SELECT r.municipality_id, r.iso_week, r.household_id, r.counted, r.complied, r.set_out, r.severity, r.contamination,
                  FIRST_VALUE(r.segment_id) OVER (PARTITION BY r.iso_week, r.household_id
                    ORDER BY CASE WHEN r.segment_id IS NULL THEN 1 ELSE 0 END, r.service_day, r.op_id) AS first_segment
                FROM observation r WHERE r.municipality_id = $1) o
              GROUP BY o.municipality_id, o.iso_week, o.household_id, o.first_segment"
        )
    };
}

// What segment_week must hold, given a table `h` of home cells.
macro_rules! segment_sums {
    () => {
        "COALESCE(SUM(CASE WHEN s.service_status = 'served' THEN h.observed ELSE 0 END), 0),
         COALESCE(SUM(CASE WHEN s.service_status = 'served' THEN h.set_out ELSE 0 END), 0),
         COALESCE(SUM(CASE WHEN s.service_status = 'served' THEN h.complied ELSE 0 END), 0),
         COALESCE(SUM(CASE WHEN s.service_status = 'served' THEN h.contaminated ELSE 0 END), 0)"
    };
}

/// One home in one week, with the segment its rows carry and what they add up to: observed, set out, complied, contaminated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HomeCell {
    pub week: Week,
    pub home: HouseholdId,
    pub segment: Option<SegmentId>,
    pub sums: [i32; 4],
}

/// Writers of one municipality's tallies follow one another on PostgreSQL; SQLite has one writer anyway.
async fn hold(tx: &mut Tx, municipality: MunicipalityId) -> Result<()> {
    if matches!(tx, Tx::Postgres(_)) {
        audit::hold(tx, municipality, super::CHAIN).await?;
    }
    Ok(())
}

/// Rewrites the touched cells from the rows.
pub async fn recompute(tx: &mut Tx, municipality: MunicipalityId, touched: &[(Week, HouseholdId)]) -> Result<()> {
    hold(tx, municipality).await?;
    let keys: Vec<(Week, HouseholdId)> = touched.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    // Before and after: a cell that moved to another segment leaves the old one to be counted again.
    let mut segments = segments_of(tx, municipality, &keys).await?;
    bulk!(
        tx,
        "WITH cell (municipality_id, iso_week, household_id, monday, sunday) AS (",
        keys,
        |key| [municipality, key.0, key.1, key.0.monday(), key.0.sunday()],
        concat!(
            ") ",
            home_columns!(),
            "SELECT o.municipality_id, o.iso_week, o.household_id, o.first_segment, ",
            sums!(),
            " FROM (SELECT c.municipality_id, c.iso_week, c.household_id, r.counted, r.complied, r.set_out, r.severity, r.contamination,
                  FIRST_VALUE(r.segment_id) OVER (PARTITION BY c.iso_week, c.household_id
                    ORDER BY CASE WHEN r.segment_id IS NULL THEN 1 ELSE 0 END, r.service_day, r.op_id) AS first_segment
                FROM cell c LEFT JOIN observation r ON r.municipality_id = c.municipality_id AND r.household_id = c.household_id
                 AND r.service_day BETWEEN c.monday AND c.sunday) o
              GROUP BY o.municipality_id, o.iso_week, o.household_id, o.first_segment ",
            replace_home!()
        )
    )?;
    segments.extend(segments_of(tx, municipality, &keys).await?);
    recount_segments(tx, municipality, segments).await
}

/// The segments that hold the cells as they stand.
async fn segments_of(tx: &mut Tx, municipality: MunicipalityId, cells: &[(Week, HouseholdId)]) -> Result<BTreeSet<(SegmentId, Week)>> {
    let found: Vec<(Option<SegmentId>, Week)> = among!(
        tx,
        "WITH asked (municipality_id, iso_week, household_id) AS (",
        cells,
        |cell| [municipality, cell.0, cell.1],
        ") SELECT h.segment_id, h.iso_week FROM asked CROSS JOIN home_week h
            WHERE h.municipality_id = asked.municipality_id AND h.iso_week = asked.iso_week AND h.household_id = asked.household_id"
    )?;
    Ok(found.into_iter().filter_map(|(segment, week)| Some((segment?, week))).collect())
}

/// Writes cells whose caller holds the municipality's chain and has every row of each cell before its eyes. `moved`: segments a cell
/// has left.
pub async fn replace(tx: &mut Tx, municipality: MunicipalityId, cells: &[HomeCell], moved: BTreeSet<(SegmentId, Week)>) -> Result<()> {
    bulk!(
        tx,
        home_columns!(),
        cells,
        |cell| [municipality, cell.week, cell.home, cell.segment, cell.sums[0], cell.sums[1], cell.sums[2], cell.sums[3]],
        replace_home!()
    )?;
    let mut segments = moved;
    segments.extend(cells.iter().filter_map(|cell| Some((cell.segment?, cell.week))));
    recount_segments(tx, municipality, segments).await
}

async fn recount_segments(tx: &mut Tx, municipality: MunicipalityId, segments: BTreeSet<(SegmentId, Week)>) -> Result<()> {
    let segments: Vec<(SegmentId, Week)> = segments.into_iter().collect();
    bulk!(
        tx,
        "WITH cell (municipality_id, segment_id, iso_week) AS (",
        segments,
        |cell| [municipality, cell.0, cell.1],
        concat!(
            ") INSERT INTO segment_week (municipality_id, segment_id, iso_week, observed, set_out, complied, contaminated)
               SELECT c.municipality_id, c.segment_id, c.iso_week, ",
            segment_sums!(),
            " FROM cell c
               LEFT JOIN home_week h ON h.municipality_id = c.municipality_id AND h.segment_id = c.segment_id AND h.iso_week = c.iso_week
               LEFT JOIN household s ON s.municipality_id = h.municipality_id AND s.household_id = h.household_id
               GROUP BY c.municipality_id, c.segment_id, c.iso_week
               ON CONFLICT (municipality_id, segment_id, iso_week) DO UPDATE SET
                 observed = excluded.observed, set_out = excluded.set_out, complied = excluded.complied, contaminated = excluded.contaminated"
        )
    )?;
    Ok(())
}

/// Both tallies of one municipality from nothing: after a load, after homes gained or lost service, or when [`verify`] found a difference.
pub async fn rebuild(tx: &mut Tx, municipality: MunicipalityId) -> Result<()> {
    hold(tx, municipality).await?;
    run!(tx, "DELETE FROM segment_week WHERE municipality_id = $1", municipality)?;
    run!(tx, "DELETE FROM home_week WHERE municipality_id = $1", municipality)?;
    run!(tx, concat!(home_columns!(), expected_homes!()), municipality)?;
    run!(
        tx,
        concat!(
            "INSERT INTO segment_week (municipality_id, segment_id, iso_week, observed, set_out, complied, contaminated)
             SELECT h.municipality_id, h.segment_id, h.iso_week, ",
            segment_sums!(),
            " FROM home_week h JOIN household s ON s.municipality_id = h.municipality_id AND s.household_id = h.household_id
              WHERE h.municipality_id = $1 AND h.segment_id IS NOT NULL GROUP BY h.municipality_id, h.segment_id, h.iso_week"
        ),
        municipality
    )?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Cell {
    iso_week: Week,
    id: uuid::Uuid,
    segment_id: Option<SegmentId>,
    observed: i64,
    set_out: i64,
    complied: i64,
    contaminated: i64,
}

impl Cell {
    fn sums(&self) -> [i64; 4] {
        [self.observed, self.set_out, self.complied, self.contaminated]
    }
}

/// Recounts every cell from the rows; answers one line for each cell that differs and each home counted twice on a day.
pub async fn verify(tx: &mut Tx) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    let places: Vec<(MunicipalityId,)> = all!(tx, "SELECT municipality_id FROM municipality WHERE pilot ORDER BY municipality_id")?;
    for (municipality,) in places {
        verify_homes(tx, municipality, &mut wrong).await?;
        verify_segments(tx, municipality, &mut wrong).await?;
        let twice: Vec<(String, chrono::NaiveDate, i64)> = all!(
            tx,
            "SELECT h.code, o.service_day, COUNT(*) FROM observation o
               JOIN household h ON h.municipality_id = o.municipality_id AND h.household_id = o.household_id
              WHERE o.municipality_id = $1 AND o.counted GROUP BY h.code, o.service_day HAVING COUNT(*) > 1 ORDER BY h.code, o.service_day",
            municipality
        )?;
        wrong.extend(twice.into_iter().map(|(home, day, n)| {
            format!("observation {municipality}/{home}/{day}: {n} rows count for one home on one day; restore a backup and compare")
        }));
    }
    Ok(wrong)
}

const REMEDY: &str = "restore a backup and compare, or rebuild the tallies";

async fn verify_homes(tx: &mut Tx, municipality: MunicipalityId, wrong: &mut Vec<String>) -> Result<()> {
    let missing: Vec<Cell> = all!(
        tx,
        concat!(
            "WITH expected (municipality_id, iso_week, household_id, segment_id, observed, set_out, complied, contaminated) AS (",
            expected_homes!(),
            "), d AS (SELECT * FROM expected EXCEPT
                SELECT municipality_id, iso_week, household_id, segment_id, observed, set_out, complied, contaminated
                  FROM home_week WHERE municipality_id = $1)
             SELECT iso_week, household_id AS id, segment_id, CAST(observed AS BIGINT) AS observed, CAST(set_out AS BIGINT) AS set_out,
               CAST(complied AS BIGINT) AS complied, CAST(contaminated AS BIGINT) AS contaminated FROM d ORDER BY iso_week, household_id"
        ),
        municipality
    )?;
    let surplus: Vec<Cell> = all!(
        tx,
        concat!(
            "SELECT iso_week, household_id AS id, segment_id, CAST(observed AS BIGINT) AS observed, CAST(set_out AS BIGINT) AS set_out,
               CAST(complied AS BIGINT) AS complied, CAST(contaminated AS BIGINT) AS contaminated
             FROM (SELECT municipality_id, iso_week, household_id, segment_id, observed, set_out, complied, contaminated
               FROM home_week WHERE municipality_id = $1 EXCEPT ",
            expected_homes!(),
            ") d ORDER BY iso_week, household_id"
        ),
        municipality
    )?;
    let mut pairs: BTreeMap<(Week, uuid::Uuid), [Option<Cell>; 2]> = BTreeMap::new();
    for (side, cells) in [surplus, missing].into_iter().enumerate() {
        for cell in cells {
            let key = (cell.iso_week, cell.id);
            pairs.entry(key).or_default()[side] = Some(cell);
        }
    }
    for ((week, home), [stored, rows]) in pairs {
        let place = format!("home_week {municipality}/{week}/{home}");
        wrong.push(match (stored, rows) {
            (Some(stored), Some(rows)) if stored.segment_id != rows.segment_id => {
                format!("{place}: another segment than the rows say; {REMEDY}")
            }
            (stored, rows) => format!("{place}: {}; {REMEDY}", difference(stored.as_ref(), rows.as_ref())),
        });
    }
    Ok(())
}

async fn verify_segments(tx: &mut Tx, municipality: MunicipalityId, wrong: &mut Vec<String>) -> Result<()> {
    let expected: Vec<Cell> = all!(
        tx,
        concat!(
            "WITH h (municipality_id, iso_week, household_id, segment_id, observed, set_out, complied, contaminated) AS (",
            expected_homes!(),
            "), t (iso_week, segment_id, observed, set_out, complied, contaminated) AS (SELECT h.iso_week, h.segment_id, ",
            segment_sums!(),
            " FROM h JOIN household s ON s.municipality_id = h.municipality_id AND s.household_id = h.household_id
              WHERE h.segment_id IS NOT NULL GROUP BY h.iso_week, h.segment_id)
             SELECT t.iso_week, t.segment_id AS id, t.segment_id, CAST(t.observed AS BIGINT) AS observed, CAST(t.set_out AS BIGINT) AS set_out,
               CAST(t.complied AS BIGINT) AS complied, CAST(t.contaminated AS BIGINT) AS contaminated FROM t"
        ),
        municipality
    )?;
    let stored: Vec<Cell> = all!(
        tx,
        "SELECT iso_week, segment_id AS id, segment_id, CAST(observed AS BIGINT) AS observed, CAST(set_out AS BIGINT) AS set_out,
           CAST(complied AS BIGINT) AS complied, CAST(contaminated AS BIGINT) AS contaminated FROM segment_week WHERE municipality_id = $1",
        municipality
    )?;
    let mut pairs: BTreeMap<(Week, uuid::Uuid), [Option<Cell>; 2]> = BTreeMap::new();
    for (side, cells) in [stored, expected].into_iter().enumerate() {
        for cell in cells {
            let key = (cell.iso_week, cell.id);
            pairs.entry(key).or_default()[side] = Some(cell);
        }
    }
    for ((week, segment), [stored, rows]) in pairs {
        // A segment whose homes moved away keeps an empty cell: nothing and no cell are the same.
        let sums = |cell: &Option<Cell>| cell.as_ref().map_or([0; 4], Cell::sums);
        if sums(&stored) != sums(&rows) {
            wrong.push(format!("segment_week {municipality}/{week}/{segment}: {}; {REMEDY}", difference(stored.as_ref(), rows.as_ref())));
        }
    }
    Ok(())
}

fn difference(stored: Option<&Cell>, rows: Option<&Cell>) -> String {
    let say = |cell: Option<&Cell>| match cell {
        None => "nothing".to_owned(),
        Some(cell) => {
            format!("observed {}, set out {}, complied {}, contaminated {}", cell.observed, cell.set_out, cell.complied, cell.contaminated)
        }
    };
    format!("the tally says {}, its rows say {}", say(stored), say(rows))
}
