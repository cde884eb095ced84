//! Terms: the columns that a variable of a formula becomes.

use super::{Design, refused};
use crate::error::Result;
use crate::formula::{Quantity, Variable};
use crate::table::{Column, Levels};
use std::collections::{BTreeMap, BTreeSet};

/// One factor of a design column: the value of a level, or of a number.
#[derive(Debug, Clone)]
pub(super) enum Piece {
    /// By code; missing is never reached.
    Look {
        column: usize,
        values: Vec<f64>,
    },
    /// 1 in one code, else 0.
    Level {
        column: usize,
        code: u32,
    },
    Number {
        column: usize,
        shift: f64,
        scale: f64,
    },
}

/// More columns than a model of one file has; their cross-products would not fit in memory.
pub(super) const COLUMNS: usize = 5_000;

/// A column of the model.
#[derive(Debug, Clone)]
pub struct Term {
    pub name: String,
    /// The variables it is made of, by text and by the columns they name: for `terms` and `joint`.
    pub parts: Vec<(String, BTreeSet<String>)>,
    pub(super) pieces: Vec<Piece>,
    /// No row has its level, or one of them.
    pub(super) empty: bool,
}

/// A term of a level without rows, and how many terms of the design stand before it.
#[derive(Debug, Clone)]
pub struct Absent {
    pub before: usize,
    pub treatment: bool,
    pub term: Term,
}

impl Design {
    pub(super) fn variable(&self, variable: &Variable, at: &dyn Fn(&str) -> usize, reference: &BTreeMap<String, String>) -> Result<Vec<Term>> {
        let number = |x: &Quantity, name: &str, shift: f64, scale: f64| -> Result<Term> {
            let column = at(&x.text);
            if self.columns[column].is_text() {
                return Err(refused(format!("{name}: the column is text; give a number")));
            }
            let piece = match self.columns[column].as_ref() {
                Column::Coded { levels: Levels::Numbers(values), .. } => {
                    let values = std::iter::once(f64::NAN).chain(values.iter().map(|value| (value - shift) * scale)).collect();
                    Piece::Look { column, values }
                }
                Column::Coded { levels: Levels::Spelt(values), .. } => {
                    let values = std::iter::once(f64::NAN).chain(values.iter().map(|level| (level.value - shift) * scale)).collect();
                    Piece::Look { column, values }
                }
                _ => Piece::Number { column, shift, scale },
            };
            Ok(Term { name: name.to_string(), parts: vec![part(name, x)], pieces: vec![piece], empty: false })
        };
        match variable {
            Variable::Plain(x) if self.columns[at(&x.text)].is_text() => self.levels(x, at, reference.get(&x.text).map(String::as_str), true),
            Variable::Plain(x) => Ok(vec![number(x, &x.text, 0.0, 1.0)?]),
            Variable::Factor(x) => self.levels(x, at, reference.get(&x.text).map(String::as_str), true),
            Variable::Centred(x, scaled) => {
                let column = &self.columns[at(&x.text)];
                let name = format!("{}({})", if *scaled { "scale" } else { "center" }, x.text);
                let n = self.n as f64;
                let mean = (0..self.n).map(|row| column.number(row)).sum::<f64>() / n;
                let spread = ((0..self.n).map(|row| (column.number(row) - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
                let scale = if *scaled && spread > 0.0 { 1.0 / spread } else { 1.0 };
                let term = number(x, &name, mean, scale)?;
                Ok(vec![term])
            }
            Variable::Levels { factor, by, reference } => {
                let levels = self.levels(factor, at, reference.as_deref(), false)?;
                let Some(by) = by else { return Ok(levels) };
                let x = number(by, &by.text, 0.0, 1.0)?;
                Ok(levels.iter().map(|level| level.times(&x)).collect())
            }
        }
    }

    /// An indicator for each level but the reference: the first, or the one named.
    fn levels(&self, x: &Quantity, at: &dyn Fn(&str) -> usize, reference: Option<&str>, default: bool) -> Result<Vec<Term>> {
        let column = at(&x.text);
        let Column::Coded { levels, codes } = self.columns[column].as_ref() else {
            return Err(refused(format!("{}: too many different numbers for a factor", x.text)));
        };
        let mut present = vec![false; levels.len() + 1];
        for row in 0..self.n {
            present[codes.at(row) as usize] = true;
        }
        let order: Vec<usize> = levels.order().into_iter().filter(|level| present[level + 1]).collect();
        if order.len() > COLUMNS {
            return Err(refused(format!("{}: {} levels are too many for a factor; absorb it after |", x.text, order.len())));
        }
        let out = match reference {
            Some(name) => {
                let text = matches!(levels, Levels::Texts(_));
                let same = order.iter().copied().find(|level| levels.name(*level) == *name);
                let found = same.or_else(|| order.iter().copied().find(|level| is_level(text, &levels.name(*level), name)));
                if found.is_none() {
                    let known: Vec<String> = order.iter().take(20).map(|level| levels.name(*level)).collect();
                    return Err(refused(format!("{}: no row has the reference level {name}; there are {}", x.text, known.join(", "))));
                }
                found
            }
            None if default => order.first().copied(),
            None => None,
        };
        let term = |name: &str, pieces: Vec<Piece>| {
            let empty = pieces.is_empty();
            Term { name: format!("{}[{name}]", x.text), parts: vec![part(&x.text, x)], pieces, empty }
        };
        let here = |level: usize| term(&levels.name(level), vec![Piece::Level { column, code: level as u32 + 1 }]);
        let chosen = order.into_iter().filter(|level| Some(*level) != out);
        let Some(emptied) = self.emptied.iter().find(|emptied| emptied.text == x.text) else { return Ok(chosen.map(here).collect()) };
        let chosen: BTreeMap<String, usize> = chosen.map(|level| (levels.name(level), level)).collect();
        let whole = emptied.levels.iter();
        Ok(whole.filter_map(|level| if level.empty { Some(term(&level.name, Vec::new())) } else { Some(here(*chosen.get(&level.name)?)) }).collect())
    }

    /// Whether a term belongs wholly to these columns; any does to none.
    pub fn is_asked(&self, term: &Term, columns: &[String]) -> bool {
        columns.is_empty() || columns.contains(&term.name) || !term.parts.is_empty() && term.parts.iter().all(|part| is_among(part, columns))
    }

    /// Terms all of whose variables are among these columns (all terms for an empty list); for `joint`, where there is none, terms with any
    /// of them. Refuses a list that names nothing.
    pub fn chosen(&self, columns: &[String], key: &str) -> Result<Vec<usize>> {
        let all = |term: &Term| self.is_asked(term, columns);
        let some = |term: &Term| term.parts.iter().any(|part| is_among(part, columns));
        let find = |rule: &dyn Fn(&Term) -> bool| (0..self.terms.len()).filter(|at| rule(&self.terms[*at])).collect::<Vec<usize>>();
        let found = find(&all);
        let found = if found.is_empty() && key == "joint" { find(&some) } else { found };
        // Where no row has the levels asked for, there is nothing to choose and nothing to refuse.
        if found.is_empty() && !columns.is_empty() && !self.absent.iter().any(|absent| all(&absent.term) || key == "joint" && some(&absent.term)) {
            return Err(refused(format!("{key} {}: no term of the formula belongs to it", columns.join(" "))));
        }
        Ok(found)
    }
}

/// Whether a part of a term belongs to these columns: by its text, or by the columns it reads.
fn is_among((text, reads): &(String, BTreeSet<String>), columns: &[String]) -> bool {
    columns.contains(text) || columns.iter().any(|column| reads.len() == 1 && reads.contains(column)) || reads.iter().all(|own| columns.contains(own))
}

fn part(text: &str, x: &Quantity) -> (String, BTreeSet<String>) {
    let mut columns = BTreeSet::new();
    x.expression.columns(&mut columns);
    (text.to_string(), columns)
}

impl Term {
    pub(super) fn times(&self, right: &Term) -> Term {
        let name = if self.name.is_empty() { right.name.clone() } else { format!("{}:{}", self.name, right.name) };
        let parts = self.parts.iter().chain(&right.parts).cloned().collect();
        let empty = self.empty || right.empty;
        Term { name, parts, empty, pieces: self.pieces.iter().chain(&right.pieces).cloned().collect() }
    }
}

/// Whether a level goes by a name: text by its letters, numbers by value.
pub fn is_level(text: bool, level: &str, name: &str) -> bool {
    match name {
        _ if text => level == name,
        name if name.eq_ignore_ascii_case("TRUE") => level == "1",
        name if name.eq_ignore_ascii_case("FALSE") => level == "0",
        _ => level.parse::<f64>().is_ok_and(|level| name.parse::<f64>().is_ok_and(|name| level == name)),
    }
}
