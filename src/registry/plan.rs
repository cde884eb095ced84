//! What a file or a form would change, decided whole: people, homes, contacts, consents and enrolments, with the questions it leaves.
//! Deciding reads and seals but writes nothing, so that the writer is held only for the rows themselves (`write`).

mod facts;
mod standing;

use super::candidate::News;
use super::consent::Purpose;
use super::contact::{self, Channel};
use super::enrolment::{Module, Status};
use super::entry::Entry;
use super::identify::{Answers, Doubt, People, Source, identify};
use super::import::{Summary, refused};
use super::likeness::Ground;
use super::list::Noted;
use super::membership::Relation;
use super::person::{Language, Sealed, Sealer};
use crate::clock::local_day;
use crate::db::Tx;
use crate::error::Result;
use crate::id::{ConsentId, ContactId, EnrolmentId, HouseholdId, Mint, MunicipalityId, PersonId};
use crate::seal::Keys;
use crate::sheet::problems::Problems;
use chrono::{DateTime, NaiveDate, Utc};
use facts::Facts;
use standing::{Standing, homes};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

pub(super) struct NewMember {
    pub(super) person: PersonId,
    pub(super) home: HouseholdId,
    pub(super) relation: Relation,
    pub(super) from: NaiveDate,
}

pub(super) struct NewWay {
    pub(super) id: ContactId,
    pub(super) home: HouseholdId,
    pub(super) person: PersonId,
    pub(super) channel: Channel,
    pub(super) sealed: Option<(String, String)>,
    pub(super) language: Language,
    pub(super) from: NaiveDate,
}

pub(super) struct NewConsent {
    pub(super) id: ConsentId,
    pub(super) person: Option<PersonId>,
    pub(super) home: Option<HouseholdId>,
    pub(super) purpose: Purpose,
    pub(super) on: NaiveDate,
    pub(super) language: Language,
    pub(super) by_guardian: bool,
}

pub(super) struct NewEnrolment<'a> {
    pub(super) module: &'static Module,
    pub(super) id: EnrolmentId,
    pub(super) person: PersonId,
    pub(super) status: Status,
    pub(super) from: NaiveDate,
    pub(super) details: &'a [String; 3],
}

/// Everything that will be written, in the order of its tables.
pub(super) struct Plan<'a> {
    pub(super) summary: Summary,
    pub(super) people: Vec<Sealed>,
    pub(super) who: People,
    /// Rows as they will be known when their list comes again.
    pub(super) noted: Vec<Noted>,
    /// What was told of people on record and nobody knew.
    pub(super) news: Vec<News>,
    /// Homes left: the person, and the day on which the next home begins.
    pub(super) left: Vec<(PersonId, NaiveDate)>,
    pub(super) members: Vec<NewMember>,
    /// What people are in the homes they live in, where nobody knew.
    pub(super) relations: Vec<(PersonId, Relation)>,
    /// Contacts replaced by a newer one of the same person and channel.
    pub(super) ended: Vec<(ContactId, NaiveDate)>,
    pub(super) ways: Vec<NewWay>,
    pub(super) consents: Vec<NewConsent>,
    pub(super) enrolments: Vec<NewEnrolment<'a>>,
    /// What the registrar should look at; nothing was refused for it.
    warnings: Problems,
    /// Rows of which something waits for an age, and what.
    waiting: Vec<(u64, String)>,
}

impl Plan<'_> {
    pub(super) fn doubts(&self) -> &[Doubt] {
        &self.who.doubts
    }

    /// Whom the first row speaks of.
    pub(super) fn person(&self) -> PersonId {
        self.who.all[self.who.of_row[0]].key.1
    }

    /// What a form asks: every doubt, or whether the one on record who is the same is meant at all.
    pub(super) fn asked(&self) -> Vec<Doubt> {
        if self.people.is_empty() { vec![self.who.met(0)] } else { self.who.doubts.clone() }
    }
}

/// Decides for all rows, or refuses with every problem.
#[expect(clippy::too_many_arguments, reason = "the rows, where they go, what was said of them")]
pub(super) async fn decide<'a>(
    tx: &mut Tx,
    keys: &Keys,
    mint: &mut Mint,
    municipality: MunicipalityId,
    source: &Source<'_>,
    entries: &'a [(u64, Entry)],
    answers: &Answers,
    now: DateTime<Utc>,
) -> Result<Plan<'a>> {
    let today = local_day(now);
    let mut standing = Standing { homes: homes(tx, municipality, entries).await?, ..Standing::default() };
    let mut lines = Problems::default();
    for (row, _) in entries.iter().filter(|(_, entry)| !entry.household.is_empty() && !standing.homes.contains_key(&entry.household)) {
        let line = format!("household: there is no home with this code in {municipality}; import the home first or mend the code");
        lines.add(&row.to_string(), line);
    }
    let who = identify(tx, keys, mint, municipality, source, entries, answers, now, &mut lines).await?;
    if !lines.is_empty() {
        return Err(refused(told(source.name, &lines)));
    }
    let lookup = contact::address_lookup(keys);
    standing.look_up(tx, municipality, &lookup, entries, &who, today).await?;
    let mut plan = Plan {
        summary: Summary { rows: entries.len(), ..Summary::default() },
        people: Vec::with_capacity(who.made.len()),
        noted: Vec::new(),
        news: Vec::new(),
        left: Vec::new(),
        members: Vec::new(),
        relations: Vec::new(),
        ended: Vec::new(),
        ways: Vec::new(),
        consents: Vec::new(),
        enrolments: Vec::new(),
        warnings: Problems::default(),
        waiting: Vec::new(),
        who,
    };
    let sealer = Sealer::new(keys);
    for (index, place) in &plan.who.made {
        let (first, known) = (&entries[*index].1.person, &plan.who.all[*place]);
        let told = (!known.told().is_empty()).then(|| known.whole(first, entries));
        let sealed = sealer.seal(municipality, known.key.1, told.as_ref().unwrap_or(first), now)?;
        plan.people.push(sealed.counted_as(plan.who.counted(*place)));
    }
    plan.summary.new_people = plan.people.len();
    plan.summary.known_people = entries.len() - plan.people.len();
    for known in plan.who.all.iter().filter(|known| known.row.is_none() && !known.told().is_empty()) {
        plan.news.push(known.news(&sealer, entries)?);
    }
    plan.summary.told = plan.news.len();
    for (row, line) in &plan.who.otherwise {
        plan.warnings.add(&row.to_string(), *line);
    }
    for (index, (row, entry)) in entries.iter().enumerate() {
        let person = plan.who.all[plan.who.of_row[index]].key.1;
        // What a row said when it came before is on record, with all that changed since: a move, a consent taken back.
        let before = plan.who.before(index);
        if before == Some(false) {
            plan.summary.as_before += 1;
            continue;
        }
        let mut facts =
            Facts { sealing: (keys, &lookup), mint: &mut *mint, standing: &mut standing, plan: &mut plan, now, row: *row, again: before.is_some() };
        let waits = match facts.row(index, person, entry) {
            Ok(waits) => waits,
            Err(error) if source.hash.is_none() => return Err(error),
            Err(error) => {
                for line in error.lines {
                    lines.add(&row.to_string(), line);
                }
                continue;
            }
        };
        let noted = plan.who.list.note(index, person, waits);
        plan.noted.extend(noted);
    }
    if !lines.is_empty() {
        return Err(refused(told(source.name, &lines)));
    }
    plan.summary.warnings = told(source.name, &plan.warnings);
    let of_doubt = |doubt: &Doubt| (doubt.row, doubt.line(municipality, today), Cow::Borrowed(doubt.kind(municipality)));
    let of_age = |(row, line): (u64, String)| (row, line.clone(), Cow::Owned(line));
    let mut questions: Vec<Question> =
        plan.who.doubts.iter().map(of_doubt).chain(std::mem::take(&mut plan.waiting).into_iter().map(of_age)).collect();
    questions.sort_by_key(|(row, ..)| *row);
    plan.summary.asked = asked(source.name, &questions);
    plan.summary.questions = questions.into_iter().map(|(row, line, _)| format!("{}:{row}: question: {line}", source.name)).collect();
    plan.summary.counted_once = plan.who.doubts.iter().filter(|doubt| matches!(doubt.ground, Ground::Cui | Ground::Birth)).count();
    Ok(plan)
}

/// One line a problem and column, with its first rows and its count.
fn told(file: &str, lines: &Problems) -> Vec<String> {
    lines.lines(&format!("{file}:"), ": ")
}

/// A row, what is asked of it, and what of all rows of its kind.
type Question<'q> = (u64, String, Cow<'q, str>);

/// Questions of one kind that are asked one by one before they are asked together.
const ONE_BY_ONE: usize = 3;

fn asked(file: &str, questions: &[Question<'_>]) -> Vec<String> {
    let mut many: HashMap<&str, usize> = HashMap::new();
    for (_, _, kind) in questions {
        *many.entry(kind).or_default() += 1;
    }
    let mut lines = Problems::default();
    for (row, line, kind) in questions {
        if line != kind && many.get(kind.as_ref()).is_some_and(|many| *many <= ONE_BY_ONE) {
            lines.push(format!("{file}:{row}: question: {line}"));
        } else {
            lines.add(&row.to_string(), format!("question: {kind}"));
        }
    }
    told(file, &lines)
}

/// How many of each kind the plan holds: for the audit chain.
pub(super) fn counts(plan: &Plan<'_>) -> BTreeMap<&'static str, usize> {
    BTreeMap::from([
        ("rows", plan.summary.rows),
        ("new_people", plan.people.len()),
        ("told", plan.news.len()),
        ("homes", plan.members.len()),
        ("contacts", plan.ways.len()),
        ("consents", plan.consents.len()),
        ("enrolments", plan.enrolments.len()),
        ("questions", plan.who.asked.len()),
    ])
}
