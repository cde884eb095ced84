//! Why one home gets its text in one week: what stands in the outbox, or what would, with every fact it follows from.

use super::draft::{Draft, INJUNCTIVE_SOURCE, Outcome, WeekFacts};
use super::record::Norm;
use super::rule::Text;
use crate::clock::{Week, local_day};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id::{MessageId, MunicipalityId, NormId};
use crate::opt;
use crate::registry::Contact;
use crate::territory::code::{self, Thing};
use crate::territory::household;
use crate::trial::{self, Trial};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

/// The message as it stands in the outbox.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Stored {
    pub message_id: MessageId,
    pub channel: String,
    pub wording: String,
    pub rule: String,
    pub norm_id: Option<NormId>,
    pub body: Option<String>,
    pub septets: Option<i32>,
    pub state: String,
    pub state_reason: Option<String>,
    pub state_at: DateTime<Utc>,
    pub send_after: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

pub struct Preview {
    pub campaign: String,
    pub trial: Trial,
    pub municipality: MunicipalityId,
    pub home: super::draft::Home,
    pub arm_name: String,
    pub facts: WeekFacts,
    pub draft: Draft,
    pub stored: Option<Stored>,
}

/// The trial whose protocol has this campaign.
pub async fn trial_of(tx: &mut Tx, campaign_id: &str) -> Result<Trial> {
    let trials = trial::all(tx).await?;
    let known: Vec<String> = trials.iter().flat_map(|trial| trial.protocol.campaigns.keys().cloned()).collect();
    trials.into_iter().find(|trial| trial.protocol.campaigns.contains_key(campaign_id)).ok_or_else(|| {
        let list = if known.is_empty() { "no trial is frozen here yet".into() } else { format!("use one of {}", known.join(", ")) };
        Error::not_found("campaign-unknown", format!("there is no campaign «{campaign_id}» in any frozen protocol; {list}"))
            .with("campaign", campaign_id)
    })
}

/// The week meant when none is named: this one, or the nearest of the messages phase.
pub fn usual_week(trial: &Trial, today: chrono::NaiveDate) -> Week {
    let (first, last) = trial.protocol.phase_weeks(trial::protocol::Phase::Messages);
    Week::of(today).clamp(first, last)
}

impl Preview {
    pub async fn load(
        tx: &mut Tx,
        trial: Trial,
        municipality: MunicipalityId,
        campaign_id: &str,
        text: &str,
        week: Week,
        now: DateTime<Utc>,
    ) -> Result<Preview> {
        let (household, named) = household::find(tx, municipality, text).await?.ok_or_else(|| {
            Error::not_found("household-unknown", format!("household {text}: there is none in {municipality}; write its code as on the door"))
                .with("household", text)
        })?;
        let step = trial.protocol.trial_week(week) as i32;
        let stored: Option<Stored> = opt!(
            tx,
            "SELECT message_id, channel, wording, rule, norm_id, body, septets, state, state_reason, state_at, send_after, expires_at FROM message
              WHERE municipality_id = $1 AND household_id = $2 AND campaign_id = $3 AND step = $4 AND iso_week = $5
              ORDER BY due_on, message_id LIMIT 1",
            municipality,
            household,
            campaign_id,
            step,
            week
        )?;
        // What was known when it was due; otherwise what is known now.
        let at = stored.as_ref().map_or(now, |message| message.send_after.min(now));
        let facts = WeekFacts::load(tx, &trial, municipality, campaign_id, week, Some(household), at).await?;
        let outside = || {
            Error::refused(
                "household-outside",
                format!("household {named}: it is not a served home of an assigned segment in {week}; it gets no message"),
            )
            .with("household", &named)
        };
        let mut home = facts.homes.first().cloned().ok_or_else(outside)?;
        // As the door says today, whatever the home was called that week.
        home.code = code::on(tx, municipality, Thing::Household, household.0, local_day(now)).await?.unwrap_or(home.code);
        let draft = facts.draft(&home).ok_or_else(outside)?;
        let arm_name = trial.protocol.arm(&draft.arm).map_or(draft.arm.clone(), |arm| arm.name.clone());
        Ok(Preview { campaign: campaign_id.to_owned(), trial, municipality, home, arm_name, facts, draft, stored })
    }

    /// The text as sent, or as it would be.
    pub fn text(&self) -> Option<&str> {
        match (&self.stored, &self.draft.outcome) {
            (Some(stored), _) => stored.body.as_deref(),
            (None, Outcome::Text(rendered)) => Some(&rendered.text),
            (None, Outcome::Withheld(_)) => None,
        }
    }

    pub fn septets(&self) -> Option<i64> {
        match (&self.stored, &self.draft.outcome) {
            (Some(stored), _) => stored.septets.map(i64::from),
            (None, Outcome::Text(rendered)) => rendered.septets.map(|n| n as i64),
            _ => None,
        }
    }

    pub fn withheld(&self) -> Option<&str> {
        match (&self.stored, &self.draft.outcome) {
            (Some(stored), _) => stored.state_reason.as_deref().filter(|_| stored.state == "withheld"),
            (None, Outcome::Withheld(reason)) => Some(reason),
            _ => None,
        }
    }

    pub fn channel(&self) -> &str {
        self.stored.as_ref().map_or(self.draft.channel, |stored| &stored.channel)
    }

    /// The observations known today would choose another text than the one that was queued then.
    pub fn changed(&self) -> bool {
        self.stored.as_ref().is_some_and(|stored| stored.body.is_some() && stored.wording != self.draft.wording)
    }

    /// The frozen figure that was told or judged.
    pub fn norm(&self) -> Option<&Norm> {
        let choice = self.draft.choice.as_ref()?;
        self.facts.norm_of(&self.home, choice.group?, matches!(choice.text, Text::Dynamic | Text::ApprovalOwn))
    }

    pub fn to_json(&self) -> Value {
        let choice = self.draft.choice.as_ref();
        let groups = self.facts.groups(&self.home);
        let stored = self.stored.as_ref();
        let who = match self.facts.contact(self.home.household_id) {
            Some(Contact::May { channel, language, .. }) => json!({"may": true, "channel": channel.name(), "language": language}),
            Some(Contact::MayNot { reason }) => json!({"may": false, "reason": reason}),
            None => json!({"may": false, "reason": "not-served"}),
        };
        json!({
            "campaign": self.campaign,
            "trial": self.trial.id,
            "municipality": self.municipality.to_string(),
            "household": self.home.code,
            "week": self.facts.week.to_string(),
            "trial_week": self.facts.trial_week,
            "arm": self.draft.arm,
            "text": self.text(),
            "septets": self.septets(),
            "parts": self.septets().map(|_| 1),
            "channel": self.channel(),
            "wording": stored.map_or(&self.draft.wording, |stored| &stored.wording),
            "state": stored.map_or("preview", |stored| &stored.state),
            "message_id": stored.map(|stored| stored.message_id),
            "withheld": self.withheld(),
            "who": who,
            "own": {"observed": self.draft.own.observed, "complied": self.draft.own.complied},
            "rule": stored.map_or(self.draft.rule, |stored| &stored.rule),
            "rule_source": choice.filter(|c| c.text == Text::Injunctive).map(|_| INJUNCTIVE_SOURCE),
            "norm": self.norm().map(|norm| json!({
                "norm_id": self.facts.norms_are_stored.then_some(norm.norm_id), "group": norm.group_kind, "name": norm.group_name, "homes": norm.homes,
                "homes_complied": norm.homes_complied, "observations": norm.observations, "estimate": norm.estimate, "ci_low": norm.ci_low,
                "ci_high": norm.ci_high, "stated_tenth": norm.stated_tenth, "before_tenth": norm.before_tenth, "rise": norm.rise,
                "rise_low": norm.rise_low, "window": [norm.window_from.to_string(), norm.window_to.to_string()],
                "computed_at": norm.computed_at, "valid_until": norm.valid_until, "code_version": norm.code_version,
            })),
            "send_after": stored.map(|s| s.send_after).or(self.draft.slot.map(|slot| slot.send_after)),
            "expires_at": stored.map(|s| s.expires_at).or(self.draft.slot.map(|slot| slot.expires_at)),
            "not_used": choice.map(|c| c.not_used.iter().map(|(text, why)| json!({"text": text, "reason": why})).collect::<Vec<_>>()),
            "other_groups": choice.map(|c| c.other_groups.iter().filter_map(|(at, why)| Some(json!({"group": groups.get(*at)?.kind, "reason": why}))).collect::<Vec<_>>()),
            "would_differ_today": self.changed(),
        })
    }
}
