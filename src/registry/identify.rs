//! Whom each row of a file, or a form, speaks of: somebody on record, somebody of an earlier row, or somebody new, with the questions
//! that leaves open. Nothing is written here.

use super::birth::Birth;
use super::desk::file_number;
use super::entry::Entry;
use super::likeness::{Answer, Asked, Ground, Verdict, judge};
use super::list::{List, recognise};
use super::person::{Key, Print, Sealer};
use crate::among;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{Mint, MunicipalityId, PersonId};
use crate::seal::Keys;
use crate::sheet::problems::Problems;
use chrono::{DateTime, NaiveDate, Utc};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Whom an answer names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whom {
    /// An earlier row of the file.
    Row(u64),
    Person(PersonId),
    /// The end of a registry number, as pages and questions show it: `1A2B3C` of P-1A2B3C.
    Ending(String),
    Anybody,
}

/// What a registrar says about rows, by row: the same person as, or another than.
#[derive(Debug, Clone, Default)]
pub struct Answers {
    pub same: BTreeMap<u64, Whom>,
    pub distinct: BTreeMap<u64, Vec<Whom>>,
}

impl Answers {
    /// Reads `ROW=PERSON` and `ROW=ROW`; a bare `ROW` says of whomever the question names.
    pub fn read(same: &[String], distinct: &[String]) -> Result<Answers> {
        let mut answers = Answers::default();
        for text in same {
            match read(text)? {
                (_, Whom::Anybody) => return Err(wrong(text)),
                (row, whom) => {
                    if answers.same.insert(row, whom).is_some() {
                        return Err(Error::refused("answer", format!("--same {text}: row {row} is answered twice; keep one")));
                    }
                }
            }
        }
        for text in distinct {
            let (row, whom) = read(text)?;
            answers.distinct.entry(row).or_default().push(whom);
        }
        Ok(answers)
    }
}

fn wrong(text: &str) -> Error {
    Error::refused("answer", format!("«{text}» answers no question; write ROW=PERSON or ROW=ROW, such as 3=P-1A2B3C or 3=2"))
}

fn read(text: &str) -> Result<(u64, Whom)> {
    let (row, whom) = text.split_once('=').map_or((text, None), |(row, whom)| (row, Some(whom.trim())));
    let row = row.trim().parse().map_err(|_| wrong(text))?;
    let Some(whom) = whom else { return Ok((row, Whom::Anybody)) };
    let ending = whom.to_uppercase();
    if let Some(ending) = ending.strip_prefix("P-") {
        let fits = ending.len() >= 6 && ending.bytes().all(|b| b.is_ascii_hexdigit());
        return fits.then(|| (row, Whom::Ending(ending.to_owned()))).ok_or_else(|| wrong(text));
    }
    match (whom.parse(), uuid::Uuid::parse_str(whom)) {
        (Ok(other), _) => Ok((row, Whom::Row(other))),
        (_, Ok(id)) => Ok((row, Whom::Person(PersonId(id)))),
        _ => Err(wrong(text)),
    }
}

/// Somebody a row may speak of.
pub(crate) struct Candidate {
    pub(crate) key: Key,
    print: Print,
    /// Under whom they are counted.
    counted: Key,
    /// The row that made them; none: on record.
    pub(crate) row: Option<u64>,
}

/// A question that nobody answered yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    pub row: u64,
    pub ground: Ground,
    pub municipality: MunicipalityId,
    pub person: PersonId,
    /// The row of the same file, when it is one.
    pub other_row: Option<u64>,
    pub birth: Birth,
}

impl Doubt {
    /// What is asked, naming rows and registry numbers, never a name.
    pub fn line(&self, here: MunicipalityId, today: NaiveDate) -> String {
        let number = file_number(self.person);
        let other = match self.other_row {
            Some(row) => format!("row {row}"),
            None if self.municipality != here => format!("{number} of {}", self.municipality),
            None => match self.birth.age_on(today) {
                Some(age) => format!("{number} (about {age} years old)"),
                None => format!("{number} (age not known)"),
            },
        };
        let row = self.row;
        match self.ground {
            Ground::Cui if self.municipality != here => format!(
                "{other} holds the same CUI; kept as two files and counted once. Answer it with `vecino registry answer`, or say --distinct {row} if they are two people"
            ),
            Ground::Cui => format!(
                "{other} holds the same CUI under other names; kept as two files and counted once. One person: {}; two people: --distinct {row}",
                self.same()
            ),
            Ground::Names | Ground::Same => format!(
                "the same names as {other}, and no CUI or birth date tells them apart; kept as two people. One person: {}; two people: --distinct {row}",
                self.same()
            ),
        }
    }

    /// What is asked of many rows at once.
    pub fn kind(&self, here: MunicipalityId) -> &'static str {
        match self.ground {
            Ground::Cui if self.municipality != here => {
                "somebody of another municipality holds the same CUI; kept as two files each and counted once. `vecino registry questions` lists them"
            }
            Ground::Cui => {
                "somebody on record or of an earlier row holds the same CUI under other names; kept as two files each and counted once. One person: --same ROW=PERSON; two people: --distinct ROW; --json names each"
            }
            Ground::Names | Ground::Same => {
                "the same names as somebody on record or of an earlier row, and no CUI or birth date tells them apart; kept as two people each. One person: --same ROW=PERSON; two people: --distinct ROW; --json names each"
            }
        }
    }

    fn same(&self) -> String {
        match self.other_row {
            Some(other) => format!("--same {}={other}", self.row),
            None => format!("--same {}={}", self.row, file_number(self.person)),
        }
    }
}

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
    by_words: HashMap<i64, Vec<usize>>,
    by_cui: HashMap<String, Vec<usize>>,
    by_id: HashMap<PersonId, usize>,
    /// By names as written and what is known of the birth.
    by_birth: HashMap<(i64, NaiveDate), Vec<usize>>,
}

/// What was said of a record on file and another, or every one that is asked about.
pub(crate) struct Settled {
    pub(crate) of: Key,
    pub(crate) like: Option<Key>,
    pub(crate) answer: Answer,
}

const APART: &str = "the row and the person named in the answer have neither names nor CUI in common; look at the question again";

/// At most this many questions about one row.
const MOST: usize = 5;

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
        if let Some(date) = candidate.print.birth.date {
            self.by_birth.entry((candidate.print.order, date)).or_default().push(place);
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

type Found = (MunicipalityId, PersonId, i64, i64, Option<String>, Option<NaiveDate>, String, Option<NaiveDate>, MunicipalityId, PersonId);

macro_rules! found {
    ($condition:literal) => {
        concat!(
            ") SELECT p.municipality_id, p.person_id, p.words_hash, p.order_hash, p.cui_hash, p.birth_date, p.birth_precision, p.birth_told_on,
            p.counted_municipality_id, p.counted_person_id FROM asked CROSS JOIN person p WHERE ",
            $condition
        )
    };
}

impl From<Found> for Candidate {
    fn from(row: Found) -> Candidate {
        let birth = Birth::stored(row.5, &row.6, row.7);
        Candidate { key: (row.0, row.1), print: Print { words: row.2, order: row.3, cui: row.4, birth }, counted: (row.8, row.9), row: None }
    }
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
        let near = |place: usize, people: &People| people.all[place].key.0 == municipality;
        let said = answers.same.get(row).and_then(|whom| match place_of(whom, &people) {
            Ok(place) => Some(place),
            Err(line) => {
                problem(line);
                None
            }
        });
        // Whom the row names by number, or meant when it came before; the registrar may know better.
        let own = match (entry.number, people.list.before(index)) {
            (Some(number), _) => people.by_id.get(&number).copied(),
            (None, before) => before.and_then(|before| people.by_id.get(&before.person)).copied().filter(|own| !others.contains(own)),
        };
        let (mut met, mut asks): (Option<usize>, Vec<(usize, Ground, bool)>) = (own.or(said), Vec::new());
        match (own, said) {
            (Some(own), _) if entry.number.is_some() && people.all[own].print.words != print.words => {
                problem("person: this registry number is somebody's with other names; compare both, or empty the cell");
            }
            (Some(own), Some(said)) if own != said => {
                people.settled.push(Settled { of: people.all[own].key, like: Some(people.all[said].key), answer: Answer::Same });
            }
            (None, Some(said)) if !near(said, &people) => {
                problem("a file of another municipality cannot take this row; answer with `vecino registry answer` after the import");
            }
            (None, Some(said)) if people.all[said].print.words != print.words && people.all[said].print.cui != print.cui => problem(APART),
            (None, Some(said)) => people.taken.push((*row, people.all[said].key.1)),
            _ => {}
        }
        if met.is_none() {
            let other = |place: usize| all_others || others.contains(&place);
            let holders = || print.cui.as_ref().and_then(|cui| people.by_cui.get(cui)).into_iter().flatten().copied();
            let born = print.birth.date.and_then(|date| people.by_birth.get(&(print.order, date))).into_iter().flatten().copied();
            for place in holders().chain(born) {
                if judge(print, &people.all[place].print, near(place, &people)) == Verdict::Same {
                    if !other(place) {
                        met = Some(place);
                        break;
                    }
                    asks.push((place, if print.cui.is_some() { Ground::Cui } else { Ground::Names }, true));
                }
            }
            let like = people.by_words.get(&print.words).into_iter().flatten().copied();
            for place in holders().chain(like).take_while(|_| met.is_none()) {
                // The sixth namesake tells no more than the first five; whoever an answer names is always looked for.
                if asks.len() >= MOST && !all_others && others.is_empty() {
                    break;
                }
                if let Verdict::Ask(ground) = judge(print, &people.all[place].print, near(place, &people))
                    && !asks.iter().any(|(asked, ..)| *asked == place)
                {
                    asks.push((place, ground, other(place)));
                }
            }
        }
        if let Some(met) = met {
            let of = people.all[met].key;
            let named = others.iter().filter(|place| **place != met).map(|place| Some(people.all[*place].key));
            let all = all_others.then_some(None);
            let settled: Vec<Settled> = named.chain(all).map(|like| Settled { of, like, answer: Answer::Distinct }).collect();
            people.settled.extend(settled);
        }
        let place = match met {
            Some(place) => place,
            None => {
                let key = (municipality, entry.number.unwrap_or_else(|| mint.id(now)));
                let counted =
                    asks.iter().find(|(_, ground, other)| *ground == Ground::Cui && !other).map_or(key, |(place, ..)| people.counted(*place));
                for (like, ground, other) in &asks {
                    let found = &people.all[*like];
                    let answer = if *other { Answer::Distinct } else { Answer::Open };
                    people.asked.push(Asked { of: key, like: found.key, ground: *ground, answer });
                    if !*other {
                        let (municipality, person) = found.key;
                        let (other_row, birth) = (found.row, found.print.birth);
                        people.doubts.push(Doubt { row: *row, ground: *ground, municipality, person, other_row, birth });
                    }
                }
                let place = people.add(Candidate { key, print: print.clone(), counted, row: Some(*row) });
                people.made.push((index, place));
                place
            }
        };
        people.of_row.push(place);
    }
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
