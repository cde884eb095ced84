//! The registrar's own data as CSV, in the columns an import reads. Every export is on record.

use super::enrolment::{self, Enrolment};
use super::entry::COLUMNS;
use super::person;
use super::{READS, consent, contact, membership};
use crate::account::audit;
use crate::clock::{local_day, show_day};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{HouseholdId, MunicipalityId};
use crate::seal::Keys;
use crate::territory::code::{Codes, Thing};
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::json;
use std::collections::BTreeMap;

/// What a spreadsheet would run instead of showing.
pub fn is_formula(cell: &str) -> bool {
    cell.starts_with(['=', '+', '-', '@', '\t', '\r'])
}

/// A text cell that no spreadsheet takes for a formula.
pub fn neutral(cell: &str) -> String {
    if is_formula(cell) { format!("'{cell}") } else { cell.to_owned() }
}

/// One row a person; somebody with several enrolments in a module, or consents of several days, has several rows, which an import joins
/// again by the registry number in the last column.
pub async fn export(tx: &mut Tx, keys: &Keys, municipality: MunicipalityId, actor: &str, now: DateTime<Utc>) -> Result<Vec<u8>> {
    let today = local_day(now);
    let codes = Codes::read(tx, municipality, Thing::Household).await?;
    let homes: BTreeMap<HouseholdId, String> = codes.first().map(|(home, _)| (HouseholdId(home), codes.on(home, today).to_owned())).collect();
    let addresses = contact::present_addresses(tx, keys, municipality).await?;
    let broken = |e: csv::Error| Error::internal(format!("csv: {e}"));
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(COLUMNS).map_err(broken)?;
    let people = person::everybody(tx, keys, municipality).await?;
    for person in &people {
        let present = membership::of_person(tx, municipality, person.id).await?.into_iter().find(|row| row.valid_to.is_none());
        let home = present.as_ref().filter(|row| row.home_municipality_id == municipality).map(|row| row.household_id);
        let consents: Vec<_> = consent::of_person(tx, municipality, person.id).await?.into_iter().filter(|consent| consent.live_on(today)).collect();
        let messages = match home {
            Some(home) => consent::of_home(tx, municipality, home).await?.iter().any(|c| c.purpose == "messages" && c.live_on(today)),
            None => false,
        };
        let address = home.and_then(|home| addresses.get(&home));
        let mut of: BTreeMap<&str, Vec<Enrolment>> = BTreeMap::new();
        for module in enrolment::ALL {
            of.insert(module.name, enrolment::of_person(tx, module, municipality, person.id).await?);
        }
        let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
        // A row has one day and one signature: consents of other days, or signed by somebody else, stand in rows of their own.
        let mut signed: BTreeMap<(NaiveDate, bool), Vec<&str>> = BTreeMap::new();
        for consent in &consents {
            signed.entry((consent.given_on, consent.by_guardian)).or_default().push(&consent.purpose);
        }
        let signed: Vec<((NaiveDate, bool), Vec<&str>)> = signed.into_iter().collect();
        for index in 0..of.values().map(Vec::len).max().unwrap_or(0).max(signed.len()).max(1) {
            let signature = signed.get(index);
            let detail = |module: &str, at: usize| of.get(module).and_then(|rows| rows.get(index)).map_or("", |row| row.details()[at]).to_owned();
            let row = [
                person.given_names.clone(),
                person.surnames.clone(),
                person.cui.clone().unwrap_or_default(),
                person.sex.name().into(),
                person.birth.written(),
                person.language.clone(),
                person.migration_status.name().into(),
                home.and_then(|home| homes.get(&home)).cloned().unwrap_or_default(),
                present.as_ref().map(|row| row.relation.clone()).unwrap_or_default(),
                present.as_ref().map(|row| show_day(row.valid_from)).unwrap_or_default(),
                address.and_then(|(_, number)| number.clone()).unwrap_or_default(),
                address.map(|(channel, _)| channel.clone()).unwrap_or_default(),
                yes(messages),
                signature.map(|(_, purposes)| purposes.join(" ")).unwrap_or_default(),
                signature.map(|((on, _), _)| show_day(*on)).unwrap_or_default(),
                yes(signature.is_some_and(|((_, by_guardian), _)| *by_guardian)),
                detail("waste", 0),
                detail("finance", 0),
                detail("finance", 1),
                detail("school", 0),
                detail("school", 1),
                detail("school", 2),
                detail("gender", 0),
                person.id.to_string(),
            ];
            out.write_record(row.iter().map(|cell| neutral(cell))).map_err(broken)?;
        }
    }
    let detail = json!({"people": people.len()});
    let entry = audit::Entry { stream: READS, actor, action: "registry.exported", target: &municipality.to_string(), detail };
    audit::record(tx, municipality, now, entry).await?;
    out.into_inner().map_err(|e| Error::internal(format!("csv: {e}")))
}
