//! Rows into files: what was imported comes back, with the properties nobody here knows.

use super::code::{Codes, Thing};
use super::dated::Version;
use super::geometry;
use super::household;
use super::import::{Kind, WEEKDAYS, written_streams};
use super::{municipality, neighbourhood, point, route, segment, street};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::MunicipalityId;
use chrono::NaiveDate;
use geo::Geometry;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Geojson,
    Csv,
    /// The calendar of a route only
    Ics,
}

/// One exported thing: known columns in order, then what else came with it.
struct Row {
    columns: Vec<(&'static str, Value)>,
    properties: Map<String, Value>,
    shape: Option<Value>,
}

/// The text of an export: what is there on `day`, as it is that day.
pub async fn text(tx: &mut Tx, kind: Kind, municipality: Option<MunicipalityId>, format: Format, day: NaiveDate) -> Result<String> {
    let mut rows = Vec::new();
    if kind == Kind::Municipalities {
        let every = municipality::every(tx).await?;
        let wanted = every.into_iter().filter(|m| municipality.map_or(m.pilot || m.geometry.is_some(), |id| m.municipality_id == id));
        rows.extend(wanted.map(|m| {
            let columns = vec![
                ("code", json!(m.code)),
                ("name", json!(m.name)),
                ("department", json!(m.department)),
                ("pilot", json!(m.pilot)),
                ("sender", json!(m.sender)),
                ("collection_model", json!(m.collection_model)),
                ("approximate", json!(m.approximate)),
            ];
            row(columns, m.properties, m.geometry)
        }));
    } else {
        let ids = match municipality {
            Some(id) => vec![municipality::find(tx, id).await?.municipality_id],
            None => municipality::every(tx).await?.into_iter().map(|m| m.municipality_id).collect(),
        };
        for id in ids {
            let own = of(tx, kind, id, day).await?;
            rows.extend(own.into_iter().map(|mut row| {
                // Without --municipality the file must say where each thing belongs.
                if municipality.is_none() {
                    row.columns.insert(0, ("municipality", json!(id.to_string())));
                }
                row
            }));
        }
    }
    match format {
        Format::Geojson => Ok(collection(rows)),
        Format::Csv => table(rows, kind),
        Format::Ics => Err(Error::internal("places are not a calendar")),
    }
}

fn row(columns: Vec<(&'static str, Value)>, properties: Value, shape: Option<Value>) -> Row {
    let properties = match properties {
        Value::Object(properties) => properties,
        _ => Map::new(),
    };
    Row { columns: columns.into_iter().filter(|(_, value)| !value.is_null()).collect(), properties, shape }
}

fn at(lon: f64, lat: f64) -> Option<Value> {
    Some(json!({"type": "Point", "coordinates": [lon, lat]}))
}

async fn of(tx: &mut Tx, kind: Kind, id: MunicipalityId, day: NaiveDate) -> Result<Vec<Row>> {
    // Everything under the code it has on the day.
    let (mut areas, mut ways, mut segments, mut own) = (Codes::default(), Codes::default(), Codes::default(), Codes::default());
    match kind {
        Kind::Neighbourhoods => areas = Codes::read(tx, id, Thing::Neighbourhood).await?,
        Kind::Routes => ways = Codes::read(tx, id, Thing::Route).await?,
        Kind::Segments => {
            (areas, ways) = (Codes::read(tx, id, Thing::Neighbourhood).await?, Codes::read(tx, id, Thing::Route).await?);
            segments = Codes::read(tx, id, Thing::Segment).await?;
        }
        Kind::Points => (ways, own) = (Codes::read(tx, id, Thing::Route).await?, Codes::read(tx, id, Thing::Point).await?),
        Kind::Households => (segments, own) = (Codes::read(tx, id, Thing::Segment).await?, Codes::read(tx, id, Thing::Household).await?),
        Kind::Municipalities | Kind::Streets => {}
    }
    Ok(match kind {
        Kind::Municipalities => Vec::new(),
        Kind::Neighbourhoods => neighbourhood::of(tx, id, day)
            .await?
            .into_iter()
            .map(|n| {
                let code = areas.on(n.neighbourhood_id.0, day);
                row(vec![("code", json!(code)), ("name", json!(n.name)), ("approximate", json!(n.approximate))], n.properties, Some(n.geometry))
            })
            .collect(),
        Kind::Segments => {
            // What has ended is named no more.
            let routes: BTreeSet<_> = route::of(tx, id, day).await?.into_iter().map(|r| r.route_id).collect();
            let neighbourhoods: BTreeSet<_> = neighbourhood::of(tx, id, day).await?.into_iter().map(|n| n.neighbourhood_id).collect();
            let columns = |s: &segment::Segment| {
                vec![
                    ("code", json!(segments.on(s.segment_id.0, day))),
                    ("route", json!(routes.get(&s.route_id).map(|route| ways.on(route.0, day)))),
                    ("neighbourhood", json!(neighbourhoods.get(&s.neighbourhood_id).map(|area| areas.on(area.0, day)))),
                    ("approximate", json!(s.approximate)),
                ]
            };
            segment::of(tx, id, day).await?.into_iter().map(|s| row(columns(&s), s.properties, Some(s.geometry))).collect()
        }
        Kind::Routes => {
            let operators: BTreeMap<_, _> = route::operators(tx, id, day).await?.into_iter().map(|o| (o.operator_id, o)).collect();
            // A route is told with its opening and its end, ended ones too: what was imported comes back.
            let mut routes: BTreeMap<String, (NaiveDate, Version<route::Planned>)> = BTreeMap::new();
            for version in route::history(tx, id).await? {
                let code = version.facts.0.code.clone();
                match routes.get_mut(&code) {
                    Some((_, told)) if version.valid_from <= day => *told = version,
                    Some(_) => {}
                    None => drop(routes.insert(code, (version.valid_from, version))),
                }
            }
            let columns = |opened: NaiveDate, version: &Version<route::Planned>| {
                let (r, week) = &version.facts;
                let own: Vec<&route::RouteDay> = week.iter().collect();
                let names: Vec<&str> = own.iter().map(|d| WEEKDAYS[(d.weekday as usize + 6) % 7]).collect();
                vec![
                    ("code", json!(ways.on(r.route_id.0, day))),
                    ("name", json!(r.name)),
                    ("operator", json!(operators.get(&r.operator_id).map(|o| &o.code))),
                    (
                        "operator_name",
                        json!(
                            operators
                                .get(&r.operator_id)
                                .map(|o| &o.name)
                                .filter(|name| Some(*name) != operators.get(&r.operator_id).map(|o| &o.code))
                        ),
                    ),
                    ("stream", json!(written_streams(&own))),
                    ("weekdays", json!(names.join(","))),
                    ("window_start", json!(own.first().map(|d| &d.window_start))),
                    ("window_end", json!(own.first().map(|d| &d.window_end))),
                    ("valid_from", json!(opened)),
                    ("valid_to", json!(version.valid_to)),
                    ("approximate", json!(r.approximate)),
                ]
            };
            let own = |properties: Value| match properties {
                // What its operator is called is the operator's to say, whoever drives the route now.
                Value::Object(mut properties) => {
                    properties.remove("operator_name");
                    Value::Object(properties)
                }
                other => other,
            };
            routes.into_values().map(|(opened, v)| row(columns(opened, &v), own(v.facts.0.properties), Some(v.facts.0.geometry))).collect()
        }
        Kind::Points => {
            let routes: BTreeSet<_> = route::of(tx, id, day).await?.into_iter().map(|r| r.route_id).collect();
            let columns = |p: &point::Place| {
                vec![
                    ("code", json!(own.on(p.point_id.0, day))),
                    ("name", json!(p.name)),
                    ("kind", json!(p.kind)),
                    ("route", json!(p.route_id.and_then(|r| routes.get(&r)).map(|route| ways.on(route.0, day)))),
                    ("order", json!(p.stop_order)),
                    ("capacity_l", json!(p.capacity_l)),
                    ("approximate", json!(p.approximate)),
                ]
            };
            point::of(tx, id, day).await?.into_iter().map(|p| row(columns(&p), p.properties, at(p.lon, p.lat))).collect()
        }
        Kind::Households => {
            let operators: BTreeMap<_, _> = route::operators(tx, id, day).await?.into_iter().map(|o| (o.operator_id, o.code)).collect();
            let driven: BTreeMap<_, _> = route::of(tx, id, day).await?.into_iter().map(|r| (r.route_id, r.operator_id)).collect();
            let lies: BTreeMap<_, _> = segment::of(tx, id, day).await?.into_iter().map(|s| (s.segment_id, s.route_id)).collect();
            let columns = |h: &household::Household| {
                let on = h.segment_id.and_then(|s| lies.get_key_value(&s));
                // Whose a home on a segment is, is its route's to say; a home elsewhere has its own contract.
                let server = on.and_then(|(_, route)| driven.get(route).copied());
                vec![
                    ("code", json!(own.on(h.household_id.0, day))),
                    ("segment", json!(on.map(|(segment, _)| segments.on(segment.0, day)))),
                    ("service_status", json!(h.service_status)),
                    ("operator", json!(server.or(h.operator_id).and_then(|o| operators.get(&o)))),
                    ("hint", json!(h.hint)),
                    ("approximate", json!(h.approximate)),
                ]
            };
            household::of(tx, id, day).await?.into_iter().map(|h| row(columns(&h), h.properties, at(h.lon, h.lat))).collect()
        }
        Kind::Streets => street::of(tx, id)
            .await?
            .into_iter()
            .map(|s| row(vec![("name", json!(s.name)), ("class", json!(s.class))], s.properties, Some(s.geometry)))
            .collect(),
    })
}

/// RFC 7946, one feature a line.
fn collection(rows: Vec<Row>) -> String {
    let mut text = String::from("{\"type\":\"FeatureCollection\",\"features\":[");
    for (n, row) in rows.into_iter().enumerate() {
        let mut properties = row.properties;
        let own = properties.remove("@id");
        let code = row.columns.iter().find(|(name, _)| *name == "code").map(|(_, code)| code.clone());
        properties.extend(row.columns.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let mut feature = json!({"type": "Feature", "properties": properties, "geometry": row.shape});
        if let Some(id) = own.or(code) {
            feature["id"] = id;
        }
        text.push_str(if n == 0 { "\n" } else { ",\n" });
        text.push_str(&feature.to_string());
    }
    text.push_str("\n]}\n");
    text
}

/// Comma-separated, positions as lon,lat and lines and areas as wkt.
fn table(rows: Vec<Row>, kind: Kind) -> Result<String> {
    let points = matches!(kind, Kind::Points | Kind::Households);
    let mut known: Vec<&'static str> = Vec::new();
    let mut others: BTreeSet<String> = BTreeSet::new();
    for row in &rows {
        for (n, (name, _)) in row.columns.iter().enumerate() {
            if !known.contains(name) {
                // Beside the column it follows in this row.
                let after = row.columns[..n].iter().rev().find_map(|(before, _)| known.iter().position(|k| k == before));
                known.insert(after.map_or(0, |at| at + 1), name);
            }
        }
        others.extend(row.properties.keys().cloned());
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut write = |cells: &[String]| writer.write_record(cells).map_err(|e| Error::internal(format!("csv: {e}")));
    let mut head: Vec<String> = known.iter().map(|k| (*k).to_owned()).chain(others.iter().cloned()).collect();
    head.extend(if points { vec!["lon".to_owned(), "lat".to_owned()] } else { vec!["wkt".to_owned()] });
    write(&head)?;
    for row in rows {
        let cell = |value: Option<&Value>| match value {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        let mut cells: Vec<String> = known.iter().map(|k| cell(row.columns.iter().find(|(name, _)| name == k).map(|(_, value)| value))).collect();
        cells.extend(others.iter().map(|name| cell(row.properties.get(name))));
        match (&row.shape, points) {
            (Some(shape), true) => cells.extend([shape["coordinates"][0].to_string(), shape["coordinates"][1].to_string()]),
            (None, true) => cells.extend([String::new(), String::new()]),
            (Some(shape), false) => cells.push(well_known(shape)),
            (None, false) => cells.push(String::new()),
        }
        write(&cells)?;
    }
    let bytes = writer.into_inner().map_err(|e| Error::internal(format!("csv: {e}")))?;
    String::from_utf8(bytes).map_err(|e| Error::internal(format!("csv: {e}")))
}

/// A GeoJSON geometry as well-known text.
fn well_known(shape: &Value) -> String {
    fn positions(value: &Value) -> String {
        match value.as_array() {
            Some(items) if items.first().is_some_and(Value::is_number) => items.iter().map(Value::to_string).collect::<Vec<_>>().join(" "),
            Some(items) => {
                let parts = items.iter().map(|item| {
                    let text = positions(item);
                    if item.get(0).is_some_and(Value::is_array) { format!("({text})") } else { text }
                });
                parts.collect::<Vec<_>>().join(", ")
            }
            None => String::new(),
        }
    }
    let kind = shape["type"].as_str().unwrap_or_default().to_ascii_uppercase();
    match geometry::geometry(shape) {
        Geometry::GeometryCollection(_) => String::new(),
        _ => format!("{kind} ({})", positions(&shape["coordinates"])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_text_nests_like_the_geometry() {
        let area = json!({"type": "MultiPolygon", "coordinates": [[[[0, 0], [1, 0], [1, 1], [0, 0]]], [[[5, 5], [6, 5], [6, 6], [5, 5]]]]});
        assert_eq!(well_known(&area), "MULTIPOLYGON (((0 0, 1 0, 1 1, 0 0)), ((5 5, 6 5, 6 6, 5 5)))");
        assert_eq!(well_known(&json!({"type": "LineString", "coordinates": [[1.5, 2], [3, 4]]})), "LINESTRING (1.5 2, 3 4)");
    }
}
