//! Where a home counts: in the segment, and so the arm, of the draw, wherever it moves afterwards. A home that comes later counts from then on
//! in the segment it came to first. Tallies are by where homes lie; what movers did elsewhere is taken out there and put back here.

use super::protocol::{Phase, Protocol};
use crate::clock::Week;
use crate::db::Tx;
use crate::error::Result;
use crate::id::{HouseholdId, MunicipalityId, SegmentId};
use crate::territory::dated::Span;
use crate::{all, among};
use chrono::NaiveDate;
use std::collections::{BTreeMap, BTreeSet};

/// The segment in which a home of the draw counts, as SQL; null for any other. `$home`: the home's alias; `$trial`: the trial's parameter.
macro_rules! drawn_segment {
    ($home:literal, $trial:literal) => {
        concat!(
            "(SELECT t.segment_id FROM trial_home t WHERE t.municipality_id = ",
            $home,
            ".municipality_id AND t.trial_id = ",
            $trial,
            " AND t.household_id = ",
            $home,
            ".household_id)"
        )
    };
}
pub(crate) use drawn_segment;

/// Homes of one arm since the draw, as the report's flow tells them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Since {
    /// Homes of the draw that moved to another segment. Whose segment was cut, or became part of another, moved nowhere.
    pub moved: i64,
    /// Homes of the draw without service on the last day of the data.
    pub closed: i64,
    /// Homes that got service on a drawn segment after the draw.
    pub arrived: i64,
}

/// A stretch a home had service on another segment than the one it counts in.
struct Away {
    home: HouseholdId,
    counts_in: SegmentId,
    lies_in: SegmentId,
    days: Span,
}

/// The homes of one municipality since the draw.
pub struct Homes {
    counts_in: BTreeMap<HouseholdId, SegmentId>,
    /// The day on which a home that is not of the draw came to a drawn segment.
    arrived: BTreeMap<HouseholdId, NaiveDate>,
    away: Vec<Away>,
    pub since: BTreeMap<SegmentId, Since>,
}

type Served = (HouseholdId, SegmentId, NaiveDate, Option<NaiveDate>);

/// What homes did or were due elsewhere, to add to a segment's sums of a week: taken out where they lie, put in where they count.
#[derive(Debug, Clone, Copy)]
pub struct Carried {
    pub segment: SegmentId,
    pub week: Week,
    pub due: f64,
    pub observed: f64,
    pub set_out: f64,
    pub complied: f64,
    pub contaminated: f64,
    pub separation_seen: f64,
    pub separated: f64,
}

impl Homes {
    /// As far as `through`, a trial week.
    pub async fn read(
        tx: &mut Tx,
        protocol: &Protocol,
        through: i64,
        municipality: MunicipalityId,
        drawn_segments: &BTreeSet<SegmentId>,
    ) -> Result<Homes> {
        let drawn_on = protocol.phase_weeks(Phase::Baseline).1.sunday();
        let last = protocol.week(through.max(1)).sunday();
        let drawn: Vec<(HouseholdId, SegmentId)> =
            all!(tx, "SELECT household_id, segment_id FROM trial_home WHERE municipality_id = $1 AND trial_id = $2", municipality, &protocol.id)?;
        let mut counts_in: BTreeMap<HouseholdId, SegmentId> = drawn.into_iter().collect();
        let served: Vec<Served> = all!(
            tx,
            "SELECT household_id, segment_id, valid_from, valid_to FROM household_version
              WHERE municipality_id = $1 AND superseded_at IS NULL AND service_status = 'served' AND segment_id IS NOT NULL
                AND valid_from <= $3 AND (valid_to IS NULL OR valid_to > $2)
              ORDER BY household_id, valid_from",
            municipality,
            drawn_on,
            last
        )?;
        let ends = ends(tx, municipality).await?;
        let mut since: BTreeMap<SegmentId, Since> = BTreeMap::new();
        let mut arrived: BTreeMap<HouseholdId, NaiveDate> = BTreeMap::new();
        let mut away = Vec::new();
        let mut still: BTreeSet<HouseholdId> = BTreeSet::new();
        let of_the_draw: BTreeSet<HouseholdId> = counts_in.keys().copied().collect();
        for stays in served.chunk_by(|a, b| a.0 == b.0) {
            let home = stays[0].0;
            if stays.iter().any(|(_, _, from, to)| (Span { from: *from, to: *to }).holds(last)) {
                still.insert(home);
            }
            let own = match counts_in.get(&home) {
                Some(own) => *own,
                None => {
                    let Some((_, first, came, _)) = stays.iter().find(|(_, segment, ..)| drawn_segments.contains(segment)) else { continue };
                    since.entry(*first).or_default().arrived += 1;
                    counts_in.insert(home, *first);
                    arrived.insert(home, *came);
                    *first
                }
            };
            let came = arrived.get(&home);
            let elsewhere = stays.iter().filter(|(_, segment, from, _)| *segment != own && came.is_none_or(|came| from > came));
            away.extend(elsewhere.map(|(_, lies_in, from, to)| Away {
                home,
                counts_in: own,
                lies_in: *lies_in,
                days: Span { from: *from, to: *to },
            }));
            // Whoever stands on another segment because the one before has ended was not the one who moved.
            let left = std::iter::once(own).chain(stays.iter().map(|(_, segment, ..)| *segment)).zip(stays);
            let moved = left.into_iter().any(|(left, (_, segment, from, _))| left != *segment && ends.get(&left).is_none_or(|end| end >= from));
            if moved && of_the_draw.contains(&home) {
                since.entry(own).or_default().moved += 1;
            }
        }
        for home in of_the_draw.difference(&still) {
            if let Some(own) = counts_in.get(home) {
                since.entry(*own).or_default().closed += 1;
            }
        }
        Ok(Homes { counts_in, arrived, away, since })
    }

    /// The segments that homes counted in then, those of the draw and those that came later.
    pub fn counting(&self, week: Week) -> impl Iterator<Item = (HouseholdId, SegmentId)> {
        let came = move |home: &HouseholdId| self.arrived.get(home).is_none_or(|came| week >= Week::of(*came));
        self.counts_in.iter().filter(move |(home, _)| came(home)).map(|(home, segment)| (*home, *segment))
    }

    /// The segment a home counts in; `lies_in` where it was observed in that week.
    pub fn counts_in(&self, home: HouseholdId, lies_in: SegmentId, week: Week) -> SegmentId {
        let before = self.arrived.get(&home).is_some_and(|came| week < Week::of(*came));
        self.counts_in.get(&home).copied().filter(|_| !before).unwrap_or(lies_in)
    }

    /// What homes did and were due elsewhere than where they count.
    pub async fn carried(&self, tx: &mut Tx, municipality: MunicipalityId, (first, last): (Week, Week)) -> Result<Vec<Carried>> {
        if self.away.is_empty() {
            return Ok(Vec::new());
        }
        let mut carried = Vec::new();
        let mut carry = |away: &Away, at: Week, [due, observed, set_out, complied, contaminated, separation_seen, separated]: [f64; 7]| {
            for (segment, sign) in [(away.lies_in, -1.0), (away.counts_in, 1.0)] {
                let [due, observed, set_out, complied, contaminated, separation_seen, separated] =
                    [due, observed, set_out, complied, contaminated, separation_seen, separated].map(|n| sign * n);
                carried.push(Carried { segment, week: at, due, observed, set_out, complied, contaminated, separation_seen, separated });
            }
        };
        // Stays of a home come oldest first: of several on one segment the first tells from when to ask.
        let mut by_home: BTreeMap<(HouseholdId, SegmentId), &Away> = BTreeMap::new();
        for away in &self.away {
            by_home.entry((away.home, away.lies_in)).or_insert(away);
        }
        let mut asked: Vec<(Week, HouseholdId, SegmentId)> = Vec::new();
        for ((home, segment), away) in &by_home {
            let mut at = first.max(Week::of(away.days.from));
            while at <= last {
                asked.push((at, *home, *segment));
                at = at.plus(1);
            }
        }
        type Cell = (Week, HouseholdId, SegmentId, i32, i32, i32, i32, i32, i32);
        let cells: Vec<Cell> = among!(
            tx,
            "WITH asked (municipality_id, iso_week, household_id, segment_id) AS (",
            asked,
            |row| [municipality, row.0, row.1, row.2],
            ") SELECT w.iso_week, w.household_id, w.segment_id, w.observed, w.set_out, w.complied, w.contaminated,
                      w.separation_seen, w.separated FROM asked CROSS JOIN home_week w
                WHERE w.municipality_id = asked.municipality_id AND w.iso_week = asked.iso_week AND w.household_id = asked.household_id
                  AND w.segment_id = asked.segment_id"
        )?;
        for (at, home, segment, observed, set_out, complied, contaminated, seen, separated) in cells {
            if let Some(away) = by_home.get(&(home, segment)) {
                carry(away, at, [0, observed, set_out, complied, contaminated, seen, separated].map(f64::from));
            }
        }
        let rounds: Vec<(SegmentId, NaiveDate)> = all!(
            tx,
            "SELECT s.segment_id, d.service_day FROM round_segment s
               JOIN round d ON d.municipality_id = s.municipality_id AND d.round_id = s.round_id
              WHERE s.municipality_id = $1 AND s.iso_week BETWEEN $2 AND $3",
            municipality,
            first,
            last
        )?;
        for away in &self.away {
            for (_, day) in rounds.iter().filter(|(segment, day)| *segment == away.lies_in && away.days.holds(*day)) {
                carry(away, Week::of(*day), [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
            }
        }
        Ok(carried)
    }
}

/// The last day of every segment that has one.
async fn ends(tx: &mut Tx, municipality: MunicipalityId) -> Result<BTreeMap<SegmentId, NaiveDate>> {
    let ends: Vec<(SegmentId, NaiveDate)> = all!(
        tx,
        "SELECT v.segment_id, MAX(v.valid_to) FROM segment_version v
          WHERE v.municipality_id = $1 AND v.superseded_at IS NULL
          GROUP BY v.segment_id HAVING COUNT(*) = COUNT(v.valid_to)",
        municipality
    )?;
    Ok(ends.into_iter().collect())
}
