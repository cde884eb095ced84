//! Files in, rows, files out; the practice town; who belongs where since when.

use crate::on_both_engines;
use chrono::{Datelike, NaiveDate};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use vecino::clock::at_local;
use vecino::db::{Db, Tx};
use vecino::error::Result;
use vecino::id::{Mint, MunicipalityId};
use vecino::sheet::Written;
use vecino::territory::export::{self, Format};
use vecino::territory::import::{self, Kind, Outcome, Request};
use vecino::territory::locate::Locator;
use vecino::territory::municipality::Inside;
use vecino::territory::{Shipped, collection as collecting, household, municipality, neighbourhood, point, practice, route, segment};

const SAN_PEDRO: MunicipalityId = MunicipalityId(1202);

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

async fn bring(tx: &mut Tx, kind: Kind, file: &str, bytes: &[u8], from: &str) -> Result<Outcome> {
    let from = day(from);
    let request = Request {
        kind,
        file,
        bytes,
        municipality: Some(SAN_PEDRO),
        repair: false,
        now: at_local(from, 9, 0),
        from,
        reason: None,
        actor: "test",
        written: &Written::default(),
    };
    import::file(tx, &mut Mint::system(), &request).await
}

async fn shipped(tx: &mut Tx) {
    for (kind, name) in [
        (Kind::Municipalities, "municipality"),
        (Kind::Neighbourhoods, "neighbourhoods"),
        (Kind::Routes, "routes"),
        (Kind::Segments, "segments"),
        (Kind::Points, "points"),
    ] {
        let file = format!("1202/{name}.geojson");
        bring(tx, kind, &file, &Shipped::get(&file).unwrap().data, "2026-07-13").await.unwrap();
    }
}

fn home(code: &str, lon: f64, lat: f64, more: &Value) -> Value {
    let mut properties = json!({"code": code});
    properties.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"type": "Feature", "properties": properties, "geometry": {"type": "Point", "coordinates": [lon, lat]}})
}

fn collection(features: &[Value]) -> Vec<u8> {
    json!({"type": "FeatureCollection", "features": features}).to_string().into_bytes()
}

/// The refusal of a file, and that it left nothing behind.
async fn refused(db: &Db, kind: Kind, bytes: &[u8]) -> String {
    let mut tx = db.write().await.unwrap();
    let error = bring(&mut tx, kind, "f.geojson", bytes, "2026-07-13").await.unwrap_err();
    drop(tx);
    let mut tx = db.read().await.unwrap();
    assert!(household::of(&mut tx, SAN_PEDRO, day("2026-07-13")).await.unwrap().is_empty());
    assert!(error.lines.iter().all(|l| l.starts_with("f.geojson") && !l.contains('\n')), "{error}");
    error.to_string()
}

#[tokio::test]
async fn the_practice_town_is_whole_and_the_same_again() {
    let mut towns = Vec::new();
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        let from = day("2026-07-13");
        practice::load(&mut tx, &mut Mint::seeded(7, "territory"), 7, 300, from).await.unwrap();
        let pilots = municipality::pilots(&mut tx).await.unwrap();
        assert_eq!(pilots.iter().map(|m| m.code.as_str()).collect::<Vec<_>>(), ["0114", "1202"]);
        assert!(pilots.iter().all(|m| m.sender.as_ref().is_some_and(|s| s.len() <= 16) && m.collection_model.is_some()));
        for pilot in &pilots {
            let id = pilot.municipality_id;
            let outline = pilot.outline().unwrap();
            let homes = household::of(&mut tx, id, from).await.unwrap();
            assert_eq!(homes.len(), 150);
            assert!(homes.iter().all(|h| household::is_code(&h.code) && h.approximate && outline.says(geo::Coord { x: h.lon, y: h.lat }) == Inside::Yes));
            let placed = homes.iter().filter(|home| home.segment_id.is_some()).count();
            let served = homes.iter().filter(|home| home.segment_id.is_some() && home.service_status == "served").count();
            assert!(placed < 150);
            let segments = segment::of(&mut tx, id, from).await.unwrap();
            assert_eq!(segments.len(), 62);
            assert!(point::of(&mut tx, id, from).await.unwrap().iter().any(|p| p.kind == "dump"));
            let operators = route::operators(&mut tx, id, from).await.unwrap();
            assert_eq!(operators.len(), if pilot.code == "1202" { 1 } else { 6 });
            let mut stops = 0;
            for date in from.iter_days().take(7) {
                let running = collecting::running(&mut tx, id, date, date).await.unwrap();
                assert!(!running.is_empty(), "{} has a round every day, {:?}", pilot.code, date.weekday());
                for running in running {
                    let segment_of: std::collections::BTreeMap<_, _> = homes.iter().map(|home| (home.household_id, home.segment_id)).collect();
                    let on_it = collecting::stops(&mut tx, id, running.route_id, date).await.unwrap();
                    // A segment is one stretch of the round: its homes follow each other.
                    let mut stretches: Vec<_> = on_it.iter().map(|stop| segment_of[&stop.household_id]).collect();
                    stretches.dedup();
                    assert_eq!(stretches.len(), stretches.iter().collect::<BTreeSet<_>>().len());
                    stops += on_it.len();
                }
            }
            assert_eq!(stops, served);
            // Every placed home is nearest to its own segment, or to one just as near across the street.
            let locator = Locator::new(&neighbourhood::of(&mut tx, id, from).await.unwrap(), &segments);
            let near = homes.iter().filter(|h| locator.suggest(geo::Coord { x: h.lon, y: h.lat }).metres.is_some_and(|m| m < 30.0)).count();
            assert!(near >= placed);
        }
        towns.push(export::text(&mut tx, Kind::Households, None, Format::Geojson, from).await.unwrap());
        towns.push(serde_json::to_string(&household::of(&mut tx, SAN_PEDRO, from).await.unwrap()).unwrap());
    });
    for again in towns.chunks(2).skip(1) {
        assert_eq!(again, &towns[..2]);
    }
}

#[tokio::test]
async fn the_same_file_twice_changes_nothing() {
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        shipped(&mut tx).await;
        for (kind, name, count) in [(Kind::Municipalities, "municipality", 1), (Kind::Neighbourhoods, "neighbourhoods", 25), (Kind::Routes, "routes", 8), (Kind::Segments, "segments", 62), (Kind::Points, "points", 9)] {
            let file = format!("1202/{name}.geojson");
            let again = bring(&mut tx, kind, &file, &Shipped::get(&file).unwrap().data, "2026-09-01").await.unwrap();
            assert_eq!((again.new, again.changed, again.unchanged), (0, 0, count), "{name}");
        }
        let street = collection(&[json!({"type": "Feature", "properties": {"name": "4a calle", "class": "residential"}, "geometry": {"type": "LineString", "coordinates": [[-91.76, 14.96], [-91.761, 14.961]]}})]);
        assert_eq!(bring(&mut tx, Kind::Streets, "s", &street, "2026-07-13").await.unwrap().new, 1);
        assert_eq!(bring(&mut tx, Kind::Streets, "s", &street, "2026-07-14").await.unwrap().unchanged, 1);
    });
}

#[tokio::test]
async fn what_was_imported_comes_back() {
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        shipped(&mut tx).await;
        for (kind, name) in [(Kind::Neighbourhoods, "neighbourhoods"), (Kind::Routes, "routes"), (Kind::Segments, "segments"), (Kind::Points, "points")] {
            let sent: Value = serde_json::from_slice(&Shipped::get(&format!("1202/{name}.geojson")).unwrap().data).unwrap();
            let text = export::text(&mut tx, kind, Some(SAN_PEDRO), Format::Geojson, day("2026-07-13")).await.unwrap();
            let back: Value = serde_json::from_str(&text).unwrap();
            let by_code = |v: &Value| { let mut f = v["features"].as_array().unwrap().clone(); f.sort_by_key(|f| f["properties"]["code"].to_string()); f };
            assert_eq!(by_code(&back), by_code(&sent), "{name}");
            // The table says the same: brought in again, nothing changes.
            let table = export::text(&mut tx, kind, Some(SAN_PEDRO), Format::Csv, day("2026-07-13")).await.unwrap();
            let again = bring(&mut tx, kind, "back.csv", table.as_bytes(), "2026-07-13").await.unwrap();
            assert_eq!(again.new, 0, "{name}");
            let text = export::text(&mut tx, kind, Some(SAN_PEDRO), Format::Geojson, day("2026-07-13")).await.unwrap();
            let geometry = |text: &str| serde_json::from_str::<Value>(text).unwrap()["features"].as_array().unwrap().iter().map(|f| f["geometry"].clone()).collect::<Vec<_>>();
            assert_eq!(geometry(&text), back["features"].as_array().unwrap().iter().map(|f| f["geometry"].clone()).collect::<Vec<_>>(), "{name}");
        }
    });
}

#[tokio::test]
async fn each_refusal_is_one_line_that_names_the_thing_and_keeps_nothing() {
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        shipped(&mut tx).await;
        tx.commit().await.unwrap();
        let (lon, lat) = (-91.7617, 14.968);
        let ok = household::code("SP", 1);
        for (properties, x, y, says) in [
            (json!({"segment": "R9-99"}), lon, lat, "segment «R9-99» does not exist"),
            (json!({"operator": "NADIE"}), lon, lat, "operator «NADIE» does not exist"),
            (json!({"service_status": "maybe"}), lon, lat, "service_status «maybe»"),
            (json!({}), -91.6, 14.968, "outside San Pedro Sacatepéquez"),
            (json!({}), 0.0, 0.0, "(0, 0)"),
        ] {
            let line = refused(&db, Kind::Households, &collection(&[home(&household::code("SP", 2), lon, lat, &json!({})), home(&ok, x, y, &properties)])).await;
            assert!(line.contains(says) && line.contains("feature 1"), "{line}");
        }
        assert!(refused(&db, Kind::Households, &collection(&[home("SP-0001-A", lon, lat, &json!({}))])).await.contains("check letter"));
        assert!(refused(&db, Kind::Households, &collection(&[home(&ok, lon, lat, &json!({})), home(&ok, lon, lat, &json!({}))])).await.contains("feature 0 too"));
        assert!(refused(&db, Kind::Households, &collection(&[home(&ok, lon, lat, &json!({"municipality": "0114"}))])).await.contains("the command names 1202"));
        let whole = collection(&[home(&ok, lon, lat, &json!({}))]);
        assert!(refused(&db, Kind::Households, &whole[..whole.len() - 2]).await.contains("ends before it is complete"));
        let line = json!({"type": "LineString", "coordinates": [[lon, lat], [lon + 0.001, lat]]});
        let route = |more: Value| {
            let mut p = json!({"code": "X1", "operator": "MUNI", "weekdays": "mon", "stream": "mixed", "window_start": "06:00", "window_end": "11:00"});
            p.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            collection(&[json!({"type": "Feature", "properties": p, "geometry": line})])
        };
        assert!(refused(&db, Kind::Routes, &route(json!({"weekdays": ""}))).await.contains("no weekday"));
        assert!(refused(&db, Kind::Routes, &route(json!({"weekdays": "someday"}))).await.contains("«someday»"));
        assert!(refused(&db, Kind::Routes, &route(json!({"window_end": "06:00"}))).await.contains("begins and ends"));
        assert!(refused(&db, Kind::Routes, &route(json!({"stream": "glass"}))).await.contains("«glass»"));
        let segment = collection(&[json!({"type": "Feature", "properties": {"code": "S", "route": "R77", "neighbourhood": "nowhere"}, "geometry": line})]);
        let said = refused(&db, Kind::Segments, &segment).await;
        assert!(said.contains("route «R77»") && said.contains("neighbourhood «nowhere»"), "{said}");
        // A register's own code is taken as it is; it has no check letter.
        assert!(refused(&db, Kind::Households, &collection(&[home("casa 7", lon, lat, &json!({}))])).await.contains("spaces"));
        let mut tx = db.write().await.unwrap();
        assert_eq!(bring(&mut tx, Kind::Households, "f", &collection(&[home("1202-00017", lon, lat, &json!({}))]), "2026-07-13").await.unwrap().new, 1);
        drop(tx);
        // What is good is taken: an operator nobody knows comes with its route, days in Spanish, a stream a day.
        let mut tx = db.write().await.unwrap();
        let done = bring(&mut tx, Kind::Routes, "f", &route(json!({"operator": "NUEVA", "weekdays": "lun, jue", "stream": "mon=organic,thu=recyclable", "color": "#123"})), "2026-07-13").await.unwrap();
        assert_eq!(done.new, 1);
        assert!(route::operators(&mut tx, SAN_PEDRO, day("2026-07-13")).await.unwrap().iter().any(|o| o.code == "NUEVA"));
        let route = route::of(&mut tx, SAN_PEDRO, day("2026-07-16")).await.unwrap().into_iter().find(|r| r.code == "X1").unwrap();
        let running = collecting::running(&mut tx, SAN_PEDRO, day("2026-07-16"), day("2026-07-16")).await.unwrap();
        assert_eq!(running.iter().find(|r| r.route_id == route.route_id).unwrap().stream, "recyclable");
        let text = export::text(&mut tx, Kind::Routes, Some(SAN_PEDRO), Format::Geojson, day("2026-07-13")).await.unwrap();
        assert!(text.contains("\"mon=organic,thu=recyclable\"") && text.contains("#123"));
        // A dump may lie outside, with a word of warning; a container may not.
        let outside = |kind: &str| collection(&[json!({"type": "Feature", "properties": {"code": "P", "kind": kind}, "geometry": {"type": "Point", "coordinates": [-91.6, 14.9]}})]);
        assert!(bring(&mut tx, Kind::Points, "f", &outside("container"), "2026-07-13").await.unwrap_err().to_string().contains("outside"));
        drop(tx);
        let mut tx = db.write().await.unwrap();
        assert_eq!(bring(&mut tx, Kind::Points, "f", &outside("dump"), "2026-07-13").await.unwrap().warnings.len(), 1);
    });
}

#[tokio::test]
async fn moving_a_home_never_rewrites_where_it_was() {
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        shipped(&mut tx).await;
        let segments = segment::of(&mut tx, SAN_PEDRO, day("2026-07-13")).await.unwrap();
        let start = |code: &str| segments.iter().find(|s| s.code == code).unwrap().lines()[0].0[0];
        let (a, b) = (start("R1-01"), start("R1-02"));
        let codes: Vec<String> = (1..=3).map(|n| household::code("SP", n)).collect();
        // The last home of the file stands first on the route.
        let before = format!("code;segment;lon;lat\n{};R1-02;{};{}\n{};R1-01;{};{}\n", codes[0], b.x.to_string().replace('.', ","), b.y.to_string().replace('.', ","), codes[1], a.x, a.y);
        let done = bring(&mut tx, Kind::Households, "casas.csv", before.as_bytes(), "2026-07-13").await.unwrap();
        assert_eq!((done.new, done.changed), (2, 0));
        let of = |rows: Vec<household::Household>, code: &str| rows.into_iter().find(|h| h.code == code).unwrap();
        let first = of(household::of(&mut tx, SAN_PEDRO, day("2026-07-13")).await.unwrap(), &codes[0]);
        assert_eq!((first.lon, first.lat, first.service_status.as_str()), (b.x, b.y, "served"));
        let stops = crate::places::on_routes(&mut tx, SAN_PEDRO, day("2026-07-13")).await;
        assert_eq!(stops.iter().map(|s| s.code.clone()).collect::<Vec<_>>(), [codes[1].clone(), codes[0].clone()]);
        // In October it moves to the other segment.
        let after = collection(&[home(&codes[0], a.x, a.y, &json!({"segment": "R1-01"}))]);
        assert_eq!(bring(&mut tx, Kind::Households, "f", &after, "2026-10-05").await.unwrap().changed, 1);
        let history: Vec<_> = household::history(&mut tx, SAN_PEDRO).await.unwrap().into_iter().filter(|p| p.facts.household_id == first.household_id).collect();
        assert_eq!(history.len(), 2);
        assert_eq!((history[0].valid_from, history[0].valid_to), (day("2026-07-13"), Some(day("2026-10-04"))));
        assert_eq!((history[1].valid_from, history[1].valid_to), (day("2026-10-05"), None));
        assert_eq!(household::of(&mut tx, SAN_PEDRO, day("2026-10-04")).await.unwrap().len(), 2);
        assert!(household::of(&mut tx, SAN_PEDRO, day("2026-07-12")).await.unwrap().is_empty(), "no home before it was enrolled");
        // The same day again: one more correction leaves one membership of that day; none at all closes it.
        let back = collection(&[home(&codes[0], b.x, b.y, &json!({"segment": "R1-02"}))]);
        bring(&mut tx, Kind::Households, "f", &back, "2026-10-05").await.unwrap();
        let none = collection(&[home(&codes[0], b.x, b.y, &json!({"segment": ""}))]);
        let silent = collection(&[home(&codes[0], b.x, b.y, &json!({"segment": null}))]);
        assert_eq!(bring(&mut tx, Kind::Households, "f", &silent, "2026-11-01").await.unwrap().unchanged, 1, "null says nothing");
        bring(&mut tx, Kind::Households, "f", &none, "2026-11-02").await.unwrap();
        let history: Vec<_> = household::history(&mut tx, SAN_PEDRO).await.unwrap().into_iter().filter(|p| p.facts.household_id == first.household_id).collect();
        assert_eq!(history.iter().map(|p| p.valid_to).collect::<Vec<_>>(), [Some(day("2026-10-04")), Some(day("2026-11-01")), None]);
        assert_eq!(of(household::of(&mut tx, SAN_PEDRO, day("2026-11-02")).await.unwrap(), &codes[0]).segment_id, None);
    });
}

#[tokio::test]
async fn overlaps_and_repairs_are_said() {
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        let square = |code: &str, x: f64| json!({"type": "Feature", "properties": {"code": code, "name": code}, "geometry": {"type": "Polygon", "coordinates": [[[x, 14.96], [x + 0.01, 14.96], [x + 0.01, 14.97], [x, 14.97], [x, 14.96]]]}});
        let done = bring(&mut tx, Kind::Neighbourhoods, "f", &collection(&[square("a", -91.77), square("b", -91.765)]), "2026-07-13").await.unwrap();
        assert!(done.warnings.iter().any(|w| w.contains("«a» and «b» lie over each other")), "{:?}", done.warnings);
        let mut open = square("c", -91.75);
        open["geometry"]["coordinates"][0].as_array_mut().unwrap().pop();
        let bow = json!({"type": "Feature", "properties": {"code": "d", "name": "d"}, "geometry": {"type": "Polygon", "coordinates": [[[-91.8, 14.9], [-91.79, 14.91], [-91.79, 14.9], [-91.8, 14.91], [-91.8, 14.9]]]}});
        let bytes = collection(&[open, bow]);
        let error = bring(&mut tx, Kind::Neighbourhoods, "f", &bytes, "2026-07-13").await.unwrap_err();
        assert!(error.to_string().contains("--repair") && error.lines.len() == 2, "{error}");
        let request = Request { kind: Kind::Neighbourhoods, file: "f", bytes: &bytes, municipality: Some(SAN_PEDRO), repair: true, now: at_local(day("2026-07-13"), 9, 0), from: day("2026-07-13"), reason: None, actor: "test", written: &Written::default() };
        let done = import::file(&mut tx, &mut Mint::system(), &request).await.unwrap();
        assert_eq!(done.new, 2);
        assert!(done.warnings.iter().any(|w| w.contains("1 ring(s) closed")) && done.warnings.iter().any(|w| w.contains("2 part(s)")), "{:?}", done.warnings);
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn homes_with_any_properties_come_back_the_same(
        homes in prop::collection::btree_map(0u32..10_000, (-91.77f64..-91.75, 14.96f64..14.975, prop::option::of("[ -~áéñ«»]{0,12}"), prop::option::of(any::<i64>()), any::<bool>()), 1..12)
    ) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let db = crate::pilot::open("sqlite::memory:").await;
            db.migrate().await.unwrap();
            let mut tx = db.write().await.unwrap();
            let features: Vec<Value> = homes.iter().map(|(n, (lon, lat, note, big, flag))| {
                let mut more = json!({"service_status": "not_subscribed", "nested": {"flag": flag, "list": [1, null, "x"]}});
                if let Some(note) = note { more["nota"] = json!(note); }
                if let Some(big) = big { more["padron"] = json!(big); }
                home(&household::code("SP", *n), *lon, *lat, &more)
            }).collect();
            let bytes = collection(&features);
            assert_eq!(bring(&mut tx, Kind::Households, "f", &bytes, "2026-07-13").await.unwrap().new, homes.len());
            assert_eq!(bring(&mut tx, Kind::Households, "f", &bytes, "2026-07-14").await.unwrap().unchanged, homes.len());
            let text = export::text(&mut tx, Kind::Households, Some(SAN_PEDRO), Format::Geojson, day("2026-07-13")).await.unwrap();
            let back: Value = serde_json::from_str(&text).unwrap();
            for (sent, back) in features.iter().zip(back["features"].as_array().unwrap()) {
                assert_eq!(sent["geometry"], back["geometry"]);
                for (key, value) in sent["properties"].as_object().unwrap() {
                    assert_eq!(value, &back["properties"][key], "{key}");
                }
            }
            // And the export itself is a file that changes nothing.
            let again = bring(&mut tx, Kind::Households, "f", text.as_bytes(), "2026-07-15").await.unwrap();
            assert_eq!((again.new, again.changed), (0, 0));
            let table = export::text(&mut tx, Kind::Households, Some(SAN_PEDRO), Format::Csv, day("2026-07-13")).await.unwrap();
            assert_eq!(bring(&mut tx, Kind::Households, "f.csv", table.as_bytes(), "2026-07-15").await.unwrap().new, 0);
        });
    }
}
