//! Rows of a design that share clusters, effects, weight and covariates, collapsed into cells.

use super::design::Design;
use super::table::Column;
use std::collections::HashMap;
use vecino_stats::cells::{Cells, Rows, together};
use vecino_stats::passes;

/// Rows looked at before deciding, and the share of distinct ones above which collapsing does not pay.
const SAMPLE: usize = 50_000;
const WORTH: f64 = 0.5;
/// Combinations up to which cells are found by position rather than by search.
const DIRECT: u64 = 1 << 21;

/// The cells of a design: the first row of each, how many rows, Σ y and Σ (y − ȳ)².
#[derive(Debug)]
pub struct Compressed<'a> {
    design: &'a Design,
    first: Vec<u32>,
    sums: Vec<(f64, f64, f64)>,
}

/// A key of a row's cell: position in the product of all code columns.
struct Keys<'a> {
    columns: Vec<(&'a Column, u64)>,
    groups: Vec<(&'a super::grouping::Grouping, u64)>,
    most: u64,
}

impl Keys<'_> {
    #[inline]
    fn at(&self, row: usize) -> u64 {
        let mut key = 0;
        for (column, step) in &self.columns {
            if let Column::Coded { codes, .. } = column {
                key += u64::from(codes.at(row)) * step;
            }
        }
        for (group, step) in &self.groups {
            key += u64::from(group.at(row)) * step;
        }
        key
    }
}

impl<'a> Compressed<'a> {
    /// Collapses a design. `None` where rows hardly repeat, or a covariate has too many values to be coded.
    pub fn new(design: &'a Design) -> Option<Compressed<'a>> {
        let keys = keys(design)?;
        let n = design.n;
        let step = (n / SAMPLE).max(1);
        let looked: Vec<u64> = (0..n).step_by(step).map(|row| keys.at(row)).collect();
        let distinct = looked.iter().collect::<std::collections::HashSet<_>>().len();
        if n > 200 && distinct as f64 > WORTH * looked.len() as f64 {
            return None;
        }
        let parts = passes::parts(n, |range| {
            let mut own = Found { direct: if keys.most <= DIRECT { vec![u32::MAX; keys.most as usize] } else { Vec::new() }, ..Found::default() };
            for row in range {
                own.add(keys.at(row), row as u32, design.sums(row));
            }
            own
        });
        let mut parts = parts.into_iter();
        let mut all = parts.next()?;
        for part in parts {
            for ((key, row), sums) in part.keys.iter().zip(&part.first).zip(&part.sums) {
                all.add(*key, *row, *sums);
            }
        }
        Some(Compressed { design, first: all.first, sums: all.sums })
    }

    /// The cells as plain vectors, for estimators that are not linear; clusters of the first clustering.
    pub fn cells(&self) -> Cells {
        gather(self)
    }
}

/// Rows as plain vectors.
pub fn gather(rows: &impl Rows) -> Cells {
    let mut cells = Cells::new(rows.width());
    let mut x = vec![0.0; rows.width()];
    for row in 0..rows.len() {
        rows.x(row, &mut x);
        let (n, y, within) = rows.sums(row);
        let cluster = if rows.clusters().is_empty() { 0 } else { rows.cluster(0, row) };
        cells.push_centred(cluster, &x, n, y, within);
    }
    cells
}

fn keys(design: &Design) -> Option<Keys<'_>> {
    let mut keys = Keys { columns: Vec::new(), groups: Vec::new(), most: 1 };
    for column in design.covariates() {
        let Column::Coded { levels, .. } = column else { return None };
        keys.columns.push((column, keys.most));
        keys.most = keys.most.checked_mul(levels.len() as u64 + 1)?;
    }
    for group in design.clusters.iter().chain(&design.effects) {
        keys.groups.push((group, keys.most));
        keys.most = keys.most.checked_mul(group.count() as u64)?;
    }
    Some(keys)
}

#[derive(Default)]
struct Found {
    direct: Vec<u32>,
    search: HashMap<u64, u32>,
    keys: Vec<u64>,
    first: Vec<u32>,
    sums: Vec<(f64, f64, f64)>,
}

impl Found {
    #[inline]
    fn add(&mut self, key: u64, row: u32, sums: (f64, f64, f64)) {
        let next = self.first.len() as u32;
        let at = if self.direct.is_empty() {
            *self.search.entry(key).or_insert(next)
        } else {
            let at = &mut self.direct[key as usize];
            if *at == u32::MAX {
                *at = next;
            }
            *at
        };
        if at == next {
            self.keys.push(key);
            self.first.push(row);
            self.sums.push(sums);
        } else {
            let own = &mut self.sums[at as usize];
            *own = together(*own, sums);
        }
    }
}

impl Rows for Compressed<'_> {
    fn len(&self) -> usize {
        self.first.len()
    }

    fn width(&self) -> usize {
        self.design.width()
    }

    fn x(&self, row: usize, into: &mut [f64]) {
        self.design.x(self.first[row] as usize, into);
    }

    fn sums(&self, row: usize) -> (f64, f64, f64) {
        self.sums[row]
    }

    fn weight(&self, row: usize) -> f64 {
        self.design.weight(self.first[row] as usize)
    }

    fn is_weighted(&self) -> bool {
        self.design.is_weighted()
    }

    fn cluster(&self, clustering: usize, row: usize) -> u32 {
        self.design.cluster(clustering, self.first[row] as usize)
    }

    fn clusters(&self) -> &[usize] {
        self.design.clusters()
    }

    fn effect(&self, effect: usize, row: usize) -> u32 {
        self.design.effect(effect, self.first[row] as usize)
    }

    fn levels(&self) -> &[usize] {
        self.design.levels()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::design::Request;
    use crate::formula::Formula;
    use crate::table::Table;
    use nalgebra::DMatrix;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use vecino_stats::ols::{Df, EffectCount, Estimate, Variance, fit};

    /// Levels of a row: cluster, treatment, covariate, effect, weight.
    type Visit = (u8, u8, u8, u8, u8);

    const ALL: [Variance; 11] = [
        Variance::Classical,
        Variance::Hc0,
        Variance::Hc1,
        Variance::Hc2,
        Variance::Hc3,
        Variance::Cr0,
        Variance::Cr1,
        Variance::Cr1p,
        Variance::Cr1s,
        Variance::Cr2,
        Variance::Cr3,
    ];

    /// Every estimate of the first column, and the joint tests of it with the next, under every variance.
    fn answers(rows: &impl Rows) -> Vec<Option<Vec<f64>>> {
        let Ok(fitted) = fit(rows) else { return Vec::new() };
        let numbers = |found: Estimate| vec![found.estimate, found.se, found.df.unwrap_or(0.0), found.p];
        let of = |variance: Variance| {
            let two_way = rows.clusters().len() == 3;
            let degrees = !two_way && variance != Variance::Classical;
            let sandwich = fitted.sandwich(variance, EffectCount::Nested, degrees).ok()?;
            let first = fitted.contrast(&[(0, 1.0)]).ok()?;
            let df = if degrees { Df::Satterthwaite } else { Df::Residual };
            let mut found = fitted.estimate(&sandwich, &first, df, EffectCount::Nested, 0.95).map(numbers).ok()?;
            if let Ok(second) = fitted.contrast(&[(1, 1.0)])
                && let Ok(joint) = fitted.joint(&sandwich, &DMatrix::from_columns(&[first, second]), Some(5.0))
            {
                found.extend([joint.wald, joint.htz.map_or(0.0, |(f, _, _)| f)]);
            }
            Some(found)
        };
        ALL.into_iter().map(of).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Cells that share their covariates, effects, clusters and weight answer as their rows do, whatever the variance.
        #[test]
        fn cells_answer_as_rows_do(
            rows in prop::collection::vec((0u8..6, 0u8..2, 0u8..2, 0u8..3, 0u8..2), 40..120),
            outcome in prop::sample::select(vec![(0.0, 1.0), (5e7, 3.0)]), effects: bool, weights: bool, two_way: bool,
        ) {
            let column = |value: &dyn Fn(usize, &Visit) -> f64| Arc::new(rows.iter().enumerate().map(|(i, row)| value(i, row)).collect::<Column>());
            let (centre, spread) = outcome;
            let columns = vec![
                ("g".to_string(), column(&|_, row| f64::from(row.0))),
                ("t".to_string(), column(&|_, row| f64::from(row.1))),
                ("x".to_string(), column(&|_, row| f64::from(row.2) * 1.5)),
                ("e".to_string(), column(&|_, row| f64::from(row.3))),
                ("w".to_string(), column(&|_, row| 1.0 + f64::from(row.4))),
                ("y".to_string(), column(&|i, row| centre + spread * ((i * i % 7) as f64 / 7.0 + f64::from(row.1 * row.0 % 3)))),
            ];
            let table = Table { rows: rows.len(), columns, ..Table::default() };
            let formula = Formula::parse(if effects { "y ~ t + x | e" } else { "y ~ 0 + t + x + e" }).unwrap();
            let clusters: Vec<String> = if two_way { vec!["g".to_string(), "e".to_string()] } else { vec!["g".to_string()] };
            let request = Request {
                clusters: &clusters,
                weights: weights.then_some("w"),
                blocks: None,
                time: None,
                balance: &[],
                reference: &BTreeMap::new(),
                keep_missing_outcome: false,
                drop_singletons: false,
                counts: false,
                compared: false,
                arms: &[],
            };
            let design = Design::new(&formula, &table, &request).unwrap();
            let cells = Compressed::new(&design).unwrap();
            for (variance, (left, right)) in ALL.iter().zip(answers(&design).into_iter().zip(answers(&cells))) {
                match (&left, &right) {
                    (Some(left), Some(right)) => {
                        let near = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-6 * (a.abs().max(b.abs()) + 1e-3);
                        prop_assert!(left.len() == right.len() && left.iter().zip(right).all(near), "{:?}: {:?} {:?}", variance, left, right);
                    }
                    _ => prop_assert_eq!(left.is_some(), right.is_some(), "{:?}", variance),
                }
            }
        }
    }
}
