//! A column in memory: codes for one of few values, numbers for the others.

use super::spelling::digits;
use std::collections::HashMap;

/// Distinct values in the order they were met.
#[derive(Debug, Clone, PartialEq)]
pub enum Levels {
    Numbers(Vec<f64>),
    Texts(Vec<String>),
    /// Numbers that name groups, told apart by their characters: `01` is not `1`, and eighteen digits are all of them.
    Spelt(Vec<Spelt>),
}

/// A number as it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Spelt {
    pub value: f64,
    /// How the level is called: without what does not change the number, where no other level is the same number.
    pub name: String,
}

/// One code a row: 0 is missing, `c` is level `c − 1`. The narrowest width that holds all levels.
#[derive(Debug, Clone, PartialEq)]
pub enum Codes {
    Narrow(Vec<u8>),
    Middle(Vec<u16>),
    Wide(Vec<u32>),
}

/// A column. Text is always coded; numbers are coded while their distinct values are few.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    Coded {
        levels: Levels,
        codes: Codes,
    },
    /// Missing is NaN.
    Numbers(Vec<f64>),
}

impl Default for Codes {
    fn default() -> Codes {
        Codes::Narrow(Vec::new())
    }
}

impl Codes {
    #[inline]
    pub fn at(&self, row: usize) -> u32 {
        match self {
            Codes::Narrow(codes) => u32::from(codes[row]),
            Codes::Middle(codes) => u32::from(codes[row]),
            Codes::Wide(codes) => codes[row],
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Codes::Narrow(codes) => codes.len(),
            Codes::Middle(codes) => codes.len(),
            Codes::Wide(codes) => codes.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Packs codes 0..=`most` into the narrowest width.
    pub fn pack(codes: Vec<u32>, most: usize) -> Codes {
        if u8::try_from(most).is_ok() {
            Codes::Narrow(codes.into_iter().map(|c| c as u8).collect())
        } else if u16::try_from(most).is_ok() {
            Codes::Middle(codes.into_iter().map(|c| c as u16).collect())
        } else {
            Codes::Wide(codes)
        }
    }

    pub fn capacity(&self) -> usize {
        match self {
            Codes::Narrow(codes) => codes.capacity(),
            Codes::Middle(codes) => codes.capacity(),
            Codes::Wide(codes) => codes.capacity(),
        }
    }

    pub fn reserve(&mut self, rows: usize) {
        match self {
            Codes::Narrow(codes) => codes.reserve_exact(rows),
            Codes::Middle(codes) => codes.reserve_exact(rows),
            Codes::Wide(codes) => codes.reserve_exact(rows),
        }
    }

    pub fn shrink(&mut self) {
        match self {
            Codes::Narrow(codes) => codes.shrink_to_fit(),
            Codes::Middle(codes) => codes.shrink_to_fit(),
            Codes::Wide(codes) => codes.shrink_to_fit(),
        }
    }

    /// Appends codes 0..=`most`; the width grows when it must.
    pub fn extend(&mut self, more: impl Iterator<Item = u32>, most: usize) {
        match self {
            Codes::Narrow(codes) if most > usize::from(u8::MAX) => {
                let mut wider = Vec::with_capacity(codes.capacity());
                wider.extend(codes.iter().map(|c| u16::from(*c)));
                *self = Codes::Middle(wider);
                self.extend(more, most);
            }
            Codes::Middle(codes) if most > usize::from(u16::MAX) => {
                let mut wider = Vec::with_capacity(codes.capacity());
                wider.extend(codes.iter().map(|c| u32::from(*c)));
                *self = Codes::Wide(wider);
                self.extend(more, most);
            }
            Codes::Narrow(codes) => codes.extend(more.map(|c| c as u8)),
            Codes::Middle(codes) => codes.extend(more.map(|c| c as u16)),
            Codes::Wide(codes) => codes.extend(more),
        }
    }

    /// Each code through a map of old codes to codes 0..=`most`.
    pub fn through(&self, map: &[u32], most: usize) -> Codes {
        let mut codes = Codes::default();
        codes.extend(std::iter::empty(), most);
        codes.reserve(self.len());
        match self {
            Codes::Narrow(old) => codes.extend(old.iter().map(|c| map[usize::from(*c)]), most),
            Codes::Middle(old) => codes.extend(old.iter().map(|c| map[usize::from(*c)]), most),
            Codes::Wide(old) => codes.extend(old.iter().map(|c| map[*c as usize]), most),
        }
        codes
    }

    /// Adds the codes from row `from` on, times `stride`, to `sums`.
    pub fn add(&self, from: usize, stride: u32, sums: &mut [u32]) {
        match self {
            Codes::Narrow(codes) => sums.iter_mut().zip(&codes[from..]).for_each(|(sum, c)| *sum += u32::from(*c) * stride),
            Codes::Middle(codes) => sums.iter_mut().zip(&codes[from..]).for_each(|(sum, c)| *sum += u32::from(*c) * stride),
            Codes::Wide(codes) => sums.iter_mut().zip(&codes[from..]).for_each(|(sum, c)| *sum += *c * stride),
        }
    }

    pub fn has_missing(&self) -> bool {
        match self {
            Codes::Narrow(codes) => codes.contains(&0),
            Codes::Middle(codes) => codes.contains(&0),
            Codes::Wide(codes) => codes.contains(&0),
        }
    }

    /// Which of the codes 0..=`most` occur.
    fn present(&self, most: usize) -> Vec<bool> {
        let mut present = vec![false; most + 1];
        match self {
            Codes::Narrow(codes) => codes.iter().for_each(|c| present[usize::from(*c)] = true),
            Codes::Middle(codes) => codes.iter().for_each(|c| present[usize::from(*c)] = true),
            Codes::Wide(codes) => codes.iter().for_each(|c| present[*c as usize] = true),
        }
        present
    }

    fn take(&self, rows: &[u32]) -> Codes {
        match self {
            Codes::Narrow(codes) => Codes::Narrow(rows.iter().map(|r| codes[*r as usize]).collect()),
            Codes::Middle(codes) => Codes::Middle(rows.iter().map(|r| codes[*r as usize]).collect()),
            Codes::Wide(codes) => Codes::Wide(rows.iter().map(|r| codes[*r as usize]).collect()),
        }
    }

    fn keep(&self, kept: &[bool], rows: usize) -> Codes {
        match self {
            Codes::Narrow(codes) => Codes::Narrow(keep(codes, kept, rows)),
            Codes::Middle(codes) => Codes::Middle(keep(codes, kept, rows)),
            Codes::Wide(codes) => Codes::Wide(keep(codes, kept, rows)),
        }
    }
}

/// The values whose flag is set, `rows` in all.
fn keep<T: Copy>(values: &[T], kept: &[bool], rows: usize) -> Vec<T> {
    let mut out = Vec::with_capacity(rows);
    out.extend(values.iter().zip(kept).filter(|(_, kept)| **kept).map(|(value, _)| *value));
    out
}

impl Levels {
    pub fn len(&self) -> usize {
        match self {
            Levels::Numbers(values) => values.len(),
            Levels::Texts(values) => values.len(),
            Levels::Spelt(values) => values.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Levels of the texts of numbers and their values, each by its own characters.
    pub fn spelt(texts: &[(String, f64)], commas: bool) -> Levels {
        let bare: Vec<String> = texts.iter().map(|(text, _)| digits(text, commas)).collect();
        let mut counts: HashMap<&str, usize> = HashMap::new();
        bare.iter().for_each(|bare| *counts.entry(bare).or_default() += 1);
        let name = |at: usize| if counts[bare[at].as_str()] == 1 { bare[at].clone() } else { texts[at].0.clone() };
        Levels::Spelt(texts.iter().enumerate().map(|(at, (_, value))| Spelt { value: *value, name: name(at) }).collect())
    }

    /// How a level is written in a term: numbers without trailing zeros.
    pub fn name(&self, level: usize) -> String {
        match self {
            Levels::Numbers(values) => format!("{}", values[level]),
            Levels::Texts(values) => values[level].clone(),
            Levels::Spelt(values) => values[level].name.clone(),
        }
    }

    /// Levels in the language's order: numbers ascending, text by bytes.
    pub fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.len()).collect();
        match self {
            Levels::Numbers(values) => order.sort_by(|a, b| values[*a].total_cmp(&values[*b])),
            Levels::Texts(values) => order.sort_by(|a, b| values[*a].cmp(&values[*b])),
            Levels::Spelt(values) => {
                let key = |at: usize| (values[at].name.len(), &values[at].name);
                order.sort_by(|a, b| values[*a].value.total_cmp(&values[*b].value).then_with(|| key(*a).cmp(&key(*b))));
            }
        }
        order
    }
}

impl Column {
    pub fn len(&self) -> usize {
        match self {
            Column::Coded { codes, .. } => codes.len(),
            Column::Numbers(values) => values.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn is_text(&self) -> bool {
        matches!(self, Column::Coded { levels: Levels::Texts(_), .. })
    }

    #[inline]
    pub fn is_missing(&self, row: usize) -> bool {
        match self {
            Column::Coded { codes, .. } => codes.at(row) == 0,
            Column::Numbers(values) => values[row].is_nan(),
        }
    }

    /// The number in a row; NaN where it is missing, or where the column is text.
    #[inline]
    pub fn number(&self, row: usize) -> f64 {
        match self {
            Column::Numbers(values) => values[row],
            Column::Coded { levels: Levels::Numbers(values), codes } => match codes.at(row) {
                0 => f64::NAN,
                code => values[code as usize - 1],
            },
            Column::Coded { levels: Levels::Spelt(values), codes } => match codes.at(row) {
                0 => f64::NAN,
                code => values[code as usize - 1].value,
            },
            Column::Coded { .. } => f64::NAN,
        }
    }

    pub fn take(&self, rows: &[u32]) -> Column {
        match self {
            Column::Coded { levels, codes } => Column::Coded { levels: levels.clone(), codes: codes.take(rows) },
            Column::Numbers(values) => Column::Numbers(rows.iter().map(|r| values[*r as usize]).collect()),
        }
    }

    /// The rows whose flag is set, `rows` in all.
    pub fn keep(&self, kept: &[bool], rows: usize) -> Column {
        match self {
            Column::Coded { levels, codes } => Column::Coded { levels: levels.clone(), codes: codes.keep(kept, rows) },
            Column::Numbers(values) => Column::Numbers(keep(values, kept, rows)),
        }
    }

    pub fn has_missing(&self) -> bool {
        match self {
            Column::Coded { codes, .. } => codes.has_missing(),
            Column::Numbers(values) => values.iter().any(|value| value.is_nan()),
        }
    }

    /// The column without the levels that no row has.
    pub fn compact(self) -> Column {
        let Column::Coded { levels, codes } = self else { return self };
        let present = codes.present(levels.len());
        if present[1..].iter().all(|present| *present) {
            return Column::Coded { levels, codes };
        }
        let mut most = 0;
        let map: Vec<u32> = std::iter::once(0)
            .chain(present[1..].iter().map(|present| {
                most += u32::from(*present);
                most
            }))
            .collect();
        let mut here = present[1..].iter();
        let mut stays = || here.next().copied().unwrap_or(false);
        let levels = match levels {
            Levels::Numbers(values) => Levels::Numbers(values.into_iter().filter(|_| stays()).collect()),
            Levels::Texts(values) => Levels::Texts(values.into_iter().filter(|_| stays()).collect()),
            Levels::Spelt(values) => Levels::Spelt(values.into_iter().filter(|_| stays()).collect()),
        };
        Column::Coded { levels, codes: codes.through(&map, most as usize) }
    }
}
