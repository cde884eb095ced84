//! What published weeks stand on, kept with every state they were published in.

use super::subtraction::{Published, Sums};
use crate::clock::Week;
use crate::db::Tx;
use crate::error::Result;
use crate::id::{HouseholdId, MunicipalityId, NeighbourhoodId};
use crate::{all, bulk, run};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

/// Takes what a week is published with for the first time from the tallies.
pub(super) async fn take(tx: &mut Tx, municipality: MunicipalityId, week: Week) -> Result<()> {
    let taken = run!(
        tx,
        "INSERT INTO published_home_week (municipality_id, iso_week, household_id, neighbourhood_id, from_revision, observed, set_out, complied)
         SELECT municipality_id, iso_week, household_id, neighbourhood_id, 1, SUM(observed), SUM(set_out), SUM(complied)
           FROM home_week WHERE municipality_id = $1 AND iso_week = $2 AND observed > 0
          GROUP BY municipality_id, iso_week, household_id, neighbourhood_id",
        municipality,
        week
    )?;
    if taken > 0 {
        run!(
            tx,
            "INSERT INTO published_week (municipality_id, iso_week, rewritten)
             VALUES ($1, $2, COALESCE((SELECT rewritten FROM tally_week WHERE municipality_id = $1 AND iso_week = $2), 0))",
            municipality,
            week
        )?;
    }
    Ok(())
}

/// The published weeks whose tallies were rewritten since they were last compared.
pub(super) async fn rewritten(tx: &mut Tx, municipality: MunicipalityId) -> Result<Vec<Week>> {
    let weeks: Vec<(Week,)> = all!(
        tx,
        "SELECT p.iso_week FROM published_week p
           JOIN tally_week t ON t.municipality_id = p.municipality_id AND t.iso_week = p.iso_week
          WHERE p.municipality_id = $1 AND t.rewritten <> p.rewritten ORDER BY p.iso_week",
        municipality
    )?;
    Ok(weeks.into_iter().map(|(week,)| week).collect())
}

/// Notes whether a running trial hides something of a week.
pub(super) async fn blinded(tx: &mut Tx, municipality: MunicipalityId, week: Week, blinded: bool) -> Result<()> {
    run!(tx, "UPDATE published_week SET blinded = $3 WHERE municipality_id = $1 AND iso_week = $2", municipality, week, blinded)?;
    Ok(())
}

/// The weeks of which a trial hides something, or lets a change wait.
pub(super) async fn kept_blind(tx: &mut Tx, municipality: MunicipalityId) -> Result<Vec<Week>> {
    let weeks: Vec<(Week,)> = all!(
        tx,
        "SELECT iso_week FROM published_week WHERE municipality_id = $1 AND (blinded OR waiting LIKE '%one_arm%') ORDER BY iso_week",
        municipality
    )?;
    Ok(weeks.into_iter().map(|(week,)| week).collect())
}

/// Every published week.
pub(super) async fn weeks(tx: &mut Tx, municipality: MunicipalityId) -> Result<Vec<Week>> {
    let weeks: Vec<(Week,)> = all!(tx, "SELECT iso_week FROM published_week WHERE municipality_id = $1 ORDER BY iso_week", municipality)?;
    Ok(weeks.into_iter().map(|(week,)| week).collect())
}

/// One home in one neighbourhood in a week.
pub(super) type Key = (HouseholdId, NeighbourhoodId);

/// A week as it was published, revision by revision, and as the tallies have it now.
pub(super) struct Basis {
    pub past: Vec<(NeighbourhoodId, Published)>,
    pub now: BTreeMap<Key, Sums>,
    /// Codes of the neighbourhoods.
    pub codes: BTreeMap<NeighbourhoodId, String>,
}

impl Basis {
    pub async fn read(tx: &mut Tx, municipality: MunicipalityId, week: Week) -> Result<Basis> {
        let codes: Vec<(NeighbourhoodId, String)> =
            all!(tx, "SELECT neighbourhood_id, code FROM neighbourhood WHERE municipality_id = $1", municipality)?;
        let codes: BTreeMap<NeighbourhoodId, String> = codes.into_iter().collect();
        type Row = (HouseholdId, NeighbourhoodId, i32, Option<i32>, i32, i32, i32);
        let rows: Vec<Row> = all!(
            tx,
            "SELECT household_id, neighbourhood_id, from_revision, to_revision, observed, set_out, complied FROM published_home_week
             WHERE municipality_id = $1 AND iso_week = $2",
            municipality,
            week
        )?;
        let past = rows.into_iter().map(|(home, place, from, to, observed, set_out, complied)| {
            let area = codes.get(&place).cloned().unwrap_or_default();
            (place, Published { home, area, from, to, sums: [observed, set_out, complied].map(i64::from) })
        });
        let past = past.collect();
        let rows: Vec<(HouseholdId, NeighbourhoodId, i64, i64, i64)> = all!(
            tx,
            "SELECT household_id, neighbourhood_id, CAST(SUM(observed) AS BIGINT), CAST(SUM(set_out) AS BIGINT), CAST(SUM(complied) AS BIGINT)
               FROM home_week WHERE municipality_id = $1 AND iso_week = $2 AND observed > 0 GROUP BY household_id, neighbourhood_id",
            municipality,
            week
        )?;
        let now = rows.into_iter().map(|(home, place, observed, set_out, complied)| ((home, place), [observed, set_out, complied])).collect();
        Ok(Basis { past, now, codes })
    }

    /// What changes when the current sums of these areas are taken in: home, neighbourhood, and the new sums where there are any.
    pub fn changes(&self, within: impl Fn(&str) -> bool) -> Vec<(Key, Option<Sums>)> {
        let last: BTreeMap<Key, Sums> =
            self.past.iter().filter(|(_, row)| row.to.is_none()).map(|(place, row)| ((row.home, *place), row.sums)).collect();
        let keys: std::collections::BTreeSet<&Key> = last.keys().chain(self.now.keys()).collect();
        let differs = keys.into_iter().filter(|key| self.codes.get(&key.1).is_some_and(|code| within(code)) && last.get(*key) != self.now.get(*key));
        differs.map(|key| (*key, self.now.get(key).copied())).collect()
    }
}

/// Lets a week stand on other sums from a revision on.
pub(super) async fn replace(tx: &mut Tx, municipality: MunicipalityId, week: Week, revision: i32, changes: &[(Key, Option<Sums>)]) -> Result<()> {
    for ((home, place), _) in changes {
        run!(
            tx,
            "UPDATE published_home_week SET to_revision = $5
              WHERE municipality_id = $1 AND iso_week = $2 AND household_id = $3 AND neighbourhood_id = $4 AND to_revision IS NULL",
            municipality,
            week,
            *home,
            *place,
            revision - 1
        )?;
    }
    let rows: Vec<(Key, Sums)> = changes.iter().filter_map(|(key, sums)| Some((*key, (*sums)?))).collect();
    bulk!(
        tx,
        "INSERT INTO published_home_week (municipality_id, iso_week, household_id, neighbourhood_id, from_revision, observed, set_out, complied)",
        rows,
        |row| [municipality, week, row.0.0, row.0.1, revision, row.1[0] as i32, row.1[1] as i32, row.1[2] as i32],
        ""
    )?;
    Ok(())
}

/// Notes that a week was compared with the tallies, and what is not published of it.
pub(super) async fn compared(tx: &mut Tx, municipality: MunicipalityId, week: Week, waiting: Option<&str>, now: DateTime<Utc>) -> Result<()> {
    run!(
        tx,
        "UPDATE published_week SET
           rewritten = COALESCE((SELECT t.rewritten FROM tally_week t WHERE t.municipality_id = $1 AND t.iso_week = $2), 0),
           waiting_since = CASE WHEN CAST($3 AS TEXT) IS NULL THEN NULL ELSE COALESCE(waiting_since, $4) END,
           waiting = $3
         WHERE municipality_id = $1 AND iso_week = $2",
        municipality,
        week,
        waiting,
        now
    )?;
    Ok(())
}
