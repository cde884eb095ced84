//! `vecino geo calendar …`

use super::act::{Because, Desk, Done};
use super::holiday;
use super::{Calendar, Planned, Standing, planned, route};
use crate::app::{App, Options, print};
use crate::clock::show_day;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{Mint, MunicipalityId};
use crate::sheet::{Written, words};
use crate::territory::change::{Changed, Follow};
use crate::territory::check;
use crate::territory::municipality;
use chrono::{Days, NaiveDate};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Place {
    /// INE code; not needed where only one municipality has routes
    #[arg(long, value_name = "CODE")]
    municipality: Option<String>,
    /// One route, by its code; without it every route of the municipality
    #[arg(long, value_name = "ROUTE")]
    route: Option<String>,
}

#[derive(Debug, Args)]
pub struct Why {
    /// holiday, truck, flood_or_landslide, dump_closed, event or other; your own words behind a colon: "truck: broken axle". A day gone by
    /// needs such words: that corrects the past, and what was counted since is counted again
    #[arg(long, value_name = "REASON")]
    reason: String,
    /// Say what would change and change nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// What is other than the week says: days cancelled, moved and added, and holidays
    List {
        #[command(flatten)]
        place: Place,
        /// First day [default: today]
        #[arg(long, value_name = "DAY")]
        from: Option<String>,
        /// Last day [default: eight weeks after the first]
        #[arg(long, value_name = "DAY")]
        to: Option<String>,
        /// Every day of every route, also those that are as the week says
        #[arg(long)]
        all: bool,
    },
    /// Nobody collects on a day: of one route, or of the whole municipality
    Cancel {
        #[command(flatten)]
        place: Place,
        /// 2026-12-24; may be repeated
        #[arg(long = "day", value_name = "DAY", required = true)]
        days: Vec<String>,
        #[command(flatten)]
        why: Why,
    },
    /// What is due on one day is collected on another
    Move {
        #[command(flatten)]
        place: Place,
        /// The day it is due
        #[arg(long, value_name = "DAY")]
        day: String,
        /// The day it is collected
        #[arg(long, value_name = "DAY")]
        to: String,
        /// Other hours than on the day itself, such as 22:00-04:00
        #[arg(long, value_name = "HH:MM-HH:MM")]
        window: Option<String>,
        #[command(flatten)]
        why: Why,
    },
    /// A route runs on a day its week has not, or on which it would rest
    Add {
        #[command(flatten)]
        place: Place,
        #[arg(long, value_name = "DAY")]
        day: String,
        /// organic, recyclable, residual or mixed [default: the one of the route's week, if it is one]
        #[arg(long, value_name = "STREAM")]
        stream: Option<String>,
        /// [default: the hours of the route's week]
        #[arg(long, value_name = "HH:MM-HH:MM")]
        window: Option<String>,
        #[command(flatten)]
        why: Why,
    },
    /// Take back what was said of a day: it is again as the week and the holidays say
    Remove {
        #[command(flatten)]
        place: Place,
        #[arg(long, value_name = "DAY")]
        day: String,
        /// The holiday that was entered on this day, not what was said of routes
        #[arg(long)]
        holiday: bool,
        /// With --holiday: one that was entered for the whole country
        #[arg(long, requires = "holiday", conflicts_with = "municipality")]
        national: bool,
        /// What was wrong; a day gone by needs it
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Say what would change and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Enter holidays from a file (CSV: date,name[,collects]), or say whether routes go out on national ones
    #[command(after_help = HOLIDAYS)]
    Holidays {
        #[command(flatten)]
        place: Place,
        file: Option<PathBuf>,
        /// The file's holidays are the whole country's
        #[arg(long, requires = "file", conflicts_with_all = ["municipality", "route"])]
        national: bool,
        /// Routes go out on national holidays
        #[arg(long, conflicts_with_all = ["rest", "file"])]
        collect: bool,
        /// Routes rest on national holidays
        #[arg(long, conflicts_with = "file")]
        rest: bool,
        /// With --collect or --rest: from this day on [default: today]
        #[arg(long, value_name = "DAY", conflicts_with = "file")]
        from: Option<String>,
        /// What was wrong; days gone by need it
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Say what would change and change nothing
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        written: Written,
    },
}

const HOLIDAYS: &str =
    "National holidays ship with the program (Código de Trabajo, art. 127; Decreto 19-2018). On them routes rest, unless the municipality
says --collect; on 24 and 31 December they rest from noon, so what leaves before is collected. A holiday entered for a
municipality, its fair for one, is a day on which its routes rest, unless its row says collects = yes; entered for a day of the
law it replaces it. On any holiday nobody is written to.";

pub async fn run(command: Command, options: &Options, follow: Follow) -> Result<()> {
    let app = options.open().await?;
    let today = app.clock.today();
    let mut tx = app.db.write().await?;
    let (mut mint, now) = (Mint::system(), app.clock.now());
    let desk = |municipality| Desk { municipality, now, today, actor: "command line" };
    match command {
        Command::List { place, from, to, all } => {
            let municipality = municipality_of(&mut tx, &place).await?;
            let from = from.as_deref().map(|text| a_day("--from", text)).transpose()?.unwrap_or(today);
            let to = to.as_deref().map(|text| a_day("--to", text)).transpose()?.unwrap_or(from + Days::new(56));
            if to < from || (to - from).num_days() > 3660 {
                return Err(Error::refused("calendar-refused", format!("--to {to} is before --from {from}, or more than ten years later; mend one")));
            }
            list(&mut tx, options, municipality, place.route.as_deref(), from, to, all).await
        }
        Command::Cancel { place, days, why } => {
            let because = Because::read(&why.reason)?;
            let days = days.iter().map(|text| a_day("--day", text)).collect::<Result<Vec<_>>>()?;
            let municipality = municipality_of(&mut tx, &place).await?;
            let done = desk(municipality).cancel(&mut tx, &mut mint, place.route.as_deref(), &days, &because).await?;
            finish(&app, tx, options, vec![municipality], done, why.dry_run, follow).await
        }
        Command::Move { place, day, to, window, why } => {
            let because = Because::read(&why.reason)?;
            let (day, to, window) = (a_day("--day", &day)?, a_day("--to", &to)?, window.as_deref().map(hours).transpose()?);
            let municipality = municipality_of(&mut tx, &place).await?;
            let done = desk(municipality).move_day(&mut tx, &mut mint, place.route.as_deref(), day, to, window, &because).await?;
            finish(&app, tx, options, vec![municipality], done, why.dry_run, follow).await
        }
        Command::Add { place, day, stream, window, why } => {
            let because = Because::read(&why.reason)?;
            let (day, window) = (a_day("--day", &day)?, window.as_deref().map(hours).transpose()?);
            let Some(code) = place.route.as_deref() else {
                return Err(Error::refused("calendar-refused", format!("a day is added to one route: name it with --route, for {day}")));
            };
            let stream = stream.map(|stream| stream.to_lowercase());
            let municipality = municipality_of(&mut tx, &place).await?;
            let done = desk(municipality).add(&mut tx, &mut mint, code, day, stream.as_deref(), window, &because).await?;
            finish(&app, tx, options, vec![municipality], done, why.dry_run, follow).await
        }
        Command::Remove { place, day, holiday, national, reason, dry_run } => {
            let day = a_day("--day", &day)?;
            let reason = reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty());
            if national {
                let done = desk(MunicipalityId::NONE).remove_holiday(&mut tx, day, reason).await?;
                let everywhere = municipality::with_routes(&mut tx).await?;
                return finish(&app, tx, options, everywhere, done, dry_run, follow).await;
            }
            let municipality = municipality_of(&mut tx, &place).await?;
            let done = match holiday {
                true => desk(municipality).remove_holiday(&mut tx, day, reason).await?,
                false => desk(municipality).remove(&mut tx, place.route.as_deref(), day, reason).await?,
            };
            finish(&app, tx, options, vec![municipality], done, dry_run, follow).await
        }
        Command::Holidays { place, file, national, collect, rest, from, reason, dry_run, written } => {
            let reason = reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty());
            let Some(file) = file else {
                if !collect && !rest {
                    let line = "name a file of holidays, or say --collect or --rest for the national ones (vecino geo calendar list shows them)";
                    return Err(Error::refused("calendar-refused", line));
                }
                let from = from.as_deref().map(|text| a_day("--from", text)).transpose()?.unwrap_or(today);
                let municipality = municipality_of(&mut tx, &place).await?;
                let done = desk(municipality).rule(&mut tx, &mut mint, place.route.as_deref(), collect, from, reason).await?;
                return finish(&app, tx, options, vec![municipality], done, dry_run, follow).await;
            };
            let name = file.display().to_string();
            let told = holiday::read(&name, &check::read(&file)?, &written)?;
            let (of, reached) = match national {
                true => (MunicipalityId::NONE, municipality::with_routes(&mut tx).await?),
                false => {
                    let municipality = municipality_of(&mut tx, &place).await?;
                    (municipality, vec![municipality])
                }
            };
            let done = desk(of).holidays(&mut tx, &mut mint, &told, &name, reason).await?;
            finish(&app, tx, options, reached, done, dry_run, follow).await
        }
    }
}

/// What follows, and what is said of it.
async fn finish(
    app: &App,
    mut tx: Tx,
    options: &Options,
    municipalities: Vec<MunicipalityId>,
    done: Done,
    dry_run: bool,
    follow: Follow,
) -> Result<()> {
    if let Some(since) = done.since {
        for municipality in municipalities {
            let changed = Changed {
                municipality,
                since,
                reason: done.corrected.as_deref(),
                now: app.clock.now(),
                today: app.clock.today(),
                what: "the calendar",
            };
            follow(&mut tx, changed).await?;
        }
    }
    if !dry_run {
        tx.commit().await?;
    }
    if options.json {
        return print(&format!("{}\n", json!({"done": done.days, "corrected": done.corrected, "dry_run": dry_run})));
    }
    let mut text = done.lines.join("\n") + "\n";
    if dry_run {
        text.push_str("dry run: nothing was stored\n");
    }
    print(&text)
}

fn a_day(option: &str, text: &str) -> Result<NaiveDate> {
    words::day(text).ok_or_else(|| Error::refused("day", format!("{option} «{text}» is not a day; write it like 2026-12-24")))
}

/// `22:00-04:00`
fn hours(text: &str) -> Result<(String, String)> {
    let time = |text: &str| chrono::NaiveTime::parse_from_str(text.trim(), "%H:%M").ok().map(|time| time.format("%H:%M").to_string());
    let read = text.split_once(['-', '–']).and_then(|(start, end)| Some((time(start)?, time(end)?))).filter(|(start, end)| start != end);
    read.ok_or_else(|| Error::refused("window", format!("--window «{text}» is no window; write it like 06:00-11:00")))
}

/// The municipality named, or the only one there is to name.
pub async fn municipality_of(tx: &mut Tx, place: &Place) -> Result<MunicipalityId> {
    named_or_only(tx, place.municipality.as_deref()).await
}

pub async fn named_or_only(tx: &mut Tx, code: Option<&str>) -> Result<MunicipalityId> {
    if let Some(code) = code {
        return Ok(municipality::find(tx, MunicipalityId::parse(code)?).await?.municipality_id);
    }
    let there = municipality::with_routes(tx).await?;
    match there[..] {
        [only] => Ok(only),
        _ => {
            let codes: Vec<String> = there.iter().map(MunicipalityId::to_string).collect();
            let rest = if codes.is_empty() { "none has routes yet".to_owned() } else { format!("these have routes: {}", codes.join(", ")) };
            Err(Error::refused("municipality-needed", format!("name the municipality with --municipality CODE; {rest}")))
        }
    }
}

fn standing(planned: &Planned) -> Value {
    let mut row = json!({"day": planned.day, "route": planned.code, "name": planned.name, "runs": planned.standing.runs(), "stream": planned.stream,
        "window": [planned.window_start, planned.window_end]});
    let (word, reason) = match &planned.standing {
        Standing::Weekly => ("weekly", None),
        Standing::Added(reason) => ("added", Some(reason)),
        Standing::MovedFrom(from, reason) => {
            row["from"] = json!(from);
            ("moved_from", Some(reason))
        }
        Standing::Cancelled(reason) => ("cancelled", Some(reason)),
        Standing::MovedTo(to, reason) => {
            row["to"] = json!(to);
            ("moved_to", Some(reason))
        }
        Standing::Rests(name) => {
            row["holiday"] = json!(name);
            ("holiday", None)
        }
    };
    row["standing"] = json!(word);
    row["reason"] = json!(reason.map(|reason| reason.name()));
    row
}

async fn list(
    tx: &mut Tx,
    options: &Options,
    municipality: MunicipalityId,
    code: Option<&str>,
    from: NaiveDate,
    to: NaiveDate,
    all: bool,
) -> Result<()> {
    let only = match code {
        Some(code) => Some(route(tx, municipality, code).await?),
        None => None,
    };
    let calendar = Calendar::read(tx, municipality, from, to).await?;
    let holidays: Vec<holiday::Holiday> = from.iter_days().take_while(|day| *day <= to).filter_map(|day| calendar.holiday(day)).collect();
    let mut days = planned(tx, municipality, from, to).await?;
    days.retain(|planned| only.is_none_or(|only| planned.route_id == only) && (all || planned.standing != Standing::Weekly));
    if options.json {
        let kind = |holiday: &holiday::Holiday| if holiday.kind == holiday::Kind::National { "national" } else { "local" };
        let holidays: Vec<Value> = holidays
            .iter()
            .map(|h| json!({"day": h.day, "name": h.name, "kind": kind(h), "collects": h.collects, "from_noon": h.from_noon}))
            .collect();
        let days: Vec<Value> = days.iter().map(standing).collect();
        let document = json!({"municipality": municipality.to_string(), "from": from, "to": to, "days": days, "holidays": holidays});
        return print(&format!("{document}\n"));
    }
    let mut text = String::new();
    for holiday in &holidays {
        let noon = if holiday.from_noon { ", from noon" } else { "" };
        text.push_str(&format!("{}  holiday{noon}: {}\n", show_day(holiday.day), holiday.name));
    }
    for planned in &days {
        let window = format!("{} to {}, {}", planned.window_start, planned.window_end, planned.stream);
        let what = match &planned.standing {
            Standing::Weekly => window,
            Standing::Added(reason) => format!("added ({}): {window}", reason.name()),
            Standing::MovedFrom(from, reason) => format!("moved here from {} ({}): {window}", show_day(*from), reason.name()),
            Standing::Cancelled(reason) => format!("cancelled ({})", reason.name()),
            Standing::MovedTo(to, reason) => format!("moved to {} ({})", show_day(*to), reason.name()),
            Standing::Rests(name) => format!("rests ({name})"),
        };
        text.push_str(&format!("{}  {}  {what}\n", show_day(planned.day), planned.code));
    }
    if text.is_empty() {
        text = format!("{municipality}: from {} to {} every route runs as its week says\n", show_day(from), show_day(to));
    }
    print(&text)
}
