//! `GET /api/v1/compliance`: what is published, as GeoJSON or CSV. Hidden cells are null.

use super::hiding::Why;
use super::page::within_reach;
use super::view::{Ask, View};
use crate::account::Actor;
use crate::app::App;
use crate::error::{Error, Result};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

const COLUMNS: [&str; 17] = [
    "id",
    "name",
    "measure",
    "period",
    "revision",
    "homes",
    "n",
    "rate",
    "ci_low",
    "ci_high",
    "change",
    "change_low",
    "change_high",
    "class",
    "hidden",
    "why",
    "until",
];

pub async fn compliance(State(app): State<App>, actor: Actor, headers: HeaderMap, Query(ask): Query<Ask>) -> Result<Response> {
    let code = ask.municipality.as_deref().unwrap_or("");
    if code.is_empty() {
        return Err(Error::refused("municipality-missing", "name a municipality by its INE code, such as municipality=1202"));
    }
    let municipality = within_reach(&actor, code)?;
    match ask.by.as_deref() {
        None | Some("neighbourhood") => {}
        Some(by) => return Err(Error::refused("by", format!("«{by}» is not published; by=neighbourhood is")).with("by", by)),
    }
    let csv = match ask.format.as_deref() {
        None | Some("") => wants_csv(&headers),
        Some("csv") => true,
        Some("geojson") => false,
        Some(other) => return Err(Error::refused("format", format!("«{other}» is not offered; choose geojson or csv")).with("format", other)),
    };
    let mut tx = app.db.read().await?;
    let view = View::load(&mut tx, municipality, &ask, app.clock.today()).await?;
    let Some(current) = &view.current else {
        return Err(Error::not_found(
            "period-unpublished",
            format!("nothing is published for {municipality} yet; the first week comes out on the Wednesday after it"),
        ));
    };
    let rows: Vec<Vec<Value>> = (0..view.names.len()).map(|i| properties(&view, i, &current.period, current.revision)).collect();
    if csv {
        return spreadsheet(&rows, &format!("{code}-{}-{}.csv", view.measure.name(), current.period.replace([':', '/'], "-")));
    }
    let outlines = super::read::outlines(&mut tx, municipality, &view.names).await?;
    let features: Vec<Value> = view
        .names
        .iter()
        .zip(&rows)
        .map(|(name, row)| {
            let mut properties: serde_json::Map<String, Value> = COLUMNS.iter().map(|c| (*c).to_owned()).zip(row.iter().cloned()).collect();
            properties.insert("approximate".into(), name.approximate.into());
            json!({"type": "Feature", "id": name.code, "properties": properties, "geometry": outlines.get(&name.code)})
        })
        .collect();
    let whole = view.whole_cell.as_ref();
    let body = json!({
        "type": "FeatureCollection",
        "municipality": {
            "id": view.place.code, "name": view.place.name, "measure": view.measure.name(), "period": current.period, "revision": current.revision,
            "published_at": current.at, "first_week": current.first.to_string(), "last_week": current.last.to_string(),
            "homes": whole.and_then(|c| c.homes), "n": whole.and_then(|c| c.n), "rate": whole.and_then(|c| c.rate),
            "ci_low": whole.and_then(|c| c.ci_low), "ci_high": whole.and_then(|c| c.ci_high), "change": whole.and_then(|c| c.change),
            "change_low": whole.and_then(|c| c.change_low), "change_high": whole.and_then(|c| c.change_high), "hidden": whole.is_none_or(|c| c.hidden), "why": why(whole), "until": until(&view, whole),
        },
        "features": features,
    });
    Ok(([(header::CONTENT_TYPE, "application/geo+json")], body.to_string()).into_response())
}

/// CSV when the client names it and does not like JSON better.
fn wants_csv(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    let quality = |kinds: &[&str]| {
        accept
            .split(',')
            .filter_map(|range| {
                let mut parts = range.split(';').map(str::trim);
                let kind = parts.next()?.to_ascii_lowercase();
                let q = parts.find_map(|part| part.strip_prefix("q=")).map_or(1.0, |q| q.parse::<f64>().unwrap_or(0.0));
                kinds.contains(&kind.as_str()).then_some(q)
            })
            .fold(0.0, f64::max)
    };
    let csv = quality(&["text/csv"]);
    csv > 0.0 && csv >= quality(&["application/geo+json", "application/json"])
}

/// `few_homes`, or `one_arm` where a running trial alone hides it; null when it is shown.
fn why(cell: Option<&super::read::Cell>) -> Value {
    match cell {
        Some(cell) if !cell.hidden => Value::Null,
        Some(cell) if cell.hidden_by_trial() => json!(Why::OneArm.name()),
        _ => json!(Why::FewHomes.name()),
    }
}

/// The day of the last look of the trial that hides it.
fn until(view: &View, cell: Option<&super::read::Cell>) -> Value {
    json!(cell.filter(|cell| cell.hidden_by_trial()).and(view.until))
}

fn properties(view: &View, i: usize, period: &str, revision: i32) -> Vec<Value> {
    let cell = view.cells[i].as_ref().filter(|cell| !cell.hidden);
    let number = |of: fn(&super::read::Cell) -> Option<f64>| json!(cell.and_then(of));
    let whole = |of: fn(&super::read::Cell) -> Option<i32>| json!(cell.and_then(of));
    let class = view.class(i);
    vec![
        json!(view.names[i].code),
        json!(view.names[i].name),
        json!(view.measure.name()),
        json!(period),
        json!(revision),
        whole(|c| c.homes),
        whole(|c| c.n),
        number(|c| c.rate),
        number(|c| c.ci_low),
        number(|c| c.ci_high),
        number(|c| c.change),
        number(|c| c.change_low),
        number(|c| c.change_high),
        if class > 0 { json!(class) } else { Value::Null },
        json!(cell.is_none()),
        why(view.cells[i].as_ref()),
        until(view, view.cells[i].as_ref()),
    ]
}

fn spreadsheet(rows: &[Vec<Value>], name: &str) -> Result<Response> {
    let failed = |e: &dyn std::fmt::Display| Error::internal(format!("csv: {e}"));
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(COLUMNS).map_err(|e| failed(&e))?;
    for row in rows {
        let fields = row.iter().map(|value| match value {
            Value::Null => String::new(),
            Value::String(text) => harmless(text),
            other => other.to_string(),
        });
        out.write_record(fields).map_err(|e| failed(&e))?;
    }
    let body = out.into_inner().map_err(|e| failed(&e))?;
    Ok((
        [(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\""))],
        body,
    )
        .into_response())
}

/// A spreadsheet runs text that begins like a formula: an apostrophe keeps it text.
fn harmless(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_is_answered_to_who_asks_for_it() {
        let ask = |accept: &str| wants_csv(&HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]));
        assert!(ask("text/csv"));
        assert!(ask("application/json;q=0.5, text/csv"));
        assert!(!ask("application/geo+json, text/csv;q=0.9"));
        assert!(!ask("*/*"));
    }
}
