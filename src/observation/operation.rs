//! One operation as a phone sends it: read once into a domain value, or refused with a stable code. Pure.

use super::{Contaminant, Kind, Outcome, Reason, Separated, SetOut, Severity, Stream};
use crate::id::{OpId, RoundId, derived, sha256_hex};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use uuid::Uuid;

/// Why an operation is not stored. The code is stable; the message follows from the code and the operation alone, so that the same
/// operation gets the same answer however often it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    pub code: &'static str,
    /// The field of the operation the message quotes.
    field: &'static str,
    text: &'static str,
}

macro_rules! refusals { ($($name:ident = $code:literal, $field:literal, $text:literal;)+) => {
    $(pub const $name: Refusal = Refusal { code: $code, field: $field, text: $text };)+
    const REFUSALS: &[Refusal] = &[$($name),+];
} }

refusals! {
    NOT_AN_OBJECT = "op-shape", "", "an operation is a JSON object with op, kind and observed_at";
    OP_ID = "op-id", "op", "is not a UUID; make one on the phone for each operation";
    NUL = "op-text", "", "the operation holds a NUL character, which no field may";
    KIND = "kind-unknown", "kind", "is not a kind of operation this version knows";
    OBSERVED_AT = "observed-at", "observed_at", "is not a time with its offset, such as 2026-11-23T08:31:00-06:00";
    FUTURE = "observed-in-the-future", "observed_at", "has not come yet, by a clock that was otherwise right";
    ROUND = "round-unknown", "round", "is no round of this crew";
    ROUND_FUTURE = "round-in-the-future", "round", "has not started: its day has not come";
    HOUSEHOLD = "household-unknown", "household", "is no home this crew serves";
    SET_OUT = "set-out", "set_out", "must be yes, no or unknown";
    SEPARATED = "separated", "separated", "must be yes, partly, no or unknown";
    STREAM = "stream", "stream", "must be organic, recyclable, residual or mixed";
    CONTAMINATION = "contamination", "contamination", "must be a list of organic, plastic, paper, glass, metal, sanitary, hazardous, other";
    SEVERITY = "severity", "severity", "must be slight or gross";
    REASON = "reason", "reason", "is not a reason for a stop not made";
    BECAUSE = "because", "because", "must be a short text";
    CORRECTS = "correction-of", "of", "must name the operation it corrects, by its UUID";
    CORRECTS_OTHER = "correction-moves", "of", "was seen at another home or on another round; correct it to unknown and record the right home anew";
    CORRECTS_NOTHING = "correction-empty", "of", "is named, but nothing to change: send set_out, separated, stream, contamination, severity or reason";
    OTHER_CONTENT = "op-other-content", "op", "was received before with other content; both are kept for a person to settle";
}

impl Refusal {
    pub fn find(code: &str) -> Option<Refusal> {
        REFUSALS.iter().copied().find(|refusal| refusal.code == code)
    }

    pub fn message(self, op: &Value) -> String {
        if self.field.is_empty() {
            return self.text.to_owned();
        }
        let shown = match op.get(self.field) {
            None | Some(Value::Null) => "nothing".to_owned(),
            Some(Value::String(text)) => format!("«{}»", text.chars().take(60).collect::<String>()),
            Some(other) => other.to_string().chars().take(60).collect(),
        };
        format!("{}: {shown} {}", self.field, self.text)
    }
}

/// What became of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Stored,
    Duplicate,
    Conflict,
    Rejected,
}

/// The answer to one operation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Receipt {
    pub op: Value,
    pub status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The answer to a batch, operation by operation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    pub received_at: DateTime<Utc>,
    pub skew_ms: i64,
    pub results: Vec<Receipt>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// One home: observation, stop_missed or double_observation.
    Stop { kind: Kind, round: RoundId, household: String, outcome: Outcome },
    /// `outcome` holds only what the correction names.
    Correction { of: OpId, round: Option<RoundId>, household: Option<String>, outcome: Outcome },
    /// round_start, round_end, load, dump_visit, track.
    Event { kind: String, round: Option<RoundId> },
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Position {
    pub lon: f64,
    pub lat: f64,
    pub accuracy_m: Option<f64>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    pub observed_at: DateTime<Utc>,
    pub action: Action,
    pub because: Option<String>,
    pub position: Option<Position>,
    /// Fields this version has no column for, as they came.
    pub extra: Option<Value>,
}

/// An operation as it came, with its identity and what could be read of it.
pub struct Received {
    pub body: Value,
    pub op_id: OpId,
    /// SHA-256 of the body with its keys sorted.
    pub hash: String,
    pub read: Result<Operation, Refusal>,
}

impl Received {
    pub fn read(body: Value) -> Received {
        let (op_id, hash) = identify(&body);
        Received { op_id, hash, read: read(&body), body }
    }
}

/// Identity and content of an operation, whatever is in it. Without a usable `op` the identity follows from the content.
pub fn identify(op: &Value) -> (OpId, String) {
    // serde_json keeps keys sorted, so the same object has the same text.
    let hash = sha256_hex(op.to_string().as_bytes());
    let id = op.get("op").and_then(Value::as_str).and_then(|text| Uuid::parse_str(text).ok()).map(OpId);
    (id.unwrap_or_else(|| derived("operation", &[hash.as_bytes()], DateTime::UNIX_EPOCH)), hash)
}

/// The operation without NUL characters, which PostgreSQL cannot keep.
pub fn storable(op: &Value) -> Value {
    fn clean(value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(text.replace('\0', "\u{fffd}")),
            Value::Array(list) => list.iter().map(clean).collect(),
            Value::Object(map) => Value::Object(map.iter().map(|(key, value)| (key.replace('\0', "\u{fffd}"), clean(value))).collect()),
            other => other.clone(),
        }
    }
    match clean(op) {
        Value::Object(map) => Value::Object(map),
        other => json!({ "op": other }),
    }
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(list) => list.iter().any(has_nul),
        Value::Object(map) => map.iter().any(|(key, value)| key.contains('\0') || has_nul(value)),
        _ => false,
    }
}

fn get<'a>(map: &'a Map<String, Value>, field: &str) -> Option<&'a Value> {
    map.get(field).filter(|value| !value.is_null())
}

fn word<T>(map: &Map<String, Value>, field: &str, parse: fn(&str) -> Option<T>, refusal: Refusal) -> Result<Option<T>, Refusal> {
    match get(map, field) {
        None => Ok(None),
        Some(value) => value.as_str().and_then(parse).map(Some).ok_or(refusal),
    }
}

fn round(map: &Map<String, Value>) -> Result<Option<RoundId>, Refusal> {
    match get(map, "round") {
        None => Ok(None),
        Some(value) => value.as_str().and_then(|text| Uuid::parse_str(text).ok()).map(|id| Some(RoundId(id))).ok_or(ROUND),
    }
}

fn household(map: &Map<String, Value>) -> Result<Option<String>, Refusal> {
    match get(map, "household") {
        None => Ok(None),
        Some(value) => value.as_str().filter(|code| !code.is_empty() && code.len() <= 40).map(|code| Some(code.to_owned())).ok_or(HOUSEHOLD),
    }
}

fn outcome(map: &Map<String, Value>) -> Result<Outcome, Refusal> {
    let contamination = match get(map, "contamination") {
        None => None,
        Some(Value::Array(list)) => {
            let found = list.iter().map(|item| item.as_str().and_then(Contaminant::parse)).collect::<Option<BTreeSet<_>>>();
            let names: Vec<&str> = found.ok_or(CONTAMINATION)?.into_iter().map(Contaminant::name).collect();
            // An empty list says "nothing was mixed in": it clears in a correction and is nothing elsewhere.
            Some(names.join(","))
        }
        Some(_) => return Err(CONTAMINATION),
    };
    Ok(Outcome {
        set_out: word(map, "set_out", SetOut::parse, SET_OUT)?,
        separated: word(map, "separated", Separated::parse, SEPARATED)?,
        stream: word(map, "stream", Stream::parse, STREAM)?,
        contamination,
        severity: word(map, "severity", Severity::parse, SEVERITY)?,
        reason: word(map, "reason", Reason::parse, REASON)?,
    })
}

/// A fix nobody can place on the earth is kept among the unknown fields; the stop is not lost for it.
fn position(map: &Map<String, Value>) -> Option<Position> {
    let at = map.get("position")?;
    let number = |field: &str| at.get(field).and_then(Value::as_f64);
    let (lon, lat) = (number("lon")?, number("lat")?);
    let accuracy_m = number("accuracy_m").filter(|metres| *metres >= 0.0);
    (lon.abs() <= 180.0 && lat.abs() <= 90.0).then_some(Position { lon, lat, accuracy_m })
}

const EVERY_FIELD: &[&str] = &["op", "kind", "round", "household", "observed_at", "because"];
const OUTCOME_FIELDS: &[&str] = &["set_out", "separated", "stream", "contamination", "severity"];

/// Whether a column of its own holds this field of that kind of operation.
fn has_column(kind: &str, field: &str) -> bool {
    EVERY_FIELD.contains(&field)
        || match kind {
            "stop_missed" => field == "reason",
            "correction" => field == "of" || field == "reason" || OUTCOME_FIELDS.contains(&field),
            _ => OUTCOME_FIELDS.contains(&field),
        }
}

/// Reads one operation; whether its round and home exist is the database's to say.
pub fn read(op: &Value) -> Result<Operation, Refusal> {
    let map = op.as_object().ok_or(NOT_AN_OBJECT)?;
    if has_nul(op) {
        return Err(NUL);
    }
    map.get("op").and_then(Value::as_str).and_then(|text| Uuid::parse_str(text).ok()).ok_or(OP_ID)?;
    let kind = map.get("kind").and_then(Value::as_str).ok_or(KIND)?;
    let observed_at = map.get("observed_at").and_then(Value::as_str).and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    let observed_at = crate::clock::to_micros(observed_at.ok_or(OBSERVED_AT)?.with_timezone(&Utc));
    let action = match kind {
        "observation" | "double_observation" => {
            let mut outcome = Outcome { reason: None, ..outcome(map)? };
            outcome.contamination = outcome.contamination.filter(|list| !list.is_empty());
            if outcome.set_out.is_none() {
                return Err(SET_OUT);
            }
            let kind = if kind == "observation" { Kind::Observation } else { Kind::DoubleObservation };
            Action::Stop { kind, round: round(map)?.ok_or(ROUND)?, household: household(map)?.ok_or(HOUSEHOLD)?, outcome }
        }
        "stop_missed" => {
            let reason = word(map, "reason", Reason::parse, REASON)?.ok_or(REASON)?;
            let outcome = Outcome { reason: Some(reason), ..Outcome::default() };
            Action::Stop { kind: Kind::StopMissed, round: round(map)?.ok_or(ROUND)?, household: household(map)?.ok_or(HOUSEHOLD)?, outcome }
        }
        "correction" => {
            let of = map.get("of").and_then(Value::as_str).and_then(|text| Uuid::parse_str(text).ok()).ok_or(CORRECTS)?;
            let outcome = outcome(map)?;
            if outcome == Outcome::default() {
                return Err(CORRECTS_NOTHING);
            }
            Action::Correction { of: OpId(of), round: round(map)?, household: household(map)?, outcome }
        }
        "round_start" | "round_end" => Action::Event { kind: kind.to_owned(), round: Some(round(map)?.ok_or(ROUND)?) },
        "load" | "dump_visit" | "track" => Action::Event { kind: kind.to_owned(), round: round(map)? },
        _ => return Err(KIND),
    };
    let because = match get(map, "because") {
        None => None,
        Some(value) => Some(value.as_str().filter(|text| text.chars().count() <= 200).ok_or(BECAUSE)?.to_owned()),
    };
    let position = position(map);
    let kept = |(field, value): (&String, &Value)| {
        let column = has_column(kind, field) || (field == "position" && position.is_some()) || value.is_null();
        (!column).then(|| (field.clone(), value.clone()))
    };
    let extra: Map<String, Value> = match &action {
        // An event is kept whole as its body.
        Action::Event { .. } => Map::new(),
        _ => map.iter().filter_map(kept).collect(),
    };
    Ok(Operation { observed_at, action, because, position, extra: (!extra.is_empty()).then_some(Value::Object(extra)) })
}
