//! `vecino trial power EXPERIMENT.toml`, and what `trial check` doubts.

use super::answer::{FamilyPower, Report, Test};
use super::inputs::{Inputs, Source, from_parameters, recorded};
use super::simulated::{Answer, simulate, tests};
use super::{baseline, formula, told};
use crate::analysis::parameters::Parameters;
use crate::analysis::replicate::Towns;
use crate::analysis::simulate_command::{parameters, progress};
use crate::app::{Options, print};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::trial::command::{as_laid, read, sound};
use crate::trial::protocol::{Measure, Protocol};
use std::path::{Path, PathBuf};

/// The power by which `trial check` judges a design.
const USUAL: f64 = 0.8;
/// The effect it must find where the parameters assume none: norms, prompts and reminders were found to do 1 to 4 points.
const LARGEST_PUBLISHED: f64 = 0.05;

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Text,
    Json,
}

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[arg(value_name = "EXPERIMENT.toml")]
    pub experiment: PathBuf,
    /// The power the smallest effect is for
    #[arg(long, value_name = "SHARE", default_value_t = USUAL)]
    pub power: f64,
    /// Invented pilots, each made with effects and without; 0: by formula only
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub replicates: u32,
    /// Seed of the invented towns [default: the protocol's]
    #[arg(long)]
    pub seed: Option<u64>,
    /// This many segments in all, shared over the municipalities as the parameters do; asks no installation's baseline
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub segments: Option<u32>,
    /// Other parameters than experiments/simulation-defaults.toml; asks no installation's baseline
    #[arg(long, value_name = "FILE.toml")]
    pub parameters: Option<PathBuf>,
    /// text or json
    #[arg(long, value_name = "FORMAT", value_enum, ignore_case = true, default_value = "text")]
    pub format: Format,
}

/// What the formula stands on, and the parameters the towns are made of.
struct Grounds {
    inputs: Inputs,
    parameters: Parameters,
}

impl Grounds {
    fn of_parameters(protocol: &Protocol, parameters: Parameters) -> Grounds {
        Grounds { inputs: from_parameters(protocol, &parameters), parameters }
    }

    /// The baseline of this installation where it has one of every municipality, otherwise the parameters, on its segments where it has some.
    async fn of(tx: &mut Tx, protocol: &Protocol, parameters: Parameters) -> Result<Grounds> {
        let observed = baseline::read(tx, protocol).await?;
        let told = observed.iter().all(baseline::Observed::tells);
        let known = if told { baseline::inputs(protocol, &parameters, &observed) } else { None };
        Ok(match (known, baseline::placed(&parameters, &observed)) {
            (Some(inputs), _) => Grounds { parameters: baseline::calibrated(protocol, &parameters, &observed, &inputs), inputs },
            (None, Some(placed)) => Grounds { inputs: Inputs { source: Source::Places, ..from_parameters(protocol, &placed) }, parameters: placed },
            (None, None) => Grounds::of_parameters(protocol, parameters),
        })
    }
}

pub async fn run(arguments: &Arguments, options: &Options, known_wording: &(dyn Fn(&str) -> bool + Sync)) -> Result<()> {
    if !(arguments.power > 0.0 && arguments.power < 1.0) {
        return Err(Error::refused("power", format!("--power {}: is not a share; use a number such as 0.8", arguments.power)));
    }
    let (text, place) = read(&arguments.experiment)?;
    let url = options.url();
    let installed = url.strip_prefix("sqlite:").is_none_or(|path| Path::new(path).exists());
    let (protocol, grounds) = if installed && arguments.parameters.is_none() && arguments.segments.is_none() {
        let app = options.open().await?;
        let mut tx = app.db.read().await?;
        let text = as_laid(&app, &mut tx, text, &place).await?;
        let protocol = sound(&text, &place, known_wording)?;
        let grounds = Grounds::of(&mut tx, &protocol, Parameters::defaults()?).await?;
        (protocol, grounds)
    } else {
        let protocol = sound(&text, &place, known_wording)?;
        let parameters = parameters(&protocol, arguments.parameters.as_deref(), arguments.segments)?;
        let grounds = Grounds::of_parameters(&protocol, parameters);
        (protocol, grounds)
    };
    let seed = arguments.seed.unwrap_or(protocol.seed);
    let report = report(&protocol, &grounds.inputs, &grounds.parameters, (seed, arguments.replicates, arguments.power))?;
    if options.json || arguments.format == Format::Json {
        let document = serde_json::to_string_pretty(&report).map_err(|e| Error::internal(format!("power: {e}")))?;
        return print(&format!("{document}\n"));
    }
    print(&told::text(&report))
}

/// Both answers, family by family as the protocol registers them.
pub fn report(protocol: &Protocol, inputs: &Inputs, parameters: &Parameters, (seed, replicates, power): (u64, u32, f64)) -> Result<Report> {
    let simulated = match replicates {
        0 => None,
        _ => Some(simulate(protocol, parameters, (seed, replicates, power), &progress(replicates))?),
    };
    let effects = match &simulated {
        Some(Answer { effects, .. }) => effects.clone(),
        None => assumed(protocol, parameters, seed)?,
    };
    let mut families = Vec::new();
    for (at, family) in protocol.analysis.families.iter().enumerate().filter(|(_, family)| !family.contrasts.is_empty()) {
        let test = |(test, (measure, contrast)): (usize, (usize, usize))| {
            let (measure, registered) = (family.measures[measure], &family.contrasts[contrast]);
            let assumed = recorded(parameters, measure, inputs.complied.share).slope * effects[at][contrast];
            // What is smaller than rounding is no effect.
            let assumed = if assumed.abs() < 1e-12 { 0.0 } else { assumed };
            let formula = formula::found(protocol, inputs, family, (registered, measure), assumed, power);
            let simulation = simulated.as_ref().map(|answer| answer.families[at][test].clone());
            let parts = match (&formula, &simulation) {
                (Some(formula), Some(simulation)) => told::parts(protocol, inputs, family, formula, simulation),
                _ => Vec::new(),
            };
            Test { contrast: registered.id.clone(), outcome: measure.name(), assumed, formula, simulation, parts }
        };
        families.push(FamilyPower {
            family: family.id.clone(),
            phase: family.phase.name(),
            adjust: family.adjust.name(),
            contrasts: tests(family).enumerate().map(test).collect(),
        });
    }
    Ok(Report { trial: protocol.id.clone(), level: protocol.analysis.level, power, seed, replicates, inputs: inputs.clone(), families })
}

/// The true effect on recorded compliance of each family's contrasts in one town of these parameters.
fn assumed(protocol: &Protocol, parameters: &Parameters, seed: u64) -> Result<Vec<Vec<f64>>> {
    let towns = Towns::new(protocol, parameters, seed)?;
    let families = &protocol.analysis.families;
    let through = families.iter().map(|family| protocol.calendar.of(family.phase)[1]).max().unwrap_or(0);
    let made = towns.replicate(0, &protocol.analysis, through, &[false])?;
    let slope = parameters.observation.slope();
    let effects = |family: &crate::trial::protocol::Family| {
        let truth = made.first().and_then(|pilot| pilot.truth.get(family.phase as usize));
        family.contrasts.iter().map(|contrast| truth.map_or(0.0, |truth| slope * truth.contrast(&contrast.weights))).collect()
    };
    Ok(families.iter().map(effects).collect())
}

/// What `trial check` warns of: each primary and secondary contrast whose smallest effect found 80 times of 100, by formula, is more than the
/// parameters assume it to be, or where they assume none, more than 5 points. From the baseline of the installation when one is asked and has one.
pub async fn doubts(tx: Option<&mut Tx>, protocol: &Protocol) -> Result<Vec<String>> {
    let parameters = Parameters::defaults()?;
    let grounds = match tx {
        Some(tx) => Grounds::of(tx, protocol, parameters).await?,
        None => Grounds::of_parameters(protocol, parameters),
    };
    let effects = assumed(protocol, &grounds.parameters, protocol.seed)?;
    let mut lines = Vec::new();
    for (family, effects) in protocol.analysis.families.iter().take(2).zip(&effects) {
        let measure = family.measures.first().copied().unwrap_or(Measure::Complied);
        for (contrast, effect) in family.contrasts.iter().zip(effects) {
            let effect = recorded(&grounds.parameters, measure, grounds.inputs.complied.share).slope * effect;
            let assumed = if effect.abs() < 1e-12 { 0.0 } else { effect };
            lines.extend(match formula::found(protocol, &grounds.inputs, family, (contrast, measure), assumed, USUAL) {
                None => Some(format!(
                    "analysis.{}: «{}» leaves no degree of freedom between segments; more segments, or fewer strata",
                    family.id, contrast.id
                )),
                Some(found) => told::doubt(&family.id, &contrast.id, &found, assumed, LARGEST_PUBLISHED, &grounds.inputs),
            });
        }
    }
    Ok(lines)
}
