//! One becomes several: a file of new ones, each member to the nearest line or the area it lies in, from a day on; the whole ends.

use super::retire::{lying, standing_on};
use super::{Act, Thing, Town, Writing, now, recast, refused};
use crate::db::Tx;
use crate::error::Result;
use crate::id::{Mint, NeighbourhoodId, RouteId, SegmentId};
use crate::sheet::Written;
use crate::territory::geometry::{Plane, along};
use crate::territory::household::Household;
use crate::territory::import::{self, Kind, Request, written_week};
use crate::territory::point::Place;
use crate::territory::segment::Segment;
use geo::{Contains, Coord, LineString};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use uuid::Uuid;

/// The file of parts.
pub struct Parts<'a> {
    pub file: &'a str,
    pub bytes: &'a [u8],
    /// How the file is written, as far as it does not say itself.
    pub written: &'a Written,
}

/// Brings the parts in and answers what moves to which, and the end of the whole.
pub(super) async fn split(tx: &mut Tx, mint: &mut Mint, act: &Act<'_>, thing: Thing, code: &str, parts: &Parts<'_>) -> Result<(Town, Writing)> {
    let kind = match thing {
        Thing::Neighbourhood => Kind::Neighbourhoods,
        Thing::Route => Kind::Routes,
        Thing::Segment => Kind::Segments,
        Thing::Point | Thing::Household => {
            let what = if thing == Thing::Point { "points are" } else { "homes are" };
            return Err(refused(vec![format!("{what} not split: import the new ones and retire «{code}» if it is gone")]));
        }
    };
    let town = Town::read(tx, act.municipality).await?;
    let whole = town.standing(thing, code, act.from).map_err(|line| refused(vec![line]))?;
    let known: BTreeSet<Uuid> = all(&town, thing);
    let told = told_by(&town, act, thing, whole);
    let request = Request {
        kind,
        file: parts.file,
        bytes: parts.bytes,
        municipality: Some(act.municipality),
        repair: false,
        now: act.now,
        from: act.today,
        reason: act.reason,
        actor: act.actor,
        written: parts.written,
    };
    let outcome = import::parts(tx, mint, &request, &told).await?;
    let file = parts.file;
    if outcome.new < 2 || outcome.changed + outcome.unchanged > 0 {
        let line = if outcome.changed + outcome.unchanged > 0 {
            format!(
                "{file}: {} of its rows have codes that were given before: a split makes new ones; give each part a code of its own",
                outcome.changed + outcome.unchanged
            )
        } else {
            format!("{file}: it has {} part of «{code}»: a split needs two or more; to change one thing rename or import it", outcome.new)
        };
        return Err(refused(vec![line]));
    }
    let town = Town::read(tx, act.municipality).await?;
    let new: Vec<Uuid> = all(&town, thing).difference(&known).copied().collect();
    if let Some(late) = new.iter().find(|id| town.spans(thing, **id).first().is_none_or(|span| span.from != act.from || span.to.is_some())) {
        let late = town.called(thing, *late, act.from);
        let line = format!(
            "{file}: «{late}» has days of its own: parts are there from {} on, when the whole ends; leave valid_from and valid_to out",
            act.from
        );
        return Err(refused(vec![line]));
    }
    let mut writing = match thing {
        Thing::Segment => segment(&town, act, whole, &new),
        Thing::Route => route(&town, act, whole, &new),
        _ => neighbourhood(&town, act, whole, &new).map_err(|lines| refused(lines.into_iter().map(|line| format!("{file}: {line}")).collect()))?,
    };
    for part in &new {
        let idle = match thing {
            Thing::Segment => !writing.homes.values().any(|change| change.added.iter().any(|(_, home)| home.segment_id == Some(SegmentId(*part)))),
            Thing::Route => !writing.segments.values().any(|change| change.added.iter().any(|(_, segment)| segment.route_id == RouteId(*part))),
            _ => {
                let area = NeighbourhoodId(*part);
                !writing.segments.values().any(|change| change.added.iter().any(|(_, segment)| segment.neighbourhood_id == area))
            }
        };
        if idle {
            writing
                .warnings
                .push(format!("{file}: nothing of «{code}» falls to «{}»; see whether it is drawn right", town.called(thing, *part, act.from)));
        }
    }
    writing.warnings.extend(outcome.warnings);
    writing.changes = outcome.changes;
    writing.end(&town, act, thing, whole, act.from);
    Ok((town, writing))
}

fn all(town: &Town, thing: Thing) -> BTreeSet<Uuid> {
    match thing {
        Thing::Neighbourhood => town.neighbourhoods.keys().copied().collect(),
        Thing::Route => town.routes.keys().copied().collect(),
        _ => town.segments.keys().copied().collect(),
    }
}

/// What a part is where its row is silent: what the whole is.
fn told_by(town: &Town, act: &Act<'_>, thing: Thing, whole: Uuid) -> Map<String, Value> {
    let mut told = Map::from_iter([("valid_from".to_owned(), json!(act.from))]);
    match thing {
        Thing::Segment => {
            if let Some(segment) = now(&town.segments, whole, act) {
                told.insert("route".into(), json!(town.called(Thing::Route, segment.route_id.0, act.from)));
                told.insert("neighbourhood".into(), json!(town.called(Thing::Neighbourhood, segment.neighbourhood_id.0, act.from)));
            }
        }
        Thing::Route => {
            if let Some((route, week)) = now(&town.routes, whole, act) {
                told.insert("operator".into(), json!(town.operators.get(&route.operator_id)));
                told.extend(written_week(week));
            }
        }
        _ => {}
    }
    told
}

/// How far a place is from the nearest of some lines.
fn beside(lines: &[LineString], place: Coord) -> f64 {
    let plane = Plane::at(place);
    let here = plane.metres(place);
    lines.iter().filter_map(|line| along(&plane.flat(line), here)).map(|(_, beside)| beside).fold(f64::INFINITY, f64::min)
}

fn segment(town: &Town, act: &Act<'_>, whole: Uuid, new: &[Uuid]) -> Writing {
    let mut writing = Writing::default();
    let parts: Vec<&Segment> = new.iter().filter_map(|id| now(&town.segments, *id, act)).collect();
    let lanes: Vec<_> = parts.iter().map(|part| (part.segment_id, part.lane(), part.lines())).collect();
    writing.touched.extend(parts.iter().map(|part| part.segment_id));
    for (home, _) in standing_on(town, whole, act.from) {
        let history = town.homes.get(&home).map_or(&[][..], Vec::as_slice);
        let change = recast(history, act.from, act.today, |home| {
            let place = Coord { x: home.lon, y: home.lat };
            let nearest = lanes.iter().min_by(|a, b| beside(&a.2, place).total_cmp(&beside(&b.2, place)))?;
            let on = home.segment_id == Some(SegmentId(whole));
            on.then(|| Household { segment_id: Some(nearest.0), along_m: nearest.1.meets(place).0, ..home.clone() })
        });
        writing.moves(Thing::Household);
        writing.homes.insert(home, change);
    }
    writing
}

/// The middle of a segment's line.
fn middle(segment: &Segment) -> Option<Coord> {
    let drawn: Vec<Coord> = segment.lines().into_iter().flat_map(|line| line.0).collect();
    drawn.get(drawn.len() / 2).copied()
}

fn route(town: &Town, act: &Act<'_>, whole: Uuid, new: &[Uuid]) -> Writing {
    let mut writing = Writing::default();
    let parts: Vec<_> = new.iter().filter_map(|id| now(&town.routes, *id, act)).map(|(route, _)| (route, route.lines())).collect();
    let nearest = |place: Coord| parts.iter().min_by(|a, b| beside(&a.1, place).total_cmp(&beside(&b.1, place))).map(|(route, _)| *route);
    for (segment, _) in lying(town, Thing::Route, whole, act.from) {
        let history = town.segments.get(&segment).map_or(&[][..], Vec::as_slice);
        let change = recast(history, act.from, act.today, |lies| {
            // A segment goes with the route most of its line lies along.
            let drawn: Vec<Coord> = lies.lines().into_iter().flat_map(|line| line.0).collect();
            let far = |lines: &[LineString]| drawn.iter().map(|place| beside(lines, *place)).sum::<f64>();
            let (route, _) = parts.iter().min_by(|a, b| far(&a.1).total_cmp(&far(&b.1)))?;
            (lies.route_id == RouteId(whole)).then(|| Segment { route_id: route.route_id, ..lies.clone() }.laid_along(route))
        });
        writing.moves(Thing::Segment);
        writing.touched.insert(SegmentId(segment));
        writing.segments.insert(segment, change);
    }
    for (point, history) in &town.points {
        let change = recast(history, act.from, act.today, |place| {
            let route = nearest(Coord { x: place.lon, y: place.lat })?;
            (place.route_id == Some(RouteId(whole))).then(|| Place { route_id: Some(route.route_id), ..place.clone() })
        });
        if !change.is_nothing() {
            writing.moves(Thing::Point);
            writing.points.insert(*point, change);
        }
    }
    writing
}

fn neighbourhood(town: &Town, act: &Act<'_>, whole: Uuid, new: &[Uuid]) -> Result<Writing, Vec<String>> {
    let mut writing = Writing::default();
    let mut lines = Vec::new();
    let parts: Vec<_> = new.iter().filter_map(|id| now(&town.neighbourhoods, *id, act)).map(|area| (area.neighbourhood_id, area.shape())).collect();
    let lies_in = |segment: &Segment| {
        let place = middle(segment)?;
        parts.iter().find(|(_, shape)| shape.contains(&geo::Point(place))).map(|(id, _)| *id)
    };
    for (segment, from) in lying(town, Thing::Neighbourhood, whole, act.from) {
        let history = town.segments.get(&segment).map_or(&[][..], Vec::as_slice);
        let own = history.iter().find(|version| version.span().holds(from));
        if own.is_some_and(|version| lies_in(&version.facts).is_none()) {
            let code = town.called(Thing::Segment, segment, act.from);
            lines.push(format!("segment «{code}» lies in none of the parts: draw them so that each segment's middle lies in one"));
            continue;
        }
        let change = recast(history, act.from, act.today, |lies| {
            let part = lies_in(lies)?;
            (lies.neighbourhood_id == NeighbourhoodId(whole)).then(|| Segment { neighbourhood_id: part, ..lies.clone() })
        });
        writing.moves(Thing::Segment);
        writing.touched.insert(SegmentId(segment));
        writing.segments.insert(segment, change);
    }
    if lines.is_empty() { Ok(writing) } else { Err(lines) }
}
