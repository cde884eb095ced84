//! Where a number stands in an area: the centre of the largest circle that fits in (Agafonkin's polylabel). Pure.

use super::shape::{Pixel, Ring, distance};
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Centre and radius of the largest inscribed circle, to about one pixel. Rings are shells and holes alike (even-odd).
pub fn inscribed(rings: &[Ring]) -> (Pixel, f64) {
    let all = || rings.iter().flatten();
    let (Some(west), Some(east)) = (all().map(|p| p.0).min(), all().map(|p| p.0).max()) else { return ((0, 0), 0.0) };
    let (Some(north), Some(south)) = (all().map(|p| p.1).min(), all().map(|p| p.1).max()) else { return ((0, 0), 0.0) };
    let side = f64::from((east - west).min(south - north)).max(1.0);
    let mut open = BinaryHeap::new();
    let half = side / 2.0;
    let mut x = f64::from(west);
    while x < f64::from(east) {
        let mut y = f64::from(north);
        while y < f64::from(south) {
            open.push(Square::at(x + half, y + half, half, rings));
            y += side;
        }
        x += side;
    }
    let mut best = Square::at(f64::from(west + east) / 2.0, f64::from(north + south) / 2.0, 0.0, rings);
    while let Some(square) = open.pop() {
        if square.reach - best.inside <= 1.0 {
            break;
        }
        if square.inside > best.inside {
            best = square;
        }
        let h = square.half / 2.0;
        for (dx, dy) in [(-h, -h), (h, -h), (-h, h), (h, h)] {
            open.push(Square::at(square.x + dx, square.y + dy, h, rings));
        }
    }
    ((best.x.round() as i32, best.y.round() as i32), best.inside.max(0.0))
}

#[derive(Clone, Copy)]
struct Square {
    x: f64,
    y: f64,
    half: f64,
    /// Distance from the centre to the border; negative outside.
    inside: f64,
    /// The most any point of the square can have.
    reach: f64,
}

impl Square {
    fn at(x: f64, y: f64, half: f64, rings: &[Ring]) -> Square {
        let inside = signed_distance(x, y, rings);
        Square { x, y, half, inside, reach: inside + half * std::f64::consts::SQRT_2 }
    }
}

impl PartialEq for Square {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Square {}
impl PartialOrd for Square {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Square {
    fn cmp(&self, other: &Self) -> Ordering {
        self.reach.total_cmp(&other.reach)
    }
}

fn signed_distance(x: f64, y: f64, rings: &[Ring]) -> f64 {
    // Tenths of a pixel, so that the one distance rule serves.
    let tenth = |v: f64| (v * 10.0).round() as i32;
    let here = (tenth(x), tenth(y));
    let (mut inside, mut near) = (false, f64::INFINITY);
    for ring in rings {
        for (i, a) in ring.iter().enumerate() {
            let b = ring[(i + 1) % ring.len()];
            let (ax, ay, bx, by) = (f64::from(a.0), f64::from(a.1), f64::from(b.0), f64::from(b.1));
            if (ay > y) != (by > y) && x < (bx - ax) * (y - ay) / (by - ay) + ax {
                inside = !inside;
            }
            near = near.min(distance(here, (a.0 * 10, a.1 * 10), (b.0 * 10, b.1 * 10)) / 10.0);
        }
    }
    if inside { near } else { -near }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_stands_in_the_widest_part() {
        // A square with a long arm to the right.
        let ring = vec![(0, 0), (100, 0), (100, 40), (300, 40), (300, 60), (100, 60), (100, 100), (0, 100)];
        let ((x, y), radius) = inscribed(&[ring]);
        assert!((48..=56).contains(&x) && (46..=54).contains(&y), "{x} {y}");
        assert!((48.0..=52.0).contains(&radius), "{radius}");
    }

    #[test]
    fn a_hole_is_not_inside() {
        let shell = vec![(0, 0), (300, 0), (300, 100), (0, 100)];
        let lake = vec![(10, 10), (200, 10), (200, 90), (10, 90)];
        let ((x, _), _) = inscribed(&[shell, lake]);
        assert!(x > 200, "{x}");
    }
}
