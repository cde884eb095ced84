//! The proof: every share a message states is derived again from the stored observations and compared digit for digit.

use super::record::{Norm, Windows, compute, places, seen, select_norm};
use crate::clock::Week;
use crate::db::Tx;
use crate::error::Result;
use crate::id::{MessageId, MunicipalityId, NormId};
use crate::trial::Trial;
use crate::{all, one};
use chrono::{DateTime, Utc};
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
    let places = places(tx, municipality).await?;
    let mut proof = Proof { norms: stored.len(), ..Proof::default() };
    let mut again: Remade = BTreeMap::new();
    for norm in &stored {
        let fresh = match again.entry((norm.window_from, norm.window_to)) {
            Entry::Occupied(made) => made.into_mut(),
            Entry::Vacant(place) => {
                let windows = Windows::ending(norm.window_to, norm.window_to.since(norm.window_from) + 1);
                let homes = seen(tx, municipality, windows).await?;
                let made = compute(municipality, &trial.id, &trial.protocol.norm, windows, &homes, &places, norm.computed_at);
                place.insert(made.into_iter().map(|norm| (key(&norm), norm)).collect())
            }
        };
        let fresh = fresh.get(&key(norm));
        let differences = differences(norm, fresh);
        if differences.is_empty() {
            proof.proven += 1;
        } else {
            let late = arrived_later(tx, municipality, norm).await?;
            let late = if late > 0 { format!("; {late} observations of its windows were received after it was computed") } else { String::new() };
            proof.differing.push(format!(
                "norm {} ({} {}, {} to {}): {}{late}",
                norm.norm_id,
                norm.group_kind,
                norm.group_name,
                norm.window_from,
                norm.window_to,
                differences.join(", ")
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

async fn arrived_later(tx: &mut Tx, municipality: MunicipalityId, norm: &Norm) -> Result<i64> {
    let (n,): (i64,) = one!(
        tx,
        "SELECT COUNT(*) FROM observation WHERE municipality_id = $1 AND iso_week BETWEEN $2 AND $3 AND received_at > $4",
        municipality,
        norm.before_from.unwrap_or(norm.window_from),
        norm.window_to,
        norm.computed_at
    )?;
    Ok(n)
}
