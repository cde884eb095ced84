//! The methods that need no data: `adjust`, `power`, `sequential`, `confseq`.

use super::answer::{Answer, Row};
use super::spec::Spec;
use vecino_stats::confidence_sequence::{asymptotic, normal_mixture};
use vecino_stats::multiple::ADJUSTMENTS;
use vecino_stats::power::{Design, baseline_r2, mean_correlation};
use vecino_stats::sequential::{CLOSEST, MOST, Spending, boundaries};
use vecino_stats::{Refusal, power};

/// Rows `1`, `2`, …: `p` and `p_NAME` for each adjustment. A p that is missing stays missing and does not count. Refuses a p outside 0 to 1,
/// no p, no adjustment and an unknown one.
pub fn adjust(p: &[Option<f64>], adjust: &[String]) -> Result<Answer, String> {
    if p.is_empty() {
        return Err("p: give a list of p-values".to_string());
    }
    if let Some(p) = p.iter().flatten().find(|p| !(0.0..=1.0).contains(*p)) {
        return Err(format!("p {p}: a p-value lies between 0 and 1"));
    }
    let known = ADJUSTMENTS.map(|(name, _)| name).join(" ");
    if adjust.is_empty() {
        return Err(format!("adjust: give one or more of {known}"));
    }
    let find = |name: &String| {
        let found = ADJUSTMENTS.iter().find(|(own, _)| own == name);
        found.map(|(name, adjustment)| (*name, adjustment(p))).ok_or_else(|| format!("adjust \"{name}\": use one of {known}"))
    };
    let adjusted = adjust.iter().map(find).collect::<Result<Vec<_>, String>>()?;
    let mut answer = named("adjust");
    for (i, p) in p.iter().enumerate() {
        let row = Row::new((i + 1).to_string()).with("p", *p);
        answer.rows.push(adjusted.iter().fold(row, |row, (name, values)| row.with(&format!("p_{name}"), values[i])));
    }
    Ok(answer)
}

/// A design with its correlation over time and what a baseline explains, as given or from what they follow from.
pub fn over_time(spec: &Spec, plain: Design) -> Result<Design, String> {
    let twice = |one: &str, other: &str| Err(format!("{one} beside {other}: give one of the two"));
    let autocorrelation = match (spec.autocorrelation, spec.cluster_autocorrelation) {
        (Some(_), Some(_)) => return twice("autocorrelation", "cluster_autocorrelation"),
        (_, None) if spec.person_autocorrelation.is_some() => {
            return Err("person_autocorrelation: give cluster_autocorrelation beside it".to_string());
        }
        (Some(given), None) => given,
        (None, None) => plain.autocorrelation,
        (None, Some(cluster)) => mean_correlation(plain.size, plain.icc, cluster, spec.person_autocorrelation.unwrap_or(0.0))
            .ok_or_else(|| format!("cluster_autocorrelation {cluster}: gives no correlation between -1 and 1"))?,
    };
    let baseline_r2 = match (spec.baseline_r2, spec.baseline_periods) {
        (Some(_), Some(_)) => return twice("baseline_r2", "baseline_periods"),
        (Some(given), None) => given,
        (None, None) => plain.baseline_r2,
        (None, Some(_)) if spec.autocorrelation.or(spec.cluster_autocorrelation).is_none() => {
            return Err("baseline_periods: give autocorrelation or cluster_autocorrelation beside it".to_string());
        }
        (None, Some(rounds)) => baseline_r2(autocorrelation, rounds, plain.periods)
            .ok_or_else(|| format!("baseline_periods {rounds}: use 0, or 1 or more, beside a correlation of rounds that can be"))?,
    };
    Ok(Design { autocorrelation, baseline_r2, ..plain })
}

/// Row `power`: `estimate power_z deff se df ncp mde`. Refuses a design out of range, naming the key.
pub fn power(design: &Design) -> Result<Answer, String> {
    let Design { p0, p1, clusters, size, icc, cv, alpha, power: target, periods, autocorrelation, baseline_r2 } = *design;
    for (key, p) in [("p0", p0), ("p1", p1)] {
        if !(0.0..=1.0).contains(&p) {
            return Err(format!("{key} {p}: a share lies between 0 and 1"));
        }
    }
    for (key, p) in [("alpha", alpha), ("power", target)] {
        if !(p > 0.0 && p < 1.0) {
            return Err(format!("{key} {p}: use a number above 0 and below 1"));
        }
    }
    match () {
        _ if !(clusters >= 2.0 && clusters.is_finite()) => return Err(format!("clusters {clusters}: an arm needs at least 2")),
        _ if !(size > 0.0 && size.is_finite()) => return Err(format!("size {size}: a cluster has more than 0 rows")),
        _ if !(-1.0..=1.0).contains(&icc) => return Err(format!("icc {icc}: a correlation lies between -1 and 1")),
        _ if !(cv >= 0.0 && cv.is_finite()) => return Err(format!("cv {cv}: use 0 for equal clusters, or a number above 0")),
        _ if !(periods >= 1.0 && periods.is_finite()) => return Err(format!("periods {periods}: use 1 or more")),
        _ if !(-1.0..=1.0).contains(&autocorrelation) => return Err(format!("autocorrelation {autocorrelation}: use a number between -1 and 1")),
        _ if !(0.0..1.0).contains(&baseline_r2) => return Err(format!("baseline_r2 {baseline_r2}: use a number from 0 to below 1")),
        _ => {}
    }
    let found = power::power(design).map_err(|why| match why {
        Refusal::NoVariance => {
            "p0, p1, icc: with these the difference has no variance; use shares between 0 and 1 and an icc that leaves one".to_string()
        }
        why => format!("power: {}", why.why()),
    })?;
    let mut answer = named("power");
    let row = Row::new("power").with("estimate", found.power).with("power_z", found.power_z).with("deff", found.deff).with("se", found.se);
    answer.rows.push(row.with("df", found.df).with("ncp", found.ncp).with("mde", found.mde));
    Ok(answer)
}

/// Rows `look[1]`…: `information estimate spent p`. `spending` is `obrien-fleming` or `pocock`. Refuses shares out of order or range.
pub fn sequential(looks: &[f64], spending: &str, alpha: f64) -> Result<Answer, String> {
    let spending = match spending {
        "obrien-fleming" => Spending::OBrienFleming,
        "pocock" => Spending::Pocock,
        other => return Err(format!("spending \"{other}\": use one of obrien-fleming pocock")),
    };
    if looks.is_empty() || looks.len() > MOST {
        return Err(format!("looks: give from 1 to {MOST} shares of the information, such as 0.5 and 1"));
    }
    if let Some(t) = looks.iter().find(|t| !(**t > 0.0 && **t <= 1.0)) {
        return Err(format!("looks {t}: a share of the information is above 0 and at most 1"));
    }
    if let Some(pair) = looks.windows(2).find(|pair| pair[1].is_nan() || pair[1] - pair[0] < CLOSEST) {
        return Err(format!("looks {} then {}: give the shares in rising order, at least {CLOSEST} apart", pair[0], pair[1]));
    }
    let found = boundaries(looks, spending, checked_alpha(alpha)?).ok_or_else(|| "looks: no boundary could be computed".to_string())?;
    let mut answer = named("sequential");
    for (k, look) in found.iter().enumerate() {
        let row = Row::new(format!("look[{}]", k + 1)).with("information", look.information).with("estimate", look.boundary);
        answer.rows.push(row.with("spent", look.spent).with("p", look.p));
        if look.boundary.is_none() {
            answer.warnings.push(format!("look[{}]: so early nothing can be spent; no result stops the trial here", k + 1));
        }
    }
    Ok(answer)
}

/// Rows `v[10]` or `t[10]`: `estimate`, the radius. `kind` is `normal-mixture`, which takes `v`, or `asymptotic`, which takes `t`.
pub fn confseq(kind: &str, v: &[f64], t: &[f64], rho: Option<f64>, alpha: f64) -> Result<Answer, String> {
    type Radius = fn(f64, f64, f64) -> Option<f64>;
    let (key, other, values, unused, radius): (_, _, _, _, Radius) = match kind {
        "normal-mixture" => ("v", "t", v, t, normal_mixture),
        "asymptotic" => ("t", "v", t, v, asymptotic),
        unknown => return Err(format!("kind \"{unknown}\": use one of normal-mixture asymptotic")),
    };
    if values.is_empty() {
        return Err(format!("{key}: {kind} needs a list of values"));
    }
    if !unused.is_empty() {
        return Err(format!("{other}: {kind} takes {key} instead"));
    }
    let rho = rho.filter(|rho| *rho > 0.0 && rho.is_finite()).ok_or_else(|| "rho: give a number above 0".to_string())?;
    let alpha = checked_alpha(alpha)?;
    let mut answer = named("confseq");
    for value in values {
        let radius = radius(*value, rho, alpha).ok_or_else(|| format!("{key} {value}: use a number above 0"))?;
        answer.rows.push(Row::new(format!("{key}[{value}]")).with("estimate", radius));
    }
    Ok(answer)
}

fn named(method: &str) -> Answer {
    Answer { method: method.to_string(), ..Answer::default() }
}

fn checked_alpha(alpha: f64) -> Result<f64, String> {
    if alpha > 0.0 && alpha < 1.0 { Ok(alpha) } else { Err(format!("alpha {alpha}: use a number above 0 and below 1")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_string).collect()
    }

    #[test]
    fn adjusted_rows_are_numbered_and_a_missing_p_stays_missing() {
        let answer = adjust(&[Some(0.02), None, Some(0.01)], &words("holm bonferroni")).unwrap();
        let terms: Vec<&str> = answer.rows.iter().map(|row| row.term.as_str()).collect();
        assert_eq!(terms, ["1", "2", "3"]);
        assert_eq!((answer.rows[2].number("p_holm"), answer.rows[0].number("p_bonferroni")), (Some(0.02), Some(0.04)));
        assert_eq!(answer.rows[1].number("p_holm"), None);
    }

    #[test]
    fn terms_are_written_without_trailing_zeros() {
        let answer = confseq("normal-mixture", &[10.0, 1234.5], &[], Some(1.0), 0.05).unwrap();
        assert_eq!((answer.rows[0].term.as_str(), answer.rows[1].term.as_str()), ("v[10]", "v[1234.5]"));
        assert_eq!(sequential(&[0.5, 1.0], "pocock", 0.05).unwrap().rows[1].term, "look[2]");
    }

    #[test]
    fn what_is_out_of_range_is_refused_by_its_key() {
        let design = Design { p0: 0.3, p1: 0.4, clusters: 1.0, size: 20.0, icc: 0.05, ..Design::default() };
        let refusals = [
            (adjust(&[Some(1.2)], &words("holm")), "p 1.2"),
            (adjust(&[Some(0.2)], &words("sidak")), "adjust \"sidak\""),
            (power(&design), "clusters 1"),
            (power(&Design { clusters: 4.0, p0: 1.0, p1: 0.0, ..design }), "p0, p1"),
            (power(&Design { clusters: 4.0, alpha: 1.0, ..design }), "alpha 1"),
            (sequential(&[0.5, 0.4], "pocock", 0.05), "looks 0.5 then 0.4"),
            (sequential(&[0.5, 1.2], "pocock", 0.05), "looks 1.2"),
            (sequential(&[1.0], "haybittle", 0.05), "spending"),
            (confseq("asymptotic", &[], &[0.0], Some(1.0), 0.05), "t 0"),
            (confseq("asymptotic", &[], &[5.0], None, 0.05), "rho"),
        ];
        for (found, start) in refusals {
            let why = found.unwrap_err();
            assert!(why.starts_with(start), "{why}");
        }
    }
}
