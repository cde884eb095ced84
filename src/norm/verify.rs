//! Messages as they were written: text, arm, reason and norm against their seal, and the state against the log of its changes.

use super::outbox::Event;
use crate::account::audit::REMEDY;
use crate::account::audit::findings::Findings;
use crate::all;
use crate::clock::{Week, show_time, to_micros};
use crate::db::Tx;
use crate::error::Result;
use crate::id::{HouseholdId, MessageId, MunicipalityId, NormId, PlanId};
use crate::seal::{Fields, RecordKeys};
use chrono::{DateTime, NaiveDate, Utc};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Messages held at a time.
const PAGE: i64 = 5_000;
/// The states a message may be written in.
const BEGINS: [&str; 3] = ["queued", "withheld", "expired"];

/// What was decided about a message when it was written.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(super) struct Written {
    pub municipality_id: MunicipalityId,
    pub message_id: MessageId,
    pub household_id: HouseholdId,
    pub trial_id: String,
    pub campaign_id: String,
    pub step: i32,
    pub due_on: NaiveDate,
    pub iso_week: Week,
    pub channel: String,
    pub arm: String,
    pub wording: String,
    pub rule: String,
    pub norm_id: Option<NormId>,
    pub plan_id: Option<PlanId>,
    pub language: String,
    pub body: Option<String>,
    pub septets: Option<i32>,
    pub segments: Option<i16>,
    pub expires_at: DateTime<Utc>,
}

impl Written {
    /// `begins`: the state it was written in, `reason`: why in that one.
    pub fn fields(&self, begins: &str, reason: Option<&str>) -> Fields {
        self.first_fields(begins).text(reason).at(Some(self.expires_at)).number(self.septets.map(i64::from)).number(self.segments.map(i64::from))
    }

    /// What version 0.1.0 sealed of a message.
    fn first_fields(&self, begins: &str) -> Fields {
        Fields::of("message")
            .number(Some(i64::from(self.municipality_id.0)))
            .id(Some(self.message_id.0))
            .id(Some(self.household_id.0))
            .text(Some(&self.trial_id))
            .text(Some(&self.campaign_id))
            .number(Some(i64::from(self.step)))
            .day(Some(self.due_on))
            .number(Some(i64::from(self.iso_week.0)))
            .text(Some(&self.channel))
            .text(Some(&self.arm))
            .text(Some(&self.wording))
            .text(Some(&self.rule))
            .id(self.norm_id.map(|id| id.0))
            .id(self.plan_id.map(|id| id.0))
            .text(Some(&self.language))
            .text(self.body.as_deref())
            .text(Some(begins))
    }
}

#[derive(sqlx::FromRow)]
struct Message {
    #[sqlx(flatten)]
    written: Written,
    state: String,
    state_reason: Option<String>,
    state_at: DateTime<Utc>,
    row_mac: Option<Vec<u8>>,
}

impl Message {
    /// The state it was written in, by its seal.
    fn begins(&self, keys: &RecordKeys) -> Option<&'static str> {
        let is = |fields: Fields| self.row_mac.as_deref() == Some(&keys.row(&fields));
        // A message that was written as queued had no reason; of the others the first state is the last.
        let reason = |begins: &str| self.state_reason.as_deref().filter(|_| begins != "queued");
        let found = BEGINS.into_iter().find(|begins| is(self.written.fields(begins, reason(begins))));
        found.or_else(|| BEGINS.into_iter().find(|begins| is(self.written.first_fields(begins))))
    }
}

#[derive(sqlx::FromRow)]
struct Logged {
    #[sqlx(flatten)]
    event: Event,
    row_mac: Option<Vec<u8>>,
}

/// One line for each message that is not as it was written, or whose state does not follow from its log.
pub async fn verify(tx: &mut Tx) -> Result<Vec<String>> {
    let keys = tx.record_keys()?;
    let mut found = Findings::default();
    let places: Vec<(MunicipalityId,)> = all!(
        tx,
        "SELECT m.municipality_id FROM municipality m
          WHERE EXISTS (SELECT 1 FROM message o WHERE o.municipality_id = m.municipality_id) ORDER BY m.municipality_id"
    )?;
    for (municipality,) in places {
        let mut after = MessageId(Uuid::nil());
        loop {
            let page: Vec<Message> = all!(
                tx,
                "SELECT municipality_id, message_id, household_id, trial_id, campaign_id, step, due_on, iso_week, channel, arm, wording, rule, norm_id,
                        plan_id, language, body, septets, segments, expires_at, state, state_reason, state_at, row_mac
                   FROM message WHERE municipality_id = $1 AND message_id > $2 ORDER BY message_id LIMIT $3",
                municipality,
                after,
                PAGE
            )?;
            let Some(last) = page.last().map(|message| message.written.message_id) else { break };
            let log: Vec<Logged> = all!(
                tx,
                "SELECT municipality_id, message_id, sequence, state, applied, detail, gateway_at, recorded_at, row_mac
                   FROM message_event WHERE municipality_id = $1 AND message_id > $2 AND message_id <= $3 ORDER BY message_id, sequence",
                municipality,
                after,
                last
            )?;
            after = last;
            let mut events: BTreeMap<MessageId, Vec<Logged>> = BTreeMap::new();
            for logged in log {
                events.entry(logged.event.message_id).or_default().push(logged);
            }
            for message in &page {
                let id = message.written.message_id;
                let place = || format!("message {municipality}/{id}");
                let Some(begins) = message.begins(&keys) else {
                    found.add("message, seal", || format!("{}: it is not as it was written, so another hand changed or made it; {REMEDY}", place()));
                    continue;
                };
                let log = events.get(&id).map(Vec::as_slice).unwrap_or_default();
                let held = |at: usize, logged: &Logged| {
                    logged.event.sequence == at as i32 + 1 && logged.row_mac.as_deref() == Some(&keys.row(&logged.event.fields()))
                };
                if let Some(at) = log.iter().enumerate().position(|(at, logged)| !held(at, logged)) {
                    found.add("message, log", || {
                        format!("{}: event {} of its log was changed, removed or made by another hand; {REMEDY}", place(), at + 1)
                    });
                    continue;
                }
                let last = log.iter().rfind(|logged| logged.event.applied).map(|logged| &logged.event);
                let follows = last.map_or(begins, |event| &event.state);
                if message.state != follows {
                    found.add("message, state", || format!("{}: it stands as {}, and its log gives {follows}; {REMEDY}", place(), message.state));
                } else if let Some(last) =
                    last.filter(|last| (&last.detail, last.recorded_at) != (&message.state_reason, to_micros(message.state_at)))
                {
                    found.add("message, reason", || {
                        let say = |reason: &Option<String>, at| format!("«{}» of {}", reason.as_deref().unwrap_or_default(), show_time(at));
                        let (is, should) = (say(&message.state_reason, message.state_at), say(&last.detail, last.recorded_at));
                        format!("{}: why it stands as {follows} is {is}, and its log gives {should}; {REMEDY}", place())
                    });
                }
            }
        }
    }
    Ok(found.lines())
}
