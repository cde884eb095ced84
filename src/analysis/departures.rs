//! What a pilot may do that its analysis does not assume: visits missed by outcome, movers, arrivals, segments that go silent, observers who
//! drift. Everything begins with the first message week, and takes its randomness from streams of its own: a pilot without departures is the
//! same home for home.

use super::parameters::Departure;
use super::visit::{Home, Separated, Visit, uniform};
use crate::id::seeded_random;
use crate::trial::protocol::Calendar;
use rand_chacha::ChaCha20Rng;
use std::ops::Range;

/// A town's departures on its way through the weeks.
#[derive(Clone)]
pub(super) struct Departing<'a> {
    departures: &'a [Departure],
    /// A stream and the segment it lives in for each home.
    homes: Vec<(ChaCha20Rng, usize)>,
    /// The segments of each municipality.
    within: Vec<Range<usize>>,
    /// Whether a segment is observed no more, and the order in which segments are lost when any of them may be.
    lost: Vec<bool>,
    turn: Vec<f64>,
}

impl<'a> Departing<'a> {
    /// `None` when nothing departs.
    pub(super) fn of(departures: &'a [Departure], homes: &[Home], segments: usize, seed: u64) -> Option<Departing<'a>> {
        if departures.is_empty() {
            return None;
        }
        let mut within: Vec<Range<usize>> = Vec::new();
        for home in homes {
            if within.len() <= home.municipality {
                within.resize(home.municipality + 1, home.segment..home.segment);
            }
            let range = &mut within[home.municipality];
            *range = range.start.min(home.segment)..range.end.max(home.segment + 1);
        }
        let mut random = seeded_random(seed, "simulate lost segments");
        Some(Departing {
            departures,
            homes: homes.iter().map(|home| (seeded_random(seed, &format!("simulate departures {}", home.key)), home.segment)).collect(),
            within,
            lost: vec![false; segments],
            turn: (0..segments).map(|_| uniform(&mut random)).collect(),
        })
    }

    /// Segments go silent at the beginning of a week. `level` says how much a segment complies.
    pub(super) fn lose(&mut self, calendar: &Calendar, week: i64, arms: &[Option<usize>], level: impl Fn(usize) -> f64) {
        for departure in self.departures.iter().filter(|d| d.segments_lost > 0.0 && week == calendar.messages[0] + d.lost_from.max(1) - 1) {
            let mut open: Vec<usize> = (0..arms.len()).filter(|at| arms[*at].is_some() && departure.hits(arms[*at])).collect();
            let rank = |at: &usize| if departure.worst_first { level(*at) } else { self.turn[*at] };
            open.sort_by(|a, b| rank(a).total_cmp(&rank(b)).then(a.cmp(b)));
            let count = (departure.segments_lost * open.len() as f64).round() as usize;
            open.into_iter().take(count).for_each(|at| self.lost[at] = true);
        }
    }

    /// The segment a home lives in this week.
    pub(super) fn lives_in(&mut self, calendar: &Calendar, week: i64, at: usize, home: &Home, arm: Option<usize>) -> usize {
        let (random, segment) = &mut self.homes[at];
        for departure in self.departures.iter().filter(|d| d.moves_per_week > 0.0 && week >= calendar.messages[0]) {
            let (moves, place) = (uniform(random), uniform(random));
            if departure.hits(arm) && moves < departure.moves_per_week {
                let range = &self.within[home.municipality];
                *segment = range.start + (place * range.len() as f64) as usize;
            }
        }
        *segment
    }

    /// What becomes of a visit. As many draws whatever comes out.
    pub(super) fn change(&mut self, calendar: &Calendar, visit: &mut Visit, arm: Option<usize>, specificity: f64, reason: u8) {
        let (random, segment) = &mut self.homes[visit.home];
        let weeks = visit.week - calendar.messages[0] + 1;
        for departure in self.departures.iter().filter(|_| weeks > 0) {
            let (errs, misses) = (uniform(random), uniform(random));
            if !departure.hits(arm) || visit.true_complied {
                continue;
            }
            // Of those recorded rightly, which are `specificity` of all.
            let more = departure.false_yes_per_week * weeks as f64 / specificity.max(1e-9);
            if visit.complied() == Some(false) && errs < more {
                (visit.set_out, visit.separated, visit.gross) = (true, Separated::Yes, false);
            }
            if misses < departure.missing_if_not_complied {
                visit.missing = visit.missing.or(Some(reason));
            }
        }
        if self.lost[*segment] {
            visit.missing = visit.missing.or(Some(reason));
        }
        if visit.missing.is_some() {
            visit.double = None;
        }
    }
}

/// The trial weeks in which homes come to a segment of `homes`, spread evenly over the message weeks; `segment` shifts them.
pub(super) fn arrivals(departures: &[Departure], calendar: &Calendar, homes: usize, segment: usize) -> Vec<i64> {
    let [first, last] = calendar.messages;
    let weeks = (last - first + 1).max(1);
    let rate: f64 = departures.iter().map(|departure| departure.arrivals_per_week).sum();
    let count = (rate * homes as f64 * weeks as f64).round() as i64;
    (0..count).map(|number| first + (number * weeks / count + segment as i64) % weeks).collect()
}
