//! From degrees to whole pixels, neighbours simplified together. Pure.
//!
//! Equirectangular at the middle latitude, north up, into a box of 900 units. Areas are a coverage: rings are cut where three borders meet,
//! each piece of border is simplified once, and so what two neighbours share stays shared to the pixel.

use geo::{Coord, LineString, MultiPolygon};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

pub const BOX: f64 = 900.0;
const TOLERANCE: f64 = 1.2;

pub type Pixel = (i32, i32);
/// A closed ring without its repeated last point.
pub type Ring = Vec<Pixel>;

#[derive(Debug, Clone, Copy)]
pub struct Projection {
    west: f64,
    north: f64,
    x: f64,
    y: f64,
    pub width: i32,
    pub height: i32,
    pub per_km: f64,
}

impl Projection {
    /// Fits all places into the box; `None` when there is nothing with an extent.
    pub fn around(places: impl Iterator<Item = Coord>) -> Option<Projection> {
        let (mut west, mut east, mut south, mut north) = (f64::INFINITY, f64::NEG_INFINITY, f64::INFINITY, f64::NEG_INFINITY);
        for place in places.filter(|c| c.x.is_finite() && c.y.is_finite()) {
            (west, east) = (west.min(place.x), east.max(place.x));
            (south, north) = (south.min(place.y), north.max(place.y));
        }
        let (km_x, km_y) = (111.320 * ((south + north) / 2.0).to_radians().cos(), 110.574);
        let (width, height) = ((east - west) * km_x, (north - south) * km_y);
        let per_km = BOX / width.max(height);
        (width > 0.0 && height > 0.0 && per_km.is_finite()).then(|| Projection {
            west,
            north,
            x: km_x * per_km,
            y: km_y * per_km,
            width: (width * per_km).ceil() as i32,
            height: (height * per_km).ceil() as i32,
            per_km,
        })
    }

    pub fn at(&self, place: Coord) -> Pixel {
        (((place.x - self.west) * self.x).round() as i32, ((self.north - place.y) * self.y).round() as i32)
    }

    fn ring(&self, ring: &LineString) -> Ring {
        let mut pixels: Ring = ring.0.iter().map(|place| self.at(*place)).collect();
        pixels.dedup();
        if pixels.len() > 1 && pixels.first() == pixels.last() {
            pixels.pop();
        }
        pixels
    }

    /// All rings of an area, shells and holes alike.
    pub fn rings(&self, area: &MultiPolygon) -> Vec<Ring> {
        area.iter()
            .flat_map(|polygon| [polygon.exterior()].into_iter().chain(polygon.interiors()))
            .map(|r| self.ring(r))
            .filter(|r| r.len() > 2)
            .collect()
    }

    pub fn line(&self, line: &LineString) -> Vec<Pixel> {
        let mut pixels: Vec<Pixel> = line.0.iter().map(|place| self.at(*place)).collect();
        pixels.dedup();
        simplify(&pixels, TOLERANCE)
    }
}

/// The areas simplified as one coverage, and the borders that only one area has: the outline, with the lake cut out. A border that closes ends
/// where it begins.
pub fn coverage(areas: &[Vec<Ring>]) -> (Vec<Vec<Ring>>, Vec<Vec<Pixel>>) {
    let mut beside: BTreeMap<Pixel, BTreeSet<Pixel>> = BTreeMap::new();
    for ring in areas.iter().flatten() {
        for (i, here) in ring.iter().enumerate() {
            let next = ring[(i + 1) % ring.len()];
            beside.entry(*here).or_default().insert(next);
            beside.entry(next).or_default().insert(*here);
        }
    }
    let corner = |place: &Pixel| beside.get(place).is_some_and(|near| near.len() != 2);
    let mut used: BTreeMap<Vec<Pixel>, usize> = BTreeMap::new();
    let mut pieces: Vec<Vec<Pixel>> = Vec::new();
    let mut drawn = Vec::new();
    for area in areas {
        let mut rings = Vec::new();
        for ring in area {
            let mut out: Ring = Vec::new();
            for arc in arcs(ring, &corner) {
                let arc = simplify_both_ways(&arc);
                *used.entry(canonical(&arc)).or_default() += 1;
                out.extend(&arc[..arc.len() - 1]);
                pieces.push(arc);
            }
            out.dedup();
            // A sliver that vanished keeps its own shape rather than none.
            rings.push(if out.len() > 2 { out } else { ring.clone() });
        }
        drawn.push(rings);
    }
    let border: Vec<Vec<Pixel>> = pieces.into_iter().filter(|arc| used.get(&canonical(arc)) == Some(&1)).collect();
    (drawn, chain(border))
}

/// The ring cut at its corners; each piece holds both ends. A ring without corners is one closed piece from its first point in order.
fn arcs(ring: &[Pixel], corner: &impl Fn(&Pixel) -> bool) -> Vec<Vec<Pixel>> {
    let first = ring.iter().position(corner);
    let start = first.or_else(|| ring.iter().enumerate().min_by_key(|(_, p)| **p).map(|(i, _)| i)).unwrap_or(0);
    let turned: Vec<Pixel> = ring[start..].iter().chain(&ring[..=start]).copied().collect();
    let mut arcs = Vec::new();
    let mut arc = vec![turned[0]];
    for (i, place) in turned.iter().enumerate().skip(1) {
        arc.push(*place);
        if i + 1 == turned.len() || corner(place) {
            arcs.push(std::mem::replace(&mut arc, vec![*place]));
        }
    }
    arcs
}

fn canonical(arc: &[Pixel]) -> Vec<Pixel> {
    let back: Vec<Pixel> = arc.iter().rev().copied().collect();
    if back < arc.to_vec() { back } else { arc.to_vec() }
}

/// The same points whichever neighbour asks.
fn simplify_both_ways(arc: &[Pixel]) -> Vec<Pixel> {
    let forward = canonical(arc);
    let mut simple = if forward.first() == forward.last() && forward.len() > 3 {
        // A closed border has no ends to hold on to: it is split at the point farthest from its first.
        let far = (1..forward.len() - 1).max_by_key(|i| square(forward[0], forward[*i])).unwrap_or(1);
        let mut out = simplify(&forward[..=far], TOLERANCE);
        out.extend(&simplify(&forward[far..], TOLERANCE)[1..]);
        out
    } else {
        simplify(&forward, TOLERANCE)
    };
    if forward.as_slice() != arc {
        simple.reverse();
    }
    simple
}

fn square(a: Pixel, b: Pixel) -> i64 {
    let (x, y) = (i64::from(a.0 - b.0), i64::from(a.1 - b.1));
    x * x + y * y
}

/// Douglas and Peucker: both ends stay, and no dropped point lies farther than `tolerance` from the line.
fn simplify(line: &[Pixel], tolerance: f64) -> Vec<Pixel> {
    if line.len() < 3 {
        return line.to_vec();
    }
    let mut keep = vec![false; line.len()];
    keep[0] = true;
    keep[line.len() - 1] = true;
    let mut open = vec![(0, line.len() - 1)];
    while let Some((from, to)) = open.pop() {
        let mut farthest = (tolerance, None);
        for i in from + 1..to {
            let away = distance(line[i], line[from], line[to]);
            if away > farthest.0 {
                farthest = (away, Some(i));
            }
        }
        if let Some(i) = farthest.1 {
            keep[i] = true;
            open.extend([(from, i), (i, to)]);
        }
    }
    line.iter().zip(keep).filter_map(|(place, keep)| keep.then_some(*place)).collect()
}

/// From a point to a stretch of line.
pub fn distance(p: Pixel, a: Pixel, b: Pixel) -> f64 {
    let f = |p: Pixel| (f64::from(p.0), f64::from(p.1));
    let ((px, py), (ax, ay), (bx, by)) = (f(p), f(a), f(b));
    let (dx, dy) = (bx - ax, by - ay);
    let length = dx * dx + dy * dy;
    let t = if length > 0.0 { (((px - ax) * dx + (py - ay) * dy) / length).clamp(0.0, 1.0) } else { 0.0 };
    (px - ax - t * dx).hypot(py - ay - t * dy)
}

/// Joins pieces end to end; what does not close, since areas overlap or part at a point, stays open.
fn chain(pieces: Vec<Vec<Pixel>>) -> Vec<Vec<Pixel>> {
    let mut left = pieces;
    let mut rings = Vec::new();
    while let Some(mut run) = left.pop() {
        while let Some(end) = run.last().copied().filter(|end| *end != run[0]) {
            let Some(at) = left.iter().position(|arc| arc[0] == end || arc[arc.len() - 1] == end) else { break };
            let mut next = left.swap_remove(at);
            if next[0] != end {
                next.reverse();
            }
            run.extend(&next[1..]);
        }
        rings.push(run);
    }
    rings
}

/// `M461 395l-14 0-4 8z`: whole pixels, relative steps.
pub fn path(rings: &[Ring]) -> String {
    let mut out = String::new();
    for ring in rings {
        steps(&mut out, ring);
        out.push('z');
    }
    out
}

/// Borders as [`coverage`] gives them: only what closes is closed.
pub fn border_path(borders: &[Vec<Pixel>]) -> String {
    let mut out = String::new();
    for border in borders {
        match border.split_last() {
            Some((end, ring)) if ring.len() > 2 && ring[0] == *end => {
                steps(&mut out, ring);
                out.push('z');
            }
            _ => steps(&mut out, border),
        }
    }
    out
}

pub fn open_path(line: &[Pixel]) -> String {
    let mut out = String::new();
    steps(&mut out, line);
    out
}

fn steps(out: &mut String, line: &[Pixel]) {
    let Some(mut last) = line.first().copied() else { return };
    let _ = write!(out, "M{} {}", last.0, last.1);
    for (i, place) in line.iter().enumerate().skip(1) {
        let (dx, dy) = (place.0 - last.0, place.1 - last.1);
        let before = if i == 1 { "l" } else { " " };
        // A minus sign already parts two numbers.
        let before = if i > 1 && dx < 0 { "" } else { before };
        let _ = write!(out, "{before}{dx}{}{dy}", if dy < 0 { "" } else { " " });
        last = *place;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wavy(n: i32) -> Vec<Pixel> {
        (0..=n).map(|i| (100 + (i % 3) - 1, i * 10)).collect()
    }

    fn edges(rings: &[Ring]) -> BTreeSet<(Pixel, Pixel)> {
        rings.iter().flat_map(|r| (0..r.len()).map(|i| (r[i].min(r[(i + 1) % r.len()]), r[i].max(r[(i + 1) % r.len()])))).collect()
    }

    #[test]
    fn neighbours_still_share_their_border_after_simplifying() {
        let middle = wavy(20);
        let left: Ring = middle.iter().copied().chain([(0, 200), (0, 0)]).collect();
        let right: Ring = middle.iter().rev().copied().chain([(200, 0), (200, 200)]).collect();
        let (drawn, outline) = coverage(&[vec![left.clone()], vec![right]]);
        assert!(drawn[0][0].len() < left.len());
        let shared: Vec<_> = edges(&drawn[0]).intersection(&edges(&drawn[1])).copied().collect();
        assert!(!shared.is_empty());
        assert_eq!(outline.len(), 1, "one outline round both");
        assert!(shared.iter().all(|edge| !edges(&outline).contains(edge)));
    }

    #[test]
    fn a_path_is_whole_pixels_in_relative_steps() {
        assert_eq!(path(&[vec![(461, 395), (447, 395), (443, 403)]]), "M461 395l-14 0-4 8z");
        assert_eq!(open_path(&[(1, 2), (3, 1)]), "M1 2l2-1");
        assert_eq!(border_path(&[vec![(1, 2), (3, 1), (3, 4), (1, 2)], vec![(5, 5), (9, 9)]]), "M1 2l2-1 0 3zM5 5l4 4");
    }

    #[test]
    fn a_border_that_does_not_close_is_never_closed_by_a_line_across_the_town() {
        // One place and another drawn round it too, as no coverage has them: the right half, and the whole.
        let half: Ring = vec![(100, 0), (200, 0), (200, 100), (100, 100)];
        let whole: Ring = vec![(0, 0), (100, 0), (200, 0), (200, 100), (100, 100), (0, 100)];
        let (drawn, border) = coverage(&[vec![half], vec![whole]]);
        let sides = edges(&drawn.concat());
        let mut steps = border.iter().flat_map(|line| line.windows(2).map(|w| (w[0].min(w[1]), w[0].max(w[1]))));
        assert!(steps.all(|step| sides.contains(&step)), "{border:?}");
        let closed = border.iter().filter(|line| line.first() == line.last()).count();
        assert_eq!(border_path(&border).matches('z').count(), closed);
    }

    proptest! {
        #[test]
        fn no_dropped_point_is_far_from_the_line(points in prop::collection::vec((0i32..200, 0i32..200), 2..60)) {
            let simple = simplify(&points, 3.0);
            prop_assert_eq!(simple.first(), points.first());
            prop_assert_eq!(simple.last(), points.last());
            for p in &points {
                let near = simple.windows(2).map(|w| distance(*p, w[0], w[1])).fold(f64::INFINITY, f64::min);
                prop_assert!(near <= 3.0 + 1e-9 || simple.len() < 2);
            }
        }
    }
}
