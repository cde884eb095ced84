//! `vecino trial check|freeze|assign|amend|status EXPERIMENT.toml`

use super::freeze::{can_begin, entry, municipalities_exist, over, unchanged};
use super::protocol::Protocol;
use super::{Trial, amend, assign, find_if_any, freeze, status};
use crate::account::audit;
use crate::app::{App, Options, print};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::MunicipalityId;
use chrono::{DateTime, Utc};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::pin::Pin;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Reads a protocol, names every inconsistency, and warns of contrasts that would hardly be found; changes nothing
    Check {
        #[arg(value_name = "EXPERIMENT.toml")]
        experiment: PathBuf,
    },
    /// Records a protocol, byte for byte, with its SHA-256; from then on a changed file is refused
    Freeze {
        #[arg(value_name = "EXPERIMENT.toml")]
        experiment: PathBuf,
    },
    /// Draws the arms from the observed baseline; again it prints the same draw
    Assign {
        #[arg(value_name = "EXPERIMENT.toml")]
        experiment: PathBuf,
    },
    /// Records a change of a frozen protocol as a numbered, dated amendment
    Amend {
        #[arg(value_name = "EXPERIMENT.toml")]
        experiment: PathBuf,
        /// Why; it is printed with the results
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Where the trial stands: hash, calendar, looks, the draw, pooled counts
    Status {
        #[arg(value_name = "EXPERIMENT.toml")]
        experiment: PathBuf,
    },
}

/// A protocol's bytes as they stand in the file.
pub fn read(file: &Path) -> Result<(String, String)> {
    let place = file.display().to_string();
    let bytes = std::fs::read(file).map_err(|e| {
        Error::refused(
            "file",
            format!("{place}: the protocol cannot be read ({e}); name an existing file such as experiments/norma-y-plan-2026.toml"),
        )
    })?;
    let text = String::from_utf8(bytes).map_err(|_| Error::refused("protocol", format!("{place}: is not UTF-8 text; save it as UTF-8")))?;
    Ok((text, place))
}

/// Lines to come.
pub type Told<'a> = Pin<Box<dyn Future<Output = Result<Vec<String>>> + Send + 'a>>;

/// What stands in modules below: the texts belong to `norm`, power to `analysis`.
#[derive(Clone, Copy)]
pub struct Below<'a> {
    /// Whether a message text of that name exists.
    pub known_wording: &'a (dyn Fn(&str) -> bool + Sync),
    /// The hash of all of them, recorded beside the protocol that is frozen or amended.
    pub wordings: &'a str,
    /// What a sound protocol must be warned of: a line for each contrast that would hardly be found.
    pub doubts: for<'b> fn(Option<&'b mut Tx>, &'b Protocol) -> Told<'b>,
}

pub async fn run(command: Command, options: &Options, below: Below<'_>) -> Result<()> {
    let Below { known_wording, wordings, doubts: _ } = below;
    match command {
        Command::Check { experiment } => check(&experiment, options, below).await,
        Command::Freeze { experiment } => {
            let (text, place) = read(&experiment)?;
            sound(&text, &place, known_wording)?;
            let app = options.open().await?;
            let mut tx = app.db.write().await?;
            let new = find_if_any(&mut tx, &Protocol::parse(&text, &place)?.id).await?.is_none();
            let trial = freeze(&mut tx, &text, &place, app.clock.now()).await?;
            if new {
                record_wordings(&mut tx, &trial, wordings, app.clock.now()).await?;
            }
            tx.commit().await?;
            show(&app, &trial, options.json).await
        }
        Command::Assign { experiment } => {
            let (text, place) = read(&experiment)?;
            let app = options.open().await?;
            let mut tx = app.db.write().await?;
            let text = as_laid(&app, &mut tx, text, &place).await?;
            let trial = unchanged(&mut tx, &text, &place).await?;
            let trial = assign(&mut tx, &trial.id, app.clock.now()).await?;
            tx.commit().await?;
            show_draw(&app, &trial, options.json).await
        }
        Command::Amend { experiment, reason } => {
            let (text, place) = read(&experiment)?;
            sound(&text, &place, known_wording)?;
            let app = options.open().await?;
            let mut tx = app.db.write().await?;
            let text = as_laid(&app, &mut tx, text, &place).await?;
            let trial = amend(&mut tx, &text, &place, &reason, app.clock.now()).await?;
            record_wordings(&mut tx, &trial, wordings, app.clock.now()).await?;
            tx.commit().await?;
            show(&app, &trial, options.json).await
        }
        Command::Status { experiment } => {
            let (text, place) = read(&experiment)?;
            let app = options.open().await?;
            let mut tx = app.db.read().await?;
            let protocol = Protocol::parse(&text, &place)?;
            if find_if_any(&mut tx, &protocol.id).await?.is_none() {
                drop(tx);
                return check(&experiment, options, below).await;
            }
            let text = as_laid(&app, &mut tx, text, &place).await?;
            let trial = unchanged(&mut tx, &text, &place).await?;
            drop(tx);
            show(&app, &trial, options.json).await
        }
    }
}

async fn record_wordings(tx: &mut Tx, trial: &Trial, wordings: &str, now: DateTime<Utc>) -> Result<()> {
    let detail = json!({"protocol_sha256": trial.sha256, "wordings_sha256": wordings});
    audit::record(tx, MunicipalityId::NONE, now, entry("wordings", &trial.id, detail)).await
}

/// A practice town stands on the shipped protocol with its calendar laid to the town's day; a file that is read there is laid the same way.
pub async fn as_laid(app: &App, tx: &mut Tx, text: String, place: &str) -> Result<String> {
    if !app.demo {
        return Ok(text);
    }
    match find_if_any(tx, &Protocol::parse(&text, place)?.id).await? {
        Some(trial) => super::text::laid(&text, trial.protocol.week(1), trial.protocol.calendar.weeks),
        None => Ok(text),
    }
}

/// Reads and checks a text, texts of messages included.
pub fn sound(text: &str, place: &str, known_wording: &(dyn Fn(&str) -> bool + Sync)) -> Result<Protocol> {
    let problems = Protocol::problems(text, place, &known_wording)?;
    if problems.is_empty() {
        return Protocol::parse(text, place);
    }
    Err(Error::refused_lines("protocol", problems.into_iter().map(|line| format!("{place}: {line}")).collect()))
}

async fn check(file: &Path, options: &Options, Below { known_wording, wordings: _, doubts }: Below<'_>) -> Result<()> {
    let (text, place) = read(file)?;
    let sha256 = Protocol::sha256(&text);
    let protocol = match sound(&text, &place, known_wording) {
        Ok(protocol) => protocol,
        Err(error) => {
            if options.json {
                let document = json!({"file": place, "verdict": "reject", "protocol_sha256": sha256, "problems": error.lines});
                print(&format!("{document}\n"))?;
            }
            return Err(error);
        }
    };
    // With a database at hand its municipalities and its frozen text are asked too; without one the file stands alone.
    let mut frozen = None;
    let warnings;
    let url = options.url();
    if url.strip_prefix("sqlite:").is_none_or(|path| Path::new(path).exists()) {
        let app = options.open().await?;
        let mut tx = app.db.read().await?;
        municipalities_exist(&mut tx, &protocol, &place).await?;
        frozen = Some(find_if_any(&mut tx, &protocol.id).await?.map(|trial| trial.sha256));
        if frozen == Some(None) {
            can_begin(&mut tx, &protocol, app.clock.today(), &place).await?;
        }
        let laid = Protocol::parse(&as_laid(&app, &mut tx, text, &place).await?, &place)?;
        warnings = doubts(Some(&mut tx), &laid).await?;
    } else if let Some(line) = over(&protocol, options.clock().today(), &place) {
        return Err(Error::refused("protocol", line));
    } else {
        warnings = doubts(None, &protocol).await?;
    }
    let steps: usize = protocol.campaigns.values().map(|campaign| campaign.steps.len()).sum();
    if options.json {
        let document = json!({
            "file": place, "verdict": "accept", "trial": protocol.id, "protocol_sha256": sha256, "seed": protocol.seed, "frozen_sha256": frozen.flatten(),
            "calendar": status::calendar(&protocol), "arms": protocol.arms.len(), "looks": protocol.looks.len(), "steps": steps, "problems": [], "warnings": warnings,
        });
        return print(&format!("{document}\n"));
    }
    let counts = match frozen {
        Some(Some(counts)) if counts == sha256 => "it is the protocol that counts in this database".to_owned(),
        Some(Some(counts)) => {
            format!("another text counts in this database, sha256 {counts}: a change needs `vecino trial amend {place} --reason TEXT`")
        }
        Some(None) => "not frozen in this database yet".to_owned(),
        None => format!("no database asked: there is none under {}", options.data_dir.display()),
    };
    let (arms, looks) = (protocol.arms.len(), protocol.looks.len());
    let warned: String = warnings.iter().map(|line| format!("  warning: {line}\n")).collect();
    print(&format!("{place}: accepted, {arms} arms, {looks} looks, {steps} message steps\n  sha256 {sha256}\n  {counts}\n{warned}"))
}

async fn show(app: &App, trial: &Trial, as_json: bool) -> Result<()> {
    let mut tx = app.db.read().await?;
    let status = status::status(&mut tx, trial, app.clock.today()).await?;
    if as_json {
        let document = serde_json::to_value(&status).map_err(|e| Error::internal(format!("status: {e}")))?;
        print(&format!("{document}\n"))
    } else {
        print(&(status.lines(trial).join("\n") + "\n"))
    }
}

async fn show_draw(app: &App, trial: &Trial, as_json: bool) -> Result<()> {
    let mut tx = app.db.read().await?;
    let draw = status::drawn(&mut tx, trial).await?;
    if as_json {
        let document = json!({
            "trial": trial.id, "protocol_sha256": trial.sha256, "seed": trial.seed,
            "assigned_at": trial.assigned_at.map(|at| at.to_rfc3339()), "draw": draw,
        });
        return print(&format!("{document}\n"));
    }
    print(&format!("{}: drawn with seed {} from protocol sha256 {}\n{}\n", trial.id, trial.seed, trial.sha256, draw.lines().join("\n")))
}
