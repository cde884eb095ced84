//! The style sheet and the scripts, embedded in the binary. An address with the content's hash may be kept for good; others are asked again.

use crate::error::{Error, Result};
use axum::extract::{Path, RawQuery};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

#[derive(RustEmbed)]
#[folder = "templates/"]
struct Templates;

/// Only what a browser needs leaves the folder: wordings and interface strings stay inside.
fn kind(name: &str) -> Option<&'static str> {
    match name.rsplit_once('.')?.1 {
        "css" => Some("text/css; charset=utf-8"),
        "js" => Some("text/javascript; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        "png" => Some("image/png"),
        "webmanifest" => Some("application/manifest+json"),
        _ => None,
    }
}

fn hash(file: &EmbeddedFile) -> String {
    hex::encode(&file.metadata.sha256_hash()[..8])
}

/// `/static/style.css?v=HASH`; without the hash when there is no such file.
pub fn address(name: &str) -> String {
    match Templates::get(name) {
        Some(file) => format!("/static/{name}?v={}", hash(&file)),
        None => format!("/static/{name}"),
    }
}

pub async fn serve(Path(path): Path<String>, RawQuery(query): RawQuery, headers: HeaderMap) -> Result<Response> {
    let unknown = || Error::not_found("page-unknown", "there is nothing at this address");
    let kind = kind(&path).ok_or_else(unknown)?;
    let file = Templates::get(&path).ok_or_else(unknown)?;
    let hash = hash(&file);
    let tag = format!("\"{hash}\"");
    let keep = if query == Some(format!("v={hash}")) { "public, max-age=31536000, immutable" } else { "public, no-cache" };
    let common = [(header::ETAG, tag.clone()), (header::CACHE_CONTROL, keep.to_owned())];
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).is_some_and(|list| list.split(',').any(|t| same(t, &tag)));
    if known {
        return Ok((StatusCode::NOT_MODIFIED, common).into_response());
    }
    Ok((common, [(header::CONTENT_TYPE, kind)], file.data.into_owned()).into_response())
}

/// Compression on the way out makes a tag weak; both forms name the same content.
fn same(given: &str, tag: &str) -> bool {
    given.trim().trim_start_matches("W/") == tag
}
