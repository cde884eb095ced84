//! Adjusted clusters for the variances that need every cluster's share in the fit (CR2, CR3, HC2, HC3) and for Satterthwaite's degrees of
//! freedom.
//!
//! Of the absorbed effects one is swept out and leaves no trace where each of its levels lies in one cluster (Pustejovsky and Tipton 2018,
//! theorem 2) and all rows weigh alike; where it reaches over clusters its levels stay as coordinates of H = Z Z' + D (D'D)⁻¹ D'. The
//! other effects become dummies.

use super::Refusal;
use super::absorb::is_nested;
use super::block::{Adjustment, Block, Raw};
use super::cells::Rows;
use super::ols::{EffectCount, Fit, Variance, fit};
use super::passes;
use super::sandwich::Sandwich;
use nalgebra::{DMatrix, DVector};

/// Dummies that may stand beside the covariates.
const DUMMIES: usize = 2_500;

impl<R: Rows> Fit<'_, R> {
    /// The variance and, if `degrees` is set, the adjusted clusters that Satterthwaite's degrees of freedom and HTZ stand on. With three
    /// clusterings the rows' third is the intersection of the first two. Refuses what `Variance::factor` refuses, two clusterings with
    /// leverage adjustment, and effects of too many levels to be held beside each other.
    ///
    /// ```
    /// # use vecino_stats::cells::Cells;
    /// # use vecino_stats::ols::{Df, EffectCount, Variance, fit};
    /// # let mut cells = Cells::new(2);
    /// # for (g, y) in [3.0, 5.0, 4.0, 8.0, 6.0, 7.0, 9.0, 5.0].into_iter().enumerate() {
    /// #     cells.push(g as u32, &[1.0, (g / 4) as f64], 10.0, y, y);
    /// # }
    /// let fitted = fit(&cells)?; // eight clusters of ten, four of them treated: 20 and 27 of 40 comply
    /// let sandwich = fitted.sandwich(Variance::Cr2, EffectCount::Nested, false)?;
    /// let a = fitted.contrast(&[(1, 1.0)])?;
    /// // Welch on the cluster means: sums of squares 0.14 and 0.0875, over 3 · 4.
    /// assert!((a.dot(&(&sandwich.middle * &a)) - 0.2275 / 12.0).abs() < 1e-14);
    /// # Ok::<(), vecino_stats::Refusal>(())
    /// ```
    pub fn sandwich(&self, variance: Variance, count: EffectCount, degrees: bool) -> Result<Sandwich, Refusal> {
        let k = self.kept.len();
        let c = variance.factor(self.clusters(), self.n, self.coefficients(count))?;
        if variance == Variance::Classical {
            let s2 = self.residual / (self.n - self.coefficients(count));
            return Ok(Sandwich::of(DMatrix::identity(k, k) * s2));
        }
        let two_way = self.rows.clusters().len() == 3;
        if two_way && variance.is_clustered() {
            if variance.adjustment() != Adjustment::None {
                return Err(Refusal::TwoWay);
            }
            let middle = self.middle(0) + self.middle(1) - self.middle(2);
            return Ok(Sandwich::of(middle * c));
        }
        if variance.adjustment() == Adjustment::None && !degrees {
            let middle = if variance.is_clustered() { self.middle(0) } else { self.row_middle() };
            return Ok(Sandwich::of(middle * c));
        }
        sandwich(self, self.rows, variance, c, degrees)
    }

    /// The clusters of the first clustering as they are, for the bootstrap.
    ///
    /// ```
    /// # use vecino_stats::cells::Cells;
    /// # use vecino_stats::ols::{Df, EffectCount, Variance, fit};
    /// # let mut cells = Cells::new(2);
    /// # for (g, y) in [3.0, 5.0, 4.0, 8.0, 6.0, 7.0, 9.0, 5.0].into_iter().enumerate() {
    /// #     cells.push(g as u32, &[1.0, (g / 4) as f64], 10.0, y, y);
    /// # }
    /// let fitted = fit(&cells)?; // eight clusters of ten, four of them treated: 20 and 27 of 40 comply
    /// assert_eq!(fitted.unadjusted()?.blocks.len(), 8);
    /// # Ok::<(), vecino_stats::Refusal>(())
    /// ```
    pub fn unadjusted(&self) -> Result<Sandwich, Refusal> {
        clusters(self, self.rows)
    }
}

/// The clusters of a fit without adjustment, every effect that reaches over them as dummies: for the bootstrap.
fn clusters<R: Rows>(fitted: &Fit<'_, R>, rows: &R) -> Result<Sandwich, Refusal> {
    let nested = |effect: usize| is_nested(rows, effect, 0);
    let swept = (0..rows.levels().len()).filter(|effect| !rows.is_weighted() && nested(*effect)).max_by_key(|effect| rows.levels()[*effect]);
    widened(fitted, rows, Variance::Cr0, 1.0, swept, None, true)
}

/// The sandwich of a fit with factor c; `keep` holds the clusters for degrees of freedom. Refuses more dummies than can be held.
fn sandwich<R: Rows>(fitted: &Fit<'_, R>, rows: &R, variance: Variance, c: f64, keep: bool) -> Result<Sandwich, Refusal> {
    let levels = rows.levels();
    let nested = |effect: usize| variance.is_clustered() && is_nested(rows, effect, 0);
    let swept = if rows.is_weighted() {
        None
    } else {
        let others = |effect: &usize| levels.iter().sum::<usize>() - levels[*effect];
        let small = (0..levels.len()).filter(|effect| others(effect) <= 500 && nested(*effect)).max_by_key(|effect| levels[*effect]);
        small.or_else(|| (0..levels.len()).max_by_key(|effect| levels[*effect]))
    };
    let reaching = swept.filter(|effect| !nested(*effect));
    widened(fitted, rows, variance, c, swept, reaching, keep)
}

/// With one effect swept, whether or not it reaches over clusters, and dummies for the others.
fn widened<R: Rows>(
    fitted: &Fit<'_, R>,
    rows: &R,
    variance: Variance,
    c: f64,
    swept: Option<usize>,
    reaching: Option<usize>,
    keep: bool,
) -> Result<Sandwich, Refusal> {
    let levels = rows.levels();
    let dummies: Vec<usize> = (0..levels.len()).filter(|effect| Some(*effect) != swept).collect();
    if dummies.is_empty() {
        let found = gather(fitted, rows, variance, c, reaching, keep);
        return Ok(Sandwich { fit: Some((fitted.t.clone(), fitted.gamma.clone())), ..found });
    }
    let wide = Dummies::new(rows, swept, dummies);
    if wide.count > DUMMIES {
        return Err(Refusal::TooManyLevels);
    }
    let whole = fit(&wide)?;
    let k = fitted.kept.len();
    let front = whole.kept.iter().filter(|column| **column < wide.count).count();
    // With the dummies in front the last columns of the wide basis are the caller's own.
    if whole.kept.len() != front + k {
        return Err(Refusal::Collinear);
    }
    let found = gather(&whole, &wide, variance, c, reaching.map(|_| 0), keep);
    let middle = found.middle.view((front, front), (k, k)).into_owned();
    Ok(Sandwich { middle, front, fit: Some((whole.t.clone(), whole.gamma.clone())), ..found })
}

/// Rows with the dummies of some effects in front of their covariates.
struct Dummies<'a, R: Rows> {
    rows: &'a R,
    dummies: Vec<usize>,
    start: Vec<usize>,
    count: usize,
    swept: Option<usize>,
    levels: Vec<usize>,
}

impl<'a, R: Rows> Dummies<'a, R> {
    fn new(rows: &'a R, swept: Option<usize>, dummies: Vec<usize>) -> Self {
        let mut start = Vec::new();
        let mut count = 0;
        for effect in &dummies {
            start.push(count);
            count += rows.levels()[*effect];
        }
        let levels = swept.iter().map(|effect| rows.levels()[*effect]).collect();
        Dummies { rows, dummies, start, count, swept, levels }
    }
}

impl<R: Rows> Rows for Dummies<'_, R> {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn width(&self) -> usize {
        self.count + self.rows.width()
    }

    fn x(&self, row: usize, into: &mut [f64]) {
        let (front, own) = into.split_at_mut(self.count);
        front.fill(0.0);
        for (effect, start) in self.dummies.iter().zip(&self.start) {
            front[start + self.rows.effect(*effect, row) as usize] = 1.0;
        }
        self.rows.x(row, own);
    }

    fn sums(&self, row: usize) -> (f64, f64, f64) {
        self.rows.sums(row)
    }

    fn weight(&self, row: usize) -> f64 {
        self.rows.weight(row)
    }

    fn is_weighted(&self) -> bool {
        self.rows.is_weighted()
    }

    fn cluster(&self, clustering: usize, row: usize) -> u32 {
        self.rows.cluster(clustering, row)
    }

    fn clusters(&self) -> &[usize] {
        self.rows.clusters()
    }

    fn effect(&self, _effect: usize, row: usize) -> u32 {
        self.swept.map_or(0, |effect| self.rows.effect(effect, row))
    }

    fn levels(&self) -> &[usize] {
        &self.levels
    }
}

/// Rows of each cluster, or single rows as clusters.
fn gather<R: Rows>(fitted: &Fit<'_, R>, rows: &R, variance: Variance, c: f64, reaching: Option<usize>, keep: bool) -> Sandwich {
    let k = fitted.kept.len();
    let adjustment = variance.adjustment();
    let levels = reaching.map_or(0, |effect| rows.levels()[effect]);
    let mut size = vec![0.0; levels];
    if let Some(effect) = reaching {
        for row in 0..rows.len() {
            size[rows.effect(effect, row) as usize] += rows.sums(row).0;
        }
    }
    let q = rows.is_weighted().then(|| fitted.weighted_square());
    let build = |members: &[u32]| -> Raw {
        let mut own: Vec<u32> = Vec::new();
        if let Some(effect) = reaching {
            own.extend(members.iter().map(|row| rows.effect(effect, *row as usize)));
            own.sort_unstable();
            own.dedup();
        }
        let mut z = DMatrix::zeros(members.len(), own.len() + k);
        let mut residual = DVector::zeros(members.len());
        let (mut values, mut turned) = (vec![0.0; rows.width() + 1], vec![0.0; k]);
        for (i, row) in members.iter().enumerate() {
            let row = *row as usize;
            let (left, _) = fitted.row(row, &mut values, &mut turned);
            let root = rows.sums(row).0.sqrt();
            if let Some(effect) = reaching {
                let level = rows.effect(effect, row);
                if let Ok(at) = own.binary_search(&level) {
                    z[(i, at)] = root / size[level as usize].sqrt();
                }
            }
            turned.iter().enumerate().for_each(|(j, value)| z[(i, own.len() + j)] = root * value);
            residual[i] = root * left;
        }
        let working = rows.is_weighted().then(|| {
            (DVector::from_iterator(members.len(), members.iter().map(|row| rows.weight(*row as usize))), DVector::repeat(members.len(), 1.0))
        });
        Raw { levels: own, z, residual, working }
    };
    if variance.is_clustered() {
        let members = by_cluster(rows);
        let parts = passes::parts_when(members.len(), rows.len() * k > 50_000, |range| {
            members[range].iter().map(|rows| Block::new(build(rows), adjustment, q.as_ref())).collect::<Vec<Block>>()
        });
        let unbiased = adjustment == Adjustment::Root && q.is_none();
        return Sandwich { unbiased, ..Sandwich::new(parts.into_iter().flatten().collect(), k, c, q, levels) };
    }
    // Every row a cluster of its own: one that stands for n has n equal clusters, whose scores differ only by their residuals.
    let parts = passes::parts(rows.len(), |range| {
        let mut middle = DMatrix::zeros(k, k);
        let mut blocks = Vec::new();
        let (mut values, mut turned) = (vec![0.0; rows.width() + 1], vec![0.0; k]);
        for row in range {
            let (_, squares) = fitted.row(row, &mut values, &mut turned);
            let (count, weight) = (rows.sums(row).0, rows.weight(row));
            let mut raw = build(&[row as u32]);
            raw.z /= count.sqrt();
            raw.residual[0] = 1.0;
            // A single row's adjustment is (1 − h)^(−1/2), whatever its weight: that of a working variance of 1/w.
            raw.working = raw.working.map(|(w, _)| (w.clone(), w.map(|w| 1.0 / w)));
            let mut block = Block::new(raw, adjustment, None);
            let score = block.own_score();
            middle.ger(squares / (weight * weight), &score, &score, 1.0);
            block.vary_alike();
            if keep {
                block.copies = count;
                blocks.push(block);
            }
        }
        (middle, blocks)
    });
    let mut middle = DMatrix::zeros(k, k);
    let mut blocks = Vec::new();
    for (own, more) in parts {
        middle += own;
        blocks.extend(more);
    }
    Sandwich { middle: middle * c, blocks, q, levels, unbiased: false, front: 0, fit: None }
}

/// The rows of each cluster, in order.
pub(super) fn by_cluster(rows: &impl Rows) -> Vec<Vec<u32>> {
    let mut members = vec![Vec::new(); rows.clusters().first().copied().unwrap_or(0)];
    for row in 0..rows.len() {
        members[rows.cluster(0, row) as usize].push(row as u32);
    }
    members
}
