//! Files into rows: all or nothing, in one transaction, and the same file twice changes nothing.

mod fields;
mod homes;
mod places;
mod read;
mod table;
mod ways;

pub(crate) use fields::{LAT, LON, WEEKDAYS};
pub(crate) use table::decimal;
pub(crate) use ways::written_streams;

use crate::account::audit;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{Mint, MunicipalityId};
use crate::sheet::Written;
use crate::sheet::problems::Problems;
use crate::territory::check::in_guatemala;
use crate::territory::dated::{self, Change, Span, Version};
use crate::territory::municipality::{self, Inside, Municipality, Outline, TOLERANCE};
use chrono::{DateTime, NaiveDate, Utc};
use fields::Item;
use geo::{Coord, CoordsIter, Geometry};
use serde::Serialize;
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use unicode_normalization::UnicodeNormalization;

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
    pub warnings: Vec<String>,
    /// The first day on which something is other than before, by municipality.
    #[serde(skip)]
    pub since: BTreeMap<MunicipalityId, NaiveDate>,
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
    municipality::ensure_catalogue(tx).await?;
    let mut lines = Lines { file: request.file.to_owned(), ..Lines::default() };
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
            elsewhere(request.kind, &ground, &items, &mut lines);
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
            let (new, changed) = (outcome.new - before.new, outcome.changed - before.changed);
            let done = Outcome { new, changed, since: outcome.since.clone(), ..Outcome::default() };
            finish(tx, request, id, &done, &mut lines).await?;
        }
        finish(tx, request, MunicipalityId::NONE, &Outcome::default(), &mut lines).await?;
    }
    outcome.warnings = lines.said(&lines.warnings);
    Ok(outcome)
}

/// Metres beyond which a way or an area that lies wholly outside belongs to somewhere else.
const FAR: f64 = 5_000.0;

/// What no rule of a kind asks: lines without length, and ways and areas that lie wholly somewhere else.
fn elsewhere(kind: Kind, ground: &Ground, items: &[Item], lines: &mut Lines) {
    let ways = matches!(kind, Kind::Streets | Kind::Routes | Kind::Segments);
    for item in items {
        let Some((_, shape)) = &item.shape else { continue };
        let mut coords = shape.coords_iter();
        let Some(first) = coords.next() else { continue };
        if ways && matches!(shape, Geometry::LineString(_) | Geometry::MultiLineString(_)) && coords.all(|c| c == first) {
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

/// Leaves with every refusal found so far, or records what was done.
async fn finish(tx: &mut Tx, request: &Request<'_>, municipality: MunicipalityId, done: &Outcome, lines: &mut Lines) -> Result<()> {
    if !lines.refused.is_empty() {
        let refused = std::mem::take(&mut lines.refused);
        return Err(Error::refused_lines("import-refused", lines.said(&refused)));
    }
    if done.new + done.changed > 0 {
        let mut detail =
            json!({"kind": request.kind.name(), "new": done.new, "changed": done.changed, "sha256": crate::id::sha256_hex(request.bytes)});
        if let Some(reason) = request.reason {
            detail["reason"] = json!(reason);
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

/// The days a row asks for. `history`: what is known of its code, `None` for a new one.
///
/// Without `valid_from` it holds from today. A day gone by that the history already begins a version with only repeats what an export said:
/// the row holds from today too, unless a reason makes it a correction. Any other day gone by needs the reason.
pub(crate) fn days<T>(item: &mut Item, history: Option<&Vec<Version<T>>>, request: &Request<'_>, lines: &mut Lines) -> Span {
    let asked = Span { from: item.date("valid_from", lines).unwrap_or(request.from), to: item.date("valid_to", lines) };
    if let Some(to) = asked.to.filter(|to| *to < asked.from) {
        // An ended thing told again, as an export tells it.
        let told = history.is_some_and(|known| known.last().is_some_and(|last| last.valid_to == Some(to)));
        if !told {
            lines.refuse(&item.place, format!("valid_to {to} is before valid_from {}; mend one of them", asked.from));
        }
        return asked;
    }
    if asked.from >= request.from || request.reason.is_some() {
        return asked;
    }
    match history {
        None => asked,
        Some(known) if known.iter().any(|version| version.valid_from == asked.from) => {
            let today = request.from;
            let ended = asked.to.filter(|to| *to < today && known.last().is_none_or(|last| last.valid_to != Some(*to)));
            if let Some(to) = ended {
                lines.refuse(&item.place, format!("valid_to {to} has passed: to correct the past add --reason, or give a day from {today} on"));
            }
            Span { from: today, to: asked.to }
        }
        Some(_) => {
            lines.refuse(
                &item.place,
                format!("valid_from {} has passed: to correct the past add --reason, or give a day from {} on", asked.from, request.from),
            );
            asked
        }
    }
}

/// One row understood: where it stands in the file, its code, its days and what it says.
pub(crate) struct Told<T> {
    pub place: String,
    pub code: String,
    pub days: Span,
    pub facts: T,
}

/// What a file changes, ready to be written.
pub(crate) struct Settled<T> {
    /// Things whose code is new.
    pub new: Vec<T>,
    pub changes: Vec<(uuid::Uuid, Change<T>)>,
}

impl<T: Clone> Settled<T> {
    pub fn added(&self) -> Vec<(Span, T)> {
        self.changes.iter().flat_map(|(_, change)| change.added.iter().cloned()).collect()
    }
}

/// Versions by code, oldest first.
pub(crate) fn by_code<T>(versions: Vec<Version<T>>, code: fn(&T) -> &str) -> BTreeMap<String, Vec<Version<T>>> {
    let mut stored: BTreeMap<String, Vec<Version<T>>> = BTreeMap::new();
    for version in versions {
        stored.entry(code(&version.facts).to_owned()).or_default().push(version);
    }
    stored
}

/// Parts what a file says into new, changed and unchanged things, counting them. A code that stands twice in the file is refused.
pub(crate) fn settle<T: Clone + PartialEq>(
    told: Vec<Told<T>>,
    stored: &BTreeMap<String, Vec<Version<T>>>,
    id: fn(&T) -> uuid::Uuid,
    (municipality, request): (MunicipalityId, &Request<'_>),
    lines: &mut Lines,
    outcome: &mut Outcome,
) -> Settled<T> {
    let mut settled = Settled { new: Vec::new(), changes: Vec::new() };
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let nothing = Vec::new();
    let mut forms = Forms::of(stored.keys());
    for Told { place, code, days, facts } in told {
        forms.compare(&place, &code, lines);
        if let Some(first) = seen.get(&code) {
            lines.refuse(&place, format!("code «{code}» stands in {first} too; give each its own"));
            continue;
        }
        let known = stored.get(&code);
        seen.insert(code, place);
        let history = known.unwrap_or(&nothing);
        // A thing that has ended stays as it was when the file tells just that.
        let same = dated::latest(history, days.from).is_some_and(|last| last.facts == facts && last.valid_to.is_some() && last.valid_to == days.to);
        let change = dated::hold(history, days, facts.clone(), request.from);
        if same || change.is_nothing() {
            outcome.unchanged += 1;
            continue;
        }
        match known {
            None => {
                settled.new.push(facts.clone());
                outcome.new += 1;
            }
            Some(_) => outcome.changed += 1,
        }
        outcome.since.entry(municipality).and_modify(|since| *since = days.from.min(*since)).or_insert(days.from);
        settled.changes.push((id(&facts), change));
    }
    settled
}

/// The index of what is new, and of what differs from what is stored under the same key.
pub(crate) struct Sorted<T> {
    new: Vec<T>,
    changed: Vec<T>,
}

/// As [`settle`] for what has no dates: municipalities and streets.
pub(crate) fn sort<T: PartialEq>(
    rows: Vec<(String, String, T)>,
    stored: &BTreeMap<String, T>,
    lines: &mut Lines,
    outcome: &mut Outcome,
) -> Sorted<T> {
    let mut sorted = Sorted { new: Vec::new(), changed: Vec::new() };
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let mut forms = Forms::of(stored.keys());
    for (place, key, row) in rows {
        forms.compare(&place, &key, lines);
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

/// Codes by what they look like, whatever their case and Unicode form: the code itself, and where it stands.
struct Forms(HashMap<String, (String, String)>);

impl Forms {
    fn of<'a>(stored: impl Iterator<Item = &'a String>) -> Forms {
        Forms(stored.map(|code| (form(code), (code.clone(), "stored here".to_owned()))).collect())
    }

    /// Refuses a code that looks like another.
    fn compare(&mut self, place: &str, code: &str, lines: &mut Lines) {
        match self.0.get(&form(code)) {
            Some((other, whose)) if other != code => {
                let line =
                    format!("code «{code}» differs from «{other}» ({whose}) only in capitals or in how its accents are stored; write it one way");
                lines.refuse(place, line);
            }
            Some(_) => {}
            None => {
                self.0.insert(form(code), (code.to_owned(), place.to_owned()));
            }
        }
    }
}

/// A code without case and in one Unicode form: two codes that share it look alike.
fn form(code: &str) -> String {
    if code.is_ascii() { code.to_ascii_lowercase() } else { code.nfkc().flat_map(char::to_lowercase).nfkc().collect() }
}
