//! Who lives in a practice town: names from lists of common given names and surnames, Mayan ones among them.

use super::cui::{Cui, check_digit};
use super::person::{Birth, Language, MigrationStatus, NewPerson, Precision, Sex};
use crate::id::{Mint, PersonId};
use chrono::{DateTime, Datelike, Days, Months, NaiveDate, Utc};
use rand::RngExt;
use rand_chacha::ChaCha20Rng;

const MAM: f64 = 0.30;

const WOMEN: [&str; 28] = [
    "María",
    "Juana",
    "Ana",
    "Rosa",
    "Marta",
    "Carmen",
    "Sandra",
    "Claudia",
    "Gloria",
    "Silvia",
    "Irma",
    "Berta",
    "Elena",
    "Catarina",
    "Dominga",
    "Candelaria",
    "Ixchel",
    "Xaq",
    "Lucía",
    "Karla",
    "Ingrid",
    "Wendy",
    "Heidy",
    "Yesenia",
    "Olga",
    "Aura",
    "Delfina",
    "Micaela",
];
const MEN: [&str; 28] = [
    "José",
    "Juan",
    "Luis",
    "Carlos",
    "Pedro",
    "Miguel",
    "Francisco",
    "Manuel",
    "Mario",
    "Jorge",
    "Edgar",
    "Marvin",
    "Selvin",
    "Otto",
    "Domingo",
    "Pascual",
    "Mateo",
    "Felipe",
    "B'alam",
    "K'in",
    "Byron",
    "Erick",
    "Santiago",
    "Andrés",
    "Gaspar",
    "Rigoberto",
    "Wilmer",
    "Diego",
];
const SECOND_OF_WOMEN: [&str; 6] = ["del Carmen", "Elizabeth", "Isabel", "de los Ángeles", "Leticia", "Noemí"];
const SECOND_OF_MEN: [&str; 6] = ["Antonio", "Alfredo", "Leonel", "Roberto", "René", "de Jesús"];
const SURNAMES: [&str; 44] = [
    "Fuentes",
    "Orozco",
    "López",
    "Pérez",
    "Velásquez",
    "Ramírez",
    "Gonón",
    "Miranda",
    "Navarro",
    "Bautista",
    "Ak'abal",
    "Tz'unun",
    "Ajpop",
    "Chávez",
    "Cifuentes",
    "de León",
    "Barrios",
    "Gómez",
    "Hernández",
    "Morales",
    "Juárez",
    "Escobar",
    "Méndez",
    "Ramos",
    "Domingo",
    "Pascual",
    "Mateo",
    "Felipe",
    "Coyoy",
    "Tzoc",
    "Ixcoy",
    "Xiloj",
    "Chuc",
    "Cotzajay",
    "Yos",
    "Sacalxot",
    "Quiej",
    "Puac",
    "K'iche",
    "Batz'",
    "Núñez",
    "Díaz",
    "Maldonado",
    "de la Cruz",
];

/// One invented resident and the home they live in.
pub(super) struct Resident {
    pub(super) id: PersonId,
    pub(super) home: usize,
    pub(super) relation: &'static str,
    pub(super) person: NewPerson,
}

pub(super) fn pick<'a, T: ?Sized>(random: &mut ChaCha20Rng, list: &'a [&'a T]) -> &'a T {
    list[random.random_range(0..list.len())]
}

pub(super) fn chance(random: &mut ChaCha20Rng, share: f64) -> bool {
    random.random::<f64>() < share
}

/// The recorded residents of every home, and each home's language.
pub(super) fn people(random: &mut ChaCha20Rng, mint: &mut Mint, homes: usize, today: NaiveDate, at: DateTime<Utc>) -> (Vec<Resident>, Vec<Language>) {
    let (mut residents, mut languages) = (Vec::new(), Vec::new());
    for home in 0..homes {
        let language = if chance(random, MAM) { Language::Mam } else { Language::Spanish };
        languages.push(language);
        let [father, mother, second, other] = std::array::from_fn(|_| pick(random, &SURNAMES));
        let status = match random.random_range(0..100) {
            0..58 => MigrationStatus::Host,
            58..84 => MigrationStatus::RemittanceHousehold,
            84..92 => MigrationStatus::Returnee,
            92..96 => MigrationStatus::Migrant,
            96..98 => MigrationStatus::Displaced,
            _ => MigrationStatus::Unknown,
        };
        let head_is_woman = chance(random, 0.42);
        let head_age = random.random_range(22..74);
        let sex = |woman: bool| if woman { Sex::Female } else { Sex::Male };
        let mut add = |random: &mut ChaCha20Rng, sex: Sex, age: i32, relation: &'static str, surnames: String| {
            let person = invent(random, sex, age, surnames, language, status, today);
            residents.push(Resident { id: mint.id(at), home, relation, person });
        };
        add(random, sex(head_is_woman), head_age, "head", format!("{father} {second}"));
        if chance(random, 0.55) {
            let age = (head_age + random.random_range(-6..7)).max(19);
            add(random, sex(!head_is_woman), age, "partner", format!("{mother} {other}"));
        }
        if chance(random, 0.20) {
            let (woman, age) = (chance(random, 0.53), random.random_range(12..17));
            add(random, sex(woman), age, "child", format!("{father} {mother}"));
        }
    }
    (residents, languages)
}

fn invent(
    random: &mut ChaCha20Rng,
    sex: Sex,
    age: i32,
    surnames: String,
    language: Language,
    status: MigrationStatus,
    today: NaiveDate,
) -> NewPerson {
    let woman = sex == Sex::Female;
    let first = if woman { pick(random, &WOMEN) } else { pick(random, &MEN) };
    let second = if woman { pick(random, &SECOND_OF_WOMEN) } else { pick(random, &SECOND_OF_MEN) };
    let given_names = if chance(random, 0.6) { format!("{first} {second}") } else { first.to_owned() };
    let birth = match random.random_range(0..100) {
        0..88 => {
            let days = u64::from(random.random_range(0..365u32));
            let first_day = NaiveDate::from_ymd_opt(today.year() - age - 1, today.month(), 1).unwrap_or(today);
            Birth { date: Some(first_day + Days::new(days)), precision: Precision::Day, told_on: None }
        }
        88..95 => Birth { date: NaiveDate::from_ymd_opt(today.year() - age, 1, 1), precision: Precision::Year, told_on: None },
        95..98 => {
            let date = today.checked_sub_months(Months::new(age.unsigned_abs() * 12));
            Birth { date, precision: Precision::Age, told_on: Some(today) }
        }
        // Told years ago to be grown up: nobody enrols on their own word before that.
        _ if age >= 18 => Birth { date: None, precision: Precision::Adult, told_on: today.checked_sub_months(Months::new(48)) },
        _ => Birth::UNKNOWN,
    };
    let cui = chance(random, 0.72).then(|| practice_cui(random)).flatten();
    NewPerson { given_names, surnames, cui, sex, birth, language, migration_status: status }
}

/// A number with the impossible department 99; a few carry a wrong check digit, so that the registrar's warnings have something to show.
fn practice_cui(random: &mut ChaCha20Rng) -> Option<Cui> {
    let mistyped = chance(random, 0.004);
    loop {
        let serial = format!("{:08}", random.random_range(0..100_000_000u32));
        if let Some(digit) = check_digit(&serial) {
            let digit = if mistyped { (digit + 1) % 10 } else { digit };
            return Cui::read(&format!("{serial}{digit}9902")).ok();
        }
    }
}
