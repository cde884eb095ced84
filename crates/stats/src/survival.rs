//! Time to an event, with people who leave before it: the Kaplan-Meier curve.
//!
//! S(t) = Π over event times s ≤ t of (1 − d_s/n_s), d_s events among n_s at risk just before (Kaplan and Meier 1958);
//! var(ln S) = Σ d_s/(n_s (n_s − d_s)) (Greenwood 1926), se(S) = S se(ln S), interval S exp(±z se(ln S)), at most 1.
//! The quantile q is the first time with S ≤ 1 − q, or the middle of the step on which S equals 1 − q; its interval reads the two edges
//! of the band in the same way (Brookmeyer and Crowley 1982).

/// `n` people alike: followed for `time`, then with the event or lost from sight. `group` is what is compared, `stratum` what stands apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spell {
    /// Followed for so long.
    pub time: f64,
    /// Whether it ended in the event.
    pub event: bool,
    /// How many people.
    pub n: f64,
    /// What is compared.
    pub group: u32,
    /// What stands apart.
    pub stratum: u32,
    /// What was randomised as one.
    pub cluster: u32,
}

/// Times this close, as a share of their mean, are one time: what separates them is rounding.
const SAME_TIME: f64 = 1.49e-8;

/// Gives times that differ by rounding alone the first of their run. Times must be finite.
///
/// ```
/// # use vecino_stats::survival::snap;
/// let mut times = [0.1 + 0.2, 0.7, 0.3];
/// snap(&mut times);
/// assert_eq!(times, [0.3, 0.7, 0.3]);
/// ```
pub fn snap(times: &mut [f64]) {
    if times.iter().all(|time| time.fract() == 0.0) {
        return;
    }
    let mut rising = times.to_vec();
    rising.sort_unstable_by(f64::total_cmp);
    rising.dedup();
    let within = SAME_TIME * rising.iter().map(|t| t.abs()).sum::<f64>() / rising.len() as f64;
    if rising.windows(2).all(|pair| pair[1] - pair[0] > within) {
        return;
    }
    let mut first: Vec<f64> = Vec::with_capacity(rising.len());
    for (i, time) in rising.iter().enumerate() {
        first.push(if i > 0 && time - rising[i - 1] <= within { first[i - 1] } else { *time });
    }
    for time in times {
        *time = first[rising.partition_point(|other| other < time)];
    }
}

/// Spells in order of stratum, time, group and cluster, alike ones added up, those without people left out.
///
/// ```
/// # use vecino_stats::survival::{Spell, tally};
/// let spell = Spell { time: 1.0, event: true, n: 2.0, group: 0, stratum: 0, cluster: 0 };
/// assert_eq!(tally(vec![spell, Spell { n: 3.0, ..spell }]), [Spell { n: 5.0, ..spell }]);
/// ```
pub fn tally(mut spells: Vec<Spell>) -> Vec<Spell> {
    spells.retain(|spell| spell.n > 0.0);
    spells.sort_unstable_by(|a, b| {
        let rest = || (a.group, a.cluster, a.event).cmp(&(b.group, b.cluster, b.event));
        a.stratum.cmp(&b.stratum).then_with(|| a.time.total_cmp(&b.time)).then_with(rest)
    });
    spells.dedup_by(|next, kept| {
        let same = Spell { n: next.n, ..*kept } == *next;
        kept.n += if same { next.n } else { 0.0 };
        same
    });
    spells
}

/// A curve has a point at each time at which someone had the event or was lost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Followed for so long.
    pub time: f64,
    /// Just before.
    pub at_risk: f64,
    /// At this time.
    pub events: f64,
    /// S, from here on.
    pub survival: f64,
    /// se(ln S); `None` once S is 0.
    pub log_se: Option<f64>,
}

/// The curve of Kaplan and Meier (1958) with Greenwood's error.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Curve {
    /// In order of time.
    pub points: Vec<Point>,
}

/// S and its error at one time, with who is at risk just before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// S, from here on.
    pub survival: f64,
    /// Of S.
    pub se: Option<f64>,
    /// S exp(±z se(ln S)), at most 1.
    pub interval: Option<(f64, f64)>,
    /// Just before it.
    pub at_risk: f64,
    /// Events at all times up to and with this one.
    pub events: f64,
}

/// The curve of tallied spells of one stratum, whatever their groups.
///
/// ```
/// # use vecino_stats::survival::{Spell, kaplan_meier, tally};
/// # let spell = |time| Spell { time, event: true, n: 1.0, group: 0, stratum: 0, cluster: 0 };
/// let curve = kaplan_meier(&tally([1.0, 2.0, 5.0, 9.0].map(spell).to_vec()));
/// assert!(curve.points.iter().zip([0.75, 0.5, 0.25, 0.0]).all(|(point, s)| (point.survival - s).abs() < 1e-15));
/// ```
pub fn kaplan_meier(spells: &[Spell]) -> Curve {
    let mut at_risk: f64 = spells.iter().map(|spell| spell.n).sum();
    let (mut survival, mut variance) = (1.0, 0.0);
    let points = spells.chunk_by(|a, b| a.time == b.time).map(|now| {
        let events: f64 = now.iter().filter(|spell| spell.event).map(|spell| spell.n).sum();
        let rest = at_risk - events;
        survival = if rest > 0.0 { survival * (rest / at_risk) } else { 0.0 };
        variance += if events > 0.0 { events / (at_risk * rest) } else { 0.0 };
        let log_se = (survival > 0.0).then(|| variance.sqrt());
        let point = Point { time: now[0].time, at_risk, events, survival, log_se };
        at_risk -= now.iter().map(|spell| spell.n).sum::<f64>();
        point
    });
    Curve { points: points.collect() }
}

impl Curve {
    /// The curve at any time, with the interval of normal quantile `z`; after the last time it stays where it was.
    ///
    /// ```
    /// # use vecino_stats::survival::{Spell, kaplan_meier, tally};
    /// # let spell = |time| Spell { time, event: true, n: 1.0, group: 0, stratum: 0, cluster: 0 };
    /// let curve = kaplan_meier(&tally([1.0, 2.0, 5.0, 9.0].map(spell).to_vec()));
    /// let level = curve.at(3.0, 1.96); // Greenwood: var(ln S) = 1/(4·3) + 1/(3·2)
    /// assert!((level.survival - 0.5).abs() < 1e-15 && (level.se.unwrap() - 0.25).abs() < 1e-12 && level.at_risk == 2.0);
    /// ```
    pub fn at(&self, time: f64, z: f64) -> Level {
        let passed = self.points.partition_point(|point| point.time <= time);
        let (survival, log_se) = self.points[..passed].last().map_or((1.0, Some(0.0)), |point| (point.survival, point.log_se));
        Level {
            survival,
            se: log_se.map(|se| survival * se),
            interval: log_se.map(|se| (survival * (-z * se).exp(), (survival * (z * se).exp()).min(1.0))),
            at_risk: self.points[self.points.partition_point(|point| point.time < time)..].first().map_or(0.0, |point| point.at_risk),
            events: self.points[..passed].iter().map(|point| point.events).sum(),
        }
    }

    /// The quantile `q` of the time to the event, and the two ends of its interval; each is `None` if its curve does not come down so far.
    ///
    /// ```
    /// # use vecino_stats::survival::{Spell, kaplan_meier, tally};
    /// # let spell = |time| Spell { time, event: true, n: 1.0, group: 0, stratum: 0, cluster: 0 };
    /// let curve = kaplan_meier(&tally([1.0, 2.0, 5.0, 9.0].map(spell).to_vec()));
    /// assert_eq!(curve.quantile(0.5, 1.96).0, Some(3.5)); // the middle of the step
    /// ```
    pub fn quantile(&self, q: f64, z: f64) -> (Option<f64>, Option<f64>, Option<f64>) {
        let lower = |point: &Point| Some(point.survival * (-z * point.log_se?).exp());
        let upper = |point: &Point| Some((point.survival * (z * point.log_se?).exp()).min(1.0));
        (self.first(q, |point| Some(point.survival)), self.first(q, lower), self.first(q, upper))
    }

    fn first(&self, q: f64, height: impl Fn(&Point) -> Option<f64>) -> Option<f64> {
        const EQUAL: f64 = 1.49e-8;
        let mut points = self.points.iter().filter(|point| point.events > 0.0).filter_map(|point| Some((point.time, height(point)? - (1.0 - q))));
        let (time, above) = points.find(|(_, above)| *above <= EQUAL)?;
        if above < -EQUAL {
            return Some(time);
        }
        let end = points.find(|(_, above)| *above < -EQUAL).map(|(time, _)| time).or_else(|| Some(self.points.last()?.time))?;
        Some((time + end) / 2.0)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// time, event, n, group, stratum, cluster
    pub fn spell((time, event, n, group, stratum, cluster): (f64, u8, f64, u32, u32, u32)) -> Spell {
        Spell { time, event: event == 1, n, group, stratum, cluster }
    }

    fn curve(rows: &[(f64, u8)]) -> Curve {
        kaplan_meier(&tally(rows.iter().map(|(time, event)| spell((*time, *event, 1.0, 0, 0, 0))).collect()))
    }

    // Freireich et al. (1963), remission under 6-MP: the textbook table, S .8571 at 6, .8067 at 7, .7529 at 10, .4482 at 23; median 23.
    const REMISSION: [(f64, u8); 21] = [
        (6.0, 1),
        (6.0, 1),
        (6.0, 1),
        (6.0, 0),
        (7.0, 1),
        (9.0, 0),
        (10.0, 1),
        (10.0, 0),
        (11.0, 0),
        (13.0, 1),
        (16.0, 1),
        (17.0, 0),
        (19.0, 0),
        (20.0, 0),
        (22.0, 1),
        (23.0, 1),
        (25.0, 0),
        (32.0, 0),
        (32.0, 0),
        (34.0, 0),
        (35.0, 0),
    ];

    #[test]
    fn the_textbook_curve_comes_out() {
        let z = 1.959963984540054;
        let curve = curve(&REMISSION);
        for (time, survival, se) in [(6.0, 0.8571, 0.0764), (7.0, 0.8067, 0.0869), (10.0, 0.7529, 0.0963), (23.0, 0.4482, 0.1346)] {
            let level = curve.at(time, z);
            assert!((level.survival - survival).abs() < 5e-5 && (level.se.unwrap() - se).abs() < 5e-5, "{level:?}");
        }
        let late = curve.at(40.0, z);
        assert_eq!((late.at_risk, late.events, late.survival), (0.0, 9.0, curve.at(23.0, z).survival));
        assert_eq!(curve.at(8.0, z).at_risk, 16.0);
        assert_eq!(curve.quantile(0.5, z), (Some(23.0), Some(16.0), None));
    }

    #[test]
    fn a_quantile_on_a_step_is_its_middle_and_one_not_reached_is_none() {
        let four = curve(&[(1.0, 1), (2.0, 1), (5.0, 1), (9.0, 1)]);
        assert_eq!(four.quantile(0.5, 1.96).0, Some(3.5));
        assert_eq!(four.at(9.0, 1.96).se, None);
        let stays = curve(&[(1.0, 1), (2.0, 1), (7.0, 0), (9.0, 0)]);
        assert_eq!((stays.quantile(0.5, 1.96).0, stays.quantile(0.75, 1.96).0), (Some(5.5), None));
        assert_eq!(Curve::default().quantile(0.5, 1.96), (None, None, None));
    }

    #[test]
    fn tallies_and_times_apart_by_rounding_are_the_same_people() {
        let mut times = [0.1 + 0.2, 0.7, 0.3];
        snap(&mut times);
        assert_eq!(times, [0.3, 0.7, 0.3]);
        let tallied = tally(vec![spell((1.0, 1, 2.0, 0, 0, 0)), spell((1.0, 1, 3.0, 0, 0, 0)), spell((1.0, 0, 0.0, 0, 0, 0))]);
        assert_eq!(tallied, vec![spell((1.0, 1, 5.0, 0, 0, 0))]);
    }
}
