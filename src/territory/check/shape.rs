//! One feature, one geometry: nesting, positions, rings, and whether the area is one.

use super::Findings;
use geo::{Area, Contains, Coord, Geometry, GeometryCollection, LineString, MultiLineString, MultiPoint, MultiPolygon, Point, Polygon, Validation};
use rstar::primitives::GeomWithData;
use rstar::{RTree, RTreeObject};
use serde_json::{Map, Value};

pub(super) fn crs(object: &Map<String, Value>, findings: &mut Findings) {
    let Some(crs) = object.get("crs") else { return };
    let name = crs["properties"]["name"].as_str().unwrap_or_default();
    if name.ends_with("CRS84") || name.ends_with(":4326") || crs.is_null() {
        findings.warn("crs-member", "crs", "GeoJSON no longer has «crs»; WGS 84 degrees are meant anyway");
    } else {
        let name = if name.is_empty() { "another reference system" } else { name };
        findings.reject("crs", "crs", format!("the coordinates are in {name}; convert them to WGS 84 degrees (EPSG:4326): ogr2ogr -t_srs EPSG:4326"));
    }
}

pub(super) fn bbox(object: &Map<String, Value>, path: &str, findings: &mut Findings) {
    let Some(bbox) = object.get("bbox") else { return };
    let numbers = bbox.as_array().filter(|list| list.iter().all(Value::is_number));
    if !numbers.is_some_and(|list| list.len() == 4 || list.len() == 6) {
        findings.reject("bbox", join(path, "bbox"), "a bbox is an array of four or six numbers");
    }
}

/// Why a pair of numbers is no longitude and latitude: its code, and what to do.
fn fault(x: f64, y: f64) -> Option<(&'static str, String)> {
    let swapped = (x.abs() <= 90.0 && y.abs() > 90.0 && y.abs() <= 180.0)
        || (super::between::near_guatemala(Coord { x: y, y: x }) && !super::between::near_guatemala(Coord { x, y }));
    if swapped {
        return Some(("swapped", format!("({x}, {y}) looks like latitude, longitude; GeoJSON wants longitude first")));
    }
    if x.abs() > 360.0 || y.abs() > 360.0 {
        return Some(("metres", format!("({x}, {y}) looks like metres (UTM or GTM); convert to WGS 84 degrees (EPSG:4326)")));
    }
    if x.abs() > 180.0 || y.abs() > 90.0 {
        return Some(("out-of-range", format!("({x}, {y}) is no place on earth: longitude is within ±180, latitude within ±90")));
    }
    None
}

/// The same for the lon and lat of a table.
pub(crate) fn misplaced(x: f64, y: f64) -> Option<String> {
    fault(x, y).map(|(code, message)| match code {
        "swapped" => format!("({x}, {y}) looks like latitude, longitude; the columns lon and lat are exchanged"),
        _ => message,
    })
}

pub(super) fn join(path: &str, member: &str) -> String {
    if path.is_empty() { member.to_owned() } else { format!("{path}.{member}") }
}

/// Checks a feature; answers its geometry when it is sound.
pub(super) fn feature(value: &Value, path: &str, findings: &mut Findings) -> Option<Geometry> {
    let Some(object) = value.as_object() else {
        findings.reject("feature", path, "a feature is an object");
        return None;
    };
    match object.get("type").and_then(Value::as_str) {
        Some("Feature") => {}
        _ if object.contains_key("attributes") => {
            findings.reject("esri-json", path, "this feature has Esri «attributes»; export it again as GeoJSON");
            return None;
        }
        _ => {
            findings.reject("type", join(path, "type"), "a feature says \"type\": \"Feature\"");
            return None;
        }
    }
    for foreign in ["coordinates", "geometries", "features"] {
        if object.contains_key(foreign) {
            findings.reject("changed-semantics", join(path, foreign), format!("a Feature may not have a member «{foreign}» (RFC 7946, 7.1)"));
        }
    }
    if object.get("id").is_some_and(|id| !id.is_string() && !id.is_number()) {
        findings.reject("feature-id", join(path, "id"), "an id is a text or a number");
    }
    bbox(object, path, findings);
    match object.get("properties") {
        Some(Value::Object(properties)) => nul(properties, path, findings),
        Some(Value::Null) => {}
        Some(_) => findings.reject("properties", join(path, "properties"), "properties are an object or null"),
        None => findings.reject("properties", join(path, "properties"), "a feature needs the member «properties», if only null"),
    }
    match object.get("geometry") {
        None => {
            findings.reject("geometry", join(path, "geometry"), "a feature needs the member «geometry», if only null");
            None
        }
        Some(Value::Null) => None,
        Some(shape) => {
            let shape = geometry(shape, &join(path, "geometry"), findings)?;
            if !findings.ways {
                closed_line(&shape, object, path, findings);
            }
            Some(shape)
        }
    }
}

fn nul(properties: &Map<String, Value>, path: &str, findings: &mut Findings) {
    fn has(value: &Value) -> bool {
        match value {
            Value::String(text) => text.contains('\0'),
            Value::Array(items) => items.iter().any(has),
            Value::Object(map) => map.iter().any(|(key, value)| key.contains('\0') || has(value)),
            _ => false,
        }
    }
    if let Some((key, _)) = properties.iter().find(|(key, value)| key.contains('\0') || has(value)) {
        findings.reject(
            "nul-character",
            join(path, "properties"),
            format!("«{}» holds the character U+0000, which cannot be stored; remove it", key.replace('\0', "␀")),
        );
    }
}

/// A closed line that is no way to drive along: an area drawn with the wrong tool.
fn closed_line(shape: &Geometry, feature: &Map<String, Value>, path: &str, findings: &mut Findings) {
    const WAYS: [&str; 16] = [
        "route",
        "operator",
        "weekdays",
        "stream",
        "class",
        "highway",
        "ruta",
        "oneway",
        "segment",
        "window_start",
        "days",
        "lanes",
        "surface",
        "neighbourhood",
        "ref",
        "truck",
    ];
    let Geometry::LineString(line) = shape else { return };
    let empty = Map::new();
    let properties = feature.get("properties").and_then(Value::as_object).unwrap_or(&empty);
    if line.0.len() >= 4 && line.is_closed() && !WAYS.iter().any(|key| properties.contains_key(*key)) {
        findings.reject(
            "closed-line",
            join(path, "geometry"),
            "a closed line where an area is due; draw it as a Polygon (a route says \"route\" or \"operator\", a street \"class\")",
        );
    }
}

/// Checks a geometry; answers it when it is sound enough to compare with others.
pub(super) fn geometry(value: &Value, path: &str, findings: &mut Findings) -> Option<Geometry> {
    let Some(object) = value.as_object() else {
        findings.reject("geometry", path, "a geometry is an object");
        return None;
    };
    bbox(object, path, findings);
    let Some(kind) = object.get("type").and_then(Value::as_str) else {
        findings.reject("type", join(path, "type"), "a geometry says its type, such as Point or Polygon");
        return None;
    };
    for foreign in ["geometry", "properties", "features"] {
        if object.contains_key(foreign) {
            findings.reject("changed-semantics", join(path, foreign), format!("a geometry may not have a member «{foreign}» (RFC 7946, 7.1)"));
            return None;
        }
    }
    if kind == "GeometryCollection" {
        return collection(object, path, findings);
    }
    let at = join(path, "coordinates");
    if !["Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon"].contains(&kind) {
        let message = if kind.eq_ignore_ascii_case("feature") || kind.eq_ignore_ascii_case("featurecollection") {
            format!("«{kind}» cannot stand where a geometry is due")
        } else {
            format!("«{kind}» is no GeoJSON geometry type")
        };
        findings.reject("type", join(path, "type"), message);
        return None;
    }
    let Some(coordinates) = object.get("coordinates").and_then(Value::as_array) else {
        findings.reject("coordinates", at, format!("a {kind} needs an array «coordinates»"));
        return None;
    };
    if coordinates.is_empty() {
        findings.warn("empty-geometry", at, format!("an empty {kind}; it is read as «no geometry»"));
        return None;
    }
    let mut reader = Reader { findings, jumps: false, four: false };
    let shape = match kind {
        "Point" => Geometry::Point(Point(reader.position(coordinates, &at)?)),
        "MultiPoint" => Geometry::MultiPoint(MultiPoint(reader.line(coordinates, &at, 1)?.into_iter().map(Point).collect())),
        "LineString" => Geometry::LineString(LineString(reader.line(coordinates, &at, 2)?)),
        "MultiLineString" => {
            let lines: Option<Vec<_>> = coordinates
                .iter()
                .enumerate()
                .map(|(n, line)| {
                    let at = format!("{at}[{n}]");
                    let line = reader.array(line, &at)?;
                    reader.line(line, &at, 2).map(LineString)
                })
                .collect();
            Geometry::MultiLineString(MultiLineString(lines?))
        }
        "Polygon" => Geometry::Polygon(reader.polygon(coordinates, &at)?),
        _ => {
            let parts: Option<Vec<_>> = coordinates
                .iter()
                .enumerate()
                .map(|(n, part)| {
                    let at = format!("{at}[{n}]");
                    let part = reader.array(part, &at)?;
                    if part.is_empty() {
                        reader.findings.reject("ring", at, "a part without rings");
                        return None;
                    }
                    reader.polygon(part, &at)
                })
                .collect();
            Geometry::MultiPolygon(MultiPolygon(parts?))
        }
    };
    if reader.four {
        reader.findings.warn("fourth-element", &at, "positions have more than longitude, latitude and height; the rest is kept and not read");
    }
    if reader.jumps {
        reader.findings.warn("antimeridian", &at, "crosses the 180th meridian; cut it there");
        return None;
    }
    sound(&shape, &at, findings).then_some(shape)
}

fn collection(object: &Map<String, Value>, path: &str, findings: &mut Findings) -> Option<Geometry> {
    let at = join(path, "geometries");
    let Some(members) = object.get("geometries").and_then(Value::as_array) else {
        findings.reject("geometries", at, "a GeometryCollection needs an array «geometries»");
        return None;
    };
    if members.len() == 1 {
        findings.warn("collection-of-one", &at, "a collection of one geometry; use the geometry itself");
    }
    let mut shapes = Vec::new();
    for (n, member) in members.iter().enumerate() {
        let at = format!("{at}[{n}]");
        if member["type"] == "GeometryCollection" {
            findings.warn("nested-collection", &at, "a collection inside a collection; flatten it");
        }
        shapes.extend(geometry(member, &at, findings));
    }
    Some(Geometry::GeometryCollection(GeometryCollection(shapes)))
}

struct Reader<'a> {
    findings: &'a mut Findings,
    jumps: bool,
    four: bool,
}

impl Reader<'_> {
    fn array<'v>(&mut self, value: &'v Value, at: &str) -> Option<&'v [Value]> {
        let array = value.as_array();
        if array.is_none() {
            self.findings.reject("nesting", at, "an array was expected here; the nesting does not fit the type");
        }
        array.map(Vec::as_slice)
    }

    fn position(&mut self, position: &[Value], at: &str) -> Option<Coord> {
        self.findings.positions += 1;
        if let Some(n) = position.iter().position(|v| !v.is_number()) {
            let nested = position[n].is_array();
            let message = if nested { "numbers were expected here; the nesting does not fit the type" } else { "a position holds numbers only" };
            self.findings.reject(if nested { "nesting" } else { "position" }, format!("{at}[{n}]"), message);
            return None;
        }
        let (Some(x), Some(y)) = (position.first().and_then(Value::as_f64), position.get(1).and_then(Value::as_f64)) else {
            self.findings.reject("position", at, "a position needs at least longitude and latitude");
            return None;
        };
        self.four |= position.len() > 3;
        if let Some((code, message)) = fault(x, y) {
            self.findings.reject(code, at, message);
            return None;
        }
        Some(Coord { x, y })
    }

    fn line(&mut self, positions: &[Value], at: &str, least: usize) -> Option<Vec<Coord>> {
        let mut line = Vec::with_capacity(positions.len());
        for (n, position) in positions.iter().enumerate() {
            let Some(array) = position.as_array() else {
                self.findings.reject("nesting", format!("{at}[{n}]"), "a position was expected here; the nesting does not fit the type");
                return None;
            };
            // The path is only written out for a position that is refused.
            let sound = array.len() >= 2 && array.iter().all(Value::is_number);
            let place = match (sound, array.first().and_then(Value::as_f64), array.get(1).and_then(Value::as_f64)) {
                (true, Some(x), Some(y)) if x.abs() <= 180.0 && y.abs() <= 90.0 && !super::between::near_guatemala(Coord { x: y, y: x }) => {
                    self.findings.positions += 1;
                    self.four |= array.len() > 3;
                    Coord { x, y }
                }
                _ => self.position(array, &format!("{at}[{n}]"))?,
            };
            if least > 1 && line.last().is_some_and(|last: &Coord| (last.x - place.x).abs() > 180.0) {
                self.jumps = true;
            }
            line.push(place);
        }
        if line.len() < least {
            self.findings.reject("too-few-positions", at, format!("a line needs at least {least} positions"));
            return None;
        }
        Some(line)
    }

    fn polygon(&mut self, rings: &[Value], at: &str) -> Option<Polygon> {
        let mut read = Vec::with_capacity(rings.len());
        for (n, ring) in rings.iter().enumerate() {
            let at = format!("{at}[{n}]");
            let ring = self.array(ring, &at)?;
            let ring = self.line(ring, &at, 0)?;
            if ring.len() < 4 {
                self.findings.reject("ring", at, format!("a ring needs four positions or more, the last like the first; this has {}", ring.len()));
                return None;
            }
            if ring.first() != ring.last() {
                self.findings.repair("unclosed-ring", at, "the last position of a ring must be the first again; --repair closes it");
                return None;
            }
            let ring = LineString(ring);
            let area = signed(&ring);
            if !self.jumps && (area < 0.0) == (n == 0) && area != 0.0 {
                let message = if n == 0 {
                    "the outer ring runs clockwise; it is stored the other way round"
                } else {
                    "a hole runs counter-clockwise; it is stored the other way round"
                };
                self.findings.warn("winding", at, message);
            }
            read.push(ring);
        }
        let mut rings = read.into_iter();
        Some(Polygon::new(rings.next()?, rings.collect()))
    }
}

fn signed(ring: &LineString) -> f64 {
    Polygon::new(ring.clone(), Vec::new()).signed_area()
}

/// Whether areas are areas; on failure the finding says what is crossed.
fn sound(shape: &Geometry, at: &str, findings: &mut Findings) -> bool {
    let lines = crate::territory::geometry::lines(shape);
    if let Some(first) = lines.first().and_then(|line| line.0.first())
        && lines.iter().flat_map(|line| &line.0).all(|c| c == first)
    {
        findings.warn("zero-length", at, "a line without length: all its positions are one; draw it again");
        return true;
    }
    let parts = match shape {
        Geometry::Polygon(p) => MultiPolygon(vec![p.clone()]),
        Geometry::MultiPolygon(m) => m.clone(),
        _ => return true,
    };
    for part in &parts {
        let coarse: std::collections::BTreeSet<(i64, i64)> =
            part.exterior().0.iter().take(64).map(|c| ((c.x * 1e6).round() as i64, (c.y * 1e6).round() as i64)).collect();
        if coarse.len() < 3 {
            findings.warn("sliver", at, "so small that it vanishes at six decimals (a decimetre); is it a drawing mistake?");
            return false;
        }
    }
    let vertices: usize = parts.iter().map(|p| p.exterior().0.len() + p.interiors().iter().map(|r| r.0.len()).sum::<usize>()).sum();
    let wrong = if vertices <= 300 && parts.0.len() <= 20 {
        parts.check_validation().err().map(|e| e.to_string())
    } else {
        match crossing(&parts, &mut findings.work) {
            Ok(wrong) => wrong,
            Err(()) => {
                findings.reject("too-intricate", at, "the outline is too intricate to be checked; simplify it");
                return false;
            }
        }
    };
    match wrong {
        Some(why) => {
            findings.repair("invalid-area", at, format!("{why}; mend the outline, or see what --repair makes of it"));
            false
        }
        None => true,
    }
}

/// The same question for large outlines, through an R-tree of edges; `Err` when it would take too long.
fn crossing(parts: &MultiPolygon, work: &mut usize) -> Result<Option<String>, ()> {
    const ENOUGH: usize = 20_000_000;
    type Edge = GeomWithData<geo::Line, usize>;
    let mut edges: Vec<Edge> = Vec::new();
    for ring in parts.iter().flat_map(|p| std::iter::once(p.exterior()).chain(p.interiors())) {
        for line in ring.lines().filter(|l| l.start != l.end) {
            edges.push(Edge::new(line, edges.len()));
        }
    }
    let tree = RTree::bulk_load(edges);
    for edge in tree.iter() {
        for other in tree.locate_in_envelope_intersecting(&edge.envelope()) {
            *work += 1;
            if *work > ENOUGH {
                return Err(());
            }
            if other.data <= edge.data {
                continue;
            }
            use geo::line_intersection::{LineIntersection, line_intersection};
            match line_intersection(*edge.geom(), *other.geom()) {
                Some(LineIntersection::SinglePoint { is_proper: true, intersection }) => {
                    return Ok(Some(format!("the outline crosses itself at ({:.6}, {:.6})", intersection.x, intersection.y)));
                }
                Some(LineIntersection::Collinear { intersection }) if intersection.start != intersection.end => {
                    return Ok(Some(format!("the outline runs over itself at ({:.6}, {:.6})", intersection.start.x, intersection.start.y)));
                }
                _ => {}
            }
        }
    }
    for part in parts {
        let shell = Polygon::new(part.exterior().clone(), Vec::new());
        for hole in part.interiors() {
            *work += shell.exterior().0.len();
            if *work > ENOUGH * 10 {
                return Err(());
            }
            // Rings do not cross: one position off the border decides.
            use geo::coordinate_position::{CoordPos, CoordinatePosition};
            let outside = hole.0.iter().map(|c| shell.coordinate_position(c)).find(|p| *p != CoordPos::OnBoundary) == Some(CoordPos::Outside);
            if outside {
                return Ok(Some("a hole lies outside its outer ring".into()));
            }
        }
    }
    if parts.0.len() > 1 && parts.0.len() <= 2_000 {
        for (n, part) in parts.iter().enumerate() {
            for other in parts.iter().skip(n + 1) {
                if let Some(first) = other.exterior().0.first() {
                    use geo::BoundingRect;
                    if part.bounding_rect().is_some_and(|r| geo::Intersects::intersects(&r, first)) && part.contains(first) {
                        return Ok(Some("two parts lie over each other".into()));
                    }
                }
            }
        }
    }
    Ok(None)
}
