//! Where the writer or PostgreSQL is away, the answer is 503 with `Retry-After`, never 500: a phone keeps its outbox and comes again.

use crate::registry::{keys, now};
use crate::street::{self, TOWN};
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use serde_json::{Value, json};
use sqlx::postgres::PgPoolOptions;
use std::sync::Arc;
use std::time::Duration;
use tower::ServiceExt;
use vecino::account::{Role, token};
use vecino::app::App;
use vecino::clock::Clock;
use vecino::db::Db;
use vecino::error::Kind;
use vecino::{one, run};

const SECRET: &str = "a secret of the test";

fn house(db: Db) -> App {
    App { db, clock: Clock::Fixed(now()), keys: keys(), data_dir: Arc::new(std::env::temp_dir()), demo: false }
}

/// One batch as a phone sends it: status, seconds after which to come again, and the answer.
async fn sync(app: &App, ops: Value) -> (StatusCode, Option<String>, Value) {
    let body = json!({"sent_at": now().to_rfc3339(), "ops": ops}).to_string();
    let request = Request::builder()
        .method("POST")
        .uri("/api/v1/sync")
        .header("authorization", format!("Bearer {SECRET}"))
        .header("content-type", "application/json")
        .body(Body::from(body))
        .unwrap();
    let response = vecino::web::app(app.clone()).oneshot(request).await.unwrap();
    let (status, wait) = (response.status(), response.headers().get(header::RETRY_AFTER).map(|wait| wait.to_str().unwrap().to_owned()));
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, wait, serde_json::from_slice(&body).unwrap_or_default())
}

#[track_caller]
fn told((status, wait, body): (StatusCode, Option<String>, Value), code: &str) {
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{body}");
    assert!(wait.is_some_and(|wait| wait.parse::<u32>().is_ok_and(|seconds| (1..=60).contains(&seconds))));
    assert_eq!(body["code"], code, "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_meets_a_busy_writer_is_told_to_come_again() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("vecino.db").display());
    let db = Db::connect(&url).await.unwrap().keyed(&keys());
    db.migrate().await.unwrap();
    let street = street::lay(&db, now().date_naive(), 10, 10, "mixed").await;
    let mut tx = db.write().await.unwrap();
    let phone = token::NewToken {
        role: Role::Crew,
        municipality: Some(TOWN),
        operator: Some("muni".into()),
        device: street.phones[0].device,
        name: "phone 1".into(),
        expires_at: None,
    };
    token::create(&mut tx, now(), SECRET.into(), phone).await.unwrap();
    tx.commit().await.unwrap();
    let app = house(db.clone());
    // Another process holds the file.
    let other = Db::connect(&url).await.unwrap();
    let held = other.write().await.unwrap();
    told(sync(&app, json!([])).await, "database-busy");
    drop(held);
    // A writer of this process does not let go.
    let held = db.write().await.unwrap();
    told(sync(&app, json!([])).await, "database-busy");
    drop(held);
    let (status, _, body) = sync(&app, json!([street.op("observation", 0, "07:00:00", json!({"set_out": "no"}))])).await;
    assert_eq!((status, &body["results"][0]["status"]), (StatusCode::OK, &json!("stored")), "and then it goes through: {body}");
}

#[tokio::test]
async fn postgres_that_refuses_connections_is_away() {
    // Nobody listens on port 1.
    let pool = PgPoolOptions::new().acquire_timeout(Duration::from_millis(300)).connect_lazy("postgres://nobody@127.0.0.1:1/none").unwrap();
    let db = Db::from(pool);
    let app = house(db.clone());
    let (status, wait, body) = sync(&app, json!([])).await;
    assert_eq!((status, wait.is_some()), (StatusCode::SERVICE_UNAVAILABLE, true), "{body}");
    for tx in [db.write().await, db.read().await] {
        assert_eq!(tx.err().map(|error| error.kind), Some(Kind::Unavailable));
    }
    let page = Request::builder().uri("/registry").header("cookie", "vecino=ticket").body(Body::empty()).unwrap();
    let page = vecino::web::app(app.clone()).oneshot(page).await.unwrap();
    assert_eq!(page.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.headers().contains_key(header::RETRY_AFTER));
    let ready = vecino::web::app(app).oneshot(Request::builder().uri("/readyz").body(Body::empty()).unwrap()).await.unwrap();
    assert!(ready.status() == StatusCode::SERVICE_UNAVAILABLE && ready.headers().contains_key(header::RETRY_AFTER));
}

#[tokio::test]
async fn postgres_that_ends_a_connection_is_away_and_then_back() {
    for db in crate::pilot::engines().await.into_iter().filter(|db| !db.is_sqlite()) {
        let mut tx = db.write().await.unwrap();
        let (process,): (i32,) = one!(tx, "SELECT pg_backend_pid()").unwrap();
        let mut other = db.write().await.unwrap();
        run!(other, "SELECT pg_terminate_backend($1)", process).unwrap();
        other.commit().await.unwrap();
        // As a restart of the server does it, in the middle of a transaction: the first statement hears of it.
        let mut kinds = Vec::new();
        for _ in 0..20 {
            let asked: vecino::error::Result<(i64,)> = one!(tx, "SELECT CAST(1 AS BIGINT)");
            if let Err(error) = asked {
                kinds.push((error.kind, error.code));
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(kinds, [(Kind::Unavailable, "database-away")]);
        drop(tx);
        let mut tx = db.write().await.unwrap();
        let (one,): (i64,) = one!(tx, "SELECT CAST(1 AS BIGINT)").unwrap();
        assert_eq!(one, 1, "the next one finds it again");
    }
}
