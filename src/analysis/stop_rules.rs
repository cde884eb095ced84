//! Rules that stop a trial's campaigns, obeyed by the machine and seen by nobody until they act, as a data-monitoring committee would:
//!
//! ```text
//! opt-out     homes of an arm that withdrew in a week ÷ homes of the arm written to by then        > opt_out_per_week
//! complaints  homes that complained since messages began ÷ homes written to                        > complaints
//! harm        arm − first arm by the primary model over the published message weeks                 ≤ −harm_points, its interval below 0
//! ```
//! Each rule acts once a week: whoever resumes a campaign is not stopped again by what they knew.

use super::load::{load, published_through};
use super::model::{cells, estimate, rows};
use crate::account::audit;
use crate::app::App;
use crate::clock::{Week, local_day, to_micros};
use crate::db::Tx;
use crate::error::Result;
use crate::id::MunicipalityId;
use crate::norm::pause::{self, Change};
use crate::norm::{complaint, reached};
use crate::stats::ols::{Df, EffectCount, Variance, fit};
use crate::trial::protocol::{Phase, StopRules};
use crate::trial::{self, Trial};
use crate::{all, run};
use chrono::{DateTime, Utc};
use serde_json::json;

/// Whose pauses these are.
const ACTOR: &str = "vecino";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    OptOut,
    Complaints,
    Harm,
}

impl Rule {
    pub fn name(self) -> &'static str {
        match self {
            Rule::OptOut => "opt_out",
            Rule::Complaints => "complaints",
            Rule::Harm => "harm",
        }
    }
}

/// What a rule found of one week.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    pub rule: Rule,
    pub week: Week,
    /// Empty where the rule speaks of all arms.
    pub arm: String,
    pub breached: bool,
}

/// Judges every trial whose messages have begun, and stops what must stop. A trial that cannot be judged keeps none of the others.
pub async fn every_minute(app: &App) -> Result<()> {
    let now = app.clock.now();
    let mut tx = app.db.read().await?;
    let mut found = Vec::new();
    for trial in trial::all(&mut tx).await?.into_iter().filter(|trial| trial.assigned_at.is_some()) {
        match judge(&mut tx, &trial, now).await {
            Ok(judged) if judged.is_empty() => {}
            Ok(judged) => found.push((trial, judged)),
            Err(error) => tracing::error!(trial = trial.id, code = error.code, line = %error, "a stop rule could not be judged"),
        }
    }
    drop(tx);
    for (trial, judged) in found {
        let acted = async {
            let mut tx = app.db.write().await?;
            act(&mut tx, &trial, &judged, now).await?;
            tx.commit().await
        };
        if let Err(error) = acted.await {
            tracing::error!(trial = trial.id, code = error.code, line = %error, "a stop rule could not act");
        }
    }
    Ok(())
}

/// What is new: breaches that did not act yet, and the week's verdicts on harm. Reads only.
pub async fn judge(tx: &mut Tx, trial: &Trial, now: DateTime<Utc>) -> Result<Vec<Judged>> {
    // Taken apart whole: a rule that nothing here obeys does not compile.
    let StopRules { opt_out_per_week, complaints, harm_points } = trial.protocol.stop_rules.clone();
    let this_week = Week::of(local_day(now));
    let (first, last) = trial.protocol.phase_weeks(Phase::Messages);
    let mut found = Vec::new();
    if this_week < first {
        return Ok(found);
    }
    let known: Vec<(String, Week, String)> = all!(tx, "SELECT rule, iso_week, arm FROM stop_rule_week WHERE trial_id = $1", &trial.id)?;
    // What comes in on Monday may be of Sunday.
    for week in [this_week.plus(-1), this_week].into_iter().filter(|week| (first..=last.plus(1)).contains(week)) {
        let left = reached::opted_out(tx, trial, week).await?;
        if !left.is_empty() {
            let written = reached::written_to(tx, trial, (first, week)).await?;
            let share = |arm: &String, n: i64| written.get(arm).is_some_and(|homes| n as f64 > opt_out_per_week * *homes as f64);
            let breaches = left.into_iter().filter(|(arm, n)| share(arm, *n));
            found.extend(breaches.map(|(arm, _)| Judged { rule: Rule::OptOut, week, arm, breached: true }));
        }
    }
    let complained = complaint::since(tx, trial, first).await?;
    if complained > 0 && this_week <= last.plus(1) {
        let written: i64 = reached::written_to(tx, trial, (first, this_week)).await?.values().sum();
        if complained as f64 > complaints * written as f64 {
            found.push(Judged { rule: Rule::Complaints, week: this_week, arm: String::new(), breached: true });
        }
    }
    if let Some(published) = published_through(tx, &trial.protocol).await?.filter(|week| (first..=last).contains(week))
        && !known.iter().any(|(rule, week, _)| (rule.as_str(), *week) == (Rule::Harm.name(), published))
    {
        found.extend(harmed(tx, trial, published, harm_points).await?);
    }
    found.retain(|judged| !known.iter().any(|(rule, week, arm)| (rule.as_str(), *week, arm) == (judged.rule.name(), judged.week, &judged.arm)));
    Ok(found)
}

/// Remembers what was found, and pauses every campaign of the trial that still sends where a rule was broken.
pub async fn act(tx: &mut Tx, trial: &Trial, judged: &[Judged], now: DateTime<Utc>) -> Result<()> {
    for one in judged {
        run!(
            tx,
            "INSERT INTO stop_rule_week (trial_id, rule, iso_week, arm, judged_at, breached) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (trial_id, rule, iso_week, arm) DO NOTHING",
            &trial.id,
            one.rule.name(),
            one.week,
            &one.arm,
            to_micros(now),
            one.breached
        )?;
    }
    let Some(breach) = judged.iter().find(|one| one.breached) else { return Ok(()) };
    let detail = json!({"rule": breach.rule.name(), "week": breach.week.to_string()});
    let entry = audit::Entry { stream: "trial", actor: ACTOR, action: "stop rule", target: &trial.id, detail };
    audit::record(tx, MunicipalityId::NONE, now, entry).await?;
    // Which arm stays unsaid: who runs the trial does not see arms.
    let why = pause::stopped_by(breach.rule.name(), breach.week);
    for campaign_id in trial.protocol.campaigns.keys() {
        for &municipality in &trial.protocol.municipalities {
            if pause::paused(tx, municipality, campaign_id).await?.is_none() {
                pause::change(tx, trial, municipality, campaign_id, Change::Pause(&why), ACTOR, now).await?;
            }
        }
    }
    Ok(())
}

/// Every arm but the first beside it, over the message weeks that are published.
async fn harmed(tx: &mut Tx, trial: &Trial, week: Week, points: f64) -> Result<Vec<Judged>> {
    let data = load(tx, trial, week).await?;
    let Some(weeks) = data.weeks(Phase::Messages) else { return Ok(Vec::new()) };
    let cells = cells(&data, &rows(&data, data.protocol.outcome.measure, weeks, false), true);
    // What cannot be fitted harms nobody that could be told; the report says why.
    let fitted = fit(&cells).and_then(|fitted| Ok((fitted.sandwich(Variance::Cr2, EffectCount::Nested, true)?, fitted))).ok();
    let judged = data.protocol.arms.iter().enumerate().skip(1).map(|(at, arm)| {
        let mut weights = vec![0.0; data.arms()];
        (weights[0], weights[at]) = (-1.0, 1.0);
        let level = data.protocol.analysis.level;
        let found = fitted.as_ref().and_then(|(sandwich, fitted)| estimate(&data, fitted, sandwich, &weights, Df::Satterthwaite, level).ok());
        let breached = found.is_some_and(|found| found.estimate <= -points && found.high < 0.0);
        Judged { rule: Rule::Harm, week, arm: arm.id.clone(), breached }
    });
    Ok(judged.collect())
}
