//! The first format, whose texts name none: arms are cells of norm × plan, contrasts are six names.

use super::super::protocol::{Campaign, PlannedLook, Population, StopRules};
use super::{
    AnalysisText, ArmText, AssignmentText, CalendarText, ContrastText, EstimandText, FORMAT, FamilyText, MessageText, NormText, OutcomeText,
};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    id: String,
    title: String,
    question: String,
    registry_number: String,
    ethics_approval: String,
    municipalities: Vec<String>,
    seed: u64,
    calendar: CalendarText,
    population: Population,
    assignment: Assignment,
    arms: Vec<Arm>,
    outcome: OutcomeText,
    estimand: EstimandText,
    analysis: Analysis,
    looks: Vec<PlannedLook>,
    norm: NormText,
    messages: MessageText,
    stop_rules: StopRules,
    campaigns: BTreeMap<String, Campaign>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Assignment {
    unit: String,
    strata: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arm {
    id: String,
    name: String,
    norm: bool,
    plan: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Analysis {
    primary: Vec<String>,
    secondary: Vec<String>,
    adjust: String,
    level: f64,
    randomisation_draws: u32,
    wild_draws: u32,
}

/// A cell of norm × plan, and its weight in a contrast.
type Cell = (bool, bool, &'static str);

const REMINDER: (bool, bool) = (false, false);
const NORM: (bool, bool) = (true, false);
const PLAN: (bool, bool) = (false, true);
const BOTH: (bool, bool) = (true, true);

fn cell((norm, plan): (bool, bool), weight: &'static str) -> Cell {
    (norm, plan, weight)
}

/// What each name meant, as signed weights of cells.
fn cells(contrast: &str) -> Option<Vec<Cell>> {
    Some(match contrast {
        "norm" => vec![cell(NORM, "+ 0.5"), cell(BOTH, "+ 0.5"), cell(REMINDER, "- 0.5"), cell(PLAN, "- 0.5")],
        "plan" => vec![cell(PLAN, "+ 0.5"), cell(BOTH, "+ 0.5"), cell(REMINDER, "- 0.5"), cell(NORM, "- 0.5")],
        "norm:plan" => vec![cell(BOTH, "+ 1"), cell(NORM, "- 1"), cell(PLAN, "- 1"), cell(REMINDER, "+ 1")],
        "norm_alone" => vec![cell(NORM, "+ 1"), cell(REMINDER, "- 1")],
        "plan_alone" => vec![cell(PLAN, "+ 1"), cell(REMINDER, "- 1")],
        "norm_and_plan" => vec![cell(BOTH, "+ 1"), cell(REMINDER, "- 1")],
        _ => return None,
    })
}

impl Text {
    pub fn upgraded(self) -> super::Text {
        let Text {
            id,
            title,
            question,
            registry_number,
            ethics_approval,
            municipalities,
            seed,
            calendar,
            population,
            assignment: Assignment { unit, strata },
            arms,
            outcome,
            estimand,
            analysis: Analysis { primary, secondary, adjust, level, randomisation_draws, wild_draws },
            looks,
            norm,
            messages,
            stop_rules,
            campaigns,
        } = self;
        let mut doubts = Vec::new();
        for (at, arm) in arms.iter().enumerate() {
            if arms[..at].iter().any(|other| (other.norm, other.plan) == (arm.norm, arm.plan)) {
                doubts.push(format!(
                    "arms: «{}» is the same as another arm (norm = {}, plan = {}); every arm differs in norm or plan, or the text names format = {FORMAT}",
                    arm.id, arm.norm, arm.plan
                ));
            }
        }
        let mut contrasts = BTreeMap::new();
        for (key, name) in primary.iter().map(|name| ("analysis.primary", name)).chain(secondary.iter().map(|name| ("analysis.secondary", name))) {
            let mut weights = Vec::new();
            for (norm, plan, weight) in cells(name).unwrap_or_default() {
                match arms.iter().find(|arm| (arm.norm, arm.plan) == (norm, plan)) {
                    Some(arm) => weights.push(format!("{weight} * {}", arm.id)),
                    None => {
                        doubts.push(format!("{key}: «{name}» needs an arm with norm = {norm}, plan = {plan}; add the arm or drop the contrast"));
                    }
                }
            }
            let known = cells(name).unwrap_or_default().len();
            if known > 0 && weights.len() == known {
                contrasts.insert(name.clone(), ContrastText::Known(format!("0 {}", weights.join(" "))));
            } else if let (true, [first, second, ..]) = (known > 0, arms.as_slice()) {
                // It was doubted above, and once is enough.
                contrasts.insert(name.clone(), ContrastText::Known(format!("{} - {}", second.id, first.id)));
            }
        }
        // This format could not ask what lasts: the primary contrasts are told of the phase after the messages, uncorrected.
        let lasting = FamilyText {
            id: "after".into(),
            contrasts: primary.clone(),
            outcomes: vec!["complied".into()],
            phase: "after".into(),
            adjust: "none".into(),
        };
        let families = if estimand.phase == "messages" { vec![lasting] } else { Vec::new() };
        super::Text {
            _format: FORMAT,
            id,
            title,
            question,
            registry_number,
            ethics_approval,
            municipalities,
            seed,
            calendar,
            population,
            assignment: AssignmentText { unit, strata, ratio: BTreeMap::new(), block: None, rerandomise: None },
            arms: arms
                .into_iter()
                .map(|Arm { id, name, norm, plan }| ArmText { id, name, factors: [("norm".to_owned(), norm), ("plan".to_owned(), plan)].into() })
                .collect(),
            outcome,
            estimand,
            analysis: AnalysisText { primary, secondary, adjust, level, randomisation_draws, wild_draws, contrasts, families },
            looks,
            norm,
            messages,
            stop_rules,
            campaigns,
            doubts,
        }
    }
}
