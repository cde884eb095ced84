//! Two times: facts about places hold on days, and were written at a moment. What was counted on a day is counted for ever by the facts of
//! that day.
//!
//! A change that takes effect today or later closes the version in force on the day before and adds one: what held before stays untouched.
//! A correction of the past supersedes the versions it contradicts, which are kept with the moment they were given up, and adds others.
//! `migrations/0001_territory.sql` has one table of versions for each kind.

use crate::db::Tx;
use crate::error::Result;
use crate::id::MunicipalityId;
use crate::run;
use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde_json::Value;
use std::collections::BTreeSet;
use uuid::Uuid;

/// The condition under which the version called `alias` is in force on a day: `in_force!("v", "$2")`.
macro_rules! in_force {
    ($alias:literal, $day:literal) => {
        concat!(
            $alias,
            ".superseded_at IS NULL AND ",
            $alias,
            ".valid_from <= ",
            $day,
            " AND (",
            $alias,
            ".valid_to IS NULL OR ",
            $alias,
            ".valid_to >= ",
            $day,
            ")"
        )
    };
}
pub(crate) use in_force;

/// Days from first to last, both included; without a last until further notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub from: NaiveDate,
    pub to: Option<NaiveDate>,
}

impl Span {
    pub fn holds(&self, day: NaiveDate) -> bool {
        self.from <= day && self.to.is_none_or(|to| day <= to)
    }
}

/// Facts and the days they hold, as the present knows them.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Version<T> {
    pub version_id: Uuid,
    pub valid_from: NaiveDate,
    pub valid_to: Option<NaiveDate>,
    #[sqlx(flatten)]
    pub facts: T,
}

impl<T> Version<T> {
    pub fn span(&self) -> Span {
        Span { from: self.valid_from, to: self.valid_to }
    }
}

/// The version in force on a day; on a day after the end, the last one before it; on a day before the beginning, none.
pub fn latest<T>(history: &[Version<T>], day: NaiveDate) -> Option<&Version<T>> {
    history.iter().filter(|version| version.valid_from <= day).max_by_key(|version| version.valid_from)
}

/// The first day anything may be said of; an earlier one is a slip of the pen.
const EARLIEST: NaiveDate = match NaiveDate::from_ymd_opt(1990, 1, 1) {
    Some(day) => day,
    None => NaiveDate::MIN,
};
/// No office plans farther ahead, in years.
const HORIZON: i32 = 75;

/// What is wrong with a day that nobody can mean: 0206 or 2926 for 2026.
pub fn slip(day: NaiveDate, today: NaiveDate) -> Option<String> {
    if day < EARLIEST {
        return Some(format!("{day} is before {EARLIEST}; mend the year"));
    }
    (day.year() > today.year() + HORIZON).then(|| format!("{day} is more than {HORIZON} years ahead; mend the year"))
}

/// Facts made of fields, each of which holds until another value of that field is said.
pub trait Fields: Clone + PartialEq {
    /// These facts, which followed `was`, when `told` holds in its place: what they left as it was is as it is told, what they say themselves
    /// stays.
    fn after(&self, was: &Self, told: &Self) -> Self;
}

/// One field of [`Fields::after`].
pub fn field<V: Clone + PartialEq>(own: &V, was: &V, told: &V) -> V {
    if own == was { told.clone() } else { own.clone() }
}

/// As [`field`] for properties: each is a field of its own.
pub fn properties(own: &Value, was: &Value, told: &Value) -> Value {
    let (Some(own), Some(was), Some(told)) = (own.as_object(), was.as_object(), told.as_object()) else { return field(own, was, told) };
    let mut all = own.clone();
    for name in was.keys().chain(told.keys()) {
        if own.get(name) == was.get(name) {
            match told.get(name) {
                Some(value) => drop(all.insert(name.clone(), value.clone())),
                None => drop(all.remove(name)),
            }
        }
    }
    Value::Object(all)
}

/// What must be written so that history says something new.
#[derive(Debug, Clone, PartialEq)]
pub struct Change<T> {
    /// Versions that hold to an earlier day than was written.
    pub closed: Vec<(Uuid, NaiveDate)>,
    /// Versions that never held as the present knows it.
    pub superseded: Vec<Uuid>,
    pub added: Vec<(Span, T)>,
}

impl<T> Change<T> {
    pub fn nothing() -> Change<T> {
        Change { closed: Vec::new(), superseded: Vec::new(), added: Vec::new() }
    }

    /// With what another part of the same history changes.
    pub fn with(mut self, other: Change<T>) -> Change<T> {
        self.closed.extend(other.closed);
        self.superseded.extend(other.superseded);
        self.added.extend(other.added);
        self
    }

    pub fn is_nothing(&self) -> bool {
        self.closed.is_empty() && self.superseded.is_empty() && self.added.is_empty()
    }
}

/// Lets `facts` hold from `span.from` to the day before the next version that begins later, or to `span.to`, after which nothing holds.
pub fn hold<T: Clone + PartialEq>(history: &[Version<T>], span: Span, facts: T, today: NaiveDate) -> Change<T> {
    let next = history.iter().map(|version| version.valid_from).filter(|from| *from > span.from).min();
    let before_next = next.and_then(|day| day.pred_opt());
    let to = match (span.to, before_next) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    };
    let covering = history.iter().find(|version| version.span().holds(span.from));
    let mut change = Change::nothing();
    if let Some(version) = covering.filter(|version| version.facts == facts) {
        if version.valid_to == to {
            return change;
        }
        // The same facts, to an earlier day that has not passed: only the end is new.
        if let Some(last) = to.filter(|last| version.valid_to.is_none_or(|old| *last < old) && last.succ_opt().is_some_and(|next| next >= today)) {
            change.closed.push((version.version_id, last));
            return change;
        }
    }
    if let Some(version) = covering {
        cut(&mut change, version, span.from, today);
    }
    change.added.push((Span { from: span.from, to }, facts));
    change
}

/// Lets `facts` hold as [`hold`] does, and each field of them on through the versions that follow, until one says another value of that field
/// or begins after `until`. A version that was written for something else says nothing of it. `fit` gives the facts of a day what follows from
/// other things.
pub fn tell<T: Fields>(
    history: &[Version<T>],
    span: Span,
    until: Option<NaiveDate>,
    facts: T,
    today: NaiveDate,
    fit: impl Fn(T, NaiveDate) -> T,
) -> Change<T> {
    let mut whole = hold(history, span, facts.clone(), today);
    let Some(covering) = history.iter().find(|version| version.span().holds(span.from)) else { return whole };
    let mut later: Vec<&Version<T>> =
        history.iter().filter(|version| version.valid_from > span.from && until.is_none_or(|last| version.valid_from <= last)).collect();
    later.sort_by_key(|version| version.valid_from);
    let (mut was, mut told) = (&covering.facts, facts);
    for version in later {
        let mut next = version.facts.after(was, &told);
        if next == version.facts {
            break;
        }
        next = fit(next, version.valid_from);
        whole = whole.with(hold(history, version.span(), next.clone(), today));
        (was, told) = (&version.facts, next);
    }
    whole
}

/// What a history says from a day on when a change is written, oldest first.
pub fn changed<'a, T>(history: &'a [Version<T>], change: &'a Change<T>, from: NaiveDate) -> Vec<(Span, &'a T)> {
    let kept = history.iter().filter(|version| !change.superseded.contains(&version.version_id)).map(|version| {
        let closed = change.closed.iter().find(|(id, _)| *id == version.version_id).map(|(_, last)| *last);
        (Span { from: version.valid_from, to: closed.or(version.valid_to) }, &version.facts)
    });
    let mut all: Vec<(Span, &T)> = kept.chain(change.added.iter().map(|(span, facts)| (*span, facts))).collect();
    all.retain(|(span, _)| span.to.is_none_or(|to| to >= from));
    all.sort_by_key(|(span, _)| span.from);
    all
}

/// From a day on, every version of a history that `other` answers for has the facts it answers, up to the end it has.
pub fn recast<T: Clone + PartialEq>(history: &[Version<T>], from: NaiveDate, today: NaiveDate, other: impl Fn(&T) -> Option<T>) -> Change<T> {
    refit(history, from, &BTreeSet::new(), today, |facts, _| other(facts).unwrap_or_else(|| facts.clone()))
}

/// As [`recast`], where what `fit` answers changes on the days of `turns` too: it is asked with the first day of every piece.
pub fn refit<T: Clone + PartialEq>(
    history: &[Version<T>],
    from: NaiveDate,
    turns: &BTreeSet<NaiveDate>,
    today: NaiveDate,
    fit: impl Fn(&T, NaiveDate) -> T,
) -> Change<T> {
    let mut change = Change::nothing();
    for version in history.iter().filter(|version| version.valid_to.is_none_or(|to| to >= from)) {
        let first = from.max(version.valid_from);
        let inside = turns.iter().copied().filter(|day| *day > first && version.span().holds(*day));
        let mut pieces: Vec<(NaiveDate, T)> = std::iter::once(first).chain(inside).map(|day| (day, fit(&version.facts, day))).collect();
        pieces.dedup_by(|later, earlier| later.1 == earlier.1);
        if pieces[0].1 == version.facts {
            pieces.remove(0);
        }
        let Some((begins, _)) = pieces.first() else { continue };
        cut(&mut change, version, *begins, today);
        let ends: Vec<Option<NaiveDate>> = pieces.iter().skip(1).map(|(next, _)| next.pred_opt()).chain([version.valid_to]).collect();
        change.added.extend(pieces.into_iter().zip(ends).map(|((from, facts), to)| (Span { from, to }, facts)));
    }
    change
}

/// Lets nothing hold from a day on.
pub fn end<T: Clone>(history: &[Version<T>], from: NaiveDate, today: NaiveDate) -> Change<T> {
    let mut change = Change::nothing();
    for version in history {
        if version.valid_from > from {
            change.superseded.push(version.version_id);
        } else if version.span().holds(from) {
            cut(&mut change, version, from, today);
        }
    }
    change
}

/// Ends a version on the day before `from`.
fn cut<T: Clone>(change: &mut Change<T>, version: &Version<T>, from: NaiveDate, today: NaiveDate) {
    match from.pred_opt().filter(|last| *last >= version.valid_from) {
        // The days to come were only expected: nothing that was ever known of a past day changes.
        Some(last) if from >= today => change.closed.push((version.version_id, last)),
        Some(last) => {
            change.superseded.push(version.version_id);
            change.added.push((Span { from: version.valid_from, to: Some(last) }, version.facts.clone()));
        }
        None => change.superseded.push(version.version_id),
    }
}

/// Closes and supersedes versions of `table` (`household`, `segment`, …); what is added is its own table's to insert.
pub(crate) async fn write<T>(
    tx: &mut Tx,
    table: &'static str,
    municipality: MunicipalityId,
    now: DateTime<Utc>,
    changes: &[(Uuid, Change<T>)],
) -> Result<()> {
    let close = format!("UPDATE {table}_version SET valid_to = $4 WHERE municipality_id = $1 AND {table}_id = $2 AND version_id = $3");
    let supersede = format!("UPDATE {table}_version SET superseded_at = $4 WHERE municipality_id = $1 AND {table}_id = $2 AND version_id = $3");
    for (id, change) in changes {
        for (version, last) in &change.closed {
            run!(tx, sqlx::AssertSqlSafe(close.as_str()), municipality, *id, *version, *last)?;
        }
        for version in &change.superseded {
            run!(tx, sqlx::AssertSqlSafe(supersede.as_str()), municipality, *id, *version, now)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn day(n: i64) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 1, 1).unwrap() + chrono::Duration::days(n)
    }

    fn apply(history: &mut Vec<Version<u8>>, change: Change<u8>, next: &mut u128) {
        for (id, last) in change.closed {
            history.iter_mut().find(|version| version.version_id == id).unwrap().valid_to = Some(last);
        }
        history.retain(|version| !change.superseded.contains(&version.version_id));
        for (span, facts) in change.added {
            *next += 1;
            history.push(Version { version_id: Uuid::from_u128(*next), valid_from: span.from, valid_to: span.to, facts });
        }
        history.sort_by_key(|version| version.valid_from);
    }

    fn on(history: &[Version<u8>], at: i64) -> Option<u8> {
        let mut held = history.iter().filter(|version| version.span().holds(day(at)));
        let found = held.next().map(|version| version.facts);
        assert!(held.next().is_none(), "two versions hold on one day: {history:?}");
        found
    }

    /// Two fields, each of its own.
    impl Fields for (u8, u8) {
        fn after(&self, was: &Self, told: &Self) -> Self {
            (field(&self.0, &was.0, &told.0), field(&self.1, &was.1, &told.1))
        }
    }

    fn on_pair(history: &[Version<(u8, u8)>], at: i64) -> Option<(u8, u8)> {
        history.iter().find(|version| version.span().holds(day(at))).map(|version| version.facts)
    }

    #[test]
    fn properties_are_fields_of_their_own() {
        let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let after = properties(&value(r#"{"a":1,"b":2,"d":4}"#), &value(r#"{"a":1,"b":1,"c":3}"#), &value(r#"{"a":9,"b":9}"#));
        assert_eq!(after, value(r#"{"a":9,"b":2,"d":4}"#));
    }

    #[test]
    fn a_day_nobody_can_mean_is_a_slip() {
        let today = day(0);
        for (text, slips) in [
            ("2926-11-20", true),
            ("9999-12-31", true),
            ("0206-01-01", true),
            ("1989-12-31", true),
            ("1990-01-01", false),
            ("2126-11-20", true),
            ("2099-12-31", false),
        ] {
            assert_eq!(slip(text.parse().unwrap(), today).is_some_and(|line| line.contains("mend the year")), slips, "{text}");
        }
    }

    proptest! {
        // (day, which field, its value): versions of one field each, and then one field is told from some day.
        #[test]
        fn a_field_that_is_told_holds_until_another_value_of_that_field_is_said(
            said in proptest::collection::vec((1i64..20, any::<bool>(), 0u8..4), 0..6), at in 0i64..20, first in any::<bool>(), value in 4u8..6, until in proptest::option::of(0i64..25),
        ) {
            let mut days: std::collections::BTreeMap<i64, (Option<u8>, Option<u8>)> = std::collections::BTreeMap::new();
            for (from, first, value) in said {
                let day = days.entry(from).or_default();
                if first { day.0 = Some(value) } else { day.1 = Some(value) }
            }
            let mut history: Vec<Version<(u8, u8)>> = vec![Version { version_id: Uuid::from_u128(0), valid_from: day(0), valid_to: None, facts: (0, 0) }];
            for (n, (from, (a, b))) in days.iter().enumerate() {
                let last = history.last_mut().unwrap();
                last.valid_to = Some(day(from - 1));
                let facts = (a.unwrap_or(last.facts.0), b.unwrap_or(last.facts.1));
                history.push(Version { version_id: Uuid::from_u128(n as u128 + 1), valid_from: day(*from), valid_to: None, facts });
            }
            let before = history.clone();
            let covering = history.iter().find(|version| version.span().holds(day(at))).unwrap();
            let facts = if first { (value, covering.facts.1) } else { (covering.facts.0, value) };
            let change = tell(&history, Span { from: day(at), to: covering.valid_to }, until.map(day), facts, day(30), |facts, _| facts);
            let after: Vec<Version<(u8, u8)>> = changed(&history, &change, day(0)).into_iter().enumerate()
                .map(|(n, (span, facts))| Version { version_id: Uuid::from_u128(n as u128), valid_from: span.from, valid_to: span.to, facts: *facts }).collect();
            let of = |facts: (u8, u8)| if first { facts } else { (facts.1, facts.0) };
            let mut ended = false;
            for d in 0..25 {
                let (old, new) = (of(on_pair(&before, d).unwrap()), of(on_pair(&after, d).unwrap()));
                prop_assert_eq!(old.1, new.1, "the other field is nobody's");
                let begins = before.iter().any(|version| version.valid_from == day(d));
                ended |= d > at && begins && (old.0 != of(on_pair(&before, d - 1).unwrap()).0 || until.is_some_and(|until| d > until));
                prop_assert_eq!(new.0, if d >= at && !ended { value } else { old.0 }, "on day {}", d);
                prop_assert_eq!(after.iter().filter(|version| version.span().holds(day(d))).count(), 1);
            }
        }

        // (days from today, facts or end)
        #[test]
        fn a_change_says_what_it_says_and_leaves_every_day_before_it(acts in proptest::collection::vec((-20i64..20, proptest::option::of(0u8..5)), 1..12)) {
            let (mut history, mut next) = (Vec::new(), 0);
            for (n, (at, facts)) in acts.into_iter().enumerate() {
                let today = n as i64 * 3;
                let from = today + at;
                let before: Vec<Option<u8>> = (-30..from).map(|d| on(&history, d)).collect();
                let later = history.iter().map(|version| version.valid_from).filter(|d| *d > day(from)).min();
                let closed_before_today = history.clone();
                let change = match facts {
                    Some(facts) => hold(&history, Span { from: day(from), to: None }, facts, day(today)),
                    None => end(&history, day(from), day(today)),
                };
                if at >= 0 {
                    // Nothing but a close, or a version of days to come: what is written of the past stands as it was written.
                    for id in &change.superseded {
                        assert!(closed_before_today.iter().find(|version| version.version_id == *id).unwrap().valid_from >= day(today));
                    }
                }
                apply(&mut history, change, &mut next);
                let after: Vec<Option<u8>> = (-30..from).map(|d| on(&history, d)).collect();
                prop_assert_eq!(before, after);
                let reach = match (facts, later) { (Some(_), Some(later)) => (later - day(0)).num_days(), _ => 80 };
                for d in from..reach {
                    prop_assert_eq!(on(&history, d), facts);
                }
            }
        }
    }
}
