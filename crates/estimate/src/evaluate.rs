//! Values of expressions. An expression of coded columns is worked out once for each combination of their levels, not once for each row;
//! what is left is worked out some thousand rows at a time. Missing spreads, but `FALSE & NA` is false and `TRUE | NA` is true.
//! A number that does not exist (0/0, the logarithm of −1) is missing.

mod aggregate;
mod values;

use std::collections::BTreeSet;
use std::sync::Arc;

use super::dictionary::Numbers;
use super::expression::Expression;
use super::file::listed;
use super::table::{Codes, Column, Levels, Table};
use crate::error::{Error, Result};

pub use aggregate::Total;
use aggregate::summarise;
use values::{Found, Values, compute};

/// Rows worked out at a time.
const PART: usize = 1 << 12;
/// Combinations of levels worked out instead of rows.
const CELLS: usize = 1 << 16;

/// The values of an expression for each row of the table. A column by its name alone is shared, not copied.
pub fn evaluate(expression: &Expression, table: &Table) -> Result<Arc<Column>> {
    if let Expression::Column(name) = expression {
        return find(table, name).cloned();
    }
    let mut table = table.clone();
    let mut expression = expression.clone();
    lift(&mut expression, &mut table)?;
    reduce(&mut expression, &mut table)?;
    if let Expression::Column(name) = &expression {
        return find(&table, name).cloned();
    }
    by_rows(&expression, &table).map(Arc::new)
}

/// Whether the values are true (not 0), for each row; missing is not true. Refuses text.
pub fn truth(column: &Column, expression: &Expression) -> Result<Vec<bool>> {
    let holds = |value: f64| value != 0.0 && !value.is_nan();
    match column {
        Column::Numbers(values) => Ok(values.iter().map(|value| holds(*value)).collect()),
        Column::Coded { levels, codes } => {
            let Some(values) = numbers(levels) else { return Err(refused(format!("`{expression}` is text where true or false is wanted"))) };
            let holds: Vec<bool> = std::iter::once(false).chain(values.into_iter().map(holds)).collect();
            let mut rows = Vec::with_capacity(codes.len());
            match codes {
                Codes::Narrow(codes) => rows.extend(codes.iter().map(|code| holds[usize::from(*code)])),
                codes => rows.extend((0..codes.len()).map(|row| holds[codes.at(row) as usize])),
            }
            Ok(rows)
        }
    }
}

/// Works out each aggregate in the expression on all rows of the table, adds it to the table as a column, and puts that column in its
/// place. A table that has the aggregate already, from before its rows were filtered, keeps it.
pub fn lift(expression: &mut Expression, table: &mut Table) -> Result<()> {
    if let Expression::Aggregate(aggregate) = expression {
        let name = format!("\0{}", Expression::Aggregate(aggregate.clone()));
        if table.column(&name).is_none() {
            let column = summarise(aggregate, table)?;
            table.columns.push((name.clone(), column));
        }
        *expression = Expression::Column(name);
        return Ok(());
    }
    expression.parts_mut().into_iter().try_for_each(|part| lift(part, table))
}

fn refused(what: impl Into<String>) -> Error {
    Error::refused("estimate-expression", what)
}

/// Adds a column under a name that nothing else has.
fn add(expression: &Expression, column: Arc<Column>, table: &mut Table) -> Expression {
    let name = format!("\0{expression}\0{}", table.columns.len());
    table.columns.push((name.clone(), column));
    Expression::Column(name)
}

fn find<'a>(table: &'a Table, name: &str) -> Result<&'a Arc<Column>> {
    table.shared(name).ok_or_else(|| {
        let known = table.columns.iter().map(|(name, _)| name).chain(&table.others).filter(|name| !name.starts_with('\0'));
        refused(format!("there is no column `{name}`; there {}", listed(&known.cloned().collect::<Vec<String>>())))
    })
}

/// The levels as numbers; None for text. Without any level a column is neither.
fn numbers(levels: &Levels) -> Option<Vec<f64>> {
    match levels {
        Levels::Numbers(values) => Some(values.clone()),
        Levels::Spelt(values) => Some(values.iter().map(|level| level.value).collect()),
        Levels::Texts(values) => values.is_empty().then(Vec::new),
    }
}

/// Puts a coded column in the place of each largest part whose columns have few combinations of levels.
fn reduce(expression: &mut Expression, table: &mut Table) -> Result<()> {
    let mut names = BTreeSet::new();
    expression.columns(&mut names);
    let columns = names.iter().map(|name| find(table, name).cloned()).collect::<Result<Vec<Arc<Column>>>>()?;
    let cells = columns.iter().try_fold(1usize, |cells, column| match column.as_ref() {
        Column::Coded { levels, .. } => cells.checked_mul(levels.len() + 1),
        Column::Numbers(_) => None,
    });
    let most = if columns.len() == 1 { table.rows + 1 } else { CELLS.min(table.rows) };
    if let Some(cells) = cells.filter(|cells| *cells <= most) {
        let column = by_cells(expression, &names, &columns, cells, table.rows)?;
        *expression = add(expression, Arc::new(column), table);
        return Ok(());
    }
    let mut changed = false;
    for part in expression.parts_mut() {
        let mut names = BTreeSet::new();
        part.columns(&mut names);
        if !names.is_empty() && !matches!(part, Expression::Column(_)) {
            reduce(part, table)?;
            changed |= matches!(part, Expression::Column(_));
        }
    }
    if changed { reduce(expression, table) } else { Ok(()) }
}

/// The expression for each combination of levels, then the rows by their combination.
fn by_cells(expression: &Expression, names: &BTreeSet<String>, columns: &[Arc<Column>], cells: usize, rows: usize) -> Result<Column> {
    let coded: Vec<(&Levels, &Codes)> = columns
        .iter()
        .filter_map(|column| if let Column::Coded { levels, codes } = column.as_ref() { Some((levels, codes)) } else { None })
        .collect();
    let mut strides = vec![1];
    coded.iter().for_each(|(levels, _)| strides.push(strides[strides.len() - 1] * (levels.len() + 1)));
    let leaf = |name: &str| {
        let at = names.iter().position(|own| own == name).unwrap_or(0);
        let codes = (0..cells).map(|cell| (cell / strides[at] % (coded[at].0.len() + 1)) as u32);
        Values::of(coded[at].0, codes)
    };
    let values = compute(expression, cells, &leaf)?;
    let mut found = Found::new(&values);
    if let [(_, codes)] = coded[..] {
        let map: Vec<u32> = (0..cells).map(|cell| if cell == 0 && !codes.has_missing() { 0 } else { found.code(&values, cell) }).collect();
        let levels = found.levels();
        let codes = codes.through(&map, levels.len());
        return Ok(Column::Coded { levels, codes });
    }
    let mut map = vec![u32::MAX; cells];
    let mut codes = Codes::default();
    codes.reserve(rows);
    let mut part = Vec::with_capacity(PART);
    for from in (0..rows).step_by(PART) {
        part.clear();
        part.resize(PART.min(rows - from), 0);
        coded.iter().zip(&strides).for_each(|((_, codes), stride)| codes.add(from, *stride as u32, &mut part));
        for cell in &mut part {
            let code = &mut map[*cell as usize];
            if *code == u32::MAX {
                *code = found.code(&values, *cell as usize);
            }
            *cell = *code;
        }
        codes.extend(part.iter().copied(), found.count());
    }
    Ok(Column::Coded { levels: found.levels(), codes })
}

fn by_rows(expression: &Expression, table: &Table) -> Result<Column> {
    let (mut found, mut codes, mut plain) = (None, Codes::default(), Numbers::with_capacity(table.rows));
    for from in (0..table.rows).step_by(PART) {
        let count = PART.min(table.rows - from);
        let leaf = |name: &str| match find(table, name).map(Arc::as_ref) {
            Ok(Column::Numbers(values)) => Values::Numbers(values[from..from + count].to_vec()),
            Ok(Column::Coded { levels, codes }) => Values::of(levels, (from..from + count).map(|row| codes.at(row))),
            Err(_) => Values::Missing,
        };
        match compute(expression, count, &leaf)? {
            Values::Numbers(values) => plain.extend(&values),
            Values::Missing => plain.extend(&vec![f64::NAN; count]),
            texts => {
                let found = found.get_or_insert_with(|| Found::new(&texts));
                let part: Vec<u32> = (0..count).map(|row| found.code(&texts, row)).collect();
                codes.extend(part.into_iter(), found.count());
            }
        }
    }
    Ok(match found {
        Some(found) => Column::Coded { levels: found.levels(), codes },
        None => plain.finish(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::expression::parse;
    use super::*;

    const NA: f64 = f64::NAN;

    fn numbers(values: &[f64]) -> Arc<Column> {
        Arc::new(values.iter().copied().collect())
    }

    fn texts(values: &[&str]) -> Arc<Column> {
        let mut levels: Vec<String> = Vec::new();
        let mut codes = Vec::new();
        for text in values {
            let level = levels.iter().position(|own| own == text).unwrap_or_else(|| {
                levels.push(text.to_string());
                levels.len() - 1
            });
            codes.push(level as u32 + 1);
        }
        codes.iter_mut().filter(|code| levels[**code as usize - 1].is_empty()).for_each(|code| *code = 0);
        let most = levels.len();
        Arc::new(Column::Coded { levels: Levels::Texts(levels), codes: Codes::pack(codes, most) }.compact())
    }

    fn table() -> Table {
        let columns = vec![
            ("x".to_string(), numbers(&[1.0, 2.0, NA, -4.0, 0.0, 0.5])),
            ("y".to_string(), numbers(&[1.0, 0.0, 1.0, NA, 0.0, 1.0])),
            ("g".to_string(), numbers(&[1.0, 1.0, 2.0, 2.0, NA, 3.0])),
            ("arm".to_string(), texts(&["b", "a", "b", "", "a", "c"])),
            ("none".to_string(), numbers(&[NA; 6])),
        ];
        Table { rows: 6, columns, others: vec!["z".to_string()], ..Table::default() }
    }

    fn of(text: &str) -> Vec<Option<f64>> {
        let column = evaluate(&parse(text).unwrap(), &table()).unwrap();
        (0..6).map(|row| column.number(row)).map(|value| (!value.is_nan()).then_some(value)).collect()
    }

    fn is(text: &str, want: [f64; 6]) {
        assert_eq!(of(text), want.map(|value| (!value.is_nan()).then_some(value)), "{text}");
    }

    #[test]
    fn missing_spreads_but_for_false_and_and_true_or() {
        is("x + y", [2.0, 2.0, NA, NA, 0.0, 1.5]);
        is("y & NA", [NA, 0.0, NA, NA, 0.0, NA]);
        is("y | NA", [1.0, NA, 1.0, NA, NA, 1.0]);
        is("!x", [0.0, 0.0, NA, 0.0, 1.0, 0.0]);
        is("x == NA", [NA; 6]);
        is("x %in% c(1, 0)", [1.0, 0.0, NA, 0.0, 1.0, 0.0]);
        is("x %in% c(1, NA)", [1.0, NA, NA, NA, NA, NA]);
        is("is.na(x) | is.na(arm)", [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
        is("none == 'text'", [NA; 6]);
        is("x^0", [1.0, 1.0, NA, 1.0, 1.0, 1.0]);
    }

    #[test]
    fn a_number_that_does_not_exist_is_missing() {
        is("log(x)", [0.0, 2f64.ln(), NA, NA, NA, 0.5f64.ln()]);
        is("y / x", [1.0, 0.0, NA, NA, NA, 2.0]);
        is("sqrt(x)", [1.0, 2f64.sqrt(), NA, NA, 0.0, 0.5f64.sqrt()]);
        is("exp(x * 1000)", [NA, NA, NA, 0.0, 1.0, 500f64.exp()]);
        is("floor(-x) + abs(x) ^ 2", [0.0, 2.0, NA, 20.0, 0.0, -0.75]);
    }

    #[test]
    fn text_is_compared_by_bytes_and_chosen_by_conditions() {
        is("arm == 'b'", [1.0, 0.0, 1.0, NA, 0.0, 0.0]);
        is("arm > 'a' & arm <= 'b'", [1.0, 0.0, 1.0, NA, 0.0, 0.0]);
        is("arm %in% c('a', 'c')", [0.0, 1.0, 0.0, NA, 1.0, 1.0]);
        is("if_else(x > 0, arm, 'none') == 'none'", [0.0, 0.0, NA, 1.0, 1.0, 0.0]);
        is("if_else(arm == 'b', x, y)", [1.0, 0.0, NA, NA, 0.0, 1.0]);
        is("if_else(y, 1, NA)", [1.0, NA, 1.0, NA, NA, 1.0]);
    }

    #[test]
    fn an_aggregate_gives_each_row_the_value_of_its_group() {
        is("mean(x, by = g)", [1.5, 1.5, -4.0, -4.0, NA, 0.5]);
        is("sum(x, by = g, where = x > 0)", [3.0, 3.0, 0.0, 0.0, NA, 0.5]);
        is("mean(x, by = g, where = x > 0)", [1.5, 1.5, NA, NA, NA, 0.5]);
        is("count(by = g, where = arm == 'b')", [1.0, 1.0, 1.0, 1.0, NA, 0.0]);
        is("count(arm, by = g) / count()", [2.0 / 6.0, 2.0 / 6.0, 1.0 / 6.0, 1.0 / 6.0, NA, 1.0 / 6.0]);
        is("min(x) + max(x, where = g < 2)", [-2.0; 6]);
        is("max(mean(x, by = g))", [1.5; 6]);
        is("x - mean(x)", [1.1, 2.1, NA, -3.9, 0.1, 0.6]);
    }

    #[test]
    fn text_against_number_is_refused_and_both_sides_are_named() {
        for (text, why) in [
            ("arm == 1", "`arm` is text and `1` is a number"),
            ("2 < arm", "`arm` is text and `2` is a number"),
            ("x %in% c(1, 'a')", "`'a'` is text and `x` is a number"),
            ("arm %in% c(1)", "`arm` is text and `1` is a number"),
            ("arm + 1", "`arm` is text"),
            ("!arm", "`arm` is text"),
            ("mean(arm)", "`arm` is text"),
            ("count(where = arm)", "`arm` is text where true or false"),
            ("if_else(y, arm, x)", "`arm` is text and `x` is a number"),
            ("w + 1", "no column `w`; there are `x`, `y`, `g`, `arm`, `none`, `z`"),
        ] {
            let error = evaluate(&parse(text).unwrap(), &table()).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn conditions_on_codes_stay_codes() {
        let column = evaluate(&parse("arm == 'b' & x > 0").unwrap(), &table()).unwrap();
        assert!(matches!(column.as_ref(), Column::Coded { levels: Levels::Numbers(_), codes: Codes::Narrow(_) }));
    }

    fn expression() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![Just("a"), Just("b"), Just("c"), Just("0"), Just("1.5"), Just("NA")].prop_map(String::from);
        leaf.prop_recursive(4, 24, 3, |part| {
            let mark = prop::sample::select(vec!["+", "-", "*", "/", "^", "==", "!=", "<", ">=", "&", "|"]);
            prop_oneof![
                4 => (part.clone(), mark, part.clone()).prop_map(|(l, mark, r)| format!("({l} {mark} {r})")),
                1 => part.clone().prop_map(|p| format!("!{p} %in% c(0, 1.5)")),
                1 => part.clone().prop_map(|p| format!("is.na(-{p})")),
                1 => (part.clone(), part.clone(), part).prop_map(|(c, a, b)| format!("if_else({c}, {a}, {b})")),
            ]
            .prop_map(|text| format!("({text})"))
        })
    }

    proptest! {
        #[test]
        fn levels_and_rows_give_the_same_values(text in expression(), rows in prop::collection::vec((-2..3i32, 0..3i32, -1..2i32), 1..80)) {
            let column = |of: fn(&(i32, i32, i32)) -> i32| rows.iter().map(|row| if of(row) == 2 { NA } else { f64::from(of(row)) / 2.0 }).collect::<Vec<f64>>();
            let columns = [("a", column(|row| row.0)), ("b", column(|row| row.1)), ("c", column(|row| row.2))];
            let coded = columns.iter().map(|(name, values)| (name.to_string(), numbers(values))).collect();
            let plain = columns.iter().map(|(name, values)| (name.to_string(), Arc::new(Column::Numbers(values.clone())))).collect();
            let expression = parse(&text).unwrap();
            let coded = evaluate(&expression, &Table { rows: rows.len(), columns: coded, ..Table::default() }).unwrap();
            let plain = evaluate(&expression, &Table { rows: rows.len(), columns: plain, ..Table::default() }).unwrap();
            prop_assert!((0..rows.len()).all(|row| coded.number(row).total_cmp(&plain.number(row)).is_eq() || coded.number(row) == plain.number(row) || (coded.number(row).is_nan() && plain.number(row).is_nan())));
        }
    }
}
