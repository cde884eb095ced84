//! The report says what the tallies hold, through the last published week, and no arm between looks.

use crate::ground::{Ground, rehome};
use crate::on_both_engines;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use tower::ServiceExt;
use uuid::Uuid;
use vecino::account::access::{Routes, find};
use vecino::account::{Actor, Role};
use vecino::analysis::describe;
use vecino::analysis::load::{Data, load};
use vecino::analysis::report::{current, refresh, stored};
use vecino::app::App;
use vecino::clock::Clock;
use vecino::clock::{Week, at_local};
use vecino::db::{Db, Tx};
use vecino::id::{HouseholdId, MunicipalityId, NeighbourhoodId, OperatorId, RouteId, SegmentId, seeded_random};
use vecino::language::{Language, Words};
use vecino::page::{Page, Reader};
use vecino::seal::Keys;
use vecino::trial::{self, Trial, looks};
use vecino::{all, bulk, one, run};

const PLACES: [(i16, &str); 2] = [(1202, "1202"), (114, "0114")];
pub const HOMES: usize = 20;

pub fn text() -> String {
    include_str!("../experiments/norma-y-plan-2026.toml")
        .replace("randomisation_draws = 10000", "randomisation_draws = 199")
        .replace("wild_draws = 9999", "wild_draws = 199")
}

pub fn id(n: usize) -> Uuid {
    Uuid::from_u128(0x0197_0000_0000_7000_8000_0000_0000_0000 + n as u128)
}

/// What makes a fixture's collections: is this one observed, does it comply.
pub struct World {
    pub seed: u64,
    pub plan_effect: f64,
}

impl World {
    fn chance(&self, segment: usize, home: usize, week: i64, plan: bool) -> (bool, bool) {
        use rand_chacha::rand_core::Rng;
        let mut random = seeded_random(self.seed, &format!("{segment} {home} {week}"));
        let mut uniform = || random.next_u32() as f64 / u32::MAX as f64;
        let observed = uniform() < 0.88;
        let level = 0.3 + 0.03 * (segment % 8) as f64 + if plan && week > 6 { self.plan_effect } else { 0.0 };
        (observed, uniform() < level)
    }
}

/// Two municipalities of `segments` segments each, every home collected once a week.
async fn ground(tx: &mut Tx, segments: usize) {
    let day = NaiveDate::from_ymd_opt(2020, 1, 1).unwrap();
    let nothing = json!({});
    for (m, (number, code)) in PLACES.into_iter().enumerate() {
        let municipality = MunicipalityId(number);
        run!(
            tx,
            "INSERT INTO municipality (municipality_id, code, name, department, pilot, approximate, properties) VALUES ($1, $2, $2, 'x', $3, $3, $4)",
            municipality,
            code,
            true,
            &nothing
        )
        .unwrap();
        let ground = Ground::since(municipality, day);
        ground.operator(tx, OperatorId(id(1)), "A", "A").await;
        ground.route(tx, RouteId(id(1)), "R1", "R1", OperatorId(id(1)), &[(1, "mixed")]).await;
        ground.neighbourhood(tx, NeighbourhoodId(id(1)), "N1", "N1", json!({})).await;
        let pieces: Vec<(SegmentId, String)> = (0..segments).map(|s| (SegmentId(id(100 + s + m * segments)), format!("S{s:03}"))).collect();
        for (segment, code) in &pieces {
            ground.segment(tx, *segment, code, RouteId(id(1)), NeighbourhoodId(id(1))).await;
        }
        let homes: Vec<(HouseholdId, String, Option<SegmentId>)> = (0..segments * HOMES)
            .map(|h| HouseholdId(id(10_000 + m * 10_000 + h)))
            .enumerate()
            .map(|(h, home)| (home, home.to_string(), Some(pieces[h / HOMES].0)))
            .collect();
        ground.homes(tx, &homes).await;
    }
}

/// Tallies of trial weeks `weeks` in every segment; `plan` says which segments were asked for a plan.
pub async fn collect(
    tx: &mut Tx,
    trial: &Trial,
    world: &World,
    segments: usize,
    weeks: std::ops::RangeInclusive<i64>,
    plan: &BTreeMap<SegmentId, bool>,
) {
    for (m, (number, _)) in PLACES.into_iter().enumerate() {
        let municipality = MunicipalityId(number);
        let (first, last) = (trial.protocol.week(*weeks.start()).monday(), trial.protocol.week(*weeks.end()).sunday());
        vecino::observation::round::make(tx, municipality, first, last).await.unwrap();
        let mut by_home = Vec::new();
        let mut by_segment = Vec::new();
        for s in 0..segments {
            let segment = SegmentId(id(100 + s + m * segments));
            for week in weeks.clone() {
                let iso = trial.protocol.week(week);
                let (mut n, mut y) = (0, 0);
                for home in 0..HOMES {
                    let (observed, complied) = world.chance(m * segments + s, home, week, *plan.get(&segment).unwrap_or(&false));
                    let household = HouseholdId(id(10_000 + m * 10_000 + s * HOMES + home));
                    let (observed, complied) = (i32::from(observed), i32::from(observed && complied));
                    by_home.push((iso, household, segment, observed, complied));
                    n += observed;
                    y += complied;
                }
                by_segment.push((iso, segment, n, y));
            }
        }
        bulk!(
            tx,
            "INSERT INTO home_week (municipality_id, iso_week, household_id, segment_id, neighbourhood_id, observed, set_out, complied, contaminated)",
            by_home,
            |row| [municipality, row.0, row.1, row.2, id(1), row.3, row.3, row.4, 0],
            ""
        )
        .unwrap();
        bulk!(
            tx,
            "INSERT INTO segment_week (municipality_id, segment_id, iso_week, observed, set_out, complied, contaminated)",
            by_segment,
            |row| [municipality, row.1, row.0, row.2, row.2, row.3, 0],
            ""
        )
        .unwrap();
    }
}

/// One week's message to the first home of every segment: delivered in even segments, withheld in odd ones.
async fn write_to(tx: &mut Tx, trial: &Trial, segments: usize, week: i64) {
    let iso = trial.protocol.week(week);
    for segment in trial::segments(tx, &trial.id).await.unwrap() {
        let number = (segment.segment_id.0.as_u128() - id(100).as_u128()) as usize;
        let (m, s) = (number / segments, number % segments);
        let household = HouseholdId(id(10_000 + m * 10_000 + s * HOMES));
        let state = if s % 2 == 0 { "delivered" } else { "withheld" };
        run!(tx, "INSERT INTO message (municipality_id, message_id, household_id, trial_id, campaign_id, step, due_on, iso_week, channel, arm, wording, rule, language, state, state_at, send_after, expires_at, attempts)
                  VALUES ($1, $2, $3, $4, 'semanal', 1, $5, $6, 'sms', $7, 'w', 'r', 'es', $8, $9, $9, $9, 0)",
            segment.municipality_id, id(500_000 + number), household, &trial.id, iso.monday(), iso, segment.arm.unwrap(), state, noon(trial, week)).unwrap();
    }
}

pub async fn publish(tx: &mut Tx, trial: &Trial, weeks: std::ops::RangeInclusive<i64>) {
    for (number, _) in PLACES {
        for week in weeks.clone() {
            let iso = trial.protocol.week(week);
            run!(tx, "INSERT INTO publication (municipality_id, period, revision, kind, first_week, last_week, published_at, source_hash) VALUES ($1, $2, 1, 'week', $3, $3, $4, 'h')",
                MunicipalityId(number), iso.to_string(), iso, noon(trial, week + 1)).unwrap();
        }
    }
}

/// Noon on the Wednesday of a trial week.
pub fn noon(trial: &Trial, week: i64) -> DateTime<Utc> {
    at_local(trial.protocol.week(week).monday() + chrono::Duration::days(2), 12, 0)
}

/// A drawn trial with data and publications through `through`.
async fn trial_through(db: &Db, segments: usize, through: i64, world: &World) -> (Tx, Trial) {
    trial_of(db, &text(), segments, through, world).await
}

pub async fn trial_of(db: &Db, text: &str, segments: usize, through: i64, world: &World) -> (Tx, Trial) {
    let mut tx = db.write().await.unwrap();
    ground(&mut tx, segments).await;
    // Eleven days before the trial's first week, whichever it is.
    let launch = vecino::trial::protocol::Protocol::parse(text, "test").unwrap().week(1).monday();
    let trial = trial::freeze(&mut tx, text, "test", at_local(launch - chrono::Duration::days(11), 9, 0)).await.unwrap();
    collect(&mut tx, &trial, world, segments, 1..=6, &BTreeMap::new()).await;
    let trial = trial::assign(&mut tx, &trial.id, noon(&trial, 7)).await.unwrap();
    let plan =
        trial::segments(&mut tx, &trial.id).await.unwrap().into_iter().map(|s| (s.segment_id, s.arm.is_some_and(|a| a.contains("plan")))).collect();
    if through > 6 {
        collect(&mut tx, &trial, world, segments, 7..=through, &plan).await;
    }
    publish(&mut tx, &trial, 1..=through).await;
    (tx, trial)
}

#[tokio::test]
async fn between_looks_no_number_of_any_arm_exists() {
    on_both_engines!(db => {
        let (mut tx, trial) = trial_through(&db, 8, 12, &World { seed: 1, plan_effect: 0.2 }).await;
        let now = noon(&trial, 14);
        refresh(&mut tx, &trial, now).await.unwrap();
        assert!(current(&mut tx, &trial, now.date_naive()).await.unwrap().is_none());
        let report = stored(&mut tx, &trial.id, None).await.unwrap().unwrap().report;
        let text = serde_json::to_string(&report).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["look"], Value::Null);
        assert_eq!(value["data_through"], trial.protocol.week(12).to_string());
        for arm in &trial.protocol.arms {
            assert!(!text.contains(&format!("\"{}\"", arm.id)) && !text.contains(&format!("\"{}\"", arm.name)), "{}", arm.id);
        }
        assert_eq!(value["primary"], json!([]));
        assert_eq!(value["path"].as_array().unwrap().len(), 12);
        assert!(value["missing"]["share_observed"].as_f64().unwrap() > 0.8);
        let (looks,): (i64,) = one!(tx, "SELECT COUNT(*) FROM analysis_report WHERE look > 0").unwrap();
        assert_eq!(looks, 0);
        // The Wednesday of the look has come, but its last week is not published yet: still nothing by arm.
        let later = noon(&trial, 20);
        refresh(&mut tx, &trial, later).await.unwrap();
        assert!(current(&mut tx, &trial, later.date_naive()).await.unwrap().is_none());
        let (looks,): (i64,) = one!(tx, "SELECT COUNT(*) FROM analysis_report WHERE look > 0").unwrap();
        assert_eq!(looks, 0);
    });
}

#[tokio::test]
async fn a_segment_cut_in_two_moves_nobody_and_loses_nobody() {
    on_both_engines!(db => {
        let (mut tx, trial) = trial_through(&db, 8, 12, &World { seed: 1, plan_effect: 0.2 }).await;
        let place = MunicipalityId(1202);
        let whole = trial.protocol.trial_week(trial.protocol.week(9));
        let pooled = async |tx: &mut Tx, trial: &Trial| {
            let status = trial::status::status(tx, trial, noon(trial, 12).date_naive()).await.unwrap();
            status.pooled.iter().map(|sum| (sum.observed, sum.complied)).collect::<Vec<_>>()
        };
        let moved = async |tx: &mut Tx, trial: &Trial| {
            let data = load(tx, trial, trial.protocol.week(12)).await.unwrap();
            let sums = [1..=6, 7..=12].map(|weeks| {
                data.tallies.iter().filter(|tally| weeks.contains(&tally.week)).fold((0, 0), |sum, tally| (sum.0 + tally.observed as i64, sum.1 + tally.complied as i64))
            });
            (data.since.iter().map(|since| since.moved).sum::<i64>(), sums)
        };
        let before = pooled(&mut tx, &trial).await;
        let (none, report) = moved(&mut tx, &trial).await;
        assert_eq!((none, &before[..2], before[2]), (0, &report[..], (0, 0)));
        // From week 9 on the first segment is two, each with half of its homes; what was seen since then lies in the parts.
        let (old, day) = (SegmentId(id(100)), trial.protocol.week(whole).monday());
        run!(tx, "UPDATE segment_version SET valid_to = $3 WHERE municipality_id = $1 AND segment_id = $2", place, old, day.pred_opt().unwrap()).unwrap();
        let (area, route) = (NeighbourhoodId(id(1)), RouteId(id(1)));
        for part in 0..2usize {
            let new = SegmentId(id(90 + part));
            Ground::since(place, day).segment(&mut tx, new, &format!("S000{part}"), route, area).await;
            for home in (0..HOMES).filter(|home| home % 2 == part).map(|home| HouseholdId(id(10_000 + home))) {
                stand(&mut tx, place, home, new, day).await;
                run!(tx, "UPDATE home_week SET segment_id = $3 WHERE municipality_id = $1 AND household_id = $2 AND iso_week >= $4", place, home, new, trial.protocol.week(whole)).unwrap();
            }
        }
        run!(tx, "DELETE FROM segment_week WHERE municipality_id = $1", place).unwrap();
        run!(tx, "INSERT INTO segment_week (municipality_id, segment_id, iso_week, observed, set_out, complied, contaminated)
                  SELECT municipality_id, segment_id, iso_week, SUM(observed), SUM(set_out), SUM(complied), 0 FROM home_week
                   WHERE municipality_id = $1 GROUP BY municipality_id, segment_id, iso_week", place).unwrap();
        assert_eq!(pooled(&mut tx, &trial).await, before, "a home counts in the segment of the draw");
        assert_eq!(moved(&mut tx, &trial).await, (0, report));
        // One home moves from a part to another segment: it is the one mover.
        stand(&mut tx, place, HouseholdId(id(10_000)), SegmentId(id(101)), trial.protocol.week(11).monday()).await;
        assert_eq!(moved(&mut tx, &trial).await.0, 1);
    });
}

/// Lets a home stand on a segment from a day on.
async fn stand(tx: &mut Tx, place: MunicipalityId, home: HouseholdId, segment: SegmentId, day: NaiveDate) {
    use vecino::territory::{dated, household};
    let history = household::history(tx, place).await.unwrap();
    let history: Vec<_> = history.into_iter().filter(|version| version.facts.household_id == home).collect();
    let facts = household::Household { segment_id: Some(segment), ..history.last().unwrap().facts.clone() };
    run!(
        tx,
        "UPDATE household_version SET valid_to = $3 WHERE municipality_id = $1 AND household_id = $2 AND valid_to IS NULL",
        place,
        home,
        day.pred_opt().unwrap()
    )
    .unwrap();
    household::add(tx, &mut vecino::id::Mint::system(), Utc::now(), &[(dated::Span { from: day, to: None }, facts)]).await.unwrap();
}

#[tokio::test]
async fn at_a_look_the_report_finds_the_effect_that_is_there_and_is_made_once() {
    on_both_engines!(db => {
        let (mut tx, trial) = trial_through(&db, 16, 19, &World { seed: 2, plan_effect: 0.15 }).await;
        let now = noon(&trial, 20);
        write_to(&mut tx, &trial, 16, 8).await;
        refresh(&mut tx, &trial, now).await.unwrap();
        let look = current(&mut tx, &trial, now.date_naive()).await.unwrap().unwrap();
        assert_eq!(look.look, 1);
        let report = stored(&mut tx, &trial.id, Some(1)).await.unwrap().unwrap().report;
        // Week 19 is published, but the look holds weeks 1 to 18 only.
        assert_eq!(report.data_through.as_deref(), Some(trial.protocol.week(18).to_string().as_str()));
        assert_eq!(report.path.iter().map(|p| p.week).max(), Some(18));
        assert_eq!(report.path.len(), 18 * 4);
        let (norm, plan) = (&report.primary[0], &report.primary[1]);
        assert!((plan.estimate.unwrap() - 0.15).abs() < 0.04, "{plan:?}");
        assert!(plan.p_randomisation.unwrap() < 0.02 && plan.p_wild.unwrap() < 0.02 && plan.p_adjusted.unwrap() >= plan.p.unwrap());
        assert!(norm.ci_low.unwrap() < 0.0 && norm.ci_high.unwrap() > 0.0, "{norm:?}");
        assert!(norm.df.unwrap() <= 32.0 && norm.segments == 32 && norm.homes == 640);
        assert!(report.secondary[0].minimum_detectable.unwrap() > 2.0 * report.secondary[0].se.unwrap());
        assert!((report.ancova[1].estimate.unwrap() - plan.estimate.unwrap()).abs() < 0.02);
        assert!(report.balance_p.unwrap() > 0.01 && report.missing.p_randomisation.unwrap() > 0.01);
        assert_eq!((report.flow.assigned.segments, report.flow.assigned.homes), (32, 640));
        let observed: i64 = report.flow.arms.iter().map(|a| a.observed).sum();
        assert_eq!(observed, norm.n);
        // Every home in every week, but for the Monday on which the 20th of October is kept: what was seen on it all the same counts as due.
        let (seen,): (i64,) = one!(tx, "SELECT CAST(SUM(observed) AS BIGINT) FROM segment_week WHERE iso_week = $1", Week(202643)).unwrap();
        assert!(seen > 0);
        assert_eq!(report.flow.arms.iter().map(|a| a.due).sum::<i64>(), 32 * 20 * 11 + seen);
        assert_eq!(report.fidelity.iter().map(|f| f.due).sum::<i64>(), 32);
        assert_eq!(report.fidelity.iter().map(|f| f.delivered).sum::<i64>(), 16);
        assert_eq!(report.flow.arms.iter().map(|a| a.messaged).sum::<i64>(), 16);
        assert!(report.warnings.iter().any(|w| w.code == "low-delivery"));
        assert!(report.habit.arms.iter().all(|h| h.homes > 0 && h.share.is_some()));
        // Norm alone, plan alone and both hang together with the main effects.
        let of = |name: &str| report.secondary.iter().find(|c| c.contrast == name).unwrap().estimate.unwrap();
        assert!((of("norm_and_plan") - norm.estimate.unwrap() - plan.estimate.unwrap()).abs() < 1e-9);
        assert!((of("norm_alone") + of("plan_alone") + of("norm:plan") - of("norm_and_plan")).abs() < 1e-9);
        // Nothing new: nothing is computed again.
        let count = async |tx: &mut Tx| -> i64 { let (n,): (i64,) = one!(tx, "SELECT COUNT(*) FROM analysis_report").unwrap(); n };
        let before = count(&mut tx).await;
        refresh(&mut tx, &trial, noon(&trial, 21)).await.unwrap();
        assert_eq!(count(&mut tx).await, before);
        let first = stored(&mut tx, &trial.id, Some(1)).await.unwrap().unwrap();
        let text = |report: &vecino::analysis::findings::Report| serde_json::to_string(report).unwrap();
        // A closing of today is none of the report's rows.
        run!(tx, "UPDATE household_version SET valid_to = $1 WHERE household_id = (SELECT household_id FROM household_version LIMIT 1)", noon(&trial, 22).date_naive()).unwrap();
        run!(tx, "INSERT INTO tally_week (municipality_id, iso_week, rewritten) VALUES (1202, $1, 9) ON CONFLICT (municipality_id, iso_week) DO UPDATE SET rewritten = 9", trial.protocol.week(9)).unwrap();
        refresh(&mut tx, &trial, noon(&trial, 21)).await.unwrap();
        assert_eq!(count(&mut tx).await, before);
        // Rows that change make another; as they were, the same bytes are the report again.
        let change = async |tx: &mut Tx, by: i32| {
            run!(tx, "UPDATE segment_week SET set_out = set_out + $2 WHERE iso_week = $1 AND segment_id = (SELECT segment_id FROM trial_segment WHERE arm IS NOT NULL ORDER BY segment_id LIMIT 1)", trial.protocol.week(9), by).unwrap();
        };
        change(&mut tx, 1).await;
        refresh(&mut tx, &trial, noon(&trial, 22)).await.unwrap();
        assert_eq!(count(&mut tx).await, before + 2);
        assert_ne!(stored(&mut tx, &trial.id, Some(1)).await.unwrap().unwrap().source_hash, first.source_hash);
        change(&mut tx, -1).await;
        refresh(&mut tx, &trial, noon(&trial, 23)).await.unwrap();
        assert_eq!(count(&mut tx).await, before + 2);
        let again = stored(&mut tx, &trial.id, Some(1)).await.unwrap().unwrap();
        assert_eq!((again.source_hash, text(&again.report)), (first.source_hash, text(&first.report)));
    });
}

#[tokio::test]
async fn what_was_seen_on_a_day_called_off_hides_no_missed_stop_of_another_day() {
    on_both_engines!(db => {
        let (mut tx, trial) = trial_through(&db, 16, 18, &World { seed: 2, plan_effect: 0.0 }).await;
        let observed_of_due = async |tx: &mut Tx| {
            let data = load(tx, &trial, trial.protocol.week(18)).await.unwrap();
            let found = describe::missing(&data, true);
            (found.due, found.observed, found.arms.iter().map(|arm| (arm.due, arm.observed)).collect::<Vec<_>>())
        };
        let before = observed_of_due(&mut tx).await;
        // Two homes of a drawn segment of which some were missed on the Monday were seen on the Wednesday, which was called off since.
        let (place, segment, missed): (MunicipalityId, SegmentId, i32) = one!(tx, "SELECT w.municipality_id, w.segment_id, w.observed FROM segment_week w JOIN trial_segment t ON t.segment_id = w.segment_id AND t.municipality_id = w.municipality_id WHERE w.iso_week = $1 AND w.observed BETWEEN 5 AND 17 AND t.arm IS NOT NULL ORDER BY w.segment_id LIMIT 1", trial.protocol.week(9)).unwrap();
        assert!(missed + 2 < HOMES as i32);
        let week = trial.protocol.week(9);
        let day = week.monday() + chrono::Duration::days(2);
        run!(tx, "INSERT INTO round (municipality_id, round_id, route_id, operator_id, service_day, stream, window_start, window_end, planned_stops) VALUES ($1, $2, $3, $3, $4, 'mixed', '06:00', '12:00', 0)", place, id(900), id(1), day).unwrap();
        let homes: Vec<(HouseholdId,)> = all!(tx, "SELECT household_id FROM home_week WHERE municipality_id = $1 AND segment_id = $2 AND iso_week = $3 ORDER BY household_id LIMIT 2", place, segment, week).unwrap();
        for (n, (home,)) in homes.into_iter().enumerate() {
            run!(tx, "INSERT INTO observation (municipality_id, op_id, kind, round_id, household_id, segment_id, neighbourhood_id, service_day, iso_week, device_id, observed_at, corrected_at, received_at, set_out, complied, counted, content_hash)
                      VALUES ($1, $2, 'observation', $3, $4, $5, $6, $7, $8, $6, $9, $9, $9, 'no', 0, $10, 'h')",
                place, id(910 + n), id(900), home, segment, id(1), day, week, noon(&trial, 9), true).unwrap();
            run!(tx, "UPDATE home_week SET observed = observed + 1 WHERE municipality_id = $1 AND household_id = $2 AND iso_week = $3", place, home, week).unwrap();
            run!(tx, "UPDATE segment_week SET observed = observed + 1 WHERE municipality_id = $1 AND segment_id = $2 AND iso_week = $3", place, segment, week).unwrap();
        }
        let after = observed_of_due(&mut tx).await;
        assert_eq!((after.0, after.1), (before.0 + 2, before.1 + 2), "both were due and both were seen");
        let more: i64 = after.2.iter().zip(&before.2).map(|(after, before)| after.0 - before.0).sum();
        assert_eq!(more, 2, "in one arm");
    });
}

#[tokio::test]
async fn six_of_the_last_eight_collections_make_a_habit_however_many_a_week_brings() {
    on_both_engines!(db => {
        // Seven weeks since messages began, one collection each: nobody has eight but the homes below.
        let (mut tx, trial) = trial_through(&db, 16, 13, &World { seed: 2, plan_effect: 0.0 }).await;
        let drawn = trial::segments(&mut tx, &trial.id).await.unwrap().into_iter().find(|segment| segment.arm.is_some()).unwrap();
        let place = drawn.municipality_id;
        let homes: Vec<(HouseholdId,)> = all!(tx, "SELECT DISTINCT household_id FROM home_week WHERE municipality_id = $1 AND segment_id = $2 ORDER BY household_id", place, drawn.segment_id).unwrap();
        let habit = async |tx: &mut Tx| {
            let data = load(tx, &trial, trial.protocol.week(13)).await.unwrap();
            let found = describe::habit(&data, true).arms.into_iter().find(|arm| Some(&arm.arm) == drawn.arm.as_ref()).unwrap();
            (found.homes, found.habitual)
        };
        assert_eq!(habit(&mut tx).await, (0, 0));
        let mut ops = 910;
        // Days of the first week from Monday on, then collections and compliances of the weeks after it.
        for (at, (days, later, expected)) in [
            (&[1][..], &[(1, 1), (1, 1), (1, 0), (1, 1), (1, 1), (1, 0)][..], (0, 0)),
            (&[1], &[(1, 1), (1, 1), (1, 0), (1, 1), (1, 1), (2, 1)], (1, 1)),
            (&[1], &[(1, 1), (1, 1), (1, 0), (1, 1), (1, 0), (2, 1)], (2, 1)),
            // Three a week: of the first week the last two days are among the eight.
            (&[0, 0, 1], &[(3, 3), (3, 2)], (3, 2)),
            (&[1, 0, 0], &[(3, 3), (3, 2)], (4, 2)),
            (&[1, 1, 1], &[(3, 0), (3, 3), (3, 3)], (5, 3)),
        ].into_iter().enumerate() {
            let home = homes[at].0;
            run!(tx, "DELETE FROM home_week WHERE municipality_id = $1 AND household_id = $2 AND iso_week >= $3", place, home, trial.protocol.week(7)).unwrap();
            let first = (days.len() as i32, days.iter().sum::<i32>());
            for (week, (observed, complied)) in (7..).zip([first].into_iter().chain(later.iter().copied())) {
                run!(tx, "INSERT INTO home_week (municipality_id, iso_week, household_id, segment_id, neighbourhood_id, observed, set_out, complied, contaminated) VALUES ($1, $2, $3, $4, $5, $6, $6, $7, 0)",
                    place, trial.protocol.week(week), home, drawn.segment_id, id(1), observed, complied).unwrap();
            }
            for (n, complied) in days.iter().enumerate() {
                let day = trial.protocol.week(7).monday() + chrono::Duration::days(2 * n as i64);
                ops += 1;
                run!(tx, "INSERT INTO round (municipality_id, round_id, route_id, operator_id, service_day, stream, window_start, window_end, planned_stops) VALUES ($1, $2, $3, $3, $4, 'mixed', '06:00', '12:00', 0) ON CONFLICT DO NOTHING",
                    place, id(700 + n), id(1), day).unwrap();
                run!(tx, "INSERT INTO observation (municipality_id, op_id, kind, round_id, household_id, segment_id, neighbourhood_id, service_day, iso_week, device_id, observed_at, corrected_at, received_at, set_out, complied, counted, content_hash)
                          VALUES ($1, $2, 'observation', $3, $4, $5, $6, $7, $8, $6, $9, $9, $9, 'yes', $10, $11, 'h')",
                    place, id(ops), id(700 + n), home, drawn.segment_id, id(1), day, trial.protocol.week(7), noon(&trial, 7), *complied as i16, true).unwrap();
            }
            assert_eq!(habit(&mut tx).await, expected, "home {at}");
        }
    });
}

#[tokio::test]
async fn a_home_keeps_the_arm_of_the_draw_and_one_that_comes_counts_from_then_on() {
    on_both_engines!(db => {
        let (mut tx, trial) = trial_through(&db, 16, 12, &World { seed: 2, plan_effect: 0.0 }).await;
        let (town, week) = (MunicipalityId(PLACES[0].0), |number: i64| trial.protocol.week(number));
        let (here, there, edge) = (SegmentId(id(100)), SegmentId(id(101)), SegmentId(id(99)));
        let before = load(&mut tx, &trial, week(12)).await.unwrap();
        // A home of the draw moves in week 8; in week 10 something else about it is other.
        let mover = HouseholdId(id(10_000));
        rehome(&mut tx, town, mover, week(8).monday(), |home| home.segment_id = Some(there)).await;
        rehome(&mut tx, town, mover, week(10).monday(), |home| home.hint = Some("portón".into())).await;
        run!(tx, "UPDATE home_week SET segment_id = $3 WHERE municipality_id = $1 AND household_id = $2 AND iso_week >= $4", town, mover, there, week(8)).unwrap();
        let count = async |tx: &mut Tx| {
            run!(
                tx,
                "UPDATE segment_week SET
                   observed = (SELECT SUM(h.observed) FROM home_week h WHERE h.municipality_id = $1 AND h.segment_id = segment_week.segment_id AND h.iso_week = segment_week.iso_week),
                   set_out = (SELECT SUM(h.set_out) FROM home_week h WHERE h.municipality_id = $1 AND h.segment_id = segment_week.segment_id AND h.iso_week = segment_week.iso_week),
                   complied = (SELECT SUM(h.complied) FROM home_week h WHERE h.municipality_id = $1 AND h.segment_id = segment_week.segment_id AND h.iso_week = segment_week.iso_week)
                 WHERE municipality_id = $1",
                town
            )
            .unwrap();
            vecino::observation::round::make(tx, town, week(1).monday(), week(12).sunday()).await.unwrap();
        };
        count(&mut tx).await;
        let moved = load(&mut tx, &trial, week(12)).await.unwrap();
        assert_eq!(moved.tallies, before.tallies);
        assert_eq!(format!("{:?}", moved.homes), format!("{:?}", before.homes));
        // A home that was collected from on a segment nobody drew comes to a drawn one in week 9.
        let comer = HouseholdId(id(9_999));
        let ground = Ground::since(town, NaiveDate::from_ymd_opt(2020, 1, 1).unwrap());
        ground.segment(&mut tx, edge, "S999", RouteId(id(1)), NeighbourhoodId(id(1))).await;
        ground.homes(&mut tx, &[(comer, "comer".into(), Some(edge))]).await;
        rehome(&mut tx, town, comer, week(9).monday(), |home| home.segment_id = Some(here)).await;
        let seen: Vec<i64> = (1..=12).collect();
        bulk!(
            tx,
            "INSERT INTO home_week (municipality_id, iso_week, household_id, segment_id, neighbourhood_id, observed, set_out, complied, contaminated)",
            seen,
            |number| [town, week(*number), comer, if *number < 9 { edge } else { here }, id(1), 1, 1, 1, 0],
            ""
        )
        .unwrap();
        count(&mut tx).await;
        let came = load(&mut tx, &trial, week(12)).await.unwrap();
        let observed = |data: &Data, number: i64| data.tallies.iter().filter(|tally| tally.week == number).map(|tally| tally.observed).sum::<f64>();
        for number in 1..=12 {
            assert_eq!(observed(&came, number) - observed(&moved, number), f64::from(number >= 9), "week {number}");
        }
        assert!(came.homes.iter().any(|home| home.weeks == [(9, 1, 1), (10, 1, 1), (11, 1, 1), (12, 1, 1)]), "{:?}", came.homes);
    });
}

#[tokio::test]
async fn data_that_cannot_answer_give_nulls_with_reasons() {
    on_both_engines!(db => {
        // Nobody ever complies, an arm loses all its segments' data, one segment never reports.
        let (mut tx, trial) = trial_through(&db, 8, 18, &World { seed: 3, plan_effect: 0.0 }).await;
        run!(tx, "UPDATE segment_week SET complied = 0").unwrap();
        run!(tx, "UPDATE home_week SET complied = 0").unwrap();
        run!(tx, "DELETE FROM segment_week WHERE segment_id IN (SELECT segment_id FROM trial_segment WHERE arm = 'plan')").unwrap();
        refresh(&mut tx, &trial, noon(&trial, 20)).await.unwrap();
        let report = stored(&mut tx, &trial.id, Some(1)).await.unwrap().unwrap().report;
        assert!(report.primary.iter().chain(&report.secondary).chain(&report.ancova).all(|c| c.estimate.is_none() && c.p_wild.is_none()));
        assert!(report.warnings.iter().any(|w| w.code == "not-computed" && w.text.contains("does not vary")), "{:?}", report.warnings);
        assert!(report.warnings.iter().any(|w| w.code == "silent-segments"));
        let text = serde_json::to_string(&report).unwrap();
        assert!(!text.contains("NaN") && !text.contains("inf"));
    });
}

#[tokio::test]
async fn before_the_first_publication_the_report_is_empty_and_honest() {
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        ground(&mut tx, 4).await;
        let trial = trial::freeze(&mut tx, &text(), "test", at_local(NaiveDate::from_ymd_opt(2026, 7, 2).unwrap(), 9, 0)).await.unwrap();
        refresh(&mut tx, &trial, noon(&trial, 1)).await.unwrap();
        let report = stored(&mut tx, &trial.id, None).await.unwrap().unwrap().report;
        assert_eq!((report.look, report.data_through, report.path.len()), (None, None, 0));
        assert_eq!(looks::all(&mut tx, &trial.id).await.unwrap().len(), 2);
        assert!(Week::parse("2026-W29").is_ok());
    });
}

struct Shown {
    status: StatusCode,
    page: Option<Arc<Page>>,
    location: Option<String>,
    /// The page's own text: heading, answer and body.
    text: String,
}

/// One request through this module's own routes, signed in as a researcher.
async fn request(app: &App, method: &str, path: &str, language: Language, body: &str) -> Shown {
    let actor = Actor { role: Role::Researcher, name: "investigadora".into(), account: None, municipality: None, operator: None, device: None };
    let reader = Reader { words: Words::new(language), csrf: "c".into() };
    let routes = trial::routes(vecino::analysis::routes(Routes::default()));
    let router = routes.router.layer(axum::Extension(actor)).layer(axum::Extension(reader)).with_state(app.clone());
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(body.to_owned()))
        .unwrap();
    let response = router.oneshot(request).await.unwrap();
    let status = response.status();
    let page = response.extensions().get::<Arc<Page>>().cloned();
    if let Some(error) = response.extensions().get::<Arc<vecino::error::Error>>() {
        return Shown { status: StatusCode::BAD_REQUEST, page: None, location: None, text: error.to_string() };
    }
    let location = response.headers().get("location").map(|l| l.to_str().unwrap().to_owned());
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let mut text = String::from_utf8(bytes.to_vec()).unwrap();
    if let Some(page) = &page {
        text = format!("{}{}{}", page.heading, page.answer.clone().unwrap_or_default().into_string(), page.body.clone().into_string());
    }
    Shown { status, page, location, text }
}

fn app(db: &Db, now: DateTime<Utc>) -> App {
    App { db: db.clone(), clock: Clock::Fixed(now), keys: Keys::from_root([7; 32]), data_dir: Arc::default(), demo: false }
}

#[tokio::test]
async fn the_page_between_looks_says_when_and_shows_no_arm() {
    on_both_engines!(db => {
        let (mut tx, trial) = trial_through(&db, 8, 12, &World { seed: 1, plan_effect: 0.2 }).await;
        refresh(&mut tx, &trial, noon(&trial, 14)).await.unwrap();
        tx.commit().await.unwrap();
        let app = app(&db, noon(&trial, 14));
        let only = request(&app, "GET", "/trial", Language::Es, "").await;
        assert_eq!(only.location.as_deref(), Some("/trial/norma-y-plan-2026"));
        for language in [Language::Es, Language::En] {
            let shown = request(&app, "GET", "/trial/norma-y-plan-2026", language, "").await;
            assert!(shown.text.contains("18/11/2026") && shown.text.contains("46"), "{}", shown.text);
            for arm in ["Recordatorio", "Norma y plan", "norm_plan", "\"reminder\""] {
                assert!(!shown.text.replace(&trial.title, "").contains(arm), "{arm}");
            }
            assert!(!shown.text.contains("analysis-") && !shown.text.contains("NaN"), "{}", shown.text);
        }
        let json = request(&app, "GET", "/trial/norma-y-plan-2026/report.json", Language::Es, "").await;
        assert_eq!(serde_json::from_str::<Value>(&json.text).unwrap()["look"], Value::Null);
        let asked = request(&app, "POST", "/trial/norma-y-plan-2026/look-request", Language::Es, "reason=quejas").await;
        assert_eq!(asked.status, StatusCode::SEE_OTHER);
        let mut tx = db.write().await.unwrap();
        assert_eq!(looks::requests(&mut tx, &trial.id).await.unwrap()[0].asked_by, "investigadora");
    });
}

#[tokio::test]
async fn the_page_at_a_look_tells_both_primaries_and_records_who_opened_it() {
    on_both_engines!(db => {
        let (mut tx, trial) = trial_through(&db, 16, 19, &World { seed: 2, plan_effect: 0.15 }).await;
        refresh(&mut tx, &trial, noon(&trial, 20)).await.unwrap();
        tx.commit().await.unwrap();
        let app = app(&db, noon(&trial, 20));
        let shown = request(&app, "GET", "/trial/norma-y-plan-2026", Language::Es, "").await;
        let answer = shown.page.unwrap().answer.clone().unwrap().into_string();
        assert!(answer.contains("Plan, promedio con y sin norma: el cumplimiento subió"), "{answer}");
        assert!(answer.contains("Norma, promedio con y sin plan: la diferencia fue de") && answer.contains("ni que no"), "{answer}");
        assert!(!shown.text.contains("analysis-") && !shown.text.contains("NaN"), "{}", shown.text);
        let english = request(&app, "GET", "/trial/norma-y-plan-2026?print=1", Language::En, "").await;
        assert!(!english.text.contains("analysis-") && english.text.contains("<details open"));
        let mut tx = db.write().await.unwrap();
        let opened = looks::all(&mut tx, &trial.id).await.unwrap();
        assert_eq!(opened[0].opened_by.as_deref(), Some("investigadora"));
        let (entries,): (i64,) = one!(tx, "SELECT COUNT(*) FROM audit_entry WHERE action = 'look opened'").unwrap();
        assert_eq!(entries, 1);
    });
}

#[test]
fn every_route_of_the_trial_is_granted_and_never_to_crews_or_mayors() {
    for (method, path) in vecino::analysis::routes(Routes::default()).mounted {
        let grant = find(&method.parse().unwrap(), path).unwrap_or_else(|| panic!("{method} {path} has no row"));
        let vecino::account::access::Who::Roles(roles) = grant.who else { panic!("{path} is open") };
        assert!(!roles.contains(&Role::Crew) && !roles.contains(&Role::CrewLead) && !roles.contains(&Role::Mayor));
    }
}

#[tokio::test]
async fn the_command_analyses_the_frozen_protocol_only_and_opens_no_look_before_its_weeks() {
    use vecino::analysis::command::{Command, run, table};
    let folder = tempfile::tempdir().unwrap();
    let keys = Keys::create(folder.path(), [7; 32]).unwrap();
    let options = vecino::app::Options { data_dir: folder.path().to_owned(), database: None, json: true };
    let db = crate::pilot::installed(&options.url(), &keys).await;
    let text = text().replace("2026-W29", "2020-W29");
    let (tx, trial) = trial_of(&db, &text, 8, 18, &World { seed: 4, plan_effect: 0.1 }).await;
    tx.commit().await.unwrap();
    let file = folder.path().join("experiment.toml");
    std::fs::write(&file, &text).unwrap();
    run(Command::Analyse { experiment: file.clone(), look: None }, &options, &|_| true).await.unwrap();
    let mut tx = db.read().await.unwrap();
    let report = stored(&mut tx, &trial.id, Some(1)).await.unwrap().unwrap().report;
    let printed = table(&report);
    assert!(printed.contains("look 1, data through 2020-W46") && printed.contains(&report.protocol_sha256) && printed.contains("norm_and_plan"));
    assert!(looks::all(&mut tx, &trial.id).await.unwrap()[0].opened_at.is_some());
    drop(tx);
    // Look 2's day has long come, but its weeks are not published.
    let closed = run(Command::Analyse { experiment: file.clone(), look: Some(2) }, &options, &|_| true).await.unwrap_err();
    assert_eq!(closed.code, "look-closed");
    std::fs::write(&file, text.replace("harm_points = 0.05", "harm_points = 0.06")).unwrap();
    let changed = run(Command::Analyse { experiment: file, look: None }, &options, &|_| true).await.unwrap_err();
    assert_eq!(changed.code, "protocol-changed");
    assert!(changed.lines[0].contains(&trial.sha256), "{changed}");
}
