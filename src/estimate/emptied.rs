//! Arms and levels that no row of the fit has: each keeps its row in the answer, without numbers, and is told once.

use super::answer::{Answer, Field, Row};
use super::design::{Design, Term, is_level};
use super::formula::{Formula, Outcome, Quantity, Variable};
use super::rows::levels;
use super::run::treatment;
use super::spec::Spec;
use super::table::Column;
use crate::error::Result;
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

/// A term of a level without rows, and how many terms of the design stand before it.
#[derive(Debug, Clone)]
pub struct Absent {
    pub before: usize,
    pub treatment: bool,
    pub term: Term,
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
                if !forced && !columns[at].is_text() && !(compared && treatment) || factors.iter().any(|(own, ..)| *own == at) {
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
    fn lines(&self, reference: bool) -> Vec<String> {
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

/// What an answer is to say of the levels that no row has.
pub struct Said {
    lines: Vec<String>,
    /// The terms of the answer in order, and whether a term is empty.
    order: Vec<(String, bool)>,
}

/// From the design before it is fitted.
pub fn said(spec: &Spec, formula: &Formula, design: &Design) -> Result<Said> {
    let compares = COMPARES.contains(&spec.method.as_str());
    let referred = !matches!(spec.method.as_str(), "means" | "km" | "logrank" | "icc");
    let lines = |emptied: &Emptied| emptied.lines(referred && !spec.reference.contains_key(&emptied.text));
    let mut said = Said { lines: design.emptied.iter().flat_map(lines).collect(), order: Vec::new() };
    if design.emptied.is_empty() {
        return Ok(said);
    }
    if !compares {
        let own = |absent: &&Absent| design.is_asked(&absent.term, &spec.terms) && (spec.method != "wild" || absent.treatment);
        for at in 0..=design.terms.len() {
            said.order.extend(design.absent.iter().filter(own).filter(|absent| absent.before == at).map(|absent| (absent.term.name.clone(), true)));
            said.order.extend(design.terms.get(at).map(|term| (term.name.clone(), false)));
        }
        return Ok(said);
    }
    let (quantity, factor) = treatment(spec, formula)?;
    let Some(emptied) = design.emptied.iter().find(|emptied| emptied.text == quantity.text) else { return Ok(said) };
    let terms = if referred { contrasted(spec, design, quantity, factor, emptied) } else { bracketed(emptied, |_| true) };
    said.order = match (&formula.outcome, spec.method.as_str()) {
        (Some(Outcome::Pair(several)), "ri") => {
            terms.iter().flat_map(|(term, empty)| several.iter().map(move |y| (format!("{}: {term}", y.text), *empty))).collect()
        }
        (_, "km") => terms.into_iter().flat_map(|(term, empty)| curve(spec, term, empty)).collect(),
        (_, "icc") => Vec::new(),
        _ => terms,
    };
    Ok(said)
}

/// Methods that compare the values of the first term, whatever they are.
pub const COMPARES: [&str; 8] = ["means", "dim", "mh", "lee", "ri", "km", "logrank", "icc"];

fn bracketed(emptied: &Emptied, own: impl Fn(&Level) -> bool) -> Vec<(String, bool)> {
    emptied.levels.iter().filter(|level| own(level)).map(|level| (format!("{}[{}]", emptied.text, level.name), level.empty)).collect()
}

/// The contrasts of a treatment's levels with the reference, as `contrasts` calls them.
fn contrasted(spec: &Spec, design: &Design, quantity: &Quantity, factor: bool, emptied: &Emptied) -> Vec<(String, bool)> {
    if is_pair(design, quantity, factor, emptied.levels.len()) {
        return vec![(quantity.text.clone(), true)];
    }
    let text = design.is_text(quantity);
    let given = spec.reference.get(&quantity.text);
    let base = emptied.levels.iter().find(|level| !level.empty && given.is_none_or(|given| is_level(text, &level.name, given)));
    let base = base.map(|level| level.name.clone());
    bracketed(emptied, |level| level.empty || Some(&level.name) != base.as_ref())
}

/// Whether a treatment of so many levels is one row, higher less lower.
pub fn is_pair(design: &Design, quantity: &Quantity, factor: bool, levels: usize) -> bool {
    levels == 2 && !design.is_text(quantity) && !factor
}

/// The rows of a survival curve that has no event times of its own.
fn curve(spec: &Spec, term: String, empty: bool) -> Vec<(String, bool)> {
    let at = spec.times.iter().map(|time| format!("{term}@{time}"));
    let rows: Vec<(String, bool)> = at.chain(spec.quantiles.iter().map(|q| format!("{term}@q{q}"))).map(|row| (row, empty)).collect();
    if empty && !rows.is_empty() { rows } else { vec![(term, empty)] }
}

impl Said {
    /// Puts the empty terms' rows where they belong, and what is told of them before all else.
    pub fn complete(self, answer: &mut Answer, spec: &Spec) {
        let Said { lines, order } = self;
        answer.warnings.splice(0..0, lines);
        let belongs = |row: &Row, term: &str| row.term == term || row.term.strip_prefix(term).is_some_and(|rest| rest.starts_with('@'));
        let pattern: Vec<(String, Field)> = match answer.rows.iter().find(|row| order.iter().any(|(term, _)| belongs(row, term))) {
            Some(row) => row.fields.clone(),
            None => fields(spec).into_iter().map(|name| (name, Field::Null)).collect(),
        };
        let mut at = 0;
        for (term, empty) in &order {
            if *empty {
                let field = |(name, field): &(String, Field)| (name.clone(), nothing(&spec.method, name, field));
                answer.rows.insert(at, Row { term: term.clone(), fields: pattern.iter().map(field).collect() });
                at += 1;
            } else if let Some(last) = (at..answer.rows.len()).rev().find(|row| belongs(&answer.rows[*row], term)) {
                at = last + 1;
            }
        }
    }
}

/// A field of a row without data: counts are 0, all else does not exist.
fn nothing(method: &str, name: &str, pattern: &Field) -> Field {
    match (method, name) {
        ("means", "n") => Field::Count(0),
        ("means", "sum") => Field::Number(0.0),
        ("means", "n_clusters") if *pattern != Field::Null => Field::Count(0),
        _ => Field::Null,
    }
}

/// The fields of a row of a method, where the answer has none to go by.
fn fields(spec: &Spec) -> Vec<String> {
    let own = match spec.method.as_str() {
        "means" => "estimate n sum n_clusters",
        "wild" => "estimate se statistic p draws exact n_greater n_tied n_undefined n_above n_below n_clusters",
        "ri" => "estimate se statistic p p_greater p_less draws exact n_extreme n_greater n_less",
        "mh" => "estimate log_estimate log_se statistic p ci_low ci_high n_blocks",
        "lee" => "lower upper response_treated response_reference trim_share trimmed",
        "km" => "estimate se n_risk n_event ci_low ci_high",
        "logrank" => "observed expected variance",
        "cox" => "estimate se se_model statistic df p ci_low ci_high",
        _ => "estimate se statistic df p ci_low ci_high",
    };
    own.split(' ').map(str::to_string).chain(spec.adjust.iter().map(|method| format!("p_{method}"))).collect()
}
