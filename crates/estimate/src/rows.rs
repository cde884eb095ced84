//! From the columns of a file to the rows of one spec, in the language's order: `let`, `filter`, `collapse`. Columns that stay as they are
//! stay shared with the file's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::dictionary::Slots;
use super::evaluate::{Total, evaluate, lift, truth};
use super::expression::{Expression, parse, tokenize};
use super::table::{Codes, Column, Levels, Table};
use crate::error::{Error, Result};

/// The columns that a spec reads, and how many rows were left out because they have no value in a column of `collapse`.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    pub table: Table,
    pub dropped: u64,
    /// The arms before any row went, where some may have and `filter` does not choose among them.
    pub arms: Option<Arc<Column>>,
}

fn refused(what: impl Into<String>) -> Error {
    Error::refused("estimate-rows", what)
}

/// The name and the expression of `name = expression`.
pub fn definition(text: &str) -> Result<(String, Expression)> {
    let tokens = tokenize(text)?;
    let name = tokens.first().and_then(|token| token.name()).filter(|_| tokens.get(1).is_some_and(|token| token.is("=")));
    let name = name.ok_or_else(|| refused(format!("let `{text}`: write it as `name = expression`")))?;
    Ok((name.to_string(), parse(&text[tokens[1].end..])?))
}

/// The columns of the file that a spec reads: those in `let_` and `filter`, and of `others` those that no `let` makes.
pub fn needed<'a>(let_: &[String], filter: Option<&str>, others: impl IntoIterator<Item = &'a String>) -> Result<BTreeSet<String>> {
    let (mut needed, mut made, mut names) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for text in let_ {
        let (name, expression) = definition(text)?;
        expression.columns(&mut names);
        needed.extend(std::mem::take(&mut names).into_iter().filter(|name| !made.contains(name)));
        made.insert(name);
    }
    if let Some(filter) = filter {
        parse(filter)?.columns(&mut names);
    }
    names.extend(others.into_iter().cloned());
    needed.extend(names.into_iter().filter(|name| !made.contains(name)));
    Ok(needed)
}

/// The rows after `let`, `filter` and `collapse`, with the columns that `used` reads. Aggregates see every row of the table, also those in
/// `used`: `evaluate` finds them in the answer as they were before any row went. Rows without a value of a collapse key are dropped.
pub fn prepare(
    table: &Table,
    let_: &[String],
    filter: Option<&str>,
    collapse: &[String],
    used: &[Expression],
    arms: Option<&Expression>,
) -> Result<Rows> {
    let mut table = table.clone();
    // Of what the file's columns each column is made.
    let mut made: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for text in let_ {
        let (name, expression) = definition(text)?;
        made.insert(name.clone(), origins(&expression, &made));
        if table.column(&name).is_some() || table.others.contains(&name) {
            return Err(refused(format!("let `{text}`: there is a column `{name}` already; choose another name")));
        }
        let column = evaluate(&expression, &table)?;
        table.columns.push((name, column));
    }
    let mut names: BTreeSet<String> = collapse.iter().cloned().collect();
    for used in used {
        let mut used = used.clone();
        lift(&mut used, &mut table)?;
        used.columns(&mut names);
    }
    names.iter().try_for_each(|name| evaluate(&Expression::Column(name.clone()), &table).map(drop))?;
    let kept = filter.map(|filter| parse(filter).and_then(|filter| truth(evaluate(&filter, &table)?.as_ref(), &filter))).transpose()?;
    let chosen = filter.map(|filter| parse(filter).map(|filter| origins(&filter, &made))).transpose()?.unwrap_or_default();
    let arms = match arms {
        Some(arms) if origins(arms, &made).is_disjoint(&chosen) && (kept.is_some() || !collapse.is_empty()) => Some(evaluate(arms, &table)?),
        _ => None,
    };
    table.columns.retain(|(name, _)| names.contains(name));
    if let Some(kept) = kept {
        table = keep(table, &kept);
    }
    if collapse.is_empty() {
        return Ok(Rows { table, dropped: 0, arms });
    }
    let (table, dropped) = collapsed(&table, collapse)?;
    Ok(Rows { table, dropped: dropped as u64, arms })
}

/// The file's columns that an expression goes back to.
fn origins(expression: &Expression, made: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    expression.columns(&mut names);
    names.into_iter().flat_map(|name| made.get(&name).cloned().unwrap_or_else(|| BTreeSet::from([name]))).collect()
}

/// The levels of a coded column in the language's order, and the rows of each; none of one that is measured.
pub fn levels(column: &Column) -> Vec<(String, usize)> {
    let Column::Coded { levels, codes } = column else { return Vec::new() };
    let mut counts = vec![0; levels.len() + 1];
    (0..codes.len()).for_each(|row| counts[codes.at(row) as usize] += 1);
    levels.order().into_iter().filter(|level| counts[level + 1] > 0).map(|level| (levels.name(level), counts[level + 1])).collect()
}

/// The rows whose flag is set; levels that are left without a row go.
fn keep(table: Table, kept: &[bool]) -> Table {
    let rows = kept.iter().filter(|kept| **kept).count();
    if rows == table.rows {
        return table;
    }
    // Column by column, so that the old one can go before the next is made.
    let columns = table.columns.into_iter().map(|(name, column)| (name, Arc::new(column.keep(kept, rows).compact()))).collect();
    Table { rows, columns, others: table.others, ..Table::default() }
}

/// One row for each combination of the keys' values, in the order they are met; rows where a key is missing are left out and counted.
fn collapsed(table: &Table, keys: &[String]) -> Result<(Table, usize)> {
    let mut groups = vec![1u32; table.rows];
    let mut first = Vec::new();
    for key in keys {
        let column = evaluate(&Expression::Column(key.clone()), table)?;
        let owned;
        let codes = match column.as_ref() {
            Column::Coded { codes, .. } => codes,
            column => {
                owned = column.coded().1;
                &owned
            }
        };
        let mut slots = Slots::default();
        first.clear();
        for (row, group) in groups.iter_mut().enumerate() {
            let code = codes.at(row);
            if *group == 0 || code == 0 {
                *group = 0;
                continue;
            }
            let pair = u64::from(*group) << 32 | u64::from(code);
            *group = slots.find(pair, |_| true).unwrap_or_else(|at| {
                first.push(row as u32);
                slots.fill(at, pair, first.len() as u32);
                first.len() as u32
            });
        }
    }
    let dropped = groups.iter().filter(|group| **group == 0).count();
    let mut columns = Vec::new();
    for (name, column) in &table.columns {
        let column = match column.as_ref() {
            column if keys.contains(name) => column.take(&first).compact(),
            Column::Coded { levels: levels @ Levels::Texts(_), codes } => only(levels, codes, &groups, first.len()).0,
            // What names groups stays as it is spelt, unless a row stands for several of them.
            Column::Coded { levels: levels @ Levels::Spelt(_), codes } if !only(levels, codes, &groups, first.len()).1 => {
                only(levels, codes, &groups, first.len()).0
            }
            column => {
                let mut totals = vec![Total::default(); first.len()];
                for (row, group) in groups.iter().enumerate().filter(|(_, group)| **group > 0) {
                    let value = column.number(row);
                    if !value.is_nan() {
                        totals[*group as usize - 1].add(value);
                    }
                }
                totals.iter().map(Total::mean).collect()
            }
        };
        columns.push((name.clone(), Arc::new(column)));
    }
    Ok((Table { rows: first.len(), columns, ..Table::default() }, dropped))
}

/// The one value a group has, missing where it has several or none; and whether some group has several.
fn only(levels: &Levels, codes: &Codes, groups: &[u32], count: usize) -> (Column, bool) {
    const SEVERAL: u32 = u32::MAX;
    let mut values = vec![0; count + 1];
    for (row, group) in groups.iter().enumerate() {
        let (value, code) = (&mut values[*group as usize], codes.at(row));
        if code != 0 {
            *value = if *value == 0 || *value == code { code } else { SEVERAL };
        }
    }
    let several = values[1..].contains(&SEVERAL);
    let values = values[1..].iter().map(|value| if *value == SEVERAL { 0 } else { *value }).collect();
    (Column::Coded { levels: levels.clone(), codes: Codes::pack(values, levels.len()) }.compact(), several)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NA: f64 = f64::NAN;

    /// Six visits of four households, the last without a number.
    fn file() -> Table {
        let column = |values: &[f64]| Arc::new(values.iter().copied().collect::<Column>());
        let arms = Levels::Texts(vec!["control".to_string(), "plan".to_string()]);
        let columns = vec![
            ("hh".to_string(), column(&[3.0, 3.0, 1.0, 1.0, 2.0, NA])),
            ("week".to_string(), column(&[-1.0, 1.0, -1.0, 1.0, 1.0, 1.0])),
            ("y".to_string(), column(&[0.0, 1.0, 1.0, NA, 0.0, 1.0])),
            ("arm".to_string(), Arc::new(Column::Coded { levels: arms, codes: Codes::Narrow(vec![1, 1, 2, 2, 1, 2]) })),
        ];
        Table { rows: 6, columns, others: vec!["x".to_string()], ..Table::default() }
    }

    fn rows(table: &Table, let_: &[&str], filter: Option<&str>, collapse: &[&str], used: &[&str]) -> Result<Rows> {
        let used: Vec<Expression> = used.iter().map(|text| parse(text).unwrap()).collect();
        prepare(table, &strings(let_), filter, &strings(collapse), &used, None)
    }

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| text.to_string()).collect()
    }

    /// What an expression is on the rows that are left.
    fn shown(rows: &Rows, text: &str) -> String {
        let (levels, codes) = evaluate(&parse(text).unwrap(), &rows.table).unwrap().coded();
        let cell = |row| if codes.at(row) == 0 { "NA".to_string() } else { levels.name(codes.at(row) as usize - 1) };
        (0..codes.len()).map(cell).collect::<Vec<String>>().join(" ")
    }

    #[test]
    fn only_rows_where_the_filter_is_true_stay() {
        let left = rows(&file(), &[], Some("week > 0"), &[], &["y", "arm"]).unwrap();
        assert_eq!((shown(&left, "y").as_str(), shown(&left, "arm").as_str()), ("1 NA 0 1", "control plan control plan"));
        let left = rows(&file(), &["late = week > 0"], Some("y == 0 & late"), &[], &["y", "hh"]).unwrap();
        assert_eq!((left.table.rows, shown(&left, "hh").as_str()), (1, "2"));
        assert_eq!(left.table.column("hh").map(|column| column.coded().0.len()), Some(1));
    }

    #[test]
    fn an_aggregate_sees_every_row_wherever_it_stands() {
        let change = "y - mean(y, by = hh, where = week < 0)";
        let left = rows(&file(), &["b0 = mean(y, by = hh, where = week < 0)"], Some("week > 0"), &[], &["y", change, "b0"]).unwrap();
        assert_eq!((shown(&left, change).as_str(), shown(&left, "b0").as_str()), ("1 NA NA NA", "0 1 NA NA"));
        let left = rows(&file(), &[], Some("week > 0"), &["arm"], &["arm", "count(by = arm)"]).unwrap();
        assert_eq!((shown(&left, "arm").as_str(), shown(&left, "count(by = arm)").as_str()), ("control plan", "3 3"));
    }

    #[test]
    fn collapse_gives_a_row_for_each_combination_in_the_order_they_are_met() {
        let left = rows(&file(), &[], None, &["hh"], &["hh", "y", "arm"]).unwrap();
        assert_eq!((left.table.rows, left.dropped), (3, 1));
        assert_eq!((shown(&left, "hh").as_str(), shown(&left, "y").as_str(), shown(&left, "y * 2").as_str()), ("3 1 2", "0.5 1 0", "1 2 0"));
        assert_eq!(shown(&left, "arm"), "control plan control");
        let left = rows(&file(), &[], None, &["arm", "week"], &["arm", "week", "hh"]).unwrap();
        assert_eq!((shown(&left, "week").as_str(), shown(&left, "hh").as_str()), ("-1 1 -1 1", "3 2.5 1 1"));
        let left = rows(&file(), &[], None, &["week"], &["week", "arm"]).unwrap();
        assert_eq!((shown(&left, "arm").as_str(), left.dropped), ("NA NA", 0));
    }

    #[test]
    fn columns_are_shared_while_no_row_goes() {
        let file = file();
        let left = rows(&file, &[], Some("week > -5"), &[], &["arm", "week"]).unwrap();
        assert!(left.table.columns.iter().all(|(name, column)| Arc::ptr_eq(column, file.shared(name).unwrap())));
    }

    #[test]
    fn an_existing_name_is_refused_also_one_that_was_not_read() {
        for (text, why) in [("y = 1", "`y` already"), ("x = 1", "`x` already"), ("y == 1", "name = expression"), ("u = v", "no column `v`")] {
            let error = rows(&file(), &[text], None, &[], &[]).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        assert!(rows(&file(), &[], Some("week > 0"), &[], &["u"]).unwrap_err().to_string().contains("no column `u`; there are `hh`"));
    }

    #[test]
    fn what_a_spec_needs_of_the_file_is_told_from_its_text() {
        let names = needed(&strings(&["a = b + c", "`d e` = a > 0"]), Some("`d e` & f == 'NA'"), &strings(&["a", "g"])).unwrap();
        assert_eq!(names.into_iter().collect::<Vec<String>>(), ["b", "c", "f", "g"]);
    }
}
