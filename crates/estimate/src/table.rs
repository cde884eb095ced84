//! A file's columns in memory.

use super::dictionary::Numbers;
use std::collections::BTreeSet;
use std::sync::Arc;

pub use super::column::{Codes, Column, Levels, Spelt};

/// Columns of equal length. Only those that were asked for are held, in the file's order. A copy of the table shares them.
#[derive(Debug, Clone, Default)]
pub struct Table {
    pub rows: usize,
    pub columns: Vec<(String, Arc<Column>)>,
    /// The file's other columns, by name.
    pub others: Vec<String>,
    /// Columns that were hardly meant as they were read.
    pub doubts: Vec<Doubt>,
}

/// What is doubtful of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    pub column: String,
    pub line: String,
    /// Whether a spec that uses the column is refused; otherwise it is told.
    pub refused: bool,
    pub matters: Matters,
}

/// For which use of a column a doubt matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matters {
    Anywhere,
    /// In a formula, as weights or times; not where it is a cluster or a block, which may well be text.
    InFormula,
    /// Where its numbers are reckoned with.
    AsNumber,
    /// Where its values name groups.
    AsGroup,
}

impl FromIterator<f64> for Column {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Column {
        let mut numbers = Numbers::default();
        let mut values = values.into_iter();
        loop {
            let part: Vec<f64> = values.by_ref().take(1 << 12).collect();
            if part.is_empty() {
                return numbers.finish();
            }
            numbers.extend(&part);
        }
    }
}

impl Column {
    /// The column by its numbers, however they were spelt; `None` for one that is by its numbers already, or text.
    pub fn by_value(&self) -> Option<Column> {
        let Column::Coded { levels: Levels::Spelt(values), codes } = self else { return None };
        let mut numbers = Numbers::default();
        let map: Vec<u32> = std::iter::once(0).chain(values.iter().map(|level| numbers.code(level.value))).collect();
        let levels = numbers.levels();
        let codes = codes.through(&map, levels.len());
        Some(Column::Coded { levels: Levels::Numbers(levels), codes })
    }

    /// The column as codes, whatever it was. −0 and 0 are one level.
    pub fn coded(&self) -> (Levels, Codes) {
        match self {
            Column::Coded { levels, codes } => (levels.clone(), codes.clone()),
            Column::Numbers(values) => {
                let mut numbers = Numbers::default();
                let codes: Vec<u32> = values.iter().map(|value| numbers.code(*value)).collect();
                let levels = numbers.levels();
                let most = levels.len();
                (Levels::Numbers(levels), Codes::pack(codes, most))
            }
        }
    }
}

impl Table {
    /// The table for a spec in which these columns name groups: all others go by their numbers, whatever another spec of the file makes of them.
    pub fn grouped(&self, groups: &BTreeSet<String>) -> Table {
        let mut table = self.clone();
        for (_, column) in table.columns.iter_mut().filter(|(name, _)| !groups.contains(name)) {
            if let Some(plain) = column.by_value() {
                *column = Arc::new(plain);
            }
        }
        table
    }

    pub fn column(&self, name: &str) -> Option<&Column> {
        self.shared(name).map(Arc::as_ref)
    }

    pub fn shared(&self, name: &str) -> Option<&Arc<Column>> {
        self.columns.iter().find(|(own, _)| own == name).map(|(_, column)| column)
    }
}
