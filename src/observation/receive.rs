//! `POST /api/v1/sync`: up to 500 operations of any age, all or nothing, an answer for each only after the commit.
//!
//! Who sends is told by the token, never by the body. An operation is named by its `op`: the same content again is a duplicate,
//! other content a conflict; conflicts and refusals are final and kept as received until a person settles them.
//! Batches of one municipality follow one another (they extend one audit chain), so no phone sees half of another's batch.

use super::batch::{Delivery, MAX_BYTES, store, too_large};
use super::line::{self, Line};
use super::operation::Answer;
use crate::account::Actor;
use crate::account::access::Routes;
use crate::app::App;
use crate::db::Db;
use crate::error::Result;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};

/// Stores one batch; everything of it is kept or nothing.
pub async fn receive(db: &Db, now: DateTime<Utc>, actor: &Actor, body: &[u8]) -> Result<Answer> {
    store(db, &[Delivery::read(now, actor, body)?]).await?.pop().ok_or_else(line::none)
}

pub fn routes(routes: Routes) -> Routes {
    let line = Line::default();
    routes.post("/api/v1/sync", move |State(app): State<App>, actor: Actor, body: Body| sync(line.clone(), app, actor, body))
}

async fn sync(line: Line, app: App, actor: Actor, body: Body) -> Result<Response> {
    let body = axum::body::to_bytes(body, MAX_BYTES)
        .await
        .map_err(|e| too_large(format!("the body ends early or is larger than {MAX_BYTES} bytes: {e}")))?;
    let delivery = Delivery::read(app.clock.now(), &actor, &body)?;
    Ok(Json(line.join(&app.db, delivery).await?).into_response())
}
