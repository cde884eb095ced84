//! Between the looks of a trial nobody reads the rate of one arm off the map: not from an area, a longer period, a revision or a total.

use crate::map::get;
use crate::on_both_engines;
use crate::publication::{FIRST, PLACES, TOWN, id, short_trial, town, wednesday};
use crate::revision::{Echelon, Homes, Life, Reader, happens, homes, late, rewritten, tick};
use crate::sign_in::house;
use axum::http::StatusCode;
use chrono::Duration;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;
use vecino::account::Role;
use vecino::account::access::Routes;
use vecino::account::admission::Transport;
use vecino::account::token::{self, NewToken};
use vecino::clock::Week;
use vecino::db::{Db, Tx};
use vecino::id::{HouseholdId, seeded_random};
use vecino::map::hiding::{Area, ArmsOf, Hidden, blind, hide};
use vecino::map::publication::publish_due;
use vecino::map::subtraction::{Published, Standing, Waiting, judge, released};
use vecino::{all, map, run, web};

/// One week of baseline, messages in the second, looks after the second and the seventh of eight weeks.
fn protocol() -> String {
    short_trial("[3, 8]").replace("data_through = 3", "data_through = 7")
}

/// The last look opens with the publication of the seventh week.
const LAST_LOOK: i64 = 6;

/// The arm of a home: San Miguel and El Cedro are wholly of one, every other place is half of one and half of another.
fn arm(place: usize, home: usize) -> usize {
    match place {
        1 => 1,
        4 => 3,
        _ => (place + usize::from(home * 2 < PLACES[place].2)) % 4,
    }
}

/// Draws the homes into arms by hand: six segments, of which the first four carry an arm each.
async fn draw(tx: &mut Tx) {
    vecino::trial::freeze(tx, &protocol(), "mine.toml", wednesday(0) - Duration::weeks(3)).await.unwrap();
    run!(tx, "UPDATE trial SET assigned_at = $1", wednesday(0) - Duration::days(2)).unwrap();
    for (segment, arm) in ["reminder", "norm", "plan", "norm_plan"].into_iter().enumerate() {
        run!(
            tx,
            "INSERT INTO trial_segment (municipality_id, trial_id, segment_id, homes, baseline_observed, baseline_complied, arm) VALUES ($1, 'corto', $2, 1, 1, 1, $3)",
            TOWN, id(4, segment), arm
        )
        .unwrap();
    }
    for (place, (_, _, count)) in PLACES.into_iter().enumerate() {
        for home in 0..count {
            let (home, segment) = (id(5, place * 1000 + home), id(4, arm(place, home)));
            run!(
                tx,
                "INSERT INTO trial_home (municipality_id, trial_id, household_id, segment_id) VALUES ($1, 'corto', $2, $3)",
                TOWN,
                home,
                segment
            )
            .unwrap();
        }
    }
}

/// Areas a period hides in its latest revision, with why.
async fn hidden(tx: &mut Tx, period: &str) -> BTreeMap<String, String> {
    let cells: Vec<(String, Option<String>)> = all!(
        tx,
        "SELECT c.area, c.why FROM publication_cell c WHERE c.municipality_id = $1 AND c.period = $2 AND c.measure = 'complied' AND c.hidden
           AND c.revision = (SELECT MAX(q.revision) FROM publication q WHERE q.municipality_id = c.municipality_id AND q.period = c.period)",
        TOWN,
        period
    )
    .unwrap();
    cells.into_iter().map(|(area, why)| (area, why.unwrap())).collect()
}

fn few(areas: &[&str]) -> BTreeMap<String, String> {
    areas.iter().map(|area| ((*area).to_owned(), "few_homes".to_owned())).collect()
}

fn with(mut few: BTreeMap<String, String>, areas: &[&str]) -> BTreeMap<String, String> {
    few.extend(areas.iter().map(|area| ((*area).to_owned(), "one_arm".to_owned())));
    few
}

#[tokio::test]
async fn an_area_of_one_arm_is_hidden_until_the_last_look_and_shown_after_it() {
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        town(&mut tx, 8).await;
        draw(&mut tx).await;
        // Cantel has six homes and takes El Cedro, the smallest, with it; in the baseline nothing else is hidden.
        let baseline = few(&["1202-C03", "1202-C05"]);
        for n in 0..LAST_LOOK {
            publish_due(&mut tx, TOWN, wednesday(n)).await.unwrap();
            assert!(tick(&mut tx, n).await.periods.is_empty());
            let expected = if n == 0 { baseline.clone() } else { with(baseline.clone(), &["1202-C02"]) };
            assert_eq!(hidden(&mut tx, &FIRST.plus(n).to_string()).await, expected, "week {n}");
        }
        assert_eq!(hidden(&mut tx, "2026-B08").await, with(baseline.clone(), &["1202-C02"]), "hidden in a week, hidden in the block");
        // What was out before the look stays word for word, and is shown by the next revision.
        let cells = async |tx: &mut Tx| -> Vec<(String, String, Option<i32>, bool)> {
            all!(tx, "SELECT period, area, n, hidden FROM publication_cell WHERE revision = 1 AND period <> '2026-W35' ORDER BY period, measure, area").unwrap()
        };
        let before = cells(&mut tx).await;
        publish_due(&mut tx, TOWN, wednesday(LAST_LOOK)).await.unwrap();
        let opened = tick(&mut tx, LAST_LOOK).await;
        assert!(["2026-W30", "2026-W34", "2026-B08", "trial:corto/messages"].iter().all(|period| opened.periods.contains(&(*period).to_owned())), "{opened:?}");
        assert!(!opened.periods.contains(&"2026-W29".to_owned()) && opened.waiting.is_empty(), "{opened:?}");
        for period in ["2026-W30", "2026-W34", "2026-W35", "2026-B08", "trial:corto/messages"] {
            assert_eq!(hidden(&mut tx, period).await, baseline, "{period}");
        }
        assert_eq!(cells(&mut tx).await, before);
        assert!(tick(&mut tx, LAST_LOOK).await.periods.is_empty(), "once");
    });
}

#[tokio::test]
async fn a_trial_that_is_not_drawn_hides_nothing() {
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        town(&mut tx, 3).await;
        draw(&mut tx).await;
        run!(tx, "UPDATE trial SET assigned_at = NULL").unwrap();
        publish_due(&mut tx, TOWN, wednesday(1)).await.unwrap();
        assert_eq!(hidden(&mut tx, "2026-W30").await, few(&["1202-C03", "1202-C05"]));
        // Drawn late: what is out stays out, what comes is hidden.
        run!(tx, "UPDATE trial SET assigned_at = $1", wednesday(1)).unwrap();
        publish_due(&mut tx, TOWN, wednesday(2)).await.unwrap();
        assert_eq!(hidden(&mut tx, "2026-W30").await, few(&["1202-C03", "1202-C05"]));
        assert_eq!(hidden(&mut tx, "2026-W31").await, with(few(&["1202-C03", "1202-C05"]), &["1202-C02"]));
    });
}

#[tokio::test]
async fn pages_picture_and_files_say_why_and_until_when() {
    on_both_engines!(db => {
        let app = house(db, wednesday(4) + Duration::hours(4)).await;
        let mut tx = app.db.write().await.unwrap();
        town(&mut tx, 5).await;
        draw(&mut tx).await;
        vecino::map::publication::publish_history(&mut tx, TOWN, app.clock.now()).await.unwrap();
        let new = NewToken { role: Role::Mayor, municipality: Some(TOWN), operator: None, device: None, name: "mayor".into(), expires_at: None };
        token::create(&mut tx, app.clock.now(), "mayor".to_owned(), new).await.unwrap();
        tx.commit().await.unwrap();
        let router = web::app_with(app, map::routes(Routes::default()), Transport::default());
        let week = "period=2026-W31";
        for (path, words) in [
            (format!("/map/1202?{week}"), "Oculto hasta el 02/09/2026: su cifra, o la de otro lugar por resta, diría antes de tiempo cómo le va a un solo grupo del estudio"),
            (format!("/map/1202?{week}"), "Oculto para no señalar a nadie"),
            (format!("/map/1202?{week}"), "Mientras dura un estudio"),
            (format!("/map/1202/1202-C02?{week}"), "Las cifras de San Miguel se muestran desde el 02/09/2026"),
            (format!("/map/1202.svg?{week}"), "San Miguel: oculto hasta el 02/09/2026, por el estudio en marcha"),
        ] {
            let page = get(&router, "mayor", &path, "text/html").await;
            assert!(page.status == StatusCode::OK && page.body.contains(words), "{words} in {path}: {}", page.body);
        }
        let baseline = get(&router, "mayor", "/map/1202?period=2026-W29", "text/html").await;
        assert!(!baseline.body.contains("estudio"), "{}", baseline.body);
        let api = get(&router, "mayor", &format!("/api/v1/compliance?municipality=1202&{week}"), "application/geo+json").await;
        let api: Value = serde_json::from_str(&api.body).unwrap();
        let told = |n: usize, key: &str| api["features"][n]["properties"][key].clone();
        assert_eq!((told(1, "hidden"), told(1, "n"), told(1, "rate")), (true.into(), Value::Null, Value::Null));
        assert_eq!((told(1, "why"), told(1, "until")), ("one_arm".into(), "2026-09-02".into()));
        assert_eq!((told(2, "why"), told(2, "until")), ("few_homes".into(), Value::Null));
        assert_eq!((told(0, "why"), told(0, "until"), told(0, "hidden")), (Value::Null, Value::Null, false.into()));
        let csv = get(&router, "mayor", &format!("/api/v1/compliance?municipality=1202&{week}"), "text/csv").await;
        assert!(csv.body.lines().next().unwrap().ends_with("hidden,why,until"), "{}", csv.body);
        assert!(csv.body.contains("1202-C02,San Miguel,complied,2026-W31,1,,,,,,,,,,true,one_arm,2026-09-02"), "{}", csv.body);
    });
}

#[tokio::test]
async fn a_late_phone_of_one_arm_waits_until_another_arms_homes_change_too() {
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        town(&mut tx, 3).await;
        draw(&mut tx).await;
        publish_due(&mut tx, TOWN, wednesday(2)).await.unwrap();
        let week = FIRST.plus(1);
        // The first twelve homes of La Parroquia are of one arm, the last twelve of another.
        for home in 0..12 {
            late(&mut tx, week, 0, home, home % 3 > 0, home % 6 == 1).await;
        }
        let waits = tick(&mut tx, 2).await;
        assert!(waits.periods.is_empty() && waits.waiting["2026-W30"].iter().eq(&["one_arm"]), "{waits:?}");
        for home in 28..40 {
            late(&mut tx, week, 0, home, home % 3 > 0, home % 6 == 1).await;
        }
        let taken = tick(&mut tx, 2).await;
        assert!(taken.periods.contains(&"2026-W30".to_owned()) && taken.waiting.is_empty(), "{taken:?}");
        // In the baseline arms do not differ: nothing waits for them.
        for home in 0..12 {
            late(&mut tx, FIRST, 0, home, home % 3 > 0, home % 6 == 1).await;
        }
        assert!(tick(&mut tx, 2).await.periods.contains(&"2026-W29".to_owned()));
        // What still waits at the last look comes with it.
        for home in 0..12 {
            late(&mut tx, FIRST.plus(2), 0, home, home % 3 > 0, home % 6 == 1).await;
        }
        assert!(tick(&mut tx, 2).await.waiting["2026-W31"].contains("one_arm"));
        let opened = tick(&mut tx, LAST_LOOK).await;
        assert!(opened.periods.contains(&"2026-W31".to_owned()) && opened.waiting.is_empty(), "{opened:?}");
    });
}

// ---- What a reader of everything could subtract, by arm -----------------------------------------------------------------------------------

/// An arm whose homes alone a combination of published sums of a week tells of: then those of the others span less than both do.
fn tells_one_arm(columns: &[Homes]) -> Option<usize> {
    let row = |home: &Uuid, i: usize| -> Vec<u64> { columns.iter().map(|homes| homes.get(home).map_or(0, |sums| sums[i] as u64)).collect() };
    let all: BTreeSet<Uuid> = columns.iter().flat_map(|homes| homes.keys().copied()).collect();
    let arm_of = |home: &Uuid| {
        let n = (home.as_u128() & 0xffff_ffff) as usize;
        arm(n / 1000, n % 1000)
    };
    let spanned = |of: &dyn Fn(usize) -> bool| {
        let mut span = Echelon::default();
        all.iter().filter(|home| of(arm_of(home))).for_each(|home| (0..3).for_each(|i| span.add(row(home, i))));
        span.rows.len()
    };
    (0..4).find(|arm| spanned(&|own| own != *arm) < spanned(&|_| true))
}

fn reads_one_arm(reader: &Reader, weeks: impl Iterator<Item = Week>) -> Option<(Week, usize)> {
    for week in weeks {
        // Longer periods tell what weeks told: the other reader holds them to it.
        let own = reader.sums.iter().filter(|sum| sum.weeks == (week, week));
        let columns: Vec<Homes> = own.map(|sum| homes(&sum.cells)).collect();
        if let Some(arm) = tells_one_arm(&columns) {
            return Some((week, arm));
        }
    }
    None
}

#[test]
fn the_solver_finds_an_area_and_a_revision_of_one_arm() {
    let some = |place: usize, from: usize, to: usize| -> Homes { (from..to).map(|n| (id(5, place * 1000 + n), [2, 1, (n % 2) as i64])).collect() };
    assert_eq!(tells_one_arm(&[some(0, 0, 40)]), None);
    assert_eq!(tells_one_arm(&[some(0, 0, 40), some(1, 0, 30)]), Some(1));
    assert_eq!(tells_one_arm(&[some(0, 0, 40), some(0, 12, 40)]), Some(1), "twelve of one arm came late");
    assert_eq!(tells_one_arm(&[some(0, 0, 40), some(0, 12, 28)]), None);
}

/// Eight weeks on their day, with what an office does, and what a reader makes of all of it before and after the last look.
async fn live(db: &Db, seed: u64) -> (usize, usize) {
    let mut life = Life { random: Box::new(seeded_random(seed, "arms")) };
    let mut tx = db.write().await.unwrap();
    town(&mut tx, 8).await;
    draw(&mut tx).await;
    let mut reader = Reader::default();
    let (mut revised, mut waited) = (0, 0);
    for n in 0..8 {
        publish_due(&mut tx, TOWN, wednesday(n)).await.unwrap();
        reader.read(&mut tx).await;
        if n == LAST_LOOK {
            assert!(tick(&mut tx, n).await.periods.len() >= 5, "seed {seed}");
            reader.read(&mut tx).await;
        }
        for _ in 0..life.any(4) {
            for _ in 0..1 + life.any(3) {
                happens(&mut tx, &mut life, n as usize + 1).await;
            }
            for later in 0..8 {
                rewritten(&mut tx, FIRST.plus(later)).await;
            }
            let done = tick(&mut tx, n).await;
            revised += done.periods.len();
            waited += done.waiting.values().filter(|why| why.contains("one_arm")).count();
            reader.read(&mut tx).await;
        }
        if n < LAST_LOOK {
            assert_eq!(reads_one_arm(&reader, (1..=n).map(|later| FIRST.plus(later))), None, "seed {seed}, week {n}");
        }
    }
    assert_eq!(reader.reads_few(), None, "seed {seed}");
    (revised, waited)
}

#[tokio::test]
async fn no_reader_of_all_revisions_subtracts_his_way_to_one_arm_between_looks() {
    let (mut revised, mut waited) = (0, 0);
    for seed in 0..16 {
        let db = crate::pilot::open("sqlite::memory:").await;
        db.migrate().await.unwrap();
        let (again, waits) = live(&db, seed).await;
        (revised, waited) = (revised + again, waited + waits);
    }
    assert!(revised > 100 && waited > 10, "{revised} revisions, {waited} waits: the office did too little to show anything");
    for db in crate::pilot::engines().await.iter().skip(1) {
        live(db, 3).await;
    }
}

// ---- The rules on paper -------------------------------------------------------------------------------------------------------------------

fn area(code: &str, homes: i64) -> Area<'_> {
    Area { code, homes, n: homes * 2, y: [homes, homes + 1], ..Area::default() }
}

fn arms(of: &[(&str, &[(usize, i64)])]) -> Vec<ArmsOf> {
    vec![of.iter().map(|(area, arms)| ((*area).to_owned(), arms.iter().copied().collect())).collect()]
}

fn judged(areas: &[Area<'_>], arms: &[ArmsOf]) -> Hidden {
    let total =
        areas.iter().fold(Area::default(), |s, a| Area { homes: s.homes + a.homes, n: s.n + a.n, y: [s.y[0] + a.y[0], s.y[1] + a.y[1]], ..s });
    blind(&hide(areas, &total, &[]), areas, &total, &[], arms)
}

#[test]
fn what_is_hidden_together_has_several_arms_too() {
    let areas = [area("a", 40), area("b", 30), area("c", 20), area("d", 50)];
    let mixed: &[(usize, i64)] = &[(0, 10), (1, 10)];
    let hidden = |of: &[(&str, &[(usize, i64)])]| judged(&areas, &arms(of)).areas;
    assert_eq!(hidden(&[("a", mixed), ("b", mixed), ("c", mixed), ("d", mixed)]), [false; 4]);
    // One of one arm: alone it would be the total less the others. The smallest that brings another arm goes with it.
    assert_eq!(hidden(&[("a", mixed), ("b", &[(0, 30)]), ("d", mixed)]), [true, true, false, false], "c has no arm at all");
    // Two of one arm need a third place, two of two arms none.
    assert_eq!(hidden(&[("a", mixed), ("b", &[(0, 30)]), ("c", &[(0, 20)]), ("d", mixed)]), [true, true, true, false]);
    assert_eq!(hidden(&[("a", mixed), ("b", &[(0, 30)]), ("c", &[(1, 20)]), ("d", mixed)]), [false, true, true, false]);
    // Nine homes of another arm hide nothing: so many a reader may know.
    assert_eq!(hidden(&[("a", mixed), ("b", &[(0, 21), (1, 9)]), ("c", &[(1, 20)]), ("d", mixed)]), [false, true, true, false]);
    // A town of one arm shows nothing, nor its total; a place outside the trial is no matter of it.
    let all = judged(&areas, &arms(&[("a", &[(0, 40)]), ("b", &[(0, 30)]), ("d", &[(0, 50)])]));
    assert_eq!(all, Hidden { areas: vec![true, true, false, true], total: true });
    // Two trials at once: each by itself.
    let two = [arms(&[("a", mixed), ("b", mixed)]), arms(&[("b", &[(0, 4)]), ("c", mixed), ("d", mixed)])].concat();
    assert_eq!(judged(&areas, &two).areas, [false, true, true, false]);
}

fn usual(n: usize) -> [i64; 3] {
    if n.is_multiple_of(3) { [2, 2, 2] } else { [2, 1, (n % 2) as i64] }
}

fn one_state(area: &str, homes: std::ops::Range<usize>) -> Vec<Published> {
    homes.map(|n| Published { home: HouseholdId(Uuid::from_u128(n as u128)), area: area.into(), from: 1, to: None, sums: usual(n) }).collect()
}

fn set(areas: &[&str]) -> BTreeSet<String> {
    areas.iter().map(|area| (*area).to_owned()).collect()
}

#[test]
fn after_the_last_look_all_is_shown_but_what_would_tell_of_few() {
    let past: Vec<Published> = [one_state("a", 0..40), one_state("b", 100..130), one_state("c", 200..220), one_state("d", 300..306)].concat();
    let mut standing: BTreeMap<String, Standing> = BTreeMap::from([("a".to_owned(), Standing::Shown(1))]);
    standing.extend(["b", "c"].map(|area| (area.to_owned(), Standing::Hidden)));
    let without_d: Vec<Published> = past.iter().filter(|row| row.area != "d").cloned().collect();
    assert_eq!(released(&standing, true, &without_d, &set(&["b", "c"])), set(&["b", "c"]));
    // d has six homes and needs company: of the two the smaller stays.
    standing.insert("d".into(), Standing::Hidden);
    assert_eq!(released(&standing, true, &past, &set(&["b", "c"])), set(&["b"]));
    assert_eq!(released(&standing, true, &past, &set(&["c"])), set(&["c"]), "b keeps d company");
    // Six homes of b and six of c went together in a second revision: that they were twelve is all that is told.
    let mut later = past.clone();
    later.iter_mut().filter(|row| [100, 200].iter().any(|first| (0..6).any(|n| row.home.0.as_u128() == first + n))).for_each(|row| row.to = Some(1));
    assert_eq!(released(&standing, true, &later, &set(&["b", "c"])), set(&["b"]));
}

#[test]
fn a_change_of_one_arm_is_refused_whatever_it_is_made_of() {
    let past: Vec<Published> = [one_state("a", 0..60), one_state("b", 100..160)].concat();
    let standing: BTreeMap<String, Standing> = ["a", "b"].map(|area| (area.to_owned(), Standing::Shown(1))).into();
    // Thirty homes of each arm in each place.
    let arms: BTreeMap<HouseholdId, usize> = past.iter().map(|row| (row.home, usize::from(row.home.0.as_u128() % 100 >= 30))).collect();
    let whole: BTreeMap<(HouseholdId, String), [i64; 3]> = past.iter().map(|row| ((row.home, row.area.clone()), row.sums)).collect();
    let changed = |which: &dyn Fn(u128) -> bool| {
        let mut now = whole.clone();
        for ((home, _), sums) in now.iter_mut().filter(|((home, _), _)| which(home.0.as_u128())) {
            let n = home.0.as_u128() as i64;
            sums.iter_mut().zip([2, 1, n % 2]).for_each(|(sum, more)| *sum += more);
        }
        let verdict = judge(&standing, true, &past, &now, std::slice::from_ref(&arms));
        (verdict.taken, verdict.waiting)
    };
    assert_eq!(changed(&|n| n < 12), (set(&[]), BTreeSet::from([Waiting::OneArm])));
    assert_eq!(changed(&|n| n < 12 || (40..52).contains(&n)), (set(&["a"]), BTreeSet::new()));
    assert_eq!(changed(&|n| n < 12 || (40..45).contains(&n)), (set(&[]), BTreeSet::from([Waiting::OneArm])), "five of the other arm hide nothing");
    assert_eq!(changed(&|n| n < 12 || (140..152).contains(&n)), (set(&[]), BTreeSet::from([Waiting::OneArm])), "another place is another sum");
    // A place that nobody was seen in before is not shown when all of it is of one arm.
    let mut now = whole.clone();
    now.extend((200..220).map(|n| ((HouseholdId(Uuid::from_u128(n as u128)), "c".to_owned()), usual(n))));
    let mut arms = arms.clone();
    arms.extend((200..220).map(|n| (HouseholdId(Uuid::from_u128(n)), 1)));
    let verdict = judge(&standing, false, &past, &now, &[arms]);
    assert_eq!((verdict.newly_shown, verdict.newly_blind), (set(&[]), set(&["c"])));
}

#[test]
fn a_total_is_hidden_for_few_homes_or_for_a_week_it_holds_without_any_trial_now() {
    let area = |homes: i64| Area { code: "a", homes, n: homes * 2, y: [homes, homes + 1], ..Area::default() };
    let hidden = |homes: i64, told: bool| {
        let (areas, total) = ([area(homes)], Area { blind: told, ..area(homes) });
        blind(&hide(&areas, &total, &[]), &areas, &total, &[], &[]).total
    };
    assert_eq!([hidden(40, false), hidden(4, false), hidden(40, true)], [false, true, true]);
}
