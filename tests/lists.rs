//! An office sends its list every month, saved by another program and longer by a row: whoever was on it is known, and nothing that was
//! said since is unsaid.

use crate::namesakes::{bring_in, brought, people, rows, said, settled};
use crate::on_both_engines;
use crate::registry::{PLACE, keys, now};
use chrono::{DateTime, Utc};
use vecino::db::Db;
use vecino::id::{ConsentId, HouseholdId, PersonId};
use vecino::registry::consent::{How, Subject};
use vecino::registry::identify::Answers;
use vecino::registry::import::{File, Summary, bring};
use vecino::registry::membership::{self, Move, Relation};
use vecino::registry::person::{self, Birth};
use vecino::registry::{consent, table};
use vecino::sheet::Written;
use vecino::{all, one};

/// Nobody of these is told by CUI or birth date; the first is told by an age, two rows are alike.
const LIST: [&str; 6] = ["Rosa,Prueba Edad,36", "José,Batz Cojtí,1988", "Ana,Tzoc,18+", "Ida,Puac,", "Ida,Puac,", "Ñíguez,Muñoz de León,70"];

fn listed(rows: &[&str]) -> String {
    format!("given_names,surnames,birth_date\n{}\n", rows.join("\n"))
}

async fn bring_bytes(db: &Db, bytes: &[u8], at: DateTime<Utc>) -> Summary {
    let file = File::read(&keys(), PLACE, "p.csv", bytes, &Written::default(), at).unwrap_or_else(|error| panic!("{error}"));
    bring(db, &keys(), &mut vecino::id::Mint::system(), &file, &Answers::default(), "clerk", at).await.unwrap()
}

#[tokio::test]
async fn a_list_that_is_saved_again_or_has_grown_changes_nothing_for_the_rows_it_had() {
    on_both_engines!(db => {
        settled(&db, 1).await;
        let plain = listed(&LIST);
        assert_eq!(bring_in(&db, &plain).await.new_people, 6);
        let before = rows(&db).await;
        let windows = plain.replace('\n', "\r\n");
        let semicolons = format!("\u{feff}{}", windows.replace(',', ";"));
        let utf16: Vec<u8> = [0xFF, 0xFE].into_iter().chain(semicolons.trim_start_matches('\u{feff}').encode_utf16().flat_map(u16::to_le_bytes)).collect();
        let decomposed = plain.replace('ñ', "n\u{303}").replace('í', "i\u{301}");
        let turned: Vec<&str> = LIST.iter().rev().copied().collect();
        let columns: String = LIST.iter().map(|row| { let cells: Vec<&str> = row.split(',').collect(); format!("{},,{},  {} ,\n", cells[2], cells[1], cells[0]) }).collect();
        let columns = format!("Edad,Teléfono,Apellidos,Nombres,\n{columns}");
        let fewer = listed(&LIST[..4]);
        let later = "2027-01-10T16:00:00Z".parse().unwrap();
        for (how, bytes) in [
            ("as it was", plain.as_bytes()), ("lines of Windows", windows.as_bytes()), ("semicolons and a mark", semicolons.as_bytes()), ("UTF-16", &utf16),
            ("accents apart", decomposed.as_bytes()), ("turned round", listed(&turned).as_bytes()), ("other columns", columns.as_bytes()), ("fewer", fewer.as_bytes()),
        ] {
            for at in [now(), later] {
                let done = bring_bytes(&db, bytes, at).await;
                assert_eq!((done.new_people, done.questions.len(), done.as_before), (0, 0, done.rows), "{how}: {done:?}");
                assert_eq!(rows(&db).await, before, "{how}");
            }
        }
        // Month by month one row more: only the last is new.
        let months = ["Eva,Yos,1970", "Olga,Puac,", "Luis,Chuc,41", "Juan,Xiloj,1951"];
        for month in 1..=months.len() {
            let grown: Vec<&str> = months[..month].iter().rev().chain(&LIST).copied().collect();
            let done = brought(&db, PLACE, &listed(&grown), &Answers::default(), later).await.unwrap();
            assert_eq!((done.new_people, done.questions.len(), done.as_before), (1, 0, grown.len() - 1), "{done:?}");
        }
        let after = rows(&db).await;
        assert!(before.iter().all(|row| after.contains(row)), "an age keeps the day it was told");
        // One row is mended: it alone is a question.
        let mended = listed(&LIST).replace("Tzoc,18+", "Tzoc,44");
        let done = bring_in(&db, &mended).await;
        assert_eq!((done.new_people, done.questions.len(), done.as_before), (1, 1, 5), "{done:?}");
    });
}

#[tokio::test]
async fn one_row_alike_in_another_list_is_asked_about_and_the_registrar_may_say_who_a_row_is_not() {
    on_both_engines!(db => {
        settled(&db, 1).await;
        bring_in(&db, &listed(&LIST)).await;
        let other = listed(&["Ana,Tzoc,18+", "Pedro,Xol,1990", "Marta,Coc,22"]);
        let done = bring_in(&db, &other).await;
        assert_eq!((done.new_people, done.questions.len(), done.as_before), (3, 1, 0), "two lists may each have their Ana Tzoc: {done:?}");
        assert_eq!(bring_in(&db, &other).await.as_before, 3);
        // Both lists in one: everybody is who they were.
        let both: Vec<&str> = LIST.iter().copied().chain(["Pedro,Xol,1990", "Marta,Coc,22"]).collect();
        let before = rows(&db).await;
        assert_eq!(bring_in(&db, &listed(&both)).await.as_before, 8);
        assert_eq!(rows(&db).await, before);
        let one = listed(&["Sara,Cux,50"]);
        bring_in(&db, &one).await;
        let sara = {
            let mut tx = db.read().await.unwrap();
            person::search(&mut tx, &keys(), PLACE, "Sara Cux", now().date_naive()).await.unwrap()[0].id
        };
        let known = people(&db).await;
        let apart = brought(&db, PLACE, &one, &said(&[], &[&format!("2={sara}")]), now()).await.unwrap();
        assert_eq!((apart.new_people, apart.questions.len(), people(&db).await), (1, 0, known + 1), "somebody else, and nobody is asked");
        assert_eq!((bring_in(&db, &one).await.as_before, people(&db).await), (1, known + 1));
    });
}

#[tokio::test]
async fn half_of_a_short_list_in_another_offices_list_is_asked_about_in_whatever_order_they_come() {
    let crowd: Vec<String> = (50..80).map(|n| format!("Ana,Tzoc x{n},14/03/19{n}")).collect();
    let with_crowd = |rows: &[&str]| listed(&crowd.iter().map(String::as_str).chain(rows.iter().copied()).collect::<Vec<&str>>());
    for (first, second, questions) in [
        (listed(&["María,Sotz Pérez,"]), with_crowd(&["María,Sotz Pérez,"]), 1),
        (with_crowd(&["María,Sotz Pérez,"]), listed(&["María,Sotz Pérez,"]), 1),
        (listed(&["María,Sotz Pérez,"]), listed(&["María,Sotz Pérez,", "Eva,Yos,1970"]), 1),
        (
            listed(&["María,López,30", "José,Pérez,41", "Ana,Xicara,22", "Luz,Coj,19"]),
            listed(&["María,López,30", "José,Pérez,41", "Paco,Cux,1970", "Beto,Cux,1970", "Susy,Cux,1970", "Dina,Cux,1970"]),
            2,
        ),
        (listed(&LIST), with_crowd(&LIST), LIST.len() + 3),
    ] {
        on_both_engines!(db => {
            settled(&db, 1).await;
            let known = bring_in(&db, &first).await.new_people;
            let done = bring_in(&db, &second).await;
            assert_eq!((done.new_people, done.questions.len(), done.as_before), (done.rows, questions, 0), "{done:?}");
            assert_eq!(people(&db).await, (known + done.rows) as i64, "nobody was made one with anybody");
            for text in [&first, &second] {
                let again = bring_in(&db, text).await;
                assert_eq!((again.new_people, again.questions.len(), again.as_before), (0, 0, again.rows), "each comes again as itself: {again:?}");
            }
        });
    }
}

#[tokio::test]
async fn a_row_that_came_before_neither_moves_anybody_back_nor_signs_again() {
    on_both_engines!(db => {
        settled(&db, 9).await;
        // With a CUI or a birth date too.
        let list = "given_names,surnames,cui,birth_date,household,phone,consent_messages,consents,guardian\n\
                    Ana,Tzoc,,36,SP-0001-X,5555-0101,yes,research,no\n\
                    Eva,Yos,1234567891301,14/03/1988,SP-0002-X,55550102,yes,finance,no\n\
                    Luis,Chuc,,41,SP-0001-X,,,,\nOlga,Puac,,18+,SP-0002-X,,,,\n";
        assert_eq!(bring_in(&db, list).await.new_people, 4);
        let later: DateTime<Utc> = "2026-12-20T16:00:00Z".parse().unwrap();
        let mut tx = db.write().await.unwrap();
        let (new_home,): (HouseholdId,) = one!(tx, "SELECT household_id FROM household WHERE municipality_id = $1 AND code = 'SP-0006-X'", PLACE).unwrap();
        let everybody: Vec<(PersonId,)> = all!(tx, "SELECT person_id FROM person WHERE municipality_id = $1", PLACE).unwrap();
        for (person,) in everybody {
            let to = Move { home_municipality: PLACE, household: new_home, relation: Relation::Head, from: "2026-12-01".parse().unwrap() };
            membership::move_to(&mut tx, PLACE, person, to, "clerk", later).await.unwrap();
        }
        let given: Vec<(ConsentId, Option<PersonId>, Option<HouseholdId>)> = all!(tx, "SELECT consent_id, person_id, household_id FROM consent WHERE municipality_id = $1", PLACE).unwrap();
        for (id, person, home) in given {
            let of = person.map(Subject::Person).or(home.map(Subject::Home)).unwrap();
            consent::withdraw(&mut tx, PLACE, of, id, How::Visit, "clerk", later).await.unwrap();
        }
        tx.commit().await.unwrap();
        let before = rows(&db).await;
        let live = async || -> i64 { let mut tx = db.read().await.unwrap(); let (n,): (i64,) = one!(tx, "SELECT COUNT(*) FROM consent WHERE withdrawn_at IS NULL").unwrap(); n };
        assert_eq!(live().await, 0);
        let done = brought(&db, PLACE, &list.replace('\n', "\r\n"), &Answers::default(), later).await.unwrap();
        assert_eq!((done.as_before, done.homes, done.consents, done.contacts), (4, 0, 0, 0), "{done:?}");
        assert_eq!((rows(&db).await, live().await), (before, 0));
        // A row that says something new is heard.
        let done = brought(&db, PLACE, &list.replace("14/03/1988,SP-0002-X", "14/03/1988,SP-0004-X"), &Answers::default(), later).await.unwrap();
        assert_eq!((done.as_before, done.new_people, done.homes), (3, 0, 1), "{done:?}");
    });
}

#[tokio::test]
async fn what_waits_for_an_age_is_asked_about_each_time_and_signed_once_somebody_tells() {
    on_both_engines!(db => {
        settled(&db, 9).await;
        let list = "given_names,surnames,birth_date,household,consents,consent_on\nAna,Tzoc,,SP-0001-X,finance,01/11/2026\nIda,Puac,1970,,,\nLuis,Chuc,1971,,,\n";
        for as_before in [0, 2] {
            let done = bring_in(&db, list).await;
            assert_eq!((done.consents, done.questions.len(), done.as_before), (0, 1, as_before), "{done:?}");
        }
        let (ana,): (PersonId,) = { let mut tx = db.read().await.unwrap(); one!(tx, "SELECT person_id FROM person WHERE birth_precision = 'unknown'").unwrap() };
        let mut tx = db.write().await.unwrap();
        person::tell_birth(&mut tx, PLACE, ana, Birth::read("1988", now().date_naive()).unwrap(), "clerk", now()).await.unwrap();
        tx.commit().await.unwrap();
        let done = bring_in(&db, &format!("{list}Eva,Yos,1970,SP-0001-X,,\n")).await;
        assert_eq!((done.new_people, done.consents, done.questions.len(), done.homes), (1, 1, 0, 1), "{done:?}");
        assert_eq!(bring_in(&db, list).await.as_before, 3, "nothing waits any more");
    });
}

#[tokio::test]
async fn refusals_warnings_and_questions_are_one_line_a_problem_and_column() {
    on_both_engines!(db => {
        settled(&db, 9).await;
        let list = |rows: &dyn Fn(usize) -> String, many: usize| -> String { (0..many).map(rows).collect::<Vec<String>>().join("\n") };
        let homeless = format!("given_names,surnames,birth_date,household,since\n{}\n", list(&|n| format!("Ana,Tzoc x{n},14/03/1988,NO-{n},"), 40));
        let refused = brought(&db, PLACE, &homeless, &Answers::default(), now()).await.unwrap_err();
        assert_eq!(refused.lines, ["p.csv:2, 3, 4, 5, 6 and 35 more: household: there is no home with this code in 1202; import the home first or mend the code"]);
        // What is found only when a row is held against the record.
        let minors = format!("given_names,surnames,birth_date,consents\n{}\n", list(&|n| format!("Ana,Tzoc x{n},14/03/2015,finance"), 9));
        let refused = brought(&db, PLACE, &minors, &Answers::default(), now()).await.unwrap_err();
        assert!(refused.lines.len() == 1 && refused.lines[0].starts_with("p.csv:2, 3, 4, 5, 6 and 4 more: guardian: "), "{refused}");
        let doubtful = format!("given_names,surnames,cui,birth_date\n{}\n", list(&|n| format!("Ana,Tzoc x{n},12345678{n:02}300,1990"), 12));
        let done = bring_in(&db, &doubtful).await;
        assert_eq!(done.warnings, ["p.csv:2, 3, 4, 5, 6 and 7 more: cui: check digit or place do not fit; kept as given, compare it with the card"]);
        let shared = format!("given_names,surnames,birth_date,household,phone\n{}\n", list(&|n| format!("Eva,Yos x{n},1{n}/03/1988,SP-000{n}-X,5555 0199"), 7));
        let done = bring_in(&db, &shared).await;
        assert!(done.shared_numbers == 6 && done.warnings.len() == 1 && done.warnings[0].starts_with("p.csv:3, 4, 5, 6, 7 and 1 more: phone: the same number reaches the home «SP-0000-X»"), "{done:?}");
        let ages = format!("given_names,surnames,consents\n{}\n", list(&|n| format!("Luis,Chuc x{n},finance"), 8));
        let done = bring_in(&db, &ages).await;
        assert!(done.questions.len() == 8 && done.asked.len() == 1 && done.asked[0].starts_with("p.csv:2, 3, 4, 5, 6 and 3 more: question: birth_date:"), "{done:?}");
        // Each question stands in --json with its answer; on the screen they are one line, and a few are told one by one.
        let known = format!("given_names,surnames,birth_date\n{}\n", list(&|n| format!("Ana,Tzoc x{n},"), 12));
        let done = bring_in(&db, &known).await;
        assert!(done.questions.len() == 12 && done.questions.iter().all(|line| line.contains("--same ")), "{done:?}");
        assert!(done.asked.len() == 1 && done.asked[0].starts_with("p.csv:2, 3, 4, 5, 6 and 7 more: question: the same names"), "{done:?}");
        let few = bring_in(&db, "given_names,surnames\nLuis,Chuc x1\nLuis,Chuc x2\n").await;
        assert_eq!(few.asked, few.questions);
    });
}

fn refusals(text: &str) -> Vec<String> {
    table::read("p.csv", text.as_bytes(), &Written::default(), now().date_naive(), |_| 0).err().map(|error| error.lines).unwrap_or_default()
}

#[test]
fn days_that_cannot_have_been_and_letters_that_cannot_be_stored_are_refused() {
    for (birth, since, on, refused) in [
        ("", "01/01/0000", "", Some("since: this day is before 01/01/1900; mend the year")),
        ("", "", "0000-01-01", Some("consent_on: this day is before 01/01/1990; mend the year")),
        ("", "", "01/01/1901", Some("consent_on: this day is before 01/01/1990; mend the year")),
        ("14/03/2000", "", "01/11/1995", Some("consent_on: this day is before the person was born; mend it, or the birth date")),
        ("2000", "31/12/1999", "", Some("since: this day is before the person was born; mend it, or the birth date")),
        ("26", "", "01/11/1995", Some("consent_on: this day is before the person was born; mend it, or the birth date")),
        ("", "24/11/2026", "", Some("since: write a day as dd/mm/yyyy, not in the future")),
        ("1988", "01/01/1988", "01/11/2020", None),
        ("", "03/05/1950", "", None),
    ] {
        let lines = refusals(&format!("given_names,surnames,birth_date,since,consent_on\nAna,Tzoc,{birth},{since},{on}\n"));
        let wanted: Vec<String> = refused.into_iter().map(|line| format!("p.csv:2: {line}")).collect();
        assert_eq!(lines, wanted, "{birth} {since} {on}");
    }
    for (row, field) in
        [("Mu\0oz,Ñíguez,,,", "given_names"), ("Ana,Tz\0oc,,,", "surnames"), ("Ana,Tzoc,\0f,,", "sex"), ("Ana,Tzoc,,SP-\0A1-X,", "household")]
    {
        let lines = refusals(&format!("given_names,surnames,sex,household,school\n{row}\n"));
        assert_eq!(lines, [format!("p.csv:2: {field}: holds the character U+0000, which cannot be stored; remove it")]);
    }
}

#[test]
fn columns_of_unknown_names_are_one_line_however_many_they_are() {
    let wide: String = (0..3_000).map(|n| format!(",c{n}")).collect();
    let lines = refusals(&format!("given_names,surnames{wide}\nAna,Tzoc{}\n", ",".repeat(3_000)));
    assert!(lines.len() == 1 && lines[0].starts_with("p.csv:1: column C, D, E, F, G and 2995 more have no known name;"), "{lines:?}");
}
