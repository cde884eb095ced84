//! Where reports are made and kept, and the opening of looks.

use super::findings::{CODE_VERSION, Habit, Report};
use super::load::{load, published_through, source_hash, stamp};
use super::{describe, lasting, model, replay};
use crate::clock::{Week, local_day, to_micros};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::trial::{Trial, looks};
use crate::{opt, run};
use chrono::{DateTime, Duration, NaiveDate, Utc};
use serde_json::Value;

/// A stored report.
#[derive(Debug, Clone)]
pub struct Stored {
    pub report: Report,
    pub computed_at: DateTime<Utc>,
    pub source_hash: String,
}

/// The looks whose day has come and whose weeks are all published.
pub fn ready(looks: &[looks::Look], today: NaiveDate, published: Option<Week>) -> Vec<&looks::Look> {
    looks.iter().filter(|look| look.opens_on <= today && published.is_some_and(|week| week >= look.data_through)).collect()
}

/// The look whose contrasts may be shown on that day: the last one that is ready.
pub async fn current(tx: &mut Tx, trial: &Trial, today: NaiveDate) -> Result<Option<looks::Look>> {
    if trial.assigned_at.is_none() {
        return Ok(None);
    }
    let published = published_through(tx, &trial.protocol).await?;
    let planned = looks::all(tx, &trial.id).await?;
    Ok(ready(&planned, today, published).last().map(|look| (*look).clone()))
}

/// A report that is not known to stand on what there is now.
struct Wanted {
    look: i32,
    through: Week,
    /// Whether anything of it was published.
    published: bool,
    stamp: String,
}

/// The pooled report and those of the looks that are ready, as far as what they stand on may have changed since they were last made.
async fn wanted(tx: &mut Tx, trial: &Trial, now: DateTime<Utc>) -> Result<Vec<Wanted>> {
    let published = published_through(tx, &trial.protocol).await?;
    let mut reports = vec![(0, published.unwrap_or(trial.protocol.week(0)))];
    // An opened look stands as it was opened.
    reports.extend(to_open(tx, trial, now).await?.into_iter().map(|look| (look.look, look.data_through)));
    let mut wanted = Vec::new();
    for (look, through) in reports {
        let stamp = stamp(tx, trial, look, through, published.is_some()).await?;
        if newest(tx, &trial.id, look).await?.is_none_or(|(_, known, _)| known != stamp) {
            wanted.push(Wanted { look, through, published: published.is_some(), stamp });
        }
    }
    Ok(wanted)
}

/// Source hash, stamp and moment of the newest stored report of a look.
async fn newest(tx: &mut Tx, trial_id: &str, look: i32) -> Result<Option<(String, String, DateTime<Utc>)>> {
    opt!(
        tx,
        "SELECT source_hash, stamp, computed_at FROM analysis_report WHERE trial_id = $1 AND look = $2 ORDER BY computed_at DESC, source_hash LIMIT 1",
        trial_id,
        look
    )
}

/// A report that was computed, or found to be there already, and is not kept yet.
pub struct Made {
    look: i32,
    stamp: String,
    source_hash: String,
    /// None when a report of these rows is stored.
    report: Option<Value>,
}

/// Computes the pooled report and those of the looks that are ready, where what they stand on is new. Needs no writer.
pub async fn make(tx: &mut Tx, trial: &Trial, now: DateTime<Utc>) -> Result<Vec<Made>> {
    let opened = looks::all(tx, &trial.id).await?;
    let mut made = Vec::new();
    for Wanted { look, through, published, stamp } in wanted(tx, trial, now).await? {
        let data = load(tx, trial, through).await?;
        let source_hash = source_hash(trial, look, through, published, &data);
        let known: Option<(i32,)> =
            opt!(tx, "SELECT look FROM analysis_report WHERE trial_id = $1 AND look = $2 AND source_hash = $3", &trial.id, look, &source_hash)?;
        let report = match known {
            Some(_) => None,
            None => {
                let report = compute(trial, &data, (look > 0).then_some(look), (look > 0 || published).then_some(through), &opened);
                Some(serde_json::to_value(&report).map_err(|e| Error::internal(format!("report: {e}")))?)
            }
        };
        made.push(Made { look, stamp, source_hash, report });
    }
    Ok(made)
}

/// Stores what was made.
pub async fn keep(tx: &mut Tx, trial: &Trial, made: Vec<Made>, now: DateTime<Utc>) -> Result<()> {
    for Made { look, stamp, source_hash, report } in made {
        // The report of these rows is there already: it becomes the newest again, when something else stood between.
        let newest = newest(tx, &trial.id, look).await?;
        let latest = newest.as_ref().is_some_and(|(known, ..)| *known == source_hash);
        // A clock that was put back makes no older report the newest.
        let at = newest.map_or(to_micros(now), |(.., before)| to_micros(now).max(before + Duration::microseconds(1)));
        let known = run!(
            tx,
            "UPDATE analysis_report SET stamp = $4, computed_at = CASE WHEN $6 THEN computed_at ELSE $5 END
              WHERE trial_id = $1 AND look = $2 AND source_hash = $3",
            &trial.id,
            look,
            &source_hash,
            &stamp,
            at,
            latest
        )?;
        let Some(report) = report.filter(|_| known == 0) else { continue };
        run!(
            tx,
            "INSERT INTO analysis_report (trial_id, look, source_hash, computed_at, stamp, code_version, report) VALUES ($1, $2, $3, $4, $5, $6, $7)",
            &trial.id,
            look,
            &source_hash,
            at,
            &stamp,
            CODE_VERSION,
            report
        )?;
    }
    Ok(())
}

/// Both in one transaction.
pub async fn refresh(tx: &mut Tx, trial: &Trial, now: DateTime<Utc>) -> Result<()> {
    let made = make(tx, trial, now).await?;
    keep(tx, trial, made, now).await
}

/// The looks whose day has come, whose weeks are all published, and which nobody opened yet.
pub async fn to_open(tx: &mut Tx, trial: &Trial, now: DateTime<Utc>) -> Result<Vec<looks::Look>> {
    if trial.assigned_at.is_none() {
        return Ok(Vec::new());
    }
    let planned = looks::all(tx, &trial.id).await?;
    let published = published_through(tx, &trial.protocol).await?;
    Ok(ready(&planned, local_day(now), published).into_iter().filter(|look| look.opened_at.is_none()).cloned().collect())
}

/// Opens every look that is ready: its report is made of what there is now, under the protocol in force now, and stands for ever.
pub async fn open(tx: &mut Tx, trial: &Trial, now: DateTime<Utc>, actor: &str) -> Result<()> {
    // Nothing is left to make where it was made just before.
    refresh(tx, trial, now).await?;
    for look in to_open(tx, trial, now).await? {
        let (hash, ..) = newest(tx, &trial.id, look.look).await?.ok_or_else(|| Error::internal("a look without its report"))?;
        let data = load(tx, trial, look.data_through).await?;
        looks::open(tx, &trial.id, &look, (&hash, data.kept()), now, actor).await?;
    }
    Ok(())
}

/// The report of a look, as it was opened or as it is newest; or the pooled one. `None` when none was computed.
pub async fn stored(tx: &mut Tx, trial_id: &str, look: Option<i32>) -> Result<Option<Stored>> {
    let opened = match look {
        Some(look) => looks::opened_with(tx, trial_id, look).await?,
        None => None,
    };
    let row: Option<(Value, DateTime<Utc>, String)> = opt!(
        tx,
        "SELECT report, computed_at, source_hash FROM analysis_report WHERE trial_id = $1 AND look = $2 AND (source_hash = $3 OR $3 IS NULL)
          ORDER BY computed_at DESC, source_hash LIMIT 1",
        trial_id,
        look.unwrap_or(0),
        opened
    )?;
    let Some((value, computed_at, source_hash)) = row else { return Ok(None) };
    let report = serde_json::from_value(value).map_err(|e| Error::internal(format!("stored report of {trial_id}: {e}")))?;
    Ok(Some(Stored { report, computed_at, source_hash }))
}

/// Pure: the report of a look, or the pooled one.
pub fn compute(trial: &Trial, data: &super::load::Data, look: Option<i32>, through: Option<Week>, opened: &[looks::Look]) -> Report {
    let mut report = Report {
        trial: trial.id.clone(),
        protocol_sha256: trial.sha256.clone(),
        seed: trial.seed,
        look,
        data_through: through.map(|week| week.to_string()),
        flow: describe::flow(data, look.is_some()),
        balance: Vec::new(),
        balance_p: None,
        primary: Vec::new(),
        secondary: Vec::new(),
        ancova: Vec::new(),
        families: Vec::new(),
        lasting: Vec::new(),
        pauses: describe::pauses(data, look.is_some()),
        level: data.protocol.analysis.level,
        design: None,
        path: describe::path(data, look.is_some()),
        habit: Habit::default(),
        fidelity: describe::fidelity(data, look.is_some()),
        missing: describe::missing(data, look.is_some()),
        spillover: Vec::new(),
        warnings: describe::standing(trial, opened),
    };
    if look.is_none() {
        report.habit = describe::habit(data, false);
        return report;
    }
    let replays = replay::Replays::of(data);
    let answer = model::answer(data, &replays);
    (report.primary, report.secondary, report.ancova, report.design) = (answer.primary, answer.secondary, answer.ancova, answer.design);
    report.families = answer.families;
    (report.lasting, report.warnings) = lasting::answer(data, report.warnings);
    (report.balance, report.balance_p) = describe::balance(data, &replays);
    report.missing.p_randomisation = describe::missing_p(data, &replays);
    report.habit = describe::habit(data, true);
    report.warnings.extend(answer.warnings);
    report.warnings.extend(describe::remarks(data, &report));
    report
}
