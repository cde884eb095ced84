//! One row against what stands: home, numbers, consents and enrolments, each written into the plan or asked about.

use super::standing::{Present, Standing, Way};
use super::{NewConsent, NewEnrolment, NewMember, NewWay, Plan};
use crate::clock::show_day;
use crate::error::{Error, Result};
use crate::id::{ContactId, HouseholdId, Mint, PersonId};
use crate::registry::birth::{Birth, Majority};
use crate::registry::consent::{self, Purpose};
use crate::registry::contact::{self, Channel};
use crate::registry::cui::Warning;
use crate::registry::enrolment::{self, Status};
use crate::registry::entry::Entry;
use crate::registry::membership::Relation;
use crate::seal::{Keys, Lookup, short};
use chrono::{DateTime, Utc};
use std::borrow::Cow;

/// One row on its way into the plan.
pub(super) struct Facts<'a, 'e> {
    /// How a number is sealed and found again.
    pub sealing: (&'a Keys, &'a Lookup),
    pub mint: &'a mut Mint,
    pub standing: &'a mut Standing<'e>,
    pub plan: &'a mut Plan<'e>,
    pub now: DateTime<Utc>,
    pub row: u64,
    /// The row came before: only what waits of it is decided anew.
    pub again: bool,
}

impl<'e> Facts<'_, 'e> {
    fn warn(&mut self, line: impl Into<String>) {
        self.plan.warnings.add(&self.row.to_string(), line);
    }

    /// Answers whether something of the row waits for an age.
    pub fn row(&mut self, index: usize, person: PersonId, entry: &'e Entry) -> Result<bool> {
        if entry.person.cui.as_ref().and_then(|cui| cui.warning).is_some_and(|warning| warning != Warning::Practice) && !self.again {
            self.warn("cui: check digit or place do not fit; kept as given, compare it with the card");
        }
        if let Some(home) = self.standing.homes.get(&entry.household).copied().filter(|_| !self.again) {
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
            known => {
                entry.within_life(&known).map_err(|problem| problem.error)?;
                known
            }
        };
        let majority = birth.majority_on(entry.consent_on);
        let mut unsigned = Vec::new();
        // What a guardian signed did not wait, and may have been taken back since.
        let signed = self.again && entry.guardian;
        for purpose in entry.purposes.iter().filter(|_| !signed) {
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
        let waits = self.takes_part(person, entry, majority)? || !unsigned.is_empty();
        if waits {
            let what = if unsigned.is_empty() { "credit".into() } else { format!("the consent to {}", unsigned.join(", ")) };
            let line = format!(
                "birth_date: the age is not known, so {what} waits: write a birth date, a year, an age or 18+, or set guardian to yes if a guardian signed"
            );
            self.plan.waiting.push((self.row, line));
        }
        Ok(waits)
    }

    /// A file names a home, not a move: somebody already recorded there stays as recorded.
    fn lives(&mut self, person: PersonId, home: HouseholdId, entry: &Entry) -> Result<()> {
        match self.standing.present.get_mut(&person) {
            Some(present) if present.home == home => {
                match (present.relation, entry.relation) {
                    (known, told) if known == told || told == Relation::Unknown => {}
                    (Relation::Unknown, told) => {
                        present.relation = told;
                        self.plan.relations.push((person, told));
                    }
                    _ => self.warn("relation: another one is on record in this home, and stays; compare both with the person"),
                }
                return Ok(());
            }
            Some(present) if entry.since <= present.from => {
                let line = format!("since: this person's present home counts from {}; give a later day for the move", show_day(present.from));
                return Err(Error::refused("membership-order", line).with("from", show_day(present.from)));
            }
            Some(_) => self.plan.left.push((person, entry.since)),
            None => {}
        }
        self.standing.present.insert(person, Present { home, from: entry.since, relation: entry.relation });
        self.plan.members.push(NewMember { person, home, relation: entry.relation, from: entry.since });
        self.plan.summary.homes += 1;
        Ok(())
    }

    /// A person's newer number of a channel ends their older one and one of nobody in particular; somebody else's in the home stays.
    fn reached(&mut self, person: PersonId, home: HouseholdId, channel: Channel, entry: &Entry) -> Result<()> {
        let (keys, lookup) = self.sealing;
        let number = entry.phone.as_deref().map(|phone| short(&lookup.of(phone)));
        let ways = self.standing.ways.entry(home).or_default();
        if ways.iter().any(|way| way.channel == Some(channel) && way.number == number) {
            return Ok(());
        }
        if let Some(old) = ways.iter().position(|way| way.channel == Some(channel) && way.person.is_none_or(|owner| owner == person)) {
            let old = ways.remove(old);
            if let Some(new) = old.new {
                // Two numbers of one person in one file: which holds, nobody said.
                ways.push(Way { new: Some(new), ..old });
                self.warn("phone: an earlier row gives this person another number; the earlier one is kept");
                return Ok(());
            }
            self.plan.ended.push((old.id, entry.since));
        }
        let id: ContactId = self.mint.id(self.now);
        let sealed = entry.phone.as_deref().map(|phone| contact::seal_address(keys, lookup, id, phone)).transpose()?;
        ways.push(Way { id, person: Some(person), channel: Some(channel), number, new: Some(self.plan.ways.len()) });
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
                let line =
                    format!("phone: the same number reaches the home «{code}» too, and it would get the messages of both; {risk}: ask whose it is");
                self.plan.warnings.add(&self.row.to_string(), line);
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
            known.reserve_exact(1);
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
