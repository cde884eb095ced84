//! Files as offices write them: however a table is saved, the same cells and the row numbers a spreadsheet shows.

use crate::on_both_engines;
use crate::program::{refused, vecino};
use chrono::NaiveDate;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;
use vecino::clock::at_local;
use vecino::db::Tx;
use vecino::error::Result;
use vecino::estimate::trials::recorded;
use vecino::id::{Mint, MunicipalityId};
use vecino::registry::table;
use vecino::sheet::columns::{Column, Known, known};
use vecino::sheet::{Encoding, Sheet, Written};
use vecino::territory::import::{self, Kind, Outcome, Request};
use vecino::territory::{Shipped, neighbourhood, point, route, street};
use vecino_estimate::run::run as estimate;

const SAN_PEDRO: MunicipalityId = MunicipalityId(1202);

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// A small input that once failed, when the reference is here.
fn fault(name: &str) -> Option<Vec<u8>> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = ["../shared", "../../shared"].iter().map(|up| root.join(up).join("reference/faults").join(name)).find(|path| path.exists());
    if found.is_none() {
        crate::pilot::left_out(&format!("{name}: the reference of faults is not here"));
    }
    found.map(|path| std::fs::read(path).unwrap())
}

async fn bring_as(tx: &mut Tx, kind: Kind, file: &str, bytes: &[u8], repair: bool, written: &Written) -> Result<Outcome> {
    let from = day("2026-11-23");
    let request =
        Request { kind, file, bytes, municipality: Some(SAN_PEDRO), repair, now: at_local(from, 9, 0), from, reason: None, actor: "test", written };
    import::file(tx, &mut Mint::system(), &request).await
}

async fn bring(tx: &mut Tx, kind: Kind, file: &str, bytes: &[u8]) -> Result<Outcome> {
    bring_as(tx, kind, file, bytes, false, &Written::default()).await
}

async fn town(tx: &mut Tx) {
    for (kind, name) in
        [(Kind::Municipalities, "municipality"), (Kind::Neighbourhoods, "neighbourhoods"), (Kind::Routes, "routes"), (Kind::Segments, "segments")]
    {
        let file = format!("1202/{name}.geojson");
        bring(tx, kind, &file, &Shipped::get(&file).unwrap().data).await.unwrap();
    }
}

fn named(code: &str, theirs: &str) -> Written {
    Written { encoding: None, columns: vec![(code.into(), theirs.into())] }
}

fn utf16(text: &str, little: bool, mark: bool) -> Vec<u8> {
    let units = mark.then_some(0xFEFF).into_iter().chain(text.encode_utf16());
    units.flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
}

#[tokio::test]
async fn points_come_in_from_every_form_a_spreadsheet_saves() {
    let plain = "code,name,kind,lon,lat\nBIN-1,Contenedor Ñ,container,-91.7765,14.966\nBIN-2,Contenedor B,container,-91.7763,14.9662\n";
    let semi =
        "Código;Nombre;TIPO;Longitud;Latitud\r\nBIN-1;Contenedor Ñ;container;-91,7765;14,966\r\nBIN-2;Contenedor B;container;-91,7763;14,9662\r\n";
    let tab = plain.replace(',', "\t");
    let latin = encoding_rs::WINDOWS_1252.encode(plain).0.into_owned();
    let asked = Written { encoding: Some(Encoding::Windows1252), columns: vec![] };
    let files: Vec<(&str, Vec<u8>, Written)> = vec![
        ("comma", plain.into(), Written::default()),
        ("semicolon, decimal comma, Spanish", semi.into(), Written::default()),
        ("tab", tab.clone().into(), Written::default()),
        ("sep", format!("sep=;\r\n{semi}").into(), Written::default()),
        ("mark", format!("\u{feff}{semi}").into(), Written::default()),
        ("UTF-16 LE", utf16(&tab, true, true), Written::default()),
        ("UTF-16 BE", utf16(semi, false, true), Written::default()),
        ("UTF-16 LE without a mark", utf16(&tab, true, false), Written::default()),
        ("Windows-1252", latin, asked),
        ("carriage returns", plain.replace('\n', "\r").into(), Written::default()),
        ("id", plain.replace("code", "Id de punto").into(), named("code", "ID DE PUNTO")),
        (
            "geometry",
            plain
                .replace("lon,lat", "wkt")
                .replace(",-91.7765,14.966", ",PointZ (-91.7765 14.966 0)")
                .replace(",-91.7763,14.9662", ",POINT (-91.7763 14.9662)")
                .into(),
            Written::default(),
        ),
    ];
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        town(&mut tx).await;
        for (name, bytes, written) in &files {
            let done = bring_as(&mut tx, Kind::Points, "p.csv", bytes, false, written).await;
            let done = done.unwrap_or_else(|error| panic!("{name}: {error}"));
            let wanted = if *name == "comma" { (2, 0) } else { (0, 2) };
            assert_eq!((done.new, done.unchanged), wanted, "{name}: {done:?}");
            assert_eq!(done.warnings.iter().any(|line| line.contains("Windows-1252")), *name == "Windows-1252", "{name}: {:?}", done.warnings);
        }
        let of: Vec<_> = point::of(&mut tx, SAN_PEDRO, day("2026-11-23")).await.unwrap();
        assert_eq!(of.iter().map(|p| (p.name.as_str(), p.lon, p.lat)).collect::<Vec<_>>(), [("Contenedor Ñ", -91.7765, 14.966), ("Contenedor B", -91.7763, 14.9662)]);
        // Windows-1252 that nobody asked for is named with its flag, and with what the letters would be.
        let error = bring(&mut tx, Kind::Points, "p.csv", &files[8].1).await.unwrap_err().to_string();
        for word in ["row 2", "Windows-1252", "«Ñ»", "--encoding windows-1252"] {
            assert!(error.contains(word), "{error}");
        }
        let error = bring_as(&mut tx, Kind::Points, "p.csv", plain.as_bytes(), false, &files[8].2).await.unwrap_err().to_string();
        assert!(error.contains("is UTF-8, not Windows-1252"), "{error}");
    });
}

#[tokio::test]
async fn faults_of_files_with_places_have_their_right_values() {
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        town(&mut tx).await;
        for (name, kind, new) in [("csv/g_blank.csv", Kind::Points, 2), ("csv/g_title.csv", Kind::Points, 0), ("csv/g_upper.csv", Kind::Points, 0), ("geo/upper.geojson", Kind::Neighbourhoods, 1)] {
            let Some(bytes) = fault(name) else { continue };
            let done = bring(&mut tx, kind, name, &bytes).await.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(done.new, new, "{name}: {done:?}");
        }
        if let Some(bytes) = fault("geo/upper.geojson") {
            let stored = neighbourhood::of(&mut tx, SAN_PEDRO, day("2026-11-23")).await.unwrap();
            assert!(!bytes.is_empty() && stored.iter().any(|n| n.code == "N-10" && n.name == "Mayúsculas"));
        }
        tx.commit().await.unwrap();
        if let Some(bytes) = fault("csv/g_crlf2.csv") {
            let mut tx = db.write().await.unwrap();
            let error = bring(&mut tx, Kind::Points, "g.csv", &bytes).await.unwrap_err();
            assert!(error.lines.iter().any(|l| l.starts_with("g.csv: row 3: ") && l.contains("«abc»")), "{error}");
            assert!(error.lines.iter().any(|l| l.starts_with("g.csv: row 4: 6 cells where the header has 5")), "{error}");
            assert_eq!(error.lines.len(), 2, "{error}");
        }
        if let Some(bytes) = fault("geo/nullgeom.geojson") {
            let report = vecino::territory::check::inspect(&bytes);
            assert!(report.problems.iter().any(|p| p.code == "null-geometry" && p.path == "features[1].geometry"), "{:?}", report.problems);
            let mut tx = db.write().await.unwrap();
            let error = bring(&mut tx, Kind::Neighbourhoods, "n.geojson", &bytes).await.unwrap_err().to_string();
            assert!(error.contains("feature 1") && error.contains("missing"), "{error}");
        }
        if let Some(bytes) = fault("geo/bowtie.geojson") {
            let mut tx = db.write().await.unwrap();
            let done = bring_as(&mut tx, Kind::Neighbourhoods, "b.geojson", &bytes, true, &Written::default()).await.unwrap();
            assert!(done.warnings.iter().any(|w| w.contains("2 part(s)")) && done.warnings.iter().all(|w| !w.contains("inf") && !w.contains("NaN")), "{:?}", done.warnings);
        }
    });
}

#[test]
fn faults_of_files_with_people_have_their_right_values() {
    let read = |name: &str| fault(name).map(|bytes| (table::read("p.csv", &bytes, &Written::default(), day("2026-11-23"), |_| 0), bytes));
    for name in ["csv/p_semi.csv", "csv/p_tab.csv", "csv/p_blank.csv"] {
        let Some((read, _)) = read(name) else { continue };
        let read = read.unwrap_or_else(|error| panic!("{name}: {error}"));
        let people: Vec<_> =
            read.entries.iter().map(|(row, entry)| (*row, entry.person.given_names.as_str(), entry.person.surnames.as_str())).collect();
        assert_eq!(people, [(2, "Ana Lucía", "Muñoz Ñíguez"), (3, "José Ángel", "Batz Cojtí")], "{name}");
        assert!(read.warnings.is_empty(), "{:?}", read.warnings);
    }
    for (name, rows) in
        [("csv/p_crlf2.csv", &["p.csv:3: cui", "p.csv:4: 2 cells where the header has 3"][..]), ("csv/p_blankline.csv", &["p.csv:4: cui"])]
    {
        let Some((read, _)) = read(name) else { continue };
        let error = read.err().unwrap();
        for row in rows {
            assert!(error.lines.iter().any(|line| line.starts_with(row)), "{name}: {row}: {error}");
        }
        assert_eq!(error.lines.len(), rows.len(), "{error}");
    }
    if let Some((read, _)) = read("csv/p_yes.csv") {
        assert!(read.unwrap().entries.iter().all(|(_, entry)| entry.consent_messages));
    }
    if let Some((read, _)) = read("csv/p_dates.csv") {
        // Rows 2 to 4 and 7 are days, 11 is an age; the others are none of the forms, or no day that was.
        let said = read.err().unwrap().lines.join("\n");
        assert!(said.starts_with("p.csv:5, 6, 8, 9, 12: birth_date"), "{said}");
        assert!(said.contains("p.csv:10: birth_date: this birth date makes the person older than anybody"), "{said}");
    }
    let spanish = "Nombres;Apellidos;DPI;Sexo;Fecha de nacimiento;Idioma;Parentesco;Consentimiento de mensajes;Hogar;Teléfono\r\n\
        Ana;Tzoc;;Femenino;3/5/1990;Español;Jefa de hogar;SÍ;sp-0001-x;5555 0101\r\n";
    let read = table::read("p.csv", spanish.as_bytes(), &Written::default(), day("2026-11-23"), |_| 0).unwrap_or_else(|error| panic!("{error}"));
    let entry = &read.entries[0].1;
    assert_eq!((entry.person.birth.date, entry.consent_messages, entry.household.as_str()), (Some(day("1990-05-03")), true, "SP-0001-X"));
    assert_eq!(
        (entry.person.sex, entry.relation, entry.person.language.name()),
        (vecino::registry::person::Sex::Female, vecino::registry::membership::Relation::Head, "es")
    );
    // A name that nothing knows is told by its letter: it may be a person's.
    let error = table::read("p.csv", b"Nombres,Kanary\nAna,Tzoc\n", &Written::default(), day("2026-11-23"), |_| 0).err().unwrap();
    assert!(
        error.lines.iter().any(|l| l.contains("column B"))
            && error.lines.iter().any(|l| l.contains("no column surnames; the file has given_names (A)")),
        "{error}"
    );
    assert!(!error.to_string().contains("Kanary"));
    assert_eq!(
        table::read("p.csv", b"Nombres,Kanary\nAna,Tzoc\n", &named("surnames", "kanary"), day("2026-11-23"), |_| 0)
            .unwrap_or_else(|e| panic!("{e}"))
            .entries
            .len(),
        1
    );
}

#[tokio::test]
async fn what_cannot_be_right_is_refused_or_told() {
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        town(&mut tx).await;
        tx.commit().await.unwrap();
        let line = |code: &str, coordinates: Value| json!({"type": "Feature", "properties": {"code": code, "name": "Calle", "class": "residential"}, "geometry": {"type": "LineString", "coordinates": coordinates}});
        let streets = |features: &[Value]| json!({"type": "FeatureCollection", "features": features}).to_string().into_bytes();
        let here = line("a", json!([[-91.77, 14.965], [-91.771, 14.966]]));
        for (bytes, words) in [
            (streets(&[here.clone(), line("b", json!([[-99.13, 19.43], [-99.14, 19.44]]))]), &["feature 1", "km outside San Pedro", "--municipality"][..]),
            (streets(&[here.clone(), line("c", json!([[-91.77, 14.965], [-91.77, 14.965]]))]), &["feature 1", "no length"]),
        ] {
            let mut tx = db.write().await.unwrap();
            let error = bring(&mut tx, Kind::Streets, "s.geojson", &bytes).await.unwrap_err().to_string();
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        }
        let mut tx = db.write().await.unwrap();
        let spoilt = "code,name,kind,lon,lat\nB1,MarÃ\u{AD}a JosÃ©,container,-91.7765,14.966\n";
        let done = bring(&mut tx, Kind::Points, "p.csv", spoilt.as_bytes()).await.unwrap();
        assert!(done.warnings.iter().any(|w| w.contains("row 2") && w.contains("«María José» was probably meant")), "{:?}", done.warnings);
        for (rows, words) in [
            ("B2,Mar\u{FFFD}a,container,-91.7765,14.966\n", &["row 2", "U+FFFD"][..]),
            ("Ñ-1,x,container,-91.7765,14.966\nN\u{303}-1,y,container,-91.7765,14.966\n", &["row 3", "«Ñ-1»", "«N\u{303}-1»", "accents"]),
            ("b1,x,container,-91.7765,14.966\n", &["row 2", "«b1»", "«B1»", "stored here"]),
            ("B3,x,container,14.966,-91.7765\n", &["row 2", "latitude, longitude"]),
            ("B3,\"x,container,-91.7765,14.966\n", &["row 2", "quotation mark"]),
        ] {
            let error = bring(&mut tx, Kind::Points, "p.csv", format!("code,name,kind,lon,lat\n{rows}").as_bytes()).await.unwrap_err().to_string();
            assert!(words.iter().all(|word| error.contains(word)), "{rows}: {error}");
        }
        // One line a problem and column, with its count and the first places; the columns there are, where one is missing.
        let many: String = (0..40).map(|n| format!("C{n},container,R{n},-91.7765,14.966\n")).collect();
        let error = bring(&mut tx, Kind::Points, "p.csv", format!("code,kind,route,lon,lat\n{many}").as_bytes()).await.unwrap_err();
        assert_eq!(error.lines.len(), 1, "{error}");
        assert!(error.lines[0].starts_with("p.csv: row 2, 11, 12, 13, 14 and 27 more: route «R0», «R9», «R10» … does not exist"), "{error}");
        let error = bring(&mut tx, Kind::Points, "p.csv", b"id,tipo,lon,lat\n1,container,-91.7765,14.966\n2,container,-91.7765,14.966\n").await.unwrap_err();
        assert_eq!(error.lines.len(), 1);
        for word in ["row 2, 3: ", "«code» is missing", "«id», «kind», «lon», «lat»", "--column code=NAME"] {
            assert!(error.lines[0].contains(word), "{error}");
        }
    });
}

#[tokio::test]
async fn layers_of_ogr2ogr_and_qgis_come_in() {
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        town(&mut tx).await;
        let crs = |name: &str| json!({"type": "name", "properties": {"name": name}});
        let route = |crs: Value, properties: Value| json!({"type": "FeatureCollection", "name": "rutas", "crs": crs, "features": [
            {"type": "Feature", "id": 7, "properties": properties, "geometry": {"type": "LineString", "coordinates": [[-91.77, 14.965, 2330.5], [-91.771, 14.966, 2331.0]]}}
        ]}).to_string().into_bytes();
        let properties = json!({"CODIGO": 101.0, "NOMBRE": "Ruta céntrica", "OPERADOR": "MUNI", "Días": "Lunes y jueves", "FLUJO": "mixed", "hora_inicio": "06:00:00", "HORA_FIN": "11:00", "FID": 3, "OBS": null});
        let done = bring(&mut tx, Kind::Routes, "r.geojson", &route(crs("urn:ogc:def:crs:OGC:1.3:CRS84"), properties.clone())).await.unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(done.new, 1, "{:?}", done.warnings);
        let stored = route::of(&mut tx, SAN_PEDRO, day("2026-11-23")).await.unwrap().into_iter().find(|r| r.code == "101").unwrap();
        assert_eq!((stored.name.as_str(), &stored.properties["OBS"], &stored.properties["FID"]), ("Ruta céntrica", &Value::Null, &json!(3)));
        let days: Vec<i16> = route::days(&mut tx, SAN_PEDRO, day("2026-11-23")).await.unwrap().into_iter().filter(|d| d.route_id == stored.route_id).map(|d| d.weekday).collect();
        assert_eq!(days, [1, 4]);
        let error = bring(&mut tx, Kind::Routes, "r.geojson", &route(crs("urn:ogc:def:crs:EPSG::32615"), properties)).await.unwrap_err().to_string();
        assert!(error.contains("EPSG::32615") && error.contains("ogr2ogr"), "{error}");
        let bytes = utf16(r#"{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"Nombre":"4ª calle","clase":"residential"},"geometry":{"type":"LineString","coordinates":[[-91.77,14.965],[-91.771,14.966]]}}]}"#, true, true);
        let done = bring(&mut tx, Kind::Streets, "s.geojson", &bytes).await.unwrap_or_else(|e| panic!("{e}"));
        assert!(done.new == 1 && done.warnings.iter().any(|w| w.contains("UTF-16")), "{done:?}");
        assert!(street::of(&mut tx, SAN_PEDRO).await.unwrap().iter().any(|s| s.name == "4ª calle" && s.class == "residential"));
    });
}

#[test]
fn estimates_read_what_a_spreadsheet_saves_and_take_their_words_in_any_case() {
    let folder = tempfile::tempdir().unwrap();
    let mut answers = BTreeSet::new();
    let comma: String = std::iter::once("seg,arm,y,año\n".to_owned())
        .chain((0..400).map(|i| format!("s{},{},{}.5,{}\n", i % 20, if i % 20 < 10 { "ctl" } else { "norma" }, (i * 7) % 11, i % 3)))
        .collect();
    let semi = comma.replace(',', ";").replace('.', ",");
    let latin = encoding_rs::WINDOWS_1252.encode(&semi).0.into_owned();
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("comma.csv", comma.clone().into()),
        ("semi.csv", semi.clone().into()),
        ("tab.tsv", semi.replace(';', "\t").into()),
        ("sep.csv", format!("sep=;\r\n{}", semi.replace('\n', "\r\n")).into()),
        ("mark.csv", format!("\u{feff}{semi}").into()),
        ("wide.csv", utf16(&semi, true, true)),
        ("bare.csv", utf16(&comma, false, false)),
        ("returns.csv", comma.replace('\n', "\r").into()),
        ("blank.csv", format!("{}{}", comma.replace("\ns0,", "\n,,,\n\ns0,"), ",,,\n".repeat(9)).into()),
        ("latin.csv", latin),
    ];
    for (name, bytes) in &files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
        let mut spec = json!({"data": name, "method": "OLS", "formula": "y ~ arm + año", "cluster": "seg", "vcov": "CR1", "df": "Residual"});
        if *name == "latin.csv" {
            let refused = estimate(&[spec.clone()], folder.path(), &recorded).unwrap().remove(0).unwrap_err();
            assert!(refused.contains("--encoding windows-1252"), "{refused}");
            spec["encoding"] = json!("Windows-1252");
        }
        let answer = estimate(&[spec], folder.path(), &recorded).unwrap().remove(0).unwrap_or_else(|reason| panic!("{name}: {reason}"));
        let answer = answer.json();
        assert_eq!((&answer["n"], &answer["dropped"]), (&json!(400), &json!(0)), "{name}");
        answers.insert(answer.to_string());
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
    // Numbers with a sign for thousands are no names of groups.
    std::fs::write(folder.path().join("thousands.csv"), "y;x;z\n1;1.234,5;7\n2;2.345,5;8\n3;1.234,5;9\n4;2.345,5;x\n").unwrap();
    let refused =
        estimate(&[json!({"data": "thousands.csv", "method": "ols", "formula": "y ~ x"})], folder.path(), &recorded).unwrap().remove(0).unwrap_err();
    assert!(refused.contains("thousands.csv: column `x`") && refused.contains("«1.234,5»") && refused.contains("1234,5"), "{refused}");
    let few: String = (0..60).map(|n| format!("{n},{}\n", if n == 40 { "s/d".to_owned() } else { format!("{}", n % 4) })).collect();
    std::fs::write(folder.path().join("few.csv"), format!("y,x\n{few}")).unwrap();
    let answer = estimate(&[json!({"data": "few.csv", "method": "ols", "formula": "y ~ x"})], folder.path(), &recorded).unwrap().remove(0).unwrap();
    assert!(answer.warnings.iter().any(|w| w.contains("`x`") && w.contains("1 of 60") && w.contains("s/d")), "{:?}", answer.warnings);
    std::fs::write(folder.path().join("both.csv"), "y;x\n0,5;1\n1.5;2\n2,5;3\n").unwrap();
    let refused =
        estimate(&[json!({"data": "both.csv", "method": "ols", "formula": "y ~ x"})], folder.path(), &recorded).unwrap().remove(0).unwrap_err();
    assert!(refused.contains("`y`") && refused.contains("decimal comma"), "{refused}");
    if let (Some(semi), Some(_)) = (fault("estimate/semi.csv"), fault("estimate/armNA.csv")) {
        std::fs::write(folder.path().join("s.csv"), &semi).unwrap();
        std::fs::write(folder.path().join("c.csv"), String::from_utf8(semi).unwrap().replace(';', ",")).unwrap();
        let of = |name: &str| {
            estimate(&[json!({"data": name, "method": "ols", "formula": "edad ~ x + arm", "cluster": "seg"})], folder.path(), &recorded)
                .unwrap()
                .remove(0)
                .unwrap()
                .json()
        };
        assert_eq!(of("s.csv"), of("c.csv"));
    }
}

#[test]
fn a_number_is_never_read_as_a_group_or_a_thousandth_of_itself_in_silence() {
    let folder = tempfile::tempdir().unwrap();
    let answer = |text: &str, formula: &str, more: Value| {
        std::fs::write(folder.path().join("t.csv"), text).unwrap();
        let mut spec = json!({"data": "t.csv", "method": "ols", "formula": formula});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        estimate(&[spec], folder.path(), &recorded).unwrap().remove(0)
    };
    let rows = |separator: &str, cells: &[(&str, &str)]| -> String {
        let lines = cells.iter().enumerate().map(|(n, (y, x))| format!("{y}{separator}{x}{separator}{}\n", n % 3));
        format!("y{separator}x{separator}z\n{}", lines.collect::<String>())
    };
    let one = |odd: &str, separator: &str| {
        let mut cells: Vec<(String, String)> = (1..20).map(|n| (format!("{}", n % 5), n.to_string())).collect();
        cells.push(("3".into(), odd.to_owned()));
        rows(separator, &cells.iter().map(|(y, x)| (y.as_str(), x.as_str())).collect::<Vec<_>>())
    };
    for (odd, separator, plain) in [
        ("1.020,5", ";", "1020,5"),
        ("1 020,5", ";", "1020,5"),
        ("1\u{a0}020", "\t", "1020"),
        ("\"1,020\"", ",", "1020"),
        ("\"1,020.5\"", ",", "1020.5"),
        ("1'020", ",", "1020"),
        ("\"1,5\"", ",", "1.5"),
    ] {
        let refused = answer(&one(odd, separator), "y ~ x", json!({})).unwrap_err();
        assert!(refused.starts_with("t.csv: column `x` ") && refused.contains(plain), "{odd}: {refused}");
        // Where it only names groups it may be any text.
        assert!(answer(&one(odd, separator), "y ~ z", json!({"cluster": "x", "vcov": "cr1"})).is_ok(), "{odd}");
    }
    // A column of thousands beside one that shows the decimal sign, wanted or not.
    let thousands = rows(";", &[("1,5", "1.000"), ("2,5", "2.000"), ("4,0", "3.000"), ("4,5", "4.500"), ("6,5", "5.250")]);
    for formula in ["y ~ x", "z ~ x"] {
        let refused = answer(&thousands, formula, json!({})).unwrap_err();
        assert!(refused.contains("`x`") && refused.contains("«1.000»") && refused.contains("thousands"), "{refused}");
    }
    assert!(answer(&thousands, "y ~ z", json!({"filter": "x > 0"})).is_err());
    let english = rows("\t", &[("1.5", "1,000"), ("2.5", "2,000"), ("4.0", "3,000"), ("4.5", "4,500"), ("6.5", "5,250")]);
    assert!(answer(&english, "y ~ x", json!({})).unwrap_err().contains("decimal point"));
    // Nothing shows which it is: it is told. What shows it, or what commas separate, is read in silence.
    let alone = thousands.replace(",5", "").replace(",0", "");
    let told = answer(&alone, "y ~ x", json!({})).unwrap().warnings;
    assert!(told.iter().any(|line| line.contains("`x`") && line.contains("«1.000» as 1;")), "{told:?}");
    for text in [alone.replace("1.000", "0.125"), alone.replace("1.000", "1.25"), alone.replace(';', ",")] {
        let told = answer(&text, "y ~ x", json!({})).unwrap().warnings;
        assert!(!told.iter().any(|line| line.contains("thousands")), "{text}: {told:?}");
    }
    // Columns as the other readers find them.
    let named = "Y;Año ;grupo\n1,5;1;Peña\n2,5;2;Muñoz\n3;4;Peña\n5;7;Muñoz\n";
    let plain = answer(&named.replace("Y;Año ", "y;año"), "y ~ año", json!({})).unwrap().json()["results"].clone();
    assert_eq!(answer(named, "y ~ año", json!({})).unwrap().json()["results"], plain);
    assert_eq!(answer(named, "r ~ año", json!({"column": {"r": "y"}})).unwrap().json()["results"], plain);
    assert!(answer(named, "r ~ año", json!({})).unwrap_err().contains("--column OURS=THEIRS"));
    assert!(answer(&named.replace("Año ", "y "), "ý ~ grupo", json!({})).unwrap_err().contains("may all be `ý`"));
    assert!(answer(named, "y ~ Y", json!({})).unwrap_err().contains("are both the column `Y`"));
    // Letters that were lost are refused, spoilt ones told, whatever the column is for.
    let lost = answer(&named.replace("Peña", "Pe\u{fffd}a"), "Y ~ año", json!({"cluster": "grupo"})).unwrap_err();
    assert!(lost.contains("`grupo`") && lost.contains("U+FFFD"), "{lost}");
    let spoilt = answer(&named.replace("Peña", "PeÃ±a"), "Y ~ año", json!({"cluster": "grupo"})).unwrap().warnings;
    assert!(spoilt.iter().any(|line| line.contains("«Peña» was probably meant")), "{spoilt:?}");
    let file = folder.path().join("t.csv");
    std::fs::write(&file, named).unwrap();
    let done = vecino(folder.path(), &["estimate", file.to_str().unwrap(), "--method", "ols", "--formula", "r ~ año", "--column", "r=y", "--json"]);
    assert_eq!((done.code, &serde_json::from_str::<Value>(&done.out).unwrap()["results"]), (0, &plain), "{}", done.err);
}

#[tokio::test]
async fn what_is_wrong_is_told_by_column_in_the_order_of_the_file_and_once() {
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        town(&mut tx).await;
        tx.commit().await.unwrap();
        let point = |n: usize, more: Value| {
            let mut properties = json!({"code": format!("B{n}"), "kind": "container"});
            properties.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            json!({"type": "Feature", "properties": properties, "geometry": {"type": "Point", "coordinates": [-91.7765, 14.966]}})
        };
        let wrong = [json!({"order": -3}), json!({}), json!({"order": 1.5}), json!({"order": -3}), json!({"order": "dos", "capacity_l": "100,5"}), json!({"order": 1e11, "capacity_l": 1e300})];
        let features: Vec<Value> = wrong.into_iter().enumerate().map(|(n, more)| point(n, more)).collect();
        let mut tx = db.write().await.unwrap();
        let text = json!({"type": "FeatureCollection", "features": features}).to_string();
        let lines = bring(&mut tx, Kind::Points, "p.geojson", text.as_bytes()).await.unwrap_err().lines;
        let begins = ["p.geojson: feature 0, 3: «order» is «-3»;", "p.geojson: feature 2, 4, 5: «order» is «1.5», «dos», «", "p.geojson: feature 4, 5: «capacity_l» is «100,5», «"];
        assert!(lines.len() == 3 && lines.iter().zip(begins).all(|(line, begin)| line.starts_with(begin)), "{lines:?}");
        drop(tx);
        let mut tx = db.write().await.unwrap();
        let route = |n: usize, times: &str| format!("T{n};MUNI;mixed;mon;{times};LINESTRING (-91.779 14.962, -91.761 14.962)\n");
        let times: String = ["25:00;6am", "06:00;", "6am;11:00"].iter().enumerate().map(|(n, times)| route(n, times)).collect();
        let text = format!("code;operator;stream;weekdays;window_start;window_end;wkt\n{times}");
        let lines = bring(&mut tx, Kind::Routes, "r.csv", text.as_bytes()).await.unwrap_err().lines;
        let begins = ["r.csv: row 2, 4: «window_start» is «25:00», «6am»;", "r.csv: row 2: «window_end» is «6am»;", "r.csv: row 3: a window needs both"];
        assert!(lines.len() == 3 && lines.iter().zip(begins).all(|(line, begin)| line.starts_with(begin)), "{lines:?}");
        drop(tx);
        // What is found when the file is read, and what only its kind finds, in one order.
        let mut tx = db.write().await.unwrap();
        let text = "code,kind,lon,lat\nB1,container,-99.1,19.4\n\u{200b}B2,container,-91.7765,14.966\nB3,container,14.966,-91.7765\n";
        let lines = bring(&mut tx, Kind::Points, "p.csv", text.as_bytes()).await.unwrap_err().lines;
        let rows: Vec<&str> = lines.iter().map(|line| &line[..12]).collect();
        assert!(rows.is_sorted() && rows.len() >= 2, "{lines:?}");
    });
}

#[tokio::test]
async fn words_codes_and_texts_are_read_as_offices_write_them_and_no_slip_passes() {
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        town(&mut tx).await;
        let routes = "code;operator;stream;weekdays;window_start;window_end;wkt\nT1;MUNI;MIXED;mon;06:00;11:00;LINESTRING (-91.779 14.962, -91.761 14.962)\nT2;MUNI;lun=Orgánico,jue=Reciclable;lun,jue;06:00;11:00;LINESTRING (-91.779 14.962, -91.761 14.962)\n";
        assert_eq!(bring(&mut tx, Kind::Routes, "r.csv", routes.as_bytes()).await.unwrap().new, 2);
        let week = route::history(&mut tx, SAN_PEDRO).await.unwrap().into_iter().find(|version| version.facts.0.code == "T2").unwrap().facts.1;
        assert_eq!(week.iter().map(|day| day.stream.as_str()).collect::<Vec<_>>(), ["organic", "recyclable"]);
        let points = "code,kind,lon,lat\nB1,Contenedor,-91.7765,14.966\nB2,Punto de acopio,-91.7765,14.966\nB3,kiosco,-91.7765,14.966\n";
        let done = bring(&mut tx, Kind::Points, "p.csv", points.as_bytes()).await.unwrap();
        assert!(done.warnings.len() == 1 && done.warnings[0].contains("kiosco"), "{:?}", done.warnings);
        let kinds: Vec<String> = point::history(&mut tx, SAN_PEDRO).await.unwrap().into_iter().filter(|version| version.facts.code.starts_with('B')).map(|version| version.facts.kind).collect();
        assert!(["container", "collection_point", "kiosco"].iter().all(|kind| kinds.iter().any(|own| own == kind)), "{kinds:?}");
        tx.commit().await.unwrap();
        let long = "x".repeat(100_000);
        let header = "code,name,kind,lon,lat\n";
        for (kind, text, words) in [
            (Kind::Points, format!("{header}Q-1,x,container,-91.7765,14.966\nQ-1\u{200b},y,container,-91.7765,14.966\n"), &["row 3", "nobody sees", "U+200B"][..]),
            (Kind::Points, format!("{header}{long},x,container,-91.7765,14.966\n"), &["row 2", "at most 80", "(100000 letters)"]),
            (Kind::Points, format!("{header}Q-2,{long},container,-91.7765,14.966\n"), &["row 2", "«name»", "at most 2000"]),
            (Kind::Points, "Q-1,Mercado,container\n".to_owned(), &["row 1", "«code» is missing", "«Q-1»", "--column code=NAME"]),
            (Kind::Points, "<!doctype html><html><body>404</body></html>".to_owned(), &["«code» is missing"]),
            (Kind::Points, "\0".repeat(1000), &["zero bytes"]),
            (Kind::Streets, "Q-1,Mercado\n".to_owned(), &["«wkt» is missing"]),
            (Kind::Points, "code,name,kind,lon,lat,\nQ-1,x,container,-91.7765,14.966,nota\n".to_owned(), &["row 2", "column F", "no name"]),
            (Kind::Streets, "name,wkt\nCorta,\"LINESTRING (-91.7790000 14.9620000, -91.7790000 14.9620001)\"\n".to_owned(), &["row 2", "no length"]),
        ] {
            let mut tx = db.write().await.unwrap();
            let error = bring(&mut tx, kind, "p.csv", text.as_bytes()).await.unwrap_err();
            assert!(error.lines.len() == 1 && error.lines[0].len() < 600 && words.iter().all(|word| error.lines[0].contains(word)), "{words:?}: {error}");
        }
    });
}

#[test]
fn a_table_of_very_many_columns_is_answered_at_once_and_in_few_words() {
    let header: Vec<String> = (0..60_000).map(|n| format!("c{n}")).collect();
    let text = format!("{}\n{}\n", header.join(","), vec!["1"; 60_000].join(","));
    let begun = std::time::Instant::now();
    let refused = table::read("p.csv", text.as_bytes(), &Written::default(), day("2026-11-23"), |_| 0).err().unwrap();
    assert!(refused.lines.len() == 3 && refused.lines.iter().all(|line| line.len() < 2_000), "{} lines", refused.lines.len());
    assert!(refused.lines[0].contains("column A, B, C") && refused.lines[0].contains("59995 more"), "{}", refused.lines[0]);
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

#[test]
fn who_stops_reading_is_no_reason_to_panic() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.toml");
    std::fs::copy(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/norma-y-plan-2026.toml"), &file).unwrap();
    for more in [&[][..], &["--json"]] {
        let (reads, writes) = std::io::pipe().unwrap();
        drop(reads);
        let mut command = crate::program::command(&folder.path().join("data"), &[&["trial", "check", file.to_str().unwrap()], more].concat());
        let done = command.stdout(writes).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success() && said.is_empty(), "{:?}: {said}", done.status);
    }
}

#[test]
fn words_of_options_are_taken_in_any_case_and_a_dry_run_stores_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    assert_eq!(vecino(&data, &["init"]).code, 0);
    let write = |name: &str, text: &str| -> String {
        let path: PathBuf = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let points = write("puntos.csv", "Clave única;Tipo;Longitud;Latitud\nB-1;container;-91,7765;14,966\n");
    let arguments = |more: &[&str]| -> Vec<String> {
        ["geo", "import", "POINTS", &points, "--municipality", "1202"].iter().chain(more).map(|s| s.to_string()).collect()
    };
    let run = |arguments: &[String]| vecino(&data, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let dry = run(&arguments(&["--column", "code=clave unica", "--dry-run", "--encoding", "UTF-8"]));
    assert!(dry.code == 0 && dry.out.contains("1 would be new"), "{}{}", dry.out, dry.err);
    assert_eq!(run(&arguments(&["--column", "code=clave unica"])).code, 0);
    let out = vecino(&data, &["geo", "export", "Points", "--municipality", "1202", "--format", "CSV"]);
    assert!(out.code == 0 && out.out.contains("B-1") && out.out.lines().count() == 2, "{}{}", out.out, out.err);
    refused(&data, &["geo", "import", "points", &points, "--municipality", "1202"], &["«code» is missing", "«Clave única»", "--column code=NAME"]);
    assert_eq!(run(&arguments(&["--column", "code"])).code, 2);
    let people = write("personas.csv", "Nombres\tApellidos\tEdad\nAna\tTzoc\t36\n\t\t\n");
    let dry = vecino(&data, &["registry", "import", &people, "--municipality", "1202", "--dry-run"]);
    assert!(dry.code == 0 && dry.out.contains("1 rows"), "{}{}", dry.out, dry.err);
    let exported = vecino(&data, &["registry", "export", "--municipality", "1202"]);
    assert_eq!(exported.out.lines().count(), 1, "nobody was stored: {}", exported.out);
    assert_eq!(vecino(&data, &["registry", "import", &people, "--municipality", "1202"]).code, 0);
    assert_eq!(vecino(&data, &["registry", "export", "--municipality", "1202"]).out.lines().count(), 2);
}

const COLUMNS: [Known; 3] = [known("code", &["codigo"]), known("name", &["nombre"]), known("weekdays", &["dias"])];

/// One way to save a table.
#[derive(Debug, Clone)]
struct Saved {
    delimiter: char,
    sep_line: bool,
    ends: &'static str,
    encoding: u8,
    quoted: bool,
    blank_lines: Vec<u8>,
    empty_rows: Vec<u8>,
    empty_columns: usize,
    spanish: bool,
}

fn saved() -> impl Strategy<Value = Saved> {
    let places = || prop::collection::vec(0u8..12, 0..4);
    (
        (prop::sample::select(vec![',', ';', '\t']), any::<bool>(), prop::sample::select(vec!["\n", "\r\n", "\r"]), 0u8..7, any::<bool>()),
        (places(), places(), 0usize..4, any::<bool>()),
    )
        .prop_map(|((delimiter, sep_line, ends, encoding, quoted), (blank_lines, empty_rows, empty_columns, spanish))| Saved {
            delimiter,
            sep_line,
            ends,
            encoding,
            quoted,
            blank_lines,
            empty_rows,
            empty_columns,
            spanish,
        })
}

/// The bytes of a table, how it is to be read, and the row a spreadsheet shows for each of its rows.
fn save(rows: &[[String; 3]], how: &Saved) -> (Vec<u8>, Written, Vec<u64>) {
    let cell = |text: &str| {
        if how.quoted || text.contains([how.delimiter, '"', '\n', '\r']) || text.starts_with(' ') {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text.to_owned()
        }
    };
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|c| cell(c)).chain(std::iter::repeat_n(String::new(), how.empty_columns)).collect();
        format!("{}{}", cells.join(&how.delimiter.to_string()), how.ends)
    };
    let empty = |cells: usize| format!("{}{}", how.delimiter.to_string().repeat(cells + how.empty_columns - 1), how.ends);
    let header = if how.spanish { ["Código", "NOMBRE", "Días"] } else { ["code", "Name", "weekdays"] };
    let mut text = if how.sep_line { format!("sep={}{}", how.delimiter, how.ends) } else { String::new() };
    text += &line(&header.map(str::to_owned));
    let (mut number, mut numbers) = (1, Vec::new());
    for (n, row) in rows.iter().enumerate() {
        for _ in how.blank_lines.iter().filter(|at| usize::from(**at) == n) {
            text += how.ends;
            number += 1;
        }
        for _ in how.empty_rows.iter().filter(|at| usize::from(**at) == n) {
            text += &empty(3);
            number += 1;
        }
        number += 1;
        numbers.push(number);
        text += &line(row);
    }
    let mut written = Written::default();
    let bytes = match how.encoding {
        0 => text.into_bytes(),
        1 => format!("\u{feff}{text}").into_bytes(),
        2 => utf16(&text, true, true),
        3 => utf16(&text, false, true),
        4 => {
            written.encoding = Some(Encoding::Utf16Le);
            utf16(&text, true, false)
        }
        5 => {
            written.encoding = Some(Encoding::Utf16Be);
            utf16(&text, false, false)
        }
        _ => {
            let bytes = encoding_rs::WINDOWS_1252.encode(&text).0.into_owned();
            // What is ASCII only needs no word; what happens to be UTF-8 as well is taken for that.
            written.encoding = std::str::from_utf8(&bytes).is_err().then_some(Encoding::Windows1252);
            bytes
        }
    };
    (bytes, written, numbers)
}

fn table_of_rows() -> impl Strategy<Value = Vec<[String; 3]>> {
    // A row has a code, so that it is no empty one; cells hold what Windows-1252 holds.
    let text = || "[a-zA-Z0-9áéíóúñÑü ,;\t\"\n.'-]{0,12}";
    prop::collection::vec(("[A-Z][0-9]{1,4}", text(), text()).prop_map(|(a, b, c)| [a, b, c]), 1..10)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn a_table_reads_the_same_however_it_is_saved(rows in table_of_rows(), how in saved()) {
        let (bytes, written, numbers) = save(&rows, &how);
        let sheet = Sheet::read(&bytes, &written, &COLUMNS, true).map_err(|faults| TestCaseError::fail(format!("{faults:?}")))?;
        prop_assert_eq!(&sheet.columns, &[Column::Known("code"), Column::Known("name"), Column::Known("weekdays")]);
        prop_assert!(sheet.faults.is_empty(), "{:?}", sheet.faults);
        let read: Vec<[String; 3]> = sheet.rows.iter().map(|row| [0, 1, 2].map(|at| row.cell(at).to_owned())).collect();
        prop_assert_eq!(&read, &rows);
        prop_assert_eq!(sheet.rows.iter().map(|row| row.number).collect::<Vec<u64>>(), numbers);
    }

    #[test]
    fn the_row_that_is_named_is_the_row_that_is_wrong(mut rows in table_of_rows(), how in saved(), at in any::<prop::sample::Index>()) {
        let at = at.index(rows.len());
        // Cells that are empty beyond the header's last are no cells too many.
        rows[at][2] = "z".to_owned();
        rows[at][0].push_str(&format!("{}more{}cells", how.delimiter, how.delimiter));
        let plain = Saved { quoted: false, ..how.clone() };
        // The cells of that row are written apart, so that it has two too many.
        let (bytes, written, numbers) = save(&rows, &plain);
        let quoted = format!("\"{}\"", rows[at][0]);
        let text = match written.encoding {
            None if plain.encoding < 2 => String::from_utf8(bytes).unwrap().replacen(&quoted, &rows[at][0], 1).into_bytes(),
            _ => return Ok(()),
        };
        let sheet = Sheet::read(&text, &written, &COLUMNS, true).map_err(|faults| TestCaseError::fail(format!("{faults:?}")))?;
        prop_assert_eq!(sheet.faults.iter().map(|fault| fault.row).collect::<Vec<_>>(), [Some(numbers[at])]);
        prop_assert_eq!(sheet.rows.len(), rows.len() - 1);
    }
}
