//! Shares of homes, which wording is allowed, plans, campaigns, outbox.

pub mod campaign;
pub mod command;
pub mod complaint;
pub mod draft;
pub mod gateway;
pub mod hours;
pub mod known;
pub mod outbox;
pub mod page;
pub mod pause;
pub mod preview;
pub mod prove;
pub mod reached;
pub mod record;
pub mod rule;
pub mod share;
pub mod verify;
pub mod visit;
pub mod wording;
pub mod wordings;

use crate::account::access::Routes;
use crate::app::App;
use crate::error::Result;

/// Campaigns, previews and visits.
pub fn routes(routes: Routes) -> Routes {
    routes
        .get("/campaigns", page::campaigns)
        .get("/campaign/{campaign}/preview", page::search)
        .get("/campaign/{campaign}/preview/{municipality}/{household}", page::home)
        .get("/visits", visit::visits)
        .post("/visits/{municipality}/{message}", visit::delivered)
}

/// Ten a second: what one minute may send.
const PER_MINUTE: i64 = 600;

/// What the server does once a minute: this week's messages into the outbox when they are not there yet, then what is due out of it.
pub async fn every_minute(app: &App) -> Result<()> {
    campaign::run_due(app).await?;
    outbox::send_due(app, gateway::Gateway::File, PER_MINUTE).await?;
    Ok(())
}
