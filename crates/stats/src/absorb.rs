//! Absorbed effects: what is left of every column when the dummies of each effect are taken out.
//!
//! With one effect the level means are subtracted. With several, D the largest and E all the others, ṽ = v − E b − D a with
//! E'W(I − P_D)E b = E'W(I − P_D) v, solved by conjugate gradients scaled by the levels' weights (Frisch and Waugh 1933; Lovell 1963), and
//! a the means of v − E b in the levels of D. No dummy is ever made, so the cost is a few passes over the rows for any number of levels.

use super::Refusal;
use super::cells::Rows;
use super::passes;

/// The share of what the other effects explain, and of the column's square, that may be left undone; the passes after which it is refused.
const EXACT: f64 = 1e-26;
const ROUNDING: f64 = 1e-29;
const MOST: usize = 5_000;

/// The part of each column that the effects explain: for every effect, levels × (covariates and the outcome).
#[derive(Debug, Clone)]
pub struct Absorbed {
    width: usize,
    parts: Vec<Vec<f64>>,
}

impl Absorbed {
    /// Reads a row's covariates and, last, its mean outcome, without what the effects explain. `into` has k + 1 places; `raw` sees them
    /// as they came.
    #[inline]
    pub fn read(&self, rows: &impl Rows, row: usize, into: &mut [f64], mut raw: impl FnMut(&[f64])) {
        read(rows, row, into);
        raw(into);
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
    rows.weight(row) * rows.count(row)
}

/// Takes the effects out of all covariates and the outcome. Refuses effects so entangled that the passes do not end.
pub fn absorb(rows: &impl Rows) -> Result<Absorbed, Refusal> {
    let width = rows.width() + 1;
    let levels = rows.levels();
    let Some(main) = (0..levels.len()).max_by_key(|effect| levels[*effect]) else {
        return Ok(Absorbed { width, parts: Vec::new() });
    };
    if levels.len() == 1 {
        return Ok(Absorbed { width, parts: vec![level_means(rows, width)] });
    }
    let grouped = Grouped::new(rows, width, main);
    let found = grouped.solve()?;
    let means = grouped.means(&found);
    let mut parts = Vec::with_capacity(levels.len());
    let mut start = 0;
    for (effect, count) in levels.iter().enumerate() {
        if effect == main {
            parts.push(means.clone());
        } else {
            parts.push(found[start * width..(start + count) * width].to_vec());
            start += count;
        }
    }
    Ok(Absorbed { width, parts })
}

/// Means of every column in the levels of the only effect.
fn level_means(rows: &impl Rows, width: usize) -> Vec<f64> {
    let side = width + 1;
    let sums = passes::sum(rows.len(), rows.levels()[0] * side, |range, sums| {
        let mut values = vec![0.0; width];
        for row in range {
            read(rows, row, &mut values);
            let mass = mass(rows, row);
            let at = rows.effect(0, row) as usize * side;
            sums[at..at + width].iter_mut().zip(&values).for_each(|(sum, value)| *sum += mass * value);
            sums[at + width] += mass;
        }
    });
    sums.chunks(side).flat_map(|level| level[..width].iter().map(|sum| if level[width] > 0.0 { sum / level[width] } else { 0.0 })).collect()
}

/// Rows in the order of the main effect's levels, so that one pass sees a level whole; the unknowns are the other effects' levels.
struct Grouped<'a, R: Rows> {
    rows: &'a R,
    width: usize,
    /// Rows level by level; `None` when they stand so already.
    order: Option<Vec<u32>>,
    /// Where each group begins, and the main level it is.
    starts: Vec<usize>,
    main: Vec<u32>,
    /// Unknown of each other effect for each row in order.
    others: Vec<Vec<u32>>,
    /// The unknowns of each other effect.
    spans: Vec<std::ops::Range<usize>>,
    /// Weights of the rows in order; `None` when all are 1.
    mass: Option<Vec<f64>>,
    /// Total weight of each unknown.
    total: Vec<f64>,
}

impl<'a, R: Rows> Grouped<'a, R> {
    fn new(rows: &'a R, width: usize, main: usize) -> Self {
        let levels = rows.levels();
        let mut size = vec![0usize; levels[main]];
        let mut together = true;
        let mut last = u32::MAX;
        for row in 0..rows.len() {
            let level = rows.effect(main, row);
            together &= level == last || size[level as usize] == 0;
            size[level as usize] += 1;
            last = level;
        }
        let mut order = None;
        let (mut starts, mut main_levels) = (vec![0], Vec::new());
        if together {
            for row in 0..rows.len() {
                let level = rows.effect(main, row);
                if main_levels.last() != Some(&level) {
                    if row > 0 {
                        starts.push(row);
                    }
                    main_levels.push(level);
                }
            }
        } else {
            let mut next = Vec::with_capacity(size.len());
            let mut at = 0;
            for (level, size) in size.iter().enumerate() {
                next.push(at);
                if *size > 0 {
                    main_levels.push(level as u32);
                    at += size;
                    starts.push(at);
                }
            }
            starts.pop();
            let mut sorted = vec![0u32; rows.len()];
            for row in 0..rows.len() {
                let next = &mut next[rows.effect(main, row) as usize];
                sorted[*next] = row as u32;
                *next += 1;
            }
            order = Some(sorted);
        }
        starts.push(rows.len());
        let mut grouped =
            Grouped { rows, width, order, starts, main: main_levels, others: Vec::new(), spans: Vec::new(), mass: None, total: Vec::new() };
        let mut unknowns = 0;
        for effect in (0..levels.len()).filter(|effect| *effect != main) {
            grouped.others.push((0..rows.len()).map(|place| unknowns as u32 + rows.effect(effect, grouped.row(place))).collect());
            grouped.spans.push(unknowns..unknowns + levels[effect]);
            unknowns += levels[effect];
        }
        if (0..rows.len()).any(|row| mass(rows, row) != 1.0) {
            grouped.mass = Some((0..rows.len()).map(|place| mass(rows, grouped.row(place))).collect());
        }
        grouped.total = vec![0.0; unknowns];
        for others in &grouped.others {
            for (place, unknown) in others.iter().enumerate() {
                grouped.total[*unknown as usize] += grouped.weight(place);
            }
        }
        grouped
    }

    #[inline]
    fn row(&self, place: usize) -> usize {
        self.order.as_ref().map_or(place, |order| order[place] as usize)
    }

    #[inline]
    fn weight(&self, place: usize) -> f64 {
        self.mass.as_ref().map_or(1.0, |mass| mass[place])
    }

    /// E'W(I − P_D) v for the columns that `value` writes, and Σ w v² behind it.
    fn swept(&self, value: impl Fn(usize, &mut [f64]) + Sync) -> (Vec<f64>, Vec<f64>) {
        let (width, unknowns) = (self.width, self.total.len());
        let groups = self.main.len();
        let parts = passes::parts_when(groups, self.rows.len() > 20_000, |range| {
            let mut sums = vec![0.0; (unknowns + 1) * width];
            let mut values: Vec<f64> = Vec::new();
            let mut mean = vec![0.0; width];
            for group in range {
                let (start, end) = (self.starts[group], self.starts[group + 1]);
                values.resize((end - start) * width, 0.0);
                mean.fill(0.0);
                let mut total = 0.0;
                for (place, values) in (start..end).zip(values.chunks_mut(width)) {
                    value(place, values);
                    let weight = self.weight(place);
                    total += weight;
                    mean.iter_mut().zip(values.iter()).for_each(|(mean, value)| *mean += weight * value);
                }
                mean.iter_mut().for_each(|mean| *mean /= total);
                for (place, values) in (start..end).zip(values.chunks(width)) {
                    let weight = self.weight(place);
                    for others in &self.others {
                        let at = others[place] as usize * width;
                        for (sum, (value, mean)) in sums[at..at + width].iter_mut().zip(values.iter().zip(&mean)) {
                            *sum += weight * (value - mean);
                        }
                    }
                    sums[unknowns * width..].iter_mut().zip(values).for_each(|(sum, value)| *sum += weight * value * value);
                }
            }
            sums
        });
        let mut total = vec![0.0; (unknowns + 1) * width];
        for part in parts {
            total.iter_mut().zip(part).for_each(|(sum, own)| *sum += own);
        }
        let square = total.split_off(unknowns * width);
        (total, square)
    }

    /// E'W(I − P_D) E d, column by column so that a group's levels stay close by.
    fn moved(&self, direction: &[f64]) -> Vec<f64> {
        let (width, unknowns) = (self.width, self.total.len());
        let turned: Vec<f64> = (0..width * unknowns).map(|i| direction[i % unknowns * width + i / unknowns]).collect();
        let parts = passes::parts_when(self.main.len(), self.rows.len() > 20_000, |range| {
            let mut sums = vec![0.0; width * unknowns];
            let mut values: Vec<f64> = Vec::new();
            for group in range {
                let span = self.starts[group]..self.starts[group + 1];
                let weights = self.mass.as_ref().map(|mass| &mass[span.clone()]);
                let total = weights.map_or(span.len() as f64, |weights| weights.iter().sum());
                for (sums, direction) in sums.chunks_mut(unknowns).zip(turned.chunks(unknowns)) {
                    values.clear();
                    values.resize(span.len(), 0.0);
                    for others in &self.others {
                        values.iter_mut().zip(&others[span.clone()]).for_each(|(value, unknown)| *value += direction[*unknown as usize]);
                    }
                    let mean = match weights {
                        None => values.iter().sum::<f64>() / total,
                        Some(weights) => values.iter().zip(weights).map(|(value, weight)| value * weight).sum::<f64>() / total,
                    };
                    for others in &self.others {
                        let own = others[span.clone()].iter().zip(&values);
                        match weights {
                            None => own.for_each(|(unknown, value)| sums[*unknown as usize] += value - mean),
                            Some(weights) => {
                                own.zip(weights).for_each(|((unknown, value), weight)| sums[*unknown as usize] += weight * (value - mean))
                            }
                        }
                    }
                }
            }
            sums
        });
        let mut out = vec![0.0; width * unknowns];
        for part in parts {
            part.iter().enumerate().for_each(|(i, value)| out[i % unknowns * width + i / unknowns] += value);
        }
        out
    }

    /// What is left sums to zero over the levels of an effect; rounding that gathers there would never be solved away.
    fn balance(&self, left: &mut [f64]) {
        for others in &self.spans {
            let total: f64 = self.total[others.clone()].iter().sum();
            for j in 0..self.width {
                let sum: f64 = others.clone().map(|unknown| left[unknown * self.width + j]).sum();
                others.clone().for_each(|unknown| left[unknown * self.width + j] -= self.total[unknown] * sum / total);
            }
        }
    }

    fn explained(&self, unknowns: &[f64], place: usize, into: &mut [f64], sign: f64) {
        for others in &self.others {
            let at = others[place] as usize * self.width;
            into.iter_mut().zip(&unknowns[at..at + self.width]).for_each(|(value, part)| *value += sign * part);
        }
    }

    /// b for every column at once; each column has its own step.
    fn solve(&self) -> Result<Vec<f64>, Refusal> {
        let width = self.width;
        let (mut left, square) = self.swept(|place, into| read(self.rows, self.row(place), into));
        let scaled = |left: &[f64]| -> Vec<f64> {
            let each = left.chunks(width).zip(&self.total);
            each.flat_map(|(values, total)| values.iter().map(move |v| if *total > 0.0 { v / total } else { 0.0 })).collect()
        };
        let products = |a: &[f64], b: &[f64]| -> Vec<f64> {
            let mut sums = vec![0.0; width];
            for (a, b) in a.chunks(width).zip(b.chunks(width)) {
                sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
            }
            sums
        };
        let mut found = vec![0.0; left.len()];
        let mut near = scaled(&left);
        let mut direction = near.clone();
        let mut size = products(&left, &near);
        let enough: Vec<f64> = size.iter().zip(&square).map(|(size, square)| EXACT * size + ROUNDING * square).collect();
        for _ in 0..MOST {
            if size.iter().zip(&enough).all(|(size, enough)| size <= enough) {
                return Ok(found);
            }
            let moved = self.moved(&direction);
            let curvature = products(&direction, &moved);
            let step: Vec<f64> = (0..width).map(|j| if size[j] > enough[j] && curvature[j] > 0.0 { size[j] / curvature[j] } else { 0.0 }).collect();
            for (i, value) in found.iter_mut().enumerate() {
                *value += step[i % width] * direction[i];
            }
            for (i, value) in left.iter_mut().enumerate() {
                *value -= step[i % width] * moved[i];
            }
            self.balance(&mut left);
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

    /// Means of v − E b in the main levels.
    fn means(&self, found: &[f64]) -> Vec<f64> {
        let width = self.width;
        let most = self.main.iter().max().map_or(0, |level| *level as usize + 1);
        let parts = passes::parts_when(self.main.len(), self.rows.len() > 20_000, |range| {
            let mut means = vec![0.0; range.len() * width];
            let mut values = vec![0.0; width];
            for (group, mean) in range.zip(means.chunks_mut(width)) {
                let mut total = 0.0;
                for place in self.starts[group]..self.starts[group + 1] {
                    read(self.rows, self.row(place), &mut values);
                    self.explained(found, place, &mut values, -1.0);
                    let weight = self.weight(place);
                    total += weight;
                    mean.iter_mut().zip(&values).for_each(|(mean, value)| *mean += weight * value);
                }
                mean.iter_mut().for_each(|mean| *mean /= total);
            }
            means
        });
        let mut out = vec![0.0; most * width];
        for (level, mean) in self.main.iter().zip(parts.iter().flat_map(|part| part.chunks(width))) {
            let at = *level as usize * width;
            out[at..at + width].copy_from_slice(mean);
        }
        out
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
