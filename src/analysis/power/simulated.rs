//! The power of the registered contrasts by simulation: towns drawn by the trial's rule and analysed by the trial's model, families and all.
//!
//! Type I error is read from the towns without effect. So is the smallest effect found as often as asked: an effect δ, alike everywhere, moves a
//! contrast's estimate by δ and leaves its error and the other tests of its family alone, so the δ whose share of rejections is the one asked for
//! is searched on the same towns. Its Monte Carlo error is half the distance between the δ at one error of that share above and below.

use super::inputs::bisect;
use crate::analysis::findings::Contrast;
use crate::analysis::model;
use crate::analysis::parameters::Parameters;
use crate::analysis::replay::Replays;
use crate::analysis::replicate::Towns;
use crate::error::Result;
use crate::stats::distribution::two_sided;
use crate::stats::multiple::holm;
use crate::trial::protocol::{Adjust, Analysis, Family, Protocol};
use serde::Serialize;

/// What the report would say of one test in one pilot.
#[derive(Debug, Clone, Copy)]
struct Tested {
    estimate: f64,
    se: f64,
    df: Option<f64>,
    p: f64,
    /// The p that counts: adjusted as its family says.
    decides: f64,
}

impl Tested {
    fn of(contrast: &Contrast) -> Option<Tested> {
        let p = contrast.p?;
        Some(Tested { estimate: contrast.estimate?, se: contrast.se?, df: contrast.df, p, decides: contrast.p_adjusted.unwrap_or(p) })
    }
}

/// One test of a family: shares of pilots with their Monte Carlo errors.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Found {
    pub power: Option<f64>,
    pub power_error: Option<f64>,
    pub mde: Option<f64>,
    pub mde_error: Option<f64>,
    pub type_1: Option<f64>,
    pub type_1_error: Option<f64>,
    /// Standard deviation of the estimates without effect, and the mean of their standard errors and degrees of freedom.
    pub spread: Option<f64>,
    pub se: Option<f64>,
    pub df: Option<f64>,
    /// Segments in a draw, on average.
    pub segments: f64,
    pub pilots: u32,
    /// Pilots without effect in which the model gave a number.
    pub computed: u32,
}

/// The families of a protocol as they are tested: one row for each measure and contrast, in the order the report has.
pub(super) fn tests(family: &Family) -> impl Iterator<Item = (usize, usize)> {
    (0..family.measures.len()).flat_map(|measure| (0..family.contrasts.len()).map(move |contrast| (measure, contrast)))
}

struct Pilot {
    segments: usize,
    with: Vec<Vec<Option<Tested>>>,
    without: Vec<Vec<Option<Tested>>>,
    /// Of the rates of the arms by phase.
    truth: Vec<Vec<f64>>,
}

/// By family and test; and the true effect on recorded compliance of each family's contrasts, over the towns.
pub struct Answer {
    pub families: Vec<Vec<Found>>,
    pub effects: Vec<Vec<f64>>,
}

/// `target` is the power the smallest effect is for.
pub fn simulate(
    protocol: &Protocol,
    parameters: &Parameters,
    (seed, replicates, target): (u64, u32, f64),
    progress: &(dyn Fn(u32) + Sync),
) -> Result<Answer> {
    let towns = Towns::new(protocol, parameters, seed)?;
    // The replayed draw and the bootstrap decide nothing that is registered.
    let analysis = Analysis { randomisation_draws: 0, wild_draws: 0, ..protocol.analysis.clone() };
    let families = &protocol.analysis.families;
    let asked = families.iter().filter(|family| !family.contrasts.is_empty());
    let through = asked.map(|family| protocol.calendar.of(family.phase)[1]).max().unwrap_or(protocol.calendar.messages[1]);
    let slope = parameters.observation.slope();
    let one = |number: u32| -> Result<Pilot> {
        let mut made = towns.replicate(number, &analysis, through, &[false, true])?.into_iter();
        let (Some(with), Some(without)) = (made.next(), made.next()) else {
            return Err(crate::error::Error::internal("a pilot was not made in both worlds"));
        };
        let effect = |family: &Family| {
            let truth = &with.truth[family.phase as usize];
            family.contrasts.iter().map(|contrast| slope * truth.contrast(&contrast.weights)).collect()
        };
        let answers = |data: &crate::analysis::load::Data| -> Vec<Vec<Option<Tested>>> {
            let answer = model::answer(data, &Replays::of(data));
            let more = answer.families.iter().map(|family| &family.contrasts);
            [&answer.primary, &answer.secondary].into_iter().chain(more).map(|contrasts| contrasts.iter().map(Tested::of).collect()).collect()
        };
        Ok(Pilot {
            segments: with.data.segments.len(),
            truth: families.iter().map(effect).collect(),
            with: answers(&with.data),
            without: answers(&without.data),
        })
    };
    let pilots = towns.each(replicates, &one, progress)?;
    let count = f64::from(replicates.max(1));
    let effects = families.iter().enumerate().map(|(at, family)| {
        (0..family.contrasts.len()).map(|contrast| pilots.iter().map(|pilot| pilot.truth[at][contrast]).sum::<f64>() / count).collect()
    });
    let found = families.iter().enumerate().map(|(at, family)| {
        let rows = |test: usize| of_test(&pilots, family, (at, test), protocol.analysis.level, target);
        (0..tests(family).count()).map(rows).collect()
    });
    Ok(Answer { effects: effects.collect(), families: found.collect() })
}

fn of_test(pilots: &[Pilot], family: &Family, (at, test): (usize, usize), level: f64, target: f64) -> Found {
    let count = pilots.len() as f64;
    // 1 − 0.95 is not quite 0.05.
    let limit = 1.0 - level + 1e-9;
    let error = |share: f64| (share * (1.0 - share) / count).sqrt();
    // A pilot whose p cannot be computed does not reject.
    let rejects = |tested: Option<&Tested>| tested.is_some_and(|tested| tested.decides <= limit);
    let none: Vec<&[Option<Tested>]> = pilots.iter().filter_map(|pilot| pilot.without.get(at).map(Vec::as_slice)).collect();
    let known: Vec<&Tested> = none.iter().filter_map(|family| family.get(test)?.as_ref()).collect();
    let some = !known.is_empty();
    let share = |of: usize| some.then(|| of as f64 / count);
    let power = share(pilots.iter().filter(|pilot| rejects(pilot.with.get(at).and_then(|family| family.get(test)?.as_ref()))).count());
    let type_1 = share(none.iter().filter(|family| rejects(family.get(test).and_then(Option::as_ref))).count());
    let mean = |of: &dyn Fn(&Tested) -> f64| some.then(|| known.iter().map(|tested| of(tested)).sum::<f64>() / known.len() as f64);
    let middle = mean(&|tested| tested.estimate);
    let spread =
        middle.filter(|_| known.len() > 1).map(|m| (known.iter().map(|t| (t.estimate - m).powi(2)).sum::<f64>() / (known.len() - 1) as f64).sqrt());
    let moved = |effect: f64| none.iter().filter(|own| rejects_moved(own, test, effect, family.adjust, limit)).count() as f64 / count;
    let smallest = |share: f64| search(&moved, share);
    let mde = smallest(target).filter(|_| some);
    let ends = smallest((target + error(target)).min(1.0)).zip(smallest((target - error(target)).max(0.0)));
    Found {
        power,
        power_error: power.map(error),
        mde,
        mde_error: ends.filter(|_| mde.is_some()).map(|(high, low)| (high - low) / 2.0),
        type_1,
        type_1_error: type_1.map(error),
        spread,
        se: mean(&|tested| tested.se),
        df: mean(&|tested| tested.df.unwrap_or(f64::INFINITY)).filter(|df| df.is_finite()),
        segments: pilots.iter().map(|pilot| pilot.segments as f64).sum::<f64>() / count,
        pilots: pilots.len() as u32,
        computed: known.len() as u32,
    }
}

/// Whether a test rejects once its estimate is moved and the rest of its family is left as it is.
fn rejects_moved(own: &[Option<Tested>], test: usize, effect: f64, adjust: Adjust, limit: f64) -> bool {
    let Some(tested) = own.get(test).and_then(Option::as_ref) else { return false };
    let Some(p) = two_sided((tested.estimate + effect) / tested.se, tested.df) else { return false };
    match adjust {
        Adjust::None => p <= limit,
        Adjust::Holm => {
            let all: Vec<Option<f64>> =
                own.iter().enumerate().map(|(at, other)| if at == test { Some(p) } else { other.map(|other| other.p) }).collect();
            holm(&all).get(test).copied().flatten().is_some_and(|p| p <= limit)
        }
    }
}

/// The smallest effect up to 1 whose share of rejections reaches `share`; `None` when none does.
fn search(rejected: &dyn Fn(f64) -> f64, share: f64) -> Option<f64> {
    (rejected(1.0) >= share).then(|| bisect(0.0, 1.0, 1e-6, |effect| rejected(effect) < share))
}
