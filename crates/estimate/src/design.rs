//! The model of a formula on a table: outcome, columns with their terms, clusters, effects.

use super::answer::Answer;
use super::emptied::{Emptied, Factors};
use super::evaluate::evaluate;
use super::expression::Expression;
use super::formula::{Formula, Outcome, Quantity, Variable};
use super::grouping::Grouping;
use super::table::{Column, Table};
use crate::error::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use vecino_stats::cells::{PERFECT, Rows};

mod change;
mod term;

pub use term::{Absent, Term, is_level};
use term::{COLUMNS, Piece};

/// What a spec asks of the rows.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    pub clusters: &'a [String],
    pub weights: Option<&'a str>,
    pub blocks: Option<&'a str>,
    pub time: Option<&'a str>,
    /// Covariates of a rule of re-randomisation.
    pub balance: &'a [String],
    pub reference: &'a BTreeMap<String, String>,
    /// A missing outcome is an answer of its own (`lee`).
    pub keep_missing_outcome: bool,
    /// Rows alone in a level of an absorbed effect go, before anything is centred or a reference chosen.
    pub drop_singletons: bool,
    /// The outcome `cbind(a, b)` counts successes and failures.
    pub counts: bool,
    /// The method compares the values of the treatment, whatever they are.
    pub compared: bool,
    /// The treatment's levels before the filter, and their rows.
    pub arms: &'a [(String, usize)],
}

/// The rows of a fit.
#[derive(Debug, Clone)]
pub struct Design {
    pub n: usize,
    pub dropped: usize,
    texts: Vec<String>,
    columns: Vec<Arc<Column>>,
    /// Columns of the outcome: one, or two for `cbind` and `surv`.
    pub outcome: Vec<usize>,
    pub outcome_names: Vec<String>,
    pub terms: Vec<Term>,
    /// Terms of the formula's first term: the treatment.
    pub treatment: Vec<usize>,
    pub clusters: Vec<Grouping>,
    cluster_counts: Vec<usize>,
    pub effects: Vec<Grouping>,
    effect_counts: Vec<usize>,
    pub random: Vec<Grouping>,
    pub block: Option<Grouping>,
    weight: Option<usize>,
    time: Option<usize>,
    balance: Vec<usize>,
    counts: bool,
    /// Factors that lost a level on the way.
    pub emptied: Vec<Emptied>,
    /// Terms of levels that no row has.
    pub absent: Vec<Absent>,
}

fn refused(line: impl Into<String>) -> Error {
    Error::refused("estimate", line)
}

impl Design {
    /// Evaluates a formula on a table and leaves out rows where a quantity it uses is missing.
    pub fn new(formula: &Formula, table: &Table, request: &Request) -> Result<Design> {
        let mut texts: Vec<String> = Vec::new();
        let mut columns: Vec<Arc<Column>> = Vec::new();
        let mut meant: Vec<Expression> = Vec::new();
        let mut slot = |quantity: &Quantity| -> Result<()> {
            let Quantity { text, expression } = quantity;
            match texts.iter().position(|own| own == text) {
                Some(at) if meant[at] == *expression => Ok(()),
                Some(_) => Err(refused(format!("{text}: a column has the name of an expression in use; rename it with let"))),
                None => {
                    columns.push(evaluate(expression, table)?);
                    texts.push(text.clone());
                    meant.push(expression.clone());
                    Ok(())
                }
            }
        };
        for quantity in formula.quantities() {
            slot(quantity)?;
        }
        let extra: Vec<&str> = request
            .clusters
            .iter()
            .chain(request.balance)
            .map(String::as_str)
            .chain(request.weights)
            .chain(request.blocks)
            .chain(request.time)
            .collect();
        for name in extra {
            slot(&Quantity { text: name.to_string(), expression: Expression::Column(name.to_string()) })?;
        }
        let known = texts.clone();
        let at = |text: &str| known.iter().position(|own| own == text).unwrap_or(0);
        let outcome_texts: Vec<String> = match &formula.outcome {
            None => Vec::new(),
            Some(Outcome::Value(y)) => vec![y.text.clone()],
            Some(Outcome::Pair(several)) => several.iter().map(|y| y.text.clone()).collect(),
            Some(Outcome::Survival(time, event)) => vec![time.text.clone(), event.text.clone()],
        };
        let outcome: Vec<usize> = outcome_texts.iter().map(|text| at(text)).collect();
        for (text, column) in outcome_texts.iter().zip(&outcome) {
            if columns[*column].is_text() {
                return Err(refused(format!("{text}: the outcome is text; give a number or a comparison")));
            }
        }
        let before = table.rows;
        let checked: Vec<&Column> = columns
            .iter()
            .enumerate()
            .filter(|(at, _)| !(request.keep_missing_outcome && outcome.contains(at)))
            .map(|(_, column)| column.as_ref())
            .collect();
        let complete = complete_rows(&checked, before);
        let fewer = complete.is_some() || request.counts || request.drop_singletons || !request.arms.is_empty();
        let factors = fewer.then(|| Factors::new(formula, &texts, &columns, request.compared, request.arms));
        let mut n = complete.as_ref().map_or(before, Vec::len);
        let dropped = before - n;
        let taken = |columns: &[Arc<Column>], rows: &[u32]| columns.iter().map(|column| Arc::new(column.take(rows).compact())).collect::<Vec<_>>();
        if let Some(rows) = complete {
            columns = taken(&columns, &rows);
        }
        if request.counts {
            // Counts stand for so many rows: where there are none there is no row, and no cluster.
            let trials = |row: u32| outcome.iter().map(|at| columns[*at].number(row as usize)).sum::<f64>();
            let rows: Vec<u32> = (0..n as u32).filter(|row| trials(*row) != 0.0).collect();
            if rows.len() < n {
                (columns, n) = (taken(&columns, &rows), rows.len());
            }
        }
        if request.drop_singletons {
            let effects: Vec<Grouping> = formula.effects.iter().map(|effect| Grouping::new(&columns[at(&effect.text)], n)).collect();
            let rows = not_alone(&effects, n);
            (columns, n) = (taken(&columns, &rows), rows.len());
        }
        for variable in formula.terms.iter().flatten() {
            // A factor goes by its values, however many the file had.
            if let Variable::Factor(x) | Variable::Levels { factor: x, .. } = variable
                && let Column::Numbers(_) = columns[at(&x.text)].as_ref()
            {
                let (levels, codes) = columns[at(&x.text)].coded();
                columns[at(&x.text)] = Arc::new(Column::Coded { levels, codes });
            }
        }
        let checked = |at: usize| !(request.keep_missing_outcome && outcome.contains(&at));
        let emptied = factors.map(|factors| factors.emptied(&columns, checked)).unwrap_or_default();
        let mut design = Design {
            n,
            dropped,
            outcome,
            outcome_names: outcome_texts,
            terms: Vec::new(),
            treatment: Vec::new(),
            clusters: Vec::new(),
            cluster_counts: Vec::new(),
            effects: Vec::new(),
            effect_counts: Vec::new(),
            random: Vec::new(),
            block: None,
            weight: request.weights.map(at),
            time: request.time.map(at),
            balance: request.balance.iter().map(|name| at(name)).collect(),
            counts: request.counts,
            emptied,
            absent: Vec::new(),
            texts,
            columns,
        };
        if let Some(name) = request.balance.iter().find(|name| design.columns[at(name)].is_text()) {
            return Err(refused(format!("balance {name}: the column is text; give numbers")));
        }
        for cluster in request.clusters {
            let grouping = design.grouping(at(cluster));
            design.clusters.push(grouping);
        }
        if let [first, second] = design.clusters.as_slice() {
            let both = first.with(second, n);
            design.clusters.push(both);
        }
        design.cluster_counts = design.clusters.iter().map(Grouping::count).collect();
        design.effects = formula.effects.iter().map(|effect| design.grouping(at(&effect.text))).collect();
        design.effect_counts = design.effects.iter().map(Grouping::count).collect();
        design.random = formula.random.iter().map(|group| design.grouping(at(&group.text))).collect();
        design.block = request.blocks.map(|block| design.grouping(at(block)));
        if let (Some(weight), Some(name)) = (design.weight, request.weights) {
            let column = &design.columns[weight];
            if column.is_text() || (0..n).any(|row| column.number(row) <= 0.0) {
                return Err(refused(format!("weights {name}: every weight must be a positive number")));
            }
        }
        if let (Some(time), Some(name)) = (design.time, request.time)
            && design.columns[time].is_text()
        {
            return Err(refused(format!("time {name}: the column is text; give numbers")));
        }
        if formula.intercept && formula.effects.is_empty() {
            design.terms.push(Term { name: "(Intercept)".to_string(), parts: Vec::new(), pieces: Vec::new(), empty: false });
        }
        for (number, term) in formula.terms.iter().enumerate() {
            let start = design.terms.len();
            let mut columns: Vec<Term> = vec![Term { name: String::new(), parts: Vec::new(), pieces: Vec::new(), empty: false }];
            for variable in term {
                let own = design.variable(variable, &at, request.reference)?;
                // The first factor of an interaction varies fastest, as in R.
                if own.len() * columns.len() + start > COLUMNS {
                    return Err(refused(format!("the formula has more than {COLUMNS} columns; absorb factors of many levels after |")));
                }
                columns = own.iter().flat_map(|right| columns.iter().map(move |left| left.times(right))).collect();
            }
            for term in columns {
                if term.empty {
                    design.absent.push(Absent { before: design.terms.len(), treatment: formula.first == Some(number), term });
                } else {
                    design.terms.push(term);
                }
            }
            if formula.first == Some(number) {
                design.treatment = (start..design.terms.len()).collect();
            }
        }
        Ok(design)
    }

    fn grouping(&self, column: usize) -> Grouping {
        Grouping::new(&self.columns[column], self.n)
    }

    /// A quantity of the formula as groups, its names in the language's order of levels; numbers go by their value, unless they are a factor.
    pub fn group(&self, quantity: &Quantity, factor: bool) -> Result<Grouping> {
        let column = self.texts.iter().position(|text| *text == quantity.text);
        let column = column.ok_or_else(|| refused(format!("{}: not a column of the spec", quantity.text)))?;
        let plain = self.columns[column].by_value().filter(|_| !factor);
        Ok(Grouping::ordered(plain.as_ref().unwrap_or(&self.columns[column]), self.n))
    }

    pub fn is_text(&self, quantity: &Quantity) -> bool {
        self.texts.iter().position(|text| *text == quantity.text).is_some_and(|column| self.columns[column].is_text())
    }

    /// An answer with this design's counts.
    pub fn answer(&self, method: &str) -> Answer {
        let clusters = self.cluster_counts.iter().take(2).min().map(|count| *count as u64);
        let n = if self.counts { (0..self.n).map(|row| self.sums(row).0).sum::<f64>() as u64 } else { self.n as u64 };
        Answer { method: method.to_string(), n: Some(n), clusters, dropped: Some(self.dropped as u64), ..Answer::default() }
    }

    /// Σ (y − ȳ)², 0 where it is rounding beside Σ y².
    pub fn squares(&self) -> f64 {
        let mean = (0..self.n).map(|row| self.y(row)).sum::<f64>() / self.n as f64;
        let (apart, size) = (0..self.n).map(|row| self.y(row)).fold((0.0, 0.0), |(apart, size), y| (apart + (y - mean) * (y - mean), size + y * y));
        if apart > PERFECT * size { apart } else { 0.0 }
    }

    /// The outcome, if every row has the same.
    pub fn only_outcome(&self) -> Option<f64> {
        let first = if self.n == 0 { return None } else { self.y(0) };
        (1..self.n).all(|row| self.y(row) == first).then_some(first)
    }

    #[inline]
    fn product(&self, term: &Term, row: usize) -> f64 {
        let mut product = 1.0;
        for piece in &term.pieces {
            product *= match piece {
                Piece::Look { column, values } => match self.columns[*column].as_ref() {
                    Column::Coded { codes, .. } => values[codes.at(row) as usize],
                    Column::Numbers(_) => f64::NAN,
                },
                Piece::Level { column, code } => match self.columns[*column].as_ref() {
                    Column::Coded { codes, .. } => f64::from(u8::from(codes.at(row) == *code)),
                    Column::Numbers(_) => f64::NAN,
                },
                Piece::Number { column, shift, scale } => (self.columns[*column].number(row) - shift) * scale,
            };
            if product == 0.0 {
                break;
            }
        }
        product
    }

    /// The columns that covariates and weight are made of.
    pub fn covariates(&self) -> Vec<&Column> {
        let column = |piece: &Piece| match piece {
            Piece::Look { column, .. } | Piece::Level { column, .. } | Piece::Number { column, .. } => *column,
        };
        let used: BTreeSet<usize> = self.terms.iter().flat_map(|term| term.pieces.iter().map(column)).chain(self.weight).collect();
        used.into_iter().map(|at| self.columns[at].as_ref()).collect()
    }

    /// Times of the rows, where a column of them was given.
    pub fn times(&self) -> Option<Vec<f64>> {
        self.time.map(|column| (0..self.n).map(|row| self.value(column, row)).collect())
    }

    /// The covariates of the re-randomisation rule in a row.
    pub fn balance(&self, row: usize) -> impl Iterator<Item = f64> + '_ {
        self.balance.iter().map(move |column| self.value(*column, row))
    }

    #[inline]
    pub fn value(&self, column: usize, row: usize) -> f64 {
        self.columns[column].number(row)
    }

    /// The outcome of a row, the first of its columns.
    #[inline]
    pub fn y(&self, row: usize) -> f64 {
        self.columns[self.outcome[0]].number(row)
    }
}

/// Rows that stay when those alone in a level of an effect are left out again and again.
fn not_alone(effects: &[Grouping], n: usize) -> Vec<u32> {
    let mut rows: Vec<u32> = (0..n as u32).collect();
    loop {
        let mut counts: Vec<Vec<u32>> = effects.iter().map(|effect| vec![0; effect.count()]).collect();
        for (effect, counts) in effects.iter().zip(&mut counts) {
            rows.iter().for_each(|row| counts[effect.at(*row as usize) as usize] += 1);
        }
        let before = rows.len();
        rows.retain(|row| effects.iter().zip(&counts).all(|(effect, counts)| counts[effect.at(*row as usize) as usize] > 1));
        if rows.len() == before {
            return rows;
        }
    }
}

/// Rows without a missing value; `None` when that is all of them.
fn complete_rows(columns: &[&Column], rows: usize) -> Option<Vec<u32>> {
    let may_miss: Vec<&&Column> = columns.iter().filter(|column| column.has_missing()).collect();
    if may_miss.is_empty() {
        return None;
    }
    Some((0..rows as u32).filter(|row| may_miss.iter().all(|column| !column.is_missing(*row as usize))).collect())
}

impl Rows for Design {
    fn len(&self) -> usize {
        self.n
    }

    fn width(&self) -> usize {
        self.terms.len()
    }

    #[inline]
    fn x(&self, row: usize, into: &mut [f64]) {
        for (value, term) in into.iter_mut().zip(&self.terms) {
            *value = self.product(term, row);
        }
    }

    #[inline]
    fn sums(&self, row: usize) -> (f64, f64, f64) {
        let y = self.y(row);
        if self.counts {
            let n = y + self.value(self.outcome[1], row);
            return (n, y, y * (n - y) / n);
        }
        (1.0, y, 0.0)
    }

    #[inline]
    fn count(&self, row: usize) -> f64 {
        if self.counts { self.sums(row).0 } else { 1.0 }
    }

    #[inline]
    fn weight(&self, row: usize) -> f64 {
        self.weight.map_or(1.0, |column| self.columns[column].number(row))
    }

    fn is_weighted(&self) -> bool {
        self.weight.is_some()
    }

    #[inline]
    fn cluster(&self, clustering: usize, row: usize) -> u32 {
        self.clusters[clustering].at(row)
    }

    fn clusters(&self) -> &[usize] {
        &self.cluster_counts
    }

    #[inline]
    fn effect(&self, effect: usize, row: usize) -> u32 {
        self.effects[effect].at(row)
    }

    fn levels(&self) -> &[usize] {
        &self.effect_counts
    }
}
