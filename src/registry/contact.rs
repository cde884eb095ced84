//! How a home is reached, and whether it may be: the one question the rest of the house asks the registry.

use super::consent::{Purpose, day_after};
use super::{STREAM, choice};
use crate::account::audit;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{ContactId, HouseholdId, Mint, MunicipalityId, PersonId};
use crate::seal::Keys;
use crate::territory::dated::in_force;
use crate::{all, opt, run};
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::json;
use std::collections::BTreeMap;

choice!(
    /// In the order in which a home with several is reached.
    Channel { Sms = "sms", Whatsapp = "whatsapp", Voice = "voice", Paper = "paper" }
);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contact {
    May {
        contact: ContactId,
        channel: Channel,
        language: String,
        /// A home that reads Mam may have agreed to Spanish.
        spanish_allowed: bool,
    },
    MayNot {
        /// `not-served`, `no-consent`, `consent-withdrawn` or `no-contact`.
        reason: &'static str,
    },
}

pub(super) const ADDRESS: &str = "contact.address";

#[derive(sqlx::FromRow)]
struct Home {
    household_id: HouseholdId,
    service_status: String,
}

#[derive(sqlx::FromRow)]
struct Given {
    household_id: HouseholdId,
    channel: Option<String>,
    holds: bool,
}

#[derive(sqlx::FromRow)]
struct Way {
    household_id: HouseholdId,
    contact_id: ContactId,
    channel: String,
    language: String,
    spanish_allowed: bool,
}

/// May this home be contacted for this purpose on this day, and how?
pub async fn may_contact(tx: &mut Tx, municipality: MunicipalityId, household: HouseholdId, purpose: Purpose, on: NaiveDate) -> Result<Contact> {
    let known: Option<(HouseholdId,)> =
        opt!(tx, "SELECT household_id FROM household WHERE municipality_id = $1 AND household_id = $2", municipality, household)?;
    known.ok_or_else(|| Error::not_found("household-unknown", "there is no such home in this municipality"))?;
    let home: Option<Home> = opt!(
        tx,
        concat!(
            "SELECT v.household_id, v.service_status FROM household_version v WHERE v.municipality_id = $1 AND v.household_id = $2 AND ",
            in_force!("v", "$3")
        ),
        municipality,
        household,
        on
    )?;
    // A home that is closed, or not there yet, has no service.
    let home = home.unwrap_or(Home { household_id: household, service_status: "no_route".into() });
    let given: Vec<Given> = all!(
        tx,
        "SELECT household_id, channel, (withdrawn_at IS NULL OR withdrawn_at >= $4) AS holds FROM consent
         WHERE municipality_id = $1 AND household_id = $2 AND purpose = $3 AND given_on <= $5 ORDER BY consent_id",
        municipality,
        household,
        purpose.name(),
        day_after(on),
        on
    )?;
    let ways: Vec<Way> = all!(
        tx,
        "SELECT household_id, contact_id, channel, language, spanish_allowed FROM contact
         WHERE municipality_id = $1 AND household_id = $2 AND valid_from <= $3 AND (valid_to IS NULL OR valid_to > $3)
           AND (channel = 'paper' OR address_sealed IS NOT NULL)
         ORDER BY valid_from DESC, contact_id",
        municipality,
        household,
        on
    )?;
    Ok(judge(&home, &given, &ways))
}

/// The same for every served home of a municipality.
pub async fn may_contact_all(tx: &mut Tx, municipality: MunicipalityId, purpose: Purpose, on: NaiveDate) -> Result<BTreeMap<HouseholdId, Contact>> {
    let homes: Vec<Home> = all!(
        tx,
        concat!(
            "SELECT v.household_id, v.service_status FROM household_version v WHERE v.municipality_id = $1 AND v.service_status = 'served' AND ",
            in_force!("v", "$2")
        ),
        municipality,
        on
    )?;
    let given: Vec<Given> = all!(
        tx,
        "SELECT household_id, channel, (withdrawn_at IS NULL OR withdrawn_at >= $3) AS holds FROM consent
         WHERE municipality_id = $1 AND household_id IS NOT NULL AND purpose = $2 AND given_on <= $4 ORDER BY household_id, consent_id",
        municipality,
        purpose.name(),
        day_after(on),
        on
    )?;
    let ways: Vec<Way> = all!(
        tx,
        "SELECT household_id, contact_id, channel, language, spanish_allowed FROM contact
         WHERE municipality_id = $1 AND valid_from <= $2 AND (valid_to IS NULL OR valid_to > $2)
           AND (channel = 'paper' OR address_sealed IS NOT NULL)
         ORDER BY household_id, valid_from DESC, contact_id",
        municipality,
        on
    )?;
    // Both lists come sorted by home: each home's rows are one slice.
    let slice = |at: usize, end: usize| at..end;
    let mut answer = BTreeMap::new();
    for home in &homes {
        let id = home.household_id;
        let given = &given[slice(given.partition_point(|row| row.household_id < id), given.partition_point(|row| row.household_id <= id))];
        let ways = &ways[slice(ways.partition_point(|row| row.household_id < id), ways.partition_point(|row| row.household_id <= id))];
        answer.insert(id, judge(home, given, ways));
    }
    Ok(answer)
}

/// The rule: a served home, a consent that holds, and a valid way the consent covers.
fn judge(home: &Home, given: &[Given], ways: &[Way]) -> Contact {
    if home.service_status != "served" {
        return Contact::MayNot { reason: "not-served" };
    }
    let live: Vec<&Given> = given.iter().filter(|consent| consent.holds).collect();
    if live.is_empty() {
        return Contact::MayNot { reason: if given.is_empty() { "no-consent" } else { "consent-withdrawn" } };
    }
    let covered = |channel: &str| live.iter().any(|consent| consent.channel.as_deref().is_none_or(|only| only == channel));
    let best = ways
        .iter()
        .filter(|way| covered(&way.channel))
        .filter_map(|way| Some((Channel::parse(&way.channel)?, way)))
        .min_by_key(|(channel, _)| *channel);
    match best {
        Some((channel, way)) => {
            Contact::May { contact: way.contact_id, channel, language: way.language.clone(), spanish_allowed: way.spanish_allowed }
        }
        None => Contact::MayNot { reason: "no-contact" },
    }
}

/// The phone number behind a contact. Gateways only: a test of the house keeps every other module from calling this.
pub async fn open_address(tx: &mut Tx, keys: &Keys, municipality: MunicipalityId, contact: ContactId) -> Result<String> {
    let row: Option<(Option<String>,)> =
        opt!(tx, "SELECT address_sealed FROM contact WHERE municipality_id = $1 AND contact_id = $2", municipality, contact)?;
    match row {
        None => Err(Error::not_found("contact-unknown", "there is no such contact in this municipality")),
        Some((None,)) => Err(Error::refused("contact-without-address", "this home is reached on paper; there is no number to open")),
        Some((Some(sealed),)) => keys.open(ADDRESS, &sealed),
    }
}

/// A number in international form; eight digits are Guatemalan. Never repeats what was typed.
pub fn phone(text: &str) -> Result<String> {
    let wrong = || Error::refused("phone", "the phone must have eight digits, or + and the country's code before it");
    let text = text.trim().trim_start_matches('\'');
    let digits: String = text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '-' | '(' | ')' | '.')).collect();
    let (international, digits) = match digits.strip_prefix('+') {
        Some(rest) => (true, rest.to_owned()),
        None => (false, digits),
    };
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    match (international, digits.len()) {
        (false, 8) => Ok(format!("+502{digits}")),
        (false, 11) if digits.starts_with("502") => Ok(format!("+{digits}")),
        (true, 8..=15) => Ok(format!("+{digits}")),
        _ => Err(wrong()),
    }
}

#[derive(Clone)]
pub struct NewContact {
    pub household: HouseholdId,
    pub person: Option<PersonId>,
    pub channel: Channel,
    /// As [`phone`] gives it; none for paper.
    pub address: Option<String>,
    pub language: &'static str,
    pub spanish_allowed: bool,
    pub from: NaiveDate,
}

/// A contact as a page may show it: the number's last two digits at most.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    pub contact: ContactId,
    pub channel: String,
    pub ending: Option<String>,
    pub language: String,
    pub spanish_allowed: bool,
    pub valid_from: NaiveDate,
    pub valid_to: Option<NaiveDate>,
}

/// The sealed form of a number and its look-up hash.
pub(crate) fn seal_address(keys: &Keys, lookup: &crate::seal::Lookup, id: ContactId, address: &str) -> Result<(String, String)> {
    Ok((keys.seal_for(ADDRESS, id.0.as_bytes(), address)?, lookup.of(address)))
}

pub(crate) fn address_lookup(keys: &Keys) -> crate::seal::Lookup {
    keys.lookup_in(ADDRESS)
}

/// Adds a way to reach a home; an earlier one of the same channel ends that day when it is the same person's or nobody's in particular,
/// so that father and son in one home may both have a number. The same number again changes nothing.
pub async fn add(
    tx: &mut Tx,
    keys: &Keys,
    mint: &mut Mint,
    municipality: MunicipalityId,
    new: &NewContact,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<bool> {
    if (new.channel == Channel::Paper) != new.address.is_none() {
        return Err(Error::refused("contact-address", "a phone channel needs a number, paper takes none; give one or choose paper"));
    }
    let id: ContactId = mint.id(now);
    let sealed = new.address.as_deref().map(|address| seal_address(keys, &address_lookup(keys), id, address)).transpose()?;
    let hash = sealed.as_ref().map(|(_, hash)| hash.as_str());
    let (same,): (i64,) = crate::one!(
        tx,
        "SELECT COUNT(*) FROM contact WHERE municipality_id = $1 AND household_id = $2 AND channel = $3 AND valid_to IS NULL
           AND COALESCE(address_hash, '') = COALESCE($4, '')",
        municipality,
        new.household,
        new.channel.name(),
        hash
    )?;
    if same > 0 {
        return Ok(false);
    }
    run!(
        tx,
        "UPDATE contact SET valid_to = $4 WHERE municipality_id = $1 AND household_id = $2 AND channel = $3 AND valid_to IS NULL
           AND (person_id IS NULL OR person_id = $5)",
        municipality,
        new.household,
        new.channel.name(),
        new.from,
        new.person
    )?;
    run!(
        tx,
        "INSERT INTO contact (municipality_id, contact_id, household_id, person_id, channel, address_sealed, address_hash, language, spanish_allowed, valid_from, valid_to)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, NULL)",
        municipality,
        id,
        new.household,
        new.person,
        new.channel.name(),
        sealed.as_ref().map(|(sealed, _)| sealed.as_str()),
        hash,
        new.language,
        new.spanish_allowed,
        new.from
    )?;
    let detail = json!({"contact": id, "channel": new.channel.name(), "language": new.language, "from": new.from});
    let target = new.household.to_string();
    audit::record(tx, municipality, now, audit::Entry { stream: STREAM, actor, action: "contact.added", target: &target, detail }).await?;
    Ok(true)
}

#[derive(sqlx::FromRow)]
struct Stored {
    contact_id: ContactId,
    channel: String,
    address_sealed: Option<String>,
    language: String,
    spanish_allowed: bool,
    valid_from: NaiveDate,
    valid_to: Option<NaiveDate>,
}

/// Every contact of a home, present ones first, numbers cut to their last two digits.
pub async fn of_home(tx: &mut Tx, keys: &Keys, municipality: MunicipalityId, home: HouseholdId) -> Result<Vec<Shown>> {
    let rows: Vec<Stored> = all!(
        tx,
        "SELECT contact_id, channel, address_sealed, language, spanish_allowed, valid_from, valid_to FROM contact
         WHERE municipality_id = $1 AND household_id = $2 ORDER BY valid_to IS NOT NULL, valid_from DESC, contact_id",
        municipality,
        home
    )?;
    rows.into_iter()
        .map(|row| {
            let ending = row.address_sealed.map(|sealed| keys.open(ADDRESS, &sealed)).transpose()?.map(|number| {
                let from = number.char_indices().rev().nth(1).map_or(0, |(at, _)| at);
                format!("•• {}", &number[from..])
            });
            Ok(Shown {
                contact: row.contact_id,
                channel: row.channel,
                ending,
                language: row.language,
                spanish_allowed: row.spanish_allowed,
                valid_from: row.valid_from,
                valid_to: row.valid_to,
            })
        })
        .collect()
}

/// Present numbers of a municipality's homes, opened: for the registrar's own export only.
pub(crate) async fn present_addresses(
    tx: &mut Tx,
    keys: &Keys,
    municipality: MunicipalityId,
) -> Result<BTreeMap<HouseholdId, (String, Option<String>)>> {
    let rows: Vec<(HouseholdId, String, Option<String>)> = all!(
        tx,
        "SELECT household_id, channel, address_sealed FROM contact WHERE municipality_id = $1 AND valid_to IS NULL ORDER BY household_id, contact_id DESC",
        municipality
    )?;
    rows.into_iter().map(|(home, channel, sealed)| Ok((home, (channel, sealed.map(|sealed| keys.open(ADDRESS, &sealed)).transpose()?)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phones_come_to_one_form_and_what_is_wrong_is_not_repeated() {
        for same in ["0000 1234", "+502 0000 1234", "502-0000-1234", "(502) 00001234", "'+50200001234"] {
            assert_eq!(phone(same).unwrap(), "+50200001234", "{same}");
        }
        assert_eq!(phone("+1 213 555 0100").unwrap(), "+12135550100");
        for wrong in ["", "1234", "CANARY", "0000123a", "+12"] {
            let error = phone(wrong).unwrap_err();
            assert!(error.code == "phone" && (wrong.is_empty() || !format!("{error:?}").contains(wrong)));
        }
    }
}
