//! Arms and levels that no row of the fit has, and what took their rows.

use super::formula::{Formula, Variable};
use super::rows::levels;
use super::table::Column;
use std::collections::BTreeSet;
use std::sync::Arc;

/// More arms than a trial has: a column of more levels names places, and a filter takes most of them away on purpose.
pub const ARMS: usize = 12;
/// So many levels of one factor are told one by one.
const TOLD: usize = 10;

/// A factor that lost a level on the way to the fit: all its levels, in the language's order.
#[derive(Debug, Clone)]
pub struct Emptied {
    pub text: String,
    pub levels: Vec<Level>,
}

#[derive(Debug, Clone)]
pub struct Level {
    pub name: String,
    /// Rows before the filter, and those that it left.
    rows: usize,
    left: usize,
    pub empty: bool,
    /// Columns that its rows lack a value of, and whether all of them do.
    lacks: Vec<(String, bool)>,
}

/// Levels in the language's order, and the rows of each.
type Counts = Vec<(String, usize)>;

/// The factors of a formula as they stand before rows go: text, what is called `factor()` or `i()`, and what a method compares.
pub struct Factors {
    columns: Vec<Arc<Column>>,
    texts: Vec<String>,
    /// The place of each, whether it is called a factor, and its levels.
    factors: Vec<(usize, bool, Counts)>,
}

impl Factors {
    /// `arms` are the treatment's levels before the filter, `compared` says that the method compares the treatment's values, whatever they are.
    pub fn new(formula: &Formula, texts: &[String], columns: &[Arc<Column>], compared: bool, arms: &[(String, usize)]) -> Factors {
        let mut factors: Vec<(usize, bool, Counts)> = Vec::new();
        for (number, term) in formula.terms.iter().enumerate() {
            for variable in term {
                let treatment = formula.first == Some(number) && term.len() == 1;
                let (x, forced) = match variable {
                    Variable::Factor(x) | Variable::Levels { factor: x, .. } => (x, true),
                    Variable::Plain(x) => (x, false),
                    Variable::Centred(..) => continue,
                };
                let Some(at) = texts.iter().position(|text| *text == x.text) else { continue };
                let is_factor = forced || columns[at].is_text() || compared && treatment;
                if !is_factor || factors.iter().any(|(own, ..)| *own == at) {
                    continue;
                }
                let whole = if treatment && !arms.is_empty() { arms.to_vec() } else { counted(&columns[at], forced) };
                factors.push((at, forced, whole));
            }
        }
        Factors { columns: columns.to_vec(), texts: texts.to_vec(), factors }
    }

    /// Those that lost a level; `checked` says which columns had to have a value.
    pub fn emptied(self, columns: &[Arc<Column>], checked: impl Fn(usize) -> bool) -> Vec<Emptied> {
        let Factors { columns: before, texts, factors } = self;
        let lost = |(at, forced, whole): (usize, bool, Counts)| {
            let here: BTreeSet<String> = counted(&columns[at], forced).into_iter().map(|(name, _)| name).collect();
            if whole.iter().all(|(name, _)| here.contains(name)) {
                return None;
            }
            let plain = before[at].by_value().filter(|_| !forced);
            let column = plain.as_ref().unwrap_or(&before[at]);
            let rows_of = |name: &str| -> Vec<usize> {
                let Column::Coded { levels, codes } = column else { return Vec::new() };
                let level = (0..levels.len()).find(|level| levels.name(*level) == name).map_or(u32::MAX, |level| level as u32 + 1);
                (0..codes.len()).filter(|row| codes.at(*row) == level).collect()
            };
            let lacks = |rows: &[usize]| -> Vec<(String, bool)> {
                let missing = |own: &usize| rows.iter().filter(|row| before[*own].is_missing(**row)).count();
                let all = (0..before.len()).filter(|own| checked(*own)).map(|own| (own, missing(&own))).filter(|(_, count)| *count > 0);
                all.map(|(own, count)| (texts[own].clone(), count == rows.len())).collect()
            };
            let level = |(name, rows): (String, usize)| {
                let empty = !here.contains(&name);
                let left = if empty { rows_of(&name) } else { Vec::new() };
                Level { name, rows, left: left.len(), empty, lacks: lacks(&left) }
            };
            Some(Emptied { text: texts[at].clone(), levels: whole.into_iter().map(level).collect() })
        };
        factors.into_iter().filter_map(lost).collect()
    }
}

/// A column's levels with their rows; by its numbers, unless it is a factor.
pub fn counted(column: &Column, factor: bool) -> Counts {
    match column.by_value().filter(|_| !factor) {
        Some(plain) => levels(&plain),
        None => levels(column),
    }
}

impl Emptied {
    pub fn lost(&self) -> impl Iterator<Item = &Level> {
        self.levels.iter().filter(|level| level.empty)
    }

    /// What is told of the levels. `reference`: the column's first level is what the others are compared with, unless another was chosen.
    pub fn lines(&self, reference: bool) -> Vec<String> {
        let text = &self.text;
        let mut lines: Vec<String> = self.lost().take(TOLD).map(|level| format!("{text}[{}]: no estimate, {}", level.name, level.why())).collect();
        let more = self.lost().count().saturating_sub(TOLD);
        if more > 0 {
            lines.push(format!("{text}: {more} more levels have no row that can be used"));
        }
        let first = self.levels.first().filter(|first| reference && first.empty);
        if let Some((lost, next)) = first.zip(self.levels.iter().find(|level| !level.empty)) {
            lines.push(format!("{text}: the others are compared with {}, as the first level, {}, has no row that can be used", next.name, lost.name));
        }
        lines
    }
}

impl Level {
    fn why(&self) -> String {
        let rows = match if self.left > 0 { self.left } else { self.rows } {
            1 => "its one row".to_string(),
            rows => format!("its {rows} rows"),
        };
        let whole: Vec<&str> = self.lacks.iter().filter(|(_, all)| *all).map(|(text, _)| text.as_str()).collect();
        let any: Vec<&str> = self.lacks.iter().map(|(text, _)| text.as_str()).collect();
        match (whole.as_slice(), any.as_slice()) {
            _ if self.left == 0 => format!("the filter or collapse leaves nothing of {rows}"),
            ([], []) => format!("singletons or counts of 0 leave nothing of {rows}"),
            ([], any) => format!("each of {rows} lacks a value of {}", any.join(" or ")),
            (whole, _) if self.left == 1 => format!("{rows} has no value of {}", whole.join(" and ")),
            (whole, _) => format!("none of {rows} has a value of {}", whole.join(" and ")),
        }
    }
}
