//! Small files of ordinary office work that once broke the past, each against a practice town: afterwards it stands whole and proves its norms.

use crate::pilot::left_out;
use crate::program::{Done, refused, vecino};
use chrono::NaiveDate;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use vecino::clock::Clock;
use vecino::db::Db;
use vecino::id::MunicipalityId;
use vecino::territory::{collection, household, route};
use vecino::{all, one};

const SAN_PEDRO: MunicipalityId = MunicipalityId(1202);
const AMATITLAN: MunicipalityId = MunicipalityId(114);

/// The text of a file of faults; `None`, said once, where the folder is not at hand.
fn fault(name: &str) -> Option<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/reference/faults");
    if !folder.exists() {
        static SAID: OnceLock<()> = OnceLock::new();
        SAID.get_or_init(|| left_out("files of faults: ../shared/reference/faults is not there"));
        return None;
    }
    Some(std::fs::read_to_string(folder.join(name)).unwrap())
}

/// A practice town of its own: one is made, the others are copies.
fn town() -> tempfile::TempDir {
    static MADE: OnceLock<tempfile::TempDir> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let done = vecino(folder.path(), &["demo", "--no-serve", "--households", "600"]);
        assert_eq!(done.code, 0, "{}", done.err);
        folder
    });
    let own = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(made.path()).unwrap().map(Result::unwrap).filter(|entry| entry.file_type().unwrap().is_file()) {
        std::fs::copy(entry.path(), own.path().join(entry.file_name())).unwrap();
    }
    own
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn import(folder: &Path, kind: &str, file: &Path, municipality: &str, more: &[&str]) -> Done {
    vecino(folder, &[&["geo", "import", kind, file.to_str().unwrap(), "--municipality", municipality], more].concat())
}

async fn database(folder: &Path) -> Db {
    Db::connect(&format!("sqlite:{}", folder.join("vecino.db").display())).await.unwrap()
}

fn today() -> NaiveDate {
    Clock::system().today()
}

/// `verify` and `campaign prove` say that all is well.
#[track_caller]
fn whole(folder: &Path) {
    for arguments in [&["verify"][..], &["campaign", "prove", "semanal"]] {
        let done = vecino(folder, arguments);
        assert_eq!(done.code, 0, "{arguments:?}: {} {}", done.out, done.err);
    }
}

/// What was due and counted before today.
async fn past(folder: &Path) -> Vec<String> {
    let db = database(folder).await;
    let mut tx = db.read().await.unwrap();
    let rounds: Vec<(NaiveDate, uuid::Uuid, i32)> =
        all!(tx, "SELECT service_day, route_id, planned_stops FROM round WHERE service_day < $1 ORDER BY service_day, route_id", today()).unwrap();
    let due: Vec<(i32, uuid::Uuid, uuid::Uuid, i32)> = all!(
        tx,
        "SELECT s.iso_week, s.segment_id, s.round_id, s.stops FROM round_segment s JOIN round r ON r.municipality_id = s.municipality_id AND r.round_id = s.round_id
          WHERE r.service_day < $1 ORDER BY s.iso_week, s.segment_id, s.round_id",
        today()
    )
    .unwrap();
    let cells: Vec<(i32, uuid::Uuid, i32, i32)> =
        all!(tx, "SELECT iso_week, segment_id, observed, complied FROM segment_week ORDER BY iso_week, segment_id").unwrap();
    assert!(rounds.len() > 100 && due.len() > 100 && cells.len() > 100);
    let rows = rounds.iter().map(|row| format!("{row:?}"));
    rows.chain(due.iter().map(|row| format!("{row:?}"))).chain(cells.iter().map(|row| format!("{row:?}"))).collect()
}

/// Exported homes by code: every column by its name.
fn homes(folder: &Path, municipality: &str) -> BTreeMap<String, Value> {
    let done = vecino(folder, &["geo", "export", "households", "--municipality", municipality]);
    let collection: Value = serde_json::from_str(&done.out).unwrap();
    let own = |feature: &Value| (feature["properties"]["code"].as_str().unwrap().to_owned(), feature.clone());
    collection["features"].as_array().unwrap().iter().map(own).collect()
}

/// A served home on a segment.
fn served(homes: &BTreeMap<String, Value>, segment: impl Fn(&str) -> bool) -> (&str, &Value) {
    let on = |home: &Value| home["properties"]["segment"].as_str().is_some_and(&segment) && home["properties"]["service_status"] == "served";
    let (code, home) = homes.iter().find(|(_, home)| on(home)).unwrap();
    (code, home)
}

#[tokio::test]
async fn closing_a_home_today_changes_no_earlier_week() {
    let Some(text) = fault("csv/h_close1.csv") else { return };
    let town = town();
    let folder = town.path();
    let before = past(folder).await;
    let all = homes(folder, "1202");
    let (code, home) = served(&all, |segment| segment == "R2-02");
    let place = &home["geometry"]["coordinates"];
    let text = text
        .replace("SP-0006-H", code)
        .replace("R2-05", "R2-02")
        .replace("-91.781342", &place[0].to_string())
        .replace("14.966154", &place[1].to_string());
    let file = write(folder, "h_close1.csv", &text);
    let told = import(folder, "households", &file, "1202", &["--dry-run"]);
    assert!(told.out.contains("service_status: «served» → «not_subscribed»") && told.out.contains("touches trial norma-y-plan-2026"), "{}", told.out);
    let done = import(folder, "households", &file, "1202", &[]);
    assert_eq!((done.code, done.out.contains("1 changed")), (0, true), "{}", done.err);
    assert_eq!(homes(folder, "1202")[code]["properties"]["service_status"], "not_subscribed");
    assert_eq!(past(folder).await, before);
    whole(folder);
}

#[tokio::test]
async fn a_home_is_due_from_the_day_it_was_enrolled() {
    let Some(text) = fault("csv/h_new1.csv") else { return };
    let town = town();
    let folder = town.path();
    let before = past(folder).await;
    let done = import(folder, "households", &write(folder, "h_new1.csv", &text), "1202", &[]);
    assert_eq!((done.code, done.out.contains("1 new")), (0, true), "{}", done.err);
    let db = database(folder).await;
    let mut tx = db.read().await.unwrap();
    let known = household::history(&mut tx, SAN_PEDRO).await.unwrap();
    let new: Vec<_> = known.iter().filter(|version| version.facts.code == "NUEVA-900").collect();
    assert_eq!((new.len(), new[0].valid_from), (1, today()));
    drop(tx);
    db.close().await;
    assert_eq!(past(folder).await, before);
    whole(folder);
}

#[tokio::test]
async fn a_home_on_another_operators_route_is_refused_with_the_remedy() {
    let Some(text) = fault("csv/h_other_operator.csv") else { return };
    let town = town();
    let done = import(town.path(), "households", &write(town.path(), "h.csv", &text), "0114", &[]);
    assert_eq!((done.code, done.out.as_str()), (1, ""));
    assert!(done.err.contains("operator «A» does not drive segment «F1-01»") && done.err.contains("leave the operator out"), "{}", done.err);
    // Without the operator it follows the route.
    let text = text.replace(",A,", ",,");
    let done = import(town.path(), "households", &write(town.path(), "h.csv", &text), "0114", &[]);
    assert_eq!(done.code, 0, "{}", done.err);
    let all = homes(town.path(), "0114");
    assert_eq!((&all["AM-0023-B"]["properties"]["segment"], &all["AM-0023-B"]["properties"]["operator"]), (&"F1-01".into(), &"F".into()));
    whole(town.path());
}

#[tokio::test]
async fn columns_that_are_absent_leave_what_stands() {
    let (Some(moved), Some(partial)) = (fault("csv/h_move.csv"), fault("csv/partial.csv")) else { return };
    let town = town();
    let folder = town.path();
    let before = past(folder).await;
    let all = homes(folder, "0114");
    let (code, home) = served(&all, |segment| !segment.starts_with('E'));
    let done = import(folder, "households", &write(folder, "h_move.csv", &moved.replace("AM-0001-R", code)), "0114", &[]);
    assert_eq!((done.code, done.out.contains("1 changed")), (0, true), "{}", done.err);
    assert!(done.err.contains("from its segment «E1-06»"), "{}", done.err);
    let after = homes(folder, "0114");
    let (was, now) = (&home["properties"], &after[code]["properties"]);
    assert_eq!(
        (&now["hint"], &now["service_status"], &now["segment"], &now["operator"]),
        (&was["hint"], &was["service_status"], &"E1-06".into(), &"E".into())
    );
    assert_eq!(now.as_object().unwrap().len(), was.as_object().unwrap().len());
    let (other, home) = served(&all, |segment| segment.starts_with('E'));
    let place = &home["geometry"]["coordinates"];
    let text = partial
        .replace("SM000003", other)
        .replace("-91.857669", &format!("{:.6}", place[0].as_f64().unwrap() + 0.0001))
        .replace("15.017104", &place[1].to_string());
    let done = import(folder, "households", &write(folder, "partial.csv", &text), "0114", &[]);
    assert_eq!((done.code, done.out.contains("1 changed")), (0, true), "{}", done.err);
    let after = homes(folder, "0114");
    assert_eq!(after[other]["properties"], home["properties"]);
    assert_ne!(after[other]["geometry"], home["geometry"]);
    assert_eq!(past(folder).await, before);
    whole(folder);
}

#[tokio::test]
async fn a_segment_on_another_route_and_a_route_with_another_day_change_no_earlier_week() {
    let (Some(segment), Some(twice)) = (fault("geo/seg_other_route.geojson"), fault("geo/route_twice_a_week.geojson")) else { return };
    let town = town();
    let folder = town.path();
    let before = past(folder).await;
    // Of this town's segments on R2 these are in the trial.
    for name in ["R2-05", "R2-02"] {
        let file = write(folder, "seg_other_route.geojson", &segment.replace("R2-05", name));
        let done = import(folder, "segments", &file, "1202", &[]);
        assert_eq!((done.code, done.out.contains("1 changed")), (0, true), "{}", done.err);
    }
    assert_eq!(past(folder).await, before);
    whole(folder);
    let done = import(folder, "routes", &write(folder, "route_twice_a_week.geojson", &twice), "1202", &[]);
    assert_eq!((done.code, done.out.contains("1 changed")), (0, true), "{}", done.err);
    assert_eq!(past(folder).await, before);
    whole(folder);
}

#[tokio::test]
async fn a_route_that_ends_leaves_its_homes_to_the_coordinator() {
    let Some(text) = fault("geo/route_B1_ends.geojson") else { return };
    let town = town();
    let folder = town.path();
    let db = database(folder).await;
    let at = today();
    let mut tx = db.read().await.unwrap();
    let without = "SELECT COUNT(*) FROM household_version v JOIN segment_version s ON s.municipality_id = v.municipality_id AND s.segment_id = v.segment_id
         AND s.superseded_at IS NULL AND s.valid_to IS NULL
        WHERE v.municipality_id = $1 AND v.superseded_at IS NULL AND v.valid_to IS NULL AND v.service_status = 'served'
          AND NOT EXISTS (SELECT 1 FROM route_version r WHERE r.municipality_id = s.municipality_id AND r.route_id = s.route_id AND r.superseded_at IS NULL
            AND r.valid_from <= $2 AND (r.valid_to IS NULL OR r.valid_to >= $2))";
    let (none,): (i64,) = one!(tx, without, AMATITLAN, at).unwrap();
    drop(tx);
    let file = write(folder, "route_B1_ends.geojson", &text);
    if at > NaiveDate::from_ymd_opt(2026, 11, 23).unwrap() {
        let done = import(folder, "routes", &file, "0114", &[]);
        assert_eq!((done.code, done.err.lines().count()), (1, 1), "{}", done.err);
        assert!(done.err.contains("valid_to 2026-11-23 has passed") && done.err.contains("--reason"), "{}", done.err);
    }
    let done = import(folder, "routes", &file, "0114", &["--reason", "la empresa dejó la ruta"]);
    assert_eq!(done.code, 0, "{}", done.err);
    let mut tx = db.read().await.unwrap();
    let b1 = route::history(&mut tx, AMATITLAN).await.unwrap().into_iter().find(|version| version.facts.0.code == "B1").unwrap().facts.0.route_id;
    let running =
        collection::running(&mut tx, AMATITLAN, at.max(NaiveDate::from_ymd_opt(2026, 11, 24).unwrap()), at + chrono::Days::new(30)).await.unwrap();
    assert!(running.iter().all(|round| round.route_id != b1));
    if at > NaiveDate::from_ymd_opt(2026, 11, 23).unwrap() {
        let (homeless,): (i64,) = one!(tx, without, AMATITLAN, at).unwrap();
        assert!(none == 0 && homeless > 0, "{homeless} served homes without a running route");
    }
    drop(tx);
    db.close().await;
    let done = vecino(folder, &["verify"]);
    assert_eq!(done.code, 0, "{}", done.out);
}

#[tokio::test]
async fn an_operators_new_name_holds_from_its_day() {
    let Some(text) = fault("geo/operator-renamed.geojson") else { return };
    let town = town();
    let folder = town.path();
    // This town has other routes: what the row says of the operator is given to one of them.
    let collection: Value = serde_json::from_str(&text).unwrap();
    let told = collection["features"][0]["properties"]["operator_name"].as_str().unwrap();
    let csv = format!("code,operator,operator_name\nR2,MUNI,{told}\n");
    let done = import(folder, "routes", &write(folder, "operator-renamed.csv", &csv), "1202", &[]);
    assert_eq!(done.code, 0, "{}", done.err);
    let db = database(folder).await;
    let mut tx = db.read().await.unwrap();
    let mut name = async |day: NaiveDate| {
        let known = route::operators(&mut tx, SAN_PEDRO, day).await.unwrap();
        known.into_iter().find(|operator| operator.code == "MUNI").unwrap().name
    };
    assert_eq!(name(today()).await, told);
    assert_eq!(name(today().pred_opt().unwrap()).await, "Municipalidad de San Pedro Sacatepéquez");
    drop(tx);
    db.close().await;
    whole(folder);
}

#[tokio::test]
async fn acts_from_the_command_line_say_what_they_do_and_refuse_in_one_line() {
    let town = town();
    let folder = town.path();
    let before = past(folder).await;
    fn geo<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
        [&["geo"], arguments, &["--municipality", "1202"]].concat()
    }
    refused(folder, &["geo", "retire", "segments", "R2-02"], &["--municipality", "0114, 1202"]);
    refused(folder, &geo(&["retire", "segments", "R2-02"]), &["R2-02", "homes", "--with-homes"]);
    refused(folder, &geo(&["retire", "segments", "R2-02", "--with-homes", "--from", "mañana"]), &["--from «mañana»", &today().to_string()]);
    refused(folder, &geo(&["retire", "segments", "R2-02", "--with-homes", "--from", "2026-07-01"]), &["has passed", "--reason"]);
    refused(folder, &geo(&["rename", "segments", "R2-02", "Nombre"]), &["no name", "--code"]);
    refused(folder, &geo(&["merge", "routes", "R2", "R2"]), &["into itself"]);
    let dry = vecino(folder, &geo(&["retire", "segments", "R2-02", "--with-homes", "--dry-run", "--json"]));
    let told: Value = serde_json::from_str(&dry.out).unwrap();
    assert_eq!((dry.code, &told["dry_run"], &told["ended"]["segment"]), (0, &true.into(), &1.into()));
    assert_eq!(told["trials"][0]["segments"][0], "R2-02");
    let ended = told["changes"].as_array().unwrap().iter().filter(|change| change["field"] == "valid_to").count() as u64;
    assert_eq!((Some(ended), &told["by_field"]["valid_to"]), (told["ended"]["household"].as_u64().map(|homes| homes + 1), &ended.into()));
    assert!(dry.err.contains("norma-y-plan-2026"), "{}", dry.err);
    refused(folder, &geo(&["retire", "segments", "R2-02"]), &["R2-02", "homes"]);
    for arguments in [
        &["retire", "segments", "R2-02", "--with-homes"][..],
        &["merge", "Routes", "R1", "R2"],
        &["merge", "neighbourhoods", "1202-A15", "1202-A14"],
        &["rename", "neighbourhood", "1202-A15", "Barrio Nuevo", "--code", "1202-B1"],
        &["rename", "routes", "R3", "--code", "R3-N", "--from", "31/12/2099"],
    ] {
        let done = vecino(folder, &geo(arguments));
        assert_eq!((done.code, done.out.lines().next().is_some_and(|line| line.contains(" from "))), (0, true), "{arguments:?}: {}", done.err);
    }
    assert_eq!(past(folder).await, before);
    whole(folder);
    // The same of a day gone by is a correction: it is counted again, and what stands is whole.
    let done =
        vecino(folder, &geo(&["merge", "routes", "R4", "R5", "--from", &(today() - chrono::Days::new(40)).to_string(), "--reason", "eran una"]));
    assert_eq!(done.code, 0, "{}", done.err);
    assert_ne!(past(folder).await, before);
    let verify = vecino(folder, &["verify"]);
    assert_eq!(verify.code, 0, "{}", verify.out);
}

/// The first code of a home of the town that stands on a segment, and a label that no home carries.
async fn home_and_label(folder: &Path) -> (String, String) {
    let db = database(folder).await;
    let mut tx = db.read().await.unwrap();
    let (code,): (String,) = one!(
        tx,
        "SELECT h.code FROM household h JOIN household_version v ON v.municipality_id = h.municipality_id AND v.household_id = h.household_id
        JOIN household_member m ON m.home_municipality_id = h.municipality_id AND m.household_id = h.household_id
        WHERE h.municipality_id = 1202 AND v.service_status = 'served' ORDER BY h.code LIMIT 1"
    )
    .unwrap();
    drop(tx);
    db.close().await;
    let made = vecino(folder, &["geo", "codes", "--municipality", "1202", "--count", "1"]);
    (code, made.out.lines().last().unwrap().trim().to_owned())
}

#[tokio::test]
async fn a_home_is_found_by_every_label_it_had_and_called_by_the_one_at_its_door() {
    let town = town();
    let folder = town.path();
    let (old, label) = home_and_label(folder).await;
    let act = |arguments: &[&str]| vecino(folder, &[&["geo"], arguments, &["--municipality", "1202"]].concat());
    // Acts take a code as people write it, the new one too.
    let done = act(&["rename", "households", &old.to_lowercase().replace('-', " "), "--code", &label.to_lowercase()]);
    assert_eq!(done.code, 0, "{}", done.err);
    let export = || {
        let done = vecino(folder, &["registry", "export", "--municipality", "1202"]);
        assert_eq!(done.code, 0, "{}", done.err);
        done.out
    };
    let told = export();
    assert!(told.contains(&label) && !told.contains(&old), "as the door says");
    let people = |name: &str, text: &str| {
        vecino(folder, &["registry", "import", write(folder, name, text).to_str().unwrap(), "--municipality", "1202", "--json"])
    };
    let again = people("again.csv", &told);
    let summary: Value = serde_json::from_str(&again.out).unwrap_or_else(|_| panic!("{}", again.err));
    assert_eq!(
        (&summary["new_people"], &summary["homes"], &summary["told"], summary["questions"].as_array().unwrap().len()),
        (&json!(0), &json!(0), &json!(0), 0),
        "what was exported comes in again"
    );
    for (n, code) in [label.as_str(), &label.to_lowercase().replace('-', ""), &old, &old.to_lowercase()].iter().enumerate() {
        let done = people(&format!("p{n}.csv"), &format!("given_names,surnames,birth_date,household\nAlba,Vail x{n},14/03/1988,{code}\n"));
        let summary: Value = serde_json::from_str(&done.out).unwrap_or_else(|_| panic!("{code}: {}", done.err));
        assert_eq!((&summary["new_people"], &summary["homes"]), (&json!(1), &json!(1)), "{code}");
    }
    let preview = vecino(folder, &["campaign", "preview", "semanal", "--household", &old]);
    assert!(preview.code == 0 && preview.out.starts_with(&label), "{} {}", preview.out, preview.err);
    // A label for a day to come is not at the door yet, and finds its home all the same; a municipality's own code without its signs too.
    let later = (today() + chrono::Days::new(9)).to_string();
    assert_eq!(act(&["rename", "households", &label.replace('-', ""), "--code", "PAC-1", "--from", &later]).code, 0);
    assert!(export().contains(&label) && !export().contains("PAC-1"));
    let done = people("pac.csv", "given_names,surnames,birth_date,household\nAlba,Vail pac,14/03/1988,pac1\n");
    assert_eq!(done.code, 0, "{}", done.err);
    let db = database(folder).await;
    let mut tx = db.read().await.unwrap();
    let (homes,): (i64,) = one!(
        tx,
        "SELECT COUNT(DISTINCT m.household_id) FROM household_member m JOIN later_code c ON c.thing_id = m.household_id WHERE c.code = 'PAC-1'"
    )
    .unwrap();
    assert_eq!(homes, 1);
    drop(tx);
    db.close().await;
    assert_eq!(act(&["retire", "households", "pac 1", "--from", &later]).code, 0);
    refused(folder, &["registry", "export", "--municipality", "9999"], &["9999"]);
    refused(folder, &["geo", "rename", "neighbourhoods", "1202-A01", &"x".repeat(3_000), "--municipality", "1202"], &["3000 letters"]);
    whole(folder);
}

#[tokio::test]
async fn the_name_of_an_operator_is_its_own_and_no_route_carries_it_to_another() {
    let town = town();
    let folder = town.path();
    let export = || vecino(folder, &["geo", "export", "routes", "--municipality", "0114"]).out;
    let named = |text: &str| -> BTreeMap<String, String> {
        let all: Value = serde_json::from_str(text).unwrap();
        let routes = all["features"].as_array().unwrap().iter().map(|feature| &feature["properties"]);
        routes.map(|route| (route["code"].as_str().unwrap().to_owned(), route["operator_name"].as_str().unwrap_or_default().to_owned())).collect()
    };
    assert_eq!([&named(&export())["A1"], &named(&export())["B1"]], ["Empresa A", "Empresa B"]);
    let given = import(folder, "routes", &write(folder, "given.csv", "code;operator\nB1;A\n"), "0114", &[]);
    assert_eq!(given.code, 0, "{}", given.err);
    let after = export();
    assert_eq!([&named(&after)["A1"], &named(&after)["B1"]], ["Empresa A", "Empresa A"], "the name of whoever drives it now");
    let again = import(folder, "routes", &write(folder, "again.geojson", &after), "0114", &[]);
    assert!(again.code == 0 && again.out.contains("nothing changed"), "{} {}", again.out, again.err);
    assert_eq!(export(), after);
    // As an older export told it: two names for one operator.
    let two = after.replacen("Empresa A", "Empresa B", 1);
    let refused = import(folder, "routes", &write(folder, "two.geojson", &two), "0114", &[]);
    assert!(refused.code == 1 && refused.err.contains("write one name"), "{} {}", refused.out, refused.err);
    // One name, and another than before: that is said, in a dry run and for good.
    let one = after.replace("Empresa A", "Aseo de aquí");
    for more in [&["--dry-run"][..], &[]] {
        let done = import(folder, "routes", &write(folder, "one.geojson", &one), "0114", more);
        assert!(done.code == 0 && done.out.contains("called otherwise") && done.err.contains("Aseo de aquí"), "{} {}", done.out, done.err);
    }
    assert_eq!(named(&export())["A1"], "Aseo de aquí");
    let db = database(folder).await;
    let mut tx = db.read().await.unwrap();
    let told: Vec<(Value,)> = all!(
        tx,
        "SELECT detail FROM audit_entry WHERE municipality_id = 114 AND stream = 'territory' AND action = 'import' ORDER BY sequence DESC LIMIT 1"
    )
    .unwrap();
    assert_eq!(told[0].0["renamed_operators"], 1, "and it is on record");
    drop(tx);
    db.close().await;
    whole(folder);
}

#[tokio::test]
async fn what_a_home_cannot_be_without_is_not_emptied_and_its_contract_stays() {
    let town = town();
    let folder = town.path();
    let (code, _) = home_and_label(folder).await;
    let homes = |text: String, more: &[&str]| import(folder, "households", &write(folder, "h.csv", &text), "1202", more);
    for (text, word) in
        [(format!("code,service_status\n{code},\n"), "service_status"), (format!("code,lon,lat,hint\n{code},,,portón\n"), "the position is missing")]
    {
        let done = homes(text, &[]);
        assert!(done.code == 1 && done.err.contains(word), "{} {}", done.out, done.err);
    }
    let operator = || {
        let out = vecino(folder, &["geo", "export", "households", "--municipality", "1202"]).out;
        let all: Value = serde_json::from_str(&out).unwrap();
        all["features"].as_array().unwrap().iter().find(|home| home["properties"]["code"] == code).unwrap()["properties"]["operator"].clone()
    };
    let own = operator();
    assert!(own.is_string(), "{own}");
    for (columns, cells) in [("service_status", "not_subscribed"), ("segment,service_status", ",no_route")] {
        let done = homes(format!("code,{columns}\n{code},{cells}\n"), &[]);
        assert_eq!((done.code, operator()), (0, own.clone()), "{cells}: {}", done.err);
    }
    let points = "code,name,kind,lon,lat\nQ-1,Uno,container,-91.76,14.96\n";
    assert_eq!(import(folder, "points", &write(folder, "q.csv", points), "1202", &[]).code, 0);
    for alike in ["Q\u{2010}1", "Q -1", "q-1"] {
        let done = import(folder, "points", &write(folder, "q2.csv", &points.replace("Q-1", alike)), "1202", &[]);
        assert!(done.code == 1 && done.err.contains("looks like"), "{alike}: {} {}", done.out, done.err);
    }
}
