//! The router, sign-in, the page frame, pages that join several modules, the API document and the crew app's shell.

use crate::account::access::Routes;

/// Every route of the house.
pub fn routes() -> Routes {
    Routes::default().get("/healthz", async || "ok")
}
