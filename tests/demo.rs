//! The practice town: one command, whole or not at all, and the same again from the same seed and day.

use crate::program::vecino;
use std::path::Path;
use vecino::all;
use vecino::db::Db;

fn town(folder: &Path, more: &[&str]) -> String {
    town_of("300", folder, more)
}

fn town_of(households: &str, folder: &Path, more: &[&str]) -> String {
    let made = vecino(folder, &[&["demo", "--no-serve", "--households", households], more].concat());
    assert_eq!(made.code, 0, "{}", made.err);
    made.out
}

fn printed(folder: &Path, arguments: &[&str]) -> String {
    let done = vecino(folder, arguments);
    assert_eq!(done.code, 0, "{arguments:?}: {}", done.err);
    done.out
}

const MONDAY: [&str; 2] = ["--today", "2026-11-23"];

/// Heads of the audit chains, and every message: what the whole town comes down to.
async fn digest(folder: &Path) -> (Vec<(i16, String, i64, String)>, Vec<(String, Option<String>, String)>) {
    let db = Db::connect(&format!("sqlite:{}", folder.join("vecino.db").display())).await.unwrap();
    let mut tx = db.read().await.unwrap();
    let heads = all!(tx, "SELECT municipality_id, stream, sequence, entry_hash FROM audit_head ORDER BY municipality_id, stream").unwrap();
    let messages = all!(tx, "SELECT wording, body, state FROM message ORDER BY municipality_id, message_id").unwrap();
    (heads, messages)
}

const PROTOCOL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/experiments/norma-y-plan-2026.toml");

#[tokio::test]
async fn the_same_seed_and_day_make_the_same_town_byte_for_byte() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (one, two) = (one.path().join("a"), two.path().join("b"));
    town(&one, &MONDAY);
    town(&two, &MONDAY);
    // Before anything else: whoever opens a look is recorded with the hour.
    let (whole, again) = (digest(&one).await, digest(&two).await);
    assert!(whole == again, "the audit chains or the messages differ");
    assert_eq!(std::fs::read(one.join("key")).unwrap(), std::fs::read(two.join("key")).unwrap());
    for arguments in [
        &["geo", "export", "households", "--municipality", "1202"][..],
        &["trial", "analyse", PROTOCOL, "--json"],
        &["registry", "indicators", "--json"],
    ] {
        let (a, b) = (printed(&one, arguments), printed(&two, arguments));
        assert!(a == b && a.len() > 500, "{arguments:?} differs or is empty");
    }
    printed(&one, &["verify"]);
    let proof = printed(&one, &["campaign", "prove", "semanal", "--json"]);
    let proof: serde_json::Value = serde_json::from_str(&proof).unwrap();
    assert!(proof.is_object(), "{proof}");
    // Again: it is there, and nothing is made anew.
    let before = digest(&one).await;
    assert!(!town(&one, &MONDAY).contains("The practice town stands"));
    assert!(digest(&one).await == before, "a second call changed the town");
}

#[test]
fn a_town_in_which_nothing_works_says_so_at_its_look() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("town");
    // Of 300 homes ten segments are drawn, in six strata and four arms: too few for any estimate.
    town_of("600", &folder, &["--no-effect", "--today", "2025-03-06"]);
    let report: serde_json::Value = serde_json::from_str(&printed(&folder, &["trial", "analyse", PROTOCOL, "--json"])).unwrap();
    assert_eq!((&report["look"], &report["trial"]), (&serde_json::json!(1), &serde_json::json!("norma-y-plan-2026")));
    for contrast in report["primary"].as_array().unwrap() {
        let (low, high) = (contrast["ci_low"].as_f64().unwrap(), contrast["ci_high"].as_f64().unwrap());
        assert!(low < high && contrast["estimate"].as_f64().unwrap().abs() < 0.25, "{contrast}");
    }
}

#[test]
fn a_folder_with_a_real_installation_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("real");
    printed(&folder, &["init"]);
    let key = std::fs::read(folder.join("key")).unwrap();
    let refused = vecino(&folder, &["demo", "--no-serve"]);
    assert_eq!((refused.code, refused.err.lines().count()), (1, 1));
    assert_eq!(std::fs::read(folder.join("key")).unwrap(), key);
}

/// The town's four areas of one arm (of 49) were on the map in its baseline, and are not while its trial has a look to come.
#[tokio::test]
async fn no_area_of_one_arm_stands_on_the_towns_map_while_its_trial_runs() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("town");
    town_of("3000", &folder, &MONDAY);
    let db = Db::connect(&format!("sqlite:{}", folder.join("vecino.db").display())).await.unwrap();
    let mut tx = db.read().await.unwrap();
    // Of every published week and area: the arms of the homes that were observed, whether it is hidden and why.
    type Row = (i16, i32, String, i64, bool, Option<String>);
    let rows: Vec<Row> = all!(
        tx,
        "SELECT p.municipality_id, p.first_week, c.area, COUNT(DISTINCT t.arm), c.hidden, c.why
           FROM publication p
           JOIN publication_cell c ON c.municipality_id = p.municipality_id AND c.period = p.period AND c.revision = p.revision AND c.measure = 'complied'
           JOIN neighbourhood n ON n.municipality_id = p.municipality_id AND n.code = c.area
           JOIN published_home_week w ON w.municipality_id = p.municipality_id AND w.iso_week = p.first_week AND w.neighbourhood_id = n.neighbourhood_id
           JOIN trial_home h ON h.municipality_id = w.municipality_id AND h.household_id = w.household_id
           JOIN trial_segment t ON t.municipality_id = h.municipality_id AND t.segment_id = h.segment_id
          WHERE p.kind = 'week' AND p.revision = 1
          GROUP BY p.municipality_id, p.first_week, c.area, c.hidden, c.why"
    )
    .unwrap();
    let (before, after): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.1 <= 202634);
    let lone = |rows: &[&Row]| -> std::collections::BTreeSet<String> {
        rows.iter().filter(|row| row.3 == 1 && !(row.4 && row.5.as_deref() == Some("few_homes"))).map(|row| row.2.clone()).collect()
    };
    let four = ["0114-A03", "0114-S08", "1202-A06", "1202-A07"].map(str::to_owned).into();
    assert_eq!((lone(&before), lone(&after)), (four, lone(&before)));
    assert!(before.iter().all(|row| row.5.as_deref() != Some("one_arm")), "the baseline has no arms");
    assert!(after.iter().all(|row| row.3 > 1 || row.4), "{after:?}");
    // Nothing else is hidden for them, and mayors still see a map.
    assert!(after.iter().all(|row| row.5.as_deref() != Some("one_arm") || row.3 == 1), "{after:?}");
    let shown = |week: i32| after.iter().filter(|row| row.1 == week && !row.4).count();
    assert!((202635..=202646).all(|week| shown(week) >= 34), "of 49 areas");
}
