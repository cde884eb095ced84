//! Routes with their days and operators, and segments.

use super::fields::{Item, STREAMS, WEEKDAYS, weekday};
use super::homes;
use super::{Days, Ground, Lines, Outcome, Request, Stored, Told, by_code, days, settle, stands, there_on};
use crate::db::Tx;
use crate::error::Result;
use crate::id::{Mint, MunicipalityId, NeighbourhoodId, OperatorId, RouteId, SegmentId};
use crate::sheet::words;
use crate::territory::code::Thing;
use crate::territory::dated::{self, Version, refit};
use crate::territory::geometry::{self, Plane};
use crate::territory::municipality::{Inside, TOLERANCE};
use crate::territory::neighbourhood;
use crate::territory::route::{self, Operator, Planned, Route, RouteDay};
use crate::territory::segment::{self, Segment};
use chrono::NaiveDate;
use geo::{Contains, CoordsIter, Geometry};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// A line; something else, or nothing where nothing stands yet, is refused.
fn line(item: &Item, before: Option<&Value>, lines: &mut Lines) -> Option<Value> {
    match (&item.shape, before) {
        (Some((shape, Geometry::LineString(_) | Geometry::MultiLineString(_))), _) => Some(shape.clone()),
        (Some((shape, _)), _) => {
            lines.refuse(&item.place, format!("the geometry is a {}; draw it as a LineString", shape["type"].as_str().unwrap_or("?")));
            None
        }
        (None, Some(before)) => Some(before.clone()),
        (None, None) => {
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
        let Some(stream) = words::word(&STREAMS, &stream).map(str::to_owned) else {
            let ours = STREAMS.map(|known| known.name).join(", ");
            lines.refuse(&item.place, format!("«stream» is «{stream}», not one of {ours}; mend it"));
            return None;
        };
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

/// A week as the columns of a file tell it.
pub(crate) fn written_week(week: &[RouteDay]) -> Vec<(String, Value)> {
    let own: Vec<&RouteDay> = week.iter().collect();
    let names: Vec<&str> = own.iter().map(|day| WEEKDAYS[(day.weekday as usize + 6) % 7]).collect();
    let first = |of: fn(&RouteDay) -> &String| week.first().map(|day| of(day).clone()).unwrap_or_default();
    vec![
        ("weekdays".into(), Value::String(names.join(","))),
        ("stream".into(), Value::String(written_streams(&own))),
        ("window_start".into(), Value::String(first(|day| &day.window_start))),
        ("window_end".into(), Value::String(first(|day| &day.window_end))),
    ]
}

/// The week a row gives its route, or, where it is silent about days, streams and window, the one that stands.
fn week(item: &mut Item, route_id: RouteId, before: Option<&Vec<RouteDay>>, lines: &mut Lines) -> Option<Vec<RouteDay>> {
    let says = |item: &Item, column: &str| item.properties.contains_key(column);
    if let Some(before) = before
        && !["weekdays", "stream", "window_start", "window_end"].iter().any(|column| says(item, column))
    {
        return Some(before.clone());
    }
    if let Some(before) = before {
        // New days under streams that were told day by day need their streams told again.
        for (column, text) in written_week(before) {
            item.properties.entry(column).or_insert(text);
        }
    }
    let before = lines.refused.count();
    let window = (item.time("window_start", lines), item.time("window_end", lines));
    // A time that cannot be read is not missing too.
    let unreadable = lines.refused.count() > before;
    let weekdays = item.weekdays(lines)?;
    let streams = streams(item, &weekdays, lines)?;
    if unreadable {
        return None;
    }
    let (start, end) = match window {
        (Some(start), Some(end)) if start != end => (start, end),
        (Some(start), Some(_)) => {
            lines.refuse(&item.place, format!("the window begins and ends at {start}; give its end"));
            return None;
        }
        (None, None) => {
            lines.warn(&item.place, "the window is missing; 06:00 to 18:00 is taken");
            ("06:00".into(), "18:00".into())
        }
        _ => {
            lines.refuse(&item.place, "a window needs both window_start and window_end");
            return None;
        }
    };
    let days = weekdays.into_iter().zip(streams);
    Some(days.map(|(weekday, stream)| RouteDay { route_id, weekday, stream, window_start: start.clone(), window_end: end.clone() }).collect())
}

/// Operators a file names: new ones, and new names of those that stand.
struct Operators {
    stored: Stored<Operator>,
    told: BTreeMap<String, Told<Operator>>,
    /// What each is called in the file, and in which row first.
    named: BTreeMap<String, (String, String)>,
}

impl Operators {
    /// Takes the name of its operator out of a row: it is the operator's, and none of the route's own properties.
    #[expect(clippy::too_many_arguments, reason = "a row, its days, and what it may refer to")]
    fn find(
        &mut self,
        code: &str,
        item: &mut Item,
        days: Days,
        ground: &Ground,
        request: &Request<'_>,
        mint: &mut Mint,
        lines: &mut Lines,
    ) -> OperatorId {
        let told = item.text("operator_name");
        let says_name = told.is_some();
        if let Some(name) = &told {
            match self.named.get(code) {
                Some((other, place)) if other != name => lines.refuse(
                    &item.place,
                    format!("operator «{code}» is called «{name}» here and «{other}» in {place}; write one name, or leave operator_name out"),
                ),
                _ => drop(self.named.insert(code.to_owned(), (name.clone(), item.place.clone()))),
            }
        }
        let known = self.stored.get(code).and_then(|known| known.last()).map(|version| &version.facts);
        let asked = self.told.get(code).map(|told| told.facts.operator_id);
        let id = asked.or(known.map(|operator| operator.operator_id)).unwrap_or_else(|| mint.id::<OperatorId>(request.now));
        let name = told.or(known.map(|operator| operator.name.clone())).unwrap_or_else(|| code.to_owned());
        let facts = Operator { municipality_id: ground.id(), operator_id: id, code: code.to_owned(), name };
        // A new operator is there from the first day one of its routes runs; a new name holds from the day the route's row does.
        match self.told.get_mut(code) {
            Some(row) => {
                row.days.from = row.days.from.min(days.from);
                // A row that is silent about the name says nothing against one that tells it.
                if says_name {
                    row.facts.name = facts.name;
                }
            }
            None => {
                let days = Days::since(days.from, true);
                self.told.insert(code.to_owned(), Told { place: item.place.clone(), code: code.to_owned(), days, facts });
            }
        }
        id
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
    let known = by_code(route::operator_history(tx, id).await?, |operator| &operator.code);
    let mut operators = Operators { stored: Stored::plain(known), told: BTreeMap::new(), named: BTreeMap::new() };
    let codes: BTreeMap<OperatorId, String> =
        operators.stored.iter().filter_map(|(code, known)| Some((known.last()?.facts.operator_id, code.clone()))).collect();
    let known = route::history(tx, id).await?;
    let names = codes.iter().map(|(id, code)| (id.0, code.clone()));
    let stored = Stored::of(tx, (id, request), Thing::Route, known, |(route, _)| &route.code).await?.naming(names);
    let mut told = Vec::new();
    for mut item in items {
        let Some(code) = item.code(lines) else { continue };
        let history = stored.get(&code);
        let days = days(&mut item, &code, history, request, lines);
        let before = stands(history, days);
        let operator = item.needed_or("operator", before.and_then(|(route, _)| codes.get(&route.operator_id).cloned()), lines);
        let geometry = line(&item, before.map(|(route, _)| &route.geometry), lines);
        let name = item.kept("name", before.map(|(route, _)| route.name.clone())).unwrap_or_else(|| code.clone());
        let route_id = before.map_or_else(|| mint.id::<RouteId>(request.now), |(route, _)| route.route_id);
        let week = week(&mut item, route_id, before.map(|(_, week)| week), lines);
        let approximate = item.approximate(before.map(|(route, _)| route.approximate));
        if let (Some(outline), Some((_, shape))) = (&ground.outline, &item.shape) {
            let beyond = shape.coords_iter().filter(|c| matches!(outline.says(*c), Inside::Outside(m) if m > TOLERANCE)).count();
            if beyond > 0 {
                lines.warn(&item.place, format!("{beyond} positions of the line lie outside {}", ground.municipality.name));
            }
        }
        let (Some(operator), Some(geometry), Some(week)) = (operator, geometry, week) else { continue };
        let operator_id = operators.find(&operator, &mut item, days, ground, request, mint, lines);
        let properties = item.others(before.map(|(route, _)| &route.properties));
        let first = before.map_or(&code, |(route, _)| &route.code).clone();
        let route = Route { municipality_id: id, route_id, code: first, name, operator_id, approximate, geometry, properties };
        told.push(Told { place: item.place, code, days, facts: (route, week) });
    }
    let settled = settle(told, &stored, |(route, _)| route.route_id.0, (id, request), |planned, _| planned, lines, outcome);
    let mut renamed = Outcome::default();
    let told = operators.told.into_values().collect();
    let named = settle(told, &operators.stored, |operator| operator.operator_id.0, (id, request), |operator, _| operator, lines, &mut renamed);
    for change in renamed.changes.into_iter().filter(|change| change.field == "operator_name") {
        // No route is other for it, and yet something changes: it is said.
        lines.warnings.push(format!("{}: {}: the operator has another name on every route of its own", request.file, change.line()));
        outcome.renamed += 1;
        outcome.since.entry(id).and_modify(|since| *since = change.since.min(*since)).or_insert(change.since);
        outcome.changes.push(change);
    }
    if !lines.refused.is_empty() {
        return Ok(());
    }
    let touched = settled.changes.iter().map(|(id, _)| RouteId(*id)).collect();
    outcome.segments.entry(id).or_default().extend(segments_of(tx, id, &touched, request.from).await?);
    route::name_operators(tx, &named.new.iter().collect::<Vec<_>>()).await?;
    dated::write(tx, "operator", id, request.now, &named.changes).await?;
    route::add_operators(tx, mint, request.now, &named.added()).await?;
    route::name(tx, &settled.new.iter().collect::<Vec<_>>()).await?;
    dated::write(tx, "route", id, request.now, &settled.changes).await?;
    route::add(tx, mint, request.now, &settled.added()).await?;
    laid_again(tx, mint, request, ground, &settled.since).await
}

/// The segments that lie on these routes on a day or later.
async fn segments_of(tx: &mut Tx, municipality: MunicipalityId, routes: &BTreeSet<RouteId>, day: NaiveDate) -> Result<BTreeSet<SegmentId>> {
    let known = segment::history(tx, municipality).await?;
    let lies = known.into_iter().filter(|version| version.valid_to.is_none_or(|to| to >= day) && routes.contains(&version.facts.route_id));
    Ok(lies.map(|version| version.facts.segment_id).collect())
}

/// From the day a route is drawn anew, where it meets its segments.
async fn laid_again(tx: &mut Tx, mint: &mut Mint, request: &Request<'_>, ground: &Ground, since: &BTreeMap<Uuid, NaiveDate>) -> Result<()> {
    let id = ground.id();
    let mut ways: BTreeMap<RouteId, Vec<Version<Planned>>> = BTreeMap::new();
    for version in route::history(tx, id).await?.into_iter().filter(|version| since.contains_key(&version.facts.0.route_id.0)) {
        ways.entry(version.facts.0.route_id).or_default().push(version);
    }
    let stored = by_code(segment::history(tx, id).await?, |segment| &segment.code);
    let mut changes = Vec::new();
    for history in stored.values() {
        let on: BTreeSet<RouteId> = history.iter().map(|version| version.facts.route_id).filter(|route| ways.contains_key(route)).collect();
        let Some(from) = on.iter().filter_map(|route| since.get(&route.0)).min() else { continue };
        let turns = on.iter().filter_map(|route| ways.get(route)).flatten().map(|version| version.valid_from).collect();
        let change = refit(history, *from, &turns, request.from, |lies, day| {
            let way = ways.get(&lies.route_id).and_then(|known| dated::latest(known, day));
            way.map_or_else(|| lies.clone(), |version| lies.clone().laid_along(&version.facts.0))
        });
        changes.extend(history.first().filter(|_| !change.is_nothing()).map(|first| (first.facts.segment_id.0, change)));
    }
    dated::write(tx, "segment", id, request.now, &changes).await?;
    segment::add(tx, mint, request.now, &changes.into_iter().flat_map(|(_, change)| change.added).collect::<Vec<_>>()).await
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
    let routes = route::history(tx, id).await?;
    let routes = Stored::of(tx, (id, request), Thing::Route, routes, |(route, _)| &route.code).await?;
    let route_codes: BTreeMap<RouteId, String> =
        routes.iter().filter_map(|(code, known)| Some((known.last()?.facts.0.route_id, code.clone()))).collect();
    let neighbourhoods = neighbourhood::history(tx, id).await?;
    let neighbourhoods = Stored::of(tx, (id, request), Thing::Neighbourhood, neighbourhoods, |area| &area.code).await?;
    let area_codes: BTreeMap<NeighbourhoodId, String> =
        neighbourhoods.iter().filter_map(|(code, known)| Some((known.last()?.facts.neighbourhood_id, code.clone()))).collect();
    let shapes: BTreeMap<Uuid, geo::MultiPolygon> =
        neighbourhoods.values().flatten().map(|version| (version.version_id, version.facts.shape())).collect();
    let names: Vec<(Uuid, String)> =
        route_codes.iter().map(|(id, code)| (id.0, code.clone())).chain(area_codes.iter().map(|(id, code)| (id.0, code.clone()))).collect();
    let known = segment::history(tx, id).await?;
    let stored = Stored::of(tx, (id, request), Thing::Segment, known, |segment| &segment.code).await?.naming(names);
    let mut told = Vec::new();
    for mut item in items {
        let Some(code) = item.code(lines) else { continue };
        let history = stored.get(&code);
        let days = days(&mut item, &code, history, request, lines);
        let before = stands(history, days);
        let geometry = line(&item, before.map(|segment| &segment.geometry), lines);
        let says = ["route", "neighbourhood"].map(|column| item.properties.contains_key(column));
        let route = item.needed_or("route", before.and_then(|segment| route_codes.get(&segment.route_id).cloned()), lines);
        let area = item.needed_or("neighbourhood", before.and_then(|segment| area_codes.get(&segment.neighbourhood_id).cloned()), lines);
        let what = format!("segment «{code}»");
        let day = there_on(history, days);
        if let Some(name) = route.as_ref().filter(|_| says[0]) {
            ending(&format!("route «{name}»"), routes.get(name), days, "no truck comes to the segment's homes", &item.place, lines);
        }
        if let Some(name) = area.as_ref().filter(|_| says[1]) {
            ending(
                &format!("neighbourhood «{name}»"),
                neighbourhoods.get(name),
                days,
                "the segment's homes stand in none that is on the map",
                &item.place,
                lines,
            );
        }
        let route = route.and_then(|name| there(&name, &routes, ("route", "routes"), day, ground, &item.place, lines));
        let area = area.and_then(|name| there(&name, &neighbourhoods, ("neighbourhood", "neighbourhoods"), day, ground, &item.place, lines));
        let drawn: Vec<geo::Coord> = item.shape.as_ref().map(|(_, shape)| shape.coords_iter().collect()).unwrap_or_default();
        lies(&item, &what, &drawn, route, area.and_then(|area| Some((area, shapes.get(&area.version_id)?))), ground, lines);
        let approximate = item.approximate(before.map(|segment| segment.approximate));
        let (Some(geometry), Some(route), Some(area)) = (geometry, route, area) else { continue };
        let facts = Segment {
            municipality_id: id,
            segment_id: before.map_or_else(|| mint.id::<SegmentId>(request.now), |segment| segment.segment_id),
            code: before.map_or(&code, |segment| &segment.code).clone(),
            route_id: route.facts.0.route_id,
            neighbourhood_id: area.facts.neighbourhood_id,
            begins_m: 0.0,
            reversed: false,
            approximate,
            geometry,
            properties: item.others(before.map(|segment| &segment.properties)),
        };
        let facts = facts.laid_along(&route.facts.0);
        told.push(Told { place: item.place, code, days, facts });
    }
    let ways: BTreeMap<RouteId, &Vec<Version<Planned>>> = routes.values().filter_map(|known| Some((known.last()?.facts.0.route_id, known))).collect();
    let laid = |segment: Segment, day: NaiveDate| match ways.get(&segment.route_id).and_then(|known| dated::latest(known, day)) {
        Some(version) => segment.laid_along(&version.facts.0),
        None => segment,
    };
    let settled = settle(told, &stored, |segment| segment.segment_id.0, (id, request), laid, lines, outcome);
    if !lines.refused.is_empty() {
        return Ok(());
    }
    segment::name(tx, &settled.new.iter().collect::<Vec<_>>()).await?;
    dated::write(tx, "segment", id, request.now, &settled.changes).await?;
    segment::add(tx, mint, request.now, &settled.added()).await?;
    if settled.changes.len() > settled.new.len() {
        homes::along_again(tx, mint, request, ground, &settled.since).await?;
    }
    Ok(())
}

/// Says when what a row is put on ends, as far as it is known already: from then on the row's thing stands on what is over.
pub(super) fn ending<T>(what: &str, history: Option<&Vec<Version<T>>>, days: Days, then: &str, place: &str, lines: &mut Lines) {
    let end = history.and_then(|known| known.last()).and_then(|last| last.valid_to);
    if let Some(end) = end.filter(|end| days.until.is_none_or(|until| until > *end)) {
        lines.warn(place, format!("{what} ends on {end}; from then on {then}"));
    }
}

/// What a row refers to by its code, as it is on the row's first day.
pub(super) fn there<'a, T>(
    name: &str,
    known: &'a BTreeMap<String, Vec<Version<T>>>,
    (kind, kinds): (&str, &str),
    day: NaiveDate,
    ground: &Ground,
    place: &str,
    lines: &mut Lines,
) -> Option<&'a Version<T>> {
    let Some(history) = known.get(name) else {
        lines.refuse(place, format!("{kind} «{name}» does not exist in {}; import {kinds} first or mend the code", ground.id()));
        return None;
    };
    let found = history.iter().find(|version| version.span().holds(day));
    if found.is_none() {
        lines.refuse(place, format!("{kind} «{name}» does not exist on {day}; name another, or give a day on which it does"));
    }
    found
}

/// Says where a segment's line does not fit what it belongs to.
fn lies(
    item: &Item,
    what: &str,
    drawn: &[geo::Coord],
    route: Option<&Version<Planned>>,
    area: Option<(&Version<neighbourhood::Neighbourhood>, &geo::MultiPolygon)>,
    ground: &Ground,
    lines: &mut Lines,
) {
    if let Some(outline) = &ground.outline {
        let metres = |c: &geo::Coord| match outline.says(*c) {
            Inside::Yes => 0.0,
            Inside::Outside(metres) => metres,
            Inside::Lake(_) => f64::INFINITY,
        };
        if let Some(worst) = drawn.iter().filter(|c| metres(c) > 0.0).max_by(|a, b| metres(a).total_cmp(&metres(b))) {
            ground.place(*worst, item, what, false, lines);
        }
    }
    let Some(middle) = drawn.get(drawn.len() / 2) else { return };
    if let Some((area, shape)) = area
        && !shape.contains(&geo::Point(*middle))
    {
        lines.warn(&item.place, format!("{what} does not lie in neighbourhood «{}»", area.facts.code));
    }
    if let Some(route) = route {
        let route = &route.facts.0;
        let plane = Plane::at(*middle);
        let beside =
            route.lines().iter().filter_map(|l| geometry::along(&plane.flat(l), plane.metres(*middle))).map(|(_, b)| b).fold(f64::INFINITY, f64::min);
        if beside > TOLERANCE {
            lines.warn(&item.place, format!("{what} is {beside:.0} m from the line of route «{}»", route.code));
        }
    }
}
