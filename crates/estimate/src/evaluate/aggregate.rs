//! `mean sum min max count` by group: each row gets the value of its group, over the group's rows that have a value and meet the condition.

use std::borrow::Cow;
use std::sync::Arc;

use super::{evaluate, refused, truth};
use crate::dictionary::Numbers;
use crate::error::Result;
use crate::expression::{Aggregate, Expression, Summary};
use crate::table::{Codes, Column, Levels, Table};

/// Count, sum and range of the numbers added. The sum carries what rounding loses.
#[derive(Clone, Copy)]
pub struct Total {
    pub count: u64,
    sum: f64,
    carry: f64,
    low: f64,
    high: f64,
}

impl Default for Total {
    fn default() -> Total {
        Total { count: 0, sum: 0.0, carry: 0.0, low: f64::INFINITY, high: f64::NEG_INFINITY }
    }
}

impl Total {
    #[inline]
    pub fn add(&mut self, value: f64) {
        let sum = self.sum + value;
        self.carry += if self.sum.abs() >= value.abs() { self.sum - sum + value } else { value - sum + self.sum };
        self.sum = sum;
        self.count += 1;
        self.low = self.low.min(value);
        self.high = self.high.max(value);
    }

    /// NaN without numbers; of equal numbers, that number.
    pub fn mean(&self) -> f64 {
        if self.low == self.high { self.low } else { (self.sum + self.carry) / self.count as f64 }
    }
}

/// The value of its group for each row, from every row of the table.
pub fn summarise(aggregate: &Aggregate, table: &Table) -> Result<Arc<Column>> {
    let of = aggregate.of.as_ref().map(|of| evaluate(of, table)).transpose()?;
    let by = aggregate.by.as_ref().map(|by| evaluate(by, table)).transpose()?;
    let counted = match &aggregate.condition {
        Some(condition) => Some(truth(evaluate(condition, table)?.as_ref(), condition)?),
        None => None,
    };
    if let (Some(column), Some(of)) = (&of, &aggregate.of)
        && column.is_text()
        && aggregate.summary != Summary::Count
    {
        return Err(refused(format!("`{of}` is text, and `{}` needs numbers", Expression::Aggregate(Box::new(aggregate.clone())))));
    }
    let by = match by.as_deref() {
        None => None,
        Some(Column::Coded { levels, codes }) => Some((levels.len(), Cow::Borrowed(codes))),
        Some(column) => Some(column.coded()).map(|(levels, codes)| (levels.len(), Cow::Owned(codes))),
    };
    let mut totals = vec![Total::default(); by.as_ref().map_or(2, |(groups, _)| groups + 1)];
    for row in 0..table.rows {
        if counted.as_ref().is_some_and(|counted| !counted[row]) {
            continue;
        }
        let group = by.as_ref().map_or(1, |(_, codes)| codes.at(row) as usize);
        match &of {
            Some(of) if aggregate.summary == Summary::Count => totals[group].count += u64::from(!of.is_missing(row)),
            Some(of) => {
                let value = of.number(row);
                if !value.is_nan() {
                    totals[group].add(value);
                }
            }
            None => totals[group].count += 1,
        }
    }
    let mut numbers = Numbers::default();
    let value = |total: &Total| match aggregate.summary {
        Summary::Count => total.count as f64,
        Summary::Sum => total.sum + total.carry,
        Summary::Mean => total.mean(),
        Summary::Min => total.low,
        Summary::Max => total.high,
    };
    // A row whose group is missing has code 0, and so no value.
    let map: Vec<u32> = std::iter::once(0).chain(totals[1..].iter().map(|total| numbers.code(value(total)))).collect();
    let levels = numbers.levels();
    let codes = match by {
        Some((_, codes)) => codes.through(&map, levels.len()),
        None => Codes::Narrow(vec![map[1] as u8; table.rows]),
    };
    Ok(Arc::new(Column::Coded { levels: Levels::Numbers(levels), codes }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_numbers_have_that_number_as_their_mean_and_the_sum_keeps_what_rounding_loses() {
        let mut total = Total::default();
        (0..1000).for_each(|_| total.add(0.1));
        assert_eq!(total.mean(), 0.1);
        [1e16, 1.0, -1e16].into_iter().for_each(|value| total.add(value));
        assert!((total.sum + total.carry - 101.0).abs() < 1e-9);
    }
}
