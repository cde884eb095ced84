//! The calendar: what is other than the week says, holidays, hours past midnight, and the feed a household subscribes to.

use crate::ground::Ground;
use crate::on_both_engines;
use crate::program::{refused, vecino};
use crate::roles::{everybody, may};
use crate::sign_in::{get, house};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use chrono::{DateTime, Days, NaiveDate, Utc};
use ical::parser::ical::component::IcalEvent;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use uuid::Uuid;
use vecino::account::access::TABLE;
use vecino::account::{Actor, Role};
use vecino::app::App;
use vecino::clock::{Clock, Week, at_local};
use vecino::db::{Db, Tx};
use vecino::error::Result;
use vecino::id::{DeviceId, HouseholdId, Mint, MunicipalityId, NeighbourhoodId, OperatorId, RouteId, SegmentId};
use vecino::observation::receive::receive;
use vecino::observation::restate::facts_changed;
use vecino::observation::supervision::{current, progress};
use vecino::observation::{crew, round};
use vecino::sheet::Written;
use vecino::territory::calendar::act::{Because, Desk, Done};
use vecino::territory::calendar::{self, Reason, feed, holiday};
use vecino::territory::change::Changed;
use vecino::web::duties;
use vecino::{all, one, run};

const TOWN: MunicipalityId = MunicipalityId(1202);

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn id(n: u128) -> Uuid {
    Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0000 + n)
}

/// Wednesday 25 November 2026, nine in the morning.
fn today() -> NaiveDate {
    day("2026-11-25")
}

fn morning() -> DateTime<Utc> {
    at_local(today(), 9, 0)
}

/// R1 on Mondays and Thursdays from six, R2 on Tuesdays from ten at night to four; three homes on each.
async fn lay(db: Db, at: DateTime<Utc>) -> App {
    let app = house(db, at).await;
    let mut tx = app.db.write().await.unwrap();
    let ground = Ground::since(TOWN, day("2026-06-01"));
    ground.operator(&mut tx, OperatorId(id(1)), "MUNI", "Transportes Juan Pérez").await;
    ground.neighbourhood(&mut tx, NeighbourhoodId(id(2)), "N1", "Mávil", json!({})).await;
    for (n, name, days) in [(1u128, "Centro; mercado, y más", &[(1i16, "organic"), (4, "mixed")][..]), (2, "Nocturna", &[(2, "mixed")])] {
        ground.route(&mut tx, RouteId(id(10 + n)), &format!("R{n}"), name, OperatorId(id(1)), days).await;
        ground.segment(&mut tx, SegmentId(id(20 + n)), &format!("S{n}"), RouteId(id(10 + n)), NeighbourhoodId(id(2))).await;
    }
    run!(tx, "UPDATE route_day SET window_start = '22:00', window_end = '04:00' WHERE route_id = $1", RouteId(id(12))).unwrap();
    let homes: Vec<_> = (0..6u128).map(|n| (HouseholdId(id(100 + n)), format!("SP-000{n}-X"), Some(SegmentId(id(21 + n / 3))))).collect();
    ground.homes(&mut tx, &homes).await;
    run!(tx, "INSERT INTO device (municipality_id, device_id, name, enrolled_at) VALUES ($1, $2, 'phone', $3)", TOWN, id(300), DateTime::UNIX_EPOCH)
        .unwrap();
    round::keep_up(&mut tx, TOWN, app.clock.today()).await.unwrap();
    tx.commit().await.unwrap();
    app
}

fn phone() -> Actor {
    Actor {
        role: Role::Crew,
        name: "phone".into(),
        account: None,
        municipality: Some(TOWN),
        operator: Some("MUNI".into()),
        device: Some(DeviceId(id(300))),
    }
}

fn desk() -> Desk<'static> {
    Desk { municipality: TOWN, now: morning(), today: today(), actor: "test" }
}

fn why(text: &str) -> Because {
    Because::read(text).unwrap()
}

/// As the command does: the act, and what follows from it.
async fn follow(tx: &mut Tx, done: &Done) -> Result<()> {
    let Some(since) = done.since else { return Ok(()) };
    let changed = Changed { municipality: TOWN, since, reason: done.corrected.as_deref(), now: morning(), today: today(), what: "the calendar" };
    facts_changed(tx, changed).await
}

/// Day, route and stops of every round that is written.
async fn rounds(tx: &mut Tx) -> BTreeMap<(NaiveDate, String), i32> {
    let rows: Vec<(NaiveDate, String, i32)> = all!(
        tx,
        "SELECT d.service_day, r.code, d.planned_stops FROM round d JOIN route r ON r.municipality_id = d.municipality_id AND r.route_id = d.route_id
          WHERE d.municipality_id = $1",
        TOWN
    )
    .unwrap();
    rows.into_iter().map(|(day, code, stops)| ((day, code), stops)).collect()
}

async fn runs(tx: &mut Tx, on: &str) -> Vec<String> {
    let planned = calendar::planned(tx, TOWN, day(on), day(on)).await.unwrap();
    planned.into_iter().filter(|planned| planned.standing.runs()).map(|planned| format!("{} {}", planned.code, planned.window_start)).collect()
}

#[tokio::test]
async fn days_cancelled_moved_and_added_change_what_is_due_from_that_day_and_nothing_before() {
    on_both_engines!(db => {
        let app = lay(db, morning()).await;
        let (mut tx, mut mint) = (app.db.write().await.unwrap(), Mint::system());
        let before = rounds(&mut tx).await;
        assert!(before.contains_key(&(day("2026-11-26"), "R1".into())), "tomorrow's round is written: {before:?}");
        let done = desk().cancel(&mut tx, &mut mint, Some("R1"), &[day("2026-11-26")], &why("truck")).await.unwrap();
        follow(&mut tx, &done).await.unwrap();
        let done = desk().move_day(&mut tx, &mut mint, Some("R2"), day("2026-12-01"), day("2026-12-02"), None, &why("event: feria")).await.unwrap();
        follow(&mut tx, &done).await.unwrap();
        let done = desk().add(&mut tx, &mut mint, "R1", today(), Some("residual"), None, &why("other")).await.unwrap();
        follow(&mut tx, &done).await.unwrap();
        let mut expected = before.clone();
        expected.remove(&(day("2026-11-26"), "R1".into()));
        expected.insert((today(), "R1".into()), 3);
        assert_eq!(rounds(&mut tx).await, expected);
        for (on, codes) in [("2026-11-26", &[][..]), ("2026-12-01", &[]), ("2026-12-02", &["R2 22:00"]), ("2026-12-03", &["R1 06:00"]), ("2026-12-08", &["R2 22:00"])] {
            assert_eq!(runs(&mut tx, on).await, codes, "{on}");
        }
        // The whole municipality, a holiday of one word; and all of it taken back.
        let done = desk().cancel(&mut tx, &mut mint, None, &[day("2026-12-03")], &why("dump-closed")).await.unwrap();
        follow(&mut tx, &done).await.unwrap();
        assert!(runs(&mut tx, "2026-12-03").await.is_empty());
        for (code, on) in [(Some("R1"), "2026-11-26"), (Some("R2"), "2026-12-01"), (Some("R1"), "2026-11-25"), (None, "2026-12-03")] {
            let done = desk().remove(&mut tx, code, day(on), None).await.unwrap();
            follow(&mut tx, &done).await.unwrap();
        }
        assert_eq!(rounds(&mut tx).await, before);
        let (said, audited): (i64, i64) = one!(tx, "SELECT (SELECT COUNT(*) FROM calendar_day), (SELECT COUNT(*) FROM audit_entry WHERE stream = 'territory' AND action = 'calendar')").unwrap();
        assert_eq!((said, audited), (4, 8), "what was said is kept, and every act is in the chain");
    });
}

#[tokio::test]
async fn a_day_gone_by_is_changed_with_words_only_and_what_was_counted_is_counted_again() {
    on_both_engines!(db => {
        let app = lay(db, morning()).await;
        let past = day("2026-11-23");
        let see = json!({"sent_at": morning(), "ops": [{"op": Uuid::now_v7(), "kind": "observation", "round": round::identity(TOWN, RouteId(id(11)), past),
            "household": "SP-0000-X", "observed_at": at_local(past, 7, 0), "set_out": "yes", "separated": "yes", "stream": "organic"}]});
        let answer = receive(&app.db, morning(), &phone(), see.to_string().as_bytes()).await.unwrap();
        assert!(answer.results.iter().all(|receipt| receipt.code.is_none()));
        let (mut tx, mut mint) = (app.db.write().await.unwrap(), Mint::system());
        let refusal = desk().cancel(&mut tx, &mut mint, Some("R1"), &[past], &why("truck")).await.unwrap_err().to_string();
        assert!(refusal.contains("2026-11-23 has passed") && refusal.contains("--reason"), "{refusal}");
        let done = desk().cancel(&mut tx, &mut mint, Some("R1"), &[past], &why("truck: nobody had told us")).await.unwrap();
        follow(&mut tx, &done).await.unwrap();
        // The crew was out all the same: its round and what it saw stay, nothing is due on it.
        assert_eq!(rounds(&mut tx).await[&(past, "R1".into())], 0);
        let (due, seen): (i64, i64) = one!(tx, "SELECT (SELECT COUNT(*) FROM round_segment s JOIN round d ON d.round_id = s.round_id WHERE d.service_day = $1), (SELECT CAST(SUM(observed) AS BIGINT) FROM segment_week)", past).unwrap();
        assert_eq!((due, seen), (0, 1));
        // A stop that was seen counts as due, on its own day and nowhere else.
        for asked in [round::Asked::Every, round::Asked::WithoutDue] {
            let beyond = round::beyond_due(&mut tx, TOWN, (Week::of(past), Week::of(past)), asked).await.unwrap();
            assert_eq!(beyond.into_iter().map(|(week, _, _, stops)| (week, stops)).collect::<Vec<_>>(), [(Week::of(past), 1)]);
        }
        let done = desk().remove(&mut tx, Some("R1"), past, Some("it was not so")).await.unwrap();
        follow(&mut tx, &done).await.unwrap();
        assert_eq!(round::beyond_due(&mut tx, TOWN, (Week::of(past), Week::of(past)), round::Asked::Every).await.unwrap(), []);
        let (corrected,): (i64,) = one!(tx, "SELECT COUNT(*) FROM audit_entry WHERE action = 'corrected'").unwrap();
        assert_eq!(corrected, 2);
    });
}

#[tokio::test]
async fn what_a_crew_saw_on_a_cancelled_day_is_stored() {
    on_both_engines!(db => {
        let app = lay(db, morning()).await;
        let mut tx = app.db.write().await.unwrap();
        let tomorrow = today() + Days::new(1);
        let done = desk().cancel(&mut tx, &mut Mint::system(), Some("R1"), &[tomorrow], &why("truck")).await.unwrap();
        follow(&mut tx, &done).await.unwrap();
        tx.commit().await.unwrap();
        // The phone had no signal, and its crew drove.
        let op = |day: NaiveDate| json!({"op": Uuid::now_v7(), "kind": "observation", "round": round::identity(TOWN, RouteId(id(11)), day),
            "household": "SP-0001-X", "observed_at": at_local(day, 7, 0), "set_out": "no"});
        let at = at_local(tomorrow, 12, 0);
        let body = json!({"sent_at": at, "ops": [op(tomorrow), op(tomorrow + Days::new(2))]}).to_string();
        let answer = receive(&app.db, at, &phone(), body.as_bytes()).await.unwrap();
        assert_eq!(answer.results.iter().map(|receipt| receipt.code).collect::<Vec<_>>(), [None, Some("round-unknown")], "a day nobody ever planned stays unknown");
        let mut tx = app.db.read().await.unwrap();
        assert_eq!(rounds(&mut tx).await[&(tomorrow, "R1".into())], 0);
        let (seen,): (i64,) = one!(tx, "SELECT CAST(SUM(observed) AS BIGINT) FROM segment_week").unwrap();
        assert_eq!(seen, 1);
        // Whoever oversees reads why nothing was due, never more stops than were due, and in the evening that the round is over.
        let rows = progress(&mut tx, TOWN, None, tomorrow).await.unwrap();
        let row = rows.iter().find(|row| row.route.starts_with("Centro")).unwrap();
        assert_eq!((row.done, row.due(), row.standing.runs()), (1, 1, false));
        assert!(row.started() && !row.finished(at_local(tomorrow, 9, 0)) && row.finished(at_local(tomorrow, 15, 0)), "no phone said that it ended");
    });
}

#[tokio::test]
async fn routes_rest_on_holidays_as_the_law_the_municipality_and_the_route_say() {
    on_both_engines!(db => {
        let app = lay(db, morning()).await;
        let (mut tx, mut mint) = (app.db.write().await.unwrap(), Mint::system());
        // Thursday 24 from noon, Thursday 31 too: what leaves at six is collected. Good Friday's week: Thursday 25 March 2027.
        assert_eq!(runs(&mut tx, "2026-12-24").await, ["R1 06:00"]);
        assert!(runs(&mut tx, "2027-03-25").await.is_empty());
        assert_eq!(runs(&mut tx, "2026-06-29").await, Vec::<String>::new(), "30/06/2026 was kept on the Monday");
        assert_eq!(runs(&mut tx, "2026-06-30").await, ["R2 22:00"], "and the Tuesday itself was a day as any");
        // The municipality says that its trucks go out; one route does not.
        let done = desk().rule(&mut tx, &mut mint, None, true, today(), None).await.unwrap();
        follow(&mut tx, &done).await.unwrap();
        assert_eq!(runs(&mut tx, "2027-03-25").await, ["R1 06:00"]);
        assert!(runs(&mut tx, "2026-06-29").await.is_empty(), "before that day it had not said so");
        desk().rule(&mut tx, &mut mint, Some("R1"), false, day("2027-01-01"), None).await.unwrap();
        assert!(runs(&mut tx, "2027-03-25").await.is_empty());
        // Its own fair is a day on which it rests, whatever it says of the law's; with collects = yes it goes out.
        let told = holiday::read("f.csv", b"date,name,collects\n2026-12-01,Feria,\n2026-12-08,Patrona,yes\n2027-03-25,Jueves Santo,yes\n", &Written::default()).unwrap();
        let done = desk().holidays(&mut tx, &mut mint, &told, "f.csv", None).await.unwrap();
        assert_eq!(done.days.len(), 3);
        assert!(runs(&mut tx, "2026-12-01").await.is_empty());
        assert_eq!(runs(&mut tx, "2026-12-08").await, ["R2 22:00"]);
        assert_eq!(runs(&mut tx, "2027-03-25").await, ["R1 06:00"]);
        assert!(desk().holidays(&mut tx, &mut mint, &told, "f.csv", None).await.unwrap().since.is_none(), "the same file twice changes nothing");
        desk().remove_holiday(&mut tx, day("2026-12-01"), None).await.unwrap();
        assert_eq!(runs(&mut tx, "2026-12-01").await, ["R2 22:00"]);
        // A holiday's collection is moved, and one is made on the holiday itself.
        desk().move_day(&mut tx, &mut mint, Some("R2"), day("2026-12-01"), day("2026-12-25"), None, &why("holiday")).await.unwrap();
        assert_eq!(runs(&mut tx, "2026-12-25").await, ["R2 22:00"]);
    });
}

#[tokio::test]
async fn a_night_round_belongs_to_the_day_it_begins_on() {
    on_both_engines!(db => {
        let night = day("2026-11-24");
        let app = lay(db, at_local(night, 21, 0)).await;
        let at = |hour: u32, ahead: u64| App { clock: Clock::Fixed(at_local(night + Days::new(ahead), hour, 30)), ..app.clone() };
        // Not late before ten at night; late at half past, and still at one in the morning; gone from the list by half past eight.
        for (app, listed) in [(at(22, 0), vec![night]), (at(1, 1), vec![night]), (at(8, 1), vec![])] {
            let today = app.clock.today();
            let list = crew::day_of(&app, TOWN, Some("MUNI"), today).await.unwrap();
            assert_eq!(list.rounds.iter().map(|(round, ..)| round.service_day).collect::<Vec<_>>(), listed);
            assert!(list.rounds.iter().all(|(.., stops)| stops.len() == 3));
            let mut tx = app.db.read().await.unwrap();
            let rows = current(&mut tx, TOWN, None, app.clock.now()).await.unwrap();
            assert_eq!(rows.iter().map(|row| row.round.service_day).collect::<Vec<_>>(), listed);
            assert!(rows.iter().all(|row| row.round.leaves_at() == at_local(night, 22, 0)));
        }
        // Stops before and after midnight are of one day; the next noon is another.
        let round = round::identity(TOWN, RouteId(id(12)), night);
        let ops: Vec<Value> = [(night, 23), (night + Days::new(1), 2), (night + Days::new(1), 5), (night + Days::new(1), 12)]
            .into_iter()
            .zip(3..)
            .map(|((day, hour), home)| json!({"op": Uuid::now_v7(), "kind": "observation", "round": round, "household": format!("SP-000{}-X", home.min(5)),
                "observed_at": at_local(day, hour, 0), "set_out": "no"}))
            .collect();
        let sent = at_local(night + Days::new(1), 13, 0);
        receive(&app.db, sent, &phone(), json!({"sent_at": sent, "ops": ops}).to_string().as_bytes()).await.unwrap();
        let mut tx = app.db.read().await.unwrap();
        let rows: Vec<(NaiveDate, Option<String>)> = all!(tx, "SELECT service_day, suspect FROM observation ORDER BY observed_at").unwrap();
        assert!(rows.iter().all(|(day, _)| *day == night));
        assert_eq!(rows.into_iter().map(|(_, suspect)| suspect).collect::<Vec<_>>(), [None, None, None, Some("day".into())]);
    });
}

async fn written(app: &App) -> (i64, i64, i64, i64) {
    let mut tx = app.db.read().await.unwrap();
    one!(
        tx,
        "SELECT (SELECT COUNT(*) FROM round), (SELECT COUNT(*) FROM round_segment), (SELECT COUNT(*) FROM observation), (SELECT COUNT(*) FROM calendar_day)"
    )
    .unwrap()
}

#[tokio::test]
async fn no_page_writes_a_round_and_the_house_makes_them_without_anybody_asking() {
    on_both_engines!(db => {
        let laid = lay(db, morning()).await;
        // Nobody was here for ten days.
        let app = App { clock: Clock::Fixed(morning() + Days::new(10)), ..laid };
        let before = written(&app).await;
        let everybody = everybody(&app).await;
        let router = vecino::web::app(app.clone());
        let mut opened = 0;
        for row in TABLE.iter().filter(|row| row.method == "GET") {
            let path = row.path.replace("{municipality}", "1202").replace("{neighbourhood}", "N1").replace("{*path}", "style.css");
            let path = if row.path.starts_with("/calendar/") { "/calendar/1202/R1.ics".to_owned() } else { path.replace(['{', '}'], "") };
            for (role, cookie, _) in everybody.iter().filter(|(role, ..)| may(row.who, Some(*role))) {
                let answer = get(&router, &path, cookie).await;
                assert!(!answer.status.is_server_error(), "{role} {path}: {}", answer.body);
                opened += usize::from(answer.status == StatusCode::OK);
                assert_eq!(written(&app).await, before, "{role} GET {path}");
            }
        }
        assert!(opened > 60, "only {opened} pages opened");
        let folder = tempfile::tempdir().unwrap();
        let app = App { data_dir: std::sync::Arc::new(folder.path().to_path_buf()), ..app };
        duties::every_minute(app.clone()).await.unwrap();
        let mut tx = app.db.read().await.unwrap();
        let made = rounds(&mut tx).await;
        for (on, code) in [("2026-11-26", "R1"), ("2026-11-30", "R1"), ("2026-12-01", "R2"), ("2026-12-03", "R1")] {
            assert_eq!(made.get(&(day(on), code.to_owned())), Some(&3), "{on} {code}");
        }
        drop(tx);
        let after = written(&app).await;
        duties::every_minute(app.clone()).await.unwrap();
        assert_eq!(written(&app).await, after);
    });
}

#[tokio::test]
async fn pages_show_the_days_as_the_calendar_has_them() {
    on_both_engines!(db => {
        let app = lay(db, morning()).await;
        let mut tx = app.db.write().await.unwrap();
        let done = desk().cancel(&mut tx, &mut Mint::system(), Some("R1"), &[day("2026-11-26")], &why("flood_or_landslide")).await.unwrap();
        follow(&mut tx, &done).await.unwrap();
        desk().move_day(&mut tx, &mut Mint::system(), Some("R2"), day("2026-12-01"), day("2026-12-02"), None, &why("event")).await.unwrap();
        tx.commit().await.unwrap();
        let everybody = everybody(&app).await;
        let cookie = |role: Role| everybody.iter().find(|(of, ..)| *of == role).map(|(_, cookie, _)| cookie.clone()).unwrap();
        let router = vecino::web::app(app);
        let page = get(&router, "/rounds", &cookie(Role::Coordinator)).await.body;
        for words in ["Jueves 26/11", "Ese día no pasa: inundación o derrumbe.", "Ese día no pasa, pasa el miércoles 02/12/2026: actividad en la calle.", "22:00–04:00"] {
            assert!(page.contains(words), "{words} in {page}");
        }
        let page = get(&router, "/today/1202", &cookie(Role::Coordinator)).await.body;
        assert!(page.contains("Ese día no pasa: inundación o derrumbe."), "{page}");
        let page = get(&router, "/map/1202/N1", &cookie(Role::Mayor)).await.body;
        for words in ["Jueves 26/11", "Miércoles 02/12", "En lugar del martes 01/12/2026", "/calendar/1202/R2.ics"] {
            assert!(page.contains(words), "{words} in {page}");
        }
    });
}

fn property(event: &IcalEvent, name: &str) -> String {
    event.properties.iter().find(|property| property.name == name).and_then(|property| property.value.clone()).unwrap_or_default()
}

#[tokio::test]
async fn a_household_subscribes_to_a_calendar_without_any_person_in_it() {
    on_both_engines!(db => {
        let app = lay(db, morning()).await;
        let (mut tx, mut mint) = (app.db.write().await.unwrap(), Mint::system());
        desk().cancel(&mut tx, &mut mint, Some("R1"), &[day("2026-11-26")], &why("truck: el chofer Pedro está enfermo")).await.unwrap();
        desk().move_day(&mut tx, &mut mint, Some("R2"), day("2026-12-01"), day("2026-12-02"), None, &why("event")).await.unwrap();
        tx.commit().await.unwrap();
        let router = vecino::web::app(app.clone());
        let answer = get(&router, "/calendar/1202/R1.ics", "").await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.headers["content-type"], "text/calendar; charset=utf-8");
        assert!(answer.headers["cache-control"].to_str().unwrap().starts_with("public"));
        assert!(answer.headers.get("set-cookie").is_none());
        for private in ["Juan", "Pérez", "enfermo", "chofer", "SP-00", "MUNI", "Puerta"] {
            assert!(!answer.body.contains(private), "{private} in {}", answer.body);
        }
        assert!(answer.body.split("\r\n").all(|line| line.len() <= 75 && !line.contains('\n')));
        // By another hand.
        let calendars: Vec<_> = ical::IcalParser::new(answer.body.as_bytes()).collect::<std::result::Result<_, _>>().unwrap();
        assert_eq!(calendars.len(), 1);
        let events = &calendars[0].events;
        let uids: std::collections::BTreeSet<String> = events.iter().map(|event| property(event, "UID")).collect();
        assert_eq!(uids.len(), events.len());
        let of = |events: &[IcalEvent], date: &str| events.iter().find(|event| property(event, "DTSTART").starts_with(date)).map(|event| (property(event, "STATUS"), property(event, "DTEND"), property(event, "DESCRIPTION")));
        let (status, ends, description) = of(events, "20261130").unwrap();
        assert_eq!((status.as_str(), ends.as_str()), ("CONFIRMED", "20261130T110000"));
        assert_eq!(description, "Centro\\; mercado\\, y más\\, de 06:00–11:00: orgánico.");
        let (status, _, description) = of(events, "20261126").unwrap();
        assert!(status == "CANCELLED" && description.contains("camión en reparación"), "{status} {description}");
        assert_eq!(of(events, "20261210").unwrap().0, "CONFIRMED");
        assert!(events.iter().all(|event| event.properties.iter().any(|property| property.name == "DTSTAMP")));
        assert_eq!(calendars[0].timezones.len(), 1);
        // The same until something is said; a client that has it is told so.
        let tag = answer.headers["etag"].to_str().unwrap().to_owned();
        let request = Request::get("/calendar/1202/R1.ics").header("if-none-match", &tag).body(Body::empty()).unwrap();
        assert_eq!(crate::sign_in::ask(&router, request).await.status, StatusCode::NOT_MODIFIED);
        let again = get(&router, "/calendar/1202/R1.ics", "").await;
        assert_eq!(again.body, answer.body);
        // The night ends on the next day; the moved one stands where it was and where it goes.
        let mut tx = app.db.read().await.unwrap();
        let text = feed::text(&mut tx, TOWN, "R2", today(), 4).await.unwrap();
        let night: Vec<_> = ical::IcalParser::new(text.as_bytes()).collect::<std::result::Result<_, _>>().unwrap();
        assert_eq!(of(&night[0].events, "20261201T220000").unwrap().0, "CANCELLED");
        let (status, ends, _) = of(&night[0].events, "20261202T220000").unwrap();
        assert_eq!((status.as_str(), ends.as_str()), ("CONFIRMED", "20261203T040000"));
        drop(tx);
        for gone in ["/calendar/1202/R9.ics", "/calendar/9999/R1.ics", "/calendar/x/R1.ics", "/calendar/1202/R1"] {
            assert_eq!(get(&router, gone, "").await.status, StatusCode::NOT_FOUND, "{gone}");
        }
    });
}

/// An installation with the shipped places of 1202, as `geo import` brings them in.
fn installed() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(vecino(folder.path(), &["init"]).code, 0);
    let geodata = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("geodata/1202");
    for (kind, name) in [("municipalities", "municipality"), ("neighbourhoods", "neighbourhoods"), ("routes", "routes"), ("segments", "segments")] {
        let file = geodata.join(format!("{name}.geojson")).display().to_string();
        let done = vecino(folder.path(), &["geo", "import", kind, &file, "--municipality", "1202"]);
        assert_eq!(done.code, 0, "{}", done.err);
    }
    folder
}

fn listed(folder: &std::path::Path, more: &[&str]) -> Value {
    let done = vecino(folder, &[&["geo", "calendar", "list", "--json"], more].concat());
    assert_eq!(done.code, 0, "{}", done.err);
    serde_json::from_str(&done.out).unwrap()
}

#[test]
fn what_cannot_be_said_of_a_day_is_one_line_with_its_remedy_and_changes_nothing() {
    let folder = installed();
    let folder = folder.path();
    let today = Clock::system().today();
    let all = listed(folder, &["--all"]);
    let days: Vec<&Value> = all["days"].as_array().unwrap().iter().filter(|row| row["runs"] == true).collect();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    // A route that runs on two days to come, and a day between on which it does not.
    let route = text(&days[0]["route"]);
    let own: Vec<String> = days
        .iter()
        .filter(|row| row["route"] == *route && row["day"].as_str().unwrap() > today.to_string().as_str())
        .map(|row| text(&row["day"]))
        .collect();
    let (first, second) = (own[0].clone(), own[1].clone());
    let free = (1..).map(|n| (day(&first) + Days::new(n)).to_string()).find(|day| !own.contains(day)).unwrap();
    let act = |what: &[&str]| -> Vec<String> { [&["geo", "calendar"], what].concat().into_iter().map(str::to_owned).collect() };
    let refuse = |what: &[&str], words: &[&str]| {
        let before = listed(folder, &["--all"]);
        let line = act(what);
        refused(folder, &line.iter().map(String::as_str).collect::<Vec<_>>(), words);
        assert_eq!(listed(folder, &["--all"]), before, "{what:?}");
    };
    let done = |what: &[&str]| {
        let line = act(what);
        let done = vecino(folder, &line.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(done.code, 0, "{what:?}: {}", done.err);
        done.out
    };
    refuse(&["cancel", "--route", &route, "--day", &first, "--reason", "lluvia"], &["lluvia", "flood_or_landslide"]);
    refuse(&["cancel", "--route", "NO", "--day", &first, "--reason", "truck"], &["NO", &route]);
    refuse(&["cancel", "--route", &route, "--day", "mañana", "--reason", "truck"], &["mañana", "2026-12-24"]);
    refuse(&["cancel", "--route", &route, "--day", &free, "--reason", "truck"], &["does not run", &free]);
    refuse(&["cancel", "--route", &route, "--day", "2001-01-04", "--reason", "truck: x"], &["begins on", "2001-01-04"]);
    refuse(&["cancel", "--route", &route, "--day", &first, "--day", &first, "--reason", "truck"], &["twice", &first]);
    refuse(&["move", "--route", &route, "--day", &first, "--to", &second, "--reason", "truck"], &["runs on", &second, "anyway"]);
    refuse(&["move", "--route", &route, "--day", &first, "--to", &first, "--reason", "truck"], &["--to"]);
    refuse(&["add", "--route", &route, "--day", &first, "--reason", "event"], &["anyway", &first]);
    refuse(&["add", "--route", &route, "--day", &free, "--window", "6-11", "--reason", "event"], &["6-11", "06:00-11:00"]);
    refuse(&["remove", "--route", &route, "--day", &first], &["nothing is said", &first]);
    refuse(&["remove", "--holiday", "--day", &first], &["no holiday was entered"]);
    refuse(&["holidays", "/no/such/file.csv"], &["/no/such/file.csv"]);
    refuse(&["holidays"], &["--collect"]);
    let file = folder.join("not-holidays.csv");
    std::fs::write(&file, "code,capacity\nA,1\n").unwrap();
    refuse(&["holidays", file.to_str().unwrap()], &["date and name", "capacity"]);
    // Once is enough.
    let dry = done(&["cancel", "--route", &route, "--day", &first, "--reason", "Truck: eje roto", "--dry-run"]);
    assert!(dry.contains("dry run"), "{dry}");
    done(&["cancel", "--route", &route, "--day", &first, "--reason", "Truck: eje roto"]);
    refuse(&["cancel", "--route", &route, "--day", &first, "--reason", "truck"], &["already", "remove"]);
    refuse(&["move", "--route", &route, "--day", &first, "--to", &free, "--reason", "truck"], &["already", "remove"]);
    refuse(&["add", "--route", &route, "--day", &first, "--reason", "event"], &["already", "remove"]);
    done(&["move", "--route", &route, "--day", &second, "--to", &free, "--reason", "event"]);
    refuse(&["move", "--route", &route, "--day", &second, "--to", &free, "--reason", "event"], &["already"]);
    refuse(&["cancel", "--day", &free, "--reason", "event"], &["moved onto", "remove"]);
    refuse(&["remove", "--route", &route, "--day", &free], &["moved here", &second]);
    let said = listed(folder, &["--route", &route]);
    let kinds: Vec<&str> =
        said["days"].as_array().unwrap().iter().filter(|row| row["standing"] != "holiday").map(|row| row["standing"].as_str().unwrap()).collect();
    assert!(["cancelled", "moved_to", "moved_from"].iter().all(|kind| kinds.contains(kind)), "{said}");
    done(&["remove", "--route", &route, "--day", &first]);
    done(&["remove", "--route", &route, "--day", &second]);
    assert_eq!(listed(folder, &["--all"]), all);
}

/// The words of a command that a line gives between backticks, as a shell parts them.
fn typed(line: &str) -> Vec<String> {
    let command = line.split('`').nth(1).unwrap_or_else(|| panic!("{line} gives no command"));
    let (mut words, mut quote) = (vec![String::new()], None);
    for c in command.chars() {
        match (c, quote) {
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            (' ', None) => words.push(String::new()),
            (c, _) => words.last_mut().unwrap().push(c),
        }
    }
    words.split_off(1)
}

#[test]
fn a_remedy_does_what_it_says_as_it_is_typed() {
    let folder = installed();
    let folder = folder.path();
    let today = Clock::system().today();
    let all = listed(folder, &["--all"]);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let days: Vec<&Value> = all["days"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["runs"] == true && row["day"].as_str().unwrap() > today.to_string().as_str())
        .collect();
    let route = text(&days[0]["route"]);
    let own: Vec<String> = days.iter().filter(|row| row["route"] == *route).map(|row| text(&row["day"])).collect();
    let (first, second) = (own[0].clone(), own[1].clone());
    let free = (1..).map(|n| (day(&first) + Days::new(n)).to_string()).find(|day| !own.contains(day)).unwrap();
    let go = |line: &[&str]| vecino(folder, &[&["geo", "calendar"], line].concat());
    // What stands, what is refused because of it; after the remedy it is as if nothing had been said.
    let cancel = ["cancel", "--route", &route, "--day", &first, "--reason", "truck"];
    let whole = ["cancel", "--day", &first, "--reason", "dump_closed"];
    let away = ["move", "--route", &route, "--day", &first, "--to", &free, "--reason", "truck"];
    let onto = ["move", "--route", &route, "--day", &second, "--to", &first, "--reason", "truck"];
    let added = ["add", "--route", &route, "--day", &free, "--reason", "event"];
    let cases: [(&[&str], &[&str]); 14] = [
        (&cancel, &cancel),
        (&cancel, &away),
        (&cancel, &onto),
        (&cancel, &["add", "--route", &route, "--day", &first, "--reason", "event"]),
        (&cancel, &["remove", "--day", &first]),
        (&whole, &whole),
        (&whole, &cancel),
        (&whole, &onto),
        (&whole, &["remove", "--route", &route, "--day", &first]),
        (&away, &cancel),
        (&away, &["remove", "--route", &route, "--day", &free]),
        (&away, &["cancel", "--day", &free, "--reason", "event"]),
        (&added, &added),
        (&added, &["cancel", "--route", &route, "--day", &free, "--reason", "event"]),
    ];
    for (stands, asked) in cases {
        let done = go(stands);
        assert_eq!(done.code, 0, "{stands:?}: {}", done.err);
        let refused = go(asked);
        assert!(refused.code == 1 && refused.err.trim().lines().count() == 1, "{asked:?} after {stands:?}: {}{}", refused.out, refused.err);
        let remedy = typed(&refused.err);
        let done = vecino(folder, &remedy.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(done.code, 0, "{remedy:?}: {}", done.err);
        assert_eq!(listed(folder, &["--all"]), all, "{asked:?} after {stands:?}: {remedy:?}");
    }
    // What else is offered can be typed too.
    for asked in [&onto[..], &["remove", "--route", &route, "--day", &first], &["remove", "--holiday", "--day", &first]] {
        let remedy = typed(&go(asked).err);
        let done = vecino(folder, &remedy.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(done.code, 0, "{asked:?}: {remedy:?}: {}", done.err);
    }
}

#[tokio::test]
async fn a_day_gone_by_is_taken_back_with_the_words_its_remedy_says_and_no_rule_is_older_than_its_route() {
    on_both_engines!(db => {
        let app = lay(db, morning()).await;
        let (mut tx, mut mint) = (app.db.write().await.unwrap(), Mint::system());
        let past = day("2026-11-23");
        desk().cancel(&mut tx, &mut mint, Some("R1"), &[past], &why("truck: eje roto")).await.unwrap();
        let line = desk().cancel(&mut tx, &mut mint, Some("R1"), &[past], &why("truck: eje roto")).await.unwrap_err().to_string();
        assert_eq!(typed(&line), ["geo", "calendar", "remove", "--reason", "what was wrong", "--municipality", "1202", "--route", "R1", "--day", "2026-11-23"]);
        let line = desk().rule(&mut tx, &mut mint, Some("R1"), true, day("2026-05-31"), Some("x")).await.unwrap_err().to_string();
        assert!(line.contains("route R1 begins on 2026-06-01"), "{line}");
        for slip in ["2926-12-03", "9999-12-31", "1926-12-03"].map(day) {
            let told = holiday::read("f.csv", format!("date,name\n{slip},Feria\n").as_bytes(), &Written::default()).unwrap();
            for line in [
                desk().cancel(&mut tx, &mut mint, Some("R1"), &[slip], &why("truck: x")).await.unwrap_err().to_string(),
                desk().cancel(&mut tx, &mut mint, None, &[slip], &why("truck: x")).await.unwrap_err().to_string(),
                desk().move_day(&mut tx, &mut mint, Some("R1"), day("2026-12-03"), slip, None, &why("truck: x")).await.unwrap_err().to_string(),
                desk().add(&mut tx, &mut mint, "R1", slip, Some("mixed"), None, &why("truck: x")).await.unwrap_err().to_string(),
                desk().rule(&mut tx, &mut mint, None, true, slip, Some("x")).await.unwrap_err().to_string(),
                desk().holidays(&mut tx, &mut mint, &told, "f.csv", Some("x")).await.unwrap_err().to_string(),
            ] {
                assert!(line.contains(&slip.to_string()) && line.contains("mend the year"), "{line}");
            }
        }
    });
}

#[test]
fn a_route_past_midnight_is_imported_and_its_calendar_is_written() {
    let folder = installed();
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/reference/faults/geo/route_night.geojson");
    if !file.exists() {
        return crate::pilot::left_out("route_night.geojson: the shared folder is not here");
    }
    let done = vecino(folder.path(), &["geo", "import", "routes", file.to_str().unwrap(), "--municipality", "1202"]);
    assert_eq!(done.code, 0, "{}", done.err);
    let done = vecino(folder.path(), &["geo", "export", "calendar", "--route", "R2", "--format", "ics"]);
    assert_eq!(done.code, 0, "{}", done.err);
    let calendars: Vec<_> = ical::IcalParser::new(done.out.as_bytes()).collect::<std::result::Result<_, _>>().unwrap();
    let last = calendars[0].events.last().unwrap();
    assert!(property(last, "DTSTART").ends_with("T220000") && property(last, "DTEND").ends_with("T040000"));
    refused(folder.path(), &["geo", "export", "calendar"], &["--route"]);
    refused(folder.path(), &["geo", "export", "calendar", "--route", "NADA"], &["NADA"]);
    refused(folder.path(), &["geo", "export", "routes", "--format", "ics"], &["calendar"]);
    refused(folder.path(), &["geo", "export", "calendar", "--route", "R2", "--format", "csv"], &["ics"]);
}

#[test]
fn reasons_are_six_and_words_of_ones_own_stand_behind_a_colon() {
    assert_eq!(why("Flood-or-landslide: se cayó el puente"), Because { reason: Reason::FloodOrLandslide, note: Some("se cayó el puente".into()) });
    assert_eq!(why("truck"), Because { reason: Reason::Truck, note: None });
    assert!(Because::read("").is_err());
}
