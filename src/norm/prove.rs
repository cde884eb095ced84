//! The proof: every share a message states is derived again from what crews recorded and compared digit for digit.

use super::known::Rows;
use super::record::{Norm, Place, Windows, compute, places, select_norm};
use super::rule::{Text, majority};
use crate::all;
use crate::clock::{Week, show_time};
use crate::db::Tx;
use crate::error::Result;
use crate::id::{HouseholdId, MessageId, MunicipalityId, NormId, SegmentId};
use crate::trial::Trial;
use crate::trial::protocol::NormRules;
use chrono::{DateTime, Duration, NaiveDate, NaiveTime, Utc};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use uuid::Uuid;

/// What tells the norms of one window apart.
type Key = (String, String, Option<Uuid>);

/// What norms are made again from: the operations received until a moment, judged by the facts as they were known at one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Moment {
    received: DateTime<Utc>,
    known: DateTime<Utc>,
}

/// The norms of one window made again, and the place of every home they count.
struct Made {
    norms: BTreeMap<Key, Norm>,
    homes: BTreeMap<HouseholdId, SegmentId>,
    places: BTreeMap<SegmentId, Place>,
}

impl Made {
    fn counts(&self, home: HouseholdId, norm: &Norm) -> bool {
        let place = self.homes.get(&home).and_then(|segment| self.places.get(segment));
        crate::trial::protocol::GroupKind::parse(&norm.group_kind)
            .is_some_and(|kind| place.is_some_and(|place| place.key(kind) == (kind, norm.group_id)))
    }
}

/// Norms made again, by window, by when they were computed (whose norm rules they follow) and by moment; each is made once.
struct Again<'a> {
    municipality: MunicipalityId,
    trial: &'a Trial,
    rows: &'a Rows,
    made: BTreeMap<(Week, Week, DateTime<Utc>, Moment), Made>,
}

impl Again<'_> {
    async fn made(&mut self, tx: &mut Tx, norm: &Norm, moment: Moment) -> Result<&Made> {
        let windows = windows_of(norm);
        Ok(match self.made.entry((norm.window_from, norm.window_to, norm.computed_at, moment)) {
            Entry::Occupied(made) => made.into_mut(),
            Entry::Vacant(room) => {
                let places = places(tx, self.municipality, windows.now.1.sunday(), moment.known).await?;
                let seen = self.rows.seen(windows, moment.received, moment.known);
                let rules = self.trial.in_force(norm.computed_at)?.norm;
                let made = compute(self.municipality, &self.trial.id, &rules, windows, &seen, &places, norm.computed_at);
                let homes = seen.into_iter().filter_map(|(home, seen)| Some((home, seen.segment?))).collect();
                room.insert(Made { norms: made.into_iter().map(|norm| (key(&norm), norm)).collect(), homes, places })
            }
        })
    }

    /// A norm as it comes out of one moment.
    async fn norm(&mut self, tx: &mut Tx, norm: &Norm, moment: Moment) -> Result<Option<Norm>> {
        Ok(self.made(tx, norm, moment).await?.norms.get(&key(norm)).cloned())
    }

    /// What was done since a norm was computed that changes a figure of it: operations that came later, and the acts on places, each by what
    /// it changed when it was done.
    async fn acts(&mut self, tx: &mut Tx, acts: &[Act], norm: &Norm) -> Result<String> {
        let (windows, now, computed_at) = (windows_of(norm), Moment { received: ever(), known: ever() }, norm.computed_at);
        let mut named = Vec::new();
        let without = self.norm(tx, norm, Moment { received: computed_at, ..now }).await?;
        if !same(&without, &self.norm(tx, norm, now).await?) {
            let then = Moment { received: computed_at, known: computed_at };
            let mut late = self.rows.received_after(windows, computed_at);
            for moment in [then, now] {
                self.made(tx, norm, moment).await?;
            }
            let made: Vec<&Made> =
                [then, now].iter().filter_map(|moment| self.made.get(&(norm.window_from, norm.window_to, norm.computed_at, *moment))).collect();
            late.retain(|row| made.iter().any(|made| made.counts(row.household_id, norm)));
            if let Some(first) = late.first() {
                let corrected = late.iter().filter(|row| row.corrects.is_some()).count();
                let of_them = if corrected > 0 { format!(", {corrected} of them corrections") } else { String::new() };
                named.push(format!("{} operations received after it was computed{of_them} (the first is {})", late.len(), first.op_id));
            }
        }
        for act in acts.iter().filter(|act| act.at > computed_at && self.rows.turned(windows, act.at)) {
            let before = self.norm(tx, norm, Moment { known: act.at - Duration::microseconds(1), ..now }).await?;
            if !same(&before, &self.norm(tx, norm, Moment { known: act.at, ..now }).await?) {
                named.push(act.named());
            }
        }
        Ok(if named.is_empty() { "facts about places written after it was computed".to_owned() } else { named.join(" and ") })
    }
}

fn same(one: &Option<Norm>, other: &Option<Norm>) -> bool {
    match (one, other) {
        (Some(one), other) => differences(one, other.as_ref()).is_empty(),
        (None, other) => other.is_none(),
    }
}

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
    /// Frozen norms that messages state; those that come out the same digit for digit, from what was known then and from what is known now;
    /// and those that were right when they were told and that later operations or corrections have changed.
    pub norms: usize,
    pub proven: usize,
    pub corrected: usize,
    /// Messages that rest on them, and those whose text says exactly their figures.
    pub messages: usize,
    pub consistent: usize,
    /// One line each: the norm that was corrected since, by which acts, what is stored, what the observations give now.
    pub corrections: Vec<String>,
    /// One line each: the norm or message, what is stored, what the observations give.
    pub differing: Vec<String>,
}

/// Derives every norm a campaign's messages rest on again, from the rows that crews recorded and never from tallies, and compares all its
/// figures; and every such message against its norm.
///
/// A norm is judged by what was known at the moment it was computed: the operations received until then, the facts about places as they were
/// written then, and the norm rules in force then (an amendment changes what is told from then on). If that gives other figures, somebody
/// changed what was recorded: the alarm. If it gives the same, and what is known now gives others, it was corrected since.
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
    let spans = stored.iter().map(windows_of).map(|windows| (windows.before.0, windows.now.1));
    if let Some((first, last)) = spans.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))) {
        let rows = Rows::read(tx, municipality, first, last).await?;
        let acts = acts(tx, municipality).await?;
        let mut again = Again { municipality, trial, rows: &rows, made: BTreeMap::new() };
        for norm in &stored {
            let mut found = Vec::new();
            for moment in [norm.computed_at, ever()] {
                found.push(differences(norm, again.norm(tx, norm, Moment { received: moment, known: moment }).await?.as_ref()));
            }
            let name = format!("norm {} ({} {}, {} to {})", norm.norm_id, norm.group_kind, norm.group_name, norm.window_from, norm.window_to);
            match found.as_slice() {
                [then, _] if !then.is_empty() => proof.differing.push(format!("{name}: {}", then.join(", "))),
                [_, now] if !now.is_empty() => {
                    proof.corrected += 1;
                    let acts = again.acts(tx, &acts, norm).await?;
                    proof.corrections.push(format!("{name}: right when it was told, corrected since by {acts}: {}", now.join(", ")));
                }
                _ => proof.proven += 1,
            }
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
            Some(norm) => misstated(norm, &trial.in_force(norm.computed_at)?.norm, &message),
        };
        match problem {
            None => proof.consistent += 1,
            Some(problem) => proof.differing.push(format!("message {} ({}): {problem}", message.message_id, message.wording)),
        }
    }
    Ok(proof)
}

/// Later than anything that was written.
fn ever() -> DateTime<Utc> {
    NaiveDate::from_ymd_opt(9999, 12, 31).unwrap_or_default().and_time(NaiveTime::MIN).and_utc()
}

fn windows_of(norm: &Norm) -> Windows {
    Windows::ending(norm.window_to, norm.window_to.since(norm.window_from) + 1)
}

/// An act on places, as the audit chain tells it.
#[derive(sqlx::FromRow)]
struct Act {
    sequence: i64,
    at: DateTime<Utc>,
    actor: String,
    action: String,
    target: String,
    detail: Value,
}

async fn acts(tx: &mut Tx, municipality: MunicipalityId) -> Result<Vec<Act>> {
    all!(
        tx,
        "SELECT sequence, at, actor, action, target, detail FROM audit_entry
         WHERE municipality_id = $1 AND stream = 'territory' AND action <> 'export' ORDER BY sequence",
        municipality
    )
}

impl Act {
    /// `the retirement of household AS-8155-C of 06/01/2027 09:00 by ana (territory entry 12, «closed in November»)`
    fn named(&self) -> String {
        let text = |key: &str| self.detail[key].as_str();
        let named = self.detail["codes"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let codes: Vec<&str> = named.filter(|code| text("into") != Some(code)).collect();
        let things = format!("{}{} {}", text("kind").unwrap_or_default(), if codes.len() > 1 { "s" } else { "" }, codes.join(", "));
        let what = match (self.action.as_str(), text("act")) {
            ("retired", _) => format!("the retirement of {things}"),
            ("renamed", _) => format!("the renaming of {things}"),
            ("merged", _) => format!("the merging of {things} into {}", text("into").unwrap_or_default()),
            ("split", _) => format!("the splitting of {things}"),
            (_, Some(act)) => format!("the correction of the calendar ({act}) of {}", self.target),
            ("import", _) => format!("the import of {}", self.target),
            _ => format!("the correction of {}", self.target),
        };
        let why = text("reason").map(|reason| format!(", «{reason}»")).unwrap_or_default();
        format!("{what} of {} by {} (territory entry {}{why})", show_time(self.at), self.actor, self.sequence)
    }
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

/// What a text says that its norm does not: «la mayoría», or a figure.
fn misstated(norm: &Norm, rules: &NormRules, Stated { wording, body, .. }: &Stated) -> Option<String> {
    if (body.to_lowercase().contains("mayoría") || wording.contains(Text::Majority.name())) && !majority(norm.ci_low, rules) {
        return Some(format!("says «la mayoría», its norm has a lower limit of {}", norm.ci_low));
    }
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
