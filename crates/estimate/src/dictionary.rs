//! Distinct values of a column and the code of each, and the number that a cell holds. A cell costs one look at an open-addressed
//! table; a text is read as a number once, not once for each row that holds it.

use super::column::{Codes, Column, Levels};

/// More distinct numbers than the first, fractions among them, are measurements; more whole numbers than the second are too many to
/// be names of things. Both are held as plain numbers.
const MEASUREMENTS: usize = 1 << 16;
const NAMES: usize = 1 << 20;

/// Whether a numeric column of so many levels is held as plain numbers.
pub fn plain(levels: usize, fractions: bool) -> bool {
    levels > if fractions { MEASUREMENTS } else { NAMES }
}

/// Codes by key. Key 0 stands for missing and has code 0.
pub struct Slots {
    slots: Vec<(u64, u32)>,
    shift: u32,
    held: usize,
}

impl Default for Slots {
    fn default() -> Slots {
        Slots { slots: vec![(0, 0); 256], shift: 56, held: 0 }
    }
}

impl Slots {
    #[inline]
    fn home(&self, key: u64) -> usize {
        ((key ^ (key >> 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> self.shift) as usize
    }

    /// The code under `key` that is the `same`, or the free slot where it belongs.
    #[inline]
    pub fn find(&self, key: u64, same: impl Fn(u32) -> bool) -> Result<u32, usize> {
        let mut at = self.home(key);
        loop {
            let (held, code) = self.slots[at];
            if held == key && same(code) {
                return Ok(code);
            }
            if held == 0 {
                return Err(at);
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    /// Puts a code into the free slot that `find` answered.
    pub fn fill(&mut self, at: usize, key: u64, code: u32) {
        self.slots[at] = (key, code);
        self.held += 1;
        if self.held * 2 > self.slots.len() {
            let old = std::mem::take(&mut self.slots);
            self.slots = vec![(0, 0); old.len() * 2];
            self.shift -= 1;
            for (key, code) in old.into_iter().filter(|slot| slot.0 != 0) {
                if let Err(at) = self.find(key, |_| false) {
                    self.slots[at] = (key, code);
                }
            }
        }
    }
}

/// The first `length` ≤ 8 bytes as a key. Texts hold no zero byte, so no two share a key.
#[inline]
fn short(bytes: &[u8], length: usize) -> u64 {
    const KEEP: [u64; 9] = [0, 0xFF, 0xFFFF, 0xFF_FFFF, 0xFFFF_FFFF, 0xFF_FFFF_FFFF, 0xFFFF_FFFF_FFFF, 0xFF_FFFF_FFFF_FFFF, u64::MAX];
    match bytes.first_chunk::<8>() {
        Some(word) => u64::from_le_bytes(*word) & KEEP[length],
        None => bytes[..length].iter().rev().fold(0, |key, byte| key << 8 | u64::from(*byte)),
    }
}

fn long(text: &[u8]) -> u64 {
    let mix = |hash: u64, part: &[u8]| (hash.rotate_left(29) ^ short(part, part.len())).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    text.chunks(8).fold(text.len() as u64, mix).max(1)
}

/// Distinct texts without zero bytes. Code 0 is the empty text and `NA`.
pub struct Texts {
    short: Slots,
    long: Slots,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Default for Texts {
    fn default() -> Texts {
        let mut texts = Texts { short: Slots::default(), long: Slots::default(), bytes: Vec::new(), ends: vec![0] };
        let missing = short(b"NA", 2);
        if let Err(at) = texts.short.find(missing, |_| true) {
            texts.short.fill(at, missing, 0);
        }
        texts
    }
}

impl Texts {
    /// The highest code given.
    pub fn count(&self) -> usize {
        self.ends.len() - 1
    }

    /// The text behind a code; the empty one behind 0.
    pub fn text(&self, code: usize) -> &[u8] {
        if code == 0 { &[] } else { &self.bytes[self.ends[code - 1]..self.ends[code]] }
    }

    /// The code of the first `length` bytes of `from`; those after them help to read fast and say nothing.
    #[inline]
    pub fn code(&mut self, from: &[u8], length: usize) -> u32 {
        if length <= 8 {
            let key = short(from, length);
            self.short.find(key, |_| true).unwrap_or_else(|at| {
                let code = self.add(&from[..length]);
                self.short.fill(at, key, code);
                code
            })
        } else {
            let text = &from[..length];
            let key = long(text);
            self.long.find(key, |code| self.text(code as usize) == text).unwrap_or_else(|at| {
                let code = self.add(text);
                self.long.fill(at, key, code);
                code
            })
        }
    }

    /// The texts as levels of a column, and the level's code for each code given: spaces alone and ` NA ` are missing too.
    pub fn levels(&self) -> (Vec<String>, Vec<u32>) {
        let (mut levels, mut map) = (Vec::new(), vec![0]);
        for code in 1..=self.count() {
            let text = self.text(code);
            let missing = matches!(text.trim_ascii(), b"" | b"NA");
            if !missing {
                levels.push(String::from_utf8_lossy(text).into_owned());
            }
            map.push(if missing { 0 } else { levels.len() as u32 });
        }
        (levels, map)
    }

    fn add(&mut self, text: &[u8]) -> u32 {
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len());
        self.count() as u32
    }
}

/// A numeric column as it is met: coded, and plain numbers once the levels are many.
#[derive(Default)]
pub struct Numbers {
    slots: Slots,
    levels: Vec<f64>,
    codes: Codes,
    fractions: bool,
    plain: Option<Vec<f64>>,
    part: Vec<u32>,
}

impl Numbers {
    pub fn with_capacity(rows: usize) -> Numbers {
        Numbers { codes: Codes::Narrow(Vec::with_capacity(rows)), ..Numbers::default() }
    }

    /// The code of a number: 0 if it is not finite. −0 and 0 are one.
    #[inline]
    pub fn code(&mut self, value: f64) -> u32 {
        let key = if value.is_finite() { (value + 0.0).to_bits() + 1 } else { 0 };
        self.slots.find(key, |_| true).unwrap_or_else(|at| {
            self.levels.push(value + 0.0);
            self.fractions |= value.fract() != 0.0;
            self.slots.fill(at, key, self.levels.len() as u32);
            self.levels.len() as u32
        })
    }

    pub fn extend(&mut self, values: &[f64]) {
        let finite = |value: &f64| if value.is_finite() { *value } else { f64::NAN };
        if let Some(plain) = &mut self.plain {
            plain.extend(values.iter().map(finite));
            return;
        }
        for values in values.chunks(1 << 12) {
            let mut part = std::mem::take(&mut self.part);
            part.clear();
            part.extend(values.iter().map(|value| self.code(*value)));
            self.codes.extend(part.iter().copied(), self.levels.len());
            self.part = part;
        }
        if plain(self.levels.len(), self.fractions) {
            let codes = std::mem::take(&mut self.codes);
            let mut plain = Vec::with_capacity(codes.capacity());
            plain.extend((0..codes.len()).map(|row| match codes.at(row) {
                0 => f64::NAN,
                code => self.levels[code as usize - 1],
            }));
            self.plain = Some(plain);
            (self.slots, self.levels) = (Slots::default(), Vec::new());
        }
    }

    pub fn finish(self) -> Column {
        match self.plain {
            Some(values) => Column::Numbers(values),
            None => Column::Coded { levels: Levels::Numbers(self.levels), codes: self.codes },
        }
    }

    /// The highest code given.
    pub fn count(&self) -> usize {
        self.levels.len()
    }

    /// The levels, when only codes were asked for.
    pub fn levels(self) -> Vec<f64> {
        self.levels
    }
}

/// The texts that are numbers, and the level's code for each text's.
pub fn spelt(texts: &Texts, values: &[f64]) -> (Vec<(String, f64)>, Vec<u32>) {
    let (mut levels, mut map) = (Vec::new(), vec![0]);
    for (at, value) in values.iter().enumerate() {
        if !value.is_nan() {
            levels.push((String::from_utf8_lossy(texts.text(at + 1)).into_owned(), *value));
        }
        map.push(if value.is_nan() { 0 } else { levels.len() as u32 });
    }
    (levels, map)
}

/// What a cell holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell {
    Missing,
    Number(f64),
    Text,
}

/// Reads a cell. Spaces round it do not count; what is no finite number (`NaN`, `Inf`) is missing, and so are Stata's `.` and `.a` to `.z`:
/// beside numbers they are nothing else. A column that holds text holds them as they are.
pub fn cell(text: &[u8]) -> Cell {
    if let Some(value) = decimal(text) {
        return Cell::Number(value);
    }
    match text.trim_ascii() {
        b"" | b"NA" => Cell::Missing,
        b"." | [b'.', b'a'..=b'z'] => Cell::Missing,
        text if text.eq_ignore_ascii_case(b"TRUE") => Cell::Number(1.0),
        text if text.eq_ignore_ascii_case(b"FALSE") => Cell::Number(0.0),
        text => match std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok()) {
            Some(value) if value.is_finite() => Cell::Number(value),
            Some(_) => Cell::Missing,
            None => Cell::Text,
        },
    }
}

/// The same where cells are not separated by commas: there a comma is decimal.
#[inline]
pub fn written(text: &[u8], commas: bool) -> Cell {
    if !commas || text.len() > 64 || memchr::memchr(b',', text).is_none() {
        return cell(text);
    }
    let mut pointed = [0; 64];
    let pointed = &mut pointed[..text.len()];
    pointed.copy_from_slice(text);
    let mut changed = 0;
    for byte in pointed.iter_mut() {
        match byte {
            b',' => {
                *byte = b'.';
                changed += 1;
            }
            b'.' => return Cell::Text,
            _ => {}
        }
    }
    // A comma alone is no Stata point.
    if changed == 1 && cell(pointed) != Cell::Missing { cell(pointed) } else { Cell::Text }
}

/// Digits with a sign and a point, as long as one rounding gives the nearest number.
#[inline]
fn decimal(text: &[u8]) -> Option<f64> {
    const POWERS: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if digits.len() > 16 {
        return None;
    }
    let (mut whole, mut point) = (0u64, None);
    for (i, byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => whole = whole * 10 + u64::from(byte - b'0'),
            b'.' if point.is_none() => point = Some(i),
            _ => return None,
        }
    }
    let places = point.map_or(0, |at| digits.len() - 1 - at);
    if digits.len() == usize::from(point.is_some()) || whole > 1 << 53 {
        return None;
    }
    let value = whole as f64 / POWERS[places];
    Some(if digits.len() < text.len() { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_read_as_the_nearest_number() {
        let texts = [
            "0",
            "-1.9106",
            "7.",
            ".5",
            "+3",
            "1e-3",
            " 12 ",
            "9007199254740993",
            "0.1234567890123456",
            "-0.000000000000001",
            "1e400",
            "123456789012345678",
        ];
        for text in texts {
            let want = text.trim().parse::<f64>().unwrap();
            let want = if want.is_finite() { Cell::Number(want) } else { Cell::Missing };
            assert_eq!(cell(text.as_bytes()), want, "{text}");
        }
        for text in ["", " ", "NA", " NA", "NaN", "-Inf", "inf", ".", " . ", ".a", ".z"] {
            assert_eq!(cell(text.as_bytes()), Cell::Missing, "{text}");
        }
        for text in ["-", "..", ".A", ".ab", "a.", "1 2", "Truth", "0x10", "1,5", "1_000", "e5", "--1"] {
            assert_eq!(cell(text.as_bytes()), Cell::Text, "{text}");
        }
        assert_eq!([b"TRUE", b"True", b"true"].map(|text| cell(text)), [Cell::Number(1.0); 3]);
        assert_eq!(cell(b" False"), Cell::Number(0.0));
        assert_eq!(written(b"-1,5", true), Cell::Number(-1.5));
        assert_eq!((written(b"1.5", true), written(b"1,5", false), written(b"", true)), (Cell::Number(1.5), Cell::Text, Cell::Missing));
        for text in ["1.234,5", "1,2,3", "a,b", ","] {
            assert_eq!(written(text.as_bytes(), true), Cell::Text, "{text}");
        }
    }

    #[test]
    fn every_text_keeps_its_own_code_while_the_table_grows() {
        let mut texts = Texts::default();
        let words: Vec<String> = (0..5000).map(|i| format!("{}{i}", "x".repeat(i % 12))).collect();
        for word in words.iter().chain(&words) {
            let code = texts.code(word.as_bytes(), word.len()) as usize;
            assert_eq!(texts.text(code), word.as_bytes());
        }
        assert_eq!((texts.count(), texts.code(b"NA", 2), texts.code(b"", 0)), (5000, 0, 0));
    }

    #[test]
    fn measurements_become_numbers_and_names_stay_codes() {
        let values: Vec<f64> = (0..70_000).map(f64::from).collect();
        let (mut names, mut measurements) = (Numbers::default(), Numbers::default());
        names.extend(&values);
        measurements.extend(&values.iter().map(|v| v / 2.0).collect::<Vec<f64>>());
        measurements.extend(&[f64::INFINITY, 7.0]);
        assert!(matches!(names.finish(), Column::Coded { codes: Codes::Wide(_), .. }));
        let Column::Numbers(held) = measurements.finish() else { panic!("codes") };
        assert_eq!((held.len(), held[3], held[70_001]), (70_002, 1.5, 7.0));
        assert!(held[70_000].is_nan());
    }
}
