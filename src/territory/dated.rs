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
use chrono::{DateTime, NaiveDate, Utc};
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

/// From a day on, every version of a history that `other` answers for has the facts it answers, up to the end it has.
pub fn recast<T: Clone + PartialEq>(history: &[Version<T>], from: NaiveDate, today: NaiveDate, other: impl Fn(&T) -> Option<T>) -> Change<T> {
    let there = history.iter().filter(|version| version.valid_to.is_none_or(|to| to >= from));
    there.fold(Change::nothing(), |whole, version| match other(&version.facts) {
        Some(facts) => whole.with(hold(history, Span { from: from.max(version.valid_from), to: version.valid_to }, facts, today)),
        None => whole,
    })
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

    proptest! {
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
