//! What a report says, serialised as `trial analyse --json` prints it. Between looks it holds no number of any arm.

use crate::stats::Refusal;
use crate::stats::ols::Estimate;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Part of every report's source hash: a report computed by older rules is computed again.
pub const CODE_VERSION: &str = concat!("vecino ", env!("CARGO_PKG_VERSION"), " analysis 3");

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
