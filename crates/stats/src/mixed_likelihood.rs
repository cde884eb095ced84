//! The marginal likelihood of random intercepts and its gradient.
//!
//! η = xβ + Σ_t σ_t b_t,g(t) with b standard normal. With b̂ the maximum of Σ ℓ(η) − |b|²/2, W = −ℓ''(η̂) and P = I + ΛZ'WZΛ the Laplace
//! approximation is Σ ℓ(η̂) − |b̂|²/2 − ½ log|P| (Breslow and Clayton 1993); for gaussian outcomes it is exact. Adaptive Gauss-Hermite
//! quadrature (Pinheiro and Bates 1995) puts nodes b̂ + √2 x/√P on each group of a single term. The gradient is that of the
//! approximation, b̂ and P moving with the parameters.

use super::Refusal;
use super::cells::Cells;
use super::family::Family;
use super::orthonormal::Basis;
use super::quadrature::hermite;
use super::random_levels::{Effects, Factor, Levels};
use nalgebra::{DMatrix, DVector};

/// Cells in the order of the largest term's levels.
pub(super) struct Model {
    pub family: Family,
    pub width: usize,
    pub terms: usize,
    pub rows: f64,
    q: Vec<f64>,
    n: Vec<f64>,
    y: Vec<f64>,
    within: Vec<f64>,
    pub levels: Levels,
    /// Nodes x and weights w e^(x²)/√π of the quadrature; one node is Laplace.
    nodes: Vec<(f64, f64)>,
}

/// A cell at one linear predictor: ℓ, ℓ', −ℓ'', and the slope of −ℓ''.
struct Curve {
    value: f64,
    e: f64,
    w: f64,
    bend: f64,
}

impl Model {
    /// `groups[t]` holds the level of term t for each cell. Refuses crossing beyond what a dense factor should hold.
    pub fn new(cells: &Cells, basis: &Basis, family: Family, groups: &[Vec<u32>], points: usize) -> Result<Model, Refusal> {
        let groups: Vec<Vec<u32>> = groups.iter().map(|term| basis.used.iter().map(|c| term[*c]).collect()).collect();
        let (levels, order) = Levels::new(&groups)?;
        let of = |all: &[f64]| order.iter().map(|i| all[basis.used[*i]]).collect::<Vec<f64>>();
        Ok(Model {
            family,
            width: basis.width(),
            terms: groups.len(),
            rows: basis.used.iter().map(|c| cells.n[*c]).sum(),
            q: order.iter().flat_map(|i| basis.row(*i)).copied().collect(),
            n: of(&cells.n),
            y: of(&cells.y),
            within: of(&cells.within),
            levels,
            nodes: if points > 1 { hermite(points) } else { vec![(0.0, 1.0)] },
        })
    }

    /// Coefficients in the basis, one σ a term, and for gaussian the logarithm of the residual standard deviation.
    pub fn parameters(&self) -> usize {
        self.width + self.terms + usize::from(self.family == Family::Gaussian)
    }

    fn curve(&self, c: usize, eta: f64, variance: f64) -> Curve {
        let (n, y, within) = (self.n[c], self.y[c], self.within[c]);
        let p = self.family.at(self.family.canonical(), eta);
        let w = n * p.v / variance;
        let bend = match self.family {
            Family::Binomial => w * (p.other - p.mu),
            Family::Poisson => w,
            Family::Gaussian => 0.0,
        };
        Curve { value: self.family.log_likelihood(&p, n, y, within) / variance, e: self.family.residual(&p, n, y) / variance, w, bend }
    }

    /// The log-likelihood without constants and its gradient, `effects` being where the search for b̂ starts and where it ends.
    pub fn evaluate(&self, psi: &DVector<f64>, effects: &mut Effects) -> Result<(f64, DVector<f64>), Refusal> {
        let (k, cells) = (self.width, self.n.len());
        let sd = &psi.as_slice()[k..k + self.terms];
        let variance = if self.family == Family::Gaussian { (2.0 * psi[k + self.terms]).exp() } else { 1.0 };
        let fixed: Vec<f64> = (0..cells).map(|c| self.row(c).iter().zip(psi.iter()).map(|(q, t)| q * t).sum()).collect();
        let (curves, factor) = self.mode(&fixed, sd, variance, effects)?;
        let (value, gradient) = if self.nodes.len() > 1 {
            self.quadrature(&fixed, sd[0], effects, &curves, &factor)
        } else {
            self.laplace(sd, effects, &curves, &factor, variance)
        };
        if value.is_finite() && gradient.iter().all(|g| g.is_finite()) { Ok((value, gradient)) } else { Err(Refusal::NotFinite) }
    }

    fn row(&self, c: usize) -> &[f64] {
        &self.q[c * self.width..(c + 1) * self.width]
    }

    /// b̂ by Newton's steps, with the curves and the factor of P there.
    fn mode(&self, fixed: &[f64], sd: &[f64], variance: f64, effects: &mut Effects) -> Result<(Vec<Curve>, Factor), Refusal> {
        let look = |effects: &Effects| {
            let curves: Vec<Curve> = self
                .levels
                .predictor(sd, effects)
                .iter()
                .zip(fixed)
                .enumerate()
                .map(|(c, (own, fixed))| self.curve(c, own + fixed, variance))
                .collect();
            let squares: f64 = effects.big.iter().chain(&effects.small).map(|b| b * b).sum();
            (curves.iter().map(|curve| curve.value).sum::<f64>() - squares / 2.0, curves)
        };
        let (mut value, mut curves) = look(effects);
        let mut arrived = false;
        for _ in 0..200 {
            let factor = self.levels.factor(|c| curves[c].w, sd)?;
            if arrived {
                return Ok((curves, factor));
            }
            let mut uphill = self.levels.gather(sd, |c| curves[c].e);
            uphill.big.iter_mut().zip(&effects.big).for_each(|(g, b)| *g -= b);
            uphill.small.iter_mut().zip(&effects.small).for_each(|(g, b)| *g -= b);
            let mut by = self.levels.solve(&factor, uphill);
            let largest = |all: &Effects| all.big.iter().chain(&all.small).fold(0.0_f64, |most, b| most.max(b.abs()));
            arrived = largest(&by) < 1e-8 * (1.0 + largest(effects));
            for halving in 0.. {
                let mut next = effects.clone();
                next.big.iter_mut().zip(&by.big).for_each(|(b, by)| *b += by);
                next.small.iter_mut().zip(&by.small).for_each(|(b, by)| *b += by);
                let (there, found) = look(&next);
                if there >= value - 1e-10 * (1.0 + value.abs()) || halving == 30 {
                    (*effects, value, curves) = (next, there, found);
                    break;
                }
                by.big.iter_mut().chain(&mut by.small).for_each(|by| *by *= 0.5);
            }
        }
        *effects = self.levels.effects();
        Err(Refusal::NotConverged)
    }

    fn laplace(&self, sd: &[f64], effects: &Effects, curves: &[Curve], factor: &Factor, variance: f64) -> (f64, DVector<f64>) {
        let (k, cells) = (self.width, self.n.len());
        let inverses: Vec<DMatrix<f64>> = factor.roots.iter().map(|root| root.inverse()).collect();
        // r: (P⁻¹Λz)_t for each cell and term; spread: z'ΛP⁻¹Λz.
        let mut r = vec![0.0; cells * self.terms];
        let mut spread = vec![0.0; cells];
        let s = sd[self.levels.big];
        for i in 0..factor.d.len() {
            let range = self.levels.edge[i]..self.levels.edge[i + 1];
            let between = |a: usize, b: usize| inverses[self.levels.place[a].0][(self.levels.place[a].1, self.levels.place[b].1)];
            let reach = |level: usize| -range.clone().map(|at| factor.edges[at] * between(self.levels.pattern[at], level)).sum::<f64>() / factor.d[i];
            let across: Vec<f64> = range.clone().map(|at| reach(self.levels.pattern[at])).collect();
            let own = (1.0 - range.clone().zip(&across).map(|(at, across)| factor.edges[at] * across).sum::<f64>()) / factor.d[i];
            for c in self.levels.start[i]..self.levels.start[i + 1] {
                let to = &mut r[c * self.terms..(c + 1) * self.terms];
                to[self.levels.big] = s * own;
                for (t, at, level) in self.levels.met(i, c) {
                    to[self.levels.big] += sd[t] * across[at - self.levels.edge[i]];
                    to[t] = s * across[at - self.levels.edge[i]]
                        + self.levels.met(i, c).map(|(other, _, with)| sd[other] * between(level, with)).sum::<f64>();
                }
                spread[c] = to.iter().zip(sd).map(|(r, sd)| r * sd).sum();
            }
        }
        let pulled = self.levels.solve(factor, self.levels.gather(sd, |c| curves[c].bend * spread[c] / 2.0));
        let shift = self.levels.predictor(sd, &pulled);
        let mut gradient = DVector::zeros(self.parameters());
        self.levels.by_cell(|i, c| {
            let curve = &curves[c];
            let slope = curve.e - curve.bend * spread[c] / 2.0 + curve.w * shift[c];
            gradient.iter_mut().zip(self.row(c)).for_each(|(g, q)| *g += slope * q);
            let mut along = |t: usize, b: f64, pull: f64| gradient[k + t] += slope * b - curve.w * r[c * self.terms + t] - pull * curve.e;
            along(self.levels.big, effects.big[i], pulled.big[i]);
            self.levels.met(i, c).for_each(|(t, _, level)| along(t, effects.small[level], pulled.small[level]));
        });
        let squares: f64 = effects.big.iter().chain(&effects.small).map(|b| b * b).sum();
        let fitted: f64 = curves.iter().map(|curve| curve.value).sum();
        let mut value = fitted - squares / 2.0 - factor.log_determinant / 2.0;
        if self.family == Family::Gaussian {
            value -= self.rows / 2.0 * variance.ln();
            gradient[k + self.terms] = -2.0 * fitted - self.rows + curves.iter().zip(&spread).map(|(curve, spread)| curve.w * spread).sum::<f64>();
        }
        (value, gradient)
    }

    /// Each group's integral by nodes around its mode, s = P^(−1/2): log s + log Σ ω exp(Σ ℓ(b) − b²/2).
    fn quadrature(&self, fixed: &[f64], sd: f64, effects: &Effects, curves: &[Curve], factor: &Factor) -> (f64, DVector<f64>) {
        let k = self.width;
        let (mut value, mut gradient) = (0.0, DVector::zeros(k + 1));
        // Over a group: Σ w q, Σ w' q (k) and how b̂ and P move with each parameter.
        let (mut weighted, mut bent) = (vec![0.0; k], vec![0.0; k]);
        let (mut mode_moves, mut p_moves) = (vec![0.0; k + 1], vec![0.0; k + 1]);
        for i in 0..factor.d.len() {
            let (cells, p, b) = (self.levels.start[i]..self.levels.start[i + 1], factor.d[i], effects.big[i]);
            weighted.fill(0.0);
            bent.fill(0.0);
            let (mut w, mut bend, mut e) = (0.0, 0.0, 0.0);
            for c in cells.clone() {
                let curve = &curves[c];
                (w, bend, e) = (w + curve.w, bend + curve.bend, e + curve.e);
                for (j, q) in self.row(c).iter().enumerate() {
                    weighted[j] += curve.w * q;
                    bent[j] += curve.bend * q;
                }
            }
            for j in 0..k {
                mode_moves[j] = -sd * weighted[j] / p;
                p_moves[j] = sd * sd * (bent[j] + sd * mode_moves[j] * bend);
            }
            mode_moves[k] = (e - sd * b * w) / p;
            p_moves[k] = 2.0 * sd * w + sd * sd * bend * (b + sd * mode_moves[k]);
            let spread = 1.0 / p.sqrt();
            // (log of the node's share, scores of its cells, x, b)
            let nodes: Vec<(f64, Vec<f64>, f64, f64)> = self
                .nodes
                .iter()
                .map(|(x, weight)| {
                    let at = b + std::f64::consts::SQRT_2 * x * spread;
                    let there: Vec<Curve> = cells.clone().map(|c| self.curve(c, fixed[c] + sd * at, 1.0)).collect();
                    let height = weight.ln() + there.iter().map(|curve| curve.value).sum::<f64>() - at * at / 2.0;
                    (height, there.into_iter().map(|curve| curve.e).collect(), *x, at)
                })
                .collect();
            let top = nodes.iter().fold(f64::NEG_INFINITY, |most, node| most.max(node.0));
            let total: f64 = nodes.iter().map(|node| (node.0 - top).exp()).sum();
            value += spread.ln() + top + total.ln();
            (0..=k).for_each(|j| gradient[j] -= p_moves[j] / (2.0 * p));
            for (height, scores, x, at) in &nodes {
                let share = (height - top).exp() / total;
                let sum: f64 = scores.iter().sum();
                let slope = sd * sum - at;
                for (c, e) in cells.clone().zip(scores) {
                    gradient.iter_mut().zip(self.row(c)).for_each(|(g, q)| *g += share * e * q);
                }
                gradient[k] += share * at * sum;
                let stretch = -std::f64::consts::SQRT_2 * x * spread / (2.0 * p);
                (0..=k).for_each(|j| gradient[j] += share * slope * (mode_moves[j] + stretch * p_moves[j]));
            }
        }
        (value, gradient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 40 cells of two columns with three terms: crossed, nested and crossed again.
    fn invented(family: Family) -> (Cells, Vec<Vec<u32>>) {
        let mut cells = Cells::new(2);
        let mut groups = vec![Vec::new(); 3];
        for i in 0..40_u32 {
            let (n, noise) = (f64::from(1 + i % 3), f64::from((i * 7919) % 97) / 97.0);
            let y = if family == Family::Binomial { (noise * (n + 1.0)).floor().min(n) } else { (4.0 * noise * n).floor() };
            cells.push(0, &[1.0, f64::from((i * 31) % 11) / 5.0 - 1.0], n, y, if family == Family::Binomial { y } else { y * y / n + noise });
            [i % 9, i % 9 / 3, (i * 5) % 7].iter().zip(&mut groups).for_each(|(level, group)| group.push(*level));
        }
        (cells, groups)
    }

    #[test]
    fn the_gradient_is_that_of_the_value() {
        for (family, terms, points) in [
            (Family::Binomial, 3, 1),
            (Family::Poisson, 3, 1),
            (Family::Gaussian, 3, 1),
            (Family::Binomial, 2, 1),
            (Family::Poisson, 1, 1),
            (Family::Binomial, 1, 7),
            (Family::Poisson, 1, 2),
        ] {
            let (cells, groups) = invented(family);
            let basis = Basis::of(&cells, (0..40).collect(), &[0, 1]);
            let model = Model::new(&cells, &basis, family, &groups[..terms], points).unwrap();
            let psi = DVector::from_fn(model.parameters(), |j, _| [0.9, -1.3, 0.8, 0.4, 0.6, 0.1][j]);
            let at = |psi: &DVector<f64>| model.evaluate(psi, &mut model.levels.effects()).unwrap();
            let gradient = at(&psi).1;
            for j in 0..psi.len() {
                let moved = |by: f64| {
                    let mut psi = psi.clone();
                    psi[j] += by;
                    at(&psi).0
                };
                let slope = (8.0 * (moved(1e-3) - moved(-1e-3)) - moved(2e-3) + moved(-2e-3)) / 12e-3;
                assert!((slope - gradient[j]).abs() < 1e-8 * (1.0 + slope.abs()), "{family:?} {terms} {points} {j}: {slope} {}", gradient[j]);
            }
        }
    }

    #[test]
    fn the_order_of_the_terms_does_not_matter() {
        let (cells, groups) = invented(Family::Binomial);
        let basis = Basis::of(&cells, (0..40).collect(), &[0, 1]);
        let value = |order: [usize; 3]| {
            let turned: Vec<Vec<u32>> = order.iter().map(|t| groups[*t].clone()).collect();
            let model = Model::new(&cells, &basis, Family::Binomial, &turned, 1).unwrap();
            let sd = order.map(|t| [0.8, 0.4, 0.6][t]);
            model.evaluate(&DVector::from_vec(vec![0.9, -1.3, sd[0], sd[1], sd[2]]), &mut model.levels.effects()).unwrap().0
        };
        assert!((value([0, 1, 2]) - value([2, 1, 0])).abs() < 1e-12 && (value([0, 1, 2]) - value([1, 0, 2])).abs() < 1e-12);
    }
}
