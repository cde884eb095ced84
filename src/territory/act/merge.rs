//! Several become one: their members move to it from a day on, and they end.

use super::retire::{lying, standing_on};
use super::{Act, Change, Span, Thing, Town, Version, Writing, dated, now, recast, refused};
use crate::error::Result;
use crate::id::{NeighbourhoodId, RouteId, SegmentId};
use crate::territory::dated::{Fields, refit};
use crate::territory::geometry::{areas, geometry, lines_value};
use crate::territory::household::Household;
use crate::territory::neighbourhood::Neighbourhood;
use crate::territory::point::Place;
use crate::territory::route::Route;
use crate::territory::segment::{Lane, Segment};
use chrono::NaiveDate;
use geo::{BooleanOps, Coord, LineString, MultiPolygon};
use serde_json::Value;
use std::collections::BTreeSet;
use uuid::Uuid;

/// Moves what stands on `codes` to `into`, and ends them.
pub(super) fn merge(town: &Town, act: &Act<'_>, thing: Thing, into: &str, codes: &[String]) -> Result<Writing> {
    let mut lines = Vec::new();
    match thing {
        Thing::Point => lines.push("points are not merged: nothing stands on them; retire those that are gone".to_owned()),
        Thing::Household => {
            lines.push("homes are not merged: what was seen at each stays its own; retire the one that is not there".to_owned());
        }
        _ => {}
    }
    if !lines.is_empty() {
        return Err(refused(lines));
    }
    let target = town.staying(thing, into, act.from).map_err(|line| refused(vec![line]))?;
    let mut gone = BTreeSet::new();
    for code in codes {
        match town.standing(thing, code, act.from) {
            Ok(id) if id == target => lines.push(format!("{} «{code}» cannot be merged into itself: name others", thing.name())),
            Ok(id) if !gone.insert(id) => lines.push(format!("{} «{code}» is named twice: name it once", thing.name())),
            Ok(_) => {}
            Err(line) => lines.push(line),
        }
    }
    if !lines.is_empty() {
        return Err(refused(lines));
    }
    let writing = match thing {
        Thing::Segment => segments(town, act, target, &gone),
        Thing::Route => Ok(routes(town, act, target, &gone)),
        _ => Ok(neighbourhoods(town, act, target, &gone)),
    };
    let mut writing = writing.map_err(refused)?;
    for id in gone {
        writing.end(town, act, thing, id, act.from);
    }
    Ok(writing)
}

/// What the target is from the day of the act on: what was said of its name, week or place for a later day stays.
fn told<T: Fields>(history: &[Version<T>], act: &Act<'_>, facts: T, fit: impl Fn(T, NaiveDate) -> T) -> Change<T> {
    let to = history.iter().find(|version| version.span().holds(act.from)).and_then(|version| version.valid_to);
    dated::tell(history, Span { from: act.from, to }, None, facts, act.today, fit)
}

/// Says when the target is drawn anew on a later day: that drawing stays, and it may leave out what comes to it now.
fn drawn_later<T>(town: &Town, act: &Act<'_>, thing: Thing, target: Uuid, lies: &[(Span, &T)], joined: impl Fn(&T) -> bool, writing: &mut Writing) {
    if let Some((span, _)) = lies.iter().find(|(_, facts)| !joined(facts)) {
        let (kind, code) = (thing.name(), town.called(thing, target, act.from));
        writing.warnings.push(format!(
            "{kind} «{code}» was drawn anew for {}: that drawing stays from then on; import one that holds what comes to it too, if it does not",
            span.from
        ));
    }
}

fn segments(town: &Town, act: &Act<'_>, target: Uuid, gone: &BTreeSet<Uuid>) -> Result<Writing, Vec<String>> {
    let mut writing = Writing::default();
    let mut lines = Vec::new();
    let Some(own) = now(&town.segments, target, act) else { return Ok(writing) };
    let mut pieces: Vec<(f64, Vec<LineString>)> = vec![(own.begins_m, own.lines())];
    for id in gone {
        let Some(other) = now(&town.segments, *id, act) else { continue };
        let (code, into) = (town.called(Thing::Segment, *id, act.from), town.called(Thing::Segment, target, act.from));
        if other.route_id != own.route_id {
            lines
                .push(format!("segments «{code}» and «{into}» lie on different routes: put one on the other's route first, with a file of segments"));
        } else if other.neighbourhood_id != own.neighbourhood_id {
            lines.push(format!(
                "segments «{code}» and «{into}» lie in different neighbourhoods: put one into the other's neighbourhood first, with a file of segments"
            ));
        }
        pieces.push((other.begins_m, other.lines()));
    }
    if !lines.is_empty() {
        return Err(lines);
    }
    // In the order in which the route meets them.
    pieces.sort_by(|a, b| a.0.total_cmp(&b.0));
    let line = lines_value(pieces.into_iter().flat_map(|(_, lines)| lines).collect());
    let laid = |segment: Segment, day: NaiveDate| {
        let route = town.routes.get(&segment.route_id.0).and_then(|known| known.iter().find(|version| version.span().holds(day)));
        route.map_or(segment.clone(), |version| segment.laid_along(&version.facts.0))
    };
    let whole = laid(Segment { geometry: line.clone(), ..own.clone() }, act.from);
    let history = town.segments.get(&target).map_or(&[][..], Vec::as_slice);
    let change = told(history, act, whole, laid);
    let lies = dated::changed(history, &change, act.from);
    drawn_later(town, act, Thing::Segment, target, &lies, |segment| segment.geometry == line, &mut writing);
    let lanes: Vec<(NaiveDate, Lane)> = lies.iter().map(|(span, segment)| (span.from, segment.lane())).collect();
    let turns: BTreeSet<NaiveDate> = lanes.iter().map(|(from, _)| *from).collect();
    writing.segments.insert(target, change);
    writing.touched.insert(SegmentId(target));
    for segment in gone.iter().chain([&target]) {
        for (home, _) in standing_on(town, *segment, act.from) {
            let history = town.homes.get(&home).map_or(&[][..], Vec::as_slice);
            let on = |home: &Household| home.segment_id.is_some_and(|own| own.0 == target || gone.contains(&own.0));
            let change = refit(history, act.from, &turns, act.today, |home, day| match lanes.iter().rfind(|(from, _)| *from <= day) {
                Some((_, lane)) if on(home) => {
                    let (along_m, _) = lane.meets(Coord { x: home.lon, y: home.lat });
                    Household { segment_id: Some(SegmentId(target)), along_m, ..home.clone() }
                }
                _ => home.clone(),
            });
            if *segment != target && !writing.homes.contains_key(&home) {
                writing.moves(Thing::Household);
            }
            writing.homes.insert(home, change);
        }
    }
    Ok(writing)
}

fn routes(town: &Town, act: &Act<'_>, target: Uuid, gone: &BTreeSet<Uuid>) -> Writing {
    let mut writing = Writing::default();
    let Some((own, week)) = now(&town.routes, target, act) else { return writing };
    let mut lines = own.lines();
    for (other, _) in gone.iter().filter_map(|id| now(&town.routes, *id, act)) {
        lines.extend(other.lines());
        if other.operator_id != own.operator_id {
            writing.warnings.push(format!(
                "route «{}» was another operator's: from {} on its homes are collected by the operator of «{}», and phones of the other no longer list them",
                other.code, act.from, own.code
            ));
        }
    }
    let line = lines_value(lines);
    let history = town.routes.get(&target).map_or(&[][..], Vec::as_slice);
    let change = told(history, act, (Route { geometry: line.clone(), ..own.clone() }, week.clone()), |planned, _| planned);
    let drawn = dated::changed(history, &change, act.from);
    drawn_later(town, act, Thing::Route, target, &drawn, |(route, _)| route.geometry == line, &mut writing);
    let ways: Vec<(NaiveDate, Route)> = drawn.into_iter().map(|(span, (route, _))| (span.from, route.clone())).collect();
    let turns: BTreeSet<NaiveDate> = ways.iter().map(|(from, _)| *from).collect();
    writing.routes.insert(target, change);
    for route in gone.iter().chain([&target]) {
        for (segment, _) in lying(town, Thing::Route, *route, act.from) {
            let history = town.segments.get(&segment).map_or(&[][..], Vec::as_slice);
            let change = refit(history, act.from, &turns, act.today, |lies, day| match ways.iter().rfind(|(from, _)| *from <= day) {
                Some((_, way)) if lies.route_id.0 == target || gone.contains(&lies.route_id.0) => {
                    Segment { route_id: RouteId(target), ..lies.clone() }.laid_along(way)
                }
                _ => lies.clone(),
            });
            if *route != target && !writing.segments.contains_key(&segment) {
                writing.moves(Thing::Segment);
                writing.touched.insert(SegmentId(segment));
            }
            writing.segments.insert(segment, change);
        }
    }
    for (point, history) in &town.points {
        let change = recast(history, act.from, act.today, |place| {
            place.route_id.is_some_and(|route| gone.contains(&route.0)).then(|| Place { route_id: Some(RouteId(target)), ..place.clone() })
        });
        if !change.is_nothing() {
            writing.moves(Thing::Point);
            writing.points.insert(*point, change);
        }
    }
    writing
}

fn neighbourhoods(town: &Town, act: &Act<'_>, target: Uuid, gone: &BTreeSet<Uuid>) -> Writing {
    let mut writing = Writing::default();
    let Some(own) = now(&town.neighbourhoods, target, act) else { return writing };
    let others = gone.iter().filter_map(|id| now(&town.neighbourhoods, *id, act));
    let whole: MultiPolygon = others.fold(own.shape(), |whole, other| whole.union(&areas(&geometry(&other.geometry))));
    let drawn = Value::from(&geojson::GeometryValue::from(&whole));
    let history = town.neighbourhoods.get(&target).map_or(&[][..], Vec::as_slice);
    let change = told(history, act, Neighbourhood { geometry: drawn.clone(), ..own.clone() }, |area, _| area);
    let lies = dated::changed(history, &change, act.from);
    drawn_later(town, act, Thing::Neighbourhood, target, &lies, |area| area.geometry == drawn, &mut writing);
    writing.neighbourhoods.insert(target, change);
    for area in gone {
        for (segment, _) in lying(town, Thing::Neighbourhood, *area, act.from) {
            let history = town.segments.get(&segment).map_or(&[][..], Vec::as_slice);
            let change = recast(history, act.from, act.today, |lies| {
                gone.contains(&lies.neighbourhood_id.0).then(|| Segment { neighbourhood_id: NeighbourhoodId(target), ..lies.clone() })
            });
            if writing.segments.insert(segment, change).is_none() {
                writing.moves(Thing::Segment);
            }
            writing.touched.insert(SegmentId(segment));
        }
    }
    writing
}
