//! What a protocol must be before it may be frozen: every inconsistency, one line, with its key and the remedy.

use super::text::Text;
use std::collections::{BTreeMap, BTreeSet};

/// Below this many homes no share is ever told.
const FEWEST_HOMES: i64 = 20;

/// Collects lines that begin with the key.
struct Lines(Vec<String>);

impl Lines {
    fn doubt(&mut self, key: &str, problem: impl AsRef<str>) {
        self.0.push(format!("{key}: {}", problem.as_ref()));
    }

    fn unless(&mut self, right: bool, key: &str, problem: impl AsRef<str>) {
        if !right {
            self.doubt(key, problem);
        }
    }
}

fn is_name(text: &str, more: char) -> bool {
    !text.is_empty() && text.len() <= 60 && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == more)
}

/// Every inconsistency of numbers, names and dates, in the order of the text; words that mean nothing are told where they are read.
pub(super) fn problems(text: &Text, known_wording: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut lines = Lines(Vec::new());
    text.head(&mut lines);
    text.phases(&mut lines);
    text.arms_and_contrasts(&mut lines);
    text.planned_looks(&mut lines);
    text.norm_rules(&mut lines);
    text.dose(&mut lines, known_wording);
    lines.0
}

impl Text {
    fn head(&self, lines: &mut Lines) {
        lines.unless(is_name(&self.id, '-'), "id", format!("«{}» is not a name; use lower-case letters, digits and hyphens", self.id));
        lines.unless(!self.title.trim().is_empty(), "title", "is empty; say in a few words what the trial is called");
        lines.unless(!self.question.trim().is_empty(), "question", "is empty; write the question the trial answers");
        lines.unless(!self.municipalities.is_empty(), "municipalities", "is empty; name at least one INE code");
        let mut seen = BTreeSet::new();
        for code in &self.municipalities {
            lines.unless(seen.insert(code), "municipalities", format!("«{code}» stands twice; name it once"));
        }
        lines.unless(self.seed > 0, "seed", "is 0; write the seed that was drawn or agreed on before the freeze");
        lines.unless(self.population.minimum_homes >= 1, "population.minimum_homes", "must be at least 1");
        let assignment = &self.assignment;
        for (arm, share) in &assignment.ratio {
            lines.unless((1..=20).contains(share), "assignment.ratio", format!("{share} of «{arm}» is not a share; use whole numbers from 1 to 20"));
        }
        if let Some(block) = assignment.block {
            lines.unless((2..=100).contains(&block), "assignment.block", format!("{block} is not a size; use 2 (matched pairs) to 100"));
        }
        if let Some(rule) = &assignment.rerandomise {
            let key = "assignment.rerandomise";
            lines.unless(!rule.covariates.is_empty(), key, "names no covariate; name baseline, homes or both");
            lines.unless(
                rule.largest_difference > 0.0 && rule.largest_difference.is_finite(),
                key,
                format!("{} is not a largest difference; write one in standard deviations, such as 0.25", rule.largest_difference),
            );
        }
    }

    fn phases(&self, lines: &mut Lines) {
        let calendar = &self.calendar;
        lines.unless((1..=520).contains(&calendar.weeks), "calendar.weeks", format!("{} is not a length in weeks; use 1 to 520", calendar.weeks));
        let mut expected = None;
        for (key, [from, to]) in
            [("calendar.baseline", calendar.baseline), ("calendar.messages", calendar.messages), ("calendar.after", calendar.after)]
        {
            lines.unless(from <= to, key, format!("week {from} comes after week {to}; write the first week, then the last"));
            lines.unless(
                from >= 1 && to <= calendar.weeks,
                key,
                format!("weeks {from} to {to} are not inside the trial's weeks 1 to {}; change them or calendar.weeks", calendar.weeks),
            );
            if let Some(expected) = expected {
                lines.unless(
                    from == expected,
                    key,
                    format!("starts in week {from}, the phase before ends in week {}; start in week {expected}", expected - 1),
                );
            }
            expected = Some(to + 1);
        }
    }

    fn arms_and_contrasts(&self, lines: &mut Lines) {
        lines.unless(self.arms.len() >= 2, "arms", "fewer than two arms; a trial compares");
        lines.unless(self.arms.len() <= 12, "arms", format!("there are {}; use at most 12", self.arms.len()));
        let mut ids = BTreeSet::new();
        for arm in &self.arms {
            let name = is_name(&arm.id, '_') && arm.id != "week";
            lines.unless(name, "arms.id", format!("«{}» is not a name; use lower-case letters, digits and underscores, and not «week»", arm.id));
            lines.unless(ids.insert(&arm.id), "arms.id", format!("«{}» stands twice; every arm has its own id", arm.id));
            lines.unless(!arm.name.trim().is_empty(), "arms.name", format!("is empty for «{}»; pages show it", arm.id));
            let same = |other: &&super::text::ArmText| other.id != arm.id && !arm.factors.is_empty() && other.factors == arm.factors;
            if let Some(other) = self.arms.iter().take_while(|other| other.id != arm.id).find(same) {
                lines.doubt("arms.factors", format!("«{}» has the same factors as «{}»; arms differ in a factor, or declare none", arm.id, other.id));
            }
        }
        let analysis = &self.analysis;
        lines.unless(!self.outcome.definition.trim().is_empty(), "outcome.definition", "is empty; say when a collection counts as 1, 0 or missing");
        lines.unless(!analysis.primary.is_empty(), "analysis.primary", "is empty; name at least one contrast");
        for contrast in &analysis.secondary {
            lines.unless(!analysis.primary.contains(contrast), "analysis.secondary", format!("«{contrast}» is primary already; name it once"));
        }
        let used = |id: &String| {
            analysis.primary.contains(id) || analysis.secondary.contains(id) || analysis.families.iter().any(|family| family.contrasts.contains(id))
        };
        for id in analysis.contrasts.keys() {
            lines.unless(
                used(id),
                "analysis.contrasts",
                format!("«{id}» is in no family; name it in analysis.primary, secondary or a family, or drop it"),
            );
            let name = !id.is_empty() && id.len() <= 60 && id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == ':');
            lines.unless(name, "analysis.contrasts", format!("«{id}» is not a name; use lower-case letters, digits, underscores and colons"));
        }
        for family in &analysis.families {
            lines.unless(
                is_name(&family.id, '-'),
                "analysis.families.id",
                format!("«{}» is not a name; use lower-case letters, digits and hyphens", family.id),
            );
            lines.unless(!family.contrasts.is_empty(), "analysis.families.contrasts", format!("«{}» names no contrast", family.id));
            lines.unless(!family.outcomes.is_empty(), "analysis.families.outcomes", format!("«{}» names no outcome", family.id));
        }
        lines.unless(
            analysis.level > 0.5 && analysis.level < 1.0,
            "analysis.level",
            format!("{} is not a level; write one such as 0.95", analysis.level),
        );
        for (key, draws) in [("analysis.randomisation_draws", analysis.randomisation_draws), ("analysis.wild_draws", analysis.wild_draws)] {
            lines.unless((99..=10_000_000).contains(&draws), key, format!("{draws} draws; use 99 to 10,000,000"));
        }
        let stop = &self.stop_rules;
        for (key, share) in [
            ("stop_rules.opt_out_per_week", stop.opt_out_per_week),
            ("stop_rules.complaints", stop.complaints),
            ("stop_rules.harm_points", stop.harm_points),
        ] {
            lines.unless(share > 0.0 && share <= 1.0, key, format!("{share} is not a share; write 0.05 for five of a hundred"));
        }
    }

    fn planned_looks(&self, lines: &mut Lines) {
        lines.unless(!self.looks.is_empty(), "looks", "there is none; plan at least one, or nobody will ever see the arms");
        let mut last = 0;
        for (index, look) in self.looks.iter().enumerate() {
            let number = index as i32 + 1;
            lines.unless(look.look == number, "looks.look", format!("look {} stands in place {number}; number looks 1, 2, 3 in order", look.look));
            lines.unless(
                look.data_through >= self.calendar.messages[0] && look.data_through <= self.calendar.weeks,
                "looks.data_through",
                format!(
                    "week {} of look {} is not between the first message week {} and the last week {}",
                    look.data_through, look.look, self.calendar.messages[0], self.calendar.weeks
                ),
            );
            lines.unless(
                look.data_through > last,
                "looks.data_through",
                format!("week {} of look {} does not come after week {last}; put looks in order", look.data_through, look.look),
            );
            last = last.max(look.data_through);
        }
    }

    fn norm_rules(&self, lines: &mut Lines) {
        let norm = &self.norm;
        lines.unless(!norm.definition.trim().is_empty(), "norm.definition", "is empty; say which homes count");
        for (key, value) in
            [("norm.window_weeks", norm.window_weeks), ("norm.minimum_visits", norm.minimum_visits), ("norm.valid_days", norm.valid_days)]
        {
            lines.unless(value >= 1, key, format!("{value} is too few; use at least 1"));
        }
        lines.unless(norm.window_weeks <= 52, "norm.window_weeks", format!("{} is more than a year; use at most 52", norm.window_weeks));
        lines.unless(
            norm.minimum_homes >= FEWEST_HOMES,
            "norm.minimum_homes",
            format!("{} homes would point at neighbours; use at least {FEWEST_HOMES}", norm.minimum_homes),
        );
        lines.unless(norm.group_homes >= norm.minimum_homes, "norm.group_homes", "is below norm.minimum_homes; a group is at least that large");
        lines.unless(
            norm.half_width > 0.0 && norm.half_width < 0.5,
            "norm.half_width",
            format!("{} is not a half-width; write one such as 0.10", norm.half_width),
        );
        lines.unless(
            norm.static_lower >= 0.5 && norm.static_lower < 1.0,
            "norm.static_lower",
            format!("{} would tell a minority as if it were most; use 0.50 or more", norm.static_lower),
        );
        lines.unless(
            norm.dynamic_rise > 0.0 && norm.dynamic_rise < 1.0,
            "norm.dynamic_rise",
            format!("{} is not a rise; write one such as 0.05", norm.dynamic_rise),
        );
        lines.unless(
            norm.dynamic_level > 0.5 && norm.dynamic_level < 1.0,
            "norm.dynamic_level",
            format!("{} is not a level; write one such as 0.90", norm.dynamic_level),
        );
        lines.unless((2..=10).contains(&norm.ceiling_tenth), "norm.ceiling_tenth", format!("{} is not a tenth; use 2 to 10", norm.ceiling_tenth));
        lines.unless(!norm.groups.is_empty(), "norm.groups", "is empty; name at least one group, smallest first");
    }

    /// One message a week in every arm, of texts that exist, and never more than a home may get.
    fn dose(&self, lines: &mut Lines, known_wording: &dyn Fn(&str) -> bool) {
        let messages = &self.messages;
        lines.unless(messages.per_week >= 1, "messages.per_week", format!("{} is too few; use at least 1", messages.per_week));
        lines.unless(
            messages.cap_per_week >= messages.per_week,
            "messages.cap_per_week",
            "is below messages.per_week; planned messages would be held back",
        );
        lines.unless(
            messages.cap_per_28_days >= 4 * messages.per_week,
            "messages.cap_per_28_days",
            "is below four weeks of messages.per_week; planned messages would be held back",
        );
        let [first, last] = self.calendar.messages;
        let mut in_week: BTreeMap<i64, i64> = BTreeMap::new();
        let mut unknown = BTreeSet::new();
        for (name, campaign) in &self.campaigns {
            let key = format!("campaigns.{name}");
            lines.unless(is_name(name, '-'), "campaigns", format!("«{name}» is not a name; use lower-case letters, digits and hyphens"));
            lines.unless(!campaign.steps.is_empty(), &key, "has no steps; write one per message week");
            for step in &campaign.steps {
                let week = step.week;
                *in_week.entry(week).or_default() += 1;
                lines.unless(
                    (first..=last).contains(&week),
                    &key,
                    format!("the step of week {week} is outside the message weeks {first} to {last}; messages must stop on the planned day"),
                );
                for arm in &self.arms {
                    lines.unless(
                        step.wording.contains_key(&arm.id),
                        &key,
                        format!("week {week} has no wording for arm «{}»; every arm gets the same dose", arm.id),
                    );
                }
                for (arm, wording) in &step.wording {
                    lines.unless(
                        self.arms.iter().any(|known| known.id == *arm),
                        &key,
                        format!("week {week} names «{arm}», which is not an arm; use the ids under [[arms]]"),
                    );
                    if !known_wording(wording) && unknown.insert((name, wording)) {
                        lines.doubt(
                            &key,
                            format!("week {week}: there is no wording «{wording}»; put it under templates/messages/es/ or correct the name"),
                        );
                    }
                }
            }
        }
        for (week, steps) in in_week {
            lines.unless(
                steps <= messages.per_week,
                "campaigns",
                format!("week {week} has {steps} steps over all campaigns, messages.per_week allows {}; drop some", messages.per_week),
            );
        }
    }
}
