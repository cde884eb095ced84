//! An expression on a run of values.

use std::collections::HashMap;

use super::refused;
use crate::dictionary::Numbers;
use crate::error::Result;
use crate::expression::{Expression, Function, Operation, Sign};
use crate::table::Levels;

/// Values in a row. `Missing` is all missing and of no type.
pub enum Values<'a> {
    Missing,
    Numbers(Vec<f64>),
    Texts(Vec<Option<&'a str>>),
}

impl<'a> Values<'a> {
    pub fn of(levels: &'a Levels, codes: impl Iterator<Item = u32>) -> Values<'a> {
        match levels {
            levels if levels.is_empty() => Values::Missing,
            Levels::Numbers(values) => Values::Numbers(codes.map(|code| if code == 0 { f64::NAN } else { values[code as usize - 1] }).collect()),
            Levels::Spelt(values) => Values::Numbers(codes.map(|code| if code == 0 { f64::NAN } else { values[code as usize - 1].value }).collect()),
            Levels::Texts(values) => Values::Texts(codes.map(|code| (code as usize).checked_sub(1).map(|level| values[level].as_str())).collect()),
        }
    }
}

/// Distinct results and their codes.
pub enum Found<'a> {
    Numbers(Box<Numbers>),
    Texts(HashMap<&'a str, u32>, Vec<String>),
}

impl<'a> Found<'a> {
    pub fn new(values: &Values) -> Found<'a> {
        if matches!(values, Values::Texts(_)) { Found::Texts(HashMap::new(), Vec::new()) } else { Found::Numbers(Box::default()) }
    }

    pub fn code(&mut self, values: &Values<'a>, at: usize) -> u32 {
        match (self, values) {
            (Found::Numbers(found), Values::Numbers(values)) => found.code(values[at]),
            (Found::Texts(found, levels), Values::Texts(values)) => values[at].map_or(0, |text| {
                *found.entry(text).or_insert_with(|| {
                    levels.push(text.to_string());
                    levels.len() as u32
                })
            }),
            _ => 0,
        }
    }

    pub fn count(&self) -> usize {
        match self {
            Found::Numbers(found) => found.count(),
            Found::Texts(_, levels) => levels.len(),
        }
    }

    pub fn levels(self) -> Levels {
        match self {
            Found::Numbers(found) => Levels::Numbers(found.levels()),
            Found::Texts(_, levels) => Levels::Texts(levels),
        }
    }
}

/// The values of an expression without aggregates, `count` of them, from those of its columns.
pub fn compute<'a>(expression: &'a Expression, count: usize, leaf: &dyn Fn(&str) -> Values<'a>) -> Result<Values<'a>> {
    let number = |part: &'a Expression| match compute(part, count, leaf)? {
        Values::Numbers(values) => Ok(values),
        Values::Missing => Ok(vec![f64::NAN; count]),
        Values::Texts(_) => Err(refused(format!("`{part}` is text, and `{expression}` needs a number there"))),
    };
    let unlike = |left: &dyn std::fmt::Display, right: &dyn std::fmt::Display| {
        Err(refused(format!("`{expression}` sets text against a number: `{left}` is text and `{right}` is a number; use one kind on both sides")))
    };
    Ok(match expression {
        Expression::Number(value) => Values::Numbers(vec![*value; count]),
        Expression::Text(text) => Values::Texts(vec![Some(text); count]),
        Expression::Missing => Values::Missing,
        Expression::Column(name) => leaf(name),
        Expression::Aggregate(_) => return Err(refused("an aggregate stands where a value of one row is needed")),
        Expression::Signed(sign, inside) => {
            let mut values = number(inside)?;
            match sign {
                Sign::Plus => {}
                Sign::Minus => values.iter_mut().for_each(|value| *value = -*value),
                Sign::Not => values.iter_mut().filter(|value| !value.is_nan()).for_each(|value| *value = f64::from(u8::from(*value == 0.0))),
            }
            Values::Numbers(values)
        }
        Expression::Pair(operation, left, right) if is_comparison(*operation) => match (compute(left, count, leaf)?, compute(right, count, leaf)?) {
            (Values::Missing, _) | (_, Values::Missing) => Values::Missing,
            (Values::Numbers(l), Values::Numbers(r)) => {
                let pair = |(l, r): (&f64, &f64)| l.partial_cmp(r).map_or(f64::NAN, |order| holds(*operation, order));
                Values::Numbers(l.iter().zip(&r).map(pair).collect())
            }
            (Values::Texts(l), Values::Texts(r)) => {
                let pair = |(l, r): (&Option<&str>, &Option<&str>)| match (l, r) {
                    (Some(l), Some(r)) => holds(*operation, l.cmp(r)),
                    _ => f64::NAN,
                };
                Values::Numbers(l.iter().zip(&r).map(pair).collect())
            }
            (Values::Texts(_), Values::Numbers(_)) => return unlike(left, right),
            (Values::Numbers(_), Values::Texts(_)) => return unlike(right, left),
        },
        Expression::Pair(operation, left, right) => {
            let (mut values, right) = (number(left)?, number(right)?);
            values.iter_mut().zip(right).for_each(|(l, r)| *l = arithmetic(*operation, *l, r));
            Values::Numbers(values)
        }
        Expression::Among(inside, given) => {
            let missing = given.contains(&Expression::Missing);
            let among = |found: bool| {
                if found {
                    1.0
                } else if missing {
                    f64::NAN
                } else {
                    0.0
                }
            };
            let text = given.iter().find(|item| matches!(item, Expression::Text(_)));
            let other = given.iter().find(|item| matches!(item, Expression::Number(_)));
            match compute(inside, count, leaf)? {
                Values::Missing => Values::Missing,
                Values::Numbers(values) => {
                    if let Some(text) = text {
                        return unlike(text, inside);
                    }
                    let mut list: Vec<f64> = given.iter().filter_map(|item| if let Expression::Number(v) = item { Some(*v) } else { None }).collect();
                    list.sort_by(f64::total_cmp);
                    let find = |value: f64| list.binary_search_by(|item| item.partial_cmp(&value).unwrap_or(std::cmp::Ordering::Less)).is_ok();
                    Values::Numbers(values.into_iter().map(|value| if value.is_nan() { value } else { among(find(value)) }).collect())
                }
                Values::Texts(values) => {
                    if let Some(other) = other {
                        return unlike(inside, other);
                    }
                    let mut list: Vec<&str> =
                        given.iter().filter_map(|item| if let Expression::Text(t) = item { Some(t.as_str()) } else { None }).collect();
                    list.sort_unstable();
                    Values::Numbers(values.iter().map(|text| text.map_or(f64::NAN, |text| among(list.binary_search(&text).is_ok()))).collect())
                }
            }
        }
        Expression::Call(Function::IsMissing, given) => {
            let flag = |missing: bool| f64::from(u8::from(missing));
            Values::Numbers(match compute(&given[0], count, leaf)? {
                Values::Missing => vec![1.0; count],
                Values::Numbers(values) => values.iter().map(|value| flag(!value.is_finite())).collect(),
                Values::Texts(values) => values.iter().map(|text| flag(text.is_none())).collect(),
            })
        }
        Expression::Call(Function::IfElse, given) => {
            let choose = number(&given[0])?;
            let choose = |row: usize| if choose[row].is_nan() { None } else { Some(choose[row] != 0.0) };
            match (compute(&given[1], count, leaf)?, compute(&given[2], count, leaf)?) {
                (Values::Missing, Values::Missing) => Values::Missing,
                (Values::Texts(_), Values::Numbers(_)) => return unlike(&given[1], &given[2]),
                (Values::Numbers(_), Values::Texts(_)) => return unlike(&given[2], &given[1]),
                (Values::Texts(yes), no) => Values::Texts(pick(yes, if let Values::Texts(no) = no { no } else { vec![None; count] }, choose, None)),
                (yes, Values::Texts(no)) => Values::Texts(pick(if let Values::Texts(yes) = yes { yes } else { vec![None; count] }, no, choose, None)),
                (yes, no) => {
                    let plain = |values| if let Values::Numbers(values) = values { values } else { vec![f64::NAN; count] };
                    Values::Numbers(pick(plain(yes), plain(no), choose, f64::NAN))
                }
            }
        }
        Expression::Call(function, given) => {
            let mut values = number(&given[0])?;
            values.iter_mut().for_each(|value| *value = apply(*function, *value));
            Values::Numbers(values)
        }
    })
}

fn pick<T: Copy>(yes: Vec<T>, no: Vec<T>, choose: impl Fn(usize) -> Option<bool>, missing: T) -> Vec<T> {
    (0..yes.len()).map(|row| choose(row).map_or(missing, |first| if first { yes[row] } else { no[row] })).collect()
}

fn is_comparison(operation: Operation) -> bool {
    use Operation::{Equal, Less, LessOrEqual, More, MoreOrEqual, Unequal};
    matches!(operation, Equal | Unequal | Less | LessOrEqual | More | MoreOrEqual)
}

fn holds(operation: Operation, order: std::cmp::Ordering) -> f64 {
    f64::from(u8::from(match operation {
        Operation::Equal => order.is_eq(),
        Operation::Unequal => order.is_ne(),
        Operation::Less => order.is_lt(),
        Operation::LessOrEqual => order.is_le(),
        Operation::More => order.is_gt(),
        _ => order.is_ge(),
    }))
}

fn finite(value: f64) -> f64 {
    if value.is_finite() { value } else { f64::NAN }
}

fn arithmetic(operation: Operation, left: f64, right: f64) -> f64 {
    let (no, unknown) = (left == 0.0 || right == 0.0, left.is_nan() || right.is_nan());
    let yes = (left != 0.0 && !left.is_nan()) || (right != 0.0 && !right.is_nan());
    match operation {
        Operation::And if no => 0.0,
        Operation::Or if yes => 1.0,
        _ if unknown => f64::NAN,
        Operation::And => 1.0,
        Operation::Or => 0.0,
        Operation::Add => finite(left + right),
        Operation::Subtract => finite(left - right),
        Operation::Multiply => finite(left * right),
        Operation::Divide => finite(left / right),
        _ if right == 2.0 => finite(left * left),
        _ => finite(left.powf(right)),
    }
}

fn apply(function: Function, value: f64) -> f64 {
    finite(match function {
        Function::Log => value.ln(),
        Function::Log1p => value.ln_1p(),
        Function::Exp => value.exp(),
        Function::Sqrt => value.sqrt(),
        Function::Abs => value.abs(),
        Function::Floor => value.floor(),
        Function::IsMissing | Function::IfElse => f64::NAN,
    })
}
