//! What a file changes, field by field, for whoever asks before it is stored.

use crate::id::SegmentId;
use crate::territory::dated::Span;
use crate::territory::household::Household;
use crate::territory::municipality::Municipality;
use crate::territory::neighbourhood::Neighbourhood;
use crate::territory::point::Place;
use crate::territory::route::{Operator, Planned};
use crate::territory::segment::Segment;
use crate::territory::street::Street;
use chrono::NaiveDate;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// One field of one thing that is other from a day on. A new thing is told by its first day alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    pub code: String,
    pub field: String,
    pub before: Value,
    pub after: Value,
    pub since: NaiveDate,
    /// The last day it is so, and what it is from then on, where another value was said; a thing that ends says so in its `valid_to`.
    pub until: Option<NaiveDate>,
    pub then: Option<Value>,
}

impl FieldChange {
    /// A thing that was not there before.
    pub(crate) fn new_thing(code: &str, since: NaiveDate) -> FieldChange {
        FieldChange::plain(code, "valid_from", (Value::Null, json!(since)), since)
    }

    /// Another value from a day on, for good.
    pub(crate) fn plain(code: &str, field: &str, (before, after): (Value, Value), since: NaiveDate) -> FieldChange {
        FieldChange { code: code.to_owned(), field: field.to_owned(), before, after, since, until: None, then: None }
    }

    /// `SP-0006-H: service_status: «served» → «not_subscribed» from 2026-11-23`, and ` to 2026-12-21, then «served»` where it does not stay so
    pub fn line(&self) -> String {
        let FieldChange { code, field, since, .. } = self;
        let until = self.until.map(|until| format!(" to {until}")).unwrap_or_default();
        let then = self.then.as_ref().map(|then| format!(", then {}", short(then))).unwrap_or_default();
        if self.field == "valid_from" && self.before.is_null() {
            return format!("{code}: new from {since}");
        }
        format!("{code}: {field}: {} → {} from {since}{until}{then}", short(&self.before), short(&self.after))
    }
}

fn short(value: &Value) -> String {
    match value {
        Value::Null => "(empty)".into(),
        Value::String(text) => match text.char_indices().nth(LETTERS) {
            Some((end, _)) => format!("«{} … ({} letters)»", &text[..end], text.chars().count()),
            None => format!("«{text}»"),
        },
        Value::Object(shape) if shape.contains_key("coordinates") => {
            fn positions(value: &Value) -> usize {
                match value.as_array() {
                    Some(items) if items.first().is_some_and(Value::is_number) => 1,
                    Some(items) => items.iter().map(positions).sum(),
                    None => 0,
                }
            }
            let kind = shape.get("type").and_then(Value::as_str).unwrap_or("shape");
            format!("{kind} of {} positions", shape.get("coordinates").map_or(0, positions))
        }
        other => other.to_string(),
    }
}

/// Facts as a file would tell them.
pub(crate) trait Listed {
    /// Field by field; identities of other things are told as they are stored.
    fn listed(&self) -> Map<String, Value>;

    /// The segments whose homes, route or line the change from `before` concerns.
    fn touches(&self, before: Option<&Self>) -> Vec<SegmentId> {
        let _ = before;
        Vec::new()
    }
}

/// What is nobody's to tell: identities, and what follows from lines and places.
const OWN: [&str; 11] = [
    "municipality_id",
    "code",
    "neighbourhood_id",
    "route_id",
    "segment_id",
    "point_id",
    "household_id",
    "street_id",
    "begins_m",
    "reversed",
    "along_m",
];
/// So many letters of a text are told to a person.
const LETTERS: usize = 80;

/// The fields of a stored row without its own identity; its `refers` are told by name, its properties one by one.
fn fields(row: impl Serialize, refers: &[&str]) -> Map<String, Value> {
    let mut told = Map::new();
    let Ok(Value::Object(row)) = serde_json::to_value(row) else { return told };
    let mut own = Map::new();
    for (name, value) in row {
        if name == "properties" {
            own = value.as_object().cloned().unwrap_or_default();
        } else if refers.contains(&name.as_str()) {
            told.insert(name.trim_end_matches("_id").to_owned(), value);
        } else if !OWN.contains(&name.as_str()) {
            told.insert(if name == "stop_order" { "order".into() } else { name }, value);
        }
    }
    for (name, value) in own {
        told.entry(name).or_insert(value);
    }
    told
}

impl Listed for Household {
    fn listed(&self) -> Map<String, Value> {
        fields(self, &["segment_id", "operator_id"])
    }

    fn touches(&self, before: Option<&Self>) -> Vec<SegmentId> {
        match before {
            Some(before) if (before.segment_id, &before.service_status) == (self.segment_id, &self.service_status) => Vec::new(),
            _ => before.and_then(|home| home.segment_id).into_iter().chain(self.segment_id).collect(),
        }
    }
}

impl Listed for Segment {
    fn listed(&self) -> Map<String, Value> {
        fields(self, &["route_id", "neighbourhood_id"])
    }

    fn touches(&self, before: Option<&Self>) -> Vec<SegmentId> {
        let lies = |segment: &Segment| (segment.route_id, segment.neighbourhood_id, segment.geometry.clone());
        if before.is_some_and(|before| lies(before) == lies(self)) { Vec::new() } else { vec![self.segment_id] }
    }
}

impl Listed for Municipality {
    fn listed(&self) -> Map<String, Value> {
        fields(self, &[])
    }
}

impl Listed for Street {
    fn listed(&self) -> Map<String, Value> {
        fields(self, &[])
    }
}

impl Listed for Neighbourhood {
    fn listed(&self) -> Map<String, Value> {
        fields(self, &[])
    }
}

impl Listed for Place {
    fn listed(&self) -> Map<String, Value> {
        fields(self, &["route_id"])
    }
}

impl Listed for Operator {
    fn listed(&self) -> Map<String, Value> {
        Map::from_iter([("operator_name".to_owned(), json!(self.name))])
    }
}

impl Listed for Planned {
    fn listed(&self) -> Map<String, Value> {
        let mut told = fields(&self.0, &["operator_id"]);
        told.extend(super::written_week(&self.1));
        told
    }
}

/// What is new, or other from today on, of what has no dates of its own.
pub(crate) fn told<T: Listed>(before: Option<&T>, after: &T, code: &str, today: NaiveDate) -> Vec<FieldChange> {
    match before {
        Some(before) => held(before, &[(Span { from: today, to: None }, after)], code, today, &BTreeMap::new()),
        None => vec![FieldChange::new_thing(code, today)],
    }
}

/// The fields that differ from `before` on `since`, each with the days it stays so in what is said from then on; `names` tells identities by
/// their codes.
pub(crate) fn held<T: Listed>(before: &T, from: &[(Span, &T)], code: &str, since: NaiveDate, names: &BTreeMap<Uuid, String>) -> Vec<FieldChange> {
    let before = before.listed();
    let said: Vec<(Span, Map<String, Value>)> = from.iter().map(|(span, facts)| (*span, facts.listed())).collect();
    let Some(((first, after), later)) = said.split_first() else { return Vec::new() };
    let fields: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let named = |value: Option<&Value>| match value {
        Some(Value::String(text)) => match Uuid::parse_str(text).ok().and_then(|id| names.get(&id)) {
            Some(code) => json!(code),
            None => json!(text),
        },
        other => other.cloned().unwrap_or_default(),
    };
    let differ = fields.into_iter().filter(|field| before.get(*field) != after.get(*field));
    let told = |field: &String| {
        let on = std::iter::once(first.to).chain(later.iter().map(|(span, _)| span.to));
        let mut follows = on.zip(later).take_while(|(last, (span, _))| last.and_then(|last| last.succ_opt()) == Some(span.from));
        let other = follows.find(|(_, (_, facts))| facts.get(field) != after.get(field));
        let (until, then) = other.map(|(last, (_, facts))| (last, named(facts.get(field)))).unzip();
        let until = until.flatten();
        FieldChange {
            code: code.to_owned(),
            field: field.clone(),
            before: named(before.get(field)),
            after: named(after.get(field)),
            since,
            until,
            then,
        }
    };
    differ.map(told).collect()
}
