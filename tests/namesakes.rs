//! Two people are never made one in silence: a likeness is a question, an answer is a link that can be taken back.

use crate::on_both_engines;
use crate::privacy::{actor, app, ask};
use crate::registry::{OTHER, PLACE, keys, now, town};
use axum::http::{Method, StatusCode};
use chrono::{DateTime, Utc};
use std::path::{Path, PathBuf};
use vecino::account::{Role, audit};
use vecino::db::{Db, Tx};
use vecino::id::{Mint, MunicipalityId, PersonId};
use vecino::language::Language;
use vecino::registry::identify::Answers;
use vecino::registry::import::{File, Summary, bring, rehearse};
use vecino::registry::likeness::{self, Answer};
use vecino::registry::person::{self, Precision};
use vecino::registry::{export, indicators, practice};
use vecino::sheet::Written;
use vecino::{all, one, run};

pub async fn brought(db: &Db, place: MunicipalityId, text: &str, answers: &Answers, at: DateTime<Utc>) -> vecino::error::Result<Summary> {
    let file = File::read(&keys(), place, "p.csv", text.as_bytes(), &Written::default(), at)?;
    bring(db, &keys(), &mut Mint::system(), &file, answers, "clerk", at).await
}

pub async fn bring_in(db: &Db, text: &str) -> Summary {
    brought(db, PLACE, text, &Answers::default(), now()).await.unwrap()
}

pub fn said(same: &[&str], distinct: &[&str]) -> Answers {
    let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<String>>();
    Answers::read(&own(same), &own(distinct)).unwrap()
}

pub async fn settled(db: &Db, homes: u32) {
    let mut tx = db.write().await.unwrap();
    town(&mut tx, homes).await;
    indicators::ensure_targets(&mut tx).await.unwrap();
    tx.commit().await.unwrap();
}

/// Every row of the registry as it stands, but for nothing.
pub async fn rows(db: &Db) -> Vec<String> {
    let mut tx = db.read().await.unwrap();
    let mut out = Vec::new();
    macro_rules! table {
        ($($sql:literal => ($($kind:ty),+));+ $(;)?) => { $( {
            let found: Vec<($($kind,)+)> = all!(tx, $sql).unwrap();
            out.extend(found.into_iter().map(|row| format!("{} {row:?}", $sql)));
        } )+ };
    }
    type Day = chrono::NaiveDate;
    table!(
        "SELECT person_id, surnames_sealed, birth_date, birth_precision, birth_told_on, counted_person_id FROM person ORDER BY person_id" => (PersonId, String, Option<Day>, String, Option<Day>, PersonId);
        "SELECT person_id, household_id, valid_from, valid_to FROM household_member ORDER BY person_id, valid_from" => (PersonId, uuid::Uuid, Day, Option<Day>);
        "SELECT contact_id, valid_from, valid_to FROM contact ORDER BY contact_id" => (uuid::Uuid, Day, Option<Day>);
        "SELECT consent_id, given_on, by_guardian FROM consent ORDER BY consent_id" => (uuid::Uuid, Day, bool);
        "SELECT enrolment_id, status, started_on FROM finance_enrolment ORDER BY enrolment_id" => (uuid::Uuid, String, Day);
        "SELECT enrolment_id, status, started_on FROM school_enrolment ORDER BY enrolment_id" => (uuid::Uuid, String, Day);
        "SELECT enrolment_id, status, started_on FROM waste_enrolment ORDER BY enrolment_id" => (uuid::Uuid, String, Day);
        "SELECT enrolment_id, status, started_on FROM gender_enrolment ORDER BY enrolment_id" => (uuid::Uuid, String, Day);
        "SELECT person_id, like_person_id, ground, answer FROM person_likeness ORDER BY person_id, like_person_id" => (PersonId, PersonId, String, String);
    );
    out
}

pub async fn people(db: &Db) -> i64 {
    let mut tx = db.read().await.unwrap();
    let (n,): (i64,) = one!(tx, "SELECT COUNT(*) FROM person").unwrap();
    n
}

/// Distinct people that had finance services.
async fn counted(db: &Db) -> i64 {
    let mut tx = db.read().await.unwrap();
    let rows = indicators::table(&mut tx, now().date_naive()).await.unwrap();
    let row = rows.into_iter().find(|row| row.indicator == "services_for_work").unwrap();
    row.people.unwrap_or_default()
}

#[tokio::test]
async fn rows_of_one_file_are_two_people_on_names_alone_and_a_question_names_them() {
    on_both_engines!(db => {
        settled(&db, 9).await;
        let mirrored = "given_names,surnames,school,grade\nMaría José,López García,,\nJosé María,García López,,\n";
        let sons = "given_names,surnames,sex,household,relation,phone\nJosé,Batz Cojtí,male,SP-0006-X,head,5555-0101\nJosé,Batz Cojtí,male,SP-0006-X,child,5555-0102\n";
        let twice = "given_names,surnames\nIda,Prueba\nIda,Prueba\nIda,Prueba\n";
        let mut known = 0;
        for (text, made, asked) in [(mirrored, 2, 1), (sons, 2, 1), (twice, 3, 3)] {
            let rehearsed = {
                let file = File::read(&keys(), PLACE, "p.csv", text.as_bytes(), &Written::default(), now()).unwrap();
                rehearse(&db, &keys(), &mut Mint::system(), &file, &Answers::default(), now()).await.unwrap()
            };
            assert_eq!(people(&db).await, known, "a rehearsal writes nothing");
            let done = bring_in(&db, text).await;
            assert_eq!(done, rehearsed, "and asks the same");
            known += made;
            assert_eq!((people(&db).await, done.new_people as i64, done.questions.len()), (known, made, asked), "{done:?}");
            assert!(done.questions[0].starts_with("p.csv:3: question:") && done.questions[0].contains("row 2") && done.questions[0].contains("--same 3=2"), "{done:?}");
            for name in ["Mar", "Jos", "Batz", "Ida", "Prueba"] {
                assert!(!done.questions.concat().contains(name), "{done:?}");
            }
            let before = rows(&db).await;
            let again = bring_in(&db, text).await;
            assert_eq!((again.new_people, again.homes, again.contacts, again.questions.len()), (0, 0, 0, 0), "the same file again changes nothing: {again:?}");
            assert_eq!(rows(&db).await, before);
        }
        let mut tx = db.read().await.unwrap();
        assert!(audit::verify(&mut tx).await.unwrap().is_empty());
    });
}

#[tokio::test]
async fn an_age_keeps_the_day_it_was_told() {
    on_both_engines!(db => {
        settled(&db, 1).await;
        let text = "given_names,surnames,birth_date\nRosa,Prueba Edad,36\n";
        assert_eq!(bring_in(&db, text).await.new_people, 1);
        let before = rows(&db).await;
        for later in ["2027-01-02T16:00:00Z", "2029-06-01T16:00:00Z"] {
            let done = brought(&db, PLACE, text, &Answers::default(), later.parse().unwrap()).await.unwrap();
            assert_eq!((done.new_people, done.known_people), (0, 1));
            assert_eq!(rows(&db).await, before, "nothing is new after New Year");
        }
        let ids: Vec<(PersonId,)> = { let mut tx = db.read().await.unwrap(); all!(tx, "SELECT person_id FROM person").unwrap() };
        let mut tx = db.read().await.unwrap();
        let rosa = person::find(&mut tx, &keys(), PLACE, ids[0].0).await.unwrap();
        assert_eq!((rosa.birth.precision, rosa.birth.told_on), (Precision::Age, Some("2026-11-23".parse().unwrap())));
        drop(tx);
        // Another office's list, a year later: perhaps her, perhaps not.
        let other = brought(&db, PLACE, "given_names,surnames,birth_date\nRosa,Prueba Edad,37\n", &Answers::default(), "2027-12-01T16:00:00Z".parse().unwrap()).await.unwrap();
        assert_eq!((other.new_people, other.questions.len()), (1, 1));
        let apart = brought(&db, PLACE, "given_names,surnames,birth_date\nRosa,Prueba Edad,70\n", &Answers::default(), now()).await.unwrap();
        assert_eq!((apart.new_people, apart.questions.len()), (1, 0), "what was told lies too far apart to ask");
    });
}

const CREDIT: &str = "given_names,surnames,birth_date,cui,consents,consent_on,guardian,finance,finance_partner\n";

fn saver(given: &str, surnames: &str, birth: &str, cui: &str) -> String {
    format!("{given},{surnames},{birth},{cui},finance,01/11/2026,no,savings,Banrural\n")
}

#[tokio::test]
async fn an_answer_is_a_link_and_can_be_taken_back() {
    on_both_engines!(db => {
        settled(&db, 1).await;
        let crowd: String = (0..8).map(|n| saver("Ana", &format!("Tzoc {n}"), "14/03/1988", "")).collect();
        bring_in(&db, &format!("{CREDIT}{crowd}{}", saver("Eva", "Yos", "1988", ""))).await;
        let again = format!("{CREDIT}{}", saver("Eva", "Yos", "38", ""));
        let asked = bring_in(&db, &again).await;
        assert_eq!((asked.new_people, asked.questions.len(), counted(&db).await), (1, 1, 10), "until somebody answers they are two: {asked:?}");
        let number = asked.questions[0].split("--same 2=").nth(1).unwrap().split(';').next().unwrap().to_owned();
        let same = brought(&db, PLACE, &again, &said(&[&format!("2={number}")], &[]), now()).await.unwrap();
        assert_eq!((same.new_people, people(&db).await, counted(&db).await), (0, 10, 9), "both files stay, counted once");
        brought(&db, PLACE, &again, &said(&[], &["2"]), now()).await.unwrap();
        assert_eq!(counted(&db).await, 9, "an answered question is no longer everybody's who is asked about");
        brought(&db, PLACE, &again, &said(&[], &[&format!("2={number}")]), now()).await.unwrap();
        assert_eq!((people(&db).await, counted(&db).await), (10, 10), "undone");
        // Answered before it came in: the row is hers, and nobody new.
        let third = format!("{CREDIT}{}", saver("Eva", "Yos", "", ""));
        let taken = brought(&db, PLACE, &third, &said(&[&format!("2={number}")], &[]), now()).await.unwrap();
        assert_eq!((taken.new_people, taken.known_people, people(&db).await), (0, 1, 10));
        for (same, distinct, words) in [
            (vec!["9=P-ABCDEF"], vec![], "no such row"),
            (vec!["2=P-000000"], vec![], "no person with this registry number"),
            (vec!["2=2"], vec![], "earlier row"),
            (vec![], vec!["2=7"], "earlier row"),
        ] {
            let refused = brought(&db, PLACE, &format!("{third}\n"), &said(&same, &distinct), now()).await.unwrap_err();
            assert!(refused.lines.len() == 1 && refused.lines[0].contains(words), "{refused}");
        }
        let stranger = brought(&db, PLACE, &format!("{CREDIT}{}", saver("Olga", "Puac", "1990", "")), &said(&[&format!("2={number}")], &[]), now()).await.unwrap_err();
        assert!(stranger.lines[0].contains("neither names nor CUI"), "{stranger}");
        let mut tx = db.read().await.unwrap();
        let (answers,): (i64,) = one!(tx, "SELECT COUNT(*) FROM audit_entry WHERE action = 'likeness.answered'").unwrap();
        assert_eq!(answers, 2, "each answer that changed something is on record");
    });
}

#[tokio::test]
async fn one_cui_counts_once_in_every_municipality_until_somebody_says_they_are_two() {
    on_both_engines!(db => {
        settled(&db, 1).await;
        let crowd: String = (0..8).map(|n| saver("Ana", &format!("Tzoc {n}"), "14/03/1988", "")).collect();
        bring_in(&db, &format!("{CREDIT}{crowd}{}", saver("Luis", "Chuc", "1988", "1234 56789 1301"))).await;
        let elsewhere = format!("{CREDIT}{}", saver("Luis", "Chuc", "1988", "1234567891301"));
        let done = brought(&db, OTHER, &elsewhere, &Answers::default(), now()).await.unwrap();
        assert_eq!((done.new_people, done.questions.len(), done.counted_once), (1, 1, 1));
        assert!(done.questions[0].contains("of 1202") && done.questions[0].contains("counted once"), "{done:?}");
        let here = bring_in(&db, &format!("{CREDIT}{}", saver("Pedro", "Xiloj", "1970", "1234567891301"))).await;
        // Asked about both who hold it.
        assert_eq!((here.new_people, here.questions.len(), people(&db).await, counted(&db).await), (1, 2, 11, 9), "{here:?}");
        let ids = async |place: MunicipalityId| -> Vec<(PersonId,)> {
            let mut tx = db.read().await.unwrap();
            all!(tx, "SELECT person_id FROM person WHERE municipality_id = $1 AND cui_hash IS NOT NULL ORDER BY recorded_at, person_id", place).unwrap()
        };
        let (town, lake) = (ids(PLACE).await, ids(OTHER).await);
        let say = async |one: (MunicipalityId, PersonId), two: (MunicipalityId, PersonId), said: Answer| {
            let mut tx = db.write().await.unwrap();
            likeness::answer(&mut tx, one, two, said, "clerk", now()).await.unwrap();
            tx.commit().await.unwrap();
        };
        let pedro = town.iter().map(|(id,)| *id).find(|id| *id != town[0].0).unwrap();
        let names = async |id: PersonId| { let mut tx = db.read().await.unwrap(); person::find(&mut tx, &keys(), PLACE, id).await.unwrap().given_names };
        let (pedro, luis) = if names(pedro).await == "Pedro" { (pedro, town[0].0) } else { (town[0].0, pedro) };
        say((PLACE, pedro), (PLACE, luis), Answer::Distinct).await;
        say((OTHER, lake[0].0), (PLACE, pedro), Answer::Distinct).await;
        assert_eq!(counted(&db).await, 10, "Pedro is another; Luis of both towns is one");
        let mut tx = db.read().await.unwrap();
        assert_eq!(likeness::open(&mut tx, OTHER, 10).await.unwrap().1, 1);
        drop(tx);
        say((OTHER, lake[0].0), (PLACE, luis), Answer::Distinct).await;
        assert_eq!(counted(&db).await, 11);
        say((PLACE, luis), (OTHER, lake[0].0), Answer::Same).await;
        assert_eq!(counted(&db).await, 10);
        let mut tx = db.write().await.unwrap();
        let nobody = likeness::answer(&mut tx, (PLACE, pedro), (PLACE, pedro), Answer::Same, "clerk", now()).await.unwrap_err();
        assert_eq!(nobody.code, "question-unknown");
    });
}

#[tokio::test]
async fn an_unknown_age_is_asked_about_before_anybody_signs() {
    on_both_engines!(db => {
        settled(&db, 1).await;
        let text = "given_names,surnames,birth_date,consents,consent_on,guardian,finance,finance_partner\nPrueba,Sinfecha,,finance,01/11/2026,no,credit,Banrural\n";
        let done = bring_in(&db, text).await;
        assert_eq!((done.new_people, done.consents, done.enrolled, done.candidates, done.questions.len()), (1, 0, 0, 0, 1), "{done:?}");
        assert!(done.questions[0].starts_with("p.csv:2: question: birth_date:") && done.questions[0].contains("18+"), "{done:?}");
        let ids: Vec<(PersonId,)> = { let mut tx = db.read().await.unwrap(); all!(tx, "SELECT person_id FROM person").unwrap() };
        let told = text.replace("Sinfecha,,", "Sinfecha,18+,");
        let done = brought(&db, PLACE, &told, &said(&[&format!("2={}", ids[0].0)], &[]), now()).await.unwrap();
        assert_eq!((done.new_people, done.consents, done.enrolled, done.questions.len()), (0, 1, 1, 0), "{done:?}");
        let mut tx = db.read().await.unwrap();
        assert_eq!(person::find(&mut tx, &keys(), PLACE, ids[0].0).await.unwrap().birth.precision, Precision::Adult);
        drop(tx);
        let guardian = bring_in(&db, &text.replace("no,credit", "yes,savings").replace("Sinfecha", "Menor")).await;
        assert_eq!((guardian.consents, guardian.enrolled, guardian.questions.len()), (1, 1, 0), "a guardian may sign for anybody");
        let minor = brought(&db, PLACE, &text.replace("Sinfecha,,", "Chica,2012,"), &Answers::default(), now()).await.unwrap_err();
        assert!(minor.lines[0].starts_with("p.csv:2: guardian:"), "{minor}");
    });
}

#[tokio::test]
async fn one_number_at_two_homes_is_a_warning() {
    on_both_engines!(db => {
        settled(&db, 41).await;
        let text = "given_names,surnames,birth_date,household,phone,consent_messages\nEva,Prueba Uno,1980,SP-0006-X,5555 0199,yes\nIda,Prueba Dos,1981,SP-0040-X,5555 0199,yes\n";
        let done = bring_in(&db, text).await;
        assert_eq!((done.contacts, done.shared_numbers, done.warnings.len()), (2, 1, 1));
        assert!(done.warnings[0].starts_with("p.csv:3: phone:") && done.warnings[0].contains("SP-0006-X") && !done.warnings[0].contains("0199"), "{done:?}");
        let later = bring_in(&db, "given_names,surnames,household,phone\nOlga,Puac,SP-0002-X,55550199\n").await;
        assert_eq!(later.shared_numbers, 1, "a number on record counts as well");
    });
}

#[tokio::test]
async fn what_a_practice_town_exports_comes_in_again_and_changes_nothing() {
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        town(&mut tx, 300).await;
        practice::populate(&mut tx, &keys(), &mut Mint::seeded(7, "registry"), 7, now()).await.unwrap();
        let out = export::export(&mut tx, &keys(), PLACE, "clerk", now()).await.unwrap();
        tx.commit().await.unwrap();
        let out = String::from_utf8(out).unwrap();
        let before = rows(&db).await;
        for at in [now(), "2027-02-01T16:00:00Z".parse().unwrap()] {
            let done = brought(&db, PLACE, &out, &Answers::default(), at).await.unwrap_or_else(|e| panic!("{e}"));
            assert_eq!((done.new_people, done.questions.len(), done.consents, done.enrolled + done.candidates, done.homes, done.contacts), (0, 0, 0, 0, 0, 0), "{done:?}");
            assert_eq!(rows(&db).await, before);
        }
        // In an installation that has the homes but none of the people, everybody comes back as they were, once.
        let mut tx = db.write().await.unwrap();
        for table in ["person_word", "household_member", "person_likeness", "person_source", "waste_enrolment", "finance_enrolment", "school_enrolment", "gender_enrolment", "work_outcome", "contact", "consent", "person"] {
            match table {
                "person_word" => run!(tx, "DELETE FROM person_word").unwrap(),
                "household_member" => run!(tx, "DELETE FROM household_member").unwrap(),
                "person_likeness" => run!(tx, "DELETE FROM person_likeness").unwrap(),
                "person_source" => run!(tx, "DELETE FROM person_source").unwrap(),
                "waste_enrolment" => run!(tx, "DELETE FROM waste_enrolment").unwrap(),
                "finance_enrolment" => run!(tx, "DELETE FROM finance_enrolment").unwrap(),
                "school_enrolment" => run!(tx, "DELETE FROM school_enrolment").unwrap(),
                "gender_enrolment" => run!(tx, "DELETE FROM gender_enrolment").unwrap(),
                "work_outcome" => run!(tx, "DELETE FROM work_outcome").unwrap(),
                "contact" => run!(tx, "DELETE FROM contact").unwrap(),
                "consent" => run!(tx, "DELETE FROM consent").unwrap(),
                _ => run!(tx, "DELETE FROM person").unwrap(),
            };
        }
        tx.commit().await.unwrap();
        let first = brought(&db, PLACE, &out, &Answers::default(), now()).await.unwrap();
        let mut numbers: Vec<&str> = out.lines().skip(1).map(|line| line.rsplit(',').next().unwrap()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert!(numbers.len() > 300 && first.new_people == numbers.len(), "{} of {}", first.new_people, numbers.len());
        let again = {
            let mut tx = db.write().await.unwrap();
            let again = export::export(&mut tx, &keys(), PLACE, "clerk", now()).await.unwrap();
            tx.commit().await.unwrap();
            String::from_utf8(again).unwrap()
        };
        let second = brought(&db, PLACE, &again, &Answers::default(), now()).await.unwrap();
        assert_eq!((second.new_people, second.consents, second.enrolled, second.questions.len()), (0, 0, 0, 0), "{second:?}");
    });
}

#[tokio::test]
async fn two_who_bring_the_same_list_at_once_make_nobody_twice() {
    let folder = tempfile::tempdir().unwrap();
    let file = crate::pilot::open(&format!("sqlite:{}", folder.path().join("vecino.db").display())).await;
    file.migrate().await.unwrap();
    for db in crate::pilot::engines().await.into_iter().filter(|db| !db.is_sqlite()).chain([file]) {
        settled(&db, 1).await;
        let list: String = (0..150).map(|n| saver("Ana", &format!("Tzoc {n} x"), "14/03/1988", "")).collect();
        let (one, two) = (format!("{CREDIT}{list}"), format!("{CREDIT}{list}{}", saver("Eva", "Yos", "14/03/1988", "")));
        let (none, at) = (Answers::default(), now());
        let (one, two) = tokio::join!(brought(&db, PLACE, &one, &none, at), brought(&db, PLACE, &two, &none, at));
        assert_eq!(one.unwrap().new_people + two.unwrap().new_people, 151);
        assert_eq!(people(&db).await, 151);
        let mut tx = db.read().await.unwrap();
        assert!(audit::verify(&mut tx).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_form_shows_both_choices_before_it_writes() {
    let folder = tempfile::tempdir().unwrap();
    let app = app(folder.path()).await;
    settled(&app.db, 9).await;
    let clerk = actor(Role::Registrar, None);
    let blank =
        "given_names=Jos%C3%A9&surnames=Batz&cui=&birth_date=&sex=male&language=es&migration_status=host&relation=head&since=&consent_messages=no";
    let post = async |place: &str, more: &str| {
        let form = format!("{blank}&{more}");
        ask(&app, Language::Es, &clerk, Method::POST, &format!("/registry/person/new/{place}"), &form).await
    };
    let (status, _, first) = post("1202", "household=SP-0006-X&phone=55550101").await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    let first = first.unwrap().rsplit('/').next().unwrap().to_owned();
    let (status, page, _) = post("1202", "household=SP-0006-X&phone=55550102").await;
    assert_eq!((status, people(&app.db).await), (StatusCode::CONFLICT, 1), "nothing is written before the answer");
    assert!(page.contains(&format!("value=\"same:{first}\"")) && page.contains("value=\"distinct\"") && page.contains("value=\"open\""), "{page}");
    assert!(page.contains("value=\"55550102\""), "what was typed is kept");
    // The same: their file gets what was typed.
    let (status, _, to) = post("1202", &format!("household=SP-0006-X&phone=55550102&answer=same:{first}")).await;
    assert!(status == StatusCode::SEE_OTHER && to.unwrap().ends_with(&first));
    assert_eq!(people(&app.db).await, 1);
    let (status, _, second) = post("1202", "household=SP-0006-X&phone=55550103&answer=distinct").await;
    assert_eq!((status, people(&app.db).await), (StatusCode::SEE_OTHER, 2));
    let second = second.unwrap();
    let (status, _, third) = post("1202", "household=&phone=&answer=open").await;
    assert_eq!((status, people(&app.db).await), (StatusCode::SEE_OTHER, 3));
    let (_, desk, _) = ask(&app, Language::Es, &clerk, Method::GET, "/registry", "").await;
    assert!(desk.contains("¿La misma persona o dos?") && desk.contains(&first), "{desk}");
    let third = third.unwrap();
    let (_, file, _) = ask(&app, Language::Es, &clerk, Method::GET, &third, "").await;
    assert!(file.contains("Sin respuesta") && file.contains("edad"), "{file}");
    let answer = format!("other_municipality=1202&other={first}&answer=same");
    let (status, page, _) = ask(&app, Language::Es, &clerk, Method::POST, &format!("{third}/likeness"), &answer).await;
    assert_eq!(status, StatusCode::SEE_OTHER, "{page}");
    let mut tx = app.db.read().await.unwrap();
    let (distinct,): (i64,) = one!(tx, "SELECT COUNT(DISTINCT counted_person_id) FROM person").unwrap();
    assert_eq!(distinct, 2);
    drop(tx);
    // A number that reaches another home.
    let other = "given_names=Ana&surnames=Tzoc&cui=&birth_date=1990&sex=female&language=es&migration_status=host&relation=head&since=&consent_messages=no&household=SP-0002-X&phone=55550102";
    let (status, page, _) = ask(&app, Language::Es, &clerk, Method::POST, "/registry/person/new/1202", other).await;
    assert!(status == StatusCode::CONFLICT && page.contains("otro hogar"), "{page}");
    let (status, ..) = ask(&app, Language::Es, &clerk, Method::POST, "/registry/person/new/1202", &format!("{other}&answer=distinct")).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    // Nobody of unknown age signs, until somebody says how old they are.
    let consent = "purpose=finance&given_on=&how=visit&guardian=no";
    let (status, page, _) = ask(&app, Language::Es, &clerk, Method::POST, &format!("{second}/consent"), consent).await;
    assert!(status == StatusCode::UNPROCESSABLE_ENTITY && page.contains("No se sabe su edad"), "{page}");
    let credit = "module=finance&service=credit&partner=Micoope";
    assert_eq!(ask(&app, Language::Es, &clerk, Method::POST, &format!("{second}/enrol"), credit).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        ask(&app, Language::Es, &clerk, Method::POST, &format!("{second}/birth"), "birth_date=01/01/1890").await.0,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    assert_eq!(ask(&app, Language::Es, &clerk, Method::POST, &format!("{second}/birth"), "birth_date=18%2B").await.0, StatusCode::SEE_OTHER);
    for (path, form) in [("consent", consent), ("enrol", credit)] {
        let (status, page, _) = ask(&app, Language::Es, &clerk, Method::POST, &format!("{second}/{path}"), form).await;
        assert_eq!(status, StatusCode::SEE_OTHER, "{page}");
    }
    // The same CUI in the other town: one person, two files.
    let cui = |place: &'static str, answer: &str| {
        let form = format!(
            "given_names=Luis&surnames=Chuc&cui=1234567891301&birth_date=1988&sex=male&language=es&migration_status=host&household=&relation=head&since=&phone=&consent_messages=no&answer={answer}"
        );
        let (app, clerk) = (&app, &clerk);
        async move { ask(app, Language::En, clerk, Method::POST, &format!("/registry/person/new/{place}"), &form).await }
    };
    assert_eq!(cui("1202", "").await.0, StatusCode::SEE_OTHER);
    let (status, page, _) = cui("1202", "").await;
    assert!(status == StatusCode::CONFLICT && page.contains("same:") && !page.contains("value=\"open\""), "known already: {page}");
    let (status, page, _) = cui("0114", "").await;
    let linked = page.split("value=\"linked:").nth(1).unwrap_or_else(|| panic!("{page}")).split('"').next().unwrap().to_owned();
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(cui("0114", &format!("linked:{linked}")).await.0, StatusCode::SEE_OTHER);
    let mut tx = app.db.read().await.unwrap();
    let linked: Vec<(String, String)> = all!(tx, "SELECT ground, answer FROM person_likeness WHERE municipality_id = $1", OTHER).unwrap();
    assert_eq!(linked, [("cui".to_owned(), "same".to_owned())]);
}

fn list(rows: usize) -> String {
    let rows: String = (0..rows).map(|n| format!("Ana,Tzoc {n} x,14/03/1988,,finance,01/11/2026,no,savings,Banrural,SP-0006-X\n")).collect();
    format!("{},household\n{rows}", CREDIT.trim_end())
}

#[tokio::test]
async fn what_a_killed_import_left_is_seen_by_nobody_and_taken_out_by_the_next() {
    on_both_engines!(db => {
        settled(&db, 9).await;
        let before = (rows(&db).await, counted(&db).await);
        // As it stands when the machine goes down before the last transaction: everything but the people's own files.
        bring_in(&db, &list(600)).await;
        let seen = async |db: &Db| {
            let mut tx = db.read().await.unwrap();
            let today = now().date_naive();
            let found = person::search(&mut tx, &keys(), PLACE, "tzoc", today).await.unwrap().len();
            let at_home = person::search(&mut tx, &keys(), PLACE, "SP-0006-X", today).await.unwrap().len();
            let finance = vecino::registry::enrolment::module("finance").unwrap();
            let enrolled: i64 = vecino::registry::enrolment::counts(&mut tx, finance, PLACE).await.unwrap().iter().map(|(_, n)| n).sum();
            let listed = vecino::registry::enrolment::page(&mut tx, finance, &actor(Role::Registrar, None), PLACE, None, None, 1_000).await.unwrap().0.len();
            (found, at_home, enrolled, listed)
        };
        assert_eq!(seen(&db).await, (50, 50, 600, 600));
        let mut tx = db.write().await.unwrap();
        run!(tx, "DELETE FROM person WHERE municipality_id = $1", PLACE).unwrap();
        run!(tx, "INSERT INTO import_under_way (municipality_id, import_id, begun_at) VALUES ($1, $2, $3)", PLACE, uuid::Uuid::now_v7(), now() - chrono::Duration::minutes(11)).unwrap();
        tx.commit().await.unwrap();
        assert_eq!(seen(&db).await, (0, 0, 0, 0), "nobody sees what has no file");
        assert_eq!(counted(&db).await, before.1);
        let done = bring_in(&db, &list(601)).await;
        assert_eq!((done.new_people, seen(&db).await), (601, (50, 50, 601, 601)));
        let mut tx = db.read().await.unwrap();
        macro_rules! count { ($sql:literal) => {{ let (n,): (i64,) = one!(tx, $sql).unwrap(); n }} }
        assert_eq!(count!("SELECT COUNT(*) FROM import_under_way"), 0);
        assert_eq!([count!("SELECT COUNT(*) FROM household_member"), count!("SELECT COUNT(*) FROM finance_enrolment"), count!("SELECT COUNT(*) FROM consent")], [601; 3]);
        assert!(before.0.is_empty());
    });
}

#[test]
fn an_import_that_is_killed_comes_in_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let url = format!("sqlite:{}", folder.path().join("vecino.db").display());
    let open = || runtime.block_on(Db::connect(&url)).unwrap();
    runtime.block_on(async {
        let keys = vecino::seal::Keys::create(folder.path(), [9; 32]).unwrap();
        let db = crate::pilot::installed(&url, &keys).await;
        settled(&db, 9).await;
        db.close().await;
    });
    const ROWS: usize = 1_500;
    let file = folder.path().join("people.csv");
    std::fs::write(&file, list(ROWS).replace("01/11/2026", "01/11/2024")).unwrap();
    let arguments = ["registry", "import", file.to_str().unwrap(), "--municipality", "1202"];
    let mut cut = 0;
    for life in [150, 400, 700, 1_000, 1_300, 1_700, 2_200] {
        let mut child = crate::program::command(folder.path(), &arguments)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(life));
        let ended = child.try_wait().unwrap().is_some();
        child.kill().unwrap();
        child.wait().unwrap();
        let db = open();
        let seen = runtime.block_on(people(&db));
        assert!(seen == 0 || seen == ROWS as i64, "{seen} of {ROWS} after {life} ms");
        runtime.block_on(db.close());
        cut += usize::from(!ended);
    }
    assert!(cut > 0, "each time it was faster");
    let done = crate::program::vecino(folder.path(), &arguments);
    assert_eq!(done.code, 0, "{}", done.err);
    let db = open();
    assert_eq!(runtime.block_on(people(&db)), ROWS as i64);
}

fn faults() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/reference/faults/csv");
    if folder.exists() {
        return Some(folder);
    }
    crate::pilot::left_out(&format!("small files of people: {} is not there", folder.display()));
    None
}

#[tokio::test]
async fn small_files_that_were_once_read_wrong_are_read_right() {
    let Some(folder) = faults() else { return };
    on_both_engines!(db => {
        settled(&db, 41).await;
        let text = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap().replace("-H,", "-X,");
        for (name, people, questions, warnings) in [
            ("p_mirrored.csv", 2, 1, 0), ("p_father_son.csv", 2, 1, 0), ("p_age.csv", 1, 0, 0), ("p_shared_phone.csv", 2, 0, 1), ("unknown_birth.csv", 1, 1, 0),
        ] {
            let done = bring_in(&db, &text(name)).await;
            assert_eq!((done.new_people, done.questions.len(), done.warnings.len()), (people, questions, warnings), "{name}: {done:?}");
            let after = brought(&db, PLACE, &text(name), &Answers::default(), "2027-01-10T16:00:00Z".parse().unwrap()).await.unwrap();
            assert_eq!((after.new_people, after.consents, after.enrolled), (0, 0, 0), "{name}");
        }
        let dates = brought(&db, PLACE, &text("p_dates.csv"), &Answers::default(), now()).await.unwrap_err();
        let of = |row: u32| dates.lines.iter().find(|line| line.starts_with(&format!("p.csv:{row}:"))).cloned().unwrap_or_default();
        assert!(of(10).contains("older than anybody"), "{dates}");
        assert!(!of(3).contains("older than anybody") && of(11).is_empty(), "{dates}");
        let mut tx: Tx = db.read().await.unwrap();
        let (enrolled,): (i64,) = one!(tx, "SELECT COUNT(*) FROM finance_enrolment").unwrap();
        assert_eq!(enrolled, 0, "nobody of unknown age has credit on their own consent");
    });
}
