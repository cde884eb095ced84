//! A day cancelled, moved, added, and that taken back.

use super::{Because, Desk, Done, named, refused};
use crate::db::Tx;
use crate::error::Result;
use crate::id::{Mint, RouteId};
use crate::run;
use crate::territory::calendar::{Calendar, Mark, Planned, Standing, route};
use chrono::NaiveDate;
use serde_json::json;
use std::collections::BTreeSet;
use uuid::Uuid;

const STREAMS: [&str; 4] = ["organic", "recyclable", "residual", "mixed"];

impl Desk<'_> {
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
                        other => return Err(refused(self.said_already(&calendar, code, day, other))),
                    }
                }
                _ => {
                    if calendar.marks.get(&day).is_some_and(|marks| marks.iter().any(|mark| mark.route_id.is_none())) {
                        return Err(refused(format!(
                            "{day} is cancelled for all of {} already; take that back first with {}",
                            self.municipality,
                            self.take_back(None, &[day])
                        )));
                    }
                    let brought = planned.iter().find(|planned| matches!(planned.standing, Standing::Added(_) | Standing::MovedFrom(..)));
                    if let Some(planned) = brought {
                        return Err(refused(self.said_already(&calendar, &planned.code, day, Some(planned))));
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
                let own = from.own(id, day);
                match moved.first() {
                    Some(planned) if own || matches!(planned.standing, Standing::Added(_) | Standing::MovedFrom(..)) => {
                        return Err(refused(self.said_already(&from, code, day, Some(planned))));
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
                        "route {code} runs on {} anyway; give another day with --to, or cancel the other with {}",
                        named(to),
                        self.cancel_instead(code, day, because)
                    )));
                }
                Some(Standing::Cancelled(reason)) => {
                    return Err(refused(format!(
                        "route {code} is cancelled on {} ({}); give another day with --to, or take that back with {}",
                        named(to),
                        reason.name(),
                        self.take_back(there.own(planned.route_id, to).then_some(code.as_str()), &[to])
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
        let own = calendar.own(id, day);
        match &planned {
            Some(planned) if planned.standing == Standing::Weekly => {
                return Err(refused(format!("route {code} runs on {} anyway; give another day", named(day))));
            }
            Some(planned) if own || planned.standing.runs() => return Err(refused(self.said_already(&calendar, code, day, Some(planned)))),
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
            let own: Vec<String> =
                calendar.on(day).into_iter().filter(|planned| calendar.own(planned.route_id, day)).map(|planned| planned.code).collect();
            let whole = calendar.marks.get(&day).is_some_and(|marks| marks.iter().any(|mark| mark.route_id.is_none()));
            let rest = match (came, own.first()) {
                (Some(came), _) => format!("it was moved here: take that back with {}", self.take_back(code, &[came.day, day])),
                (None, _) if id.is_some() && whole => {
                    format!("it is cancelled for all of {}: take that back with {}", self.municipality, self.take_back(None, &[day]))
                }
                (None, Some(first)) if id.is_none() => {
                    format!("something is said of single routes ({}): take that back with {}", own.join(", "), self.take_back(Some(first), &[day]))
                }
                (None, _) => format!("see what is with {}", self.list(day)),
            };
            return Err(refused(format!("nothing is said of {who} on {day}; {rest}")));
        };
        let touched: Vec<NaiveDate> = [Some(day), mark.moved_to].into_iter().flatten().collect();
        let corrected = self.past(&touched, words, "what was wrong")?;
        if let Some(back) = calendar.route_back(&mark, day) {
            let (code, from) = back;
            return Err(refused(format!(
                "route {code} was moved onto {day} meanwhile; take that back first with {}",
                self.take_back(Some(&code), &[from, day])
            )));
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
}

impl Calendar {
    /// A cancelled or moved day comes back when its word goes; the route that was moved onto it meanwhile, if one was, and from which day.
    fn route_back(&self, mark: &Mark, day: NaiveDate) -> Option<(String, NaiveDate)> {
        let arrived = self.arrivals.get(&day)?.iter().find(|came| came.route_id == mark.route_id && mark.kind != "added")?;
        self.weeks.iter().find(|row| Some(row.route_id) == arrived.route_id).map(|row| (row.code.clone(), arrived.day))
    }
}
