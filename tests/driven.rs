//! A town driven day by day through a whole trial, with what an office does on the way; then everything is counted again from the raw rows,
//! by rules written here a second time.

use crate::on_both_engines;
use chrono::{DateTime, Datelike, Days, Duration, NaiveDate, Utc};
use rand_chacha::rand_core::Rng;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use uuid::Uuid;
use vecino::account::{Actor, Role, device};
use vecino::analysis::report;
use vecino::app::App;
use vecino::clock::{Clock, Week, at_local};
use vecino::db::{Db, Tx};
use vecino::id::{Mint, MunicipalityId, OperatorId, seeded_random};
use vecino::norm::prove::prove;
use vecino::observation::crew;
use vecino::observation::receive::receive;
use vecino::observation::restate::facts_changed;
use vecino::sheet::Written;
use vecino::territory::change::Changed;
use vecino::territory::dated::Span;
use vecino::territory::import::{self, Kind, Request};
use vecino::territory::practice;
use vecino::trial::protocol::Phase;
use vecino::web::{duties, verify};
use vecino::{all, registry, run, trial};

const SEED: u64 = 20261130;
const HOMES: usize = 500;
const TOWNS: [MunicipalityId; 2] = [MunicipalityId(114), MunicipalityId(1202)];
const PROTOCOL: &str = include_str!("../experiments/norma-y-plan-2026.toml");

fn launch() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 6, 1).unwrap()
}

struct Town {
    app: App,
    trial: String,
    phones: Vec<(MunicipalityId, OperatorId, String, Actor)>,
    random: rand_chacha::ChaCha20Rng,
    /// Batches that a phone without signal keeps, with the day it sends them.
    kept: Vec<(NaiveDate, usize, Vec<Value>)>,
    /// Operations that may be corrected days later.
    seen: Vec<(usize, Value)>,
}

impl Town {
    async fn lay(db: Db, folder: &std::path::Path) -> Town {
        let keys = crate::pilot::keys();
        let before = launch() - Duration::days(10);
        let at = at_local(before, 9, 0);
        let app = App { db, clock: Clock::Fixed(at), keys, data_dir: Arc::new(folder.to_path_buf()), demo: true };
        let mut mint = Mint::seeded(SEED, "driven");
        let mut tx = app.db.write().await.unwrap();
        practice::load(&mut tx, &mut mint, SEED, HOMES, launch() - Duration::weeks(2)).await.unwrap();
        registry::practice::populate(&mut tx, &app.keys, &mut mint, SEED, at).await.unwrap();
        let text = vecino::trial::text::laid(PROTOCOL, Week::of(launch()), 26).unwrap();
        let frozen = trial::freeze::freeze(&mut tx, &text, "driven.toml", at).await.unwrap();
        let mut phones = Vec::new();
        for town in TOWNS {
            let operators: Vec<(OperatorId, String)> =
                all!(tx, "SELECT operator_id, code FROM operator WHERE municipality_id = $1 ORDER BY code", town).unwrap();
            for (operator, code) in operators {
                let name = format!("{code}-1");
                let id =
                    device::enrol(&mut tx, at, &mut mint, town, Some(operator), Some(&code), &name, format!("secret {town} {code}")).await.unwrap();
                let actor = Actor { role: Role::Crew, name, account: None, municipality: Some(town), operator: Some(code.clone()), device: Some(id) };
                phones.push((town, operator, code, actor));
            }
        }
        tx.commit().await.unwrap();
        Town { app, trial: frozen.id, phones, random: seeded_random(SEED, "crews"), kept: Vec::new(), seen: Vec::new() }
    }

    fn chance(&mut self, in_a_hundred: u32) -> bool {
        self.random.next_u32() % 100 < in_a_hundred
    }

    fn stand_at(&mut self, day: NaiveDate, hour: u32) -> DateTime<Utc> {
        let now = at_local(day, hour, 0);
        self.app.clock = Clock::Fixed(now);
        now
    }

    async fn send(&self, phone: usize, now: DateTime<Utc>, ops: &[Value]) {
        for part in ops.chunks(500) {
            let body = json!({"sent_at": now.to_rfc3339(), "ops": part}).to_string();
            let answer = receive(&self.app.db, now, &self.phones[phone].3, body.as_bytes()).await.unwrap();
            for receipt in &answer.results {
                assert!(receipt.code.is_none(), "what the phone shows can be stored: {receipt:?}");
            }
        }
    }

    /// A crew works through its list of the day.
    async fn work(&mut self, day: NaiveDate) {
        for phone in 0..self.phones.len() {
            let (town, _, operator, _) = self.phones[phone].clone();
            let list = crew::day_of(&self.app, town, Some(&operator), day).await.unwrap();
            let mut ops = Vec::new();
            for (round, _, _, stops) in &list.rounds {
                for (n, stop) in stops.iter().enumerate() {
                    let at = at_local(day, 7, 0) + Duration::seconds(40 * n as i64);
                    let draw = self.random.next_u32() % 100;
                    let told = match draw {
                        0..4 => json!({"kind": "stop_missed", "reason": "street_blocked"}),
                        4..30 => json!({"kind": "observation", "set_out": "no"}),
                        30..50 => json!({"kind": "observation", "set_out": "yes", "separated": "partly"}),
                        50..54 => json!({"kind": "observation", "set_out": "yes", "separated": "yes", "contamination": ["glass"]}),
                        54..56 => json!({"kind": "observation", "set_out": "unknown"}),
                        _ => json!({"kind": "observation", "set_out": "yes", "separated": "yes"}),
                    };
                    let mut op = json!({"op": self.id(at), "round": round.round_id, "household": stop.code, "observed_at": at.to_rfc3339()});
                    op.as_object_mut().unwrap().extend(told.as_object().unwrap().clone());
                    if draw >= 98 {
                        let mut second = op.clone();
                        (second["op"], second["kind"]) = (json!(self.id(at)), json!("double_observation"));
                        ops.push(second);
                    }
                    if draw % 25 == 7 {
                        self.seen.push((phone, op.clone()));
                    }
                    ops.push(op);
                }
            }
            if ops.is_empty() {
                continue;
            }
            // One phone in eight has no signal for days; what it sends then may be of a week that is published.
            let wait = if self.chance(12) { 1 + u64::from(self.random.next_u32() % 12) } else { 0 };
            self.kept.push((day + Days::new(wait), phone, ops));
        }
    }

    fn id(&mut self, at: DateTime<Utc>) -> Uuid {
        let mut random = [0; 10];
        self.random.fill_bytes(&mut random);
        uuid::Builder::from_unix_timestamp_millis(at.timestamp_millis() as u64, &random).into_uuid()
    }

    /// What has signal by now is sent; some of it twice, some of it corrected.
    async fn deliver(&mut self, day: NaiveDate, now: DateTime<Utc>) {
        let (due, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.kept).into_iter().partition(|(at, ..)| *at <= day);
        self.kept = kept;
        for (_, phone, ops) in due {
            self.send(phone, now, &ops).await;
            if self.chance(20) {
                self.send(phone, now, &ops[..ops.len().min(3)]).await;
            }
        }
        if day.weekday().number_from_monday() == 4 {
            for (phone, op) in std::mem::take(&mut self.seen) {
                let correction = json!({"op": self.id(now), "kind": "correction", "of": op["op"], "set_out": "yes", "separated": "partly", "observed_at": now.to_rfc3339()});
                // A correction may overtake what it corrects.
                self.send(phone, now, &[correction]).await;
            }
        }
    }

    /// A file of the office, as the command brings it in.
    async fn bring(&self, kind: Kind, town: MunicipalityId, text: &str, day: NaiveDate, reason: Option<&str>) {
        let now = self.app.clock.now();
        let mut tx = self.app.db.write().await.unwrap();
        let request = Request {
            kind,
            file: "oficina.csv",
            bytes: text.as_bytes(),
            municipality: Some(town),
            repair: false,
            now,
            from: day,
            reason,
            actor: "office",
            written: &Written::default(),
        };
        let outcome = import::file(&mut tx, &mut Mint::system(), &request).await.unwrap_or_else(|error| panic!("{day} {text}: {error}"));
        assert!(outcome.new + outcome.changed + outcome.renamed > 0, "{text}");
        for (municipality, since) in &outcome.since {
            facts_changed(&mut tx, Changed { municipality: *municipality, since: *since, reason, now, today: day, what: "oficina.csv" })
                .await
                .unwrap();
        }
        tx.commit().await.unwrap();
    }

    async fn names(&self, sql: &'static str, town: MunicipalityId) -> Vec<String> {
        let mut tx = self.app.db.read().await.unwrap();
        let rows: Vec<(String,)> = all!(tx, sql, town).unwrap();
        rows.into_iter().map(|(code,)| code).collect()
    }

    /// The ordinary acts of an office, week by week, on a Tuesday.
    async fn office(&mut self, week: i64, day: NaiveDate) {
        let town = TOWNS[week as usize % 2];
        let homes = self.names("SELECT code FROM household WHERE municipality_id = $1 ORDER BY code", town).await;
        let segments = self
            .names("SELECT DISTINCT s.code FROM segment s JOIN household_version v ON v.municipality_id = s.municipality_id AND v.segment_id = s.segment_id WHERE s.municipality_id = $1 ORDER BY s.code", town)
            .await;
        let routes = self.names("SELECT code FROM route WHERE municipality_id = $1 ORDER BY code", town).await;
        let placed: Vec<(String, f64, f64)> = {
            let mut tx = self.app.db.read().await.unwrap();
            all!(tx, "SELECT s.code, v.lon, v.lat FROM household_version v JOIN segment s ON s.municipality_id = v.municipality_id AND s.segment_id = v.segment_id WHERE v.municipality_id = $1 AND v.superseded_at IS NULL ORDER BY s.code, v.lon", town).unwrap()
        };
        let beside = |segment: &String| placed.iter().find(|(code, ..)| code == segment).map(|(_, lon, lat)| (*lon, *lat)).unwrap();
        match week {
            3 | 12 => {
                // Homes that are built: each beside one that stands.
                let rows: Vec<String> = segments
                    .iter()
                    .take(6)
                    .map(|segment| {
                        let (lon, lat) = beside(segment);
                        format!("N{week}-{segment},{segment},{lon},{lat}")
                    })
                    .collect();
                self.bring(Kind::Households, town, &format!("code,segment,lon,lat\n{}\n", rows.join("\n")), day, None).await;
            }
            5 => {
                let codes = self.names("SELECT code FROM neighbourhood WHERE municipality_id = $1 ORDER BY code", town).await;
                self.bring(Kind::Neighbourhoods, town, &format!("code,name\n{},Nombre nuevo\n", codes[0]), day, None).await;
            }
            8 | 15 => {
                let rows: Vec<String> = homes.iter().skip(week as usize).step_by(29).map(|code| format!("{code},not_subscribed")).collect();
                self.bring(Kind::Households, town, &format!("code,service_status\n{}\n", rows.join("\n")), day, None).await;
            }
            9 | 16 => {
                // Families that move: their home's place and segment from today on.
                let rows: Vec<String> = homes
                    .iter()
                    .skip(3)
                    .step_by(31)
                    .zip(segments.iter().cycle().skip(2))
                    .map(|(code, segment)| {
                        let (lon, lat) = beside(segment);
                        format!("{code},{segment},{lon},{lat}")
                    })
                    .collect();
                self.bring(Kind::Households, town, &format!("code,segment,lon,lat\n{}\n", rows.join("\n")), day, None).await;
            }
            10 => self.bring(Kind::Segments, town, &format!("code,route\n{},{}\n", segments[0], routes[1]), day, None).await,
            11 => self.bring(Kind::Routes, town, &format!("code,weekdays,stream\n{},\"tue,fri\",mixed\n", routes[0]), day, None).await,
            13 => {
                self.bring(
                    Kind::Routes,
                    town,
                    &format!(
                        "code,operator,operator_name\n{},{},Nombre nuevo S.A.\n",
                        routes[0],
                        self.phones.iter().find(|p| p.0 == town).unwrap().2
                    ),
                    day,
                    None,
                )
                .await
            }
            14 => {
                // The map was wrong three weeks ago: the past is corrected.
                let since = day - Days::new(20);
                let rows: Vec<String> = homes
                    .iter()
                    .skip(5)
                    .step_by(41)
                    .take(4)
                    .zip(segments.iter().skip(1))
                    .map(|(code, segment)| {
                        let (lon, lat) = beside(segment);
                        format!("{code},{segment},{lon},{lat},{since}")
                    })
                    .collect();
                self.bring(
                    Kind::Households,
                    town,
                    &format!("code,segment,lon,lat,valid_from\n{}\n", rows.join("\n")),
                    day,
                    Some("se anotaron en otra calle"),
                )
                .await;
            }
            17 => {
                let (_, _, from, _) = self.phones.iter().find(|phone| phone.0 == TOWNS[0]).unwrap().clone();
                let other = self.phones.iter().rfind(|phone| phone.0 == TOWNS[0] && phone.2 != from).unwrap().2.clone();
                let routes = self.names("SELECT code FROM route WHERE municipality_id = $1 ORDER BY code", TOWNS[0]).await;
                self.bring(Kind::Routes, TOWNS[0], &format!("code,operator\n{},{other}\n", routes[2]), day, None).await;
            }
            20 => self.bring(Kind::Routes, town, &format!("code,valid_to\n{},{}\n", routes[3], day + Days::new(5)), day, None).await,
            _ => {}
        }
    }
}

async fn drive(db: Db, folder: &std::path::Path) -> Town {
    let mut town = Town::lay(db, folder).await;
    let mut tx = town.app.db.read().await.unwrap();
    let protocol = trial::find(&mut tx, &town.trial).await.unwrap().protocol;
    drop(tx);
    let last = protocol.week(protocol.calendar.weeks).sunday() + Days::new(4);
    for day in launch().iter_days().take_while(|day| *day <= last) {
        let now = town.stand_at(day, 5);
        let week = protocol.trial_week(Week::of(day));
        if day == protocol.week(protocol.calendar.baseline[1] + 1).monday() {
            let mut tx = town.app.db.write().await.unwrap();
            trial::assign::assign(&mut tx, &town.trial, now).await.unwrap();
            tx.commit().await.unwrap();
        }
        duties::every_minute(town.app.clone()).await.unwrap();
        if day.weekday().number_from_monday() == 2 {
            town.stand_at(day, 6);
            town.office(week, day).await;
        }
        town.stand_at(day, 7);
        town.work(day).await;
        let now = town.stand_at(day, 18);
        town.deliver(day, now).await;
    }
    // The last phones find signal.
    let now = town.stand_at(last + Days::new(14), 6);
    town.deliver(last + Days::new(14), now).await;
    duties::every_minute(town.app.clone()).await.unwrap();
    town
}

/// A row as the crew recorded it.
#[derive(Debug, Clone, sqlx::FromRow)]
struct Raw {
    op_id: Uuid,
    kind: String,
    round_id: Uuid,
    household_id: Uuid,
    service_day: NaiveDate,
    observed_at: DateTime<Utc>,
    corrects: Option<Uuid>,
    set_out: Option<String>,
    separated: Option<String>,
    stream: Option<String>,
    contamination: Option<String>,
    severity: Option<String>,
    reason: Option<String>,
}

impl Raw {
    /// 1, 0 or nothing, by the definition.
    fn complied(&self, day: &str) -> Option<i32> {
        if self.reason.is_some() {
            return None;
        }
        match (self.set_out.as_deref()?, self.separated.as_deref()) {
            ("no", _) => Some(0),
            ("yes", Some(separated)) if separated != "unknown" => {
                let right = day == "mixed" || self.stream.as_deref().is_none_or(|own| own == day);
                let gross = self.severity.as_deref().map_or(self.contamination.is_some(), |severity| severity == "gross");
                Some(i32::from(separated == "yes" && right && !gross))
            }
            _ => None,
        }
    }
}

type Facts<T> = BTreeMap<Uuid, Vec<(Span, T)>>;

fn on<T>(facts: &Facts<T>, id: Uuid, day: NaiveDate) -> Option<&T> {
    facts.get(&id)?.iter().find(|(span, _)| span.holds(day)).map(|(_, fact)| fact)
}

/// One counted collection with what it counts for.
struct Collection {
    home: Uuid,
    day: NaiveDate,
    segment: Uuid,
    complied: i32,
}

/// Everything of one municipality counted again; answers the counted collections of homes with service.
async fn recount(tx: &mut Tx, town: MunicipalityId) -> Vec<Collection> {
    let raw: Vec<Raw> = all!(tx, "SELECT op_id, kind, round_id, household_id, service_day, observed_at, corrects, set_out, separated, stream, contamination, severity, reason FROM observation WHERE municipality_id = $1", town).unwrap();
    let rounds: Vec<(Uuid, Uuid, NaiveDate, String, i32)> =
        all!(tx, "SELECT round_id, route_id, service_day, stream, planned_stops FROM round WHERE municipality_id = $1", town).unwrap();
    let homes: Vec<(Uuid, NaiveDate, Option<NaiveDate>, String, Option<Uuid>)> = all!(tx, "SELECT household_id, valid_from, valid_to, service_status, segment_id FROM household_version WHERE municipality_id = $1 AND superseded_at IS NULL", town).unwrap();
    let lies: Vec<(Uuid, NaiveDate, Option<NaiveDate>, Uuid, Uuid)> = all!(tx, "SELECT segment_id, valid_from, valid_to, route_id, neighbourhood_id FROM segment_version WHERE municipality_id = $1 AND superseded_at IS NULL", town).unwrap();
    let mut served: Facts<Option<Uuid>> = BTreeMap::new();
    for (home, from, to, status, segment) in homes {
        served.entry(home).or_default().push((Span { from, to }, segment.filter(|_| status == "served")));
    }
    let mut lie: Facts<(Uuid, Uuid)> = BTreeMap::new();
    for (segment, from, to, route, area) in lies {
        lie.entry(segment).or_default().push((Span { from, to }, (route, area)));
    }
    // Which row stands for each home and day.
    let by_op: BTreeMap<Uuid, &Raw> = raw.iter().map(|row| (row.op_id, row)).collect();
    let mut days: BTreeMap<(Uuid, NaiveDate), BTreeMap<Uuid, &Raw>> = BTreeMap::new();
    for row in &raw {
        let mut root = row;
        while let Some(of) = root.corrects {
            root = by_op[&of];
        }
        if root.kind == "double_observation" {
            continue;
        }
        let last = days.entry((row.household_id, row.service_day)).or_default().entry(root.op_id).or_insert(root);
        let rank = |row: &Raw| (row.corrects.is_some(), row.observed_at, row.op_id);
        if rank(row) > rank(last) {
            *last = row;
        }
    }
    let streams: BTreeMap<Uuid, &str> = rounds.iter().map(|(round, _, _, stream, _)| (*round, stream.as_str())).collect();
    let mut collections = Vec::new();
    let mut cells: BTreeMap<(Week, Uuid, Uuid, Uuid), [i32; 3]> = BTreeMap::new();
    for ((home, day), roots) in &days {
        let judge = |row: &Raw| row.complied(streams[&row.round_id]);
        let stands = roots.iter().min_by_key(|(root, last)| {
            let knowledge = match (judge(last), &last.reason) {
                (Some(_), _) => 0,
                (None, None) => 1,
                _ => 2,
            };
            (knowledge, by_op[*root].observed_at, **root)
        });
        let Some((_, row)) = stands else { continue };
        let Some(segment) = on(&served, *home, *day).copied().flatten() else { continue };
        let Some((_, area)) = on(&lie, segment, *day).copied() else { continue };
        let cell = cells.entry((Week::of(*day), *home, segment, area)).or_default();
        if let Some(complied) = judge(row) {
            cell[0] += 1;
            cell[1] += i32::from(row.set_out.as_deref() == Some("yes"));
            cell[2] += complied;
            collections.push(Collection { home: *home, day: *day, segment, complied });
        }
    }
    let stored: Vec<(Week, Uuid, Uuid, Uuid, i32, i32, i32)> = all!(
        tx,
        "SELECT iso_week, household_id, segment_id, neighbourhood_id, observed, set_out, complied FROM home_week WHERE municipality_id = $1",
        town
    )
    .unwrap();
    let stored: BTreeMap<_, _> = stored
        .into_iter()
        .map(|(week, home, segment, area, n, out, y)| ((week, home, segment, area), [n, out, y]))
        .filter(|(_, sums)| *sums != [0; 3])
        .collect();
    cells.retain(|_, sums| *sums != [0; 3]);
    assert!(stored == cells, "home_week differs in {:?}", stored.iter().find(|(key, sums)| cells.get(*key) != Some(*sums)));
    let mut segments: BTreeMap<(Uuid, Week), [i64; 3]> = BTreeMap::new();
    for ((week, _, segment, _), sums) in &cells {
        segments.entry((*segment, *week)).or_default().iter_mut().zip(sums).for_each(|(sum, n)| *sum += i64::from(*n));
    }
    let stored: Vec<(Uuid, Week, i32, i32, i32)> = all!(
        tx,
        "SELECT segment_id, iso_week, observed, set_out, complied FROM segment_week WHERE municipality_id = $1 AND observed + set_out + complied > 0",
        town
    )
    .unwrap();
    assert_eq!(stored.len(), segments.len());
    for (segment, week, n, out, y) in stored {
        assert_eq!(segments[&(segment, week)], [n, out, y].map(i64::from), "segment_week {week}");
    }
    // What was due, home by home and round by round.
    let due: Vec<(Uuid, Uuid, i32)> = all!(tx, "SELECT round_id, segment_id, stops FROM round_segment WHERE municipality_id = $1", town).unwrap();
    let due: BTreeMap<(Uuid, Uuid), i32> = due.into_iter().map(|(round, segment, stops)| ((round, segment), stops)).collect();
    let mut again: BTreeMap<(Uuid, Uuid), i32> = BTreeMap::new();
    for (round, route, day, _, planned) in &rounds {
        let mut stops = 0;
        for home in served.keys() {
            if let Some(segment) = on(&served, *home, *day).copied().flatten()
                && on(&lie, segment, *day).is_some_and(|(of, _)| of == route)
            {
                *again.entry((*round, segment)).or_default() += 1;
                stops += 1;
            }
        }
        if *planned > 0 {
            assert_eq!(*planned, stops, "round of {day}");
        } else {
            again.retain(|(of, _), _| of != round);
        }
    }
    assert!(due == again, "due differs in {:?}", due.iter().find(|(key, stops)| again.get(*key) != Some(*stops)));
    collections
}

/// The primary model again, on a file of collections, by the estimates' own language.
async fn primary_again(tx: &mut Tx, town: &Town, collections: &BTreeMap<MunicipalityId, Vec<Collection>>) -> BTreeMap<String, (f64, f64)> {
    let trial = trial::find(tx, &town.trial).await.unwrap();
    let protocol = &trial.protocol;
    let (first, last) = protocol.phase_weeks(Phase::Messages);
    let drawn = trial::segments(tx, &town.trial).await.unwrap();
    let mut rows = vec!["y,norm,plan,stratum,week,baseline,segment".to_owned()];
    for (municipality, collections) in collections {
        let homes: Vec<(Uuid, Uuid)> =
            all!(tx, "SELECT household_id, segment_id FROM trial_home WHERE municipality_id = $1 AND trial_id = $2", *municipality, &town.trial)
                .unwrap();
        let mut counts_in: BTreeMap<Uuid, Uuid> = homes.into_iter().collect();
        let own: BTreeMap<Uuid, &trial::TrialSegment> =
            drawn.iter().filter(|s| s.municipality_id == *municipality && s.arm.is_some()).map(|s| (s.segment_id.0, s)).collect();
        let mut ordered: Vec<&Collection> = collections.iter().collect();
        ordered.sort_by_key(|collection| collection.day);
        for collection in ordered {
            let week = Week::of(collection.day);
            if week <= protocol.phase_weeks(Phase::Baseline).1 {
                continue;
            }
            // A home that came later counts where it came to first.
            let segment = match counts_in.get(&collection.home) {
                Some(segment) => *segment,
                None if own.contains_key(&collection.segment) => *counts_in.entry(collection.home).or_insert(collection.segment),
                None => continue,
            };
            let Some(segment) = own.get(&segment).filter(|_| first <= week && week <= last) else { continue };
            let arm = protocol.arm(segment.arm.as_deref().unwrap()).unwrap();
            let half = |on: bool| if on { 0.5 } else { -0.5 };
            rows.push(format!(
                "{},{},{},{},{},{},{}",
                collection.complied,
                half(arm.factors["norm"]),
                half(arm.factors["plan"]),
                segment.stratum.as_deref().unwrap(),
                week,
                f64::from(segment.baseline_complied) / f64::from(segment.baseline_observed),
                segment.segment_id
            ));
        }
    }
    let file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
    std::fs::write(file.path(), rows.join("\n") + "\n").unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    let formula = "y ~ norm + plan + norm:plan + factor(stratum) + factor(week) + baseline";
    let done = crate::program::vecino(
        std::path::Path::new("."),
        &["estimate", &path, "--method", "ols", "--formula", formula, "--cluster", "segment", "--vcov", "cr2", "--json"],
    );
    assert_eq!(done.code, 0, "{}", done.err);
    let answer: Value = serde_json::from_str(&done.out).unwrap();
    let results = answer["results"].as_array().unwrap();
    results.iter().filter_map(|row| Some((row["term"].as_str()?.to_owned(), (row["estimate"].as_f64()?, row["se"].as_f64()?)))).collect()
}

#[tokio::test]
async fn a_town_driven_through_a_trial_is_what_its_raw_rows_say() {
    on_both_engines!(db => {
        let folder = tempfile::tempdir().unwrap();
        let town = drive(db, folder.path()).await;
        let now = town.app.clock.now();
        // The whole record: rows, outcomes, tallies, chains with the heads of every day, draw, consents, messages.
        assert_eq!(verify::check(&town.app, Vec::new()).await.unwrap().differences, Vec::<String>::new());
        let mut tx = town.app.db.write().await.unwrap();
        let mut collections = BTreeMap::new();
        for municipality in TOWNS {
            collections.insert(municipality, recount(&mut tx, municipality).await);
        }
        assert!(collections.values().map(Vec::len).sum::<usize>() > 8_000);
        let trial = trial::find(&mut tx, &town.trial).await.unwrap();
        let mut told = BTreeSet::new();
        for municipality in TOWNS {
            let proof = prove(&mut tx, municipality, &trial, "semanal").await.unwrap();
            assert_eq!(proof.differing, Vec::<String>::new());
            told.insert(proof.norms > 0);
        }
        assert!(told.contains(&true), "some norm was told");
        report::refresh(&mut tx, &trial, now).await.unwrap();
        let look = report::current(&mut tx, &trial, town.app.clock.today()).await.unwrap().unwrap();
        let report = report::stored(&mut tx, &town.trial, Some(look.look)).await.unwrap().unwrap().report;
        let again = primary_again(&mut tx, &town, &collections).await;
        for contrast in ["norm", "plan"] {
            let stored = report.primary.iter().find(|row| row.contrast == contrast).unwrap();
            let (estimate, se) = again[contrast];
            assert!((stored.estimate.unwrap() - estimate).abs() < 1e-9, "{contrast}: {:?} and {estimate}", stored.estimate);
            assert!((stored.se.unwrap() - se).abs() < 1e-9, "{contrast}: {:?} and {se}", stored.se);
        }
        let arms = &report.flow.arms;
        assert!(arms.iter().map(|arm| arm.moved).sum::<i64>() > 0 && arms.iter().map(|arm| arm.closed).sum::<i64>() > 0 && arms.iter().map(|arm| arm.arrived).sum::<i64>() > 0, "{arms:?}");
        assert!(arms.iter().all(|arm| arm.analysed <= arm.homes + arm.arrived), "nobody is counted twice: {arms:?}");
        run!(tx, "DELETE FROM session").unwrap();
    });
}
