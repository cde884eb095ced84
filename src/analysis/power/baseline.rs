//! What an installation's observed baseline says of the same things, all arms together: it may be asked before the draw and after it.

use super::inputs::{Curve, Inputs, Likeness, Source, bisect, from_parameters};
use crate::all;
use crate::analysis::load::{Tally, due};
use crate::analysis::model::{counted, known};
use crate::analysis::parameters::{Parameters, Place};
use crate::clock::Week;
use crate::db::Tx;
use crate::error::Result;
use crate::id::{MunicipalityId, SegmentId};
use crate::stats::icc;
use crate::trial::assign::{Assessed, assess};
use crate::trial::protocol::{Measure, Phase, Protocol, Stratum};
use std::collections::{BTreeMap, BTreeSet};

/// The segments of a municipality that would enter the draw.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Served homes of each.
    pub homes: Vec<f64>,
    /// Baseline weeks with an observed collection; `segment` is a place in `homes`.
    pub tallies: Vec<Tally>,
    pub due: f64,
}

impl Observed {
    /// Two segments and two weeks to tell likeness from.
    pub fn tells(&self) -> bool {
        let weeks: BTreeSet<i64> = self.tallies.iter().map(|tally| tally.week).collect();
        self.homes.len() >= 2 && weeks.len() >= 2
    }

    /// A place of as many segments and homes.
    fn counts(&self, place: Place) -> Place {
        let homes = self.homes.iter().sum::<f64>() / self.homes.len().max(1) as f64;
        Place { segments: self.homes.len(), homes_per_segment: homes.round().max(1.0) as usize, ..place }
    }
}

/// By municipality, in the protocol's order. Before anything is observed the segments with enough served homes are those that would enter.
pub async fn read(tx: &mut Tx, protocol: &Protocol) -> Result<Vec<Observed>> {
    let (from, to) = protocol.phase_weeks(Phase::Baseline);
    let mut found = Vec::new();
    for &municipality in &protocol.municipalities {
        let assessed = assess(tx, protocol, municipality).await?;
        let begun = assessed.iter().any(|one| one.homes_observed > 0);
        let homes = |one: &Assessed| i64::from(if begun { one.homes_observed } else { one.segment.homes });
        let entering: Vec<Assessed> = assessed.into_iter().filter(|one| homes(one) >= protocol.population.minimum_homes).collect();
        let places: BTreeMap<SegmentId, usize> = entering.iter().enumerate().map(|(at, one)| (one.segment.segment_id, at)).collect();
        let mut own = Observed { homes: entering.iter().map(|one| f64::from(one.segment.homes)).collect(), ..Observed::default() };
        own.tallies = tallies(tx, protocol, municipality, &places).await?;
        own.due = due(tx, municipality, (from, to))
            .await?
            .iter()
            .filter(|(segment, ..)| places.contains_key(segment))
            .map(|(.., stops)| *stops as f64)
            .sum();
        found.push(own);
    }
    Ok(found)
}

async fn tallies(tx: &mut Tx, protocol: &Protocol, municipality: MunicipalityId, places: &BTreeMap<SegmentId, usize>) -> Result<Vec<Tally>> {
    let (from, to) = protocol.phase_weeks(Phase::Baseline);
    type Row = (SegmentId, Week, i32, i32, i32, i32, i32, i32);
    let rows: Vec<Row> = all!(
        tx,
        "SELECT segment_id, iso_week, observed, set_out, complied, contaminated, separation_seen, separated FROM segment_week
          WHERE municipality_id = $1 AND iso_week BETWEEN $2 AND $3 AND observed > 0",
        municipality,
        from,
        to
    )?;
    let tally = |(segment, week, observed, set_out, complied, contaminated, separation_seen, separated): Row| {
        let [observed, set_out, complied, contaminated] = [observed, set_out, complied, contaminated].map(f64::from);
        let (separation_seen, separated) = (f64::from(separation_seen), f64::from(separated));
        let (segment, week) = (*places.get(&segment)?, protocol.trial_week(week));
        Some(Tally { segment, week, due: 0.0, observed, set_out, complied, contaminated, separation_seen, separated })
    };
    Ok(rows.into_iter().filter_map(tally).collect())
}

/// A segment's means by week as differences from the mean of its stratum in that week.
type Deviations = BTreeMap<(usize, usize), Vec<(i64, f64)>>;

fn deviations(observed: &[Observed], measure: Measure, stratified: bool) -> Deviations {
    let group = |place: usize| if stratified { place } else { 0 };
    let mut means: BTreeMap<(usize, i64), (f64, f64)> = BTreeMap::new();
    let all = || {
        observed
            .iter()
            .enumerate()
            .flat_map(|(place, own)| own.tallies.iter().map(move |tally| (place, tally)))
            .filter(|(_, tally)| known(measure, tally) > 0.0)
    };
    for (place, tally) in all() {
        let mean = means.entry((group(place), tally.week)).or_default();
        *mean = (mean.0 + 1.0, mean.1 + counted(measure, tally) / known(measure, tally));
    }
    let mut out = Deviations::new();
    for (place, tally) in all() {
        let (n, sum) = means[&(group(place), tally.week)];
        out.entry((place, tally.segment)).or_default().push((tally.week, counted(measure, tally) / known(measure, tally) - sum / n));
    }
    out
}

/// Mean product of a segment's deviations in the same week, or in two different ones.
fn product(one: &Deviations, other: &Deviations, same_week: bool) -> f64 {
    let (mut n, mut sum) = (0.0, 0.0);
    for (segment, weeks) in one {
        for (week, a) in weeks {
            for (_, b) in other.get(segment).into_iter().flatten().filter(|(other, _)| (other == week) == same_week) {
                (n, sum) = (n + 1.0, sum + a * b);
            }
        }
    }
    if n > 0.0 { sum / n } else { 0.0 }
}

/// `None` where compliance does not vary. A baseline does not show how much less later weeks are like it than its own are like each other: that
/// is taken from the parameters.
pub fn inputs(protocol: &Protocol, parameters: &Parameters, observed: &[Observed]) -> Option<Inputs> {
    let assumed = from_parameters(protocol, parameters).complied;
    let later = if assumed.autocorrelation > 0.0 { (assumed.with_baseline / assumed.autocorrelation).min(1.0) } else { 1.0 };
    let stratified = protocol.assignment.strata.contains(&Stratum::Municipality);
    let complied = deviations(observed, Measure::Complied, stratified);
    let of = |a: &Deviations, b: &Deviations, same_week| product(a, b, same_week);
    let likeness = |measure: Measure| {
        let sums = |own: &Observed| own.tallies.iter().fold((0.0, 0.0), |(n, y), tally| (n + known(measure, tally), y + counted(measure, tally)));
        let all: Vec<(f64, f64)> = observed.iter().map(sums).collect();
        let (n, y) = all.iter().fold((0.0, 0.0), |(n, y), own| (n + own.0, y + own.1));
        // Of those observed, the share of which the measure is known; all but for separation.
        let told = n / observed.iter().flat_map(|own| &own.tallies).map(|tally| tally.observed).sum::<f64>();
        let one = |share: f64| share * (1.0 - share) / told;
        let own = all.iter().filter(|(n, _)| *n > 0.0);
        let variance = if stratified { own.map(|(n, y)| n * one(y / n)).sum::<f64>() / n } else { one(y / n) };
        // One table of the analysis of variance over all weeks: a week of a stratum takes the place of an arm.
        let rows = observed.iter().enumerate().flat_map(|(place, own)| {
            let week = move |tally: &Tally| if stratified { place * 1000 + tally.week as usize } else { tally.week as usize };
            own.tallies.iter().map(move |tally| (week(tally), known(measure, tally), counted(measure, tally), counted(measure, tally)))
        });
        let icc = icc::mean_squares(&rows.collect::<Vec<_>>()).and_then(|table| table.icc()).map_or(0.0, |found| found.icc.max(0.0));
        let own = deviations(observed, measure, stratified);
        let (spread, of_complied) = (of(&own, &own, true), of(&complied, &complied, true));
        let ratio = |product: f64, by: f64| if by > 0.0 { (product / by).clamp(0.0, 1.0) } else { 0.0 };
        Likeness {
            share: y / n,
            variance,
            icc: icc * told,
            autocorrelation: ratio(of(&own, &own, false), spread),
            with_baseline: later * ratio(of(&own, &complied, false).abs(), (spread * of_complied).sqrt()),
        }
    };
    let homes: Vec<f64> = observed.iter().flat_map(|own| own.homes.iter().copied()).collect();
    let cells = observed.iter().map(|own| own.tallies.len()).sum::<usize>() as f64;
    let seen: f64 = observed.iter().flat_map(|own| &own.tallies).map(|tally| tally.observed).sum();
    let due: f64 = observed.iter().map(|own| own.due).sum();
    let sizes: Vec<f64> = observed
        .iter()
        .flat_map(|own| (0..own.homes.len()).map(|at| own.tallies.iter().filter(|tally| tally.segment == at).map(|tally| tally.observed).sum()))
        .collect();
    let mean = sizes.iter().sum::<f64>() / sizes.len() as f64;
    let deviation = (sizes.iter().map(|size| (size - mean).powi(2)).sum::<f64>() / sizes.len() as f64).sqrt();
    let complied = likeness(Measure::Complied);
    (complied.variance > 0.0).then(|| Inputs {
        source: Source::Baseline,
        segments: homes.len(),
        homes_per_segment: homes.iter().sum::<f64>() / homes.len() as f64,
        observed_per_week: seen / cells,
        size_variation: deviation / mean,
        missing: if due > 0.0 { (1.0 - seen / due).clamp(0.0, 1.0) } else { 0.0 },
        complied,
        set_out: likeness(Measure::SetOut),
        separated: likeness(Measure::Separated),
        contaminated: likeness(Measure::Contaminated),
    })
}

/// Parameters whose towns begin like the observed baseline: as many segments and homes, as much missing and complying, segments as unlike.
/// What homes and messages do stays as the parameters say.
pub fn calibrated(protocol: &Protocol, parameters: &Parameters, observed: &[Observed], inputs: &Inputs) -> Parameters {
    let mut out = parameters.clone();
    out.observation.missing = inputs.missing.min(0.95);
    let (slope, floor) = (out.observation.slope(), 1.0 - out.observation.specificity);
    let curve = Curve::new();
    let shares: Vec<f64> = observed
        .iter()
        .map(|own| {
            let (n, y) = own.tallies.iter().fold((0.0, 0.0), |(n, y), tally| (n + tally.observed, y + tally.complied));
            ((y / n - floor) / slope).clamp(0.01, 0.99)
        })
        .collect();
    let with = |segment: f64| {
        let mut out = out.clone();
        out.spread.segment = segment;
        let whole = [segment, out.spread.home, out.spread.segment_week, out.spread.segment_phase].iter().map(|sd| sd * sd).sum();
        let place = |(own, share): (&Observed, &f64)| {
            let place = Place { segments: 0, homes_per_segment: 0, baseline_share: *share, intercept: 0.0 };
            Place { intercept: bisect(-20.0, 20.0, 1e-6, |centre| curve.mean(centre, whole) < *share), ..own.counts(place) }
        };
        out.municipalities = observed.iter().zip(&shares).map(place).collect();
        out
    };
    let segment = bisect(0.0, 5.0, 1e-4, |segment| from_parameters(protocol, &with(segment)).complied.icc < inputs.complied.icc);
    with(segment)
}

/// The same parameters on the segments and homes an installation has, before any of them is observed; `None` where a municipality has none.
pub fn placed(parameters: &Parameters, observed: &[Observed]) -> Option<Parameters> {
    let known = !observed.is_empty() && observed.iter().all(|own| !own.homes.is_empty());
    let places = observed.iter().zip(parameters.municipalities.iter().cycle()).map(|(own, place)| own.counts(place.clone()));
    known.then(|| Parameters { municipalities: places.collect(), ..parameters.clone() })
}
