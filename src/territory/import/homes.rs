//! Homes and their dated memberships. Moving a home closes the old membership the day before and opens a new one: history is never rewritten.

use super::fields::Item;
use super::{Ground, Lines, Outcome, Request, places, sort};
use crate::db::Tx;
use crate::error::Result;
use crate::id::{HouseholdId, Mint, RouteId, SegmentId};
use crate::territory::geometry::{Plane, along};
use crate::territory::household::{self, Household, Membership, STATUSES, has_shape, is_code, is_own};
use crate::territory::route::{self, Route};
use crate::territory::segment::{self, Segment};
use crate::{bulk, run};
use chrono::{Days, NaiveDate};
use geo::{Coord, LineString};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Stops along a route from 1: segments in the order the route meets them, homes by where they fall on their segment's line.
pub(crate) fn stop_orders(route: &Route, segments: &[&Segment], homes: &[(HouseholdId, SegmentId, Coord)]) -> BTreeMap<HouseholdId, i32> {
    let joined = |lines: Vec<LineString>| LineString(lines.into_iter().flat_map(|l| l.0).collect());
    let way = joined(route.lines());
    let Some(origin) = way.0.first() else { return BTreeMap::new() };
    let plane = Plane::at(*origin);
    let way = plane.flat(&way);
    // Where each segment begins along the route, and its line drawn in the route's direction.
    let mut begins: BTreeMap<SegmentId, (f64, LineString)> = BTreeMap::new();
    for segment in segments {
        let mut line = plane.flat(&joined(segment.lines()));
        let at = |c: Option<&Coord>| c.and_then(|c| along(&way, *c)).map_or(f64::INFINITY, |(along, _)| along);
        let (first, last) = (at(line.0.first()), at(line.0.last()));
        if last < first {
            line.0.reverse();
        }
        begins.insert(segment.segment_id, (first.min(last), line));
    }
    let mut keyed: Vec<(f64, SegmentId, f64, HouseholdId)> = homes
        .iter()
        .map(|(home, segment, c)| {
            let (begin, line) = begins.get(segment).map_or((f64::INFINITY, None), |(begin, line)| (*begin, Some(line)));
            let position = line.and_then(|line| along(line, plane.metres(*c))).map_or(0.0, |(along, _)| along);
            (begin, *segment, position, *home)
        })
        .collect();
    keyed.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)).then(a.2.total_cmp(&b.2)).then(a.3.cmp(&b.3)));
    keyed.into_iter().zip(1..).map(|((_, _, _, home), order)| (home, order)).collect()
}

pub(super) async fn households(
    tx: &mut Tx,
    mint: &mut Mint,
    request: &Request<'_>,
    ground: &Ground,
    items: Vec<Item>,
    lines: &mut Lines,
    outcome: &mut Outcome,
) -> Result<()> {
    let id = ground.id();
    let operators: BTreeMap<String, _> = route::operators(tx, id).await?.into_iter().map(|o| (o.code, o.operator_id)).collect();
    let segments = segment::of(tx, id).await?;
    let by_code: BTreeMap<&str, &Segment> = segments.iter().map(|s| (s.code.as_str(), s)).collect();
    let current: BTreeMap<HouseholdId, Membership> =
        household::places(tx, id, request.from).await?.into_iter().map(|p| (p.household_id, p)).collect();
    let stored: BTreeMap<String, (Household, Option<SegmentId>)> = household::of(tx, id)
        .await?
        .into_iter()
        .map(|h| {
            let segment = current.get(&h.household_id).map(|p| p.segment_id);
            (h.code.clone(), (h, segment))
        })
        .collect();
    let mut rows = Vec::new();
    for mut item in items {
        let code = item.code(lines);
        if let Some(bad) = code.as_ref().filter(|c| !is_code(c) && (has_shape(c) || !is_own(c))) {
            let why = if has_shape(bad) { "its check letter does not fit" } else { "it has spaces, signs or more than 40 bytes" };
            lines.refuse(&item.place, format!("«{bad}» is not a household code: {why}; write it like SP-4821-K"));
        }
        let before = code.as_ref().and_then(|c| stored.get(c));
        let place = places::position(&item, lines);
        if let Some(c) = place {
            ground.place(c, &item, &format!("household «{}»", code.as_deref().unwrap_or("?")), false, lines);
        }
        let says_segment = item.properties.contains_key("segment");
        let segment = match item.text("segment") {
            Some(segment) => {
                let known = by_code.get(segment.as_str()).map(|s| s.segment_id);
                if known.is_none() {
                    lines.refuse(&item.place, format!("segment «{segment}» does not exist in {id}; import segments first or mend the code"));
                }
                known
            }
            None if says_segment => None,
            None => before.and_then(|(_, segment)| *segment),
        };
        let operator_id = match item.text("operator") {
            Some(operator) => {
                let known = operators.get(&operator).copied();
                if known.is_none() {
                    lines.refuse(&item.place, format!("operator «{operator}» does not exist in {id}; import its routes first or mend the code"));
                }
                known
            }
            None => None,
        };
        let service_status = item
            .text("service_status")
            .or_else(|| before.map(|(h, _)| h.service_status.clone()))
            .unwrap_or_else(|| if segment.is_some() { "served".into() } else { "no_route".into() });
        if !STATUSES.contains(&service_status.as_str()) {
            lines.refuse(&item.place, format!("service_status «{service_status}» is not one of {}; mend it", STATUSES.join(", ")));
        }
        let (hint, approximate) = (item.text("hint"), item.approximate());
        let (Some(code), Some(c)) = (code, place) else { continue };
        let row = Household {
            municipality_id: id,
            household_id: before.map_or_else(|| mint.id::<HouseholdId>(request.now), |(h, _)| h.household_id),
            code: code.clone(),
            lon: c.x,
            lat: c.y,
            hint,
            service_status,
            operator_id,
            approximate,
            properties: Value::Object(item.properties),
        };
        rows.push((item.place, code, (row, segment)));
    }
    let sorted = sort(rows, &stored, lines, outcome);
    if !lines.refused.is_empty() {
        return Ok(());
    }
    insert(tx, sorted.new.iter().map(|(h, _)| h).collect()).await?;
    for (h, _) in &sorted.changed {
        run!(
            tx,
            "UPDATE household SET lon = $3, lat = $4, hint = $5, service_status = $6, operator_id = $7, approximate = $8, properties = $9
             WHERE municipality_id = $1 AND household_id = $2",
            id,
            h.household_id,
            h.lon,
            h.lat,
            &h.hint,
            &h.service_status,
            h.operator_id,
            h.approximate,
            &h.properties
        )?;
    }
    let mut homes: BTreeMap<HouseholdId, (Household, Option<SegmentId>)> = stored.into_values().map(|(h, s)| (h.household_id, (h, s))).collect();
    homes.extend(sorted.new.into_iter().chain(sorted.changed).map(|(h, s)| (h.household_id, (h, s))));
    settle(tx, ground, request.from, &segments, &homes, &current).await
}

/// Inserts homes as they are.
pub(crate) async fn insert(tx: &mut Tx, homes: Vec<&Household>) -> Result<()> {
    bulk!(
        tx,
        "INSERT INTO household (municipality_id, household_id, code, lon, lat, hint, service_status, operator_id, approximate, properties)",
        homes,
        |h| [
            h.municipality_id,
            h.household_id,
            h.code.clone(),
            h.lon,
            h.lat,
            h.hint.clone(),
            h.service_status.clone(),
            h.operator_id,
            h.approximate,
            h.properties.clone()
        ],
        ""
    )?;
    Ok(())
}

/// Brings memberships to what `homes` says from `day` on, and numbers the stops of every route touched.
async fn settle(
    tx: &mut Tx,
    ground: &Ground,
    day: NaiveDate,
    segments: &[Segment],
    homes: &BTreeMap<HouseholdId, (Household, Option<SegmentId>)>,
    current: &BTreeMap<HouseholdId, Membership>,
) -> Result<()> {
    let id = ground.id();
    let route_of: BTreeMap<SegmentId, RouteId> = segments.iter().map(|s| (s.segment_id, s.route_id)).collect();
    let mut touched: BTreeSet<RouteId> = BTreeSet::new();
    let mut opened: Vec<(HouseholdId, SegmentId)> = Vec::new();
    for (home, (_, wanted)) in homes {
        let now = current.get(home);
        if now.map(|p| p.segment_id) == *wanted {
            // A home that only moved along its route changes the order of its stops.
            touched.extend(wanted.and_then(|s| route_of.get(&s)));
            continue;
        }
        if let Some(now) = now {
            touched.extend(route_of.get(&now.segment_id));
            if now.valid_from >= day {
                run!(
                    tx,
                    "DELETE FROM household_place WHERE municipality_id = $1 AND household_id = $2 AND valid_from = $3",
                    id,
                    *home,
                    now.valid_from
                )?;
            } else {
                let last = day.checked_sub_days(Days::new(1)).unwrap_or(day);
                run!(
                    tx,
                    "UPDATE household_place SET valid_to = $4 WHERE municipality_id = $1 AND household_id = $2 AND valid_from = $3",
                    id,
                    *home,
                    now.valid_from,
                    last
                )?;
            }
        }
        if let Some(wanted) = wanted {
            touched.extend(route_of.get(wanted));
            opened.push((*home, *wanted));
        }
    }
    let mut orders: BTreeMap<HouseholdId, i32> = BTreeMap::new();
    for route in route::of(tx, id).await?.into_iter().filter(|r| touched.contains(&r.route_id)) {
        let on_it: Vec<&Segment> = segments.iter().filter(|s| s.route_id == route.route_id).collect();
        let here = homes.iter().filter_map(|(home, (h, segment))| {
            let segment = (*segment)?;
            (route_of.get(&segment) == Some(&route.route_id)).then_some((*home, segment, Coord { x: h.lon, y: h.lat }))
        });
        orders.extend(stop_orders(&route, &on_it, &here.collect::<Vec<_>>()));
    }
    for (home, order) in &orders {
        if let Some(now) = current.get(home)
            && now.stop_order != *order
            && homes.get(home).is_some_and(|(_, segment)| *segment == Some(now.segment_id))
        {
            run!(
                tx,
                "UPDATE household_place SET stop_order = $4 WHERE municipality_id = $1 AND household_id = $2 AND valid_from = $3",
                id,
                *home,
                now.valid_from,
                *order
            )?;
        }
    }
    // A home's first place holds since its route runs: it stood there before anyone wrote it down, and what crews saw then is its own.
    let placed: BTreeSet<HouseholdId> = household::history(tx, id).await?.into_iter().map(|p| p.household_id).collect();
    let runs_from: BTreeMap<RouteId, NaiveDate> = route::of(tx, id).await?.into_iter().map(|r| (r.route_id, r.valid_from)).collect();
    let since = |home: &HouseholdId, segment: &SegmentId| match route_of.get(segment).and_then(|route| runs_from.get(route)) {
        Some(from) if !placed.contains(home) => day.min(*from),
        _ => day,
    };
    let opened: Vec<(HouseholdId, SegmentId, i32, NaiveDate)> =
        opened.into_iter().map(|(home, segment)| (home, segment, orders.get(&home).copied().unwrap_or(0), since(&home, &segment))).collect();
    bulk!(
        tx,
        "INSERT INTO household_place (municipality_id, household_id, segment_id, stop_order, valid_from)",
        opened,
        |row| [id, row.0, row.1, row.2, row.3],
        ""
    )?;
    Ok(())
}
