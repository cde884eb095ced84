//! Somebody a row may speak of, and what rows tell of them: what nobody knew is filled in, what is known otherwise stays and is said.

use super::birth::{Birth, Majority, Precision};
use super::entry::Entry;
use super::person::{Key, Language, MigrationStatus, NewPerson, Print, Sealer, Sex};
use crate::among;
use crate::db::Tx;
use crate::error::Result;
use crate::id::{MunicipalityId, PersonId};
use chrono::NaiveDate;

/// A record, or somebody of an earlier row.
pub(crate) struct Candidate {
    pub(crate) key: Key,
    pub(crate) print: Print,
    /// Under whom they are counted.
    pub(crate) counted: Key,
    /// The row that made them; none: on record.
    pub(crate) row: Option<u64>,
    sex: Sex,
    language: Language,
    migration_status: MigrationStatus,
    told: Told,
}

/// What rows told that was not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Told {
    /// Of which row: the number itself is sealed from there.
    cui: Option<usize>,
    birth: bool,
    sex: bool,
    language: bool,
    migration_status: bool,
}

pub(crate) type Found = (
    MunicipalityId,
    PersonId,
    i64,
    i64,
    Option<String>,
    Option<NaiveDate>,
    String,
    Option<NaiveDate>,
    MunicipalityId,
    PersonId,
    String,
    String,
    String,
);

impl From<Found> for Candidate {
    fn from(row: Found) -> Candidate {
        let birth = Birth::stored(row.5, &row.6, row.7);
        Candidate {
            key: (row.0, row.1),
            print: Print { words: row.2, order: row.3, cui: row.4, birth },
            counted: (row.8, row.9),
            row: None,
            sex: Sex::parse(&row.10).unwrap_or(Sex::Unknown),
            language: Language::parse(&row.11).unwrap_or(Language::Spanish),
            migration_status: MigrationStatus::parse(&row.12).unwrap_or(MigrationStatus::Unknown),
            told: Told::default(),
        }
    }
}

/// How much a birth tells.
fn tells(birth: &Birth) -> u8 {
    match birth.precision {
        Precision::Unknown => 0,
        Precision::Adult => 1,
        Precision::Year | Precision::Age => 2,
        Precision::Day => 3,
    }
}

/// Whether both cannot be one person's.
fn contradict(one: &Birth, two: &Birth) -> bool {
    let grown = |adult: &Birth, other: &Birth| {
        adult.precision == Precision::Adult && adult.told_on.is_some_and(|day| other.majority_on(day) == Majority::Minor)
    };
    !one.fits(two) || grown(one, two) || grown(two, one)
}

impl Candidate {
    /// Somebody new, of a row.
    pub(crate) fn new(key: Key, print: Print, counted: Key, row: u64, entry: &Entry) -> Candidate {
        let NewPerson { sex, language, migration_status, .. } = entry.person;
        Candidate { key, print, counted, row: Some(row), sex, language, migration_status, told: Told::default() }
    }

    /// Takes in what a row tells and nobody knew; answers what is known otherwise. Another CUI never comes here: it is another person's.
    pub(crate) fn hear(&mut self, index: usize, entry: &Entry, print: &Print) -> Vec<&'static str> {
        let (person, mut otherwise) = (&entry.person, Vec::new());
        if self.print.cui.is_none() && print.cui.is_some() {
            self.print.cui.clone_from(&print.cui);
            self.told.cui = Some(index);
        }
        if contradict(&self.print.birth, &print.birth) {
            otherwise.push("birth_date: another one is on record, and stays; compare it with the card");
        } else if tells(&print.birth) > tells(&self.print.birth) {
            self.print.birth = print.birth;
            self.told.birth = true;
        }
        macro_rules! fact {
            ($field:ident, $nobody_knew:expr, $says:expr, $line:literal) => {
                if $says && person.$field != self.$field {
                    if $nobody_knew {
                        self.$field = person.$field;
                        self.told.$field = true;
                    } else {
                        otherwise.push($line);
                    }
                }
            };
        }
        fact!(sex, self.sex == Sex::Unknown, person.sex != Sex::Unknown, "sex: another one is on record, and stays; compare both with the person");
        // Spanish is what stands where nobody said.
        fact!(
            language,
            self.language == Language::Spanish,
            entry.says_language,
            "language: another one is on record, and stays; compare both with the person"
        );
        fact!(
            migration_status,
            self.migration_status == MigrationStatus::Unknown,
            person.migration_status != MigrationStatus::Unknown,
            "migration_status: another one is on record, and stays; compare both with the person"
        );
        otherwise
    }

    /// What was told of them, by the names of its columns.
    pub(crate) fn told(&self) -> Vec<&'static str> {
        let Told { cui, birth, sex, language, migration_status } = self.told;
        let all = [(cui.is_some(), "cui"), (birth, "birth_date"), (sex, "sex"), (language, "language"), (migration_status, "migration_status")];
        all.into_iter().filter(|(told, _)| *told).map(|(_, column)| column).collect()
    }

    /// Somebody new as their first row and the later ones tell.
    pub(crate) fn whole(&self, first: &NewPerson, entries: &[(u64, Entry)]) -> NewPerson {
        let cui = self.told.cui.and_then(|index| entries.get(index)).and_then(|(_, entry)| entry.person.cui.clone());
        NewPerson {
            cui: cui.or_else(|| first.cui.clone()),
            birth: self.print.birth,
            sex: self.sex,
            language: self.language,
            migration_status: self.migration_status,
            ..first.clone()
        }
    }

    /// What is to be written of somebody on record, sealed.
    pub(crate) fn news(&self, sealer: &Sealer<'_>, entries: &[(u64, Entry)]) -> Result<News> {
        let cui = self.told.cui.and_then(|index| entries.get(index)).and_then(|(_, entry)| entry.person.cui.as_ref());
        Ok(News {
            person: self.key.1,
            told: self.told(),
            cui: cui.map(|cui| sealer.cui(self.key.1, cui)).transpose()?,
            birth: self.print.birth,
            sex: self.sex.name(),
            language: self.language.name(),
            migration_status: self.migration_status.name(),
        })
    }
}

/// A number sealed, its look-up hash, and what should be looked at.
pub(crate) type SealedCui = (String, String, Option<&'static str>);

/// What somebody on record is from now on.
pub(crate) struct News {
    pub(crate) person: PersonId,
    pub(crate) told: Vec<&'static str>,
    cui: Option<SealedCui>,
    birth: Birth,
    sex: &'static str,
    language: &'static str,
    migration_status: &'static str,
}

/// Writes what was told of people on record.
pub(crate) async fn tell(tx: &mut Tx, municipality: MunicipalityId, news: &[News]) -> Result<()> {
    let _: Vec<(PersonId,)> = among!(
        tx,
        "WITH asked (municipality_id, person_id, cui_sealed, cui_hash, cui_warning, birth_date, birth_precision, birth_told_on, sex, language,
           migration_status) AS (",
        news,
        |row| [
            municipality,
            row.person,
            row.cui.as_ref().map(|cui| cui.0.as_str()),
            row.cui.as_ref().map(|cui| cui.1.as_str()),
            row.cui.as_ref().and_then(|cui| cui.2),
            row.birth.date,
            row.birth.precision.name(),
            row.birth.told_on,
            row.sex,
            row.language,
            row.migration_status
        ],
        ") UPDATE person SET cui_sealed = COALESCE(asked.cui_sealed, person.cui_sealed), cui_hash = COALESCE(asked.cui_hash, person.cui_hash),
             cui_warning = CASE WHEN asked.cui_hash IS NULL THEN person.cui_warning ELSE asked.cui_warning END, birth_date = asked.birth_date,
             birth_precision = asked.birth_precision, birth_told_on = asked.birth_told_on, sex = asked.sex, language = asked.language,
             migration_status = asked.migration_status
           FROM asked WHERE person.municipality_id = asked.municipality_id AND person.person_id = asked.person_id RETURNING person.person_id"
    )?;
    Ok(())
}
