//! Acts on the calendar: a day cancelled, moved, added, and that taken back; holidays entered; whether routes go out on national ones.
//!
//! What concerns days to come is the present's business. A day gone by is the past: that needs a reason in words, is audited as a
//! correction, and what was counted since is counted again.

use super::holiday::{self, Told};
use super::{Calendar, Planned, Reason, Standing, route};
use crate::account::audit;
use crate::clock::show_day;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{Mint, MunicipalityId, RouteId};
use crate::territory::import::WEEKDAYS;
use crate::territory::municipality;
use crate::{all, run};
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use uuid::Uuid;

const STREAMS: [&str; 4] = ["organic", "recyclable", "residual", "mixed"];

/// Who acts, where and when.
pub struct Desk<'a> {
    pub municipality: MunicipalityId,
    pub now: DateTime<Utc>,
    pub today: NaiveDate,
    pub actor: &'a str,
}

/// Why: a word, and what there is to say beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Because {
    pub reason: Reason,
    pub note: Option<String>,
}

impl Because {
    /// Reads `truck` or `truck: eje roto`.
    pub fn read(text: &str) -> Result<Because> {
        let (word, note) = text.split_once(':').map_or((text, None), |(word, note)| (word, Some(note.trim().to_owned())));
        let reason = Reason::parse(word).ok_or_else(|| {
            let known = Reason::ALL.map(Reason::name).join(", ");
            let line =
                format!("--reason «{}»: use one of {known}, and words of your own behind a colon, such as \"truck: broken axle\"", word.trim());
            Error::refused("calendar-reason", line)
        })?;
        Ok(Because { reason, note: note.filter(|note| !note.is_empty()) })
    }
}

/// What was done.
#[derive(Debug, Default)]
pub struct Done {
    /// A sentence each.
    pub lines: Vec<String>,
    pub days: Vec<Value>,
    /// The first day that is other than before.
    pub since: Option<NaiveDate>,
    /// Why the past was corrected, when it was.
    pub corrected: Option<String>,
}

impl Done {
    fn day(&mut self, day: NaiveDate) {
        self.since = Some(self.since.map_or(day, |since| since.min(day)));
    }
}

fn refused(line: String) -> Error {
    Error::refused("calendar-refused", line)
}

impl Desk<'_> {
    /// One act on the calendar of a municipality at a time.
    async fn hold(&self, tx: &mut Tx) -> Result<()> {
        municipality::find(tx, self.municipality).await?;
        run!(tx, "UPDATE municipality SET pilot = pilot WHERE municipality_id = $1", self.municipality)?;
        Ok(())
    }

    /// A day gone by is only changed with words.
    fn past(&self, days: &[NaiveDate], words: Option<&str>, such_as: &str) -> Result<Option<String>> {
        match (days.iter().min().filter(|day| **day < self.today), words) {
            (None, _) => Ok(None),
            (Some(_), Some(words)) => Ok(Some(words.to_owned())),
            (Some(day), None) => Err(refused(format!(
                "{day} has passed: that corrects the past; say why with --reason \"{such_as}\", or give a day from {} on",
                self.today
            ))),
        }
    }

    async fn written(&self, tx: &mut Tx, done: &Done, action: &str, target: &str) -> Result<()> {
        let mut detail = json!({"act": action, "days": done.days});
        if let Some(reason) = &done.corrected {
            detail["reason"] = json!(reason);
        }
        let action = if done.corrected.is_some() { "corrected" } else { "calendar" };
        let entry = audit::Entry { stream: "territory", actor: self.actor, action, target, detail };
        audit::record(tx, self.municipality, self.now, entry).await
    }

    #[expect(clippy::too_many_arguments, reason = "one argument per column")]
    async fn mark(
        &self,
        tx: &mut Tx,
        mint: &mut Mint,
        kind: &str,
        route: Option<RouteId>,
        day: NaiveDate,
        moved_to: Option<NaiveDate>,
        how: Option<(&str, &str, &str)>,
        because: &Because,
    ) -> Result<()> {
        run!(
            tx,
            "INSERT INTO calendar_day (municipality_id, calendar_day_id, route_id, day, kind, moved_to, stream, window_start, window_end, reason, note,
                recorded_at, recorded_by)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
            self.municipality,
            mint.id::<Uuid>(self.now),
            route,
            day,
            kind,
            moved_to,
            how.map(|(stream, ..)| stream),
            how.map(|(_, start, _)| start),
            how.map(|(.., end)| end),
            because.reason.name(),
            because.note.as_deref(),
            self.now,
            self.actor
        )?;
        Ok(())
    }

    /// Nobody collects on these days: one route, or every route of the municipality.
    pub async fn cancel(&self, tx: &mut Tx, mint: &mut Mint, code: Option<&str>, days: &[NaiveDate], because: &Because) -> Result<Done> {
        self.hold(tx).await?;
        let id = match code {
            Some(code) => Some(route(tx, self.municipality, code).await?),
            None => None,
        };
        let corrected = self.past(days, because.note.as_deref(), &format!("{}: what happened", because.reason.name()))?;
        let mut done = Done { corrected, ..Done::default() };
        let mut seen = BTreeSet::new();
        for day in days.iter().copied() {
            if !seen.insert(day) {
                return Err(refused(format!("{day} is given twice; give each day once")));
            }
            let calendar = Calendar::read(tx, self.municipality, day, day).await?;
            let planned = calendar.on(day);
            match (id, code) {
                (Some(id), Some(code)) => {
                    self.lives(tx, id, code, day).await?;
                    match planned.iter().find(|planned| planned.route_id == id) {
                        Some(Planned { standing: Standing::Weekly, .. }) => {}
                        other => return Err(refused(cannot_cancel(code, day, other))),
                    }
                }
                _ => {
                    if calendar.marks.get(&day).is_some_and(|marks| marks.iter().any(|mark| mark.route_id.is_none())) {
                        return Err(refused(format!(
                            "{day} is cancelled for all of {} already; take that back first with vecino geo calendar remove --day {day}",
                            self.municipality
                        )));
                    }
                    let brought = planned.iter().find(|planned| matches!(planned.standing, Standing::Added(_) | Standing::MovedFrom(..)));
                    if let Some(planned) = brought {
                        return Err(refused(cannot_cancel(&planned.code, day, Some(planned))));
                    }
                    if !planned.iter().any(|planned| planned.standing.runs()) {
                        return Err(refused(format!("no route of {} runs on {}; there is nothing to cancel", self.municipality, named(day))));
                    }
                }
            }
            self.mark(tx, mint, "cancelled", id, day, None, None, because).await?;
            let who = code.map_or_else(|| format!("no route of {} runs", self.municipality), |code| format!("route {code} does not run"));
            done.lines.push(format!("{who} on {} ({})", named(day), because.reason.name()));
            done.days.push(json!({"route": code, "day": day, "kind": "cancelled", "reason": because.reason.name(), "note": because.note}));
            done.day(day);
        }
        self.written(tx, &done, "cancelled", code.unwrap_or("all routes")).await?;
        Ok(done)
    }

    /// What is due on one day is collected on another: of one route, or of every route that has the day.
    #[expect(clippy::too_many_arguments, reason = "what moves, from and to, and who says so")]
    pub async fn move_day(
        &self,
        tx: &mut Tx,
        mint: &mut Mint,
        code: Option<&str>,
        day: NaiveDate,
        to: NaiveDate,
        window: Option<(String, String)>,
        because: &Because,
    ) -> Result<Done> {
        self.hold(tx).await?;
        if day == to {
            return Err(refused(format!("--day and --to are both {day}; give the day it is moved to")));
        }
        let corrected = self.past(&[day, to], because.note.as_deref(), &format!("{}: what happened", because.reason.name()))?;
        let mut done = Done { corrected, ..Done::default() };
        let from = Calendar::read(tx, self.municipality, day, day).await?;
        let there = Calendar::read(tx, self.municipality, to, to).await?;
        let mut moved: Vec<Planned> = from.on(day);
        match code {
            Some(code) => {
                let id = route(tx, self.municipality, code).await?;
                self.lives(tx, id, code, day).await?;
                moved.retain(|planned| planned.route_id == id);
                let own = from.marks.get(&day).is_some_and(|marks| marks.iter().any(|mark| mark.route_id == Some(id)));
                match moved.first() {
                    Some(planned) if own || matches!(planned.standing, Standing::Added(_) | Standing::MovedFrom(..)) => {
                        return Err(refused(cannot_cancel(code, day, Some(planned))));
                    }
                    Some(_) => {}
                    None => return Err(refused(format!("route {code} does not run on {}; there is nothing to move", named(day)))),
                }
            }
            None => {
                moved.retain(|planned| matches!(planned.standing, Standing::Weekly | Standing::Rests(_)));
                if moved.is_empty() {
                    return Err(refused(format!("no route of {} runs on {}; there is nothing to move", self.municipality, named(day))));
                }
            }
        }
        let standing = there.on(to);
        for planned in &moved {
            let code = &planned.code;
            if !there.exists(planned.route_id, to) {
                self.lives(tx, planned.route_id, code, to).await?;
            }
            match standing.iter().find(|other| other.route_id == planned.route_id).map(|other| &other.standing) {
                Some(standing) if standing.runs() => {
                    return Err(refused(format!(
                        "route {code} runs on {} anyway; give another day with --to, or cancel {day} with vecino geo calendar cancel",
                        named(to)
                    )));
                }
                Some(Standing::Cancelled(reason)) => {
                    return Err(refused(format!(
                        "route {code} is cancelled on {} ({}); give another day with --to, or take that back with vecino geo calendar remove --day {to}",
                        named(to),
                        reason.name()
                    )));
                }
                _ => {}
            }
            let (start, end) = window.clone().unwrap_or_else(|| (planned.window_start.clone(), planned.window_end.clone()));
            self.mark(tx, mint, "moved", Some(planned.route_id), day, Some(to), Some((&planned.stream, &start, &end)), because).await?;
            done.lines.push(format!("route {code} runs on {} instead of {} ({})", named(to), named(day), because.reason.name()));
            done.days.push(json!({"route": code, "day": day, "kind": "moved", "to": to, "stream": planned.stream, "window": [start, end],
                "reason": because.reason.name(), "note": because.note}));
            done.day(day.min(to));
        }
        self.written(tx, &done, "moved", code.unwrap_or("all routes")).await?;
        Ok(done)
    }

    /// A route runs on a day its week has not, or on which it would rest.
    #[expect(clippy::too_many_arguments, reason = "what is added, and who says so")]
    pub async fn add(
        &self,
        tx: &mut Tx,
        mint: &mut Mint,
        code: &str,
        day: NaiveDate,
        stream: Option<&str>,
        window: Option<(String, String)>,
        because: &Because,
    ) -> Result<Done> {
        self.hold(tx).await?;
        let id = route(tx, self.municipality, code).await?;
        if let Some(stream) = stream.filter(|stream| !STREAMS.contains(stream)) {
            return Err(refused(format!("--stream «{stream}»: use one of {}", STREAMS.join(", "))));
        }
        let corrected = self.past(&[day], because.note.as_deref(), &format!("{}: what happened", because.reason.name()))?;
        let calendar = Calendar::read(tx, self.municipality, day, day).await?;
        self.lives(tx, id, code, day).await?;
        let planned = calendar.on(day).into_iter().find(|planned| planned.route_id == id);
        let own = calendar.marks.get(&day).is_some_and(|marks| marks.iter().any(|mark| mark.route_id == Some(id)));
        match &planned {
            Some(planned) if planned.standing == Standing::Weekly => {
                return Err(refused(format!("route {code} runs on {} anyway; give another day", named(day))));
            }
            Some(planned) if own || planned.standing.runs() => return Err(refused(cannot_cancel(code, day, Some(planned)))),
            _ => {}
        }
        let week = match planned {
            Some(planned) => vec![(planned.stream, planned.window_start, planned.window_end)],
            None => calendar.week_of(id, day),
        };
        let one = |mut values: Vec<String>, option: &str| {
            values.sort();
            values.dedup();
            match values.len() {
                1 => Ok(values.remove(0)),
                _ => Err(refused(format!("route {code} has {} on its days; say which with {option}", values.join(", ")))),
            }
        };
        let stream = match stream {
            Some(stream) => stream.to_owned(),
            None => one(week.iter().map(|(stream, ..)| stream.clone()).collect(), "--stream")?,
        };
        let (start, end) = match window {
            Some(window) => window,
            None => {
                let hours = one(week.iter().map(|(_, start, end)| format!("{start}-{end}")).collect(), "--window")?;
                hours.split_once('-').map(|(start, end)| (start.to_owned(), end.to_owned())).unwrap_or_default()
            }
        };
        self.mark(tx, mint, "added", Some(id), day, None, Some((&stream, &start, &end)), because).await?;
        let mut done = Done { corrected, ..Done::default() };
        done.lines.push(format!("route {code} runs on {}, {start} to {end}, {stream} ({})", named(day), because.reason.name()));
        done.days.push(json!({"route": code, "day": day, "kind": "added", "stream": stream, "window": [start, end],
            "reason": because.reason.name(), "note": because.note}));
        done.day(day);
        self.written(tx, &done, "added", code).await?;
        Ok(done)
    }

    /// Takes back what was said of a day: it is again as the week and the holidays say. What was said is kept.
    pub async fn remove(&self, tx: &mut Tx, code: Option<&str>, day: NaiveDate, words: Option<&str>) -> Result<Done> {
        self.hold(tx).await?;
        let id = match code {
            Some(code) => Some(route(tx, self.municipality, code).await?),
            None => None,
        };
        let calendar = Calendar::read(tx, self.municipality, day, day).await?;
        let mark = calendar.marks.get(&day).and_then(|marks| marks.iter().find(|mark| mark.route_id == id)).cloned();
        let who = code.map_or_else(|| format!("all of {}", self.municipality), |code| format!("route {code}"));
        let Some(mark) = mark else {
            let came = calendar.arrivals.get(&day).and_then(|marks| marks.iter().find(|mark| id.is_some() && mark.route_id == id));
            let own: Vec<String> = calendar
                .on(day)
                .into_iter()
                .filter(|p| calendar.marks.get(&day).is_some_and(|m| m.iter().any(|m| m.route_id == Some(p.route_id))))
                .map(|p| p.code)
                .collect();
            let rest = match (came, own.is_empty() || id.is_some()) {
                (Some(came), _) => format!("it was moved here: take that back with --day {}", came.day),
                (None, false) => format!("something is said of single routes: name one with --route ({})", own.join(", ")),
                (None, true) => format!("see what is with vecino geo calendar list --municipality {}", self.municipality),
            };
            return Err(refused(format!("nothing is said of {who} on {day}; {rest}")));
        };
        let touched: Vec<NaiveDate> = [Some(day), mark.moved_to].into_iter().flatten().collect();
        let corrected = self.past(&touched, words, "what was wrong")?;
        let back = calendar.route_back(&mark, day);
        if let Some(planned) = back {
            return Err(refused(format!("route {} was moved onto {day} meanwhile; take that back first", planned)));
        }
        run!(
            tx,
            "UPDATE calendar_day SET superseded_at = $4
              WHERE municipality_id = $1 AND day = $2 AND superseded_at IS NULL AND (route_id = $3 OR (route_id IS NULL AND $3 IS NULL))",
            self.municipality,
            day,
            id,
            self.now
        )?;
        let mut done = Done { corrected, ..Done::default() };
        done.lines.push(format!("{who} on {}: {} is taken back", named(day), mark.kind));
        done.days.push(json!({"route": code, "day": day, "kind": "removed", "was": mark.kind, "to": mark.moved_to}));
        for day in touched {
            done.day(day);
        }
        self.written(tx, &done, "removed", code.unwrap_or("all routes")).await?;
        Ok(done)
    }

    /// From a day on routes go out on national holidays, or rest.
    pub async fn rule(&self, tx: &mut Tx, mint: &mut Mint, code: Option<&str>, collects: bool, from: NaiveDate, words: Option<&str>) -> Result<Done> {
        self.hold(tx).await?;
        let id = match code {
            Some(code) => Some(route(tx, self.municipality, code).await?),
            None => None,
        };
        let corrected = self.past(&[from], words, "what was wrong")?;
        let mut done = Done { corrected, ..Done::default() };
        let stands: Option<(bool,)> = crate::opt!(
            tx,
            "SELECT collects FROM holiday_rule
              WHERE municipality_id = $1 AND superseded_at IS NULL AND valid_from <= $2 AND (route_id = $3 OR (route_id IS NULL AND $3 IS NULL))
              ORDER BY valid_from DESC LIMIT 1",
            self.municipality,
            from,
            id
        )?;
        let who = code.map_or_else(|| format!("the routes of {}", self.municipality), |code| format!("route {code}"));
        let what = if collects { "collect" } else { "rest" };
        if stands == Some((collects,)) {
            done.lines.push(format!("nothing changed: {who} {what} on national holidays already"));
            return Ok(done);
        }
        run!(
            tx,
            "UPDATE holiday_rule SET superseded_at = $4
              WHERE municipality_id = $1 AND superseded_at IS NULL AND valid_from = $2 AND (route_id = $3 OR (route_id IS NULL AND $3 IS NULL))",
            self.municipality,
            from,
            id,
            self.now
        )?;
        add_rule(tx, self.municipality, mint.id::<Uuid>(self.now), id, collects, from, (self.now, self.actor)).await?;
        done.lines.push(format!("{who} {what} on national holidays from {} on", show_day(from)));
        done.days.push(json!({"route": code, "from": from, "kind": "rule", "collects": collects}));
        done.day(from);
        self.written(tx, &done, "holiday rule", code.unwrap_or("all routes")).await?;
        Ok(done)
    }

    /// Holidays of a file: of this municipality, or (municipality 0) of the whole country. What is there already stays.
    pub async fn holidays(&self, tx: &mut Tx, mint: &mut Mint, told: &[Told], file: &str, words: Option<&str>) -> Result<Done> {
        let national = self.municipality == MunicipalityId::NONE;
        if !national {
            self.hold(tx).await?;
        }
        let (Some(first), Some(last)) = (told.iter().map(|t| t.day).min(), told.iter().map(|t| t.day).max()) else { return Ok(Done::default()) };
        let stands = holiday::entered(tx, self.municipality, first, last).await?;
        let mut done = Done::default();
        let mut unchanged = 0;
        for Told { row, day, name, collects } in told {
            // Silent about collecting: a municipality's own holiday is one on which it rests.
            let collects = collects.or((!national).then_some(false));
            let known = stands.get(day).filter(|known| (known.kind == holiday::Kind::National) == national);
            if known.is_some_and(|known| known.name == *name && known.collects == collects) {
                unchanged += 1;
                continue;
            }
            let corrected = self.past(&[*day], words, "what was wrong").map_err(|e| refused(format!("{file}: row {row}: {e}")))?;
            done.corrected = done.corrected.or(corrected);
            run!(
                tx,
                "UPDATE holiday SET superseded_at = $3 WHERE municipality_id = $1 AND day = $2 AND superseded_at IS NULL",
                self.municipality,
                *day,
                self.now
            )?;
            run!(
                tx,
                "INSERT INTO holiday (municipality_id, holiday_id, day, name, collects, recorded_at, recorded_by) VALUES ($1, $2, $3, $4, $5, $6, $7)",
                self.municipality,
                mint.id::<Uuid>(self.now),
                *day,
                name,
                collects,
                self.now,
                self.actor
            )?;
            done.days.push(json!({"day": day, "name": name, "kind": "holiday", "collects": collects}));
            done.day(*day);
        }
        let new = done.days.len();
        done.lines.push(match new {
            0 => format!("{file}: nothing changed; all {unchanged} holidays are there already"),
            _ => format!("{file}: {new} holidays entered, {unchanged} unchanged"),
        });
        if new > 0 {
            self.written(tx, &done, "holidays", file).await?;
        }
        Ok(done)
    }

    /// Takes an entered holiday back.
    pub async fn remove_holiday(&self, tx: &mut Tx, day: NaiveDate, words: Option<&str>) -> Result<Done> {
        let corrected = self.past(&[day], words, "what was wrong")?;
        let gone = run!(
            tx,
            "UPDATE holiday SET superseded_at = $3 WHERE municipality_id = $1 AND day = $2 AND superseded_at IS NULL",
            self.municipality,
            day,
            self.now
        )?;
        if gone == 0 {
            let rest = match holiday::national(day) {
                Some(national) => format!(
                    "{} is the law's: to collect on it, enter it with collects = yes, or say so for all with vecino geo calendar holidays --collect",
                    national.name
                ),
                None => "see what is with vecino geo calendar list".to_owned(),
            };
            return Err(refused(format!("no holiday was entered on {day}; {rest}")));
        }
        let mut done = Done { corrected, ..Done::default() };
        done.lines.push(format!("the holiday of {} is taken back", named(day)));
        done.days.push(json!({"day": day, "kind": "removed", "was": "holiday"}));
        done.day(day);
        self.written(tx, &done, "holiday removed", "holiday").await?;
        Ok(done)
    }

    /// Refuses a day on which the route is not there.
    async fn lives(&self, tx: &mut Tx, route: RouteId, code: &str, day: NaiveDate) -> Result<()> {
        let spans: Vec<(NaiveDate, Option<NaiveDate>)> = all!(
            tx,
            "SELECT valid_from, valid_to FROM route_version WHERE municipality_id = $1 AND route_id = $2 AND superseded_at IS NULL ORDER BY valid_from",
            self.municipality,
            route
        )?;
        if spans.iter().any(|(from, to)| *from <= day && to.is_none_or(|to| day <= to)) {
            return Ok(());
        }
        let line = match (spans.first(), spans.last()) {
            (Some((from, _)), _) if day < *from => format!("route {code} begins on {from} and was not there on {day}; give a day from then on"),
            (_, Some((_, Some(to)))) if day > *to => format!("route {code} ended on {to} and is not there on {day}; give a day up to then"),
            _ => format!("route {code} is not there on {day}; give a day on which it runs"),
        };
        Err(refused(line))
    }
}

/// Writes a rule for national holidays. A practice town writes its own with identities of its own.
pub async fn add_rule(
    tx: &mut Tx,
    municipality: MunicipalityId,
    id: Uuid,
    route: Option<RouteId>,
    collects: bool,
    from: NaiveDate,
    (at, by): (DateTime<Utc>, &str),
) -> Result<()> {
    run!(
        tx,
        "INSERT INTO holiday_rule (municipality_id, rule_id, route_id, valid_from, collects, recorded_at, recorded_by) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        municipality,
        id,
        route,
        from,
        collects,
        at,
        by
    )?;
    Ok(())
}

impl Calendar {
    /// A cancelled or moved day comes back when its word goes; the route that was moved onto it meanwhile, if one was.
    fn route_back(&self, mark: &super::Mark, day: NaiveDate) -> Option<String> {
        let arrived = self.arrivals.get(&day)?.iter().find(|came| came.route_id == mark.route_id && mark.kind != "added")?;
        self.weeks.iter().find(|row| Some(row.route_id) == arrived.route_id).map(|row| row.code.clone())
    }
}

/// `Friday 2026-12-25`, with the weekday as files write it.
fn named(day: NaiveDate) -> String {
    use chrono::Datelike;
    format!("{} {day}", WEEKDAYS[day.weekday().num_days_from_monday() as usize])
}

fn cannot_cancel(code: &str, day: NaiveDate, planned: Option<&Planned>) -> String {
    let back = format!("take that back first with vecino geo calendar remove --route {code} --day");
    match planned.map(|planned| &planned.standing) {
        None => format!("route {code} does not run on {}; there is nothing to cancel", named(day)),
        Some(Standing::Weekly) => format!("route {code} runs on {}", named(day)),
        Some(Standing::Cancelled(reason)) => format!("route {code} is cancelled on {} already ({}); {back} {day}", named(day), reason.name()),
        Some(Standing::MovedTo(to, reason)) => {
            format!("route {code} was moved from {} to {} already ({}); {back} {day}", named(day), named(*to), reason.name())
        }
        Some(Standing::MovedFrom(from, reason)) => {
            format!("route {code} was moved onto {} from {} ({}); {back} {from}", named(day), named(*from), reason.name())
        }
        Some(Standing::Added(reason)) => format!("route {code} was added on {} ({}); {back} {day}", named(day), reason.name()),
        Some(Standing::Rests(name)) => format!("route {code} rests on {} already ({name}); there is nothing to cancel", named(day)),
    }
}
