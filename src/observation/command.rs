//! `vecino recount`

use super::recount;
use crate::app::{Options, print};
use crate::error::Result;
use serde_json::json;

/// Counts everything again in every municipality, in one transaction.
pub async fn recount(options: &Options) -> Result<()> {
    let app = options.open().await?;
    let mut tx = app.db.write().await?;
    let (mut lines, mut documents) = (Vec::new(), Vec::new());
    for municipality in recount::places(&mut tx).await? {
        let changed = recount::recount(&mut tx, municipality, "command line", app.clock.now()).await?;
        documents.push(json!({"municipality": municipality.to_string(), "changed": changed}));
        lines.extend(changed);
    }
    tx.commit().await?;
    app.db.close().await;
    if options.json {
        return print(&format!("{:#}\n", json!(documents)));
    }
    lines.push(match lines.len() {
        0 => "Nothing changed: what is due, what counts and every tally are what the rows give.".to_owned(),
        n => format!("{n} differences, made again from the rows."),
    });
    print(&format!("{}\n", lines.join("\n")))
}
