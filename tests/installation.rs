//! What belongs to the installation: where a pilot runs, which codes its homes get, and what stands over what ships.

use crate::on_both_engines;
use crate::program::{refused, vecino};
use crate::sign_in::{ask, house};
use crate::street::{self, TOWN};
use axum::body::Body;
use axum::http::{Request as Asked, header};
use chrono::NaiveDate;
use serde_json::json;
use std::collections::BTreeSet;
use vecino::account::Role;
use vecino::account::access::Routes;
use vecino::account::admission::Transport;
use vecino::account::token::{self, NewToken};
use vecino::clock::at_local;
use vecino::id::{Mint, MunicipalityId};
use vecino::map;
use vecino::observation::operation::Status;
use vecino::observation::receive::receive;
use vecino::sheet::Written;
use vecino::territory::import::{self, Kind, Request};
use vecino::territory::{codes, household, municipality, pilot};
use vecino::{all, one, run, web};

const CUCHO: MunicipalityId = MunicipalityId(1225);

fn day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, 23).unwrap()
}

#[tokio::test]
async fn a_pilot_is_set_by_a_command_or_a_table_and_says_what_follows() {
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        let now = at_local(day(), 9, 0);
        let ask = pilot::Ask { on: true, sender: Some("Muni Cucho".into()), collection_model: None };
        let standing = pilot::set(&mut tx, CUCHO, ask.clone(), now, day()).await.unwrap();
        assert!(standing.changed && standing.pilot);
        assert_eq!(standing.first_publication, NaiveDate::from_ymd_opt(2026, 12, 2).unwrap());
        assert!(standing.lines().contains("on 02/12/2026") && standing.lines().contains("Still missing: an outline"), "{}", standing.lines());
        assert!(!pilot::set(&mut tx, CUCHO, ask, now, day()).await.unwrap().changed, "the same again changes nothing");
        let (entries,): (i64,) = one!(tx, "SELECT COUNT(*) FROM audit_entry WHERE municipality_id = $1 AND action = 'pilot'", CUCHO).unwrap();
        assert_eq!(entries, 1);
        let long = pilot::Ask { on: true, sender: Some("Municipalidad de Cucho".into()), collection_model: None };
        assert!(pilot::set(&mut tx, CUCHO, long, now, day()).await.unwrap_err().lines[0].contains("at most 16 characters"));
        let written = Written::default();
        // A table without geometry says only what it says.
        let table = |bytes: &'static [u8]| Request {
            kind: Kind::Municipalities, file: "m.csv", bytes, municipality: None, repair: false, now, from: day(), reason: None, actor: "test", written: &written };
        let done = import::file(&mut tx, &mut Mint::system(), &table(b"code,pilot\n1225,no\n1226,yes\n")).await.unwrap();
        assert_eq!(done.changed, 2);
        let (cucho, other) = (municipality::find(&mut tx, CUCHO).await.unwrap(), municipality::find(&mut tx, MunicipalityId(1226)).await.unwrap());
        assert_eq!((cucho.pilot, cucho.sender.as_deref(), other.pilot), (false, Some("Muni Cucho"), true));
        let bad = import::file(&mut tx, &mut Mint::system(), &table("code,sender\n1226,“Sipacapa”\n".as_bytes())).await.unwrap_err();
        assert!(bad.lines[0].contains("not in the SMS alphabet"), "{:?}", bad.lines);
    });
}

#[tokio::test]
async fn a_mayor_is_promised_only_what_will_come() {
    on_both_engines!(db => {
        let app = house(db, at_local(day(), 9, 0)).await;
        let mut tx = app.db.write().await.unwrap();
        let new = NewToken { role: Role::Mayor, municipality: Some(TOWN), operator: None, device: None, name: "mayor".into(), expires_at: None };
        token::create(&mut tx, app.clock.now(), "mayor".into(), new).await.unwrap();
        tx.commit().await.unwrap();
        let router = web::app_with(app.clone(), map::routes(Routes::default()), Transport::default());
        let page = async || {
            let request = Asked::get("/map/1202").header(header::AUTHORIZATION, "Bearer mayor").header(header::ACCEPT, "text/html");
            ask(&router, request.body(Body::empty()).unwrap()).await.body
        };
        let said = page().await;
        assert!(said.contains("Aún no se ha observado ninguna recolección") && !said.contains("La primera sale el"), "{said}");
        let mut tx = app.db.write().await.unwrap();
        run!(tx, "UPDATE municipality SET pilot = $2 WHERE municipality_id = $1", TOWN, false).unwrap();
        tx.commit().await.unwrap();
        let said = page().await;
        assert!(said.contains("no hay piloto") && !said.contains("miércoles"), "{said}");
    });
}

#[tokio::test]
async fn a_code_is_given_once() {
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        municipality::ensure_catalogue(&mut tx).await.unwrap();
        let place = municipality::find(&mut tx, CUCHO).await.unwrap();
        let now = at_local(day(), 9, 0);
        let first = codes::give(&mut tx, &place, 30, now).await.unwrap();
        assert!(first.iter().all(|code| household::is_code(code) && code.starts_with("SA-")));
        // A home that got its code elsewhere, in the register's own spelling, has it too.
        let taken = codes::give(&mut tx, &place, 1, now).await.unwrap().remove(0);
        run!(tx, "DELETE FROM household_code_given WHERE municipality_id = $1 AND code = $2", CUCHO, &taken).unwrap();
        let own = taken.replace('-', "").to_lowercase();
        run!(tx, "INSERT INTO household (municipality_id, household_id, code) VALUES ($1, $2, $3)", CUCHO, uuid::Uuid::now_v7(), own).unwrap();
        let second = codes::give(&mut tx, &place, 30, now).await.unwrap();
        let all: BTreeSet<&String> = first.iter().chain(&second).chain([&taken]).collect();
        assert_eq!(all.len(), 61, "none twice");
        for count in [0, codes::MOST + 1] {
            assert!(codes::give(&mut tx, &place, count, now).await.is_err());
        }
        let kept: Vec<(String,)> = all!(tx, "SELECT code FROM household_code_given WHERE municipality_id = $1", CUCHO).unwrap();
        assert_eq!(kept.len(), 60);
    });
}

#[tokio::test]
async fn a_home_is_known_by_its_code_in_any_spelling() {
    on_both_engines!(db => {
        let street = street::lay(&db, day(), 4, 2, "mixed").await;
        let written = ["sp-0000-x", "sp 0001 x", "sp0002x", " SP–0003–X "];
        let ops: Vec<_> = written.iter().enumerate().map(|(home, code)| street.op("observation", home, "07:00:00", json!({"set_out": "no", "household": code}))).collect();
        let noon = at_local(day(), 12, 0);
        let answer = receive(&db, noon, &street.phones[0], &street.batch(&ops)).await.unwrap();
        assert!(answer.results.iter().all(|result| result.status == Status::Stored), "{:?}", answer.results);
        let mut tx = db.read().await.unwrap();
        for (home, code) in written.iter().enumerate() {
            let found = household::find(&mut tx, TOWN, code).await.unwrap();
            assert_eq!(found, Some(street.homes[home].clone()), "{code}: the register's own spelling is answered");
        }
        let (rows,): (i64,) = one!(tx, "SELECT COUNT(DISTINCT household_id) FROM observation WHERE municipality_id = $1", TOWN).unwrap();
        assert_eq!(rows, 4);
        let unknown = street.op("observation", 0, "07:01:00", json!({"set_out": "no", "household": "sp 9999 z"}));
        drop(tx);
        let answer = receive(&db, noon, &street.phones[0], &street.batch(&[unknown])).await.unwrap();
        assert_eq!(answer.results[0].code, Some("household-unknown"));
    });
}

#[test]
fn own_files_stand_over_what_ships_and_a_broken_one_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert_eq!(vecino(folder, &["init"]).code, 0);
    let wordings = folder.join("wordings/es");
    let shipped = vecino(folder, &["wordings", "check"]);
    assert_eq!(vecino(folder, &["wordings", "export"]).code, 0);
    assert_eq!(vecino(folder, &["wordings", "check"]).out, shipped.out, "what is written out is what ships");
    std::fs::write(wordings.join("reminder_day.txt"), "{{ remite }}: mañana.\n{{ salir }}").unwrap();
    let said = vecino(folder, &["wordings", "export"]).out;
    assert!(said.contains("0 texts written") && std::fs::read_to_string(wordings.join("reminder_day.txt")).unwrap().contains("mañana"), "{said}");
    assert_ne!(vecino(folder, &["wordings", "check"]).out, shipped.out);
    std::fs::write(wordings.join("reminder_day.txt"), "{{ remite }}:\n{{ hoy }}\n{{ salir }}").unwrap();
    for command in [&["wordings", "check"][..], &["serve", "--listen", "127.0.0.1:0"], &["campaign", "send"]] {
        refused(folder, command, &["wordings/es/reminder_day.txt:2", "«hoy» is not a placeholder; use remite"]);
    }
    std::fs::remove_dir_all(folder.join("wordings")).unwrap();
    std::fs::write(folder.join("programme-targets.csv"), "indicator,valid_from,value\nwork,2026-01-01,77\n").unwrap();
    let said = vecino(folder, &["registry", "indicators"]).out;
    assert!(said.contains("0 of 77") && said.contains("0 of 30000"), "{said}");
    std::fs::remove_file(folder.join("programme-targets.csv")).unwrap();
    let said = vecino(folder, &["registry", "indicators"]).out;
    assert!(said.contains("0 of 5000"), "what ships is the default again: {said}");
    std::fs::write(folder.join("programme-targets.csv"), "indicator,valid_from,value\nwork,soon,77\n").unwrap();
    for command in [&["registry", "indicators"][..], &["serve", "--listen", "127.0.0.1:0"]] {
        refused(folder, command, &["programme-targets.csv:2", "write it like 2026-07-13"]);
    }
    std::fs::remove_file(folder.join("programme-targets.csv")).unwrap();
    let lake = r#"{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"name":"Laguna"},"geometry":{"type":"Polygon","coordinates":[[[-91.787,14.904],[-91.785,14.904],[-91.785,14.906],[-91.787,14.906],[-91.787,14.904]]]}}]}"#;
    std::fs::create_dir(folder.join("lakes")).unwrap();
    std::fs::write(folder.join("lakes/1225.geojson"), lake).unwrap();
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/example");
    assert_eq!(vecino(folder, &["geo", "import", "municipalities", &format!("{example}/municipality.geojson")]).code, 0);
    let home = folder.join("home.csv");
    std::fs::write(&home, "code,lon,lat\nsa 1225 d,-91.786,14.905\n").unwrap();
    let home = home.display().to_string();
    refused(folder, &["geo", "import", "households", &home, "--municipality", "1225"], &["household «SA-1225-D»", "in the lake (Laguna)"]);
    std::fs::write(folder.join("lakes/1225.geojson"), "{").unwrap();
    for command in [&["geo", "import", "households", &home, "--municipality", "1225"][..], &["serve", "--listen", "127.0.0.1:0"]] {
        refused(folder, command, &["lakes/1225.geojson"]);
    }
}
