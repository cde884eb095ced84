//! What the house does by itself, once a minute: write the week's messages and send what is due, publish, keep the reports current.

use crate::app::App;
use crate::error::Result;
use crate::{analysis, map, norm, territory, trial};

/// Every duty is idempotent, so a minute that is missed or done twice changes nothing.
pub async fn every_minute(app: App) -> Result<()> {
    norm::every_minute(&app).await?;
    let now = app.clock.now();
    let mut tx = app.db.write().await?;
    for municipality in territory::municipality::pilots(&mut tx).await? {
        map::publication::publish_due(&mut tx, municipality.municipality_id, now).await?;
    }
    for trial in trial::all(&mut tx).await? {
        analysis::report::refresh(&mut tx, &trial, now).await?;
    }
    tx.commit().await
}
