//! `vecino token`, `vecino user`, `vecino device`.

use super::token::{self, NewToken};
use super::user::{self, NewAccount};
use super::{Role, audit, device, password};
use crate::app::Options;
use crate::clock::show_time;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{DeviceId, Mint, MunicipalityId};
use crate::{all, opt};
use chrono::{DateTime, Duration, Utc};
use clap::Subcommand;
use serde_json::{Value, json};
use std::io::Write;

/// Who acts when nobody is signed in.
pub const ACTOR: &str = "command line";

#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Print a bearer token for a script, a test or a device; it is shown once
    Create {
        /// Role, such as crew or researcher
        #[arg(long)]
        role: String,
        /// Four-digit INE code of the municipality
        #[arg(long, value_name = "CODE")]
        municipality: Option<String>,
        /// Code of the operator whose rounds alone the token reaches
        #[arg(long, value_name = "CODE")]
        operator: Option<String>,
        /// Name of the device that will carry the token; made when it is not there yet
        #[arg(long, value_name = "NAME")]
        device: Option<String>,
        /// Lifetime, such as 90s, 30m, 1h, 14d [default: until it is revoked]
        #[arg(long, value_parser = token::lifetime)]
        ttl: Option<Duration>,
    },
}

#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Add somebody who signs in; prints a first password once
    Add {
        login: String,
        /// Role, such as mayor or registrar
        #[arg(long)]
        role: String,
        /// Four-digit INE code of the municipality
        #[arg(long, value_name = "CODE")]
        municipality: Option<String>,
        /// Code of the operator whose rounds alone are visible
        #[arg(long, value_name = "CODE")]
        operator: Option<String>,
        /// Language of the pages
        #[arg(long, default_value = "es", value_parser = ["es", "en"])]
        language: String,
    },
    /// Shut somebody out at once; what they did stays recorded
    Disable { login: String },
    /// List who may sign in
    List,
}

#[derive(Debug, Subcommand)]
pub enum DeviceCommand {
    /// List phones and other devices
    List,
    /// Shut a device out from its next request on
    Revoke {
        /// Name or identity of the device
        device: String,
        /// Four-digit INE code, where two municipalities use the same name
        #[arg(long, value_name = "CODE")]
        municipality: Option<String>,
    },
}

/// Prints the answer of a command: text, or with --json the document and nothing else. A closed pipe is the reader's choice.
pub fn tell(options: &Options, text: &str, document: &Value) {
    let mut out = std::io::stdout().lock();
    let _ = if options.json { writeln!(out, "{document:#}") } else { writeln!(out, "{}", text.trim_end()) };
    let _ = out.flush();
}

pub async fn run_token(command: TokenCommand, options: &Options) -> Result<()> {
    let TokenCommand::Create { role, municipality, operator, device: name, ttl } = command;
    let role = Role::parse(&role)?;
    let app = options.open().await?;
    let now = app.clock.now();
    let mut tx = app.db.write().await?;
    let reach = user::reach(&mut tx, role, municipality.as_deref(), operator.as_deref()).await?;
    let device = match (&name, reach.municipality) {
        (None, _) => None,
        (Some(name), None) => {
            return Err(Error::refused(
                "municipality-missing",
                format!("device «{name}» belongs to a municipality; name it with --municipality CODE"),
            ));
        }
        (Some(name), Some(municipality)) => {
            let operator = reach.operator.as_ref().map(|(id, _)| *id);
            Some(device::add(&mut tx, now, &mut Mint::system(), municipality, operator, name).await?)
        }
    };
    let secret = token::secret();
    let expires_at = ttl.map(|ttl| now + ttl);
    let operator = reach.operator.map(|(_, code)| code);
    let label = name.clone().unwrap_or_else(|| format!("{role} token of {}", show_time(now)));
    let new = NewToken { role, municipality: reach.municipality, operator: operator.clone(), device, name: label.clone(), expires_at };
    token::create(&mut tx, now, secret.clone(), new).await?;
    let detail = json!({"role": role, "device": device, "expires_at": expires_at});
    record(&mut tx, reach.municipality, now, "token-created", &label, detail).await?;
    tx.commit().await?;
    let municipality = reach.municipality.map(|id| id.to_string());
    tell(
        options,
        &secret,
        &json!({"token": secret, "role": role, "municipality": municipality, "operator": operator, "device": device, "name": label, "expires_at": expires_at}),
    );
    Ok(())
}

pub async fn run_user(command: UserCommand, options: &Options) -> Result<()> {
    match command {
        UserCommand::Add { login, role, municipality, operator, language } => {
            let role = Role::parse(&role)?;
            let login = user::login(&login)?;
            let app = options.open().await?;
            let now = app.clock.now();
            let first = password::one_time();
            let hash = password::hash(&first).await?;
            let mut tx = app.db.write().await?;
            let reach = user::reach(&mut tx, role, municipality.as_deref(), operator.as_deref()).await?;
            let operator = reach.operator.map(|(_, code)| code);
            let new = NewAccount { login: login.clone(), password: String::new(), role, municipality: reach.municipality, operator, language };
            let account = user::add_hashed(&mut tx, now, &mut Mint::system(), new, hash).await?;
            let detail = user::leaving(&mut tx, account, json!({"role": role})).await?;
            record(&mut tx, reach.municipality, now, "account-added", &login, detail).await?;
            tx.commit().await?;
            tell(
                options,
                &format!("{login} may sign in as {role}.\nFirst password, shown once: {first}"),
                &json!({"account": account, "login": login, "role": role, "password": first}),
            );
        }
        UserCommand::Disable { login } => {
            let app = options.open().await?;
            let now = app.clock.now();
            let mut tx = app.db.write().await?;
            let known: Option<(crate::id::AccountId, Option<MunicipalityId>)> =
                opt!(tx, "SELECT account_id, municipality_id FROM account WHERE login = $1", login.trim().to_lowercase())?;
            let Some((account, municipality)) = known else {
                return Err(Error::not_found("account-unknown", format!("there is no login «{login}»; see `vecino user list`")));
            };
            user::disable(&mut tx, now, account).await?;
            let detail = user::leaving(&mut tx, account, json!({"account": account})).await?;
            record(&mut tx, municipality, now, "account-disabled", &login, detail).await?;
            tx.commit().await?;
            tell(options, &format!("{login} is shut out."), &json!({"login": login, "disabled": true}));
        }
        UserCommand::List => {
            let app = options.open().await?;
            let mut tx = app.db.read().await?;
            let accounts = user::list(&mut tx, None).await?;
            let mut text = String::new();
            for a in &accounts {
                let place = a.municipality_id.map_or("all".to_owned(), |id| id.to_string());
                let state = if a.disabled_at.is_some() { "disabled" } else { "active" };
                text.push_str(&format!("{:<24} {:<12} {:<5} {:<8} {state}\n", a.login, a.role, place, a.operator_code.as_deref().unwrap_or("-")));
            }
            let list: Vec<Value> = accounts
                .iter()
                .map(|a| {
                    json!({"account": a.account_id, "login": a.login, "role": a.role, "municipality": a.municipality_id.map(|id| id.to_string()),
                        "operator": a.operator_code, "created_at": a.created_at, "disabled_at": a.disabled_at})
                })
                .collect();
            tell(options, &text, &json!(list));
        }
    }
    Ok(())
}

pub async fn run_device(command: DeviceCommand, options: &Options) -> Result<()> {
    match command {
        DeviceCommand::List => {
            let app = options.open().await?;
            let mut tx = app.db.read().await?;
            let devices = device::list(&mut tx, None).await?;
            let mut text = String::new();
            for d in &devices {
                let seen = d.seen_at.map_or("never seen".to_owned(), |at| format!("seen {}", show_time(at)));
                let state = if d.revoked_at.is_some() { "revoked" } else { "active" };
                text.push_str(&format!(
                    "{} {} {:<24} {:<8} {seen} {state}\n",
                    d.municipality_id,
                    d.device_id,
                    d.name,
                    d.operator.as_deref().unwrap_or("-")
                ));
            }
            let list: Vec<Value> = devices
                .iter()
                .map(|d| {
                    json!({"municipality": d.municipality_id.to_string(), "device": d.device_id, "name": d.name, "operator": d.operator,
                        "enrolled_at": d.enrolled_at, "seen_at": d.seen_at, "revoked_at": d.revoked_at})
                })
                .collect();
            tell(options, &text, &json!(list));
        }
        DeviceCommand::Revoke { device: named, municipality } => {
            let municipality = municipality.as_deref().map(MunicipalityId::parse).transpose()?;
            let app = options.open().await?;
            let mut tx = app.db.write().await?;
            let id = uuid::Uuid::parse_str(&named).ok().map(DeviceId);
            let found: Vec<(MunicipalityId, DeviceId, String)> = all!(
                tx,
                "SELECT municipality_id, device_id, name FROM device
                 WHERE (name = $1 OR device_id = $2) AND (CAST($3 AS SMALLINT) IS NULL OR municipality_id = $3) ORDER BY municipality_id",
                &named,
                id.unwrap_or(DeviceId(uuid::Uuid::nil())),
                municipality
            )?;
            let (municipality, device, name) = match found.as_slice() {
                [one] => one.clone(),
                [] => return Err(Error::not_found("device-unknown", format!("there is no device «{named}»; see `vecino device list`"))),
                _ => {
                    return Err(Error::refused(
                        "device-ambiguous",
                        format!("several municipalities have a device «{named}»; add --municipality CODE"),
                    ));
                }
            };
            device::revoke(&mut tx, app.clock.now(), ACTOR, municipality, device).await?;
            tx.commit().await?;
            tell(options, &format!("{name} is shut out."), &json!({"device": device, "name": name, "revoked": true}));
        }
    }
    Ok(())
}

async fn record(tx: &mut Tx, municipality: Option<MunicipalityId>, at: DateTime<Utc>, action: &str, target: &str, detail: Value) -> Result<()> {
    let entry = audit::Entry { stream: "account", actor: ACTOR, action, target, detail };
    audit::record(tx, municipality.unwrap_or(MunicipalityId::NONE), at, entry).await
}
