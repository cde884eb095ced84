//! Expressions over columns: `let`, `filter` and the parts of a formula. Precedence is R's, from the tightest:
//! `^` (to the right), sign, `%in%`, `* /`, `+ -`, comparisons (not in a row), `!`, `&`, `|`.

mod parser;
mod token;

use std::collections::BTreeSet;
use std::fmt;

pub use parser::{parse, parse_tokens};
pub use token::{Kind, Token, tokenize};

use crate::error::Error;

fn refused(what: impl Into<String>) -> Error {
    Error::refused("estimate-expression", what)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    Plus,
    Minus,
    Not,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
    And,
    Or,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    Log,
    Log1p,
    Exp,
    Sqrt,
    Abs,
    Floor,
    IsMissing,
    IfElse,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Summary {
    Mean,
    Sum,
    Min,
    Max,
    Count,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Expression {
    Number(f64),
    Text(String),
    Missing,
    Column(String),
    Signed(Sign, Box<Expression>),
    Pair(Operation, Box<Expression>, Box<Expression>),
    /// Whether a value is among constants.
    Among(Box<Expression>, Vec<Expression>),
    Call(Function, Vec<Expression>),
    Aggregate(Box<Aggregate>),
}

/// `summary(of, by = , where = )`.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    pub summary: Summary,
    pub of: Option<Expression>,
    pub by: Option<Expression>,
    pub condition: Option<Expression>,
}

const OPERATIONS_BY_MARK: [(&str, Operation, u8); 13] = [
    ("|", Operation::Or, 1),
    ("&", Operation::And, 2),
    ("==", Operation::Equal, COMPARISON),
    ("!=", Operation::Unequal, COMPARISON),
    ("<", Operation::Less, COMPARISON),
    ("<=", Operation::LessOrEqual, COMPARISON),
    (">", Operation::More, COMPARISON),
    (">=", Operation::MoreOrEqual, COMPARISON),
    ("+", Operation::Add, 5),
    ("-", Operation::Subtract, 5),
    ("*", Operation::Multiply, 6),
    ("/", Operation::Divide, 6),
    ("^", Operation::Power, POWER),
];
const NOT: u8 = 3;
const COMPARISON: u8 = 4;
const AMONG: u8 = 7;
const SIGN: u8 = 9;
const POWER: u8 = 10;

const FUNCTIONS: [(&str, Function, usize); 8] = [
    ("log", Function::Log, 1),
    ("log1p", Function::Log1p, 1),
    ("exp", Function::Exp, 1),
    ("sqrt", Function::Sqrt, 1),
    ("abs", Function::Abs, 1),
    ("floor", Function::Floor, 1),
    ("is.na", Function::IsMissing, 1),
    ("if_else", Function::IfElse, 3),
];
const SUMMARIES: [(&str, Summary); 5] =
    [("mean", Summary::Mean), ("sum", Summary::Sum), ("min", Summary::Min), ("max", Summary::Max), ("count", Summary::Count)];

impl Expression {
    pub fn parts(&self) -> Vec<&Expression> {
        match self {
            Expression::Number(_) | Expression::Text(_) | Expression::Missing | Expression::Column(_) => Vec::new(),
            Expression::Signed(_, inside) | Expression::Among(inside, _) => vec![inside],
            Expression::Pair(_, left, right) => vec![left, right],
            Expression::Call(_, given) => given.iter().collect(),
            Expression::Aggregate(aggregate) => [&aggregate.of, &aggregate.by, &aggregate.condition].into_iter().flatten().collect(),
        }
    }

    pub fn parts_mut(&mut self) -> Vec<&mut Expression> {
        match self {
            Expression::Number(_) | Expression::Text(_) | Expression::Missing | Expression::Column(_) => Vec::new(),
            Expression::Signed(_, inside) | Expression::Among(inside, _) => vec![inside],
            Expression::Pair(_, left, right) => vec![left, right],
            Expression::Call(_, given) => given.iter_mut().collect(),
            Expression::Aggregate(aggregate) => {
                let Aggregate { of, by, condition, .. } = aggregate.as_mut();
                [of, by, condition].into_iter().flatten().collect()
            }
        }
    }

    /// Adds the names of the columns it reads.
    pub fn columns(&self, into: &mut BTreeSet<String>) {
        if let Expression::Column(name) = self {
            into.insert(name.clone());
        }
        self.parts().into_iter().for_each(|part| part.columns(into));
    }

    /// Adds the names of the columns whose values it reckons with to the first set, of those that name the groups of an aggregate to the second.
    pub fn uses(&self, values: &mut BTreeSet<String>, groups: &mut BTreeSet<String>) {
        match self {
            Expression::Column(name) => {
                values.insert(name.clone());
            }
            Expression::Aggregate(aggregate) => {
                let Aggregate { of, by, condition, .. } = aggregate.as_ref();
                of.iter().chain(condition).for_each(|part| part.uses(values, groups));
                match by {
                    Some(Expression::Column(name)) => drop(groups.insert(name.clone())),
                    by => by.iter().for_each(|by| by.uses(values, groups)),
                }
            }
            other => other.parts().into_iter().for_each(|part| part.uses(values, groups)),
        }
    }
}

/// Whether a name can stand without backticks.
fn is_plain(name: &str) -> bool {
    let belongs = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_');
    !matches!(name, "NA" | "TRUE" | "FALSE")
        && matches!(tokenize(name).as_deref(), Ok([Token { kind: Kind::Name(_), .. }]))
        && name.chars().all(belongs)
}

/// As it would be written, with all parentheses: no two expressions show alike. A column whose name starts with a zero byte was made on
/// the way; it shows as the expression that made it.
impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |given: &[Expression]| given.iter().map(Expression::to_string).collect::<Vec<String>>().join(", ");
        match self {
            Expression::Number(value) => write!(f, "{value}"),
            Expression::Text(text) => write!(f, "'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
            Expression::Missing => write!(f, "NA"),
            Expression::Column(name) => match name.split('\0').nth(1) {
                Some(made) => write!(f, "{made}"),
                None if is_plain(name) => write!(f, "{name}"),
                None => write!(f, "`{}`", name.replace('\\', "\\\\").replace('`', "\\`")),
            },
            Expression::Signed(sign, inside) => write!(f, "{}{inside}", ["+", "-", "!"][*sign as usize]),
            Expression::Pair(operation, left, right) => {
                let mark = OPERATIONS_BY_MARK.iter().find(|(_, own, _)| own == operation).map_or("", |(mark, ..)| mark);
                write!(f, "({left} {mark} {right})")
            }
            Expression::Among(inside, given) => write!(f, "({inside} %in% c({}))", list(given)),
            Expression::Call(function, given) => write!(f, "{}({})", FUNCTIONS[*function as usize].0, list(given)),
            Expression::Aggregate(aggregate) => {
                let Aggregate { summary, of, by, condition } = aggregate.as_ref();
                let keys = [("", of), ("by = ", by), ("where = ", condition)];
                let given = keys.iter().filter_map(|(key, part)| part.as_ref().map(|part| format!("{key}{part}"))).collect::<Vec<String>>();
                write!(f, "{}({})", SUMMARIES[*summary as usize].0, given.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        parse(text).unwrap().to_string()
    }

    #[test]
    fn precedence_is_that_of_r() {
        assert_eq!(shown("-2^2"), "-(2 ^ 2)");
        assert_eq!(shown("2^-1^3 * a"), "((2 ^ -(1 ^ 3)) * a)");
        assert_eq!(shown("a - b - c / d * e"), "((a - b) - ((c / d) * e))");
        assert_eq!(shown("-a %in% c(1, -2) + 1"), "((-a %in% c(1, -2)) + 1)");
        assert_eq!(shown("a * b %in% 3"), "(a * (b %in% c(3)))");
        assert_eq!(shown("!a == b & c | d & !e"), "((!(a == b) & c) | (d & !e))");
        assert_eq!(shown("a == !b < 2 & c"), "((a == !(b < 2)) & c)");
        assert_eq!(shown("x<-1"), "(x < -1)");
    }

    #[test]
    fn words_are_told_apart() {
        assert_eq!(shown("`odd \\` name` == 'it\\'s' | is.na(.x_1)"), "((`odd \\` name` == 'it\\'s') | is.na(.x_1))");
        assert_eq!(shown("1.5e-3+año*.5"), "(0.0015 + (año * 0.5))");
        assert_eq!(shown("`NA` == NA"), "(`NA` == NA)");
        assert_eq!(parse("`NA`").unwrap(), Expression::Column("NA".to_string()));
        assert_eq!(shown("I(mean(y, by = g, where = week < 0) - count(by=g))"), "(mean(y, by = g, where = (week < 0)) - count(by = g))");
        let tokens = tokenize("y ~ I(a - 0.5) * b | fe:w = 1").unwrap();
        assert_eq!((tokens[2].start, tokens[1].is("~"), tokens.len()), (4, true, 16));
        assert_eq!(parse_tokens(&tokens, 2).unwrap().1, 12);
    }

    #[test]
    fn what_is_no_expression_is_refused_with_the_place() {
        for (text, why) in [
            ("", "a value is missing at the end"),
            ("a b", "before `b` (character 3)"),
            ("a < b < c", "follows another comparison"),
            ("(a", "a `)` is missing"),
            ("a && b", "a value is missing between `&` and `&`"),
            ("factor(a)", "no function `factor`"),
            ("c(1)", "behind %in% only"),
            ("log(a, 2)", "takes 1 argument, not 2"),
            ("if_else(a, 1)", "takes 3 arguments, not 2"),
            ("mean()", "needs a value"),
            ("mean(a, b)", "a value twice"),
            ("sum(a, per = b)", "knows no `per =`"),
            ("a %in% c(b)", "a number, a text or NA"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn hostile_depth_is_refused_before_the_stack_ends() {
        for text in ["(".repeat(100_000), "-".repeat(100_000), format!("a{}", "+a".repeat(100_000)), "log(".repeat(100_000), "a^".repeat(100_000)] {
            assert!(parse(&text).unwrap_err().to_string().contains("more than 150"), "{}", &text[..9]);
        }
    }
}
