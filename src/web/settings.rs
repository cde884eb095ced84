//! Language and theme: kept in a cookie for a year, and with the account of whoever is signed in.

use super::sign_in::own_path;
use crate::account::{Actor, admission::Caller};
use crate::app::App;
use crate::error::Result;
use crate::run;
use axum::extract::{Extension, Form, State};
use axum::http::header;
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use serde::Deserialize;

#[derive(Deserialize)]
pub struct Choice {
    language: Option<String>,
    theme: Option<String>,
    #[serde(default)]
    next: String,
}

pub async fn change(
    State(app): State<App>,
    actor: Option<Extension<Actor>>,
    Extension(caller): Extension<Caller>,
    Form(choice): Form<Choice>,
) -> Result<Response> {
    let mut cookies = Vec::new();
    let secure = if caller.secure { "; Secure" } else { "" };
    let mut keep = |name: &str, value: &str| {
        let age = if value.is_empty() { 0 } else { 31_536_000 };
        cookies.push((header::SET_COOKIE, format!("{name}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}")));
    };
    let account = actor.and_then(|Extension(actor)| actor.account);
    if let Some(language) = choice.language.as_deref().filter(|language| matches!(*language, "es" | "en")) {
        keep("language", language);
        if let Some(account) = account {
            let mut tx = app.db.write().await?;
            run!(tx, "UPDATE account SET language = $2 WHERE account_id = $1", account, language)?;
            tx.commit().await?;
        }
    }
    if let Some(theme) = choice.theme.as_deref().filter(|theme| matches!(*theme, "auto" | "claro" | "oscuro" | "sol")) {
        let theme = (theme != "auto").then_some(theme);
        keep("theme", theme.unwrap_or(""));
        if let Some(account) = account {
            let mut tx = app.db.write().await?;
            run!(tx, "UPDATE account SET theme = $2 WHERE account_id = $1", account, theme)?;
            tx.commit().await?;
        }
    }
    Ok((AppendHeaders(cookies), Redirect::to(own_path(&choice.next))).into_response())
}
