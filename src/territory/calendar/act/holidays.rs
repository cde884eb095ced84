//! Holidays entered and taken back, and whether routes go out on national ones.

use super::{Desk, Done, named, refused};
use crate::clock::show_day;
use crate::db::Tx;
use crate::error::Result;
use crate::id::{Mint, MunicipalityId, RouteId};
use crate::territory::calendar::holiday::{self, Told};
use crate::territory::calendar::route;
use crate::{opt, run};
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::json;
use uuid::Uuid;

impl Desk<'_> {
    /// From a day on routes go out on national holidays, or rest.
    pub async fn rule(&self, tx: &mut Tx, mint: &mut Mint, code: Option<&str>, collects: bool, from: NaiveDate, words: Option<&str>) -> Result<Done> {
        self.hold(tx).await?;
        let id = match code {
            Some(code) => Some(route(tx, self.municipality, code).await?),
            None => None,
        };
        let corrected = self.past(&[from], words, "what was wrong")?;
        if let Some((id, code)) = id.zip(code) {
            self.lives(tx, id, code, from).await?;
        }
        let mut done = Done { corrected, ..Done::default() };
        let stands: Option<(bool,)> = opt!(
            tx,
            "SELECT collects FROM holiday_rule
              WHERE municipality_id = $1 AND superseded_at IS NULL AND valid_from <= $2 AND (route_id = $3 OR (route_id IS NULL AND $3 IS NULL))
              ORDER BY valid_from DESC LIMIT 1",
            self.municipality,
            from,
            id
        )?;
        let who = code.map_or_else(|| format!("the routes of {}", self.municipality), |code| format!("route {code}"));
        let what = match (code.is_some(), collects) {
            (true, true) => "collects",
            (true, false) => "rests",
            (false, true) => "collect",
            (false, false) => "rest",
        };
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
            1 => format!("{file}: 1 holiday entered, {unchanged} unchanged"),
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
                    "{} is the law's: to collect on it, enter it with collects = yes, or say so for all with {}",
                    national.name,
                    self.typed("holidays --collect", None, &[])
                ),
                None => format!("see what is with {}", self.list(day)),
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
