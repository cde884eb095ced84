//! A protocol's text: TOML, read strictly, in every format that was ever released. The format a text names is the one it is read in, for
//! ever; an earlier one is upgraded to the newest, and what it did not say then keeps meaning what it meant.

mod format_0;
mod laid;

use super::contrast;
use super::protocol::{
    Adjust, Analysis, Arm, Assignment, Calendar, Campaign, Contrast, Covariate, Estimand, Family, GroupKind, Measure, MessageRules, NormRules,
    Outcome, Phase, PlannedLook, Population, Protocol, Rerandomise, StopRules, Stratum,
};
use crate::clock::Week;
use crate::error::{Error, Result};
use crate::id::MunicipalityId;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The newest format.
pub const FORMAT: i64 = 1;

/// A text of the newest format, as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    #[serde(rename = "format")]
    _format: i64,
    pub id: String,
    pub title: String,
    pub question: String,
    pub registry_number: String,
    pub ethics_approval: String,
    /// INE codes, four digits.
    pub municipalities: Vec<String>,
    pub seed: u64,
    pub calendar: CalendarText,
    pub population: Population,
    pub assignment: AssignmentText,
    pub arms: Vec<ArmText>,
    pub outcome: OutcomeText,
    pub estimand: EstimandText,
    pub analysis: AnalysisText,
    pub looks: Vec<PlannedLook>,
    pub norm: NormText,
    pub messages: MessageText,
    pub stop_rules: StopRules,
    pub campaigns: BTreeMap<String, Campaign>,
    /// Lines about what an earlier format said and cannot be meant.
    #[serde(skip)]
    pub doubts: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalendarText {
    /// `2026-W29`
    pub first_week: String,
    pub weeks: i64,
    pub baseline: [i64; 2],
    pub messages: [i64; 2],
    pub after: [i64; 2],
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssignmentText {
    pub unit: String,
    pub strata: Vec<String>,
    /// By arm; an arm that is not named gets 1.
    #[serde(default)]
    pub ratio: BTreeMap<String, u32>,
    pub block: Option<usize>,
    pub rerandomise: Option<RerandomiseText>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RerandomiseText {
    pub covariates: Vec<String>,
    pub largest_difference: f64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArmText {
    pub id: String,
    pub name: String,
    #[serde(default)]
    pub factors: BTreeMap<String, bool>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutcomeText {
    pub id: String,
    pub definition: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EstimandText {
    pub population: String,
    pub effect: String,
    pub phase: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnalysisText {
    pub primary: Vec<String>,
    #[serde(default)]
    pub secondary: Vec<String>,
    /// Of the primary contrasts; the secondary ones stand uncorrected.
    pub adjust: String,
    pub level: f64,
    pub randomisation_draws: u32,
    pub wild_draws: u32,
    pub contrasts: BTreeMap<String, ContrastText>,
    #[serde(default)]
    pub families: Vec<FamilyText>,
}

/// `norm = "norm - reminder"`, or `norm = { name = "Decir la norma", weights = "norm - reminder" }`.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "a contrast is weights over arms, or { name = …, weights = … }")]
pub enum ContrastText {
    Weights(String),
    Named(NamedContrast),
    /// Of the earliest format, whose six contrasts pages know by name.
    #[serde(skip)]
    Known(String),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedContrast {
    pub name: String,
    pub weights: String,
}

impl ContrastText {
    pub fn weights(&self) -> &str {
        match self {
            ContrastText::Weights(weights) | ContrastText::Known(weights) | ContrastText::Named(NamedContrast { weights, .. }) => weights,
        }
    }
}

/// Contrasts that are told beside the primary and secondary ones: of other outcomes, or of another phase.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FamilyText {
    pub id: String,
    pub contrasts: Vec<String>,
    pub outcomes: Vec<String>,
    pub phase: String,
    pub adjust: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NormText {
    pub definition: String,
    pub window_weeks: i64,
    pub minimum_visits: i64,
    pub valid_days: i64,
    pub minimum_homes: i64,
    pub group_homes: i64,
    pub half_width: f64,
    pub static_lower: f64,
    pub dynamic_rise: f64,
    pub dynamic_level: f64,
    pub ceiling_tenth: i16,
    pub groups: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageText {
    pub per_week: i64,
    pub weekday_hours: [String; 2],
    pub saturday_hours: [String; 2],
    pub cap_per_week: i64,
    pub cap_per_28_days: i64,
}

fn toml_of<T: serde::de::DeserializeOwned>(text: &str, place: &str) -> Result<T> {
    toml::from_str(text).map_err(|e| {
        let line = e.span().map(|s| text[..s.start.min(text.len())].lines().count().max(1)).unwrap_or(1);
        Error::refused("protocol", format!("{place}: line {line}: {}; mend the protocol", e.message().replace('\n', " ")))
    })
}

/// The text in the newest format.
fn newest(text: &str, place: &str) -> Result<Text> {
    #[derive(Deserialize)]
    struct Named {
        format: Option<toml::Value>,
    }
    let Named { format } = toml_of(text, place)?;
    match format {
        None => toml_of::<format_0::Text>(text, place).map(format_0::Text::upgraded),
        Some(toml::Value::Integer(FORMAT)) => toml_of(text, place),
        Some(other) => Err(Error::refused(
            "protocol-format",
            format!(
                "{place}: format {other} is not known to this version, which reads format {FORMAT} and texts without one; use the version it was written for, or write format = {FORMAT}"
            ),
        )),
    }
}

pub(super) fn read(text: &str, place: &str) -> Result<Protocol> {
    let (protocol, lines) = typed(newest(text, place)?);
    protocol.ok_or_else(|| Error::refused_lines("protocol", lines.into_iter().map(|line| format!("{place}: {line}")).collect()))
}

pub(super) fn problems(text: &str, place: &str, known_wording: &dyn Fn(&str) -> bool) -> Result<Vec<String>> {
    let text = newest(text, place)?;
    let mut lines = text.doubts.clone();
    lines.extend(super::check::problems(&text, known_wording));
    lines.extend(typed(text).1);
    Ok(lines)
}

pub use laid::laid;

/// Lines about words that mean nothing.
struct Lines(Vec<String>);

impl Lines {
    fn doubt(&mut self, key: &str, problem: impl std::fmt::Display) {
        self.0.push(format!("{key}: {problem}"));
    }

    fn word<T: Copy>(&mut self, key: &str, word: &str, all: &[T], name: fn(T) -> &'static str) -> Option<T> {
        let found = all.iter().copied().find(|it| name(*it) == word);
        if found.is_none() {
            let known: Vec<&str> = all.iter().map(|it| name(*it)).collect();
            self.doubt(key, format!("«{word}» is not known; choose from {}", known.join(", ")));
        }
        found
    }

    /// Words of a list, none twice.
    fn words<T: Copy>(&mut self, key: &str, words: &[String], all: &[T], name: fn(T) -> &'static str) -> Vec<T> {
        let found = words.iter().filter_map(|word| self.word(key, word, all, name)).collect();
        self.once(key, words);
        found
    }

    fn once(&mut self, key: &str, words: &[String]) {
        for (at, word) in words.iter().enumerate() {
            if words[..at].contains(word) {
                self.doubt(key, format!("«{word}» stands twice; name it once"));
            }
        }
    }

    fn hours(&mut self, key: &str, hours: &[String; 2]) -> [u32; 2] {
        use chrono::Timelike;
        let read = |text: &String| chrono::NaiveTime::parse_from_str(text, "%H:%M").ok().map(|time| time.hour() * 60 + time.minute());
        match (read(&hours[0]), read(&hours[1])) {
            (Some(from), Some(to)) if from + 60 <= to => [from, to],
            (Some(from), Some(to)) if from < to => {
                self.doubt(key, format!("{} to {} is less than an hour; leave one to spread messages over", hours[0], hours[1]));
                [from, to]
            }
            (Some(_), Some(_)) => {
                self.doubt(key, format!("{} is not before {}; write opening, then closing", hours[0], hours[1]));
                [0, 0]
            }
            _ => {
                self.doubt(key, format!("«{}» to «{}» are not hours; write them like 08:00", hours[0], hours[1]));
                [0, 0]
            }
        }
    }
}

/// What the text means; nothing when some of its words mean nothing, with a line for each.
fn typed(text: Text) -> (Option<Protocol>, Vec<String>) {
    let mut lines = Lines(Vec::new());
    let Text {
        _format: _,
        id,
        title,
        question,
        registry_number,
        ethics_approval,
        municipalities,
        seed,
        calendar,
        population: entering,
        assignment,
        arms,
        outcome: OutcomeText { id: measure, definition },
        estimand: EstimandText { population, effect, phase },
        analysis,
        looks,
        norm,
        messages,
        stop_rules,
        campaigns,
        doubts,
    } = text;
    let municipalities = municipalities
        .iter()
        .filter_map(|code| {
            let found = MunicipalityId::parse(code).ok().filter(|it| (1..=22).contains(&(it.0 / 100)) && it.0 % 100 > 0);
            if found.is_none() {
                lines.doubt("municipalities", format!("«{code}» is not a municipality code; use the four digits of INE, such as 1202"));
            }
            found
        })
        .collect();
    let CalendarText { first_week, weeks, baseline, messages: message_weeks, after } = calendar;
    let first_week = Week::parse(&first_week).ok().or_else(|| {
        lines.doubt("calendar.first_week", format!("«{first_week}» is not a week; write it like 2026-W29"));
        None
    });
    let measure = lines.word("outcome.id", &measure, &[Measure::Complied], Measure::name);
    let phase = lines.word("estimand.phase", &phase, &[Phase::Messages, Phase::After], Phase::name);
    let assignment = assigned(assignment, &arms, &mut lines);
    let analysis = analysed(analysis, &arms, phase, &mut lines);
    let groups = lines.words("norm.groups", &norm.groups, GroupKind::ALL, GroupKind::name);
    let weekday_hours = lines.hours("messages.weekday_hours", &messages.weekday_hours);
    let saturday_hours = lines.hours("messages.saturday_hours", &messages.saturday_hours);
    let (Some(first_week), Some(measure), Some(phase)) = (first_week, measure, phase) else { return (None, lines.0) };
    let protocol = Protocol {
        id,
        title,
        question,
        registry_number,
        ethics_approval,
        municipalities,
        seed,
        calendar: Calendar { first_week, weeks, baseline, messages: message_weeks, after },
        population: entering,
        assignment,
        arms: arms.into_iter().map(|ArmText { id, name, factors }| Arm { id, name, factors }).collect(),
        outcome: Outcome { measure, definition },
        estimand: Estimand { population, effect, phase },
        analysis,
        looks,
        norm: NormRules {
            definition: norm.definition,
            window_weeks: norm.window_weeks,
            minimum_visits: norm.minimum_visits,
            valid_days: norm.valid_days,
            minimum_homes: norm.minimum_homes,
            group_homes: norm.group_homes,
            half_width: norm.half_width,
            static_lower: norm.static_lower,
            dynamic_rise: norm.dynamic_rise,
            dynamic_level: norm.dynamic_level,
            ceiling_tenth: norm.ceiling_tenth,
            groups,
        },
        messages: MessageRules {
            per_week: messages.per_week,
            weekday_hours,
            saturday_hours,
            cap_per_week: messages.cap_per_week,
            cap_per_28_days: messages.cap_per_28_days,
        },
        stop_rules,
        campaigns,
    };
    let whole = lines.0.is_empty() && doubts.is_empty();
    (whole.then_some(protocol), lines.0)
}

fn assigned(text: AssignmentText, arms: &[ArmText], lines: &mut Lines) -> Assignment {
    let AssignmentText { unit, strata, ratio, block, rerandomise } = text;
    if unit != "segment" {
        lines.doubt("assignment.unit", format!("«{unit}» is not known; only segments are assigned"));
    }
    for arm in ratio.keys().filter(|arm| arms.iter().all(|known| known.id != **arm)) {
        lines.doubt("assignment.ratio", format!("«{arm}» is not an arm; use the ids under [[arms]]"));
    }
    Assignment {
        strata: lines.words("assignment.strata", &strata, Stratum::ALL, Stratum::name),
        ratio: arms.iter().map(|arm| ratio.get(&arm.id).copied().unwrap_or(1)).collect(),
        block,
        rerandomise: rerandomise.map(|RerandomiseText { covariates, largest_difference }| Rerandomise {
            covariates: lines.words("assignment.rerandomise.covariates", &covariates, Covariate::ALL, Covariate::name),
            largest_difference,
        }),
    }
}

fn analysed(text: AnalysisText, arms: &[ArmText], phase: Option<Phase>, lines: &mut Lines) -> Analysis {
    let AnalysisText { primary, secondary, adjust, level, randomisation_draws, wild_draws, contrasts, families } = text;
    let arms: Vec<&str> = arms.iter().map(|arm| arm.id.as_str()).collect();
    let mut known: BTreeMap<&str, Contrast> = BTreeMap::new();
    for (id, text) in &contrasts {
        match contrast::weights(text.weights(), &arms) {
            Ok(weights) => {
                let name = match text {
                    ContrastText::Known(_) => None,
                    ContrastText::Weights(_) => Some(id.clone()),
                    ContrastText::Named(named) => Some(named.name.clone()),
                };
                known.insert(id, Contrast { id: id.clone(), name, weights });
            }
            Err(why) => lines.doubt(&format!("analysis.contrasts.{id}"), why),
        }
    }
    let registered = |key: &str, names: &[String], lines: &mut Lines| -> Vec<Contrast> {
        for name in names.iter().filter(|name| !contrasts.contains_key(*name)) {
            let all: Vec<&str> = contrasts.keys().map(String::as_str).collect();
            lines.doubt(key, format!("«{name}» is not known; choose from {}, or write it under [analysis.contrasts]", all.join(", ")));
        }
        lines.once(key, names);
        names.iter().filter_map(|name| known.get(name.as_str()).cloned()).collect()
    };
    let declared = phase.unwrap_or(Phase::Messages);
    let family = |id: &str, contrasts: Vec<Contrast>, adjust: Adjust| Family {
        id: id.to_owned(),
        contrasts,
        measures: vec![Measure::Complied],
        phase: declared,
        adjust,
    };
    let adjusted = lines.word("analysis.adjust", &adjust, Adjust::ALL, Adjust::name).unwrap_or(Adjust::Holm);
    let mut all = vec![
        family("primary", registered("analysis.primary", &primary, lines), adjusted),
        family("secondary", registered("analysis.secondary", &secondary, lines), Adjust::None),
    ];
    for text in families {
        let FamilyText { id, contrasts, outcomes, phase, adjust } = text;
        let key = |name: &str| format!("analysis.families.{name}");
        if all.iter().any(|known| known.id == id) {
            lines.doubt(&key("id"), format!("«{id}» stands twice; every family has its own id, and primary and secondary are taken"));
        }
        let phase = lines.word(&key("phase"), &phase, &[Phase::Messages, Phase::After], Phase::name);
        all.push(Family {
            contrasts: registered(&key("contrasts"), &contrasts, lines),
            measures: lines.words(&key("outcomes"), &outcomes, Measure::ALL, Measure::name),
            phase: phase.unwrap_or(declared),
            adjust: lines.word(&key("adjust"), &adjust, Adjust::ALL, Adjust::name).unwrap_or(Adjust::Holm),
            id,
        });
    }
    Analysis { families: all, level, randomisation_draws, wild_draws }
}
