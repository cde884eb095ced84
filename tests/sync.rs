//! What a phone sent and was told is stored, is stored once; what cannot be stored is kept; the order of arrival changes nothing.

use crate::on_both_engines;
use crate::street::{self, Street, TOWN};
use chrono::{DateTime, NaiveDate, Utc};
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;
use vecino::db::Db;
use vecino::observation::batch::Delivery;
use vecino::observation::line::Line;
use vecino::observation::operation::{Answer, Status};
use vecino::observation::receive::receive;
use vecino::observation::{tally, verify};
use vecino::{all, one, run};

fn day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, 23).unwrap()
}

fn noon() -> DateTime<Utc> {
    "2026-11-23T18:00:00Z".parse().unwrap()
}

async fn send(db: &Db, street: &Street, phone: usize, ops: &[Value]) -> Answer {
    receive(db, noon(), &street.phones[phone], &street.batch(ops)).await.unwrap()
}

async fn join(line: &Line, db: &Db, street: &street::Street, phone: usize, ops: &[Value]) -> vecino::error::Result<Answer> {
    line.join(db, Delivery::read(noon(), &street.phones[phone], &street.batch(ops)).unwrap()).await
}

fn statuses(answer: &Answer) -> Vec<(Status, Option<&str>)> {
    answer.results.iter().map(|receipt| (receipt.status, receipt.code)).collect()
}

async fn sound(db: &Db) {
    let mut tx = db.write().await.unwrap();
    assert_eq!(verify::rows(&mut tx).await.unwrap(), verify::Rows::default());
}

/// Everything that must not depend on the order of arrival.
async fn state(db: &Db) -> Vec<String> {
    let mut tx = db.write().await.unwrap();
    let rows: Vec<(Uuid, String, Option<i16>, bool, Option<String>, Option<String>)> =
        all!(tx, "SELECT op_id, kind, complied, counted, separated, reason FROM observation ORDER BY op_id").unwrap();
    let homes: Vec<(i32, Uuid, i32, i32, i32, i32)> =
        all!(tx, "SELECT iso_week, household_id, observed, set_out, complied, contaminated FROM home_week ORDER BY iso_week, household_id").unwrap();
    let segments: Vec<(i32, Uuid, i32, i32, i32, i32)> =
        all!(tx, "SELECT iso_week, segment_id, observed, set_out, complied, contaminated FROM segment_week ORDER BY iso_week, segment_id").unwrap();
    let rounds: Vec<(Uuid, Option<DateTime<Utc>>, Option<DateTime<Utc>>)> =
        all!(tx, "SELECT round_id, started_at, ended_at FROM round ORDER BY round_id").unwrap();
    let (waiting,): (i64,) = one!(tx, "SELECT COUNT(*) FROM waiting_correction").unwrap();
    rows.iter()
        .map(|row| format!("{row:?}"))
        .chain(homes.iter().map(|row| format!("{row:?}")))
        .chain(segments.iter().map(|row| format!("{row:?}")))
        .chain(rounds.iter().map(|row| format!("{row:?}")))
        .chain([format!("waiting {waiting}")])
        .collect()
}

#[tokio::test]
async fn a_batch_is_answered_in_order_and_a_replay_has_no_second_effect() {
    on_both_engines!(db => {
        let street = street::lay(&db, day(), 10, 5, "organic").await;
        let ops = vec![
            street.op("round_start", 0, "06:10:00", json!({})),
            street.op("observation", 0, "06:11:00", json!({"set_out": "yes", "separated": "yes", "stream": "organic", "position": {"lon": -91.7, "lat": 14.9, "accuracy_m": 8}, "clock": {"boot": "b"}})),
            street.op("observation", 1, "06:12:00", json!({"set_out": "yes", "separated": "partly", "contamination": ["plastic", "glass"], "severity": "gross"})),
            street.op("observation", 2, "06:13:00", json!({"set_out": "no"})),
            street.op("stop_missed", 3, "06:14:00", json!({"reason": "street_blocked"})),
            street.op("observation", 4, "06:15:00", json!({"set_out": "unknown"})),
            street.op("observation", 5, "06:16:00", json!({"set_out": "yes", "separated": "yes", "stream": "residual"})),
        ];
        let first = send(&db, &street, 0, &ops).await;
        assert!(first.results.iter().all(|receipt| receipt.status == Status::Stored), "{first:?}");
        assert_eq!(first.skew_ms, 0);
        let before = state(&db).await;
        let again = send(&db, &street, 1, &ops).await;
        assert!(again.results.iter().all(|receipt| receipt.status == Status::Duplicate));
        assert_eq!(state(&db).await, before);
        let mut tx = db.write().await.unwrap();
        let complied: Vec<(Option<i16>,)> = all!(tx, "SELECT complied FROM observation ORDER BY observed_at").unwrap();
        assert_eq!(complied, [Some(1), Some(0), Some(0), None, None, Some(0)].map(|c| (c,)));
        let sums: Vec<(i32, i32, i32, i32)> = all!(tx, "SELECT observed, set_out, complied, contaminated FROM segment_week WHERE municipality_id = $1 ORDER BY segment_id", TOWN).unwrap();
        assert_eq!(sums, vec![(3, 2, 1, 1), (1, 1, 0, 0)]);
        let (extra,): (Value,) = one!(tx, "SELECT extra FROM observation WHERE lon IS NOT NULL").unwrap();
        assert_eq!(extra, json!({"clock": {"boot": "b"}}));
        drop(tx);
        sound(&db).await;
    });
}

#[tokio::test]
async fn conflict_and_refusal_are_final_and_kept_whole() {
    on_both_engines!(db => {
        let street = street::lay(&db, day(), 4, 2, "mixed").await;
        let seen = street.op("observation", 0, "07:00:00", json!({"set_out": "no"}));
        let mut other = seen.clone();
        other["set_out"] = json!("yes");
        let bad = [
            (street.op("observation", 0, "07:00:00", json!({"household": "SP-9999-Z", "set_out": "no"})), "household-unknown"),
            // The other company's home, and its round: as if they were nowhere.
            (street.op("observation", 5, "07:00:00", json!({"set_out": "no"})), "household-unknown"),
            (street.op("observation", 0, "07:00:00", json!({"set_out": "no", "round": street.rounds[1]})), "round-unknown"),
            (street.op("observation", 0, "07:00:00", json!({"set_out": "no", "round": Uuid::now_v7()})), "round-unknown"),
            (street.op("observation", 0, "07:00:00", json!({"set_out": "partly"})), "set-out"),
            (street.op("observation", 0, "07:00:00", json!({})), "set-out"),
            (street.op("observation", 0, "07:00:00", json!({"set_out": "yes", "contamination": ["stones"]})), "contamination"),
            (street.op("stop_missed", 0, "07:00:00", json!({"reason": "lazy"})), "reason"),
            (street.op("dance", 0, "07:00:00", json!({})), "kind-unknown"),
            (street.op("observation", 0, "yesterday", json!({"set_out": "no"})), "observed-at"),
            (street.op("observation", 0, "07:00:00", json!({"set_out": "no", "observed_at": "2026-11-27T07:00:00-06:00"})), "observed-in-the-future"),
            (street.op("observation", 0, "07:00:00", json!({"set_out": "no", "because": "a\u{0}b"})), "op-text"),
            (json!({"kind": "observation"}), "op-id"),
            (json!("nonsense"), "op-shape"),
        ];
        let mut ops = vec![seen.clone(), other.clone()];
        ops.extend(bad.iter().map(|(op, _)| op.clone()));
        let first = send(&db, &street, 0, &ops).await;
        let mut expected = vec![(Status::Stored, None), (Status::Conflict, Some("op-other-content"))];
        expected.extend(bad.iter().map(|(_, code)| (Status::Rejected, Some(*code))));
        assert_eq!(statuses(&first), expected);
        let again = send(&db, &street, 0, &ops).await;
        assert_eq!(again.results[0].status, Status::Duplicate);
        assert_eq!(again.results[1..], first.results[1..]);
        let mut tx = db.write().await.unwrap();
        let (kept,): (i64,) = one!(tx, "SELECT COUNT(*) FROM unsettled_operation").unwrap();
        assert_eq!(kept as usize, ops.len() - 1);
        let body: Vec<(Value,)> = all!(tx, "SELECT body FROM unsettled_operation WHERE status = 'conflict'").unwrap();
        assert_eq!(body, vec![(other.clone(),)]);
        // Nothing refused is half there, and nothing hints at another company's homes.
        let (rows,): (i64,) = one!(tx, "SELECT COUNT(*) FROM observation").unwrap();
        assert_eq!(rows, 1);
        let (nowhere, elsewhere) = (&first.results[2], &first.results[3]);
        let plain = |message: &Option<String>| message.clone().unwrap().replace("SP-9999-Z", "").replace(&street.homes[5].1, "");
        assert_eq!(plain(&nowhere.message), plain(&elsewhere.message));
        drop(tx);
        sound(&db).await;
    });
}

#[tokio::test]
async fn a_clock_that_cannot_be_right_keeps_the_stop_with_the_day_of_its_round() {
    on_both_engines!(db => {
        let street = street::lay(&db, day(), 8, 4, "mixed").await;
        let seen = |home: usize, at: &str| street.op("observation", home, "07:00:00", json!({"set_out": "no", "observed_at": at}));
        let answer = send(&db, &street, 0, &[
            seen(0, "2026-11-23T11:58:00-06:00"), seen(1, "1970-01-01T00:03:00Z"), seen(2, "2032-11-23T11:00:00-06:00"),
            seen(3, "2026-11-23T12:08:00-06:00"), seen(4, "2026-11-23T18:30:00+00:00"), seen(5, "2026-11-20T08:00:00-06:00"), seen(6, "0000-01-01T00:00:00Z"),
        ]).await;
        assert!(answer.results.iter().all(|receipt| receipt.status == Status::Stored), "{answer:?}");
        // A whole phone six years ahead, or in 1970: the skew puts it right, and the doubt stays on record.
        let late = json!({"sent_at": "2032-11-23T12:00:00-06:00", "ops": [seen(7, "2032-11-23T08:00:00-06:00")]});
        let answer = receive(&db, noon(), &street.phones[0], &serde_json::to_vec(&late).unwrap()).await.unwrap();
        assert_eq!(answer.results[0].status, Status::Stored);
        let mut tx = db.write().await.unwrap();
        let rows: Vec<(String, NaiveDate, Option<String>, DateTime<Utc>)> = all!(tx,
            "SELECT h.code, o.service_day, o.suspect, o.corrected_at FROM observation o JOIN household h ON h.municipality_id = o.municipality_id AND h.household_id = o.household_id ORDER BY h.code").unwrap();
        assert!(rows.iter().all(|row| row.1 == day()));
        let suspect: Vec<Option<&str>> = rows.iter().map(|row| row.2.as_deref()).collect();
        assert_eq!(suspect, [None, Some("day"), Some("clock"), None, Some("clock"), Some("day"), Some("day"), Some("clock")]);
        assert_eq!(rows[7].3, "2026-11-23T14:00:00Z".parse::<DateTime<Utc>>().unwrap());
        let (home,): (i64,) = one!(tx, "SELECT CAST(SUM(observed) AS BIGINT) FROM home_week WHERE iso_week = 202648").unwrap();
        assert_eq!(home, 8);
        drop(tx);
        sound(&db).await;
    });
}

#[tokio::test]
async fn a_home_is_known_by_its_code_however_it_is_written() {
    on_both_engines!(db => {
        let street = street::lay(&db, day(), 2, 2, "mixed").await;
        let (home, code) = (vecino::id::HouseholdId(Uuid::now_v7()), vecino::territory::household::code("SP", 4821));
        let mut tx = db.write().await.unwrap();
        crate::ground::Ground::since(TOWN, day()).homes(&mut tx, &[(home, code.clone(), Some(street.segments[0]))]).await;
        tx.commit().await.unwrap();
        let ops: Vec<Value> = [code.as_str(), "sp 4821 k", "SP4821K", "SP-4821-L"].iter().map(|written| street.op("observation", 0, "07:00:00", json!({"set_out": "no", "household": written}))).collect();
        let answer = send(&db, &street, 0, &ops).await;
        assert_eq!(statuses(&answer), [(Status::Stored, None), (Status::Stored, None), (Status::Stored, None), (Status::Rejected, Some("household-unknown"))]);
        let mut tx = db.read().await.unwrap();
        let (rows,): (i64,) = one!(tx, "SELECT COUNT(*) FROM observation WHERE household_id = $1", home).unwrap();
        assert_eq!(rows, 3);
    });
}

#[tokio::test]
async fn nothing_is_taken_for_a_round_whose_day_has_not_come_here() {
    on_both_engines!(db => {
        let street = street::lay(&db, day(), 2, 2, "mixed").await;
        let mut tx = db.write().await.unwrap();
        let tomorrow = street::rounds(&mut tx, day() + chrono::Duration::days(1)).await[0].round_id;
        tx.commit().await.unwrap();
        let ops = || vec![
            street.op("observation", 0, "07:00:00", json!({"set_out": "no", "round": tomorrow})),
            street.op("stop_missed", 1, "07:00:00", json!({"reason": "skipped", "round": tomorrow})),
            street.op("round_start", 0, "07:00:00", json!({"round": tomorrow})),
        ];
        let at = async |now: &str| {
            let sent = json!({"sent_at": now, "ops": ops()});
            receive(&db, now.parse().unwrap(), &street.phones[0], &serde_json::to_vec(&sent).unwrap()).await.unwrap()
        };
        // A minute before midnight in Guatemala, where it is the next day in Greenwich already.
        for now in ["2026-11-23T18:00:00Z", "2026-11-24T05:59:00Z"] {
            assert_eq!(statuses(&at(now).await), vec![(Status::Rejected, Some("round-in-the-future")); 3], "{now}");
        }
        let mut tx = db.read().await.unwrap();
        let (rows, started): (i64, i64) = one!(tx, "SELECT (SELECT COUNT(*) FROM observation), (SELECT COUNT(*) FROM round WHERE started_at IS NOT NULL)").unwrap();
        assert_eq!((rows, started), (0, 0));
        drop(tx);
        assert_eq!(statuses(&at("2026-11-24T06:00:00Z").await), vec![(Status::Stored, None); 3]);
    });
}

#[tokio::test]
async fn a_batch_that_cannot_be_read_changes_nothing() {
    on_both_engines!(db => {
        let street = street::lay(&db, day(), 2, 2, "mixed").await;
        let many: Vec<Value> = (0..501).map(|_| street.op("observation", 0, "07:00:00", json!({"set_out": "no"}))).collect();
        for (body, code) in [
            (b"{".to_vec(), "sync-json"), (b"[]".to_vec(), "sync-shape"), (b"{\"ops\":[]}".to_vec(), "sync-sent-at"),
            (br#"{"sent_at":"2026-11-23T12:00:00-06:00","ops":{}}"#.to_vec(), "sync-shape"), (street.batch(&many), "sync-too-large"),
        ] {
            assert_eq!(receive(&db, noon(), &street.phones[0], &body).await.unwrap_err().code, code);
        }
        let without = vecino::account::Actor { device: None, ..street.phones[0].clone() };
        assert_eq!(receive(&db, noon(), &without, &street.batch(&[])).await.unwrap_err().code, "device-needed");
        let answer = send(&db, &street, 0, &many[..500]).await;
        assert!(answer.results.iter().all(|receipt| receipt.status == Status::Stored));
        sound(&db).await;
    });
}

#[tokio::test]
async fn another_company_neither_corrects_nor_learns() {
    on_both_engines!(db => {
        let street = street::lay(&db, day(), 2, 2, "mixed").await;
        let seen = street.op("observation", 0, "07:00:00", json!({"set_out": "yes", "separated": "yes"}));
        send(&db, &street, 0, std::slice::from_ref(&seen)).await;
        let before = state(&db).await;
        for phone in [2, 3] {
            let wrong = json!({"op": Uuid::now_v7(), "kind": "correction", "of": seen["op"], "set_out": "no", "observed_at": "2026-11-23T08:00:00-06:00"});
            send(&db, &street, phone, &[wrong]).await;
        }
        assert_eq!(state(&db).await[..before.len() - 1], before[..before.len() - 1]);
        sound(&db).await;
    });
}

#[tokio::test]
async fn a_home_that_is_closed_is_no_more_another_companys_than_before() {
    on_both_engines!(db => {
        let street = street::lay(&db, day(), 2, 2, "mixed").await;
        let mut tx = db.write().await.unwrap();
        run!(tx, "UPDATE household_version SET valid_to = $2 WHERE household_id = $1", street.homes[0].0, day().pred_opt()).unwrap();
        tx.commit().await.unwrap();
        let stop = || street.op("observation", 0, "07:00:00", json!({"round": street.rounds[1], "set_out": "no"}));
        let alone = send(&db, &street, 2, &[stop()]).await;
        let event = json!({"op": Uuid::now_v7(), "kind": "route_started", "round": street.rounds[1], "observed_at": "2026-11-23T07:00:00-06:00"});
        let beside = send(&db, &street, 2, &[stop(), event]).await;
        assert_eq!(statuses(&alone)[0], statuses(&beside)[0]);
        assert_ne!(statuses(&alone)[0].0, Status::Stored);
    });
}

/// Eight operations of two phones about the same homes: seen twice, missed and seen, a correction, a correction of the correction,
/// a second observer, start and end.
fn eight(street: &Street) -> Vec<(usize, Value)> {
    let fixed = |n: u128, mut op: Value| {
        op["op"] = json!(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0000 + n));
        op
    };
    let first = fixed(1, street.op("observation", 0, "07:00:00", json!({"set_out": "yes", "separated": "yes"})));
    let corrected = json!({"op": "", "kind": "correction", "of": first["op"], "because": "wrong_house", "separated": "no", "observed_at": "2026-11-23T07:05:00-06:00"});
    let corrected = fixed(2, corrected);
    let twice =
        json!({"op": "", "kind": "correction", "of": corrected["op"], "contamination": ["plastic"], "observed_at": "2026-11-23T07:06:00-06:00"});
    vec![
        (0, first),
        (1, corrected),
        (0, fixed(3, twice)),
        (1, fixed(4, street.op("observation", 0, "07:01:00", json!({"set_out": "no"})))),
        (0, fixed(5, street.op("stop_missed", 1, "06:59:00", json!({"reason": "truck_full"})))),
        (1, fixed(6, street.op("observation", 1, "09:00:00", json!({"set_out": "yes", "separated": "yes"})))),
        (1, fixed(7, street.op("double_observation", 1, "06:00:00", json!({"set_out": "no"})))),
        (0, fixed(8, street.op("round_start", 0, "06:30:00", json!({})))),
    ]
}

async fn arrive(db: &Db, order: &[usize]) -> Vec<String> {
    let street = street::lay(db, day(), 4, 2, "mixed").await;
    let ops = eight(&street);
    for at in order {
        let (phone, op) = &ops[*at];
        let answer = send(db, &street, *phone, std::slice::from_ref(op)).await;
        assert_eq!(answer.results[0].status, Status::Stored, "{:?}", answer.results[0]);
    }
    sound(db).await;
    state(db).await
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn every_order_of_arrival_ends_in_the_same_state(order in Just((0..8usize).collect::<Vec<_>>()).prop_shuffle()) {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let straight = crate::pilot::open("sqlite::memory:").await;
            straight.migrate().await.unwrap();
            let shuffled = crate::pilot::open("sqlite::memory:").await;
            shuffled.migrate().await.unwrap();
            let expected = arrive(&straight, &[0, 1, 2, 3, 4, 5, 6, 7]).await;
            assert!(expected.last().unwrap() == "waiting 0");
            assert_eq!(arrive(&shuffled, &order).await, expected);
        });
    }
}

#[tokio::test]
async fn the_reverse_order_ends_in_the_same_state_on_both_engines() {
    on_both_engines!(db => {
        let backwards = arrive(&db, &[7, 6, 5, 4, 3, 2, 1, 0]).await;
        let other = crate::pilot::open("sqlite::memory:").await;
        other.migrate().await.unwrap();
        assert_eq!(arrive(&other, &[0, 1, 2, 3, 4, 5, 6, 7]).await, backwards);
    });
}

#[tokio::test]
async fn phones_writing_the_same_homes_at_once_are_tallied_exactly() {
    on_both_engines!(db => {
        let street = std::sync::Arc::new(street::lay(&db, day(), 12, 4, "mixed").await);
        let (line, mut tasks) = (Line::default(), Vec::new());
        for task in 0..8usize {
            let (db, street, line) = (db.clone(), street.clone(), line.clone());
            tasks.push(tokio::spawn(async move {
                for n in 0..6usize {
                    let ops: Vec<Value> = (0..6).map(|i| {
                        let home = (task + n + i * 2) % 12;
                        street.op("observation", home, &format!("07:{:02}:{:02}", n * 7 + i, task), json!({"set_out": "yes", "separated": if i % 2 == 0 { "yes" } else { "no" }}))
                    }).collect();
                    // Half of them in line, where batches share a transaction, half past it.
                    let answer = if task < 4 { join(&line, &db, &street, task % 2, &ops).await.unwrap() } else { send(&db, &street, task % 2, &ops).await };
                    assert!(answer.results.iter().all(|receipt| receipt.status == Status::Stored));
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        let mut tx = db.write().await.unwrap();
        let (rows, counted): (i64, i64) = one!(tx, "SELECT COUNT(*), CAST(SUM(CASE WHEN counted THEN 1 ELSE 0 END) AS BIGINT) FROM observation").unwrap();
        assert_eq!((rows, counted), (8 * 6 * 6, 12));
        let (observed,): (i64,) = one!(tx, "SELECT CAST(SUM(observed) AS BIGINT) FROM segment_week").unwrap();
        assert_eq!(observed, 12);
        assert_eq!(vecino::account::audit::verify(&mut tx).await.unwrap(), Vec::<String>::new());
        drop(tx);
        sound(&db).await;
    });
}

#[tokio::test]
async fn a_batch_the_database_refuses_takes_no_other_with_it() {
    on_both_engines!(db => {
        let street = street::lay(&db, day(), 6, 2, "mixed").await;
        // Phones that were just seen: where nothing is sealed whole, nobody asks whether an index is the migrations'.
        let mut tx = db.write().await.unwrap();
        run!(tx, "UPDATE device SET seen_at = $1", vecino::clock::at_local(day(), 23, 0)).unwrap();
        tx.commit().await.unwrap();
        let mut tx = db.write().await.unwrap();
        run!(tx, "CREATE UNIQUE INDEX one_row_a_phone_and_home ON observation (municipality_id, device_id, household_id)").unwrap();
        tx.commit().await.unwrap();
        let stop = |home, time: &str| street.op("observation", home, time, json!({"set_out": "yes", "separated": "yes"}));
        let (first, twice, last) = ([stop(0, "07:00:00")], [stop(1, "07:01:00"), stop(1, "07:02:00")], [stop(2, "07:03:00")]);
        let line = Line::default();
        let (a, b, c) = tokio::join!(
            join(&line, &db, &street, 0, &first),
            join(&line, &db, &street, 0, &twice),
            join(&line, &db, &street, 1, &last),
        );
        assert!(a.unwrap().results.iter().chain(&c.unwrap().results).all(|receipt| receipt.status == Status::Stored));
        assert_eq!(b.unwrap_err().code, "internal");
        let mut tx = db.read().await.unwrap();
        let (rows,): (i64,) = one!(tx, "SELECT COUNT(*) FROM observation").unwrap();
        assert_eq!(rows, 2);
        assert_eq!(vecino::account::audit::verify(&mut tx).await.unwrap(), Vec::<String>::new());
        drop(tx);
        // The line goes on.
        assert_eq!(join(&line, &db, &street, 1, &[stop(3, "07:04:00")]).await.unwrap().results[0].status, Status::Stored);
        sound(&db).await;
    });
}

#[tokio::test]
async fn a_changed_tally_is_found_and_mended() {
    on_both_engines!(db => {
        let street = street::lay(&db, day(), 4, 2, "mixed").await;
        let ops: Vec<Value> = (0..4).map(|home| street.op("observation", home, "07:00:00", json!({"set_out": "no"}))).collect();
        send(&db, &street, 0, &ops).await;
        sound(&db).await;
        let mut tx = db.write().await.unwrap();
        run!(tx, "UPDATE home_week SET complied = 7 WHERE household_id = $1", street.homes[0].0).unwrap();
        run!(tx, "DELETE FROM segment_week WHERE segment_id = $1", street.segments[1]).unwrap();
        let lines = verify::rows(&mut tx).await.unwrap().tallies;
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].starts_with("home_week 1202/2026-W48/") && lines[1].starts_with("segment_week 1202/2026-W48/"), "{lines:?}");
        tally::rebuild(&mut tx, TOWN).await.unwrap();
        assert_eq!(verify::rows(&mut tx).await.unwrap(), verify::Rows::default());
        run!(tx, "DELETE FROM home_week WHERE household_id = $1", street.homes[1].0).unwrap();
        assert_eq!(verify::rows(&mut tx).await.unwrap().tallies.len(), 1);
        tally::recompute(&mut tx, TOWN, &[(vecino::clock::Week(202648), street.homes[1].0)]).await.unwrap();
        assert_eq!(verify::rows(&mut tx).await.unwrap(), verify::Rows::default());
    });
}

#[tokio::test]
async fn two_rows_that_count_for_one_home_and_day_are_found() {
    on_both_engines!(db => {
        let street = street::lay(&db, day(), 2, 2, "mixed").await;
        let seen = |at: &str, set_out: &str| street.op("observation", 0, at, json!({"set_out": set_out, "separated": "yes"}));
        let (first, second) = (seen("07:00:00", "yes"), seen("07:05:00", "yes"));
        send(&db, &street, 0, std::slice::from_ref(&first)).await;
        send(&db, &street, 1, std::slice::from_ref(&second)).await;
        sound(&db).await;
        let mut tx = db.write().await.unwrap();
        let altered = async |tx: &mut vecino::db::Tx| {
            // The tallies say what the rows say.
            tally::rebuild(tx, TOWN).await.unwrap();
            let found = verify::rows(tx).await.unwrap();
            assert_eq!(found.tallies, Vec::<String>::new());
            found.altered
        };
        let count = async |tx: &mut vecino::db::Tx, op: &Value, counted: bool| {
            run!(tx, "UPDATE observation SET counted = $2 WHERE op_id = $1", op["op"].as_str().unwrap().parse::<Uuid>().unwrap(), counted).unwrap();
        };
        let line = |op: &Value, is: &str, should: &str| format!("observation 1202/{}: the row {is} for home {} on {}, and by the rule it {should};", op["op"].as_str().unwrap(), street.homes[0].0, day());
        count(&mut tx, &second, true).await;
        let found = altered(&mut tx).await;
        assert!(found.len() == 1 && found[0].starts_with(&line(&second, "counts", "does not")), "{found:?}");
        count(&mut tx, &first, false).await;
        let found = altered(&mut tx).await;
        assert!(found.len() == 2 && found.iter().any(|found| found.starts_with(&line(&first, "does not count", "does"))), "{found:?}");
        count(&mut tx, &second, false).await;
        let found = altered(&mut tx).await;
        assert!(found.len() == 1 && found[0].starts_with(&line(&first, "does not count", "does")), "{found:?}");
    });
}
