//! What was known at a moment: the operations received until then, judged by the facts about places as they were written then. Derived from
//! the rows alone: neither tallies nor what a row was marked with is asked.

use super::record::{Seen, Windows};
use super::share::Record;
use crate::all;
use crate::clock::Week;
use crate::db::Tx;
use crate::error::Result;
use crate::id::{HouseholdId, MunicipalityId, OpId, RoundId, RouteId, SegmentId};
use crate::observation::{Kind, Mark, Outcome, Stream, standing};
use crate::territory::dated::Span;
use chrono::{DateTime, Datelike, NaiveDate, Utc};
use std::collections::{BTreeMap, HashMap};

/// What one operation recorded.
#[derive(sqlx::FromRow)]
pub struct Row {
    pub op_id: OpId,
    kind: Kind,
    pub household_id: HouseholdId,
    round_id: RoundId,
    /// Of the round, as are the route and its stream.
    service_day: NaiveDate,
    route_id: RouteId,
    day_stream: Stream,
    observed_at: DateTime<Utc>,
    pub received_at: DateTime<Utc>,
    pub corrects: Option<OpId>,
    #[sqlx(flatten)]
    outcome: Outcome,
}

/// Facts with the days they hold, and from when to when they were believed.
struct Believed<T> {
    days: Span,
    recorded_at: DateTime<Utc>,
    superseded_at: Option<DateTime<Utc>>,
    facts: T,
}

impl<T> Believed<T> {
    fn at(&self, moment: DateTime<Utc>) -> bool {
        self.recorded_at <= moment && self.superseded_at.is_none_or(|end| end > moment)
    }

    /// Whether it was written or given up at that moment and holds on one of the days.
    fn turned(&self, moment: DateTime<Utc>, (first, last): (NaiveDate, NaiveDate)) -> bool {
        (self.recorded_at == moment || self.superseded_at == Some(moment)) && self.days.from <= last && self.days.to.is_none_or(|to| to >= first)
    }

    /// Whether anything about it was written later than that.
    fn after(&self, moment: DateTime<Utc>) -> bool {
        self.recorded_at > moment || self.superseded_at.is_some_and(|end| end > moment)
    }
}

/// The facts of a day as they were believed at a moment.
fn on<T>(history: Option<&Vec<Believed<T>>>, day: NaiveDate, moment: DateTime<Utc>) -> Option<&T> {
    history.into_iter().flatten().find(|version| version.at(moment) && version.days.holds(day)).map(|version| &version.facts)
}

type Histories<K, T> = HashMap<K, Vec<Believed<T>>>;

/// The rows of some weeks, by home and day, and the history of the facts they are judged by.
pub struct Rows {
    rows: Vec<Row>,
    /// The segment of a home while it has service.
    homes: Histories<HouseholdId, SegmentId>,
    segments: Histories<SegmentId, ()>,
    /// What a route takes on each weekday.
    routes: Histories<RouteId, BTreeMap<i16, Stream>>,
    /// What it takes on days that the calendar added or moved.
    days: Histories<RouteId, Stream>,
}

impl Rows {
    pub async fn read(tx: &mut Tx, municipality: MunicipalityId, first: Week, last: Week) -> Result<Rows> {
        let mut rows: Vec<Row> = all!(
            tx,
            "SELECT o.op_id, o.kind, o.household_id, o.round_id, d.service_day, d.route_id, d.stream AS day_stream, o.observed_at, o.received_at,
                    o.corrects, o.set_out, o.separated, o.stream, o.contamination, o.severity, o.reason
               FROM round d CROSS JOIN observation o
              WHERE d.municipality_id = $1 AND d.service_day >= $2 AND d.service_day <= $3
                AND o.municipality_id = d.municipality_id AND o.round_id = d.round_id",
            municipality,
            first.monday(),
            last.sunday()
        )?;
        rows.sort_unstable_by_key(|row| (row.household_id, row.service_day, row.op_id));
        type Lived = (HouseholdId, SegmentId, NaiveDate, Option<NaiveDate>, DateTime<Utc>, Option<DateTime<Utc>>);
        let lived: Vec<Lived> = all!(
            tx,
            "SELECT household_id, segment_id, valid_from, valid_to, recorded_at, superseded_at FROM household_version
             WHERE municipality_id = $1 AND service_status = 'served' AND segment_id IS NOT NULL",
            municipality
        )?;
        let mut homes: Histories<HouseholdId, SegmentId> = HashMap::new();
        for (home, facts, from, to, recorded_at, superseded_at) in lived {
            homes.entry(home).or_default().push(Believed { days: Span { from, to }, recorded_at, superseded_at, facts });
        }
        type Lay = (SegmentId, NaiveDate, Option<NaiveDate>, DateTime<Utc>, Option<DateTime<Utc>>);
        let lay: Vec<Lay> = all!(
            tx,
            "SELECT segment_id, valid_from, valid_to, recorded_at, superseded_at FROM segment_version WHERE municipality_id = $1",
            municipality
        )?;
        let mut segments: Histories<SegmentId, ()> = HashMap::new();
        for (segment, from, to, recorded_at, superseded_at) in lay {
            segments.entry(segment).or_default().push(Believed { days: Span { from, to }, recorded_at, superseded_at, facts: () });
        }
        type Ran = (RouteId, uuid::Uuid, NaiveDate, Option<NaiveDate>, DateTime<Utc>, Option<DateTime<Utc>>, i16, Stream);
        let ran: Vec<Ran> = all!(
            tx,
            "SELECT v.route_id, v.version_id, v.valid_from, v.valid_to, v.recorded_at, v.superseded_at, d.weekday, d.stream FROM route_version v
               JOIN route_day d ON d.municipality_id = v.municipality_id AND d.route_id = v.route_id AND d.version_id = v.version_id
              WHERE v.municipality_id = $1 ORDER BY v.route_id, v.version_id, d.weekday",
            municipality
        )?;
        let mut routes: Histories<RouteId, BTreeMap<i16, Stream>> = HashMap::new();
        for version in ran.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let (route, _, from, to, recorded_at, superseded_at, ..) = version[0];
            let facts = version.iter().map(|row| (row.6, row.7)).collect();
            routes.entry(route).or_default().push(Believed { days: Span { from, to }, recorded_at, superseded_at, facts });
        }
        type Said = (RouteId, NaiveDate, Stream, DateTime<Utc>, Option<DateTime<Utc>>);
        let said: Vec<Said> = all!(
            tx,
            "SELECT route_id, COALESCE(moved_to, day), stream, recorded_at, superseded_at FROM calendar_day
             WHERE municipality_id = $1 AND route_id IS NOT NULL AND stream IS NOT NULL",
            municipality
        )?;
        let mut days: Histories<RouteId, Stream> = HashMap::new();
        for (route, day, facts, recorded_at, superseded_at) in said {
            days.entry(route).or_default().push(Believed { days: Span { from: day, to: Some(day) }, recorded_at, superseded_at, facts });
        }
        Ok(Rows { rows, homes, segments, routes, days })
    }

    /// What the row's day took, as it was known then: what the round says, unless its route or that day of it was corrected since.
    fn stream(&self, row: &Row, moment: DateTime<Utc>) -> Stream {
        fn since<T>(history: Option<&Vec<Believed<T>>>, day: NaiveDate, moment: DateTime<Utc>) -> bool {
            history.into_iter().flatten().any(|version| version.days.holds(day) && version.after(moment))
        }
        let (history, said) = (self.routes.get(&row.route_id), self.days.get(&row.route_id));
        if !since(history, row.service_day, moment) && !since(said, row.service_day, moment) {
            return row.day_stream;
        }
        if let Some(stream) = on(said, row.service_day, moment) {
            return *stream;
        }
        let weekday = row.service_day.weekday().number_from_monday() as i16;
        if let Some(stream) = on(history, row.service_day, moment).and_then(|week| week.get(&weekday)) {
            return *stream;
        }
        // A day that nothing gave any more kept what was said of it last.
        let gone = said.into_iter().flatten().filter(|word| word.days.holds(row.service_day) && word.superseded_at.is_some_and(|end| end <= moment));
        gone.max_by_key(|word| word.superseded_at).map_or(row.day_stream, |word| word.facts)
    }

    /// What was seen of every home where it had service: the operations received until a moment, by the facts as known at one.
    pub fn seen(&self, windows: Windows, received: DateTime<Utc>, moment: DateTime<Utc>) -> BTreeMap<HouseholdId, Seen> {
        let (first, last) = (windows.before.0.monday(), windows.now.1.sunday());
        let mut streams: HashMap<RoundId, Stream> = HashMap::new();
        let mut seen: BTreeMap<HouseholdId, Seen> = BTreeMap::new();
        let mut marks: Vec<Mark> = Vec::new();
        for of_home in self.rows.chunk_by(|a, b| a.household_id == b.household_id) {
            let home = of_home[0].household_id;
            // The last week in which the home had a row on a segment; of two segments in that week the later identity.
            let mut newest: Option<(Week, SegmentId)> = None;
            let (mut before, mut now) = (Record::default(), Record::default());
            for of_day in of_home.chunk_by(|a, b| a.service_day == b.service_day) {
                let day = of_day[0].service_day;
                if day < first || day > last {
                    continue;
                }
                let Some(segment) = on(self.homes.get(&home), day, moment) else { continue };
                if on(self.segments.get(segment), day, moment).is_none() {
                    continue;
                }
                marks.clear();
                for row in of_day.iter().filter(|row| row.received_at <= received) {
                    let stream = *streams.entry(row.round_id).or_insert_with(|| self.stream(row, moment));
                    marks.push(row.mark(stream));
                }
                if marks.is_empty() {
                    continue;
                }
                newest = newest.max(Some((Week::of(day), *segment)));
                let complied = standing(&marks).and_then(|op| marks.iter().find(|row| row.op_id == op)?.complied);
                let record = if day < windows.now.0.monday() { &mut before } else { &mut now };
                record.observed += i64::from(complied.is_some());
                record.complied += i64::from(complied.unwrap_or(0));
            }
            if let Some((_, segment)) = newest {
                seen.insert(home, Seen { segment: Some(segment), before, now });
            }
        }
        seen
    }

    /// Whether an act of this moment wrote anything of the days of a norm's windows.
    pub fn turned(&self, windows: Windows, moment: DateTime<Utc>) -> bool {
        fn any<K, T>(histories: &Histories<K, T>, moment: DateTime<Utc>, days: (NaiveDate, NaiveDate)) -> bool {
            histories.values().flatten().any(|version| version.turned(moment, days))
        }
        let days = (windows.before.0.monday(), windows.now.1.sunday());
        any(&self.homes, moment, days) || any(&self.segments, moment, days) || any(&self.routes, moment, days) || any(&self.days, moment, days)
    }

    /// The operations about a norm's windows that came after it was computed, in the order they came.
    pub fn received_after(&self, windows: Windows, moment: DateTime<Utc>) -> Vec<&Row> {
        let (first, last) = (windows.before.0.monday(), windows.now.1.sunday());
        let mut late: Vec<&Row> =
            self.rows.iter().filter(|row| row.received_at > moment && row.service_day >= first && row.service_day <= last).collect();
        late.sort_by_key(|row| (row.received_at, row.op_id));
        late
    }
}

impl Row {
    /// For the rule of which row stands; the outcome is what the crew's record gives on that day's stream.
    fn mark(&self, stream: Stream) -> Mark {
        Mark {
            op_id: self.op_id,
            kind: self.kind,
            household_id: self.household_id,
            segment_id: None,
            neighbourhood_id: None,
            service_day: self.service_day,
            observed_at: self.observed_at,
            received_at: self.received_at,
            corrects: self.corrects,
            complied: self.outcome.complied(stream),
            set_out: self.outcome.set_out,
            contaminated: self.outcome.contaminated(),
            separated: self.outcome.rightly_separated(stream),
            reason: self.outcome.reason,
            counted: false,
        }
    }
}
