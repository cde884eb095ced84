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
use super::load::{Data, Messages, Segment, Tally};
use super::model::{self, Coding, estimate};
use super::pilot::{Ground, arms, drawn};
use super::replay::Replays;
use super::simulate::{Dose, Parameters, Town, Truth, doses};
use crate::error::{Error, Result};
use crate::id::seeded_random;
use crate::stats::interval::{Share, wilson};
use crate::stats::ols::{Df, EffectCount, Estimate, Variance, fit};
use crate::trial::protocol::{self, Adjust, Analysis, Family, Protocol};
use crate::trial::randomise::LeftOver;
use crate::trial::{TrialSegment, assign};
use rand_chacha::rand_core::Rng;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};

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
    protocol: &'a Protocol,
    parameters: &'a Parameters,
    ground: Ground,
    contrasts: Vec<protocol::Contrast>,
    doses: Vec<Dose>,
    pub seed: u64,
    pub replicates: u32,
    /// Only pilots in which nothing works; otherwise each pilot is made with effects and without.
    pub no_effect: bool,
}

impl<'a> Study<'a> {
    pub fn new(protocol: &'a Protocol, parameters: &'a Parameters, seed: u64, replicates: u32, no_effect: bool) -> Result<Study<'a>> {
        let contrasts = protocol.analysis.contrasts().cloned().collect();
        Ok(Study {
            protocol,
            parameters,
            ground: Ground::new(protocol, parameters)?,
            contrasts,
            doses: doses(protocol, parameters),
            seed,
            replicates,
            no_effect,
        })
    }

    pub fn segments(&self) -> usize {
        self.ground.segments.len()
    }

    /// The protocol's primary contrasts, then its secondary ones.
    pub fn contrasts(&self) -> &[protocol::Contrast] {
        &self.contrasts
    }

    /// Of the intervals.
    pub fn level(&self) -> f64 {
        self.protocol.analysis.level
    }

    /// Makes and analyses all pilots, on every core; the answer does not depend on how many there are. `progress` hears how many are done.
    pub fn rows(&self, progress: &(dyn Fn(u32) + Sync)) -> Result<Vec<Row>> {
        let (next, done) = (AtomicU32::new(0), AtomicU32::new(0));
        let work = || {
            let mut own: Vec<(u32, Vec<Pilot>)> = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= self.replicates {
                    return Ok(own);
                }
                own.push((number, self.replicate(number)?));
                progress(done.fetch_add(1, Ordering::Relaxed) + 1);
            }
        };
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get()).min(self.replicates as usize);
        let parts: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            threads.into_iter().map(|thread| thread.join()).collect()
        });
        let mut all = Vec::new();
        for part in parts {
            let part: Result<Vec<(u32, Vec<Pilot>)>> = part.map_err(|_| Error::internal("a simulated pilot was not finished"))?;
            all.extend(part?);
        }
        all.sort_by_key(|(number, _)| *number);
        let worlds: &[bool] = if self.no_effect { &[true] } else { &[false, true] };
        let mut rows = Vec::new();
        for (world, no_effect) in worlds.iter().enumerate() {
            let pilots: Vec<&Pilot> = all.iter().filter_map(|(_, worlds)| worlds.get(world)).collect();
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
        if estimator >= 5 && !self.protocol.analysis.families.first().is_some_and(|primary| primary.contrasts.iter().any(|one| one.id == *name)) {
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
        let level = 1.0 - self.protocol.analysis.level + 1e-9;
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

    /// One town to its draw, and from there with effects and without.
    fn replicate(&self, number: u32) -> Result<Vec<Pilot>> {
        let mut random = seeded_random(self.seed, &format!("replicate {number}"));
        let town_seed = random.next_u64();
        let mut protocol = self.protocol.clone();
        protocol.seed = random.next_u64();
        // The report's own path computes everything for what it takes as primary; its Holm adjustment is not looked at.
        let family = Family {
            id: "primary".into(),
            contrasts: self.contrasts.clone(),
            measures: vec![protocol.outcome.measure],
            phase: protocol.estimand.phase,
            adjust: Adjust::None,
        };
        protocol.analysis = Analysis { families: vec![family], level: protocol.analysis.level, randomisation_draws: DRAWS, wild_draws: DRAWS };
        let calendar = &self.protocol.calendar;
        let homes = &self.ground.homes;
        let mut town = Town::new(self.parameters, calendar, homes, town_seed);
        let mut segments = self.ground.segments.clone();
        let mut seen = vec![false; homes.len()];
        for week in 1..=calendar.baseline[1] {
            town.next_week(&[], &[], true, |visit, _| {
                if let Some(complied) = visit.complied().filter(|_| week >= calendar.baseline[0]) {
                    let segment = &mut segments[homes[visit.home].segment];
                    segment.baseline_observed += 1;
                    segment.baseline_complied += i32::from(complied);
                    seen[visit.home] = true;
                }
            });
        }
        let mut homes_observed = vec![0; segments.len()];
        homes.iter().zip(seen).filter(|(_, seen)| *seen).for_each(|(home, _)| homes_observed[home.segment] += 1);
        let segments = drawn(&protocol, segments, &homes_observed)?;
        let worlds: &[bool] = if self.no_effect { &[true] } else { &[false, true] };
        Ok(worlds.iter().map(|no_effect| self.pilot(&protocol, town.clone(), &segments, *no_effect)).collect())
    }

    /// Goes on from the draw to the end of the estimand's phase and asks every estimator.
    fn pilot(&self, protocol: &Protocol, mut town: Town, segments: &[TrialSegment], no_effect: bool) -> Pilot {
        let [first, last] = protocol.calendar.of(protocol.estimand.phase);
        let (mut data, place) = assigned(protocol, segments);
        let arms = arms(protocol, segments);
        let observer = &self.parameters.observation;
        let slope = observer.sensitivity + observer.specificity - 1.0;
        let mut truth = Truth::default();
        for week in protocol.calendar.baseline[1] + 1..=last {
            let start = data.tallies.len();
            let homes = data.segments.iter().map(|segment| segment.homes).enumerate();
            data.tallies.extend(homes.map(|(segment, due)| Tally { segment, week, due, ..Tally::default() }));
            town.next_week(&self.doses, &arms, no_effect, |visit, chances| {
                let Some(place) = place[self.ground.homes[visit.home].segment] else { return };
                if week >= first {
                    truth.add(chances);
                }
                let Some(seen) = visit.seen() else { return };
                let tally = &mut data.tallies[start + place];
                tally.observed += 1.0;
                tally.set_out += f64::from(u8::from(seen.set_out));
                tally.complied += f64::from(u8::from(seen.complied()));
            });
        }
        truth.average();
        let truth = self.contrasts.iter().map(|contrast| slope * truth.contrast(&contrast.weights)).collect();
        Pilot { truth, found: self.found(&data) }
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

/// The drawn segments as the report reads them, and the place of each segment among them.
fn assigned(protocol: &Protocol, segments: &[TrialSegment]) -> (Data, Vec<Option<usize>>) {
    let strata: Vec<String> = segments.iter().filter_map(|s| s.stratum.clone()).collect::<BTreeSet<_>>().into_iter().collect();
    let of: BTreeMap<&str, usize> = protocol.arms.iter().enumerate().map(|(at, arm)| (arm.id.as_str(), at)).collect();
    let (mut entered, mut place) = (Vec::new(), Vec::new());
    for segment in segments {
        let arm = segment.arm.as_deref().and_then(|arm| of.get(arm).copied());
        let stratum = segment.stratum.as_ref().and_then(|name| strata.binary_search(name).ok());
        place.push(arm.zip(stratum).map(|_| entered.len()));
        entered.extend(arm.zip(stratum).map(|(arm, stratum)| Segment {
            municipality: segment.municipality_id,
            homes: f64::from(segment.homes),
            stratum,
            arm,
            baseline: (f64::from(segment.baseline_observed), f64::from(segment.baseline_complied)),
        }));
    }
    let rule = assign::rule(protocol, &segments.iter().filter(|segment| segment.arm.is_some()).collect::<Vec<_>>(), LeftOver::Together);
    let data = Data {
        coding: Coding::of(protocol),
        rule,
        segments: entered,
        strata,
        left_out: Vec::new(),
        tallies: Vec::new(),
        homes: Vec::new(),
        messages: vec![Messages::default(); protocol.arms.len()],
        since: Vec::new(),
        pauses: Vec::new(),
        through: protocol.calendar.of(protocol.estimand.phase)[1],
        protocol: protocol.clone(),
    };
    (data, place)
}
