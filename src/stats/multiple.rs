//! Several tests at once. Values that are `None` take no part and stay `None`.

/// Holm (1979): p(i) times (m − i + 1), never decreasing, at most 1. Controls the chance of any false finding.
pub fn holm(p: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut out = vec![None; p.len()];
    let order = ascending(p);
    let mut most = 0.0_f64;
    for (rank, (at, value)) in order.iter().enumerate() {
        most = most.max(value * (order.len() - rank) as f64).min(1.0);
        out[*at] = Some(most);
    }
    out
}

/// Benjamini and Hochberg (1995): p(i) times m / i, never increasing from the largest down. For exploration only.
pub fn benjamini_hochberg(p: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut out = vec![None; p.len()];
    let order = ascending(p);
    let mut least = 1.0_f64;
    for (rank, (at, value)) in order.iter().enumerate().rev() {
        least = least.min(value * order.len() as f64 / (rank + 1) as f64);
        out[*at] = Some(least);
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
    fn benjamini_hochberg_steps_up() {
        assert_eq!(benjamini_hochberg(&[Some(0.01), Some(0.03), Some(0.02)]), vec![Some(0.03), Some(0.03), Some(0.03)]);
    }
}
