//! Files into rows: all or nothing, in one transaction, and the same file twice changes nothing.

mod fields;
mod homes;
mod listing;
mod places;
mod read;
mod table;
mod ways;

pub(crate) use fields::{LAT, LON, WEEKDAYS};
pub use listing::FieldChange;
pub(crate) use table::decimal;
pub(crate) use ways::{written_streams, written_week};

use crate::account::audit;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{Mint, MunicipalityId, SegmentId};
use crate::sheet::Written;
use crate::sheet::problems::Problems;
use crate::territory::check::in_guatemala;
use crate::territory::code::{Codes, Thing};
use crate::territory::dated::{self, Change, Span, Version};
use crate::territory::municipality::{self, Inside, Municipality, Outline, TOLERANCE};
use chrono::{DateTime, NaiveDate, Utc};
use fields::Item;
use geo::{Coord, CoordsIter, Geometry};
use listing::{Listed, differing};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Deref;
use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;

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
            let (new, changed) = (outcome.new, outcome.changed);
            match request.kind {
                Kind::Neighbourhoods => places::neighbourhoods(tx, mint, request, &ground, items, &mut lines, &mut outcome).await?,
                Kind::Points => places::points(tx, mint, request, &ground, items, &mut lines, &mut outcome).await?,
                Kind::Streets => places::streets(tx, &ground, items, &mut lines, &mut outcome).await?,
                Kind::Routes => ways::routes(tx, mint, request, &ground, items, &mut lines, &mut outcome).await?,
                Kind::Segments => ways::segments(tx, mint, request, &ground, items, &mut lines, &mut outcome).await?,
                Kind::Households => homes::households(tx, mint, request, &ground, items, &mut lines, &mut outcome).await?,
                Kind::Municipalities => {}
            }
            let (new, changed) = if whole.is_some() { (0, 0) } else { (outcome.new - new, outcome.changed - changed) };
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

/// The first day anything may be said of; an earlier one is a slip of the pen.
const EARLIEST: NaiveDate = match NaiveDate::from_ymd_opt(1990, 1, 1) {
    Some(day) => day,
    None => NaiveDate::MIN,
};

/// The days a row asks for, and whether it names the first of them itself. `history`: what is known of its code, `None` for a new one.
///
/// Without `valid_from` it holds from today. A day gone by that the history already begins a version with only repeats what an export said:
/// the row holds from today too, unless a reason makes it a correction. Any other day gone by needs the reason. Without `valid_to` the end
/// that is known stands.
pub(crate) fn days<T>(item: &mut Item, history: Option<&Vec<Version<T>>>, request: &Request<'_>, lines: &mut Lines) -> (Span, bool) {
    let told = item.date("valid_from", lines);
    if let Some(long_ago) = told.filter(|day| *day < EARLIEST) {
        lines.refuse(&item.place, format!("valid_from {long_ago} is before {EARLIEST}; mend the year"));
        return (Span { from: request.from, to: None }, false);
    }
    let today = request.from;
    let begins = |day: NaiveDate| history.is_some_and(|known| known.iter().any(|version| version.valid_from == day));
    let repeats = request.reason.is_none() && told.is_some_and(|day| day < today && begins(day));
    let from = told.filter(|_| !repeats).unwrap_or(today);
    let standing = || history.and_then(|known| known.iter().find(|version| version.span().holds(from))).and_then(|version| version.valid_to);
    let to = if item.properties.contains_key("valid_to") { item.date("valid_to", lines) } else { standing() };
    if let Some(to) = to.filter(|to| *to < from) {
        // An ended thing told again, as an export tells it.
        if history.is_some_and(|known| known.last().is_some_and(|last| last.valid_to == Some(to))) {
            return (Span { from, to: Some(to) }, false);
        }
        if repeats && told.is_some_and(|day| day <= to) {
            lines.refuse(&item.place, format!("valid_to {to} has passed: to correct the past add --reason, or give a day from {today} on"));
        } else {
            lines.refuse(&item.place, format!("valid_to {to} is before valid_from {}; mend one of them", told.unwrap_or(from)));
        }
        return (Span { from, to: None }, false);
    }
    if from < today && request.reason.is_none() && history.is_some() {
        lines.refuse(&item.place, format!("valid_from {from} has passed: to correct the past add --reason, or give a day from {today} on"));
    }
    (Span { from, to }, told.is_some() && !repeats)
}

/// The day on which what a row refers to must be there: the first it holds, or the last of a thing that has ended and is told again.
pub(crate) fn there_on<T>(history: Option<&Vec<Version<T>>>, days: Span, dated: bool) -> NaiveDate {
    let last = history.filter(|_| !dated).and_then(|known| dated::latest(known, days.from));
    last.and_then(|last| last.valid_to).filter(|end| *end < days.from).unwrap_or(days.from)
}

/// One row understood: where it stands in the file, its code, its days and what it says.
pub(crate) struct Told<T> {
    pub place: String,
    pub code: String,
    pub days: Span,
    /// Whether the row itself names the day it holds from.
    pub dated: bool,
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

/// What is stored of one kind, by every code a thing was ever given.
pub(crate) struct Stored<T> {
    by_code: BTreeMap<String, Vec<Version<T>>>,
    /// Codes that hold no more, with the one that does.
    former: BTreeMap<String, String>,
    /// Codes of things that ended before they began.
    void: BTreeSet<String>,
    /// What the things it refers to are called, to list a change.
    names: BTreeMap<Uuid, String>,
}

impl<T> Deref for Stored<T> {
    type Target = BTreeMap<String, Vec<Version<T>>>;
    fn deref(&self) -> &Self::Target {
        &self.by_code
    }
}

impl<T: Clone> Stored<T> {
    /// `versions` by the code they were first given, and by every later one.
    pub async fn of(
        tx: &mut Tx,
        (municipality, request): (MunicipalityId, &Request<'_>),
        thing: Thing,
        versions: Vec<Version<T>>,
        code: fn(&T) -> &str,
    ) -> Result<Stored<T>> {
        let codes = Codes::read(tx, municipality, thing).await?;
        let mut stored = Stored { by_code: by_code(versions, code), former: BTreeMap::new(), void: BTreeSet::new(), names: BTreeMap::new() };
        let firsts: BTreeMap<Uuid, &str> = codes.first().collect();
        for (_, first) in codes.first().filter(|(_, first)| !stored.by_code.contains_key(*first)).collect::<Vec<_>>() {
            stored.void.insert(first.to_owned());
        }
        for (later, id) in codes.later() {
            let Some(first) = firsts.get(&id) else { continue };
            if let Some(history) = stored.by_code.get(*first).cloned() {
                stored.by_code.insert(later.to_owned(), history);
            }
            for code in [later, first] {
                if code != codes.newest(id) && code != codes.on(id, request.from) {
                    stored.former.insert(code.to_owned(), codes.newest(id).to_owned());
                }
            }
        }
        Ok(stored)
    }

    /// What has no later codes.
    pub fn plain(by_code: BTreeMap<String, Vec<Version<T>>>) -> Stored<T> {
        Stored { by_code, former: BTreeMap::new(), void: BTreeSet::new(), names: BTreeMap::new() }
    }

    pub fn naming(mut self, names: impl IntoIterator<Item = (Uuid, String)>) -> Stored<T> {
        self.names.extend(names);
        self
    }
}

/// Parts what a file says into new, changed and unchanged things, counting them. A code that stands twice in the file is refused.
pub(crate) fn settle<T: Clone + PartialEq + Listed>(
    told: Vec<Told<T>>,
    stored: &Stored<T>,
    id: fn(&T) -> Uuid,
    (municipality, request): (MunicipalityId, &Request<'_>),
    lines: &mut Lines,
    outcome: &mut Outcome,
) -> Settled<T> {
    let mut settled = Settled { new: Vec::new(), changes: Vec::new() };
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let nothing = Vec::new();
    let mut forms = Forms::of(stored.keys());
    for Told { place, code, days, dated, facts } in told {
        forms.compare(&place, &code, lines);
        let known = stored.get(&code);
        // One thing under two of its codes is one thing.
        let key = known.map_or_else(|| code.clone(), |_| id(&facts).to_string());
        if let Some(first) = seen.get(&key) {
            lines
                .refuse(&place, format!("code «{code}» stands in {first} too; give each its own, and bring another day of the same in another file"));
            continue;
        }
        seen.insert(key, place.clone());
        if stored.void.contains(&code) {
            lines.refuse(&place, format!("code «{code}» was given before, to something that was taken back on its first day; give another code"));
            continue;
        }
        let history = known.unwrap_or(&nothing);
        let last = dated::latest(history, days.from);
        // A thing that has ended stays as it was when the file tells just that.
        let same = last.is_some_and(|last| last.facts == facts && last.valid_to.is_some() && last.valid_to == days.to);
        let ended = last.and_then(|last| last.valid_to).filter(|to| !same && !dated && *to < days.from);
        if let Some(day) = ended {
            if last.is_some_and(|last| last.facts == facts) {
                outcome.unchanged += 1;
            } else {
                lines.refuse(
                    &place,
                    format!("«{code}» ended on {day}, and its code is never another's: give a new thing another code, or open this one again with a valid_from"),
                );
            }
            continue;
        }
        let change = dated::hold(history, days, facts.clone(), request.from);
        if same || change.is_nothing() {
            outcome.unchanged += 1;
            continue;
        }
        if let Some(now) = stored.former.get(&code) {
            lines.refuse(&place, format!("«{code}» is now called «{now}»: write that code, or give a new thing another"));
            continue;
        }
        let next = history.iter().map(|version| version.valid_from).filter(|from| *from > days.from).min();
        if let (Some(to), Some(next)) = (days.to, next)
            && to >= next
            && history.last().is_none_or(|last| last.valid_to != Some(to))
        {
            lines.refuse(
                &place,
                format!("from {} to {to} lies over what is known of «{code}» from {next} on; end it before {next}, or begin there", days.from),
            );
            continue;
        }
        if days.to.is_some_and(|to| to < days.from) {
            lines.refuse(&place, format!("«{code}» has ended: to correct what it was add --reason and a valid_from of that time"));
            continue;
        }
        let before = history.iter().find(|version| version.span().holds(days.from));
        match known {
            None => {
                settled.new.push(facts.clone());
                outcome.new += 1;
            }
            Some(_) => outcome.changed += 1,
        }
        match before {
            None => {
                let (field, after) = ("valid_from".to_owned(), json!(days.from));
                outcome.changes.push(FieldChange { code: code.clone(), field, before: Value::Null, after, since: days.from });
            }
            Some(before) => {
                outcome.changes.extend(differing(&before.facts, &facts, &code, days.from, &stored.names));
                if before.valid_to != days.to && next.is_none() {
                    let (field, since) = ("valid_to".to_owned(), days.from);
                    outcome.changes.push(FieldChange { code: code.clone(), field, before: json!(before.valid_to), after: json!(days.to), since });
                }
            }
        }
        let ends = days.to.is_some() && before.is_none_or(|before| before.valid_to != days.to);
        let touched = facts.touches(before.filter(|_| !ends).map(|before| &before.facts));
        outcome.segments.entry(municipality).or_default().extend(touched);
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
