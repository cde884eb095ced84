//! The protocol as its authors wrote it: one TOML file, read strictly, hashed byte for byte.

use crate::clock::Week;
use crate::error::{Error, Result};
use crate::id::sha256_hex;
use chrono::{Duration, NaiveDate};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The protocol that ships with the house, `experiments/norma-y-plan-2026.toml`.
pub const DEFAULT: &str = include_str!("../../experiments/norma-y-plan-2026.toml");

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Protocol {
    pub id: String,
    pub title: String,
    pub question: String,
    pub registry_number: String,
    pub ethics_approval: String,
    /// INE codes, four digits.
    pub municipalities: Vec<String>,
    pub seed: u64,
    pub calendar: Calendar,
    pub population: Population,
    pub assignment: AssignmentRule,
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

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calendar {
    /// `2026-W29`
    pub first_week: String,
    pub weeks: i64,
    pub baseline: [i64; 2],
    pub messages: [i64; 2],
    pub after: [i64; 2],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Baseline,
    Messages,
    After,
}

impl Phase {
    pub fn name(self) -> &'static str {
        match self {
            Phase::Baseline => "baseline",
            Phase::Messages => "messages",
            Phase::After => "after",
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Population {
    pub minimum_homes: i64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssignmentRule {
    pub unit: String,
    pub strata: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arm {
    pub id: String,
    pub name: String,
    pub norm: bool,
    pub plan: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    pub id: String,
    pub definition: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Estimand {
    pub population: String,
    pub effect: String,
    pub phase: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Analysis {
    pub primary: Vec<String>,
    pub secondary: Vec<String>,
    pub adjust: String,
    pub level: f64,
    pub randomisation_draws: u32,
    pub wild_draws: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedLook {
    pub look: i32,
    /// Trial week, counted from 1.
    pub data_through: i64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
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
    pub groups: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageRules {
    pub per_week: i64,
    pub weekday_hours: [String; 2],
    pub saturday_hours: [String; 2],
    pub cap_per_week: i64,
    pub cap_per_28_days: i64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StopRules {
    pub opt_out_per_week: f64,
    pub complaints: f64,
    pub harm_points: f64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Campaign {
    pub steps: Vec<Step>,
}

/// One week's message: the wording each arm gets, by arm id.
#[derive(Debug, Clone, Deserialize)]
pub struct Step {
    pub week: i64,
    #[serde(flatten)]
    pub wording: BTreeMap<String, String>,
}

impl Protocol {
    /// Reads a protocol's text; `place` names it in errors.
    pub fn parse(text: &str, place: &str) -> Result<Protocol> {
        let protocol: Protocol = toml::from_str(text).map_err(|e| {
            let line = e.span().map(|s| text[..s.start.min(text.len())].lines().count().max(1)).unwrap_or(1);
            Error::refused("protocol", format!("{place}: line {line}: {}; mend the protocol", e.message().replace('\n', " ")))
        })?;
        Week::parse(&protocol.calendar.first_week).map_err(|_| {
            Error::refused(
                "protocol",
                format!("{place}: calendar.first_week «{}» is not a week; write it like 2026-W29", protocol.calendar.first_week),
            )
        })?;
        Ok(protocol)
    }

    /// The same protocol on another calendar: how a practice town lays it back. The first week moves, and when the trial gets another
    /// length so do its last phase and its last look; every other byte stays.
    pub fn laid(text: &str, first_week: Week, weeks: i64) -> Result<String> {
        let own = Protocol::parse(text, "the protocol")?;
        let (was, after) = (own.calendar.weeks, own.calendar.after);
        let line = |line: &str| match line.split_once('=').map(|(key, value)| (key.trim(), value.trim())) {
            Some(("first_week", _)) => format!("first_week = \"{first_week}\""),
            Some(("weeks", _)) if weeks != was => format!("weeks = {weeks}"),
            Some(("after", _)) if weeks != was => format!("after = [{}, {weeks}]", after[0]),
            Some(("data_through", value)) if weeks != was && value == was.to_string() => format!("data_through = {weeks}"),
            _ => line.to_owned(),
        };
        Ok(text.split('\n').map(line).collect::<Vec<_>>().join("\n"))
    }

    /// The phase of a trial week, if it lies in one.
    pub fn phase(&self, trial_week: i64) -> Option<Phase> {
        let within = |[from, to]: [i64; 2]| (from..=to).contains(&trial_week);
        match () {
            _ if within(self.calendar.baseline) => Some(Phase::Baseline),
            _ if within(self.calendar.messages) => Some(Phase::Messages),
            _ if within(self.calendar.after) => Some(Phase::After),
            _ => None,
        }
    }

    pub fn sha256(text: &str) -> String {
        sha256_hex(text.as_bytes())
    }

    /// The ISO week of a trial week counted from 1.
    pub fn week(&self, trial_week: i64) -> Week {
        let first = Week::parse(&self.calendar.first_week).unwrap_or(Week(197001));
        first.plus(trial_week - 1)
    }

    /// The trial week of an ISO week; below 1 or above `weeks` outside the trial.
    pub fn trial_week(&self, week: Week) -> i64 {
        week.since(self.week(1)) + 1
    }

    pub fn phase_weeks(&self, phase: Phase) -> (Week, Week) {
        let [from, to] = match phase {
            Phase::Baseline => self.calendar.baseline,
            Phase::Messages => self.calendar.messages,
            Phase::After => self.calendar.after,
        };
        (self.week(from), self.week(to))
    }

    pub fn arm(&self, id: &str) -> Option<&Arm> {
        self.arms.iter().find(|arm| arm.id == id)
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
