//! What the formula needs of a town: how often an outcome occurs, and how alike collections of one segment are.
//!
//! From the simulation's parameters: with η = intercept + segment + segment × phase + segment × week + home, all normal, two collections that
//! share a part of η have E[p p'] = E_z[g(z)²], z the shared part and g(z) = E[logistic(intercept + z + the rest)], by Gauss-Hermite quadrature.
//! What is recorded moves by a slope with p, so every covariance is its square times that of p.

use crate::analysis::parameters::Parameters;
use crate::stats::quadrature::hermite;
use crate::trial::protocol::{Measure, Protocol, Stratum};
use serde::Serialize;

/// One outcome. Correlations are of what is left once strata are taken out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Likeness {
    /// Share of the collections of the baseline that have it.
    pub share: f64,
    /// Of one collection.
    pub variance: f64,
    /// Of two collections of a segment in one week.
    pub icc: f64,
    /// Of a segment's means in two weeks of one phase.
    pub autocorrelation: f64,
    /// Of a segment's mean in a week and its compliance in a week of the baseline.
    pub with_baseline: f64,
}

/// Where the numbers come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    Parameters,
    /// The parameters on the segments and homes of an installation that has not observed a baseline yet.
    Places,
    Baseline,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inputs {
    pub source: Source,
    /// That enter the draw.
    pub segments: usize,
    pub homes_per_segment: f64,
    /// Collections of a segment observed in a week, and their coefficient of variation between segments.
    pub observed_per_week: f64,
    pub size_variation: f64,
    /// Share of the collections that were due and not observed.
    pub missing: f64,
    pub complied: Likeness,
    pub set_out: Likeness,
    pub separated: Likeness,
    pub contaminated: Likeness,
}

impl Inputs {
    pub fn of(&self, measure: Measure) -> &Likeness {
        match measure {
            Measure::Complied => &self.complied,
            Measure::SetOut => &self.set_out,
            Measure::Separated => &self.separated,
            Measure::Contaminated => &self.contaminated,
        }
    }
}

/// What is recorded of a measure where a share `level` of collections is recorded as complying.
pub(super) struct Recorded {
    pub share: f64,
    /// What it changes by when that share does.
    pub slope: f64,
    /// Of one observed collection.
    pub variance: f64,
}

/// A home that did not comply set nothing out, or a gross mixture, by chance. Separation is told of a share D of collections, those set out: it is
/// a ratio s = level ÷ D, whose variance for each observed collection is s (1 − s) ÷ D.
pub(super) fn recorded(parameters: &Parameters, measure: Measure, level: f64) -> Recorded {
    let records = &parameters.records;
    let linear = |at_none: f64, slope: f64| {
        let share = at_none + slope * level;
        Recorded { share, slope, variance: share * (1.0 - share) }
    };
    match measure {
        Measure::Complied => linear(0.0, 1.0),
        Measure::SetOut => linear(1.0 - records.not_set_out, records.not_set_out),
        Measure::Contaminated => {
            let gross = records.partly * records.gross_if_partly + records.mixed * records.gross_if_mixed;
            linear(gross, -gross)
        }
        Measure::Separated => {
            let told = (1.0 - records.not_set_out + records.not_set_out * level).max(1e-9);
            let share = level / told;
            Recorded { share, slope: (1.0 - records.not_set_out) / (told * told), variance: share * (1.0 - share) / told }
        }
    }
}

/// Means over standard normal parts of η.
pub(super) struct Curve(Vec<(f64, f64)>);

impl Curve {
    pub(super) fn new() -> Curve {
        Curve(hermite(40).into_iter().map(|(x, w)| (x * std::f64::consts::SQRT_2, w * (-x * x).exp())).collect())
    }

    /// E[logistic(centre + N(0, variance))]
    pub(super) fn mean(&self, centre: f64, variance: f64) -> f64 {
        let sd = variance.max(0.0).sqrt();
        self.0.iter().map(|(z, w)| w / (1.0 + (-(centre + sd * z)).exp())).sum()
    }

    /// Covariance of the chances of two collections whose η have `shared` of their variance `whole` in common.
    pub(super) fn covariance(&self, centre: f64, shared: f64, whole: f64) -> f64 {
        let sd = shared.max(0.0).sqrt();
        let both: f64 = self.0.iter().map(|(z, w)| w * self.mean(centre + sd * z, whole - shared).powi(2)).sum();
        both - self.mean(centre, whole).powi(2)
    }
}

/// As the simulation makes towns, whatever was ever observed.
pub fn from_parameters(protocol: &Protocol, parameters: &Parameters) -> Inputs {
    let curve = Curve::new();
    let spread = &parameters.spread;
    let [segment, home, week, phase] = [spread.segment, spread.home, spread.segment_week, spread.segment_phase].map(|sd| sd * sd);
    let whole = segment + home + week + phase;
    let seen_as = parameters.observation.slope();
    let places: Vec<_> = parameters.municipalities.iter().cycle().take(protocol.municipalities.len()).collect();
    let segments: usize = places.iter().map(|place| place.segments).sum();
    let by_segment = |of: &dyn Fn(&crate::analysis::parameters::Place) -> f64| {
        places.iter().map(|place| place.segments as f64 * of(place)).sum::<f64>() / segments.max(1) as f64
    };
    let homes = by_segment(&|place| place.homes_per_segment as f64);
    let seen = 1.0 - parameters.observation.missing;
    let size = homes * seen;
    let variation = (by_segment(&|place| (place.homes_per_segment as f64 - homes).powi(2)) / (homes * homes)).sqrt();
    let level = |place: &crate::analysis::parameters::Place| 1.0 - parameters.observation.specificity + seen_as * curve.mean(place.intercept, whole);
    let mean = by_segment(&level);
    // Strata take the difference between municipalities out.
    let stratified = protocol.assignment.strata.contains(&Stratum::Municipality);
    let between = if stratified { 0.0 } else { by_segment(&|place| (level(place) - mean).powi(2)) };
    let covariance = |shared: f64| between + seen_as * seen_as * by_segment(&|place| curve.covariance(place.intercept, shared, whole));
    // Others' collections in the same week, in another of the phase, in another phase; a home's own in the latter two.
    let (same_week, same_phase, later) = (covariance(segment + phase + week), covariance(segment + phase), covariance(segment));
    let (own_phase, own_later) = (covariance(segment + phase + home), covariance(segment + home));
    let of = |measure: Measure| recorded(parameters, measure, mean);
    let variance = |measure: Measure| {
        if stratified { by_segment(&|place| recorded(parameters, measure, level(place)).variance) } else { of(measure).variance }
    };
    // Of a segment's mean in a week, times the size; a home is seen in both of two weeks with probability `seen`.
    let of_mean = |measure: Measure| variance(measure) + (size - 1.0) * of(measure).slope.powi(2) * same_week;
    let of_two = |others: f64, own: f64| size * others + seen * (own - others);
    let likeness = |measure: Measure| {
        let Recorded { share, slope, .. } = of(measure);
        let variance = variance(measure);
        Likeness {
            share,
            variance,
            icc: slope * slope * same_week / variance,
            autocorrelation: slope * slope * of_two(same_phase, own_phase) / of_mean(measure),
            with_baseline: slope.abs() * of_two(later, own_later) / (of_mean(measure) * of_mean(Measure::Complied)).sqrt(),
        }
    };
    Inputs {
        source: Source::Parameters,
        segments,
        homes_per_segment: homes,
        observed_per_week: size,
        size_variation: variation,
        missing: parameters.observation.missing,
        complied: likeness(Measure::Complied),
        set_out: likeness(Measure::SetOut),
        separated: likeness(Measure::Separated),
        contaminated: likeness(Measure::Contaminated),
    }
}

/// Where `below` stops holding between two numbers, to within `close`.
pub(super) fn bisect(mut low: f64, mut high: f64, close: f64, below: impl Fn(f64) -> bool) -> f64 {
    while high - low > close {
        let middle = (low + high) / 2.0;
        if below(middle) { low = middle } else { high = middle }
    }
    high
}
