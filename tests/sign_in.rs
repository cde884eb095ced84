//! Signing in, staying signed in, and being shut out.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use chrono::{DateTime, Duration, Utc};
use std::sync::Arc;
use tower::ServiceExt;
use vecino::account::token::{self, NewToken};
use vecino::account::user::{self, NewAccount};
use vecino::account::{Role, device};
use vecino::app::App;
use vecino::clock::Clock;
use vecino::db::Db;
use vecino::id::{Mint, MunicipalityId};
use vecino::seal::Keys;
use vecino::{one, run};

pub const PASSWORD: &str = "una clave larga";

pub fn noon() -> DateTime<Utc> {
    "2026-11-23T16:00:00Z".parse().unwrap()
}

/// A house with two municipalities and no content; `at` is what its clock says.
pub async fn house(db: Db, at: DateTime<Utc>) -> App {
    let mut tx = db.write().await.unwrap();
    for (id, code, name) in [(1202, "1202", "San Pedro Sacatepéquez"), (114, "0114", "Amatitlán")] {
        run!(tx, "INSERT INTO municipality (municipality_id, code, name, department, pilot, approximate, properties) VALUES ($1, $2, $3, 'D', $4, $4, $5) ON CONFLICT (municipality_id) DO NOTHING",
            MunicipalityId(id), code, name, true, serde_json::json!({})).unwrap();
    }
    tx.commit().await.unwrap();
    App { db, clock: Clock::Fixed(at), keys: Keys::from_root([1; 32]), data_dir: Arc::new("/nowhere".into()), demo: false }
}

pub async fn person(app: &App, login: &str, role: Role, municipality: Option<MunicipalityId>, hash: &str) {
    let mut tx = app.db.write().await.unwrap();
    let new = NewAccount { login: login.into(), password: String::new(), role, municipality, operator: None, language: "es".into() };
    user::add_hashed(&mut tx, app.clock.now(), &mut Mint::system(), new, hash.into()).await.unwrap();
    tx.commit().await.unwrap();
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn location(&self) -> &str {
        self.headers.get(header::LOCATION).map_or("", |v| v.to_str().unwrap())
    }

    /// `name=value` of the session cookie that was set.
    pub fn cookie(&self) -> String {
        let line = self.headers.get_all(header::SET_COOKIE).iter().map(|v| v.to_str().unwrap()).find(|line| line.contains("vecino=")).unwrap_or("");
        line.split(';').next().unwrap().to_owned()
    }

    pub fn csrf(&self) -> String {
        self.body.split("name=\"csrf\" value=\"").nth(1).map_or(String::new(), |rest| rest.split('"').next().unwrap().to_owned())
    }
}

pub async fn ask(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, 1 << 24).await.unwrap();
    Answer { status: parts.status, headers: parts.headers, body: String::from_utf8_lossy(&bytes).into_owned() }
}

pub async fn get(router: &Router, path: &str, cookie: &str) -> Answer {
    ask(router, Request::get(path).header("cookie", cookie).body(Body::empty()).unwrap()).await
}

pub async fn post(router: &Router, path: &str, cookie: &str, form: &str) -> Answer {
    let request = Request::post(path).header("cookie", cookie).header("content-type", "application/x-www-form-urlencoded");
    ask(router, request.body(Body::from(form.to_owned())).unwrap()).await
}

pub async fn sign_in(router: &Router, login: &str) -> Answer {
    post(router, "/sign-in", "", &format!("login={login}&password={}", PASSWORD.replace(' ', "+"))).await
}

async fn hash() -> String {
    vecino::account::password::hash(PASSWORD).await.unwrap()
}

#[tokio::test]
async fn a_right_password_opens_a_new_session_and_a_planted_cookie_is_worth_nothing() {
    let hash = hash().await;
    crate::on_both_engines!(db => {
        let app = house(db, noon()).await;
        person(&app, "ana", Role::Admin, None, &hash).await;
        let router = vecino::web::app(app.clone());
        // Somebody planted a cookie in this browser before the sign-in.
        let planted = "vecino=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
        let answer = post(&router, "/sign-in", planted, &format!("login=Ana&password={}", PASSWORD.replace(' ', "+"))).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        assert_eq!(answer.location(), "/accounts");
        assert_ne!(answer.cookie(), planted);
        let line = answer.headers[header::SET_COOKIE].to_str().unwrap();
        assert!(line.contains("HttpOnly") && line.contains("SameSite=Lax") && line.contains("Path=/"), "{line}");
        assert_eq!(get(&router, "/", planted).await.location(), "/sign-in");
        assert_eq!(get(&router, "/", &answer.cookie()).await.location(), "/accounts");
        // A second sign-in ends the first session of that browser.
        let again = post(&router, "/sign-in", &answer.cookie(), &format!("login=ana&password={}", PASSWORD.replace(' ', "+"))).await;
        assert_ne!(again.cookie(), answer.cookie());
        assert_eq!(get(&router, "/", &answer.cookie()).await.location(), "/sign-in");
        // The cookie itself is nowhere in the database.
        let mut tx = app.db.read().await.unwrap();
        let (n,): (i64,) = one!(tx, "SELECT COUNT(*) FROM session WHERE session_hash = $1", again.cookie().split_once('=').unwrap().1).unwrap();
        assert_eq!(n, 0);
    });
}

/// That somebody was seen is written beside the page: waits until it is.
async fn seen(app: &App, minutes: i64) {
    for _ in 0..400 {
        let mut tx = app.db.read().await.unwrap();
        let (n,): (i64,) = one!(tx, "SELECT COUNT(*) FROM session WHERE seen_at = $1", noon() + Duration::minutes(minutes)).unwrap();
        if n > 0 {
            return;
        }
        drop(tx);
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("a session of minute {minutes} was not noted");
}

#[tokio::test]
async fn a_session_ends_after_its_rest_its_life_a_sign_out_or_the_end_of_the_account() {
    let hash = hash().await;
    crate::on_both_engines!(db => {
        let app = house(db, noon()).await;
        person(&app, "ana", Role::Auditor, None, &hash).await;
        let at = |minutes: i64| vecino::web::app(App { clock: Clock::Fixed(noon() + Duration::minutes(minutes)), ..app.clone() });
        let cookie = sign_in(&at(0), "ana").await.cookie();
        assert_eq!(get(&at(29), "/", &cookie).await.location(), "/audit");
        seen(&app, 29).await;
        assert_eq!(get(&at(58), "/", &cookie).await.location(), "/audit");
        assert_eq!(get(&at(89), "/", &cookie).await.location(), "/sign-in");
        let cookie = sign_in(&at(0), "ana").await.cookie();
        for minutes in (20..=720).step_by(20) {
            assert_eq!(get(&at(minutes), "/", &cookie).await.location(), "/audit", "{minutes}");
            seen(&app, minutes).await;
        }
        assert_eq!(get(&at(721), "/", &cookie).await.location(), "/sign-in");
        let cookie = sign_in(&at(0), "ana").await.cookie();
        let csrf = get(&at(0), "/api/docs", &cookie).await.csrf();
        assert_eq!(post(&at(0), "/sign-out", &cookie, &format!("csrf={csrf}")).await.status, StatusCode::SEE_OTHER);
        assert_eq!(get(&at(0), "/", &cookie).await.location(), "/sign-in");
        let cookie = sign_in(&at(0), "ana").await.cookie();
        let (account, ..) = user::for_sign_in(&app.db, "ana").await.unwrap().unwrap();
        let mut tx = app.db.write().await.unwrap();
        user::disable(&mut tx, noon(), account).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(get(&at(0), "/", &cookie).await.location(), "/sign-in");
        assert_eq!(sign_in(&at(0), "ana").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    });
}

#[tokio::test]
async fn a_form_without_its_token_or_from_another_site_changes_nothing() {
    let hash = hash().await;
    crate::on_both_engines!(db => {
        let app = house(db, noon()).await;
        person(&app, "ana", Role::Admin, None, &hash).await;
        let router = vecino::web::app(app);
        let cookie = sign_in(&router, "ana").await.cookie();
        let csrf = get(&router, "/api/docs", &cookie).await.csrf();
        for form in ["", "csrf=", "csrf=00", "theme=sol"] {
            assert_eq!(post(&router, "/sign-out", &cookie, form).await.status, StatusCode::FORBIDDEN, "{form}");
        }
        let from = |origin: &str| {
            Request::post("/sign-out").header("cookie", &cookie).header("host", "vecino.example").header("origin", origin)
                .header("content-type", "application/x-www-form-urlencoded").body(Body::from(format!("csrf={csrf}"))).unwrap()
        };
        for origin in ["https://other.example", "null"] {
            assert_eq!(ask(&router, from(origin)).await.status, StatusCode::FORBIDDEN, "{origin}");
        }
        assert_eq!(get(&router, "/", &cookie).await.location(), "/accounts");
        assert_eq!(ask(&router, from("https://vecino.example")).await.status, StatusCode::SEE_OTHER);
        assert_eq!(get(&router, "/", &cookie).await.location(), "/sign-in");
        // Nobody can be signed in as somebody else from another site.
        let foreign = Request::post("/sign-in").header("host", "vecino.example").header("origin", "https://other.example")
            .header("content-type", "application/x-www-form-urlencoded").body(Body::from("login=ana&password=x")).unwrap();
        assert_eq!(ask(&router, foreign).await.status, StatusCode::FORBIDDEN);
    });
}

#[tokio::test]
async fn guessing_is_slowed_per_login_and_a_restart_does_not_forget() {
    let hash = hash().await;
    crate::on_both_engines!(db => {
        let app = house(db, noon()).await;
        person(&app, "ana", Role::Admin, None, &hash).await;
        person(&app, "eva", Role::Admin, None, &hash).await;
        for n in 0..5 {
            // Each time a new router: nothing is kept in memory.
            let answer = post(&vecino::web::app(app.clone()), "/sign-in", "", "login=ana&password=wrong").await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{n}");
            assert!(answer.body.contains("El usuario o la contraseña no coinciden."));
        }
        let router = vecino::web::app(app.clone());
        let refused = sign_in(&router, "ana").await;
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(refused.headers["retry-after"], "900");
        assert!(refused.body.contains("Demasiados intentos. Pruebe de nuevo a las 10:15."), "{}", refused.body);
        assert_eq!(sign_in(&router, "eva").await.status, StatusCode::SEE_OTHER, "another login from the same address is not held back");
        let later = vecino::web::app(App { clock: Clock::Fixed(noon() + Duration::minutes(15)), ..app });
        assert_eq!(sign_in(&later, "ana").await.status, StatusCode::SEE_OTHER);
    });
}

#[tokio::test]
async fn a_revoked_expired_or_unknown_token_is_told_so_at_once() {
    crate::on_both_engines!(db => {
        let app = house(db, noon()).await;
        let router = vecino::web::app(app.clone());
        let with = async |secret: &str| {
            let answer = ask(&router, Request::post("/sign-out").header("authorization", format!("Bearer {secret}")).body(Body::empty()).unwrap()).await;
            (answer.status, serde_json::from_str::<serde_json::Value>(&answer.body).unwrap()["code"].as_str().unwrap().to_owned())
        };
        let mut tx = app.db.write().await.unwrap();
        let municipality = MunicipalityId(1202);
        let phone = device::enrol(&mut tx, noon(), &mut Mint::system(), municipality, None, None, "phone 1", "good".into()).await.unwrap();
        let brief = NewToken { role: Role::Partner, municipality: None, operator: None, device: None, name: "script".into(), expires_at: Some(noon()) };
        token::create(&mut tx, noon(), "brief".into(), brief).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(with("good").await, (StatusCode::UNPROCESSABLE_ENTITY, "no-session".into()), "a good token passes the door");
        assert_eq!(with("brief").await, (StatusCode::UNAUTHORIZED, "token-expired".into()));
        assert_eq!(with("never made").await, (StatusCode::UNAUTHORIZED, "token-unknown".into()));
        let mut tx = app.db.write().await.unwrap();
        device::revoke(&mut tx, noon(), "ana", municipality, phone).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(with("good").await, (StatusCode::UNAUTHORIZED, "device-revoked".into()));
    });
}

#[tokio::test]
async fn every_answer_carries_the_strict_headers_and_unknown_addresses_are_pages_or_problems() {
    crate::on_both_engines!(db => {
        let router = vecino::web::app(house(db, noon()).await);
        let page = get(&router, "/no-such-page", "").await;
        assert_eq!(page.status, StatusCode::NOT_FOUND);
        assert!(page.body.contains("<h1>Aquí no hay nada</h1>") && page.body.contains("lang=\"es-GT\""), "{}", page.body);
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe") && !policy.contains("http"), "{policy}");
        assert_eq!(page.headers["x-content-type-options"], "nosniff");
        assert!(!page.body.contains("style=") && !page.body.contains("<script>") && !page.body.contains("onclick"));
        let problem = get(&router, "/api/v1/nothing", "").await;
        assert_eq!(problem.status, StatusCode::NOT_FOUND);
        assert_eq!(problem.headers["content-type"], "application/problem+json");
        let body: serde_json::Value = serde_json::from_str(&problem.body).unwrap();
        assert_eq!((body["status"].as_u64(), body["code"].as_str()), (Some(404), Some("page-unknown")));
        assert_eq!(post(&router, "/healthz", "", "").await.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(get(&router, "/static/interface/es.ftl", "").await.status, StatusCode::NOT_FOUND);
        assert_eq!(get(&router, "/static/../Cargo.toml", "").await.status, StatusCode::NOT_FOUND);
        let sheet = page.body.split("href=\"/static/style.css?v=").nth(1).unwrap().split('"').next().unwrap();
        let sheet = get(&router, &format!("/static/style.css?v={sheet}"), "").await;
        assert!(sheet.headers["cache-control"].to_str().unwrap().contains("immutable"));
        assert!(!get(&router, "/static/style.css?v=0", "").await.headers["cache-control"].to_str().unwrap().contains("immutable"));
    });
}

/// 31 letters, each as likely: that one of them is missing in 2,400 has a chance of 31 × (30/31)^2400, less than 10^-32.
#[test]
fn a_one_time_password_is_three_groups_of_four_letters_and_may_hold_every_letter() {
    let made: Vec<String> = (0..200).map(|_| vecino::account::password::one_time()).collect();
    assert!(made.iter().all(|password| password.split('-').map(str::len).eq([4, 4, 4])), "{:?}", made[0]);
    let letters: std::collections::BTreeSet<char> = made.iter().flat_map(|password| password.chars().filter(|c| *c != '-')).collect();
    assert_eq!(letters.len(), 31, "{letters:?}");
}
