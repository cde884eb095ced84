//! Designs made from a design: fewer rows, covariates centred and interacted, the treatment taken out.

use super::{Absent, Design, Grouping, Piece, Term, refused};
use crate::error::Result;
use crate::formula::Quantity;
use crate::table::{Codes, Column, Levels};
use std::collections::BTreeSet;
use std::sync::Arc;
use vecino_stats::cells::Rows;

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
            // With weights the mean is theirs, so that the treatment's coefficient is the effect over the weighted rows.
            let shift = (0..self.n).map(|row| self.weight(row) * values[row]).sum::<f64>() / (0..self.n).map(|row| self.weight(row)).sum::<f64>();
            let name = format!("center({})", term.name);
            let piece = match term.pieces.as_slice() {
                [Piece::Look { column, values }] => Piece::Look { column: *column, values: values.iter().map(|value| value - shift).collect() },
                [Piece::Level { column, code }] => {
                    let codes = match self.columns[*column].as_ref() {
                        Column::Coded { levels, .. } => levels.len() as u32,
                        Column::Numbers(_) => 0,
                    };
                    let values = (0..=codes).map(|own| f64::from(u8::from(own == *code)) - shift).collect();
                    Piece::Look { column: *column, values }
                }
                [Piece::Number { column, shift: own, scale }] => Piece::Number { column: *column, shift: own + shift / scale, scale: *scale },
                _ => Piece::Number { column: self.columns.len(), shift, scale: 1.0 },
            };
            let parts = term.parts.clone();
            if term.pieces.len() != 1 {
                self.columns.push(Arc::new(Column::Numbers(values)));
            }
            centred.push(Term { name, parts, pieces: vec![piece], empty: false });
        }
        let treatment: Vec<Term> = self.treatment.iter().map(|at| self.terms[*at].clone()).collect();
        for (at, term) in covariates.iter().zip(&centred) {
            self.terms[*at] = term.clone();
        }
        // What is centred of a level that no row has is as empty as it is.
        let lost = |of_treatment: bool| self.absent.iter().filter(move |absent| absent.treatment == of_treatment).map(|absent| &absent.term);
        let bare = |term: &Term| Term { name: format!("center({})", term.name), ..term.clone() };
        let (arms, others): (Vec<Term>, Vec<Term>) = (lost(true).cloned().collect(), lost(false).map(bare).collect());
        self.absent.iter_mut().filter(|absent| !absent.treatment).for_each(|absent| absent.term = bare(&absent.term));
        for x in centred.iter().chain(&others) {
            for t in treatment.iter().chain(&arms) {
                match t.times(x) {
                    term if term.empty => self.absent.push(Absent { before: self.terms.len(), treatment: false, term }),
                    term => self.terms.push(term),
                }
            }
        }
        Ok(())
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

    /// The same design by each of its three clusterings (the first two and both together); `None` with one or none.
    pub fn by_clustering(&self) -> Option<Vec<Design>> {
        let each = |at: usize| Design { clusters: vec![self.clusters[at].clone()], cluster_counts: vec![self.cluster_counts[at]], ..self.clone() };
        (self.clusters.len() > 1).then(|| (0..self.clusters.len()).map(each).collect())
    }

    /// The same rows with a quantity set anew, in each row to its value in another.
    pub fn assigned(&self, quantity: &Quantity, from: impl Fn(usize) -> usize) -> Design {
        let mut out = self.clone();
        if let Some(at) = self.texts.iter().position(|text| *text == quantity.text) {
            let rows: Vec<u32> = (0..self.n).map(|row| from(row) as u32).collect();
            out.columns[at] = Arc::new(self.columns[at].take(&rows));
        }
        out
    }

    /// Some rows without the treatment's terms, absorbed effects as dummies, `unit` as the clusters: what a studentised statistic
    /// partials out. `None` where the treatment is interacted, or coded other than 0 and 1 beside no intercept. Refuses a term that moves
    /// with the treatment under another name.
    pub fn without_treatment(&self, rows: &[u32], unit: &[usize], treatment: &Quantity) -> Result<Option<Design>> {
        let mut moved = BTreeSet::new();
        treatment.expression.columns(&mut moved);
        let constant = !self.effects.is_empty() || self.terms.iter().any(|term| term.parts.is_empty());
        let at = self.texts.iter().position(|text| *text == treatment.text).unwrap_or(0);
        let plain = constant || self.columns[at].is_text() || rows.iter().all(|row| matches!(self.value(at, *row as usize), 0.0 | 1.0));
        let mut interacted = false;
        for (number, term) in self.terms.iter().enumerate().filter(|(number, _)| !self.treatment.contains(number)) {
            interacted |= term.parts.iter().any(|(text, _)| *text == treatment.text);
            if term.parts.iter().any(|(text, columns)| *text != treatment.text && !moved.is_disjoint(columns)) {
                return Err(refused(format!(
                    "statistic t: {} moves with the treatment {}; write it as a product with {0} in the formula",
                    self.terms[number].name, treatment.text
                )));
            }
        }
        if interacted || !plain {
            return Ok(None);
        }
        let mut out = self.clone();
        out.keep(rows);
        let own: BTreeSet<usize> = self.treatment.iter().copied().collect();
        let mut terms = Vec::new();
        for effect in &out.effects {
            let codes = Codes::pack((0..out.n).map(|row| effect.at(row) + 1).collect(), effect.count());
            let column = out.columns.len();
            out.columns.push(Arc::new(Column::Coded { levels: Levels::Texts(effect.names.clone()), codes }));
            for code in 1..=effect.count() as u32 {
                terms.push(Term { name: String::new(), parts: Vec::new(), pieces: vec![Piece::Level { column, code }], empty: false });
            }
        }
        terms.extend(self.terms.iter().enumerate().filter(|(at, _)| !own.contains(at)).map(|(_, term)| term.clone()));
        out.terms = terms;
        (out.effects, out.effect_counts) = (Vec::new(), Vec::new());
        let count = unit.iter().max().map_or(0, |last| last + 1);
        let codes = Codes::pack(unit.iter().map(|unit| *unit as u32).collect(), count);
        out.clusters = vec![Grouping { codes, names: vec![String::new(); count] }];
        out.cluster_counts = vec![count];
        Ok(Some(out))
    }
}
