//! Exponential families and their links, over sums of rows with one linear predictor.
//!
//! E y = μ, var y = φ V(μ), g(μ) = η. Over n rows with sum y: score in η Σ (y − μ) d / V, Fisher information n d² / V, d = dμ/dη
//! (Nelder and Wedderburn 1972; McCullagh and Nelder 1989). Probabilities near 0 and 1 are worked from their smaller side.

use super::Refusal;
use super::cells::Cells;
use statrs::function::gamma::ln_gamma;

/// The variance V(μ): μ (1 − μ), μ, 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Zeros and ones.
    Binomial,
    /// Counts.
    Poisson,
    /// Any numbers.
    Gaussian,
}

/// g in g(μ) = η: ln μ/(1 − μ), ln(−ln(1 − μ)), ln μ, μ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// ln μ/(1 − μ)
    Logit,
    /// ln(−ln(1 − μ))
    Cloglog,
    /// ln μ
    Log,
    /// μ
    Identity,
}

/// What one linear predictor means: the mean, 1 − mean for a probability, dμ/dη and V(μ).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Point {
    pub mu: f64,
    pub other: f64,
    pub d: f64,
    pub v: f64,
}

impl Family {
    /// The link whose score is Σ x (y − μ).
    ///
    /// ```
    /// # use vecino_stats::family::{Family, Link};
    /// assert_eq!(Family::Poisson.canonical(), Link::Log);
    /// ```
    pub fn canonical(self) -> Link {
        match self {
            Family::Binomial => Link::Logit,
            Family::Poisson => Link::Log,
            Family::Gaussian => Link::Identity,
        }
    }

    /// Whether every linear predictor gives a mean of the family.
    ///
    /// ```
    /// # use vecino_stats::family::{Family, Link};
    /// assert!(Family::Binomial.allows(Link::Cloglog) && !Family::Poisson.allows(Link::Cloglog));
    /// ```
    pub fn allows(self, link: Link) -> bool {
        match self {
            Family::Binomial => matches!(link, Link::Logit | Link::Cloglog),
            Family::Poisson => link == Link::Log,
            Family::Gaussian => matches!(link, Link::Identity | Link::Log),
        }
    }

    /// Refuses outcomes the family cannot have: other than 0 and 1 (binomial), below 0 (poisson), and numbers that are not finite.
    ///
    /// ```
    /// # use vecino_stats::{Refusal, cells::Cells, family::Family};
    /// let mut cells = Cells::new(1);
    /// cells.push(0, &[1.0], 4.0, 3.0, 3.0);
    /// assert_eq!(Family::Binomial.check(&cells), Ok(()));
    /// cells.push(0, &[1.0], 1.0, 2.0, 4.0);
    /// assert_eq!(Family::Binomial.check(&cells), Err(Refusal::OutsideFamily));
    /// ```
    pub fn check(self, cells: &Cells) -> Result<(), Refusal> {
        if cells.rows() <= 0.0 || cells.width == 0 {
            return Err(Refusal::NoData);
        }
        for c in 0..cells.len() {
            let (n, y, within) = (cells.n[c], cells.y[c], cells.within[c]);
            if !(n.is_finite() && y.is_finite() && within.is_finite() && n >= 0.0 && cells.row(c).iter().all(|x| x.is_finite())) {
                return Err(Refusal::NotFinite);
            }
            let possible = match self {
                Family::Binomial => y >= 0.0 && y <= n && (n == 0.0 || (within - y * (n - y) / n).abs() <= 1e-9 * n),
                Family::Poisson => y >= 0.0,
                Family::Gaussian => true,
            };
            if !possible {
                return Err(Refusal::OutsideFamily);
            }
        }
        Ok(())
    }

    /// The direction in which a cell's likelihood keeps rising without end: −1 all zeros, 1 all ones, 0 neither.
    pub(crate) fn pull(self, n: f64, y: f64) -> i8 {
        match self {
            Family::Binomial | Family::Poisson if y == 0.0 => -1,
            Family::Binomial if y == n => 1,
            _ => 0,
        }
    }

    /// Σ (y − μ) d / V over a cell.
    pub(crate) fn score(self, p: &Point, n: f64, y: f64) -> f64 {
        match self {
            Family::Binomial => y * (p.d / p.mu) - (n - y) * (p.d / p.other),
            Family::Poisson => y - n * p.mu,
            Family::Gaussian => (y - n * p.mu) * p.d,
        }
    }

    /// Minus the slope of the score of a cell in η; for gaussian its expectation.
    pub(crate) fn curvature(self, link: Link, p: &Point, n: f64, y: f64) -> f64 {
        let fisher = n * p.d * p.d / p.v;
        if link != Link::Cloglog {
            return fisher;
        }
        let hazard = p.d / p.other;
        let bend = if hazard < 1e-4 { hazard / 2.0 + hazard * hazard / 12.0 } else { hazard / p.mu - 1.0 };
        y * (p.d / p.mu) * bend + (n - y) * hazard
    }

    /// Σ (y − μ) over a cell.
    pub(crate) fn residual(self, p: &Point, n: f64, y: f64) -> f64 {
        if self == Family::Binomial { y * p.other - (n - y) * p.mu } else { y - n * p.mu }
    }

    /// Σ (y − μ)² over a cell, `within` being Σ (y − ȳ)².
    pub(crate) fn residual_squares(self, p: &Point, n: f64, y: f64, within: f64) -> f64 {
        if self == Family::Binomial {
            y * p.other * p.other + (n - y) * p.mu * p.mu
        } else {
            let e = y - n * p.mu;
            within + if n > 0.0 { e * e / n } else { 0.0 }
        }
    }

    /// The log-likelihood of a cell but for what does not depend on μ; for gaussian with variance 1, and without −n/2 ln 2π.
    pub(crate) fn log_likelihood(self, p: &Point, n: f64, y: f64, within: f64) -> f64 {
        match self {
            Family::Binomial => {
                let ones = if y > 0.0 { y * if p.mu < 0.5 { p.mu.ln() } else { (-p.other).ln_1p() } } else { 0.0 };
                let zeros = if n > y { (n - y) * if p.other < 0.5 { p.other.ln() } else { (-p.mu).ln_1p() } } else { 0.0 };
                ones + zeros
            }
            Family::Poisson => y * p.mu.ln() - n * p.mu,
            Family::Gaussian => -0.5 * self.residual_squares(p, n, y, within),
        }
    }

    /// What one row as given adds to a log-likelihood whatever the coefficients: ln C(n, y) for `y` of `n` counts, −ln y! for a Poisson count.
    ///
    /// ```
    /// # use vecino_stats::family::Family;
    /// assert!((Family::Binomial.log_constant(4.0, 2.0) - 6.0_f64.ln()).abs() < 1e-12); // 4 choose 2
    /// ```
    pub fn log_constant(self, n: f64, y: f64) -> f64 {
        match self {
            Family::Binomial => ln_gamma(n + 1.0) - ln_gamma(y + 1.0) - ln_gamma(n - y + 1.0),
            Family::Poisson => -ln_gamma(y + 1.0),
            Family::Gaussian => 0.0,
        }
    }

    /// The point at a linear predictor. It is held where its square neither overflows nor vanishes.
    pub(crate) fn at(self, link: Link, eta: f64) -> Point {
        let (mu, other, d) = match link {
            Link::Logit => {
                let small = (-eta.abs().min(300.0)).exp();
                let (tail, rest) = (small / (1.0 + small), 1.0 / (1.0 + small));
                let (mu, other) = if eta < 0.0 { (tail, rest) } else { (rest, tail) };
                (mu, other, tail * rest)
            }
            Link::Cloglog => {
                let hazard = eta.clamp(-300.0, 5.8).exp();
                let other = (-hazard).exp();
                (-(-hazard).exp_m1(), other, hazard * other)
            }
            Link::Log => {
                let mu = eta.clamp(-300.0, 150.0).exp();
                (mu, 1.0, mu)
            }
            Link::Identity => (eta, 1.0, 1.0),
        };
        let v = match self {
            Family::Binomial => mu * other,
            Family::Poisson => mu,
            Family::Gaussian => 1.0,
        };
        Point { mu, other, d, v }
    }
}

impl Link {
    /// g(μ); none where it is not finite.
    ///
    /// ```
    /// # use vecino_stats::family::Link;
    /// assert_eq!((Link::Logit.of(0.5), Link::Logit.of(1.0)), (Some(0.0), None));
    /// ```
    pub fn of(self, mu: f64) -> Option<f64> {
        let eta = match self {
            Link::Logit => (mu / (1.0 - mu)).ln(),
            Link::Cloglog => (-(-mu).ln_1p()).ln(),
            Link::Log => mu.ln(),
            Link::Identity => mu,
        };
        eta.is_finite().then_some(eta)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [(Family, Link); 5] = [
        (Family::Binomial, Link::Logit),
        (Family::Binomial, Link::Cloglog),
        (Family::Poisson, Link::Log),
        (Family::Gaussian, Link::Identity),
        (Family::Gaussian, Link::Log),
    ];

    #[test]
    fn the_score_is_the_slope_of_the_log_likelihood_and_the_curvature_that_of_the_score() {
        for (family, link) in ALL {
            for eta in [-2.0, -0.1, 0.7, 1.4] {
                let (n, y, within) = (7.0, 3.0, 12.0 / 7.0);
                let value = |eta| family.log_likelihood(&family.at(link, eta), n, y, within);
                let slope = (value(eta + 1e-5) - value(eta - 1e-5)) / 2e-5;
                assert!((slope - family.score(&family.at(link, eta), n, y)).abs() < 1e-7, "{family:?} {link:?} {eta}");
                if family != Family::Gaussian {
                    let score = |eta| family.score(&family.at(link, eta), n, y);
                    let slope = (score(eta + 1e-5) - score(eta - 1e-5)) / 2e-5;
                    assert!((slope + family.curvature(link, &family.at(link, eta), n, y)).abs() < 1e-7, "{family:?} {link:?} {eta}");
                }
            }
        }
    }

    #[test]
    fn a_link_undoes_its_mean() {
        for (family, link) in ALL {
            for eta in [-3.0, 0.2, 1.1] {
                assert!((link.of(family.at(link, eta).mu).unwrap() - eta).abs() < 1e-12);
            }
        }
        assert_eq!(Link::Logit.of(0.0), None);
    }

    #[test]
    fn nothing_overflows_at_absurd_predictors() {
        for (family, link) in ALL {
            for eta in [-1e9, -800.0, 800.0, 1e9] {
                let p = family.at(link, eta);
                let numbers = [p.mu, p.d, p.v, p.d * p.d / p.v, family.score(&p, 2.0, 1.0), family.log_likelihood(&p, 2.0, 1.0, 1.0)];
                assert!(numbers.iter().all(|v| v.is_finite()), "{family:?} {link:?} {eta} {numbers:?}");
            }
        }
    }
}
