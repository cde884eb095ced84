//! Norm records: a true share of homes, frozen with everything it follows from, so that it can be derived again digit for digit.
//!
//! Homes are the served ones observed on a segment; a home belongs to the segment of its last observed week of the two windows. Figures
//! are made for every group, whatever its arms, and before anybody asks which of them will be told.

use super::rule::{GroupKind, SHARE_LEVEL};
use super::share::{Record, Rise, Share};
use crate::clock::{Week, to_micros};
use crate::db::Tx;
use crate::error::Result;
use crate::id::{HouseholdId, MessageId, MunicipalityId, NormId, SegmentId, derived};
use crate::trial::Trial;
use crate::trial::protocol::NormRules;
use crate::{all, bulk, one};
use chrono::{DateTime, Duration, Utc};
use serde::Serialize;
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

    fn ending(last: Week, weeks: i64) -> Windows {
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

/// One query a municipality and week: what was seen of every served home.
pub async fn seen(tx: &mut Tx, municipality: MunicipalityId, windows: Windows) -> Result<BTreeMap<HouseholdId, Seen>> {
    let rows: Vec<(HouseholdId, Option<SegmentId>, i32, i64, i64, i64, i64)> = all!(
        tx,
        "SELECT w.household_id, w.segment_id, MAX(w.iso_week),
                CAST(SUM(CASE WHEN w.iso_week < $4 THEN w.observed ELSE 0 END) AS BIGINT),
                CAST(SUM(CASE WHEN w.iso_week < $4 THEN w.complied ELSE 0 END) AS BIGINT),
                CAST(SUM(CASE WHEN w.iso_week >= $4 THEN w.observed ELSE 0 END) AS BIGINT),
                CAST(SUM(CASE WHEN w.iso_week >= $4 THEN w.complied ELSE 0 END) AS BIGINT)
           FROM home_week w
           JOIN household h ON h.municipality_id = w.municipality_id AND h.household_id = w.household_id
          WHERE w.municipality_id = $1 AND w.iso_week BETWEEN $2 AND $3 AND h.service_status = 'served'
          GROUP BY w.household_id, w.segment_id
          ORDER BY w.household_id, 3, w.segment_id",
        municipality,
        windows.before.0,
        windows.now.1,
        windows.now.0
    )?;
    let mut homes: BTreeMap<HouseholdId, Seen> = BTreeMap::new();
    for (home, segment, _, before_observed, before_complied, observed, complied) in rows {
        // Rows of one home come oldest first, so the last segment stays.
        let seen = homes.entry(home).or_default();
        seen.segment = segment.or(seen.segment);
        seen.before = Record { observed: seen.before.observed + before_observed, complied: seen.before.complied + before_complied };
        seen.now = Record { observed: seen.now.observed + observed, complied: seen.now.complied + complied };
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

pub async fn places(tx: &mut Tx, municipality: MunicipalityId) -> Result<BTreeMap<SegmentId, Place>> {
    let rows: Vec<Place> = all!(
        tx,
        "SELECT s.segment_id, s.code AS segment_code, s.route_id, r.name AS route_name, s.neighbourhood_id, n.name AS neighbourhood_name,
                m.name AS municipality_name
           FROM segment s
           JOIN route r ON r.municipality_id = s.municipality_id AND r.route_id = s.route_id
           JOIN neighbourhood n ON n.municipality_id = s.municipality_id AND n.neighbourhood_id = s.neighbourhood_id
           JOIN municipality m ON m.municipality_id = s.municipality_id
          WHERE s.municipality_id = $1
          ORDER BY s.segment_id",
        municipality
    )?;
    Ok(rows.into_iter().map(|place| (place.segment_id, place)).collect())
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
    let kinds = [GroupKind::Segment, GroupKind::Route, GroupKind::Neighbourhood, GroupKind::Municipality];
    let mut groups: BTreeMap<GroupKey, (&str, Vec<(Record, Record)>)> = BTreeMap::new();
    for seen in homes.values() {
        let Some(place) = seen.segment.and_then(|segment| places.get(&segment)) else { continue };
        for kind in kinds {
            groups.entry(place.key(kind)).or_insert_with(|| (place.name(kind), Vec::new())).1.push((seen.before, seen.now));
        }
    }
    let mut norms = Vec::with_capacity(groups.len() * 2);
    for ((kind, id), (name, records)) in groups {
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

/// What a re-derivation found.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Proof {
    /// Frozen norms that messages state, and those that came out the same digit for digit.
    pub norms: usize,
    pub proven: usize,
    /// Messages that rest on them, and those whose text says exactly their figures.
    pub messages: usize,
    pub consistent: usize,
    /// One line each: the norm or message, what is stored, what the observations give.
    pub differing: Vec<String>,
}

/// Derives every norm a campaign's messages rest on again from the stored observations and compares all its figures; and every such
/// message against its norm.
pub async fn prove(tx: &mut Tx, municipality: MunicipalityId, trial: &Trial, campaign_id: &str) -> Result<Proof> {
    let stored: Vec<Norm> = all!(
        tx,
        select_norm!(
            "WHERE municipality_id = $1 AND norm_id IN (SELECT norm_id FROM message WHERE municipality_id = $1 AND campaign_id = $2)
          ORDER BY window_to, computed_at, norm_id"
        ),
        municipality,
        campaign_id
    )?;
    let places = places(tx, municipality).await?;
    let mut proof = Proof { norms: stored.len(), ..Proof::default() };
    let mut again: BTreeMap<(Week, Week), BTreeMap<(String, String, Option<Uuid>), Norm>> = BTreeMap::new();
    for norm in &stored {
        let window = (norm.window_from, norm.window_to);
        if !again.contains_key(&window) {
            let windows = Windows::ending(norm.window_to, norm.window_to.since(norm.window_from) + 1);
            let homes = seen(tx, municipality, windows).await?;
            let made = compute(municipality, &trial.id, &trial.protocol.norm, windows, &homes, &places, norm.computed_at);
            again.insert(window, made.into_iter().map(|n| ((n.kind.clone(), n.group_kind.clone(), n.group_id), n)).collect());
        }
        let fresh = again.get(&window).and_then(|made| made.get(&(norm.kind.clone(), norm.group_kind.clone(), norm.group_id)));
        let differences = differences(norm, fresh);
        if differences.is_empty() {
            proof.proven += 1;
        } else {
            let late = arrived_later(tx, municipality, norm).await?;
            let late = if late > 0 { format!("; {late} observations of its windows were received after it was computed") } else { String::new() };
            proof.differing.push(format!(
                "norm {} ({} {}, {} to {}): {}{late}",
                norm.norm_id,
                norm.group_kind,
                norm.group_name,
                norm.window_from,
                norm.window_to,
                differences.join(", ")
            ));
        }
    }
    let by_id: BTreeMap<NormId, &Norm> = stored.iter().map(|norm| (norm.norm_id, norm)).collect();
    let messages: Vec<(MessageId, NormId, String, Option<String>, DateTime<Utc>)> = all!(
        tx,
        "SELECT message_id, norm_id, wording, body, send_after FROM message
          WHERE municipality_id = $1 AND campaign_id = $2 AND norm_id IS NOT NULL AND body IS NOT NULL ORDER BY message_id",
        municipality,
        campaign_id
    )?;
    for (id, norm_id, wording, body, send_after) in messages {
        proof.messages += 1;
        let problem = match by_id.get(&norm_id) {
            None => Some("its norm is missing".to_owned()),
            Some(norm) if send_after > norm.valid_until => Some("its norm no longer held when it was due".to_owned()),
            Some(norm) => misstated(norm, &body.unwrap_or_default()),
        };
        match problem {
            None => proof.consistent += 1,
            Some(problem) => proof.differing.push(format!("message {id} ({wording}): {problem}")),
        }
    }
    Ok(proof)
}

/// Every stored figure against the same figure made again; floating point numbers to the last bit.
fn differences(stored: &Norm, fresh: Option<&Norm>) -> Vec<String> {
    let Some(fresh) = fresh else { return vec!["the observations give no such figure".into()] };
    let figures = |n: &Norm| {
        let real = |x: Option<f64>| x.map_or_else(|| "none".to_owned(), |x| x.to_string());
        let whole = |x: Option<i32>| x.map_or_else(|| "none".to_owned(), |x| x.to_string());
        [
            ("homes", n.homes.to_string()),
            ("homes_complied", n.homes_complied.to_string()),
            ("observations", n.observations.to_string()),
            ("estimate", n.estimate.to_string()),
            ("ci_low", n.ci_low.to_string()),
            ("ci_high", n.ci_high.to_string()),
            ("stated_tenth", n.stated_tenth.to_string()),
            ("before_homes", whole(n.before_homes)),
            ("before_homes_complied", whole(n.before_homes_complied)),
            ("before_tenth", whole(n.before_tenth.map(i32::from))),
            ("rise", real(n.rise)),
            ("rise_low", real(n.rise_low)),
        ]
    };
    let pairs = figures(stored).into_iter().zip(figures(fresh));
    pairs.filter(|((_, a), (_, b))| a != b).map(|((name, a), (_, b))| format!("{name} is {a}, the observations give {b}")).collect()
}

/// What a text says that its norm does not.
fn misstated(norm: &Norm, body: &str) -> Option<String> {
    let said: Vec<&str> = body.match_indices(" de cada 10").map(|(at, _)| &body[..at]).collect();
    said.into_iter().find_map(|before| {
        let words: Vec<&str> = before.rsplit(' ').take(3).collect();
        let number = |at: usize| words.get(at).and_then(|word| word.parse::<i16>().ok());
        let right = match (words.get(1), number(0), number(2)) {
            (Some(&"a"), now, Some(before)) => now == Some(norm.stated_tenth) && Some(before) == norm.before_tenth,
            (_, now, _) => now == Some(norm.stated_tenth),
        };
        (!right).then(|| format!("says «{} de cada 10», its norm says {}", words.first().unwrap_or(&""), norm.stated_tenth))
    })
}

async fn arrived_later(tx: &mut Tx, municipality: MunicipalityId, norm: &Norm) -> Result<i64> {
    let (n,): (i64,) = one!(
        tx,
        "SELECT COUNT(*) FROM observation WHERE municipality_id = $1 AND iso_week BETWEEN $2 AND $3 AND received_at > $4",
        municipality,
        norm.before_from.unwrap_or(norm.window_from),
        norm.window_to,
        norm.computed_at
    )?;
    Ok(n)
}
