//! Freeze and amend: after the freeze a changed file is refused, or becomes a numbered, dated amendment whose hash then counts.

use super::protocol::{PlannedLook, Protocol};
use super::{Trial, find, find_if_any, looks};
use crate::account::audit;
use crate::clock::{local_day, show_day, to_micros};
use crate::db::Tx;
use crate::error::{Error, Kind, Result};
use crate::id::MunicipalityId;
use crate::{opt, run};
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::json;

/// Who the audit chain names for what the command line did.
pub(crate) const COMMAND_LINE: &str = "vecino trial";

/// Stores the protocol byte for byte with its hash, seed and looks. The same text again changes nothing; another text is refused.
pub async fn freeze(tx: &mut Tx, text: &str, place: &str, now: DateTime<Utc>) -> Result<Trial> {
    let protocol = sound(text, place)?;
    if let Some(trial) = find_if_any(tx, &protocol.id).await? {
        same(&trial, text, place)?;
        return Ok(trial);
    }
    municipalities_exist(tx, &protocol, place).await?;
    can_begin(tx, &protocol, local_day(now), place).await?;
    let sha256 = Protocol::sha256(text);
    let seed =
        i64::try_from(protocol.seed).map_err(|_| Error::refused("protocol", format!("{place}: seed: is too large; use at most {}", i64::MAX)))?;
    run!(
        tx,
        "INSERT INTO trial (trial_id, title, protocol, protocol_sha256, seed, frozen_at) VALUES ($1, $2, $3, $4, $5, $6)",
        &protocol.id,
        &protocol.title,
        text,
        &sha256,
        seed,
        to_micros(now)
    )?;
    looks::plan(tx, &protocol, None).await?;
    let detail = json!({"sha256": sha256, "seed": protocol.seed});
    let detail = super::verify::leaving(tx, &protocol.id, detail).await?;
    audit::record(tx, MunicipalityId::NONE, now, entry("frozen", &protocol.id, detail)).await?;
    find(tx, &protocol.id).await
}

/// Records a change of a frozen protocol. Refuses what a running trial cannot change, and a text that changes nothing.
pub async fn amend(tx: &mut Tx, text: &str, place: &str, reason: &str, now: DateTime<Utc>) -> Result<Trial> {
    let protocol = sound(text, place)?;
    let reason = reason.trim();
    if reason.is_empty() {
        return Err(Error::refused("amendment-reason", format!("{place}: an amendment needs its reason; give --reason TEXT")));
    }
    // Two amendments at once wait for each other here.
    run!(tx, "UPDATE trial SET seed = seed WHERE trial_id = $1", &protocol.id)?;
    let Some(trial) = find_if_any(tx, &protocol.id).await? else {
        return Err(Error::new(
            Kind::NotFound,
            "trial-unknown",
            format!(
                "{place}: trial «{}» is not frozen in this database, so nothing can be amended (an id never changes); freeze it with `vecino trial freeze {place}`",
                protocol.id
            ),
        ));
    };
    let sha256 = Protocol::sha256(text);
    if sha256 == trial.sha256 {
        return Err(Error::refused(
            "amendment-empty",
            format!("{place}: this file is what counts already (sha256 {sha256}); there is nothing to amend"),
        ));
    }
    let locked = unchangeable(&trial, &protocol, local_day(now));
    if !locked.is_empty() {
        return Err(Error::refused_lines("amendment-refused", locked.into_iter().map(|line| format!("{place}: {line}")).collect()));
    }
    let number = trial.amendments.last().map_or(0, |last| last.number) + 1;
    run!(
        tx,
        "INSERT INTO trial_amendment (trial_id, number, dated_at, reason, protocol, protocol_sha256) VALUES ($1, $2, $3, $4, $5, $6)",
        &protocol.id,
        number,
        to_micros(now),
        reason,
        text,
        &sha256
    )?;
    run!(tx, "UPDATE trial SET title = $2 WHERE trial_id = $1", &protocol.id, &protocol.title)?;
    looks::plan(tx, &protocol, Some(local_day(now))).await?;
    let detail = json!({"number": number, "reason": reason, "before": trial.sha256, "sha256": sha256});
    let detail = super::verify::leaving(tx, &protocol.id, detail).await?;
    audit::record(tx, MunicipalityId::NONE, now, entry("amended", &protocol.id, detail)).await?;
    find(tx, &protocol.id).await
}

/// The frozen trial a file speaks of; refuses a file that is not what counts, naming both hashes.
pub async fn unchanged(tx: &mut Tx, text: &str, place: &str) -> Result<Trial> {
    let protocol = Protocol::parse(text, place)?;
    let Some(trial) = find_if_any(tx, &protocol.id).await? else {
        return Err(Error::refused(
            "trial-not-frozen",
            format!("{place}: trial «{}» is not frozen yet; record its protocol first with `vecino trial freeze {place}`", protocol.id),
        )
        .with("trial", &protocol.id));
    };
    same(&trial, text, place)?;
    Ok(trial)
}

fn same(trial: &Trial, text: &str, place: &str) -> Result<()> {
    let sha256 = Protocol::sha256(text);
    if sha256 == trial.sha256 {
        return Ok(());
    }
    let what = match trial.amendments.last() {
        Some(amendment) => format!("amendment {} has", amendment.number),
        None => "the frozen protocol has".to_owned(),
    };
    Err(Error::refused(
        "protocol-changed",
        format!(
            "{place}: this file has sha256 {sha256}, {what} sha256 {}; restore that text, or record the change with `vecino trial amend {place} --reason TEXT`",
            trial.sha256
        ),
    )
    .with("trial", &trial.id))
}

fn sound(text: &str, place: &str) -> Result<Protocol> {
    // Whether wordings exist is asked by the command, which is told where they are.
    let problems = Protocol::problems(text, place, &|_| true)?;
    if problems.is_empty() {
        return Protocol::parse(text, place);
    }
    Err(Error::refused_lines("protocol", problems.into_iter().map(|line| format!("{place}: {line}")).collect()))
}

/// Refuses a protocol for municipalities this database does not have.
pub(crate) async fn municipalities_exist(tx: &mut Tx, protocol: &Protocol, place: &str) -> Result<()> {
    let mut lines = Vec::new();
    for code in &protocol.municipalities {
        let known: Option<(MunicipalityId,)> = opt!(tx, "SELECT municipality_id FROM municipality WHERE municipality_id = $1", *code)?;
        if known.is_none() {
            lines.push(format!("{place}: municipalities: «{code}» is not among the municipalities of this database; correct the code, or import it with `vecino geo import municipalities`"));
        }
    }
    if lines.is_empty() { Ok(()) } else { Err(Error::refused_lines("municipality-unknown", lines)) }
}

/// Refuses a trial whose calendar is over, and a campaign that another trial has the name of.
pub(crate) async fn can_begin(tx: &mut Tx, protocol: &Protocol, today: NaiveDate, place: &str) -> Result<()> {
    let mut lines: Vec<String> = over(protocol, today, place).into_iter().collect();
    for other in super::all(tx).await?.into_iter().filter(|other| other.id != protocol.id) {
        for name in protocol.campaigns.keys().filter(|name| other.protocol.campaigns.contains_key(*name)) {
            lines.push(format!(
                "{place}: campaigns.{name}: trial {} has a campaign of that name, and commands find it by its name; give this one another",
                other.id
            ));
        }
    }
    if lines.is_empty() { Ok(()) } else { Err(Error::refused_lines("protocol", lines)) }
}

/// What is wrong with a trial that would begin after its end.
pub(crate) fn over(protocol: &Protocol, today: NaiveDate, place: &str) -> Option<String> {
    let last = protocol.week(protocol.calendar.weeks).sunday();
    (last < today).then(|| {
        format!(
            "{place}: calendar: its last day was {}, so nothing of it can be observed any more; write a first_week that is still to come",
            show_day(last)
        )
    })
}

/// What an amendment may not touch: one line each, empty when it may be recorded.
fn unchangeable(trial: &Trial, new: &Protocol, today: NaiveDate) -> Vec<String> {
    let old = &trial.protocol;
    let mut lines = Vec::new();
    let mut keep = |same: bool, key: &str, why: &str| {
        if !same {
            lines.push(format!("{key}: cannot be changed by an amendment, {why}; restore it, or freeze a new trial under another id"));
        }
    };
    keep(old.seed == new.seed, "seed", "the draw follows from it");
    keep(old.municipalities == new.municipalities, "municipalities", "the trial was registered for them");
    keep(old.assignment == new.assignment, "assignment", "the draw follows from it");
    keep(old.arms == new.arms, "arms", "segments are drawn into them");
    if trial.assigned_at.is_some() {
        let why = "the segments are drawn already";
        keep(old.calendar.first_week == new.calendar.first_week, "calendar.first_week", why);
        keep(old.calendar.baseline == new.calendar.baseline, "calendar.baseline", why);
        keep(old.population.minimum_homes == new.population.minimum_homes, "population.minimum_homes", why);
    }
    let due = |protocol: &Protocol| -> Vec<(i32, i64, NaiveDate)> {
        let planned = |look: &PlannedLook| (look.look, look.data_through, protocol.look_opens(look));
        protocol.looks.iter().map(planned).filter(|(_, _, opens_on)| *opens_on <= today).collect()
    };
    keep(due(old) == due(new), "looks", "a look whose day has come stays as planned and none may be added in the past");
    lines
}

pub(crate) fn entry<'a>(action: &'a str, trial_id: &'a str, detail: serde_json::Value) -> audit::Entry<'a> {
    audit::Entry { stream: "trial", actor: COMMAND_LINE, action, target: trial_id, detail }
}
