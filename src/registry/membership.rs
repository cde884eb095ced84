//! Where a person lives: dated, never overwritten. A move ends one row and starts another; days are half-open, from included, to not.

use super::{STREAM, choice};
use crate::account::audit;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{HouseholdId, MunicipalityId, PersonId};
use crate::{all, run};
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::json;

choice!(Relation {
    Head = "head", Partner = "partner", Child = "child", Parent = "parent", Sibling = "sibling",
    OtherRelative = "other_relative", NotRelated = "not_related", Unknown = "unknown",
});

#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Membership {
    pub valid_from: NaiveDate,
    pub valid_to: Option<NaiveDate>,
    pub home_municipality_id: MunicipalityId,
    pub household_id: HouseholdId,
    pub relation: String,
    pub recorded_by: String,
    pub recorded_at: DateTime<Utc>,
}

/// All homes of a person, the newest first.
pub async fn of_person(tx: &mut Tx, municipality: MunicipalityId, person: PersonId) -> Result<Vec<Membership>> {
    all!(
        tx,
        "SELECT valid_from, valid_to, home_municipality_id, household_id, relation, recorded_by, recorded_at
         FROM household_member WHERE municipality_id = $1 AND person_id = $2 ORDER BY valid_from DESC",
        municipality,
        person
    )
}

/// Who lives in a home on a day, wherever they were first registered.
pub async fn residents(tx: &mut Tx, home_municipality: MunicipalityId, home: HouseholdId, on: NaiveDate) -> Result<Vec<(MunicipalityId, PersonId)>> {
    all!(
        tx,
        "SELECT m.municipality_id, m.person_id FROM household_member m
         JOIN person p ON p.municipality_id = m.municipality_id AND p.person_id = m.person_id
         WHERE m.home_municipality_id = $1 AND m.household_id = $2 AND m.valid_from <= $3 AND (m.valid_to IS NULL OR m.valid_to > $3)
         ORDER BY m.municipality_id, m.person_id",
        home_municipality,
        home,
        on
    )
}

/// The home a person moves to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    pub home_municipality: MunicipalityId,
    pub household: HouseholdId,
    pub relation: Relation,
    pub from: NaiveDate,
}

/// Ends the present membership on the day of the move and starts the new one. The same home and relation again changes nothing.
/// Answers whether anything changed.
pub async fn move_to(tx: &mut Tx, municipality: MunicipalityId, person: PersonId, to: Move, actor: &str, now: DateTime<Utc>) -> Result<bool> {
    let known = of_person(tx, municipality, person).await?;
    if let Some(last) = known.first() {
        let same = last.valid_to.is_none() && last.household_id == to.household && last.relation == to.relation.name();
        if same {
            return Ok(false);
        }
        if to.from <= last.valid_from {
            return Err(Error::refused(
                "membership-order",
                format!("this person's present home counts from {}; give a later day for the move", last.valid_from),
            )
            .with("from", crate::clock::show_day(last.valid_from)));
        }
        run!(
            tx,
            "UPDATE household_member SET valid_to = $3 WHERE municipality_id = $1 AND person_id = $2 AND valid_to IS NULL",
            municipality,
            person,
            to.from
        )?;
    }
    run!(
        tx,
        "INSERT INTO household_member (municipality_id, person_id, valid_from, valid_to, home_municipality_id, household_id, relation, recorded_by, recorded_at)
         VALUES ($1, $2, $3, NULL, $4, $5, $6, $7, $8)",
        municipality,
        person,
        to.from,
        to.home_municipality,
        to.household,
        to.relation.name(),
        actor,
        now
    )?;
    let entry = audit::Entry {
        stream: STREAM,
        actor,
        action: "person.moved",
        target: &person.to_string(),
        detail: json!({"home_municipality": to.home_municipality.to_string(), "household": to.household, "relation": to.relation.name(), "from": to.from}),
    };
    audit::record(tx, municipality, now, entry).await?;
    Ok(true)
}
