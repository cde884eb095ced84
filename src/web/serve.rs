//! Listening, answering, and stopping without losing an answer under way.

use crate::account::admission::Transport;
use crate::app::App;
use crate::error::{Error, Kind, Result};
use crate::one;
use axum::Router;
use axum::extract::State;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// What the house does once a minute beside answering (publishing what is due, sending what is due).
pub type Tick = Box<dyn Fn(App) -> Pin<Box<dyn Future<Output = Result<()>> + Send>> + Send + Sync>;

pub async fn alive() -> &'static str {
    "ok"
}

/// Ready when the database answers.
pub async fn ready(State(app): State<App>) -> Result<&'static str> {
    let away = |e: Error| Error::new(Kind::Unavailable, "database-away", "the database does not answer").because(e.context.unwrap_or_default());
    let mut tx = app.db.read().await.map_err(away)?;
    let (_,): (i64,) = one!(tx, "SELECT COUNT(*) FROM municipality").map_err(away)?;
    Ok("ready")
}

/// A listening socket that answers nothing yet.
pub struct Bound {
    listener: TcpListener,
    pub address: SocketAddr,
}

/// Takes the port, or says in one line why not.
pub async fn bind(listen: SocketAddr) -> Result<Bound> {
    let listener = TcpListener::bind(listen).await.map_err(|e| match e.kind() {
        std::io::ErrorKind::AddrInUse => {
            Error::refused("address-in-use", format!("{listen}: another program listens there; stop it or choose another address with --listen"))
        }
        std::io::ErrorKind::PermissionDenied => {
            Error::refused("address-forbidden", format!("{listen}: this user may not listen there; choose a port above 1023 with --listen"))
        }
        _ => Error::refused("address", format!("{listen}: cannot listen there ({e}); choose another address with --listen")),
    })?;
    let address = listener.local_addr().map_err(|e| Error::internal(format!("local address: {e}")))?;
    Ok(Bound { listener, address })
}

impl Bound {
    /// Answers until the process is asked to stop; then finishes what is under way and closes the database.
    pub async fn run(self, app: App, transport: Transport, tick: Tick) -> Result<()> {
        let router = super::app_with(app.clone(), super::routes(), transport);
        self.run_router(router, app, tick).await
    }

    async fn run_router(self, router: Router, app: App, tick: Tick) -> Result<()> {
        let (stop, stopped) = watch::channel(false);
        let beat = tokio::spawn(background(app.clone(), tick, stopped.clone()));
        let wind_down = async move {
            asked_to_stop().await;
            tracing::info!("stopping");
            let _ = stop.send(true);
        };
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let mut late = stopped.clone();
        let answering = axum::serve(self.listener, service).with_graceful_shutdown(wind_down).into_future();
        // A client that holds its connection open must not keep the house from stopping.
        let patience = async move {
            let _ = late.wait_for(|stop| *stop).await;
            tokio::time::sleep(Duration::from_secs(10)).await;
        };
        tokio::select! {
            done = answering => done.map_err(|e| Error::internal(format!("serve: {e}")))?,
            () = patience => tracing::warn!("connections were still open after ten seconds"),
        }
        if let Err(e) = beat.await {
            tracing::error!(%e, "background work");
        }
        app.db.close().await;
        Ok(())
    }
}

/// The tick never runs twice at once; a failure is logged and the next minute tries again.
async fn background(app: App, tick: Tick, mut stopped: watch::Receiver<bool>) {
    let mut minute = tokio::time::interval(Duration::from_secs(60));
    minute.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = minute.tick() => {}
            _ = stopped.wait_for(|stop| *stop) => return,
        }
        if let Err(error) = tick(app.clone()).await {
            tracing::error!(code = error.code, line = %error, context = error.context.as_deref(), "background work failed");
        }
    }
}

async fn asked_to_stop() {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
}
