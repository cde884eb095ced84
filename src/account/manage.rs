//! The administrator's page: who may sign in and which phones send. Every change is recorded in the same transaction.

use super::user::{self, Account, NewAccount};
use super::{Actor, Role, audit, device, password};
use crate::all;
use crate::app::App;
use crate::clock::{show_day, show_time};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{AccountId, DeviceId, Mint, MunicipalityId};
use crate::language::Words;
use crate::page::{Page, Reader, count};
use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Default, Deserialize)]
pub struct Typed {
    #[serde(default)]
    login: String,
    #[serde(default)]
    role: String,
    #[serde(default)]
    municipality: String,
    #[serde(default)]
    operator: String,
    #[serde(default)]
    language: String,
}

/// A password to be told once, or what was wrong with the form.
enum Said {
    Nothing,
    Password { login: String, password: String },
    Problem(Error),
}

pub async fn page(State(app): State<App>, actor: Actor, reader: Reader) -> Result<Page> {
    view(&app, &actor, &reader, Typed::default(), Said::Nothing).await
}

pub async fn add(State(app): State<App>, actor: Actor, reader: Reader, Form(typed): Form<Typed>) -> Result<Page> {
    let said = match try_add(&app, &actor, &typed).await {
        Ok(password) => Said::Password { login: user::login(&typed.login)?, password },
        Err(error) if matches!(error.kind, crate::error::Kind::Refused | crate::error::Kind::Conflict) => Said::Problem(error),
        Err(error) => return Err(error),
    };
    let typed = if matches!(said, Said::Problem(_)) { typed } else { Typed::default() };
    view(&app, &actor, &reader, typed, said).await
}

async fn try_add(app: &App, actor: &Actor, typed: &Typed) -> Result<String> {
    let some = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let role = Role::parse(&typed.role)?;
    let login = user::login(&typed.login)?;
    // An administrator of one municipality gives nobody a longer reach than their own.
    let municipality = some(&typed.municipality).or(actor.municipality.map(|id| id.to_string()));
    let first = password::one_time();
    let hash = password::hash(&first).await?;
    let now = app.clock.now();
    let mut tx = app.db.write().await?;
    let reach = user::reach(&mut tx, role, municipality.as_deref(), some(&typed.operator).as_deref()).await?;
    if actor.municipality.is_some() && reach.municipality != actor.municipality {
        return Err(Error::forbidden("reach", "this account gives out only its own municipality"));
    }
    let language = if typed.language == "en" { "en" } else { "es" };
    let new = NewAccount {
        login: login.clone(),
        password: String::new(),
        role,
        municipality: reach.municipality,
        operator: reach.operator.map(|(_, code)| code),
        language: language.into(),
    };
    let account = user::add_hashed(&mut tx, now, &mut Mint::system(), new, hash).await?;
    let detail = user::leaving(&mut tx, account, json!({"account": account, "role": role})).await?;
    record(&mut tx, app, actor, reach.municipality, "account-added", &login, detail).await?;
    tx.commit().await?;
    Ok(first)
}

/// The account, if this administrator reaches it.
async fn within_reach(tx: &mut Tx, actor: &Actor, account: AccountId) -> Result<Account> {
    let found = user::find(tx, account).await?;
    match actor.municipality.is_none() || found.municipality_id == actor.municipality {
        true => Ok(found),
        false => Err(Error::not_found("account-unknown", format!("there is no account {account}"))),
    }
}

pub async fn disable(State(app): State<App>, actor: Actor, Path(account): Path<AccountId>) -> Result<Response> {
    if actor.account == Some(account) {
        return Err(Error::refused("own-account", "nobody shuts out their own account; ask another administrator"));
    }
    let mut tx = app.db.write().await?;
    let found = within_reach(&mut tx, &actor, account).await?;
    user::disable(&mut tx, app.clock.now(), account).await?;
    let detail = user::leaving(&mut tx, account, json!({"account": account})).await?;
    record(&mut tx, &app, &actor, found.municipality_id, "account-disabled", &found.login, detail).await?;
    tx.commit().await?;
    Ok(Redirect::to("/accounts").into_response())
}

/// A new first password for somebody who forgot theirs; their sessions end.
pub async fn renew(State(app): State<App>, actor: Actor, reader: Reader, Path(account): Path<AccountId>) -> Result<Page> {
    if app.demo {
        return Err(Error::refused("practice-password", "the practice town's passwords stay as the landing page shows them"));
    }
    let first = password::one_time();
    let hash = password::hash(&first).await?;
    let mut tx = app.db.write().await?;
    let found = within_reach(&mut tx, &actor, account).await?;
    user::set_password(&mut tx, account, &hash).await?;
    let detail = user::leaving(&mut tx, account, json!({"account": account})).await?;
    record(&mut tx, &app, &actor, found.municipality_id, "password-renewed", &found.login, detail).await?;
    tx.commit().await?;
    view(&app, &actor, &reader, Typed::default(), Said::Password { login: found.login, password: first }).await
}

pub async fn revoke(State(app): State<App>, actor: Actor, Path((municipality, device)): Path<(String, DeviceId)>) -> Result<Response> {
    let municipality = MunicipalityId::parse(&municipality)?;
    let mut tx = app.db.write().await?;
    device::revoke(&mut tx, app.clock.now(), &actor.name, municipality, device).await?;
    tx.commit().await?;
    Ok(Redirect::to("/accounts#devices").into_response())
}

async fn record(
    tx: &mut Tx,
    app: &App,
    actor: &Actor,
    municipality: Option<MunicipalityId>,
    action: &str,
    target: &str,
    detail: Value,
) -> Result<()> {
    let entry = audit::Entry { stream: "account", actor: &actor.name, action, target, detail };
    audit::record(tx, municipality.unwrap_or(MunicipalityId::NONE), app.clock.now(), entry).await
}

fn role_word(words: &Words, role: &str) -> String {
    words.say(&format!("role-{}", role.replace('_', "-")))
}

async fn view(app: &App, actor: &Actor, reader: &Reader, typed: Typed, said: Said) -> Result<Page> {
    let words = &reader.words;
    let mut tx = app.db.read().await?;
    let accounts = user::list(&mut tx, actor.municipality).await?;
    let devices = device::list(&mut tx, actor.municipality).await?;
    let pilots: Vec<(MunicipalityId, String)> = all!(
        tx,
        "SELECT municipality_id, name FROM municipality WHERE pilot = $1 AND (CAST($2 AS SMALLINT) IS NULL OR municipality_id = $2) ORDER BY code",
        true,
        actor.municipality
    )?;
    drop(tx);
    let active = accounts.iter().filter(|account| account.disabled_at.is_none()).count() as i64;
    let phones = devices.iter().filter(|device| device.revoked_at.is_none()).count() as i64;
    let answer = words.tell("accounts-answer", &[("people", active.into()), ("phones", phones.into())]);
    let body = html! {
        @match &said {
            Said::Password { login, password } => {
                div.aviso role="status" {
                    strong { (words.tell("accounts-password", &[("login", login.clone().into())])) }
                    p { code.tasa { (password) } }
                    p { (words.say("accounts-password-once")) }
                }
            }
            Said::Problem(error) => {
                div.aviso.grave #problema role="alert" tabindex="-1" { strong { (sentence(words, error)) } (words.say("accounts-problem")) }
            }
            Said::Nothing => {}
        }
        section { h2 { (words.say("accounts-people")) } (people(reader, actor, &accounts)) }
        section { h2 #add { (words.say("accounts-add")) } (form(reader, actor, &typed, &pilots, matches!(said, Said::Problem(_)))) }
        section { h2 #devices { (words.say("accounts-devices")) } (phone_table(reader, &devices, &pilots)) }
    };
    Ok(Page::new("accounts", words.say("accounts-heading"), body).eyebrow(html! { (show_time(app.clock.now())) }).answer(html! { (answer) }))
}

fn sentence(words: &Words, error: &Error) -> String {
    let values: Vec<_> = error.arguments.iter().map(|(name, value)| (*name, value.as_str().into())).collect();
    words.find(&format!("error-{}", error.code), &values).unwrap_or_else(|| words.say("accounts-problem-other"))
}

fn people(reader: &Reader, actor: &Actor, accounts: &[Account]) -> Markup {
    let words = &reader.words;
    html! {
        table.tabla {
            caption { (words.tell("accounts-caption", &[("n", count(accounts.len() as i64).into())])) }
            thead { tr {
                th scope="col" { (words.say("accounts-login")) } th.ancho scope="col" { (words.say("accounts-role")) }
                th.ancho scope="col" { (words.say("accounts-reach")) } th scope="col" { (words.say("accounts-state")) }
            } }
            tbody {
                @for account in accounts {
                    @let place = account.municipality.clone().unwrap_or_else(|| words.say("accounts-everywhere"));
                    tr {
                        th scope="row" { (account.login) span.sub.angosto { (role_word(words, &account.role)) " · " (place) } }
                        td.ancho { (role_word(words, &account.role)) }
                        td.ancho { (place) @if let Some(operator) = &account.operator_code { ", " (words.say("accounts-operator")) " " (operator) } }
                        td {
                            @match account.disabled_at {
                                Some(at) => { span.estado.espera { (words.tell("accounts-disabled", &[("day", show_day(crate::clock::local_day(at)).into())])) } }
                                None if actor.account == Some(account.account_id) => { span.estado.bien { (words.say("accounts-own")) } }
                                None => {
                                    details.acciones {
                                        summary { (words.say("accounts-active")) span.oido { ", " (account.login) } }
                                        form method="post" action=(format!("/accounts/{}/password", account.account_id)) {
                                            (reader.csrf_field()) button.boton type="submit" { (words.say("accounts-renew")) }
                                        }
                                        form method="post" action=(format!("/accounts/{}/disable", account.account_id)) {
                                            (reader.csrf_field()) button.boton type="submit" { (words.say("accounts-disable")) }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn form(reader: &Reader, actor: &Actor, typed: &Typed, pilots: &[(MunicipalityId, String)], problem: bool) -> Markup {
    let words = &reader.words;
    let invalid = problem.then_some("problema");
    html! {
        form.entrada method="post" action="/accounts" {
            (reader.csrf_field())
            div.campo {
                label for="login" { (words.say("accounts-login")) }
                input #login type="text" name="login" value=(typed.login) autocomplete="off" autocapitalize="none" spellcheck="false" required
                    aria-describedby=(invalid.unwrap_or("login-help"));
                span.suave.chico #login-help { (words.say("accounts-login-help")) }
            }
            div.campo {
                label for="role" { (words.say("accounts-role")) }
                select #role name="role" required aria-describedby=[invalid] {
                    @for role in Role::ALL { option value=(role.name()) selected[role.name() == typed.role] { (role_word(words, role.name())) } }
                }
            }
            div.campo {
                label for="municipality" { (words.say("accounts-municipality")) }
                select #municipality name="municipality" aria-describedby=[invalid] {
                    @if actor.municipality.is_none() { option value="" { (words.say("accounts-everywhere")) } }
                    @for (id, name) in pilots { option value=(id) selected[id.to_string() == typed.municipality] { (name) } }
                }
            }
            div.campo {
                label for="operator" { (words.say("accounts-operator-code")) }
                input #operator type="text" name="operator" value=(typed.operator) autocomplete="off" aria-describedby=(invalid.unwrap_or("operator-help"));
                span.suave.chico #operator-help { (words.say("accounts-operator-help")) }
            }
            input type="hidden" name="language" value=(if words.language == crate::language::Language::En { "en" } else { "es" });
            p.botones { button.boton.lleno type="submit" { (words.say("accounts-add-button")) } }
        }
    }
}

fn phone_table(reader: &Reader, devices: &[device::Device], pilots: &[(MunicipalityId, String)]) -> Markup {
    let words = &reader.words;
    if devices.is_empty() {
        return html! { p.vacio { (words.say("accounts-no-devices")) } };
    }
    html! {
        table.tabla {
            caption { (words.say("accounts-devices-caption")) }
            thead { tr {
                th scope="col" { (words.say("accounts-device")) } th.ancho scope="col" { (words.say("accounts-reach")) }
                th.ancho scope="col" { (words.say("accounts-seen")) } th scope="col" { (words.say("accounts-state")) }
            } }
            tbody {
                @for device in devices {
                    @let place = pilots.iter().find(|(id, _)| *id == device.municipality_id).map_or_else(|| device.municipality_id.to_string(), |(_, name)| name.clone());
                    @let seen = device.seen_at.map_or_else(|| words.say("accounts-never-seen"), show_time);
                    tr {
                        th scope="row" { (device.name) span.sub.angosto { (place) " · " (seen) } }
                        td.ancho { (place) @if let Some(operator) = &device.operator { ", " (words.say("accounts-operator")) " " (operator) } }
                        td.ancho { (seen) }
                        td {
                            @match device.revoked_at {
                                Some(at) => { span.estado.espera { (words.tell("accounts-phone-revoked", &[("day", show_day(crate::clock::local_day(at)).into())])) } }
                                None => {
                                    details.acciones {
                                        summary { (words.say("accounts-phone-active")) span.oido { ", " (device.name) } }
                                        form method="post" action=(format!("/devices/{}/{}/revoke", device.municipality_id, device.device_id)) {
                                            (reader.csrf_field()) button.boton type="submit" { (words.say("accounts-revoke")) }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
