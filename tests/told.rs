//! What a row tells of somebody on record is heard: a CUI and facts that nobody knew are filled in, what is known otherwise is said, and two
//! CUIs are two people however they came.

use crate::namesakes::{bring_in, brought, people, rows, said, settled};
use crate::on_both_engines;
use crate::registry::{OTHER, PLACE, keys, now};
use vecino::db::Db;
use vecino::id::PersonId;
use vecino::registry::export::export;
use vecino::registry::identify::Answers;
use vecino::registry::likeness::{self, Answer};
use vecino::registry::person::{self, Language, MigrationStatus, Person, Precision, Sex};
use vecino::{all, one};

const HEAD: &str = "given_names,surnames,birth_date,cui,sex,language,migration_status";
/// Three CUIs whose check digits fit.
const CUIS: [&str; 3] = ["2345678991202", "1234567891202", "9876543221301"];

fn list(rows: &[&str]) -> String {
    format!("{HEAD}\n{}\n", rows.join("\n"))
}

async fn everybody(db: &Db) -> Vec<Person> {
    let mut tx = db.read().await.unwrap();
    let ids: Vec<(PersonId,)> = all!(tx, "SELECT person_id FROM person WHERE municipality_id = $1 ORDER BY person_id", PLACE).unwrap();
    let mut found = Vec::new();
    for (id,) in ids {
        found.push(person::find(&mut tx, &keys(), PLACE, id).await.unwrap());
    }
    found
}

async fn counted(db: &Db) -> i64 {
    let mut tx = db.read().await.unwrap();
    let (n,): (i64,) = one!(tx, "SELECT COUNT(*) FROM (SELECT DISTINCT counted_municipality_id, counted_person_id FROM person) AS counted").unwrap();
    n
}

#[tokio::test]
async fn a_cui_told_later_is_filled_in_and_another_one_is_another_person() {
    on_both_engines!(db => {
        settled(&db, 1).await;
        bring_in(&db, &list(&["Gama,Vail Paz,01/01/1980,,,,"])).await;
        let told = bring_in(&db, &list(&[&format!("Gama,Vail Paz,01/01/1980,{},,,", CUIS[0])])).await;
        assert_eq!((told.new_people, told.told, told.questions.len()), (0, 1, 0), "{told:?}");
        let gama = everybody(&db).await.remove(0);
        assert_eq!(gama.cui.as_deref(), Some(CUIS[0]));
        let mut tx = db.read().await.unwrap();
        assert_eq!(person::search(&mut tx, &keys(), PLACE, CUIS[0], now().date_naive()).await.unwrap().len(), 1, "and found by it");
        drop(tx);
        // Another CUI is another person, here and in the other town, where the first is asked about and counted once.
        let other = bring_in(&db, &list(&[&format!("Gama,Vail Paz,01/01/1980,{},,,", CUIS[1])])).await;
        assert_eq!((other.new_people, people(&db).await), (1, 2), "{other:?}");
        let lake = brought(&db, OTHER, &list(&[&format!("Gama,Vail Paz,01/01/1980,{},,,", CUIS[1])]), &Answers::default(), now()).await.unwrap();
        assert_eq!((lake.new_people, lake.questions.len(), lake.counted_once, counted(&db).await), (1, 1, 1, 2), "{lake:?}");
        // The export, which names each file by its number, comes in again and changes nothing.
        let before = rows(&db).await;
        let mut tx = db.write().await.unwrap();
        let text = String::from_utf8(export(&mut tx, &keys(), PLACE, "clerk", now()).await.unwrap()).unwrap();
        tx.commit().await.unwrap();
        let again = bring_in(&db, &text).await;
        assert_eq!((again.new_people, again.told, again.questions.len(), rows(&db).await), (0, 0, 0, before), "{again:?}");
        let wrong = brought(&db, PLACE, &text.replace(CUIS[0], CUIS[2]), &Answers::default(), now()).await.unwrap_err();
        assert!(wrong.lines.len() == 1 && wrong.lines[0].contains("holds another CUI"), "{wrong}");
        let both = said(&[&format!("2={}", gama.id)], &[]);
        let wrong = brought(&db, PLACE, &list(&[&format!("Gama,Vail Paz,01/01/1980,{},,,", CUIS[2])]), &both, now()).await.unwrap_err();
        assert!(wrong.lines.len() == 1 && wrong.lines[0].contains("two CUIs are two people"), "{wrong}");
    });
}

#[tokio::test]
async fn who_has_no_cui_may_be_either_of_two_and_is_asked_about() {
    let none = "Tito,Vail Paz,01/01/1980,,,,".to_owned();
    let [one, two] = [0, 1].map(|n| format!("Tito,Vail Paz,01/01/1980,{},,,", CUIS[n]));
    for (rows, made, asked) in [
        (vec![&none, &one], 1, 0),
        (vec![&one, &none], 1, 0),
        (vec![&one, &two], 2, 0),
        (vec![&one, &one], 1, 0),
        (vec![&none, &one, &two], 3, 2),
        (vec![&one, &none, &two], 3, 2),
        (vec![&one, &two, &none], 3, 2),
    ] {
        let rows: Vec<&str> = rows.into_iter().map(String::as_str).collect();
        on_both_engines!(db => {
            settled(&db, 1).await;
            let done = bring_in(&db, &list(&rows)).await;
            assert_eq!((done.new_people, done.questions.len(), counted(&db).await), (made, asked, made as i64), "{rows:?}: {done:?}");
            let mut cuis: Vec<String> = everybody(&db).await.into_iter().filter_map(|person| person.cui).collect();
            cuis.sort();
            let mut told: Vec<&str> = CUIS.iter().copied().filter(|cui| rows.iter().any(|row| row.contains(cui))).collect();
            told.sort_unstable();
            assert_eq!(cuis, told, "every CUI is somebody's");
            let again = bring_in(&db, &list(&rows)).await;
            assert_eq!((again.new_people, again.questions.len(), again.told), (0, 0, 0), "{again:?}");
        });
    }
}

#[tokio::test]
async fn facts_that_nobody_knew_are_filled_in_and_what_is_known_otherwise_is_said() {
    on_both_engines!(db => {
        settled(&db, 9).await;
        bring_in(&db, "given_names,surnames,birth_date,household\nSara,Vail Paz,01/01/1980,SP-0001-X\n").await;
        let full = "given_names,surnames,birth_date,sex,language,migration_status,household,relation\nSara,Vail Paz,01/01/1980,female,mam,returnee,SP-0001-X,head\n";
        let told = bring_in(&db, full).await;
        assert_eq!((told.new_people, told.told, told.warnings.len()), (0, 1, 0), "{told:?}");
        let sara = everybody(&db).await.remove(0);
        assert_eq!((sara.sex, sara.language.as_str(), sara.migration_status), (Sex::Female, Language::Mam.name(), MigrationStatus::Returnee));
        let mut tx = db.read().await.unwrap();
        let (relation,): (String,) = one!(tx, "SELECT relation FROM household_member").unwrap();
        assert_eq!(relation, "head");
        let (acts,): (i64,) = one!(tx, "SELECT COUNT(*) FROM audit_entry WHERE action = 'person.told'").unwrap();
        assert_eq!(acts, 1, "and it is on record");
        drop(tx);
        let before = rows(&db).await;
        let otherwise = bring_in(&db, &full.replace("female,mam,returnee", "male,es,host").replace("head", "child")).await;
        assert_eq!((otherwise.new_people, otherwise.told, otherwise.warnings.len()), (0, 0, 4), "{otherwise:?}");
        let silent = bring_in(&db, &full.replace("female,mam,returnee", ",,").replace("head", "")).await;
        assert_eq!((silent.told, silent.warnings.len(), rows(&db).await), (0, 0, before), "an empty cell tells nothing: {silent:?}");
        // A year on record, and the day told with a CUI that names them.
        bring_in(&db, &list(&[&format!("Luz,Coj,1990,{},,,", CUIS[0])])).await;
        bring_in(&db, &list(&[&format!("Luz,Coj,14/03/1990,{},,,", CUIS[0])])).await;
        let luz = everybody(&db).await.into_iter().find(|person| person.given_names == "Luz").unwrap();
        assert_eq!(luz.birth.precision, Precision::Day);
        let apart = bring_in(&db, &list(&[&format!("Luz,Coj,14/03/1960,{},,,", CUIS[0])])).await;
        assert!(apart.warnings.len() == 1 && apart.warnings[0].contains("birth_date: another one"), "{apart:?}");
    });
}

#[tokio::test]
async fn names_and_a_full_birth_date_in_two_municipalities_are_asked_about_and_counted_once() {
    on_both_engines!(db => {
        settled(&db, 1).await;
        bring_in(&db, &list(&["Alba,Vail Paz,01/01/1980,,,,", "Beto,Vail Paz,1980,,,,"])).await;
        let lake = brought(&db, OTHER, &list(&["Alba,Vail Paz,01/01/1980,,,,", "Beto,Vail Paz,1980,,,,"]), &Answers::default(), now()).await.unwrap();
        assert_eq!((lake.new_people, lake.questions.len(), counted(&db).await), (2, 1, 3), "a year is many people's: {lake:?}");
        assert!(lake.questions[0].contains("the same names and birth date") && lake.questions[0].contains("of 1202"), "{lake:?}");
        let question = { let mut tx = db.read().await.unwrap(); likeness::open(&mut tx, OTHER, 10).await.unwrap().0.remove(0) };
        let (one, two) = question.keys();
        for (answer, many) in [(Answer::Distinct, 4), (Answer::Same, 3)] {
            let mut tx = db.write().await.unwrap();
            likeness::answer(&mut tx, one, two, answer, "clerk", now()).await.unwrap();
            tx.commit().await.unwrap();
            assert_eq!(counted(&db).await, many);
        }
        // Two CUIs told of a pair that was counted once make them two.
        bring_in(&db, &list(&["Carla,Vail Paz,01/01/1980,,,,"])).await;
        brought(&db, OTHER, &list(&["Carla,Vail Paz,01/01/1980,,,,"]), &Answers::default(), now()).await.unwrap();
        assert_eq!(counted(&db).await, 4);
        bring_in(&db, &list(&[&format!("Carla,Vail Paz,01/01/1980,{},,,", CUIS[0])])).await;
        brought(&db, OTHER, &list(&[&format!("Carla,Vail Paz,01/01/1980,{},,,", CUIS[1])]), &Answers::default(), now()).await.unwrap();
        assert_eq!(counted(&db).await, 5);
    });
}

#[tokio::test]
async fn two_that_are_said_to_be_two_and_still_count_once_are_told_through_whom() {
    on_both_engines!(db => {
        settled(&db, 1).await;
        bring_in(&db, &list(&["Ida,Puac,,,,,", "Ida,Puac,,,,,", "Ida,Puac,,,,,"])).await;
        let all: Vec<_> = everybody(&db).await.into_iter().map(|person| (PLACE, person.id)).collect();
        let mut tx = db.write().await.unwrap();
        for (one, two, answer) in [(0, 1, Answer::Same), (2, 0, Answer::Same), (2, 1, Answer::Distinct)] {
            likeness::answer(&mut tx, all[one], all[two], answer, "clerk", now()).await.unwrap();
        }
        assert_eq!(likeness::joined(&mut tx, all[2], all[1]).await.unwrap(), [all[2], all[0], all[1]]);
        likeness::answer(&mut tx, all[2], all[0], Answer::Distinct, "clerk", now()).await.unwrap();
        assert!(likeness::joined(&mut tx, all[2], all[1]).await.unwrap().is_empty());
    });
}
