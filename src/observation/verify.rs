//! Rows as the crews recorded them: each against its seal, its outcome derived anew, and which row counts for a home and day.

use super::{Kind, Mark, Observation, Outcome, Reason, Separated, SetOut, Severity, Stream, seal_row, standing};
use crate::account::audit::REMEDY;
use crate::account::audit::findings::Findings;
use crate::all;
use crate::clock::Week;
use crate::db::Tx;
use crate::error::Result;
use crate::id::{DeviceId, HouseholdId, MunicipalityId, OpId, RoundId};
use crate::seal::RecordKeys;
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
struct Whole {
    #[sqlx(flatten)]
    plain: Plain,
    #[sqlx(flatten)]
    rare: Rare,
}

impl Whole {
    fn row(self, municipality: MunicipalityId) -> (Observation, Option<Vec<u8>>) {
        let Whole { plain, rare } = self;
        let row = Observation {
            municipality_id: municipality,
            op_id: plain.op_id,
            kind: plain.kind,
            round_id: plain.round_id,
            household_id: plain.household_id,
            // What it counts for is no part of what is checked here.
            segment_id: None,
            neighbourhood_id: None,
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
}

// `from`: how the page begins, `rare`: whether it holds the rows with something rare, or the others.
macro_rules! page_sql {
    ($from:literal, $columns:literal, $rare:literal) => {
        concat!(
            "SELECT op_id, kind, round_id, household_id, service_day, iso_week, device_id, observed_at, corrected_at, received_at, set_out,
                    separated, stream, complied, counted, content_hash, row_mac",
            $columns,
            " FROM observation WHERE municipality_id = $1 AND op_id ",
            $from,
            " $2 AND (corrects IS NULL AND because IS NULL AND contamination IS NULL AND severity IS NULL AND reason IS NULL AND suspect IS NULL
                AND lon IS NULL AND lat IS NULL AND accuracy_m IS NULL AND extra IS NULL) = ",
            $rare,
            " ORDER BY op_id LIMIT $3"
        )
    };
}

macro_rules! whole_sql {
    ($from:literal) => {
        page_sql!($from, ", corrects, because, contamination, severity, reason, suspect, lon, lat, accuracy_m, extra", "FALSE")
    };
}

type Day = (HouseholdId, NaiveDate);

async fn places(tx: &mut Tx) -> Result<Vec<MunicipalityId>> {
    let found: Vec<(MunicipalityId,)> = all!(
        tx,
        "SELECT m.municipality_id FROM municipality m
          WHERE EXISTS (SELECT 1 FROM observation o WHERE o.municipality_id = m.municipality_id) ORDER BY m.municipality_id"
    )?;
    Ok(found.into_iter().map(|(place,)| place).collect())
}

/// One line for each row that is not what a crew recorded, whose outcome does not follow from it, or that counts where another should.
pub async fn rows(tx: &mut Tx) -> Result<Vec<String>> {
    let mut found = Findings::default();
    for municipality in places(tx).await? {
        rows_of(tx, municipality, &mut found).await?;
    }
    Ok(found.lines())
}

async fn rows_of(tx: &mut Tx, municipality: MunicipalityId, found: &mut Findings) -> Result<()> {
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
    let mut together: HashMap<Day, Vec<Mark>> = HashMap::new();
    let mut check = |page: Vec<Whole>, found: &mut Findings| {
        for (row, row_mac) in page.into_iter().map(|whole| whole.row(municipality)) {
            one(&keys, municipality, &row, row_mac, &streams, found);
            let day = (row.household_id, row.service_day);
            match several.contains(&day) {
                true => together.entry(day).or_default().push(row.mark()),
                false => counts(municipality, &[row.mark()], found),
            }
        }
    };
    // A phone may name an operation as it likes, by nothing but zeros too: the first page begins with that.
    let first = OpId(uuid::Uuid::nil());
    let mut page: Vec<Plain> = all!(tx, page_sql!(">=", "", "TRUE"), municipality, first, PAGE)?;
    while let Some(after) = page.last().map(|row| row.op_id) {
        check(page.into_iter().map(|plain| Whole { plain, rare: Rare::default() }).collect(), found);
        page = all!(tx, page_sql!(">", "", "TRUE"), municipality, after, PAGE)?;
    }
    let mut page: Vec<Whole> = all!(tx, whole_sql!(">="), municipality, first, PAGE)?;
    while let Some(after) = page.last().map(|row| row.plain.op_id) {
        check(page, found);
        page = all!(tx, whole_sql!(">"), municipality, after, PAGE)?;
    }
    let mut days: Vec<(Day, Vec<Mark>)> = together.into_iter().collect();
    days.sort_by_key(|(day, _)| *day);
    for (_, marks) in days {
        counts(municipality, &marks, found);
    }
    Ok(())
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
    let place = || format!("observation {municipality}/{}", row.op_id);
    if row_mac.as_ref() != Some(&seal_row::seal(keys, row)) {
        found.add("observation, seal", || format!("{}: it is not what the crew recorded, so another hand changed or made it; {REMEDY}", place()));
    }
    match streams.get(&row.round_id) {
        None => found.add("observation, round", || format!("{}: its round {} is gone; {REMEDY}", place(), row.round_id)),
        Some(stream) => {
            let complied = row.outcome.complied(*stream);
            if row.complied != complied {
                let say = |complied: Option<i16>| complied.map_or("not observed".to_owned(), |complied| complied.to_string());
                found.add("observation, outcome", || {
                    format!("{}: complied is {}, and what the crew recorded gives {}; {REMEDY}", place(), say(row.complied), say(complied))
                });
            }
        }
    }
    if row.iso_week != Week::of(row.service_day) {
        found.add("observation, week", || format!("{}: it stands in week {}, and its day is {}; {REMEDY}", place(), row.iso_week, row.service_day));
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
