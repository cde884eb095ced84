//! From bytes to a JSON value: bounds, encoding, and which mistake a text that is no JSON was.

use super::Findings;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// The largest file that is read, in bytes.
pub const MAX_BYTES: usize = 64 << 20;
const MAX_DEPTH: usize = 64;
const MAX_POSITIONS: usize = 1_000_000;
const MAX_VALUES: usize = 8_000_000;

pub(super) fn document(bytes: &[u8], findings: &mut Findings) -> Option<Value> {
    if bytes.len() > MAX_BYTES {
        findings.reject("too-large", "", format!("the file is larger than {} MB; split it", MAX_BYTES >> 20));
        return None;
    }
    let bytes = match bytes.strip_prefix(b"\xEF\xBB\xBF") {
        Some(rest) => {
            findings.warn("byte-order-mark", "byte 0", "the file begins with a byte order mark; it is ignored (save as UTF-8 without BOM)");
            rest
        }
        None => bytes,
    };
    let Some(first) = bytes.iter().copied().find(|b| !b.is_ascii_whitespace()) else {
        findings.reject("empty-file", "", "the file is empty; export it again");
        return None;
    };
    if let Some(name) = other_format(bytes, first) {
        findings.reject("other-format", "byte 0", format!("this is {name}, not GeoJSON; export the layer as GeoJSON and try again"));
        return None;
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(e) => {
            let place = place(bytes, e.valid_up_to());
            findings.reject("encoding", place, "this byte is not UTF-8 (Windows-1252 or Latin-1?); save the file as UTF-8");
            return None;
        }
    };
    bounds(bytes, findings)?;
    match serde_json::from_str::<Strict>(text) {
        Ok(Strict(value)) => Some(value),
        Err(e) => {
            let at = offset(bytes, e.line(), e.column());
            let (code, message) = mistake(text, at, &e);
            findings.reject(code, place(bytes, at), message);
            None
        }
    }
}

fn other_format(bytes: &[u8], first: u8) -> Option<&'static str> {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(400)]).to_ascii_lowercase();
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    Some(match first {
        _ if starts(b"\xFF\xFE") || starts(b"\xFE\xFF") => "UTF-16 text",
        _ if starts(b"\x1F\x8B") => "a gzip archive",
        _ if starts(b"PK\x03\x04") => "a zip archive (Shapefile or KMZ?)",
        _ if starts(b"SQLite format 3") => "a GeoPackage or another SQLite file",
        b'<' if head.contains("<kml") => "KML",
        b'<' if head.contains("<gpx") => "GPX",
        b'<' if head.contains("<html") || head.contains("<!doctype") => "a web page (a saved error page?)",
        b'<' => "XML or HTML",
        _ => return None,
    })
}

/// Depth and width, before a parser that keeps a stack or a tree sees the text.
fn bounds(bytes: &[u8], findings: &mut Findings) -> Option<()> {
    let (mut depth, mut values, mut positions, mut in_text, mut escaped, mut opened) = (0usize, 0usize, 0usize, false, false, false);
    for (at, &b) in bytes.iter().enumerate() {
        if in_text {
            match b {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_text = false,
                _ => {}
            }
            continue;
        }
        match b {
            b'"' => in_text = true,
            b'[' | b'{' => {
                depth += 1;
                values += 1;
                if depth > MAX_DEPTH {
                    findings.reject("too-deep", place(bytes, at), format!("nested more than {MAX_DEPTH} levels deep; GeoJSON needs about ten"));
                    return None;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' => values += 1,
            b'0'..=b'9' | b'-' if opened => positions += 1,
            _ => {}
        }
        opened = b == b'[' || (opened && b.is_ascii_whitespace());
        if positions > MAX_POSITIONS {
            findings.reject(
                "too-many-positions",
                place(bytes, at),
                format!("more than {MAX_POSITIONS} positions; simplify the layer or split the file"),
            );
            return None;
        }
        if values > MAX_VALUES {
            findings.reject("too-many-values", place(bytes, at), format!("more than {MAX_VALUES} values; split the file"));
            return None;
        }
    }
    Some(())
}

fn place(bytes: &[u8], at: usize) -> String {
    let at = at.min(bytes.len());
    format!("byte {at} (line {})", bytes[..at].iter().filter(|b| **b == b'\n').count() + 1)
}

fn offset(bytes: &[u8], line: usize, column: usize) -> usize {
    let mut start = 0;
    for _ in 1..line {
        match bytes[start..].iter().position(|b| *b == b'\n') {
            Some(n) => start += n + 1,
            None => break,
        }
    }
    (start + column.saturating_sub(1)).min(bytes.len())
}

fn mistake(text: &str, at: usize, error: &serde_json::Error) -> (&'static str, String) {
    let rest = text.get(at..).unwrap_or_default().trim_start();
    let says = error.to_string();
    let says = says.split(" at line ").next().unwrap_or_default();
    if error.is_data() {
        return ("duplicate-key", format!("{says}; two answers to one question: keep one"));
    }
    if error.is_eof() {
        return ("truncated", "the text ends before it is complete (half written or half downloaded); export it again".into());
    }
    if says.starts_with("trailing characters") {
        return if rest.starts_with(['{', '[']) {
            let feature = text
                .split('\n')
                .next()
                .is_some_and(|line| line.contains("\"Feature\"") && serde_json::from_str::<serde::de::IgnoredAny>(line).is_ok());
            if feature {
                ("newline-delimited", "one feature a line (NDJSON, GeoJSONSeq); wrap the lines in one FeatureCollection".into())
            } else {
                ("two-documents", "a second document begins here (the file appended to itself?); keep one".into())
            }
        } else {
            ("not-json", "text goes on after the end of the document; remove it".into())
        };
    }
    let near = text.get(at.saturating_sub(1)..).unwrap_or(rest).trim_start();
    if rest.starts_with("/") || near.starts_with("/") {
        ("comment", "JSON has no comments; remove this one".into())
    } else if rest.starts_with('\'') || near.starts_with('\'') {
        ("single-quotes", "names and texts stand in double quotes in JSON (this looks like Python); write it with json.dump".into())
    } else if ["NaN", "nan", "Infinity", "-Infinity", "inf"].iter().any(|w| rest.starts_with(w) || near.starts_with(w)) || number_word(text, at) {
        ("not-a-number", "NaN and Infinity are not JSON; leave the geometry out (null) where the position is unknown".into())
    } else {
        ("not-json", format!("not JSON: {says}; export the file again"))
    }
}

/// Whether the parser stopped inside a word such as NaN or -Infinity.
fn number_word(text: &str, at: usize) -> bool {
    let from = text[..at.min(text.len())].rfind(|c: char| !c.is_ascii_alphabetic() && c != '-').map_or(0, |n| n + 1);
    let word: String = text.get(from..).unwrap_or_default().chars().take_while(|c| c.is_ascii_alphabetic() || *c == '-').collect();
    matches!(word.trim_start_matches('-'), "NaN" | "nan" | "Infinity" | "inf" | "Inf" | "I" | "N")
}

/// A JSON value in which no object answers one question twice.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Strict, D::Error> {
        struct Build;
        impl<'de> Visitor<'de> for Build {
            type Value = Strict;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("JSON")
            }
            fn visit_bool<E>(self, v: bool) -> Result<Strict, E> {
                Ok(Strict(Value::Bool(v)))
            }
            fn visit_i64<E>(self, v: i64) -> Result<Strict, E> {
                Ok(Strict(v.into()))
            }
            fn visit_u64<E>(self, v: u64) -> Result<Strict, E> {
                Ok(Strict(v.into()))
            }
            fn visit_f64<E>(self, v: f64) -> Result<Strict, E> {
                Ok(Strict(Number::from_f64(v).map_or(Value::Null, Value::Number)))
            }
            fn visit_str<E>(self, v: &str) -> Result<Strict, E> {
                Ok(Strict(Value::String(v.to_owned())))
            }
            fn visit_string<E>(self, v: String) -> Result<Strict, E> {
                Ok(Strict(Value::String(v)))
            }
            fn visit_unit<E>(self) -> Result<Strict, E> {
                Ok(Strict(Value::Null))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Strict, A::Error> {
                let mut items = Vec::new();
                while let Some(Strict(item)) = access.next_element()? {
                    items.push(item);
                }
                items.shrink_to_fit();
                Ok(Strict(Value::Array(items)))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Strict, A::Error> {
                let mut map = Map::new();
                while let Some((key, Strict(value))) = access.next_entry::<String, Strict>()? {
                    if map.contains_key(&key) {
                        return Err(serde::de::Error::custom(format!("the member «{key}» stands twice in one object")));
                    }
                    map.insert(key, value);
                }
                Ok(Strict(Value::Object(map)))
            }
        }
        deserializer.deserialize_any(Build)
    }
}
