//! `vecino geo cut`: a route and its homes out of the database or a file, the proposal into files that `geo import` takes.

use super::cut::{self, Left, Piece, Proposal};
use super::geometry::{self, Plane};
use super::household::{self, Household};
use super::import::{self, Request};
use super::municipality::{self, Municipality};
use super::route::Route;
use super::{neighbourhood, route, segment};
use crate::all;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::MunicipalityId;
use chrono::NaiveDate;
use geo::{Coord, LineString};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What is to be cut.
pub struct Ask<'a> {
    pub route: &'a str,
    pub municipality: Option<MunicipalityId>,
    /// About so many homes a segment.
    pub size: usize,
    /// Metres from the route within which homes are its own.
    pub reach: f64,
    /// A file of homes instead of those in the database.
    pub points: Option<Request<'a>>,
}

/// A proposal with the names of everything in it.
pub struct Made {
    place: Municipality,
    route: Route,
    size: usize,
    reach: f64,
    areas: Vec<neighbourhood::Neighbourhood>,
    homes: Vec<(String, Coord)>,
    /// Whether homes come from a file, so that their positions are written out too.
    from_file: bool,
    /// Homes that wait for a segment and are nearer to another route.
    elsewhere: usize,
    /// Segments the route has already, and the homes on them.
    standing: (usize, usize),
    codes: Vec<String>,
    proposal: Proposal,
}

pub async fn make(tx: &mut Tx, ask: Ask<'_>, today: NaiveDate) -> Result<Made> {
    let municipality = whose(tx, &ask).await?;
    let place = municipality::find(tx, municipality).await?;
    let id = place.municipality_id;
    let routes = route::of(tx, id, today).await?;
    let Some(route) = routes.iter().find(|route| route.code == ask.route).cloned() else {
        let known: Vec<&str> = routes.iter().map(|route| route.code.as_str()).collect();
        let list = if known.is_empty() { "import routes first".into() } else { format!("use one of {}", known.join(", ")) };
        return Err(Error::not_found("route-unknown", format!("route «{}»: there is none in {id} today; {list}", ask.route)).with("route", ask.route));
    };
    let areas = neighbourhood::of(tx, id, today).await?;
    if areas.is_empty() {
        return Err(Error::refused(
            "no-neighbourhoods",
            format!("{id} has no neighbourhoods, and a segment lies in one; import them with geo import neighbourhoods"),
        ));
    }
    let segments = segment::of(tx, id, today).await?;
    let own: BTreeSet<_> = segments.iter().filter(|segment| segment.route_id == route.route_id).map(|segment| segment.segment_id).collect();
    let stored = household::of(tx, id, today).await?;
    let on_own = stored.iter().filter(|home| home.segment_id.is_some_and(|segment| own.contains(&segment))).count();
    let mut elsewhere = 0;
    let (homes, from_file): (Vec<(String, Coord)>, bool) = match &ask.points {
        Some(request) => (import::positions(request, &place.letters())?, true),
        None => {
            let waiting: Vec<&Household> = stored.iter().filter(|home| home.service_status == "served" && home.segment_id.is_none()).collect();
            let lanes: Vec<(&Route, Vec<Lane>)> = routes.iter().map(|route| (route, lanes(route))).collect();
            let own = |home: &&&Household| nearest(home, &lanes).is_none_or(|nearest| nearest.route_id == route.route_id);
            let homes: Vec<(String, Coord)> = waiting.iter().filter(own).map(|home| (home.code.clone(), place_of(home))).collect();
            elsewhere = waiting.len() - homes.len();
            (homes, false)
        }
    };
    if homes.is_empty() && elsewhere > 0 {
        return Err(Error::refused(
            "no-homes",
            format!(
                "route «{}» in {id}: all {elsewhere} homes that wait for a segment are as near to another route; cut that one, or name a file with --points",
                ask.route
            ),
        ));
    }
    if homes.is_empty() {
        let why = "no served home waits for a segment; import homes with service_status served, or name a file with --points";
        return Err(Error::refused("no-homes", format!("route «{}» in {id}: {why}", ask.route)));
    }
    let shapes: Vec<_> = areas.iter().map(neighbourhood::Neighbourhood::shape).collect();
    let places: Vec<Coord> = homes.iter().map(|(_, place)| *place).collect();
    let ways = route.lines();
    let asked = cut::Ask { ways: &ways, neighbourhoods: &shapes, homes: &places, size: ask.size, reach: ask.reach };
    let proposal = cut::cut(&asked);
    let used: Vec<(String,)> = all!(tx, "SELECT code FROM segment WHERE municipality_id = $1", id)?;
    let codes = cut::names(&route.code, proposal.pieces.len(), &used.into_iter().map(|(code,)| code).collect());
    Ok(Made { place, route, size: ask.size, reach: ask.reach, areas, homes, from_file, elsewhere, standing: (own.len(), on_own), codes, proposal })
}

/// A part of a route's line, prepared for many homes.
type Lane = (Plane, LineString);

fn lanes(route: &Route) -> Vec<Lane> {
    let plane = |line: &LineString| line.0.first().map(|first| Plane::at(*first));
    route.lines().iter().filter_map(|line| plane(line).map(|plane| (plane, plane.flat(line)))).collect()
}

fn place_of(home: &Household) -> Coord {
    Coord { x: home.lon, y: home.lat }
}

/// The route a home is nearest to, among those of its operator; of equally near ones the first by code.
fn nearest<'a>(home: &Household, routes: &[(&'a Route, Vec<Lane>)]) -> Option<&'a Route> {
    let own = routes.iter().filter(|(route, _)| home.operator_id.is_none_or(|operator| operator == route.operator_id));
    let beside = |lanes: &[Lane]| {
        lanes
            .iter()
            .filter_map(|(plane, line)| geometry::along(line, plane.metres(place_of(home))))
            .map(|(_, beside)| beside)
            .fold(f64::INFINITY, f64::min)
    };
    own.map(|(route, lanes)| (*route, beside(lanes))).min_by(|a, b| a.1.total_cmp(&b.1)).map(|(route, _)| route)
}

/// The municipality that was named, or the only one that has a route of this code.
async fn whose(tx: &mut Tx, ask: &Ask<'_>) -> Result<MunicipalityId> {
    if let Some(municipality) = ask.municipality {
        return Ok(municipality);
    }
    let found: Vec<(MunicipalityId,)> = all!(tx, "SELECT DISTINCT municipality_id FROM route WHERE code = $1 ORDER BY municipality_id", ask.route)?;
    match found.as_slice() {
        [(one,)] => Ok(*one),
        [] => Err(Error::not_found("route-unknown", format!("route «{}»: no municipality has one; import routes first or mend the code", ask.route))),
        many => {
            let list: Vec<String> = many.iter().map(|(id,)| id.to_string()).collect();
            Err(Error::refused("municipality-missing", format!("route «{}» exists in {}; name one with --municipality", ask.route, list.join(", "))))
        }
    }
}

impl Made {
    fn named(&self) -> impl Iterator<Item = (&String, &Piece)> {
        self.codes.iter().zip(&self.proposal.pieces)
    }

    /// What `geo import segments` takes.
    pub fn segments(&self) -> String {
        let features: Vec<Value> = self
            .named()
            .map(|(code, piece)| {
                let line: Vec<[f64; 2]> = piece.line.0.iter().map(|c| [c.x, c.y]).collect();
                json!({"type": "Feature",
                    "properties": {"code": code, "route": self.route.code, "neighbourhood": self.areas[piece.neighbourhood].code, "approximate": self.route.approximate},
                    "geometry": {"type": "LineString", "coordinates": line}})
            })
            .collect();
        let mut text = String::from("{\"type\":\"FeatureCollection\",\"features\":[\n");
        text += &features.iter().map(Value::to_string).collect::<Vec<_>>().join(",\n");
        text + "\n]}\n"
    }

    /// What `geo import households` takes.
    pub fn households(&self) -> Result<String> {
        let mut out = csv::Writer::from_writer(Vec::new());
        let broken = |e: csv::Error| Error::internal(format!("csv: {e}"));
        out.write_record(if self.from_file { &["code", "lon", "lat", "segment"][..] } else { &["code", "segment"] }).map_err(broken)?;
        for (segment, piece) in self.named() {
            for home in &piece.homes {
                let (code, place) = &self.homes[*home];
                let written = if self.from_file {
                    out.write_record([code.clone(), place.x.to_string(), place.y.to_string(), segment.clone()])
                } else {
                    out.write_record([code, segment])
                };
                written.map_err(broken)?;
            }
        }
        let bytes = out.into_inner().map_err(|e| Error::internal(format!("csv: {e}")))?;
        String::from_utf8(bytes).map_err(|e| Error::internal(format!("csv: {e}")))
    }

    pub fn lines(&self) -> String {
        let Made { route, proposal, homes, .. } = self;
        let placed = homes.len() - proposal.left.len();
        let mut out = format!(
            "{} in {}: {} segments proposed, {placed} of {} homes on them\n",
            route.code,
            self.place.name,
            proposal.pieces.len(),
            homes.len()
        );
        for (code, piece) in self.named() {
            out +=
                &format!("  {code}  {}  {} homes  {:.0} to {:.0} m\n", self.areas[piece.neighbourhood].code, piece.homes.len(), piece.from, piece.to);
        }
        out
    }

    /// What a person has to look at: homes that are on no piece, small pieces, what stands already.
    pub fn remarks(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.elsewhere > 0 {
            lines.push(format!("{} more homes wait for a segment and are nearer to another route; cut that one too", self.elsewhere));
        }
        if let (segments @ 1.., homes) = self.standing {
            lines.push(format!(
                "{}: has {segments} segments with {homes} homes already; they stay as they are, and these pieces lie over them",
                self.route.code
            ));
        }
        for (i, again) in self.proposal.small(self.size) {
            let (code, piece) = (&self.codes[i], &self.proposal.pieces[i]);
            let area = &self.areas[piece.neighbourhood].code;
            let why = if again {
                format!("the route crosses the border of {area} more than once; put these homes on another segment of {area}, or mend the border")
            } else {
                format!("no more homes of {area} are on this route; a norm and a trial need 20")
            };
            lines.push(format!("{code}: only {} homes: {why}", piece.homes.len()));
        }
        let told = |why: &Left| match why {
            Left::Far(_) => format!("farther than {:.0} m from the route: give them another route, or a larger --reach", self.reach),
            Left::NoNeighbourhood => {
                "the route passes them outside every neighbourhood: draw the neighbourhood wider, or give them another route".to_owned()
            }
            Left::Border { own, passes } => {
                let (own, passes) = (&self.areas[*own].code, &self.areas[*passes].code);
                format!("they stand in {own} and the route passes them only in {passes}: put them on a segment by hand, or mend the border")
            }
        };
        let mut reasons: Vec<(String, Vec<String>)> = Vec::new();
        for (home, why) in &self.proposal.left {
            let reason = told(why);
            let code = match why {
                Left::Far(metres) if metres.is_finite() => format!("{} ({metres:.0} m)", self.homes[*home].0),
                _ => self.homes[*home].0.clone(),
            };
            match reasons.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, codes)) => codes.push(code),
                None => reasons.push((reason, vec![code])),
            }
        }
        for (reason, codes) in reasons {
            let some = codes.iter().take(8).cloned().collect::<Vec<_>>().join(", ");
            let more = if codes.len() > 8 { ", …" } else { "" };
            lines.push(format!("not placed: {} of the homes, {reason}: {some}{more}", codes.len()));
        }
        lines
    }

    pub fn document(&self) -> Value {
        let pieces: Vec<Value> = self
            .named()
            .map(|(code, piece)| {
                let homes: Vec<&String> = piece.homes.iter().map(|home| &self.homes[*home].0).collect();
                json!({"code": code, "neighbourhood": self.areas[piece.neighbourhood].code, "from_m": piece.from.round(), "to_m": piece.to.round(), "homes": homes})
            })
            .collect();
        let left: Vec<&String> = self.proposal.left.iter().map(|(home, _)| &self.homes[*home].0).collect();
        json!({"route": self.route.code, "municipality": self.place.code, "segments": pieces, "not_placed": left, "remarks": self.remarks()})
    }
}
