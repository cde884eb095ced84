//! Looks: the planned days on which arms may be compared. Between them everybody sees pooled figures only; asking is logged.

use super::protocol::Protocol;
use crate::account::audit;
use crate::clock::{Week, local_day, to_micros};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{Mint, MunicipalityId};
use crate::{all, opt, run};
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Look {
    pub look: i32,
    /// The Wednesday on which its last week is published.
    pub opens_on: NaiveDate,
    pub data_through: Week,
    /// When its report was first made; empty until then.
    pub opened_at: Option<DateTime<Utc>>,
    pub opened_by: Option<String>,
    /// The report it was opened with.
    pub source_hash: Option<String>,
}

/// A request for a look outside the plan. It opens nothing.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Request {
    pub asked_at: DateTime<Utc>,
    pub asked_by: String,
    pub reason: String,
}

/// The planned looks, in order.
pub async fn all(tx: &mut Tx, trial_id: &str) -> Result<Vec<Look>> {
    all!(tx, "SELECT look, opens_on, data_through, opened_at, opened_by, source_hash FROM trial_look WHERE trial_id = $1 ORDER BY look", trial_id)
}

/// The hash of the report a look was opened with; none when it was not opened.
pub async fn opened_with(tx: &mut Tx, trial_id: &str, look: i32) -> Result<Option<String>> {
    let found: Option<(Option<String>,)> = opt!(tx, "SELECT source_hash FROM trial_look WHERE trial_id = $1 AND look = $2", trial_id, look)?;
    Ok(found.and_then(|(hash,)| hash))
}

/// The last look whose day has come.
pub fn current(looks: &[Look], today: NaiveDate) -> Option<&Look> {
    looks.iter().rfind(|look| look.opens_on <= today)
}

/// The first look whose day is still to come.
pub fn next(looks: &[Look], today: NaiveDate) -> Option<&Look> {
    looks.iter().find(|look| look.opens_on > today)
}

/// Opens a look, once, with the report and the data it will stand on for ever; refuses one whose day has not come.
pub async fn open(tx: &mut Tx, trial_id: &str, look: &Look, (source_hash, data): (&str, Value), now: DateTime<Utc>, actor: &str) -> Result<()> {
    if look.opens_on > local_day(now) {
        return Err(Error::refused(
            "look-closed",
            format!("look {} of trial {trial_id} opens on {}; until then only pooled figures are shown", look.look, look.opens_on),
        )
        .with("day", look.opens_on));
    }
    let opened = run!(
        tx,
        "UPDATE trial_look SET opened_at = $3, opened_by = $4, source_hash = $5 WHERE trial_id = $1 AND look = $2 AND opened_at IS NULL",
        trial_id,
        look.look,
        to_micros(now),
        actor,
        source_hash
    )?;
    if opened > 0 {
        run!(tx, "INSERT INTO trial_look_data (trial_id, look, data) VALUES ($1, $2, $3)", trial_id, look.look, data)?;
        let detail = json!({"look": look.look, "data_through": look.data_through, "source_hash": source_hash});
        audit::record(tx, MunicipalityId::NONE, now, audit::Entry { stream: "trial", actor, action: "look opened", target: trial_id, detail })
            .await?;
    }
    Ok(())
}

/// Logs that somebody asked to see the arms outside the plan. The arms stay closed.
pub async fn request(tx: &mut Tx, trial_id: &str, mint: &mut Mint, now: DateTime<Utc>, actor: &str, reason: &str) -> Result<()> {
    let reason = reason.trim();
    if reason.is_empty() {
        return Err(Error::refused("look-reason", "a look outside the plan needs its reason; write why the planned look cannot be waited for"));
    }
    if reason.chars().count() > 2000 {
        return Err(Error::refused("look-reason-long", "the reason is longer than 2,000 characters; shorten it"));
    }
    let id: Uuid = mint.id(now);
    run!(
        tx,
        "INSERT INTO trial_look_request (trial_id, request_id, asked_at, asked_by, reason) VALUES ($1, $2, $3, $4, $5)",
        trial_id,
        id,
        to_micros(now),
        actor,
        reason
    )?;
    // The reason is free text and may name somebody: the chain holds only which request it was.
    let detail = json!({"request": id});
    audit::record(tx, MunicipalityId::NONE, now, audit::Entry { stream: "trial", actor, action: "look requested", target: trial_id, detail }).await
}

/// Every request outside the plan, newest first.
pub async fn requests(tx: &mut Tx, trial_id: &str) -> Result<Vec<Request>> {
    all!(tx, "SELECT asked_at, asked_by, reason FROM trial_look_request WHERE trial_id = $1 ORDER BY asked_at DESC, request_id DESC", trial_id)
}

/// Writes the protocol's looks. After an amendment those that are still to come are planned anew; the others stay as they are.
pub(crate) async fn plan(tx: &mut Tx, protocol: &Protocol, amended_on: Option<NaiveDate>) -> Result<()> {
    if let Some(today) = amended_on {
        run!(tx, "DELETE FROM trial_look WHERE trial_id = $1 AND opened_at IS NULL AND opens_on > $2", &protocol.id, today)?;
    }
    for look in &protocol.looks {
        run!(
            tx,
            "INSERT INTO trial_look (trial_id, look, opens_on, data_through) VALUES ($1, $2, $3, $4) ON CONFLICT (trial_id, look) DO NOTHING",
            &protocol.id,
            look.look,
            protocol.look_opens(look),
            protocol.week(look.data_through)
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_current_look_is_the_last_whose_day_has_come() {
        let protocol = Protocol::parse(super::super::protocol::DEFAULT, "default").unwrap();
        let looks: Vec<Look> = protocol
            .looks
            .iter()
            .map(|look| Look {
                look: look.look,
                opens_on: protocol.look_opens(look),
                data_through: protocol.week(look.data_through),
                opened_at: None,
                opened_by: None,
                source_hash: None,
            })
            .collect();
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        assert_eq!(looks[0].opens_on, day("2026-11-18"));
        assert_eq!(current(&looks, day("2026-11-17")), None);
        assert_eq!(next(&looks, day("2026-11-17")).unwrap().look, 1);
        assert_eq!(current(&looks, day("2026-11-18")).unwrap().look, 1);
        assert_eq!(current(&looks, day("2027-06-01")).unwrap().look, 2);
        assert_eq!(next(&looks, day("2027-06-01")), None);
    }
}
