//! What the page stands on, read in one snapshot.

use crate::clock::Week;
use crate::db::Tx;
use crate::error::Result;
use crate::id::{MunicipalityId, OperatorId, SegmentId};
use crate::map::Measure;
use crate::map::period::Kind;
use crate::map::read::{self, Path};
use crate::map::revision;
use crate::map::subtraction::Waiting;
use crate::observation::round;
use crate::observation::supervision::{Progress, current, progress};
use crate::registry::consent;
use crate::territory::calendar::{self, Planned, Standing};
use crate::territory::code::code_on;
use crate::territory::dated::in_force;
use crate::territory::locate::Locator;
use crate::territory::{neighbourhood, route, segment};
use crate::trial::protocol::{Phase, Protocol, published_on};
use crate::{all, one, opt};
use chrono::{DateTime, Duration, NaiveDate, Utc};
use geo::Coord;
use std::collections::BTreeMap;

/// One day of the current week: what was planned, done and missed; days to come only count their routes.
pub struct DayOfWeek {
    pub day: NaiveDate,
    pub routes: i64,
    pub planned: i64,
    pub done: i64,
    pub missed: i64,
    /// What is other than the routes' weeks say.
    pub other: Vec<Planned>,
}

#[derive(sqlx::FromRow)]
pub struct Phone {
    pub name: String,
    pub operator: Option<OperatorId>,
    pub seen_at: Option<DateTime<Utc>>,
    pub unsettled: i64,
    pub oldest: Option<DateTime<Utc>>,
}

/// A home that the truck should reach and does not, with what would mend it.
pub struct Homeless {
    pub code: String,
    pub hint: Option<String>,
    pub status: String,
    pub neighbourhood: Option<String>,
    /// Route of the nearest segment, and how far its line is.
    pub route: Option<(String, f64)>,
}

pub struct Facts {
    pub code: String,
    pub now: DateTime<Utc>,
    pub day: NaiveDate,
    pub today: Vec<Progress>,
    pub week: Vec<DayOfWeek>,
    pub phones: Vec<Phone>,
    pub homeless: Vec<Homeless>,
    pub homeless_count: i64,
    /// Messages of this week: channel, state, how many.
    pub messages: Vec<(String, String, i64)>,
    /// Queued although their time has passed by an hour or more.
    pub overdue: i64,
    pub paused: Vec<Pause>,
    /// Homes that may be written to at the start of this week, and those that withdrew since.
    pub consents: i64,
    pub withdrawn: i64,
    pub trial: Option<Protocol>,
    pub trends: Vec<(Measure, Path)>,
    /// Published weeks that changed since in a way that cannot be told yet, and why.
    pub waiting: Vec<(Week, Vec<Waiting>)>,
    /// Week, stops due, stops observed, up to the last published week.
    pub coverage: Vec<(Week, i64, i64)>,
    /// `None` where nothing further is published.
    pub next: Option<Next>,
}

/// The next week that can be published, and when; a week in which nobody is observed is not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Next {
    pub week: Week,
    pub day: NaiveDate,
    pub observed: bool,
}

/// A paused campaign: which, since when, why.
pub type Pause = (String, Option<DateTime<Utc>>, Option<String>);

/// So many homes without a place are listed; the rest are counted.
const LISTED: i64 = 25;

impl Facts {
    pub async fn gather(tx: &mut Tx, municipality: MunicipalityId, now: DateTime<Utc>, day: NaiveDate) -> Result<Facts> {
        let this_week = Week::of(day);
        let today = current(tx, municipality, None, now).await?;
        let week = week(tx, municipality, day, &today).await?;
        let phones: Vec<Phone> = all!(
            tx,
            "SELECT d.name, d.operator_id AS operator, d.seen_at, COUNT(u.op_id) AS unsettled, MIN(u.received_at) AS oldest
             FROM device d
             LEFT JOIN unsettled_operation u ON u.municipality_id = d.municipality_id AND u.device_id = d.device_id AND u.settled_at IS NULL
             WHERE d.municipality_id = $1 AND d.revoked_at IS NULL
             GROUP BY d.device_id, d.name, d.operator_id, d.seen_at ORDER BY d.name",
            municipality
        )?;
        let (homeless, homeless_count) = homeless(tx, municipality, day).await?;
        let messages: Vec<(String, String, i64)> = all!(
            tx,
            "SELECT channel, state, COUNT(*) FROM message WHERE municipality_id = $1 AND iso_week = $2 GROUP BY channel, state ORDER BY channel, state",
            municipality,
            this_week
        )?;
        let (overdue,): (i64,) = one!(
            tx,
            "SELECT COUNT(*) FROM message WHERE municipality_id = $1 AND state = 'queued' AND send_after < $2 AND expires_at > $3",
            municipality,
            now - Duration::hours(1),
            now
        )?;
        let paused: Vec<Pause> = all!(
            tx,
            "SELECT campaign_id, paused_at, paused_why FROM campaign WHERE municipality_id = $1 AND paused_at IS NOT NULL ORDER BY campaign_id",
            municipality
        )?;
        let (consents, withdrawn) = consent::leaving_since(tx, municipality, this_week.monday()).await?;
        let trials = crate::trial::of(tx, municipality).await?;
        let trial = trials.into_iter().rev().max_by_key(|trial| trial.frozen_at).map(|trial| trial.protocol);
        let published = read::published(tx, municipality).await?;
        let mut trends = Vec::new();
        for measure in Measure::ALL {
            trends.push((measure, read::path(tx, municipality, "", measure, Kind::Week, &published).await?));
        }
        let span = trends.first().and_then(|(_, path)| Some((path.first()?.0.first, path.last()?.0.last)));
        let coverage = match span {
            Some((first, last)) => coverage(tx, municipality, first, last).await?,
            None => Vec::new(),
        };
        let next = match read::place(tx, municipality).await?.pilot {
            true => Some(next(tx, municipality, day, span.map(|(_, last)| last)).await?),
            false => None,
        };
        let waiting = revision::waiting(tx, municipality).await?.into_iter().map(|(week, why, _)| (week, why)).collect();
        Ok(Facts {
            code: municipality.to_string(),
            now,
            day,
            today,
            week,
            phones,
            homeless,
            homeless_count,
            messages,
            overdue,
            paused,
            consents,
            withdrawn,
            trial,
            trends,
            waiting,
            coverage,
            next,
        })
    }

    /// Where the trial stands on this day: its phase and that phase's weeks.
    pub fn phase(&self) -> Option<(&Protocol, Phase, Week, Week)> {
        let protocol = self.trial.as_ref()?;
        let week = Week::of(self.day);
        [Phase::Baseline, Phase::Messages, Phase::After].into_iter().find_map(|phase| {
            let (first, last) = protocol.phase_weeks(phase);
            (first <= week && week <= last).then_some((protocol, phase, first, last))
        })
    }
}

async fn week(tx: &mut Tx, municipality: MunicipalityId, day: NaiveDate, today: &[Progress]) -> Result<Vec<DayOfWeek>> {
    let monday = Week::of(day).monday();
    let mut planned: BTreeMap<NaiveDate, Vec<Planned>> = BTreeMap::new();
    for round in calendar::planned(tx, municipality, monday, Week::of(day).sunday()).await? {
        planned.entry(round.day).or_default().push(round);
    }
    let mut days = Vec::new();
    for offset in 0..7 {
        let at = monday + Duration::days(offset);
        let planned = planned.remove(&at).unwrap_or_default();
        let routes = planned.iter().filter(|round| round.standing.runs()).count() as i64;
        let other = planned.into_iter().filter(|round| round.standing != Standing::Weekly).collect();
        if at > day {
            days.push(DayOfWeek { day: at, routes, planned: 0, done: 0, missed: 0, other });
            continue;
        }
        let of_day;
        let rows = match at == day {
            true => today,
            false => {
                of_day = progress(tx, municipality, None, at).await?;
                &of_day
            }
        };
        // Last night's rounds are yesterday's.
        let rows: Vec<&Progress> = rows.iter().filter(|row| row.round.service_day == at).collect();
        let sum = |of: fn(&Progress) -> i64| rows.iter().map(|row| of(row)).sum();
        days.push(DayOfWeek {
            day: at,
            other,
            routes: rows.len() as i64,
            planned: sum(Progress::due),
            done: sum(|row| row.done),
            missed: sum(|row| row.missed),
        });
    }
    Ok(days)
}

/// Homes (as `v` on the day) with service and without a place on a route that runs, and homes no route reaches. The segments that have a
/// truck are few, so they are looked up once.
macro_rules! unreached {
    () => {
        concat!(
            " FROM household_version v WHERE v.municipality_id = $1 AND v.service_status IN ('no_route', 'served') AND ",
            in_force!("v", "$2"),
            " AND (v.service_status = 'no_route' OR v.segment_id IS NULL OR v.segment_id NOT IN (
                SELECT s.segment_id FROM segment_version s
                  JOIN route_version r ON r.municipality_id = s.municipality_id AND r.route_id = s.route_id AND ",
            in_force!("r", "$2"),
            " WHERE s.municipality_id = $1 AND ",
            in_force!("s", "$2"),
            "))"
        )
    };
}

/// Homes with service and without a place on a route today, and homes no route reaches.
async fn homeless(tx: &mut Tx, municipality: MunicipalityId, day: NaiveDate) -> Result<(Vec<Homeless>, i64)> {
    type Row = (String, Option<String>, String, f64, f64);
    let (total,): (i64,) = one!(tx, concat!("SELECT COUNT(*)", unreached!()), municipality, day)?;
    if total == 0 {
        return Ok((Vec::new(), 0));
    }
    let rows: Vec<Row> = all!(
        tx,
        concat!(
            "WITH unreached AS MATERIALIZED (SELECT v.household_id",
            unreached!(),
            ") SELECT ",
            code_on!("household", "h", "$2"),
            ", v.hint, v.service_status, v.lon, v.lat FROM unreached u CROSS JOIN household h CROSS JOIN household_version v
                WHERE h.municipality_id = $1 AND h.household_id = u.household_id
                  AND v.municipality_id = $1 AND v.household_id = u.household_id AND ",
            in_force!("v", "$2"),
            " ORDER BY CASE v.service_status WHEN 'served' THEN 0 ELSE 1 END, h.code LIMIT $3"
        ),
        municipality,
        day,
        LISTED
    )?;
    let neighbourhoods = neighbourhood::of(tx, municipality, day).await?;
    let routes = route::of(tx, municipality, day).await?;
    // A segment whose route has ended takes nobody in.
    let runs = |segment: &segment::Segment| routes.iter().any(|route| route.route_id == segment.route_id);
    let segments: Vec<segment::Segment> = segment::of(tx, municipality, day).await?.into_iter().filter(runs).collect();
    let locator = Locator::new(&neighbourhoods, &segments);
    let homes = rows
        .into_iter()
        .map(|(code, hint, status, lon, lat)| {
            let near = locator.suggest(Coord { x: lon, y: lat });
            let segment = near.segment.and_then(|id| segments.iter().find(|s| s.segment_id == id));
            let route = segment.and_then(|s| routes.iter().find(|route| route.route_id == s.route_id)).map(|route| route.name.clone());
            let name = |id| neighbourhoods.iter().find(|n| n.neighbourhood_id == id).map(|n| n.name.clone());
            Homeless { code, hint, status, neighbourhood: near.neighbourhood.and_then(name), route: route.zip(near.metres) }
        })
        .collect();
    Ok((homes, total))
}

/// The first week after the last published one whose Wednesday has not passed, and in which somebody was observed or still may be.
async fn next(tx: &mut Tx, municipality: MunicipalityId, day: NaiveDate, last: Option<Week>) -> Result<Next> {
    let mut week = last.map_or(Week::of(day), |last| last.plus(1));
    while published_on(week) < day {
        week = week.plus(1);
    }
    loop {
        let seen: Option<(SegmentId,)> =
            opt!(tx, "SELECT segment_id FROM home_week WHERE municipality_id = $1 AND iso_week = $2 AND observed > 0 LIMIT 1", municipality, week)?;
        if seen.is_some() || week.sunday() >= day {
            return Ok(Next { week, day: published_on(week), observed: seen.is_some() });
        }
        week = week.plus(1);
    }
}

/// Stops that were due and that were observed, by week: rounds against tallies, so it costs as much as there are segments. As in the
/// report, what was observed was due, whatever the calendar says of its day since; what routes found of one another's segments is not looked
/// for here, but never makes more observed than due.
async fn coverage(tx: &mut Tx, municipality: MunicipalityId, first: Week, last: Week) -> Result<Vec<(Week, i64, i64)>> {
    let due: Vec<(Week, SegmentId, i64)> = all!(
        tx,
        "SELECT iso_week, segment_id, CAST(SUM(stops) AS BIGINT) FROM round_segment
          WHERE municipality_id = $1 AND iso_week >= $2 AND iso_week <= $3 GROUP BY iso_week, segment_id",
        municipality,
        first,
        last
    )?;
    let observed: Vec<(Week, SegmentId, i64)> = all!(
        tx,
        "SELECT iso_week, segment_id, CAST(SUM(observed) AS BIGINT) FROM segment_week
          WHERE municipality_id = $1 AND iso_week >= $2 AND iso_week <= $3 GROUP BY iso_week, segment_id",
        municipality,
        first,
        last
    )?;
    let mut cells: BTreeMap<(Week, SegmentId), (i64, i64)> = BTreeMap::new();
    for (week, segment, n) in due {
        cells.entry((week, segment)).or_default().0 += n;
    }
    for (week, segment, n) in observed {
        cells.entry((week, segment)).or_default().1 += n;
    }
    for (week, segment, _, n) in round::beyond_due(tx, municipality, (first, last), round::Asked::WithoutDue).await? {
        cells.entry((week, segment)).or_default().0 += n;
    }
    let mut weeks: BTreeMap<Week, (i64, i64)> = BTreeMap::new();
    for ((week, _), (due, observed)) in cells {
        let sums = weeks.entry(week).or_default();
        *sums = (sums.0 + due.max(observed), sums.1 + observed);
    }
    Ok(weeks.into_iter().filter(|(_, (due, _))| *due > 0).map(|(week, (due, observed))| (week, due, observed)).collect())
}
