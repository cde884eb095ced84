//! What a crew saw: one home on one collection day by one observer. Rows are never edited; corrections append.
//!
//! The rules here are pure and do not depend on the order in which phones manage to send: whoever arrives first, the same
//! row stands for a home on a day. `receive` answers, `batch` stores, `tally` counts, `round` plans, `crew` and `supervision` are the pages.

pub mod batch;
pub mod command;
pub mod crew;
pub mod intake;
pub mod line;
pub mod operation;
pub mod receive;
pub mod recount;
pub mod restate;
pub mod round;
pub mod seal_row;
pub mod supervision;
pub mod tally;
pub mod verify;

use crate::account::access::Routes;
use crate::clock::Week;
use crate::db::Tx;
use crate::error::Result;
use crate::id::{DeviceId, HouseholdId, MunicipalityId, NeighbourhoodId, OpId, RoundId, SegmentId};
use crate::{all, among, bulk};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

macro_rules! wire_words { ($($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal),+ $(,)? })+) => { $(
    $(#[$doc])*
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type)]
    #[serde(rename_all = "snake_case")]
    #[sqlx(type_name = "TEXT", rename_all = "snake_case")]
    pub enum $name { $($variant),+ }
    impl $name {
        pub const ALL: &'static [$name] = &[$($name::$variant),+];
        /// The word on the wire and in the database.
        pub fn name(self) -> &'static str { match self { $($name::$variant => $word),+ } }
        pub fn parse(word: &str) -> Option<$name> { match word { $($word => Some($name::$variant),)+ _ => None } }
    }
)+ } }

wire_words! {
    /// What a row of `observation` is.
    Kind { Observation = "observation", StopMissed = "stop_missed", Correction = "correction", DoubleObservation = "double_observation" }
    SetOut { Yes = "yes", No = "no", Unknown = "unknown" }
    Separated { Yes = "yes", Partly = "partly", No = "no", Unknown = "unknown" }
    Stream { Organic = "organic", Recyclable = "recyclable", Residual = "residual", Mixed = "mixed" }
    Contaminant {
        Organic = "organic", Plastic = "plastic", Paper = "paper", Glass = "glass", Metal = "metal",
        Sanitary = "sanitary", Hazardous = "hazardous", Other = "other",
    }
    Severity { Slight = "slight", Gross = "gross" }
    /// Why a stop was not made.
    Reason {
        NotServed = "not_served", StreetBlocked = "street_blocked", FloodOrLandslide = "flood_or_landslide", TruckFull = "truck_full",
        TruckBroken = "truck_broken", DumpClosed = "dump_closed", CrewShort = "crew_short", Refused = "refused", Skipped = "skipped",
    }
}

/// What was found at the kerb, or why nobody looked.
#[derive(Debug, Clone, PartialEq, Eq, Default, sqlx::FromRow)]
pub struct Outcome {
    pub set_out: Option<SetOut>,
    pub separated: Option<Separated>,
    pub stream: Option<Stream>,
    /// Contaminants in the order of their enum, joined by commas; never an empty text.
    pub contamination: Option<String>,
    pub severity: Option<Severity>,
    pub reason: Option<Reason>,
}

impl Outcome {
    /// The trial's outcome of one collection: 1 set out, right stream, separated, not grossly contaminated; 0 observed and anything
    /// else; `None` not observed. On a `mixed` day all streams are taken, each apart, and none is wrong.
    pub fn complied(&self, day: Stream) -> Option<i16> {
        if self.reason.is_some() {
            return None;
        }
        match (self.set_out?, self.separated) {
            (SetOut::Unknown, _) => None,
            (SetOut::No, _) => Some(0),
            (SetOut::Yes, None | Some(Separated::Unknown)) => None,
            (SetOut::Yes, Some(separated)) => {
                let right = day == Stream::Mixed || self.stream.is_none_or(|own| own == day);
                Some(i16::from(separated == Separated::Yes && right && !self.contaminated()))
            }
        }
    }

    /// Of a bag that was seen: whether it was separated, into the stream of the day. `None` where what was recorded cannot tell it: on the day
    /// of one stream nobody knows so of a bag whose stream was not recorded, whether it was mixed or not.
    pub fn rightly_separated(&self, day: Stream) -> Option<bool> {
        self.complied(day)?;
        if self.set_out != Some(SetOut::Yes) {
            return None;
        }
        let right = if day == Stream::Mixed { true } else { self.stream? == day };
        Some(right && self.separated == Some(Separated::Yes))
    }

    /// Grossly: slight contamination is noted and not counted; contamination without a severity counts.
    pub fn contaminated(&self) -> bool {
        match self.severity {
            Some(severity) => severity == Severity::Gross,
            None => self.contamination.is_some(),
        }
    }

    /// What stands after a correction: what it names replaces what was there. A reason unmakes the stop, a `set_out` makes it,
    /// and a bag that was not out has no content.
    pub fn corrected(&self, by: &Outcome) -> Outcome {
        if by.reason.is_some() {
            return Outcome { reason: by.reason, ..Outcome::default() };
        }
        let emptied = matches!(by.set_out, Some(SetOut::No | SetOut::Unknown));
        let kept = if emptied { &Outcome::default() } else { self };
        let nothing_mixed_in = by.contamination.as_deref() == Some("");
        let remade = by.set_out.is_some() || by.separated.is_some();
        Outcome {
            set_out: by.set_out.or(self.set_out).or_else(|| by.separated.map(|_| SetOut::Yes)),
            separated: by.separated.or(kept.separated),
            stream: by.stream.or(kept.stream),
            contamination: by.contamination.clone().or_else(|| kept.contamination.clone()).filter(|list| !list.is_empty()),
            severity: by.severity.or(kept.severity).filter(|_| !nothing_mixed_in),
            reason: self.reason.filter(|_| !remade),
        }
    }
}

/// One row of the table: an operation as received, with what the server's own records add.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Observation {
    pub municipality_id: MunicipalityId,
    pub op_id: OpId,
    pub kind: Kind,
    pub round_id: RoundId,
    pub household_id: HouseholdId,
    /// What the collection counts for, by the facts of its day; nothing when the home had no service or no segment.
    pub segment_id: Option<SegmentId>,
    pub neighbourhood_id: Option<NeighbourhoodId>,
    pub service_day: NaiveDate,
    pub iso_week: Week,
    pub device_id: DeviceId,
    /// As the phone's clock claimed, and with its skew taken off.
    pub observed_at: DateTime<Utc>,
    pub corrected_at: DateTime<Utc>,
    pub received_at: DateTime<Utc>,
    /// The operation this one corrects; its own `outcome` is then the merged one.
    pub corrects: Option<OpId>,
    pub because: Option<String>,
    #[sqlx(flatten)]
    pub outcome: Outcome,
    pub complied: Option<i16>,
    pub counted: bool,
    /// Why the times of this row deserve doubt; the day then comes from the round.
    pub suspect: Option<String>,
    pub lon: Option<f64>,
    pub lat: Option<f64>,
    pub accuracy_m: Option<f64>,
    pub content_hash: String,
    pub extra: Option<Value>,
}

/// What decides whether a row counts, and no more: read for every home a batch touches.
#[derive(Debug, Clone, Copy, PartialEq, sqlx::FromRow)]
pub struct Mark {
    pub op_id: OpId,
    pub kind: Kind,
    pub household_id: HouseholdId,
    pub segment_id: Option<SegmentId>,
    pub neighbourhood_id: Option<NeighbourhoodId>,
    pub service_day: NaiveDate,
    pub observed_at: DateTime<Utc>,
    pub received_at: DateTime<Utc>,
    pub corrects: Option<OpId>,
    pub complied: Option<i16>,
    pub set_out: Option<SetOut>,
    pub contaminated: bool,
    pub separated: Option<bool>,
    pub reason: Option<Reason>,
    pub counted: bool,
}

impl Mark {
    /// The cell the row belongs to: none when its collection counts for no segment.
    pub fn cell(&self) -> Option<tally::Key> {
        let (segment, neighbourhood) = (self.segment_id?, self.neighbourhood_id?);
        Some(tally::Key { week: Week::of(self.service_day), home: self.household_id, segment, neighbourhood })
    }

    /// What the row adds to its home's week.
    pub fn adds(&self) -> tally::Sums {
        match self.complied {
            Some(complied) if self.counted => [
                1,
                i32::from(self.set_out == Some(SetOut::Yes)),
                i32::from(complied),
                i32::from(self.contaminated),
                i32::from(self.separated.is_some()),
                i32::from(self.separated == Some(true)),
            ],
            _ => [0; 6],
        }
    }
}

impl Observation {
    /// `day`: the stream of its round.
    pub fn mark(&self, day: Option<Stream>) -> Mark {
        Mark {
            op_id: self.op_id,
            kind: self.kind,
            household_id: self.household_id,
            segment_id: self.segment_id,
            neighbourhood_id: self.neighbourhood_id,
            service_day: self.service_day,
            observed_at: self.observed_at,
            received_at: self.received_at,
            corrects: self.corrects,
            complied: self.complied,
            set_out: self.outcome.set_out,
            contaminated: self.outcome.contaminated(),
            separated: day.and_then(|day| self.outcome.rightly_separated(day)),
            reason: self.outcome.reason,
            counted: self.counted,
        }
    }
}

/// Which row stands for one home on one day. `rows` are all rows of that home and day, in any order.
///
/// Of what corrects one another the last by (observed_at, op id) stands, for its original. Then a stop that was seen beats one
/// whose content is unknown, which beats one that was not made; then the earliest original by (observed_at, op id).
/// A second observer's row measures agreement and never counts.
pub fn standing(rows: &[Mark]) -> Option<OpId> {
    if let [only] = rows {
        return (only.kind != Kind::DoubleObservation && only.corrects.is_none()).then_some(only.op_id);
    }
    let by_op: BTreeMap<OpId, &Mark> = rows.iter().map(|row| (row.op_id, row)).collect();
    let original = |row: &Mark| {
        let mut at = row.corrects;
        let mut root = row.op_id;
        // A chain cannot be longer than the rows there are, even if somebody forges a circle.
        for _ in 0..rows.len() {
            let Some(named) = at.and_then(|op| by_op.get(&op)) else { break };
            root = named.op_id;
            at = named.corrects;
        }
        by_op.get(&root).filter(|found| found.corrects.is_none()).copied()
    };
    let mut stands: BTreeMap<OpId, (&Mark, &Mark)> = BTreeMap::new();
    for row in rows {
        let Some(root) = original(row).filter(|root| root.kind != Kind::DoubleObservation) else { continue };
        let rank = |row: &Mark| (row.corrects.is_some(), row.observed_at, row.op_id);
        stands.entry(root.op_id).and_modify(|(_, last)| *last = if rank(row) > rank(last) { row } else { last }).or_insert((root, row));
    }
    let knowledge = |row: &Mark| match (row.complied, row.reason) {
        (Some(_), _) => 0,
        (None, None) => 1,
        (None, Some(_)) => 2,
    };
    stands.values().min_by_key(|(root, last)| (knowledge(last), root.observed_at, root.op_id)).map(|(_, last)| last.op_id)
}

/// Every column, in the order of the struct.
macro_rules! columns {
    ($table:literal) => {
        concat!(
            $table,
            "municipality_id, ",
            $table,
            "op_id, ",
            $table,
            "kind, ",
            $table,
            "round_id, ",
            $table,
            "household_id, ",
            $table,
            "segment_id, ",
            $table,
            "neighbourhood_id, ",
            $table,
            "service_day, ",
            $table,
            "iso_week, ",
            $table,
            "device_id, ",
            $table,
            "observed_at, ",
            $table,
            "corrected_at, ",
            $table,
            "received_at, ",
            $table,
            "corrects, ",
            $table,
            "because, ",
            $table,
            "set_out, ",
            $table,
            "separated, ",
            $table,
            "stream, ",
            $table,
            "contamination, ",
            $table,
            "severity, ",
            $table,
            "reason, ",
            $table,
            "complied, ",
            $table,
            "counted, ",
            $table,
            "suspect, ",
            $table,
            "lon, ",
            $table,
            "lat, ",
            $table,
            "accuracy_m, ",
            $table,
            "content_hash, ",
            $table,
            "extra"
        )
    };
}
pub(crate) use columns;

/// Bulk insert. Tallies are the caller's: `tally::recompute` for the touched cells, or `tally::rebuild` after a load.
/// So is the audit entry: the stream says in `rows` how many it stands for, and `verify` adds them up.
pub async fn store(tx: &mut Tx, rows: &[Observation]) -> Result<()> {
    let keys = tx.record_keys()?;
    let sealed: Vec<(&Observation, Vec<u8>)> = rows.iter().map(|row| (row, seal_row::seal(&keys, row))).collect();
    bulk!(
        tx,
        concat!("INSERT INTO observation (", columns!(""), ", row_mac)"),
        sealed,
        |row| [
            row.0.municipality_id,
            row.0.op_id,
            row.0.kind,
            row.0.round_id,
            row.0.household_id,
            row.0.segment_id,
            row.0.neighbourhood_id,
            row.0.service_day,
            row.0.iso_week,
            row.0.device_id,
            row.0.observed_at,
            row.0.corrected_at,
            row.0.received_at,
            row.0.corrects,
            &row.0.because,
            row.0.outcome.set_out,
            row.0.outcome.separated,
            row.0.outcome.stream,
            &row.0.outcome.contamination,
            row.0.outcome.severity,
            row.0.outcome.reason,
            row.0.complied,
            row.0.counted,
            &row.0.suspect,
            row.0.lon,
            row.0.lat,
            row.0.accuracy_m,
            &row.0.content_hash,
            &row.0.extra,
            &row.1
        ],
        ""
    )?;
    Ok(())
}

// Whether what was recorded of a row `o`, whose round is `d`, tells if it was rightly separated: `Outcome::rightly_separated`.
macro_rules! separation_seen {
    () => {
        "(o.complied IS NOT NULL AND o.set_out = 'yes' AND (d.stream = 'mixed' OR o.stream IS NOT NULL))"
    };
}
pub(crate) use separation_seen;

macro_rules! rightly_separated {
    () => {
        "(o.separated = 'yes' AND (d.stream = 'mixed' OR o.stream = d.stream))"
    };
}
pub(crate) use rightly_separated;

// What counting needs of a row `o`, whose round is `d`: the fields of Mark.
macro_rules! mark_columns {
    () => {
        concat!(
            "o.op_id, o.kind, o.household_id, o.segment_id, o.neighbourhood_id, o.service_day, o.observed_at, o.received_at, o.corrects, o.complied, o.set_out,
             COALESCE(o.severity = 'gross', o.contamination IS NOT NULL) AS contaminated, o.reason, o.counted, CASE WHEN ",
            $crate::observation::separation_seen!(),
            " THEN ",
            $crate::observation::rightly_separated!(),
            " END AS separated"
        )
    };
}
pub(crate) use mark_columns;

/// The rows of the given homes in the given weeks, as far as counting needs them.
pub async fn marks(tx: &mut Tx, municipality: MunicipalityId, cells: &[(Week, HouseholdId)]) -> Result<Vec<Mark>> {
    among!(
        tx,
        "WITH asked (municipality_id, household_id, monday, sunday) AS (",
        cells,
        |cell| [municipality, cell.1, cell.0.monday(), cell.0.sunday()],
        concat!(
            ") SELECT ",
            mark_columns!(),
            " FROM asked CROSS JOIN observation o
               LEFT JOIN round d ON d.municipality_id = o.municipality_id AND d.round_id = o.round_id
              WHERE o.municipality_id = asked.municipality_id AND o.household_id = asked.household_id AND o.service_day BETWEEN asked.monday AND asked.sunday"
        )
    )
}

/// The rows of one round, oldest first.
pub async fn of_round(tx: &mut Tx, municipality: MunicipalityId, round: RoundId) -> Result<Vec<Observation>> {
    all!(
        tx,
        concat!("SELECT ", columns!(""), " FROM observation WHERE municipality_id = $1 AND round_id = $2 ORDER BY observed_at, op_id"),
        municipality,
        round
    )
}

/// The audit chain of what crews send; whoever writes rows or tallies holds it.
pub const CHAIN: &str = "observation";

pub fn routes(routes: Routes) -> Routes {
    let routes = receive::routes(routes);
    let routes = crew::routes(routes);
    supervision::routes(routes)
}
