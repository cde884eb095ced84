//! Norm records: a true share of homes, frozen with everything it follows from, so that it can be derived again digit for digit.
//!
//! Homes are those whose collections count for a segment; a home belongs to the segment of its last observed week of the two windows, and
//! the segment to the route and neighbourhood of the window's last day. Figures
//! are made for every group, whatever its arms, and before anybody asks which of them will be told.

use super::rule::SHARE_LEVEL;
use super::share::{Record, Rise, Share};
use crate::clock::{Week, to_micros};
use crate::db::Tx;
use crate::error::Result;
use crate::id::{HouseholdId, MunicipalityId, NormId, SegmentId, derived};
use crate::trial::protocol::{GroupKind, NormRules};
use crate::{all, bulk};
use chrono::{DateTime, Duration, NaiveDate, Utc};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Version of the rules a record was made by; it changes when the same observations would give another figure.
pub const CODE_VERSION: &str = concat!("vecino ", env!("CARGO_PKG_VERSION"), ", shares 1");

/// A group, wherever it is: municipality has no identity of its own.
pub type GroupKey = (GroupKind, Option<Uuid>);

/// A frozen norm as stored.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Norm {
    pub norm_id: NormId,
    pub kind: String,
    pub definition: String,
    pub group_kind: String,
    pub group_id: Option<Uuid>,
    pub group_name: String,
    pub window_from: Week,
    pub window_to: Week,
    pub homes: i32,
    pub homes_complied: i32,
    pub observations: i32,
    pub estimate: f64,
    pub ci_low: f64,
    pub ci_high: f64,
    pub stated_tenth: i16,
    pub before_from: Option<Week>,
    pub before_to: Option<Week>,
    pub before_homes: Option<i32>,
    pub before_homes_complied: Option<i32>,
    pub before_tenth: Option<i16>,
    pub rise: Option<f64>,
    pub rise_low: Option<f64>,
    pub computed_at: DateTime<Utc>,
    pub valid_until: DateTime<Utc>,
    pub code_version: String,
}

impl Norm {
    pub fn share(&self) -> Share {
        Share {
            homes: i64::from(self.homes),
            complied: i64::from(self.homes_complied),
            observations: i64::from(self.observations),
            estimate: self.estimate,
            low: self.ci_low,
            high: self.ci_high,
        }
    }
}

/// A share from its counts alone, as stored for the earlier window of a rise.
pub fn share_of(complied: i64, homes: i64) -> Option<Share> {
    let record = |at: i64| Record { observed: 1, complied: i64::from(at < complied) };
    Share::of((0..homes).map(record), 1, SHARE_LEVEL)
}

/// The two windows of a send week: the last `window_weeks` before it, and as many before those.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    pub before: (Week, Week),
    pub now: (Week, Week),
}

impl Windows {
    pub fn before_week(week: Week, rules: &NormRules) -> Windows {
        Windows::ending(week.plus(-1), rules.window_weeks.max(1))
    }

    pub(super) fn ending(last: Week, weeks: i64) -> Windows {
        Windows { before: (last.plus(1 - 2 * weeks), last.plus(-weeks)), now: (last.plus(1 - weeks), last) }
    }
}

/// A home's records in both windows and the segment it was seen on last.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen {
    pub segment: Option<SegmentId>,
    pub before: Record,
    pub now: Record,
}

#[derive(sqlx::FromRow)]
struct Sums {
    household_id: HouseholdId,
    segment_id: SegmentId,
    before_observed: i64,
    before_complied: i64,
    observed: i64,
    complied: i64,
}

/// One query a municipality and week: what was seen of every home where it had service.
pub async fn seen(tx: &mut Tx, municipality: MunicipalityId, windows: Windows) -> Result<BTreeMap<HouseholdId, Seen>> {
    let rows: Vec<Sums> = all!(
        tx,
        "SELECT w.household_id, w.segment_id, MAX(w.iso_week) AS last_week,
                CAST(SUM(CASE WHEN w.iso_week < $4 THEN w.observed ELSE 0 END) AS BIGINT) AS before_observed,
                CAST(SUM(CASE WHEN w.iso_week < $4 THEN w.complied ELSE 0 END) AS BIGINT) AS before_complied,
                CAST(SUM(CASE WHEN w.iso_week >= $4 THEN w.observed ELSE 0 END) AS BIGINT) AS observed,
                CAST(SUM(CASE WHEN w.iso_week >= $4 THEN w.complied ELSE 0 END) AS BIGINT) AS complied
           FROM home_week w
          WHERE w.municipality_id = $1 AND w.iso_week BETWEEN $2 AND $3
          GROUP BY w.household_id, w.segment_id
          ORDER BY w.household_id, last_week, w.segment_id",
        municipality,
        windows.before.0,
        windows.now.1,
        windows.now.0
    )?;
    let mut homes: BTreeMap<HouseholdId, Seen> = BTreeMap::new();
    for row in rows {
        // Rows of one home come oldest first, so the last segment stays.
        let seen = homes.entry(row.household_id).or_default();
        seen.segment = Some(row.segment_id);
        seen.before.observed += row.before_observed;
        seen.before.complied += row.before_complied;
        seen.now.observed += row.observed;
        seen.now.complied += row.complied;
    }
    Ok(homes)
}

/// Where a segment lies.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Place {
    pub segment_id: SegmentId,
    pub segment_code: String,
    pub route_id: Uuid,
    pub route_name: String,
    pub neighbourhood_id: Uuid,
    pub neighbourhood_name: String,
    pub municipality_name: String,
}

impl Place {
    pub fn key(&self, kind: GroupKind) -> GroupKey {
        match kind {
            GroupKind::Segment => (kind, Some(self.segment_id.0)),
            GroupKind::Route => (kind, Some(self.route_id)),
            GroupKind::Neighbourhood => (kind, Some(self.neighbourhood_id)),
            GroupKind::Municipality => (kind, None),
        }
    }

    fn name(&self, kind: GroupKind) -> &str {
        match kind {
            GroupKind::Segment => &self.segment_code,
            GroupKind::Route => &self.route_name,
            GroupKind::Neighbourhood => &self.neighbourhood_name,
            GroupKind::Municipality => &self.municipality_name,
        }
    }
}

/// Where every segment lay on a day, or, when it ended before, on its last, as it was known at a moment. Names are those of that day.
pub async fn places(tx: &mut Tx, municipality: MunicipalityId, day: NaiveDate, known_at: DateTime<Utc>) -> Result<BTreeMap<SegmentId, Place>> {
    macro_rules! known {
        ($alias:literal) => {
            concat!($alias, ".recorded_at <= $3 AND (", $alias, ".superseded_at IS NULL OR ", $alias, ".superseded_at > $3)")
        };
    }
    macro_rules! last {
        ($table:literal, $alias:literal, $key:literal, $of:literal) => {
            concat!(
                " JOIN ",
                $table,
                " ",
                $alias,
                " ON ",
                $alias,
                ".municipality_id = i.municipality_id AND ",
                $alias,
                ".",
                $key,
                " = ",
                $of,
                " AND ",
                known!($alias),
                " AND ",
                $alias,
                ".valid_from = (SELECT MAX(x.valid_from) FROM ",
                $table,
                " x WHERE x.municipality_id = i.municipality_id AND x.",
                $key,
                " = ",
                $of,
                " AND ",
                known!("x"),
                " AND x.valid_from <= $2)"
            )
        };
    }
    let rows: Vec<Place> = all!(
        tx,
        concat!(
            "SELECT i.segment_id, i.code AS segment_code, s.route_id, r.name AS route_name, s.neighbourhood_id, n.name AS neighbourhood_name,
                m.name AS municipality_name
           FROM segment i
           JOIN municipality m ON m.municipality_id = i.municipality_id",
            last!("segment_version", "s", "segment_id", "i.segment_id"),
            last!("route_version", "r", "route_id", "s.route_id"),
            last!("neighbourhood_version", "n", "neighbourhood_id", "s.neighbourhood_id"),
            " WHERE i.municipality_id = $1 ORDER BY i.segment_id"
        ),
        municipality,
        day,
        known_at
    )?;
    Ok(rows.into_iter().map(|place| (place.segment_id, place)).collect())
}

struct Members<'a> {
    name: &'a str,
    records: Vec<(Record, Record)>,
}

/// The figures of every group with at least `minimum_homes` homes known well enough. Pure.
pub fn compute(
    municipality: MunicipalityId,
    trial_id: &str,
    rules: &NormRules,
    windows: Windows,
    homes: &BTreeMap<HouseholdId, Seen>,
    places: &BTreeMap<SegmentId, Place>,
    now: DateTime<Utc>,
) -> Vec<Norm> {
    let now = to_micros(now);
    let mut groups: BTreeMap<GroupKey, Members<'_>> = BTreeMap::new();
    for seen in homes.values() {
        let Some(place) = seen.segment.and_then(|segment| places.get(&segment)) else { continue };
        for &kind in GroupKind::ALL {
            let members = groups.entry(place.key(kind)).or_insert_with(|| Members { name: place.name(kind), records: Vec::new() });
            members.records.push((seen.before, seen.now));
        }
    }
    let mut norms = Vec::with_capacity(groups.len() * 2);
    for ((kind, id), Members { name, records }) in groups {
        let share = Share::of(records.iter().map(|(_, now)| *now), rules.minimum_visits, SHARE_LEVEL).filter(|s| s.homes >= rules.minimum_homes);
        let Some(share) = share else { continue };
        let identity = |what: &str| {
            let group = id.map(|id| id.as_bytes().to_vec()).unwrap_or_default();
            let window = windows.now.1.0.to_le_bytes();
            derived("norm", &[&municipality.0.to_le_bytes(), trial_id.as_bytes(), what.as_bytes(), kind.name().as_bytes(), &group, &window], now)
        };
        let still = Norm {
            norm_id: identity("static"),
            kind: "static".into(),
            definition: rules.definition.clone(),
            group_kind: kind.name().into(),
            group_id: id,
            group_name: name.to_owned(),
            window_from: windows.now.0,
            window_to: windows.now.1,
            homes: share.homes as i32,
            homes_complied: share.complied as i32,
            observations: share.observations as i32,
            estimate: share.estimate,
            ci_low: share.low,
            ci_high: share.high,
            stated_tenth: share.tenth(),
            before_from: None,
            before_to: None,
            before_homes: None,
            before_homes_complied: None,
            before_tenth: None,
            rise: None,
            rise_low: None,
            computed_at: now,
            valid_until: now + Duration::days(rules.valid_days),
            code_version: CODE_VERSION.into(),
        };
        let rise = Rise::of(&records, rules.minimum_visits, SHARE_LEVEL, rules.dynamic_level).filter(|r| r.before.homes >= rules.minimum_homes);
        let moving = rise.map(|rise| Norm {
            norm_id: identity("dynamic"),
            kind: "dynamic".into(),
            before_from: Some(windows.before.0),
            before_to: Some(windows.before.1),
            before_homes: Some(rise.before.homes as i32),
            before_homes_complied: Some(rise.before.complied as i32),
            before_tenth: Some(rise.before.tenth()),
            rise: Some(rise.rise),
            rise_low: Some(rise.low),
            ..still.clone()
        });
        norms.push(still);
        norms.extend(moving);
    }
    norms
}

/// Every column of a norm; the rest of the query follows.
macro_rules! select_norm {
    ($tail:literal) => {
        concat!(
            "SELECT norm_id, kind, definition, group_kind, group_id, group_name, window_from, window_to, homes, homes_complied, observations,
                estimate, ci_low, ci_high, stated_tenth, before_from, before_to, before_homes, before_homes_complied, before_tenth, rise,
                rise_low, computed_at, valid_until, code_version
           FROM norm ",
            $tail
        )
    };
}

pub(super) use select_norm;

/// The frozen norms of a send week that hold at `at`, newest last.
pub async fn valid(tx: &mut Tx, municipality: MunicipalityId, trial_id: &str, windows: Windows, at: DateTime<Utc>) -> Result<Vec<Norm>> {
    all!(
        tx,
        select_norm!(
            "WHERE municipality_id = $1 AND trial_id = $2 AND window_from = $3 AND window_to = $4 AND computed_at <= $5 AND valid_until >= $5
          ORDER BY computed_at, norm_id"
        ),
        municipality,
        trial_id,
        windows.now.0,
        windows.now.1,
        at
    )
}

pub async fn store(tx: &mut Tx, municipality: MunicipalityId, trial_id: &str, norms: &[Norm]) -> Result<()> {
    bulk!(
        tx,
        "INSERT INTO norm (municipality_id, norm_id, trial_id, kind, definition, group_kind, group_id, group_name, window_from, window_to, homes,
            homes_complied, observations, estimate, ci_low, ci_high, stated_tenth, before_from, before_to, before_homes,
            before_homes_complied, before_tenth, rise, rise_low, computed_at, valid_until, code_version)",
        norms,
        |n| [
            municipality,
            n.norm_id,
            trial_id.to_owned(),
            n.kind.clone(),
            n.definition.clone(),
            n.group_kind.clone(),
            n.group_id,
            n.group_name.clone(),
            n.window_from,
            n.window_to,
            n.homes,
            n.homes_complied,
            n.observations,
            n.estimate,
            n.ci_low,
            n.ci_high,
            n.stated_tenth,
            n.before_from,
            n.before_to,
            n.before_homes,
            n.before_homes_complied,
            n.before_tenth,
            n.rise,
            n.rise_low,
            n.computed_at,
            n.valid_until,
            n.code_version.clone()
        ],
        ""
    )?;
    Ok(())
}
