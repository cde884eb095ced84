//! What follows when the facts of places change: rounds to come are planned anew, and days that were counted by facts the present no longer
//! believes are counted again. A change that takes effect today touches today at most.

use super::{CHAIN, round, tally};
use crate::account::audit;
use crate::clock::Week;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{HouseholdId, MunicipalityId, NeighbourhoodId, OpId, RoundId, SegmentId};
use crate::observation::{Outcome, Stream};
use crate::territory::command::Changed;
use crate::territory::dated::in_force;
use crate::{all, one, run};
use chrono::{Days, NaiveDate};
use std::collections::BTreeSet;

/// Plans the rounds from the change to tomorrow anew and counts again what they stand on. Days that were counted change only for a reason.
pub async fn facts_changed(tx: &mut Tx, changed: Changed<'_>) -> Result<()> {
    let Changed { municipality, since, reason, today, what, .. } = changed;
    if since < today && reason.is_none() {
        let counted = counted_since(tx, municipality, since).await?;
        if counted > 0 {
            return Err(Error::refused(
                "past-needs-reason",
                format!(
                    "{what}: it changes days since {since} in {municipality}, on which {counted} collections were counted; that corrects the past: add --reason, or give days from {today} on"
                ),
            ));
        }
    }
    let tomorrow = today + Days::new(1);
    if since > tomorrow {
        return Ok(());
    }
    if tx.is_postgres() {
        audit::hold(tx, municipality, CHAIN).await?;
    }
    round::make(tx, municipality, since, tomorrow).await?;
    let touched = restamp(tx, municipality, since).await?;
    tally::recompute(tx, municipality, &touched.into_iter().collect::<Vec<_>>()).await
}

async fn counted_since(tx: &mut Tx, municipality: MunicipalityId, day: NaiveDate) -> Result<i64> {
    let (counted,): (i64,) = one!(
        tx,
        "SELECT CAST(COALESCE(SUM(observed), 0) AS BIGINT) FROM segment_week WHERE municipality_id = $1 AND iso_week >= $2",
        municipality,
        Week::of(day)
    )?;
    Ok(counted)
}

/// Gives every observation since a day the segment, the neighbourhood and the outcome that the facts of its day give; answers the cells it
/// touched.
pub async fn restamp(tx: &mut Tx, municipality: MunicipalityId, since: NaiveDate) -> Result<BTreeSet<(Week, HouseholdId)>> {
    type Row = (OpId, Week, HouseholdId, Option<SegmentId>, Option<NeighbourhoodId>);
    let other: Vec<Row> = all!(
        tx,
        concat!(
            "SELECT o.op_id, o.iso_week, o.household_id, s.segment_id, s.neighbourhood_id
               FROM round d CROSS JOIN observation o
               LEFT JOIN household_version v ON v.municipality_id = o.municipality_id AND v.household_id = o.household_id AND v.service_status = 'served'
                AND ",
            in_force!("v", "d.service_day"),
            " LEFT JOIN segment_version s ON s.municipality_id = v.municipality_id AND s.segment_id = v.segment_id AND ",
            in_force!("s", "d.service_day"),
            " WHERE d.municipality_id = $1 AND d.service_day >= $2 AND o.municipality_id = d.municipality_id AND o.round_id = d.round_id
                AND (o.segment_id IS DISTINCT FROM s.segment_id OR o.neighbourhood_id IS DISTINCT FROM s.neighbourhood_id)"
        ),
        municipality,
        since
    )?;
    let mut touched = BTreeSet::new();
    for (op, week, home, segment, neighbourhood) in other {
        run!(
            tx,
            "UPDATE observation SET segment_id = $3, neighbourhood_id = $4 WHERE municipality_id = $1 AND op_id = $2",
            municipality,
            op,
            segment,
            neighbourhood
        )?;
        touched.insert((week, home));
    }
    let rounds: Vec<(RoundId, Stream)> =
        all!(tx, "SELECT round_id, stream FROM round WHERE municipality_id = $1 AND service_day >= $2", municipality, since)?;
    for (round, stream) in rounds {
        type Judged = (OpId, Week, HouseholdId, Option<i16>);
        let rows: Vec<(OpId, Week, HouseholdId, Option<i16>, Outcome)> = super::of_round(tx, municipality, round)
            .await?
            .into_iter()
            .map(|row| (row.op_id, row.iso_week, row.household_id, row.complied, row.outcome))
            .collect();
        let other: Vec<Judged> = rows
            .into_iter()
            .filter_map(|(op, week, home, complied, outcome)| {
                let again = outcome.complied(stream);
                (again != complied).then_some((op, week, home, again))
            })
            .collect();
        for (op, week, home, complied) in other {
            run!(tx, "UPDATE observation SET complied = $3 WHERE municipality_id = $1 AND op_id = $2", municipality, op, complied)?;
            touched.insert((week, home));
        }
    }
    Ok(touched)
}
