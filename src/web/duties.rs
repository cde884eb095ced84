//! What the house does by itself, once a minute: plan the rounds, write the week's messages and send what is due, publish, keep the reports
//! current, and once a day keep the heads of the record outside the database.

use crate::account::audit::heads;
use crate::app::App;
use crate::db::Tx;
use crate::error::Result;
use crate::observation::{restate, round};
use crate::territory::change::Changed;
use crate::{analysis, map, norm, registry, territory, trial};
use chrono::{DateTime, Utc};

/// Why a published week is revised when nobody asked for it.
const LATE: &str = "operations received after it was published";

/// What follows, in the same transaction, from facts that are written for days gone by: what was counted by them, and what was published.
pub async fn facts_changed(tx: &mut Tx, changed: Changed<'_>) -> Result<()> {
    restate::facts_changed(tx, changed).await?;
    let Some(reason) = changed.reason else { return Ok(()) };
    map::revision::revise(tx, changed.municipality, "command line", reason, changed.now, &map::revision::What::Rewritten).await?;
    Ok(())
}

/// Every duty is idempotent, so a minute that is missed or done twice changes nothing; one that fails keeps none of the others, but that
/// nothing is sent while it is not known whether a rule stops it.
pub async fn every_minute(app: App) -> Result<()> {
    let send = async {
        analysis::stop_rules::every_minute(&app).await?;
        norm::every_minute(&app).await
    };
    let done =
        [keep_rounds(&app).await, send.await, publish(&app).await, keep_reports(&app).await, take_out_killed(&app).await, keep_heads(&app).await];
    let mut failed = done.into_iter().filter_map(Result::err);
    let first = failed.next();
    for error in failed {
        tracing::error!(code = error.code, line = %error, context = error.context.as_deref(), "a duty of this minute failed");
    }
    first.map_or(Ok(()), Err)
}

/// What an import of people left that was killed on its way. Only where there is such takes the writer.
async fn take_out_killed(app: &App) -> Result<()> {
    let mut tx = app.db.read().await?;
    let killed = registry::write::killed(&mut tx, app.clock.now()).await?;
    drop(tx);
    for municipality in killed {
        let mut tx = app.db.write().await?;
        registry::write::take_out(&mut tx, municipality).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Once a day the heads of the record are written outside the database.
async fn keep_heads(app: &App) -> Result<()> {
    let mut tx = app.db.read().await?;
    let heads = heads::of_database(&mut tx).await?;
    drop(tx);
    heads::Outside::of(&app.data_dir).keep(&app.keys.record(), app.clock.now(), &heads, true)?;
    Ok(())
}

/// What is due is published, each municipality by itself: one that fails keeps none of the others.
async fn publish(app: &App) -> Result<()> {
    let now = app.clock.now();
    let mut tx = app.db.read().await?;
    let pilots = territory::municipality::pilots(&mut tx).await?;
    drop(tx);
    for place in pilots {
        let done = async {
            let mut tx = app.db.write().await?;
            map::revision::revise(&mut tx, place.municipality_id, "vecino", LATE, now, &map::revision::What::Rewritten).await?;
            map::publication::publish_due(&mut tx, place.municipality_id, now).await?;
            tx.commit().await
        };
        if let Err(error) = done.await {
            tracing::error!(municipality = %place.municipality_id, code = error.code, line = %error, context = error.context.as_deref(), "publishing failed");
        }
    }
    Ok(())
}

/// Reports are there of what was published last, and looks are opened when their day has come; each trial by itself, computed without the
/// writer. Only what is new takes it.
async fn keep_reports(app: &App) -> Result<()> {
    let now = app.clock.now();
    let mut tx = app.db.read().await?;
    let trials = trial::all(&mut tx).await?;
    drop(tx);
    for trial in trials {
        if let Err(error) = keep_report(app, &trial, now).await {
            tracing::error!(trial = trial.id, code = error.code, line = %error, context = error.context.as_deref(), "a report could not be made");
        }
    }
    Ok(())
}

async fn keep_report(app: &App, trial: &trial::Trial, now: DateTime<Utc>) -> Result<()> {
    let mut tx = app.db.read().await?;
    let made = analysis::report::make(&mut tx, trial, now).await?;
    let opens = !analysis::report::to_open(&mut tx, trial, now).await?.is_empty();
    drop(tx);
    if made.is_empty() && !opens {
        return Ok(());
    }
    let mut tx = app.db.write().await?;
    analysis::report::keep(&mut tx, trial, made, now).await?;
    if opens {
        analysis::report::open(&mut tx, trial, now, "vecino").await?;
    }
    tx.commit().await
}

/// Rounds are there for every day due up to tomorrow, also for days on which nobody served. Only a gap takes the writer.
async fn keep_rounds(app: &App) -> Result<()> {
    let today = app.clock.today();
    let mut tx = app.db.read().await?;
    let mut behind = Vec::new();
    for municipality in territory::municipality::with_routes(&mut tx).await? {
        if !round::missing(&mut tx, municipality, today).await?.is_empty() {
            behind.push(municipality);
        }
    }
    drop(tx);
    for municipality in behind {
        let done = async {
            let mut tx = app.db.write().await?;
            round::keep_up(&mut tx, municipality, today).await?;
            tx.commit().await
        };
        if let Err(error) = done.await {
            tracing::error!(%municipality, code = error.code, line = %error, context = error.context.as_deref(), "rounds could not be planned");
        }
    }
    Ok(())
}
