//! One question: who are you?

use super::answer::{sentence, status};
use crate::account::admission::{self, Caller};
use crate::account::{Actor, Role, audit, limit, password, session, user};
use crate::app::App;
use crate::error::{Error, Kind, Result};
use crate::id::MunicipalityId;
use crate::page::{Page, Reader};
use axum::extract::{Extension, Form, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;

/// A path on this site, or the first page: never another site, whatever the address says.
pub fn own_path(path: &str) -> &str {
    let own = path.starts_with('/') && !path.starts_with("//") && !path.contains('\\') && !path.chars().any(char::is_control);
    if own { path } else { "/" }
}

/// The sign-in page that comes back to `next`.
pub fn address(next: &str) -> String {
    match own_path(next) {
        "/" => "/sign-in".into(),
        next => format!("/sign-in?next={}", escaped(next)),
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[derive(Deserialize)]
pub struct Asked {
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
pub struct Credentials {
    #[serde(default)]
    login: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    next: String,
}

pub async fn form(reader: Reader, Query(asked): Query<Asked>) -> Page {
    page(&reader, "", own_path(&asked.next), None)
}

fn page(reader: &Reader, login: &str, next: &str, problem: Option<(String, bool)>) -> Page {
    let words = reader.words;
    let invalid = problem.is_some().then_some("true");
    let described = problem.is_some().then_some("problema");
    let body: Markup = html! {
        @if let Some((problem, help)) = &problem {
            div.aviso.grave #problema role="alert" tabindex="-1" { strong { (problem) } @if *help { (words.say("web-sign-in-help")) } }
        }
        form.entrada method="post" action="/sign-in" {
            input type="hidden" name="next" value=(next);
            div.campo {
                label for="login" { (words.say("web-login")) }
                input #login type="text" name="login" value=(login) autocomplete="username" autocapitalize="none" spellcheck="false" required autofocus
                    aria-invalid=[invalid] aria-describedby=[described];
            }
            div.campo {
                label for="password" { (words.say("web-password")) }
                input #password type="password" name="password" autocomplete="current-password" required aria-invalid=[invalid] aria-describedby=[described];
            }
            p.botones { button.boton.lleno type="submit" { (words.say("web-sign-in")) } }
        }
    };
    let mut page = Page::new("sign-in", words.say("web-sign-in-heading"), body);
    page.title = words.say("web-sign-in");
    page
}

/// Checks login and password in the same time whether the login exists or not; a new session each time.
pub async fn sign_in(
    State(app): State<App>,
    reader: Reader,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Form(given): Form<Credentials>,
) -> Result<Response> {
    let now = app.clock.now();
    let next = own_path(&given.next);
    if let Err(error) = limit::note(&app.db, now, &given.login, caller.address).await {
        if error.kind != Kind::TooMany {
            return Err(error);
        }
        let wait = error.arguments.iter().find(|(name, _)| *name == "retry_after").map(|(_, value)| value.clone()).unwrap_or_default();
        let page = page(&reader, &given.login, next, Some((sentence(&reader.words, &error), false)));
        return Ok((status(error.kind), [(header::RETRY_AFTER, wait)], page).into_response());
    }
    let account = user::for_sign_in(&app.db, &given.login).await?;
    // Longer than any password here: refused without the cost of hashing megabytes.
    let given_password = if given.password.len() <= 1024 { given.password.as_str() } else { "" };
    let right = password::matches(given_password, account.as_ref().map(|(_, hash, ..)| hash.as_str())).await?;
    let Some((account, _, role, municipality)) = account.filter(|_| right) else {
        tracing::info!(address = %caller.address, "a sign-in failed");
        let problem = reader.words.say("error-credentials");
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page(&reader, &given.login, next, Some((problem, true)))).into_response());
    };
    let login = user::login(&given.login)?;
    let mut tx = app.db.write().await?;
    limit::forgive(&mut tx, &login, caller.address).await?;
    if let Some(old) = admission::cookie(&headers, caller.cookie_name()) {
        session::close(&mut tx, old).await?;
    }
    let ticket = session::open(&mut tx, now, account).await?;
    let entry = audit::Entry { stream: "account", actor: &login, action: "signed-in", target: role.name(), detail: json!({}) };
    audit::record(&mut tx, municipality.unwrap_or(MunicipalityId::NONE), now, entry).await?;
    tx.commit().await?;
    let actor = Actor { role, name: login, account: Some(account), municipality, operator: None, device: None };
    let to = if next == "/" { admission::landing(&actor) } else { next.to_owned() };
    Ok(([(header::SET_COOKIE, cookie(caller, &ticket, Some(role)))], Redirect::to(&to)).into_response())
}

pub async fn sign_out(State(app): State<App>, actor: Actor, Extension(caller): Extension<Caller>, headers: HeaderMap) -> Result<Response> {
    let ticket = admission::cookie(&headers, caller.cookie_name())
        .ok_or_else(|| Error::refused("no-session", "a token has no session to end; revoke it with `vecino device revoke`"))?;
    let mut tx = app.db.write().await?;
    session::close(&mut tx, ticket).await?;
    let entry = audit::Entry { stream: "account", actor: &actor.name, action: "signed-out", target: actor.role.name(), detail: json!({}) };
    audit::record(&mut tx, actor.municipality.unwrap_or(MunicipalityId::NONE), app.clock.now(), entry).await?;
    tx.commit().await?;
    Ok(([(header::SET_COOKIE, cookie(caller, "", None))], Redirect::to("/")).into_response())
}

/// A crew's cookie outlives the browser; everybody else's ends with it.
fn cookie(caller: Caller, ticket: &str, role: Option<Role>) -> String {
    let secure = if caller.secure { "; Secure" } else { "" };
    let age = match role {
        Some(Role::Crew) => format!("; Max-Age={}", session::limits(Role::Crew).1.num_seconds()),
        Some(_) => String::new(),
        None => "; Max-Age=0".into(),
    };
    format!("{}={ticket}; Path=/; HttpOnly; SameSite=Lax{secure}{age}", caller.cookie_name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_path_of_this_site_is_followed() {
        assert_eq!(own_path("/map/1202?period=2026-W44"), "/map/1202?period=2026-W44");
        for elsewhere in ["", "https://other.example", "//other.example", "/\\other.example", "javascript:alert(1)", "/\t/other.example"] {
            assert_eq!(own_path(elsewhere), "/", "{elsewhere}");
        }
        assert_eq!(address("/map/1202?period=2026-W44&x=1"), "/sign-in?next=/map/1202%3Fperiod%3D2026-W44%26x%3D1");
    }
}
