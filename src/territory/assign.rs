//! Points into areas: an R-tree finds the candidates, each area is prepared once so that a test looks at a few edges.
//!
//! Edge rule: a point on a border belongs to exactly one area, the first in the file of those whose border or inside it is on.

use super::check::{self, Verdict};
use super::geometry;
use super::import::{LAT, LON, decimal};
use crate::error::{Error, Result};
use crate::sheet::columns::{listed, resolve};
use crate::sheet::problems::Problems;
use crate::sheet::{self, Rows, dialect};
use geo::{BoundingRect, Coord, Geometry, MultiPolygon};
use rstar::primitives::{GeomWithData, Rectangle};
use rstar::{AABB, RTree};
use serde_json::Value;

/// Areas in file order, and how many points each got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    pub areas: Vec<(String, u64)>,
    pub outside: u64,
    /// Rows of the first few points that lie in no area.
    pub first_outside: Vec<(u64, String)>,
}

/// An area whose edges are sorted into horizontal bands, with the edges of one band side by side in memory.
struct Prepared {
    low: f64,
    per_band: f64,
    starts: Vec<u32>,
    edges: Vec<(Coord, Coord)>,
}

impl Prepared {
    fn new(area: &MultiPolygon) -> Option<Prepared> {
        let bounds = area.bounding_rect()?;
        let lines: Vec<(Coord, Coord)> = area
            .iter()
            .flat_map(|p| std::iter::once(p.exterior()).chain(p.interiors()))
            .flat_map(|ring| ring.lines().map(|l| (l.start, l.end)).collect::<Vec<_>>())
            .collect();
        let bands = (lines.len() / 2).clamp(1, 4096);
        let (low, height) = (bounds.min().y, bounds.height().max(f64::MIN_POSITIVE));
        let per_band = bands as f64 / height;
        let band = |y: f64| (((y - low) * per_band) as usize).min(bands - 1);
        let mut sorted: Vec<Vec<(Coord, Coord)>> = vec![Vec::new(); bands];
        for (a, b) in lines {
            for slot in &mut sorted[band(a.y.min(b.y))..=band(a.y.max(b.y))] {
                slot.push((a, b));
            }
        }
        let mut starts = vec![0u32];
        let mut edges = Vec::new();
        for slot in sorted {
            edges.extend(slot);
            starts.push(edges.len() as u32);
        }
        Some(Prepared { low, per_band, starts, edges })
    }

    /// Inside or on the border.
    fn covers(&self, p: Coord) -> bool {
        use geo::kernels::{Kernel, Orientation, RobustKernel};
        let bands = self.starts.len() - 1;
        let band = (((p.y - self.low) * self.per_band) as usize).min(bands - 1);
        let edges = &self.edges[self.starts[band] as usize..self.starts[band + 1] as usize];
        let mut inside = false;
        for &(a, b) in edges {
            let (below, above) = if a.y <= b.y { (a, b) } else { (b, a) };
            if p.y < below.y || p.y > above.y || p.x > a.x.max(b.x) {
                continue;
            }
            if p.x < a.x.min(b.x) {
                // The edge lies wholly to the right: a ray that way meets it once, its upper end not counted.
                inside ^= p.y < above.y && p.y >= below.y && below.y != above.y;
                continue;
            }
            match RobustKernel::orient2d(below, above, p) {
                Orientation::Collinear => return true,
                Orientation::CounterClockwise if p.y < above.y => inside ^= true,
                _ => {}
            }
        }
        inside
    }
}

/// Areas ready to take points.
pub struct Areas {
    names: Vec<String>,
    prepared: Vec<Option<Prepared>>,
    tree: RTree<GeomWithData<Rectangle<[f64; 2]>, usize>>,
}

impl Areas {
    /// Reads the areas of a GeoJSON text; each is named by its feature id, or its code, or its place in the file.
    pub fn read(bytes: &[u8], file: &str) -> Result<Areas> {
        let report = check::inspect(bytes);
        let Some(document) = report.document.filter(|_| report.verdict <= Verdict::AcceptWarn) else {
            let bad = report.problems.iter().filter(|p| p.verdict >= Verdict::RepairOrReject);
            return Err(Error::refused_lines("geojson-refused", bad.map(|p| format!("{file}: {}: {}", p.path, p.message)).collect()));
        };
        let features = match &document["features"] {
            Value::Array(features) => features.clone(),
            _ if document["type"] == "Feature" => vec![document],
            _ => vec![serde_json::json!({"type": "Feature", "properties": null, "geometry": document})],
        };
        let mut areas = Areas { names: Vec::new(), prepared: Vec::new(), tree: RTree::new() };
        let mut boxes = Vec::new();
        for (n, feature) in features.iter().enumerate() {
            let named = [&feature["id"], &feature["properties"]["code"], &feature["properties"]["id"]].into_iter().find_map(|v| match v {
                Value::String(text) => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            });
            let shape = match geometry::geometry(&feature["geometry"]) {
                shape @ (Geometry::Polygon(_) | Geometry::MultiPolygon(_) | Geometry::GeometryCollection(_)) => geometry::areas(&shape),
                _ => {
                    let line = format!("{file}: features[{n}]: not an area; give Polygon or MultiPolygon features only");
                    return Err(Error::refused("not-an-area", line));
                }
            };
            if let Some(r) = shape.bounding_rect() {
                boxes.push(GeomWithData::new(Rectangle::from_corners([r.min().x, r.min().y], [r.max().x, r.max().y]), n));
            }
            areas.names.push(named.unwrap_or_else(|| n.to_string()));
            areas.prepared.push(Prepared::new(&shape));
        }
        areas.tree = RTree::bulk_load(boxes);
        Ok(areas)
    }

    /// The area a place belongs to under the edge rule.
    pub fn of(&self, place: Coord) -> Option<usize> {
        let mut first: Option<usize> = None;
        for candidate in self.tree.locate_in_envelope_intersecting(&AABB::from_point([place.x, place.y])) {
            let n = candidate.data;
            if first.is_none_or(|so_far| n < so_far) && self.prepared[n].as_ref().is_some_and(|area| area.covers(place)) {
                first = Some(n);
            }
        }
        first
    }

    /// Counts the points of a CSV text with the columns lon and lat.
    pub fn count(&self, text: &[u8], file: &str) -> Result<Counts> {
        let refuse = |row: Option<u64>, line: &str| match row {
            Some(row) => Error::refused("csv-refused", format!("{file}: row {row}: {line}")),
            None => Error::refused("csv-refused", format!("{file}: {line}")),
        };
        let text = sheet::decode(text, None, true).map_err(|fault| refuse(fault.row, &fault.line))?;
        let bytes = text.text.as_bytes();
        let mut rows = Rows::new(bytes, dialect(bytes));
        let mut record = csv::ByteRecord::new();
        let header = rows.next(&mut record).unwrap_or(1);
        let names: Vec<String> = record.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let found = resolve(&names, &[LON, LAT], &[], true).map_err(|lines| refuse(Some(header), &lines.join("; ")))?;
        let column = |name: &str| found.columns.iter().position(|column| column.is(name));
        let (Some(lon), Some(lat)) = (column("lon"), column("lat")) else {
            return Err(refuse(Some(header), &format!("the columns lon and lat are missing; name two of {} so", listed(&names))));
        };
        let mut counts = vec![0u64; self.names.len()];
        let (mut outside, mut first_outside) = (0, Vec::new());
        let mut bad = Problems::default();
        while let Some(row) = rows.next(&mut record) {
            if record.iter().all(|cell| cell.trim_ascii().is_empty()) {
                continue;
            }
            let number = |n: usize| std::str::from_utf8(record.get(n)?).ok().and_then(decimal);
            let place = match (number(lon), number(lat)) {
                (Some(x), Some(y)) if x.abs() <= 180.0 && y.abs() <= 90.0 => Coord { x, y },
                _ => {
                    bad.add(&format!("row {row}"), "no position in degrees; write lon and lat like -91.7617 and 14.9680");
                    continue;
                }
            };
            match self.of(place) {
                Some(n) => counts[n] += 1,
                None => {
                    outside += 1;
                    if first_outside.len() < 5 {
                        first_outside.push((row, format!("({}, {})", place.x, place.y)));
                    }
                }
            }
        }
        if !bad.is_empty() {
            return Err(Error::refused_lines("csv-refused", bad.lines(&format!("{file}: "), ": ")));
        }
        Ok(Counts { areas: self.names.iter().cloned().zip(counts).collect(), outside, first_outside })
    }
}

/// `id,count`, one area a row, in file order.
pub fn written(counts: &Counts) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |e: csv::Error| Error::internal(format!("csv: {e}"));
    writer.write_record(["id", "count"]).map_err(failed)?;
    for (name, count) in &counts.areas {
        writer.write_record([name.as_str(), &count.to_string()]).map_err(failed)?;
    }
    let bytes = writer.into_inner().map_err(|e| Error::internal(format!("csv: {e}")))?;
    String::from_utf8(bytes).map_err(|e| Error::internal(format!("csv: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use geo::{Contains, Intersects};
    use proptest::prelude::*;
    use serde_json::json;

    fn two_squares() -> Areas {
        let square = |x: f64| json!([[[x, 0.0], [x + 1.0, 0.0], [x + 1.0, 1.0], [x, 1.0], [x, 0.0]]]);
        let feature =
            |id: &str, x: f64| json!({"type": "Feature", "id": id, "properties": {}, "geometry": {"type": "Polygon", "coordinates": square(x)}});
        let text = json!({"type": "FeatureCollection", "features": [feature("b", 101.0), feature("a", 100.0)]}).to_string();
        Areas::read(text.as_bytes(), "squares").unwrap()
    }

    #[test]
    fn a_point_on_a_shared_border_belongs_to_the_first_area_of_the_file() {
        let areas = two_squares();
        let counts = areas.count(b"lon,lat\n101,0.5\n100.5,0\n101,1\n102,0.25\n100,0\n99,0.5\n", "points").unwrap();
        assert_eq!(counts.areas, [("b".to_owned(), 3), ("a".to_owned(), 2)]);
        assert_eq!((counts.outside, counts.first_outside[0].0), (1, 7));
        assert!(areas.count(b"x,y\n1,2\n", "points").unwrap_err().to_string().contains("lon and lat"));
        assert!(areas.count(b"lon,lat\n1,\n", "points").unwrap_err().to_string().contains("row 2"));
    }

    proptest! {
        #[test]
        fn prepared_areas_agree_with_geo(
            corners in prop::collection::vec((0i32..40, 1i32..20), 5..40),
            places in prop::collection::vec((-22i32..22, -22i32..22), 50),
        ) {
            // A star-shaped outline on a coarse grid, so that points fall on corners and edges often.
            let n = corners.len() as f64;
            let mut ring: Vec<(f64, f64)> = corners.iter().enumerate().map(|(i, (_, r))| {
                let a = i as f64 / n * std::f64::consts::TAU;
                ((a.cos() * f64::from(*r)).round(), (a.sin() * f64::from(*r)).round())
            }).collect();
            ring.dedup();
            let polygon = geo::Polygon::new(ring.into(), vec![]);
            use geo::Validation;
            prop_assume!(polygon.is_valid() && polygon.exterior().0.len() > 3);
            let area = MultiPolygon(vec![polygon.clone()]);
            let prepared = Prepared::new(&area).unwrap();
            let bounds = area.bounding_rect().unwrap();
            for (x, y) in places {
                let p = Coord { x: f64::from(x), y: f64::from(y) };
                let inside_box = bounds.intersects(&p);
                let expected = polygon.contains(&p) || polygon.exterior().intersects(&p);
                prop_assert_eq!(inside_box && prepared.covers(p), expected, "{:?}", p);
            }
        }
    }
}
