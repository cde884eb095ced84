//! Shares of homes, and the rise between two windows. Pure: counts in, numbers out. A home is one unit however often it was visited.

use statrs::distribution::{ContinuousCDF, Normal};

/// What was seen of one home in one window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Record {
    pub observed: i64,
    pub complied: i64,
}

impl Record {
    /// Whether the home has enough observed collections to say anything about it.
    pub fn known(&self, minimum_visits: i64) -> bool {
        self.observed > 0 && self.observed >= minimum_visits
    }

    /// A home counts when it complied in more than half of its observed collections.
    pub fn counts(&self) -> bool {
        2 * self.complied > self.observed
    }
}

/// A share of homes with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    pub homes: i64,
    pub complied: i64,
    /// Observed collections behind it; they do not narrow the interval.
    pub observations: i64,
    pub estimate: f64,
    pub low: f64,
    pub high: f64,
}

impl Share {
    /// The share among the homes known well enough; `None` when there is none.
    ///
    /// Interval: Wilson (1927), homes as units, so repeated visits to a home never count as further evidence:
    /// (p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n).
    pub fn of(records: impl IntoIterator<Item = Record>, minimum_visits: i64, level: f64) -> Option<Share> {
        let (mut homes, mut complied, mut observations) = (0, 0, 0);
        for record in records.into_iter().filter(|record| record.known(minimum_visits)) {
            homes += 1;
            complied += i64::from(record.counts());
            observations += record.observed;
        }
        (homes > 0).then(|| {
            let (low, high) = wilson(complied, homes, level);
            Share { homes, complied, observations, estimate: complied as f64 / homes as f64, low, high }
        })
    }

    /// «n de cada 10»: whole tenths, always rounded down, from the counts and not from a fraction.
    pub fn tenth(&self) -> i16 {
        (10 * self.complied / self.homes.max(1)) as i16
    }

    pub fn half_width(&self) -> f64 {
        (self.high - self.low) / 2.0
    }
}

/// Two-sided normal quantile: 1.96 for 0.95.
fn quantile(level: f64) -> f64 {
    Normal::standard().inverse_cdf(0.5 + level.clamp(0.0, 0.999_999) / 2.0)
}

fn wilson(complied: i64, homes: i64, level: f64) -> (f64, f64) {
    let (n, z) = (homes as f64, quantile(level));
    let p = complied as f64 / n;
    let middle = p + z * z / (2.0 * n);
    let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    (((middle - half) / scale).clamp(0.0, p), ((middle + half) / scale).clamp(p, 1.0))
}

/// A change of the share between two windows that do not overlap.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rise {
    pub before: Share,
    pub now: Share,
    /// In shares: 0.05 is five points.
    pub rise: f64,
    pub low: f64,
}

impl Rise {
    /// The rise and the lower limit of its interval at `level` (two-sided, the stricter reading of "lower 90 % bound").
    ///
    /// Lower limit: Newcombe (1998) for paired shares, square-and-add of Wilson limits,
    /// d − √((p₁−l₁)² − 2r(p₁−l₁)(u₀−p₀) + (u₀−p₀)²). Homes known in both windows carry the correlation; since some are known
    /// in one only, r = φ · m / √(n₁n₀) with φ the phi coefficient among the m homes known in both (0 when it has no value).
    pub fn of(homes: &[(Record, Record)], minimum_visits: i64, share_level: f64, level: f64) -> Option<Rise> {
        let before = Share::of(homes.iter().map(|(before, _)| *before), minimum_visits, share_level)?;
        let now = Share::of(homes.iter().map(|(_, now)| *now), minimum_visits, share_level)?;
        let (mut m, mut both, mut first, mut second) = (0.0, 0.0, 0.0, 0.0);
        for (old, new) in homes.iter().filter(|(old, new)| old.known(minimum_visits) && new.known(minimum_visits)) {
            m += 1.0;
            first += f64::from(u8::from(old.counts()));
            second += f64::from(u8::from(new.counts()));
            both += f64::from(u8::from(old.counts() && new.counts()));
        }
        let spread = first * (m - first) * second * (m - second);
        let phi: f64 = if spread > 0.0 { (m * both - first * second) / spread.sqrt() } else { 0.0 };
        let r = phi * m / ((now.homes * before.homes) as f64).sqrt();
        let rise = now.estimate - before.estimate;
        let down = now.estimate - wilson(now.complied, now.homes, level).0;
        let up = wilson(before.complied, before.homes, level).1 - before.estimate;
        let low = rise - (down * down - 2.0 * r * down * up + up * up).max(0.0).sqrt();
        Some(Rise { before, now, rise, low })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn homes(complied: i64, of: i64) -> Vec<Record> {
        (0..of).map(|at| Record { observed: 4, complied: if at < complied { 3 } else { 2 } }).collect()
    }

    #[test]
    fn half_of_the_visits_is_not_more_than_half() {
        assert!(!Record { observed: 4, complied: 2 }.counts());
        assert!(Record { observed: 3, complied: 2 }.counts());
        assert!(!Record { observed: 1, complied: 1 }.known(2));
        assert!(!Record::default().known(0));
        assert!(Share::of([Record { observed: 1, complied: 1 }], 2, 0.95).is_none());
    }

    #[test]
    fn wilson_agrees_with_the_published_examples() {
        // Newcombe 1998 (statistics in medicine 17:857), table I.
        for (complied, of, low, high) in [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)] {
            let share = Share::of(homes(complied, of), 2, 0.95).unwrap();
            assert!((share.low - low).abs() < 5e-5 && (share.high - high).abs() < 5e-5, "{share:?}");
            assert_eq!((share.homes, share.complied, share.observations), (of, complied, 4 * of));
            assert!((share.half_width() - (high - low) / 2.0).abs() < 1e-4);
        }
    }

    #[test]
    fn a_rise_is_judged_at_its_own_level_and_its_shares_at_theirs() {
        let mut pairs: Vec<(Record, Record)> = homes(48, 80).into_iter().map(|r| (r, Record::default())).collect();
        pairs.extend(homes(56, 70).into_iter().map(|r| (Record::default(), r)));
        let [rise, wide, narrow] = [(0.95, 0.9), (0.95, 0.95), (0.9, 0.9)].map(|(shares, own)| Rise::of(&pairs, 2, shares, own).unwrap());
        assert_eq!((rise.low, rise.before, rise.now), (narrow.low, wide.before, wide.now));
        assert!(rise.low > wide.low && rise.now.low < narrow.now.low);
    }

    #[test]
    fn repeated_visits_do_not_narrow_the_interval() {
        let often: Vec<Record> = homes(60, 96).into_iter().map(|r| Record { observed: r.observed * 5, complied: r.complied * 5 }).collect();
        let (a, b) = (Share::of(homes(60, 96), 2, 0.95).unwrap(), Share::of(often, 2, 0.95).unwrap());
        assert_eq!((a.low, a.high), (b.low, b.high));
        assert_ne!(a.observations, b.observations);
    }

    #[test]
    fn a_rise_without_overlap_is_newcombes_unpaired_limit() {
        // Newcombe 1998, method 10 on 56/70 v 48/80 at 95 %: 0.0524 to 0.3339.
        let mut pairs: Vec<(Record, Record)> = homes(48, 80).into_iter().map(|r| (r, Record::default())).collect();
        pairs.extend(homes(56, 70).into_iter().map(|r| (Record::default(), r)));
        let rise = Rise::of(&pairs, 2, 0.95, 0.95).unwrap();
        assert!((rise.rise - 0.2).abs() < 1e-12 && (rise.low - 0.0524).abs() < 5e-5, "{rise:?}");
    }

    #[test]
    fn the_same_homes_in_both_windows_make_the_rise_surer() {
        let (no, yes) = (Record { observed: 4, complied: 1 }, Record { observed: 4, complied: 4 });
        let mut paired = vec![(no, no); 50];
        paired.extend(vec![(yes, yes); 30]);
        paired.extend(vec![(no, yes); 10]);
        let mut apart: Vec<(Record, Record)> = paired.iter().map(|(a, _)| (*a, Record::default())).collect();
        apart.extend(paired.iter().map(|(_, b)| (Record::default(), *b)));
        let (a, b) = (Rise::of(&paired, 2, 0.95, 0.9).unwrap(), Rise::of(&apart, 2, 0.95, 0.9).unwrap());
        assert!((a.rise - b.rise).abs() < 1e-12 && a.low > b.low && a.low > 0.0 && b.low < 0.0, "{a:?} {b:?}");
    }

    #[test]
    fn what_the_windows_share_is_their_correlation_among_the_homes_in_both() {
        let (no, yes, unknown) = (Record { observed: 4, complied: 1 }, Record { observed: 4, complied: 4 }, Record::default());
        let seen = [(no, no, 40), (yes, yes, 20), (no, yes, 15), (yes, no, 5), (unknown, yes, 7), (yes, unknown, 3)];
        let pairs: Vec<(Record, Record)> = seen.iter().flat_map(|(a, b, n)| vec![(*a, *b); *n]).collect();
        let rise = Rise::of(&pairs, 2, 0.9, 0.9).unwrap();
        // Pearson's correlation of 80 pairs of zeros and ones.
        let both: Vec<(f64, f64)> = pairs
            .iter()
            .filter(|(a, b)| a.known(2) && b.known(2))
            .map(|(a, b)| (f64::from(u8::from(a.counts())), f64::from(u8::from(b.counts()))))
            .collect();
        let mean = |of: &dyn Fn(f64, f64) -> f64| both.iter().map(|(a, b)| of(*a, *b)).sum::<f64>() / 80.0;
        let (x, y) = (mean(&|a, _| a), mean(&|_, b| b));
        let spread = (mean(&|a, _| (a - x).powi(2)) * mean(&|_, b| (b - y).powi(2))).sqrt();
        let phi = mean(&|a, b| (a - x) * (b - y)) / spread;
        let r = phi * 80.0 / (87.0_f64 * 83.0).sqrt();
        let (down, up) = (rise.now.estimate - rise.now.low, rise.before.high - rise.before.estimate);
        let low = rise.rise - (down * down - 2.0 * r * down * up + up * up).sqrt();
        assert!((rise.low - low).abs() < 1e-12 && (0.45..0.55).contains(&phi), "{rise:?} {phi}");
    }
}
