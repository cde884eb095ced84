//! Routes with their days and operators, and segments.

use super::fields::{Item, WEEKDAYS, weekday};
use super::{Ground, Lines, Outcome, Request, sort};
use crate::db::Tx;
use crate::error::Result;
use crate::id::{Mint, OperatorId, RouteId, SegmentId};
use crate::territory::geometry::{self, Plane};
use crate::territory::municipality::{Inside, TOLERANCE};
use crate::territory::neighbourhood;
use crate::territory::route::{self, Operator, Route, RouteDay};
use crate::territory::segment::{self, Segment};
use crate::{bulk, run};
use geo::{Contains, CoordsIter, Geometry};
use serde_json::Value;
use std::collections::BTreeMap;

const STREAMS: [&str; 4] = ["organic", "recyclable", "residual", "mixed"];

/// A line; something else, or nothing, is refused.
fn line(item: &Item, lines: &mut Lines) -> Option<Value> {
    match &item.shape {
        Some((shape, Geometry::LineString(_) | Geometry::MultiLineString(_))) => Some(shape.clone()),
        Some((shape, _)) => {
            lines.refuse(&item.place, format!("the geometry is a {}; draw it as a LineString", shape["type"].as_str().unwrap_or("?")));
            None
        }
        None => {
            lines.refuse(&item.place, "the geometry is missing; draw it as a LineString (CSV: column wkt)");
            None
        }
    }
}

/// One stream for all days, or `mon=organic,thu=recyclable`.
fn streams(item: &mut Item, days: &[i16], lines: &mut Lines) -> Option<Vec<String>> {
    let pairs: Vec<(Option<String>, String)> = match item.properties.remove("stream") {
        Some(Value::Object(map)) => map.into_iter().map(|(day, stream)| (Some(day), stream.as_str().unwrap_or_default().to_owned())).collect(),
        Some(Value::String(text)) if text.contains(['=', ':']) => {
            let pairs = text.split([',', ';']).filter_map(|pair| pair.split_once(['=', ':']));
            pairs.map(|(day, stream)| (Some(day.trim().to_owned()), stream.trim().to_owned())).collect()
        }
        Some(Value::String(text)) if !text.trim().is_empty() => vec![(None, text.trim().to_owned())],
        _ => {
            lines.warn(&item.place, "«stream» is missing; «mixed» is taken");
            vec![(None, "mixed".into())]
        }
    };
    let mut of_day: BTreeMap<i16, String> = BTreeMap::new();
    for (day, stream) in pairs {
        if !STREAMS.contains(&stream.as_str()) {
            lines.refuse(&item.place, format!("stream «{stream}» is not one of {}; mend it", STREAMS.join(", ")));
            return None;
        }
        match day {
            None => of_day.extend(days.iter().map(|d| (*d, stream.clone()))),
            Some(day) => match weekday(&day) {
                Some(day) => {
                    of_day.insert(day, stream);
                }
                None => {
                    lines.refuse(&item.place, format!("«stream» has the day «{day}»; write it like mon=organic,thu=recyclable"));
                    return None;
                }
            },
        }
    }
    let all: Option<Vec<String>> = days.iter().map(|d| of_day.get(d).cloned()).collect();
    if all.is_none() || of_day.keys().any(|d| !days.contains(d)) {
        lines.refuse(&item.place, "«stream» and «weekdays» do not name the same days; mend one of them");
        return None;
    }
    all
}

/// How the streams of a route's days are written: one word when they agree.
pub(crate) fn written_streams(days: &[&RouteDay]) -> String {
    match days.first() {
        Some(first) if days.iter().all(|d| d.stream == first.stream) => first.stream.clone(),
        _ => days.iter().map(|d| format!("{}={}", WEEKDAYS[(d.weekday as usize + 6) % 7], d.stream)).collect::<Vec<_>>().join(","),
    }
}

pub(super) async fn routes(
    tx: &mut Tx,
    mint: &mut Mint,
    request: &Request<'_>,
    ground: &Ground,
    items: Vec<Item>,
    lines: &mut Lines,
    outcome: &mut Outcome,
) -> Result<()> {
    let id = ground.id();
    let mut operators: BTreeMap<String, Operator> = route::operators(tx, id).await?.into_iter().map(|o| (o.code.clone(), o)).collect();
    let mut created: Vec<Operator> = Vec::new();
    let mut days_of: BTreeMap<RouteId, Vec<RouteDay>> = BTreeMap::new();
    for day in route::days(tx, id).await? {
        days_of.entry(day.route_id).or_default().push(day);
    }
    let stored: BTreeMap<String, (Route, Vec<RouteDay>)> = route::of(tx, id)
        .await?
        .into_iter()
        .map(|r| {
            let days = days_of.remove(&r.route_id).unwrap_or_default();
            (r.code.clone(), (r, days))
        })
        .collect();
    let mut rows = Vec::new();
    for mut item in items {
        let (code, operator, geometry) = (item.code(lines), item.needed("operator", lines), line(&item, lines));
        let before = code.as_ref().and_then(|c| stored.get(c));
        let name = item.text("name").or_else(|| code.clone());
        let weekdays = item.weekdays(lines);
        let streams = weekdays.as_ref().and_then(|days| streams(&mut item, days, lines));
        let window = (item.time("window_start", lines), item.time("window_end", lines));
        let window = match window {
            (Some(start), Some(end)) if start < end => Some((start, end)),
            (Some(start), Some(end)) => {
                lines.refuse(
                    &item.place,
                    format!("the window runs backwards ({start} to {end}); give window_start before window_end on the same day"),
                );
                None
            }
            (None, None) => {
                lines.warn(&item.place, "the window is missing; 06:00 to 18:00 is taken");
                Some(("06:00".into(), "18:00".into()))
            }
            _ => {
                lines.refuse(&item.place, "a window needs both window_start and window_end");
                None
            }
        };
        let valid_from = item.date("valid_from", lines).or(before.map(|(r, _)| r.valid_from)).unwrap_or(request.from);
        let valid_to = item.date("valid_to", lines);
        if let Some(end) = valid_to.filter(|end| *end < valid_from) {
            lines.refuse(&item.place, format!("valid_to {end} is before valid_from {valid_from}; mend one of them"));
        }
        let approximate = item.approximate();
        if let (Some(outline), Some((_, shape))) = (&ground.outline, &item.shape) {
            let beyond = shape.coords_iter().filter(|c| matches!(outline.says(*c), Inside::Outside(m) if m > TOLERANCE)).count();
            if beyond > 0 {
                lines.warn(&item.place, format!("{beyond} positions of the line lie outside {}", ground.municipality.name));
            }
        }
        let (Some(code), Some(name), Some(operator), Some(geometry)) = (code, name, operator, geometry) else { continue };
        let (Some(weekdays), Some(streams), Some((start, end))) = (weekdays, streams, window) else { continue };
        let operator_id = match operators.get(&operator) {
            Some(known) => known.operator_id,
            None => {
                let name = item.properties.get("operator_name").and_then(Value::as_str).unwrap_or(&operator).to_owned();
                let new = Operator { municipality_id: id, operator_id: mint.id::<OperatorId>(request.now), code: operator.clone(), name };
                created.push(new.clone());
                operators.insert(operator, new).map_or_else(|| created[created.len() - 1].operator_id, |o| o.operator_id)
            }
        };
        let route_id = before.map_or_else(|| mint.id::<RouteId>(request.now), |(r, _)| r.route_id);
        let days = weekdays.iter().zip(streams);
        let days =
            days.map(|(weekday, stream)| RouteDay { route_id, weekday: *weekday, stream, window_start: start.clone(), window_end: end.clone() });
        let days: Vec<RouteDay> = days.collect();
        let properties = Value::Object(item.properties);
        let row =
            Route { municipality_id: id, route_id, code: code.clone(), name, operator_id, valid_from, valid_to, approximate, geometry, properties };
        rows.push((item.place, code, (row, days)));
    }
    let sorted = sort(rows, &stored, lines, outcome);
    if !lines.refused.is_empty() {
        return Ok(());
    }
    bulk!(
        tx,
        "INSERT INTO operator (municipality_id, operator_id, code, name)",
        created,
        |o| [o.municipality_id, o.operator_id, o.code.clone(), o.name.clone()],
        ""
    )?;
    let new: Vec<&Route> = sorted.new.iter().map(|(r, _)| r).collect();
    bulk!(
        tx,
        "INSERT INTO route (municipality_id, route_id, code, name, operator_id, valid_from, valid_to, approximate, geometry, properties)",
        new,
        |r| [
            r.municipality_id,
            r.route_id,
            r.code.clone(),
            r.name.clone(),
            r.operator_id,
            r.valid_from,
            r.valid_to,
            r.approximate,
            r.geometry.clone(),
            r.properties.clone()
        ],
        ""
    )?;
    for (r, _) in &sorted.changed {
        run!(
            tx,
            "UPDATE route SET name = $3, operator_id = $4, valid_from = $5, valid_to = $6, approximate = $7, geometry = $8, properties = $9
             WHERE municipality_id = $1 AND route_id = $2",
            r.municipality_id,
            r.route_id,
            &r.name,
            r.operator_id,
            r.valid_from,
            r.valid_to,
            r.approximate,
            &r.geometry,
            &r.properties
        )?;
        run!(tx, "DELETE FROM route_day WHERE municipality_id = $1 AND route_id = $2", id, r.route_id)?;
    }
    let days: Vec<&RouteDay> = sorted.new.iter().chain(&sorted.changed).flat_map(|(_, days)| days).collect();
    bulk!(
        tx,
        "INSERT INTO route_day (municipality_id, route_id, weekday, stream, window_start, window_end)",
        days,
        |d| [id, d.route_id, d.weekday, d.stream.clone(), d.window_start.clone(), d.window_end.clone()],
        ""
    )?;
    Ok(())
}

pub(super) async fn segments(
    tx: &mut Tx,
    mint: &mut Mint,
    request: &Request<'_>,
    ground: &Ground,
    items: Vec<Item>,
    lines: &mut Lines,
    outcome: &mut Outcome,
) -> Result<()> {
    let id = ground.id();
    let routes: BTreeMap<String, Route> = route::of(tx, id).await?.into_iter().map(|r| (r.code.clone(), r)).collect();
    let neighbourhoods: BTreeMap<String, _> =
        neighbourhood::of(tx, id).await?.into_iter().map(|n| (n.code.clone(), (n.neighbourhood_id, n.shape()))).collect();
    let stored: BTreeMap<String, Segment> = segment::of(tx, id).await?.into_iter().map(|s| (s.code.clone(), s)).collect();
    let mut rows = Vec::new();
    for mut item in items {
        let (code, geometry) = (item.code(lines), line(&item, lines));
        let (route, neighbourhood) = (item.needed("route", lines), item.needed("neighbourhood", lines));
        let approximate = item.approximate();
        let known_route = route.as_ref().and_then(|r| routes.get(r));
        if let (Some(route), None) = (&route, known_route) {
            lines.refuse(&item.place, format!("route «{route}» does not exist in {id}; import routes first or mend the code"));
        }
        let known_neighbourhood = neighbourhood.as_ref().and_then(|n| neighbourhoods.get(n));
        if let (Some(neighbourhood), None) = (&neighbourhood, known_neighbourhood) {
            lines
                .refuse(&item.place, format!("neighbourhood «{neighbourhood}» does not exist in {id}; import neighbourhoods first or mend the code"));
        }
        let what = format!("segment «{}»", code.as_deref().unwrap_or("?"));
        let drawn: Vec<geo::Coord> = item.shape.as_ref().map(|(_, shape)| shape.coords_iter().collect()).unwrap_or_default();
        if let Some(outline) = &ground.outline {
            let metres = |c: &geo::Coord| match outline.says(*c) {
                Inside::Yes => 0.0,
                Inside::Outside(metres) => metres,
                Inside::Lake(_) => f64::INFINITY,
            };
            if let Some(worst) = drawn.iter().filter(|c| metres(c) > 0.0).max_by(|a, b| metres(a).total_cmp(&metres(b))) {
                ground.place(*worst, &item, &what, false, lines);
            }
        }
        if let (Some((_, shape)), Some(middle)) = (known_neighbourhood, drawn.get(drawn.len() / 2)) {
            if !shape.contains(&geo::Point(*middle)) {
                lines.warn(&item.place, format!("{what} does not lie in neighbourhood «{}»", neighbourhood.as_deref().unwrap_or("?")));
            }
            if let Some(route) = known_route {
                let plane = Plane::at(*middle);
                let beside = route
                    .lines()
                    .iter()
                    .filter_map(|l| geometry::along(&plane.flat(l), plane.metres(*middle)))
                    .map(|(_, b)| b)
                    .fold(f64::INFINITY, f64::min);
                if beside > TOLERANCE {
                    lines.warn(&item.place, format!("{what} is {beside:.0} m from the line of route «{}»", route.code));
                }
            }
        }
        let (Some(code), Some(geometry), Some(route), Some((neighbourhood_id, _))) = (code, geometry, known_route, known_neighbourhood) else {
            continue;
        };
        let row = Segment {
            municipality_id: id,
            segment_id: stored.get(&code).map_or_else(|| mint.id::<SegmentId>(request.now), |s| s.segment_id),
            code: code.clone(),
            route_id: route.route_id,
            neighbourhood_id: *neighbourhood_id,
            approximate,
            geometry,
            properties: Value::Object(item.properties),
        };
        rows.push((item.place, code, row));
    }
    let sorted = sort(rows, &stored, lines, outcome);
    bulk!(
        tx,
        "INSERT INTO segment (municipality_id, segment_id, code, route_id, neighbourhood_id, approximate, geometry, properties)",
        sorted.new,
        |s| [
            s.municipality_id,
            s.segment_id,
            s.code.clone(),
            s.route_id,
            s.neighbourhood_id,
            s.approximate,
            s.geometry.clone(),
            s.properties.clone()
        ],
        ""
    )?;
    for s in sorted.changed {
        run!(
            tx,
            "UPDATE segment SET route_id = $3, neighbourhood_id = $4, approximate = $5, geometry = $6, properties = $7 WHERE municipality_id = $1 AND segment_id = $2",
            s.municipality_id,
            s.segment_id,
            s.route_id,
            s.neighbourhood_id,
            s.approximate,
            &s.geometry,
            &s.properties
        )?;
    }
    Ok(())
}
