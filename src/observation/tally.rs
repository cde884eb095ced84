//! Tallies: `home_week` and `segment_week`, caches of the counted rows, rewritten in the transaction that changes the rows.
//!
//! A cell of `home_week` exists when its home has any row in that week that counts for a segment, counted or not; a cell of `segment_week`
//! when any of its homes has one. What a row counts for was true on its collection day and stands on the row: tallies ask no other table. On PostgreSQL two writers of one cell could each count without the other: every writer of tallies first holds the
//! municipality's observation chain, and the next statement sees every earlier holder. SQLite has one writer and cannot race.

use super::{Mark, rightly_separated, separation_seen};
use crate::account::audit;
use crate::clock::Week;
use crate::db::Tx;
use crate::error::Result;
use crate::id::{HouseholdId, MunicipalityId, NeighbourhoodId, SegmentId};
use crate::{all, among, bulk, run};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

// The sums over counted rows `o`, with their round `d`, that were observed; "observed" is complied 0 or 1.
macro_rules! sums {
    () => {
        concat!(
            "COALESCE(SUM(CASE WHEN o.counted AND o.complied IS NOT NULL THEN 1 ELSE 0 END), 0),
         COALESCE(SUM(CASE WHEN o.counted AND o.complied IS NOT NULL AND o.set_out = 'yes' THEN 1 ELSE 0 END), 0),
         COALESCE(SUM(CASE WHEN o.counted AND o.complied = 1 THEN 1 ELSE 0 END), 0),
         COALESCE(SUM(CASE WHEN o.counted AND o.complied IS NOT NULL
                            AND (o.severity = 'gross' OR (o.severity IS NULL AND o.contamination IS NOT NULL)) THEN 1 ELSE 0 END), 0),
             COALESCE(SUM(CASE WHEN o.counted AND ",
            separation_seen!(),
            " THEN 1 ELSE 0 END), 0), COALESCE(SUM(CASE WHEN o.counted AND ",
            separation_seen!(),
            " AND ",
            rightly_separated!(),
            " THEN 1 ELSE 0 END), 0)"
        )
    };
}

macro_rules! home_columns {
    () => {
        "INSERT INTO home_week (municipality_id, iso_week, household_id, segment_id, neighbourhood_id, observed, set_out, complied, contaminated, separation_seen, separated) "
    };
}

// What home_week must hold for one municipality.
macro_rules! expected_homes {
    () => {
        concat!(
            "SELECT o.municipality_id, o.iso_week, o.household_id, o.segment_id, o.neighbourhood_id, ",
            sums!(),
            " FROM observation o LEFT JOIN round d ON d.municipality_id = o.municipality_id AND d.round_id = o.round_id
              WHERE o.municipality_id = $1 AND o.segment_id IS NOT NULL AND o.neighbourhood_id IS NOT NULL
              GROUP BY o.municipality_id, o.iso_week, o.household_id, o.segment_id, o.neighbourhood_id"
        )
    };
}

// What segment_week must hold, given a table `h` of home cells.
macro_rules! segment_sums {
    () => {
        "COALESCE(SUM(h.observed), 0), COALESCE(SUM(h.set_out), 0), COALESCE(SUM(h.complied), 0), COALESCE(SUM(h.contaminated), 0),
         COALESCE(SUM(h.separation_seen), 0), COALESCE(SUM(h.separated), 0)"
    };
}

/// Of a home's or segment's week: collections observed, set out, complied, contaminated, seen whether rightly separated, and so.
pub type Sums = [i32; 6];

/// A cell of `home_week`: one home in one week, in one segment and neighbourhood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub week: Week,
    pub home: HouseholdId,
    pub segment: SegmentId,
    pub neighbourhood: NeighbourhoodId,
}

impl Key {
    /// Before every cell there is.
    const FIRST: Key =
        Key { week: Week(0), home: HouseholdId(Uuid::nil()), segment: SegmentId(Uuid::nil()), neighbourhood: NeighbourhoodId(Uuid::nil()) };
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
              LEFT JOIN round d ON d.municipality_id = o.municipality_id AND d.round_id = o.round_id
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
pub async fn replace(tx: &mut Tx, municipality: MunicipalityId, cells: &[(Key, Sums)]) -> Result<()> {
    bulk!(
        tx,
        home_columns!(),
        cells,
        |cell| [
            municipality,
            cell.0.week,
            cell.0.home,
            cell.0.segment,
            cell.0.neighbourhood,
            cell.1[0],
            cell.1[1],
            cell.1[2],
            cell.1[3],
            cell.1[4],
            cell.1[5]
        ],
        "ON CONFLICT (municipality_id, iso_week, household_id, segment_id, neighbourhood_id) DO UPDATE SET
           observed = excluded.observed, set_out = excluded.set_out, complied = excluded.complied, contaminated = excluded.contaminated,
           separation_seen = excluded.separation_seen, separated = excluded.separated"
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
            ") INSERT INTO segment_week (municipality_id, segment_id, iso_week, observed, set_out, complied, contaminated,
                                        separation_seen, separated)
               SELECT c.municipality_id, c.segment_id, c.iso_week, ",
            segment_sums!(),
            " FROM cell c
               LEFT JOIN home_week h ON h.municipality_id = c.municipality_id AND h.segment_id = c.segment_id AND h.iso_week = c.iso_week
               GROUP BY c.municipality_id, c.segment_id, c.iso_week
               ON CONFLICT (municipality_id, segment_id, iso_week) DO UPDATE SET
                 observed = excluded.observed, set_out = excluded.set_out, complied = excluded.complied, contaminated = excluded.contaminated,
                 separation_seen = excluded.separation_seen, separated = excluded.separated"
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
            "INSERT INTO segment_week (municipality_id, segment_id, iso_week, observed, set_out, complied, contaminated,
                                        separation_seen, separated)
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

/// What `home_week` must hold for one municipality, by its rows.
#[derive(Debug, Default)]
pub struct Cells(Vec<(Key, Sums)>);

impl Cells {
    pub fn add(&mut self, row: &Mark) {
        self.0.extend(row.cell().map(|key| (key, row.adds())));
    }

    /// One sum for each cell, by its key.
    fn summed(mut self) -> Vec<(Key, Sums)> {
        self.0.sort_unstable_by_key(|(key, _)| *key);
        self.0.dedup_by(|(key, more), (before, sums)| {
            let same = key == before;
            if same {
                sums.iter_mut().zip(*more).for_each(|(sum, more)| *sum += more);
            }
            same
        });
        self.0
    }
}

/// Stored cells held at a time.
const PAGE: i64 = 5_000;

/// One line for each cell of a municipality that is not what its rows give.
pub(super) async fn differences(tx: &mut Tx, municipality: MunicipalityId, cells: Cells) -> Result<Vec<String>> {
    let cells = cells.summed();
    let mut wrong = home_differences(tx, municipality, &cells).await?;
    wrong.extend(segment_differences(tx, municipality, &cells).await?);
    Ok(wrong)
}

async fn home_differences(tx: &mut Tx, municipality: MunicipalityId, cells: &[(Key, Sums)]) -> Result<Vec<String>> {
    let say = |key: &Key, stored: Option<Sums>, rows: Option<Sums>| {
        format!("home_week {municipality}/{}/{}: {}", key.week, key.home, difference(stored, rows))
    };
    let mut wrong = Vec::new();
    let mut expected = cells.iter().peekable();
    let mut after: Option<Key> = None;
    loop {
        let from = after.unwrap_or(Key::FIRST);
        // Both come in the order of the table's key.
        type Stored = (Week, HouseholdId, SegmentId, NeighbourhoodId, i32, i32, i32, i32, i32, i32);
        let page: Vec<Stored> = all!(
            tx,
            "SELECT iso_week, household_id, segment_id, neighbourhood_id, observed, set_out, complied, contaminated, separation_seen, separated
               FROM home_week
              WHERE municipality_id = $1 AND (iso_week, household_id, segment_id, neighbourhood_id) > ($2, $3, $4, $5)
              ORDER BY iso_week, household_id, segment_id, neighbourhood_id LIMIT $6",
            municipality,
            from.week,
            from.home,
            from.segment,
            from.neighbourhood,
            PAGE
        )?;
        if page.is_empty() {
            break;
        }
        for (week, home, segment, neighbourhood, observed, set_out, complied, contaminated, seen, separated) in page {
            let key = Key { week, home, segment, neighbourhood };
            let stored = [observed, set_out, complied, contaminated, seen, separated];
            while let Some((before, rows)) = expected.next_if(|(expected, _)| *expected < key) {
                wrong.push(say(before, None, Some(*rows)));
            }
            let rows = expected.next_if(|(expected, _)| *expected == key).map(|(_, rows)| *rows);
            if rows != Some(stored) {
                wrong.push(say(&key, Some(stored), rows));
            }
            after = Some(key);
        }
    }
    wrong.extend(expected.map(|(key, rows)| say(key, None, Some(*rows))));
    Ok(wrong)
}

async fn segment_differences(tx: &mut Tx, municipality: MunicipalityId, cells: &[(Key, Sums)]) -> Result<Vec<String>> {
    type Stored = (Week, SegmentId, i32, i32, i32, i32, i32, i32);
    let stored: Vec<Stored> = all!(
        tx,
        "SELECT iso_week, segment_id, observed, set_out, complied, contaminated, separation_seen, separated FROM segment_week WHERE municipality_id = $1",
        municipality
    )?;
    let mut pairs: BTreeMap<(Week, SegmentId), [Option<Sums>; 2]> = BTreeMap::new();
    for (week, segment, observed, set_out, complied, contaminated, seen, separated) in stored {
        pairs.entry((week, segment)).or_default()[0] = Some([observed, set_out, complied, contaminated, seen, separated]);
    }
    for (key, sums) in cells {
        let cell = pairs.entry((key.week, key.segment)).or_default()[1].get_or_insert_default();
        cell.iter_mut().zip(sums).for_each(|(sum, more)| *sum += more);
    }
    // A segment whose homes moved away keeps an empty cell: nothing and no cell are the same.
    let differ = pairs.into_iter().filter(|(_, [stored, rows])| stored.unwrap_or_default() != rows.unwrap_or_default());
    Ok(differ
        .map(|((week, segment), [stored, rows])| format!("segment_week {municipality}/{week}/{segment}: {}", difference(stored, rows)))
        .collect())
}

fn difference(stored: Option<Sums>, rows: Option<Sums>) -> String {
    let say = |sums: Option<Sums>| match sums {
        None => "nothing".to_owned(),
        Some([observed, set_out, complied, contaminated, seen, separated]) => {
            format!(
                "observed {observed}, set out {set_out}, complied {complied}, contaminated {contaminated}, rightly separated {separated} of {seen}"
            )
        }
    };
    format!("the tally says {}, its rows say {}", say(stored), say(rows))
}
