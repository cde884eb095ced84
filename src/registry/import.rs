//! Persons from a CSV file: all or nothing, one line a problem, the same file twice changes nothing.

use super::consent::{How, NewConsent, Purpose, Subject};
use super::contact::{self, NewContact};
use super::enrolment::{self, Proposal, Reason, Status};
use super::entry::Entry;
use super::membership::{self, Move};
use super::person::{self, Language};
use super::{STREAM, consent, names, table};
use crate::account::audit;
use crate::clock::local_day;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{Mint, MunicipalityId, PersonId, derived};
use crate::opt;
use crate::seal::Keys;
use crate::sheet::Written;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;

#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    pub rows: usize,
    pub new_people: usize,
    pub known_people: usize,
    pub homes: usize,
    pub contacts: usize,
    pub consents: usize,
    pub enrolled: usize,
    /// Proposed, but without the consent their module stands on.
    pub candidates: usize,
    /// What the registrar should look at; nothing was refused for it.
    pub warnings: Vec<String>,
}

/// Problems shown before the rest is only counted.
const SHOWN: usize = 200;

#[expect(clippy::too_many_arguments, reason = "the file, where it goes, who brings it")]
/// Reads the file whole and refuses it with every problem, or writes all of it within `tx` (the caller commits).
pub async fn import(
    tx: &mut Tx,
    keys: &Keys,
    mint: &mut Mint,
    municipality: MunicipalityId,
    file: &str,
    text: &[u8],
    actor: &str,
    now: DateTime<Utc>,
) -> Result<Summary> {
    let read = table::read(file, text, &Written::default(), local_day(now))?;
    write(tx, keys, mint, municipality, file, read, actor, now).await
}

#[expect(clippy::too_many_arguments, reason = "the rows, where they go, who brings them")]
/// Writes the rows of a file within `tx` (the caller commits, or with a dry run does not).
pub async fn write(
    tx: &mut Tx,
    keys: &Keys,
    mint: &mut Mint,
    municipality: MunicipalityId,
    file: &str,
    read: table::Read,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<Summary> {
    let table::Read { entries, warnings } = read;
    let known: Option<(String,)> = opt!(tx, "SELECT name FROM municipality WHERE municipality_id = $1", municipality)?;
    if known.is_none() {
        return Err(Error::not_found(
            "municipality-unknown",
            format!("{municipality}: there is no such municipality; use a code of INE, such as 1202"),
        ));
    }
    let mut lines = Vec::new();
    let mut homes = Vec::with_capacity(entries.len());
    for (row, entry) in &entries {
        let home = if entry.household.is_empty() { None } else { person::household(tx, municipality, &entry.household).await? };
        if home.is_none() && !entry.household.is_empty() {
            lines.push(format!("{file}:{row}: household: there is no home with this code in {municipality}; import the home first or mend the code"));
        }
        homes.push(home);
    }
    if !lines.is_empty() {
        return Err(refused(lines));
    }
    let mut done = Summary { rows: entries.len(), warnings, ..Summary::default() };
    for ((row, entry), home) in entries.iter().zip(homes) {
        let at_row = |error: Error| Error { lines: error.lines.iter().map(|line| format!("{file}:{row}: {line}")).collect(), ..error };
        let id = identify(tx, keys, municipality, entry, file, *row, &mut done, actor, now).await.map_err(at_row)?;
        if let Some(household) = home {
            let to = Move { home_municipality: municipality, household, relation: entry.relation, from: entry.since };
            // A file names a home, not a move: somebody already recorded there stays as recorded.
            let present = membership::of_person(tx, municipality, id).await?;
            if !present.first().is_some_and(|last| last.valid_to.is_none() && last.household_id == household) {
                done.homes += usize::from(membership::move_to(tx, municipality, id, to, actor, now).await.map_err(at_row)?);
            }
            if let Some(channel) = entry.channel {
                let new = NewContact {
                    household,
                    person: Some(id),
                    channel,
                    address: entry.phone.clone(),
                    language: entry.person.language.name(),
                    spanish_allowed: entry.person.language == Language::Spanish,
                    from: entry.since,
                };
                done.contacts += usize::from(contact::add(tx, keys, mint, municipality, &new, actor, now).await.map_err(at_row)?);
            }
            if entry.consent_messages {
                let given = agreed(entry, Purpose::Messages);
                let subject = Subject::Home(household);
                done.consents += usize::from(consent::give(tx, mint, municipality, subject, false, &given, actor, now).await.map_err(at_row)?);
            }
        }
        let minor = entry.person.birth.minor_on(entry.consent_on);
        for purpose in &entry.purposes {
            let given = agreed(entry, *purpose);
            done.consents +=
                usize::from(consent::give(tx, mint, municipality, Subject::Person(id), minor, &given, actor, now).await.map_err(at_row)?);
        }
        enrol(tx, mint, municipality, id, entry, &mut done, actor, now).await.map_err(at_row)?;
    }
    let detail = json!({"rows": done.rows, "new_people": done.new_people, "homes": done.homes, "contacts": done.contacts, "consents": done.consents});
    let entry = audit::Entry { stream: STREAM, actor, action: "file.imported", target: &municipality.to_string(), detail };
    audit::record(tx, municipality, now, entry).await?;
    Ok(done)
}

fn agreed(entry: &Entry, purpose: Purpose) -> NewConsent {
    NewConsent {
        purpose,
        channel: None,
        given_on: entry.consent_on,
        how: How::PaperForm,
        language: entry.person.language.name(),
        by_guardian: entry.guardian,
    }
}

pub(super) fn refused(mut lines: Vec<String>) -> Error {
    if lines.len() > SHOWN {
        let more = lines.len() - SHOWN;
        lines.truncate(SHOWN);
        lines.push(format!("and {more} more; mend these first"));
    }
    Error::refused_lines("registry-file", lines)
}

/// The person a row speaks of: one registered with the same CUI and the same name words; else one from an earlier file with the same
/// names, birth date and CUI or home; else somebody new.
#[expect(clippy::too_many_arguments, reason = "the row and where it stands")]
async fn identify(
    tx: &mut Tx,
    keys: &Keys,
    municipality: MunicipalityId,
    entry: &Entry,
    file: &str,
    row: u64,
    done: &mut Summary,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<PersonId> {
    let words = |given: &str, surnames: &str| names::words(&format!("{given} {surnames}"));
    let own = words(&entry.person.given_names, &entry.person.surnames);
    let mut other = false;
    if let Some(cui) = &entry.person.cui {
        for id in person::with_cui(tx, keys, municipality, cui).await? {
            let known = person::find(tx, keys, municipality, id).await?;
            if words(&known.given_names, &known.surnames) == own {
                done.known_people += 1;
                return Ok(id);
            }
            other = true;
        }
        if other {
            done.warnings.push(format!("{file}:{row}: cui: the same number stands with other names; compare both files of these people"));
        }
        if cui.warning.is_some() {
            done.warnings.push(format!("{file}:{row}: cui: check digit or place do not fit; kept as given, compare it with the card"));
        }
    }
    let anchor = entry.person.cui.as_ref().map_or(entry.household.as_str(), |cui| cui.digits());
    let birth = entry.person.birth.date.map(|date| date.to_string()).unwrap_or_default();
    let mark = keys.lookup("person.file", &format!("{}|{birth}|{anchor}", own.join(" ")));
    let id: PersonId = derived("person", &[municipality.to_string().as_bytes(), mark.as_bytes()], DateTime::UNIX_EPOCH);
    let found: Option<(PersonId,)> = opt!(tx, "SELECT person_id FROM person WHERE municipality_id = $1 AND person_id = $2", municipality, id)?;
    if found.is_some() {
        done.known_people += 1;
        return Ok(id);
    }
    person::register(tx, keys, municipality, id, &entry.person, actor, now).await?;
    done.new_people += 1;
    Ok(id)
}

#[expect(clippy::too_many_arguments, reason = "the row and where it stands")]
async fn enrol(
    tx: &mut Tx,
    mint: &mut Mint,
    municipality: MunicipalityId,
    person: PersonId,
    entry: &Entry,
    done: &mut Summary,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<()> {
    for (name, details) in &entry.enrolments {
        let Some(module) = enrolment::module(name) else { continue };
        let minor = entry.person.birth.minor_on(entry.consent_on);
        let new = Proposal { person, minor, details: details.clone(), from: entry.consent_on };
        let Some(id) = enrolment::propose(tx, mint, module, municipality, &new, actor, now).await? else { continue };
        let rows = enrolment::of_person(tx, module, municipality, person).await?;
        let Some(row) = rows.iter().find(|row| row.enrolment_id == id) else { continue };
        match enrolment::apply(tx, module, municipality, row, Status::Enrolled, Reason::Started, entry.consent_on, actor, now).await {
            Ok(()) => done.enrolled += 1,
            // Refused before anything was written: they wait as a candidate.
            Err(error) if error.code == "enrolment-consent" => done.candidates += 1,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
