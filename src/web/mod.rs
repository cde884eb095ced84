//! The router, sign-in, the page frame, pages that join several modules, the API document and the crew app's shell.

pub mod answer;
pub mod assets;
pub mod command;
pub mod coordinator;
pub mod document;
pub mod duties;
pub mod frame;
pub mod landing;
pub mod serve;
pub mod settings;
pub mod sign_in;
pub mod verify;

use crate::account::access::Routes;
use crate::account::admission::{self, Transport};
use crate::app::App;
use crate::error::Error;
use crate::{account, analysis, map, norm, observation, registry, territory, trial};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use std::any::Any;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::set_header::SetResponseHeaderLayer;

/// Every route of the house.
pub fn routes() -> Routes {
    let routes = Routes::default()
        .get("/", landing::landing)
        .get("/sign-in", sign_in::form)
        .post("/sign-in", sign_in::sign_in)
        .post("/sign-out", sign_in::sign_out)
        .post("/settings", settings::change)
        .get("/healthz", serve::alive)
        .get("/readyz", serve::ready)
        .get("/static/{*path}", assets::serve)
        .get("/api/openapi.json", document::json)
        .get("/api/docs", document::page);
    [
        account::routes,
        territory::routes,
        registry::routes,
        trial::routes,
        observation::routes,
        norm::routes,
        analysis::routes,
        map::routes,
        coordinator::routes,
    ]
    .into_iter()
    .fold(routes, |routes, domain| domain(routes))
}

/// The largest body a device or a script may send; forms are held to 2 MB at the door.
const BODY_LIMIT: usize = 8 << 20;

/// Only this origin, no inline code, no frames, no base.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; manifest-src 'self'; \
                      worker-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The whole house behind its door.
pub fn app(app: App) -> Router {
    app_with(app, routes(), Transport::default())
}

/// As [`app`] with chosen routes and transport.
pub fn app_with(app: App, routes: Routes, transport: Transport) -> Router {
    let set = |name: HeaderName, value: &'static str| SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value));
    routes
        .router
        .fallback(async || Error::not_found("page-unknown", "there is nothing at this address"))
        .layer(CatchPanicLayer::custom(|panic: Box<dyn Any + Send + 'static>| panicked(&*panic).into_response()))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn_with_state((app.clone(), transport), door))
        .layer(CatchPanicLayer::new())
        .layer(set(header::CONTENT_SECURITY_POLICY, POLICY))
        .layer(set(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        // Not "no-referrer": under it browsers send "Origin: null" with our own forms, and the check for foreign sites would be blind.
        .layer(set(header::REFERRER_POLICY, "same-origin"))
        .layer(set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin"))
        .layer(set(HeaderName::from_static("permissions-policy"), "geolocation=(self), camera=(), microphone=()"))
        .layer(CompressionLayer::new())
        .with_state(app)
}

/// Admits the request, and renders what comes back for this reader.
async fn door(State((app, transport)): State<(App, Transport)>, request: Request, next: Next) -> Response {
    let asked = answer::Asked::of(&request);
    let (visit, admitted) = admission::admit(&app, transport, request).await;
    let response = match admitted {
        Ok(request) => next.run(request).await,
        Err(error) => error.into_response(),
    };
    answer::render(response, &asked, &visit, app.demo).await
}

fn panicked(panic: &(dyn Any + Send)) -> Error {
    let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    Error::internal(format!("panic: {}", said.unwrap_or("without a message")))
}
