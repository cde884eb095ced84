//! Publishing: each period once, as a whole, from the tallies of homes with service; revised only as a whole with the next revision number
//! ([`super::revision`]).
//!
//! A week takes what it stands on from the tallies ([`super::basis`]); longer periods stand on what their weeks stand on, so that a week, its
//! block and its phase never say different things.

use super::period::{Name, due};
use super::table::{By, Table};
use super::{Measure, basis, revision};
use crate::account::audit;
use crate::clock::{Week, at_local, local_day};
use crate::db::Tx;
use crate::error::Result;
use crate::id::MunicipalityId;
use crate::trial::blinding::{self, Arms};
use crate::trial::protocol::{Phase, Protocol, published_on};
use crate::{all, bulk, one, opt, run};
use chrono::{DateTime, Utc};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Breaks agreed with the two municipalities, lower ends of classes 2 to 5. Any other pair of municipality and measure gets the default rule.
const AGREED: [(i16, Measure, [f64; 4]); 2] =
    [(1202, Measure::Complied, [0.40, 0.50, 0.60, 0.70]), (114, Measure::Complied, [0.25, 0.35, 0.45, 0.55])];
/// Without a trial the first four published weeks stand for the baseline.
const WEEKS_WITHOUT_TRIAL: i64 = 4;

/// Publishes every week, block and phase whose Wednesday has come and that was not published yet; answers their names. Calling it again
/// changes nothing.
pub async fn publish_due(tx: &mut Tx, municipality: MunicipalityId, now: DateTime<Utc>) -> Result<Vec<String>> {
    // Two servers that publish at once wait for each other here.
    run!(tx, "UPDATE municipality SET pilot = pilot WHERE municipality_id = $1", municipality)?;
    let Some(from) = first_week(tx, municipality).await? else { return Ok(Vec::new()) };
    let protocols = protocols(tx, municipality).await?;
    let done: Vec<(String, i32, Week, Week)> = all!(
        tx,
        "SELECT period, revision, first_week, last_week FROM publication WHERE municipality_id = $1 ORDER BY period, revision",
        municipality
    )?;
    // The latest revision of each.
    let done: BTreeMap<String, (i32, Week, Week)> =
        done.into_iter().map(|(period, revision, first, last)| (period, (revision, first, last))).collect();
    let mut names = Vec::new();
    let (mut weeks, mut relaid) = (BTreeSet::new(), BTreeSet::new());
    let mut arms: Option<Vec<Arms>> = None;
    for span in due(from, local_day(now), &protocols) {
        let name = span.name.to_string();
        let revision = match done.get(&name) {
            Some((_, first, last)) if (*first, *last) == (span.first, span.last) => continue,
            // An amendment has moved a phase that was published: it is published again, as a whole.
            Some((revision, first, last)) => {
                relaid.extend((0..=last.since(*first)).map(|n| first.plus(n)));
                relaid.extend((0..=span.last.since(span.first)).map(|n| span.first.plus(n)));
                revision + 1
            }
            None => 1,
        };
        if let Name::Week(week) = span.name {
            basis::take(tx, municipality, week).await?;
        }
        if arms.is_none() {
            arms = Some(blinded(tx, municipality, now).await?);
        }
        let by = By { protocols: &protocols, arms: arms.as_deref().unwrap_or_default() };
        let table = Table::gather(tx, municipality, &span, &by, None).await?;
        // A period nobody was observed in waits: published empty, its areas would stay hidden when its observations come in late.
        if table.is_empty() {
            continue;
        }
        table.write(tx, municipality, revision, now).await?;
        names.push(name);
        if let Name::Week(week) = span.name {
            weeks.insert(week);
            if table.is_blind() {
                basis::blinded(tx, municipality, week, true).await?;
            }
        }
        fix_breaks(tx, municipality, from, &protocols).await?;
    }
    if !names.is_empty() {
        let again = revision::published_late(tx, municipality, weeks, relaid, now).await?;
        let entry = audit::Entry {
            stream: "publication",
            actor: "vecino",
            action: "published",
            target: "map",
            detail: json!({ "periods": names, "revised": again }),
        };
        audit::record(tx, municipality, now, entry).await?;
    }
    Ok(names)
}

/// For a history that was loaded at once: publishes as if somebody had done so at six o'clock of every Wednesday up to `now`.
pub async fn publish_history(tx: &mut Tx, municipality: MunicipalityId, now: DateTime<Utc>) -> Result<Vec<String>> {
    let Some(mut week) = first_week(tx, municipality).await? else { return Ok(Vec::new()) };
    let mut names = Vec::new();
    while at_local(published_on(week), 6, 0) <= now {
        names.extend(publish_due(tx, municipality, at_local(published_on(week), 6, 0)).await?);
        week = week.plus(1);
    }
    Ok(names)
}

async fn first_week(tx: &mut Tx, municipality: MunicipalityId) -> Result<Option<Week>> {
    let (first,): (Option<i32>,) = one!(tx, "SELECT MIN(iso_week) FROM home_week WHERE municipality_id = $1 AND observed > 0", municipality)?;
    Ok(first.map(Week))
}

/// The arms that may not be told apart at that moment, of every trial that runs in this municipality.
pub(super) async fn blinded(tx: &mut Tx, municipality: MunicipalityId, now: DateTime<Utc>) -> Result<Vec<Arms>> {
    let mut arms = Vec::new();
    for blinding in blinding::of(tx, municipality, now).await? {
        arms.push(blinding.arms(tx, municipality).await?);
    }
    Ok(arms)
}

/// The protocols in force of the trials that run in this municipality: an amendment moves their phases.
pub(super) async fn protocols(tx: &mut Tx, municipality: MunicipalityId) -> Result<Vec<Protocol>> {
    Ok(crate::trial::of(tx, municipality).await?.into_iter().map(|trial| trial.protocol).collect())
}

/// Fixes the breaks of the classes once the baseline is published, and never again. Default rule: the municipality's baseline rate rounded
/// to 5 points stands in the middle of class 3, classes 2 to 4 are 10 points wide, all moved so that every break lies between 5 and 95.
async fn fix_breaks(tx: &mut Tx, municipality: MunicipalityId, from: Week, protocols: &[Protocol]) -> Result<()> {
    for measure in Measure::ALL {
        let (fixed,): (i64,) = one!(tx, "SELECT COUNT(*) FROM map_class WHERE municipality_id = $1 AND measure = $2", municipality, measure.name())?;
        if fixed > 0 {
            continue;
        }
        let agreed = AGREED.iter().find(|(code, of, _)| *code == municipality.0 && *of == measure).map(|(.., breaks)| *breaks);
        let breaks = match agreed {
            Some(breaks) => breaks,
            None => {
                let (first, last) = match protocols.first() {
                    Some(protocol) => protocol.phase_weeks(Phase::Baseline),
                    None => (from, from.plus(WEEKS_WITHOUT_TRIAL - 1)),
                };
                let counts: Option<(Option<i64>, Option<i64>, i64)> = opt!(
                    tx,
                    "SELECT CAST(SUM(c.y) AS BIGINT), CAST(SUM(c.n) AS BIGINT), CAST(MAX(CASE WHEN p.last_week >= $4 THEN 1 ELSE 0 END) AS BIGINT)
                     FROM publication p
                     JOIN publication_cell c ON c.municipality_id = p.municipality_id AND c.period = p.period AND c.revision = p.revision
                     WHERE p.municipality_id = $1 AND p.kind = 'week' AND p.revision = 1 AND c.area = '' AND c.measure = $2
                       AND p.first_week >= $3 AND p.last_week <= $4
                     HAVING COUNT(*) > 0",
                    municipality,
                    measure.name(),
                    first,
                    last
                )?;
                match counts {
                    Some((Some(y), Some(n), complete)) if n > 0 && complete == 1 => default_breaks(y as f64 / n as f64),
                    _ => continue,
                }
            }
        };
        let rows: Vec<(i16, f64)> = [0.0].into_iter().chain(breaks).zip(1..).map(|(lower, class)| (class, lower)).collect();
        bulk!(tx, "INSERT INTO map_class (municipality_id, measure, class, lower)", rows, |row| [municipality, measure.name(), row.0, row.1], "")?;
    }
    Ok(())
}

fn default_breaks(rate: f64) -> [f64; 4] {
    let middle = ((rate * 20.0).round() * 5.0).clamp(20.0, 80.0);
    [-15.0, -5.0, 5.0, 15.0].map(|step| (middle + step) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::default_breaks;

    #[test]
    fn default_breaks_stand_round_the_baseline_and_within_the_scale() {
        assert_eq!(default_breaks(0.534), [0.40, 0.50, 0.60, 0.70]);
        assert_eq!(default_breaks(0.97), [0.65, 0.75, 0.85, 0.95]);
        assert_eq!(default_breaks(0.02), [0.05, 0.15, 0.25, 0.35]);
    }
}
