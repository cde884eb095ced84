//! The proof: every share a message states is derived again from the stored observations and compared digit for digit.

use super::record::{Norm, Windows, compute, places, seen, select_norm};
use crate::all;
use crate::clock::Week;
use crate::db::Tx;
use crate::error::Result;
use crate::id::{HouseholdId, MessageId, MunicipalityId, NormId};
use crate::observation::{self, Mark};
use crate::trial::Trial;
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use uuid::Uuid;

/// What tells the norms of one window apart.
type Key = (String, String, Option<Uuid>);
type Remade = BTreeMap<(Week, Week), BTreeMap<Key, Norm>>;

fn key(norm: &Norm) -> Key {
    (norm.kind.clone(), norm.group_kind.clone(), norm.group_id)
}

#[derive(sqlx::FromRow)]
struct Stated {
    message_id: MessageId,
    norm_id: NormId,
    wording: String,
    body: String,
    send_after: DateTime<Utc>,
}

/// What a re-derivation found.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Proof {
    /// Frozen norms that messages state, and those that came out the same digit for digit.
    pub norms: usize,
    pub proven: usize,
    /// Messages that rest on them, and those whose text says exactly their figures.
    pub messages: usize,
    pub consistent: usize,
    /// One line each: the norm or message, what is stored, what the observations give.
    pub differing: Vec<String>,
}

/// Derives every norm a campaign's messages rest on again from the stored observations and compares all its figures; and every such
/// message against its norm.
pub async fn prove(tx: &mut Tx, municipality: MunicipalityId, trial: &Trial, campaign_id: &str) -> Result<Proof> {
    let stored: Vec<Norm> = all!(
        tx,
        select_norm!(
            "WHERE municipality_id = $1 AND norm_id IN (SELECT norm_id FROM message WHERE municipality_id = $1 AND campaign_id = $2)
          ORDER BY window_to, computed_at, norm_id"
        ),
        municipality,
        campaign_id
    )?;
    let mut proof = Proof { norms: stored.len(), ..Proof::default() };
    let mut again: Remade = BTreeMap::new();
    for norm in &stored {
        let fresh = match again.entry((norm.window_from, norm.window_to)) {
            Entry::Occupied(made) => made.into_mut(),
            Entry::Vacant(place) => {
                let windows = Windows::ending(norm.window_to, norm.window_to.since(norm.window_from) + 1);
                let homes = seen(tx, municipality, windows).await?;
                let places = places(tx, municipality, windows.now.1.sunday()).await?;
                let made = compute(municipality, &trial.id, &trial.protocol.norm, windows, &homes, &places, norm.computed_at);
                place.insert(made.into_iter().map(|norm| (key(&norm), norm)).collect())
            }
        };
        let fresh = fresh.get(&key(norm));
        let mut found = differences(norm, fresh);
        if !found.is_empty() {
            // Phones send late and people correct: what counts is what was known when the figure was made.
            let made = as_known(tx, municipality, trial, norm).await?;
            found = differences(norm, made.iter().find(|made| key(made) == key(norm)));
        }
        if found.is_empty() {
            proof.proven += 1;
        } else {
            proof.differing.push(format!(
                "norm {} ({} {}, {} to {}): {}",
                norm.norm_id,
                norm.group_kind,
                norm.group_name,
                norm.window_from,
                norm.window_to,
                found.join(", ")
            ));
        }
    }
    let by_id: BTreeMap<NormId, &Norm> = stored.iter().map(|norm| (norm.norm_id, norm)).collect();
    let messages: Vec<Stated> = all!(
        tx,
        "SELECT message_id, norm_id, wording, body, send_after FROM message
          WHERE municipality_id = $1 AND campaign_id = $2 AND norm_id IS NOT NULL AND body IS NOT NULL ORDER BY message_id",
        municipality,
        campaign_id
    )?;
    for message in messages {
        proof.messages += 1;
        let problem = match by_id.get(&message.norm_id) {
            None => Some("its norm is missing".to_owned()),
            Some(norm) if message.send_after > norm.valid_until => Some("its norm no longer held when it was due".to_owned()),
            Some(norm) => misstated(norm, &message.body),
        };
        match problem {
            None => proof.consistent += 1,
            Some(problem) => proof.differing.push(format!("message {} ({}): {problem}", message.message_id, message.wording)),
        }
    }
    Ok(proof)
}

/// Every stored figure against the same figure made again; floating point numbers to the last bit.
fn differences(stored: &Norm, fresh: Option<&Norm>) -> Vec<String> {
    let Some(fresh) = fresh else { return vec!["the observations give no such figure".into()] };
    let figures = |n: &Norm| {
        let real = |x: Option<f64>| x.map_or_else(|| "none".to_owned(), |x| x.to_string());
        let whole = |x: Option<i32>| x.map_or_else(|| "none".to_owned(), |x| x.to_string());
        [
            ("homes", n.homes.to_string()),
            ("homes_complied", n.homes_complied.to_string()),
            ("observations", n.observations.to_string()),
            ("estimate", n.estimate.to_string()),
            ("ci_low", n.ci_low.to_string()),
            ("ci_high", n.ci_high.to_string()),
            ("stated_tenth", n.stated_tenth.to_string()),
            ("before_homes", whole(n.before_homes)),
            ("before_homes_complied", whole(n.before_homes_complied)),
            ("before_tenth", whole(n.before_tenth.map(i32::from))),
            ("rise", real(n.rise)),
            ("rise_low", real(n.rise_low)),
        ]
    };
    let pairs = figures(stored).into_iter().zip(figures(fresh));
    pairs.filter(|((_, a), (_, b))| a != b).map(|((name, a), (_, b))| format!("{name} is {a}, the observations give {b}")).collect()
}

/// What a text says that its norm does not.
fn misstated(norm: &Norm, body: &str) -> Option<String> {
    let said: Vec<&str> = body.match_indices(" de cada 10").map(|(at, _)| &body[..at]).collect();
    said.into_iter().find_map(|before| {
        let words: Vec<&str> = before.rsplit(' ').take(3).collect();
        let number = |at: usize| words.get(at).and_then(|word| word.parse::<i16>().ok());
        let right = match (words.get(1), number(0), number(2)) {
            (Some(&"a"), now, Some(before)) => now == Some(norm.stated_tenth) && Some(before) == norm.before_tenth,
            (_, now, _) => now == Some(norm.stated_tenth),
        };
        (!right).then(|| format!("says «{} de cada 10», its norm says {}", words.first().unwrap_or(&""), norm.stated_tenth))
    })
}

/// The norms of a window from the observations that had been received when this one was computed. Days that got later rows are judged
/// again without them, by the rule of `observation`; all other days stand in the tallies.
async fn as_known(tx: &mut Tx, municipality: MunicipalityId, trial: &Trial, norm: &Norm) -> Result<Vec<Norm>> {
    let windows = Windows::ending(norm.window_to, norm.window_to.since(norm.window_from) + 1);
    let places = places(tx, municipality, windows.now.1.sunday()).await?;
    let mut homes = seen(tx, municipality, windows).await?;
    let cells: Vec<(Week, HouseholdId)> = all!(
        tx,
        "SELECT DISTINCT iso_week, household_id FROM observation
          WHERE municipality_id = $1 AND iso_week BETWEEN $2 AND $3 AND received_at > $4 ORDER BY iso_week, household_id",
        municipality,
        windows.before.0,
        windows.now.1,
        norm.computed_at
    )?;
    let mut days: BTreeMap<(HouseholdId, NaiveDate), Vec<Mark>> = BTreeMap::new();
    for row in observation::marks(tx, municipality, &cells).await? {
        days.entry((row.household_id, row.service_day)).or_default().push(row);
    }
    for ((home, _), rows) in days {
        let Some(week) = rows.first().map(|row| Week::of(row.service_day)) else { continue };
        let Some(seen) = homes.get_mut(&home) else { continue };
        let record = if week < windows.now.0 { &mut seen.before } else { &mut seen.now };
        let known: Vec<Mark> = rows.iter().filter(|row| row.received_at <= norm.computed_at).copied().collect();
        for (rows, sign) in [(&rows, -1), (&known, 1)] {
            let complied = observation::standing(rows).and_then(|op| rows.iter().find(|row| row.op_id == op)?.complied);
            record.observed += sign * i64::from(complied.is_some());
            record.complied += sign * i64::from(complied.unwrap_or(0));
        }
    }
    Ok(compute(municipality, &trial.id, &trial.protocol.norm, windows, &homes, &places, norm.computed_at))
}
