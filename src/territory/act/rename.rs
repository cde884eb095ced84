//! Names change from a day on. What is told of the days before says the old one, and an old code still finds its thing.

use super::{Act, FieldChange, Span, Thing, Town, Writing, dated, refused};
use crate::error::Result;
use crate::territory::household::{has_shape, is_code, is_own, told};
use crate::territory::import::unfit_name;
use crate::territory::neighbourhood::Neighbourhood;
use crate::territory::point::Place;
use crate::territory::route::Route;
use serde_json::json;
use uuid::Uuid;

/// Gives one thing another name, another code, or both.
pub(super) fn rename(town: &Town, act: &Act<'_>, thing: Thing, code: &str, name: Option<&str>, new: Option<&str>) -> Result<Writing> {
    let mut writing = Writing::default();
    let mut lines = Vec::new();
    let kind = thing.name();
    let id = match town.standing(thing, code, act.from) {
        Ok(id) => id,
        Err(line) => return Err(refused(vec![line])),
    };
    let name = name.map(str::trim);
    if name.is_none() && new.is_none() {
        lines.push(format!("{kind} «{code}»: write its new name, or --code NEW"));
    }
    if name == Some("") {
        lines.push(format!("{kind} «{code}»: the new name is empty; write one"));
    }
    if let Some(line) = name.and_then(unfit_name) {
        lines.push(format!("{kind} «{code}»: {line}"));
    }
    if let Some(name) = name {
        macro_rules! renamed {
            ($histories:ident, $of:expr, $with:expr) => {{
                let history = town.$histories.get(&id).map_or(&[][..], Vec::as_slice);
                if let Some(now) = history.iter().find(|version| version.span().holds(act.from)) {
                    if $of(&now.facts) == name && new.is_none() {
                        lines.push(format!("{kind} «{code}» is called «{name}» already: write another name"));
                    }
                    // A name that was given for a later day stays the name from that day on.
                    let (span, told) = (Span { from: act.from, to: now.valid_to }, $with(now.facts.clone()));
                    let change = dated::tell(history, span, None, told, act.today, |facts, _| facts);
                    writing.$histories.insert(id, change);
                }
            }};
        }
        match thing {
            Thing::Neighbourhood => {
                renamed!(neighbourhoods, |area: &Neighbourhood| area.name.clone(), |area| Neighbourhood { name: name.to_owned(), ..area })
            }
            Thing::Route => {
                renamed!(routes, |planned: &(Route, _)| planned.0.name.clone(), |(route, week)| (Route { name: name.to_owned(), ..route }, week))
            }
            Thing::Point => renamed!(points, |place: &Place| place.name.clone(), |place| Place { name: name.to_owned(), ..place }),
            Thing::Segment | Thing::Household => {
                lines.push(format!("{kind} «{code}» has a code and no name: give it another code with --code NEW"));
            }
        }
    }
    let new = new.map(|new| match thing {
        Thing::Household => told(new, &town.letters, |_| false),
        _ => new.trim().to_owned(),
    });
    if let Some(new) = new.as_deref() {
        match fits(town, act, thing, new) {
            Ok(()) => {
                writing.changes.push(coded(town, act, thing, id, new));
                writing.codes.push((thing, id, new.to_owned()));
            }
            Err(line) => lines.push(line),
        }
    }
    if lines.is_empty() { Ok(writing) } else { Err(refused(lines)) }
}

/// Another code as a dry run tells it: one that was given for a later day stays the code from that day on.
fn coded(town: &Town, act: &Act<'_>, thing: Thing, id: Uuid, new: &str) -> FieldChange {
    let before = town.called(thing, id, act.from);
    let next = town.codes.get(&thing).and_then(|codes| codes.next(id, act.from));
    FieldChange {
        code: before.to_owned(),
        field: "code".into(),
        before: json!(before),
        after: json!(new),
        since: act.from,
        until: next.and_then(|(day, _)| day.pred_opt()),
        then: next.map(|(_, code)| json!(code)),
    }
}

/// Whether a code may be given: it is one, and it never was anybody's.
fn fits(town: &Town, act: &Act<'_>, thing: Thing, new: &str) -> Result<(), String> {
    let kind = thing.name();
    if thing == Thing::Household && !is_code(new) && (has_shape(new) || !is_own(new)) {
        return Err(format!("--code «{new}» is not a household code: write it like SP-4821-K, with the check letter that fits"));
    }
    if new.is_empty() || new.len() > 80 || new.chars().any(|c| c.is_control()) {
        return Err(format!("--code «{new}» cannot be a code: write 1 to 80 characters"));
    }
    let Some((own, whose)) = town.codes.get(&thing).and_then(|codes| codes.like(new)) else { return Ok(()) };
    let now = town.called(thing, whose, act.from);
    let whose = match town.spans(thing, whose).last() {
        Some(last) => match last.to.filter(|to| *to < act.from) {
            Some(end) => format!("was that of a {kind} that ended on {end}"),
            None if now == own => format!("is that of a {kind} that is there"),
            None => format!("was that of {kind} «{now}»"),
        },
        None => format!("was that of a {kind} taken back on its first day"),
    };
    Err(format!("code «{own}» {whose}, and a code is never given again: choose another"))
}
