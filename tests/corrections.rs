//! What is said of one field holds until another value of that field is said, whatever else was written meanwhile; and of a day on which a
//! thing was not there nothing is said.

use crate::on_both_engines;
use crate::places::{TODAY, TOWN, act, bring, codes, day, home, stops, town, written};
use vecino::db::{Db, Tx};
use vecino::sheet::Written;
use vecino::territory::act::{Deed, Parts, Thing};
use vecino::territory::import::{Kind, Outcome};
use vecino::territory::{household, neighbourhood, point, route, segment};

const WHY: Option<&str> = Some("el mapa estaba mal");

async fn correct(tx: &mut Tx, kind: Kind, text: &str) -> Outcome {
    bring(tx, kind, text, TODAY, WHY).await.unwrap()
}

fn lines(outcome: &Outcome) -> Vec<String> {
    outcome.changes.iter().map(|change| change.line()).collect()
}

async fn of_home(tx: &mut Tx, n: usize, on: &str) -> household::Household {
    household::of(tx, TOWN, day(on)).await.unwrap().into_iter().find(|h| h.code == home(n)).unwrap()
}

#[tokio::test]
async fn a_split_a_move_or_a_hint_written_since_does_not_end_what_is_said_of_the_service() {
    on_both_engines!(db => {
        town(&db).await;
        let (how, parts) = (Written::default(), "code;wkt\nS1a;LINESTRING (-91.779 14.962, -91.777 14.962)\nS1b;LINESTRING (-91.777 14.962, -91.775 14.962)\n");
        act(&db, Thing::Segment, Deed::Split { code: "S1", parts: Parts { file: "p.csv", bytes: parts.as_bytes(), written: &how } }, "2026-11-16", WHY).await.unwrap();
        let mut tx = db.write().await.unwrap();
        correct(&mut tx, Kind::Households, &format!("code,hint,valid_from\n{},portón,2026-11-18\n", home(1))).await;
        correct(&mut tx, Kind::Households, &format!("code,segment,valid_from\n{},S2,2026-12-14\n", home(3))).await;
        let text: String = (0..4).map(|n| format!("{},not_subscribed,2026-11-09\n", home(n))).collect();
        let text = format!("code,service_status,valid_from\n{text}");
        let told = correct(&mut tx, Kind::Households, &text).await;
        assert_eq!(told.changed, 4);
        assert_eq!(lines(&told)[0], format!("{}: service_status: «served» → «not_subscribed» from 2026-11-09", home(0)));
        for (on, n) in [("2026-11-08", 20), ("2026-11-09", 16), ("2026-11-16", 16), (TODAY, 16), ("2026-12-21", 16)] {
            assert_eq!(stops(&mut tx, on).await.len(), n, "{on}");
        }
        // What the split, the hint and the move said stands.
        let segments = segment::of(&mut tx, TOWN, day("2026-12-21")).await.unwrap();
        let of = |id| segments.iter().find(|s| Some(s.segment_id) == id).map_or("?", |s| s.code.as_str());
        let mut on = Vec::new();
        for n in 0..4 {
            let home = of_home(&mut tx, n, "2026-12-21").await;
            on.push(format!("{} {}", of(home.segment_id), home.hint.unwrap()));
        }
        assert_eq!(on, ["S1a puerta 0", "S1a portón", "S1b puerta 2", "S2 puerta 3"]);
        let again = correct(&mut tx, Kind::Households, &text).await;
        assert_eq!((again.changed, again.unchanged, again.changes.len()), (0, 4, 0));
    });
}

#[tokio::test]
async fn another_value_of_the_field_ends_it_and_a_dry_run_says_when() {
    on_both_engines!(db => {
        town(&db).await;
        let mut tx = db.write().await.unwrap();
        correct(&mut tx, Kind::Households, &format!("code,service_status,valid_from\n{},no_route,2026-11-16\n", home(0))).await;
        let told = correct(&mut tx, Kind::Households, &format!("code,service_status,hint,valid_from\n{},not_subscribed,esquina,2026-11-09\n", home(0))).await;
        assert_eq!(lines(&told), [
            format!("{}: hint: «puerta 0» → «esquina» from 2026-11-09", home(0)),
            format!("{}: service_status: «served» → «not_subscribed» from 2026-11-09 to 2026-11-15, then «no_route»", home(0)),
        ]);
        let (then, now) = (of_home(&mut tx, 0, "2026-11-15").await, of_home(&mut tx, 0, TODAY).await);
        assert_eq!((then.service_status.as_str(), now.service_status.as_str(), now.hint.as_deref()), ("not_subscribed", "no_route", Some("esquina")));
        // A row that says its own last day ends the thing there.
        let told = correct(&mut tx, Kind::Points, "code,name,valid_from,valid_to\nC1,Kiosco,2026-11-09,2026-11-15\n").await;
        assert!(lines(&told).contains(&"C1: name: «Mercado» → «Kiosco» from 2026-11-09".to_owned()), "{told:?}");
        assert!(lines(&told).contains(&"C1: valid_to: (empty) → «2026-11-15» from 2026-11-09".to_owned()), "{told:?}");
    });
}

#[tokio::test]
async fn so_it_is_for_every_kind_of_thing_and_every_field() {
    on_both_engines!(db => {
        town(&db).await;
        let mut tx = db.write().await.unwrap();
        // Something else of each is said for a later day first; then one field of each is corrected from a day before.
        for (kind, later, earlier) in [
            (Kind::Neighbourhoods, "code,color,valid_from\nN1,azul,2026-11-16\n", "code,name,valid_from\nN1,Mávil Alto,2026-11-09\n"),
            (Kind::Routes, "code;weekdays;stream;valid_from\nR1;mon,thu;mixed;2026-11-16\n", "code;name;stream;window_start;window_end;valid_from\nR1;Eje;organic;07:00;12:00;2026-11-09\n"),
            (Kind::Segments, "code,neighbourhood,valid_from\nS5,N2,2026-11-16\n", "code,route,valid_from\nS5,R1,2026-11-09\n"),
            (Kind::Points, "code,capacity_l,color,valid_from\nC1,900,rojo,2026-11-16\n", "code,route,color,valid_from\nC1,R2,gris,2026-11-09\n"),
        ] {
            correct(&mut tx, kind, later).await;
            let told = correct(&mut tx, kind, earlier).await;
            assert_eq!((told.new, told.changed), (0, 1), "{earlier}");
            assert_eq!(correct(&mut tx, kind, earlier).await.changed, 0, "{earlier}");
        }
        for on in ["2026-11-09", "2026-11-15", "2026-11-16", TODAY] {
            let later = day(on) >= day("2026-11-16");
            let area = neighbourhood::of(&mut tx, TOWN, day(on)).await.unwrap().remove(0);
            assert_eq!((area.name.as_str(), area.properties.get("color").is_some()), ("Mávil Alto", later), "{on}");
            let routes = route::of(&mut tx, TOWN, day(on)).await.unwrap();
            let week: Vec<_> = route::days(&mut tx, TOWN, day(on)).await.unwrap().into_iter().filter(|d| d.route_id == routes[0].route_id).collect();
            assert_eq!((routes[0].name.as_str(), week.len()), ("Eje", if later { 2 } else { 1 }), "{on}");
            assert!(week.iter().all(|d| d.stream == "organic" && d.window_start == "07:00" && d.window_end == "12:00"), "{on}: {week:?}");
            let s5 = segment::of(&mut tx, TOWN, day(on)).await.unwrap().into_iter().find(|s| s.code == "S5").unwrap();
            assert_eq!((s5.route_id == routes[0].route_id, s5.neighbourhood_id != area.neighbourhood_id), (true, later), "{on}");
            assert_eq!(s5, s5.clone().laid_along(&routes[0]), "{on}: it lies along the route of its day");
            let c1 = point::of(&mut tx, TOWN, day(on)).await.unwrap().remove(0);
            assert_eq!((c1.route_id, c1.capacity_l), (Some(routes[1].route_id), later.then_some(900)), "{on}");
            assert_eq!(c1.properties["color"], if later { "rojo" } else { "gris" }, "{on}");
        }
    });
}

#[tokio::test]
async fn a_home_that_is_put_elsewhere_is_met_there_on_every_day() {
    on_both_engines!(db => {
        town(&db).await;
        let mut tx = db.write().await.unwrap();
        // The segment is drawn longer and the home stands farther along from one day on; that it stood there before is said last.
        correct(&mut tx, Kind::Segments, "code,wkt,valid_from\nS2,\"LINESTRING (-91.776 14.962, -91.771 14.962)\",2026-11-16\n").await;
        correct(&mut tx, Kind::Households, &format!("code,lon,lat,valid_from\n{},-91.7750,14.9621,2026-11-16\n", home(0))).await;
        correct(&mut tx, Kind::Households, &format!("code,segment,lon,lat,valid_from\n{},S2,-91.7755,14.9621,2026-11-09\n", home(0))).await;
        let mut met = Vec::new();
        for on in ["2026-11-09", "2026-11-15", "2026-11-16", TODAY] {
            let home = of_home(&mut tx, 0, on).await;
            let segment = segment::of(&mut tx, TOWN, day(on)).await.unwrap().into_iter().find(|s| Some(s.segment_id) == home.segment_id).unwrap();
            assert_eq!(segment.code, "S2", "{on}");
            assert_eq!(home.along_m, segment.lane().meets(geo::Coord { x: home.lon, y: home.lat }).0, "{on}");
            met.push(home.lon);
        }
        assert_eq!(met, [-91.7755, -91.7755, -91.7750, -91.7750]);
    });
}

#[tokio::test]
async fn a_name_given_for_a_later_day_stays_and_the_act_says_so() {
    on_both_engines!(db => {
        town(&db).await;
        for (thing, code) in [(Thing::Neighbourhood, "N1"), (Thing::Route, "R1"), (Thing::Point, "C1")] {
            let (first, later) = (format!("{code} nuevo"), format!("{code} final"));
            let to = format!("{code}-Z");
            act(&db, thing, Deed::Rename { code, name: Some(&later), new: Some(&to) }, "2026-12-10", None).await.unwrap();
            let between = format!("{code}-Y");
            let done = act(&db, thing, Deed::Rename { code, name: Some(&first), new: Some(&between) }, "2026-11-09", WHY).await.unwrap();
            let told: Vec<String> = done.changes.iter().map(|change| change.line()).collect();
            assert!(told[0].contains(&format!("→ «{first}» from 2026-11-09 to 2026-12-09, then «{later}»")), "{told:?}");
            assert!(told[1].contains(&format!("code: «{code}» → «{between}» from 2026-11-09 to 2026-12-09, then «{to}»")), "{told:?}");
            assert!(told.len() == 2 && done.line().contains("renamed from 2026-11-09"), "{}", done.line());
        }
        let mut tx = db.write().await.unwrap();
        for (on, says) in [("2026-11-08", "Mávil"), ("2026-11-09", "N1 nuevo"), ("2026-12-09", "N1 nuevo"), ("2026-12-10", "N1 final")] {
            assert_eq!(neighbourhood::of(&mut tx, TOWN, day(on)).await.unwrap()[0].name, says, "{on}");
        }
    });
}

#[tokio::test]
async fn a_line_drawn_for_a_later_day_stays_when_others_come_to_it_before() {
    on_both_engines!(db => {
        town(&db).await;
        let mut tx = db.write().await.unwrap();
        bring(&mut tx, Kind::Segments, "code,wkt,valid_from\nS1,\"LINESTRING (-91.7792 14.962, -91.771 14.962)\",2026-12-07\n", TODAY, None).await.unwrap();
        tx.commit().await.unwrap();
        let done = act(&db, Thing::Segment, Deed::Merge { into: "S1", codes: &codes(&["S2"]) }, "2026-11-16", WHY).await.unwrap();
        assert!(done.warnings.len() == 1 && done.warnings[0].contains("«S1» was drawn anew for 2026-12-07"), "{:?}", done.warnings);
        let mut tx = db.write().await.unwrap();
        for (on, pieces) in [("2026-11-16", 2), ("2026-12-06", 2), ("2026-12-07", 1)] {
            let s1 = segment::of(&mut tx, TOWN, day(on)).await.unwrap().into_iter().find(|s| s.code == "S1").unwrap();
            assert_eq!(s1.lines().len(), pieces, "{on}");
            let met = of_home(&mut tx, 5, on).await;
            assert_eq!((met.segment_id, met.along_m), (Some(s1.segment_id), s1.lane().meets(geo::Coord { x: met.lon, y: met.lat }).0), "{on}");
        }
    });
}

/// Refused in one line that says all of `words`, with nothing changed.
async fn refused(db: &Db, what: &str, asked: impl AsyncFnOnce() -> vecino::error::Error, words: &[&str]) {
    let before = written(db).await;
    let error = asked().await;
    assert_eq!(error.lines.len(), 1, "{what}: {error}");
    for word in words {
        assert!(error.lines[0].contains(word), "{what}: «{error}» does not say {word}");
    }
    assert_eq!(written(db).await, before, "{what}");
}

#[tokio::test]
async fn of_a_day_before_a_thing_was_there_nothing_is_said() {
    on_both_engines!(db => {
        town(&db).await;
        let own = home(0);
        let things = [
            (Kind::Neighbourhoods, Thing::Neighbourhood, "N1", "name,Otro"),
            (Kind::Routes, Thing::Route, "R1", "name,Otro"),
            (Kind::Segments, Thing::Segment, "S1", "color,rojo"),
            (Kind::Points, Thing::Point, "C1", "name,Otro"),
            (Kind::Households, Thing::Household, own.as_str(), "hint,otra"),
        ];
        for (kind, thing, code, told) in things {
            let (field, value) = told.split_once(',').unwrap();
            for (from, words) in [
                ("2026-11-01", &[code, "is there from 2026-11-02 on", "give a day from then on"][..]),
                ("1926-11-20", &["1926-11-20", "mend the year"]),
                ("2926-11-20", &["2926-11-20", "mend the year"]),
                ("9999-12-31", &["9999-12-31", "mend the year"]),
            ] {
                for why in [None, WHY] {
                    let text = format!("code,{field},valid_from\n{code},{value},{from}\n");
                    let brought = async || bring(&mut db.write().await.unwrap(), kind, &text, TODAY, why).await.unwrap_err();
                    refused(&db, &text, brought, words).await;
                }
                let also = codes(&[if thing == Thing::Household { "SP-0001-X" } else { "R2" }]);
                let parts = Parts { file: "p.csv", bytes: b"code\nA\nB\n", written: &Written::default() };
                for deed in [
                    Deed::Retire { codes: &codes(&[code]), with_homes: true },
                    Deed::Rename { code, name: Some("Otro"), new: Some("OTRO-9") },
                    Deed::Merge { into: code, codes: &also },
                    Deed::Split { code, parts },
                ] {
                    let members = matches!(deed, Deed::Merge { .. } | Deed::Split { .. });
                    if members && matches!(thing, Thing::Point | Thing::Household) {
                        continue;
                    }
                    refused(&db, &format!("{code} {from}"), async || act(&db, thing, deed, from, WHY).await.unwrap_err(), words).await;
                }
            }
            let text = format!("code,valid_to\n{code},9999-12-31\n");
            let brought = async || bring(&mut db.write().await.unwrap(), kind, &text, TODAY, None).await.unwrap_err();
            refused(&db, &text, brought, &["valid_to 9999-12-31", "mend the year", "leave it empty"]).await;
        }
    });
}
