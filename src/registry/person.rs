//! A person: sealed names and CUI, keyed hashes to find them again, and the few facts counts are broken down by.

use super::cui::Cui;
use super::{STREAM, choice, names};
use crate::account::audit;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{HouseholdId, MunicipalityId, PersonId};
use crate::seal::{Keys, Lookup};
use crate::territory::code::{Thing, find as find_code};
use crate::{all, bulk, opt};
use chrono::{DateTime, Datelike, Months, NaiveDate, Utc};
use serde_json::json;

choice!(Sex { Female = "female", Male = "male", Other = "other", Unknown = "unknown" });
choice!(MigrationStatus {
    Host = "host", Migrant = "migrant", Returnee = "returnee", Displaced = "displaced",
    RemittanceHousehold = "remittance_household", Unknown = "unknown",
});
choice!(
    /// How well the birth date is known: a year is kept as 1 January of it, an age as 1 January of the year it leads to.
    Precision { Day = "day", Year = "year", Age = "age", Unknown = "unknown" }
);
choice!(Language { Spanish = "es", Mam = "mam" });

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Birth {
    pub date: Option<NaiveDate>,
    pub precision: Precision,
}

impl Birth {
    pub const UNKNOWN: Birth = Birth { date: None, precision: Precision::Unknown };

    /// Reads `14/03/1988`, `1988-03-14`, a year (`1988`) or an age today (`36`); empty is unknown.
    pub fn read(text: &str, today: NaiveDate) -> Result<Birth> {
        let text = text.trim();
        let wrong =
            || Error::refused("birth-date", "the birth date must be dd/mm/yyyy, a year such as 1988, or an age such as 36, and not in the future");
        let first_of = |year: i32| NaiveDate::from_ymd_opt(year, 1, 1);
        let (date, precision) = match (text.len(), text.parse::<i32>()) {
            (0, _) => return Ok(Birth::UNKNOWN),
            (4, Ok(year)) => (first_of(year), Precision::Year),
            (1..=3, Ok(age)) if (0..=120).contains(&age) => (first_of(today.year() - age), Precision::Age),
            _ => (["%d/%m/%Y", "%Y-%m-%d"].iter().find_map(|form| NaiveDate::parse_from_str(text, form).ok()), Precision::Day),
        };
        let date = date.filter(|date| *date <= today && date.year() >= today.year() - 120).ok_or_else(wrong)?;
        Ok(Birth { date: Some(date), precision })
    }

    /// Whole years on a day; when only a year is known this may be one too many.
    pub fn age_on(&self, day: NaiveDate) -> Option<u32> {
        self.date.and_then(|date| day.years_since(date))
    }

    /// Under 18 for certain or perhaps: what guards minors asks this.
    pub fn minor_on(&self, day: NaiveDate) -> bool {
        match (self.date, self.precision) {
            (Some(date), Precision::Day) => date.checked_add_months(Months::new(18 * 12)).is_some_and(|adult| adult > day),
            (Some(date), _) => day.year() - date.year() <= 18,
            (None, _) => false,
        }
    }
}

/// What is known when somebody is registered.
#[derive(Clone)]
pub struct NewPerson {
    pub given_names: String,
    pub surnames: String,
    pub cui: Option<Cui>,
    pub sex: Sex,
    pub birth: Birth,
    pub language: Language,
    pub migration_status: MigrationStatus,
}

/// An opened file. `Debug` shows no name.
#[derive(Clone)]
pub struct Person {
    pub municipality: MunicipalityId,
    pub id: PersonId,
    pub given_names: String,
    pub surnames: String,
    pub cui: Option<String>,
    pub cui_warning: Option<String>,
    pub sex: Sex,
    pub birth: Birth,
    pub language: String,
    pub migration_status: MigrationStatus,
    pub recorded_by: String,
    pub recorded_at: DateTime<Utc>,
}

impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Person({}/{})", self.municipality, self.id)
    }
}

impl std::fmt::Debug for NewPerson {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewPerson(…)")
    }
}

impl Person {
    pub fn name(&self) -> String {
        format!("{} {}", self.given_names, self.surnames).trim().to_owned()
    }
}

#[derive(sqlx::FromRow)]
struct Stored {
    person_id: PersonId,
    given_names_sealed: String,
    surnames_sealed: String,
    cui_sealed: Option<String>,
    cui_warning: Option<String>,
    sex: String,
    birth_date: Option<NaiveDate>,
    birth_precision: String,
    language: String,
    migration_status: String,
    recorded_by: String,
    recorded_at: DateTime<Utc>,
}

const GIVEN: &str = "person.given_names";
const SURNAMES: &str = "person.surnames";
const CUI: &str = "person.cui";
const WORD: &str = "person_word";

impl Stored {
    fn open(self, keys: &Keys, municipality: MunicipalityId) -> Result<Person> {
        Ok(Person {
            municipality,
            id: self.person_id,
            given_names: keys.open(GIVEN, &self.given_names_sealed)?,
            surnames: keys.open(SURNAMES, &self.surnames_sealed)?,
            cui: self.cui_sealed.map(|sealed| keys.open(CUI, &sealed)).transpose()?,
            cui_warning: self.cui_warning,
            sex: Sex::parse(&self.sex).unwrap_or(Sex::Unknown),
            birth: Birth { date: self.birth_date, precision: Precision::parse(&self.birth_precision).unwrap_or(Precision::Unknown) },
            language: self.language,
            migration_status: MigrationStatus::parse(&self.migration_status).unwrap_or(MigrationStatus::Unknown),
            recorded_by: self.recorded_by,
            recorded_at: self.recorded_at,
        })
    }
}

/// A row ready for the table: everything that names somebody is sealed or hashed.
pub(crate) struct Sealed {
    municipality: MunicipalityId,
    id: PersonId,
    given_names: String,
    surnames: String,
    cui: Option<String>,
    cui_hash: Option<String>,
    cui_warning: Option<&'static str>,
    words: Vec<String>,
    sex: &'static str,
    birth: Birth,
    language: &'static str,
    migration_status: &'static str,
    recorded_at: DateTime<Utc>,
}

/// Seals many people with keys derived once.
pub(crate) struct Sealer<'k> {
    keys: &'k Keys,
    words: Lookup,
    cui: Lookup,
}

impl<'k> Sealer<'k> {
    pub(crate) fn new(keys: &'k Keys) -> Sealer<'k> {
        Sealer { keys, words: keys.lookup_in(WORD), cui: keys.lookup_in(CUI) }
    }

    pub(crate) fn seal(&self, municipality: MunicipalityId, id: PersonId, person: &NewPerson, at: DateTime<Utc>) -> Result<Sealed> {
        let row = id.0.as_bytes();
        let (given, surnames) = (names::kept(&person.given_names), names::kept(&person.surnames));
        Ok(Sealed {
            municipality,
            id,
            given_names: self.keys.seal_for(GIVEN, row, &given)?,
            surnames: self.keys.seal_for(SURNAMES, row, &surnames)?,
            cui: person.cui.as_ref().map(|cui| self.keys.seal_for(CUI, row, cui.digits())).transpose()?,
            cui_hash: person.cui.as_ref().map(|cui| self.cui.of(cui.digits())),
            cui_warning: person.cui.as_ref().and_then(|cui| cui.warning).map(super::cui::Warning::name),
            words: names::words(&format!("{given} {surnames}")).iter().map(|word| self.words.of(word)).collect(),
            sex: person.sex.name(),
            birth: person.birth,
            language: person.language.name(),
            migration_status: person.migration_status.name(),
            recorded_at: at,
        })
    }
}

/// Writes sealed people and their search words.
pub(crate) async fn store(tx: &mut Tx, people: &[Sealed], recorded_by: &str) -> Result<()> {
    bulk!(
        tx,
        "INSERT INTO person (municipality_id, person_id, given_names_sealed, surnames_sealed, cui_sealed, cui_hash, cui_warning, sex, birth_date, birth_precision, language, migration_status, recorded_by, recorded_at)",
        people,
        |row| [
            row.municipality,
            row.id,
            row.given_names.as_str(),
            row.surnames.as_str(),
            row.cui.as_deref(),
            row.cui_hash.as_deref(),
            row.cui_warning,
            row.sex,
            row.birth.date,
            row.birth.precision.name(),
            row.language,
            row.migration_status,
            recorded_by,
            row.recorded_at
        ],
        ""
    )?;
    let mut words: Vec<(MunicipalityId, &str, PersonId)> =
        people.iter().flat_map(|row| row.words.iter().map(|word| (row.municipality, word.as_str(), row.id))).collect();
    // In key order the index grows at its end, page by page.
    words.sort();
    bulk!(tx, "INSERT INTO person_word (municipality_id, word_hash, person_id)", words, |row| [row.0, row.1, row.2], "")?;
    Ok(())
}

/// Registers one person; their municipality is the key's first part for good.
pub async fn register(
    tx: &mut Tx,
    keys: &Keys,
    municipality: MunicipalityId,
    id: PersonId,
    person: &NewPerson,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<()> {
    if names::fold(&person.given_names).is_empty() || names::fold(&person.surnames).is_empty() {
        return Err(Error::refused("person-name", "given names and surnames are needed; write at least one word in each"));
    }
    let sealed = Sealer::new(keys).seal(municipality, id, person, now)?;
    let warning = sealed.cui_warning;
    store(tx, &[sealed], actor).await?;
    let entry = audit::Entry {
        stream: STREAM,
        actor,
        action: "person.registered",
        target: &id.to_string(),
        detail: json!({"cui": person.cui.is_some(), "cui_warning": warning}),
    };
    audit::record(tx, municipality, now, entry).await
}

macro_rules! columns { () => {
    "SELECT person_id, given_names_sealed, surnames_sealed, cui_sealed, cui_warning, sex, birth_date, birth_precision, language, migration_status, recorded_by, recorded_at FROM person "
} }

pub async fn find(tx: &mut Tx, keys: &Keys, municipality: MunicipalityId, id: PersonId) -> Result<Person> {
    let row: Option<Stored> = opt!(tx, concat!(columns!(), "WHERE municipality_id = $1 AND person_id = $2"), municipality, id)?;
    row.ok_or_else(unknown)?.open(keys, municipality)
}

pub(crate) fn unknown() -> Error {
    Error::not_found("person-unknown", "there is no such person here; search for them again")
}

/// Everybody registered in a municipality, opened: for the registrar's own export only.
pub(crate) async fn everybody(tx: &mut Tx, keys: &Keys, municipality: MunicipalityId) -> Result<Vec<Person>> {
    let rows: Vec<Stored> = all!(tx, concat!(columns!(), "WHERE municipality_id = $1 ORDER BY person_id"), municipality)?;
    rows.into_iter().map(|row| row.open(keys, municipality)).collect()
}

/// Somebody with this CUI registered here, if any. A CUI is never a key: two people may carry the same wrong number.
pub async fn with_cui(tx: &mut Tx, keys: &Keys, municipality: MunicipalityId, cui: &Cui) -> Result<Vec<PersonId>> {
    let found: Vec<(PersonId,)> = all!(
        tx,
        "SELECT person_id FROM person WHERE municipality_id = $1 AND cui_hash = $2 ORDER BY person_id",
        municipality,
        keys.lookup(CUI, cui.digits())
    )?;
    Ok(found.into_iter().map(|(id,)| id).collect())
}

/// At most this many results are opened for one search.
pub const SEARCH_LIMIT: i64 = 50;

/// People of one municipality whose names hold every word typed, without accents, case, apostrophes and particles; or whose CUI
/// is the thirteen digits typed; or who live in the home whose code is typed.
pub async fn search(tx: &mut Tx, keys: &Keys, municipality: MunicipalityId, text: &str, today: NaiveDate) -> Result<Vec<Person>> {
    let code = text.trim().to_uppercase();
    let mut ids: Vec<PersonId> = Vec::new();
    if let Ok(cui) = Cui::read(text) {
        ids = with_cui(tx, keys, municipality, &cui).await?;
    } else if let Some(home) = household(tx, municipality, &code).await? {
        ids = super::membership::residents(tx, municipality, home, today)
            .await?
            .into_iter()
            .filter(|(registered, _)| *registered == municipality)
            .map(|(_, person)| person)
            .collect();
    } else {
        let lookup = keys.lookup_in(WORD);
        let words: Vec<String> = names::words(text).iter().take(6).map(|word| lookup.of(word)).collect();
        if !words.is_empty() {
            let word = |index: usize| words.get(index).cloned().unwrap_or_default();
            let found: Vec<(PersonId,)> = all!(
                tx,
                "SELECT person_id FROM person_word WHERE municipality_id = $1 AND word_hash IN ($2, $3, $4, $5, $6, $7)
                 GROUP BY person_id HAVING COUNT(*) = $8 ORDER BY person_id LIMIT $9",
                municipality,
                word(0),
                word(1),
                word(2),
                word(3),
                word(4),
                word(5),
                words.len() as i64,
                SEARCH_LIMIT
            )?;
            ids = found.into_iter().map(|(id,)| id).collect();
        }
    }
    let mut people = Vec::with_capacity(ids.len());
    for id in ids.into_iter().take(SEARCH_LIMIT as usize) {
        people.push(find(tx, keys, municipality, id).await?);
    }
    people.sort_by_cached_key(|person| (names::fold(&person.surnames), names::fold(&person.given_names), person.id));
    Ok(people)
}

/// The home with this printed code.
pub(crate) async fn household(tx: &mut Tx, municipality: MunicipalityId, code: &str) -> Result<Option<HouseholdId>> {
    Ok(find_code(tx, municipality, Thing::Household, code).await?.map(HouseholdId))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(y: i32, m: u32, d: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(y, m, d).unwrap()
    }

    #[test]
    fn a_birth_date_is_read_with_its_precision() {
        let today = day(2026, 11, 23);
        let exact = Birth { date: Some(day(1988, 3, 14)), precision: Precision::Day };
        assert_eq!(Birth::read("14/03/1988", today).unwrap(), exact);
        assert_eq!(Birth::read("1988-03-14", today).unwrap(), exact);
        assert_eq!(Birth::read("1988", today).unwrap(), Birth { date: Some(day(1988, 1, 1)), precision: Precision::Year });
        assert_eq!(Birth::read("36", today).unwrap(), Birth { date: Some(day(1990, 1, 1)), precision: Precision::Age });
        assert_eq!(Birth::read(" ", today).unwrap(), Birth::UNKNOWN);
        for wrong in ["31/02/1990", "24/11/2026", "1800", "140", "ayer", "03-14-1988"] {
            assert_eq!(Birth::read(wrong, today).unwrap_err().code, "birth-date", "{wrong}");
        }
    }

    #[test]
    fn somebody_who_may_be_under_eighteen_is_guarded_as_a_minor() {
        let today = day(2026, 11, 23);
        assert!(Birth { date: Some(day(2008, 11, 24)), precision: Precision::Day }.minor_on(today));
        assert!(!Birth { date: Some(day(2008, 11, 23)), precision: Precision::Day }.minor_on(today));
        assert!(Birth { date: Some(day(2008, 1, 1)), precision: Precision::Year }.minor_on(today));
        assert!(!Birth { date: Some(day(2007, 1, 1)), precision: Precision::Year }.minor_on(today));
    }
}
