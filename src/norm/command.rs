//! `vecino campaign preview|run|status|pause|send|prove ID`

use super::campaign::{self, RunSummary};
use super::gateway::Gateway;
use super::pause::{self, Change};
use super::preview::{Preview, trial_of, usual_week};
use super::{complaint, outbox, prove};
use crate::app::{App, Options};
use crate::clock::{Week, at_local, show_time};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{Mint, MunicipalityId};
use crate::territory::{household, municipality};
use crate::trial::Trial;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;

#[derive(Debug, clap::Args)]
pub struct Which {
    /// Name under [campaigns] of a frozen protocol, such as semanal
    #[arg(value_name = "ID")]
    id: String,
    /// Four-digit INE code [default: every municipality of the trial]
    #[arg(long, value_name = "CODE")]
    municipality: Option<String>,
}

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// What a home gets in a week, and why; without --household, what the week's run would do. Writes nothing
    Preview {
        #[command(flatten)]
        which: Which,
        /// Code of the home, such as SP-4821-K
        #[arg(long, value_name = "CODE")]
        household: Option<String>,
        /// Such as 2026-W44 [default: this week, or the nearest one of the messages phase]
        #[arg(long, value_name = "WEEK")]
        week: Option<String>,
    },
    /// Freeze the week's norms and write every home's message into the outbox, once
    Run {
        #[command(flatten)]
        which: Which,
        /// Such as 2026-W44 [default: this week]
        #[arg(long, value_name = "WEEK")]
        week: Option<String>,
    },
    /// Messages by week and state, all arms together
    Status {
        #[command(flatten)]
        which: Which,
    },
    /// Stop a campaign before its next message, or go on
    Pause {
        #[command(flatten)]
        which: Which,
        /// Why; it stands in the audit chain and in the trial's report
        #[arg(long, value_name = "TEXT", required_unless_present = "resume")]
        reason: Option<String>,
        /// Go on sending; where a rule of the protocol stopped it, with --reason
        #[arg(long)]
        resume: bool,
    },
    /// Record that a home complained of the messages; what was said is not kept. Enough of them stop the campaign, by the protocol's rule
    Complaint {
        /// Code of the home, such as SP-4821-K
        #[arg(value_name = "HOUSEHOLD")]
        household: String,
        /// Four-digit INE code [default: the only one with homes of that code]
        #[arg(long, value_name = "CODE")]
        municipality: Option<String>,
        #[arg(long, value_name = "WAY", value_parser = super::complaint::HOW)]
        how: String,
        /// The day it came, AAAA-MM-DD [default: today]
        #[arg(long, value_name = "DAY")]
        day: Option<chrono::NaiveDate>,
    },
    /// Send what is due now through the file gateway: one line a message in DATA_DIR/outbox
    Send {
        /// At most this many
        #[arg(long, default_value_t = 1000, value_name = "N")]
        limit: i64,
    },
    /// Derive every norm the messages state again from what crews recorded: proven, corrected since (and by what), or differing; exit 1 when
    /// one differs
    Prove {
        #[command(flatten)]
        which: Which,
    },
}

const ACTOR: &str = "command line";

/// Runs one command; prints text, or with --json one document.
pub async fn run(command: Command, options: &Options) -> Result<()> {
    let app = options.open().await?;
    match command {
        Command::Preview { which, household, week } => preview(&app, options, &which, household.as_deref(), week.as_deref()).await,
        Command::Run { which, week } => run_week(&app, options, &which, week.as_deref()).await,
        Command::Status { which } => status(&app, options, &which).await,
        Command::Pause { which, reason, resume } => {
            let change = match (&reason, resume) {
                (Some(reason), false) => Change::Pause(reason),
                (reason, _) => Change::Resume(reason.as_deref()),
            };
            pause_or_resume(&app, options, &which, change).await
        }
        Command::Complaint { household, municipality, how, day } => complain(&app, options, &household, municipality.as_deref(), &how, day).await,
        Command::Send { limit } => {
            let sent = outbox::send_due(&app, Gateway::File, limit).await?;
            let text = format!(
                "{} delivered, {} accepted, {} to try again, {} failed, {} withheld, {} expired, {} unknown",
                sent.delivered, sent.accepted, sent.waiting, sent.failed, sent.withheld, sent.expired, sent.unknown
            );
            tell(options, &text, &json!(sent));
            Ok(())
        }
        Command::Prove { which } => prove_all(&app, options, &which).await,
    }
}

fn tell(options: &Options, text: &str, document: &Value) {
    let mut out = std::io::stdout().lock();
    // A reader that has gone away is no fault of the command.
    let _ = if options.json { writeln!(out, "{document:#}") } else { writeln!(out, "{}", text.trim_end()) };
}

/// The trial and the municipalities a command is about.
async fn reach(tx: &mut Tx, which: &Which) -> Result<(Trial, Vec<MunicipalityId>)> {
    let trial = trial_of(tx, &which.id).await?;
    let all = trial.protocol.municipalities.clone();
    let Some(code) = &which.municipality else { return Ok((trial, all)) };
    let municipality = MunicipalityId::parse(code)?;
    if !all.contains(&municipality) {
        let known = all.iter().map(MunicipalityId::to_string).collect::<Vec<_>>().join(", ");
        return Err(Error::refused("municipality-outside", format!("municipality {code} is not in trial {}; use one of {known}", trial.id)));
    }
    Ok((trial, vec![municipality]))
}

async fn preview(app: &App, options: &Options, which: &Which, household: Option<&str>, week: Option<&str>) -> Result<()> {
    let mut tx = app.db.read().await?;
    let (trial, municipalities) = reach(&mut tx, which).await?;
    let week = week.map_or_else(|| Ok(usual_week(&trial, app.clock.today())), Week::parse)?;
    let Some(code) = household else {
        let mut runs = Vec::new();
        for municipality in municipalities {
            let facts = super::draft::WeekFacts::load(&mut tx, &trial, municipality, &which.id, week, None, app.clock.now()).await?;
            runs.push(campaign::would_run(&facts, municipality, &which.id));
        }
        tell(options, &runs.iter().map(|run| summary(run, "would be queued")).collect::<Vec<_>>().join("\n"), &json!(runs));
        return Ok(());
    };
    let mut unknown = None;
    for municipality in municipalities {
        match Preview::load(&mut tx, trial.clone(), municipality, &which.id, code, week, app.clock.now()).await {
            Ok(preview) => {
                tell(options, &readable(&preview), &preview.to_json());
                return Ok(());
            }
            Err(e) if e.code == "household-unknown" => unknown = Some(e),
            Err(e) => return Err(e),
        }
    }
    Err(unknown.unwrap_or_else(|| Error::not_found("household-unknown", format!("household {code}: there is none"))))
}

fn readable(preview: &Preview) -> String {
    let json = preview.to_json();
    let mut lines = vec![format!("{} in {} (week {} of the trial)", preview.home.code, preview.facts.week, preview.facts.trial_week)];
    match preview.text() {
        Some(text) => lines.push(format!("  {text}")),
        None => lines.push(format!("  not written to: {}", preview.withheld().unwrap_or("no reason"))),
    }
    for key in ["septets", "channel", "state", "arm", "wording", "rule", "who", "own", "norm", "send_after", "expires_at"] {
        lines.push(format!("{key}: {}", json[key]));
    }
    for (key, title) in [("not_used", "texts not used"), ("other_groups", "groups not used")] {
        for row in json[key].as_array().into_iter().flatten() {
            lines.push(format!("{title}: {row}"));
        }
    }
    lines.join("\n")
}

fn summary(run: &RunSummary, queued: &str) -> String {
    let list = |counts: &BTreeMap<String, usize>| counts.iter().map(|(name, n)| format!("{name} {n}")).collect::<Vec<_>>().join(", ");
    format!(
        "{} {} {} (week {} of the trial): {} homes, {} {queued}, {} already there, withheld: {}; rules: {}; norms frozen: {}",
        run.municipality,
        run.campaign,
        run.week,
        run.trial_week,
        run.homes,
        run.queued,
        run.already,
        if run.withheld.is_empty() { "0".into() } else { list(&run.withheld) },
        list(&run.rules),
        run.norms
    )
}

async fn run_week(app: &App, options: &Options, which: &Which, week: Option<&str>) -> Result<()> {
    let week = week.map_or_else(|| Ok(Week::of(app.clock.today())), Week::parse)?;
    let mut tx = app.db.write().await?;
    let (trial, municipalities) = reach(&mut tx, which).await?;
    let mut runs = Vec::new();
    let mut mint = Mint::system();
    for municipality in municipalities {
        runs.push(campaign::run(app, &mut tx, &trial, municipality, &which.id, week, &mut mint, app.clock.now()).await?);
    }
    tx.commit().await?;
    tell(options, &runs.iter().map(|run| summary(run, "queued")).collect::<Vec<_>>().join("\n"), &json!(runs));
    Ok(())
}

async fn status(app: &App, options: &Options, which: &Which) -> Result<()> {
    let mut tx = app.db.read().await?;
    let (trial, municipalities) = reach(&mut tx, which).await?;
    let (mut lines, mut documents) = (Vec::new(), Vec::new());
    for municipality in municipalities {
        let paused: Option<pause::Paused> = pause::paused(&mut tx, municipality, &which.id).await?;
        let weeks = campaign::status(&mut tx, &trial, municipality, &which.id).await?;
        lines.push(match &paused {
            Some(paused) => format!("{municipality} {}: paused {} by {}: {}", which.id, show_time(paused.at), paused.who, paused.why),
            None => format!("{municipality} {}: running", which.id),
        });
        for week in &weeks {
            let why: Vec<String> = week.withheld.iter().map(|(reason, n)| format!("{reason} {n}")).collect();
            let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join(", ")) };
            let states: Vec<String> =
                week.states.iter().map(|(state, n)| format!("{state} {n}{}", if state == "withheld" { why.as_str() } else { "" })).collect();
            lines.push(format!("  {} (week {}): {}", week.week, week.trial_week, states.join(", ")));
        }
        documents.push(json!({"municipality": municipality.to_string(), "campaign": which.id, "trial": trial.id, "paused": paused, "weeks": weeks}));
    }
    tell(options, &lines.join("\n"), &json!(documents));
    Ok(())
}

async fn pause_or_resume(app: &App, options: &Options, which: &Which, change: Change<'_>) -> Result<()> {
    let mut tx = app.db.write().await?;
    let (trial, municipalities) = reach(&mut tx, which).await?;
    for municipality in &municipalities {
        pause::change(&mut tx, &trial, *municipality, &which.id, change, ACTOR, app.clock.now()).await?;
    }
    tx.commit().await?;
    let codes: Vec<String> = municipalities.iter().map(MunicipalityId::to_string).collect();
    let word = if matches!(change, Change::Pause(_)) { "paused" } else { "resumed" };
    tell(options, &format!("{} {word} in {}", which.id, codes.join(", ")), &json!({"campaign": which.id, "state": word, "municipalities": codes}));
    Ok(())
}

/// Records a complaint; looks for the home in every municipality unless one is named.
async fn complain(app: &App, options: &Options, code: &str, place: Option<&str>, how: &str, day: Option<chrono::NaiveDate>) -> Result<()> {
    let mut tx = app.db.write().await?;
    let places: Vec<MunicipalityId> = match place {
        Some(place) => vec![MunicipalityId::parse(place)?],
        None => municipality::pilots(&mut tx).await?.into_iter().map(|place| place.municipality_id).collect(),
    };
    let mut found = Vec::new();
    for place in places {
        found.extend(household::find(&mut tx, place, code).await?.map(|(home, code)| (place, home, code)));
    }
    let [(place, home, code)] = found.as_slice() else {
        let remedy = if found.is_empty() {
            "there is no such home; write its code like SP-4821-K"
        } else {
            "several municipalities have it; name one with --municipality"
        };
        return Err(Error::not_found("household-unknown", format!("household {code}: {remedy}")));
    };
    let now = app.clock.now();
    let received = day.filter(|day| *day != app.clock.today()).map_or(now, |day| at_local(day, 12, 0));
    complaint::record(&mut tx, *place, *home, (how, received), ACTOR, &mut Mint::system(), now).await?;
    tx.commit().await?;
    tell(options, &format!("complaint of {code} recorded in {place}"), &json!({"household": code, "municipality": place.to_string(), "how": how}));
    Ok(())
}

async fn prove_all(app: &App, options: &Options, which: &Which) -> Result<()> {
    let mut tx = app.db.read().await?;
    let (trial, municipalities) = reach(&mut tx, which).await?;
    let mut whole = prove::Proof::default();
    for municipality in municipalities {
        let proof = prove::prove(&mut tx, municipality, &trial, &which.id).await?;
        whole.norms += proof.norms;
        whole.proven += proof.proven;
        whole.corrected += proof.corrected;
        whole.corrections.extend(proof.corrections.into_iter().map(|line| format!("{municipality} {line}")));
        whole.messages += proof.messages;
        whole.consistent += proof.consistent;
        whole.differing.extend(proof.differing.into_iter().map(|line| format!("{municipality} {line}")));
    }
    let mut text = format!(
        "{} norms proven, {} corrected since, {} differing; {} messages say exactly their norm, {} do not",
        whole.proven,
        whole.corrected,
        whole.norms - whole.proven - whole.corrected,
        whole.consistent,
        whole.messages - whole.consistent
    );
    for line in &whole.corrections {
        text.push_str(&format!("\n{line}"));
    }
    tell(options, &text, &json!(whole));
    if whole.differing.is_empty() { Ok(()) } else { Err(Error::refused_lines("norm-differs", whole.differing)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{FromArgMatches, Subcommand};

    #[test]
    fn the_arguments_hold_together() {
        let line = || Command::augment_subcommands(clap::Command::new("campaign"));
        line().debug_assert();
        let read =
            |arguments: &[&str]| line().try_get_matches_from([&["campaign"], arguments].concat()).and_then(|found| Command::from_arg_matches(&found));
        assert!(matches!(read(&["pause", "semanal", "--resume"]), Ok(Command::Pause { resume: true, reason: None, .. })));
        assert!(matches!(read(&["pause", "semanal", "--resume", "--reason", "visto"]), Ok(Command::Pause { resume: true, reason: Some(_), .. })));
        assert!(read(&["complaint", "SP-0001-K", "--how", "letter"]).is_err(), "only ways that are known");
        assert!(read(&["pause", "semanal"]).is_err(), "a pause needs its reason");
        assert!(matches!(read(&["preview", "semanal", "--household", "SP-0001-K", "--week", "2026-W44"]), Ok(Command::Preview { .. })));
        assert!(matches!(read(&["prove", "semanal", "--municipality", "1202"]), Ok(Command::Prove { .. })));
    }
}
