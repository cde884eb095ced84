//! What stands round the estimates: who entered, were the arms alike, what was delivered, what was missed, week by week, habit.
//!
//! With `by_arm` false every figure is of all arms together; that is what may be shown between looks.

use super::findings::{
    Balance, BalanceArm, Fidelity, Flow, FlowArm, Group, Habit, HabitArm, LeftOut, Missing, MissingArm, PathPoint, PauseLine, Report, Warning,
};
use super::load::{Data, LAST};
use super::replay::Replays;
use crate::stats::interval::{RatioSums, ratio};
use crate::trial::Trial;
use crate::trial::homes::Since;
use crate::trial::looks::Look;
use crate::trial::protocol::Phase;
use std::collections::BTreeMap;

/// What all arms together are called.
pub const ALL: &str = "all";
/// Collections a home needs, and how many of the last of them must have complied, to be called a habit.
pub const HABIT: (i32, i32) = (LAST, 6);

/// Groups the report speaks of: the name and the arm, `None` for all together.
fn groups(data: &Data, by_arm: bool) -> Vec<(String, Option<usize>)> {
    if by_arm {
        return data.protocol.arms.iter().enumerate().map(|(at, arm)| (arm.id.clone(), Some(at))).collect();
    }
    vec![(ALL.to_owned(), None)]
}

fn share(y: f64, n: f64) -> Option<f64> {
    (n > 0.0).then(|| y / n)
}

pub fn flow(data: &Data, by_arm: bool) -> Flow {
    let homes = |segments: &mut dyn Iterator<Item = &super::load::Segment>| {
        segments.fold(Group::default(), |sum, s| Group { segments: sum.segments + 1, homes: sum.homes + s.homes as i64 })
    };
    let assigned = homes(&mut data.segments.iter());
    let left_out: Vec<LeftOut> =
        data.left_out.iter().map(|(reason, segments, homes)| LeftOut { reason: reason.clone(), segments: *segments, homes: *homes }).collect();
    let assessed = left_out.iter().fold(assigned, |sum, out| Group { segments: sum.segments + out.segments, homes: sum.homes + out.homes });
    let mut arms = Vec::new();
    if by_arm {
        let weeks = data.weeks(data.protocol.estimand.phase);
        for (at, arm) in data.protocol.arms.iter().enumerate() {
            let group = homes(&mut data.segments.iter().filter(|s| s.arm == at));
            let own = data.segments.iter().zip(&data.since).filter(|(segment, _)| segment.arm == at);
            let since = own.fold(Since::default(), |sum, (_, since)| Since {
                moved: sum.moved + since.moved,
                closed: sum.closed + since.closed,
                arrived: sum.arrived + since.arrived,
            });
            let (due, observed) = weeks.map_or((0.0, 0.0), |weeks| due_and_observed(data, weeks, Some(at)));
            let analysed = weeks.map_or(0, |(from, to)| {
                data.homes
                    .iter()
                    .filter(|h| data.segments[h.segment].arm == at && h.weeks.iter().any(|(week, _, _)| *week >= from && *week <= to))
                    .count()
            });
            arms.push(FlowArm {
                arm: arm.id.clone(),
                name: arm.name.clone(),
                segments: group.segments,
                homes: group.homes,
                messaged: data.messages.get(at).map_or(0, |m| m.homes),
                analysed: analysed as i64,
                moved: since.moved,
                closed: since.closed,
                arrived: since.arrived,
                silent: weeks.map_or(0, |weeks| silent(data, weeks, at)),
                due: due as i64,
                observed: observed as i64,
            });
        }
    }
    Flow { assessed, left_out, assigned, strata: data.strata.len() as i64, arms }
}

/// Segments of an arm of which nothing was observed in these weeks.
fn silent(data: &Data, weeks: (i64, i64), arm: usize) -> i64 {
    let heard: std::collections::BTreeSet<usize> = data.between(weeks).filter(|tally| tally.observed > 0.0).map(|tally| tally.segment).collect();
    data.segments.iter().enumerate().filter(|(at, segment)| segment.arm == arm && !heard.contains(at)).count() as i64
}

fn due_and_observed(data: &Data, weeks: (i64, i64), arm: Option<usize>) -> (f64, f64) {
    data.between(weeks)
        .filter(|t| arm.is_none_or(|arm| data.segments[t.segment].arm == arm))
        .fold((0.0, 0.0), |(due, seen), t| (due + t.due.max(t.observed), seen + t.observed))
}

/// Rates by week with intervals clustered by segment.
pub fn path(data: &Data, by_arm: bool) -> Vec<PathPoint> {
    let mut out = Vec::new();
    for week in 1..=data.through {
        for (name, arm) in groups(data, by_arm) {
            let sums = RatioSums::of(
                data.between((week, week)).filter(|t| arm.is_none_or(|arm| data.segments[t.segment].arm == arm)).map(|t| (t.observed, t.complied)),
            );
            let found = ratio(&sums, data.protocol.analysis.level);
            out.push(PathPoint {
                week,
                arm: name,
                rate: found.map(|s| s.rate),
                ci_low: found.map(|s| s.low),
                ci_high: found.map(|s| s.high),
                n: sums.n as i64,
            });
        }
    }
    out
}

pub fn fidelity(data: &Data, by_arm: bool) -> Vec<Fidelity> {
    groups(data, by_arm)
        .into_iter()
        .map(|(arm, at)| {
            let mut sum = Fidelity { arm, due: 0, sent: 0, delivered: 0 };
            for messages in data.messages.iter().enumerate().filter(|(i, _)| at.is_none_or(|at| at == *i)).map(|(_, m)| m) {
                sum.due += messages.due;
                sum.sent += messages.sent;
                sum.delivered += messages.delivered;
            }
            sum
        })
        .collect()
}

pub fn pauses(data: &Data, by_arm: bool) -> Vec<PauseLine> {
    let all = |arms: &BTreeMap<String, i64>| BTreeMap::from([(ALL.to_owned(), arms.values().sum())]);
    let line = |pause: &PauseLine| PauseLine { kept_back: if by_arm { pause.kept_back.clone() } else { all(&pause.kept_back) }, ..pause.clone() };
    data.pauses.iter().map(line).collect()
}

/// The estimand's phase when it has begun, else the messages phase, else the baseline.
fn watched(data: &Data) -> Option<(i64, i64)> {
    data.weeks(data.protocol.estimand.phase).or(data.weeks(Phase::Messages)).or(data.weeks(Phase::Baseline))
}

pub fn missing(data: &Data, by_arm: bool) -> Missing {
    let Some(weeks) = watched(data) else { return Missing::default() };
    let (due, observed) = due_and_observed(data, weeks, None);
    let arms = if by_arm { groups(data, true) } else { Vec::new() };
    Missing {
        due: due as i64,
        observed: observed as i64,
        share_observed: share(observed, due),
        arms: arms
            .into_iter()
            .map(|(arm, at)| {
                let (due, observed) = due_and_observed(data, weeks, at);
                MissingArm { arm, due: due as i64, observed: observed as i64, share_observed: share(observed, due) }
            })
            .collect(),
        p_randomisation: None,
    }
}

/// Between-arm sum of squares of segment values: Σ_a n_a (mean_a − mean)².
fn between(values: &[Option<f64>], arms: &[usize], count: usize) -> Option<f64> {
    let mut sums = vec![(0.0, 0.0); count];
    for (value, arm) in values.iter().zip(arms) {
        if let (Some(value), Some(sum)) = (value, sums.get_mut(*arm)) {
            *sum = (sum.0 + 1.0, sum.1 + value);
        }
    }
    let (n, total) = sums.iter().fold((0.0, 0.0), |(n, y), s| (n + s.0, y + s.1));
    (n > 0.0).then(|| sums.iter().filter(|s| s.0 > 0.0).map(|(m, y)| m * (y / m - total / n).powi(2)).sum())
}

/// Randomisation p that the share observed is alike in all arms, by segment shares.
pub fn missing_p(data: &Data, replays: &Replays) -> Option<f64> {
    let weeks = watched(data)?;
    let mut sums = vec![(0.0, 0.0); data.segments.len()];
    for tally in data.between(weeks) {
        sums[tally.segment].0 += tally.due.max(tally.observed);
        sums[tally.segment].1 += tally.observed;
    }
    let values: Vec<Option<f64>> = sums.into_iter().map(|(due, seen)| share(seen, due)).collect();
    joint_p(data, replays, &[values])
}

/// p of the sum of between-arm squares of all variables, each divided by its variance over segments.
fn joint_p(data: &Data, replays: &Replays, variables: &[Vec<Option<f64>>]) -> Option<f64> {
    let scaled: Vec<Vec<Option<f64>>> = variables
        .iter()
        .filter_map(|values| {
            let sd = deviation(values)?;
            Some(values.iter().map(|v| v.map(|v| v / sd)).collect())
        })
        .collect();
    if scaled.is_empty() {
        return None;
    }
    let statistic = |arms: &[usize]| scaled.iter().map(|values| between(values, arms, data.arms())).sum::<Option<f64>>();
    let observed = statistic(&data.segments.iter().map(|s| s.arm).collect::<Vec<_>>());
    replays.compare(data, &[observed], |arms| vec![statistic(arms)])[0].map(|found| found.p)
}

fn deviation(values: &[Option<f64>]) -> Option<f64> {
    let known: Vec<f64> = values.iter().flatten().copied().collect();
    let n = known.len() as f64;
    if n < 2.0 {
        return None;
    }
    let mean = known.iter().sum::<f64>() / n;
    let sd = (known.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    (sd > 1e-12).then_some(sd)
}

/// Baseline means by arm over segments, standardised by the deviation over all segments, and the joint p.
pub fn balance(data: &Data, replays: &Replays) -> (Vec<Balance>, Option<f64>) {
    let mut sums = vec![(0.0, 0.0, 0.0); data.segments.len()];
    if let Some(weeks) = data.weeks(Phase::Baseline) {
        for tally in data.between(weeks) {
            let sum = &mut sums[tally.segment];
            *sum = (sum.0 + tally.due.max(tally.observed), sum.1 + tally.observed, sum.2 + tally.set_out);
        }
    }
    let variables: Vec<(&str, Vec<Option<f64>>)> = vec![
        ("complied", (0..data.segments.len()).map(|s| data.baseline(s)).collect()),
        ("set_out", sums.iter().map(|(_, seen, out)| share(*out, *seen)).collect()),
        ("observed", sums.iter().map(|(due, seen, _)| share(*seen, *due)).collect()),
        ("homes", data.segments.iter().map(|s| Some(s.homes)).collect()),
    ];
    let rows = variables
        .iter()
        .map(|(variable, values)| {
            let sd = deviation(values);
            let means: Vec<Option<f64>> = (0..data.arms())
                .map(|arm| {
                    let own: Vec<f64> = values.iter().zip(&data.segments).filter(|(_, s)| s.arm == arm).filter_map(|(v, _)| *v).collect();
                    share(own.iter().sum(), own.len() as f64)
                })
                .collect();
            let arms = data
                .protocol
                .arms
                .iter()
                .enumerate()
                .map(|(at, arm)| {
                    let difference = if at == 0 { None } else { means[at].zip(means[0]).zip(sd).map(|((own, first), sd)| (own - first) / sd) };
                    BalanceArm { arm: arm.id.clone(), mean: means[at], difference }
                })
                .collect();
            Balance { variable: (*variable).to_owned(), arms }
        })
        .collect();
    let values: Vec<Vec<Option<f64>>> = variables.into_iter().map(|(_, values)| values).collect();
    (rows, joint_p(data, replays, &values))
}

/// Homes whose last observed collections mostly complied, however many a week brings.
pub fn habit(data: &Data, by_arm: bool) -> Habit {
    let (last, enough) = HABIT;
    let mut verdicts: Vec<(usize, bool)> = Vec::new();
    for home in &data.homes {
        verdicts.extend(home.last.map(|complied| (home.segment, complied >= enough)));
    }
    let arms = groups(data, by_arm)
        .into_iter()
        .map(|(arm, at)| {
            let mut segments: std::collections::BTreeMap<usize, (f64, f64)> = std::collections::BTreeMap::new();
            for (segment, habitual) in verdicts.iter().filter(|(s, _)| at.is_none_or(|at| data.segments[*s].arm == at)) {
                let sum = segments.entry(*segment).or_default();
                *sum = (sum.0 + 1.0, sum.1 + f64::from(u8::from(*habitual)));
            }
            let sums = RatioSums::of(segments.into_values());
            let found = ratio(&sums, data.protocol.analysis.level);
            HabitArm {
                arm,
                homes: sums.n as i64,
                habitual: sums.y as i64,
                share: found.map(|s| s.rate),
                ci_low: found.map(|s| s.low),
                ci_high: found.map(|s| s.high),
            }
        })
        .collect();
    Habit { definition: format!("complied in at least {enough} of the last {last} observed collections since messages began"), arms }
}

/// What stands over every report of a trial. `opened`: the looks whose figures were known before.
pub fn standing(trial: &Trial, opened: &[Look]) -> Vec<Warning> {
    let mut out = Vec::new();
    if trial.protocol.registry_number.is_empty() {
        out.push(Warning::new("no-registry-number", "the protocol has no registry number yet", &[]));
    }
    if trial.protocol.ethics_approval.is_empty() {
        out.push(Warning::new("no-ethics-approval", "the protocol names no ethics approval yet", &[]));
    }
    if !trial.amendments.is_empty() {
        let n = trial.amendments.len().to_string();
        out.push(Warning::new("amended", &format!("the protocol was amended {n} times after the freeze; read the amendments"), &[("n", &n)]));
    }
    for look in opened {
        let known = look.opened_at.filter(|at| trial.amendments.iter().any(|amendment| amendment.dated_at > *at));
        if known.is_some() {
            let n = look.look.to_string();
            let text = format!("the protocol was amended after look {n} was opened: whoever changed it could know its figures");
            out.push(Warning::new("amended-after-look", &text, &[("look", &n)]));
        }
    }
    out
}

/// What a reader of a look must know before quoting it.
pub fn remarks(data: &Data, report: &Report) -> Vec<Warning> {
    let mut out = Vec::new();
    let empty: Vec<&str> =
        (0..data.arms()).filter(|arm| !data.segments.iter().any(|s| s.arm == *arm)).map(|arm| data.protocol.arms[arm].name.as_str()).collect();
    if !empty.is_empty() {
        let names = empty.join(", ");
        out.push(Warning::new("empty-arm", &format!("no segment is in: {names}"), &[("arms", &names)]));
    }
    let silent: Vec<String> = report.flow.arms.iter().filter(|arm| arm.silent > 0).map(|arm| format!("{}: {}", arm.name, arm.silent)).collect();
    if !silent.is_empty() {
        let n = report.flow.arms.iter().map(|arm| arm.silent).sum::<i64>().to_string();
        let arms = silent.join(", ");
        let text = format!("{n} assigned segments have no observed collection in the weeks of the estimate ({arms})");
        out.push(Warning::new("silent-segments", &text, &[("n", &n), ("arms", &arms)]));
    }
    if report.missing.p_randomisation.is_some_and(|p| p < 1.0 - report.level) {
        out.push(Warning::new(
            "missing-differs",
            "the share observed differs between arms more than chance explains: read the contrasts with care",
            &[],
        ));
    }
    let low = report.fidelity.iter().filter(|f| f.due > 0 && (f.delivered as f64) < 0.8 * f.due as f64);
    let low: Vec<&str> = low.map(|row| data.protocol.arm(&row.arm).map_or(row.arm.as_str(), |arm| arm.name.as_str())).collect();
    if !low.is_empty() {
        let names = low.join(", ");
        out.push(Warning::new("low-delivery", &format!("fewer than 80 in 100 due messages were delivered in: {names}"), &[("arms", &names)]));
    }
    if report.fidelity.iter().all(|f| f.due == 0) {
        out.push(Warning::new("no-messages", "no message was due in these weeks", &[]));
    }
    if data.through < data.protocol.calendar.weeks {
        let week = data.through.to_string();
        out.push(Warning::new(
            "not-the-end",
            &format!("data end with trial week {week}: nothing here says whether an effect lasts"),
            &[("week", &week)],
        ));
    }
    out.push(Warning::new(
        "habit-simple",
        "habit is a share of homes at one point in time; times to a habit (Kaplan-Meier) and its randomisation p are for a later version",
        &[],
    ));
    out.push(Warning::new("no-spillover", "spillover by distance to another arm is not computed in this version", &[]));
    out
}
