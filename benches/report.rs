//! The report of a look at full size: 120 segments × 26 weeks with every registered contrast.
//!
//! `cargo bench --bench report` makes the trial in a temporary file and prints how long reading its rows and computing the report take, and the
//! most memory the process ever had, before and after. `cargo bench --bench report -- 2000000` takes that many replayed draws instead of
//! the protocol's 10,000.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code)]

#[path = "../tests/ground.rs"]
mod ground;

use chrono::{DateTime, Duration, NaiveDate, Utc};
use ground::Ground;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Instant;
use uuid::Uuid;
use vecino::analysis::load::load;
use vecino::analysis::report::compute;
use vecino::analysis::simulate::{Contact, Home, Parameters, Visit, doses, simulate};
use vecino::clock::at_local;
use vecino::db::{Db, Tx};
use vecino::id::{HouseholdId, MunicipalityId, NeighbourhoodId, OperatorId, RouteId, SegmentId};
use vecino::observation::round;
use vecino::seal::Keys;
use vecino::trial::{self, Trial, looks};
use vecino::{bulk, run};

const PLACES: [i16; 2] = [1202, 114];
const SEGMENTS: usize = 60;
const HOMES: usize = 25;
const PROTOCOL: &str = include_str!("../experiments/norma-y-plan-2026.toml");

fn id(kind: u128, n: usize) -> Uuid {
    Uuid::from_u128(0x0197_0000_0000_7000_8000_0000_0000_0000 + (kind << 32) + n as u128)
}

fn segment_id(segment: usize) -> SegmentId {
    SegmentId(id(2, segment))
}

fn noon(trial: &Trial, week: i64) -> DateTime<Utc> {
    at_local(trial.protocol.week(week).monday() + Duration::days(2), 12, 0)
}

async fn town(tx: &mut Tx) {
    for (m, place) in PLACES.into_iter().enumerate() {
        let municipality = MunicipalityId(place);
        run!(
            tx,
            "INSERT INTO municipality (municipality_id, code, name, department, pilot, approximate, properties) VALUES ($1, $2, $2, 'x', $3, $3, $4)",
            municipality,
            municipality.to_string(),
            true,
            json!({})
        )
        .unwrap();
        let ground = Ground::since(municipality, NaiveDate::from_ymd_opt(2020, 1, 1).unwrap());
        ground.operator(tx, OperatorId(id(1, 1)), "A", "A").await;
        ground.route(tx, RouteId(id(1, 1)), "R1", "R1", OperatorId(id(1, 1)), &[(1, "mixed")]).await;
        ground.neighbourhood(tx, NeighbourhoodId(id(1, 1)), "N1", "N1", json!({})).await;
        for s in 0..SEGMENTS {
            ground.segment(tx, segment_id(m * SEGMENTS + s), &format!("S{s:03}"), RouteId(id(1, 1)), NeighbourhoodId(id(1, 1))).await;
        }
        let home = |h: usize| {
            let home = HouseholdId(id(3, m * SEGMENTS * HOMES + h));
            (home, home.to_string(), Some(segment_id(m * SEGMENTS + h / HOMES)))
        };
        let homes: Vec<(HouseholdId, String, Option<SegmentId>)> = (0..SEGMENTS * HOMES).map(home).collect();
        ground.homes(tx, &homes).await;
    }
}

/// Tallies and publications of the weeks that were simulated.
async fn collect(tx: &mut Tx, trial: &Trial, visits: &[Visit], weeks: std::ops::RangeInclusive<i64>) {
    for (m, place) in PLACES.into_iter().enumerate() {
        let municipality = MunicipalityId(place);
        round::make(tx, municipality, trial.protocol.week(*weeks.start()).monday(), trial.protocol.week(*weeks.end()).sunday()).await.unwrap();
        let own = |home: usize| home / (SEGMENTS * HOMES) == m;
        let mut cells: BTreeMap<(i64, usize), [i32; 4]> = BTreeMap::new();
        let mut by_home = Vec::new();
        for visit in visits.iter().filter(|visit| weeks.contains(&visit.week) && own(visit.home)) {
            let Some(seen) = visit.seen() else { continue };
            let sums = [true, seen.set_out, seen.complied(), seen.set_out && seen.gross].map(i32::from);
            let cell = cells.entry((visit.week, visit.home / HOMES)).or_default();
            cell.iter_mut().zip(sums).for_each(|(cell, own)| *cell += own);
            by_home.push((trial.protocol.week(visit.week), visit.home, sums));
        }
        bulk!(
            tx,
            "INSERT INTO home_week (municipality_id, iso_week, household_id, segment_id, neighbourhood_id, observed, set_out, complied, contaminated)",
            by_home,
            |row| [municipality, row.0, HouseholdId(id(3, row.1)), segment_id(row.1 / HOMES), id(1, 1), row.2[0], row.2[1], row.2[2], row.2[3]],
            ""
        )
        .unwrap();
        let cells: Vec<(i64, usize, [i32; 4])> = cells.into_iter().map(|((week, segment), sums)| (week, segment, sums)).collect();
        bulk!(
            tx,
            "INSERT INTO segment_week (municipality_id, segment_id, iso_week, observed, set_out, complied, contaminated)",
            cells,
            |row| [municipality, segment_id(row.1), trial.protocol.week(row.0), row.2[0], row.2[1], row.2[2], row.2[3]],
            ""
        )
        .unwrap();
        for week in weeks.clone() {
            let iso = trial.protocol.week(week);
            run!(tx, "INSERT INTO publication (municipality_id, period, revision, kind, first_week, last_week, published_at, source_hash) VALUES ($1, $2, 1, 'week', $3, $3, $4, 'h')",
                municipality, iso.to_string(), iso, noon(trial, week + 1)).unwrap();
        }
    }
}

/// The most memory this process ever had, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.trim().parse().ok()).unwrap_or(0)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let draws = std::env::args().skip(1).find_map(|argument| argument.parse::<u32>().ok()).unwrap_or(10_000);
    let text = PROTOCOL.replace("randomisation_draws = 10000", &format!("randomisation_draws = {draws}"));
    let folder = tempfile::tempdir().unwrap();
    let keys = Keys::create(folder.path(), [3; 32]).unwrap();
    let db = Db::connect(&format!("sqlite:{}", folder.path().join("vecino.db").display())).await.unwrap().keyed(&keys);
    db.migrate().await.unwrap();
    let mut tx = db.write().await.unwrap();
    town(&mut tx).await;
    let launch = vecino::trial::protocol::Protocol::parse(&text, "bench").unwrap().week(1).monday();
    let trial = trial::freeze(&mut tx, &text, "bench", at_local(launch - Duration::days(11), 9, 0)).await.unwrap();
    let (protocol, parameters) = (trial.protocol.clone(), Parameters::defaults().unwrap());
    let home = |at: usize| Home { key: at as u64, municipality: at / (SEGMENTS * HOMES), segment: at / HOMES, contact: Contact::Drawn, from: 1 };
    let homes: Vec<Home> = (0..2 * SEGMENTS * HOMES).map(home).collect();
    let doses = doses(&protocol, &parameters);
    let before = simulate(&parameters, &protocol.calendar, &homes, &doses, &[], 6, 1, false);
    collect(&mut tx, &trial, &before.visits, 1..=6).await;
    let trial = trial::assign(&mut tx, &trial.id, noon(&trial, 7)).await.unwrap();
    let arms: BTreeMap<SegmentId, Option<usize>> =
        trial::segments(&mut tx, &trial.id).await.unwrap().into_iter().map(|s| (s.segment_id, s.arm.and_then(|arm| protocol.arm_at(&arm)))).collect();
    let arms: Vec<Option<usize>> = (0..2 * SEGMENTS).map(|segment| arms.get(&segment_id(segment)).copied().flatten()).collect();
    let whole = simulate(&parameters, &protocol.calendar, &homes, &doses, &arms, 26, 1, false);
    collect(&mut tx, &trial, &whole.visits, 7..=26).await;
    drop((before, whole));
    let opened = looks::all(&mut tx, &trial.id).await.unwrap();
    let last = protocol.week(26);
    let start = Instant::now();
    let data = load(&mut tx, &trial, last).await.unwrap();
    let read = start.elapsed();
    let before = peak();
    let start = Instant::now();
    let report = compute(&trial, &data, Some(2), Some(last), &opened);
    let computed = start.elapsed();
    let p: Vec<Option<f64>> = report.primary.iter().map(|contrast| contrast.p_randomisation).collect();
    println!("{} segments, {} tallies, {} homes, {draws} draws", data.segments.len(), data.tallies.len(), data.homes.len());
    println!("read {:.3} s, computed {:.3} s; randomisation p {p:?}", read.as_secs_f64(), computed.as_secs_f64());
    println!("most memory: {:.1} MiB before the report, {:.1} MiB after", before as f64 / 1024.0, peak() as f64 / 1024.0);
}
