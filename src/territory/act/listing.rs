//! What an act changes, field by field.

use super::{Act, Changes, Histories, Thing, Town, Writing};
use crate::territory::dated;
use crate::territory::import::{FieldChange, Listed, held};
use chrono::NaiveDate;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Every thing whose facts or days are other from the day of the act on, then codes and new parts.
pub(super) fn changes(town: &Town, act: &Act<'_>, writing: &Writing) -> Vec<FieldChange> {
    let mut told = Vec::new();
    let called = |thing: Thing, id: &Uuid| (*id, town.called(thing, *id, act.from).to_owned());
    let mut names: BTreeMap<Uuid, String> = town.operators.iter().map(|(id, code)| (id.0, code.clone())).collect();
    names.extend(town.neighbourhoods.keys().map(|id| called(Thing::Neighbourhood, id)));
    names.extend(town.routes.keys().map(|id| called(Thing::Route, id)));
    names.extend(town.segments.keys().map(|id| called(Thing::Segment, id)));
    let place = (town, act.from, &names);
    of(place, Thing::Neighbourhood, &town.neighbourhoods, &writing.neighbourhoods, &mut told);
    of(place, Thing::Route, &town.routes, &writing.routes, &mut told);
    of(place, Thing::Segment, &town.segments, &writing.segments, &mut told);
    of(place, Thing::Point, &town.points, &writing.points, &mut told);
    of(place, Thing::Household, &town.homes, &writing.homes, &mut told);
    told.extend(writing.changes.iter().cloned());
    told
}

fn of<T: Listed>(
    (town, from, names): (&Town, NaiveDate, &BTreeMap<Uuid, String>),
    thing: Thing,
    histories: &Histories<T>,
    changes: &Changes<T>,
    told: &mut Vec<FieldChange>,
) {
    for (id, change) in changes.iter().filter(|(_, change)| !change.is_nothing()) {
        let (code, history) = (town.called(thing, *id, from), histories.get(id).map_or(&[][..], Vec::as_slice));
        let after = dated::changed(history, change, from);
        // What is told of one version holds for those that follow it: a field is told again only where it becomes another.
        let mut said: BTreeSet<(String, String)> = BTreeSet::new();
        for (at, (span, _)) in after.iter().enumerate() {
            let day = span.from.max(from);
            match history.iter().find(|version| version.span().holds(day)) {
                Some(before) => {
                    let differ = held(&before.facts, &after[at..], code, day, names).into_iter();
                    told.extend(differ.filter(|change| said.insert((change.field.clone(), change.after.to_string()))));
                }
                None => told.push(FieldChange::new_thing(code, day)),
            }
        }
        let was = history.last().map(|version| version.valid_to);
        let began = history.iter().map(|version| version.valid_from).min();
        let is = match after.last() {
            Some((span, _)) => Some(span.to),
            None => began.filter(|began| *began < from).map(|_| from.pred_opt()),
        };
        match (was, is) {
            (Some(was), Some(is)) if was != is => told.push(FieldChange::plain(code, "valid_to", (json!(was), json!(is)), from)),
            // Taken back on its first day.
            (Some(_), None) => told.push(FieldChange::plain(code, "valid_from", (json!(began), Value::Null), from)),
            _ => {}
        }
    }
}
