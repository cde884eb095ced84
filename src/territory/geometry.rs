//! Geometry as the rest of the house uses it: parsed from stored GeoJSON, measured in metres on a local plane.

use geo::{Coord, Geometry, GeometryCollection, LineString, MapCoords, MultiPolygon, Point, Polygon};
use serde_json::Value;

/// The geometry of a stored GeoJSON object. What is stored was checked on its way in; anything unreadable is empty, never a panic.
pub fn geometry(value: &Value) -> Geometry {
    parse(value).unwrap_or_else(|| Geometry::GeometryCollection(GeometryCollection::default()))
}

/// The same, saying when it cannot be read.
pub fn parse(value: &Value) -> Option<Geometry> {
    use serde::Deserialize;
    let parsed = geojson::Geometry::deserialize(value).ok()?;
    Geometry::try_from(parsed.value).ok()
}

/// The areas in a geometry, whatever it is wrapped in.
pub fn areas(geometry: &Geometry) -> MultiPolygon {
    match geometry {
        Geometry::Polygon(p) => MultiPolygon(vec![p.clone()]),
        Geometry::MultiPolygon(m) => m.clone(),
        Geometry::GeometryCollection(c) => MultiPolygon(c.iter().flat_map(|g| areas(g).0).collect()),
        _ => MultiPolygon(Vec::<Polygon>::new()),
    }
}

/// The lines in a geometry, in order.
pub fn lines(geometry: &Geometry) -> Vec<LineString> {
    match geometry {
        Geometry::LineString(l) => vec![l.clone()],
        Geometry::MultiLineString(m) => m.0.clone(),
        Geometry::GeometryCollection(c) => c.iter().flat_map(lines).collect(),
        _ => Vec::new(),
    }
}

/// Lines as GeoJSON: one as a LineString, several as a MultiLineString.
pub fn lines_value(lines: Vec<LineString>) -> Value {
    let drawn = match <[LineString; 1]>::try_from(lines) {
        Ok([line]) => Geometry::LineString(line),
        Err(lines) => Geometry::MultiLineString(geo::MultiLineString(lines)),
    };
    Value::from(&geojson::GeometryValue::from(&drawn))
}

pub fn point(geometry: &Geometry) -> Option<Point> {
    match geometry {
        Geometry::Point(p) => Some(*p),
        Geometry::MultiPoint(m) if m.0.len() == 1 => m.0.first().copied(),
        _ => None,
    }
}

/// A local plane in metres round one place: good to a few parts in a thousand over a municipality.
#[derive(Debug, Clone, Copy)]
pub struct Plane {
    origin: Coord,
    east: f64,
    north: f64,
}

impl Plane {
    pub fn at(origin: Coord) -> Plane {
        Plane { origin, east: 111_320.0 * origin.y.to_radians().cos().max(0.01), north: 110_574.0 }
    }

    pub fn metres(&self, place: Coord) -> Coord {
        Coord { x: (place.x - self.origin.x) * self.east, y: (place.y - self.origin.y) * self.north }
    }

    pub fn degrees(&self, metres: Coord) -> Coord {
        Coord { x: metres.x / self.east + self.origin.x, y: metres.y / self.north + self.origin.y }
    }

    pub fn flat<G: MapCoords<f64, f64>>(&self, shape: &G) -> G::Output {
        shape.map_coords(|place| self.metres(place))
    }
}

/// Where a place falls on a line in metres: how far along it, and how far beside it.
pub fn along(line: &LineString, place: Coord) -> Option<(f64, f64)> {
    let mut before = 0.0;
    let mut best: Option<(f64, f64)> = None;
    for piece in line.lines() {
        let (dx, dy) = (piece.dx(), piece.dy());
        let length2 = dx * dx + dy * dy;
        let t = if length2 > 0.0 { (((place.x - piece.start.x) * dx + (place.y - piece.start.y) * dy) / length2).clamp(0.0, 1.0) } else { 0.0 };
        let (x, y) = (piece.start.x + t * dx, piece.start.y + t * dy);
        let beside = (place.x - x).hypot(place.y - y);
        if best.is_none_or(|(_, so_far)| beside < so_far) {
            best = Some((before + t * length2.sqrt(), beside));
        }
        before += length2.sqrt();
    }
    best
}

/// Six decimals, about a decimetre: what is written to files and rows made here.
pub fn rounded(degrees: f64) -> f64 {
    (degrees * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_beside_a_line_knows_how_far_along_it_is() {
        let line = LineString::from(vec![(0.0, 0.0), (100.0, 0.0), (100.0, 50.0)]);
        assert_eq!(along(&line, Coord { x: 40.0, y: 7.0 }), Some((40.0, 7.0)));
        assert_eq!(along(&line, Coord { x: 103.0, y: 20.0 }), Some((120.0, 3.0)));
        assert_eq!(along(&LineString::new(vec![]), Coord { x: 0.0, y: 0.0 }), None);
    }

    #[test]
    fn the_plane_goes_there_and_back() {
        let plane = Plane::at(Coord { x: -91.76, y: 14.96 });
        let place = Coord { x: -91.7, y: 15.0 };
        let back = plane.degrees(plane.metres(place));
        assert!((back.x - place.x).abs() < 1e-12 && (back.y - place.y).abs() < 1e-12);
    }
}
