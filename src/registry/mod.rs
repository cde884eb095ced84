//! How a home is reached, and whether it may be: the one question the rest of the house asks the registry.

use crate::clock::at_local;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{ContactId, HouseholdId, MunicipalityId};
use crate::seal::Keys;
use crate::{all, opt};
use chrono::{DateTime, Days, NaiveDate, Utc};
use std::collections::BTreeMap;

/// A closed list of words, the same in code, SQL, files and interface keys.
macro_rules! choice { ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
    $(#[$doc])*
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum $name { $($variant),+ }
    impl $name {
        pub const ALL: &'static [$name] = &[$($name::$variant),+];
        pub fn name(self) -> &'static str { match self { $($name::$variant => $word),+ } }
        pub fn parse(word: &str) -> Option<$name> { match word { $($word => Some($name::$variant),)+ _ => None } }
    }
} }

choice!(Purpose {
    Messages = "messages", Research = "research", Finance = "finance", School = "school", Gender = "gender", Sharing = "sharing",
});

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

const ADDRESS: &str = "contact.address";

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
    let home: Option<Home> =
        opt!(tx, "SELECT household_id, service_status FROM household WHERE municipality_id = $1 AND household_id = $2", municipality, household)?;
    let home = home.ok_or_else(|| Error::not_found("household-unknown", "there is no such home in this municipality"))?;
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
    let homes: Vec<Home> =
        all!(tx, "SELECT household_id, service_status FROM household WHERE municipality_id = $1 AND service_status = 'served'", municipality)?;
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

/// A consent holds on a day when it was given by then and not withdrawn on that day or before: a withdrawal counts at once.
/// In SQL: `given_on <= day AND (withdrawn_at IS NULL OR withdrawn_at >= day_after(day))`.
fn day_after(day: NaiveDate) -> DateTime<Utc> {
    at_local(day + Days::new(1), 0, 0)
}
