//! Acts on places: they end, change their names, become one or several, each from a day on. What was before that day stays as it was.
//!
//! An act reads the whole [`Town`], decides what is to be written, and [`Writing`] writes it; nothing is written when anything is refused.
//! Then what was counted follows, and one audit entry says what, since when and why.

pub mod command;
mod listing;
mod merge;
mod rename;
mod retire;
mod split;

use super::change::{After, Changed, Drawn};
use super::code::Codes;
pub use super::code::Thing;
use super::dated::{self, Change, Span, Version, recast};
use super::household::{self, Household};
use super::import::FieldChange;
use super::municipality;
use super::neighbourhood::{self, Neighbourhood};
use super::point::{self, Place};
use super::route::{self, Planned};
use super::segment::{self, Segment};
use crate::account::audit;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{Mint, MunicipalityId, OperatorId, SegmentId};
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use serde_json::{Value, json};
pub use split::Parts;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Where, since when and why.
pub struct Act<'a> {
    pub municipality: MunicipalityId,
    pub from: NaiveDate,
    pub today: NaiveDate,
    pub now: DateTime<Utc>,
    pub reason: Option<&'a str>,
    pub actor: &'a str,
}

/// What is known of things of one kind, each from its first day to its last.
type Histories<T> = BTreeMap<Uuid, Vec<Version<T>>>;

/// Everything that stands in a municipality and has a code.
struct Town {
    municipality: MunicipalityId,
    neighbourhoods: Histories<Neighbourhood>,
    routes: Histories<Planned>,
    segments: Histories<Segment>,
    points: Histories<Place>,
    homes: Histories<Household>,
    codes: BTreeMap<Thing, Codes>,
    /// How its household codes begin.
    letters: String,
    operators: BTreeMap<OperatorId, String>,
}

fn grouped<T>(versions: Vec<Version<T>>, id: impl Fn(&T) -> Uuid) -> Histories<T> {
    let mut histories: Histories<T> = BTreeMap::new();
    for version in versions {
        histories.entry(id(&version.facts)).or_default().push(version);
    }
    histories
}

impl Town {
    async fn read(tx: &mut Tx, municipality: MunicipalityId) -> Result<Town> {
        let mut codes = BTreeMap::new();
        for thing in [Thing::Neighbourhood, Thing::Route, Thing::Segment, Thing::Point, Thing::Household] {
            codes.insert(thing, Codes::read(tx, municipality, thing).await?);
        }
        let operators = route::operator_history(tx, municipality).await?;
        Ok(Town {
            municipality,
            neighbourhoods: grouped(neighbourhood::history(tx, municipality).await?, |area| area.neighbourhood_id.0),
            routes: grouped(route::history(tx, municipality).await?, |(route, _)| route.route_id.0),
            segments: grouped(segment::history(tx, municipality).await?, |segment| segment.segment_id.0),
            points: grouped(point::history(tx, municipality).await?, |point| point.point_id.0),
            homes: grouped(household::history(tx, municipality).await?, |home| home.household_id.0),
            codes,
            letters: municipality::find(tx, municipality).await?.letters(),
            operators: operators.into_iter().map(|version| (version.facts.operator_id, version.facts.code)).collect(),
        })
    }

    /// The thing of any of its codes.
    fn find(&self, thing: Thing, code: &str) -> Result<Uuid, String> {
        let (kind, municipality) = (thing.name(), self.municipality);
        let codes = self.codes.get(&thing);
        // A home's code is taken as people write it, here as everywhere.
        let spelled = || household::spellings(code).iter().find_map(|code| codes?.whose(code)).or_else(|| household::meant(codes?, code));
        let found = codes.and_then(|codes| codes.whose(code)).or_else(|| if thing == Thing::Household { spelled() } else { None });
        found.ok_or_else(|| {
            format!(
                "{kind} «{code}» does not exist in {municipality}: see `vecino geo export {kind}s --municipality {municipality}` or mend the code"
            )
        })
    }

    /// What a thing is called on a day.
    fn called(&self, thing: Thing, id: Uuid, day: NaiveDate) -> &str {
        self.codes.get(&thing).map_or("?", |codes| codes.on(id, day))
    }

    /// The days on which a thing is there, in their order.
    fn spans(&self, thing: Thing, id: Uuid) -> Vec<Span> {
        fn spans<T>(histories: &Histories<T>, id: Uuid) -> Vec<Span> {
            histories.get(&id).into_iter().flatten().map(Version::span).collect()
        }
        match thing {
            Thing::Neighbourhood => spans(&self.neighbourhoods, id),
            Thing::Route => spans(&self.routes, id),
            Thing::Segment => spans(&self.segments, id),
            Thing::Point => spans(&self.points, id),
            Thing::Household => spans(&self.homes, id),
        }
    }

    /// The thing of this code, which must be there on the day of the act.
    fn standing(&self, thing: Thing, code: &str, day: NaiveDate) -> Result<Uuid, String> {
        let id = self.find(thing, code)?;
        let (kind, spans) = (thing.name(), self.spans(thing, id));
        if spans.iter().any(|span| span.holds(day)) {
            return Ok(id);
        }
        match (spans.first(), spans.iter().filter_map(|span| span.to).rfind(|to| *to < day)) {
            (Some(first), None) => Err(format!("{kind} «{code}» is there from {} on, not on {day}: give a day from then on", first.from)),
            (_, Some(end)) => {
                Err(format!("{kind} «{code}» ended on {end}: nothing is left of it on {day}; give a day up to its end, or another code"))
            }
            (None, None) => Err(format!("{kind} «{code}» was taken back on its first day: name another")),
        }
    }

    /// As [`Town::standing`], for what takes others in: it must not end either.
    fn staying(&self, thing: Thing, code: &str, day: NaiveDate) -> Result<Uuid, String> {
        let id = self.standing(thing, code, day)?;
        match self.spans(thing, id).last().and_then(|span| span.to) {
            Some(end) => Err(format!("{} «{code}» ends on {end}: name one that stays", thing.name())),
            None => Ok(id),
        }
    }
}

/// What a history says on the day of the act.
fn now<'a, T>(histories: &'a Histories<T>, id: Uuid, act: &Act<'_>) -> Option<&'a T> {
    histories.get(&id)?.iter().find(|version| version.span().holds(act.from)).map(|version| &version.facts)
}

/// One kind's part of a [`Writing`].
type Changes<T> = BTreeMap<Uuid, Change<T>>;

/// What an act writes.
#[derive(Default)]
struct Writing {
    neighbourhoods: Changes<Neighbourhood>,
    routes: Changes<Planned>,
    segments: Changes<Segment>,
    points: Changes<Place>,
    homes: Changes<Household>,
    /// Codes given: of what, whose, which.
    codes: Vec<(Thing, Uuid, String)>,
    /// Segments that end, or gain or lose homes, or lie otherwise.
    touched: BTreeSet<SegmentId>,
    /// How many of each kind end, and how many go on elsewhere.
    ended: BTreeMap<Thing, usize>,
    moved: BTreeMap<Thing, usize>,
    /// Codes that are given, and new things that a file brings, as they are told.
    changes: Vec<FieldChange>,
    warnings: Vec<String>,
}

/// The first day from `from` on which a version answers `is`.
fn since<T>(history: &[Version<T>], from: NaiveDate, is: impl Fn(&T) -> bool) -> Option<NaiveDate> {
    let there = history.iter().filter(|version| version.valid_to.is_none_or(|to| to >= from) && is(&version.facts));
    there.map(|version| version.valid_from.max(from)).min()
}

impl Writing {
    fn ends(&mut self, thing: Thing) {
        *self.ended.entry(thing).or_default() += 1;
    }

    fn moves(&mut self, thing: Thing) {
        *self.moved.entry(thing).or_default() += 1;
    }

    /// A thing ends on the day before.
    fn end(&mut self, town: &Town, act: &Act<'_>, thing: Thing, id: Uuid, from: NaiveDate) {
        fn ended<T: Clone>(histories: &Histories<T>, id: Uuid, from: NaiveDate, today: NaiveDate) -> Change<T> {
            dated::end(histories.get(&id).map_or(&[][..], Vec::as_slice), from, today)
        }
        match thing {
            Thing::Neighbourhood => drop(self.neighbourhoods.insert(id, ended(&town.neighbourhoods, id, from, act.today))),
            Thing::Route => drop(self.routes.insert(id, ended(&town.routes, id, from, act.today))),
            Thing::Segment => {
                self.touched.insert(SegmentId(id));
                self.segments.insert(id, ended(&town.segments, id, from, act.today));
            }
            Thing::Point => drop(self.points.insert(id, ended(&town.points, id, from, act.today))),
            Thing::Household => {
                let own = town.homes.get(&id).and_then(|known| known.iter().find(|version| version.span().holds(from)));
                self.touched.extend(own.and_then(|version| version.facts.segment_id));
                self.homes.insert(id, ended(&town.homes, id, from, act.today));
            }
        }
        self.ends(thing);
    }

    async fn write(self, tx: &mut Tx, mint: &mut Mint, act: &Act<'_>) -> Result<()> {
        macro_rules! put {
            ($changes:expr, $table:literal, $module:ident) => {
                let changes: Vec<(Uuid, Change<_>)> = $changes.into_iter().filter(|(_, change)| !change.is_nothing()).collect();
                dated::write(tx, $table, act.municipality, act.now, &changes).await?;
                let added: Vec<_> = changes.into_iter().flat_map(|(_, change)| change.added).collect();
                $module::add(tx, mint, act.now, &added).await?;
            };
        }
        put!(self.neighbourhoods, "neighbourhood", neighbourhood);
        put!(self.routes, "route", route);
        put!(self.segments, "segment", segment);
        put!(self.points, "point", point);
        put!(self.homes, "household", household);
        for (thing, id, code) in self.codes {
            super::code::give(tx, act.municipality, thing, id, &code, act.from, act.now).await?;
        }
        Ok(())
    }
}

/// What is done to things of one kind.
pub enum Deed<'a> {
    /// They end; `with_homes`: with all that stands on them.
    Retire { codes: &'a [String], with_homes: bool },
    /// One has another name, another code, or both.
    Rename { code: &'a str, name: Option<&'a str>, new: Option<&'a str> },
    /// Several become one of them.
    Merge { into: &'a str, codes: &'a [String] },
    /// One becomes several.
    Split { code: &'a str, parts: Parts<'a> },
}

impl Deed<'_> {
    fn verb(&self) -> &'static str {
        match self {
            Deed::Retire { .. } => "retired",
            Deed::Rename { .. } => "renamed",
            Deed::Merge { .. } => "merged",
            Deed::Split { .. } => "split",
        }
    }

    fn codes(&self) -> Vec<String> {
        match self {
            Deed::Retire { codes, .. } => codes.to_vec(),
            Deed::Rename { code, .. } | Deed::Split { code, .. } => vec![(*code).to_owned()],
            Deed::Merge { into, codes } => std::iter::once((*into).to_owned()).chain(codes.iter().cloned()).collect(),
        }
    }

    fn detail(&self, thing: Thing, act: &Act<'_>) -> Value {
        let mut detail = json!({"kind": thing.name(), "codes": self.codes(), "since": act.from});
        let own = match self {
            Deed::Retire { with_homes, .. } => json!({"with_homes": with_homes}),
            Deed::Rename { name, new, .. } => json!({"name": name, "code": new}),
            Deed::Merge { into, .. } => json!({"into": into}),
            Deed::Split { parts, .. } => json!({"sha256": crate::id::sha256_hex(parts.bytes)}),
        };
        if let (Value::Object(all), Value::Object(own)) = (&mut detail, own) {
            all.extend(own);
            all.extend(act.reason.map(|reason| ("reason".to_owned(), json!(reason))));
        }
        detail
    }
}

/// What an act did, or with a dry run would do.
#[derive(Debug, Clone, Serialize)]
pub struct Done {
    pub act: &'static str,
    pub kind: &'static str,
    pub codes: Vec<String>,
    pub since: NaiveDate,
    /// How many of each kind end, and how many go on elsewhere.
    pub ended: BTreeMap<&'static str, usize>,
    pub moved: BTreeMap<&'static str, usize>,
    /// Segments that end, or gain or lose homes, or lie otherwise.
    pub segments: Vec<String>,
    pub trials: Vec<Drawn>,
    /// What is other than before, field by field, and for how long.
    pub changes: Vec<FieldChange>,
    pub warnings: Vec<String>,
}

impl Done {
    /// `segment R2-02: retired from 2026-11-30: 1 segment ended, 27 households ended`
    pub fn line(&self) -> String {
        let told = |counts: &BTreeMap<&'static str, usize>, verb: &str| {
            counts.iter().map(|(kind, n)| format!("{} {verb}", counted(*n, kind))).collect::<Vec<_>>()
        };
        let parts = [told(&self.ended, "ended"), told(&self.moved, "moved")].concat();
        let did = if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) };
        format!("{} {}: {} from {}{did}\n", self.kind, self.codes.join(", "), self.act, self.since)
    }
}

/// Does it all in one transaction; drop that for a dry run.
pub async fn perform(tx: &mut Tx, mint: &mut Mint, act: &Act<'_>, thing: Thing, deed: &Deed<'_>, after: After) -> Result<Done> {
    // Acts of one municipality wait for each other: two may not give one code twice.
    audit::hold(tx, act.municipality, "territory").await?;
    if let Some(slip) = dated::slip(act.from, act.today) {
        return Err(Error::refused("day", format!("--from {slip}")));
    }
    if act.from < act.today && act.reason.is_none() {
        let today = act.today;
        return Err(Error::refused(
            "past-needs-reason",
            format!("{} has passed: to correct the past add --reason, or give a day from {today} on", act.from),
        ));
    }
    let (town, mut writing) = match deed {
        Deed::Split { code, parts } => split::split(tx, mint, act, thing, code, parts).await?,
        whole => {
            let town = Town::read(tx, act.municipality).await?;
            let writing = match whole {
                Deed::Retire { codes, with_homes } => retire::retire(&town, act, thing, codes, *with_homes)?,
                Deed::Merge { into, codes } => merge::merge(&town, act, thing, into, codes)?,
                Deed::Rename { code, name, new } => rename::rename(&town, act, thing, code, *name, *new)?,
                Deed::Split { .. } => Writing::default(),
            };
            (town, writing)
        }
    };
    let trials = (after.drawn)(tx, act.municipality, &writing.touched, act.today).await?;
    let mut warnings = std::mem::take(&mut writing.warnings);
    if writing.ended.contains_key(&Thing::Segment) {
        warnings.extend(trials.iter().filter(|trial| trial.running).map(|trial| {
            let (id, segments) = (&trial.trial, trial.segments.join(", "));
            format!("trial {id} runs and drew {segments}: homes keep the arm they were drawn for, and its report counts who moved or closed after the draw")
        }));
    }
    let counts = |of: &BTreeMap<Thing, usize>| of.iter().map(|(thing, n)| (thing.name(), *n)).collect();
    let done = Done {
        act: deed.verb(),
        kind: thing.name(),
        codes: deed.codes(),
        since: act.from,
        ended: counts(&writing.ended),
        moved: counts(&writing.moved),
        segments: writing.touched.iter().map(|id| town.called(Thing::Segment, id.0, act.from).to_owned()).collect(),
        trials,
        changes: listing::changes(&town, act, &writing),
        warnings,
    };
    writing.write(tx, mint, act).await?;
    let what = format!("{} {}", done.kind, done.codes.join(", "));
    let Act { municipality, from: since, reason, now, today, .. } = *act;
    (after.follow)(tx, Changed { municipality, since, reason, now, today, what: &what }).await?;
    let target = done.codes.first().map_or("", String::as_str);
    let entry = audit::Entry { stream: "territory", actor: act.actor, action: done.act, target, detail: deed.detail(thing, act) };
    audit::record(tx, municipality, now, entry).await?;
    Ok(done)
}

/// Refusals of an act: one line each.
fn refused(lines: Vec<String>) -> Error {
    Error::refused_lines("act-refused", lines)
}

/// So many, in words.
fn counted(n: usize, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}
