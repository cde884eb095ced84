//! A campaign's week: norms frozen, every home's message written into the outbox once. Nothing is sent here.

use super::draft::{Draft, Outcome, WeekFacts, step_of};
use super::pause::paused;
use super::record;
use super::verify::Written;
use crate::account::audit;
use crate::app::App;
use crate::clock::{Week, to_micros};
use crate::db::Tx;
use crate::error::{Error, Kind, Result};
use crate::id::{HouseholdId, MessageId, Mint, MunicipalityId};
use crate::trial::{self, Trial};
use crate::{all, bulk, opt, run};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Audit stream of campaigns: runs, pauses, and who looked at why a home gets its text.
pub const STREAM: &str = "campaign";

/// What one run did. A second run of the same week adds nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RunSummary {
    pub municipality: String,
    pub campaign: String,
    pub week: String,
    pub trial_week: i64,
    /// Homes of assigned segments, and those that had their row already.
    pub homes: usize,
    pub already: usize,
    pub queued: usize,
    /// Reasons a home is not written to, with how many.
    pub withheld: BTreeMap<String, usize>,
    /// Rules that fired, with how many.
    pub rules: BTreeMap<String, usize>,
    /// Norms frozen by this run; none when those of the week still hold.
    pub norms: usize,
}

/// Writes one week's messages of one municipality into the outbox.
///
/// Refused outside the messages phase, before the draw, and while the campaign is paused. Run it on the Monday of the week, before the
/// first evening; a message whose collection has already begun is recorded as expired and never sent.
#[expect(clippy::too_many_arguments, reason = "which campaign, where, when, and where identities come from")]
pub async fn run(
    _: &App,
    tx: &mut Tx,
    trial: &Trial,
    municipality: MunicipalityId,
    campaign_id: &str,
    week: Week,
    mint: &mut Mint,
    now: DateTime<Utc>,
) -> Result<RunSummary> {
    let now = to_micros(now);
    let (trial_week, _) = step_of(&trial.protocol, campaign_id, week)?;
    if trial.assigned_at.is_none() {
        return Err(Error::refused("trial-unassigned", format!("trial {}: its arms are not drawn; run `vecino trial assign` first", trial.id)));
    }
    // Creates the row on first use and, on PostgreSQL, makes two runs of one campaign wait for each other.
    run!(
        tx,
        "INSERT INTO campaign (municipality_id, campaign_id, trial_id) VALUES ($1, $2, $3)
              ON CONFLICT (municipality_id, campaign_id) DO UPDATE SET trial_id = campaign.trial_id",
        municipality,
        campaign_id,
        &trial.id
    )?;
    if let Some(paused) = paused(tx, municipality, campaign_id).await? {
        return Err(Error::new(
            Kind::Conflict,
            "campaign-paused",
            format!(
                "campaign {campaign_id} in {municipality} is paused ({}); resume it with `vecino campaign pause {campaign_id} --resume`",
                paused.why
            ),
        ));
    }
    let facts = WeekFacts::load(tx, trial, municipality, campaign_id, week, None, now).await?;
    let mut summary = RunSummary {
        municipality: municipality.to_string(),
        campaign: campaign_id.to_owned(),
        week: week.to_string(),
        trial_week,
        ..RunSummary::default()
    };
    if !facts.norms_are_stored {
        record::store(tx, municipality, &trial.id, &facts.norms).await?;
        summary.norms = facts.norms.len();
    }
    let existing: Vec<(HouseholdId,)> = all!(
        tx,
        "SELECT household_id FROM message WHERE municipality_id = $1 AND trial_id = $2 AND iso_week = $3 AND campaign_id = $4 AND step = $5",
        municipality,
        &trial.id,
        week,
        campaign_id,
        trial_week as i32
    )?;
    let existing: BTreeSet<HouseholdId> = existing.into_iter().map(|(home,)| home).collect();
    let mut rows: Vec<(MessageId, Draft)> = Vec::with_capacity(facts.homes.len());
    for home in &facts.homes {
        if facts.arm(home).is_none() {
            continue;
        }
        summary.homes += 1;
        if existing.contains(&home.household_id) {
            summary.already += 1;
            continue;
        }
        let Some(draft) = facts.draft(home) else { continue };
        summary.count(&draft);
        rows.push((mint.id(now), draft));
    }
    let written = store(tx, trial, municipality, campaign_id, week, trial_week as i32, &rows, now).await?;
    let mut detail = json!({"campaign": campaign_id, "week": week.to_string(), "homes": summary.homes, "queued": summary.queued,
        "withheld": summary.withheld.values().sum::<usize>(), "norms": summary.norms});
    detail[audit::ROWS] = json!(written);
    audit::record(
        tx,
        municipality,
        now,
        audit::Entry { stream: STREAM, actor: "vecino campaign", action: "campaign.run", target: &trial.id, detail },
    )
    .await?;
    Ok(summary)
}

/// Writes this week's messages wherever they are due and not written yet; for the server, which asks every minute. Answers how many runs
/// it made. Outside the messages phase, before the draw and while paused there is nothing to do.
pub async fn run_due(app: &App) -> Result<usize> {
    let week = Week::of(app.clock.today());
    let mut tx = app.db.read().await?;
    let mut due = Vec::new();
    for trial in trial::all(&mut tx).await? {
        for campaign_id in trial.protocol.campaigns.keys() {
            if trial.assigned_at.is_none() || step_of(&trial.protocol, campaign_id, week).is_err() {
                continue;
            }
            for &municipality in &trial.protocol.municipalities {
                let written: Option<(i32,)> = opt!(
                    tx,
                    "SELECT step FROM message WHERE municipality_id = $1 AND trial_id = $2 AND iso_week = $3 AND campaign_id = $4 LIMIT 1",
                    municipality,
                    &trial.id,
                    week,
                    campaign_id
                )?;
                if written.is_none() && paused(&mut tx, municipality, campaign_id).await?.is_none() {
                    due.push((trial.clone(), municipality, campaign_id.clone()));
                }
            }
        }
    }
    drop(tx);
    let mut runs = 0;
    for (trial, municipality, campaign_id) in &due {
        let made = async {
            let mut tx = app.db.write().await?;
            run(app, &mut tx, trial, *municipality, campaign_id, week, &mut Mint::system(), app.clock.now()).await?;
            tx.commit().await
        };
        match made.await {
            Ok(()) => runs += 1,
            // One that fails keeps nobody else's messages.
            Err(error) => {
                tracing::error!(trial = trial.id, %municipality, code = error.code, line = %error, "the week's messages could not be written")
            }
        }
    }
    Ok(runs)
}

impl RunSummary {
    fn count(&mut self, draft: &Draft) {
        match &draft.outcome {
            Outcome::Text(_) => {
                self.queued += 1;
                *self.rules.entry(draft.rule.to_owned()).or_default() += 1;
            }
            Outcome::Withheld(reason) => *self.withheld.entry(reason.clone()).or_default() += 1,
        }
    }
}

/// What a run of that week would do to an empty outbox. Writes nothing.
pub fn would_run(facts: &WeekFacts, municipality: MunicipalityId, campaign_id: &str) -> RunSummary {
    let mut summary = RunSummary {
        municipality: municipality.to_string(),
        campaign: campaign_id.to_owned(),
        week: facts.week.to_string(),
        trial_week: facts.trial_week,
        norms: if facts.norms_are_stored { 0 } else { facts.norms.len() },
        ..RunSummary::default()
    };
    for draft in facts.homes.iter().filter_map(|home| facts.draft(home)) {
        summary.homes += 1;
        summary.count(&draft);
    }
    summary
}

/// Answers how many rows are new.
#[expect(clippy::too_many_arguments, reason = "the columns that all rows share")]
async fn store(
    tx: &mut Tx,
    trial: &Trial,
    municipality: MunicipalityId,
    campaign_id: &str,
    week: Week,
    step: i32,
    rows: &[(MessageId, Draft)],
    now: DateTime<Utc>,
) -> Result<u64> {
    let text = |draft: &Draft| match &draft.outcome {
        Outcome::Text(rendered) => Some(rendered.text.clone()),
        Outcome::Withheld(_) => None,
    };
    let septets = |draft: &Draft| match &draft.outcome {
        Outcome::Text(rendered) => rendered.septets.map(|n| n as i32),
        Outcome::Withheld(_) => None,
    };
    // Without an allowed hour the row stands on the week's last day.
    let due = |draft: &Draft| draft.slot.map_or(week.sunday(), |slot| slot.due_on);
    let send = |draft: &Draft| draft.slot.map_or(now, |slot| slot.send_after);
    let expires = |draft: &Draft| draft.slot.map_or(now, |slot| slot.expires_at);
    let state = |draft: &Draft| match &draft.outcome {
        Outcome::Withheld(reason) => ("withheld", Some(reason.clone())),
        Outcome::Text(_) if expires(draft) <= now => ("expired", Some("too-late".to_owned())),
        Outcome::Text(_) => ("queued", None),
    };
    let keys = tx.record_keys()?;
    let seal = |(message, draft): &(MessageId, Draft)| {
        let written = Written {
            municipality_id: municipality,
            message_id: *message,
            household_id: draft.household,
            trial_id: trial.id.clone(),
            campaign_id: campaign_id.to_owned(),
            step,
            due_on: due(draft),
            iso_week: week,
            channel: draft.channel.into(),
            arm: draft.arm.clone(),
            wording: draft.wording.clone(),
            rule: draft.rule.into(),
            norm_id: draft.norm,
            plan_id: draft.plan,
            language: draft.language.clone(),
            body: text(draft),
            septets: septets(draft),
            segments: septets(draft).map(|_| 1),
            expires_at: expires(draft),
        };
        let (begins, reason) = state(draft);
        keys.row(&written.fields(begins, reason.as_deref()))
    };
    bulk!(
        tx,
        "INSERT INTO message (municipality_id, message_id, household_id, trial_id, campaign_id, step, due_on, iso_week, channel, arm, wording, rule,
            norm_id, plan_id, language, body, septets, segments, state, state_reason, state_at, send_after, expires_at, attempts, row_mac)",
        rows,
        |row| [
            municipality,
            row.0,
            row.1.household,
            trial.id.clone(),
            campaign_id.to_owned(),
            step,
            due(&row.1),
            week,
            row.1.channel,
            row.1.arm.clone(),
            row.1.wording.clone(),
            row.1.rule,
            row.1.norm,
            row.1.plan,
            row.1.language.clone(),
            text(&row.1),
            septets(&row.1),
            septets(&row.1).map(|_| 1i16),
            state(&row.1).0,
            state(&row.1).1,
            now,
            send(&row.1),
            expires(&row.1),
            0i16,
            seal(row)
        ],
        "ON CONFLICT (municipality_id, household_id, campaign_id, step, due_on, channel) DO NOTHING"
    )
}

/// Messages by week and state, and why some are not sent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WeekStatus {
    pub week: String,
    pub trial_week: i64,
    pub states: BTreeMap<String, i64>,
    /// By reason: those of the state withheld.
    pub withheld: BTreeMap<String, i64>,
}

pub async fn status(tx: &mut Tx, trial: &Trial, municipality: MunicipalityId, campaign_id: &str) -> Result<Vec<WeekStatus>> {
    let rows: Vec<(Week, String, Option<String>, i64)> = all!(
        tx,
        "SELECT iso_week, state, state_reason, COUNT(*) FROM message
          WHERE municipality_id = $1 AND trial_id = $2 AND campaign_id = $3 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        municipality,
        &trial.id,
        campaign_id
    )?;
    let mut weeks: Vec<WeekStatus> = Vec::new();
    for (week, state, reason, count) in rows {
        if weeks.last().is_none_or(|last| last.week != week.to_string()) {
            weeks.push(WeekStatus {
                week: week.to_string(),
                trial_week: trial.protocol.trial_week(week),
                states: BTreeMap::new(),
                withheld: BTreeMap::new(),
            });
        }
        let withheld = state == "withheld";
        if let Some(last) = weeks.last_mut() {
            *last.states.entry(state).or_default() += count;
            if let (Some(reason), true) = (reason, withheld) {
                last.withheld.insert(reason, count);
            }
        }
    }
    Ok(weeks)
}
