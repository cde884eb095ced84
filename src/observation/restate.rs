//! What follows when the facts of places change: rounds to come are planned anew, and days that were counted by facts the present no longer
//! believes are counted again. A change that takes effect today touches today at most.

use super::{CHAIN, round, tally};
use crate::account::audit;
use crate::clock::Week;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{HouseholdId, MunicipalityId, NeighbourhoodId, OpId, RoundId, SegmentId};
use crate::observation::Stream;
use crate::territory::change::Changed;
use crate::territory::dated::in_force;
use crate::{all, one, run};
use chrono::{Days, NaiveDate};
use std::collections::{BTreeMap, BTreeSet};

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
    let turned = round::make(tx, municipality, since, tomorrow).await?;
    let mut touched = place_again(tx, municipality, since).await?;
    touched.extend(judge_again(tx, municipality, &turned).await?);
    tally::recompute(tx, municipality, &touched.into_iter().collect::<Vec<_>>()).await
}

async fn counted_since(tx: &mut Tx, municipality: MunicipalityId, day: NaiveDate) -> Result<i64> {
    let (counted,): (i64,) = one!(
        tx,
        "SELECT COUNT(*) FROM round d CROSS JOIN observation o
          WHERE d.municipality_id = $1 AND d.service_day >= $2 AND o.municipality_id = d.municipality_id AND o.round_id = d.round_id
            AND o.counted AND o.complied IS NOT NULL AND o.segment_id IS NOT NULL",
        municipality,
        day
    )?;
    Ok(counted)
}

/// The cells of homes that other facts of a day concern.
type Touched = BTreeSet<(Week, HouseholdId)>;

/// Gives every observation since a day the segment and the neighbourhood that the facts of its day give; answers the cells it touched.
pub(super) async fn place_again(tx: &mut Tx, municipality: MunicipalityId, since: NaiveDate) -> Result<Touched> {
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
    let mut touched = Touched::new();
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
    Ok(touched)
}

/// Gives the observations of these rounds the outcome that the round's stream gives; answers the cells it touched.
pub(super) async fn judge_again(tx: &mut Tx, municipality: MunicipalityId, rounds: &BTreeMap<RoundId, Stream>) -> Result<Touched> {
    let mut touched = Touched::new();
    for (round, stream) in rounds {
        for row in super::of_round(tx, municipality, *round).await? {
            let complied = row.outcome.complied(*stream);
            if complied != row.complied {
                run!(tx, "UPDATE observation SET complied = $3 WHERE municipality_id = $1 AND op_id = $2", municipality, row.op_id, complied)?;
                touched.insert((row.iso_week, row.household_id));
            }
        }
    }
    Ok(touched)
}
