//! Rows as the crews recorded them: each against its seal, its outcome and its place derived anew, and which row counts for a home and day;
//! then the tallies against the rows. One pass over the rows.

use super::tally::{self, Cells};
use super::{Kind, Mark, Observation, Outcome, Reason, Separated, SetOut, Severity, Stream, seal_row, standing};
use crate::account::audit::REMEDY;
use crate::account::audit::findings::Findings;
use crate::all;
use crate::clock::Week;
use crate::db::Tx;
use crate::error::Result;
use crate::id::{DeviceId, HouseholdId, MunicipalityId, NeighbourhoodId, OpId, RoundId, SegmentId};
use crate::seal::RecordKeys;
use crate::territory::collection::Served;
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// Rows held at a time.
const PAGE: i64 = 5_000;

/// What nearly every row holds; the fewer columns are read, the sooner a million rows are.
#[derive(sqlx::FromRow)]
struct Plain {
    op_id: OpId,
    kind: Kind,
    round_id: RoundId,
    household_id: HouseholdId,
    segment_id: Option<SegmentId>,
    neighbourhood_id: Option<NeighbourhoodId>,
    service_day: NaiveDate,
    iso_week: Week,
    device_id: DeviceId,
    observed_at: DateTime<Utc>,
    corrected_at: DateTime<Utc>,
    received_at: DateTime<Utc>,
    set_out: Option<SetOut>,
    separated: Option<Separated>,
    stream: Option<Stream>,
    complied: Option<i16>,
    counted: bool,
    content_hash: String,
    row_mac: Option<Vec<u8>>,
    has_rare: bool,
}

/// What some rows hold beside.
#[derive(Default, sqlx::FromRow)]
struct Rare {
    corrects: Option<OpId>,
    because: Option<String>,
    contamination: Option<String>,
    severity: Option<Severity>,
    reason: Option<Reason>,
    suspect: Option<String>,
    lon: Option<f64>,
    lat: Option<f64>,
    accuracy_m: Option<f64>,
    extra: Option<Value>,
}

#[derive(sqlx::FromRow)]
struct RareOf {
    op_id: OpId,
    #[sqlx(flatten)]
    rare: Rare,
}

// Whether a row holds something rare.
macro_rules! has_rare {
    () => {
        "(corrects IS NOT NULL OR because IS NOT NULL OR contamination IS NOT NULL OR severity IS NOT NULL OR reason IS NOT NULL OR suspect IS NOT NULL
           OR lon IS NOT NULL OR lat IS NOT NULL OR accuracy_m IS NOT NULL OR extra IS NOT NULL)"
    };
}

// `from`: how the page begins.
macro_rules! page_sql {
    ($from:literal) => {
        concat!(
            "SELECT op_id, kind, round_id, household_id, segment_id, neighbourhood_id, service_day, iso_week, device_id, observed_at, corrected_at,
                    received_at, set_out, separated, stream, complied, counted, content_hash, row_mac, ",
            has_rare!(),
            " AS has_rare FROM observation WHERE municipality_id = $1 AND op_id ",
            $from,
            " $2 ORDER BY op_id LIMIT $3"
        )
    };
}

fn whole(municipality: MunicipalityId, plain: Plain, rare: Rare) -> (Observation, Option<Vec<u8>>) {
    let row = Observation {
        municipality_id: municipality,
        op_id: plain.op_id,
        kind: plain.kind,
        round_id: plain.round_id,
        household_id: plain.household_id,
        segment_id: plain.segment_id,
        neighbourhood_id: plain.neighbourhood_id,
        service_day: plain.service_day,
        iso_week: plain.iso_week,
        device_id: plain.device_id,
        observed_at: plain.observed_at,
        corrected_at: plain.corrected_at,
        received_at: plain.received_at,
        corrects: rare.corrects,
        because: rare.because,
        outcome: Outcome {
            set_out: plain.set_out,
            separated: plain.separated,
            stream: plain.stream,
            contamination: rare.contamination,
            severity: rare.severity,
            reason: rare.reason,
        },
        complied: plain.complied,
        counted: plain.counted,
        suspect: rare.suspect,
        lon: rare.lon,
        lat: rare.lat,
        accuracy_m: rare.accuracy_m,
        content_hash: plain.content_hash,
        extra: rare.extra,
    };
    (row, plain.row_mac)
}

/// The rows of a page, in its order, with what some of them hold beside.
async fn filled(tx: &mut Tx, municipality: MunicipalityId, page: Vec<Plain>) -> Result<Vec<(Observation, Option<Vec<u8>>)>> {
    let (first, last) = (page.iter().find(|row| row.has_rare), page.iter().rfind(|row| row.has_rare));
    let rare: Vec<RareOf> = match first.zip(last) {
        None => Vec::new(),
        Some((first, last)) => all!(
            tx,
            concat!(
                "SELECT op_id, corrects, because, contamination, severity, reason, suspect, lon, lat, accuracy_m, extra
                   FROM observation WHERE municipality_id = $1 AND op_id >= $2 AND op_id <= $3 AND ",
                has_rare!(),
                " ORDER BY op_id"
            ),
            municipality,
            first.op_id,
            last.op_id
        )?,
    };
    let mut rare = rare.into_iter().peekable();
    let rows = page.into_iter().map(|plain| {
        let rare = rare.next_if(|of| of.op_id == plain.op_id).map(|of| of.rare).unwrap_or_default();
        whole(municipality, plain, rare)
    });
    Ok(rows.collect())
}

type Day = (HouseholdId, NaiveDate);

/// What the rows say.
#[derive(Debug, Default, PartialEq)]
pub struct Rows {
    /// One line for each row that is not what a crew recorded, whose outcome does not follow, or that counts where another should.
    pub altered: Vec<String>,
    /// One line for each row, round and cell of a tally that does not follow from rows and facts.
    pub tallies: Vec<String>,
}

pub async fn rows(tx: &mut Tx) -> Result<Rows> {
    let (mut found, mut places) = (Findings::default(), Findings::default());
    let (mut altered, mut tallies) = (Vec::new(), Vec::new());
    for municipality in super::recount::places(tx).await? {
        let cells = rows_of(tx, municipality, &mut found, &mut places).await?;
        altered.extend(super::round::foreign(tx, municipality).await?);
        tallies.extend(super::recount::due_differences(tx, municipality).await?);
        tallies.extend(tally::differences(tx, municipality, cells).await?);
    }
    altered.splice(0..0, found.lines());
    Ok(Rows { altered, tallies: places.bare().into_iter().chain(tallies).collect() })
}

async fn rows_of(tx: &mut Tx, municipality: MunicipalityId, found: &mut Findings, places: &mut Findings) -> Result<Cells> {
    let keys = tx.record_keys()?;
    let rounds: Vec<(RoundId, Stream)> = all!(tx, "SELECT round_id, stream FROM round WHERE municipality_id = $1", municipality)?;
    let streams: HashMap<RoundId, Stream> = rounds.into_iter().collect();
    // Nearly every home has one row on a day; only the others are held to be judged together.
    let several: Vec<Day> = all!(
        tx,
        "SELECT household_id, service_day FROM observation WHERE municipality_id = $1 GROUP BY household_id, service_day HAVING COUNT(*) > 1",
        municipality
    )?;
    let several: HashSet<Day> = several.into_iter().collect();
    let served = Served::read(tx, municipality).await?;
    let mut together: HashMap<Day, Vec<Mark>> = HashMap::new();
    let mut cells = Cells::default();
    // A phone may name an operation as it likes, by nothing but zeros too: the first page begins with that.
    let mut page: Vec<Plain> = all!(tx, page_sql!(">="), municipality, OpId(uuid::Uuid::nil()), PAGE)?;
    while let Some(after) = page.last().map(|row| row.op_id) {
        for (row, row_mac) in filled(tx, municipality, page).await? {
            one(&keys, municipality, &row, row_mac, &streams, found);
            let mark = row.mark(streams.get(&row.round_id).copied());
            place(municipality, &mark, &served, places);
            cells.add(&mark);
            let day = (row.household_id, row.service_day);
            match several.contains(&day) {
                true => together.entry(day).or_default().push(mark),
                false => counts(municipality, &[mark], found),
            }
        }
        page = all!(tx, page_sql!(">"), municipality, after, PAGE)?;
    }
    let mut days: Vec<(Day, Vec<Mark>)> = together.into_iter().collect();
    days.sort_by_key(|(day, _)| *day);
    for (_, marks) in days {
        counts(municipality, &marks, found);
    }
    Ok(cells)
}

/// What a collection counts for: where its home lay, and was served, on its day.
fn place(municipality: MunicipalityId, row: &Mark, served: &Served, found: &mut Findings) {
    let given = served.on(row.household_id, row.service_day);
    if (row.segment_id, row.neighbourhood_id) != (given.map(|(segment, _)| segment), given.map(|(_, neighbourhood)| neighbourhood)) {
        found.add("observation, place", || {
            format!(
                "observation {municipality}/{}: it does not count for the segment and neighbourhood its home {} was served in on {}",
                row.op_id, row.household_id, row.service_day
            )
        });
    }
}

/// One row by itself: its seal, its outcome, its week.
fn one(
    keys: &RecordKeys,
    municipality: MunicipalityId,
    row: &Observation,
    row_mac: Option<Vec<u8>>,
    streams: &HashMap<RoundId, Stream>,
    found: &mut Findings,
) {
    let name = || format!("observation {municipality}/{}", row.op_id);
    if row_mac.as_ref() != Some(&seal_row::seal(keys, row)) {
        found.add("observation, seal", || format!("{}: it is not what the crew recorded, so another hand changed or made it; {REMEDY}", name()));
    }
    match streams.get(&row.round_id) {
        None => found.add("observation, round", || format!("{}: its round {} is gone; {REMEDY}", name(), row.round_id)),
        Some(stream) => {
            let complied = row.outcome.complied(*stream);
            if row.complied != complied {
                let say = |complied: Option<i16>| complied.map_or("not observed".to_owned(), |complied| complied.to_string());
                found.add("observation, outcome", || {
                    format!("{}: complied is {}, and what the crew recorded gives {}; {REMEDY}", name(), say(row.complied), say(complied))
                });
            }
        }
    }
    if row.iso_week != Week::of(row.service_day) {
        found.add("observation, week", || format!("{}: it stands in week {}, and its day is {}; {REMEDY}", name(), row.iso_week, row.service_day));
    }
}

/// All rows of one home and day.
fn counts(municipality: MunicipalityId, rows: &[Mark], found: &mut Findings) {
    let stands = standing(rows);
    for row in rows.iter().filter(|row| row.counted != (stands == Some(row.op_id))) {
        found.add("observation, counted", || {
            let (is, should) = if row.counted { ("counts", "does not") } else { ("does not count", "does") };
            let what = if row.kind == Kind::DoubleObservation { "a second observer's row" } else { "the row" };
            format!(
                "observation {municipality}/{}: {what} {is} for home {} on {}, and by the rule it {should}; {REMEDY}",
                row.op_id, row.household_id, row.service_day
            )
        });
    }
}
