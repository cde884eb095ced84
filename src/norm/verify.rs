//! Messages as they were written: text, arm, reason and norm against their seal, and the state against the log of its changes.

use super::outbox::Event;
use crate::account::audit::REMEDY;
use crate::account::audit::findings::Findings;
use crate::all;
use crate::clock::Week;
use crate::db::Tx;
use crate::error::Result;
use crate::id::{HouseholdId, MessageId, MunicipalityId, NormId, PlanId};
use crate::seal::Fields;
use chrono::NaiveDate;
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
}

impl Written {
    /// `begins`: the state it was written in.
    pub fn fields(&self, begins: &str) -> Fields {
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
    row_mac: Option<Vec<u8>>,
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
                        plan_id, language, body, state, row_mac
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
                let sealed = |begins: &&str| message.row_mac.as_deref() == Some(&keys.row(&message.written.fields(begins)));
                let Some(begins) = BEGINS.iter().find(|begins| sealed(begins)) else {
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
                let follows = log.iter().rfind(|logged| logged.event.applied).map_or(*begins, |logged| &logged.event.state);
                if message.state != follows {
                    found.add("message, state", || format!("{}: it stands as {}, and its log gives {follows}; {REMEDY}", place(), message.state));
                }
            }
        }
    }
    Ok(found.lines())
}
