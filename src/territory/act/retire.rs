//! Things end. What others stand on does not end under them: they go first, go elsewhere, or end with it when that is said.

use super::{Act, Thing, Town, Writing, counted, recast, refused, since};
use crate::error::Result;
use crate::id::{NeighbourhoodId, RouteId, SegmentId};
use crate::territory::household::Household;
use crate::territory::point::Place;
use crate::territory::segment::Segment;
use chrono::NaiveDate;
use std::collections::BTreeSet;
use uuid::Uuid;

/// The segments that lie on a route or in a neighbourhood from a day on, each with the first such day.
pub(super) fn lying(town: &Town, thing: Thing, id: Uuid, from: NaiveDate) -> Vec<(Uuid, NaiveDate)> {
    let on = |segment: &Segment| match thing {
        Thing::Route => segment.route_id == RouteId(id),
        _ => segment.neighbourhood_id == NeighbourhoodId(id),
    };
    town.segments.iter().filter_map(|(segment, history)| Some((*segment, since(history, from, on)?))).collect()
}

/// The homes that stand on a segment from a day on, each with the first such day.
pub(super) fn standing_on(town: &Town, segment: Uuid, from: NaiveDate) -> Vec<(Uuid, NaiveDate)> {
    let on = |home: &Household| home.segment_id == Some(SegmentId(segment));
    town.homes.iter().filter_map(|(home, history)| Some((*home, since(history, from, on)?))).collect()
}

/// Ends things from the day of the act on. `with_homes`: what stands on them ends too.
pub(super) fn retire(town: &Town, act: &Act<'_>, thing: Thing, codes: &[String], with_homes: bool) -> Result<Writing> {
    let mut writing = Writing::default();
    let (mut lines, mut ids) = (Vec::new(), BTreeSet::new());
    for code in codes {
        match town.standing(thing, code, act.from) {
            Ok(id) if !ids.insert(id) => lines.push(format!("{} «{code}» is named twice: name it once", thing.name())),
            Ok(_) => {}
            Err(line) => lines.push(line),
        }
    }
    for id in &ids {
        let code = town.called(thing, *id, act.from);
        match thing {
            Thing::Neighbourhood | Thing::Route => {
                let own = lying(town, thing, *id, act.from);
                if !own.is_empty() && !with_homes {
                    let (kind, n, from) = (thing.name(), counted(own.len(), "segment"), act.from);
                    lines.push(format!(
                        "{kind} «{code}» has {n} from {from} on: give them another first (`vecino geo merge {kind}s INTO {code}`, or a file of segments), or close them and their homes too with --with-homes"
                    ));
                }
                for (segment, from) in own {
                    homes_end(town, act, &mut writing, segment, from);
                    writing.end(town, act, Thing::Segment, segment, from);
                }
            }
            Thing::Segment => {
                let own = standing_on(town, *id, act.from);
                if !own.is_empty() && !with_homes {
                    let (n, from) = (counted(own.len(), "home"), act.from);
                    lines.push(format!(
                        "segment «{code}» has {n} from {from} on: give them another first (`vecino geo merge segments INTO {code}`, or a file of homes), or close them too with --with-homes"
                    ));
                }
                homes_end(town, act, &mut writing, *id, act.from);
            }
            Thing::Point | Thing::Household => {}
        }
        if thing == Thing::Route {
            // A container outlives the route that emptied it.
            for (point, history) in &town.points {
                let change = recast(history, act.from, act.today, |place| {
                    (place.route_id == Some(RouteId(*id))).then(|| Place { route_id: None, ..place.clone() })
                });
                if !change.is_nothing() {
                    writing.moves(Thing::Point);
                    writing.points.insert(*point, change);
                }
            }
        }
        writing.end(town, act, thing, *id, act.from);
    }
    if lines.is_empty() { Ok(writing) } else { Err(refused(lines)) }
}

fn homes_end(town: &Town, act: &Act<'_>, writing: &mut Writing, segment: Uuid, from: NaiveDate) {
    for (home, from) in standing_on(town, segment, from) {
        if !writing.homes.contains_key(&home) {
            writing.end(town, act, Thing::Household, home, from);
        }
    }
}
