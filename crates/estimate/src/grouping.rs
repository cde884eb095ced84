//! Groups of rows: clusters, blocks, absorbed effects, arms.

use super::table::{Codes, Column, Levels};
use std::borrow::Cow;
use std::collections::HashMap;

/// A grouping of rows into 0..count, with the column it came from.
#[derive(Debug, Clone)]
pub struct Grouping {
    pub codes: Codes,
    /// Level of the file's column for each group.
    pub names: Vec<String>,
}

impl Grouping {
    /// The values of a column without missing ones, numbered as they come.
    pub fn new(column: &Column, rows: usize) -> Grouping {
        let (levels, codes) = coded(column);
        let mut new = vec![u32::MAX; levels.len() + 1];
        let mut names = Vec::new();
        let packed = (0..rows)
            .map(|row| {
                let code = codes.at(row) as usize;
                if new[code] == u32::MAX {
                    new[code] = names.len() as u32;
                    names.push(levels.name(code.max(1) - 1));
                }
                new[code]
            })
            .collect();
        Grouping { codes: Codes::pack(packed, names.len()), names }
    }

    /// The same, numbered in the language's order of levels: numbers ascending, text by bytes.
    pub fn ordered(column: &Column, rows: usize) -> Grouping {
        let (levels, codes) = coded(column);
        let mut present = vec![false; levels.len() + 1];
        (0..rows).for_each(|row| present[codes.at(row) as usize] = true);
        let mut rank = vec![0; levels.len() + 1];
        let mut names = Vec::new();
        for level in levels.order().into_iter().filter(|level| present[level + 1]) {
            rank[level + 1] = names.len() as u32;
            names.push(levels.name(level));
        }
        Grouping { codes: Codes::pack((0..rows).map(|row| rank[codes.at(row) as usize]).collect(), names.len()), names }
    }

    /// Groups of both: rows that share one of each.
    pub fn with(&self, other: &Grouping, rows: usize) -> Grouping {
        let mut found: HashMap<(u32, u32), u32> = HashMap::new();
        let codes = (0..rows)
            .map(|row| {
                let next = found.len() as u32;
                *found.entry((self.at(row), other.at(row))).or_insert(next)
            })
            .collect();
        Grouping { codes: Codes::pack(codes, found.len()), names: vec![String::new(); found.len()] }
    }

    pub fn count(&self) -> usize {
        self.names.len()
    }

    #[inline]
    pub fn at(&self, row: usize) -> u32 {
        self.codes.at(row)
    }

    /// The groups of some rows, numbered anew without those that have none.
    pub fn keep(&self, rows: &[u32]) -> Grouping {
        let mut present = vec![false; self.count()];
        rows.iter().for_each(|row| present[self.at(*row as usize) as usize] = true);
        let mut new = vec![0; self.count()];
        let mut names = Vec::new();
        for (group, name) in self.names.iter().enumerate().filter(|(group, _)| present[*group]) {
            new[group] = names.len() as u32;
            names.push(name.clone());
        }
        let codes = rows.iter().map(|row| new[self.at(*row as usize) as usize]).collect();
        Grouping { codes: Codes::pack(codes, names.len()), names }
    }
}

/// A column's codes, made only where it has none.
fn coded(column: &Column) -> (Cow<'_, Levels>, Cow<'_, Codes>) {
    match column {
        Column::Coded { levels, codes } => (Cow::Borrowed(levels), Cow::Borrowed(codes)),
        column => {
            let (levels, codes) = column.coded();
            (Cow::Owned(levels), Cow::Owned(codes))
        }
    }
}
