//! Municipalities, neighbourhoods, points and streets.

use super::fields::Item;
use super::{Ground, Lines, Outcome, Request, sort};
use crate::db::Tx;
use crate::error::Result;
use crate::id::{Mint, NeighbourhoodId, PointId, StreetId, derived};
use crate::territory::check::overlapping;
use crate::territory::geometry;
use crate::territory::municipality::{self, Municipality, TOLERANCE};
use crate::territory::neighbourhood::{self, Neighbourhood};
use crate::territory::point::{self, KINDS, Place};
use crate::territory::route;
use crate::territory::street::{self, Street};
use crate::{bulk, run};
use chrono::DateTime;
use geo::{Coord, CoordsIter, Geometry};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Outlines and who collects, for municipalities of the catalogue. What a file does not say stays as it is.
pub(super) async fn municipalities(tx: &mut Tx, items: Vec<Item>, lines: &mut Lines, outcome: &mut Outcome) -> Result<()> {
    let stored: BTreeMap<String, Municipality> = municipality::every(tx).await?.into_iter().map(|m| (m.code.clone(), m)).collect();
    let mut rows = Vec::new();
    for mut item in items {
        item.properties.remove("municipality");
        let Some(code) = item.code(lines) else { continue };
        let Some(before) = stored.get(&code) else {
            lines.refuse(&item.place, format!("municipality «{code}» does not exist; use one of the 340 INE codes, such as 1202"));
            continue;
        };
        let sender = item.text("sender");
        if let Some(long) = sender.as_ref().filter(|s| s.chars().count() > 16) {
            lines.refuse(&item.place, format!("«sender» is «{long}»; a sender has at most 16 characters"));
        }
        let shape = area(&item, lines, before.geometry.is_none());
        let approximate = item.approximate();
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
    let stored: BTreeMap<String, Neighbourhood> = neighbourhood::of(tx, ground.id()).await?.into_iter().map(|n| (n.code.clone(), n)).collect();
    let mut rows = Vec::new();
    for mut item in items {
        let (code, name, shape) = (item.code(lines), item.needed("name", lines), area(&item, lines, false));
        let approximate = item.approximate();
        if let Some((_, parsed)) = &item.shape
            && let Some((metres, c)) = farthest(ground, parsed)
        {
            lines.warn(&item.place, format!("reaches {metres:.0} m beyond {} at ({}, {})", ground.municipality.name, c.x, c.y));
        }
        let (Some(code), Some(name), Some(geometry)) = (code, name, shape) else { continue };
        let row = Neighbourhood {
            municipality_id: ground.id(),
            neighbourhood_id: stored.get(&code).map_or_else(|| mint.id::<NeighbourhoodId>(request.now), |n| n.neighbourhood_id),
            code: code.clone(),
            name,
            approximate,
            geometry,
            properties: Value::Object(item.properties),
        };
        rows.push((item.place, code, row));
    }
    overlaps(&rows, &stored, lines);
    let sorted = sort(rows, &stored, lines, outcome);
    bulk!(
        tx,
        "INSERT INTO neighbourhood (municipality_id, neighbourhood_id, code, name, approximate, geometry, properties)",
        sorted.new,
        |row| [
            row.municipality_id,
            row.neighbourhood_id,
            row.code.clone(),
            row.name.clone(),
            row.approximate,
            row.geometry.clone(),
            row.properties.clone()
        ],
        ""
    )?;
    for row in sorted.changed {
        run!(
            tx,
            "UPDATE neighbourhood SET name = $3, approximate = $4, geometry = $5, properties = $6 WHERE municipality_id = $1 AND neighbourhood_id = $2",
            row.municipality_id,
            row.neighbourhood_id,
            &row.name,
            row.approximate,
            &row.geometry,
            &row.properties
        )?;
    }
    Ok(())
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

fn overlaps(rows: &[(String, String, Neighbourhood)], stored: &BTreeMap<String, Neighbourhood>, lines: &mut Lines) {
    let codes: BTreeSet<&str> = rows.iter().map(|(_, code, _)| code.as_str()).collect();
    let kept = stored.values().filter(|n| !codes.contains(n.code.as_str()));
    let all: Vec<&Neighbourhood> = rows.iter().map(|(_, _, row)| row).chain(kept).collect();
    let shapes: Vec<_> = all.iter().map(|n| n.shape()).collect();
    for (a, b, share) in overlapping(&shapes) {
        // Two that were stored before are not this file's business.
        if a >= rows.len() {
            continue;
        }
        lines.warn(
            &rows[a].0,
            format!(
                "«{}» and «{}» lie over each other ({:.1} % of the smaller); a home in both counts for the first by code",
                all[a].code,
                all[b].code,
                share * 100.0
            ),
        );
    }
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
    let stored: BTreeMap<String, Place> = point::of(tx, ground.id()).await?.into_iter().map(|p| (p.code.clone(), p)).collect();
    let routes: BTreeMap<String, _> = route::of(tx, ground.id()).await?.into_iter().map(|r| (r.code, r.route_id)).collect();
    let mut rows = Vec::new();
    for mut item in items {
        let (code, kind) = (item.code(lines), item.needed("kind", lines));
        let name = item.text("name").or_else(|| code.clone());
        if let Some(odd) = kind.as_deref().filter(|k| !KINDS.contains(k)) {
            lines.warn(&item.place, format!("kind «{odd}» is not one the pages know ({}); it is kept", KINDS.join(", ")));
        }
        let place = position(&item, lines);
        if let Some(c) = place {
            ground.place(c, &item, &format!("point «{}»", code.as_deref().unwrap_or("?")), kind.as_deref() == Some("dump"), lines);
        }
        let route_id = match item.text("route") {
            Some(route) => match routes.get(&route) {
                Some(id) => Some(*id),
                None => {
                    lines.refuse(&item.place, format!("route «{route}» does not exist in {}; import routes first or mend the code", ground.id()));
                    None
                }
            },
            None => None,
        };
        let (stop_order, capacity_l, approximate) = (item.number("order", lines), item.number("capacity_l", lines), item.approximate());
        let (Some(code), Some(name), Some(kind), Some(c)) = (code, name, kind, place) else { continue };
        let row = Place {
            municipality_id: ground.id(),
            point_id: stored.get(&code).map_or_else(|| mint.id::<PointId>(request.now), |p| p.point_id),
            code: code.clone(),
            name,
            kind,
            route_id,
            stop_order,
            capacity_l,
            lon: c.x,
            lat: c.y,
            approximate,
            properties: Value::Object(item.properties),
        };
        rows.push((item.place, code, row));
    }
    let sorted = sort(rows, &stored, lines, outcome);
    bulk!(
        tx,
        "INSERT INTO point (municipality_id, point_id, code, name, kind, route_id, stop_order, capacity_l, lon, lat, approximate, properties)",
        sorted.new,
        |row| [
            row.municipality_id,
            row.point_id,
            row.code.clone(),
            row.name.clone(),
            row.kind.clone(),
            row.route_id,
            row.stop_order,
            row.capacity_l,
            row.lon,
            row.lat,
            row.approximate,
            row.properties.clone()
        ],
        ""
    )?;
    for row in sorted.changed {
        run!(
            tx,
            "UPDATE point SET name = $3, kind = $4, route_id = $5, stop_order = $6, capacity_l = $7, lon = $8, lat = $9, approximate = $10, properties = $11
             WHERE municipality_id = $1 AND point_id = $2",
            row.municipality_id,
            row.point_id,
            &row.name,
            &row.kind,
            row.route_id,
            row.stop_order,
            row.capacity_l,
            row.lon,
            row.lat,
            row.approximate,
            &row.properties
        )?;
    }
    Ok(())
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
pub(super) async fn streets(tx: &mut Tx, ground: &Ground, items: Vec<Item>, lines: &mut Lines, outcome: &mut Outcome) -> Result<()> {
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
