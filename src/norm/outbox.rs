//! The outbox: a message is claimed, the attempt recorded, then sent. A crash in between leaves `unknown`, which nobody sends again.
//!
//! States are ranked; the first final one wins, only `delivered` overrides `failed`. Events are appended and never changed: what came
//! late or twice is kept and marked as not applied. What is due after its collection began expires and is never sent late.

use super::gateway::{Answer, Gateway, Parcel};
use super::hours::Hours;
use super::pause::paused;
use crate::app::App;
use crate::clock::{at_local, local_day, to_micros};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::gsm7;
use crate::id::{HouseholdId, MessageId, MunicipalityId, SegmentId};
use crate::registry::{Contact, Purpose, may_contact};
use crate::seal::Fields;
use crate::territory::calendar::holiday;
use crate::territory::collection;
use crate::territory::dated::in_force;
use crate::trial::{self, Trial};
use crate::{all, among, bulk, one, opt, run};
use chrono::{DateTime, Duration, NaiveDate, Utc};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Minutes until the next attempt when nothing was handed over.
const RETRIES: [i64; 3] = [1, 5, 25];
/// A claim older than this belongs to a process that is gone.
const ABANDONED_MINUTES: i64 = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Withheld,
    Queued,
    Sending,
    Unknown,
    Accepted,
    Buffered,
    Delivered,
    Failed,
    Rejected,
    Expired,
    Read,
}

impl State {
    pub const ALL: [State; 11] = [
        State::Withheld,
        State::Queued,
        State::Sending,
        State::Unknown,
        State::Accepted,
        State::Buffered,
        State::Delivered,
        State::Failed,
        State::Rejected,
        State::Expired,
        State::Read,
    ];

    pub fn name(self) -> &'static str {
        match self {
            State::Withheld => "withheld",
            State::Queued => "queued",
            State::Sending => "sending",
            State::Unknown => "unknown",
            State::Accepted => "accepted",
            State::Buffered => "buffered",
            State::Delivered => "delivered",
            State::Failed => "failed",
            State::Rejected => "rejected",
            State::Expired => "expired",
            State::Read => "read",
        }
    }

    pub fn parse(name: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.name() == name)
    }

    fn rank(self) -> u8 {
        match self {
            State::Queued => 0,
            State::Sending => 1,
            State::Unknown => 2,
            State::Accepted => 3,
            State::Buffered => 4,
            State::Delivered | State::Failed | State::Rejected | State::Expired => 5,
            State::Read => 6,
            State::Withheld => 7,
        }
    }

    /// Whether an event that says `next` changes a message that is in this state.
    pub fn gives_way_to(self, next: State) -> bool {
        match (self, next) {
            // Handed to nobody: it leaves the queue, or it does not.
            (State::Queued, State::Withheld) => true,
            (_, State::Withheld | State::Queued) => false,
            // Once a gateway has it, nobody wonders whether it has.
            (now, State::Unknown) => now == State::Sending,
            (State::Failed, State::Delivered) => true,
            // Read proves delivery, whatever was reported before.
            (now, next) => now.rank() < next.rank(),
        }
    }
}

/// Appends an event and, when it counts, changes the state; answers whether it did.
#[expect(clippy::too_many_arguments, reason = "one argument per column")]
pub async fn record(
    tx: &mut Tx,
    municipality: MunicipalityId,
    message: MessageId,
    next: State,
    detail: Option<&str>,
    reference: Option<&str>,
    gateway_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<bool> {
    // Writing the row first locks it, so that two events of one message wait for each other.
    let current: Option<(String,)> = opt!(
        tx,
        "UPDATE message SET gateway_reference = COALESCE($3, gateway_reference) WHERE municipality_id = $1 AND message_id = $2 RETURNING state",
        municipality,
        message,
        reference
    )?;
    let Some((current,)) = current else {
        return Err(Error::not_found("message-unknown", format!("message {message}: there is no such message in {municipality}")));
    };
    let applied = State::parse(&current).is_some_and(|current| current.gives_way_to(next));
    append(tx, municipality, message, next, applied, detail, gateway_at, now).await?;
    if applied {
        run!(
            tx,
            "UPDATE message SET state = $3, state_reason = $4, state_at = $5 WHERE municipality_id = $1 AND message_id = $2",
            municipality,
            message,
            next.name(),
            detail,
            now
        )?;
    }
    Ok(applied)
}

/// One change of state, or one that came too late to be applied.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(super) struct Event {
    pub municipality_id: MunicipalityId,
    pub message_id: MessageId,
    pub sequence: i32,
    pub state: String,
    pub applied: bool,
    pub detail: Option<String>,
    pub gateway_at: Option<DateTime<Utc>>,
    pub recorded_at: DateTime<Utc>,
}

impl Event {
    pub fn fields(&self) -> Fields {
        Fields::of("message_event")
            .number(Some(i64::from(self.municipality_id.0)))
            .id(Some(self.message_id.0))
            .number(Some(i64::from(self.sequence)))
            .text(Some(&self.state))
            .number(Some(i64::from(self.applied)))
            .text(self.detail.as_deref())
            .at(self.gateway_at)
            .at(Some(self.recorded_at))
    }
}

/// Appends events, each sealed: a state that no sealed event gives is another hand's.
async fn store(tx: &mut Tx, events: &[Event]) -> Result<()> {
    let keys = tx.record_keys()?;
    let sealed: Vec<(&Event, Vec<u8>)> = events.iter().map(|event| (event, keys.row(&event.fields()))).collect();
    bulk!(
        tx,
        "INSERT INTO message_event (municipality_id, message_id, sequence, state, applied, detail, gateway_at, recorded_at, row_mac)",
        sealed,
        |row| [
            row.0.municipality_id,
            row.0.message_id,
            row.0.sequence,
            &row.0.state,
            row.0.applied,
            &row.0.detail,
            row.0.gateway_at,
            row.0.recorded_at,
            &row.1
        ],
        ""
    )?;
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "one argument per column")]
async fn append(
    tx: &mut Tx,
    municipality: MunicipalityId,
    message: MessageId,
    state: State,
    applied: bool,
    detail: Option<&str>,
    gateway_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<()> {
    let (events,): (i64,) = one!(tx, "SELECT COUNT(*) FROM message_event WHERE municipality_id = $1 AND message_id = $2", municipality, message)?;
    let event = Event {
        municipality_id: municipality,
        message_id: message,
        sequence: events as i32 + 1,
        state: state.name().into(),
        applied,
        detail: detail.map(str::to_owned),
        gateway_at: gateway_at.map(to_micros),
        recorded_at: to_micros(now),
    };
    store(tx, &[event]).await
}

/// What one pass over the outbox did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Sent {
    pub delivered: usize,
    pub accepted: usize,
    /// Will be tried again.
    pub waiting: usize,
    pub failed: usize,
    /// Consent, contact or norm no longer held.
    pub withheld: usize,
    pub expired: usize,
    /// Claims of a process that is gone.
    pub unknown: usize,
}

#[derive(Debug, Clone, sqlx::FromRow)]
struct Due {
    municipality_id: MunicipalityId,
    message_id: MessageId,
    household_id: HouseholdId,
    trial_id: String,
    campaign_id: String,
    channel: String,
    body: Option<String>,
    septets: Option<i32>,
    attempts: i16,
    norm_until: Option<DateTime<Utc>>,
    expires_at: DateTime<Utc>,
}

/// Sends at most `limit` messages that are due, through one gateway; paper waits for a visitor. Called every few seconds.
pub async fn send_due(app: &App, gateway: Gateway, limit: i64) -> Result<Sent> {
    let mut sent = Sent::default();
    tidy(app, &mut sent).await?;
    let now = app.clock.now();
    let mut tx = app.db.read().await?;
    let due: Vec<Due> = all!(
        tx,
        "SELECT m.municipality_id, m.message_id, m.household_id, m.trial_id, m.campaign_id, m.channel, m.body, m.septets, m.attempts,
                n.valid_until AS norm_until, m.expires_at
           FROM message m
           JOIN campaign c ON c.municipality_id = m.municipality_id AND c.campaign_id = m.campaign_id
           LEFT JOIN norm n ON n.municipality_id = m.municipality_id AND n.norm_id = m.norm_id
          WHERE m.state = 'queued' AND m.send_after <= $1 AND m.expires_at > $1 AND m.channel <> 'paper' AND c.paused_at IS NULL
          ORDER BY m.send_after, m.municipality_id, m.message_id LIMIT $2",
        now,
        limit
    )?;
    let mut trials: BTreeMap<String, Trial> = BTreeMap::new();
    for message in &due {
        if !trials.contains_key(&message.trial_id) {
            trials.insert(message.trial_id.clone(), trial::find(&mut tx, &message.trial_id).await?);
        }
    }
    let today = local_day(now);
    let mut quiet: BTreeMap<MunicipalityId, BTreeSet<NaiveDate>> = BTreeMap::new();
    for municipality in due.iter().map(|message| message.municipality_id).collect::<BTreeSet<_>>() {
        quiet.insert(municipality, holiday::quiet_days(&mut tx, municipality, today, today).await?);
    }
    let stale = told_otherwise(&mut tx, &due, today).await?;
    drop(tx);
    for message in &due {
        let Some(trial) = trials.get(&message.trial_id) else { continue };
        if stale.contains(&message.message_id) {
            withhold(app, message, "collection-changed", &mut sent).await?;
            continue;
        }
        // Time passes while sending: the hour is asked again for each message.
        let hours = Hours::of(&trial.protocol.messages).quiet_on(quiet.get(&message.municipality_id).cloned().unwrap_or_default());
        if hours.allows(app.clock.now()) {
            send_one(app, gateway, message, &mut sent).await?;
        }
    }
    Ok(sent)
}

/// The messages that tell of a collection which is not as they say any more: its day was cancelled, moved or given other hours, or the home
/// lies on another route. Each message ends when the collection it tells of begins.
async fn told_otherwise(tx: &mut Tx, due: &[Due], today: NaiveDate) -> Result<BTreeSet<MessageId>> {
    let mut stale = BTreeSet::new();
    for municipality in due.iter().map(|message| message.municipality_id).collect::<BTreeSet<_>>() {
        let own: Vec<&Due> = due.iter().filter(|message| message.municipality_id == municipality).collect();
        let Some(last) = own.iter().map(|message| local_day(message.expires_at)).max() else { continue };
        let mut begins: BTreeSet<(SegmentId, DateTime<Utc>)> = BTreeSet::new();
        for (segment, day, start) in collection::days_of_segments(tx, municipality, today, last).await? {
            let minute = super::hours::minutes(&start).unwrap_or(0);
            begins.insert((segment, at_local(day, minute / 60, minute % 60)));
        }
        let lies: Vec<(MessageId, SegmentId, DateTime<Utc>)> = among!(
            tx,
            "WITH asked (municipality_id, household_id, message_id, expires_at, day) AS (",
            own,
            |message| [municipality, message.household_id, message.message_id, message.expires_at, local_day(message.expires_at)],
            concat!(
                ") SELECT asked.message_id, v.segment_id, asked.expires_at FROM asked CROSS JOIN household_version v
                    WHERE v.municipality_id = asked.municipality_id AND v.household_id = asked.household_id AND v.segment_id IS NOT NULL AND ",
                in_force!("v", "asked.day")
            )
        )?;
        let right: BTreeSet<MessageId> =
            lies.into_iter().filter(|(_, segment, at)| begins.contains(&(*segment, *at))).map(|(message, ..)| message).collect();
        stale.extend(own.iter().map(|message| message.message_id).filter(|message| !right.contains(message)));
    }
    Ok(stale)
}

/// Keeps a message here that has become untrue.
async fn withhold(app: &App, message: &Due, why: &str, sent: &mut Sent) -> Result<()> {
    let mut tx = app.db.write().await?;
    if record(&mut tx, message.municipality_id, message.message_id, State::Withheld, Some(why), None, None, to_micros(app.clock.now())).await? {
        sent.withheld += 1;
    }
    tx.commit().await
}

/// Expires what is too late, and marks what an interrupted process left claimed.
async fn tidy(app: &App, sent: &mut Sent) -> Result<()> {
    let now = app.clock.now();
    let mut tx = app.db.write().await?;
    let rows: Vec<(MunicipalityId, MessageId, String)> = all!(
        tx,
        "SELECT municipality_id, message_id, state FROM message WHERE state = 'queued' AND expires_at <= $1
         UNION ALL SELECT municipality_id, message_id, state FROM message WHERE state = 'sending' AND state_at <= $2 LIMIT 1000",
        now,
        now - Duration::minutes(ABANDONED_MINUTES)
    )?;
    for (municipality, message, state) in rows {
        let (next, why) = if state == "queued" { (State::Expired, "too-late") } else { (State::Unknown, "interrupted") };
        let applied = record(&mut tx, municipality, message, next, Some(why), None, None, now).await?;
        match next {
            State::Expired => sent.expired += usize::from(applied),
            _ => sent.unknown += usize::from(applied),
        }
    }
    tx.commit().await
}

async fn send_one(app: &App, gateway: Gateway, message: &Due, sent: &mut Sent) -> Result<()> {
    let Some(parcel) = claim(app, message, sent).await? else { return Ok(()) };
    let answer = gateway.send(app, &parcel, app.clock.now()).await?;
    let now = app.clock.now();
    let mut tx = app.db.write().await?;
    let (municipality, id) = (message.municipality_id, message.message_id);
    match answer {
        Answer::Delivered { reference } => {
            record(&mut tx, municipality, id, State::Accepted, None, reference.as_deref(), Some(now), now).await?;
            record(&mut tx, municipality, id, State::Delivered, None, None, Some(now), now).await?;
            sent.delivered += 1;
        }
        Answer::Accepted { reference } => {
            record(&mut tx, municipality, id, State::Accepted, None, reference.as_deref(), Some(now), now).await?;
            sent.accepted += 1;
        }
        Answer::Rejected { reason } => {
            record(&mut tx, municipality, id, State::Rejected, Some(&reason), None, None, now).await?;
            sent.failed += 1;
        }
        Answer::Unreachable { reason } => match RETRIES.get(usize::try_from(message.attempts).unwrap_or(usize::MAX)) {
            // Nothing was handed over, so the message goes back into the queue; expiry still holds.
            Some(minutes) => {
                append(&mut tx, municipality, id, State::Queued, true, Some(&reason), None, now).await?;
                run!(
                    tx,
                    "UPDATE message SET state = 'queued', state_reason = $3, state_at = $4, send_after = $5
                      WHERE municipality_id = $1 AND message_id = $2 AND state = 'sending'",
                    municipality,
                    id,
                    &reason,
                    now,
                    now + Duration::minutes(*minutes)
                )?;
                sent.waiting += 1;
            }
            None => {
                record(&mut tx, municipality, id, State::Failed, Some(&reason), None, None, now).await?;
                sent.failed += 1;
            }
        },
    }
    tx.commit().await
}

/// Checks once more and records the attempt, all in one transaction; `None` when the message stays here.
async fn claim(app: &App, message: &Due, sent: &mut Sent) -> Result<Option<Parcel>> {
    let now = to_micros(app.clock.now());
    let (municipality, id) = (message.municipality_id, message.message_id);
    let mut tx = app.db.write().await?;
    let claimed = run!(
        tx,
        "UPDATE message SET state = 'sending', state_reason = NULL, state_at = $3, attempts = attempts + 1
          WHERE municipality_id = $1 AND message_id = $2 AND state = 'queued' AND expires_at > $3",
        municipality,
        id,
        now
    )?;
    if claimed == 0 || paused(&mut tx, municipality, &message.campaign_id).await?.is_some() {
        // Somebody else has it, it is too late, or the switch was thrown meanwhile; dropping the transaction takes the claim back.
        return Ok(None);
    }
    let contact = may_contact(&mut tx, municipality, message.household_id, Purpose::Messages, local_day(now)).await?;
    let text = message.body.clone().unwrap_or_default();
    let fits = message.channel != "sms" || gsm7::septets(&text).is_ok_and(|septets| septets <= gsm7::SINGLE && !text.is_empty());
    let (contact, channel, stop) = match contact {
        Contact::MayNot { reason } => (None, "", Some((State::Withheld, reason))),
        Contact::May { channel, .. } if channel.name() != message.channel => (None, "", Some((State::Withheld, "contact-changed"))),
        Contact::May { .. } if message.norm_until.is_some_and(|until| until < now) => (None, "", Some((State::Expired, "norm-stale"))),
        Contact::May { .. } if !fits => (None, "", Some((State::Rejected, "message-text"))),
        Contact::May { contact, channel, .. } => (Some(contact), channel.name(), None),
    };
    if let Some((next, why)) = stop {
        append(&mut tx, municipality, id, next, true, Some(why), None, now).await?;
        run!(
            tx,
            "UPDATE message SET state = $3, state_reason = $4, state_at = $5, attempts = attempts - 1 WHERE municipality_id = $1 AND message_id = $2",
            municipality,
            id,
            next.name(),
            why,
            now
        )?;
        match next {
            State::Expired => sent.expired += 1,
            _ => sent.withheld += 1,
        }
        tx.commit().await?;
        return Ok(None);
    }
    append(&mut tx, municipality, id, State::Sending, true, None, None, now).await?;
    tx.commit().await?;
    Ok(contact.map(|contact| Parcel { municipality, message: id, contact, channel, text, septets: message.septets }))
}

/// Practice town only: what became of each queued message of a week, as the caller drew it, without any gateway or file.
/// `outcome` is asked once a home, in the order of their identities; homes it leaves out stay queued.
pub async fn settle_practice(
    tx: &mut Tx,
    municipality: MunicipalityId,
    campaign_id: &str,
    week: crate::clock::Week,
    mut outcome: impl FnMut(HouseholdId) -> Option<State>,
) -> Result<u64> {
    let mut queued: Vec<(MessageId, HouseholdId, DateTime<Utc>)> = all!(
        tx,
        "SELECT message_id, household_id, send_after FROM message
          WHERE municipality_id = $1 AND campaign_id = $2 AND iso_week = $3 AND state = 'queued'",
        municipality,
        campaign_id,
        week
    )?;
    queued.sort_unstable_by_key(|(message, home, _)| (*home, *message));
    let events: Vec<(MessageId, State, DateTime<Utc>)> =
        queued.into_iter().filter_map(|(message, home, at)| outcome(home).map(|end| (message, end, at + Duration::seconds(2)))).collect();
    let settled = events.iter().map(|(message, state, at)| Event {
        municipality_id: municipality,
        message_id: *message,
        sequence: 1,
        state: state.name().into(),
        applied: true,
        detail: None,
        gateway_at: Some(to_micros(*at)),
        recorded_at: to_micros(*at),
    });
    store(tx, &settled.collect::<Vec<_>>()).await?;
    // By key, row by row: without statistics yet, PostgreSQL would join two growing tables for it.
    bulk!(
        tx,
        "WITH settled (municipality_id, message_id, state, at) AS (",
        events,
        |event| [municipality, event.0, event.1.name(), event.2],
        ") UPDATE message SET state = settled.state, state_at = settled.at, attempts = 1 FROM settled
            WHERE message.municipality_id = settled.municipality_id AND message.message_id = settled.message_id"
    )
}
