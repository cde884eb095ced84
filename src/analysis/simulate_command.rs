//! `vecino simulate EXPERIMENT.toml --out DIR`: one invented pilot under a protocol, drawn by the protocol's own rules, with its truth beside it;
//! or many, and what the report's estimators make of them.

use super::designs::Design;
use super::operating::Study;
use super::operating_report::{csv, plot, table};
use super::pilot::{Ground, arms, drawn, with_segments};
use super::simulate::{Home, Parameters, Seen, Separated, Simulated, Truth, doses, simulate};
use crate::app::{Options, print, tell};
use crate::error::{Error, Result};
use crate::trial::protocol::Protocol;
use crate::trial::{TrialSegment, command};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[arg(value_name = "EXPERIMENT.toml")]
    pub experiment: PathBuf,
    /// Folder for observations.csv, households.csv, segments.csv, messages.csv and truth.json, or with --replicates for operating.csv and
    /// operating.svg; made if it is not there
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Seed of the invented town [default: the protocol's]; the draw of a single pilot always uses the protocol's
    #[arg(long)]
    pub seed: Option<u64>,
    /// A pilot in which nothing works
    #[arg(long)]
    pub no_effect: bool,
    /// Make this many pilots and write what the report's estimators do on them, instead of one pilot's rows
    ///
    /// Each pilot is a town and a draw of its own, made with effects and, from the same draw on, without (with --no-effect only without).
    /// operating.csv has one row for each estimator and contrast, first of the pilots with effects, then of those without (truth 0), as
    /// fractions: truth is the mean effect on the recorded outcome in the weeks of the estimand's phase, by assignment; mean and bias of the estimate;
    /// se_ratio the mean standard error over the standard deviation of the estimates (below 1: intervals too short); coverage the share of
    /// intervals of the protocol's level that hold the truth; power the share of pilots with p at or below 1 minus the level, which is the
    /// type I error where the truth is 0; mc_error the Monte Carlo standard error of coverage, or of power where coverage is empty.
    ///
    /// Estimators: lpm_cr2 is the report's (CR2, Satterthwaite); lpm_cr1s (t on segments − 1), lpm_cr0 (normal) and lpm_classical (t on
    /// rows) are the same estimate with other errors; segment_means is the report's check by segment means. wild_bootstrap and
    /// replayed_draw are tests of lpm_cr2's primary contrasts with 399 draws and have no interval.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub replicates: u32,
    /// This many segments in all instead of the parameters', shared over the municipalities in the same proportion
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub segments: Option<u32>,
    /// Other parameters than experiments/simulation-defaults.toml
    #[arg(long, value_name = "FILE.toml")]
    pub parameters: Option<PathBuf>,
    /// The protocol's question by another design, made of its own arms
    #[arg(long, value_name = "DESIGN", value_enum, ignore_case = true)]
    pub design: Option<Design>,
    /// Let something happen that the analysis does not assume: a name under [departures] of the parameters; may be given again
    #[arg(long, value_name = "NAME")]
    pub departure: Vec<String>,
}

/// A file to be, and its bytes.
type File = (&'static str, Vec<u8>);

pub fn run(arguments: &Arguments, options: &Options, known_wording: &(dyn Fn(&str) -> bool + Sync)) -> Result<()> {
    let (text, place) = command::read(&arguments.experiment)?;
    let protocol = command::sound(&text, &place, known_wording)?;
    let protocol = match arguments.design {
        None => protocol,
        Some(design) => design.of(&protocol)?,
    };
    let parameters = parameters(&protocol, arguments.parameters.as_deref(), arguments.segments)?.departing(&arguments.departure)?;
    let seed = arguments.seed.unwrap_or(protocol.seed);
    if arguments.replicates > 1 {
        return many(arguments, options, &Study::new(&protocol, &parameters, seed, arguments.replicates, arguments.no_effect)?);
    }
    let pilot = Pilot::make(&protocol, &parameters, seed, arguments.no_effect)?;
    let truth = pilot.truth(&Protocol::sha256(&text), seed, arguments.no_effect)?;
    let files: Vec<File> = vec![
        ("observations.csv", pilot.observations()?),
        ("households.csv", pilot.households()?),
        ("segments.csv", pilot.segments_table()?),
        ("messages.csv", pilot.messages()?),
        ("truth.json", serde_json::to_vec_pretty(&truth).map_err(|e| Error::internal(format!("truth: {e}")))?),
    ];
    store(&arguments.out, &files)?;
    let visits = pilot.simulated.visits.len();
    if options.json {
        let document = json!({"out": arguments.out.display().to_string(), "seed": seed, "no_effect": arguments.no_effect, "homes": pilot.homes.len(), "visits": visits});
        print(&format!("{document}\n"))
    } else {
        let (out, effect) = (arguments.out.display(), if arguments.no_effect { "without effect" } else { "with effects" });
        print(&format!("{out}: {} homes, {visits} visits, seed {seed}, {effect}\n", pilot.homes.len()))
    }
}

/// The parameters of a file, or those that ship, with as many segments as asked for.
pub(super) fn parameters(protocol: &Protocol, file: Option<&Path>, segments: Option<u32>) -> Result<Parameters> {
    let parameters = match file {
        None => Parameters::defaults()?,
        Some(file) => {
            let (text, place) = command::read(file)?;
            Parameters::parse(&text, &place)?
        }
    };
    match segments {
        None => Ok(parameters),
        Some(total) => with_segments(protocol, &parameters, total as usize),
    }
}

/// Tells on stderr how many pilots are done, once in five seconds.
pub(super) fn progress(of: u32) -> impl Fn(u32) + Sync {
    let told = Mutex::new(Instant::now());
    move |done| {
        if let Ok(mut told) = told.try_lock()
            && told.elapsed() > Duration::from_secs(5)
        {
            *told = Instant::now();
            tell(&format!("{done} of {of} pilots"));
        }
    }
}

/// Many pilots: the table and the chart of what the estimators do.
fn many(arguments: &Arguments, options: &Options, study: &Study) -> Result<()> {
    let rows = study.rows(&progress(study.replicates))?;
    let out = arguments.out.display().to_string();
    store(&arguments.out, &[("operating.csv", csv(&rows)?), ("operating.svg", plot(study, &rows).into_bytes())])?;
    if options.json {
        let document = json!({
            "out": out, "seed": study.seed, "replicates": study.replicates, "segments": study.segments(), "no_effect": study.no_effect, "rows": rows,
        });
        print(&format!("{document}\n"))
    } else {
        print(&format!("{}{out}: operating.csv and operating.svg\n", table(study, &rows)))
    }
}

struct Pilot<'a> {
    protocol: &'a Protocol,
    parameters: &'a Parameters,
    homes: Vec<Home>,
    home_codes: Vec<String>,
    /// In the order of the segments' indexes.
    segments: Vec<TrialSegment>,
    simulated: Simulated,
}

impl<'a> Pilot<'a> {
    fn make(protocol: &'a Protocol, parameters: &'a Parameters, seed: u64, no_effect: bool) -> Result<Pilot<'a>> {
        let Ground { homes, home_codes, segments: mut blank } = Ground::new(protocol, parameters)?;
        let calendar = &protocol.calendar;
        let doses = doses(protocol, parameters);
        let before = simulate(parameters, calendar, &homes, &doses, &[], calendar.baseline[1], seed, no_effect);
        let mut observed: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); blank.len()];
        for visit in before.visits.iter().filter(|visit| visit.week >= calendar.baseline[0]) {
            let Some(complied) = visit.complied() else { continue };
            let segment = homes[visit.home].segment;
            observed[segment].insert(visit.home);
            blank[segment].baseline_observed += 1;
            blank[segment].baseline_complied += i32::from(complied);
        }
        let observed: Vec<i32> = observed.iter().map(|homes| homes.len() as i32).collect();
        let segments = drawn(protocol, blank, &observed)?;
        let arms = arms(protocol, &segments);
        let simulated = simulate(parameters, calendar, &homes, &doses, &arms, calendar.weeks, seed, no_effect);
        Ok(Pilot { protocol, parameters, homes, home_codes, segments, simulated })
    }

    fn segment_of(&self, home: usize) -> &TrialSegment {
        &self.segments[self.homes[home].segment]
    }

    /// One row per operation, as a crew's phone would send it.
    fn observations(&self) -> Result<Vec<u8>> {
        let mut table = Table::new(&[
            "municipality",
            "segment",
            "household",
            "trial_week",
            "iso_week",
            "service_day",
            "kind",
            "set_out",
            "separated",
            "contamination",
            "severity",
            "reason",
            "complied",
            "counted",
        ])?;
        for visit in &self.simulated.visits {
            let segment = self.segment_of(visit.home);
            let week = self.protocol.week(visit.week);
            // A segment's collection day stays the same all year: Monday to Friday in turn.
            let day = week.monday() + chrono::Duration::days((self.homes[visit.home].segment % 5) as i64);
            let mut row = |kind: &str, seen: Option<Seen>, reason: &str, counted: bool| {
                let (set_out, separated, gross) = seen.map_or(("", "", false), words);
                table.row(&[
                    &segment.municipality_id.to_string(),
                    &segment.code,
                    &self.home_codes[visit.home],
                    &visit.week.to_string(),
                    &week.to_string(),
                    &day.to_string(),
                    kind,
                    set_out,
                    separated,
                    if gross { "other" } else { "" },
                    if gross { "gross" } else { "" },
                    reason,
                    seen.map_or("", |seen| if seen.complied() { "1" } else { "0" }),
                    if counted { "1" } else { "0" },
                ])
            };
            match visit.missing {
                Some(reason) => row("stop_missed", None, self.simulated.reasons.get(usize::from(reason)).map_or("skipped", String::as_str), true)?,
                None => row("observation", visit.seen(), "", true)?,
            }
            if let Some(double) = visit.double {
                row("double_observation", Some(double), "", false)?;
            }
        }
        table.bytes()
    }

    fn households(&self) -> Result<Vec<u8>> {
        let mut table = Table::new(&[
            "municipality",
            "segment",
            "household",
            "service_status",
            "phone",
            "language",
            "reached",
            "plans",
            "opted_out_week",
            "belief_tenths",
        ])?;
        let bit = |yes: bool| if yes { "1" } else { "0" };
        for (home, facts) in self.simulated.homes.iter().enumerate() {
            let segment = self.segment_of(home);
            table.row(&[
                &segment.municipality_id.to_string(),
                &segment.code,
                &self.home_codes[home],
                "served",
                bit(facts.phone),
                if facts.mam { "mam" } else { "es" },
                bit(facts.reached),
                bit(facts.plans),
                &facts.opts_out.map(|week| week.to_string()).unwrap_or_default(),
                &facts.belief.to_string(),
            ])?;
        }
        table.bytes()
    }

    fn segments_table(&self) -> Result<Vec<u8>> {
        let mut table = Table::new(&[
            "municipality",
            "segment",
            "homes",
            "baseline_observed",
            "baseline_complied",
            "stratum",
            "arm",
            "norm",
            "plan",
            "left_out",
        ])?;
        for segment in &self.segments {
            let arm = segment.arm.as_deref().and_then(|arm| self.protocol.arm(arm));
            let bit = |yes: Option<bool>| yes.map_or("", |yes| if yes { "1" } else { "0" });
            table.row(&[
                &segment.municipality_id.to_string(),
                &segment.code,
                &segment.homes.to_string(),
                &segment.baseline_observed.to_string(),
                &segment.baseline_complied.to_string(),
                segment.stratum.as_deref().unwrap_or(""),
                segment.arm.as_deref().unwrap_or(""),
                bit(arm.map(|arm| self.protocol.treatment(&arm.id).norm)),
                bit(arm.map(|arm| self.protocol.treatment(&arm.id).plan)),
                segment.left_out.as_deref().unwrap_or(""),
            ])?;
        }
        table.bytes()
    }

    /// What every assigned home was due, and whether it arrived.
    fn messages(&self) -> Result<Vec<u8>> {
        let mut table = Table::new(&[
            "municipality",
            "segment",
            "household",
            "campaign",
            "trial_week",
            "iso_week",
            "arm",
            "wording",
            "channel",
            "language",
            "state",
        ])?;
        for (campaign, steps) in &self.protocol.campaigns {
            for step in &steps.steps {
                for (home, facts) in self.simulated.homes.iter().enumerate() {
                    let segment = self.segment_of(home);
                    let Some(arm) = &segment.arm else { continue };
                    let state = match facts.opts_out {
                        Some(week) if step.week >= week => "withheld",
                        _ if facts.reached => "delivered",
                        _ => "failed",
                    };
                    table.row(&[
                        &segment.municipality_id.to_string(),
                        &segment.code,
                        &self.home_codes[home],
                        campaign,
                        &step.week.to_string(),
                        &self.protocol.week(step.week).to_string(),
                        arm,
                        step.wording.get(arm).map_or("", String::as_str),
                        if facts.phone { "sms" } else { "paper" },
                        if facts.mam { "mam" } else { "es" },
                        state,
                    ])?;
                }
            }
        }
        table.bytes()
    }

    /// The truth by phase, as it is and as observers who err would record it on average.
    fn truth(&self, sha256: &str, seed: u64, no_effect: bool) -> Result<Value> {
        let slope = self.parameters.observation.slope();
        let mut phases = Map::new();
        for (phase, truth) in &self.simulated.truth {
            let contrasts = |by: f64| -> Map<String, Value> {
                self.protocol.analysis.contrasts().map(|contrast| (contrast.id.clone(), json!(by * truth.contrast(&contrast.weights)))).collect()
            };
            let Truth { home_weeks, rates } = truth;
            let rates: Map<String, Value> = self.protocol.arms.iter().zip(rates).map(|(arm, rate)| (arm.id.clone(), json!(rate))).collect();
            phases.insert(
                phase.name().to_owned(),
                json!({"home_weeks": home_weeks, "rates": rates, "contrasts": contrasts(1.0), "recorded_contrasts": contrasts(slope)}),
            );
        }
        let parameters = serde_json::to_value(self.parameters).map_err(|e| Error::internal(format!("parameters: {e}")))?;
        let assigned = self.segments.iter().filter(|segment| segment.arm.is_some()).count();
        Ok(json!({
            "trial": self.protocol.id, "protocol_sha256": sha256, "assignment_seed": self.protocol.seed, "seed": seed, "no_effect": no_effect,
            "segments": self.segments.len(), "segments_assigned": assigned, "homes": self.homes.len(), "weeks": self.protocol.calendar.weeks,
            "estimand_phase": self.protocol.estimand.phase.name(), "phases": phases, "parameters": parameters,
        }))
    }
}

fn words(seen: Seen) -> (&'static str, &'static str, bool) {
    if !seen.set_out {
        return ("no", "", false);
    }
    let separated = match seen.separated {
        Separated::Yes => "yes",
        Separated::Partly => "partly",
        Separated::No => "no",
    };
    ("yes", separated, seen.gross)
}

/// A CSV table in memory.
struct Table(csv::Writer<Vec<u8>>);

impl Table {
    fn new(columns: &[&str]) -> Result<Table> {
        let mut table = Table(csv::Writer::from_writer(Vec::new()));
        table.row(columns)?;
        Ok(table)
    }

    fn row(&mut self, cells: &[&str]) -> Result<()> {
        self.0.write_record(cells).map_err(|e| Error::internal(format!("csv: {e}")))
    }

    fn bytes(self) -> Result<Vec<u8>> {
        self.0.into_inner().map_err(|e| Error::internal(format!("csv: {e}")))
    }
}

/// All files or none: each is written beside its name, and only when all are there do they take their names.
fn store(folder: &Path, files: &[File]) -> Result<()> {
    let refuse = |path: &Path, e: std::io::Error| {
        Error::refused("out-folder", format!("{}: cannot be written ({e}); name a folder this user may write, with free space", path.display()))
    };
    std::fs::create_dir_all(folder).map_err(|e| refuse(folder, e))?;
    let part = |name: &str| folder.join(format!(".{name}.part"));
    for (name, bytes) in files {
        if let Err(e) = std::fs::write(part(name), bytes) {
            files.iter().for_each(|(name, _)| drop(std::fs::remove_file(part(name))));
            return Err(refuse(&part(name), e));
        }
    }
    for (name, _) in files {
        std::fs::rename(part(name), folder.join(name)).map_err(|e| refuse(&folder.join(name), e))?;
    }
    Ok(())
}
