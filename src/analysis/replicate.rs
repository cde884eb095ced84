//! Many invented pilots under one protocol: each its own town, drawn by the trial's own rule, and read as the report reads a trial.

use super::coding::Coding;
use super::load::{Data, Messages, Segment, Tally};
use super::pilot::{Ground, arms, drawn};
use super::simulate::{Dose, Parameters, Separated, Town, Truth, doses};
use crate::error::{Error, Result};
use crate::id::seeded_random;
use crate::trial::protocol::{Analysis, Phase, Protocol};
use crate::trial::randomise::LeftOver;
use crate::trial::{TrialSegment, assign};
use rand_chacha::rand_core::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};

/// One pilot from its draw to the end of the data, and what is true of the homes of the draw.
pub(super) struct Pilot {
    pub(super) data: Data,
    /// In the order of [`Phase::ALL`]; empty where the data do not reach.
    pub(super) truth: Vec<Truth>,
}

/// Towns of one kind.
pub(super) struct Towns<'a> {
    pub(super) protocol: &'a Protocol,
    pub(super) parameters: &'a Parameters,
    pub(super) ground: Ground,
    doses: Vec<Dose>,
    seed: u64,
}

impl<'a> Towns<'a> {
    pub(super) fn new(protocol: &'a Protocol, parameters: &'a Parameters, seed: u64) -> Result<Towns<'a>> {
        Ok(Towns { protocol, parameters, ground: Ground::new(protocol, parameters)?, doses: doses(protocol, parameters), seed })
    }

    /// Asks `work` of each number below `replicates`, on every core; the answers are in order and do not depend on how many there are.
    /// `progress` hears how many are done.
    pub(super) fn each<T: Send>(&self, replicates: u32, work: &(dyn Fn(u32) -> Result<T> + Sync), progress: &(dyn Fn(u32) + Sync)) -> Result<Vec<T>> {
        let (next, done) = (AtomicU32::new(0), AtomicU32::new(0));
        let own = || {
            let mut own: Vec<(u32, T)> = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= replicates {
                    return Ok(own);
                }
                own.push((number, work(number)?));
                progress(done.fetch_add(1, Ordering::Relaxed) + 1);
            }
        };
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get()).min(replicates as usize);
        let parts: Vec<Result<Vec<(u32, T)>>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(own)).collect();
            let joined = threads.into_iter().map(|thread| thread.join());
            joined.map(|part| part.unwrap_or_else(|_| Err(Error::internal("a simulated pilot was not finished")))).collect()
        });
        let mut all = Vec::new();
        for part in parts {
            all.extend(part?);
        }
        all.sort_by_key(|(number, _)| *number);
        Ok(all.into_iter().map(|(_, answer)| answer).collect())
    }

    /// One town to its draw, and from there through the week `through` in each of `worlds`: with effects (false) or without.
    pub(super) fn replicate(&self, number: u32, analysis: &Analysis, through: i64, worlds: &[bool]) -> Result<Vec<Pilot>> {
        let mut random = seeded_random(self.seed, &format!("replicate {number}"));
        let town_seed = random.next_u64();
        let protocol = Protocol { seed: random.next_u64(), analysis: analysis.clone(), ..self.protocol.clone() };
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
        Ok(worlds.iter().map(|no_effect| self.pilot(&protocol, town.clone(), &segments, through, *no_effect)).collect())
    }

    /// Goes on from the draw. A home counts in the segment of the draw wherever it lives; one that comes later counts where it came to.
    fn pilot(&self, protocol: &Protocol, mut town: Town, segments: &[TrialSegment], through: i64, no_effect: bool) -> Pilot {
        let (mut data, place) = assigned(protocol, segments, through);
        let arms = arms(protocol, segments);
        let mut truth = vec![Truth::default(); Phase::ALL.len()];
        for week in protocol.calendar.baseline[1] + 1..=through {
            let start = data.tallies.len();
            let due = data.segments.iter().map(|segment| segment.homes).enumerate();
            data.tallies.extend(due.map(|(segment, due)| Tally { segment, week, due, ..Tally::default() }));
            let phase = protocol.phase(week);
            town.next_week(&self.doses, &arms, no_effect, |visit, chances| {
                let home = &self.ground.homes[visit.home];
                let Some(place) = place[home.segment] else { return };
                if let Some(phase) = phase.filter(|_| home.from <= 1) {
                    truth[phase as usize].add(chances);
                }
                let Some(seen) = visit.seen() else { return };
                let tally = &mut data.tallies[start + place];
                tally.observed += 1.0;
                tally.set_out += f64::from(u8::from(seen.set_out));
                tally.complied += f64::from(u8::from(seen.complied()));
                tally.contaminated += f64::from(u8::from(seen.set_out && seen.gross));
                tally.separation_seen += f64::from(u8::from(seen.set_out));
                tally.separated += f64::from(u8::from(seen.set_out && seen.separated == Separated::Yes));
            });
        }
        truth.iter_mut().for_each(Truth::average);
        Pilot { data, truth }
    }
}

/// The drawn segments as the report reads them, and the place of each segment among them.
fn assigned(protocol: &Protocol, segments: &[TrialSegment], through: i64) -> (Data, Vec<Option<usize>>) {
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
        through,
        protocol: protocol.clone(),
    };
    (data, place)
}
