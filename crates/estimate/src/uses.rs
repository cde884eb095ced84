//! For what a spec uses each column: to reckon with its values, to tell groups apart by its characters, as outcome, as treatment.

use super::expression::{Expression, parse};
use super::formula::{Formula, Outcome, Quantity, Variable};
use super::rows::definition;
use super::spec::{Spec, refused};
use crate::error::Result;
use std::collections::BTreeSet;

/// Columns by their use; one may have both.
#[derive(Debug, Default)]
pub struct Uses {
    pub values: BTreeSet<String>,
    pub groups: BTreeSet<String>,
}

impl Uses {
    /// What `let` makes of another column by its name alone is used as that column.
    pub fn of(spec: &Spec, formula: &Formula) -> Result<Uses> {
        let mut uses = Uses::default();
        uses.groups.extend(spec.cluster.iter().chain(&spec.block).chain(&spec.collapse).cloned());
        uses.values.extend(spec.weights.iter().chain(&spec.time).chain(&spec.balance).cloned());
        let naming: Vec<&Quantity> = formula.terms.iter().flatten().filter_map(factor).chain(&formula.random).chain(&formula.effects).collect();
        for quantity in &naming {
            uses.group(&quantity.expression);
        }
        for quantity in formula.quantities().into_iter().filter(|quantity| !naming.iter().any(|own| std::ptr::eq(*own, *quantity))) {
            uses.reckon(&quantity.expression);
        }
        if let Some(filter) = &spec.filter {
            uses.reckon(&parse(filter)?);
        }
        for text in spec.define.iter().rev() {
            let (name, expression) = definition(text)?;
            let named = uses.groups.contains(&name);
            if named {
                uses.group(&expression);
            }
            if !named || uses.values.contains(&name) {
                uses.reckon(&expression);
            }
        }
        Ok(uses)
    }

    fn group(&mut self, expression: &Expression) {
        match expression {
            Expression::Column(name) => drop(self.groups.insert(name.clone())),
            made => self.reckon(made),
        }
    }

    fn reckon(&mut self, expression: &Expression) {
        expression.uses(&mut self.values, &mut self.groups);
    }
}

/// What is a factor whatever it holds.
fn factor(variable: &Variable) -> Option<&Quantity> {
    match variable {
        Variable::Factor(x) | Variable::Levels { factor: x, .. } => Some(x),
        Variable::Plain(_) | Variable::Centred(..) => None,
    }
}

/// Refuses a formula without exactly one outcome.
pub fn one_outcome(formula: &Formula) -> Result<&Quantity> {
    match &formula.outcome {
        Some(Outcome::Value(y)) => Ok(y),
        Some(_) => Err(refused("formula: this method takes one outcome on the left of ~")),
        None => Err(refused("formula: the outcome is missing on the left of ~")),
    }
}

/// The first term on the right, and whether it is to be read as a factor. Refuses interactions and a missing one.
pub fn treatment<'a>(spec: &Spec, formula: &'a Formula) -> Result<(&'a Quantity, bool)> {
    match formula.first.and_then(|at| formula.terms.get(at)).map(Vec::as_slice) {
        Some([Variable::Plain(x)]) => Ok((x, false)),
        Some([Variable::Factor(x)]) => Ok((x, true)),
        _ => Err(refused(format!("method {}: the first term on the right must be one column, the treatment", spec.method))),
    }
}
