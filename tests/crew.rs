//! What a crew, its lead and another company see.

use crate::on_both_engines;
use crate::street::{self, TOWN};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt;
use vecino::account::{Role, token};
use vecino::app::App;
use vecino::clock::Clock;
use vecino::db::Db;
use vecino::observation::receive::receive;
use vecino::observation::supervision::progress;
use vecino::seal::Keys;

async fn house(db: &Db) -> (App, street::Street) {
    let now = "2026-11-23T18:00:00Z".parse().unwrap();
    let clock = Clock::Fixed(now);
    let street = street::lay(db, clock.today(), 6, 3, "organic").await;
    let mut tx = db.write().await.unwrap();
    for (n, phone) in street.phones.iter().enumerate() {
        let new = token::NewToken {
            role: Role::Crew,
            municipality: phone.municipality,
            operator: phone.operator.clone(),
            device: phone.device,
            name: phone.name.clone(),
            expires_at: None,
        };
        token::create(&mut tx, now, format!("phone {n}"), new).await.unwrap();
    }
    let lead = token::NewToken {
        role: Role::CrewLead,
        municipality: Some(TOWN),
        operator: Some("otra".into()),
        device: None,
        name: "lead".into(),
        expires_at: None,
    };
    token::create(&mut tx, now, "lead".into(), lead).await.unwrap();
    tx.commit().await.unwrap();
    (App { db: db.clone(), clock, keys: Keys::from_root([1; 32]), data_dir: std::sync::Arc::new("unused".into()), demo: false }, street)
}

async fn get(app: &App, secret: &str, path: &str, tag: Option<&str>) -> (StatusCode, Option<String>, String) {
    let mut request = Request::get(path).header("authorization", format!("Bearer {secret}"));
    if let Some(tag) = tag {
        request = request.header("if-none-match", tag);
    }
    let response = vecino::web::app(app.clone()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let tag = response.headers().get("etag").map(|tag| tag.to_str().unwrap().to_owned());
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 1 << 22).await.unwrap();
    (status, tag, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_phone_gets_its_own_rounds_and_nothing_of_the_trial() {
    on_both_engines!(db => {
        let (app, street) = house(&db).await;
        let (status, tag, body) = get(&app, "phone 0", "/api/v1/rounds/today", None).await;
        assert_eq!(status, StatusCode::OK);
        let day: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(day["service_day"], "2026-11-23");
        assert_eq!(day["rounds"].as_array().unwrap().len(), 1);
        let round = &day["rounds"][0];
        assert_eq!((&round["route"], &round["stream"], &round["window"]), (&json!("R1"), &json!("organic"), &json!(["06:00", "11:00"])));
        assert_eq!(round["round"], json!(street.rounds[0]));
        let stops = round["stops"].as_array().unwrap();
        assert_eq!(stops.iter().map(|stop| stop["order"].as_i64().unwrap()).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
        let fields: Vec<&String> = stops[0].as_object().unwrap().keys().collect();
        assert_eq!(fields, ["double", "hint", "household", "lat", "lon", "order"]);
        assert!(!body.contains("segment") && !body.contains("arm"));
        let (status, _, empty) = get(&app, "phone 0", "/api/v1/rounds/today", tag.as_deref()).await;
        assert_eq!((status, empty.as_str()), (StatusCode::NOT_MODIFIED, ""));
        // The other company, the other municipality.
        let (_, other, body) = get(&app, "phone 2", "/api/v1/rounds/today", tag.as_deref()).await;
        assert!(other != tag && body.contains("\"R2\"") && !body.contains("\"R1\"") && !body.contains(&street.homes[0].1));
        let (_, _, body) = get(&app, "phone 3", "/api/v1/rounds/today", None).await;
        assert!(!body.contains("SP-"));
        let (status, _, _) = get(&app, "nobody", "/api/v1/rounds/today", None).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    });
}

#[tokio::test]
async fn rounds_of_a_day_gone_by_are_told_when_asked_for_and_no_day_ahead() {
    on_both_engines!(db => {
        let (app, street) = house(&db).await;
        let (status, _, body) = get(&app, "phone 0", "/api/v1/rounds/today?day=2026-11-02", None).await;
        assert_eq!(status, StatusCode::OK);
        let day: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((day["service_day"].as_str(), day["rounds"].as_array().unwrap().len()), (Some("2026-11-02"), 1));
        assert_ne!(day["rounds"][0]["round"], json!(street.rounds[0]));
        for (asked, code) in [("2026-11-24", "day-ahead"), ("yesterday", "\"day\"")] {
            let (status, _, body) = get(&app, "phone 0", &format!("/api/v1/rounds/today?day={asked}"), None).await;
            assert!(status == StatusCode::UNPROCESSABLE_ENTITY && body.contains(code), "{status} {body}");
        }
    });
}

#[tokio::test]
async fn without_javascript_the_page_is_the_list_of_stops_in_order() {
    on_both_engines!(db => {
        let (app, street) = house(&db).await;
        let (status, _, page) = get(&app, "phone 0", "/crew", None).await;
        assert_eq!(status, StatusCode::OK);
        let paper = &page[page.find("<noscript>").unwrap()..page.find("</noscript>").unwrap()];
        let places: Vec<usize> = street.homes[..6].iter().map(|(_, code)| paper.find(code.as_str()).unwrap()).collect();
        assert!(places.is_sorted() && paper.contains("JavaScript") && !paper.contains(&street.homes[6].1));
        // The shell that phones keep knows nobody.
        let (_, _, shell) = get(&app, "phone 0", "/crew/shell", None).await;
        assert!(!shell.contains("SP-0") && !shell.contains("phone 1") && shell.contains("data-tema=\"sol\""));
        let words = &shell[shell.find("type=\"application/json\">").unwrap() + 24..];
        let words: Value = serde_json::from_str(&words[..words.find("</script>").unwrap()]).unwrap();
        assert_eq!(words["progress"], "{n} de {total}");
        assert!(words.as_object().unwrap().iter().all(|(key, text)| !text.as_str().unwrap().ends_with(key.as_str())));
        let (_, _, worker) = get(&app, "phone 0", "/crew/sw.js", None).await;
        assert!(!worker.contains("__") && !worker.contains("\"/api"));
        let mark = worker.split("?v=").nth(1).unwrap().split('"').next().unwrap();
        assert!(worker.contains(&format!("vecino-crew-{mark}")) && shell.contains(&format!("/static/crew.js?v={mark}")));
    });
}

#[tokio::test]
async fn a_lead_sees_the_own_company_only() {
    on_both_engines!(db => {
        let (app, street) = house(&db).await;
        let mut ops: Vec<Value> = (0..3).map(|home| street.op("observation", home, "07:00:00", json!({"set_out": "no"}))).collect();
        ops.push(street.op("stop_missed", 3, "07:10:00", json!({"reason": "truck_full"})));
        ops.push(street.op("observation", 4, "07:20:00", json!({"set_out": "unknown"})));
        receive(&db, app.clock.now(), &street.phones[0], &street.batch(&ops)).await.unwrap();
        let mut tx = db.read().await.unwrap();
        let own = progress(&mut tx, TOWN, Some("muni"), street.day).await.unwrap();
        assert_eq!(own.len(), 1);
        assert_eq!((own[0].done, own[0].missed, own[0].round.planned_stops), (3, 1, 6));
        assert_eq!(own[0].last_stop, Some("2026-11-23T13:10:00Z".parse().unwrap()));
        assert_eq!(progress(&mut tx, TOWN, None, street.day).await.unwrap().len(), 2);
        drop(tx);
        let (status, _, page) = get(&app, "lead", "/rounds", None).await;
        assert_eq!(status, StatusCode::OK);
        assert!(page.contains("R2") && !page.contains(">R1"), "{page}");
        assert!(!page.contains("phone 1"));
        let (status, _, _) = get(&app, "lead", "/rounds?municipality=0114", None).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        let (status, _, _) = get(&app, "phone 0", "/rounds", None).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
    });
}
