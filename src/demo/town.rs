//! The town's people at work: what the simulation says happened, written as crews, campaign and homes would have written it.

use super::CAMPAIGN;
use crate::account::audit;
use crate::analysis::simulate::{Contact, Home, Parameters, Seen, Separated as Found, Simulated, Visit};
use crate::app::App;
use crate::clock::{Week, at_local};
use crate::db::Tx;
use crate::error::Result;
use crate::id::{DeviceId, HouseholdId, Mint, MunicipalityId, NeighbourhoodId, OperatorId, RoundId, RouteId, SegmentId, sha256_hex};
use crate::norm::campaign;
use crate::norm::outbox::{self, State};
use crate::observation::{Kind, Observation, Outcome, Reason, Separated, SetOut, Severity, Stream, round};
use crate::registry::Purpose;
use crate::registry::consent::{self, How, Subject};
use crate::seal::Keys;
use crate::territory::{collection, household, route, segment};
use crate::trial::Trial;
use crate::trial::protocol::Protocol;
use crate::{account, all, bulk, registry, trial};
use chrono::{DateTime, Duration, NaiveDate, Utc};
use rand_chacha::rand_core::Rng;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// One served home with a place on a route.
#[derive(Debug, Clone)]
struct Stop {
    municipality_id: MunicipalityId,
    household_id: HouseholdId,
    segment_id: SegmentId,
    neighbourhood_id: Option<NeighbourhoodId>,
    route_id: RouteId,
    operator_id: OperatorId,
    weekday: i16,
    window_start: String,
    stop_order: i32,
}

/// The town as the simulation sees it: homes and segments by number, and who collects where.
pub struct Town {
    pub municipalities: Vec<MunicipalityId>,
    stops: Vec<Stop>,
    pub homes: Vec<Home>,
    pub segments: BTreeMap<(MunicipalityId, SegmentId), usize>,
    phones: BTreeMap<OperatorId, [DeviceId; 2]>,
}

impl Town {
    pub async fn read(tx: &mut Tx, keys: &Keys, mint: &mut Mint, protocol: &Protocol, launch: NaiveDate) -> Result<Town> {
        let mut municipalities = Vec::new();
        for code in &protocol.municipalities {
            municipalities.push(*code);
        }
        let (mut stops, mut phones) = (Vec::new(), BTreeMap::new());
        for municipality in &municipalities {
            stops.extend(stops_of(tx, *municipality, launch).await?);
            let operators: Vec<(OperatorId, String)> =
                all!(tx, "SELECT operator_id, code FROM operator WHERE municipality_id = $1 ORDER BY code", *municipality)?;
            for (operator, code) in operators {
                let mut pair = Vec::new();
                for number in 1..=2 {
                    let name = format!("{code}-{number}");
                    let secret = keys.lookup("practice device", &format!("{municipality} {name}"));
                    let at = at_local(launch - Duration::days(3), 9, 0);
                    pair.push(account::device::enrol(tx, at, mint, *municipality, Some(operator), Some(&code), &name, secret).await?);
                }
                phones.insert(operator, [pair[0], pair[1]]);
            }
        }
        let mut known = BTreeMap::new();
        for municipality in &municipalities {
            known.append(&mut registry::may_contact_all(tx, *municipality, Purpose::Messages, launch).await?);
        }
        let contact = |home: &HouseholdId| match known.get(home) {
            // There is no Mam text yet: who reads only Mam gets none.
            Some(registry::Contact::May { language, spanish_allowed: false, .. }) if language != "es" => Contact::None,
            Some(registry::Contact::May { channel: registry::Channel::Paper, .. }) => Contact::Paper,
            Some(registry::Contact::May { .. }) => Contact::Phone,
            _ => Contact::None,
        };
        let mut segments = BTreeMap::new();
        let homes = stops
            .iter()
            .enumerate()
            .map(|(key, stop)| {
                let next = segments.len();
                let segment = *segments.entry((stop.municipality_id, stop.segment_id)).or_insert(next);
                let municipality = municipalities.iter().position(|m| *m == stop.municipality_id).unwrap_or(0);
                Home { key: key as u64, municipality, segment, contact: contact(&stop.household_id), from: 1 }
            })
            .collect();
        Ok(Town { municipalities, stops, homes, segments, phones })
    }

    /// The defaults say what share of all homes messages reach; here some may not be written to, so the others are reached more often.
    pub fn reached_as(&self, mut parameters: Parameters) -> Parameters {
        let may = self.homes.iter().filter(|home| home.contact != Contact::None).count().max(1);
        let share = (parameters.reach.delivered * self.homes.len() as f64 / may as f64).min(1.0);
        parameters.reach.delivered = share;
        parameters.reach.failed_final = 1.0 - share;
        parameters
    }

    /// Each segment's arm; a segment left out of the draw has none.
    pub fn arms(&self, drawn: &[trial::TrialSegment], protocol: &Protocol) -> Vec<Option<usize>> {
        let mut arms = vec![None; self.segments.len()];
        for segment in drawn {
            if let Some(place) = self.segments.get(&(segment.municipality_id, segment.segment_id)) {
                arms[*place] = segment.arm.as_deref().and_then(|id| protocol.arm_at(id));
            }
        }
        arms
    }

    /// Writes the visits of `from` and later weeks as a crew would have, up to yesterday.
    pub async fn record(&self, tx: &mut Tx, mint: &mut Mint, protocol: &Protocol, simulated: &Simulated, from: i64, today: NaiveDate) -> Result<()> {
        let mut days: BTreeSet<NaiveDate> = BTreeSet::new();
        let mut rows = Vec::with_capacity(simulated.visits.len());
        for visit in simulated.visits.iter().filter(|visit| visit.week >= from) {
            let stop = &self.stops[visit.home];
            let day = protocol.week(visit.week).monday() + Duration::days(i64::from(stop.weekday) - 1);
            if day >= today {
                continue;
            }
            days.insert(day);
            self.rows_of(mint, simulated, visit, stop, day, &mut rows);
        }
        if let (Some(first), Some(last)) = (days.first(), days.last()) {
            for municipality in &self.municipalities {
                round::make(tx, *municipality, *first, *last).await?;
            }
        }
        crate::observation::store(tx, &rows).await?;
        for municipality in &self.municipalities {
            let own = || rows.iter().filter(|row| row.municipality_id == *municipality);
            let Some(at) = own().map(|row| row.received_at).max() else { continue };
            let (detail, target) = (json!({"rows": own().count()}), municipality.to_string());
            let entry = audit::Entry { stream: crate::observation::CHAIN, actor: "practice", action: "practice.recorded", target: &target, detail };
            audit::record(tx, *municipality, at, entry).await?;
        }
        for municipality in &self.municipalities {
            close_rounds(tx, *municipality, today).await?;
        }
        Ok(())
    }

    fn rows_of(&self, mint: &mut Mint, simulated: &Simulated, visit: &Visit, stop: &Stop, day: NaiveDate, rows: &mut Vec<Observation>) {
        let Some(phones) = self.phones.get(&stop.operator_id) else { return };
        let (hour, minute) = hours(&stop.window_start);
        // About 40 seconds from home to home; sent at noon, when there is signal.
        let at = at_local(day, hour, minute) + Duration::seconds(40 * i64::from(stop.stop_order));
        let row = |kind: Kind, phone: DeviceId, at: DateTime<Utc>, outcome: Outcome, mint: &mut Mint| {
            let counted = kind != Kind::DoubleObservation;
            let complied = outcome.complied(Stream::Mixed);
            let op_id = mint.id(at);
            Observation {
                municipality_id: stop.municipality_id,
                op_id,
                kind,
                round_id: round_of(stop, day),
                household_id: stop.household_id,
                segment_id: Some(stop.segment_id),
                neighbourhood_id: stop.neighbourhood_id,
                service_day: day,
                iso_week: Week::of(day),
                device_id: phone,
                observed_at: at,
                corrected_at: at,
                received_at: at_local(day, 12, 30),
                corrects: None,
                because: None,
                complied,
                counted,
                suspect: None,
                lon: None,
                lat: None,
                accuracy_m: None,
                content_hash: sha256_hex(format!("{op_id}").as_bytes()),
                extra: None,
                outcome,
            }
        };
        match (visit.seen(), visit.missing) {
            (Some(seen), _) => rows.push(row(Kind::Observation, phones[0], at, outcome(&seen), mint)),
            (None, Some(reason)) => {
                let reason = simulated.reasons.get(usize::from(reason)).and_then(|word| Reason::parse(word)).unwrap_or(Reason::Skipped);
                rows.push(row(Kind::StopMissed, phones[0], at, Outcome { reason: Some(reason), ..Outcome::default() }, mint));
            }
            (None, None) => {}
        }
        if let Some(second) = visit.double {
            rows.push(row(Kind::DoubleObservation, phones[1], at + Duration::minutes(2), outcome(&second), mint));
        }
    }

    /// Runs the weekly campaign on the Monday of each message week, and settles each message as the simulated home would have it.
    pub async fn message(&self, app: &App, tx: &mut Tx, mint: &mut Mint, trial: &Trial, simulated: &Simulated) -> Result<()> {
        let protocol = &trial.protocol;
        let [first, last] = protocol.calendar.messages;
        let facts: BTreeMap<HouseholdId, usize> = self.stops.iter().enumerate().map(|(home, stop)| (stop.household_id, home)).collect();
        for trial_week in first..=last {
            let week = protocol.week(trial_week);
            let at = at_local(week.monday(), 6, 0);
            for municipality in &self.municipalities {
                campaign::run(app, tx, trial, *municipality, CAMPAIGN, week, mint, at).await?;
                self.opt_out(tx, *municipality, trial_week, simulated, at).await?;
                let settled = |home: HouseholdId| match facts.get(&home) {
                    Some(home) if simulated.homes[*home].reached => Some(State::Delivered),
                    _ => Some(State::Failed),
                };
                outbox::settle_practice(tx, *municipality, CAMPAIGN, week, settled).await?;
            }
            if trial_week == first + 1 {
                self.plans(tx, mint, trial, simulated, at + Duration::days(6)).await?;
            }
        }
        Ok(())
    }

    /// Homes that ask for no more messages this week: their consent ends, and with it their messages from the next week on.
    async fn opt_out(&self, tx: &mut Tx, municipality: MunicipalityId, trial_week: i64, simulated: &Simulated, at: DateTime<Utc>) -> Result<()> {
        let leaving =
            self.stops.iter().zip(&simulated.homes).filter(|(stop, home)| stop.municipality_id == municipality && home.opts_out == Some(trial_week));
        for (stop, _) in leaving {
            let home = Subject::Home(stop.household_id);
            for consent in consent::of_home(tx, municipality, stop.household_id).await? {
                if consent.purpose == Purpose::Messages.name() && consent.withdrawn_at.is_none() {
                    consent::withdraw(tx, municipality, home, consent.consent_id, How::Reply, "practice", at + Duration::days(5)).await?;
                }
            }
        }
        Ok(())
    }

    /// Plans that homes gave when they were asked in the second message week.
    async fn plans(&self, tx: &mut Tx, mint: &mut Mint, trial: &Trial, simulated: &Simulated, at: DateTime<Utc>) -> Result<()> {
        const WHEN: [&str; 5] = ["la noche antes", "8pm", "7pm", "esa mañana", "5am"];
        const WHERE: [&str; 5] = ["patio", "cocina", "puerta", "corredor", "pila"];
        let arms = self.arms(&trial::segments(tx, &trial.id).await?, &trial.protocol);
        let asks: Vec<bool> = trial.protocol.arms.iter().map(|arm| trial.protocol.treatment(&arm.id).plan).collect();
        let mut random = crate::id::seeded_random(trial.seed, "practice plans");
        let mut rows: Vec<(crate::id::PlanId, MunicipalityId, HouseholdId, &str, &str)> = Vec::new();
        for (home, stop) in self.stops.iter().enumerate() {
            let (when, place) = (WHEN[random.next_u32() as usize % 5], WHERE[random.next_u32() as usize % 5]);
            if arms[self.homes[home].segment].is_some_and(|arm| asks[arm]) && simulated.homes[home].plans {
                rows.push((mint.id(at), stop.municipality_id, stop.household_id, when, place));
            }
        }
        bulk!(
            tx,
            "INSERT INTO plan (municipality_id, plan_id, household_id, captured_at, captured_how, own_words, when_text, where_text)",
            rows,
            |row| [row.1, row.0, row.2, at, "sms", format!("{} {}", row.3, row.4), row.3, row.4],
            ""
        )?;
        Ok(())
    }
}

/// The stops of a town as crews drive them, route by route in the order of their codes; a home counts once for each day of its route's week.
async fn stops_of(tx: &mut Tx, municipality: MunicipalityId, launch: NaiveDate) -> Result<Vec<Stop>> {
    let lies: BTreeMap<HouseholdId, SegmentId> =
        household::of(tx, municipality, launch).await?.into_iter().filter_map(|home| Some((home.household_id, home.segment_id?))).collect();
    let areas: BTreeMap<SegmentId, NeighbourhoodId> =
        segment::of(tx, municipality, launch).await?.into_iter().map(|s| (s.segment_id, s.neighbourhood_id)).collect();
    let days = route::days(tx, municipality, launch).await?;
    let mut stops = Vec::new();
    for route in route::of(tx, municipality, launch).await? {
        let homes = collection::stops(tx, municipality, route.route_id, launch).await?;
        let each = homes.iter().flat_map(|home| days.iter().filter(|day| day.route_id == route.route_id).map(move |day| (home.household_id, day)));
        for ((household_id, day), stop_order) in each.zip(1..) {
            let Some(segment_id) = lies.get(&household_id).copied() else { continue };
            stops.push(Stop {
                municipality_id: municipality,
                household_id,
                segment_id,
                neighbourhood_id: areas.get(&segment_id).copied(),
                route_id: route.route_id,
                operator_id: route.operator_id,
                weekday: day.weekday,
                window_start: day.window_start.clone(),
                stop_order,
            });
        }
    }
    Ok(stops)
}

fn round_of(stop: &Stop, day: NaiveDate) -> RoundId {
    round::identity(stop.municipality_id, stop.route_id, day)
}

fn hours(window_start: &str) -> (u32, u32) {
    let mut parts = window_start.split(':').map(|part| part.parse().unwrap_or(6));
    (parts.next().unwrap_or(6), parts.next().unwrap_or(0))
}

fn outcome(seen: &Seen) -> Outcome {
    if !seen.set_out {
        return Outcome { set_out: Some(SetOut::No), ..Outcome::default() };
    }
    let separated = match seen.separated {
        Found::Yes => Separated::Yes,
        Found::Partly => Separated::Partly,
        Found::No => Separated::No,
    };
    Outcome {
        set_out: Some(SetOut::Yes),
        separated: Some(separated),
        stream: Some(Stream::Mixed),
        contamination: seen.gross.then(|| "plastic".to_owned()),
        severity: seen.gross.then_some(Severity::Gross),
        reason: None,
    }
}

/// Rounds of days gone by were driven: opened at the start of their window and closed when the last stop was done.
async fn close_rounds(tx: &mut Tx, municipality: MunicipalityId, today: NaiveDate) -> Result<()> {
    let open: Vec<(RoundId, NaiveDate, String, String)> = all!(
        tx,
        "SELECT round_id, service_day, window_start, window_end FROM round
          WHERE municipality_id = $1 AND service_day < $2 AND started_at IS NULL ORDER BY service_day, round_id",
        municipality,
        today
    )?;
    for (id, day, start, end) in open {
        let ((h, m), (eh, em)) = (hours(&start), hours(&end));
        crate::run!(
            tx,
            "UPDATE round SET started_at = $3, ended_at = $4 WHERE municipality_id = $1 AND round_id = $2",
            municipality,
            id,
            at_local(day, h, m),
            at_local(day, eh, em)
        )?;
    }
    Ok(())
}
