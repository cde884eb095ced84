//! What the house does by itself, once a minute: write the week's messages, publish what is due, keep the reports current, send.

use crate::app::App;
use crate::clock::Week;
use crate::error::Result;
use crate::id::{Mint, MunicipalityId};
use crate::norm::gateway::Gateway;
use crate::{analysis, map, norm, territory, trial};

/// Ten a second, spread over the minute.
const SENDS_A_MINUTE: i64 = 600;

/// Every duty is idempotent, so a minute that is missed or done twice changes nothing.
pub async fn every_minute(app: App) -> Result<()> {
    let now = app.clock.now();
    let week = Week::of(app.clock.today());
    let mut tx = app.db.write().await?;
    let trials = trial::all(&mut tx).await?;
    for trial in trials.iter().filter(|trial| trial.assigned_at.is_some()) {
        for (id, campaign) in &trial.protocol.campaigns {
            if !campaign.steps.iter().any(|step| trial.protocol.week(step.week) == week) {
                continue;
            }
            for code in &trial.protocol.municipalities {
                let municipality = MunicipalityId::parse(code)?;
                if norm::campaign::paused(&mut tx, municipality, id).await?.is_none() {
                    norm::campaign::run(&app, &mut tx, trial, municipality, id, week, &mut Mint::system(), now).await?;
                }
            }
        }
    }
    for municipality in territory::municipality::pilots(&mut tx).await? {
        map::publication::publish_due(&mut tx, municipality.municipality_id, now).await?;
    }
    for trial in &trials {
        analysis::report::refresh(&mut tx, trial, now).await?;
    }
    tx.commit().await?;
    norm::outbox::send_due(&app, Gateway::File, SENDS_A_MINUTE).await?;
    Ok(())
}
