//! What only shows between features: ids, overlaps, and places that lie elsewhere than the rest.

use super::Findings;
use crate::territory::geometry::areas;
use geo::{Area, BooleanOps, BoundingRect, Coord, CoordsIter, Geometry, MultiPolygon};
use rstar::primitives::{GeomWithData, Rectangle};
use rstar::{AABB, RTree};
use serde_json::Value;
use std::collections::HashMap;

/// Guatemala's bounding box, with a little sea.
pub(crate) fn in_guatemala(c: Coord) -> bool {
    (-92.26..=-88.2).contains(&c.x) && (13.7..=17.83).contains(&c.y)
}

/// Within about two degrees of it: a file that has such a place is taken to be about Guatemala.
pub(super) fn near_guatemala(c: Coord) -> bool {
    (-94.3..=-86.2).contains(&c.x) && (11.7..=19.9).contains(&c.y)
}

pub(super) fn all(features: &[Value], shapes: &[Option<Geometry>], findings: &mut Findings) {
    ids(features, findings);
    places(features, shapes, findings);
    overlaps(shapes, findings);
}

fn ids(features: &[Value], findings: &mut Findings) {
    let mut seen: HashMap<String, (usize, bool)> = HashMap::new();
    for (n, feature) in features.iter().enumerate() {
        let (text, number) = match feature.get("id") {
            Some(Value::String(text)) => (text.clone(), false),
            Some(Value::Number(number)) => (number.to_string(), true),
            _ => continue,
        };
        match seen.get(&text) {
            Some((first, was_number)) if *was_number != number => {
                findings.warn(
                    "id-text-and-number",
                    format!("features[{n}].id"),
                    format!("«{text}» is a text here and a number in features[{first}], or the other way round: one thing or two?"),
                );
            }
            Some((first, _)) => findings.warn("duplicate-id", format!("features[{n}].id"), format!("«{text}» is the id of features[{first}] too")),
            None => {
                seen.insert(text, (n, number));
            }
        }
    }
}

fn places(features: &[Value], shapes: &[Option<Geometry>], findings: &mut Findings) {
    let mut ours = false;
    let mut beyond: Vec<(usize, Coord)> = Vec::new();
    let mut islands = Vec::new();
    for (n, shape) in shapes.iter().enumerate().filter_map(|(n, s)| Some((n, s.as_ref()?))) {
        let mut out = None;
        for c in shape.coords_iter() {
            if c.x == 0.0 && c.y == 0.0 && matches!(shape, Geometry::Point(_) | Geometry::MultiPoint(_)) {
                islands.push(n);
                out = None;
                break;
            }
            ours |= near_guatemala(c);
            if !in_guatemala(c) && out.is_none() {
                out = Some(c);
            }
        }
        beyond.extend(out.map(|c| (n, c)));
    }
    // A bare position at (0, 0) in a file from elsewhere may be meant; one that says something, or among ours, is a missing GPS fix.
    for n in islands {
        let says = features[n]["properties"].as_object().is_some_and(|p| !p.is_empty());
        if ours || says {
            findings.warn(
                "null-island",
                format!("features[{n}].geometry"),
                "(0, 0) is in the sea off Africa: a place without GPS fix; no municipality takes it",
            );
        }
    }
    if ours {
        for (n, c) in beyond {
            findings.warn(
                "outside",
                format!("features[{n}].geometry"),
                format!("({}, {}) lies outside Guatemala, and so outside every municipality", c.x, c.y),
            );
        }
    }
}

fn overlaps(shapes: &[Option<Geometry>], findings: &mut Findings) {
    let areas: Vec<(usize, MultiPolygon)> = shapes
        .iter()
        .enumerate()
        .filter_map(|(n, shape)| match shape {
            Some(g @ (Geometry::Polygon(_) | Geometry::MultiPolygon(_))) => Some((n, areas(g))),
            _ => None,
        })
        .collect();
    for (a, b, share) in overlapping(&areas.iter().map(|(_, shape)| shape.clone()).collect::<Vec<_>>()) {
        findings.warn(
            "overlap",
            format!("features[{}].geometry", areas[b].0),
            format!("lies over features[{}] ({:.1} % of the smaller); a home in both counts for the first in the file", areas[a].0, share * 100.0),
        );
    }
}

/// Pairs of areas that lie over each other, with the shared part of the smaller. Borders drawn twice may differ by a thousandth.
pub(crate) fn overlapping(areas: &[MultiPolygon]) -> Vec<(usize, usize, f64)> {
    type Box = GeomWithData<Rectangle<[f64; 2]>, usize>;
    let corners = |shape: &MultiPolygon| shape.bounding_rect().map(|r| ([r.min().x, r.min().y], [r.max().x, r.max().y]));
    let boxes: Vec<Box> =
        areas.iter().enumerate().filter_map(|(n, shape)| corners(shape).map(|(a, b)| Box::new(Rectangle::from_corners(a, b), n))).collect();
    let tree = RTree::bulk_load(boxes);
    let mut found = Vec::new();
    let mut work = 0;
    for (a, shape) in areas.iter().enumerate() {
        let Some((low, high)) = corners(shape) else { continue };
        let mut others: Vec<usize> =
            tree.locate_in_envelope_intersecting(&AABB::from_corners(low, high)).map(|b| b.data).filter(|b| *b > a).collect();
        others.sort_unstable();
        for b in others {
            work += shape.coords_count() + areas[b].coords_count();
            if work > 2_000_000 || found.len() >= 100 {
                return found;
            }
            let smaller = shape.unsigned_area().min(areas[b].unsigned_area());
            let share = shape.intersection(&areas[b]).unsigned_area() / smaller;
            if share > 1e-3 {
                found.push((a, b, share));
            }
        }
    }
    found
}
