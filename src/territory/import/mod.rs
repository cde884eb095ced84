//! Files into rows: all or nothing, in one transaction, and the same file twice changes nothing.

mod fields;
mod homes;
mod places;
mod read;
mod table;
mod ways;

pub(crate) use fields::WEEKDAYS;
pub(crate) use homes::{insert as insert_homes, stop_orders};
pub(crate) use table::decimal;
pub(crate) use ways::written_streams;

use crate::account::audit;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{Mint, MunicipalityId};
use crate::territory::municipality::{self, Inside, Municipality, Outline, TOLERANCE};
use chrono::{DateTime, NaiveDate, Utc};
use fields::Item;
use geo::Coord;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;

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
    /// Memberships and routes that say no date begin here.
    pub from: NaiveDate,
    pub actor: &'a str,
}

/// What was, or with a dry run would be, written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    pub new: usize,
    pub changed: usize,
    pub unchanged: usize,
    pub warnings: Vec<String>,
}

/// Lines as they are found; any refusal refuses the whole file.
pub(crate) struct Lines {
    file: String,
    refused: Vec<String>,
    warnings: Vec<String>,
}

impl Lines {
    fn refuse(&mut self, place: &str, line: impl AsRef<str>) {
        self.refused.push(format!("{}: {place}: {}", self.file, line.as_ref()));
    }
    fn warn(&mut self, place: &str, line: impl AsRef<str>) {
        self.warnings.push(format!("{}: {place}: {}", self.file, line.as_ref()));
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
    municipality::ensure_catalogue(tx).await?;
    let mut lines = Lines { file: request.file.to_owned(), refused: Vec::new(), warnings: Vec::new() };
    let items = read::items(request, &mut lines)?;
    let mut outcome = Outcome::default();
    if request.kind == Kind::Municipalities {
        places::municipalities(tx, items, &mut lines, &mut outcome).await?;
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
            let ground = Ground { outline: municipality.outline(), municipality };
            if ground.outline.is_none() {
                lines.warnings.push(format!(
                    "{}: {} ({id}) has no outline here, so positions were not checked; import it with geo import municipalities",
                    request.file, ground.municipality.name
                ));
            }
            let before = outcome.clone();
            match request.kind {
                Kind::Neighbourhoods => places::neighbourhoods(tx, mint, request, &ground, items, &mut lines, &mut outcome).await?,
                Kind::Points => places::points(tx, mint, request, &ground, items, &mut lines, &mut outcome).await?,
                Kind::Streets => places::streets(tx, &ground, items, &mut lines, &mut outcome).await?,
                Kind::Routes => ways::routes(tx, mint, request, &ground, items, &mut lines, &mut outcome).await?,
                Kind::Segments => ways::segments(tx, mint, request, &ground, items, &mut lines, &mut outcome).await?,
                Kind::Households => homes::households(tx, mint, request, &ground, items, &mut lines, &mut outcome).await?,
                Kind::Municipalities => {}
            }
            let done = Outcome { new: outcome.new - before.new, changed: outcome.changed - before.changed, ..Outcome::default() };
            finish(tx, request, id, &done, &mut lines).await?;
        }
        finish(tx, request, MunicipalityId::NONE, &Outcome::default(), &mut lines).await?;
    }
    outcome.warnings = lines.warnings;
    Ok(outcome)
}

/// Leaves with every refusal found so far, or records what was done.
async fn finish(tx: &mut Tx, request: &Request<'_>, municipality: MunicipalityId, done: &Outcome, lines: &mut Lines) -> Result<()> {
    if !lines.refused.is_empty() {
        return Err(Error::refused_lines("import-refused", std::mem::take(&mut lines.refused)));
    }
    if done.new + done.changed > 0 {
        let detail = json!({"kind": request.kind.name(), "new": done.new, "changed": done.changed, "sha256": crate::id::sha256_hex(request.bytes)});
        let entry = audit::Entry { stream: "territory", actor: request.actor, action: "import", target: request.kind.name(), detail };
        audit::record(tx, municipality, request.now, entry).await?;
    }
    Ok(())
}

/// The index of what is new, and of what differs from what is stored under the same key.
pub(crate) struct Sorted<T> {
    new: Vec<T>,
    changed: Vec<T>,
}

/// Parts rows into new, changed and unchanged ones, counting them. A key that stands twice in the file is refused.
pub(crate) fn sort<T: PartialEq>(
    rows: Vec<(String, String, T)>,
    stored: &BTreeMap<String, T>,
    lines: &mut Lines,
    outcome: &mut Outcome,
) -> Sorted<T> {
    let mut sorted = Sorted { new: Vec::new(), changed: Vec::new() };
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for (place, key, row) in rows {
        if let Some(first) = seen.get(&key) {
            lines.refuse(&place, format!("code «{key}» stands in {first} too; give each its own"));
            continue;
        }
        match stored.get(&key) {
            None => sorted.new.push(row),
            Some(same) if *same == row => outcome.unchanged += 1,
            Some(_) => sorted.changed.push(row),
        }
        seen.insert(key, place);
    }
    outcome.new += sorted.new.len();
    outcome.changed += sorted.changed.len();
    sorted
}
