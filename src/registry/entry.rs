//! One person as typed into the form or written in a row of a file: the same reading and the same refusals for both.
//! No refusal repeats what was typed, so that no name ends in a log.

use super::consent::Purpose;
use super::contact::{Channel, phone};
use super::cui::Cui;
use super::enrolment;
use super::membership::Relation;
use super::person::{Birth, Language, MigrationStatus, NewPerson, Precision, Sex};
use super::{names, school};
use crate::error::{Error, Result};
use crate::id::PersonId;
use crate::territory::household;
use chrono::{Datelike, NaiveDate};
use std::collections::BTreeSet;

/// Columns of a file, in the order an export writes them. Only the first two are needed.
pub const COLUMNS: [&str; 24] = [
    "given_names",
    "surnames",
    "cui",
    "sex",
    "birth_date",
    "language",
    "migration_status",
    "household",
    "relation",
    "since",
    "phone",
    "channel",
    "consent_messages",
    "consents",
    "consent_on",
    "guardian",
    "waste",
    "finance",
    "finance_partner",
    "school",
    "grade",
    "school_year",
    "gender",
    "person",
];

pub struct Problem {
    pub field: &'static str,
    pub error: Error,
}

#[derive(Clone)]
pub struct Entry {
    /// The registry number of a file on record, as an export writes it.
    pub number: Option<PersonId>,
    pub person: NewPerson,
    /// The language is told, and not the one that stands where nobody says.
    pub says_language: bool,
    /// Code of the home, in capitals; empty when not known.
    pub household: String,
    pub relation: Relation,
    pub since: NaiveDate,
    pub phone: Option<String>,
    /// How the home is reached: by the phone given, or on paper.
    pub channel: Option<Channel>,
    pub consent_messages: bool,
    pub purposes: Vec<Purpose>,
    pub consent_on: NaiveDate,
    pub guardian: bool,
    pub enrolments: Vec<(&'static str, [String; 3])>,
}

impl Entry {
    /// Refuses a home or a consent of somebody who was not yet born.
    pub(super) fn within_life(&self, birth: &Birth) -> Result<(), Problem> {
        [("since", self.since), ("consent_on", self.consent_on)]
            .into_iter()
            .try_for_each(|(field, day)| within_life(field, day, birth).map_err(|error| Problem { field, error }))
    }
}

/// Refuses a day on which nobody with this birth was born yet.
pub(super) fn within_life(field: &str, day: NaiveDate, birth: &Birth) -> Result<()> {
    match birth.between() {
        Some((born, _)) if day < born => {
            Err(Error::refused("day-before-birth", format!("{field}: this day is before the person was born; mend it, or the birth date")))
        }
        _ => Ok(()),
    }
}

/// What a row says, field by field, the same on whatever day it is read: what counts from the day of reading stays as it was written.
pub(super) fn said<'a>(entry: &Entry, get: impl Fn(&str) -> &'a str) -> String {
    let Entry { number, person, household, relation, phone, channel, consent_messages, purposes, guardian, enrolments, .. } = entry;
    let mut out = String::with_capacity(120);
    let mut say = |text: &str| {
        out.push_str(&text.len().to_string());
        out.push(':');
        out.push_str(text);
    };
    say(&person.given_names);
    say(&person.surnames);
    say(person.cui.as_ref().map_or("", Cui::digits));
    say(person.sex.name());
    say(person.language.name());
    say(person.migration_status.name());
    say(household);
    say(relation.name());
    say(phone.as_deref().unwrap_or_default());
    say(channel.map_or("", Channel::name));
    for yes in [consent_messages, guardian] {
        say(if *yes { "yes" } else { "" });
    }
    for written in ["birth_date", "since", "consent_on"] {
        say(get(written).trim());
    }
    say(&number.map(|number| number.to_string()).unwrap_or_default());
    let purposes: BTreeSet<&str> = purposes.iter().map(|purpose| purpose.name()).collect();
    say(&purposes.into_iter().collect::<Vec<&str>>().join(" "));
    for (module, [what, of, _]) in enrolments {
        say(module);
        say(what);
        say(of);
        say(if *module == "school" { get("school_year").trim() } else { "" });
    }
    out
}

/// Reads every field; answers all problems at once.
pub fn read<'a>(get: impl Fn(&str) -> &'a str, today: NaiveDate) -> Result<Entry, Vec<Problem>> {
    let mut problems = Vec::new();
    let unstorable: Vec<&'static str> = COLUMNS.into_iter().filter(|field| get(field).contains('\0')).collect();
    let name = |field: &'static str, problems: &mut Vec<Problem>| {
        let text = names::kept(get(field));
        if names::fold(&text).is_empty() || text.chars().count() > 120 {
            let line = format!("{field}: write at least one word, at most 120 characters");
            problems.push(Problem { field, error: Error::refused("person-name", line) });
        }
        text
    };
    let given_names = name("given_names", &mut problems);
    let surnames = name("surnames", &mut problems);
    let cui = match get("cui").trim() {
        "" => None,
        text => Cui::read(text).map_err(|error| problems.push(Problem { field: "cui", error })).ok(),
    };
    let birth = Birth::read(get("birth_date"), today).unwrap_or_else(|error| {
        problems.push(Problem { field: "birth_date", error });
        Birth::UNKNOWN
    });
    let sex = word("sex", get("sex"), Sex::Unknown, Sex::parse, &list(Sex::ALL, Sex::name), &mut problems);
    let language = word("language", get("language"), Language::Spanish, Language::parse, &list(Language::ALL, Language::name), &mut problems);
    let migration_status = word(
        "migration_status",
        get("migration_status"),
        MigrationStatus::Unknown,
        MigrationStatus::parse,
        &list(MigrationStatus::ALL, MigrationStatus::name),
        &mut problems,
    );
    let relation = word("relation", get("relation"), Relation::Unknown, Relation::parse, &list(Relation::ALL, Relation::name), &mut problems);
    let since = date("since", get("since"), today, &mut problems);
    let consent_on = date("consent_on", get("consent_on"), today, &mut problems);
    let phone = match get("phone").trim() {
        "" => None,
        text => phone(text).map_err(|error| problems.push(Problem { field: "phone", error })).ok(),
    };
    let mut channel = match get("channel").trim() {
        "" => phone.as_ref().map(|_| Channel::Sms),
        text => Some(word("channel", text, Channel::Sms, Channel::parse, &list(Channel::ALL, Channel::name), &mut problems)),
    };
    if channel.is_some_and(|channel| (channel == Channel::Paper) == phone.is_some()) && !problems.iter().any(|p| p.field == "phone") {
        let error = Error::refused("contact-address", "channel: a phone channel needs a number, paper takes none; give one or choose paper");
        problems.push(Problem { field: "channel", error });
        channel = None;
    }
    let household = household::as_labelled(get("household"));
    let consent_messages = yes("consent_messages", get("consent_messages"), &mut problems);
    if household.is_empty() && (consent_messages || channel.is_some()) {
        let error = Error::refused("household-needed", "household: phone and consent to messages belong to a home; write its code");
        problems.push(Problem { field: "household", error });
    }
    let guardian = yes("guardian", get("guardian"), &mut problems);
    let purposes: Vec<Purpose> = get("consents")
        .split_whitespace()
        .map(|text| word("consents", text, Purpose::Research, Purpose::parse, &list(Purpose::ALL, Purpose::name), &mut problems))
        .collect();
    // Whoever says today that they are an adult was one when they signed, as far as anybody says.
    let birth = match birth.told_on {
        Some(told) if birth.precision == Precision::Adult => Birth { told_on: Some(told.min(consent_on)), ..birth },
        _ => birth,
    };
    let number = match get("person").trim() {
        "" => None,
        text => uuid::Uuid::parse_str(text)
            .map(PersonId)
            .map_err(|_| {
                let line = "person: this is no registry number of an export; leave the cell as it was exported, or empty it";
                problems.push(Problem { field: "person", error: Error::refused("person-number", line) });
            })
            .ok(),
    };
    let enrolments = modules(&get, today, &mut problems);
    problems.retain(|problem| !unstorable.contains(&problem.field));
    for field in unstorable {
        let line = format!("{field}: holds the character U+0000, which cannot be stored; remove it");
        problems.push(Problem { field, error: Error::refused("text-unstorable", line) });
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let person = NewPerson { given_names, surnames, cui, sex, birth, language, migration_status };
    let says_language = !get("language").trim().is_empty();
    let entry = Entry {
        number,
        person,
        says_language,
        household,
        relation,
        since,
        phone,
        channel,
        consent_messages,
        purposes,
        consent_on,
        guardian,
        enrolments,
    };
    entry.within_life(&entry.person.birth).map_err(|problem| vec![problem])?;
    Ok(entry)
}

fn list<T: Copy>(all: &[T], name: impl Fn(T) -> &'static str) -> String {
    all.iter().map(|item| name(*item)).collect::<Vec<_>>().join(", ")
}

fn word<T>(field: &'static str, text: &str, empty: T, parse: impl Fn(&str) -> Option<T>, known: &str, problems: &mut Vec<Problem>) -> T {
    let text = text.trim();
    if text.is_empty() {
        return empty;
    }
    parse(text).unwrap_or_else(|| {
        problems.push(Problem { field, error: Error::refused("choice", format!("{field}: choose one of {known}")) });
        empty
    })
}

fn yes(field: &'static str, text: &str, problems: &mut Vec<Problem>) -> bool {
    match text.trim() {
        "" | "no" => false,
        "yes" | "sí" | "si" => true,
        _ => {
            problems.push(Problem { field, error: Error::refused("choice", format!("{field}: choose one of yes, no")) });
            false
        }
    }
}

/// The year before which nobody who is written down today moved in, and the one before which nobody was asked for a consent: an earlier
/// one is a slip of the pen.
const FIRST_SINCE: i32 = 1900;
const FIRST_CONSENT: i32 = 1990;

/// A day as dd/mm/yyyy or yyyy-mm-dd, neither in the future nor long ago; today when empty.
pub fn day(field: &str, text: &str, today: NaiveDate) -> Result<NaiveDate> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(today);
    }
    let first = if field == "since" { FIRST_SINCE } else { FIRST_CONSENT };
    match ["%d/%m/%Y", "%Y-%m-%d"].iter().find_map(|form| NaiveDate::parse_from_str(text, form).ok()) {
        Some(day) if day.year() < first => {
            let line = format!("{field}: this day is before 01/01/{first}; mend the year");
            Err(Error::refused("day-long-ago", line).with("first", format!("01/01/{first}")))
        }
        Some(day) if day <= today => Ok(day),
        _ => Err(Error::refused("day", format!("{field}: write a day as dd/mm/yyyy, not in the future"))),
    }
}

fn date(field: &'static str, text: &str, today: NaiveDate, problems: &mut Vec<Problem>) -> NaiveDate {
    day(field, text, today).unwrap_or_else(|error| {
        problems.push(Problem { field, error });
        today
    })
}

fn modules<'a>(get: &impl Fn(&str) -> &'a str, today: NaiveDate, problems: &mut Vec<Problem>) -> Vec<(&'static str, [String; 3])> {
    let text = |field: &str| get(field).trim().to_owned();
    let none = String::new;
    let year = match text("school_year") {
        year if year.is_empty() => today.year().to_string(),
        year => year,
    };
    let wanted: [(&'static str, &'static str, [String; 3]); 4] = [
        ("waste", "waste", [text("waste"), none(), none()]),
        ("finance", "finance", [text("finance"), text("finance_partner"), none()]),
        ("school", "school", [text("school"), text("grade"), year]),
        ("gender", "gender", [text("gender"), none(), none()]),
    ];
    let mut out = Vec::new();
    for (name, field, details) in wanted {
        let Some(module) = enrolment::module(name) else { continue };
        if details[0].is_empty() {
            continue;
        }
        let fits = module.details.iter().zip(&details).all(|(detail, value)| detail.choices.is_empty() || detail.choices.contains(&value.as_str()));
        if fits {
            // Hardly anybody takes part in four, and a list has many rows.
            out.reserve_exact(1);
            out.push((name, details));
            continue;
        }
        let known: Vec<String> = module
            .details
            .iter()
            .filter(|detail| !detail.choices.is_empty())
            .map(|detail| {
                format!(
                    "{} ({})",
                    detail.name,
                    if detail.choices == school::SCHOOLS { "the four schools by name".into() } else { detail.choices.join(", ") }
                )
            })
            .collect();
        problems.push(Problem { field, error: Error::refused("choice", format!("{field}: choose {}", known.join(" and "))) });
    }
    out
}
