//! Homes a trial wrote to, and those of them that asked for no more, by arm.

use crate::clock::{Week, at_local};
use crate::db::Tx;
use crate::error::Result;
use crate::id::HouseholdId;
use crate::registry::consent;
use crate::trial::Trial;
use crate::{all, among};
use std::collections::BTreeMap;

/// Homes by arm that withdrew from messages in a week, of those the trial had written to.
pub async fn opted_out(tx: &mut Tx, trial: &Trial, week: Week) -> Result<BTreeMap<String, i64>> {
    let mut arms = BTreeMap::new();
    for &municipality in &trial.protocol.municipalities {
        let homes = consent::withdrew(tx, municipality, at_local(week.monday(), 0, 0), at_local(week.plus(1).monday(), 0, 0)).await?;
        let rows: Vec<(String, HouseholdId)> = among!(
            tx,
            "WITH asked (municipality_id, household_id, trial_id, iso_week) AS (",
            homes,
            |home| [municipality, *home, trial.id.as_str(), week],
            ") SELECT DISTINCT m.arm, m.household_id FROM asked CROSS JOIN message m
                WHERE m.municipality_id = asked.municipality_id AND m.household_id = asked.household_id AND m.trial_id = asked.trial_id
                  AND m.iso_week <= asked.iso_week AND m.state NOT IN ('withheld', 'queued', 'expired')"
        )?;
        rows.into_iter().for_each(|(arm, _)| *arms.entry(arm).or_default() += 1);
    }
    Ok(arms)
}

/// Homes by arm that the trial wrote to.
pub async fn written_to(tx: &mut Tx, trial: &Trial, (first, last): (Week, Week)) -> Result<BTreeMap<String, i64>> {
    let mut arms = BTreeMap::new();
    for &municipality in &trial.protocol.municipalities {
        let rows: Vec<(String, i64)> = all!(
            tx,
            "SELECT arm, COUNT(DISTINCT household_id) FROM message
              WHERE municipality_id = $1 AND trial_id = $2 AND iso_week BETWEEN $3 AND $4 AND state NOT IN ('withheld', 'queued', 'expired')
              GROUP BY arm",
            municipality,
            &trial.id,
            first,
            last
        )?;
        rows.into_iter().for_each(|(arm, n)| *arms.entry(arm).or_default() += n);
    }
    Ok(arms)
}
