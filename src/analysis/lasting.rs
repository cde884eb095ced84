//! What lasts once messages stop: each contrast that the protocol registers for the phase after the messages, beside the messages phase.
//!
//! One linear probability model over the observed collections of both phases, every column of the primary model by phase, so that each
//! phase's estimate is what it is alone and their covariance is that of the same segments: with θ_m, θ_a the contrast in either phase,
//! fade-out = θ_a − θ_m with CR2 and Satterthwaite's degrees of freedom; persistence = θ_a ÷ θ_m with Fieller's interval, the ρ for which
//! (θ_a − ρ θ_m)² ≤ t² Var(θ_a − ρ θ_m) (Fieller 1954), t at the fade-out's degrees of freedom.

use super::findings::{Lasting, Warning};
use super::load::Data;
use super::model::{in_model, rows};
use crate::stats::Refusal;
use crate::stats::cells::Cells;
use crate::stats::distribution::critical;
use crate::stats::ols::{Df, EffectCount, Fit, Variance, fit};
use crate::stats::sandwich::Sandwich;
use crate::trial::protocol::{Contrast, Phase};
use std::collections::BTreeSet;

/// Takes and gives back the report's warnings, with those of its own.
pub fn answer(data: &Data, mut warnings: Vec<Warning>) -> (Vec<Lasting>, Vec<Warning>) {
    let own = data.protocol.outcome.measure;
    let mut seen = BTreeSet::new();
    let families = data.protocol.analysis.families.iter().filter(|family| family.phase == Phase::After && family.measures.contains(&own));
    let contrasts: Vec<&Contrast> = families.flat_map(|family| &family.contrasts).filter(|contrast| seen.insert(&contrast.id)).collect();
    let (Some(during), Some(after)) = (data.weeks(Phase::Messages), data.weeks(Phase::After)) else { return (Vec::new(), warnings) };
    if contrasts.is_empty() {
        return (Vec::new(), warnings);
    }
    let parts = [rows(data, own, during, false), rows(data, own, after, false)];
    let columns = data.coding.columns();
    let widths = parts.each_ref().map(|part| part.width + columns);
    let mut cells = Cells::new(widths[0] + widths[1]);
    let mut number = vec![None; data.segments.len()];
    for (phase, part) in parts.iter().enumerate() {
        for (segment, x, n, y) in &part.cells {
            let mut all = vec![0.0; widths[0] + widths[1]];
            let start = phase * widths[0];
            let own = x[..1].iter().chain(data.coding.arm(data.segments[*segment].arm)).chain(&x[1..]);
            all[start..].iter_mut().zip(own).for_each(|(cell, value)| *cell = *value);
            let next = cells.clusters as u32;
            let cluster = *number[*segment].get_or_insert(next);
            cells.push(cluster, &all, *n, *y, *y);
        }
    }
    let fitted = fit(&cells).and_then(|fitted| Ok((fitted.sandwich(Variance::Cr2, EffectCount::Nested, true)?, fitted)));
    let (sandwich, fitted) = match fitted {
        Ok(fitted) => fitted,
        Err(why) => {
            warnings.push(Warning::refused("what lasts", why));
            return (contrasts.into_iter().map(|contrast| Lasting { contrast: contrast.id.clone(), ..Lasting::default() }).collect(), warnings);
        }
    };
    let mut out = Vec::new();
    for contrast in contrasts {
        out.push(one(data, &fitted, &sandwich, contrast, widths[0]).unwrap_or_else(|why| {
            warnings.push(Warning::refused(&format!("what lasts of {}", contrast.id), why));
            Lasting { contrast: contrast.id.clone(), ..Lasting::default() }
        }));
    }
    (out, warnings)
}

fn one(data: &Data, fitted: &Fit<'_, Cells>, sandwich: &Sandwich, contrast: &Contrast, offset: usize) -> Result<Lasting, Refusal> {
    let level = data.protocol.analysis.level;
    let weights = in_model(data, &contrast.weights);
    // θ_a times one factor plus θ_m times another.
    let combined = |after: f64, during: f64| -> Result<_, Refusal> {
        let during = weights.iter().map(|(column, weight)| (*column, weight * during)).filter(|(_, weight)| *weight != 0.0);
        let after = weights.iter().map(|(column, weight)| (column + offset, weight * after)).filter(|(_, weight)| *weight != 0.0);
        let contrast = fitted.contrast(&during.chain(after).collect::<Vec<_>>())?;
        if sandwich.told(&contrast) < 0.5 {
            return Err(Refusal::Saturated);
        }
        fitted.estimate(sandwich, &contrast, Df::Satterthwaite, EffectCount::Nested, level)
    };
    let (after, during, fade) = (combined(1.0, 0.0)?, combined(0.0, 1.0)?, combined(1.0, -1.0)?);
    let (va, vm) = (after.se * after.se, during.se * during.se);
    // Var(a − m) = Var a + Var m − 2 Cov.
    let covariance = (va + vm - fade.se * fade.se) / 2.0;
    let t = critical(level, fade.df).ok_or(Refusal::NoVariation)?;
    Ok(Lasting {
        contrast: contrast.id.clone(),
        messages: Some(during.estimate),
        after: Some(after.estimate),
        fade_out: Some(fade.estimate),
        fade_out_ci: Some((fade.low, fade.high)),
        persistence: (during.estimate != 0.0).then(|| after.estimate / during.estimate),
        persistence_ci: fieller(after.estimate, during.estimate, va, vm, covariance, t),
    })
}

/// Fieller's interval of a ÷ m; `None` where m is not told from 0, so that the ratio is unbounded.
fn fieller(a: f64, m: f64, va: f64, vm: f64, covariance: f64, t: f64) -> Option<(f64, f64)> {
    let square = t * t;
    let (quadratic, linear, constant) = (m * m - square * vm, a * m - square * covariance, a * a - square * va);
    let root = linear * linear - quadratic * constant;
    (quadratic > 0.0 && root >= 0.0).then(|| ((linear - root.sqrt()) / quadratic, (linear + root.sqrt()) / quadratic))
}

#[cfg(test)]
mod tests {
    use super::fieller;

    #[test]
    fn a_ratio_of_estimates_has_fiellers_interval_and_none_where_the_denominator_may_be_zero() {
        // Each end solves (a − ρ m)² = t² (va − 2 ρ c + ρ² vm).
        let (a, m, va, vm, c, t) = (0.03, 0.05, 0.0001, 0.0002, 0.00005, 2.1);
        let (low, high) = fieller(a, m, va, vm, c, t).unwrap();
        for rho in [low, high] {
            let left: f64 = (a - rho * m) * (a - rho * m);
            assert!((left - t * t * (va - 2.0 * rho * c + rho * rho * vm)).abs() < 1e-12, "{rho}");
        }
        assert!(low < a / m && a / m < high);
        assert_eq!(fieller(0.03, 0.02, va, vm, c, t), None);
    }
}
