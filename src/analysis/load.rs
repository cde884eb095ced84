//! What the report is computed from: the assignment and the tallies, read only through the last published week. The one place with SQL.

use super::coding::Coding;
use super::findings::PauseLine;
use crate::clock::{Week, at_local};
use crate::db::Tx;
use crate::error::Result;
use crate::id::{HouseholdId, MunicipalityId, SegmentId, sha256_hex};
use crate::norm::pause;
use crate::observation::round;
use crate::trial::homes::{Homes, Since};
use crate::trial::protocol::{Phase, Protocol};
use crate::trial::randomise::Rule;
use crate::trial::{Trial, assign, segments};
use crate::{all, among};
use chrono::NaiveDate;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// An assigned segment; `stratum` and `arm` are places in `Data::strata` and in the protocol's arms.
#[derive(Debug, Clone, Serialize)]
pub struct Segment {
    pub municipality: MunicipalityId,
    pub homes: f64,
    pub stratum: usize,
    pub arm: usize,
    /// Observed collections of the baseline as the draw saw them, and those that complied.
    pub baseline: (f64, f64),
}

/// Sums of one segment in one trial week.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Tally {
    pub segment: usize,
    pub week: i64,
    pub due: f64,
    pub observed: f64,
    pub set_out: f64,
    pub complied: f64,
    pub contaminated: f64,
    /// Collections set out of which what was recorded tells whether they were rightly separated, and those that were.
    pub separation_seen: f64,
    pub separated: f64,
}

/// A home's observed collections from the first message on, in order of weeks: observed and complied.
#[derive(Debug, Clone, Serialize)]
pub struct Home {
    pub segment: usize,
    pub weeks: Vec<(i64, i32, i32)>,
    /// Of its last [`LAST`] collections, how many complied; none when it has fewer.
    pub last: Option<i32>,
}

/// Collections of a home by which its habit is told.
pub const LAST: i32 = 8;

/// Messages of one arm in the messages phase.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Messages {
    pub due: i64,
    pub sent: i64,
    pub delivered: i64,
    /// Homes that got at least one.
    pub homes: i64,
}

#[derive(Debug, Clone)]
pub struct Data {
    pub protocol: Protocol,
    /// How arms become columns of a model.
    pub coding: Coding,
    /// How the segments were drawn.
    pub rule: Rule,
    pub segments: Vec<Segment>,
    pub strata: Vec<String>,
    /// Segments left out before the draw: reason, segments, homes.
    pub left_out: Vec<(String, i64, i64)>,
    pub tallies: Vec<Tally>,
    /// Homes from the first message on.
    pub homes: Vec<Home>,
    /// By arm, in the protocol's order.
    pub messages: Vec<Messages>,
    /// What became of homes since the draw, by segment.
    pub since: Vec<Since>,
    /// When messages stopped, and what that took from the dose by arm.
    pub pauses: Vec<PauseLine>,
    /// Last trial week the data hold.
    pub through: i64,
}

/// The last week published in every municipality of the trial; `None` before the first.
pub async fn published_through(tx: &mut Tx, protocol: &Protocol) -> Result<Option<Week>> {
    let mut common: Option<Week> = None;
    for municipality in &protocol.municipalities {
        let (last,): (Option<i32>,) =
            crate::one!(tx, "SELECT MAX(last_week) FROM publication WHERE municipality_id = $1 AND kind = 'week'", *municipality)?;
        let Some(last) = last else { return Ok(None) };
        common = Some(common.map_or(Week(last), |so_far| so_far.min(Week(last))));
    }
    Ok(common)
}

/// What is cheaply seen of all a report stands on: while it is the same, nothing need be read again. Tallies are seen by how often they were
/// rewritten, places by their audit chain.
pub async fn stamp(tx: &mut Tx, trial: &Trial, look: i32, through: Week, published: bool) -> Result<String> {
    let mut text = format!("{}\n", named(trial, look, through, published));
    let weeks = (trial.protocol.week(1), through);
    for &municipality in &trial.protocol.municipalities {
        let places: Vec<(i64,)> = all!(tx, "SELECT sequence FROM audit_head WHERE municipality_id = $1 AND stream = 'territory'", municipality)?;
        let rewritten: Vec<(Week, i64)> = all!(
            tx,
            "SELECT iso_week, rewritten FROM tally_week WHERE municipality_id = $1 AND iso_week BETWEEN $2 AND $3 ORDER BY iso_week",
            municipality,
            weeks.0,
            weeks.1
        )?;
        let tallies: Vec<(Week, i64, i64, i64)> = all!(
            tx,
            "SELECT iso_week, CAST(SUM(observed) AS BIGINT), CAST(SUM(set_out) AS BIGINT), CAST(SUM(complied) AS BIGINT) FROM segment_week
              WHERE municipality_id = $1 AND iso_week BETWEEN $2 AND $3 GROUP BY iso_week ORDER BY iso_week",
            municipality,
            weeks.0,
            weeks.1
        )?;
        let due = due(tx, municipality, weeks).await?;
        let messages: Vec<(String, String, i64, i64)> = all!(
            tx,
            "SELECT arm, state, COUNT(*), COUNT(DISTINCT household_id) FROM message
              WHERE municipality_id = $1 AND trial_id = $2 AND iso_week BETWEEN $3 AND $4 GROUP BY arm, state ORDER BY arm, state",
            municipality,
            &trial.id,
            weeks.0,
            weeks.1
        )?;
        let stopped = pause::of_trial(tx, municipality, &trial.id, at_local(through.plus(1).monday(), 0, 0)).await?;
        text.push_str(&format!("{stopped:?} {municipality} {places:?} {rewritten:?} {tallies:?} {due:?} {messages:?}\n"));
    }
    Ok(sha256_hex(text.as_bytes()))
}

/// What a report is besides its data.
fn named(trial: &Trial, look: i32, through: Week, published: bool) -> String {
    let assigned = trial.assigned_at.map(|at| at.timestamp_micros());
    format!(
        "{} {} {} {} {assigned:?} {look} {through} {published} {}",
        trial.id,
        trial.sha256,
        trial.seed,
        trial.amendments.len(),
        super::CODE_VERSION
    )
}

/// Names every row a report stands on, by content: the same name is the same report, byte for byte. What changes nothing of the data (a
/// closing to come, a move outside the trial, tallies written again as they were) leaves it as it is.
pub fn source_hash(trial: &Trial, look: i32, through: Week, published: bool, data: &Data) -> String {
    let mut hash = Sha256::new();
    let mut text = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    text(&named(trial, look, through, published));
    data.strata.iter().for_each(|stratum| text(stratum));
    data.left_out.iter().for_each(|(why, segments, homes)| text(&format!("{why} {segments} {homes}")));
    data.segments.iter().for_each(|segment| text(&format!("{segment:?}")));
    data.since.iter().for_each(|since| text(&format!("{since:?}")));
    data.messages.iter().for_each(|messages| text(&format!("{messages:?}")));
    data.pauses.iter().for_each(|pause| text(&format!("{pause:?}")));
    text(&format!("{} {} {}", data.through, data.tallies.len(), data.homes.len()));
    for tally in &data.tallies {
        hash.update((tally.segment as u64).to_le_bytes());
        hash.update(tally.week.to_le_bytes());
        [tally.due, tally.observed, tally.set_out, tally.complied, tally.contaminated, tally.separation_seen, tally.separated]
            .iter()
            .for_each(|sum| hash.update(sum.to_bits().to_le_bytes()));
    }
    for home in &data.homes {
        hash.update((home.segment as u64).to_le_bytes());
        hash.update((home.weeks.len() as u64).to_le_bytes());
        for (week, observed, complied) in &home.weeks {
            hash.update(week.to_le_bytes());
            hash.update(observed.to_le_bytes());
            hash.update(complied.to_le_bytes());
        }
        hash.update(home.last.unwrap_or(-1).to_le_bytes());
    }
    hex::encode(hash.finalize())
}

/// Reads everything through the week `through`.
pub async fn load(tx: &mut Tx, trial: &Trial, through: Week) -> Result<Data> {
    let protocol = trial.protocol.clone();
    let mut assigned = Vec::new();
    let mut places: BTreeMap<(MunicipalityId, SegmentId), usize> = BTreeMap::new();
    let mut left_out: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    let all_segments = segments(tx, &trial.id).await?;
    let strata: Vec<String> = all_segments.iter().filter_map(|s| s.stratum.clone()).collect::<std::collections::BTreeSet<_>>().into_iter().collect();
    let entered: Vec<&crate::trial::TrialSegment> = all_segments.iter().filter(|segment| segment.arm.is_some()).collect();
    let rule = assign::rule(&protocol, &entered, trial.left_over);
    for segment in all_segments {
        let arm = segment.arm.as_ref().and_then(|arm| protocol.arm_at(arm));
        let stratum = segment.stratum.as_ref().and_then(|name| strata.binary_search(name).ok());
        match (arm, stratum) {
            (Some(arm), Some(stratum)) => {
                places.insert((segment.municipality_id, segment.segment_id), assigned.len());
                assigned.push(Segment {
                    municipality: segment.municipality_id,
                    homes: f64::from(segment.homes),
                    stratum,
                    arm,
                    baseline: (f64::from(segment.baseline_observed), f64::from(segment.baseline_complied)),
                });
            }
            _ => {
                let sums = left_out.entry(segment.left_out.unwrap_or_default()).or_default();
                *sums = (sums.0 + 1, sums.1 + i64::from(segment.homes));
            }
        }
    }
    let mut data = Data {
        coding: Coding::of(&protocol),
        rule,
        segments: assigned,
        strata,
        left_out: left_out.into_iter().map(|(why, (segments, homes))| (why, segments, homes)).collect(),
        tallies: Vec::new(),
        homes: Vec::new(),
        messages: vec![Messages::default(); protocol.arms.len()],
        since: Vec::new(),
        pauses: Vec::new(),
        through: protocol.trial_week(through).min(protocol.calendar.weeks),
        protocol,
    };
    data.since = vec![Since::default(); data.segments.len()];
    for municipality in data.protocol.municipalities.clone() {
        let own = places.keys().filter(|(of, _)| *of == municipality).map(|(_, segment)| *segment).collect();
        let drawn = Homes::read(tx, &data.protocol, data.through, municipality, &own).await?;
        for (segment, since) in &drawn.since {
            if let Some(place) = places.get(&(municipality, *segment)) {
                data.since[*place] = *since;
            }
        }
        tallies(tx, &mut data, &places, &drawn, municipality).await?;
        homes(tx, &mut data, &places, &drawn, municipality).await?;
        messages(tx, &mut data, &trial.id, municipality).await?;
        pauses(tx, &mut data, &trial.id, municipality).await?;
    }
    Ok(data)
}

/// The served homes that rounds had to collect from, by the facts of each day.
pub(super) async fn due(tx: &mut Tx, municipality: MunicipalityId, (from, to): (Week, Week)) -> Result<Vec<(SegmentId, Week, i64)>> {
    all!(
        tx,
        "SELECT segment_id, iso_week, CAST(SUM(stops) AS BIGINT) FROM round_segment
          WHERE municipality_id = $1 AND iso_week BETWEEN $2 AND $3 GROUP BY segment_id, iso_week ORDER BY segment_id, iso_week",
        municipality,
        from,
        to
    )
}

async fn tallies(
    tx: &mut Tx,
    data: &mut Data,
    places: &BTreeMap<(MunicipalityId, SegmentId), usize>,
    drawn: &Homes,
    municipality: MunicipalityId,
) -> Result<()> {
    let (from, to) = (data.protocol.week(1), data.protocol.week(data.through.max(0)));
    type Row = (SegmentId, Week, i32, i32, i32, i32, i32, i32);
    let rows: Vec<Row> = all!(
        tx,
        "SELECT segment_id, iso_week, observed, set_out, complied, contaminated, separation_seen, separated FROM segment_week
          WHERE municipality_id = $1 AND iso_week BETWEEN $2 AND $3",
        municipality,
        from,
        to
    )?;
    let mut cells: BTreeMap<(usize, i64), Tally> = BTreeMap::new();
    let empty = |segment, week| Tally { segment, week, ..Tally::default() };
    for (segment, week, observed, set_out, complied, contaminated, seen, separated) in rows {
        let Some(place) = places.get(&(municipality, segment)) else { continue };
        let week = data.protocol.trial_week(week);
        let cell = cells.entry((*place, week)).or_insert_with(|| empty(*place, week));
        cell.observed += f64::from(observed);
        cell.set_out += f64::from(set_out);
        cell.complied += f64::from(complied);
        cell.contaminated += f64::from(contaminated);
        cell.separation_seen += f64::from(seen);
        cell.separated += f64::from(separated);
    }
    for (segment, week, stops) in due(tx, municipality, (from, to)).await? {
        let Some(place) = places.get(&(municipality, segment)) else { continue };
        let week = data.protocol.trial_week(week);
        cells.entry((*place, week)).or_insert_with(|| empty(*place, week)).due += stops as f64;
    }
    for (week, segment, home, stops) in round::beyond_due(tx, municipality, (from, to), round::Asked::Every).await? {
        let Some(place) = places.get(&(municipality, drawn.counts_in(home, segment, week))) else { continue };
        let week = data.protocol.trial_week(week);
        cells.entry((*place, week)).or_insert_with(|| empty(*place, week)).due += stops as f64;
    }
    for carried in drawn.carried(tx, municipality, (from, to)).await? {
        let Some(place) = places.get(&(municipality, carried.segment)) else { continue };
        let week = data.protocol.trial_week(carried.week);
        let cell = cells.entry((*place, week)).or_insert_with(|| empty(*place, week));
        cell.due += carried.due;
        cell.observed += carried.observed;
        cell.set_out += carried.set_out;
        cell.complied += carried.complied;
        cell.contaminated += carried.contaminated;
        cell.separation_seen += carried.separation_seen;
        cell.separated += carried.separated;
    }
    data.tallies.extend(cells.into_values());
    Ok(())
}

async fn homes(
    tx: &mut Tx,
    data: &mut Data,
    places: &BTreeMap<(MunicipalityId, SegmentId), usize>,
    drawn: &Homes,
    municipality: MunicipalityId,
) -> Result<()> {
    let from = data.protocol.phase_weeks(Phase::Messages).0;
    let to = data.protocol.week(data.through.max(0));
    let rows: Vec<(HouseholdId, SegmentId, Week, i32, i32)> = all!(
        tx,
        "SELECT household_id, segment_id, iso_week, observed, complied FROM home_week
          WHERE municipality_id = $1 AND iso_week BETWEEN $2 AND $3 AND observed > 0
          ORDER BY household_id, iso_week, segment_id",
        municipality,
        from,
        to
    )?;
    let start = data.homes.len();
    let mut names: Vec<HouseholdId> = Vec::new();
    for (household, segment, week, observed, complied) in rows {
        // A home is one home, in the arm of the draw, wherever it moves.
        let Some(place) = places.get(&(municipality, drawn.counts_in(household, segment, week))) else { continue };
        let week = data.protocol.trial_week(week);
        if names.last() != Some(&household) {
            data.homes.push(Home { segment: *place, weeks: Vec::new(), last: None });
            names.push(household);
        }
        let Some(home) = data.homes.last_mut() else { continue };
        match home.weeks.last_mut() {
            Some(cell) if cell.0 == week => (cell.1, cell.2) = (cell.1 + observed, cell.2 + complied),
            _ => home.weeks.push((week, observed, complied)),
        }
    }
    last_collections(tx, data, start, &names, municipality).await
}

/// How the homes from `start` on, whose names are given, fared in their last collections. A week that only in part belongs to them is read
/// collection by collection.
async fn last_collections(tx: &mut Tx, data: &mut Data, start: usize, names: &[HouseholdId], municipality: MunicipalityId) -> Result<()> {
    let mut in_part: Vec<(HouseholdId, usize, Week, i32)> = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let home = &mut data.homes[start + at];
        let (mut observed, mut sum) = (0, 0);
        for (week, n, complied) in home.weeks.iter().rev() {
            if observed + n > LAST {
                in_part.push((*name, start + at, data.protocol.week(*week), LAST - observed));
                break;
            }
            (observed, sum) = (observed + n, sum + complied);
            if observed == LAST {
                break;
            }
        }
        home.last = (observed == LAST || in_part.last().is_some_and(|(of, ..)| of == name)).then_some(sum);
    }
    let rows: Vec<(HouseholdId, NaiveDate, i16)> = among!(
        tx,
        "WITH asked (municipality_id, household_id, monday, sunday) AS (",
        in_part,
        |row| [municipality, row.0, row.2.monday(), row.2.sunday()],
        ") SELECT o.household_id, o.service_day, o.complied FROM asked CROSS JOIN observation o
            WHERE o.municipality_id = asked.municipality_id AND o.household_id = asked.household_id
              AND o.service_day BETWEEN asked.monday AND asked.sunday AND o.counted AND o.complied IS NOT NULL"
    )?;
    let mut by_home: BTreeMap<HouseholdId, Vec<(NaiveDate, i16)>> = BTreeMap::new();
    for (home, day, complied) in rows {
        by_home.entry(home).or_default().push((day, complied));
    }
    for (name, at, _, wanted) in in_part {
        let mut days = by_home.remove(&name).unwrap_or_default();
        days.sort_by_key(|(day, _)| std::cmp::Reverse(*day));
        let sum: i32 = days.iter().take(wanted as usize).map(|(_, complied)| i32::from(*complied)).sum();
        data.homes[at].last = data.homes[at].last.map(|whole| whole + sum);
    }
    Ok(())
}

async fn messages(tx: &mut Tx, data: &mut Data, trial: &str, municipality: MunicipalityId) -> Result<()> {
    let (from, to) = data.protocol.phase_weeks(Phase::Messages);
    let to = to.min(data.protocol.week(data.through.max(0)));
    let rows: Vec<(String, String, i64)> = all!(
        tx,
        "SELECT arm, state, COUNT(*) FROM message
          WHERE municipality_id = $1 AND trial_id = $2 AND iso_week BETWEEN $3 AND $4 GROUP BY arm, state",
        municipality,
        trial,
        from,
        to
    )?;
    for (arm, state, count) in rows {
        let Some(arm) = data.protocol.arm_at(&arm) else { continue };
        let messages = &mut data.messages[arm];
        messages.due += count;
        messages.sent += if matches!(state.as_str(), "withheld" | "queued" | "sending") { 0 } else { count };
        messages.delivered += if matches!(state.as_str(), "delivered" | "read") { count } else { 0 };
    }
    let reached: Vec<(String, i64)> = all!(
        tx,
        "SELECT arm, COUNT(DISTINCT household_id) FROM message
          WHERE municipality_id = $1 AND trial_id = $2 AND iso_week BETWEEN $3 AND $4 AND state IN ('delivered', 'read') GROUP BY arm",
        municipality,
        trial,
        from,
        to
    )?;
    for (arm, homes) in reached {
        if let Some(arm) = data.protocol.arm_at(&arm) {
            data.messages[arm].homes += homes;
        }
    }
    Ok(())
}

async fn pauses(tx: &mut Tx, data: &mut Data, trial: &str, municipality: MunicipalityId) -> Result<()> {
    let until = at_local(data.protocol.week(data.through.max(0) + 1).monday(), 0, 0);
    for pause in pause::of_trial(tx, municipality, trial, until).await? {
        let kept_back = pause::kept_back(tx, municipality, &pause, until).await?.into_iter().collect();
        // What came after the data is not known to them.
        let ended = pause.resumed_at.filter(|at| *at < until);
        data.pauses.push(PauseLine {
            municipality: municipality.to_string(),
            campaign: pause.campaign_id,
            from: pause.paused_at,
            to: ended,
            by: pause.paused_by,
            why: pause.why,
            resumed_why: ended.and(pause.resumed_why),
            kept_back,
        });
    }
    Ok(())
}

impl Data {
    /// Everything but the protocol, as an opened look keeps it. Segments are named by nothing but their places.
    pub fn kept(&self) -> Value {
        let Data { protocol: _, coding: _, rule: _, segments, strata, left_out, tallies, homes, messages, since, pauses, through } = self;
        json!({
            "segments": segments, "strata": strata, "left_out": left_out, "tallies": tallies, "homes": homes, "messages": messages,
            "since": since, "pauses": pauses, "through": through,
        })
    }

    pub fn arms(&self) -> usize {
        self.protocol.arms.len()
    }

    /// Trial weeks of a phase that the data hold, first and last; `None` when none has been published.
    pub fn weeks(&self, phase: Phase) -> Option<(i64, i64)> {
        let [from, to] = self.protocol.calendar.of(phase);
        let to = to.min(self.through);
        (from <= to).then_some((from, to))
    }

    /// Tallies between two trial weeks.
    pub fn between(&self, (from, to): (i64, i64)) -> impl Iterator<Item = &Tally> {
        self.tallies.iter().filter(move |t| t.week >= from && t.week <= to)
    }

    /// Share of the baseline's observed collections that complied, as the draw saw it.
    pub fn baseline(&self, segment: usize) -> Option<f64> {
        let (n, y) = self.segments[segment].baseline;
        (n > 0.0).then(|| y / n)
    }
}
