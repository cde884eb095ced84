//! Which segments enter, their strata, and the draw. Only `assign` reads the baseline; the rules take it as an argument.

use super::freeze::entry;
use super::protocol::{Covariate, Phase, Protocol, Stratum};
use super::randomise::{Balance, LeftOver, PATIENCE, Rule};
use super::{Trial, TrialSegment, find, segments};
use crate::account::audit;
use crate::clock::{local_day, show_day, to_micros};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{MunicipalityId, SegmentId, seeded_random, sha256_hex};
use crate::territory::dated::in_force;
use crate::{all, bulk, run};
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Fewer homes of the segment were observed in the baseline than the protocol asks for.
pub const FEW_HOMES: &str = "few_homes";
/// No home of the segment was observed in the baseline.
pub const NO_BASELINE: &str = "no_baseline";

/// How left-over units are dealt today; a trial keeps the rule it was drawn by.
const DRAW_RULE: i16 = 2;

/// What a trial's stored number of its rule means.
pub fn left_over(draw_rule: i16) -> LeftOver {
    if draw_rule < DRAW_RULE { LeftOver::ByGroup } else { LeftOver::Together }
}

/// A segment before the draw, and how many distinct homes of it were observed in the baseline weeks.
#[derive(Debug, Clone)]
pub struct Assessed {
    pub segment: TrialSegment,
    pub homes_observed: i32,
}

/// Decides who enters, forms the strata and draws the arms. Pure: the same segments, protocol and seed give the same answer.
///
/// Terciles are formed within the municipality among the segments that enter: ordered by complied ÷ observed of the baseline, ties by
/// code, the segment in place r (from 0) of n is in tercile ⌊3r ÷ n⌋ + 1. Blocks are formed within strata in the same order. Strata are
/// drawn in ascending order of their names, units in order of municipality and code, from the stream "assignment ID" of the protocol's seed.
/// `None` when no draw is as balanced as the protocol asks.
pub fn draw(protocol: &Protocol, assessed: Vec<Assessed>, left_over: LeftOver) -> Option<Vec<TrialSegment>> {
    let mut all: Vec<TrialSegment> = assessed
        .into_iter()
        .map(|Assessed { mut segment, homes_observed }| {
            segment.left_out = match () {
                _ if segment.baseline_observed == 0 || homes_observed == 0 => Some(NO_BASELINE.to_owned()),
                _ if i64::from(homes_observed) < protocol.population.minimum_homes => Some(FEW_HOMES.to_owned()),
                _ => None,
            };
            segment
        })
        .collect();
    all.sort_by(|a, b| (a.municipality_id, &a.code).cmp(&(b.municipality_id, &b.code)));
    let entering: Vec<usize> = (0..all.len()).filter(|at| all[*at].left_out.is_none()).collect();
    let by = |stratum: Stratum| protocol.assignment.strata.contains(&stratum);
    let terciles = by(Stratum::BaselineTercile).then(|| terciles(&all, &entering));
    for &at in &entering {
        let parts = [
            by(Stratum::Municipality).then(|| all[at].municipality_id.to_string()),
            terciles.as_ref().and_then(|terciles| terciles.get(&at)).map(|tercile| tercile.to_string()),
        ];
        let name = parts.into_iter().flatten().collect::<Vec<_>>().join("/");
        all[at].stratum = Some(if name.is_empty() { "all".to_owned() } else { name });
    }
    if let Some(size) = protocol.assignment.block {
        let mut within: BTreeMap<Option<String>, Vec<usize>> = BTreeMap::new();
        for &at in &entering {
            within.entry(all[at].stratum.clone()).or_default().push(at);
        }
        for mut places in within.into_values() {
            places.sort_by(|a, b| by_baseline(&all[*a], &all[*b]));
            places.into_iter().enumerate().for_each(|(rank, at)| all[at].block = Some((rank / size) as i32 + 1));
        }
    }
    let entered: Vec<&TrialSegment> = entering.iter().map(|at| &all[*at]).collect();
    let drawn = rule(protocol, &entered, left_over).draw(&mut seeded_random(protocol.seed, &format!("assignment {}", protocol.id)))?;
    for (at, arm) in entering.into_iter().zip(drawn) {
        all[at].arm = protocol.arms.get(arm).map(|arm| arm.id.clone());
    }
    Some(all)
}

/// The rule by which these segments, in order of municipality and code, are drawn, and were.
pub fn rule(protocol: &Protocol, entered: &[&TrialSegment], left_over: LeftOver) -> Rule {
    let names: BTreeSet<(&Option<String>, Option<i32>)> = entered.iter().map(|segment| (&segment.stratum, segment.block)).collect();
    let names: BTreeMap<(&Option<String>, Option<i32>), usize> = names.into_iter().enumerate().map(|(at, name)| (name, at)).collect();
    let covariate = |of: Covariate, segment: &TrialSegment| match of {
        Covariate::Baseline => (segment.baseline_observed > 0).then(|| f64::from(segment.baseline_complied) / f64::from(segment.baseline_observed)),
        Covariate::Homes => Some(f64::from(segment.homes)),
    };
    Rule {
        groups: entered.iter().map(|segment| names[&(&segment.stratum, segment.block)]).collect(),
        ratio: protocol.assignment.ratio.clone(),
        left_over,
        balance: protocol.assignment.rerandomise.as_ref().map(|rule| {
            let values = rule.covariates.iter().map(|of| entered.iter().map(|segment| covariate(*of, segment)).collect());
            Balance::new(values.collect(), rule.largest_difference)
        }),
    }
}

/// By share of the baseline that complied, ties by code. Shares are compared as fractions: no rounding decides a stratum.
fn by_baseline(a: &TrialSegment, b: &TrialSegment) -> std::cmp::Ordering {
    let left = i64::from(a.baseline_complied) * i64::from(b.baseline_observed);
    let right = i64::from(b.baseline_complied) * i64::from(a.baseline_observed);
    left.cmp(&right).then_with(|| (a.municipality_id, &a.code).cmp(&(b.municipality_id, &b.code)))
}

/// The tercile (1 lowest to 3 highest) of each entering segment within its municipality.
fn terciles(all: &[TrialSegment], entering: &[usize]) -> BTreeMap<usize, usize> {
    let mut within: BTreeMap<MunicipalityId, Vec<usize>> = BTreeMap::new();
    for &at in entering {
        within.entry(all[at].municipality_id).or_default().push(at);
    }
    let mut tercile = BTreeMap::new();
    for mut places in within.into_values() {
        places.sort_by(|a, b| by_baseline(&all[*a], &all[*b]));
        let n = places.len();
        for (rank, at) in places.into_iter().enumerate() {
            tercile.insert(at, 3 * rank / n + 1);
        }
    }
    tercile
}

/// Draws the arms of a frozen trial from its observed baseline and stores them. Again: answers what was drawn and changes nothing.
pub async fn assign(tx: &mut Tx, trial_id: &str, now: DateTime<Utc>) -> Result<Trial> {
    // Two draws at once wait for each other here; the second finds the first's.
    run!(tx, "UPDATE trial SET seed = seed WHERE trial_id = $1", trial_id)?;
    let trial = find(tx, trial_id).await?;
    if trial.assigned_at.is_some() {
        return Ok(trial);
    }
    if trial.frozen_at.is_none() {
        return Err(Error::refused("trial-not-frozen", format!("trial «{trial_id}» is not frozen; run `vecino trial freeze` on its protocol first")));
    }
    let protocol = &trial.protocol;
    let (_, last) = protocol.phase_weeks(Phase::Baseline);
    if local_day(now) <= last.sunday() {
        return Err(Error::refused(
            "baseline-running",
            format!(
                "trial {trial_id}: the baseline ends with week {last}; the draw is possible from {} on",
                show_day(last.sunday() + chrono::Duration::days(1))
            ),
        )
        .with("week", last));
    }
    let mut assessed = Vec::new();
    let mut missing = Vec::new();
    for code in &protocol.municipalities {
        let found = assess(tx, protocol, *code).await?;
        if found.iter().all(|one| one.homes_observed == 0) {
            let (from, to) = protocol.phase_weeks(Phase::Baseline);
            missing.push(format!("trial {trial_id}: municipality {code} has no home observed in the baseline weeks {from} to {to}; bring in its observations, then draw"));
        }
        assessed.extend(found);
    }
    if !missing.is_empty() {
        return Err(Error::refused_lines("baseline-missing", missing));
    }
    elsewhere(tx, protocol, &assessed, local_day(now)).await?;
    let observed: BTreeMap<SegmentId, i32> = assessed.iter().map(|one| (one.segment.segment_id, one.homes_observed)).collect();
    let drawn = draw(protocol, assessed, LeftOver::Together).ok_or_else(|| {
        Error::refused(
            "draw-unbalanced",
            format!(
                "trial {trial_id}: of {PATIENCE} draws none is as balanced as assignment.rerandomise asks; allow a larger difference by an amendment before the draw"
            ),
        )
    })?;
    let entered = drawn.iter().filter(|segment| segment.arm.is_some()).count();
    if entered < protocol.arms.len() {
        return Err(Error::refused(
            "few-segments",
            format!(
                "trial {trial_id}: {entered} of {} segments have {} or more homes observed in the baseline, and there are {} arms; observe more homes first",
                drawn.len(),
                protocol.population.minimum_homes,
                protocol.arms.len()
            ),
        ));
    }
    let rows = bulk!(
        tx,
        "INSERT INTO trial_segment (municipality_id, trial_id, segment_id, code, homes_observed, homes, baseline_observed, baseline_complied, stratum, block, arm,
            left_out)",
        drawn,
        |row| [
            row.municipality_id,
            trial_id,
            row.segment_id,
            &row.code,
            observed.get(&row.segment_id).copied(),
            row.homes,
            row.baseline_observed,
            row.baseline_complied,
            &row.stratum,
            row.block,
            &row.arm,
            &row.left_out
        ],
        ""
    )?;
    homes_of_the_draw(tx, trial_id, trial.protocol.phase_weeks(Phase::Baseline).1.sunday()).await?;
    run!(tx, "UPDATE trial SET assigned_at = $2, draw_rule = $3 WHERE trial_id = $1", trial_id, to_micros(now), DRAW_RULE)?;
    let detail = json!({
        "protocol_sha256": trial.sha256, "seed": trial.seed, "assessed": rows, "assigned": entered, "assignment_sha256": assignment_sha256(&drawn),
    });
    let detail = super::verify::leaving(tx, trial_id, detail).await?;
    audit::record(tx, MunicipalityId::NONE, now, entry("assigned", trial_id, detail)).await?;
    find(tx, trial_id).await
}

/// Refuses segments that another trial, which is not over, has in its arms: nobody could tell whose effect is whose.
async fn elsewhere(tx: &mut Tx, protocol: &Protocol, assessed: &[Assessed], today: NaiveDate) -> Result<()> {
    let own: BTreeSet<SegmentId> = assessed.iter().map(|one| one.segment.segment_id).collect();
    let mut lines = Vec::new();
    for other in super::all(tx).await?.into_iter().filter(|other| other.id != protocol.id && other.assigned_at.is_some()) {
        let last = other.protocol.week(other.protocol.calendar.weeks).sunday();
        let shared: Vec<String> = match last >= today {
            true => segments(tx, &other.id).await?.into_iter().filter(|s| s.arm.is_some() && own.contains(&s.segment_id)).map(|s| s.code).collect(),
            false => Vec::new(),
        };
        if let Some(first) = shared.first() {
            lines.push(format!(
                "trial {}: {} of its segments ({first} first) are in arms of trial {}, which runs until {}; draw after that day, or take other municipalities",
                protocol.id,
                shared.len(),
                other.id,
                show_day(last)
            ));
        }
    }
    if lines.is_empty() { Ok(()) } else { Err(Error::refused_lines("segments-taken", lines)) }
}

/// Remembers the served homes of every drawn segment as they stand on the last day of the baseline: they keep its arm wherever they move.
async fn homes_of_the_draw(tx: &mut Tx, trial_id: &str, day: NaiveDate) -> Result<()> {
    run!(
        tx,
        concat!(
            "INSERT INTO trial_home (municipality_id, trial_id, household_id, segment_id)
             SELECT v.municipality_id, t.trial_id, v.household_id, v.segment_id FROM trial_segment t
               JOIN household_version v ON v.municipality_id = t.municipality_id AND v.segment_id = t.segment_id
              WHERE t.trial_id = $1 AND t.arm IS NOT NULL AND v.service_status = 'served' AND ",
            in_force!("v", "$2")
        ),
        trial_id,
        day
    )?;
    Ok(())
}

/// SHA-256 over one line per assessed segment, `municipality,code,stratum,arm`: two draws are the same when this is.
pub fn assignment_sha256(segments: &[TrialSegment]) -> String {
    let mut text = String::new();
    for segment in segments {
        let (stratum, arm) = (segment.stratum.as_deref().unwrap_or(""), segment.arm.as_deref().unwrap_or(""));
        text.push_str(&format!("{},{},{stratum},{arm}\n", segment.municipality_id, segment.code));
    }
    sha256_hex(text.as_bytes())
}

/// The municipality's segments with served homes and baseline sums.
pub(crate) async fn assess(tx: &mut Tx, protocol: &Protocol, municipality: MunicipalityId) -> Result<Vec<Assessed>> {
    let (from, to) = protocol.phase_weeks(Phase::Baseline);
    let codes: Vec<(SegmentId, String)> = all!(
        tx,
        concat!(
            "SELECT s.segment_id, s.code FROM segment s
               JOIN segment_version v ON v.municipality_id = s.municipality_id AND v.segment_id = s.segment_id
              WHERE s.municipality_id = $1 AND ",
            in_force!("v", "$2")
        ),
        municipality,
        to.sunday()
    )?;
    let homes: Vec<(SegmentId, i64)> = all!(
        tx,
        concat!(
            "SELECT v.segment_id, COUNT(*) FROM household_version v WHERE v.municipality_id = $1 AND v.service_status = 'served'
               AND v.segment_id IS NOT NULL AND ",
            in_force!("v", "$2"),
            " GROUP BY v.segment_id"
        ),
        municipality,
        to.sunday()
    )?;
    let observed: Vec<(SegmentId, i64)> = all!(
        tx,
        "SELECT w.segment_id, COUNT(DISTINCT w.household_id) FROM home_week w
          WHERE w.municipality_id = $1 AND w.iso_week BETWEEN $2 AND $3 AND w.observed > 0 GROUP BY w.segment_id",
        municipality,
        from,
        to
    )?;
    let sums: Vec<(SegmentId, i64, i64)> = all!(
        tx,
        "SELECT segment_id, CAST(SUM(observed) AS BIGINT), CAST(SUM(complied) AS BIGINT) FROM segment_week
          WHERE municipality_id = $1 AND iso_week BETWEEN $2 AND $3 GROUP BY segment_id",
        municipality,
        from,
        to
    )?;
    let homes: BTreeMap<SegmentId, i64> = homes.into_iter().collect();
    let observed: BTreeMap<SegmentId, i64> = observed.into_iter().collect();
    let sums: BTreeMap<SegmentId, (i64, i64)> = sums.into_iter().map(|(segment, observed, complied)| (segment, (observed, complied))).collect();
    let small = |n: i64| i32::try_from(n).unwrap_or(i32::MAX);
    Ok(codes
        .into_iter()
        .map(|(segment_id, code)| {
            let (seen, complied) = sums.get(&segment_id).copied().unwrap_or_default();
            let segment = TrialSegment {
                municipality_id: municipality,
                segment_id,
                code,
                homes: small(homes.get(&segment_id).copied().unwrap_or_default()),
                baseline_observed: small(seen),
                baseline_complied: small(complied),
                stratum: None,
                block: None,
                arm: None,
                left_out: None,
            };
            Assessed { segment, homes_observed: small(observed.get(&segment_id).copied().unwrap_or_default()) }
        })
        .collect())
}

/// How many segments of each stratum each arm got, strata and arms in their order.
pub fn table(protocol: &Protocol, segments: &[TrialSegment]) -> Vec<(String, Vec<usize>)> {
    let mut rows: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for segment in segments {
        let (Some(stratum), Some(arm)) = (&segment.stratum, &segment.arm) else { continue };
        let row = rows.entry(stratum.clone()).or_insert_with(|| vec![0; protocol.arms.len()]);
        if let Some(at) = protocol.arms.iter().position(|one| one.id == *arm) {
            row[at] += 1;
        }
    }
    rows.into_iter().collect()
}

/// The stored assignment, for whoever prints it.
pub async fn stored(tx: &mut Tx, trial: &Trial) -> Result<(Vec<(String, Vec<usize>)>, Vec<TrialSegment>)> {
    let segments = segments(tx, &trial.id).await?;
    Ok((table(&trial.protocol, &segments), segments))
}
