//! Everybody changes their own password: what an administrator handed over is meant for the first sign-in.

use super::admission::Caller;
use super::{Actor, audit, limit, password, user};
use crate::app::App;
use crate::error::{Error, Kind, Result};
use crate::id::MunicipalityId;
use crate::page::{Page, Reader};
use axum::extract::{Extension, Form, State};
use maud::html;
use serde::Deserialize;
use serde_json::json;

/// NIST SP 800-63B asks for length, not for odd characters.
const LEAST: usize = 12;

#[derive(Deserialize)]
pub struct Typed {
    #[serde(default)]
    current: String,
    #[serde(default)]
    new: String,
    #[serde(default)]
    again: String,
}

pub async fn form(reader: Reader) -> Page {
    view(&reader, None)
}

fn view(reader: &Reader, problem: Option<&Error>) -> Page {
    let words = &reader.words;
    let described = problem.map(|_| "problema");
    let field = |name: &str, key: &str, complete: &str| {
        html! {
            div.campo {
                label for=(name) { (words.say(key)) }
                input type="password" id=(name) name=(name) autocomplete=(complete) required aria-invalid=[problem.map(|_| "true")] aria-describedby=[described];
            }
        }
    };
    let body = html! {
        @if let Some(error) = problem {
            @let values: Vec<_> = error.arguments.iter().map(|(name, value)| (*name, value.as_str().into())).collect();
            div.aviso.grave #problema role="alert" tabindex="-1" { strong { (words.tell(&format!("error-{}", error.code), &values)) } }
        }
        form.entrada method="post" action="/password" {
            (reader.csrf_field())
            (field("current", "password-current", "current-password"))
            (field("new", "password-new", "new-password"))
            (field("again", "password-again", "new-password"))
            p.botones { button.boton.lleno type="submit" { (words.say("password-change")) } }
        }
    };
    let answer = words.tell("password-answer", &[("least", (LEAST as i64).into())]);
    Page::new("password", words.say("password-heading"), body).answer(html! { (answer) })
}

/// Changes the password and ends every session of the account, this one too.
pub async fn change(
    State(app): State<App>,
    actor: Actor,
    Extension(caller): Extension<Caller>,
    reader: Reader,
    Form(typed): Form<Typed>,
) -> Result<Page> {
    match try_change(&app, &actor, caller, &typed).await {
        Ok(()) => {
            let words = &reader.words;
            let body = html! { p.botones { a.boton.lleno href="/sign-in" { (words.say("web-sign-in")) } } };
            Ok(Page::new("password", words.say("password-changed"), body).answer(html! { (words.say("password-changed-next")) }))
        }
        Err(error) if matches!(error.kind, Kind::Refused | Kind::TooMany) => Ok(view(&reader, Some(&error))),
        Err(error) => Err(error),
    }
}

async fn try_change(app: &App, actor: &Actor, caller: Caller, typed: &Typed) -> Result<()> {
    let account = actor.account.ok_or_else(|| Error::forbidden("no-account", "a token has no password"))?;
    if app.demo {
        return Err(Error::refused("practice-password", "the practice town's passwords stay as the landing page shows them"));
    }
    if typed.new.chars().count() < LEAST || typed.new.len() > 1024 {
        return Err(Error::refused("password-short", format!("a password has at least {LEAST} characters")).with("least", LEAST));
    }
    if typed.new != typed.again {
        return Err(Error::refused("password-differs", "the new password was not written the same twice"));
    }
    let now = app.clock.now();
    limit::note(&app.db, now, &actor.name, caller.address).await?;
    let stored = user::for_sign_in(&app.db, &actor.name).await?;
    if !password::matches(&typed.current, stored.as_ref().map(|(_, hash, ..)| hash.as_str())).await? {
        return Err(Error::refused("password-wrong", "the current password does not match"));
    }
    let hash = password::hash(&typed.new).await?;
    let mut tx = app.db.write().await?;
    limit::forgive(&mut tx, &actor.name, caller.address).await?;
    user::set_password(&mut tx, account, &hash).await?;
    let detail = user::leaving(&mut tx, account, json!({})).await?;
    let entry = audit::Entry { stream: "account", actor: &actor.name, action: "password-changed", target: &actor.name, detail };
    audit::record(&mut tx, actor.municipality.unwrap_or(MunicipalityId::NONE), now, entry).await?;
    tx.commit().await
}
