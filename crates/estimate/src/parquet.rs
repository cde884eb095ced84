//! Columns of a Parquet file, each read by one thread from its first row group to its last. Numbers, truth values and text are read;
//! text stays text, whatever it spells.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use parquet::basic::{ConvertedType, LogicalType, Type};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;

use super::dictionary::{Numbers, Texts};
use super::doubts::of_overlong;
use super::file::{file, places, refused, table};
use super::spelling::WHOLE;
use super::table::{Codes, Column, Levels, Table};
use crate::error::{Error, Result};
use vecino_sheet::Written;

/// Rows decoded at a time.
const BATCH: usize = 1 << 13;
/// Room made at once for a column's codes; more rows than this make their own.
const ROOM: usize = 1 << 26;

/// The names of the file's columns. Of a nested column, the outermost name.
pub fn names(path: &Path) -> Result<Vec<String>> {
    let file = open(path)?;
    let schema = file.metadata().file_metadata().schema_descr();
    Ok(schema.root_schema().get_fields().iter().map(|field| field.name().to_string()).collect())
}

/// The wanted columns; whole numbers of `groups` keep all their digits. Refuses those that hold neither numbers nor text, and nested ones.
pub fn read(path: &Path, how: &Written, wanted: &BTreeSet<String>, groups: &BTreeSet<String>, threads: usize) -> Result<Table> {
    let names = names(path)?;
    let places = places(path, &names, how, wanted)?;
    let rows = open(path)?.metadata().file_metadata().num_rows();
    let rows = u32::try_from(rows).map_err(|_| refused(path, format!("the file holds {rows} rows; 4294967295 are read at most, split it")))? as usize;
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || -> Result<()> {
        let file = open(path)?;
        while let Some((place, ours)) = places.get(next.fetch_add(1, Ordering::Relaxed)) {
            let column = column(path, &file, &names[*place], *place, rows, groups.contains(ours))?;
            done.lock().unwrap_or_else(PoisonError::into_inner).push((*place, column));
        }
        Ok(())
    };
    let ends: Vec<_> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads.clamp(1, places.len().max(1))).map(|_| scope.spawn(work)).collect();
        running.into_iter().map(|thread| thread.join()).collect()
    });
    for end in ends {
        // A damaged file may stop the decoder in its tracks.
        end.unwrap_or_else(|_| Err(damaged(path, "it cannot be decoded")))?;
    }
    let mut columns = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    columns.sort_by_key(|(place, _)| *place);
    let long = |((_, name), (_, (_, overlong))): (&(usize, String), &(usize, Read))| overlong.as_deref().map(|text| of_overlong(name, text));
    let doubts = places.iter().zip(&columns).filter_map(long).collect();
    Ok(Table { doubts, ..table(rows, names, &places, columns.into_iter().map(|(_, (column, _))| column).collect()) })
}

fn damaged(path: &Path, why: impl std::fmt::Display) -> Error {
    refused(path, format!("the Parquet file is damaged, cut off or of a kind that is not read ({why}); write it again, for instance with snappy"))
}

fn open(path: &Path) -> Result<SerializedFileReader<File>> {
    SerializedFileReader::new(file(path)?).map_err(|error| damaged(path, error))
}

enum Meaning {
    /// Whole numbers in units of 10^-scale.
    Number {
        scale: i32,
        unsigned: bool,
    },
    Text,
}

/// What a column's values stand for; its type's name if that is neither numbers nor text.
fn meaning(column: &ColumnDescriptor) -> Result<Meaning, String> {
    let logical = column.logical_type_ref();
    let converted = logical.map_or(column.converted_type(), |logical| ConvertedType::from(Some(logical.clone())));
    let whole = Meaning::Number { scale: 0, unsigned: matches!(converted, ConvertedType::UINT_32 | ConvertedType::UINT_64) };
    match (column.physical_type(), logical, converted) {
        (_, Some(LogicalType::Timestamp(_)), _) => Err("timestamp".to_string()),
        (_, Some(LogicalType::Time(_)), _) => Err("time".to_string()),
        (_, Some(LogicalType::Uuid), _) => Err("UUID".to_string()),
        (Type::BOOLEAN | Type::FLOAT | Type::DOUBLE, _, _) => Ok(whole),
        (Type::INT96, _, _) => Err("INT96 timestamp".to_string()),
        (_, _, ConvertedType::DECIMAL) => Ok(Meaning::Number { scale: column.type_scale(), unsigned: false }),
        (Type::INT32 | Type::INT64, _, ConvertedType::NONE) => Ok(whole),
        (Type::INT32 | Type::INT64, _, other) if other.to_string().contains("INT_") => Ok(whole),
        (Type::BYTE_ARRAY, _, ConvertedType::NONE | ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON) => Ok(Meaning::Text),
        (physical, _, ConvertedType::NONE) => Err(physical.to_string()),
        (_, _, other) => Err(other.to_string().to_lowercase()),
    }
}

/// A column, and the first whole number with more digits than a number holds.
type Read = (Column, Option<Box<str>>);

fn column(path: &Path, file: &SerializedFileReader<File>, name: &str, place: usize, rows: usize, group: bool) -> Result<Read> {
    let schema = file.metadata().file_metadata().schema_descr();
    let leaf = (0..schema.num_columns()).find(|leaf| schema.get_column_root_idx(*leaf) == place);
    let leaf = leaf.filter(|leaf| schema.column(*leaf).path().parts().len() == 1 && schema.column(*leaf).max_rep_level() == 0);
    let leaf = leaf.ok_or_else(|| refused(path, format!("the column `{name}` is nested; write it as plain columns")))?;
    let descriptor = schema.column(leaf);
    let meaning = meaning(&descriptor)
        .map_err(|kind| refused(path, format!("the column `{name}` is of type {kind}; write it as numbers or as text to use it")))?;
    let groups = || (0..file.num_row_groups()).map(|group| file.get_row_group(group).and_then(|group| group.get_column_reader(leaf)));
    let mut overlong = None;
    let column = match meaning {
        Meaning::Text => texts(groups(), rows).map_err(|error| match error {
            ParquetError::General(what) if what == NOT_TEXT => refused(path, format!("the column `{name}` holds {NOT_TEXT}; write it in UTF-8")),
            error => damaged(path, error),
        })?,
        Meaning::Number { scale, unsigned } => {
            let column;
            (column, overlong) = numbers(groups(), rows, scale, unsigned).map_err(|error| damaged(path, error))?;
            // Numbers tell the groups apart, unless there are longer ones than a number holds.
            if group && overlong.is_some() { whole(groups(), rows, scale, unsigned).map_err(|error| damaged(path, error))? } else { column }
        }
    };
    if column.len() == rows { Ok((column, overlong)) } else { Err(damaged(path, format!("the column `{name}` has {} rows of {rows}", column.len()))) }
}

type Group = parquet::errors::Result<ColumnReader>;

fn numbers(groups: impl Iterator<Item = Group>, rows: usize, scale: i32, unsigned: bool) -> parquet::errors::Result<Read> {
    let overlong = std::cell::RefCell::new(None);
    let exact = |whole: i128| -> f64 {
        let value = whole as f64;
        if value.abs() > WHOLE && overlong.borrow().is_none() {
            *overlong.borrow_mut() = Some(pointed(whole, scale).into());
        }
        value
    };
    let bytes = |bytes: &[u8]| big(bytes).map_or_else(|| vast(bytes), &exact);
    let mut column = Numbers::with_capacity(rows.min(ROOM));
    let unit = 10f64.powi(scale);
    for group in groups {
        match group? {
            ColumnReader::BoolColumnReader(reader) => add(reader, &mut column, |value| f64::from(u8::from(*value)))?,
            ColumnReader::Int32ColumnReader(reader) if unsigned => add(reader, &mut column, |value| f64::from(value.cast_unsigned()))?,
            ColumnReader::Int32ColumnReader(reader) => add(reader, &mut column, |value| f64::from(*value) / unit)?,
            ColumnReader::Int64ColumnReader(reader) if unsigned => add(reader, &mut column, |value| exact(i128::from(value.cast_unsigned())))?,
            ColumnReader::Int64ColumnReader(reader) => add(reader, &mut column, |value| exact(i128::from(*value)) / unit)?,
            ColumnReader::FloatColumnReader(reader) => add(reader, &mut column, |value| f64::from(*value))?,
            ColumnReader::DoubleColumnReader(reader) => add(reader, &mut column, |value| *value)?,
            ColumnReader::ByteArrayColumnReader(reader) => add(reader, &mut column, |value| bytes(value.data()) / unit)?,
            ColumnReader::FixedLenByteArrayColumnReader(reader) => add(reader, &mut column, |value| bytes(value.data()) / unit)?,
            ColumnReader::Int96ColumnReader(_) => return Err(ParquetError::General("INT96".to_string())),
        }
    }
    Ok((column.finish(), overlong.into_inner()))
}

/// A column of whole numbers, each told from the others by all its digits.
fn whole(groups: impl Iterator<Item = Group>, rows: usize, scale: i32, unsigned: bool) -> parquet::errors::Result<Column> {
    let unit = 10f64.powi(scale);
    let (mut known, mut levels, mut codes) = (HashMap::new(), Vec::new(), Codes::default());
    codes.reserve(rows.min(ROOM));
    let mut put = |number: Option<i128>| {
        let Some(number) = number else { return codes.extend(std::iter::once(0), levels.len()) };
        let code = *known.entry(number).or_insert_with(|| {
            levels.push((pointed(number, scale), number as f64 / unit));
            levels.len() as u32
        });
        codes.extend(std::iter::once(code), levels.len());
    };
    let mut vast = false;
    let mut bytes = |value: Option<&[u8]>| {
        let number = value.map(big);
        vast |= number == Some(None);
        put(number.flatten());
    };
    for group in groups {
        match group? {
            ColumnReader::Int64ColumnReader(reader) if unsigned => {
                each(reader, |value| bytes(value.map(|value| u128::from(value.cast_unsigned()).to_be_bytes()).as_ref().map(|bytes| &bytes[..])))?
            }
            ColumnReader::Int64ColumnReader(reader) => {
                each(reader, |value| bytes(value.map(|value| value.to_be_bytes()).as_ref().map(|bytes| &bytes[..])))?
            }
            ColumnReader::ByteArrayColumnReader(reader) => each(reader, |value| bytes(value.map(|value| value.data())))?,
            ColumnReader::FixedLenByteArrayColumnReader(reader) => each(reader, |value| bytes(value.map(|value| value.data())))?,
            _ => continue,
        }
    }
    if vast {
        return Err(ParquetError::General("a number has more than 38 digits".to_string()));
    }
    Ok(Column::Coded { levels: Levels::spelt(&levels, false), codes })
}

/// A whole number of units of 10^-scale as it is written.
fn pointed(number: i128, scale: i32) -> String {
    let places = usize::try_from(scale).unwrap_or(0);
    let (sign, size) = (if number < 0 { "-" } else { "" }, format!("{:0>1$}", number.unsigned_abs(), places + 1));
    let (before, after) = size.split_at(size.len() - places);
    if places == 0 { format!("{sign}{size}") } else { format!("{sign}{before}.{after}") }
}

/// Each row's value, in order.
fn each<T: DataType>(mut reader: ColumnReaderImpl<T>, mut take: impl FnMut(Option<&T::T>)) -> parquet::errors::Result<()> {
    let mut batch = Batch::<T>::default();
    while batch.read(&mut reader)? {
        let mut values = batch.values.iter();
        for row in 0..batch.levels.len().max(batch.values.len()) {
            take(if batch.whole() || batch.levels[row] > 0 { values.next() } else { None });
        }
    }
    Ok(())
}

/// Two's complement, the highest byte first; `None` where that is more than 38 digits.
fn big(bytes: &[u8]) -> Option<i128> {
    let sign = if bytes.first().is_some_and(|byte| byte & 0x80 != 0) { u8::MAX } else { 0 };
    let surplus = bytes.len().saturating_sub(16);
    let (front, rest) = bytes.split_at(surplus);
    let fits = front.iter().all(|byte| *byte == sign) && (surplus == 0 || (rest[0] ^ sign) & 0x80 == 0);
    fits.then(|| rest.iter().fold(if sign == 0 { 0 } else { -1 }, |number: i128, byte| number << 8 | i128::from(*byte)))
}

/// The same where it may be longer.
fn vast(bytes: &[u8]) -> f64 {
    let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    let size = bytes.iter().fold(0.0, |sum, byte| sum * 256.0 + f64::from(if negative { !byte } else { *byte }));
    if negative { -size - 1.0 } else { size }
}

fn add<T: DataType>(mut reader: ColumnReaderImpl<T>, column: &mut Numbers, number: impl Fn(&T::T) -> f64) -> parquet::errors::Result<()> {
    let mut batch = Batch::<T>::default();
    let mut part: Vec<f64> = Vec::with_capacity(BATCH);
    while batch.read(&mut reader)? {
        part.clear();
        if batch.whole() {
            part.extend(batch.values.iter().map(&number));
        } else {
            let mut values = batch.values.iter().map(&number);
            part.extend(batch.levels.iter().map(|level| if *level > 0 { values.next().unwrap_or(f64::NAN) } else { f64::NAN }));
        }
        column.extend(&part);
    }
    Ok(())
}

struct Batch<T: DataType> {
    values: Vec<T::T>,
    /// 1 for a value, 0 for none; empty in a column that has a value in each row.
    levels: Vec<i16>,
}

impl<T: DataType> Default for Batch<T> {
    fn default() -> Batch<T> {
        Batch { values: Vec::with_capacity(BATCH), levels: Vec::with_capacity(BATCH) }
    }
}

impl<T: DataType> Batch<T> {
    fn read(&mut self, reader: &mut ColumnReaderImpl<T>) -> parquet::errors::Result<bool> {
        self.values.clear();
        self.levels.clear();
        let (records, ..) = reader.read_records(BATCH, Some(&mut self.levels), None, &mut self.values)?;
        Ok(records > 0)
    }

    fn whole(&self) -> bool {
        self.levels.is_empty() || self.levels.len() == self.values.len()
    }
}

const NOT_TEXT: &str = "bytes that are not UTF-8 text";

fn texts(groups: impl Iterator<Item = Group>, rows: usize) -> parquet::errors::Result<Column> {
    let (mut texts, mut codes, mut part) = (Texts::default(), Codes::default(), Vec::new());
    codes.reserve(rows.min(ROOM));
    for group in groups {
        let ColumnReader::ByteArrayColumnReader(mut reader) = group? else { continue };
        let mut batch = Batch::default();
        while batch.read(&mut reader)? {
            part.clear();
            let mut code = |value: &ByteArray| {
                let text = value.data();
                if text.contains(&0) { None } else { Some(texts.code(text, text.len())) }
            };
            let mut values = batch.values.iter();
            let rows = batch.levels.len().max(batch.values.len());
            for row in 0..rows {
                let value = if batch.whole() || batch.levels[row] > 0 { values.next() } else { None };
                part.push(value.map_or(Some(0), &mut code).ok_or_else(|| ParquetError::General(NOT_TEXT.to_string()))?);
            }
            codes.extend(part.iter().copied(), texts.count());
        }
    }
    let bad = (1..=texts.count()).any(|code| std::str::from_utf8(texts.text(code)).is_err());
    if bad {
        return Err(ParquetError::General(NOT_TEXT.to_string()));
    }
    let (levels, map) = texts.levels();
    if map.iter().enumerate().any(|(old, new)| old != *new as usize) {
        codes = codes.through(&map, levels.len());
    }
    Ok(Column::Coded { levels: Levels::Texts(levels), codes })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parquet::data_type::*;
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    use super::*;

    /// Three rows; the middle one is missing where it can be.
    fn three(path: &Path) {
        let schema = "message m { required boolean b; optional int32 i; required int64 money (DECIMAL(9, 2)); optional double x;
            optional binary t (UTF8); required int32 day (DATE); repeated int32 many; required int32 u (UINT_32); }";
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let mut file = SerializedFileWriter::new(File::create(path).unwrap(), schema, Arc::new(WriterProperties::builder().build())).unwrap();
        let mut group = file.next_row_group().unwrap();
        macro_rules! write {
            ($kind:ty, $values:expr, $levels:expr, $repeats:expr) => {{
                let mut column = group.next_column().unwrap().unwrap();
                column.typed::<$kind>().write_batch($values, $levels, $repeats).unwrap();
                column.close().unwrap();
            }};
        }
        write!(BoolType, &[true, false, true], None, None);
        write!(Int32Type, &[7, -3], Some(&[1, 0, 1]), None);
        write!(Int64Type, &[150, -5, 0], None, None);
        write!(DoubleType, &[0.25, f64::NAN, f64::INFINITY], Some(&[1, 1, 1]), None);
        write!(ByteArrayType, &["12".into(), "NA".into()], Some(&[1, 0, 1]), None);
        write!(Int32Type, &[1, 2, 3], None, None);
        write!(Int32Type, &[1, 2, 3], Some(&[1, 1, 1]), Some(&[0, 0, 0]));
        write!(Int32Type, &[1, -1, 0], None, None);
        group.close().unwrap();
        file.close().unwrap();
    }

    #[test]
    fn numbers_truth_values_and_text_are_read_and_other_types_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        three(&path);
        let wanted = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<BTreeSet<String>>();
        let table = read(&path, &Written::default(), &wanted(&["b", "i", "money", "x", "t", "u"]), &BTreeSet::new(), 3).unwrap();
        let numbers = |name: &str| (0..3).map(|row| table.column(name).unwrap().number(row)).map(|v| v.is_finite().then_some(v)).collect::<Vec<_>>();
        assert_eq!(numbers("b"), [Some(1.0), Some(0.0), Some(1.0)]);
        assert_eq!(numbers("i"), [Some(7.0), None, Some(-3.0)]);
        assert_eq!(numbers("money"), [Some(1.5), Some(-0.05), Some(0.0)]);
        assert_eq!(numbers("x"), [Some(0.25), None, None]);
        assert_eq!(numbers("u"), [Some(1.0), Some(4294967295.0), Some(0.0)]);
        assert_eq!(table.column("t"), Some(&Column::Coded { levels: Levels::Texts(vec!["12".to_string()]), codes: Codes::Narrow(vec![1, 0, 0]) }));
        assert_eq!((table.rows, table.others), (3, vec!["day".to_string(), "many".to_string()]));
        assert!(read(&path, &Written::default(), &wanted(&["day"]), &BTreeSet::new(), 1).unwrap_err().to_string().contains("`day` is of type date"));
        assert!(read(&path, &Written::default(), &wanted(&["many"]), &BTreeSet::new(), 1).unwrap_err().to_string().contains("nested"));
    }

    #[test]
    fn whole_numbers_in_bytes_keep_their_sign() {
        let numbers = [(vec![0xFF, 0x38], -200), (vec![0, 0x80], 128), (vec![0x80, 0], -32768), (vec![], 0)];
        for (bytes, number) in numbers {
            assert_eq!((big(&bytes), vast(&bytes)), (Some(number), number as f64));
        }
        assert_eq!(big(&[vec![0xFF; 4], vec![0x80], vec![0; 15]].concat()), Some(i128::MIN));
        assert_eq!((big(&[vec![0, 0x80], vec![0; 15]].concat()), big(&[vec![1], vec![0; 16]].concat())), (None, None));
        assert_eq!([(150, 2), (-5, 2), (0, 0), (-70, 1)].map(|(number, scale)| pointed(number, scale)), ["1.50", "-0.05", "0", "-7.0"]);
    }
}
