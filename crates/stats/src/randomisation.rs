//! Randomisation inference: how often the recorded rule of assignment would have given as much by chance.

use super::Refusal;
use nalgebra::DMatrix;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;

/// The answer; `p` counts |statistic| ≥ |observed| with ties within 1e-10, relative to max(1, |observed|).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Randomised {
    /// Two-sided.
    pub p: f64,
    /// That the statistic is at least the observed one.
    pub p_greater: f64,
    /// That it is at most the observed one.
    pub p_less: f64,
    /// Draws whose statistic exists.
    pub draws: u32,
    /// Draws at least as far from 0.
    pub extreme: u32,
    /// Draws at least as great.
    pub greater: u32,
    /// Draws at most as great.
    pub less: u32,
    /// Whether the draws are all assignments.
    pub exact: bool,
    /// Root mean square of the statistic over the draws; infinite where one is.
    pub spread: f64,
}

/// The draws of one statistic, counted as they come: any number of them takes the same memory.
#[derive(Debug, Clone)]
pub struct Comparison {
    observed: f64,
    tie: f64,
    draws: u32,
    extreme: u32,
    greater: u32,
    less: u32,
    squares: f64,
}

impl Comparison {
    /// Refuses an observed value that is not finite.
    ///
    /// ```
    /// # use vecino_stats::randomisation::Comparison;
    /// assert!(Comparison::of(f64::NAN).is_none());
    /// ```
    pub fn of(observed: f64) -> Option<Comparison> {
        let tie = 1e-10 * observed.abs().max(1.0);
        observed.is_finite().then_some(Comparison { observed, tie, draws: 0, extreme: 0, greater: 0, less: 0, squares: 0.0 })
    }

    /// One draw's statistic: `None` or NaN where it does not exist, which is left out of the count; an infinite one is extreme.
    ///
    /// ```
    /// # use vecino_stats::randomisation::Comparison;
    /// let mut comparison = Comparison::of(2.0).unwrap();
    /// [Some(3.0), Some(-2.0), None, Some(1.0)].into_iter().for_each(|value| comparison.add(value));
    /// let found = comparison.answer(true).unwrap();
    /// assert_eq!((found.draws, found.extreme, found.greater, found.less), (3, 2, 1, 2));
    /// ```
    pub fn add(&mut self, value: Option<f64>) {
        let Some(value) = value.filter(|v| !v.is_nan()) else { return };
        self.draws += 1;
        self.extreme += u32::from(value.abs() >= self.observed.abs() - self.tie);
        self.greater += u32::from(value >= self.observed - self.tie);
        self.less += u32::from(value <= self.observed + self.tie);
        self.squares += value * value;
    }

    /// `exact`: the draws are all assignments, p = extreme / draws; otherwise p = (1 + extreme)/(1 + draws), which is never 0 (Phipson and
    /// Smyth 2010). Refuses no draw.
    ///
    /// ```
    /// # use vecino_stats::randomisation::Comparison;
    /// let mut comparison = Comparison::of(2.0).unwrap();
    /// [3.0, -2.0, 1.0].into_iter().for_each(|value| comparison.add(Some(value)));
    /// assert_eq!(comparison.answer(true).unwrap().p, 2.0 / 3.0);
    /// assert_eq!(comparison.answer(false).unwrap().p, 3.0 / 4.0); // the observed one is a draw too
    /// ```
    pub fn answer(&self, exact: bool) -> Option<Randomised> {
        let Comparison { draws, extreme, greater, less, .. } = *self;
        if draws == 0 {
            return None;
        }
        let share = |count: u32| if exact { f64::from(count) / f64::from(draws) } else { (1.0 + f64::from(count)) / (1.0 + f64::from(draws)) };
        Some(Randomised {
            p: share(extreme),
            p_greater: share(greater),
            p_less: share(less),
            draws,
            extreme,
            greater,
            less,
            exact,
            spread: (self.squares / f64::from(draws)).sqrt(),
        })
    }
}

/// Compares `observed` with the statistic of each replayed assignment; see [`Comparison`].
///
/// ```
/// # use vecino_stats::randomisation::compare;
/// assert_eq!(compare(2.0, [Some(2.0), Some(-1.0), None], true).unwrap().p, 0.5);
/// ```
pub fn compare(observed: f64, statistics: impl IntoIterator<Item = Option<f64>>, exact: bool) -> Option<Randomised> {
    let mut comparison = Comparison::of(observed)?;
    statistics.into_iter().for_each(|value| comparison.add(value));
    comparison.answer(exact)
}

/// Standard error of a p of so many draws, as of any share: √(p (1 − p) ÷ draws).
///
/// ```
/// # use vecino_stats::randomisation::monte_carlo_error;
/// assert_eq!(monte_carlo_error(0.5, 100), 0.05);
/// ```
pub fn monte_carlo_error(p: f64, draws: u32) -> f64 {
    (p * (1.0 - p) / f64::from(draws.max(1))).sqrt()
}

/// A design that keeps the number treated in each block.
#[derive(Debug, Clone)]
pub struct Assignments {
    blocks: Vec<Block>,
    units: usize,
    /// All assignments are made; otherwise this many are drawn.
    pub exact: bool,
    /// How many are made.
    pub draws: u64,
    rule: Option<Balance>,
}

/// A rule of re-randomisation: only assignments whose arms are alike enough were ever accepted. With d the difference of the arms' means of
/// k covariates over units, and S their covariance over units, D² = n₁n₀/n · d'S⁻¹d ≤ limit (Morgan and Rubin 2012).
#[derive(Debug, Clone)]
pub struct Balance {
    /// One row of k whitened covariates a unit: d'S⁻¹d is the squared length of the difference of their means.
    units: Vec<Vec<f64>>,
    limit: f64,
}

/// Draws of which none is accepted before the rule is given up.
const PATIENCE: u64 = 100_000;

impl Balance {
    /// `covariates[i]` are those of unit i. Columns that repeat others count once. Refuses no covariate that varies.
    ///
    /// ```
    /// # use vecino_stats::{Refusal, randomisation::Balance};
    /// assert_eq!(Balance::new(&[vec![1.0], vec![1.0]], 1.0).unwrap_err(), Refusal::NoVariation);
    /// ```
    pub fn new(covariates: &[Vec<f64>], limit: f64) -> Result<Balance, Refusal> {
        let (n, k) = (covariates.len(), covariates.first().map_or(0, Vec::len));
        if n < 2 || k == 0 {
            return Err(Refusal::NoData);
        }
        let x = DMatrix::from_fn(n, k, |i, j| covariates[i][j]);
        let mean = x.row_mean();
        let centred = DMatrix::from_fn(n, k, |i, j| x[(i, j)] - mean[j]);
        let spread: Vec<f64> = (0..k).map(|j| (centred.column(j).norm_squared() / (n - 1) as f64).sqrt()).collect();
        if spread.iter().any(|s| !s.is_finite()) || spread.iter().all(|s| *s == 0.0) {
            return Err(Refusal::NoVariation);
        }
        let unit = DMatrix::from_fn(n, k, |i, j| if spread[j] > 0.0 { centred[(i, j)] / spread[j] } else { 0.0 });
        let eigen = (unit.tr_mul(&unit) / (n - 1) as f64).symmetric_eigen();
        let used: Vec<usize> = (0..k).filter(|j| eigen.eigenvalues[*j] > 1e-10).collect();
        let turned = &unit * &eigen.eigenvectors;
        let units = (0..n).map(|i| used.iter().map(|j| turned[(i, *j)] / eigen.eigenvalues[*j].sqrt()).collect()).collect();
        Ok(Balance { units, limit })
    }

    /// D² of an assignment; infinite without two arms.
    ///
    /// ```
    /// # use vecino_stats::randomisation::{Assignments, Balance};
    /// let rule = Balance::new(&[vec![0.0], vec![0.0], vec![1.0], vec![1.0]], 1.0)?; // of variance 1/3
    /// // n₁n₀/n · d²/S = 1 · 1 · 3
    /// assert!((rule.distance(&[true, true, false, false]) - 3.0).abs() < 1e-12);
    /// assert!(rule.distance(&[true, false, true, false]) < 1e-12);
    /// # Ok::<(), vecino_stats::Refusal>(())
    /// ```
    pub fn distance(&self, treated: &[bool]) -> f64 {
        let k = self.units.first().map_or(0, Vec::len);
        let mut sums = vec![0.0; k];
        let mut count = 0.0;
        for (unit, _) in self.units.iter().zip(treated).filter(|(_, treated)| **treated) {
            sums.iter_mut().zip(unit).for_each(|(sum, x)| *sum += x);
            count += 1.0;
        }
        // The covariates are centred over all units, so the other arm's mean is −sum / (n − count).
        let n = self.units.len() as f64;
        let square: f64 = sums.iter().map(|sum| (sum / count + sum / (n - count)).powi(2)).sum();
        let distance = count * (n - count) / n * square;
        if distance.is_finite() { distance } else { f64::INFINITY }
    }

    /// Whether the rule lets an assignment pass; ties pass.
    ///
    /// ```
    /// # use vecino_stats::randomisation::{Assignments, Balance};
    /// let rule = Balance::new(&[vec![0.0], vec![0.0], vec![1.0], vec![1.0]], 1.0)?; // of variance 1/3
    /// assert!(rule.accepts(&[true, false, true, false]) && !rule.accepts(&[true, true, false, false]));
    /// # Ok::<(), vecino_stats::Refusal>(())
    /// ```
    pub fn accepts(&self, treated: &[bool]) -> bool {
        self.distance(treated) <= self.limit + 1e-10 * self.limit.max(1.0)
    }
}

#[derive(Debug, Clone)]
struct Block {
    units: Vec<usize>,
    treated: usize,
}

impl Assignments {
    /// Π C(n_b, m_b) assignments over blocks of n_b units with m_b treated (Fisher 1935): all of them when there are no more than `most`,
    /// else `most` draws. `blocks[i]` and `treated[i]` of unit i.
    ///
    /// ```
    /// # use vecino_stats::randomisation::Assignments;
    /// let all = Assignments::new(&[0; 4], &[true, true, false, false], 100);
    /// assert_eq!((all.exact, all.draws), (true, 6)); // 4 choose 2
    /// ```
    pub fn new(blocks: &[usize], treated: &[bool], most: u64) -> Assignments {
        let mut found: std::collections::BTreeMap<usize, Block> = std::collections::BTreeMap::new();
        for (unit, (block, treated)) in blocks.iter().zip(treated).enumerate() {
            let block = found.entry(*block).or_insert(Block { units: Vec::new(), treated: 0 });
            block.units.push(unit);
            block.treated += usize::from(*treated);
        }
        let blocks: Vec<Block> = found.into_values().collect();
        let mut count = 1.0_f64;
        for block in &blocks {
            for i in 0..block.treated {
                count *= (block.units.len() - i) as f64 / (i + 1) as f64;
            }
        }
        // Products of binomials are whole numbers; below 2^52 rounding finds them.
        let exact = count.round() <= most as f64;
        Assignments { blocks, units: treated.len(), exact, draws: if exact { count.round() as u64 } else { most }, rule: None }
    }

    /// The same design under a rule of re-randomisation.
    ///
    /// ```
    /// # use vecino_stats::randomisation::{Assignments, Balance};
    /// let rule = Balance::new(&[vec![0.0], vec![0.0], vec![1.0], vec![1.0]], 1.0)?; // of variance 1/3
    /// # use vecino_stats::random::seeded;
    /// let mut passed = 0;
    /// let design = Assignments::new(&[0; 4], &[true, true, false, false], 100).with_rule(rule);
    /// design.each(&mut seeded(1, "draws"), |_| passed += 1);
    /// assert_eq!(passed, 4); // one of each two
    /// # Ok::<(), vecino_stats::Refusal>(())
    /// ```
    pub fn with_rule(self, rule: Balance) -> Assignments {
        Assignments { rule: Some(rule), ..self }
    }

    /// Makes each assignment in turn that the rule lets pass; drawn ones until there are enough, or hardly any passes.
    ///
    /// ```
    /// # use vecino_stats::{random::seeded, randomisation::Assignments};
    /// let mut treated = [0; 4];
    /// Assignments::new(&[0, 0, 1, 1], &[true, false, true, false], 100)
    ///     .each(&mut seeded(1, "draws"), |z| treated.iter_mut().zip(z).for_each(|(n, z)| *n += u32::from(*z)));
    /// assert_eq!(treated, [2; 4]); // four assignments of two pairs
    /// ```
    pub fn each(&self, random: &mut ChaCha20Rng, mut visit: impl FnMut(&[bool])) {
        let mut z = vec![false; self.units];
        if self.exact {
            // Blocks that can only be as they are stand still; the others are at least halved by each, so that they are few.
            let (moving, still): (Vec<&Block>, Vec<&Block>) = self.blocks.iter().partition(|b| b.treated > 0 && b.treated < b.units.len());
            still.iter().flat_map(|block| &block.units[..block.treated]).for_each(|unit| z[*unit] = true);
            self.enumerate(&moving, &mut z, &mut visit);
            return;
        }
        let mut order: Vec<Vec<usize>> = self.blocks.iter().map(|block| block.units.clone()).collect();
        let (mut made, mut idle) = (0, 0);
        while made < self.draws && idle < PATIENCE {
            for (block, order) in self.blocks.iter().zip(&mut order) {
                for place in 0..order.len() {
                    if place < block.treated {
                        let other = place + below(random, (order.len() - place) as u32) as usize;
                        order.swap(place, other);
                    }
                    z[order[place]] = place < block.treated;
                }
            }
            if self.passes(&z) {
                visit(&z);
                (made, idle) = (made + 1, 0);
            } else {
                idle += 1;
            }
        }
    }

    fn passes(&self, z: &[bool]) -> bool {
        self.rule.as_ref().is_none_or(|rule| rule.accepts(z))
    }

    fn enumerate(&self, blocks: &[&Block], z: &mut Vec<bool>, visit: &mut impl FnMut(&[bool])) {
        let Some((block, others)) = blocks.split_first() else {
            if self.passes(z) {
                visit(z);
            }
            return;
        };
        let (n, k) = (block.units.len(), block.treated);
        let mut current: Vec<usize> = (0..k).collect();
        loop {
            block.units.iter().for_each(|unit| z[*unit] = false);
            current.iter().for_each(|place| z[block.units[*place]] = true);
            self.enumerate(others, z, visit);
            let Some(i) = (0..k).rev().find(|i| current[*i] != i + n - k) else { return };
            current[i] += 1;
            for j in i + 1..k {
                current[j] = current[j - 1] + 1;
            }
        }
    }
}

/// A number in 0..n without bias (Lemire 2019).
fn below(random: &mut ChaCha20Rng, n: u32) -> u32 {
    loop {
        let product = u64::from(random.next_u32()) * u64::from(n);
        if product as u32 >= n.wrapping_neg() % n {
            return (product >> 32) as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::rand_core::SeedableRng;

    #[test]
    fn two_pairs_have_four_assignments_and_ties_count() {
        let design = Assignments::new(&[0, 0, 1, 1], &[true, false, false, true], 100);
        assert_eq!((design.exact, design.draws), (true, 4));
        let y = [1.0, 0.0, 0.0, 1.0];
        let mut statistics = Vec::new();
        let mut random = ChaCha20Rng::from_seed([0; 32]);
        design.each(&mut random, |z| statistics.push(Some(z.iter().zip(y).map(|(z, y)| if *z { y } else { -y }).sum::<f64>())));
        let found = compare(2.0, statistics, true).unwrap();
        assert_eq!((found.extreme, found.greater, found.p), (2, 1, 0.5));
        assert!(Assignments::new(&[0; 40], &[true; 40], 10).exact);
    }

    #[test]
    fn a_draw_keeps_the_number_treated_in_each_block() {
        let treated: Vec<bool> = (0..60).map(|i| i % 3 == 0).collect();
        let blocks: Vec<usize> = (0..60).map(|i| i / 20).collect();
        let count = |z: &[bool], block: usize| z.iter().zip(&blocks).filter(|(z, b)| **z && **b == block).count();
        let wanted: Vec<usize> = (0..3).map(|block| count(&treated, block)).collect();
        let design = Assignments::new(&blocks, &treated, 500);
        assert!(!design.exact);
        let mut how_often = vec![0; 60];
        design.each(&mut ChaCha20Rng::from_seed([1; 32]), |z| {
            assert_eq!((0..3).map(|block| count(z, block)).collect::<Vec<_>>(), wanted);
            how_often.iter_mut().zip(z).for_each(|(sum, z)| *sum += i32::from(*z));
        });
        assert!(how_often.iter().all(|times| (100..240).contains(times)), "{how_often:?}");
    }

    /// Four units, x = 0 1 2 3, two treated: |difference of means| is 2, 1, 0, 0, 1, 2, and D² = difference² · (n₁n₀/n) / S² with S² = 5/3.
    #[test]
    fn a_rule_of_rerandomisation_keeps_only_what_it_would_have_accepted() {
        let covariates: Vec<Vec<f64>> = (0..4).map(|i| vec![f64::from(i), 2.0 * f64::from(i)]).collect();
        let count = |limit: f64| {
            let rule = Balance::new(&covariates, limit).unwrap();
            let mut kept = 0;
            let design = Assignments::new(&[0; 4], &[true, true, false, false], 100).with_rule(rule);
            design.each(&mut ChaCha20Rng::from_seed([0; 32]), |_| kept += 1);
            kept
        };
        assert_eq!((count(0.0), count(0.6), count(0.59), count(2.4), count(2.3)), (2, 4, 2, 6, 4));
        assert_eq!(Balance::new(&[vec![1.0], vec![1.0]], 1.0).unwrap_err(), Refusal::NoVariation);
    }

    #[test]
    fn a_sampled_p_is_never_zero_and_nothing_is_not_an_answer() {
        assert_eq!(compare(3.0, (0..9).map(|_| Some(0.0)), false).unwrap().p, 0.1);
        assert_eq!(compare(3.0, [None], false), None);
        assert_eq!(compare(f64::NAN, [Some(1.0)], false), None);
    }
}
