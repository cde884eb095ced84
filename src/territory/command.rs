//! `vecino geo …`

use super::act;
use super::assign::{self, Areas};
use super::calendar::{command as calendar, feed};
use super::change::{After, Changed, Drawn};
use super::check::{self, Report, Verdict};
use super::export::{self, Format};
use super::import::{self, FieldChange, Kind, Request};
use super::{codes, municipality, pilot, proposal};
use crate::account::audit;
use crate::app::{Options, print, tell};
use crate::error::{Error, Result};
use crate::id::{Mint, MunicipalityId};
use crate::sheet::Written;
use crate::sheet::problems::Problems;
use clap::Subcommand;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say what is wrong with GeoJSON files; exit 1 if any is not accepted. Needs no database
    Check {
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Bring a GeoJSON or CSV file in, all or nothing; the same file twice changes nothing
    #[command(after_help = COLUMNS)]
    Import {
        #[arg(value_enum, ignore_case = true)]
        kind: Kind,
        file: PathBuf,
        /// INE code of the municipality, unless each feature says its own in «municipality»
        #[arg(long, value_name = "CODE")]
        municipality: Option<String>,
        /// Reference system of the coordinates; only EPSG:4326 (WGS 84 degrees) for now
        #[arg(long, value_name = "EPSG:N", default_value = "EPSG:4326")]
        crs: String,
        /// Say what would change, field by field, and which frozen trials it touches; change nothing
        #[arg(long)]
        dry_run: bool,
        /// Close open rings and mend invalid areas, saying what was changed
        #[arg(long)]
        repair: bool,
        /// Why days gone by are corrected: what the file says with a valid_from in the past then holds from there, and what was counted since
        /// is counted again
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        #[command(flatten)]
        written: Written,
    },
    #[command(flatten)]
    Act(act::command::Command),
    /// Write out what was imported, unknown properties too; or the calendar of a route (iCalendar)
    Export {
        #[arg(value_enum, ignore_case = true)]
        kind: Exported,
        /// INE code; without it, everything, each feature saying its municipality
        #[arg(long, value_name = "CODE")]
        municipality: Option<String>,
        /// [default: geojson; of a calendar: ics]
        #[arg(long, value_enum, ignore_case = true)]
        format: Option<Format>,
        /// Of a calendar: whose
        #[arg(long, value_name = "ROUTE")]
        route: Option<String>,
        /// Of a calendar: how far ahead
        #[arg(long, default_value_t = feed::WEEKS_AHEAD, value_parser = clap::value_parser!(u64).range(1..=104))]
        weeks: u64,
        /// A file instead of stdout
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Days that are other than the week says, and holidays: list, cancel, move, add, remove
    #[command(subcommand)]
    Calendar(calendar::Command),
    /// Count points (CSV: lon,lat) in areas (GeoJSON). A point on a shared border belongs to the first area in the file
    Assign {
        points: PathBuf,
        polygons: PathBuf,
        /// A file instead of stdout
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Set where a pilot runs, and say what follows: which pages appear, when the first week is published
    Pilot {
        /// INE code of the municipality
        code: String,
        /// Name that signs messages, at most 16 characters of the SMS alphabet
        #[arg(long, value_name = "NAME")]
        sender: Option<String>,
        /// Who collects, in a sentence
        #[arg(long, value_name = "TEXT")]
        collection: Option<String>,
        /// End it: nothing more is published; what was observed stays
        #[arg(long, conflicts_with_all = ["sender", "collection"])]
        off: bool,
    },
    /// Make codes for the labels of homes, check letter included: none that was ever given. CSV with the column code
    Codes {
        /// INE code of the municipality
        #[arg(long, value_name = "CODE")]
        municipality: String,
        #[arg(long, value_name = "N")]
        count: usize,
        /// A file instead of stdout
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Propose segments: a route's line cut into pieces of about so many homes, each inside one neighbourhood. Stores nothing
    Cut {
        /// Code of the route
        route: String,
        /// INE code, where two municipalities have a route of this code
        #[arg(long, value_name = "CODE")]
        municipality: Option<String>,
        /// About so many homes a segment
        #[arg(long, default_value_t = 25, value_name = "N", value_parser = clap::value_parser!(u16).range(5..=200))]
        homes: u16,
        /// Homes farther from the route than this are left out
        #[arg(long, default_value_t = 150, value_name = "METRES", value_parser = clap::value_parser!(u16).range(10..=2000))]
        reach: u16,
        /// Homes of this file (code,lon,lat) instead of the served ones that stand on no segment
        #[arg(long, value_name = "FILE")]
        points: Option<PathBuf>,
        /// GeoJSON that geo import segments takes
        #[arg(long, value_name = "FILE.geojson")]
        out_segments: Option<PathBuf>,
        /// CSV that geo import households takes
        #[arg(long, value_name = "FILE.csv")]
        out_homes: Option<PathBuf>,
        #[command(flatten)]
        written: Written,
    },
}

/// What can be written out: a kind of place, or the calendar of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exported {
    Places(Kind),
    Calendar,
}

impl clap::ValueEnum for Exported {
    fn value_variants<'a>() -> &'a [Exported] {
        const ALL: [Exported; 8] = [
            Exported::Places(Kind::Municipalities),
            Exported::Places(Kind::Neighbourhoods),
            Exported::Places(Kind::Segments),
            Exported::Places(Kind::Routes),
            Exported::Places(Kind::Points),
            Exported::Places(Kind::Households),
            Exported::Places(Kind::Streets),
            Exported::Calendar,
        ];
        &ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        match self {
            Exported::Places(kind) => kind.to_possible_value(),
            Exported::Calendar => Some(clap::builder::PossibleValue::new("calendar")),
        }
    }
}

const COLUMNS: &str = "Properties (GeoJSON) or columns (CSV; adds lon,lat or wkt). Others are kept and exported again.
  municipalities  code, name, department, pilot, sender, collection_model
  neighbourhoods  code, name
  routes          code, name, operator, stream, weekdays (mon,thu), window_start, window_end (HH:MM), valid_from, valid_to (YYYY-MM-DD)
                  stream: organic, recyclable, residual, mixed (in Spanish too), or by day: mon=organic,thu=recyclable
  segments        code, route, neighbourhood
  points          code, name, kind (yard, dump, sorting_plant, transfer_station, container, collection_point), route, order, capacity_l
  households      code (SP-4821-K), segment, service_status (served, not_subscribed, no_route), operator, hint
  streets         name, class
Tables are read as spreadsheets save them: comma, semicolon, tab or a «sep=» line, UTF-8 or UTF-16 (Windows-1252 with
--encoding windows-1252), decimal commas, empty rows and columns. Names of columns in any case and in Spanish (Código, Nombre,
Barrio, Ruta, Tramo, Operador, Días …); any other with --column code=id. Yes is sí, si, x, 1 or verdadero; days are lun-vie, «lunes y
jueves», L,X,V or mon,thu; dates dd/mm/yyyy or yyyy-mm-dd. A column that is absent leaves what stands, an empty cell empties it.
Every one but streets and municipalities takes valid_from and valid_to (2026-11-30 or 30/11/2026): the days from which and to which the row
holds. Without valid_from it holds from today; a day gone by is a correction and needs --reason; without valid_to a known end stands.
Each field holds until another value of that field is said for a later day. No row speaks of a day before its thing was there.
A code is never given again: a row with the code of something that ended changes nothing when it repeats what was, opens it again with
a valid_from, and is refused otherwise. What got another code is still found by the old one where a row refers to it.
Order: municipalities, neighbourhoods, routes, segments, then the rest. Points, segments and homes more than 100 m outside
their municipality, in a lake or at (0, 0) are refused; a dump may lie outside.";

pub async fn run(command: Command, options: &Options, after: After) -> Result<()> {
    match command {
        Command::Act(command) => act::command::run(command, options, after).await,
        Command::Check { files } => check_files(&files, options.json),
        Command::Import { kind, file, municipality, crs, dry_run, repair, reason, written } => {
            if !matches!(crs.to_ascii_uppercase().as_str(), "EPSG:4326" | "4326" | "CRS84" | "OGC:CRS84") {
                return Err(Error::refused(
                    "crs",
                    format!("--crs {crs}: only EPSG:4326 is read; convert the file to WGS 84 degrees (ogr2ogr -t_srs EPSG:4326)"),
                ));
            }
            let municipality = municipality.as_deref().map(MunicipalityId::parse).transpose()?;
            let bytes = check::read(&file)?;
            let app = options.open().await?;
            let name = file.display().to_string();
            let (now, from) = (app.clock.now(), app.clock.today());
            let reason = reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty());
            let request =
                Request { kind, file: &name, bytes: &bytes, municipality, repair, now, from, reason, actor: "command line", written: &written };
            let mut tx = app.db.write().await?;
            let outcome = import::file(&mut tx, &mut Mint::system(), &request).await?;
            for (municipality, since) in &outcome.since {
                (after.follow)(&mut tx, Changed { municipality: *municipality, since: *since, reason, now, today: from, what: &name }).await?;
            }
            let mut trials = Vec::new();
            if dry_run {
                for (municipality, segments) in &outcome.segments {
                    trials.extend((after.drawn)(&mut tx, *municipality, segments, from).await?);
                }
            } else {
                tx.commit().await?;
            }
            for warning in &outcome.warnings {
                tell(warning);
            }
            let kind = kind.name();
            let (new, changed, unchanged) = (outcome.new, outcome.changed, outcome.unchanged);
            if options.json {
                let mut document = json!({"file": name, "kind": kind, "new": new, "changed": changed, "unchanged": unchanged, "renamed_operators": outcome.renamed, "dry_run": dry_run, "warnings": outcome.warnings});
                if dry_run {
                    document["changes"] = json!(outcome.changes);
                    document["by_field"] = json!(by_field(&outcome.changes));
                    document["trials"] = json!(trials);
                }
                return print(&format!("{document}\n"));
            }
            let would = if dry_run { "would be " } else { "" };
            let renamed = outcome.renamed;
            let line = if new + changed == 0 && renamed > 0 {
                let operators = if renamed == 1 { "operator" } else { "operators" };
                format!("{name}: {kind}: all {unchanged} as they were; {renamed} {operators} {would}called otherwise\n")
            } else if new + changed == 0 {
                format!("{name}: nothing {would}changed; all {unchanged} {kind} are there already\n")
            } else {
                format!("{name}: {kind}: {new} {would}new, {changed} {would}changed, {unchanged} unchanged\n")
            };
            print(&if dry_run { format!("{line}{}dry run: nothing was stored\n", listed(&outcome.changes, &trials)) } else { line })
        }
        Command::Calendar(command) => calendar::run(command, options, after.follow).await,
        Command::Export { kind: Exported::Calendar, municipality, format, route, weeks, out } => {
            if format.is_some_and(|format| format != Format::Ics) {
                return Err(Error::refused("format", "a calendar is written as ics; leave --format out"));
            }
            let Some(route) = route else {
                return Err(Error::refused("route-needed", "a calendar is one route's: name it with --route"));
            };
            let app = options.open().await?;
            let mut tx = app.db.read().await?;
            let municipality = calendar::named_or_only(&mut tx, municipality.as_deref()).await?;
            deliver(&feed::text(&mut tx, municipality, &route, app.clock.today(), weeks).await?, out.as_deref())
        }
        Command::Export { kind: Exported::Places(kind), municipality, format, route, out, .. } => {
            let format = format.unwrap_or(Format::Geojson);
            if format == Format::Ics || route.is_some() {
                return Err(Error::refused("format", format!("{}: --route and --format ics are for a calendar; leave them out", kind.name())));
            }
            let municipality = municipality.as_deref().map(MunicipalityId::parse).transpose()?;
            let app = options.open().await?;
            let mut tx = app.db.write().await?;
            let text = export::text(&mut tx, kind, municipality, format, app.clock.today()).await?;
            if kind == Kind::Households {
                // Where homes are leaves the server here: that is written down.
                let detail = json!({"kind": kind.name(), "bytes": text.len()});
                let entry = audit::Entry { stream: "territory", actor: "command line", action: "export", target: kind.name(), detail };
                audit::record(&mut tx, municipality.unwrap_or(MunicipalityId::NONE), app.clock.now(), entry).await?;
            }
            tx.commit().await?;
            deliver(&text, out.as_deref())
        }
        Command::Assign { points, polygons, out } => {
            let areas = Areas::read(&check::read(&polygons)?, &polygons.display().to_string())?;
            let text = std::fs::read(&points)
                .map_err(|e| Error::refused("file-unreadable", format!("{}: the file cannot be read ({e})", points.display())))?;
            let name = points.display().to_string();
            let counts = areas.count(&text, &name)?;
            if counts.outside > 0 {
                let some: Vec<String> = counts.first_outside.iter().map(|(row, place)| format!("row {row} {place}")).collect();
                let more = if counts.outside as usize > some.len() { ", …" } else { "" };
                tell(&format!("{name}: {} points lie in no area: {}{more}", counts.outside, some.join(", ")));
            }
            if options.json {
                let areas: Vec<_> = counts.areas.iter().map(|(id, count)| json!({"id": id, "count": count})).collect();
                return deliver(&format!("{}\n", json!({"areas": areas, "outside": counts.outside})), out.as_deref());
            }
            deliver(&assign::written(&counts)?, out.as_deref())
        }
        Command::Pilot { code, sender, collection, off } => {
            let ask = pilot::Ask { on: !off, sender, collection_model: collection };
            set_pilot(MunicipalityId::parse(&code)?, ask, options).await
        }
        Command::Codes { municipality, count, out } => give_codes(MunicipalityId::parse(&municipality)?, count, out.as_deref(), options).await,
        Command::Cut { route, municipality, homes, reach, points, out_segments, out_homes, written } => {
            let municipality = municipality.as_deref().map(MunicipalityId::parse).transpose()?;
            let ask = (route.as_str(), municipality, usize::from(homes), f64::from(reach));
            propose(ask, points.as_deref().map(|file| (file, &written)), (out_segments.as_deref(), out_homes.as_deref()), options).await
        }
    }
}

async fn set_pilot(municipality: MunicipalityId, ask: pilot::Ask, options: &Options) -> Result<()> {
    let app = options.open().await?;
    let mut tx = app.db.write().await?;
    let standing = pilot::set(&mut tx, municipality, ask, app.clock.now(), app.clock.today()).await?;
    tx.commit().await?;
    if options.json { print(&format!("{}\n", json!(standing))) } else { print(&standing.lines()) }
}

async fn give_codes(municipality: MunicipalityId, count: usize, out: Option<&Path>, options: &Options) -> Result<()> {
    let app = options.open().await?;
    let mut tx = app.db.write().await?;
    let place = municipality::find(&mut tx, municipality).await?;
    let codes = codes::give(&mut tx, &place, count, app.clock.now()).await?;
    // The file first: codes that were written nowhere are not given.
    let text = if options.json { format!("{}\n", json!({"codes": codes})) } else { format!("code\n{}\n", codes.join("\n")) };
    if let Some(path) = out {
        deliver(&text, Some(path))?;
    }
    tx.commit().await?;
    match out {
        None => print(&text),
        Some(path) => print(&format!("{}: {count} codes, {} to {}; none is ever given again\n", path.display(), codes[0], codes[codes.len() - 1])),
    }
}

type Cut<'a> = (&'a str, Option<MunicipalityId>, usize, f64);

async fn propose(
    (route, municipality, size, reach): Cut<'_>,
    points: Option<(&Path, &Written)>,
    out: (Option<&Path>, Option<&Path>),
    options: &Options,
) -> Result<()> {
    let bytes = points.map(|(file, _)| check::read(file)).transpose()?;
    let name = points.map(|(file, _)| file.display().to_string()).unwrap_or_default();
    let app = options.open().await?;
    let (now, from) = (app.clock.now(), app.clock.today());
    let file = bytes.as_deref().zip(points).map(|(bytes, (_, written))| Request {
        written,
        kind: Kind::Households,
        file: &name,
        bytes,
        municipality,
        repair: false,
        now,
        from,
        reason: None,
        actor: "command line",
    });
    let mut tx = app.db.read().await?;
    let made = proposal::make(&mut tx, proposal::Ask { route, municipality, size, reach, points: file }, from).await?;
    drop(tx);
    if let Some(path) = out.0 {
        deliver(&made.segments(), Some(path))?;
    }
    if let Some(path) = out.1 {
        deliver(&made.households()?, Some(path))?;
    }
    if options.json {
        return print(&format!("{}\n", made.document()));
    }
    print(&made.lines())?;
    made.remarks().iter().for_each(|line| tell(line));
    match out {
        (Some(segments), Some(homes)) => print(&format!(
            "A proposal; nothing is stored. Look at it on a map, then: geo import segments {}, geo import households {}\n",
            segments.display(),
            homes.display()
        )),
        _ => print("A proposal; nothing is stored. Write it out with --out-segments FILE.geojson --out-homes FILE.csv\n"),
    }
}

/// So many changes are told line by line; `--json` tells all.
const LISTED: usize = 20;

pub(super) fn by_field(changes: &[FieldChange]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for change in changes {
        *counts.entry(if change.before.is_null() && change.field == "valid_from" { "new" } else { change.field.as_str() }).or_default() += 1;
    }
    counts
}

/// What a dry run tells: the first changes, how many of each field, and the trials they touch.
pub(super) fn listed(changes: &[FieldChange], trials: &[Drawn]) -> String {
    let mut text: String = changes.iter().take(LISTED).map(|change| format!("  {}\n", change.line())).collect();
    if changes.len() > LISTED {
        text += &format!("  … and {} more (--json tells all)\n", changes.len() - LISTED);
    }
    if !changes.is_empty() {
        let counts: Vec<String> = by_field(changes).into_iter().map(|(field, n)| format!("{field} {n}")).collect();
        text += &format!("by field: {}\n", counts.join(", "));
    }
    for trial in trials {
        let state = if trial.running { "which runs" } else { "which is over" };
        text += &format!("touches trial {}, {state}: {}\n", trial.trial, trial.segments.join(", "));
    }
    text
}

fn check_files(files: &[PathBuf], as_json: bool) -> Result<()> {
    let mut reports: Vec<(String, Report)> = Vec::new();
    for file in files {
        let name = file.display().to_string();
        let report = match check::read(file) {
            Ok(bytes) => Report { document: None, ..check::inspect(&bytes) },
            Err(unreadable) => check::unreadable(unreadable.to_string().trim_start_matches(&format!("{name}: "))),
        };
        reports.push((name, report));
    }
    let (mut refused, mut warned) = (Vec::new(), Vec::new());
    for (name, report) in &reports {
        let (mut bad, mut mild) = (Problems::default(), Problems::default());
        for problem in &report.problems {
            let said = if problem.verdict > Verdict::AcceptWarn { &mut bad } else { &mut mild };
            let line = format!("{} [{}]", problem.message, problem.code);
            match problem.path.as_str() {
                "" => said.push(format!("{name}: {line}")),
                path => said.add(path, line),
            }
        }
        refused.extend(bad.lines(&format!("{name}: "), ": "));
        warned.extend(mild.lines(&format!("{name}: "), ": "));
    }
    if as_json {
        let files: Vec<_> =
            reports.iter().map(|(name, r)| json!({"file": name, "verdict": r.verdict, "problems": r.problems, "features": r.features})).collect();
        print(&format!("{}\n", json!({"files": files})))?;
    } else {
        for (name, report) in &reports {
            let verdict = match report.verdict {
                Verdict::Accept => "accepted",
                Verdict::AcceptWarn => "accepted with warnings",
                Verdict::RepairOrReject => "not accepted; can be imported with --repair",
                Verdict::Reject => "not accepted",
            };
            print(&format!("{name}: {verdict}, {} features\n", report.features))?;
        }
    }
    for line in &warned {
        tell(line);
    }
    if refused.is_empty() { Ok(()) } else { Err(Error::refused_lines("not-accepted", refused)) }
}

fn deliver(text: &str, out: Option<&Path>) -> Result<()> {
    match out {
        None => print(text),
        Some(path) => std::fs::write(path, text).map_err(|e| {
            Error::refused("file-unwritable", format!("{}: the file cannot be written ({e}); check the folder and its rights", path.display()))
        }),
    }
}
