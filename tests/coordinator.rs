//! The coordinator's day: what is late comes first, "no data" stays "no data", and no arm is anywhere.

use crate::on_both_engines;
use crate::publication::{FIRST, TOWN, short_trial, town, wednesday};
use crate::sign_in::{Answer, ask, house};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;
use vecino::account::Role;
use vecino::account::access::Routes;
use vecino::account::admission::Transport;
use vecino::account::token::{self, NewToken};
use vecino::clock::at_local;
use vecino::db::{Db, Tx};
use vecino::language::{Language, Words};
use vecino::map::publication::publish_history;
use vecino::trial;
use vecino::web::{self, coordinator};
use vecino::{one, run};

/// Monday of the fifth week, ten in the morning: the one route should have left at six.
fn monday() -> DateTime<Utc> {
    at_local(FIRST.plus(4).monday(), 10, 5)
}

async fn open(db: Db, more: impl AsyncFnOnce(&mut Tx)) -> Router {
    let app = house(db, monday()).await;
    let mut tx = app.db.write().await.unwrap();
    town(&mut tx, 4).await;
    publish_history(&mut tx, TOWN, wednesday(2)).await.unwrap();
    more(&mut tx).await;
    for role in Role::ALL {
        let new = NewToken { role, municipality: Some(TOWN), operator: None, device: None, name: role.name().into(), expires_at: None };
        token::create(&mut tx, app.clock.now(), role.name().into(), new).await.unwrap();
    }
    tx.commit().await.unwrap();
    web::app_with(app, coordinator::routes(Routes::default()), Transport::default())
}

async fn get(router: &Router, role: Role) -> Answer {
    let request = Request::get("/today/1202").header(header::AUTHORIZATION, format!("Bearer {role}"));
    ask(router, request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_round_that_has_not_left_comes_before_a_home_without_a_place() {
    on_both_engines!(db => {
        let router = open(db, async |tx: &mut Tx| {
            for (code, sets) in [("SP-0003-X", "service_status = 'no_route'"), ("SP-0002-X", "segment_id = NULL")] {
                let sql = format!("UPDATE household_version SET {sets} WHERE municipality_id = $1 AND household_id = (SELECT household_id FROM household WHERE municipality_id = $1 AND code = $2)");
                run!(tx, sqlx::AssertSqlSafe(sql), TOWN, code).unwrap();
            }
        }).await;
        let page = get(&router, Role::Coordinator).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        for words in ["Dos asuntos esperan a una persona", "Lunes 10/08/2026, 10:05 · semana 33 · 1 ruta hoy", "Ruta Centro: debía salir a las 06:00",
            "142 hogares esperan", "2 hogares no están en ninguna ruta", "SP-0002-X", "tiene servicio, sin lugar en una ruta", "ninguna ruta pasa",
            "Hasta la semana 31, la última publicada. La semana 32 se publica el miércoles 12/08/2026.", "<strong>0 de 142</strong> paradas hechas"] {
            assert!(page.body.contains(words), "{words} in {}", page.body);
        }
        assert!(page.body.find("debía salir").unwrap() < page.body.find("no están en ninguna ruta").unwrap());
        assert!(!page.body.contains("SEG-"), "no segment code on a page");
    });
}

#[tokio::test]
async fn a_stop_without_data_is_not_a_stop_that_was_missed() {
    on_both_engines!(db => {
        let router = open(db, async |tx: &mut Tx| {
            let day = FIRST.plus(4).monday();
            vecino::observation::round::make(tx, TOWN, day, day).await.unwrap();
            let rounds = vecino::observation::round::of_day(tx, TOWN, day).await.unwrap();
            let homes: Vec<(Uuid,)> = vecino::all!(tx, "SELECT household_id FROM household WHERE municipality_id = $1 ORDER BY household_id", TOWN).unwrap();
            let device = Uuid::now_v7();
            run!(tx, "INSERT INTO device (municipality_id, device_id, name, operator_id, enrolled_at, seen_at) VALUES ($1, $2, 'Teléfono 1', (SELECT operator_id FROM operator WHERE municipality_id = $1), $3, $4)",
                TOWN, device, monday(), monday() - chrono::Duration::hours(3)).unwrap();
            for (i, (home,)) in homes.iter().take(10).enumerate() {
                let missed = i < 3;
                run!(tx, "INSERT INTO observation (municipality_id, op_id, kind, round_id, household_id, service_day, iso_week, device_id, observed_at, corrected_at, received_at, set_out, separated, reason, complied, counted, content_hash)
                          VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $9, $10, $11, $12, $13, $14, '')",
                    TOWN, Uuid::now_v7(), if missed { "stop_missed" } else { "observation" }, rounds[0].round_id, *home, day, FIRST.plus(4), device, monday(),
                    (!missed).then_some("yes"), (!missed).then_some("yes"), missed.then_some("dump_closed"), (!missed).then_some(1i16), true).unwrap();
            }
            run!(tx, "INSERT INTO unsettled_operation (municipality_id, op_id, content_hash, status, code, device_id, received_at, body) VALUES ($1, $2, 'x', 'conflict', 'other-content', $3, $4, $5)",
                TOWN, Uuid::now_v7(), device, monday(), json!({})).unwrap();
        }).await;
        let page = get(&router, Role::Coordinator).await;
        for words in ["<strong>7 de 144</strong> paradas hechas. 3 no se pudieron hacer, todas con motivo. De 134 aún no se sabe nada",
            "Tres asuntos esperan a una persona", "Vertedero cerrado: 3 paradas de la ruta Centro sin hacer", "Teléfono 1: 1 operación espera una decisión",
            "3 h sin enviar", "Teléfono 1 no envía, y su ruta está en curso"] {
            assert!(page.body.contains(words), "{words} in {}", page.body);
        }
    });
}

#[tokio::test]
async fn messages_are_counted_by_channel_and_state_and_never_by_arm() {
    on_both_engines!(db => {
        let router = open(db, async |tx: &mut Tx| {
            let (home,): (Uuid,) = one!(tx, "SELECT household_id FROM household WHERE municipality_id = $1 AND code = 'SP-0002-X'", TOWN).unwrap();
            for (n, (arm, state)) in [("norm_plan", "failed"), ("reminder", "delivered"), ("norm", "queued")].into_iter().enumerate() {
                run!(tx, "INSERT INTO message (municipality_id, message_id, household_id, trial_id, campaign_id, step, due_on, iso_week, channel, arm, wording, rule, language, state, state_at, send_after, expires_at, attempts)
                          VALUES ($1, $2, $3, 't', 'semanal', $4, $5, $6, 'sms', $7, 'w', 'r', 'es', $8, $9, $10, $11, 0)",
                    TOWN, Uuid::now_v7(), home, n as i32, FIRST.plus(4).monday(), FIRST.plus(4), arm, state, monday(), monday() - chrono::Duration::hours(2), monday() + chrono::Duration::days(2)).unwrap();
            }
        }).await;
        let page = get(&router, Role::Coordinator).await;
        for words in ["3 mensajes, todos los hogares juntos", "1 mensaje de esta semana no llegó", "1 mensaje debía salir hace más de una hora", "Entregado"] {
            assert!(page.body.contains(words), "{words} in {}", page.body);
        }
        for arm in ["norm_plan", "reminder", "Recordatorio"] {
            assert!(!page.body.contains(arm), "{arm}");
        }
    });
}

#[tokio::test]
async fn a_week_is_promised_only_where_one_can_come_and_never_more_was_observed_than_was_due() {
    on_both_engines!(db => {
        let router = open(db.clone(), async |tx: &mut Tx| {
            // One collection a home was due in the last published week, and two were observed: a day was cancelled since.
            let week = FIRST.plus(2);
            vecino::observation::round::make(tx, TOWN, week.monday(), week.sunday()).await.unwrap();
        }).await;
        let page = get(&router, Role::Coordinator).await.body;
        assert!(page.contains("288 de 288"), "{page}");
        let mut tx = db.write().await.unwrap();
        run!(tx, "DELETE FROM home_week WHERE iso_week > $1", FIRST.plus(2)).unwrap();
        tx.commit().await.unwrap();
        // Nobody was observed last week: the next that may come is this one.
        let page = get(&router, Role::Coordinator).await.body;
        assert!(page.contains("La semana 33 se publica el miércoles 19/08/2026, si en ella se observa algún hogar."), "{page}");
        let mut tx = db.write().await.unwrap();
        run!(tx, "UPDATE municipality SET pilot = $1", false).unwrap();
        tx.commit().await.unwrap();
        let page = get(&router, Role::Coordinator).await.body;
        assert!(page.contains("no se publica ninguna semana más") && !page.contains("se publica el miércoles"), "{page}");
    });
}

#[test]
fn every_channel_and_state_of_a_message_has_its_words() {
    for language in [Language::Es, Language::En] {
        let words = Words::new(language);
        for channel in ["sms", "whatsapp", "voice", "paper", "none"] {
            for key in ["today-channel", "norm-channel"] {
                assert!(words.find(&format!("{key}-{channel}"), &[]).is_some(), "{key}-{channel}");
            }
        }
        for state in ["withheld", "queued", "sending", "accepted", "buffered", "delivered", "read", "failed", "rejected", "expired", "unknown"] {
            for key in ["today-state", "norm-state"] {
                assert!(words.find(&format!("{key}-{state}"), &[]).is_some(), "{key}-{state}");
            }
        }
    }
}

#[tokio::test]
async fn the_day_says_where_the_trial_stands_by_the_protocol_in_force() {
    on_both_engines!(db => {
        let router = open(db, async |tx: &mut Tx| {
            trial::freeze(tx, &short_trial("[3, 5]"), "mine.toml", wednesday(0)).await.unwrap();
            trial::amend(tx, &short_trial("[3, 7]").replace("opt_out_per_week = 0.05", "opt_out_per_week = 0.5"), "mine.toml", "más", wednesday(2)).await.unwrap();
        }).await;
        let page = get(&router, Role::Coordinator).await;
        let last = vecino::clock::show_day(FIRST.plus(6).sunday());
        assert!(page.body.contains(&format!("hasta el {last}")), "{last} in {}", page.body);
        assert!(!page.body.contains(&vecino::clock::show_day(FIRST.plus(4).sunday())));
    });
}

#[tokio::test]
async fn only_the_coordinator_and_who_oversees_reaches_the_day() {
    on_both_engines!(db => {
        let router = open(db, async |_: &mut Tx| {}).await;
        for role in Role::ALL {
            let reads = matches!(role, Role::Coordinator | Role::Auditor | Role::Admin);
            assert_eq!(get(&router, role).await.status == StatusCode::OK, reads, "{role}");
        }
    });
}
