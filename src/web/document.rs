//! The OpenAPI document of the public interface, and the same as a page without any script.

use crate::page::{Page, Reader};
use axum::Json;
use maud::html;
use serde_json::{Value, json};

/// OpenAPI 3.1; `/api/openapi.json` and `vecino openapi` answer the same.
pub fn openapi() -> Value {
    json!({"openapi": "3.1.0", "info": {"title": "Vecino", "version": env!("CARGO_PKG_VERSION")}, "paths": {}})
}

pub async fn json() -> Json<Value> {
    Json(openapi())
}

pub async fn page(reader: Reader) -> Page {
    Page::new("api", reader.words.say("api-heading"), html! {})
}
