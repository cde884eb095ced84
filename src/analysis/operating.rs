//! Operating characteristics: what the report's estimators do on many invented pilots under one protocol.
//!
//! Per contrast with truth θ over R pilots: bias = mean(θ̂) − θ; se_ratio = mean(se) / sd(θ̂); coverage = share of the intervals that hold
//! θ; power = share of the pilots with p ≤ 1 − level, which is the type I error where θ = 0. The Monte Carlo error of a share c of R is
//! √(c (1 − c) / R) (Morris, White and Crowther 2019).
//!
//! θ is what the estimators aim at. The simulator knows every home's probability of complying in every week under each of the four arms, so
//! a contrast's true effect in one town is the mean, over the homes of the drawn segments and the weeks of the messages phase, of differences
//! between those probabilities: no sampling, no model, by assignment whatever arrived. A crew that errs records
//! (1 − specificity) + (sensitivity + specificity − 1) p where p is true, so the effect on what is recorded is the true one times
//! sensitivity + specificity − 1 (0.87 by default), and missing visits, being missing at random here, leave it alone. θ is its mean over the
//! towns: the effect in towns like these, which is what a segment-clustered interval is about.
//!
//! Each pilot is its own town with its own draw. The pilot without effect is the same town, baseline, draw and random numbers, and goes on
//! from the draw with effects of zero.

use super::findings::Contrast;
use super::load::Data;
use super::model::{self, estimate};
use super::replay::Replays;
use super::replicate::Towns;
use super::simulate::Parameters;
use crate::error::Result;
use crate::stats::interval::{Share, wilson};
use crate::stats::ols::{Df, EffectCount, Estimate, Variance, fit};
use crate::trial::protocol::{self, Adjust, Analysis, Family, Protocol};
use serde::Serialize;

/// Draws of the bootstrap and of the replayed assignment in each pilot: with 399, p ≤ 0.05 is a test of exactly 5 %.
pub const DRAWS: u32 = 399;

/// The estimators, the report's default interval first.
pub const ESTIMATORS: [&str; 7] = ["lpm_cr2", "lpm_cr1s", "lpm_cr0", "lpm_classical", "segment_means", "wild_bootstrap", "replayed_draw"];

/// What one estimator says of one contrast in one pilot. The two tests have the model's estimate and no interval.
#[derive(Debug, Clone, Copy)]
struct Found {
    estimate: f64,
    interval: Option<(f64, f64, f64)>,
    p: f64,
}

impl Found {
    fn of(found: &Estimate) -> Found {
        Found { estimate: found.estimate, interval: Some((found.se, found.low, found.high)), p: found.p }
    }

    fn reported(contrast: &Contrast) -> Option<Found> {
        Some(Found { estimate: contrast.estimate?, interval: Some((contrast.se?, contrast.ci_low?, contrast.ci_high?)), p: contrast.p? })
    }

    fn test(contrast: &Contrast, p: Option<f64>) -> Option<Found> {
        Some(Found { estimate: contrast.estimate?, interval: None, p: p? })
    }
}

/// One pilot with effects, or without: the truth by contrast, what was found by estimator and contrast.
struct Pilot {
    truth: Vec<f64>,
    found: Vec<Vec<Option<Found>>>,
}

/// One line of the table. `coverage` and `se_ratio` are empty for tests without an interval.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    pub estimator: &'static str,
    pub contrast: String,
    /// In the recorded outcome, as a fraction; 0 for the pilots without effect.
    pub truth: f64,
    pub mean: Option<f64>,
    pub bias: Option<f64>,
    pub se_ratio: Option<f64>,
    pub coverage: Option<f64>,
    /// The type I error where the truth is 0. A pilot whose p cannot be computed does not reject; empty when none can.
    pub power: Option<f64>,
    /// Monte Carlo standard error of the coverage, or of the power where there is no coverage.
    pub mc_error: Option<f64>,
    pub pilots: u32,
    /// Pilots in which the estimator gave a number.
    pub computed: u32,
    pub no_effect: bool,
}

impl Row {
    /// Coverage and power with their Monte Carlo intervals (Wilson, 95 %).
    pub fn shares(&self) -> [Option<Share>; 2] {
        let share = |c: Option<f64>, n: u32| c.and_then(|c| wilson((c * f64::from(n)).round(), f64::from(n), 0.95));
        [share(self.coverage, self.computed), share(self.power, self.pilots)]
    }
}

/// Many pilots under one protocol.
pub struct Study<'a> {
    towns: Towns<'a>,
    contrasts: Vec<protocol::Contrast>,
    /// What is asked of every pilot.
    analysis: Analysis,
    pub seed: u64,
    pub replicates: u32,
    /// Only pilots in which nothing works; otherwise each pilot is made with effects and without.
    pub no_effect: bool,
}

impl<'a> Study<'a> {
    pub fn new(protocol: &'a Protocol, parameters: &'a Parameters, seed: u64, replicates: u32, no_effect: bool) -> Result<Study<'a>> {
        let contrasts: Vec<protocol::Contrast> = protocol.analysis.contrasts().cloned().collect();
        // The report's own path computes everything for what it takes as primary; its Holm adjustment is not looked at.
        let family = Family {
            id: "primary".into(),
            contrasts: contrasts.clone(),
            measures: vec![protocol.outcome.measure],
            phase: protocol.estimand.phase,
            adjust: Adjust::None,
        };
        let analysis = Analysis { families: vec![family], level: protocol.analysis.level, randomisation_draws: DRAWS, wild_draws: DRAWS };
        Ok(Study { towns: Towns::new(protocol, parameters, seed)?, contrasts, analysis, seed, replicates, no_effect })
    }

    pub fn segments(&self) -> usize {
        self.towns.ground.segments.len()
    }

    /// The protocol's primary contrasts, then its secondary ones.
    pub fn contrasts(&self) -> &[protocol::Contrast] {
        &self.contrasts
    }

    /// Of the intervals.
    pub fn level(&self) -> f64 {
        self.analysis.level
    }

    /// Makes and analyses all pilots, on every core; the answer does not depend on how many there are. `progress` hears how many are done.
    pub fn rows(&self, progress: &(dyn Fn(u32) + Sync)) -> Result<Vec<Row>> {
        let worlds: &[bool] = if self.no_effect { &[true] } else { &[false, true] };
        let all = self.towns.each(self.replicates, &|number| self.replicate(number, worlds), progress)?;
        let mut rows = Vec::new();
        for (world, no_effect) in worlds.iter().enumerate() {
            let pilots: Vec<&Pilot> = all.iter().filter_map(|worlds| worlds.get(world)).collect();
            for at in 0..self.contrasts.len() {
                rows.extend((0..ESTIMATORS.len()).filter_map(|estimator| self.row(&pilots, estimator, at, *no_effect)));
            }
        }
        Ok(rows)
    }

    /// `None` where the estimator does not answer this contrast by design.
    fn row(&self, pilots: &[&Pilot], estimator: usize, contrast: usize, no_effect: bool) -> Option<Row> {
        let name = &self.contrasts[contrast].id;
        // The tests are of the primary contrasts.
        if estimator >= 5 && !self.towns.protocol.analysis.families.first().is_some_and(|primary| primary.contrasts.iter().any(|one| one.id == *name))
        {
            return None;
        }
        let mean = |values: &[f64]| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
        let truth = mean(&pilots.iter().map(|pilot| pilot.truth[contrast]).collect::<Vec<_>>()).unwrap_or(0.0);
        let found: Vec<Found> = pilots.iter().filter_map(|pilot| pilot.found[estimator][contrast]).collect();
        let estimates: Vec<f64> = found.iter().map(|found| found.estimate).collect();
        let intervals: Vec<(f64, f64, f64)> = found.iter().filter_map(|found| found.interval).collect();
        let average = mean(&estimates);
        let spread = average
            .filter(|_| estimates.len() > 1)
            .map(|m| (estimates.iter().map(|e| (e - m) * (e - m)).sum::<f64>() / (estimates.len() - 1) as f64).sqrt())
            .filter(|sd| *sd > 0.0);
        let se_ratio = mean(&intervals.iter().map(|(se, _, _)| *se).collect::<Vec<_>>()).zip(spread).map(|(se, sd)| se / sd);
        let share = |count: usize, of: usize| (of > 0).then(|| count as f64 / of as f64);
        let coverage = share(intervals.iter().filter(|(_, low, high)| (*low..=*high).contains(&truth)).count(), intervals.len());
        // 1 − 0.95 is not quite 0.05.
        let level = 1.0 - self.analysis.level + 1e-9;
        let power = share(found.iter().filter(|found| found.p <= level).count(), pilots.len()).filter(|_| !found.is_empty());
        let error = |c: f64, n: usize| (c * (1.0 - c) / n as f64).sqrt();
        let mc_error = coverage.map(|c| error(c, intervals.len())).or(power.map(|c| error(c, pilots.len())));
        Some(Row {
            estimator: ESTIMATORS[estimator],
            contrast: name.clone(),
            truth,
            mean: average,
            bias: average.map(|mean| mean - truth),
            se_ratio,
            coverage,
            power,
            mc_error,
            pilots: pilots.len() as u32,
            computed: found.len() as u32,
            no_effect,
        })
    }

    /// One town with its draw, in each world: what is true, and what every estimator finds.
    fn replicate(&self, number: u32, worlds: &[bool]) -> Result<Vec<Pilot>> {
        let phase = self.towns.protocol.estimand.phase;
        let through = self.towns.protocol.calendar.of(phase)[1];
        let slope = self.towns.parameters.observation.slope();
        let made = self.towns.replicate(number, &self.analysis, through, worlds)?;
        let asked = made.into_iter().map(|made| Pilot {
            truth: self.contrasts.iter().map(|contrast| slope * made.truth[phase as usize].contrast(&contrast.weights)).collect(),
            found: self.found(&made.data),
        });
        Ok(asked.collect())
    }

    /// By estimator, in the order of `ESTIMATORS`, then by contrast.
    fn found(&self, data: &Data) -> Vec<Vec<Option<Found>>> {
        let answer = model::answer(data, &Replays::of(data));
        let mut found = vec![answer.primary.iter().map(Found::reported).collect()];
        let weeks = data.weeks(data.protocol.estimand.phase).unwrap_or((1, 0));
        let cells = model::cells(data, &model::rows(data, data.protocol.outcome.measure, weeks, false), true);
        let fitted = fit(&cells).ok();
        for (variance, df) in [(Variance::Cr1s, Df::Clusters), (Variance::Cr0, Df::Normal), (Variance::Classical, Df::Residual)] {
            let sandwich = fitted.as_ref().and_then(|fitted| Some((fitted, fitted.sandwich(variance, EffectCount::Nested, false).ok()?)));
            let one = |contrast: &protocol::Contrast| {
                let (fitted, sandwich) = sandwich.as_ref()?;
                estimate(data, fitted, sandwich, &contrast.weights, df, data.protocol.analysis.level).ok().map(|found| Found::of(&found))
            };
            found.push(self.contrasts.iter().map(one).collect());
        }
        found.push(answer.ancova.iter().map(Found::reported).collect());
        found.push(answer.primary.iter().map(|contrast| Found::test(contrast, contrast.p_wild)).collect());
        found.push(answer.primary.iter().map(|contrast| Found::test(contrast, contrast.p_randomisation)).collect());
        found
    }
}
