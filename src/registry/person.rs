//! A person: sealed names and CUI, keyed hashes to find them again, and the few facts counts are broken down by.

use super::candidate::SealedCui;
use super::cui::Cui;
use super::{STREAM, choice, likeness, names};
use crate::account::audit;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{HouseholdId, MunicipalityId, PersonId};
use crate::seal::{Keys, Lookup, short};
use crate::{all, bulk, opt, run};
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::json;

choice!(Sex { Female = "female", Male = "male", Other = "other", Unknown = "unknown" });
choice!(MigrationStatus {
    Host = "host", Migrant = "migrant", Returnee = "returnee", Displaced = "displaced",
    RemittanceHousehold = "remittance_household", Unknown = "unknown",
});
pub use super::birth::{Birth, Majority, Precision};

choice!(Language { Spanish = "es", Mam = "mam" });

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
    birth_told_on: Option<NaiveDate>,
    language: String,
    migration_status: String,
    recorded_by: String,
    recorded_at: DateTime<Utc>,
}

pub(super) const GIVEN: &str = "person.given_names";
pub(super) const SURNAMES: &str = "person.surnames";
pub(super) const CUI: &str = "person.cui";
const WORD: &str = "person_word";
const WORDS: &str = "person.words";
const ORDER: &str = "person.order";

/// A record's place in the registry: where it was made, and its identity.
pub(crate) type Key = (MunicipalityId, PersonId);

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
            birth: Birth::stored(self.birth_date, &self.birth_precision, self.birth_told_on),
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
    words: Vec<i64>,
    words_hash: i64,
    order_hash: i64,
    counted: Key,
    sex: &'static str,
    birth: Birth,
    language: &'static str,
    migration_status: &'static str,
    recorded_at: DateTime<Utc>,
}

impl Sealed {
    pub(crate) fn key(&self) -> Key {
        (self.municipality, self.id)
    }

    pub(crate) fn has_cui(&self) -> bool {
        self.cui_hash.is_some()
    }

    pub(crate) fn cui_warning(&self) -> Option<&'static str> {
        self.cui_warning
    }

    /// Counts them under another record, which is the same person.
    pub(crate) fn counted_as(mut self, other: Key) -> Sealed {
        self.counted = other;
        self
    }
}

/// What two records of people are compared by; nothing of it can be read back into a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Print {
    pub(crate) words: i64,
    pub(crate) order: i64,
    pub(crate) cui: Option<String>,
    pub(crate) birth: Birth,
}

/// Seals many people with keys derived once.
pub(crate) struct Sealer<'k> {
    keys: &'k Keys,
    word: Lookup,
    words: Lookup,
    order: Lookup,
    cui: Lookup,
}

impl<'k> Sealer<'k> {
    pub(crate) fn new(keys: &'k Keys) -> Sealer<'k> {
        Sealer { keys, word: keys.lookup_in(WORD), words: keys.lookup_in(WORDS), order: keys.lookup_in(ORDER), cui: keys.lookup_in(CUI) }
    }

    pub(crate) fn print(&self, person: &NewPerson) -> Print {
        Print {
            words: short(&self.words.of(&names::words(&format!("{} {}", person.given_names, person.surnames)).join(" "))),
            order: short(&self.order.of(&format!("{}|{}", names::fold(&person.given_names), names::fold(&person.surnames)))),
            cui: person.cui.as_ref().map(|cui| self.cui.of(cui.digits())),
            birth: person.birth,
        }
    }

    /// A number for the record of somebody: sealed, its look-up hash, and what should be looked at.
    pub(crate) fn cui(&self, id: PersonId, cui: &Cui) -> Result<SealedCui> {
        Ok((self.keys.seal_for(CUI, id.0.as_bytes(), cui.digits())?, self.cui.of(cui.digits()), cui.warning.map(super::cui::Warning::name)))
    }

    pub(crate) fn seal(&self, municipality: MunicipalityId, id: PersonId, person: &NewPerson, at: DateTime<Utc>) -> Result<Sealed> {
        let row = id.0.as_bytes();
        let (given, surnames) = (names::kept(&person.given_names), names::kept(&person.surnames));
        let print = self.print(person);
        Ok(Sealed {
            municipality,
            id,
            given_names: self.keys.seal_for(GIVEN, row, &given)?,
            surnames: self.keys.seal_for(SURNAMES, row, &surnames)?,
            cui: person.cui.as_ref().map(|cui| self.keys.seal_for(CUI, row, cui.digits())).transpose()?,
            cui_hash: print.cui,
            cui_warning: person.cui.as_ref().and_then(|cui| cui.warning).map(super::cui::Warning::name),
            words: names::words(&format!("{given} {surnames}")).iter().map(|word| short(&self.word.of(word))).collect(),
            words_hash: print.words,
            order_hash: print.order,
            counted: (municipality, id),
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
    store_words(tx, &words(people)).await?;
    store_files(tx, people, recorded_by).await
}

/// Writes sealed people: from here on whatever else is on record of them is seen.
pub(crate) async fn store_files(tx: &mut Tx, people: &[Sealed], recorded_by: &str) -> Result<()> {
    bulk!(
        tx,
        "INSERT INTO person (municipality_id, person_id, given_names_sealed, surnames_sealed, cui_sealed, cui_hash, cui_warning, sex, birth_date, birth_precision, birth_told_on, language, migration_status, words_hash, order_hash, counted_municipality_id, counted_person_id, recorded_by, recorded_at)",
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
            row.birth.told_on,
            row.language,
            row.migration_status,
            row.words_hash,
            row.order_hash,
            row.counted.0,
            row.counted.1,
            recorded_by,
            row.recorded_at
        ],
        ""
    )?;
    Ok(())
}

/// A search word of somebody.
pub(crate) type Word = (MunicipalityId, i64, PersonId);

/// The search words of people, in key order: the index grows at its end, page by page.
pub(crate) fn words(people: &[Sealed]) -> Vec<Word> {
    let mut words: Vec<Word> = people.iter().flat_map(|row| row.words.iter().map(|word| (row.municipality, *word, row.id))).collect();
    words.sort_unstable();
    words
}

pub(crate) async fn store_words(tx: &mut Tx, words: &[Word]) -> Result<()> {
    bulk!(tx, "INSERT INTO person_word (municipality_id, word_hash, person_id)", words, |row| [row.0, row.1, row.2], "")?;
    Ok(())
}

/// Registers one person as a record of their own; their municipality is the key's first part for good. A record that holds the same
/// CUI, wherever it was made, is asked about and counted with this one.
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
    let (warning, cui) = (sealed.cui_warning, sealed.cui_hash.clone());
    store(tx, &[sealed], actor).await?;
    if let Some(cui) = cui {
        likeness::ask_holders(tx, (municipality, id), &cui, now).await?;
    }
    let entry = audit::Entry {
        stream: STREAM,
        actor,
        action: "person.registered",
        target: &id.to_string(),
        detail: json!({"cui": person.cui.is_some(), "cui_warning": warning}),
    };
    audit::record(tx, municipality, now, entry).await
}

/// Writes what is told of somebody's birth where no full date is on record; a date on record stays.
pub async fn tell_birth(tx: &mut Tx, municipality: MunicipalityId, id: PersonId, birth: Birth, actor: &str, now: DateTime<Utc>) -> Result<()> {
    if birth == Birth::UNKNOWN {
        return Err(Error::refused("birth-date", "write a birth date as dd/mm/yyyy, a year, an age, or 18+"));
    }
    let touched = run!(
        tx,
        "UPDATE person SET birth_date = $3, birth_precision = $4, birth_told_on = $5
         WHERE municipality_id = $1 AND person_id = $2 AND birth_precision <> 'day'",
        municipality,
        id,
        birth.date,
        birth.precision.name(),
        birth.told_on
    )?;
    if touched == 0 {
        return Err(Error::conflict("birth-known", "a full birth date is on record already; look at the file again"));
    }
    let detail = json!({"precision": birth.precision.name()});
    let target = id.to_string();
    audit::record(tx, municipality, now, audit::Entry { stream: STREAM, actor, action: "person.birth-told", target: &target, detail }).await
}

macro_rules! columns { () => {
    "SELECT person_id, given_names_sealed, surnames_sealed, cui_sealed, cui_warning, sex, birth_date, birth_precision, birth_told_on, language, migration_status, recorded_by, recorded_at FROM person "
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

/// Those with this CUI registered here. A CUI is never a key: two people may carry the same wrong number.
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
    let mut ids: Vec<PersonId> = Vec::new();
    if let Ok(cui) = Cui::read(text) {
        ids = with_cui(tx, keys, municipality, &cui).await?;
    } else if let Some(home) = household(tx, municipality, text).await? {
        ids = super::membership::residents(tx, municipality, home, today)
            .await?
            .into_iter()
            .filter(|(registered, _)| *registered == municipality)
            .map(|(_, person)| person)
            .collect();
    } else {
        let lookup = keys.lookup_in(WORD);
        let words: Vec<i64> = names::words(text).iter().take(6).map(|word| short(&lookup.of(word))).collect();
        if let Some(first) = words.first() {
            // Fewer words than places: the first again, which counts once.
            let word = |index: usize| *words.get(index).unwrap_or(first);
            let found: Vec<(PersonId,)> = all!(
                tx,
                "SELECT w.person_id FROM person_word w
                 JOIN person p ON p.municipality_id = w.municipality_id AND p.person_id = w.person_id
                 WHERE w.municipality_id = $1 AND w.word_hash IN ($2, $3, $4, $5, $6, $7)
                 GROUP BY w.person_id HAVING COUNT(*) = $8 ORDER BY w.person_id LIMIT $9",
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

/// The home with this printed code, in any spelling.
pub(crate) async fn household(tx: &mut Tx, municipality: MunicipalityId, code: &str) -> Result<Option<HouseholdId>> {
    Ok(crate::territory::household::find(tx, municipality, code).await?.map(|(id, _)| id))
}
