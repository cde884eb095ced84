//! The programme's numbers count people, not rows, and hide the few.

use crate::on_both_engines;
use crate::registry::{OTHER, PLACE, now, registered, somebody, town};
use chrono::{Days, NaiveDate};
use vecino::db::Tx;
use vecino::id::{EnrolmentId, Mint, MunicipalityId, PersonId};
use vecino::registry::command::as_csv;
use vecino::registry::indicators::{self, Row, Standing};
use vecino::registry::person::{Birth, NewPerson, Sex};
use vecino::registry::school::SCHOOLS;
use vecino::registry::suppress::SMALLEST;
use vecino::run;

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

async fn finance(tx: &mut Tx, mint: &mut Mint, place: MunicipalityId, person: PersonId, service: &str, status: &str, from: NaiveDate) {
    let id: EnrolmentId = mint.id(now());
    run!(tx, "INSERT INTO finance_enrolment (municipality_id, enrolment_id, person_id, status, status_reason, started_on, ended_on, service, partner, recorded_by, recorded_at) VALUES ($1, $2, $3, $4, NULL, $5, NULL, $6, 'Micoope', 't', $7)",
        place, id, person, status, from, service, now()).unwrap();
}

async fn gender(tx: &mut Tx, mint: &mut Mint, place: MunicipalityId, person: PersonId, activity: &str, from: NaiveDate) {
    let id: EnrolmentId = mint.id(now());
    run!(tx, "INSERT INTO gender_enrolment (municipality_id, enrolment_id, person_id, status, status_reason, started_on, ended_on, activity, recorded_by, recorded_at) VALUES ($1, $2, $3, 'enrolled', NULL, $4, NULL, $5, 't', $6)",
        place, id, person, from, activity, now()).unwrap();
}

async fn row(tx: &mut Tx, code: &str, as_of: NaiveDate) -> Row {
    indicators::table(tx, as_of).await.unwrap().into_iter().find(|row| row.indicator == code).unwrap()
}

#[tokio::test]
async fn somebody_in_two_modules_or_two_services_counts_once() {
    on_both_engines!(db => {
        let (mut tx, mut mint) = (db.write().await.unwrap(), Mint::system());
        town(&mut tx, 1).await;
        indicators::ensure_targets(&mut tx).await.unwrap();
        indicators::ensure_targets(&mut tx).await.unwrap();
        let from = day("2024-01-10");
        for n in 0..7u32 {
            let place = if n % 2 == 0 { PLACE } else { OTHER };
            let id = registered(&mut tx, &mut mint, place, &somebody("Ana", &format!("Tzoc {n}"))).await;
            finance(&mut tx, &mut mint, place, id, "advice", "enrolled", from).await;
            finance(&mut tx, &mut mint, place, id, "savings", "exited", from).await;
            gender(&mut tx, &mut mint, place, id, "asset_building", from).await;
        }
        let candidate = registered(&mut tx, &mut mint, PLACE, &somebody("Rosa", "Chuc")).await;
        finance(&mut tx, &mut mint, PLACE, candidate, "advice", "candidate", from).await;
        let dialogue = registered(&mut tx, &mut mint, PLACE, &somebody("Marta", "Yos")).await;
        gender(&mut tx, &mut mint, PLACE, dialogue, "dialogue", from).await;
        assert_eq!(row(&mut tx, "services_for_work", day("2024-06-01")).await.people, Some(7));
        assert_eq!(row(&mut tx, "services_for_work", day("2024-01-09")).await.people, Some(0), "as of the day before");
        assert_eq!(row(&mut tx, "work", day("2024-06-01")).await.status, Standing::Unknown, "nothing recorded is not nobody");
    });
}

#[tokio::test]
async fn the_targets_are_the_programmes_with_dates_and_source() {
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        indicators::ensure_targets(&mut tx).await.unwrap();
        let table = indicators::table(&mut tx, day("2026-11-23")).await.unwrap();
        let targets: Vec<(&str, f64)> = table.iter().map(|row| (row.indicator.as_str(), row.target)).collect();
        assert_eq!(targets, [("services_for_work", 25_000.0), ("work", 5_000.0), ("basic_services", 30_000.0), ("students", 1_000.0), ("advice_under_30", 1.0 / 3.0)]);
        for row in &table {
            assert_eq!((row.valid_from, row.valid_to), (day("2023-04-01"), Some(day("2026-03-31"))));
            assert!(row.source.starts_with("Cities Alliance") && row.source.contains('«'));
            assert_eq!(row.expected, row.target, "after the last day all of it is due");
        }
        assert_eq!(SCHOOLS.len(), 4);
    });
}

#[tokio::test]
async fn a_group_under_five_is_hidden_and_does_not_come_back_by_subtraction() {
    on_both_engines!(db => {
        let (mut tx, mut mint) = (db.write().await.unwrap(), Mint::system());
        town(&mut tx, 1).await;
        indicators::ensure_targets(&mut tx).await.unwrap();
        for n in 0..30u32 {
            let sex = match n { 0..2 => Sex::Other, 2..14 => Sex::Male, _ => Sex::Female };
            let person = NewPerson { sex, ..somebody("Ana", &format!("Tzoc {n}")) };
            let id = registered(&mut tx, &mut mint, PLACE, &person).await;
            finance(&mut tx, &mut mint, PLACE, id, "savings", "enrolled", day("2024-01-10")).await;
        }
        let row = row(&mut tx, "services_for_work", day("2025-01-01")).await;
        let sex: Vec<(&str, Option<i64>)> = row.breakdowns[0].cells.iter().map(|cell| (cell.group.as_str(), cell.people)).collect();
        assert_eq!(sex, [("female", Some(16)), ("male", None), ("other", None)]);
        let csv = as_csv(day("2025-01-01"), &[row]).unwrap();
        assert!(csv.contains("services_for_work,2025-01-01,sex,other,,") && csv.contains("sex,female,16"));
        for record in csv::Reader::from_reader(csv.as_bytes()).records() {
            let people = record.unwrap()[4].to_owned();
            assert!(people.is_empty() || people == "0" || people.parse::<i64>().unwrap() >= SMALLEST);
        }
    });
}

#[tokio::test]
async fn a_share_whose_unknown_ages_decide_is_not_decided() {
    on_both_engines!(db => {
        let (mut tx, mut mint) = (db.write().await.unwrap(), Mint::system());
        town(&mut tx, 1).await;
        indicators::ensure_targets(&mut tx).await.unwrap();
        let (from, today) = (day("2024-01-10"), day("2025-01-01"));
        let add = async |tx: &mut Tx, mint: &mut Mint, born: &str, n: u32| {
            for k in 0..n {
                let birth = Birth::read(born, today).unwrap();
                let id = registered(tx, mint, PLACE, &NewPerson { birth, ..somebody("Ana", &format!("{born} {k} x")) }).await;
                finance(tx, mint, PLACE, id, "advice", "enrolled", from).await;
            }
        };
        add(&mut tx, &mut mint, "10/01/1994", 2).await; // 30 on the very day: not under 30
        add(&mut tx, &mut mint, "11/01/1994", 6).await; // 29
        add(&mut tx, &mut mint, "11/01/2006", 1).await; // 17: not an adult
        add(&mut tx, &mut mint, "1970", 7).await;
        let known = row(&mut tx, "advice_under_30", today).await;
        assert_eq!((known.people, known.value, known.status), (Some(16), Some(6.0 / 16.0), Standing::OnTrack));
        add(&mut tx, &mut mint, "", 4).await;
        let open = row(&mut tx, "advice_under_30", today).await;
        assert_eq!((open.low, open.high, open.status), (Some(6.0 / 20.0), Some(10.0 / 20.0), Standing::Unknown));
        add(&mut tx, &mut mint, "1960", 20).await;
        assert_eq!(row(&mut tx, "advice_under_30", today).await.status, Standing::Below);
    });
}

#[tokio::test]
async fn an_indicator_is_judged_by_the_straight_line_to_its_target() {
    on_both_engines!(db => {
        let (mut tx, mut mint) = (db.write().await.unwrap(), Mint::system());
        town(&mut tx, 1).await;
        indicators::ensure_targets(&mut tx).await.unwrap();
        run!(tx, "UPDATE programme_target SET value = 10.96 WHERE indicator = 'services_for_work'").unwrap();
        for n in 0..6u32 {
            let id = registered(&mut tx, &mut mint, PLACE, &somebody("Ana", &format!("Tzoc {n}"))).await;
            finance(&mut tx, &mut mint, PLACE, id, "savings", "enrolled", day("2023-05-01")).await;
        }
        // One person a hundred days: six are due after 600 of the 1,096 days.
        let start = day("2023-04-01");
        assert_eq!(row(&mut tx, "services_for_work", start + Days::new(599)).await.status, Standing::OnTrack);
        assert_eq!(row(&mut tx, "services_for_work", start + Days::new(700)).await.status, Standing::Below);
        assert_eq!(row(&mut tx, "services_for_work", start - Days::new(1)).await.status, Standing::Unknown);
    });
}
