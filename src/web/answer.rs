//! What leaves the house: pages in their frame, errors as pages or as RFC 9457 problem documents. The only place that knows status codes.

use super::{frame, sign_in};
use crate::account::admission::Visit;
use crate::error::{Error, Kind};
use crate::language::Words;
use crate::page::Page;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// What was asked, kept for the way out.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: Method,
    /// Path and query.
    pub address: String,
    api: bool,
}

impl Asked {
    pub fn of(request: &Request) -> Asked {
        let uri = request.uri();
        let address = uri.path_and_query().map_or("/", |whole| whole.as_str()).to_owned();
        // Scripts are answered in JSON wherever they ask.
        let api = uri.path().starts_with("/api/") || request.headers().contains_key(header::AUTHORIZATION);
        Asked { method: request.method().clone(), address, api }
    }
}

pub fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::Refused => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::TooMany => StatusCode::TOO_MANY_REQUESTS,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Renders a page or an error for this reader; everything else passes. Nothing dynamic is cached unless its handler says so.
pub async fn render(mut response: Response, asked: &Asked, visit: &Visit, demo: bool) -> Response {
    let page = response.extensions_mut().remove::<Arc<Page>>();
    let error = response.extensions_mut().remove::<Arc<Error>>();
    let mut response = match (page, error) {
        (Some(page), _) => with_page(response, &page, asked, visit, demo),
        (None, Some(error)) => of_error(&error, status(error.kind), asked, visit, demo),
        (None, None) if bare_refusal(&response) => from_router(response, asked, visit, demo).await,
        (None, None) => response,
    };
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn with_page(response: Response, page: &Page, asked: &Asked, visit: &Visit, demo: bool) -> Response {
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    Response::from_parts(parts, Body::from(frame::document(page, asked, visit, demo).into_string()))
}

/// A refusal by the router or an extractor, in its own English words or in none.
fn bare_refusal(response: &Response) -> bool {
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    (status.is_client_error() || status.is_server_error()) && kind.is_none_or(|kind| kind.starts_with("text/plain"))
}

async fn from_router(response: Response, asked: &Asked, visit: &Visit, demo: bool) -> Response {
    let (parts, body) = response.into_parts();
    let said = to_bytes(body, 4096).await.ok().and_then(|bytes| String::from_utf8(bytes.to_vec()).ok()).unwrap_or_default();
    let (kind, code) = match parts.status {
        StatusCode::NOT_FOUND => (Kind::NotFound, "page-unknown"),
        StatusCode::METHOD_NOT_ALLOWED => (Kind::Refused, "method"),
        StatusCode::PAYLOAD_TOO_LARGE => (Kind::TooLarge, "body-too-large"),
        StatusCode::SERVICE_UNAVAILABLE => (Kind::Unavailable, "unavailable"),
        status if status.is_server_error() => (Kind::Internal, "internal"),
        _ => (Kind::Refused, "request"),
    };
    let line = match said.trim() {
        "" => parts.status.canonical_reason().unwrap_or("refused").to_lowercase(),
        said => said.replace('\n', " "),
    };
    let mut answer = of_error(&Error::new(kind, code, line), parts.status, asked, visit, demo);
    for name in [header::ALLOW, header::RETRY_AFTER] {
        if let Some(value) = parts.headers.get(&name) {
            answer.headers_mut().insert(name, value.clone());
        }
    }
    answer
}

fn of_error(error: &Error, status: StatusCode, asked: &Asked, visit: &Visit, demo: bool) -> Response {
    let route = asked.address.split('?').next().unwrap_or("");
    match error.kind {
        Kind::Internal | Kind::Unavailable => tracing::error!(%status, code = error.code, route, context = error.context.as_deref(), "failed"),
        _ => tracing::debug!(%status, code = error.code, route, line = %error, context = error.context.as_deref(), "refused"),
    }
    let mut response = if asked.api {
        let body = problem(error, status).to_string();
        ([(header::CONTENT_TYPE, "application/problem+json")], body).into_response()
    } else if error.kind == Kind::Unauthenticated {
        let next = if asked.method == Method::GET { asked.address.as_str() } else { "/" };
        return Redirect::to(&sign_in::address(next)).into_response();
    } else {
        with_page(().into_response(), &error_page(error, status, &visit.reader.words), asked, visit, demo)
    };
    *response.status_mut() = status;
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    let wait = error.arguments.iter().find(|(name, _)| *name == "retry_after").and_then(|(_, value)| HeaderValue::from_str(value).ok());
    // A phone that is told when to come again keeps its outbox; one that is told of a fault shows it to the crew.
    let wait = wait.or_else(|| (status == StatusCode::SERVICE_UNAVAILABLE).then(|| HeaderValue::from_static("10")));
    if let Some(wait) = wait {
        response.headers_mut().insert(header::RETRY_AFTER, wait);
    }
    response
}

/// RFC 9457: what a program needs to react, and nothing private.
pub fn problem(error: &Error, status: StatusCode) -> Value {
    let title = match error.kind {
        Kind::Refused => "The request was refused",
        Kind::NotFound => "Not found",
        Kind::Unauthenticated => "No valid token",
        Kind::Forbidden => "Not allowed",
        Kind::Conflict => "In conflict with what is stored",
        Kind::TooLarge => "Too large",
        Kind::TooMany => "Too many requests",
        Kind::Unavailable => "Not available now",
        Kind::Internal => "Something went wrong here",
    };
    let mut body: Map<String, Value> = error.arguments.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    body.insert("type".into(), json!(format!("/api/docs#{}", error.code)));
    body.insert("title".into(), json!(title));
    body.insert("status".into(), json!(status.as_u16()));
    body.insert("code".into(), json!(error.code));
    body.insert("detail".into(), json!(error.lines.join("\n")));
    if error.lines.len() > 1 {
        body.insert("problems".into(), json!(error.lines));
    }
    Value::Object(body)
}

/// What happened and what to do, in the reader's language: the sentence of this error, or the one of its kind.
pub fn sentence(words: &Words, error: &Error) -> String {
    let values: Vec<_> = error.arguments.iter().map(|(name, value)| (*name, value.as_str().into())).collect();
    words.find(&format!("error-{}", error.code), &values).unwrap_or_else(|| {
        words.say(match error.kind {
            Kind::Refused => "web-error-refused",
            Kind::NotFound => "web-error-not-found",
            Kind::Unauthenticated => "web-error-unauthenticated",
            Kind::Forbidden => "web-error-forbidden",
            Kind::Conflict => "web-error-conflict",
            Kind::TooLarge => "web-error-too-large",
            Kind::TooMany => "web-error-too-many",
            Kind::Unavailable => "web-error-unavailable",
            Kind::Internal => "web-error-internal",
        })
    })
}

fn error_page(error: &Error, status: StatusCode, words: &Words) -> Page {
    let heading = words.say(match error.kind {
        Kind::NotFound => "web-heading-not-found",
        Kind::Forbidden => "web-heading-forbidden",
        Kind::Unavailable | Kind::Internal | Kind::TooMany => "web-heading-failed",
        _ => "web-heading-refused",
    });
    let body = html! {
        p.botones { a.boton href="/" { (words.say("web-back-home")) } }
    };
    Page::new("", heading, body).eyebrow(html! { (words.say("web-error")) " " (status.as_u16()) }).answer(html! { (sentence(words, error)) })
}
