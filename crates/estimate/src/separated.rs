//! Rows of separated cells into columns. Each thread reads its own blocks into its own codes; blocks are joined in the file's order, so
//! that neither the number of threads nor the size of the blocks shows in the result.

use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use memchr::{memchr, memrchr};

use super::blocks::{Block, Fields, Source, empty, fields, newlines};
use super::dictionary::{Cell, Numbers, Texts, plain, spelt, written};
use super::doubts::Signs;
use super::spelling::{WHOLE, overlong, plainly, twins};
use super::table::{Codes, Column, Levels};

/// Rows are cut into fields so many bytes at a time: both fit the processor's cache.
const CHUNK: usize = 1 << 15;

/// What stands in the way of a column.
pub enum Fault {
    /// The line, from 1, and what is wrong with it.
    Line(usize, String),
    Reading(io::Error),
    /// A column must be held otherwise than it was: to be read again.
    Again(usize, Held),
    /// What is wrong with a wanted column as a whole.
    Column(usize, &'static str),
}

/// How a column is to be held, as far as that is known before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Codes while its values are few, numbers when they are many.
    Fitting,
    /// Codes however many: its numbers are written in several ways, and it names groups.
    Coded,
    Text,
}

/// A wanted column: its place, whether it names groups, and how it is held.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    pub place: usize,
    pub group: bool,
    pub held: Held,
}

/// What is read: the columns among `width`, and the length of the header.
pub struct Wanted<'a> {
    pub width: usize,
    pub columns: &'a [Asked],
    pub header_lines: usize,
    /// Bytes, as far as the file tells.
    pub size: Option<u64>,
    /// What separates cells. Where it is no comma, a comma within a cell is decimal.
    pub delimiter: u8,
}

impl Wanted<'_> {
    pub fn commas(&self) -> bool {
        self.delimiter != b','
    }
}

/// A column as one thread meets it. Its codes are its own; `shared` leads from them to the codes of all.
#[derive(Default)]
struct Own {
    texts: Texts,
    shared: Vec<u32>,
    checked: usize,
    codes: Vec<u32>,
    plain: bool,
    group: bool,
    numbers: Vec<f64>,
    signs: Signs,
    overlong: Option<Box<str>>,
}

#[derive(Default)]
struct Joined {
    texts: Texts,
    values: Vec<f64>,
    codes: Codes,
    text: bool,
    group: bool,
    /// Numbers that are not written the one way that tells them apart by value stay coded where they name groups.
    coded: bool,
    fractions: bool,
    plain: Option<Vec<f64>>,
    signs: Signs,
    overlong: Option<Box<str>>,
}

struct Join {
    columns: Vec<Joined>,
    rows: usize,
    lines: usize,
    next: usize,
    fault: Option<Fault>,
}

/// A column as it was read, and what is to be told of it.
pub struct Read {
    pub column: Column,
    pub signs: Signs,
    /// The first whole number with more digits than a number holds.
    pub overlong: Option<Box<str>>,
    /// Two texts that are one number and name two groups.
    pub twins: Option<[String; 2]>,
}

/// The number of rows, and the columns in the order they were wanted.
type Found = (usize, Vec<Read>);

/// Reads all rows of the source on so many threads.
pub fn read(source: Source, wanted: &Wanted, threads: usize) -> Result<Found, Fault> {
    let begun = |asked: &Asked| Joined { text: asked.held == Held::Text, coded: asked.held == Held::Coded, group: asked.group, ..Joined::default() };
    let columns = wanted.columns.iter().map(begun).collect();
    let join = Mutex::new(Join { columns, rows: 0, lines: wanted.header_lines, next: 0, fault: None });
    let (source, turn) = (Mutex::new(source), Condvar::new());
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| work(&source, &join, &turn, wanted));
        }
    });
    let join = join.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mixed = join.columns.iter().position(Joined::mixed).filter(|_| wanted.commas());
    match (join.fault, mixed) {
        (Some(fault), _) => Err(fault),
        (None, Some(at)) => Err(Fault::Column(at, "holds numbers with a decimal comma and numbers with a point; write them all one way")),
        (None, None) => {
            let finished = join.columns.into_iter().map(|column| column.finish(wanted.commas())).collect();
            Ok((join.rows, finished))
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn work(source: &Mutex<Source>, join: &Mutex<Join>, turn: &Condvar, wanted: &Wanted) {
    let own = wanted.columns.iter().map(|asked| Own { group: asked.group, ..Own::default() }).collect();
    let mut reader = Reader { own, starts: Vec::new(), fields: Fields::new(wanted.delimiter) };
    let mut block = Block::default();
    loop {
        let read = match lock(source).next(&mut block) {
            Ok(false) => return,
            Ok(true) => Ok(()),
            Err(error) => Err(Fault::Reading(error)),
        };
        let read = read.and_then(|()| reader.read(&block, wanted));
        let mut join = lock(join);
        while join.next != block.order && join.fault.is_none() {
            join = turn.wait(join).unwrap_or_else(PoisonError::into_inner);
        }
        if join.fault.is_none() {
            let before = join.lines;
            join.fault = match read.and_then(|(rows, lines)| join.add(&mut reader.own, rows, lines, block.length, wanted)) {
                Ok(()) => None,
                Err(Fault::Line(line, what)) => Some(Fault::Line(before + line, what)),
                Err(fault) => Some(fault),
            };
            join.next += 1;
        }
        turn.notify_all();
        if join.fault.is_some() {
            return;
        }
    }
}

struct Reader {
    own: Vec<Own>,
    starts: Vec<u32>,
    fields: Fields,
}

impl Reader {
    /// Reads a block into the thread's own columns; answers its rows and its lines.
    fn read(&mut self, block: &Block, wanted: &Wanted) -> Result<(usize, usize), Fault> {
        let bytes = &block.bytes;
        for own in &mut self.own {
            own.codes.clear();
            own.numbers.clear();
        }
        if let Some(at) = memchr(0, &bytes[..block.length]) {
            let what = "holds a zero byte, so the file is not text in UTF-8; save it as CSV in UTF-8".to_string();
            return Err(Fault::Line(newlines(&bytes[..at]) + 1, what));
        }
        let (mut rows, mut lines, mut from) = (0, 0, 0);
        while from < block.length {
            let whole = block.quoted || wanted.width == 1 || block.length - from <= CHUNK;
            let to = match memrchr(b'\n', &bytes[from..block.length.min(from + CHUNK)]) {
                _ if whole => block.length,
                Some(at) => from + at + 1,
                None => memchr(b'\n', &bytes[from..block.length]).map_or(block.length, |at| from + at + 1),
            };
            // A single column takes the careful way because there an empty line has as many fields as a row.
            let regular =
                if block.quoted || wanted.width == 1 { None } else { fields(bytes, from, to, wanted.width, wanted.delimiter, &mut self.starts) };
            let (more, passed) = match regular {
                Some(more) => (self.regular(bytes, more, lines, wanted)?, more),
                None => self.careful(&bytes[..to], from, lines, wanted)?,
            };
            (rows, lines, from) = (rows + more, lines + passed, to);
        }
        Ok((rows, lines))
    }

    fn regular(&mut self, bytes: &[u8], rows: usize, lines: usize, wanted: &Wanted) -> Result<usize, Fault> {
        for (i, (own, Asked { place: column, .. })) in self.own.iter_mut().zip(wanted.columns).enumerate() {
            let last = column + 1 == wanted.width;
            let span = |starts: &[u32], row: usize| {
                let at = row * wanted.width + column;
                let (start, end) = (starts[at] as usize, starts[at + 1] as usize - 1);
                (start, if last && end > start && bytes[end - 1] == b'\r' { end - 1 } else { end })
            };
            if own.plain {
                for row in 0..rows {
                    let (start, end) = span(&self.starts, row);
                    own.number(&bytes[start..end], wanted.commas()).map_err(|held| Fault::Again(i, held))?;
                }
            } else {
                own.codes.extend((0..rows).map(|row| {
                    let (start, end) = span(&self.starts, row);
                    own.texts.code(&bytes[start..], end - start)
                }));
            }
            if let Err(new) = own.check() {
                let row = (0..rows).find(|row| own.codes[own.codes.len() - rows + row] == new).unwrap_or(0);
                return Err(Fault::Line(lines + row + 1, not_text(*column)));
            }
        }
        Ok(rows)
    }

    fn careful(&mut self, bytes: &[u8], mut at: usize, lines: usize, wanted: &Wanted) -> Result<(usize, usize), Fault> {
        let (mut rows, mut passed) = (0, 0);
        while at < bytes.len() {
            let line = lines + passed + 1;
            let next = self.fields.read(bytes, at).map_err(|_| Fault::Line(line, "opens a quote that is never closed; close it".to_string()))?;
            let blank = self.fields.blank() || (wanted.width > 1 && empty(&bytes[at..next], wanted.delimiter));
            if !blank {
                if self.fields.count() != wanted.width {
                    let what = format!("has {} fields and the header {}; give each row a field for every column", self.fields.count(), wanted.width);
                    return Err(Fault::Line(line, what));
                }
                for (i, (own, Asked { place: column, .. })) in self.own.iter_mut().zip(wanted.columns).enumerate() {
                    let text = self.fields.get(bytes, *column);
                    if own.plain {
                        own.number(text, wanted.commas()).map_err(|held| Fault::Again(i, held))?;
                    } else {
                        let code = own.texts.code(text, text.len());
                        own.codes.push(code);
                        own.check().map_err(|_| Fault::Line(line, not_text(*column)))?;
                    }
                }
                rows += 1;
            }
            passed += newlines(&bytes[at..next]);
            at = next;
        }
        Ok((rows, passed))
    }
}

fn not_text(column: usize) -> String {
    let remedy = "if it is Windows-1252, add --encoding windows-1252; or save the file as CSV in UTF-8";
    format!("holds bytes in column {} that are not UTF-8; {remedy}", column + 1)
}

/// The value of a cell of a column that is held as numbers, and what its text tells. Refuses it where the column must be held otherwise.
fn value(text: &[u8], commas: bool, group: bool, signs: &mut Signs, long: &mut Option<Box<str>>) -> Result<f64, Held> {
    let value = match written(text, commas) {
        Cell::Number(value) => value,
        Cell::Missing => return Ok(f64::NAN),
        Cell::Text => return Err(Held::Text),
    };
    if group && !plainly(text) {
        return Err(Held::Coded);
    }
    if commas {
        signs.note(text);
    }
    if value.abs() > WHOLE {
        note_overlong(text, value, long);
    }
    Ok(value)
}

fn note_overlong(text: &[u8], value: f64, long: &mut Option<Box<str>>) {
    if long.is_none() && overlong(text, value) {
        *long = Some(String::from_utf8_lossy(text.trim_ascii()).into());
    }
}

impl Own {
    fn number(&mut self, text: &[u8], commas: bool) -> Result<(), Held> {
        let value = value(text, commas, self.group, &mut self.signs, &mut self.overlong)?;
        self.numbers.push(value);
        Ok(())
    }

    /// The first new text that is not UTF-8.
    fn check(&mut self) -> Result<(), u32> {
        while self.checked < self.texts.count() {
            self.checked += 1;
            std::str::from_utf8(self.texts.text(self.checked)).map_err(|_| self.checked as u32)?;
        }
        Ok(())
    }
}

impl Join {
    fn add(&mut self, own: &mut [Own], rows: usize, lines: usize, length: usize, wanted: &Wanted) -> Result<(), Fault> {
        if self.next == 0
            && let Some(size) = wanted.size
        {
            // Room for all rows, should they be as long as the first: a column that grows would be held twice for a while.
            let room = (rows as f64 * size as f64 / length.max(1) as f64 * 1.02) as usize;
            self.columns.iter_mut().for_each(|column| column.codes.reserve(room));
        }
        self.rows += rows;
        self.lines += lines;
        if u32::try_from(self.rows).is_err() {
            return Err(Fault::Line(0, "ends the 4294967295 rows that are read at most; split the file".to_string()));
        }
        for (i, (joined, own)) in self.columns.iter_mut().zip(own).enumerate() {
            joined.add(own, wanted.commas()).map_err(|held| Fault::Again(i, held))?;
        }
        Ok(())
    }
}

impl Joined {
    /// Refuses a block whose cells the column cannot hold as it is held.
    fn add(&mut self, own: &mut Own, commas: bool) -> Result<(), Held> {
        self.signs.and(&own.signs);
        if self.overlong.is_none() {
            self.overlong.clone_from(&own.overlong);
        }
        match &mut self.plain {
            Some(numbers) => {
                if !own.plain {
                    for code in &own.codes {
                        let text = own.texts.text(*code as usize);
                        numbers.push(value(text, commas, self.group, &mut self.signs, &mut self.overlong)?);
                    }
                }
                numbers.extend_from_slice(&own.numbers);
            }
            None => {
                for code in own.shared.len()..=own.texts.count() {
                    let text = own.texts.text(code);
                    own.shared.push(self.texts.code(text, text.len()));
                    if self.texts.count() > self.values.len() {
                        let cell = written(text, commas);
                        self.text |= cell == Cell::Text;
                        if commas && matches!(cell, Cell::Number(_)) {
                            self.signs.note(text);
                        }
                        let value = if let Cell::Number(value) = cell { value } else { f64::NAN };
                        self.fractions |= value.fract() > 0.0 || value.fract() < 0.0;
                        self.coded |= self.group && !value.is_nan() && !plainly(text);
                        note_overlong(text, value, &mut self.overlong);
                        self.values.push(value);
                    }
                }
                self.codes.extend(own.codes.iter().map(|code| own.shared[*code as usize]), self.texts.count());
                if !self.text && !self.coded && plain(self.texts.count(), self.fractions) {
                    let codes = std::mem::take(&mut self.codes);
                    let mut numbers = Vec::with_capacity(codes.capacity());
                    numbers.extend((0..codes.len()).map(|row| if codes.at(row) == 0 { f64::NAN } else { self.values[codes.at(row) as usize - 1] }));
                    *self = Joined {
                        plain: Some(numbers),
                        group: self.group,
                        signs: std::mem::take(&mut self.signs),
                        overlong: self.overlong.take(),
                        ..Joined::default()
                    };
                }
            }
        }
        if self.plain.is_some() && !own.plain {
            *own = Own { plain: true, group: self.group, ..Own::default() };
        }
        Ok(())
    }

    /// Numbers written in two ways: a thousand and one with a point in the one may be a fraction in the other.
    fn mixed(&self) -> bool {
        !self.text && self.signs.commas && self.signs.points
    }

    fn finish(self, commas: bool) -> Read {
        let Joined { texts, values, mut codes, text, group, coded, plain, signs, overlong, .. } = self;
        let mut same = None;
        if let Some(mut numbers) = plain {
            numbers.shrink_to_fit();
            return Read { column: Column::Numbers(numbers), signs, overlong, twins: same };
        }
        let (levels, map) = if text {
            let (levels, map) = texts.levels();
            (Levels::Texts(levels), map)
        } else if group && coded {
            let (levels, map) = spelt(&texts, &values);
            same = twins(&levels, commas);
            // Where no two texts are one number, numbers tell the groups apart, unless they are too long to.
            if same.is_none() && overlong.is_none() { by_value(&values) } else { (Levels::spelt(&levels, commas), map) }
        } else {
            by_value(&values)
        };
        if map.iter().enumerate().any(|(old, new)| old != *new as usize) {
            codes = codes.through(&map, levels.len());
        }
        codes.shrink();
        Read { column: Column::Coded { levels, codes }, signs, overlong, twins: same }
    }
}

/// Levels by number, and the level's code for each text's: texts that differ may be one number, as 1, 1.0 and TRUE are.
fn by_value(values: &[f64]) -> (Levels, Vec<u32>) {
    let mut numbers = Numbers::default();
    let map = std::iter::once(0).chain(values.iter().map(|value| numbers.code(*value))).collect::<Vec<u32>>();
    (Levels::Numbers(numbers.levels()), map)
}
