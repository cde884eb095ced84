//! What a batch becomes: looked up ([`look_up`]), decided operation by operation (here), written ([`write`]), in one transaction.

mod look_up;
mod write;

use super::operation::{self, Action, Answer, Operation, Position, Receipt, Received, Refusal, Status};
use super::{Kind, Mark, Observation, Outcome, Stream};
use crate::clock::{Week, local};
use crate::id::{DeviceId, HouseholdId, MunicipalityId, NeighbourhoodId, OpId, OperatorId, RoundId, RouteId, SegmentId};
use crate::territory::calendar;
use chrono::{DateTime, Datelike, Duration, NaiveDate, Timelike, Utc};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What the server knows of an identity it has met.
#[derive(Debug, Clone, Copy)]
enum Met {
    Stored,
    Unsettled(Status, &'static str),
}

#[derive(sqlx::FromRow)]
struct RoundRow {
    round_id: RoundId,
    route_id: RouteId,
    operator_id: OperatorId,
    operator_code: String,
    service_day: NaiveDate,
    stream: Stream,
    window_start: String,
    window_end: String,
    /// The phone that named the round, and when it was last heard.
    device_id: DeviceId,
    seen_at: Option<DateTime<Utc>>,
}

/// What a collection at a home counts for on a day: nothing when it had no service or no segment.
type Place = Option<(SegmentId, NeighbourhoodId)>;

#[derive(Clone)]
struct Home {
    household_id: HouseholdId,
    days: BTreeMap<NaiveDate, Place>,
    /// Who serves it or ever did, as anybody ever believed: a phone may hold the list of a day that was corrected since.
    operators: BTreeSet<OperatorId>,
}

impl Home {
    fn new(household_id: HouseholdId) -> Home {
        Home { household_id, days: BTreeMap::new(), operators: BTreeSet::new() }
    }
}

#[derive(Clone, sqlx::FromRow)]
struct Waiting {
    op_id: OpId,
    corrects: OpId,
    device_id: DeviceId,
    operator_code: Option<String>,
    received_at: DateTime<Utc>,
    skew_ms: i64,
    body: Value,
    content_hash: String,
}

struct Event {
    op_id: OpId,
    device_id: DeviceId,
    received_at: DateTime<Utc>,
    kind: String,
    round_id: Option<RoundId>,
    at: DateTime<Utc>,
    corrected_at: DateTime<Utc>,
    body: Value,
    content_hash: String,
}

struct Unsettled {
    op_id: OpId,
    device_id: DeviceId,
    received_at: DateTime<Utc>,
    content_hash: String,
    status: &'static str,
    code: &'static str,
    body: Value,
}

/// Whose batch it is: from the token, never from the body.
pub struct Sender {
    /// The company the phone works for; none sees every round.
    pub operator: Option<String>,
    pub device: DeviceId,
    pub received_at: DateTime<Utc>,
    pub skew_ms: i64,
}

/// Batches of one municipality on their way, one after the other: what was looked up, and what will be written.
pub struct Intake {
    municipality: MunicipalityId,
    met: HashMap<OpId, Vec<(String, Met)>>,
    rounds: HashMap<RoundId, RoundRow>,
    /// Operators that had a round when its day began, where another one's phone names it.
    drivers: HashMap<RoundId, BTreeSet<String>>,
    homes: HashMap<String, Home>,
    /// Stored rows that this batch corrects.
    originals: HashMap<OpId, Observation>,
    waiting: HashMap<OpId, Vec<Waiting>>,
    rows: Vec<Observation>,
    row_of: HashMap<OpId, usize>,
    events: Vec<Event>,
    unsettled: Vec<Unsettled>,
    now_waiting: BTreeMap<OpId, Waiting>,
    applied: Vec<OpId>,
    /// When the phones were last heard, as far as a look-up told, and when they are heard now.
    seen_at: HashMap<DeviceId, DateTime<Utc>>,
    heard_at: BTreeMap<DeviceId, DateTime<Utc>>,
    /// The rows the homes have in their weeks already; `None`: not asked yet.
    existing: Option<Vec<Mark>>,
}

impl Intake {
    pub fn new(municipality: MunicipalityId) -> Intake {
        Intake {
            municipality,
            met: HashMap::new(),
            rounds: HashMap::new(),
            drivers: HashMap::new(),
            homes: HashMap::new(),
            originals: HashMap::new(),
            waiting: HashMap::new(),
            rows: Vec::new(),
            row_of: HashMap::new(),
            events: Vec::new(),
            unsettled: Vec::new(),
            now_waiting: BTreeMap::new(),
            applied: Vec::new(),
            seen_at: HashMap::new(),
            heard_at: BTreeMap::new(),
            existing: None,
        }
    }

    /// Decides about one batch.
    pub fn answer(&mut self, sender: &Sender, ops: &[Received]) -> Answer {
        self.heard_at.insert(sender.device, sender.received_at);
        let mut results = Vec::with_capacity(ops.len());
        for op in ops {
            let (status, refusal) = self.take(sender, op);
            let message = refusal.map(|refusal| refusal.message(&op.body));
            results.push(Receipt { op: op.body.get("op").cloned().unwrap_or(Value::Null), status, code: refusal.map(|r| r.code), message });
        }
        Answer { received_at: sender.received_at, skew_ms: sender.skew_ms, results }
    }

    /// Decides about one operation and remembers what to write.
    fn take(&mut self, sender: &Sender, op: &Received) -> (Status, Option<Refusal>) {
        if let Some(met) = self.met.get(&op.op_id) {
            return match met.iter().find(|(known, _)| *known == op.hash) {
                Some((_, Met::Stored)) => (Status::Duplicate, None),
                Some((_, Met::Unsettled(status, code))) => (*status, Refusal::find(code)),
                None => (Status::Conflict, Some(self.keep(sender, op, Status::Conflict, operation::OTHER_CONTENT))),
            };
        }
        let stored = op.read.clone().and_then(|operation| self.store(sender, op, operation));
        match stored {
            Ok(()) => {
                self.met.entry(op.op_id).or_default().push((op.hash.clone(), Met::Stored));
                (Status::Stored, None)
            }
            Err(refusal) => (Status::Rejected, Some(self.keep(sender, op, Status::Rejected, refusal))),
        }
    }

    fn keep(&mut self, sender: &Sender, op: &Received, status: Status, refusal: Refusal) -> Refusal {
        self.met.entry(op.op_id).or_default().push((op.hash.clone(), Met::Unsettled(status, refusal.code)));
        let status = if status == Status::Conflict { "conflict" } else { "rejected" };
        self.unsettled.push(Unsettled {
            op_id: op.op_id,
            device_id: sender.device,
            received_at: sender.received_at,
            content_hash: op.hash.clone(),
            status,
            code: refusal.code,
            body: operation::storable(&op.body),
        });
        refusal
    }

    fn store(&mut self, sender: &Sender, op: &Received, operation: Operation) -> std::result::Result<(), Refusal> {
        let Sender { device, received_at, skew_ms, .. } = *sender;
        let municipality = self.municipality;
        let (op_id, content_hash) = (op.op_id, op.hash.clone());
        match operation.action.clone() {
            Action::Stop { kind, round, household, outcome } => {
                let round = self.own_round(sender, round)?;
                let home = self.homes.get(&household).ok_or(operation::HOUSEHOLD)?;
                let foreign = !home.operators.is_empty() && !home.operators.contains(&round.operator_id);
                if sender.operator.is_some() && foreign {
                    return Err(operation::HOUSEHOLD);
                }
                let time = timing(operation.observed_at, skew_ms, received_at, round)?;
                let week = Week::of(round.service_day);
                let complied = if kind == Kind::StopMissed { None } else { outcome.complied(round.stream) };
                let (round_id, service_day) = (round.round_id, round.service_day);
                let (household_id, place) = (home.household_id, home.days.get(&round.service_day).copied().flatten());
                self.add(Observation {
                    municipality_id: municipality,
                    op_id,
                    kind,
                    round_id,
                    household_id,
                    segment_id: place.map(|(segment, _)| segment),
                    neighbourhood_id: place.map(|(_, neighbourhood)| neighbourhood),
                    service_day,
                    iso_week: week,
                    device_id: device,
                    observed_at: operation.observed_at,
                    corrected_at: time.corrected_at,
                    received_at,
                    corrects: None,
                    because: operation.because,
                    outcome,
                    complied,
                    counted: false,
                    suspect: time.suspect.map(str::to_owned),
                    lon: operation.position.map(|at| at.lon),
                    lat: operation.position.map(|at| at.lat),
                    accuracy_m: operation.position.and_then(|at| at.accuracy_m),
                    content_hash,
                    extra: operation.extra,
                });
            }
            Action::Correction { of, .. } => {
                let waiting = Waiting {
                    op_id,
                    corrects: of,
                    device_id: device,
                    operator_code: sender.operator.clone(),
                    received_at,
                    skew_ms,
                    body: Value::Null,
                    content_hash,
                };
                let original = self.row_of.get(&of).map(|at| &self.rows[*at]).or_else(|| self.originals.get(&of));
                // Another company's operation is as unknown as one that has not come.
                match original.filter(|original| self.may_correct(&waiting, original)).cloned() {
                    Some(original) => {
                        let row = self.corrected(&waiting, operation, &original)?;
                        self.add(row);
                    }
                    None => {
                        let waiting = Waiting { body: op.body.clone(), ..waiting };
                        self.waiting.entry(of).or_default().push(waiting.clone());
                        self.now_waiting.insert(op_id, waiting);
                    }
                }
            }
            Action::Event { kind, round } => {
                let own = round.map(|round| self.own_round(sender, round)).transpose()?;
                let corrected_at = match own {
                    Some(own) => timing(operation.observed_at, skew_ms, received_at, own)?.corrected_at,
                    None => unskewed(operation.observed_at, skew_ms, received_at),
                };
                self.events.push(Event {
                    op_id,
                    device_id: device,
                    received_at,
                    kind,
                    round_id: round,
                    at: operation.observed_at,
                    corrected_at,
                    body: op.body.clone(),
                    content_hash,
                });
            }
        }
        Ok(())
    }

    fn own_round(&self, sender: &Sender, round: RoundId) -> std::result::Result<&RoundRow, Refusal> {
        let found = self.rounds.get(&round).filter(|row| self.drove(sender.operator.as_deref(), row)).ok_or(operation::ROUND)?;
        if found.service_day > local(sender.received_at).date_naive() {
            return Err(operation::ROUND_FUTURE);
        }
        Ok(found)
    }

    fn may_correct(&self, correction: &Waiting, original: &Observation) -> bool {
        let round = self.rounds.get(&original.round_id);
        correction.operator_code.as_deref().is_none_or(|own| round.is_some_and(|round| self.drove(Some(own), round)))
    }

    /// Whether a round is this operator's, or was when its day began; without an operator every round of the municipality is.
    fn drove(&self, operator: Option<&str>, round: &RoundRow) -> bool {
        operator.is_none_or(|own| own == round.operator_code || self.drivers.get(&round.round_id).is_some_and(|drivers| drivers.contains(own)))
    }

    /// The row of a correction: the named row's home and day, with what the correction names put in its place.
    fn corrected(&self, by: &Waiting, operation: Operation, original: &Observation) -> std::result::Result<Observation, Refusal> {
        let Action::Correction { round, household, outcome, .. } = operation.action else { return Err(operation::CORRECTS) };
        let another = |code: &str| self.homes.get(code).is_none_or(|home| home.household_id != original.household_id);
        if round.is_some_and(|round| round != original.round_id) || household.as_deref().is_some_and(another) {
            return Err(operation::CORRECTS_OTHER);
        }
        let stream = self.rounds.get(&original.round_id).map_or(Stream::Mixed, |round| round.stream);
        let outcome: Outcome = original.outcome.corrected(&outcome);
        let complied = outcome.complied(stream);
        // A correction may be made days later at the desk: only an absurd clock is worth a mark.
        let suspect = (by.skew_ms.abs() > Duration::days(1).num_milliseconds()).then(|| "clock".to_owned());
        let Position { lon, lat, accuracy_m } = operation.position.unwrap_or_default();
        let placed = operation.position.is_some();
        Ok(Observation {
            op_id: by.op_id,
            kind: Kind::Correction,
            device_id: by.device_id,
            observed_at: operation.observed_at,
            corrected_at: unskewed(operation.observed_at, by.skew_ms, by.received_at),
            received_at: by.received_at,
            corrects: Some(original.op_id),
            because: operation.because,
            outcome,
            complied,
            counted: false,
            suspect: suspect.or_else(|| original.suspect.clone()),
            lon: placed.then_some(lon),
            lat: placed.then_some(lat),
            accuracy_m,
            content_hash: by.content_hash.clone(),
            extra: operation.extra,
            ..original.clone()
        })
    }

    /// Adds a row, and the corrections that waited for it.
    fn add(&mut self, row: Observation) {
        let mut arrived = vec![row];
        while let Some(row) = arrived.pop() {
            for waiting in self.waiting.remove(&row.op_id).unwrap_or_default() {
                let corrected = operation::read(&waiting.body).and_then(|operation| {
                    if !self.may_correct(&waiting, &row) {
                        return Err(operation::CORRECTS);
                    }
                    self.corrected(&waiting, operation, &row)
                });
                // What cannot be applied was acknowledged all the same and stays where it waits.
                if let Ok(corrected) = corrected {
                    if self.now_waiting.remove(&waiting.op_id).is_none() {
                        self.applied.push(waiting.op_id);
                    }
                    arrived.push(corrected);
                }
            }
            self.row_of.insert(row.op_id, self.rows.len());
            self.rows.push(row);
        }
    }
}

struct Timing {
    corrected_at: DateTime<Utc>,
    suspect: Option<&'static str>,
}

/// The phone's claim with its skew taken off, if a calendar can hold it.
fn plausible(observed_at: DateTime<Utc>, skew_ms: i64) -> Option<DateTime<Utc>> {
    observed_at.checked_sub_signed(Duration::milliseconds(skew_ms)).filter(|at| (1970..=2200).contains(&at.year()))
}

fn unskewed(observed_at: DateTime<Utc>, skew_ms: i64, received_at: DateTime<Utc>) -> DateTime<Utc> {
    plausible(observed_at, skew_ms).unwrap_or(received_at)
}

/// When a stop was made. The day is the round's; a clock that cannot be right (1970, years ahead, another day) is marked, and the
/// stop is kept. Only a time ahead by days, from a clock that was otherwise right, is refused: nobody has seen it yet.
fn timing(observed_at: DateTime<Utc>, skew_ms: i64, received_at: DateTime<Utc>, round: &RoundRow) -> std::result::Result<Timing, Refusal> {
    let corrected_at = unskewed(observed_at, skew_ms, received_at);
    let ahead = observed_at.signed_duration_since(received_at) - Duration::milliseconds(skew_ms);
    if ahead > Duration::days(1) && ahead < Duration::days(365) {
        return Err(operation::FUTURE);
    }
    // A round that ends after midnight is still that day's; one that is planned past midnight until the morning.
    let day = round.service_day;
    let after_midnight = |at: DateTime<Utc>| local(at).hour() < 4 && local(at).date_naive().pred_opt() == Some(day);
    let same_day = plausible(observed_at, skew_ms).is_some_and(|at| {
        local(at).date_naive() == day || after_midnight(at) || calendar::still_out(day, &round.window_start, &round.window_end, at)
    });
    let clock = skew_ms.abs() > Duration::days(1).num_milliseconds() || ahead > Duration::minutes(10);
    let suspect = match (clock, same_day) {
        (true, _) => Some("clock"),
        (false, false) => Some("day"),
        (false, true) => None,
    };
    Ok(Timing { corrected_at, suspect })
}
