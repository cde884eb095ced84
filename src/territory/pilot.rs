//! Where a pilot runs: set by a command, with what follows said. Only there is anything published; rounds are made wherever routes run.

use super::municipality::{self, Municipality};
use crate::account::audit;
use crate::clock::{Week, show_day};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::gsm7;
use crate::id::MunicipalityId;
use crate::{one, run};
use chrono::{DateTime, Days, NaiveDate, Utc};
use serde::Serialize;
use serde_json::json;

/// Longest name that signs messages, in characters and in septets as sent.
pub const LONGEST_SENDER: usize = 16;

/// What is to be set; `None` leaves what stands.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    pub on: bool,
    pub sender: Option<String>,
    pub collection_model: Option<String>,
}

/// What a pilot stands on, as of today.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ground {
    pub outline: bool,
    pub neighbourhoods: i64,
    pub routes: i64,
    pub segments: i64,
    pub homes_on_segments: i64,
}

/// How it stands after the command.
#[derive(Debug, Clone, Serialize)]
pub struct Standing {
    pub code: String,
    pub name: String,
    pub pilot: bool,
    pub changed: bool,
    pub sender: Option<String>,
    pub collection_model: Option<String>,
    pub ground: Ground,
    /// Were a collection observed today, its week would be published on this day.
    pub first_publication: NaiveDate,
    /// The last week that was published, if any was.
    pub published_through: Option<Week>,
}

/// A name that fits the messages it signs; otherwise why not.
pub fn sender(name: &str) -> Result<String, String> {
    let name = name.trim();
    let sent = gsm7::transliterate(name);
    match gsm7::septets(&sent) {
        Err(offence) => Err(format!("«sender» is «{name}»: «{}» is not in the SMS alphabet; write it otherwise", offence.character)),
        Ok(septets) if septets > LONGEST_SENDER || name.chars().count() > LONGEST_SENDER => {
            Err(format!("«sender» is «{name}»; a sender has at most {LONGEST_SENDER} characters"))
        }
        Ok(0) => Err("«sender» is empty; write the name that signs messages".into()),
        Ok(_) => Ok(name.to_owned()),
    }
}

/// Sets or ends a pilot. The same again changes nothing.
pub async fn set(tx: &mut Tx, municipality: MunicipalityId, ask: Ask, now: DateTime<Utc>, today: NaiveDate) -> Result<Standing> {
    municipality::ensure_catalogue(tx).await?;
    let before = municipality::find(tx, municipality).await?;
    let signs = match &ask.sender {
        Some(name) => Some(sender(name).map_err(|line| Error::refused("sender", line))?),
        None => before.sender.clone(),
    };
    let collects =
        ask.collection_model.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).or_else(|| before.collection_model.clone());
    let after = Municipality { pilot: ask.on, sender: signs, collection_model: collects, ..before.clone() };
    if after != before {
        run!(
            tx,
            "UPDATE municipality SET pilot = $2, sender = $3, collection_model = $4 WHERE municipality_id = $1",
            municipality,
            after.pilot,
            &after.sender,
            &after.collection_model
        )?;
        let detail = json!({"pilot": after.pilot, "sender": after.sender, "collection_model": after.collection_model, "was": before.pilot});
        let entry = audit::Entry { stream: "territory", actor: "command line", action: "pilot", target: &after.code, detail };
        audit::record(tx, municipality, now, entry).await?;
    }
    let (through,): (Option<i32>,) = one!(tx, "SELECT MAX(last_week) FROM publication WHERE municipality_id = $1 AND kind = 'week'", municipality)?;
    let published = Week::of(today).plus(1).monday().checked_add_days(Days::new(2)).unwrap_or(today);
    Ok(Standing {
        ground: ground(tx, &after, today).await?,
        changed: after != before,
        code: after.code,
        name: after.name,
        pilot: after.pilot,
        sender: after.sender,
        collection_model: after.collection_model,
        first_publication: published,
        published_through: through.map(Week),
    })
}

async fn ground(tx: &mut Tx, place: &Municipality, today: NaiveDate) -> Result<Ground> {
    let id = place.municipality_id;
    let neighbourhoods = super::neighbourhood::of(tx, id, today).await?.len() as i64;
    let routes = super::route::of(tx, id, today).await?.len() as i64;
    let segments = super::segment::of(tx, id, today).await?.len() as i64;
    let (homes_on_segments,): (i64,) = one!(
        tx,
        concat!(
            "SELECT COUNT(*) FROM household_version v WHERE v.municipality_id = $1 AND v.service_status = 'served' AND v.segment_id IS NOT NULL AND ",
            super::dated::in_force!("v", "$2")
        ),
        id,
        today
    )?;
    Ok(Ground { outline: place.geometry.is_some(), neighbourhoods, routes, segments, homes_on_segments })
}

impl Standing {
    /// What is so now, what follows, and what is still missing, for the person at the keyboard.
    pub fn lines(&self) -> String {
        let Standing { code, name, .. } = self;
        let again = if self.changed { "" } else { " (as before)" };
        if !self.pilot {
            return format!(
                "{name} ({code}): no pilot runs here{again}.\nWhat was observed and published stays and can be read. No further week is published, and /map/{code} says so.\nA frozen trial goes on: stop its messages with vecino campaign pause.\n"
            );
        }
        let mut lines = vec![format!("{name} ({code}): a pilot runs here{again}.")];
        lines.push(match &self.sender {
            Some(sender) => format!("Messages are signed «{sender}»."),
            None => "Messages have no signature yet and cannot be written: set it with --sender NAME.".into(),
        });
        if let Some(model) = &self.collection_model {
            lines.push(format!("Who collects: {model}"));
        }
        lines.push(format!("Pages: /today/{code} (coordinator), /map/{code} (mayor), /crew and /rounds (crews), /visits, /registry."));
        let day = show_day(self.first_publication);
        lines.push(match self.published_through {
            None => format!("The first publication comes on the Wednesday after the first week in which a served home was observed: observed today, on {day}."),
            Some(week) => format!("Published so far through {week}. The next week comes on the Wednesday after a week in which a served home was observed: observed today, on {day}."),
        });
        let ground = &self.ground;
        let steps = [
            (!ground.outline, "an outline (geo import municipalities)"),
            (ground.neighbourhoods == 0, "neighbourhoods (geo import neighbourhoods)"),
            (ground.routes == 0, "routes with their operators (geo import routes)"),
            (ground.segments == 0, "segments (geo cut ROUTE)"),
            (ground.homes_on_segments == 0, "homes with service on a segment (geo codes, geo import households)"),
        ];
        let missing: Vec<&str> = steps.into_iter().filter_map(|(missing, what)| missing.then_some(what)).collect();
        if !missing.is_empty() {
            lines.push(format!("Still missing: {}.", missing.join("; ")));
        }
        lines.join("\n") + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_fits_the_messages_it_signs() {
        assert_eq!(sender(" San Cristóbal "), Ok("San Cristóbal".into()));
        assert!(sender("Municipalidad de Cucho").unwrap_err().contains("at most 16"));
        assert!(sender("Cucho “limpio”").unwrap_err().contains("«“» is not in the SMS alphabet"));
        assert!(sender("[San Cristóbal]").unwrap_err().contains("at most 16"), "brackets take two septets each");
        assert!(sender("  ").is_err());
    }
}
