//! Where a trial stands today: protocol and hash, calendar in days and weeks, looks, the draw, pooled counts. Never a figure by arm.

use super::homes::Homes;
use super::protocol::{Phase, Protocol};
use super::{Trial, assign, looks};
use crate::all;
use crate::clock::{Week, show_day, show_time};
use crate::db::Tx;
use crate::error::Result;
use crate::id::{MunicipalityId, SegmentId};
use chrono::NaiveDate;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone, Serialize)]
pub struct Status {
    pub trial: String,
    pub title: String,
    pub protocol_sha256: String,
    pub frozen_sha256: String,
    pub seed: u64,
    pub registry_number: String,
    pub ethics_approval: String,
    pub frozen_at: Option<String>,
    pub assigned_at: Option<String>,
    pub amendments: Vec<Amended>,
    pub calendar: Vec<Stretch>,
    pub today: NaiveDate,
    /// Counted from 1; below 1 before the trial, above `weeks` after it.
    pub trial_week: i64,
    pub weeks: i64,
    pub phase: Option<&'static str>,
    pub looks: Vec<LookLine>,
    pub look_requests: usize,
    pub draw: Option<Draw>,
    pub pooled: Vec<Pooled>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Amended {
    pub number: i32,
    pub dated_at: String,
    pub reason: String,
    pub sha256: String,
}

/// A phase: trial weeks, ISO weeks and days, first and last.
#[derive(Debug, Clone, Serialize)]
pub struct Stretch {
    pub phase: &'static str,
    pub weeks: [i64; 2],
    pub iso_weeks: [String; 2],
    pub days: [NaiveDate; 2],
}

#[derive(Debug, Clone, Serialize)]
pub struct LookLine {
    pub look: i32,
    pub data_through: String,
    pub opens_on: NaiveDate,
    pub open: bool,
    pub opened_at: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Draw {
    pub assessed: usize,
    pub assigned: usize,
    pub left_out: BTreeMap<String, usize>,
    pub assignment_sha256: String,
    pub arms: Vec<String>,
    /// Segments of each stratum by arm, in the order of `arms`.
    pub strata: Vec<(String, Vec<usize>)>,
}

/// Counted collections of one phase over the trial's segments, all arms together.
#[derive(Debug, Clone, Serialize)]
pub struct Pooled {
    pub phase: &'static str,
    pub observed: i64,
    pub set_out: i64,
    pub complied: i64,
}

/// The phases with their weeks and days.
pub fn calendar(protocol: &Protocol) -> Vec<Stretch> {
    let calendar = &protocol.calendar;
    [(Phase::Baseline, calendar.baseline), (Phase::Messages, calendar.messages), (Phase::After, calendar.after)]
        .into_iter()
        .map(|(phase, weeks)| {
            let (from, to) = protocol.phase_weeks(phase);
            Stretch { phase: phase.name(), weeks, iso_weeks: [from.to_string(), to.to_string()], days: [from.monday(), to.sunday()] }
        })
        .collect()
}

pub async fn status(tx: &mut Tx, trial: &Trial, today: NaiveDate) -> Result<Status> {
    let protocol = &trial.protocol;
    let draw = match trial.assigned_at {
        None => None,
        Some(_) => Some(drawn(tx, trial).await?),
    };
    let trial_week = protocol.trial_week(Week::of(today));
    Ok(Status {
        trial: trial.id.clone(),
        title: trial.title.clone(),
        protocol_sha256: trial.sha256.clone(),
        frozen_sha256: trial.frozen_sha256.clone(),
        seed: trial.seed,
        registry_number: protocol.registry_number.clone(),
        ethics_approval: protocol.ethics_approval.clone(),
        frozen_at: trial.frozen_at.map(|at| at.to_rfc3339()),
        assigned_at: trial.assigned_at.map(|at| at.to_rfc3339()),
        amendments: trial
            .amendments
            .iter()
            .map(|one| Amended { number: one.number, dated_at: one.dated_at.to_rfc3339(), reason: one.reason.clone(), sha256: one.sha256.clone() })
            .collect(),
        calendar: calendar(protocol),
        today,
        trial_week,
        weeks: protocol.calendar.weeks,
        phase: protocol.phase(trial_week).map(Phase::name),
        looks: looks::all(tx, &trial.id)
            .await?
            .into_iter()
            .map(|look| LookLine {
                look: look.look,
                data_through: look.data_through.to_string(),
                opens_on: look.opens_on,
                open: look.opens_on <= today,
                opened_at: look.opened_at.map(|at| at.to_rfc3339()),
            })
            .collect(),
        look_requests: looks::requests(tx, &trial.id).await?.len(),
        draw,
        pooled: pooled(tx, trial, trial_week.min(protocol.calendar.weeks)).await?,
    })
}

pub async fn drawn(tx: &mut Tx, trial: &Trial) -> Result<Draw> {
    let (strata, segments) = assign::stored(tx, trial).await?;
    let mut left_out = BTreeMap::new();
    for reason in segments.iter().filter_map(|segment| segment.left_out.clone()) {
        *left_out.entry(reason).or_insert(0) += 1;
    }
    Ok(Draw {
        assessed: segments.len(),
        assigned: segments.iter().filter(|segment| segment.arm.is_some()).count(),
        left_out,
        assignment_sha256: assign::assignment_sha256(&segments),
        arms: trial.protocol.arms.iter().map(|arm| arm.id.clone()).collect(),
        strata,
    })
}

/// Before the draw all segments of the municipalities count; after it those that entered, with the homes that count in them wherever they
/// stand now, as the report has it.
async fn pooled(tx: &mut Tx, trial: &Trial, through: i64) -> Result<Vec<Pooled>> {
    let protocol = &trial.protocol;
    let mut by_phase: Vec<Pooled> =
        [Phase::Baseline, Phase::Messages, Phase::After].map(|phase| Pooled { phase: phase.name(), observed: 0, set_out: 0, complied: 0 }).into();
    for &municipality in &protocol.municipalities {
        let weeks: Vec<(Week, i64, i64, i64)> = if trial.assigned_at.is_some() {
            of_the_draw(tx, trial, municipality, through).await?
        } else {
            all!(
                tx,
                "SELECT iso_week, CAST(SUM(observed) AS BIGINT), CAST(SUM(set_out) AS BIGINT), CAST(SUM(complied) AS BIGINT)
                   FROM segment_week WHERE municipality_id = $1 GROUP BY iso_week",
                municipality
            )?
        };
        for (week, observed, set_out, complied) in weeks {
            let Some(phase) = protocol.phase(protocol.trial_week(week)) else { continue };
            if let Some(sum) = by_phase.iter_mut().find(|sum| sum.phase == phase.name()) {
                sum.observed += observed;
                sum.set_out += set_out;
                sum.complied += complied;
            }
        }
    }
    Ok(by_phase)
}

/// Sums by week of the segments that entered, homes counted in the segment of the draw.
async fn of_the_draw(tx: &mut Tx, trial: &Trial, municipality: MunicipalityId, through: i64) -> Result<Vec<(Week, i64, i64, i64)>> {
    let mut weeks: Vec<(Week, i64, i64, i64)> = all!(
        tx,
        "SELECT w.iso_week, CAST(SUM(w.observed) AS BIGINT), CAST(SUM(w.set_out) AS BIGINT), CAST(SUM(w.complied) AS BIGINT)
           FROM segment_week w
           JOIN trial_segment t ON t.municipality_id = w.municipality_id AND t.segment_id = w.segment_id
          WHERE w.municipality_id = $1 AND t.trial_id = $2 AND t.arm IS NOT NULL
          GROUP BY w.iso_week",
        municipality,
        &trial.id
    )?;
    let drawn = super::segments(tx, &trial.id).await?.into_iter().filter(|row| row.municipality_id == municipality && row.arm.is_some());
    let drawn: BTreeSet<SegmentId> = drawn.map(|row| row.segment_id).collect();
    let homes = Homes::read(tx, &trial.protocol, through, municipality, &drawn).await?;
    let span = (trial.protocol.week(1), trial.protocol.week(through.max(0)));
    for carried in homes.carried(tx, municipality, span).await?.into_iter().filter(|carried| drawn.contains(&carried.segment)) {
        weeks.push((carried.week, carried.observed as i64, carried.set_out as i64, carried.complied as i64));
    }
    Ok(weeks)
}

impl Status {
    /// The same for a person at a terminal.
    pub fn lines(&self, trial: &Trial) -> Vec<String> {
        let mut lines = vec![format!("{}: {}", self.trial, self.title)];
        lines.push(format!("  protocol    sha256 {}", self.protocol_sha256));
        lines.push(format!("  seed        {}", self.seed));
        let or_none = |text: &str| if text.is_empty() { "not given yet".to_owned() } else { text.to_owned() };
        lines.push(format!("  registry    {}", or_none(&self.registry_number)));
        lines.push(format!("  ethics      {}", or_none(&self.ethics_approval)));
        if let Some(at) = trial.frozen_at {
            lines.push(format!("  frozen      {}, sha256 {}", show_time(at), self.frozen_sha256));
        }
        if trial.amendments.is_empty() {
            lines.push("  amendments  none".into());
        }
        for one in &trial.amendments {
            lines.push(format!("  amendment {} of {}, sha256 {}: {}", one.number, show_time(one.dated_at), one.sha256, one.reason));
        }
        lines.push(match trial.assigned_at {
            Some(at) => format!("  assigned    {}", show_time(at)),
            None => "  assigned    not yet".into(),
        });
        for stretch in &self.calendar {
            let ([from, to], [first, last], [day, until]) = (&stretch.weeks, &stretch.iso_weeks, &stretch.days);
            lines.push(format!("  {:<11} weeks {from} to {to}: {first} to {last}, {} to {}", stretch.phase, show_day(*day), show_day(*until)));
        }
        let place = match (self.phase, self.trial_week) {
            (Some(phase), week) => format!("week {week} of {} ({phase})", self.weeks),
            (None, week) if week < 1 => format!("{} weeks before the trial", 1 - week),
            (None, _) => "after the trial".into(),
        };
        lines.push(format!("  today       {}, {place}", show_day(self.today)));
        for look in &self.looks {
            let state = if look.open { "open" } else { "closed, pooled figures only" };
            lines.push(format!("  look {}      data through {}, opens {}: {state}", look.look, look.data_through, show_day(look.opens_on)));
        }
        lines.push(format!("  requests    {} for a look outside the plan", self.look_requests));
        if let Some(draw) = &self.draw {
            lines.extend(draw.lines());
        }
        for sum in self.pooled.iter().filter(|sum| sum.observed > 0) {
            let share = 100.0 * sum.complied as f64 / sum.observed as f64;
            lines.push(format!(
                "  {:<11} {} of {} observed collections complied ({share:.1} of 100), all arms together",
                sum.phase, sum.complied, sum.observed
            ));
        }
        lines
    }
}

impl Draw {
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("  segments    {} assessed, {} assigned, sha256 {}", self.assessed, self.assigned, self.assignment_sha256)];
        for (reason, count) in &self.left_out {
            lines.push(format!("  left out    {count} ({reason})"));
        }
        let width = self.arms.iter().map(|arm| arm.len()).max().unwrap_or(0).max(6) + 2;
        let mut head = format!("  {:<10}", "stratum");
        self.arms.iter().for_each(|arm| head.push_str(&format!("{arm:>width$}")));
        lines.push(head);
        let mut sums = vec![0; self.arms.len()];
        for (stratum, counts) in &self.strata {
            let mut line = format!("  {stratum:<10}");
            for (sum, count) in sums.iter_mut().zip(counts) {
                *sum += count;
                line.push_str(&format!("{count:>width$}"));
            }
            lines.push(line);
        }
        let mut foot = format!("  {:<10}", "all");
        sums.iter().for_each(|sum| foot.push_str(&format!("{sum:>width$}")));
        lines.push(foot);
        lines
    }
}
