//! `km`, `logrank` and `cox`: time to an event.

use super::answer::{Answer, Field, Row};
use super::design::Design;
use super::difference::GROUPS;
use super::formula::{Formula, Outcome};
use super::spec::{Spec, refused};
use super::uses::treatment;
use crate::error;
use vecino_stats::Refusal;
use vecino_stats::cells::Rows;
use vecino_stats::cox::{self, Missing, Person, Ties};
use vecino_stats::distribution::{critical, two_sided};
use vecino_stats::log_rank::{log_rank, permute, scores};
use vecino_stats::random::seeded;
use vecino_stats::survival::{Spell, kaplan_meier, snap, tally};

/// What `surv(time, event)` holds, one entry a row: events are 0 or 1.
#[derive(Debug, Clone, Default)]
pub struct FollowUp {
    pub time: Vec<f64>,
    pub event: Vec<f64>,
    pub stratum: Option<Vec<u32>>,
    pub cluster: Option<Vec<u32>>,
    /// A second clustering, and the clusters of both together.
    pub two_way: Option<[Vec<u32>; 2]>,
}

/// The column that is compared, its levels in the language's order, and the level of each row.
#[derive(Debug, Clone, Copy)]
pub struct Groups<'a> {
    pub name: &'a str,
    pub levels: &'a [String],
    pub codes: &'a [u32],
}

/// The log-rank test's own keys; `draws` and `seed` are for the test of whole clusters.
#[derive(Debug, Clone, Copy)]
pub struct LogRankPlan {
    pub rho: f64,
    pub draws: u32,
    pub seed: u64,
}

/// Columns of the right side, `x` row after row.
#[derive(Debug, Clone, Copy)]
pub struct Columns<'a> {
    pub terms: &'a [String],
    pub x: &'a [f64],
}

/// Answers a spec of `km`, `logrank` or `cox`.
pub fn answer(spec: &Spec, formula: &Formula, design: &Design) -> error::Result<Answer> {
    let Some(Outcome::Survival(..)) = formula.outcome else {
        return Err(refused(format!("method {}: write the outcome as surv(time, event)", spec.method)));
    };
    let column = |at: usize| (0..design.n).map(|row| design.value(design.outcome[at], row)).collect::<Vec<f64>>();
    let clustering = |at: usize| design.clusters.get(at).map(|cluster| (0..design.n).map(|row| cluster.at(row)).collect::<Vec<u32>>());
    let follow = FollowUp {
        time: column(0),
        event: column(1),
        two_way: clustering(1).zip(clustering(2)).map(|(second, both)| [second, both]),
        stratum: design.block.as_ref().map(|block| (0..design.n).map(|row| block.at(row)).collect()),
        cluster: clustering(0),
    };
    let level = spec.level()?;
    let groups = match (spec.method.as_str(), formula.terms.is_empty()) {
        ("cox", _) | ("km", true) => None,
        _ => {
            let (group, factor) = treatment(spec, formula)?;
            let codes = design.group(group, factor)?;
            Some((group.text.clone(), (0..design.n).map(|row| codes.at(row)).collect::<Vec<u32>>(), codes.names))
        }
    };
    let groups = groups.as_ref().map(|(name, codes, levels)| Groups { name, levels, codes });
    if spec.method == "logrank" && spec.cluster.len() > 1 {
        return Err(refused("method logrank: takes one cluster column"));
    }
    let found = match (spec.method.as_str(), groups) {
        ("km", groups) => km(follow, groups, &spec.times, &spec.quantiles, level),
        ("logrank", Some(groups)) => {
            let draws = spec.draws.unwrap_or(10_000).clamp(1, 1_000_000) as u32;
            logrank(follow, groups, LogRankPlan { rho: spec.rho.unwrap_or(0.0), draws, seed: spec.seed.unwrap_or(1) })
        }
        _ => {
            let terms: Vec<String> = design.terms.iter().map(|term| term.name.clone()).collect();
            let mut x = vec![0.0; design.n * design.width()];
            if design.width() > 0 {
                x.chunks_mut(design.width()).enumerate().for_each(|(row, into)| design.x(row, into));
            }
            let chosen = design.chosen(&spec.terms, "terms")?;
            cox(follow, Columns { terms: &terms, x: &x }, spec.ties.as_deref().unwrap_or("efron"), level).map(|mut answer| {
                answer.rows = chosen.iter().map(|at| answer.rows[*at].clone()).collect();
                answer
            })
        }
    };
    let mut answer = found.map_err(refused)?;
    answer.dropped = Some(design.dropped as u64);
    Ok(answer)
}

/// Kaplan-Meier: rows `g[level]@t` (`all@t`) with `estimate se n_risk n_event ci_low ci_high`, at `times` or else at each event time of the
/// group, and rows `g[level]@q0.5` for each of `quantiles`. `n_event` counts the events since the row before it.
pub fn km(follow: FollowUp, groups: Option<Groups>, times: &[f64], quantiles: &[f64], level: f64) -> Result<Answer, String> {
    let z = quantile_of(level)?;
    if let Some(time) = times.iter().find(|time| !(time.is_finite() && **time >= 0.0)) {
        return Err(format!("times {time}: use numbers from 0 up"));
    }
    if let Some(q) = quantiles.iter().find(|q| !(**q > 0.0 && **q <= 1.0)) {
        return Err(format!("quantiles {q}: use numbers above 0 and at most 1; 0.5 is the median"));
    }
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    times.dedup();
    let mut answer = begin("km", &follow);
    let mut spells = checked(follow)?;
    for (i, spell) in spells.iter_mut().enumerate() {
        (spell.stratum, spell.group, spell.cluster) = (groups.map_or(0, |groups| groups.codes[i]), 0, 0);
    }
    for own in tally(spells).chunk_by(|a, b| a.stratum == b.stratum) {
        let name = groups.map_or("all".to_string(), |groups| term(groups, own[0].stratum));
        let curve = kaplan_meier(own);
        let event_times: Vec<f64> = curve.points.iter().filter(|point| point.events > 0.0).map(|point| point.time).collect();
        if event_times.is_empty() {
            answer.warnings.push(format!("{name}: nobody has the event"));
        }
        let (mut before, mut fell_to_zero) = (0.0, false);
        for time in if times.is_empty() { &event_times } else { &times } {
            let at = curve.at(*time, z);
            let row = Row::new(format!("{name}@{time}")).with("estimate", at.survival).with("se", at.se);
            let row = row.with("n_risk", at.at_risk as u64).with("n_event", (at.events - before) as u64);
            answer.rows.push(row.with("ci_low", at.interval.map(|ends| ends.0)).with("ci_high", at.interval.map(|ends| ends.1)));
            (before, fell_to_zero) = (at.events, fell_to_zero || at.se.is_none());
        }
        if fell_to_zero {
            answer.warnings.push(format!("{name}: the curve comes down to 0, where it has no error"));
        }
        for q in quantiles {
            let (estimate, low, high) = curve.quantile(*q, z);
            answer.rows.push(Row::new(format!("{name}@q{q}")).with("estimate", estimate).with("ci_low", low).with("ci_high", high));
            let missing = [(estimate, "the curve"), (low, "the lower edge of its band"), (high, "the upper edge of its band")];
            let missing: Vec<&str> = missing.iter().filter(|(value, _)| value.is_none()).map(|(_, what)| *what).collect();
            if !missing.is_empty() {
                answer.warnings.push(format!("{name}@q{q}: not reached by {}", missing.join(", ")));
            }
        }
    }
    Ok(answer)
}

/// Log-rank: rows `g[level]` with `observed expected variance`, row `g` with `statistic df p`; with clusters also row `g@clusters` with
/// `statistic p draws exact` by permuting the groups of whole clusters within strata.
pub fn logrank(follow: FollowUp, groups: Groups, plan: LogRankPlan) -> Result<Answer, String> {
    if groups.levels.len() > GROUPS {
        return Err(format!("{}: {} groups are too many to compare", groups.name, groups.levels.len()));
    }
    if !plan.rho.is_finite() {
        return Err(format!("rho {}: use a number; 0 is the log-rank test", plan.rho));
    }
    let clustered = follow.cluster.is_some();
    let mut answer = begin("logrank", &follow);
    let mut spells = checked(follow)?;
    spells.iter_mut().zip(groups.codes).for_each(|(spell, code)| spell.group = *code);
    let count = groups.levels.len();
    let cluster_blind = spells.iter().map(|spell| Spell { cluster: 0, ..*spell }).collect();
    let found = log_rank(&tally(cluster_blind), count, plan.rho);
    for level in 0..count {
        let row = Row::new(term(groups, level as u32)).with("observed", found.observed[level]);
        answer.rows.push(row.with("expected", found.expected[level]).with("variance", found.variance[level]));
    }
    let df = if found.df > 0 { Field::Count(found.df as u64) } else { Field::Null };
    answer.rows.push(Row::new(groups.name).with("statistic", found.statistic).with("df", df).with("p", found.p));
    if found.statistic.is_none() {
        let events = spells.iter().any(|spell| spell.event);
        let why = if events { "no two groups are ever at risk together when an event happens" } else { "nobody has the event" };
        answer.warnings.push(format!("{}: no test, {why}", groups.name));
    }
    if clustered {
        let name = format!("{}@clusters", groups.name);
        let permuted = match scores(&tally(spells), count, plan.rho) {
            None => Err("a cluster stands in two groups or in two strata: it was not randomised as a whole".to_string()),
            Some(scores) => permute(&scores, count, plan.draws, &mut seeded(plan.seed, "log-rank")).map_err(|why| why.why().to_string()),
        };
        let row = Row::new(&name);
        answer.rows.push(match permuted {
            Ok(found) => row.with("statistic", found.statistic).with("p", found.p).with("draws", u64::from(found.draws)).with("exact", found.exact),
            Err(why) => {
                answer.warnings.push(format!("{name}: no test, {why}"));
                ["statistic", "p", "draws", "exact"].iter().fold(row, |row, field| row.with(field, Field::Null))
            }
        });
    }
    Ok(answer)
}

/// Cox: log hazard ratios with `estimate se se_model statistic df p ci_low ci_high`; `se` is by cluster where there are clusters. `ties` is
/// `efron` or `breslow`.
pub fn cox(follow: FollowUp, columns: Columns, ties: &str, level: f64) -> Result<Answer, String> {
    let z = quantile_of(level)?;
    let ties = match ties {
        "efron" => Ties::Efron,
        "breslow" => Ties::Breslow,
        other => return Err(format!("ties \"{other}\": use one of efron breslow")),
    };
    let clustered = follow.cluster.is_some();
    let mut answer = begin("cox", &follow);
    let two_way = follow.two_way.clone();
    let person = |spell: Spell| Person { time: spell.time, event: spell.event, n: spell.n, stratum: spell.stratum, cluster: spell.cluster };
    let mut people: Vec<Person> = checked(follow)?.into_iter().map(person).collect();
    let mut found = cox::cox(&people, columns.x, columns.terms.len(), ties);
    if let (Ok(found), Some(others)) = (&mut found, two_way) {
        // V₁ + V₂ − V₁₂ (Cameron, Gelbach and Miller 2011).
        for (clusters, sign) in others.iter().zip([1.0, -1.0]) {
            people.iter_mut().zip(clusters).for_each(|(person, cluster)| person.cluster = *cluster);
            let other = cox::cox(&people, columns.x, columns.terms.len(), ties).map_err(|why| why.why().to_string())?;
            found.robust = found.robust.take().zip(other.robust).map(|(own, other)| own + other * sign);
            found.clusters = found.clusters.min(other.clusters);
        }
        answer.clusters = Some(found.clusters as u64);
    }
    if let Err(why) = &found {
        let why = if *why == Refusal::NoVariation { "nobody has the event" } else { why.why() };
        answer.warnings.push(format!("nothing was estimated: {why}"));
    }
    for (k, name) in columns.terms.iter().enumerate() {
        let mut values = [None; 7];
        if let Ok(found) = &found {
            match found.beta[k] {
                Err(Missing::Collinear) => answer.warnings.push(format!("{name}: dropped, it carries nothing beyond the columns before it")),
                Err(Missing::Monotone) => answer
                    .warnings
                    .push(format!("{name}: no number, the likelihood rises without end: its rows have no event, or have theirs before all others")),
                Ok(beta) => {
                    let place = found.kept.iter().position(|kept| *kept == k).unwrap_or(0);
                    let variance = found.model[(place, place)];
                    let se_model = (variance > 0.0).then(|| variance.sqrt());
                    // Scores that cancel within every cluster leave rounding, not a variance.
                    let robust =
                        found.robust.as_ref().map(|robust| robust[(place, place)]).filter(|robust| *robust > 1e-14 * variance).map(f64::sqrt);
                    let se = if clustered { robust } else { se_model };
                    let statistic = se.map(|se| beta / se);
                    let p = statistic.and_then(|statistic| two_sided(statistic, None));
                    values = [Some(beta), se, se_model, statistic, p, se.map(|se| beta - z * se), se.map(|se| beta + z * se)];
                    if se.is_none() {
                        let why = if found.clusters < 2 { Refusal::OneCluster } else { Refusal::NoVariance };
                        answer.warnings.push(format!("{name}: no standard error, {}", why.why()));
                    }
                }
            }
        }
        let [estimate, se, se_model, statistic, p, low, high] = values;
        let row = Row::new(name).with("estimate", estimate).with("se", se).with("se_model", se_model).with("statistic", statistic);
        answer.rows.push(row.with("df", Field::Null).with("p", p).with("ci_low", low).with("ci_high", high));
    }
    Ok(answer)
}

fn term(groups: Groups, level: u32) -> String {
    format!("{}[{}]", groups.name, groups.levels[level as usize])
}

fn quantile_of(level: f64) -> Result<f64, String> {
    critical(level, None).ok_or_else(|| format!("level {level}: use a number above 0 and below 1"))
}

fn begin(method: &str, follow: &FollowUp) -> Answer {
    let distinct = |codes: &Vec<u32>| codes.iter().collect::<std::collections::HashSet<_>>().len() as u64;
    Answer { method: method.to_string(), n: Some(follow.time.len() as u64), clusters: follow.cluster.as_ref().map(distinct), ..Answer::default() }
}

/// Rows as spells, in their order, with times apart by rounding alone made one.
fn checked(follow: FollowUp) -> Result<Vec<Spell>, String> {
    let FollowUp { mut time, event, stratum, cluster, .. } = follow;
    if time.is_empty() {
        return Err("surv(time, event): no rows are left".to_string());
    }
    if let Some(time) = time.iter().find(|time| !(time.is_finite() && **time >= 0.0)) {
        return Err(format!("surv(time, event): a time is {time}; times are numbers from 0 up"));
    }
    if let Some(event) = event.iter().find(|event| **event != 0.0 && **event != 1.0) {
        return Err(format!("surv(time, event): an event is {event}; write 1 for the event and 0 for none, as in surv(time, status == 2)"));
    }
    snap(&mut time);
    let spell = |(i, time): (usize, f64)| Spell {
        time,
        event: event[i] == 1.0,
        n: 1.0,
        group: 0,
        stratum: stratum.as_ref().map_or(0, |stratum| stratum[i]),
        cluster: cluster.as_ref().map_or(0, |cluster| cluster[i]),
    };
    Ok(time.into_iter().enumerate().map(spell).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(rows: &[(f64, f64)]) -> FollowUp {
        FollowUp { time: rows.iter().map(|r| r.0).collect(), event: rows.iter().map(|r| r.1).collect(), ..FollowUp::default() }
    }

    fn levels() -> Vec<String> {
        vec!["0".to_string(), "1".to_string()]
    }

    const ROWS: [(f64, f64); 6] = [(1.0, 1.0), (2.5, 1.0), (3.0, 0.0), (2.0, 1.0), (4.0, 0.0), (4.0, 0.0)];
    const PLAN: LogRankPlan = LogRankPlan { rho: 0.0, draws: 1000, seed: 1 };

    #[test]
    fn a_quantile_that_is_not_reached_is_null_with_a_warning() {
        let levels = levels();
        let groups = Groups { name: "g", levels: &levels, codes: &[0, 0, 0, 1, 1, 1] };
        let answer = km(follow(&ROWS), Some(groups), &[], &[0.5], 0.95).unwrap();
        let terms: Vec<&str> = answer.rows.iter().map(|row| row.term.as_str()).collect();
        assert_eq!(terms, ["g[0]@1", "g[0]@2.5", "g[0]@q0.5", "g[1]@2", "g[1]@q0.5"]);
        assert_eq!((answer.rows[2].number("estimate"), answer.rows[4].number("estimate")), (Some(2.5), None));
        assert!(answer.warnings.iter().any(|w| w.starts_with("g[1]@q0.5: not reached by the curve")), "{:?}", answer.warnings);
        let all = km(follow(&ROWS), None, &[2.5, 0.0], &[], 0.95).unwrap();
        assert_eq!((all.rows[0].term.as_str(), all.rows[1].number("n_event"), all.rows[1].number("n_risk")), ("all@0", Some(3.0), Some(4.0)));
    }

    #[test]
    fn the_test_of_whole_clusters_stands_beside_the_plain_one() {
        let levels = levels();
        let rows: Vec<(f64, f64)> = (0..16).map(|i| (f64::from(i % 5 + i / 8), f64::from(i % 3).min(1.0))).collect();
        let codes: Vec<u32> = (0..16).map(|i| i / 8).collect();
        let groups = Groups { name: "g", levels: &levels, codes: &codes };
        let clusters: Vec<u32> = (0..16).map(|i| i / 2).collect();
        let answer = logrank(FollowUp { cluster: Some(clusters), ..follow(&rows) }, groups, PLAN).unwrap();
        assert_eq!((answer.rows[3].term.as_str(), answer.rows[3].number("draws"), answer.clusters), ("g@clusters", Some(70.0), Some(8)));
        let divided = logrank(FollowUp { cluster: Some(vec![0; 16]), ..follow(&rows) }, groups, PLAN).unwrap();
        assert!(divided.rows[3].number("p").is_none() && divided.rows[2].number("p").is_some() && divided.warnings.len() == 1);
    }

    #[test]
    fn without_events_nothing_is_tested_or_estimated_and_a_warning_says_so() {
        let rows = ROWS.map(|(time, _)| (time, 0.0));
        let levels = levels();
        let groups = Groups { name: "g", levels: &levels, codes: &[0, 0, 0, 1, 1, 1] };
        let test = logrank(follow(&rows), groups, PLAN).unwrap();
        assert!(test.rows[2].number("p").is_none() && test.warnings == ["g: no test, nobody has the event"]);
        let terms = ["x".to_string()];
        let columns = Columns { terms: &terms, x: &[0.0, 0.0, 0.0, 1.0, 1.0, 1.0] };
        let fitted = cox(follow(&rows), columns, "efron", 0.95).unwrap();
        assert!(fitted.rows[0].number("estimate").is_none() && fitted.warnings == ["nothing was estimated: nobody has the event"]);
        let one = cox(FollowUp { cluster: Some(vec![7; 6]), ..follow(&ROWS) }, columns, "breslow", 0.95).unwrap();
        assert!(one.rows[0].number("estimate").is_some() && one.rows[0].number("se").is_none() && one.rows[0].number("se_model").is_some());
    }

    #[test]
    fn times_below_zero_and_other_events_are_refused() {
        assert!(km(follow(&[(-1.0, 1.0)]), None, &[], &[], 0.95).is_err());
        assert!(km(follow(&[(f64::NAN, 1.0)]), None, &[], &[], 0.95).is_err());
        assert!(km(follow(&[(1.0, 2.0)]), None, &[], &[], 0.95).unwrap_err().contains("an event is 2"));
        assert!(km(follow(&[]), None, &[], &[], 0.95).is_err());
        assert!(km(follow(&ROWS), None, &[], &[1.5], 0.95).unwrap_err().starts_with("quantiles 1.5"));
    }
}
