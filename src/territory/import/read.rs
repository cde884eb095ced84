//! GeoJSON or CSV into items, with what was wrong said first.

use super::fields::Item;
use super::{Kind, Lines, Request, table};
use crate::error::{Error, Result};
use crate::territory::check::{self, Verdict};
use crate::territory::geometry;
use geo::{Area, BooleanOps, LineString, MapCoords, MultiPolygon, Polygon};
use serde_json::{Map, Value, json};

pub(super) fn items(request: &Request<'_>, lines: &mut Lines) -> Result<Vec<Item>> {
    let first = request.bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(request.bytes).iter().copied().find(|b| !b.is_ascii_whitespace());
    let named_table = std::path::Path::new(request.file).extension().is_some_and(|e| e.eq_ignore_ascii_case("csv") || e.eq_ignore_ascii_case("tsv"));
    let mut items =
        if named_table || first.is_some_and(|b| b.is_ascii_alphabetic()) { table::items(request, lines)? } else { features(request, lines)? };
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

fn features(request: &Request<'_>, lines: &mut Lines) -> Result<Vec<Item>> {
    // A closed line is a fair route, street or segment.
    let ways = matches!(request.kind, Kind::Routes | Kind::Segments | Kind::Streets);
    let report = if ways { check::inspect_ways(request.bytes) } else { check::inspect(request.bytes) };
    let worst = report.verdict;
    let say = |path: &str, message: &str| {
        if path.is_empty() { format!("{}: {message}", request.file) } else { format!("{}: {path}: {message}", request.file) }
    };
    if worst == Verdict::Reject || (worst == Verdict::RepairOrReject && !request.repair) {
        let refused = report.problems.iter().filter(|p| p.verdict >= Verdict::RepairOrReject);
        return Err(Error::refused_lines("geojson-refused", refused.map(|p| say(&p.path, &p.message)).collect()));
    }
    // Overlaps and places are said again by the kind's own rules, with codes instead of positions in the file.
    let general = report.problems.iter().filter(|p| p.verdict == Verdict::AcceptWarn && !["overlap", "outside", "null-island"].contains(&p.code));
    lines.warnings.extend(general.map(|p| say(&p.path, &p.message)));
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
        items.push(Item { place, properties, shape });
    }
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
                    lines.warn(
                        place,
                        format!(
                            "repaired: the outline was made valid, {} part(s), area {:+.2} %",
                            valid.0.len(),
                            (valid.unsigned_area() / before.unsigned_area() - 1.0) * 100.0
                        ),
                    );
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
