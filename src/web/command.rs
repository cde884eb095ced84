//! `vecino init`, `vecino serve`, `vecino openapi`.

use super::{duties, serve};
use crate::account::admission::Transport;
use crate::account::command::{ACTOR, tell};
use crate::account::installation;
use crate::account::user::{self, NewAccount};
use crate::account::{Role, audit, password};
use crate::app::{self, App, Options};
use crate::clock::Clock;
use crate::db::Db;
use crate::error::{Error, Result};
use crate::id::{Mint, MunicipalityId};
use crate::registry;
use crate::seal::Keys;
use crate::territory;
use crate::{one, run};
use chrono::Duration;
use clap::Args;
use serde_json::json;
use std::net::{IpAddr, SocketAddr};

#[derive(Debug, Args)]
pub struct Init {
    /// Login of the first administrator
    #[arg(long, default_value = "admin", value_name = "LOGIN")]
    pub admin: String,
}

#[derive(Debug, Args)]
pub struct Serve {
    /// Address and port to listen on
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// Address of the proxy that ends TLS in front of this server; it must keep the Host header and add X-Forwarded-For
    #[arg(long, value_name = "ADDRESS")]
    pub trusted_proxy: Option<IpAddr>,
}

/// An empty installation with its first administrator. Refuses where somebody can sign in already.
pub async fn init(arguments: Init, options: &Options) -> Result<()> {
    let login = user::login(&arguments.admin)?;
    let _held = app::take_folder(&options.data_dir)?;
    let db = Db::connect(&options.url()).await?;
    db.migrate().await?;
    let mut tx = db.read().await?;
    let (accounts,): (i64,) = one!(tx, "SELECT COUNT(*) FROM account")?;
    drop(tx);
    if accounts > 0 {
        let place = options.data_dir.display();
        return Err(Error::refused(
            "initialised",
            format!("{place}: this installation has accounts already; use `vecino user add`, or name another --data-dir"),
        ));
    }
    let keys = if std::env::var_os("VECINO_KEY").is_some() || options.data_dir.join("key").exists() {
        Keys::load(&options.data_dir)?
    } else {
        let mut root = [0u8; 32];
        rand::fill(&mut root);
        Keys::create(&options.data_dir, root)?
    };
    let step = options.own_key(&db, &keys).await?;
    let db = db.keyed(&keys);
    let now = Clock::system().now();
    let first = password::one_time();
    let hash = password::hash(&first).await?;
    let mut tx = db.write().await?;
    if step.is_none() {
        installation::claim(&mut tx, &keys, now).await?;
    }
    territory::municipality::ensure_catalogue(&mut tx).await?;
    let new =
        NewAccount { login: login.clone(), password: String::new(), role: Role::Admin, municipality: None, operator: None, language: "es".into() };
    let account = user::add_hashed(&mut tx, now, &mut Mint::system(), new, hash).await?;
    let detail = user::leaving(&mut tx, account, json!({"role": Role::Admin})).await?;
    let entry = audit::Entry { stream: "account", actor: ACTOR, action: "account-added", target: &login, detail };
    audit::record(&mut tx, MunicipalityId::NONE, now, entry).await?;
    tx.commit().await?;
    db.close().await;
    let folder = options.data_dir.display().to_string();
    tell(
        options,
        &format!(
            "Installed in {folder}. Keep a copy of {folder}/key elsewhere: without it names and telephone numbers cannot be read.\n\
             Administrator: {login}\nFirst password, shown once: {first}\nNext: vecino serve"
        ),
        &json!({"data_dir": folder, "login": login, "password": first}),
    );
    Ok(())
}

/// Serves an existing installation until it is asked to stop.
pub async fn serve(arguments: Serve, options: &Options) -> Result<()> {
    // The port first: a schema is not changed for a server that cannot start.
    let bound = serve::bind(arguments.listen).await?;
    own_files(options)?;
    let app = options.open().await?;
    answer(bound, app, arguments.trusted_proxy, options).await
}

/// What the installation put over what ships can be read; else the server does not start.
fn own_files(options: &Options) -> Result<()> {
    registry::target::in_use()?;
    let Ok(files) = std::fs::read_dir(options.data_dir.join("lakes")) else { return Ok(()) };
    for file in files.filter_map(std::result::Result::ok) {
        if let Some(code) = file.file_name().to_str().and_then(|name| name.strip_suffix(".geojson")) {
            MunicipalityId::parse(code)?;
            territory::municipality::own_lakes(code)?;
        }
    }
    Ok(())
}

/// Serves what is open already, as the practice town does.
pub async fn serve_open(app: App, listen: SocketAddr, options: &Options) -> Result<()> {
    let bound = serve::bind(listen).await?;
    answer(bound, app, None, options).await
}

async fn answer(bound: serve::Bound, app: App, trusted_proxy: Option<IpAddr>, options: &Options) -> Result<()> {
    // Writing now tells of a read-only folder before the first phone does.
    let mut tx = app.db.write().await?;
    run!(tx, "DELETE FROM session WHERE created_at < $1", app.clock.now() - Duration::days(14))?;
    run!(tx, "DELETE FROM sign_in_failure WHERE failed_at < $1", app.clock.now() - Duration::days(1))?;
    tx.commit().await?;
    if !bound.address.ip().is_loopback() && trusted_proxy.is_none() {
        tracing::warn!("{} is open to other machines without TLS: put a proxy in front and name it with --trusted-proxy", bound.address);
    }
    let url = format!("http://{}", bound.address);
    tell(options, &format!("Vecino answers at {url}"), &json!({"url": url}));
    bound.run(app, Transport { trusted_proxy }, Box::new(|app| Box::pin(duties::every_minute(app)))).await
}

pub fn openapi() {
    use std::io::Write;
    let _ = writeln!(std::io::stdout().lock(), "{:#}", super::document::openapi());
}
