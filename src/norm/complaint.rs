//! Complaints about messages: of which home, when and how it came. What was said stays with whoever heard it.

use crate::account::audit;
use crate::clock::{Week, at_local, to_micros};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{HouseholdId, Mint, MunicipalityId};
use crate::trial::Trial;
use crate::{one, run};
use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

/// How a complaint may come.
pub const HOW: [&str; 4] = ["visit", "phone", "reply", "desk"];

/// Records one. `received_at` may be earlier than `now`, never later.
pub async fn record(
    tx: &mut Tx,
    municipality: MunicipalityId,
    household: HouseholdId,
    (how, received_at): (&str, DateTime<Utc>),
    actor: &str,
    mint: &mut Mint,
    now: DateTime<Utc>,
) -> Result<()> {
    if !HOW.contains(&how) {
        return Err(Error::refused("complaint-how", format!("«{how}» is not a way a complaint comes; use one of {}", HOW.join(", "))));
    }
    if received_at > now {
        return Err(Error::refused("complaint-day", "a complaint cannot come on a day that is not there yet; write the day it came"));
    }
    let id: Uuid = mint.id(now);
    run!(
        tx,
        "INSERT INTO complaint (municipality_id, complaint_id, household_id, received_at, how, recorded_by) VALUES ($1, $2, $3, $4, $5, $6)",
        municipality,
        id,
        household,
        to_micros(received_at),
        how,
        actor
    )?;
    let (target, detail) = (household.to_string(), json!({"complaint": id, "how": how}));
    audit::record(tx, municipality, now, audit::Entry { stream: super::campaign::STREAM, actor, action: "complaint", target: &target, detail }).await
}

/// Homes that complained since the first day of a week, in the municipalities of a trial.
pub async fn since(tx: &mut Tx, trial: &Trial, week: Week) -> Result<i64> {
    let mut homes = 0;
    for &municipality in &trial.protocol.municipalities {
        let (n,): (i64,) = one!(
            tx,
            "SELECT COUNT(DISTINCT household_id) FROM complaint WHERE municipality_id = $1 AND received_at >= $2",
            municipality,
            at_local(week.monday(), 0, 0)
        )?;
        homes += n;
    }
    Ok(homes)
}
