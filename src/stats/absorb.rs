//! Absorbed effects: what is left of every column when the dummies of each effect are taken out.
//!
//! With one effect the level means are subtracted. With several, D the largest and E all the others, ṽ = v − E b − D a with
//! E'W(I − P_D)E b = E'W(I − P_D) v, solved by conjugate gradients scaled by the levels' weights (Frisch and Waugh 1933; Lovell 1963), and
//! a the means of v − E b in the levels of D. No dummy is ever made, so the cost is a few passes over the rows for any number of levels.

use super::Refusal;
use super::cells::Rows;
use super::passes;

/// The share of a column's square that may be left undone, and the passes after which it is refused.
const EXACT: f64 = 1e-28;
const MOST: usize = 5_000;

/// The part of each column that the effects explain: for every effect, levels × (covariates and the outcome).
#[derive(Debug, Clone)]
pub struct Absorbed {
    width: usize,
    parts: Vec<Vec<f64>>,
}

impl Absorbed {
    /// Reads a row's covariates and, last, its mean outcome, without what the effects explain. `into` has k + 1 places.
    #[inline]
    pub fn read(&self, rows: &impl Rows, row: usize, into: &mut [f64]) {
        read(rows, row, into);
        for (effect, part) in self.parts.iter().enumerate() {
            let level = rows.effect(effect, row) as usize;
            for (value, share) in into.iter_mut().zip(&part[level * self.width..(level + 1) * self.width]) {
                *value -= share;
            }
        }
    }
}

#[inline]
fn read(rows: &impl Rows, row: usize, into: &mut [f64]) {
    let k = into.len() - 1;
    rows.x(row, &mut into[..k]);
    let (n, y, _) = rows.sums(row);
    into[k] = y / n;
}

/// Weight of a row: its own times how many rows it stands for.
#[inline]
pub fn mass(rows: &impl Rows, row: usize) -> f64 {
    rows.weight(row) * rows.sums(row).0
}

/// Takes the effects out of all covariates and the outcome. Refuses effects so entangled that the passes do not end.
pub fn absorb(rows: &impl Rows) -> Result<Absorbed, Refusal> {
    let width = rows.width() + 1;
    let levels = rows.levels();
    let Some(main) = (0..levels.len()).max_by_key(|effect| levels[*effect]) else {
        return Ok(Absorbed { width, parts: Vec::new() });
    };
    let solver = Solver::new(rows, width, main);
    let others = solver.solve()?;
    let mut parts = Vec::with_capacity(levels.len());
    let means = solver.main_means(|row, into| {
        read(rows, row, into);
        solver.subtract(&others, row, into);
    });
    for (effect, count) in levels.iter().enumerate() {
        if effect == main {
            parts.push(means.clone());
        } else {
            let start = solver.start[effect] * width;
            parts.push(others[start..start + count * width].to_vec());
        }
    }
    Ok(Absorbed { width, parts })
}

struct Solver<'a, R: Rows> {
    rows: &'a R,
    width: usize,
    main: usize,
    others: Vec<usize>,
    /// First unknown of each other effect, and their number.
    start: Vec<usize>,
    unknowns: usize,
    /// Total weight of each level.
    main_mass: Vec<f64>,
    other_mass: Vec<f64>,
}

impl<'a, R: Rows> Solver<'a, R> {
    fn new(rows: &'a R, width: usize, main: usize) -> Self {
        let levels = rows.levels();
        let others: Vec<usize> = (0..levels.len()).filter(|effect| *effect != main).collect();
        let mut start = vec![0; levels.len()];
        let mut unknowns = 0;
        for effect in &others {
            start[*effect] = unknowns;
            unknowns += levels[*effect];
        }
        let mut solver = Solver { rows, width, main, others, start, unknowns, main_mass: Vec::new(), other_mass: Vec::new() };
        solver.main_mass = passes::sum(rows.len(), levels[main], |range, sums| {
            for row in range {
                sums[rows.effect(main, row) as usize] += mass(rows, row);
            }
        });
        solver.other_mass = solver.other_sums(1, |_, into| into[0] = 1.0);
        solver
    }

    /// Σ weight × value in each level of the main effect, over its weight.
    fn main_means(&self, value: impl Fn(usize, &mut [f64]) + Sync) -> Vec<f64> {
        let width = self.width;
        let mut means = passes::sum(self.rows.len(), self.main_mass.len() * width, |range, sums| {
            let mut buffer = vec![0.0; width];
            for row in range {
                value(row, &mut buffer);
                let mass = mass(self.rows, row);
                let level = self.rows.effect(self.main, row) as usize;
                for (sum, value) in sums[level * width..(level + 1) * width].iter_mut().zip(&buffer) {
                    *sum += mass * value;
                }
            }
        });
        for (means, mass) in means.chunks_mut(width).zip(&self.main_mass).filter(|(_, mass)| **mass > 0.0) {
            means.iter_mut().for_each(|mean| *mean /= mass);
        }
        means
    }

    /// Σ weight × value in each level of the other effects.
    fn other_sums(&self, width: usize, value: impl Fn(usize, &mut [f64]) + Sync) -> Vec<f64> {
        passes::sum(self.rows.len(), self.unknowns * width, |range, sums| {
            let mut buffer = vec![0.0; width];
            for row in range {
                value(row, &mut buffer);
                let mass = mass(self.rows, row);
                for effect in &self.others {
                    let at = (self.start[*effect] + self.rows.effect(*effect, row) as usize) * width;
                    for (sum, value) in sums[at..at + width].iter_mut().zip(&buffer) {
                        *sum += mass * value;
                    }
                }
            }
        })
    }

    fn subtract(&self, unknowns: &[f64], row: usize, into: &mut [f64]) {
        for effect in &self.others {
            let at = (self.start[*effect] + self.rows.effect(*effect, row) as usize) * self.width;
            for (value, part) in into.iter_mut().zip(&unknowns[at..at + self.width]) {
                *value -= part;
            }
        }
    }

    fn less_main(&self, means: &[f64], row: usize, into: &mut [f64]) {
        let at = self.rows.effect(self.main, row) as usize * self.width;
        for (value, mean) in into.iter_mut().zip(&means[at..at + self.width]) {
            *value -= mean;
        }
    }

    /// b for every column at once; each column has its own step.
    fn solve(&self) -> Result<Vec<f64>, Refusal> {
        let width = self.width;
        let mut found = vec![0.0; self.unknowns * width];
        if self.others.is_empty() {
            return Ok(found);
        }
        let means = self.main_means(|row, into| read(self.rows, row, into));
        let mut left = self.other_sums(width, |row, into| {
            read(self.rows, row, into);
            self.less_main(&means, row, into);
        });
        let square: Vec<f64> = passes::sum(self.rows.len(), width, |range, sums| {
            let mut buffer = vec![0.0; width];
            for row in range {
                read(self.rows, row, &mut buffer);
                let mass = mass(self.rows, row);
                sums.iter_mut().zip(&buffer).for_each(|(sum, value)| *sum += mass * value * value);
            }
        });
        let scaled = |left: &[f64]| -> Vec<f64> {
            left.chunks(width)
                .zip(&self.other_mass)
                .flat_map(|(values, mass)| values.iter().map(move |v| if *mass > 0.0 { v / mass } else { 0.0 }))
                .collect()
        };
        let products = |a: &[f64], b: &[f64]| -> Vec<f64> {
            let mut sums = vec![0.0; width];
            for (a, b) in a.chunks(width).zip(b.chunks(width)) {
                sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
            }
            sums
        };
        let mut near = scaled(&left);
        let mut direction = near.clone();
        let mut size = products(&left, &near);
        let enough: Vec<f64> = size.iter().zip(&square).map(|(size, square)| EXACT * (size + 1e-4 * square)).collect();
        for _ in 0..MOST {
            if size.iter().zip(&enough).all(|(size, enough)| size <= enough) {
                return Ok(found);
            }
            let along = |row: usize, into: &mut [f64]| {
                into.fill(0.0);
                self.subtract(&direction, row, into);
                into.iter_mut().for_each(|value| *value = -*value);
            };
            let means = self.main_means(along);
            let moved = self.other_sums(width, |row, into| {
                along(row, into);
                self.less_main(&means, row, into);
            });
            let curvature = products(&direction, &moved);
            let step: Vec<f64> = (0..width).map(|j| if size[j] > enough[j] && curvature[j] > 0.0 { size[j] / curvature[j] } else { 0.0 }).collect();
            for (i, value) in found.iter_mut().enumerate() {
                *value += step[i % width] * direction[i];
            }
            for (i, value) in left.iter_mut().enumerate() {
                *value -= step[i % width] * moved[i];
            }
            near = scaled(&left);
            let next = products(&left, &near);
            for (i, value) in direction.iter_mut().enumerate() {
                let j = i % width;
                let turn = if size[j] > enough[j] { next[j] / size[j] } else { 0.0 };
                *value = near[i] + turn * *value;
            }
            // A column without curvature is done: what is left of it is rounding.
            size = (0..width).map(|j| if step[j] > 0.0 { next[j] } else { 0.0 }).collect();
        }
        Err(Refusal::NotConverged)
    }
}

/// Whether each level of an effect lies in a single cluster.
pub fn is_nested(rows: &impl Rows, effect: usize, clustering: usize) -> bool {
    let mut home = vec![u32::MAX; rows.levels()[effect]];
    (0..rows.len()).all(|row| {
        let (level, cluster) = (rows.effect(effect, row) as usize, rows.cluster(clustering, row));
        let first = home[level] == u32::MAX;
        if first {
            home[level] = cluster;
        }
        first || home[level] == cluster
    })
}
