//! Places end, change their names, become one or several, each from a day on: what was stays, and a code is never another's.

use crate::on_both_engines;
use crate::street;
use chrono::NaiveDate;
use serde_json::{Value, json};
use vecino::clock::at_local;
use vecino::db::{Db, Tx};
use vecino::error::{Error, Result};
use vecino::id::{HouseholdId, Mint, MunicipalityId, RouteId, SegmentId};
use vecino::observation::operation::Status;
use vecino::observation::receive::receive;
use vecino::observation::{restate, round, verify};
use vecino::sheet::Written;
use vecino::territory::act::{Act, Deed, Done, Parts, Thing, perform};
use vecino::territory::change::{After, Changed};
use vecino::territory::collection as collecting;
use vecino::territory::export::{self, Format};
use vecino::territory::import::{self, Kind, Outcome, Request};
use vecino::territory::{code, household, neighbourhood, route, segment};
use vecino::trial::{self, protocol::Protocol};
use vecino::{all, one, run};

pub const TOWN: MunicipalityId = MunicipalityId(1202);
/// The town is laid on a Monday; acts take place on a Monday three weeks later.
pub const LAID: &str = "2026-11-02";
pub const TODAY: &str = "2026-11-23";

pub fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub fn after() -> After {
    After {
        follow: |tx, changed| Box::pin(restate::facts_changed(tx, changed)),
        drawn: |tx, municipality, segments, day| Box::pin(trial::drawn(tx, municipality, segments, day)),
    }
}

pub async fn bring(tx: &mut Tx, kind: Kind, text: &str, today: &str, reason: Option<&str>) -> Result<Outcome> {
    let from = day(today);
    let (file, bytes) = (if text.starts_with('{') { "f.geojson" } else { "f.csv" }, text.as_bytes());
    let request = Request {
        kind,
        file,
        bytes,
        municipality: Some(TOWN),
        repair: false,
        now: at_local(from, 9, 0),
        from,
        reason,
        actor: "test",
        written: &Written::default(),
    };
    import::file(tx, &mut Mint::system(), &request).await
}

/// Two neighbourhoods side by side; route R1 of two segments in each, R2 of one; four homes on each segment; a container on R1.
pub async fn town(db: &Db) {
    let mut tx = db.write().await.unwrap();
    let square = |x: f64| format!("\"POLYGON (({x} 14.96, {} 14.96, {} 14.97, {x} 14.97, {x} 14.96))\"", x + 0.01, x + 0.01);
    let areas = format!("code,name,wkt\nN1,Mávil,{}\nN2,San Miguel,{}\n", square(-91.78), square(-91.77));
    bring(&mut tx, Kind::Neighbourhoods, &areas, LAID, None).await.unwrap();
    let routes = "code;name;operator;stream;weekdays;window_start;window_end;wkt
R1;Centro;MUNI;mixed;mon;06:00;11:00;LINESTRING (-91.779 14.962, -91.761 14.962)
R2;Norte;MUNI;mixed;tue;06:00;11:00;LINESTRING (-91.779 14.968, -91.761 14.968)
";
    bring(&mut tx, Kind::Routes, routes, LAID, None).await.unwrap();
    let segments = "code;route;neighbourhood;wkt
S1;R1;N1;LINESTRING (-91.779 14.962, -91.775 14.962)
S2;R1;N1;LINESTRING (-91.775 14.962, -91.771 14.962)
S3;R1;N2;LINESTRING (-91.769 14.962, -91.765 14.962)
S4;R1;N2;LINESTRING (-91.765 14.962, -91.761 14.962)
S5;R2;N1;LINESTRING (-91.779 14.968, -91.771 14.968)
";
    bring(&mut tx, Kind::Segments, segments, LAID, None).await.unwrap();
    let mut homes = String::from("code,segment,lon,lat,hint\n");
    for (n, (segment, x, y)) in
        [("S1", -91.7785, 14.9621), ("S2", -91.7745, 14.9621), ("S3", -91.7685, 14.9621), ("S4", -91.7645, 14.9621), ("S5", -91.7785, 14.9681)]
            .into_iter()
            .enumerate()
    {
        for k in 0..4 {
            homes += &format!("{},{segment},{},{y},puerta {k}\n", home(n * 4 + k), x + k as f64 * 0.001);
        }
    }
    bring(&mut tx, Kind::Households, &homes, LAID, None).await.unwrap();
    bring(&mut tx, Kind::Points, "code,name,kind,route,lon,lat\nC1,Mercado,container,R1,-91.77,14.9622\n", LAID, None).await.unwrap();
    tx.commit().await.unwrap();
}

pub fn home(n: usize) -> String {
    household::code("SP", n as u32)
}

/// One act, kept when it is done.
pub async fn act(db: &Db, thing: Thing, deed: Deed<'_>, from: &str, reason: Option<&str>) -> Result<Done> {
    let mut tx = db.write().await?;
    let today = day(TODAY);
    let act = Act { municipality: TOWN, from: day(from), today, now: at_local(today, 9, 0), reason, actor: "test" };
    let done = perform(&mut tx, &mut Mint::system(), &act, thing, &deed, after()).await?;
    tx.commit().await?;
    Ok(done)
}

pub fn codes(of: &[&str]) -> Vec<String> {
    of.iter().map(|code| (*code).to_owned()).collect()
}

/// Everything in the tables of places, to see that a refusal changes nothing.
pub async fn written(db: &Db) -> Vec<(i64, i64)> {
    let mut tx = db.write().await.unwrap();
    let mut rows = Vec::new();
    for table in ["neighbourhood", "route", "segment", "point", "household"] {
        let sql = format!("SELECT COUNT(*), COUNT(valid_to) + COUNT(superseded_at) FROM {table}_version");
        rows.push(one!(tx, sqlx::AssertSqlSafe(sql)).unwrap());
    }
    let (entries,): (i64,) = one!(tx, "SELECT COUNT(*) FROM audit_entry").unwrap();
    let (given,): (i64,) = one!(tx, "SELECT COUNT(*) FROM later_code").unwrap();
    rows.push((entries, given));
    rows
}

/// Refused in one line that says all of `words`, with nothing changed.
async fn no(db: &Db, thing: Thing, deed: Deed<'_>, from: &str, words: &[&str]) {
    let before = written(db).await;
    let error: Error = act(db, thing, deed, from, None).await.unwrap_err();
    assert_eq!(error.lines.len(), 1, "{error}");
    for word in words {
        assert!(error.lines[0].contains(word), "«{error}» does not say {word}");
    }
    assert_eq!(written(db).await, before);
}

/// The stops of every route on a day, route by route.
pub async fn on_routes(tx: &mut Tx, town: MunicipalityId, on: NaiveDate) -> Vec<collecting::Stop> {
    let mut stops = Vec::new();
    for route in route::of(tx, town, on).await.unwrap() {
        stops.extend(collecting::stops(tx, town, route.route_id, on).await.unwrap());
    }
    stops
}

pub async fn stops(tx: &mut Tx, on: &str) -> Vec<String> {
    on_routes(tx, TOWN, day(on)).await.into_iter().map(|stop| stop.code).collect()
}

async fn on_segment(tx: &mut Tx, segment: &str, on: &str) -> usize {
    let id = segment::of(tx, TOWN, day(on)).await.unwrap().into_iter().find(|s| s.code == segment).map(|s| s.segment_id);
    household::of(tx, TOWN, day(on)).await.unwrap().iter().filter(|h| h.segment_id.is_some() && h.segment_id == id).count()
}

#[tokio::test]
async fn what_ends_leaves_lists_and_rounds_and_its_past_stays() {
    on_both_engines!(db => {
        town(&db).await;
        no(&db, Thing::Segment, Deed::Retire { codes: &codes(&["S1"]), with_homes: false }, TODAY, &["4 homes", "geo merge segments", "--with-homes"]).await;
        no(&db, Thing::Route, Deed::Retire { codes: &codes(&["R1"]), with_homes: false }, TODAY, &["4 segments", "geo merge routes", "--with-homes"]).await;
        no(&db, Thing::Neighbourhood, Deed::Retire { codes: &codes(&["N1"]), with_homes: false }, TODAY, &["3 segments", "--with-homes"]).await;
        no(&db, Thing::Household, Deed::Retire { codes: &codes(&["SP-9"]), with_homes: false }, TODAY, &["«SP-9»", "does not exist in 1202"]).await;
        no(&db, Thing::Household, Deed::Retire { codes: &codes(&[&home(0), &home(0)]), with_homes: false }, TODAY, &["twice"]).await;
        no(&db, Thing::Household, Deed::Retire { codes: &codes(&[&home(0)]), with_homes: false }, "2026-11-09", &["has passed", "--reason"]).await;
        let done = act(&db, Thing::Segment, Deed::Retire { codes: &codes(&["S1"]), with_homes: true }, TODAY, None).await.unwrap();
        assert_eq!((done.ended.get("segment"), done.ended.get("household"), done.segments), (Some(&1), Some(&4), codes(&["S1"])));
        assert_eq!(act(&db, Thing::Household, Deed::Retire { codes: &codes(&[&home(4)]), with_homes: false }, "2026-11-24", None).await.unwrap().ended.get("household"), Some(&1));
        let mut tx = db.write().await.unwrap();
        assert_eq!((stops(&mut tx, "2026-11-16").await.len(), stops(&mut tx, TODAY).await.len(), stops(&mut tx, "2026-11-30").await.len()), (20, 16, 15));
        assert!(!stops(&mut tx, "2026-11-30").await.contains(&home(4)) && stops(&mut tx, TODAY).await.contains(&home(4)));
        let planned: Vec<(NaiveDate, i32)> = all!(tx, "SELECT service_day, planned_stops FROM round WHERE municipality_id = $1 ORDER BY service_day", TOWN).unwrap();
        assert_eq!(planned, [(day(TODAY), 12), (day("2026-11-24"), 4)]);
        drop(tx);
        no(&db, Thing::Segment, Deed::Retire { codes: &codes(&["S1"]), with_homes: true }, TODAY, &["ended on 2026-11-22", "nothing is left"]).await;
        // Before it was there nothing can end, whatever the reason.
        let early = act(&db, Thing::Segment, Deed::Retire { codes: &codes(&["S2"]), with_homes: true }, "2026-10-05", Some("x")).await.unwrap_err();
        assert!(early.to_string().contains("is there from 2026-11-02 on"), "{early}");
        // A correction: it had closed a week before.
        let done = act(&db, Thing::Household, Deed::Retire { codes: &codes(&[&home(8)]), with_homes: false }, "2026-11-16", Some("la familia se fue el día 15")).await.unwrap();
        assert_eq!(done.ended.get("household"), Some(&1));
        let mut tx = db.write().await.unwrap();
        assert_eq!(stops(&mut tx, "2026-11-16").await.len(), 19);
        let entries: Vec<(String, String, Value)> = all!(tx, "SELECT action, target, detail FROM audit_entry WHERE stream = 'territory' AND action = 'retired' ORDER BY sequence").unwrap();
        assert_eq!(entries.len(), 3, "one entry an act");
        assert_eq!((entries[2].1.as_str(), &entries[2].2["since"], &entries[2].2["reason"]), (home(8).as_str(), &json!("2026-11-16"), &json!("la familia se fue el día 15")));
        assert_eq!(verify::rows(&mut tx).await.unwrap(), verify::Rows::default());
    });
}

#[tokio::test]
async fn with_a_route_or_a_neighbourhood_goes_all_that_stands_on_it() {
    on_both_engines!(db => {
        town(&db).await;
        let done = act(&db, Thing::Route, Deed::Retire { codes: &codes(&["R1"]), with_homes: true }, TODAY, None).await.unwrap();
        assert_eq!((done.ended.get("route"), done.ended.get("segment"), done.ended.get("household"), done.moved.get("point")), (Some(&1), Some(&4), Some(&16), Some(&1)));
        let mut tx = db.write().await.unwrap();
        assert_eq!((stops(&mut tx, "2026-11-16").await.len(), stops(&mut tx, TODAY).await.len()), (20, 4));
        let text = export::text(&mut tx, Kind::Points, Some(TOWN), Format::Csv, day(TODAY)).await.unwrap();
        assert!(text.contains("C1,Mercado") && !text.contains("R1"), "{text}");
        drop(tx);
        let done = act(&db, Thing::Neighbourhood, Deed::Retire { codes: &codes(&["N1"]), with_homes: true }, TODAY, None).await.unwrap();
        assert_eq!((done.ended.get("neighbourhood"), done.ended.get("segment"), done.ended.get("household")), (Some(&1), Some(&1), Some(&4)));
        let mut tx = db.write().await.unwrap();
        assert!(stops(&mut tx, TODAY).await.is_empty());
    });
}

#[tokio::test]
async fn a_code_that_has_ended_is_never_given_again() {
    on_both_engines!(db => {
        town(&db).await;
        act(&db, Thing::Segment, Deed::Retire { codes: &codes(&["S5"]), with_homes: true }, TODAY, None).await.unwrap();
        let mut tx = db.write().await.unwrap();
        let own = format!("code,segment,lon,lat,hint\n{},S5,-91.7785,14.9681,puerta 0\n", home(16));
        // A file that only repeats what was changes nothing.
        let outcome = bring(&mut tx, Kind::Households, &format!("code,hint\n{},puerta 0\n", home(16)), TODAY, None).await.unwrap();
        assert_eq!((outcome.new, outcome.changed, outcome.unchanged), (0, 0, 1));
        assert_eq!(bring(&mut tx, Kind::Households, &own, TODAY, None).await.unwrap().unchanged, 1);
        for (kind, text, words) in [
            (Kind::Households, own.replace(",S5,", ",S1,"), &[&home(16), "ended on 2026-11-22", "valid_from"][..]),
            (Kind::Households, format!("code,segment,lon,lat\n{},S5,-91.7785,14.9681\n", home(40)), &["S5", "does not exist on 2026-11-23", "another segment"]),
            (Kind::Segments, "code;route;neighbourhood;wkt\nS5;R1;N1;LINESTRING (-91.779 14.962, -91.775 14.962)\n".to_owned(), &["«S5»", "ended on", "never another's"]),
        ] {
            let error = bring(&mut tx, kind, &text, TODAY, None).await.unwrap_err();
            assert_eq!(error.lines.len(), 1, "{error}");
            assert!(words.iter().all(|word| error.lines[0].contains(word)), "{error}");
        }
        // It may open again on a later day, as itself.
        let again = format!("code,segment,lon,lat,hint,valid_from\n{},S1,-91.7785,14.9621,puerta 0,2026-12-01\n", home(16));
        assert_eq!(bring(&mut tx, Kind::Households, &again, TODAY, None).await.unwrap().changed, 1);
        assert!(stops(&mut tx, "2026-12-07").await.contains(&home(16)) && !stops(&mut tx, "2026-11-30").await.contains(&home(16)));
        drop(tx);
        // What is taken back on its first day was given its code all the same.
        let mut tx = db.write().await.unwrap();
        bring(&mut tx, Kind::Points, "code,name,kind,lon,lat\nC2,Parque,container,-91.77,14.9622\n", TODAY, None).await.unwrap();
        tx.commit().await.unwrap();
        act(&db, Thing::Point, Deed::Retire { codes: &codes(&["C2"]), with_homes: false }, TODAY, None).await.unwrap();
        let mut tx = db.write().await.unwrap();
        let error = bring(&mut tx, Kind::Points, "code,name,kind,lon,lat\nC2,Otro,container,-91.77,14.9622\n", TODAY, None).await.unwrap_err();
        assert!(error.lines.len() == 1 && error.lines[0].contains("«C2» was given before"), "{error}");
        drop(tx);
        no(&db, Thing::Point, Deed::Rename { code: "C1", name: None, new: Some("c2") }, TODAY, &["«C2»", "taken back", "never given again"]).await;
    });
}

#[tokio::test]
async fn an_end_that_is_planned_stands_when_a_file_does_not_speak_of_it() {
    on_both_engines!(db => {
        town(&db).await;
        act(&db, Thing::Household, Deed::Retire { codes: &codes(&[&home(0)]), with_homes: false }, "2026-12-01", None).await.unwrap();
        let mut tx = db.write().await.unwrap();
        let outcome = bring(&mut tx, Kind::Households, &format!("code,hint\n{},portón\n", home(0)), TODAY, None).await.unwrap();
        assert_eq!(outcome.changed, 1);
        assert!(stops(&mut tx, "2026-11-30").await.contains(&home(0)) && !stops(&mut tx, "2026-12-07").await.contains(&home(0)));
    });
}

#[tokio::test]
async fn a_line_that_is_drawn_anew_takes_no_end_back_and_reaches_what_comes_to_it() {
    on_both_engines!(db => {
        town(&db).await;
        act(&db, Thing::Household, Deed::Retire { codes: &codes(&[&home(0)]), with_homes: false }, "2026-12-01", None).await.unwrap();
        act(&db, Thing::Segment, Deed::Retire { codes: &codes(&["S4"]), with_homes: true }, "2026-12-01", None).await.unwrap();
        let mut tx = db.write().await.unwrap();
        // Home 4 of S2 will stand on S1.
        bring(&mut tx, Kind::Households, &format!("code,segment,lon,lat,valid_from\n{},S1,-91.7765,14.9621,2026-12-01\n", home(4)), TODAY, None).await.unwrap();
        let along = async |tx: &mut Tx, code: &str, on: &str| household::of(tx, TOWN, day(on)).await.unwrap().into_iter().find(|h| h.code == code).map(|h| h.along_m);
        let (on_s2, on_s1) = (along(&mut tx, &home(4), TODAY).await, along(&mut tx, &home(4), "2026-12-07").await.unwrap());
        bring(&mut tx, Kind::Routes, "code,wkt\nR1,\"LINESTRING (-91.78 14.962, -91.761 14.962)\"\n", TODAY, None).await.unwrap();
        bring(&mut tx, Kind::Segments, "code,wkt\nS1,\"LINESTRING (-91.7795 14.962, -91.775 14.962)\"\n", TODAY, None).await.unwrap();
        let segments: Vec<String> = segment::of(&mut tx, TOWN, day("2026-12-07")).await.unwrap().into_iter().map(|s| s.code).collect();
        assert_eq!(segments, ["S1", "S2", "S3", "S5"]);
        assert_eq!(along(&mut tx, &home(0), "2026-12-07").await, None);
        assert_eq!(along(&mut tx, &home(4), TODAY).await, on_s2, "on S2 nothing is other");
        assert!(along(&mut tx, &home(4), "2026-12-07").await.unwrap() > on_s1 + 40.0, "S1 begins farther back");
    });
}

#[tokio::test]
async fn an_empty_cell_that_must_not_be_empty_is_refused_and_a_column_left_out_is_not() {
    on_both_engines!(db => {
        town(&db).await;
        for (kind, column, text) in [
            (Kind::Segments, "route", "code,route\nS1,\n"),
            (Kind::Segments, "neighbourhood", "code,neighbourhood\nS1,\n"),
            (Kind::Routes, "operator", "code,operator,name\nR1,,Otro\n"),
            (Kind::Neighbourhoods, "name", "code,name\nN1,\n"),
            (Kind::Points, "kind", "code,kind\nC1,\n"),
        ] {
            let mut tx = db.write().await.unwrap();
            let refused = bring(&mut tx, kind, text, TODAY, None).await.unwrap_err();
            assert!(refused.lines.len() == 1 && refused.lines[0].contains(&format!("«{column}» is missing; fill it in")), "{refused}");
        }
        let mut tx = db.write().await.unwrap();
        let outcome = bring(&mut tx, Kind::Routes, "code,name\nR1,Otro\n", TODAY, None).await.unwrap();
        assert_eq!((outcome.new, outcome.changed), (0, 1));
    });
}

#[tokio::test]
async fn a_new_name_holds_from_its_day_and_every_code_finds_its_thing() {
    on_both_engines!(db => {
        town(&db).await;
        act(&db, Thing::Neighbourhood, Deed::Rename { code: "N1", name: Some("Mávil Alto"), new: None }, TODAY, None).await.unwrap();
        act(&db, Thing::Route, Deed::Rename { code: "R1", name: Some("Centro y mercado"), new: Some("C-01") }, TODAY, None).await.unwrap();
        act(&db, Thing::Segment, Deed::Rename { code: "S1", name: None, new: Some("C-01-1") }, "2026-12-01", None).await.unwrap();
        act(&db, Thing::Household, Deed::Rename { code: &home(0), name: None, new: Some(&home(500)) }, TODAY, None).await.unwrap();
        let mut tx = db.write().await.unwrap();
        let named = |rows: Vec<neighbourhood::Neighbourhood>| rows.into_iter().map(|area| area.name).collect::<Vec<_>>();
        assert_eq!(named(neighbourhood::of(&mut tx, TOWN, day("2026-11-22")).await.unwrap()), ["Mávil", "San Miguel"]);
        assert_eq!(named(neighbourhood::of(&mut tx, TOWN, day(TODAY)).await.unwrap()), ["Mávil Alto", "San Miguel"]);
        let segments = |text: String| text.lines().nth(1).unwrap().split(',').take(2).map(str::to_owned).collect::<Vec<_>>();
        for (on, says) in [("2026-11-22", ["S1", "R1"]), (TODAY, ["S1", "C-01"]), ("2026-12-01", ["C-01-1", "C-01"])] {
            assert_eq!(segments(export::text(&mut tx, Kind::Segments, Some(TOWN), Format::Csv, day(on)).await.unwrap()), says, "{on}");
        }
        assert!(stops(&mut tx, "2026-11-16").await.contains(&home(0)), "the past keeps the old code");
        assert!(stops(&mut tx, TODAY).await.contains(&home(500)) && !stops(&mut tx, TODAY).await.contains(&home(0)));
        for known in [home(0), home(500)] {
            let id = code::find(&mut tx, TOWN, Thing::Household, &known).await.unwrap().unwrap();
            assert_eq!(code::on(&mut tx, TOWN, Thing::Household, id, day("2027-12-31")).await.unwrap(), Some(home(500)));
        }
        // What was exported yesterday changes nothing; anything new under an old code is refused, and so is one thing under two of its codes.
        for kind in [Kind::Neighbourhoods, Kind::Routes, Kind::Segments, Kind::Points, Kind::Households] {
            let text = export::text(&mut tx, kind, Some(TOWN), Format::Csv, day("2026-12-02")).await.unwrap();
            let again = bring(&mut tx, kind, &text, TODAY, None).await.unwrap();
            assert_eq!((again.new, again.changed), (0, 0), "{kind:?}");
        }
        let same = bring(&mut tx, Kind::Households, &format!("code,hint\n{},puerta 0\n", home(0)), TODAY, None).await.unwrap();
        assert_eq!((same.changed, same.unchanged), (0, 1));
        let error = bring(&mut tx, Kind::Households, &format!("code,hint\n{},otra\n", home(0)), TODAY, None).await.unwrap_err();
        assert!(error.lines.len() == 1 && error.lines[0].contains(&format!("is now called «{}»", home(500))), "{error}");
        let error = bring(&mut tx, Kind::Households, &format!("code,hint\n{},puerta 0\n{},puerta 0\n", home(0), home(500)), TODAY, None).await.unwrap_err();
        assert!(error.lines.len() == 1 && error.lines[0].contains("row 2 too"), "{error}");
        // A row may refer to a route by any of its codes.
        let outcome = bring(&mut tx, Kind::Segments, "code;route;neighbourhood;wkt\nS6;R1;N1;LINESTRING (-91.779 14.9622, -91.775 14.9622)\nS7;C-01;N1;LINESTRING (-91.779 14.9623, -91.775 14.9623)\n", TODAY, None).await.unwrap();
        assert_eq!(outcome.new, 2);
        drop(tx);
        no(&db, Thing::Segment, Deed::Rename { code: "S2", name: Some("Calle"), new: None }, TODAY, &["no name", "--code"]).await;
        no(&db, Thing::Segment, Deed::Rename { code: "S2", name: None, new: Some("S1") }, TODAY, &["«S1»", "never given again"]).await;
        no(&db, Thing::Household, Deed::Rename { code: &home(1), name: None, new: Some(&home(0)) }, TODAY, &[&home(0), "never given again"]).await;
        no(&db, Thing::Household, Deed::Rename { code: &home(1), name: None, new: Some("SP-0001-A") }, TODAY, &["check letter"]).await;
        no(&db, Thing::Route, Deed::Rename { code: "R2", name: None, new: None }, TODAY, &["new name"]).await;
        no(&db, Thing::Route, Deed::Rename { code: "R2", name: Some("Norte"), new: None }, TODAY, &["already"]).await;
    });
}

#[tokio::test]
async fn a_phone_with_an_old_list_is_understood() {
    on_both_engines!(db => {
        let monday = day(TODAY);
        let street = street::lay(&db, monday, 4, 2, "mixed").await;
        let old = street.homes[0].1.clone();
        act(&db, Thing::Household, Deed::Rename { code: &old, name: None, new: Some("SM-77") }, TODAY, None).await.unwrap();
        let ops = [
            street.op("observation", 0, "07:00:00", json!({"set_out": "no"})),
            street.op("observation", 1, "07:01:00", json!({"set_out": "no"})),
            street.op("stop_missed", 0, "07:02:00", json!({"household": "SM-77", "reason": "street_blocked"})),
        ];
        let answer = receive(&db, at_local(monday, 12, 0), &street.phones[0], &street.batch(&ops)).await.unwrap();
        assert!(answer.results.iter().all(|receipt| receipt.status == Status::Stored), "{answer:?}");
        let mut tx = db.write().await.unwrap();
        let (homes, rows): (i64, i64) = one!(tx, "SELECT COUNT(DISTINCT household_id), COUNT(*) FROM observation").unwrap();
        assert_eq!((homes, rows), (2, 3), "both codes are one home");
    });
}

/// The office changes the route this morning, while its truck is out and has no signal.
#[tokio::test]
async fn what_a_crew_recorded_this_morning_is_stored_whatever_its_route_becomes_today() {
    const LINE: &str = "LINESTRING (-91.80 14.96, -91.79 14.96)";
    let changes: [(&str, Option<String>); 4] = [
        ("other days", Some(format!("code;name;operator;stream;weekdays;window_start;window_end;wkt\nR1;R1;muni;organic;tue;06:00;11:00;{LINE}\n"))),
        ("another operator", Some("code;operator\nR1;otra\n".to_owned())),
        ("both", Some(format!("code;name;operator;stream;weekdays;window_start;window_end;wkt\nR1;R1;otra;mixed;wed;13:00;18:00;{LINE}\n"))),
        ("its end", None),
    ];
    for (what, file) in changes {
        on_both_engines!(db => {
            let monday = day(TODAY);
            let street = street::lay(&db, monday, 4, 2, "mixed").await;
            let mut tx = db.write().await.unwrap();
            match &file {
                Some(text) => {
                    bring(&mut tx, Kind::Routes, text, TODAY, None).await.unwrap();
                    let changed = Changed { municipality: TOWN, since: monday, reason: None, now: at_local(monday, 9, 0), today: monday, what: "routes" };
                    restate::facts_changed(&mut tx, changed).await.unwrap();
                    tx.commit().await.unwrap();
                }
                None => {
                    drop(tx);
                    act(&db, Thing::Route, Deed::Retire { codes: &codes(&["R1"]), with_homes: true }, TODAY, None).await.unwrap();
                }
            }
            let ops: Vec<Value> = (0..3).map(|home| street.op("observation", home, "06:40:00", json!({"set_out": "no"}))).collect();
            let answer = receive(&db, at_local(monday, 12, 0), &street.phones[0], &street.batch(&ops)).await.unwrap();
            assert!(answer.results.iter().all(|receipt| receipt.status == Status::Stored), "{what}: {answer:?}");
            // Once more, after the house planned the day again.
            let mut tx = db.write().await.unwrap();
            round::keep_up(&mut tx, TOWN, monday).await.unwrap();
            tx.commit().await.unwrap();
            let answer = receive(&db, at_local(monday, 13, 0), &street.phones[0], &street.batch(&ops)).await.unwrap();
            assert!(answer.results.iter().all(|receipt| receipt.status == Status::Duplicate), "{what}: {answer:?}");
            let mut tx = db.write().await.unwrap();
            assert_eq!(verify::rows(&mut tx).await.unwrap(), verify::Rows::default(), "{what}");
        });
    }
}

#[tokio::test]
async fn a_round_is_told_by_the_code_of_its_day() {
    on_both_engines!(db => {
        town(&db).await;
        act(&db, Thing::Route, Deed::Rename { code: "R1", name: None, new: Some("R1X") }, TODAY, None).await.unwrap();
        let mut tx = db.read().await.unwrap();
        for (on, code) in [("2026-11-16", "R1"), (TODAY, "R1X")] {
            let rounds = round::of_day(&mut tx, TOWN, day(on)).await.unwrap();
            let names = round::names(&mut tx, TOWN, &rounds).await.unwrap();
            assert_eq!(names.into_values().map(|names| names.code).collect::<Vec<_>>(), [code], "{on}");
        }
    });
}

#[tokio::test]
async fn what_is_put_on_something_that_ends_is_told_its_last_day() {
    on_both_engines!(db => {
        town(&db).await;
        act(&db, Thing::Route, Deed::Merge { into: "R2", codes: &codes(&["R1"]) }, "2026-12-07", None).await.unwrap();
        act(&db, Thing::Neighbourhood, Deed::Merge { into: "N1", codes: &codes(&["N2"]) }, "2026-12-07", None).await.unwrap();
        let mut tx = db.write().await.unwrap();
        for (kind, text, reason, words) in [
            (Kind::Segments, "code,route,valid_from\nS5,R1,2026-11-09\n", Some("mal puesto"), "route «R1» ends on 2026-12-06"),
            (Kind::Segments, "code,route\nS5,R1\n", None, "route «R1» ends on 2026-12-06"),
            (Kind::Segments, "code,neighbourhood\nS5,N2\n", None, "neighbourhood «N2» ends on 2026-12-06"),
            (Kind::Points, "code,name,kind,route,lon,lat\nC2,Parque,container,R1,-91.77,14.9622\n", None, "route «R1» ends on 2026-12-06"),
        ] {
            let done = bring(&mut tx, kind, text, TODAY, reason).await.unwrap();
            assert_eq!(done.warnings.iter().filter(|line| line.contains(words)).count(), 1, "{text}: {:?}", done.warnings);
        }
        // What a row does not speak of is not warned of.
        let quiet = bring(&mut tx, Kind::Segments, "code,name\nS1,x\n", TODAY, None).await.unwrap();
        assert!(!quiet.warnings.iter().any(|line| line.contains("ends on")), "{:?}", quiet.warnings);
    });
}

#[tokio::test]
async fn what_was_counted_stands_whatever_ends_or_is_renamed_today() {
    on_both_engines!(db => {
        let sunday = day("2026-11-22");
        let street = street::lay(&db, sunday, 12, 4, "mixed").await;
        let ops: Vec<Value> = (0..12).map(|n| street.op("observation", n, "07:00:00", json!({"set_out": "yes", "separated": if n % 3 == 0 { "no" } else { "yes" }, "stream": "mixed"}))).collect();
        let answer = receive(&db, at_local(sunday, 12, 0), &street.phones[0], &street.batch(&ops)).await.unwrap();
        assert!(answer.results.iter().filter(|receipt| receipt.status == Status::Stored).count() >= 4, "{answer:?}");
        let before = counted(&db).await;
        assert!(before.len() > 8);
        act(&db, Thing::Household, Deed::Retire { codes: &codes(&[&street.homes[0].1, &street.homes[1].1]), with_homes: false }, TODAY, None).await.unwrap();
        act(&db, Thing::Household, Deed::Rename { code: &street.homes[2].1, name: None, new: Some("SM-78") }, TODAY, None).await.unwrap();
        let mut tx = db.write().await.unwrap();
        let segments: Vec<(String,)> = all!(tx, "SELECT code FROM segment WHERE municipality_id = $1 ORDER BY code", TOWN).unwrap();
        drop(tx);
        act(&db, Thing::Segment, Deed::Retire { codes: &codes(&[&segments[0].0]), with_homes: true }, TODAY, None).await.unwrap();
        assert_eq!(counted(&db).await, before);
        let mut tx = db.write().await.unwrap();
        assert_eq!(verify::rows(&mut tx).await.unwrap(), verify::Rows::default());
        // A correction of the past is another thing: what it touches is counted anew.
        drop(tx);
        act(&db, Thing::Household, Deed::Retire { codes: &codes(&[&street.homes[8].1]), with_homes: false }, "2026-11-22", Some("nunca existió")).await.unwrap();
        assert_ne!(counted(&db).await, before);
        let mut tx = db.write().await.unwrap();
        assert_eq!(verify::rows(&mut tx).await.unwrap(), verify::Rows::default());
    });
}

/// Rows, tallies and rounds before today.
async fn counted(db: &Db) -> Vec<String> {
    let mut tx = db.write().await.unwrap();
    type Cell = (i32, HouseholdId, SegmentId, i32, i32, i32, i32);
    let homes: Vec<Cell> = all!(tx, "SELECT iso_week, household_id, segment_id, observed, set_out, complied, contaminated FROM home_week ORDER BY iso_week, household_id, segment_id").unwrap();
    let segments: Vec<(i32, SegmentId, i32, i32, i32, i32)> =
        all!(tx, "SELECT iso_week, segment_id, observed, set_out, complied, contaminated FROM segment_week ORDER BY iso_week, segment_id").unwrap();
    let rows: Vec<(uuid::Uuid, Option<SegmentId>, Option<uuid::Uuid>, Option<i16>, bool)> =
        all!(tx, "SELECT op_id, segment_id, neighbourhood_id, complied, counted FROM observation ORDER BY op_id").unwrap();
    let rounds: Vec<(NaiveDate, RouteId, i32)> =
        all!(tx, "SELECT service_day, route_id, planned_stops FROM round WHERE service_day < $1 ORDER BY service_day, route_id", day(TODAY)).unwrap();
    homes
        .iter()
        .map(|row| format!("{row:?}"))
        .chain(segments.iter().map(|row| format!("{row:?}")))
        .chain(rows.iter().map(|row| format!("{row:?}")))
        .chain(rounds.iter().map(|row| format!("{row:?}")))
        .collect()
}

#[tokio::test]
async fn several_become_one_with_all_that_stood_on_them() {
    on_both_engines!(db => {
        town(&db).await;
        no(&db, Thing::Segment, Deed::Merge { into: "S1", codes: &codes(&["S1"]) }, TODAY, &["into itself"]).await;
        no(&db, Thing::Segment, Deed::Merge { into: "S1", codes: &codes(&["S5"]) }, TODAY, &["different routes"]).await;
        no(&db, Thing::Segment, Deed::Merge { into: "S2", codes: &codes(&["S3"]) }, TODAY, &["different neighbourhoods"]).await;
        no(&db, Thing::Point, Deed::Merge { into: "C1", codes: &codes(&["C1"]) }, TODAY, &["not merged", "retire"]).await;
        no(&db, Thing::Household, Deed::Merge { into: &home(0), codes: &codes(&[&home(1)]) }, TODAY, &["not merged", "retire"]).await;
        let done = act(&db, Thing::Segment, Deed::Merge { into: "S1", codes: &codes(&["S2"]) }, TODAY, None).await.unwrap();
        assert_eq!((done.ended.get("segment"), done.moved.get("household")), (Some(&1), Some(&4)));
        let mut tx = db.write().await.unwrap();
        assert_eq!((on_segment(&mut tx, "S1", "2026-11-22").await, on_segment(&mut tx, "S2", "2026-11-22").await), (4, 4));
        assert_eq!((on_segment(&mut tx, "S1", TODAY).await, on_segment(&mut tx, "S2", TODAY).await), (8, 0));
        let whole = segment::of(&mut tx, TOWN, day(TODAY)).await.unwrap().into_iter().find(|s| s.code == "S1").unwrap();
        assert_eq!(whole.lines().len(), 2);
        // The truck meets them in the order it did.
        let whole: Vec<String> = (0..8).map(home).collect();
        let met: Vec<String> = stops(&mut tx, TODAY).await.into_iter().filter(|code| whole.contains(code)).collect();
        assert_eq!(met, whole);
        drop(tx);
        no(&db, Thing::Segment, Deed::Merge { into: "S2", codes: &codes(&["S1"]) }, TODAY, &["«S2»", "ended on"]).await;
        let done = act(&db, Thing::Neighbourhood, Deed::Merge { into: "N1", codes: &codes(&["N2"]) }, TODAY, None).await.unwrap();
        assert_eq!((done.ended.get("neighbourhood"), done.moved.get("segment")), (Some(&1), Some(&2)));
        let done = act(&db, Thing::Route, Deed::Merge { into: "R1", codes: &codes(&["R2"]) }, TODAY, None).await.unwrap();
        assert_eq!((done.ended.get("route"), done.moved.get("segment")), (Some(&1), Some(&1)));
        let mut tx = db.write().await.unwrap();
        let areas = neighbourhood::of(&mut tx, TOWN, day(TODAY)).await.unwrap();
        assert_eq!(areas.len(), 1);
        use geo::Area;
        assert!((areas[0].shape().unsigned_area() - 0.0002).abs() < 1e-9, "both squares are one area");
        assert_eq!(route::of(&mut tx, TOWN, day(TODAY)).await.unwrap().len(), 1);
        assert_eq!(collecting::running(&mut tx, TOWN, day(TODAY), day("2026-11-24")).await.unwrap().len(), 1);
        assert_eq!((stops(&mut tx, TODAY).await.len(), stops(&mut tx, "2026-11-22").await.len()), (20, 20));
    });
}

#[tokio::test]
async fn one_becomes_several_and_each_member_finds_its_part() {
    on_both_engines!(db => {
        town(&db).await;
        let written = Written::default();
        let parts = |text: &'static str| Parts { file: "partes.csv", bytes: text.as_bytes(), written: &written };
        let line = "code;wkt\nS5a;LINESTRING (-91.779 14.968, -91.7768 14.968)\nS5b;LINESTRING (-91.7768 14.968, -91.771 14.968)\n";
        no(&db, Thing::Segment, Deed::Split { code: "S5", parts: parts("code;wkt\nS5a;LINESTRING (-91.779 14.968, -91.775 14.968)\n") }, TODAY, &["partes.csv", "two or more"]).await;
        no(&db, Thing::Segment, Deed::Split { code: "S5", parts: parts("code;wkt\nS5;LINESTRING (-91.779 14.968, -91.775 14.968)\nS9;LINESTRING (-91.775 14.968, -91.771 14.968)\n") }, TODAY, &["partes.csv", "given before"]).await;
        no(&db, Thing::Household, Deed::Split { code: &home(0), parts: parts(line) }, TODAY, &["not split"]).await;
        let done = act(&db, Thing::Segment, Deed::Split { code: "S5", parts: parts(line) }, TODAY, None).await.unwrap();
        assert_eq!((done.ended.get("segment"), done.moved.get("household")), (Some(&1), Some(&4)));
        let mut tx = db.write().await.unwrap();
        assert_eq!((on_segment(&mut tx, "S5a", TODAY).await, on_segment(&mut tx, "S5b", TODAY).await, on_segment(&mut tx, "S5", "2026-11-22").await), (2, 2, 4));
        let (entries,): (i64,) = one!(tx, "SELECT COUNT(*) FROM audit_entry WHERE stream = 'territory' AND action IN ('split', 'import')").unwrap();
        assert_eq!(entries, 6, "five files and one act");
        drop(tx);
        let areas = "code;name;wkt\nN1a;Poniente;POLYGON ((-91.78 14.96, -91.78 14.97, -91.7752 14.97, -91.7752 14.96, -91.78 14.96))\nN1b;Oriente;POLYGON ((-91.7752 14.96, -91.7752 14.97, -91.77 14.97, -91.77 14.96, -91.7752 14.96))\n";
        let short = "code;name;wkt\nN1a;Poniente;POLYGON ((-91.78 14.96, -91.78 14.97, -91.7752 14.97, -91.7752 14.96, -91.78 14.96))\nN1b;Oriente;POLYGON ((-91.7702 14.96, -91.7702 14.97, -91.77 14.97, -91.77 14.96, -91.7702 14.96))\n";
        let error = act(&db, Thing::Neighbourhood, Deed::Split { code: "N1", parts: parts(short) }, TODAY, None).await.unwrap_err();
        assert!(error.to_string().contains("lies in none of the parts"), "{error}");
        let done = act(&db, Thing::Neighbourhood, Deed::Split { code: "N1", parts: parts(areas) }, TODAY, None).await.unwrap();
        assert_eq!((done.ended.get("neighbourhood"), done.moved.get("segment")), (Some(&1), Some(&4)));
        let routes = "code;name;wkt\nR1a;Poniente;LINESTRING (-91.779 14.962, -91.77 14.962)\nR1b;Oriente;LINESTRING (-91.77 14.962, -91.761 14.962)\n";
        let done = act(&db, Thing::Route, Deed::Split { code: "R1", parts: parts(routes) }, TODAY, None).await.unwrap();
        assert_eq!((done.ended.get("route"), done.moved.get("segment"), done.moved.get("point")), (Some(&1), Some(&4), Some(&1)));
        let mut tx = db.write().await.unwrap();
        let running = collecting::running(&mut tx, TOWN, day(TODAY), day(TODAY)).await.unwrap();
        assert_eq!(running.len(), 2, "both collect on the days of the whole");
        let dues = collecting::Dues::read(&mut tx, TOWN, day("2026-11-16"), day(TODAY)).await.unwrap();
        for round in running {
            assert_eq!(dues.of(round.route_id, day(TODAY)).iter().map(|due| due.homes).sum::<i64>(), 8);
        }
        assert_eq!(stops(&mut tx, TODAY).await.len(), 20);
    });
}

#[tokio::test]
async fn a_running_trial_is_named() {
    on_both_engines!(db => {
        town(&db).await;
        let text = include_str!("../experiments/norma-y-plan-2026.toml");
        let mut tx = db.write().await.unwrap();
        run!(tx, "INSERT INTO trial (trial_id, title, protocol, protocol_sha256, seed, frozen_at, assigned_at) VALUES ('norma-y-plan-2026', 'N', $1, $2, 1, $3, $3)", text, Protocol::sha256(text), at_local(day(LAID), 9, 0)).unwrap();
        for (of, arm) in [("S1", "norm"), ("S3", "plan")] {
            let id = code::find(&mut tx, TOWN, Thing::Segment, of).await.unwrap().unwrap();
            run!(tx, "INSERT INTO trial_segment (municipality_id, trial_id, segment_id, homes, baseline_observed, baseline_complied, stratum, arm) VALUES ($1, 'norma-y-plan-2026', $2, 4, 10, 5, '1202/1', $3)", TOWN, id, arm).unwrap();
        }
        let moved = bring(&mut tx, Kind::Households, &format!("code,segment,lon,lat\n{},S1,-91.7785,14.9621\n{},S2,-91.7746,14.9621\n", home(4), home(5)), TODAY, None).await.unwrap();
        let touched = trial::drawn(&mut tx, TOWN, &moved.segments[&TOWN], day(TODAY)).await.unwrap();
        assert_eq!((touched.len(), &touched[0].segments), (1, &codes(&["S1"])));
        tx.commit().await.unwrap();
        let done = act(&db, Thing::Segment, Deed::Retire { codes: &codes(&["S3"]), with_homes: true }, TODAY, None).await.unwrap();
        assert!(done.trials[0].running && done.warnings.iter().any(|line| line.contains("norma-y-plan-2026") && line.contains("S3")), "{:?}", done.warnings);
        assert!(act(&db, Thing::Segment, Deed::Retire { codes: &codes(&["S4"]), with_homes: true }, TODAY, None).await.unwrap().trials.is_empty());
    });
}

#[tokio::test]
async fn a_dry_run_lists_every_field_that_would_be_other() {
    on_both_engines!(db => {
        town(&db).await;
        let mut tx = db.write().await.unwrap();
        let text = format!("code,segment,hint,color,lon,lat\n{},S2,,azul,-91.7785,14.9621\n{},S1,puerta 1,,-91.7775,14.9621\n{},S1,nueva,,-91.7775,14.9621\n", home(0), home(1), home(300));
        let outcome = bring(&mut tx, Kind::Households, &text, TODAY, None).await.unwrap();
        let told: Vec<(String, String, Value, Value)> = outcome.changes.iter().map(|c| (c.code.clone(), c.field.clone(), c.before.clone(), c.after.clone())).collect();
        assert_eq!(told[..3], [
            (home(0), "color".into(), json!(null), json!("azul")),
            (home(0), "hint".into(), json!("puerta 0"), json!(null)),
            (home(0), "segment".into(), json!("S1"), json!("S2")),
        ]);
        assert!(told.iter().any(|(code, field, before, after)| *code == home(300) && field == "valid_from" && before.is_null() && *after == json!(TODAY)));
        assert_eq!(outcome.changes[2].line(), format!("{}: segment: «S1» → «S2» from {TODAY}", home(0)));
        let outcome = bring(&mut tx, Kind::Routes, "code;weekdays;valid_from;valid_to;operator_name\nR1;mon,thu;24/11/2026;2027-01-31;Municipalidad\n", TODAY, None).await.unwrap();
        let told: Vec<String> = outcome.changes.iter().map(|change| change.line()).collect();
        assert!(told.contains(&"R1: weekdays: «mon» → «mon,thu» from 2026-11-24".to_owned()), "{told:?}");
        assert!(told.contains(&"R1: valid_to: (empty) → «2027-01-31» from 2026-11-24".to_owned()), "{told:?}");
        assert!(told.contains(&"MUNI: operator_name: «MUNI» → «Municipalidad» from 2026-11-24".to_owned()), "{told:?}");
        assert_eq!(outcome.segments[&TOWN].len(), 4);
    });
}

#[tokio::test]
async fn a_dry_run_lists_what_has_no_days_and_what_an_act_would_change() {
    on_both_engines!(db => {
        town(&db).await;
        let told = |changes: &[vecino::territory::import::FieldChange]| changes.iter().map(|change| change.line()).collect::<Vec<String>>();
        let mut tx = db.write().await.unwrap();
        let outcome = bring(&mut tx, Kind::Municipalities, "code,name,pilot\n1202,Otro nombre,Sí\n1203,,Sí\n", TODAY, None).await.unwrap();
        let lines = told(&outcome.changes);
        assert!(lines.iter().any(|line| line.starts_with("1202: name: «") && line.ends_with(&format!(" → «Otro nombre» from {TODAY}"))), "{lines:?}");
        assert!(lines.contains(&format!("1203: pilot: false → true from {TODAY}")), "{lines:?}");
        let street = |class: &str| format!("{{\"type\":\"FeatureCollection\",\"features\":[{{\"type\":\"Feature\",\"id\":7,\"properties\":{{\"name\":\"Calle\",\"class\":\"{class}\"}},\"geometry\":{{\"type\":\"LineString\",\"coordinates\":[[-91.779,14.962],[-91.775,14.962]]}}}}]}}");
        assert_eq!(told(&bring(&mut tx, Kind::Streets, &street("track"), TODAY, None).await.unwrap().changes), [format!("Calle: new from {TODAY}")]);
        let changed = bring(&mut tx, Kind::Streets, &street("paved"), TODAY, None).await.unwrap();
        assert_eq!(told(&changed.changes), [format!("Calle: class: «track» → «paved» from {TODAY}")]);
        drop(tx);
        let from = "2026-11-30";
        let named = act(&db, Thing::Route, Deed::Rename { code: "R2", name: Some("Otro"), new: Some("R99") }, from, None).await.unwrap();
        assert_eq!(told(&named.changes), [format!("R2: name: «Norte» → «Otro» from {from}"), format!("R2: code: «R2» → «R99» from {from}")]);
        let merged = act(&db, Thing::Segment, Deed::Merge { into: "S1", codes: &codes(&["S2"]) }, from, None).await.unwrap();
        let lines = told(&merged.changes);
        let moved = lines.iter().filter(|line| line.ends_with(&format!(": segment: «S2» → «S1» from {from}"))).count();
        assert_eq!((moved, merged.moved.get("household").copied()), (moved.max(1), Some(moved)), "{lines:?}");
        assert!(lines.contains(&format!("S2: valid_to: (empty) → «2026-11-29» from {from}")), "{lines:?}");
        assert!(lines.iter().any(|line| line.starts_with("S1: geometry: LineString of 2 positions → ")), "{lines:?}");
        let retired = act(&db, Thing::Segment, Deed::Retire { codes: &codes(&["S3"]), with_homes: true }, from, None).await.unwrap();
        let ends = told(&retired.changes).iter().filter(|line| line.contains(": valid_to: (empty) → «2026-11-29»")).count();
        assert_eq!(ends, 1 + retired.ended["household"], "{:?}", retired.changes);
    });
}

#[tokio::test]
async fn days_that_cannot_be_are_refused_in_one_line() {
    on_both_engines!(db => {
        town(&db).await;
        let mut tx = db.write().await.unwrap();
        let at = |from: &str, to: &str| format!("code;name;valid_from;valid_to\nR1;Otro;{from};{to}\n");
        bring(&mut tx, Kind::Routes, &at("2027-01-04", ""), TODAY, None).await.unwrap();
        for (text, words) in [
            (at("11-23-2026", ""), &["«valid_from»", "11-23-2026"][..]),
            (at("0206-11-23", ""), &["before 1990-01-01", "mend the year"]),
            (at("2026-12-01", "2026-11-30"), &["before valid_from"]),
            (at("2026-11-09", ""), &["has passed", "--reason"]),
            (at("2026-12-01", "2027-02-28"), &["lies over", "2027-01-04"]),
            (at("2026-11-02", "2026-11-15"), &["2026-11-15 has passed", "--reason"]),
        ] {
            let error = bring(&mut tx, Kind::Routes, &text, TODAY, None).await.unwrap_err();
            assert_eq!(error.lines.len(), 1, "{text}: {error}");
            assert!(words.iter().all(|word| error.lines[0].contains(word)), "{text}: {error}");
        }
    });
}
