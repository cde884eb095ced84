//! How far missing outcomes can move a difference in means.
//!
//! Lee (2009): the arm that responds more, at q_high against q_low, has floor(n p) of its n sorted outcomes trimmed from the top or the
//! bottom, p = (q_high − q_low)/q_high; valid if treatment moves response one way only. Manski (1990): each missing outcome takes the
//! lowest or the highest value it can have; needs no assumption but those limits.

use super::Refusal;

/// One arm: outcomes with how often each was seen, ascending, and the number not observed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Responses {
    /// Ascending, each with how often it was seen.
    pub outcomes: Vec<(f64, f64)>,
    /// How many were not observed.
    pub missing: f64,
}

impl Responses {
    /// From outcomes one by one, NaN for missing, in any order.
    ///
    /// ```
    /// # use vecino_stats::bounds::Responses;
    /// let arm = Responses::collect([1.0, 0.0, f64::NAN, 1.0]);
    /// assert_eq!((arm.outcomes, arm.missing), (vec![(0.0, 1.0), (1.0, 2.0)], 1.0));
    /// ```
    pub fn collect(outcomes: impl IntoIterator<Item = f64>) -> Responses {
        let mut seen: Vec<f64> = Vec::new();
        let mut missing = 0.0;
        for y in outcomes {
            if y.is_nan() { missing += 1.0 } else { seen.push(y + 0.0) }
        }
        seen.sort_unstable_by(f64::total_cmp);
        let outcomes = seen.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as f64)).collect();
        Responses { outcomes, missing }
    }

    fn seen(&self) -> f64 {
        // An empty sum of floats is −0.
        self.outcomes.iter().fold(0.0, |sum, (_, n)| sum + n)
    }

    fn sum(&self) -> f64 {
        self.outcomes.iter().map(|(y, n)| y * n).sum()
    }

    /// The share observed.
    ///
    /// ```
    /// # use vecino_stats::bounds::Responses;
    /// assert_eq!(Responses::collect([1.0, 0.0, f64::NAN, 1.0]).rate(), 0.75);
    /// ```
    pub fn rate(&self) -> f64 {
        self.seen() / (self.seen() + self.missing)
    }
}

/// Least and greatest mean difference, treated less reference, among units observed under either, in units of the outcome; shares observed;
/// p; floor(n p).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lee {
    /// Least difference.
    pub lower: f64,
    /// Greatest difference.
    pub upper: f64,
    /// Share observed among the treated.
    pub response_treated: f64,
    /// Share observed among the others.
    pub response_reference: f64,
    /// p: the share of the arm that responds more which is trimmed.
    pub trim_share: f64,
    /// How many outcomes that is.
    pub trimmed: f64,
}

/// Bounds for treated less reference among those who would respond under either. Refuses an arm without any outcome.
///
/// ```
/// # use vecino_stats::bounds::{Responses, lee};
/// // Response 8/10 against 6/10: 2 of 8 are trimmed; 1 … 6 has mean 3.5, 3 … 8 has 5.5, the others 3.
/// let treated = Responses { outcomes: (1..=8).map(|y| (f64::from(y), 1.0)).collect(), missing: 2.0 };
/// let reference = Responses { outcomes: vec![(3.0, 6.0)], missing: 4.0 };
/// let found = lee(&treated, &reference)?;
/// assert!((found.lower - 0.5).abs() < 1e-14 && (found.upper - 2.5).abs() < 1e-14 && found.trimmed == 2.0);
/// # Ok::<(), vecino_stats::Refusal>(())
/// ```
pub fn lee(treated: &Responses, reference: &Responses) -> Result<Lee, Refusal> {
    check(treated, reference)?;
    let (q1, q0) = (treated.rate(), reference.rate());
    let (more, less) = if q1 >= q0 { (treated, reference) } else { (reference, treated) };
    // In this order, so that an n p which is a whole number but for rounding falls where the formula's floating-point value falls.
    let trim_share = (q1.max(q0) - q1.min(q0)) / q1.max(q0);
    let trimmed = (more.seen() * trim_share).floor();
    let keep = more.seen() - trimmed;
    if keep <= 0.0 {
        return Err(Refusal::NoData);
    }
    let low = mean_of_first(more.outcomes.iter(), keep);
    let high = mean_of_first(more.outcomes.iter().rev(), keep);
    let other = less.sum() / less.seen();
    let (lower, upper) = if q1 >= q0 { (low - other, high - other) } else { (other - high, other - low) };
    Ok(Lee { lower, upper, response_treated: q1, response_reference: q0, trim_share, trimmed })
}

/// Least and greatest difference, treated less reference, when every missing outcome lies within `limits`. Refuses an arm without rows,
/// limits out of order, and outcomes beyond them.
///
/// ```
/// # use vecino_stats::bounds::{Responses, manski};
/// let treated = Responses { outcomes: vec![(0.0, 2.0), (1.0, 6.0)], missing: 2.0 }; // 6/10 to 8/10
/// let reference = Responses { outcomes: vec![(0.0, 5.0), (1.0, 5.0)], missing: 0.0 };
/// let (low, high) = manski(&treated, &reference, (0.0, 1.0))?;
/// assert!((low - 0.1).abs() < 1e-15 && (high - 0.3).abs() < 1e-15);
/// # Ok::<(), vecino_stats::Refusal>(())
/// ```
pub fn manski(treated: &Responses, reference: &Responses, limits: (f64, f64)) -> Result<(f64, f64), Refusal> {
    let (low, high) = limits;
    let outside = |arm: &Responses| arm.outcomes.iter().any(|(y, _)| !(*y >= low && *y <= high));
    if !(low <= high && low.is_finite() && high.is_finite()) || outside(treated) || outside(reference) {
        return Err(Refusal::NotFinite);
    }
    let ends = |arm: &Responses| {
        let n = arm.seen() + arm.missing;
        (n > 0.0).then(|| ((arm.sum() + arm.missing * low) / n, (arm.sum() + arm.missing * high) / n)).ok_or(Refusal::NoData)
    };
    let (treated, reference) = (ends(treated)?, ends(reference)?);
    Ok((treated.0 - reference.1, treated.1 - reference.0))
}

fn check(treated: &Responses, reference: &Responses) -> Result<(), Refusal> {
    for arm in [treated, reference] {
        if arm.seen() <= 0.0 {
            return Err(Refusal::NoData);
        }
        if !arm.outcomes.iter().all(|(y, n)| y.is_finite() && *n >= 0.0 && n.is_finite()) {
            return Err(Refusal::NotFinite);
        }
    }
    Ok(())
}

fn mean_of_first<'a>(outcomes: impl Iterator<Item = &'a (f64, f64)>, keep: f64) -> f64 {
    let (mut left, mut sum) = (keep, 0.0);
    for (y, n) in outcomes {
        let take = n.min(left);
        sum += y * take;
        left -= take;
    }
    sum / keep
}

#[cfg(test)]
mod tests {
    use super::*;

    // By hand: response 8/10 against 6/10, p = 1/4, 2 of 8 trimmed; 1…6 has mean 3.5, 3…8 has 5.5, the others 3.
    #[test]
    fn lee_trims_the_arm_that_responds_more() {
        let nan = f64::NAN;
        let more = Responses::collect([8.0, 1.0, 2.0, nan, 3.0, 4.0, 7.0, 5.0, 6.0, nan]);
        let less = Responses::collect([3.0, 3.0, nan, nan, 3.0, 3.0, 3.0, 3.0, nan, nan]);
        let found = lee(&more, &less).unwrap();
        assert!((found.lower - 0.5).abs() < 1e-14 && (found.upper - 2.5).abs() < 1e-14 && found.trimmed == 2.0, "{found:?}");
        let turned = lee(&less, &more).unwrap();
        assert!((turned.lower + found.upper).abs() < 1e-14 && (turned.upper + found.lower).abs() < 1e-14);
    }

    #[test]
    fn manski_fills_in_the_worst_and_the_best() {
        let treated = Responses { outcomes: vec![(0.0, 2.0), (1.0, 6.0)], missing: 2.0 };
        let reference = Responses { outcomes: vec![(0.0, 5.0), (1.0, 5.0)], missing: 0.0 };
        let (low, high) = manski(&treated, &reference, (0.0, 1.0)).unwrap();
        assert!((low - 0.1).abs() < 1e-15 && (high - 0.3).abs() < 1e-15);
        let lee = lee(&treated, &reference).unwrap();
        assert!(manski(&treated, &reference, (0.0, 0.5)).is_err() && lee.upper <= high + 0.2);
    }

    #[test]
    fn an_arm_without_outcomes_is_refused() {
        let none = Responses { outcomes: vec![], missing: 3.0 };
        assert_eq!(lee(&none, &Responses::collect([1.0])), Err(Refusal::NoData));
        assert_eq!(manski(&none, &Responses::default(), (0.0, 1.0)), Err(Refusal::NoData));
    }
}
