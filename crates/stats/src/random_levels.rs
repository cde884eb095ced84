//! The levels of random intercepts and the matrix P = I + ΛZ'WZΛ over them.
//!
//! The term with most levels has a diagonal block D in P and is eliminated: with edges B to the other levels and their block C,
//! log|P| = log|D| + log|C − B'D⁻¹B|. What is left falls into components that share no level of the eliminated term, so that intercepts
//! nested in each other cost no more than their number.

use super::Refusal;
use nalgebra::{Cholesky, DMatrix, DVector, Dyn};

/// Levels of smaller terms that hang together through crossing, at most.
const CROSSED: usize = 3_000;

/// How cells, in the order of the largest term's levels, meet the levels of all terms.
pub(super) struct Levels {
    /// The term with most levels; `small` are the others.
    pub big: usize,
    small: Vec<usize>,
    /// Cells start[i]..start[i + 1] are those of its level i.
    pub start: Vec<usize>,
    /// Per level of the big term, the levels of the others it meets: pattern[edge[i]..edge[i + 1]].
    pub pattern: Vec<usize>,
    pub edge: Vec<usize>,
    /// Per cell and small term: its place in the pattern of the big level.
    slot: Vec<usize>,
    /// Per small level: component and position in it.
    pub place: Vec<(usize, usize)>,
    sizes: Vec<usize>,
}

/// Random effects on the unit scale, kept from one evaluation to the next.
#[derive(Clone)]
pub(super) struct Effects {
    pub big: Vec<f64>,
    pub small: Vec<f64>,
}

/// P in parts: the big term's diagonal d, its edges to small levels, and the roots of what is left of the small ones.
pub(super) struct Factor {
    pub d: Vec<f64>,
    pub edges: Vec<f64>,
    pub roots: Vec<Cholesky<f64, Dyn>>,
    pub log_determinant: f64,
}

impl Levels {
    /// From the level of every cell in each term; with the order in which the cells are taken. Refuses no term, and crossing beyond what a
    /// dense factor should hold.
    pub fn new(groups: &[Vec<u32>]) -> Result<(Levels, Vec<usize>), Refusal> {
        let levels: Vec<(Vec<usize>, usize)> = groups.iter().map(|term| renumber(term.iter().copied())).collect();
        let big = (0..groups.len()).rev().max_by_key(|t| levels[*t].1).ok_or(Refusal::NoData)?;
        let small: Vec<usize> = (0..groups.len()).filter(|t| *t != big).collect();
        let mut order: Vec<usize> = (0..levels[big].0.len()).collect();
        order.sort_by_key(|i| levels[big].0[*i]);
        let mut start = vec![0; levels[big].1 + 1];
        order.iter().for_each(|i| start[levels[big].0[*i] + 1] += 1);
        (0..levels[big].1).for_each(|i| start[i + 1] += start[i]);
        let mut total = 0;
        let offset = |t: &usize| {
            total += levels[*t].1;
            total - levels[*t].1
        };
        let offsets: Vec<usize> = small.iter().map(offset).collect();
        let (mut pattern, mut edge, mut slot): (Vec<usize>, Vec<usize>, Vec<usize>) = (Vec::new(), vec![0], Vec::new());
        let mut together = Union::new(total);
        for i in 0..levels[big].1 {
            let members = &order[start[i]..start[i + 1]];
            let met = |i: &usize| small.iter().zip(&offsets).map(|(t, offset)| offset + levels[*t].0[*i]).collect::<Vec<usize>>();
            let mut own: Vec<usize> = members.iter().flat_map(met).collect();
            own.sort_unstable();
            own.dedup();
            members.iter().flat_map(met).for_each(|level| slot.push(own.partition_point(|l| *l < level)));
            own.windows(2).for_each(|pair| together.join(pair[0], pair[1]));
            pattern.extend(own);
            edge.push(pattern.len());
        }
        let (component, components) = renumber((0..total).map(|level| together.root(level) as u32));
        let mut sizes = vec![0; components];
        let next = |c: &usize| {
            sizes[*c] += 1;
            (*c, sizes[*c] - 1)
        };
        let place: Vec<(usize, usize)> = component.iter().map(next).collect();
        if sizes.iter().any(|size| *size > CROSSED) {
            return Err(Refusal::TooLarge);
        }
        Ok((Levels { big, small, start, pattern, edge, slot, place, sizes }, order))
    }

    fn cells(&self) -> usize {
        self.start.last().copied().unwrap_or(0)
    }

    pub fn most_levels(&self) -> usize {
        self.start.len() - 1
    }

    /// All effects 0.
    pub fn effects(&self) -> Effects {
        Effects { big: vec![0.0; self.start.len() - 1], small: vec![0.0; self.place.len()] }
    }

    /// The small levels of a cell of big level i: (term, place in the pattern, level).
    pub fn met(&self, i: usize, c: usize) -> impl Iterator<Item = (usize, usize, usize)> {
        let count = self.small.len();
        self.small
            .iter()
            .zip(&self.slot[c * count..(c + 1) * count])
            .map(move |(t, slot)| (*t, self.edge[i] + slot, self.pattern[self.edge[i] + slot]))
    }

    /// Σ_t σ_t b_t,g for every cell.
    pub fn predictor(&self, sd: &[f64], effects: &Effects) -> Vec<f64> {
        let mut out = vec![0.0; self.cells()];
        self.by_cell(|i, c| out[c] = sd[self.big] * effects.big[i] + self.met(i, c).map(|(t, _, level)| sd[t] * effects.small[level]).sum::<f64>());
        out
    }

    pub fn by_cell(&self, mut visit: impl FnMut(usize, usize)) {
        for i in 0..self.start.len() - 1 {
            (self.start[i]..self.start[i + 1]).for_each(|c| visit(i, c));
        }
    }

    /// ΛZ'u
    pub fn gather(&self, sd: &[f64], u: impl Fn(usize) -> f64) -> Effects {
        let mut out = self.effects();
        self.by_cell(|i, c| {
            let own = u(c);
            out.big[i] += sd[self.big] * own;
            self.met(i, c).for_each(|(t, _, level)| out.small[level] += sd[t] * own);
        });
        out
    }

    /// P for W of each cell and the standard deviation of each term.
    pub fn factor(&self, w: impl Fn(usize) -> f64, sd: &[f64]) -> Result<Factor, Refusal> {
        let mut d = vec![1.0; self.start.len() - 1];
        let mut edges = vec![0.0; self.pattern.len()];
        let mut blocks: Vec<DMatrix<f64>> = self.sizes.iter().map(|size| DMatrix::identity(*size, *size)).collect();
        self.by_cell(|i, c| {
            let w = w(c);
            d[i] += sd[self.big] * sd[self.big] * w;
            for (t, at, level) in self.met(i, c) {
                edges[at] += sd[self.big] * sd[t] * w;
                let (component, row) = self.place[level];
                self.met(i, c).for_each(|(s, _, other)| blocks[component][(row, self.place[other].1)] += sd[t] * sd[s] * w);
            }
        });
        for (i, d) in d.iter().enumerate() {
            let range = self.edge[i]..self.edge[i + 1];
            for at in range.clone() {
                let (component, row) = self.place[self.pattern[at]];
                range.clone().for_each(|other| blocks[component][(row, self.place[self.pattern[other]].1)] -= edges[at] * edges[other] / d);
            }
        }
        let roots: Vec<Cholesky<f64, Dyn>> =
            blocks.into_iter().map(|block| Cholesky::new(block).ok_or(Refusal::NotFinite)).collect::<Result<_, _>>()?;
        let own: f64 = roots.iter().map(|root| 2.0 * root.l_dirty().diagonal().iter().map(|v| v.ln()).sum::<f64>()).sum();
        let log_determinant = d.iter().map(|d| d.ln()).sum::<f64>() + own;
        Ok(Factor { d, edges, roots, log_determinant })
    }

    /// P⁻¹ r
    pub fn solve(&self, factor: &Factor, mut r: Effects) -> Effects {
        let mut parts: Vec<DVector<f64>> = self.sizes.iter().map(|size| DVector::zeros(*size)).collect();
        self.place.iter().zip(&r.small).for_each(|((component, at), value)| parts[*component][*at] = *value);
        for i in 0..factor.d.len() {
            for at in self.edge[i]..self.edge[i + 1] {
                let (component, row) = self.place[self.pattern[at]];
                parts[component][row] -= factor.edges[at] * r.big[i] / factor.d[i];
            }
        }
        factor.roots.iter().zip(&mut parts).for_each(|(root, part)| root.solve_mut(part));
        self.place.iter().zip(&mut r.small).for_each(|((component, at), value)| *value = parts[*component][*at]);
        for i in 0..factor.d.len() {
            let known: f64 = (self.edge[i]..self.edge[i + 1]).map(|at| factor.edges[at] * r.small[self.pattern[at]]).sum();
            r.big[i] = (r.big[i] - known) / factor.d[i];
        }
        r
    }
}

/// Numbers levels 0, 1, … in the order in which they first appear.
fn renumber(levels: impl Iterator<Item = u32>) -> (Vec<usize>, usize) {
    let mut seen = std::collections::HashMap::new();
    let out = levels.map(|level| {
        let next = seen.len();
        *seen.entry(level).or_insert(next)
    });
    let out = out.collect();
    (out, seen.len())
}

/// Levels that hang together.
struct Union(Vec<usize>);

impl Union {
    fn new(count: usize) -> Union {
        Union((0..count).collect())
    }

    fn root(&mut self, mut at: usize) -> usize {
        while self.0[at] != at {
            self.0[at] = self.0[self.0[at]];
            at = self.0[at];
        }
        at
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        self.0[one] = other;
    }
}
