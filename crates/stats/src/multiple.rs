//! Several tests at once. Values that are `None` take no part and stay `None`.
//!
//! With p(1) ≤ … ≤ p(m): Bonferroni m p; Holm (1979) max over j ≤ i of (m − j + 1) p(j); Hochberg (1988) min over j ≥ i of (m − j + 1) p(j);
//! Benjamini and Hochberg (1995) min over j ≥ i of m p(j) / j; Benjamini and Yekutieli (2001) the same times Σ 1/j. All at most 1.
//! Step-down max-T (Westfall and Young 1993; Romano and Wolf 2005) from draws of all statistics together.

/// An adjustment of p-values for their number.
pub type Adjustment = fn(&[Option<f64>]) -> Vec<Option<f64>>;

/// The adjustments that need p-values alone, by name.
pub const ADJUSTMENTS: [(&str, Adjustment); 5] =
    [("holm", holm), ("bh", benjamini_hochberg), ("by", benjamini_yekutieli), ("bonferroni", bonferroni), ("hochberg", hochberg)];

/// p times the number of tests. Controls the chance of any false finding.
///
/// ```
/// # use vecino_stats::multiple::bonferroni;
/// assert_eq!(bonferroni(&[Some(0.25), None, Some(0.5)]), [Some(0.5), None, Some(1.0)]);
/// ```
pub fn bonferroni(p: &[Option<f64>]) -> Vec<Option<f64>> {
    stepped(p, false, |_, tests| tests)
}

/// Holm (1979): p(i) times (m − i + 1), never decreasing, at most 1. Controls the chance of any false finding.
///
/// ```
/// # use vecino_stats::multiple::holm;
/// assert_eq!(holm(&[Some(0.02), None, Some(0.5), Some(0.01)]), [Some(0.04), None, Some(0.5), Some(0.03)]);
/// ```
pub fn holm(p: &[Option<f64>]) -> Vec<Option<f64>> {
    stepped(p, true, |rank, tests| tests - rank + 1.0)
}

/// Hochberg (1988): Holm's factors from the largest p down. For tests that are independent or positively dependent.
///
/// ```
/// # use vecino_stats::multiple::hochberg;
/// assert_eq!(hochberg(&[Some(0.25), Some(0.5)]), [Some(0.5), Some(0.5)]);
/// ```
pub fn hochberg(p: &[Option<f64>]) -> Vec<Option<f64>> {
    stepped(p, false, |rank, tests| tests - rank + 1.0)
}

/// Benjamini and Hochberg (1995): p(i) times m / i, never increasing from the largest down. For exploration only.
///
/// ```
/// # use vecino_stats::multiple::benjamini_hochberg;
/// assert_eq!(benjamini_hochberg(&[Some(0.125), Some(0.5)]), [Some(0.25), Some(0.5)]);
/// ```
pub fn benjamini_hochberg(p: &[Option<f64>]) -> Vec<Option<f64>> {
    stepped(p, false, |rank, tests| tests / rank)
}

/// Benjamini and Yekutieli (2001): Benjamini and Hochberg's times 1 + 1/2 + … + 1/m, right under any dependence.
///
/// ```
/// # use vecino_stats::multiple::benjamini_yekutieli;
/// assert_eq!(benjamini_yekutieli(&[Some(0.125), Some(0.5)]), [Some(0.375), Some(0.75)]); // × (1 + 1/2)
/// ```
pub fn benjamini_yekutieli(p: &[Option<f64>]) -> Vec<Option<f64>> {
    stepped(p, false, |rank, tests| (1..=tests as usize).map(|j| 1.0 / j as f64).sum::<f64>() * tests / rank)
}

/// Step-down max-T (Westfall and Young 1993): with the tests in falling order of `observed`, the p of test k is the share of draws whose
/// largest statistic among test k and those after it is at least its own, and no smaller than the p before it. Ties within 1e-10, relative
/// above 1, count. `draws`: one row of |statistic| a draw, row after row, in the order of `observed`; what is not finite takes no part.
/// `exact`: the draws are all there are; otherwise (1 + count)/(1 + draws). No draws, or rows that do not fit: no p at all.
///
/// ```
/// # use vecino_stats::multiple::max_t;
/// // Four draws of two tests: 3, 1, 2, 2 are the maxima against 2; 0, 1, 2, 1 stand against 1.
/// let draws = [3.0, 0.0, 0.0, 1.0, 0.5, 2.0, 2.0, 1.0];
/// assert_eq!(max_t(&[Some(2.0), Some(1.0)], &draws, true), [Some(0.75), Some(0.75)]);
/// ```
pub fn max_t(observed: &[Option<f64>], draws: &[f64], exact: bool) -> Vec<Option<f64>> {
    let mut out = vec![None; observed.len()];
    if observed.is_empty() || draws.is_empty() || !draws.len().is_multiple_of(observed.len()) {
        return out;
    }
    let mut order = ascending(observed);
    order.reverse();
    let mut counts = vec![0u32; order.len()];
    for draw in draws.chunks_exact(observed.len()) {
        let mut largest = f64::NEG_INFINITY;
        for (place, (at, own)) in order.iter().enumerate().rev() {
            largest = largest.max(draw[*at]);
            counts[place] += u32::from(largest >= own - 1e-10 * own.max(1.0));
        }
    }
    let all = (draws.len() / observed.len()) as f64;
    let mut most = 0.0_f64;
    for (count, (at, _)) in counts.into_iter().zip(order) {
        let count = f64::from(count);
        most = most.max(if exact { count / all } else { (1.0 + count) / (1.0 + all) });
        out[at] = Some(most);
    }
    out
}

/// Multiplies each p by `factor(rank, tests)` and keeps the order: the largest so far from below (`down`), or the smallest from above.
fn stepped(p: &[Option<f64>], down: bool, factor: impl Fn(f64, f64) -> f64) -> Vec<Option<f64>> {
    let mut out = vec![None; p.len()];
    let order = ascending(p);
    let tests = order.len() as f64;
    let scaled = order.iter().enumerate().map(|(rank, (at, value))| (*at, (value * factor((rank + 1) as f64, tests)).min(1.0)));
    if down {
        scaled.fold(0.0_f64, |most, (at, value)| *out[at].insert(value.max(most)));
    } else {
        scaled.rev().fold(1.0_f64, |least, (at, value)| *out[at].insert(value.min(least)));
    }
    out
}

fn ascending(p: &[Option<f64>]) -> Vec<(usize, f64)> {
    let mut order: Vec<(usize, f64)> = p.iter().enumerate().filter_map(|(i, p)| Some((i, p.filter(|p| p.is_finite())?))).collect();
    order.sort_by(|a, b| a.1.total_cmp(&b.1));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    // Worked by hand: 0.01 × 3, then 0.02 × 2, then 0.5 × 1.
    #[test]
    fn holm_steps_down_and_never_decreases() {
        assert_eq!(holm(&[Some(0.02), None, Some(0.5), Some(0.01)]), vec![Some(0.04), None, Some(0.5), Some(0.03)]);
        assert_eq!(holm(&[Some(0.03), Some(0.04)]), vec![Some(0.06), Some(0.06)]);
        assert_eq!(holm(&[Some(0.9), Some(0.8)]), vec![Some(1.0), Some(1.0)]);
    }

    #[test]
    fn the_others_step_up_and_bonferroni_does_not_step() {
        let p = [Some(0.01), Some(0.03), Some(0.02)];
        let close = |got: Vec<Option<f64>>, want: [f64; 3]| got.iter().zip(want).all(|(g, w)| (g.unwrap() - w).abs() < 1e-15);
        assert!(close(benjamini_hochberg(&p), [0.03; 3]));
        assert!(close(benjamini_yekutieli(&p), [0.055; 3]));
        assert!(close(hochberg(&p), [0.03; 3]));
        assert!(close(bonferroni(&[Some(0.01), Some(0.5), Some(0.02)]), [0.03, 1.0, 0.06]));
    }

    // By hand, four draws of two tests: the maxima 3, 1, 2, 2 against 2 for the first; 0, 1, 2, 1 against 1 for the second, then no less.
    #[test]
    fn max_t_steps_down_over_the_draws() {
        let draws = [3.0, 0.0, 0.0, 1.0, 0.5, 2.0, 2.0, 1.0];
        assert_eq!(max_t(&[Some(2.0), Some(1.0)], &draws, true), vec![Some(0.75), Some(0.75)]);
        assert_eq!(max_t(&[Some(2.0), Some(1.0)], &draws, false), vec![Some(0.8), Some(0.8)]);
        assert_eq!(max_t(&[None, Some(2.0)], &draws, true), vec![None, Some(0.25)]);
        assert_eq!(max_t(&[Some(2.0), Some(1.0)], &[], true), vec![None, None]);
    }
}
