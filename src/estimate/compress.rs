//! Rows of a design that share clusters, effects, weight and covariates, collapsed into cells.

use super::design::Design;
use super::table::Column;
use crate::stats::cells::{Cells, Rows, together};
use crate::stats::passes;
use std::collections::HashMap;

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
