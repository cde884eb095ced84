//! The two pilot municipalities as shipped, with homes drawn along the segments: a town to practise in. Nobody lives in these homes.

use super::Shipped;
use super::dated::Span;
use super::geometry::{Plane, rounded};
use super::household::{self, Household};
use super::import::{self, Kind, Request};
use super::municipality::{self, Municipality};
use super::neighbourhood;
use super::route;
use super::segment::{self, Segment};
use crate::clock::at_local;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{Mint, MunicipalityId, seeded_random};
use crate::run;
use crate::sheet::Written;
use chrono::{DateTime, NaiveDate, Utc};
use geo::{Contains, Coord, LineString};
use rand::RngExt;
use rand_chacha::ChaCha20Rng;
use serde_json::json;
use std::collections::BTreeMap;

/// Code, who signs messages, who collects.
const PILOTS: [(&str, &str, &str); 2] = [
    ("0114", "Amatitlán", "Seis empresas privadas recogen con contrato por casa; la basura va al vertedero de AMSA, que a veces cierra."),
    ("1202", "San Pedro", "Los camiones municipales recogen la basura separada y la llevan a la planta de separación."),
];

/// Loads both pilots: outlines, neighbourhoods, routes, segments and points from the shipped files, and `households` homes in all.
///
/// The same mint, seed and day make the same rows. A few homes have no segment, or no subscription, as in any real register.
pub async fn load(tx: &mut Tx, mint: &mut Mint, seed: u64, households: usize, from: NaiveDate) -> Result<()> {
    let now = at_local(from, 0, 0);
    municipality::ensure_catalogue(tx).await?;
    for (n, (code, sender, model)) in PILOTS.into_iter().enumerate() {
        let id = MunicipalityId::parse(code)?;
        for (kind, name) in [
            (Kind::Municipalities, "municipality"),
            (Kind::Neighbourhoods, "neighbourhoods"),
            (Kind::Routes, "routes"),
            (Kind::Segments, "segments"),
            (Kind::Points, "points"),
        ] {
            let file = format!("{code}/{name}.geojson");
            let shipped = Shipped::get(&file).ok_or_else(|| Error::internal(format!("geodata/{file} is not in the binary")))?;
            let bytes = opened_by(&shipped.data, from);
            let request = Request {
                kind,
                file: &file,
                bytes: &bytes,
                municipality: Some(id),
                repair: false,
                now,
                from,
                reason: None,
                actor: "practice",
                written: &Written::default(),
            };
            import::file(tx, mint, &request).await?;
        }
        run!(tx, "UPDATE municipality SET pilot = $2, sender = $3, collection_model = $4 WHERE municipality_id = $1", id, true, sender, model)?;
        // Half each; the odd one goes to the last.
        let share = households / PILOTS.len() + if n + 1 == PILOTS.len() { households % PILOTS.len() } else { 0 };
        let municipality = municipality::find(tx, id).await?;
        homes(tx, mint, seed, municipality, share, now, from).await?;
    }
    Ok(())
}

async fn homes(tx: &mut Tx, mint: &mut Mint, seed: u64, municipality: Municipality, count: usize, now: DateTime<Utc>, from: NaiveDate) -> Result<()> {
    if count > 9_000 {
        return Err(Error::refused(
            "too-many-homes",
            format!("{count} homes in {}: codes have four digits; ask for at most 18000 in all", municipality.code),
        ));
    }
    let id = municipality.municipality_id;
    let mut random = seeded_random(seed, &format!("homes {}", municipality.code));
    let segments = segment::of(tx, id, from).await?;
    let operator_of: BTreeMap<_, _> = route::of(tx, id, from).await?.into_iter().map(|r| (r.route_id, r.operator_id)).collect();
    let areas: BTreeMap<_, _> = neighbourhood::of(tx, id, from).await?.into_iter().map(|n| (n.neighbourhood_id, n.shape())).collect();
    let letters = municipality.letters();
    let offset = random.random_range(0..10_000u32);
    // 7919 and 10,000 share no factor: every number once, and neighbours do not have neighbouring codes.
    let code = |n: usize| household::code(&letters, ((n as u64 * 7919 + u64::from(offset)) % 10_000) as u32);

    // About one and a half in a hundred have no route; some of them pay for a service nobody brings them.
    let loose = if count >= 50 { (count as f64 * 0.015).round() as usize } else { 0 };
    let mut drafts: Vec<Household> = Vec::with_capacity(count);
    for (segment, homes) in segments.iter().zip(shares(&segments, count - loose)) {
        let lane = segment.lane();
        let area = areas.get(&segment.neighbourhood_id);
        for place in along_both_sides(segment, homes, area, &mut random) {
            let subscribed = random.random::<f64>() >= 0.02;
            let status = if subscribed { "served" } else { "not_subscribed" };
            let home = home(mint, now, id, code(drafts.len()), place, status, None, &mut random);
            drafts.push(Household { segment_id: Some(segment.segment_id), along_m: lane.meets(place).0, ..home });
        }
    }
    let unserved: Vec<&geo::MultiPolygon> =
        areas.iter().filter(|(id, _)| segments.iter().all(|s| s.neighbourhood_id != **id)).map(|(_, area)| area).collect();
    for n in 0..loose {
        // Every tenth is served and was never put on a segment: it stands near one, for the coordinator to find.
        let (place, status, operator) = if n % 10 == 4 {
            let near = &segments[random.random_range(0..segments.len())];
            let beside = along_both_sides(near, 1, areas.get(&near.neighbourhood_id), &mut random);
            (beside.first().copied(), "served", operator_of.get(&near.route_id).copied())
        } else {
            (unserved.get(n % unserved.len().max(1)).and_then(|area| somewhere(area, &mut random)), "no_route", None)
        };
        let Some(place) = place else { continue };
        drafts.push(home(mint, now, id, code(drafts.len()), place, status, operator, &mut random));
    }
    household::name(tx, &drafts.iter().collect::<Vec<_>>()).await?;
    let held: Vec<(Span, Household)> = drafts.into_iter().map(|home| (Span { from, to: None }, home)).collect();
    household::add(tx, mint, now, &held).await
}

/// The shipped file with no opening later than the town's first day: a town that practises in another year has its routes too.
fn opened_by(file: &[u8], from: NaiveDate) -> Vec<u8> {
    let Ok(mut document) = serde_json::from_slice::<serde_json::Value>(file) else { return file.to_vec() };
    for feature in document["features"].as_array_mut().into_iter().flatten() {
        let opened = feature["properties"]["valid_from"].as_str().and_then(|day| day.parse::<NaiveDate>().ok());
        if opened.is_some_and(|day| day > from) {
            feature["properties"]["valid_from"] = json!(from);
        }
    }
    document.to_string().into_bytes()
}

/// About as many homes as a trial's segment has; below the first number a segment would be too small to be drawn.
const FEWEST: f64 = 23.0;
const USUAL: usize = 25;

/// How many homes each segment gets: even, except that a `small` one gets a third. A town of few homes fills fewer segments, evenly
/// spread over the list, rather than all of them thinly.
fn shares(segments: &[Segment], count: usize) -> Vec<usize> {
    let weight = |s: &Segment| if s.properties["small"] == true { 0.3 } else { 1.0 };
    let mut weights: Vec<f64> = segments.iter().map(weight).collect();
    if (count as f64) < FEWEST * weights.iter().sum::<f64>() {
        let wanted = (count / USUAL).max(1);
        let settled = |n: usize| n * wanted / segments.len() != (n + 1) * wanted / segments.len();
        weights = (0..segments.len()).map(|n| if settled(n) { 1.0 } else { 0.0 }).collect();
    }
    let total: f64 = weights.iter().sum();
    let mut before = 0.0;
    let mut given = 0;
    let mut shares = Vec::with_capacity(segments.len());
    for weight in weights {
        before += weight;
        let upto = (count as f64 * before / total.max(1.0)).round() as usize;
        shares.push(upto - given);
        given = upto;
    }
    shares
}

/// Places beside a segment's line, alternately left and right, 6 to 18 m from its middle, inside the neighbourhood.
fn along_both_sides(segment: &Segment, count: usize, area: Option<&geo::MultiPolygon>, random: &mut ChaCha20Rng) -> Vec<Coord> {
    let line = LineString(segment.lines().into_iter().flat_map(|l| l.0).collect());
    let Some(origin) = line.0.first().copied() else { return Vec::new() };
    let plane = Plane::at(origin);
    let flat = plane.flat(&line);
    let length: f64 = flat.lines().map(|l| l.dx().hypot(l.dy())).sum();
    let mut places = Vec::with_capacity(count);
    for n in 0..count {
        let mut side = if n % 2 == 0 { 1.0 } else { -1.0 };
        let along = length * (n as f64 + random.random_range(0.2..0.8)) / count as f64;
        let away = random.random_range(6.0..18.0);
        let mut place = origin;
        // The other side, then the line itself, where the first choice leaves the neighbourhood.
        for away in [away, away, 0.0] {
            let beside = beside(&flat, along, side * away);
            let c = plane.degrees(beside);
            place = Coord { x: rounded(c.x), y: rounded(c.y) };
            if area.is_none_or(|area| area.contains(&geo::Point(place))) {
                break;
            }
            side = -side;
        }
        places.push(place);
    }
    places
}

fn beside(line: &LineString, along: f64, away: f64) -> Coord {
    let mut left = along;
    let mut last = line.0.first().copied().unwrap_or_default();
    for piece in line.lines() {
        let length = piece.dx().hypot(piece.dy());
        if length > 0.0 {
            if left <= length {
                let (ux, uy) = (piece.dx() / length, piece.dy() / length);
                return Coord { x: piece.start.x + ux * left - uy * away, y: piece.start.y + uy * left + ux * away };
            }
            left -= length;
        }
        last = piece.end;
    }
    last
}

/// A place within an area, not at its very edge.
fn somewhere(area: &geo::MultiPolygon, random: &mut ChaCha20Rng) -> Option<Coord> {
    use geo::BoundingRect;
    let bounds = area.bounding_rect()?;
    for _ in 0..1000 {
        let c = Coord {
            x: rounded(random.random_range(bounds.min().x..bounds.max().x)),
            y: rounded(random.random_range(bounds.min().y..bounds.max().y)),
        };
        if area.contains(&geo::Point(c)) {
            return Some(c);
        }
    }
    None
}

#[expect(clippy::too_many_arguments, reason = "one argument per column")]
fn home(
    mint: &mut Mint,
    now: DateTime<Utc>,
    municipality_id: MunicipalityId,
    code: String,
    place: Coord,
    status: &str,
    operator_id: Option<crate::id::OperatorId>,
    random: &mut ChaCha20Rng,
) -> Household {
    Household {
        municipality_id,
        household_id: mint.id(now),
        code,
        service_status: status.to_owned(),
        segment_id: None,
        along_m: 0.0,
        operator_id,
        lon: place.x,
        lat: place.y,
        hint: Some(hint(random)),
        approximate: true,
        properties: json!({}),
    }
}

/// What a crew would look for at the kerb.
fn hint(random: &mut ChaCha20Rng) -> String {
    const THINGS: [&str; 14] = [
        "Portón verde",
        "Portón negro",
        "Portón rojo",
        "Puerta de madera",
        "Puerta blanca",
        "Casa azul",
        "Casa amarilla",
        "Casa de adobe",
        "Casa de dos niveles",
        "Reja gris",
        "Muro de piedra",
        "Pared celeste",
        "Zaguán café",
        "Casa de esquina",
    ];
    const WHERE: [&str; 16] = [
        "frente a la tienda",
        "junto al poste",
        "al lado del molino",
        "frente a la escuela",
        "después del puente",
        "junto a la pila",
        "frente a la cancha",
        "al final del callejón",
        "bajo el árbol de jocote",
        "junto a la tortillería",
        "subiendo las gradas",
        "frente a la iglesia",
        "junto al taller",
        "a la vuelta de la panadería",
        "con macetas en la ventana",
        "con banca afuera",
    ];
    let thing = THINGS[random.random_range(0..THINGS.len())];
    if random.random::<f64>() < 0.25 { thing.to_owned() } else { format!("{thing}, {}", WHERE[random.random_range(0..WHERE.len())]) }
}
