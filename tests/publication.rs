//! What is published, what stays hidden, and that both hold on both engines.

use crate::ground::Ground;
use crate::on_both_engines;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;
use vecino::clock::{Week, at_local};
use vecino::db::Tx;
use vecino::id::{HouseholdId, Mint, MunicipalityId, NeighbourhoodId, OperatorId, RouteId, SegmentId};
use vecino::map::publication::{publish_due, publish_history};
use vecino::map::revision::{What, revise};
use vecino::territory::dated::Span;
use vecino::territory::point;
use vecino::trial::protocol::published_on;
use vecino::{all, bulk, one, run};

pub const TOWN: MunicipalityId = MunicipalityId(1202);
pub const FIRST: Week = Week(202629);

pub fn id(kind: u8, n: usize) -> Uuid {
    Uuid::from_u128((0x0190_0000_0000_7000_8000_0000_0000_0000_u128) | (u128::from(kind) << 32) | n as u128)
}

/// Square `n` of a grid three wide, sharing its edges with its neighbours.
fn square(n: usize) -> Value {
    let (x, y) = (-91.80 + 0.02 * (n % 3) as f64, 15.00 - 0.02 * (n / 3) as f64);
    json!({"type": "Polygon", "coordinates": [[[x, y], [x, y - 0.02], [x + 0.02, y - 0.02], [x + 0.02, y], [x, y]]]})
}

pub const PLACES: [(&str, &str, usize); 6] = [
    ("1202-C01", "La Parroquia", 40),
    ("1202-C02", "San Miguel", 30),
    ("1202-C03", "=Cantel", 6),
    ("1202-C04", "Mávil", 24),
    ("1202-C05", "El Cedro", 14),
    ("1202-C06", "<b>Soche</b>", 30),
];

/// A small town: six squares, one route, one segment a square, its homes, and `weeks` weeks of tallies.
pub async fn town(tx: &mut Tx, weeks: i64) {
    run!(
        tx,
        "INSERT INTO municipality (municipality_id, code, name, department, pilot, approximate, geometry, properties) VALUES ($1, '1202', 'San Pedro Sacatepéquez', 'San Marcos', $2, $2, NULL, $3) ON CONFLICT (municipality_id) DO NOTHING",
        TOWN,
        true,
        json!({})
    )
    .unwrap();
    let ground = Ground::since(TOWN, FIRST.monday());
    ground.operator(tx, OperatorId(id(1, 0)), "M", "Municipalidad").await;
    ground.route(tx, RouteId(id(2, 0)), "R1", "Centro", OperatorId(id(1, 0)), &[(1, "mixed")]).await;
    run!(
        tx,
        "UPDATE route_version SET geometry = $2 WHERE municipality_id = $1",
        TOWN,
        json!({"type": "LineString", "coordinates": [[-91.79, 14.99], [-91.75, 14.97]]})
    )
    .unwrap();
    let plant = point::Place {
        municipality_id: TOWN,
        point_id: vecino::id::PointId(id(6, 0)),
        code: "P1".into(),
        name: "Planta".into(),
        kind: "sorting_plant".into(),
        route_id: None,
        stop_order: None,
        capacity_l: None,
        lon: -91.77,
        lat: 14.985,
        approximate: true,
        properties: json!({}),
    };
    point::name(tx, &[&plant]).await.unwrap();
    point::add(tx, &mut Mint::system(), chrono::DateTime::UNIX_EPOCH, &[(Span { from: FIRST.monday(), to: None }, plant)]).await.unwrap();
    for (n, (code, name, homes)) in PLACES.into_iter().enumerate() {
        ground.neighbourhood(tx, NeighbourhoodId(id(3, n)), code, name, square(n)).await;
        ground.segment(tx, SegmentId(id(4, n)), &format!("SEG-{n}"), RouteId(id(2, 0)), NeighbourhoodId(id(3, n))).await;
        let rows: Vec<_> =
            (0..homes).map(|h| n * 1000 + h).map(|h| (HouseholdId(id(5, h)), format!("SP-{h:04}-X"), Some(SegmentId(id(4, n))))).collect();
        ground.homes(tx, &rows).await;
    }
    for week in 0..weeks {
        tallies(tx, FIRST.plus(week), |place, home| {
            let complied = (home * 7 + week as usize * 3 + place * 5) % 10 < 3 + place;
            Some((2, 1 + i32::from(complied), 2 * i32::from(complied)))
        })
        .await;
    }
}

/// One week's tallies: observed, set out and complied of each home of each place; `None` is not observed.
pub async fn tallies(tx: &mut Tx, week: Week, of: impl Fn(usize, usize) -> Option<(i32, i32, i32)>) {
    for (n, (_, _, homes)) in PLACES.into_iter().enumerate() {
        let rows: Vec<(Uuid, i32, i32, i32)> = (0..homes).filter_map(|h| of(n, h).map(|(o, s, c)| (id(5, n * 1000 + h), o, s, c))).collect();
        bulk!(
            tx,
            "INSERT INTO home_week (municipality_id, iso_week, household_id, segment_id, neighbourhood_id, observed, set_out, complied, contaminated)",
            rows,
            |row| [TOWN, week, row.0, id(4, n), id(3, n), row.1, row.2, row.3, 0],
            ""
        )
        .unwrap();
    }
    run!(
        tx,
        "INSERT INTO segment_week (municipality_id, segment_id, iso_week, observed, set_out, complied, contaminated)
         SELECT municipality_id, segment_id, iso_week, SUM(observed), SUM(set_out), SUM(complied), 0 FROM home_week
         WHERE municipality_id = $1 AND iso_week = $2 GROUP BY municipality_id, segment_id, iso_week",
        TOWN,
        week
    )
    .unwrap();
}

/// Six o'clock of the Wednesday on which trial week `n` (from 0) is published.
pub fn wednesday(n: i64) -> DateTime<Utc> {
    at_local(published_on(FIRST.plus(n)), 6, 0)
}

type Shown = (String, String, Option<i32>, Option<i32>, Option<i32>, Option<f64>);

async fn cells(tx: &mut Tx, period: &str, revision: i32) -> BTreeMap<(String, String), Shown> {
    let rows: Vec<Shown> = all!(
        tx,
        "SELECT measure, area, homes, n, y, rate FROM publication_cell WHERE municipality_id = $1 AND period = $2 AND revision = $3",
        TOWN,
        period,
        revision
    )
    .unwrap();
    rows.into_iter().map(|row| ((row.0.clone(), row.1.clone()), row)).collect()
}

#[tokio::test]
async fn a_period_is_published_once_on_the_wednesday_after_it() {
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        town(&mut tx, 5).await;
        let tuesday = wednesday(0) - chrono::Duration::days(1);
        assert!(publish_due(&mut tx, TOWN, tuesday).await.unwrap().is_empty());
        assert_eq!(publish_due(&mut tx, TOWN, wednesday(0)).await.unwrap(), ["2026-W29"]);
        assert!(publish_due(&mut tx, TOWN, wednesday(0)).await.unwrap().is_empty());
        assert_eq!(publish_due(&mut tx, TOWN, wednesday(3)).await.unwrap(), ["2026-W30", "2026-W31", "2026-W32", "2026-B08"]);
        let (revisions,): (i64,) = one!(tx, "SELECT COUNT(*) FROM publication WHERE municipality_id = $1", TOWN).unwrap();
        assert_eq!(revisions, 5);
    });
}

#[tokio::test]
async fn a_week_nobody_was_observed_in_is_published_when_its_observations_come_in() {
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        town(&mut tx, 1).await;
        assert_eq!(publish_due(&mut tx, TOWN, wednesday(2)).await.unwrap(), ["2026-W29"]);
        tallies(&mut tx, FIRST.plus(1), |_, home| Some((2, 1 + (home % 2) as i32, 2 * (home % 2) as i32))).await;
        assert_eq!(publish_due(&mut tx, TOWN, wednesday(2)).await.unwrap(), ["2026-W30"]);
        let (_, area, homes, ..) = cells(&mut tx, "2026-W30", 1).await[&("complied".to_owned(), "1202-C01".to_owned())].clone();
        assert_eq!((area.as_str(), homes), ("1202-C01", Some(40)), "it is not hidden for having been empty");
    });
}

#[tokio::test]
async fn a_phase_has_the_weeks_of_the_protocol_in_force() {
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        town(&mut tx, 5).await;
        vecino::trial::freeze(&mut tx, &short_trial("[3, 4]"), "mine.toml", wednesday(0)).await.unwrap();
        // Amended before its day: the phase comes out with its three weeks and not before.
        vecino::trial::amend(&mut tx, &short_trial("[3, 5]"), "mine.toml", "una semana más", wednesday(1)).await.unwrap();
        let names = publish_history(&mut tx, TOWN, wednesday(3)).await.unwrap();
        assert!(names.contains(&"trial:corto/messages".to_owned()) && !names.contains(&"trial:corto/after".to_owned()), "{names:?}");
        assert!(publish_due(&mut tx, TOWN, wednesday(4)).await.unwrap().contains(&"trial:corto/after".to_owned()));
        let phase = async |tx: &mut Tx| -> Vec<(i32, Week, Week)> {
            all!(tx, "SELECT revision, first_week, last_week FROM publication WHERE period = 'trial:corto/after' ORDER BY revision").unwrap()
        };
        assert_eq!(phase(&mut tx).await, [(1, FIRST.plus(2), FIRST.plus(4))]);
        // Amended after it was published: published again as a whole, once.
        vecino::trial::amend(&mut tx, &short_trial("[3, 4]"), "mine.toml", "una semana menos", wednesday(5)).await.unwrap();
        assert_eq!(publish_due(&mut tx, TOWN, wednesday(5)).await.unwrap(), ["trial:corto/after"]);
        assert_eq!(publish_due(&mut tx, TOWN, wednesday(5)).await.unwrap(), Vec::<String>::new());
        assert_eq!(phase(&mut tx).await, [(1, FIRST.plus(2), FIRST.plus(4)), (2, FIRST.plus(2), FIRST.plus(3))]);
        let total = |cells: BTreeMap<(String, String), Shown>| cells[&("complied".to_owned(), String::new())].3;
        let (first, second) = (total(cells(&mut tx, "trial:corto/after", 1).await), total(cells(&mut tx, "trial:corto/after", 2).await));
        assert_eq!((first, second), (first, first.map(|n| n / 3 * 2)), "three weeks, then two");
    });
}

/// A trial of this town alone: a week of baseline, one of messages, and these weeks after.
pub fn short_trial(after: &str) -> String {
    let text = include_str!("../experiments/norma-y-plan-2026.toml");
    let last = after.trim_matches(['[', ']']).split(", ").last().unwrap();
    let campaign = text.find("steps = [").unwrap();
    let step = text[campaign..].lines().nth(1).unwrap().replace("week = 7", "week = 2");
    let text = format!("{}steps = [\n{step}\n]\n", &text[..campaign]);
    text.replace("id = \"norma-y-plan-2026\"", "id = \"corto\"")
        .replace("[\"1202\", \"0114\"]", "[\"1202\"]")
        .replace("weeks = 26", &format!("weeks = {last}"))
        .replace("baseline = [1, 6]", "baseline = [1, 1]")
        .replace("messages = [7, 18]", "messages = [2, 2]")
        .replace("after = [19, 26]", &format!("after = {after}"))
        .replace("data_through = 18", "data_through = 2")
        .replace("data_through = 26", "data_through = 3")
}

#[tokio::test]
async fn the_numbers_are_those_of_the_homes_and_the_interval_is_clustered_by_home() {
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        town(&mut tx, 4).await;
        publish_history(&mut tx, TOWN, wednesday(3)).await.unwrap();
        let block = cells(&mut tx, "2026-B08", 1).await;
        let shown = &block[&("complied".into(), "1202-C01".into())];
        let (n, y): (i64, i64) = one!(
            tx, "SELECT CAST(SUM(observed) AS BIGINT), CAST(SUM(complied) AS BIGINT) FROM home_week WHERE municipality_id = $1 AND segment_id = $2", TOWN, id(4, 0)).unwrap();
        assert_eq!((shown.2, shown.3, shown.4), (Some(40), Some(n as i32), Some(y as i32)));
        // By hand: residuals of forty homes with eight collections each.
        let homes: Vec<(i64, i64)> = all!(
            tx, "SELECT CAST(SUM(observed) AS BIGINT), CAST(SUM(complied) AS BIGINT) FROM home_week WHERE municipality_id = $1 AND segment_id = $2 GROUP BY household_id", TOWN, id(4, 0)).unwrap();
        let r = y as f64 / n as f64;
        let squares: f64 = homes.iter().map(|(n, y)| (*y as f64 - r * *n as f64).powi(2)).sum();
        let half = 2.022_690_9 * (40.0 / 39.0 * squares).sqrt() / n as f64;
        let (low, high): (f64, f64) = one!(
            tx, "SELECT ci_low, ci_high FROM publication_cell WHERE municipality_id = $1 AND period = '2026-B08' AND measure = 'complied' AND area = '1202-C01'", TOWN).unwrap();
        assert!((low - (r - half)).abs() < 1e-6 && (high - (r + half)).abs() < 1e-6, "{low} {high} {r} {half}");
        // The published day is the Wednesday, and the classes are those agreed with the town.
        let (at,): (DateTime<Utc>,) = one!(tx, "SELECT published_at FROM publication WHERE municipality_id = $1 AND period = '2026-B08'", TOWN).unwrap();
        assert_eq!(at, wednesday(3));
        let lower: Vec<(f64,)> = all!(tx, "SELECT lower FROM map_class WHERE municipality_id = $1 AND measure = 'complied' ORDER BY class", TOWN).unwrap();
        assert_eq!(lower, [(0.0,), (0.4,), (0.5,), (0.6,), (0.7,)]);
        // The change is against the week before, and only where both are shown.
        let (changes,): (i64,) = one!(tx, "SELECT COUNT(change) FROM publication_cell WHERE municipality_id = $1 AND period = '2026-W29'", TOWN).unwrap();
        assert_eq!(changes, 0);
        let (change, before, now): (f64, f64, f64) = one!(
            tx, "SELECT b.change, a.rate, b.rate FROM publication_cell a JOIN publication_cell b ON b.municipality_id = a.municipality_id AND b.area = a.area AND b.measure = a.measure
                 WHERE a.municipality_id = $1 AND a.period = '2026-W29' AND b.period = '2026-W30' AND a.area = '1202-C01' AND a.measure = 'complied'", TOWN).unwrap();
        assert!((change - (now - before)).abs() < 1e-12);
    });
}

#[tokio::test]
async fn classes_nobody_agreed_on_stand_round_the_baseline_once_it_is_published_whole_and_never_move() {
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        town(&mut tx, 5).await;
        let classes = async |tx: &mut Tx| -> Vec<(i16, f64)> { all!(tx, "SELECT class, lower FROM map_class WHERE municipality_id = $1 AND measure = 'set_out' ORDER BY class", TOWN).unwrap() };
        publish_history(&mut tx, TOWN, wednesday(2)).await.unwrap();
        assert_eq!(classes(&mut tx).await, []);
        publish_history(&mut tx, TOWN, wednesday(3)).await.unwrap();
        let fixed = classes(&mut tx).await;
        let (y, n): (i64, i64) = one!(
            tx, "SELECT CAST(SUM(set_out) AS BIGINT), CAST(SUM(observed) AS BIGINT) FROM home_week WHERE municipality_id = $1 AND iso_week <= $2", TOWN, FIRST.plus(3)).unwrap();
        let middle = (20.0 * y as f64 / n as f64).round() / 20.0;
        for (class, lower) in (1..).zip([0.0, middle - 0.15, middle - 0.05, middle + 0.05, middle + 0.15]) {
            let (of, stored) = fixed[class as usize - 1];
            assert!(of == class && (stored - lower).abs() < 1e-12, "{fixed:?} {middle}");
        }
        assert_eq!(fixed.len(), 5);
        tallies(&mut tx, FIRST.plus(5), |_, home| Some((2, i32::from(home % 9 == 0), 0))).await;
        publish_history(&mut tx, TOWN, wednesday(5)).await.unwrap();
        assert_eq!(classes(&mut tx).await, fixed);
    });
}

#[tokio::test]
async fn a_hidden_cell_holds_no_number_has_company_and_stays_hidden_in_longer_periods() {
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        town(&mut tx, 8).await;
        publish_history(&mut tx, TOWN, wednesday(7)).await.unwrap();
        let (leaks,): (i64,) = one!(tx, "SELECT COUNT(*) FROM publication_cell WHERE hidden = $1 AND (homes IS NOT NULL OR n IS NOT NULL OR y IS NOT NULL OR rate IS NOT NULL
            OR ci_low IS NOT NULL OR ci_high IS NOT NULL OR change IS NOT NULL OR change_low IS NOT NULL OR change_high IS NOT NULL OR class IS NOT NULL)", true).unwrap();
        assert_eq!(leaks, 0);
        let hidden: Vec<(String, i32, i32, String, String)> = all!(
            tx, "SELECT p.kind, p.first_week, p.last_week, c.measure, c.area FROM publication p
                 JOIN publication_cell c ON c.municipality_id = p.municipality_id AND c.period = p.period AND c.revision = p.revision WHERE c.hidden = $1", true).unwrap();
        let weeks: BTreeSet<(i32, &str)> = hidden.iter().filter(|h| h.0 == "week").map(|h| (h.1, h.4.as_str())).collect();
        assert!(weeks.contains(&(202629, "1202-C03")), "six homes are hidden");
        for week in 202629..202637 {
            assert!(weeks.iter().filter(|(w, _)| *w == week).count() >= 2, "week {week} has one hidden cell");
        }
        let longer: BTreeSet<(i32, &str)> = hidden.iter().filter(|h| h.0 == "block").map(|h| (h.1, h.4.as_str())).collect();
        for (week, area) in &weeks {
            let block = if *week < 202633 { 202629 } else { 202633 };
            assert!(longer.contains(&(block, area)), "{area} of {week} shows in the block");
        }
        // Both measures hide the same cells, because they share their counts.
        let of = |measure: &str| hidden.iter().filter(|h| h.3 == measure).map(|h| (h.0.clone(), h.1, h.4.clone())).collect::<BTreeSet<_>>();
        assert_eq!(of("complied"), of("set_out"));
    });
}

#[tokio::test]
async fn what_one_week_hides_no_longer_period_shows_and_a_place_nobody_saw_is_not_hidden_for_it() {
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        town(&mut tx, 1).await;
        let third = |place: usize, home: usize| i32::from((home + place).is_multiple_of(3));
        let seen = |place: usize, home: usize| Some((2, 1 + third(place, home), 2 * third(place, home)));
        // In the second week four of the thirty homes of the second place, and nobody in the first.
        tallies(&mut tx, FIRST.plus(1), |place, home| seen(place, home).filter(|_| place > 1 || (place == 1 && home < 4))).await;
        for week in [2, 3, 4, 6, 7] {
            tallies(&mut tx, FIRST.plus(week), seen).await;
        }
        // In the sixth week eight homes in all: too few for a total.
        tallies(&mut tx, FIRST.plus(5), |place, home| seen(place, home).filter(|_| place < 2 && home < 4)).await;
        publish_history(&mut tx, TOWN, wednesday(7)).await.unwrap();
        let shown = async |tx: &mut Tx, period: &str| -> Vec<String> {
            cells(tx, period, 1).await.into_iter().filter(|((measure, _), cell)| measure == "complied" && cell.2.is_some()).map(|((_, area), _)| area).collect()
        };
        assert_eq!(shown(&mut tx, "2026-W30").await, ["", "1202-C04", "1202-C05", "1202-C06"]);
        assert_eq!(shown(&mut tx, "2026-W31").await, ["", "1202-C01", "1202-C04", "1202-C05", "1202-C06"]);
        assert_eq!(shown(&mut tx, "2026-W34").await, Vec::<String>::new());
        // The fifth place was company to the third in the first week.
        assert_eq!(shown(&mut tx, "2026-B08").await, ["", "1202-C01", "1202-C04", "1202-C06"]);
        assert!(!shown(&mut tx, "2026-B09").await.contains(&String::new()), "the total less the other weeks is the eight homes");
    });
}

#[tokio::test]
async fn a_revision_is_a_whole_new_table_and_shows_nothing_that_was_hidden() {
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        town(&mut tx, 5).await;
        publish_history(&mut tx, TOWN, wednesday(4)).await.unwrap();
        assert!(revise(&mut tx, TOWN, "ana", "nothing changed", wednesday(4), &What::All).await.unwrap().periods.is_empty());
        let before = cells(&mut tx, "2026-W30", 1).await;
        run!(tx, "UPDATE home_week SET complied = 0 WHERE municipality_id = $1 AND iso_week = 202630 AND segment_id = $2", TOWN, id(4, 0)).unwrap();
        let revised = revise(&mut tx, TOWN, "ana", "late phone", wednesday(5), &What::All).await.unwrap().periods;
        // Its own week, the week compared with it, and the block that holds it.
        assert_eq!(revised, ["2026-W30", "2026-W31", "2026-B08"]);
        let after = cells(&mut tx, "2026-W30", 2).await;
        assert_eq!(after.len(), before.len());
        let key = ("complied".to_owned(), "1202-C01".to_owned());
        assert_ne!(after[&key].5, before[&key].5);
        for (key, cell) in before.iter().filter(|(_, cell)| cell.2.is_none()) {
            assert!(after[key].2.is_none(), "{key:?} {cell:?}");
        }
    });
}
