//! Files into rows: all or nothing, in one transaction, and the same file twice changes nothing.

mod fields;
mod homes;
mod listing;
mod places;
mod read;
mod settle;
mod table;
mod ways;

pub(crate) use fields::{LAT, LON, WEEKDAYS, unfit_name};
pub use listing::FieldChange;
pub(crate) use listing::{Listed, held};
pub(crate) use settle::{Days, Stored, Told, by_code, days, settle, sort, stands, there_on};
pub(crate) use table::decimal;
pub(crate) use ways::{written_streams, written_week};

use crate::account::audit;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{Mint, MunicipalityId, SegmentId};
use crate::sheet::Written;
use crate::sheet::problems::Problems;
use crate::territory::check::in_guatemala;
use crate::territory::household;
use crate::territory::municipality::{self, Inside, Municipality, Outline, TOLERANCE};
use chrono::{DateTime, NaiveDate, Utc};
use fields::Item;
use geo::{Coord, CoordsIter, Geometry};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Municipalities,
    Neighbourhoods,
    Segments,
    Routes,
    Points,
    Households,
    Streets,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Municipalities => "municipalities",
            Kind::Neighbourhoods => "neighbourhoods",
            Kind::Segments => "segments",
            Kind::Routes => "routes",
            Kind::Points => "points",
            Kind::Households => "households",
            Kind::Streets => "streets",
        }
    }
}

/// One file to bring in. `file` names it in every line.
pub struct Request<'a> {
    pub kind: Kind,
    pub file: &'a str,
    pub bytes: &'a [u8],
    /// Where features that do not say their own municipality belong.
    pub municipality: Option<MunicipalityId>,
    pub repair: bool,
    pub now: DateTime<Utc>,
    /// Today: what says no date holds from here.
    pub from: NaiveDate,
    /// Why the past is corrected; without it no day gone by may change.
    pub reason: Option<&'a str>,
    pub actor: &'a str,
    /// How the file is written, as far as it does not say itself.
    pub written: &'a Written,
}

/// What was, or with a dry run would be, written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    pub new: usize,
    pub changed: usize,
    pub unchanged: usize,
    /// Operators that have another name: of routes only.
    pub renamed: usize,
    pub warnings: Vec<String>,
    /// The first day on which something is other than before, by municipality.
    #[serde(skip)]
    pub since: BTreeMap<MunicipalityId, NaiveDate>,
    /// What is other than before, field by field.
    #[serde(skip)]
    pub changes: Vec<FieldChange>,
    /// Segments that gain or lose homes, or lie otherwise than before.
    #[serde(skip)]
    pub segments: BTreeMap<MunicipalityId, BTreeSet<SegmentId>>,
}

/// Lines as they are found, told one a problem and column; any refusal refuses the whole file.
#[derive(Default)]
pub(crate) struct Lines {
    file: String,
    refused: Problems,
    warnings: Problems,
    /// The columns the file has, for the line that misses one.
    columns: Option<String>,
}

impl Lines {
    fn refuse(&mut self, place: &str, line: impl AsRef<str>) {
        self.refused.add(place, line.as_ref());
    }
    fn warn(&mut self, place: &str, line: impl AsRef<str>) {
        self.warnings.add(place, line.as_ref());
    }
    fn said(&self, problems: &Problems) -> Vec<String> {
        problems.lines(&format!("{}: ", self.file), ": ")
    }
}

/// The municipality a group of features belongs to, and its outline.
pub(crate) struct Ground {
    municipality: Municipality,
    outline: Option<Outline>,
}

impl Ground {
    fn id(&self) -> MunicipalityId {
        self.municipality.municipality_id
    }

    /// Says what the outline says of a place; `lenient` warns where it would refuse.
    fn place(&self, c: Coord, item: &Item, what: &str, lenient: bool, lines: &mut Lines) {
        let name = &self.municipality.name;
        if c.x == 0.0 && c.y == 0.0 {
            return lines.refuse(&item.place, format!("{what} is at (0, 0), a place without GPS fix; give its position or leave it out"));
        }
        let Some(outline) = &self.outline else { return };
        match outline.says(c) {
            Inside::Yes => {}
            Inside::Lake(lake) if !lenient => {
                lines.refuse(&item.place, format!("{what} at ({}, {}) is in the lake ({lake}); mend its position", c.x, c.y))
            }
            Inside::Lake(lake) => lines.warn(&item.place, format!("{what} at ({}, {}) is in the lake ({lake})", c.x, c.y)),
            Inside::Outside(metres) if metres <= TOLERANCE || lenient => {
                lines.warn(&item.place, format!("{what} at ({}, {}) is {metres:.0} m outside {name}", c.x, c.y));
            }
            Inside::Outside(metres) => {
                let far = if metres >= 1000.0 { format!("{:.1} km", metres / 1000.0) } else { format!("{metres:.0} m") };
                lines.refuse(
                    &item.place,
                    format!(
                        "{what} at ({}, {}) is {far} outside {name} ({}); mend its position or name the right --municipality",
                        c.x, c.y, self.municipality.code
                    ),
                );
            }
        }
    }
}

/// Brings one file in. On any problem nothing may be kept: drop the transaction.
pub async fn file(tx: &mut Tx, mint: &mut Mint, request: &Request<'_>) -> Result<Outcome> {
    brought(tx, mint, request, None).await
}

/// The parts of a thing that is split from a day on: all new, and where a row is silent as the `whole` says. Whoever splits records it.
pub(crate) async fn parts(tx: &mut Tx, mint: &mut Mint, request: &Request<'_>, whole: &Map<String, Value>) -> Result<Outcome> {
    brought(tx, mint, request, Some(whole)).await
}

async fn brought(tx: &mut Tx, mint: &mut Mint, request: &Request<'_>, whole: Option<&Map<String, Value>>) -> Result<Outcome> {
    municipality::ensure_catalogue(tx).await?;
    let mut lines = Lines { file: request.file.to_owned(), ..Lines::default() };
    let mut items = read::items(request, &mut lines)?;
    for item in &mut items {
        for (column, value) in whole.into_iter().flatten() {
            item.properties.entry(column.clone()).or_insert_with(|| value.clone());
        }
    }
    let mut outcome = Outcome::default();
    if request.kind == Kind::Municipalities {
        places::municipalities(tx, request.from, items, &mut lines, &mut outcome).await?;
        finish(tx, request, MunicipalityId::NONE, &outcome, &mut lines).await?;
    } else {
        let mut groups: BTreeMap<MunicipalityId, Vec<Item>> = BTreeMap::new();
        for mut item in items {
            match item.municipality(request.municipality) {
                Ok(municipality) => groups.entry(municipality).or_default().push(item),
                Err(line) => lines.refuse(&item.place, line),
            }
        }
        for (id, items) in groups {
            let municipality = match municipality::find(tx, id).await {
                Ok(municipality) => municipality,
                Err(unknown) => {
                    lines.refuse(&items[0].place, unknown.to_string());
                    continue;
                }
            };
            municipality::own_lakes(&municipality.code)?;
            let ground = Ground { outline: municipality.outline(), municipality };
            if ground.outline.is_none() {
                lines.warnings.push(format!(
                    "{}: {} ({id}) has no outline here, so positions were not checked; import it with geo import municipalities",
                    request.file, ground.municipality.name
                ));
            }
            elsewhere(request.kind, &ground, &items, &mut lines);
            let (new, changed, renamed) = (outcome.new, outcome.changed, outcome.renamed);
            match request.kind {
                Kind::Neighbourhoods => places::neighbourhoods(tx, mint, request, &ground, items, &mut lines, &mut outcome).await?,
                Kind::Points => places::points(tx, mint, request, &ground, items, &mut lines, &mut outcome).await?,
                Kind::Streets => places::streets(tx, request.from, &ground, items, &mut lines, &mut outcome).await?,
                Kind::Routes => ways::routes(tx, mint, request, &ground, items, &mut lines, &mut outcome).await?,
                Kind::Segments => ways::segments(tx, mint, request, &ground, items, &mut lines, &mut outcome).await?,
                Kind::Households => homes::households(tx, mint, request, &ground, items, &mut lines, &mut outcome).await?,
                Kind::Municipalities => {}
            }
            let (new, changed) = if whole.is_some() { (0, 0) } else { (outcome.new - new, outcome.changed - changed) };
            let renamed = outcome.renamed - renamed;
            let done = Outcome { new, changed, renamed, since: outcome.since.clone(), ..Outcome::default() };
            finish(tx, request, id, &done, &mut lines).await?;
        }
        finish(tx, request, MunicipalityId::NONE, &Outcome::default(), &mut lines).await?;
    }
    outcome.warnings = lines.said(&lines.warnings);
    Ok(outcome)
}

/// Metres beyond which a way or an area that lies wholly outside belongs to somewhere else.
const FAR: f64 = 5_000.0;

/// Positions nearer than this are one, in degrees: about ten centimetres.
const ONE_PLACE: f64 = 1e-6;

/// What no rule of a kind asks: lines without length, and ways and areas that lie wholly somewhere else.
fn elsewhere(kind: Kind, ground: &Ground, items: &[Item], lines: &mut Lines) {
    let ways = matches!(kind, Kind::Streets | Kind::Routes | Kind::Segments);
    for item in items {
        let Some((_, shape)) = &item.shape else { continue };
        let mut coords = shape.coords_iter();
        let Some(first) = coords.next() else { continue };
        if ways
            && matches!(shape, Geometry::LineString(_) | Geometry::MultiLineString(_))
            && coords.all(|c| (c.x - first.x).abs() < ONE_PLACE && (c.y - first.y).abs() < ONE_PLACE)
        {
            lines.refuse(&item.place, "the line has no length: all its positions are one; draw it again");
            continue;
        }
        // Points, homes and segments are held to the outline by their own rules.
        if !matches!(kind, Kind::Streets | Kind::Routes | Kind::Neighbourhoods) {
            continue;
        }
        let name = &ground.municipality.name;
        let code = &ground.municipality.code;
        let remedy = "mend its position or name the right --municipality";
        match &ground.outline {
            None if shape.coords_iter().all(|c| !in_guatemala(c)) => {
                lines.refuse(&item.place, format!("lies at ({}, {}), outside Guatemala and so outside {name} ({code}); {remedy}", first.x, first.y));
            }
            None => {}
            Some(outline) => {
                let outside = |c: Coord| match outline.says(c) {
                    Inside::Outside(metres) => metres,
                    _ => 0.0,
                };
                let nearest = shape
                    .coords_iter()
                    .map(outside)
                    .try_fold(f64::INFINITY, |least, metres| if metres > FAR { Ok(least.min(metres)) } else { Err(metres) });
                match nearest {
                    Ok(metres) => {
                        let km = metres / 1000.0;
                        lines.refuse(&item.place, format!("lies {km:.1} km outside {name} ({code}), at ({}, {}); {remedy}", first.x, first.y));
                    }
                    Err(_) if kind == Kind::Streets && outside(first) > TOLERANCE => {
                        lines.warn(&item.place, format!("begins outside {name}; it is kept"));
                    }
                    Err(_) => {}
                }
            }
        }
    }
}

/// Codes and positions of a file of homes, read as an import reads them; nothing is stored.
pub fn positions(request: &Request<'_>, letters: &str) -> Result<Vec<(String, Coord)>> {
    let mut lines = Lines { file: request.file.to_owned(), ..Lines::default() };
    let mut homes = Vec::new();
    for mut item in read::items(request, &mut lines)? {
        let code = item.code(&mut lines).map(|text| household::told(&text, letters, |_| false));
        homes.extend(code.zip(places::position(&item, &mut lines)));
    }
    if lines.refused.is_empty() { Ok(homes) } else { Err(Error::refused_lines("import-refused", lines.said(&lines.refused))) }
}

/// Leaves with every refusal found so far, or records what was done.
async fn finish(tx: &mut Tx, request: &Request<'_>, municipality: MunicipalityId, done: &Outcome, lines: &mut Lines) -> Result<()> {
    if !lines.refused.is_empty() {
        let refused = std::mem::take(&mut lines.refused);
        return Err(Error::refused_lines("import-refused", lines.said(&refused)));
    }
    if done.new + done.changed + done.renamed > 0 {
        let mut detail =
            json!({"kind": request.kind.name(), "new": done.new, "changed": done.changed, "sha256": crate::id::sha256_hex(request.bytes)});
        if let Some(reason) = request.reason {
            detail["reason"] = json!(reason);
        }
        if done.renamed > 0 {
            detail["renamed_operators"] = json!(done.renamed);
        }
        if let Some(since) = done.since.get(&municipality) {
            detail["since"] = json!(since);
        }
        let action = if request.reason.is_some() { "corrected" } else { "import" };
        let entry = audit::Entry { stream: "territory", actor: request.actor, action, target: request.kind.name(), detail };
        audit::record(tx, municipality, request.now, entry).await?;
    }
    Ok(())
}
