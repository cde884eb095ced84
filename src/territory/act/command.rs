//! `vecino geo retire|rename|merge|split`

use super::{Act, Deed, Parts, Thing, perform};
use crate::app::{Options, print, tell};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{Mint, MunicipalityId};
use crate::sheet::{Written, words};
use crate::territory::change::After;
use crate::territory::check;
use crate::territory::command::{by_field, listed};
use crate::territory::municipality;
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::PathBuf;

/// Where, since when, why; of every act.
#[derive(Debug, Args)]
pub struct When {
    /// INE code; needed where more than one municipality has a pilot
    #[arg(long, value_name = "CODE")]
    municipality: Option<String>,
    /// The first day on which it is so (2026-11-30 or 30/11/2026); today when left out. A day gone by is a correction and needs --reason
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// Why days gone by are corrected; what was counted since is counted again
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Say what would change and change nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// End neighbourhoods, routes, segments, points or homes from a day on: they leave lists, rounds and messages, their past stays
    Retire {
        #[arg(value_enum, ignore_case = true)]
        kind: Thing,
        #[arg(required = true, value_name = "CODE")]
        codes: Vec<String>,
        /// Close the homes, and the segments, that stand on them too; without it a route, segment or neighbourhood with members stays
        #[arg(long)]
        with_homes: bool,
        #[command(flatten)]
        when: When,
    },
    /// Give one thing another name or code from a day on. Days before say the old one; an old code still finds it and is never given again.
    /// Neighbourhoods, routes and points have names; segments and homes have only a code
    Rename {
        #[arg(value_enum, ignore_case = true)]
        kind: Thing,
        code: String,
        /// The new name
        name: Option<String>,
        /// The new code
        #[arg(long = "code", id = "new-code", value_name = "NEW")]
        code_to: Option<String>,
        #[command(flatten)]
        when: When,
    },
    /// Make several neighbourhoods, routes or segments one from a day on: their members move to INTO, and they end. Points and homes have no
    /// members: retire them
    Merge {
        #[arg(value_enum, ignore_case = true)]
        kind: Thing,
        into: String,
        #[arg(required = true, value_name = "CODE")]
        codes: Vec<String>,
        #[command(flatten)]
        when: When,
    },
    /// Make one neighbourhood, route or segment several from a day on. FILE holds the new ones as for `geo import`; where a row says no
    /// route, neighbourhood, operator or weekdays, those of the whole are taken. Homes go to the nearest segment, segments to the nearest
    /// route or to the neighbourhood they lie in, and the whole ends
    Split {
        #[arg(value_enum, ignore_case = true)]
        kind: Thing,
        code: String,
        file: PathBuf,
        #[command(flatten)]
        written: Written,
        #[command(flatten)]
        when: When,
    },
}

/// The municipality that is named, or the only one with a pilot.
async fn place(tx: &mut Tx, named: Option<&str>) -> Result<MunicipalityId> {
    if let Some(code) = named {
        return Ok(municipality::find(tx, MunicipalityId::parse(code)?).await?.municipality_id);
    }
    let pilots: Vec<_> = municipality::every(tx).await?.into_iter().filter(|m| m.pilot).collect();
    match &pilots[..] {
        [only] => Ok(only.municipality_id),
        _ => {
            let codes: Vec<&str> = pilots.iter().map(|m| m.code.as_str()).collect();
            Err(Error::refused("municipality-needed", format!("--municipality is missing: name one of those with a pilot ({})", codes.join(", "))))
        }
    }
}

fn day(when: &When, today: chrono::NaiveDate) -> Result<chrono::NaiveDate> {
    let Some(text) = &when.from else { return Ok(today) };
    let day = words::day(text).ok_or_else(|| Error::refused("day", format!("--from «{text}» is no day: write it like 2026-11-30 or 30/11/2026")))?;
    if day < today && reason(when).is_none() {
        return Err(Error::refused(
            "past-needs-reason",
            format!("--from {day} has passed: to correct the past add --reason, or give a day from {today} on"),
        ));
    }
    Ok(day)
}

fn reason(when: &When) -> Option<&str> {
    when.reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty())
}

pub async fn run(command: Command, options: &Options, after: After) -> Result<()> {
    // What can be said without the database is said first.
    let parts = match &command {
        Command::Split { file, .. } => Some((file.display().to_string(), check::read(file)?)),
        _ => None,
    };
    let (thing, when, deed) = match &command {
        Command::Retire { kind, codes, with_homes, when } => (*kind, when, Deed::Retire { codes, with_homes: *with_homes }),
        Command::Rename { kind, code, name, code_to, when } => (*kind, when, Deed::Rename { code, name: name.as_deref(), new: code_to.as_deref() }),
        Command::Merge { kind, into, codes, when } => (*kind, when, Deed::Merge { into, codes }),
        Command::Split { kind, code, when, written, .. } => {
            let (file, bytes) = parts.as_ref().map_or(("", &[][..]), |(file, bytes)| (file.as_str(), bytes.as_slice()));
            (*kind, when, Deed::Split { code, parts: Parts { file, bytes, written } })
        }
    };
    let app = options.open().await?;
    let (now, today) = (app.clock.now(), app.clock.today());
    let (from, reason) = (day(when, today)?, reason(when));
    let mut tx = app.db.write().await?;
    let municipality = place(&mut tx, when.municipality.as_deref()).await?;
    let act = Act { municipality, from, today, now, reason, actor: "command line" };
    let done = perform(&mut tx, &mut Mint::system(), &act, thing, &deed, after).await?;
    if !when.dry_run {
        tx.commit().await?;
    }
    for warning in &done.warnings {
        tell(warning);
    }
    if options.json {
        let mut document = json!(done);
        document["dry_run"] = json!(when.dry_run);
        if when.dry_run {
            document["by_field"] = json!(by_field(&done.changes));
        }
        return print(&format!("{document}\n"));
    }
    let mut text = done.line() + &listed(&done.changes, &done.trials);
    if when.dry_run {
        text += "dry run: nothing was stored\n";
    }
    print(&text)
}
