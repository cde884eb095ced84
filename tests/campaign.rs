//! A campaign from observations to the file a gateway writes.

use crate::ground::Ground;
use crate::on_both_engines;
use axum::extract::{Path, Query};
use chrono::{DateTime, Duration, NaiveDate, Utc};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use uuid::Uuid;
use vecino::account::{Actor, Role};
use vecino::app::App;
use vecino::clock::{Clock, Week, at_local};
use vecino::db::{Db, Tx};
use vecino::error::Error;
use vecino::id::{ContactId, DeviceId, HouseholdId, MessageId, Mint, MunicipalityId, NeighbourhoodId, OpId, OperatorId, RouteId, SegmentId};
use vecino::norm::gateway::Gateway;
use vecino::norm::outbox::{self, State};
use vecino::norm::pause::{self, Change};
use vecino::norm::preview::Preview;
use vecino::norm::prove::prove;
use vecino::norm::{self, campaign, page, visit};
use vecino::observation::{self, Observation, Outcome, Separated, SetOut, Stream, round, tally};
use vecino::page::{Page, Reader};
use vecino::seal::Keys;
use vecino::sheet::Written;
use vecino::territory::act::{Act, Deed, Thing, perform};
use vecino::territory::calendar::Reason;
use vecino::territory::calendar::act::{Because, Desk};
use vecino::territory::change::{After, Changed};
use vecino::territory::import::{self, Kind, Request};
use vecino::trial::protocol::Protocol;
use vecino::trial::{self, Trial};
use vecino::{all, bulk, one, run};

const TOWN: MunicipalityId = MunicipalityId(1202);
const PROTOCOL: &str = include_str!("../experiments/norma-y-plan-2026.toml");
/// Trial week 14: norm in two arms, a plan cue in two.
const SEND: Week = Week(202642);
const HOMES: usize = 240;

fn id(kind: u8, number: usize) -> Uuid {
    Uuid::from_u128(((kind as u128) << 96) | 0x7000_8000_0000_0000_0000u128 | number as u128)
}

fn monday() -> DateTime<Utc> {
    at_local(SEND.monday(), 7, 0)
}

struct Town {
    app: App,
    trial: Trial,
    _folder: tempfile::TempDir,
}

/// Eight segments of thirty homes on two routes; on the first route 80 of 100 homes comply, on the second 30.
async fn town(db: Db) -> Town {
    let folder = tempfile::tempdir().unwrap();
    let keys = Keys::from_root([3; 32]);
    let mut tx = db.write().await.unwrap();
    let none = json!({});
    run!(tx, "INSERT INTO municipality (municipality_id, code, name, department, pilot, sender, approximate, properties) VALUES ($1, '1202', 'San Pedro Sacatepéquez', 'San Marcos', $2, 'Muni San Pedro', $2, $3)", TOWN, true, &none).unwrap();
    let start = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
    let ground = Ground::since(TOWN, start);
    ground.operator(&mut tx, OperatorId(id(1, 1)), "MUNI", "Municipalidad").await;
    for route in 0..2usize {
        ground
            .route(
                &mut tx,
                RouteId(id(2, route)),
                &format!("R{route}"),
                &format!("Ruta {route}"),
                OperatorId(id(1, 1)),
                &[(3 + route as i16, "mixed")],
            )
            .await;
    }
    ground.neighbourhood(&mut tx, NeighbourhoodId(id(3, 0)), "N1", "Mávil", none).await;
    let sha = Protocol::sha256(PROTOCOL);
    run!(tx, "INSERT INTO trial (trial_id, title, protocol, protocol_sha256, seed, frozen_at, assigned_at) VALUES ('norma-y-plan-2026', 'Norma y plan 2026', $1, $2, 1, $3, $3)", PROTOCOL, sha, monday() - Duration::weeks(4)).unwrap();
    for segment in 0..8usize {
        let arm = ["reminder", "norm", "plan", "norm_plan"][segment % 4];
        ground.segment(&mut tx, SegmentId(id(4, segment)), &format!("S{segment}"), RouteId(id(2, segment / 4)), NeighbourhoodId(id(3, 0))).await;
        run!(tx, "INSERT INTO trial_segment (municipality_id, trial_id, segment_id, homes, baseline_observed, baseline_complied, stratum, arm) VALUES ($1, 'norma-y-plan-2026', $2, 30, 100, 50, '1202/1', $3)", TOWN, SegmentId(id(4, segment)), arm).unwrap();
    }
    let homes: Vec<usize> = (0..HOMES).collect();
    let placed: Vec<_> = homes.iter().map(|n| (HouseholdId(id(5, *n)), format!("SP-{n:04}-K"), Some(SegmentId(id(4, n / 30))))).collect();
    ground.homes(&mut tx, &placed).await;
    // Homes 0, 30, 60, … have no phone; 1, 31, … said no; 2, 32, … speak Mam only.
    bulk!(
        tx,
        "INSERT INTO contact (municipality_id, contact_id, household_id, channel, address_sealed, language, spanish_allowed, valid_from)",
        homes,
        |n| [
            TOWN,
            ContactId(id(6, *n)),
            HouseholdId(id(5, *n)),
            if n % 30 == 0 { "paper" } else { "sms" },
            (n % 30 != 0).then(|| keys.seal("contact.address", &format!("+502{n:08}")).unwrap()),
            if n % 30 == 2 { "mam" } else { "es" },
            n % 30 != 2,
            start
        ],
        ""
    )
    .unwrap();
    let willing: Vec<usize> = (0..HOMES).filter(|n| n % 30 != 1).collect();
    bulk!(tx, "INSERT INTO consent (municipality_id, consent_id, household_id, purpose, given_on, given_how, text_version, language, by_guardian, recorded_by, recorded_at)", willing,
        |n| [TOWN, id(7, *n), HouseholdId(id(5, *n)), "messages", start, "visit", "1", "es", false, "test", monday()], "").unwrap();
    observe(&mut tx).await;
    let plans: Vec<usize> = (0..HOMES).filter(|n| n % 30 == 5).collect();
    bulk!(
        tx,
        "INSERT INTO plan (municipality_id, plan_id, household_id, captured_at, captured_how, own_words, when_text, where_text)",
        plans,
        |n| [TOWN, id(8, *n), HouseholdId(id(5, *n)), monday() - Duration::weeks(1), "sms", "8 de la noche en el patio", "8 de la noche", "patio"],
        ""
    )
    .unwrap();
    let trial = trial::find(&mut tx, "norma-y-plan-2026").await.unwrap();
    tx.commit().await.unwrap();
    let app = App { db, clock: Clock::Fixed(monday()), keys, data_dir: Arc::new(folder.path().to_owned()), demo: false };
    Town { app, trial, _folder: folder }
}

/// One observed collection a week of every home in the eight weeks before the first message, received the same noon.
async fn observe(tx: &mut Tx) {
    round::make(tx, TOWN, SEND.plus(-8).monday(), SEND.plus(-1).sunday()).await.unwrap();
    let rows: Vec<Observation> = (0..HOMES).flat_map(|home| (1..=8).map(move |back| seen_on(home, back, complies(home)))).collect();
    observation::store(tx, &rows).await.unwrap();
    tally::rebuild(tx, TOWN).await.unwrap();
}

/// What the crew recorded of a home so many weeks before the first message.
fn seen_on(home: usize, back: i64, complied: bool) -> Observation {
    let (segment, route) = (home / 30, home / 120);
    let day = SEND.plus(-back).monday() + Duration::days(2 + route as i64);
    let outcome = Outcome {
        set_out: Some(SetOut::Yes),
        separated: Some(if complied { Separated::Yes } else { Separated::No }),
        stream: Some(Stream::Mixed),
        ..Outcome::default()
    };
    Observation {
        municipality_id: TOWN,
        op_id: OpId(id(10, home * 100 + back.unsigned_abs() as usize)),
        kind: observation::Kind::Observation,
        round_id: round::identity(TOWN, RouteId(id(2, route)), day),
        household_id: HouseholdId(id(5, home)),
        segment_id: Some(SegmentId(id(4, segment))),
        neighbourhood_id: Some(NeighbourhoodId(id(3, 0))),
        service_day: day,
        iso_week: Week::of(day),
        device_id: DeviceId(id(11, 0)),
        observed_at: at_local(day, 8, 0),
        corrected_at: at_local(day, 8, 0),
        received_at: at_local(day, 12, 0),
        corrects: None,
        because: None,
        complied: outcome.complied(Stream::Mixed),
        outcome,
        counted: true,
        suspect: None,
        lon: None,
        lat: None,
        accuracy_m: None,
        content_hash: String::new(),
        extra: None,
    }
}

fn complies(home: usize) -> bool {
    home % 10 < if home < 120 { 8 } else { 3 }
}

impl Town {
    async fn run(&self, week: Week) -> campaign::RunSummary {
        let mut tx = self.app.db.write().await.unwrap();
        let now = at_local(week.monday(), 7, 0);
        let summary =
            campaign::run(&self.app, &mut tx, &self.trial, TOWN, "semanal", week, &mut Mint::seeded(week.0 as u64, "messages"), now).await.unwrap();
        tx.commit().await.unwrap();
        summary
    }

    fn at(&self, now: DateTime<Utc>) -> App {
        App { clock: Clock::Fixed(now), ..self.app.clone() }
    }
}

type Row = (String, String, String, Option<String>, Option<Uuid>, String, Option<String>);

async fn rows(tx: &mut Tx) -> Vec<Row> {
    all!(tx, "SELECT arm, wording, rule, body, norm_id, state, state_reason FROM message ORDER BY household_id").unwrap()
}

#[tokio::test]
async fn every_arm_gets_one_message_and_nobody_is_told_what_is_not_so() {
    on_both_engines!(db => {
        let town = town(db).await;
        let summary = town.run(SEND).await;
        assert_eq!((summary.homes, summary.already, summary.queued), (240, 0, 240 - 16), "{summary:?}");
        assert_eq!(summary.withheld.get("no-consent"), Some(&8));
        assert_eq!(summary.withheld.get("no-text-in-language"), Some(&8));
        let mut tx = town.app.db.read().await.unwrap();
        let rows = rows(&mut tx).await;
        assert_eq!(rows.len(), 240, "a home that is not written to has its row too");
        for (home, (arm, wording, rule, body, norm, state, reason)) in rows.into_iter().enumerate() {
            if matches!(home % 30, 1 | 2) {
                assert!(state == "withheld" && reason.is_some() && body.is_none(), "{home}");
                continue;
            }
            let body = body.unwrap();
            assert_eq!(state, "queued");
            assert!(body.starts_with("Muni San Pedro: "), "{body}");
            assert_eq!(body.contains("de cada 10"), rule == "static" || rule == "majority" || rule == "approval", "{body}");
            match arm.as_str() {
                "reminder" => assert_eq!(wording, "reminder_day"),
                "plan" => assert_eq!(wording, if home % 30 == 5 { "plan_cue" } else { "plan_cue_without_plan" }),
                "norm" if home < 120 && complies(home) => assert!(wording == "norm_approval" && body.contains("8 de cada 10"), "{body}"),
                "norm" if home < 120 => assert!(wording == "norm_majority" && body.contains("8 de cada 10 hogares en su ruta") && norm.is_some(), "{wording} {body}"),
                "norm" => assert!(wording == "norm_injunctive" && norm.is_none(), "three of ten is not told: {body}"),
                _ => assert!(wording.starts_with("norm_and_plan_") && wording.ends_with("_without_plan") != (home % 30 == 5), "{wording}"),
            }
        }
        let (due, first, last): (NaiveDate, DateTime<Utc>, DateTime<Utc>) =
            one!(tx, "SELECT MIN(due_on), MIN(send_after), MAX(send_after) FROM message WHERE household_id < $1 AND state = 'queued'", id(5, 120)).unwrap();
        assert_eq!(due, SEND.monday() + Duration::days(1), "the evening before Wednesday's truck");
        assert!(first >= at_local(due, 18, 30) && last < at_local(due, 19, 30) && last - first > Duration::minutes(30), "spread over the hour");
    });
}

#[tokio::test]
async fn running_twice_adds_nothing_and_the_same_seed_gives_the_same_outbox() {
    on_both_engines!(db => {
        let town = town(db).await;
        town.run(SEND).await;
        let again = town.run(SEND).await;
        assert_eq!((again.already, again.queued, again.norms), (240, 0, 0));
        let mut tx = town.app.db.read().await.unwrap();
        let ids: Vec<(MessageId, HouseholdId)> = all!(tx, "SELECT message_id, household_id FROM message ORDER BY household_id LIMIT 3").unwrap();
        let mut mint = Mint::seeded(SEND.0 as u64, "messages");
        for (at, (message, home)) in ids.into_iter().enumerate() {
            assert_eq!((message, home), (mint.id(monday()), HouseholdId(id(5, at))));
        }
    });
}

#[tokio::test]
async fn messages_stop_by_machine_and_while_paused() {
    on_both_engines!(db => {
        let town = town(db).await;
        let mut mint = Mint::system();
        let mut tx = town.app.db.write().await.unwrap();
        for week in [town.trial.protocol.week(6), town.trial.protocol.week(19)] {
            let refused = campaign::run(&town.app, &mut tx, &town.trial, TOWN, "semanal", week, &mut mint, monday()).await.unwrap_err();
            assert_eq!(refused.code, "campaign-phase");
        }
        assert_eq!(campaign::run(&town.app, &mut tx, &town.trial, TOWN, "diaria", SEND, &mut mint, monday()).await.unwrap_err().code, "campaign-unknown");
        pause::change(&mut tx, &town.trial, TOWN, "semanal", Change::Pause("quejas"), "admin", monday()).await.unwrap();
        assert_eq!(campaign::run(&town.app, &mut tx, &town.trial, TOWN, "semanal", SEND, &mut mint, monday()).await.unwrap_err().code, "campaign-paused");
        pause::change(&mut tx, &town.trial, TOWN, "semanal", Change::Resume(None), "admin", monday()).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(town.run(SEND).await.queued, 224);
    });
}

#[tokio::test]
async fn every_stated_share_is_derived_again_digit_for_digit() {
    on_both_engines!(db => {
        let town = town(db).await;
        for week in 0..4 {
            town.run(SEND.plus(week)).await;
        }
        let mut tx = town.app.db.write().await.unwrap();
        let proof = prove(&mut tx, TOWN, &town.trial, "semanal").await.unwrap();
        assert!(proof.norms > 0 && proof.proven == proof.norms && proof.messages > 50 && proof.consistent == proof.messages, "{proof:?}");
        assert!(proof.differing.is_empty());
        // Tallies are asked nothing: falsified or gone, the rows say what they said.
        run!(tx, "UPDATE home_week SET complied = 0").unwrap();
        run!(tx, "DELETE FROM segment_week").unwrap();
        assert_eq!(prove(&mut tx, TOWN, &town.trial, "semanal").await.unwrap(), proof);
        // Nor what a row was marked with.
        run!(tx, "UPDATE observation SET complied = 0, counted = $1, segment_id = NULL", false).unwrap();
        assert_eq!(prove(&mut tx, TOWN, &town.trial, "semanal").await.unwrap(), proof);
        // One home's rows are changed behind the house's back.
        for back in 1..=4 {
            run!(tx, "UPDATE observation SET separated = 'no' WHERE op_id = $1", id(10, back)).unwrap();
        }
        let broken = prove(&mut tx, TOWN, &town.trial, "semanal").await.unwrap();
        assert!(broken.proven < broken.norms && broken.corrected == 0 && broken.differing[0].contains("homes_complied is 96, the observations give 95"), "{broken:?}");
        // And one message's text.
        run!(tx, "UPDATE message SET body = REPLACE(body, '8 de cada 10', '9 de cada 10') WHERE household_id = $1", HouseholdId(id(5, 33))).unwrap();
        let forged = prove(&mut tx, TOWN, &town.trial, "semanal").await.unwrap();
        assert!(forged.consistent < forged.messages && forged.differing.iter().any(|line| line.contains("says «9 de cada 10», its norm says 8")), "{forged:?}");
        // And «la mayoría» of a share whose lower limit does not carry it.
        run!(tx, "UPDATE message SET body = $2 WHERE household_id = $1", HouseholdId(id(5, 33)), "La mayoría ya separa.").unwrap();
        let true_of_most = prove(&mut tx, TOWN, &town.trial, "semanal").await.unwrap();
        assert!(true_of_most.consistent > forged.consistent, "{true_of_most:?}");
        run!(tx, "UPDATE norm SET ci_low = 0.5").unwrap();
        let of_half = prove(&mut tx, TOWN, &town.trial, "semanal").await.unwrap();
        assert!(of_half.differing.iter().any(|line| line.contains("says «la mayoría», its norm has a lower limit of 0.5")), "{of_half:?}");
    });
}

#[tokio::test]
async fn what_phones_send_later_corrects_a_norm_and_does_not_unprove_it() {
    on_both_engines!(db => {
        let town = town(db).await;
        town.run(SEND).await;
        let mut tx = town.app.db.write().await.unwrap();
        // Home 0 complied in 4 of 4; a phone that was out of reach now brings four earlier rows of the same days that did not comply.
        for back in 1..=4 {
            let mut late = seen_on(0, back, false);
            late.op_id = OpId(id(12, back as usize));
            late.observed_at = at_local(late.service_day, 7, 0);
            late.received_at = monday() + Duration::hours(9);
            observation::store(&mut tx, &[late]).await.unwrap();
        }
        let proof = prove(&mut tx, TOWN, &town.trial, "semanal").await.unwrap();
        assert!(proof.corrected > 0 && proof.proven + proof.corrected == proof.norms && proof.differing.is_empty(), "{proof:?}");
        assert!(proof.corrections[0].contains("corrected since by 4 operations received after it was computed"), "{proof:?}");
        // The same rows received before would have been known.
        run!(tx, "UPDATE observation SET received_at = $1 WHERE received_at > $1", monday() - Duration::hours(9)).unwrap();
        let alarm = prove(&mut tx, TOWN, &town.trial, "semanal").await.unwrap();
        assert!(alarm.corrected == 0 && !alarm.differing.is_empty(), "{alarm:?}");
    });
}

#[tokio::test]
async fn a_correction_of_places_is_named_and_a_closing_of_today_leaves_the_proof_as_it_was() {
    on_both_engines!(db => {
        let town = town(db).await;
        town.run(SEND).await;
        let mut tx = town.app.db.write().await.unwrap();
        let proof = prove(&mut tx, TOWN, &town.trial, "semanal").await.unwrap();
        let later = monday() + Duration::hours(30);
        // Homes 0 to 7 close today: their days before stand.
        for home in 0..8usize {
            run!(tx, "UPDATE household_version SET valid_to = $2 WHERE household_id = $1", HouseholdId(id(5, home)), SEND.monday()).unwrap();
        }
        assert_eq!(prove(&mut tx, TOWN, &town.trial, "semanal").await.unwrap(), proof);
        // That home 0 never had service is a correction of the past.
        run!(tx, "UPDATE household_version SET superseded_at = $2 WHERE household_id = $1", HouseholdId(id(5, 0)), later).unwrap();
        let detail = json!({"since": SEND.plus(-8).monday(), "reason": "nunca tuvo servicio"});
        let entry = vecino::account::audit::Entry { stream: "territory", actor: "ana", action: "corrected", target: "households", detail };
        vecino::account::audit::record(&mut tx, TOWN, later, entry).await.unwrap();
        let corrected = prove(&mut tx, TOWN, &town.trial, "semanal").await.unwrap();
        assert!(corrected.corrected > 0 && corrected.differing.is_empty(), "{corrected:?}");
        assert!(corrected.corrections[0].contains("the correction of households of") && corrected.corrections[0].contains("«nunca tuvo servicio»"), "{corrected:?}");
    });
}

#[tokio::test]
async fn a_proof_names_the_acts_that_changed_its_norm_and_no_other() {
    on_both_engines!(db => {
        let town = town(db).await;
        town.run(SEND).await;
        let mut tx = town.app.db.write().await.unwrap();
        let mut mint = Mint::system();
        let (today, since) = (SEND.plus(1).monday(), SEND.plus(-2).monday());
        let at = |minute: u32| at_local(today, 9, minute);
        let after = After { follow: |tx, changed| Box::pin(observation::restate::facts_changed(tx, changed)), drawn: |tx, town, segments, day| Box::pin(trial::drawn(tx, town, segments, day)) };
        let bring = async |tx: &mut Tx, mint: &mut Mint, minute: u32, text: &str, why: &'static str| {
            let request = Request { kind: Kind::Households, file: "f.csv", bytes: text.as_bytes(), municipality: Some(TOWN), repair: false, now: at(minute), from: today, reason: Some(why), actor: "ana", written: &Written::default() };
            import::file(tx, mint, &request).await.unwrap();
            let changed = Changed { municipality: TOWN, since, reason: Some(why), now: at(minute), today, what: "f.csv" };
            observation::restate::facts_changed(tx, changed).await.unwrap();
        };
        // Of the first route: a hint, a home of one more segment of the same route, a day that the crew drove, a name; of the second: a home that closed.
        bring(&mut tx, &mut mint, 1, &format!("code,hint,valid_from\nSP-0007-K,portón,{since}\n"), "otra seña").await;
        bring(&mut tx, &mut mint, 2, &format!("code,segment,valid_from\nSP-0008-K,S2,{since}\n"), "otro tramo").await;
        let desk = Desk { municipality: TOWN, now: at(3), today, actor: "ana" };
        desk.cancel(&mut tx, &mut mint, Some("R0"), &[since + Duration::days(2)], &Because { reason: Reason::Truck, note: Some("no salió".into()) }).await.unwrap();
        let act = |minute, reason| Act { municipality: TOWN, from: since, today, now: at(minute), reason: Some(reason), actor: "ana" };
        perform(&mut tx, &mut mint, &act(4, "otro nombre"), Thing::Route, &Deed::Rename { code: "R0", name: Some("Ruta alta"), new: None }, after).await.unwrap();
        perform(&mut tx, &mut mint, &act(5, "cerró en la otra"), Thing::Household, &Deed::Retire { codes: &["SP-0200-K".to_owned()], with_homes: false }, after).await.unwrap();
        let proof = prove(&mut tx, TOWN, &town.trial, "semanal").await.unwrap();
        assert!(proof.differing.is_empty(), "{proof:?}");
        let of_first = |proof: &vecino::norm::prove::Proof| proof.corrections.iter().filter(|line| line.contains("(route Ruta 0")).cloned().collect::<Vec<_>>();
        assert!(of_first(&proof).is_empty(), "nothing changed a figure of the first route: {proof:?}");
        // And now a home of the first route that had closed.
        perform(&mut tx, &mut mint, &act(6, "cerró en septiembre"), Thing::Household, &Deed::Retire { codes: &["SP-0010-K".to_owned()], with_homes: false }, after).await.unwrap();
        let proof = prove(&mut tx, TOWN, &town.trial, "semanal").await.unwrap();
        let told = of_first(&proof);
        assert!(!told.is_empty() && proof.differing.is_empty(), "{proof:?}");
        let (entry,): (i64,) = one!(tx, "SELECT sequence FROM audit_entry WHERE municipality_id = $1 AND stream = 'territory' AND target = 'SP-0010-K'", TOWN).unwrap();
        for line in told {
            assert!(line.contains("corrected since by the retirement of household SP-0010-K of"), "{line}");
            assert!(line.contains(&format!("by ana (territory entry {entry}, «cerró en septiembre»):")), "{line}");
        }
    });
}

#[tokio::test]
async fn a_merging_and_a_day_of_another_stream_are_named_as_what_they_are() {
    on_both_engines!(db => {
        let town = town(db).await;
        let mut tx = town.app.db.write().await.unwrap();
        let mut mint = Mint::system();
        let (today, since) = (SEND.plus(1).monday(), SEND.plus(-4).monday());
        let after = After { follow: |tx, changed| Box::pin(observation::restate::facts_changed(tx, changed)), drawn: |tx, town, segments, day| Box::pin(trial::drawn(tx, town, segments, day)) };
        // The last two Wednesdays are days of the calendar, not of the week; later somebody says that they took another stream.
        let wednesdays = [-2, -1].map(|back| SEND.plus(back).monday() + Duration::days(2));
        let because = Because { reason: Reason::Other, note: Some("ese día fue orgánico".into()) };
        run!(tx, "DELETE FROM route_day WHERE route_id = $1 AND weekday = 3", RouteId(id(2, 0))).unwrap();
        run!(tx, "INSERT INTO route_day (municipality_id, route_id, version_id, weekday, stream, window_start, window_end) SELECT municipality_id, route_id, version_id, 2, 'mixed', '06:00', '11:00' FROM route_version WHERE route_id = $1", RouteId(id(2, 0))).unwrap();
        let desk = Desk { municipality: TOWN, now: monday() - Duration::days(6), today: wednesdays[0], actor: "ana" };
        for wednesday in wednesdays {
            desk.add(&mut tx, &mut mint, "R0", wednesday, Some("mixed"), None, &because).await.unwrap();
        }
        tx.commit().await.unwrap();
        town.run(SEND).await;
        let mut tx = town.app.db.write().await.unwrap();
        let desk = |minute| Desk { municipality: TOWN, now: at_local(today, 9, minute), today, actor: "ana" };
        for wednesday in wednesdays {
            desk(0).remove(&mut tx, Some("R0"), wednesday, Some("se equivocaron")).await.unwrap();
            desk(1).add(&mut tx, &mut mint, "R0", wednesday, Some("organic"), None, &because).await.unwrap();
        }
        let changed = Changed { municipality: TOWN, since: wednesdays[0], reason: Some("x"), now: desk(1).now, today, what: "the calendar" };
        observation::restate::facts_changed(&mut tx, changed).await.unwrap();
        let (turned,): (i64,) = one!(tx, "SELECT COUNT(*) FROM round WHERE stream = 'organic'").unwrap();
        assert_eq!(turned, 2);
        let act = Act { municipality: TOWN, from: since, today, now: at_local(today, 9, 2), reason: Some("una sola ruta"), actor: "ana" };
        perform(&mut tx, &mut mint, &act, Thing::Route, &Deed::Merge { into: "R0", codes: &["R1".to_owned()] }, after).await.unwrap();
        let proof = prove(&mut tx, TOWN, &town.trial, "semanal").await.unwrap();
        assert!(proof.corrected > 0 && proof.differing.iter().all(|line| !line.starts_with("norm ")), "{proof:?}");
        let all = proof.corrections.join("\n");
        assert!(all.contains("the correction of the calendar (added) of R0 of") && all.contains("«ese día fue orgánico»"), "{all}");
        assert!(all.contains("the merging of route R1 into R0 of") && all.contains("«una sola ruta»"), "{all}");
    });
}

#[tokio::test]
async fn a_norm_is_proven_by_the_routes_that_were_known_when_it_was_told() {
    on_both_engines!(db => {
        let town = town(db).await;
        town.run(SEND).await;
        let mut tx = town.app.db.write().await.unwrap();
        // Three segments of the first route were the second's all along.
        for segment in 0..3usize {
            let (segment, version) = (SegmentId(id(4, segment)), id(14, segment));
            run!(tx, "UPDATE segment_version SET superseded_at = $2 WHERE segment_id = $1", segment, monday() + Duration::hours(30)).unwrap();
            run!(
                tx,
                "INSERT INTO segment_version (municipality_id, segment_id, version_id, valid_from, recorded_at, route_id, neighbourhood_id, begins_m, reversed, approximate, geometry, properties)
                 SELECT municipality_id, segment_id, $2, valid_from, $3, $4, neighbourhood_id, begins_m, reversed, approximate, geometry, properties FROM segment_version WHERE segment_id = $1",
                segment,
                version,
                monday() + Duration::hours(30),
                RouteId(id(2, 1))
            )
            .unwrap();
        }
        let proof = prove(&mut tx, TOWN, &town.trial, "semanal").await.unwrap();
        assert!(proof.norms > 0 && proof.differing.is_empty(), "{proof:?}");
    });
}

#[tokio::test]
async fn where_everybody_complied_every_home_of_the_norm_arms_is_thanked() {
    on_both_engines!(db => {
        let town = town(db).await;
        let mut tx = town.app.db.write().await.unwrap();
        run!(tx, "UPDATE observation SET separated = 'yes', complied = 1 WHERE household_id < $1", HouseholdId(id(5, 120))).unwrap();
        tally::rebuild(&mut tx, TOWN).await.unwrap();
        tx.commit().await.unwrap();
        let summary = town.run(SEND).await;
        assert_eq!((summary.queued, summary.withheld.get("message-value")), (240 - 16, None), "{summary:?}");
        let mut tx = town.app.db.write().await.unwrap();
        let told: Vec<(String, i64)> = all!(tx, "SELECT wording, COUNT(*) FROM message WHERE arm IN ('norm', 'norm_plan') AND rule = 'thanks' AND body IS NOT NULL GROUP BY wording ORDER BY wording").unwrap();
        assert_eq!(told.iter().map(|(_, n)| n).sum::<i64>(), 2 * 28, "{told:?}");
        assert!(told.iter().all(|(wording, _)| wording.contains("thanks")), "{told:?}");
        let proof = prove(&mut tx, TOWN, &town.trial, "semanal").await.unwrap();
        assert!(proof.proven == proof.norms && proof.norms > 0 && proof.differing.is_empty(), "{proof:?}");
    });
}

#[tokio::test]
async fn what_was_told_is_proven_by_the_rules_of_its_day_whichever_rule_is_amended() {
    on_both_engines!(db => {
        let town = town(db).await;
        town.run(SEND).await;
        let mut tx = town.app.db.write().await.unwrap();
        run!(tx, "INSERT INTO municipality (municipality_id, code, name, department, pilot, approximate, properties) VALUES (114, '0114', 'Amatitlán', 'Guatemala', $1, $1, $2)", false, json!({})).unwrap();
        let proof = prove(&mut tx, TOWN, &town.trial, "semanal").await.unwrap();
        assert!(proof.norms > 0 && proof.proven == proof.norms && proof.differing.is_empty(), "{proof:?}");
        // Every rule there is: the text says no other key, and each is amended to another value than it has.
        let rules = [
            ("definition", "\"hogares que cumplieron casi siempre\""), ("window_weeks", "3"), ("minimum_visits", "3"), ("valid_days", "7"),
            ("minimum_homes", "25"), ("group_homes", "70"), ("half_width", "0.12"), ("static_lower", "0.55"), ("dynamic_rise", "0.06"),
            ("dynamic_level", "0.95"), ("ceiling_tenth", "8"), ("groups", "[\"route\", \"municipality\"]"),
        ];
        let norm = PROTOCOL.split_once("\n[norm]\n").unwrap().1.split_once("\n[").unwrap().0;
        let keys: Vec<&str> = norm.lines().filter_map(|line| line.split_once(" = ").map(|(key, _)| key)).filter(|key| !key.starts_with('#')).collect();
        assert_eq!(keys, rules.map(|(key, _)| key));
        let mut text = PROTOCOL.to_owned();
        for (hour, (key, value)) in rules.into_iter().enumerate() {
            let line = norm.lines().find(|line| line.starts_with(&format!("{key} = "))).unwrap();
            let (head, rules) = text.split_once("\n[norm]").unwrap();
            text = format!("{head}\n[norm]{}", rules.replacen(&format!("\n{line}\n"), &format!("\n{key} = {value}\n"), 1));
            trial::amend(&mut tx, &text, "mine.toml", "otra regla", monday() + Duration::hours(1 + hour as i64)).await.unwrap();
            let amended = trial::find(&mut tx, &town.trial.id).await.unwrap();
            assert_eq!(prove(&mut tx, TOWN, &amended, "semanal").await.unwrap(), proof, "{key}");
        }
        tx.commit().await.unwrap();
        // What is told after is told and proven by the amended rules, beside what was told before.
        let mut tx = town.app.db.write().await.unwrap();
        let amended = trial::find(&mut tx, &town.trial.id).await.unwrap();
        let next = SEND.plus(2);
        round::make(&mut tx, TOWN, SEND.monday(), SEND.plus(1).sunday()).await.unwrap();
        let more = (0..HOMES).flat_map(|home| (0..2).map(move |week| Observation { op_id: OpId(id(13, home * 10 + week)), ..seen_on(home, -(week as i64), complies(home)) }));
        observation::store(&mut tx, &more.collect::<Vec<_>>()).await.unwrap();
        tally::rebuild(&mut tx, TOWN).await.unwrap();
        let now = at_local(next.monday(), 7, 0);
        campaign::run(&town.app, &mut tx, &amended, TOWN, "semanal", next, &mut Mint::seeded(1, "messages"), now).await.unwrap();
        let both = prove(&mut tx, TOWN, &amended, "semanal").await.unwrap();
        assert!(both.norms > proof.norms && both.proven == both.norms && both.differing.is_empty(), "{both:?}");
    });
}

#[tokio::test]
async fn caps_hold_over_all_campaigns() {
    on_both_engines!(db => {
        let town = town(db).await;
        for week in -3..0 {
            town.run(SEND.plus(week)).await;
        }
        let mut tx = town.app.db.write().await.unwrap();
        // Home 40 was written to twice this week by somebody else, home 41 three times in the weeks before.
        for (home, campaign, week, count) in [(40, "otra", SEND, 2), (41, "otra", SEND.plus(-1), 3)] {
            for step in 0..count {
                run!(tx, "INSERT INTO message (municipality_id, message_id, household_id, trial_id, campaign_id, step, due_on, iso_week, channel, arm, wording, rule, language, body, state, state_at, send_after, expires_at, attempts)
                    VALUES ($1, $2, $3, 'norma-y-plan-2026', $4, $5, $6, $7, 'sms', 'norm', 'reminder_day', 'step', 'es', 'x', 'delivered', $8, $8, $8, $9)",
                    TOWN, MessageId(id(9, home * 10 + step as usize)), HouseholdId(id(5, home)), campaign, step, week.sunday(), week, monday(), 1i16).unwrap();
            }
        }
        tx.commit().await.unwrap();
        let summary = town.run(SEND).await;
        assert_eq!((summary.withheld.get("cap-week"), summary.withheld.get("cap-28-days")), (Some(&1), Some(&1)), "{summary:?}");
    });
}

#[tokio::test]
async fn the_file_gateway_writes_what_is_due_once_and_asks_consent_again() {
    on_both_engines!(db => {
        let town = town(db).await;
        town.run(SEND).await;
        let early = town.at(at_local(SEND.monday(), 12, 0));
        assert_eq!(outbox::send_due(&early, Gateway::File, 1000).await.unwrap(), outbox::Sent::default(), "nothing before its hour");
        let mut tx = town.app.db.write().await.unwrap();
        run!(tx, "UPDATE consent SET withdrawn_at = $1 WHERE household_id = $2", monday(), HouseholdId(id(5, 7))).unwrap();
        tx.commit().await.unwrap();
        // After quiet hours begin nothing leaves, however late it is.
        let night = town.at(at_local(SEND.monday() + Duration::days(1), 20, 30));
        assert_eq!(outbox::send_due(&night, Gateway::File, 1000).await.unwrap(), outbox::Sent::default());
        let evening = town.at(at_local(SEND.monday() + Duration::days(1), 19, 45));
        let sent = outbox::send_due(&evening, Gateway::File, 1000).await.unwrap();
        // Half the town; without four on paper, four without consent, four without a text, and the one that said no meanwhile.
        assert_eq!((sent.delivered, sent.withheld), (107, 1), "{sent:?}");
        assert_eq!(outbox::send_due(&evening, Gateway::File, 1000).await.unwrap(), outbox::Sent::default());
        let file = town.app.data_dir.join("outbox").join(format!("{}.jsonl", SEND.monday() + Duration::days(1)));
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let lines: Vec<Value> = std::fs::read_to_string(&file).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 107);
        let ids: std::collections::BTreeSet<&str> = lines.iter().map(|line| line["message_id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), 107);
        assert!(lines.iter().all(|line| line["to"].as_str().unwrap().starts_with("+502") && !line.to_string().contains("norm_plan")));
        // What was not handed over by the truck's start is never sent.
        let late = town.at(at_local(SEND.monday() + Duration::days(2), 8, 0));
        let sent = outbox::send_due(&late, Gateway::File, 1000).await.unwrap();
        assert_eq!((sent.delivered, sent.expired), (0, 4), "the four on paper");
        let mut tx = town.app.db.read().await.unwrap();
        let (events, applied): (i64, i64) = one!(tx, "SELECT COUNT(*), CAST(SUM(CASE WHEN applied THEN 1 ELSE 0 END) AS BIGINT) FROM message_event").unwrap();
        assert_eq!((events, applied), (107 * 3 + 1 + 4, 107 * 3 + 1 + 4));
    });
}

#[tokio::test]
async fn a_message_that_is_written_when_its_collection_has_begun_is_never_queued() {
    on_both_engines!(db => {
        let town = town(db).await;
        // Wednesday noon: the first route's truck has been there, the second one's comes tomorrow.
        let now = at_local(SEND.monday() + Duration::days(2), 12, 0);
        let mut tx = town.app.db.write().await.unwrap();
        campaign::run(&town.app, &mut tx, &town.trial, TOWN, "semanal", SEND, &mut Mint::seeded(1, "late"), now).await.unwrap();
        let (late, queued): (i64, i64) = one!(tx, "SELECT COUNT(CASE WHEN state_reason = 'too-late' THEN 1 END), COUNT(CASE WHEN state = 'queued' THEN 1 END) FROM message").unwrap();
        let (never,): (i64,) = one!(tx, "SELECT COUNT(*) FROM message WHERE state = 'queued' AND expires_at <= $1", now).unwrap();
        assert!(late > 0 && queued > 0 && never == 0, "{late} {queued} {never}");
    });
}

#[tokio::test]
async fn a_share_that_is_out_of_date_never_leaves_and_what_rests_on_none_does() {
    on_both_engines!(db => {
        let town = town(db).await;
        town.run(SEND).await;
        let evening = at_local(SEND.monday() + Duration::days(1), 19, 45);
        let mut tx = town.app.db.write().await.unwrap();
        let (due, of_norm): (i64, i64) = one!(tx, "SELECT COUNT(*), COUNT(norm_id) FROM message WHERE state = 'queued' AND channel = 'sms' AND send_after <= $1", evening).unwrap();
        assert!(of_norm > 20 && due - of_norm > 20, "{due} {of_norm}");
        // Good to the minute of sending, and no minute longer.
        run!(tx, "UPDATE norm SET valid_until = $1", evening - Duration::seconds(1)).unwrap();
        tx.commit().await.unwrap();
        let sent = outbox::send_due(&town.at(evening), Gateway::File, 1000).await.unwrap();
        assert_eq!((sent.expired as i64, sent.delivered as i64), (of_norm, due - of_norm), "{sent:?}");
        let mut tx = town.app.db.read().await.unwrap();
        let stale: Vec<(String, Option<String>)> = all!(tx, "SELECT DISTINCT state, state_reason FROM message WHERE norm_id IS NOT NULL AND state <> 'withheld' AND channel = 'sms' AND send_after <= $1", evening).unwrap();
        assert_eq!(stale, [("expired".to_owned(), Some("norm-stale".to_owned()))]);
        let file = town.app.data_dir.join("outbox").join(format!("{}.jsonl", SEND.monday() + Duration::days(1)));
        assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count() as i64, due - of_norm);
    });
}

#[tokio::test]
async fn a_message_that_tells_of_a_collection_which_was_cancelled_meanwhile_never_leaves() {
    on_both_engines!(db => {
        let town = town(db).await;
        town.run(SEND).await;
        // The first route's Wednesday falls out; the second route's Thursday stays.
        let mut tx = town.app.db.write().await.unwrap();
        let desk = Desk { municipality: TOWN, now: monday(), today: SEND.monday(), actor: "test" };
        let truck = Because { reason: Reason::Truck, note: None };
        desk.cancel(&mut tx, &mut Mint::system(), Some("R0"), &[SEND.monday() + Duration::days(2)], &truck).await.unwrap();
        tx.commit().await.unwrap();
        let tuesday = outbox::send_due(&town.at(at_local(SEND.monday() + Duration::days(1), 19, 40)), Gateway::File, 1000).await.unwrap();
        assert_eq!((tuesday.delivered, tuesday.withheld), (0, 108), "{tuesday:?}");
        let wednesday = outbox::send_due(&town.at(at_local(SEND.monday() + Duration::days(2), 19, 40)), Gateway::File, 1000).await.unwrap();
        assert_eq!((wednesday.delivered, wednesday.withheld), (108, 0), "{wednesday:?}");
        let mut tx = town.app.db.read().await.unwrap();
        let why: Vec<(String,)> = all!(tx, "SELECT DISTINCT state_reason FROM message WHERE state = 'withheld' AND send_after > $1 AND state_at > $1", monday() + Duration::hours(1)).unwrap();
        assert_eq!(why, [("collection-changed".to_owned(),)]);
    });
}

#[tokio::test]
async fn nobody_is_told_of_a_day_that_the_calendar_has_not_and_a_moved_one_is_told_of() {
    on_both_engines!(db => {
        let town = town(db).await;
        let mut tx = town.app.db.write().await.unwrap();
        let desk = Desk { municipality: TOWN, now: monday(), today: SEND.monday(), actor: "test" };
        let because = Because { reason: Reason::Event, note: None };
        let day = |ahead: i64| SEND.monday() + Duration::days(ahead);
        desk.move_day(&mut tx, &mut Mint::system(), Some("R0"), day(2), day(4), None, &because).await.unwrap();
        desk.cancel(&mut tx, &mut Mint::system(), Some("R1"), &[day(3), day(10)], &because).await.unwrap();
        tx.commit().await.unwrap();
        town.run(SEND).await;
        let mut tx = town.app.db.read().await.unwrap();
        let told: Vec<(NaiveDate, DateTime<Utc>)> = all!(tx, "SELECT DISTINCT due_on, expires_at FROM message WHERE state = 'queued'").unwrap();
        assert_eq!(told, [(day(3), at_local(day(4), 6, 0))], "the evening before the Friday it was moved to");
        let none: (i64,) = one!(tx, "SELECT COUNT(*) FROM message WHERE state_reason = 'no-collection'").unwrap();
        assert!(none.0 >= 100, "{none:?}");
    });
}

#[tokio::test]
async fn a_claim_that_was_interrupted_is_unknown_and_never_sent_again() {
    on_both_engines!(db => {
        let town = town(db).await;
        town.run(SEND).await;
        let evening = at_local(SEND.monday() + Duration::days(1), 19, 40);
        let mut tx = town.app.db.write().await.unwrap();
        run!(tx, "UPDATE message SET state = 'sending', state_at = $1, attempts = $3 WHERE household_id = $2", evening - Duration::minutes(11), HouseholdId(id(5, 7)), 1i16).unwrap();
        tx.commit().await.unwrap();
        let sent = outbox::send_due(&town.at(evening), Gateway::File, 1000).await.unwrap();
        assert_eq!((sent.unknown, sent.delivered), (1, 107));
        assert_eq!(outbox::send_due(&town.at(evening), Gateway::File, 1000).await.unwrap().delivered, 0);
        // A receipt that comes after all settles it; a second one changes nothing and is kept.
        let mut tx = town.app.db.write().await.unwrap();
        let (message,): (MessageId,) = one!(tx, "SELECT message_id FROM message WHERE household_id = $1", HouseholdId(id(5, 7))).unwrap();
        assert!(outbox::record(&mut tx, TOWN, message, State::Delivered, None, None, Some(evening), evening).await.unwrap());
        assert!(!outbox::record(&mut tx, TOWN, message, State::Failed, None, None, Some(evening), evening).await.unwrap());
        let (events,): (i64,) = one!(tx, "SELECT COUNT(*) FROM message_event WHERE message_id = $1", message).unwrap();
        assert_eq!(events, 3);
    });
}

#[test]
fn states_are_ranked_and_the_first_final_one_wins() {
    let ladder = [State::Queued, State::Sending, State::Accepted, State::Buffered, State::Delivered, State::Read];
    for (at, low) in ladder.into_iter().enumerate() {
        for (above, high) in ladder.into_iter().enumerate() {
            assert_eq!(low.gives_way_to(high), at < above, "{low:?} {high:?}");
        }
    }
    let finals = [State::Delivered, State::Failed, State::Rejected, State::Expired];
    for a in finals {
        for b in finals {
            assert_eq!(a.gives_way_to(b), a == State::Failed && b == State::Delivered, "{a:?} {b:?}");
        }
    }
    for state in State::ALL {
        assert!(!state.gives_way_to(State::Queued) && !state.gives_way_to(state));
        assert_eq!(State::parse(state.name()), Some(state));
    }
    assert!(
        State::Sending.gives_way_to(State::Unknown) && !State::Accepted.gives_way_to(State::Unknown) && State::Unknown.gives_way_to(State::Failed)
    );
    assert!(State::Queued.gives_way_to(State::Withheld) && !State::Withheld.gives_way_to(State::Delivered));
}

#[tokio::test]
async fn practice_outcomes_leave_the_rest_waiting() {
    on_both_engines!(db => {
        let town = town(db).await;
        town.run(SEND).await;
        let mut tx = town.app.db.write().await.unwrap();
        let mut n = 0;
        let settled = outbox::settle_practice(&mut tx, TOWN, "semanal", SEND, |_| { n += 1; match n % 3 { 0 => None, 1 => Some(State::Delivered), _ => Some(State::Failed) } }).await.unwrap();
        assert_eq!((n, settled), (224, 150));
        let weeks = campaign::status(&mut tx, &town.trial, TOWN, "semanal").await.unwrap();
        assert_eq!(weeks.len(), 1);
        assert_eq!((weeks[0].trial_week, weeks[0].states["queued"], weeks[0].states["delivered"], weeks[0].states["failed"]), (14, 74, 75, 75));
    });
}

fn actor(role: Role) -> Actor {
    Actor { role, name: "ana".into(), account: None, municipality: Some(TOWN), operator: None, device: None }
}

async fn seen(app: &App, home: usize) -> Result<Page, Error> {
    let path = Path(("semanal".to_owned(), "1202".to_owned(), format!("SP-{home:04}-K")));
    let week = serde_json::from_value(json!({"week": SEND.to_string()})).unwrap();
    page::home(axum::extract::State(app.clone()), path, Query(week), actor(Role::Researcher), Reader::default()).await
}

/// No interface string is missing: a missing one shows as its own key.
fn whole(page: &Page) -> String {
    let html = format!("{}{}{}", page.heading, page.answer.as_ref().map(|a| a.0.clone()).unwrap_or_default(), page.body.0);
    for word in html.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_') {
        assert!(!(word.starts_with("visits-") || word.starts_with("norm-") && word != "norm-y-plan-2026"), "no interface string {word}");
    }
    html
}

#[tokio::test]
async fn a_preview_says_why_and_looking_is_logged() {
    on_both_engines!(db => {
        let town = town(db).await;
        // Before the run it shows what would be sent, after it what stands in the outbox.
        let would = whole(&seen(&town.app, 39).await.unwrap());
        assert!(would.contains("como saldría") && would.contains("Calculada ahora, sin guardar"), "{would}");
        town.run(SEND).await;
        let app = town.at(at_local(SEND.monday() + Duration::days(3), 9, 0));
        for home in [0, 1, 2, 5, 30, 33, 39, 65, 90, 95, 99, 125, 159, 215, 219] {
            let html = whole(&seen(&app, home).await.unwrap());
            assert!(html.contains("Por qué"), "{home}");
        }
        let majority = whole(&seen(&app, 39).await.unwrap());
        for fact in ["8 de cada 10 hogares en su ruta", "de 160 caracteres", "120 hogares", "80.0 %", "redondeado hacia abajo", "el límite inferior pasa de 50", "cumplió en 0 de 4", "también es cierto; las dos frases se turnan", "30 hogares; hacen falta 50", "Norma", "martes 13/10/2026"] {
            assert!(majority.contains(fact), "{fact}: {majority}");
        }
        assert!(whole(&seen(&app, 1).await.unwrap()).contains("no ha dado su consentimiento"));
        assert!(whole(&seen(&app, 33).await.unwrap()).contains("se le agradece y no se compara"));
        assert_eq!(seen(&app, 777).await.unwrap_err().code, "household-unknown");
        let mut tx = town.app.db.read().await.unwrap();
        let (looked,): (i64,) = one!(tx, "SELECT COUNT(*) FROM audit_entry WHERE action = 'preview.seen' AND actor = 'ana'").unwrap();
        assert_eq!(looked, 19);
        let preview = Preview::load(&mut tx, town.trial.clone(), TOWN, "semanal", "sp-0039-k", SEND, app.clock.now()).await.unwrap().to_json();
        assert_eq!((&preview["rule"], &preview["norm"]["stated_tenth"], &preview["state"]), (&json!("majority"), &json!(8), &json!("queued")));
        assert_eq!(preview["not_used"].as_array().unwrap().len(), 7);
        drop(tx);
        let pooled = page::campaigns(axum::extract::State(app.clone()), actor(Role::Coordinator), Reader::default()).await.unwrap();
        let pooled = whole(&pooled);
        for words in ["224 mensajes están escritos y esperan su hora", "No se envió", "8: no ha dado su consentimiento", "8: falta el texto en su idioma"] {
            assert!(pooled.contains(words), "{words} in {pooled}");
        }
        for arm in ["Recordatorio", "norm_plan", "Norma y plan", "reminder"] {
            assert!(!pooled.contains(arm), "{arm}");
        }
    });
}

#[tokio::test]
async fn a_visitor_hands_over_texts_and_never_sees_an_arm() {
    on_both_engines!(db => {
        let town = town(db).await;
        town.run(SEND).await;
        let app = town.at(at_local(SEND.monday(), 9, 0));
        let list = whole(&visit::visits(axum::extract::State(app.clone()), actor(Role::Visitor), Reader::default()).await.unwrap());
        assert!(list.contains("Faltan 8 entregas") && list.contains("SP-0000-K") && list.contains("Puerta 0") && list.contains("avise en la municipalidad"), "{list}");
        for arm in ["reminder", "norm_plan", "Recordatorio", "arm", "brazo"] {
            assert!(!list.contains(arm), "{arm}");
        }
        let mut tx = town.app.db.read().await.unwrap();
        let (paper,): (MessageId,) = one!(tx, "SELECT message_id FROM message WHERE household_id = $1", HouseholdId(id(5, 0))).unwrap();
        let (phone,): (MessageId,) = one!(tx, "SELECT message_id FROM message WHERE household_id = $1", HouseholdId(id(5, 3))).unwrap();
        drop(tx);
        let hand = |message: MessageId, at: DateTime<Utc>| visit::delivered(axum::extract::State(town.at(at)), Path(("1202".to_owned(), message.0)), actor(Role::Visitor));
        assert_eq!(hand(phone, app.clock.now()).await.unwrap_err().code, "message-unknown");
        let _ = hand(paper, app.clock.now()).await.unwrap();
        let _ = hand(paper, app.clock.now()).await.unwrap();
        let list = whole(&visit::visits(axum::extract::State(app.clone()), actor(Role::Visitor), Reader::default()).await.unwrap());
        assert!(list.contains("Faltan 7 entregas") && list.contains("Entregadas esta semana: 1"), "{list}");
        let mut tx = town.app.db.read().await.unwrap();
        let (events, entries): (i64, i64) = one!(tx, "SELECT (SELECT COUNT(*) FROM message_event), (SELECT COUNT(*) FROM audit_entry WHERE action = 'paper.delivered')").unwrap();
        assert_eq!((events, entries), (1, 1));
        let (late,): (MessageId,) = one!(tx, "SELECT message_id FROM message WHERE household_id = $1", HouseholdId(id(5, 30))).unwrap();
        drop(tx);
        assert_eq!(hand(late, at_local(SEND.monday() + Duration::days(2), 7, 0)).await.unwrap_err().code, "delivery-late");
    });
}

#[tokio::test]
async fn the_server_writes_each_week_once_and_sends_by_itself() {
    on_both_engines!(db => {
        let town = town(db).await;
        // The second municipality of the protocol has no home here, and its sender is not set: it must not stop the first.
        let mut tx = town.app.db.write().await.unwrap();
        run!(tx, "INSERT INTO municipality (municipality_id, code, name, department, pilot, sender, approximate, properties) VALUES ($1, '0114', 'Amatitlán', 'Guatemala', $2, 'Muni Amatitlán', $2, $3)", MunicipalityId(114), true, json!({})).unwrap();
        tx.commit().await.unwrap();
        let evening = town.at(at_local(SEND.monday() + Duration::days(1), 19, 45));
        norm::every_minute(&evening).await.unwrap();
        norm::every_minute(&evening).await.unwrap();
        let mut tx = town.app.db.read().await.unwrap();
        let (rows, delivered): (i64, i64) = one!(tx, "SELECT COUNT(*), CAST(SUM(CASE WHEN state = 'delivered' THEN 1 ELSE 0 END) AS BIGINT) FROM message").unwrap();
        assert_eq!((rows, delivered), (240, 108));
        drop(tx);
        // After the phase there is nothing to write.
        assert_eq!(campaign::run_due(&town.at(at_local(town.trial.protocol.week(19).monday(), 9, 0))).await.unwrap(), 0);
    });
}
