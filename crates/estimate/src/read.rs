//! A data file's columns, read once. `.csv` and `.csv.gz` come in blocks on all processors, `.parquet` column by column; only the
//! columns that are wanted are held.

use std::collections::BTreeSet;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;

use encoding_rs_io::DecodeReaderBytesBuilder;
use flate2::read::MultiGzDecoder;

use super::blocks::Source;
use super::dictionary::{Cell, written};
use super::doubts::{self, Signs};
use super::file::{file, places, refused, table};
use super::parquet;
use super::separated::{self, Asked, Fault, Held, Wanted};
use super::table::{Doubt, Table};
use crate::error::{Error, Result};
use vecino_sheet::{Dialect, Encoding, Rows, Seen, Written, dialect, seen};

/// One block of the file in memory for each thread.
const BLOCK: usize = 1 << 20;
/// So much of a file tells how it is written.
const HEAD: u64 = 1 << 16;

enum Kind {
    Plain,
    Packed,
    Parquet,
}

/// The columns that are wanted, in the file's order, under the names they are wanted by; those of `groups` keep the characters that tell their
/// groups apart. Refuses a wanted column that is not there, or that is there twice, and a file that cannot be read as rows of equal width.
pub fn read(path: &Path, how: &Written, wanted: &BTreeSet<String>, groups: &BTreeSet<String>) -> Result<Table> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    let mut table = match kind(path)? {
        Kind::Parquet => parquet::read(path, how, wanted, groups, threads)?,
        kind => rows(path, &kind, how, wanted, groups, BLOCK, threads)?,
    };
    let letters = table.columns.iter().filter_map(|(name, column)| doubts::of_letters(name, column));
    table.doubts.extend(letters.collect::<Vec<_>>());
    Ok(table)
}

fn kind(path: &Path) -> Result<Kind> {
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    match name {
        name if name.ends_with(".csv") || name.ends_with(".tsv") => Ok(Kind::Plain),
        name if name.ends_with(".csv.gz") || name.ends_with(".tsv.gz") => Ok(Kind::Packed),
        name if name.ends_with(".parquet") => Ok(Kind::Parquet),
        _ => Err(refused(path, "the name ends neither in .csv nor in .csv.gz nor in .parquet; these are read, convert the file to one of them")),
    }
}

/// A file's rows, whatever it is written in, and the lines before its header. A plain file in UTF-8 is read as it is.
struct Opened {
    source: Source,
    lines: usize,
    /// The first bytes, decoded, and how they are written.
    first: Vec<u8>,
    dialect: Dialect,
}

impl Opened {
    /// The decimal signs that the first rows show in any of their columns.
    fn shown(&self) -> Signs {
        let mut signs = Signs::default();
        // The last row may be cut in two.
        let end = memchr::memrchr(b'\n', &self.first).unwrap_or(self.first.len()).max(self.dialect.start);
        let mut rows = Rows::new(&self.first[..end], self.dialect);
        let mut record = csv::ByteRecord::new();
        while rows.next(&mut record).is_some() {
            record.iter().filter(|cell| matches!(written(cell, true), Cell::Number(_))).for_each(|cell| signs.note(cell));
        }
        signs
    }
}

/// The first bytes, and the whole again.
fn head(mut from: Box<dyn Read + Send>) -> io::Result<(Vec<u8>, Box<dyn Read + Send>)> {
    let mut head = Vec::new();
    from.by_ref().take(HEAD).read_to_end(&mut head)?;
    Ok((head.clone(), Box::new(Cursor::new(head).chain(from))))
}

/// Ends lines as all others do where they end with a carriage return alone.
struct Returns(Box<dyn Read + Send>);

impl Read for Returns {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(bytes)?;
        memchr::memchr_iter(b'\r', &bytes[..read]).collect::<Vec<usize>>().into_iter().for_each(|at| bytes[at] = b'\n');
        Ok(read)
    }
}

fn open(path: &Path, kind: &Kind, asked: Option<Encoding>, block: usize) -> Result<Opened> {
    let file = file(path)?;
    let from: Box<dyn Read + Send> = match kind {
        Kind::Packed => Box::new(MultiGzDecoder::new(BufReader::with_capacity(1 << 16, file))),
        _ => Box::new(file),
    };
    let why = |error: io::Error| reading(path, &error);
    let (mut first, mut from) = head(from).map_err(why)?;
    let found = match seen(&first) {
        Seen::Marked(encoding, _) | Seen::Zeros(encoding) => Some(encoding),
        Seen::Nothing => None,
    };
    if let (Some(found), Some(asked)) = (found, asked)
        && found != asked
    {
        return Err(refused(path, format!("the file is {}, not {}; leave --encoding out", found.name(), asked.name())));
    }
    // Accents that make whole UTF-8 were never meant as two letters each; the last one may be cut in two.
    let whole = !first.is_ascii() && std::str::from_utf8(&first).map_or_else(|error| error.error_len().is_none(), |_| true);
    if asked == Some(Encoding::Windows1252) && whole {
        return Err(refused(path, "the file is UTF-8, not Windows-1252; leave --encoding out"));
    }
    if let Some(decoder) = asked.or(found).and_then(Encoding::decoder) {
        let decoded = DecodeReaderBytesBuilder::new().encoding(Some(decoder)).strip_bom(true).build(from);
        (first, from) = head(Box::new(decoded)).map_err(why)?;
    }
    let dialect = dialect(&first);
    if memchr::memchr(b'\r', &first).is_some() && memchr::memchr(b'\n', &first).is_none() {
        from = Box::new(Returns(from));
    }
    // A quote or a line end separates nothing.
    let delimiter = if matches!(dialect.delimiter, b'"' | b'\r' | b'\n') { b',' } else { dialect.delimiter };
    let before = &first[..dialect.start];
    let lines = before.iter().filter(|byte| **byte == b'\n').count().max(usize::from(dialect.start > 3));
    if dialect.start > 3 {
        io::copy(&mut from.by_ref().take(dialect.start as u64), &mut io::sink()).map_err(why)?;
    }
    let dialect = Dialect { delimiter, ..dialect };
    Ok(Opened { source: Source::new(from, delimiter, block), lines, first, dialect })
}

fn reading(path: &Path, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
            refused(path, format!("the compressed file is damaged or cut off ({error}); copy it again"))
        }
        _ => refused(path, format!("the file cannot be read ({error})")),
    }
}

fn header(path: &Path, source: &mut Source) -> Result<(Vec<String>, usize)> {
    let (names, lines) = source
        .header()
        .map_err(|error| reading(path, &error))?
        .ok_or_else(|| refused(path, "the file has no line of column names; write them on its first line"))?;
    if names.iter().any(|name| name.contains(&0)) {
        return Err(refused(path, "line 1 holds a zero byte, so the file is not text in UTF-8; save it as CSV in UTF-8"));
    }
    Ok((names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect(), lines))
}

fn rows(
    path: &Path,
    kind: &Kind,
    how: &Written,
    wanted: &BTreeSet<String>,
    groups: &BTreeSet<String>,
    block: usize,
    threads: usize,
) -> Result<Table> {
    let mut held = Vec::new();
    loop {
        let mut opened = open(path, kind, how.encoding, block)?;
        let (names, header_lines) = header(path, &mut opened.source)?;
        let shown = if opened.dialect.delimiter == b',' { Signs::default() } else { opened.shown() };
        let Opened { source, lines, dialect, .. } = opened;
        let places = places(path, &names, how, wanted)?;
        held.resize(places.len(), Held::Fitting);
        let size = if matches!(kind, Kind::Plain) { std::fs::metadata(path).ok().map(|about| about.len()) } else { None };
        let header_lines = header_lines + lines;
        let asked = |((place, name), held): (&(usize, String), &Held)| Asked { place: *place, group: groups.contains(name), held: *held };
        let columns: Vec<Asked> = places.iter().zip(&held).map(asked).collect();
        let wanted = Wanted { width: names.len(), columns: &columns, header_lines, size, delimiter: dialect.delimiter };
        match separated::read(source, &wanted, threads) {
            Ok((rows, found)) => {
                let doubts = told(&places, &found, &shown, wanted.commas());
                let columns = found.into_iter().map(|read| read.column).collect();
                return Ok(Table { doubts, ..table(rows, names, &places, columns) });
            }
            Err(Fault::Line(line, what)) => return Err(refused(path, format!("line {line} {what}"))),
            Err(Fault::Reading(error)) => return Err(reading(path, &error)),
            Err(Fault::Column(column, what)) => return Err(refused(path, format!("the column `{}` {what}", places[column].1))),
            // Read again, this column held so: that many numbers before the first text, or the first number written otherwise, are rare.
            Err(Fault::Again(column, otherwise)) => held[column] = otherwise,
        }
    }
}

/// What is doubtful of columns as they were written; `shown` are the signs of the file's other columns.
fn told(places: &[(usize, String)], found: &[separated::Read], shown: &Signs, commas: bool) -> Vec<Doubt> {
    let beside = found.iter().map(|read| &read.signs).chain([shown]);
    let of = |((_, name), read): (&(usize, String), &separated::Read)| {
        let numbers = doubts::of_numbers(name, &read.column, commas);
        let numbers = numbers.or_else(|| read.signs.doubt(name, beside.clone()).filter(|_| !read.column.is_text()));
        let overlong = read.overlong.as_deref().filter(|_| !read.column.is_text()).map(|text| doubts::of_overlong(name, text));
        let twins = read.twins.as_ref().map(|two| doubts::of_twins(name, two));
        [numbers, overlong, twins].into_iter().flatten()
    };
    places.iter().zip(found).flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::PathBuf;

    use proptest::prelude::*;

    use super::*;
    use crate::dictionary::{Cell, cell};
    use crate::table::{Codes, Column, Levels};

    fn written(folder: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn wanted(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| name.to_string()).collect()
    }

    fn of(text: &str, names: &[&str]) -> Result<Table> {
        let folder = tempfile::tempdir().unwrap();
        read(&written(&folder, "Rows.CSV", text.as_bytes()), &Written::default(), &wanted(names), &BTreeSet::new())
    }

    fn shown(column: &Column) -> Vec<String> {
        let (levels, codes) = column.coded();
        (0..codes.len()).map(|row| if codes.at(row) == 0 { "·".to_string() } else { levels.name(codes.at(row) as usize - 1) }).collect()
    }

    #[test]
    fn a_column_is_numeric_only_if_every_other_cell_is_a_number() {
        let table =
            of("\u{FEFF}a,b,\"c\",d\r\n1,TRUE,x, 1\r\nNA,1,NA,\"\"\r\n1.0,FALSE,TRUE,NaN\r\n2e1,,\"a,\"\"b\"\"\",-0\r\n\r\n", &["a", "b", "c", "d"])
                .unwrap();
        let columns: Vec<Vec<String>> = table.columns.iter().map(|(_, column)| shown(column)).collect();
        assert_eq!(columns, [["1", "·", "1", "20"], ["1", "1", "0", "·"], ["x", "·", "TRUE", "a,\"b\""], ["1", "·", "·", "0"]]);
        assert_eq!(table.columns.iter().map(|(_, column)| column.is_text()).collect::<Vec<bool>>(), [false, false, true, false]);
    }

    #[test]
    fn only_wanted_columns_are_held_in_the_order_of_the_file() {
        let table = of("a,b,b,c\n1,\u{7f},2,3\n", &["c", "a"]).unwrap();
        assert_eq!(table.columns.iter().map(|(name, _)| name.as_str()).collect::<Vec<&str>>(), ["a", "c"]);
        assert_eq!((table.rows, table.others), (1, vec!["b".to_string(), "b".to_string()]));
        assert_eq!(of("a,b\n1,2\n3,4", &[]).unwrap().rows, 2);
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_the_line_and_the_reason() {
        let refused = |text: &[u8], file: &str, names: &[&str]| {
            let folder = tempfile::tempdir().unwrap();
            read(&written(&folder, file, text), &Written::default(), &wanted(names), &BTreeSet::new()).unwrap_err().to_string()
        };
        let of = |text: &str| refused(text.as_bytes(), "a.csv", &["a"]);
        assert!(of("").contains("empty"));
        assert!(of("\n\n").contains("no line of column names"));
        assert!(of("b,c\n1,2\n").contains("no column `a`; there are `b`, `c`"));
        assert!(of("a,b,a\n1,2,3\n").contains("`a` twice"));
        assert!(of("a,b\n1,2\n3\n").contains("line 3 has 1 fields and the header 2"));
        assert!(of("a,b\n\"1\n\",2\n3,4,5\n").contains("line 4 has 3 fields"));
        assert!(of("a,b\n1,2\n\"3,4\n").contains("line 3 opens a quote"));
        assert!(of("a,b\n1,2\nx\0,4\n").contains("line 3 holds a zero byte"));
        assert!(refused(b"a,b\n1,2\n2,\xFF\n\xFF,3\n", "a.csv", &["a"]).contains("line 4 holds bytes in column 1"));
        assert!(refused(b"a,b\n1,2\n", "a.csv.gz", &["a"]).contains("damaged"));
        assert!(refused(b"PAR1 and no more PAR1", "a.parquet", &["a"]).contains("damaged"));
        assert!(refused(b"a\n1\n", "a.txt", &["a"]).contains(".parquet"));
        assert!(
            read(Path::new("/none/such.csv"), &Written::default(), &wanted(&["a"]), &BTreeSet::new())
                .unwrap_err()
                .to_string()
                .contains("no such file")
        );
    }

    #[test]
    fn a_packed_file_reads_like_the_plain_one_and_is_refused_when_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let text: String = std::iter::once("a,b\n".to_string()).chain((0..20_000).map(|i| format!("{},t{}\n", i % 7, i % 11))).collect();
        let plain = read(&written(&folder, "a.csv", text.as_bytes()), &Written::default(), &wanted(&["a", "b"]), &BTreeSet::new()).unwrap();
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(text.as_bytes()).unwrap();
        let packed = packed.finish().unwrap();
        assert_eq!(
            read(&written(&folder, "b.csv.gz", &packed), &Written::default(), &wanted(&["a", "b"]), &BTreeSet::new()).unwrap().columns,
            plain.columns
        );
        let cut = read(&written(&folder, "c.csv.gz", &packed[..packed.len() / 2]), &Written::default(), &wanted(&["a"]), &BTreeSet::new())
            .unwrap_err()
            .to_string();
        assert!(cut.contains("damaged or cut off"), "{cut}");
    }

    #[test]
    fn text_behind_a_hundred_thousand_measurements_makes_all_of_them_text() {
        let text: String = std::iter::once("a,b\n".to_string()).chain((0..100_000).map(|i| format!("{i}.5,{i}\n"))).collect();
        let table = of(&format!("{text}1,2"), &["a", "b"]).unwrap();
        assert!(matches!(table.column("a"), Some(Column::Numbers(values)) if values[100_000] == 1.0 && values[7] == 7.5));
        assert!(matches!(table.column("b"), Some(Column::Coded { codes: Codes::Wide(_), .. })));
        let table = of(&format!("{text}x,2"), &["a"]).unwrap();
        let Some(Column::Coded { levels: Levels::Texts(levels), codes }) = table.column("a") else { panic!("numbers") };
        assert_eq!((levels.len(), levels[7].as_str(), codes.at(100_000)), (100_001, "7.5", 100_001));
    }

    fn field() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => (-50..50i32).prop_map(|n| n.to_string()),
            1 => Just(String::new()),
            1 => Just("NA".to_string()),
            1 => "[a-c ,\"\n]{0,12}",
            1 => (0..9999u32).prop_map(|n| format!("{}.{n:04}", n % 3)),
        ]
    }

    proptest! {
        #[test]
        fn a_file_reads_as_the_plain_reader_reads_it_whatever_the_blocks(
            rows in prop::collection::vec(prop::collection::vec(field(), 3), 0..60), size in 1..200usize, crlf: bool, always: bool, threads in 1..4usize,
        ) {
            let mut writer = csv::WriterBuilder::new()
                .terminator(if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') })
                .quote_style(if always { csv::QuoteStyle::Always } else { csv::QuoteStyle::Necessary })
                .from_writer(Vec::new());
            writer.write_record(["a", "b", "c"]).unwrap();
            rows.iter().for_each(|row| writer.write_record(row).unwrap());
            let bytes = writer.into_inner().unwrap();
            let folder = tempfile::tempdir().unwrap();
            let path = written(&folder, "a.csv", &bytes);
            let table = super::rows(&path, &Kind::Plain, &Written::default(), &wanted(&["a", "b", "c"]), &BTreeSet::new(), size, threads).unwrap();
            prop_assert_eq!(&super::rows(&path, &Kind::Plain, &Written::default(), &wanted(&["a", "b", "c"]), &BTreeSet::new(), 1 << 20, 1).unwrap().columns, &table.columns);
            // A row of separators alone is one that a spreadsheet left empty.
            let plain = csv::Reader::from_reader(bytes.as_slice()).into_records().map(|row| row.unwrap());
            let plain: Vec<csv::StringRecord> = plain.filter(|row| always || !row.iter().all(|cell| cell.bytes().all(|byte| byte == b' '))).collect();
            prop_assert_eq!(table.rows, plain.len());
            for (i, (_, column)) in table.columns.iter().enumerate() {
                let text = plain.iter().any(|row| cell(row[i].as_bytes()) == Cell::Text);
                let want: Vec<String> = plain.iter().map(|row| match cell(row[i].as_bytes()) {
                    Cell::Missing => "·".to_string(),
                    Cell::Number(value) if !text => format!("{value}"),
                    _ => row[i].to_string(),
                }).collect();
                prop_assert_eq!(shown(column), want);
            }
        }
    }
}
