//! `vecino trial analyse EXPERIMENT.toml [--json] [--look N]` and `vecino trial power EXPERIMENT.toml`

use super::findings::{Contrast, Report};
use super::power;
use super::report::{current, open, stored};
use crate::app::{Options, print};
use crate::clock::show_time;
use crate::error::{Error, Result};
use crate::page::{p_value, points, signed_points};
use crate::trial::{
    command::{as_laid, read},
    freeze::unchanged,
    looks,
};
use std::path::PathBuf;

/// The command line's name in the record of opened looks.
const ACTOR: &str = "vecino trial analyse";

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// The report: of the last look whose day has come, otherwise pooled figures only
    Analyse {
        /// The protocol as it was frozen
        #[arg(value_name = "EXPERIMENT.toml")]
        experiment: PathBuf,
        /// An earlier look
        #[arg(long, value_name = "N")]
        look: Option<i32>,
    },
    /// What the trial would find: power and smallest effects of every registered contrast, by formula and by simulation
    ///
    /// The formula takes how often homes comply and how alike they are from the baseline of the installation, when it has one of every
    /// municipality, and otherwise from the simulation's parameters; the answer says which. Invented pilots are drawn by the trial's own rule
    /// and analysed by the trial's own model, families and their corrections included. Where the two part, the reasons stand below.
    Power(power::command::Arguments),
}

/// `known_wording` as in [`crate::trial::command::run`].
pub async fn run(command: Command, options: &Options, known_wording: &(dyn Fn(&str) -> bool + Sync)) -> Result<()> {
    let (experiment, asked) = match command {
        Command::Analyse { experiment, look } => (experiment, look),
        Command::Power(arguments) => return power::command::run(&arguments, options, known_wording).await,
    };
    let (text, place) = read(&experiment)?;
    let app = options.open().await?;
    let now = app.clock.now();
    let mut tx = app.db.write().await?;
    let text = as_laid(&app, &mut tx, text, &place).await?;
    let trial = unchanged(&mut tx, &text, &place).await?;
    open(&mut tx, &trial, now, ACTOR).await?;
    let planned = looks::all(&mut tx, &trial.id).await?;
    let last = current(&mut tx, &trial, app.clock.today()).await?;
    let look = match asked {
        None => last,
        Some(asked) => {
            let found = planned.iter().find(|l| l.look == asked).cloned().ok_or_else(|| {
                let known: Vec<String> = planned.iter().map(|l| l.look.to_string()).collect();
                Error::refused("look-unknown", format!("{place}: there is no look {asked}; the protocol plans {}", known.join(", ")))
            })?;
            if last.as_ref().is_none_or(|last| last.look < asked) {
                return Err(Error::refused(
                    "look-closed",
                    format!(
                        "{place}: look {asked} opens on {} when week {} is published; until then only pooled figures are shown, leave --look out",
                        found.opens_on, found.data_through
                    ),
                ));
            }
            Some(found)
        }
    };
    let found = stored(&mut tx, &trial.id, look.as_ref().map(|l| l.look)).await?;
    tx.commit().await?;
    let Some(found) = found else {
        return Err(Error::internal("a refreshed report is not stored"));
    };
    if options.json {
        let text = serde_json::to_string_pretty(&found.report).map_err(|e| Error::internal(format!("report: {e}")))?;
        print(&format!("{text}\n"))
    } else {
        print(&table(&found.report))
    }
}

/// The report for a terminal.
pub fn table(report: &Report) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    line(format!("trial {}  sha256 {}  seed {}", report.trial, report.protocol_sha256, report.seed));
    match report.look {
        Some(look) => line(format!("look {look}, data through {}", report.data_through.as_deref().unwrap_or("nothing"))),
        None => line(format!(
            "between looks: pooled figures only, data through {}",
            report.data_through.as_deref().unwrap_or("nothing: no week is published yet")
        )),
    }
    line(format!("{} of {} segments drawn, {} homes", report.flow.assigned.segments, report.flow.assessed.segments, report.flow.assigned.homes));
    if report.look.is_some() {
        line(String::new());
        line(format!(
            "{:<16}{:>8}  {:<18}{:>6}{:>8}{:>9}{:>9}{:>9}{:>9}",
            "points of 100", "estimate", "95 % interval", "se", "df", "p", "p holm", "p design", "p wild"
        ));
        for (group, contrasts) in [("", &report.primary), ("", &report.secondary), (" (segments)", &report.ancova)] {
            for contrast in contrasts {
                line(row(contrast, group));
            }
        }
        for family in &report.families {
            for contrast in &family.contrasts {
                let of = contrast.outcome.as_deref().unwrap_or_default();
                line(row(contrast, &format!(" ({}: {of}, {})", family.family, family.phase)));
            }
        }
        for lasting in &report.lasting {
            let points = |value: f64| signed_points(value, 1);
            let between = |interval: Option<(f64, f64)>, show: &dyn Fn(f64) -> String| {
                interval.map_or("no interval".to_owned(), |(low, high)| format!("{} to {}", show(low), show(high)))
            };
            if let (Some(fade), Some(share)) = (lasting.fade_out, lasting.persistence) {
                let ratio = |value: f64| format!("{value:.2}");
                line(format!(
                    "{}: once messages stop {} points ({}); persistence {} ({})",
                    lasting.contrast,
                    points(fade),
                    between(lasting.fade_out_ci, &points),
                    ratio(share),
                    between(lasting.persistence_ci, &ratio)
                ));
            }
        }
        line(String::new());
        for arm in &report.flow.arms {
            line(format!("{:<16}{} segments, {} homes, {} observed of {} due", arm.name, arm.segments, arm.homes, arm.observed, arm.due));
            if arm.moved + arm.closed + arm.arrived > 0 {
                line(format!("{:<16}since the draw {} moved and keep the arm, {} lost service, {} came", "", arm.moved, arm.closed, arm.arrived));
            }
        }
    }
    line(String::new());
    for point in report.path.iter().filter(|p| p.arm == "all") {
        if let (Some(rate), Some(low), Some(high)) = (point.rate, point.ci_low, point.ci_high) {
            line(format!(
                "week {:>2}  {:>3} ({} to {}) of 100 observed collections, n {}",
                point.week,
                points(rate),
                points(low),
                points(high),
                point.n
            ));
        }
    }
    for pause in &report.pauses {
        let until = pause.to.map_or("still stopped".to_owned(), |at| format!("until {}", show_time(at)));
        let kept: i64 = pause.kept_back.values().sum();
        line(format!(
            "{} {} was stopped {} {until}: {}; {kept} messages never left for it",
            pause.municipality,
            pause.campaign,
            show_time(pause.from),
            pause.why
        ));
    }
    for warning in &report.warnings {
        line(format!("note: {}", warning.text));
    }
    out
}

fn row(contrast: &Contrast, group: &str) -> String {
    let p = |p: Option<f64>| p.map_or("-".to_owned(), p_value);
    let name = format!("{}{group}", contrast.contrast);
    let (Some(estimate), Some(low), Some(high), Some(se), Some(df)) =
        (contrast.estimate, contrast.ci_low, contrast.ci_high, contrast.se, contrast.df)
    else {
        return format!("{name:<16}  not computed");
    };
    format!(
        "{name:<16}{:>8}  {:<18}{:>6.1}{:>8.1}{:>9}{:>9}{:>9}{:>9}",
        signed_points(estimate, 1),
        format!("{} to {}", signed_points(low, 1), signed_points(high, 1)),
        se * 100.0,
        df,
        p(contrast.p),
        p(contrast.p_adjusted),
        p(contrast.p_randomisation),
        p(contrast.p_wild)
    )
}
