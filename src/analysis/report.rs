//! The report, serialised as `trial analyse --json` prints it, and where it is kept. Between looks it holds no number of any arm.

use super::load::{load, published_through, source_hash, stamp};
use super::{CODE_VERSION, describe, lasting, model, replay};
use crate::clock::{Week, local_day, to_micros};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::stats::Refusal;
use crate::stats::ols::Estimate;
use crate::trial::{Trial, looks};
use crate::{opt, run};
use chrono::{DateTime, Duration, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Rates and differences are fractions; `null` is «cannot be computed», with a warning that says why.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    pub trial: String,
    pub protocol_sha256: String,
    pub seed: u64,
    /// `null` between looks.
    pub look: Option<i32>,
    /// Last ISO week the figures hold, such as `2026-W46`; `null` before the first publication.
    pub data_through: Option<String>,
    pub flow: Flow,
    pub balance: Vec<Balance>,
    /// Joint randomisation p of all rows of `balance`.
    pub balance_p: Option<f64>,
    pub primary: Vec<Contrast>,
    pub secondary: Vec<Contrast>,
    /// The primary contrasts by segment means: what an auditor can redo in a spreadsheet.
    pub ancova: Vec<Contrast>,
    /// The other families the protocol registers; reports of earlier versions have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub families: Vec<FamilyAnswer>,
    /// What lasts once messages stop.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lasting: Vec<Lasting>,
    /// When messages stopped, by whom and why, and what that took from the dose.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pauses: Vec<PauseLine>,
    /// Of the intervals; what is called clear lies beyond it.
    #[serde(default = "usual_level")]
    pub level: f64,
    pub design: Option<Design>,
    pub path: Vec<PathPoint>,
    pub habit: Habit,
    pub fidelity: Vec<Fidelity>,
    pub missing: Missing,
    pub spillover: Vec<Value>,
    pub warnings: Vec<Warning>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Contrast {
    pub contrast: String,
    pub estimate: Option<f64>,
    pub se: Option<f64>,
    pub df: Option<f64>,
    pub ci_low: Option<f64>,
    pub ci_high: Option<f64>,
    pub p: Option<f64>,
    /// Over the primary contrasts, by the protocol's rule.
    pub p_adjusted: Option<f64>,
    pub p_randomisation: Option<f64>,
    pub p_wild: Option<f64>,
    /// Monte Carlo standard errors of the two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_randomisation_error: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_wild_error: Option<f64>,
    /// In a family of several outcomes: of which this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Of the interaction: the effect this design finds 80 times in 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_detectable: Option<f64>,
    pub homes: i64,
    pub segments: i64,
    pub n: i64,
}

/// A family of contrasts beside the primary and secondary one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FamilyAnswer {
    pub family: String,
    pub phase: String,
    pub adjust: String,
    /// Empty until the phase has published weeks.
    pub contrasts: Vec<Contrast>,
}

/// A contrast in the phase after the messages beside the messages phase itself, from one model of both.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Lasting {
    pub contrast: String,
    pub messages: Option<f64>,
    pub after: Option<f64>,
    /// After minus messages: below 0 where the effect fades.
    pub fade_out: Option<f64>,
    pub fade_out_ci: Option<(f64, f64)>,
    /// After ÷ messages, with Fieller's interval; no interval where it is unbounded.
    pub persistence: Option<f64>,
    pub persistence_ci: Option<(f64, f64)>,
}

/// One pause of a campaign in one municipality.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PauseLine {
    pub municipality: String,
    pub campaign: String,
    pub from: DateTime<Utc>,
    pub to: Option<DateTime<Utc>>,
    pub by: String,
    pub why: String,
    pub resumed_why: Option<String>,
    /// Messages that never left for it, by arm; under `all` between looks.
    pub kept_back: BTreeMap<String, i64>,
}

fn is_nothing(n: &i64) -> bool {
    *n == 0
}

fn usual_level() -> f64 {
    0.95
}

impl Contrast {
    pub fn named(contrast: &str) -> Contrast {
        Contrast { contrast: contrast.to_owned(), ..Contrast::default() }
    }

    pub fn take(&mut self, found: &Estimate) {
        self.estimate = Some(found.estimate);
        self.se = Some(found.se);
        self.df = found.df;
        self.ci_low = Some(found.low);
        self.ci_high = Some(found.high);
        self.p = Some(found.p);
    }

    pub fn count(&mut self, (homes, segments, n): (i64, i64, i64)) {
        (self.homes, self.segments, self.n) = (homes, segments, n);
    }
}

/// Likeness of collections within a segment, arm means removed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Design {
    pub icc: f64,
    /// At the protocol's level; reports of earlier versions have none.
    #[serde(default)]
    pub icc_interval: Option<(f64, f64)>,
    pub design_effect: f64,
}

/// CONSORT for clusters; `arms` is empty between looks.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Flow {
    pub assessed: Group,
    pub left_out: Vec<LeftOut>,
    pub assigned: Group,
    pub strata: i64,
    pub arms: Vec<FlowArm>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    pub segments: i64,
    pub homes: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    pub reason: String,
    pub segments: i64,
    pub homes: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlowArm {
    pub arm: String,
    pub name: String,
    pub segments: i64,
    pub homes: i64,
    /// Homes that got at least one message.
    pub messaged: i64,
    /// Homes observed at least once in the messages phase.
    pub analysed: i64,
    /// Since the draw: homes that moved to another segment and keep this arm, homes that lost service, homes that got service here.
    #[serde(default)]
    pub moved: i64,
    #[serde(default)]
    pub closed: i64,
    #[serde(default)]
    pub arrived: i64,
    /// Segments of which nothing was observed in the estimand's phase.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub silent: i64,
    pub due: i64,
    pub observed: i64,
}

/// A baseline variable: the mean by arm over segments, and its standardised difference from the first arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Balance {
    pub variable: String,
    pub arms: Vec<BalanceArm>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BalanceArm {
    pub arm: String,
    pub mean: Option<f64>,
    /// `null` for the first arm, and where the variable does not vary.
    pub difference: Option<f64>,
}

/// One week; `arm` is `all` between looks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PathPoint {
    /// Trial week, from 1.
    pub week: i64,
    pub arm: String,
    pub rate: Option<f64>,
    pub ci_low: Option<f64>,
    pub ci_high: Option<f64>,
    pub n: i64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Habit {
    pub definition: String,
    pub arms: Vec<HabitArm>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HabitArm {
    pub arm: String,
    /// Homes with enough collections to say.
    pub homes: i64,
    pub habitual: i64,
    pub share: Option<f64>,
    pub ci_low: Option<f64>,
    pub ci_high: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fidelity {
    pub arm: String,
    pub due: i64,
    pub sent: i64,
    pub delivered: i64,
}

/// Collections that were due and not observed. Never counted as «did not comply».
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Missing {
    pub due: i64,
    pub observed: i64,
    pub share_observed: Option<f64>,
    pub arms: Vec<MissingArm>,
    /// Randomisation p that the arms are observed alike.
    pub p_randomisation: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MissingArm {
    pub arm: String,
    pub due: i64,
    pub observed: i64,
    pub share_observed: Option<f64>,
}

/// `code` is stable; a page says it in its own language with `values`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    pub code: String,
    pub text: String,
    pub values: BTreeMap<String, String>,
}

impl Warning {
    pub fn new(code: &str, text: &str, values: &[(&str, &str)]) -> Warning {
        Warning { code: code.into(), text: text.into(), values: values.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect() }
    }

    pub fn refused(what: &str, why: Refusal) -> Warning {
        Warning::new("not-computed", &format!("{what} is not computed: {}", why.why()), &[("what", what)])
    }
}

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
        "SELECT report, computed_at, source_hash FROM analysis_report WHERE trial_id = $1 AND look = $2 AND ($3 IS NULL OR source_hash = $3)
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
