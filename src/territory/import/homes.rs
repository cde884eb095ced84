//! Homes: what a file says of them from a day on. What held before stays as it was written.

use super::fields::{Item, SERVICE};
use super::{Ground, Lines, Outcome, Request, Stored, Told, by_code, days, places, settle, stands, there_on};
use crate::db::Tx;
use crate::error::Result;
use crate::id::{HouseholdId, Mint, OperatorId, RouteId, SegmentId};
use crate::sheet::words;
use crate::territory::code::Thing;
use crate::territory::dated::{self, Span, Version, refit};
use crate::territory::household::{self, Household, STATUSES, has_shape, is_code, is_own};
use crate::territory::route::{self, Planned};
use crate::territory::segment::{self, Lane, Segment};
use chrono::NaiveDate;
use geo::Coord;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// A home farther from its segment than this is refused, in metres: it was put on the wrong one, or its position is wrong.
const FAR: f64 = 3_000.0;
/// Farther than this is worth a word.
const BESIDE: f64 = 250.0;

/// What homes may be put on: segments with their lines, the operators of their routes.
struct Streets {
    segments: Stored<Segment>,
    lanes: BTreeMap<Uuid, Lane>,
    routes: BTreeMap<RouteId, Vec<Version<Planned>>>,
    operators: BTreeMap<String, OperatorId>,
    operator_codes: BTreeMap<OperatorId, String>,
    by_id: BTreeMap<SegmentId, String>,
}

impl Streets {
    async fn read(tx: &mut Tx, ground: &Ground, request: &Request<'_>) -> Result<Streets> {
        let id = ground.id();
        let segments = segment::history(tx, id).await?;
        let lanes = segments.iter().map(|version| (version.version_id, version.facts.lane())).collect();
        let by_id = segments.iter().map(|version| (version.facts.segment_id, version.facts.code.clone())).collect();
        let mut routes: BTreeMap<RouteId, Vec<Version<Planned>>> = BTreeMap::new();
        for version in route::history(tx, id).await? {
            routes.entry(version.facts.0.route_id).or_default().push(version);
        }
        let operators: BTreeMap<String, OperatorId> =
            route::operator_history(tx, id).await?.into_iter().map(|version| (version.facts.code, version.facts.operator_id)).collect();
        let operator_codes = operators.iter().map(|(code, id)| (*id, code.clone())).collect();
        let segments = Stored::of(tx, (id, request), Thing::Segment, segments, |segment| &segment.code).await?;
        Ok(Streets { segments, lanes, routes, operators, operator_codes, by_id })
    }

    /// The operator of the route a segment lies on, on a day.
    fn operator_of(&self, segment: &Segment, day: NaiveDate) -> Option<OperatorId> {
        let route = self.routes.get(&segment.route_id)?;
        dated::latest(route, day).map(|version| version.facts.0.operator_id)
    }

    /// The operator of the route on which a segment lay last, on a day or before.
    fn driver(&self, segment: SegmentId, day: NaiveDate) -> Option<OperatorId> {
        let known = self.by_id.get(&segment).and_then(|code| self.segments.get(code))?;
        self.operator_of(&dated::latest(known, day)?.facts, day)
    }

    /// A home on its segment as that lies on a day: where it is met, and by whose operator.
    fn met(&self, home: Household, day: NaiveDate) -> Household {
        let Some(segment) = home.segment_id else { return Household { along_m: 0.0, ..home } };
        let known = self.by_id.get(&segment).and_then(|code| self.segments.get(code));
        let lies = known.and_then(|known| known.iter().find(|version| version.span().holds(day)));
        let along_m = lies.and_then(|version| self.lanes.get(&version.version_id)).map(|lane| lane.meets(Coord { x: home.lon, y: home.lat }).0);
        Household { along_m: along_m.unwrap_or(home.along_m), operator_id: None, ..home }
    }
}

pub(super) async fn households(
    tx: &mut Tx,
    mint: &mut Mint,
    request: &Request<'_>,
    ground: &Ground,
    items: Vec<Item>,
    lines: &mut Lines,
    outcome: &mut Outcome,
) -> Result<()> {
    let id = ground.id();
    let streets = Streets::read(tx, ground, request).await?;
    let names =
        streets.by_id.iter().map(|(id, code)| (id.0, code.clone())).chain(streets.operator_codes.iter().map(|(id, code)| (id.0, code.clone())));
    let homes = household::history(tx, id).await?;
    let stored = Stored::of(tx, (id, request), Thing::Household, homes, |home| &home.code).await?.naming(names);
    let letters = ground.municipality.letters();
    let mut told = Vec::new();
    for mut item in items {
        let code = item.code(lines).map(|text| household::told(&text, &letters, |code| stored.contains_key(code)));
        // A code that stands is the home's, however it was given.
        if let Some(bad) = code.as_ref().filter(|c| !stored.contains_key(*c) && !is_code(c) && (has_shape(c) || !is_own(c))) {
            let why = if has_shape(bad) { "its check letter does not fit" } else { "it has spaces, signs or more than 40 bytes" };
            lines.refuse(&item.place, format!("«{bad}» is not a household code: {why}; write it like SP-4821-K"));
        }
        let Some(code) = code else { continue };
        let history = stored.get(&code);
        let days = days(&mut item, &code, history, request, lines);
        let before = stands(history, days);
        let place = match before.filter(|_| item.stays_in_place()) {
            Some(home) => Some(Coord { x: home.lon, y: home.lat }),
            None => {
                let place = places::position(&item, lines);
                if let Some(c) = place {
                    ground.place(c, &item, &format!("household «{code}»"), false, lines);
                }
                place
            }
        };
        let Some(place) = place else { continue };
        let day = there_on(history, days);
        if let Some(facts) = home(&mut item, &streets, request, ground, &code, day, before, place, mint, lines) {
            told.push(Told { place: item.place, code, days, facts });
        }
    }
    let met = |home, day| streets.met(home, day);
    let settled = settle(told, &stored, |home| home.household_id.0, (id, request), met, lines, outcome);
    if !lines.refused.is_empty() {
        return Ok(());
    }
    household::name(tx, &settled.new.iter().collect::<Vec<_>>()).await?;
    dated::write(tx, "household", id, request.now, &settled.changes).await?;
    household::add(tx, mint, request.now, &settled.added()).await
}

/// One home as the row, and where it is silent what stands, say.
#[expect(clippy::too_many_arguments, reason = "a row, where it stands, and what it may refer to")]
fn home(
    item: &mut Item,
    streets: &Streets,
    request: &Request<'_>,
    ground: &Ground,
    code: &str,
    day: NaiveDate,
    before: Option<&Household>,
    place: Coord,
    mint: &mut Mint,
    lines: &mut Lines,
) -> Option<Household> {
    let id = ground.id();
    let says_segment = item.properties.contains_key("segment");
    let named = item.kept("segment", before.and_then(|home| home.segment_id).and_then(|segment| streets.by_id.get(&segment).cloned()));
    let mut on = None;
    if let Some(name) = &named {
        match streets.segments.get(name) {
            None => lines.refuse(&item.place, format!("segment «{name}» does not exist in {id}; import segments first or mend the code")),
            Some(known) => match known.iter().find(|version| version.span().holds(day)) {
                Some(version) => {
                    if let Some(end) = version.valid_to.filter(|end| says_segment && known.last().is_some_and(|last| last.valid_to == Some(*end))) {
                        lines.warn(&item.place, format!("segment «{name}» ends on {end}; from then on the home stands on none"));
                    }
                    on = Some(version);
                }
                None if says_segment => lines.refuse(
                    &item.place,
                    format!("segment «{name}» does not exist on {day}; give the home another segment, or a day on which this one exists"),
                ),
                None => {}
            },
        }
    }
    let operator_id = operator(item, streets, ground, on.map(|version| &version.facts), day, before, lines);
    let default = if on.is_some() { "served" } else { "no_route" };
    let says_status = item.says("service_status");
    // Every home has a status: an empty cell cannot empty it, and what is taken for a new home is said.
    let service_status = match before {
        Some(home) if says_status => item.needed("service_status", lines).unwrap_or_else(|| home.service_status.clone()),
        Some(home) => home.service_status.clone(),
        None => item.text("service_status").unwrap_or_else(|| {
            if says_status {
                lines.warn(&item.place, format!("«service_status» is missing; {default} is taken"));
            }
            default.to_owned()
        }),
    };
    let service_status = words::word(&SERVICE, &service_status).map_or(service_status, str::to_owned);
    if !STATUSES.contains(&service_status.as_str()) {
        lines.refuse(&item.place, format!("service_status «{service_status}» is not one of {}; mend it", STATUSES.join(", ")));
    }
    let (along_m, beside) = on.and_then(|version| streets.lanes.get(&version.version_id)).map_or((0.0, 0.0), |lane| lane.meets(place));
    let moved = before.is_none_or(|home| (home.lon, home.lat) != (place.x, place.y) || home.segment_id != on.map(|version| version.facts.segment_id));
    if moved && beside > FAR {
        let name = named.as_deref().unwrap_or_default();
        lines.refuse(&item.place, format!("household «{code}» is {beside:.0} m from its segment «{name}»; mend its position or its segment"));
    } else if moved && beside > BESIDE {
        let name = named.as_deref().unwrap_or_default();
        lines.warn(&item.place, format!("household «{code}» is {beside:.0} m from its segment «{name}»; see whether both are right"));
    }
    let hint = item.kept("hint", before.and_then(|home| home.hint.clone()));
    let approximate = item.approximate(before.map(|home| home.approximate));
    Some(Household {
        municipality_id: id,
        household_id: before.map_or_else(|| mint.id::<HouseholdId>(request.now), |home| home.household_id),
        code: before.map_or(code, |home| &home.code).to_owned(),
        service_status,
        segment_id: on.map(|version| version.facts.segment_id),
        along_m,
        operator_id,
        lon: place.x,
        lat: place.y,
        hint,
        approximate,
        properties: item.others(before.map(|home| &home.properties)),
    })
}

/// On a segment the operator is its route's, and a file that names another is refused; elsewhere it is the one the home has a contract with.
fn operator(
    item: &mut Item,
    streets: &Streets,
    ground: &Ground,
    on: Option<&Segment>,
    day: NaiveDate,
    before: Option<&Household>,
    lines: &mut Lines,
) -> Option<OperatorId> {
    let says = item.properties.contains_key("operator");
    let named = item.text("operator");
    let known = named.as_ref().and_then(|code| streets.operators.get(code).copied());
    if let (Some(code), None) = (&named, known) {
        lines.refuse(&item.place, format!("operator «{code}» does not exist in {}; import its routes first or mend the code", ground.id()));
    }
    match on {
        Some(segment) => {
            let own = streets.operator_of(segment, day);
            if let (Some(named), Some(own)) = (known, own)
                && named != own
            {
                let code = |id| streets.operator_codes.get(id).map_or("?", String::as_str);
                lines.refuse(
                    &item.place,
                    format!(
                        "operator «{}» does not drive segment «{}», whose route is of «{}»; put the home on a segment of its operator, or leave the operator out",
                        code(&named),
                        segment.code,
                        code(&own)
                    ),
                );
            }
            None
        }
        None if says => known,
        // A home that leaves its segment keeps its contract.
        None => before.and_then(|home| home.operator_id.or_else(|| streets.driver(home.segment_id?, day))),
    }
}

/// Where the homes of these segments are met from the day on which a segment's line is another.
pub(super) async fn along_again(
    tx: &mut Tx,
    mint: &mut Mint,
    request: &Request<'_>,
    ground: &Ground,
    since: &BTreeMap<Uuid, NaiveDate>,
) -> Result<()> {
    let id = ground.id();
    let mut lanes: BTreeMap<SegmentId, Vec<(Span, Lane)>> = BTreeMap::new();
    for version in segment::history(tx, id).await?.into_iter().filter(|version| since.contains_key(&version.facts.segment_id.0)) {
        lanes.entry(version.facts.segment_id).or_default().push((version.span(), version.facts.lane()));
    }
    let stored = by_code(household::history(tx, id).await?, |home| &home.code);
    let mut changes = Vec::new();
    for history in stored.values() {
        let on: BTreeSet<SegmentId> = history.iter().filter_map(|version| version.facts.segment_id).filter(|on| lanes.contains_key(on)).collect();
        let Some(from) = on.iter().filter_map(|segment| since.get(&segment.0)).min() else { continue };
        let turns = on.iter().filter_map(|segment| lanes.get(segment)).flatten().map(|(span, _)| span.from).collect();
        let change = refit(history, *from, &turns, request.from, |home, day| {
            let lies = home.segment_id.and_then(|segment| lanes.get(&segment)).into_iter().flatten().find(|(span, _)| span.holds(day));
            let along_m = lies.map_or(home.along_m, |(_, lane)| lane.meets(Coord { x: home.lon, y: home.lat }).0);
            Household { along_m, ..home.clone() }
        });
        changes.extend(history.first().filter(|_| !change.is_nothing()).map(|first| (first.facts.household_id.0, change)));
    }
    dated::write(tx, "household", id, request.now, &changes).await?;
    household::add(tx, mint, request.now, &changes.into_iter().flat_map(|(_, change)| change.added).collect::<Vec<_>>()).await
}
