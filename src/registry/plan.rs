//! What a file or a form would change, decided whole: people, homes, contacts, consents and enrolments, with the questions it leaves.
//! Deciding reads and seals but writes nothing, so that the writer is held only for the rows themselves (`write`).

use super::birth::{Birth, Majority};
use super::consent::{self, Purpose};
use super::contact::{self, Channel};
use super::enrolment::{self, Module, Status};
use super::entry::Entry;
use super::identify::{Answers, Doubt, People, Source, identify};
use super::import::Summary;
use super::likeness::Ground;
use super::membership::Relation;
use super::person::{Language, Sealed, Sealer};
use crate::among;
use crate::clock::{local_day, show_day};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{ConsentId, ContactId, EnrolmentId, HouseholdId, Mint, MunicipalityId, PersonId, SegmentId};
use crate::seal::{Keys, Lookup};
use crate::territory::dated::in_force;
use crate::territory::household;
use chrono::{DateTime, NaiveDate, Utc};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

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

struct Present {
    home: HouseholdId,
    from: NaiveDate,
}

/// A contact that holds, on record or of an earlier row.
struct Way {
    id: ContactId,
    person: Option<PersonId>,
    channel: String,
    number: Option<u64>,
    /// Its place among the plan's new ones.
    new: Option<usize>,
}

/// What stands about the people and homes of the rows.
#[derive(Default)]
struct Standing<'a> {
    homes: HashMap<String, HouseholdId>,
    present: HashMap<PersonId, Present>,
    ways: HashMap<HouseholdId, Vec<Way>>,
    home_consents: HashSet<(HouseholdId, &'static str)>,
    consents: HashSet<(PersonId, &'static str)>,
    enrolments: HashMap<(PersonId, &'static str), Vec<Cow<'a, [String; 3]>>>,
    /// Homes where a number stands.
    numbers: HashMap<u64, Vec<HouseholdId>>,
    segments: HashMap<HouseholdId, SegmentId>,
    codes: HashMap<HouseholdId, String>,
}

/// The first 64 bits of a number's keyed hash: enough to tell the numbers of one file apart, at an eighth of the memory.
fn short(hash: &str) -> u64 {
    u64::from_str_radix(hash.get(..16).unwrap_or_default(), 16).unwrap_or_default()
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
    entry.person.birth.precision == super::birth::Precision::Day
}

/// The homes that the rows name, by the code as it is written there, in any spelling.
async fn homes(tx: &mut Tx, municipality: MunicipalityId, entries: &[(u64, Entry)]) -> Result<HashMap<String, HouseholdId>> {
    let written: BTreeSet<&str> = entries.iter().map(|(_, entry)| entry.household.as_str()).filter(|code| !code.is_empty()).collect();
    let asked: BTreeSet<String> = written.iter().flat_map(|code| household::spellings(code)).collect();
    let asked: Vec<String> = asked.into_iter().collect();
    let found: Vec<(String, HouseholdId)> = among!(
        tx,
        "WITH asked (municipality_id, code) AS (",
        asked,
        |code| [municipality, code.clone()],
        ") SELECT h.code, h.household_id FROM asked CROSS JOIN household h WHERE h.municipality_id = asked.municipality_id AND h.code = asked.code"
    )?;
    let stored: HashMap<String, HouseholdId> = found.into_iter().collect();
    let home = |code: &str| household::spellings(code).iter().find_map(|spelled| stored.get(spelled).copied());
    Ok(written.into_iter().filter_map(|code| Some((code.to_owned(), home(code)?))).collect())
}

impl Standing<'_> {
    async fn look_up(
        &mut self,
        tx: &mut Tx,
        municipality: MunicipalityId,
        lookup: &Lookup,
        entries: &[(u64, Entry)],
        who: &People,
        today: NaiveDate,
    ) -> Result<()> {
        let known: BTreeSet<PersonId> =
            who.of_row.iter().map(|place| &who.all[*place]).filter(|someone| someone.row.is_none()).map(|someone| someone.key.1).collect();
        let known: Vec<PersonId> = known.into_iter().collect();
        let homes: BTreeSet<HouseholdId> = entries.iter().filter_map(|(_, entry)| self.homes.get(&entry.household)).copied().collect();
        let mut homes: Vec<HouseholdId> = homes.into_iter().collect();
        let present: Vec<(PersonId, HouseholdId, NaiveDate)> = among!(
            tx,
            "WITH asked (municipality_id, person_id) AS (",
            known,
            |person| [municipality, *person],
            ") SELECT m.person_id, m.household_id, m.valid_from FROM asked CROSS JOIN household_member m
               WHERE m.municipality_id = asked.municipality_id AND m.person_id = asked.person_id AND m.valid_to IS NULL"
        )?;
        self.present = present.into_iter().map(|(person, home, from)| (person, Present { home, from })).collect();
        let given: Vec<(PersonId, String)> = among!(
            tx,
            "WITH asked (municipality_id, person_id) AS (",
            known,
            |person| [municipality, *person],
            ") SELECT c.person_id, c.purpose FROM asked CROSS JOIN consent c
               WHERE c.municipality_id = asked.municipality_id AND c.person_id = asked.person_id AND c.withdrawn_at IS NULL"
        )?;
        self.consents = given.into_iter().filter_map(|(person, purpose)| Some((person, Purpose::parse(&purpose)?.name()))).collect();
        macro_rules! enrolled {
            ($module:expr, $table:literal, $a:literal, $b:literal, $c:literal) => {
                let found: Vec<(PersonId, String, String, String)> = among!(
                    tx,
                    "WITH asked (municipality_id, person_id) AS (",
                    known,
                    |person| [municipality, *person],
                    concat!(
                        ") SELECT e.person_id, ",
                        $a,
                        ", ",
                        $b,
                        ", ",
                        $c,
                        " FROM asked CROSS JOIN ",
                        $table,
                        " e WHERE e.municipality_id = asked.municipality_id AND e.person_id = asked.person_id"
                    )
                )?;
                for (person, a, b, c) in found {
                    self.enrolments.entry((person, $module)).or_default().push(Cow::Owned([a, b, c]));
                }
            };
        }
        enrolled!("waste", "waste_enrolment", "e.service", "''", "''");
        enrolled!("finance", "finance_enrolment", "e.service", "e.partner", "''");
        enrolled!("school", "school_enrolment", "e.school", "e.grade", "CAST(e.school_year AS TEXT)");
        enrolled!("gender", "gender_enrolment", "e.activity", "''", "''");
        let given: Vec<(HouseholdId, String)> = among!(
            tx,
            "WITH asked (municipality_id, household_id) AS (",
            homes,
            |home| [municipality, *home],
            ") SELECT c.household_id, c.purpose FROM asked CROSS JOIN consent c
               WHERE c.municipality_id = asked.municipality_id AND c.household_id = asked.household_id AND c.withdrawn_at IS NULL"
        )?;
        self.home_consents = given.into_iter().filter_map(|(home, purpose)| Some((home, Purpose::parse(&purpose)?.name()))).collect();
        type Held = (HouseholdId, ContactId, Option<PersonId>, String, Option<String>);
        let held: Vec<Held> = among!(
            tx,
            "WITH asked (municipality_id, household_id) AS (",
            homes,
            |home| [municipality, *home],
            ") SELECT c.household_id, c.contact_id, c.person_id, c.channel, c.address_hash FROM asked CROSS JOIN contact c
               WHERE c.municipality_id = asked.municipality_id AND c.household_id = asked.household_id AND c.valid_to IS NULL"
        )?;
        for (home, id, person, channel, hash) in held {
            self.ways.entry(home).or_default().push(Way { id, person, channel, number: hash.as_deref().map(short), new: None });
        }
        let numbers: BTreeSet<String> = entries.iter().filter_map(|(_, entry)| entry.phone.as_deref()).map(|phone| lookup.of(phone)).collect();
        let numbers: Vec<String> = numbers.into_iter().collect();
        let shared: Vec<(String, HouseholdId)> = among!(
            tx,
            "WITH asked (municipality_id, address_hash) AS (",
            numbers,
            |number| [municipality, number.as_str()],
            ") SELECT c.address_hash, c.household_id FROM asked CROSS JOIN contact c
               WHERE c.municipality_id = asked.municipality_id AND c.address_hash = asked.address_hash AND c.valid_to IS NULL"
        )?;
        for (hash, home) in shared {
            homes.push(home);
            self.numbers.entry(short(&hash)).or_default().push(home);
        }
        homes.sort_unstable();
        homes.dedup();
        // Two homes of one segment are of one arm; those of two may not be.
        let placed: Vec<(HouseholdId, String, Option<SegmentId>)> = among!(
            tx,
            "WITH asked (municipality_id, household_id, today) AS (",
            homes,
            |home| [municipality, *home, today],
            concat!(
                ") SELECT h.household_id, h.code, v.segment_id FROM asked CROSS JOIN household h
                   LEFT JOIN household_version v ON v.municipality_id = h.municipality_id AND v.household_id = h.household_id AND ",
                in_force!("v", "asked.today"),
                " WHERE h.municipality_id = asked.municipality_id AND h.household_id = asked.household_id"
            )
        )?;
        for (home, code, segment) in placed {
            self.codes.insert(home, code);
            self.segments.extend(segment.map(|segment| (home, segment)));
        }
        Ok(())
    }
}

/// One row on its way into the plan.
struct Facts<'a, 'e> {
    /// How a number is sealed and found again.
    sealing: (&'a Keys, &'a Lookup),
    mint: &'a mut Mint,
    standing: &'a mut Standing<'e>,
    plan: &'a mut Plan<'e>,
    now: DateTime<Utc>,
    file: &'a str,
    row: u64,
}

impl<'e> Facts<'_, 'e> {
    fn birth_unknown(&self, index: usize) -> bool {
        self.plan.who.birth(index) == Birth::UNKNOWN
    }

    fn row(&mut self, index: usize, person: PersonId, entry: &'e Entry) -> Result<()> {
        if let Some(warning) = entry.person.cui.as_ref().and_then(|cui| cui.warning)
            && warning != super::cui::Warning::Practice
        {
            let line = format!("{}:{}: cui: check digit or place do not fit; kept as given, compare it with the card", self.file, self.row);
            self.plan.summary.warnings.push(line);
        }
        if let Some(home) = self.standing.homes.get(&entry.household).copied() {
            self.lives(person, home, entry)?;
            if let Some(channel) = entry.channel {
                self.reached(person, home, channel, entry)?;
            }
            if entry.consent_messages && self.standing.home_consents.insert((home, Purpose::Messages.name())) {
                self.agreed(None, Some(home), Purpose::Messages, entry);
            }
        }
        // What is on record of them counts as much as what the row tells.
        let birth = match self.plan.who.birth(index) {
            Birth::UNKNOWN => entry.person.birth,
            known => known,
        };
        let majority = birth.majority_on(entry.consent_on);
        let mut unsigned = Vec::new();
        for purpose in &entry.purposes {
            if self.standing.consents.contains(&(person, purpose.name())) {
                continue;
            }
            match consent::signed(majority, entry.guardian) {
                Ok(()) => {
                    self.standing.consents.insert((person, purpose.name()));
                    self.agreed(Some(person), None, *purpose, entry);
                }
                Err(_) if majority == Majority::Unknown => unsigned.push(purpose.name()),
                Err(error) => return Err(Error { lines: error.lines.iter().map(|line| format!("guardian: {line}")).collect(), ..error }),
            }
        }
        let waiting = self.takes_part(person, entry, majority)?;
        if !unsigned.is_empty() || waiting {
            let what = if unsigned.is_empty() { "credit".into() } else { format!("the consent to {}", unsigned.join(", ")) };
            let line = format!(
                "{}:{}: question: birth_date: the age is not known, so {what} waits: write a birth date, a year, an age or 18+, or set guardian to yes if a guardian signed",
                self.file, self.row
            );
            self.plan.summary.asked_age.push((self.row, line));
        }
        Ok(())
    }

    /// A file names a home, not a move: somebody already recorded there stays as recorded.
    fn lives(&mut self, person: PersonId, home: HouseholdId, entry: &Entry) -> Result<()> {
        match self.standing.present.get(&person) {
            Some(present) if present.home == home => return Ok(()),
            Some(present) if entry.since <= present.from => {
                let line = format!("since: this person's present home counts from {}; give a later day for the move", show_day(present.from));
                return Err(Error::refused("membership-order", line).with("from", show_day(present.from)));
            }
            Some(_) => self.plan.left.push((person, entry.since)),
            None => {}
        }
        self.standing.present.insert(person, Present { home, from: entry.since });
        self.plan.members.push(NewMember { person, home, relation: entry.relation, from: entry.since });
        self.plan.summary.homes += 1;
        Ok(())
    }

    /// A person's newer number of a channel ends their older one and one of nobody in particular; somebody else's in the home stays.
    fn reached(&mut self, person: PersonId, home: HouseholdId, channel: Channel, entry: &Entry) -> Result<()> {
        let (keys, lookup) = self.sealing;
        let number = entry.phone.as_deref().map(|phone| short(&lookup.of(phone)));
        let ways = self.standing.ways.entry(home).or_default();
        if ways.iter().any(|way| way.channel == channel.name() && way.number == number) {
            return Ok(());
        }
        if let Some(old) = ways.iter().position(|way| way.channel == channel.name() && way.person.is_none_or(|owner| owner == person)) {
            let old = ways.remove(old);
            if let Some(new) = old.new {
                // Two numbers of one person in one file: which holds, nobody said.
                let line = format!("{}:{}: phone: an earlier row gives this person another number; the earlier one is kept", self.file, self.row);
                self.plan.summary.warnings.push(line);
                ways.push(Way { new: Some(new), ..old });
                return Ok(());
            }
            self.plan.ended.push((old.id, entry.since));
        }
        let id: ContactId = self.mint.id(self.now);
        let sealed = entry.phone.as_deref().map(|phone| contact::seal_address(keys, lookup, id, phone)).transpose()?;
        ways.push(Way { id, person: Some(person), channel: channel.name().into(), number, new: Some(self.plan.ways.len()) });
        self.plan.ways.push(NewWay { id, home, person, channel, sealed, language: entry.person.language, from: entry.since });
        self.plan.summary.contacts += 1;
        if let Some(number) = number {
            let standing = &mut *self.standing;
            let elsewhere = standing.numbers.entry(number).or_default();
            if let Some(other) = elsewhere.iter().find(|other| **other != home) {
                let code = standing.codes.get(other).cloned().unwrap_or_default();
                let risk = match (standing.segments.get(other), standing.segments.get(&home)) {
                    (Some(one), Some(two)) if one == two => "they stand in one segment",
                    (Some(_), Some(_)) => "they stand in two segments, which the draw may put in two arms",
                    _ => "not both stand in a segment yet",
                };
                self.plan.summary.warnings.push(format!(
                    "{}:{}: phone: the same number reaches the home {code} too, and it would get the messages of both; {risk}: ask whose it is",
                    self.file, self.row
                ));
                self.plan.summary.shared_numbers += 1;
            }
            if !elsewhere.contains(&home) {
                elsewhere.push(home);
            }
        }
        Ok(())
    }

    fn agreed(&mut self, person: Option<PersonId>, home: Option<HouseholdId>, purpose: Purpose, entry: &Entry) {
        let (id, by_guardian) = (self.mint.id(self.now), entry.guardian && person.is_some());
        self.plan.consents.push(NewConsent { id, person, home, purpose, on: entry.consent_on, language: entry.person.language, by_guardian });
        self.plan.summary.consents += 1;
    }

    /// Enrols, or proposes where the consent is missing. Answers whether credit waits for an age.
    fn takes_part(&mut self, person: PersonId, entry: &'e Entry, majority: Majority) -> Result<bool> {
        let mut waits = false;
        for (name, details) in &entry.enrolments {
            let Some(module) = enrolment::module(name) else { continue };
            let known = self.standing.enrolments.entry((person, module.name)).or_default();
            if known.iter().any(|old| **old == *details) {
                continue;
            }
            match module.admits_details(details, majority) {
                Err(error) if error.code == "finance-age" => {
                    waits = true;
                    continue;
                }
                refused => refused?,
            }
            known.push(Cow::Borrowed(details));
            let stands = module.purpose.is_none_or(|purpose| self.standing.consents.contains(&(person, purpose.name())));
            let status = if stands { Status::Enrolled } else { Status::Candidate };
            match status {
                Status::Enrolled => self.plan.summary.enrolled += 1,
                _ => self.plan.summary.candidates += 1,
            }
            let id = self.mint.id(self.now);
            self.plan.enrolments.push(NewEnrolment { module, id, person, status, from: entry.consent_on, details });
        }
        Ok(waits)
    }
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
