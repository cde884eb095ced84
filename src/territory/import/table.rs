//! CSV: comma or semicolon, a position as `lon,lat` (decimal comma too, between semicolons) or any geometry as `wkt`.

use super::fields::Item;
use super::{Lines, Request, read};
use crate::error::{Error, Result};
use crate::territory::check::{self, Verdict};
use serde_json::{Map, Value, json};

pub(super) fn items(request: &Request<'_>, lines: &mut Lines) -> Result<Vec<Item>> {
    let refuse = |line: String| Error::refused("csv-refused", format!("{}: {line}", request.file));
    if request.bytes.len() > check::MAX_BYTES {
        return Err(refuse(format!("the file is larger than {} MB; split it", check::MAX_BYTES >> 20)));
    }
    let bytes = match request.bytes.strip_prefix(b"\xEF\xBB\xBF") {
        Some(rest) => {
            lines.warnings.push(format!("{}: the file begins with a byte order mark; it is ignored", request.file));
            rest
        }
        None => request.bytes,
    };
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let line = bytes[..e.valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
        refuse(format!("line {line}: not UTF-8 (Windows-1252 or Latin-1?); save it as «CSV UTF-8»"))
    })?;
    let head = text.lines().next().unwrap_or_default();
    let count = |c: char| head.matches(c).count();
    let delimiter = if count(';') > count(',') {
        b';'
    } else if count('\t') > count(',') {
        b'\t'
    } else {
        b','
    };
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).trim(csv::Trim::Headers).from_reader(text.as_bytes());
    let headers = reader.headers().map_err(|e| refuse(format!("the header cannot be read ({e})")))?.clone();
    if headers.iter().all(str::is_empty) {
        return Err(refuse("the file is empty; export it again".into()));
    }
    for (n, name) in headers.iter().enumerate() {
        if headers.iter().take(n).any(|before| before == name) {
            return Err(refuse(format!("row 1: the column «{name}» stands twice; keep one")));
        }
    }
    let column = |names: &[&str]| headers.iter().position(|h| names.iter().any(|n| h.eq_ignore_ascii_case(n)));
    let (lon, lat, wkt) = (column(&["lon", "longitude", "lng"]), column(&["lat", "latitude"]), column(&["wkt", "geometry"]));
    let mut items = Vec::new();
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(e) => {
                let row = e.position().map_or(0, csv::Position::line);
                let why = match e.kind() {
                    csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                        format!("{len} cells where the header has {expected_len}; mend the row")
                    }
                    _ => format!("cannot be read ({e})"),
                };
                lines.refuse(&format!("row {row}"), why);
                continue;
            }
        };
        let place = format!("row {}", record.position().map_or(0, csv::Position::line));
        let cell = |n: Option<usize>| n.and_then(|n| record.get(n)).map(str::trim).filter(|text| !text.is_empty());
        let shape = match (cell(wkt), cell(lon), cell(lat)) {
            (Some(text), _, _) => match well_known(text) {
                Some(shape) => Some(shape),
                None => {
                    lines.refuse(&place, "«wkt» cannot be read; write it like POINT (-91.76 14.96)");
                    continue;
                }
            },
            (None, Some(lon), Some(lat)) => match (decimal(lon), decimal(lat)) {
                (Some(x), Some(y)) => Some(json!({"type": "Point", "coordinates": [x, y]})),
                _ => {
                    lines.refuse(&place, format!("«{lon}», «{lat}» is no position; write degrees like -91.7617 and 14.9680"));
                    continue;
                }
            },
            (None, Some(_), None) | (None, None, Some(_)) => {
                lines.refuse(&place, "a position needs both lon and lat");
                continue;
            }
            (None, None, None) => None,
        };
        let shape = match shape {
            Some(Value::Object(shape)) => {
                let report = check::inspect(Value::Object(shape.clone()).to_string().as_bytes());
                let bad = report.problems.iter().find(|p| p.verdict == Verdict::Reject || (p.verdict == Verdict::RepairOrReject && !request.repair));
                if let Some(problem) = bad {
                    lines.refuse(&place, &problem.message);
                    continue;
                }
                read::read(shape, &place, request, lines)
            }
            _ => None,
        };
        let mut properties = Map::new();
        for (n, (name, value)) in headers.iter().zip(record.iter()).enumerate() {
            if Some(n) != lon && Some(n) != lat && Some(n) != wkt && !name.is_empty() {
                if value.contains('\0') {
                    lines.refuse(&place, format!("«{name}» holds the character U+0000, which cannot be stored; remove it"));
                }
                properties.insert(name.to_owned(), Value::String(value.to_owned()));
            }
        }
        items.push(Item { place, properties, shape });
    }
    Ok(items)
}

/// A number with a decimal point or comma.
pub(crate) fn decimal(text: &str) -> Option<f64> {
    let text = text.trim();
    let number = text.parse::<f64>().or_else(|_| text.replacen(',', ".", 1).parse::<f64>()).ok()?;
    number.is_finite().then_some(number)
}

/// Well-known text as a GeoJSON geometry. `None` when it is not one.
pub(crate) fn well_known(text: &str) -> Option<Value> {
    let text = text.trim();
    let text = text.split_once(';').filter(|(head, _)| head.eq_ignore_ascii_case("SRID=4326")).map_or(text, |(_, rest)| rest);
    let open = text.find('(')?;
    let head = text[..open].trim().to_ascii_uppercase();
    let name = head.split_whitespace().next()?;
    let (kind, depth) = match name {
        "POINT" => ("Point", 0),
        "MULTIPOINT" => ("MultiPoint", 1),
        "LINESTRING" => ("LineString", 1),
        "MULTILINESTRING" => ("MultiLineString", 2),
        "POLYGON" => ("Polygon", 2),
        "MULTIPOLYGON" => ("MultiPolygon", 3),
        _ => return None,
    };
    let (value, rest) = nested(&text[open..], if kind == "Point" { 1 } else { depth })?;
    if !rest.trim().is_empty() {
        return None;
    }
    let coordinates = if kind == "Point" { value.as_array()?.first()?.clone() } else { value };
    Some(json!({"type": kind, "coordinates": coordinates}))
}

/// `( … )` of a known depth: positions at depth 1, lists of lists above.
fn nested(text: &str, depth: usize) -> Option<(Value, &str)> {
    let mut rest = text.trim_start().strip_prefix('(')?;
    let mut items = Vec::new();
    loop {
        if depth > 1 {
            let (item, after) = nested(rest, depth - 1)?;
            items.push(item);
            rest = after;
        } else {
            let end = rest.find([',', ')', '('])?;
            if rest[..end].trim().is_empty() && rest[end..].starts_with('(') {
                // MULTIPOINT ((1 2), (3 4))
                let (item, after) = nested(rest, 1)?;
                items.push(item.as_array()?.first()?.clone());
                rest = after;
            } else {
                let numbers: Option<Vec<f64>> = rest[..end].split_whitespace().map(|n| n.parse().ok()).collect();
                items.push(json!(numbers.filter(|n| n.len() >= 2)?));
                rest = &rest[end..];
            }
        }
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix(',') {
            rest = after;
        } else {
            return Some((Value::Array(items), rest.strip_prefix(')')?));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_text_is_read_whole_or_not_at_all() {
        assert_eq!(well_known("POINT (-91.5 14.25)"), Some(json!({"type": "Point", "coordinates": [-91.5, 14.25]})));
        assert_eq!(well_known("linestring(1 2,3 4)"), Some(json!({"type": "LineString", "coordinates": [[1.0, 2.0], [3.0, 4.0]]})));
        assert_eq!(well_known("MULTIPOINT ((1 2), (3 4))").unwrap()["coordinates"], json!([[1.0, 2.0], [3.0, 4.0]]));
        assert_eq!(well_known("POLYGON ((0 0, 1 0, 1 1, 0 0))").unwrap()["coordinates"], json!([[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]]));
        for bad in ["POINT", "POINT (1)", "POINT (1 2", "POINT (1 2) x", "CIRCLE (1 2)", "POLYGON (1 2)", ""] {
            assert_eq!(well_known(bad), None, "{bad}");
        }
    }
}
