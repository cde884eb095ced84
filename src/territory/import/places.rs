//! Municipalities, neighbourhoods, points and streets.

use super::fields::{Item, POINT_KINDS};
use super::listing::told as listed;
use super::ways::{ending, there};
use super::{Ground, Lines, Outcome, Request, Stored, Told, days, settle, sort, stands, there_on};
use crate::db::Tx;
use crate::error::Result;
use crate::id::{Mint, NeighbourhoodId, PointId, StreetId, derived};
use crate::sheet::words;
use crate::territory::check::overlapping;
use crate::territory::code::Thing;
use crate::territory::dated::{self, Version};
use crate::territory::geometry;
use crate::territory::municipality::{self, Municipality, TOLERANCE};
use crate::territory::neighbourhood::{self, Neighbourhood};
use crate::territory::pilot;
use crate::territory::point::{self, KINDS, Place};
use crate::territory::route;
use crate::territory::street::{self, Street};
use crate::{bulk, run};
use chrono::{DateTime, NaiveDate};
use geo::{Coord, CoordsIter, Geometry};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Outlines and who collects, for municipalities of the catalogue. What a file does not say stays as it is.
pub(super) async fn municipalities(tx: &mut Tx, today: NaiveDate, items: Vec<Item>, lines: &mut Lines, outcome: &mut Outcome) -> Result<()> {
    let stored: BTreeMap<String, Municipality> = municipality::every(tx).await?.into_iter().map(|m| (m.code.clone(), m)).collect();
    let mut rows = Vec::new();
    for mut item in items {
        item.properties.remove("municipality");
        let Some(code) = item.code(lines) else { continue };
        let Some(before) = stored.get(&code) else {
            lines.refuse(&item.place, format!("municipality «{code}» does not exist; use one of the 340 INE codes, such as 1202"));
            continue;
        };
        let sender = item.text("sender").and_then(|name| pilot::sender(&name).map_err(|line| lines.refuse(&item.place, line)).ok());
        let shape = area(&item, lines, true);
        let approximate = item.approximate(None);
        let row = Municipality {
            name: item.text("name").unwrap_or_else(|| before.name.clone()),
            department: item.text("department").unwrap_or_else(|| before.department.clone()),
            pilot: item.flag("pilot").unwrap_or(before.pilot),
            sender: sender.or_else(|| before.sender.clone()),
            collection_model: item.text("collection_model").or_else(|| before.collection_model.clone()),
            approximate,
            geometry: shape.or_else(|| before.geometry.clone()),
            properties: Value::Object(item.properties),
            ..before.clone()
        };
        rows.push((item.place, code, row));
    }
    outcome.changes.extend(rows.iter().flat_map(|(_, code, row)| listed(stored.get(code), row, code, today)));
    for row in sort(rows, &stored, lines, outcome).changed {
        run!(
            tx,
            "UPDATE municipality SET name = $2, department = $3, pilot = $4, sender = $5, collection_model = $6, approximate = $7, geometry = $8, properties = $9
             WHERE municipality_id = $1",
            row.municipality_id,
            &row.name,
            &row.department,
            row.pilot,
            &row.sender,
            &row.collection_model,
            row.approximate,
            &row.geometry,
            &row.properties
        )?;
    }
    Ok(())
}

/// The item's area; something else, or nothing where one is needed, is refused.
fn area(item: &Item, lines: &mut Lines, optional: bool) -> Option<Value> {
    match &item.shape {
        Some((shape, Geometry::Polygon(_) | Geometry::MultiPolygon(_))) => Some(shape.clone()),
        Some((shape, _)) => {
            lines.refuse(&item.place, format!("the geometry is a {}; draw it as a Polygon", shape["type"].as_str().unwrap_or("?")));
            None
        }
        None if optional => None,
        None => {
            lines.refuse(&item.place, "the geometry is missing; draw it as a Polygon (CSV: column wkt)");
            None
        }
    }
}

pub(super) async fn neighbourhoods(
    tx: &mut Tx,
    mint: &mut Mint,
    request: &Request<'_>,
    ground: &Ground,
    items: Vec<Item>,
    lines: &mut Lines,
    outcome: &mut Outcome,
) -> Result<()> {
    let areas = neighbourhood::history(tx, ground.id()).await?;
    let stored = Stored::of(tx, (ground.id(), request), Thing::Neighbourhood, areas, |area| &area.code).await?;
    let mut told = Vec::new();
    for mut item in items {
        let Some(code) = item.code(lines) else { continue };
        let history = stored.get(&code);
        let days = days(&mut item, &code, history, request, lines);
        let before = stands(history, days);
        let name = item.needed_or("name", before.map(|area| area.name.clone()), lines);
        let shape = area(&item, lines, before.is_some()).or_else(|| before.map(|area| area.geometry.clone()));
        if let Some((_, parsed)) = &item.shape
            && let Some((metres, c)) = farthest(ground, parsed)
        {
            lines.warn(&item.place, format!("reaches {metres:.0} m beyond {} at ({}, {})", ground.municipality.name, c.x, c.y));
        }
        let (Some(name), Some(geometry)) = (name, shape) else { continue };
        let facts = Neighbourhood {
            municipality_id: ground.id(),
            neighbourhood_id: before.map_or_else(|| mint.id::<NeighbourhoodId>(request.now), |area| area.neighbourhood_id),
            code: before.map_or(&code, |area| &area.code).clone(),
            name,
            approximate: item.approximate(before.map(|area| area.approximate)),
            geometry,
            properties: item.others(before.map(|area| &area.properties)),
        };
        told.push(Told { place: item.place, code, days, facts });
    }
    overlaps(&told, &stored, lines);
    let settled = settle(told, &stored, |area| area.neighbourhood_id.0, (ground.id(), request), |area, _| area, lines, outcome);
    if !lines.refused.is_empty() {
        return Ok(());
    }
    neighbourhood::name(tx, &settled.new.iter().collect::<Vec<_>>()).await?;
    dated::write(tx, "neighbourhood", ground.id(), request.now, &settled.changes).await?;
    neighbourhood::add(tx, mint, request.now, &settled.added()).await
}

/// The corner farthest outside the municipality, when it is beyond what a coarse outline explains.
fn farthest(ground: &Ground, shape: &Geometry) -> Option<(f64, Coord)> {
    let outline = ground.outline.as_ref()?;
    let outside = shape.coords_iter().filter_map(|c| match outline.says(c) {
        municipality::Inside::Outside(metres) if metres > TOLERANCE => Some((metres, c)),
        _ => None,
    });
    outside.max_by(|a, b| a.0.total_cmp(&b.0))
}

fn overlaps(told: &[Told<Neighbourhood>], stored: &BTreeMap<String, Vec<Version<Neighbourhood>>>, lines: &mut Lines) {
    let codes: BTreeSet<&str> = told.iter().map(|row| row.facts.code.as_str()).collect();
    let kept = stored.values().filter_map(|known| known.last().filter(|last| last.valid_to.is_none())).map(|last| &last.facts);
    // A neighbourhood of two codes stands there twice.
    let kept: BTreeMap<NeighbourhoodId, &Neighbourhood> =
        kept.filter(|area| !codes.contains(area.code.as_str())).map(|area| (area.neighbourhood_id, area)).collect();
    let all: Vec<&Neighbourhood> = told.iter().map(|row| &row.facts).chain(kept.into_values()).collect();
    let shapes: Vec<_> = all.iter().map(|n| n.shape()).collect();
    for (a, b, share) in overlapping(&shapes) {
        // Two that were stored before are not this file's business.
        if a >= told.len() {
            continue;
        }
        lines.warn(
            &told[a].place,
            format!(
                "«{}» and «{}» lie over each other ({:.1} % of the smaller); a home in both counts for the first by code",
                all[a].code,
                all[b].code,
                share * 100.0
            ),
        );
    }
}

/// A whole number that may not be negative.
fn count(item: &mut Item, column: &str, before: Option<i32>, lines: &mut Lines) -> Option<i32> {
    if !item.properties.contains_key(column) {
        return before;
    }
    let number = item.number(column, lines);
    if let Some(negative) = number.filter(|n| *n < 0) {
        lines.refuse(&item.place, format!("«{column}» is «{negative}»; write a number from 0 on"));
    }
    number
}

pub(super) async fn points(
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
    let names: Vec<_> = routes.iter().map(|version| (version.facts.0.route_id.0, version.facts.0.code.clone())).collect();
    let routes = Stored::of(tx, (id, request), Thing::Route, routes, |(route, _)| &route.code).await?;
    let places = point::history(tx, id).await?;
    let stored = Stored::of(tx, (id, request), Thing::Point, places, |point| &point.code).await?.naming(names);
    let mut told = Vec::new();
    for mut item in items {
        let Some(code) = item.code(lines) else { continue };
        let history = stored.get(&code);
        let days = days(&mut item, &code, history, request, lines);
        let before = stands(history, days);
        let kind = item.needed_or("kind", before.map(|point| point.kind.clone()), lines);
        let kind = kind.map(|kind| words::word(&POINT_KINDS, &kind).map_or(kind, str::to_owned));
        let name = item.kept("name", before.map(|point| point.name.clone())).unwrap_or_else(|| code.clone());
        if let Some(odd) = kind.as_deref().filter(|k| !KINDS.contains(k)) {
            lines.warn(&item.place, format!("kind «{odd}» is not one the pages know ({}); it is kept", KINDS.join(", ")));
        }
        let place = match before.filter(|_| item.stays_in_place()) {
            Some(point) => Some(Coord { x: point.lon, y: point.lat }),
            None => {
                let place = position(&item, lines);
                if let Some(c) = place {
                    ground.place(c, &item, &format!("point «{code}»"), kind.as_deref() == Some("dump"), lines);
                }
                place
            }
        };
        let route_id = if item.properties.contains_key("route") {
            item.text("route").and_then(|route| {
                ending(&format!("route «{route}»"), routes.get(&route), days, "the point belongs to none", &item.place, lines);
                there(&route, &routes, ("route", "routes"), there_on(history, days), ground, &item.place, lines)
                    .map(|version| version.facts.0.route_id)
            })
        } else {
            before.and_then(|point| point.route_id)
        };
        let stop_order = count(&mut item, "order", before.and_then(|point| point.stop_order), lines);
        let capacity_l = count(&mut item, "capacity_l", before.and_then(|point| point.capacity_l), lines);
        let (Some(kind), Some(c)) = (kind, place) else { continue };
        let facts = Place {
            municipality_id: id,
            point_id: before.map_or_else(|| mint.id::<PointId>(request.now), |point| point.point_id),
            code: before.map_or(&code, |point| &point.code).clone(),
            name,
            kind,
            route_id,
            stop_order,
            capacity_l,
            lon: c.x,
            lat: c.y,
            approximate: item.approximate(before.map(|point| point.approximate)),
            properties: item.others(before.map(|point| &point.properties)),
        };
        told.push(Told { place: item.place, code, days, facts });
    }
    let settled = settle(told, &stored, |point| point.point_id.0, (id, request), |point, _| point, lines, outcome);
    if !lines.refused.is_empty() {
        return Ok(());
    }
    point::name(tx, &settled.new.iter().collect::<Vec<_>>()).await?;
    dated::write(tx, "point", id, request.now, &settled.changes).await?;
    point::add(tx, mint, request.now, &settled.added()).await
}

/// The item's position; anything but one point is refused.
pub(super) fn position(item: &Item, lines: &mut Lines) -> Option<Coord> {
    let found = item.shape.as_ref().and_then(|(_, shape)| geometry::point(shape));
    if found.is_none() {
        let what = item.shape.as_ref().map_or("the position is missing", |_| "the geometry is not one point");
        lines.refuse(&item.place, format!("{what}; give a Point (CSV: lon,lat)"));
    }
    found.map(|p| p.0)
}

/// Streets have no code: their identity follows from their id, or from name and line.
pub(super) async fn streets(
    tx: &mut Tx,
    today: NaiveDate,
    ground: &Ground,
    items: Vec<Item>,
    lines: &mut Lines,
    outcome: &mut Outcome,
) -> Result<()> {
    let stored: BTreeMap<String, Street> = street::of(tx, ground.id()).await?.into_iter().map(|s| (s.street_id.to_string(), s)).collect();
    let mut rows = Vec::new();
    for mut item in items {
        let name = item.text("name").unwrap_or_default();
        let class = item
            .text("class")
            .or_else(|| item.properties.get("highway").and_then(Value::as_str).map(str::to_owned))
            .unwrap_or_else(|| "street".into());
        let Some((geometry, Geometry::LineString(_) | Geometry::MultiLineString(_))) = item.shape.take() else {
            lines.refuse(&item.place, "a street is a LineString; draw it as a line");
            continue;
        };
        let key = item.properties.get("@id").map_or_else(|| format!("{name}\n{geometry}"), Value::to_string);
        let street_id: StreetId = derived("street", &[&ground.id().0.to_be_bytes(), key.as_bytes()], DateTime::UNIX_EPOCH);
        let row = Street { municipality_id: ground.id(), street_id, name, class, geometry, properties: Value::Object(item.properties) };
        rows.push((item.place, street_id.to_string(), row));
    }
    for (_, id, row) in &rows {
        let called = if row.name.is_empty() { id } else { &row.name };
        outcome.changes.extend(listed(stored.get(id), row, called, today));
    }
    let sorted = sort(rows, &stored, lines, outcome);
    bulk!(
        tx,
        "INSERT INTO street (municipality_id, street_id, name, class, geometry, properties)",
        sorted.new,
        |row| [row.municipality_id, row.street_id, row.name.clone(), row.class.clone(), row.geometry.clone(), row.properties.clone()],
        ""
    )?;
    for row in sorted.changed {
        run!(
            tx,
            "UPDATE street SET name = $3, class = $4, geometry = $5, properties = $6 WHERE municipality_id = $1 AND street_id = $2",
            row.municipality_id,
            row.street_id,
            &row.name,
            &row.class,
            &row.geometry,
            &row.properties
        )?;
    }
    Ok(())
}
