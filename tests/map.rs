//! The pages and files a mayor sees: the same numbers everywhere, and nothing that points at a home.

use crate::on_both_engines;
use crate::places::after;
use crate::publication::{FIRST, PLACES, TOWN, tallies, town, wednesday};
use crate::sign_in::{Answer, ask, house};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use chrono::Duration;
use serde_json::Value;
use vecino::account::Role;
use vecino::account::access::Routes;
use vecino::account::admission::Transport;
use vecino::account::token::{self, NewToken};
use vecino::db::Db;
use vecino::id::{Mint, MunicipalityId};
use vecino::map::{self, publication};
use vecino::territory::act::{Act, Deed, Thing, perform};
use vecino::territory::pilot;
use vecino::{all, web};

/// The town with `weeks` published weeks, behind the door, and a key per role.
async fn open(db: Db, weeks: i64) -> Router {
    let app = house(db, wednesday(weeks.max(1) - 1) + Duration::hours(4)).await;
    let mut tx = app.db.write().await.unwrap();
    town(&mut tx, weeks).await;
    publication::publish_history(&mut tx, TOWN, app.clock.now()).await.unwrap();
    for role in Role::ALL {
        for (key, municipality) in [("", Some(TOWN)), ("-else", Some(MunicipalityId(114)))] {
            let new = NewToken { role, municipality, operator: None, device: None, name: format!("{role}{key}"), expires_at: None };
            token::create(&mut tx, app.clock.now(), format!("{role}{key}"), new).await.unwrap();
        }
    }
    tx.commit().await.unwrap();
    web::app_with(app, map::routes(Routes::default()), Transport::default())
}

pub async fn get(router: &Router, key: &str, path: &str, accept: &str) -> Answer {
    let request = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {key}")).header(header::ACCEPT, accept);
    ask(router, request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn the_page_answers_and_its_table_says_what_the_map_shows() {
    on_both_engines!(db => {
        let router = open(db, 5).await;
        let page = get(&router, "mayor", "/map/1202", "text/html").await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        for words in ["¿Dónde se separa mejor la basura?", "De cada 100 recolecciones observadas, <strong>", "Semanas 29 a 32 (13/07 al 09/08/2026)",
            "publicado el 12/08/2026", "Ocultos: 2", "Oculto para no señalar a nadie", "Norte arriba. Aproximado", "menos de 40", "&lt;b&gt;Soche&lt;/b&gt;"] {
            assert!(page.body.contains(words), "{words} in {}", page.body);
        }
        // Without JavaScript the slider's form leads to a week by its step.
        let week = get(&router, "mayor", "/map/1202?measure=set_out&kind=week&paso=1&rutas=1&puntos=1", "text/html").await;
        for words in ["Semana 30 (20/07 al 26/07/2026)", "Sacaron", "class=\"ruta\"", "Planta"] {
            assert!(week.body.contains(words), "{words} in {}", week.body);
        }
        assert_eq!(week.body.matches("class=\"k0\"").count(), 2 + 1, "two hidden cells and the legend");
    });
}

#[tokio::test]
async fn no_page_or_file_names_a_segment_an_arm_or_a_household() {
    on_both_engines!(db => {
        let router = open(db, 6).await;
        let mut texts = Vec::new();
        for path in ["/map/1202", "/map/1202?kind=week&measure=set_out&rutas=1&puntos=1", "/map/1202.svg?rutas=1&puntos=1", "/map/1202/1202-C01", "/map/1202/1202-C03",
            "/api/v1/compliance?municipality=1202&period=2026-W30", "/api/v1/compliance?municipality=1202&period=2026-W30&format=csv"] {
            let answer = get(&router, "mayor", path, "text/html").await;
            assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
            texts.push(answer.body);
        }
        for text in texts {
            for secret in ["SEG-", "SP-0", "norm_plan", "reminder"] {
                assert!(!text.contains(secret), "{secret} in {text}");
            }
            let codes = text.as_bytes().windows(9).filter(|w| w[..3] == *b"SP-" && w[7] == b'-').count();
            assert_eq!(codes, 0);
        }
    });
}

#[tokio::test]
async fn a_hidden_place_is_null_in_the_api_empty_in_csv_and_without_a_number_everywhere() {
    on_both_engines!(db => {
        let router = open(db, 5).await;
        let json = get(&router, "partner", "/api/v1/compliance?municipality=1202&by=neighbourhood&measure=complied&period=2026-B08", "application/geo+json").await;
        assert_eq!(json.headers[header::CONTENT_TYPE], "application/geo+json");
        let json: Value = serde_json::from_str(&json.body).unwrap();
        let features = json["features"].as_array().unwrap();
        assert_eq!(features.len(), PLACES.len());
        assert_eq!(features[0]["geometry"]["type"], "Polygon");
        let of = |id: &str| features.iter().map(|f| &f["properties"]).find(|p| p["id"] == id).unwrap();
        let shown = of("1202-C01");
        assert_eq!((shown["homes"].as_i64(), shown["hidden"].as_bool(), shown["revision"].as_i64()), (Some(40), Some(false), Some(1)));
        assert!(shown["ci_low"].as_f64().unwrap() < shown["rate"].as_f64().unwrap());
        let hidden = of("1202-C03");
        assert_eq!(hidden["hidden"], true);
        for column in ["homes", "n", "rate", "ci_low", "ci_high", "change", "change_low", "change_high", "class"] {
            assert!(hidden[column].is_null(), "{column}");
        }
        let csv = get(&router, "partner", "/api/v1/compliance?municipality=1202&period=2026-B08", "text/csv").await;
        assert!(csv.body.starts_with("id,name,measure,period,revision,homes,n,rate,ci_low,ci_high,change,change_low,change_high,class,hidden"));
        assert!(csv.body.contains("1202-C03,'=Cantel,complied,2026-B08,1,,,,,,,,,,true"), "{}", csv.body);
        let page = get(&router, "mayor", "/map/1202/1202-C03", "text/html").await;
        assert!(page.body.contains("se ocultan en este periodo para no señalar a nadie"), "{}", page.body);
        assert!(!page.body.contains("cumplieron</strong>"));
    });
}

#[tokio::test]
async fn what_is_unknown_is_answered_in_one_line() {
    on_both_engines!(db => {
        let router = open(db, 2).await;
        for (query, status, code) in [
            ("municipality=1299", StatusCode::NOT_FOUND, "municipality-unknown"),
            ("municipality=12", StatusCode::UNPROCESSABLE_ENTITY, "municipality-code"),
            ("", StatusCode::UNPROCESSABLE_ENTITY, "municipality-missing"),
            ("municipality=1202&measure=rate", StatusCode::UNPROCESSABLE_ENTITY, "measure"),
            ("municipality=1202&period=2026-W54", StatusCode::UNPROCESSABLE_ENTITY, "period"),
            ("municipality=1202&period=2026-W50", StatusCode::NOT_FOUND, "period-unpublished"),
            ("municipality=1202&by=segment", StatusCode::UNPROCESSABLE_ENTITY, "by"),
        ] {
            let answer = get(&router, "admin", &format!("/api/v1/compliance?{query}"), "*/*").await;
            let problem: Value = serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("{query}: {} {}", answer.status, answer.body));
            assert_eq!((answer.status, problem["code"].as_str()), (status, Some(code)), "{query}");
            assert!(!problem["detail"].as_str().unwrap().contains('\n'));
        }
    });
}

#[tokio::test]
async fn only_who_reads_the_map_reaches_it_and_only_their_own() {
    on_both_engines!(db => {
        let router = open(db, 2).await;
        for role in Role::ALL {
            let reads = matches!(role, Role::Mayor | Role::Coordinator | Role::Researcher | Role::Partner | Role::Auditor | Role::Admin);
            for path in ["/map/1202", "/map/1202.svg", "/map/1202/1202-C01", "/api/v1/compliance?municipality=1202"] {
                let own = get(&router, role.name(), path, "*/*").await.status;
                assert_eq!(own == StatusCode::OK, reads, "{role} {path} {own}");
                let other = get(&router, &format!("{role}-else"), path, "*/*").await.status;
                assert!(matches!(other, StatusCode::NOT_FOUND | StatusCode::FORBIDDEN), "{role} of another municipality, {path}: {other}");
            }
        }
    });
}

#[tokio::test]
async fn before_the_first_wednesday_the_page_says_when_it_comes() {
    on_both_engines!(db => {
        let app = house(db, wednesday(0) - Duration::days(1)).await;
        let mut tx = app.db.write().await.unwrap();
        town(&mut tx, 1).await;
        let new = NewToken { role: Role::Mayor, municipality: Some(TOWN), operator: None, device: None, name: "mayor".into(), expires_at: None };
        token::create(&mut tx, app.clock.now(), "mayor".into(), new).await.unwrap();
        tx.commit().await.unwrap();
        let router = web::app_with(app, map::routes(Routes::default()), Transport::default());
        let page = get(&router, "mayor", "/map/1202", "text/html").await;
        assert!(page.body.contains("Todavía no hay semanas publicadas. La primera sale el miércoles 22/07/2026."), "{}", page.body);
        assert_eq!(get(&router, "mayor", "/map/1202/1202-C01", "text/html").await.status, StatusCode::OK);
    });
}

#[tokio::test]
async fn where_the_pilot_has_ended_the_page_says_that_nothing_follows() {
    on_both_engines!(db => {
        let router = open(db.clone(), 2).await;
        let said = "no se publica ninguna semana más";
        assert!(!get(&router, "mayor", "/map/1202", "text/html").await.body.contains(said));
        let mut tx = db.write().await.unwrap();
        let ask = |on: bool| pilot::Ask { on, ..pilot::Ask::default() };
        let on = pilot::set(&mut tx, TOWN, ask(true), wednesday(2), wednesday(2).date_naive()).await.unwrap().lines();
        assert!(on.contains("Published so far through 2026-W30") && !on.contains("The first publication"), "{on}");
        let off = pilot::set(&mut tx, TOWN, ask(false), wednesday(2), wednesday(2).date_naive()).await.unwrap().lines();
        assert!(off.contains("/map/1202 says so"), "{off}");
        tx.commit().await.unwrap();
        let page = get(&router, "mayor", "/map/1202", "text/html").await.body;
        assert!(page.contains(said), "{page}");
    });
}

#[tokio::test]
async fn a_week_without_observations_hides_its_own_cells_only() {
    on_both_engines!(db => {
        let mut tx = db.write().await.unwrap();
        town(&mut tx, 2).await;
        tallies(&mut tx, FIRST.plus(2), |place, home| (place != 0).then_some((2, 2, i32::from(home % 2 == 0)))).await;
        tallies(&mut tx, FIRST.plus(3), |_, home| Some((2, 1 + (home % 2) as i32, i32::from(home % 2 == 0)))).await;
        publication::publish_history(&mut tx, TOWN, wednesday(3)).await.unwrap();
        let rows: Vec<(String, bool)> = all!(
            tx, "SELECT period, hidden FROM publication_cell WHERE municipality_id = $1 AND area = '1202-C01' AND measure = 'complied' ORDER BY period", TOWN).unwrap();
        let of = |period: &str| rows.iter().find(|(p, _)| p == period).unwrap().1;
        assert!(of("2026-W31"), "nobody was observed");
        assert!(!of("2026-B08"), "{rows:?}");
    });
}

/// What stands in `d` of the paths of a picture whose class begins like this.
fn drawn<'a>(svg: &'a str, class: &str) -> Vec<&'a str> {
    let paths = svg.split("<path class=\"").skip(1).filter(|path| path.starts_with(class));
    paths.filter_map(|path| path.split("d=\"").nth(1)?.split('"').next()).collect()
}

#[tokio::test]
async fn a_period_in_which_a_neighbourhood_became_part_of_another_is_drawn_with_the_outlines_of_one_day() {
    on_both_engines!(db => {
        let router = open(db.clone(), 4).await;
        let mut tx = db.write().await.unwrap();
        let from = FIRST.plus(2).monday() + Duration::days(2);
        let today = wednesday(3).date_naive();
        let act = Act { municipality: TOWN, from, today, now: wednesday(3), reason: Some("son uno"), actor: "ana" };
        perform(&mut tx, &mut Mint::system(), &act, Thing::Neighbourhood, &Deed::Merge { into: "1202-C01", codes: &["1202-C02".to_owned()] }, after()).await.unwrap();
        tx.commit().await.unwrap();
        let before = get(&router, "mayor", "/map/1202.svg?period=2026-W30", "*/*").await.body;
        let later = get(&router, "mayor", "/map/1202.svg?period=2026-W32", "*/*").await.body;
        assert_eq!((drawn(&before, "k").len(), drawn(&later, "k").len()), (6, 5));
        for period in ["2026-W31", "2026-B08"] {
            let within = get(&router, "mayor", &format!("/map/1202.svg?period={period}"), "*/*").await.body;
            assert_eq!(drawn(&within, "k"), drawn(&before, "k"), "{period}");
            assert_eq!(drawn(&within, "contorno"), drawn(&before, "contorno"), "{period}");
        }
        for ask in ["", "?kind=week", "?period=2026-W30"] {
            let page = get(&router, "mayor", &format!("/map/1202/1202-C02{ask}"), "text/html").await;
            assert_eq!(page.status, StatusCode::OK, "{ask}: {}", page.body);
            assert!(page.body.contains("Terminó el 28/07/2026; hoy sus calles son de La Parroquia."), "{ask}: {}", page.body);
            assert!(!page.body.contains("No hay rutas registradas"), "{ask}");
        }
        let whole = get(&router, "mayor", "/map/1202/1202-C01", "text/html").await;
        assert!(!whole.body.contains("Terminó el"), "{}", whole.body);
    });
}

#[tokio::test]
async fn the_picture_is_the_same_picture() {
    let db = crate::pilot::open("sqlite::memory:").await;
    db.migrate().await.unwrap();
    let router = open(db, 4).await;
    let svg = get(&router, "mayor", "/map/1202.svg?period=2026-B08&rutas=1&puntos=1", "*/*").await;
    assert_eq!(svg.headers[header::CONTENT_TYPE], "image/svg+xml; charset=utf-8");
    // The style is the style sheet's; everything else is drawn from the town.
    let style = svg.body.find("<style>").unwrap()..svg.body.find("</style>").unwrap();
    insta::assert_snapshot!(svg.body.replace(&svg.body[style], "<style>[style]").replace("><", ">\n<"));
}
