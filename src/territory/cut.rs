//! A proposal of segments: a route's line cut into contiguous pieces of about so many homes, each inside one neighbourhood. A person looks
//! at it, mends it, and imports it; nothing is stored here.

use super::geometry::{self, Plane};
use geo::{Contains, Coord, LineString, MultiPolygon, Point};
use std::collections::{BTreeMap, BTreeSet};

/// A home across the border of a neighbourhood still goes with the street it faces, up to so many metres from the line.
pub const FACING: f64 = 30.0;
/// A line that leaves its neighbourhood and comes back within so many metres has not left it: borders are drawn along streets. One that begins
/// or ends less than half of that in another has not been there.
pub const EXCURSION: f64 = 60.0;
/// What is shorter is a rounding error of a border, in metres.
const SPECK: f64 = 1.0;

/// What a route is cut by; places in degrees.
pub struct Ask<'a> {
    /// The parts of the route's line, in the order they are driven.
    pub ways: &'a [LineString],
    pub neighbourhoods: &'a [MultiPolygon],
    pub homes: &'a [Coord],
    /// About so many homes a piece.
    pub size: usize,
    /// Homes farther from the line than this are not of this route, in metres.
    pub reach: f64,
}

/// A contiguous piece of one part of the line.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// Index of its neighbourhood.
    pub neighbourhood: usize,
    pub line: LineString,
    /// Metres from the start of the route, gaps between its parts left out.
    pub from: f64,
    pub to: f64,
    /// Indices of its homes, in the order they are met.
    pub homes: Vec<usize>,
}

/// Why a home is on no piece.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Left {
    /// Metres to the nearest point of the line.
    Far(f64),
    /// The route passes it, but in no neighbourhood.
    NoNeighbourhood,
    /// It stands in one neighbourhood, and the route passes it only in another.
    Border { own: usize, passes: usize },
}

#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    pub pieces: Vec<Piece>,
    pub left: Vec<(usize, Left)>,
}

impl Proposal {
    /// Pieces with fewer than half of the wanted homes, and whether the same neighbourhood has another piece: the route crosses its border
    /// more than once, or the neighbourhood has no more homes on it.
    pub fn small(&self, size: usize) -> Vec<(usize, bool)> {
        let again = |i: usize| self.pieces.iter().enumerate().any(|(k, other)| k != i && other.neighbourhood == self.pieces[i].neighbourhood);
        (0..self.pieces.len()).filter(|i| 2 * self.pieces[*i].homes.len() < size).map(|i| (i, again(i))).collect()
    }
}

/// A stretch of one part of the line within one neighbourhood, or none; metres from the start of the part.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Stretch {
    part: usize,
    from: f64,
    to: f64,
    area: Option<usize>,
}

/// Every home within reach is on exactly one piece or told why not. A stretch with n homes gives round(n / size) pieces, at least one, cut
/// at the widest gap between homes near the even place: where a stretch has at least three quarters of `size`, a piece has between half and
/// 1¾ of it. Homes met at one point of the line are never parted.
pub fn cut(ask: &Ask<'_>) -> Proposal {
    let Some(origin) = ask.ways.iter().flat_map(|way| way.0.first()).next() else {
        return Proposal { pieces: Vec::new(), left: (0..ask.homes.len()).map(|home| (home, Left::Far(f64::INFINITY))).collect() };
    };
    let plane = Plane::at(*origin);
    let ways: Vec<LineString> = ask.ways.iter().map(|way| plane.flat(way)).collect();
    let areas: Vec<MultiPolygon> = ask.neighbourhoods.iter().map(|area| plane.flat(area)).collect();
    let stretches = stretches(&ways, &areas);
    let lines: Vec<LineString> = stretches.iter().map(|stretch| between(&ways[stretch.part], stretch.from, stretch.to)).collect();
    let mut met: BTreeMap<usize, Vec<(f64, usize)>> = BTreeMap::new();
    let mut left = Vec::new();
    for (home, place) in ask.homes.iter().enumerate() {
        let place = plane.metres(*place);
        let own = areas.iter().position(|area| area.contains(&Point::from(place)));
        match stretch_of(place, own, &stretches, &lines, ask.reach) {
            Ok((stretch, along)) => met.entry(stretch).or_default().push((along, home)),
            Err(why) => left.push((home, why)),
        }
    }
    let before: Vec<f64> = ways
        .iter()
        .scan(0.0, |sum, way| {
            let start = *sum;
            *sum += length(way);
            Some(start)
        })
        .collect();
    let mut pieces = Vec::new();
    for (index, mut homes) in met {
        let (stretch, line) = (&stretches[index], &lines[index]);
        let Some(neighbourhood) = stretch.area else { continue };
        homes.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let cuts = cuts(&homes.iter().map(|(along, _)| *along).collect::<Vec<_>>(), ask.size.max(1));
        let ends: Vec<(usize, f64)> = cuts.into_iter().chain([(homes.len(), stretch.to - stretch.from)]).collect();
        let (mut first, mut from) = (0, 0.0);
        for (after, to) in ends {
            let whole = between(line, from, to);
            let line: LineString =
                whole.0.into_iter().map(|c| plane.degrees(c)).map(|c| Coord { x: geometry::rounded(c.x), y: geometry::rounded(c.y) }).collect();
            let offset = before[stretch.part] + stretch.from;
            pieces.push(Piece {
                neighbourhood,
                line: distinct(line),
                from: offset + from,
                to: offset + to,
                homes: homes[first..after].iter().map(|(_, home)| *home).collect(),
            });
            (first, from) = (after, to);
        }
    }
    Proposal { pieces, left }
}

/// The stretch on which a home is met and where along it: the nearest of its own neighbourhood, or the nearest it faces.
fn stretch_of(place: Coord, own: Option<usize>, stretches: &[Stretch], lines: &[LineString], reach: f64) -> Result<(usize, f64), Left> {
    let mut near: Vec<(f64, usize, f64)> =
        lines.iter().enumerate().filter_map(|(i, line)| geometry::along(line, place).map(|(along, beside)| (beside, i, along))).collect();
    near.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let nearest = near.first().map_or(f64::INFINITY, |(beside, ..)| *beside);
    if nearest > reach {
        return Err(Left::Far(nearest));
    }
    let within = || near.iter().filter(|(beside, i, _)| *beside <= reach && stretches[*i].area.is_some());
    let home = within().find(|(_, i, _)| own.is_none() || stretches[*i].area == own).or_else(|| within().find(|(beside, ..)| *beside <= FACING));
    match (home, within().next(), own) {
        (Some((_, i, along)), ..) => Ok((*i, *along)),
        (None, Some((_, i, _)), Some(own)) => Err(Left::Border { own, passes: stretches[*i].area.unwrap_or(own) }),
        _ => Err(Left::NoNeighbourhood),
    }
}

/// The line parted where it crosses a border, short excursions taken back.
fn stretches(ways: &[LineString], areas: &[MultiPolygon]) -> Vec<Stretch> {
    let mut all = Vec::new();
    for (part, way) in ways.iter().enumerate() {
        let mut own: Vec<Stretch> = Vec::new();
        let mut before = 0.0;
        for edge in way.lines() {
            let metres = (edge.end.x - edge.start.x).hypot(edge.end.y - edge.start.y);
            let mut at: Vec<f64> = vec![0.0, 1.0];
            for ring in areas.iter().flat_map(|area| area.iter()).flat_map(|p| std::iter::once(p.exterior()).chain(p.interiors())) {
                at.extend(ring.lines().filter_map(|border| crossing(edge, border)));
            }
            at.sort_by(f64::total_cmp);
            for ends in at.windows(2).filter(|ends| ends[1] > ends[0]) {
                let middle = edge.start + edge.delta() * ((ends[0] + ends[1]) / 2.0);
                let area = areas.iter().position(|area| area.contains(&Point::from(middle)));
                let stretch = Stretch { part, from: before + ends[0] * metres, to: before + ends[1] * metres, area };
                match own.last_mut() {
                    Some(last) if last.area == area => last.to = stretch.to,
                    _ => own.push(stretch),
                }
            }
            before += metres;
        }
        all.extend(settled(own));
    }
    all
}

/// Takes back excursions. Of all ways to name the stretches the one with the least metres in another area than they lie in, where each
/// change of area weighs half an excursion: so an excursion of less than [`EXCURSION`] is taken back, a border that winds about the line
/// leaves one area, and no metre that lies in an area is in none. By Viterbi's recursion along the line.
fn settled(own: Vec<Stretch>) -> Vec<Stretch> {
    let areas: Vec<Option<usize>> = own.iter().map(|stretch| stretch.area).collect::<BTreeSet<_>>().into_iter().collect();
    let price = |stretch: &Stretch, area: Option<usize>| match (stretch.area == area, area) {
        (true, _) => 0.0,
        (false, None) => f64::INFINITY,
        (false, Some(_)) => stretch.to - stretch.from,
    };
    // For each stretch and area: what the line up to there costs at least, and the area before.
    let mut costs: Vec<f64> = vec![0.0; areas.len()];
    let mut before: Vec<Vec<usize>> = Vec::with_capacity(own.len());
    for (at, stretch) in own.iter().enumerate() {
        let change = |from: usize, to: usize| if at == 0 || from == to { 0.0 } else { EXCURSION / 2.0 };
        let best: Vec<(usize, f64)> = (0..areas.len())
            .map(|to| {
                let from =
                    (0..areas.len()).map(|from| (from, costs[from] + change(from, to))).min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((to, 0.0));
                (from.0, from.1 + price(stretch, areas[to]))
            })
            .collect();
        before.push(best.iter().map(|(from, _)| *from).collect());
        costs = best.into_iter().map(|(_, cost)| cost).collect();
    }
    let mut at = (0..areas.len()).min_by(|a, b| costs[*a].total_cmp(&costs[*b])).unwrap_or(0);
    let mut named = own;
    for (stretch, from) in named.iter_mut().zip(&before).rev() {
        stretch.area = areas[at];
        at = from[at];
    }
    named.dedup_by(|stretch, last| {
        let same = stretch.area == last.area;
        if same {
            last.to = stretch.to;
        }
        same
    });
    named
}

/// Where an edge crosses a border, as a share of the edge.
fn crossing(edge: geo::Line, border: geo::Line) -> Option<f64> {
    let (d, e) = (edge.delta(), border.delta());
    let cross = d.x * e.y - d.y * e.x;
    if cross == 0.0 {
        return None;
    }
    let between = border.start - edge.start;
    let t = (between.x * e.y - between.y * e.x) / cross;
    let u = (between.x * d.y - between.y * d.x) / cross;
    ((0.0..=1.0).contains(&t) && (0.0..=1.0).contains(&u)).then_some(t)
}

/// How many homes stand before each cut, and where along the stretch it lies.
fn cuts(along: &[f64], size: usize) -> Vec<(usize, f64)> {
    let n = along.len();
    let count = ((n as f64 / size as f64).round() as usize).max(1);
    let aside = size / 10;
    let mut found: Vec<(usize, f64)> = Vec::new();
    for k in 1..count {
        let even = k * n / count;
        let first = even.saturating_sub(aside).max(found.last().map_or(1, |(last, _)| last + 1));
        let gap = |i: usize| along[i] - along[i - 1];
        let widest = (first..=(even + aside).min(n.saturating_sub(1)))
            .filter(|i| gap(*i) > SPECK)
            // Places are known to a decimetre at best: gaps that differ by less are alike, and the even place decides.
            .max_by_key(|i| ((gap(*i) * 10.0).round() as i64, std::cmp::Reverse(i.abs_diff(even))));
        // Homes at one point fill the place of the cut: the nearest gap outside does.
        let anywhere = || (found.last().map_or(1, |(last, _)| last + 1)..n).filter(|i| gap(*i) > SPECK).min_by_key(|i| i.abs_diff(even));
        if let Some(i) = widest.or_else(anywhere) {
            found.push((i, (along[i - 1] + along[i]) / 2.0));
        }
    }
    found
}

fn length(line: &LineString) -> f64 {
    line.lines().map(|edge| (edge.end.x - edge.start.x).hypot(edge.end.y - edge.start.y)).sum()
}

/// The piece of a line between two places along it, in metres.
fn between(line: &LineString, from: f64, to: f64) -> LineString {
    let (mut out, mut before): (Vec<Coord>, f64) = (Vec::new(), 0.0);
    for edge in line.lines() {
        let metres = (edge.end.x - edge.start.x).hypot(edge.end.y - edge.start.y);
        let at = |along: f64| edge.start + edge.delta() * ((along - before) / metres).clamp(0.0, 1.0);
        if metres > 0.0 && before + metres >= from && before <= to {
            if out.is_empty() {
                out.push(at(from));
            }
            out.push(at(to));
        }
        before += metres;
    }
    distinct(LineString(out))
}

/// Without repeated places.
fn distinct(line: LineString) -> LineString {
    let mut places = line.0;
    places.dedup();
    LineString(places)
}

/// Codes for new pieces of a route: its own with a number after the highest that was ever used.
pub fn names(route: &str, count: usize, used: &BTreeSet<String>) -> Vec<String> {
    let number = |code: &String| code.strip_prefix(route)?.strip_prefix('-')?.parse::<usize>().ok();
    let highest = used.iter().filter_map(number).max().unwrap_or(0);
    (highest + 1..).map(|n| format!("{route}-{n:02}")).filter(|code| !used.contains(code)).take(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use geo::polygon;
    use proptest::prelude::*;

    const PLANE: Coord = Coord { x: -91.76, y: 14.93 };

    fn place(x: f64, y: f64) -> Coord {
        Plane::at(PLANE).degrees(Coord { x, y })
    }

    fn area(from: f64, to: f64) -> MultiPolygon {
        let c = |x: f64, y: f64| (place(x, y).x, place(x, y).y);
        let ring: LineString = vec![c(from, -500.0), c(to, -500.0), c(to, 500.0), c(from, 500.0), c(from, -500.0)].into();
        MultiPolygon(vec![geo::Polygon::new(ring, Vec::new())])
    }

    fn line(places: &[(f64, f64)]) -> LineString {
        LineString(places.iter().map(|(x, y)| place(*x, *y)).collect())
    }

    #[test]
    fn a_street_of_sixty_homes_in_two_neighbourhoods_gives_one_piece_in_each_and_a_half() {
        let homes: Vec<Coord> = (0..60).map(|n| place(f64::from(n) * 10.0 + 5.0, 12.0)).collect();
        let (ways, areas) = ([line(&[(0.0, 0.0), (600.0, 0.0)])], [area(-10.0, 300.0), area(300.0, 700.0)]);
        let made = cut(&Ask { ways: &ways, neighbourhoods: &areas, homes: &homes, size: 25, reach: 150.0 });
        let said: Vec<(usize, usize)> = made.pieces.iter().map(|piece| (piece.neighbourhood, piece.homes.len())).collect();
        assert_eq!((said, made.left.len()), (vec![(0, 30), (1, 30)], 0));
        assert!((made.pieces[0].to - 300.0).abs() < 0.5 && (made.pieces[1].from - 300.0).abs() < 0.5);
    }

    #[test]
    fn what_cannot_be_placed_is_told_with_its_reason() {
        let homes = [place(50.0, 10.0), place(50.0, 400.0), place(320.0, 90.0), place(320.0, 20.0), place(900.0, 5.0)];
        let (ways, areas) = ([line(&[(0.0, 0.0), (310.0, 0.0)]), line(&[(800.0, 0.0), (990.0, 0.0)])], [area(-10.0, 315.0), area(315.0, 700.0)]);
        let made = cut(&Ask { ways: &ways, neighbourhoods: &areas, homes: &homes, size: 25, reach: 150.0 });
        assert_eq!(made.pieces.len(), 1);
        assert_eq!(made.pieces[0].homes, [0, 3], "a home across the border goes with the street it faces");
        assert!(matches!(made.left[0], (1, Left::Far(metres)) if (metres - 400.0).abs() < 2.0));
        assert_eq!(made.left[1], (2, Left::Border { own: 1, passes: 0 }));
        assert_eq!(made.left[2], (4, Left::NoNeighbourhood));
    }

    #[test]
    fn a_border_along_the_street_does_not_shred_it() {
        let c = |x: f64, y: f64| (place(x, y).x, place(x, y).y);
        let teeth: Vec<(f64, f64)> = (0..40).map(|n| c(f64::from(n) * 15.0, if n % 2 == 0 { -6.0 } else { 6.0 })).collect();
        let upper: Vec<(f64, f64)> = teeth.iter().copied().chain([c(600.0, 500.0), c(-20.0, 500.0), c(-20.0, -6.0)]).collect();
        let lower: Vec<(f64, f64)> = teeth.iter().copied().chain([c(600.0, -500.0), c(-20.0, -500.0), c(-20.0, -6.0)]).collect();
        let areas = [upper, lower].map(|ring| MultiPolygon(vec![geo::Polygon::new(ring.into(), Vec::new())]));
        let homes: Vec<Coord> = (0..50).map(|n| place(f64::from(n) * 11.0 + 5.0, if n % 2 == 0 { 12.0 } else { -12.0 })).collect();
        let ways = [line(&[(0.0, 0.0), (580.0, 0.0)])];
        let made = cut(&Ask { ways: &ways, neighbourhoods: &areas, homes: &homes, size: 25, reach: 150.0 });
        // Forty crossings of the border are one street.
        assert_eq!(made.pieces.iter().map(|piece| piece.homes.len()).collect::<Vec<_>>(), [25, 25]);
        assert_eq!(made.left, []);
    }

    #[test]
    fn a_border_crossed_twice_leaves_small_pieces_that_are_named() {
        let square = polygon![(x: place(200.0, -500.0).x, y: place(200.0, -500.0).y), (x: place(400.0, -500.0).x, y: place(200.0, -500.0).y), (x: place(400.0, -500.0).x, y: place(0.0, 500.0).y), (x: place(200.0, -500.0).x, y: place(0.0, 500.0).y)];
        let outer = [area(-10.0, 200.0).0, area(400.0, 700.0).0].concat();
        let homes: Vec<Coord> = (0..30).map(|n| place(f64::from(n) * 10.0 + 101.0, 10.0)).collect();
        let ways = [line(&[(0.0, 0.0), (600.0, 0.0)])];
        let areas = [MultiPolygon(outer), MultiPolygon(vec![square])];
        let made = cut(&Ask { ways: &ways, neighbourhoods: &areas, homes: &homes, size: 25, reach: 150.0 });
        assert_eq!(made.pieces.iter().map(|piece| piece.neighbourhood).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(made.small(25), [(0, false)]);
    }

    #[test]
    fn many_homes_at_one_door_are_not_parted() {
        let homes: Vec<Coord> = (0..60).map(|n| place(if n < 50 { 100.0 } else { 400.0 + f64::from(n) }, 10.0)).collect();
        let (ways, areas) = ([line(&[(0.0, 0.0), (600.0, 0.0)])], [area(-10.0, 700.0)]);
        let made = cut(&Ask { ways: &ways, neighbourhoods: &areas, homes: &homes, size: 25, reach: 150.0 });
        assert_eq!(made.pieces.iter().map(|piece| piece.homes.len()).collect::<Vec<_>>(), [50, 10]);
        assert!(made.pieces.iter().all(|piece| piece.line.0.len() > 1));
    }

    #[test]
    fn new_pieces_take_numbers_nobody_had() {
        let used = BTreeSet::from(["R1-01".to_owned(), "R1-07".to_owned(), "R10-20".to_owned()]);
        assert_eq!(names("R1", 2, &used), ["R1-08", "R1-09"]);
    }

    proptest! {
        #[test]
        fn every_near_home_is_on_one_piece_in_order_within_bounds_and_one_neighbourhood(
            spots in proptest::collection::vec((0.0f64..2400.0, -140.0f64..140.0), 1..300),
            size in 10usize..40,
            border in 400.0f64..2000.0,
        ) {
            // Out along a street, round a corner and back: positions are measured from the route's own line.
            let ways = [line(&[(0.0, 0.0), (1200.0, 0.0), (1200.0, 400.0), (0.0, 400.0)])];
            let homes: Vec<Coord> = spots.iter().map(|(s, side)| match *s {
                s if s < 1200.0 => place(s, side / 2.0),
                s => place(2400.0 - s, 400.0 + side / 2.0),
            }).collect();
            let areas = [area(-200.0, border / 2.0), area(border / 2.0, 1400.0)];
            let made = cut(&Ask { ways: &ways, neighbourhoods: &areas, homes: &homes, size, reach: 150.0 });
            let mut on: Vec<usize> = made.pieces.iter().flat_map(|piece| piece.homes.clone()).chain(made.left.iter().map(|(home, _)| *home)).collect();
            on.sort_unstable();
            prop_assert_eq!(on, (0..homes.len()).collect::<Vec<_>>(), "each home once");
            prop_assert!(made.left.iter().all(|(_, why)| matches!(why, Left::Border { .. })), "all are near: {:?}", made.left);
            for pair in made.pieces.windows(2) {
                prop_assert!(pair[0].to <= pair[1].from + 1e-6, "in the order of the route, none over another");
            }
            for piece in &made.pieces {
                let shape = &areas[piece.neighbourhood];
                let mut inner = piece.line.lines().map(|edge| geo::Point::from((edge.start + edge.end) / 2.0));
                prop_assert!(inner.all(|middle| shape.contains(&middle)), "one neighbourhood");
                prop_assert!(piece.line.0.len() > 1 && !piece.homes.is_empty());
                let within: usize = made.pieces.iter().filter(|other| other.neighbourhood == piece.neighbourhood).map(|other| other.homes.len()).sum();
                prop_assert!(piece.homes.len() as f64 <= 1.75 * size as f64 + 1.0, "{} of {size}", piece.homes.len());
                if made.pieces.iter().filter(|other| other.neighbourhood == piece.neighbourhood).count() == 1 && 4 * within >= 3 * size {
                    prop_assert!(2 * piece.homes.len() >= size);
                }
            }
        }
    }
}
