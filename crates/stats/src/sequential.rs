//! Boundaries for a few planned looks at a trial that is still running.
//!
//! Lan and DeMets (1983): by the share t of the information, α(t) may have been spent. O'Brien-Fleming 2 (2 − 2 Φ(z_(α/4)/√t)), Pocock
//! α ln(1 + (e − 1) t). At each look half of what has been added falls in either tail. With B(t) a Brownian motion, f_k the density of
//! B(t_k) on the paths that have not crossed and s² = t_k − t_(k−1): f_k(x) = ∫ f_(k−1)(y) φ((x − y)/s)/s dy, and the boundary c_k solves
//! ∫ f_(k−1)(y) P(Z > (c_k √t_k − y)/s) dy = (α(t_k) − α(t_(k−1)))/2 (Armitage, McPherson and Rowe 1969). By symmetry y ≥ 0 suffices; the
//! integrals are Gauss-Legendre's with 16 points in panels of three standard deviations of the narrower kernel, exact to rounding.

use super::distribution::{normal_quantile, normal_tail};

/// α spent at a share t of the information (Lan and DeMets 1983): 2 (2 − 2 Φ(z_(α/4) / √t)), or α ln(1 + (e − 1) t).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spending {
    /// Little at first, like O'Brien and Fleming's boundaries.
    OBrienFleming,
    /// More evenly, like Pocock's.
    Pocock,
}

impl Spending {
    /// What may have been spent of `alpha` by the share `t` of the information, 0 < t ≤ 1.
    ///
    /// ```
    /// # use vecino_stats::sequential::Spending;
    /// assert!((Spending::OBrienFleming.spent(1.0, 0.05) - 0.05).abs() < 1e-12);
    /// assert!((Spending::Pocock.spent(0.5, 0.05) - 0.05 * (1.0 + (1.0_f64.exp() - 1.0) / 2.0).ln()).abs() < 1e-12);
    /// ```
    pub fn spent(self, t: f64, alpha: f64) -> f64 {
        match self {
            _ if t >= 1.0 => alpha,
            Spending::OBrienFleming => normal_quantile(alpha / 4.0).map_or(0.0, |z| 4.0 * normal_tail(z / t.sqrt())),
            Spending::Pocock => alpha * ((std::f64::consts::E - 1.0) * t).ln_1p(),
        }
    }
}

/// One look: its share of the information, the boundary for |z|, and α spent up to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    /// Its share.
    pub information: f64,
    /// |Z| at or above it stops. `None` so early that what may be spent is zero in floating point.
    pub boundary: Option<f64>,
    /// Spent by now, all looks together.
    pub spent: f64,
    /// Two-sided p of the boundary at this look alone.
    pub p: Option<f64>,
}

/// Shares of information may not be closer to each other than this.
pub const CLOSEST: f64 = 1e-6;
/// Looks beyond this number are refused.
pub const MOST: usize = 1000;

/// The boundary at each of `looks`, rising shares of information in (0, 1]; the last may be below 1. `None` for other shares, shares closer
/// than `CLOSEST`, more than `MOST` looks, and alpha outside (0, 1).
///
/// ```
/// # use vecino_stats::sequential::{Spending, boundaries};
/// // The published table of five equal looks.
/// let looks = boundaries(&[0.2, 0.4, 0.6, 0.8, 1.0], Spending::OBrienFleming, 0.05).unwrap();
/// for (look, z) in looks.iter().zip([4.8769, 3.3570, 2.6803, 2.2898, 2.0310]) {
///     assert!((look.boundary.unwrap() - z).abs() < 5e-5);
/// }
/// ```
pub fn boundaries(looks: &[f64], spending: Spending, alpha: f64) -> Option<Vec<Look>> {
    let rising = looks.windows(2).all(|w| w[1] - w[0] >= CLOSEST);
    if !(rising && looks.iter().all(|t| *t > 0.0 && *t <= 1.0) && alpha > 0.0 && alpha < 1.0 && looks.len() <= MOST) {
        return None;
    }
    let mut out = Vec::with_capacity(looks.len());
    let mut paths = Paths { points: vec![(0.0, 0.5)] };
    let (mut before, mut spent_before) = (0.0, 0.0);
    for (k, &t) in looks.iter().enumerate() {
        let spent = spending.spent(t, alpha);
        let (root, s) = (t.sqrt(), (t - before).sqrt());
        let boundary = paths.boundary((spent - spent_before) / 2.0, root, s);
        if let Some(next) = looks.get(k + 1) {
            // Beyond 16 standard deviations there is no path worth the count.
            let end = boundary.unwrap_or(16.0).min(16.0) * root;
            paths = paths.after(end, s, s.min((next - t).sqrt()) * 3.0);
        }
        out.push(Look { information: t, boundary, spent, p: boundary.map(|c| 2.0 * normal_tail(c)) });
        (before, spent_before) = (t, spent);
    }
    Some(out)
}

/// The paths that have not crossed: where they are, y ≥ 0, and the mass there, which counts once for y and once for −y.
struct Paths {
    points: Vec<(f64, f64)>,
}

impl Paths {
    /// P(B > x) after an increment of standard deviation `s`.
    fn tail(&self, x: f64, s: f64) -> f64 {
        self.points.iter().map(|(y, mass)| mass * (normal_tail((x - y) / s) + normal_tail((x + y) / s))).sum()
    }

    fn density(&self, x: f64, s: f64) -> f64 {
        let kernel = |d: f64| if d.abs() < 38.0 { (-0.5 * d * d).exp() } else { 0.0 };
        // Points stand in rising order; those further than 38 standard deviations add nothing.
        let from = self.points.partition_point(|(y, _)| *y < x - 38.0 * s);
        let to = self.points.partition_point(|(y, _)| *y <= x + 38.0 * s);
        let sum: f64 = self.points[from..to].iter().map(|(y, mass)| mass * (kernel((x - y) / s) + kernel((x + y) / s))).sum();
        sum / (s * (2.0 * std::f64::consts::PI).sqrt())
    }

    /// The z whose tail is `share`; ln tail falls ever faster in z, and Newton's steps are kept in a bracket.
    fn boundary(&self, share: f64, root: f64, s: f64) -> Option<f64> {
        if share < 1e-300 {
            return None;
        }
        let (mut low, mut high) = (0.0, 38.0);
        let mut z = normal_quantile(share.min(0.5)).unwrap_or(0.0);
        for _ in 0..100 {
            let tail = self.tail(z * root, s);
            if tail > share {
                low = z
            } else {
                high = z
            }
            let slope = root * self.density(z * root, s);
            let step = (tail / share).ln() * tail / slope;
            let next = z + step;
            let next = if next >= low && next <= high { next } else { (low + high) / 2.0 };
            let moved = (next - z).abs();
            z = next;
            if moved < 1e-13 * z.max(1.0) {
                break;
            }
        }
        Some(z)
    }

    /// Those still inside (−end, end) after an increment of standard deviation `s`.
    fn after(&self, end: f64, s: f64, panel: f64) -> Paths {
        let panels = (end / panel).ceil().max(1.0);
        let half = end / panels / 2.0;
        let mut points = Vec::with_capacity(panels as usize * 16);
        for i in 0..panels as usize {
            let middle = (2.0 * i as f64 + 1.0) * half;
            for (node, weight) in GAUSS.iter().rev().map(|(x, w)| (-x, w)).chain(GAUSS.iter().map(|(x, w)| (*x, w))) {
                let x = middle + half * node;
                points.push((x, weight * half * self.density(x, s)));
            }
        }
        Paths { points }
    }
}

/// Positive nodes and weights of the Gauss-Legendre rule with 16 points.
const GAUSS: [(f64, f64); 8] = [
    (0.09501250983763744, 0.1894506104550685),
    (0.2816035507792589, 0.18260341504492358),
    (0.45801677765722737, 0.16915651939500254),
    (0.6178762444026438, 0.14959598881657674),
    (0.755404408355003, 0.12462897125553388),
    (0.8656312023878318, 0.09515851168249279),
    (0.9445750230732326, 0.062253523938647894),
    (0.9894009349916499, 0.027152459411754096),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(looks: &[f64], spending: Spending) -> Vec<f64> {
        boundaries(looks, spending, 0.05).unwrap().iter().map(|look| look.boundary.unwrap()).collect()
    }

    // The published tables: O'Brien-Fleming and Pocock spending, five equal looks at 0.05, two-sided.
    #[test]
    fn five_equal_looks_have_the_published_boundaries() {
        let looks = [0.2, 0.4, 0.6, 0.8, 1.0];
        let near = |got: Vec<f64>, want: [f64; 5]| assert!(got.iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-10), "{got:?}");
        near(bounds(&looks, Spending::OBrienFleming), [4.876884948776, 3.357011921575, 2.680280064545, 2.289816767712, 2.03103204331]);
        near(bounds(&looks, Spending::Pocock), [2.43797668805, 2.42681385815, 2.410193840271, 2.396645400649, 2.385984571623]);
    }

    #[test]
    fn one_look_at_the_end_is_the_plain_test() {
        assert!((bounds(&[1.0], Spending::OBrienFleming)[0] - 1.959963984540054).abs() < 1e-12);
        let short = boundaries(&[0.5, 0.9], Spending::Pocock, 0.05).unwrap();
        assert!(short[1].spent < 0.05 && short[1].p.unwrap() < 0.05);
    }

    // Many looks, two of them close together, spend what few do: the boundary at the last rises, and nothing breaks.
    #[test]
    fn many_and_close_looks_are_answered() {
        let many: Vec<f64> = (1..=100).map(|k| f64::from(k) / 100.0).collect();
        let found = boundaries(&many, Spending::OBrienFleming, 0.05).unwrap();
        assert!(found[0].boundary.unwrap() > 20.0 && found[99].boundary.unwrap() < 2.3);
        let close = bounds(&[0.5, 0.500001, 1.0], Spending::Pocock);
        assert!(close.iter().all(|z| z.is_finite() && *z > 1.9), "{close:?}");
        assert_eq!(boundaries(&[1e-4, 1.0], Spending::OBrienFleming, 0.05).unwrap()[0].boundary, None);
    }

    #[test]
    fn shares_out_of_order_are_refused() {
        assert_eq!(boundaries(&[0.5, 0.5], Spending::Pocock, 0.05), None);
        assert_eq!(boundaries(&[0.5, 1.1], Spending::Pocock, 0.05), None);
        assert_eq!(boundaries(&[0.5], Spending::Pocock, 1.0), None);
    }
}
