//! How an invented pilot behaves: the parameters of the simulation, read and checked.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const DEFAULTS: &str = include_str!("../../experiments/simulation-defaults.toml");

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    pub municipalities: Vec<Place>,
    pub spread: Spread,
    pub effects: Effects,
    pub reach: Reach,
    pub observation: Observer,
    pub records: Records,
    pub missing_reasons: BTreeMap<String, f64>,
    pub beliefs: Beliefs,
    pub language: LanguageShare,
    /// Logits of homes that an arm's messages reach, by arm, beside those of norm and plan.
    #[serde(default)]
    pub arm_effects: BTreeMap<String, f64>,
    /// What a pilot may do that its analysis does not assume, by name; see [`Parameters::departing`].
    #[serde(default, skip_serializing)]
    pub departures: BTreeMap<String, Departure>,
    /// Those that happen.
    #[serde(default, skip_deserializing, skip_serializing_if = "Vec::is_empty")]
    pub departs: Vec<Departure>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    pub segments: usize,
    pub homes_per_segment: usize,
    pub baseline_share: f64,
    pub intercept: f64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    pub segment: f64,
    pub home: f64,
    pub segment_week: f64,
    pub segment_phase: f64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Effects {
    pub norm: f64,
    pub plan: f64,
    pub interaction: f64,
    pub ramp_weeks: f64,
    pub half_life_weeks: f64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reach {
    pub delivered: f64,
    pub no_phone: f64,
    pub plan_uptake: f64,
    pub opt_out_per_week: f64,
    pub failed_final: f64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observer {
    pub sensitivity: f64,
    pub specificity: f64,
    pub missing: f64,
    pub double: f64,
}

impl Observer {
    /// What an effect on what is true is multiplied by in what is recorded.
    pub fn slope(&self) -> f64 {
        self.sensitivity + self.specificity - 1.0
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Records {
    pub not_set_out: f64,
    pub partly: f64,
    pub mixed: f64,
    pub gross_if_partly: f64,
    pub gross_if_mixed: f64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Beliefs {
    pub mean_error: f64,
    pub sd: f64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LanguageShare {
    pub mam: f64,
}

/// One way of departing; all of it at once where several keys are given.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Departure {
    /// In every arm but the first; otherwise alike in all.
    pub treated_only: bool,
    /// Share of the collections that did not comply which are not observed for it, beside `observation.missing`.
    pub missing_if_not_complied: f64,
    /// Share of homes that move to another segment of their municipality each week; they keep the arm of the draw.
    pub moves_per_week: f64,
    /// Homes that come to a segment each week, as a share of those of the draw.
    pub arrivals_per_week: f64,
    /// Share of the drawn segments that nobody observes from the message week `lost_from` on, counted from 1.
    pub segments_lost: f64,
    pub lost_from: i64,
    /// Those that comply least; otherwise any.
    pub worst_first: bool,
    /// By how much the share of collections that did not comply and are recorded as complied grows each message week.
    pub false_yes_per_week: f64,
}

impl Departure {
    fn shares(&self) -> [(&'static str, f64); 5] {
        [
            ("missing_if_not_complied", self.missing_if_not_complied),
            ("moves_per_week", self.moves_per_week),
            ("arrivals_per_week", self.arrivals_per_week),
            ("segments_lost", self.segments_lost),
            ("false_yes_per_week", self.false_yes_per_week),
        ]
    }

    pub(super) fn hits(&self, arm: Option<usize>) -> bool {
        !self.treated_only || arm.is_some_and(|arm| arm > 0)
    }
}

/// Names each number that JSON cannot hold: NaN and the infinities come as null.
fn not_finite(value: &serde_json::Value, key: &str, tell: &mut impl FnMut(&str)) {
    let inside = |name: &str| if key.is_empty() { name.to_string() } else { format!("{key}.{name}") };
    match value {
        serde_json::Value::Null => tell(key),
        serde_json::Value::Object(fields) => fields.iter().for_each(|(name, value)| not_finite(value, &inside(name), tell)),
        serde_json::Value::Array(values) => values.iter().enumerate().for_each(|(at, value)| not_finite(value, &inside(&(at + 1).to_string()), tell)),
        _ => {}
    }
}

impl Parameters {
    /// The parameters that ship with the house, `experiments/simulation-defaults.toml`.
    pub fn defaults() -> Result<Parameters> {
        Self::parse(DEFAULTS, "experiments/simulation-defaults.toml")
    }

    /// Reads and checks parameters; one line per problem, with its key.
    pub fn parse(text: &str, place: &str) -> Result<Parameters> {
        let parameters: Parameters = toml::from_str(text)
            .map_err(|e| Error::refused("simulation", format!("{place}: {}; mend the parameters", e.message().replace('\n', " "))))?;
        let mut lines = Vec::new();
        let p = &parameters;
        not_finite(&serde_json::to_value(p).map_err(|e| Error::internal(format!("parameters: {e}")))?, "", &mut |key| {
            lines.push(format!("{place}: {key}: is not a finite number; give one"));
        });
        if !lines.is_empty() {
            return Err(Error::refused_lines("simulation", lines));
        }
        for (key, share) in [
            ("reach.delivered", p.reach.delivered),
            ("reach.no_phone", p.reach.no_phone),
            ("reach.plan_uptake", p.reach.plan_uptake),
            ("reach.opt_out_per_week", p.reach.opt_out_per_week),
            ("reach.failed_final", p.reach.failed_final),
            ("observation.sensitivity", p.observation.sensitivity),
            ("observation.specificity", p.observation.specificity),
            ("observation.missing", p.observation.missing),
            ("observation.double", p.observation.double),
            ("records.not_set_out", p.records.not_set_out),
            ("records.partly", p.records.partly),
            ("records.mixed", p.records.mixed),
            ("records.gross_if_partly", p.records.gross_if_partly),
            ("records.gross_if_mixed", p.records.gross_if_mixed),
            ("language.mam", p.language.mam),
        ] {
            if !(0.0..=1.0).contains(&share) {
                lines.push(format!("{place}: {key}: {share} is not a share; use 0 to 1"));
            }
        }
        for (reason, share) in p.missing_reasons.iter().filter(|(_, share)| !(0.0..=1.0).contains(*share)) {
            lines.push(format!("{place}: missing_reasons.{reason}: {share} is not a share; use 0 to 1"));
        }
        for (name, departure) in &p.departures {
            for (key, share) in departure.shares().into_iter().filter(|(_, share)| !(0.0..=1.0).contains(share)) {
                lines.push(format!("{place}: departures.{name}.{key}: {share} is not a share; use 0 to 1"));
            }
        }
        for (at, place_of) in p.municipalities.iter().enumerate() {
            let Place { segments, homes_per_segment, baseline_share, .. } = place_of;
            if !(1..=10_000).contains(segments) || !(1..=1_000).contains(homes_per_segment) {
                lines.push(format!("{place}: municipalities {}: use 1 to 10,000 segments of 1 to 1,000 homes", at + 1));
            }
            if !(0.0..=1.0).contains(baseline_share) {
                lines.push(format!("{place}: municipalities {}: baseline_share {baseline_share} is not a share; use 0 to 1", at + 1));
            }
        }
        let outcomes = p.records.not_set_out + p.records.partly + p.records.mixed;
        for (key, sum) in [("records", outcomes), ("missing_reasons", p.missing_reasons.values().sum())] {
            if (sum - 1.0).abs() > 1e-9 {
                lines.push(format!("{place}: {key}: the shares sum to {sum}; make them sum to 1"));
            }
        }
        let spread = [p.spread.segment, p.spread.home, p.spread.segment_week, p.spread.segment_phase, p.beliefs.sd];
        if spread.iter().any(|sd| *sd < 0.0) {
            lines.push(format!("{place}: spread: a standard deviation is negative; use 0 or more"));
        }
        if p.effects.ramp_weeks <= 0.0 || p.effects.half_life_weeks <= 0.0 {
            lines.push(format!("{place}: effects: ramp_weeks and half_life_weeks must be more than 0"));
        }
        if p.municipalities.is_empty() {
            lines.push(format!("{place}: municipalities: is empty; describe at least one"));
        }
        if lines.is_empty() { Ok(parameters) } else { Err(Error::refused_lines("simulation", lines)) }
    }

    /// The same with these departures happening.
    pub fn departing(self, names: &[String]) -> Result<Parameters> {
        let find = |name: &String| {
            self.departures.get(name).cloned().ok_or_else(|| {
                let known: Vec<&str> = self.departures.keys().map(String::as_str).collect();
                Error::refused("departure-unknown", format!("--departure {name}: the parameters have none of that name; use {}", known.join(", ")))
            })
        };
        let departs = names.iter().map(find).collect::<Result<Vec<_>>>()?;
        Ok(Parameters { departs, ..self })
    }

    /// Intercept and baseline share of a municipality; the list starts again after its end.
    pub(super) fn place(&self, municipality: usize) -> (f64, f64) {
        match self.municipalities.len() {
            0 => (0.0, 0.5),
            n => {
                let place = &self.municipalities[municipality % n];
                (place.intercept, place.baseline_share)
            }
        }
    }
}
