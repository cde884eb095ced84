//! A table into items: a position as `lon,lat` or any geometry as `wkt`; how the file is written is `sheet`'s business.

use super::fields::{self, Item};
use super::{Kind, Lines, Request, read};
use crate::error::{Error, Result};
use crate::sheet::columns::{Column, listed};
use crate::sheet::{Fault, Sheet, letters};
use crate::territory::check::{self, Verdict};
use serde_json::{Map, Value, json};

pub(crate) use crate::sheet::words::decimal;

fn known_one(column: &Column) -> bool {
    matches!(column, Column::Known(_))
}

fn refused(request: &Request<'_>, faults: &[Fault]) -> Error {
    let line = |fault: &Fault| match fault.row {
        Some(row) => format!("{}: row {row}: {}", request.file, fault.line),
        None => format!("{}: {}", request.file, fault.line),
    };
    Error::refused_lines("csv-refused", faults.iter().map(line).collect())
}

pub(super) fn items(request: &Request<'_>, lines: &mut Lines) -> Result<Vec<Item>> {
    if request.bytes.len() > check::MAX_BYTES {
        let line = format!("{}: the file is larger than {} MB; split it", request.file, check::MAX_BYTES >> 20);
        return Err(Error::refused("csv-refused", line));
    }
    let mut known = fields::known_columns(request.kind);
    known.extend([fields::LON, fields::LAT, fields::WKT]);
    let sheet = Sheet::read(request.bytes, request.written, &known, true).map_err(|faults| refused(request, &faults))?;
    for note in &sheet.notes {
        lines.warnings.push(format!("{}: {note}", request.file));
    }
    for fault in &sheet.faults {
        lines.refuse(&format!("row {}", fault.row.unwrap_or(sheet.header)), &fault.line);
    }
    if let Some((column, row)) = sheet.nameless() {
        let line = format!("column {} has no name in the header; what stands there is left out: name it, or empty it", letters(column));
        lines.warn(&format!("row {row}"), line);
    }
    let (lon, lat, wkt) = (sheet.find("lon"), sheet.find("lat"), sheet.find("wkt"));
    let named: Vec<(usize, &str)> = sheet
        .columns
        .iter()
        .enumerate()
        .filter_map(|(at, column)| match column {
            _ if [lon, lat, wkt].contains(&Some(at)) => None,
            Column::Known(name) => Some((at, *name)),
            Column::Own(name) => Some((at, name.as_str())),
            Column::Nameless | Column::Aside => None,
        })
        .collect();
    let places = [(lon, "lon"), (lat, "lat"), (wkt, "wkt")].into_iter().filter_map(|(at, name)| at.map(|_| name));
    lines.columns = Some(listed(&named.iter().map(|(_, name)| *name).chain(places).collect::<Vec<&str>>()));
    // Without a row nothing else would say that this is no such file.
    if sheet.rows.is_empty() && sheet.find("code").is_none() && (request.kind != Kind::Streets || !sheet.columns.iter().any(known_one)) {
        let (column, has) = (if request.kind == Kind::Streets { "wkt" } else { "code" }, lines.columns.clone().unwrap_or_default());
        let line = format!("«{column}» is missing: the file has {has}; add it, or say which one it is with --column {column}=NAME");
        lines.refuse(&format!("row {}", sheet.header), line);
    }
    let mut items = Vec::with_capacity(sheet.rows.len());
    for row in &sheet.rows {
        let place = format!("row {}", row.number);
        let cell = |n: Option<usize>| n.map(|n| row.cell(n).trim()).filter(|text| !text.is_empty());
        let shape = match (cell(wkt), cell(lon), cell(lat)) {
            (Some(text), _, _) => match well_known(text) {
                Some(shape) => {
                    let before = lines.refused.count();
                    let shape = whole(shape, &place, request, lines);
                    if lines.refused.count() > before {
                        continue;
                    }
                    shape
                }
                None => {
                    lines.refuse(&place, "«wkt» cannot be read; write it like POINT (-91.76 14.96)");
                    continue;
                }
            },
            (None, Some(lon), Some(lat)) => match (decimal(lon), decimal(lat)) {
                (Some(x), Some(y)) => match check::misplaced(x, y) {
                    None => {
                        let point = geo::Geometry::Point(geo::Point::new(x, y));
                        Some((json!({"type": "Point", "coordinates": [x, y]}), point))
                    }
                    Some(why) => {
                        lines.refuse(&place, why);
                        continue;
                    }
                },
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
        let mut properties = Map::new();
        for (at, name) in &named {
            let value = row.cell(*at);
            if value.contains('\0') {
                lines.refuse(&place, format!("«{name}» holds the character U+0000, which cannot be stored; remove it"));
            }
            properties.insert((*name).to_owned(), Value::String(value.to_owned()));
        }
        let placeless = shape.is_none() && (lon.is_some() || lat.is_some() || wkt.is_some());
        items.push(Item { place, properties, shape, placeless });
    }
    Ok(items)
}

/// A geometry of a cell, checked as a file of its own would be.
fn whole(shape: Value, place: &str, request: &Request<'_>, lines: &mut Lines) -> Option<(Value, geo::Geometry)> {
    let report = check::inspect(shape.to_string().as_bytes());
    let bad = report.problems.iter().find(|p| p.verdict == Verdict::Reject || (p.verdict == Verdict::RepairOrReject && !request.repair));
    if let Some(problem) = bad {
        lines.refuse(place, &problem.message);
        return None;
    }
    match shape {
        Value::Object(shape) => read::read(shape, place, request, lines),
        _ => None,
    }
}

/// Well-known text as a GeoJSON geometry. `None` when it is not one.
pub(crate) fn well_known(text: &str) -> Option<Value> {
    let text = text.trim();
    let text = text.split_once(';').filter(|(head, _)| head.eq_ignore_ascii_case("SRID=4326")).map_or(text, |(_, rest)| rest);
    let open = text.find('(')?;
    let head = text[..open].trim().to_ascii_uppercase();
    let name = head.split_whitespace().next()?;
    // PointZ, LineStringZM and the like, as QGIS writes them.
    let name = ["ZM", "Z", "M"].iter().find_map(|suffix| name.strip_suffix(suffix)).filter(|_| name != "M").unwrap_or(name);
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
        assert_eq!(well_known("PointZ (-91.5 14.25 7)"), Some(json!({"type": "Point", "coordinates": [-91.5, 14.25, 7.0]})));
        assert_eq!(well_known("linestring(1 2,3 4)"), Some(json!({"type": "LineString", "coordinates": [[1.0, 2.0], [3.0, 4.0]]})));
        assert_eq!(well_known("MULTIPOINT ((1 2), (3 4))").unwrap()["coordinates"], json!([[1.0, 2.0], [3.0, 4.0]]));
        assert_eq!(well_known("POLYGON ((0 0, 1 0, 1 1, 0 0))").unwrap()["coordinates"], json!([[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]]));
        for bad in ["POINT", "POINT (1)", "POINT (1 2", "POINT (1 2) x", "CIRCLE (1 2)", "POLYGON (1 2)", ""] {
            assert_eq!(well_known(bad), None, "{bad}");
        }
    }
}
