//! Revising: what was published is made anew when the tallies changed, by late phones, corrections of rows or corrections of places.
//!
//! A revision takes in what changed in a week as far as no reader of all revisions can subtract his way to few homes
//! ([`super::subtraction`]); the rest waits, and the week says so. Every period that stands on the week, or is compared with one that does,
//! is written in the same transaction: week, block and phase stand on one basis.
//!
//! Once the last look of a trial is open, what only that trial hid is shown by a revision too, as far as nobody can subtract from it.

use super::basis::{self, Basis};
use super::hiding::Why;
use super::period::{Name, Span};
use super::publication::{blinded, protocols};
use super::subtraction::{Published, Standing, Verdict, Waiting, judge, released};
use super::table::{By, Division, Table, division_of};
use crate::account::audit;
use crate::clock::Week;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::MunicipalityId;
use crate::trial::blinding::{self, Arms};
use crate::{all, run};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// What is looked at.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// Weeks whose tallies were rewritten since they were last looked at.
    Rewritten,
    /// Everything that was published; what does not say what its basis gives is written anew.
    All,
    /// One published period with the weeks it holds.
    Period(Name),
}

/// What a revision did.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Revised {
    /// Names of the periods that have a new revision, oldest first.
    pub periods: Vec<String>,
    /// Weeks of which something waits, and why.
    pub waiting: BTreeMap<String, BTreeSet<&'static str>>,
}

/// The latest revision of a period.
struct Latest {
    span: Span,
    period: String,
    revision: i32,
    source_hash: String,
}

/// Takes in what changed and writes the next revision of every period it touches.
pub async fn revise(tx: &mut Tx, municipality: MunicipalityId, actor: &str, reason: &str, now: DateTime<Utc>, what: &What) -> Result<Revised> {
    let open = opened(tx, municipality, now).await?;
    if *what == What::Rewritten && open.is_empty() && basis::rewritten(tx, municipality).await?.is_empty() {
        return Ok(Revised::default());
    }
    // Two servers that revise at once wait for each other here.
    run!(tx, "UPDATE municipality SET pilot = pilot WHERE municipality_id = $1", municipality)?;
    let protocols = protocols(tx, municipality).await?;
    let arms = blinded(tx, municipality, now).await?;
    let by = By { protocols: &protocols, arms: &arms };
    let mut revised = Revised { periods: release(tx, municipality, &by, &open, now).await?, ..Revised::default() };
    // What changed besides comes with the next revision, a minute later: one revision at a time.
    if *what == What::Rewritten && !revised.periods.is_empty() {
        note(tx, municipality, &revised, actor, reason, now).await?;
        return Ok(revised);
    }
    let published = latest(tx, municipality).await?;
    let asked = match what {
        What::Period(name) => {
            let period = name.to_string();
            let found = published.iter().find(|latest| latest.period == period);
            Some(found.ok_or_else(|| not_published(municipality, &period, &published))?.span.clone())
        }
        _ => None,
    };
    let mut weeks: BTreeSet<Week> = match &asked {
        Some(span) => basis::weeks(tx, municipality).await?.into_iter().filter(|week| (span.first..=span.last).contains(week)).collect(),
        None if *what == What::All => basis::weeks(tx, municipality).await?.into_iter().collect(),
        None => basis::rewritten(tx, municipality).await?.into_iter().collect(),
    };
    weeks.extend(open);
    let mut changed: BTreeMap<Week, Division> = BTreeMap::new();
    for week in weeks {
        let Some(own) = published.iter().find(|latest| latest.span.name == Name::Week(week)) else { continue };
        let verdict = take_in(tx, municipality, week, own, &arms, &mut changed).await?;
        let waiting: BTreeSet<&'static str> = verdict.waiting.iter().map(|waiting| waiting.name()).collect();
        let text = waiting.iter().copied().collect::<Vec<_>>().join(",");
        basis::compared(tx, municipality, week, (!waiting.is_empty()).then_some(text.as_str()), now).await?;
        if !waiting.is_empty() {
            revised.waiting.insert(week.to_string(), waiting);
        }
    }
    let touched = changed.keys().copied().collect();
    let looked_at = |latest: &Latest| asked.as_ref().map_or(*what == What::All, |span| latest.span == *span);
    let touched = Touched { weeks: touched, changed, released: false };
    for period in rewrite(tx, municipality, &by, &published, &touched, looked_at, now).await? {
        if !revised.periods.contains(&period) {
            revised.periods.push(period);
        }
    }
    if !revised.periods.is_empty() {
        note(tx, municipality, &revised, actor, reason, now).await?;
    }
    Ok(revised)
}

async fn note(tx: &mut Tx, municipality: MunicipalityId, revised: &Revised, actor: &str, reason: &str, now: DateTime<Utc>) -> Result<()> {
    let detail = json!({ "periods": revised.periods, "reason": reason });
    audit::record(tx, municipality, now, audit::Entry { stream: "publication", actor, action: "revised", target: "map", detail }).await
}

/// Weeks that no longer stand on what longer periods and comparisons were made from.
struct Touched {
    weeks: BTreeSet<Week>,
    /// Those that were published before and are revised themselves, with how the areas stand that come to be shown or hidden.
    changed: BTreeMap<Week, Division>,
    /// Whether longer periods show what their weeks no longer hide.
    released: bool,
}

/// Weeks that were published after periods which hold them or are compared with them, and weeks that came to a phase or left it: those
/// periods are made anew.
pub(super) async fn published_late(
    tx: &mut Tx,
    municipality: MunicipalityId,
    mut weeks: BTreeSet<Week>,
    relaid: BTreeSet<Week>,
    now: DateTime<Utc>,
) -> Result<Vec<String>> {
    let protocols = protocols(tx, municipality).await?;
    let mut published = latest(tx, municipality).await?;
    published.retain(|latest| !matches!(latest.span.name, Name::Week(week) if weeks.contains(&week)));
    weeks.extend(relaid);
    let by = By { protocols: &protocols, arms: &[] };
    rewrite(tx, municipality, &by, &published, &Touched { weeks, changed: BTreeMap::new(), released: false }, |_| false, now).await
}

/// Writes the next revision of the periods that stand on touched weeks, and of those `looked_at` that do not say what they stand on.
async fn rewrite(
    tx: &mut Tx,
    municipality: MunicipalityId,
    by: &By<'_>,
    published: &[Latest],
    touched: &Touched,
    looked_at: impl Fn(&Latest) -> bool,
    now: DateTime<Utc>,
) -> Result<Vec<String>> {
    let mut periods = Vec::new();
    for latest in published {
        let holds = |span: &Span| touched.weeks.iter().any(|week| (span.first..=span.last).contains(week));
        let before = latest.span.name.previous().and_then(|name| name.weeks(by.protocols).map(|(first, last)| Span { name, first, last }));
        if !(looked_at(latest) || holds(&latest.span) || before.as_ref().is_some_and(holds)) {
            continue;
        }
        let (division, changed) = match latest.span.name {
            Name::Week(week) => {
                let mut division = division_of(tx, municipality, &latest.period).await?.unwrap_or_default();
                division.extend(touched.changed.get(&week).into_iter().flatten().map(|(area, why)| (area.clone(), *why)));
                (Some(division), touched.changed.contains_key(&week))
            }
            _ => (None, false),
        };
        let table = Table::gather(tx, municipality, &latest.span, by, division.as_ref()).await?;
        let same = !changed && table.source_hash() == latest.source_hash;
        if same && (!(looked_at(latest) || touched.released) || table.stands(tx, municipality, latest.revision).await?) {
            continue;
        }
        table.write(tx, municipality, latest.revision + 1, now).await?;
        periods.push(latest.period.clone());
    }
    Ok(periods)
}

fn not_published(municipality: MunicipalityId, period: &str, published: &[Latest]) -> Error {
    let remedy = match published.last() {
        Some(last) => format!("the latest is {}", last.period),
        None => "nothing is yet".to_owned(),
    };
    Error::not_found("period-not-published", format!("{period} was not published in {municipality}; {remedy}")).with("period", period)
}

/// The latest revision of every published period, weeks before the longer periods that end with them.
async fn latest(tx: &mut Tx, municipality: MunicipalityId) -> Result<Vec<Latest>> {
    let rows: Vec<(String, i32, String, Week, Week)> = all!(
        tx,
        "SELECT p.period, p.revision, p.source_hash, p.first_week, p.last_week FROM publication p
         WHERE p.municipality_id = $1 AND p.revision = (SELECT MAX(q.revision) FROM publication q
               WHERE q.municipality_id = p.municipality_id AND q.period = p.period)
         ORDER BY p.last_week, CASE p.kind WHEN 'week' THEN 0 WHEN 'block' THEN 1 ELSE 2 END, p.period",
        municipality
    )?;
    let mut latest = Vec::new();
    for (period, revision, source_hash, first, last) in rows {
        // With the weeks it was published with: those of an amended phase come in when they are due.
        let name = Name::parse(&period)?;
        latest.push(Latest { span: Span { name, first, last }, period, revision, source_hash });
    }
    Ok(latest)
}

/// Lets a week stand on the current tallies where that may be told; notes it in `changed` with the areas that nobody was observed in before.
async fn take_in(
    tx: &mut Tx,
    municipality: MunicipalityId,
    week: Week,
    own: &Latest,
    arms: &[Arms],
    changed: &mut BTreeMap<Week, Division>,
) -> Result<Verdict> {
    let basis = Basis::read(tx, municipality, week).await?;
    if basis.changes(|_| true).is_empty() {
        return Ok(Verdict::default());
    }
    let past: Vec<Published> = basis.past.iter().map(|(_, row)| row.clone()).collect();
    let now = basis.now.iter().map(|((home, place), sums)| ((*home, basis.codes.get(place).cloned().unwrap_or_default()), *sums)).collect();
    let (standing, total_shown) = standing(tx, municipality, &own.period, &past).await?;
    let arms: Vec<_> = arms.iter().map(|arms| arms.of(week)).filter(|arms| !arms.is_empty()).collect();
    let verdict = judge(&standing, total_shown, &past, &now, &arms);
    let changes = basis.changes(|area| verdict.taken.contains(area));
    if !changes.is_empty() {
        basis::replace(tx, municipality, week, own.revision + 1, &changes).await?;
        let blind = verdict.newly_blind.iter().map(|area| (area.clone(), Some(Why::OneArm)));
        changed.insert(week, verdict.newly_shown.iter().map(|area| (area.clone(), None)).chain(blind).collect());
        if !verdict.newly_blind.is_empty() {
            basis::blinded(tx, municipality, week, true).await?;
        }
    }
    Ok(verdict)
}

/// How the areas of a week stood in all its revisions, and whether its total is shown.
async fn standing(tx: &mut Tx, municipality: MunicipalityId, period: &str, past: &[Published]) -> Result<(BTreeMap<String, Standing>, bool)> {
    let shown: Vec<(String, i32)> = all!(
        tx,
        "SELECT area, MIN(revision) FROM publication_cell WHERE municipality_id = $1 AND period = $2 AND hidden = $3 GROUP BY area",
        municipality,
        period,
        false
    )?;
    // Whoever was observed in an area that no revision shows was hidden.
    let mut standing: BTreeMap<String, Standing> = past.iter().map(|row| (row.area.clone(), Standing::Hidden)).collect();
    standing.extend(shown.into_iter().map(|(area, since)| (area, Standing::Shown(since))));
    let total = standing.remove("");
    Ok((standing, matches!(total, Some(Standing::Shown(_)))))
}

/// The weeks of which a trial hides something or lets it wait, and no trial may any more.
async fn opened(tx: &mut Tx, municipality: MunicipalityId, now: DateTime<Utc>) -> Result<Vec<Week>> {
    let mut weeks = basis::kept_blind(tx, municipality).await?;
    if !weeks.is_empty() {
        let running = blinding::of(tx, municipality, now).await?;
        weeks.retain(|week| !running.iter().any(|trial| trial.holds(*week)));
    }
    Ok(weeks)
}

/// Shows what only a trial hid, of weeks that no trial keeps any more, and writes the next revision of all periods that hold them. What
/// would tell of few homes now stays hidden, for that reason.
async fn release(tx: &mut Tx, municipality: MunicipalityId, by: &By<'_>, weeks: &[Week], now: DateTime<Utc>) -> Result<Vec<String>> {
    if weeks.is_empty() {
        return Ok(Vec::new());
    }
    let published = latest(tx, municipality).await?;
    let mut changed: BTreeMap<Week, Division> = BTreeMap::new();
    for week in weeks {
        let Some(own) = published.iter().find(|latest| latest.span.name == Name::Week(*week)) else { continue };
        let division = division_of(tx, municipality, &own.period).await?.unwrap_or_default();
        let hidden: BTreeSet<String> = division.iter().filter(|(_, why)| **why == Some(Why::OneArm)).map(|(area, _)| area.clone()).collect();
        basis::blinded(tx, municipality, *week, false).await?;
        if hidden.is_empty() {
            continue;
        }
        let past: Vec<Published> = Basis::read(tx, municipality, *week).await?.past.into_iter().map(|(_, row)| row).collect();
        let (standing, total_shown) = standing(tx, municipality, &own.period, &past).await?;
        let shown = released(&standing, total_shown || hidden.contains(""), &past, &hidden);
        let why = |area: &String| if area.is_empty() || shown.contains(area) { None } else { Some(Why::FewHomes) };
        changed.insert(*week, hidden.iter().map(|area| (area.clone(), why(area))).collect());
    }
    let weeks = changed.keys().copied().collect();
    rewrite(tx, municipality, by, &published, &Touched { weeks, changed, released: true }, |_| false, now).await
}

/// The published weeks of which something waits to be published, and why, oldest first.
pub async fn waiting(tx: &mut Tx, municipality: MunicipalityId) -> Result<Vec<(Week, Vec<Waiting>, DateTime<Utc>)>> {
    let rows: Vec<(Week, String, DateTime<Utc>)> = all!(
        tx,
        "SELECT iso_week, waiting, waiting_since FROM published_week WHERE municipality_id = $1 AND waiting IS NOT NULL ORDER BY iso_week",
        municipality
    )?;
    Ok(rows.into_iter().map(|(week, why, since)| (week, why.split(',').filter_map(Waiting::parse).collect(), since)).collect())
}
