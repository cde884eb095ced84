//! Whom each row of a file, or a form, speaks of: somebody on record, somebody of an earlier row, or somebody new, with the questions
//! that leaves open. Nothing is written here.

pub use super::answers::{Answers, Whom};
use super::birth::Birth;
use super::candidate::{Candidate, Found};
pub use super::doubt::Doubt;
use super::entry::Entry;
use super::judged::{Like, born, of_two};
use super::likeness::{Answer, Asked, Ground};
use super::list::{List, recognise};
use super::person::{Key, Print, Sealer};
use crate::among;
use crate::db::Tx;
use crate::error::Result;
use crate::id::{Mint, MunicipalityId, PersonId};
use crate::seal::Keys;
use crate::sheet::problems::Problems;
use chrono::{DateTime, NaiveDate, Utc};
use std::collections::{HashMap, HashSet};

/// Everybody the rows speak of, and what is left to ask.
#[derive(Default)]
pub(crate) struct People {
    pub(crate) all: Vec<Candidate>,
    /// For each row, whom it speaks of, as a place in `all`.
    pub(crate) of_row: Vec<usize>,
    /// Rows that made somebody new, with the place in `all`.
    pub(crate) made: Vec<(usize, usize)>,
    pub(crate) asked: Vec<Asked>,
    pub(crate) doubts: Vec<Doubt>,
    /// Answers about records that stand already.
    pub(crate) settled: Vec<Settled>,
    /// Rows that an answer gave to somebody on record.
    pub(crate) taken: Vec<(u64, PersonId)>,
    /// What the file is a list of.
    pub(crate) list: List,
    /// What rows tell of somebody that is known otherwise, and stays: row and line.
    pub(crate) otherwise: Vec<(u64, &'static str)>,
    /// Records of whom something was told that may change under whom they are counted.
    pub(crate) recount: Vec<Key>,
    pub(super) by_words: HashMap<i64, Vec<usize>>,
    pub(super) by_cui: HashMap<String, Vec<usize>>,
    by_id: HashMap<PersonId, usize>,
    /// By name words and full birth date.
    pub(super) by_birth: HashMap<(i64, NaiveDate), Vec<usize>>,
    /// Names and birth dates of this municipality under which two CUIs stand: who has none there may be either.
    pub(super) torn: HashSet<(i64, NaiveDate)>,
}

/// What was said of a record on file and another, or every one that is asked about.
pub(crate) struct Settled {
    pub(crate) of: Key,
    pub(crate) like: Option<Key>,
    pub(crate) answer: Answer,
}

const TWO_CUIS: &str = "cui: the person named by the answer holds another CUI, and two CUIs are two people; leave the answer out, and link both files with `vecino registry answer` if they are one";
const ANOTHER_CUI: &str = "cui: the file with this registry number holds another CUI; compare both with the card, then mend the cell, or empty person to register somebody else";
const APART: &str = "the row and the person named in the answer have neither names nor CUI in common; look at the question again";

impl People {
    fn add(&mut self, candidate: Candidate) -> usize {
        if let Some(known) = self.by_id.get(&candidate.key.1) {
            return *known;
        }
        let place = self.all.len();
        self.by_words.entry(candidate.print.words).or_default().push(place);
        if let Some(cui) = &candidate.print.cui {
            self.by_cui.entry(cui.clone()).or_default().push(place);
        }
        if let Some(born) = born(&candidate.print) {
            self.by_birth.entry(born).or_default().push(place);
        }
        self.by_id.insert(candidate.key.1, place);
        self.all.push(candidate);
        place
    }

    fn meet(&mut self, found: Vec<Found>) {
        for row in found {
            self.add(row.into());
        }
    }

    /// Lets go of what people are found by: what follows needs the room.
    fn decided(&mut self) {
        (self.by_words, self.by_cui, self.by_id, self.by_birth, self.torn) = Default::default();
    }

    /// The person on record whom a row speaks of, as a question about them.
    pub(crate) fn met(&self, index: usize) -> Doubt {
        let found = &self.all[self.of_row[index]];
        let (municipality, person) = found.key;
        Doubt { row: 0, ground: Ground::Same, municipality, person, other_row: None, birth: found.print.birth }
    }

    /// What is known of the birth of the person a row speaks of.
    pub(crate) fn birth(&self, index: usize) -> Birth {
        self.all[self.of_row[index]].print.birth
    }

    /// Whether the row came before and means whom it meant then; whether something of it waits.
    pub(crate) fn before(&self, index: usize) -> Option<bool> {
        let before = self.list.before(index)?;
        (self.all[self.of_row[index]].key.1 == before.person).then_some(before.waits)
    }

    pub(crate) fn counted(&self, place: usize) -> Key {
        self.all[place].counted
    }
}

macro_rules! found {
    ($condition:literal) => {
        concat!(
            ") SELECT p.municipality_id, p.person_id, p.words_hash, p.order_hash, p.cui_hash, p.birth_date, p.birth_precision, p.birth_told_on,
            p.counted_municipality_id, p.counted_person_id, p.sex, p.language, p.migration_status FROM asked CROSS JOIN person p WHERE ",
            $condition
        )
    };
}

/// What the rows come from: a file, or a form.
#[derive(Default)]
pub(crate) struct Source<'a> {
    pub(crate) name: &'a str,
    /// Of a file's bytes, as the audit chain names it.
    pub(crate) hash: Option<String>,
    /// Of what each row of a file says.
    pub(crate) rows: Vec<i64>,
}

/// Decides for every row. No problem repeats a name.
#[expect(clippy::too_many_arguments, reason = "the rows, where they go, what was said of them")]
pub(crate) async fn identify(
    tx: &mut Tx,
    keys: &Keys,
    mint: &mut Mint,
    municipality: MunicipalityId,
    source: &Source<'_>,
    entries: &[(u64, Entry)],
    answers: &Answers,
    now: DateTime<Utc>,
    lines: &mut Problems,
) -> Result<People> {
    let sealer = Sealer::new(keys);
    let prints: Vec<Print> = entries.iter().map(|(_, entry)| sealer.print(&entry.person)).collect();
    let mut people = People { list: recognise(tx, mint, municipality, &source.rows, now).await?, ..People::default() };
    on_record(tx, municipality, entries, &prints, &mut people).await?;
    people.tear(&prints, municipality);
    let endings = endings(tx, municipality, answers).await?;
    let rows: HashMap<u64, usize> = entries.iter().enumerate().map(|(index, (row, _))| (*row, index)).collect();
    for row in answers.same.keys().chain(answers.distinct.keys()).filter(|row| !rows.contains_key(row)) {
        lines.add(&row.to_string(), "there is no such row to answer about; look at the questions again");
    }
    for (index, ((row, entry), print)) in entries.iter().zip(&prints).enumerate() {
        let mut problem = |line: &str| lines.add(&row.to_string(), line);
        // Whom an answer means, as a place; an answer that names nobody is a problem.
        let place_of = |whom: &Whom, people: &People| -> Result<usize, &'static str> {
            let id = match whom {
                Whom::Row(other) => {
                    let before = rows.get(other).filter(|other| **other < index);
                    return before.map(|other| people.of_row[*other]).ok_or("an answer must name an earlier row of the file");
                }
                Whom::Person(id) => *id,
                Whom::Ending(ending) => match endings.get(ending).map(Vec::as_slice) {
                    Some([id]) => *id,
                    Some([_, _, ..]) => {
                        return Err("several people's registry numbers end so; write the whole number, as it stands in the address of their file");
                    }
                    _ => return Err("there is no person with this registry number here; look at the question again"),
                },
                Whom::Anybody => return Err("an answer must name a person or a row"),
            };
            people.by_id.get(&id).copied().ok_or(APART)
        };
        let mut others: HashSet<usize> = HashSet::new();
        let mut all_others = false;
        for whom in answers.distinct.get(row).into_iter().flatten() {
            match whom {
                Whom::Anybody => all_others = true,
                whom => match place_of(whom, &people) {
                    Ok(place) => drop(others.insert(place)),
                    Err(line) => problem(line),
                },
            }
        }
        let said = answers.same.get(row).and_then(|whom| match place_of(whom, &people) {
            Ok(place) => Some(place),
            Err(line) => {
                problem(line);
                None
            }
        });
        // Whom the row names by number, or meant when it came before; the registrar may know better, and another CUI does.
        let own = match (entry.number, people.list.before(index)) {
            (Some(number), _) => people.by_id.get(&number).copied(),
            (None, before) => before
                .and_then(|before| people.by_id.get(&before.person))
                .copied()
                .filter(|own| !others.contains(own) && !of_two(&people.all[*own].print, print)),
        };
        match (own, said) {
            (Some(own), _) if entry.number.is_some() && people.all[own].print.words != print.words => {
                problem("person: this registry number is somebody's with other names; compare both, or empty the cell");
            }
            (Some(own), _) if entry.number.is_some() && of_two(&people.all[own].print, print) => problem(ANOTHER_CUI),
            (Some(own), Some(said)) if own != said => {
                people.settled.push(Settled { of: people.all[own].key, like: Some(people.all[said].key), answer: Answer::Same });
            }
            (None, Some(said)) if !people.near(said, municipality) => {
                problem("a file of another municipality cannot take this row; answer with `vecino registry answer` after the import");
            }
            (None, Some(said)) if people.all[said].print.words != print.words && people.all[said].print.cui != print.cui => problem(APART),
            (None, Some(said)) if of_two(&people.all[said].print, print) => problem(TWO_CUIS),
            (None, Some(said)) => people.taken.push((*row, people.all[said].key.1)),
            _ => {}
        }
        let other = |place: usize| all_others || others.contains(&place);
        let (met, asks) = match own.or(said) {
            Some(met) => (Some(met), Vec::new()),
            None => people.judged(print, municipality, other, all_others || !others.is_empty()),
        };
        if let Some(met) = met {
            let of = people.all[met].key;
            let named = others.iter().filter(|place| **place != met).map(|place| Some(people.all[*place].key));
            let all = all_others.then_some(None);
            let settled: Vec<Settled> = named.chain(all).map(|like| Settled { of, like, answer: Answer::Distinct }).collect();
            people.settled.extend(settled);
            let again = people.list.before(index).is_some_and(|before| before.person == of.1);
            people.hear(met, index, (*row, entry), print, again, other);
        }
        let place = match met {
            Some(place) => place,
            None => {
                let key = (municipality, entry.number.unwrap_or_else(|| mint.id(now)));
                let once = |(_, ground, other): &&Like| matches!(ground, Ground::Cui | Ground::Birth) && !other;
                let counted = asks.iter().find(once).map_or(key, |(place, ..)| people.counted(*place));
                for (like, ground, other) in &asks {
                    let found = &people.all[*like];
                    let answer = if *other { Answer::Distinct } else { Answer::Open };
                    people.asked.push(Asked { of: key, like: found.key, ground: *ground, answer });
                    if !*other {
                        people.doubts.push(people.doubt(*row, *ground, *like));
                    }
                }
                let place = people.add(Candidate::new(key, print.clone(), counted, *row, entry));
                people.made.push((index, place));
                place
            }
        };
        people.of_row.push(place);
    }
    people.decided();
    Ok(people)
}

/// Fills in everybody on record whom a row may speak of.
async fn on_record(tx: &mut Tx, municipality: MunicipalityId, entries: &[(u64, Entry)], prints: &[Print], people: &mut People) -> Result<()> {
    let distinct = |mut keys: Vec<i64>| {
        keys.sort_unstable();
        keys.dedup();
        keys
    };
    let words = distinct(prints.iter().map(|print| print.words).collect());
    let found: Vec<Found> = among!(
        tx,
        "WITH asked (municipality_id, words_hash) AS (",
        words,
        |words| [municipality, *words],
        found!("p.municipality_id = asked.municipality_id AND p.words_hash = asked.words_hash ORDER BY p.person_id")
    )?;
    people.meet(found);
    let mut cuis: Vec<&str> = prints.iter().filter_map(|print| print.cui.as_deref()).collect();
    cuis.sort_unstable();
    cuis.dedup();
    // A CUI is one person's wherever they were registered: this asks over all municipalities.
    let found: Vec<Found> =
        among!(tx, "WITH asked (cui_hash) AS (", cuis, |cui| [*cui], found!("p.cui_hash = asked.cui_hash ORDER BY p.municipality_id, p.person_id"))?;
    people.meet(found);
    // So are names with a full birth date: likely the same person, with a file in two municipalities.
    let mut births: Vec<(i64, NaiveDate)> = prints.iter().filter_map(born).collect();
    births.sort_unstable();
    births.dedup();
    let found: Vec<Found> = among!(
        tx,
        "WITH asked (words_hash, birth_date) AS (",
        births,
        |born| [born.0, born.1],
        found!(
            "p.words_hash = asked.words_hash AND p.birth_date = asked.birth_date AND p.birth_precision = 'day' ORDER BY p.municipality_id, p.person_id"
        )
    )?;
    people.meet(found);
    let mut numbers: Vec<PersonId> = entries.iter().filter_map(|(_, entry)| entry.number).chain(people.list.people()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let found: Vec<Found> = among!(
        tx,
        "WITH asked (municipality_id, person_id) AS (",
        numbers,
        |number| [municipality, *number],
        found!("p.municipality_id = asked.municipality_id AND p.person_id = asked.person_id")
    )?;
    people.meet(found);
    Ok(())
}

/// The people whose registry numbers end as the answers say.
async fn endings(tx: &mut Tx, municipality: MunicipalityId, answers: &Answers) -> Result<HashMap<String, Vec<PersonId>>> {
    let wanted: HashSet<&String> = answers
        .same
        .values()
        .chain(answers.distinct.values().flatten())
        .filter_map(|whom| if let Whom::Ending(ending) = whom { Some(ending) } else { None })
        .collect();
    let mut found: HashMap<String, Vec<PersonId>> = HashMap::new();
    if !wanted.is_empty() {
        let all: Vec<(PersonId,)> = crate::all!(tx, "SELECT person_id FROM person WHERE municipality_id = $1 ORDER BY person_id", municipality)?;
        for (id,) in all {
            let number = id.0.simple().to_string().to_uppercase();
            for ending in wanted.iter().filter(|ending| number.ends_with(ending.as_str())) {
                found.entry((*ending).clone()).or_default().push(id);
            }
        }
    }
    Ok(found)
}
