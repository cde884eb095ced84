//! Intervals of shares whose observations come in clusters (visits to the same home).

use statrs::distribution::{Beta, ContinuousCDF, StudentsT};

/// Sums over units (homes): how many, Σy, Σn, Σy², Σyn, Σn².
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    pub units: i64,
    pub y: i64,
    pub n: i64,
    pub yy: i64,
    pub yn: i64,
    pub nn: i64,
}

/// Cross sums over units seen in either of two windows: how many, Σy₂y₁, Σy₂n₁, Σn₂y₁, Σn₂n₁.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cross {
    pub units: i64,
    pub yy: i64,
    pub yn: i64,
    pub ny: i64,
    pub nn: i64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimated {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

impl Sums {
    pub fn rate(&self) -> Option<f64> {
        (self.n > 0).then(|| self.y as f64 / self.n as f64)
    }

    /// Σ (y − r n)² over the units.
    fn residual(&self, r: f64) -> f64 {
        (self.yy as f64 - 2.0 * r * self.yn as f64 + r * r * self.nn as f64).max(0.0)
    }
}

/// A share of observations, r = Σy/Σn, with its interval clustered by unit: Taylor-linearised variance
/// H/(H−1) · Σ(y_h − r n_h)² / (Σn)² (Cochran 1977, 6.5), t with H−1 degrees of freedom, cut to [0, 1].
/// When no unit deviates (all or none complied) that variance is 0 and says nothing: then the exact binomial interval over H units, as if
/// a unit's visits were one. `None` below two units or without observations.
pub fn ratio(sums: &Sums, level: f64) -> Option<Estimated> {
    let (h, r) = (sums.units as f64, sums.rate()?);
    if sums.units < 2 {
        return None;
    }
    let residual = sums.residual(r);
    if residual <= 1e-9 * sums.nn as f64 {
        let (tail, x) = ((1.0 - level) / 2.0, r * h);
        let low = if x <= 0.0 { 0.0 } else { Beta::new(x, h - x + 1.0).ok()?.inverse_cdf(tail) };
        let high = if x >= h { 1.0 } else { Beta::new(x + 1.0, h - x).ok()?.inverse_cdf(1.0 - tail) };
        return Some(Estimated { value: r, low, high });
    }
    let se = (h / (h - 1.0) * residual).sqrt() / sums.n as f64;
    let t = quantile(level, h - 1.0)?;
    Some(Estimated { value: r, low: (r - t * se).max(0.0), high: (r + t * se).min(1.0) })
}

/// The difference of two such shares, `now` − `before`, paired by unit: with u_h = (y₂ − r₂n₂)/N₂ − (y₁ − r₁n₁)/N₁ over the H units seen in
/// either window, variance H/(H−1) · Σu_h², t with H−1 degrees of freedom. `None` when a window is empty or nothing deviates.
pub fn ratio_change(now: &Sums, before: &Sums, cross: &Cross, level: f64) -> Option<Estimated> {
    let (r2, r1, h) = (now.rate()?, before.rate()?, cross.units as f64);
    if cross.units < 2 || now.units < 2 || before.units < 2 {
        return None;
    }
    let (n2, n1) = (now.n as f64, before.n as f64);
    let shared = cross.yy as f64 - r2 * cross.ny as f64 - r1 * cross.yn as f64 + r1 * r2 * cross.nn as f64;
    let squares = now.residual(r2) / (n2 * n2) + before.residual(r1) / (n1 * n1) - 2.0 * shared / (n1 * n2);
    if squares <= 1e-15 {
        return None;
    }
    let se = (h / (h - 1.0) * squares).sqrt();
    let t = quantile(level, h - 1.0)?;
    let value = r2 - r1;
    Some(Estimated { value, low: (value - t * se).max(-1.0), high: (value + t * se).min(1.0) })
}

fn quantile(level: f64, df: f64) -> Option<f64> {
    Some(StudentsT::new(0.0, 1.0, df).ok()?.inverse_cdf(0.5 + level / 2.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sums(homes: &[(i64, i64)]) -> Sums {
        homes.iter().filter(|(n, _)| *n > 0).fold(Sums::default(), |s, (n, y)| Sums {
            units: s.units + 1,
            y: s.y + y,
            n: s.n + n,
            yy: s.yy + y * y,
            yn: s.yn + y * n,
            nn: s.nn + n * n,
        })
    }

    #[test]
    fn repeated_visits_to_a_home_do_not_narrow_the_interval() {
        let once = ratio(&sums(&[(1, 1), (1, 0), (1, 1), (1, 0), (1, 1)]), 0.95).unwrap();
        let often = ratio(&sums(&[(9, 9), (9, 0), (9, 9), (9, 0), (9, 9)]), 0.95).unwrap();
        assert!((once.low - often.low).abs() < 1e-12 && (once.high - often.high).abs() < 1e-12);
    }

    #[test]
    fn all_complied_still_has_a_margin() {
        let all = ratio(&sums(&[(2, 2); 20]), 0.95).unwrap();
        assert_eq!((all.value, all.high), (1.0, 1.0));
        // Clopper and Pearson, 20 of 20: 0.8316.
        assert!((all.low - 0.8316).abs() < 1e-3, "{all:?}");
        assert_eq!(ratio(&sums(&[(3, 1)]), 0.95), None);
        assert_eq!(ratio(&Sums::default(), 0.95), None);
    }

    proptest! {
        #[test]
        fn sums_say_the_same_as_the_homes_one_by_one(homes in prop::collection::vec(((0i64..5, 0i64..5), (0i64..5, 0i64..5)), 3..40)) {
            let fix = |(n, y): (i64, i64)| (n, y.min(n));
            let homes: Vec<_> = homes.into_iter().map(|(a, b)| (fix(a), fix(b))).filter(|(a, b)| a.0 + b.0 > 0).collect();
            let (now, before) = (sums(&homes.iter().map(|h| h.1).collect::<Vec<_>>()), sums(&homes.iter().map(|h| h.0).collect::<Vec<_>>()));
            let cross = homes.iter().fold(Cross::default(), |c, ((n1, y1), (n2, y2))| Cross {
                units: c.units + 1, yy: c.yy + y2 * y1, yn: c.yn + y2 * n1, ny: c.ny + n2 * y1, nn: c.nn + n2 * n1 });
            if let Some(change) = ratio_change(&now, &before, &cross, 0.95) {
                let (r2, r1) = (now.rate().unwrap(), before.rate().unwrap());
                let direct: f64 = homes.iter().map(|((n1, y1), (n2, y2))| {
                    let u = (*y2 as f64 - r2 * *n2 as f64) / now.n as f64 - (*y1 as f64 - r1 * *n1 as f64) / before.n as f64;
                    u * u
                }).sum();
                let h = homes.len() as f64;
                let half = quantile(0.95, h - 1.0).unwrap() * (h / (h - 1.0) * direct).sqrt();
                prop_assert!((change.value - (r2 - r1)).abs() < 1e-12);
                prop_assert!((change.high - (change.value + half).min(1.0)).abs() < 1e-9);
            }
        }
    }
}
