//! What rows say against what is stored: the days they ask for, what is new, what is other, what stays as it is.

use super::fields::Item;
use super::listing::{FieldChange, Listed, held};
use super::{Lines, Outcome, Request};
use crate::db::Tx;
use crate::error::Result;
use crate::id::MunicipalityId;
use crate::territory::code::{Codes, Thing, looks};
use crate::territory::dated::{self, Change, Fields, Span, Version};
use chrono::NaiveDate;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Deref;
use uuid::Uuid;

/// The days a row asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Days {
    pub from: NaiveDate,
    /// The last of them, or until what follows begins.
    pub to: Option<NaiveDate>,
    /// The last day the row itself speaks of; without one it speaks of all that come.
    pub until: Option<NaiveDate>,
    /// Whether the row itself names the first.
    pub dated: bool,
}

impl Days {
    /// From a day on, until further notice.
    pub fn since(from: NaiveDate, dated: bool) -> Days {
        Days { from, to: None, until: None, dated }
    }
}

/// The days a row asks for. `history`: what is known of its code, `None` for a new one.
///
/// Without `valid_from` it holds from today. A day gone by that the history already begins a version with only repeats what an export said:
/// the row holds from today too, unless a reason makes it a correction. Any other day gone by needs the reason, and none is before the thing
/// was there. Without `valid_to` the end that is known stands; a `valid_to` that says just that end says nothing new.
pub(crate) fn days<T>(item: &mut Item, code: &str, history: Option<&Vec<Version<T>>>, request: &Request<'_>, lines: &mut Lines) -> Days {
    let told = item.date("valid_from", lines);
    let today = request.from;
    if let Some(slip) = told.and_then(|day| dated::slip(day, today)) {
        lines.refuse(&item.place, format!("valid_from {slip}"));
        return Days::since(today, false);
    }
    let first = history.and_then(|known| known.iter().map(|version| version.valid_from).min());
    if let (Some(day), Some(first)) = (told, first)
        && day < first
    {
        lines.refuse(&item.place, format!("valid_from {day}: «{code}» is there from {first} on; give a day from then on"));
        return Days::since(today, false);
    }
    let begins = |day: NaiveDate| history.is_some_and(|known| known.iter().any(|version| version.valid_from == day));
    let repeats = request.reason.is_none() && told.is_some_and(|day| day < today && begins(day));
    let from = told.filter(|_| !repeats).unwrap_or(today);
    let standing = || history.and_then(|known| known.iter().find(|version| version.span().holds(from))).and_then(|version| version.valid_to);
    let said = item.properties.contains_key("valid_to");
    let to = if said { item.date("valid_to", lines) } else { standing() };
    if let Some(slip) = to.filter(|_| said).and_then(|day| dated::slip(day, today)) {
        lines.refuse(&item.place, format!("valid_to {slip}, or leave it empty where no end is known"));
        return Days::since(from, false);
    }
    if let Some(to) = to.filter(|to| *to < from) {
        // An ended thing told again, as an export tells it.
        if history.is_some_and(|known| known.last().is_some_and(|last| last.valid_to == Some(to))) {
            return Days { from, to: Some(to), until: Some(to), dated: false };
        }
        if repeats && told.is_some_and(|day| day <= to) {
            lines.refuse(&item.place, format!("valid_to {to} has passed: to correct the past add --reason, or give a day from {today} on"));
        } else {
            lines.refuse(&item.place, format!("valid_to {to} is before valid_from {}; mend one of them", told.unwrap_or(from)));
        }
        return Days::since(from, false);
    }
    if from < today && request.reason.is_none() && history.is_some() {
        lines.refuse(&item.place, format!("valid_from {from} has passed: to correct the past add --reason, or give a day from {today} on"));
    }
    Days { from, to, until: to.filter(|to| said && standing() != Some(*to)), dated: told.is_some() && !repeats }
}

/// What stands where a row is silent: the facts of its first day, or of the nearest day that has any.
pub(crate) fn stands<T>(history: Option<&Vec<Version<T>>>, days: Days) -> Option<&T> {
    history.and_then(|known| dated::latest(known, days.from).or(known.first())).map(|version| &version.facts)
}

/// The day on which what a row refers to must be there: the first it holds, or the last of a thing that has ended and is told again.
pub(crate) fn there_on<T>(history: Option<&Vec<Version<T>>>, days: Days) -> NaiveDate {
    let last = history.filter(|_| !days.dated).and_then(|known| dated::latest(known, days.from));
    last.and_then(|last| last.valid_to).filter(|end| *end < days.from).unwrap_or(days.from)
}

/// One row understood: where it stands in the file, its code, its days and what it says.
pub(crate) struct Told<T> {
    pub place: String,
    pub code: String,
    pub days: Days,
    pub facts: T,
}

/// What a file changes, ready to be written.
pub(crate) struct Settled<T> {
    /// Things whose code is new.
    pub new: Vec<T>,
    pub changes: Vec<(Uuid, Change<T>)>,
    /// The first day on which each of them is other than before.
    pub since: BTreeMap<Uuid, NaiveDate>,
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

/// Parts what a file says into new, changed and unchanged things, counting them. A code that stands twice in the file is refused. `fit` gives
/// the facts of a later day, of which the row's fields hold too, what follows from other things.
pub(crate) fn settle<T: Fields + Listed>(
    told: Vec<Told<T>>,
    stored: &Stored<T>,
    id: fn(&T) -> Uuid,
    (municipality, request): (MunicipalityId, &Request<'_>),
    fit: impl Fn(T, NaiveDate) -> T,
    lines: &mut Lines,
    outcome: &mut Outcome,
) -> Settled<T> {
    let mut settled = Settled { new: Vec::new(), changes: Vec::new(), since: BTreeMap::new() };
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let nothing = Vec::new();
    let mut forms = Forms::of(stored.keys());
    for Told { place, code, days, facts } in told {
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
        let ended = last.and_then(|last| last.valid_to).filter(|to| !same && !days.dated && *to < days.from);
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
        let change = dated::tell(history, Span { from: days.from, to: days.to }, days.until, facts.clone(), request.from, &fit);
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
                outcome.changes.push(FieldChange {
                    code: code.clone(),
                    field,
                    before: Value::Null,
                    after,
                    since: days.from,
                    until: None,
                    then: None,
                });
            }
            Some(before) => {
                outcome.changes.extend(held(&before.facts, &dated::changed(history, &change, days.from), &code, days.from, &stored.names));
                if before.valid_to != days.to && next.is_none() {
                    let (field, before, after) = ("valid_to".to_owned(), json!(before.valid_to), json!(days.to));
                    outcome.changes.push(FieldChange { code: code.clone(), field, before, after, since: days.from, until: None, then: None });
                }
            }
        }
        let ends = days.to.is_some() && before.is_none_or(|before| before.valid_to != days.to);
        let touched = facts.touches(before.filter(|_| !ends).map(|before| &before.facts));
        let later = change.added.iter().filter(|(span, _)| span.from > days.from).flat_map(|(span, facts)| {
            let old = history.iter().find(|version| version.span().holds(span.from));
            facts.touches(old.map(|version| &version.facts))
        });
        outcome.segments.entry(municipality).or_default().extend(touched.into_iter().chain(later));
        outcome.since.entry(municipality).and_modify(|since| *since = days.from.min(*since)).or_insert(days.from);
        settled.since.insert(id(&facts), days.from);
        settled.changes.push((id(&facts), change));
    }
    settled
}

/// The index of what is new, and of what differs from what is stored under the same key.
pub(crate) struct Sorted<T> {
    pub new: Vec<T>,
    pub changed: Vec<T>,
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

/// Codes by what they look like: the code itself, and where it stands.
struct Forms(HashMap<String, (String, String)>);

impl Forms {
    fn of<'a>(stored: impl Iterator<Item = &'a String>) -> Forms {
        Forms(stored.map(|code| (looks(code), (code.clone(), "stored here".to_owned()))).collect())
    }

    /// Refuses a code that looks like another.
    fn compare(&mut self, place: &str, code: &str, lines: &mut Lines) {
        match self.0.get(&looks(code)) {
            Some((other, whose)) if other != code => {
                let line = format!(
                    "code «{code}» looks like «{other}» ({whose}): only capitals, blanks, hyphens, accents or letters of another alphabet differ; write it one way"
                );
                lines.refuse(place, line);
            }
            Some(_) => {}
            None => {
                self.0.insert(looks(code), (code.to_owned(), place.to_owned()));
            }
        }
    }
}
