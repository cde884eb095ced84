//! Consent by purpose, of a home or of a person: given, withdrawn, given anew. A withdrawal closes the row; nothing is erased.

use super::birth::Majority;
use super::{STREAM, choice};
use crate::account::audit;
use crate::account::audit::walk::{Standing, Walked};
use crate::clock::{at_local, to_micros};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{ConsentId, HouseholdId, Mint, MunicipalityId, PersonId};
use crate::seal::Fields;
use crate::{all, one, opt, run};
use chrono::{DateTime, Days, NaiveDate, Utc};
use serde_json::json;
use std::collections::BTreeMap;

choice!(Purpose {
    Messages = "messages", Research = "research", Finance = "finance", School = "school", Gender = "gender", Sharing = "sharing",
});
choice!(How { PaperForm = "paper_form", Visit = "visit", Phone = "phone", Reply = "reply" });

/// The wording people agree to at present; an older consent keeps the version it was given under.
pub const TEXT_VERSION: &str = "2026-1";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    Person(PersonId),
    Home(HouseholdId),
}

impl Subject {
    fn columns(self) -> (Option<PersonId>, Option<HouseholdId>) {
        match self {
            Subject::Person(person) => (Some(person), None),
            Subject::Home(home) => (None, Some(home)),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewConsent {
    pub purpose: Purpose,
    /// Only by this channel; any when empty.
    pub channel: Option<&'static str>,
    pub given_on: NaiveDate,
    pub how: How,
    pub language: &'static str,
    pub by_guardian: bool,
}

#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Consent {
    pub consent_id: ConsentId,
    pub purpose: String,
    pub channel: Option<String>,
    pub given_on: NaiveDate,
    pub given_how: String,
    pub text_version: String,
    pub language: String,
    pub by_guardian: bool,
    pub withdrawn_at: Option<DateTime<Utc>>,
    pub withdrawn_how: Option<String>,
}

/// A consent holds on a day when it was given by then and not withdrawn on that day or before: a withdrawal counts at once.
/// In SQL: `given_on <= day AND (withdrawn_at IS NULL OR withdrawn_at >= day_after(day))`.
pub(crate) fn day_after(day: NaiveDate) -> DateTime<Utc> {
    at_local(day + Days::new(1), 0, 0)
}

impl Consent {
    pub fn live_on(&self, day: NaiveDate) -> bool {
        self.given_on <= day && self.withdrawn_at.is_none_or(|at| at >= day_after(day))
    }
}

macro_rules! given_by {
    ($column:literal) => {
        concat!(
            "SELECT consent_id, purpose, channel, given_on, given_how, text_version, language, by_guardian, withdrawn_at, withdrawn_how
             FROM consent WHERE municipality_id = $1 AND ",
            $column,
            " = $2 ORDER BY given_on DESC, consent_id DESC"
        )
    };
}

/// Every consent of a person, the newest first.
pub async fn of_person(tx: &mut Tx, municipality: MunicipalityId, person: PersonId) -> Result<Vec<Consent>> {
    all!(tx, given_by!("person_id"), municipality, person)
}

/// Every consent of a home, the newest first.
pub async fn of_home(tx: &mut Tx, municipality: MunicipalityId, home: HouseholdId) -> Result<Vec<Consent>> {
    all!(tx, given_by!("household_id"), municipality, home)
}

/// Whether a consent may stand: a minor's needs a guardian, and nobody is taken for an adult before somebody says so.
pub(crate) fn signed(majority: Majority, by_guardian: bool) -> Result<()> {
    match majority {
        _ if by_guardian => Ok(()),
        Majority::Adult => Ok(()),
        Majority::Minor => Err(Error::refused("consent-guardian", "this person is or may be under 18: a guardian must give the consent")),
        Majority::Unknown => Err(Error::refused(
            "consent-age",
            "this person's age is not known, so they are not taken for an adult: write a birth date, a year, an age, or 18+, or let a guardian give the consent",
        )),
    }
}

/// A consent as it is kept: of whom, on which terms, by whom recorded.
#[derive(sqlx::FromRow)]
pub(super) struct Given {
    pub municipality_id: MunicipalityId,
    pub person_id: Option<PersonId>,
    pub household_id: Option<HouseholdId>,
    #[sqlx(flatten)]
    pub terms: Consent,
    pub recorded_by: String,
    pub recorded_at: DateTime<Utc>,
}

impl Given {
    /// How it stands, as an audit entry tells it.
    pub fn state(&self, tx: &Tx) -> Result<(String, String)> {
        Ok((format!("consent/{}", self.terms.consent_id), audit::state(tx, &self.fields())?))
    }

    fn fields(&self) -> Fields {
        Fields::of("consent")
            .number(Some(i64::from(self.municipality_id.0)))
            .id(Some(self.terms.consent_id.0))
            .id(self.person_id.map(|id| id.0))
            .id(self.household_id.map(|id| id.0))
            .text(Some(&self.terms.purpose))
            .text(self.terms.channel.as_deref())
            .day(Some(self.terms.given_on))
            .text(Some(&self.terms.given_how))
            .text(Some(&self.terms.text_version))
            .text(Some(&self.terms.language))
            .number(Some(i64::from(self.terms.by_guardian)))
            .at(self.terms.withdrawn_at)
            .text(self.terms.withdrawn_how.as_deref())
            .text(Some(&self.recorded_by))
            .at(Some(self.recorded_at))
    }
}

/// How consents stand, as audit entries tell it: `consent/ID`. All of a municipality, or one.
pub(super) async fn standing(tx: &mut Tx, municipality: MunicipalityId, only: Option<ConsentId>) -> Result<BTreeMap<String, Standing>> {
    let rows: Vec<Given> = all!(
        tx,
        "SELECT municipality_id, consent_id, person_id, household_id, purpose, channel, given_on, given_how, text_version, language, by_guardian,
                withdrawn_at, withdrawn_how, recorded_by, recorded_at
           FROM consent c WHERE municipality_id = $1 AND (CAST($2 AS UUID) IS NULL OR consent_id = $2)
            -- of somebody whose file is not written yet: nobody sees it, and an import on its way tells of it when it is done
            AND (person_id IS NULL OR EXISTS (SELECT 1 FROM person p WHERE p.municipality_id = c.municipality_id AND p.person_id = c.person_id))",
        municipality,
        only
    )?;
    let mut standing = BTreeMap::new();
    for row in rows {
        let place = format!("consent {}/{} ({})", row.municipality_id, row.terms.consent_id, row.terms.purpose);
        let (consent, state) = row.state(tx)?;
        standing.insert(consent, Standing { place, state });
    }
    Ok(standing)
}

/// One line for each consent that is not as its last audit entry left it.
pub async fn verify(tx: &mut Tx, walked: &Walked) -> Result<Vec<String>> {
    let mut all = BTreeMap::new();
    let places: Vec<(MunicipalityId,)> = all!(tx, "SELECT municipality_id FROM municipality ORDER BY municipality_id")?;
    for (municipality,) in places {
        all.extend(standing(tx, municipality, None).await?);
    }
    Ok(walked.differing("consent", &all))
}

/// Records a consent; a minor's needs a guardian, and a second one for the same purpose is not opened while the first holds.
#[expect(clippy::too_many_arguments, reason = "who, what, by whom, when")]
pub async fn give(
    tx: &mut Tx,
    mint: &mut Mint,
    municipality: MunicipalityId,
    subject: Subject,
    majority: Majority,
    consent: &NewConsent,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<bool> {
    if consent.given_on > crate::clock::local_day(now) {
        return Err(Error::refused("consent-day", "a consent cannot be given in the future; write the day it was given"));
    }
    signed(majority, consent.by_guardian)?;
    let known = match subject {
        Subject::Person(person) => of_person(tx, municipality, person).await?,
        Subject::Home(home) => of_home(tx, municipality, home).await?,
    };
    if known.iter().any(|old| old.purpose == consent.purpose.name() && old.withdrawn_at.is_none()) {
        return Ok(false);
    }
    let id: ConsentId = mint.id(now);
    let now = to_micros(now);
    let (person, home) = subject.columns();
    run!(
        tx,
        "INSERT INTO consent (municipality_id, consent_id, person_id, household_id, purpose, channel, given_on, given_how, text_version, language, by_guardian, withdrawn_at, withdrawn_how, recorded_by, recorded_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, NULL, NULL, $12, $13)",
        municipality,
        id,
        person,
        home,
        consent.purpose.name(),
        consent.channel,
        consent.given_on,
        consent.how.name(),
        TEXT_VERSION,
        consent.language,
        consent.by_guardian,
        actor,
        now
    )?;
    let target = person.map(|id| id.to_string()).or(home.map(|id| id.to_string())).unwrap_or_default();
    let detail = json!({"consent": id, "purpose": consent.purpose.name(), "on": consent.given_on, "how": consent.how.name(), "by_guardian": consent.by_guardian});
    let given = Given {
        municipality_id: municipality,
        person_id: person,
        household_id: home,
        terms: Consent {
            consent_id: id,
            purpose: consent.purpose.name().into(),
            channel: consent.channel.map(str::to_owned),
            given_on: consent.given_on,
            given_how: consent.how.name().into(),
            text_version: TEXT_VERSION.into(),
            language: consent.language.into(),
            by_guardian: consent.by_guardian,
            withdrawn_at: None,
            withdrawn_how: None,
        },
        recorded_by: actor.to_owned(),
        recorded_at: now,
    };
    let detail = audit::leaving(detail, [given.state(tx)?]);
    audit::record(tx, municipality, now, audit::Entry { stream: STREAM, actor, action: "consent.given", target: &target, detail }).await?;
    Ok(true)
}

/// Homes that agreed to messages before `day`, and how many of them withdrew on it or later.
pub async fn leaving_since(tx: &mut Tx, municipality: MunicipalityId, day: NaiveDate) -> Result<(i64, i64)> {
    one!(
        tx,
        "SELECT COUNT(*), COUNT(withdrawn) FROM (
           SELECT household_id, MAX(withdrawn_at) AS withdrawn FROM consent
            WHERE municipality_id = $1 AND purpose = 'messages' AND household_id IS NOT NULL AND given_on < $2
              AND (withdrawn_at IS NULL OR withdrawn_at >= $3) GROUP BY household_id) AS home",
        municipality,
        day,
        at_local(day, 0, 0)
    )
}

/// Homes that withdrew from messages between two moments.
pub async fn withdrew(tx: &mut Tx, municipality: MunicipalityId, from: DateTime<Utc>, until: DateTime<Utc>) -> Result<Vec<HouseholdId>> {
    let homes: Vec<(HouseholdId,)> = all!(
        tx,
        "SELECT DISTINCT household_id FROM consent
          WHERE municipality_id = $1 AND withdrawn_at >= $2 AND withdrawn_at < $3 AND purpose = 'messages' AND household_id IS NOT NULL",
        municipality,
        from,
        until
    )?;
    Ok(homes.into_iter().map(|(home,)| home).collect())
}

/// Withdraws a consent from this moment; `may_contact` says no from here on.
pub async fn withdraw(
    tx: &mut Tx,
    municipality: MunicipalityId,
    subject: Subject,
    id: ConsentId,
    how: How,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<()> {
    let (person, home) = subject.columns();
    let found: Option<(String,)> = opt!(
        tx,
        "SELECT purpose FROM consent WHERE municipality_id = $1 AND consent_id = $2 AND (person_id = $3 OR household_id = $4)",
        municipality,
        id,
        person,
        home
    )?;
    let Some((purpose,)) = found else {
        return Err(Error::not_found("consent-unknown", "there is no such consent of this person or home; look at the file again"));
    };
    let touched = run!(
        tx,
        "UPDATE consent SET withdrawn_at = $3, withdrawn_how = $4 WHERE municipality_id = $1 AND consent_id = $2 AND withdrawn_at IS NULL",
        municipality,
        id,
        to_micros(now),
        how.name()
    )?;
    if touched == 0 {
        return Err(Error::conflict("consent-withdrawn", "this consent was withdrawn already; look at the file again"));
    }
    let target = person.map(|id| id.to_string()).or(home.map(|id| id.to_string())).unwrap_or_default();
    let standing = standing(tx, municipality, Some(id)).await?;
    let detail = json!({"consent": id, "purpose": purpose, "how": how.name()});
    let detail = audit::leaving(detail, standing.into_iter().map(|(row, standing)| (row, standing.state)));
    audit::record(tx, municipality, now, audit::Entry { stream: STREAM, actor, action: "consent.withdrawn", target: &target, detail }).await
}
