//! What was, stays: changes that take effect today or later leave everything that rests on the weeks before as it is without them.

use crate::street::{self, Street, TOWN};
use chrono::{DateTime, Days, Duration, NaiveDate, Utc};
use proptest::prelude::*;
use serde_json::{Value, json};
use vecino::account::Actor;
use vecino::all;
use vecino::clock::{Week, at_local};
use vecino::db::{Db, Tx};
use vecino::id::{Mint, derived};
use vecino::map::publication::publish_due;
use vecino::norm::record::{Windows, compute, places, seen};
use vecino::observation::receive::receive;
use vecino::observation::restate::facts_changed;
use vecino::observation::{round, tally, verify};
use vecino::sheet::Written;
use vecino::territory::change::Changed;
use vecino::territory::export::{self, Format};
use vecino::territory::import::{self, Kind, Request};
use vecino::trial::protocol::{DEFAULT, Protocol};

/// A Wednesday: part of the week is over and part of it is still to come.
fn today() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, 25).unwrap()
}

fn now() -> DateTime<Utc> {
    at_local(today(), 12, 0)
}

const HOMES: usize = 12;
const WEEKS: i64 = 3;

/// What an office does on this day; the numbers choose home, segment, route and day.
#[derive(Debug, Clone)]
enum Act {
    Close(usize),
    Move(usize, usize),
    Reposition(usize),
    Enrol(usize),
    Reroute(usize, usize),
    Redistrict(usize),
    Reschedule(usize),
    HandOver(usize),
    RenameOperator,
    RenameNeighbourhood,
    EndRoute(usize),
}

/// What a phone sends late: an observation, its replay, a correction of one that was sent.
#[derive(Debug, Clone)]
enum Late {
    See { home: usize, back: u64, outcome: u8 },
    Replay(usize),
    Correct { of: usize, outcome: u8 },
}

#[derive(Debug, Clone)]
enum Step {
    Office(Act, bool),
    Phone(Late),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (0..HOMES).prop_map(Act::Close),
        (0..HOMES, 0..4usize).prop_map(|(home, segment)| Act::Move(home, segment)),
        (0..HOMES).prop_map(Act::Reposition),
        (0..4usize).prop_map(Act::Enrol),
        (0..4usize, 0..2usize).prop_map(|(segment, route)| Act::Reroute(segment, route)),
        (0..4usize).prop_map(Act::Redistrict),
        (0..2usize).prop_map(Act::Reschedule),
        (0..2usize).prop_map(Act::HandOver),
        Just(Act::RenameOperator),
        Just(Act::RenameNeighbourhood),
        (0..2usize).prop_map(Act::EndRoute),
    ]
}

fn late() -> impl Strategy<Value = Late> {
    prop_oneof![
        3 => (0..HOMES, 1..15u64, 0..5u8).prop_map(|(home, back, outcome)| Late::See { home, back, outcome }),
        1 => (0..40usize).prop_map(Late::Replay),
        1 => (0..40usize, 0..5u8).prop_map(|(of, outcome)| Late::Correct { of, outcome }),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(
        prop_oneof![(act(), any::<bool>()).prop_map(|(act, later)| Step::Office(act, later)), late().prop_map(Step::Phone)],
        4..24,
    )
}

fn outcome(which: u8) -> Value {
    match which {
        0 => json!({"set_out": "no"}),
        1 => json!({"set_out": "yes", "separated": "partly"}),
        2 => json!({"set_out": "yes", "separated": "yes", "contamination": ["plastic"]}),
        3 => json!({"set_out": "unknown"}),
        _ => json!({"set_out": "yes", "separated": "yes"}),
    }
}

fn file(act: &Act, day: NaiveDate) -> (Kind, String) {
    let route = |n: &usize| format!("R{}", n + 1);
    match act {
        Act::Close(home) => (Kind::Households, format!("code,service_status,valid_from\n{},not_subscribed,{day}\n", street::home_code(*home))),
        Act::Move(home, segment) => (Kind::Households, format!("code,segment,valid_from\n{},S{segment},{day}\n", street::home_code(*home))),
        Act::Reposition(home) => {
            (Kind::Households, format!("code,lon,lat,hint,valid_from\n{},-91.71,14.91,Otra puerta,{day}\n", street::home_code(*home)))
        }
        Act::Enrol(segment) => (Kind::Households, format!("code,segment,lon,lat,valid_from\nNUEVA-{segment},S{segment},-91.7,14.9,{day}\n")),
        Act::Reroute(segment, to) => (Kind::Segments, format!("code,route,valid_from\nS{segment},{},{day}\n", route(to))),
        Act::Redistrict(segment) => (Kind::Segments, format!("code,neighbourhood,valid_from\nS{segment},M,{day}\n")),
        Act::Reschedule(n) => (Kind::Routes, format!("code,weekdays,stream,valid_from\n{},\"tue,sat\",residual,{day}\n", route(n))),
        Act::HandOver(n) => (Kind::Routes, format!("code,operator,valid_from\n{},nuevo,{day}\n", route(n))),
        Act::RenameOperator => (Kind::Routes, format!("code,operator,operator_name,valid_from\nR1,muni,Otro nombre,{day}\n")),
        Act::RenameNeighbourhood => (Kind::Neighbourhoods, format!("code,name,valid_from\nN,Otro nombre,{day}\n")),
        Act::EndRoute(n) => (Kind::Routes, format!("code,valid_to\n{},{}\n", route(n), day + Days::new(2))),
    }
}

/// Brings a file in as the command does; false where the state refuses it (a segment of an ended route), which changes nothing.
async fn office(db: &Db, act: &Act, day: NaiveDate) -> bool {
    let (kind, text) = file(act, day);
    let mut tx = db.write().await.unwrap();
    let request = Request {
        kind,
        file: "oficina.csv",
        bytes: text.as_bytes(),
        municipality: Some(TOWN),
        repair: false,
        now: now(),
        from: today(),
        reason: None,
        actor: "test",
        written: &Written::default(),
    };
    let Ok(outcome) = import::file(&mut tx, &mut Mint::system(), &request).await else { return false };
    for (municipality, since) in &outcome.since {
        let changed = Changed { municipality: *municipality, since: *since, reason: None, now: now(), today: today(), what: "oficina.csv" };
        facts_changed(&mut tx, changed).await.unwrap();
    }
    tx.commit().await.unwrap();
    true
}

/// The sent operations, so that replays and corrections can name them.
#[derive(Default)]
struct Phone {
    sent: Vec<Value>,
    made: u64,
}

impl Phone {
    /// The same operation whatever else happens: identities follow from its number.
    fn op(&mut self, more: Value) -> Value {
        self.made += 1;
        let id: uuid::Uuid = derived("law", &[&self.made.to_be_bytes()], DateTime::UNIX_EPOCH);
        let mut op = json!({"op": id});
        op.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        op
    }

    async fn send(&mut self, db: &Db, street: &Street, late: &Late) {
        let op = match late {
            Late::See { home, back, outcome: which } => {
                let day = today() - Days::new(*back);
                let route = if home % 2 == 0 { &street.routes[0] } else { &street.routes[1] };
                let round = round::identity(TOWN, *route, day);
                let mut op = self.op(json!({"kind": "observation", "round": round, "household": street::home_code(*home), "observed_at": format!("{day}T07:{:02}:00-06:00", self.made % 60)}));
                op.as_object_mut().unwrap().extend(outcome(*which).as_object().unwrap().clone());
                op
            }
            Late::Replay(at) => match self.sent.get(*at) {
                Some(op) => op.clone(),
                None => return,
            },
            Late::Correct { of, outcome: which } => {
                let Some(target) = self.sent.get(*of).cloned() else { return };
                let mut op = self.op(json!({"kind": "correction", "of": target["op"], "observed_at": now().to_rfc3339()}));
                op.as_object_mut().unwrap().extend(outcome(*which).as_object().unwrap().clone());
                op
            }
        };
        let body = json!({"sent_at": now().to_rfc3339(), "ops": [op]}).to_string();
        receive(db, now(), &municipal(street), body.as_bytes()).await.unwrap();
        self.sent.push(op);
    }
}

/// A phone of the municipality's own, which may record on every round.
fn municipal(street: &Street) -> Actor {
    Actor { operator: None, ..street.phones[0].clone() }
}

/// A street with a second neighbourhood, homes on both routes, and three weeks of what crews saw.
async fn town(db: &Db) -> (Street, Phone) {
    let mut street = street::lay(db, today(), HOMES, 3, "organic").await;
    let mut tx = db.write().await.unwrap();
    let square = json!({"type": "Polygon", "coordinates": [[[-91.8, 14.8], [-91.6, 14.8], [-91.6, 15.0], [-91.8, 15.0], [-91.8, 14.8]]]});
    let long_ago = crate::ground::Ground::since(TOWN, today() - Days::new(300));
    long_ago.neighbourhood(&mut tx, derived("law", &[b"M"], DateTime::UNIX_EPOCH), "M", "M", square).await;
    let first = Week::of(today()).plus(-WEEKS).monday();
    round::make(&mut tx, TOWN, first, today() + Days::new(1)).await.unwrap();
    tx.commit().await.unwrap();
    street.routes.truncate(2);
    let mut phone = Phone::default();
    for back in (1..15).rev() {
        for home in 0..HOMES {
            if !(home + back as usize).is_multiple_of(4) {
                phone.send(db, &street, &Late::See { home, back, outcome: ((home as u64 * 7 + back * 3) % 5) as u8 }).await;
            }
        }
    }
    (street, phone)
}

/// Everything that rests on the weeks before, as text.
async fn past(tx: &mut Tx) -> Vec<String> {
    let this_week = Week::of(today());
    let mut texts = Vec::new();
    macro_rules! rows {
        ($row:ty, $sql:literal $(, $argument:expr)*) => {{
            let rows: Vec<$row> = all!(tx, $sql $(, $argument)*).unwrap();
            texts.push(format!("{}\n{rows:#?}", $sql));
        }};
    }
    use uuid::Uuid;
    rows!(
        (Week, Uuid, Uuid, Uuid, i32, i32, i32, i32),
        "SELECT iso_week, household_id, segment_id, neighbourhood_id, observed, set_out, complied, contaminated FROM home_week WHERE iso_week < $1 ORDER BY iso_week, household_id, segment_id",
        this_week
    );
    rows!(
        (Uuid, Week, i32, i32, i32, i32),
        "SELECT segment_id, iso_week, observed, set_out, complied, contaminated FROM segment_week WHERE iso_week < $1 ORDER BY segment_id, iso_week",
        this_week
    );
    rows!(
        (Uuid, NaiveDate, Option<Uuid>, Option<Uuid>, Option<i16>, bool),
        "SELECT op_id, service_day, segment_id, neighbourhood_id, complied, counted FROM observation WHERE service_day < $1 ORDER BY op_id",
        today()
    );
    rows!(
        (Uuid, NaiveDate, Uuid, String, String, String, i32),
        "SELECT round_id, service_day, operator_id, stream, window_start, window_end, planned_stops FROM round WHERE service_day < $1 ORDER BY round_id",
        today()
    );
    rows!(
        (Uuid, Week, Uuid, i32),
        "SELECT r.segment_id, r.iso_week, r.round_id, r.stops FROM round_segment r JOIN round d ON d.round_id = r.round_id WHERE d.service_day < $1 ORDER BY r.segment_id, r.round_id",
        today()
    );
    rows!((String, i32, String), "SELECT period, revision, source_hash FROM publication WHERE last_week < $1 ORDER BY period, revision", this_week);
    rows!(
        (String, String, String, bool, Option<i32>, Option<f64>, Option<f64>, Option<i16>),
        "SELECT period, measure, area, hidden, n, rate, ci_low, class FROM publication_cell ORDER BY period, measure, area"
    );
    let protocol = Protocol::parse(DEFAULT, "law").unwrap();
    let windows = Windows::before_week(this_week, &protocol.norm);
    let homes = seen(tx, TOWN, windows).await.unwrap();
    let mut rules = protocol.norm.clone();
    (rules.minimum_homes, rules.minimum_visits) = (2, 1);
    let places = places(tx, TOWN, windows.now.1.sunday(), now()).await.unwrap();
    texts.push(format!("norms {:#?}", compute(TOWN, "law", &rules, windows, &homes, &places, now())));
    let yesterday = today() - Days::new(1);
    for kind in [Kind::Neighbourhoods, Kind::Segments, Kind::Points, Kind::Households] {
        texts.push(export::text(tx, kind, Some(TOWN), Format::Geojson, yesterday).await.unwrap());
    }
    texts
}

async fn play(db: &Db, steps: &[Step], with_office: bool) -> (Vec<String>, usize) {
    let (street, mut phone) = town(db).await;
    let mut done = 0;
    for step in steps {
        match step {
            Step::Office(act, later) if with_office => {
                done += usize::from(office(db, act, if *later { today() + Days::new(3) } else { today() }).await);
            }
            Step::Office(..) => {}
            Step::Phone(late) => phone.send(db, &street, late).await,
        }
    }
    let mut tx = db.write().await.unwrap();
    round::keep_up(&mut tx, TOWN, today()).await.unwrap();
    publish_due(&mut tx, TOWN, now() + Duration::hours(1)).await.unwrap();
    assert_eq!(verify::rows(&mut tx).await.unwrap(), verify::Rows::default());
    // A recount asks nobody about today.
    tally::rebuild(&mut tx, TOWN).await.unwrap();
    (past(&mut tx).await, done)
}

fn differing(with: &[String], without: &[String]) -> String {
    let lines = |texts: &[String]| texts.join("\n").lines().map(str::to_owned).collect::<Vec<_>>();
    let (with, without) = (lines(with), lines(without));
    with.iter().zip(&without).filter(|(a, b)| a != b).take(12).map(|(a, b)| format!("with {a}\nwithout {b}")).collect::<Vec<_>>().join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]
    #[test]
    fn changes_from_today_on_leave_the_weeks_before_as_they_were(steps in steps()) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let mut pasts = Vec::new();
            for with_office in [true, false] {
                let db = crate::pilot::open("sqlite::memory:").await;
                db.migrate().await.unwrap();
                pasts.push(play(&db, &steps, with_office).await.0);
            }
            assert!(pasts[0] == pasts[1], "{}", differing(&pasts[0], &pasts[1]));
        });
    }
}

#[tokio::test]
async fn a_whole_day_of_the_office_changes_no_week_before_it() {
    let acts = [
        Act::Close(0),
        Act::Move(1, 2),
        Act::Reposition(2),
        Act::Enrol(1),
        Act::Reroute(0, 1),
        Act::Redistrict(1),
        Act::Reschedule(0),
        Act::HandOver(1),
        Act::RenameOperator,
        Act::RenameNeighbourhood,
        Act::EndRoute(0),
    ];
    let mut steps: Vec<Step> = Vec::new();
    for (n, act) in acts.into_iter().enumerate() {
        steps.push(Step::Office(act, n % 3 == 2));
        steps.push(Step::Phone(Late::See { home: n % HOMES, back: 1 + n as u64, outcome: (n % 5) as u8 }));
        steps.push(Step::Phone(Late::Correct { of: n * 3, outcome: 4 }));
    }
    let mut pasts: Vec<Vec<String>> = Vec::new();
    for with_office in [true, false] {
        crate::on_both_engines!(db => {
            let (past, done) = play(&db, &steps, with_office).await;
            assert_eq!(done, if with_office { 11 } else { 0 }, "every act was done");
            pasts.push(past);
        });
    }
    for past in &pasts[1..] {
        assert!(*past == pasts[0], "{}", differing(past, &pasts[0]));
    }
}

#[tokio::test]
async fn the_past_is_corrected_for_a_reason_and_then_as_a_whole() {
    crate::on_both_engines!(db => {
        let (_street, _phone) = town(&db).await;
        let since = today() - Days::new(10);
        let text = format!("code,segment,valid_from\n{},S1,{since}\n", street::home_code(0));
        let bring = async |tx: &mut Tx, reason: Option<&'static str>| {
            let request = Request { kind: Kind::Households, file: "c.csv", bytes: text.as_bytes(), municipality: Some(TOWN), repair: false, now: now(), from: today(), reason, actor: "test", written: &Written::default() };
            import::file(tx, &mut Mint::system(), &request).await
        };
        let mut tx = db.write().await.unwrap();
        let refused = bring(&mut tx, None).await.unwrap_err().to_string();
        assert!(refused.contains("--reason"), "{refused}");
        drop(tx);
        let mut tx = db.write().await.unwrap();
        bring(&mut tx, Some("the map was wrong")).await.unwrap();
        let changed = Changed { municipality: TOWN, since, reason: Some("the map was wrong"), now: now(), today: today(), what: "c.csv" };
        facts_changed(&mut tx, changed).await.unwrap();
        assert_eq!(verify::rows(&mut tx).await.unwrap(), verify::Rows::default());
        let stamped: Vec<(NaiveDate, uuid::Uuid)> = all!(tx, "SELECT o.service_day, o.segment_id FROM observation o JOIN household h ON h.household_id = o.household_id WHERE h.code = $1 ORDER BY o.service_day", street::home_code(0)).unwrap();
        let codes: Vec<(uuid::Uuid, String)> = all!(tx, "SELECT segment_id, code FROM segment").unwrap();
        for (day, segment) in stamped {
            let code = &codes.iter().find(|(id, _)| *id == segment).unwrap().1;
            assert_eq!(code, if day >= since { "S1" } else { "S0" }, "{day}");
        }
        let (due,): (i64,) = vecino::one!(tx, "SELECT CAST(SUM(r.stops) AS BIGINT) FROM round_segment r JOIN round d ON d.round_id = r.round_id JOIN segment s ON s.segment_id = r.segment_id WHERE s.code = 'S1' AND d.service_day = $1", today() - Days::new(5)).unwrap();
        assert_eq!(due, 4);
    });
}
