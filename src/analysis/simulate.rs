//! An invented pilot with a known truth: the demo stands on it, and estimates are held against it.
//!
//! ```text
//! logit P(home complies in week t) = intercept of its municipality + segment + home + segment × week + segment × phase
//!     + strength(t) × (norm, if reached; plan, if reached and planned; interaction, if reached and in both; what its arm adds, if reached)
//! ```
//! The strength rises over `ramp_weeks` and halves every `half_life_weeks` once messages stop or the home opts out.
//! Crews see the truth with sensitivity and specificity; some visits are not made; some homes are seen twice.
//!
//! Randomness comes in separate ChaCha20 streams: one per segment, and two per home, named by its key. Every home-week takes the same number
//! of draws whatever comes out, so the baseline does not depend on the arms, a longer run begins with the shorter one, and a pilot
//! without effect differs from the same pilot with effect in nothing but the effect.

use super::departures::Departing;
pub use super::parameters::{Effects, Parameters};
use super::visit::uniform;
pub use super::visit::{Contact, Home, Seen, Separated, Visit};
use crate::id::seeded_random;
use crate::trial::protocol::{Calendar, Phase, Protocol, Treatment};
use rand_chacha::ChaCha20Rng;
use serde::Serialize;

/// What a home is like apart from its collections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HomeFacts {
    pub phone: bool,
    pub mam: bool,
    /// Messages reach it, by phone or on paper.
    pub reached: bool,
    /// It makes a plan if it is reached and asked.
    pub plans: bool,
    /// The trial week in which it asks for no more messages; only a home that is reached does.
    pub opts_out: Option<i64>,
    /// Its answer to how many of 10 homes separate.
    pub belief: i16,
}

/// Average probability of complying over all home-weeks of a phase, had every home been in one arm.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Truth {
    pub home_weeks: u64,
    /// By arm, in the protocol's order.
    pub rates: Vec<f64>,
}

impl Truth {
    pub(super) fn add(&mut self, chances: &[f64]) {
        self.home_weeks += 1;
        self.rates.resize(chances.len(), 0.0);
        self.rates.iter_mut().zip(chances).for_each(|(rate, chance)| *rate += chance);
    }

    /// From sums to averages, once.
    pub(super) fn average(&mut self) {
        let n = self.home_weeks.max(1) as f64;
        self.rates.iter_mut().for_each(|rate| *rate /= n);
    }

    /// Σ weight × rate over the arms.
    pub fn contrast(&self, weights: &[f64]) -> f64 {
        weights.iter().zip(&self.rates).map(|(weight, rate)| weight * rate).sum()
    }
}

/// What an arm's messages do to a home.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Dose {
    pub treatment: Treatment,
    /// Logits beside those of norm and plan.
    pub more: f64,
}

/// The doses of a protocol's arms, in their order.
pub fn doses(protocol: &Protocol, parameters: &Parameters) -> Vec<Dose> {
    let more = |arm: &str| parameters.arm_effects.get(arm).copied().unwrap_or(0.0);
    protocol.arms.iter().map(|arm| Dose { treatment: protocol.treatment(&arm.id), more: more(&arm.id) }).collect()
}

#[derive(Debug, Clone)]
pub struct Simulated {
    /// By week, then in the order of the homes.
    pub visits: Vec<Visit>,
    /// One per home, in their order.
    pub homes: Vec<HomeFacts>,
    /// Names of the reasons for which stops are not made.
    pub reasons: Vec<String>,
    /// Per phase with at least one simulated week: what is true, before any observer errs.
    pub truth: Vec<(Phase, Truth)>,
}

/// Standard normal by Box and Muller: always two draws.
fn normal(random: &mut ChaCha20Rng) -> f64 {
    let radius = (-2.0 * (1.0 - uniform(random)).ln()).sqrt();
    radius * (std::f64::consts::TAU * uniform(random)).cos()
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

#[derive(Clone)]
struct Segment {
    random: ChaCha20Rng,
    lasting: f64,
    by_phase: [f64; 4],
    this_week: f64,
}

/// A town on its way through the weeks. A draw can stand between two of them, and a copy goes on from the same week in another world.
#[derive(Clone)]
pub struct Town<'a> {
    parameters: &'a Parameters,
    calendar: &'a Calendar,
    homes: &'a [Home],
    segments: Vec<Segment>,
    lasting: Vec<f64>,
    facts: Vec<HomeFacts>,
    streams: Vec<ChaCha20Rng>,
    shares: Vec<f64>,
    departing: Option<Departing<'a>>,
    /// The reason given for what departures leave out.
    skipped: u8,
    week: i64,
}

impl<'a> Town<'a> {
    /// The town before its first week.
    pub fn new(parameters: &'a Parameters, calendar: &'a Calendar, homes: &'a [Home], seed: u64) -> Town<'a> {
        let spread = &parameters.spread;
        let count = homes.iter().map(|home| home.segment + 1).max().unwrap_or(0);
        let segments: Vec<Segment> = (0..count)
            .map(|segment| {
                let mut random = seeded_random(seed, &format!("simulate segment {segment}"));
                let lasting = spread.segment * normal(&mut random);
                let by_phase = std::array::from_fn(|_| spread.segment_phase * normal(&mut random));
                Segment { random, lasting, by_phase, this_week: 0.0 }
            })
            .collect();
        let (lasting, facts): (Vec<f64>, Vec<HomeFacts>) = homes.iter().map(|home| home_facts(parameters, calendar, home, seed)).unzip();
        let streams = homes.iter().map(|home| seeded_random(seed, &format!("simulate visits {}", home.key))).collect();
        let shares = parameters.missing_reasons.values().copied().collect();
        let departing = Departing::of(&parameters.departs, homes, count, seed);
        let skipped = parameters.missing_reasons.keys().position(|reason| reason == "skipped").unwrap_or(0) as u8;
        Town { parameters, calendar, homes, segments, lasting, facts, streams, shares, departing, skipped, week: 0 }
    }

    /// Makes the next week: each home's visit and its chances of complying under each arm, in the order of the homes. `arms[segment]` is its
    /// arm's place in `doses`; a segment without one is left alone.
    pub fn next_week(&mut self, doses: &[Dose], arms: &[Option<usize>], no_effect: bool, mut each: impl FnMut(Visit, &[f64])) {
        let Parameters { spread, effects, .. } = self.parameters;
        self.week += 1;
        let week = self.week;
        let phase = self.calendar.phase(week);
        for segment in &mut self.segments {
            segment.this_week = spread.segment_week * normal(&mut segment.random);
        }
        if let Some(departing) = &mut self.departing {
            departing.lose(self.calendar, week, arms, |segment| self.segments[segment].lasting);
        }
        let mut chances = vec![0.0; doses.len()];
        for (at, home) in self.homes.iter().enumerate().filter(|(_, home)| home.from <= week) {
            let arm = arms.get(home.segment).copied().flatten();
            let lives_in = self.departing.as_mut().map_or(home.segment, |departing| departing.lives_in(self.calendar, week, at, home, arm));
            let segment = &self.segments[lives_in];
            let (intercept, _) = self.parameters.place(home.municipality);
            let base = intercept + segment.lasting + self.lasting[at] + segment.this_week + segment.by_phase[phase.map_or(3, |phase| phase as usize)];
            let strength = if no_effect { 0.0 } else { strength(effects, self.calendar, (home.from, self.facts[at].opts_out), week) };
            let idle = logistic(base);
            for (chance, dose) in chances.iter_mut().zip(doses) {
                let push = strength * push(effects, &self.facts[at], dose);
                *chance = if push == 0.0 { idle } else { logistic(base + push) };
            }
            let own = arm.and_then(|arm| chances.get(arm)).copied().unwrap_or(idle);
            let mut visit = visit(self.parameters, &self.shares, at, week, own, &mut self.streams[at]);
            if let Some(departing) = &mut self.departing {
                departing.change(self.calendar, &mut visit, arm, self.parameters.observation.specificity, self.skipped);
            }
            each(visit, &chances);
        }
    }
}

/// Simulates weeks 1 to `through`. `arms` is as in [`Town::next_week`]; before the draw give none.
/// Weeks outside the three phases of `calendar` get no effect and a phase shock of their own.
#[allow(clippy::too_many_arguments)]
pub fn simulate(
    parameters: &Parameters,
    calendar: &Calendar,
    homes: &[Home],
    doses: &[Dose],
    arms: &[Option<usize>],
    through: i64,
    seed: u64,
    no_effect: bool,
) -> Simulated {
    let mut town = Town::new(parameters, calendar, homes, seed);
    let mut visits = Vec::with_capacity(homes.len() * through.max(0) as usize);
    let mut truth: Vec<(Phase, Truth)> = Phase::ALL.iter().map(|phase| (*phase, Truth::default())).collect();
    for week in 1..=through {
        let phase = calendar.phase(week);
        town.next_week(doses, arms, no_effect, |visit, chances| {
            if let Some((_, sum)) = phase.and_then(|phase| truth.get_mut(phase as usize)).filter(|_| homes[visit.home].from <= 1) {
                sum.add(chances);
            }
            visits.push(visit);
        });
    }
    for (_, sum) in &mut truth {
        sum.average();
    }
    let truth = truth.into_iter().filter(|(_, sum)| sum.home_weeks > 0).collect();
    let reasons = parameters.missing_reasons.keys().cloned().collect();
    Simulated { visits, homes: town.facts, reasons, truth }
}

/// Logits a home gains at full strength.
fn push(effects: &Effects, home: &HomeFacts, dose: &Dose) -> f64 {
    if !home.reached {
        return 0.0;
    }
    let Treatment { norm, plan } = dose.treatment;
    let mut push = 0.0;
    if norm {
        push += effects.norm;
    }
    if plan && home.plans {
        push += effects.plan;
    }
    if norm && plan {
        push += effects.interaction;
    }
    push + dose.more
}

/// How much of the effect stands in a week: it rises while messages come to a home, which is there from a week on, and halves again and again
/// once they stop.
fn strength(effects: &Effects, calendar: &Calendar, (from, opts_out): (i64, Option<i64>), week: i64) -> f64 {
    let [first, last] = calendar.messages;
    let first = first.max(from);
    let last = opts_out.map_or(last, |out| last.min(out - 1));
    if week < first || last < first {
        return 0.0;
    }
    let rise = |week: i64| ((week - first + 1) as f64 / effects.ramp_weeks).min(1.0);
    if week <= last { rise(week) } else { rise(last) * 0.5f64.powf((week - last) as f64 / effects.half_life_weeks) }
}

fn home_facts(parameters: &Parameters, calendar: &Calendar, home: &Home, seed: u64) -> (f64, HomeFacts) {
    let mut random = seeded_random(seed, &format!("simulate home {}", home.key));
    let lasting = parameters.spread.home * normal(&mut random);
    let reach = &parameters.reach;
    let has_phone = uniform(&mut random) >= reach.no_phone;
    let phone = match home.contact {
        Contact::Drawn => has_phone,
        known => known == Contact::Phone,
    };
    // Paper reaches as many homes without a phone as the delivered share leaves to it.
    let by_phone = 1.0 - reach.failed_final;
    let by_paper = if reach.no_phone > 0.0 { ((reach.delivered - (1.0 - reach.no_phone) * by_phone) / reach.no_phone).clamp(0.0, 1.0) } else { 0.0 };
    let arrives = uniform(&mut random) < if phone { by_phone } else { by_paper };
    let reached = arrives && home.contact != Contact::None;
    let plans = uniform(&mut random) < reach.plan_uptake;
    // Weeks until the home opts out, geometric, by inversion.
    let patience = uniform(&mut random);
    let [first, last] = calendar.messages;
    let opts_out = if reached && reach.opt_out_per_week > 0.0 {
        let weeks = ((1.0 - patience).ln() / (1.0 - reach.opt_out_per_week).ln()).floor();
        // The first message must arrive before a home can ask for no more.
        (weeks < (last - first) as f64).then(|| first + 1 + weeks as i64)
    } else {
        None
    };
    let (_, share) = parameters.place(home.municipality);
    let belief = 10.0 * share + parameters.beliefs.mean_error + parameters.beliefs.sd * normal(&mut random);
    let mam = uniform(&mut random) < parameters.language.mam;
    (lasting, HomeFacts { phone, mam, reached, plans, opts_out, belief: belief.round().clamp(0.0, 10.0) as i16 })
}

/// One home-week: ten draws, whatever comes out.
fn visit(parameters: &Parameters, reasons: &[f64], home: usize, week: i64, chance: f64, random: &mut ChaCha20Rng) -> Visit {
    let observer = &parameters.observation;
    let draws: [f64; 10] = std::array::from_fn(|_| uniform(random));
    let true_complied = draws[0] < chance;
    let record = |judged: f64, outcome: f64, gross: f64| -> Seen {
        let complied = judged < if true_complied { observer.sensitivity } else { 1.0 - observer.specificity };
        let records = &parameters.records;
        let (set_out, separated, gross) = match () {
            _ if complied => (true, Separated::Yes, false),
            _ if outcome < records.not_set_out => (false, Separated::No, false),
            _ if outcome < records.not_set_out + records.partly => (true, Separated::Partly, gross < records.gross_if_partly),
            _ => (true, Separated::No, gross < records.gross_if_mixed),
        };
        Seen { set_out, separated, gross }
    };
    let first = record(draws[1], draws[2], draws[3]);
    let missing = (draws[4] < observer.missing).then(|| {
        let mut below = 0.0;
        let place = reasons.iter().position(|share| {
            below += share;
            draws[5] < below
        });
        place.unwrap_or(reasons.len().saturating_sub(1)) as u8
    });
    let double = (draws[6] < observer.double && missing.is_none()).then(|| record(draws[7], draws[8], draws[9]));
    Visit { home, week, set_out: first.set_out, separated: first.separated, gross: first.gross, missing, double, true_complied }
}
