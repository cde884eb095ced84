//! `vecino map revise`

use super::period::Name;
use super::revision::{Revised, What, revise};
use super::subtraction::Waiting;
use crate::app::{Options, print};
use crate::error::{Error, Result};
use crate::id::MunicipalityId;
use crate::territory::municipality;
use clap::Subcommand;
use serde_json::{Value, json};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make what was published anew, with the next revision number, together with all that stands on the same weeks. What would tell of
    /// fewer than 10 homes waits
    Revise {
        /// Four-digit INE code [default: every pilot municipality]
        #[arg(long, value_name = "CODE")]
        municipality: Option<String>,
        /// Such as 2026-W44, 2026-B11 or trial:ID/messages [default: everything that was published]
        #[arg(long, value_name = "PERIOD")]
        period: Option<String>,
        /// Why; it stands in the audit chain
        #[arg(long, value_name = "TEXT", default_value = "asked for on the command line")]
        reason: String,
    },
}

const ACTOR: &str = "command line";

pub async fn run(command: Command, options: &Options) -> Result<()> {
    let Command::Revise { municipality, period, reason } = command;
    let what = period.as_deref().map(Name::parse).transpose()?.map_or(What::All, What::Period);
    let asked = municipality.as_deref().map(MunicipalityId::parse).transpose()?;
    let app = options.open().await?;
    let mut tx = app.db.write().await?;
    let pilots: Vec<MunicipalityId> = municipality::pilots(&mut tx).await?.into_iter().map(|place| place.municipality_id).collect();
    let places = match asked {
        Some(one) if !pilots.contains(&one) => {
            let known: Vec<String> = pilots.iter().map(MunicipalityId::to_string).collect();
            return Err(Error::refused(
                "municipality-outside",
                format!("municipality {one} publishes nothing here; it runs no pilot: use one of {}", known.join(", ")),
            ));
        }
        Some(one) => vec![one],
        None => pilots,
    };
    let (mut lines, mut documents, mut nowhere) = (Vec::new(), Vec::new(), None);
    for place in &places {
        match revise(&mut tx, *place, ACTOR, reason.trim(), app.clock.now(), &what).await {
            Ok(revised) => {
                lines.extend(said(*place, &revised));
                documents.push(document(*place, &revised));
            }
            // A block may be published in one municipality and not in another.
            Err(missing) if missing.code == "period-not-published" && asked.is_none() => nowhere = Some(missing),
            Err(error) => return Err(error),
        }
    }
    if let (true, Some(missing)) = (documents.is_empty(), nowhere) {
        return Err(missing);
    }
    tx.commit().await?;
    app.db.close().await;
    match options.json {
        true => print(&format!("{:#}\n", json!(documents))),
        false => print(&format!("{}\n", lines.join("\n"))),
    }
}

fn said(place: MunicipalityId, revised: &Revised) -> Vec<String> {
    let mut lines = vec![match revised.periods.as_slice() {
        [] => format!("{place}: nothing to revise; what is published says what it stands on"),
        periods => format!("{place}: revised {}", periods.join(", ")),
    }];
    for (week, why) in &revised.waiting {
        let why: Vec<&str> = why.iter().filter_map(|name| Waiting::parse(name)).map(Waiting::why).collect();
        lines.push(format!("{place}: {week} changed and waits: {}", why.join("; ")));
    }
    lines
}

fn document(place: MunicipalityId, revised: &Revised) -> Value {
    json!({"municipality": place.to_string(), "periods": revised.periods, "waiting": revised.waiting})
}
