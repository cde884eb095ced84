//! A file of rows in blocks of whole rows: each block ends with a newline that no quotes hold, so that blocks can be read apart.

use std::io::{self, Read};

use memchr::{memchr, memchr2, memrchr};

/// A longer row is taken for a quote that was never closed.
const LONGEST_ROW: usize = 1 << 26;
/// Bytes behind a block's end that may be read, but say nothing.
pub const PADDING: usize = 64;

/// `bytes[..length]` are whole rows, each with its newline; `PADDING` bytes follow.
#[derive(Default)]
pub struct Block {
    pub bytes: Vec<u8>,
    pub length: usize,
    /// The block's place in the file, from 0.
    pub order: usize,
    pub quoted: bool,
}

pub struct Source {
    from: Box<dyn Read + Send>,
    /// What separates cells; never a quote or a line end.
    pub delimiter: u8,
    size: usize,
    rest: Vec<u8>,
    order: usize,
    ended: bool,
}

impl Source {
    pub fn new(from: Box<dyn Read + Send>, delimiter: u8, size: usize) -> Source {
        Source { from, delimiter, size: size.max(1), rest: Vec::new(), order: 0, ended: false }
    }

    /// Fills the next block; false at the end of the file.
    pub fn next(&mut self, block: &mut Block) -> io::Result<bool> {
        let mut wanted = self.size.max(self.rest.len());
        let mut filled = self.rest.len();
        block.bytes.resize(block.bytes.len().max(wanted + 1 + PADDING), 0);
        block.bytes[..filled].copy_from_slice(&self.rest);
        self.rest.clear();
        loop {
            while filled < wanted && !self.ended {
                match self.from.read(&mut block.bytes[filled..wanted]) {
                    Ok(0) => self.ended = true,
                    Ok(more) => filled += more,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            if self.ended && filled > 0 && block.bytes[filled - 1] != b'\n' {
                block.bytes[filled] = b'\n';
                filled += 1;
            }
            let (cut, quoted) = cut(&block.bytes[..filled], self.delimiter);
            let cut = if self.ended { filled } else { cut };
            if cut > 0 || self.ended {
                self.rest.extend_from_slice(&block.bytes[cut..filled]);
                (block.length, block.order, block.quoted) = (cut, self.order, quoted);
                self.order += 1;
                return Ok(cut > 0);
            }
            if filled >= LONGEST_ROW {
                return Err(io::Error::other("a row is longer than 64 MB: a quote may not be closed"));
            }
            wanted = filled * 2;
            block.bytes.resize(wanted + 1 + PADDING, 0);
        }
    }

    /// Takes the first row off the file: its fields, and the number of lines up to its end. None if the file holds no row.
    pub fn header(&mut self) -> io::Result<Option<(Vec<Vec<u8>>, usize)>> {
        let (mut block, mut fields, mut lines) = (Block::default(), Fields::new(self.delimiter), 0);
        while self.next(&mut block)? {
            let bytes = &block.bytes[..block.length];
            let mut at = if block.order == 0 && bytes.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
            while at < bytes.len() {
                let row = fields.read(bytes, at).map_err(|Unclosed| io::Error::other("a quote is not closed"))?;
                let length = row - at;
                (at, lines) = (row, lines + newlines(&bytes[at..row]));
                if !fields.blank() && !empty(&bytes[at - length..at], self.delimiter) {
                    self.rest.splice(0..0, bytes[at..].iter().copied());
                    self.order = 0;
                    return Ok(Some(((0..fields.count()).map(|i| fields.get(bytes, i).to_vec()).collect(), lines)));
                }
            }
        }
        Ok(None)
    }
}

pub fn newlines(bytes: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', bytes).count()
}

/// Just behind the last newline that stands outside quotes, 0 if there is none; and whether there are quotes at all.
fn cut(bytes: &[u8], delimiter: u8) -> (usize, bool) {
    let behind = |from: usize, to: usize| memrchr(b'\n', &bytes[from..to]).map(|at| from + at + 1);
    let (mut from, mut last, mut quoted) = (0, 0, false);
    while let Some(quote) = memchr(b'"', &bytes[from..]).map(|at| from + at) {
        quoted = true;
        last = behind(from, quote).unwrap_or(last);
        from = quote + 1;
        if quote == 0 || bytes[quote - 1] == delimiter || bytes[quote - 1] == b'\n' {
            match closing(bytes, from) {
                Some(close) => from = close + 1,
                None => return (last, quoted),
            }
        }
    }
    (behind(from, bytes.len()).unwrap_or(last), quoted)
}

/// The quote that closes a field whose text starts at `from`.
fn closing(bytes: &[u8], mut from: usize) -> Option<usize> {
    loop {
        let quote = from + memchr(b'"', bytes.get(from..)?)?;
        if bytes.get(quote + 1) != Some(&b'"') {
            return Some(quote);
        }
        from = quote + 2;
    }
}

/// The end of a field that reaches from `from` to the comma or newline at `end`: a carriage return belongs to the newline.
fn line_end(bytes: &[u8], from: usize, end: usize) -> usize {
    if bytes[end] == b'\n' && end > from && bytes[end - 1] == b'\r' { end - 1 } else { end }
}

/// A quoted field that the end of the file cuts off.
#[derive(Debug)]
pub struct Unclosed;

/// A row in which a spreadsheet left every cell empty.
pub fn empty(row: &[u8], delimiter: u8) -> bool {
    row.iter().all(|byte| *byte == delimiter || matches!(byte, b'\r' | b'\n' | b' '))
}

/// The fields of one row: each lies in the block, or among `own` if its quotes had to be taken out.
pub struct Fields {
    delimiter: u8,
    spans: Vec<(usize, usize, bool)>,
    own: Vec<u8>,
}

impl Fields {
    pub fn new(delimiter: u8) -> Fields {
        Fields { delimiter, spans: Vec::new(), own: Vec::new() }
    }

    /// Reads the row at `at`, of any quoting; answers where the next starts.
    pub fn read(&mut self, bytes: &[u8], mut at: usize) -> Result<usize, Unclosed> {
        self.spans.clear();
        self.own.clear();
        loop {
            let start = at;
            if bytes.get(at) == Some(&b'"') {
                let close = closing(bytes, at + 1).ok_or(Unclosed)?;
                let end = close + 1 + memchr2(self.delimiter, b'\n', &bytes[close + 1..]).ok_or(Unclosed)?;
                // What stands between the closing quote and the comma is kept as it is.
                let tail = &bytes[close + 1..line_end(bytes, close + 1, end)];
                let inside = &bytes[start + 1..close];
                if tail.is_empty() && memchr(b'"', inside).is_none() {
                    self.spans.push((start + 1, close, false));
                } else {
                    let from = self.own.len();
                    let mut pair = false;
                    for byte in inside {
                        pair = *byte == b'"' && !pair;
                        if !pair {
                            self.own.push(*byte);
                        }
                    }
                    self.own.extend_from_slice(tail);
                    self.spans.push((from, self.own.len(), true));
                }
                at = end;
            } else {
                at += memchr2(self.delimiter, b'\n', &bytes[at..]).ok_or(Unclosed)?;
                self.spans.push((start, line_end(bytes, start, at), false));
            }
            at += 1;
            if bytes[at - 1] == b'\n' {
                return Ok(at);
            }
        }
    }

    pub fn count(&self) -> usize {
        self.spans.len()
    }

    /// A line without anything on it. A quoted empty field is a row.
    pub fn blank(&self) -> bool {
        matches!(self.spans.as_slice(), [(start, end, false)] if start == end)
    }

    pub fn get<'a>(&'a self, bytes: &'a [u8], field: usize) -> &'a [u8] {
        let (start, end, own) = self.spans[field];
        if own { &self.own[start..end] } else { &bytes[start..end] }
    }
}

/// Where the fields of rows without quotes start: `starts[k]..starts[k + 1] - 1` is field k, counted through all rows of `bytes[from..to]`.
/// Answers the number of rows, or None if some row does not have `width` fields.
pub fn fields(bytes: &[u8], from: usize, to: usize, width: usize, delimiter: u8, starts: &mut Vec<u32>) -> Option<usize> {
    const LOW: u64 = 0x7F7F_7F7F_7F7F_7F7F;
    const EACH: u64 = 0x0101_0101_0101_0101;
    // One bit for each of the eight bytes that is `byte`, the first byte's bit lowest.
    let bits = |word: u64, byte: u8| {
        let other = word ^ (EACH * u64::from(byte));
        ((!(((other & LOW) + LOW) | other | LOW) >> 7).wrapping_mul(0x0102_0408_1020_4080)) >> 56
    };
    starts.resize(starts.len().max(to - from + 2), 0);
    starts[0] = from as u32;
    let (mut count, mut rows, mut at) = (1, 0, from);
    while at < to {
        let chunk: &[u8; 64] = bytes.get(at..)?.first_chunk()?;
        let (mut commas, mut ends) = (0, 0);
        for (i, word) in chunk.as_chunks::<8>().0.iter().enumerate() {
            let word = u64::from_le_bytes(*word);
            commas |= bits(word, delimiter) << (8 * i);
            ends |= bits(word, b'\n') << (8 * i);
        }
        let inside = if to - at < 64 { (1 << (to - at)) - 1 } else { u64::MAX };
        rows += (ends & inside).count_ones() as usize;
        let mut marks = (commas | ends) & inside;
        while marks != 0 {
            starts[count] = at as u32 + marks.trailing_zeros() + 1;
            count += 1;
            marks &= marks - 1;
        }
        at += 64;
    }
    // With as many newlines as rows, one at the end of each `width` fields leaves none for elsewhere.
    // A row hardly longer than its separators may be one that a spreadsheet left empty: who reads with care finds out.
    let regular = count - 1 == rows * width
        && (1..=rows).all(|row| {
            let (start, end) = (starts[(row - 1) * width] as usize, starts[row * width] as usize);
            bytes[end - 1] == b'\n' && (end - start > width + 1 || !empty(&bytes[start..end], delimiter))
        });
    regular.then_some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: &str) -> Vec<String> {
        let mut fields = Fields::new(b',');
        assert_eq!(fields.read(text.as_bytes(), 0).unwrap(), text.len());
        (0..fields.count()).map(|i| String::from_utf8(fields.get(text.as_bytes(), i).to_vec()).unwrap()).collect()
    }

    #[test]
    fn quotes_hold_commas_newlines_and_doubled_quotes() {
        assert_eq!(row("a,\"b,\n\"\"c\"\"\",\"\",d\"e,\"f\"g\r\n"), ["a", "b,\n\"c\"", "", "d\"e", "fg"]);
        assert_eq!(row("\"\"\"\",\"\"\"x\"\r\n"), ["\"", "\"x"]);
        assert!(Fields::new(b',').read(b"a,\"b\n", 0).is_err());
    }

    #[test]
    fn blocks_end_with_rows_whatever_their_size() {
        let text = "a,\"x\ny\"\n1,2\n\"\"\"\n\",5\" of\n\n3,4";
        for size in 1..40 {
            let mut source = Source::new(Box::new(text.as_bytes()), b',', size);
            let (mut block, mut all, mut rows) = (Block::default(), Vec::new(), Vec::new());
            while source.next(&mut block).unwrap() {
                let (bytes, mut at) = (&block.bytes[..block.length], 0);
                all.extend_from_slice(bytes);
                while at < bytes.len() {
                    let mut fields = Fields::new(b',');
                    at = fields.read(bytes, at).unwrap();
                    rows.push(fields.count());
                }
            }
            assert_eq!(all, format!("{text}\n").as_bytes());
            assert_eq!(rows, [2, 2, 2, 1, 2], "size {size}");
        }
    }

    #[test]
    fn fields_of_regular_rows_are_found_and_ragged_rows_are_not_mistaken_for_them() {
        let mut bytes = b"1,22,333\n,,y\nabc,,z\n".repeat(20);
        let length = bytes.len();
        bytes.resize(length + PADDING, b',');
        let mut starts = Vec::new();
        assert_eq!(fields(&bytes, 0, length, 3, b',', &mut starts), Some(60));
        assert_eq!(&bytes[starts[7] as usize..starts[8] as usize - 1], b"");
        assert_eq!(&bytes[starts[174] as usize..starts[175] as usize - 1], b"");
        let mut ragged = b"1,2,3\n1\n1,2\n1,2,3\n".to_vec();
        let length = ragged.len();
        ragged.resize(length + PADDING, 0);
        assert_eq!(fields(&ragged, 0, length, 3, b',', &mut starts), None);
        // A row of separators alone is left to who reads with care.
        let mut blank = b"1,2,3\n,,\r\n1,2,3\n".to_vec();
        let length = blank.len();
        blank.resize(length + PADDING, 0);
        assert_eq!(fields(&blank, 0, length, 3, b',', &mut starts), None);
    }
}
