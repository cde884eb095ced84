//! Persons from a CSV file: all or nothing, one line a problem, the same file twice changes nothing.

use super::consent::{How, NewConsent, Purpose, Subject};
use super::contact::{self, NewContact};
use super::enrolment::{self, Proposal, Reason, Status};
use super::entry::{self, COLUMNS, Entry};
use super::membership::{self, Move};
use super::person::{self, Language};
use super::{STREAM, consent, names};
use crate::account::audit;
use crate::clock::local_day;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{Mint, MunicipalityId, PersonId, derived};
use crate::opt;
use crate::seal::Keys;
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
    let today = local_day(now);
    let known: Option<(String,)> = opt!(tx, "SELECT name FROM municipality WHERE municipality_id = $1", municipality)?;
    if known.is_none() {
        return Err(Error::not_found(
            "municipality-unknown",
            format!("{municipality}: there is no such municipality; use a code of INE, such as 1202"),
        ));
    }
    let entries = read(file, text, today)?;
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
    let mut done = Summary { rows: entries.len(), ..Summary::default() };
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

fn refused(mut lines: Vec<String>) -> Error {
    if lines.len() > SHOWN {
        let more = lines.len() - SHOWN;
        lines.truncate(SHOWN);
        lines.push(format!("and {more} more; mend these first"));
    }
    Error::refused_lines("registry-file", lines)
}

/// Every row with its line number, or every problem. Neither cells nor unknown column names are repeated: they may be names of people.
fn read(file: &str, text: &[u8], today: chrono::NaiveDate) -> Result<Vec<(u64, Entry)>> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text);
    let headers =
        reader.byte_headers().map_err(|_| refused(vec![format!("{file}:1: the header cannot be read; save the file as CSV in UTF-8")]))?.clone();
    let columns: Vec<Option<&str>> =
        headers.iter().map(|name| COLUMNS.into_iter().find(|known| known.as_bytes() == name.trim_ascii().to_ascii_lowercase())).collect();
    let mut lines = Vec::new();
    for (index, _) in columns.iter().enumerate().filter(|(_, column)| column.is_none()) {
        lines.push(format!("{file}:1: column {} has no known name; the columns are {}", index + 1, COLUMNS.join(", ")));
    }
    for needed in ["given_names", "surnames"] {
        if !columns.contains(&Some(needed)) {
            lines.push(format!("{file}:1: there is no column {needed}; add it"));
        }
    }
    for (index, column) in columns.iter().enumerate() {
        if column.is_some() && columns[..index].contains(column) {
            lines.push(format!("{file}:1: column {} repeats {}; keep one", index + 1, column.unwrap_or_default()));
        }
    }
    if !lines.is_empty() {
        return Err(refused(lines));
    }
    let mut entries = Vec::new();
    let mut record = csv::ByteRecord::new();
    loop {
        let row = reader.position().line();
        match reader.read_byte_record(&mut record) {
            Ok(false) => break,
            Ok(true) => {}
            Err(_) => return Err(refused(vec![format!("{file}:{row}: the row cannot be read; check quotation marks and save as CSV in UTF-8")])),
        }
        let row = record.position().map_or(row, csv::Position::line);
        if record.len() != columns.len() {
            lines.push(format!("{file}:{row}: {} cells under {} columns; check commas and quotation marks", record.len(), columns.len()));
            continue;
        }
        let cells: Vec<Option<&str>> = record.iter().map(|cell| std::str::from_utf8(cell).ok()).collect();
        if cells.contains(&None) {
            lines.push(format!("{file}:{row}: not UTF-8; save the file as CSV in UTF-8"));
            continue;
        }
        let get = |field: &str| plain(columns.iter().position(|column| *column == Some(field)).and_then(|index| cells[index]).unwrap_or(""));
        match entry::read(get, today) {
            Ok(entry) => entries.push((row, entry)),
            Err(problems) => lines.extend(problems.into_iter().map(|problem| {
                let line = problem.error.lines.join("; ");
                if line.starts_with(problem.field) { format!("{file}:{row}: {line}") } else { format!("{file}:{row}: {}: {line}", problem.field) }
            })),
        }
    }
    if entries.is_empty() && lines.is_empty() {
        lines.push(format!("{file}: there is no row under the header; add one"));
    }
    if lines.is_empty() { Ok(entries) } else { Err(refused(lines)) }
}

/// Undoes what an export does to a cell that a spreadsheet would take for a formula.
fn plain(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if super::export::is_formula(rest) => rest,
        _ => cell,
    }
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
