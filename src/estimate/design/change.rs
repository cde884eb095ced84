//! Designs made from a design: fewer rows, covariates centred and interacted, the treatment taken out.

use super::{Design, Grouping, Piece, Term, refused};
use crate::error::Result;
use crate::estimate::formula::Quantity;
use crate::estimate::table::{Codes, Column, Levels};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Design {
    /// Lin (2013): every covariate (not of the treatment) centred at its mean and multiplied with every treatment column.
    pub fn centre_and_interact(&mut self) -> Result<()> {
        if !self.effects.is_empty() {
            return Err(refused("method lin: takes no absorbed effects; put them on the right as factor( )"));
        }
        let covariates: Vec<usize> = (0..self.terms.len()).filter(|at| !self.treatment.contains(at) && !self.terms[*at].parts.is_empty()).collect();
        let mut centred = Vec::new();
        for at in &covariates {
            let term = &self.terms[*at];
            let values: Vec<f64> = (0..self.n).map(|row| self.product(term, row)).collect();
            let shift = values.iter().sum::<f64>() / self.n as f64;
            let name = format!("center({})", term.name);
            let piece = match term.pieces.as_slice() {
                [Piece::Look { column, values }] => Piece::Look { column: *column, values: values.iter().map(|value| value - shift).collect() },
                [Piece::Number { column, shift: own, scale }] => Piece::Number { column: *column, shift: own + shift / scale, scale: *scale },
                _ => Piece::Number { column: self.columns.len(), shift, scale: 1.0 },
            };
            let parts = term.parts.clone();
            if term.pieces.len() != 1 {
                self.columns.push(Arc::new(Column::Numbers(values)));
            }
            centred.push(Term { name, parts, pieces: vec![piece] });
        }
        let treatment: Vec<Term> = self.treatment.iter().map(|at| self.terms[*at].clone()).collect();
        for (at, term) in covariates.iter().zip(&centred) {
            self.terms[*at] = term.clone();
        }
        self.terms.extend(centred.iter().flat_map(|x| treatment.iter().map(move |t| t.times(x))));
        Ok(())
    }

    /// Leaves out, again and again, rows that are alone in a level of an absorbed effect.
    pub fn drop_singletons(&mut self) {
        loop {
            let counts: Vec<Vec<u32>> = self
                .effects
                .iter()
                .map(|effect| {
                    let mut counts = vec![0; effect.count()];
                    (0..self.n).for_each(|row| counts[effect.at(row) as usize] += 1);
                    counts
                })
                .collect();
            let alone = |row: u32| self.effects.iter().zip(&counts).any(|(effect, counts)| counts[effect.at(row as usize) as usize] == 1);
            let rows: Vec<u32> = (0..self.n as u32).filter(|row| !alone(*row)).collect();
            if rows.len() == self.n {
                return;
            }
            self.keep(&rows);
        }
    }

    /// Keeps these rows; groups without rows are gone.
    pub fn keep(&mut self, rows: &[u32]) {
        self.columns = self.columns.iter().map(|column| Arc::new(column.take(rows))).collect();
        self.n = rows.len();
        let shrink = |groups: &mut Vec<Grouping>| groups.iter_mut().for_each(|group| *group = group.keep(rows));
        shrink(&mut self.clusters);
        shrink(&mut self.effects);
        shrink(&mut self.random);
        self.block = self.block.as_ref().map(|block| block.keep(rows));
        self.cluster_counts = self.clusters.iter().map(Grouping::count).collect();
        self.effect_counts = self.effects.iter().map(Grouping::count).collect();
    }

    /// Some rows without the treatment's terms, absorbed effects as dummies, `unit` as the clusters: what a studentised statistic
    /// partials out. Refuses a treatment that enters other terms too.
    pub fn without_treatment(&self, rows: &[u32], unit: &[usize], treatment: &Quantity) -> Result<Design> {
        let mut out = self.clone();
        out.keep(rows);
        let own: BTreeSet<usize> = self.treatment.iter().copied().collect();
        let mut terms = Vec::new();
        for effect in &out.effects {
            let codes = Codes::pack((0..out.n).map(|row| effect.at(row) + 1).collect(), effect.count());
            let column = out.columns.len();
            out.columns.push(Arc::new(Column::Coded { levels: Levels::Texts(effect.names.clone()), codes }));
            for level in 0..effect.count() {
                let mut values = vec![0.0; effect.count() + 1];
                values[level + 1] = 1.0;
                terms.push(Term { name: String::new(), parts: Vec::new(), pieces: vec![Piece::Look { column, values }] });
            }
        }
        for (at, term) in self.terms.iter().enumerate().filter(|(at, _)| !own.contains(at)) {
            if term.parts.iter().any(|(text, _)| *text == treatment.text) {
                return Err(refused(format!(
                    "statistic t: the treatment {} also enters {}; give a formula where it stands alone",
                    treatment.text, self.terms[at].name
                )));
            }
            terms.push(term.clone());
        }
        out.terms = terms;
        (out.effects, out.effect_counts) = (Vec::new(), Vec::new());
        let count = unit.iter().max().map_or(0, |last| last + 1);
        let codes = Codes::pack(unit.iter().map(|unit| *unit as u32).collect(), count);
        out.clusters = vec![Grouping { codes, names: vec![String::new(); count] }];
        out.cluster_counts = vec![count];
        Ok(out)
    }
}
