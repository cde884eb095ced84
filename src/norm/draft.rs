//! What each home of one municipality gets in one week, and why: facts loaded once, then one pure decision a home.

use super::hours::{Hours, Slot, minutes, weekday_name};
use super::record::{self, GroupKey, Norm, Place, Seen, Windows};
use super::rule::{Choice, Facts, Group, Text, choose};
use super::share::{Record, Rise};
use super::wording::{self, Form, Rendered};
use crate::clock::{Week, local};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{HouseholdId, MunicipalityId, NormId, PlanId, SegmentId};
use crate::registry::{Channel, Contact, Purpose, may_contact, may_contact_all};
use crate::territory::calendar::holiday;
use crate::territory::collection;
use crate::territory::dated::in_force;
use crate::trial::homes::drawn_segment;
use crate::trial::protocol::{GroupKind, MessageRules, Protocol, Step};
use crate::trial::{self, Trial};
use crate::{all, opt};
use chrono::{DateTime, NaiveDate, Utc};
use std::collections::{BTreeMap, BTreeSet};

/// The rule a norm may name when no figure can be told: separating is asked of every home since 11/02/2025.
pub const INJUNCTIVE_SOURCE: &str = "Acuerdo Gubernativo 164-2021";

/// A home's own plan, in its words, shortened when it was captured.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Plan {
    pub plan_id: PlanId,
    pub household_id: HouseholdId,
    pub when_text: String,
    pub where_text: String,
}

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Home {
    pub household_id: HouseholdId,
    pub code: String,
    /// Where it stands, and so whose norm it hears and when its truck comes.
    pub segment_id: SegmentId,
    /// Where it stood at the draw, and so its arm.
    pub drawn_in: SegmentId,
}

/// Everything a week's messages of one municipality follow from.
pub struct WeekFacts {
    pub municipality: MunicipalityId,
    pub trial_week: i64,
    pub week: Week,
    pub windows: Windows,
    protocol: Protocol,
    step: Step,
    sender: String,
    hours: Hours,
    pub homes: Vec<Home>,
    arms: BTreeMap<SegmentId, String>,
    places: BTreeMap<SegmentId, Place>,
    seen: BTreeMap<HouseholdId, Seen>,
    groups: BTreeMap<SegmentId, Vec<Group>>,
    /// Made for this week; stored ones when there are any.
    pub norms: Vec<Norm>,
    pub norms_are_stored: bool,
    by_group: BTreeMap<(GroupKey, bool), usize>,
    /// Days of collection of this week and the next, with the minute the window begins.
    collections: BTreeMap<SegmentId, Vec<(NaiveDate, u32)>>,
    plans: BTreeMap<HouseholdId, Plan>,
    contacts: BTreeMap<HouseholdId, Contact>,
    /// Of homes near a cap only.
    earlier: BTreeMap<HouseholdId, Vec<(NaiveDate, Week)>>,
}

/// One home's message as it would be queued, with its reasons.
#[derive(Debug, Clone)]
pub struct Draft {
    pub household: HouseholdId,
    pub arm: String,
    pub wording: String,
    /// The rule that fired.
    pub rule: &'static str,
    pub choice: Option<Choice>,
    pub own: Record,
    pub norm: Option<NormId>,
    pub plan: Option<PlanId>,
    pub slot: Option<Slot>,
    pub channel: &'static str,
    pub language: String,
    pub outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Text(Rendered),
    /// Not written to, and why: dose is an outcome, so the row is kept.
    Withheld(String),
}

impl WeekFacts {
    /// Loads the week's facts; for one home only when `only` names it. Norms are taken as frozen at `at`, else made (and not stored).
    pub async fn load(
        tx: &mut Tx,
        trial: &Trial,
        municipality: MunicipalityId,
        campaign_id: &str,
        week: Week,
        only: Option<HouseholdId>,
        at: DateTime<Utc>,
    ) -> Result<WeekFacts> {
        let protocol = trial.protocol.clone();
        let (trial_week, step) = step_of(&protocol, campaign_id, week)?;
        let sender: Option<(Option<String>,)> = opt!(tx, "SELECT sender FROM municipality WHERE municipality_id = $1", municipality)?;
        let sender = sender.and_then(|(sender,)| sender).ok_or_else(|| {
            Error::refused(
                "message-sender",
                format!("municipality {municipality}: it has no sender name for messages; set one of at most 16 characters"),
            )
        })?;
        let hours = Hours::of(&protocol.messages);
        let homes: Vec<Home> = all!(
            tx,
            concat!(
                "SELECT h.household_id, h.code, v.segment_id, COALESCE(",
                drawn_segment!("h", "$4"),
                ", v.segment_id) AS drawn_in
                   FROM household h
                   JOIN household_version v ON v.municipality_id = h.municipality_id AND v.household_id = h.household_id AND ",
                in_force!("v", "$2"),
                " WHERE h.municipality_id = $1 AND v.service_status = 'served' AND v.segment_id IS NOT NULL AND ($3 IS NULL OR h.household_id = $3)
                  ORDER BY h.household_id"
            ),
            municipality,
            week.monday(),
            only,
            &trial.id
        )?;
        let arms = trial::arms(tx, &trial.id, municipality).await?;
        let windows = Windows::before_week(week, &protocol.norm);
        let places = record::places(tx, municipality, windows.now.1.sunday(), at).await?;
        let seen = record::seen(tx, municipality, windows).await?;
        let mut norms = record::valid(tx, municipality, &trial.id, windows, at).await?;
        let norms_are_stored = !norms.is_empty();
        if !norms_are_stored {
            norms = record::compute(municipality, &trial.id, &protocol.norm, windows, &seen, &places, at);
        }
        let mut by_group = BTreeMap::new();
        for (index, norm) in norms.iter().enumerate() {
            let kind =
                GroupKind::parse(&norm.group_kind).ok_or_else(|| Error::internal(format!("norm {}: its group is of no kind", norm.norm_id)))?;
            by_group.insert(((kind, norm.group_id), norm.kind == "dynamic"), index);
        }
        let (first, last) = (week.monday(), week.plus(1).sunday());
        let hours = hours.quiet_on(holiday::quiet_days(tx, municipality, first, last).await?);
        let mut collections: BTreeMap<SegmentId, Vec<(NaiveDate, u32)>> = BTreeMap::new();
        for (segment, day, start) in collection::days_of_segments(tx, municipality, first, last).await? {
            collections.entry(segment).or_default().push((day, minutes(&start).unwrap_or(0)));
        }
        let plans: Vec<Plan> = all!(
            tx,
            "SELECT plan_id, household_id, when_text, where_text FROM plan
              WHERE municipality_id = $1 AND captured_at <= $2 AND (ended_at IS NULL OR ended_at > $2) AND ($3 IS NULL OR household_id = $3)
              ORDER BY captured_at, plan_id",
            municipality,
            at,
            only
        )?;
        let contacts = match only {
            None => may_contact_all(tx, municipality, Purpose::Messages, local(at).date_naive()).await?,
            Some(home) => BTreeMap::from([(home, may_contact(tx, municipality, home, Purpose::Messages, local(at).date_naive()).await?)]),
        };
        let mut facts = WeekFacts {
            municipality,
            trial_week,
            week,
            windows,
            step,
            sender,
            hours,
            homes,
            arms: arms.into_iter().collect(),
            places,
            seen,
            groups: BTreeMap::new(),
            norms,
            norms_are_stored,
            by_group,
            collections,
            plans: plans.into_iter().map(|plan| (plan.household_id, plan)).collect(),
            contacts,
            earlier: near_cap(tx, municipality, campaign_id, week, &protocol.messages).await?,
            protocol,
        };
        facts.group_segments()?;
        Ok(facts)
    }

    /// The candidate groups of every segment, nearest first; the same for all homes of a segment, so made once.
    fn group_segments(&mut self) -> Result<()> {
        for segment in self.homes.iter().map(|home| home.segment_id).collect::<BTreeSet<_>>() {
            let Some(place) = self.places.get(&segment) else { continue };
            let groups = self.protocol.norm.groups.iter().map(|kind| {
                let find = |dynamic| self.by_group.get(&(place.key(*kind), dynamic)).and_then(|index| self.norms.get(*index));
                let rise = find(true).and_then(|norm| {
                    let complied = i64::from(norm.before_homes_complied?);
                    let before = record::share_of(complied, i64::from(norm.before_homes?))?;
                    Some(Rise { before, now: norm.share(), rise: norm.rise?, low: norm.rise_low? })
                });
                Group { kind: *kind, share: find(false).map(Norm::share), rise }
            });
            let groups = groups.collect();
            self.groups.insert(segment, groups);
        }
        Ok(())
    }

    pub fn arm(&self, home: &Home) -> Option<&str> {
        self.arms.get(&home.drawn_in).map(String::as_str)
    }

    pub fn place(&self, home: &Home) -> Option<&Place> {
        self.places.get(&home.segment_id)
    }

    pub fn contact(&self, home: HouseholdId) -> Option<&Contact> {
        self.contacts.get(&home)
    }

    pub fn groups(&self, home: &Home) -> &[Group] {
        self.groups.get(&home.segment_id).map_or(&[], Vec::as_slice)
    }

    /// The frozen figure of one of the home's groups.
    pub fn norm_of(&self, home: &Home, group: usize, dynamic: bool) -> Option<&Norm> {
        let kind = self.groups(home).get(group)?.kind;
        self.by_group.get(&(self.place(home)?.key(kind), dynamic)).and_then(|index| self.norms.get(*index))
    }

    /// What this home gets this week; `None` when its segment is in no arm.
    pub fn draft(&self, home: &Home) -> Option<Draft> {
        let arm = self.arm(home)?;
        let family = self.step.wording.get(arm)?.as_str();
        let plan = self.plans.get(&home.household_id);
        let own = self.seen.get(&home.household_id).map(|seen| seen.now).unwrap_or_default();
        let cue = || if plan.is_some() { ("plan_cue".to_owned(), "with_plan") } else { ("plan_cue_without_plan".to_owned(), "without_plan") };
        let choice = matches!(family, "norm" | "norm_and_plan")
            .then(|| choose(&Facts { own, groups: self.groups(home), injunctive: true, turn: self.turn(arm), rules: &self.protocol.norm }));
        let (wording, rule) = match (family, choice.as_ref().map(|choice| choice.text)) {
            ("norm", Some(Text::Service)) => (self.service().to_owned(), Text::Service.name()),
            ("norm_and_plan", Some(Text::Service)) => (cue().0, Text::Service.name()),
            ("norm", Some(text)) => (wording::norm(text), text.name()),
            ("norm_and_plan", Some(text)) => (wording::norm_and_plan(text, plan.is_some()), text.name()),
            ("plan_cue", _) => cue(),
            ("plan_renewal", _) if plan.is_none() => ("plan_when_where".to_owned(), "without_plan"),
            ("plan_renewal", _) => (family.to_owned(), "with_plan"),
            _ => (family.to_owned(), "step"),
        };
        let norm = choice
            .as_ref()
            .filter(|choice| choice.text.rests_on_norm())
            .and_then(|choice| self.norm_of(home, choice.group?, matches!(choice.text, Text::Dynamic | Text::ApprovalOwn)));
        let second = spread(home.household_id, self.week);
        let slot = self.collections.get(&home.segment_id).and_then(|days| self.hours.slot(self.week, days, second));
        let mut draft = Draft {
            household: home.household_id,
            arm: arm.to_owned(),
            wording,
            rule,
            own,
            norm: norm.map(|norm| norm.norm_id),
            plan: None,
            slot,
            channel: "none",
            language: "es".into(),
            outcome: Outcome::Withheld("no-contact".into()),
            choice,
        };
        draft.outcome = self.fill(home, &mut draft, norm, plan);
        Some(draft)
    }

    fn fill(&self, home: &Home, draft: &mut Draft, norm: Option<&Norm>, plan: Option<&Plan>) -> Outcome {
        let withheld = |reason: &str| Outcome::Withheld(reason.to_owned());
        let (channel, language, spanish) = match self.contacts.get(&home.household_id) {
            Some(Contact::May { channel, language, spanish_allowed, .. }) => (*channel, language, *spanish_allowed),
            Some(Contact::MayNot { reason }) => return withheld(reason),
            None => return withheld("not-served"),
        };
        draft.channel = channel.name();
        draft.language = match wording::has(language, &draft.wording) {
            true => language.clone(),
            false if spanish => "es".into(),
            false => {
                draft.language = language.clone();
                return withheld("no-text-in-language");
            }
        };
        let Some(slot) = &draft.slot else {
            let collected = self.collections.contains_key(&home.segment_id);
            return withheld(if collected { "no-allowed-hour" } else { "no-collection" });
        };
        let earlier = self.earlier.get(&home.household_id).map_or(&[] as &[_], Vec::as_slice);
        if let Some(reason) = cap_reached(earlier, self.week, slot.due_on, &self.protocol.messages) {
            return withheld(reason);
        }
        let form = match channel {
            Channel::Sms => Form::Sms,
            Channel::Whatsapp => Form::Chat,
            Channel::Voice | Channel::Paper => Form::Spoken,
        };
        let start = local(slot.expires_at).format("%H:%M").to_string();
        let mut given: Vec<(&'static str, String)> =
            vec![("remite", self.sender.clone()), ("dia", weekday_name(slot.collection).to_owned()), ("hora", start)];
        given.push(("semanas", self.protocol.norm.window_weeks.to_string()));
        if let Some(norm) = norm {
            given.push(("sector", told_name(norm)));
            given.push(("n", norm.stated_tenth.to_string()));
            given.push(("ahora", norm.stated_tenth.to_string()));
            given.extend(norm.before_tenth.map(|tenth| ("antes", tenth.to_string())));
        }
        if let Some(plan) = plan.filter(|_| wording::uses_plan(&draft.wording)) {
            draft.plan = Some(plan.plan_id);
            given.push(("cuando", plan.when_text.clone()));
            given.push(("lugar", plan.where_text.clone()));
        }
        let mut values = BTreeMap::new();
        // A text is filled with what it says and nothing else: a value it does not say cannot withhold it.
        for (name, text) in given.into_iter().filter(|(name, _)| wording::says(&draft.language, &draft.wording, name)) {
            match wording::value(name, &text) {
                Ok(short) => values.insert(name, if form == Form::Sms { short } else { text }),
                Err(e) => return withheld(e.code),
            };
        }
        match wording::render(&draft.language, &draft.wording, &values, form) {
            Ok(rendered) => Outcome::Text(rendered),
            Err(e) => {
                tracing::error!(wording = draft.wording, problem = %e, "message text");
                withheld(e.code)
            }
        }
    }

    /// Norm messages of this arm before this week.
    fn turn(&self, arm: &str) -> usize {
        let steps = self.protocol.campaigns.values().flat_map(|campaign| &campaign.steps);
        steps.filter(|s| s.week < self.trial_week && s.wording.get(arm).is_some_and(|w| matches!(w.as_str(), "norm" | "norm_and_plan"))).count()
    }

    /// What an arm without norms gets this week, the first that asks for nothing: said where no norm can be told.
    fn service(&self) -> &str {
        let silent = |arm: &&crate::trial::protocol::Arm| !self.protocol.treatment(&arm.id).any();
        let control = self.protocol.arms.iter().find(silent);
        control.and_then(|arm| self.step.wording.get(&arm.id)).map_or("reminder_day", String::as_str)
    }
}

/// A second of the sending hour, by home and week: the same on every run, another each week (SplitMix64 of both).
fn spread(home: HouseholdId, week: Week) -> u32 {
    let (high, low) = home.0.as_u64_pair();
    let mut mixed = high.rotate_left(32) ^ low ^ u64::from(week.0.unsigned_abs()).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) % 3600) as u32
}

/// What the reference group is called in a message: a neighbourhood by its name when it fits, everything else as people say it.
/// A segment has no name anybody uses.
fn told_name(norm: &Norm) -> String {
    match norm.group_kind.as_str() {
        "segment" => "su cuadra".into(),
        "route" => "su ruta".into(),
        "municipality" => "su municipio".into(),
        _ if wording::value("sector", &norm.group_name).is_ok() => norm.group_name.clone(),
        _ => "su vecindario".into(),
    }
}

/// The step of a week, inside the messages phase only: messages stop by machine.
pub fn step_of(protocol: &Protocol, campaign_id: &str, week: Week) -> Result<(i64, Step)> {
    let campaign = protocol.campaigns.get(campaign_id).ok_or_else(|| {
        let known: Vec<&str> = protocol.campaigns.keys().map(String::as_str).collect();
        Error::not_found("campaign-unknown", format!("trial {}: there is no campaign «{campaign_id}»; use one of {}", protocol.id, known.join(", ")))
    })?;
    let trial_week = protocol.trial_week(week);
    let [from, to] = protocol.calendar.messages;
    if !(from..=to).contains(&trial_week) {
        return Err(Error::refused(
            "campaign-phase",
            format!(
                "campaign {campaign_id}: {week} is outside the messages phase, {} to {}; nothing is sent before or after it",
                protocol.week(from),
                protocol.week(to)
            ),
        ));
    }
    let step = campaign.steps.iter().find(|step| step.week == trial_week).cloned();
    let step = step.ok_or_else(|| Error::refused("campaign-step", format!("campaign {campaign_id}: week {trial_week} ({week}) has no step")))?;
    Ok((trial_week, step))
}

/// Earlier messages of the homes that may have had their fill, over all campaigns and channels: due day and week of each.
async fn near_cap(
    tx: &mut Tx,
    municipality: MunicipalityId,
    campaign_id: &str,
    week: Week,
    rules: &MessageRules,
) -> Result<BTreeMap<HouseholdId, Vec<(NaiveDate, Week)>>> {
    let rows: Vec<(HouseholdId, NaiveDate, Week)> = all!(
        tx,
        "SELECT household_id, due_on, iso_week
           FROM message
          WHERE municipality_id = $1 AND iso_week BETWEEN $2 AND $3 AND state NOT IN ('withheld', 'expired') AND NOT (campaign_id = $4 AND iso_week = $3)
            AND household_id IN (
                SELECT household_id FROM message
                 WHERE municipality_id = $1 AND iso_week BETWEEN $2 AND $3 AND state NOT IN ('withheld', 'expired') AND NOT (campaign_id = $4 AND iso_week = $3)
                 GROUP BY household_id
                HAVING SUM(CASE WHEN iso_week = $3 THEN 1 ELSE 0 END) >= $5 OR COUNT(*) >= $6)
          ORDER BY household_id, due_on",
        municipality,
        week.plus(-4),
        week,
        campaign_id,
        rules.cap_per_week,
        rules.cap_per_28_days
    )?;
    let mut homes: BTreeMap<HouseholdId, Vec<(NaiveDate, Week)>> = BTreeMap::new();
    for (home, due_on, week) in rows {
        homes.entry(home).or_default().push((due_on, week));
    }
    Ok(homes)
}

/// Which cap one more message would break. Pure.
fn cap_reached(earlier: &[(NaiveDate, Week)], week: Week, due_on: NaiveDate, rules: &MessageRules) -> Option<&'static str> {
    let count = |within: &dyn Fn(&(NaiveDate, Week)) -> bool| earlier.iter().filter(|m| within(m)).count() as i64;
    match () {
        _ if count(&|(_, of)| *of == week) >= rules.cap_per_week => Some("cap-week"),
        _ if count(&|(on, _)| (due_on - *on).num_days() < 28) >= rules.cap_per_28_days => Some("cap-28-days"),
        _ => None,
    }
}
