//! A protocol as it is obeyed: typed, whatever format its text was written in. `text` reads it, `check` doubts it before the freeze.

use super::text;
use crate::clock::Week;
use crate::error::Result;
use crate::id::{MunicipalityId, choice, sha256_hex};
use chrono::{Duration, NaiveDate};
use std::collections::BTreeMap;

/// The protocol that ships with the house, `experiments/norma-y-plan-2026.toml`.
pub const DEFAULT: &str = include_str!("../../experiments/norma-y-plan-2026.toml");

choice!(Phase { Baseline = "baseline", Messages = "messages", After = "after" });
choice!(
    /// What segments are alike in before they are drawn.
    Stratum { Municipality = "municipality", BaselineTercile = "baseline_tercile" }
);
choice!(
    /// What a segment is known by before the draw, for a rule of re-randomisation.
    Covariate {
        /// Share of the baseline's observed collections that complied.
        Baseline = "baseline",
        /// Served homes.
        Homes = "homes"
    }
);
choice!(
    /// What is measured of an observed collection, 0 or 1. `Separated` is measured of what was set out alone, which the messages may change.
    Measure { Complied = "complied", SetOut = "set_out", Separated = "separated", Contaminated = "contaminated" }
);
choice!(Adjust { Holm = "holm", None = "none" });
choice!(
    /// A group of neighbours a norm may be told of.
    GroupKind { Segment = "segment", Route = "route", Neighbourhood = "neighbourhood", Municipality = "municipality" }
);

impl serde::Serialize for GroupKind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[derive(Debug, Clone)]
pub struct Protocol {
    pub id: String,
    pub title: String,
    pub question: String,
    pub registry_number: String,
    pub ethics_approval: String,
    pub municipalities: Vec<MunicipalityId>,
    pub seed: u64,
    pub calendar: Calendar,
    pub population: Population,
    pub assignment: Assignment,
    pub arms: Vec<Arm>,
    pub outcome: Outcome,
    pub estimand: Estimand,
    pub analysis: Analysis,
    pub looks: Vec<PlannedLook>,
    pub norm: NormRules,
    pub messages: MessageRules,
    pub stop_rules: StopRules,
    pub campaigns: BTreeMap<String, Campaign>,
}

/// Trial weeks are counted from 1; a phase is its first and last week.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    pub first_week: Week,
    pub weeks: i64,
    pub baseline: [i64; 2],
    pub messages: [i64; 2],
    pub after: [i64; 2],
}

impl Calendar {
    pub fn of(&self, phase: Phase) -> [i64; 2] {
        match phase {
            Phase::Baseline => self.baseline,
            Phase::Messages => self.messages,
            Phase::After => self.after,
        }
    }

    /// The phase of a trial week, if it lies in one.
    pub fn phase(&self, trial_week: i64) -> Option<Phase> {
        Phase::ALL.iter().copied().find(|phase| {
            let [from, to] = self.of(*phase);
            (from..=to).contains(&trial_week)
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Population {
    /// Homes of a segment that must have been observed in the baseline for it to enter.
    pub minimum_homes: i64,
}

/// How segments are drawn into arms.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    pub strata: Vec<Stratum>,
    /// Segments of each arm in a round of dealing, in the order of the arms; 1 each when the allocation is equal.
    pub ratio: Vec<u32>,
    /// Segments of like baseline that are dealt together within a stratum; 2 makes matched pairs.
    pub block: Option<usize>,
    pub rerandomise: Option<Rerandomise>,
}

/// Draws are made until no two arms differ in the mean of a covariate by more than so many of its standard deviations over segments.
#[derive(Debug, Clone, PartialEq)]
pub struct Rerandomise {
    pub covariates: Vec<Covariate>,
    pub largest_difference: f64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arm {
    pub id: String,
    pub name: String,
    /// What the arm gets, factor by factor; empty where the design is not factorial.
    pub factors: BTreeMap<String, bool>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub measure: Measure,
    pub definition: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Estimand {
    pub population: String,
    pub effect: String,
    pub phase: Phase,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Analysis {
    /// The primary family first, the secondary one second.
    pub families: Vec<Family>,
    pub level: f64,
    pub randomisation_draws: u32,
    pub wild_draws: u32,
}

impl Analysis {
    /// Every contrast that is asked of the primary outcome in the estimand's phase: the primary ones, then the secondary ones.
    pub fn contrasts(&self) -> impl Iterator<Item = &Contrast> {
        self.families.iter().take(2).flat_map(|family| &family.contrasts)
    }

    /// A registered contrast by its name, whatever family it stands in.
    pub fn contrast(&self, id: &str) -> Option<&Contrast> {
        self.families.iter().flat_map(|family| &family.contrasts).find(|contrast| contrast.id == id)
    }
}

/// Contrasts that are told together, and how their p are adjusted for being several.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    pub id: String,
    pub contrasts: Vec<Contrast>,
    pub measures: Vec<Measure>,
    pub phase: Phase,
    pub adjust: Adjust,
}

/// Σ weight × mean over the arms, in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Contrast {
    pub id: String,
    /// What pages call it; the earliest format has no names.
    pub name: Option<String>,
    pub weights: Vec<f64>,
}

#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedLook {
    pub look: i32,
    /// Trial week, counted from 1.
    pub data_through: i64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct NormRules {
    pub definition: String,
    pub window_weeks: i64,
    pub minimum_visits: i64,
    pub valid_days: i64,
    pub minimum_homes: i64,
    pub group_homes: i64,
    pub half_width: f64,
    pub static_lower: f64,
    pub dynamic_rise: f64,
    pub dynamic_level: f64,
    pub ceiling_tenth: i16,
    pub groups: Vec<GroupKind>,
}

/// Hours are minutes after midnight in Guatemala, first and last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRules {
    pub per_week: i64,
    pub weekday_hours: [u32; 2],
    pub saturday_hours: [u32; 2],
    pub cap_per_week: i64,
    pub cap_per_28_days: i64,
}

#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StopRules {
    /// Opt-outs of an arm in a week, as a share of its homes that were written to.
    pub opt_out_per_week: f64,
    /// Homes that complained, as a share of those that were written to.
    pub complaints: f64,
    /// Arm minus first arm, as a fraction, below which the arm is harmed.
    pub harm_points: f64,
}

#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Campaign {
    pub steps: Vec<Step>,
}

/// One week's message: the wording each arm gets, by arm id.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub struct Step {
    pub week: i64,
    #[serde(flatten)]
    pub wording: BTreeMap<String, String>,
}

/// Whether an arm is told norms, and whether it is asked for a plan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Treatment {
    pub norm: bool,
    pub plan: bool,
}

impl Treatment {
    pub fn any(self) -> bool {
        self.norm || self.plan
    }
}

impl Protocol {
    /// Reads a protocol's text, in any format that was ever released; `place` names it in errors.
    pub fn parse(text: &str, place: &str) -> Result<Protocol> {
        text::read(text, place)
    }

    /// Every inconsistency of a text that can be read, one line each; empty when the protocol may be frozen.
    /// `known_wording` says whether a message text of that name exists.
    pub fn problems(text: &str, place: &str, known_wording: &dyn Fn(&str) -> bool) -> Result<Vec<String>> {
        text::problems(text, place, known_wording)
    }

    pub fn sha256(text: &str) -> String {
        sha256_hex(text.as_bytes())
    }

    /// The ISO week of a trial week counted from 1.
    pub fn week(&self, trial_week: i64) -> Week {
        self.calendar.first_week.plus(trial_week - 1)
    }

    /// The trial week of an ISO week; below 1 or above `weeks` outside the trial.
    pub fn trial_week(&self, week: Week) -> i64 {
        week.since(self.calendar.first_week) + 1
    }

    pub fn phase(&self, trial_week: i64) -> Option<Phase> {
        self.calendar.phase(trial_week)
    }

    pub fn phase_weeks(&self, phase: Phase) -> (Week, Week) {
        let [from, to] = self.calendar.of(phase);
        (self.week(from), self.week(to))
    }

    pub fn arm(&self, id: &str) -> Option<&Arm> {
        self.arms.iter().find(|arm| arm.id == id)
    }

    /// Which arm, in their order.
    pub fn arm_at(&self, id: &str) -> Option<usize> {
        self.arms.iter().position(|arm| arm.id == id)
    }

    /// What an arm's messages do: as its factors norm and plan say, or, where it has neither, as its wordings do.
    pub fn treatment(&self, arm: &str) -> Treatment {
        let factors = self.arm(arm).map(|arm| &arm.factors);
        let declared = |factor: &str| factors.and_then(|factors| factors.get(factor)).copied();
        let worded = |does: fn(&str) -> bool| {
            self.campaigns.values().flat_map(|campaign| &campaign.steps).any(|step| step.wording.get(arm).is_some_and(|wording| does(wording)))
        };
        match (declared("norm"), declared("plan")) {
            (None, None) => Treatment {
                norm: worded(|wording| matches!(wording, "norm" | "norm_and_plan")),
                plan: worded(|wording| wording.starts_with("plan") || wording == "norm_and_plan"),
            },
            (norm, plan) => Treatment { norm: norm.unwrap_or(false), plan: plan.unwrap_or(false) },
        }
    }

    /// The factors of a full factorial design; empty for every other design.
    pub fn factors(&self) -> Vec<&str> {
        let names: Vec<&str> = self.arms.first().map_or(Vec::new(), |arm| arm.factors.keys().map(String::as_str).collect());
        let same = self.arms.iter().all(|arm| arm.factors.keys().map(String::as_str).eq(names.iter().copied()));
        let cells: std::collections::BTreeSet<Vec<bool>> = self.arms.iter().map(|arm| arm.factors.values().copied().collect()).collect();
        let full = !names.is_empty() && names.len() < 8 && same && cells.len() == self.arms.len() && self.arms.len() == 1 << names.len();
        if full { names } else { Vec::new() }
    }

    /// The day a look opens: the Wednesday on which its last week is published.
    pub fn look_opens(&self, look: &PlannedLook) -> NaiveDate {
        published_on(self.week(look.data_through))
    }
}

/// A week is published the Wednesday after it ends.
pub fn published_on(week: Week) -> NaiveDate {
    week.monday() + Duration::days(9)
}
