//! What a file or a form would change, decided whole: people, homes, contacts, consents and enrolments, with the questions it leaves.
//! Deciding reads and seals but writes nothing, so that the writer is held only for the rows themselves (`write`).

mod facts;
mod standing;

use super::birth::{Birth, Precision};
use super::consent::Purpose;
use super::contact::{self, Channel};
use super::enrolment::{Module, Status};
use super::entry::Entry;
use super::identify::{Answers, Doubt, People, Source, identify};
use super::import::Summary;
use super::likeness::Ground;
use super::membership::Relation;
use super::person::{Language, Sealed, Sealer};
use crate::clock::local_day;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{ConsentId, ContactId, EnrolmentId, HouseholdId, Mint, MunicipalityId, PersonId};
use crate::seal::Keys;
use chrono::{DateTime, NaiveDate, Utc};
use facts::Facts;
use standing::{Standing, homes};
use std::collections::{BTreeMap, HashSet};

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
    pub(super) sources: Vec<(u64, PersonId)>,
    /// Birth dates told of people whose age was not known.
    pub(super) births: Vec<(PersonId, Birth)>,
    /// Homes left: the person, and the day on which the next home begins.
    pub(super) left: Vec<(PersonId, NaiveDate)>,
    pub(super) members: Vec<NewMember>,
    /// Contacts replaced by a newer one of the same person and channel.
    pub(super) ended: Vec<(ContactId, NaiveDate)>,
    pub(super) ways: Vec<NewWay>,
    pub(super) consents: Vec<NewConsent>,
    pub(super) enrolments: Vec<NewEnrolment<'a>>,
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
    let mut lines: Vec<String> = entries
        .iter()
        .filter(|(_, entry)| !entry.household.is_empty() && !standing.homes.contains_key(&entry.household))
        .map(|(row, _)| {
            format!("{}:{row}: household: there is no home with this code in {municipality}; import the home first or mend the code", source.name)
        })
        .collect();
    let (who, more) = identify(tx, keys, mint, municipality, source, entries, answers, now).await?;
    lines.extend(more);
    if !lines.is_empty() {
        return Err(super::import::refused(lines));
    }
    let lookup = contact::address_lookup(keys);
    standing.look_up(tx, municipality, &lookup, entries, &who, today).await?;
    let mut plan = Plan {
        summary: Summary { rows: entries.len(), ..Summary::default() },
        people: Vec::with_capacity(who.made.len()),
        sources: Vec::new(),
        births: Vec::new(),
        left: Vec::new(),
        members: Vec::new(),
        ended: Vec::new(),
        ways: Vec::new(),
        consents: Vec::new(),
        enrolments: Vec::new(),
        who,
    };
    let sealer = Sealer::new(keys);
    for (index, place) in &plan.who.made {
        let person = &entries[*index].1.person;
        let sealed = sealer.seal(municipality, plan.who.all[*place].key.1, person, now)?;
        plan.people.push(sealed.counted_as(plan.who.counted(*place)));
    }
    plan.summary.new_people = plan.people.len();
    plan.summary.known_people = entries.len() - plan.people.len();
    let mut told: HashSet<PersonId> = HashSet::new();
    for (index, (row, entry)) in entries.iter().enumerate() {
        let person = plan.who.all[plan.who.of_row[index]].key.1;
        let known = plan.who.all[plan.who.of_row[index]].row.is_none();
        let mut facts =
            Facts { sealing: (keys, &lookup), mint: &mut *mint, standing: &mut standing, plan: &mut plan, now, file: source.name, row: *row };
        if known && facts.birth_unknown(index) && entry.person.birth != Birth::UNKNOWN && told.insert(person) {
            facts.plan.births.push((person, entry.person.birth));
        }
        let problem = facts.row(index, person, entry).err();
        if let (Some(error), None) = (&problem, &source.hash) {
            return Err(Error { lines: error.lines.clone(), arguments: error.arguments.clone(), context: None, ..*error });
        }
        lines.extend(problem.into_iter().flat_map(|error| error.lines).map(|line| format!("{}:{row}: {line}", source.name)));
        if plan.who.doubted.contains(&index) || (entry.person.cui.is_none() && entry.number.is_none() && !known_by_birth(entry)) {
            plan.sources.push((*row, person));
        }
    }
    if !lines.is_empty() {
        return Err(super::import::refused(lines));
    }
    let mut questions: Vec<(u64, String)> = plan.who.doubts.iter().map(|doubt| (doubt.row, doubt.line(source.name, municipality, today))).collect();
    questions.append(&mut plan.summary.asked_age);
    questions.sort_by_key(|(row, _)| *row);
    plan.summary.questions = questions.into_iter().map(|(_, line)| line).collect();
    plan.summary.counted_once = plan.who.doubts.iter().filter(|doubt| doubt.ground == Ground::Cui).count();
    Ok(plan)
}

fn known_by_birth(entry: &Entry) -> bool {
    entry.person.birth.precision == Precision::Day
}

/// How many of each kind the plan holds: for the audit chain.
pub(super) fn counts(plan: &Plan<'_>) -> BTreeMap<&'static str, usize> {
    BTreeMap::from([
        ("rows", plan.summary.rows),
        ("new_people", plan.people.len()),
        ("homes", plan.members.len()),
        ("contacts", plan.ways.len()),
        ("consents", plan.consents.len()),
        ("enrolments", plan.enrolments.len()),
        ("questions", plan.who.asked.len()),
    ])
}
