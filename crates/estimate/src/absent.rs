//! Rows of an answer for arms and levels that no row of the fit has: in their place, without numbers, told once.

use super::answer::{Answer, Field, Row};
use super::design::{Absent, Design, is_level};
use super::difference::is_pair;
use super::emptied::{Emptied, Level};
use super::formula::{Formula, Outcome, Quantity};
use super::spec::Spec;
use super::uses::treatment;
use crate::error::Result;

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
    let lines = |emptied: &Emptied| emptied.lines(referred && spec.reference_of(&emptied.text).is_none());
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
    let given = spec.reference_of(&quantity.text);
    let base = emptied.levels.iter().find(|level| !level.empty && given.is_none_or(|given| is_level(text, &level.name, given)));
    let base = base.map(|level| level.name.clone());
    bracketed(emptied, |level| level.empty || Some(&level.name) != base.as_ref())
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
