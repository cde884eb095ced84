//! The kill switch of a campaign: from the next message on nothing leaves, until a person resumes it. Every pause is kept with its end.

use super::campaign::STREAM;
use super::draft::step_of;
use crate::account::audit;
use crate::clock::{Week, to_micros};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::MunicipalityId;
use crate::language::Words;
use crate::trial::Trial;
use crate::trial::protocol::Phase;
use crate::{all, opt, run};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;

#[derive(Debug, Clone, PartialEq, Serialize, sqlx::FromRow)]
pub struct Paused {
    pub at: DateTime<Utc>,
    pub who: String,
    pub why: String,
}

pub async fn paused(tx: &mut Tx, municipality: MunicipalityId, campaign_id: &str) -> Result<Option<Paused>> {
    opt!(
        tx,
        "SELECT paused_at AS at, COALESCE(paused_by, '') AS who, COALESCE(paused_why, '') AS why FROM campaign
          WHERE municipality_id = $1 AND campaign_id = $2 AND paused_at IS NOT NULL",
        municipality,
        campaign_id
    )
}

/// The reason that stands where a rule of the protocol paused a campaign.
pub fn stopped_by(rule: &str, week: Week) -> String {
    format!("{RULE}{rule} {week}")
}

const RULE: &str = "stop rule: ";

/// A reason as a page says it.
pub fn why_shown(words: &Words, why: &str) -> String {
    match why.strip_prefix(RULE).and_then(|rest| rest.split_once(' ')) {
        Some((rule, week)) => words.tell(&format!("norm-stopped-{}", rule.replace('_', "-")), &[("week", week.to_owned().into())]),
        None => why.to_owned(),
    }
}

/// What is asked of a campaign.
#[derive(Debug, Clone, Copy)]
pub enum Change<'a> {
    Pause(&'a str),
    /// Why it goes on; may be left out only where a person paused it.
    Resume(Option<&'a str>),
}

pub async fn change(
    tx: &mut Tx,
    trial: &Trial,
    municipality: MunicipalityId,
    campaign_id: &str,
    change: Change<'_>,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<()> {
    if !trial.protocol.campaigns.contains_key(campaign_id) {
        step_of(&trial.protocol, campaign_id, trial.protocol.phase_weeks(Phase::Messages).0)?;
    }
    let now = to_micros(now);
    let before = paused(tx, municipality, campaign_id).await?;
    let why = match change {
        Change::Pause(why) => {
            run!(
                tx,
                "INSERT INTO campaign (municipality_id, campaign_id, trial_id, paused_at, paused_by, paused_why) VALUES ($1, $2, $3, $4, $5, $6)
                      ON CONFLICT (municipality_id, campaign_id)
                      DO UPDATE SET paused_at = excluded.paused_at, paused_by = excluded.paused_by, paused_why = excluded.paused_why",
                municipality,
                campaign_id,
                &trial.id,
                now,
                actor,
                why
            )?;
            end(tx, municipality, campaign_id, actor, Some(why), now).await?;
            run!(
                tx,
                "INSERT INTO campaign_pause (municipality_id, campaign_id, paused_at, trial_id, paused_by, why) VALUES ($1, $2, $3, $4, $5, $6)",
                municipality,
                campaign_id,
                now,
                &trial.id,
                actor,
                why
            )?;
            Some(why)
        }
        Change::Resume(why) => {
            let why = why.map(str::trim).filter(|why| !why.is_empty());
            if why.is_none() && before.is_some_and(|paused| paused.why.starts_with(RULE)) {
                return Err(Error::refused(
                    "resume-reason",
                    format!(
                        "campaign {campaign_id} in {municipality}: a rule of its protocol stopped it; say why it may go on, with --resume --reason TEXT"
                    ),
                ));
            }
            run!(
                tx,
                "UPDATE campaign SET paused_at = NULL, paused_by = NULL, paused_why = NULL WHERE municipality_id = $1 AND campaign_id = $2",
                municipality,
                campaign_id
            )?;
            end(tx, municipality, campaign_id, actor, why, now).await?;
            why
        }
    };
    let action = if matches!(change, Change::Pause(_)) { "campaign.paused" } else { "campaign.resumed" };
    let detail = json!({"campaign": campaign_id, "why": why});
    audit::record(tx, municipality, now, audit::Entry { stream: STREAM, actor, action, target: &trial.id, detail }).await
}

/// Ends the pause that stands, if one does.
async fn end(tx: &mut Tx, municipality: MunicipalityId, campaign_id: &str, actor: &str, why: Option<&str>, now: DateTime<Utc>) -> Result<()> {
    run!(
        tx,
        "UPDATE campaign_pause SET resumed_at = $3, resumed_by = $4, resumed_why = $5
          WHERE municipality_id = $1 AND campaign_id = $2 AND resumed_at IS NULL",
        municipality,
        campaign_id,
        now,
        actor,
        why
    )?;
    Ok(())
}

/// One pause of a trial's campaign, and the messages that were due in it and never left.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Pause {
    pub campaign_id: String,
    pub paused_at: DateTime<Utc>,
    pub paused_by: String,
    pub why: String,
    pub resumed_at: Option<DateTime<Utc>>,
    pub resumed_why: Option<String>,
}

/// Every pause of a trial in a municipality that began by `until`, oldest first.
pub async fn of_trial(tx: &mut Tx, municipality: MunicipalityId, trial_id: &str, until: DateTime<Utc>) -> Result<Vec<Pause>> {
    all!(
        tx,
        "SELECT campaign_id, paused_at, paused_by, why, resumed_at, resumed_why FROM campaign_pause
          WHERE municipality_id = $1 AND trial_id = $2 AND paused_at < $3 ORDER BY paused_at, campaign_id",
        municipality,
        trial_id,
        until
    )
}

/// Messages of a campaign that a pause kept from leaving, by arm: they ran out before they could.
pub async fn kept_back(tx: &mut Tx, municipality: MunicipalityId, pause: &Pause, until: DateTime<Utc>) -> Result<Vec<(String, i64)>> {
    let (from, to) = (pause.paused_at, pause.resumed_at.unwrap_or(until).min(until));
    let weeks = (Week::of(crate::clock::local_day(from)), Week::of(crate::clock::local_day(to)));
    all!(
        tx,
        "SELECT arm, COUNT(*) FROM message
          WHERE municipality_id = $1 AND iso_week BETWEEN $2 AND $3 AND campaign_id = $4 AND send_after < $6 AND expires_at > $5
            AND state IN ('expired', 'queued') GROUP BY arm ORDER BY arm",
        municipality,
        weeks.0,
        weeks.1,
        &pause.campaign_id,
        from,
        to
    )
}
