//! `vecino verify`: what every domain finds when it checks its own part of the record, joined.

use crate::account::audit::REMEDY;
use crate::account::audit::heads::{self, Expected, Head, Outside};
use crate::account::audit::walk;
use crate::account::command::tell;
use crate::account::user;
use crate::app::{App, Options};
use crate::db::{Db, table_seal};
use crate::error::{Error, Kind, Result};
use crate::observation::verify::{self, Rows};
use crate::{norm, registry, trial};
use clap::Args;
use serde_json::json;

#[derive(Debug, Args)]
pub struct Verify {
    /// Heads that an earlier `vecino verify` printed and that were kept elsewhere: a file (text or --json), or the lines themselves
    #[arg(long, value_name = "HEADS")]
    pub expect: Option<String>,
}

/// What was found: the heads as they stand, and one line for each difference.
#[derive(Debug, Default)]
pub struct Verified {
    pub heads: Vec<Head>,
    pub differences: Vec<String>,
    pub entries: i64,
    /// Whether there were heads kept outside to compare with.
    pub outside: bool,
}

/// Checks the whole record of an installation. `expected` are heads given by whoever kept them, beside those in the data folder.
pub async fn check(app: &App, expected: Vec<Expected>) -> Result<Verified> {
    let outside = Outside::of(&app.data_dir).read(&app.keys.record())?;
    let mut expected = expected;
    expected.extend(outside.expected);
    let compared = !expected.is_empty();
    // The rows are most of the work: they are read beside the rest, each on its own snapshot, and the engine checks its pages meanwhile.
    let pages = tokio::spawn(pages(app.db.clone()));
    let rows = tokio::spawn(rows(app.db.clone()));
    let rest = rest(app, &expected).await;
    let damaged = pages.await.map_err(|e| Error::internal(format!("verify: {e}")))??;
    let rows = rows.await.map_err(|e| Error::internal(format!("verify: {e}")))?;
    if !damaged.is_empty() {
        // What else would be said comes from pages that cannot be trusted.
        return Ok(Verified { heads: Vec::new(), differences: damaged, ..Verified::default() });
    }
    let mut verified = or_unreadable(rest, |line| Verified { differences: vec![line], ..Verified::default() })?;
    verified.outside = compared;
    verified.differences.extend(outside.broken);
    let rows = or_unreadable(rows, |line| Rows { altered: vec![line], ..Rows::default() })?;
    verified.differences.extend(rows.altered);
    // A count of what another hand altered would make the alteration look right.
    let advice = match verified.differences.is_empty() {
        true => "run `vecino recount`, which counts its rows again and says what changed",
        false => "what it is counted from was altered, see above: put that right before anything is counted again",
    };
    verified.differences.extend(rows.tallies.into_iter().map(|line| format!("{line}; {advice}")));
    Ok(verified)
}

/// What cannot be read is a difference of its own, not a reason to say nothing.
fn or_unreadable<T>(checked: Result<T>, difference: impl FnOnce(String) -> T) -> Result<T> {
    checked.or_else(|error| match (error.kind, error.code) {
        (Kind::Internal, _) | (_, "storage-damaged") => {
            let what = error.context.unwrap_or_default();
            Ok(difference(format!("database: a part of the record cannot be read, so it is damaged or was altered ({what}); {REMEDY}")))
        }
        _ => Err(error),
    })
}

async fn pages(db: Db) -> Result<Vec<String>> {
    db.integrity().await
}

async fn rows(db: Db) -> Result<Rows> {
    let mut tx = db.read().await?;
    verify::rows(&mut tx).await
}

async fn rest(app: &App, expected: &[Expected]) -> Result<Verified> {
    let mut tx = app.db.read().await?;
    let walked = walk::walk(&mut tx, expected).await?;
    let mut lines = walked.broken.clone();
    lines.extend(walk::missing(&mut tx).await?);
    lines.extend(table_seal::verify(&mut tx).await?.into_iter().map(|line| format!("{line}; {REMEDY}")));
    lines.extend(walk::numbers(&mut tx, &walked).await?);
    lines.extend(user::verify(&mut tx, &walked).await?);
    lines.extend(registry::verify::verify(&mut tx, &app.keys, &walked).await?);
    lines.extend(trial::verify::verify(&mut tx, &walked).await?);
    lines.extend(norm::verify::verify(&mut tx).await?);
    Ok(Verified { heads: walked.heads, differences: lines, entries: walked.entries, outside: false })
}

/// Checks the record: one line for each difference, exit 1 if there is one; otherwise the heads, which are kept in the data folder too.
pub async fn verify(arguments: Verify, options: &Options) -> Result<()> {
    let expected = arguments.expect.as_deref().map(heads::given).transpose()?.unwrap_or_default();
    let (app, foreign) = options.open_as_it_is().await?;
    let mut verified = check(&app, expected).await?;
    verified.differences.splice(0..0, foreign);
    if verified.differences.is_empty()
        && let Err(error) = Outside::of(&app.data_dir).keep(&app.keys.record(), app.clock.now(), &verified.heads, false)
    {
        // What was found is said all the same; the heads are printed.
        crate::app::tell(&error.to_string());
    }
    app.db.close().await;
    let heads: Vec<_> = verified
        .heads
        .iter()
        .map(|head| json!({"municipality": head.municipality_id.to_string(), "stream": head.stream, "sequence": head.sequence, "hash": head.entry_hash}))
        .collect();
    let document = json!({"heads": heads, "differences": verified.differences});
    if verified.differences.is_empty() {
        if !verified.outside {
            crate::app::tell(&format!(
                "{}: holds no heads of an earlier day, so nothing outside the database was compared; give heads kept elsewhere with --expect",
                Outside::of(&app.data_dir).place().display()
            ));
        }
        let lines: Vec<String> = verified.heads.iter().map(Head::to_string).collect();
        let said = format!(
            "The record is whole: the database's pages, {} audit entries, every row, tally, draw, consent, account and message.\n\
             Its heads; keep them elsewhere and give them back with --expect:\n{}",
            verified.entries,
            lines.join("\n")
        );
        tell(options, &said, &document);
        return Ok(());
    }
    if options.json {
        tell(options, "", &document);
    }
    Err(Error::refused_lines("verify", verified.differences))
}
