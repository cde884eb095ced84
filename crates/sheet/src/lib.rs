//! A table as an office saves it: comma, semicolon or tab, a `sep=` line, a byte order mark, UTF-16, Windows-1252, any line ends, rows and
//! columns that a spreadsheet left empty. Whoever reads one gets the same cells, and the row numbers a person sees in the spreadsheet.

pub mod columns;
pub mod problems;
mod text;
pub mod words;

pub use text::{Encoding, Seen, Text, decode, seen};

use columns::{Column, Known, resolve};
use memchr::memchr;

/// What the person says of a file that it does not say itself.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Written {
    /// How a table's letters are stored: utf-8, utf-16le, utf-16be or windows-1252 [default: UTF-8, or UTF-16 where it shows]
    #[arg(long, value_enum, ignore_case = true, value_name = "ENCODING")]
    pub encoding: Option<Encoding>,
    /// Read a column under another name: --column code=id takes the file's column «id» as code. May be repeated
    #[arg(long = "column", value_name = "OURS=THEIRS", value_parser = pair)]
    pub columns: Vec<(String, String)>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=').map(|(ours, theirs)| (ours.trim(), theirs.trim())) {
        Some((ours, theirs)) if !ours.is_empty() && !theirs.is_empty() => Ok((ours.to_owned(), theirs.to_owned())),
        _ => Err("write it like code=id: our name, then the file's".to_owned()),
    }
}

/// What separates the cells, and where the header begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    pub delimiter: u8,
    /// Behind a byte order mark and a `sep=` line, which a spreadsheet does not show.
    pub start: usize,
}

/// Told from the first lines: a `sep=` line, or the separator that the header has most of outside quotes.
pub fn dialect(bytes: &[u8]) -> Dialect {
    let start = if bytes.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
    let end = memchr::memchr2(b'\r', b'\n', &bytes[start..]).map_or(bytes.len(), |at| start + at);
    let first = bytes[start..end].trim_ascii_start();
    let bare = first.strip_prefix(b"\"").unwrap_or(first);
    if bare.len() >= 5 && bare[..4].eq_ignore_ascii_case(b"sep=") && bare[5..].iter().all(|b| matches!(b, b'"' | b' ')) {
        let behind = if bytes[end..].starts_with(b"\r\n") { end + 2 } else { (end + 1).min(bytes.len()) };
        return Dialect { delimiter: bare[4], start: behind };
    }
    let blank = bytes[start..].iter().take_while(|b| matches!(b, b'\r' | b'\n' | b' ')).count();
    // Commas within a quoted name separate nothing.
    let (mut semicolons, mut tabs, mut commas, mut quoted) = (0, 0, 0, false);
    for byte in &bytes[start + blank..] {
        match byte {
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b';' => semicolons += 1,
            b'\t' => tabs += 1,
            b',' => commas += 1,
            b'\r' | b'\n' => break,
            _ => {}
        }
    }
    let delimiter = match (semicolons > commas && semicolons >= tabs, tabs > commas) {
        (true, _) => b';',
        (_, true) => b'\t',
        _ => b',',
    };
    Dialect { delimiter, start }
}

/// Rows of cells, each with the number a spreadsheet shows: blank lines count, a line break within quotes does not.
pub struct Rows<'a> {
    bytes: &'a [u8],
    reader: csv::Reader<&'a [u8]>,
    delimiter: u8,
    row: u64,
    /// Where the last row begins and ends.
    from: usize,
    to: usize,
}

impl<'a> Rows<'a> {
    pub fn new(bytes: &'a [u8], dialect: Dialect) -> Rows<'a> {
        let bytes = &bytes[dialect.start..];
        let reader = csv::ReaderBuilder::new().delimiter(dialect.delimiter).has_headers(false).flexible(true).from_reader(bytes);
        Rows { bytes, reader, delimiter: dialect.delimiter, row: 0, from: 0, to: 0 }
    }

    /// The next row that is no blank line, and its number.
    pub fn next(&mut self, record: &mut csv::ByteRecord) -> Option<u64> {
        let is = |at: usize, byte: u8| self.bytes.get(at) == Some(&byte);
        let mut at = self.to;
        if at > 0 && is(at - 1, b'\r') && is(at, b'\n') {
            at += 1;
        }
        while is(at, b'\r') || is(at, b'\n') {
            self.row += 1;
            at += if is(at, b'\r') && is(at + 1, b'\n') { 2 } else { 1 };
        }
        // Rows of any width and any bytes are read, so nothing can fail but the end.
        if !self.reader.read_byte_record(record).unwrap_or(false) {
            return None;
        }
        self.row += 1;
        (self.from, self.to) = (at, usize::try_from(self.reader.position().byte()).unwrap_or(self.bytes.len()));
        Some(self.row)
    }

    /// Whether the last row opens a quote that nothing closes, and so swallowed what follows.
    pub fn unclosed(&self) -> bool {
        let (mut rest, last) = (&self.bytes[self.from..], self.from..self.to);
        rest = &rest[..last.len()];
        loop {
            if let Some(inside) = rest.strip_prefix(b"\"") {
                let mut from = 0;
                loop {
                    match memchr(b'"', &inside[from..]) {
                        None => return true,
                        Some(at) if inside.get(from + at + 1) == Some(&b'"') => from += at + 2,
                        Some(at) => {
                            rest = &inside[from + at + 1..];
                            break;
                        }
                    }
                }
            }
            match memchr(self.delimiter, rest) {
                Some(at) => rest = &rest[at + 1..],
                None => return false,
            }
        }
    }
}

/// The row a byte stands in, for a text that cannot be read as UTF-8.
fn row_of(bytes: &[u8], at: usize) -> u64 {
    let mut rows = Rows::new(bytes, dialect(bytes));
    let (mut record, mut row, start) = (csv::ByteRecord::new(), 1, bytes.len() - rows.bytes.len());
    while let Some(next) = rows.next(&mut record) {
        row = next;
        if start + rows.to > at {
            break;
        }
    }
    row
}

/// A row of a table and its number.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub number: u64,
    cells: csv::StringRecord,
}

impl Row {
    /// The cell as it was written; empty behind the row's end.
    pub fn cell(&self, column: usize) -> &str {
        self.cells.get(column).unwrap_or("")
    }
}

/// What is wrong with a table, where that shows in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub row: Option<u64>,
    pub line: String,
}

impl Fault {
    fn file(line: impl Into<String>) -> Fault {
        Fault { row: None, line: line.into() }
    }
    fn row(row: u64, line: impl Into<String>) -> Fault {
        Fault { row: Some(row), line: line.into() }
    }
}

/// A table in memory: columns by the names they are known under, rows without the blank ones.
#[derive(Debug)]
pub struct Sheet {
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
    /// What was taken for granted and should be told.
    pub notes: Vec<String>,
    /// Rows that cannot be read; the table is refused with them, once all other problems are known too.
    pub faults: Vec<Fault>,
    /// Row of the header.
    pub header: u64,
}

/// Spreadsheets write a column that is empty over a whole block of rows without its separators; blocks begin at rows 1, 17, 33.
const BLOCK: u64 = 16;

impl Sheet {
    /// Reads a table whole. `shown` says whether refusals may repeat what stands in the file.
    pub fn read(bytes: &[u8], written: &Written, known: &[Known], shown: bool) -> Result<Sheet, Vec<Fault>> {
        let text = decode(bytes, written.encoding, shown).map_err(|fault| vec![fault])?;
        let bytes = text.text.as_bytes();
        let mut rows = Rows::new(bytes, dialect(bytes));
        let (mut record, mut read, mut faults) = (csv::ByteRecord::new(), Vec::new(), Vec::new());
        let mut header = None;
        while let Some(number) = rows.next(&mut record) {
            if record.iter().all(|cell| cell.trim_ascii().is_empty()) {
                continue;
            }
            // A text is cut into cells at single bytes, so that no cell can be other than text.
            let Ok(cells) = csv::StringRecord::from_byte_record(record.clone()) else { continue };
            match header {
                None => header = Some(Row { number, cells }),
                Some(_) => read.push(Row { number, cells }),
            }
        }
        let last = read.last().or(header.as_ref()).map(|row| row.number);
        if let Some(row) = last.filter(|_| rows.unclosed()) {
            return Err(vec![Fault::row(row, "opens a quotation mark that is never closed; close it, or take it out")]);
        }
        let header = header.ok_or_else(|| vec![Fault::file("the file is empty; export it again")])?;
        // What a spreadsheet shows of a row: up to its last cell with something in it.
        let filled = |cells: &csv::StringRecord| (0..cells.len()).rfind(|at| !cells[*at].trim().is_empty()).map_or(0, |at| at + 1);
        if header.cells.iter().any(|name| name.contains('\0')) {
            return Err(vec![Fault::row(header.number, "holds zero bytes, so this is no table; save it as «CSV UTF-8» in the spreadsheet")]);
        }
        let width = filled(&header.cells);
        let names: Vec<&str> = header.cells.iter().take(width).map(str::trim).collect();
        let resolved = resolve(&names, known, &written.columns, shown).map_err(|lines| {
            let faults: Vec<Fault> = lines.into_iter().map(|line| Fault::row(header.number, line)).collect();
            faults
        })?;
        // Rows of one block that all end at the same cell were written so by the spreadsheet; any other short row lost something.
        let block = |row: &Row| (row.number - 1) / BLOCK;
        let mut even: std::collections::BTreeMap<u64, Option<usize>> = std::collections::BTreeMap::new();
        even.insert(block(&header), None);
        for row in &read {
            let cells = even.entry(block(row)).or_insert(Some(row.cells.len()));
            *cells = cells.filter(|cells| *cells == row.cells.len());
        }
        for row in &read {
            let cells = filled(&row.cells);
            let short = row.cells.len() < width && even.get(&block(row)).copied().flatten().is_none();
            if cells > width || short {
                let cells = if short { row.cells.len() } else { cells };
                // A stray separator shifts a row to where spreadsheets drop theirs: what stands behind the last name is never left out.
                let line = if cells > width && cells <= header.cells.len() {
                    format!("something stands in column {}, which has no name in the header; name it, empty it, or mend the row", letters(cells - 1))
                } else {
                    format!("{cells} cells where the header has {width}; mend the row")
                };
                faults.push(Fault::row(row.number, line));
            }
        }
        if !faults.is_empty() {
            let bad: std::collections::BTreeSet<u64> = faults.iter().filter_map(|fault| fault.row).collect();
            read.retain(|row| !bad.contains(&row.number));
        }
        let mut notes = text.note.into_iter().collect::<Vec<String>>();
        notes.extend(resolved.notes);
        Ok(Sheet { columns: resolved.columns, rows: read, notes, faults, header: header.number })
    }

    /// The place of a column.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.is(name))
    }

    /// A column without a name in which something stands, with the first such row.
    pub fn nameless(&self) -> Option<(usize, u64)> {
        let nameless = self.columns.iter().enumerate().filter(|(_, column)| matches!(column, Column::Nameless));
        nameless.map(|(at, _)| at).find_map(|at| Some((at, self.rows.iter().find(|row| !row.cell(at).trim().is_empty())?.number)))
    }
}

/// How a spreadsheet calls a column: A, B, … Z, AA.
pub fn letters(column: usize) -> String {
    let (mut left, mut name) = (column + 1, String::new());
    while left > 0 {
        name.insert(0, char::from(b'A' + ((left - 1) % 26) as u8));
        left = (left - 1) / 26;
    }
    name
}
