//! Tallies: `home_week` and `segment_week`, caches of the counted rows, rewritten in the transaction that changes the rows.
//!
//! A cell of `home_week` exists when its home has any row in that week that counts for a segment, counted or not; a cell of `segment_week`
//! when any of its homes has one. What a row counts for was true on its collection day and stands on the row: tallies ask no other table. On PostgreSQL two writers of one cell could each count without the other: every writer of tallies first holds the
//! municipality's observation chain, and the next statement sees every earlier holder. SQLite has one writer and cannot race.

use crate::account::audit;
use crate::clock::Week;
use crate::db::Tx;
use crate::error::Result;
use crate::id::{HouseholdId, MunicipalityId, NeighbourhoodId, SegmentId};
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
        "INSERT INTO home_week (municipality_id, iso_week, household_id, segment_id, neighbourhood_id, observed, set_out, complied, contaminated) "
    };
}

// What home_week must hold for one municipality.
macro_rules! expected_homes {
    () => {
        concat!(
            "SELECT o.municipality_id, o.iso_week, o.household_id, o.segment_id, o.neighbourhood_id, ",
            sums!(),
            " FROM observation o WHERE o.municipality_id = $1 AND o.segment_id IS NOT NULL AND o.neighbourhood_id IS NOT NULL
              GROUP BY o.municipality_id, o.iso_week, o.household_id, o.segment_id, o.neighbourhood_id"
        )
    };
}

// What segment_week must hold, given a table `h` of home cells.
macro_rules! segment_sums {
    () => {
        "COALESCE(SUM(h.observed), 0), COALESCE(SUM(h.set_out), 0), COALESCE(SUM(h.complied), 0), COALESCE(SUM(h.contaminated), 0)"
    };
}

/// A cell of `home_week`: one home in one week, in one segment and neighbourhood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub week: Week,
    pub home: HouseholdId,
    pub segment: SegmentId,
    pub neighbourhood: NeighbourhoodId,
}

/// Writers of one municipality's tallies follow one another on PostgreSQL; SQLite has one writer anyway.
async fn hold(tx: &mut Tx, municipality: MunicipalityId) -> Result<()> {
    if tx.is_postgres() {
        audit::hold(tx, municipality, super::CHAIN).await?;
    }
    Ok(())
}

/// Rewrites the weeks of the touched homes from the rows.
pub async fn recompute(tx: &mut Tx, municipality: MunicipalityId, touched: &[(Week, HouseholdId)]) -> Result<()> {
    hold(tx, municipality).await?;
    let keys: Vec<(Week, HouseholdId)> = touched.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    // Before and after: a cell that is gone leaves its segment to be counted again.
    let mut segments = segments_of(tx, municipality, &keys).await?;
    bulk!(
        tx,
        "WITH cell (municipality_id, iso_week, household_id) AS (",
        keys,
        |key| [municipality, key.0, key.1],
        ") DELETE FROM home_week WHERE (municipality_id, iso_week, household_id) IN (SELECT municipality_id, iso_week, household_id FROM cell)"
    )?;
    bulk!(
        tx,
        "WITH cell (municipality_id, iso_week, household_id, monday, sunday) AS (",
        keys,
        |key| [municipality, key.0, key.1, key.0.monday(), key.0.sunday()],
        concat!(
            ") ",
            home_columns!(),
            "SELECT o.municipality_id, o.iso_week, o.household_id, o.segment_id, o.neighbourhood_id, ",
            sums!(),
            " FROM cell c CROSS JOIN observation o
              WHERE o.municipality_id = c.municipality_id AND o.household_id = c.household_id AND o.service_day BETWEEN c.monday AND c.sunday
                AND o.segment_id IS NOT NULL AND o.neighbourhood_id IS NOT NULL
              GROUP BY o.municipality_id, o.iso_week, o.household_id, o.segment_id, o.neighbourhood_id"
        )
    )?;
    segments.extend(segments_of(tx, municipality, &keys).await?);
    recount_segments(tx, municipality, segments).await?;
    rewritten(tx, municipality, keys.iter().map(|(week, _)| *week).collect()).await
}

/// Counts that the tallies of these weeks were rewritten, for those who stand on them.
async fn rewritten(tx: &mut Tx, municipality: MunicipalityId, weeks: BTreeSet<Week>) -> Result<()> {
    let weeks: Vec<Week> = weeks.into_iter().collect();
    bulk!(
        tx,
        "INSERT INTO tally_week (municipality_id, iso_week, rewritten)",
        weeks,
        |week| [municipality, *week, 1_i64],
        "ON CONFLICT (municipality_id, iso_week) DO UPDATE SET rewritten = tally_week.rewritten + 1"
    )?;
    Ok(())
}

/// The segments of the homes' cells as they stand.
async fn segments_of(tx: &mut Tx, municipality: MunicipalityId, cells: &[(Week, HouseholdId)]) -> Result<BTreeSet<(SegmentId, Week)>> {
    let found: Vec<(SegmentId, Week)> = among!(
        tx,
        "WITH asked (municipality_id, iso_week, household_id) AS (",
        cells,
        |cell| [municipality, cell.0, cell.1],
        ") SELECT h.segment_id, h.iso_week FROM asked CROSS JOIN home_week h
            WHERE h.municipality_id = asked.municipality_id AND h.iso_week = asked.iso_week AND h.household_id = asked.household_id"
    )?;
    Ok(found.into_iter().collect())
}

/// Writes cells whose caller holds the municipality's chain and has every row of each home's week before its eyes.
pub async fn replace(tx: &mut Tx, municipality: MunicipalityId, cells: &[(Key, [i32; 4])]) -> Result<()> {
    bulk!(
        tx,
        home_columns!(),
        cells,
        |cell| [municipality, cell.0.week, cell.0.home, cell.0.segment, cell.0.neighbourhood, cell.1[0], cell.1[1], cell.1[2], cell.1[3]],
        "ON CONFLICT (municipality_id, iso_week, household_id, segment_id, neighbourhood_id) DO UPDATE SET
           observed = excluded.observed, set_out = excluded.set_out, complied = excluded.complied, contaminated = excluded.contaminated"
    )?;
    recount_segments(tx, municipality, cells.iter().map(|(key, _)| (key.segment, key.week)).collect()).await?;
    rewritten(tx, municipality, cells.iter().map(|(key, _)| key.week).collect()).await
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
               GROUP BY c.municipality_id, c.segment_id, c.iso_week
               ON CONFLICT (municipality_id, segment_id, iso_week) DO UPDATE SET
                 observed = excluded.observed, set_out = excluded.set_out, complied = excluded.complied, contaminated = excluded.contaminated"
        )
    )?;
    Ok(())
}

/// Both tallies of one municipality from nothing: after a load, or by `vecino recount`.
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
            " FROM home_week h WHERE h.municipality_id = $1 GROUP BY h.municipality_id, h.segment_id, h.iso_week"
        ),
        municipality
    )?;
    let weeks: Vec<(Week,)> = all!(
        tx,
        "SELECT iso_week FROM tally_week WHERE municipality_id = $1 UNION SELECT iso_week FROM segment_week WHERE municipality_id = $1",
        municipality
    )?;
    rewritten(tx, municipality, weeks.into_iter().map(|(week,)| week).collect()).await
}

#[derive(sqlx::FromRow)]
struct Cell {
    iso_week: Week,
    /// Of the home, or of the segment.
    id: uuid::Uuid,
    segment_id: SegmentId,
    neighbourhood_id: Option<NeighbourhoodId>,
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

/// Recounts what is due and every cell from the rows; answers one line for each cell that differs and each home counted twice on a day.
pub async fn verify(tx: &mut Tx) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for municipality in super::recount::places(tx).await? {
        let mut found = super::recount::due_differences(tx, municipality).await?;
        found.extend(differences(tx, municipality).await?);
        wrong.extend(found.into_iter().map(|line| format!("{line}; {REMEDY}")));
        let twice: Vec<(String, chrono::NaiveDate, i64)> = all!(
            tx,
            "SELECT h.code, o.service_day, COUNT(*) FROM observation o
               JOIN household h ON h.municipality_id = o.municipality_id AND h.household_id = o.household_id
              WHERE o.municipality_id = $1 AND o.counted GROUP BY h.code, o.service_day HAVING COUNT(*) > 1 ORDER BY h.code, o.service_day",
            municipality
        )?;
        wrong.extend(
            twice
                .into_iter()
                .map(|(home, day, n)| format!("observation {municipality}/{home}/{day}: {n} rows count for one home on one day; {REMEDY}")),
        );
    }
    Ok(wrong)
}

const REMEDY: &str = "run `vecino recount`, which counts its rows again and says what changed";

/// One line for each cell of a municipality that is not what its rows give.
pub(super) async fn differences(tx: &mut Tx, municipality: MunicipalityId) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    verify_homes(tx, municipality, &mut wrong).await?;
    verify_segments(tx, municipality, &mut wrong).await?;
    Ok(wrong)
}

async fn verify_homes(tx: &mut Tx, municipality: MunicipalityId, wrong: &mut Vec<String>) -> Result<()> {
    macro_rules! cells {
        ($of:literal) => {
            concat!(
                "WITH expected (municipality_id, iso_week, household_id, segment_id, neighbourhood_id, observed, set_out, complied, contaminated) AS (",
                expected_homes!(),
                "), stored AS (SELECT municipality_id, iso_week, household_id, segment_id, neighbourhood_id, observed, set_out, complied, contaminated
                    FROM home_week WHERE municipality_id = $1)
                 SELECT iso_week, household_id AS id, segment_id, neighbourhood_id, CAST(observed AS BIGINT) AS observed, CAST(set_out AS BIGINT) AS set_out,
                   CAST(complied AS BIGINT) AS complied, CAST(contaminated AS BIGINT) AS contaminated FROM (",
                $of,
                ") d"
            )
        };
    }
    let missing: Vec<Cell> = all!(tx, cells!("SELECT * FROM expected EXCEPT SELECT * FROM stored"), municipality)?;
    let surplus: Vec<Cell> = all!(tx, cells!("SELECT * FROM stored EXCEPT SELECT * FROM expected"), municipality)?;
    type Place = (Week, uuid::Uuid, SegmentId, Option<NeighbourhoodId>);
    let mut pairs: BTreeMap<Place, [Option<Cell>; 2]> = BTreeMap::new();
    for (side, cells) in [surplus, missing].into_iter().enumerate() {
        for cell in cells {
            let key = (cell.iso_week, cell.id, cell.segment_id, cell.neighbourhood_id);
            pairs.entry(key).or_default()[side] = Some(cell);
        }
    }
    for ((week, home, ..), [stored, rows]) in pairs {
        wrong.push(format!("home_week {municipality}/{week}/{home}: {}", difference(stored.as_ref(), rows.as_ref())));
    }
    Ok(())
}

async fn verify_segments(tx: &mut Tx, municipality: MunicipalityId, wrong: &mut Vec<String>) -> Result<()> {
    let expected: Vec<Cell> = all!(
        tx,
        concat!(
            "WITH h (municipality_id, iso_week, household_id, segment_id, neighbourhood_id, observed, set_out, complied, contaminated) AS (",
            expected_homes!(),
            "), t (iso_week, segment_id, observed, set_out, complied, contaminated) AS (SELECT h.iso_week, h.segment_id, ",
            segment_sums!(),
            " FROM h GROUP BY h.iso_week, h.segment_id)
             SELECT t.iso_week, t.segment_id AS id, t.segment_id, NULL AS neighbourhood_id, CAST(t.observed AS BIGINT) AS observed,
               CAST(t.set_out AS BIGINT) AS set_out, CAST(t.complied AS BIGINT) AS complied, CAST(t.contaminated AS BIGINT) AS contaminated FROM t"
        ),
        municipality
    )?;
    let stored: Vec<Cell> = all!(
        tx,
        "SELECT iso_week, segment_id AS id, segment_id, NULL AS neighbourhood_id, CAST(observed AS BIGINT) AS observed,
           CAST(set_out AS BIGINT) AS set_out, CAST(complied AS BIGINT) AS complied, CAST(contaminated AS BIGINT) AS contaminated
         FROM segment_week WHERE municipality_id = $1",
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
            wrong.push(format!("segment_week {municipality}/{week}/{segment}: {}", difference(stored.as_ref(), rows.as_ref())));
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
