//! Shares of homes, which wording is allowed, plans, campaigns, outbox.

pub mod campaign;
pub mod command;
pub mod draft;
pub mod gateway;
pub mod gsm7;
pub mod hours;
pub mod outbox;
pub mod page;
pub mod preview;
pub mod prove;
pub mod record;
pub mod rule;
pub mod share;
pub mod visit;
pub mod wording;

use crate::account::access::Routes;

/// Campaigns, previews and visits.
pub fn routes(routes: Routes) -> Routes {
    routes
        .get("/campaigns", page::campaigns)
        .get("/campaign/{campaign}/preview", page::search)
        .get("/campaign/{campaign}/preview/{municipality}/{household}", page::home)
        .get("/visits", visit::visits)
        .post("/visits/{municipality}/{message}", visit::delivered)
}
