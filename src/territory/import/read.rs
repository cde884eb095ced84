//! GeoJSON or CSV into items, with what was wrong said first.

use super::fields::{self, FLAGS, Item};
use super::{Kind, Lines, Request, table};
use crate::error::{Error, Result};
use crate::sheet::columns::{Column, listed, resolve};
use crate::sheet::problems::Problems;
use crate::sheet::{Encoding, Seen, decode, seen, words};
use crate::territory::check::{self, Verdict};
use crate::territory::geometry;
use geo::{Area, BooleanOps, LineString, MapCoords, MultiPolygon, Polygon};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::HashMap;

pub(super) fn items(request: &Request<'_>, lines: &mut Lines) -> Result<Vec<Item>> {
    let named = |ends: &[&str]| std::path::Path::new(request.file).extension().is_some_and(|e| ends.iter().any(|end| e.eq_ignore_ascii_case(end)));
    // UTF-16 has a zero byte beside each of its signs.
    let first = request.bytes.iter().copied().find(|b| !b.is_ascii_whitespace() && !matches!(b, 0 | 0xEF | 0xBB | 0xBF | 0xFE | 0xFF));
    let table = named(&["csv", "tsv", "txt"]) || (!named(&["geojson", "json"]) && first.is_some_and(|b| b.is_ascii_alphabetic() || b == b'"'));
    let mut items = if table { table::items(request, lines)? } else { features(request, lines)? };
    doubts(request, &items, lines);
    for item in &mut items {
        if let Some((shape, parsed)) = &mut item.shape
            && rewind(shape)
            && let Some(read) = geometry::parse(shape)
        {
            *parsed = read;
        }
    }
    if items.is_empty() && lines.refused.is_empty() {
        lines.warnings.push(format!("{}: no features in it; nothing to import", request.file));
    }
    Ok(items)
}

/// Letters that were lost or spoilt on the way, and yes or no that is neither.
fn doubts(request: &Request<'_>, items: &[Item], lines: &mut Lines) {
    let known = fields::known_columns(request.kind);
    for item in items {
        for (name, value) in &item.properties {
            let Value::String(text) = value else { continue };
            // A code has its own rule.
            if name != "code" && known.iter().any(|known| known.name == name) && text.chars().nth(fields::LONGEST_TEXT).is_some() {
                lines.refuse(&item.place, format!("«{name}» is «{text}»; write at most {} letters", fields::LONGEST_TEXT));
                continue;
            }
            if matches!(name.as_str(), "name" | "operator_name") && request.kind != Kind::Streets && text.chars().nth(fields::LONGEST_NAME).is_some()
            {
                let (letters, most) = (text.chars().count(), fields::LONGEST_NAME);
                lines.refuse(&item.place, format!("«{name}» has {letters} letters; write at most {most}"));
                continue;
            }
            if text.contains('\u{FFFD}') {
                lines.refuse(&item.place, format!("«{name}» is «{text}»: letters were lost on the way (U+FFFD); export the file again as UTF-8"));
            } else if let Some(meant) = words::mojibake(text) {
                let line =
                    format!("«{name}» is «{text}»: «{meant}» was probably meant (UTF-8 read as Windows-1252); mend it where the file comes from");
                lines.warn(&item.place, line);
            }
            if FLAGS.contains(&name.as_str()) && known.iter().any(|known| known.name == name) && words::yes(text).is_none() {
                lines.refuse(&item.place, format!("«{name}» is «{text}»; write sí or no"));
            }
        }
    }
}

/// Properties under the names we know them by, as the columns of a table.
fn renamed(request: &Request<'_>, items: &mut [Item], lines: &mut Lines) -> Result<()> {
    let known = fields::known_columns(request.kind);
    let mut names: Vec<String> = Vec::new();
    let mut at: HashMap<String, usize> = HashMap::new();
    for name in items.iter().flat_map(|item| item.properties.keys()).filter(|name| *name != "@id") {
        if !at.contains_key(name) {
            at.insert(name.clone(), names.len());
            names.push(name.clone());
        }
    }
    let shown: Vec<&str> = names.iter().map(String::as_str).collect();
    // A feature's own id is its code already.
    let own_id = |pair: &&(String, String)| pair.0 == "code" && pair.1 == "id" && !at.contains_key("id");
    let asked: Vec<(String, String)> = request.written.columns.iter().filter(|pair| !own_id(pair)).cloned().collect();
    let found = resolve(&shown, &known, &asked, true)
        .map_err(|problems| Error::refused_lines("geojson-refused", problems.iter().map(|line| format!("{}: {line}", request.file)).collect()))?;
    for note in &found.notes {
        lines.warnings.push(format!("{}: {note}", request.file));
    }
    let differs =
        |(name, column): &(&String, &Column)| !matches!(column, Column::Known(own) if *own == name.as_str()) && !matches!(column, Column::Own(_));
    let change: Vec<(&String, &Column)> = names.iter().zip(&found.columns).filter(differs).collect();
    for item in items.iter_mut() {
        // Taken out before any goes in: one may be called what another is.
        let taken: Vec<(&Column, Value)> = change.iter().filter_map(|(name, column)| Some((*column, item.properties.remove(*name)?))).collect();
        for (column, value) in taken {
            if let Column::Known(name) = column {
                item.properties.insert((*name).to_owned(), value);
            }
        }
        // Null is what a layer holds where nobody said anything: what stands stays.
        item.properties.retain(|name, value| !value.is_null() || !known.iter().any(|known| known.name == name));
    }
    let now = names.iter().zip(&found.columns).filter_map(|(name, column)| match column {
        Column::Known(own) => Some(*own),
        Column::Own(_) => Some(name.as_str()),
        _ => None,
    });
    lines.columns = Some(listed(&now.collect::<Vec<&str>>()));
    Ok(())
}

/// GeoJSON is UTF-8; other letters are read where they show themselves or were asked for.
fn utf8<'a>(request: &Request<'a>, lines: &mut Lines) -> Result<Cow<'a, [u8]>> {
    let shows = matches!(seen(request.bytes), Seen::Marked(Encoding::Utf16Le | Encoding::Utf16Be, _) | Seen::Zeros(_));
    if !shows && matches!(request.written.encoding, None | Some(Encoding::Utf8)) {
        return Ok(Cow::Borrowed(request.bytes));
    }
    let text = decode(request.bytes, request.written.encoding, true)
        .map_err(|fault| Error::refused("geojson-refused", format!("{}: {}", request.file, fault.line)))?;
    let note = text.note.unwrap_or_else(|| "read as UTF-16; GeoJSON is UTF-8, save it so".to_owned());
    lines.warnings.push(format!("{}: {note}", request.file));
    Ok(Cow::Owned(text.text.into_owned().into_bytes()))
}

fn features(request: &Request<'_>, lines: &mut Lines) -> Result<Vec<Item>> {
    let bytes = utf8(request, lines)?;
    // A closed line is a fair route, street or segment.
    let ways = matches!(request.kind, Kind::Routes | Kind::Segments | Kind::Streets);
    let report = if ways { check::inspect_ways(&bytes) } else { check::inspect(&bytes) };
    let worst = report.verdict;
    if worst == Verdict::Reject || (worst == Verdict::RepairOrReject && !request.repair) {
        let mut refused = Problems::default();
        for problem in report.problems.iter().filter(|p| p.verdict >= Verdict::RepairOrReject) {
            match problem.path.as_str() {
                "" => refused.push(format!("{}: {}", request.file, problem.message)),
                path => refused.add(path, &problem.message),
            }
        }
        return Err(Error::refused_lines("geojson-refused", refused.lines(&format!("{}: ", request.file), ": ")));
    }
    // Overlaps and places are said again by the kind's own rules, with codes instead of positions in the file.
    const AGAIN: [&str; 5] = ["overlap", "outside", "null-island", "null-geometry", "zero-length"];
    for problem in report.problems.iter().filter(|p| p.verdict == Verdict::AcceptWarn && !AGAIN.contains(&p.code)) {
        match problem.path.as_str() {
            "" => lines.warnings.push(format!("{}: {}", request.file, problem.message)),
            path => lines.warn(path, &problem.message),
        }
    }
    let document = report.document.ok_or_else(|| Error::internal("an accepted text has a document"))?;
    let features = match document {
        Value::Object(mut object) if object.get("type").and_then(Value::as_str) == Some("FeatureCollection") => match object.remove("features") {
            Some(Value::Array(features)) => features,
            _ => Vec::new(),
        },
        one if one["type"] == "Feature" => vec![one],
        bare => vec![json!({"type": "Feature", "properties": {}, "geometry": bare})],
    };
    let mut items = Vec::with_capacity(features.len());
    for (n, mut feature) in features.into_iter().enumerate() {
        let place = format!("feature {n}");
        let mut properties = match feature["properties"].take() {
            Value::Object(properties) => properties,
            _ => Map::new(),
        };
        let id = feature["id"].take();
        if !id.is_null() {
            properties.insert("@id".into(), id);
        }
        let shape = match feature["geometry"].take() {
            Value::Object(shape) => read(shape, &place, request, lines),
            _ => None,
        };
        items.push(Item { place, properties, shape, placeless: false });
    }
    renamed(request, &mut items, lines)?;
    Ok(items)
}

/// The stored form of a geometry: type and coordinates only, repaired when asked.
pub(super) fn read(mut shape: Map<String, Value>, place: &str, request: &Request<'_>, lines: &mut Lines) -> Option<(Value, geo::Geometry)> {
    shape.retain(|key, _| matches!(key.as_str(), "type" | "coordinates" | "geometries"));
    let mut value = Value::Object(shape);
    if value["coordinates"].as_array().is_some_and(Vec::is_empty) {
        return None;
    }
    if request.repair {
        let closed = close(&mut value);
        if closed > 0 {
            lines.warn(place, format!("repaired: {closed} ring(s) closed"));
        }
        if check::inspect(value.to_string().as_bytes()).verdict == Verdict::RepairOrReject {
            let before = geometry::areas(&geometry::geometry(&value));
            match made_valid(&before) {
                valid if !valid.0.is_empty() => {
                    // A figure eight may enclose nothing by its own count: then there is nothing to compare with.
                    let change = (valid.unsigned_area() / before.unsigned_area() - 1.0) * 100.0;
                    let change = if change.is_finite() && change.abs() < 1000.0 { format!(", area {change:+.2} %") } else { String::new() };
                    lines.warn(place, format!("repaired: the outline was made valid, {} part(s){change}", valid.0.len()));
                    let valid = valid.map_coords(|c| geo::Coord { x: (c.x * 1e9).round() / 1e9, y: (c.y * 1e9).round() / 1e9 });
                    let valid = match <[Polygon; 1]>::try_from(valid.0) {
                        Ok([one]) => geo::Geometry::Polygon(one),
                        Err(many) => geo::Geometry::MultiPolygon(geo::MultiPolygon(many)),
                    };
                    value = Value::from(&geojson::GeometryValue::from(&valid));
                }
                _ => lines.refuse(place, "the outline cannot be repaired; draw it again"),
            }
        }
    }
    let parsed = geometry::parse(&value);
    if parsed.is_none() {
        lines.refuse(place, "the geometry cannot be read; draw it again");
    }
    parsed.map(|parsed| (value, parsed))
}

/// Each part untangled (what lies in an odd number of loops is inside), then all parts joined.
fn made_valid(tangled: &MultiPolygon) -> MultiPolygon {
    let parts: Vec<MultiPolygon> = tangled.iter().map(|part| part.union(&MultiPolygon::new(Vec::new()))).collect();
    geo::unary_union(parts.iter().flatten())
}

/// Every ring of a Polygon or MultiPolygon, with whether it is an outer one.
fn rings(shape: &mut Value) -> Vec<(bool, &mut Vec<Value>)> {
    fn of(polygon: &mut Value) -> Vec<(bool, &mut Vec<Value>)> {
        polygon.as_array_mut().into_iter().flatten().enumerate().filter_map(|(n, ring)| Some((n == 0, ring.as_array_mut()?))).collect()
    }
    let polygon = shape["type"] == "Polygon";
    let multi = shape["type"] == "MultiPolygon";
    match shape.get_mut("coordinates") {
        Some(coordinates) if polygon => of(coordinates),
        Some(Value::Array(parts)) if multi => parts.iter_mut().flat_map(of).collect(),
        _ => Vec::new(),
    }
}

fn close(shape: &mut Value) -> usize {
    let mut closed = 0;
    for (_, ring) in rings(shape) {
        let (Some(first), Some(last)) = (ring.first().cloned(), ring.last()) else { continue };
        if first != *last {
            let near = |a: &Value, b: &Value| (a.as_f64().unwrap_or(0.0) - b.as_f64().unwrap_or(9.9)).abs() < 1e-7;
            if near(&first[0], &last[0]) && near(&first[1], &last[1]) {
                ring.pop();
            }
            ring.push(first);
            closed += 1;
        }
    }
    closed
}

/// Turns rings that run the wrong way (outer counter-clockwise, holes clockwise), heights and all; says whether any did.
fn rewind(shape: &mut Value) -> bool {
    let mut turned = false;
    for (outer, ring) in rings(shape) {
        let line: LineString = ring.iter().map(|p| (p[0].as_f64().unwrap_or(0.0), p[1].as_f64().unwrap_or(0.0))).collect::<Vec<_>>().into();
        let area = Polygon::new(line, Vec::new()).signed_area();
        if area != 0.0 && (area < 0.0) == outer {
            ring.reverse();
            turned = true;
        }
    }
    turned
}
