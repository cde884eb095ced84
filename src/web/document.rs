//! The OpenAPI document of the public interface, and the same as a page without any script.

use crate::page::{Page, Reader};
use axum::Json;
use maud::{Markup, html};
use serde_json::{Map, Value, json};

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn problem(description: &str) -> Value {
    json!({"description": description, "content": {"application/problem+json": {"schema": reference("Problem")}}})
}

fn one_of(values: &[&str]) -> Value {
    json!({"type": "string", "enum": values})
}

/// OpenAPI 3.1; `/api/openapi.json` and `vecino openapi` answer the same.
pub fn openapi() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Vecino",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "What phones send, what maps read, and how errors are told. Times are RFC 3339; weeks are ISO 8601, such as 2026-W44; municipalities are the four digits of INE."
        },
        "security": [{"bearer": []}],
        "paths": {"/api/v1/sync": {"post": sync()}, "/api/v1/rounds/today": {"get": rounds()}, "/api/v1/compliance": {"get": compliance()}, "/calendar/{municipality}/{route}.ics": {"get": calendar()}},
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "description": "A token of `vecino token create`; it says which municipality and operator are within reach."}},
            "schemas": schemas()
        }
    })
}

fn sync() -> Value {
    json!({
        "summary": "Send what was seen on a round",
        "description": "Up to 500 operations of any age, each with an identity made on the phone. Sending again is safe: an operation that is known with the same content is a duplicate. Stored and duplicate mean that it is on disk.",
        "requestBody": {"required": true, "content": {"application/json": {"schema": reference("Batch")}}},
        "responses": {
            "200": {"description": "One result per operation, in order", "content": {"application/json": {"schema": reference("Receipt")}}},
            "401": problem("Codes token-unknown, token-expired, token-revoked, device-revoked"),
            "413": problem("More than 500 operations, or too many bytes"),
            "422": problem("Not a batch at all; nothing was stored"),
            "503": problem("The disk is full or away; nothing was acknowledged, send again")
        }
    })
}

fn rounds() -> Value {
    json!({
        "summary": "Today's rounds of the device's operator, with their stops in order",
        "description": "No names, telephone numbers, arms or segments. Send If-None-Match with the last ETag; 304 means nothing has changed.",
        "parameters": [{"name": "day", "in": "query", "required": false, "schema": {"type": "string", "format": "date"},
            "description": "A day gone by, to bring in what was written on paper; today when left out"}],
        "responses": {
            "200": {"description": "The rounds", "headers": {"ETag": {"schema": {"type": "string"}}}, "content": {"application/json": {"schema": reference("Rounds")}}},
            "304": {"description": "Unchanged"},
            "401": problem("Codes token-unknown, token-expired, token-revoked, device-revoked")
        }
    })
}

fn compliance() -> Value {
    let query = |name: &str, description: &str, required: bool, schema: Value| json!({"name": name, "in": "query", "required": required, "description": description, "schema": schema});
    json!({
        "summary": "Published rates by area, with their intervals",
        "description": "Published periods only. A hidden area keeps its shape and has null in every value.",
        "parameters": [
            query("municipality", "Four-digit INE code", true, json!({"type": "string", "pattern": "^[0-9]{4}$"})),
            query("by", "Kind of area", false, one_of(&["neighbourhood"])),
            query("measure", "What is measured", false, json!({"type": "string", "default": "complied"})),
            query("period", "A week (2026-W44), a block of four weeks (2026-B11) or a phase (trial:norma-y-plan-2026/messages)", false, json!({"type": "string"}))
        ],
        "responses": {
            "200": {"description": "The areas; CSV when Accept asks for text/csv", "content": {
                "application/geo+json": {"schema": reference("Areas")}, "text/csv": {"schema": {"type": "string"}}}},
            "404": problem("Unknown municipality, or a period that is not published"),
            "422": problem("A parameter that cannot be read")
        }
    })
}

fn calendar() -> Value {
    let path = |name: &str, description: &str| json!({"name": name, "in": "path", "required": true, "description": description, "schema": {"type": "string"}});
    json!({
        "summary": "The days of a route, to subscribe to",
        "description": "iCalendar (RFC 5545), two weeks back and twelve ahead, one event a day; a day on which nobody comes stands as CANCELLED with its reason. For anybody, without a token; no person is in it. Send If-None-Match with the last ETag.",
        "security": [],
        "parameters": [path("municipality", "Four-digit INE code"), path("route", "Code of the route")],
        "responses": {
            "200": {"description": "The calendar; may be cached for an hour", "headers": {"ETag": {"schema": {"type": "string"}}}, "content": {"text/calendar": {"schema": {"type": "string"}}}},
            "304": {"description": "Unchanged"},
            "404": {"description": "There is no such route"}
        }
    })
}

fn schemas() -> Value {
    let text = json!({"type": "string"});
    let time = json!({"type": "string", "format": "date-time"});
    let id = json!({"type": "string", "format": "uuid"});
    let number = json!({"type": ["number", "null"]});
    json!({
        "Batch": {"type": "object", "required": ["sent_at", "ops"], "properties": {
            "device": text, "sent_at": time, "ops": {"type": "array", "maxItems": 500, "items": reference("Operation")}}},
        "Operation": {"type": "object", "required": ["op", "kind"], "additionalProperties": true, "description": "Fields that are not known here are kept.", "properties": {
            "op": id,
            "kind": one_of(&["observation", "stop_missed", "correction", "double_observation", "round_start", "round_end", "load", "dump_visit", "track"]),
            "round": id, "household": {"type": "string", "examples": ["SP-4821-K"]}, "observed_at": time,
            "set_out": one_of(&["yes", "no", "unknown"]), "separated": one_of(&["yes", "partly", "no", "unknown"]),
            "stream": one_of(&["organic", "recyclable", "residual", "mixed"]),
            "contamination": {"type": "array", "items": one_of(&["organic", "plastic", "paper", "glass", "metal", "sanitary", "hazardous", "other"])},
            "severity": one_of(&["slight", "gross"]),
            "reason": one_of(&["not_served", "street_blocked", "flood_or_landslide", "truck_full", "truck_broken", "dump_closed", "crew_short", "refused", "skipped"]),
            "of": {"type": "string", "format": "uuid", "description": "The operation a correction replaces"}, "because": text,
            "position": {"type": "object", "properties": {"lon": {"type": "number"}, "lat": {"type": "number"}, "accuracy_m": {"type": "number"}}},
            "clock": {"type": "object", "properties": {"monotonic_ms": {"type": "number"}, "boot": text, "gps_at": time}}}},
        "Receipt": {"type": "object", "properties": {
            "received_at": time, "skew_ms": {"type": ["integer", "null"]},
            "results": {"type": "array", "items": {"type": "object", "properties": {
                "op": text, "status": one_of(&["stored", "duplicate", "conflict", "rejected"]), "code": text, "message": text}}}}},
        "Rounds": {"type": "object", "properties": {
            "service_day": {"type": "string", "format": "date"},
            "rounds": {"type": "array", "items": {"type": "object", "properties": {
                "round": id, "service_day": {"type": "string", "format": "date", "description": "The day it began on; yesterday for one that runs past midnight"}, "route": text, "stream": text, "window": {"type": "array", "items": text, "minItems": 2, "maxItems": 2},
                "stops": {"type": "array", "items": {"type": "object", "properties": {
                    "order": {"type": "integer"}, "household": text, "lon": {"type": "number"}, "lat": {"type": "number"},
                    "hint": {"type": ["string", "null"]}, "double": {"type": "boolean"}}}}}}}}},
        "Areas": {"type": "object", "properties": {
            "type": one_of(&["FeatureCollection"]),
            "features": {"type": "array", "items": {"type": "object", "properties": {"type": one_of(&["Feature"]), "geometry": {"type": ["object", "null"]}, "properties": reference("Area")}}}}},
        "Area": {"type": "object", "properties": {
            "id": text, "name": text, "measure": text, "period": text, "revision": {"type": "integer"}, "homes": number, "n": number, "rate": number,
            "ci_low": number, "ci_high": number, "change": number, "change_low": number, "change_high": number, "class": number, "hidden": {"type": "boolean"},
            "why": {"type": ["string", "null"], "enum": ["few_homes", "one_arm", null], "description": "Why it is hidden; one_arm: a running trial alone hides it"}, "until": {"type": ["string", "null"], "format": "date"}}},
        "Problem": {"type": "object", "description": "RFC 9457. Switch on code; detail is for people.", "required": ["type", "title", "status", "code"], "properties": {
            "type": text, "title": text, "status": {"type": "integer"}, "code": text, "detail": text, "problems": {"type": "array", "items": text}}}
    })
}

pub async fn json() -> Json<Value> {
    Json(openapi())
}

/// The document as a page: one section an operation, parameters and answers as tables.
pub async fn page(reader: Reader) -> Page {
    let words = reader.words;
    let document = openapi();
    let paths = document["paths"].as_object().cloned().unwrap_or_default();
    let operations =
        paths.iter().flat_map(|(path, methods)| methods.as_object().into_iter().flatten().map(move |(method, operation)| (path, method, operation)));
    let body = html! {
        section {
            h2 { (words.say("api-sign-in")) }
            p { (words.say("api-token")) }
            pre tabindex="0" { code { "vecino token create --role partner --ttl 30d\ncurl -H \"Authorization: Bearer TOKEN\" …/api/v1/compliance?municipality=1202" } }
        }
        @for (path, method, operation) in operations { (section(&reader, path, method, operation)) }
        section {
            h2 { (words.say("api-shapes")) }
            @for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
                details id=(name) {
                    summary { (name) }
                    @if let Some(description) = schema["description"].as_str() { p lang="en" { (description) } }
                    pre tabindex="0" { code { (format!("{:#}", schema["properties"])) } }
                }
            }
        }
    };
    Page::new("api", words.say("api-heading"), body).answer(html! { (words.say("api-answer")) " " a href="/api/openapi.json" { "openapi.json" } "." })
}

fn section(reader: &Reader, path: &str, method: &str, operation: &Value) -> Markup {
    let words = &reader.words;
    let empty = Map::new();
    let parameters = operation["parameters"].as_array().map_or(&[][..], Vec::as_slice);
    let responses = operation["responses"].as_object().unwrap_or(&empty);
    html! {
        section {
            h2 { code { (method.to_uppercase()) " " (path) } }
            p lang="en" { strong { (operation["summary"].as_str().unwrap_or("")) "." } " " (operation["description"].as_str().unwrap_or("")) }
            @if !parameters.is_empty() {
                table.tabla {
                    caption { (words.say("api-parameters")) }
                    thead { tr { th scope="col" { (words.say("api-name")) } th scope="col" { (words.say("api-meaning")) } } }
                    tbody lang="en" {
                        @for parameter in parameters {
                            tr { th scope="row" { code { (parameter["name"].as_str().unwrap_or("")) } } td { (parameter["description"].as_str().unwrap_or("")) } }
                        }
                    }
                }
            }
            table.tabla {
                caption { (words.say("api-answers")) }
                thead { tr { th scope="col" { (words.say("api-status")) } th scope="col" { (words.say("api-meaning")) } } }
                tbody lang="en" {
                    @for (status, response) in responses {
                        tr { th scope="row" { (status) } td { (response["description"].as_str().unwrap_or("")) } }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(value: &Value, out: &mut Vec<String>) {
        match value {
            Value::Object(map) => map.iter().for_each(|(key, value)| match (key.as_str(), value) {
                ("$ref", Value::String(name)) => out.push(name.clone()),
                _ => references(value, out),
            }),
            Value::Array(list) => list.iter().for_each(|value| references(value, out)),
            _ => {}
        }
    }

    #[test]
    fn every_shape_that_is_named_is_described() {
        let document = openapi();
        let mut named = Vec::new();
        references(&document, &mut named);
        assert!(named.len() > 5);
        for name in named {
            assert!(document.pointer(name.trim_start_matches('#')).is_some(), "{name}");
        }
    }
}
