//! The protocol's question asked by another design, for trying estimators on: its own arms and wordings, otherwise drawn or fewer.

use crate::error::{Error, Result};
use crate::trial::protocol::{Adjust, Analysis, Arm, Assignment, Contrast, Covariate, Family, Protocol, Rerandomise, Stratum};

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "lower")]
pub enum Design {
    /// The first arm and the last
    Two,
    /// The first arm, the second and the third
    Three,
    /// The first four arms, and the last of all once more
    Five,
    /// Two arms, segments of like baseline in pairs within municipalities
    Pairs,
    /// Two arms, two segments of the first for one of the other
    Ratio,
    /// Two arms within municipalities, drawn again until their baselines differ by at most a tenth of a standard deviation
    Rerandomised,
}

impl Design {
    /// The same trial by this design: every arm against the first, Holm over all, nothing else registered. Refuses a protocol of too few arms.
    pub fn of(self, protocol: &Protocol) -> Result<Protocol> {
        let last = protocol.arms.len().saturating_sub(1);
        let places: Vec<usize> = match self {
            Design::Three => vec![0, 1, 2],
            Design::Five => vec![0, 1, 2, 3, last],
            Design::Two | Design::Pairs | Design::Ratio | Design::Rerandomised => vec![0, last],
        };
        if places.iter().any(|place| *place > last) {
            let most = places.iter().max().copied().unwrap_or(0) + 1;
            return Err(Error::refused(
                "design-arms",
                format!("--design: the protocol has {} arms and this design takes {most} of them; choose another design", last + 1),
            ));
        }
        let mut out = protocol.clone();
        // What an arm gets is its column of wordings; the new name of an arm that stands twice has the same ones.
        let name = |at: usize| {
            if places[..at].contains(&places[at]) { format!("{}_again", protocol.arms[places[at]].id) } else { protocol.arms[places[at]].id.clone() }
        };
        let arm = |(at, place): (usize, &usize)| Arm { id: name(at), factors: Default::default(), ..protocol.arms[*place].clone() };
        out.arms = places.iter().enumerate().map(arm).collect();
        for step in out.campaigns.values_mut().flat_map(|campaign| &mut campaign.steps) {
            let wording = |(at, place): (usize, &usize)| Some((name(at), step.wording.get(&protocol.arms[*place].id)?.clone()));
            step.wording = places.iter().enumerate().filter_map(wording).collect();
        }
        let arms = places.len();
        let ratio = (0..arms).map(|arm| if arm == 0 && self == Design::Ratio { 2 } else { 1 }).collect();
        let (block, rerandomise) = match self {
            Design::Pairs => (Some(2), None),
            Design::Rerandomised => (None, Some(Rerandomise { covariates: vec![Covariate::Baseline], largest_difference: 0.1 })),
            _ => (None, None),
        };
        let strata = if block.is_some() || rerandomise.is_some() { vec![Stratum::Municipality] } else { protocol.assignment.strata.clone() };
        out.assignment = Assignment { strata, ratio, block, rerandomise };
        let contrast = |arm: usize| {
            let weights = (0..arms)
                .map(|other| {
                    if other == arm {
                        1.0
                    } else if other == 0 {
                        -1.0
                    } else {
                        0.0
                    }
                })
                .collect();
            Contrast { id: out.arms[arm].id.clone(), name: None, weights }
        };
        let primary = Family {
            id: "primary".into(),
            contrasts: (1..arms).map(contrast).collect(),
            measures: vec![protocol.outcome.measure],
            phase: protocol.estimand.phase,
            adjust: Adjust::Holm,
        };
        let secondary = Family { id: "secondary".into(), contrasts: Vec::new(), adjust: Adjust::None, ..primary.clone() };
        out.analysis = Analysis { families: vec![primary, secondary], ..protocol.analysis.clone() };
        Ok(out)
    }
}
