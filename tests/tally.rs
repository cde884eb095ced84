//! Tallies equal a recount of the rows, whatever was sent; complied and the counted row follow their definitions.

use crate::ground::rehome;
use crate::on_both_engines;
use crate::street::{self, TOWN};
use chrono::{Duration, NaiveDate};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use vecino::clock::Week;
use vecino::db::Db;
use vecino::id::{HouseholdId, OpId, SegmentId};
use vecino::observation::receive::receive;
use vecino::observation::recount::recount;
use vecino::observation::{
    Kind, Mark, Observation, Outcome, Reason, Separated, SetOut, Severity, Stream, of_round, restate, round, standing, tally, verify,
};
use vecino::territory::change::Changed;
use vecino::{all, one, run};

fn day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, 23).unwrap()
}

#[test]
fn complied_is_one_zero_or_not_observed() {
    let yes = |separated, stream, severity| Outcome { set_out: Some(SetOut::Yes), separated, stream, severity, ..Outcome::default() };
    let full = Some(Separated::Yes);
    assert_eq!(yes(full, Some(Stream::Organic), None).complied(Stream::Organic), Some(1));
    assert_eq!(yes(full, None, None).complied(Stream::Organic), Some(1));
    assert_eq!(yes(full, Some(Stream::Residual), None).complied(Stream::Organic), Some(0));
    assert_eq!(yes(full, Some(Stream::Residual), None).complied(Stream::Mixed), Some(1));
    assert_eq!(yes(full, None, Some(Severity::Gross)).complied(Stream::Mixed), Some(0));
    assert_eq!(yes(full, None, Some(Severity::Slight)).complied(Stream::Mixed), Some(1));
    assert_eq!(yes(Some(Separated::Partly), None, None).complied(Stream::Mixed), Some(0));
    assert_eq!(yes(Some(Separated::Unknown), None, None).complied(Stream::Mixed), None);
    assert_eq!(yes(None, None, None).complied(Stream::Mixed), None);
    let no = Outcome { set_out: Some(SetOut::No), ..Outcome::default() };
    assert_eq!(no.complied(Stream::Mixed), Some(0));
    // Not observed is never "did not comply".
    let missed = Outcome { reason: Some(Reason::TruckFull), ..Outcome::default() };
    assert_eq!(missed.complied(Stream::Mixed), None);
    let unknown = Outcome { set_out: Some(SetOut::Unknown), ..Outcome::default() };
    assert_eq!(unknown.complied(Stream::Mixed), None);
}

/// A row of one home and day: its operation, the minute it was seen in, whether the home complied, and what it corrects.
fn mark(op: u128, minute: i64, complied: Option<i16>, corrects: Option<u128>) -> Mark {
    let at = vecino::clock::at_local(day(), 7, 0) + Duration::minutes(minute);
    Mark {
        op_id: OpId(uuid::Uuid::from_u128(op)),
        kind: if corrects.is_some() { Kind::Correction } else { Kind::Observation },
        household_id: HouseholdId(uuid::Uuid::from_u128(1)),
        segment_id: None,
        neighbourhood_id: None,
        service_day: day(),
        observed_at: at,
        received_at: at,
        corrects: corrects.map(|op| OpId(uuid::Uuid::from_u128(op))),
        complied,
        set_out: None,
        contaminated: false,
        separated: None,
        reason: None,
        counted: false,
    }
}

#[test]
fn the_row_that_stands_is_the_same_in_whichever_order_they_are_read() {
    let missed = |op, minute| Mark { kind: Kind::StopMissed, reason: Some(Reason::TruckFull), ..mark(op, minute, None, None) };
    let second = |op, minute| Mark { kind: Kind::DoubleObservation, ..mark(op, minute, Some(1), None) };
    let cases: [(&str, Vec<Mark>, Option<u128>); 11] = [
        ("the earliest of two that saw as much", vec![mark(2, 0, Some(0), None), mark(1, 1, Some(1), None)], Some(2)),
        ("of the same minute the lower operation", vec![mark(1, 0, Some(0), None), mark(2, 0, Some(1), None)], Some(1)),
        ("a stop that was seen", vec![mark(3, 2, Some(0), None), mark(2, 1, None, None), missed(1, 0)], Some(3)),
        ("one whose content is unknown beats one not made", vec![mark(2, 1, None, None), missed(1, 0)], Some(2)),
        ("the last correction", vec![mark(9, 0, Some(0), None), mark(2, 5, Some(1), Some(9)), mark(1, 6, Some(0), Some(9))], Some(1)),
        (
            "of the same minute the higher correction",
            vec![mark(9, 0, Some(0), None), mark(1, 5, Some(1), Some(9)), mark(2, 5, Some(0), Some(9))],
            Some(2),
        ),
        ("a correction dated before what it corrects", vec![mark(9, 5, Some(0), None), mark(1, 0, Some(1), Some(9))], Some(1)),
        ("a correction of a correction", vec![mark(9, 0, Some(0), None), mark(8, 1, Some(1), Some(9)), mark(7, 2, Some(0), Some(8))], Some(7)),
        ("corrected late, an earlier original", vec![mark(9, 0, Some(0), None), mark(1, 9, Some(1), Some(9)), mark(2, 1, Some(0), None)], Some(1)),
        ("a second observer's row never", vec![second(1, 0), mark(2, 5, Some(0), None), mark(3, 6, Some(0), Some(1))], Some(2)),
        (
            "nothing of what corrects nothing",
            vec![second(1, 0), mark(3, 6, Some(0), Some(7)), mark(4, 7, Some(0), Some(5)), mark(5, 7, Some(0), Some(4))],
            None,
        ),
    ];
    for (what, rows, expected) in cases {
        let expected = expected.map(|op| OpId(uuid::Uuid::from_u128(op)));
        for turn in 0..rows.len() {
            let mut rows = rows.clone();
            rows.rotate_left(turn);
            assert_eq!(standing(&rows), expected, "{what}, turned by {turn}");
            rows.reverse();
            assert_eq!(standing(&rows), expected, "{what}, turned by {turn}, from behind");
        }
    }
    assert_eq!(standing(&[second(1, 0)]), None);
    assert_eq!(standing(&[mark(3, 6, Some(0), Some(7))]), None);
}

#[test]
fn separated_rightly_is_told_of_what_was_set_out_and_never_guessed() {
    let yes = |separated, stream| Outcome { set_out: Some(SetOut::Yes), separated: Some(separated), stream, ..Outcome::default() };
    for (outcome, day, told) in [
        (yes(Separated::Yes, Some(Stream::Organic)), Stream::Organic, Some(true)),
        (yes(Separated::Partly, Some(Stream::Organic)), Stream::Organic, Some(false)),
        (yes(Separated::Yes, Some(Stream::Residual)), Stream::Organic, Some(false)),
        // Nobody recorded the stream: on the day of one stream that tells neither.
        (yes(Separated::Yes, None), Stream::Organic, None),
        (yes(Separated::No, None), Stream::Organic, None),
        (yes(Separated::Yes, None), Stream::Mixed, Some(true)),
        (yes(Separated::No, None), Stream::Mixed, Some(false)),
        (yes(Separated::Unknown, Some(Stream::Organic)), Stream::Organic, None),
        (Outcome { set_out: Some(SetOut::No), ..Outcome::default() }, Stream::Mixed, None),
        (Outcome { reason: Some(Reason::Skipped), ..Outcome::default() }, Stream::Mixed, None),
    ] {
        assert_eq!(outcome.rightly_separated(day), told, "{outcome:?} on {day:?}");
    }
    // Gross mixing is another outcome.
    let mixed = Outcome { severity: Some(Severity::Gross), ..yes(Separated::Yes, None) };
    assert_eq!((mixed.complied(Stream::Mixed), mixed.rightly_separated(Stream::Mixed)), (Some(0), Some(true)));
}

#[test]
fn a_correction_replaces_what_it_names() {
    let seen = Outcome { set_out: Some(SetOut::Yes), separated: Some(Separated::Yes), contamination: Some("plastic".into()), ..Outcome::default() };
    let not_out = Outcome { set_out: Some(SetOut::No), ..Outcome::default() };
    assert_eq!(seen.corrected(&not_out), not_out);
    let partly = Outcome { separated: Some(Separated::Partly), ..Outcome::default() };
    assert_eq!(seen.corrected(&partly), Outcome { separated: Some(Separated::Partly), ..seen.clone() });
    let clean = Outcome { contamination: Some(String::new()), ..Outcome::default() };
    assert_eq!(seen.corrected(&clean).contamination, None);
    let missed = Outcome { reason: Some(Reason::Skipped), ..Outcome::default() };
    assert_eq!(seen.corrected(&missed), missed);
    assert_eq!(missed.corrected(&seen), seen);
}

/// What a phone might send about six homes on two days.
fn operations() -> impl Strategy<Value = Vec<(u8, u8, u8, u8, u8)>> {
    proptest::collection::vec((0..6u8, 0..2u8, 0..7u8, 0..60u8, 0..12u8), 1..24)
}

async fn play(db: &Db, picks: &[(u8, u8, u8, u8, u8)]) -> (street::Street, Vec<Observation>) {
    let street = street::lay(db, day(), 6, 2, "organic").await;
    let mut tx = db.write().await.unwrap();
    let before = day() - Duration::days(2);
    let earlier = street::rounds(&mut tx, before).await[0].round_id;
    tx.commit().await.unwrap();
    let mut ops: Vec<Value> = Vec::new();
    for (home, which, kind, minute, of) in picks {
        let round = if *which == 0 { street.rounds[0] } else { earlier };
        let date = if *which == 0 { day() } else { before };
        let at = json!({"round": round, "observed_at": format!("{date}T07:{minute:02}:00-06:00")});
        let merged = |more: Value| {
            let mut all = at.clone();
            all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            all
        };
        let home = usize::from(*home);
        let target = ops.get(usize::from(*of)).map(|op| op["op"].clone()).unwrap_or(json!(uuid::Uuid::now_v7()));
        ops.push(match kind {
            0 if minute % 3 == 0 => street.op("observation", home, "", merged(json!({"set_out": "yes", "separated": "yes"}))),
            0 if minute % 3 == 1 => street.op("observation", home, "", merged(json!({"set_out": "yes", "separated": "yes", "stream": "residual"}))),
            0 => street.op("observation", home, "", merged(json!({"set_out": "yes", "separated": "yes", "stream": "organic"}))),
            1 => street.op("observation", home, "", merged(json!({"set_out": "yes", "separated": "yes", "contamination": ["glass"]}))),
            2 => street.op("observation", home, "", merged(json!({"set_out": "no"}))),
            3 => street.op("stop_missed", home, "", merged(json!({"reason": "truck_full"}))),
            4 => street.op("double_observation", home, "", merged(json!({"set_out": "no"}))),
            5 => json!({"op": uuid::Uuid::now_v7(), "kind": "correction", "of": target, "separated": "no", "observed_at": at["observed_at"]}),
            _ => json!({"op": uuid::Uuid::now_v7(), "kind": "correction", "of": target, "set_out": "unknown", "observed_at": at["observed_at"]}),
        });
    }
    for (n, part) in ops.chunks(5).enumerate() {
        receive(db, "2026-11-23T18:00:00Z".parse().unwrap(), &street.phones[n % 2], &street.batch(part)).await.unwrap();
    }
    let mut tx = db.write().await.unwrap();
    let mut rows = of_round(&mut tx, TOWN, street.rounds[0]).await.unwrap();
    rows.extend(of_round(&mut tx, TOWN, earlier).await.unwrap());
    (street, rows)
}

/// The tallies by hand: from the rows, by the rules, without the flags that were stored.
/// `day`: the stream of the rounds.
fn by_hand(rows: &[Observation], day: Stream) -> BTreeMap<(Week, HouseholdId), tally::Sums> {
    let mut days: BTreeMap<(HouseholdId, NaiveDate), Vec<&Observation>> = BTreeMap::new();
    let mut sums: BTreeMap<(Week, HouseholdId), tally::Sums> = BTreeMap::new();
    for row in rows {
        days.entry((row.household_id, row.service_day)).or_default().push(row);
        sums.entry((row.iso_week, row.household_id)).or_default();
    }
    for rows in days.into_values() {
        let marks: Vec<Mark> = rows.iter().map(|row| row.mark(Some(day))).collect();
        let stands = standing(&marks);
        for row in rows {
            assert_eq!(row.counted, stands == Some(row.op_id));
            if let (true, Some(complied)) = (row.counted, row.complied) {
                let cell = sums.entry((row.iso_week, row.household_id)).or_default();
                let out = i32::from(row.outcome.set_out == Some(SetOut::Yes));
                let Outcome { separated, stream, .. } = row.outcome;
                let told = out == 1 && (day == Stream::Mixed || stream.is_some());
                let right = told && separated == Some(Separated::Yes) && (day == Stream::Mixed || stream == Some(day));
                let contaminated = i32::from(row.outcome.contaminated());
                for (sum, more) in cell.iter_mut().zip([1, out, i32::from(complied), contaminated, i32::from(told), i32::from(right)]) {
                    *sum += more;
                }
            }
        }
    }
    sums
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn tallies_equal_a_recount_of_the_rows(picks in operations()) {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let db = crate::pilot::open("sqlite::memory:").await;
            db.migrate().await.unwrap();
            let (_, rows) = play(&db, &picks).await;
            let mut tx = db.write().await.unwrap();
            assert_eq!(verify::rows(&mut tx).await.unwrap(), verify::Rows::default());
            let homes: Vec<(Week, HouseholdId, i32, i32, i32, i32, i32, i32)> = all!(tx, "SELECT iso_week, household_id, observed, set_out, complied, contaminated, separation_seen, separated FROM home_week").unwrap();
            let stored: BTreeMap<_, _> = homes.into_iter().map(|(week, home, a, b, c, d, e, f)| ((week, home), [a, b, c, d, e, f])).collect();
            assert_eq!(stored, by_hand(&rows, Stream::Organic));
            // Nothing counted stays different after a rebuild from the rows.
            tally::rebuild(&mut tx, TOWN).await.unwrap();
            assert_eq!(verify::rows(&mut tx).await.unwrap(), verify::Rows::default());
        });
    }
}

#[tokio::test]
async fn a_database_made_before_counts_what_was_separated_rightly_from_its_rows() {
    on_both_engines!(db => {
        // By home, day, kind, minute, target: right stream, wrong stream, no stream, mixed, not out, missed, corrections.
        let picks = [(0, 0, 0, 2, 0), (1, 0, 0, 1, 0), (2, 0, 0, 0, 0), (3, 0, 1, 5, 0), (4, 0, 2, 5, 0), (5, 0, 3, 5, 0), (0, 1, 0, 5, 0), (0, 1, 5, 6, 6), (1, 1, 0, 8, 0)];
        let (_, rows) = play(&db, &picks).await;
        let cells = async || -> BTreeMap<(Week, HouseholdId), tally::Sums> {
            let mut tx = db.read().await.unwrap();
            let cells: Vec<(Week, HouseholdId, i32, i32, i32, i32, i32, i32)> = all!(tx, "SELECT iso_week, household_id, observed, set_out, complied, contaminated, separation_seen, separated FROM home_week").unwrap();
            cells.into_iter().map(|(week, home, a, b, c, d, e, f)| ((week, home), [a, b, c, d, e, f])).collect()
        };
        let before = cells().await;
        assert_eq!(before, by_hand(&rows, Stream::Organic));
        let sums = before.values().fold([0, 0], |sums, cell| [sums[0] + cell[4], sums[1] + cell[5]]);
        assert_eq!(sums, [4, 2], "two of four told: nobody knows of a bag whose stream no crew recorded");
        // As the step before left it.
        let mut tx = db.write().await.unwrap();
        run!(tx, "ALTER TABLE home_week DROP COLUMN separation_seen").unwrap();
        run!(tx, "ALTER TABLE home_week DROP COLUMN separated").unwrap();
        run!(tx, "ALTER TABLE segment_week DROP COLUMN separation_seen").unwrap();
        run!(tx, "ALTER TABLE segment_week DROP COLUMN separated").unwrap();
        run!(tx, "ALTER TABLE publication_cell DROP COLUMN why").unwrap();
        run!(tx, "ALTER TABLE published_week DROP COLUMN blinded").unwrap();
        run!(tx, "DELETE FROM _sqlx_migrations WHERE version = 13").unwrap();
        tx.commit().await.unwrap();
        db.migrate().await.unwrap();
        assert_eq!(cells().await, before);
        let mut tx = db.write().await.unwrap();
        assert_eq!(verify::rows(&mut tx).await.unwrap(), verify::Rows::default());
        assert_eq!(recount(&mut tx, TOWN, "ana", "2026-11-24T18:00:00Z".parse().unwrap()).await.unwrap(), Vec::<String>::new());
        // A count that another hand wrote is found and made again.
        run!(tx, "UPDATE home_week SET separated = separation_seen").unwrap();
        assert!(verify::rows(&mut tx).await.unwrap().tallies.iter().any(|line| line.contains("rightly separated 1 of 1, its rows say") && line.contains("rightly separated 0 of 1")));
        recount(&mut tx, TOWN, "ana", "2026-11-24T18:00:00Z".parse().unwrap()).await.unwrap();
        assert_eq!(verify::rows(&mut tx).await.unwrap(), verify::Rows::default());
    });
}

#[tokio::test]
async fn each_collection_of_a_home_that_moved_counts_where_it_was_that_day() {
    on_both_engines!(db => {
        let street = street::lay(&db, day(), 4, 2, "mixed").await;
        let wednesday = day() + Duration::days(2);
        let mut tx = db.write().await.unwrap();
        // From Wednesday on the first home belongs to the second segment: Monday counts where it was on Monday.
        rehome(&mut tx, TOWN, street.homes[0].0, wednesday, |home| home.segment_id = Some(street.segments[1])).await;
        let later = street::rounds(&mut tx, wednesday).await[0].round_id;
        let next = street::rounds(&mut tx, day() + Duration::days(7)).await[0].round_id;
        tx.commit().await.unwrap();
        let ops = [(street.rounds[0], day()), (later, wednesday), (next, day() + Duration::days(7))].map(|(round, date)| {
            street.op("observation", 0, "", json!({"round": round, "set_out": "no", "observed_at": format!("{date}T07:00:00-06:00")}))
        });
        let body = json!({"sent_at": "2026-12-01T12:00:00-06:00", "ops": ops}).to_string();
        let answer = receive(&db, "2026-12-01T18:00:00Z".parse().unwrap(), &street.phones[0], body.as_bytes()).await.unwrap();
        assert!(answer.results.iter().all(|receipt| receipt.code.is_none()), "{answer:?}");
        let mut tx = db.write().await.unwrap();
        let cells: Vec<(SegmentId, Week, i32)> = all!(tx, "SELECT segment_id, iso_week, observed FROM segment_week ORDER BY iso_week, segment_id").unwrap();
        assert_eq!(cells, vec![(street.segments[0], Week(202648), 1), (street.segments[1], Week(202648), 1), (street.segments[1], Week(202649), 1)]);
        assert_eq!(verify::rows(&mut tx).await.unwrap(), verify::Rows::default());
    });
}

#[tokio::test]
async fn a_recount_makes_due_marks_and_tallies_again_and_says_what_was_wrong() {
    on_both_engines!(db => {
        let street = street::lay(&db, day(), 2, 2, "mixed").await;
        let ops = [0, 1, 0].map(|home| street.op("observation", home, "07:00:00", json!({"set_out": "yes", "separated": "yes"})));
        let now: chrono::DateTime<chrono::Utc> = "2026-11-23T18:00:00Z".parse().unwrap();
        receive(&db, now, &street.phones[0], &street.batch(&ops)).await.unwrap();
        let mut tx = db.write().await.unwrap();
        assert_eq!(recount(&mut tx, TOWN, "ana", now).await.unwrap(), Vec::<String>::new());
        let before: Vec<(Week, HouseholdId, i32, i32)> = all!(&mut tx, "SELECT iso_week, household_id, observed, complied FROM home_week ORDER BY household_id").unwrap();
        run!(&mut tx, "UPDATE observation SET counted = $1", true).unwrap();
        run!(&mut tx, "UPDATE observation SET complied = 0, segment_id = NULL WHERE household_id = $1", street.homes[1].0).unwrap();
        run!(&mut tx, "UPDATE home_week SET observed = observed + 1 WHERE household_id = $1", street.homes[0].0).unwrap();
        run!(&mut tx, "DELETE FROM segment_week").unwrap();
        run!(&mut tx, "UPDATE round_segment SET stops = stops + 3").unwrap();
        let wrong = verify::rows(&mut tx).await.unwrap();
        for part in ["observation", "round_segment", "home_week", "segment_week"] {
            assert!(wrong.tallies.iter().any(|line| line.starts_with(part)), "{part} in {wrong:#?}");
        }
        let said = recount(&mut tx, TOWN, "ana", now).await.unwrap();
        for part in ["due says 5 homes, the facts of its day give 2 homes", "rows of 1 homes counted for another place or outcome", "1 rows counted, or did not,",
            "the tally says observed 2, set out 1, complied 1, contaminated 0, rightly separated 1 of 1, its rows say observed 1, set out 1, complied 1, contaminated 0, rightly separated 1 of 1", "segment_week"] {
            assert!(said.iter().any(|line| line.contains(part)), "{part} in {said:#?}");
        }
        assert_eq!(verify::rows(&mut tx).await.unwrap(), verify::Rows::default());
        let after: Vec<(Week, HouseholdId, i32, i32)> = all!(&mut tx, "SELECT iso_week, household_id, observed, complied FROM home_week ORDER BY household_id").unwrap();
        assert_eq!(after, before);
        let (entries,): (i64,) = one!(&mut tx, "SELECT COUNT(*) FROM audit_entry WHERE action = 'recounted'").unwrap();
        assert_eq!(entries, 2);
    });
}

#[tokio::test]
async fn homes_without_service_count_nowhere() {
    on_both_engines!(db => {
        let street = street::lay(&db, day(), 2, 2, "mixed").await;
        let mut tx = db.write().await.unwrap();
        rehome(&mut tx, TOWN, street.homes[1].0, day(), |home| home.service_status = "not_subscribed".into()).await;
        round::make(&mut tx, TOWN, day(), day()).await.unwrap();
        tx.commit().await.unwrap();
        let ops = [0, 1].map(|home| street.op("observation", home, "07:00:00", json!({"set_out": "no"})));
        receive(&db, "2026-11-23T18:00:00Z".parse().unwrap(), &street.phones[0], &street.batch(&ops)).await.unwrap();
        let mut tx = db.write().await.unwrap();
        let (homes,): (i64,) = one!(tx, "SELECT COUNT(*) FROM home_week WHERE observed = 1").unwrap();
        let (observed,): (i32,) = one!(tx, "SELECT observed FROM segment_week").unwrap();
        assert_eq!((homes, observed), (1, 1));
        assert_eq!(verify::rows(&mut tx).await.unwrap(), verify::Rows::default());
    });
}

#[tokio::test]
async fn only_a_change_of_counted_days_needs_a_reason() {
    on_both_engines!(db => {
        let street = street::lay(&db, day(), 2, 2, "mixed").await;
        let ops = [street.op("observation", 0, "07:00:00", json!({"set_out": "no"}))];
        receive(&db, "2026-11-23T18:00:00Z".parse().unwrap(), &street.phones[0], &street.batch(&ops)).await.unwrap();
        let mut tx = db.write().await.unwrap();
        let changed = |since| Changed { municipality: TOWN, since, reason: None, now: "2026-11-27T15:00:00Z".parse().unwrap(), today: day() + Duration::days(4), what: "f.csv" };
        restate::facts_changed(&mut tx, changed(day() + Duration::days(1))).await.unwrap();
        let refused = restate::facts_changed(&mut tx, changed(day())).await.unwrap_err();
        assert!(refused.code == "past-needs-reason" && refused.lines[0].contains("on which 1 collections were counted"), "{refused}");
    });
}

#[tokio::test]
async fn a_day_that_takes_another_stream_is_judged_again() {
    on_both_engines!(db => {
        let street = street::lay(&db, day(), 2, 2, "organic").await;
        let ops = [street.op("observation", 0, "07:00:00", json!({"set_out": "yes", "separated": "yes", "stream": "organic"}))];
        receive(&db, "2026-11-23T18:00:00Z".parse().unwrap(), &street.phones[0], &street.batch(&ops)).await.unwrap();
        let mut tx = db.write().await.unwrap();
        let complied = async |tx: &mut vecino::db::Tx| -> i32 { let (n,): (i32,) = one!(tx, "SELECT complied FROM segment_week").unwrap(); n };
        assert_eq!(complied(&mut tx).await, 1);
        let changed = Changed { municipality: TOWN, since: day(), reason: Some("test"), now: "2026-11-27T15:00:00Z".parse().unwrap(), today: day() + Duration::days(4), what: "f.csv" };
        for (stream, counts) in [("residual", 0), ("organic", 1)] {
            run!(tx, "UPDATE route_day SET stream = $1", stream).unwrap();
            restate::facts_changed(&mut tx, changed).await.unwrap();
            assert_eq!(complied(&mut tx).await, counts, "{stream}");
            assert_eq!(verify::rows(&mut tx).await.unwrap(), verify::Rows::default());
        }
    });
}

#[tokio::test]
async fn a_gap_is_filled_and_rounds_that_stand_are_left_alone() {
    on_both_engines!(db => {
        let street = street::lay(&db, day(), 2, 2, "mixed").await;
        let mut tx = db.write().await.unwrap();
        round::keep_up(&mut tx, TOWN, day()).await.unwrap();
        assert!(round::missing(&mut tx, TOWN, day()).await.unwrap().is_empty());
        run!(tx, "DELETE FROM round_segment WHERE round_id = $1", round::identity(TOWN, street.routes[0], day() - Duration::days(2))).unwrap();
        for back in [1, 3] {
            let gone = round::identity(TOWN, street.routes[0], day() - Duration::days(back));
            run!(tx, "DELETE FROM round_segment WHERE round_id = $1", gone).unwrap();
            run!(tx, "DELETE FROM round WHERE round_id = $1", gone).unwrap();
        }
        assert_eq!(round::keep_up(&mut tx, TOWN, day()).await.unwrap(), 2);
        let due = async |tx: &mut vecino::db::Tx, back: i64| -> i64 {
            let round = round::identity(TOWN, street.routes[0], day() - Duration::days(back));
            let (n,): (i64,) = one!(tx, "SELECT CAST(COALESCE(SUM(stops), 0) AS BIGINT) FROM round_segment WHERE round_id = $1", round).unwrap();
            n
        };
        assert_eq!([due(&mut tx, 1).await, due(&mut tx, 2).await, due(&mut tx, 3).await], [2, 0, 2], "a day between is not written again");
    });
}

#[tokio::test]
async fn a_round_is_the_same_whoever_asks_first_and_follows_the_calendar() {
    on_both_engines!(db => {
        let street = street::lay(&db, day(), 6, 3, "organic").await;
        let mut tx = db.write().await.unwrap();
        let again = street::rounds(&mut tx, day()).await;
        assert_eq!(again.iter().map(|round| round.round_id).collect::<Vec<_>>(), street.rounds);
        assert_eq!(again.iter().map(|round| round.planned_stops).collect::<Vec<_>>(), [6, 4]);
        assert_eq!(again[0].round_id, round::identity(TOWN, again[0].route_id, day()));
        vecino::run!(tx, "DELETE FROM route_day WHERE weekday = 2").unwrap();
        assert!(street::rounds(&mut tx, day() + Duration::days(1)).await.is_empty());
    });
}

#[tokio::test]
async fn only_a_round_that_is_planned_otherwise_is_told_of_when_rounds_are_made_again() {
    on_both_engines!(db => {
        let street = street::lay(&db, day(), 4, 2, "mixed").await;
        let mut tx = db.write().await.unwrap();
        assert_eq!(round::make(&mut tx, TOWN, day(), day()).await.unwrap(), BTreeMap::new());
        run!(tx, "UPDATE round SET stream = 'organic' WHERE round_id = $1", street.rounds[0]).unwrap();
        assert_eq!(round::make(&mut tx, TOWN, day(), day()).await.unwrap(), BTreeMap::from([(street.rounds[0], Stream::Mixed)]));
    });
}
