//! Formulas: `y ~ a + b * c + a:d | fe1 + fe2`, read as R reads them.

use super::expression::{Expression, parse};
use crate::error::{Error, Result};
use std::collections::BTreeSet;

#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Value(Quantity),
    /// `cbind(successes, failures)`, or several outcomes in `ri`.
    Pair(Vec<Quantity>),
    /// `surv(time, event)`
    Survival(Quantity, Quantity),
}

/// An expression with its text as written.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantity {
    pub text: String,
    pub expression: Expression,
}

/// One variable of a term.
#[derive(Debug, Clone, PartialEq)]
pub enum Variable {
    /// A column: a number, or a factor if it is text; or a call, by its text.
    Plain(Quantity),
    /// `factor(x)`
    Factor(Quantity),
    /// `center(x)`; with `true` `scale(x)`.
    Centred(Quantity, bool),
    /// `i(f, x, ref = L)`: x in each level of f but L.
    Levels { factor: Quantity, by: Option<Quantity>, reference: Option<String> },
}

#[derive(Debug, Clone, PartialEq)]
pub struct Formula {
    pub outcome: Option<Outcome>,
    pub intercept: bool,
    /// Each term is the variables that are multiplied; main effects first.
    pub terms: Vec<Vec<Variable>>,
    /// `(1 | g)`
    pub random: Vec<Quantity>,
    /// Absorbed effects.
    pub effects: Vec<Quantity>,
    /// The first term on the right, as written in the formula's order.
    pub first: Option<usize>,
}

fn refused(formula: &str, problem: impl std::fmt::Display) -> Error {
    Error::refused("estimate", format!("formula {formula}: {problem}"))
}

impl Formula {
    /// Reads a formula. Refuses what is not one, naming the place.
    pub fn parse(text: &str) -> Result<Formula> {
        let sides = split(text, '~').map_err(|e| refused(text, e))?;
        let [left, right] = sides.as_slice() else {
            return Err(refused(text, "write it as  outcome ~ terms , with one ~"));
        };
        let outcome = (!left.trim().is_empty()).then(|| read_outcome(left.trim(), text)).transpose()?;
        let parts = split(right, '|').map_err(|e| refused(text, e))?;
        let (right, effects) = match parts.as_slice() {
            [right] => (right.as_str(), Vec::new()),
            [right, effects] => {
                let names = split(effects, '+').map_err(|e| refused(text, e))?;
                (right.as_str(), names.iter().map(|name| quantity(name.trim(), text)).collect::<Result<Vec<_>>>()?)
            }
            _ => return Err(refused(text, "only one | may stand before the absorbed effects")),
        };
        let mut reader = Reader { rest: right, formula: text, depth: 0 };
        let sum = reader.sum()?;
        if !reader.rest.trim().is_empty() {
            return Err(refused(text, format!("\"{}\" was not understood", reader.rest.trim())));
        }
        let mut formula = Formula { outcome, intercept: sum.intercept.unwrap_or(true), terms: Vec::new(), random: sum.random, effects, first: None };
        let first = sum.terms.first().cloned();
        let mut terms = sum.terms;
        terms.sort_by_key(|term| term.len());
        formula.first = first.and_then(|first| terms.iter().position(|term| *term == first));
        formula.terms = terms;
        Ok(formula)
    }

    /// Every quantity of the right-hand side, the random terms and the effects.
    pub fn quantities(&self) -> Vec<&Quantity> {
        let mut all: Vec<&Quantity> = Vec::new();
        match &self.outcome {
            Some(Outcome::Value(y)) => all.push(y),
            Some(Outcome::Pair(several)) => all.extend(several),
            Some(Outcome::Survival(time, event)) => all.extend([time, event]),
            None => {}
        }
        for variable in self.terms.iter().flatten() {
            match variable {
                Variable::Plain(x) | Variable::Factor(x) | Variable::Centred(x, _) => all.push(x),
                Variable::Levels { factor, by, .. } => all.extend(std::iter::once(factor).chain(by)),
            }
        }
        all.extend(&self.random);
        all.extend(&self.effects);
        all
    }

    /// Columns of the table that the formula names.
    pub fn columns(&self, into: &mut BTreeSet<String>) {
        for quantity in self.quantities() {
            quantity.expression.columns(into);
        }
    }
}

fn quantity(text: &str, formula: &str) -> Result<Quantity> {
    let expression = parse(text).map_err(|e| refused(formula, e.line))?;
    // A column alone goes by its name, whatever quotes it needs.
    let text = if let Expression::Column(name) = &expression { name.clone() } else { text.to_string() };
    Ok(Quantity { text, expression })
}

fn read_outcome(text: &str, formula: &str) -> Result<Outcome> {
    let arguments = |name: &str| -> Option<Result<Vec<Quantity>>> {
        let inner = text.strip_prefix(name)?.trim_start().strip_prefix('(')?.strip_suffix(')')?;
        Some(split(inner, ',').map_err(|e| refused(formula, e)).and_then(|parts| parts.iter().map(|part| quantity(part.trim(), formula)).collect()))
    };
    if let Some(several) = arguments("cbind") {
        let several = several?;
        return if several.len() < 2 { Err(refused(formula, "cbind takes two or more columns")) } else { Ok(Outcome::Pair(several)) };
    }
    if let Some(two) = arguments("surv") {
        return match two?.as_slice() {
            [time, event] => Ok(Outcome::Survival(time.clone(), event.clone())),
            _ => Err(refused(formula, "surv takes a time and an event")),
        };
    }
    Ok(Outcome::Value(quantity(text, formula)?))
}

/// Splits at a character outside brackets and quotes. Refuses brackets or quotes that do not close.
fn split(text: &str, at: char) -> Result<Vec<String>, String> {
    let mut parts = vec![String::new()];
    let (mut depth, mut quote, mut escaped) = (0_i32, None, false);
    for c in text.chars() {
        match (quote, c) {
            _ if std::mem::take(&mut escaped) => {}
            (Some(_), '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"' | '`') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return Err("a ) has no (".to_string());
        }
        if c == at && depth == 0 && quote.is_none() {
            parts.push(String::new());
        } else if let Some(last) = parts.last_mut() {
            last.push(c);
        }
    }
    match (depth, quote) {
        (0, None) => Ok(parts),
        (_, Some(open)) => Err(format!("a {open} does not close")),
        _ => Err("a ( does not close".to_string()),
    }
}

/// More interactions than anybody means.
const TERMS: usize = 1_000;

type Term = Vec<Variable>;

#[derive(Default)]
struct Sum {
    intercept: Option<bool>,
    terms: Vec<Term>,
    random: Vec<Quantity>,
}

/// The same variables in another order are the same term.
fn same(a: &Term, b: &Term) -> bool {
    a.len() == b.len() && a.iter().all(|variable| b.contains(variable))
}

fn join(into: &mut Vec<Term>, term: Term) {
    if !into.iter().any(|own| same(own, &term)) {
        into.push(term);
    }
}

fn cross(left: &[Term], right: &[Term]) -> Vec<Term> {
    let mut out = Vec::new();
    for a in left {
        for b in right {
            let mut term = a.clone();
            term.extend(b.iter().filter(|variable| !a.contains(variable)).cloned());
            join(&mut out, term);
        }
    }
    out
}

struct Reader<'a> {
    rest: &'a str,
    formula: &'a str,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn error<T>(&self, problem: impl std::fmt::Display) -> Result<T> {
        Err(refused(self.formula, problem))
    }

    fn take(&mut self, symbol: char) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(symbol) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// term + term − term
    fn sum(&mut self) -> Result<Sum> {
        let mut sum = Sum::default();
        let mut minus = self.take('-');
        loop {
            self.rest = self.rest.trim_start();
            let number: String = self.rest.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
            if let "0" | "1" = number.as_str() {
                self.rest = &self.rest[number.len()..];
                sum.intercept = Some((number == "1") != minus);
            } else if let Some(group) = self.random()? {
                sum.random.push(group);
            } else {
                for term in self.product()? {
                    if minus {
                        sum.terms.retain(|own| !same(own, &term));
                    } else {
                        join(&mut sum.terms, term);
                    }
                }
            }
            if self.take('+') {
                minus = false;
            } else if self.take('-') {
                minus = true;
            } else {
                return Ok(sum);
            }
        }
    }

    /// a * b is a + b + a:b.
    fn product(&mut self) -> Result<Vec<Term>> {
        let mut terms = self.interaction()?;
        while self.take('*') {
            let right = self.interaction()?;
            if terms.len() * right.len() > TERMS {
                return self.error(format!("more than {TERMS} terms; write only the interactions that are meant"));
            }
            let both = cross(&terms, &right);
            for term in right.into_iter().chain(both) {
                join(&mut terms, term);
            }
        }
        Ok(terms)
    }

    fn interaction(&mut self) -> Result<Vec<Term>> {
        let mut terms = self.atom()?;
        while self.take(':') {
            let right = self.atom()?;
            if terms.len() * right.len() > TERMS {
                return self.error(format!("more than {TERMS} terms; write only the interactions that are meant"));
            }
            terms = cross(&terms, &right);
        }
        Ok(terms)
    }

    fn random(&mut self) -> Result<Option<Quantity>> {
        let rest = self.rest.trim_start();
        if !rest.starts_with('(') {
            return Ok(None);
        }
        let inner = self.bracket(rest)?;
        let parts = split(inner, '|').map_err(|e| refused(self.formula, e))?;
        let [one, group] = parts.as_slice() else { return Ok(None) };
        if one.trim() != "1" {
            return self.error(format!("({inner}): only random intercepts, (1 | group)"));
        }
        self.rest = &rest[inner.len() + 2..];
        Ok(Some(quantity(group.trim(), self.formula)?))
    }

    /// What stands between the bracket that opens `rest` and its end.
    fn bracket(&self, rest: &'a str) -> Result<&'a str> {
        let (mut depth, mut quote, mut escaped) = (0, None, false);
        for (at, c) in rest.char_indices() {
            match (quote, c) {
                _ if std::mem::take(&mut escaped) => {}
                (Some(_), '\\') => escaped = true,
                (Some(open), c) if c == open => quote = None,
                (Some(_), _) => {}
                (None, '\'' | '"' | '`') => quote = Some(c),
                (None, '(') => depth += 1,
                (None, ')') => {
                    depth -= 1;
                    if depth == 0 {
                        return Ok(&rest[1..at]);
                    }
                }
                _ => {}
            }
        }
        self.error("a ( does not close")
    }

    fn atom(&mut self) -> Result<Vec<Term>> {
        let rest = self.rest.trim_start();
        if rest.starts_with('(') {
            let inner = self.bracket(rest)?;
            if self.depth > 50 {
                return self.error("too many brackets");
            }
            self.rest = &rest[inner.len() + 2..];
            let mut reader = Reader { rest: inner, formula: self.formula, depth: self.depth + 1 };
            let sum = reader.sum()?;
            if !reader.rest.trim().is_empty() || sum.intercept.is_some() || !sum.random.is_empty() {
                return self.error(format!("({inner}) was not understood"));
            }
            return Ok(sum.terms);
        }
        let length = match rest.chars().next() {
            Some('`') => match rest[1..].find('`') {
                Some(end) => end + 2,
                None => return self.error("a ` does not close"),
            },
            Some(c) if c.is_alphabetic() || c == '.' || c == '_' => {
                rest.find(|c: char| !(c.is_alphanumeric() || c == '.' || c == '_')).unwrap_or(rest.len())
            }
            Some(c) => return self.error(format!("a column or a call is expected at \"{c}\"; put an expression into I( )")),
            None => return self.error("a term is missing"),
        };
        let name = &rest[..length];
        let after = rest[length..].trim_start();
        if !after.starts_with('(') {
            self.rest = &rest[length..];
            return Ok(vec![vec![Variable::Plain(quantity(name, self.formula)?)]]);
        }
        let inner = self.bracket(after)?;
        let end = rest.len() - after.len() + inner.len() + 2;
        let text = &rest[..end];
        self.rest = &rest[end..];
        Ok(vec![vec![self.call(name, inner, text)?]])
    }

    fn call(&self, name: &str, inner: &str, text: &str) -> Result<Variable> {
        let parts = split(inner, ',').map_err(|e| refused(self.formula, e))?;
        let one = || match parts.as_slice() {
            [x] => quantity(x.trim(), self.formula),
            _ => self.error(format!("{text}: {name} takes one column")),
        };
        Ok(match name {
            "factor" => Variable::Factor(one()?),
            "center" => Variable::Centred(one()?, false),
            "scale" => Variable::Centred(one()?, true),
            "i" => {
                let (mut plain, mut reference) = (Vec::new(), None);
                for part in &parts {
                    match part.trim().strip_prefix("ref").map(str::trim_start).and_then(|rest| rest.strip_prefix('=')) {
                        Some(level) => reference = Some(level.trim().trim_matches(['\'', '"']).to_string()),
                        None => plain.push(quantity(part.trim(), self.formula)?),
                    }
                }
                let mut plain = plain.into_iter();
                match (plain.next(), plain.next(), plain.next()) {
                    (Some(factor), by, None) => Variable::Levels { factor, by, reference },
                    _ => return self.error(format!("{text}: write i(factor, x, ref = level)")),
                }
            }
            _ => Variable::Plain(quantity(text, self.formula)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(formula: &str) -> Vec<String> {
        let text = |variable: &Variable| match variable {
            Variable::Plain(x) => x.text.clone(),
            Variable::Factor(x) => format!("factor {}", x.text),
            Variable::Centred(x, scaled) => format!("centre {} {scaled}", x.text),
            Variable::Levels { factor, by, reference } => {
                format!("{} {} {}", factor.text, by.as_ref().map_or("", |by| &by.text), reference.clone().unwrap_or_default())
            }
        };
        Formula::parse(formula).unwrap().terms.iter().map(|term| term.iter().map(text).collect::<Vec<_>>().join(":")).collect()
    }

    #[test]
    fn a_formula_is_read_as_r_reads_it() {
        assert_eq!(names("y ~ a * b + c + b:a"), ["a", "b", "c", "a:b"]);
        assert_eq!(names("y ~ (a + b):c - b:c"), ["a:c"]);
        assert_eq!(names("y ~ I(norm - 0.5) * I(plan - 0.5)"), ["I(norm - 0.5)", "I(plan - 0.5)", "I(norm - 0.5):I(plan - 0.5)"]);
        assert_eq!(names("y ~ i(week, treated, ref = 0) + factor(arm) + scale(x)"), ["week treated 0", "factor arm", "centre x true"]);
        let formula = Formula::parse("y ~ 0 + x + (1 | g) | fe + `odd | name`").unwrap();
        assert_eq!((formula.intercept, formula.random.len(), formula.effects.len()), (false, 1, 2));
        assert_eq!(Formula::parse("y ~ a:b + c").unwrap().first, Some(1));
    }

    #[test]
    fn what_is_no_formula_is_refused_with_its_place() {
        assert!(Formula::parse(r"y ~ if_else(arm == 'it\'s (', 1, 0) + x").is_ok());
        for (formula, word) in [("y", "~"), ("y ~ a +", "missing"), ("y ~ (a", "close"), ("y ~ a ^ 2", "understood"), ("y ~ (x | g)", "intercepts")] {
            let lines = Formula::parse(formula).unwrap_err().line;
            assert!(lines.contains(word), "{formula}: {lines}");
        }
    }
}
