//! The power of a contrast Σ w_a μ_a by formula.
//!
//! se² = deff × variance ÷ size × Σ w_a² ÷ k_a, k_a the segments of an arm by its stated ratio and deff that of [`crate::stats::power`]:
//! (1 + ((cv² + 1) size − 1) icc) · (1 + (T − 1) r)/T · (1 − R²). R² = c² ÷ ((1 + (T − 1) r)/T · (1 + (B − 1) r_B)/B) is what the mean of B
//! baseline weeks, whose means correlate by r_B with each other and by c with later ones, explains of the mean of T later weeks (Frison and
//! Pocock 1992, with another correlation across phases). Degrees of freedom are segments less arms, strata and the baseline's slope.
//! A family of m tests under Holm is asked at α/m, its first step: what holds whatever the others find.

use super::inputs::Inputs;
use crate::stats::distribution::{critical, noncentral_t_two_sided, t_quantile};
use crate::stats::power::{Design, power};
use crate::trial::protocol::{Adjust, Contrast, Family, Measure, Protocol, Stratum};
use serde::Serialize;

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Found {
    /// At the assumed effect; none where none is assumed.
    pub power: Option<f64>,
    /// The smallest effect found as often as asked, as a fraction.
    pub mde: f64,
    pub se: f64,
    pub df: f64,
    /// Two-sided, of this one test.
    pub alpha: f64,
    pub design_effect: f64,
    pub baseline_r2: f64,
}

/// The level of each test of a family of `tests`.
pub fn alpha(level: f64, adjust: Adjust, tests: usize) -> f64 {
    match adjust {
        Adjust::Holm => (1.0 - level) / tests.max(1) as f64,
        Adjust::None => 1.0 - level,
    }
}

/// Refuses (`None`) a design without a degree of freedom left, and an outcome that does not vary.
pub fn found(
    protocol: &Protocol,
    inputs: &Inputs,
    family: &Family,
    (contrast, measure): (&Contrast, Measure),
    assumed: f64,
    target: f64,
) -> Option<Found> {
    let like = inputs.of(measure);
    let weeks = |[from, to]: [i64; 2]| (to - from + 1) as f64;
    let (periods, before) = (weeks(protocol.calendar.of(family.phase)), weeks(protocol.calendar.baseline));
    let mean_of = |weeks: f64, r: f64| (1.0 + (weeks - 1.0) * r) / weeks;
    let kept = mean_of(periods, like.autocorrelation) * mean_of(before, inputs.complied.autocorrelation);
    let baseline_r2 = (like.with_baseline.powi(2) / kept).min(1.0);
    let design = Design {
        // Their variance is not used: it may differ by stratum.
        p0: 0.5,
        p1: 0.5,
        size: inputs.observed_per_week,
        icc: like.icc,
        cv: inputs.size_variation,
        periods,
        autocorrelation: like.autocorrelation,
        baseline_r2,
        ..Design::default()
    };
    let design_effect = power(&design).ok()?.deff;
    let whole: f64 = protocol.assignment.ratio.iter().map(|times| f64::from(*times)).sum();
    let arms = contrast.weights.iter().zip(&protocol.assignment.ratio);
    let spread: f64 = arms.map(|(weight, times)| weight * weight * whole / (f64::from(*times) * inputs.segments as f64)).sum();
    let se = (design_effect * like.variance / inputs.observed_per_week * spread).sqrt();
    let df = inputs.segments as f64 - protocol.arms.len() as f64 - strata(protocol, inputs.segments) as f64;
    let alpha = alpha(protocol.analysis.level, family.adjust, family.contrasts.len() * family.measures.len());
    let limit = critical(1.0 - alpha, Some(df).filter(|df| *df >= 1.0))?;
    let mde = (limit + t_quantile(target, df)?) * se;
    let power = if assumed == 0.0 { None } else { noncentral_t_two_sided(limit, df, assumed.abs() / se) };
    (mde.is_finite() && se > 0.0).then_some(Found { power, mde, se, df, alpha, design_effect, baseline_r2 })
}

/// Strata of the model: municipalities, terciles of the baseline within them, or both.
fn strata(protocol: &Protocol, segments: usize) -> usize {
    let by = |stratum: Stratum, count: usize| if protocol.assignment.strata.contains(&stratum) { count } else { 1 };
    (by(Stratum::Municipality, protocol.municipalities.len()) * by(Stratum::BaselineTercile, 3)).min(segments)
}
